import { expect, test } from 'vitest';
import { createPacing } from './pacing.ts';

const batch = (moved: number, isFull = false) => ({ moved, isFull, head: 0 });
function after(batches: { moved: number; ms: number; isFull?: boolean }[]) {
  const pacing = createPacing(1);
  for (const { moved, ms, isFull } of batches) pacing.note(batch(moved, isFull), ms);
  return pacing;
}
const many = (times: number, each: { moved: number; ms: number; isFull?: boolean }) => Array(times).fill(each);

test('a rest is twice what a batch takes, and a millisecond less; but a millisecond for each event at most', () => {
  const pacing = after(many(15, { moved: 3, ms: 4 }));
  expect([1, 3, 7, 100].map(pacing.restAfter)).toEqual([1, 3, 7, 7]);
  expect(pacing.restAfterNothing()).toBe(7);
});

test('one batch that waited for a lock changes no rest', () => {
  expect(after([...many(7, { moved: 3, ms: 4 }), { moved: 300, ms: 150 }]).restAfter(300)).toBe(7);
});

test('a rest is five times that where batches of a dozen are usual, and 25 ms at most', () => {
  expect(after(many(15, { moved: 12, ms: 4 })).restAfter(20)).toBe(19);
  expect(after(many(15, { moved: 12, ms: 4 })).restAfter(12)).toBe(12);
  expect(after(many(15, { moved: 12, ms: 9 })).restAfter(100)).toBe(25);
  expect(after(many(15, { moved: 12, ms: 4 })).restAfterNothing()).toBe(7);
  expect(after([...many(7, { moved: 400, ms: 4 }), ...many(8, { moved: 3, ms: 4 })]).restAfter(100)).toBe(7);
});

test('beside large writes the events of others wait no longer: a batch of 500 is followed by the next, and full ones do not count', () => {
  const pacing = after([...many(15, { moved: 8_000, ms: 90, isFull: true }), ...many(3, { moved: 2, ms: 2 })]);
  expect([pacing.restAfter(500), pacing.restAfter(2), pacing.restAfter(100)]).toEqual([1, 2, 3]);
});

test('before the first batch it is the shortest rest', () => {
  expect([createPacing(2).restAfter(10), createPacing(2).restAfterNothing()]).toEqual([3, 3]);
});
