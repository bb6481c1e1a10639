import { atEnd } from '@aether/database/testing';
import {
  connectPlatform,
  type Happening,
  InvalidField,
  LoadTimeout,
  type PlatformDb,
  SubscriptionGone,
} from '@aether/platform';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { listSubscriptions, pause, remove } from '../operations/subscriptions.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let support: PlatformDb;
let unique = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
  support = platform.support;
});
afterEach(() => vi.restoreAllMocks());

const newName = () => `support.registered${++unique}`;
const newCustomer = () => platform.foundation.createCustomer({ email: `g${++unique}@example.com`, name: 'New' });
const isThere = async (name: string) => (await listSubscriptions(platform.sync)).some((each) => each.name === name);
/** The warnings of the process meanwhile. */
function warnings(): string[] {
  const said: string[] = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void said.push(String(warning)));
  return said;
}

test('every change that commits after ready reaches the handler, from the first one on', async () => {
  for (let round = 0; round < 15; round++) {
    const seen: string[] = [];
    const subscription = support.events.subscribe('customer.created', async (event) => void seen.push(event.key), {
      name: newName(),
    });
    await subscription.ready;
    const { id } = await newCustomer();
    await until(() => seen.length > 0);
    expect(seen).toEqual([id]);
    await subscription.remove();
    expect(await isThere(subscription.name)).toBe(false);
  }
});

describe('a subscription is refused', () => {
  test.each(['foundation.mirror', 'mirror', 'support.Mirror', 'support.', `support.${'x'.repeat(80)}`])(
    'under the name %s, which the app may not give',
    (name) => {
      const subscribe = () => support.events.subscribe('customer.updated', async () => {}, { name });
      if (name === 'support.') expect(subscribe).not.toThrow();
      else expect(subscribe).toThrow(InvalidField);
    },
  );

  test.each([
    ['customer.changed', 'does not exist'],
    ['custmer.updated', 'does not exist'],
    ['deal.updated', 'is not shown to support'],
    ['nobody.said_so', 'does not exist'],
  ])('for %s, which %s, and reports why', async (type, reason) => {
    const said = warnings();
    const options = {
      name: newName(),
      types: ['customer.updated', type as 'customer.updated'] as 'customer.updated'[],
    };
    const subscription = support.events.subscribeBatch(options, async () => {});
    const message = `types: ${type} ${reason}.`;
    await expect(subscription.ready).rejects.toThrow(message);
    await expect(subscription.ready).rejects.toBeInstanceOf(InvalidField);
    expect(said.join()).toContain(message);
    expect(await isThere(options.name)).toBe(false);
    await subscription.stop();
  });

  test('no longer once all of its types exist and are visible, its own and another app’s among them', async () => {
    const types = ['session.updated', 'support.anything', 'foundation.report_made', 'company.deleted'] as never[];
    const subscription = support.events.subscribeBatch({ name: newName(), types }, async () => {});
    await subscription.ready;
    await subscription.remove();
  });
});

test('a handler that throws is never silent: it is reported to onError and to watchers, or as a warning without them', async () => {
  const said = warnings();
  const told: unknown[] = [];
  const fails = async () => {
    throw new Error('the handler broke');
  };
  const plain = support.events.subscribe('customer.created', fails, { name: newName() });
  const told2 = support.events.subscribe('customer.created', fails, { name: newName(), onError: (e) => told.push(e) });
  await Promise.all([plain.ready, told2.ready]);
  await newCustomer();
  await until(() => said.length > 0 && told.length > 0);
  expect(said[0]).toMatch(new RegExp(`${plain.name} failed for event \\d+ .*attempt 1.*the handler broke`));
  expect(said.join()).not.toContain(told2.name);
  expect(told[0]).toMatchObject({ message: 'the handler broke' });
  await Promise.all([plain.remove(), told2.remove()]);

  const watched: Happening[] = [];
  const unwatch = support.events.watch((happening) => watched.push(happening));
  said.length = 0;
  const again = support.events.subscribe('customer.created', fails, { name: newName(), attemptsMax: 1 });
  await again.ready;
  const { id } = await newCustomer();
  await until(() => watched.some(({ kind }) => kind === 'event.parked'));
  expect(watched.filter((each) => 'subscription' in each && each.subscription === again.name)).toMatchObject([
    { kind: 'subscription.ready', isNew: true },
    { kind: 'event.parked', event: { key: id }, attempt: 1, isDead: true, error: { message: 'the handler broke' } },
  ]);
  expect(said).toEqual([]);
  unwatch();
  await again.remove();
});

