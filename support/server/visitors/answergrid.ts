import { setTimeout as wait } from 'node:timers/promises';

/** The distance between the moments at which an answer may leave. */
const gridMs = 25;

/**
 * Releases the outcome of `work` only at a multiple of 25 ms after its start, so that the duration does not reveal the path that
 * it took: making a customer takes a few milliseconds more than finding one.
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
