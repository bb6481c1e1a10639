import { describe, expect, test } from 'vitest';
import { describeLine, drawnLines, groupSeries, linesMax, type MeasuredSeries } from './lines.ts';
import { formatValue } from './units.ts';

const series = (name: string, label: string | undefined, points: MeasuredSeries['points'], unit = 'count') => ({
  ...{ name, label, points, unit },
  source: 'the rollup',
});

describe('a chart', () => {
  test('has the series of one name as its lines, the largest first, and null where one of them was not measured', () => {
    expect(
      groupSeries([
        series('customers_created', 'support', [
          [60, 1],
          [120, null],
        ]),
        series('customers_created', 'foundation', [
          [60, 0],
          [180, 9],
        ]),
        series('log_bytes', undefined, [[60, 5]], 'bytes'),
      ]),
    ).toEqual([
      {
        ...{ name: 'customers_created', unit: 'count', source: 'the rollup', times: [60, 120, 180] },
        lines: [
          { label: 'foundation', values: [0, null, 9] },
          { label: 'support', values: [1, null, null] },
        ],
      },
      { name: 'log_bytes', unit: 'bytes', source: 'the rollup', times: [60], lines: [{ label: 'all', values: [5] }] },
    ]);
  });

  test('shows percentiles by their number, not by their size', () => {
    const [chart] = groupSeries(['p50', 'p95', 'p99'].map((label) => series('query_latency', label, [[60, 1]])));
    expect(chart?.lines.map(({ label }) => label)).toEqual(['p99', 'p95', 'p50']);
  });

  test('draws the largest lines and adds up the others, but adds up neither gaps nor what is no count', () => {
    const lines = Array.from({ length: linesMax + 2 }, (_, n) => ({ label: `line ${n}`, values: [10 - n, null] }));
    const drawn = drawnLines({ lines, unit: 'count' });
    expect(drawn).toHaveLength(linesMax);
    expect(drawn.at(-1)).toEqual({ label: '3 others', values: [6 + 5 + 4, null] });
    expect(drawnLines({ lines, unit: 'seconds' }).at(-1)).toEqual(lines[linesMax - 1]);
    expect(drawnLines({ lines: lines.slice(0, linesMax), unit: 'count' })).toHaveLength(linesMax);
  });

  test('is told in words, with its gaps', () => {
    const say = (value: number | null) => formatValue(value, 'milliseconds', 'en-GB');
    expect(describeLine({ label: 'p95', values: [4, null, 12.34] }, say)).toBe(
      'p95: from 4 ms to 12.3 ms, at last 12.3 ms; not measured at 1 of 3 times.',
    );
    expect(describeLine({ label: 'p95', values: [null] }, say)).toBe('p95: not measured.');
  });
});

test.each([
  [1234, 'count', '1,234'],
  [0.5, 'count', '0.5'],
  [12_000, 'milliseconds', '12 s'],
  [97.25, 'percent', '97.3 %'],
  [1_250_000, 'bytes', '1.25 MB'],
  [240, 'seconds', '4 min'],
  [0.0042, 'seconds', '4.2 ms'],
  [0, 'seconds', '0 s'],
  [null, 'seconds', 'not measured'],
])('%j in %s is %s', (value, unit, words) => {
  expect(formatValue(value, unit, 'en-GB')).toBe(words);
});
