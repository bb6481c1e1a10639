import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition } from './condition.ts';

/** Reads the snapshot of a consumer. It ends soon when the signal is aborted, and goes on where it was when it is called again. */
export type Begin = (context: { signal: AbortSignal }) => Promise<unknown>;

/** `begin` was ended because it took too long. */
export class BeginTimeout extends Error {
  constructor(afterMs: number) {
    super(
      `It did not end within ${afterMs} ms and was told to. It is called again, and goes on where it was if it has written that down; otherwise raise beginTimeoutMs.`,
    );
    this.name = 'BeginTimeout';
  }
}

/** One that does not end at the signal is waited for no longer than that. */
const endWithinMs = 10_000;
const restLeastMs = 50;

/** Calls `begin` until it has succeeded, or the consumer stops. @returns whether it has */
export async function beginAtLast(
  begin: Begin,
  { timeoutMs, condition, stopping }: { timeoutMs: number; condition: Condition; stopping: AbortSignal },
): Promise<boolean> {
  while (!stopping.aborted) {
    try {
      await beginOnce(begin, timeoutMs, stopping);
      return true;
    } catch (error) {
      condition.rest(error, `The consumer cannot begin: ${error instanceof Error ? error.message : error}`);
      await sleep(Math.max(condition.restMs(), restLeastMs), undefined, { signal: stopping }).catch(() => {});
    }
  }
  return false;
}

async function beginOnce(begin: Begin, timeoutMs: number, stopping: AbortSignal): Promise<void> {
  const ending = new AbortController();
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  const end = (reason: Error) => {
    ending.abort(reason);
    over.reject(reason);
  };
  const timer = setTimeout(() => end(new BeginTimeout(timeoutMs)), timeoutMs);
  const onStop = () => end(new Error('The consumer was stopped.'));
  stopping.addEventListener('abort', onStop, { once: true });
  const beginning = Promise.resolve(begin({ signal: ending.signal }));
  try {
    await Promise.race([beginning, over.promise]);
  } catch (error) {
    // Two of them at once would write over each other.
    if (ending.signal.aborted)
      await Promise.race([beginning.catch(() => {}), sleep(endWithinMs, undefined, { ref: false })]);
    // What it says about being ended is less than why.
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener('abort', onStop);
  }
}
