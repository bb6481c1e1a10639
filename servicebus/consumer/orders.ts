import { setTimeout as sleep } from 'node:timers/promises';
import { commandSession } from '../commands.ts';
import { within } from '../within.ts';
import { acceptAnswerMs, renewForMs } from './holding.ts';
import type { Line } from './line.ts';
import type { Obeying } from './obeying.ts';

const waitMs = 10_000;

/**
 * While the consumer is paused it reads nothing but orders: one of them may be to resume. Any other time they come in a lane among others. Runs
 * until the consumer stops.
 */
export async function listenWhilePaused({
  line,
  topic,
  subscription,
  acceptMs,
  stopping,
  isPaused,
  look,
  obeying,
  lookMs,
}: {
  line: Line;
  topic: string;
  subscription: string;
  acceptMs: number;
  stopping: AbortSignal;
  isPaused: () => boolean;
  /** Asks the inbox again whether it is. */
  look: () => Promise<unknown>;
  obeying: Pick<Obeying, 'obey'>;
  lookMs: number;
}): Promise<void> {
  async function listen(): Promise<false> {
    const client = line.client();
    const accepted = client.acceptSession(topic, subscription, commandSession, {
      skipParsingBodyAsJson: true,
      maxAutoLockRenewalDurationInMs: renewForMs,
      abortSignal: stopping,
    });
    const receiver = await within(accepted, acceptMs + acceptAnswerMs, client);
    try {
      while (isPaused() && !stopping.aborted) {
        const asked = receiver.receiveMessages(10, { maxWaitTimeInMs: waitMs, abortSignal: stopping });
        for (const message of await within(asked, waitMs + acceptAnswerMs, client)) {
          await obeying.obey(message);
          await within(receiver.completeMessage(message));
        }
        await look();
      }
    } finally {
      await within(receiver.close()).catch(() => {});
    }
    return false;
  }

  let restMs = lookMs;
  while (!stopping.aborted) {
    // If another process has the session, or there is no line, it asks less and less often: each time costs an operation.
    const isRefused = isPaused() && (await listen().catch(() => true));
    restMs = isRefused ? Math.min(restMs * 2, waitMs) : lookMs;
    await sleep(restMs, undefined, { signal: stopping }).catch(() => {});
  }
}
