import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { denied, one, openAddresses } from './testing.addresses.ts';

const { create, versionOf, meet, owner, foundation, support } = await openAddresses();

type Changed = { held: string | null; phone_id: string | null; version: string | null };
type Numbered = { id: string; phone: string; is_primary: boolean };
const primaryStays = { code: '23514', constraint: 'customer_phones_primary_stays' };
const nothing = { held: null, phone_id: null, version: null };
const [office, mobile, home] = ['+49301111111', '+491702222222', '+49303333333'];

const add = (client: pg.Client, customer: string, phone: string, version: string | null = null) =>
  one<Changed>(client, 'select * from platform.add_phone($1, $2, $2, null, $3)', [customer, phone, version]);
const change = (what: 'make_phone_primary' | 'remove_phone' | 'restore_phone') => {
  return (client: pg.Client, customer: string, phone: string | null, version: string | null = null) =>
    one<Changed>(client, `select * from platform.${what}($1, $2, $3)`, [customer, phone, version]);
};
const [makePrimary, remove, restore] = [change('make_phone_primary'), change('remove_phone'), change('restore_phone')];
const write = (customer: string, phone: string | null, client = foundation) =>
  client.query('update platform.customers set phone = $2, phone_key = $2, phone_extension = null where id = $1', [
    customer,
    phone,
  ]);
const rowsOf = async (customer: string) =>
  (
    await support.query<Numbered>(
      'select * from platform.customer_phones where customer_id = $1 order by is_primary desc, created_at, id',
      [customer],
    )
  ).rows;
const numbersOf = async (customer: string) => (await rowsOf(customer)).map(({ phone }) => phone);
const primaryOf = async (customer: string) =>
  (await one<{ phone: string | null }>(support, 'select phone from platform.customers where id = $1', [customer]))
    .phone;
/** The types and the numbers of the events about the customer's numbers. */
const eventsOf = async (customer: string) =>
  (
    await owner.query<{ type: string; phone: string }>(
      `select type, coalesce(data ->> 'phone', previous ->> 'phone') as phone
       from sync.outbox where customer = $1 and type like 'phone.%' order by id`,
      [customer],
    )
  ).rows;

describe.each(['foundation', 'support'] as const)('the telephone numbers of a customer, as %s changes them', (app) => {
  let client: pg.Client;
  beforeAll(() => {
    client = app === 'foundation' ? foundation : support;
  });

  test('begin with a primary one, which lists show; the second is beside it and says who added it', async () => {
    const customer = await create(foundation);
    expect(await add(client, customer.id, office)).toMatchObject({ held: customer.id, version: '2' });
    await client.query(`begin; set local aether.actor = 'maya'`);
    const second = await add(client, customer.id, mobile);
    await client.query('commit');
    expect(second.version).toBe('3');
    expect(await rowsOf(customer.id)).toMatchObject([
      { phone: office, phone_key: office, is_primary: true, added_by: null },
      { id: second.phone_id, phone: mobile, is_primary: false, added_by_app: app, added_by: 'maya' },
    ]);
    expect(await primaryOf(customer.id)).toBe(office);
  });

  test('may be those of another customer, too: two people share a line', async () => {
    const [one, other] = [await create(foundation), await create(support)];
    await add(client, one.id, office);
    expect(await add(client, other.id, office)).toMatchObject({ held: other.id, version: '2' });
  });

  test('are each there once: a number that the customer has already stays as it is, and counts no version', async () => {
    const customer = await create(foundation);
    const first = await add(client, customer.id, office);
    expect(await add(client, customer.id, office)).toEqual(first);
    const second = await add(client, customer.id, mobile);
    expect(await add(client, customer.id, mobile)).toEqual(second);
    expect(await numbersOf(customer.id)).toEqual([office, mobile]);
  });

  test('exchange their places when another one becomes the primary one', async () => {
    const customer = await create(foundation);
    const first = await add(client, customer.id, office);
    const { phone_id } = await add(client, customer.id, mobile);
    expect(await makePrimary(client, customer.id, phone_id)).toEqual({ held: customer.id, phone_id, version: '4' });
    expect(await rowsOf(customer.id)).toMatchObject([
      { id: phone_id, is_primary: true },
      { id: first.phone_id, is_primary: false },
    ]);
    expect(await primaryOf(customer.id)).toBe(mobile);
    expect((await makePrimary(client, customer.id, phone_id)).version).toBe('4');
  });

  test('are removed and given back as they were; the primary one goes as the last and comes back as the primary one', async () => {
    const customer = await create(foundation);
    const first = await add(client, customer.id, office);
    const { phone_id } = await add(client, customer.id, mobile);
    const before = await rowsOf(customer.id);
    await expect(remove(client, customer.id, first.phone_id)).rejects.toMatchObject(primaryStays);
    expect(await remove(client, customer.id, phone_id)).toEqual({ held: customer.id, phone_id, version: '4' });
    expect(await remove(client, customer.id, first.phone_id)).toMatchObject({ version: '5' });
    expect([await numbersOf(customer.id), await primaryOf(customer.id)]).toEqual([[], null]);
    expect(await restore(client, customer.id, first.phone_id)).toMatchObject({ version: '6' });
    expect(await restore(client, customer.id, phone_id)).toMatchObject({ version: '7' });
    expect(await rowsOf(customer.id)).toEqual(before);
    expect((await restore(client, customer.id, phone_id)).phone_id).toBeNull();
  });

  test('are not changed for another customer, an unknown one, or at an old version', async () => {
    const [customer, other] = [await create(foundation), await create(foundation)];
    const { phone_id } = await add(client, other.id, office);
    for (const call of [makePrimary, remove, restore]) {
      expect(await call(client, customer.id, phone_id)).toEqual({ held: customer.id, phone_id: null, version: null });
      expect(await call(client, other.id, phone_id, '9')).toEqual(nothing);
    }
    expect(await add(client, '00000000-0000-7000-8000-000000000000', office)).toEqual(nothing);
    expect(await add(client, customer.id, office, '9')).toEqual(nothing);
    expect(await numbersOf(other.id)).toEqual([office]);
  });

  test('are written only through the functions, and not if a key is that of another number', async () => {
    const customer = await create(foundation);
    for (const statement of [
      `insert into platform.customer_phones (customer_id, phone, phone_key, is_primary) values ($1, '${home}', '${home}', false)`,
      'update platform.customer_phones set is_primary = true where customer_id = $1',
      'delete from platform.customer_phones where customer_id = $1',
      'select from platform.removed_phones where customer_id = $1',
      'select platform.count_change($1)',
    ])
      await expect(client.query(statement, [customer.id])).rejects.toMatchObject(denied);
    await expect(
      client.query('select platform.add_phone($1, $2, $3, null)', [customer.id, office, mobile]),
    ).rejects.toMatchObject({ code: '23514', constraint: 'customers_phone_canonical' });
  });
});

