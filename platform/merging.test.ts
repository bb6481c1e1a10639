import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { isLong } from '@aether/database/testing.sample';
import { isUnderWay, requireUnderWay, until } from '@aether/database/testing.scope';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  CustomerErased,
  CustomerMerged,
  connectPlatform,
  InvalidField,
  type MergeChoices,
  MergeUndone,
  NotFound,
  type PlatformDb,
  SameCustomer,
  StewardOnly,
  type Unmerged,
  VersionConflict,
} from './index.ts';
import { createCustomers, mergeWorld, stateOf } from './testing.merging.ts';

let database: TestDatabase;
let db: PlatformDb;
let foundation: PlatformDb;
let superuser: pg.Client;
let customer: ReturnType<typeof createCustomers>;
const steward = { actor: 'tom' };

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  await superuser.query(mergeWorld);
  customer = createCustomers(superuser);
  [db, foundation] = await Promise.all([
    connectPlatform({ app: 'console', variables: { PLATFORM_DB_URL: database.url('console_app') } }),
    connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } }),
  ]);
  atEnd(() => Promise.all([db.close(), foundation.close()]));
});

async function merge(survivor: string, loser: string, fields: MergeChoices = {}): Promise<string> {
  const { merges } = await db.mergeCustomers(survivor, [loser], { ...steward, fields });
  return merges[0]?.merge as string;
}
const unmerge = (id: string, choices: Record<string, 'home' | 'stay'> = {}): Promise<Unmerged> =>
  db.unmergeCustomers(id, { ...steward, choices });
const state = (...ids: string[]) => stateOf(superuser, ids);
const value = async (sql: string, values: unknown[] = []): Promise<unknown> =>
  Object.values((await superuser.query(sql, values)).rows[0] ?? {})[0];