test('a batch that fails only as a whole is reported as well', async () => {
  const told: unknown[] = [];
  const name = newName();
  let handled = 0;
  const subscription = support.events.subscribeBatch(
    { name, types: ['customer.created'], onError: (error) => told.push(error) },
    async (events) => {
      if (events.length > 1) throw new Error('too many at once');
      handled += events.length;
    },
  );
  await subscription.ready;
  await platform.foundation.transaction({}, async (tx) => {
    for (let n = 0; n < 3; n++)
      await platform.foundation.createCustomer({ email: `batch${n}.${++unique}@example.com`, name: 'New' }, { tx });
  });
  await until(() => handled === 3);
  await until(() => told.length > 0);
  expect(told).toMatchObject([{ message: 'too many at once' }]);
  await subscription.remove();
});

test('a subscription that is deleted under its process reports that and begins again by its rule', async () => {
  const said: unknown[] = [];
  const seen: string[] = [];
  const name = newName();
  const subscription = support.events.subscribe('customer.created', async (event) => void seen.push(event.key), {
    name,
    from: 'beginning',
    pollMs: 20,
    onError: (error) => said.push(error),
  });
  await subscription.ready;
  const { id } = await newCustomer();
  await until(() => seen.includes(id));
  seen.length = 0;
  await remove(platform.sync, name);
  await until(() => seen.includes(id)); // from the beginning again
  expect(said).toHaveLength(1);
  expect(said[0]).toBeInstanceOf(SubscriptionGone);
  expect(await isThere(name)).toBe(true);
  await subscription.remove();
});

test('of two processes with different types under one name each says so, and the displaced one says how to go on', async () => {
  const name = newName();
  const [told, toldNewer]: [unknown[], unknown[]] = [[], []];
  const watched: Happening[] = [];
  const unwatch = support.events.watch((happening) => watched.push(happening));
  const older = support.events.subscribeBatch(
    { name, types: ['customer.created', 'customer.deleted'], pollMs: 20, onError: (error) => told.push(error) },
    async () => {},
  );
  await older.ready;
  const other = await platform.connect('support');
  const same = other.events.subscribeBatch(
    { name, types: ['customer.deleted', 'customer.created'], onError: (error) => toldNewer.push(error) },
    async () => {},
  );
  await same.ready;
  await same.stop();
  expect([told, toldNewer]).toEqual([[], []]); // the same types in another order are the same subscription
  const newer = other.events.subscribeBatch(
    { name, types: ['customer.updated'], onError: (error) => toldNewer.push(error) },
    async () => {},
  );
  await newer.ready;
  expect(toldNewer).toMatchObject([{ name: 'SubscriptionChanged' }]);
  expect(String(toldNewer[0])).toContain('before it read customer.created, customer.deleted');
  await until(() => told.length > 0);
  expect(told[0]).toMatchObject({ name: 'SubscriptionDisplaced' });
  expect(String(told[0])).toMatch(
    /reads customer\.updated\. This process asks for customer\.created.*stop it, or give each/,
  );
  expect(watched).toMatchObject([{ kind: 'subscription.ready' }, { kind: 'subscription.displaced' }]);
  unwatch();
  await older.stop();
  await newer.remove();
});

