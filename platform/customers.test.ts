import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CustomerErased,
  connectPlatform,
  EmailTaken,
  FieldNotOwned,
  InvalidEmail,
  InvalidField,
  NotFound,
  type PlatformDb,
  ReferenceNotFound,
  TransactionConflict,
  VersionConflict,
} from './index.ts';

let database: TestDatabase;
let foundation: PlatformDb;
let support: PlatformDb;
let owner: pg.Client;
let unique = 0;
const newEmail = () => `person${++unique}@example.com`;

beforeAll(async () => {
  database = await createTestDatabase();
  foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app') },
  });
  support = await connectPlatform({
    app: 'support',
    variables: { PLATFORM_DB_URL: database.url('support_app'), PLATFORM_DB_POOL_MAX: '20' },
  });
  owner = await database.connect('platform_migrator');
  await owner.query('set role platform_owner');
});
afterAll(() => Promise.all([foundation.close(), support.close()]));

/** The result of a merge: the loser points at the winner, who has the loser's addresses and numbers. */
async function merge(loser: string, winner: string): Promise<void> {
  await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser, winner]);
  await owner.query('update platform.customer_emails set customer_id = $2, is_primary = false where customer_id = $1', [
    loser,
    winner,
  ]);
  await owner.query('update platform.customer_external_ids set customer_id = $2 where customer_id = $1', [
    loser,
    winner,
  ]);
}

describe('looking a customer up', () => {
  test('finds the customer by any spelling of the address', async () => {
    const made = await foundation.createCustomer({ email: 'Ada.Lovelace@Example.com', name: 'Ada' });
    for (const spelling of [
      'ada.lovelace@example.com',
      ' ADA.LOVELACE@EXAMPLE.COM ',
      'mailto:ada.lovelace@example.com',
      'Ada <ada.lovelace@example.com>',
    ]) {
      expect((await support.getCustomerByEmail(spelling))?.id).toBe(made.id);
    }
    expect(await support.getCustomerByEmail('ada.lovelace+news@example.com')).toBeNull();
  });

  test('by a text that cannot be an address is refused before the database is asked', async () => {
    await expect(support.getCustomerByEmail('no address')).rejects.toThrow(InvalidEmail);
  });

  test('finds the same row in both apps', async () => {
    const made = await support.createCustomer({ email: newEmail(), name: 'Grace', preferred_language: 'fr' });
    expect(await foundation.getCustomerById(made.id)).toEqual(made);
    expect(made).toMatchObject({ created_by_app: 'support', version: 1, crm_id: null, support_id: expect.any(Number) });
    expect(made).not.toHaveProperty('asked');
  });

  test('by an id that is no uuid finds nothing and does not fail the lookups beside it', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Neighbour' });
    const [nothing, found] = await Promise.all([
      support.getCustomerById("'; drop"),
      support.getCustomerById(made.id.toUpperCase()),
    ]);
    expect(nothing).toBeNull();
    expect(found?.id).toBe(made.id);
  });

  test('by an address that the customer no longer uses still finds the customer', async () => {
    const [before, after] = [newEmail(), newEmail()];
    const made = await foundation.createCustomer({ email: before, name: 'Moved' });
    await foundation.updateCustomer(made.id, { email: after });
    expect((await support.getCustomerByEmail(before))?.id).toBe(made.id);
    expect((await support.getCustomerByEmail(after))?.email).toBe(after);
  });

  test('by an address, id or number of a merged customer finds the survivor', async () => {
    const loser = await foundation.createCustomer({ email: newEmail(), name: 'Loser' });
    const winner = await foundation.createCustomer({ email: newEmail(), name: 'Winner' });
    await merge(loser.id, winner.id);
    expect((await support.getCustomerById(loser.id))?.id).toBe(winner.id);
    expect((await support.getCustomerByEmail(loser.email))?.id).toBe(winner.id);
    expect((await support.getCustomerByNumber('foundation', loser.crm_id as number))?.id).toBe(winner.id);
    expect((await foundation.updateCustomer(loser.id, { phone: '+45 32 12 34 56' })).id).toBe(winner.id);
  });

  test('within a transaction sees the writes of that transaction, and outside it does not', async () => {
    const email = newEmail();
    await foundation.transaction({}, async (tx) => {
      await foundation.createCustomer({ email, name: 'Inside' }, { tx });
      expect(await foundation.getCustomerByEmail(email, { tx })).not.toBeNull();
      expect(await foundation.getCustomerByEmail(email)).toBeNull();
    });
    expect(await foundation.getCustomerByEmail(email)).not.toBeNull();
  });
});