describe('a merge', () => {
  test('gives the survivor what it lacks and every row of the other one, and its unmerge takes all of it back', async () => {
    const survivor = await customer({ phone: null });
    const loser = await customer({
      phone: '+49 30 1234567',
      account_tier: 'premium',
      company: true,
      values: { colour: 'blue' },
    });
    const before = await state(survivor, loser);
    const merged = await db.mergeCustomers(survivor, [loser], {
      ...steward,
      reason: 'Same person',
      evidence: { score: 0.9 },
    });
    const { merge: id, moved } = merged.merges[0] as (typeof merged.merges)[0];
    expect(moved).toEqual({
      'platform.customer_emails': 2,
      'platform.customer_phones': 2,
      'crm.deal_contacts': 1,
      'platform.customer_external_ids': 1,
      'crm.custom_field_values': 1,
      'support.sessions': 1,
      'support.calls': 1,
      'crm.deals': 1,
      'crm.contacts': 1,
      'crm.activities': 2,
      'crm.changes': 1,
      'platform.removed_emails': 1,
      'platform.removed_phones': 1,
    });
    expect(await state(loser)).toMatchObject({ 'platform.customers': [{ id: loser, merged_into: survivor }] });
    expect(await db.getMerges(loser)).toMatchObject([{ id, survivor_id: survivor, actor: 'tom', undone_at: null }]);
    expect(
      await value('select reason || (evidence ->> $2) || app from platform.merges where id = $1', [id, 'score']),
    ).toBe('Same person0.9console');
    const answer = await unmerge(id);
    expect(answer).toMatchObject({ survivor, loser, home: moved, kept: [], ambiguous: [], fieldsKept: [] });
    expect(answer.fieldsBack.sort()).toEqual(['account_tier', 'company_id', 'phone']);
    expect(await state(survivor, loser)).toEqual(before);
  });

  test('leads from the id, the numbers and every address of the loser to the survivor in one step', async () => {
    const [a, b, c] = [
      await customer({ crm_id: null }),
      await customer({ crm_id: 7001 }),
      await customer({ crm_id: 7002 }),
    ];
    const email = (await db.getCustomerById(b))?.email as string;
    await merge(b, c);
    await merge(a, b);
    const found = await Promise.all([
      db.getCustomerById(b),
      db.getCustomerById(c),
      db.getCustomerByNumber('foundation', 7001),
      db.getCustomerByNumber('foundation', 7002),
      db.getCustomerByEmail(email),
      db.findOrCreateCustomer({ email, name: 'Nobody' }).then(({ customer: found }) => found),
      foundation.updateCustomer(c, { name: 'Renamed' }),
    ]);
    expect(found.map((each) => each?.id)).toEqual(found.map(() => a));
    // The survivor had no number of its own: it has that of the first one now, and no number is that of two records.
    expect(await state(a, b, c)).toMatchObject({
      'platform.customers': [
        { id: a, crm_id: 7001 },
        { id: b, crm_id: null, merged_into: a },
        { id: c, merged_into: a },
      ],
    });
  });

  test('keeps the survivor’s values, the higher tier, and what the person chose', async () => {
    const survivor = await customer({
      name: 'Ada King',
      account_tier: 'basic',
      preferred_language: 'de',
      values: { colour: 'red' },
    });
    const loser = await customer({
      name: 'A. King',
      account_tier: 'premium',
      preferred_language: 'en',
      values: { colour: 'blue' },
    });
    const before = await state(survivor, loser);
    const [preview] = await db.transaction(steward, (tx) =>
      db.previewMerge(survivor, [loser], { fields: { preferred_language: 'loser', 'custom.colour': loser }, tx }),
    );
    const chosen = Object.fromEntries(
      preview?.fields.map(({ field, chosen, by }) => [field, `${chosen} by ${by}`]) ?? [],
    );
    expect(chosen).toMatchObject({
      name: 'survivor by rule',
      account_tier: 'loser by rule',
      preferred_language: 'loser by choice',
      'custom.colour': 'loser by choice',
    });
    expect(preview?.cannot).toMatchObject([{ table: 'crm.custom_field_values', rows: 1 }]);
    const id = await merge(survivor, loser, { preferred_language: 'loser', 'custom.colour': loser });
    expect(await db.getCustomerById(survivor)).toMatchObject({
      name: 'Ada King',
      account_tier: 'premium',
      preferred_language: 'en',
    });
    expect(await value('select value from crm.custom_field_values where customer_id = $1', [survivor])).toBe('blue');
    await unmerge(id);
    expect(await state(survivor, loser)).toEqual(before);
  });

  test('offers no choice of an address that is only the mark of having none', async () => {
    const [survivor, loser] = [await customer(), await customer({ address: false })];
    const [preview] = await db.transaction(steward, (tx) => db.previewMerge(survivor, [loser], { tx }));
    expect(preview?.fields.find(({ field }) => field === 'email')).toMatchObject({ loser: null, chosen: 'survivor' });
    const refused = db.mergeCustomers(survivor, [loser], { ...steward, fields: { email: 'loser' } });
    await expect(refused).rejects.toBeInstanceOf(InvalidField);
  });

  test('takes an address and a name over that are only marks of having none', async () => {
    const survivor = await customer({ address: false });
    const loser = await customer({ name: 'Grace Hopper' });
    const before = await state(survivor, loser);
    const id = await merge(survivor, loser);
    expect(await db.getCustomerById(survivor)).toMatchObject({
      name: 'Grace Hopper',
      email: before['platform.customers']?.[1]?.email,
    });
    await unmerge(id);
    expect(await state(survivor, loser)).toEqual(before);
    const other = await merge(loser, survivor);
    expect((await state(loser))['platform.customer_emails']).toHaveLength(2);
    await unmerge(other);
    expect(await state(survivor, loser)).toEqual(before);
  });

  test('is one event with both ids and what changed, and none for what it moved', async () => {
    const survivor = await customer();
    const loser = await customer({ account_tier: 'premium' });
    await superuser.query('delete from sync.outbox');
    const id = await merge(survivor, loser);
    await unmerge(id);
    const { rows } = await superuser.query(
      'select type, key, customer, app, actor, data - $1::text[] as data, previous, data ? $2 as has_record from sync.outbox order by id',
      [['email', 'name', 'moved', 'record'], 'record'],
    );
    const both = { merge: id, survivor, loser };
    expect(rows).toEqual([
      {
        ...{
          type: 'customer.merged',
          key: survivor,
          customer: survivor,
          app: 'console',
          actor: 'tom',
          has_record: false,
        },
        data: {
          ...both,
          account_tier: 'premium',
          previous_version: expect.any(Number),
          loser_version: expect.any(Number),
        },
        previous: { account_tier: null },
      },
      {
        ...{
          type: 'customer.unmerged',
          key: survivor,
          customer: survivor,
          app: 'console',
          actor: 'tom',
          has_record: true,
        },
        data: {
          ...{ ...both, account_tier: null, previous_version: expect.any(Number), loser_version: expect.any(Number) },
          loser_previous_version: expect.any(Number),
        },
        previous: { account_tier: 'premium' },
      },
    ]);
    const versions = await superuser.query(
      'select version from platform.customers where id = any ($1) order by id = $2',
      [[survivor, loser], loser],
    );
    expect(versions.rows[1].version > versions.rows[0].version).toBe(true);
  });

  test('of several customers is one transaction, in which an id says whose value was chosen', async () => {
    const [survivor, first, second] = [
      await customer({ timezone: 'Europe/Paris' }),
      await customer({ timezone: 'Europe/Rome' }),
      await customer({ timezone: 'Europe/Oslo' }),
    ];
    const before = await state(survivor, first, second);
    await expect(
      db.mergeCustomers(survivor, [first, second], { ...steward, fields: { timezone: 'loser' } }),
    ).rejects.toThrow(InvalidField);
    const { merges } = await db.mergeCustomers(survivor, [first, second], { ...steward, fields: { timezone: second } });
    expect(await db.getCustomerById(first)).toMatchObject({ id: survivor, timezone: 'Europe/Oslo' });
    for (const { merge: id } of merges) await unmerge(id);
    expect(await state(survivor, first, second)).toEqual(before);
  });

  test.each<[string, (a: string, b: string) => Promise<unknown>, new (...given: never[]) => Error]>([
    ['with itself', (a) => db.mergeCustomers(a, [a], steward), SameCustomer],
    ['with one that is named twice', (a, b) => db.mergeCustomers(a, [b, b], steward), SameCustomer],
    ['with nobody', (a) => db.mergeCustomers(a, [], steward), InvalidField],
    [
      'with an unknown customer',
      (a) => db.mergeCustomers(a, ['00000000-0000-7000-8000-00000000dead'], steward),
      NotFound,
    ],
    ['with what is no id', (a) => db.mergeCustomers(a, ['x'], steward), NotFound],
    [
      'at a version that is past',
      (a, b) => db.mergeCustomers(a, [b], { ...steward, expectedVersions: { [b]: 0 } }),
      VersionConflict,
    ],
    ['with a choice of a field that nobody has', (a, b) => merge(a, b, { birth_date: 'loser' }), InvalidField],
    ['with a choice of a value that is not there', (a, b) => merge(a, b, { 'custom.colour': 'loser' }), InvalidField],
    ['with a choice of a side that there is not', (a, b) => merge(a, b, { name: 'both' }), InvalidField],
    ['by a person who is no steward', (a, b) => db.mergeCustomers(a, [b], { actor: 'maya' }), StewardOnly],
    ['by nobody', (a, b) => db.mergeCustomers(a, [b]), StewardOnly],
    ['by an app', (a, b) => foundation.mergeCustomers(a, [b], { actor: 'tom' }), StewardOnly],
    ['by an app that only asks', (a, b) => foundation.previewMerge(a, [b]), StewardOnly],
  ])('%s is refused', async (_, attempt, refusal) => {
    const [a, b] = [await customer(), await customer({ values: {} })];
    await superuser.query('delete from crm.custom_field_values where customer_id = $1', [b]);
    const before = await state(a, b);
    await expect(attempt(a, b)).rejects.toThrow(refusal);
    expect(await state(a, b)).toEqual(before);
  });

  test('of one that is merged or erased is refused by name, and so is a new child of it', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    await merge(a, b);
    await expect(merge(c, b)).rejects.toMatchObject({ constructor: CustomerMerged, survivor: a });
    await expect(merge(b, c)).rejects.toMatchObject({ constructor: CustomerMerged, survivor: a });
    const [preview] = await db.transaction(steward, (tx) => db.previewMerge(c, [b], { tx }));
    expect(preview?.refused).toMatchObject({ code: 'customer-merged', detail: a });
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [c]);
    await expect(merge(a, c)).rejects.toThrow(CustomerErased);
    await expect(
      foundation.query(`insert into crm.activities (customer_id, type, description) values ($1, 'note', 'x')`, [b]),
    ).rejects.toMatchObject({ survivor: a });
  });
});

