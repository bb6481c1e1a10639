import { setTimeout as wait } from 'node:timers/promises';

/**
 * How much of the time looks take. A look has a core for some milliseconds, and who waits for an event meanwhile shares the other one with all
 * who write. While events stream they take a twentieth, therefore, until they are late.
 */
export type Pace = {
  /** A look has ended. @param oldest when the oldest event that it was for came */
  took(ms: number, oldest: Date | undefined): void;
  /** Settles when the next look may begin: within four seconds, and at once when events no longer stream. */
  next(signal: AbortSignal): Promise<void>;
};

const streamRestFactor = 19;
/** Health takes a subscription that makes no step for ten seconds for stalled. */
const restMsMax = 4_000;
/** Somewhat less than what Sync Health takes for behind (`lag_seconds`). */
export const lateMs = 20_000;
const lookAgainMs = 50;

export function createPace(isStream: () => boolean): Pace {
  let restUntil = 0;
  return {
    took(ms, oldest) {
      const isLate = oldest !== undefined && Date.now() - oldest.getTime() > lateMs;
      restUntil = isLate ? 0 : performance.now() + Math.min(ms * streamRestFactor, restMsMax);
    },
    async next(signal) {
      while (performance.now() < restUntil && isStream() && !signal.aborted)
        await wait(lookAgainMs, undefined, { signal }).catch(() => {});
    },
  };
}