describe('a number that is written over in the customer itself', () => {
  test('is replaced, and the others stay', async () => {
    const customer = await create(foundation);
    await write(customer.id, office);
    await add(foundation, customer.id, mobile);
    await write(customer.id, home, support);
    expect(await rowsOf(customer.id)).toMatchObject([{ phone: home, added_by_app: 'support' }, { phone: mobile }]);
  });

  test('by another number of the customer exchanges places with it, so that an undo loses neither', async () => {
    const customer = await create(foundation);
    await write(customer.id, office);
    await add(foundation, customer.id, mobile);
    const before = await rowsOf(customer.id);
    await write(customer.id, mobile);
    expect(await numbersOf(customer.id)).toEqual([mobile, office]);
    await write(customer.id, office);
    expect(await rowsOf(customer.id)).toEqual(before);
  });

  test('in another spelling stays the number that it was', async () => {
    const customer = await create(foundation);
    const { phone_id } = await add(foundation, customer.id, office);
    await foundation.query(`update platform.customers set phone = '030 1111111', phone_key = $2 where id = $1`, [
      customer.id,
      office,
    ]);
    expect(await rowsOf(customer.id)).toMatchObject([{ id: phone_id, phone: '030 1111111' }]);
  });

  test('by nothing goes if it is the only one, and is refused otherwise', async () => {
    const customer = await create(foundation);
    await write(customer.id, office);
    const { phone_id } = await add(foundation, customer.id, mobile);
    await expect(write(customer.id, null)).rejects.toMatchObject(primaryStays);
    await remove(foundation, customer.id, phone_id);
    await write(customer.id, null);
    expect(await numbersOf(customer.id)).toEqual([]);
  });
});

test('the other numbers of a customer have events; the primary one has those of the customer', async () => {
  const customer = await create(foundation);
  const first = await add(foundation, customer.id, office);
  const { phone_id } = await add(foundation, customer.id, mobile);
  await makePrimary(foundation, customer.id, phone_id);
  await remove(foundation, customer.id, first.phone_id);
  await write(customer.id, home);
  expect(await eventsOf(customer.id)).toEqual([
    { type: 'phone.created', phone: mobile },
    { type: 'phone.deleted', phone: office },
  ]);
});

test('a number that two people add at the same moment is added once', async () => {
  const customer = await create(foundation);
  const { value } = await meet(
    [foundation, () => add(foundation, customer.id, office)],
    ['support_app', () => add(support, customer.id, office)],
  );
  expect(value).toMatchObject({ held: customer.id, version: '2' });
  expect(await rowsOf(customer.id)).toMatchObject([{ id: value?.phone_id, is_primary: true }]);
});

test('a number that is removed while another person makes it the primary one is not found', async () => {
  const customer = await create(foundation);
  await add(foundation, customer.id, office);
  const { phone_id } = await add(foundation, customer.id, mobile);
  const { value } = await meet(
    [foundation, () => remove(foundation, customer.id, phone_id)],
    ['support_app', () => makePrimary(support, customer.id, phone_id)],
  );
  expect(value).toEqual({ held: customer.id, phone_id: null, version: null });
  expect([await versionOf(customer.id), await numbersOf(customer.id)]).toEqual([4, [office]]);
});

test('an erased customer has no number any more, not even a removed one', async () => {
  const customer = await create(foundation);
  await add(foundation, customer.id, office);
  const { phone_id } = await add(foundation, customer.id, mobile);
  await add(foundation, customer.id, home);
  await remove(foundation, customer.id, phone_id);
  await owner.query('update platform.customers set erased_at = now() where id = $1', [customer.id]);
  expect([await numbersOf(customer.id), await primaryOf(customer.id)]).toEqual([[], null]);
  const { rowCount } = await owner.query('select from platform.removed_phones where customer_id = $1', [customer.id]);
  expect(rowCount).toBe(0);
  expect(await add(foundation, customer.id, home)).toEqual(nothing);
});

test('the id of a merged customer changes the numbers of the survivor', async () => {
  const [customer, survivor] = [await create(foundation), await create(foundation)];
  await owner.query('update platform.customers set merged_into = $2 where id = $1', [customer.id, survivor.id]);
  expect(await add(support, customer.id, mobile)).toMatchObject({ held: survivor.id });
  expect(await numbersOf(survivor.id)).toEqual([mobile]);
});
