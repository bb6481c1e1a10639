import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from './testing.ts';

let foundation: pg.Client;
let support: pg.Client;
let owner: pg.Client;
beforeAll(async () => {
  const database = await createTestDatabase();
  [foundation, support, owner] = await Promise.all([
    database.connect('foundation_app'),
    database.connect('support_app'),
    database.connect('postgres'),
  ]);
});

let count = 0;
async function create(client: pg.Client): Promise<string> {
  const { rows } = await client.query('insert into platform.customers (email, name) values ($1, $2) returning id', [
    `order-${++count}@example.com`,
    'Ada',
  ]);
  return rows[0].id;
}

/**
 * Customers whose row of the order differs from the record, is missing, or exists although lists do not show the
 * customer.
 */
async function findDifferences(): Promise<unknown[]> {
  const { rows } = await owner.query(`
    select c.id, c.account_tier, o.* from platform.customers c full join crm.customer_order o on o.customer_id = c.id
    where case when c.merged_into is null and c.erased_at is null
      then (coalesce(c.account_tier, '~'), c.updated_at) is distinct from (o.account_tier, o.updated_at)
      else o.customer_id is not null end`);
  return rows;
}

test('a change of a tier stays in its page and touches no index of platform.customers', async () => {
  const id = await create(foundation);
  await foundation.query('begin');
  await foundation.query(`update platform.customers set account_tier = 'premium' where id = $1`, [id]);
  const { rows } = await foundation.query(
    `select pg_stat_get_xact_tuples_hot_updated('platform.customers'::regclass)::integer as hot`,
  );
  await foundation.query('commit');
  expect(rows).toEqual([{ hot: 1 }]);
});

test('the order of customers follows every change, whichever app makes it', async () => {
  const [one, two] = [await create(foundation), await create(support)];
  await foundation.query(`update platform.customers set account_tier = 'premium' where id = any ($1)`, [[one, two]]);
  await support.query(`update platform.customers set name = 'Ada King' where id = $1`, [one]);
  await foundation.query('update platform.customers set account_tier = null where id = $1', [two]);
  expect(await findDifferences()).toEqual([]);
});

test('a merged or erased customer leaves the order, and is back in it when the merge is undone', async () => {
  const [one, two, three] = [await create(foundation), await create(foundation), await create(foundation)];
  await owner.query('update platform.customers set merged_into = $2 where id = $1', [one, three]);
  await owner.query('update platform.customers set erased_at = now() where id = $1', [two]);
  expect(await findDifferences()).toEqual([]);
  await owner.query('update platform.customers set merged_into = null where id = $1', [one]);
  expect(await findDifferences()).toEqual([]);
});

test('no app writes the order of customers itself', async () => {
  const writes = ['delete from crm.customer_order', `update crm.customer_order set account_tier = 'premium'`];
  for (const app of [foundation, support])
    for (const write of writes) await expect(app.query(write)).rejects.toMatchObject({ code: '42501' });
});
