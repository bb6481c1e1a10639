import { setTimeout as wait } from 'node:timers/promises';

/** How far apart the moments are at which an answer may leave. */
const gridMs = 25;

/**
 * Lets the outcome of `work` out only at a multiple of 25 ms after its start, so that how long it took does not tell which
 * way it went: making a customer takes a few milliseconds more than finding one.
 */
export async function answerOnGrid<T>(work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    const leavesAt = startedAt + Math.ceil((performance.now() - startedAt) / gridMs) * gridMs;
    for (let early = leavesAt - performance.now(); early > 0; early = leavesAt - performance.now()) await wait(early);
  }
}
