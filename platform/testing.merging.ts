import type pg from 'pg';

/** What the tests of merges share: a steward, what children of a customer need, and a table of a third app with one row a customer. */
export const mergeWorld = `
  insert into platform.users (id, email, name, role)
    values ('tom', 'tom@example.com', 'Tom', 'steward'), ('maya', 'maya@example.com', 'Maya', 'user');
  insert into platform.companies (id, name, created_by_app) values ('00000000-0000-7000-8000-0000000000ac', 'Acme', 'foundation');
  insert into crm.pipelines (name) values ('Sales');
  insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
  insert into crm.custom_fields (record, key, label, type, choices) values
    ('customer', 'colour', 'Colour', 'choice', '{red,green,blue}'), ('customer', 'size', 'Size', 'text', '{}'),
    ('customer', 'shoe', 'Shoe', 'text', '{}');
  insert into support.widgets (key, name) values ('widget-1', 'Shop');
  create schema billing;
  create table billing.accounts (customer_id uuid primary key references platform.customers, plan text not null);
  call platform.require_present_customer('billing.accounts');
  call platform.protect_table('billing.accounts');
  call platform.move_in_merges('billing.accounts');`;

/** Null: the customer has none. By default it has one of its own, but no company, tier, language, time zone and custom values. */
export type GivenCustomer = {
  name?: string;
  /** False: only the mark of having none. */
  address?: boolean;
  phone?: string | null;
  crm_id?: number | null;
  company?: boolean;
  account_tier?: string;
  preferred_language?: string;
  timezone?: string | null;
  values?: Record<string, string>;
  /** How many addresses it has besides the primary one. */
  others?: number;
};

let made = 0;
/** Makes customers with a child in every table that refers to customers. Their names and texts end with the customer's id. */
export function createCustomers(superuser: pg.ClientBase) {
  return async (given: GivenCustomer = {}): Promise<string> => {
    const n = ++made;
    const number = `+4989${String(n).padStart(7, '0')}`;
    const phone = given.phone === undefined ? number : given.phone;
    const { rows } = await superuser.query<{ id: string }>(
      `insert into platform.customers
         (email, name, phone, phone_key, company_id, account_tier, preferred_language, timezone, crm_id, created_by_app)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'foundation') returning id`,
      [
        `mail${n}@example.com`,
        given.name ?? `Mary Number${n}`,
        phone,
        phone?.replaceAll(' ', '') ?? null,
        given.company ? '00000000-0000-7000-8000-0000000000ac' : null,
        given.account_tier ?? null,
        given.preferred_language ?? null,
        given.timezone ?? null,
        given.crm_id === undefined ? 100_000 + n : given.crm_id,
      ],
    );
    const id = rows[0]?.id as string;
    if (given.address === false)
      await superuser.query(
        `update platform.customers set email = platform.no_address(id), email_key = platform.no_address(id),
           name = split_part(platform.no_address(id), '@', 1) where id = $1`,
        [id],
      );
    if (given.address === false)
      await superuser.query('delete from platform.customer_emails where customer_id = $1 and not is_primary', [id]);
    await superuser.query(children, [
      id,
      n,
      given.address === false ? 0 : (given.others ?? 1),
      phone === null ? null : `${number}9`,
    ]);
    for (const [key, value] of Object.entries(given.values ?? {}))
      await superuser.query(
        `insert into crm.custom_field_values (field_id, customer_id, value) select id, $1, $3 from crm.custom_fields where key = $2`,
        [id, key, JSON.stringify(value)],
      );
    return id;
  };
}

const children = `
  with address as (
    insert into platform.customer_emails (email_key, email, customer_id, is_primary)
    select 'other' || n || '.' || $2::integer || '@example.com', 'other' || n || '.' || $2 || '@example.com', $1, false
    from generate_series(1, $3::integer) n),
  former_address as (
    insert into platform.removed_emails (id, email_key, email, customer_id, created_at, added_by_app, reason)
    values (uuidv7(), 'former' || $2 || '@example.com', 'former' || $2 || '@example.com', $1, now(), 'foundation', 'removed')),
  number as (
    insert into platform.customer_phones (customer_id, phone, phone_key, is_primary) select $1, $4::text, $4, false where $4 is not null),
  former_number as (
    insert into platform.removed_phones (id, customer_id, phone, phone_key, created_at, added_by_app)
    values (uuidv7(), $1, '+49301', '+49301', now(), 'foundation')),
  deal as (
    insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ($1, 1, 1, 'Deal of ' || $1::uuid) returning id),
  part as (
    insert into crm.deal_contacts (deal_id, customer_id, role) select id, $1, 'Part of ' || $1::uuid from deal),
  contact as (
    insert into crm.contacts (company_id, customer_id, name)
    values ('00000000-0000-7000-8000-0000000000ac', $1, 'Contact of ' || $1::uuid)),
  change as (
    insert into crm.changes (event_id, customer_id, change, app, occurred_at, data, previous)
    values ($2::integer, $1, 'created', 'foundation', now(), '{}', '{}')),
  session as (
    insert into support.sessions (widget_id, customer_id, visitor_email, token_hash)
    select id, $1, 'mail' || $2 || '@example.com', sha256(convert_to($1::text, 'utf8')) from support.widgets limit 1),
  call as (
    insert into support.calls (customer_id, direction, number_e164, notes, started_at)
    values ($1, 'inbound', '+4989' || lpad($2::text, 7, '0'), 'Call of ' || $1::uuid, now())),
  note as (
    insert into crm.activities (customer_id, type, description, created_by_app) values ($1, 'note', 'Note of ' || $1::uuid, 'foundation'))
  insert into crm.activities (customer_id, deal_id, type, description, created_by_app)
  select $1, d.id, 'note', 'Note of the deal of ' || $1::uuid, 'foundation' from deal d`;

export type MergeState = Record<string, Record<string, unknown>[]>;

/** Everything that belongs to these customers, by table, but versions and the times of changes: what an unmerge gives back. */
export async function stateOf(client: pg.ClientBase, ids: string[]): Promise<MergeState> {
  const { rows: tables } = await client.query<{ relation: string; column: string }>(
    `select relation, customer_column as column from platform.merge_references where stays is null order by reference`,
  );
  const state: MergeState = {};
  for (const { relation, column } of [{ relation: 'platform.customers', column: 'id' }, ...tables]) {
    if (column === 'merged_into') continue;
    const { rows } = await client.query<{ row: Record<string, unknown> }>(
      `select to_jsonb(t) - '{version,updated_at}'::text[] as row from ${relation} t where ${column} = any ($1)
       order by array_position($1, ${column}), to_jsonb(t) - '{version,updated_at}'::text[]`,
      [ids],
    );
    if (rows.length > 0) state[relation] = rows.map(({ row }) => row);
  }
  return state;
}