describe('an unmerge', () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  test.each(orders)('of stacked merges gives everybody their own again: in the order %i, %i, %i', async (...order) => {
    const [a, b, c, d] = [
      await customer(),
      await customer({ phone: `+49 30 99${order.join('')}11` }),
      await customer(),
      await customer(),
    ];
    const before = await state(a, b, c, d);
    // B into A, A into C, D into C: the rows of B are with C in the end.
    const merges = [await merge(a, b), await merge(c, a), await merge(c, d)];
    for (const each of order) await unmerge(merges[each] as string);
    expect(await state(a, b, c, d)).toEqual(before);
  });

  test('of an inner merge leaves the outer ones, whose survivor loses what came by it', async () => {
    const [a, b, c] = [
      await customer({ phone: null }),
      await customer({ phone: '+49 30 5550001' }),
      await customer({ phone: null }),
    ];
    const before = await state(a, b, c);
    const inner = await merge(a, b);
    const outer = await merge(c, a);
    expect(await db.getCustomerById(b)).toMatchObject({ id: c, phone_key: '+49305550001' });
    await unmerge(inner);
    expect(await db.getCustomerById(a)).toMatchObject({ id: c, phone: null });
    expect(await state(b)).toEqual(
      Object.fromEntries(
        Object.entries(before)
          .map(([table, rows]) => [table, rows.filter((row) => JSON.stringify(row).includes(b))])
          .filter(([, rows]) => rows?.length),
      ),
    );
    // Taken out and merged with C by itself, B stays with C when the outer merge is taken back.
    const again = await merge(c, b);
    await unmerge(outer);
    expect((await db.getCustomerById(b))?.id).toBe(c);
    await unmerge(again);
    expect(await state(a, b, c)).toEqual(before);
  });

  test('of the same pair may be repeated, and a merge is taken back once', async () => {
    const [a, b] = [await customer(), await customer()];
    const before = await state(a, b);
    const first = await merge(a, b);
    await unmerge(first);
    await expect(unmerge(first)).rejects.toThrow(MergeUndone);
    const second = await merge(b, a);
    await unmerge(second);
    expect(await state(a, b)).toEqual(before);
    expect((await db.getMerges(a)).map(({ id }) => id)).toEqual([second, first]);
    await expect(unmerge('00000000-0000-7000-8000-00000000dead')).rejects.toThrow(NotFound);
  });

  test('gives back what the two had alike: a custom field, a number, a row of a third app that each customer has once', async () => {
    const shared = { phone: '+49 30 5550002', values: { colour: 'red' } };
    const [a, b] = [await customer(shared), await customer(shared)];
    await superuser.query('insert into billing.accounts (customer_id, plan) values ($1, $3), ($2, $3)', [
      a,
      b,
      'yearly',
    ]);
    const before = await state(a, b);
    const { merges } = await db.mergeCustomers(a, [b], steward);
    expect(merges[0]?.suppressed).toEqual({
      'platform.customer_phones': 1,
      'crm.custom_field_values': 1,
      'billing.accounts': 1,
    });
    await unmerge(merges[0]?.merge as string);
    expect(await state(a, b)).toEqual(before);
  });

  test('leaves a field that was edited since, lists it, and gives the loser its own', async () => {
    const a = await customer({ timezone: null });
    const b = await customer({ timezone: 'Europe/Rome', values: { colour: 'blue' } });
    await superuser.query('delete from crm.custom_field_values where customer_id = $1', [a]);
    const before = await state(b);
    const id = await merge(a, b);
    await superuser.query(`update platform.customers set timezone = 'Europe/Oslo' where id = $1`, [a]);
    await superuser.query(`update crm.custom_field_values set value = '"red"' where customer_id = $1`, [a]);
    const preview = await db.transaction(steward, (tx) => db.previewUnmerge(id, { tx }));
    expect(preview.fieldsKept).toContainEqual({ field: 'timezone', written: 'Europe/Rome', present: 'Europe/Oslo' });
    expect((await unmerge(id)).fieldsKept).toEqual([
      { field: 'custom.colour', written: 'blue', present: 'red' },
      { field: 'timezone', written: 'Europe/Rome', present: 'Europe/Oslo' },
    ]);
    expect(await state(b)).toEqual(before);
    expect(await state(a)).toMatchObject({
      'platform.customers': [{ timezone: 'Europe/Oslo' }],
      'crm.custom_field_values': [{ value: 'red' }],
    });
  });

  test('leaves an address with whoever has it now, names it, and the loser goes on with another or with none', async () => {
    const [a, b] = [await customer(), await customer({ others: 0 })];
    const email = (await db.getCustomerById(b))?.email as string;
    const id = await merge(a, b);
    const address = (await foundation.listAddresses(a)).find((each) => each.email === email)?.id as string;
    await foundation.removeAddress(a, address);
    const { customer: taker } = await foundation.findOrCreateCustomer({ email, name: 'Somebody new' });
    expect((await unmerge(id)).kept).toEqual([
      { table: 'platform.customer_emails', key: email, why: `It belongs to customer ${taker.id} now.` },
    ]);
    expect((await db.getCustomerById(b))?.email).toMatch(/^no-address-.*@unknown\.invalid$/);
    expect((await db.getCustomerByEmail(email))?.id).toBe(taker.id);
    // What was removed was the loser's: it could be given back there.
    expect(await value('select customer_id from platform.removed_emails where id = $1', [address])).toBe(b);
  });

  test('gives back the address that took the place of a removed primary one when that was removed, not one of today', async () => {
    const remove = async (id: string, address: string) =>
      foundation.removeAddress(
        id,
        (await value('select id from platform.customer_emails where email_key = $1', [address])) as string,
      );
    const emailOf = (id: string) => value('select email from platform.customers where id = $1', [id]);
    const [survivor, loser] = [await customer(), await customer()];
    const [own, others] = [await emailOf(survivor), await emailOf(loser)];
    await foundation.addAddress(survivor, `next-${own}`);
    await foundation.addAddress(loser, `next-${others}`);
    const merged = await merge(survivor, loser, { email: 'loser' });
    await remove(survivor, own as string);
    await foundation.addAddress(survivor, `late-${own}`);
    await foundation.makeAddressPrimary(
      survivor,
      (await value('select id from platform.customer_emails where email_key = $1', [`late-${own}`])) as string,
    );
    await remove(survivor, others as string);
    // Verified too late to have been the next one.
    await superuser.query(
      `update platform.customer_emails set verified_at = now(), verified_by = 'signed_identity'
       where customer_id = $1 and email_key like 'other%'`,
      [survivor],
    );
    await unmerge(merged);
    expect(await emailOf(loser)).toBe(`next-${others}`);
    expect(await emailOf(survivor)).toBe(`late-${own}`);
    const [second, third] = [await customer(), await customer()];
    const was = await emailOf(second);
    await foundation.addAddress(second, `next-${was}`);
    const again = await merge(second, third, { email: 'loser' });
    await remove(second, was as string);
    await foundation.addAddress(second, `late-${was}`);
    await unmerge(again);
    expect(await emailOf(second)).toBe(`next-${was}`);
  });

  test('takes a removed number home once, and no later unmerge of a stack takes it from there', async () => {
    const [inner, middle, outer, other] = [await customer(), await customer(), await customer(), await customer()];
    const number = (await value('select id from platform.customer_phones where customer_id = $1 and is_primary', [
      inner,
    ])) as string;
    const holder = () => value('select customer_id from platform.removed_phones where id = $1', [number]);
    const first = await merge(middle, inner);
    const second = await merge(outer, middle);
    await foundation.removePhone(outer, number);
    await unmerge(first);
    expect(await holder()).toBe(inner);
    const third = await merge(other, inner);
    const fourth = await merge(other, outer);
    await unmerge(second);
    await unmerge(third);
    await unmerge(fourth);
    expect(await holder()).toBe(inner);
  });

  test('leaves an address that was added since, takes home one that was verified, and asks about one that was made primary', async () => {
    const [a, b] = [await customer(), await customer()];
    const own = (await db.getCustomerById(a))?.email;
    const email = (await db.getCustomerById(b))?.email as string;
    const make = async () => {
      const id = await merge(a, b);
      const address = (await foundation.listAddresses(a)).find((each) => each.email === email)?.id as string;
      await foundation.makeAddressPrimary(a, address);
      return id;
    };
    const key = `platform.customer_emails:${email}`;
    const first = await make();
    await foundation.addAddress(a, 'added-later@example.com');
    await superuser.query(
      `update platform.customer_emails set verified_at = now(), verified_by = 'signed_identity' where email_key = $1`,
      [email],
    );
    const preview = await db.transaction(steward, (tx) => db.previewUnmerge(first, { tx }));
    expect(preview.ambiguous).toMatchObject([{ table: 'platform.customer_emails', key: email, default: 'home' }]);
    await unmerge(first);
    expect(await db.getCustomerById(a)).toMatchObject({ email: own });
    expect((await foundation.listAddresses(a)).map((each) => each.email)).toContain('added-later@example.com');
    expect((await foundation.listAddresses(b))[0]).toMatchObject({
      email,
      is_primary: true,
      verified_by: 'signed_identity',
    });

    await unmerge(await make(), { [key]: 'stay' });
    expect(await db.getCustomerById(a)).toMatchObject({ email });
    expect((await db.getCustomerById(b))?.email).not.toBe(email);
    await expect(unmerge(await merge(a, b), { [key]: 'away' as 'home' })).rejects.toThrow(InvalidField);
  });

  test('lets rows follow the row that they belong to, and proposes those that carry what only the loser had', async () => {
    const [a, b] = [await customer(), await customer({ phone: '+49 30 5550003' })];
    const email = (await db.getCustomerById(b))?.email as string;
    const id = await merge(a, b);
    const deal = await value('select id from crm.deals where name like $1', [`%${b}`]);
    const session = async (address: string) =>
      value(
        `insert into support.sessions (widget_id, customer_id, visitor_email, token_hash)
         select id, $1, $2, sha256(convert_to(gen_random_uuid()::text, 'utf8')) from support.widgets limit 1 returning id`,
        [a, address],
      );
    const [theirs, stays, unrelated] = [
      await session(email.toUpperCase()),
      await session(email),
      await session('x@example.com'),
    ];
    const call = await value(
      `insert into support.calls (customer_id, direction, number_e164, started_at) values ($1, 'inbound', '+49305550003', now())
       returning id`,
      [a],
    );
    const note = (text: string, more: string, given: unknown) =>
      superuser.query(
        `insert into crm.activities (customer_id, type, description, created_by_app, ${more}) values ($1, $4, $2, $5, $3)`,
        [a, text, given, ...(more === 'deal_id' ? ['note', 'foundation'] : ['support_chat', 'support'])],
      );
    await note('of the deal', 'deal_id', deal);
    await note('of the chat', 'idempotency_key', `session:${theirs}`);
    await note('of another chat', 'idempotency_key', `session:${unrelated}`);
    const answer = await unmerge(id, { [`support.sessions:${stays}`]: 'stay' });
    expect(answer.ambiguous.map(({ table, key, decided }) => `${table} ${key} ${decided}`).sort()).toEqual(
      [`support.calls ${call} home`, `support.sessions ${theirs} home`, `support.sessions ${stays} stay`].sort(),
    );
    const of = async (who: string) => ({
      sessions: (await superuser.query('select id from support.sessions where customer_id = $1', [who])).rows.map(
        (row) => row.id,
      ),
      notes: (await superuser.query('select description from crm.activities where customer_id = $1', [who])).rows.map(
        (row) => row.description,
      ),
    });
    expect((await of(a)).sessions).toEqual(expect.arrayContaining([stays, unrelated]));
    expect((await of(b)).sessions).toContain(theirs);
    expect((await of(b)).notes).toEqual(expect.arrayContaining(['of the deal', 'of the chat']));
    expect((await of(a)).notes).toContain('of another chat');
    expect(await value('select customer_id from support.calls where id = $1', [call])).toBe(b);
  });

  test('lists what left the survivor: a row that was moved on, one that was removed, a value whose field or choice is gone', async () => {
    const [a, b, c] = [await customer(), await customer({ values: { size: 'L', colour: 'blue' } }), await customer()];
    await superuser.query(`insert into crm.custom_field_values (field_id, customer_id, value)
      select id, '${a}', '"M"' from crm.custom_fields where key = 'size'`);
    const id = await merge(a, b);
    const moved = await value(
      `update support.calls set customer_id = $2 where notes = 'Call of ' || $1::uuid returning id`,
      [b, c],
    );
    const contact = await value('delete from crm.contacts where name like $1 returning id', [`%${b}`]);
    await superuser.query(`delete from crm.custom_fields where key = 'size'`);
    const { kept } = await unmerge(id);
    expect(kept).toEqual([
      {
        table: 'crm.custom_field_values',
        key: expect.any(String),
        why: 'The field, or the choice, was removed since.',
      },
      { table: 'support.calls', key: moved, why: `It belongs to customer ${c} now.` },
      { table: 'crm.contacts', key: contact, why: 'It was removed since.' },
    ]);
    expect(await value('select customer_id from support.calls where id = $1', [moved])).toBe(c);
  });

  const shoeOf = (id: string) =>
    value(`select value #>> '{}' from crm.custom_field_values where customer_id = $1 and field_key = 'shoe'`, [id]);
  const editShoe = (id: string, shoe: string) =>
    superuser.query(
      `update crm.custom_field_values set value = to_jsonb($2::text) where customer_id = $1 and field_key = 'shoe'`,
      [id, shoe],
    );
  const barefoot = async () => {
    const id = await customer();
    await superuser.query(`delete from crm.custom_field_values where customer_id = $1 and field_key = 'shoe'`, [id]);
    return id;
  };

  test('leaves the survivor the value that it edited before a later merge chose another', async () => {
    const [a, b, c] = [
      await barefoot(),
      await customer({ values: { shoe: 'Of b' } }),
      await customer({ values: { shoe: 'Of c' } }),
    ];
    const first = await merge(a, b);
    await editShoe(a, 'Edited');
    const second = await merge(a, c, { 'custom.shoe': 'loser' });
    await unmerge(first);
    await unmerge(second);
    expect([await shoeOf(a), await shoeOf(b), await shoeOf(c)]).toEqual(['Edited', 'Of b', 'Of c']);
  });

  test.each([
    ['chose another value', undefined],
    ['kept an edit', 'Edited'],
  ])(
    'of an inner merge gives the customer in the middle its value for later, also when a merge above %s',
    async (_, edited) => {
      const top = await barefoot();
      const [middle, inner, other] = [
        await customer({ values: { shoe: 'Middle' } }),
        await customer({ values: { shoe: 'Inner' } }),
        await customer({ values: { shoe: 'Other' } }),
      ];
      const merges = [await merge(middle, inner, { 'custom.shoe': 'loser' }), await merge(top, middle)];
      if (edited) await editShoe(top, edited);
      merges.push(await merge(top, other, { 'custom.shoe': edited ? 'survivor' : 'loser' }));
      for (const each of merges) await unmerge(each);
      expect([await shoeOf(top), await shoeOf(middle), await shoeOf(inner), await shoeOf(other)]).toEqual([
        edited,
        'Middle',
        'Inner',
        'Other',
      ]);
    },
  );

  test.each([
    ['removed from', [0, 1]],
    ['put away by', [0, 2, 1]],
    ['put away by', [0, 1, 2]],
    ['put away by', [1, 0, 2]],
    ['put away by', [2, 0, 1]],
  ])(
    'of an inner merge leaves the customer in the middle the value that it edited before it was merged on, also when that was %s the last survivor: taken back in the order %j',
    async (how, order) => {
      const [over, middle] = [await barefoot(), await barefoot()];
      const inner = await customer({ values: { shoe: 'Inner' } });
      const merges = [await merge(middle, inner)];
      await editShoe(middle, 'Edited');
      merges.push(await merge(over, middle));
      if (how === 'removed from')
        await superuser.query('delete from crm.custom_field_values where customer_id = $1', [over]);
      else merges.push(await merge(await customer({ values: { shoe: 'Top' } }), over));
      for (const at of order) await unmerge(merges[at] as string);
      expect([await shoeOf(over), await shoeOf(middle), await shoeOf(inner)]).toEqual([undefined, 'Edited', 'Inner']);
    },
  );

  test('takes a call along whose number was written over before the customer in the middle was merged on', async () => {
    const [top, middle, inner] = [await customer(), await customer(), await customer()];
    const number = (await db.getCustomerById(inner))?.phone_key as string;
    const lower = await merge(middle, inner, { phone: 'loser' });
    await foundation.updateCustomer(middle, { phone: '+49 89 9999999' });
    const upper = await merge(top, middle);
    const call = await value(
      `insert into support.calls (customer_id, direction, number_e164, started_at) values ($1, 'inbound', $2, now()) returning id`,
      [top, number],
    );
    const holder = () => value('select customer_id from support.calls where id = $1', [call]);
    await unmerge(upper);
    expect(await holder()).toBe(middle);
    await unmerge(lower);
    expect(await holder()).toBe(inner);
  });

  test('is refused when one of the two was erased', async () => {
    for (const erased of [0, 1]) {
      const both = [await customer(), await customer()];
      const id = await merge(both[0] as string, both[1] as string);
      await superuser.query('update platform.customers set erased_at = now() where id = $1', [both[erased]]);
      await expect(unmerge(id)).rejects.toThrow(CustomerErased);
      const preview = await db.transaction(steward, (tx) => db.previewUnmerge(id, { tx }));
      expect(preview.refused?.code).toBe('customer-erased');
    }
  });

  test('makes the two different by itself, and no other pair', async () => {
    const [a, b] = [await customer(), await customer()];
    await unmerge(await merge(a, b));
    const pairs = await superuser.query(
      `select state, reason, decided_by from platform.review_candidates
       where $1 in (customer_id, other_id) or $2 in (customer_id, other_id)`,
      [a, b],
    );
    expect(pairs.rows).toEqual([{ state: 'different', reason: 'unmerged', decided_by: 'tom' }]);
  });

  test('starts a failed event at once that waited only for one of the other customer; its preview starts none', async () => {
    const [a, b] = [await customer(), await customer()];
    const id = await merge(a, b);
    await foundation.query(
      `insert into sync.subscriptions (name, types, position) values ('foundation.waits', null, 0)`,
    );
    await superuser.query(
      `insert into sync.parked (subscription, position, key, customer, state)
       values ('foundation.waits', 1, $1::text, $1::uuid, 'dead'), ('foundation.waits', 2, $2::text, $2::uuid, 'waiting'),
         ('foundation.waits', 3, $1::text, $1::uuid, 'waiting')`,
      [a, b],
    );
    const states = () =>
      value(`select array_agg(state order by position) from sync.parked where subscription = 'foundation.waits'`);
    await db.previewUnmerge(id, steward);
    expect(await states()).toEqual(['dead', 'waiting', 'waiting']);
    await unmerge(id);
    expect(await states()).toEqual(['dead', 'retrying', 'waiting']);
  });

  test('is what its preview says, with and without a choice, and the preview changes nothing', async () => {
    const [a, b, c] = [await customer(), await customer({ others: 1 }), await customer()];
    const inner = await merge(a, b, { name: 'loser' });
    await merge(c, a);
    const called = (await value(
      `insert into support.calls (customer_id, direction, number_e164, started_at)
       select $1, 'inbound', v.was ->> 'phone_key', now() from platform.merge_moves v join platform.merge_references r using (reference)
       where v.merge = $2 and r.relation = 'platform.customer_phones' order by v.key limit 1 returning id`,
      [c, inner],
    )) as string;
    const before = await state(a, b, c);
    const home = await db.previewUnmerge(inner, steward);
    expect(home.ambiguous).toMatchObject([{ key: called, decided: 'home' }]);
    const choices = { [`support.calls:${called}`]: 'stay' as const };
    const preview = await db.previewUnmerge(inner, { ...steward, choices });
    expect(preview.ambiguous).toMatchObject([{ key: called, decided: 'stay' }]);
    expect(await state(a, b, c)).toEqual(before);
    const { version: _, loserVersion: __, ...report } = await unmerge(inner, choices);
    expect(preview).toEqual({ ...report, refused: null });
  });

  test('is for stewards, as the merge is', async () => {
    const id = await merge(await customer(), await customer());
    await expect(db.unmergeCustomers(id, { actor: 'maya' })).rejects.toThrow(StewardOnly);
    await expect(foundation.unmergeCustomers(id, steward)).rejects.toThrow(StewardOnly);
    await expect(foundation.previewUnmerge(id)).rejects.toThrow(StewardOnly);
    expect(
      (
        await foundation.getMerges(
          (
            await db.query('select loser_id from platform.merges where id = $1', [id])
          )[0]?.loser_id,
        )
      )[0]?.id,
    ).toBe(id);
  });
});

