import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import { until } from '@aether/database/testing.scope';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connectPlatform,
  DatabaseBusy,
  DatabaseUnavailable,
  FieldNotOwned,
  InvalidField,
  type PlatformDb,
  PlatformError,
  TransactionConflict,
} from '../index.ts';
import { startTestPooler, type TestPooler } from '../testing.pooler.ts';
import { openConnection } from './connection.ts';
import { CopiedRows } from './copying.ts';
import { readPage } from './log.ts';
import { parseTimestamp } from './pool.ts';
import { translateRefusal } from './refusals.ts';
import { readSettings } from './settings.ts';

let database: TestDatabase;
let db: PlatformDb;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } });
  await db.signInUser({ subject: 'maya', email: 'maya@example.com', name: 'Maya' });
});
afterAll(() => db.close());

describe('a timestamp', () => {
  const asTheDriver = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ);

  test('of any year, with any fraction of a second and any offset, equals what the driver makes of it', () => {
    const digits = (from: number, to: number, length = 2) =>
      fc.integer({ min: from, max: to }).map((number) => String(number).padStart(length, '0'));
    const text = fc
      .tuple(
        fc.oneof(digits(1900, 2100, 4), digits(1, 12_000, 4)),
        digits(1, 12),
        digits(1, 28),
        digits(0, 23),
        digits(0, 59),
        digits(0, 59),
        fc.constantFrom('', '.1', '.123', '.999999', '.9999', '.000001'),
        fc.constantFrom('+00', '-03', '+14', '+05:30', '+01:24:30'),
        fc.constantFrom('', '', ' BC'),
      )
      .map(
        ([year, month, day, hour, minute, second, fraction, offset, era]) =>
          `${year}-${month}-${day} ${hour}:${minute}:${second}${fraction}${offset}${era}`,
      );
    fc.assert(
      fc.property(text, (written) => {
        expect(parseTimestamp(written)).toEqual(asTheDriver(written));
      }),
      { numRuns: sample(2_000) },
    );
  });

  test('of PostgreSQL comes out at its moment, and a text that is no moment comes out as infinity', async () => {
    const [row] = await db.query(`select '2026-03-29 01:59:59.5+00'::timestamptz as spring,
      '0099-01-01 00:00:00+00'::timestamptz as early, '0044-03-15 12:00:00+00 BC'::timestamptz as ides, 'infinity'::timestamptz as never`);
    expect(row).toEqual({
      spring: new Date('2026-03-29T01:59:59.500Z'),
      early: new Date('0099-01-01T00:00:00.000Z'),
      ides: new Date('-000043-03-15T12:00:00.000Z'),
      never: Number.POSITIVE_INFINITY,
    });
  });
});

