import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from './testing.scope.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let superuser: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
});

let count = 0;
const newEmail = () => `customer-${++count}@example.com`;

async function create(client: pg.Client, email = newEmail()) {
  const { rows } = await client.query('insert into platform.customers (email, name) values ($1, $2) returning *', [
    email,
    'Ada',
  ]);
  return rows[0];
}
async function update(client: pg.Client, id: string, change: string) {
  const { rows } = await client.query(`update platform.customers set ${change} where id = $1 returning *`, [id]);
  return rows[0];
}
const knownBy = async (id: string) =>
  (
    await support.query(
      'select email_key, is_primary from platform.customer_emails where customer_id = $1 order by created_at, email_key',
      [id],
    )
  ).rows;
const numbersOf = async (id: string) =>
  (
    await support.query(
      'select app, external_id from platform.customer_external_ids where customer_id = $1 order by app, external_id',
      [id],
    )
  ).rows;

const waitUntilBlocked = (login: string) =>
  until(async () => {
    const { rowCount } = await superuser.query(
      `select from pg_stat_activity where datname = current_database() and usename = $1 and wait_event_type = 'Lock'`,
      [login],
    );
    return rowCount;
  });

describe('the version', () => {
  test('counts a change, and updated_at dates it', async () => {
    const customer = await create(foundation);
    expect(customer.version).toBe('1');
    const changed = await update(support, customer.id, `name = 'Ada L.'`);
    expect(changed.version).toBe('2');
    expect(changed.updated_at.getTime()).toBeGreaterThanOrEqual(customer.updated_at.getTime());
    expect(changed.created_at).toEqual(customer.created_at);
    const { rows } = await support.query(
      'select updated_at > created_at as later from platform.customers where id = $1',
      [customer.id],
    );
    expect(rows).toEqual([{ later: true }]);
  });

  test('does not count a write that changes nothing, and updated_at stays as well', async () => {
    const customer = await create(foundation);
    expect(await update(support, customer.id, 'name = name, phone = null, email = email')).toEqual(customer);
  });

  test('lets one of two callers that read the same version write', async () => {
    const { id, version } = await create(foundation);
    const write = (client: pg.Client, name: string) =>
      client.query('update platform.customers set name = $3 where id = $1 and version = $2', [id, version, name]);
    const results = await Promise.all([write(foundation, 'One'), write(support, 'Two')]);
    expect(results.map((result) => result.rowCount).sort()).toEqual([0, 1]);
  });

  test('counts for companies, deals and contacts too', async () => {
    const company = (await support.query(`insert into platform.companies (name) values ('Acme') returning id, version`))
      .rows[0];
    const renamed = `update platform.companies set name = 'Acme Ltd' where id = '${company.id}' returning version`;
    expect((await support.query(renamed)).rows).toEqual([{ version: '2' }]);
    expect((await support.query(renamed)).rows).toEqual([{ version: '2' }]);
  });
});