describe('a merge at the same moment', () => {
  test('as the end of a chat, which holds the conversation and then asks for the customer, ends in no deadlock', async () => {
    const [a, b] = [await customer(), await customer()];
    const support = await database.connect('support_app');
    const session = await value('select id from support.sessions where customer_id = $1', [b]);
    await support.query('begin');
    await support.query('select from support.sessions where id = $1 for update', [session]);
    const merging = merge(a, b);
    await untilHeld(b);
    // The merge gives the customer free, because somebody who holds the conversation may want it.
    const log = `insert into crm.activities (customer_id, type, description, idempotency_key) values ($1, 'support_chat', 'Chat', $2)`;
    await support.query(log, [b, `session:${session}`]);
    await support.query('commit');
    await merging;
    expect(
      await value('select count(*)::integer from crm.activities where idempotency_key = $1 and customer_id = $2', [
        `session:${session}`,
        a,
      ]),
    ).toBe(1);
    await expect(support.query(log, [b, 'session:later'])).rejects.toMatchObject({
      constraint: 'customer_merged',
      detail: a,
    });
  });

  test('as the merge the other way round, one is done and the other is refused with the survivor', async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b, c] = [await customer(), await customer(), await customer()];
      const before = await state(a, b, c);
      const ended = await Promise.allSettled([merge(a, b), merge(b, a), merge(c, a)]);
      const done = ended.filter((each) => each.status === 'fulfilled').map((each) => each.value);
      const refused = ended.filter((each) => each.status === 'rejected').map((each) => each.reason);
      expect(done.length).toBeGreaterThan(0);
      expect(refused.every((reason) => reason instanceof CustomerMerged)).toBe(true);
      for (const id of done) await unmerge(id);
      expect(await state(a, b, c)).toEqual(before);
    }
  });

  test('as writers of every kind of child, each child is moved or refused, and none is left behind', async () => {
    const [a, b] = [await customer(), await customer()];
    const writers = await Promise.all([1, 2].map(() => database.connect('foundation_app')));
    const support = await database.connect('support_app');
    let isOver = false;
    const outcomes = { written: 0, refused: 0 };
    const write = async (client: pg.Client, sql: string) => {
      while (isUnderWay() && (!isOver || outcomes.refused === 0)) {
        await client
          .query(sql, [b])
          .then(() => outcomes.written++)
          .catch((error) => {
            if (error.constraint !== 'customer_merged') throw error;
            outcomes.refused++;
          });
      }
    };
    const writing = [
      write(
        writers[0] as pg.Client,
        `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ($1, 1, 1, 'Race')`,
      ),
      write(
        writers[1] as pg.Client,
        `insert into crm.activities (customer_id, type, description) values ($1, 'note', 'Race')`,
      ),
      write(
        support,
        `insert into support.calls (customer_id, direction, number_e164, started_at) values ($1, 'inbound', '+4930555', now())`,
      ),
    ];
    const id = await merge(a, b);
    isOver = true;
    await Promise.all(writing);
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(Object.keys(await state(b))).toEqual(['platform.customers']);
    await unmerge(id);
    expect((await state(b))['crm.deals']?.length).toBeGreaterThan(0);
  });

  test('as the end of its connection, wherever it is, all of it is done or nothing', async () => {
    const [a, b] = [await customer(), await customer()];
    await superuser.query(
      `insert into crm.activities (customer_id, type, description, created_by_app)
       select $1, 'note', 'Note ' || n, 'foundation' from generate_series(1, 800) n`,
      [b],
    );
    const before = await state(a, b);
    const outcomes = new Set<string>();
    for (let afterMs = 2; !outcomes.has('done') || !outcomes.has('nothing'); afterMs = (afterMs * 1.7) % 900) {
      requireUnderWay();
      const worker = await database.connect('sync_app');
      const { rows } = await worker.query('select pg_backend_pid() as pid');
      const merging = worker.query('select platform.merge_customers($1, array[$2]::uuid[])', [a, b]).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await superuser.query('select pg_terminate_backend($1, 5000)', [rows[0].pid]);
      await merging;
      const merges = await superuser.query('select id from platform.merges where loser_id = $1 and undone_at is null', [
        b,
      ]);
      outcomes.add(merges.rowCount === 0 ? 'nothing' : 'done');
      if (merges.rowCount === 1) {
        expect(Object.keys(await state(b))).toEqual(['platform.customers']);
        await unmerge(merges.rows[0].id);
      }
      expect(await state(a, b)).toEqual(before);
    }
  });

  test('as kill -9 of the process that asked, at any statement of the merge and of the unmerge, all of it is done or nothing, and a retry does it', {
    timeout: 60_000,
  }, async () => {
    const [a, b] = [await customer(), await customer()];
    const apart = await state(a, b);
    let together: Awaited<ReturnType<typeof state>> | undefined;
    const present = async () => {
      const { rows } = await superuser.query<{ id: string }>(
        'select id from platform.merges where loser_id = $1 and undone_at is null',
        [b],
      );
      expect(rows.length).toBeLessThan(2);
      // What the ledger says is so: the two are as they were, or the loser has nothing.
      if (rows[0]) {
        expect(Object.keys(await state(b))).toEqual(['platform.customers']);
        together ??= await state(a);
        expect(await state(a)).toEqual(together);
      } else expect(await state(a, b)).toEqual(apart);
      return rows[0]?.id;
    };
    for (const work of ['merge', 'unmerge'] as const) {
      const outcomes = new Set<string>();
      // In `npm test` at about every second one, other ones each time: each takes a process.
      for (let statement = 1, isOver = false; !isOver; statement += isLong || Math.random() < 0.4 ? 1 : 2) {
        const before = await present();
        const [first, second] = work === 'merge' ? [a, b] : [before as string, '-'];
        isOver = (await killAt(work, first, second, statement)) === null; // it had fewer statements
        const after = await present();
        outcomes.add(before === after ? 'nothing' : 'done');
        if (isOver) expect(before === after, 'a retry does it').toBe(false);
        else if (before !== after) await (after ? unmerge(after) : merge(a, b)); // the next one begins where this one did
      }
      expect([...outcomes].sort(), work).toEqual(['done', 'nothing']);
    }
    expect(await present()).toBeUndefined();
    await unmerge(await merge(a, b));
    expect(await state(a, b)).toEqual(apart);
  });

  /** A process that is killed at a statement. @returns the signal; null if it had fewer statements */
  async function killAt(work: string, first: string, second: string, statement: number) {
    const file = join(import.meta.dirname, 'testing.killedmerge.ts');
    const args = [file, database.url('console_app'), work, first, second, String(statement)];
    const { promise, resolve } = Promise.withResolvers<{ signal: string | null; printed: string }>();
    execFile(process.execPath, args, (error, printed) => resolve({ signal: error?.signal ?? null, printed }));
    const { signal, printed } = await promise;
    // The server finds out that nobody listens only when it has done what it was asked.
    const isAtWork = async () =>
      (await superuser.query('select from pg_stat_activity where pid = $1', [Number(printed)])).rowCount === 1;
    await until(async () => !(await isAtWork()));
    return signal;
  }

  /** Waits until somebody holds the customer with the strongest lock. */
  async function untilHeld(id: string): Promise<void> {
    await until(async () => {
      const { rowCount } = await superuser.query(
        'select from platform.customers where id = $1 for key share skip locked',
        [id],
      );
      return rowCount === 0;
    });
  }
});
