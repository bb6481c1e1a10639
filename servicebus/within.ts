import { callTimeoutMs } from './client.ts';
import { BusFailure, toBusFailure } from './failures.ts';

/** The SDK does not keep to its own limit when a line drops at the wrong moment: completing a message then hangs for a minute. */
const giveUpMs = callTimeoutMs * 1.5;

/**
 * Every call of the SDK goes through here.
 *
 * @throws BusFailure for a call that failed, and when nothing came of it in time
 */
export async function within<Value>(work: Promise<Value>, forMs = giveUpMs): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new BusFailure('unreachable', `Service Bus gave no answer within ${forMs} ms.`)),
    forMs,
  );
  work.catch(() => {}); // its error may come after the limit
  try {
    return await Promise.race([work, promise]);
  } catch (error) {
    throw toBusFailure(error);
  } finally {
    clearTimeout(timer);
  }
}
