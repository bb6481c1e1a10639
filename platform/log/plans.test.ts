import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readBatch } from './batch.ts';
import type { Connection } from './connection.ts';
import { readPage } from './log.ts';
import type { Queryable, Statement } from './query.ts';

let database: TestDatabase;
let superuser: pg.Client;
let client: pg.Client;
/** How often the server has planned a statement, also one within a function: it says so to this connection. */
let planned = 0;
let on: Queryable;

const countEvents = 40;
const fill = (from: number, until: number) =>
  superuser.query(
    `insert into sync.events (position, id, type, key, customer, row_id, audience, app, login, data, previous, occurred_at)
     select n, n, case n when 7 then 'support.rare' else 'customer.updated' end, u, u::uuid, u,
       case n when 9 then 'foundation' else 'platform' end, 'foundation', 'foundation_app', '{}', '{}', now()
     from generate_series($1::integer + 1, $2) n cross join lateral (select md5(n::text)::uuid::text as u) k`,
    [from, until],
  );

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
});
beforeEach(async () => {
  // Only a superuser may have the server tell; what it reads, it reads as the app.
  client = await database.connect('postgres');
  await client.query('set client_min_messages = log');
  await client.query('set log_planner_stats = on');
  await client.query('set session authorization support_app');
  client.setTypeParser(20, Number); // positions
  client.on('notice', ({ message }) => {
    if (message === 'PLANNER STATISTICS') planned++;
  });
  on = {
    query: async (text, values) => (await client.query(text, values)).rows,
    run: async (statement: Statement, values) => (await client.query({ ...statement, values })).rows,
  };
});

const shares = { front: [0, 1], layout: 4, layoutBy: 'customer' as const };
const types = ['customer.updated'];
const reads: [string, (after: number) => Promise<{ position: number }[]>][] = [
  ['a subscription', async (after) => (await readBatch(on, 'support.plans', { after, types, limit: 10 })).events],
  [
    'a subscription with shares',
    async (after) => (await readBatch(on, 'support.plans', { after, types, limit: 10, shares })).events,
  ],
  ['a follower', async (after) => (await readPage(on as Connection, { after: { position: after }, types })).rows],
];

test('a log that was empty when its reading was planned is read by the index of positions for ever after', async () => {
  for (const [, read] of reads) for (let n = 0; n < 8; n++) expect(await read(0)).toEqual([]);
  await fill(0, countEvents);
  for (const [, read] of reads) expect((await read(0))[0]?.position).toBeGreaterThan(0);
  await client.query('select pg_stat_force_next_flush()');
  const { rows } = await superuser.query(
    `select sum(seq_scan)::integer as scans from pg_stat_user_tables where schemaname = 'sync' and relname like 'events\\_p%'`,
  );
  expect(rows[0].scans).toBe(0);
});

describe('in a log that is large by what PostgreSQL knows of it', () => {
  beforeAll(async () => {
    await superuser.query(
      `select pg_restore_relation_stats('schemaname', 'sync', 'relname', relname::text, 'relpages', 1, 'reltuples', 1e7::real)
       from pg_class where relnamespace = 'sync'::regnamespace and relname like 'events\\_p%' and relkind = 'r'`,
    );
  });

  test.each(reads)('%s plans its reading a few times and never again, wherever it reads', async (_, read) => {
    for (let n = 0; n < 8; n++) await read(n);
    planned = 0;
    for (const after of [countEvents, 0, 20, countEvents, 3]) await read(after);
    expect(planned).toBe(0);
    const { rows } = await client.query(
      `select sum(custom_plans)::integer as custom from pg_prepared_statements where name like '%-read%'`,
    );
    expect(rows[0].custom).toBeLessThanOrEqual(5);
  });

  test('a statement that names the positions itself is planned each time: that is what the reading is spared', async () => {
    const text = 'select * from sync.events where position > $1 and position <= $2 order by position limit $3';
    const read = (after: number) => client.query({ name: 'plain', text, values: [after, after + 2_000, 10] });
    for (let n = 0; n < 8; n++) await read(n);
    planned = 0;
    await read(countEvents);
    expect(planned).toBe(1);
  });

  test('it reads what is asked for: in order, of these types, no more than the batch, and nothing of another app', async () => {
    const read = async (after: number, limit: number, of?: string[]) =>
      (await readBatch(on, 'support.plans', { after, types: of, limit })).events.map(({ position }) => position);
    expect(await read(5, 4)).toEqual([6, 7, 8, 10]);
    expect(await read(0, 10, ['support.rare'])).toEqual([7]);
    expect(await read(0, 10, ['support.none'])).toEqual([]);
    expect(await read(countEvents - 1, 10)).toEqual([countEvents]);
    const all: number[] = [];
    for (const share of [0, 1, 2, 3]) all.push(...(await ofShare(share)));
    expect(all.sort((a, b) => a - b)).toEqual((await read(0, 100)).filter((position) => position !== 7));
  });
});

test('as many events of other types as the bulk path numbers at once are passed in one step', async () => {
  await fill(countEvents, countEvents + 8_000);
  const { events, until } = await readBatch(on, 'support.plans', {
    after: countEvents,
    types: ['support.none'],
    limit: 10,
  });
  expect(events).toEqual([]);
  expect(until).toBe(countEvents + 8_000);
});

const ofShare = async (share: number): Promise<number[]> =>
  (
    await readBatch(on, 'support.plans', { after: 0, types, limit: 100, shares: { ...shares, front: [share] } })
  ).events.map(({ position }) => position);
