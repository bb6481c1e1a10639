import { setTimeout as wait } from 'node:timers/promises';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Sequencer, type SequencerOptions, startSequencer } from './sequencer.ts';

let database: TestDatabase;
let superuser: pg.Client;
let app: pg.Client;
let reader: pg.Client;
let running: Sequencer[] = [];
const customers: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  app = await database.connect('foundation_app');
  reader = await database.connect('sync_app');
});
beforeEach(async () => {
  if (customers.length > 0) return;
  const { rows } = await app.query(
    `insert into platform.customers (email, name) select 'hot' || n || '@example.com', 'Hot' from generate_series(1, 20) n returning id`,
  );
  customers.push(...rows.map((row) => row.id));
});
afterEach(async () => {
  await Promise.all(running.map((sequencer) => sequencer.stop()));
  running = [];
});

function start(options: Partial<SequencerOptions> = {}): Sequencer {
  const sequencer = startSequencer({ url: database.url('sync_app'), ...options });
  running.push(sequencer);
  return sequencer;
}

async function until(fact: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fact())) await wait(2);
}

const headPosition = async () =>
  Number((await reader.query('select coalesce(max(position), 0) as head from sync.events')).rows[0].head);
const isEmpty = async () => (await reader.query('select sync.outbox_age() is null as empty')).rows[0].empty;

/** Follows the log and notes everything that must never be. */
function follow(client: pg.Client) {
  let position = 0;
  const versions = new Map<string, number>();
  const wrong: string[] = [];
  let seen = 0;
  return {
    wrong,
    versions,
    seen: () => seen,
    async read() {
      const { rows } = await client.query(
        'select position, key, version, type from sync.events where position > $1 order by position limit 1000',
        [position],
      );
      for (const row of rows) {
        if (Number(row.position) !== position + 1) wrong.push(`position ${row.position} after ${position}`);
        position = Number(row.position);
        seen++;
        if (!row.type.startsWith('customer.')) continue;
        const before = versions.get(row.key) ?? 0;
        if (Number(row.version) !== before + 1) wrong.push(`${row.key}: version ${row.version} after ${before}`);
        versions.set(row.key, Number(row.version));
      }
      return rows.length;
    },
  };
}

/** A writer of its own habits: how early it takes a transaction id, how long it dawdles, what it rolls back. */
async function write(client: pg.Client, habit: number, isOver: () => boolean): Promise<number> {
  let committed = 0;
  while (!isOver()) {
    await client.query('begin');
    if (habit % 3 === 0) await client.query('select pg_current_xact_id()'); // long before a row is touched
    if (habit % 5 === 0) await wait(Math.random() * 30);
    const picked = [
      ...new Set(
        Array.from({ length: 1 + (habit % 3) }, () => customers[Math.floor(Math.random() * customers.length)]),
      ),
    ].sort();
    let changed = 0;
    for (const id of picked) {
      await client.query('savepoint s');
      await client.query('update platform.customers set name = $2 where id = $1', [id, `Hot ${Math.random()}`]);
      if (Math.random() < 0.1) await client.query('rollback to savepoint s');
      else changed++;
    }
    if (habit % 7 === 0) await wait(Math.random() * 60);
    if (Math.random() < 0.1) await client.query('rollback');
    else {
      await client.query('commit');
      committed += changed;
    }
    if (habit >= 4) await wait(Math.random() * 40);
  }
  return committed;
}

test('under every interleaving nothing is lost, invented, doubled or inverted, and positions are dense', {
  timeout: 60_000,
}, async () => {
  const rivals = [start(), start()];
  const writers = await Promise.all(Array.from({ length: 12 }, () => database.connect('foundation_app')));
  const dump = await database.connect('postgres');
  await dump.query('begin isolation level repeatable read; select count(*) from sync.outbox');
  await until(isEmpty);
  const log = follow(reader);
  while ((await log.read()) > 0);
  const before = log.seen();

  const endsAt = performance.now() + 6_000;
  const isOver = () => performance.now() > endsAt;
  const written = Promise.all(writers.map((client, habit) => write(client, habit, isOver)));
  let killed = 0;
  const killing = (async () => {
    while (!isOver()) {
      await wait(700);
      killed +=
        (
          await superuser.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'aether-sequencer' and datname = current_database() order by random() limit 1`,
          )
        ).rowCount ?? 0;
    }
  })();
  while (!isOver()) if ((await log.read()) === 0) await wait(1);
  const committed = (await written).reduce((sum, each) => sum + each, 0);
  await killing;
  await until(isEmpty);
  while ((await log.read()) > 0);
  await dump.query('rollback');

  expect(log.wrong).toEqual([]);
  expect(log.seen() - before).toBe(committed);
  const { rows } = await app.query('select id, version::integer from platform.customers');
  expect(Object.fromEntries(log.versions)).toEqual(Object.fromEntries(rows.map((row) => [row.id, row.version])));
  expect(killed).toBeGreaterThan(4);
  expect(committed).toBeGreaterThan(500);
  expect(rivals.length).toBe(2);
});

test('no wake-up is lost: without any polling each lone change is numbered', { timeout: 60_000 }, async () => {
  const sequencer = start({ pollMs: undefined });
  for (let round = 0; round < 400; round++) {
    const before = await headPosition();
    // As the sequencer falls asleep, and at every moment around it.
    await wait(Math.random() * 12);
    await app.query('update platform.customers set name = $2 where id = $1', [customers[0], `Round ${round}`]);
    await until(async () => (await headPosition()) === before + 1);
  }
  expect(sequencer.state().naps).toBeGreaterThan(50);
});

test('a busy system sends no NOTIFY per write', async () => {
  const sequencer = start();
  await until(() => sequencer.state().naps > 0);
  const { rings } = sequencer.state();
  for (let n = 0; n < 500; n++)
    await app.query('update platform.customers set name = $2 where id = $1', [customers[1], `Busy ${n}`]);
  await until(isEmpty);
  expect(sequencer.state().rings - rings).toBeLessThan(100);
});

describe('of several sequencers', () => {
  test('one leads, and when it is killed another takes over', async () => {
    const one = start();
    await until(() => one.state().role === 'leader');
    const other = start();
    await until(() => other.state().role === 'rival');
    await superuser.query(
      `select pg_terminate_backend(l.pid) from pg_locks l where l.locktype = 'advisory' and l.classid = 7271 and l.objid = 2 and l.granted and l.database = (select oid from pg_database where datname = current_database())`,
    );
    await app.query('update platform.customers set name = $2 where id = $1', [customers[2], 'After the kill']);
    await until(isEmpty);
  });

  test('a rival numbers what a hanging leader leaves: whoever holds the leadership stops nothing', async () => {
    await app.query('select pg_advisory_lock(7271, 2)');
    const rival = start();
    await until(() => rival.state().role === 'rival');
    await app.query('update platform.customers set name = $2 where id = $1', [customers[3], 'Nobody leads']);
    await until(isEmpty);
    expect(rival.state().role).toBe('rival');
    await app.query('select pg_advisory_unlock(7271, 2)');
    await until(() => rival.state().role === 'leader');
  });

  test('a transaction open for long delays only its own events', async () => {
    start();
    const slow = await database.connect('foundation_app');
    await slow.query('begin');
    await slow.query('update platform.customers set name = $2 where id = $1', [customers[4], 'Slow']);
    const before = await headPosition();
    await app.query('update platform.customers set name = $2 where id = $1', [customers[5], 'Quick']);
    await until(async () => (await headPosition()) === before + 1);
    await slow.query('commit');
    await until(async () => (await headPosition()) === before + 2);
  });
});