describe('the key of an address', () => {
  test('of a plain address may be left out', async () => {
    const customer = await create(support, 'Grace.HOPPER@Example.COM');
    expect(customer).toMatchObject({ email: 'Grace.HOPPER@Example.COM', email_key: 'grace.hopper@example.com' });
    expect((await update(support, customer.id, `email = 'G.Hopper@Example.com'`)).email_key).toBe(
      'g.hopper@example.com',
    );
    expect((await update(support, customer.id, 'email_key = null')).email_key).toBe('g.hopper@example.com');
  });

  test('of a plain address must be that address', async () => {
    const insert = 'insert into platform.customers (email, email_key, name) values ($1, $2, $3)';
    for (const key of ['other@example.com', 'Plain@example.com', ' plain@example.com', '']) {
      await expect(support.query(insert, ['Plain@example.com', key, 'P']), key).rejects.toMatchObject({
        code: '23514',
        constraint: 'customers_email_key_canonical',
      });
    }
    expect((await support.query(insert, ['Plain@example.com', 'plain@example.com', 'P'])).rowCount).toBe(1);
  });

  test('of an address beyond ASCII must be given', async () => {
    const insert = 'insert into platform.customers (email, email_key, name) values ($1, $2, $3) returning email_key';
    await expect(support.query(insert, ['Jürgen@example.com', null, 'J'])).rejects.toMatchObject({
      code: '23502',
      column: 'email_key',
      hint: expect.stringContaining('platformDb'),
    });
    expect((await support.query(insert, ['Jürgen@example.com', 'jürgen@example.com', 'J'])).rows).toEqual([
      { email_key: 'jürgen@example.com' },
    ]);
  });

  test('of an address beyond ASCII must be given again with another spelling of it', async () => {
    const customer = await create(support);
    await expect(update(support, customer.id, `email = 'jörg@example.com'`)).rejects.toMatchObject({
      code: '23502',
      column: 'email_key',
      hint: expect.stringContaining('updateCustomer'),
    });
    const both = (email: string) => update(support, customer.id, `email = '${email}', email_key = 'jörg@example.com'`);
    expect((await both('jörg@example.com')).email_key).toBe('jörg@example.com');
    expect((await both('JÖRG@example.com')).email_key).toBe('jörg@example.com');
    expect((await update(support, customer.id, `name = 'Jörg'`)).email_key).toBe('jörg@example.com');
  });

  test.each(['no-at.example.com', 'two@at@example.com', 'a b@example.com', 'a@exämple.com', 'a@', '@example.com'])(
    'is never %s',
    async (key) => {
      const insert = 'insert into platform.customers (email, email_key, name) values ($1, $2, $3)';
      await expect(support.query(insert, [`ü${key}`, key, 'N'])).rejects.toMatchObject({ code: '23514' });
    },
  );
});

describe('the numbers of the apps', () => {
  test('are given by the app that creates, each from its own sequence', async () => {
    const [first, second] = [await create(foundation), await create(foundation)];
    expect(Number(second.crm_id)).toBe(Number(first.crm_id) + 1);
    expect(first.support_id).toBeNull();
    const third = await create(support);
    expect(third.crm_id).toBeNull();
    expect(Number(third.support_id)).toBeGreaterThanOrEqual(1000);
  });

  test('stay known after a customer loses them', async () => {
    const customer = await create(support);
    expect(await numbersOf(customer.id)).toEqual([{ app: 'support', external_id: customer.support_id }]);
    await update(foundation, customer.id, 'crm_id = 77');
    await update(foundation, customer.id, 'crm_id = 78');
    await update(foundation, customer.id, 'crm_id = 77');
    expect(await numbersOf(customer.id)).toEqual([
      { app: 'foundation', external_id: '77' },
      { app: 'foundation', external_id: '78' },
      { app: 'support', external_id: customer.support_id },
    ]);
  });

  test('cannot be taken if another customer had them before', async () => {
    const [former, later] = [await create(foundation), await create(foundation)];
    await update(foundation, former.id, 'crm_id = 88');
    await update(foundation, former.id, 'crm_id = 89');
    await expect(update(foundation, later.id, 'crm_id = 88')).rejects.toMatchObject({
      code: '23505',
      constraint: 'customer_external_ids_pkey',
    });
    expect((await update(foundation, former.id, 'crm_id = 88')).crm_id).toBe('88');
  });
});

