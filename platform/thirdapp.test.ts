import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { setEvents } from '@aether/database';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { isUnderWay } from '@aether/database/testing.scope';
import pg from 'pg';
import { beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { typedQueries } from './kysely.ts';
import { connectPlatform, type PlatformDb } from './platform.ts';
import { addThirdApp } from './testing.thirdapp.ts';

let app: string;
let database: TestDatabase;
let billing: PlatformDb;
let support: PlatformDb;
let sql: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  const added = await addThirdApp(database);
  ({ name: app, owner } = added);
  sql = new pg.Client({ connectionString: added.url });
  await sql.connect();
  billing = await connectPlatform({
    app,
    variables: { PLATFORM_DB_URL: added.url },
    constraints: {
      ends_after_it_begins: { field: 'ends', message: 'must be after the beginning' },
      one_at_a_time: { field: 'begins', message: 'is in another subscription' },
    },
  });
  support = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  atEnd(() => Promise.all([billing.close(), support.close(), sql.end()]));
});

test('a third app reads the customers of the others and creates its own, in its own name', async () => {
  const known = await support.createCustomer({ name: 'Ada', email: 'ada@example.com' });
  expect(await billing.getCustomerByEmail('ada@example.com')).toMatchObject({ id: known.id });
  const made = await billing.createCustomer({ name: 'Bob', email: 'bob@example.com' });
  expect(made).toMatchObject({ created_by_app: app, crm_id: null, support_id: null });
  expect(await support.getCustomerById(made.id)).toMatchObject({ name: 'Bob', created_by_app: app });
  expect(await billing.updateCustomer(known.id, { phone: '+49 30 123456' })).toMatchObject({ version: 2 });
  const forged = `insert into platform.customers (email, name, created_by_app) values ('eve@example.com', 'Eve', 'support')`;
  await expect(sql.query(forged)).rejects.toMatchObject({ code: '42501' });
});

test('of a third app’s login the server compiles no statement, as of no login of the house', async () => {
  const { rows } = await sql.query(`select setting, source from pg_settings where name = 'jit'`);
  expect(rows).toEqual([{ setting: 'off', source: 'user' }]);
});

test('a third app writes no field that another app owns', async () => {
  const { id } = await billing.createCustomer({ name: 'Cay', email: 'cay@example.com' });
  await expect(billing.updateCustomer(id, { account_tier: 'gold' })).rejects.toMatchObject({ code: 'field-not-owned' });
  await expect(billing.updateCustomer(id, { timezone: 'UTC' })).rejects.toMatchObject({ code: 'field-not-owned' });
});

test('a refusal of an own constraint names the field and the constraint, in the words of the app if it has some', async () => {
  await owner.query(`create table ${app}.terms (number text constraint terms_number_key unique, begins integer, ends integer,
      plan text constraint known_plan_only check (plan in ('basic', 'plus')), seats integer check (seats > 0),
      customer_id uuid references platform.customers,
      constraint ends_after_it_begins check (ends > begins), constraint one_at_a_time exclude (begins with =));
    call platform.protect_table('${app}.terms'); call platform.stay_in_merges('${app}.terms', 'customer_id', 'A test.');
    create policy billing_all on ${app}.terms to ${app}_role using (true) with check (true);
    grant select, insert on ${app}.terms to ${app}_role`);
  const add = (columns: string, ...values: unknown[]) =>
    billing.transaction({}, (tx) =>
      tx.query(
        `insert into ${app}.terms (${columns}) values (${values.map((_, at) => `$${at + 1}`).join(', ')})`,
        values,
      ),
    );
  await add('number, begins', 'A-1', 1);
  await expect(add('number', 'A-1')).rejects.toMatchObject({
    code: 'already-exists',
    message: 'Another record already has this number.',
    constraint: 'terms_number_key',
  });
  await expect(add('begins, ends', 2, 1)).rejects.toMatchObject({
    code: 'invalid-field',
    fields: [{ field: 'ends', message: 'must be after the beginning' }],
    constraint: 'ends_after_it_begins',
  });
  await expect(add('begins', 1)).rejects.toMatchObject({
    code: 'already-exists',
    message: 'begins: is in another subscription',
    fields: [{ field: 'begins', message: 'is in another subscription' }],
  });
  await expect(add('plan', 'gold')).rejects.toMatchObject({
    fields: [{ field: 'record', message: 'is not of the allowed form: known plan only.' }],
    constraint: 'known_plan_only',
  });
  await expect(add('seats', 0)).rejects.toMatchObject({
    fields: [{ field: 'seats', message: 'is not of the allowed form.' }],
  });
  await expect(add('customer_id', '019aa000-0000-7000-8000-000000000000')).rejects.toMatchObject({
    code: 'reference-not-found',
    fields: [{ field: 'customer_id' }],
  });
  expect((await sql.query(`select number from ${app}.terms`)).rows).toEqual([{ number: 'A-1' }]);
});

