/*
 * Limits of time for what is done thousands of times a second and hardly ever exceeds them. They share one timer.
 *
 * A timer for each costs more than the timer: Node's lists of timers let what a timer leads to outlive the next collections of garbage, so that the
 * answers of queries were promoted (measured with 64 callers of lookups: 5 of 22 MB at each collection, which took 5 ms; without, 0.8 ms).
 * An array, because the table of a Map whose entries come and go does the same: a table that was replaced leads to its successor.
 */

class Limited {
  readonly endsAt: number;
  readonly giveUp: () => void;
  /** In `underWay`. */
  at = underWay.length;

  constructor(endsAt: number, giveUp: () => void) {
    this.endsAt = endsAt;
    this.giveUp = giveUp;
  }

  /** It is done, and is not given up any more. */
  end(): void {
    const last = underWay.at(-1) as Limited;
    underWay[this.at] = last;
    last.at = this.at;
    underWay.pop();
  }
}

const underWay: Limited[] = [];
let timer: NodeJS.Timeout | undefined;
let dueAt = Number.POSITIVE_INFINITY;

/** Calls `giveUp` after so many milliseconds, unless it has ended. The timer does not keep the process. */
export function limit(ms: number, giveUp: () => void): Limited {
  const limited = new Limited(performance.now() + ms, giveUp);
  underWay.push(limited);
  if (limited.endsAt < dueAt) lookAt(limited.endsAt);
  return limited;
}

function lookAt(at: number): void {
  clearTimeout(timer);
  dueAt = at;
  timer = setTimeout(look, Math.max(at - performance.now(), 1)).unref();
}

function look(): void {
  const now = performance.now();
  const overdue = underWay.filter(({ endsAt }) => endsAt <= now);
  dueAt = Number.POSITIVE_INFINITY;
  const next = underWay.reduce((least, { endsAt }) => (endsAt > now ? Math.min(least, endsAt) : least), dueAt);
  if (next < dueAt) lookAt(next);
  for (const { giveUp } of overdue) giveUp();
}
