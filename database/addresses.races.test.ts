import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { newEmail, openAddresses, primaryStays, taken } from './testing.addresses.ts';

const {
  database,
  create,
  add,
  makePrimary,
  remove,
  prove,
  ownerOf,
  addressOf,
  candidatesOf,
  meet,
  foundation,
  support,
} = await openAddresses();

describe('two changes of addresses at the same moment', () => {
  test('of two customers that get the same address the second is refused', async () => {
    const [customer, other, email] = [await create(foundation), await create(support), newEmail()];
    const { error } = await meet(
      [foundation, () => add(foundation, customer.id, email)],
      ['support_app', () => add(support, other.id, email)],
    );
    expect(error).toMatchObject(taken);
    expect(await ownerOf(email)).toBe(customer.id);
  });

  test('an address that is made primary while it is removed is not found', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(foundation, customer.id, email);
    const { value } = await meet(
      [foundation, () => remove(foundation, customer.id, address_id)],
      ['support_app', () => makePrimary(support, customer.id, address_id)],
    );
    expect(value).toEqual({ held: customer.id, address_id: null, version: null });
    expect(await ownerOf(email)).toBeUndefined();
  });

  test('an address that is removed while it is made primary stays', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(foundation, customer.id, email);
    const { error } = await meet(
      [foundation, () => makePrimary(foundation, customer.id, address_id)],
      ['support_app', () => remove(support, customer.id, address_id)],
    );
    expect(error).toMatchObject(primaryStays);
    expect(await ownerOf(email)).toBe(customer.id);
  });

  test('two visitors that prove one address make one customer and one candidate for review', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    await add(foundation, customer.id, email);
    const rival = await database.connect('support_app');
    let first: { id: string } | undefined;
    const { value } = await meet(
      [
        support,
        async () => {
          first = await prove(support, email);
        },
      ],
      ['support_app', () => prove(rival, email)],
    );
    expect(value).toEqual({ id: first?.id, created: false, taken_from: null });
    expect(await candidatesOf(customer.id)).toHaveLength(1);
  });

  test('an address that becomes primary while somebody proves it stays with its customer, verified', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(foundation, customer.id, email);
    const { value } = await meet(
      [foundation, () => makePrimary(foundation, customer.id, address_id)],
      ['support_app', () => prove(support, email)],
    );
    expect(value).toEqual({ id: customer.id, created: false, taken_from: null });
    expect(await addressOf(email)).toMatchObject({ is_primary: true, verified_at: expect.any(Date) });
  });

  test('two visitors that prove one mistyped primary address make one customer and one candidate for review', async () => {
    const customer = await create(foundation);
    const rival = await database.connect('support_app');
    let first: { id: string } | undefined;
    const { value } = await meet(
      [
        support,
        async () => {
          first = await prove(support, customer.email, 'Joan Miller');
        },
      ],
      ['support_app', () => prove(rival, customer.email, 'Joan Miller')],
    );
    expect(value).toEqual({ id: first?.id, created: false, taken_from: null });
    expect(await candidatesOf(customer.id)).toHaveLength(1);
  });

  test('a primary address that is corrected while its owner proves it goes to the owner, and the correction stays', async () => {
    const [customer, corrected] = [await create(foundation), newEmail()];
    const { value } = await meet(
      [
        foundation,
        () => foundation.query('update platform.customers set email = $2 where id = $1', [customer.id, corrected]),
      ],
      ['support_app', () => prove(support, customer.email, 'Joan Miller')],
    );
    expect(value).toMatchObject({ created: true, taken_from: customer.id });
    expect(await addressOf(corrected)).toMatchObject({ customer_id: customer.id, is_primary: true });
  });

  test('a customer who gets the proven name while the proof waits keeps the primary address, verified', async () => {
    const customer = await create(foundation);
    const { value } = await meet(
      [
        foundation,
        () => foundation.query(`update platform.customers set name = 'Joan Miller' where id = $1`, [customer.id]),
      ],
      ['support_app', () => prove(support, customer.email, 'Joan Miller')],
    );
    expect(value).toEqual({ id: customer.id, created: false, taken_from: null });
    expect(await addressOf(customer.email)).toMatchObject({ is_primary: true, verified_at: expect.any(Date) });
  });

  test('two customers that exchange their addresses are both refused, and never wait for each other', async () => {
    const [one, other] = [await create(foundation), await create(support)];
    const take = (client: pg.Client, id: string, email: string) =>
      client.query('update platform.customers set email = $2 where id = $1', [id, email]).then(
        () => 'taken',
        ({ code }) => code,
      );
    for (let round = 0; round < 40; round++)
      expect(await Promise.all([take(foundation, one.id, other.email), take(support, other.id, one.email)])).toEqual([
        '23505',
        '23505',
      ]);
  });

  test('an address that is removed while a visitor proves it goes to the visitor, with nothing to review', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(foundation, customer.id, email);
    const { value } = await meet(
      [foundation, () => remove(foundation, customer.id, address_id)],
      ['support_app', () => prove(support, email)],
    );
    expect(value).toMatchObject({ created: true, taken_from: null });
    expect(await ownerOf(email)).toBe(value?.id);
    expect(await candidatesOf(customer.id)).toEqual([]);
  });

  test('an address that is removed while another customer is made with it is free for that customer', async () => {
    const [customer, email] = [await create(foundation), newEmail()];
    const { address_id } = await add(foundation, customer.id, email);
    const { value } = await meet(
      [foundation, () => remove(foundation, customer.id, address_id)],
      ['support_app', () => create(support, email)],
    );
    expect(await ownerOf(email)).toBe(value?.id);
  });
});