test.each([
  'select from crm.deals',
  'select from crm.activities',
  'select from crm.customer_context',
  'select from support.messages',
  'select from support.sessions',
  'create table public.t ()',
  `insert into platform.apps (name, role, audience) values ('mine', 'support_role', 'crm')`,
])('a third app cannot run “%s”, and its own schema is open to it', async (statement) => {
  await expect(sql.query(statement)).rejects.toMatchObject({ code: '42501' });
  await expect(sql.query(`select from ${app}.nothing`)).rejects.toMatchObject({ code: '42P01' });
});

test('a third app publishes its own events and no others, and each app sees the events meant for it', async () => {
  const publish = (type: string, to: string) => sql.query('select sync.publish($1, $2, $3, $4)', [type, 'k', '{}', to]);
  await publish(`${app}.paid`, 'platform');
  await publish(`${app}.noted`, 'own');
  await expect(publish('support.greeted', 'platform')).rejects.toMatchObject({ code: '42501' });
  await expect(publish('customer.updated', 'platform')).rejects.toMatchObject({ code: '42501' });
  await expect(publish(`${app}.paid`, 'crm')).rejects.toMatchObject({ code: '42501' });
  await owner.query(`insert into sync.outbox (type, key, row_id, audience, app, login, data)
    values ('deal.created', 'k', 'k', 'crm', 'foundation', session_user, '{}')`);
  const sync = await database.connect('sync_app');
  await sync.query('begin; select from sync.sequencer for update; select sync.sequence(1000, 0); commit');
  const seen = async (client: { query(text: string): Promise<pg.QueryResult> }) =>
    (await client.query(`select type from sync.events where type ~ '^(${app}|deal)' order by position`)).rows.map(
      ({ type }) => type,
    );
  expect(await seen(sql)).toEqual([`${app}.paid`, `${app}.noted`]);
  expect(await seen(await database.connect('support_app'))).toEqual([`${app}.paid`]);
  expect(await seen(await database.connect('foundation_app'))).toEqual([`${app}.paid`, 'deal.created']);
});

test('a third app subscribes, and its subscription holds the log for its own events only', async () => {
  await sql.query(`insert into sync.subscriptions (name, types, position) values ('${app}.all', null, 0)`);
  await expect(
    sql.query(`insert into sync.subscriptions (name, types, position) values ('support.mine', null, 0)`),
  ).rejects.toMatchObject({ constraint: 'subscriptions_name_of_app' });
  const sync = await database.connect('sync_app');
  const { rows } = await sync.query(
    `select behind = (select count(*) from sync.events where audience in ('platform', '${app}')) as fits
     from sync.list_holders(1, 1000000) where name = '${app}.all'`,
  );
  expect(rows).toEqual([{ fits: true }]);
});

