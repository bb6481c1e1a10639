import type { Ask } from './evaluation.ts';
import { bucketBoundsMs, percentile } from './histogram.ts';

/** The stretches of time that charts show. */
export const ranges = ['hour', 'day', 'month'] as const;
export type Range = (typeof ranges)[number];

/** One line of a chart. */
export type Series = {
  /** What is counted or measured: `customers_created`, `query_latency`. */
  name: string;
  unit: string;
  /** Which of several lines of that name: an app, a type, a percentile. */
  label?: string;
  /** Where the numbers come from, in words. */
  source: string;
  /** The beginning of each step in seconds since 1970, and the value; null where nobody measured. */
  points: Point[];
};
export type Point = [at: number, value: number | null];

export type SeriesAnswer = {
  from: Date;
  /** The end of the last step; in the future if that step, a quarter or an hour, is under way. */
  to: Date;
  stepSeconds: number;
  series: Series[];
};

const steps: Record<Range, { stepSeconds: number; lengthSeconds: number }> = {
  hour: { stepSeconds: 60, lengthSeconds: 3_600 },
  day: { stepSeconds: 900, lengthSeconds: 86_400 },
  month: { stepSeconds: 3_600, lengthSeconds: 30 * 86_400 },
};

/** What the rollup holds, and in words where each number comes from. Other names are those of rooms that contribute gauges. */
const described: Record<string, { unit: string; source: string }> = {
  customers_created: {
    unit: 'customers',
    source: 'The events customer.created, when they were numbered, by the app that wrote them.',
  },
  activities_logged: {
    unit: 'activities',
    source: 'The events activity.created, when they were numbered, by the app and the type.',
  },
  cross_app_queries: {
    unit: 'a minute',
    source: 'Reads in which an app got what another one owns or wrote, counted by each process where they happen.',
  },
  query_latency: {
    unit: 'ms',
    source:
      'The time of each statement in the processes of all apps, from sending it to its answer, in buckets that add up.',
  },
  pool_in_use: { unit: 'connections', source: 'The heartbeats of the processes, added up.' },
  pool_max: { unit: 'connections', source: 'PLATFORM_DB_POOL_MAX of the processes that report, added up.' },
  pool_waiting: {
    unit: 'calls',
    source: 'The heartbeats of the processes: calls that wait for a connection, at most.',
  },
  cache_hit_rate: { unit: '%', source: 'Lookups that the cache of customers answered, counted by each process.' },
  lag_seconds: { unit: 's', source: 'The age of the oldest event that the subscription has not looked at, at most.' },
  lag_events: { unit: 'events', source: 'The events behind the position of the subscription, at most.' },
  oldest_waiting_seconds: {
    unit: 's',
    source: 'How long the oldest committed event has waited for its number, at most.',
  },
  parked: { unit: 'events', source: 'The table sync.parked, counted up to 10,000 for each subscription.' },
  dead: { unit: 'events', source: 'The dead rows of sync.parked, counted up to 10,000 for each subscription.' },
  connections_used: { unit: 'connections', source: 'The statistics of PostgreSQL, for the whole server.' },
  customers_not_adopted: {
    unit: 'customers',
    source: 'Customers that a chat made and that have no number of Foundation yet.',
  },
  log_bytes: { unit: 'bytes', source: 'The files of the partitions of sync.events, with their indexes.' },
};
const ofAnotherRoom = { unit: 'records', source: 'The last scan of the data.' };

const percentiles = { p50: 0.5, p95: 0.95, p99: 0.99 };
/** Parts of other series, not lines of their own. */
const isPart = (name: string) => name.startsWith('queries_') || name === 'cache_hits' || name === 'cache_misses';

export type Rollup = {
  /** The end of the last step, in seconds since 1970. A quarter or an hour may still be under way. */
  to: number;
  /** The place of each series in the rows. */
  places: { name: string; label: string; id: number }[];
  rows: [at: number, measured: (number | null)[]][];
};

