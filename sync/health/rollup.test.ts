import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { startMonitor } from '../worker/monitor.ts';
import { startSequencer } from '../worker/sequencer.ts';
import { readSeries } from './series.ts';

let database: TestDatabase;
let superuser: pg.Client;
let sync: pg.Client;
let support: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  sync = await database.connect('sync_app');
  support = await database.connect('support_app');
});

/** Ends the present minute: what has happened so far was before it. */
async function endMinute(minutesAgo = 1): Promise<void> {
  await superuser.query(
    `update sync.health set rolled_at = date_trunc('minute', clock_timestamp()) - make_interval(mins => $1)`,
    [minutesAgo],
  );
  await superuser.query(
    `delete from sync.rollup where step_seconds = 60 and at = date_trunc('minute', clock_timestamp()) - interval '1 minute'`,
  );
}
const rollUp = async () => (await sync.query('select sync.roll_up() as done')).rows[0].done;
const say = (counters: object, process = 'one') =>
  support.query('select sync.beat($1, $2, $3)', [process, Date.now(), JSON.stringify({ counters })]);
async function readLast(name: string, label?: string): Promise<number | null | undefined> {
  const { series } = await readSeries(async (text, values) => (await sync.query(text, values)).rows, 'hour');
  return series.find((each) => each.name === name && each.label === label)?.points.at(-1)?.[1];
}

test('a minute has what processes counted since the one before, added up, and events by app and type', async () => {
  const sequencer = startSequencer({ url: database.url('sync_app') });
  await say({ cross_app_lookup: 100, queries_3: 50 });
  expect(await rollUp()).toBe(true); // from here on it counts
  expect(await rollUp()).toBe(false);
  await support.query(`insert into platform.customers (email, name) values ('ada@example.com', 'Ada')`);
  await until(
    async () => (await sync.query('select 1 where sync.outbox_age() is null and sync.head() > 0')).rowCount === 1,
  );
  await superuser.query(`update sync.events set sequenced_at = sequenced_at - interval '1 minute'`);
  await say({ cross_app_lookup: 107, queries_3: 60 });
  await say({ cross_app_lookup: 3, queries_3: 10 }, 'two');
  await endMinute();
  expect(await rollUp()).toBe(true);
  expect(await readLast('cross_app_queries', 'lookup')).toBe(10);
  expect(await readLast('customers_created', 'support')).toBe(1);
  expect(await readLast('customers_created', 'foundation')).toBe(0);
  expect(await readLast('query_latency', 'p50')).toBeCloseTo(0.75);
  await sequencer.stop();
});

test('what was counted while nobody rolled up belongs to no minute, and the minutes between are a gap', async () => {
  await say({ cross_app_lookup: 1_000 });
  await endMinute(5);
  expect(await rollUp()).toBe(true);
  expect((await readLast('cross_app_queries', 'lookup')) ?? null).toBeNull();
  await say({ cross_app_lookup: 1_002 });
  await endMinute();
  expect(await rollUp()).toBe(true);
  expect(await readLast('cross_app_queries', 'lookup')).toBe(2);
});

test('a number that is nearly nothing, in the report of one process, does not end the rollup', async () => {
  await support.query('select sync.beat($1, $2, $3)', [
    'tiny',
    Date.now(),
    JSON.stringify({ pool: { in_use: 1e-300, max: 5, waiting: 0 }, counters: { cross_app_lookup: 1e-300 } }),
  ]);
  await superuser.query(`update sync.health set evaluated_at = '-infinity'`);
  await sync.query('select sync.evaluate_checks()');
  await endMinute();
  expect(await rollUp()).toBe(true);
});

test('the quarter and the hour that are under way have the minutes that are over', async () => {
  await say({ cross_app_lookup: 1_005 });
  await endMinute();
  expect(await rollUp()).toBe(true);
  for (const range of ['day', 'month'] as const) {
    const { series, to, stepSeconds } = await readSeries(
      async (text, values) => (await sync.query(text, values)).rows,
      range,
    );
    const { rows } = await sync.query('select extract(epoch from rolled_at)::float8 as at from sync.health');
    const end = to.getTime() / 1_000;
    expect([end >= rows[0].at, end < rows[0].at + stepSeconds]).toEqual([true, true]);
    const lookups = series.find(({ name, label }) => name === 'cross_app_queries' && label === 'lookup');
    expect(lookups?.points.at(-1)?.[0]).toBe(end - stepSeconds);
    expect(lookups?.points.at(-1)?.[1]).toBeGreaterThan(0);
  }
});