describe('a transaction', () => {
  test('keeps all of its writes or none', async () => {
    const email = 'all-or-none@example.com';
    const failing = db.transaction({}, async (tx) => {
      await db.createCustomer({ email, name: 'Half' }, { tx });
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await db.getCustomerByEmail(email)).toBeNull();
  });

  test('tells the database the actor, and leaves no actor on the connection', async () => {
    const actorNow = 'select platform.current_actor() as actor';
    const inside = await db.transaction({ actor: 'maya' }, (tx) => tx.query(actorNow));
    expect(inside).toEqual([{ actor: 'maya' }]);
    const after = await Promise.all(Array.from({ length: 10 }, () => db.query(actorNow)));
    for (const rows of after) expect(rows).toEqual([{ actor: null }]);
  });

  test('that the database opens for a single write carries its actor too', async () => {
    const activity = async (actor: string | undefined, email: string) => {
      const { customer } = await db.findOrCreateCustomer({ email, name: 'Acted on' }, { actor });
      return customer.version;
    };
    expect(await activity('maya', 'acted@example.com')).toBe(1);
  });

  test('keeps what it wrote before a savepoint that fails', async () => {
    const made = await db.transaction({}, async (tx) => {
      const customer = await db.createCustomer({ email: 'kept@example.com', name: 'Kept' }, { tx });
      await expect(
        tx.savepoint(() => db.createCustomer({ email: 'KEPT@example.com', name: 'Twice' }, { tx })),
      ).rejects.toThrow();
      return customer;
    });
    expect((await db.getCustomerById(made.id))?.name).toBe('Kept');
  });

  test('refuses a call that comes after its end', async () => {
    const late = await db.transaction({}, async (tx) => () => tx.query('select 1'));
    await expect(late()).rejects.toThrow('has ended');
  });

  test('that deadlocks with another one: one is kept, and the other is asked to repeat', async () => {
    const [a, b] = await Promise.all(
      ['deadlock-a@example.com', 'deadlock-b@example.com'].map((email) => db.createCustomer({ email, name: 'D' })),
    );
    const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const cross = (first: number, ids: [string, string]) =>
      db.transaction({}, async (tx) => {
        await db.updateCustomer(ids[0], { phone: `+49 30 123456${first}` }, { tx });
        both[first]?.resolve();
        await both[1 - first]?.promise;
        await db.updateCustomer(ids[1], { phone: `+49 30 123456${first}` }, { tx });
      });
    const results = await Promise.allSettled([
      cross(0, [a?.id as string, b?.id as string]),
      cross(1, [b?.id as string, a?.id as string]),
    ]);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toBeInstanceOf(TransactionConflict);
  });
});

describe('when the database misbehaves', () => {
  test('a cut connection is reported as an unavailable database, and the next call works', async () => {
    const admin = await database.connect('postgres');
    const cut = db.transaction({}, async (tx) => {
      const [{ pid }] = (await tx.query<{ pid: number }>('select pg_backend_pid() as pid')) as [{ pid: number }];
      await admin.query('select pg_terminate_backend($1)', [pid]);
      await tx.query('select 1');
    });
    await expect(cut).rejects.toThrow(DatabaseUnavailable);
    expect(await db.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a query that exceeds its time limit is reported as a busy database', async () => {
    const slow = db.transaction({}, async (tx) => {
      await tx.query(`set local statement_timeout = '20ms'`);
      await tx.query('select pg_sleep(5)');
    });
    await expect(slow).rejects.toThrow(DatabaseBusy);
  });

  test('a named statement that exceeds its time limit is reported as unanswered, and neither those beside it nor the next one', async () => {
    const hurried = await connectPlatform({
      app: 'foundation',
      variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_QUERY_TIMEOUT_MS: '1000' },
    });
    const owner = await database.connect('platform_migrator');
    await owner.query('set role platform_owner; begin; lock table platform.companies');
    const companies = { name: 'all-companies', text: 'select o.id from platform.companies o' };
    const users = { name: 'all-users', text: 'select u.id from platform.users u' };
    const [locked, beside] = await Promise.allSettled([hurried.run(companies, []), hurried.run(users, [])]);
    expect(locked).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseUnavailable) });
    expect(beside).toMatchObject({ status: 'fulfilled' });
    await owner.query('rollback');
    expect(await hurried.run(companies, [])).toEqual([]);
    await hurried.close();
  });

  test('a full disk and a server that takes no changes are not taken for one that is out of reach', async () => {
    const full = db.query(`do $$ begin raise exception using errcode = '53100'; end $$`);
    await expect(full).rejects.toMatchObject({ code: 'database-full', httpStatus: 503 });
    const standby = db.transaction({}, async (tx) => {
      await tx.query('set transaction read only');
      await tx.query(`update platform.customers set name = 'Nobody'`);
    });
    await expect(standby).rejects.toMatchObject({
      code: 'database-read-only',
      message: expect.stringContaining('Reading goes on'),
    });
    // What repeats its work after an outage does so after these as well.
    for (const refused of [full, standby]) await expect(refused).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(db.query(`do $$ begin raise exception using errcode = '53300'; end $$`)).rejects.toThrow(DatabaseBusy);
  });

  test('an app that writes beyond its rights gets an error without the driver’s words', async () => {
    const write = db.query(`update platform.customers set timezone = 'Europe/Oslo'`);
    await expect(write).rejects.toThrow(FieldNotOwned);
    await expect(write).rejects.toMatchObject({ message: expect.not.stringContaining('permission denied') });
  });

  test('a statement that no value could make right is a defect: the log has it whole, and the user is asked to correct nothing', async () => {
    for (const [sql, code] of [
      ['select 1 / 0', '22012'],
      ['select 1 limit -1', '2201W'],
      [`select 'a' ~ '('`, '2201B'],
      ['select * from support.sessions', '42501'],
    ] as const) {
      const refused = db.query(sql);
      await expect(refused).rejects.toMatchObject({ code });
      await expect(refused).rejects.not.toBeInstanceOf(PlatformError);
    }
  });

  test.each([
    ['of another type', 'select $1::text::boolean', 'x'],
    ['out of range', 'select $1::text::integer', '3000000000'],
    ['no uuid', 'select $1::uuid', 'nope'],
    ['no time', 'select $1::text::timestamptz', 'yesterweek'],
    ['a day that never was', 'select $1::text::date', '2026-02-30'],
    ['not to be stored', 'select $1::text', 'nul\0'],
    ['not to be stored in JSON', 'select $1::text::jsonb', '"\\u0000"'],
  ])('a value that is %s is a field to be corrected', async (_, sql, value) => {
    await expect(db.query(sql, [value])).rejects.toThrow(InvalidField);
  });
});

