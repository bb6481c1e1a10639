import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCustomerCache } from './cache.ts';
import { cachedAddressCalls, cachedCustomerCalls } from './cachedcustomers.ts';
import {
  CustomerErased,
  connectPlatform,
  EmailTaken,
  InvalidEmail,
  NotFound,
  type PlatformDb,
  PrimaryAddressStays,
  VersionConflict,
} from './index.ts';
import type { EventBus } from './log/bus.ts';

let database: TestDatabase;
let foundation: PlatformDb;
let support: PlatformDb;
let owner: pg.Client;
let unique = 0;
const newEmail = () => `known${++unique}@example.com`;
const nowhere = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';

beforeAll(async () => {
  database = await createTestDatabase();
  foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app') },
  });
  support = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  await foundation.signInUser({
    ...{ subject: 'maya', email: 'maya@aether.example', name: 'Maya Okafor' },
    ...{ tenantId: 'tenant', objectId: 'maya' },
  });
  owner = await database.connect('platform_migrator');
  await owner.query('set role platform_owner');
});
afterAll(() => Promise.all([foundation.close(), support.close()]));

const create = (email = newEmail()) => foundation.createCustomer({ email, name: 'Ada' });
const emailsOf = async (id: string) => (await foundation.listAddresses(id)).map(({ email }) => email);

