import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { answerOnGrid } from './answergrid.ts';

async function measure(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await answerOnGrid(work).catch(() => {});
  return performance.now() - startedAt;
}

test('quick work, slower work and failing work leave no earlier than the same moment', async () => {
  for (const work of [async () => 'found', () => wait(8), () => Promise.reject(new Error('refused'))]) {
    expect(await measure(work)).toBeGreaterThanOrEqual(25);
  }
});

test('work that takes longer leaves at the next moment, not at once', async () => {
  expect(await measure(() => wait(30))).toBeGreaterThanOrEqual(50);
});

test('the outcome is that of the work', async () => {
  expect(await answerOnGrid(async () => 'found')).toBe('found');
  await expect(answerOnGrid(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
});
