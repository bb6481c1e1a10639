import { expect, test } from 'vitest';
import { measurePools, sortCharts } from './charts.ts';

test('the use of a pool is the part of its connections that is in use, and unknown where its size is', () => {
  const series = (name: string, points: [number, number | null][]) => ({
    ...{ name, points, label: 'support' },
    ...{ unit: 'connections', source: 'heartbeats' },
  });
  expect(
    measurePools([
      series('pool_in_use', [
        [60, 3],
        [120, null],
        [180, 2],
      ]),
      series('pool_max', [
        [60, 12],
        [120, 12],
      ]),
    ]),
  ).toEqual([
    {
      ...{ name: 'pool_use', label: 'support', unit: '%', source: 'heartbeats' },
      points: [
        [60, 25],
        [120, null],
        [180, null],
      ],
    },
  ]);
});

test('every chart is shown: one without a title has a title of its name’s words, after the others', () => {
  const chart = (name: string) => ({ name, unit: 'count', source: '', times: [], lines: [] });
  expect(sortCharts(['relay_lag', 'log_bytes', 'customers_created'].map(chart))).toEqual([
    { title: 'What the apps do', charts: [expect.objectContaining({ title: 'Customers created' })] },
    { title: 'Events', charts: [expect.objectContaining({ title: 'Size of the log' })] },
    { title: 'More', charts: [expect.objectContaining({ title: 'Relay lag' })] },
  ]);
});