describe('the addresses of a customer', () => {
  test('are listed with their marks, the primary address first', async () => {
    const customer = await create('Primary.One@Example.com');
    const { addressId, addresses, version } = await foundation.addAddress(customer.id, ' Second@Example.COM ', {
      actor: 'maya',
    });
    expect(version).toBe(2);
    expect(addresses).toEqual(await support.listAddresses(customer.id));
    expect(addresses).toEqual([
      {
        ...{ id: expect.any(String), email: 'Primary.One@example.com', is_primary: true },
        ...{ verified_at: null, verified_by: null, added_at: customer.created_at },
        ...{ added_by_app: 'foundation', added_by: null },
      },
      {
        ...{ id: addressId, email: 'Second@example.com', is_primary: false },
        ...{ verified_at: null, verified_by: null, added_at: expect.any(Date) },
        ...{ added_by_app: 'foundation', added_by: { id: 'maya', name: 'Maya Okafor' } },
      },
    ]);
  });

  test('find the customer as long as they are the customer’s', async () => {
    const [customer, email] = [await create(), newEmail()];
    const { addressId } = await support.addAddress(customer.id, email);
    expect((await foundation.getCustomerByEmail(email.toUpperCase()))?.id).toBe(customer.id);
    await support.removeAddress(customer.id, addressId);
    expect(await foundation.getCustomerByEmail(email)).toBeNull();
    await foundation.restoreAddress(customer.id, addressId);
    expect((await support.getCustomerByEmail(email))?.id).toBe(customer.id);
  });

  test('of a merged customer are those of the customer that goes on', async () => {
    const [winner, loser, email] = [await create(), await create(), newEmail()];
    await owner.query(
      'update platform.customer_emails set customer_id = $2, is_primary = false where customer_id = $1',
      [loser.id, winner.id],
    );
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser.id, winner.id]);
    const added = await foundation.addAddress(loser.id, email);
    expect(added.customerId).toBe(winner.id);
    expect(await emailsOf(loser.id)).toEqual([winner.email, loser.email, email]);
  });

  test('can become primary: the customer is shown with the new primary address and keeps the former one', async () => {
    const [customer, email] = [await create(), newEmail()];
    const { addressId } = await foundation.addAddress(customer.id, email);
    const { addresses } = await support.makeAddressPrimary(customer.id, addressId, { expectedVersion: 2 });
    expect(addresses.map((each) => [each.email, each.is_primary])).toEqual([
      [email, true],
      [customer.email, false],
    ]);
    expect((await foundation.getCustomerById(customer.id))?.email).toBe(email);
  });

  test('are refused if they belong to another customer or are no addresses', async () => {
    const [customer, other] = [await create(), await create()];
    await expect(foundation.addAddress(customer.id, other.email)).rejects.toThrow(EmailTaken);
    await expect(foundation.addAddress(customer.id, 'nobody')).rejects.toThrow(InvalidEmail);
    expect(await emailsOf(customer.id)).toEqual([customer.email]);
  });

  test('always include a primary one, which cannot be removed', async () => {
    const customer = await create();
    const [primary] = await foundation.listAddresses(customer.id);
    await expect(foundation.removeAddress(customer.id, primary?.id as string)).rejects.toThrow(PrimaryAddressStays);
    expect(await emailsOf(customer.id)).toEqual([customer.email]);
  });

  test('change only at the expected version, and only if the customer and the address exist', async () => {
    const customer = await create();
    const other = await foundation.addAddress((await create()).id, newEmail());
    const { addressId } = await foundation.addAddress(customer.id, newEmail());
    const expectedVersion = 1;
    for (const call of [
      () => foundation.addAddress(customer.id, newEmail(), { expectedVersion }),
      () => foundation.makeAddressPrimary(customer.id, addressId, { expectedVersion }),
      () => foundation.removeAddress(customer.id, addressId, { expectedVersion }),
    ])
      await expect(call()).rejects.toMatchObject(new VersionConflict('customer', 1, 2));
    for (const id of [other.addressId, nowhere, 'not-an-id']) {
      await expect(foundation.makeAddressPrimary(customer.id, id)).rejects.toThrow(new NotFound('address'));
      await expect(foundation.removeAddress(customer.id, id)).rejects.toThrow(new NotFound('address'));
      await expect(foundation.restoreAddress(customer.id, id)).rejects.toThrow(new NotFound('address'));
    }
    for (const id of [nowhere, 'not-an-id']) {
      await expect(foundation.addAddress(id, newEmail())).rejects.toThrow(new NotFound('customer'));
      await expect(foundation.listAddresses(id)).rejects.toThrow(new NotFound('customer'));
    }
    await owner.query('update platform.customers set erased_at = now() where id = $1', [customer.id]);
    await expect(foundation.addAddress(customer.id, newEmail())).rejects.toThrow(CustomerErased);
  });

  test('change within a transaction of the caller, or not at all', async () => {
    const [customer, email] = [await create(), newEmail()];
    const work = foundation.transaction({}, async (tx) => {
      await foundation.addAddress(customer.id, email, { tx });
      throw new Error('undone');
    });
    await expect(work).rejects.toThrow('undone');
    expect(await emailsOf(customer.id)).toEqual([customer.email]);
  });
});

describe('a corrected e-mail', () => {
  test('keeps the former address with the customer, unless the caller says that it was a mistake', async () => {
    const [customer, email] = [await create(), newEmail()];
    const changed = await foundation.updateCustomer(customer.id, { email }, { formerAddress: 'keep' });
    expect(changed).toMatchObject({ email, version: 2 });
    expect(await emailsOf(customer.id)).toEqual([email, customer.email]);
    await expect(create(customer.email)).rejects.toThrow(EmailTaken);
  });

  test('frees a mistaken address for the person to whom it belongs', async () => {
    const [customer, email] = [await create(), newEmail()];
    const changed = await support.updateCustomer(customer.id, { email }, { formerAddress: 'free', expectedVersion: 1 });
    expect(changed).toMatchObject({ email, version: 3 });
    expect(await emailsOf(customer.id)).toEqual([email]);
    const real = await create(customer.email);
    expect((await support.getCustomerByEmail(customer.email))?.id).toBe(real.id);
  });

  test('frees nothing if it is another spelling of the same address', async () => {
    const customer = await create('Respelled@example.com');
    const changed = await foundation.updateCustomer(
      customer.id,
      { email: 'respelled@example.com', name: 'Ada L' },
      { formerAddress: 'free' },
    );
    expect(changed).toMatchObject({ email: 'respelled@example.com', name: 'Ada L', version: 2 });
    expect(await emailsOf(customer.id)).toEqual(['respelled@example.com']);
  });

  test('frees nothing if the new address belongs to another customer', async () => {
    const [customer, other] = [await create(), await create()];
    await expect(
      foundation.updateCustomer(customer.id, { email: other.email }, { formerAddress: 'free' }),
    ).rejects.toThrow(EmailTaken);
    expect(await emailsOf(customer.id)).toEqual([customer.email]);
  });
});