describe('the addresses a customer is known by', () => {
  test('outlive a change, and the new one becomes primary', async () => {
    const customer = await create(support);
    const email = newEmail();
    await update(foundation, customer.id, `email = '${email.toUpperCase()}'`);
    expect(await knownBy(customer.id)).toEqual([
      { email_key: customer.email_key, is_primary: false },
      { email_key: email, is_primary: true },
    ]);
    await update(support, customer.id, `email = '${customer.email}'`);
    expect(await knownBy(customer.id)).toEqual([
      { email_key: customer.email_key, is_primary: true },
      { email_key: email, is_primary: false },
    ]);
  });

  test('do not change with the spelling', async () => {
    const customer = await create(support);
    const spelled = await update(support, customer.id, `email = '${customer.email.toUpperCase()}'`);
    expect(spelled).toMatchObject({ version: '2', email_key: customer.email_key });
    expect(await knownBy(customer.id)).toEqual([{ email_key: customer.email_key, is_primary: true }]);
  });

  test('cannot be taken by another customer, present or former', async () => {
    const [one, other] = [await create(support), await create(support)];
    const taken = { code: '23505', constraint: 'customer_emails_pkey' };
    await expect(create(foundation, one.email.toUpperCase())).rejects.toMatchObject(taken);
    await expect(update(foundation, other.id, `email = '${one.email}'`)).rejects.toMatchObject(taken);
    await update(support, one.id, `email = '${newEmail()}'`);
    await expect(create(foundation, one.email)).rejects.toMatchObject(taken);
    await expect(update(foundation, other.id, `email = '${one.email}'`)).rejects.toMatchObject(taken);
    expect(await knownBy(other.id)).toEqual([{ email_key: other.email_key, is_primary: true }]);
    expect((await update(support, one.id, `email = '${one.email}'`)).email).toBe(one.email);
  });

  test('cannot be exchanged between two customers in one statement, in either order', async () => {
    const [one, other] = [await create(support), await create(support)];
    const exchange = `update platform.customers set email = case id when $1 then $3 else $4 end where id in ($1, $2)`;
    await expect(support.query(exchange, [one.id, other.id, other.email, one.email])).rejects.toMatchObject({
      code: '23505',
    });
    expect((await support.query(exchange, [one.id, other.id, newEmail(), newEmail()])).rowCount).toBe(2);
  });
});

describe('the number of a customer', () => {
  const last = async () =>
    Number((await superuser.query('select last_value from crm.customer_number')).rows[0].last_value);
  const withNumber = (number: number) =>
    foundation.query('insert into platform.customers (email, name, crm_id) values ($1, $2, $3)', [
      newEmail(),
      'Old',
      number,
    ]);

  test('steps over numbers that were given by hand, also for find-or-create and adoption', async () => {
    const from = await last();
    for (const each of [1, 2, 3, 5, 6, 8]) await withNumber(from + each);
    expect(Number((await create(foundation)).crm_id)).toBe(from + 4);
    const found = 'select (f.customer).crm_id from platform.find_or_create_customer($1, $1, $2) as f';
    expect(Number((await foundation.query(found, [newEmail(), 'New'])).rows[0].crm_id)).toBe(from + 7);
    const chatBorn = await create(support);
    const adopt = `crm_id = platform.next_customer_number('foundation')`;
    expect(Number((await update(foundation, chatBorn.id, adopt)).crm_id)).toBe(from + 9);
  });

  test('is the next free one if a rival takes the drawn number at the same moment', async () => {
    const from = await last();
    await foundation.query('begin');
    await withNumber(from + 1);
    const rival = await database.connect('foundation_app');
    const call = 'select (f.customer).crm_id, f.created from platform.find_or_create_customer($1, $1, $2) f';
    const waiting = rival.query(call, [newEmail(), 'Late']);
    await waitUntilBlocked('foundation_app');
    await foundation.query('commit');
    expect((await waiting).rows).toEqual([{ crm_id: String(from + 2), created: true }]);
  });

  test('is refused if a caller asks for one of another customer', async () => {
    const { crm_id } = await create(foundation);
    await expect(withNumber(crm_id)).rejects.toMatchObject({ code: '23505', constraint: 'customers_crm_id_key' });
  });
});

