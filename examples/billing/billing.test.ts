import { atEnd, createTestDatabase } from '@aether/database/testing';
import { startFoundation } from '@aether/foundation';
import { createLog } from '@aether/http';
import { openConnection, readSettings as readLogSettings } from '@aether/platform/log';
import { type MergeCalls, mergeCalls } from '@aether/platform/merging';
import { drainSubscription, startRelay } from '@aether/servicebus';
import { openTestBus, type TestBus } from '@aether/servicebus/testing';
import { startTestIssuer } from '@aether/signin/testing';
import { startTestPlatform, type TestPlatform, until } from '@aether/sync/testing';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkCopy, sayReport } from './check.ts';
import { eventTypes } from './copy.ts';
import { type Following, follow, prepareDatabase, takeSnapshot } from './following.ts';
import { findCustomer, type Page, servePage } from './page.ts';
import { connectPlatform, type Platform } from './platform.ts';
import { readSettings, type Settings } from './settings.ts';

// Foundation on the platform's database, the relay, a broker, and billing with a database of its own.
let platform: TestPlatform;
let bus: TestBus;
let http: Platform;
let settings: Settings;
let pool: pg.Pool;
let merges: MergeCalls;
let following: Following;
let told: string[];

beforeAll(async () => {
  const own = await createTestDatabase();
  const issuer = await startTestIssuer();
  [platform, bus] = await Promise.all([startTestPlatform(), openTestBus()]);
  const foundation = await startFoundation({
    variables: {
      PLATFORM_DB_URL: platform.database.url('foundation_app'),
      PLATFORM_DB_POOL_MAX: '2',
      ...issuer.variables,
    },
    port: 0,
    log: Object.assign(createLog('test'), { level: 'silent' }),
  });
  atEnd(() => foundation.close());
  const url = platform.database.url('sync_app');
  const database = { ...readLogSettings({ PLATFORM_DB_URL: url }), directUrl: url };
  const relay = startRelay({ settings: bus.settings, database, watchEveryMs: 60_000 });
  atEnd(() => relay.stop());
  const connection = openConnection('sync', { ...database, poolMax: 1, searchPath: 'sync,platform' });
  atEnd(() => connection.close());
  merges = mergeCalls(connection);
  const { name } = await bus.subscribe({ audiences: ['platform'], types: eventTypes });
  settings = readSettings({
    BILLING_DB_URL: own.url('postgres'),
    BILLING_PLATFORM_URL: foundation.url,
    BILLING_ISSUER: issuer.url,
    BILLING_CLIENT_SECRET: 'test-secret',
    BILLING_SUBSCRIPTION: name,
  });
  http = connectPlatform(settings.platform);
  pool = new pg.Pool({ connectionString: settings.databaseUrl, max: 3 });
  atEnd(() => pool.end());
  await prepareDatabase(pool);
  for (let n = 1; n <= 5; n++) await newCustomer(`Before ${n}`);
  told = [];
  following = start();
  await following.ready;
  atEnd(() => following.stop());
}, 60_000);

function start(): Following {
  const options = { settings: bus.settings, handlersMax: 4, retryFirstMs: 20, reports: false, onHappening() {} };
  return follow({
    pool,
    platform: http,
    settings,
    consumer: options,
    tell: (sentence) => told.push(sentence),
    beatMs: 50,
  });
}

let made = 0;
const newCustomer = (name: string) =>
  platform.foundation.createCustomer({ name, email: `customer${++made}@billing.example` });
const raise = (id: string, tier: string) => platform.foundation.updateCustomer(id, { account_tier: tier });
const shown = async (asked: string) => (await findCustomer(pool, asked))?.customer;
/** As the undo of an import does: with all that refers to it. */
const remove = (id: string) =>
  platform.superuser.query(`do $$ declare r record; begin
    perform from platform.customers where id = '${id}' for update;
    for r in select c.conrelid::regclass as relation, a.attname as name
      from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
      where c.confrelid = 'platform.customers'::regclass and c.contype = 'f' loop
      execute format('delete from %s where %I = $1', r.relation, r.name) using '${id}'::uuid;
    end loop;
    delete from platform.customers where id = '${id}';
  end $$`);
const expectEqual = async () =>
  expect(await checkCopy(pool, http, { settleMs: 15_000 })).toMatchObject({ differences: [], repaired: 0 });

test('billing begins with a snapshot of the customers that were there, and says so', async () => {
  expect(told[0]).toBe('A snapshot is taken: there is no copy yet.');
  expect(told[1]).toMatch(/^The snapshot is there: [5-9] customers\.$/);
  expect(await shown('customer1@billing.example')).toMatchObject({ name: 'Before 1', tier: null, version: 1 });
  await expectEqual();
});

test('a tier that Foundation raises arrives in billing once, with the time that it took', async () => {
  const { id } = await newCustomer('Ada Okonkwo');
  await raise(id, 'premium');
  await until(async () => (await shown(id))?.tier === 'premium');
  const { changes } = (await findCustomer(pool, id)) ?? {};
  expect(changes).toMatchObject([{ from: null, to: 'premium' }]);
  expect(changes?.[0]?.lag_ms).toBeGreaterThan(0);
});