test('values keep their precision: a bigint beyond the safe numbers stays exact, and a date stays a day', async () => {
  const [row] = await db.query(
    `select 42::bigint as small, 9007199254740993::bigint as large, '2026-02-28'::date as day, 12.30::numeric as money`,
  );
  expect(row).toEqual({ small: 42, large: 9007199254740993n, day: '2026-02-28', money: '12.30' });
});

test('numbers in JSON that JavaScript would round are given on as they are, and all others are numbers', async () => {
  const text =
    '{"id": 9007199254740993, "list": [12345678901234567890, 0.12345678901234567890], "safe": 9007199254740991, "price": 12.50}';
  const [row] = await db.query<{ held: Record<string, unknown> }>('select $1::jsonb as held', [text]);
  expect(row?.held).toMatchObject({ safe: 9007199254740991, price: 12.5 });
  expect(JSON.stringify(row?.held)).toContain('"id":9007199254740993');
  const [again] = await db.query<{ is_same: boolean }>(
    `select $1::jsonb @> '{"id": 9007199254740993, "list": [12345678901234567890, 0.12345678901234567890]}' as is_same`,
    [row?.held],
  );
  expect(again).toEqual({ is_same: true });
});

test('numbers in JSON that are too large or too small for JavaScript are given on as they are', async () => {
  const [row] = await db.query<{ held: unknown[] }>(
    `select '[1e400, -1e400, 1e-400, 123456789e-330, 1e-300, 0.0]'::jsonb as held`,
  );
  expect(row?.held.slice(4)).toEqual([1e-300, 0]);
  const [again] = await db.query<{ is_same: boolean }>(
    `select $1::jsonb = '[1e400, -1e400, 1e-400, 123456789e-330, 1e-300, 0]' as is_same`,
    [JSON.stringify(row?.held)],
  );
  expect(again).toEqual({ is_same: true });
});

test.each([
  '123456789.123456789',
  '-12345678.1234567891',
  '1234567890123.4567',
  '0.1234567890123456',
  '1234567.12345678',
])('the number %s in JSON is given on digit by digit, wherever its point stands', async (number) => {
  const [row] = await db.query<{ held: unknown[] }>(`select '[${number}]'::jsonb as held`);
  expect(JSON.stringify(row?.held)).toBe(`[${number}]`);
});

test('small numbers in JSON, which PostgreSQL writes without an exponent, come back as the numbers that they were', async () => {
  const weights = [1.2345678901234566e-7, -3.0517578125012346e-12, 0.1 + 0.2];
  const [row] = await db.query<{ held: unknown }>('select $1::jsonb as held', [JSON.stringify(weights)]);
  expect(row?.held).toEqual(weights);
});

test('a refused statement costs neither its connection nor the next statement', async () => {
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const backend = async () => (await one.query('select pg_backend_pid() as pid'))[0]?.pid;
  const first = await backend();
  const broken = { name: 'broken', text: 'select 1 / ($1::integer - $1::integer) as broken' };
  for (let round = 0; round < 20; round++) {
    await expect(one.query('delete from platform.customers')).rejects.toBeInstanceOf(FieldNotOwned);
    await expect(one.query('select from')).rejects.toThrow(/syntax/);
    await expect(one.run(broken, [round])).rejects.toThrow(/zero/);
    await expect(one.run({ name: 'fine', text: 'select $1::integer as n' }, [round])).resolves.toEqual([{ n: round }]);
  }
  expect(await backend()).toBe(first);
  await one.close();
});

