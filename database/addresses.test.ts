import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { denied, newEmail, one, openAddresses, primaryStays, taken } from './testing.addresses.ts';

const {
  create,
  add,
  makePrimary,
  remove,
  restore,
  prove,
  ownerOf,
  addressOf,
  versionOf,
  candidatesOf,
  owner,
  foundation,
  support,
} = await openAddresses();

describe.each(['foundation', 'support'] as const)('the addresses of a customer, as %s changes them', (app) => {
  let client: pg.Client;
  beforeAll(() => {
    client = app === 'foundation' ? foundation : support;
  });

  test('an added address finds the customer, is unverified, and says who added it and when', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    await client.query(`begin; set local aether.actor = 'maya'`);
    const added = await add(client, customer.id, email);
    await client.query('commit');
    expect(added).toMatchObject({ held: customer.id, version: '2' });
    expect(await addressOf(email)).toMatchObject({
      ...{ id: added.address_id, customer_id: customer.id, email, is_primary: false },
      ...{ verified_at: null, verified_by: null, added_by_app: app, added_by: 'maya', created_at: expect.any(Date) },
    });
  });

  test('an address that the customer has already stays as it is, and counts no version', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const first = await add(client, customer.id, email);
    expect(await add(client, customer.id, email)).toEqual(first);
    expect((await add(client, customer.id, customer.email)).version).toBe('2');
  });

  test('an address of another customer is refused, the primary one and any other', async () => {
    const [customer, other, second] = [await create(foundation), await create(support), newEmail()];
    await add(client, other.id, second);
    for (const email of [other.email, second])
      await expect(add(client, customer.id, email)).rejects.toMatchObject(taken);
    expect(await ownerOf(second)).toBe(other.id);
    expect(await versionOf(customer.id)).toBe(1);
  });

  test('text that is not an address, and a key of another address, are refused', async () => {
    const customer = await create(foundation);
    await expect(add(client, customer.id, 'nobody')).rejects.toMatchObject({ code: '23514' });
    await expect(
      client.query('select platform.add_address($1, $2, $3)', [customer.id, 'a@example.com', 'b@example.com']),
    ).rejects.toMatchObject({ code: '23514', constraint: 'customer_emails_email_key_canonical' });
  });

  test('which letters of a key beyond ASCII are spaces is for the apps to say: the locale of a server decides nothing', async () => {
    const customer = await create(foundation);
    const email = `no\u00a0${newEmail()}`;
    await client.query('select platform.add_address($1, $2, $2)', [customer.id, email]);
    expect((await addressOf(email)).customer_id).toBe(customer.id);
    await expect(add(client, customer.id, 'a space@example.com')).rejects.toMatchObject({ code: '23514' });
  });

  test('another address becomes the primary one, and the customer keeps the former one', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(client, customer.id, email);
    expect(await makePrimary(client, customer.id, address_id)).toEqual({ held: customer.id, address_id, version: '3' });
    expect((await addressOf(email)).is_primary).toBe(true);
    expect(await addressOf(customer.email)).toMatchObject({ customer_id: customer.id, is_primary: false });
    expect(await one(support, 'select email from platform.customers where id = $1', [customer.id])).toEqual({ email });
    expect((await makePrimary(client, customer.id, address_id)).version).toBe('3');
  });

  test('a removed address is free for another customer', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(client, customer.id, email);
    expect(await remove(client, customer.id, address_id)).toEqual({ held: customer.id, address_id, version: '3' });
    expect(await ownerOf(email)).toBeUndefined();
    const other = await create(client, email);
    expect(await ownerOf(email)).toBe(other.id);
  });

  test('the primary address cannot be removed', async () => {
    const customer = await create(foundation);
    const { id } = await addressOf(customer.email);
    await expect(remove(client, customer.id, id as string)).rejects.toMatchObject(primaryStays);
    expect(await ownerOf(customer.email)).toBe(customer.id);
  });

  test('a removed address comes back as it was, but not twice', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(client, customer.id, email);
    await owner.query(
      `update platform.customer_emails set verified_at = '2026-01-02 03:04', verified_by = 'signed_identity' where email_key = $1`,
      [email],
    );
    const before = await addressOf(email);
    await remove(client, customer.id, address_id);
    expect(await restore(client, customer.id, address_id)).toMatchObject({
      held: customer.id,
      address_id,
      version: '4',
    });
    expect(await addressOf(email)).toEqual(before);
    expect((await restore(client, customer.id, address_id)).address_id).toBeNull();
  });

  test('a removed address that another customer has by now does not come back', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(client, customer.id, email);
    await remove(client, customer.id, address_id);
    const other = await create(support, email);
    await expect(restore(client, customer.id, address_id)).rejects.toMatchObject(taken);
    expect(await ownerOf(email)).toBe(other.id);
  });

  test('an address of another customer is not changed by its id', async () => {
    const [customer, other, email] = [await create(foundation), await create(support), newEmail()];
    const { address_id } = await add(support, other.id, email);
    for (const call of [makePrimary, remove, restore])
      expect(await call(client, customer.id, address_id)).toEqual({
        ...{ held: customer.id, address_id: null, version: null },
      });
    expect(await ownerOf(email)).toBe(other.id);
  });

  test('a change at an older version, and a change of an erased customer, are refused', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(client, customer.id, email, '1');
    const nothing = { held: null, address_id: null, version: null };
    expect(await add(client, customer.id, newEmail(), '1')).toEqual(nothing);
    for (const call of [makePrimary, remove, restore])
      expect(await call(client, customer.id, address_id, '1')).toEqual(nothing);
    await owner.query('update platform.customers set erased_at = now() where id = $1', [customer.id]);
    for (const call of [makePrimary, remove, restore])
      expect(await call(client, customer.id, address_id)).toEqual(nothing);
    expect(await add(client, customer.id, newEmail())).toEqual(nothing);
  });

  test('an app writes the tables of addresses only through the functions', async () => {
    const customer = await create(foundation);
    for (const sql of [
      `insert into platform.customer_emails (email_key, email, customer_id, is_primary)
        values ('x@example.com', 'x@example.com', $1, false)`,
      'update platform.customer_emails set verified_at = now() where customer_id = $1',
      'delete from platform.customer_emails where customer_id = $1',
      'select from platform.removed_emails where customer_id = $1',
      'update platform.review_candidates set customer_id = $1',
      'select platform.count_change($1)',
      `select platform.put_away_address(e, 'removed') from platform.customer_emails e where customer_id = $1`,
    ])
      await expect(client.query(sql, [customer.id])).rejects.toMatchObject(denied);
  });
});