test('a third app is told of closed deals if it was granted that, of their amounts if it was granted these too, and nobody else is', async () => {
  const types = ['deal.closed', 'deal.reopened'] as const;
  const foundation = await database.connect('foundation_app');
  const sync = await database.connect('sync_app');
  const { id } = await support.createCustomer({ name: 'Dea', email: 'dea@example.com' });
  await foundation.query(`insert into platform.tiers (key, label, colour, position) values ('gold', 'Gold', 'gold', 90);
    with made as (insert into crm.pipelines (name) values ('Sales') returning id)
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
    select id, s.name, s.position, s.outcome from made, (values ('Open', 1, 'open'), ('Won', 2, 'won')) s (name, position, outcome)`);
  const { rows } = await foundation.query(
    `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency)
     select $1, pipeline_id, id, 'Secret', 1200.5, 'EUR' from crm.pipeline_stages where name = 'Open' returning id`,
    [id],
  );
  const deal = rows[0].id as string;
  const close = () =>
    foundation.query(`insert into crm.deal_closings (deal_id, outcome, given_tier) values ($1, 'won', 'gold')`, [deal]);
  const reopen = () =>
    foundation.query(
      `update crm.deals set status = 'open', stage_id = (select id from crm.pipeline_stages where name = 'Open') where id = $1`,
      [deal],
    );
  const begin = await billing.events.place();
  let place = begin;
  const told = async () => {
    await sync.query('begin; select from sync.sequencer for update; select sync.sequence(1000, 0); commit');
    const page = await billing.events.page({ after: place, types: [...types] });
    place = page.place;
    return page.events.map(({ type, key, customer, data }) => ({ type, key, customer, data }));
  };
  const subscribe = (name: string) =>
    billing.events.subscribe('deal.closed', async () => {}, { name: `${app}.${name}`, onError: () => {} });
  const addWebhook = () =>
    sync.query(`begin; select sync.add_webhook('${app}.deals', '${app}', 'https://billing.example', '{deal.closed}',
      'whsec_${'A'.repeat(44)}', null); rollback`);

  await close();
  expect(await told()).toEqual([]);
  await expect(subscribe('vain').ready).rejects.toMatchObject({ code: 'invalid-field' });
  await expect(addWebhook()).rejects.toThrow('may not see');
  await sync.query('rollback');

  const grant = (with_amounts: boolean) =>
    setEvents(
      database.url('platform_migrator'),
      app,
      types.map((type) => ({ type, with_amounts })),
    );
  await grant(false);
  await reopen();
  await close();
  const closing = {
    id: Number(deal),
    customer_id: id,
    outcome: 'won',
    version: 4,
    tier: 'gold',
    previous_tier: 'gold',
  };
  const head = { key: `deal:${deal}`, customer: id };
  expect(await told()).toEqual([
    { type: 'deal.reopened', ...head, data: { id: Number(deal), customer_id: id, outcome: 'won', version: 3 } },
    { type: 'deal.closed', ...head, data: closing },
  ]);
  await grant(true);
  await reopen();
  await close();
  const [, priced] = await told();
  expect(priced?.data).toEqual({ ...closing, version: 6, amount: 1200.5, currency: 'EUR' });
  const subscription = subscribe('deals');
  await subscription.ready;
  await subscription.remove();
  await addWebhook();

  for (const login of ['support_app', 'foundation_app'] as const) {
    const { rows } = await (await database.connect(login)).query(
      `select from sync.events where type ~ '^deal.(cl|re)'`,
    );
    expect(rows).toEqual([]);
  }
  await setEvents(database.url('platform_migrator'), app, []);
  await reopen();
  expect(await told()).toEqual([]);
  // The books keep closings of an erased customer, and so does an app that reads of them later.
  const privacy = await database.connect('privacy_app');
  await privacy.query(`begin; set local aether.actor = 'maya'`);
  await privacy.query('select platform.erase_customer($1, $2)', [id, 'A request']);
  await privacy.query('commit');
  place = begin;
  const [, kept] = await told();
  expect(kept?.data).toEqual(closing);
  await expect(setEvents(database.url('platform_migrator'), 'support', [])).rejects.toThrow('belongs to the house');
});