test('a connection that the server has ended is not used again', async () => {
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const end = { name: 'end', text: 'select pg_terminate_backend(pg_backend_pid())' };
  await expect(one.run(end, [])).rejects.toBeInstanceOf(DatabaseUnavailable);
  await expect(one.query(end.text)).rejects.toBeInstanceOf(DatabaseUnavailable);
  expect(await one.query('select 1 as n')).toEqual([{ n: 1 }]);
  await one.close();
});

test('a query that comes while the connections close is refused at once, and the process is not held up', async () => {
  // Whoever tried again until then would hold up the process beyond the time of this test.
  const limit = { PLATFORM_DB_CONNECT_TIMEOUT_MS: '120000' };
  const settings = readSettings({ PLATFORM_DB_URL: database.url('foundation_app'), ...limit });
  const closing = openConnection('foundation', { ...settings, searchPath: 'crm' });
  const order: string[] = [];
  const answered = closing.query('select pg_sleep(0.3)').then(() => order.push('the query under way is answered'));
  await closing.query('select 1');
  const closed = closing.close();
  const refused = closing.query('select 2').catch((error) => void order.push(error.message));
  await Promise.all([answered, closed, refused]);
  expect(order).toEqual([
    'This process closes its connections to the database. Try again in a moment.',
    'the query under way is answered',
  ]);
});

test('a query that was asked in the same breath as the close is answered, on a connection that was idle', async () => {
  const settings = readSettings({ PLATFORM_DB_URL: database.url('foundation_app') });
  const closing = openConnection('foundation', { ...settings, searchPath: 'crm' });
  await closing.query('select 1');
  const asked = [closing.query('select 2 as n'), closing.run({ name: 'three', text: 'select 3 as n' }, [])];
  await closing.close();
  expect((await Promise.all(asked)).flat()).toEqual([{ n: 2 }, { n: 3 }]);
});

test('a statement whose plan no longer fits its table is prepared again on a new connection', async () => {
  const owner = await database.connect('platform_migrator');
  await owner.query(
    'set role platform_owner; create table crm.widening (a integer); grant select on crm.widening to foundation_role',
  );
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const all = { name: 'widening', text: 'select * from crm.widening' };
  await one.run(all, []);
  await owner.query('alter table crm.widening add b integer; insert into crm.widening values (1, 2)');
  await expect(one.run(all, [])).rejects.toThrow(/cached plan/);
  expect(await one.run(all, [])).toEqual([{ a: 1, b: 2 }]);
  await one.close();
});

test('unqualified names resolve in the app’s own schema', async () => {
  expect(await db.query('select count(*)::integer as deals from deals')).toEqual([{ deals: 0 }]);
  await expect(db.query('select from sessions')).rejects.toThrow();
});

describe('through a transaction pooler', () => {
  let pooler: TestPooler;
  beforeAll(async () => {
    pooler = await startTestPooler(database.directUrl('foundation_app'));
  });
  afterAll(() => pooler.close());

  const through = (mode: string) =>
    connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: pooler.url, PLATFORM_DB_POOLER: mode } });
  const calls = async (pooled: PlatformDb, round: number) => {
    const { customer } = await pooled.findOrCreateCustomer({ email: `pooled${round}@example.com`, name: 'Pooled' });
    await pooled.updateCustomer(customer.id, { phone: `+45 3212 ${1000 + round}` }, { actor: 'maya' });
    return pooled.getCustomerById(customer.id);
  };

  test('every call works although each transaction runs on another server connection', async () => {
    const pooled = await through('transaction');
    for (let round = 0; round < 2 * pooler.servers; round++)
      expect(await calls(pooled, round)).toMatchObject({ version: 2 });
    const together = await Promise.all(Array.from({ length: 20 }, (_, n) => calls(pooled, 100 + n)));
    expect(together.every((customer) => customer?.version === 2)).toBe(true);
    await pooled.close();
  });

  test('unqualified names and the actor hold for the length of a transaction and no longer', async () => {
    const pooled = await through('transaction');
    const backends = new Set<number>();
    for (let round = 0; round < 2 * pooler.servers; round++) {
      await pooled.transaction({ actor: 'maya' }, async (tx) => {
        const [row] = await tx.query(
          `select platform.current_actor() as actor, (select count(*)::integer from deals) as deals, pg_backend_pid() as pid`,
        );
        expect(row).toMatchObject({ actor: 'maya', deals: 0 });
        backends.add(row?.pid);
      });
      expect(await pooled.query('select platform.current_actor() as actor')).toEqual([{ actor: null }]);
    }
    expect(backends.size).toBe(pooler.servers);
    await pooled.close();
  });

  test('without the setting the same calls fail, because the next connection lacks the prepared statement', async () => {
    const pooled = await through('none');
    const rounds = async () => {
      for (let round = 0; round < 2 * pooler.servers; round++) await calls(pooled, 200 + round);
    };
    await expect(rounds()).rejects.toThrow(/prepared statement/);
    await pooled.close();
  });

  test('PgBouncer’s refusal of a startup parameter names the setting that is missing', () => {
    const refusal = Object.assign(new pg.DatabaseError('unsupported startup parameter: options', 0, 'error'), {
      code: '08P01',
    });
    expect(translateRefusal(refusal)).toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('PLATFORM_DB_POOLER'),
    });
  });
});