test('a paused subscription, or one that another process works on, is not mistaken for a deleted one', async () => {
  const said: unknown[] = [];
  const name = newName();
  const options = { name, pollMs: 10, onError: (error: unknown) => said.push(error) };
  const subscription = support.events.subscribe('customer.created', async () => {}, options);
  await subscription.ready;
  await platform.superuser.query('begin');
  await platform.superuser.query('select from sync.subscriptions where name = $1 for update', [name]);
  const looks = vi.spyOn(support, 'transaction');
  looks.mockRestore();
  await new Promise((resolve) => setTimeout(resolve, 100)); // ten looks without a lease
  await platform.superuser.query('commit');
  await pause(platform.sync, name, 'x');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(said).toEqual([]);
  await subscription.remove();
});

test('an app removes its own subscription that no code runs any more, and no subscription of another app', async () => {
  const name = newName();
  const subscription = support.events.subscribe('customer.created', async () => {}, { name });
  await subscription.ready;
  await subscription.stop();
  await expect(platform.foundation.events.unsubscribe(name)).rejects.toBeInstanceOf(InvalidField);
  expect(await isThere(name)).toBe(true);
  expect(await support.events.unsubscribe(name)).toBe(true);
  expect(await isThere(name)).toBe(false);
  expect(await support.events.unsubscribe(name)).toBe(false);
});

test('ready rejects when the subscription is stopped before it is registered', async () => {
  const unreachable = await connectPlatform({
    app: 'support',
    variables: { PLATFORM_DB_URL: platform.database.url('support_app') },
  });
  atEnd(() => unreachable.close());
  await platform.superuser.query('begin; lock table sync.subscriptions in access exclusive mode');
  const subscription = unreachable.events.subscribe('customer.created', async () => {}, { name: newName() });
  const stopped = subscription.stop();
  await platform.superuser.query('commit');
  await stopped;
  await subscription.ready.then(
    () => {},
    (error) => expect(error.message).toMatch(/was stopped before it was registered/),
  );
});

describe('a load', () => {
  test('has a time limit: after it the load is undone, reported and begun again', async () => {
    const told: unknown[] = [];
    const name = newName();
    let loads = 0;
    const subscription = support.events.subscribe('customer.created', async () => {}, {
      name,
      loadTimeoutMs: 150,
      onError: (error) => told.push(error),
      from: {
        load: async (tx) => {
          loads++;
          if (loads === 1) await new Promise(() => {}); // waits forever
          if (loads === 2) await tx.query('select pg_sleep(60)');
        },
      },
    });
    await subscription.ready;
    expect(loads).toBe(3);
    expect(told[0]).toBeInstanceOf(LoadTimeout);
    expect(told).toHaveLength(2);
    expect(
      (
        await platform.superuser.query(
          `select from pg_stat_activity
           where datname = current_database() and query like '%pg_sleep(60)%' and state = 'active' and pid <> pg_backend_pid()`,
        )
      ).rowCount,
    ).toBe(0);
    await subscription.remove();
  });

  test('may pause between two statements for longer than the login may in a transaction', async () => {
    const ofLogin = `alter role support_app in database ${platform.database.name}`;
    await platform.superuser.query(`${ofLogin} set idle_in_transaction_session_timeout = '100ms'`);
    const db = await platform.connect('support');
    await platform.superuser.query(`${ofLogin} reset idle_in_transaction_session_timeout`);
    const told: unknown[] = [];
    const subscription = db.events.subscribe('customer.created', async () => {}, {
      name: newName(),
      onError: (error) => told.push(error),
      from: {
        load: async (tx) => {
          await tx.query('select 1');
          await new Promise((resolve) => setTimeout(resolve, 300));
          await tx.query('select 2');
        },
      },
    });
    await subscription.ready;
    expect(told).toEqual([]);
    await subscription.remove();
  });

  test('may take longer than a query of the app', async () => {
    const db = await connectPlatform({
      app: 'support',
      variables: { PLATFORM_DB_URL: platform.database.url('support_app'), PLATFORM_DB_QUERY_TIMEOUT_MS: '100' },
    });
    atEnd(() => db.close());
    const subscription = db.events.subscribe('customer.created', async () => {}, {
      name: newName(),
      from: { load: (tx) => tx.query('select pg_sleep(0.3)') },
    });
    await subscription.ready;
    await subscription.remove();
  });
});
