import { DatabaseBusy } from '@aether/platform';

/**
 * Lets at most so many pieces of work run at once; the others wait in the order in which they came, each for at most `waitMsMax`.
 *
 * @returns does the work, or nothing if nobody needs it any more when its turn has come. It throws DatabaseBusy if no turn came in time.
 */
export function fewAtOnce(
  max: number,
  waitMsMax: number,
): <T>(isNeeded: () => boolean, work: () => Promise<T>) => Promise<T | undefined> {
  const waiting = new Set<() => void>();
  let running = 0;

  function waitForTurn(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      waiting.delete(begin);
      reject(new DatabaseBusy(new Error(`No turn came within ${waitMsMax} ms: ${running} looks are at work.`)));
    }, waitMsMax);
    const begin = () => {
      clearTimeout(timer);
      resolve();
    };
    waiting.add(begin);
    return promise;
  }

  return async (isNeeded, work) => {
    // Who ends gives his place to the first who waits, so that nobody who comes in between takes it.
    if (running < max) running += 1;
    else await waitForTurn();
    try {
      return isNeeded() ? await work() : undefined;
    } finally {
      const [next] = waiting;
      if (next) {
        waiting.delete(next);
        next();
      } else running -= 1;
    }
  };
}
