import { callTimeoutMs } from './client.ts';

/** The SDK does not keep to its own limit when a line drops at the wrong moment: completing a message then hangs for a minute. */
const giveUpMs = callTimeoutMs * 1.5;

/** @throws when nothing came of it in time */
export async function within<Value>(work: Promise<Value>, forMs = giveUpMs): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Service Bus gave no answer within ${forMs} ms.`)), forMs);
  work.catch(() => {}); // its error may come after the limit
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