describe('typed queries', () => {
  type Column<Selected, Inserted = Selected> = { __select__: Selected; __insert__: Inserted; __update__: Inserted };
  // As `aether app types` writes it.
  type Database = {
    kinds: {
      id: Column<number, number>;
      ids: Column<number[], number[]>;
      amounts: Column<string[], (string | number)[]>;
      days: Column<string[], string[]>;
      moods: Column<('glad' | 'sad')[], ('glad' | 'sad')[]>;
      note: Column<string | null, string | null | undefined>;
    };
    customers: {
      id: Column<string, string>;
      name: Column<string, string>;
      email: Column<string, string>;
      email_key: Column<string>;
    };
  };
  const big = 9_007_199_254_740_991;
  let typed: Awaited<ReturnType<typeof typedQueries<Database>>>;
  beforeAll(async () => {
    await owner.query(`create type ${app}.mood as enum ('glad', 'sad'); grant usage on type ${app}.mood to ${app}_role;
      create table ${app}.kinds (id bigint primary key, ids bigint[], amounts numeric[], days date[], moods ${app}.mood[], note text);
      call platform.protect_table('${app}.kinds'); create policy own on ${app}.kinds to ${app}_role using (true) with check (true);
      grant select, insert, update, delete on ${app}.kinds to ${app}_role`);
    typed = await typedQueries<Database>(billing);
  });
  const kinds = (tx?: Parameters<typeof typed>[0]) => typed(tx).withSchema(app);

  test('give the elements of arrays as their types say: whole ids, exact amounts, days as texts, enums in a list', async () => {
    const row = { id: big, ids: [big, 1], amounts: ['0.10', '12345678901234567890.5'], days: ['2026-01-31'] };
    const inserted = await kinds()
      .insertInto('kinds')
      .values({ ...row, moods: ['glad', 'sad'] })
      .executeTakeFirst();
    expect(inserted.numInsertedOrUpdatedRows).toBe(1n);
    const read = await kinds().selectFrom('kinds').selectAll().where('id', '=', big).executeTakeFirstOrThrow();
    expectTypeOf(read.ids).toEqualTypeOf<number[]>();
    expect(read).toEqual({ ...row, moods: ['glad', 'sad'], note: null });
    const changed = await kinds()
      .updateTable('kinds')
      .set({ note: 'x' })
      .where('id', 'in', [big, 5])
      .executeTakeFirst();
    expect(changed.numUpdatedRows).toBe(1n);
  });

  test('run in the transaction that they are given, with its actor, and are undone with it', async () => {
    const work = billing.transaction({ actor: 'user-7' }, async (tx) => {
      await kinds(tx).insertInto('kinds').values({ id: 2, ids: [], amounts: [], days: [], moods: [] }).execute();
      expect(await kinds(tx).selectFrom('kinds').select('id').where('id', '=', 2).execute()).toHaveLength(1);
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    expect(await kinds().selectFrom('kinds').select('id').where('id', '=', 2).execute()).toEqual([]);
  });

  test('refuse a value that is undefined, find nothing in an empty list, and compare with null as is meant', async () => {
    const by = (note: string | null | undefined) =>
      kinds()
        .selectFrom('kinds')
        .select('id')
        .where('note', '=', note as string);
    await expect(by(undefined).execute()).rejects.toThrow('is undefined');
    expect(await kinds().selectFrom('kinds').select('id').where('id', 'in', []).execute()).toEqual([]);
    await kinds().updateTable('kinds').set({ note: null }).execute();
    expect(await by(null).execute()).toHaveLength(1);
  });

  test('refuse a transaction of Kysely’s own, and meet the refusals of platformDb', async () => {
    await expect(
      typed()
        .transaction()
        .execute(async () => {}),
    ).rejects.toThrow('platformDb.transaction');
    const again = kinds().insertInto('kinds').values({ id: big, ids: [], amounts: [], days: [], moods: [] });
    await expect(again.execute()).rejects.toMatchObject({ code: 'already-exists' });
    const chain = typed().withSchema('platform').selectFrom('customers').select(['id', 'name']);
    const { id } = await billing.createCustomer({ name: 'Chain', email: 'chain@example.com' });
    expect(await chain.where('email', '=', 'chain@example.com').executeTakeFirst()).toEqual({ id, name: 'Chain' });
  });

  test('all snippets of docs/snippets.md run, in their order, and say what they find', {
    timeout: 30_000,
  }, async () => {
    const page = await readFile(new URL('../docs/snippets.md', import.meta.url), 'utf8');
    const code = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block).join('\n');
    await owner.query(`insert into support.widgets (key, name) values ('snippets', 'Shop')`);
    const sync = await database.connect('sync_app');
    let isOver = false;
    const running = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', code], {
      cwd: import.meta.dirname,
      env: { ...process.env, PLATFORM_DB_URL: database.url('support_app') },
    }).finally(() => {
      isOver = true;
    });
    while (isUnderWay() && !isOver) {
      await sync.query('begin; select from sync.sequencer for update; select sync.sequence(1000, 0); commit');
      await Promise.race([running.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    expect((await running).stdout.trim().split('\n')).toEqual([
      'true true',
      'Ada 0 {}',
      'Ada is Ada King, by support: Ada King',
      'support active',
      'field-not-owned null',
      '1n 0n',
      '1 1 42501',
    ]);
  });
});

test('an app without a row in platform.apps is refused by name when it connects', async () => {
  const variables = { PLATFORM_DB_URL: database.url('support_app') };
  await expect(connectPlatform({ app: 'shipping', variables })).rejects.toThrow(/knows no app shipping.*third-app\.md/);
  await expect(connectPlatform({ app: 'Not an app', variables })).rejects.toThrow(/is not the name of an app/);
});

test('an app cannot be renamed or removed, and its role must be a member of the role of all apps', async () => {
  await expect(owner.query(`delete from platform.apps where name = 'support'`)).rejects.toMatchObject({
    code: '23001',
  });
  await expect(owner.query(`update platform.apps set name = 'desk' where name = 'support'`)).rejects.toMatchObject({
    code: '23001',
  });
  const add = (name: string, role: string) =>
    owner.query('insert into platform.apps (name, role, audience) values ($1, $2, $1)', [name, role]);
  await expect(add('spy', 'observer_role')).rejects.toMatchObject({
    code: '42704',
    hint: expect.stringContaining('app_role'),
  });
  await expect(add('ghost', 'no_such_role')).rejects.toMatchObject({ code: '42704' });
});

test('an app cannot have the name of a kind of row, because it could then publish events of those rows', async () => {
  const { rows } = await owner.query<{ name: string }>('select name from sync.entities');
  expect(rows.length).toBeGreaterThan(10);
  for (const { name } of rows) {
    const add = owner.query('insert into platform.apps (name, role, audience) values ($1::text, $1::text, $1::text)', [
      name,
    ]);
    await expect(add, name).rejects.toMatchObject({ constraint: 'apps_name_free' });
  }
});

test('a database whose newest migration breaks older apps refuses this one, at connect and while it runs', async () => {
  await billing.check();
  await owner.query('update platform.migrations set breaks_apps_below = 9999 where number = 6');
  await expect(billing.check()).rejects.toThrow(
    /Migration 6 \(sync\).*breaks apps made for less than migration 9999.*deploy a newer version/,
  );
  await owner.query('update platform.migrations set breaks_apps_below = 6 where number = 6');
  await billing.check();
});