test('merges that are taken back in another order leave the copy equal, and a merged id leads to the customer that goes on', async () => {
  const [a, b, c] = await Promise.all(['A', 'B', 'C'].map(newCustomer));
  if (!a || !b || !c) throw new Error('Three customers were made.');
  const first = await merges.mergeCustomers(b.id, [c.id]);
  const second = await merges.mergeCustomers(a.id, [b.id]);
  await until(async () => (await shown(c.id))?.id === a.id);
  expect((await findCustomer(pool, a.id))?.merged.sort()).toEqual([b.id, c.id].sort());
  await merges.unmergeCustomers(second.merges[0]?.merge as string);
  await until(async () => (await shown(b.id))?.id === b.id);
  // C went back with B, which no event names.
  expect((await shown(c.id))?.id).toBe(b.id);
  await merges.unmergeCustomers(first.merges[0]?.merge as string);
  await until(async () => (await shown(c.id))?.id === c.id);
  await raise(c.id, 'enterprise');
  await until(async () => (await shown(c.id))?.tier === 'enterprise');
  await expectEqual();
});

test('an erased customer leaves no name and no address in billing, and one that an undone import takes away is gone', async () => {
  const [erased, removed] = await Promise.all([newCustomer('Erased'), newCustomer('Removed')]);
  if (!erased || !removed) throw new Error('Two customers were made.');
  await until(async () => (await shown(removed.id)) !== undefined && (await shown(erased.id)) !== undefined);
  await platform.superuser.query('update platform.customers set erased_at = now() where id = $1', [erased.id]);
  await remove(removed.id);
  await until(async () => (await shown(removed.id)) === undefined && (await shown(erased.id))?.is_erased === true);
  expect(await shown(erased.id)).toMatchObject({ name: null, email: null, tier: null });
  await expectEqual();
});

test('an event that was lost is noticed at the next one of its customer, which makes the copy ask the platform', async () => {
  const { id } = await newCustomer('Gap');
  await until(async () => (await shown(id))?.version === 1);
  await pool.query('update billing.customers set version = 0, name = $2 where id = $1', [id, 'Stale']);
  await raise(id, 'standard');
  await until(async () => (await shown(id))?.tier === 'standard');
  expect(await shown(id)).toMatchObject({ name: 'Gap', version: 2 });
});

describe('after billing was off', () => {
  async function beOff(days: number, meanwhile: () => Promise<unknown>): Promise<void> {
    await following.stop();
    await meanwhile();
    await platform.settled('sync.servicebus');
    await pool.query('update billing.following set followed_until = now() - make_interval(days => $1)', [days]);
    told = [];
    following = start();
    await following.ready;
  }

  test('for a day, it goes on with what the bus has kept, without a snapshot', async () => {
    const { id } = await newCustomer('Day');
    await beOff(1, () => raise(id, 'premium'));
    await until(async () => (await shown(id))?.tier === 'premium');
    expect(told).toEqual([]);
    await expectEqual();
  });

  test('for longer than the bus keeps messages, it notices and takes a new snapshot', async () => {
    const { id } = await newCustomer('Fortnight');
    await beOff(14, async () => {
      await raise(id, 'premium');
      await platform.settled('sync.servicebus');
      await drainSubscription(bus.settings, settings.subscription, 'messages');
    });
    expect(told[0]).toBe(
      'A snapshot is taken: billing has not followed for 14 days, and the bus keeps messages for 13.',
    );
    expect((await shown(id))?.tier).toBe('premium');
    await expectEqual();
  });
});

