import { readFile } from 'node:fs/promises';
import { migrationsFolder } from '@aether/database';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { dropOldEvents, type Retention, startRetention } from './retention.ts';
import { startSequencer } from './sequencer.ts';

const size = 100;
const customer = '00000000-0000-7000-8000-00000000000a';
let database: TestDatabase;
let superuser: pg.Client;
let sync: pg.Client;
let other: pg.Client;
let foundation: pg.Client;
let support: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  sync = await database.connect('sync_app');
  other = await database.connect('sync_app');
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
  await superuser.query(
    `insert into platform.customers (id, email, name, created_by_app) values ($1, 'ada@example.com', 'Ada', 'foundation')`,
    [customer],
  );
});

/** An empty log in small partitions. */
beforeEach(async () => {
  await superuser.query(
    'truncate sync.outbox, sync.subscriptions, sync.shares, sync.readers, sync.parked, sync.causes; update sync.sequencer set head = 0',
  );
  const { rows } = await superuser.query('select name from sync.list_partitions()');
  for (const { name } of rows) await superuser.query(`drop table sync.${name}`);
  await sync.query('select sync.add_partitions($1)', [size]);
});

/** Changes so many rows and numbers the events, dated long ago. */
async function log(events: number, { daysAgo = 10, type = 'customer.updated', audience = 'platform' } = {}) {
  await superuser.query(
    `insert into sync.outbox (type, key, row_id, audience, app, login, data)
     select $2, $3, $3, $4, 'foundation', 'foundation_app', '{}' from generate_series(1, $1)`,
    [events, type, customer, audience],
  );
  for (let left = events; left > 0; left -= size) {
    await number(size);
    await sync.query('select sync.add_partitions($1)', [size]);
  }
  await superuser.query(
    `update sync.events set sequenced_at = clock_timestamp() - make_interval(secs => $1::float8 * 86400)
      where sequenced_at > clock_timestamp() - interval '1 hour'`,
    [daysAgo],
  );
}
const number = (max: number) => sync.query(`select sync.sequence(${max}, 0)`);
const subscribe = (client: pg.Client, name: string, position: number, types: string[] | null = null) =>
  client.query('insert into sync.subscriptions (name, position, types) values ($1, $2, $3)', [name, position, types]);
const park = (client: pg.Client, subscription: string, position: number, state: string) =>
  client.query('insert into sync.parked (subscription, position, key, state) values ($1, $2, $3, $4)', [
    subscription,
    position,
    customer,
    state,
  ]);
const head = async (): Promise<number> => Number((await sync.query('select sync.head() as head')).rows[0].head);
const positions = async (): Promise<number[]> =>
  (await sync.query('select position::integer from sync.events order by 1')).rows.map((row) => row.position);
const partitions = async () =>
  (await sync.query('select name, first::integer, last::integer from sync.list_partitions()')).rows;
const drop = (keepDays: number, force?: string[]): Promise<Retention> => dropOldEvents(sync, { keepDays, force });
const gone = (first: number, cut: Retention['dropped'][0]['cut'] = []) => ({ first, last: first + size - 1, cut });

