import { atEnd } from '@aether/database/testing';
import { isUnderWay } from '@aether/database/testing.scope';
import { connectPlatform, type PlatformDb, VersionConflict } from '@aether/platform';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let cached: PlatformDb;
let unique = 0;

beforeAll(async () => {
  platform = await startTestPlatform();
  cached = await connectPlatform({
    app: 'support',
    variables: { PLATFORM_DB_URL: platform.database.url('support_app') },
    cache: { maxAgeMs: 60_000, customersMax: 5 },
  });
  atEnd(() => cached.close());
});
beforeEach(() => isServing());

const isServing = () => until(() => cached.cacheState()?.mode === 'serving');
const newCustomer = () => platform.foundation.createCustomer({ email: `k${++unique}@example.com`, name: 'Version 1' });

/** Settles when all changes so far have reached the followers. */
async function eventsHaveCome(): Promise<void> {
  const closing = new AbortController();
  const after = await cached.events.head();
  const marker = await newCustomer();
  for await (const event of cached.events.follow({ types: ['customer.created'], after, signal: closing.signal }))
    if (event.key === marker.id) break;
  closing.abort();
}

/** How many times the database is asked for a customer during the work. */
async function countLookups(work: () => Promise<unknown>): Promise<number> {
  const before = cached.lookupCounts.queries;
  await work();
  return cached.lookupCounts.queries - before;
}

describe('a cache whose feed is live', () => {
  test('answers for a customer looked up before from memory, by any spelling of the address and by id', async () => {
    const customer = await newCustomer();
    await eventsHaveCome();
    expect(await cached.getCustomerByEmail(customer.email)).toEqual(customer);
    expect(await countLookups(() => cached.getCustomerByEmail(` ${customer.email.toUpperCase()} `))).toBe(0);
    expect(await countLookups(() => cached.getCustomerById(customer.id))).toBe(1);
    expect(await countLookups(() => cached.getCustomerById(customer.id.toUpperCase()))).toBe(0);
  });

  test('shows a change by the other app as soon as its event has arrived', async () => {
    const customer = await newCustomer();
    await cached.getCustomerByEmail(customer.email);
    await platform.foundation.updateCustomer(customer.id, { account_tier: 'premium' });
    await until(async () => (await cached.getCustomerByEmail(customer.email))?.account_tier === 'premium');
  });

  test('shows a change by this process at once, or on commit if it was made in a transaction', async () => {
    const customer = await newCustomer();
    await cached.getCustomerById(customer.id);
    await cached.updateCustomer(customer.id, { name: 'Version 2' });
    expect((await cached.getCustomerById(customer.id))?.name).toBe('Version 2');
    await cached.transaction({}, async (tx) => {
      await cached.updateCustomer(customer.id, { name: 'Version 3' }, { tx });
      expect((await cached.getCustomerById(customer.id, { tx }))?.name).toBe('Version 3');
    });
    expect((await cached.getCustomerById(customer.id))?.name).toBe('Version 3');
  });

  test('leads from the id and the address of a merged customer to the one that goes on when the event has arrived, through a stack and back', async () => {
    const [top, middle, inner] = [await newCustomer(), await newCustomer(), await newCustomer()];
    const look = async () => [
      (await cached.getCustomerById(inner.id))?.id,
      (await cached.getCustomerByEmail(inner.email))?.id,
    ];
    const leadsTo = async ({ id }: { id: string }) => {
      await until(async () => (await look()).every((each) => each === id));
      await until(async () => (await countLookups(look)) === 0);
    };
    const merge = async (survivor: { id: string }, loser: { id: string }): Promise<string> => {
      const { rows } = await platform.sync.query('select platform.merge_customers($1, array[$2]::uuid[]) as answer', [
        survivor.id,
        loser.id,
      ]);
      return rows[0].answer.merges[0].merge;
    };
    await leadsTo(inner);
    const lower = await merge(middle, inner);
    await leadsTo(middle);
    const upper = await merge(top, middle);
    await leadsTo(top);
    await platform.sync.query('select platform.unmerge_customers($1)', [lower]);
    await leadsTo(inner);
    await platform.sync.query('select platform.unmerge_customers($1)', [upper]);
    await leadsTo(inner);
  });

  test('reports the current version with a version conflict', async () => {
    const { id } = await newCustomer();
    await until(async () => (await countLookups(() => cached.getCustomerById(id))) === 0);
    const [field] = await platform.foundation.query<{ id: number }>(
      `insert into crm.custom_fields (record, key, label, type) values ('customer', 'seats', 'Seats', 'text') returning id`,
    );
    // The change counts in the version, and Support gets no event of it.
    await platform.foundation.query(
      'insert into crm.custom_field_values (field_id, customer_id, value) values ($1, $2, $3)',
      [field?.id, id, '"12"'],
    );
    await expect(cached.updateCustomer(id, { name: 'Late' }, { expectedVersion: 1 })).rejects.toThrow(VersionConflict);
    expect((await cached.getCustomerById(id))?.version).toBe(2);
  });

  test('does not remember a lookup that was under way when a change arrived', async () => {
    const customer = await newCustomer();
    const seen = await Promise.all([
      cached.getCustomerById(customer.id),
      cached.updateCustomer(customer.id, { name: 'Changed meanwhile' }),
    ]);
    expect(seen[1].name).toBe('Changed meanwhile');
    expect((await cached.getCustomerById(customer.id))?.name).toBe('Changed meanwhile');
  });

  test('remembers no more customers than its limit, and no customer that does not exist', async () => {
    const customers = await Promise.all(Array.from({ length: 8 }, newCustomer));
    await eventsHaveCome();
    for (const { id } of customers) await cached.getCustomerById(id);
    expect(cached.cacheState()?.customers).toBe(5);
    const nobody = 'nobody.yet@example.com';
    expect(await cached.getCustomerByEmail(nobody)).toBeNull();
    await platform.foundation.createCustomer({ email: nobody, name: 'Now' });
    expect((await cached.getCustomerByEmail(nobody))?.name).toBe('Now');
  });

  test('gives each caller its own copy of an answer', async () => {
    const customer = await newCustomer();
    const first = await cached.getCustomerById(customer.id);
    Object.assign(first ?? {}, { name: 'Scribbled on' });
    await cached.getCustomerById(customer.id);
    expect((await cached.getCustomerById(customer.id))?.name).toBe('Version 1');
  });
});

test('a cache whose feed is cut is bypassed and says so, and serves nothing old afterwards', async () => {
  const customer = await newCustomer();
  await cached.getCustomerById(customer.id);
  let isOver = false;
  const cutting = (async () => {
    while (isUnderWay() && !isOver) {
      await platform.superuser.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'aether-listener' and datname = current_database()`,
      );
    }
  })();
  await until(() => cached.cacheState()?.reason === 'the feed is cut');
  await platform.foundation.updateCustomer(customer.id, { name: 'Changed in the dark' });
  expect((await cached.getCustomerById(customer.id))?.name).toBe('Changed in the dark');
  isOver = true;
  await cutting;
  await isServing();
  expect((await cached.getCustomerById(customer.id))?.name).toBe('Changed in the dark');
});

test('a cache is bypassed within two seconds while events are not numbered, and says why', async () => {
  const customer = await newCustomer();
  await cached.getCustomerById(customer.id);
  await platform.sequencer.stop();
  await platform.foundation.updateCustomer(customer.id, { name: 'Nobody numbers' });
  await until(() => cached.cacheState()?.mode === 'bypassed');
  expect(cached.cacheState()?.reason).toBe('events are late');
  expect((await cached.getCustomerById(customer.id))?.name).toBe('Nobody numbers');
});