test('a named statement gives the same rows again when a connection knows its columns, and also after an error', async () => {
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const named = {
    name: 'every-kind',
    text: `select n, null::text as nothing, n / ($2::integer - n) as share,
             timestamptz '2026-03-04 05:06:07+00' as at, date '2026-03-04' as day,
             array['a', null] as list, 9007199254740993 as large, '{"a": 1}'::jsonb as parsed
           from unnest($1::integer[]) n order by n`,
  };
  const first = await one.run(named, [[1, 2], 5]);
  expect(first).toEqual([
    expect.objectContaining({ n: 1, nothing: null, at: new Date('2026-03-04T05:06:07Z'), day: '2026-03-04' }),
    expect.objectContaining({ n: 2, list: ['a', null], large: 9007199254740993n, parsed: { a: 1 } }),
  ]);
  expect(await one.run(named, [[1, 2], 5])).toEqual(first);
  expect(await one.run(named, [[], 5])).toEqual([]);
  await expect(one.run(named, [[5], 5])).rejects.toThrow(/zero/);
  expect(await one.run(named, [[1, 2], 5])).toEqual(first);
  await one.close();
});

test('numbers and times of a named statement that runs again are those of the same query without a name', async () => {
  const lone = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const text = `select integer '-2147483648' as least_integer, integer '2147483647' as greatest_integer, integer '-1' as integer,
      smallint '-5' as small, n as bigint, n - 1 as bigint_below,
      bigint '-9223372036854775808' + greatest(n, 0) as bigint_least, null::bigint as nothing,
      timestamptz '2000-01-01 00:00:00+00' + n / 1000 * interval '1 second' / 1000
        + n % 1000 * interval '1 microsecond' as near,
      case when abs(n) < 9000000000 then timestamptz '2000-01-01 00:00:00.0005+00' + n * interval '1 second' end as far
    from unnest($1::bigint[]) n`;
  const numbers = [
    '0',
    '1',
    '-1',
    '999',
    '-999',
    '1000',
    '-1001',
    '128',
    '255',
    '32768',
    '2147483648',
    '-2147483649',
    '4294967295',
  ];
  const large = [
    '9007199254740991',
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '-9007199254740991',
    '8999999999',
    '-64000000000',
  ];
  const named = { name: 'numbers', text };
  for (let round = 0; round < 2; round++)
    for (const list of [numbers, large, ['9223372036854']])
      expect(await lone.run(named, [list])).toEqual([...(await lone.query(text, [list]))]);
  const times = `select timestamptz 'infinity' as never, timestamptz '-infinity' as always,
    timestamptz '0044-03-15 12:00:00.123456+00 BC' as ides, timestamptz '4713-01-02 00:00:00.000001+00 BC' as first,
    timestamptz '0099-01-01 00:00:00.999999+00' as early, timestamptz '1969-12-31 23:59:59.999999+00' as before,
    timestamptz '2400-12-31 23:59:59.999999+00' as later, timestamptz '9999-12-31 23:59:59.999999+00' as later_still,
    timestamptz '294276-12-31 23:59:59.999999+00' as beyond`;
  for (let round = 0; round < 2; round++)
    expect(await lone.run({ name: 'times', text: times }, [])).toEqual([...(await lone.query(times))]);
  await lone.close();
});