describe('removing old events', () => {
  test('drops whole partitions and deletes rows of a partition that is not full, and keeps young events', async () => {
    await log(250, { daysAgo: 10 });
    await log(30, { daysAgo: 1 });
    expect(await drop(7)).toEqual({
      dropped: [gone(0), gone(100), { first: 200, last: 250, cut: [] }],
      stays: 'young',
      holders: [],
    });
    expect(await positions()).toEqual(Array.from({ length: 30 }, (_, n) => 251 + n));
    expect(await drop(7)).toEqual({ dropped: [], stays: 'young', holders: [] });
    expect(await drop(30)).toMatchObject({ dropped: [] });
  });

  test('forgets what requests with an Idempotency-Key have done a day ago, and nothing younger', async () => {
    await superuser.query(
      `insert into platform.idempotency_keys (app, client, key_hash, request_hash, result, created_at)
       select 'foundation', 'machine ' || h, sha256('k'), sha256('r'), '{}', now() - make_interval(hours => h)
       from unnest('{23,25}'::int[]) h`,
    );
    await dropOldEvents(sync, { keepDays: 90 });
    const { rows } = await superuser.query('select client from platform.idempotency_keys');
    expect(rows).toEqual([{ client: 'machine 23' }]);
  });

  test('also removes the newest event of all; numbering continues from there, also in a full partition', async () => {
    await log(50);
    expect(await drop(7)).toMatchObject({ dropped: [{ first: 1, last: 50 }], stays: 'young' });
    expect(await positions()).toEqual([]);
    expect(await head()).toBe(50);
    expect(await drop(7)).toMatchObject({ dropped: [] });
    await log(149);
    expect(await positions()).toEqual(Array.from({ length: 149 }, (_, n) => 51 + n));
    expect(await drop(7)).toMatchObject({ dropped: [gone(0), gone(100)] });
    expect(await head()).toBe(199);
    await log(1);
    expect(await positions()).toEqual([200]);
  });

  test('with few events a day removes each within a day of its time', async () => {
    for (let daysAgo = 12; daysAgo > 0; daysAgo--) await log(3, { daysAgo });
    expect(await drop(7.5)).toMatchObject({ dropped: [{ first: 1, last: 15 }], stays: 'young' });
    expect(await drop(7.5)).toMatchObject({ dropped: [], stays: 'young' });
    expect(await drop(6)).toMatchObject({ dropped: [{ first: 16, last: 21 }], stays: 'young' });
    expect(await positions()).toEqual(Array.from({ length: 15 }, (_, n) => 22 + n));
  });

  test('waits for the partition if it will be dropped within the day, and otherwise deletes its rows', async () => {
    await log(60, { daysAgo: 7.4 });
    await log(39, { daysAgo: 6.8 });
    expect(await drop(7)).toMatchObject({ dropped: [], stays: 'young' });
    expect(await drop(6.8)).toMatchObject({ dropped: [gone(0)] });
    await log(60, { daysAgo: 7.4 });
    await log(40, { daysAgo: 6.6 });
    expect(await drop(7)).toMatchObject({ dropped: [{ first: 100, last: 159 }], stays: 'young' });
  });

  test('deletes in batches, which the report joins to one range', async () => {
    await log(95);
    expect(await dropOldEvents(sync, { keepDays: 7, batchMax: 10 })).toMatchObject({
      dropped: [{ first: 1, last: 95, cut: [] }],
      stays: 'young',
    });
  });

  test('from an empty log does nothing', async () => {
    expect(await drop(0)).toEqual({ dropped: [], stays: 'young', holders: [] });
  });
});

