import { expect, test } from 'vitest';
import { type Check, type Status, sayHealth, sortChecks, statuses, toHealth, worstOf } from './health.ts';
import { bucketBoundsMs, percentile } from './histogram.ts';
import { toSeries } from './series.ts';

const check = (slug: string, status: Status, sinceMs = 0): Check => ({
  slug,
  kind: 'sequencer',
  status,
  reason: '',
  since: new Date(sinceMs),
  measures: {},
});

test('the worst state is the one furthest from ok, and without any check nothing is known', () => {
  expect(worstOf(['ok', 'paused', 'silent', 'parked'])).toBe('silent');
  expect(worstOf([])).toBe('unknown');
  for (const status of statuses) expect(worstOf(['ok', status])).toBe(status);
});

test('the worst check comes first, and of equals the one that has changed last', () => {
  const sorted = sortChecks([
    check('z', 'ok', 5),
    check('a', 'ok', 1),
    check('old', 'silent', 1),
    check('new', 'silent', 2),
    check('worst', 'failing', 0),
  ]);
  expect(sorted.map(({ slug }) => slug)).toEqual(['worst', 'new', 'old', 'a', 'z']);
});

test('one sentence says what is wrong, the worst first, and names no more than three', () => {
  expect(sayHealth([check('a', 'ok'), check('b', 'ok')])).toBe('All 2 checks are well.');
  expect(sayHealth([check('a', 'paused'), check('b', 'silent'), check('c', 'ok')])).toBe('b is silent; a is paused.');
  expect(sayHealth(['a', 'b', 'c', 'd'].map((slug) => check(slug, 'unknown')))).toBe('a, b and 2 others are unknown.');
  expect(toHealth(new Date(0), []).sentence).toBe('Nothing has been checked yet.');
});

test('a percentile lies in the bucket that holds its share, of the sum of the buckets of all processes', () => {
  const counts = bucketBoundsMs.map(() => 0).concat(0);
  expect(percentile(counts, 0.5)).toBeNull();
  counts[2] = 90; // 0.5 to 1 ms
  counts[6] = 10; // 8 to 16 ms
  expect(percentile(counts, 0.5)).toBeCloseTo(0.5 + (50 / 90) * 0.5);
  expect(percentile(counts, 0.95)).toBeCloseTo(12);
  counts[6] = 0;
  counts[16] = 10; // beyond the last bound
  expect(percentile(counts, 0.99)).toBe(bucketBoundsMs.at(-1));
});

test('a step in which nobody measured is null, and one in which nothing happened is 0', () => {
  const { series, from, to, stepSeconds } = toSeries('hour', {
    to: 7_200,
    places: [
      { name: 'cache_hits', label: 'support', id: 2 },
      { name: 'cache_misses', label: 'support', id: 3 },
      { name: 'customers_created', label: 'support', id: 1 },
      { name: 'gone', label: '', id: 5 },
      { name: 'queries_1', label: 'foundation', id: 6 },
      { name: 'queries_1', label: 'support', id: 4 },
    ],
    rows: [
      [7_080, [0, 3, 1, 5]],
      [7_140, [2, 0, 0, null]],
    ],
  });
  expect([from.getTime(), to.getTime(), stepSeconds]).toEqual([3_600_000, 7_200_000, 60]);
  const tails = Object.fromEntries(
    series.map(({ name, label, points }) => [`${name} ${label}`, points.slice(-3).map(([, value]) => value)]),
  );
  expect(tails).toEqual({
    'customers_created support': [null, 0, 2],
    'query_latency p50': [null, 0.125, null],
    'query_latency p95': [null, 0.2375, null],
    'query_latency p99': [null, 0.2475, null],
    'cache_hit_rate support': [null, 75, null],
  });
  expect(series.every(({ points }) => points.length === 60 && points[0]?.[0] === 3_600)).toBe(true);
});