test('statements that go in turn share a connection by two, fail each for itself, and lose it together', async () => {
  const some = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '2' },
  });
  const inTurn = { name: 'in-turn', text: 'select pg_backend_pid() as pid, 6 / $1::integer as share', isInTurn: true };
  const ask = (by: number) => some.run<{ pid: number; share: number }>(inTurn, [by]);
  for (let round = 0; round < 2; round++) {
    const [[first], [second], [third], [fourth]] = await Promise.all([ask(1), ask(2), ask(3), ask(6)]);
    expect([first, second, third, fourth].map((row) => row?.share)).toEqual([6, 3, 2, 1]);
    expect(second?.pid).toBe(first?.pid);
    expect(fourth?.pid).toBe(third?.pid);
    expect(third?.pid).not.toBe(first?.pid);
  }
  const [failed, beside] = await Promise.allSettled([ask(0), ask(2)]);
  expect(failed).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(/zero/) } });
  expect(beside).toMatchObject({ status: 'fulfilled', value: [{ share: 3 }] });
  const ended = { name: 'ended', text: 'select pg_terminate_backend(pg_backend_pid())', isInTurn: true };
  const lost = await Promise.allSettled([some.run(ended, []), ask(2)]);
  expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await Promise.all([ask(2), ask(3)])).toMatchObject([[{ share: 3 }], [{ share: 2 }]]);
  expect(some.poolState()).toMatchObject({ inUse: 0, waiting: 0 });
  await some.close();
});

test('of statements that go in turn, one that spoils the connection leaves the one behind it its answer', async () => {
  const superuser = await database.connect('postgres');
  await superuser.query(`create table public.growing (a integer); grant usage on schema public to public;
    grant select on public.growing to public`);
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const growing = { name: 'growing', text: 'select * from public.growing', isInTurn: true };
  const behind = { name: 'behind', text: 'select 1 as n from pg_sleep(0.05)', isInTurn: true };
  for (let times = 0; times < 2; times++) await one.run(growing, []);
  await superuser.query('alter table public.growing add b integer');
  const [spoilt, next] = await Promise.allSettled([one.run(growing, []), one.run(behind, [])]);
  expect(spoilt).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(/cached plan/) } });
  expect(next).toEqual({ status: 'fulfilled', value: [{ n: 1 }] });
  expect(await one.run(growing, [])).toEqual([]);
  expect(one.poolState()).toMatchObject({ inUse: 0, waiting: 0 });
  await one.close();
});

test('a statement that goes in turn has given its connection back when it is answered', async () => {
  const some = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const ofWhom = { name: 'of-whom', text: 'select pg_backend_pid() as pid', isInTurn: true };
  const [first] = await some.run<{ pid: number }>(ofWhom, []);
  for (let times = 0; times < 3; times++) {
    expect(some.poolState()).toMatchObject({ inUse: 0, idle: 1 });
    expect(await some.run(ofWhom, [])).toEqual([first]);
  }
  await some.close();
});

test('of statements that go in turn, one whose answer takes too long takes the one behind it along, and none after them', async () => {
  const some = await connectPlatform({
    app: 'foundation',
    variables: {
      PLATFORM_DB_URL: database.directUrl('foundation_app'),
      PLATFORM_DB_POOL_MAX: '1',
      PLATFORM_DB_QUERY_TIMEOUT_MS: '200',
    },
  });
  const slow = { name: 'slow', text: 'select pg_sleep(30)', isInTurn: true };
  const quick = { name: 'quick', text: 'select $1::integer as n', isInTurn: true };
  const lost = await Promise.allSettled([some.run(slow, []), some.run(quick, [1])]);
  for (const answer of lost)
    expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseUnavailable) });
  const next = await Promise.all([2, 3, 4].map((n) => some.run(quick, [n])));
  expect(next).toEqual([[{ n: 2 }], [{ n: 3 }], [{ n: 4 }]]);
  expect(some.poolState()).toMatchObject({ inUse: 0, waiting: 0 });
  await some.close();
});

