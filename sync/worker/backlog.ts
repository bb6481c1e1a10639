import { setTimeout as wait } from 'node:timers/promises';
import type { Batch } from './numbering.ts';

/*
 * A backlog is numbered first. Whoever waits for an event waits for the numbering of all that were committed before, and what else the worker
 * does takes the cores from that: so what may be late, looks for duplicates and scans of quality, rests meanwhile. But never for long: a
 * backlog that grows for hours, as in an import, must not keep it from its work.
 */

export type Backlog = {
  /** What a batch says of those behind it. */
  note(batch: Batch): void;
  /** This worker numbers nothing any more, and knows of no backlog. */
  forget(): void;
  /** Settles when no backlog is numbered, or after two seconds. Until the first batch of a worker that starts, nobody knows: there is one. */
  over(signal?: AbortSignal): Promise<void>;
  /** Many events have come within about a second. A worker that stands by knows of none. */
  isStream(): boolean;
};

/** A batch of so many is part of a write of many, as the chunk of an import, and others follow within moments. */
const large = 200;
const followsWithinMs = 250;
/** Health takes a reader for stalled that has made no step for ten seconds: one that rests for five by itself has time for its step. */
const waitMaxMs = 2_000;
const lookAgainMs = 20;
/** So many events within about so long are a stream: those who wait for one share the cores with all who write. */
const streamMin = 200;
const streamMs = 1_000;

export function createBacklog(): Backlog {
  let isUntil = Number.POSITIVE_INFINITY;
  /** Events of about the last `streamMs`. */
  let stream = { events: 0, at: performance.now() };
  const lately = (now: number) => stream.events * Math.exp((stream.at - now) / streamMs);
  return {
    note({ moved, isFull }) {
      const now = performance.now();
      stream = { events: lately(now) + moved, at: now };
      if (isFull) isUntil = Number.POSITIVE_INFINITY;
      else if (moved >= large) isUntil = now + followsWithinMs;
      else if (isUntil === Number.POSITIVE_INFINITY) isUntil = now;
    },
    forget() {
      isUntil = 0;
      stream.events = 0;
    },
    isStream: () => lately(performance.now()) >= streamMin,
    async over(signal) {
      const endsAt = performance.now() + waitMaxMs;
      while (performance.now() < Math.min(isUntil, endsAt) && !signal?.aborted)
        await wait(lookAgainMs, undefined, { signal }).catch(() => {});
    },
  };
}