describe('find or create', () => {
  test('called 50 times at once by both apps, in different spellings, makes one customer and no error', async () => {
    const spellings = [
      'Fire@Example.com',
      'fire@example.com',
      ' FIRE@EXAMPLE.COM',
      'mailto:fire@example.com',
      '"F" <fire@example.com>',
    ];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (index % 2 ? foundation : support).findOrCreateCustomer({
          email: spellings[index % spellings.length] as string,
          name: `Name ${index}`,
        }),
      ),
    );
    expect(new Set(answers.map(({ customer }) => customer.id)).size).toBe(1);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    const { rows } = await owner.query(
      `select count(*)::integer as customers from platform.customers where email_key = 'fire@example.com'`,
    );
    expect(rows[0].customers).toBe(1);
  });

  test('called 50 times at once, each time in a transaction that holds its own connection, makes one customer', async () => {
    const email = newEmail();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        support.transaction({}, (tx) => support.findOrCreateCustomer({ email, name: 'Tx' }, { tx })),
      ),
    );
    expect(new Set(answers.map(({ customer }) => customer.id)).size).toBe(1);
  });

  test('leaves its transaction usable after a rival was faster', async () => {
    const email = newEmail();
    let rivalCommits = () => {};
    const rivalHasInserted = Promise.withResolvers<void>();
    const rival = foundation.transaction({}, async (tx) => {
      await foundation.createCustomer({ email, name: 'Rival' }, { tx });
      const mayCommit = new Promise<void>((resolve) => {
        rivalCommits = resolve;
      });
      rivalHasInserted.resolve();
      await mayCommit;
    });
    await rivalHasInserted.promise;
    const late = support.transaction({}, async (tx) => {
      const { customer, created } = await support.findOrCreateCustomer({ email, name: 'Late' }, { tx });
      const [{ one }] = (await tx.query<{ one: number }>('select 1 as one')) as [{ one: number }];
      return { name: customer.name, created, one };
    });
    await waitForLock();
    rivalCommits();
    await rival;
    expect(await late).toEqual({ name: 'Rival', created: false, one: 1 });
  });

  test('keeps the name of an existing customer, also if an alias found it', async () => {
    const [first, second] = [newEmail(), newEmail()];
    const made = await foundation.createCustomer({ email: first, name: 'Original' });
    await foundation.updateCustomer(made.id, { email: second });
    const { customer, created } = await support.findOrCreateCustomer({ email: first, name: 'Impostor' });
    expect([customer.id, customer.name, created]).toEqual([made.id, 'Original', false]);
  });

  test('refuses a name that cannot be stored and names the field', async () => {
    await expect(support.findOrCreateCustomer({ email: newEmail(), name: 'two\nlines' })).rejects.toThrow(InvalidField);
    await expect(support.findOrCreateCustomer({ email: newEmail(), name: 'nul\0' })).rejects.toThrow(InvalidField);
  });
});