test('of statements that go in turn, one that is cancelled leaves the one behind it its answer', async () => {
  const superuser = await database.connect('postgres');
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const slow = { name: 'cancelled', text: 'select pg_sleep(30)', isInTurn: true };
  const quick = { name: 'quick', text: 'select $1::integer as n', isInTurn: true };
  const answers = Promise.allSettled([one.run(slow, []), one.run(quick, [1])]);
  await until(async () => {
    const { rowCount } = await superuser.query(
      `select pg_cancel_backend(pid) from pg_stat_activity
       where datname = current_database() and wait_event = 'PgSleep' and query like '%pg_sleep(30)%' and usename = 'foundation_app'`,
    );
    return rowCount;
  });
  const [cancelled, next] = await answers;
  expect(cancelled).toMatchObject({ status: 'rejected', reason: expect.any(DatabaseBusy) });
  expect(next).toEqual({ status: 'fulfilled', value: [{ n: 1 }] });
  expect(one.poolState()).toMatchObject({ inUse: 0, idle: 1, waiting: 0 });
  await one.close();
});

test('a short statement has its lane also if it is asked for in one turn with what takes the last connection', async () => {
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  expect(one.poolState()).toMatchObject({ idle: 1 });
  const answered = Promise.withResolvers<void>();
  const longWork = one.transaction({}, () => answered.promise);
  const short = one.run<{ n: number }>({ name: 'short', text: 'select 1 as n', isShort: true }, []);
  await Promise.allSettled([short]);
  answered.resolve();
  await longWork;
  expect(await short).toEqual([{ n: 1 }]);
  await one.close();
});

/** Asks again and again: the next statement goes to the connection before the one before it is answered. `begun` once the first is. */
function askingOn(on: PlatformDb, times: number) {
  const inTurn = { name: 'going-on', text: 'select pg_sleep(0.003), $1::integer', isInTurn: true };
  const askOneAfterTheOther = async () => {
    for (let n = 0; n < times; n++) await on.run(inTurn, [n]);
  };
  const begun = on.run(inTurn, [0]);
  return { begun, ended: Promise.allSettled([askOneAfterTheOther(), begun.then(askOneAfterTheOther)]) };
}

test('statements that go in turn leave their connection to who waits for one, however many follow', async () => {
  const one = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  const order: string[] = [];
  const asking = askingOn(one, 100);
  asking.ended.then(() => order.push('in turn'));
  await asking.begun;
  await one.transaction({}, (tx) => tx.query('select 1')).then(() => order.push('transaction'));
  expect((await asking.ended).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  expect(order).toEqual(['transaction', 'in turn']);
  expect(one.poolState()).toMatchObject({ inUse: 0, waiting: 0 });
  await one.close();
});

test('what is closed takes no statement more on a connection that others still hold', async () => {
  const some = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '2' },
  });
  const asking = askingOn(some, 100);
  await asking.begun;
  await some.close();
  for (const answer of await asking.ended)
    expect(answer).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringMatching(/closes its connections/) },
    });
});

