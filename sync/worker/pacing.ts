import type { Batch } from './numbering.ts';

/*
 * How long numbering rests between two batches, so that it and its readers leave the machine to the writers.
 *
 * A rest is a multiple of what a batch takes at present, less a millisecond: short on an idle machine, where a batch takes a millisecond; longer
 * on a busy one, where many small batches would make it busier. It is the median of the last ones: one that waited 150 ms for a lock says nothing
 * about the next, and as a part of a mean it kept them all waiting. But it is no longer than a millisecond for each event of the last batch: where
 * few come, nothing is saved by letting them wait.
 *
 * Where batches of a dozen are usual, more is written than the machine takes, and a rest is longer: each batch makes every subscription take a
 * step. Sixteen writers with two subscriptions did 11 % more (sixteen pairs of turns), and an event came 7 ms later at the median, the slowest
 * hundredth 9.
 */

export type Pacing = {
  /** @param ms how long the batch took */
  note(batch: Batch, ms: number): void;
  /** How long to rest after a batch of so many events, in milliseconds. */
  restAfter(moved: number): number;
  /** How long to rest if nothing was found, although many events come. */
  restAfterNothing(): number;
};

const restPerBatch = 2;
const restPerLargeBatch = 5;
const largeBatch = 12;
const restLessMs = 1;
const restPerEventMs = 1;
const restMaxMs = 25;
/** A batch of so many is worth its cost, as when one transaction wrote them, and the events of others wait. */
const worthwhile = 500;
const batchesKept = 15;

/** @param restMinMs the shortest rest */
export function createPacing(restMinMs: number): Pacing {
  const batches: { ms: number; moved: number }[] = [];
  const usualMs = () => medianOf(batches.map(({ ms }) => ms)) ?? restMinMs;
  const usual = () => medianOf(batches.map(({ moved }) => moved)) ?? 0;
  const within = (ms: number) => Math.min(Math.max(restMinMs, ms), restMaxMs);
  return {
    note({ moved, isFull }, ms) {
      if (moved > 0 && !isFull && batches.push({ ms, moved }) > batchesKept) batches.shift();
    },
    restAfter(moved) {
      if (moved >= worthwhile) return restMinMs;
      const rests = usual() < largeBatch ? restPerBatch : restPerLargeBatch;
      return within(Math.min(usualMs() * rests - restLessMs, moved * restPerEventMs));
    },
    restAfterNothing: () => within(usualMs() * restPerBatch - restLessMs),
  };
}

const medianOf = (values: number[]): number | undefined => values.toSorted((a, b) => a - b)[values.length >> 1];