/** Numbers events that somebody has published: customers that Support has made, `secondsAgo` before the end of the last minute. */
async function number(events: number, secondsAgo: number): Promise<void> {
  await superuser.query(
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at, sequenced_at)
     select h.position + n, -h.position - n, 'customer.created', 'counted', 'counted', 'platform', 'support', 'support_app', '{}', '{}',
       now(), date_trunc('minute', clock_timestamp()) - make_interval(secs => $2)
     from (select sync.head() as position offset 0) h cross join generate_series(1, $1::integer) n`,
    [events, secondsAgo],
  );
}
const countAll = async () => {
  let steps = 0;
  for (let done = null; done === null; steps++) done = await rollUp();
  return steps;
};

test('what comes in a minute is counted 50,000 events at a time, and stands in the rollup when all of it is counted', async () => {
  await countAll();
  await endMinute();
  await number(120_000, 30);
  const { rows } = await sync.query('select rolled_at from sync.health');
  expect([await rollUp(), await rollUp()]).toEqual([null, null]);
  expect((await sync.query('select rolled_at from sync.health')).rows).toEqual(rows);
  expect(await rollUp()).toBe(true);
  expect(await readLast('customers_created', 'support')).toBe(120_000);
  expect(await rollUp()).toBe(false);
});

test('a minute that is under way is counted, too, and is no part of the one before', async () => {
  await endMinute();
  await number(3, 1);
  await number(60_000, -1);
  expect(await rollUp()).toBe(true);
  expect(await readLast('customers_created', 'support')).toBe(3);
  while ((await rollUp()) !== false);
  await superuser.query(
    `update sync.counted_events set minute = minute - interval '1 minute';
     delete from sync.rollup where step_seconds = 60 and at = date_trunc('minute', clock_timestamp()) - interval '1 minute';
     update sync.health set rolled_at = rolled_at - interval '1 minute'`,
  );
  expect(await rollUp()).toBe(true);
  expect(await readLast('customers_created', 'support')).toBe(60_000);
});

test('an event whose minute is in the rollup already is counted in the next one', async () => {
  await countAll();
  await number(7, 30);
  while ((await rollUp()) !== false);
  const { rows } = await superuser.query(`
    select c.number::integer, c.minute = (select h.rolled_at from sync.health h) as is_next
    from sync.counted_events c where c.name = 'customers_created' and c.label = 'support'`);
  expect(rows).toEqual([{ number: 7, is_next: true }]);
});

test('more than two million events that nobody has counted are a gap, and what follows is counted', async () => {
  while ((await rollUp()) !== false);
  await endMinute();
  await superuser.query('update sync.health set rolled_position = sync.head() - 2000001');
  expect(await rollUp()).toBe(true);
  expect((await readLast('customers_created', 'support')) ?? null).toBeNull();
  await endMinute();
  await superuser.query(`update sync.health set counted_from = rolled_at`);
  await number(4, 30);
  await countAll();
  expect(await readLast('customers_created', 'support')).toBe(4);
});

test('a log that has lost its newest positions in a crash of the database is counted from its end', async () => {
  while ((await rollUp()) !== false);
  await superuser.query('update sync.health set rolled_position = sync.head() + 100');
  expect(await rollUp()).toBe(false);
  await endMinute();
  await number(2, 30);
  await countAll();
  expect(await readLast('customers_created', 'support')).toBe(2);
});

test('a rollup that fails is told, and leaves what the checks have found', async () => {
  await superuser.query('revoke execute on function sync.roll_up() from sync_role');
  const failures: unknown[] = [];
  const monitor = startMonitor({
    url: database.url('sync_app'),
    everyMs: 10,
    onError: (error) => failures.push(error),
  });
  try {
    await until(async () => monitor.state().turns > 2);
    expect(failures).toEqual([expect.objectContaining({ message: expect.stringContaining('roll_up') })]);
    expect([monitor.health()?.checks.length, monitor.failure()]).toEqual([expect.any(Number), undefined]);
  } finally {
    await monitor.stop();
    await superuser.query('grant execute on function sync.roll_up() to sync_role');
  }
});

test('a year of the rollup, with 200 series, is a few megabytes', async () => {
  await superuser.query(`
    insert into sync.series (id, name, label, fold)
    select n, 'filled', n::text, 'mean' from generate_series((select max(id) + 1 from sync.series), 200) n;
    insert into sync.rollup (step_seconds, at, measured)
    select s.step, date_trunc('hour', now()) - make_interval(secs => s.step * n),
      array(select (random() * 1e6)::real from generate_series(1, 200))
    from (values (60, 2 * 1440), (900, 10 * 96), (3600, 400 * 24)) s (step, rows) cross join lateral generate_series(1, s.rows) n
    on conflict do nothing`);
  const { rows } = await superuser.query(`select pg_total_relation_size('sync.rollup')::integer as bytes`);
  expect(rows[0].bytes).toBeGreaterThan(5_000_000);
  expect(rows[0].bytes).toBeLessThan(25_000_000);
  await endMinute();
  await rollUp();
  const { rows: oldest } = await superuser.query(
    `select step_seconds from sync.rollup
     where at < now() - case step_seconds when 60 then interval '49 hours' when 900 then interval '11 days'
       else interval '402 days' end`,
  );
  expect(oldest).toEqual([]);
});
