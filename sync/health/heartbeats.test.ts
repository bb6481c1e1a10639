import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { evaluateEveryMs } from '../worker/monitor.ts';

let database: TestDatabase;
let foundation: pg.Client;
let support: pg.Client;
let sync: pg.Client;
let superuser: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  [foundation, support, sync, superuser] = await Promise.all([
    database.connect('foundation_app'),
    database.connect('support_app'),
    database.connect('sync_app'),
    database.connect('postgres'),
  ]);
});

const beat = (by: pg.Client, process: string, report: unknown = {}, { clockMs = Date.now(), ends = false } = {}) =>
  by.query('select sync.beat($1, $2, $3, $4)', [process, clockMs, JSON.stringify(report), ends]);
const processes = async (app: string) =>
  (await sync.query('select * from sync.list_processes() where app = $1 order by process', [app])).rows;

describe('a heartbeat', () => {
  test('belongs to the app of its login, so that no app speaks for another', async () => {
    await beat(foundation, 'one', { feed: { state: 'live' } });
    await beat(support, 'one', { feed: { state: 'cut' } });
    const [ofFoundation] = await processes('foundation');
    const [ofSupport] = await processes('support');
    expect([ofFoundation.report.feed.state, ofSupport.report.feed.state]).toEqual(['live', 'cut']);
    await expect(foundation.query(`update sync.heartbeats set app = 'support'`)).rejects.toThrow(/permission denied/);
    await expect(foundation.query('select * from sync.heartbeats')).rejects.toThrow(/permission denied/);
    await expect(beat(superuser, 'one')).rejects.toThrow('only an app and the worker have heartbeats');
  });

  test.each([
    ['a report over 16 KB', 'one', { words: 'x'.repeat(16_400) }, undefined],
    ['a report that is no object', 'one', ['feed'], undefined],
    ['a name with a blank', 'o ne', {}, undefined],
    ['a name of 81 characters', 'x'.repeat(81), {}, undefined],
    ['a clock that is no time', 'one', {}, Number.POSITIVE_INFINITY],
  ])('is refused with %s', async (_what, process, report, clockMs) => {
    await expect(beat(foundation, process, report, { clockMs })).rejects.toThrow(
      /^a heartbeat has the name of a process/,
    );
  });

  test('of a 201st process takes the place of one that has ended or is silent, and is refused while all report', async () => {
    await support.query(
      `select sync.beat('many-' || n, extract(epoch from clock_timestamp())::float8 * 1000, '{}') from generate_series(2, 200) n`,
    );
    await expect(beat(support, 'many-201')).rejects.toThrow('an app has at most 200 processes');
    await superuser.query(
      `update sync.heartbeats set beat_at = beat_at - interval '20 seconds' where process = 'many-7'`,
    );
    await beat(support, 'many-201');
    const names = (await processes('support')).map(({ process }) => process);
    expect(names).toHaveLength(200);
    expect(names).not.toContain('many-7');
    // The other app is not touched by it.
    await beat(foundation, 'two');
    await superuser.query(`delete from sync.heartbeats where process like 'many%'`);
  });

  test('changes one row in its place, without an entry in an index', async () => {
    const read = async () =>
      (
        await superuser.query(
          `select n_tup_upd::integer as updates, n_tup_hot_upd::integer as hot from pg_stat_user_tables
           where relid = 'sync.heartbeats'::regclass`,
        )
      ).rows[0];
    await superuser.query('select pg_stat_force_next_flush()');
    const before = await read();
    for (let turn = 0; turn < 20; turn++) await beat(foundation, 'one', { turns: { feed: turn } });
    await foundation.query('select pg_stat_force_next_flush()');
    await foundation.query('select 1');
    const after = await read();
    expect(after.updates - before.updates).toBeGreaterThanOrEqual(20);
    expect(after.hot - before.hot).toBe(after.updates - before.updates);
  });

  test('counts the age of each part from when the database first heard of its turn, whatever the process says', async () => {
    await beat(foundation, 'aging', { turns: { retention: 1, feed: 1, forged: 'x' } });
    await superuser.query(
      `update sync.heartbeats set turns = jsonb_set(turns, '{retention,1}', to_jsonb((turns #>> '{retention,1}')::float8 - 60))
       where process = 'aging'`,
    );
    await beat(foundation, 'aging', { turns: { retention: 1, feed: 2 } });
    const { rows } = await superuser.query(
      `select sync.idle_seconds(turns, 'retention') as retention, sync.idle_seconds(turns, 'feed') as feed,
         sync.idle_seconds(turns, 'forged') as forged
       from sync.list_processes() where process = 'aging'`,
    );
    expect(rows[0].retention).toBeGreaterThan(59);
    expect(rows[0].feed).toBeLessThan(5);
    expect(rows[0].forged).toBeNull();
  });

  test('with `ends` tells a clean stop from a process that is silent', async () => {
    await beat(foundation, 'stopped', {}, { ends: true });
    await superuser.query(
      `update sync.heartbeats set beat_at = beat_at - interval '8 seconds' where process in ('stopped', 'one')`,
    );
    const states = Object.fromEntries((await processes('foundation')).map(({ process, state }) => [process, state]));
    expect(states).toMatchObject({ stopped: 'ended', one: 'silent', two: 'live' });
  });
});

test('a report with members of every wrong form makes no check fail', async () => {
  await beat(support, 'forger', {
    feed: 'cut',
    pool: { max: '10', in_use: 1e300, waiting: [3] },
    cache: [{ mode: 1 }],
    counters: { queries_1: { a: 1 }, cache_hits: -5, cross_app_lookup: 'many' },
    subscriptions: { 'support.x': 7, 'foundation.y': { failures: 'x', error: { a: '<b>' } } },
    retention: 1,
    sign_in: null,
    tls: 'yes',
    turns: [1, 2],
  });
  const { rows } = await sync.query('select slug, reason from sync.evaluate_checks()');
  expect(rows.map(({ reason }) => reason).filter((reason) => reason.includes('could not be made'))).toEqual([]);
  await superuser.query(`update sync.health set rolled_at = date_trunc('minute', now()) - interval '1 minute'`);
  expect((await sync.query('select sync.roll_up() as done')).rows[0].done).toBe(true);
});

test('the limits that ship let a silent process be found within ten seconds: its age, and the time until somebody looks', async () => {
  const client = await database.connect('sync_app');
  const { rows } = await client.query(`select value from sync.health_limits where name = 'silent_seconds'`);
  expect(rows[0].value + evaluateEveryMs / 1_000).toBeLessThan(10);
});
