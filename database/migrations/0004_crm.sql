-- Foundation's own records: pipelines, deals, contacts, custom fields, saved views; and the timeline, to which Support may add.

create sequence crm.customer_number as bigint start 1000;
grant usage on sequence crm.customer_number to foundation_role;

-- A change of a stage counts as a change of its pipeline: if two administrators change the same version, the second gets a conflict.
create table crm.pipelines (
  id bigint generated always as identity primary key,
  name text not null unique check (platform.is_line(name, 80)),
  is_default boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index pipelines_one_default on crm.pipelines (is_default) where is_default;
create trigger count_version before update on crm.pipelines for each row execute function platform.count_version();

call platform.protect_table('crm.pipelines');
create policy foundation_all on crm.pipelines to foundation_role using (true) with check (true);
grant select, insert (name, is_default), update (name, is_default), delete on crm.pipelines to foundation_role;

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

call platform.protect_table('crm.pipeline_stages');
create policy foundation_all on crm.pipeline_stages to foundation_role using (true) with check (true);
grant select,
      insert (pipeline_id, name, position, outcome, probability_percent),
      update (name, position, outcome, probability_percent),
      delete
  on crm.pipeline_stages to foundation_role;

create function crm.count_stage_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'UPDATE' and new is not distinct from old then return null; end if;
  update crm.pipelines set version = version + 1 where id = case tg_op when 'DELETE' then old.pipeline_id else new.pipeline_id end;
  return null;
end $$;
create trigger count_version after insert or update or delete on crm.pipeline_stages
  for each row execute function crm.count_stage_change();

-- The names of deleted stages: the history of deals still shows them.
create table crm.former_stages (
  id bigint primary key,
  name text not null
);
call platform.protect_table('crm.former_stages');
create policy foundation_read on crm.former_stages for select to foundation_role using (true);
grant select on crm.former_stages to foundation_role;

create function crm.keep_former_stage() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into crm.former_stages (id, name) values (old.id, old.name) on conflict do nothing;
  return null;
end $$;
create trigger keep_former_stage after delete on crm.pipeline_stages for each row execute function crm.keep_former_stage();

-- The currencies of ISO 4217 and the decimals that an amount may have in each. The list is that of January 2026 without metals, test
-- codes and other entries that have no smallest unit.
create table crm.currencies (
  code text collate "C" primary key check (code ~ '^[A-Z]{3}$'),
  decimals smallint not null check (decimals between 0 and 4),
  is_withdrawn boolean not null default false
);
comment on column crm.currencies.is_withdrawn is 'Replaced since 2020: a deal of that time keeps it, and no deal gets it. See check_money.';
call platform.protect_table('crm.currencies');
create policy foundation_read on crm.currencies for select to foundation_role using (true);
-- Insert, update and delete are absent: ISO decides, and a migration follows.
grant select on crm.currencies to foundation_role;
insert into crm.currencies (code, decimals, is_withdrawn)
select code, decimals, is_withdrawn
from (values
  (0, false, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'),
  (2, false, 'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP
    COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
    JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN
    NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL
    THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG'),
  (3, false, 'BHD IQD JOD KWD LYD OMR TND'),
  (4, false, 'CLF UYW'),
  (2, true, 'ANG BGN CUC HRK SLL ZWL')
) as listed (decimals, is_withdrawn, codes), regexp_split_to_table(codes, '\s+') as code;

create table crm.deals (
  id bigint generated always as identity primary key,
  customer_id uuid not null references platform.customers,
  company_id uuid references platform.companies,
  pipeline_id bigint not null,
  stage_id bigint not null,
  name text collate platform.people not null check (platform.is_line(name, 200)),
  amount numeric(19, 4) not null default 0 check (amount >= 0) constraint deals_amount_number check (amount <> 'NaN'),
  currency text collate "C" not null default 'EUR' references crm.currencies,
  status text not null default 'open' check (status in ('open', 'won', 'lost')),
  owner_id text collate "C" references platform.users,
  expected_close_on date constraint deals_expected_close_on_day check (platform.is_day(expected_close_on)),
  closed_at timestamptz constraint deals_closed_at_time check (platform.is_time(closed_at)),
  idempotency_key text collate "C" unique check (octet_length(idempotency_key) between 1 and 200),
  request_digest bytea check (octet_length(request_digest) = 32),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (pipeline_id, stage_id) references crm.pipeline_stages (pipeline_id, id),
  check ((status = 'open') = (closed_at is null)),
  constraint deals_request_digest_of_key check ((idempotency_key is null) = (request_digest is null))
);
comment on column crm.deals.closed_at is 'The time of the closing that counts, see crm.deal_closings. The triggers write it.';
comment on column crm.deals.request_digest is
  'SHA-256 of the request that made the deal. It tells a retry from another request with the same key, even after the deal was changed.';
-- The columns are in the order in which crm.customer_context groups, so that nothing is sorted.
create index deals_customer on crm.deals (customer_id, status, currency);
create index on crm.deals (company_id) where company_id is not null;
create index on crm.deals (owner_id) where owner_id is not null;
create index on crm.deals (currency);
create index deals_by_name on crm.deals (name, id);
create index deals_by_amount on crm.deals (amount, id);
create index deals_by_close on crm.deals (coalesce(expected_close_on, 'infinity'), id);
create index deals_by_change on crm.deals (updated_at, id);
-- deals_board answers one column of the board; deals_sums answers its sums without reading the table.
create index deals_board on crm.deals (stage_id, coalesce(expected_close_on, 'infinity'), id);
create index deals_sums on crm.deals (pipeline_id, stage_id, status, currency) include (amount, closed_at);
create index deals_search on crm.deals using gin ((' ' || lower(name collate pg_catalog.pg_c_utf8)) ext.gin_trgm_ops);
create index deals_folded on crm.deals using gin (platform.search_text(name) ext.gin_trgm_ops)
  where platform.is_folded(name);
-- A merge moves deals to another customer: to the deal itself nothing has happened.
create trigger count_version before update on crm.deals
  for each row when (current_user <> 'merge_role') execute function platform.count_version();

call platform.require_present_customer('crm.deals');
call platform.protect_table('crm.deals');
create policy foundation_all on crm.deals to foundation_role using (true) with check (true);
-- closed_at is absent: a deal is closed when its closing is recorded, whatever a statement says.
grant select,
      insert (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on,
              idempotency_key, request_digest),
      update (company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on, status)
  on crm.deals to foundation_role;

-- An amount has the decimals of its currency, and at most 15 digits in its smallest unit: JavaScript keeps so many exactly. A deal keeps
-- a currency that was withdrawn since, and its amount may change in it; no deal gets such a currency.
create function crm.check_money() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  allowed smallint;
  withdrawn boolean;
begin
  select c.decimals, c.is_withdrawn into allowed, withdrawn from crm.currencies c where c.code = new.currency;
  if allowed is null then
    raise exception 'not a currency of ISO 4217: %', new.currency
      using errcode = 'check_violation', constraint = 'deals_currency_check', column = 'currency',
        hint = 'is not a currency of ISO 4217: use a code of crm.currencies, such as EUR';
  elsif withdrawn and (tg_op = 'INSERT' or new.currency <> old.currency) then
    raise exception 'withdrawn currency: %', new.currency
      using errcode = 'check_violation', constraint = 'deals_currency_check', column = 'currency',
        hint = format('has been withdrawn (%s): use a currency that is in use, such as EUR', new.currency);
  elsif new.amount <> round(new.amount, allowed) then
    raise exception '% has % decimals', new.currency, allowed
      using errcode = 'check_violation', constraint = 'deals_amount_check', column = 'amount',
        hint = case allowed when 0 then format('must be a whole number: %s has no decimals', new.currency)
                            else format('may have at most %s decimals in %s', allowed, new.currency) end;
  elsif new.amount >= 10::numeric ^ (15 - allowed) then
    raise exception 'more than 15 digits'
      using errcode = 'check_violation', constraint = 'deals_amount_check', column = 'amount',
        hint = format('must be below %s in %s', (10::numeric ^ (15 - allowed))::bigint, new.currency);
  end if;
  return new;
end $$;
create trigger check_money before insert or update of amount, currency on crm.deals for each row execute function crm.check_money();

-- A deal's status is the outcome of its stage, for every writer. If a statement changes one of the two, the other follows: a pipeline has
-- one stage for won and one for lost. It may have several open stages, so a statement that opens a deal again names the stage.
create function crm.tie_status_to_stage() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stage_outcome text;
  is_moved boolean;
  is_closing boolean;
begin
  -- The lock keeps the stage's outcome until the transaction ends.
  select s.outcome into stage_outcome from crm.pipeline_stages s where s.id = new.stage_id for share;
  if stage_outcome is null then return new; end if;  -- the foreign key refuses an unknown stage
  if tg_op = 'INSERT' then is_moved := new.status = 'open';
  else is_moved := new.stage_id <> old.stage_id;
  end if;
  if stage_outcome = new.status then
    null; -- they agree
  elsif tg_op = 'UPDATE' and is_moved and new.status <> old.status then
    raise exception 'a deal that is % cannot stand in a stage that is %', new.status, stage_outcome
      using errcode = 'check_violation', constraint = 'deals_stage_of_status', column = 'stage_id';
  elsif is_moved then
    new.status := stage_outcome;
  elsif new.status = 'open' then
    raise exception 'name the stage in which the deal is open'
      using errcode = 'check_violation', constraint = 'deals_stage_of_status', column = 'stage_id';
  else
    select s.id into new.stage_id from crm.pipeline_stages s where s.pipeline_id = new.pipeline_id and s.outcome = new.status;
    if not found then
      raise exception 'the pipeline has no stage for %', new.status
        using errcode = 'check_violation', constraint = 'deals_stage_of_status', column = 'stage_id';
    end if;
  end if;
  -- A deal that turns from won to lost gets the time of this second closing. The owner may give a closing the time of another system.
  if tg_op = 'INSERT' then is_closing := new.closed_at is null;
  else is_closing := new.status <> old.status and new.closed_at is not distinct from old.closed_at;
  end if;
  if new.status = 'open' then new.closed_at := null;
  elsif is_closing then new.closed_at := now();
  end if;
  return new;
end $$;
create trigger a_tie_status before insert or update of pipeline_id, stage_id, status on crm.deals
  for each row execute function crm.tie_status_to_stage();

create function crm.keep_outcome() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from crm.deals d where d.stage_id = new.id) then
    raise exception 'deals stand in this stage: make another one for %', new.outcome using errcode = 'check_violation',
      constraint = 'deals_stage_of_status', column = 'outcome';
  end if;
  return new;
end $$;
create trigger keep_outcome before update of outcome on crm.pipeline_stages
  for each row when (new.outcome <> old.outcome) execute function crm.keep_outcome();

-- A deal's closing: how it ended, the tier that it gave, who did it and when. It counts until the deal is opened again. Foundation closes a
-- deal by inserting one; a statement that closes the deal itself gets one from the trigger record_closing. So every closed deal has
-- exactly one closing that counts, for every writer.
create table crm.deal_closings (
  id uuid primary key default uuidv7(),
  deal_id bigint not null references crm.deals,
  outcome text not null check (outcome in ('won', 'lost')),
  given_tier text collate "C" constraint deal_closings_given_tier_check check (given_tier is null or outcome = 'won'),
  previous_tier text collate "C",
  customer_id uuid not null,
  customer_version bigint,
  deal_version bigint,
  closed_at timestamptz not null default now() constraint deal_closings_closed_at_time check (platform.is_time(closed_at)),
  closed_by text collate "C" default platform.current_actor(),
  closed_by_app text collate "C" not null default platform.current_app(),
  closed_by_login name not null default session_user,
  reopened_at timestamptz constraint deal_closings_reopened_at_time check (platform.is_time(reopened_at)),
  reopened_by text collate "C",
  reopened_by_app text collate "C",
  reopened_by_login name,
  reopened_version bigint,
  check (num_nulls(reopened_at, reopened_by_app, reopened_by_login, reopened_version) in (0, 4))
);
comment on column crm.deal_closings.given_tier is 'Null: the closing did not change the customer''s tier.';
comment on column crm.deal_closings.customer_id is
  'The customer of the deal at that moment. No reference: with customer_version it names an event, and a merge must not change that.';
comment on column crm.deal_closings.customer_version is
  'The version of the customer that the given tier made. Null: the tier did not change.';
comment on column crm.deal_closings.deal_version is 'The version of the deal that closing it made, as its event says.';
comment on column crm.deal_closings.closed_by is
  'The person, as the app says; closed_by_login is what the server knows. No reference, so that the closing outlives the user.';
create unique index deal_closings_that_counts on crm.deal_closings (deal_id) where reopened_at is null;
create index deal_closings_of_deal on crm.deal_closings (deal_id, closed_at desc);
create unique index deal_closings_of_version on crm.deal_closings (customer_id, customer_version) where customer_version is not null;

call platform.protect_table('crm.deal_closings');
create policy foundation_all on crm.deal_closings to foundation_role using (true) with check (true);
-- Update and delete are absent: this is a record. An insert of previous_tier and of the authors is absent too: the database fills them in.
grant select, insert (deal_id, outcome, given_tier) on crm.deal_closings to foundation_role;

-- A given tier is read and replaced under one lock, so that the previous tier is the one that was replaced. A closing without a tier takes
-- no lock: it may come from a statement that holds the deal, and the customer is held before the deal everywhere.
create function crm.give_tier() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare receiver uuid;
begin
  select coalesce(c.merged_into, c.id) into receiver from crm.deals d join platform.customers c on c.id = d.customer_id
  where d.id = new.deal_id;
  if new.given_tier is not null then perform from platform.customers c where c.id = receiver for no key update; end if;
  select c.id, c.account_tier into new.customer_id, new.previous_tier from platform.customers c where c.id = receiver;
  if new.customer_id is null then
    raise exception 'there is no such deal'
      using errcode = 'check_violation', constraint = 'deal_closings_deal_id_check', column = 'deal_id';
  end if;
  if new.given_tier <> coalesce(new.previous_tier, '') then
    update platform.customers c set account_tier = new.given_tier where c.id = receiver returning c.version into new.customer_version;
    if not found then
      raise exception 'the customer was merged or erased meanwhile' using errcode = 'serialization_failure';
    end if;
  end if;
  return new;
end $$;
create trigger give_tier before insert on crm.deal_closings for each row execute function crm.give_tier();

-- As the owner, because no app writes a closing's time into a deal.
create function crm.close_deal() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update crm.deals d set status = new.outcome, closed_at = new.closed_at where d.id = new.deal_id and d.status = 'open';
  -- A deal that was closed by its own statement has the status already.
  if not exists (select from crm.deals d where d.id = new.deal_id and d.status = new.outcome) then
    raise exception 'only an open deal is closed'
      using errcode = 'check_violation', constraint = 'deal_closings_outcome_check', column = 'outcome';
  end if;
  return null;
end $$;
create trigger close_deal after insert on crm.deal_closings for each row execute function crm.close_deal();

-- As the owner, because no app updates a closing.
create function crm.record_closing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'UPDATE' and old.status <> 'open' and new.status <> old.status then
    update crm.deal_closings k
    set reopened_at = now(), reopened_by = platform.current_actor(), reopened_by_app = platform.current_app(),
        reopened_by_login = session_user, reopened_version = new.version
    where k.deal_id = new.id and k.reopened_at is null;
  end if;
  if new.status = 'open' then return null; end if;
  update crm.deal_closings k set closed_at = new.closed_at, deal_version = coalesce(k.deal_version, new.version)
  where k.deal_id = new.id and k.reopened_at is null;
  if not found then
    insert into crm.deal_closings (deal_id, outcome, closed_at, deal_version) values (new.id, new.status, new.closed_at, new.version);
  end if;
  return null;
end $$;
create trigger record_first_closing after insert on crm.deals
  for each row when (new.status <> 'open') execute function crm.record_closing();
-- Not "of status": the trigger a_tie_status changes the status also of a statement that names only the stage.
create trigger record_closing after update on crm.deals
  for each row when (old.status <> new.status or old.closed_at <> new.closed_at) execute function crm.record_closing();

create table crm.contacts (
  id uuid primary key default uuidv7(),
  company_id uuid not null references platform.companies,
  customer_id uuid references platform.customers,
  name text collate platform.people not null check (platform.is_line(name, 200)),
  title text check (platform.is_line(title, 120)),
  email text check (platform.is_line(email, 254)),
  phone text check (platform.is_line(phone, 40)),
  phone_key text collate "C",
  phone_extension text collate "C",
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint contacts_phone_canonical check (platform.is_phone(phone, phone_key, phone_extension))
);
comment on table crm.contacts is 'A person''s role at a company; the person may be a customer.';
create index on crm.contacts (company_id);
create index on crm.contacts (customer_id) where customer_id is not null;
create trigger a_before_phone before update of phone_key on crm.contacts
  for each row execute function platform.mark_phone_key();
create trigger a_before_phone_extension before update of phone_extension on crm.contacts
  for each row execute function platform.mark_phone_extension();
create trigger a_phone before insert or update of phone, phone_key, phone_extension on crm.contacts
  for each row execute function platform.complete_phone();
create trigger count_version before update on crm.contacts
  for each row when (current_user <> 'merge_role') execute function platform.count_version();

call platform.require_present_customer('crm.contacts');
call platform.protect_table('crm.contacts');
create policy foundation_all on crm.contacts to foundation_role using (true) with check (true);
grant select,
      insert (company_id, customer_id, name, title, email, phone, phone_key, phone_extension),
      update (customer_id, name, title, email, phone, phone_key, phone_extension),
      delete
  on crm.contacts to foundation_role;

create table crm.activities (
  id uuid primary key default uuidv7(),
  customer_id uuid not null references platform.customers,
  deal_id bigint references crm.deals,
  type text collate "C" not null check (type ~ '^[a-z][a-z0-9_]{1,39}$'),
  description text not null check (char_length(description) between 1 and 4000),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  occurred_at timestamptz not null default now() constraint activities_occurred_at_time check (platform.is_time(occurred_at)),
  due_at timestamptz constraint activities_due_at_time check (platform.is_time(due_at)),
  done_at timestamptz constraint activities_done_at_time check (platform.is_time(done_at)),
  created_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app() check (platform.is_app(created_by_app)),
  created_by text collate "C" default platform.current_actor() references platform.users,
  created_by_login name not null default session_user,
  idempotency_key text collate "C" check (octet_length(idempotency_key) between 1 and 200),
  request_digest bytea check (octet_length(request_digest) = 32),
  unique (created_by_app, idempotency_key),
  constraint activities_request_digest_of_client
    check ((request_digest is not null) = coalesce(starts_with(idempotency_key, 'client:'), false)),
  check ((created_by_app = 'support') = (type like 'support\_%')),
  check (created_by_app <> 'support' or idempotency_key is not null)
);
comment on column crm.activities.created_by is 'The person, as the app says; created_by_login is the login that the server saw.';
comment on column crm.activities.idempotency_key is
  'Names the cause, so that retries make no second activity: session:<id>, closing:<id>, client:<id>.';
comment on column crm.activities.request_digest is
  'SHA-256 of the request that a person sent with a client_id. It tells a retry from another request with the same id.';
create index activities_timeline on crm.activities (customer_id, occurred_at desc, id desc);
create index activities_of_deal on crm.activities (deal_id, occurred_at desc, id desc) where deal_id is not null;
create index activities_tasks on crm.activities (coalesce(due_at, 'infinity'), id) where type = 'task' and done_at is null;
create index on crm.activities (created_by) where created_by is not null;

call platform.require_present_customer('crm.activities');
call platform.protect_table('crm.activities');
create policy foundation_read on crm.activities for select to foundation_role using (true);
create policy foundation_add on crm.activities for insert to foundation_role with check (created_by_app = 'foundation');
-- The activity of a closing or of a reopening is a record, as the closing is.
create policy foundation_edit on crm.activities for update to foundation_role
  using (created_by_app = 'foundation' and type not like 'deal\_%')
  with check (created_by_app = 'foundation' and type not like 'deal\_%');
create policy support_read on crm.activities for select to support_role using (created_by_app = 'support');
-- The minute of grace is there because the clocks of the app and of the database differ.
create policy support_add on crm.activities for insert to support_role
  with check (created_by_app = 'support' and occurred_at <= now() + interval '1 minute');
grant select,
      insert (customer_id, deal_id, type, description, metadata, occurred_at, due_at, done_at, created_by_app,
              idempotency_key, request_digest),
      update (type, description, metadata, occurred_at, due_at, done_at)
  on crm.activities to foundation_role;
-- Support adds to the timeline and reads its own activities back. It has no deal_id, created_by or created_at to forge, and no update or
-- delete.
grant select, insert (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key)
  on crm.activities to support_role;

-- The history of a customer and its deals, for the timeline and for "who changed this". Foundation's subscription to the events keeps it,
-- because the log itself is dropped after retention.
create table crm.changes (
  event_id bigint primary key,
  -- The id puts changes in one order with the activities, whose ids are uuids.
  id uuid not null generated always as (lpad(to_hex(event_id), 32, '0')::uuid) stored,
  customer_id uuid not null references platform.customers,
  deal_id bigint references crm.deals,
  change text not null check (change in ('created', 'edited', 'moved', 'won', 'lost', 'reopened')),
  app text collate "C" not null,
  actor text collate "C",
  occurred_at timestamptz not null constraint changes_occurred_at_time check (platform.is_time(occurred_at)),
  data jsonb not null check (jsonb_typeof(data) = 'object'),
  previous jsonb not null check (jsonb_typeof(previous) = 'object'),
  names jsonb not null default '{}' check (jsonb_typeof(names) = 'object')
);
comment on column crm.changes.names is
  'The names at that time, because fields and stages can be renamed or deleted: { "custom.colour": "Colour", "stage_id.7": "Proposal" }.';
comment on column crm.changes.deal_id is 'Null: a change of the customer itself.';
comment on column crm.changes.actor is 'As the app said; no reference, so that the history outlives the user.';
create index changes_timeline on crm.changes (customer_id, occurred_at desc, id desc);
create index changes_of_deal on crm.changes (deal_id, occurred_at desc, id desc) where deal_id is not null;

call platform.require_present_customer('crm.changes');
call platform.protect_table('crm.changes');
create policy foundation_all on crm.changes to foundation_role using (true) with check (true);
-- Update and delete are absent: this is a history.
grant select, insert (event_id, customer_id, deal_id, change, app, actor, occurred_at, data, previous, names)
  on crm.changes to foundation_role;

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
call platform.protect_table('crm.custom_fields');
create policy foundation_all on crm.custom_fields to foundation_role using (true) with check (true);
grant select,
      insert (record, key, label, type, choices, is_required, position),
      update (label, choices, is_required, position),
      delete
  on crm.custom_fields to foundation_role;

-- field_key and field_label make an event of a value readable by itself: the field may be deleted when the event is handled.
create table crm.custom_field_values (
  id bigint generated always as identity primary key,
  field_id bigint not null references crm.custom_fields on delete cascade,
  field_key text collate "C" not null,
  field_label text not null,
  customer_id uuid references platform.customers,
  company_id uuid references platform.companies,
  deal_id bigint references crm.deals,
  value jsonb not null check (jsonb_typeof(value) in ('string', 'number', 'boolean') and octet_length(value::text) <= 8192),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (num_nonnulls(customer_id, company_id, deal_id) = 1),
  unique (field_id, customer_id),
  unique (field_id, company_id),
  unique (field_id, deal_id)
);
comment on column crm.custom_field_values.field_label is 'As it was when the value was written; the triggers write it.';
create index on crm.custom_field_values (customer_id) where customer_id is not null;
create index on crm.custom_field_values (company_id) where company_id is not null;
create index on crm.custom_field_values (deal_id) where deal_id is not null;

call platform.require_present_customer('crm.custom_field_values');
call platform.protect_table('crm.custom_field_values');
create policy foundation_all on crm.custom_field_values to foundation_role using (true) with check (true);
grant select, insert (field_id, customer_id, company_id, deal_id, value), update (value), delete
  on crm.custom_field_values to foundation_role;

-- Whether a value is of its field's type; a number is one that JavaScript keeps.
create function crm.fits_field(field crm.custom_fields, value jsonb) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare given constant text := value #>> '{}';
begin
  return case field.type
    when 'text' then jsonb_typeof(value) = 'string' and char_length(given) between 1 and 2000
    when 'number' then case when jsonb_typeof(value) = 'number' then abs(given::numeric) <= 1e15 else false end
    when 'checkbox' then jsonb_typeof(value) = 'boolean'
    when 'choice' then jsonb_typeof(value) = 'string' and given = any (field.choices)
    when 'date' then jsonb_typeof(value) = 'string' and given ~ '^\d{4}-\d{2}-\d{2}$' and pg_input_is_valid(given, 'date')
  end;
end $$;
grant execute on function crm.fits_field(crm.custom_fields, jsonb) to foundation_role;

-- A value fits its field, for every writer. A required value cannot be taken away. A merge moves values that fit already.
create function crm.check_custom_value() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare field crm.custom_fields;
begin
  -- The lock keeps a choice from being removed while a value takes it.
  select * into field from crm.custom_fields f where f.id = case tg_op when 'DELETE' then old.field_id else new.field_id end for share;
  if tg_op = 'DELETE' then
    -- A field that is being removed is not found. The owner removes whole customers: see sync.remove_import_customers.
    if field.is_required and current_user <> 'platform_owner' then
      raise exception '% is required', field.label
        using errcode = 'check_violation', constraint = 'custom_field_required', column = field.key;
    end if;
    return old;
  end if;
  if field.id is null then return new; end if;  -- the foreign key refuses it
  if num_nonnulls(
    case field.record when 'customer' then new.customer_id::text when 'company' then new.company_id::text else new.deal_id::text end
  ) = 0 then
    raise exception '% is a field of another kind of record', field.label
      using errcode = 'check_violation', constraint = 'custom_field_record', column = field.key;
  end if;
  if not crm.fits_field(field, new.value) then
    raise exception 'not a value for the field %', field.label
      using errcode = 'check_violation', constraint = 'custom_field_' || field.type, column = field.key;
  end if;
  new.field_key := field.key;
  new.field_label := field.label;
  return new;
end $$;
create trigger check_value before insert or update or delete on crm.custom_field_values
  for each row when (current_user <> 'merge_role') execute function crm.check_custom_value();

-- A value counts as a change of its record: if two callers change the same version, the second gets a conflict. The function runs as the
-- owner, because no app writes versions.
create function crm.count_custom_value() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare r crm.custom_field_values;
begin
  if tg_op = 'UPDATE' and new is not distinct from old then return null; end if;
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if r.customer_id is not null then update platform.customers set version = version + 1 where id = r.customer_id;
  elsif r.company_id is not null then update platform.companies set version = version + 1 where id = r.company_id;
  else update crm.deals set version = version + 1 where id = r.deal_id;
  end if;
  return null;
end $$;
create trigger count_version after insert or update or delete on crm.custom_field_values
  for each row when (current_user <> 'merge_role') execute function crm.count_custom_value();

-- A transaction that makes a deal or a company in Foundation gives the required values before it ends. Customers, and companies that
-- Support makes, are not checked: they are made during chats, and Support does not know Foundation's fields. Foundation's own routes ask
-- for customers' required values as well.
create function crm.require_custom_values() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  missing crm.custom_fields;
  deal bigint;
  company uuid;
begin
  if tg_argv[0] = 'deal' then deal := new.id; else company := new.id; end if;
  select f.* into missing from crm.custom_fields f
  where f.is_required and f.record = tg_argv[0] and not exists (
    select from crm.custom_field_values v where v.field_id = f.id and (v.deal_id = deal or v.company_id = company))
  order by f.position, f.id limit 1;
  if found then
    raise exception '% is required', missing.label
      using errcode = 'check_violation', constraint = 'custom_field_required', column = missing.key;
  end if;
  return null;
end $$;
create constraint trigger require_custom_values after insert on crm.deals deferrable initially deferred
  for each row execute function crm.require_custom_values('deal');
create constraint trigger require_custom_values after insert on platform.companies deferrable initially deferred
  for each row when (new.created_by_app = 'foundation') execute function crm.require_custom_values('company');

-- A choice that a record uses cannot be removed.
create function crm.keep_used_choices() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare used text;
begin
  select v.value #>> '{}' into used from crm.custom_field_values v
  where v.field_id = new.id and v.value #>> '{}' <> all (new.choices) limit 1;
  if found then
    raise exception 'the choice % is in use', used
      using errcode = 'check_violation', constraint = 'custom_field_choice_used', detail = used;
  end if;
  return new;
end $$;
create trigger keep_used_choices before update of choices on crm.custom_fields
  for each row when (new.type = 'choice') execute function crm.keep_used_choices();

create table crm.saved_views (
  id bigint generated always as identity primary key,
  owner_id text collate "C" not null references platform.users,
  page text not null check (page in ('customers', 'companies', 'deals')),
  name text not null check (platform.is_line(name, 80)),
  query text not null check (octet_length(query) <= 2000),
  is_shared boolean not null default false,
  created_at timestamptz not null default now(),
  unique (owner_id, page, name)
);
comment on column crm.saved_views.query is 'The query string of the page’s address, without the "?".';
create index on crm.saved_views (page) where is_shared;

call platform.protect_table('crm.saved_views');
create policy foundation_all on crm.saved_views to foundation_role using (true) with check (true);
grant select, insert (owner_id, page, name, query, is_shared), update (name, query, is_shared), delete
  on crm.saved_views to foundation_role;

-- The sort keys of customer lists that change with nearly every write. They are kept apart from the record, so that such a write does not
-- touch the record's indexes. A change of a tier writes 0.9 KB of log with this table and 2.5 KB without it (bench/updates.ts). It holds
-- only customers that lists show: neither merged nor erased ones.
create table crm.customer_order (
  customer_id uuid primary key, -- no reference: only the trigger below writes here, and customers are never deleted
  account_tier text collate "C" not null,
  updated_at timestamptz not null
);
comment on column crm.customer_order.account_tier is '"~" for a customer without a tier: it sorts last, and no tier has that key.';
create index customer_order_by_tier on crm.customer_order (account_tier, customer_id);
create index customer_order_by_change on crm.customer_order (updated_at, customer_id);
call platform.protect_table('crm.customer_order');
create policy foundation_read on crm.customer_order for select to foundation_role using (true);
grant select on crm.customer_order to foundation_role; -- no writes: see order_customer

-- A definer function, because Support changes customers too. It runs while the writer holds the customer's row, so the two never differ.
create function crm.order_customer() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.merged_into is not null or new.erased_at is not null then
    delete from crm.customer_order o where o.customer_id = new.id;
    return null;
  end if;
  if tg_op = 'UPDATE' then
    update crm.customer_order o set account_tier = coalesce(new.account_tier, '~'), updated_at = new.updated_at
    where o.customer_id = new.id;
    if found then return null; end if; -- it is missing after an unmerge
  end if;
  insert into crm.customer_order (customer_id, account_tier, updated_at)
  values (new.id, coalesce(new.account_tier, '~'), new.updated_at);
  return null;
end $$;
create trigger d_order after insert or update on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function crm.order_customer();

-- The part of the CRM that Support's agents may see, and that Foundation shows for one customer: the customer with its sums. An
-- owner-rights view, so that a customer's context is one query and crm.deals stays closed. Money is summed per currency: { "EUR": 1200.00
-- }. The last activity is the last that has happened: a meeting of next week does not count. The view has the customer's columns, so a
-- caller that asks for both reads the row once: a context costs six searches of an index instead of seven. It names them, so that a new
-- column of platform.customers is shown here only if somebody decides so. Deal names and the text of an activity are absent on purpose.
-- There is no security_barrier: it hides columns, not rows, and must flatten into the caller's join.
create view crm.customer_context as
select c.id, c.email, c.name, c.phone, c.phone_key, c.phone_extension, c.company_id, c.version, c.created_at, c.updated_at,
       c.created_by_app, c.crm_id, c.account_tier, c.account_manager_id, c.support_id, c.preferred_language, c.timezone,
       c.merged_into, c.erased_at,
       manager.name as account_manager_name,
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
  where a.customer_id = c.id and a.occurred_at <= now() order by a.occurred_at desc, a.id desc limit 1
) last on true;
grant select on crm.customer_context to foundation_role, support_role;

-- Two more views for Support's panel beside a conversation, with the owner's rights, so that crm.deals stays closed. They show
-- which kind of activity was logged, its author and its time, but not its text; and the won deal that gave the customer its tier.
create view crm.recent_activities as
select a.customer_id, a.id, a.type, a.occurred_at, a.created_by_app, u.name as created_by_name
from crm.activities a left join platform.users u on u.id = a.created_by;
create view crm.tier_grants as
select k.customer_id, k.customer_version, k.given_tier as account_tier, d.name as deal_name, k.closed_at
from crm.deal_closings k join crm.deals d on d.id = k.deal_id
where k.customer_version is not null;
grant select on crm.recent_activities, crm.tier_grants to support_role;