describe('a subscription that is behind', () => {
  test('holds its unhandled events and all later ones, is reported, and releases them when it has handled them', async () => {
    await log(350);
    await subscribe(support, 'support.slow', 150);
    await subscribe(foundation, 'foundation.quick', 350);
    expect(await drop(7)).toEqual({
      dropped: [gone(0), { first: 100, last: 150, cut: [] }],
      stays: 'held',
      holders: [{ name: 'support.slow', behind: 200, parked: 0 }],
    });
    expect((await positions())[0]).toBe(151);
    await support.query(`update sync.subscriptions set position = 300 where name = 'support.slow'`);
    expect(await drop(7)).toMatchObject({ dropped: [gone(100), gone(200), { first: 300, last: 300 }], stays: 'held' });
    await support.query(`update sync.subscriptions set position = 350 where name = 'support.slow'`);
    expect(await drop(7)).toMatchObject({ dropped: [{ first: 301, last: 350 }], stays: 'young' });
  });

  test('is cut only when it is named, and the report says so; events that others need stay', async () => {
    await log(350);
    await subscribe(support, 'support.slow', 50);
    await subscribe(foundation, 'foundation.other', 150);
    await park(support, 'support.slow', 20, 'dead');
    await expect(drop(7, ['support.slwo'])).rejects.toThrow(/no subscription support.slwo to cut/);
    expect((await positions())[0]).toBe(1);
    expect(await drop(7, ['support.slow'])).toEqual({
      dropped: [
        gone(0, [{ name: 'support.slow', behind: 49, parked: 1 }]),
        { first: 100, last: 150, cut: [{ name: 'support.slow', behind: 51, parked: 0 }] },
      ],
      stays: 'held',
      holders: [
        { name: 'foundation.other', behind: 200, parked: 0 },
        { name: 'support.slow', behind: 200, parked: 0 },
      ],
    });
    const { rows } = await sync.query(
      'select name, position::integer, (select count(*)::integer from sync.parked) as parked from sync.subscriptions order by name',
    );
    expect(rows).toEqual([
      { name: 'foundation.other', position: 150, parked: 0 },
      { name: 'support.slow', position: 150, parked: 0 },
    ]);
  });

  test('loses its parked events only when it is named, also where rows are deleted', async () => {
    await log(60);
    await subscribe(support, 'support.parking', 60);
    await park(support, 'support.parking', 30, 'dead');
    expect(await drop(7)).toMatchObject({
      dropped: [{ first: 1, last: 29 }],
      stays: 'held',
      holders: [{ name: 'support.parking', behind: 0, parked: 1 }],
    });
    expect(await drop(7, ['support.parking'])).toMatchObject({
      dropped: [{ first: 30, last: 60, cut: [{ name: 'support.parking', behind: 0, parked: 1 }] }],
      stays: 'young',
    });
    expect((await sync.query('select from sync.parked')).rows).toEqual([]);
  });

  test.each(['dead', 'waiting'])('and has a %s parked event holds that event', async (state) => {
    await log(350);
    await subscribe(support, 'support.parking', 350);
    await park(support, 'support.parking', 120, state);
    expect(await drop(7)).toEqual({
      dropped: [gone(0), { first: 100, last: 119, cut: [] }],
      stays: 'held',
      holders: [{ name: 'support.parking', behind: 0, parked: 1 }],
    });
    await support.query('select sync.unpark(subscription, position) from sync.parked');
    expect(await drop(7)).toMatchObject({ dropped: [gone(100), gone(200), { first: 300, last: 350 }] });
  });

  test('does not hold events that it may not see, and does not walk through the gap afterwards', async () => {
    await log(150, { type: 'session.created', audience: 'support' });
    await log(150, { type: 'company.updated' });
    await subscribe(foundation, 'foundation.idle', 0, ['customer.updated', 'session.created']);
    await subscribe(support, 'support.idle', 0, ['customer.updated']);
    expect(await drop(7)).toMatchObject({ dropped: [gone(0), gone(100), gone(200), { first: 300, last: 300 }] });
    const { rows } = await sync.query('select position::integer from sync.subscriptions');
    expect(rows).toEqual([{ position: 300 }, { position: 300 }]);
  });

  test('because it moves back at this very moment loses nothing', async () => {
    await log(350);
    await subscribe(support, 'support.replayed', 350);
    await support.query('begin');
    await support.query(
      `update sync.subscriptions set position = (select min(position) from sync.events) where name = 'support.replayed'`,
    );
    expect(await drop(7)).toEqual({ dropped: [], stays: 'busy', holders: [] });
    await support.query('commit');
    expect(await drop(7)).toMatchObject({
      dropped: [{ first: 1, last: 1 }],
      stays: 'held',
      holders: [{ name: 'support.replayed', behind: 349 }],
    });
  });

  test('because it moves back or parks events while rows are being deleted waits, and finds the remaining ones', async () => {
    await log(50);
    await subscribe(support, 'support.replayed', 50);
    await sync.query('begin');
    const { rows } = await sync.query(`select outcome, last::integer from sync.delete_old_events('7 days', 20)`);
    expect(rows).toEqual([{ outcome: 'deleted', last: 20 }]);
    const beside = await database.connect('support_app');
    const goingBack = beside.query(
      `update sync.subscriptions set position = (select min(position) - 1 from sync.events) where name = 'support.replayed'
        returning position::integer`,
    );
    const parking = support.query(
      `insert into sync.parked (subscription, position, key, state)
       select 'support.replayed', position, key, 'waiting' from sync.events where position in (19, 20, 21) returning position::integer`,
    );
    await until(
      async () =>
        (
          await superuser.query(
            `select from pg_locks l join pg_database d on d.oid = l.database
             where not l.granted and d.datname = current_database()
               and l.relation in ('sync.subscriptions'::regclass, 'sync.parked'::regclass)`,
          )
        ).rows.length === 2,
    );
    await sync.query('commit');
    expect((await goingBack).rows).toEqual([{ position: 20 }]);
    expect((await parking).rows).toEqual([{ position: 21 }]);
  });
});

