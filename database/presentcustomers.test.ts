import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from './testing.scope.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let owner: pg.Client;
let rival: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  owner = await connectOwner();
  rival = await connectOwner();
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
  await owner.query(`
    insert into platform.users (id, email, name) values ('priya', 'priya@example.com', 'Priya');
    insert into platform.companies (id, name, created_by_app) values ('${company}', 'Acme', 'support');
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'First', 1 from crm.pipelines;
    insert into crm.custom_fields (record, key, label, type) values ('customer', 'colour', 'Colour', 'text');
    insert into crm.tags (name) values ('VIP');
    with other as (
      insert into platform.customers (email, name, created_by_app) values ('other@example.com', 'Other', 'support') returning id)
    insert into crm.deals (customer_id, pipeline_id, stage_id, name)
    select other.id, s.pipeline_id, s.id, 'Theirs' from other, crm.pipeline_stages s;
    insert into support.widgets (key, name) values ('demo-shop', 'Shop');`);
});

const company = '0199aaaa-0000-7000-8000-000000000001';
async function connectOwner(): Promise<pg.Client> {
  const client = await database.connect('platform_migrator');
  await client.query('set role platform_owner');
  return client;
}

let count = 0;
async function newCustomer(): Promise<string> {
  const { rows } = await support.query(
    `insert into platform.customers (email, name) values ('c${++count}@example.com', 'Ada') returning id`,
  );
  return rows[0].id;
}
const merge = (loser: string, survivor: string, by = owner) =>
  by.query('update platform.customers set merged_into = $2 where id = $1', [loser, survivor]);
const erase = (id: string, by = owner) =>
  by.query('update platform.customers set erased_at = now() where id = $1', [id]);

/** Resolves when this connection's statement waits for another transaction. */
async function isBlocked(client: pg.Client & { processID?: number }): Promise<void> {
  const watcher = await database.connect('postgres');
  await until(async () => {
    const { rows } = await watcher.query('select cardinality(pg_blocking_pids($1)) as rivals', [client.processID]);
    return rows[0].rivals > 0;
  });
}

/** One new child of a customer for every table that refers to customers. */
const children: Record<string, { by: () => pg.Client; sql: string }> = {
  'crm.deals': {
    by: () => foundation,
    sql: `insert into crm.deals (customer_id, pipeline_id, stage_id, name)
          select $1, pipeline_id, id, 'Deal' from crm.pipeline_stages`,
  },
  'crm.contacts': {
    by: () => foundation,
    sql: `insert into crm.contacts (company_id, customer_id, name) values ('${company}', $1, 'Ada')`,
  },
  'crm.activities': {
    by: () => support,
    sql: `insert into crm.activities (customer_id, type, description, idempotency_key)
          values ($1, 'support_chat', 'A chat', gen_random_uuid()::text)`,
  },
  'crm.changes': {
    by: () => foundation,
    sql: `insert into crm.changes (event_id, customer_id, change, app, occurred_at, data, previous)
          values ((random() * 1e12)::bigint, $1, 'edited', 'support', now(), '{}', '{}')`,
  },
  'crm.custom_field_values': {
    by: () => foundation,
    sql: `insert into crm.custom_field_values (field_id, customer_id, value) select id, $1, '"blue"' from crm.custom_fields`,
  },
  'crm.customer_tags': {
    by: () => foundation,
    sql: 'insert into crm.customer_tags (customer_id, tag_id) select $1, id from crm.tags',
  },
  'crm.deal_contacts': {
    by: () => foundation,
    sql: 'insert into crm.deal_contacts (deal_id, customer_id) select id, $1 from crm.deals limit 1',
  },
  'support.sessions': {
    by: () => support,
    sql: `insert into support.sessions (widget_id, customer_id, token_hash)
          select id, $1, sha256(uuid_send(gen_random_uuid())) from support.widgets`,
  },
  'support.calls': {
    by: () => support,
    sql: `insert into support.calls (customer_id, direction, number_e164, started_at)
          values ($1, 'inbound', '+4930123456', now())`,
  },
  'platform.customer_emails': {
    by: () => owner,
    sql: `insert into platform.customer_emails (email_key, email, customer_id, is_primary)
          select key, key, $1, false from concat(gen_random_uuid(), '@example.com') as key`,
  },
  'platform.customer_external_ids': {
    by: () => owner,
    sql: `insert into platform.customer_external_ids (app, external_id, customer_id)
          values ('support', gen_random_uuid(), $1)`,
  },
  'platform.removed_emails': {
    by: () => owner,
    sql: `insert into platform.removed_emails (id, email_key, email, customer_id, created_at, added_by_app, reason)
          values (gen_random_uuid(), 'gone@example.com', 'gone@example.com', $1, now(), 'support', 'removed')`,
  },
  'platform.customer_phones': {
    by: () => owner,
    sql: `insert into platform.customer_phones (customer_id, phone, phone_key, is_primary)
          values ($1, '+4930123456', '+4930123456', false)`,
  },
  'platform.removed_phones': {
    by: () => owner,
    sql: `insert into platform.removed_phones (id, customer_id, phone, phone_key, created_at, added_by_app)
          values (gen_random_uuid(), $1, '+4930123456', '+4930123456', now(), 'support')`,
  },
  'platform.notices': {
    by: () => owner,
    sql: `insert into platform.notices (user_id, kind, record, record_id, customer_id, cause)
          values ('priya', 'assignment', 'customer', $1::uuid, $1::uuid, gen_random_uuid()::text)`,
  },
  // The smaller id of a pair comes first. A customer that is made now has a greater id; an id with leading zeros is
  // smaller.
  'platform.review_candidates': {
    by: () => owner,
    sql: `with other as (
            insert into platform.customers (email, name, created_by_app)
            values (gen_random_uuid() || '@example.com', 'Ada', 'support') returning id)
          insert into platform.review_candidates (customer_id, other_id, reason) select $1, id, 'same_name' from other`,
  },
  'platform.review_candidates (other_id)': {
    by: () => owner,
    sql: `with other as (
            insert into platform.customers (id, email, name, created_by_app)
            values (('00000000' || right(gen_random_uuid()::text, 28))::uuid, gen_random_uuid() || '@example.com', 'Ada', 'support')
            returning id)
          insert into platform.review_candidates (customer_id, other_id, reason) select id, $1, 'same_name' from other`,
  },
};

