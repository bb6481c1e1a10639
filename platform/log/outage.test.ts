import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectPlatform, DatabaseBusy, DatabaseUnavailable, type PlatformDb } from '../index.ts';
import { startTestLine, type TestLine } from '../testing.line.ts';

let database: TestDatabase;
let line: TestLine;
let db: PlatformDb;

const connect = (variables: Record<string, string> = {}) =>
  connectPlatform({
    app: 'support',
    variables: {
      PLATFORM_DB_URL: line.url,
      PLATFORM_DB_POOL_MAX: '2',
      PLATFORM_DB_QUERY_TIMEOUT_MS: '800',
      ...variables,
    },
  });

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  line = await startTestLine(database.url('support_app'));
  db = await connect();
});
afterEach(async () => {
  await db.close(0).catch(() => {}); // the test may have closed it
  await line.close();
});

test('a query without an answer is given up with its connection, and the next call works when the database is back', async () => {
  const caught: unknown[] = [];
  const beside = db.query('select 1');
  await db
    .transaction({}, async (tx) => {
      // Both connections have answered before the line falls silent.
      await Promise.all([beside, tx.query('select 1')]);
      line.silence();
      const lookup = db.getCustomerByEmail('ada@example.com').catch((error) => caught.push(error));
      caught.push(await tx.query('select 2').catch((error) => error));
      caught.push(await tx.query('select 3').catch((error) => error));
      await lookup;
    })
    .catch((error) => caught.push(error));
  expect(caught).toHaveLength(4);
  for (const error of caught) expect(error).toBeInstanceOf(DatabaseUnavailable);
  line.restore();
  expect(await db.query('select 1 as one')).toEqual([{ one: 1 }]);
  expect(await db.transaction({}, (tx) => tx.query('select 1 as one'))).toEqual([{ one: 1 }]);
});

test('a transaction may take longer than each of its queries may', async () => {
  const slept = db.transaction({}, async (tx) => {
    for (let n = 0; n < 4; n++) await tx.query('select pg_sleep(0.25)');
    return 'kept';
  });
  expect(await slept).toBe('kept');
});

test('loading a subscription’s snapshot may take longer than a query of the app', async () => {
  const loaded = Promise.withResolvers<number>();
  const subscription = db.events.subscribeBatch(
    {
      name: 'support.slow-load',
      from: {
        load: async (tx) => {
          const began = performance.now();
          await tx.query('select pg_sleep(1.1)');
          loaded.resolve(performance.now() - began);
        },
      },
      onError: loaded.reject,
    },
    async () => {},
  );
  expect(await loaded.promise).toBeGreaterThanOrEqual(1_100);
  await subscription.stop();
  expect(await db.query(`select name from sync.subscriptions where name = 'support.slow-load'`)).toHaveLength(1);
});

test('closing ends although the database does not answer, even with a listener and with work that waits forever', async () => {
  const patient = await connect({ PLATFORM_DB_QUERY_TIMEOUT_MS: '60000' });
  patient.signals.listen(() => {});
  await patient.events.head();
  const silent = Promise.withResolvers<void>();
  const unanswered = patient.transaction({}, async (tx) => {
    await tx.query('select 1');
    line.silence();
    const asked = tx.query('select 2');
    silent.resolve();
    await asked;
  });
  const refused = expect(unanswered).rejects.toThrow(DatabaseUnavailable);
  await silent.promise;
  await patient.close(100);
  await refused;
});

test('the check whether the database answers takes a few seconds at most', async () => {
  const patient = await connect({ PLATFORM_DB_QUERY_TIMEOUT_MS: '60000' });
  line.silence();
  await expect(patient.check()).rejects.toThrow(DatabaseUnavailable);
  await patient.close(0);
});

test('a full pool is reported as a busy database, and the log says that all of its connections are in use', async () => {
  const small = await connect({ PLATFORM_DB_CONNECT_TIMEOUT_MS: '1500' });
  const full = small.transaction({}, () => small.transaction({}, () => small.query('select 1')));
  await expect(full).rejects.toThrow(DatabaseBusy);
  await expect(full).rejects.toMatchObject({
    cause: { message: expect.stringMatching(/All 2 connections.*within 1500 ms.*tx/) },
  });
  await small.close();
});

test('while all connections wait for something, the process is ready and finds customers; other work is told that it is busy', async () => {
  const small = await connect({ PLATFORM_DB_CONNECT_TIMEOUT_MS: '1500', PLATFORM_DB_QUERY_TIMEOUT_MS: '10000' });
  const customer = await small.createCustomer({ email: 'short@example.com', name: 'Short' });
  const [waiting, begun] = [
    Promise.withResolvers<void>(),
    [Promise.withResolvers<void>(), Promise.withResolvers<void>()],
  ];
  const held = begun.map(({ resolve }) =>
    small.transaction({}, async (tx) => {
      await tx.query('select 1');
      resolve();
      await waiting.promise;
    }),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  expect(small.poolState()).toMatchObject({ max: 2, inUse: 2 });
  await small.check();
  const found = await Promise.all(Array.from({ length: 40 }, () => small.getCustomerById(customer.id)));
  expect(found.every((each) => each?.name === 'Short')).toBe(true);
  await expect(small.query('select 1')).rejects.toThrow(DatabaseBusy);
  waiting.resolve();
  await Promise.all(held);
  await small.close();
});
