import { createTestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { LoggedEvent } from '../operations/log.ts';
import { readEvents } from '../operations/searching.ts';

const ids = {
  company: '00000000-0000-7000-8000-0000000000ac',
  customer: '00000000-0000-7000-8000-00000000000a',
  session: '00000000-0000-7000-8000-0000000000e0',
};

type Table = {
  entity: string;
  audience: string;
  login: 'foundation_app' | 'support_app';
  make: string;
  column: string;
  /** The column is jsonb. */
  isJson?: true;
  hidden?: string[];
  /** The event of the record whose version this row's change increments; it comes first. */
  counts?: string;
  /** The event's key; by default the row's id. */
  key?: (id: string) => string;
  /** The event's customer; by default none. */
  customer?: (id: string) => string;
};

const tables: Record<string, Table> = {
  'platform.customers': {
    entity: 'customer',
    audience: 'platform',
    login: 'foundation_app',
    make: `insert into platform.customers (email, name) values ('new@example.com', 'New')`,
    column: 'name',
    hidden: ['email_key'],
    customer: (id) => id,
  },
  'platform.companies': {
    entity: 'company',
    audience: 'platform',
    login: 'support_app',
    make: `insert into platform.companies (name, domain) values ('New', 'new.example')`,
    column: 'name',
  },
  'platform.tiers': {
    entity: 'tier',
    audience: 'platform',
    login: 'foundation_app',
    make: `insert into platform.tiers (key, label, position) values ('new', 'New', 99)`,
    column: 'label',
    key: (id) => `tier:${id}`,
  },
  'platform.users': {
    entity: 'user',
    audience: 'platform',
    login: 'support_app',
    make: `select from platform.sign_in_user('u-new', 'u@example.com', 'New', 't', 'o')`,
    column: 'name',
    hidden: ['directory_tenant_id', 'directory_object_id'],
    key: (id) => `user:${id}`,
  },
  'crm.deals': {
    entity: 'deal',
    audience: 'crm',
    login: 'foundation_app',
    hidden: ['request_digest'],
    make: `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ids.customer}', 1, 1, 'New')`,
    column: 'name',
    key: (id) => `deal:${id}`,
    customer: () => ids.customer,
  },
  'crm.contacts': {
    entity: 'contact',
    audience: 'crm',
    login: 'foundation_app',
    make: `insert into crm.contacts (company_id, customer_id, name) values ('${ids.company}', '${ids.customer}', 'New')`,
    column: 'name',
    customer: () => ids.customer,
  },
  'crm.activities': {
    entity: 'activity',
    audience: 'crm',
    login: 'foundation_app',
    hidden: ['request_digest'],
    make: `insert into crm.activities (customer_id, type, description) values ('${ids.customer}', 'note', 'New')`,
    column: 'description',
    customer: () => ids.customer,
  },
  'crm.custom_field_values': {
    entity: 'custom_value',
    audience: 'crm',
    login: 'foundation_app',
    make: `insert into crm.custom_field_values (field_id, customer_id, value) values (1, '${ids.customer}', '"New"')`,
    column: 'value',
    isJson: true,
    counts: 'customer.updated',
    key: (id) => `custom_value:${id}`,
    customer: () => ids.customer,
  },
  'crm.tags': {
    entity: 'tag',
    audience: 'crm',
    login: 'foundation_app',
    make: `insert into crm.tags (name) values ('New')`,
    column: 'name',
    key: (id) => `tag:${id}`,
  },
  'crm.customer_tags': {
    entity: 'customer_tag',
    audience: 'crm',
    login: 'foundation_app',
    make: `insert into crm.customer_tags (customer_id, tag_id) select '${ids.customer}', id from crm.tags`,
    column: 'tag_name',
    key: (id) => `customer_tag:${id}`,
    customer: () => ids.customer,
  },
  'crm.deal_contacts': {
    entity: 'deal_contact',
    audience: 'crm',
    login: 'foundation_app',
    make: `insert into crm.deal_contacts (deal_id, customer_id, role)
      select d.id, '${ids.customer}', 'New' from crm.deals d where not exists (
        select from crm.deal_contacts k where k.deal_id = d.id) order by d.id limit 1`,
    column: 'role',
    key: (id) => `deal_contact:${id}`,
    customer: () => ids.customer,
  },
  'support.sessions': {
    entity: 'session',
    audience: 'support',
    login: 'support_app',
    make: `insert into support.sessions (widget_id, customer_id, visitor_email, visitor_name, token_hash) select id, '${ids.customer}',
      'v@example.com', 'New', sha256('new') from support.widgets`,
    column: 'visitor_name',
    hidden: [
      'token_hash',
      'message_count',
      'last_message_at',
      'visitor_read_number',
      'agent_read_number',
      'page',
      'is_new_to_agent',
      'idle_check_at',
      'due_at',
      'warn_at',
      'warned_at',
      'clocked_at',
    ],
    customer: () => ids.customer,
  },
  'support.messages': {
    entity: 'message',
    audience: 'support',
    login: 'support_app',
    make: `insert into support.messages (session_id, number, author, client_id, body) values ('${ids.session}', 1, 'visitor', 'c1', 'New')`,
    column: 'body',
    key: () => ids.session,
    customer: () => ids.customer,
  },
  'support.calls': {
    entity: 'call',
    audience: 'support',
    login: 'support_app',
    make: `insert into support.calls (customer_id, direction, number_e164, notes, started_at)
      values ('${ids.customer}', 'inbound', '+4930123456', 'New', now())`,
    column: 'notes',
    hidden: ['client_id', 'request_digest'],
    customer: () => ids.customer,
  },
  'support.session_entries': {
    entity: 'entry',
    audience: 'support',
    login: 'support_app',
    make: `insert into support.session_entries (session_id, kind, client_id, body) values ('${ids.session}', 'note', 'n1', 'New')`,
    column: 'body',
    hidden: ['client_id'],
    key: () => ids.session,
    customer: () => ids.customer,
  },
  'support.ratings': {
    entity: 'rating',
    audience: 'support',
    login: 'support_app',
    make: `insert into support.ratings (session_id, score, comment) values ('${ids.session}', 5, 'New')`,
    column: 'comment',
    key: () => ids.session,
    customer: () => ids.customer,
  },
};

let sync: pg.Client;
let owner: pg.Client;
const apps = {} as Record<Table['login'], pg.Client>;

beforeAll(async () => {
  const database = await createTestDatabase();
  sync = await database.connect('sync_app');
  owner = await database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  apps.foundation_app = await database.connect('foundation_app');
  apps.support_app = await database.connect('support_app');
  await owner.query(`
    insert into platform.companies (id, name, created_by_app) values ('${ids.company}', 'Acme', 'foundation');
    insert into platform.customers (id, email, name, created_by_app) values ('${ids.customer}', 'ada@example.com', 'Ada', 'foundation');
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
    insert into crm.custom_fields (record, key, label, type) values ('customer', 'plan', 'Plan', 'text');
    insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ids.customer}', 1, 1, 'First');
    insert into support.widgets (key, name) values ('widget-1', 'Shop');
    insert into support.sessions (id, widget_id, customer_id, visitor_email, visitor_name, token_hash)
      select '${ids.session}', id, '${ids.customer}', 'ada@example.com', 'Ada', sha256('x') from support.widgets`);
});

/** The events that a statement adds to the log. */
async function eventsOf(client: pg.Client, text: string, values: unknown[] = []): Promise<LoggedEvent[]> {
  const number = 'begin; select from sync.sequencer for update; select sync.sequence(10000, 0); commit';
  await sync.query(number);
  const after = Number((await sync.query('select coalesce(max(position), 0) as head from sync.events')).rows[0].head);
  await client.query(text, values);
  await sync.query(number);
  return readEvents(sync, { after, limit: 100 });
}

test('the tables listed here are exactly the captured ones', async () => {
  const { rows } = await sync.query(
    `select tgrelid::regclass::text as name from pg_trigger where tgname = 'z_capture' and not tgisinternal order by 1`,
  );
  expect(rows.map((row) => row.name)).toEqual(Object.keys(tables).sort());
});

describe.each(Object.entries(tables))(
  'a row of %s',
  (table, { entity, audience, login, make, column, isJson, hidden, counts, key, customer }) => {
    let id: string;
    const written = (text: string) => (isJson ? JSON.stringify(text) : text);
    const shared = () => ({ audience, key: key?.(id) ?? id, customer: customer?.(id) ?? null, row_id: id });
    /** The events that a statement adds to the log of this table, each with the record that it counts. */
    const ownEventsOf = async (client: pg.Client, text: string, values: unknown[] = []): Promise<LoggedEvent[]> => {
      const events = await eventsOf(client, text, values);
      const own = events.filter((event) => event.type.startsWith(`${entity}.`));
      if (counts) expect(events.map((event) => event.type)).toEqual(own.flatMap((event) => [counts, event.type]));
      else expect(events).toEqual(own);
      return own;
    };
    const setBoth = `insert into ${table} overriding system value select r.*
      from ${table} t, jsonb_populate_record(t, jsonb_build_object('${column}', $2::text)) r where t.id::text = $1`;

    test('that is inserted is one event with every column except the hidden ones', async () => {
      if (table === 'crm.customer_tags') await owner.query(`insert into crm.tags (name) values ('New')`);
      const events = await ownEventsOf(apps[login], make);
      expect(events).toHaveLength(1);
      const event = events[0] as LoggedEvent;
      id = event.row_id;
      const app = login.replace('_app', '');
      expect(event).toMatchObject({ ...shared(), type: `${entity}.created`, app, login, previous: {} });
      const { rows } = await owner.query(`select to_jsonb(t) as row from ${table} t where id::text = $1`, [id]);
      const shown = Object.entries(rows[0].row).filter(
        ([name]) => ![...(hidden ?? []), 'version', 'updated_at'].includes(name),
      );
      expect(event.data).toEqual(Object.fromEntries(shown));
      expect(event.data[column]).toBe('New');
      expect(event.version).toBe(rows[0].row.version ?? null);
    });

    test('that is updated is an event with the old and new values of the changed columns and no others', async () => {
      const [event, ...more] = await ownEventsOf(owner, `update ${table} set ${column} = $2 where id::text = $1`, [
        id,
        written('Newer'),
      ]);
      expect(more).toEqual([]);
      expect(event).toMatchObject({
        ...shared(),
        type: `${entity}.updated`,
        app: 'operator',
        data: { [column]: 'Newer' },
      });
      expect(event?.previous).toEqual({ [column]: 'New' });
    });

    test('that is updated to the same values is no event', async () => {
      expect(await ownEventsOf(owner, `update ${table} set ${column} = ${column} where id::text = $1`, [id])).toEqual(
        [],
      );
      expect(await ownEventsOf(owner, `update ${table} set ${column} = null where false`)).toEqual([]);
    });

    test('that is upserted or merged is captured as an insert, an update or a delete', async () => {
      const upsert = `${setBoth} on conflict (id) do update set ${column} = excluded.${column}`;
      expect(await ownEventsOf(owner, upsert, [id, 'Upserted'])).toMatchObject([
        { ...shared(), type: `${entity}.updated`, data: { [column]: 'Upserted' }, previous: { [column]: 'Newer' } },
      ]);
      expect(await ownEventsOf(owner, `${setBoth} on conflict do nothing`, [id, 'Ignored'])).toEqual([]);
      const merge = `merge into ${table} t using (select $1::text as id) s on t.id::text = s.id
        when matched then update set ${column} = $2`;
      expect(await ownEventsOf(owner, merge, [id, written('Merged')])).toMatchObject([
        { ...shared(), type: `${entity}.updated`, data: { [column]: 'Merged' }, previous: { [column]: 'Upserted' } },
      ]);
    });

    test('that is deleted is an event with its last values, without the hidden columns', async () => {
      if (table === 'platform.customers')
        await owner.query('delete from platform.customer_external_ids where customer_id::text = $1', [id]);
      if (table === 'platform.customers')
        await owner.query('delete from platform.customer_emails where customer_id::text = $1', [id]);
      const [event, ...more] = await ownEventsOf(owner, `delete from ${table} where id::text = $1`, [id]);
      expect(more).toEqual([]);
      expect(event).toMatchObject({
        ...shared(),
        type: `${entity}.deleted`,
        data: {},
        previous: { [column]: 'Merged' },
      });
      for (const name of hidden ?? []) expect(event?.previous).not.toHaveProperty(name);
    });
  },
);

test('every version of a record has its event, even if only a custom field or a hidden column changed', async () => {
  const customer = '00000000-0000-7000-8000-0000000000b0';
  const make = `insert into platform.customers (id, email, name, created_by_app)
    values ('${customer}', 'Bo@example.com', 'Bo', 'foundation')`;
  const changes = [
    `insert into crm.custom_field_values (field_id, customer_id, value) values (1, '${customer}', '"gold"')`,
    `update crm.custom_field_values set value = '"silver"' where customer_id = '${customer}'`,
    `delete from crm.custom_field_values where customer_id = '${customer}'`,
    `update platform.customers set email = 'Bö@example.com', email_key = 'b0@example.com' where id = '${customer}'`,
    `update platform.customers set email_key = 'bo@example.com' where id = '${customer}'`,
    `update platform.customers set name = 'Bo B' where id = '${customer}'`,
  ];
  const events = await eventsOf(owner, [make, ...changes].join('; '));
  const told = events.filter((event) => event.type.startsWith('customer.'));
  expect(told.map((event) => event.version)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(told[1]).toMatchObject({
    type: 'customer.updated',
    previous: {},
    data: { email: 'Bo@example.com', name: 'Bo' },
  });
  expect(told[5]?.data).not.toHaveProperty('email_key');
  expect(await eventsOf(owner, `update platform.customers set name = name where id = '${customer}'`)).toEqual([]);
});

test('a custom value of a deal or of a company has the key of that record, which it never leaves', async () => {
  const deal = (
    await owner.query(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ids.customer}', 1, 1, 'Keyed') returning id`,
    )
  ).rows[0].id;
  const field = async (record: string) =>
    (
      await owner.query(
        `insert into crm.custom_fields (record, key, label, type) values ($1, 'keyed', 'Keyed', 'text') returning id`,
        [record],
      )
    ).rows[0].id;
  const events = await eventsOf(
    owner,
    `insert into crm.custom_field_values (field_id, deal_id, company_id, value)
     values (${await field('deal')}, ${deal}, null, '"a"'), (${await field('company')}, null, '${ids.company}', '"b"')`,
  );
  expect(events.map(({ type, key, customer }) => ({ type, key, customer }))).toEqual([
    { type: 'deal.updated', key: `deal:${deal}`, customer: ids.customer },
    { type: 'custom_value.created', key: `deal:${deal}`, customer: ids.customer },
    { type: 'company.updated', key: ids.company, customer: null },
    { type: 'custom_value.created', key: ids.company, customer: null },
  ]);
  await owner.query(`delete from crm.custom_field_values where field_key = 'keyed'`);
});

test('a change of hidden columns alone is no event', async () => {
  await owner.query(`insert into platform.users (id, email, name) values ('u-later', 'later@example.com', 'Later')`);
  const link = `update platform.users set directory_tenant_id = 't', directory_object_id = 'o' where id = 'u-later'`;
  expect(await eventsOf(owner, link)).toEqual([]);
  const renew = `update support.sessions set token_hash = sha256('other') where id = $1`;
  expect(await eventsOf(owner, renew, [ids.session])).toEqual([]);
  const both = `update support.sessions set token_hash = sha256('third'), visitor_name = 'Ada L' where id = $1`;
  const [event] = await eventsOf(owner, both, [ids.session]);
  expect(event?.previous).toEqual({ visitor_name: 'Ada' });
  expect(event?.data).not.toHaveProperty('token_hash');
});

test('a row that a foreign key deletes or changes is captured as well', async () => {
  await owner.query(`
    alter table crm.contacts drop constraint contacts_company_id_fkey, add foreign key (company_id) references platform.companies
      on delete cascade;
    alter table platform.customers drop constraint customers_company_id_fkey, add foreign key (company_id) references platform.companies
      on delete set null;
    insert into crm.contacts (company_id, name) values ('${ids.company}', 'Taken along');
    update platform.customers set company_id = '${ids.company}' where id = '${ids.customer}'`);
  const events = await eventsOf(owner, 'delete from platform.companies where id = $1', [ids.company]);
  expect(
    events.map(({ type, previous }) => ({ type, name: previous.name, company: previous.company_id })).sort(),
  ).toEqual(
    expect.arrayContaining([
      { type: 'company.deleted', name: 'Acme', company: undefined },
      { type: 'contact.deleted', name: 'Taken along', company: ids.company },
      { type: 'customer.updated', name: undefined, company: ids.company },
    ]),
  );
  expect(events).toHaveLength(3);
});