describe('a customer that was merged or erased', () => {
  test('is tested with every table that refers to customers', async () => {
    const { rows } = await owner.query(`
      select conrelid::regclass || case a.attname when 'customer_id' then '' else format(' (%I)', a.attname) end as name
      from pg_constraint join pg_attribute a on a.attrelid = conrelid and a.attnum = conkey[1]
      where contype = 'f' and confrelid = 'platform.customers'::regclass and conrelid <> confrelid
        and coalesce(obj_description(pg_constraint.oid, 'pg_constraint') !~ '^any customer', true) order by 1`);
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(children).sort());
  });

  test.each(Object.keys(children))('accepts no new row of %s, but a present customer does', async (table) => {
    const { by, sql } = children[table] as { by: () => pg.Client; sql: string };
    const [survivor, loser, erased] = [await newCustomer(), await newCustomer(), await newCustomer()];
    await merge(loser, survivor);
    await erase(erased);
    await expect(by().query(sql, [loser])).rejects.toMatchObject({
      code: '23503',
      constraint: 'customer_merged',
      column: /[(](.+)[)]/.exec(table)?.[1] ?? 'customer_id',
      detail: survivor,
    });
    await expect(by().query(sql, [erased])).rejects.toMatchObject({ code: '23503', constraint: 'customer_erased' });
    expect((await by().query(sql, [survivor])).rowCount).toBe(1);
  });

  test('accepts no row that moves to it, but its own rows can move to the survivor', async () => {
    const [survivor, loser] = [await newCustomer(), await newCustomer()];
    const call = children['support.calls'] as { sql: string };
    await support.query(call.sql, [loser]);
    await merge(loser, survivor);
    const move = 'update support.calls set customer_id = $2 where customer_id = $1';
    expect((await owner.query(move, [loser, survivor])).rowCount).toBe(1);
    await expect(owner.query(move, [survivor, loser])).rejects.toMatchObject({ constraint: 'customer_merged' });
  });

  test('keeps its rows, and they can still be changed', async () => {
    const [survivor, loser] = [await newCustomer(), await newCustomer()];
    await support.query((children['support.calls'] as { sql: string }).sql, [loser]);
    await merge(loser, survivor);
    const note = `update support.calls set notes = 'later' where customer_id = $1`;
    expect((await support.query(note, [loser])).rowCount).toBe(1);
  });

  test('accepts new rows again after the merge is undone', async () => {
    const [survivor, loser] = [await newCustomer(), await newCustomer()];
    await merge(loser, survivor);
    await owner.query('update platform.customers set merged_into = null where id = $1', [loser]);
    expect((await support.query((children['support.calls'] as { sql: string }).sql, [loser])).rowCount).toBe(1);
  });
});

test('a column of another name refuses merged customers as well, but accepts null', async () => {
  await owner.query(`
    create table crm.payers (id integer, payer_id uuid references platform.customers);
    call platform.require_present_customer('crm.payers', 'payer_id')`);
  const [survivor, loser] = [await newCustomer(), await newCustomer()];
  await merge(loser, survivor);
  const pay = 'insert into crm.payers (payer_id) values ($1)';
  await expect(owner.query(pay, [loser])).rejects.toMatchObject({ constraint: 'customer_merged', column: 'payer_id' });
  expect((await owner.query(pay, [survivor])).rowCount).toBe(1);
  expect((await owner.query(pay, [null])).rowCount).toBe(1);
});

