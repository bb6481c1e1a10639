-- Foundation's own: pipelines, deals, contacts, custom fields; and the timeline, to which Support may add.

create table crm.pipelines (
  id bigint generated always as identity primary key,
  name text not null unique check (platform.is_line(name, 80)),
  is_default boolean not null default false,
  created_at timestamptz not null default now()
);
create unique index pipelines_one_default on crm.pipelines (is_default) where is_default;

create table crm.pipeline_stages (
  id bigint generated always as identity primary key,
  pipeline_id bigint not null references crm.pipelines,
  name text not null check (platform.is_line(name, 80)),
  position integer not null,
  outcome text not null default 'open' check (outcome in ('open', 'won', 'lost')),
  probability_percent smallint not null default 50 check (probability_percent between 0 and 100),
  unique (pipeline_id, name),
  unique (pipeline_id, position) deferrable initially deferred,
  unique (pipeline_id, id)
);
create unique index pipeline_stages_one_won on crm.pipeline_stages (pipeline_id) where outcome = 'won';
create unique index pipeline_stages_one_lost on crm.pipeline_stages (pipeline_id) where outcome = 'lost';

create table crm.deals (
  id bigint generated always as identity primary key,
  customer_id uuid not null references platform.customers,
  company_id uuid references platform.companies,
  pipeline_id bigint not null,
  stage_id bigint not null,
  name text not null check (platform.is_line(name, 200)),
  amount numeric(14, 2) not null default 0 check (amount >= 0),
  currency text collate "C" not null default 'EUR' check (currency ~ '^[A-Z]{3}$'),
  status text not null default 'open' check (status in ('open', 'won', 'lost')),
  owner_id text collate "C" references platform.users,
  expected_close_on date,
  closed_at timestamptz,
  idempotency_key text collate "C" unique check (octet_length(idempotency_key) between 1 and 200),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (pipeline_id, stage_id) references crm.pipeline_stages (pipeline_id, id),
  check ((status = 'open') = (closed_at is null))
);
create index deals_customer on crm.deals (customer_id, status);
create index on crm.deals (company_id) where company_id is not null;
create index deals_stage on crm.deals (pipeline_id, stage_id);
create index on crm.deals (owner_id) where owner_id is not null;
create trigger count_version before update on crm.deals for each row execute function platform.count_version();

