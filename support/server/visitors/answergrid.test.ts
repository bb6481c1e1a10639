import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { answerOnGrid } from './answergrid.ts';

async function measure(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await answerOnGrid(work).catch(() => {});
  return performance.now() - startedAt;
}

test('quick, slower and failing work all answer at the same moment at the earliest', async () => {
  for (const work of [async () => 'found', () => wait(8), () => Promise.reject(new Error('refused'))]) {
    expect(await measure(work)).toBeGreaterThanOrEqual(25);
  }
});

test('work that takes longer answers at the next moment of the grid, not at once', async () => {
  expect(await measure(() => wait(30))).toBeGreaterThanOrEqual(50);
});

test('the answer grid passes on the outcome of the work', async () => {
  expect(await answerOnGrid(async () => 'found')).toBe('found');
  await expect(answerOnGrid(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
});