test('an address is shown in the spelling in which it was written last', async () => {
  const customer = await create(foundation, 'spelled@example.com');
  await foundation.query(`update platform.customers set email = 'Spelled@Example.com' where id = $1`, [customer.id]);
  expect((await addressOf('spelled@example.com')).email).toBe('Spelled@Example.com');
});

describe('a proof of an address', () => {
  test('makes a customer with a verified address if no customer has it', async () => {
    const email = newEmail();
    const proven = await prove(support, email);
    expect(proven).toMatchObject({ created: true, taken_from: null });
    expect(await addressOf(email)).toMatchObject({
      ...{ customer_id: proven.id, is_primary: true, verified_at: expect.any(Date), verified_by: 'signed_identity' },
    });
    expect(
      await one(
        support,
        'select created_by_app, support_id is not null as adopted from platform.customers where id = $1',
        [proven.id],
      ),
    ).toEqual({ created_by_app: 'support', adopted: true });
  });

  test('of a primary address leads to its customer and verifies it, once', async () => {
    const customer = await create(foundation);
    expect(await prove(support, customer.email)).toEqual({ id: customer.id, created: false, taken_from: null });
    const first = await addressOf(customer.email);
    expect(first.verified_at).toEqual(expect.any(Date));
    await prove(support, customer.email);
    expect(await addressOf(customer.email)).toEqual(first);
    expect(await versionOf(customer.id)).toBe(2);
  });

  test('wins over an unverified address that another customer has beside the primary one, and both are to be reviewed', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(foundation, customer.id, email);
    const proven = await prove(support, email);
    expect(proven).toMatchObject({ created: true, taken_from: customer.id });
    expect(await ownerOf(email)).toBe(proven.id);
    expect(await versionOf(customer.id)).toBe(3);
    for (const [id, other] of [
      [customer.id, proven.id],
      [proven.id, customer.id],
    ])
      expect(await candidatesOf(id as string)).toEqual([
        {
          reason: 'verified_claim',
          state: 'open',
          evidence: { address: email, taken_from: customer.id, was_primary: false },
          other,
        },
      ]);
    expect((await restore(foundation, customer.id, address_id)).address_id).toBeNull();
  });

  test('wins over an unverified primary address if the names have no word in common; the next address becomes the primary one', async () => {
    const [customer, other] = [await create(foundation), newEmail()];
    await add(foundation, customer.id, other);
    const proven = await prove(support, customer.email, 'Joan Miller');
    expect(proven).toMatchObject({ created: true, taken_from: customer.id });
    expect(await ownerOf(customer.email)).toBe(proven.id);
    expect(await addressOf(other)).toMatchObject({ customer_id: customer.id, is_primary: true, verified_at: null });
    expect(await candidatesOf(customer.id)).toMatchObject([
      { evidence: { taken_from: customer.id, was_primary: true }, other: proven.id },
    ]);
    expect(await prove(support, customer.email, 'Ada')).toMatchObject({ id: proven.id, created: false });
  });

  test('wins over the only address as well: its customer has none until somebody gives one', async () => {
    const customer = await create(foundation);
    const proven = await prove(support, customer.email, 'Joan Miller');
    expect(proven.taken_from).toBe(customer.id);
    const none = `no-address-${customer.id.replaceAll('-', '')}@unknown.invalid`;
    expect(await addressOf(none)).toMatchObject({ customer_id: customer.id, is_primary: true });
    const given = newEmail();
    await foundation.query('update platform.customers set email = $2 where id = $1', [customer.id, given]);
    expect(await ownerOf(given)).toBe(customer.id);
    expect(await ownerOf(none)).toBeUndefined();
  });

  test.each([
    ['Ada King', 'ada', false],
    ['Ada King', 'King, Ada', false],
    ['Åse Øye', 'Ase Oye', false],
    ['Ada King', 'Joan Miller', true],
    ['Ada King', 'Аделаида Кинг', false],
    ['Purchasing', 'Joan Miller', true],
    ['ada.b', 'Joan Miller', false],
    ['?', 'Joan Miller', false],
  ])('of the primary address of “%s” as “%s”: clash is %s', async (known, proven, clash) => {
    expect(
      await one(owner, `select platform.names_clash($1, $2, 'ada.b@example.com') as clash`, [known, proven]),
    ).toEqual({ clash });
  });

  test('takes nothing from a customer that has proven the address before, whatever the name', async () => {
    const customer = await create(foundation);
    await prove(support, customer.email);
    expect(await prove(support, customer.email, 'Joan Miller')).toMatchObject({ id: customer.id, created: false });
    await foundation.query('update platform.customers set email = $2 where id = $1', [customer.id, newEmail()]);
    expect(await prove(support, customer.email)).toEqual({ id: customer.id, created: false, taken_from: null });
    expect(await candidatesOf(customer.id)).toEqual([]);
  });

  test('does not change an erased customer', async () => {
    const customer = await create(foundation);
    await owner.query('update platform.customers set erased_at = now() where id = $1', [customer.id]);
    expect(await prove(support, customer.email)).toEqual({ id: customer.id, created: false, taken_from: null });
    expect((await addressOf(customer.email)).verified_at).toBeNull();
  });

  test('cannot be made by Foundation', async () => {
    await expect(prove(foundation, newEmail())).rejects.toMatchObject(denied);
  });
});