describe('changing a customer', () => {
  test('succeeds only at the version that was read; otherwise the refusal names both versions', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'V1' });
    const changed = await foundation.updateCustomer(made.id, { name: 'V2' }, { expectedVersion: 1 });
    expect(changed).toMatchObject({ name: 'V2', version: 2 });
    const stale = support.updateCustomer(made.id, { name: 'V3' }, { expectedVersion: 1 });
    await expect(stale).rejects.toThrow(VersionConflict);
    await expect(stale).rejects.toMatchObject({ expected: 1, actual: 2 });
  });

  test('20 times at once with the same version writes one change', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Start' });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => support.updateCustomer(made.id, { name: `N${n}` }, { expectedVersion: 1 })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(VersionConflict);
    expect((await support.getCustomerById(made.id))?.version).toBe(2);
  });

  test('to the values that it has already keeps the version', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Same' });
    expect((await foundation.updateCustomer(made.id, { name: 'Same' })).version).toBe(1);
    expect((await foundation.updateCustomer(made.id, {})).version).toBe(1);
  });

  test('fails if Support raises the tier, and the refusal names the field and its owner', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Tier', account_tier: 'standard' });
    const refused = support.updateCustomer(made.id, { account_tier: 'premium' });
    await expect(refused).rejects.toThrow(FieldNotOwned);
    await expect(refused).rejects.toMatchObject({
      fields: [{ field: 'account_tier', message: 'belongs to foundation' }],
    });
    expect((await foundation.updateCustomer(made.id, { account_tier: 'premium' })).account_tier).toBe('premium');
  });

  test('fails if Foundation writes a field that Support owns', async () => {
    const made = await support.createCustomer({ email: newEmail(), name: 'Zone' });
    await expect(foundation.updateCustomer(made.id, { timezone: 'Europe/Oslo' })).rejects.toThrow(FieldNotOwned);
    expect((await support.updateCustomer(made.id, { timezone: 'Europe/Oslo' })).timezone).toBe('Europe/Oslo');
  });

  test('to an address of another customer is refused', async () => {
    const [one, other] = await Promise.all(
      [newEmail(), newEmail()].map((email) => foundation.createCustomer({ email, name: 'Two' })),
    );
    await expect(foundation.updateCustomer(one?.id as string, { email: other?.email.toUpperCase() })).rejects.toThrow(
      EmailTaken,
    );
    await expect(foundation.createCustomer({ email: other?.email as string, name: 'Three' })).rejects.toThrow(
      EmailTaken,
    );
  });

  test('to a number of another customer is refused, and the refusal leads to that customer', async () => {
    const [one, other] = await Promise.all(
      [newEmail(), newEmail()].map((email) => foundation.createCustomer({ email, name: 'Numbered' })),
    );
    const refused = await foundation
      .updateCustomer(one?.id as string, { crm_id: other?.crm_id })
      .catch((error) => error);
    expect(refused).toMatchObject({ code: 'already-exists' });
    expect(await foundation.findHolder(refused)).toEqual({ type: 'customer', id: other?.id, name: 'Numbered' });
    expect(await foundation.findHolder(new CustomerErased())).toBeNull();
  });

  test('is refused once the customer is erased', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Gone' });
    await owner.query('update platform.customers set erased_at = now() where id = $1', [made.id]);
    await expect(support.updateCustomer(made.id, { name: 'Back' })).rejects.toThrow(CustomerErased);
  });

  test('is refused for an unknown customer, an unknown company and an unknown column', async () => {
    await expect(foundation.updateCustomer('0190b5a0-0000-7000-8000-000000000000', { name: 'X' })).rejects.toThrow(
      NotFound,
    );
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Ref' });
    await expect(
      foundation.updateCustomer(made.id, { company_id: '0190b5a0-0000-7000-8000-000000000000' }),
    ).rejects.toThrow(ReferenceNotFound);
    await expect(foundation.updateCustomer(made.id, { 'version = 9, name': 'X' } as object)).rejects.toThrow(
      InvalidField,
    );
    await expect(foundation.updateCustomer(made.id, { account_tier: 'Not A Slug' })).rejects.toMatchObject({
      fields: [{ field: 'account_tier' }],
    });
  });

  test('from the same version by two callers gives the second a conflict', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Beside' });
    const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const results = await Promise.allSettled(
      both.map((mine, index) =>
        foundation.transaction({}, async (tx) => {
          await tx.query('select 1'); // both have begun before either holds it
          mine.resolve();
          await both[1 - index]?.promise;
          await foundation.updateCustomer(made.id, {}, { expectedVersion: 1, tx });
          await foundation.updateCustomer(made.id, { phone: `+44 20 7946 000${index}` }, { tx });
        }),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find((result) => result.status === 'rejected')?.reason).toEqual(
      new VersionConflict('customer', 1, 2),
    );
  });

  test.each([
    ['an update', (id: string) => foundation.updateCustomer(id, { name: 'Late' })],
    ['an adoption', (id: string) => foundation.adoptCustomer(id)],
  ])('by %s that waits while the customer is merged does not write to the merged customer', async (_, write) => {
    const loser = await support.createCustomer({ email: newEmail(), name: 'Loser' });
    const winner = await support.createCustomer({ email: newEmail(), name: 'Winner' });
    await owner.query('begin');
    await merge(loser.id, winner.id);
    const waiting = write(loser.id);
    waiting.catch(() => {});
    await waitForLock();
    await owner.query('commit');
    await expect(waiting).rejects.toThrow(TransactionConflict);
    const { rows } = await owner.query('select name, crm_id from platform.customers where id = $1', [loser.id]);
    expect(rows).toEqual([{ name: 'Loser', crm_id: null }]);
    expect((await write(loser.id)).id).toBe(winner.id);
  });

  test('with an invalid address is refused as an invalid address, also if it is no text', async () => {
    const made = await foundation.createCustomer({ email: newEmail(), name: 'Kept' });
    for (const email of [undefined, null, 42] as never[]) {
      await expect(foundation.getCustomerByEmail(email)).rejects.toThrow(InvalidEmail);
      await expect(foundation.createCustomer({ email, name: 'None' })).rejects.toThrow(InvalidEmail);
    }
    await expect(foundation.updateCustomer(made.id, { email: null as never })).rejects.toThrow(InvalidEmail);
  });

  test('never takes the key of an address from the caller', async () => {
    const smuggled = { email: 'Smug@example.com', name: 'S', email_key: 'other@example.com' };
    expect((await foundation.createCustomer(smuggled)).email).toBe('Smug@example.com');
    expect(await foundation.getCustomerByEmail('other@example.com')).toBeNull();
    expect(await foundation.getCustomerByEmail('smug@example.com')).not.toBeNull();
  });

  test('by adoption gives an app’s number only once', async () => {
    const made = await support.createCustomer({ email: newEmail(), name: 'Chat-born' });
    const adopted = await Promise.all(Array.from({ length: 5 }, () => foundation.adoptCustomer(made.id)));
    expect(new Set(adopted.map(({ crm_id }) => crm_id)).size).toBe(1);
    expect((await support.getCustomerByNumber('foundation', adopted[0]?.crm_id as number))?.id).toBe(made.id);
  });
});

/** Resolves when a connection of this database waits for a lock. */
async function waitForLock(): Promise<void> {
  const watcher = await database.connect('postgres');
  await until(async () => {
    const { rowCount } = await watcher.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rowCount;
  });
}
