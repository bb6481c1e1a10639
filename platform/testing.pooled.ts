import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { type PgBouncer, startPgBouncer } from '@aether/database/testing.pgbouncer';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError, connectPlatform, DatabaseBusy } from './index.ts';
import { findLending, requireOwnSession } from './log/ownsession.ts';

// Only in `npm run test:pooled`: these need a real PgBouncer.

let database: TestDatabase;
let direct: URL;
beforeAll(async () => {
  database = await createTestDatabase();
  direct = new URL(database.directUrl('foundation_app'));
});

let pooler: PgBouncer | undefined;
afterEach(async () => {
  await pooler?.close();
  pooler = undefined;
});

/** Starts one that knows this password of the app, and gives the address of the app through it. */
async function pool(
  options: Partial<Parameters<typeof startPgBouncer>[0]> = {},
  change: Partial<URL> = {},
): Promise<string> {
  pooler = await startPgBouncer({
    serverPort: Number(direct.port),
    logins: { foundation_app: decodeURIComponent(direct.password) },
    ...options,
  });
  return Object.assign(new URL(direct), { port: `${pooler.port}` }, change).href;
}
const connect = (url: string, variables: Record<string, string> = {}) =>
  connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: url, PLATFORM_DB_POOLER: 'transaction', ...variables },
  });

describe('behind PgBouncer in transaction mode', () => {
  test('an app works, and the address is known for what it is', async () => {
    const url = await pool();
    const db = await connect(url);
    const { customer } = await db.findOrCreateCustomer({ email: 'ada@example.com', name: 'Ada' });
    await Promise.all(Array.from({ length: 30 }, () => db.getCustomerById(customer.id)));
    await db.transaction({}, async (tx) => {
      await db.updateCustomer(customer.id, { name: 'Ada King' }, { tx, expectedVersion: customer.version });
      expect(await tx.query('select name from platform.customers where id = $1', [customer.id])).toEqual([
        { name: 'Ada King' },
      ]);
    });
    await db.close();
    expect(await findLending(url)).toBe('transaction');
    await expect(requireOwnSession(url, '--url')).rejects.toThrow(/^--url leads through a connection pooler/);
  });

  test('a session pool is told from it, and PostgreSQL itself from both', async () => {
    expect(await findLending(await pool({ settings: { pool_mode: 'session' } }))).toBe('session');
    expect(await findLending(direct.href)).toBe('none');
  });

  test.each([
    ['a wrong password', { password: 'wrong' }, {}],
    ['a login that it does not know', { username: 'nobody_here' }, {}],
    ['a password that the server no longer takes', {}, { logins: { foundation_app: 'old' } }],
  ])('%s is said to be refused', async (name, change, options) => {
    const url = await pool(options, name.startsWith('a password that') ? { password: 'old' } : change);
    const refused = connect(url);
    await expect(refused).rejects.toThrow(ConfigurationError);
    await expect(refused).rejects.toThrow(/refuses the login: correct DB_USER and DB_PASSWORD/);
  });

  test.each([
    ['it', ['another']],
    ['the server behind it', ['*']],
  ])('a database that %s does not know is said to be missing', async (_, databases) => {
    const refused = connect(await pool({ databases }, { pathname: '/nowhere' }));
    await expect(refused).rejects.toThrow(ConfigurationError);
    await expect(refused).rejects.toThrow(/has no database of the name in PLATFORM_DB_URL/);
  });

  test('one connection more than it takes is a busy database, and settings of a connection are said to be refused', async () => {
    const url = await pool({ settings: { max_client_conn: '1' } });
    const db = await connect(url, { PLATFORM_DB_POOL_MAX: '1' });
    await expect(connect(url)).rejects.toThrow(DatabaseBusy);
    await db.close();
    await pooler?.close();
    await expect(connect(await pool(), { PLATFORM_DB_POOLER: 'none' })).rejects.toThrow(
      /behind PgBouncer set PLATFORM_DB_POOLER to transaction/,
    );
  });

  test('a pooler that was stopped and started again is no end of the app', async () => {
    const url = await pool();
    const db = await connect(url);
    await db.query('select 1');
    await pooler?.close();
    await expect(db.query('select 1')).rejects.toMatchObject({ httpStatus: 503 });
    await pool({ settings: { listen_port: new URL(url).port } });
    await expect.poll(() => db.query('select 1 as one').catch(() => undefined)).toEqual([{ one: 1 }]);
    await db.close();
  });
});
