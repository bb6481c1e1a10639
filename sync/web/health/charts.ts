import type { ChartData, MeasuredSeries } from '../charts/lines.ts';
import { humanise } from './names.ts';

export type ChartText = {
  title: string;
  meaning?: string;
  /** Why nobody may have measured it, if that is no fault. */
  none?: string;
};

const groups: { title: string; charts: Record<string, ChartText> }[] = [
  {
    title: 'What the apps do',
    charts: {
      customers_created: { title: 'Customers created', meaning: 'By the app that made them.' },
      activities_logged: { title: 'Activities logged', meaning: 'By app and type.' },
      cross_app_queries: { title: 'Cross-app queries', meaning: 'Questions about what another app keeps, by kind.' },
    },
  },
  {
    title: 'Quality of the data',
    charts: {
      quality_duplicates: { title: 'Duplicate customers' },
      quality_orphans: { title: 'Orphaned records' },
      quality_missing_fields: { title: 'Missing required fields' },
      quality_unreachable_addresses: { title: 'Addresses that cannot receive mail' },
      quality_drift: { title: 'Drift of projections' },
    },
  },
  {
    title: 'Speed',
    charts: {
      query_latency: {
        title: 'Latency of queries',
        meaning: 'Half of the queries were faster than p50, 99 of 100 than p99.',
      },
      cache_hit_rate: {
        title: 'Cache hit rate',
        meaning: 'Lookups that the cache answered.',
        none: 'No app has used the cache of customers in that time. It is an option of connectPlatform.',
      },
      pool_use: { title: 'Use of the pools', meaning: 'Connections in use, of those that a pool may have.' },
      pool_waiting: { title: 'Calls that wait for a connection' },
      connections_used: { title: 'Connections of the database' },
    },
  },
  {
    title: 'Events',
    charts: {
      lag_seconds: {
        title: 'Lag of subscriptions',
        meaning: 'How old the oldest event is that a subscription has not read.',
      },
      lag_events: { title: 'Events that subscriptions have not read' },
      oldest_waiting_seconds: { title: 'Oldest event without a number' },
      parked: { title: 'Parked events' },
      dead: { title: 'Dead events', meaning: 'They wait for a person.' },
      customers_not_adopted: { title: 'Customers without a number of Foundation' },
      log_bytes: { title: 'Size of the log' },
    },
  },
];

export type ChartGroup = { title: string; charts: (ChartText & { chart: ChartData })[] };

/** Sorts charts into groups with titles. A chart that has no title here has one of its name's words, in the last group. Pure. */
export function sortCharts(charts: readonly ChartData[]): ChartGroup[] {
  const byName = new Map(charts.map((chart) => [chart.name, chart]));
  const known = groups.map(({ title, charts: texts }) => ({
    title,
    charts: Object.entries(texts).flatMap(([name, text]) => {
      const chart = byName.get(name);
      byName.delete(name);
      return chart ? [{ ...text, chart }] : [];
    }),
  }));
  const others = { title: 'More', charts: [...byName].map(([name, chart]) => ({ title: humanise(name), chart })) };
  return [...known, others].filter(({ charts }) => charts.length > 0);
}

/**
 * Makes the use of each pool, in percent, of the connections in use and of those that the pool may have. Pure.
 */
export function measurePools(series: readonly MeasuredSeries[]): MeasuredSeries[] {
  const most = new Map(
    series.filter(({ name }) => name === 'pool_max').map(({ label, points }) => [label, new Map(points)] as const),
  );
  return series.flatMap((each) => {
    if (each.name === 'pool_max') return [];
    if (each.name !== 'pool_in_use') return [each];
    const points = each.points.map(([at, used]): MeasuredSeries['points'][number] => {
      const max = most.get(each.label)?.get(at);
      return [at, used !== null && max ? (100 * used) / max : null];
    });
    return [{ ...each, name: 'pool_use', unit: '%', points }];
  });
}