test('what waits for a connection when they are closed is refused at once, in whichever way it waits', async () => {
  // Not of an app: closing that begins with its heartbeat.
  const one = openConnection('foundation', {
    ...readSettings({
      PLATFORM_DB_URL: database.directUrl('foundation_app'),
      PLATFORM_DB_POOL_MAX: '1',
      PLATFORM_DB_CONNECT_TIMEOUT_MS: '60000',
    }),
    searchPath: 'crm,platform',
  });
  const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const inTurn = { name: 'waiting', text: 'select 1', isInTurn: true };
  const short = { name: 'holding', text: 'select pg_sleep(30)', isShort: true };
  const work = one.transaction({}, (tx) => {
    begun.resolve();
    return done.promise.then(() => tx.query<{ n: number }>('select 1 as n'));
  });
  await begun.promise;
  const lane = Promise.allSettled([one.run(short, []), one.run(short, [])]);
  const superuser = await database.connect('postgres');
  await until(async () => {
    const running = `select from pg_stat_activity where datname = current_database() and state = 'active' and query = $1`;
    return (await superuser.query(running, [short.text])).rowCount === 2;
  });
  const waiting = Promise.allSettled([
    one.run(inTurn, []),
    one.query('select 1'),
    one.run({ name: 'short', text: 'select 1', isShort: true }, []),
    one.transaction({}, (tx) => tx.query('select 1')),
    one.copier()('copy (select 1) to stdout (format binary)', new CopiedRows(1_000)),
  ]);
  expect(one.poolState().waiting).toBeGreaterThan(0);
  const closed = one.close(20_000);
  await expect(one.run(inTurn, [])).rejects.toThrow(/closes its connections/);
  for (const refused of await waiting)
    expect(refused).toMatchObject({
      status: 'rejected',
      reason: { code: 'database-unavailable', message: expect.stringMatching(/closes its connections/) },
    });
  // The work that has its connection ends as it should.
  done.resolve();
  expect(await work).toEqual([{ n: 1 }]);
  await superuser.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = $1`,
    [short.text],
  );
  await Promise.all([lane, closed]);
});

test('rows of a named statement are those of the same query without a name, whatever their letters and sizes', async () => {
  const text = `select n, repeat(letter, n) as word, null::text as nothing, '' as empty, repeat(letter, n)::bytea as bytes,
      array[letter, null] as list, timestamptz '1969-12-31 23:59:59.9996+00' + n * interval '1 day' as at
    from unnest('{0,1,127,128,200,3000,400000}'::integer[]) n, unnest('{a,ä,€,😀,ÿ}'::text[]) letter`;
  const rows = await db.query(text);
  const named = { name: 'letters', text };
  for (let round = 0; round < 2; round++) expect(await db.run(named, [])).toEqual(rows);
  const inArrays = { name: 'letters-in-arrays', text, rowMode: 'array' as const };
  for (let round = 0; round < 2; round++)
    expect(await db.run<unknown[]>(inArrays, [])).toEqual(rows.map((row) => Object.values(row)));
});

test('a named statement takes whatever values it is given, again as at first', async () => {
  const lists = [
    '{a,ä,€,😀}',
    'a"b',
    '","',
    'a\\',
    'a\\"',
    'null',
    'NULL',
    '',
    ' ',
    '{}',
    'a\nb',
    "it's",
    '\ud800',
    'x'.repeat(70_000),
  ];
  const given: [string, unknown[]][] = [
    [
      'text[]',
      [
        [],
        lists,
        ...lists.map((text) => [text]),
        [null],
        [undefined],
        ['a', null, 'b'],
        [
          ['a', 'b'],
          ['"', '\\'],
        ],
        null,
      ],
    ],
    ['text', [...lists, null, undefined, 7, -0, 1e21, true, 9007199254740993n, new Date(0)]],
    [
      'timestamptz',
      [
        new Date(0),
        new Date(-1),
        new Date('0099-01-01T00:00:00Z'),
        new Date('+012026-01-01T00:00:00Z'),
        'infinity',
        null,
      ],
    ],
    ['bytea', [Buffer.from([0, 92, 34, 255]), Buffer.alloc(0), new Uint8Array([1, 0]), null]],
    ['jsonb', [{ a: '"\\' }, '[1, null]', 'null', null]],
    ['numeric[]', [[1, 2.5], [1n], [null]]],
  ];
  for (const [type, values] of given) {
    const text = `select $1::${type} as value, $2::text as beside`;
    const named = { name: `given-${type}`, text };
    await db.run(named, [null, null]);
    for (const value of values)
      expect(await db.run(named, [value, 'b'])).toEqual([...(await db.query(text, [value, 'b']))]);
  }
  for (const value of ['a\0b', ['a\0b']]) {
    const named = { name: `given-${Array.isArray(value) ? 'text[]' : 'text'}`, text: '' };
    named.text = `select $1::${named.name.slice(6)} as value, $2::text as beside`;
    await expect(db.run(named, [value, 'b'])).rejects.toThrow(InvalidField);
    expect(await db.run(named, [null, 'b'])).toEqual([{ value: null, beside: 'b' }]);
  }
});

test('a page of the feed ends when its events fill it, also those that are stored in a hundredth of their size', async () => {
  const superuser = await database.connect('postgres');
  await superuser.query(
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at)
     select n, n, 'foundation.large', 'k', 'k', 'platform', 'foundation', 'foundation_app',
       jsonb_build_object('text', repeat('again ', 10000)), '{}', now() from generate_series(1, 150) n`,
  );
  const connection = openConnection('foundation', {
    ...readSettings({ PLATFORM_DB_URL: database.url('foundation_app') }),
    searchPath: 'crm,platform',
  });
  const first = await readPage(connection, { after: { position: 0 } });
  const second = await readPage(connection, { after: first.place });
  const last = await readPage(connection, { after: second.place });
  await connection.close();
  expect([first, second, last].map(({ rows, isLast }) => [rows.length, isLast])).toEqual([
    [67, false],
    [67, false],
    [16, true],
  ]);
});
