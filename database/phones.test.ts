import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from './testing.ts';

let foundation: pg.Client;
let support: pg.Client;
let unique = 0;
const newEmail = () => `phone-${++unique}@example.com`;
beforeAll(async () => {
  const database = await createTestDatabase();
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
});

async function insert(by: pg.Client, given: Record<string, string>): Promise<{ id: string }> {
  const columns = Object.keys(given);
  const { rows } = await by.query(
    `insert into platform.customers (${columns.join(', ')}) values (${columns.map((_, n) => `$${n + 1}`).join(', ')}) returning id`,
    Object.values(given),
  );
  return rows[0];
}

describe('a telephone number', () => {
  const phoneOf = async (id: string) =>
    (await foundation.query('select phone, phone_key, phone_extension from platform.customers where id = $1', [id]))
      .rows[0];
  const known = { phone: '+49 30 1234567 x5', phone_key: '+49301234567', phone_extension: '5' };
  const withPhone = async () => {
    const { id } = await insert(foundation, { email: newEmail(), name: 'Phone', ...known });
    return id as string;
  };
  const set = (id: string, assignments: string, by = support) =>
    by.query(`update platform.customers set ${assignments} where id = $1`, [id]);

  test.each([
    [`phone = '+44 20 7946 0001'`, '23502'],
    [`phone = '+44 20 7946 0001', phone_key = null`, '23502'],
    [`phone = '+44 20 7946 0001', phone_key = '+49301234567'`, '23514'],
    [`phone_key = '+49309999999'`, '23514'],
    [`phone_key = null`, '23514'],
    [`phone = null, phone_key = '+49301234567'`, '23514'],
    [`phone = 'abc def', phone_key = 'abcdef'`, '23514'],
    [`phone = '030 1234567', phone_key = '0301234567'`, '23514'],
    [`phone_extension = 'five'`, '23514'],
  ])('is never left with the key of another, nor without one: %s is refused', async (assignments, code) => {
    const id = await withPhone();
    await expect(set(id, assignments)).rejects.toMatchObject({ code });
    expect(await phoneOf(id)).toEqual(known);
  });

  test('is written together with its key, and loses an extension that is not given again', async () => {
    const id = await withPhone();
    await set(id, `phone = '+44 20 7946 0001', phone_key = '+442079460001'`);
    expect(await phoneOf(id)).toEqual({ phone: '+44 20 7946 0001', phone_key: '+442079460001', phone_extension: null });
    await set(id, `phone = '+49 30 1234567 x5', phone_key = '+49301234567', phone_extension = '5'`, foundation);
    expect(await phoneOf(id)).toEqual(known);
  });

  test('that is taken away takes its key along, and a change of something else leaves all three', async () => {
    const id = await withPhone();
    await set(id, `name = 'Other'`);
    expect(await phoneOf(id)).toEqual(known);
    await set(id, 'phone = null');
    expect(await phoneOf(id)).toEqual({ phone: null, phone_key: null, phone_extension: null });
  });

  test('without a key is refused for a new customer and for a contact, with what to use instead', async () => {
    const refusal = { code: '23502', hint: expect.stringContaining('createCustomer') };
    const number = { phone: '+49 30 1234567' };
    await expect(insert(foundation, { email: newEmail(), name: 'New', ...number })).rejects.toMatchObject(refusal);
    const { rows } = await foundation.query(`insert into platform.companies (name) values ('Phones') returning id`);
    const add = (columns: string, values: string) =>
      foundation.query(`insert into crm.contacts (company_id, name${columns}) values ($1, 'C'${values})`, [rows[0].id]);
    await expect(add(', phone', `, '+49 30 1234567'`)).rejects.toMatchObject(refusal);
    await add(', phone, phone_key', `, '+49 30 1234567', '+49301234567'`);
    await expect(foundation.query(`update crm.contacts set phone = '+49 30 7654321'`)).rejects.toMatchObject(refusal);
  });
});