test('a place whose next events are removed is lost, and the place just before the oldest event is not', async () => {
  await log(250);
  await log(30, { daysAgo: 1 });
  const { rows: known } = await superuser.query<{ position: number; id: number }>(
    'select position::integer, id::integer from sync.events where position in (10, 249, 250, 251, 280) order by 1',
  );
  await drop(7);
  const has = async (position: number, id: number) =>
    (await foundation.query('select sync.has_place($1, $2) as has', [position, id])).rows[0].has;
  const kept: [number, boolean][] = [];
  for (const { position, id } of known) kept.push([position, await has(position, id)]);
  expect(kept).toEqual([
    [10, false],
    [249, false],
    [250, true],
    [251, true],
    [280, true],
  ]);
  await drop(0);
  expect(await positions()).toEqual([]);
  expect([await has(279, 1), await has(280, 1), await has(281, 1)]).toEqual([false, true, false]);
});

test('a partition is dropped although the sequencer is in the middle of a batch', async () => {
  await log(150);
  const { rows } = await sync.query('select pg_backend_pid() as pid');
  await other.query('begin; select from sync.sequencer for update');
  const dropping = drop(7);
  await until(
    async () =>
      (await superuser.query('select cardinality(pg_blocking_pids($1)) > 0 as waits', [rows[0].pid])).rows[0].waits,
  );
  await other.query('select sync.sequence(10, 0); commit');
  expect(await dropping).toMatchObject({ dropped: [gone(0), { first: 100, last: 150 }] });
});

test('dropping a partition does not wait for a long reader, and no other session waits behind it', async () => {
  await log(250);
  await other.query('begin');
  await other.query('select count(*) from sync.events');
  // Partitions cannot be dropped while it reads; their rows can be deleted, so that they are gone in time.
  expect(await drop(7)).toEqual({ dropped: [{ first: 1, last: 250, cut: [] }], stays: 'busy', holders: [] });
  await log(20);
  await other.query('rollback');
  expect(await drop(7)).toMatchObject({ dropped: [gone(0), gone(100), { first: 251, last: 270 }] });
});

test.each(['foundation_app', 'support_app', 'observer_app', 'privacy_app'] as const)(
  '%s can neither remove events nor make partitions',
  async (login) => {
    const client = await database.connect(login);
    for (const call of [
      "sync.drop_oldest_partition(interval '0')",
      "sync.delete_old_events(interval '0', 1)",
      'sync.add_partitions(1)',
      'sync.list_holders(0, 1)',
    ])
      await expect(client.query(`select ${call}`)).rejects.toMatchObject({ code: '42501' });
    await expect(client.query('drop table sync.events_p0')).rejects.toMatchObject({ code: '42501' });
    await expect(sync.query('drop table sync.events_p0')).rejects.toMatchObject({ code: '42501' });
  },
);