/** Reads the numbers of a stretch of time, in one query. */
export async function readSeries(ask: Ask, range: Range): Promise<SeriesAnswer> {
  const { stepSeconds, lengthSeconds } = steps[range];
  const [rollup] = (await ask(
    `with u as materialized (
       -- A quarter and an hour that are under way have the minutes that are over, so that there is something to see soon after the start.
       select case when $1 = 60 then (floor(m.at / $1) * $1)::float8 else (ceil(m.at / $1) * $1)::float8 end as until
       from sync.health h cross join lateral (select extract(epoch from
         case when h.rolled_at > clock_timestamp() - interval '90 seconds' then h.rolled_at else clock_timestamp() end) as at) m)
     select u.until as to,
       (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'name', s.name, 'label', s.label) order by s.name, s.label), '[]')
        from sync.series s) as places,
       (select coalesce(json_agg(json_build_array(extract(epoch from r.at)::bigint, r.measured) order by r.at), '[]') from sync.rollup r
        where r.step_seconds = $1 and r.at >= to_timestamp(u.until - $2) and r.at < to_timestamp(u.until)) as rows
     from u`,
    [stepSeconds, lengthSeconds],
  )) as [Rollup];
  return toSeries(range, rollup);
}

/** Makes the lines of the charts from the rows of the rollup. Pure. */
export function toSeries(range: Range, { to, places, rows }: Rollup): SeriesAnswer {
  const { stepSeconds, lengthSeconds } = steps[range];
  const from = to - lengthSeconds;
  const byTime = new Map(rows);
  const times = Array.from({ length: lengthSeconds / stepSeconds }, (_, index) => from + index * stepSeconds);
  const lineOf = (name: string, label: string, valueAt: (measured: (number | null)[]) => number | null): Series => ({
    name,
    ...(described[name] ?? ofAnotherRoom),
    ...(label !== '' && { label }),
    points: times.map((at) => {
      const measured = byTime.get(at);
      return [at, measured ? valueAt(measured) : null];
    }),
  });
  const idOf = new Map(places.map(({ name, label, id }) => [`${name} ${label}`, id]));
  const valueIn = (measured: (number | null)[], id: number | undefined) =>
    id === undefined ? null : (measured[id - 1] ?? null);

  const plain = places
    .filter(({ name }) => !isPart(name))
    .map(({ name, label, id }) => lineOf(name, label, (measured) => valueIn(measured, id)));
  const buckets = [...bucketBoundsMs, Number.POSITIVE_INFINITY].map((_, index) =>
    places.filter(({ name }) => name === `queries_${index + 1}`).map(({ id }) => id),
  );
  const latencies = Object.entries(percentiles).map(([label, share]) =>
    lineOf('query_latency', label, (measured) =>
      percentile(
        buckets.map((ids) => ids.reduce((sum, id) => sum + (valueIn(measured, id) ?? 0), 0)),
        share,
      ),
    ),
  );
  const rates = places
    .filter(({ name }) => name === 'cache_hits')
    .map(({ label, id }) =>
      lineOf('cache_hit_rate', label, (measured) => {
        const hits = valueIn(measured, id);
        const misses = valueIn(measured, idOf.get(`cache_misses ${label}`));
        return hits === null || misses === null || hits + misses === 0 ? null : (100 * hits) / (hits + misses);
      }),
    );
  const isMeasured = ({ points }: Series) => points.some(([, value]) => value !== null);
  return {
    from: new Date(from * 1_000),
    to: new Date(to * 1_000),
    stepSeconds,
    series: [
      ...plain.filter(isMeasured),
      ...latencies,
      // Its chart is there also while no app uses the cache, and says so.
      ...(rates.some(isMeasured) ? rates.filter(isMeasured) : [lineOf('cache_hit_rate', '', () => null)]),
    ],
  };
}
