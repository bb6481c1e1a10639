import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { type Connection, openConnection } from './connection.ts';
import { CopiedRows } from './copying.ts';
import { DatabaseBusy, DatabaseUnavailable } from './errors.ts';
import { createReadAhead } from './readahead.ts';
import { readSettings } from './settings.ts';

/* What becomes of copies that end badly, and of those that the server has behind them on the same connection. */

let database: TestDatabase;
let superuser: pg.Client;
let connection: Connection;
const login = 'support_app';
/** Whoever copies waits for it in the middle. */
const gate = 7273;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  connection = openConnection('support', {
    ...readSettings({ PLATFORM_DB_URL: database.url(login) }),
    searchPath: 'platform',
  });
  atEnd(() => connection.close());
});

const copyOf = (select: string) => `copy (${select}) to stdout with (format binary)`;
const series = (rows: number) => copyOf(`select n from generate_series(1, ${rows}) n`);
/** It has sent thousands of rows, which the client has got, when it waits. */
const stopping = (from = 1) =>
  copyOf(`select n, repeat('x', 100), case when n = ${from + 5_000} then pg_advisory_lock_shared(${gate})::text end
    from generate_series(${from}, ${from + 6_000}) n`);
/** The first column of each row, which follows the number of columns and its own length. */
const numbersOf = (rows: CopiedRows) =>
  Array.from({ length: rows.length }, (_, n) => rows.view.getInt32(rows.startOf(n) + 6));

/** The session that waits at the gate, once it does. */
const waiting = (): Promise<number> =>
  until(async () => {
    const { rows } = await superuser.query<{ pid: number }>(
      `select pid from pg_locks where locktype = 'advisory' and objid = ${gate} and not granted
         and database = (select oid from pg_database where datname = current_database())`,
    );
    return rows[0]?.pid;
  });

/** A copy that is ended in its middle, and one that was asked for before that. */
async function endInTheMiddle(end: (pid: number) => Promise<unknown>) {
  const copy = connection.copier();
  await superuser.query(`select pg_advisory_lock(${gate})`);
  try {
    const answers = Promise.allSettled([
      copy(stopping(), new CopiedRows(10_000_000)),
      copy(series(3), new CopiedRows(10_000_000)),
    ]);
    await end(await waiting());
    const [ended, next] = await answers;
    return { copy, ended, next };
  } finally {
    await superuser.query('select pg_advisory_unlock_all()');
  }
}

test('a copy whose connection is lost in its middle is refused, as the one behind it, and the next one gets another connection', async () => {
  const { copy, ended, next } = await endInTheMiddle((pid) =>
    superuser.query('select pg_terminate_backend($1)', [pid]),
  );
  expect(ended).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseUnavailable) });
  expect(next).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseUnavailable) });
  expect(numbersOf(await copy(series(3), new CopiedRows(1_000)))).toEqual([1, 2, 3]);
  expect(connection.poolState()).toMatchObject({ waiting: 0 });
});

test('a copy that is cancelled in its middle is refused, and the one behind it has its own rows', async () => {
  const { ended, next } = await endInTheMiddle((pid) => superuser.query('select pg_cancel_backend($1)', [pid]));
  expect(ended).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseBusy) });
  expect(next.status === 'fulfilled' && numbersOf(next.value)).toEqual([1, 2, 3]);
});

test('a copy that takes longer than a statement may is refused, and the one behind it has its own rows', async () => {
  const name = new URL(database.url(login)).pathname.slice(1);
  await connection.close();
  await superuser.query(`alter role ${login} in database ${name} set statement_timeout = '200ms'`);
  connection = openConnection('support', {
    ...readSettings({ PLATFORM_DB_URL: database.url(login) }),
    searchPath: 'platform',
  });
  const { ended, next } = await endInTheMiddle(async () => {});
  await superuser.query(`alter role ${login} in database ${name} reset statement_timeout`);
  expect(ended).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseBusy) });
  expect(next.status === 'fulfilled' && numbersOf(next.value)).toEqual([1, 2, 3]);
});

