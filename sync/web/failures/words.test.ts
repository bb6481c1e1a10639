import { expect, test } from 'vitest';
import { sayRun } from './words.ts';

const run = {
  state: 'running',
  ended_at: null as string | null,
  total: 1_200,
  tried: 50,
  handled: 1_000,
  failed: 40,
  held_back: 0,
  skipped: 0,
  mended: 0,
  refused: 0,
  gone: 10,
  untouched: 100,
};

test('a run says its numbers, which add up to its set, and whether it has ended', () => {
  expect(sayRun(run)).toBe(
    'Running: 1,000 handled, 40 failed again, 10 gone already, 50 being tried, 100 to come, of 1,200.',
  );
  const over = { ...run, state: 'cancelled', ended_at: '2026-11-28T12:00:00Z', tried: 0, untouched: 150 };
  expect(sayRun(over)).toBe(
    'Cancelled: 1,000 handled, 40 failed again, 10 gone already, 150 left untouched, of 1,200.',
  );
});
