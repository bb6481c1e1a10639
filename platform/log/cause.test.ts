import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { becauseOf, connectPlatform, InvalidField, type PlatformDb } from '../index.ts';
import { startTestPooler, type TestPooler } from '../testing.pooler.ts';
import { withoutCause } from './cause.ts';

const trace = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;

let database: TestDatabase;
let superuser: pg.Client;
let pooler: TestPooler;
let unique = 0;
const newEmail = () => `cause${++unique}@example.com`;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  pooler = await startTestPooler(database.directUrl('foundation_app'));
});
afterAll(() => pooler.close());

/** The actor and the trace in the event that created the customer with this address. */
async function causeOf(email: string): Promise<{ actor: string | null; trace: string | null }> {
  const { rows } = await superuser.query(
    `select actor, trace from sync.outbox where type = 'customer.created' and data ->> 'email' = $1`,
    [email],
  );
  expect(rows).toHaveLength(1);
  return rows[0];
}

describe.each([
  ['directly', 'none'],
  ['through a transaction pooler', 'transaction'],
] as const)('%s', (_, mode) => {
  let db: PlatformDb;
  beforeAll(async () => {
    db = await connectPlatform({
      app: 'foundation',
      variables: {
        PLATFORM_DB_URL: mode === 'none' ? database.directUrl('foundation_app') : pooler.url,
        PLATFORM_DB_POOLER: mode,
        // One connection: anything left on it reaches the next call.
        PLATFORM_DB_POOL_MAX: '1',
      },
    });
    await db.signInUser({ subject: 'maya', email: 'maya@example.com', name: 'Maya' });
    await db.signInUser({ subject: 'tom', email: 'tom@example.com', name: 'Tom' });
  });
  afterAll(() => db.close());

  const insert = (email: string) =>
    db.query(`insert into platform.customers (email, name) values ($1, 'Lone') returning email`, [email]);
  const inTransaction = (email: string, options = {}) =>
    db.transaction(options, (tx) =>
      tx.query(`insert into platform.customers (email, name) values ($1, 'Ada')`, [email]),
    );
  const findOrCreate = (email: string) => db.findOrCreateCustomer({ email, name: 'Found' });
  const create = (email: string) => db.createCustomer({ email, name: 'Made' });
  const ways = { insert, inTransaction, findOrCreate, create };

  /** Leaves an actor and a trace on every connection that the next call may get. */
  async function leaveBehind(): Promise<void> {
    const leave = `select set_config('aether.actor', 'tom', false), set_config('aether.trace', '${trace('a')}', false)`;
    if (mode === 'none') return void (await db.query(leave));
    const other = new pg.Client({ connectionString: pooler.url });
    await other.connect();
    for (let n = 0; n < pooler.servers; n++) await other.query(leave);
    await other.end();
  }

  test.each(Object.keys(ways) as (keyof typeof ways)[])(
    '%s takes over no actor that was left on a connection',
    async (way) => {
      for (let n = 0; n < 4; n++) {
        await leaveBehind();
        const email = newEmail();
        await ways[way](email);
        expect(await causeOf(email)).toEqual({ actor: null, trace: null });
      }
    },
  );

  test.each(Object.keys(ways) as (keyof typeof ways)[])(
    '%s carries the actor and the trace of its cause',
    async (way) => {
      const email = newEmail();
      await becauseOf({ actor: 'maya', trace: trace('b') }, async () => {
        await db.query('select 1');
        await ways[way](email);
      });
      expect(await causeOf(email)).toEqual({ actor: 'maya', trace: trace('b') });
    },
  );

  test('a lone write returns its rows and its refusal just as it does without settings', async () => {
    const email = newEmail();
    expect(await insert(email)).toEqual([{ email }]);
    await expect(insert(email)).rejects.toMatchObject({ code: 'email-taken' });
    expect(await db.query('select $1::bigint as number, now() as time', [5])).toEqual([
      { number: 5, time: expect.any(Date) },
    ]);
    expect(await db.query('select from platform.customers where email = $1', ['nobody'])).toEqual([]);
    await expect(db.query('select pg_sleep(5)', [], { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'database-unavailable',
    });
    expect(await db.query('select platform.current_actor() as actor')).toEqual([{ actor: null }]);
  });

  test('a named statement that could not be parsed is prepared once it can be', async () => {
    const statement = { name: `late-${mode}`, text: `insert into crm.late_${mode} values ($1) returning n` };
    for (let n = 0; n < 2; n++) await expect(db.run(statement, [1])).rejects.toMatchObject({ code: '42P01' });
    await superuser.query(`create table crm.late_${mode} (n integer primary key)`);
    await superuser.query(`grant select, insert on crm.late_${mode} to foundation_role`);
    expect(await db.run(statement, [1])).toEqual([{ n: 1 }]);
    await expect(db.run(statement, [1])).rejects.toMatchObject({ code: 'already-exists' });
    expect(await db.run(statement, [2])).toEqual([{ n: 2 }]);
  });

  test('an actor or a trace named in a call overrides that of the surrounding cause, each on its own', async () => {
    const [own, half] = [newEmail(), newEmail()];
    await becauseOf({ actor: 'maya', trace: trace('b') }, async () => {
      await inTransaction(own, { actor: 'tom', trace: trace('c') });
      await db.createCustomer({ email: half, name: 'Half' }, { actor: 'tom' });
    });
    expect(await causeOf(own)).toEqual({ actor: 'tom', trace: trace('c') });
    expect(await causeOf(half)).toEqual({ actor: 'tom', trace: trace('b') });
  });

  test('causes of concurrent work do not mix, and none outlives its work', async () => {
    const emails = Array.from({ length: 12 }, newEmail);
    await Promise.all(
      emails.map((email, n) =>
        becauseOf({ actor: n % 2 ? 'maya' : 'tom', trace: trace(String(n % 10)) }, () => insert(email)),
      ),
    );
    for (const [n, email] of emails.entries())
      expect(await causeOf(email)).toEqual({ actor: n % 2 ? 'maya' : 'tom', trace: trace(String(n % 10)) });
    const [apart, after] = [newEmail(), newEmail()];
    await becauseOf({ actor: 'maya' }, () => withoutCause(() => insert(apart)));
    await insert(after);
    expect([await causeOf(apart), await causeOf(after)]).toEqual(Array(2).fill({ actor: null, trace: null }));
  });

  test('an actor is stored exactly as written, and an actor that no text column can hold is refused', async () => {
    for (const actor of [`o'neil`, 'back\\slash', "x'; select 1; --", 'Ünïcode'])
      expect(await db.transaction({ actor }, (tx) => tx.query('select platform.current_actor() as actor'))).toEqual([
        { actor },
      ]);
    await expect(db.transaction({ actor: 'a\0b' }, (tx) => tx.query('select 1'))).rejects.toThrow(InvalidField);
    await expect(becauseOf({ trace: 'a\0b' }, () => insert(newEmail()))).rejects.toThrow(InvalidField);
  });
});