test('of rows that are cut off the server need not send the rest, and the next copy has its own rows', async () => {
  await superuser.query(`select pg_advisory_lock(${gate})`);
  try {
    const copy = connection.copier();
    const [cut, behind] = await Promise.allSettled([
      copy(stopping(), new CopiedRows(100_000)), // those behind the gate are never sent
      copy(series(3), new CopiedRows(100_000)),
    ]);
    const rows = (cut as PromiseFulfilledResult<CopiedRows>).value;
    expect(rows.isCut).toBe(true);
    expect(numbersOf(rows)).toEqual(Array.from({ length: rows.length }, (_, n) => n + 1));
    expect(rows.length).toBeGreaterThan(500);
    expect(behind).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseUnavailable) });
    expect(numbersOf(await copy(series(3), new CopiedRows(1_000)))).toEqual([1, 2, 3]);
    expect(connection.poolState()).toMatchObject({ inUse: 0, waiting: 0 });
  } finally {
    await superuser.query('select pg_advisory_unlock_all()');
  }
});

test('rows that are cut off are no failure to who watches, and their connection is used no more, also if all had come', async () => {
  const told: unknown[] = [];
  const unwatch = connection.watchQueries((_, error) => told.push(error));
  const copy = connection.copier();
  for (let times = 0; times < 3; times++) {
    const rows = await copy(copyOf('select n from generate_series(1, 3) n'), new CopiedRows(1));
    expect([rows.isCut, numbersOf(rows)]).toEqual([true, [1]]);
  }
  unwatch();
  expect(told).toEqual([undefined, undefined, undefined]);
  expect(await connection.query('select 1 as n')).toEqual([{ n: 1 }]);
  expect(connection.poolState()).toMatchObject({ inUse: 0, waiting: 0 });
});

test('copies that overlap have each their own rows, however many they are', async () => {
  const copy = connection.copier();
  const sizes = Array.from({ length: 40 }, (_, n) => (n * 7919) % 3_000);
  const read = await Promise.all(
    sizes.map((size, n) =>
      copy(
        copyOf(`select ${n} * 10000 + s, repeat('y', s % 300) from generate_series(1, ${size}) s`),
        new CopiedRows(10_000_000),
      ),
    ),
  );
  for (const [n, size] of sizes.entries())
    expect(numbersOf(read[n] as CopiedRows)).toEqual(Array.from({ length: size }, (_, at) => n * 10_000 + at + 1));
});

test('events that are larger than a page are read ahead whole, one after the other, and those beside them too', async () => {
  const sizes = [10, 10_000_000, 20, 5_000_000, 3_000_000, 3_000_000, 30, 12_000_000];
  await superuser.query(
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at)
     select n, n, 'support.read', 'key', 'key', 'platform', 'support', 'support_app',
       jsonb_build_object('text', repeat(chr(96 + n::integer), size)), '{}', now()
     from unnest($1::integer[]) with ordinality s (size, n)`,
    [sizes],
  );
  const ahead = createReadAhead(connection, undefined);
  const read: [number, number, string][] = [];
  for (let after = 0; after < sizes.length; ) {
    ahead.begin(after, { head: sizes.length, shares: null });
    const taken = await ahead.take(after, 100);
    if (!taken) {
      await ahead.stop(); // pages that were forgotten
      continue;
    }
    for (const { position, data } of taken.events()) {
      const { text } = data as unknown as { text: string };
      read.push([position, text.length, `${text[0]}${text.at(-1)}`]);
    }
    after = taken.last.position;
  }
  const letter = (n: number) => String.fromCharCode(97 + n);
  expect(read).toEqual(sizes.map((size, n) => [n + 1, size, letter(n).repeat(2)]));
  await ahead.stop();
});