describe('find or create', () => {
  const call = 'select (f.customer).id, f.created from platform.find_or_create_customer($1, $2, $3) as f';

  test('from 50 connections at once makes one customer, and all get it', async () => {
    const key = newEmail();
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, index) => database.connect(index % 2 ? 'support_app' : 'foundation_app')),
    );
    const spell = (index: number) =>
      [...key].map((letter, place) => ((index >> (place % 6)) & 1 ? letter.toUpperCase() : letter)).join('');
    const results = await Promise.all(
      clients.map((client, index) => client.query(call, [key, spell(index), `Name ${index}`])),
    );
    const rows = results.map((result) => result.rows[0]);
    expect(new Set(rows.map((row) => row.id)).size).toBe(1);
    expect(rows.filter((row) => row.created)).toHaveLength(1);
    expect(await knownBy(rows[0].id)).toEqual([{ email_key: key, is_primary: true }]);
    const { rows: same } = await superuser.query(
      'select count(*)::integer as customers from platform.customers where email_key = $1',
      [key],
    );
    expect(same).toEqual([{ customers: 1 }]);
  });

  test('changes nothing of an existing customer, and finds a customer by a former address', async () => {
    const customer = await create(foundation);
    await update(foundation, customer.id, `email = '${newEmail()}'`);
    const { rows } = await support.query(call, [customer.email_key, customer.email, 'Somebody Else']);
    expect(rows).toEqual([{ id: customer.id, created: false }]);
    const { rows: kept } = await support.query('select name, version from platform.customers where id = $1', [
      customer.id,
    ]);
    expect(kept).toEqual([{ name: 'Ada', version: '2' }]);
  });

  test('waits for a rival that has not committed, and returns the rival’s customer', async () => {
    const email = newEmail();
    await foundation.query('begin');
    const { rows: made } = await foundation.query(call, [email, email, 'Rival']);
    const found = support.query(call, [email, email, 'Late']);
    await waitUntilBlocked('support_app');
    await foundation.query('commit');
    expect((await found).rows).toEqual([{ id: made[0].id, created: false }]);
  });

  test('makes the customer itself if the rival rolls back', async () => {
    const email = newEmail();
    await foundation.query('begin');
    await foundation.query(call, [email, email, 'Rival']);
    const found = support.query(call, [email, email, 'Late']);
    await waitUntilBlocked('support_app');
    await foundation.query('rollback');
    expect((await found).rows).toMatchObject([{ created: true }]);
  });

  test('under repeatable read asks for a retry if it cannot see the rival’s customer', async () => {
    const email = newEmail();
    await support.query('begin isolation level repeatable read');
    await support.query('select from platform.customers limit 1'); // its snapshot begins here
    await create(foundation, email);
    await expect(support.query(call, [email, email, 'Late'])).rejects.toMatchObject({
      code: '40001',
      message: 'a customer with this address or number appeared meanwhile',
    });
    await support.query('rollback');
    expect((await support.query(call, [email, email, 'Again'])).rows).toMatchObject([{ created: false }]);
  });

  test('refuses everything that an insert refuses', async () => {
    await expect(support.query(call, ['a@example.com', 'b@example.com', 'N'])).rejects.toMatchObject({ code: '23514' });
    await expect(support.query(call, ['a@example.com', 'a@example.com', ''])).rejects.toMatchObject({ code: '23514' });
    expect((await support.query(call, ['a@example.com', 'A@example.com', 'N'])).rows).toMatchObject([
      { created: true },
    ]);
  });
});

describe('an erased customer', () => {
  test('cannot be changed by an app: an update finds no row, and no error shows the reason', async () => {
    const [erased, other] = [await create(support), await create(support)];
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [erased.id]);
    for (const client of [foundation, support]) {
      expect(await update(client, erased.id, `name = 'Back'`)).toBeUndefined();
      expect(await update(client, other.id, `name = 'There'`)).toMatchObject({ name: 'There' });
    }
    const { rows } = await support.query(
      'select name, erased_at is not null as erased from platform.customers where id = $1',
      [erased.id],
    );
    expect(rows).toEqual([{ name: 'Ada', erased: true }]);
  });

  test('cannot be changed through an upsert or MERGE, which fail with an error', async () => {
    const erased = await create(support);
    const merge = `merge into platform.customers c using (values ($1::uuid)) as v (id) on c.id = v.id
      when matched then update set name = 'Back'`;
    expect((await support.query(merge, [erased.id])).rowCount).toBe(1);
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [erased.id]);
    await expect(support.query(merge, [erased.id])).rejects.toMatchObject({ code: '42501' });
  });
});

describe('a merged customer', () => {
  test('cannot be merged into itself', async () => {
    const [one, other] = [await create(support), await create(support)];
    const merge = 'update platform.customers set merged_into = $2 where id = $1';
    await expect(superuser.query(merge, [one.id, one.id])).rejects.toMatchObject({ code: '23514' });
    expect((await superuser.query(merge, [one.id, other.id])).rowCount).toBe(1);
  });
});
