import type { ServiceBusClient } from '@azure/service-bus';
import { callTimeoutMs, onLineDropped } from './client.ts';
import { BusFailure, toBusFailure } from './failures.ts';

/**
 * A call that has no answer by then is given up. The SDK does not keep to its own limit when a line drops at the wrong moment: completing a message
 * then hangs for a minute.
 */
export const giveUpMs = callTimeoutMs * 1.5;

/**
 * Every call of the SDK goes through here.
 *
 * @param client whose line drops: the call has failed then, at once, which the SDK says only at the end of its limit
 * @throws BusFailure for a call that failed, and when nothing came of it in time
 */
export async function within<Value>(work: Promise<Value>, forMs = giveUpMs, client?: ServiceBusClient): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new BusFailure('unreachable', `Service Bus gave no answer within ${forMs} ms.`)),
    forMs,
  );
  const endWatch =
    client &&
    onLineDropped(client, () => reject(new BusFailure('unreachable', 'The line to Service Bus has dropped.')));
  work.catch(() => {}); // its error may come after the limit
  try {
    return await Promise.race([work, promise]);
  } catch (error) {
    throw toBusFailure(error);
  } finally {
    clearTimeout(timer);
    endWatch?.();
  }
}
