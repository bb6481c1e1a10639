import { atEnd, createTestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { connectPlatform, type PlatformDb } from './index.ts';
import { createCustomers, mergeWorld } from './testing.merging.ts';

/*
 * A lookup of one address goes by the table of addresses, one of many by the customers' own rows and another view. Whichever way, the answer
 * is the same, of customers of every kind.
 */

let superuser: pg.Client;
let apps: { login: pg.Client; db: PlatformDb }[];
let others: pg.Client[];
const ids: string[] = [];
/** With those of nobody, and those that were somebody's. */
let addresses: string[];

beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  const privacy = await database.connect('privacy_app');
  const connect = async (app: 'foundation' | 'support') => ({
    login: await database.connect(`${app}_app`),
    db: await connectPlatform({ app, variables: { PLATFORM_DB_URL: database.directUrl(`${app}_app`) } }),
  });
  apps = [await connect('foundation'), await connect('support')];
  others = [await database.connect('console_app'), await database.connect('sync_app')];
  const console = await connectPlatform({
    app: 'console',
    variables: { PLATFORM_DB_URL: database.url('console_app') },
  });
  atEnd(() => Promise.all([console.close(), ...apps.map(({ db }) => db.close())]));
  await superuser.query(mergeWorld);
  await superuser.query('select setseed(0.25)');
  const customer = createCustomers(superuser);
  for (let n = 0; n < 40; n++)
    ids.push(
      await customer({
        company: n % 3 === 0,
        address: n % 11 !== 10,
        others: n % 4,
        phone: n % 5 === 0 ? null : undefined,
        ...(n % 2 && { account_tier: 'premium', timezone: 'Europe/Berlin' }),
      }),
    );
  await superuser.query(
    `update platform.customers set account_manager_id = case when random() < 0.5 then 'tom' else 'maya' end
     where random() < 0.5`,
  );
  await superuser.query(
    `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency)
     select c.id, 1, 1, 'Deal ' || n, (random() * 1e6)::numeric(12, 2), case when random() < 0.5 then 'EUR' else 'USD' end
     from platform.customers c, generate_series(1, 4) n where random() < 0.6`,
  );
  await superuser.query(
    `insert into crm.deal_contacts (deal_id, customer_id)
     select d.id, c.id from crm.deals d, platform.customers c where random() < 0.05 on conflict do nothing`,
  );
  await superuser.query(
    `insert into crm.pipeline_stages (pipeline_id, name, position, outcome) values (1, 'Won', 2, 'won')`,
  );
  await superuser.query(`update crm.deals set stage_id = 2, status = 'won', closed_at = now() where random() < 0.3`);
  await superuser.query(
    `insert into crm.activities (customer_id, type, description, occurred_at, created_by_app)
     select c.id, case when random() < 0.5 then 'note' else 'call' end, 'x', now() + (random() * 20 - 15) * interval '1 day', 'foundation'
     from platform.customers c, generate_series(1, 3) where random() < 0.5`,
  );
  const read = async () =>
    (await superuser.query('select email_key from platform.customer_emails')).rows.map(({ email_key: key }) => key);
  const before = await read();
  for (const [survivor, loser] of [
    [0, 1],
    [0, 2],
    [3, 10],
    [21, 4],
  ] as const)
    await console.mergeCustomers(ids[survivor] as string, [ids[loser] as string], { actor: 'tom' });
  const { merges } = await console.mergeCustomers(ids[6] as string, [ids[7] as string], { actor: 'tom' });
  await console.unmergeCustomers(merges[0]?.merge as string, { actor: 'tom' });
  await apps[0]?.db.updateCustomer(ids[8] as string, { email: 'moved@example.com' });
  await apps[0]?.db.updateCustomer(ids[9] as string, { email: 'freed@example.com' }, { formerAddress: 'free' });
  await privacy.query(`select set_config('aether.actor', 'tom', false)`);
  for (const erased of [0, 12, 13])
    await privacy.query('select platform.erase_customer($1, $2)', [ids[erased], 'Asked']);
  addresses = [...new Set([...before, ...(await read()), 'nobody@example.com'])];
});

const columns = async (view: string) =>
  (await superuser.query(`select * from ${view} limit 0`)).fields.map(({ name, dataTypeID }) => [name, dataTypeID]);

test('the context by address has the columns of the context, and says the same of every address to each app', async () => {
  const [asked, ...rest] = await columns('crm.context_by_address');
  expect([asked?.[0], rest]).toEqual(['asked', await columns('crm.customer_context')]);
  const { rows: kinds } = await superuser.query(
    `select count(*) filter (where merged_into is not null)::integer as merged,
       count(*) filter (where erased_at is not null)::integer as erased,
       count(*) filter (where company_id is null)::integer as alone from platform.customers`,
  );
  expect(kinds[0].merged).toBeGreaterThanOrEqual(3);
  expect(kinds[0].erased).toBeGreaterThanOrEqual(3);
  expect(kinds[0].alone).toBeGreaterThan(10);
  for (const { login } of apps) {
    const { rows: byId } = await login.query(
      `select e.email_key as asked, c.* from platform.customer_emails e join crm.customer_context c on c.id = e.customer_id
       order by asked`,
    );
    const { rows: byAddress } = await login.query('select * from crm.context_by_address order by asked');
    expect(byAddress).toEqual(byId);
    expect(byId.filter((row) => row.deals_of_others > 0).length).toBeGreaterThan(3);
    expect(byId.filter((row) => row.email.toLowerCase() !== row.asked).length).toBeGreaterThan(10);
  }
});

test('it is open to the apps to which the context is, and to no other', async () => {
  for (const login of others)
    for (const view of ['crm.customer_context', 'crm.context_by_address'])
      await expect(login.query(`select from ${view}`)).rejects.toMatchObject({ code: '42501' });
  const { rows } = await superuser.query(
    `select count(distinct (relowner, relacl::text, coalesce(reloptions::text, '')))::integer as kinds
     from pg_class where oid in ('crm.customer_context'::regclass, 'crm.context_by_address'::regclass)`,
  );
  expect(rows[0].kinds).toBe(1);
});

test('addresses that are asked for together have the answers that each has alone', async () => {
  const { email } = (await superuser.query('select email from platform.customers where id = $1', [ids[5]])).rows[0];
  const strange = ['a"b@example.com', 'a,b@example.com', email.toUpperCase()];
  const all = [...addresses.filter((address) => !address.endsWith('.invalid')), ...strange];
  for (const { db } of apps)
    for (const call of [db.getCustomerByEmail, db.getCustomerContext]) {
      const settle = (answer: Promise<unknown>) => answer.catch((error) => String(error));
      const together = await Promise.all(all.map((address) => settle(call(address))));
      const alone = await db.transaction({}, async (tx) => {
        const answers: unknown[] = [];
        for (const address of all) answers.push(await settle(call(address, { tx })));
        return answers;
      });
      expect(together).toEqual(alone);
      expect(together.filter((found) => found === null).length).toBeGreaterThan(3);
      expect(together.at(-1)).not.toBeNull();
      expect(together.at(-1)).toEqual(together[all.indexOf(email)]);
    }
});