describe('a proven address', () => {
  test('is verified, and goes to a new customer if another customer had it only as an unverified second address', async () => {
    const [customer, email] = [
      await foundation.createCustomer({ email: newEmail(), name: 'Ada', account_tier: 'premium' }),
      newEmail(),
    ];
    await foundation.addAddress(customer.id, email);
    const proven = await support.proveAddress({ email: email.toUpperCase(), name: 'Grace' });
    expect(proven).toMatchObject({
      created: true,
      takenFrom: customer.id,
      customer: { name: 'Grace', account_tier: null },
    });
    const [address] = await foundation.listAddresses(proven.customer.id);
    expect(address).toMatchObject({ is_primary: true, verified_at: expect.any(Date), verified_by: 'signed_identity' });
    expect(await emailsOf(customer.id)).toEqual([customer.email]);
    const candidate = { reason: 'verified_claim', since: expect.any(Date), evidence: { taken_from: customer.id } };
    expect(await foundation.listReviewCandidates(customer.id)).toMatchObject([
      { ...candidate, customer: { id: proven.customer.id, name: 'Grace' } },
    ]);
    expect(await foundation.listReviewCandidates(proven.customer.id)).toMatchObject([
      { ...candidate, customer: { id: customer.id, name: 'Ada' } },
    ]);
  });

  test('cannot be proven by Foundation', async () => {
    await expect(foundation.proveAddress({ email: newEmail(), name: 'Grace' })).rejects.toMatchObject({
      code: '42501',
    });
  });

  test('that fifty visitors prove at once makes one customer and one review candidate', async () => {
    const [customer, email] = [await create(), newEmail()];
    await foundation.addAddress(customer.id, email);
    const proofs = await Promise.all(Array.from({ length: 50 }, () => support.proveAddress({ email, name: 'Grace' })));
    expect(new Set(proofs.map((proof) => proof.customer.id)).size).toBe(1);
    expect(proofs.filter((proof) => proof.created)).toHaveLength(1);
    expect(await foundation.listReviewCandidates(customer.id)).toHaveLength(1);
  });
});

test('a cache forgets a customer whose addresses this process has changed', async () => {
  const quietFeed = {
    feedState: () => 'live',
    place: async () => '0',
    async *follow({ signal }: { signal: AbortSignal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  } as unknown as EventBus;
  const cache = openCustomerCache(quietFeed, { maxAgeMs: 600_000 });
  await expect.poll(() => cache.state().mode).toBe('serving');
  const { getCustomerByEmail } = cachedCustomerCalls(support, cache);
  const cached = cachedAddressCalls(support, cache);
  const [customer, email] = [await create(), newEmail()];
  const { addressId } = await cached.addAddress(customer.id, email);
  await getCustomerByEmail(email);
  expect((await getCustomerByEmail(email))?.id).toBe(customer.id);
  expect(cache.state()).toMatchObject({ hits: 1 });
  await cached.removeAddress(customer.id, addressId);
  expect(await getCustomerByEmail(email)).toBeNull();
  await cached.restoreAddress(customer.id, addressId);
  expect((await getCustomerByEmail(email))?.id).toBe(customer.id);
  const proven = await cached.proveAddress({ email, name: 'Grace' });
  expect((await getCustomerByEmail(email))?.id).toBe(proven.customer.id);
  await cache.close();
});