describe('while a process takes a snapshot', () => {
  test('no other one changes the copy, so that no older row is written over a newer one', async () => {
    const { id } = await newCustomer('Raced');
    await until(async () => (await shown(id)) !== undefined);
    const hasRead = Promise.withResolvers<void>();
    const mayWrite = Promise.withResolvers<void>();
    const slow: Platform = {
      ...http,
      async *pages() {
        for await (const page of http.pages()) {
          hasRead.resolve();
          await mayWrite.promise;
          yield page;
        }
      },
    };
    const taking = takeSnapshot(pool, slow, { busKeepsDays: 0 });
    await hasRead.promise;
    await raise(id, 'premium');
    const waits = () => following.consumer().state().error?.includes('takes a snapshot') ?? false;
    await until(async () => waits() || (await shown(id))?.tier === 'premium');
    mayWrite.resolve();
    expect(await taking).toBeGreaterThan(0);
    await until(async () => (await shown(id))?.tier === 'premium');
    await expectEqual();
  });

  test('one that is cut short goes on behind its last page, and in a bus that may have forgotten it begins again', async () => {
    await following.stop();
    const ids = (await http.pages().next()).value?.customers.map(({ id }: { id: string }) => id) ?? [];
    const asked: (string | undefined)[] = [];
    const small: Platform = {
      ...http,
      async *pages({ after, signal } = {}) {
        asked.push(after);
        yield* http.pages({ after, signal, limit: 2 });
      },
    };
    const ending = new AbortController();
    const cut: Platform = {
      ...small,
      async *pages(options) {
        for await (const page of small.pages(options)) {
          yield page;
          ending.abort(new Error('too long'));
        }
      },
    };
    const again = () => pool.query('update billing.following set snapshot_at = null');
    await again();
    const taking = takeSnapshot(pool, cut, { ...settings, signal: ending.signal });
    await expect(taking).rejects.toThrow('too long');
    expect(await takeSnapshot(pool, small, settings)).toBe(ids.length);
    expect(asked).toEqual([undefined, ids[1]]);
    await again();
    await pool.query(
      `update billing.following set taking = gen_random_uuid(), taking_after = $1, taking_since = now() - interval '30 days'`,
      [ids[1]],
    );
    expect(await takeSnapshot(pool, small, settings)).toBe(ids.length);
    expect(asked.at(-1)).toBeUndefined();
    following = start();
    await following.ready;
    await expectEqual();
  });

  test('another one that starts waits for it and takes none of its own', async () => {
    await following.stop();
    await pool.query('update billing.following set snapshot_at = null');
    const taken = await Promise.all([1, 2].map(() => takeSnapshot(pool, http, settings)));
    following = start();
    await following.ready;
    expect(taken.filter((customers) => customers === undefined)).toHaveLength(1);
  });
});

test('the check says in words what differs, repairs it when asked, and finds nothing afterwards', async () => {
  const [one, two] = await Promise.all([newCustomer('One'), newCustomer('Two')]);
  if (!one || !two) throw new Error('Two customers were made.');
  const stranger = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
  await until(async () => (await shown(two.id)) !== undefined && (await shown(one.id)) !== undefined);
  await pool.query(`update billing.customers set tier = 'gold' where id = $1`, [one.id]);
  await pool.query(`update billing.customers set id = $2 where id = $1`, [two.id, stranger]);
  const sentences = [
    `Customer ${one.id}: tier gold here, none on the platform.`,
    `Customer ${two.id} is missing here.`,
    `Customer ${stranger} is here, and the platform has no such customer.`,
  ].sort();
  const found = await checkCopy(pool, http, { settleMs: 0 });
  expect({ ...found, differences: found.differences.sort() }).toMatchObject({ differences: sentences, repaired: 0 });
  expect(await checkCopy(pool, http, { settleMs: 0, repair: true })).toMatchObject({ repaired: 3 });
  expect(await checkCopy(pool, http, { settleMs: 0 })).toMatchObject({ differences: [], repaired: 0 });
});

test('the check counts all that differ, also beyond those that it lists', () => {
  const report = { compared: 5_000, different: 1_200, differences: Array(1_000).fill('…'), repaired: 0 };
  expect(sayReport(report)).toBe('5000 customers compared: 1200 differ, of which 1000 are listed.');
  expect(sayReport({ ...report, different: 0, differences: [] })).toBe('5000 customers compared: the copy is equal.');
  expect(sayReport({ ...report, different: 2, differences: ['…', '…'], repaired: 2 })).toBe(
    '5000 customers compared: 2 differ; 2 were repaired.',
  );
});

describe('the page of billing', () => {
  let page: Page;
  beforeAll(async () => {
    page = await servePage(pool, 0);
    atEnd(() => page.close());
  });

  test('shows a customer by address, as JSON and as a page on which a name is text', async () => {
    await newCustomer('<b>Bold & Sons</b>');
    const address = `customer${made}@billing.example`;
    await until(async () => (await shown(address)) !== undefined);
    const answer = await fetch(`${page.url}/customers/${encodeURIComponent(address.toUpperCase())}`);
    expect(await answer.json()).toMatchObject({ customer: { name: '<b>Bold & Sons</b>', tier: null }, changes: [] });
    const html = await (await fetch(`${page.url}/?customer=${address}`)).text();
    expect(html).toContain('&#60;b&#62;Bold &#38; Sons&#60;/b&#62;');
  });

  test.each([
    ['/customers/nobody@billing.example', 404],
    ['/customers/%E0%A4%A', 400],
    ['/elsewhere', 404],
  ])('answers %s with %i', async (path, status) => {
    expect((await fetch(page.url + path)).status).toBe(status);
  });
});

test('a setting that is missing is named', () => {
  expect(() => readSettings({})).toThrow('BILLING_DB_URL is not set');
  expect(() => readSettings({ ...needed, BILLING_PORT: 'x' })).toThrow('BILLING_PORT must be a number');
});
const needed = {
  BILLING_DB_URL: 'postgresql://127.0.0.1/billing',
  BILLING_PLATFORM_URL: 'http://127.0.0.1',
  BILLING_ISSUER: 'http://127.0.0.1',
  BILLING_CLIENT_SECRET: 'secret',
};