describe('partitions', () => {
  test('are made ahead, at least one whole partition, in any size, also when all sessions ask at once', async () => {
    await log(199);
    const clients = await Promise.all(Array.from({ length: 8 }, () => database.connect('sync_app')));
    const answers = await Promise.all(
      clients.map((client) => client.query('select sync.add_partitions(250)::integer as last')),
    );
    // A session that waits too long for the others accepts the room that exists.
    const told = answers.map(({ rows }) => rows[0].last);
    expect(told.filter((last) => last !== 549 && last !== 299)).toEqual([]);
    expect(told).toContain(549);
    expect(await partitions()).toEqual([
      { name: 'events_p0', first: 0, last: 99 },
      { name: 'events_p100', first: 100, last: 199 },
      { name: 'events_p200', first: 200, last: 299 },
      { name: 'events_p300', first: 300, last: 549 },
    ]);
  });

  test('are made while a dump reads all of them', async () => {
    await other.query('begin isolation level repeatable read');
    await other.query('select count(*) from sync.events');
    const before = (await partitions()).length;
    await sync.query('select sync.add_partitions(1000)');
    expect((await partitions()).length).toBeGreaterThan(before);
    await other.query('rollback');
  });

  test('are protected like the first partition', async () => {
    const { rows } = await superuser.query(
      `select bool_and(c.relrowsecurity and c.relforcerowsecurity and c.relacl is null) as protected, count(*)::integer as count
       from sync.list_partitions() p join pg_class c on c.relname = p.name`,
    );
    expect(rows).toEqual([{ protected: true, count: (await partitions()).length }]);
  });

  test('and the queues are vacuumed by their own settings, however large they grow', async () => {
    const { rows } = await superuser.query(
      `select c.oid::regclass::text as name from pg_class c
       where (c.oid = any (array['sync.outbox', 'sync.subscriptions', 'sync.parked']::regclass[])
              or c.oid in (select inhrelid from pg_inherits where inhparent = 'sync.events'::regclass))
         and not coalesce(c.reloptions, '{}') @> '{autovacuum_vacuum_scale_factor=0,vacuum_truncate=false}'`,
    );
    expect(rows).toEqual([]);
  });

  test('are made by a sequencer that finds none, which then numbers the waiting events', async () => {
    for (const { name } of await partitions()) await superuser.query(`drop table sync.${name}`);
    const sequencer = startSequencer({ url: database.url('sync_app') });
    try {
      await foundation.query('update platform.customers set name = $2 where id = $1', [customer, `Ada ${Date.now()}`]);
      await until(async () => (await positions()).length === 1);
    } finally {
      await sequencer.stop();
    }
  });

  test('with the newest event are found although the note of where it is is wrong', async () => {
    await log(250);
    for (const wrong of [1_000_000, 0]) {
      await superuser.query('update sync.sequencer set search_from = $1', [wrong]);
      const { rows } = await foundation.query('select sync.head()::integer as head');
      expect(rows).toEqual([{ head: 250 }]);
    }
    await log(10);
    expect(await positions()).toHaveLength(260);
  });

  test('are opened for the newest and the oldest event no more than five, however many there are', async () => {
    await log(950);
    expect((await partitions()).length).toBeGreaterThan(9);
    const ask = () => sync.query('select sync.head(), sync.oldest(), sync.has_place(7, 7)');
    for (let time = 0; time < 10; time++) await ask(); // the plans that are kept
    await sync.query('begin');
    await ask();
    const { rows } = await sync.query(
      `select count(*)::integer as opened from pg_locks l join pg_class c on c.oid = l.relation
       where l.pid = pg_backend_pid() and c.relkind = 'i' and starts_with(c.relname, 'events_p')`,
    );
    await sync.query('commit');
    expect(rows[0].opened).toBeLessThanOrEqual(5);
  });

  test('get another index one by one, while events are numbered', async () => {
    await log(150);
    await superuser.query(`drop index sync.events_of_customer;
      create index events_customer on sync.events (customer, position) where customer is not null`);
    const migration = {
      text: await readFile(`${migrationsFolder}/0077_log_indexes.sql`, 'utf8'),
      queryMode: 'extended',
    };
    const owner = await database.connect('platform_migrator');
    await owner.query('set role platform_owner; set search_path = pg_catalog, pg_temp');
    const sequencer = startSequencer({ url: database.url('sync_app') });
    try {
      let isOver = false;
      const writing = (async () => {
        let changes = 0;
        for (; !isOver; changes++)
          await foundation.query('update platform.customers set name = $2 where id = $1', [
            customer,
            `Ada ${changes}.`,
          ]);
        return changes;
      })();
      for (let time = 0; time < 2; time++) await owner.query(migration);
      isOver = true;
      const changes = await writing;
      await until(async () => (await positions()).length === 150 + changes);
    } finally {
      await sequencer.stop();
    }
    const { rows } = await superuser.query(
      `select distinct pg_get_expr(x.indpred, x.indrelid) as condition, x.indisvalid as is_valid from pg_index x
       where (x.indrelid = 'sync.events'::regclass
         or x.indrelid in (select inhrelid from pg_inherits where inhparent = 'sync.events'::regclass)) and x.indpred is not null`,
    );
    expect(rows).toEqual([
      { condition: '((customer IS NOT NULL) AND (key IS DISTINCT FROM (customer)::text))', is_valid: true },
    ]);
  });
});

