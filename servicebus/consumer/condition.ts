import { retryDelayMs, TargetUnavailable } from '@aether/platform/log';
import type { ConsumerHappening } from './happenings.ts';

/** How the consumer is: at work, or at rest after a failure that is not one event's. */
export type Condition = {
  /** The whole consumer rests: after the first failure for 200 ms, then doubling. Failures of several lanes at once count once. */
  rest(error: unknown, sentence: string): void;
  recover(): void;
  /** How long it still rests; 0: it does not. */
  restMs(): number;
  /** What keeps it from working; undefined: nothing. */
  error(): unknown;
};

const firstMs = 200;
const longestMs = 10_000;
/** Of one failure after the other, each so many are told. */
const toldEach = 10;

export function createCondition(tell: (happening: ConsumerHappening) => void, stopping: AbortSignal): Condition {
  let failures = 0;
  let failed: unknown;
  let restsUntil = 0;
  return {
    rest(error, sentence) {
      if (stopping.aborted || (restsUntil > performance.now() && failures > 0)) return;
      failures++;
      const forMs =
        error instanceof TargetUnavailable ? error.retryAfterMs : retryDelayMs(failures, firstMs, longestMs);
      restsUntil = performance.now() + forMs;
      if (failed === undefined || failures % toldEach === 0) tell({ kind: 'consumer.failed', sentence, error });
      failed = error;
    },
    recover() {
      failures = 0;
      if (failed === undefined) return;
      failed = undefined;
      tell({ kind: 'consumer.recovered' });
    },
    restMs: () => Math.max(0, restsUntil - performance.now()),
    error: () => failed,
  };
}