create table crm.contacts (
  id uuid primary key default uuidv7(),
  company_id uuid not null references platform.companies,
  customer_id uuid references platform.customers,
  name text not null check (platform.is_line(name, 200)),
  title text check (platform.is_line(title, 120)),
  email text check (platform.is_line(email, 254)),
  phone text check (platform.is_line(phone, 40)),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table crm.contacts is 'A person''s role at a company; the person may be a customer.';
create index on crm.contacts (company_id);
create index on crm.contacts (customer_id) where customer_id is not null;
create trigger count_version before update on crm.contacts for each row execute function platform.count_version();

create table crm.activities (
  id uuid primary key default uuidv7(),
  customer_id uuid not null references platform.customers,
  deal_id bigint references crm.deals,
  type text collate "C" not null check (type ~ '^[a-z][a-z0-9_]{1,39}$'),
  description text not null check (char_length(description) between 1 and 4000),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  occurred_at timestamptz not null default now(),
  due_at timestamptz,
  done_at timestamptz,
  created_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app() check (created_by_app in ('foundation', 'support')),
  created_by text collate "C" default platform.current_actor() references platform.users,
  created_by_login name not null default session_user,
  idempotency_key text collate "C" check (octet_length(idempotency_key) between 1 and 200),
  unique (created_by_app, idempotency_key),
  check ((created_by_app = 'support') = (type like 'support\_%')),
  check (created_by_app <> 'support' or idempotency_key is not null)
);
comment on column crm.activities.created_by is 'The person, as the app says; created_by_login is what the server knows.';
comment on column crm.activities.idempotency_key is 'Names the cause, so that however often it is retried there is one activity: session:<id>, deal:<id>:won.';
create index activities_timeline on crm.activities (customer_id, occurred_at desc, id desc);
create index on crm.activities (deal_id) where deal_id is not null;
create index on crm.activities (created_by) where created_by is not null;

create table crm.custom_fields (
  id bigint generated always as identity primary key,
  record text not null check (record in ('customer', 'company', 'deal')),
  key text collate "C" not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
  label text not null check (platform.is_line(label, 80)),
  type text not null check (type in ('text', 'number', 'date', 'choice', 'checkbox')),
  choices text[] not null default '{}' check ((type = 'choice') = (cardinality(choices) > 0)),
  is_required boolean not null default false,
  position integer not null default 0,
  created_at timestamptz not null default now(),
  unique (record, key)
);

create table crm.custom_field_values (
  id bigint generated always as identity primary key,
  field_id bigint not null references crm.custom_fields,
  customer_id uuid references platform.customers,
  company_id uuid references platform.companies,
  deal_id bigint references crm.deals,
  value jsonb not null check (jsonb_typeof(value) in ('string', 'number', 'boolean') and octet_length(value::text) <= 8192),
  updated_at timestamptz not null default now(),
  check (num_nonnulls(customer_id, company_id, deal_id) = 1),
  unique (field_id, customer_id),
  unique (field_id, company_id),
  unique (field_id, deal_id)
);
create index on crm.custom_field_values (customer_id) where customer_id is not null;
create index on crm.custom_field_values (company_id) where company_id is not null;
create index on crm.custom_field_values (deal_id) where deal_id is not null;

-- What Support's agents may know of the CRM, and Foundation shows for one customer: an owner-rights view, so that a
-- customer's context is one query and crm.deals stays closed. Money is summed per currency: { "EUR": 1200.00 }.
-- Deliberately absent: deal names and what an activity says. No security_barrier: it hides columns, not rows, and must flatten
-- into the caller's join.
create view crm.customer_context as
select c.id as customer_id, manager.name as account_manager_name,
       coalesce(deals.open_deals, 0) as open_deals, coalesce(deals.open_deals_value, '{}') as open_deals_value,
       last.type as last_activity_type, last.occurred_at as last_activity_at, last.created_by_app as last_activity_app
from platform.customers c
left join platform.users manager on manager.id = c.account_manager_id
left join lateral (
  select sum(per_currency.deals)::integer as open_deals, jsonb_object_agg(per_currency.currency, per_currency.amount) as open_deals_value
  from (select d.currency, count(*) as deals, sum(d.amount) as amount
        from crm.deals d where d.customer_id = c.id and d.status = 'open' group by d.currency) per_currency
) deals on true
left join lateral (
  select a.type, a.occurred_at, a.created_by_app from crm.activities a
  where a.customer_id = c.id order by a.occurred_at desc, a.id desc limit 1
) last on true;
grant select on crm.customer_context to foundation_role, support_role;

call platform.protect_table('crm.pipelines');
call platform.protect_table('crm.pipeline_stages');
call platform.protect_table('crm.deals');
call platform.protect_table('crm.contacts');
call platform.protect_table('crm.activities');
call platform.protect_table('crm.custom_fields');
call platform.protect_table('crm.custom_field_values');

create policy foundation_all on crm.pipelines to foundation_role using (true) with check (true);
create policy foundation_all on crm.pipeline_stages to foundation_role using (true) with check (true);
create policy foundation_all on crm.deals to foundation_role using (true) with check (true);
create policy foundation_all on crm.contacts to foundation_role using (true) with check (true);
create policy foundation_all on crm.custom_fields to foundation_role using (true) with check (true);
create policy foundation_all on crm.custom_field_values to foundation_role using (true) with check (true);
create policy foundation_read on crm.activities for select to foundation_role using (true);
create policy foundation_add on crm.activities for insert to foundation_role with check (created_by_app = 'foundation');
create policy foundation_edit on crm.activities for update to foundation_role
  using (created_by_app = 'foundation') with check (created_by_app = 'foundation');
create policy support_read on crm.activities for select to support_role using (created_by_app = 'support');
-- A minute of grace: the clocks of the app and of the database differ.
create policy support_add on crm.activities for insert to support_role
  with check (created_by_app = 'support' and occurred_at <= now() + interval '1 minute');

grant select on crm.pipelines, crm.pipeline_stages, crm.deals, crm.contacts, crm.activities, crm.custom_fields, crm.custom_field_values to foundation_role;
grant insert (name, is_default), update (name, is_default) on crm.pipelines to foundation_role;
grant insert (pipeline_id, name, position, outcome, probability_percent),
      update (name, position, outcome, probability_percent) on crm.pipeline_stages to foundation_role;
grant insert (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on, idempotency_key),
      update (company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on, status, closed_at) on crm.deals to foundation_role;
grant insert (company_id, customer_id, name, title, email, phone), update (customer_id, name, title, email, phone) on crm.contacts to foundation_role;
grant insert (customer_id, deal_id, type, description, metadata, occurred_at, due_at, done_at, created_by_app, idempotency_key),
      update (type, description, metadata, occurred_at, due_at, done_at) on crm.activities to foundation_role;
grant insert (record, key, label, type, choices, is_required, position), update (label, choices, is_required, position) on crm.custom_fields to foundation_role;
grant insert (field_id, customer_id, company_id, deal_id, value), update (value), delete on crm.custom_field_values to foundation_role;
-- Support adds to the timeline and reads back its own; it has no deal_id, created_by or created_at to forge, and no update or delete.
grant select, insert (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key) on crm.activities to support_role;