test('a worker removes old events by itself, reports, and continues after an error', async () => {
  await log(250);
  const reports: Retention[] = [];
  const errors: unknown[] = [];
  await superuser.query('revoke execute on function sync.drop_oldest_partition(interval, text[]) from sync_role');
  const worker = startRetention({
    url: database.url('sync_app'),
    keepDays: 7,
    everyMs: 5,
    onReport: (report) => reports.push(report),
    onError: (error) => errors.push(error),
  });
  try {
    await until(() => errors.length > 1);
    await superuser.query('grant execute on function sync.drop_oldest_partition(interval, text[]) to sync_role');
    await until(() => reports.length > 1);
  } finally {
    await worker.stop();
  }
  expect(reports[0]).toEqual({
    dropped: [gone(0), gone(100), { first: 200, last: 250, cut: [] }],
    stays: 'young',
    holders: [],
  });
});

test('takes what was put away a month ago, and what nobody read for a year, out of the inboxes of staff, and no open task', async () => {
  await superuser.query(
    `insert into platform.users (id, email, name) values ('ann', 'ann@example.com', 'Ann');
     insert into platform.notices (user_id, kind, record, record_id, cause, at, done_at)
     select 'ann', w.kind, 'activity', w.cause, w.cause, now() - w.age, now() - w.done
     from (values ('mention', 'put away long ago', interval '40 days', interval '31 days'), ('mention', 'put away', '40 days', '29 days'),
       ('assignment', 'old', '366 days', null), ('assignment', 'young', '364 days', null), ('task', 'open task', '800 days', null)
     ) w (kind, cause, age, done)`,
  );
  await dropOldEvents(sync, { keepDays: 30 });
  const { rows } = await superuser.query('select cause from platform.notices order by cause');
  expect(rows.map(({ cause }) => cause)).toEqual(['open task', 'put away', 'young']);
  await expect(foundation.query('select platform.forget_notices()')).rejects.toThrow(/permission denied/);
});

test('forgets after a month what was handed over when somebody left', async () => {
  await superuser.query(
    `insert into platform.users (id, email, name) values ('lea', 'lea@example.com', 'Lea'), ('sue', 'sue@example.com', 'Sue');
     insert into crm.handovers (from_user, kind, row_id, to_user, created_at)
     select 'lea', 'view', days::text, 'sue', now() - make_interval(days => days) from unnest('{29,31}'::integer[]) days`,
  );
  await dropOldEvents(sync, { keepDays: 30 });
  const { rows } = await superuser.query('select row_id from crm.handovers');
  expect(rows).toEqual([{ row_id: '29' }]);
  await expect(foundation.query('select platform.forget_handovers()')).rejects.toThrow(/permission denied/);
});