describe('a merge or an erasure that races with a new child', () => {
  const call = () => (children['support.calls'] as { sql: string }).sql;

  test.each(['merge', 'erasure'])('makes the child wait, and refuses it when the %s commits first', async (kind) => {
    const [survivor, loser] = [await newCustomer(), await newCustomer()];
    await owner.query('begin');
    await (kind === 'merge' ? merge(loser, survivor) : erase(loser));
    const refused = expect(support.query(call(), [loser])).rejects.toMatchObject({
      constraint: kind === 'merge' ? 'customer_merged' : 'customer_erased',
    });
    await isBlocked(support);
    await owner.query('commit');
    await refused;
  });

  test.each(['merge', 'erasure'])('waits for a child that came first, so that the %s sees it', async (kind) => {
    const [survivor, loser] = [await newCustomer(), await newCustomer()];
    await support.query('begin');
    await support.query(call(), [loser]);
    const done = kind === 'merge' ? merge(loser, survivor) : erase(loser);
    await isBlocked(owner);
    await support.query('commit');
    expect((await done).rowCount).toBe(1);
    expect((await owner.query('select from support.calls where customer_id = $1', [loser])).rowCount).toBe(1);
  });

  test('does not make writers of the same customer wait for one another', async () => {
    const id = await newCustomer();
    await support.query('begin');
    await support.query(call(), [id]);
    expect(
      (await foundation.query(`update platform.customers set account_tier = 'premium' where id = $1`, [id])).rowCount,
    ).toBe(1);
    expect((await foundation.query((children['crm.deals'] as { sql: string }).sql, [id])).rowCount).toBe(1);
    await support.query('commit');
  });
});

describe('merged_into', () => {
  test('never leads to a customer that is itself merged: the refusal names the survivor', async () => {
    const [a, b, c] = [await newCustomer(), await newCustomer(), await newCustomer()];
    await merge(b, c);
    await expect(merge(a, b)).rejects.toMatchObject({
      constraint: 'customer_merged',
      detail: c,
      column: 'merged_into',
    });
    expect((await merge(a, c)).rowCount).toBe(1);
  });

  test('never leads to an erased customer, and an erased customer cannot be merged', async () => {
    const [a, b, c] = [await newCustomer(), await newCustomer(), await newCustomer()];
    await erase(b);
    await expect(merge(a, b)).rejects.toMatchObject({ constraint: 'customer_erased' });
    await expect(merge(b, a)).rejects.toMatchObject({ constraint: 'customer_erased' });
    expect((await merge(a, c)).rowCount).toBe(1);
  });

  test('stays flat: a customer with others merged into it can be merged only after they are', async () => {
    const [a, b, c] = [await newCustomer(), await newCustomer(), await newCustomer()];
    await merge(a, b);
    await expect(merge(b, c)).rejects.toMatchObject({
      code: '23514',
      constraint: 'customers_merged_into_flat',
      hint: expect.stringContaining('first'),
    });
    await owner.query('update platform.customers set merged_into = $2 where merged_into = $1', [b, c]);
    expect((await merge(b, c)).rowCount).toBe(1);
  });

  test('never leads in a circle', async () => {
    const [a, b] = [await newCustomer(), await newCustomer()];
    await merge(a, b);
    await expect(merge(b, a)).rejects.toMatchObject({ code: '23503', constraint: 'customer_merged' });
    await expect(merge(b, b)).rejects.toMatchObject({ code: '23514' });
  });

  test('is checked when a customer is inserted as well', async () => {
    const [a, b] = [await newCustomer(), await newCustomer()];
    await merge(a, b);
    const insert = `insert into platform.customers (email, name, created_by_app, merged_into) values ($1, 'Ada', 'support', $2)`;
    await expect(owner.query(insert, ['born-merged@example.com', a])).rejects.toMatchObject({
      constraint: 'customer_merged',
    });
    await expect(owner.query(insert, ['born-merged@example.com', b])).rejects.toMatchObject({
      constraint: 'customer_merged', // otherwise its address would lead to a merged customer
    });
  });

  test('stays flat if two merges meet: the second waits and is refused', async () => {
    const [a, b, c] = [await newCustomer(), await newCustomer(), await newCustomer()];
    await owner.query('begin');
    await merge(a, b);
    const refused = expect(merge(b, c, rival)).rejects.toMatchObject({ constraint: 'customers_merged_into_flat' });
    await isBlocked(rival);
    await owner.query('commit');
    await refused;

    const [d, e, f] = [await newCustomer(), await newCustomer(), await newCustomer()];
    await owner.query('begin');
    await merge(e, f);
    const late = expect(merge(d, e, rival)).rejects.toMatchObject({ constraint: 'customer_merged', detail: f });
    await isBlocked(rival);
    await owner.query('commit');
    await late;
  });

  test('never leads in a circle if two customers are merged into each other at once', async () => {
    const [a, b] = [await newCustomer(), await newCustomer()];
    const results = await Promise.allSettled([merge(a, b), merge(b, a, rival)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('is refused under repeatable read, where a merge that has just committed stays invisible', async () => {
    const [a, b] = [await newCustomer(), await newCustomer()];
    await owner.query('begin isolation level repeatable read');
    await expect(merge(a, b)).rejects.toMatchObject({ code: '0A000' });
    await owner.query('rollback');
    expect((await merge(a, b)).rowCount).toBe(1);
  });
});
