-- The whole schema as the migrations leave it: a page to read, and what `aether migrate check` compares a database with.
-- Made by `npm run schema`; never edited, never run: the order follows names. Owner is platform_owner unless said.

create extension pg_trgm with schema ext;

alter default privileges for role platform_owner grant execute on functions to platform_owner;
alter default privileges for role platform_owner grant usage on types to platform_owner;

grant connect on database to app_role;
grant connect on database to observer_role;
grant connect on database to platform_migrator;
grant connect on database to privacy_role;
grant connect on database to simulator_role;
grant connect on database to sync_role;
grant create on database to platform_owner;

create schema crm;
grant usage on schema crm to bulk_role;
grant usage on schema crm to erase_role;
grant usage on schema crm to foundation_role;
grant usage on schema crm to merge_role;
grant usage on schema crm to privacy_role;
grant usage on schema crm to support_role;

alter sequence crm.custom_field_values_id_seq start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
grant usage on sequence crm.custom_field_values_id_seq to merge_role;

create sequence crm.customer_number as bigint start 1000 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
grant usage on sequence crm.customer_number to bulk_role;
grant usage on sequence crm.customer_number to foundation_role;

CREATE OR REPLACE FUNCTION crm.check_custom_value()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION crm.check_money()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION crm.close_deal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update crm.deals d set status = new.outcome, closed_at = new.closed_at where d.id = new.deal_id and d.status = 'open';
  -- A deal that was closed by its own statement has the status already.
  if not exists (select from crm.deals d where d.id = new.deal_id and d.status = new.outcome) then
    raise exception 'only an open deal is closed'
      using errcode = 'check_violation', constraint = 'deal_closings_outcome_check', column = 'outcome';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION crm.count_custom_value()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare r crm.custom_field_values;
begin
  if tg_op = 'UPDATE' and new is not distinct from old then return null; end if;
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if r.customer_id is not null then update platform.customers set version = version + 1 where id = r.customer_id;
  elsif r.company_id is not null then update platform.companies set version = version + 1 where id = r.company_id;
  else update crm.deals set version = version + 1 where id = r.deal_id;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION crm.count_stage_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if tg_op = 'UPDATE' and new is not distinct from old then return null; end if;
  update crm.pipelines set version = version + 1 where id = case tg_op when 'DELETE' then old.pipeline_id else new.pipeline_id end;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION crm.fits_field(field crm.custom_fields, value jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare given constant text := value #>> '{}';
begin
  return case field.type
    when 'text' then jsonb_typeof(value) = 'string' and char_length(given) between 1 and 2000
    when 'number' then case when jsonb_typeof(value) = 'number' then abs(given::numeric) <= 1e15 else false end
    when 'checkbox' then jsonb_typeof(value) = 'boolean'
    when 'choice' then jsonb_typeof(value) = 'string' and given = any (field.choices)
    when 'date' then jsonb_typeof(value) = 'string' and given ~ '^\d{4}-\d{2}-\d{2}$' and pg_input_is_valid(given, 'date')
  end;
end $function$;
grant execute on function crm.fits_field(field crm.custom_fields, value jsonb) to foundation_role;
grant execute on function crm.fits_field(field crm.custom_fields, value jsonb) to merge_role;

CREATE OR REPLACE FUNCTION crm.give_tier()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION crm.keep_contact_away()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if platform.is_kept_away('email', lower(new.email)) or platform.is_kept_away('phone', new.phone_key) then
    raise exception 'this person was erased and is kept away' using errcode = 'check_violation', constraint = 'person_erased',
      schema = tg_table_schema, table = tg_table_name, column = 'email',
      hint = 'If the person comes back of their own will, somebody who may erase lifts the suppression with a reason.';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION crm.keep_former_stage()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into crm.former_stages (id, name) values (old.id, old.name) on conflict do nothing;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION crm.keep_outcome()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if exists (select from crm.deals d where d.stage_id = new.id) then
    raise exception 'deals stand in this stage: make another one for %', new.outcome using errcode = 'check_violation',
      constraint = 'deals_stage_of_status', column = 'outcome';
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION crm.keep_used_choices()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare used text;
begin
  select v.value #>> '{}' into used from crm.custom_field_values v
  where v.field_id = new.id and v.value #>> '{}' <> all (new.choices) limit 1;
  if found then
    raise exception 'the choice % is in use', used
      using errcode = 'check_violation', constraint = 'custom_field_choice_used', detail = used;
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION crm.order_customer()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION crm.record_closing()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION crm.require_custom_values()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION crm.tie_status_to_stage()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;

create table crm.activities (
  id uuid default uuidv7() not null,
  customer_id uuid not null,
  deal_id bigint,
  type text collate "C" not null,
  description text not null,
  metadata jsonb default '{}'::jsonb not null,
  occurred_at timestamp with time zone default now() not null,
  due_at timestamp with time zone,
  done_at timestamp with time zone,
  created_at timestamp with time zone default now() not null,
  created_by_app text collate "C" default platform.current_app() not null,
  created_by text collate "C" default platform.current_actor(),
  created_by_login name default SESSION_USER not null,
  idempotency_key text collate "C",
  request_digest bytea,
  constraint activities_pkey PRIMARY KEY (id),
  constraint activities_created_by_app_idempotency_key_key UNIQUE (created_by_app, idempotency_key),
  constraint activities_created_by_fkey FOREIGN KEY (created_by) REFERENCES platform.users(id),
  constraint activities_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint activities_deal_id_fkey FOREIGN KEY (deal_id) REFERENCES crm.deals(id),
  constraint activities_check CHECK (((created_by_app = 'support'::text) = (type ~~ 'support\_%'::text))),
  constraint activities_check1 CHECK (((created_by_app <> 'support'::text) OR (idempotency_key IS NOT NULL))),
  constraint activities_created_by_app_check CHECK (platform.is_app(created_by_app)),
  constraint activities_description_check CHECK (((char_length(description) >= 1) AND (char_length(description) <= 4000))),
  constraint activities_done_at_time CHECK (platform.is_time(done_at)),
  constraint activities_due_at_time CHECK (platform.is_time(due_at)),
  constraint activities_idempotency_key_check CHECK (((octet_length(idempotency_key) >= 1) AND (octet_length(idempotency_key) <= 200))),
  constraint activities_metadata_check CHECK (((jsonb_typeof(metadata) = 'object'::text) AND (octet_length((metadata)::text) <= 16384))),
  constraint activities_occurred_at_time CHECK (platform.is_time(occurred_at)),
  constraint activities_request_digest_check CHECK ((octet_length(request_digest) = 32)),
  constraint activities_request_digest_of_client CHECK (((request_digest IS NOT NULL) = COALESCE(starts_with(idempotency_key, 'client:'::text), false))),
  constraint activities_type_check CHECK ((type ~ '^[a-z][a-z0-9_]{1,39}$'::text))
);
comment on column crm.activities.created_by is 'The person, as the app says; created_by_login is the login that the server saw.';
comment on column crm.activities.idempotency_key is 'Names the cause, so that retries make no second activity: session:<id>, closing:<id>, client:<id>.';
comment on column crm.activities.request_digest is 'SHA-256 of the request that a person sent with a client_id. It tells a retry from another request with the same id.';
CREATE INDEX activities_created_by_idx ON crm.activities USING btree (created_by) WHERE (created_by IS NOT NULL);
CREATE INDEX activities_of_deal ON crm.activities USING btree (deal_id, occurred_at DESC, id DESC) WHERE (deal_id IS NOT NULL);
CREATE INDEX activities_tasks ON crm.activities USING btree (COALESCE(due_at, 'infinity'::timestamp with time zone), id) WHERE ((type = 'task'::text) AND (done_at IS NULL));
CREATE INDEX activities_timeline ON crm.activities USING btree (customer_id, occurred_at DESC, id DESC);
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON crm.activities FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON crm.activities FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_crm_activities();
alter table crm.activities enable row level security, force row level security;
create policy erase_all on crm.activities for all to erase_role using (true) with check (true);
create policy foundation_add on crm.activities for insert to foundation_role with check ((created_by_app = 'foundation'::text));
create policy foundation_edit on crm.activities for update to foundation_role using (((created_by_app = 'foundation'::text) AND (type !~~ 'deal\_%'::text))) with check (((created_by_app = 'foundation'::text) AND (type !~~ 'deal\_%'::text)));
create policy foundation_read on crm.activities for select to foundation_role using (true);
create policy merge_all on crm.activities for all to merge_role using (true) with check (true);
create policy owner_all on crm.activities for all to platform_owner using (true) with check (true);
create policy support_add on crm.activities for insert to support_role with check (((created_by_app = 'support'::text) AND (occurred_at <= (now() + '00:01:00'::interval))));
create policy support_read on crm.activities for select to support_role using ((created_by_app = 'support'::text));
grant delete on crm.activities to erase_role;
grant delete on crm.activities to merge_role;
grant insert (customer_id, deal_id, type, description, metadata, occurred_at, due_at, done_at, created_by_app, idempotency_key, request_digest) on crm.activities to foundation_role;
grant insert (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key) on crm.activities to support_role;
grant insert on crm.activities to merge_role;
grant maintain on crm.activities to privacy_role;
grant select on crm.activities to erase_role;
grant select on crm.activities to foundation_role;
grant select on crm.activities to merge_role;
grant select on crm.activities to support_role;
grant update (type, description, metadata, occurred_at, due_at, done_at) on crm.activities to foundation_role;
grant update on crm.activities to erase_role;
grant update on crm.activities to merge_role;

create table crm.changes (
  event_id bigint not null,
  id uuid generated always as ((lpad(to_hex(event_id), 32, '0'::text))::uuid) stored not null,
  customer_id uuid not null,
  deal_id bigint,
  change text not null,
  app text collate "C" not null,
  actor text collate "C",
  occurred_at timestamp with time zone not null,
  data jsonb not null,
  previous jsonb not null,
  names jsonb default '{}'::jsonb not null,
  constraint changes_pkey PRIMARY KEY (event_id),
  constraint changes_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint changes_deal_id_fkey FOREIGN KEY (deal_id) REFERENCES crm.deals(id),
  constraint changes_change_check CHECK ((change = ANY (ARRAY['created'::text, 'edited'::text, 'moved'::text, 'won'::text, 'lost'::text, 'reopened'::text]))),
  constraint changes_data_check CHECK ((jsonb_typeof(data) = 'object'::text)),
  constraint changes_names_check CHECK ((jsonb_typeof(names) = 'object'::text)),
  constraint changes_occurred_at_time CHECK (platform.is_time(occurred_at)),
  constraint changes_previous_check CHECK ((jsonb_typeof(previous) = 'object'::text))
);
comment on column crm.changes.deal_id is 'Null: a change of the customer itself.';
comment on column crm.changes.actor is 'As the app said; no reference, so that the history outlives the user.';
comment on column crm.changes.names is 'The names at that time, because fields and stages can be renamed or deleted: { "custom.colour": "Colour", "stage_id.7": "Proposal" }.';
CREATE INDEX changes_of_deal ON crm.changes USING btree (deal_id, occurred_at DESC, id DESC) WHERE (deal_id IS NOT NULL);
CREATE INDEX changes_timeline ON crm.changes USING btree (customer_id, occurred_at DESC, id DESC);
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON crm.changes FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
alter table crm.changes enable row level security, force row level security;
create policy erase_all on crm.changes for all to erase_role using (true) with check (true);
create policy foundation_all on crm.changes for all to foundation_role using (true) with check (true);
create policy merge_all on crm.changes for all to merge_role using (true) with check (true);
create policy owner_all on crm.changes for all to platform_owner using (true) with check (true);
grant delete on crm.changes to erase_role;
grant delete on crm.changes to merge_role;
grant insert (event_id, customer_id, deal_id, change, app, actor, occurred_at, data, previous, names) on crm.changes to foundation_role;
grant insert on crm.changes to merge_role;
grant maintain on crm.changes to privacy_role;
grant select on crm.changes to erase_role;
grant select on crm.changes to foundation_role;
grant select on crm.changes to merge_role;
grant update on crm.changes to erase_role;
grant update on crm.changes to merge_role;

create table crm.contacts (
  id uuid default uuidv7() not null,
  company_id uuid not null,
  customer_id uuid,
  name text collate platform.people not null,
  title text,
  email text,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint contacts_pkey PRIMARY KEY (id),
  constraint contacts_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint contacts_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint contacts_email_check CHECK (platform.is_line(email, 254)),
  constraint contacts_name_check CHECK (platform.is_line(name, 200)),
  constraint contacts_phone_canonical CHECK (platform.is_phone(phone, phone_key, phone_extension)),
  constraint contacts_phone_check CHECK (platform.is_line(phone, 40)),
  constraint contacts_title_check CHECK (platform.is_line(title, 120))
);
comment on table crm.contacts is 'A person''s role at a company; the person may be a customer.';
CREATE INDEX contacts_company_id_idx ON crm.contacts USING btree (company_id);
CREATE INDEX contacts_customer_id_idx ON crm.contacts USING btree (customer_id) WHERE (customer_id IS NOT NULL);
CREATE INDEX contacts_unlinked ON crm.contacts USING btree (lower(email)) WHERE ((customer_id IS NULL) AND (email IS NOT NULL));
CREATE TRIGGER a_before_phone BEFORE UPDATE OF phone_key ON crm.contacts FOR EACH ROW EXECUTE FUNCTION platform.mark_phone_key();
CREATE TRIGGER a_before_phone_extension BEFORE UPDATE OF phone_extension ON crm.contacts FOR EACH ROW EXECUTE FUNCTION platform.mark_phone_extension();
CREATE TRIGGER a_phone BEFORE INSERT OR UPDATE OF phone, phone_key, phone_extension ON crm.contacts FOR EACH ROW EXECUTE FUNCTION platform.complete_phone();
CREATE TRIGGER count_version BEFORE UPDATE ON crm.contacts FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.count_version();
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON crm.contacts FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER y_keep_away AFTER INSERT OR UPDATE OF email, phone_key ON crm.contacts FOR EACH ROW WHEN ((CURRENT_USER <> 'erase_role'::name)) EXECUTE FUNCTION crm.keep_contact_away();
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON crm.contacts FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_crm_contacts();
alter table crm.contacts enable row level security, force row level security;
create policy erase_all on crm.contacts for all to erase_role using (true) with check (true);
create policy foundation_all on crm.contacts for all to foundation_role using (true) with check (true);
create policy merge_all on crm.contacts for all to merge_role using (true) with check (true);
create policy owner_all on crm.contacts for all to platform_owner using (true) with check (true);
grant delete on crm.contacts to erase_role;
grant delete on crm.contacts to foundation_role;
grant delete on crm.contacts to merge_role;
grant insert (company_id, customer_id, name, title, email, phone, phone_key, phone_extension) on crm.contacts to foundation_role;
grant insert on crm.contacts to merge_role;
grant maintain on crm.contacts to privacy_role;
grant select on crm.contacts to erase_role;
grant select on crm.contacts to foundation_role;
grant select on crm.contacts to merge_role;
grant update (customer_id, name, title, email, phone, phone_key, phone_extension) on crm.contacts to foundation_role;
grant update on crm.contacts to erase_role;
grant update on crm.contacts to merge_role;

create table crm.currencies (
  code text collate "C" not null,
  decimals smallint not null,
  is_withdrawn boolean default false not null,
  constraint currencies_pkey PRIMARY KEY (code),
  constraint currencies_code_check CHECK ((code ~ '^[A-Z]{3}$'::text)),
  constraint currencies_decimals_check CHECK (((decimals >= 0) AND (decimals <= 4)))
);
comment on column crm.currencies.is_withdrawn is 'Replaced since 2020: a deal of that time keeps it, and no deal gets it. See check_money.';
alter table crm.currencies enable row level security, force row level security;
create policy foundation_read on crm.currencies for select to foundation_role using (true);
create policy owner_all on crm.currencies for all to platform_owner using (true) with check (true);
grant select on crm.currencies to foundation_role;

create table crm.custom_field_values (
  id bigint generated always as identity not null,
  field_id bigint not null,
  field_key text collate "C" not null,
  field_label text not null,
  customer_id uuid,
  company_id uuid,
  deal_id bigint,
  value jsonb not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint custom_field_values_pkey PRIMARY KEY (id),
  constraint custom_field_values_field_id_company_id_key UNIQUE (field_id, company_id),
  constraint custom_field_values_field_id_customer_id_key UNIQUE (field_id, customer_id),
  constraint custom_field_values_field_id_deal_id_key UNIQUE (field_id, deal_id),
  constraint custom_field_values_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint custom_field_values_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint custom_field_values_deal_id_fkey FOREIGN KEY (deal_id) REFERENCES crm.deals(id),
  constraint custom_field_values_field_id_fkey FOREIGN KEY (field_id) REFERENCES crm.custom_fields(id) ON DELETE CASCADE,
  constraint custom_field_values_check CHECK ((num_nonnulls(customer_id, company_id, deal_id) = 1)),
  constraint custom_field_values_value_check CHECK (((jsonb_typeof(value) = ANY (ARRAY['string'::text, 'number'::text, 'boolean'::text])) AND (octet_length((value)::text) <= 8192)))
);
comment on column crm.custom_field_values.field_label is 'As it was when the value was written; the triggers write it.';
CREATE INDEX custom_field_values_company_id_idx ON crm.custom_field_values USING btree (company_id) WHERE (company_id IS NOT NULL);
CREATE INDEX custom_field_values_customer_id_idx ON crm.custom_field_values USING btree (customer_id) WHERE (customer_id IS NOT NULL);
CREATE INDEX custom_field_values_deal_id_idx ON crm.custom_field_values USING btree (deal_id) WHERE (deal_id IS NOT NULL);
CREATE TRIGGER check_value BEFORE INSERT OR DELETE OR UPDATE ON crm.custom_field_values FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION crm.check_custom_value();
CREATE TRIGGER count_version AFTER INSERT OR DELETE OR UPDATE ON crm.custom_field_values FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION crm.count_custom_value();
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON crm.custom_field_values FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON crm.custom_field_values FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_crm_custom_field_values();
alter table crm.custom_field_values enable row level security, force row level security;
create policy erase_all on crm.custom_field_values for all to erase_role using (true) with check (true);
create policy foundation_all on crm.custom_field_values for all to foundation_role using (true) with check (true);
create policy merge_all on crm.custom_field_values for all to merge_role using (true) with check (true);
create policy owner_all on crm.custom_field_values for all to platform_owner using (true) with check (true);
grant delete on crm.custom_field_values to erase_role;
grant delete on crm.custom_field_values to foundation_role;
grant delete on crm.custom_field_values to merge_role;
grant insert (field_id, customer_id, company_id, deal_id, value) on crm.custom_field_values to foundation_role;
grant insert on crm.custom_field_values to merge_role;
grant maintain on crm.custom_field_values to privacy_role;
grant select on crm.custom_field_values to erase_role;
grant select on crm.custom_field_values to foundation_role;
grant select on crm.custom_field_values to merge_role;
grant update (value) on crm.custom_field_values to foundation_role;
grant update on crm.custom_field_values to erase_role;
grant update on crm.custom_field_values to merge_role;

create table crm.custom_fields (
  id bigint generated always as identity not null,
  record text not null,
  key text collate "C" not null,
  label text not null,
  type text not null,
  choices text[] default '{}'::text[] not null,
  is_required boolean default false not null,
  "position" integer default 0 not null,
  created_at timestamp with time zone default now() not null,
  constraint custom_fields_pkey PRIMARY KEY (id),
  constraint custom_fields_record_key_key UNIQUE (record, key),
  constraint custom_fields_check CHECK (((type = 'choice'::text) = (cardinality(choices) > 0))),
  constraint custom_fields_key_check CHECK ((key ~ '^[a-z][a-z0-9_]{0,39}$'::text)),
  constraint custom_fields_label_check CHECK (platform.is_line(label, 80)),
  constraint custom_fields_record_check CHECK ((record = ANY (ARRAY['customer'::text, 'company'::text, 'deal'::text]))),
  constraint custom_fields_type_check CHECK ((type = ANY (ARRAY['text'::text, 'number'::text, 'date'::text, 'choice'::text, 'checkbox'::text])))
);
CREATE TRIGGER keep_used_choices BEFORE UPDATE OF choices ON crm.custom_fields FOR EACH ROW WHEN ((new.type = 'choice'::text)) EXECUTE FUNCTION crm.keep_used_choices();
alter table crm.custom_fields enable row level security, force row level security;
create policy foundation_all on crm.custom_fields for all to foundation_role using (true) with check (true);
create policy merge_read on crm.custom_fields for select to merge_role using (true);
create policy owner_all on crm.custom_fields for all to platform_owner using (true) with check (true);
grant delete on crm.custom_fields to foundation_role;
grant insert (record, key, label, type, choices, is_required, "position") on crm.custom_fields to foundation_role;
grant select on crm.custom_fields to foundation_role;
grant select on crm.custom_fields to merge_role;
grant update (label, choices, is_required, "position") on crm.custom_fields to foundation_role;

create table crm.customer_order (
  customer_id uuid not null,
  account_tier text collate "C" not null,
  updated_at timestamp with time zone not null,
  constraint customer_order_pkey PRIMARY KEY (customer_id)
);
comment on column crm.customer_order.account_tier is '"~" for a customer without a tier: it sorts last, and no tier has that key.';
CREATE INDEX customer_order_by_change ON crm.customer_order USING btree (updated_at, customer_id);
CREATE INDEX customer_order_by_tier ON crm.customer_order USING btree (account_tier, customer_id);
alter table crm.customer_order enable row level security, force row level security;
create policy bulk_all on crm.customer_order for all to bulk_role using (true) with check (true);
create policy erase_all on crm.customer_order for all to erase_role using (true) with check (true);
create policy foundation_read on crm.customer_order for select to foundation_role using (true);
create policy merge_all on crm.customer_order for all to merge_role using (true) with check (true);
create policy owner_all on crm.customer_order for all to platform_owner using (true) with check (true);
grant delete on crm.customer_order to erase_role;
grant delete on crm.customer_order to merge_role;
grant insert on crm.customer_order to bulk_role;
grant insert on crm.customer_order to merge_role;
grant maintain on crm.customer_order to privacy_role;
grant select on crm.customer_order to bulk_role;
grant select on crm.customer_order to erase_role;
grant select on crm.customer_order to foundation_role;
grant select on crm.customer_order to merge_role;
grant update on crm.customer_order to bulk_role;
grant update on crm.customer_order to erase_role;
grant update on crm.customer_order to merge_role;

create table crm.deal_closings (
  id uuid default uuidv7() not null,
  deal_id bigint not null,
  outcome text not null,
  given_tier text collate "C",
  previous_tier text collate "C",
  customer_id uuid not null,
  customer_version bigint,
  deal_version bigint,
  closed_at timestamp with time zone default now() not null,
  closed_by text collate "C" default platform.current_actor(),
  closed_by_app text collate "C" default platform.current_app() not null,
  closed_by_login name default SESSION_USER not null,
  reopened_at timestamp with time zone,
  reopened_by text collate "C",
  reopened_by_app text collate "C",
  reopened_by_login name,
  reopened_version bigint,
  constraint deal_closings_pkey PRIMARY KEY (id),
  constraint deal_closings_deal_id_fkey FOREIGN KEY (deal_id) REFERENCES crm.deals(id),
  constraint deal_closings_check CHECK ((num_nulls(reopened_at, reopened_by_app, reopened_by_login, reopened_version) = ANY (ARRAY[0, 4]))),
  constraint deal_closings_closed_at_time CHECK (platform.is_time(closed_at)),
  constraint deal_closings_given_tier_check CHECK (((given_tier IS NULL) OR (outcome = 'won'::text))),
  constraint deal_closings_outcome_check CHECK ((outcome = ANY (ARRAY['won'::text, 'lost'::text]))),
  constraint deal_closings_reopened_at_time CHECK (platform.is_time(reopened_at))
);
comment on column crm.deal_closings.given_tier is 'Null: the closing did not change the customer''s tier.';
comment on column crm.deal_closings.customer_id is 'The customer of the deal at that moment. No reference: with customer_version it names an event, and a merge must not change that.';
comment on column crm.deal_closings.customer_version is 'The version of the customer that the given tier made. Null: the tier did not change.';
comment on column crm.deal_closings.deal_version is 'The version of the deal that closing it made, as its event says.';
comment on column crm.deal_closings.closed_by is 'The person, as the app says; closed_by_login is what the server knows. No reference, so that the closing outlives the user.';
CREATE INDEX deal_closings_of_deal ON crm.deal_closings USING btree (deal_id, closed_at DESC);
CREATE UNIQUE INDEX deal_closings_of_version ON crm.deal_closings USING btree (customer_id, customer_version) WHERE (customer_version IS NOT NULL);
CREATE UNIQUE INDEX deal_closings_that_counts ON crm.deal_closings USING btree (deal_id) WHERE (reopened_at IS NULL);
CREATE TRIGGER close_deal AFTER INSERT ON crm.deal_closings FOR EACH ROW EXECUTE FUNCTION crm.close_deal();
CREATE TRIGGER give_tier BEFORE INSERT ON crm.deal_closings FOR EACH ROW EXECUTE FUNCTION crm.give_tier();
alter table crm.deal_closings enable row level security, force row level security;
create policy erase_all on crm.deal_closings for all to erase_role using (true) with check (true);
create policy foundation_all on crm.deal_closings for all to foundation_role using (true) with check (true);
create policy owner_all on crm.deal_closings for all to platform_owner using (true) with check (true);
grant delete on crm.deal_closings to erase_role;
grant insert (deal_id, outcome, given_tier) on crm.deal_closings to foundation_role;
grant maintain on crm.deal_closings to privacy_role;
grant select on crm.deal_closings to erase_role;
grant select on crm.deal_closings to foundation_role;
grant update on crm.deal_closings to erase_role;

create table crm.deals (
  id bigint generated always as identity not null,
  customer_id uuid not null,
  company_id uuid,
  pipeline_id bigint not null,
  stage_id bigint not null,
  name text collate platform.people not null,
  amount numeric(19,4) default 0 not null,
  currency text collate "C" default 'EUR'::text not null,
  status text default 'open'::text not null,
  owner_id text collate "C",
  expected_close_on date,
  closed_at timestamp with time zone,
  idempotency_key text collate "C",
  request_digest bytea,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint deals_pkey PRIMARY KEY (id),
  constraint deals_idempotency_key_key UNIQUE (idempotency_key),
  constraint deals_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint deals_currency_fkey FOREIGN KEY (currency) REFERENCES crm.currencies(code),
  constraint deals_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint deals_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES platform.users(id),
  constraint deals_pipeline_id_stage_id_fkey FOREIGN KEY (pipeline_id, stage_id) REFERENCES crm.pipeline_stages(pipeline_id, id),
  constraint deals_amount_check CHECK ((amount >= (0)::numeric)),
  constraint deals_amount_number CHECK ((amount <> 'NaN'::numeric)),
  constraint deals_check CHECK (((status = 'open'::text) = (closed_at IS NULL))),
  constraint deals_closed_at_time CHECK (platform.is_time(closed_at)),
  constraint deals_expected_close_on_day CHECK (platform.is_day(expected_close_on)),
  constraint deals_idempotency_key_check CHECK (((octet_length(idempotency_key) >= 1) AND (octet_length(idempotency_key) <= 200))),
  constraint deals_name_check CHECK (platform.is_line(name, 200)),
  constraint deals_request_digest_check CHECK ((octet_length(request_digest) = 32)),
  constraint deals_request_digest_of_key CHECK (((idempotency_key IS NULL) = (request_digest IS NULL))),
  constraint deals_status_check CHECK ((status = ANY (ARRAY['open'::text, 'won'::text, 'lost'::text]))),
  constraint require_custom_values TRIGGER DEFERRABLE INITIALLY DEFERRED
);
comment on column crm.deals.closed_at is 'The time of the closing that counts, see crm.deal_closings. The triggers write it.';
comment on column crm.deals.request_digest is 'SHA-256 of the request that made the deal. It tells a retry from another request with the same key, even after the deal was changed.';
CREATE INDEX deals_board ON crm.deals USING btree (stage_id, COALESCE(expected_close_on, 'infinity'::date), id);
CREATE INDEX deals_by_amount ON crm.deals USING btree (amount, id);
CREATE INDEX deals_by_change ON crm.deals USING btree (updated_at, id);
CREATE INDEX deals_by_close ON crm.deals USING btree (COALESCE(expected_close_on, 'infinity'::date), id);
CREATE INDEX deals_by_name ON crm.deals USING btree (name, id);
CREATE INDEX deals_company_id_idx ON crm.deals USING btree (company_id) WHERE (company_id IS NOT NULL);
CREATE INDEX deals_currency_idx ON crm.deals USING btree (currency);
CREATE INDEX deals_customer ON crm.deals USING btree (customer_id, status, currency);
CREATE INDEX deals_folded ON crm.deals USING gin (platform.search_text(name) ext.gin_trgm_ops) WHERE platform.is_folded(name);
CREATE INDEX deals_owner_id_idx ON crm.deals USING btree (owner_id) WHERE (owner_id IS NOT NULL);
CREATE INDEX deals_search ON crm.deals USING gin (((' '::text || lower((name COLLATE pg_c_utf8)))) ext.gin_trgm_ops);
CREATE INDEX deals_sums ON crm.deals USING btree (pipeline_id, stage_id, status, currency) INCLUDE (amount, closed_at);
CREATE CONSTRAINT TRIGGER require_custom_values AFTER INSERT ON crm.deals DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.require_custom_values('deal');
CREATE TRIGGER a_tie_status BEFORE INSERT OR UPDATE OF pipeline_id, stage_id, status ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm.tie_status_to_stage();
CREATE TRIGGER check_money BEFORE INSERT OR UPDATE OF amount, currency ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm.check_money();
CREATE TRIGGER count_version BEFORE UPDATE ON crm.deals FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.count_version();
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON crm.deals FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER record_closing AFTER UPDATE ON crm.deals FOR EACH ROW WHEN (((old.status <> new.status) OR (old.closed_at <> new.closed_at))) EXECUTE FUNCTION crm.record_closing();
CREATE TRIGGER record_first_closing AFTER INSERT ON crm.deals FOR EACH ROW WHEN ((new.status <> 'open'::text)) EXECUTE FUNCTION crm.record_closing();
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON crm.deals FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_crm_deals();
alter table crm.deals enable row level security, force row level security;
create policy erase_all on crm.deals for all to erase_role using (true) with check (true);
create policy foundation_all on crm.deals for all to foundation_role using (true) with check (true);
create policy merge_all on crm.deals for all to merge_role using (true) with check (true);
create policy owner_all on crm.deals for all to platform_owner using (true) with check (true);
grant delete on crm.deals to erase_role;
grant delete on crm.deals to merge_role;
grant insert (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on, idempotency_key, request_digest) on crm.deals to foundation_role;
grant insert on crm.deals to merge_role;
grant maintain on crm.deals to privacy_role;
grant select on crm.deals to erase_role;
grant select on crm.deals to foundation_role;
grant select on crm.deals to merge_role;
grant update (company_id, pipeline_id, stage_id, name, amount, currency, status, owner_id, expected_close_on) on crm.deals to foundation_role;
grant update on crm.deals to erase_role;
grant update on crm.deals to merge_role;

create table crm.former_stages (
  id bigint not null,
  name text not null,
  constraint former_stages_pkey PRIMARY KEY (id)
);
alter table crm.former_stages enable row level security, force row level security;
create policy foundation_read on crm.former_stages for select to foundation_role using (true);
create policy owner_all on crm.former_stages for all to platform_owner using (true) with check (true);
grant select on crm.former_stages to foundation_role;

create table crm.pipeline_stages (
  id bigint generated always as identity not null,
  pipeline_id bigint not null,
  name text not null,
  "position" integer not null,
  outcome text default 'open'::text not null,
  probability_percent smallint default 50 not null,
  constraint pipeline_stages_pkey PRIMARY KEY (id),
  constraint pipeline_stages_pipeline_id_id_key UNIQUE (pipeline_id, id),
  constraint pipeline_stages_pipeline_id_name_key UNIQUE (pipeline_id, name),
  constraint pipeline_stages_pipeline_id_position_key UNIQUE (pipeline_id, "position") DEFERRABLE INITIALLY DEFERRED,
  constraint pipeline_stages_pipeline_id_fkey FOREIGN KEY (pipeline_id) REFERENCES crm.pipelines(id),
  constraint pipeline_stages_name_check CHECK (platform.is_line(name, 80)),
  constraint pipeline_stages_outcome_check CHECK ((outcome = ANY (ARRAY['open'::text, 'won'::text, 'lost'::text]))),
  constraint pipeline_stages_probability_percent_check CHECK (((probability_percent >= 0) AND (probability_percent <= 100)))
);
CREATE UNIQUE INDEX pipeline_stages_one_lost ON crm.pipeline_stages USING btree (pipeline_id) WHERE (outcome = 'lost'::text);
CREATE UNIQUE INDEX pipeline_stages_one_won ON crm.pipeline_stages USING btree (pipeline_id) WHERE (outcome = 'won'::text);
CREATE TRIGGER count_version AFTER INSERT OR DELETE OR UPDATE ON crm.pipeline_stages FOR EACH ROW EXECUTE FUNCTION crm.count_stage_change();
CREATE TRIGGER keep_former_stage AFTER DELETE ON crm.pipeline_stages FOR EACH ROW EXECUTE FUNCTION crm.keep_former_stage();
CREATE TRIGGER keep_outcome BEFORE UPDATE OF outcome ON crm.pipeline_stages FOR EACH ROW WHEN ((new.outcome <> old.outcome)) EXECUTE FUNCTION crm.keep_outcome();
alter table crm.pipeline_stages enable row level security, force row level security;
create policy foundation_all on crm.pipeline_stages for all to foundation_role using (true) with check (true);
create policy owner_all on crm.pipeline_stages for all to platform_owner using (true) with check (true);
grant delete on crm.pipeline_stages to foundation_role;
grant insert (pipeline_id, name, "position", outcome, probability_percent) on crm.pipeline_stages to foundation_role;
grant select on crm.pipeline_stages to foundation_role;
grant update (name, "position", outcome, probability_percent) on crm.pipeline_stages to foundation_role;

create table crm.pipelines (
  id bigint generated always as identity not null,
  name text not null,
  is_default boolean default false not null,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint pipelines_pkey PRIMARY KEY (id),
  constraint pipelines_name_key UNIQUE (name),
  constraint pipelines_name_check CHECK (platform.is_line(name, 80))
);
CREATE UNIQUE INDEX pipelines_one_default ON crm.pipelines USING btree (is_default) WHERE is_default;
CREATE TRIGGER count_version BEFORE UPDATE ON crm.pipelines FOR EACH ROW EXECUTE FUNCTION platform.count_version();
alter table crm.pipelines enable row level security, force row level security;
create policy foundation_all on crm.pipelines for all to foundation_role using (true) with check (true);
create policy owner_all on crm.pipelines for all to platform_owner using (true) with check (true);
grant delete on crm.pipelines to foundation_role;
grant insert (name, is_default) on crm.pipelines to foundation_role;
grant select on crm.pipelines to foundation_role;
grant update (name, is_default) on crm.pipelines to foundation_role;

create table crm.saved_views (
  id bigint generated always as identity not null,
  owner_id text collate "C" not null,
  page text not null,
  name text not null,
  query text not null,
  is_shared boolean default false not null,
  created_at timestamp with time zone default now() not null,
  constraint saved_views_pkey PRIMARY KEY (id),
  constraint saved_views_owner_id_page_name_key UNIQUE (owner_id, page, name),
  constraint saved_views_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES platform.users(id),
  constraint saved_views_name_check CHECK (platform.is_line(name, 80)),
  constraint saved_views_page_check CHECK ((page = ANY (ARRAY['customers'::text, 'companies'::text, 'deals'::text]))),
  constraint saved_views_query_check CHECK ((octet_length(query) <= 2000))
);
comment on column crm.saved_views.query is 'The query string of the page’s address, without the "?".';
CREATE INDEX saved_views_page_idx ON crm.saved_views USING btree (page) WHERE is_shared;
alter table crm.saved_views enable row level security, force row level security;
create policy foundation_all on crm.saved_views for all to foundation_role using (true) with check (true);
create policy owner_all on crm.saved_views for all to platform_owner using (true) with check (true);
grant delete on crm.saved_views to foundation_role;
grant insert (owner_id, page, name, query, is_shared) on crm.saved_views to foundation_role;
grant select on crm.saved_views to foundation_role;
grant update (name, query, is_shared) on crm.saved_views to foundation_role;

create view crm.customer_context as
 SELECT c.id,
    c.email,
    c.name,
    c.phone,
    c.phone_key,
    c.phone_extension,
    c.company_id,
    c.version,
    c.created_at,
    c.updated_at,
    c.created_by_app,
    c.crm_id,
    c.account_tier,
    c.account_manager_id,
    c.support_id,
    c.preferred_language,
    c.timezone,
    c.merged_into,
    c.erased_at,
    manager.name AS account_manager_name,
    COALESCE(deals.open_deals, 0) AS open_deals,
    COALESCE(deals.open_deals_value, '{}'::jsonb) AS open_deals_value,
    last.type AS last_activity_type,
    last.occurred_at AS last_activity_at,
    last.created_by_app AS last_activity_app
   FROM (((platform.customers c
     LEFT JOIN platform.users manager ON ((manager.id = c.account_manager_id)))
     LEFT JOIN LATERAL ( SELECT (sum(per_currency.deals))::integer AS open_deals,
            jsonb_object_agg(per_currency.currency, per_currency.amount) AS open_deals_value
           FROM ( SELECT d.currency,
                    count(*) AS deals,
                    sum(d.amount) AS amount
                   FROM crm.deals d
                  WHERE ((d.customer_id = c.id) AND (d.status = 'open'::text))
                  GROUP BY d.currency) per_currency) deals ON (true))
     LEFT JOIN LATERAL ( SELECT a.type,
            a.occurred_at,
            a.created_by_app
           FROM crm.activities a
          WHERE ((a.customer_id = c.id) AND (a.occurred_at <= now()))
          ORDER BY a.occurred_at DESC, a.id DESC
         LIMIT 1) last ON (true));
grant select on crm.customer_context to foundation_role;
grant select on crm.customer_context to support_role;

create view crm.recent_activities as
 SELECT a.customer_id,
    a.id,
    a.type,
    a.occurred_at,
    a.created_by_app,
    u.name AS created_by_name
   FROM (crm.activities a
     LEFT JOIN platform.users u ON ((u.id = a.created_by)));
grant select on crm.recent_activities to support_role;

create view crm.tier_grants as
 SELECT k.customer_id,
    k.customer_version,
    k.given_tier AS account_tier,
    d.name AS deal_name,
    k.closed_at
   FROM (crm.deal_closings k
     JOIN crm.deals d ON ((d.id = k.deal_id)))
  WHERE (k.customer_version IS NOT NULL);
grant select on crm.tier_grants to support_role;

create schema ext;
grant usage on schema ext to app_role;
grant usage on schema ext to platform_owner;

create schema platform;
grant usage on schema platform to app_role;
grant usage on schema platform to bulk_role;
grant usage on schema platform to erase_role;
grant usage on schema platform to merge_role;
grant usage on schema platform to privacy_role;
grant usage on schema platform to sync_role;

create collation platform.people (provider = icu, locale = 'und', deterministic = t);

CREATE OR REPLACE FUNCTION platform.add_address(of_customer uuid, address text, key text, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT address_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  insert into platform.customer_emails (email_key, email, customer_id, is_primary) values (key, address, held, false)
  on conflict (email_key) do nothing returning id into address_id;
  if address_id is not null then
    version := platform.count_change(held);
    return;
  end if;
  select e.id, c.version into address_id, version
  from platform.customer_emails e join platform.customers c on c.id = e.customer_id
  where e.email_key = key and e.customer_id = held;
  if not found then
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey',
      detail = key;
  end if;
end $function$;
grant execute on function platform.add_address(of_customer uuid, address text, key text, expected_version bigint, OUT held uuid, OUT address_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.add_phone(of_customer uuid, number text, key text, extension text, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  select p.id, c.version into phone_id, version
  from platform.customers c
    left join platform.customer_phones p
      on p.customer_id = c.id and p.phone_key = key and p.phone_extension is not distinct from extension
  where c.id = held;
  if phone_id is not null then return; end if;
  update platform.customers c set phone = number, phone_key = key, phone_extension = extension
  where c.id = held and c.phone is null returning c.version into version;
  if found then
    select p.id into phone_id from platform.customer_phones p where p.customer_id = held and p.is_primary;
    return;
  end if;
  insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
  values (held, number, key, extension, false) returning id into phone_id;
  version := platform.count_change(held);
end $function$;
grant execute on function platform.add_phone(of_customer uuid, number text, key text, extension text, expected_version bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.apply_retention(rows_max integer DEFAULT 500)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  rule platform.retention_rules;
  step record;
begin
  select r.* into rule from platform.retention_rules r
  where r.days is not null and (r.round_ended_at is null or r.round_ended_at < clock_timestamp() - interval '1 day')
  order by r.round_ended_at nulls first, r.kind limit 1 for update skip locked;
  if not found then return null; end if;
  perform set_config('lock_timeout', '2s', true);
  select * into step from platform.step_retention(rule, least(greatest(rows_max, 1), 10000));
  return jsonb_build_object('kind', rule.kind, 'rows', step.done, 'ended', step.has_ended);
end $function$;
grant execute on function platform.apply_retention(rows_max integer) to sync_role;
alter function platform.apply_retention(rows_max integer) owner to erase_role;

CREATE OR REPLACE FUNCTION platform.assign_candidates(candidates uuid[], person text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  assigned integer;
begin
  perform platform.require_steward();
  perform platform.require_decider(person);
  update platform.review_candidates r
  set assigned_to = person, assigned_at = case when person is not null then now() end,
    assigned_by = case when person is not null then platform.current_actor() end
  where r.id = any (candidates) and r.state in ('open', 'unsure');
  get diagnostics assigned = row_count;
  return assigned;
end $function$;
grant execute on function platform.assign_candidates(candidates uuid[], person text) to console_role;
grant execute on function platform.assign_candidates(candidates uuid[], person text) to sync_role;

CREATE OR REPLACE FUNCTION platform.audience_of(app text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE app WHEN 'console'::text THEN 'console'::text WHEN 'foundation'::text THEN 'crm'::text WHEN 'support'::text THEN 'support'::text ELSE NULL::text END;
grant execute on function platform.audience_of(app text) to app_role;
grant execute on function platform.audience_of(app text) to sync_role;

CREATE OR REPLACE FUNCTION platform.begin_bulk(OUT former_plans text, OUT former_limit text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  former_plans := current_setting('plan_cache_mode');
  former_limit := current_setting('gin_pending_list_limit');
  perform set_config('plan_cache_mode', 'force_generic_plan', true), set_config('gin_pending_list_limit', '256MB', true);
end $function$;
grant execute on function platform.begin_bulk(OUT former_plans text, OUT former_limit text) to bulk_role;

CREATE OR REPLACE FUNCTION platform.bulk_refusal(place integer, violated text, c platform.customers)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return jsonb_strip_nulls(jsonb_build_object('row', place, 'constraint', violated,
    'code', case when violated in ('customers_company_id_fkey', 'customers_account_manager_id_fkey') then '23503'
      when violated in ('customers_pkey', 'customer_emails_pkey', 'customer_external_ids_pkey') then '23505' else '23514' end,
    'column', case violated when 'customers_account_tier_choice' then 'account_tier' when 'customers_company_id_fkey' then 'company_id'
      when 'customers_account_manager_id_fkey' then 'account_manager_id' end,
    'message', case violated when 'customers_account_tier_choice' then 'no such tier'
      when 'customer_emails_pkey' then 'another customer is known by this'
      when 'customer_external_ids_pkey' then 'another customer is known by this'
      when 'customer_phones_primary_stays' then 'the primary number stays'
      when 'person_erased' then 'this person was erased and is kept away'
      else format('new row for relation "customers" violates constraint "%s"', violated) end,
    'detail', case violated when 'customer_emails_pkey' then c.email_key end,
    'hint', case violated when 'customers_account_tier_choice' then platform.tier_hint() end));
end $function$;
grant execute on function platform.bulk_refusal(place integer, violated text, c platform.customers) to bulk_role;

CREATE OR REPLACE FUNCTION platform.carry_candidate(candidate uuid)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 INSERT INTO platform.review_candidates (customer_id, other_id, reason, evidence, score, reasons, rules, run, state, created_at, created_by_app, decided_at, decided_by, assigned_to, assigned_at, assigned_by, follows)  SELECT LEAST(x.id, y.id) AS "least",
             GREATEST(x.id, y.id) AS "greatest",
             r.reason,
             r.evidence,
             r.score,
             r.reasons,
             r.rules,
             r.run,
             r.state,
             r.created_at,
             r.created_by_app,
             r.decided_at,
             r.decided_by,
             r.assigned_to,
             r.assigned_at,
             r.assigned_by,
             r.id
            FROM ((((platform.review_candidates r
              JOIN platform.customers a ON ((a.id = r.customer_id)))
              JOIN platform.customers b ON ((b.id = r.other_id)))
              JOIN platform.customers x ON (((x.id = COALESCE(a.merged_into, a.id)) AND (x.erased_at IS NULL))))
              JOIN platform.customers y ON (((y.id = COALESCE(b.merged_into, b.id)) AND (y.erased_at IS NULL))))
           WHERE ((r.id = carry_candidate.candidate) AND (r.state = ANY (ARRAY['open'::text, 'unsure'::text])) AND (x.id <> y.id) AND ((x.id <> a.id) OR (y.id <> b.id))) ON CONFLICT(customer_id, other_id) DO NOTHING;
END;

CREATE OR REPLACE FUNCTION platform.check_customer()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare violated constant text := platform.customer_violation(new);
begin
  if violated is not null then
    raise exception 'new row for relation "customers" violates check constraint "%"', violated
      using errcode = 'check_violation', schema = 'platform', table = 'customers', constraint = violated;
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.check_tier()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if new.account_tier is not null and current_setting('transaction_isolation') <> 'read committed' then
    perform from platform.tiers t where t.key = new.account_tier for key share;
  end if;
  if new.account_tier is null or exists (select from platform.tiers t where t.key = new.account_tier and not t.is_retired) then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.account_tier = old.account_tier then return new; end if;  -- who has a retired tier keeps it
  raise exception 'no such tier' using errcode = 'check_violation', constraint = 'customers_account_tier_choice',
    table = 'customers', schema = 'platform', column = 'account_tier',
    hint = platform.tier_hint();
end $function$;

CREATE OR REPLACE FUNCTION platform.choices_about(choices jsonb, loser uuid)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT COALESCE(jsonb_object_agg(o.key, CASE WHEN ((o.value #>> '{}'::text[]) = ANY (ARRAY['loser'::text, (choices_about.loser)::text])) THEN 'loser'::text ELSE 'survivor'::text END), '{}'::jsonb) AS "coalesce" FROM jsonb_each(choices_about.choices) o(key, value));
grant execute on function platform.choices_about(choices jsonb, loser uuid) to merge_role;

CREATE OR REPLACE PROCEDURE platform.classify(IN target regclass, IN belongs text, IN erasing text, IN why text, IN identifying text DEFAULT ''::text, IN content text DEFAULT ''::text, IN technical text DEFAULT ''::text, IN becomes jsonb DEFAULT '{}'::jsonb, IN stays text DEFAULT ''::text, IN entity text DEFAULT NULL::text, IN later boolean DEFAULT false)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
declare
  named constant text := (
    select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target);
begin
  insert into platform.inventory_tables (relation, entity, belongs, erasing, later, why)
  values (named, classify.entity, classify.belongs, classify.erasing, classify.later, classify.why)
  on conflict (relation) do update
  set entity = excluded.entity, belongs = excluded.belongs, erasing = excluded.erasing, later = excluded.later, why = excluded.why;
  call platform.classify_columns(target, identifying, content, technical, becomes, stays);
  if belongs is not null then call platform.let_erase(target); end if;
end $procedure$;

CREATE OR REPLACE PROCEDURE platform.classify_columns(IN target regclass, IN identifying text DEFAULT ''::text, IN content text DEFAULT ''::text, IN technical text DEFAULT ''::text, IN becomes jsonb DEFAULT '{}'::jsonb, IN stays text DEFAULT ''::text)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
declare
  t platform.inventory_tables;
  unsaid text;
begin
  select i.* into strict t from platform.inventory_tables i join pg_class c on c.oid = target join pg_namespace n on n.oid = c.relnamespace
  where i.relation = format('%I.%I', n.nspname, c.relname);
  insert into platform.inventory (relation, column_name, class, becomes, stays)
  select t.relation, name, class, classify_columns.becomes ->> name, name = any (string_to_array(classify_columns.stays, ' '))
  from (values ('identifying', classify_columns.identifying), ('content', classify_columns.content),
      ('technical', classify_columns.technical)) given (class, names)
    cross join regexp_split_to_table(btrim(regexp_replace(names, '\s+', ' ', 'g')), ' ') name
  where name <> ''
  on conflict (relation, column_name) do update set class = excluded.class, becomes = excluded.becomes, stays = excluded.stays;
  select string_agg(i.column_name, ', ') into unsaid
  from platform.inventory i
    join pg_attribute a on a.attrelid = target and a.attname = i.column_name and a.attnotnull and a.attgenerated = ''
  where t.erasing = 'scrub' and i.relation = t.relation and i.class <> 'technical' and not i.stays and i.becomes is null;
  if unsaid is not null then
    raise exception 'say what % of % becomes: it cannot be null', unsaid, t.relation using errcode = 'invalid_parameter_value';
  end if;
end $procedure$;

CREATE OR REPLACE FUNCTION platform.close_candidate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into platform.review_candidates (customer_id, other_id, reason, state, merge, is_asked, decided_at, decided_by)
  select least(s.id, l.id), greatest(s.id, l.id), 'person', 'merged', new.id, false, now(), platform.current_actor()
  from platform.customers s, platform.customers l where s.id = new.survivor_id and l.id = new.loser_id
  on conflict (customer_id, other_id) do update
  set state = 'merged', merge = new.id, is_asked = false, decided_at = now(), decided_by = platform.current_actor();
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.complete_customer()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if starts_with(new.email_key, e'\x01') then
    new.email_key := substr(new.email_key, 2);
  elsif new.email_key is null or (tg_op = 'UPDATE' and new.email <> old.email) then
    if new.email ~ '[^\x01-\x7f]' then
      raise exception 'email_key is missing' using errcode = 'not_null_violation', column = 'email_key',
        hint = 'An address beyond ASCII needs the key that @aether/platform makes: use createCustomer or updateCustomer of platformDb.';
    end if;
    new.email_key := lower(new.email collate "C");
  end if;
  if tg_op = 'INSERT' then
    case platform.current_app()
      when 'foundation' then new.crm_id := coalesce(new.crm_id, platform.next_customer_number('foundation'));
      when 'support' then new.support_id := coalesce(new.support_id, platform.next_customer_number('support'));
      else null;
    end case;
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.complete_phone()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  is_key_given boolean := tg_op = 'INSERT' or coalesce(starts_with(new.phone_key, e'\x01'), false);
  is_extension_given boolean := tg_op = 'INSERT' or coalesce(starts_with(new.phone_extension, e'\x01'), false);
begin
  new.phone_key := nullif(ltrim(new.phone_key, e'\x01'), '');
  new.phone_extension := nullif(ltrim(new.phone_extension, e'\x01'), '');
  if tg_op = 'INSERT' or new.phone is distinct from old.phone then
    if new.phone is not null and (new.phone_key is null or not is_key_given) then
      raise exception 'phone_key is missing' using errcode = 'not_null_violation', column = 'phone',
        hint = 'needs the key that @aether/platform makes: use createCustomer or updateCustomer of platformDb, or phoneColumns.';
    end if;
    if not is_key_given then new.phone_key := null; end if;
    if not is_extension_given then new.phone_extension := null; end if;
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.count_change(of_customer uuid)
 RETURNS bigint
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE platform.customers SET version = (customers.version + 1)
   WHERE (customers.id = count_change.of_customer)
   RETURNING customers.version;
END;

CREATE OR REPLACE FUNCTION platform.count_held(person jsonb, OUT relation text, OUT category text, OUT why text, OUT held bigint)
 RETURNS SETOF record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  s platform.person_sources;
begin
  for s in select * from platform.person_sources o order by o.place loop
    relation := s.relation;
    category := s.category;
    why := s.why;
    execute 'select count(*) from ' || platform.say_rows(s) into held
      using platform.members_of(person, 'customers')::uuid[], platform.members_of(person, 'emails'), platform.members_of(person, 'phones'),
        platform.members_of(person, 'sessions')::uuid[], platform.members_of(person, 'users'),
        platform.members_of(person, 'deals')::bigint[];
    return next;
  end loop;
end $function$;
grant execute on function platform.count_held(person jsonb, OUT relation text, OUT category text, OUT why text, OUT held bigint) to privacy_role;

CREATE OR REPLACE FUNCTION platform.count_merge(of_customer uuid, to_version bigint)
 RETURNS platform.customers
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare c platform.customers;
begin
  update platform.customers k set version = to_version, updated_at = now() where k.id = of_customer returning k.* into c;
  insert into crm.customer_order as o (customer_id, account_tier, updated_at)
  select c.id, coalesce(c.account_tier, '~'), c.updated_at where c.merged_into is null
  on conflict (customer_id) do update set account_tier = excluded.account_tier, updated_at = excluded.updated_at;
  return c;
end $function$;
grant execute on function platform.count_merge(of_customer uuid, to_version bigint) to merge_role;

CREATE OR REPLACE FUNCTION platform.count_rows(t platform.inventory_tables, people uuid[], addresses text[], numbers text[])
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  part text;
  found bigint;
  total bigint := 0;
begin
  for part in select * from platform.parts_of(t.relation) loop
    execute format('select count(*) from %s r where %s and (%s)', t.relation, part, t.belongs)
      into found using people, addresses, numbers;
    total := total + found;
  end loop;
  return total;
end $function$;
grant execute on function platform.count_rows(t platform.inventory_tables, people uuid[], addresses text[], numbers text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.count_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if new is distinct from old then
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.current_actor()
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN NULLIF(current_setting('aether.actor'::text, true), ''::text);
grant execute on function platform.current_actor() to app_role;
grant execute on function platform.current_actor() to bulk_role;
grant execute on function platform.current_actor() to erase_role;
grant execute on function platform.current_actor() to merge_role;
grant execute on function platform.current_actor() to privacy_role;

CREATE OR REPLACE FUNCTION platform.current_app()
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN CASE (((((1 * (pg_has_role(SESSION_USER, 'privacy_role'::name, 'USAGE'::text))::integer) + (2 * (pg_has_role(SESSION_USER, 'sync_role'::name, 'USAGE'::text))::integer)) + (4 * (pg_has_role(SESSION_USER, 'console_role'::name, 'USAGE'::text))::integer)) + (8 * (pg_has_role(SESSION_USER, 'foundation_role'::name, 'USAGE'::text))::integer)) + (16 * (pg_has_role(SESSION_USER, 'support_role'::name, 'USAGE'::text))::integer)) WHEN 1 THEN 'privacy'::text WHEN 2 THEN 'sync'::text WHEN 4 THEN 'console'::text WHEN 8 THEN 'foundation'::text WHEN 16 THEN 'support'::text ELSE CASE SESSION_USER WHEN 'simulator_app'::name THEN COALESCE(NULLIF(current_setting('aether.trial'::text, true), ''::text), 'operator'::text) ELSE 'operator'::text END END;
grant execute on function platform.current_app() to app_role;
grant execute on function platform.current_app() to bulk_role;
grant execute on function platform.current_app() to erase_role;
grant execute on function platform.current_app() to merge_role;
grant execute on function platform.current_app() to privacy_role;
grant execute on function platform.current_app() to sync_role;

CREATE OR REPLACE FUNCTION platform.customer_violation(c platform.customers)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return case
    when not platform.is_line(c.name, 200) then 'customers_name_check'
    when not platform.is_line(c.email, 254) or octet_length(c.email) > 254 then 'customers_email_well_formed'
    -- For plain ASCII the database itself checks the key. Beyond it PostgreSQL and JavaScript lower-case differently, and only
    -- platform/email.ts makes keys.
    when not platform.is_email_key(c.email_key) or c.email !~ '[^\x01-\x7f]' and c.email_key <> lower(c.email collate "C")
      then 'customers_email_key_canonical'
    when not platform.is_line(c.phone, 40) then 'customers_phone_check'
    when not platform.is_phone(c.phone, c.phone_key, c.phone_extension) then 'customers_phone_canonical'
    when not platform.is_app(c.created_by_app) then 'customers_created_by_app_check'
    when c.crm_id not between 1 and 9007199254740991 then 'customers_crm_id_check'
    when c.support_id not between 1 and 9007199254740991 then 'customers_support_id_check'
    when c.preferred_language !~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$' then 'customers_preferred_language_check'
    when c.timezone !~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$' then 'customers_timezone_check'
    when c.merged_into = c.id then 'customers_merged_into_check'
  end;
end $function$;
grant execute on function platform.customer_violation(c platform.customers) to app_role;
grant execute on function platform.customer_violation(c platform.customers) to bulk_role;

CREATE OR REPLACE FUNCTION platform.decide_candidate(candidate uuid, decision text, seen text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r platform.review_candidates;
begin
  perform platform.require_steward();
  if decision is null or decision not in ('different', 'unsure') then
    raise exception 'a decision is different or unsure; a merge decides by itself' using errcode = 'invalid_parameter_value';
  end if;
  r := platform.hold_candidate(candidate, coalesce(seen, 'open'));
  if r.state not in ('open', 'unsure') or r.state = decision then
    raise exception '%', format('this pair is %s already', r.state) using errcode = 'object_not_in_prerequisite_state';
  end if;
  update platform.review_candidates x
  set state = decision, is_asked = decision = 'unsure', decided_at = now(), decided_by = platform.current_actor()
  where x.id = r.id;
  return (select max(d.id) from platform.review_decisions d where d.candidate = r.id);
end $function$;
grant execute on function platform.decide_candidate(candidate uuid, decision text, seen text) to console_role;
grant execute on function platform.decide_candidate(candidate uuid, decision text, seen text) to sync_role;

CREATE OR REPLACE FUNCTION platform.describe_duplicates(ids uuid[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform platform.require_steward();
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', c.id, 'version', c.version, 'name', c.name, 'email', c.email, 'phone', c.phone, 'company', o.name,
      'account_tier', c.account_tier, 'account_manager', u.name, 'preferred_language', c.preferred_language,
      'timezone', c.timezone, 'crm_id', c.crm_id, 'support_id', c.support_id, 'created_at', c.created_at,
      'created_by_app', c.created_by_app, 'has_address', c.email_key <> platform.no_address(c.id),
      'addresses', (
        select coalesce(jsonb_agg(jsonb_build_object('email', e.email, 'verified', e.verified_at is not null)
          order by e.is_primary desc, e.email_key), '[]')
        from (select * from platform.customer_emails m where m.customer_id = c.id and m.email_key <> platform.no_address(c.id) limit 20) e),
      'phones', (
        select coalesce(jsonb_agg(h.phone order by h.is_primary desc, h.phone_key), '[]')
        from (select * from platform.customer_phones m where m.customer_id = c.id limit 20) h),
      'deals', (select count(*) from (select from crm.deals d where d.customer_id = c.id limit 1000) d),
      'conversations', (select count(*) from (select from support.sessions s where s.customer_id = c.id limit 1000) s),
      'activities', (select count(*) from (select from crm.activities a where a.customer_id = c.id limit 1000) a),
      'timeline', (
        select coalesce(jsonb_agg(jsonb_build_object('app', t.app, 'what', t.what, 'text', t.text, 'at', t.at) order by t.at desc), '[]')
        from (
          select * from (
            (select a.created_by_app as app, a.type as what, left(a.description, 200) as text, a.occurred_at as at
             from crm.activities a where a.customer_id = c.id order by a.occurred_at desc, a.id desc limit 5)
            union all
            (select 'foundation', 'deal', left(d.name, 200) || ', ' || d.status, coalesce(d.closed_at, d.created_at)
             from crm.deals d where d.customer_id = c.id order by d.created_at desc limit 5)
            union all
            (select 'support', 'conversation', case when s.status = 'active' then 'goes on' else 'has ended' end, s.started_at
             from support.sessions s
             where s.customer_id = c.id and s.asked_at is not null and s.status = 'active' order by s.started_at desc limit 5)) every
          order by at desc limit 5) t))
      order by array_position(ids, c.id)), '[]')
    from platform.customers c left join platform.companies o on o.id = c.company_id
      left join platform.users u on u.id = c.account_manager_id
    where c.id = any (ids) and c.merged_into is null and c.erased_at is null and cardinality(ids) <= 50);
end $function$;
grant execute on function platform.describe_duplicates(ids uuid[]) to console_role;
grant execute on function platform.describe_duplicates(ids uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION platform.describe_merge_field(c platform.customers, field text, value jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((describe_merge_field.value IS NULL) OR ((describe_merge_field.field = 'email'::text) AND ((describe_merge_field.value ->> 'email_key'::text) = platform.no_address((describe_merge_field.c).id)))) THEN NULL::jsonb
             ELSE jsonb_build_object('value', platform.show_customer_field(describe_merge_field.field, describe_merge_field.value), 'source', COALESCE(h.app, (describe_merge_field.c).created_by_app), 'at', COALESCE(h.occurred_at, (describe_merge_field.c).created_at))
         END AS jsonb_build_object
    FROM (( SELECT 1 AS "?column?") one
      LEFT JOIN LATERAL ( SELECT k.app,
             k.occurred_at
            FROM crm.changes k
           WHERE ((k.customer_id = (describe_merge_field.c).id) AND (k.deal_id IS NULL) AND (k.data ? describe_merge_field.field))
           ORDER BY k.occurred_at DESC, k.id DESC
          LIMIT 1) h ON (true));
END;
grant execute on function platform.describe_merge_field(c platform.customers, field text, value jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.differences(one platform.customers, other platform.customers)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
RETURN (SELECT COALESCE(jsonb_object_agg(o.key, o.value), '{}'::jsonb) AS "coalesce" FROM jsonb_each(to_jsonb(differences.one)) o(key, value) WHERE ((o.value IS DISTINCT FROM (to_jsonb(differences.other) -> o.key)) AND (o.key <> ALL (ARRAY['version'::text, 'updated_at'::text, 'email_key'::text]))));
grant execute on function platform.differences(one platform.customers, other platform.customers) to merge_role;

CREATE OR REPLACE FUNCTION platform.draw_customer_numbers(app text, how_many integer, given bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  sequence constant text := case app when 'foundation' then 'crm.customer_number' when 'support' then 'support.customer_number' end;
  drawn bigint[];
  free bigint[] := '{}';
begin
  while cardinality(free) < how_many loop
    select array_agg(nextval(sequence)) into drawn from generate_series(1, how_many - cardinality(free));
    select free || coalesce(array_agg(d.number order by d.number), '{}') into free
    from unnest(drawn) d (number)
    where d.number <> all (given)
      and not exists (
        select from platform.customer_external_ids x where x.app = draw_customer_numbers.app and x.external_id = d.number::text);
  end loop;
  return free;
end $function$;
grant execute on function platform.draw_customer_numbers(app text, how_many integer, given bigint[]) to bulk_role;

CREATE OR REPLACE FUNCTION platform.end_claims(kind text, record uuid)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  claimed constant uuid[] := array(
    select distinct v.merge
    from platform.moved_rows(kind, record) t
      join platform.merge_references r on r.relation = t.relation
      join platform.merge_moves v on v.reference = r.reference and v.key = t.key and v.released is null
      join platform.merges m on m.id = v.merge and m.undone_at is null);
begin
  perform platform.release_moves(t.relation, t.key) from platform.moved_rows(kind, record) t;
  return claimed;
end $function$;

CREATE OR REPLACE FUNCTION platform.end_clean_up(of_erasures uuid[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  part regclass;
  ended bigint;
begin
  update platform.erasures e set state = 'clean', clean_at = clock_timestamp()
  where e.id = any (of_erasures) and e.state = 'erased' and e.pending is null;
  get diagnostics ended = row_count;
  for part in
    select c.oid from pg_class c cross join aclexplode(c.relacl) a
    where c.relispartition and a.privilege_type = 'MAINTAIN' and a.grantee = 'privacy_role'::regrole
  loop
    execute format('revoke maintain on %s from privacy_role', part);
  end loop;
  return ended;
end $function$;
grant execute on function platform.end_clean_up(of_erasures uuid[]) to privacy_role;

CREATE OR REPLACE FUNCTION platform.end_sign_ins(person text, only_this uuid, reason text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare ended integer;
begin
  update platform.sign_ins s set ended_at = now(), end_reason = reason
  where s.user_id = person and s.ended_at is null
    and (only_this is null or s.id = only_this and s.app = platform.current_app());
  get diagnostics ended = row_count;
  return ended;
end $function$;
grant execute on function platform.end_sign_ins(person text, only_this uuid, reason text) to app_role;

CREATE OR REPLACE FUNCTION platform.erase_customer(of_customer uuid, because text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  reason constant text := platform.require_reason(because);
  former constant text := current_setting('lock_timeout');
  outcome jsonb;
begin
  if platform.current_actor() is null then
    raise exception 'say who erases: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  elsif current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a merge and an erasure run under read committed' using errcode = 'feature_not_supported';
  end if;
  for attempt in 1..40 loop
    begin
      outcome := platform.try_erase(of_customer, reason);
      perform set_config('lock_timeout', former, true);
      return outcome;
    exception when lock_not_available or deadlock_detected then
      if attempt = 40 then raise; end if;
      perform pg_sleep(least(0.01 * attempt, 0.2));
    end;
  end loop;
end $function$;
grant execute on function platform.erase_customer(of_customer uuid, because text) to platform_owner;
grant execute on function platform.erase_customer(of_customer uuid, because text) to privacy_role;
alter function platform.erase_customer(of_customer uuid, because text) owner to erase_role;

CREATE OR REPLACE FUNCTION platform.erase_files(of_erasure uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  e platform.erasures;
  t platform.inventory_tables;
  addresses text[];
  numbers text[];
  files bigint[];
  busy bigint[];
  staged bigint := 0;
  unread bigint := 0;
begin
  select * into e from platform.erasures x where x.id = of_erasure and x.state = 'erased' and x.pending is not null for update;
  if not found then return true; end if;
  addresses := array(select jsonb_array_elements_text(e.pending -> 'addresses'));
  numbers := array(select jsonb_array_elements_text(e.pending -> 'numbers'));
  for t in select * from platform.inventory_tables i where i.later and i.erasing <> 'own' order by i.place loop
    staged := staged + platform.erase_rows(t, e.people, addresses, numbers);
  end loop;
  for t in select * from platform.inventory_tables i where i.relation in ('staging.import_lines', 'sync.import_rows') loop
    if t.relation = 'sync.import_rows' then unread := platform.erase_unread_lines(t, addresses);
    else staged := staged + platform.erase_unread_lines(t, addresses); end if;
  end loop;
  files := array(
    select unnest(platform.uploads_of_runs(array(select jsonb_array_elements_text(e.pending -> 'runs')::bigint)))
    union select unnest(platform.uploads_naming(addresses)));
  busy := array(
    select u from unnest(files) u where exists (
      select from sync.import_jobs j where j.state in ('waiting', 'working') and (j.upload = u
        or j.settings -> 'files' @> jsonb_build_array(jsonb_build_object('upload', u)))));
  files := array(select unnest(files) except select unnest(busy));
  delete from sync.import_chunks c where c.upload = any (files);
  update sync.import_uploads u set state = 'removed', recognition = null, refusal = null where u.id = any (files);
  update platform.erasures x
  set report = x.report || jsonb_build_object('files', (x.report ->> 'files')::bigint + cardinality(files),
      'stagedLines', coalesce((x.report ->> 'stagedLines')::bigint, 0) + staged,
      'unreadLines', coalesce((x.report ->> 'unreadLines')::bigint, 0) + unread),
    pending = case when cardinality(busy) = 0 then null else x.pending end
  where x.id = of_erasure;
  return cardinality(busy) = 0;
end $function$;
grant execute on function platform.erase_files(of_erasure uuid) to platform_owner;
grant execute on function platform.erase_files(of_erasure uuid) to privacy_role;
alter function platform.erase_files(of_erasure uuid) owner to erase_role;

CREATE OR REPLACE FUNCTION platform.erase_rows(t platform.inventory_tables, people uuid[], addresses text[], numbers text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  becomes constant text := (
    select string_agg(format('%I = %s', i.column_name, coalesce(i.becomes, 'null')), ', ' order by i.column_name)
    from platform.inventory i join pg_attribute a on a.attrelid = t.relation::regclass and a.attname = i.column_name and a.attgenerated = ''
    where i.relation = t.relation and (i.becomes is not null or i.class <> 'technical' and not i.stays));
  part text;
  done bigint;
  total bigint := 0;
begin
  if t.erasing = 'scrub' and becomes is null then return 0; end if;
  for part in select * from platform.parts_of(t.relation) loop
    execute case t.erasing
      when 'delete' then format('delete from %s r where %s and (%s)', t.relation, part, t.belongs)
      else format('update %s r set %s where %s and (%s)', t.relation, becomes, part, t.belongs) end
    using people, addresses, numbers;
    get diagnostics done = row_count;
    total := total + done;
  end loop;
  return total;
end $function$;
grant execute on function platform.erase_rows(t platform.inventory_tables, people uuid[], addresses text[], numbers text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.erase_unread_lines(t platform.inventory_tables, addresses text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  t.erasing := 'scrub';
  t.belongs := 'r.email_key is null and r.raw is not null and platform.names_address(r.raw, $2)'
    || case t.relation when 'sync.import_rows' then ' and r.customer is null' else '' end;
  return platform.erase_rows(t, '{}', addresses, '{}');
end $function$;
grant execute on function platform.erase_unread_lines(t platform.inventory_tables, addresses text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.find_bulk_conflicts(olds platform.customers[], news platform.customers[])
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  conflicts text[];
  claimants integer[];
  claims text[];
  claimed text[] := '{}';
  conflict text;
  claim record;
begin
  select array_agg(case
      when r.account_tier is distinct from o.account_tier and r.account_tier is not null
        and not exists (select from platform.tiers t where t.key = r.account_tier and not t.is_retired)
        then 'customers_account_tier_choice'
      when r.company_id is distinct from o.company_id and r.company_id is not null
        and not exists (select from platform.companies co where co.id = r.company_id) then 'customers_company_id_fkey'
      when r.account_manager_id is distinct from o.account_manager_id and r.account_manager_id is not null
        and not exists (select from platform.users u where u.id = r.account_manager_id) then 'customers_account_manager_id_fkey'
      when r.email_key is distinct from o.email_key and platform.is_kept_away('email', r.email_key)
        or r.phone_key is distinct from o.phone_key and platform.is_kept_away('phone', r.phone_key) then 'person_erased'
      when o.id is null and exists (select from platform.customers c where c.id = r.id) then 'customers_pkey'
      when r.email_key is distinct from o.email_key
        and exists (select from platform.customer_emails e where e.email_key = r.email_key and e.customer_id <> r.id)
        then 'customer_emails_pkey'
      when r.crm_id is distinct from o.crm_id and r.crm_id is not null and exists (
          select from platform.customer_external_ids x
          where x.app = 'foundation' and x.external_id = r.crm_id::text and x.customer_id <> r.id)
        then 'customer_external_ids_pkey'
      when r.support_id is distinct from o.support_id and r.support_id is not null and exists (
          select from platform.customer_external_ids x
          where x.app = 'support' and x.external_id = r.support_id::text and x.customer_id <> r.id)
        then 'customer_external_ids_pkey'
      when o.phone is not null and r.phone is null
        and exists (select from platform.customer_phones p where p.customer_id = r.id and not p.is_primary)
        then 'customer_phones_primary_stays' end
    order by r.ordinality)
  into conflicts
  from unnest(news) with ordinality r cross join lateral (select (olds[r.ordinality]).*) o;
  -- Almost always no two rows claim the same.
  select array_agg(k.place), array_agg(k.key) into claimants, claims
  from (
    select c.place, c.key, count(*) over (partition by c.key) as rivals
    from (
      select r.ordinality as place, unnest(case when olds is null
          then array['id ' || r.id, 'email ' || r.email_key, 'foundation ' || r.crm_id, 'support ' || r.support_id]
          else array[
            case when r.email_key <> (olds[r.ordinality]).email_key then 'email ' || r.email_key end,
            case when r.crm_id is distinct from (olds[r.ordinality]).crm_id then 'foundation ' || r.crm_id end,
            case when r.support_id is distinct from (olds[r.ordinality]).support_id then 'support ' || r.support_id end]
          end) collate "C" as key
      from unnest(news) with ordinality r where conflicts[r.ordinality] is null) c
    where c.key is not null) k
  where k.rivals > 1;
  for claim in
    select c.place, array_agg(c.key order by c.key) as keys from unnest(claimants, claims) c (place, key) group by c.place order by c.place
  loop
    select c.key into conflict from unnest(claim.keys) c (key) where c.key = any (claimed) order by 1 limit 1;
    if found then
      conflicts[claim.place] := case split_part(conflict, ' ', 1)
        when 'id' then 'customers_pkey' when 'email' then 'customer_emails_pkey' else 'customer_external_ids_pkey' end;
    else
      claimed := claimed || claim.keys;
    end if;
  end loop;
  return conflicts;
end $function$;
grant execute on function platform.find_bulk_conflicts(olds platform.customers[], news platform.customers[]) to bulk_role;

CREATE OR REPLACE FUNCTION platform.find_or_create_customer(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare violated text;
begin
  for attempt in 1..5 loop
    select c.* into customer
    from platform.customer_emails e join platform.customers c on c.id = e.customer_id
    where e.email_key = key;
    if found then created := false; return; end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
      created := true;
      return;
    exception when check_violation then
      get stacked diagnostics violated = constraint_name;
      if violated <> 'person_erased' then raise; end if;
      customer := null;
      created := false;
      return;
    when unique_violation then
      get stacked diagnostics violated = constraint_name;
      if violated not in ('customer_emails_pkey', 'customers_crm_id_key', 'customers_support_id_key', 'customer_external_ids_pkey') then
        raise; -- another attempt would not help
      end if;
    end;
  end loop;
  -- Reached only under repeatable read, where the rival's row stays invisible to every attempt.
  raise exception 'a customer with this address or number appeared meanwhile' using errcode = 'serialization_failure';
end $function$;
grant execute on function platform.find_or_create_customer(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean) to app_role;

CREATE OR REPLACE FUNCTION platform.find_persons(of_email text, of_phone text, of_id text, OUT customer uuid, OUT name text, OUT email text, OUT erased_at timestamp with time zone)
 RETURNS SETOF record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  as_uuid constant uuid := case when pg_input_is_valid(of_id, 'uuid') then of_id::uuid end;
  as_number constant bigint := case when pg_input_is_valid(of_id, 'bigint') then of_id::bigint end;
begin
  return query
    select c.id, c.name::text, c.email, c.erased_at from platform.customers c
    where c.id in (
      select coalesce(k.merged_into, k.id) from platform.customers k where k.id in (
        select e.customer_id from platform.customer_emails e where e.email_key = of_email
        union all select p.customer_id from platform.customer_phones p where p.phone_key = of_phone and not p.is_primary
        union all select n.id from platform.customers n where n.phone_key = of_phone
        union all select as_uuid
        union all select s.customer_id from support.sessions s where s.id = as_uuid
        union all select n.id from platform.customers n where n.crm_id = as_number
        union all select n.id from platform.customers n where n.support_id = as_number
        union all select x.customer_id from platform.customer_external_ids x
          where x.app in (select a.name from platform.apps a) and x.external_id = of_id))
    order by c.id;
end $function$;
grant execute on function platform.find_persons(of_email text, of_phone text, of_id text, OUT customer uuid, OUT name text, OUT email text, OUT erased_at timestamp with time zone) to privacy_role;

CREATE OR REPLACE FUNCTION platform.fold(value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN NORMALIZE(replace(replace(replace(translate(regexp_replace(lower(NORMALIZE(lower((translate(value, '''’‘‛`´ʼʻʹ′＇'::text, ''::text) COLLATE pg_c_utf8)), NFKD)), '[\u0300-\u036f\u0591-\u05bd\u064b-\u0652]'::text, ''::text, 'g'::text), 'øłđıħŧς''’‘‛`´ʼʻʹ′＇'::text, 'oldihtσ'::text), 'ß'::text, 'ss'::text), 'æ'::text, 'ae'::text), 'œ'::text, 'oe'::text), NFC);
grant execute on function platform.fold(value text) to app_role;
grant execute on function platform.fold(value text) to bulk_role;
grant execute on function platform.fold(value text) to erase_role;
grant execute on function platform.fold(value text) to merge_role;

CREATE OR REPLACE FUNCTION platform.follow_apps()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare unfit name;
begin
  select a.role into unfit from platform.apps a
  where to_regrole(a.role) is null or not pg_has_role(a.role, 'app_role', 'USAGE') limit 1;
  if found then
    raise exception 'the role % is no member of app_role', unfit using errcode = 'undefined_object',
      hint = format(
        'As the server''s administrator: create role %1$I nologin; grant app_role to %1$I with inherit true, set false;', unfit);
  end if;
  call platform.write_app_functions();
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.follow_candidates()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if new.erased_at is not null and old.erased_at is null then
    delete from platform.review_candidates r where new.id in (r.customer_id, r.other_id) and r.state in ('open', 'unsure');
    update platform.review_candidates r set evidence = '{}', reasons = '[]' where new.id in (r.customer_id, r.other_id);
    return null;
  end if;
  if new.merged_into is not null and old.merged_into is null then
    -- The other ones are held first, and read again: a merge or an erasure of one that was under way has ended then.
    perform from platform.customers c
    where c.id in (
      select case when r.customer_id = new.id then r.other_id else r.customer_id end from platform.review_candidates r
      where new.id in (r.customer_id, r.other_id) and r.state in ('open', 'unsure') and r.is_asked)
    order by c.id for key share;
    insert into platform.review_candidates
      (customer_id, other_id, reason, evidence, score, reasons, rules, run, state, created_at, created_by_app, decided_at, decided_by,
       assigned_to, assigned_at, assigned_by, follows)
    select least(new.merged_into, o.id), greatest(new.merged_into, o.id), r.reason, r.evidence, r.score, r.reasons, r.rules, r.run,
      r.state, r.created_at, r.created_by_app, r.decided_at, r.decided_by, r.assigned_to, r.assigned_at, r.assigned_by, r.id
    from platform.review_candidates r
      join platform.customers o on o.id = case when r.customer_id = new.id then r.other_id else r.customer_id end
    where new.id in (r.customer_id, r.other_id) and r.state in ('open', 'unsure') and r.is_asked
      and o.id <> new.merged_into and o.merged_into is null and o.erased_at is null
    order by r.id
    on conflict (customer_id, other_id) do nothing;
  elsif new.merged_into is null then
    with recursive derived as (
      select f.id from platform.review_candidates f join platform.review_candidates r on r.id = f.follows
      where new.id in (r.customer_id, r.other_id)
      union select f.id from platform.review_candidates f join derived d on f.follows = d.id)
    delete from platform.review_candidates r using derived d where r.id = d.id and r.state in ('open', 'unsure');
  end if;
  perform platform.refresh_candidates(array_remove(array[new.id, new.merged_into, old.merged_into], null));
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.forget_phones()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  delete from platform.customer_phones p where p.customer_id = new.id;
  delete from platform.removed_phones p where p.customer_id = new.id;
  new.phone := null;
  new.phone_key := null;
  new.phone_extension := null;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.former_partners(people uuid[])
 RETURNS text[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT COALESCE(array_agg(o.key), '{}'::text[]) AS "coalesce"
    FROM ( SELECT (m.survivor_id)::text AS key
            FROM platform.merges m
           WHERE ((m.undone_at IS NOT NULL) AND (m.loser_id = ANY (former_partners.people)) AND (m.survivor_id <> ALL (former_partners.people)))
         UNION
          SELECT (m.loser_id)::text AS loser_id
            FROM platform.merges m
           WHERE ((m.undone_at IS NOT NULL) AND (m.survivor_id = ANY (former_partners.people)) AND (m.loser_id <> ALL (former_partners.people)))) o;
END;
grant execute on function platform.former_partners(people uuid[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.gather_person(of_customers uuid[], of_emails text[], of_phones text[], of_session uuid DEFAULT NULL::uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  family constant uuid[] := (select coalesce(array_agg(c.id order by c.id), '{}') from platform.customers c
    where c.id = any (of_customers) or c.merged_into = any (of_customers));
  addresses text[];
  numbers text[];
  chats uuid[];
begin
  -- An address that belongs to another customer by now leads to nothing here.
  select coalesce(array_agg(distinct k.key), '{}') into addresses from (
    select unnest(of_emails)
    union all select lower(s.visitor_email) from support.sessions s
      where s.id = of_session and s.customer_id is null and s.visitor_email is not null
    union all select c.email_key from platform.customers c where c.id = any (family)
    union all select e.email_key from platform.customer_emails e where e.customer_id = any (family)
    union all select e.email_key from platform.removed_emails e where e.customer_id = any (family)) k (key)
  where not exists (select from platform.customer_emails e where e.email_key = k.key and e.customer_id <> all (family));
  -- Nor does a number that another customer has as well.
  select coalesce(array_agg(distinct k.key), '{}') into numbers from (
    select unnest(of_phones) union all select p.phone_key from platform.customer_phones p where p.customer_id = any (family)) k (key)
  where not exists (select from platform.customer_phones p where p.phone_key = k.key and p.customer_id <> all (family));
  select coalesce(array_agg(s.id order by s.started_at, s.id), '{}') into chats from support.sessions s
  where s.customer_id = any (family) or s.customer_id is null and (s.id = of_session or lower(s.visitor_email) = any (addresses));
  return jsonb_build_object('customers', family, 'emails', addresses, 'phones', numbers, 'sessions', chats,
    'users', (select coalesce(array_agg(u.id), '{}') from platform.users u where lower(u.email) = any (addresses)),
    'deals', (select coalesce(array_agg(d.id), '{}') from crm.deals d where d.customer_id = any (family)));
end $function$;
grant execute on function platform.gather_person(of_customers uuid[], of_emails text[], of_phones text[], of_session uuid) to privacy_role;

CREATE OR REPLACE FUNCTION platform.hashes_of(keys text[])
 RETURNS bigint[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT COALESCE(array_agg(hashtextextended(k.k, (0)::bigint)), '{}'::bigint[]) AS "coalesce" FROM unnest(hashes_of.keys) k(k));
grant execute on function platform.hashes_of(keys text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.hold_candidate(candidate uuid, seen text)
 RETURNS platform.review_candidates
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r platform.review_candidates;
begin
  select * into r from platform.review_candidates x where x.id = candidate;
  perform from platform.customers c where c.id in (r.customer_id, r.other_id) order by c.id for key share;
  select * into r from platform.review_candidates x where x.id = candidate for update;
  if r.id is null then
    raise exception 'there is no such pair: one of the two customers may be gone' using errcode = 'no_data_found';
  elsif seen is not null and r.state <> seen then
    raise exception '%', format('%s has decided about this pair meanwhile: %s',
      coalesce((select u.name from platform.users u where u.id = r.decided_by), 'somebody'), r.state)
      using errcode = 'object_not_in_prerequisite_state';
  elsif r.state in ('open', 'unsure') and not r.is_asked then
    raise exception 'one of the two was merged meanwhile, so this pair is not asked any more' using
      errcode = 'object_not_in_prerequisite_state';
  end if;
  return r;
end $function$;

CREATE OR REPLACE FUNCTION platform.hold_customer(of_customer uuid, expected_version bigint DEFAULT NULL::bigint)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare held uuid;
begin
  select c.id into held from platform.customers c
  where c.id = (select coalesce(m.merged_into, m.id) from platform.customers m where m.id = of_customer)
    and c.merged_into is null and c.erased_at is null and c.version = coalesce(expected_version, c.version)
  for no key update;
  return held;
end $function$;

CREATE OR REPLACE FUNCTION platform.hold_customers(ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform set_config('lock_timeout', '3s', true);
  perform from platform.customers c where c.id = any (ids) and c.merged_into is null order by c.id for update;
  perform from platform.customers c where c.id = any (ids) and c.merged_into is not null order by c.id for update;
  -- From here on somebody who holds a row may be waiting for one of these customers.
  perform set_config('lock_timeout', '100ms', true);
end $function$;
grant execute on function platform.hold_customers(ids uuid[]) to erase_role;
grant execute on function platform.hold_customers(ids uuid[]) to merge_role;

CREATE OR REPLACE FUNCTION platform.hold_of(of_customer uuid)
 RETURNS uuid
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT h.id FROM platform.legal_holds h WHERE ((h.released_at IS NULL) AND (h.customer_id = ANY (sync.list_merged(hold_of.of_customer)))) ORDER BY h.held_at LIMIT 1);
grant execute on function platform.hold_of(of_customer uuid) to erase_role;
grant execute on function platform.hold_of(of_customer uuid) to privacy_role;

CREATE OR REPLACE FUNCTION platform.insert_customers(rows platform.customers[], OUT ids uuid[], OUT refusals jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'auto'
AS $function$
declare
  asked_at constant timestamptz := now();
  refused jsonb[] := '{}';
  lost jsonb[];
  completed platform.customers[] := '{}';
  places integer[] := '{}';
  accepted platform.customers[];
  written platform.customers[];
  conflicts text[];
  crm_numbers bigint[];
  support_numbers bigint[];
  r platform.customers;
  violated text;
  former record;
  failed text;
begin
  if cardinality(rows) > 10000 then
    raise exception 'one write holds at most 10000 customers' using errcode = 'program_limit_exceeded', hint = 'Write them in chunks.';
  end if;
  ids := array_fill(null::uuid, array[coalesce(cardinality(rows), 0)]);
  for place in 1..coalesce(cardinality(rows), 0) loop
    r := rows[place];
    if r.email_key is null and r.email !~ '[^\x01-\x7f]' then r.email_key := lower(r.email collate "C"); end if;
    if r.email is null or r.email_key is null or r.name is null or r.phone is not null and r.phone_key is null then
      refused := refused || platform.missing_key(place, case when r.email is null then 'email' when r.email_key is null then 'email_key'
        when r.name is null then 'name' else 'phone' end);
      continue;
    end if;
    if r.id is null then r.id := uuidv7(); end if;
    if r.created_at is null then r.created_at := asked_at; end if;
    if r.created_by_app is null then r.created_by_app := platform.current_app(); end if;
    r.version := 1;
    r.updated_at := asked_at;
    violated := case when r.merged_into is not null then 'customers_merged_into_check'
      when r.erased_at is not null then 'customers_erased_at_check'
      when not platform.is_time(r.created_at) then 'customers_created_at_time' else platform.customer_violation(r) end;
    if violated is not null then
      refused := refused || platform.bulk_refusal(place, violated, r);
      continue;
    end if;
    completed := completed || r;
    places := places || place;
  end loop;

  former := platform.begin_bulk();
  for attempt in 1..5 loop
    begin
      lost := '{}';
      conflicts := platform.find_bulk_conflicts(null, completed);
      for at in 1..cardinality(completed) loop
        if conflicts[at] is not null then lost := lost || platform.bulk_refusal(places[at], conflicts[at], completed[at]); end if;
      end loop;
      select array_agg(completed[at] order by at) into accepted
      from generate_subscripts(completed, 1) at where conflicts[at] is null;
      select platform.draw_customer_numbers('foundation',
               (count(*) filter (where a.created_by_app = 'foundation' and a.crm_id is null))::integer,
               coalesce(array_agg(a.crm_id) filter (where a.crm_id is not null), '{}')),
             platform.draw_customer_numbers('support',
               (count(*) filter (where a.created_by_app = 'support' and a.support_id is null))::integer,
               coalesce(array_agg(a.support_id) filter (where a.support_id is not null), '{}'))
      into crm_numbers, support_numbers from unnest(accepted) a;
      with numbered as (
        select a.*,
          case when created_by_app = 'foundation' and crm_id is null
            then crm_numbers[row_number() over (partition by created_by_app = 'foundation' and crm_id is null order by ordinality)]
            end as drawn_crm_id,
          case when created_by_app = 'support' and support_id is null
            then support_numbers[row_number() over (partition by created_by_app = 'support' and support_id is null order by ordinality)]
            end as drawn_support_id
        from unnest(accepted) with ordinality a
      ), inserted as (
        insert into platform.customers as c (
          id, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_at, updated_at, created_by_app,
          crm_id, account_tier, account_manager_id, support_id, preferred_language, timezone)
        select id, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_at, updated_at, created_by_app,
          coalesce(crm_id, drawn_crm_id), account_tier, account_manager_id, coalesce(support_id, drawn_support_id), preferred_language,
          timezone
        from numbered order by ordinality
        returning c)
      select array_agg(i.c) into written from inserted i;
      insert into platform.customer_emails (email_key, email, customer_id, is_primary)
      select w.email_key, w.email, w.id, true from unnest(written) w;
      insert into platform.customer_external_ids (app, external_id, customer_id)
      select 'foundation', w.crm_id, w.id from unnest(written) w where w.crm_id is not null
      union all
      select 'support', w.support_id, w.id from unnest(written) w where w.support_id is not null;
      insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
      select w.id, w.phone, w.phone_key, w.phone_extension, true from unnest(written) w where w.phone is not null;
      insert into crm.customer_order (customer_id, account_tier, updated_at)
      select w.id, coalesce(w.account_tier, '~'), w.updated_at from unnest(written) w;
      if written is not null then perform sync.capture_set(null, written); end if;
      failed := null;
    exception when unique_violation then
      get stacked diagnostics failed = message_text;
    end;
    exit when failed is null;
  end loop;
  perform set_config('plan_cache_mode', former.former_plans, true), set_config('gin_pending_list_limit', former.former_limit, true);
  if failed is not null then
    -- Reached only under repeatable read, where a rival's row stays invisible to every attempt.
    raise exception 'customers with these addresses or numbers appeared meanwhile' using errcode = 'serialization_failure',
      detail = failed;
  end if;
  for at in 1..cardinality(completed) loop
    if conflicts[at] is null then ids[places[at]] := (completed[at]).id; end if;
  end loop;
  refusals := to_jsonb(refused || lost);
end $function$;
grant execute on function platform.insert_customers(rows platform.customers[], OUT ids uuid[], OUT refusals jsonb) to platform_owner;
grant execute on function platform.insert_customers(rows platform.customers[], OUT ids uuid[], OUT refusals jsonb) to sync_role;
alter function platform.insert_customers(rows platform.customers[], OUT ids uuid[], OUT refusals jsonb) owner to bulk_role;

CREATE OR REPLACE FUNCTION platform.is_app(name text)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$ begin return name in ('console', 'foundation', 'support'); end $function$;
grant execute on function platform.is_app(name text) to app_role;
grant execute on function platform.is_app(name text) to bulk_role;
grant execute on function platform.is_app(name text) to erase_role;
grant execute on function platform.is_app(name text) to merge_role;
grant execute on function platform.is_app(name text) to sync_role;

CREATE OR REPLACE FUNCTION platform.is_day(value date)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return value >= date '1900-01-01' and value < date '3000-01-01';
end $function$;
grant execute on function platform.is_day(value date) to app_role;
grant execute on function platform.is_day(value date) to erase_role;
grant execute on function platform.is_day(value date) to merge_role;

CREATE OR REPLACE FUNCTION platform.is_email_key(key text)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return octet_length(key) <= 254 and octet_length(split_part(key, '@', 1)) <= 64 and key !~ '^//'
    and key ~ '^[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+(\.[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+)*'
      '@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$'
    and (octet_length(split_part(key, '@', 2)) <= 63
      or key ~ '@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$');
end $function$;
grant execute on function platform.is_email_key(key text) to app_role;
grant execute on function platform.is_email_key(key text) to bulk_role;
grant execute on function platform.is_email_key(key text) to erase_role;
grant execute on function platform.is_email_key(key text) to merge_role;

CREATE OR REPLACE FUNCTION platform.is_folded(name text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((octet_length(name) <> char_length(name)) OR ((name COLLATE "C") <> replace(replace(replace((name COLLATE "C"), '-'::text, ''::text), ''''::text, ''::text), '`'::text, ''::text)));
grant execute on function platform.is_folded(name text) to app_role;
grant execute on function platform.is_folded(name text) to bulk_role;
grant execute on function platform.is_folded(name text) to erase_role;
grant execute on function platform.is_folded(name text) to merge_role;

CREATE OR REPLACE FUNCTION platform.is_kept_away(kind text, value text)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ((value IS NOT NULL) AND (EXISTS (SELECT FROM platform.suppressions)) AND (EXISTS (SELECT FROM platform.suppressions s WHERE ((s.hash = platform.suppression_hash(s.kind, is_kept_away.value)) AND (s.lifted_at IS NULL)))));
grant execute on function platform.is_kept_away(kind text, value text) to bulk_role;

CREATE OR REPLACE FUNCTION platform.is_line(value text, characters_max integer)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return char_length(value) between 1 and characters_max and value collate pg_catalog.pg_c_utf8 !~ '[\x01-\x1f\x7f]|^\s|\s$';
end $function$;
grant execute on function platform.is_line(value text, characters_max integer) to app_role;
grant execute on function platform.is_line(value text, characters_max integer) to bulk_role;
grant execute on function platform.is_line(value text, characters_max integer) to erase_role;
grant execute on function platform.is_line(value text, characters_max integer) to merge_role;

CREATE OR REPLACE FUNCTION platform.is_phone(phone text, key text, extension text)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return case when phone is null then key is null and extension is null else
    coalesce(key ~ '^\+[1-9][0-9]{5,14}$', false) and coalesce(extension ~ '^[0-9]{1,20}$', true)
    and (phone ~ '[^\x01-\x7f]' or regexp_replace(phone, '[^0-9]', '', 'g') like '%' || right(key, 4) || coalesce(extension, '')) end;
end $function$;
grant execute on function platform.is_phone(phone text, key text, extension text) to app_role;
grant execute on function platform.is_phone(phone text, key text, extension text) to bulk_role;
grant execute on function platform.is_phone(phone text, key text, extension text) to erase_role;
grant execute on function platform.is_phone(phone text, key text, extension text) to merge_role;

CREATE OR REPLACE FUNCTION platform.is_suppressed(kind text, value text)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN platform.is_kept_away(kind, value);
grant execute on function platform.is_suppressed(kind text, value text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.is_time(value timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return value >= timestamptz '1900-01-01 00:00:00+00' and value < timestamptz '3000-01-01 00:00:00+00';
end $function$;
grant execute on function platform.is_time(value timestamp with time zone) to app_role;
grant execute on function platform.is_time(value timestamp with time zone) to bulk_role;
grant execute on function platform.is_time(value timestamp with time zone) to erase_role;
grant execute on function platform.is_time(value timestamp with time zone) to merge_role;

CREATE OR REPLACE FUNCTION platform.judge_merge(s platform.customers, l platform.customers, choices jsonb, OUT field text, OUT ours jsonb, OUT theirs jsonb, OUT side text, OUT chosen_by text, OUT why text, OUT row_key text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH both_have AS (
          SELECT f.field,
             f.place,
             platform.read_customer_field(judge_merge.s, f.field) AS ours,
             platform.read_customer_field(judge_merge.l, f.field) AS theirs,
                 CASE f.field
                     WHEN 'email'::text THEN ((judge_merge.s).email_key = platform.no_address((judge_merge.s).id))
                     WHEN 'name'::text THEN (lower(((judge_merge.s).name COLLATE "C")) = ANY (ARRAY[(judge_merge.s).email_key, split_part((judge_merge.s).email_key, '@'::text, 1)]))
                     ELSE false
                 END AS ours_is_mark,
                 CASE f.field
                     WHEN 'email'::text THEN ((judge_merge.l).email_key = platform.no_address((judge_merge.l).id))
                     WHEN 'name'::text THEN (lower(((judge_merge.l).name COLLATE "C")) = ANY (ARRAY[(judge_merge.l).email_key, split_part((judge_merge.l).email_key, '@'::text, 1)]))
                     ELSE false
                 END AS theirs_is_mark,
             NULL::text AS row_key
            FROM unnest('{name,email,phone,company_id,account_tier,account_manager_id,preferred_language,timezone,crm_id,support_id}'::text[]) WITH ORDINALITY f(field, place)
         UNION ALL
          SELECT ('custom.'::text || COALESCE(o.field_key, t.field_key)),
             (100 + COALESCE(o.field_id, t.field_id)),
             o.value,
             t.value,
             false,
             false,
                 CASE
                     WHEN (t.id IS NOT NULL) THEN (o.id)::text
                     ELSE NULL::text
                 END AS "case"
            FROM (( SELECT v.id,
                     v.field_id,
                     v.field_key,
                     v.field_label,
                     v.customer_id,
                     v.company_id,
                     v.deal_id,
                     v.value,
                     v.created_at,
                     v.updated_at
                    FROM crm.custom_field_values v
                   WHERE (v.customer_id = (judge_merge.s).id)) o
              FULL JOIN ( SELECT v.id,
                     v.field_id,
                     v.field_key,
                     v.field_label,
                     v.customer_id,
                     v.company_id,
                     v.deal_id,
                     v.value,
                     v.created_at,
                     v.updated_at
                    FROM crm.custom_field_values v
                   WHERE (v.customer_id = (judge_merge.l).id)) t ON ((t.field_id = o.field_id)))
         ), judged AS (
          SELECT b.field,
             b.place,
             b.ours,
             b.theirs,
             b.ours_is_mark,
             b.theirs_is_mark,
             b.row_key,
             (judge_merge.choices ->> b.field) AS choice,
                 CASE
                     WHEN (b.theirs IS NULL) THEN '{survivor,"Only the survivor has one."}'::text[]
                     WHEN (b.ours IS NULL) THEN '{loser,"Only the other one has one."}'::text[]
                     WHEN (platform.show_customer_field(b.field, b.ours) = platform.show_customer_field(b.field, b.theirs)) THEN '{survivor,"Both have the same."}'::text[]
                     WHEN (b.ours_is_mark AND (NOT b.theirs_is_mark) AND (b.field = 'email'::text)) THEN '{loser,"The survivor has no address."}'::text[]
                     WHEN (b.ours_is_mark AND (NOT b.theirs_is_mark)) THEN '{loser,"The name of the survivor is only its address."}'::text[]
                     WHEN (b.field = 'account_tier'::text) THEN ARRAY[
                     CASE
                         WHEN (( SELECT t."position"
                            FROM platform.tiers t
                           WHERE (t.key = (judge_merge.l).account_tier)) > ( SELECT t."position"
                            FROM platform.tiers t
                           WHERE (t.key = (judge_merge.s).account_tier))) THEN 'loser'::text
                         ELSE 'survivor'::text
                     END, 'The higher of the two tiers: nobody loses what was sold or promised.'::text]
                     WHEN (b.field = ANY (ARRAY['crm_id'::text, 'support_id'::text])) THEN '{survivor,"Both numbers lead to the survivor; it keeps its own."}'::text[]
                     ELSE '{survivor,"Both have one: that of the survivor stays."}'::text[]
                 END AS rule
            FROM both_have b
           WHERE ((b.ours IS NOT NULL) OR (b.theirs IS NOT NULL))
         )
  SELECT j.field,
     j.ours,
     j.theirs,
     COALESCE(j.choice, j.rule[1]) AS "coalesce",
         CASE
             WHEN (j.choice IS NULL) THEN 'rule'::text
             ELSE 'choice'::text
         END AS "case",
         CASE
             WHEN (j.choice IS NULL) THEN j.rule[2]
             ELSE 'Chosen by hand.'::text
         END AS "case",
     j.row_key
    FROM judged j
   ORDER BY j.place;
END;
grant execute on function platform.judge_merge(s platform.customers, l platform.customers, choices jsonb, OUT field text, OUT ours jsonb, OUT theirs jsonb, OUT side text, OUT chosen_by text, OUT why text, OUT row_key text) to merge_role;

CREATE OR REPLACE FUNCTION platform.keep_apart(a uuid, b uuid, why text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into platform.review_candidates as r
    (customer_id, other_id, reason, evidence, state, is_asked, decided_at, decided_by)
  values (least(a, b), greatest(a, b), 'unmerged', jsonb_build_object('why', why), 'different', false, now(), platform.current_actor())
  on conflict (customer_id, other_id) do update
  set state = 'different', reason = 'unmerged', is_asked = false, merge = null, decided_at = now(), decided_by = platform.current_actor(),
    evidence = excluded.evidence
  where r.state <> 'different';
end $function$;
grant execute on function platform.keep_apart(a uuid, b uuid, why text) to merge_role;

CREATE OR REPLACE FUNCTION platform.keep_app()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'an app keeps its name and its audience, and is not removed' using errcode = 'restrict_violation',
    hint = 'Take its login away instead: what it has written and published stays.';
end $function$;

CREATE OR REPLACE FUNCTION platform.keep_directory_account()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'a user keeps the directory account of the first sign-in' using errcode = 'insufficient_privilege',
    hint = 'Another directory account is another user.';
end $function$;

CREATE OR REPLACE FUNCTION platform.keep_erased_away()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare given text;
begin
  if not exists (select from platform.suppressions) then return null; end if;
  if tg_argv[0] = 'email' then given := new.email_key; else given := new.phone_key; end if;
  if platform.is_kept_away(tg_argv[0], given) then
    raise exception 'this person was erased and is kept away' using errcode = 'check_violation', constraint = 'person_erased',
      schema = tg_table_schema, table = tg_table_name, column = case tg_argv[0] when 'email' then 'email' else 'phone' end,
      hint = 'If the person comes back of their own will, somebody who may erase lifts the suppression with a reason.';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.keep_merges_flat()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  survivor uuid;
  survivor_erased_at timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a merge and an erasure run under read committed' using errcode = 'feature_not_supported',
      hint = 'With an older snapshot a merge that has just committed would be invisible.';
  end if;
  if tg_op = 'UPDATE' then perform from platform.customers c where c.id = new.id for update; end if;
  if new.merged_into is null or tg_op = 'UPDATE' and new.merged_into is not distinct from old.merged_into then return new; end if;
  if new.erased_at is not null then
    raise exception 'an erased customer is not merged' using errcode = 'foreign_key_violation', constraint = 'customer_erased',
      column = 'id';
  end if;
  select c.merged_into, c.erased_at into survivor, survivor_erased_at
  from platform.customers c where c.id = new.merged_into for key share;
  if survivor_erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased',
      column = 'merged_into';
  elsif survivor is not null then
    raise exception 'the customer was merged into another one' using errcode = 'foreign_key_violation',
      constraint = 'customer_merged', column = 'merged_into', detail = survivor, hint = 'Merge into the customer in the detail.';
  elsif exists (select from platform.customers c where c.merged_into = new.id) then
    raise exception 'customers are merged into this one' using errcode = 'check_violation',
      constraint = 'customers_merged_into_flat', column = 'merged_into', hint = 'Lead those to the new survivor first.';
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.keep_used_tier()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform set_config('lock_timeout', '2s', true);
  lock table platform.customers in share row exclusive mode;
  if exists (select from platform.customers c where c.account_tier = old.key) then
    raise exception 'customers have this tier' using errcode = 'foreign_key_violation', constraint = 'customers_account_tier_used',
      table = 'customers', schema = 'platform', column = 'account_tier',
      hint = 'Retire it: its customers keep it, and nobody else gets it.';
  end if;
  return old;
end $function$;

CREATE OR REPLACE PROCEDURE platform.let_erase(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
begin
  if (select relrowsecurity from pg_class where oid = target) and not exists (
    select from pg_policy p where p.polrelid = target and p.polname = 'erase_all') then
    execute format('create policy erase_all on %s to erase_role using (true) with check (true)', target);
  end if;
  execute format('grant select, update, delete on %s to erase_role', target);
  execute format('grant usage on schema %s to erase_role', (select relnamespace::regnamespace from pg_class where oid = target));
  -- What an erasure leaves in pages and indexes, the clean-up takes away. Of partitions see platform.list_clean_up.
  execute format('grant maintain on %s to privacy_role', target);
  execute format('grant usage on schema %s to privacy_role', (select relnamespace::regnamespace from pg_class where oid = target));
end $procedure$;

CREATE OR REPLACE FUNCTION platform.let_follow(relation_name text, m platform.merges, root uuid, path uuid[], condition text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r platform.merge_references;
  gone text[];
begin
  select o.* into r from platform.merge_references o where o.relation = relation_name and o.stays is null;
  execute format($follow$
    with gone as (update %1$s t set %2$I = $2 where t.%2$I = $3 and (%5$s) returning %3$s as key)
    select array_agg(key) from gone$follow$, r.relation, r.customer_column, platform.merge_key(r), r.reference, condition)
  into gone using m.id, m.loser_id, root;
  update platform.merge_moves x set released = 'unmerged'
  where x.merge = any (path) and x.reference = r.reference and x.key = any (gone) and x.released is null;
  return coalesce(cardinality(gone), 0);
end $function$;
grant execute on function platform.let_follow(relation_name text, m platform.merges, root uuid, path uuid[], condition text) to merge_role;

CREATE OR REPLACE FUNCTION platform.lift_suppression(of_kind text, value text, because text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if platform.current_actor() is null then
    raise exception 'say who: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  end if;
  update platform.suppressions s
  set lifted_at = clock_timestamp(), lifted_by = platform.current_actor(), lift_reason = platform.require_reason(because)
  where s.hash = platform.suppression_hash(of_kind, value) and s.kind = of_kind and s.lifted_at is null;
  return found;
end $function$;
grant execute on function platform.lift_suppression(of_kind text, value text, because text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.list_absent(m platform.merges, r platform.merge_references, of_customer uuid)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return query execute format('
      select x.key from platform.merge_moves x
      where x.merge = $1 and x.reference = %4$s and (x.released is null or x.released = %5$L)
      except
      select %3$s from %1$s t where t.%2$I = $2
      order by 1 limit 200',
    r.relation, r.customer_column, platform.merge_key(r), r.reference, 'moved') using m.id, of_customer;
end $function$;
grant execute on function platform.list_absent(m platform.merges, r platform.merge_references, of_customer uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.list_ambiguous(m platform.merges, root uuid)
 RETURNS TABLE(reference integer, relation text, key text, why text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH refs AS (
          SELECT o_1.reference,
             o_1.relation
            FROM platform.merge_references o_1
         ), addresses AS MATERIALIZED (
          SELECT v.key
            FROM (platform.merge_moves v
              JOIN refs o_1 ON (((o_1.reference = v.reference) AND (o_1.relation = 'platform.customer_emails'::text))))
           WHERE ((v.merge = (list_ambiguous.m).id) AND (v.released IS NULL) AND (NOT (EXISTS ( SELECT
                    FROM platform.customer_emails e
                   WHERE ((e.email_key = v.key) AND ((e.customer_id <> list_ambiguous.root) OR (e.id <> ((v.was ->> 'id'::text))::uuid)))))))
         ), merges AS (
          SELECT (list_ambiguous.m).id AS merge
         UNION ALL
          SELECT b.merge
            FROM platform.merges_below((list_ambiguous.m).loser_id) b(merge)
         ), numbers AS MATERIALIZED (
          SELECT (v.was ->> 'phone_key'::text) AS key
            FROM (( SELECT x.reference,
                     x.key,
                     x.was
                    FROM (platform.merge_moves x
                      JOIN merges s ON ((s.merge = x.merge)))
                   WHERE (x.released IS NULL)
                 UNION ALL
                  SELECT x.reference,
                     x.key,
                     x.was
                    FROM (platform.merge_suppressed x
                      JOIN merges s ON ((s.merge = x.merge)))) v
              JOIN refs o_1 ON (((o_1.reference = v.reference) AND (o_1.relation = 'platform.customer_phones'::text))))
         EXCEPT
          SELECT p.phone_key
            FROM platform.customer_phones p
           WHERE ((p.customer_id = list_ambiguous.root) AND (NOT (EXISTS ( SELECT
                    FROM (platform.merge_moves v
                      JOIN refs o_1 ON (((o_1.reference = v.reference) AND (o_1.relation = 'platform.customer_phones'::text))))
                   WHERE ((v.merge = (list_ambiguous.m).id) AND (v.key = (p.id)::text) AND (v.released IS NULL))))))
         ), found AS (
          SELECT 'platform.customer_emails'::text AS relation,
             c.email_key AS key,
             'It was made the primary address after the merge.'::text AS why
            FROM ((platform.customers c
              JOIN addresses a ON ((a.key = c.email_key)))
              JOIN platform.customer_emails e ON (((e.email_key = a.key) AND (e.customer_id = list_ambiguous.root))))
           WHERE ((c.id = list_ambiguous.root) AND (NOT (EXISTS ( SELECT
                    FROM platform.merge_fields d
                   WHERE ((d.merge = (list_ambiguous.m).id) AND (d.field = 'email'::text) AND (d.side = 'loser'::text) AND ((d.chosen ->> 'email_key'::text) = c.email_key))))))
         UNION ALL
          SELECT 'support.sessions'::text,
             (s.id)::text AS id,
             (('It came after the merge, with the address '::text || s.visitor_email) || '.'::text)
            FROM (support.sessions s
              JOIN addresses a ON ((a.key = lower((s.visitor_email COLLATE "C")))))
           WHERE ((s.customer_id = list_ambiguous.root) AND (s.started_at >= (list_ambiguous.m).merged_at))
         UNION ALL
          SELECT 'support.calls'::text,
             (s.id)::text AS id,
             (('It came after the merge, with the number '::text || s.number_e164) || '.'::text)
            FROM (support.calls s
              JOIN numbers n ON ((n.key = s.number_e164)))
           WHERE ((s.customer_id = list_ambiguous.root) AND (s.created_at >= (list_ambiguous.m).merged_at))
         UNION ALL
          SELECT 'crm.contacts'::text,
             (s.id)::text AS id,
             (('It came after the merge, with the address '::text || s.email) || '.'::text)
            FROM (crm.contacts s
              JOIN addresses a ON ((a.key = lower((s.email COLLATE "C")))))
           WHERE ((s.customer_id = list_ambiguous.root) AND (s.created_at >= (list_ambiguous.m).merged_at))
         )
  SELECT o.reference,
     f.relation,
     f.key,
     f.why
    FROM (found f
      JOIN refs o ON ((o.relation = f.relation)))
   WHERE ((f.relation = 'platform.customer_emails'::text) OR (NOT (EXISTS ( SELECT
            FROM platform.merge_moves v
           WHERE ((v.merge = (list_ambiguous.m).id) AND (v.reference = o.reference) AND (v.key = f.key) AND (v.released IS NULL))))));
END;
grant execute on function platform.list_ambiguous(m platform.merges, root uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.list_clean_up(OUT relation text, OUT indexes text[], OUT sampled text[], OUT is_parent boolean)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  part record;
  half text;
begin
  -- What a clean-up that was killed has left half built. Only one runs at a time, so nobody is building it.
  for half in
    select format('%I.%I', n.nspname, x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid
      join pg_namespace n on n.oid = x.relnamespace
      join platform.inventory_tables t on t.relation::regclass = i.indrelid
    where not i.indisvalid and x.relname ~ '_cc(new|old)\d*$' and t.belongs is not null
  loop
    perform set_config('lock_timeout', '5s', true);
    execute format('drop index %s', half);
  end loop;
  for part in
    with touched as (
      select distinct x.value ->> 'table' as name from platform.erasures e cross join jsonb_array_elements(e.report -> 'tables') x
      where e.state = 'erased' and x.value ->> 'act' <> 'keep'
      union select unnest('{platform.erasures,sync.outbox,sync.events}'::text[])
      union select unnest('{sync.import_chunks,sync.import_uploads}'::text[]) from platform.erasures e
        where e.state = 'erased' and (e.report ->> 'files')::bigint > 0
      union select 'staging.import_lines' from platform.erasures e
        where e.state = 'erased' and (e.report ->> 'stagedLines')::bigint > 0
      union select 'sync.import_rows' from platform.erasures e
        where e.state = 'erased' and (e.report ->> 'unreadLines')::bigint > 0)
    select c.oid, format('%I.%I', n.nspname, c.relname) as name, i.relation as inventoried, c.relispartition, c.relkind = 'p' as is_parent
    from touched t join platform.inventory_tables i on i.relation = t.name
      join pg_class c on c.oid = i.relation::regclass
        or c.oid in (select h.inhrelid from pg_inherits h where h.inhparent = i.relation::regclass)
      join pg_namespace n on n.oid = c.relnamespace
    order by i.place desc, c.oid
  loop
    relation := part.name;
    is_parent := part.is_parent;
    sampled := array(select i.column_name from platform.inventory i where i.relation = part.inventoried and i.class <> 'technical');
    if part.relispartition then execute format('grant maintain on %s to privacy_role', part.name); end if;
    indexes := array(
      select x.indexrelid::regclass::text from pg_index x
      where x.indrelid = part.oid and x.indisvalid and not is_parent and exists (
        select from pg_attribute a join platform.inventory i on i.relation = part.inventoried and i.column_name = a.attname
        where a.attrelid = part.oid and i.class <> 'technical' and (a.attnum = any (x.indkey)
          or x.indexprs is not null and exists (
            select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = x.indexrelid
              and d.refclassid = 'pg_class'::regclass and d.refobjid = part.oid and d.refobjsubid = a.attnum)))
        -- A hash says nothing.
        and pg_get_indexdef(x.indexrelid) !~ 'hashtextextended'
      order by x.indexrelid);
    return next;
  end loop;
end $function$;
grant execute on function platform.list_clean_up(OUT relation text, OUT indexes text[], OUT sampled text[], OUT is_parent boolean) to privacy_role;

CREATE OR REPLACE FUNCTION platform.list_merge_fields(of_merge uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('field', d.field,
        'survivor', platform.show_customer_field(d.field, d.ours), 'loser', platform.show_customer_field(d.field, d.theirs),
        'chosen', d.side, 'by', d.chosen_by, 'why', d.why) order by d.field like 'custom.%', d.field), '[]')
    from platform.merge_fields d where d.merge = of_merge);
end $function$;
grant execute on function platform.list_merge_fields(of_merge uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.list_receipts(of_customer uuid DEFAULT NULL::uuid, before uuid DEFAULT NULL::uuid, rows_max integer DEFAULT 100)
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT jsonb_build_object('erasure', e.id, 'customer', e.customer_id, 'people', to_jsonb(e.people), 'reason', e.reason, 'state', e.state, 'askedBy', e.asked_by, 'askedAt', e.asked_at, 'erasedBy', e.erased_by, 'erasedAt', e.erased_at, 'cleanAt', e.clean_at, 'tables', COALESCE(( SELECT jsonb_agg(((x.value - 'why'::text) - 'stays'::text)) AS jsonb_agg
            FROM jsonb_array_elements((e.report -> 'tables'::text)) x(value)
           WHERE ((x.value ->> 'act'::text) <> 'keep'::text)), '[]'::jsonb), 'kept', COALESCE(( SELECT jsonb_agg((x.value - 'act'::text)) AS jsonb_agg
            FROM jsonb_array_elements((e.report -> 'tables'::text)) x(value)
           WHERE ((x.value ->> 'act'::text) <> 'delete'::text)), '[]'::jsonb), 'events', (e.report -> 'events'::text), 'addresses', (e.report -> 'addresses'::text), 'numbers', (e.report -> 'numbers'::text), 'files', (e.report -> 'files'::text), 'position', told."position", 'subscribers',
         CASE
             WHEN (e.state <> 'asked'::text) THEN subscribers.list
             ELSE '[]'::jsonb
         END, 'webhooks', 'There are no webhooks for events, so none had to be told.', 'backupsExpireOn', ((e.erased_at)::date + ( SELECT s.backups_kept_days
            FROM platform.privacy_settings s))) AS jsonb_build_object
    FROM ((platform.erasures e
      LEFT JOIN LATERAL ( SELECT max(v."position") AS "position",
             array_agg(v.id) AS ids,
             count(*) AS told
            FROM sync.events v
           WHERE ((v.key = ANY ((e.people)::text[])) AND (v.type = 'customer.erased'::text) AND (v.customer = ANY (e.people)))) told ON (true))
      CROSS JOIN LATERAL ( SELECT COALESCE(jsonb_agg(jsonb_build_object('kind', s.kind, 'name', s.name, 'told', s.told, 'acknowledged', (s.told AND s.acknowledged)) ORDER BY s.kind, s.name), '[]'::jsonb) AS list
            FROM ( SELECT 'subscription'::text AS kind,
                     s_1.name,
                     ((s_1.types IS NULL) OR ('customer.erased'::text = ANY (s_1.types))) AS told,
                     COALESCE(((s_1."position" >= told."position") AND (NOT (EXISTS ( SELECT
                            FROM sync.parked k
                           WHERE ((k.subscription = s_1.name) AND (k.customer = ANY (e.people))))))), false) AS acknowledged
                    FROM sync.subscriptions s_1
                 UNION ALL
                  SELECT 'consumer'::text,
                     c.name,
                     true,
                     (( SELECT count(*) AS count
                            FROM sync.consumer_effects f
                           WHERE ((f.event = ANY (told.ids)) AND (f.consumer = c.name) AND (f.state = 'handled'::text))) >= GREATEST(told.told, (1)::bigint))
                    FROM sync.consumers c) s) subscribers)
   WHERE (((list_receipts.of_customer IS NULL) OR (list_receipts.of_customer = ANY (e.people)) OR (list_receipts.of_customer = e.customer_id)) AND ((list_receipts.before IS NULL) OR (e.id < list_receipts.before)))
   ORDER BY e.id DESC
  LIMIT LEAST(GREATEST(list_receipts.rows_max, 1), 1000);
END;
grant execute on function platform.list_receipts(of_customer uuid, before uuid, rows_max integer) to privacy_role;

CREATE OR REPLACE FUNCTION platform.list_retention()
 RETURNS SETOF jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r record;
begin
  for r in
    select l.kind, l.days, l.days_min, l.days_max, l.meaning, 'rule' as set_by, l.round_ended_at, l.removed_in_round, l.changed_at,
      l.changed_by from platform.retention_rules l
    union all
    select v.kind, coalesce(h.value, v.days)::integer, v.days_min, 36500, v.meaning, v.set_by, null, null, null, null
    from (values
      ('log', platform.log_kept_days(), 1, 
        'The log of changes, with copies of what people wrote. An event of that age is gone within a day.', 'SYNC_KEEP_DAYS', null),
      ('operations', null, 90, 'Records of what operators, imports and privacy did: ids and reasons.', 'limit', 'operations_keep_days'),
      ('import_plans', null, 1, 'Plans of imports that nobody applied.', 'limit', 'import_plan_keep_days'),
      ('import_files', null, 1, 'The bytes of files that nobody imported.', 'limit', 'import_file_keep_days'))
      v (kind, days, days_min, meaning, set_by, limit_name)
      left join sync.health_limits h on h.name = v.limit_name
    order by 1
  loop
    return next to_jsonb(r) || jsonb_build_object('next', (
      select coalesce(jsonb_agg(jsonb_build_object('table', p.relation, 'rows', p.held, 'oldest', p.oldest)), '[]')
      from platform.preview_retention(r.kind, r.days) p));
  end loop;
end $function$;
grant execute on function platform.list_retention() to privacy_role;

CREATE OR REPLACE FUNCTION platform.list_suppressions()
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT jsonb_build_object('customer', e.customer_id, 'people', to_jsonb(e.people), 'reason', e.reason, 'erasedAt', e.erased_at, 'suppressed', COALESCE(( SELECT jsonb_agg(jsonb_build_object('kind', s.kind, 'hash', encode(s.hash, 'hex'::text))) AS jsonb_agg
            FROM platform.suppressions s
           WHERE ((s.erasure = e.id) AND (s.lifted_at IS NULL))), '[]'::jsonb)) AS jsonb_build_object
    FROM platform.erasures e
   WHERE (e.state <> 'asked'::text)
   ORDER BY e.erased_at;
END;
grant execute on function platform.list_suppressions() to privacy_role;

CREATE OR REPLACE FUNCTION platform.list_unique_keys(r platform.merge_references, OUT same text, OUT condition text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(string_agg(format(
         CASE
             WHEN i.indnullsnotdistinct THEN 's.%1$I is not distinct from t.%1$I'::text
             ELSE 's.%1$I = t.%1$I'::text
         END, a.attname), ' and '::text) FILTER (WHERE (a.attname <> (list_unique_keys.r).customer_column)), 'true'::text) AS "coalesce",
     COALESCE(pg_get_expr(i.indpred, i.indrelid), 'true'::text) AS "coalesce"
    FROM ((pg_index i
      CROSS JOIN LATERAL unnest(((i.indkey)::smallint[])[0:(i.indnkeyatts - 1)]) k(attnum))
      JOIN pg_attribute a ON (((a.attrelid = i.indrelid) AND (a.attnum = k.attnum))))
   WHERE ((i.indrelid = (((list_unique_keys.r).relation)::regclass)::oid) AND i.indisunique AND ((i.indpred IS NULL) OR ((list_unique_keys.r).and_set IS NULL)))
   GROUP BY i.indexrelid, i.indrelid, i.indpred, i.indnullsnotdistinct
  HAVING bool_or((a.attname = (list_unique_keys.r).customer_column));
END;
grant execute on function platform.list_unique_keys(r platform.merge_references, OUT same text, OUT condition text) to merge_role;

CREATE OR REPLACE FUNCTION platform.log_kept_days()
 RETURNS integer
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN COALESCE((SELECT (ceil(max(sync.number_in(h.report, '{retention,keep_days}'::text[]))))::integer AS ceil FROM sync.heartbeats h WHERE (h.ended_at IS NULL)), 90);

CREATE OR REPLACE FUNCTION platform.make_address_primary(of_customer uuid, of_address uuid, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT address_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  update platform.customers c set email = e.email, email_key = e.email_key
  from platform.customer_emails e
  where c.id = held and e.customer_id = held and e.id = of_address
  returning e.id, c.version into address_id, version;
end $function$;
grant execute on function platform.make_address_primary(of_customer uuid, of_address uuid, expected_version bigint, OUT held uuid, OUT address_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.make_phone_primary(of_customer uuid, of_phone uuid, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  update platform.customers c set phone = p.phone, phone_key = p.phone_key, phone_extension = p.phone_extension
  from platform.customer_phones p
  where c.id = held and p.customer_id = held and p.id = of_phone
  returning p.id, c.version into phone_id, version;
end $function$;
grant execute on function platform.make_phone_primary(of_customer uuid, of_phone uuid, expected_version bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.mark_email_key()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  new.email_key := e'\x01' || new.email_key;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.mark_phone_extension()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  new.phone_extension := e'\x01' || coalesce(new.phone_extension, '');
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.mark_phone_key()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  new.phone_key := e'\x01' || coalesce(new.phone_key, '');
  return new;
end $function$;

CREATE OR REPLACE FUNCTION platform.members_of(person jsonb, kind text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT COALESCE(array_agg(m.value), '{}'::text[]) AS "coalesce" FROM jsonb_array_elements_text((members_of.person -> members_of.kind)) m(value));

CREATE OR REPLACE FUNCTION platform.mend_primary(of_customer uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c platform.customers;
  e platform.customer_emails;
  p platform.customer_phones;
  mark jsonb;
  gone_at timestamptz;
begin
  select k.* into c from platform.customers k where k.id = of_customer;
  select coalesce(max(x.removed_at), 'infinity') into gone_at from platform.removed_emails x
  where x.customer_id = c.id and (x.email_key = c.email_key or x.email_key in (
    select d.ours ->> 'email_key' from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'email'
    where m.survivor_id = c.id and m.undone_at is null and d.side = 'loser'));
  select a.* into e from platform.customer_emails a
  where a.customer_id = c.id
  order by (a.email_key = c.email_key) desc,
    -- The one that it had before a merge chose the one that is gone.
    exists (
      select from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'email'
      where m.survivor_id = c.id and m.undone_at is null and d.ours ->> 'email_key' = a.email_key) desc,
    -- If the primary one was removed meanwhile, the one that would have taken its place then.
    a.created_at <= gone_at desc, case when a.verified_at <= gone_at then a.verified_at end desc nulls last, a.created_at desc, a.id
  limit 1;
  if e.email_key is null then
    -- The mark that a merge took away, if there was one.
    select o.was into mark from platform.merge_suppressed o join platform.merges m on m.id = o.merge
    where c.id in (m.survivor_id, m.loser_id) and o.key = platform.no_address(c.id) order by m.merged_at desc limit 1;
    insert into platform.customer_emails (id, email_key, email, customer_id, is_primary, created_at, added_by_app, added_by)
    select coalesce(w.id, uuidv7()), n.key, n.key, c.id, true, coalesce(w.created_at, now()),
      coalesce(w.added_by_app, platform.current_app()), case when w.id is null then platform.current_actor() else w.added_by end
    from (select platform.no_address(c.id)) n (key) cross join jsonb_populate_record(null::platform.customer_emails, mark) w
    returning * into e;
  elsif exists (select from platform.customer_emails a where a.customer_id = c.id and a.is_primary <> (a.email_key = e.email_key)) then
    update platform.customer_emails a set is_primary = false where a.customer_id = c.id and a.is_primary and a.email_key <> e.email_key;
    update platform.customer_emails a set is_primary = true where a.email_key = e.email_key and not a.is_primary;
  end if;
  select n.* into p from platform.customer_phones n
  where n.customer_id = c.id
  order by (n.phone_key = c.phone_key and n.phone_extension is not distinct from c.phone_extension) desc nulls last,
    exists (
      select from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'phone'
      where m.survivor_id = c.id and m.undone_at is null and d.ours ->> 'phone_key' = n.phone_key) desc,
    n.created_at, n.id
  limit 1;
  if exists (select from platform.customer_phones n where n.customer_id = c.id and n.is_primary <> (n.id = p.id)) then
    update platform.customer_phones n set is_primary = false where n.customer_id = c.id and n.is_primary and n.id <> p.id;
    update platform.customer_phones n set is_primary = true where n.id = p.id and not n.is_primary;
  end if;
  update platform.customers k
  set email = e.email, email_key = e.email_key, phone = p.phone, phone_key = p.phone_key, phone_extension = p.phone_extension
  where k.id = c.id and (k.email, k.email_key, k.phone, k.phone_key, k.phone_extension)
    is distinct from (e.email, e.email_key, p.phone, p.phone_key, p.phone_extension);
end $function$;
grant execute on function platform.mend_primary(of_customer uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.merge_customers(survivor uuid, losers uuid[], choices jsonb DEFAULT '{}'::jsonb, reason text DEFAULT NULL::text, evidence jsonb DEFAULT '{}'::jsonb, expected jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  former_timeout constant text := current_setting('lock_timeout');
  merged jsonb;
  answer jsonb;
  loser uuid;
begin
  perform platform.require_steward();
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a merge runs under read committed' using errcode = 'feature_not_supported';
  end if;
  perform platform.raise_refusal(platform.refuse_merge(survivor, losers, choices, expected));
  for attempt in 1..60 loop
    begin
      perform platform.hold_customers(
        survivor || losers || array(select c.id from platform.customers c where c.merged_into = any (losers)));
      perform platform.raise_refusal(platform.refuse_merge(survivor, losers, choices, expected));
      merged := '[]';
      foreach loser in array losers loop
        answer := platform.merge_one(survivor, loser, platform.choices_about(choices, loser), nullif(btrim(reason), ''), evidence);
        merged := merged || jsonb_build_array(answer - 'version');
      end loop;
      perform set_config('lock_timeout', former_timeout, true);
      return jsonb_build_object('survivor', survivor, 'version', answer -> 'version', 'merges', merged);
    exception when lock_not_available or deadlock_detected then
      null; -- The savepoint has released every lock, so the transaction that held the row can go on.
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $function$;
grant execute on function platform.merge_customers(survivor uuid, losers uuid[], choices jsonb, reason text, evidence jsonb, expected jsonb) to console_role;
grant execute on function platform.merge_customers(survivor uuid, losers uuid[], choices jsonb, reason text, evidence jsonb, expected jsonb) to platform_owner;
grant execute on function platform.merge_customers(survivor uuid, losers uuid[], choices jsonb, reason text, evidence jsonb, expected jsonb) to sync_role;
alter function platform.merge_customers(survivor uuid, losers uuid[], choices jsonb, reason text, evidence jsonb, expected jsonb) owner to merge_role;

CREATE OR REPLACE FUNCTION platform.merge_key(r platform.merge_references)
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN CASE cardinality((r).key_columns) WHEN 0 THEN ''''''::text WHEN 1 THEN format('t.%I::text'::text, (r).key_columns[1]) ELSE (SELECT format('concat_ws('' '', %s)'::text, string_agg(format('t.%I'::text, u.k), ', '::text ORDER BY u.n)) AS format FROM unnest((merge_key.r).key_columns) WITH ORDINALITY u(k, n)) END;
grant execute on function platform.merge_key(r platform.merge_references) to merge_role;

CREATE OR REPLACE FUNCTION platform.merge_one(of_survivor uuid, of_loser uuid, choices jsonb, reason text, evidence jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  s platform.customers;
  l platform.customers;
  before platform.customers;
  of_merge uuid;
  f platform.merge_fields;
  r platform.merge_references;
  done record;
  moved_rows jsonb := '{}';
  suppressed_rows jsonb := '{}';
  rivals uuid[];
begin
  select c.* into s from platform.customers c where c.id = of_survivor;
  select c.* into l from platform.customers c where c.id = of_loser;
  before := s;
  insert into platform.merges (survivor_id, loser_id, reason, evidence, rules, survivor_version, loser_version)
  values (s.id, l.id, reason, evidence, 1, greatest(s.version, l.version) + 1, l.version) returning id into of_merge;
  insert into platform.merge_fields (merge, field, ours, theirs, chosen, side, chosen_by, why, row_key)
  select of_merge, j.field, j.ours, j.theirs, case j.side when 'loser' then j.theirs else j.ours end, j.side, j.chosen_by, j.why, j.row_key
  from platform.judge_merge(s, l, choices) j;
  rivals := array(
    select m.id from platform.merges m join platform.customers c on c.id = m.loser_id
    where m.undone_at is null and m.id <> of_merge and c.merged_into = s.id);

  -- The mark of having no address moves to nobody, and goes from a survivor that gets an address.
  with gone as (
    delete from platform.customer_emails e
    where e.email_key = platform.no_address(l.id) and e.customer_id = l.id
      or e.email_key = platform.no_address(s.id) and e.customer_id = s.id and l.email_key <> platform.no_address(l.id)
    returning e.*)
  insert into platform.merge_suppressed (merge, reference, key, customer_id, was)
  select of_merge, o.reference, g.email_key, g.customer_id, to_jsonb(g)
  from gone g join platform.merge_references o on o.relation = 'platform.customer_emails';
  -- A custom field of which the loser's value was chosen, and both have one.
  update crm.custom_field_values v set value = d.chosen, updated_at = now()
  from platform.merge_fields d
  where d.merge = of_merge and d.side = 'loser' and d.row_key is not null and v.id = d.row_key::bigint;

  for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
    done := platform.move_rows(of_merge, r, l.id, s.id, rivals);
    if done.moved > 0 then moved_rows := moved_rows || jsonb_build_object(r.relation, done.moved); end if;
    if done.suppressed > 0 then suppressed_rows := suppressed_rows || jsonb_build_object(r.relation, done.suppressed); end if;
  end loop;

  for f in select d.* from platform.merge_fields d where d.merge = of_merge and d.side = 'loser' and d.field not like 'custom.%' loop
    s := platform.write_customer_field(s, f.field, f.theirs);
    -- A number is one customer's at a time.
    if f.field in ('crm_id', 'support_id') then l := platform.write_customer_field(l, f.field, 'null'); end if;
  end loop;
  update platform.customers c set merged_into = s.id, crm_id = l.crm_id, support_id = l.support_id where c.id = l.id;
  delete from crm.customer_order o where o.customer_id = l.id;
  perform platform.write_merged(s);
  perform platform.mend_primary(s.id);
  s := platform.count_merge(s.id, greatest(before.version, l.version) + 1);
  update platform.merges m set moved = moved_rows, suppressed = suppressed_rows where m.id = of_merge;
  perform sync.capture_merge('customer.merged', s,
    jsonb_build_object('merge', of_merge, 'survivor', s.id, 'loser', l.id, 'previous_version', before.version, 'loser_version', l.version,
      'moved', moved_rows) || platform.differences(s, before),
    platform.differences(before, s));
  return jsonb_build_object('merge', of_merge, 'loser', l.id, 'moved', moved_rows, 'suppressed', suppressed_rows, 'version', s.version,
    'fields', platform.list_merge_fields(of_merge));
end $function$;
grant execute on function platform.merge_one(of_survivor uuid, of_loser uuid, choices jsonb, reason text, evidence jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.merges_below(of_customer uuid)
 RETURNS SETOF uuid
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH RECURSIVE below(merge, loser) AS (
          SELECT m.id,
             m.loser_id
            FROM platform.merges m
           WHERE ((m.survivor_id = merges_below.of_customer) AND (m.undone_at IS NULL))
         UNION ALL
          SELECT m.id,
             m.loser_id
            FROM (below b_1
              JOIN platform.merges m ON (((m.survivor_id = b_1.loser) AND (m.undone_at IS NULL))))
         )
  SELECT b.merge
    FROM below b;
END;
grant execute on function platform.merges_below(of_customer uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.missing_key(place integer, field text)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
RETURN jsonb_build_object('row', place, 'code', '23502', 'column', field, 'message', (field || ' is missing'::text), 'hint', CASE field WHEN 'phone'::text THEN 'needs the key that @aether/platform makes: use phoneColumns.'::text WHEN 'email_key'::text THEN 'An address beyond ASCII needs the key that @aether/platform makes.'::text ELSE 'is required.'::text END);
grant execute on function platform.missing_key(place integer, field text) to bulk_role;

CREATE OR REPLACE PROCEDURE platform.move_in_merges(IN target regclass, IN customer_column name DEFAULT 'customer_id'::name, IN and_set text DEFAULT NULL::text, IN keeps_rows boolean DEFAULT false)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
declare
  relation constant text := (
    select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target);
begin
  insert into platform.merge_references (relation, customer_column, key_columns, and_set, keeps_rows)
  select relation, move_in_merges.customer_column,
    coalesce(array_agg(a.attname::text order by k.place) filter (where a.attname <> move_in_merges.customer_column), '{}'),
    move_in_merges.and_set, move_in_merges.keeps_rows
  from pg_index i cross join unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality k (attnum, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = target and i.indisprimary
  having count(*) > 0;
  if not found then
    raise exception '% has no primary key: a merge could not name what it moves', target using errcode = 'invalid_parameter_value';
  end if;
  execute format('create policy merge_all on %s to merge_role using (true) with check (true)', target);
  execute format('grant select, insert, update, delete on %s to merge_role', target);
  execute format('grant usage on schema %s to merge_role', (select relnamespace::regnamespace from pg_class where oid = target));
end $procedure$;

CREATE OR REPLACE FUNCTION platform.move_record(kind text, record uuid, to_customer uuid, reason text DEFAULT NULL::text, OUT move uuid, OUT from_customer uuid, OUT held uuid)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  found_record record;
  target platform.customers;
begin
  perform platform.require_owner_of(kind);
  for attempt in 1..5 loop
    select r.* into found_record from platform.read_moved(kind, record, false) r;
    if found_record.is_there is null then return; end if;
    select c.* into target from platform.customers o join platform.customers c on c.id = coalesce(o.merged_into, o.id)
    where o.id = to_customer;
    if not found then move := record; return; end if;
    perform from platform.customers c where c.id in (found_record.customer, target.id) order by c.id for key share;
    select c.* into target from platform.customers c where c.id = target.id;
    continue when target.merged_into is not null; -- it was merged meanwhile
    from_customer := found_record.customer;
    select r.* into found_record from platform.read_moved(kind, record, true) r;
    if found_record.is_there is null then from_customer := null; return; end if;
    continue when found_record.customer is distinct from from_customer; -- it was moved meanwhile
    perform platform.require_other_customer(target, from_customer);
    perform platform.take_record(kind, record, target.id, 'claimed');
    held := target.id;
    insert into platform.moves (kind, record_id, from_id, to_id, identity, reason, released)
    values (kind, record, from_customer, held, found_record.identity, move_record.reason, platform.end_claims(kind, record))
    returning id into move;
    return;
  end loop;
  raise exception 'the record moves all the time' using errcode = 'serialization_failure';
end $function$;
grant execute on function platform.move_record(kind text, record uuid, to_customer uuid, reason text, OUT move uuid, OUT from_customer uuid, OUT held uuid) to foundation_role;
grant execute on function platform.move_record(kind text, record uuid, to_customer uuid, reason text, OUT move uuid, OUT from_customer uuid, OUT held uuid) to support_role;

CREATE OR REPLACE FUNCTION platform.move_rows(of_merge uuid, r platform.merge_references, loser uuid, survivor uuid, rivals uuid[], OUT moved bigint, OUT suppressed bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  key constant text := platform.merge_key(r);
  unique_key record;
  put_away bigint;
begin
  suppressed := 0;
  for unique_key in select * from platform.list_unique_keys(r) loop
    execute format($move$
      with gone as (
        delete from %1$s t
        where t.%2$I = $2 and (%3$s) and exists (select from (select * from %1$s where %2$I = $3 and (%3$s)) s where %4$s)
        returning %5$s as key, to_jsonb(t) as was)
      insert into platform.merge_suppressed (merge, reference, key, customer_id, was) select $1, %6$s, g.key, $2, g.was from gone g$move$,
      r.relation, r.customer_column, unique_key.condition, unique_key.same, key, r.reference) using of_merge, loser, survivor;
    get diagnostics put_away = row_count;
    suppressed := suppressed + put_away;
  end loop;
  execute format($move$
    with gone as (update %1$s t set %2$I = $3%3$s where t.%2$I = $2 returning %4$s as key, %5$s as was)
    insert into platform.merge_moves (merge, reference, key, was) select $1, %6$s, g.key, g.was from gone g$move$,
    r.relation, r.customer_column, ', ' || r.and_set, key, case when r.keeps_rows then 'to_jsonb(old)' else 'null::jsonb' end, r.reference)
  using of_merge, loser, survivor;
  get diagnostics moved = row_count;
  if moved > 0 and cardinality(rivals) > 0 then
    update platform.merge_moves x set released = 'merged'
    from platform.merge_moves n
    where n.merge = of_merge and n.reference = r.reference
      and x.merge = any (rivals) and x.reference = n.reference and x.key = n.key and x.released is null;
  end if;
end $function$;
grant execute on function platform.move_rows(of_merge uuid, r platform.merge_references, loser uuid, survivor uuid, rivals uuid[], OUT moved bigint, OUT suppressed bigint) to merge_role;

CREATE OR REPLACE FUNCTION platform.moved_keys(people uuid[])
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  were_merged constant boolean := exists (
    select from platform.merges m
    where m.undone_at is not null and (m.survivor_id = any (people) or m.loser_id = any (people))
      and not (m.survivor_id = any (people) and m.loser_id = any (people)));
  moved constant uuid[] := array(
    select m.record_id from platform.moves m where m.to_id = any (people)
    union select m.record_id from platform.moves m where m.from_id = any (people));
begin
  if not were_merged and cardinality(moved) = 0 then return '{}'; end if;
  return array(
    select s.id::text from support.sessions s where s.customer_id = any (people) and (were_merged or s.id = any (moved))
    union all
    select c.id::text from support.calls c where c.customer_id = any (people) and (were_merged or c.id = any (moved))
    union all
    select a.id::text from crm.activities a where a.customer_id = any (people) and (were_merged or a.id = any (moved))
    union all
    select 'deal:' || d.id from crm.deals d where were_merged and d.customer_id = any (people)
    union all
    select k.id::text from crm.contacts k where were_merged and k.customer_id = any (people)
    union all
    select 'custom_value:' || v.id from crm.custom_field_values v where were_merged and v.customer_id = any (people)
    union all
    select e.id::text from platform.customer_emails e where were_merged and e.customer_id = any (people)
    union all
    select p.id::text from platform.customer_phones p where were_merged and p.customer_id = any (people)
    union all
    select p::text from unnest(people) p where were_merged);
end $function$;
grant execute on function platform.moved_keys(people uuid[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.moved_rows(kind text, record uuid)
 RETURNS TABLE(relation text, key text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT
         CASE moved_rows.kind
             WHEN 'session'::text THEN 'support.sessions'::text
             WHEN 'call'::text THEN 'support.calls'::text
             ELSE 'crm.activities'::text
         END AS "case",
     (moved_rows.record)::text AS record
 UNION ALL
  SELECT 'crm.activities'::text,
     (a.id)::text AS id
    FROM crm.activities a
   WHERE ((moved_rows.kind <> 'activity'::text) AND (a.created_by_app = 'support'::text) AND (a.idempotency_key = ((moved_rows.kind || ':'::text) || moved_rows.record)));
END;

CREATE OR REPLACE FUNCTION platform.name_agents_of(person jsonb, OUT agent uuid, OUT name text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT a.id,
     u.name
    FROM (support.agents a
      JOIN platform.users u ON ((u.id = a.user_id)))
   WHERE ((EXISTS ( SELECT
            FROM support.messages m
           WHERE ((m.agent_id = a.id) AND (m.session_id = ANY ((platform.members_of(name_agents_of.person, 'sessions'::text))::uuid[]))))) OR (EXISTS ( SELECT
            FROM support.calls c
           WHERE ((c.agent_id = a.id) AND (c.customer_id = ANY ((platform.members_of(name_agents_of.person, 'customers'::text))::uuid[]))))));
END;
grant execute on function platform.name_agents_of(person jsonb, OUT agent uuid, OUT name text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.name_beginning(name text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare beginning constant text := substring(lower(name collate pg_catalog.pg_c_utf8) from '^[a-z0-9]{1,16}');
begin
  return case when name collate platform.people >= beginning and name collate platform.people < beginning || u&'\FFFF' then beginning end;
end $function$;
grant execute on function platform.name_beginning(name text) to app_role;
grant execute on function platform.name_beginning(name text) to bulk_role;
grant execute on function platform.name_beginning(name text) to erase_role;
grant execute on function platform.name_beginning(name text) to merge_role;

CREATE OR REPLACE FUNCTION platform.names_address(line text, emails text[])
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  address text;
begin
  if line is null then return false; end if;
  foreach address in array emails loop
    if position(address in lower(line)) > 0 and lower(line) ~ ('(^|[^[:alnum:]._%+-])'
       || regexp_replace(address, '([^[:alnum:]@_])', '\\\1', 'g') || '($|[^[:alnum:].-]|\.($|[^[:alnum:]]))') then
      return true;
    end if;
  end loop;
  return false;
end $function$;
grant execute on function platform.names_address(line text, emails text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.names_clash(known text, proven text, address text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT ((cardinality(k.words) > 0) AND (cardinality(p.words) > 0) AND (NOT (k.words && p.words)) AND (NOT (k.words <@ a.words)) AND ((names_clash.known ~* '[a-z]'::text) = (names_clash.proven ~* '[a-z]'::text))) FROM (SELECT ARRAY(SELECT w.w FROM regexp_split_to_table(platform.fold(names_clash.known), '[^[:alnum:]]+'::text) w(w) WHERE (length(w.w) > 1)) AS "array") k(words), (SELECT ARRAY(SELECT w.w FROM regexp_split_to_table(platform.fold(names_clash.proven), '[^[:alnum:]]+'::text) w(w) WHERE (length(w.w) > 1)) AS "array") p(words), (SELECT regexp_split_to_array(lower((split_part(names_clash.address, '@'::text, 1) COLLATE "C")), '[^[:alnum:]]+'::text) AS regexp_split_to_array) a(words));

CREATE OR REPLACE FUNCTION platform.next_customer_number(app text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  sequence text := case app when 'foundation' then 'crm.customer_number' when 'support' then 'support.customer_number' end;
  number bigint;
begin
  loop
    number := nextval(sequence);
    exit when number is null or not exists (
      select from platform.customer_external_ids x where x.app = next_customer_number.app and x.external_id = number::text);
  end loop;
  return number;
end $function$;
grant execute on function platform.next_customer_number(app text) to app_role;

CREATE OR REPLACE FUNCTION platform.no_address(customer uuid)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (('no-address-'::text || replace((customer)::text, '-'::text, ''::text)) || '@unknown.invalid'::text);
grant execute on function platform.no_address(customer uuid) to app_role;
grant execute on function platform.no_address(customer uuid) to bulk_role;
grant execute on function platform.no_address(customer uuid) to erase_role;
grant execute on function platform.no_address(customer uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.open_held(person jsonb, of_relation text)
 RETURNS refcursor
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  s platform.person_sources;
  rows_held refcursor;
begin
  select o.* into s from platform.person_sources o where o.relation = of_relation;
  if not found then raise exception 'people are not in %', of_relation using errcode = 'invalid_parameter_value'; end if;
  open rows_held no scroll for
    execute format('select to_jsonb(r) - $7 as row from %s order by %s', platform.say_rows(s), s.ordering)
    using platform.members_of(person, 'customers')::uuid[], platform.members_of(person, 'emails'), platform.members_of(person, 'phones'),
      platform.members_of(person, 'sessions')::uuid[], platform.members_of(person, 'users'),
      platform.members_of(person, 'deals')::bigint[], s.hidden;
  return rows_held;
end $function$;
grant execute on function platform.open_held(person jsonb, of_relation text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.parts_of(target regclass)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT 'true'::text
    FROM pg_class c
   WHERE ((c.oid = (parts_of.target)::oid) AND (c.relkind = 'r'::"char"))
 UNION ALL
  SELECT format('r.run = %s'::text, bound.bound[1]) AS format
    FROM ((pg_inherits i
      JOIN pg_class c ON ((c.oid = i.inhrelid)))
      CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FOR VALUES IN \(''?(\d+)''?\)'::text) bound(bound))
   WHERE ((i.inhparent = (parts_of.target)::oid) AND (bound.bound IS NOT NULL));
END;
grant execute on function platform.parts_of(target regclass) to erase_role;

CREATE OR REPLACE FUNCTION platform.path_of(of_customer uuid)
 RETURNS uuid[]
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH RECURSIVE path(merge, survivor, step) AS (
          SELECT m.id,
             m.survivor_id,
             1 AS "?column?"
            FROM platform.merges m
           WHERE ((m.loser_id = path_of.of_customer) AND (m.undone_at IS NULL))
         UNION ALL
          SELECT m.id,
             m.survivor_id,
             (p_1.step + 1)
            FROM (path p_1
              JOIN platform.merges m ON (((m.loser_id = p_1.survivor) AND (m.undone_at IS NULL))))
         )
  SELECT COALESCE(array_agg(p.merge ORDER BY p.step), '{}'::uuid[]) AS "coalesce"
    FROM path p;
END;
grant execute on function platform.path_of(of_customer uuid) to merge_role;

CREATE OR REPLACE FUNCTION platform.person(of_customer uuid, OUT customer uuid, OUT people uuid[], OUT addresses text[], OUT numbers text[], OUT state text)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH root AS (
          SELECT s.id,
             s.erased_at
            FROM (platform.customers c
              JOIN platform.customers s ON ((s.id = COALESCE(c.merged_into, c.id))))
           WHERE (c.id = person.of_customer)
         ), ids AS (
          SELECT c.id
            FROM (root r_1
              JOIN platform.customers c ON (((c.id = r_1.id) OR (c.merged_into = r_1.id))))
         )
  SELECT r.id,
     ( SELECT array_agg(i.id ORDER BY (i.id <> r.id), i.id) AS array_agg
            FROM ids i) AS array_agg,
     (COALESCE(( SELECT array_agg(e.email_key ORDER BY (NOT e.is_primary), e.email_key) AS array_agg
            FROM (ids i
              JOIN platform.customer_emails e ON ((e.customer_id = i.id)))
           WHERE (e.email_key <> platform.no_address(i.id))), '{}'::text[]) || COALESCE(( SELECT array_agg(DISTINCT e.email_key) AS array_agg
            FROM (ids i
              JOIN platform.removed_emails e ON (((e.customer_id = i.id) AND (e.reason = 'removed'::text) AND (e.email_key <> platform.no_address(i.id)))))
           WHERE (NOT (EXISTS ( SELECT
                    FROM platform.customer_emails o
                   WHERE (o.email_key = e.email_key))))), '{}'::text[])),
     COALESCE(( SELECT array_agg(DISTINCT p.phone_key) AS array_agg
            FROM (ids i
              JOIN platform.customer_phones p ON ((p.customer_id = i.id)))
           WHERE (NOT (EXISTS ( SELECT
                    FROM platform.customer_phones o
                   WHERE ((o.phone_key = p.phone_key) AND (NOT (o.customer_id IN ( SELECT ids.id
                            FROM ids)))))))), '{}'::text[]) AS "coalesce",
         CASE
             WHEN (r.erased_at IS NULL) THEN 'present'::text
             ELSE 'erased'::text
         END AS "case"
    FROM (( SELECT 1 AS "?column?") one
      LEFT JOIN root r ON (true));
END;
grant execute on function platform.person(of_customer uuid, OUT customer uuid, OUT people uuid[], OUT addresses text[], OUT numbers text[], OUT state text) to erase_role;
grant execute on function platform.person(of_customer uuid, OUT customer uuid, OUT people uuid[], OUT addresses text[], OUT numbers text[], OUT state text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.place_hold(of_customer uuid, because text)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  reason constant text := platform.require_reason(because);
  held platform.customers;
  placed uuid;
begin
  if platform.current_actor() is null then
    raise exception 'say who: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  end if;
  -- An erasure holds the customer until it commits, so either sees the other.
  select c.* into held from platform.customers c where c.id = of_customer for key share;
  if not found then
    raise exception 'there is no such customer' using errcode = 'no_data_found', constraint = 'customer_missing';
  elsif held.erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased';
  end if;
  insert into platform.legal_holds (customer_id, reason) values (of_customer, reason) returning id into placed;
  return placed;
end $function$;
grant execute on function platform.place_hold(of_customer uuid, because text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.portable_customers(person jsonb)
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT (jsonb_strip_nulls(jsonb_build_object('id', c.id, 'email', c.email, 'email 2', ( SELECT NULLIF(jsonb_agg(e.email ORDER BY e.created_at, e.email_key), '[]'::jsonb) AS "nullif"
            FROM platform.customer_emails e
           WHERE ((e.customer_id = c.id) AND (NOT e.is_primary))), 'name', c.name, 'phone', (c.phone || COALESCE((' ext. '::text || c.phone_extension), ''::text)), 'other phone', ( SELECT NULLIF(jsonb_agg(p.phone ORDER BY p.created_at, p.id), '[]'::jsonb) AS "nullif"
            FROM platform.customer_phones p
           WHERE ((p.customer_id = c.id) AND (NOT p.is_primary))), 'company', k.name, 'domain', k.domain, 'tier', c.account_tier, 'language', c.preferred_language, 'timezone', c.timezone, 'created_at', c.created_at)) || COALESCE(( SELECT jsonb_object_agg(('custom:'::text || v.field_key), v.value) AS jsonb_object_agg
            FROM crm.custom_field_values v
           WHERE (v.customer_id = c.id)), '{}'::jsonb))
    FROM (platform.customers c
      LEFT JOIN platform.companies k ON ((k.id = c.company_id)))
   WHERE ((c.id = ANY ((platform.members_of(portable_customers.person, 'customers'::text))::uuid[])) AND (c.merged_into IS NULL) AND (c.erased_at IS NULL));
END;
grant execute on function platform.portable_customers(person jsonb) to privacy_role;

CREATE OR REPLACE FUNCTION platform.positions_of_person(people uuid[], keys text[] DEFAULT '{}'::text[])
 RETURNS bigint[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT COALESCE(array_agg(p."position"), '{}'::bigint[]) AS "coalesce"
    FROM ( SELECT l."position"
            FROM sync.list_events_of_customer((positions_of_person.people)[1]) l("position")
         UNION
          SELECT e."position"
            FROM sync.events e
           WHERE (e.key = ANY (positions_of_person.keys))) p;
END;
grant execute on function platform.positions_of_person(people uuid[], keys text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.preview_erasure(of_customer uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  p record;
  t platform.inventory_tables;
  counted bigint;
  tables jsonb := '[]';
  files bigint[];
begin
  select * into p from platform.person(of_customer);
  if p.customer is null then
    raise exception 'there is no such customer' using errcode = 'no_data_found', constraint = 'customer_missing';
  end if;
  for t in select * from platform.inventory_tables i where i.belongs is not null and i.erasing <> 'own' order by i.relation loop
    counted := platform.count_rows(t, p.people, p.addresses, p.numbers);
    continue when counted = 0;
    tables := tables || jsonb_build_object('table', t.relation, 'act', t.erasing, 'rows', counted, 'why', t.why);
  end loop;
  files := platform.uploads_of_person(p.people, p.addresses, p.numbers);
  return jsonb_build_object('customer', p.customer, 'people', to_jsonb(p.people), 'state', p.state, 'tables', tables,
    'events', cardinality(platform.positions_of_person(p.people,
        platform.unlinked_keys(p.addresses) || platform.moved_keys(p.people)))
      + (select count(*) from sync.outbox o where o.customer = any (p.people)),
    'addresses', cardinality(p.addresses), 'numbers', cardinality(p.numbers),
    'files', (select coalesce(jsonb_agg(jsonb_build_object('upload', u.id, 'name', u.name) order by u.id), '[]')
      from sync.import_uploads u where u.id = any (files)),
    'hold', (select jsonb_build_object('id', h.id, 'reason', h.reason, 'heldAt', h.held_at, 'heldBy', h.held_by)
      from platform.legal_holds h where h.id = platform.hold_of(p.customer)),
    'asked', (select jsonb_build_object('id', e.id, 'by', e.asked_by, 'at', e.asked_at, 'reason', e.reason)
      from platform.erasures e where e.customer_id = p.customer and e.state = 'asked'),
    'needsTwo', (select s.two_people from platform.privacy_settings s));
end $function$;
grant execute on function platform.preview_erasure(of_customer uuid) to platform_owner;
grant execute on function platform.preview_erasure(of_customer uuid) to privacy_role;
alter function platform.preview_erasure(of_customer uuid) owner to erase_role;

CREATE OR REPLACE FUNCTION platform.preview_merge(survivor uuid, loser uuid, choices jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  s platform.customers;
  l platform.customers;
  refusal jsonb;
  fields jsonb := '[]';
  moves jsonb := '[]';
  cannot jsonb := '[]';
  r platform.merge_references;
  unique_keys text;
  counted record;
begin
  perform platform.require_steward();
  refusal := platform.refuse_merge(survivor, array[loser], choices, '{}');
  select c.* into s from platform.customers c where c.id = survivor;
  select c.* into l from platform.customers c where c.id = loser;
  if s.id is not null and l.id is not null and s.id <> l.id then
    select coalesce(jsonb_agg(jsonb_build_object('field', j.field,
        'survivor', platform.describe_merge_field(s, j.field, j.ours), 'loser', platform.describe_merge_field(l, j.field, j.theirs),
        'chosen', j.side, 'by', j.chosen_by, 'why', j.why)), '[]')
    into fields
    from platform.judge_merge(s, l, case when refusal is null then platform.choices_about(choices, loser) else '{}' end) j;
    for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
      select string_agg(format('exists (select from (select * from %1$s where %2$I = $2 and (%3$s)) s where (%3$s) and %4$s)',
          r.relation, r.customer_column, u.condition, u.same), ' or ')
      into unique_keys
      from platform.list_unique_keys(r) u;
      execute format('select count(*) filter (where not x.stays) as moved, count(*) filter (where x.stays) as suppressed
        from (select %3$s as stays from %1$s t where t.%2$I = $1) x', r.relation, r.customer_column, coalesce(unique_keys, 'false'))
      into counted using loser, survivor;
      if r.relation = 'platform.customer_emails' and l.email_key = platform.no_address(l.id) then
        counted.moved := counted.moved - 1;
      end if;
      if counted.moved > 0 then
        moves := moves || jsonb_build_object('table', r.relation, 'column', r.customer_column, 'rows', counted.moved);
      end if;
      if counted.suppressed > 0 then
        cannot := cannot || jsonb_build_object('table', r.relation, 'rows', counted.suppressed,
          'why', 'The survivor has one with the same key. The ledger keeps the row, and an unmerge gives it back.');
      end if;
    end loop;
  end if;
  return jsonb_build_object(
    'survivor', case when s.id is not null then jsonb_build_object('id', s.id, 'name', s.name, 'email', s.email, 'version', s.version) end,
    'loser', case when l.id is not null then jsonb_build_object('id', l.id, 'name', l.name, 'email', l.email, 'version', l.version) end,
    'fields', fields, 'moves', moves, 'cannot', cannot,
    'refused', case when refusal is not null then refusal - 'errcode' - 'constraint' end);
end $function$;
grant execute on function platform.preview_merge(survivor uuid, loser uuid, choices jsonb) to console_role;
grant execute on function platform.preview_merge(survivor uuid, loser uuid, choices jsonb) to platform_owner;
grant execute on function platform.preview_merge(survivor uuid, loser uuid, choices jsonb) to sync_role;
alter function platform.preview_merge(survivor uuid, loser uuid, choices jsonb) owner to merge_role;

CREATE OR REPLACE FUNCTION platform.preview_move(kind text, record uuid, to_customer uuid, OUT present jsonb, OUT target jsonb, OUT goes jsonb, OUT stays jsonb)
 RETURNS record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  here record;
  chosen platform.customers;
begin
  perform platform.require_owner_of(kind);
  select r.* into here from platform.read_moved(kind, record, false) r;
  if here.is_there is null then return; end if;
  select jsonb_build_object('id', c.id, 'name', c.name) into present
  from platform.customers o join platform.customers c on c.id = coalesce(o.merged_into, o.id) where o.id = here.customer;
  if to_customer is not null then
    select c.* into chosen from platform.customers o join platform.customers c on c.id = coalesce(o.merged_into, o.id)
    where o.id = to_customer;
    if chosen.id is null then return; end if;
    perform platform.require_other_customer(chosen, (present ->> 'id')::uuid);
    target := jsonb_build_object('id', chosen.id, 'name', chosen.name);
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('what', g.what, 'count', g.count) order by g.place), '[]') into goes
  from (
    select 1 as place, 'messages' as what, count(*) as count from support.messages m
    where preview_move.kind = 'session' and m.session_id = record
    union all
    select 2, 'notes and actions', count(*) from support.session_entries e
    where preview_move.kind = 'session' and e.session_id = record
    union all
    select 3, 'entries of the timeline', count(*) from platform.moved_rows(preview_move.kind, record) t
    where t.relation = 'crm.activities') g
  where g.count > 0;
  select coalesce(jsonb_agg(jsonb_build_object('what', k.what, 'why', k.why) order by k.place), '[]') into stays
  from (
    select 1 as place, 'The address ' || e.email as what, 'A new chat with this address begins with ' || (present ->> 'name') || '.' as why
    from support.sessions s join platform.customer_emails e on s.visitor_email in (e.email, e.email_key)
    where preview_move.kind = 'session' and s.id = record and e.customer_id = (present ->> 'id')::uuid
    union all
    select 2, 'The proof of who the visitor is',
      'They have proven to be ' || (present ->> 'name') || ', not somebody else. The conversation is unverified afterwards.'
    where preview_move.kind = 'session' and here.identity = 'verified'
    union all
    select 3, 'The number ' || p.phone, 'A new call from this number is found with ' || (present ->> 'name') || '.'
    from support.calls k join platform.customer_phones p on p.phone_key = k.number_e164
    where preview_move.kind = 'call' and k.id = record and p.customer_id = (present ->> 'id')::uuid) k;
end $function$;
grant execute on function platform.preview_move(kind text, record uuid, to_customer uuid, OUT present jsonb, OUT target jsonb, OUT goes jsonb, OUT stays jsonb) to foundation_role;
grant execute on function platform.preview_move(kind text, record uuid, to_customer uuid, OUT present jsonb, OUT target jsonb, OUT goes jsonb, OUT stays jsonb) to support_role;

CREATE OR REPLACE FUNCTION platform.preview_retention(of_kind text, of_days integer, OUT relation text, OUT held bigint, OUT oldest timestamp with time zone)
 RETURNS SETOF record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  cutoff constant timestamptz := clock_timestamp() - make_interval(days => of_days);
  rows_max constant integer := 10001;
  part record;
  scrub record;
begin
  if of_days is null then return; end if;
  if of_kind = 'sign_ins' then
    return query select 'platform.sign_ins', count(*), min(o.at) from (
      select coalesce(s.ended_at, s.expires_at) as at from platform.sign_ins s where coalesce(s.ended_at, s.expires_at) < cutoff
      limit rows_max) o;
    return;
  elsif of_kind = 'log' then
    return query select 'sync.events', count(*) filter (where o.sequenced_at < cutoff),
      min(o.sequenced_at) filter (where o.sequenced_at < cutoff)
    from (select e.sequenced_at from sync.events e order by e.position limit rows_max) o;
    return;
  elsif of_kind = 'operations' then
    return query select 'sync.operations', count(*) filter (where o.done_at < cutoff), min(o.done_at) filter (where o.done_at < cutoff)
    from (select p.done_at from sync.operations p order by p.id limit rows_max) o;
    return;
  elsif of_kind = 'import_plans' then
    return query select 'sync.import_runs', count(*), min(r.used_at)
    from sync.import_runs r where r.state = 'planned' and r.used_at < cutoff;
    return;
  elsif of_kind = 'import_files' then
    return query select 'sync.import_uploads', count(*), min(u.used_at)
    from sync.import_uploads u where u.state <> 'removed' and u.used_at < cutoff;
    return;
  end if;
  for part in select * from (values
    ('conversations', 'support.sessions', 'r.status = ''ended'' and r.ended_at < $1 and (r.customer_id is null
      or platform.hold_of(r.customer_id) is null)', 'r.ended_at'),
    ('conversations', 'support.messages', 'r.session_id in (select s.id from support.sessions s where s.status = ''ended''
      and s.ended_at < $1 and (s.customer_id is null or platform.hold_of(s.customer_id) is null))', 'r.created_at'),
    ('conversations', 'support.session_entries', 'r.body is not null and r.session_id in (select s.id from support.sessions s
      where s.status = ''ended'' and s.ended_at < $1 and (s.customer_id is null or platform.hold_of(s.customer_id) is null))',
      'r.created_at'),
    ('calls', 'support.calls', 'r.started_at < $1 and platform.hold_of(r.customer_id) is null', 'r.started_at'),
    ('activities', 'crm.activities', 'r.occurred_at < $1 and (r.due_at is null or r.done_at is not null)
      and platform.hold_of(r.customer_id) is null', 'r.occurred_at'),
    ('import_lines', 'sync.import_rows', 'r.run in (select i.id from sync.import_runs i where i.decided_at < $1
      and i.state in (''applied'', ''undone'', ''abandoned'')) and (r.customer is null or platform.hold_of(r.customer) is null)',
      '(select i.decided_at from sync.import_runs i where i.id = r.run)')) v (kind, table_name, condition, time) where v.kind = of_kind
  loop
    relation := part.table_name;
    select * into scrub from platform.say_scrub(part.table_name);
    execute format('select count(*), min(o.at) from (select %s as at from %s r where (%s) and (%s) limit %s) o',
      part.time, part.table_name, part.condition, scrub.is_left, rows_max) into held, oldest using cutoff;
    return next;
  end loop;
end $function$;
grant execute on function platform.preview_retention(of_kind text, of_days integer, OUT relation text, OUT held bigint, OUT oldest timestamp with time zone) to privacy_role;

CREATE OR REPLACE FUNCTION platform.preview_unmerge(merge uuid, choices jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  m platform.merges;
  refusal jsonb;
begin
  perform platform.require_steward();
  select x.* into m from platform.merges x where x.id = merge;
  refusal := platform.refuse_unmerge(m, choices);
  if refusal is not null then
    return jsonb_build_object('merge', merge, 'survivor', m.survivor_id, 'loser', m.loser_id, 'fieldsBack', '[]'::jsonb,
      'fieldsKept', '[]'::jsonb, 'home', '{}'::jsonb, 'kept', '[]'::jsonb, 'ambiguous', '[]'::jsonb,
      'refused', refusal - 'errcode' - 'constraint');
  end if;
  return platform.try_unmerge(merge, choices, true) - '{version,loserVersion}'::text[] || '{"refused": null}';
end $function$;
grant execute on function platform.preview_unmerge(merge uuid, choices jsonb) to console_role;
grant execute on function platform.preview_unmerge(merge uuid, choices jsonb) to platform_owner;
grant execute on function platform.preview_unmerge(merge uuid, choices jsonb) to sync_role;
alter function platform.preview_unmerge(merge uuid, choices jsonb) owner to merge_role;

CREATE OR REPLACE FUNCTION platform.propose_candidates(pairs jsonb, because text, by_rules text, of_run bigint DEFAULT NULL::bigint)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  added integer;
begin
  with given as (
    select distinct on (least(a.id, b.id), greatest(a.id, b.id)) least(a.id, b.id) as one, greatest(a.id, b.id) as other, p.score, p.reasons
    from jsonb_to_recordset(pairs) p (a uuid, b uuid, score double precision, reasons jsonb)
      join platform.customers x on x.id = p.a join platform.customers y on y.id = p.b
      join platform.customers a on a.id = coalesce(x.merged_into, x.id) and a.erased_at is null
      join platform.customers b on b.id = coalesce(y.merged_into, y.id) and b.erased_at is null
    where a.id <> b.id and not sync.are_different(a.id, b.id)
    order by least(a.id, b.id), greatest(a.id, b.id), p.score desc
  ), written as (
    insert into platform.review_candidates as r (customer_id, other_id, reason, score, reasons, rules, run)
    select g.one, g.other, because, g.score, g.reasons, by_rules, of_run from given g
    on conflict (customer_id, other_id) do update
    set score = excluded.score, reasons = excluded.reasons, rules = excluded.rules,
      reason = case r.reason when 'detected' then excluded.reason else r.reason end,
      run = case r.reason when 'detected' then excluded.run else r.run end
    where r.state in ('open', 'unsure') and r.reason <> 'verified_claim' and (excluded.reason <> 'detected' or r.reason = 'detected')
      and (r.score, r.reasons, r.rules, r.reason = 'detected')
        is distinct from (excluded.score, excluded.reasons, excluded.rules, excluded.reason = 'detected')
    returning r.xmax = 0 as is_new
  )
  select count(*) filter (where w.is_new) into added from written w;
  return added;
end $function$;

CREATE OR REPLACE PROCEDURE platform.protect_table(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
begin
  execute format('alter table %s enable row level security, force row level security', target);
  execute format('create policy owner_all on %s to platform_owner using (true) with check (true)', target);
end $procedure$;

CREATE OR REPLACE FUNCTION platform.prove_address(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean, OUT taken_from uuid)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  owner_id uuid;
  known platform.customer_emails;
  next platform.customer_emails;
  violated text;
begin
  for attempt in 1..5 loop
    select e.customer_id into owner_id from platform.customer_emails e where e.email_key = key;
    if found then
      begin
        perform from platform.customers c where c.id = owner_id for no key update;
        select c.* into customer from platform.customers c where c.id = owner_id;
        select e.* into strict known from platform.customer_emails e where e.email_key = key and e.customer_id = owner_id;
      exception when no_data_found then
        continue; -- it was taken away while this waited for the lock
      end;
      created := false;
      if known.verified_at is not null or customer.erased_at is not null then return; end if;
      if known.is_primary and customer.merged_into is null and platform.names_clash(customer.name, full_name, address) then
        select e.* into next from platform.customer_emails e where e.customer_id = owner_id and not e.is_primary
        order by e.verified_at desc nulls last, e.created_at desc limit 1;
        -- The trigger record_known_by keeps the proven address as another one until put_away_address takes it.
        update platform.customers c
        set email = coalesce(next.email, platform.no_address(owner_id)), email_key = coalesce(next.email_key, platform.no_address(owner_id))
        where c.id = owner_id;
      elsif known.is_primary then
        update platform.customer_emails e set verified_at = now(), verified_by = 'signed_identity' where e.email_key = key;
        perform platform.count_change(owner_id);
        select c.* into customer from platform.customers c where c.id = owner_id;
        return;
      end if;
      perform platform.put_away_address(known, 'claimed');
      perform platform.count_change(owner_id);
      taken_from := owner_id;
    end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
    exception when check_violation then
      get stacked diagnostics violated = constraint_name;
      if violated <> 'person_erased' then raise; end if;
      customer := null;
      created := false;
      return;
    when unique_violation then
      get stacked diagnostics violated = constraint_name;
      if violated not in ('customer_emails_pkey', 'customers_crm_id_key', 'customers_support_id_key', 'customer_external_ids_pkey') then
        raise; -- another attempt would not help
      end if;
      continue;
    end;
    created := true;
    update platform.customer_emails e set verified_at = now(), verified_by = 'signed_identity' where e.email_key = key;
    if taken_from is not null then
      insert into platform.review_candidates (customer_id, other_id, reason, evidence)
      values (least(taken_from, customer.id), greatest(taken_from, customer.id), 'verified_claim',
              jsonb_build_object('address', address, 'taken_from', taken_from, 'was_primary', known.is_primary));
    end if;
    return;
  end loop;
  -- Reached only under repeatable read, where the rival's row stays invisible to every attempt.
  raise exception 'a customer with this address or number appeared meanwhile' using errcode = 'serialization_failure';
end $function$;
grant execute on function platform.prove_address(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean, OUT taken_from uuid) to support_role;

CREATE OR REPLACE FUNCTION platform.put_away_address(of_address platform.customer_emails, why text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into platform.removed_emails
         (id, email_key, email, customer_id, verified_at, verified_by, created_at, added_by_app, added_by, reason)
  values (of_address.id, of_address.email_key, of_address.email, of_address.customer_id, of_address.verified_at, of_address.verified_by,
          of_address.created_at, of_address.added_by_app, of_address.added_by, why);
  delete from platform.customer_emails where email_key = of_address.email_key;
end $function$;

CREATE OR REPLACE FUNCTION platform.put_back_field(m platform.merges, f platform.merge_fields, OUT is_back boolean, OUT present jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c platform.customers;
  n record;
  target uuid := m.survivor_id;
  since timestamptz := m.merged_at;
  was jsonb := f.chosen;
  becomes jsonb := f.ours;
begin
  loop
    for n in
      select x.id, d.ours, d.side from platform.merges x left join platform.merge_fields d on d.merge = x.id and d.field = f.field
      where x.survivor_id = target and x.undone_at is null and x.merged_at > since order by x.merged_at
    loop
      present := n.ours;
      is_back := coalesce(is_back, present is not distinct from was);
      if present is distinct from was then return; end if; -- it was edited before this merge
      update platform.merge_fields d set ours = becomes, chosen = case d.side when 'survivor' then becomes else d.chosen end
      where d.merge = n.id and d.field = f.field;
      if n.side = 'loser' then return; end if; -- what came then is of that merge
    end loop;
    select k.* into c from platform.customers k where k.id = target;
    select d.merge, d.side, d.ours, d.theirs, d.chosen, d.chosen_by, x.survivor_id, x.merged_at into n
    from platform.merge_fields d join platform.merges x on x.id = d.merge
    where x.loser_id = target and x.undone_at is null and d.field = f.field;
    present := platform.read_customer_field(c, f.field);
    -- A number that a later survivor took over is no more in the record, but in the ledger.
    if n.side = 'loser' and f.field in ('crm_id', 'support_id') then present := n.theirs; end if;
    is_back := coalesce(is_back, present is not distinct from was);
    if present is distinct from was then return; end if;
    if n.side is distinct from 'loser' or f.field not in ('crm_id', 'support_id') then
      perform platform.write_merged(platform.write_customer_field(c, f.field, coalesce(becomes, 'null')));
    end if;
    if n.merge is null then return; end if;
    update platform.merge_fields d set theirs = becomes where d.merge = n.merge and d.field = f.field;
    if n.side = 'survivor' then return; end if;
    -- What the later merge would have chosen.
    if becomes is null or f.field = 'account_tier' and n.chosen_by = 'rule' and n.ours is not null
       and (select t.position from platform.tiers t where t.key = n.ours #>> '{}')
           >= (select t.position from platform.tiers t where t.key = becomes #>> '{}')
    then
      becomes := n.ours;
      update platform.merge_fields d set side = 'survivor', chosen = n.ours where d.merge = n.merge and d.field = f.field;
    else
      update platform.merge_fields d set chosen = becomes where d.merge = n.merge and d.field = f.field;
    end if;
    target := n.survivor_id;
    since := n.merged_at;
    was := n.chosen;
  end loop;
end $function$;
grant execute on function platform.put_back_field(m platform.merges, f platform.merge_fields, OUT is_back boolean, OUT present jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.put_back_value(m platform.merges, f platform.merge_fields, OUT is_back boolean, OUT present jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  n record;
  r constant integer := (select o.reference from platform.merge_references o where o.relation = 'crm.custom_field_values');
  of_row text := f.row_key;
  since timestamptz := m.merged_at;
  of_value jsonb := f.chosen;
  becomes jsonb := f.ours;
begin
  loop
    -- Later merges have moved the row on with the value that goes, up to the one that chose another: what was written to it since is an
    -- edit of their survivor.
    update platform.merge_moves v
    set was = jsonb_set(v.was, '{value}', coalesce(becomes, 'null')), released = case when becomes is null then 'unmerged' end
    from platform.merges x
    where x.id = v.merge and x.undone_at is null and x.merged_at > since and v.reference = r and v.key = of_row and v.released is null
      and v.was -> 'value' = of_value
      and not exists (
        select from platform.merge_fields d join platform.merges o on o.id = d.merge
        where d.row_key = of_row and d.side = 'loser' and o.undone_at is null and o.merged_at > since and o.merged_at < x.merged_at);
    if found then is_back := true; end if;
    for n in
      select x.id, d.ours, d.side from platform.merges x join platform.merge_fields d on d.merge = x.id
      where d.row_key = of_row and x.undone_at is null and x.merged_at > since order by x.merged_at
    loop
      present := n.ours;
      is_back := coalesce(is_back, present = of_value);
      if present is distinct from of_value then return; end if;
      update platform.merge_fields d set ours = becomes, chosen = case d.side when 'survivor' then becomes else d.chosen end
      where d.merge = n.id and d.row_key = of_row;
      if n.side = 'loser' then return; end if;
    end loop;
    present := null;
    if becomes is null then
      delete from crm.custom_field_values v where v.id = of_row::bigint and v.value = of_value returning v.value into present;
    else
      update crm.custom_field_values v set value = becomes, updated_at = now()
      where v.id = of_row::bigint and v.value = of_value returning v.value into present;
    end if;
    if present is null then
      -- A later merge may have put the row away: its survivor has a value of its own.
      if becomes is null then
        delete from platform.merge_suppressed p
        where p.reference = r and p.key = of_row and p.was -> 'value' = of_value
          and exists (select from platform.merges x where x.id = p.merge and x.undone_at is null)
        returning of_value into present;
      else
        update platform.merge_suppressed p set was = jsonb_set(p.was, '{value}', becomes)
        where p.reference = r and p.key = of_row and p.was -> 'value' = of_value
          and exists (select from platform.merges x where x.id = p.merge and x.undone_at is null)
        returning of_value into present;
      end if;
    end if;
    if present is null then
      select v.value into present from crm.custom_field_values v where v.id = of_row::bigint;
      is_back := coalesce(is_back, false);
      return;
    end if;
    is_back := true;
    -- A later survivor that took the value over has it in a row of its own.
    select d.merge, d.row_key, d.chosen, x.merged_at into n
    from platform.merge_suppressed p join platform.merges x on x.id = p.merge and x.undone_at is null
      join platform.merge_fields d on d.merge = x.id and d.field = f.field and d.side = 'loser' and d.row_key is not null
    where p.reference = r and p.key = of_row and d.theirs = of_value;
    if not found or becomes is null then return; end if;
    update platform.merge_fields d set theirs = becomes, chosen = becomes where d.merge = n.merge and d.field = f.field;
    of_row := n.row_key;
    since := n.merged_at;
    of_value := n.chosen;
  end loop;
end $function$;
grant execute on function platform.put_back_value(m platform.merges, f platform.merge_fields, OUT is_back boolean, OUT present jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.raise_refusal(refusal jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare sqlstate_of constant text := case refusal ->> 'errcode'
  when 'invalid_parameter_value' then '22023' when 'check_violation' then '23514' when 'no_data_found' then 'P0002'
  when 'foreign_key_violation' then '23503'
  when 'object_not_in_prerequisite_state' then '55000' when 'serialization_failure' then '40001' else 'P0001' end;
begin
  if refusal is null then return; end if;
  raise exception '%', refusal ->> 'message' using errcode = sqlstate_of, constraint = coalesce(refusal ->> 'constraint', ''),
    detail = coalesce(refusal ->> 'detail', ''), column = coalesce(refusal ->> 'column', ''), hint = coalesce(refusal ->> 'hint', '');
end $function$;
grant execute on function platform.raise_refusal(refusal jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.read_customer_field(c platform.customers, field text)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN NULLIF(CASE field WHEN 'email'::text THEN jsonb_build_object('email', (c).email, 'email_key', (c).email_key) WHEN 'name'::text THEN to_jsonb((c).name) WHEN 'phone'::text THEN CASE WHEN ((c).phone IS NOT NULL) THEN jsonb_build_object('phone', (c).phone, 'phone_key', (c).phone_key, 'phone_extension', (c).phone_extension) ELSE NULL::jsonb END WHEN 'company_id'::text THEN to_jsonb((c).company_id) WHEN 'account_tier'::text THEN to_jsonb((c).account_tier) WHEN 'account_manager_id'::text THEN to_jsonb((c).account_manager_id) WHEN 'preferred_language'::text THEN to_jsonb((c).preferred_language) WHEN 'timezone'::text THEN to_jsonb((c).timezone) WHEN 'crm_id'::text THEN to_jsonb((c).crm_id) WHEN 'support_id'::text THEN to_jsonb((c).support_id) ELSE NULL::jsonb END, 'null'::jsonb);
grant execute on function platform.read_customer_field(c platform.customers, field text) to merge_role;

CREATE OR REPLACE FUNCTION platform.read_moved(kind text, record uuid, holding boolean, OUT is_there boolean, OUT customer uuid, OUT identity text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  deal bigint;
begin
  case kind
    when 'session' then
      if holding then perform from support.sessions s where s.id = record for update; end if;
      select true, s.customer_id, s.identity into is_there, customer, identity from support.sessions s where s.id = record;
      if is_there and customer is null then
        perform platform.refuse_move('move_without_customer', 'The visitor of this conversation has given no address yet.');
      end if;
    when 'call' then
      if holding then perform from support.calls k where k.id = record for update; end if;
      select true, k.customer_id into is_there, customer from support.calls k where k.id = record;
    else
      if holding then perform from crm.activities a where a.id = record for update; end if;
      select true, a.customer_id, a.deal_id into is_there, customer, deal from crm.activities a
      where a.id = record and a.created_by_app = 'foundation' and a.type not like 'deal\_%';
      if deal is not null then
        perform platform.refuse_move('move_of_deal', 'This activity belongs to a deal of this customer, and stays with the deal.');
      end if;
  end case;
end $function$;

CREATE OR REPLACE FUNCTION platform.record_decision()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if tg_op = 'INSERT' then
    insert into platform.review_decisions (candidate, became, merge) values (new.id, new.state, new.merge);
  else
    insert into platform.review_decisions (candidate, was, became, reason_was, merge)
    values (new.id, old.state, new.state, old.reason, new.merge);
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.record_export(person jsonb, reason text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  present constant uuid[] := (select coalesce(array_agg(c.id order by c.id), '{}') from platform.customers c
    where c.id = any (platform.members_of(person, 'customers')::uuid[]) and c.merged_into is null);
begin
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, audience, app, login, actor, data, trace)
  select 'customer.exported', c::text, c, c::text, 'console', platform.current_app(), session_user, platform.current_actor(),
    jsonb_build_object('id', c), nullif(left(current_setting('aether.trace', true), 255), '')
  from unnest(present) c;
  perform sync.ring();
  return sync.record_operation('privacy.export',
    jsonb_build_object('customers', present[1:100], 'sessions', jsonb_array_length(person -> 'sessions')),
    nullif(btrim(reason), ''), jsonb_build_object('customers', cardinality(present)));
end $function$;
grant execute on function platform.record_export(person jsonb, reason text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.record_known_by()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare taken text;
begin
  if tg_op = 'INSERT' then
    insert into platform.customer_emails (email_key, email, customer_id, is_primary) values (new.email_key, new.email, new.id, true);
  elsif new.email_key <> old.email_key then
    -- Before anything is written: two customers that exchange their addresses at once would otherwise wait for each other. The lock waits
    -- for a removal of the address, and not for a change of its marks.
    perform from platform.customer_emails known where known.email_key = new.email_key and known.customer_id <> new.id for key share;
    if found then
      raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey',
        detail = new.email_key;
    end if;
    -- The former primary address stays with the customer until somebody takes it away. The mark of a customer without an address goes.
    delete from platform.customer_emails where customer_id = new.id and is_primary and email_key = platform.no_address(new.id);
    update platform.customer_emails set is_primary = false where customer_id = new.id and is_primary;
    insert into platform.customer_emails as known (email_key, email, customer_id, is_primary)
    values (new.email_key, new.email, new.id, true)
    on conflict (email_key) do update set is_primary = true, email = excluded.email where known.customer_id = new.id;
    if not found then taken := 'customer_emails_pkey'; end if;
  elsif new.email <> old.email then
    update platform.customer_emails set email = new.email where email_key = new.email_key and customer_id = new.id;
  end if;
  if new.crm_id is not null and (tg_op = 'INSERT' or new.crm_id is distinct from old.crm_id) then
    insert into platform.customer_external_ids as known (app, external_id, customer_id) values ('foundation', new.crm_id, new.id)
    on conflict (app, external_id) do update set app = known.app where known.customer_id = new.id;
    if not found then taken := 'customer_external_ids_pkey'; end if;
  end if;
  if new.support_id is not null and (tg_op = 'INSERT' or new.support_id is distinct from old.support_id) then
    insert into platform.customer_external_ids as known (app, external_id, customer_id) values ('support', new.support_id, new.id)
    on conflict (app, external_id) do update set app = known.app where known.customer_id = new.id;
    if not found then taken := 'customer_external_ids_pkey'; end if;
  end if;
  if taken is not null then
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = taken,
      detail = case taken when 'customer_emails_pkey' then new.email_key else '' end;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.record_phone()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  known uuid;
  is_known_primary boolean;
begin
  if tg_op = 'UPDATE' then
    if new.phone is null and exists (select from platform.customer_phones p where p.customer_id = new.id and not p.is_primary) then
      raise exception 'the primary number stays' using errcode = 'check_violation', constraint = 'customer_phones_primary_stays';
    end if;
    select p.id, p.is_primary into known, is_known_primary from platform.customer_phones p
    where p.customer_id = new.id and p.phone_key = new.phone_key and p.phone_extension is not distinct from new.phone_extension;
    if is_known_primary then
      update platform.customer_phones p set phone = new.phone where p.id = known;
      return null;
    elsif known is not null then
      update platform.customer_phones p set is_primary = false where p.customer_id = new.id and p.is_primary;
      update platform.customer_phones p set is_primary = true, phone = new.phone where p.id = known;
      return null;
    end if;
    delete from platform.customer_phones p where p.customer_id = new.id and p.is_primary;
  end if;
  if new.phone is not null then
    insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
    values (new.id, new.phone, new.phone_key, new.phone_extension, true);
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION platform.refresh_candidates(customers uuid[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE platform.review_candidates r SET is_asked = (NOT r.is_asked)
    FROM platform.customers a,
     platform.customers b
   WHERE (((r.customer_id = ANY (refresh_candidates.customers)) OR (r.other_id = ANY (refresh_candidates.customers))) AND (r.state = ANY (ARRAY['open'::text, 'unsure'::text])) AND (a.id = r.customer_id) AND (b.id = r.other_id) AND (r.is_asked <> ((a.merged_into IS NULL) AND (a.erased_at IS NULL) AND (b.merged_into IS NULL) AND (b.erased_at IS NULL) AND (NOT sync.are_different(a.id, b.id)))));
END;

CREATE OR REPLACE FUNCTION platform.refuse_apart(of_merges uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  two text[];
begin
  perform platform.require_steward();
  with came as (
    select m.id as merge, m.survivor_id, m.loser_id as member from platform.merges m where m.id = any (of_merges)
    union all
    select m.id, m.survivor_id, v.key::uuid
    from platform.merges m join platform.merge_moves v on v.merge = m.id
      join platform.merge_references r on r.reference = v.reference and r.relation = 'platform.customers'
    where m.id = any (of_merges)
  )
  select array[a.name, b.name] into two
  from came k join platform.customers a on a.id = k.member
    join platform.customers b on (b.id = k.survivor_id or b.merged_into = k.survivor_id)
      and not exists (select from came x where x.merge = k.merge and x.member = b.id)
    join platform.review_candidates r on r.customer_id = least(a.id, b.id) and r.other_id = greatest(a.id, b.id)
  where r.state = 'different' or exists ( -- or was, until the merge closed the pair
    select from platform.review_decisions d
    where d.candidate = r.id and d.was = 'different' and d.act = pg_current_xact_id() and d.decided_at = now())
  limit 1;
  if two is not null then
    raise exception '%', format('somebody has called %s and %s different people: leave one of them out, or take that decision back first',
      two[1], two[2]) using errcode = 'object_not_in_prerequisite_state';
  end if;
end $function$;
grant execute on function platform.refuse_apart(of_merges uuid[]) to console_role;
grant execute on function platform.refuse_apart(of_merges uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION platform.refuse_merge(survivor uuid, losers uuid[], choices jsonb, expected jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c platform.customers;
  chosen record;
  loser uuid;
  unknown text;
begin
  if coalesce(cardinality(losers), 0) not between 1 and 50 or survivor is null or array_position(losers, null) is not null then
    return jsonb_build_object('code', 'invalid', 'message', 'A merge has a survivor and 1 to 50 others.',
      'errcode', 'invalid_parameter_value', 'constraint', 'merge_customers', 'column', 'losers');
  elsif survivor = any (losers) or cardinality(losers) <> (select count(distinct l) from unnest(losers) l) then
    return jsonb_build_object('code', 'same-customer', 'message', 'A customer is merged with another one, and only once.',
      'errcode', 'check_violation', 'constraint', 'merge_same', 'column', 'losers');
  end if;
  -- The lint finds it before a release. Here it keeps a table of a third app from being left behind.
  select format('%s (%I)', k.conrelid::regclass, a.attname) into unknown
  from pg_catalog.pg_constraint k join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  where k.contype = 'f' and k.confrelid = 'platform.customers'::regclass and k.conparentid = 0
    and not exists (
      select from platform.merge_references r where to_regclass(r.relation) = k.conrelid and r.customer_column = a.attname);
  if found then
    return jsonb_build_object('code', 'reference-unknown', 'errcode', 'object_not_in_prerequisite_state', 'constraint', 'merge_references',
      'message', format('No migration says what a merge does with %s: call platform.move_in_merges or platform.stay_in_merges.', unknown));
  end if;
  foreach loser in array survivor || losers loop
    select k.* into c from platform.customers k where k.id = loser;
    if c.id is null then
      return jsonb_build_object('code', 'not-found', 'message', 'There is no such customer.', 'errcode', 'no_data_found',
        'constraint', 'customer_missing', 'detail', loser);
    elsif c.erased_at is not null then
      return jsonb_build_object('code', 'customer-erased', 'message', 'A customer that was erased is not merged.',
        'errcode', 'foreign_key_violation', 'constraint', 'customer_erased', 'detail', loser);
    elsif c.merged_into is not null then
      return jsonb_build_object('code', 'customer-merged', 'message', 'One of them is merged already.',
        'errcode', 'foreign_key_violation', 'constraint', 'customer_merged', 'detail', c.merged_into);
    elsif c.version <> (expected ->> loser::text)::bigint then
      return jsonb_build_object('code', 'customer-version-conflict', 'message', 'One of them has changed since it was read.',
        'errcode', 'raise_exception', 'constraint', 'customers_version',
        'detail', jsonb_build_object('customer', loser, 'expected', (expected ->> loser::text)::bigint, 'actual', c.version));
    end if;
  end loop;
  if jsonb_typeof(choices) <> 'object' then
    return jsonb_build_object('code', 'invalid-choice', 'message', 'Choices are an object.', 'errcode', 'invalid_parameter_value',
      'constraint', 'merge_choice', 'column', 'choices', 'hint', 'must be an object of field and side');
  end if;
  for chosen in select o.key as field, o.value #>> '{}' as side from jsonb_each(choices) o loop
    if chosen.side is null
       or chosen.side not in ('survivor', 'loser') and chosen.side <> all (losers::text[])
       or chosen.side = 'loser' and cardinality(losers) > 1 then
      return jsonb_build_object('code', 'invalid-choice', 'message', 'A choice is survivor, loser, or the id of one of several losers.',
        'errcode', 'invalid_parameter_value', 'constraint', 'merge_choice', 'column', chosen.field,
        'hint', 'must be survivor, loser, or the id of one of the losers if there are several');
    end if;
    continue when chosen.side = 'survivor';
    loser := case chosen.side when 'loser' then losers[1] else chosen.side::uuid end;
    if not exists (
      select from platform.customers k cross join platform.customers o
        cross join platform.judge_merge(o, k, '{}') j
      where o.id = survivor and k.id = loser and j.field = chosen.field
        and (j.theirs is not null or j.field not in ('name', 'email', 'phone') and j.field not like 'custom.%')
        and (j.field <> 'email' or k.email_key <> platform.no_address(k.id)))
    then
      return jsonb_build_object('code', 'invalid-choice', 'message', 'The one that was chosen has no such value.',
        'errcode', 'invalid_parameter_value', 'constraint', 'merge_choice', 'column', chosen.field,
        'hint', 'is not a field that this customer has a value of');
    end if;
  end loop;
  return null;
end $function$;
grant execute on function platform.refuse_merge(survivor uuid, losers uuid[], choices jsonb, expected jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.refuse_move(named text, words text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'the record is not moved: %', named using errcode = 'check_violation', constraint = named, hint = words;
end $function$;

CREATE OR REPLACE FUNCTION platform.refuse_unmerge(m platform.merges, choices jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare erased uuid;
begin
  if m.id is null then
    return jsonb_build_object('code', 'not-found', 'message', 'There is no such merge.', 'errcode', 'no_data_found',
      'constraint', 'merge_missing');
  elsif m.undone_at is not null then
    return jsonb_build_object('code', 'merge-undone', 'message', 'This merge was taken back already.', 'errcode', 'check_violation',
      'constraint', 'merge_undone', 'detail', m.undone_at);
  end if;
  select c.id into erased from platform.customers l join platform.customers c on c.id in (l.id, l.merged_into, m.survivor_id)
  where l.id = m.loser_id and c.erased_at is not null limit 1;
  if found then
    return jsonb_build_object('code', 'customer-erased', 'message', 'One of the two was erased: what the loser had is gone with it.',
      'errcode', 'foreign_key_violation', 'constraint', 'customer_erased', 'detail', erased);
  elsif jsonb_typeof(choices) <> 'object'
     or exists (select from jsonb_each(choices) o where coalesce(o.value #>> '{}', '') not in ('home', 'stay')) then
    return jsonb_build_object('code', 'invalid-choice', 'message', 'A choice is home or stay.', 'errcode', 'invalid_parameter_value',
      'constraint', 'merge_choice', 'column', 'choices', 'hint', 'must be an object of row and home or stay');
  end if;
  return null;
end $function$;
grant execute on function platform.refuse_unmerge(m platform.merges, choices jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.release_hold(of_hold uuid, because text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update platform.legal_holds h set released_at = clock_timestamp(), released_by = platform.current_actor(),
    release_reason = platform.require_reason(because)
  where h.id = of_hold and h.released_at is null;
  return found;
end $function$;
grant execute on function platform.release_hold(of_hold uuid, because text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.release_moves(of_relation text, row_key text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE platform.merge_moves v SET released = 'moved'::text
    FROM platform.merge_references r,
     platform.merges m
   WHERE ((r.relation = release_moves.of_relation) AND (v.reference = r.reference) AND (v.key = release_moves.row_key) AND (v.released IS NULL) AND (m.id = v.merge) AND (m.undone_at IS NULL));
END;

CREATE OR REPLACE FUNCTION platform.remove_address(of_customer uuid, of_address uuid, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT address_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare known platform.customer_emails;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  select e.* into known from platform.customer_emails e where e.customer_id = held and e.id = of_address;
  if not found then return; end if;
  if known.is_primary then
    raise exception 'the primary address stays' using errcode = 'check_violation', constraint = 'customer_emails_primary_stays';
  end if;
  perform platform.put_away_address(known, 'removed');
  address_id := known.id;
  version := platform.count_change(held);
end $function$;
grant execute on function platform.remove_address(of_customer uuid, of_address uuid, expected_version bigint, OUT held uuid, OUT address_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.remove_phone(of_customer uuid, of_phone uuid, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare known platform.customer_phones;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  select p.* into known from platform.customer_phones p where p.customer_id = held and p.id = of_phone;
  if not found then return; end if;
  insert into platform.removed_phones (id, customer_id, phone, phone_key, phone_extension, created_at, added_by_app, added_by)
  values (known.id, held, known.phone, known.phone_key, known.phone_extension, known.created_at, known.added_by_app, known.added_by);
  phone_id := known.id;
  if known.is_primary then
    update platform.customers c set phone = null, phone_key = null, phone_extension = null
    where c.id = held returning c.version into version;
  else
    delete from platform.customer_phones p where p.id = known.id;
    version := platform.count_change(held);
  end if;
end $function$;
grant execute on function platform.remove_phone(of_customer uuid, of_phone uuid, expected_version bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.repeat_suppression(of_customer uuid, people uuid[], because text, erased_at timestamp with time zone, suppressed jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  of_erasure uuid;
  written bigint;
begin
  select e.id into of_erasure from platform.erasures e where e.state <> 'asked'
    and (e.customer_id = of_customer or e.people && repeat_suppression.people) order by e.customer_id <> of_customer, e.id limit 1;
  if of_erasure is null then
    insert into platform.erasures (customer_id, people, reason, state, erased_at, erased_by, erased_by_login, clean_at, report)
    values (of_customer, repeat_suppression.people, platform.require_reason(because), 'clean', repeat_suppression.erased_at,
      platform.current_actor(), session_user, clock_timestamp(), jsonb_build_object('tables', '[]'::jsonb, 'events', 0,
        'addresses', (select count(*) from jsonb_array_elements(suppressed) x where x.value ->> 'kind' = 'email'),
        'numbers', (select count(*) from jsonb_array_elements(suppressed) x where x.value ->> 'kind' = 'phone'), 'files', 0))
    on conflict (customer_id) do nothing returning id into of_erasure;
  end if;
  insert into platform.suppressions as s (hash, kind, erasure)
  select distinct on (x.value ->> 'hash') decode(x.value ->> 'hash', 'hex'), x.value ->> 'kind', of_erasure
  from jsonb_array_elements(suppressed) x
  on conflict (hash) do nothing;
  get diagnostics written = row_count;
  return written;
end $function$;
grant execute on function platform.repeat_suppression(of_customer uuid, people uuid[], because text, erased_at timestamp with time zone, suppressed jsonb) to privacy_role;

CREATE OR REPLACE FUNCTION platform.require_decider(person text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if person is not null and not exists (
    select from platform.users u where u.id = person and u.role in ('admin', 'steward')) then
    raise exception 'only a data steward or an administrator can decide about duplicates' using errcode = 'invalid_parameter_value';
  end if;
end $function$;

CREATE OR REPLACE FUNCTION platform.require_other_customer(target platform.customers, present uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if target.erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased';
  elsif target.id = present then
    perform platform.refuse_move('move_there_already', 'It belongs to this customer already.');
  end if;
end $function$;

CREATE OR REPLACE FUNCTION platform.require_owner_of(kind text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if platform.current_app() is distinct from
     (case when kind = 'activity' then 'foundation' when kind in ('session', 'call') then 'support' end) then
    raise exception 'only the app that owns a record moves it' using errcode = 'insufficient_privilege';
  end if;
  if platform.current_actor() is null then
    raise exception 'only a person moves a record' using errcode = 'insufficient_privilege';
  end if;
end $function$;

CREATE OR REPLACE FUNCTION platform.require_present_customer()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  customer uuid;
  survivor uuid;
  erased_at timestamptz;
begin
  -- The row is converted only if its column has another name: that costs more than the rest of this function.
  if tg_argv[0] = 'customer_id' then customer := new.customer_id; else customer := (to_jsonb(new) ->> tg_argv[0])::uuid; end if;
  if customer is null then return new; end if;
  select c.merged_into, c.erased_at into survivor, erased_at from platform.customers c where c.id = customer for key share;
  if erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased',
      table = tg_table_name, column = tg_argv[0];
  elsif survivor is not null then
    raise exception 'the customer was merged into another one' using errcode = 'foreign_key_violation',
      constraint = 'customer_merged', table = tg_table_name, column = tg_argv[0], detail = survivor,
      hint = 'Write the row for the customer in the detail.';
  end if;
  return new;
end $function$;

CREATE OR REPLACE PROCEDURE platform.require_present_customer(IN target regclass, IN customer_column name DEFAULT 'customer_id'::name)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
begin
  execute format(
    'create trigger %I before insert or update of %I on %s for each row when (current_user <> all (''{bulk_role,merge_role,erase_role}''))
      execute function platform.require_present_customer(%L)',
    'present_' || customer_column, customer_column, target, customer_column);
end $procedure$;

CREATE OR REPLACE FUNCTION platform.require_reason(because text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not coalesce(platform.is_line(btrim(because), 500), false) then
    raise exception 'say why, in 1 to 500 characters on one line' using errcode = 'invalid_parameter_value', constraint = 'privacy_reason';
  end if;
  return btrim(because);
end $function$;
grant execute on function platform.require_reason(because text) to erase_role;

CREATE OR REPLACE FUNCTION platform.require_steward()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if platform.current_app() = 'sync' then return; end if;
  if platform.current_app() = 'console' and exists (
    select from platform.users u where u.id = platform.current_actor() and u.role in ('admin', 'steward')) then return; end if;
  raise exception 'only administrators and stewards of the console, and the command, merge customers' using
    errcode = 'insufficient_privilege', constraint = 'steward_only', hint = 'steward-only';
end $function$;
grant execute on function platform.require_steward() to console_role;
grant execute on function platform.require_steward() to merge_role;
grant execute on function platform.require_steward() to sync_role;

CREATE OR REPLACE FUNCTION platform.restore_address(of_customer uuid, of_address uuid, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT address_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare removed platform.removed_emails;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  delete from platform.removed_emails r
  where r.id = of_address and r.customer_id = held and r.reason = 'removed'
  returning r.* into removed;
  if not found then return; end if;
  select e.id, c.version into address_id, version
  from platform.customer_emails e join platform.customers c on c.id = e.customer_id
  where e.email_key = removed.email_key and e.customer_id = held;
  if found then return; end if; -- it was added again meanwhile
  insert into platform.customer_emails
         (id, email_key, email, customer_id, is_primary, verified_at, verified_by, created_at, added_by_app, added_by)
  values (removed.id, removed.email_key, removed.email, held, false, removed.verified_at, removed.verified_by, removed.created_at,
          removed.added_by_app, removed.added_by)
  on conflict (email_key) do nothing;
  if not found then
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey',
      detail = removed.email_key;
  end if;
  address_id := removed.id;
  version := platform.count_change(held);
end $function$;
grant execute on function platform.restore_address(of_customer uuid, of_address uuid, expected_version bigint, OUT held uuid, OUT address_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.restore_phone(of_customer uuid, of_phone uuid, expected_version bigint DEFAULT NULL::bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare removed platform.removed_phones;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  delete from platform.removed_phones r where r.id = of_phone and r.customer_id = held returning r.* into removed;
  if not found then return; end if;
  select p.id, c.version into phone_id, version
  from platform.customer_phones p join platform.customers c on c.id = p.customer_id
  where p.customer_id = held and p.phone_key = removed.phone_key and p.phone_extension is not distinct from removed.phone_extension;
  if found then return; end if; -- it was added again meanwhile
  phone_id := removed.id;
  update platform.customers c
  set phone = removed.phone, phone_key = removed.phone_key, phone_extension = removed.phone_extension
  where c.id = held and c.phone is null returning c.version into version;
  if found then
    update platform.customer_phones p
    set id = removed.id, created_at = removed.created_at, added_by_app = removed.added_by_app, added_by = removed.added_by
    where p.customer_id = held and p.is_primary;
    return;
  end if;
  insert into platform.customer_phones
         (id, customer_id, phone, phone_key, phone_extension, is_primary, created_at, added_by_app, added_by)
  values (removed.id, held, removed.phone, removed.phone_key, removed.phone_extension, false, removed.created_at,
          removed.added_by_app, removed.added_by);
  version := platform.count_change(held);
end $function$;
grant execute on function platform.restore_phone(of_customer uuid, of_phone uuid, expected_version bigint, OUT held uuid, OUT phone_id uuid, OUT version bigint) to app_role;

CREATE OR REPLACE FUNCTION platform.roots_of_merges(merges uuid[])
 RETURNS uuid[]
 LANGUAGE sql
RETURN ARRAY(SELECT DISTINCT c.merged_into FROM (platform.merges m JOIN platform.customers c ON ((c.id = m.loser_id))) WHERE ((m.id = ANY (roots_of_merges.merges)) AND (c.merged_into IS NOT NULL)) ORDER BY c.merged_into);
grant execute on function platform.roots_of_merges(merges uuid[]) to merge_role;

CREATE OR REPLACE FUNCTION platform.runs_of_person(people uuid[], addresses text[], numbers text[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  condition constant text := (select i.belongs from platform.inventory_tables i where i.relation = 'sync.import_rows');
  part text;
  has boolean;
  found bigint[] := '{}';
begin
  for part in select * from platform.parts_of('sync.import_rows') loop
    execute format('select exists (select from sync.import_rows r where %s and (%s))', part, condition)
      into has using people, addresses, numbers;
    if has then found := found || substring(part from '\d+')::bigint; end if;
  end loop;
  return found;
end $function$;
grant execute on function platform.runs_of_person(people uuid[], addresses text[], numbers text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.say_rows(s platform.person_sources)
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN (SELECT format('%s r where (%s)%s'::text, (say_rows.s).relation, COALESCE((say_rows.s).belongs, i.belongs), ((' and ('::text || (say_rows.s).narrows) || ')'::text)) AS format FROM platform.inventory_tables i WHERE (i.relation = (say_rows.s).relation));

CREATE OR REPLACE FUNCTION platform.say_scrub(of_relation text, OUT sets text, OUT is_left text)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT string_agg(format('%I = %s'::text, i.column_name, COALESCE(i.becomes, 'null'::text)), ', '::text ORDER BY i.column_name) AS string_agg,
     string_agg(format('r.%I is distinct from %s'::text, i.column_name, COALESCE(i.becomes, 'null'::text)), ' or '::text ORDER BY i.column_name) FILTER (WHERE ((i.class <> 'technical'::text) AND (COALESCE(i.becomes, ''::text) !~ 'gen_random_uuid|field_of_nobody'::text))) AS string_agg
    FROM platform.inventory i
   WHERE ((i.relation = say_scrub.of_relation) AND ((i.becomes IS NOT NULL) OR ((i.class <> 'technical'::text) AND (NOT i.stays))));
END;
grant execute on function platform.say_scrub(of_relation text, OUT sets text, OUT is_left text) to erase_role;

CREATE OR REPLACE FUNCTION platform.scrub_aged(of_relation text, of_condition text, ids uuid[], run bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  scrub constant record := platform.say_scrub(of_relation);
  done bigint;
begin
  execute format('update %s r set %s where (%s) and (%s)', of_relation, scrub.sets, of_condition, scrub.is_left) using ids, run;
  get diagnostics done = row_count;
  return done;
end $function$;
grant execute on function platform.scrub_aged(of_relation text, of_condition text, ids uuid[], run bigint) to erase_role;

CREATE OR REPLACE FUNCTION platform.search_beginnings(name text, email_key text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN array_to_tsvector(ARRAY['*'::text, ('n:'::text || COALESCE(platform.name_beginning(name), ''::text)), ('e:'::text || COALESCE("substring"((email_key COLLATE "C"), '^[a-z0-9]{1,16}'::text), ''::text))]);
grant execute on function platform.search_beginnings(name text, email_key text) to app_role;
grant execute on function platform.search_beginnings(name text, email_key text) to bulk_role;
grant execute on function platform.search_beginnings(name text, email_key text) to erase_role;
grant execute on function platform.search_beginnings(name text, email_key text) to merge_role;

CREATE OR REPLACE FUNCTION platform.search_text(name text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  folded text := platform.fold(name);
  joined text := translate(folded, '-‐‑‒–—―−﹣－·・･', '');
begin
  return regexp_replace(
    ' ' || translate(folded, '-‐‑‒–—―−﹣－·・･', '             ') || case when joined <> folded then ' ' || joined else '' end,
    '\s*([\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u309f\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff'
    '\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff])', ' \1', 'g');
end $function$;
grant execute on function platform.search_text(name text) to app_role;
grant execute on function platform.search_text(name text) to bulk_role;
grant execute on function platform.search_text(name text) to erase_role;
grant execute on function platform.search_text(name text) to merge_role;

CREATE OR REPLACE FUNCTION platform.set_apart(left_ids uuid[], right_ids uuid[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  ids constant uuid[] := left_ids || right_ids;
  first bigint;
begin
  perform platform.require_steward();
  if cardinality(left_ids) not between 1 and 20 or cardinality(right_ids) not between 1 and 20 or left_ids && right_ids then
    raise exception 'each side names 1 to 20 customers, and none of them twice' using errcode = 'invalid_parameter_value';
  end if;
  perform from platform.customers c where c.id = any (ids) order by c.id for key share;
  if (select count(*) from platform.customers c where c.id = any (ids) and c.merged_into is null and c.erased_at is null)
    <> cardinality(ids) then
    raise exception 'one of these customers was merged or erased meanwhile' using errcode = 'object_not_in_prerequisite_state';
  end if;
  select coalesce(max(d.id), 0) into first from platform.review_decisions d;
  insert into platform.review_candidates as r (customer_id, other_id, reason, state, is_asked, decided_at, decided_by)
  select least(l.id, o.id), greatest(l.id, o.id), 'person', 'different', false, now(), platform.current_actor()
  from unnest(left_ids) l (id) cross join unnest(right_ids) o (id) order by 1, 2
  on conflict (customer_id, other_id) do update
  set state = 'different', is_asked = false, merge = null, decided_at = now(), decided_by = platform.current_actor()
  where r.state <> 'different';
  return array(select d.id from platform.review_decisions d where d.id > first and d.act = pg_current_xact_id() order by d.id);
end $function$;
grant execute on function platform.set_apart(left_ids uuid[], right_ids uuid[]) to console_role;
grant execute on function platform.set_apart(left_ids uuid[], right_ids uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION platform.set_privacy(two_people boolean DEFAULT NULL::boolean, backups_kept_days integer DEFAULT NULL::integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  former platform.privacy_settings;
  present platform.privacy_settings;
begin
  if platform.current_actor() is null then
    raise exception 'say who: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  end if;
  select * into former from platform.privacy_settings for update;
  update platform.privacy_settings s
  set two_people = coalesce(set_privacy.two_people, s.two_people),
    backups_kept_days = coalesce(set_privacy.backups_kept_days, s.backups_kept_days),
    changed_at = clock_timestamp(), changed_by = platform.current_actor()
  returning s.* into present;
  perform sync.record_operation('privacy.settings', '{}', null, jsonb_build_object(
    'before', jsonb_build_object('two_people', former.two_people, 'backups_kept_days', former.backups_kept_days),
    'after', jsonb_build_object('two_people', present.two_people, 'backups_kept_days', present.backups_kept_days)));
end $function$;
grant execute on function platform.set_privacy(two_people boolean, backups_kept_days integer) to privacy_role;

CREATE OR REPLACE FUNCTION platform.set_retention(of_kind text, to_days integer, because text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  reason constant text := platform.require_reason(because);
  rule platform.retention_rules;
  of_limit constant text := case of_kind when 'operations' then 'operations_keep_days' when 'import_plans' then 'import_plan_keep_days'
    when 'import_files' then 'import_file_keep_days' end;
  least_days constant integer := case of_kind when 'operations' then 90 else 1 end;
  before integer;
begin
  if of_kind = 'log' then
    raise exception 'the workers decide how long the log is kept: set SYNC_KEEP_DAYS and start them again'
      using errcode = 'object_not_in_prerequisite_state';
  elsif of_limit is not null then
    if to_days is null or to_days not between least_days and 36500 then
      raise exception '% are kept for % to 36500 days', replace(of_kind, '_', ' '), least_days
        using errcode = 'invalid_parameter_value', constraint = 'retention_days';
    end if;
    update sync.health_limits l set value = to_days from sync.health_limits o where l.name = of_limit and o.name = l.name
    returning o.value::integer into before;
  else
    select r.* into rule from platform.retention_rules r where r.kind = of_kind for update;
    if not found then
      raise exception 'there is no kind % with a rule of its own', of_kind using errcode = 'no_data_found';
    elsif to_days not between rule.days_min and rule.days_max then
      raise exception '% are kept for % to % days', replace(of_kind, '_', ' '), rule.days_min, rule.days_max
        using errcode = 'invalid_parameter_value', constraint = 'retention_days';
    elsif of_kind in ('conversations', 'calls', 'activities') and to_days < platform.log_kept_days() then
      raise exception 'the log keeps a copy of them for % days: a rule cannot be shorter', platform.log_kept_days()
        using errcode = 'invalid_parameter_value', constraint = 'retention_log';
    end if;
    before := rule.days;
    -- Another time is another round.
    update platform.retention_rules r set days = to_days, changed_at = clock_timestamp(), changed_by = platform.current_actor(),
      place_at = '-infinity', place_id = '00000000-0000-0000-0000-000000000000', place_run = 0, round_ended_at = null, removed_in_round = 0
    where r.kind = of_kind;
  end if;
  return sync.record_operation('privacy.retention', jsonb_build_object('kind', of_kind), reason,
    jsonb_build_object('before', before, 'after', to_days));
end $function$;
grant execute on function platform.set_retention(of_kind text, to_days integer, because text) to privacy_role;

CREATE OR REPLACE FUNCTION platform.show_customer_field(field text, value jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE field WHEN 'email'::text THEN (value -> 'email'::text) WHEN 'phone'::text THEN (value -> 'phone'::text) ELSE value END;
grant execute on function platform.show_customer_field(field text, value jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.sign_in_user(subject text, address text, full_name text, tenant text, account text)
 RETURNS platform.users
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare person platform.users;
begin
  for attempt in 1..3 loop
    -- The directory account comes before the subject, which differs from app registration to app registration.
    update platform.users u set email = address, name = full_name, last_signed_in = now()
    where u.directory_tenant_id = tenant and u.directory_object_id = account returning u.* into person;
    if not found then
      -- Support ties no account to an administrator: see the grants of platform.users.
      update platform.users u set email = address, name = full_name, last_signed_in = now(),
        directory_tenant_id = coalesce(u.directory_tenant_id, tenant), directory_object_id = coalesce(u.directory_object_id, account)
      where u.id = subject and (tenant is null
        or u.directory_object_id is null and (u.role = 'user' or platform.current_app() = 'foundation')) returning u.* into person;
    end if;
    if not found then
      insert into platform.users as u (id, email, name, directory_tenant_id, directory_object_id, last_signed_in)
      values (subject, address, full_name, tenant, account, now()) on conflict do nothing returning u.* into person;
    end if;
    if found then
      delete from platform.sign_ins s where s.user_id = person.id and s.expires_at < now() - interval '30 days';
      return person;
    end if;
  end loop;
  raise exception 'another directory account has this subject' using errcode = 'unique_violation', constraint = 'users_pkey';
end $function$;
grant execute on function platform.sign_in_user(subject text, address text, full_name text, tenant text, account text) to app_role;

CREATE OR REPLACE FUNCTION platform.sort_customer_search()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$ -- an SQL body would keep the indexes from being dropped
begin
  return gin_clean_pending_list('platform.customers_search') + gin_clean_pending_list('platform.customers_folded');
end $function$;
grant execute on function platform.sort_customer_search() to sync_role;

CREATE OR REPLACE PROCEDURE platform.stay_in_merges(IN target regclass, IN customer_column name, IN why text)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
begin
  insert into platform.merge_references (relation, customer_column, stays)
  select format('%I.%I', n.nspname, c.relname), stay_in_merges.customer_column, why
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
end $procedure$;

CREATE OR REPLACE FUNCTION platform.step_retention(rule platform.retention_rules, rows_max integer, OUT done bigint, OUT has_ended boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  cutoff constant timestamptz := clock_timestamp() - make_interval(days => rule.days);
  ids uuid[] := '{}';
  seen integer := 0;
  at timestamptz := rule.place_at;
  id uuid := rule.place_id;
  at_run bigint := rule.place_run;
begin
  case rule.kind
  when 'conversations' then
    select coalesce(array_agg(s.id) filter (where s.customer_id is null or platform.hold_of(s.customer_id) is null), '{}'), count(*),
      max(s.ended_at), (array_agg(s.id order by s.ended_at desc, s.id desc))[1]
    into ids, seen, at, id
    from (select c.id, c.customer_id, c.ended_at from support.sessions c
      where c.status = 'ended' and c.ended_at < cutoff and (c.ended_at, c.id) > (rule.place_at, rule.place_id)
      order by c.ended_at, c.id limit rows_max) s;
    done := platform.scrub_aged('support.messages', 'r.session_id = any ($1)', ids, 0)
      + platform.scrub_aged('support.session_entries', 'r.session_id = any ($1) and r.body is not null', ids, 0)
      + platform.scrub_aged('support.sessions', 'r.id = any ($1)', ids, 0);
  when 'calls' then
    select coalesce(array_agg(s.id) filter (where platform.hold_of(s.customer_id) is null), '{}'), count(*),
      max(s.started_at), (array_agg(s.id order by s.started_at desc, s.id desc))[1]
    into ids, seen, at, id
    from (select c.id, c.customer_id, c.started_at from support.calls c
      where c.started_at < cutoff and (c.started_at, c.id) > (rule.place_at, rule.place_id)
      order by c.started_at, c.id limit rows_max) s;
    done := platform.scrub_aged('support.calls', 'r.id = any ($1)', ids, 0);
  when 'activities' then
    -- By the id, which no index but that of the key is needed for: it holds the time at which the row was made.
    select coalesce(array_agg(s.id) filter (where s.is_old and platform.hold_of(s.customer_id) is null), '{}'), count(*),
      (array_agg(s.id order by s.id desc))[1]
    into ids, seen, id
    from (select a.id, a.customer_id, a.occurred_at < cutoff and (a.due_at is null or a.done_at is not null) as is_old
      from crm.activities a where a.id > rule.place_id order by a.id limit rows_max) s;
    done := platform.scrub_aged('crm.activities', 'r.id = any ($1) and r.created_at < now()', ids, 0);
  when 'import_lines' then
    select r.id into at_run from sync.import_runs r
    where r.id > rule.place_run and r.state in ('applied', 'undone', 'abandoned') and r.decided_at < cutoff order by r.id limit 1;
    done := 0;
    if at_run is not null then
      done := platform.scrub_aged('sync.import_rows',
        'r.run = $2 and (r.customer is null or platform.hold_of(r.customer) is null)', ids, at_run)
        + platform.scrub_aged('sync.import_writes', 'r.run = $2 and platform.hold_of(r.customer) is null', ids, at_run)
        + platform.scrub_aged('sync.import_kept', 'r.run = $2 and platform.hold_of(r.customer) is null', ids, at_run);
      seen := rows_max;
    end if;
  when 'sign_ins' then
    delete from platform.sign_ins s where s.id in (
      select o.id from platform.sign_ins o where coalesce(o.ended_at, o.expires_at) < cutoff limit rows_max);
    get diagnostics done = row_count;
    seen := done;
  end case;
  has_ended := seen < rows_max;
  update platform.retention_rules r
  set place_at = case when has_ended then '-infinity' else coalesce(at, r.place_at) end,
    place_id = case when has_ended then '00000000-0000-0000-0000-000000000000' else coalesce(id, r.place_id) end,
    place_run = case when has_ended then 0 else coalesce(at_run, r.place_run) end,
    round_ended_at = case when has_ended then clock_timestamp() end,
    removed_in_round = done + case when rule.round_ended_at is null then r.removed_in_round else 0 end
  where r.kind = rule.kind;
end $function$;
grant execute on function platform.step_retention(rule platform.retention_rules, rows_max integer, OUT done bigint, OUT has_ended boolean) to erase_role;

CREATE OR REPLACE FUNCTION platform.suppress(of_erasure uuid, of_kind text, hashes bytea[])
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 WITH written AS (
          INSERT INTO platform.suppressions AS s (hash, kind, erasure)  SELECT DISTINCT h.h,
                     suppress.of_kind AS of_kind,
                     suppress.of_erasure AS of_erasure
                    FROM unnest(suppress.hashes) h(h) ON CONFLICT(hash) DO UPDATE SET erasure = excluded.erasure, suppressed_at = clock_timestamp(), lifted_at = NULL::timestamp with time zone, lifted_by = NULL::text, lift_reason = NULL::text
           RETURNING 1 AS "?column?"
         )
  SELECT count(*) AS count
    FROM written;
END;
grant execute on function platform.suppress(of_erasure uuid, of_kind text, hashes bytea[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.suppression_hash(kind text, value text)
 RETURNS bytea
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT sha256((k.outer_pad || sha256((k.inner_pad || convert_to(((suppression_hash.kind || ':'::text) || suppression_hash.value), 'UTF8'::name))))) AS sha256 FROM platform.suppression_key k);
grant execute on function platform.suppression_hash(kind text, value text) to erase_role;

CREATE OR REPLACE FUNCTION platform.take_home(m platform.merges, r platform.merge_references, root uuid, path uuid[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  former_plans constant text := current_setting('enable_nestloop');
  gone bigint;
  p record;
begin
  -- Right after a merge nothing is analyzed, and PostgreSQL would search all rows of the survivor for each row of the ledger.
  perform set_config('enable_nestloop', 'off', true);
  execute format($home$
    update %1$s t set %2$I = $2 from platform.merge_moves v
    where v.merge = $1 and v.reference = %4$s and v.released is null and t.%2$I = $3 and %3$s = v.key$home$,
    r.relation, r.customer_column, platform.merge_key(r), r.reference) using m.id, m.loser_id, root;
  get diagnostics gone = row_count;
  perform set_config('enable_nestloop', former_plans, true);
  if cardinality(path) = 0 then return gone; end if;
  -- Also of a row that was removed meanwhile: what is kept of it goes home as well.
  update platform.merge_moves x set released = 'unmerged'
  from platform.merge_moves v
  where v.merge = m.id and v.reference = r.reference and v.released is null
    and x.merge = any (path) and x.reference = v.reference and x.key = v.key and x.released is null;
  -- A later merge has put some of them away.
  for p in
    select x.* from platform.merge_suppressed x join platform.merge_moves v on v.reference = x.reference and v.key = x.key
    where v.merge = m.id and v.reference = r.reference and v.released is null and x.merge = any (path)
  loop
    if platform.write_row_back(r, p.was, m.loser_id) is null then
      gone := gone + 1;
      delete from platform.merge_suppressed x where x.merge = p.merge and x.reference = p.reference and x.key = p.key;
    end if;
  end loop;
  return gone;
end $function$;
grant execute on function platform.take_home(m platform.merges, r platform.merge_references, root uuid, path uuid[]) to merge_role;

CREATE OR REPLACE FUNCTION platform.take_record(kind text, record uuid, customer uuid, new_identity text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  case kind
    when 'session' then
      update support.sessions s set customer_id = customer, identity = new_identity where s.id = record;
      update crm.activities a set customer_id = n.customer_id, description = n.description, metadata = n.metadata
      from support.activity_of_session(record) n
      where a.created_by_app = 'support' and a.idempotency_key = n.idempotency_key;
    when 'call' then
      update support.calls k set customer_id = customer where k.id = record;
      update crm.activities a set customer_id = customer where a.created_by_app = 'support' and a.idempotency_key = 'call:' || record;
    else
      update crm.activities a set customer_id = customer where a.id = record;
  end case;
end $function$;

CREATE OR REPLACE FUNCTION platform.tier_hint()
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN (SELECT COALESCE(('must be one of '::text || string_agg(t.key, ', '::text ORDER BY t."position")), 'must be left empty: there are no tiers'::text) AS "coalesce" FROM platform.tiers t WHERE (NOT t.is_retired));
grant execute on function platform.tier_hint() to app_role;
grant execute on function platform.tier_hint() to bulk_role;

CREATE OR REPLACE FUNCTION platform.try_erase(of_customer uuid, because text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  p record;
  held record;
  known platform.erasures;
  hold uuid;
  t platform.inventory_tables;
  counted bigint;
  counts jsonb := '{}';
  tables jsonb;
  positions bigint[];
  runs bigint[];
  unlinked text[];
  keys text[];
  known_values text[];
  others text[];
  events bigint;
  suppressed bigint[];
begin
  select * into p from platform.person(of_customer);
  if p.customer is null then
    raise exception 'there is no such customer' using errcode = 'no_data_found', constraint = 'customer_missing';
  end if;
  -- Again while a merge brings somebody in or takes somebody out.
  loop
    perform platform.hold_customers(p.people);
    select * into held from platform.person(of_customer);
    exit when held.people = p.people;
    p := held;
  end loop;
  p := held;
  -- The row of the erasure is asked for under the lock of the customer: of two that erase at once, the second finds the first's.
  select * into known from platform.erasures e where e.customer_id = p.customer for update;
  if known.state in ('erased', 'clean') and p.state = 'erased' then
    return jsonb_build_object('erasure', known.id, 'state', known.state, 'again', true);
  end if;
  hold := (select h.id from platform.legal_holds h where h.released_at is null and h.customer_id = any (p.people)
    order by h.held_at limit 1);
  if hold is not null then
    raise exception 'a legal hold keeps this customer' using errcode = 'check_violation', constraint = 'legal_hold', detail = hold,
      hint = 'Release the hold first, with a reason.';
  end if;
  if known.id is null or known.state <> 'asked' then
    delete from platform.erasures e where e.id = known.id;
    insert into platform.erasures (customer_id, reason, state) values (p.customer, because, 'asked') returning * into known;
    if (select s.two_people from platform.privacy_settings s) then
      return jsonb_build_object('erasure', known.id, 'state', 'asked', 'again', false);
    end if;
  elsif (select s.two_people from platform.privacy_settings s) and known.asked_by = platform.current_actor() then
    return jsonb_build_object('erasure', known.id, 'state', 'asked', 'again', true);
  end if;

  -- Messages, notes and values of deals come in under the lock of their session or deal, not of the customer.
  unlinked := platform.unlinked_keys(p.addresses);
  keys := unlinked || platform.moved_keys(p.people);
  known_values := platform.values_of_person(p.people);
  perform from support.sessions s where s.customer_id = any (p.people) order by s.id for update;
  perform from support.sessions s where s.id = any (unlinked::uuid[]) order by s.id for update;
  perform from crm.deals d where d.customer_id = any (p.people) order by d.id for update;
  runs := platform.runs_of_person(p.people, p.addresses, p.numbers);
  suppressed := array[
    platform.suppress(known.id, 'email', array(select platform.suppression_hash('email', a) from unnest(p.addresses) a)),
    -- A number that others have too, as a family or an office does, stays theirs: it is not among these.
    platform.suppress(known.id, 'phone', array(select platform.suppression_hash('phone', n) from unnest(p.numbers) n)),
    -- Keys that are addresses are left out: the address itself is suppressed, so that one lift counts for imports too.
    platform.suppress(known.id, 'source', array(
      select platform.suppression_hash('source', k.source || ':' || k.key) from sync.import_keys k
      where k.customer = any (p.people) and not starts_with(k.key, 'email:')))];
  -- The customer's own row comes last: triggers of it would do a part of the rest uncounted.
  for t in
    select * from platform.inventory_tables i
    where i.erasing in ('delete', 'scrub') and not i.later order by i.relation = 'platform.customers', i.place
  loop
    counted := platform.erase_rows(t, p.people, p.addresses, p.numbers);
    if counted > 0 then counts := counts || jsonb_build_object(t.relation, counted); end if;
  end loop;

  -- The log comes after the tables: who waited for a row meanwhile has committed its event. First what has no number yet: what is numbered
  -- while this waits is seen by the next statement.
  others := platform.former_partners(p.people);
  update sync.outbox o set data = sync.scrub_values(o.data, p.people, known_values),
    previous = sync.scrub_values(o.previous, p.people, known_values)
  where o.key = any (others) and starts_with(o.type, 'customer.') and o.customer <> all (p.people);
  update sync.outbox o set data = sync.scrub_data(o.data, k.known, k.kept), previous = sync.scrub_data(o.previous, k.known, k.kept)
  from (select u.type, coalesce(c.known, '{}') as known, coalesce(c.kept, '{}') as kept
    from (select distinct x.type from sync.outbox x where x.customer = any (p.people) or x.key = any (keys)) u
      left join sync.kept_columns() c on c.entity = split_part(u.type, '.', 1)) k
  where (o.customer = any (p.people) or o.key = any (keys)) and o.type = k.type;
  get diagnostics events = row_count;
  positions := platform.positions_of_person(p.people, keys);
  update sync.events e set data = sync.scrub_data(e.data, k.known, k.kept), previous = sync.scrub_data(e.previous, k.known, k.kept)
  from (select u.type, coalesce(c.known, '{}') as known, coalesce(c.kept, '{}') as kept
    from (select distinct x.type from sync.events x where x.position = any (positions)) u
      left join sync.kept_columns() c on c.entity = split_part(u.type, '.', 1)) k
  where e.position = any (positions) and e.type = k.type;
  get diagnostics counted = row_count;
  events := events + counted;
  update sync.events e set data = sync.scrub_values(e.data, p.people, known_values),
    previous = sync.scrub_values(e.previous, p.people, known_values)
  where e.key = any (others) and starts_with(e.type, 'customer.') and e.position <> all (positions)
    and (e.data, e.previous) is distinct from (sync.scrub_values(e.data, p.people, known_values),
      sync.scrub_values(e.previous, p.people, known_values));
  get diagnostics counted = row_count;
  events := events + counted;
  update sync.attempts a set error = 'Erased' where a.position = any (positions) and a.error is not null;
  get diagnostics counted = row_count;
  if counted > 0 then counts := counts || jsonb_build_object('sync.attempts', counted); end if;
  -- What is parked under no customer, or under another one.
  update sync.parked k set error = null
  where k.subscription in (select s.name from sync.subscriptions s) and k.position = any (positions) and k.error is not null;
  get diagnostics counted = row_count;
  if counted > 0 then
    counts := counts || jsonb_build_object('sync.parked', coalesce((counts ->> 'sync.parked')::bigint, 0) + counted);
  end if;
  if events > 0 then counts := counts || jsonb_build_object('sync.events', events); end if;

  select coalesce(jsonb_agg(jsonb_build_object('table', i.relation, 'act', case i.erasing when 'own' then 'scrub' else i.erasing end,
      'rows', c.value::bigint, 'why', i.why, 'stays', (
        select coalesce(jsonb_agg(x.column_name order by x.column_name), '[]') from platform.inventory x
        where x.relation = i.relation and x.stays)) order by i.relation), '[]')
  into tables from jsonb_each_text(counts) c join platform.inventory_tables i on i.relation = c.key;
  for t in select * from platform.inventory_tables i
    where i.erasing = 'keep' and i.belongs is not null loop
    counted := platform.count_rows(t, p.people, '{}', '{}');
    continue when counted = 0;
    tables := tables || jsonb_build_object('table', t.relation, 'act', 'keep', 'rows', counted, 'why', t.why, 'stays', (
      select coalesce(jsonb_agg(x.column_name order by x.column_name), '[]') from platform.inventory x
      where x.relation = t.relation and x.stays));
  end loop;
  update platform.erasures e
  set state = 'erased', people = p.people, erased_at = clock_timestamp(), erased_by = platform.current_actor(),
    erased_by_login = session_user,
    report = jsonb_build_object('tables', tables, 'events', events, 'addresses', suppressed[1], 'numbers', suppressed[2],
      'sources', suppressed[3], 'files', 0),
    pending = jsonb_build_object('addresses', to_jsonb(p.addresses), 'numbers', to_jsonb(p.numbers), 'runs', to_jsonb(runs))
  where e.id = known.id;
  perform sync.capture_erasure(p.people);
  return jsonb_build_object('erasure', known.id, 'state', 'erased', 'again', false);
end $function$;
grant execute on function platform.try_erase(of_customer uuid, because text) to erase_role;

CREATE OR REPLACE FUNCTION platform.try_unmerge(merge uuid, choices jsonb, is_trial boolean)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (platform.try_unmerges(ARRAY[merge], choices, is_trial) -> 0);
grant execute on function platform.try_unmerge(merge uuid, choices jsonb, is_trial boolean) to merge_role;

CREATE OR REPLACE FUNCTION platform.try_unmerges(merges uuid[], choices jsonb, is_trial boolean)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  former_timeout constant text := current_setting('lock_timeout');
  m platform.merges;
  merge uuid;
  root uuid;
  roots uuid[];
  waiting text[] := '{}';
  name text;
  answer jsonb;
  answers jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an unmerge runs under read committed' using errcode = 'feature_not_supported';
  end if;
  for attempt in 1..60 loop
    foreach merge in array merges loop
      select x.* into m from platform.merges x where x.id = merge;
      perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
    end loop;
    roots := platform.roots_of_merges(merges);
    begin
      -- Failed events of the two wait together, and from now on apart. Their handlers hold the subscription before any customer.
      perform set_config('lock_timeout', '3s', true);
      if not is_trial then
        waiting := array(
          select s.name from sync.subscriptions s
          where exists (
            select from sync.parked p cross join unnest(roots) r (id)
            where p.subscription = s.name and p.customer = any (sync.list_merged(r.id)))
          order by s.name);
      end if;
      if cardinality(waiting) > 0 then
        perform sync.lock_subscription(w) from unnest(waiting) with ordinality as u (w, n) order by n;
      end if;
      perform platform.hold_customers(roots || array(
        select c.id from platform.merges x cross join unnest(array[x.survivor_id, x.loser_id]) c (id) where x.id = any (merges)
        union
        select v.key::uuid from platform.merge_moves v join platform.merge_references r on r.reference = v.reference
        where v.merge = any (merges) and r.relation = 'platform.customers'));
      -- They were merged on while this waited: again, with the right locks.
      if roots <> platform.roots_of_merges(merges) then raise lock_not_available; end if;
      answers := '[]';
      foreach merge in array merges loop
        select x.* into m from platform.merges x where x.id = merge;
        perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
        select c.merged_into into root from platform.customers c where c.id = m.loser_id;
        answer := platform.unmerge_one(m, root, choices);
        answers := answers || jsonb_build_array(answer);
        if is_trial then continue; end if;
        update platform.merges x
        set undone_at = clock_timestamp(), undone_by = platform.current_actor(), undone_by_app = platform.current_app(),
            undone_by_login = session_user, back_version = (answer ->> 'loserVersion')::bigint, undo_report = answer
        where x.id = m.id;
        foreach name in array waiting loop
          perform sync.start_first(name, array[m.loser_id::text, root::text], array[m.loser_id, root]);
        end loop;
      end loop;
      if is_trial then raise exception 'only a trial' using errcode = 'TRIAL'; end if;
      perform set_config('lock_timeout', former_timeout, true);
      return answers;
    exception
      when lock_not_available or deadlock_detected then
        null; -- The savepoint has released every lock, so the transaction that held the row can go on.
      when sqlstate 'TRIAL' then
        return answers;
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $function$;
grant execute on function platform.try_unmerges(merges uuid[], choices jsonb, is_trial boolean) to merge_role;

CREATE OR REPLACE FUNCTION platform.unclassified(OUT relation text, OUT column_name text, OUT problem text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH present AS (
          SELECT (format('%I.%I'::text, n.nspname, c.relname) COLLATE "C") AS relation,
             ((a.attname)::text COLLATE "C") AS column_name
            FROM ((pg_class c
              JOIN pg_namespace n ON ((n.oid = c.relnamespace)))
              JOIN pg_attribute a ON (((a.attrelid = c.oid) AND (a.attnum > 0) AND (NOT a.attisdropped))))
           WHERE ((c.relkind = ANY (ARRAY['r'::"char", 'p'::"char"])) AND (NOT c.relispartition) AND (n.nspname <> ALL (ARRAY['pg_catalog'::name, 'information_schema'::name, 'ext'::name])) AND (n.nspname !~~ 'pg\_%'::text))
         )
  SELECT COALESCE(p.relation, i.relation) AS "coalesce",
     COALESCE(p.column_name, i.column_name) AS "coalesce",
         CASE
             WHEN (i.relation IS NULL) THEN 'no class'::text
             ELSE 'no column'::text
         END AS "case"
    FROM (present p
      FULL JOIN platform.inventory i ON (((i.relation = p.relation) AND (i.column_name = p.column_name))))
   WHERE ((p.relation IS NULL) OR (i.relation IS NULL))
   ORDER BY COALESCE(p.relation, i.relation), COALESCE(p.column_name, i.column_name);
END;

CREATE OR REPLACE FUNCTION platform.undo_decision(decision bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  d platform.review_decisions;
  r platform.review_candidates;
begin
  perform platform.require_steward();
  select * into d from platform.review_decisions x where x.id = decision;
  if d.id is null then raise exception 'there is no such decision' using errcode = 'no_data_found'; end if;
  -- The customers into which the two are merged are held as well: the pair may go on with them.
  perform from platform.customers c
  where c.id in (
    select unnest(array[q.customer_id, q.other_id]) from platform.review_candidates q where q.id = d.candidate
    union
    select k.merged_into from platform.review_candidates q join platform.customers k on k.id in (q.customer_id, q.other_id)
    where q.id = d.candidate and k.merged_into is not null)
  order by c.id for key share;
  r := platform.hold_candidate(d.candidate, null);
  select * into d from platform.review_decisions x where x.id = decision for update;
  if d.undone_at is not null then
    raise exception 'this decision was undone already' using errcode = 'object_not_in_prerequisite_state';
  elsif d.was = 'merged' then
    raise exception 'they are different because their merge was taken back: merge them again instead'
      using errcode = 'object_not_in_prerequisite_state';
  elsif d.became = 'merged' and not exists (select from platform.merges m where m.id = d.merge and m.undone_at is not null) then
    raise exception 'the merge must be taken apart first' using errcode = 'object_not_in_prerequisite_state';
  elsif r.state <> (case d.became when 'merged' then 'different' else d.became end)
    or exists (select from platform.review_decisions x where x.candidate = d.candidate and x.id > d.id and x.undone_at is null
      and not (d.became = 'merged' and x.was = 'merged' and x.became = 'different')) then
    raise exception 'somebody has decided about this pair since' using errcode = 'object_not_in_prerequisite_state';
  end if;
  if d.was is null then
    delete from platform.review_candidates x where x.id = r.id;
  else
    update platform.review_decisions x set undone_at = now(), undone_by = platform.current_actor()
    where x.candidate = r.id and x.id >= d.id and x.undone_at is null;
    update platform.review_candidates x
    set state = d.was, reason = coalesce(d.reason_was, x.reason), merge = null, is_asked = d.was in ('open', 'unsure'),
      evidence = x.evidence - 'why',
      decided_at = case when d.was <> 'open' then now() end, decided_by = case when d.was <> 'open' then platform.current_actor() end
    where x.id = r.id;
    -- The way back to an earlier decision is none itself.
    update platform.review_decisions x set undone_at = now(), undone_by = platform.current_actor()
    where x.candidate = r.id and x.act = pg_current_xact_id() and x.undone_at is null;
    perform platform.carry_candidate(r.id);
  end if;
  -- Of the two, and of those into whom they are merged: their pairs may have waited behind this decision.
  perform platform.refresh_candidates(array(
    select distinct k.id from platform.customers c cross join unnest(array[c.id, c.merged_into]) k (id)
    where c.id in (r.customer_id, r.other_id) and k.id is not null));
end $function$;
grant execute on function platform.undo_decision(decision bigint) to console_role;
grant execute on function platform.undo_decision(decision bigint) to sync_role;

CREATE OR REPLACE FUNCTION platform.undo_move(move uuid, kind text, record uuid, OUT held uuid)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  undone platform.moves;
  found_record record;
  here uuid;
  home platform.customers;
  -- A merge that had brought the record to where it was moved from, and was taken back since: the earliest.
  undone_merge platform.merges;
begin
  perform platform.require_owner_of(kind);
  select m.* into undone from platform.moves m
  where m.id = move and m.kind = undo_move.kind and m.record_id = record for update;
  if not found then return; end if;
  if undone.undone_at is not null then
    perform platform.refuse_move('move_undone', 'This move was taken back before.');
  end if;
  perform from platform.customers c
  where c.id in (
    select coalesce(m.merged_into, m.id) from platform.customers m
    where m.id in (undone.from_id, undone.to_id) or m.id in (select x.loser_id from platform.merges x where x.id = any (undone.released)))
  order by c.id for key share;
  select coalesce(c.merged_into, c.id) into here from platform.customers c where c.id = undone.to_id;
  select x.* into undone_merge from platform.merges x
  where x.id = any (undone.released) and x.undone_at is not null order by x.merged_at limit 1;
  select c.* into home from platform.customers m join platform.customers c on c.id = coalesce(m.merged_into, m.id)
  where m.id = coalesce(undone_merge.loser_id, undone.from_id);
  if home.erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased';
  elsif home.id = here then
    perform platform.refuse_move('move_within_one', 'The two customers were merged since: it belongs to both.');
  end if;
  select r.* into found_record from platform.read_moved(kind, record, true) r;
  if found_record.is_there is null or found_record.customer is distinct from here
     or exists (select from platform.moves m
       where m.kind = undone.kind and m.record_id = undone.record_id and m.id > undone.id and m.undone_at is null) then
    perform platform.refuse_move('move_overtaken', 'It went to another customer since. Take that back first, or move it.');
  elsif kind = 'session' and found_record.identity is distinct from 'claimed' then
    perform platform.refuse_move('move_confirmed', 'The visitor has proven since to be this customer.');
  end if;
  perform platform.take_record(kind, record, home.id, undone.identity);
  perform platform.end_claims(kind, record); -- of merges that brought it here since
  update platform.merge_moves v set released = null
  from platform.moved_rows(kind, record) t join platform.merge_references r on r.relation = t.relation
  where v.reference = r.reference and v.key = t.key and v.released = 'moved' and v.merge in (
    select x.id from platform.merges x
    where x.id = any (undone.released) and x.undone_at is null
      and (undone_merge.id is null or x.merged_at < undone_merge.merged_at));
  update platform.moves m set undone_at = clock_timestamp(), undone_by = platform.current_actor() where m.id = move;
  held := home.id;
end $function$;
grant execute on function platform.undo_move(move uuid, kind text, record uuid, OUT held uuid) to foundation_role;
grant execute on function platform.undo_move(move uuid, kind text, record uuid, OUT held uuid) to support_role;

CREATE OR REPLACE FUNCTION platform.unlinked_keys(addresses text[])
 RETURNS text[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT COALESCE(array_agg((k.id)::text), '{}'::text[]) AS "coalesce"
    FROM ( SELECT s.id
            FROM support.sessions s
           WHERE ((s.customer_id IS NULL) AND (lower(s.visitor_email) = ANY (unlinked_keys.addresses)))
         UNION ALL
          SELECT c.id
            FROM crm.contacts c
           WHERE ((c.customer_id IS NULL) AND (lower(c.email) = ANY (unlinked_keys.addresses)))) k;
END;
grant execute on function platform.unlinked_keys(addresses text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.unmerge_customers(merge uuid, choices jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform platform.require_steward();
  return platform.try_unmerge(merge, choices, false);
end $function$;
grant execute on function platform.unmerge_customers(merge uuid, choices jsonb) to console_role;
grant execute on function platform.unmerge_customers(merge uuid, choices jsonb) to platform_owner;
grant execute on function platform.unmerge_customers(merge uuid, choices jsonb) to sync_role;
alter function platform.unmerge_customers(merge uuid, choices jsonb) owner to merge_role;

CREATE OR REPLACE FUNCTION platform.unmerge_one(m platform.merges, root uuid, choices jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  path constant uuid[] := case when root <> m.survivor_id then platform.path_of(m.survivor_id) else '{}' end;
  root_before platform.customers;
  root_after platform.customers;
  l platform.customers;
  l_after platform.customers;
  f platform.merge_fields;
  r platform.merge_references;
  v record;
  other record;
  back jsonb := '[]';
  kept_fields jsonb := '[]';
  home jsonb := '{}';
  kept jsonb := '[]';
  ambiguous jsonb := '[]';
  ours_email jsonb;
  gone bigint;
  why text;
  new_key text;
begin
  select c.* into root_before from platform.customers c where c.id = root;
  select c.* into l from platform.customers c where c.id = m.loser_id;

  -- What may go either way is decided first, because it depends on what is still with the survivor.
  for v in select a.* from platform.list_ambiguous(m, root) a loop
    ambiguous := ambiguous || jsonb_build_object('table', v.relation, 'key', v.key, 'why', v.why, 'default', 'home',
      'decided', coalesce(choices ->> (v.relation || ':' || v.key), 'home'));
  end loop;

  -- Values of custom fields that the merge moved. One that was edited since stays with the survivor, and the loser gets its own again.
  select o.* into r from platform.merge_references o where o.relation = 'crm.custom_field_values';
  for v in
    select x.key, x.was, coalesce(t.value, p.was -> 'value') as value, t.id, p.merge as put_away_by, p.was as put_away
    from platform.merge_moves x
      left join crm.custom_field_values t on t.id = x.key::bigint and t.customer_id = root
      left join platform.merge_suppressed p on p.merge = any (path) and p.reference = x.reference and p.key = x.key
    where x.merge = m.id and x.reference = r.reference and x.released is null
      and coalesce(t.value, p.was -> 'value') is distinct from x.was -> 'value'
  loop
    new_key := nextval('crm.custom_field_values_id_seq');
    if v.put_away is not null then
      -- A later merge has put away what was edited: that stays the survivor's.
      update platform.merge_suppressed p set key = new_key, was = p.was || jsonb_build_object('id', new_key::bigint)
      where p.merge = v.put_away_by and p.reference = r.reference and p.key = v.key;
    elsif v.id is not null then
      update crm.custom_field_values t
      set customer_id = l.id, value = v.was -> 'value', updated_at = (v.was ->> 'updated_at')::timestamptz where t.id = v.id;
      insert into crm.custom_field_values as t (id, field_id, field_key, field_label, customer_id, value) overriding system value
      values (new_key::bigint, (v.was ->> 'field_id')::bigint, v.was ->> 'field_key', v.was ->> 'field_label', root, v.value);
      -- It was edited while a later merge had it already, or before.
      insert into platform.merge_moves (merge, reference, key, was)
      select x.merge, x.reference, new_key, x.was || jsonb_build_object('id', new_key::bigint) from platform.merge_moves x
      where x.merge = any (path) and x.reference = r.reference and x.key = v.key and x.released is null
        and x.was -> 'value' <> v.was -> 'value';
    end if;
    if v.id is null then
      why := platform.write_row_back(r, v.was, l.id);
      if why is not null then kept := kept || jsonb_build_object('table', r.relation, 'key', v.key, 'why', why); end if;
    end if;
    -- Where later merges chose over what goes home, they chose over nothing from now on; an edit that they chose over stays. Earlier ones
    -- chose for the customer that goes home.
    update platform.merge_fields d set row_key = new_key, ours = nullif(d.ours, v.was -> 'value')
    from platform.merges x where x.id = d.merge and x.undone_at is null and x.merged_at > m.merged_at and d.row_key = v.key;
    update platform.merge_moves x set released = 'unmerged'
    where x.merge = any (path) and x.reference = r.reference and x.key = v.key and x.released is null;
    kept_fields := kept_fields || jsonb_build_object('field', 'custom.' || (v.was ->> 'field_key'), 'written', v.was -> 'value',
      'present', v.value);
  end loop;
  for f in
    select d.* from platform.merge_fields d
    where d.merge = m.id and d.side = 'loser' and d.row_key is not null and d.ours is distinct from d.theirs
  loop
    other := platform.put_back_value(m, f);
    if other.is_back then back := back || to_jsonb(f.field);
    else kept_fields := kept_fields || jsonb_build_object('field', f.field, 'written', f.chosen, 'present', other.present);
    end if;
  end loop;

  for f in
    select d.* from platform.merge_fields d
    where d.merge = m.id and d.side = 'loser' and d.field not like 'custom.%' and d.ours is distinct from d.theirs
  loop
    other := platform.put_back_field(m, f);
    if other.is_back then back := back || to_jsonb(f.field);
    else kept_fields := kept_fields || jsonb_build_object('field', f.field, 'written', platform.show_customer_field(f.field, f.chosen),
      'present', platform.show_customer_field(f.field, other.present));
    end if;
    -- The loser has its number again, unless the survivor was given it for good.
    if f.field in ('crm_id', 'support_id') and not exists (
      select from platform.customers c
      where case f.field when 'crm_id' then c.crm_id else c.support_id end = (f.theirs #>> '{}')::bigint)
    then
      l := platform.write_customer_field(l, f.field, f.theirs);
    end if;
  end loop;

  update platform.customers c set merged_into = null, crm_id = l.crm_id, support_id = l.support_id where c.id = l.id;
  -- Later merges led the loser's id on: it is no longer theirs to lead back.
  update platform.merge_moves x set released = 'unmerged'
  from platform.merge_references o
  where x.merge = any (path) and o.reference = x.reference and o.relation = 'platform.customers' and x.key = l.id::text
    and x.released is null;
  -- An address that stays by choice leaves the claim.
  update platform.merge_moves x set released = 'moved'
  from platform.merge_references o
  where x.merge = m.id and o.reference = x.reference and o.relation = 'platform.customer_emails'
    and choices ->> (o.relation || ':' || x.key) = 'stay'
    and exists (select from jsonb_array_elements(ambiguous) a where a ->> 'table' = o.relation and a ->> 'key' = x.key);
  -- The survivor's own address is the primary one again when that of the loser leaves.
  select d.ours into ours_email from platform.merge_fields d where d.merge = m.id and d.field = 'email';
  update platform.customers c set email = ours_email ->> 'email', email_key = ours_email ->> 'email_key'
  where c.id = root and root = m.survivor_id and ours_email is not null and exists (
    select from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
    where x.merge = m.id and o.relation = 'platform.customer_emails' and x.key = c.email_key and x.released is null);

  for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
    gone := platform.take_home(m, r, root, path);
    if r.relation = 'platform.customer_phones' then
      -- A number that was written over is replaced; one that somebody removed stays removed.
      for v in
        select x.key, x.was from platform.merge_moves x
        where x.merge = m.id and x.reference = r.reference and x.released is null
          and not exists (select from platform.customer_phones p where p.id = x.key::uuid)
          and not exists (select from platform.removed_phones p where p.id = x.key::uuid)
      loop
        if platform.write_row_back(r, v.was || '{"is_primary": false}', l.id) is null then gone := gone + 1; end if;
      end loop;
    end if;
    for v in
      select x.* from platform.merge_suppressed x where x.merge = m.id and x.reference = r.reference and x.customer_id = l.id
    loop
      why := platform.write_row_back(r, v.was || case when r.and_set is null then '{}' else '{"is_primary": false}'::jsonb end, l.id);
      if why is null then gone := gone + 1;
      else kept := kept || jsonb_build_object('table', r.relation, 'key', v.key, 'why', why);
      end if;
    end loop;
    for new_key in select * from platform.list_absent(m, r, l.id) loop
      continue when kept @> jsonb_build_array(jsonb_build_object('table', r.relation, 'key', new_key));
      kept := kept || jsonb_build_object('table', r.relation, 'key', new_key, 'why', platform.why_kept(r, new_key));
    end loop;
    if r.relation in ('support.sessions', 'support.calls', 'crm.contacts') and ambiguous <> '[]' then
      gone := gone + platform.let_follow(r.relation, m, root, path, format(
        't.id = any (array(select (a ->> ''key'')::uuid from jsonb_array_elements(%L::jsonb) a
           where a ->> ''table'' = %L and a ->> ''decided'' = ''home''))', ambiguous, r.relation));
    elsif r.relation = 'crm.activities' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.deal_id in (select d.id from crm.deals d where d.customer_id = $2)
        or t.idempotency_key in (
          select ''session:'' || s.id from support.sessions s where s.customer_id = $2
          union all select ''call:'' || k.id from support.calls k where k.customer_id = $2)');
    elsif r.relation = 'crm.changes' then
      -- The history is written after the event: of one from before the merge, perhaps after the merge.
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.deal_id in (select d.id from crm.deals d where d.customer_id = $2)
        or t.occurred_at <= (select m.merged_at from platform.merges m where m.id = $1) and t.event_id in (
          select e.id from sync.events e
          where e.customer = $2 or e.customer in (select c.id from platform.customers c where c.merged_into = $2))');
    elsif r.relation = 'platform.removed_emails' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.id in (select (x.was ->> ''id'')::uuid from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
          where x.merge = $1 and o.relation = ''platform.customer_emails'' and x.released is null)');
    elsif r.relation = 'platform.removed_phones' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.id in (select x.key::uuid from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
          where x.merge = $1 and o.relation = ''platform.customer_phones'' and x.released is null)');
    end if;
    if gone > 0 then home := home || jsonb_build_object(r.relation, gone); end if;
  end loop;

  perform platform.mend_primary(l.id), platform.mend_primary(root);
  -- A number that has gone home is no longer the survivor's own.
  update platform.customers c
  set crm_id = case when exists (select from platform.customer_external_ids x
        where x.app = 'foundation' and x.external_id = c.crm_id::text and x.customer_id = c.id) then c.crm_id end,
      support_id = case when exists (select from platform.customer_external_ids x
        where x.app = 'support' and x.external_id = c.support_id::text and x.customer_id = c.id) then c.support_id end
  where c.id in (root, l.id);
  root_after := platform.count_merge(root, root_before.version + 1);
  l_after := platform.count_merge(l.id, greatest(l.version, root_before.version + 1) + 1);
  perform sync.capture_merge('customer.unmerged', root_after,
    jsonb_build_object('merge', m.id, 'survivor', root, 'loser', l.id, 'previous_version', root_before.version,
      'loser_version', l_after.version, 'loser_previous_version', l.version, 'moved', home, 'record', to_jsonb(l_after) - 'email_key')
      || platform.differences(root_after, root_before),
    platform.differences(root_before, root_after));
  perform platform.keep_apart(m.survivor_id, l.id, 'A merge of the two was taken back.');
  return jsonb_build_object('merge', m.id, 'survivor', root, 'loser', l.id, 'fieldsBack', back, 'fieldsKept', kept_fields, 'home', home,
    'kept', kept, 'ambiguous', ambiguous, 'version', root_after.version, 'loserVersion', l_after.version);
end $function$;
grant execute on function platform.unmerge_one(m platform.merges, root uuid, choices jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.unmerge_several(merges uuid[])
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform platform.require_steward();
  if coalesce(cardinality(merges), 0) not between 1 and 100 then
    raise exception 'name 1 to 100 merges' using errcode = 'invalid_parameter_value';
  end if;
  return platform.try_unmerges(merges, '{}', false);
end $function$;
grant execute on function platform.unmerge_several(merges uuid[]) to console_role;
grant execute on function platform.unmerge_several(merges uuid[]) to platform_owner;
grant execute on function platform.unmerge_several(merges uuid[]) to sync_role;
alter function platform.unmerge_several(merges uuid[]) owner to merge_role;

CREATE OR REPLACE FUNCTION platform.update_customers(customers uuid[], expected_versions bigint[], changes jsonb[], OUT versions bigint[], OUT refusals jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'auto'
AS $function$
declare
  writable constant text[] := '{email,email_key,name,phone,phone_key,phone_extension,company_id,crm_id,account_tier,account_manager_id,'
    'support_id,preferred_language,timezone}';
  changed_at constant timestamptz := clock_timestamp();
  refused jsonb[] := '{}';
  lost jsonb[];
  olds platform.customers[] := '{}';
  news platform.customers[] := '{}';
  places integer[] := '{}';
  of_olds platform.customers[];
  of_news platform.customers[];
  has_repeats constant boolean := cardinality(customers) <> (select count(distinct c) from unnest(customers) c);
  conflicts text[];
  exchanged uuid[];
  given jsonb;
  old_row platform.customers;
  new_row platform.customers;
  violated text;
  former record;
  failed text;
begin
  if cardinality(customers) > 10000 then
    raise exception 'one write holds at most 10000 customers' using errcode = 'program_limit_exceeded', hint = 'Write them in chunks.';
  end if;
  if (cardinality(changes), cardinality(expected_versions)) is distinct from (cardinality(customers), cardinality(customers)) then
    raise exception 'each customer has one expected version and one change' using errcode = 'invalid_parameter_value';
  end if;
  versions := array_fill(null::bigint, array[coalesce(cardinality(customers), 0)]);
  former := platform.begin_bulk();
  -- In the order of their ids, so that two writes of many customers do not wait for each other.
  perform from platform.customers c where c.id = any (customers) order by c.id for no key update;
  for place in 1..coalesce(cardinality(customers), 0) loop
    given := changes[place];
    select c.* into old_row from platform.customers c where c.id = customers[place] for no key update;
    if old_row.id is null then
      refused := refused || jsonb_build_object('row', place, 'code', 'P0002', 'constraint', 'customer_missing',
        'message', 'no such customer');
      continue;
    elsif old_row.erased_at is not null then
      refused := refused || jsonb_build_object('row', place, 'code', '23503', 'constraint', 'customer_erased', 'message',
        'the customer was erased');
      continue;
    elsif old_row.merged_into is not null then
      refused := refused || jsonb_build_object('row', place, 'code', '23503', 'constraint', 'customer_merged', 'message',
        'the customer was merged into another one', 'detail', old_row.merged_into);
      continue;
    elsif old_row.version <> expected_versions[place] then
      refused := refused || jsonb_build_object('row', place, 'code', 'P0001', 'constraint', 'customers_version', 'message',
        'the customer has changed', 'detail', old_row.version::text);
      continue;
    elsif has_repeats and array_position(customers, customers[place]) < place then
      refused := refused || jsonb_build_object('row', place, 'code', '21000', 'constraint', 'customers_once', 'message',
        'the customer is changed twice in one write');
      continue;
    elsif given - writable <> '{}' then
      refused := refused || jsonb_build_object('row', place, 'code', '23514', 'message', 'cannot be written', 'hint', 'cannot be written.',
        'column', (select min(k) from jsonb_object_keys(given - writable) k));
      continue;
    end if;
    new_row := jsonb_populate_record(old_row, given);
    if new_row.email_key is null or new_row.email <> old_row.email and not given ? 'email_key' then
      new_row.email_key := case when new_row.email !~ '[^\x01-\x7f]' then lower(new_row.email collate "C") end;
    end if;
    if new_row.phone is distinct from old_row.phone then
      if not given ? 'phone_key' then new_row.phone_key := null; end if;
      if not given ? 'phone_extension' then new_row.phone_extension := null; end if;
    end if;
    if new_row.email is null or new_row.email_key is null or new_row.name is null
       or new_row.phone is distinct from old_row.phone and new_row.phone is not null and new_row.phone_key is null then
      refused := refused || platform.missing_key(place, case when new_row.email is null then 'email' when new_row.email_key is null
        then 'email_key' when new_row.name is null then 'name' else 'phone' end);
      continue;
    end if;
    if new_row is not distinct from old_row then
      versions[place] := old_row.version;
      continue;
    end if;
    violated := platform.customer_violation(new_row);
    if violated is not null then
      refused := refused || platform.bulk_refusal(place, violated, new_row);
      continue;
    end if;
    new_row.version := old_row.version + 1;
    new_row.updated_at := changed_at;
    olds := olds || old_row;
    news := news || new_row;
    places := places || place;
  end loop;

  for attempt in 1..5 loop
    begin
      lost := '{}';
      conflicts := platform.find_bulk_conflicts(olds, news);
      for at in 1..cardinality(news) loop
        if conflicts[at] is not null then lost := lost || platform.bulk_refusal(places[at], conflicts[at], news[at]); end if;
      end loop;
      select array_agg(olds[at] order by at), array_agg(news[at] order by at) into of_olds, of_news
      from generate_subscripts(news, 1) at where conflicts[at] is null;
      update platform.customers c
      set email = n.email, email_key = n.email_key, name = n.name, phone = n.phone, phone_key = n.phone_key,
          phone_extension = n.phone_extension, company_id = n.company_id, version = n.version, updated_at = n.updated_at, crm_id = n.crm_id,
          account_tier = n.account_tier, account_manager_id = n.account_manager_id, support_id = n.support_id,
          preferred_language = n.preferred_language, timezone = n.timezone
      from unnest(of_news) n where c.id = n.id;

      -- The former primary address stays with the customer. The mark of a customer without an address goes.
      delete from platform.customer_emails e using generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key <> o.email_key and e.email_key = o.email_key and e.customer_id = o.id and e.is_primary
        and e.email_key = platform.no_address(o.id);
      update platform.customer_emails e set is_primary = false from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key <> o.email_key and e.email_key = o.email_key and e.customer_id = o.id and e.is_primary;
      insert into platform.customer_emails as known (email_key, email, customer_id, is_primary)
      select n.email_key, n.email, n.id, true from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key <> o.email_key
      on conflict (email_key) do update set is_primary = true, email = excluded.email where known.customer_id = excluded.customer_id;
      if exists (
        select from generate_subscripts(of_news, 1) at
          cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
          left join platform.customer_emails e on e.email_key = n.email_key
        where n.email_key <> o.email_key and e.customer_id is distinct from n.id)
      then
        raise exception 'another customer is known by one of the addresses' using errcode = 'unique_violation';
      end if;
      update platform.customer_emails e set email = n.email from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key = o.email_key and n.email <> o.email and e.email_key = n.email_key and e.customer_id = n.id;

      insert into platform.customer_external_ids as known (app, external_id, customer_id)
      select 'foundation', n.crm_id, n.id from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.crm_id is not null and n.crm_id is distinct from o.crm_id
      union all
      select 'support', n.support_id, n.id from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.support_id is not null and n.support_id is distinct from o.support_id
      -- A number that the customer had before.
      on conflict (app, external_id) do update set app = known.app where known.customer_id = excluded.customer_id;
      if exists (
        select from unnest(of_news) n
          cross join lateral (values ('foundation', n.crm_id::text), ('support', n.support_id::text)) has (app, number)
          left join platform.customer_external_ids x on x.app = has.app and x.external_id = has.number
        where has.number is not null and x.customer_id is distinct from n.id)
      then
        raise exception 'another customer has one of the numbers' using errcode = 'unique_violation';
      end if;

      -- A number that is written over is replaced; another number of the customer exchanges its place with the primary one.
      select array_agg(p.customer_id) into exchanged
      from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
        join platform.customer_phones p
          on p.customer_id = n.id and p.phone_key = n.phone_key and p.phone_extension is not distinct from n.phone_extension
      where not p.is_primary and (n.phone, n.phone_key, n.phone_extension) is distinct from (o.phone, o.phone_key, o.phone_extension);
      update platform.customer_phones p set is_primary = false where p.customer_id = any (exchanged) and p.is_primary;
      delete from platform.customer_phones p using generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where (n.phone_key, n.phone_extension) is distinct from (o.phone_key, o.phone_extension)
        and p.customer_id = n.id and p.is_primary;
      update platform.customer_phones p set is_primary = true, phone = n.phone from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where (n.phone, n.phone_key, n.phone_extension) is distinct from (o.phone, o.phone_key, o.phone_extension)
        and p.customer_id = n.id and p.phone_key = n.phone_key and p.phone_extension is not distinct from n.phone_extension;
      insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
      select n.id, n.phone, n.phone_key, n.phone_extension, true from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.phone is not null and (n.phone_key, n.phone_extension) is distinct from (o.phone_key, o.phone_extension)
      on conflict (customer_id, phone_key, phone_extension) do nothing; -- it was exchanged above

      update crm.customer_order o set account_tier = coalesce(n.account_tier, '~'), updated_at = n.updated_at
      from unnest(of_news) n where o.customer_id = n.id;
      insert into crm.customer_order (customer_id, account_tier, updated_at) -- it is missing after an unmerge
      select n.id, coalesce(n.account_tier, '~'), n.updated_at from unnest(of_news) n
      on conflict (customer_id) do nothing;
      if of_news is not null then perform sync.capture_set(of_olds, of_news); end if;
      failed := null;
    exception when unique_violation then
      get stacked diagnostics failed = message_text;
    end;
    exit when failed is null;
  end loop;
  perform set_config('plan_cache_mode', former.former_plans, true), set_config('gin_pending_list_limit', former.former_limit, true);
  if failed is not null then
    raise exception 'another customer got one of these addresses or numbers meanwhile' using errcode = 'serialization_failure',
      detail = failed;
  end if;
  for at in 1..cardinality(news) loop
    if conflicts[at] is null then versions[places[at]] := (news[at]).version; end if;
  end loop;
  refusals := to_jsonb(refused || lost);
end $function$;
grant execute on function platform.update_customers(customers uuid[], expected_versions bigint[], changes jsonb[], OUT versions bigint[], OUT refusals jsonb) to platform_owner;
grant execute on function platform.update_customers(customers uuid[], expected_versions bigint[], changes jsonb[], OUT versions bigint[], OUT refusals jsonb) to sync_role;
alter function platform.update_customers(customers uuid[], expected_versions bigint[], changes jsonb[], OUT versions bigint[], OUT refusals jsonb) owner to bulk_role;

CREATE OR REPLACE FUNCTION platform.uploads_naming(keys text[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  found bigint[] := '{}';
  chunk record;
  tail text := '';
  text_of text;
  of_upload bigint;
begin
  if cardinality(keys) = 0 then return found; end if;
  for chunk in
    select c.upload, c.bytes from sync.import_uploads u join sync.import_chunks c on c.upload = u.id
    where u.state <> 'removed' order by c.upload, c.place
  loop
    if chunk.upload is distinct from of_upload then tail := ''; end if;
    of_upload := chunk.upload;
    continue when chunk.upload = any (found);
    -- Byte by byte, without a zero, which no text may hold. Two bytes for a letter (UTF-16) become one, which is enough for an address.
    text_of := tail || lower(replace(encode(chunk.bytes, 'escape'), '\000', ''));
    if exists (select from unnest(keys) k where position(k in text_of) > 0) then found := found || chunk.upload; end if;
    tail := right(text_of, 400);
  end loop;
  return found;
end $function$;
grant execute on function platform.uploads_naming(keys text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.uploads_of_person(people uuid[], addresses text[], numbers text[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return array(
    select unnest(platform.uploads_of_runs(platform.runs_of_person(people, addresses, numbers)))
    union select unnest(platform.uploads_naming(addresses)));
end $function$;
grant execute on function platform.uploads_of_person(people uuid[], addresses text[], numbers text[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.uploads_of_runs(runs bigint[])
 RETURNS bigint[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT COALESCE(array_agg(DISTINCT u.id), '{}'::bigint[]) AS "coalesce"
    FROM ((sync.import_jobs j
      CROSS JOIN LATERAL jsonb_array_elements(COALESCE((j.settings -> 'files'::text), '[]'::jsonb)) f(value))
      JOIN sync.import_uploads u ON (((u.id = ((f.value ->> 'upload'::text))::bigint) AND (u.state <> 'removed'::text))))
   WHERE (j.run = ANY (uploads_of_runs.runs));
END;
grant execute on function platform.uploads_of_runs(runs bigint[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.values_of_person(people uuid[])
 RETURNS text[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT array_agg(DISTINCT v.value) FILTER (WHERE (v.value IS NOT NULL)) AS array_agg
    FROM ( SELECT unnest(ARRAY[c.email, c.email_key, c.name, c.phone, c.phone_key]) AS unnest
            FROM platform.customers c
           WHERE (c.id = ANY (values_of_person.people))
         UNION ALL
          SELECT unnest(ARRAY[e.email, e.email_key]) AS unnest
            FROM platform.customer_emails e
           WHERE (e.customer_id = ANY (values_of_person.people))
         UNION ALL
          SELECT unnest(ARRAY[p.phone, p.phone_key]) AS unnest
            FROM platform.customer_phones p
           WHERE (p.customer_id = ANY (values_of_person.people))) v(value);
END;
grant execute on function platform.values_of_person(people uuid[]) to erase_role;

CREATE OR REPLACE FUNCTION platform.why_kept(r platform.merge_references, row_key text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare holder uuid;
begin
  execute format('select t.%2$I from %1$s t where %3$s = $1', r.relation, r.customer_column, platform.merge_key(r))
  into holder using row_key;
  return case when holder is not null then 'It belongs to customer ' || holder || ' now.' else 'It was removed since.' end;
end $function$;
grant execute on function platform.why_kept(r platform.merge_references, row_key text) to merge_role;

CREATE OR REPLACE PROCEDURE platform.write_app_functions()
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
declare
  memberships text;
  names text;
  app_names text;
  audiences text;
begin
  select string_agg(format('%s * pg_has_role(session_user, %L, ''USAGE'')::integer', 1::bigint << n, w.role), ' + ' order by n),
         string_agg(format('when %s then %L', 1::bigint << n, w.name), ' ' order by n)
  into memberships, names
  from (select b.name, b.role, (row_number() over (order by b.rank, b.name collate "C") - 1)::integer as n
        from (select a.name, a.role, 1 as rank from platform.apps a
              union all values ('sync', 'sync_role', 0), ('privacy', 'privacy_role', 0)) b) w;
  select coalesce(string_agg(quote_literal(a.name), ', ' order by a.name), 'null'),
         coalesce(string_agg(format('when %L then %L', a.name, a.audience), ' ' order by a.name), 'when null then null')
  into app_names, audiences from platform.apps a;
  execute format('create or replace function platform.current_app() returns text language sql stable
    return case %s %s else case session_user when ''simulator_app''
      then coalesce(nullif(current_setting(''aether.trial'', true), ''''), ''operator'') else ''operator'' end end', memberships, names);
  execute format('create or replace function platform.is_app(name text) returns boolean language plpgsql immutable parallel safe
    set search_path = pg_catalog, pg_temp as $body$ begin return name in (%s); end $body$', app_names);
  execute format('create or replace function platform.audience_of(app text) returns text language sql immutable parallel safe
    return case app %s end', audiences);
end $procedure$;

CREATE OR REPLACE FUNCTION platform.write_customer_field(c platform.customers, field text, value jsonb)
 RETURNS platform.customers
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  case field
    when 'email' then
      c.email := value ->> 'email';
      c.email_key := value ->> 'email_key';
    when 'phone' then
      c.phone := value ->> 'phone';
      c.phone_key := value ->> 'phone_key';
      c.phone_extension := value ->> 'phone_extension';
    else c := jsonb_populate_record(c, jsonb_build_object(field, value));
  end case;
  return c;
end $function$;
grant execute on function platform.write_customer_field(c platform.customers, field text, value jsonb) to merge_role;

CREATE OR REPLACE FUNCTION platform.write_merged(c platform.customers)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE platform.customers k SET email = (write_merged.c).email, email_key = (write_merged.c).email_key, name = (write_merged.c).name, phone = (write_merged.c).phone, phone_key = (write_merged.c).phone_key, phone_extension = (write_merged.c).phone_extension, company_id = (write_merged.c).company_id, account_tier = (write_merged.c).account_tier, account_manager_id = (write_merged.c).account_manager_id, preferred_language = (write_merged.c).preferred_language, timezone = (write_merged.c).timezone, crm_id = (write_merged.c).crm_id, support_id = (write_merged.c).support_id
   WHERE (k.id = (write_merged.c).id);
END;
grant execute on function platform.write_merged(c platform.customers) to merge_role;

CREATE OR REPLACE FUNCTION platform.write_row_back(r platform.merge_references, was jsonb, of_customer uuid)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  columns constant text := (
    select string_agg(format('%I', a.attname), ', ' order by a.attnum) from pg_attribute a
    where a.attrelid = r.relation::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '');
  problem text;
begin
  if r.relation = 'crm.custom_field_values' and not exists (
    select from crm.custom_fields f
    where f.id = (was ->> 'field_id')::bigint and f.record = 'customer' and crm.fits_field(f, was -> 'value'))
  then
    return 'The field, or the choice, was removed since.';
  end if;
  execute format('insert into %1$s (%2$s) overriding system value select %2$s from jsonb_populate_record(null::%1$s, $1)',
    r.relation, columns) using was || jsonb_build_object(r.customer_column, of_customer);
  return null;
exception when integrity_constraint_violation then
  get stacked diagnostics problem = constraint_name;
  return 'It does not fit any more (' || problem || ').';
end $function$;
grant execute on function platform.write_row_back(r platform.merge_references, was jsonb, of_customer uuid) to merge_role;

create table platform.apps (
  name text collate "C" not null,
  role name not null,
  audience text collate "C" not null,
  created_at timestamp with time zone default now() not null,
  constraint apps_pkey PRIMARY KEY (name),
  constraint apps_audience_key UNIQUE (audience),
  constraint apps_role_key UNIQUE (role),
  constraint apps_audience_check CHECK (((audience ~ '^[a-z][a-z0-9_]{1,62}$'::text) AND (audience <> ALL (ARRAY['platform'::text, 'own'::text])))),
  constraint apps_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{1,31}$'::text)),
  constraint apps_name_free CHECK ((name <> ALL (ARRAY['platform'::text, 'sync'::text, 'privacy'::text, 'operator'::text, 'customer'::text, 'address'::text, 'phone'::text, 'company'::text, 'user'::text, 'deal'::text, 'contact'::text, 'activity'::text, 'custom_value'::text, 'session'::text, 'message'::text, 'entry'::text, 'call'::text, 'tier'::text]))),
  constraint apps_role_check CHECK ((role ~ '^[a-z][a-z0-9_]{1,62}$'::text))
);
comment on table platform.apps is 'The apps of this house. An app is never removed, because its records and events carry its name.';
comment on column platform.apps.role is 'The role of the app''s login; a member of app_role.';
comment on column platform.apps.audience is 'The app sees the events of this audience and those for everybody. Usually the name of its schema.';
CREATE TRIGGER follow_apps AFTER INSERT OR UPDATE ON platform.apps FOR EACH STATEMENT EXECUTE FUNCTION platform.follow_apps();
CREATE TRIGGER keep_app BEFORE DELETE ON platform.apps FOR EACH ROW EXECUTE FUNCTION platform.keep_app();
CREATE TRIGGER keep_app_name BEFORE UPDATE OF name, audience ON platform.apps FOR EACH ROW WHEN (((new.name IS DISTINCT FROM old.name) OR (new.audience IS DISTINCT FROM old.audience))) EXECUTE FUNCTION platform.keep_app();
alter table platform.apps enable row level security, force row level security;
create policy apps_read on platform.apps for select to app_role using (true);
create policy erase_read on platform.apps for select to erase_role using (true);
create policy owner_all on platform.apps for all to platform_owner using (true) with check (true);
grant select on platform.apps to app_role;
grant select on platform.apps to erase_role;

create table platform.companies (
  id uuid default uuidv7() not null,
  name text collate platform.people not null,
  domain text collate "C",
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  created_by_app text collate "C" default platform.current_app() not null,
  constraint companies_pkey PRIMARY KEY (id),
  constraint companies_domain_key UNIQUE (domain),
  constraint companies_created_by_app_check CHECK (platform.is_app(created_by_app)),
  constraint companies_domain_check CHECK (((domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$'::text) AND (octet_length(domain) <= 253))),
  constraint companies_name_check CHECK (platform.is_line(name, 200)),
  constraint require_custom_values TRIGGER DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX companies_by_change ON platform.companies USING btree (updated_at, id);
CREATE INDEX companies_by_name ON platform.companies USING btree (name, id);
CREATE INDEX companies_folded ON platform.companies USING gin (platform.search_text(name) ext.gin_trgm_ops) WHERE platform.is_folded(name);
CREATE INDEX companies_search ON platform.companies USING gin (((' '::text || lower((name COLLATE pg_c_utf8)))) ext.gin_trgm_ops);
CREATE CONSTRAINT TRIGGER require_custom_values AFTER INSERT ON platform.companies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.created_by_app = 'foundation'::text)) EXECUTE FUNCTION crm.require_custom_values('company');
CREATE TRIGGER count_version BEFORE UPDATE ON platform.companies FOR EACH ROW EXECUTE FUNCTION platform.count_version();
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON platform.companies FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_platform_companies();
alter table platform.companies enable row level security, force row level security;
create policy apps_add on platform.companies for insert to app_role with check ((created_by_app = platform.current_app()));
create policy apps_edit on platform.companies for update to app_role using (true) with check (true);
create policy apps_read on platform.companies for select to app_role using (true);
create policy bulk_read on platform.companies for select to bulk_role using (true);
create policy owner_all on platform.companies for all to platform_owner using (true) with check (true);
grant insert (name, domain, created_by_app) on platform.companies to app_role;
grant select (id) on platform.companies to bulk_role;
grant select on platform.companies to app_role;
grant update (name, domain) on platform.companies to app_role;

create table platform.cursor_key (
  only_one boolean default true not null,
  key bytea default sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))) not null,
  constraint cursor_key_pkey PRIMARY KEY (only_one),
  constraint cursor_key_key_check CHECK ((octet_length(key) = 32)),
  constraint cursor_key_only_one_check CHECK (only_one)
);
alter table platform.cursor_key enable row level security, force row level security;
create policy apps_read on platform.cursor_key for select to app_role using (true);
create policy owner_all on platform.cursor_key for all to platform_owner using (true) with check (true);
grant select on platform.cursor_key to app_role;

create table platform.customer_emails (
  id uuid default uuidv7() not null,
  email_key text collate "C" not null,
  email text not null,
  customer_id uuid not null,
  is_primary boolean not null,
  verified_at timestamp with time zone,
  verified_by text collate "C",
  created_at timestamp with time zone default now() not null,
  added_by_app text collate "C" default platform.current_app() not null,
  added_by text collate "C" default platform.current_actor(),
  constraint customer_emails_pkey PRIMARY KEY (email_key) INCLUDE (customer_id),
  constraint customer_emails_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint customer_emails_check CHECK (((verified_at IS NULL) = (verified_by IS NULL))),
  constraint customer_emails_email_key_canonical CHECK ((platform.is_email_key(email_key) AND ((email ~ '[^\x01-\x7f]'::text) OR (email_key = lower((email COLLATE "C")))))),
  constraint customer_emails_email_well_formed CHECK ((platform.is_line(email, 254) AND (octet_length(email) <= 254))),
  constraint customer_emails_verified_at_time CHECK (platform.is_time(verified_at)),
  constraint customer_emails_verified_by_check CHECK ((verified_by = 'signed_identity'::text))
);
comment on table platform.customer_emails is 'Every address of a customer. The primary key makes sure that an address belongs to one customer. Functions and a trigger on platform.customers write it.';
comment on column platform.customer_emails.email is 'The spelling that people see.';
comment on column platform.customer_emails.verified_at is 'When it was proven that the address is the customer''s; null: somebody typed it.';
comment on column platform.customer_emails.verified_by is 'How it was proven. signed_identity: a host page signed a visitor''s identity.';
comment on column platform.customer_emails.added_by is 'The user, as the app said. Not a reference, so that the record outlives the user.';
CREATE INDEX customer_emails_customer_id_idx ON platform.customer_emails USING btree (customer_id);
CREATE INDEX customer_emails_mailbox ON platform.customer_emails USING btree (sync.mailbox(email_key)) WHERE sync.is_variant(email_key);
CREATE INDEX customer_emails_others ON platform.customer_emails USING btree (email_key) WHERE (NOT is_primary);
CREATE UNIQUE INDEX customer_emails_one_primary ON platform.customer_emails USING btree (customer_id) WHERE is_primary;
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON platform.customer_emails FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER y_keep_away AFTER INSERT OR UPDATE OF email_key ON platform.customer_emails FOR EACH ROW WHEN ((CURRENT_USER <> 'erase_role'::name)) EXECUTE FUNCTION platform.keep_erased_away('email');
CREATE TRIGGER z_capture_added AFTER INSERT ON platform.customer_emails FOR EACH ROW WHEN (((NOT new.is_primary) AND (CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[])))) EXECUTE FUNCTION sync.capture_platform_customer_emails();
CREATE TRIGGER z_capture_changed AFTER DELETE OR UPDATE ON platform.customer_emails FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_platform_customer_emails();
alter table platform.customer_emails enable row level security, force row level security;
create policy apps_read on platform.customer_emails for select to app_role using (true);
create policy bulk_all on platform.customer_emails for all to bulk_role using (true) with check (true);
create policy erase_all on platform.customer_emails for all to erase_role using (true) with check (true);
create policy merge_all on platform.customer_emails for all to merge_role using (true) with check (true);
create policy owner_all on platform.customer_emails for all to platform_owner using (true) with check (true);
grant delete on platform.customer_emails to bulk_role;
grant delete on platform.customer_emails to erase_role;
grant delete on platform.customer_emails to merge_role;
grant insert on platform.customer_emails to bulk_role;
grant insert on platform.customer_emails to merge_role;
grant maintain on platform.customer_emails to privacy_role;
grant select on platform.customer_emails to app_role;
grant select on platform.customer_emails to bulk_role;
grant select on platform.customer_emails to erase_role;
grant select on platform.customer_emails to merge_role;
grant update on platform.customer_emails to bulk_role;
grant update on platform.customer_emails to erase_role;
grant update on platform.customer_emails to merge_role;

create table platform.customer_external_ids (
  app text collate "C" not null,
  external_id text collate "C" not null,
  customer_id uuid not null,
  created_at timestamp with time zone default now() not null,
  constraint customer_external_ids_pkey PRIMARY KEY (app, external_id),
  constraint customer_external_ids_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint customer_external_ids_app_check CHECK (platform.is_app(app)),
  constraint customer_external_ids_external_id_check CHECK (((octet_length(external_id) >= 1) AND (octet_length(external_id) <= 128)))
);
CREATE INDEX customer_external_ids_customer_id_idx ON platform.customer_external_ids USING btree (customer_id);
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON platform.customer_external_ids FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
alter table platform.customer_external_ids enable row level security, force row level security;
create policy apps_read on platform.customer_external_ids for select to app_role using (true);
create policy bulk_all on platform.customer_external_ids for all to bulk_role using (true) with check (true);
create policy erase_all on platform.customer_external_ids for all to erase_role using (true) with check (true);
create policy merge_all on platform.customer_external_ids for all to merge_role using (true) with check (true);
create policy owner_all on platform.customer_external_ids for all to platform_owner using (true) with check (true);
grant delete on platform.customer_external_ids to erase_role;
grant delete on platform.customer_external_ids to merge_role;
grant insert on platform.customer_external_ids to bulk_role;
grant insert on platform.customer_external_ids to merge_role;
grant maintain on platform.customer_external_ids to privacy_role;
grant select on platform.customer_external_ids to app_role;
grant select on platform.customer_external_ids to bulk_role;
grant select on platform.customer_external_ids to erase_role;
grant select on platform.customer_external_ids to merge_role;
grant update on platform.customer_external_ids to bulk_role;
grant update on platform.customer_external_ids to erase_role;
grant update on platform.customer_external_ids to merge_role;

create table platform.customer_phones (
  id uuid default uuidv7() not null,
  customer_id uuid not null,
  phone text not null,
  phone_key text collate "C" not null,
  phone_extension text collate "C",
  is_primary boolean not null,
  created_at timestamp with time zone default now() not null,
  added_by_app text collate "C" default platform.current_app() not null,
  added_by text collate "C" default platform.current_actor(),
  constraint customer_phones_pkey PRIMARY KEY (id),
  constraint customer_phones_customer_id_phone_key_phone_extension_key UNIQUE NULLS NOT DISTINCT (customer_id, phone_key, phone_extension),
  constraint customer_phones_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint customer_phones_phone_canonical CHECK (platform.is_phone(phone, phone_key, phone_extension)),
  constraint customer_phones_phone_check CHECK (platform.is_line(phone, 40))
);
comment on table platform.customer_phones is 'Every telephone number of a customer. The primary one is also in platform.customers, where lists show it. Functions and a trigger on platform.customers write it.';
comment on column platform.customer_phones.phone is 'As it was written.';
comment on column platform.customer_phones.phone_key is 'The number in E.164, as platform/phone.ts makes it. Searches and lookups use it.';
comment on column platform.customer_phones.added_by is 'The user, as the app said. Not a reference, so that the record outlives the user.';
CREATE INDEX customer_phones_by_end ON platform.customer_phones USING btree (reverse(phone_key) text_pattern_ops) WHERE (NOT is_primary);
CREATE INDEX customer_phones_by_key ON platform.customer_phones USING btree (phone_key) WHERE (NOT is_primary);
CREATE UNIQUE INDEX customer_phones_one_primary ON platform.customer_phones USING btree (customer_id) WHERE is_primary;
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON platform.customer_phones FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER y_keep_away AFTER INSERT OR UPDATE OF phone_key ON platform.customer_phones FOR EACH ROW WHEN ((CURRENT_USER <> 'erase_role'::name)) EXECUTE FUNCTION platform.keep_erased_away('phone');
CREATE TRIGGER z_capture_added AFTER INSERT ON platform.customer_phones FOR EACH ROW WHEN (((NOT new.is_primary) AND (CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[])))) EXECUTE FUNCTION sync.capture_platform_customer_phones();
CREATE TRIGGER z_capture_changed AFTER UPDATE ON platform.customer_phones FOR EACH ROW WHEN (((NOT (old.is_primary AND new.is_primary)) AND (CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[])))) EXECUTE FUNCTION sync.capture_platform_customer_phones();
CREATE TRIGGER z_capture_removed AFTER DELETE ON platform.customer_phones FOR EACH ROW WHEN (((NOT old.is_primary) AND (CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[])))) EXECUTE FUNCTION sync.capture_platform_customer_phones();
alter table platform.customer_phones enable row level security, force row level security;
create policy apps_read on platform.customer_phones for select to app_role using (true);
create policy bulk_all on platform.customer_phones for all to bulk_role using (true) with check (true);
create policy erase_all on platform.customer_phones for all to erase_role using (true) with check (true);
create policy merge_all on platform.customer_phones for all to merge_role using (true) with check (true);
create policy owner_all on platform.customer_phones for all to platform_owner using (true) with check (true);
grant delete on platform.customer_phones to bulk_role;
grant delete on platform.customer_phones to erase_role;
grant delete on platform.customer_phones to merge_role;
grant insert on platform.customer_phones to bulk_role;
grant insert on platform.customer_phones to merge_role;
grant maintain on platform.customer_phones to privacy_role;
grant select on platform.customer_phones to app_role;
grant select on platform.customer_phones to bulk_role;
grant select on platform.customer_phones to erase_role;
grant select on platform.customer_phones to merge_role;
grant update on platform.customer_phones to bulk_role;
grant update on platform.customer_phones to erase_role;
grant update on platform.customer_phones to merge_role;

create table platform.customers (
  id uuid default uuidv7() not null,
  email text not null,
  email_key text collate "C" not null,
  name text collate platform.people not null,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  company_id uuid,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  created_by_app text collate "C" default platform.current_app() not null,
  crm_id bigint,
  account_tier text collate "C",
  account_manager_id text collate "C",
  support_id bigint,
  preferred_language text collate "C",
  timezone text collate "C",
  merged_into uuid,
  erased_at timestamp with time zone,
  constraint customers_pkey PRIMARY KEY (id),
  constraint customers_crm_id_key UNIQUE (crm_id),
  constraint customers_support_id_key UNIQUE (support_id),
  constraint customers_account_manager_id_fkey FOREIGN KEY (account_manager_id) REFERENCES platform.users(id),
  constraint customers_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint customers_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES platform.customers(id)
) with (fillfactor=90);
comment on table platform.customers is 'Its row triggers do not fire for bulk_role, whose functions do the same with sets, nor for merge_role, whose functions merge.';
comment on column platform.customers.email_key is 'The canonical form of email. It is here, not only in customer_emails, so that a plain insert cannot leave a customer without an address.';
comment on column platform.customers.phone_key is 'The phone in E.164, as platform/phone.ts makes it. Searches and lookups use it.';
comment on column platform.customers.merged_into is 'The survivor of the merge; never a customer that is itself merged. See platform.keep_merges_flat.';
CREATE INDEX customers_by_creation ON platform.customers USING btree (created_at, id) WHERE ((merged_into IS NULL) AND (erased_at IS NULL));
CREATE INDEX customers_by_email ON platform.customers USING btree (email_key, id) WHERE ((merged_into IS NULL) AND (erased_at IS NULL));
CREATE INDEX customers_by_name ON platform.customers USING btree (name, id) WHERE ((merged_into IS NULL) AND (erased_at IS NULL));
CREATE INDEX customers_by_phone ON platform.customers USING btree (phone_key) WHERE (phone_key IS NOT NULL);
CREATE INDEX customers_by_phone_end ON platform.customers USING btree (reverse(phone_key) text_pattern_ops) WHERE (phone_key IS NOT NULL);
CREATE INDEX customers_company_id_idx ON platform.customers USING btree (company_id) WHERE (company_id IS NOT NULL);
CREATE INDEX customers_folded ON platform.customers USING gin (platform.search_text(name) ext.gin_trgm_ops) WHERE platform.is_folded(name);
CREATE INDEX customers_merged_into_idx ON platform.customers USING btree (merged_into) WHERE (merged_into IS NOT NULL);
CREATE INDEX customers_not_adopted ON platform.customers USING btree (created_at) WHERE ((crm_id IS NULL) AND (created_by_app = 'support'::text) AND (merged_into IS NULL) AND (erased_at IS NULL));
CREATE INDEX customers_of_app ON platform.customers USING btree (created_by_app, created_at, id) WHERE ((merged_into IS NULL) AND (erased_at IS NULL));
CREATE INDEX customers_of_manager ON platform.customers USING btree (account_manager_id, name, id) WHERE (account_manager_id IS NOT NULL);
CREATE INDEX customers_search ON platform.customers USING gin (((((' '::text || lower((name COLLATE pg_c_utf8))) || ' '::text) || email_key)) ext.gin_trgm_ops, platform.search_beginnings(name, email_key));
CREATE INDEX customers_without_company ON platform.customers USING btree (id) WHERE ((company_id IS NULL) AND (merged_into IS NULL) AND (erased_at IS NULL));
CREATE INDEX customers_without_manager ON platform.customers USING btree (created_at, id) WHERE ((account_manager_id IS NULL) AND (merged_into IS NULL) AND (erased_at IS NULL));
CREATE TRIGGER a_before_complete BEFORE UPDATE OF email_key ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.mark_email_key();
CREATE TRIGGER a_before_phone BEFORE UPDATE OF phone_key ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.mark_phone_key();
CREATE TRIGGER a_before_phone_extension BEFORE UPDATE OF phone_extension ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.mark_phone_extension();
CREATE TRIGGER a_complete BEFORE INSERT OR UPDATE OF email, email_key ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.complete_customer();
CREATE TRIGGER a_phone BEFORE INSERT OR UPDATE OF phone, phone_key, phone_extension ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.complete_phone();
CREATE TRIGGER a_tier BEFORE INSERT OR UPDATE OF account_tier ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.check_tier();
CREATE TRIGGER b_check BEFORE INSERT OR UPDATE OF id, name, email, email_key, phone, phone_key, phone_extension, created_by_app, crm_id, support_id, preferred_language, timezone, merged_into ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.check_customer();
CREATE TRIGGER b_count_version BEFORE UPDATE ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.count_version();
CREATE TRIGGER c_record_known_by AFTER INSERT OR UPDATE OF email_key, email, crm_id, support_id ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.record_known_by();
CREATE TRIGGER c_record_new_phone AFTER INSERT ON platform.customers FOR EACH ROW WHEN (((new.phone IS NOT NULL) AND (CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[])))) EXECUTE FUNCTION platform.record_phone();
CREATE TRIGGER c_record_phone AFTER UPDATE OF phone, phone_key, phone_extension ON platform.customers FOR EACH ROW WHEN ((((new.phone IS DISTINCT FROM old.phone) OR (new.phone_key IS DISTINCT FROM old.phone_key) OR (new.phone_extension IS DISTINCT FROM old.phone_extension)) AND (CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[])))) EXECUTE FUNCTION platform.record_phone();
CREATE TRIGGER d_keep_merges_flat BEFORE UPDATE OF merged_into, erased_at ON platform.customers FOR EACH ROW WHEN (((new.merged_into IS DISTINCT FROM old.merged_into) OR (new.erased_at IS DISTINCT FROM old.erased_at))) EXECUTE FUNCTION platform.keep_merges_flat();
CREATE TRIGGER d_keep_new_merges_flat BEFORE INSERT ON platform.customers FOR EACH ROW WHEN ((new.merged_into IS NOT NULL)) EXECUTE FUNCTION platform.keep_merges_flat();
CREATE TRIGGER d_order AFTER INSERT OR UPDATE ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION crm.order_customer();
CREATE TRIGGER e_forget_phones BEFORE UPDATE OF erased_at ON platform.customers FOR EACH ROW WHEN (((old.erased_at IS NULL) AND (new.erased_at IS NOT NULL))) EXECUTE FUNCTION platform.forget_phones();
CREATE TRIGGER forget_match_keys AFTER UPDATE OF erased_at ON platform.customers FOR EACH ROW WHEN (((new.erased_at IS NOT NULL) AND (old.erased_at IS NULL))) EXECUTE FUNCTION sync.forget_match_keys();
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON platform.customers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_platform_customers();
CREATE TRIGGER z_follow_candidates AFTER UPDATE OF merged_into, erased_at ON platform.customers FOR EACH ROW WHEN (((new.merged_into IS DISTINCT FROM old.merged_into) OR (new.erased_at IS DISTINCT FROM old.erased_at))) EXECUTE FUNCTION platform.follow_candidates();
alter table platform.customers enable row level security, force row level security;
create policy apps_add on platform.customers for insert to app_role with check ((created_by_app = platform.current_app()));
create policy apps_edit on platform.customers for update to app_role using (((erased_at IS NULL) AND (merged_into IS NULL))) with check (true);
create policy apps_read on platform.customers for select to app_role using (true);
create policy bulk_all on platform.customers for all to bulk_role using (true) with check (true);
create policy erase_all on platform.customers for all to erase_role using (true) with check (true);
create policy merge_all on platform.customers for all to merge_role using (true) with check (true);
create policy owner_all on platform.customers for all to platform_owner using (true) with check (true);
grant delete on platform.customers to erase_role;
grant delete on platform.customers to merge_role;
grant insert (crm_id, account_tier, account_manager_id) on platform.customers to foundation_role;
grant insert (email, email_key, name, phone, phone_key, phone_extension, company_id, created_by_app) on platform.customers to app_role;
grant insert (support_id, preferred_language, timezone) on platform.customers to support_role;
grant insert on platform.customers to bulk_role;
grant insert on platform.customers to merge_role;
grant maintain on platform.customers to privacy_role;
grant select on platform.customers to app_role;
grant select on platform.customers to bulk_role;
grant select on platform.customers to erase_role;
grant select on platform.customers to merge_role;
grant update (crm_id, account_tier, account_manager_id) on platform.customers to foundation_role;
grant update (email, email_key, name, phone, phone_key, phone_extension, company_id) on platform.customers to app_role;
grant update (support_id, preferred_language, timezone) on platform.customers to support_role;
grant update on platform.customers to bulk_role;
grant update on platform.customers to erase_role;
grant update on platform.customers to merge_role;

create table platform.erasures (
  id uuid default uuidv7() not null,
  customer_id uuid not null,
  people uuid[] default '{}'::uuid[] not null,
  reason text not null,
  state text collate "C" not null,
  asked_at timestamp with time zone default clock_timestamp() not null,
  asked_by text collate "C" default platform.current_actor() not null,
  asked_by_login name default SESSION_USER not null,
  erased_at timestamp with time zone,
  erased_by text collate "C",
  erased_by_login name,
  clean_at timestamp with time zone,
  report jsonb default '{}'::jsonb not null,
  pending jsonb,
  constraint erasures_pkey PRIMARY KEY (id),
  constraint erasures_customer_id_key UNIQUE (customer_id),
  constraint erasures_check CHECK (((state = 'asked'::text) = (erased_at IS NULL))),
  constraint erasures_check1 CHECK (((state = 'clean'::text) = (clean_at IS NOT NULL))),
  constraint erasures_check2 CHECK ((num_nulls(erased_at, erased_by, erased_by_login) = ANY (ARRAY[0, 3]))),
  constraint erasures_check3 CHECK (((state = 'erased'::text) OR (pending IS NULL))),
  constraint erasures_reason_check CHECK (platform.is_line(reason, 500)),
  constraint erasures_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'erased'::text, 'clean'::text])))
);
comment on table platform.erasures is 'The receipts. One for each person, with ids only; no references, so that a receipt outlives everything.';
comment on column platform.erasures.people is 'All ids that were this person: the customer and those that were merged into it.';
comment on column platform.erasures.report is 'What was done: { tables: [{ table, act, rows, why, stays }], events, addresses, numbers, files }.';
comment on column platform.erasures.pending is 'What the clean-up still looks for: addresses, numbers and files. It is in clear until then, and gone with the clean-up.';
CREATE INDEX erasures_open ON platform.erasures USING btree (erased_at) WHERE (state = 'erased'::text);
alter table platform.erasures enable row level security, force row level security;
create policy erase_all on platform.erasures for all to erase_role using (true) with check (true);
create policy owner_all on platform.erasures for all to platform_owner using (true) with check (true);
create policy privacy_read on platform.erasures for select to privacy_role using (true);
grant delete on platform.erasures to erase_role;
grant insert on platform.erasures to erase_role;
grant maintain on platform.erasures to privacy_role;
grant select (id, customer_id, people, reason, state, asked_at, asked_by, asked_by_login, erased_at, erased_by, erased_by_login, clean_at, report) on platform.erasures to privacy_role;
grant select on platform.erasures to erase_role;
grant update on platform.erasures to erase_role;

create table platform.inventory (
  relation text collate "C" not null,
  column_name text collate "C" not null,
  class text collate "C" not null,
  becomes text,
  stays boolean default false not null,
  constraint inventory_pkey PRIMARY KEY (relation, column_name),
  constraint inventory_relation_fkey FOREIGN KEY (relation) REFERENCES platform.inventory_tables(relation) ON DELETE CASCADE,
  constraint inventory_check CHECK (((NOT stays) OR (class = 'content'::text))),
  constraint inventory_class_check CHECK ((class = ANY (ARRAY['identifying'::text, 'content'::text, 'technical'::text])))
);
comment on table platform.inventory is 'The class of every column.';
comment on column platform.inventory.becomes is 'What an erasure writes into the column, an expression over the row r. A column of a scrubbed table that is not technical becomes null if nothing is said.';
comment on column platform.inventory.stays is 'An erasure leaves this content: the table''s `why` says why.';
alter table platform.inventory enable row level security, force row level security;
create policy erase_read on platform.inventory for select to erase_role using (true);
create policy looks_read on platform.inventory for select to console_role, privacy_role, sync_role using (true);
create policy owner_all on platform.inventory for all to platform_owner using (true) with check (true);
grant select on platform.inventory to console_role;
grant select on platform.inventory to erase_role;
grant select on platform.inventory to privacy_role;
grant select on platform.inventory to sync_role;

create table platform.inventory_tables (
  relation text collate "C" not null,
  entity text collate "C",
  belongs text,
  erasing text collate "C" not null,
  why text not null,
  later boolean default false not null,
  place integer generated always as identity not null,
  constraint inventory_tables_pkey PRIMARY KEY (relation),
  constraint inventory_tables_entity_key UNIQUE (entity),
  constraint inventory_tables_check CHECK (((belongs IS NOT NULL) OR (erasing = 'keep'::text))),
  constraint inventory_tables_erasing_check CHECK ((erasing = ANY (ARRAY['delete'::text, 'scrub'::text, 'keep'::text, 'own'::text]))),
  constraint inventory_tables_why_check CHECK ((why <> ''::text))
);
comment on table platform.inventory_tables is 'Every table, and what an erasure does with the rows of a person.';
comment on column platform.inventory_tables.entity is 'The first word of the types of its events, if it is captured.';
comment on column platform.inventory_tables.belongs is 'Whose a row r is: a condition over $1, the ids of the customers that are one person, $2, their addresses in canonical form, and $3, their numbers in E.164. Null: no row is a customer''s.';
comment on column platform.inventory_tables.erasing is 'delete: the rows go. scrub: they stay without what tells of the person. keep: nothing changes. own: platform.erase_customer has its own statement for it.';
comment on column platform.inventory_tables.why is 'Why it is done so; of a row that stays, why it stays. A receipt quotes it.';
comment on column platform.inventory_tables.later is 'The clean-up after the erasure''s transaction does it, because it reads whole files.';
comment on column platform.inventory_tables.place is 'An erasure goes through the tables in this order.';
alter table platform.inventory_tables enable row level security, force row level security;
create policy erase_read on platform.inventory_tables for select to erase_role using (true);
create policy looks_read on platform.inventory_tables for select to console_role, privacy_role, sync_role using (true);
create policy owner_all on platform.inventory_tables for all to platform_owner using (true) with check (true);
grant select on platform.inventory_tables to console_role;
grant select on platform.inventory_tables to erase_role;
grant select on platform.inventory_tables to privacy_role;
grant select on platform.inventory_tables to sync_role;

create table platform.legal_holds (
  id uuid default uuidv7() not null,
  customer_id uuid not null,
  reason text not null,
  held_at timestamp with time zone default clock_timestamp() not null,
  held_by text collate "C" default platform.current_actor() not null,
  held_by_login name default SESSION_USER not null,
  released_at timestamp with time zone,
  released_by text collate "C",
  release_reason text,
  constraint legal_holds_pkey PRIMARY KEY (id),
  constraint legal_holds_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint legal_holds_check CHECK ((num_nulls(released_at, released_by, release_reason) = ANY (ARRAY[0, 3]))),
  constraint legal_holds_reason_check CHECK (platform.is_line(reason, 500)),
  constraint legal_holds_release_reason_check CHECK (platform.is_line(release_reason, 500))
);
comment on table platform.legal_holds is 'Why a customer must not be erased, and nothing of them be removed by its age.';
CREATE INDEX legal_holds_customer_id_idx ON platform.legal_holds USING btree (customer_id);
alter table platform.legal_holds enable row level security, force row level security;
create policy erase_all on platform.legal_holds for all to erase_role using (true) with check (true);
create policy owner_all on platform.legal_holds for all to platform_owner using (true) with check (true);
create policy privacy_read on platform.legal_holds for select to privacy_role using (true);
grant insert on platform.legal_holds to erase_role;
grant select on platform.legal_holds to erase_role;
grant select on platform.legal_holds to privacy_role;
grant update on platform.legal_holds to erase_role;

create table platform.merge_fields (
  merge uuid not null,
  field text collate "C" not null,
  ours jsonb,
  theirs jsonb,
  chosen jsonb,
  side text collate "C" not null,
  chosen_by text collate "C" not null,
  why text not null,
  row_key text collate "C",
  constraint merge_fields_pkey PRIMARY KEY (merge, field),
  constraint merge_fields_merge_fkey FOREIGN KEY (merge) REFERENCES platform.merges(id),
  constraint merge_fields_chosen_by_check CHECK ((chosen_by = ANY (ARRAY['rule'::text, 'choice'::text]))),
  constraint merge_fields_side_check CHECK ((side = ANY (ARRAY['survivor'::text, 'loser'::text])))
);
comment on column platform.merge_fields.ours is 'What the survivor had; theirs: what the loser had. An address and a number with their keys.';
comment on column platform.merge_fields.row_key is 'Of a custom field that both had: the survivor''s row, whose value the merge chose.';
alter table platform.merge_fields enable row level security, force row level security;
create policy console_read on platform.merge_fields for select to console_role using (true);
create policy erase_all on platform.merge_fields for all to erase_role using (true) with check (true);
create policy merge_all on platform.merge_fields for all to merge_role using (true) with check (true);
create policy owner_all on platform.merge_fields for all to platform_owner using (true) with check (true);
grant delete on platform.merge_fields to erase_role;
grant insert on platform.merge_fields to merge_role;
grant maintain on platform.merge_fields to privacy_role;
grant select on platform.merge_fields to console_role;
grant select on platform.merge_fields to erase_role;
grant select on platform.merge_fields to merge_role;
grant update on platform.merge_fields to erase_role;
grant update on platform.merge_fields to merge_role;

create table platform.merge_moves (
  merge uuid not null,
  reference integer not null,
  key text collate "C" not null,
  was jsonb,
  released text collate "C",
  constraint merge_moves_pkey PRIMARY KEY (merge, reference, key),
  constraint merge_moves_released_check CHECK ((released = ANY (ARRAY['unmerged'::text, 'merged'::text, 'moved'::text])))
);
comment on table platform.merge_moves is 'The rows that a merge moved, from the loser to the survivor.';
comment on column platform.merge_moves.was is 'The whole row before it moved, if merge_references.keeps_rows.';
comment on column platform.merge_moves.released is 'Why this merge has no claim any more: an unmerge of another merge took the row home, another merge brought it, or somebody moved it.';
alter table platform.merge_moves enable row level security, force row level security;
create policy console_read on platform.merge_moves for select to console_role using (true);
create policy erase_all on platform.merge_moves for all to erase_role using (true) with check (true);
create policy merge_all on platform.merge_moves for all to merge_role using (true) with check (true);
create policy owner_all on platform.merge_moves for all to platform_owner using (true) with check (true);
grant delete on platform.merge_moves to erase_role;
grant insert on platform.merge_moves to merge_role;
grant maintain on platform.merge_moves to privacy_role;
grant select on platform.merge_moves to console_role;
grant select on platform.merge_moves to erase_role;
grant select on platform.merge_moves to merge_role;
grant update on platform.merge_moves to erase_role;
grant update on platform.merge_moves to merge_role;

create table platform.merge_references (
  reference integer generated always as identity not null,
  relation text collate "C" not null,
  customer_column text collate "C" not null,
  key_columns text[] collate "C",
  and_set text,
  keeps_rows boolean default false not null,
  stays text,
  constraint merge_references_pkey PRIMARY KEY (reference),
  constraint merge_references_relation_customer_column_key UNIQUE (relation, customer_column),
  constraint merge_references_check CHECK (((stays IS NULL) = (key_columns IS NOT NULL)))
);
comment on table platform.merge_references is 'Every column that names a customer, and what a merge does with its rows.';
comment on column platform.merge_references.key_columns is 'What names a row and does not change when it moves: the primary key without the customer. Empty: one row for each customer.';
comment on column platform.merge_references.and_set is 'What else a moved row becomes: the survivor has a primary address already.';
comment on column platform.merge_references.keeps_rows is 'Whether the ledger keeps the whole row as it was: it is a value of the customer, and an edit of the survivor must not change the loser.';
comment on column platform.merge_references.stays is 'Why its rows do not move.';
alter table platform.merge_references enable row level security, force row level security;
create policy console_read on platform.merge_references for select to console_role using (true);
create policy merge_read on platform.merge_references for select to merge_role using (true);
create policy owner_all on platform.merge_references for all to platform_owner using (true) with check (true);
grant select on platform.merge_references to console_role;
grant select on platform.merge_references to merge_role;

create table platform.merge_suppressed (
  merge uuid not null,
  reference integer not null,
  key text collate "C" not null,
  customer_id uuid not null,
  was jsonb not null,
  constraint merge_suppressed_pkey PRIMARY KEY (merge, reference, key),
  constraint merge_suppressed_merge_fkey FOREIGN KEY (merge) REFERENCES platform.merges(id)
);
comment on column platform.merge_suppressed.customer_id is 'Whose row it was: the loser''s, or the survivor''s mark of having no address.';
alter table platform.merge_suppressed enable row level security, force row level security;
create policy console_read on platform.merge_suppressed for select to console_role using (true);
create policy erase_all on platform.merge_suppressed for all to erase_role using (true) with check (true);
create policy merge_all on platform.merge_suppressed for all to merge_role using (true) with check (true);
create policy owner_all on platform.merge_suppressed for all to platform_owner using (true) with check (true);
grant delete on platform.merge_suppressed to erase_role;
grant delete on platform.merge_suppressed to merge_role;
grant insert on platform.merge_suppressed to merge_role;
grant maintain on platform.merge_suppressed to privacy_role;
grant select on platform.merge_suppressed to console_role;
grant select on platform.merge_suppressed to erase_role;
grant select on platform.merge_suppressed to merge_role;
grant update on platform.merge_suppressed to erase_role;
grant update on platform.merge_suppressed to merge_role;

create table platform.merges (
  id uuid default uuidv7() not null,
  survivor_id uuid not null,
  loser_id uuid not null,
  actor text collate "C" default platform.current_actor(),
  app text collate "C" default platform.current_app() not null,
  login name default SESSION_USER not null,
  reason text,
  evidence jsonb default '{}'::jsonb not null,
  rules integer not null,
  merged_at timestamp with time zone default clock_timestamp() not null,
  survivor_version bigint not null,
  loser_version bigint not null,
  moved jsonb default '{}'::jsonb not null,
  suppressed jsonb default '{}'::jsonb not null,
  undone_at timestamp with time zone,
  undone_by text collate "C",
  undone_by_app text collate "C",
  undone_by_login name,
  back_version bigint,
  undo_report jsonb,
  constraint merges_pkey PRIMARY KEY (id),
  constraint merges_check CHECK ((survivor_id <> loser_id)),
  constraint merges_check1 CHECK ((num_nulls(undone_at, undone_by_app, undone_by_login, back_version, undo_report) = ANY (ARRAY[0, 5]))),
  constraint merges_evidence_check CHECK (((jsonb_typeof(evidence) = 'object'::text) AND (octet_length((evidence)::text) <= 65536))),
  constraint merges_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500)))
);
comment on table platform.merges is 'The ledger of merges. No references: the undo of an import may remove customers whose merge was taken back, and the ledger stays.';
comment on column platform.merges.rules is 'The version of the rules that chose the fields; see platform.judge_merge.';
comment on column platform.merges.survivor_version is 'The version that the merge gave the survivor.';
comment on column platform.merges.loser_version is 'The version at which the loser was merged.';
comment on column platform.merges.back_version is 'The version that the unmerge gave the loser. No event of the loser has it: customer.unmerged tells it.';
CREATE INDEX merges_of_loser ON platform.merges USING btree (loser_id);
CREATE INDEX merges_of_survivor ON platform.merges USING btree (survivor_id);
CREATE UNIQUE INDEX merges_present ON platform.merges USING btree (loser_id) WHERE (undone_at IS NULL);
CREATE TRIGGER closes_candidate AFTER INSERT ON platform.merges FOR EACH ROW EXECUTE FUNCTION platform.close_candidate();
alter table platform.merges enable row level security, force row level security;
create policy apps_read on platform.merges for select to app_role using (true);
create policy erase_all on platform.merges for all to erase_role using (true) with check (true);
create policy merge_all on platform.merges for all to merge_role using (true) with check (true);
create policy owner_all on platform.merges for all to platform_owner using (true) with check (true);
grant delete on platform.merges to erase_role;
grant insert on platform.merges to merge_role;
grant maintain on platform.merges to privacy_role;
grant select (id, survivor_id, loser_id, actor, merged_at, undone_at) on platform.merges to app_role;
grant select on platform.merges to console_role;
grant select on platform.merges to erase_role;
grant select on platform.merges to merge_role;
grant update on platform.merges to erase_role;
grant update on platform.merges to merge_role;

create table platform.migrations (
  number integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamp with time zone default clock_timestamp() not null,
  duration_ms integer not null,
  locks text[] default '{}'::text[] not null,
  breaks_apps_below integer,
  constraint migrations_pkey PRIMARY KEY (number)
);
alter table platform.migrations enable row level security, force row level security;
create policy apps_read on platform.migrations for select to app_role, sync_role using (true);
create policy owner_all on platform.migrations for all to platform_owner using (true) with check (true);
grant select (number, name, applied_at, breaks_apps_below) on platform.migrations to app_role;
grant select (number, name, applied_at, breaks_apps_below) on platform.migrations to sync_role;

create table platform.moves (
  id uuid default uuidv7() not null,
  kind text collate "C" not null,
  record_id uuid not null,
  from_id uuid not null,
  to_id uuid not null,
  identity text collate "C",
  reason text,
  app text collate "C" default platform.current_app() not null,
  login name default SESSION_USER not null,
  actor text collate "C" default platform.current_actor() not null,
  moved_at timestamp with time zone default clock_timestamp() not null,
  undone_at timestamp with time zone,
  undone_by text collate "C",
  released uuid[] default '{}'::uuid[] not null,
  constraint moves_pkey PRIMARY KEY (id),
  constraint moves_from_id_fkey FOREIGN KEY (from_id) REFERENCES platform.customers(id),
  constraint moves_to_id_fkey FOREIGN KEY (to_id) REFERENCES platform.customers(id),
  constraint moves_app_check CHECK (platform.is_app(app)),
  constraint moves_check CHECK (((undone_at IS NULL) = (undone_by IS NULL))),
  constraint moves_check1 CHECK ((from_id <> to_id)),
  constraint moves_identity_check CHECK ((identity = ANY (ARRAY['claimed'::text, 'verified'::text]))),
  constraint moves_kind_check CHECK ((kind = ANY (ARRAY['session'::text, 'call'::text, 'activity'::text]))),
  constraint moves_reason_check CHECK (platform.is_line(reason, 500))
);
comment on table platform.moves is 'Records that were moved to another customer. Only platform.move_record and undo_move write it.';
comment on column platform.moves.identity is 'Of a conversation: its identity before. Whoever proved to be one customer has not proven to be another, so a move makes it claimed.';
comment on column platform.moves.actor is 'As the app said; no reference, so that the record outlives the user.';
comment on column platform.moves.released is 'The merges that had a claim to the record: it ends with the move, and comes back with its undo, so that an unmerge takes it home.';
CREATE INDEX moves_from_id_idx ON platform.moves USING btree (from_id);
CREATE INDEX moves_kind_record_id_id_idx ON platform.moves USING btree (kind, record_id, id DESC);
CREATE INDEX moves_to_id_idx ON platform.moves USING btree (to_id);
alter table platform.moves enable row level security, force row level security;
create policy console_read on platform.moves for select to console_role using (true);
create policy erase_all on platform.moves for all to erase_role using (true) with check (true);
create policy foundation_read on platform.moves for select to foundation_role using ((kind = 'activity'::text));
create policy owner_all on platform.moves for all to platform_owner using (true) with check (true);
create policy support_read on platform.moves for select to support_role using ((kind = ANY (ARRAY['session'::text, 'call'::text])));
grant delete on platform.moves to erase_role;
grant maintain on platform.moves to privacy_role;
grant select on platform.moves to console_role;
grant select on platform.moves to erase_role;
grant select on platform.moves to foundation_role;
grant select on platform.moves to support_role;
grant update on platform.moves to erase_role;

create table platform.person_sources (
  relation text collate "C" not null,
  place integer not null,
  category text collate "C" not null,
  why text not null,
  ordering text not null,
  hidden text[] default '{}'::text[] not null,
  belongs text,
  narrows text,
  constraint person_sources_pkey PRIMARY KEY (relation),
  constraint person_sources_place_key UNIQUE (place),
  constraint person_sources_relation_fkey FOREIGN KEY (relation) REFERENCES platform.inventory_tables(relation),
  constraint person_sources_category_check CHECK ((category ~ '^[a-z]+$'::text))
);
comment on table platform.person_sources is 'The tables that hold people, in the order in which a person is told of them.';
comment on column platform.person_sources.why is 'What its rows are, in words for the person.';
comment on column platform.person_sources.hidden is 'Columns that no export has: secrets, copies that only machines read, and what may tell of other people.';
comment on column platform.person_sources.belongs is 'As in the inventory, if that says that no row is a customer''s; it may also use $4 sessions, $5 users and $6 deals of the person.';
comment on column platform.person_sources.narrows is 'Rows that belong to the person and tell of another one as well are left out: only these are given.';
alter table platform.person_sources enable row level security, force row level security;
create policy owner_all on platform.person_sources for all to platform_owner using (true) with check (true);

create table platform.privacy_settings (
  only_one boolean default true not null,
  two_people boolean default false not null,
  backups_kept_days integer,
  changed_at timestamp with time zone default clock_timestamp() not null,
  changed_by text collate "C" default platform.current_actor(),
  constraint privacy_settings_pkey PRIMARY KEY (only_one),
  constraint privacy_settings_backups_kept_days_check CHECK (((backups_kept_days >= 1) AND (backups_kept_days <= 36500))),
  constraint privacy_settings_only_one_check CHECK (only_one)
);
comment on column platform.privacy_settings.two_people is 'An erasure is asked for by one person and done by another.';
comment on column platform.privacy_settings.backups_kept_days is 'A backup is gone after so many days; null: nobody has said. Receipts quote it.';
alter table platform.privacy_settings enable row level security, force row level security;
create policy erase_all on platform.privacy_settings for all to erase_role using (true) with check (true);
create policy owner_all on platform.privacy_settings for all to platform_owner using (true) with check (true);
create policy privacy_read on platform.privacy_settings for select to privacy_role using (true);
grant insert on platform.privacy_settings to erase_role;
grant select on platform.privacy_settings to erase_role;
grant select on platform.privacy_settings to privacy_role;
grant update on platform.privacy_settings to erase_role;

create table platform.removed_emails (
  id uuid not null,
  email_key text collate "C" not null,
  email text not null,
  customer_id uuid not null,
  verified_at timestamp with time zone,
  verified_by text collate "C",
  created_at timestamp with time zone not null,
  added_by_app text collate "C" not null,
  added_by text collate "C",
  reason text collate "C" not null,
  removed_at timestamp with time zone default now() not null,
  removed_by_app text collate "C" default platform.current_app() not null,
  removed_by text collate "C" default platform.current_actor(),
  constraint removed_emails_pkey PRIMARY KEY (id),
  constraint removed_emails_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint removed_emails_reason_check CHECK ((reason = ANY (ARRAY['removed'::text, 'claimed'::text])))
);
comment on column platform.removed_emails.reason is 'removed: a person took it away. claimed: another person proved that it is theirs.';
CREATE INDEX removed_emails_customer_id_idx ON platform.removed_emails USING btree (customer_id);
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON platform.removed_emails FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
alter table platform.removed_emails enable row level security, force row level security;
create policy erase_all on platform.removed_emails for all to erase_role using (true) with check (true);
create policy merge_all on platform.removed_emails for all to merge_role using (true) with check (true);
create policy owner_all on platform.removed_emails for all to platform_owner using (true) with check (true);
grant delete on platform.removed_emails to erase_role;
grant delete on platform.removed_emails to merge_role;
grant insert on platform.removed_emails to merge_role;
grant maintain on platform.removed_emails to privacy_role;
grant select on platform.removed_emails to erase_role;
grant select on platform.removed_emails to merge_role;
grant update on platform.removed_emails to erase_role;
grant update on platform.removed_emails to merge_role;

create table platform.removed_phones (
  id uuid not null,
  customer_id uuid not null,
  phone text not null,
  phone_key text collate "C" not null,
  phone_extension text collate "C",
  created_at timestamp with time zone not null,
  added_by_app text collate "C" not null,
  added_by text collate "C",
  removed_at timestamp with time zone default now() not null,
  removed_by_app text collate "C" default platform.current_app() not null,
  removed_by text collate "C" default platform.current_actor(),
  constraint removed_phones_pkey PRIMARY KEY (id),
  constraint removed_phones_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id)
);
CREATE INDEX removed_phones_customer_id_idx ON platform.removed_phones USING btree (customer_id);
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON platform.removed_phones FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
alter table platform.removed_phones enable row level security, force row level security;
create policy erase_all on platform.removed_phones for all to erase_role using (true) with check (true);
create policy merge_all on platform.removed_phones for all to merge_role using (true) with check (true);
create policy owner_all on platform.removed_phones for all to platform_owner using (true) with check (true);
grant delete on platform.removed_phones to erase_role;
grant delete on platform.removed_phones to merge_role;
grant insert on platform.removed_phones to merge_role;
grant maintain on platform.removed_phones to privacy_role;
grant select on platform.removed_phones to erase_role;
grant select on platform.removed_phones to merge_role;
grant update on platform.removed_phones to erase_role;
grant update on platform.removed_phones to merge_role;

create table platform.retention_rules (
  kind text collate "C" not null,
  days integer,
  days_min integer not null,
  days_max integer not null,
  meaning text not null,
  place_at timestamp with time zone default '-infinity'::timestamp with time zone not null,
  place_id uuid default '00000000-0000-0000-0000-000000000000'::uuid not null,
  place_run bigint default 0 not null,
  round_ended_at timestamp with time zone,
  removed_in_round bigint default 0 not null,
  changed_at timestamp with time zone,
  changed_by text collate "C",
  constraint retention_rules_pkey PRIMARY KEY (kind),
  constraint retention_rules_check CHECK (((days >= days_min) AND (days <= days_max))),
  constraint retention_rules_days_check CHECK ((days > 0)),
  constraint retention_rules_kind_check CHECK ((kind ~ '^[a-z_]{1,40}$'::text))
);
comment on table platform.retention_rules is 'What the worker removes by its age.';
comment on column platform.retention_rules.days is 'Null: kept until somebody is erased.';
comment on column platform.retention_rules.days_max is 'Of sign-ins thirty days, because the next sign-in of the person removes older ones.';
comment on column platform.retention_rules.place_at is 'How far the present round is, in the order of the kind; the next round begins a day after it has ended.';
alter table platform.retention_rules enable row level security, force row level security;
create policy erase_all on platform.retention_rules for all to erase_role using (true) with check (true);
create policy owner_all on platform.retention_rules for all to platform_owner using (true) with check (true);
grant select on platform.retention_rules to erase_role;
grant update on platform.retention_rules to erase_role;

create table platform.review_candidates (
  id uuid default uuidv7() not null,
  customer_id uuid not null,
  other_id uuid not null,
  reason text collate "C" not null,
  evidence jsonb default '{}'::jsonb not null,
  state text collate "C" default 'open'::text not null,
  created_at timestamp with time zone default now() not null,
  created_by_app text collate "C" default platform.current_app() not null,
  decided_at timestamp with time zone,
  decided_by text collate "C",
  score double precision default 1 not null,
  reasons jsonb default '[]'::jsonb not null,
  rules text collate "C",
  run bigint,
  follows uuid,
  is_asked boolean default true not null,
  merge uuid,
  assigned_to text collate "C",
  assigned_at timestamp with time zone,
  assigned_by text collate "C",
  constraint review_candidates_pkey PRIMARY KEY (id),
  constraint review_candidates_pair_key UNIQUE (customer_id, other_id),
  constraint review_candidates_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint review_candidates_follows_fkey FOREIGN KEY (follows) REFERENCES platform.review_candidates(id) ON DELETE SET NULL,
  constraint review_candidates_other_id_fkey FOREIGN KEY (other_id) REFERENCES platform.customers(id),
  constraint review_candidates_check CHECK ((customer_id < other_id)),
  constraint review_candidates_check1 CHECK (((state = 'open'::text) = (decided_at IS NULL))),
  constraint review_candidates_check2 CHECK (((assigned_to IS NULL) = (assigned_at IS NULL))),
  constraint review_candidates_evidence_check CHECK (((jsonb_typeof(evidence) = 'object'::text) AND (octet_length((evidence)::text) <= 16384))),
  constraint review_candidates_reason_check CHECK ((reason ~ '^[a-z][a-z0-9_]{0,39}$'::text)),
  constraint review_candidates_reasons_check CHECK (((jsonb_typeof(reasons) = 'array'::text) AND (octet_length((reasons)::text) <= 4096))),
  constraint review_candidates_rules_check CHECK ((octet_length(rules) <= 40)),
  constraint review_candidates_score_check CHECK (((score >= (0)::double precision) AND (score <= (1)::double precision))),
  constraint review_candidates_state_check CHECK ((state = ANY (ARRAY['open'::text, 'unsure'::text, 'merged'::text, 'different'::text])))
);
comment on table platform.review_candidates is 'Two customers that may be one person, and what a person decided. 0021_duplicates.sql has the model.';
comment on column platform.review_candidates.reason is 'What brought the pair here. detected: the two were alike when one of them was made or changed. import: an import (run). verified_claim: one of the two proved an unverified address of the other; evidence names the address and the customer that lost it. unmerged: a merge of the two was taken back. person: somebody decided about a pair that nothing had proposed.';
comment on column platform.review_candidates.score is 'The probability that the two are one person. 1 if no model was asked.';
comment on column platform.review_candidates.reasons is 'What speaks for and against it, as words of importer/matching/reasons.ts such as ["phone.equal", "given.slip"].';
comment on column platform.review_candidates.rules is 'The version of the rules of matching that gave score and reasons.';
comment on column platform.review_candidates.merge is 'The merge that closed the pair; see platform.merges.';
comment on column platform.review_candidates.assigned_to is 'The user who is to decide. Not a reference, so that the record outlives the user.';
CREATE INDEX review_candidates_assigned ON platform.review_candidates USING btree (assigned_to, state, score DESC, id) WHERE (is_asked AND (state = ANY (ARRAY['open'::text, 'unsure'::text])) AND (assigned_to IS NOT NULL));
CREATE INDEX review_candidates_by_reason ON platform.review_candidates USING btree (reason, state, score DESC, id) WHERE (is_asked AND (state = ANY (ARRAY['open'::text, 'unsure'::text])));
CREATE INDEX review_candidates_decided ON platform.review_candidates USING btree (state, decided_at DESC, id) WHERE (state = ANY (ARRAY['merged'::text, 'different'::text]));
CREATE INDEX review_candidates_decided_by_reason ON platform.review_candidates USING btree (reason, state, decided_at DESC, id) WHERE (state = ANY (ARRAY['merged'::text, 'different'::text]));
CREATE INDEX review_candidates_follows_idx ON platform.review_candidates USING btree (follows) WHERE (follows IS NOT NULL);
CREATE INDEX review_candidates_other_id_idx ON platform.review_candidates USING btree (other_id);
CREATE INDEX review_candidates_queue ON platform.review_candidates USING btree (state, score DESC, id) WHERE (is_asked AND (state = ANY (ARRAY['open'::text, 'unsure'::text])));
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON platform.review_candidates FOR EACH ROW WHEN (((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[])) AND (new.reason <> 'unmerged'::text))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER present_other_id BEFORE INSERT OR UPDATE OF other_id ON platform.review_candidates FOR EACH ROW WHEN (((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[])) AND (new.reason <> 'unmerged'::text))) EXECUTE FUNCTION platform.require_present_customer('other_id');
CREATE TRIGGER recorded AFTER UPDATE OF state ON platform.review_candidates FOR EACH ROW WHEN (((old.state <> new.state) AND (new.state <> 'open'::text))) EXECUTE FUNCTION platform.record_decision();
CREATE TRIGGER recorded_at_once AFTER INSERT ON platform.review_candidates FOR EACH ROW WHEN (((new.state <> 'open'::text) AND (new.follows IS NULL))) EXECUTE FUNCTION platform.record_decision();
alter table platform.review_candidates enable row level security, force row level security;
create policy apps_read on platform.review_candidates for select to app_role using (true);
create policy erase_all on platform.review_candidates for all to erase_role using (true) with check (true);
create policy owner_all on platform.review_candidates for all to platform_owner using (true) with check (true);
grant delete on platform.review_candidates to erase_role;
grant maintain on platform.review_candidates to privacy_role;
grant select on platform.review_candidates to app_role;
grant select on platform.review_candidates to erase_role;
grant update on platform.review_candidates to erase_role;

create table platform.review_decisions (
  id bigint generated always as identity not null,
  candidate uuid not null,
  was text collate "C",
  became text collate "C" not null,
  reason_was text collate "C",
  merge uuid,
  decided_at timestamp with time zone default now() not null,
  decided_by text collate "C" default platform.current_actor(),
  decided_by_login name default SESSION_USER not null,
  act xid8 default pg_current_xact_id() not null,
  undone_at timestamp with time zone,
  undone_by text collate "C",
  constraint review_decisions_pkey PRIMARY KEY (id),
  constraint review_decisions_candidate_fkey FOREIGN KEY (candidate) REFERENCES platform.review_candidates(id) ON DELETE CASCADE,
  constraint review_decisions_check CHECK (((undone_at IS NOT NULL) OR (undone_by IS NULL)))
);
comment on column platform.review_decisions.was is 'The state before; null: nobody had proposed the pair.';
comment on column platform.review_decisions.act is 'The transaction. With decided_at, the time at which it began, it tells acts apart, also after the database was restored.';
CREATE INDEX review_decisions_candidate_id_idx ON platform.review_decisions USING btree (candidate, id);
CREATE INDEX review_decisions_decided_by_id_idx ON platform.review_decisions USING btree (decided_by, id) WHERE (undone_at IS NULL);
CREATE INDEX review_decisions_merge_idx ON platform.review_decisions USING btree (merge) WHERE (merge IS NOT NULL);
alter table platform.review_decisions enable row level security, force row level security;
create policy console_read on platform.review_decisions for select to console_role using (true);
create policy erase_all on platform.review_decisions for all to erase_role using (true) with check (true);
create policy owner_all on platform.review_decisions for all to platform_owner using (true) with check (true);
grant delete on platform.review_decisions to erase_role;
grant maintain on platform.review_decisions to privacy_role;
grant select on platform.review_decisions to console_role;
grant select on platform.review_decisions to erase_role;
grant update on platform.review_decisions to erase_role;

create table platform.sign_ins (
  id uuid default uuidv7() not null,
  app text collate "C" default platform.current_app() not null,
  user_id text collate "C" not null,
  token_hash bytea not null,
  next_token_hash bytea,
  next_token_at timestamp with time zone,
  previous_token_hash bytea,
  rotated_at timestamp with time zone default now() not null,
  csrf_token text collate "C" not null,
  role_max text collate "C" default 'admin'::text not null,
  agent text,
  created_at timestamp with time zone default now() not null,
  last_seen_at timestamp with time zone default now() not null,
  idle_max interval not null,
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  end_reason text collate "C",
  constraint sign_ins_pkey PRIMARY KEY (id),
  constraint sign_ins_next_token_hash_key UNIQUE (next_token_hash),
  constraint sign_ins_previous_token_hash_key UNIQUE (previous_token_hash),
  constraint sign_ins_token_hash_key UNIQUE (token_hash),
  constraint sign_ins_user_id_fkey FOREIGN KEY (user_id) REFERENCES platform.users(id),
  constraint sign_ins_agent_check CHECK (platform.is_line(agent, 200)),
  constraint sign_ins_app_check CHECK (platform.is_app(app)),
  constraint sign_ins_check CHECK (((next_token_hash IS NULL) = (next_token_at IS NULL))),
  constraint sign_ins_check1 CHECK (((ended_at IS NULL) = (end_reason IS NULL))),
  constraint sign_ins_check2 CHECK ((expires_at <= (created_at + '31 days'::interval))),
  constraint sign_ins_csrf_token_check CHECK (((octet_length(csrf_token) >= 32) AND (octet_length(csrf_token) <= 64))),
  constraint sign_ins_end_reason_check CHECK ((end_reason = ANY (ARRAY['signed-out'::text, 'everywhere'::text, 'by-admin'::text, 'token-reused'::text]))),
  constraint sign_ins_ended_at_time CHECK (platform.is_time(ended_at)),
  constraint sign_ins_expires_at_time CHECK (platform.is_time(expires_at)),
  constraint sign_ins_idle_max_check CHECK ((idle_max > '00:00:00'::interval)),
  constraint sign_ins_last_seen_at_time CHECK (platform.is_time(last_seen_at)),
  constraint sign_ins_next_token_at_time CHECK (platform.is_time(next_token_at)),
  constraint sign_ins_next_token_hash_check CHECK ((octet_length(next_token_hash) = 32)),
  constraint sign_ins_previous_token_hash_check CHECK ((octet_length(previous_token_hash) = 32)),
  constraint sign_ins_role_max_check CHECK ((role_max = ANY (ARRAY['admin'::text, 'user'::text]))),
  constraint sign_ins_rotated_at_time CHECK (platform.is_time(rotated_at)),
  constraint sign_ins_token_hash_check CHECK ((octet_length(token_hash) = 32))
);
comment on table platform.sign_ins is 'Tokens are stored as SHA-256 only, so a reader of this table cannot act as anybody. Ended and expired rows are kept for thirty days.';
comment on column platform.sign_ins.next_token_hash is 'Sent to the browser, but not used by it yet. Until then the present token stays valid, so that a lost answer signs nobody out.';
comment on column platform.sign_ins.previous_token_hash is 'The token before the present one. Valid for requests that were under way; its later use shows that somebody has a copy.';
comment on column platform.sign_ins.csrf_token is 'In clear: it is useless without the cookie.';
comment on column platform.sign_ins.role_max is 'Whether the directory allowed an administrator at this sign-in; the role itself is the user''s.';
CREATE INDEX sign_ins_user_id_idx ON platform.sign_ins USING btree (user_id);
alter table platform.sign_ins enable row level security, force row level security;
create policy erase_all on platform.sign_ins for all to erase_role using (true) with check (true);
create policy own_add on platform.sign_ins for insert to app_role with check ((app = platform.current_app()));
create policy own_edit on platform.sign_ins for update to app_role using (((app = platform.current_app()) AND (ended_at IS NULL))) with check ((app = platform.current_app()));
create policy own_read on platform.sign_ins for select to app_role using ((app = platform.current_app()));
create policy owner_all on platform.sign_ins for all to platform_owner using (true) with check (true);
grant delete on platform.sign_ins to erase_role;
grant insert (user_id, token_hash, csrf_token, role_max, agent, idle_max, expires_at) on platform.sign_ins to app_role;
grant select on platform.sign_ins to app_role;
grant select on platform.sign_ins to erase_role;
grant update (token_hash, next_token_hash, next_token_at, previous_token_hash, rotated_at, last_seen_at, ended_at, end_reason) on platform.sign_ins to app_role;

create table platform.suppression_key (
  only_one boolean default true not null,
  inner_pad bytea not null,
  outer_pad bytea not null,
  constraint suppression_key_pkey PRIMARY KEY (only_one),
  constraint suppression_key_inner_pad_check CHECK ((octet_length(inner_pad) = 64)),
  constraint suppression_key_only_one_check CHECK (only_one),
  constraint suppression_key_outer_pad_check CHECK ((octet_length(outer_pad) = 64))
);
comment on table platform.suppression_key is 'The key of the hashes, as the two pads of HMAC, which SQL cannot make from a key.';
alter table platform.suppression_key enable row level security, force row level security;
create policy erase_all on platform.suppression_key for all to erase_role using (true) with check (true);
create policy owner_all on platform.suppression_key for all to platform_owner using (true) with check (true);
grant insert on platform.suppression_key to erase_role;
grant select on platform.suppression_key to erase_role;
grant update on platform.suppression_key to erase_role;

create table platform.suppressions (
  hash bytea not null,
  kind text collate "C" not null,
  erasure uuid not null,
  suppressed_at timestamp with time zone default clock_timestamp() not null,
  lifted_at timestamp with time zone,
  lifted_by text collate "C",
  lift_reason text,
  constraint suppressions_pkey PRIMARY KEY (hash),
  constraint suppressions_check CHECK ((num_nulls(lifted_at, lifted_by, lift_reason) = ANY (ARRAY[0, 3]))),
  constraint suppressions_hash_check CHECK ((octet_length(hash) = 32)),
  constraint suppressions_kind_check CHECK ((kind = ANY (ARRAY['email'::text, 'phone'::text, 'source'::text]))),
  constraint suppressions_lift_reason_check CHECK (platform.is_line(lift_reason, 500))
);
comment on table platform.suppressions is 'Addresses, numbers and ids in sources of people who were erased, as keyed hashes.';
CREATE INDEX suppressions_erasure_idx ON platform.suppressions USING btree (erasure);
alter table platform.suppressions enable row level security, force row level security;
create policy erase_all on platform.suppressions for all to erase_role using (true) with check (true);
create policy owner_all on platform.suppressions for all to platform_owner using (true) with check (true);
grant insert on platform.suppressions to erase_role;
grant select on platform.suppressions to erase_role;
grant update on platform.suppressions to erase_role;

create table platform.tiers (
  id bigint generated always as identity not null,
  key text collate "C" not null,
  label text collate platform.people not null,
  colour text collate "C" default 'grey'::text not null,
  "position" integer not null,
  is_retired boolean default false not null,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint tiers_pkey PRIMARY KEY (id),
  constraint tiers_key_key UNIQUE (key),
  constraint tiers_colour_check CHECK ((colour = ANY (ARRAY['grey'::text, 'blue'::text, 'green'::text, 'orange'::text, 'red'::text, 'gold'::text]))),
  constraint tiers_key_check CHECK ((key ~ '^[a-z][a-z0-9_-]{0,39}$'::text)),
  constraint tiers_label_check CHECK (platform.is_line(label, 40)),
  constraint tiers_position_check CHECK (("position" >= 0))
);
comment on column platform.tiers.key is 'What customers refer to. It never changes: another name is another label.';
comment on column platform.tiers.colour is 'One of the soft colours of a tag, each legible in light and dark.';
comment on column platform.tiers.is_retired is 'It is offered no more, and no customer gets it; those who have it keep it.';
CREATE UNIQUE INDEX tiers_label_key ON platform.tiers USING btree (lower((label COLLATE pg_c_utf8)));
CREATE TRIGGER count_version BEFORE UPDATE ON platform.tiers FOR EACH ROW EXECUTE FUNCTION platform.count_version();
CREATE TRIGGER keep_used BEFORE DELETE ON platform.tiers FOR EACH ROW EXECUTE FUNCTION platform.keep_used_tier();
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON platform.tiers FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_platform_tiers();
alter table platform.tiers enable row level security, force row level security;
create policy apps_read on platform.tiers for select to app_role using (true);
create policy bulk_read on platform.tiers for select to bulk_role using (true);
create policy foundation_all on platform.tiers for all to foundation_role using (true) with check (true);
create policy merge_read on platform.tiers for select to merge_role using (true);
create policy owner_all on platform.tiers for all to platform_owner using (true) with check (true);
grant delete on platform.tiers to foundation_role;
grant insert (key, label, colour, "position") on platform.tiers to foundation_role;
grant select on platform.tiers to app_role;
grant select on platform.tiers to bulk_role;
grant select on platform.tiers to foundation_role;
grant select on platform.tiers to merge_role;
grant update (label, colour, "position", is_retired) on platform.tiers to foundation_role;

create table platform.users (
  id text collate "C" not null,
  email text not null,
  name text collate platform.people not null,
  role text default 'user'::text not null,
  foundation_user_id bigint,
  support_user_id bigint,
  directory_tenant_id text collate "C",
  directory_object_id text collate "C",
  created_at timestamp with time zone default now() not null,
  last_signed_in timestamp with time zone,
  constraint users_pkey PRIMARY KEY (id),
  constraint users_directory_tenant_id_directory_object_id_key UNIQUE (directory_tenant_id, directory_object_id),
  constraint users_foundation_user_id_key UNIQUE (foundation_user_id),
  constraint users_support_user_id_key UNIQUE (support_user_id),
  constraint users_check CHECK (((directory_tenant_id IS NULL) = (directory_object_id IS NULL))),
  constraint users_email_check CHECK (platform.is_line(email, 254)),
  constraint users_foundation_user_id_safe CHECK (((foundation_user_id >= '-9007199254740991'::bigint) AND (foundation_user_id <= '9007199254740991'::bigint))),
  constraint users_id_check CHECK (((octet_length(id) >= 1) AND (octet_length(id) <= 255))),
  constraint users_last_signed_in_time CHECK (platform.is_time(last_signed_in)),
  constraint users_name_check CHECK (platform.is_line(name, 200)),
  constraint users_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'steward'::text, 'user'::text]))),
  constraint users_support_user_id_safe CHECK (((support_user_id >= '-9007199254740991'::bigint) AND (support_user_id <= '9007199254740991'::bigint)))
);
comment on column platform.users.id is 'The identity provider''s subject at the first sign-in.';
comment on column platform.users.role is 'steward: a user who may also decide about duplicates, merge customers and take merges apart. admin: a steward who may also administer.';
comment on column platform.users.directory_object_id is 'Together with the tenant it identifies a person: the subject differs from app registration to app registration.';
CREATE TRIGGER keep_directory_account BEFORE UPDATE OF directory_tenant_id, directory_object_id ON platform.users FOR EACH ROW WHEN (((old.directory_object_id IS NOT NULL) AND ((old.directory_tenant_id IS DISTINCT FROM new.directory_tenant_id) OR (old.directory_object_id IS DISTINCT FROM new.directory_object_id)))) EXECUTE FUNCTION platform.keep_directory_account();
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON platform.users FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_platform_users();
alter table platform.users enable row level security, force row level security;
create policy apps_edit on platform.users for update to app_role using (true) with check (true);
create policy apps_read on platform.users for select to app_role using (true);
create policy bulk_read on platform.users for select to bulk_role using (true);
create policy owner_all on platform.users for all to platform_owner using (true) with check (true);
grant select (id) on platform.users to bulk_role;
grant select on platform.users to app_role;
grant update (email, name, last_signed_in) on platform.users to app_role;
grant update (role, foundation_user_id) on platform.users to foundation_role;
grant update (support_user_id) on platform.users to support_role;

comment on function platform.is_kept_away(pg_catalog.text,pg_catalog.text) is 'No login may call it: it would tell who was erased.';
comment on function platform.sign_in_user(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text) is 'The caller says which person a directory account is: the logins of the apps are trusted to have asked the directory. See docs/signin.md.';
comment on table constraint legal_holds_customer_id_fkey on platform.legal_holds is 'any customer: a hold stays with the record that it was placed on, and counts for all records of the person.';
comment on table constraint moves_from_id_fkey on platform.moves is 'any customer: a record of the past, which a merge does not rewrite';
comment on table constraint moves_to_id_fkey on platform.moves is 'any customer: a record of the past, which a merge does not rewrite';
comment on table constraint review_candidates_customer_id_fkey on platform.review_candidates is 'Any customer: a pair of two records stays when one of them is merged.';
comment on table constraint review_candidates_other_id_fkey on platform.review_candidates is 'Any customer: a pair of two records stays when one of them is merged.';

-- also: collation platform.people

create schema public;

create schema staging;
grant usage on schema staging to erase_role;
grant usage on schema staging to privacy_role;
grant usage on schema staging to sync_role;

create table staging.import_groups (
  run bigint not null,
  n integer not null,
  lead integer,
  customer uuid,
  code text collate "C",
  reason text
) partition by LIST (run);
comment on table staging.import_groups is 'Lines that are one person with others, and those that are held. A line of a person alone is absent.';
alter table staging.import_groups disable row level security, no force row level security;
grant insert (run, n, lead, customer, code, reason) on staging.import_groups to sync_role;

create table staging.import_lines (
  run bigint not null,
  n integer not null,
  file smallint not null,
  line bigint not null,
  kind text collate "C" not null,
  code text collate "C",
  reason text,
  raw text,
  first_name text,
  last_name text,
  city text,
  birth_date text collate "C",
  external_id text collate "C",
  email text,
  email_key text collate "C",
  name text,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  company text,
  company_domain text collate "C",
  tier text,
  owner text,
  language text collate "C",
  timezone text collate "C",
  created_at timestamp with time zone,
  extra jsonb,
  digest bigint,
  is_known boolean not null
) partition by LIST (run);
comment on table staging.import_lines is 'The lines of plans, in a partition for each, which is not logged. They stay until the plan is applied or given up.';
comment on column staging.import_lines.first_name is 'This and the next three are for matching only: what becomes of the person is in the others.';
comment on column staging.import_lines.digest is 'Of what was read of a person (importer/run/knownlines.ts); null: the line is no person.';
comment on column staging.import_lines.is_known is 'The line was imported before and has not changed, as the plan''s process found: nothing was compared with it.';
alter table staging.import_lines disable row level security, no force row level security;
grant delete on staging.import_lines to erase_role;
grant insert (run, n, file, line, kind, code, reason, raw, first_name, last_name, city, birth_date, external_id, email, email_key, name, phone, phone_key, phone_extension, company, company_domain, tier, owner, language, timezone, created_at, extra, digest, is_known) on staging.import_lines to sync_role;
grant maintain on staging.import_lines to privacy_role;
grant select (run, n, file, kind, first_name, last_name, city, birth_date, external_id, email_key, name, phone_key, company, company_domain, extra, is_known) on staging.import_lines to sync_role;
grant select on staging.import_lines to erase_role;
grant update on staging.import_lines to erase_role;

create schema support;
grant usage on schema support to bulk_role;
grant usage on schema support to erase_role;
grant usage on schema support to merge_role;
grant usage on schema support to privacy_role;
grant usage on schema support to support_role;

create sequence support.customer_number as bigint start 1000 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
grant usage on sequence support.customer_number to bulk_role;
grant usage on sequence support.customer_number to support_role;

CREATE OR REPLACE FUNCTION support.activity_of_session(session uuid)
 RETURNS TABLE(customer_id uuid, type text, description text, metadata jsonb, occurred_at timestamp with time zone, idempotency_key text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT c.id,
     'support_chat'::text,
     (
         CASE
             WHEN s.resolved THEN 'Support conversation resolved'::text
             ELSE 'Support conversation ended without a resolution'::text
         END ||
         CASE
             WHEN (s.identity = 'claimed'::text) THEN ' (unverified visitor)'::text
             ELSE ''::text
         END),
     jsonb_build_object('session_id', s.id, 'identity', s.identity, 'message_count', s.message_count, 'resolved', s.resolved, 'duration_seconds', round((EXTRACT(epoch FROM (s.ended_at - s.started_at)) - ( SELECT COALESCE(sum(EXTRACT(epoch FROM GREATEST((LEAST((n.body)::timestamp with time zone, s.ended_at, ( SELECT min(m.created_at) AS min
                    FROM support.messages m
                   WHERE ((m.session_id = s.id) AND (m.created_at > n.created_at) AND (m.author = ANY (ARRAY['visitor'::text, 'agent'::text])))), ( SELECT min(o.created_at) AS min
                    FROM support.session_entries o
                   WHERE ((o.session_id = s.id) AND (o.created_at > n.created_at) AND (o.kind = ANY (ARRAY['snoozed'::text, 'woken'::text, 'assigned'::text, 'released'::text, 'handed_over'::text]))))) - n.created_at), '00:00:00'::interval))), (0)::numeric) AS "coalesce"
            FROM support.session_entries n
           WHERE ((n.session_id = s.id) AND (n.kind = 'snoozed'::text)))), 1), 'summary', COALESCE(( SELECT e.body
            FROM support.session_entries e
           WHERE ((e.session_id = s.id) AND (e.kind = 'ended'::text))
           ORDER BY e.created_at
          LIMIT 1), ( SELECT "left"(m.body, 400) AS "left"
            FROM support.messages m
           WHERE ((m.session_id = s.id) AND (m.author = 'visitor'::text))
           ORDER BY m.number
          LIMIT 1))) AS jsonb_build_object,
     s.ended_at,
     ('session:'::text || s.id)
    FROM ((support.sessions s
      JOIN platform.customers k ON ((k.id = s.customer_id)))
      JOIN platform.customers c ON (((c.id = COALESCE(k.merged_into, k.id)) AND (c.erased_at IS NULL))))
   WHERE ((s.id = activity_of_session.session) AND (s.status = 'ended'::text));
END;
grant execute on function support.activity_of_session(session uuid) to support_role;

CREATE OR REPLACE FUNCTION support.add_message(session uuid, author text, agent uuid, client_id text, body text, choices jsonb, token_hash bytea, for_agents_only boolean, OUT outcome text, OUT message support.messages, OUT agent_name text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  held record;
  asked timestamptz := case when add_message.author = 'visitor' then now() end;
  is_agents constant boolean := add_message.author = 'agent';
  named uuid := agent;
  is_active boolean;
begin
  select s.status, s.handler, s.agent_id, s.token_hash into held from support.sessions s where s.id = session for update;
  if not found or held.token_hash <> add_message.token_hash then outcome := 'no_session'; return; end if;
  select m.* into message from support.messages m
  where m.session_id = session and m.author = add_message.author and m.client_id = add_message.client_id;
  if found then outcome := 'known'; end if;

  if is_agents and held.agent_id is null and held.status = 'active' then
    -- An agent who leaves gives back the open conversations. Without this lock, one that is given to them at that moment would stay.
    select a.is_active into is_active from support.agents a where a.id = agent for share;
    if not found then outcome := 'no_agent'; elsif not is_active then outcome := 'agent_inactive'; end if;
  elsif is_agents and held.agent_id <> agent and message.agent_id is distinct from agent then
    outcome := 'claimed';
    named := held.agent_id;
  end if;
  if outcome is null and held.status = 'ended' then outcome := 'ended'; end if;
  if outcome is null and for_agents_only and held.handler = 'bot' then outcome := 'bot_answers'; end if;

  if outcome is null then
    update support.sessions s set message_count = s.message_count + 1, last_message_at = now(),
      asked_at = coalesce(s.asked_at, asked),
      snoozed_until = case when add_message.author = 'bot' then s.snoozed_until end,
      waiting_since = case when is_agents then null
        when asked is not null then case when s.handler = 'agent' then coalesce(s.waiting_since, asked) end
        else s.waiting_since end,
      handler = case when is_agents then 'agent' else s.handler end,
      agent_id = case when is_agents then coalesce(s.agent_id, agent) else s.agent_id end
    where s.id = session returning s.message_count into message.number;
    insert into support.messages as m (session_id, number, author, agent_id, client_id, body, choices)
    values (session, message.number, add_message.author, agent, add_message.client_id, add_message.body, add_message.choices)
    returning m.* into message;
    if is_agents and held.agent_id is null then
      insert into support.session_entries (session_id, kind, agent_id) values (session, 'claimed', agent);
    end if;
    outcome := 'stored';
  end if;
  if named is not null then
    select u.name into agent_name from support.agents a join platform.users u on u.id = a.user_id where a.id = named;
  end if;
end $function$;
grant execute on function support.add_message(session uuid, author text, agent uuid, client_id text, body text, choices jsonb, token_hash bytea, for_agents_only boolean, OUT outcome text, OUT message support.messages, OUT agent_name text) to support_role;

CREATE OR REPLACE FUNCTION support.keep_customer()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'a conversation keeps its customer' using errcode = 'insufficient_privilege',
    hint = 'platform.move_record moves it, and keeps a record.';
end $function$;

create table support.agents (
  id uuid default uuidv7() not null,
  user_id text collate "C" not null,
  availability text default 'offline'::text not null,
  is_active boolean default true not null,
  last_seen_at timestamp with time zone,
  created_at timestamp with time zone default now() not null,
  constraint agents_pkey PRIMARY KEY (id),
  constraint agents_user_id_key UNIQUE (user_id),
  constraint agents_user_id_fkey FOREIGN KEY (user_id) REFERENCES platform.users(id),
  constraint agents_availability_check CHECK ((availability = ANY (ARRAY['online'::text, 'away'::text, 'offline'::text]))),
  constraint agents_last_seen_at_time CHECK (platform.is_time(last_seen_at))
);
comment on column support.agents.last_seen_at is 'When the console was last open. An agent that is online but was not seen for two minutes counts as away.';
alter table support.agents enable row level security, force row level security;
create policy owner_all on support.agents for all to platform_owner using (true) with check (true);
create policy support_all on support.agents for all to support_role using (true) with check (true);
grant insert (user_id, availability) on support.agents to support_role;
grant select on support.agents to support_role;
grant update (availability, is_active, last_seen_at) on support.agents to support_role;

create table support.calls (
  id uuid default uuidv7() not null,
  client_id text collate "C",
  customer_id uuid not null,
  agent_id uuid,
  direction text not null,
  number_e164 text collate "C" not null,
  outcome text,
  notes text,
  started_at timestamp with time zone not null,
  duration_seconds integer,
  created_at timestamp with time zone default now() not null,
  request_digest bytea,
  constraint calls_pkey PRIMARY KEY (id),
  constraint calls_client_id_key UNIQUE (client_id),
  constraint calls_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint calls_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint calls_client_id_check CHECK ((client_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
  constraint calls_direction_check CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text]))),
  constraint calls_duration_seconds_check CHECK ((duration_seconds >= 0)),
  constraint calls_notes_check CHECK ((char_length(notes) <= 4000)),
  constraint calls_number_e164_check CHECK ((number_e164 ~ '^\+[1-9][0-9]{5,14}$'::text)),
  constraint calls_outcome_check CHECK (platform.is_line(outcome, 80)),
  constraint calls_request_digest_check CHECK ((octet_length(request_digest) = 32)),
  constraint calls_request_digest_of_client CHECK (((client_id IS NULL) = (request_digest IS NULL))),
  constraint calls_started_at_time CHECK (platform.is_time(started_at))
);
comment on column support.calls.client_id is 'Given by the sender: a retry with the same one makes no second call.';
comment on column support.calls.request_digest is 'SHA-256 of the request that logged the call. It tells a retry from another request with the same client_id, even after a correction.';
CREATE INDEX calls_agent_id_idx ON support.calls USING btree (agent_id) WHERE (agent_id IS NOT NULL);
CREATE INDEX calls_customer_id_started_at_idx ON support.calls USING btree (customer_id, started_at DESC);
CREATE INDEX calls_newest ON support.calls USING btree (started_at DESC, id DESC);
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON support.calls FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON support.calls FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_support_calls();
alter table support.calls enable row level security, force row level security;
create policy erase_all on support.calls for all to erase_role using (true) with check (true);
create policy merge_all on support.calls for all to merge_role using (true) with check (true);
create policy owner_all on support.calls for all to platform_owner using (true) with check (true);
create policy support_all on support.calls for all to support_role using (true) with check (true);
grant delete on support.calls to erase_role;
grant delete on support.calls to merge_role;
grant insert (client_id, customer_id, agent_id, direction, number_e164, outcome, notes, started_at, duration_seconds, request_digest) on support.calls to support_role;
grant insert on support.calls to merge_role;
grant maintain on support.calls to privacy_role;
grant select on support.calls to erase_role;
grant select on support.calls to merge_role;
grant select on support.calls to support_role;
grant update (outcome, notes, duration_seconds) on support.calls to support_role;
grant update on support.calls to erase_role;
grant update on support.calls to merge_role;

create table support.canned_answers (
  id uuid default uuidv7() not null,
  shortcut text collate "C" not null,
  title text not null,
  body text not null,
  created_at timestamp with time zone default now() not null,
  constraint canned_answers_pkey PRIMARY KEY (id),
  constraint canned_answers_shortcut_key UNIQUE (shortcut),
  constraint canned_answers_body_check CHECK (((char_length(body) >= 1) AND (char_length(body) <= 4000))),
  constraint canned_answers_shortcut_check CHECK ((shortcut ~ '^[a-z0-9][a-z0-9_-]{0,39}$'::text)),
  constraint canned_answers_title_check CHECK (platform.is_line(title, 80))
);
alter table support.canned_answers enable row level security, force row level security;
create policy owner_all on support.canned_answers for all to platform_owner using (true) with check (true);
create policy support_all on support.canned_answers for all to support_role using (true) with check (true);
grant delete on support.canned_answers to support_role;
grant insert (shortcut, title, body) on support.canned_answers to support_role;
grant select on support.canned_answers to support_role;
grant update (shortcut, title, body) on support.canned_answers to support_role;

create table support.chatbots (
  id uuid default uuidv7() not null,
  widget_id uuid not null,
  name text collate platform.people not null,
  rules jsonb default '{}'::jsonb not null,
  is_live boolean default false not null,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint chatbots_pkey PRIMARY KEY (id),
  constraint chatbots_widget_id_fkey FOREIGN KEY (widget_id) REFERENCES support.widgets(id),
  constraint chatbots_name_check CHECK (platform.is_line(name, 80)),
  constraint chatbots_rules_check CHECK (((jsonb_typeof(rules) = 'object'::text) AND (octet_length((rules)::text) <= 65536)))
);
CREATE INDEX chatbots_widget_id_idx ON support.chatbots USING btree (widget_id);
CREATE UNIQUE INDEX chatbots_live ON support.chatbots USING btree (widget_id) WHERE is_live;
CREATE TRIGGER count_version BEFORE UPDATE ON support.chatbots FOR EACH ROW EXECUTE FUNCTION platform.count_version();
alter table support.chatbots enable row level security, force row level security;
create policy owner_all on support.chatbots for all to platform_owner using (true) with check (true);
create policy support_all on support.chatbots for all to support_role using (true) with check (true);
grant delete on support.chatbots to support_role;
grant insert (widget_id, name, rules, is_live) on support.chatbots to support_role;
grant select on support.chatbots to support_role;
grant update (name, rules, is_live) on support.chatbots to support_role;

create unlogged table support.limits (
  key bytea not null,
  points integer not null,
  expires_at timestamp with time zone not null,
  constraint limits_pkey PRIMARY KEY (key),
  constraint limits_expires_at_time CHECK (platform.is_time(expires_at)),
  constraint limits_key_check CHECK ((octet_length(key) = 16)),
  constraint limits_points_check CHECK ((points > 0))
);
comment on table support.limits is 'Rows expire within minutes, and Support deletes them. No index on expires_at: with one, a count that begins again would not be a HOT update.';
comment on column support.limits.key is 'A hash of what is counted: an address of the network or of e-mail is not stored here.';
alter table support.limits enable row level security, force row level security;
create policy owner_all on support.limits for all to platform_owner using (true) with check (true);
create policy support_all on support.limits for all to support_role using (true) with check (true);
grant delete on support.limits to support_role;
grant insert (key, points, expires_at) on support.limits to support_role;
grant select on support.limits to support_role;
grant update (points, expires_at) on support.limits to support_role;

create table support.messages (
  id uuid default uuidv7() not null,
  session_id uuid not null,
  number integer not null,
  author text not null,
  agent_id uuid,
  client_id text collate "C" not null,
  body text not null,
  choices jsonb,
  created_at timestamp with time zone default clock_timestamp() not null,
  constraint messages_pkey PRIMARY KEY (id),
  constraint messages_session_id_author_client_id_key UNIQUE (session_id, author, client_id),
  constraint messages_session_id_number_key UNIQUE (session_id, number),
  constraint messages_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint messages_session_id_fkey FOREIGN KEY (session_id) REFERENCES support.sessions(id),
  constraint messages_agent_of_author CHECK (((author = 'agent'::text) = (agent_id IS NOT NULL))),
  constraint messages_author_check CHECK ((author = ANY (ARRAY['visitor'::text, 'agent'::text, 'bot'::text]))),
  constraint messages_body_check CHECK (((char_length(body) >= 1) AND (char_length(body) <= 4000))),
  constraint messages_choices_check CHECK (((jsonb_typeof(choices) = 'array'::text) AND (octet_length((choices)::text) <= 8192))),
  constraint messages_client_id_check CHECK ((client_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
  constraint messages_number_check CHECK ((number > 0))
);
comment on column support.messages.number is 'Dense within the session, in the order in which the server took the messages.';
comment on column support.messages.client_id is 'Given by the sender: a retry with the same one makes no second message.';
comment on column support.messages.choices is 'Of a bot: the answers that the visitor may pick, [{id, label}].';
CREATE INDEX messages_agent_id_idx ON support.messages USING btree (agent_id) WHERE (agent_id IS NOT NULL);
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON support.messages FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_support_messages();
alter table support.messages enable row level security, force row level security;
create policy erase_all on support.messages for all to erase_role using (true) with check (true);
create policy owner_all on support.messages for all to platform_owner using (true) with check (true);
create policy support_all on support.messages for all to support_role using (true) with check (true);
grant delete on support.messages to erase_role;
grant insert (session_id, number, author, agent_id, client_id, body, choices) on support.messages to support_role;
grant maintain on support.messages to privacy_role;
grant select on support.messages to erase_role;
grant select on support.messages to support_role;
grant update on support.messages to erase_role;

create table support.session_entries (
  id uuid default uuidv7() not null,
  session_id uuid not null,
  kind text not null,
  agent_id uuid,
  to_agent_id uuid,
  client_id text collate "C",
  body text,
  created_at timestamp with time zone default clock_timestamp() not null,
  constraint session_entries_pkey PRIMARY KEY (id),
  constraint session_entries_session_id_client_id_key UNIQUE (session_id, client_id),
  constraint session_entries_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint session_entries_session_id_fkey FOREIGN KEY (session_id) REFERENCES support.sessions(id),
  constraint session_entries_to_agent_id_fkey FOREIGN KEY (to_agent_id) REFERENCES support.agents(id),
  constraint session_entries_body_check CHECK (((char_length(body) >= 1) AND (char_length(body) <= 4000))),
  constraint session_entries_check CHECK (((kind <> 'note'::text) OR ((body IS NOT NULL) AND (client_id IS NOT NULL)))),
  constraint session_entries_client_id_check CHECK ((client_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
  constraint session_entries_kind_check CHECK ((kind = ANY (ARRAY['note'::text, 'claimed'::text, 'assigned'::text, 'released'::text, 'snoozed'::text, 'woken'::text, 'handed_over'::text, 'identified'::text, 'verified'::text, 'moved'::text, 'ended'::text])))
);
comment on table support.session_entries is 'The notes and actions of agents in a conversation. The visitor never sees them.';
CREATE INDEX session_entries_agent_id_idx ON support.session_entries USING btree (agent_id) WHERE (agent_id IS NOT NULL);
CREATE INDEX session_entries_to_agent_id_idx ON support.session_entries USING btree (to_agent_id) WHERE (to_agent_id IS NOT NULL);
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON support.session_entries FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_support_session_entries();
alter table support.session_entries enable row level security, force row level security;
create policy erase_all on support.session_entries for all to erase_role using (true) with check (true);
create policy owner_all on support.session_entries for all to platform_owner using (true) with check (true);
create policy support_all on support.session_entries for all to support_role using (true) with check (true);
grant delete on support.session_entries to erase_role;
grant insert (session_id, kind, agent_id, to_agent_id, client_id, body) on support.session_entries to support_role;
grant maintain on support.session_entries to privacy_role;
grant select on support.session_entries to erase_role;
grant select on support.session_entries to support_role;
grant update on support.session_entries to erase_role;

create table support.sessions (
  id uuid default gen_random_uuid() not null,
  widget_id uuid not null,
  customer_id uuid,
  identity text default 'claimed'::text not null,
  visitor_email text,
  visitor_name text,
  token_hash bytea not null,
  page jsonb,
  language text collate "C",
  time_zone text collate "C",
  handler text default 'agent'::text not null,
  agent_id uuid,
  status text default 'active'::text not null,
  resolved boolean,
  is_offline boolean default false not null,
  message_count integer default 0 not null,
  visitor_read_number integer default 0 not null,
  agent_read_number integer default 0 not null,
  started_at timestamp with time zone default now() not null,
  asked_at timestamp with time zone,
  waiting_since timestamp with time zone,
  snoozed_until timestamp with time zone,
  last_message_at timestamp with time zone,
  ended_at timestamp with time zone,
  constraint sessions_pkey PRIMARY KEY (id),
  constraint sessions_token_hash_key UNIQUE (token_hash),
  constraint sessions_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint sessions_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint sessions_widget_id_fkey FOREIGN KEY (widget_id) REFERENCES support.widgets(id),
  constraint sessions_agent_read_number_check CHECK ((agent_read_number >= 0)),
  constraint sessions_asked_at_time CHECK (platform.is_time(asked_at)),
  constraint sessions_check CHECK (((status = 'ended'::text) = (ended_at IS NOT NULL))),
  constraint sessions_check1 CHECK (((status = 'ended'::text) = (resolved IS NOT NULL))),
  constraint sessions_ended_at_time CHECK (platform.is_time(ended_at)),
  constraint sessions_handler_check CHECK ((handler = ANY (ARRAY['bot'::text, 'agent'::text]))),
  constraint sessions_identity_check CHECK ((identity = ANY (ARRAY['claimed'::text, 'verified'::text]))),
  constraint sessions_language_check CHECK (platform.is_line(language, 35)),
  constraint sessions_last_message_at_time CHECK (platform.is_time(last_message_at)),
  constraint sessions_page_check CHECK (((jsonb_typeof(page) = 'object'::text) AND (octet_length((page)::text) <= 4096))),
  constraint sessions_snoozed_until_time CHECK (platform.is_time(snoozed_until)),
  constraint sessions_status_check CHECK ((status = ANY (ARRAY['active'::text, 'ended'::text]))),
  constraint sessions_time_zone_check CHECK (platform.is_line(time_zone, 64)),
  constraint sessions_token_hash_check CHECK ((octet_length(token_hash) = 32)),
  constraint sessions_visitor_email_check CHECK (platform.is_line(visitor_email, 254)),
  constraint sessions_visitor_name_check CHECK (platform.is_line(visitor_name, 200)),
  constraint sessions_visitor_read_number_check CHECK ((visitor_read_number >= 0)),
  constraint sessions_waiting_since_time CHECK (platform.is_time(waiting_since))
);
comment on column support.sessions.identity is 'claimed: a visitor typed an address, which proves nothing. verified: the host page signed it.';
comment on column support.sessions.visitor_name is 'As the visitor typed it; it never overwrites the customer''s name.';
comment on column support.sessions.asked_at is 'When the visitor first wrote. Null: the widget was only opened; agents do not see such a session.';
comment on column support.sessions.waiting_since is 'The time of the oldest message of the visitor that no agent has answered.';
CREATE INDEX sessions_agent_id_idx ON support.sessions USING btree (agent_id) WHERE (agent_id IS NOT NULL);
CREATE INDEX sessions_customer_id_started_at_idx ON support.sessions USING btree (customer_id, started_at DESC) WHERE (customer_id IS NOT NULL);
CREATE INDEX sessions_ended ON support.sessions USING btree (ended_at DESC, id DESC) WHERE (status = 'ended'::text);
CREATE INDEX sessions_open ON support.sessions USING btree (agent_id) WHERE ((status = 'active'::text) AND (asked_at IS NOT NULL));
CREATE INDEX sessions_started_at_id_idx ON support.sessions USING btree (started_at DESC, id DESC);
CREATE INDEX sessions_unlinked ON support.sessions USING btree (lower(visitor_email)) WHERE ((customer_id IS NULL) AND (visitor_email IS NOT NULL));
CREATE INDEX sessions_widget_id_idx ON support.sessions USING btree (widget_id);
CREATE TRIGGER keep_customer BEFORE UPDATE OF customer_id ON support.sessions FOR EACH ROW WHEN (((old.customer_id IS NOT NULL) AND (new.customer_id IS DISTINCT FROM old.customer_id) AND (new.identity <> 'verified'::text) AND (CURRENT_USER = SESSION_USER) AND (platform.current_app() = 'support'::text))) EXECUTE FUNCTION support.keep_customer();
CREATE TRIGGER present_customer_id BEFORE INSERT OR UPDATE OF customer_id ON support.sessions FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.require_present_customer('customer_id');
CREATE TRIGGER z_capture AFTER INSERT OR DELETE OR UPDATE ON support.sessions FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION sync.capture_support_sessions();
alter table support.sessions enable row level security, force row level security;
create policy erase_all on support.sessions for all to erase_role using (true) with check (true);
create policy merge_all on support.sessions for all to merge_role using (true) with check (true);
create policy owner_all on support.sessions for all to platform_owner using (true) with check (true);
create policy support_all on support.sessions for all to support_role using (true) with check (true);
grant delete on support.sessions to erase_role;
grant delete on support.sessions to merge_role;
grant insert (widget_id, customer_id, identity, visitor_email, visitor_name, token_hash, page, language, time_zone, handler, is_offline) on support.sessions to support_role;
grant insert on support.sessions to merge_role;
grant maintain on support.sessions to privacy_role;
grant select on support.sessions to erase_role;
grant select on support.sessions to merge_role;
grant select on support.sessions to support_role;
grant update (customer_id, identity, visitor_email, visitor_name, token_hash, handler, agent_id, status, resolved, message_count, visitor_read_number, agent_read_number, asked_at, waiting_since, snoozed_until, last_message_at, ended_at) on support.sessions to support_role;
grant update on support.sessions to erase_role;
grant update on support.sessions to merge_role;

create table support.widget_agents (
  widget_id uuid not null,
  agent_id uuid not null,
  constraint widget_agents_pkey PRIMARY KEY (widget_id, agent_id),
  constraint widget_agents_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint widget_agents_widget_id_fkey FOREIGN KEY (widget_id) REFERENCES support.widgets(id)
);
comment on table support.widget_agents is 'The team of a widget. A widget without a team belongs to every agent.';
CREATE INDEX widget_agents_agent_id_idx ON support.widget_agents USING btree (agent_id);
alter table support.widget_agents enable row level security, force row level security;
create policy owner_all on support.widget_agents for all to platform_owner using (true) with check (true);
create policy support_all on support.widget_agents for all to support_role using (true) with check (true);
grant delete on support.widget_agents to support_role;
grant insert (widget_id, agent_id) on support.widget_agents to support_role;
grant select on support.widget_agents to support_role;

create table support.widget_secrets (
  id uuid default uuidv7() not null,
  widget_id uuid not null,
  secret text collate "C" not null,
  created_at timestamp with time zone default now() not null,
  retires_at timestamp with time zone,
  constraint widget_secrets_pkey PRIMARY KEY (id),
  constraint widget_secrets_widget_id_fkey FOREIGN KEY (widget_id) REFERENCES support.widgets(id),
  constraint widget_secrets_retires_at_time CHECK (platform.is_time(retires_at)),
  constraint widget_secrets_secret_check CHECK ((secret ~ '^[A-Za-z0-9_-]{43}$'::text))
);
comment on column support.widget_secrets.secret is 'In clear, not hashed: the server computes signatures with it to check those of the host page.';
CREATE INDEX widget_secrets_widget_id_idx ON support.widget_secrets USING btree (widget_id);
alter table support.widget_secrets enable row level security, force row level security;
create policy owner_all on support.widget_secrets for all to platform_owner using (true) with check (true);
create policy support_all on support.widget_secrets for all to support_role using (true) with check (true);
grant delete on support.widget_secrets to support_role;
grant insert (widget_id, secret) on support.widget_secrets to support_role;
grant select on support.widget_secrets to support_role;
grant update (retires_at) on support.widget_secrets to support_role;

create table support.widgets (
  id uuid default uuidv7() not null,
  key text collate "C" not null,
  name text collate platform.people not null,
  allowed_origins text[] default '{}'::text[] not null,
  settings jsonb default '{}'::jsonb not null,
  is_active boolean default true not null,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint widgets_pkey PRIMARY KEY (id),
  constraint widgets_key_key UNIQUE (key),
  constraint widgets_key_check CHECK ((key ~ '^[a-z0-9_-]{8,64}$'::text)),
  constraint widgets_name_check CHECK (platform.is_line(name, 80)),
  constraint widgets_settings_check CHECK (((jsonb_typeof(settings) = 'object'::text) AND (octet_length((settings)::text) <= 16384)))
);
comment on column support.widgets.key is 'Public: it is in the host page. It names the widget and proves nothing.';
CREATE TRIGGER count_version BEFORE UPDATE ON support.widgets FOR EACH ROW EXECUTE FUNCTION platform.count_version();
alter table support.widgets enable row level security, force row level security;
create policy owner_all on support.widgets for all to platform_owner using (true) with check (true);
create policy support_all on support.widgets for all to support_role using (true) with check (true);
grant insert (key, name, allowed_origins, settings, is_active) on support.widgets to support_role;
grant select on support.widgets to support_role;
grant update (key, name, allowed_origins, settings, is_active) on support.widgets to support_role;

create schema sync;
grant usage on schema sync to app_role;
grant usage on schema sync to bulk_role;
grant usage on schema sync to erase_role;
grant usage on schema sync to merge_role;
grant usage on schema sync to observer_role;
grant usage on schema sync to privacy_role;
grant usage on schema sync to simulator_role;
grant usage on schema sync to sync_role;

create sequence sync.lease_ends_ms as bigint start 0 increment 1 minvalue 0 maxvalue 9223372036854775807 cache 1;
grant select on sequence sync.lease_ends_ms to sync_role;

create sequence sync.outbox_id as bigint start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
grant select on sequence sync.outbox_id to sync_role;

CREATE OR REPLACE FUNCTION sync.abandon_import(of_run bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update sync.import_runs r set state = 'abandoned' where r.id = of_run and r.state in ('reading', 'planned');
  if not found then
    raise exception 'this run is past its plan' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Undo it instead.';
  end if;
  perform sync.drop_import_staging(of_run);
  perform sync.drop_import_rows(of_run);
  delete from sync.import_targets t where t.run = of_run;
  delete from sync.import_candidates c where c.run = of_run;
  delete from sync.import_plan_answers a where a.run = of_run;
end $function$;
grant execute on function sync.abandon_import(of_run bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.about_customers()
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT GREATEST((r.reltuples)::bigint, (SELECT count(*) AS count FROM (SELECT FROM platform.customers c_1 LIMIT 1000) c)) AS "greatest" FROM pg_class r WHERE (r.oid = ('platform.customers'::regclass)::oid));
grant execute on function sync.about_customers() to sync_role;

CREATE OR REPLACE FUNCTION sync.acknowledge_alert(of_alert bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  who constant text := platform.current_actor();
begin
  perform sync.require_operator();
  if who is null then
    raise exception 'a person acknowledges an alert' using errcode = 'insufficient_privilege';
  end if;
  update sync.alerts a set acknowledged_by = who, acknowledged_at = clock_timestamp()
  where a.id = of_alert and a.acknowledged_at is null;
  if found then
    perform sync.record_operation('alerts.acknowledge', jsonb_build_object('alert', of_alert), null, '{"acknowledged": true}');
    return true;
  end if;
  return case when exists (select from sync.alerts a where a.id = of_alert) then false end;
end $function$;
grant execute on function sync.acknowledge_alert(of_alert bigint) to console_role;
grant execute on function sync.acknowledge_alert(of_alert bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.add_import_chunk(of_upload bigint, at_place integer, with_bytes bytea)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  whole constant bigint := sync.import_chunk_bytes();
  u sync.import_uploads;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for share;
  if not found or u.state = 'removed' then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if u.state <> 'uploading' then
    raise exception 'file % is complete', of_upload using errcode = 'object_not_in_prerequisite_state';
  elsif at_place * whole >= u.size then
    raise exception 'the file has % chunks', ceil(u.size / whole::numeric) using errcode = 'invalid_parameter_value';
  elsif octet_length(with_bytes) <> least(whole, u.size - at_place * whole) then
    raise exception 'chunk % of this file has % bytes', at_place, least(whole, u.size - at_place * whole)
      using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.import_chunks (upload, place, bytes) values (of_upload, at_place, with_bytes) on conflict do nothing;
end $function$;
grant execute on function sync.add_import_chunk(of_upload bigint, at_place integer, with_bytes bytea) to console_role;

CREATE OR REPLACE FUNCTION sync.add_partitions(size bigint DEFAULT 1000000, OUT last_position bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  head constant bigint := sync.head();
  partition name;
begin
  if size < 1 then raise exception 'a partition holds one position at least' using errcode = 'invalid_parameter_value'; end if;
  select max(p.last) into last_position from sync.list_partitions() p;
  if last_position >= head + size then return; end if;
  -- As long as there is room, numbering does not wait for an analyze or a vacuum: the sequencer calls again.
  perform set_config('lock_timeout', '200ms', true);
  begin
    lock table sync.events in share update exclusive mode;
  exception when lock_not_available then
    if last_position > head then return; end if;
    raise;
  end;
  select coalesce(max(p.last), head - 1) into last_position from sync.list_partitions() p;
  while last_position < head + size loop
    partition := 'events_p' || last_position + 1;
    -- Nothing in a partition is ever updated: its rows are frozen as it grows, so that no vacuum reads it once more when its transaction
    -- ids grow old. Vacuum cleans up after retention before a fifth of a million rows is dead.
    execute format($create$
      create table sync.%I (like sync.events including all excluding comments) with (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000, autovacuum_freeze_min_age = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false)$create$, partition);
    execute format('call platform.protect_table(%L)', 'sync.' || partition);
    execute format('alter table sync.events attach partition sync.%I for values from (%s) to (%s)',
      partition, last_position + 1, last_position + size + 1);
    last_position := last_position + size;
  end loop;
end $function$;
grant execute on function sync.add_partitions(size bigint, OUT last_position bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.alert_author(of_user text)
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT u.name
    FROM platform.users u
   WHERE ((u.id = alert_author.of_user) AND ((EXISTS ( SELECT
            FROM sync.alert_silences s
           WHERE (s.actor = alert_author.of_user))) OR (EXISTS ( SELECT
            FROM sync.alerts a
           WHERE (a.acknowledged_by = alert_author.of_user)))));
END;
grant execute on function sync.alert_author(of_user text) to console_role;
grant execute on function sync.alert_author(of_user text) to sync_role;

CREATE OR REPLACE FUNCTION sync.alert_hold(of_slug text)
 RETURNS interval
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT make_interval(secs => LEAST((sync.health_limit('alert_hold_seconds'::text) * ((2)::double precision ^ (GREATEST((n.told - 1), (0)::bigint))::double precision)), (900)::double precision)) AS make_interval
    FROM ( SELECT count(*) AS told
            FROM sync.alerts a
           WHERE ((a.slug = alert_hold.of_slug) AND (a.told_at > (clock_timestamp() - '01:00:00'::interval)))) n;
END;

CREATE OR REPLACE FUNCTION sync.announce_alerts()
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  turn sync.alert_turn;
  found_state record;
  new_alert bigint;
  silence bigint;
  hold interval;
  words text;
  told_count integer := 0;
begin
  perform set_config('lock_timeout', '500ms', true);
  select * into turn from sync.alert_turn t for update skip locked;
  if not found or turn.announced_at between clock_timestamp() - interval '1 second' and clock_timestamp() then return 0; end if;
  -- What nobody has evaluated lately says nothing about the present.
  if (select h.evaluated_at < clock_timestamp() - interval '30 seconds' from sync.health h) then return 0; end if;
  update sync.alert_turn set announced_at = clock_timestamp();

  -- A check that is well when it is first seen is no news. One that is missing waits, because it may come back.
  insert into sync.alert_states (slug, kind, told, sent)
  select c.slug, c.kind, 'ok', 'ok' from sync.check_states c
  where c.status = 'ok' and not exists (select from sync.alert_states s where s.slug = c.slug);
  update sync.alert_states s set gone_since = case when c.is_there then null else clock_timestamp() end
  from (select s.slug, exists (select from sync.check_states c where c.slug = s.slug) as is_there from sync.alert_states s) c
  where s.slug = c.slug and c.is_there = (s.gone_since is not null);
  delete from sync.alert_states s
  where s.gone_since < clock_timestamp() - interval '1 minute' and s.told in ('ok', 'gone') and s.sent = s.told;

  -- A check that keeps what was told is at rest again.
  update sync.alert_states s set restless_since = null from sync.check_states c
  where c.slug = s.slug and s.restless_since is not null and c.status = s.told and c.since < clock_timestamp() - sync.alert_hold(c.slug);
  update sync.alert_states s set restless_since = clock_timestamp() from sync.check_states c
  where c.slug = s.slug and s.restless_since is null and c.status <> s.told;

  for found_state in
    select c.slug, c.kind, c.status, c.reason, c.since, coalesce(s.told, 'ok') as told, coalesce(s.sent, 'ok') as sent,
      s.slug is null and c.status = 'unknown' as is_new, s.restless_since
    from sync.check_states c left join sync.alert_states s on s.slug = c.slug where c.status <> coalesce(s.told, 'ok')
    union all
    select s.slug, s.kind, 'gone', 'What it was about is no more.', s.gone_since, s.told, s.sent, false, null
    from sync.alert_states s where s.gone_since is not null and s.told not in ('ok', 'gone')
    order by slug
  loop
    words := found_state.reason;
    hold := case when found_state.is_new then make_interval(secs => sync.health_limit('alert_first_hold_seconds'))
      else sync.alert_hold(found_state.slug) end;
    if found_state.since > clock_timestamp() - hold then
      -- It has not lasted. A check that never keeps still is told once as it is while it is not well.
      continue when found_state.told <> 'ok' or found_state.restless_since is null
        or found_state.restless_since > clock_timestamp() - make_interval(secs => sync.health_limit('alert_restless_seconds'));
      words := left('It keeps changing. ' || words, 500);
    end if;
    silence := sync.find_silence(found_state.slug, found_state.kind);
    insert into sync.alerts (slug, kind, status, previous, reason, since, silence_id)
    values (found_state.slug, found_state.kind, found_state.status, found_state.told, words, found_state.since, silence)
    returning id into new_alert;
    insert into sync.alert_states as s (slug, kind, told, sent, alert_id)
    values (found_state.slug, found_state.kind, found_state.status, 'ok', new_alert)
    on conflict (slug) do update set kind = excluded.kind, told = excluded.told, alert_id = excluded.alert_id;
    told_count := told_count + 1;
    if silence is null and found_state.status <> found_state.sent then
      perform sync.send_alert(new_alert);
      update sync.alert_states s set sent = found_state.status where s.slug = found_state.slug;
    end if;
  end loop;

  -- The end of a silence. What is as it was sent last needs no word.
  for found_state in
    select s.slug, s.told, s.alert_id from sync.alert_states s left join sync.check_states c on c.slug = s.slug
    where s.told <> s.sent and coalesce(c.status, 'gone') = s.told and sync.find_silence(s.slug, s.kind) is null
    order by s.slug
  loop
    perform sync.send_alert(found_state.alert_id);
    update sync.alert_states s set sent = found_state.told where s.slug = found_state.slug;
  end loop;

  delete from sync.alerts a where a.id in (
    select o.id from sync.alerts o where o.told_at < clock_timestamp() - interval '400 days' order by o.told_at limit 1000);
  return told_count;
end $function$;
grant execute on function sync.announce_alerts() to console_role;
grant execute on function sync.announce_alerts() to sync_role;

CREATE OR REPLACE FUNCTION sync.apply_import(of_run bigint, lines_max integer, OUT to_n integer, OUT created integer, OUT is_done boolean)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  r sync.import_runs;
  from_n integer;
  overwrite text[];
  rows platform.customers[];
  places integer[];
  ids uuid[];
  refusals jsonb;
  refusal record;
  known integer[];
  rivals integer[];
  changed integer[];
  customers uuid[];
  changes jsonb[];
  versions bigint[];
  person record;
  drawn bigint[];
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('planned', 'applying') then
    if r.state = 'applied' then to_n := r.lines; created := 0; is_done := true; return; end if;
    raise exception 'this run cannot be applied' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'It is ' || coalesce(r.state, 'not there') || ': only a planned run is applied.';
  end if;
  if r.state = 'planned' and sync.count_new_answers(of_run) > 0 then
    raise exception 'answers were given since this plan was decided' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Decide it again (`aether import replan`), so that it follows them';
  end if;
  perform set_config('aether.trace', 'import:' || of_run, true);
  overwrite := array(select jsonb_array_elements_text(r.settings -> 'overwrite'));
  from_n := r.applied_to + 1;
  -- Lines that have not changed need nothing, and are passed over.
  select case when count(*) < lines_max then r.lines else max(w.n) end into to_n
  from (select p.n from sync.import_rows p
        where p.run = of_run and p.n >= from_n and p.code is distinct from 'same-line' order by p.n limit lines_max) w;

  select array_agg(row(
      p.customer, p.email, p.email_key, coalesce(p.name, split_part(p.email, '@', 1)), p.phone, p.phone_key, p.phone_extension,
      coalesce(co.target, alias.target)::uuid, null, p.created_at, null, r.app, null, t.target, w.target, null, p.language, p.timezone,
      null, null)::platform.customers order by p.n), array_agg(p.n order by p.n)
  into rows, places
  from sync.import_rows p
    left join sync.import_targets co on co.run = of_run and co.kind = 'company'
      and co.key = sync.import_company_key(p.company, p.company_domain)
    left join sync.import_targets alias on alias.run = of_run and alias.kind = 'company' and alias.key = co.same_as
    left join sync.import_targets t on t.run = of_run and t.kind = 'tier' and t.key = p.tier
    left join sync.import_targets w on w.run = of_run and w.kind = 'owner' and w.key = p.owner
  where p.run = of_run and p.n between from_n and to_n and p.outcome = 'created' and p.lead = p.n;
  created := coalesce(cardinality(rows), 0);
  if created > 0 then
    -- A customer of another app is one of Foundation's, too: a chat-born one would be adopted when its event comes.
    if r.app <> 'foundation' then
      drawn := platform.draw_customer_numbers('foundation', created, '{}');
      for place in 1..created loop rows[place].crm_id := drawn[place]; end loop;
    end if;
    select i.ids, i.refusals into ids, refusals from platform.insert_customers(rows) i;
    for refusal in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
      created := created - 1;
      if refusal.said ->> 'constraint' in ('customer_emails_pkey', 'customers_pkey') then
        -- Somebody has got this address since the plan: the line belongs to that customer now.
        update sync.import_rows p
        set planned = 'created', outcome = 'updated', code = 'address-taken-since',
            customer = coalesce((select e.customer_id from platform.customer_emails e where e.email_key = p.email_key), p.customer)
        where p.run = of_run and p.n = places[refusal.place];
      else
        update sync.import_rows p
        set planned = 'created', outcome = 'rejected', code = 'refused', customer = null,
            detail = coalesce(p.detail, '{}') || jsonb_build_object('message', refusal.said ->> 'message',
              'field', refusal.said ->> 'column', 'constraint', refusal.said ->> 'constraint')
        where p.run = of_run and p.n = places[refusal.place];
      end if;
    end loop;
    if jsonb_array_length(refusals) > 0 then
      -- The other lines of a person follow the leading one.
      update sync.import_rows p
      set planned = p.outcome, outcome = case l.outcome when 'rejected' then 'rejected' else 'unchanged' end, code = l.code,
        customer = l.customer
      from sync.import_rows l
      where l.run = of_run and l.n = any (places) and l.code in ('refused', 'address-taken-since')
        and p.run = of_run and p.lead = l.n and p.n <> l.n;
    end if;
  end if;

  -- Customers that are there: what the run gives them is compared again, now under their locks.
  select array_agg(p.n order by p.customer), array_agg(p.customer order by p.customer) into known, customers
  from sync.import_rows p
  where p.run = of_run and p.n between from_n and to_n and p.outcome = 'updated' and p.lead = p.n;
  if known is not null then
    perform from platform.customers c
    where c.id in (select coalesce(k.merged_into, k.id) from platform.customers k where k.id = any (customers))
    order by c.id for no key update;
  end if;
  -- A customer that was erased since the plan stays so. One that is gone was created by a run that is undone: its keys are free.
  update sync.import_rows p
  set planned = coalesce(p.planned, p.outcome), outcome = case when g.is_erased then 'excluded' else 'held' end,
      code = case when g.is_erased then 'erased' else 'customer-gone-since' end
  from (
    select q.n, c.id is not null as is_erased
    from sync.import_rows q left join platform.customers k on k.id = q.customer
      left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
    where q.run = of_run and q.n between from_n and to_n and q.outcome in ('updated', 'unchanged') and q.code is distinct from 'same-line'
      and (c.id is null or c.erased_at is not null)) g
  where p.run = of_run and p.n = g.n;
  known := (select array_agg(p.n order by p.customer) from sync.import_rows p
    where p.run = of_run and p.n = any (known) and p.outcome = 'updated');
  if known is not null then
    rivals := known;
    -- Lines that are one customer without being one person, as those of two ids may be, are written one after another.
    loop
      select array_agg(c.n order by c.n) filter (where c.turn = 1), array_agg(c.customer order by c.n) filter (where c.turn = 1),
        array_agg(c.change order by c.n) filter (where c.turn = 1), array_agg(c.n) filter (where c.turn > 1)
      into changed, customers, changes, rivals
      from (
        select x.n, x.customer, v.change, row_number() over (partition by x.customer order by x.n) as turn
        from sync.compare_import(of_run, rivals) x join sync.import_rows p on p.run = of_run and p.n = x.n
          cross join lateral (
            select jsonb_object_agg(f.key, f.value) as change
            from jsonb_each(x.fills) a cross join jsonb_each(sync.import_change(a.key, a.value, p.email_key)) f) v
        where v.change is not null) c;
      exit when changed is null;
      -- What was there is read before it is written.
      insert into sync.import_writes (run, n, customer, field, before, after, version)
      select of_run, c.n, c.customer, a.key, nullif(c.present -> a.key, 'null'), a.value, k.version + 1
      from sync.compare_import(of_run, changed) c cross join jsonb_each(c.fills) a join platform.customers k on k.id = c.customer
      where sync.import_change(a.key, a.value, '') is not null;
      select u.versions, u.refusals into versions, refusals
      from platform.update_customers(customers, array_fill(null::bigint, array[cardinality(customers)]), changes) u;
      for refusal in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
        delete from sync.import_writes w where w.run = of_run and w.n = changed[refusal.place];
        update sync.import_rows p
        set planned = coalesce(p.planned, p.outcome), outcome = 'rejected', code = 'refused',
            detail = coalesce(p.detail, '{}') || jsonb_build_object('message', refusal.said ->> 'message',
              'field', refusal.said ->> 'column', 'constraint', refusal.said ->> 'constraint')
        where p.run = of_run and p.n = changed[refusal.place];
      end loop;
      exit when rivals is null;
    end loop;
    -- The other lines of a person that was refused go with it, so that all of them are read again.
    update sync.import_rows p
    set planned = coalesce(p.planned, p.outcome), outcome = l.outcome, code = l.code, customer = l.customer
    from sync.import_rows l
    where l.run = of_run and l.n = any (known) and l.outcome = 'rejected' and p.run = of_run and p.lead = l.n and p.n <> l.n;
  end if;

  for person in
    select p.n, p.customer, p.extra, f.source from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated') and p.lead = p.n and p.extra is not null
    order by p.customer
  loop
    refusals := sync.write_import_extras(of_run, person.n, (
        select coalesce(c.merged_into, c.id) from platform.customers c where c.id = person.customer and c.erased_at is null),
      person.extra, person.source, overwrite);
    if refusals <> '{}' then
      update sync.import_rows p
      set detail = jsonb_set(coalesce(p.detail, '{}'), '{conflicts}', coalesce(p.detail -> 'conflicts', '{}') || refusals)
      where p.run = of_run and p.n = person.n and not coalesce(p.detail -> 'conflicts' @> refusals, false);
    end if;
  end loop;
  if known is not null then
    update sync.import_rows p
    set planned = coalesce(p.planned, p.outcome), outcome = 'unchanged', code = coalesce(p.code, 'nothing-new-since')
    where p.run = of_run and p.n = any (known) and p.outcome = 'updated'
      and not exists (select from sync.import_writes w where w.run = of_run and w.n = p.n);
  end if;

  insert into sync.import_keys as k (source, key, customer, digest, run)
  select distinct on (f.source, key) f.source, sync.import_key(p.external_id, p.own_key, p.digest) as key, p.customer, p.digest, of_run
  from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p
    join sync.import_files f on f.run = p.run and f.file = p.file
  where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated', 'unchanged')
    and p.code is distinct from 'same-line'
  order by f.source, key, p.n desc
  -- The row of a customer that is merged now stays its row: after an unmerge it is known again.
  on conflict (source, key) do update set digest = excluded.digest, customer = case
    when excluded.customer = (select c.merged_into from platform.customers c where c.id = k.customer) then k.customer
    else excluded.customer end
  where (k.customer, k.digest) is distinct from (excluded.customer, excluded.digest);

  if exists (select from sync.import_decisions) then
    perform sync.follow_import_answers(of_run, array(
      select p.n from sync.import_rows p
      where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated', 'unchanged')
        and p.code is distinct from 'same-line'));
  end if;

  perform sync.forget_refused(of_run, from_n, to_n);
  is_done := to_n >= r.lines;
  -- The next plan joins these tables: without their new sizes it would search one of them for each row of another.
  if is_done and r.lines - coalesce((r.planned ->> 'unchanged')::integer, 0) > 5000 then
    analyze sync.import_keys, sync.import_writes, platform.customers, platform.customer_emails, platform.customer_phones;
  end if;
  update sync.import_runs x set applied_to = to_n, state = case when is_done then 'applied' else 'applying' end where x.id = of_run;
  if is_done then perform sync.drop_import_staging(of_run); end if;
end $function$;
grant execute on function sync.apply_import(of_run bigint, lines_max integer, OUT to_n integer, OUT created integer, OUT is_done boolean) to sync_role;

CREATE OR REPLACE FUNCTION sync.are_different(one uuid, other uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN ((EXISTS (SELECT FROM platform.review_candidates r WHERE ((r.customer_id = LEAST(are_different.one, are_different.other)) AND (r.other_id = GREATEST(are_different.one, are_different.other)) AND (r.state = 'different'::text)))) OR (EXISTS (SELECT FROM ((platform.customers c JOIN platform.review_candidates r ON (((r.customer_id = c.id) AND (r.state = 'different'::text)))) JOIN platform.customers d ON ((d.id = r.other_id))) WHERE (((c.merged_into = are_different.one) OR (c.id = are_different.one)) AND ((d.merged_into = are_different.other) OR (d.id = are_different.other))))) OR (EXISTS (SELECT FROM ((platform.customers c JOIN platform.review_candidates r ON (((r.other_id = c.id) AND (r.state = 'different'::text)))) JOIN platform.customers d ON ((d.id = r.customer_id))) WHERE (((c.merged_into = are_different.one) OR (c.id = are_different.one)) AND ((d.merged_into = are_different.other) OR (d.id = are_different.other))))));

CREATE OR REPLACE FUNCTION sync.ask_import(of_kind text, of_run bigint, with_settings jsonb, reason text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  file jsonb;
  new_job bigint;
  found_state text;
begin
  if of_kind in ('replan', 'whatif') then perform platform.require_steward(); else perform sync.require_operator(); end if;
  if reason is not null or of_kind = 'undo' then perform sync.require_reason(reason); end if;
  if of_kind = 'plan' then
    for file in select f.value from jsonb_array_elements(with_settings -> 'files') f loop
      update sync.import_uploads u set used_at = clock_timestamp()
      where u.id = (file ->> 'upload')::bigint and u.state = 'recognised';
      if not found then
        raise exception 'file % is not there, or the worker has not recognised it', file ->> 'upload'
          using errcode = 'object_not_in_prerequisite_state';
      end if;
      insert into sync.import_mappings (fingerprint, settings)
      -- The encoding and the sheet are those of this file: the worker looks at the next one without them.
      select u.recognition ->> 'fingerprint', u.settings #- '{answers,encoding}' #- '{answers,sheet}'
      from sync.import_uploads u where u.id = (file ->> 'upload')::bigint
      on conflict (fingerprint) do update
        set settings = excluded.settings, used_at = clock_timestamp(), actor = platform.current_actor();
    end loop;
  elsif of_kind in ('replan', 'whatif', 'apply', 'verify', 'preview', 'undo') then
    select r.state into found_state from sync.import_runs r where r.id = of_run for update;
    if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
    if of_kind = 'apply' and found_state not in ('planned', 'applying') or of_kind in ('replan', 'whatif') and found_state <> 'planned'
       or of_kind in ('preview', 'undo', 'verify') and found_state not in ('applying', 'applied', 'undoing', 'undone') then
      raise exception 'run % is %', of_run, found_state using errcode = 'object_not_in_prerequisite_state';
    elsif exists (select from sync.import_jobs j where j.run = of_run and j.state in ('waiting', 'working')) then
      raise exception 'the worker is at another step of run %', of_run using errcode = 'object_not_in_prerequisite_state';
    elsif of_kind = 'apply' and found_state = 'planned' and sync.count_new_answers(of_run) > 0 then
      raise exception 'answers were given since this plan was decided: decide it again' using errcode = 'object_not_in_prerequisite_state';
    end if;
  else
    raise exception 'there is no such step of an import' using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.import_jobs (kind, run, settings)
  values (of_kind, of_run, jsonb_strip_nulls(with_settings || jsonb_build_object('reason', btrim(reason)))) returning id into new_job;
  perform pg_notify('sync_import_jobs', '');
  if of_kind in ('plan', 'replan', 'apply', 'undo') then
    perform sync.record_operation('import.' || of_kind, jsonb_strip_nulls(jsonb_build_object('job', new_job, 'run', of_run,
      'files', (select jsonb_agg(f.value -> 'upload') from jsonb_array_elements(with_settings -> 'files') f))), btrim(reason), '{}');
  end if;
  return new_job;
end $function$;
grant execute on function sync.ask_import(of_kind text, of_run bigint, with_settings jsonb, reason text) to console_role;

CREATE OR REPLACE FUNCTION sync.ask_quality_round(reason text DEFAULT NULL::text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform sync.require_operator();
  update sync.quality_scans s set place = null, rows_seen = 0, round_began_at = now(), asked_at = now(), asked_by = platform.current_actor()
  where not exists (select from sync.quality_scans o where o.asked_at is not null);
  if not found then return false; end if;
  perform sync.record_operation('quality.round', '{}', ask_quality_round.reason, '{"asked": true}');
  return true;
end $function$;
grant execute on function sync.ask_quality_round(reason text) to console_role;
grant execute on function sync.ask_quality_round(reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.await_doorbell(for_ms integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform set_config('lock_timeout', greatest(for_ms, 1)::text, true);
  perform pg_advisory_xact_lock(7271, 1);
  return true;
exception when lock_not_available then
  return false;
end $function$;
grant execute on function sync.await_doorbell(for_ms integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.beat(of_process text, clock_ms double precision, of_report jsonb, ends boolean DEFAULT false)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  speaker constant text := platform.current_app();
  beat_time constant timestamptz := clock_timestamp();
  now_seconds constant double precision := round(extract(epoch from beat_time), 3);
  off_ms constant double precision := clock_ms - extract(epoch from beat_time)::double precision * 1000;
begin
  if speaker in ('operator', 'privacy') then
    raise exception 'only an app and the worker have heartbeats' using errcode = 'insufficient_privilege';
  end if;
  if of_process is null or of_process !~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,79}$' or jsonb_typeof(of_report) is distinct from 'object'
     or octet_length(of_report::text) > 16384 or not coalesce(abs(off_ms) < 1e15, false) then
    raise exception 'a heartbeat has the name of a process, its clock and a report of at most 16 KB' using errcode = 'check_violation';
  end if;
  -- A beat that is lost in a crash of the database is repeated in two seconds.
  perform set_config('synchronous_commit', 'off', true);
  update sync.heartbeats h
  set beat_at = beat_time, ended_at = case when ends then beat_time end, clock_off_ms = greatest(off_ms, h.clock_last_ms),
    clock_last_ms = off_ms, report = of_report - 'turns',
    login = session_user,
    turns = coalesce((
      select jsonb_object_agg(t.name, case when h.turns #> array[t.name, '0'] = t.value then h.turns -> t.name
        else jsonb_build_array(t.value, now_seconds) end)
      from sync.members_in(of_report, '{turns}') t where jsonb_typeof(t.value) = 'number'), '{}')
  where h.app = speaker and h.process = of_process;
  if found then return; end if;
  -- No app may fill the table. What has ended or is silent makes room.
  if (select count(*) from sync.heartbeats h where h.app = speaker) >= 200 then
    delete from sync.heartbeats h
    where h.app = speaker and h.beat_at < clock_timestamp() - interval '10 seconds'
      and h.process = (select o.process from sync.heartbeats o where o.app = speaker order by o.beat_at limit 1);
    if not found then
      raise exception 'an app has at most 200 processes' using errcode = 'configuration_limit_exceeded';
    end if;
  end if;
  insert into sync.heartbeats as h (app, process, login, ended_at, clock_off_ms, clock_last_ms, report, turns)
  values (speaker, of_process, session_user, case when ends then clock_timestamp() end, off_ms, off_ms, of_report - 'turns', coalesce((
    select jsonb_object_agg(t.name, jsonb_build_array(t.value, now_seconds))
    from sync.members_in(of_report, '{turns}') t where jsonb_typeof(t.value) = 'number'), '{}'))
  on conflict do nothing;
end $function$;
grant execute on function sync.beat(of_process text, clock_ms double precision, of_report jsonb, ends boolean) to app_role;
grant execute on function sync.beat(of_process text, clock_ms double precision, of_report jsonb, ends boolean) to sync_role;

CREATE OR REPLACE FUNCTION sync.begin_import(of_app text, with_settings jsonb, by_rules text, files jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  new_run bigint;
  gone bigint;
begin
  for gone in select r.id from sync.import_runs r where r.state = 'reading' loop
    -- Its plan may have ended since this loop began.
    if pg_try_advisory_xact_lock(7272, gone::integer) and exists (
      select from sync.import_runs r where r.id = gone and r.state = 'reading') then perform sync.abandon_import(gone); end if;
  end loop;
  insert into sync.import_runs (app, settings, rules) values (of_app, with_settings, by_rules) returning id into new_run;
  perform pg_advisory_lock(7272, new_run::integer);
  insert into sync.import_files (run, file, source, name, sha256)
  select new_run, f.file, f.source, f.name, f.sha256
  from jsonb_to_recordset(files) f (file smallint, source text, name text, sha256 text);
  insert into sync.import_steps (run, step) values (new_run, 'plan');
  perform sync.drop_import_staging(l.run)
  from (select substring(i.inhrelid::regclass::text from '_p(\d+)$')::bigint as run from pg_catalog.pg_inherits i
        where i.inhparent = 'staging.import_lines'::regclass) l
    join sync.import_runs r on r.id = l.run and r.state not in ('reading', 'planned');
  perform sync.drop_import_rows(r.id)
  from sync.import_runs r where r.state = 'abandoned' and to_regclass('sync.import_rows_p' || r.id) is not null;
  perform set_config('lock_timeout', '5s', true);
  execute format('create unlogged table staging.import_lines_p%s (like staging.import_lines)
    with (autovacuum_enabled = false)', new_run);
  execute format('create unlogged table staging.import_groups_p%s (like staging.import_groups) with (autovacuum_enabled = false)',
    new_run);
  execute format('create table sync.import_rows_p%s (like sync.import_rows including all excluding comments)', new_run);
  execute format('call platform.protect_table(%L)', 'sync.import_rows_p' || new_run);
  execute format('alter table staging.import_lines attach partition staging.import_lines_p%1$s for values in (%1$s)', new_run);
  execute format('alter table staging.import_groups attach partition staging.import_groups_p%1$s for values in (%1$s)', new_run);
  execute format('alter table sync.import_rows attach partition sync.import_rows_p%1$s for values in (%1$s)', new_run);
  return new_run;
end $function$;
grant execute on function sync.begin_import(of_app text, with_settings jsonb, by_rules text, files jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.begin_import_step(of_run bigint, of_step text, because text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 INSERT INTO sync.import_steps (run, step, reason)
   VALUES (begin_import_step.of_run, begin_import_step.of_step, NULLIF(btrim(begin_import_step.because), ''::text))
   RETURNING import_steps.id;
END;
grant execute on function sync.begin_import_step(of_run bigint, of_step text, because text) to sync_role;

CREATE OR REPLACE FUNCTION sync.begin_import_upload(of_name text, of_size bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  kept_max constant bigint := 20 * 1073741824::bigint;
  new_id bigint;
begin
  perform sync.require_operator();
  if of_size > 2147483648 then
    raise exception 'a file has at most 2 GB' using errcode = 'program_limit_exceeded';
  elsif of_size + (select coalesce(sum(u.size), 0) from sync.import_uploads u where u.state <> 'removed') > kept_max then
    raise exception 'all files together have at most 20 GB: remove some that are imported' using errcode = 'program_limit_exceeded';
  end if;
  insert into sync.import_uploads (name, size) values (of_name, of_size) returning id into new_id;
  return new_id;
end $function$;
grant execute on function sync.begin_import_upload(of_name text, of_size bigint) to console_role;

CREATE OR REPLACE FUNCTION sync.begin_match_model(by_rules text, least_customers integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  present constant bigint := sync.about_customers();
begin
  if not exists (
    select from sync.match_model m
    where present >= least_customers and coalesce(m.making_until < clock_timestamp(), true)
      and (m.rules is distinct from by_rules or present >= 2 * m.customers or present * 2 <= m.customers)) then
    return false;
  end if;
  update sync.match_model m set making_until = clock_timestamp() + interval '5 minutes'
  where coalesce(m.making_until < clock_timestamp(), true);
  return found;
end $function$;
grant execute on function sync.begin_match_model(by_rules text, least_customers integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.begin_match_walk()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform sync.require_operator();
  update sync.match_walk w
  set phase = 'keys', after = default, looked_at = 0, pairs = 0, began_at = clock_timestamp(), ended_at = null,
    asked_by = platform.current_actor();
end $function$;
grant execute on function sync.begin_match_walk() to sync_role;

CREATE OR REPLACE FUNCTION sync.begin_replan(of_run bigint, with_settings jsonb, as_of timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'planned' then
    raise exception 'this run is %', coalesce(r.state, 'not there') using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Only a planned run is decided again';
  end if;
  update sync.import_runs x set state = 'reading', settings = x.settings || with_settings, unmapped = '{}', decided_at = as_of
  where x.id = of_run;
  -- A truncation would keep readers of the former plan waiting.
  execute format('delete from sync.import_rows_p%s', of_run);
  execute format('delete from staging.import_groups_p%s', of_run);
  delete from sync.import_targets t where t.run = of_run;
  delete from sync.import_candidates c where c.run = of_run;
  delete from sync.import_plan_answers a where a.run = of_run;
  insert into sync.import_steps (run, step) values (of_run, 'plan');
end $function$;
grant execute on function sync.begin_replan(of_run bigint, with_settings jsonb, as_of timestamp with time zone) to sync_role;

CREATE OR REPLACE FUNCTION sync.cancel_import_job(of_job bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  j sync.import_jobs;
begin
  select * into j from sync.import_jobs x where x.id = of_job for update;
  if j.kind in ('replan', 'whatif') then perform platform.require_steward(); else perform sync.require_operator(); end if;
  if j.id is null then raise exception 'there is no job %', of_job using errcode = 'no_data_found'; end if;
  if j.state not in ('waiting', 'working') then
    raise exception 'job % has ended', of_job using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_jobs x
  set is_cancelled = true, state = case x.state when 'waiting' then 'cancelled' else x.state end,
      ended_at = case x.state when 'waiting' then clock_timestamp() end
  where x.id = of_job;
  perform sync.record_operation('import.cancel', jsonb_strip_nulls(jsonb_build_object('job', of_job, 'run', j.run)), null,
    jsonb_build_object('kind', j.kind));
end $function$;
grant execute on function sync.cancel_import_job(of_job bigint) to console_role;

CREATE OR REPLACE PROCEDURE sync.capture(IN target regclass, IN entity text, IN event_audience text, IN event_key text, IN event_customer text, IN always text[] DEFAULT '{}'::text[], IN never text[] DEFAULT '{}'::text[], IN in_sets boolean DEFAULT false)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
declare
  columns text[];
  has_version boolean;
  function_name text := 'capture_' || replace(target::text, '.', '_');
  whole text;
  changes text;
  data_of_set text;
  previous_of_set text;
begin
  if event_audience <> 'platform' and not exists (select from platform.apps a where a.audience = event_audience) then
    raise exception 'no app has the audience %', event_audience using errcode = 'invalid_parameter_value';
  end if;
  select array_agg(a.attname::text order by a.attnum)
           filter (where a.attname not in ('version', 'updated_at') and a.attname <> all (never)),
         bool_or(a.attname = 'version')
  into columns, has_version from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped;
  -- jsonb_build_object takes at most a hundred arguments.
  select string_agg(format('jsonb_build_object(%s)', pairs), ' || ') into whole from (
    select string_agg(format('%L, r.%I', c, c), ', ' order by n) as pairs
    from unnest(columns) with ordinality as u (c, n) group by (n - 1) / 40 order by (n - 1) / 40) chunks;
  -- Most updates change few columns, and every statement of plpgsql costs as much as many comparisons: six columns are compared at once.
  select string_agg(format($f$
    if %s then%s
    end if;$f$, differs, changed), '' order by six) into changes from (
      select n / 6 as six, string_agg(format('new.%1$I is distinct from old.%1$I', c), E'\n       or ' order by n) as differs,
        string_agg(format($f$
      if new.%1$I is distinct from old.%1$I then
        data := data || jsonb_build_object(%1$L, new.%1$I);
        previous := previous || jsonb_build_object(%1$L, old.%1$I);
      end if;$f$, c), '' order by n) as changed
      from unnest(columns) with ordinality as u (c, n) group by n / 6) sixes;

  execute format($f$
create or replace function sync.%1$I() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
-- never: %12$s
declare
  r %2$s;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then%3$s
    if data = '{}'%10$s then return null; end if;
    data := jsonb_build_object(%4$s) || data;
  elsif tg_op = 'INSERT' then
    data := %5$s;
  else
    previous := %5$s;
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values (%6$L || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (%7$s)::text, (%11$s)::uuid,
          r.id::text, %8$s, %9$L, platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $body$ $f$,
    function_name, target, changes, (select string_agg(format('%L, r.%I', c, c), ', ') from unnest(always) c), whole,
    entity || '.', event_key, case when has_version then 'r.version' else 'null' end,
    event_audience, case when has_version then ' and new.version is not distinct from old.version' else '' end, event_customer,
    coalesce(array_to_string(never, ' '), ''));
  insert into sync.entities (name, audience) values (entity, event_audience)
  on conflict (name) do update set audience = excluded.audience;
  execute format(
    'create or replace trigger z_capture after insert or update or delete on %s for each row when (current_user <> all (''{merge_role,erase_role}''))
      execute function sync.%I()',
    target, function_name);
  if not in_sets then return; end if;

  select string_agg(format($f$case when r.%1$I is distinct from o.%1$I then jsonb_build_object(%1$L, r.%1$I) else '{}' end$f$, c),
           E'\n             || ' order by n),
         string_agg(format($f$case when r.%1$I is distinct from o.%1$I then jsonb_build_object(%1$L, o.%1$I) else '{}' end$f$, c),
           E'\n             || ' order by n)
  into data_of_set, previous_of_set from unnest(columns) with ordinality as u (c, n);
  execute format($f$
create or replace function sync.capture_set(olds %1$s[], news %1$s[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
declare
  app constant text := platform.current_app();
  actor constant text := platform.current_actor();
  trace constant text := nullif(left(current_setting('aether.trace', true), 255), '');
begin
  if olds is null then
    insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, trace)
    select %2$L, (%3$s)::text, (%4$s)::uuid, r.id::text, %5$s, %6$L, app, session_user, actor,
           %7$s, trace
    from unnest(news) r;
  else
    insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
    select %8$L, (%3$s)::text, (%4$s)::uuid, r.id::text, %5$s, %6$L, app, session_user, actor,
           jsonb_build_object(%9$s)
             || %10$s,
           %11$s, trace
    from generate_subscripts(news, 1) place cross join lateral (select (olds[place]).*) o cross join lateral (select (news[place]).*) r
    order by place;
  end if;
  perform sync.ring();
end $body$ $f$,
    target, entity || '.created', event_key, event_customer, case when has_version then 'r.version' else 'null' end, event_audience,
    whole, entity || '.updated', (select string_agg(format('%L, r.%I', c, c), ', ') from unnest(always) c), data_of_set,
    previous_of_set);
end $procedure$;

CREATE OR REPLACE FUNCTION sync.capture_crm_activities()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: request_digest
declare
  r crm.activities;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.customer_id is distinct from old.customer_id
       or new.deal_id is distinct from old.deal_id
       or new.type is distinct from old.type
       or new.description is distinct from old.description then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.deal_id is distinct from old.deal_id then
        data := data || jsonb_build_object('deal_id', new.deal_id);
        previous := previous || jsonb_build_object('deal_id', old.deal_id);
      end if;
      if new.type is distinct from old.type then
        data := data || jsonb_build_object('type', new.type);
        previous := previous || jsonb_build_object('type', old.type);
      end if;
      if new.description is distinct from old.description then
        data := data || jsonb_build_object('description', new.description);
        previous := previous || jsonb_build_object('description', old.description);
      end if;
    end if;
    if new.metadata is distinct from old.metadata
       or new.occurred_at is distinct from old.occurred_at
       or new.due_at is distinct from old.due_at
       or new.done_at is distinct from old.done_at
       or new.created_at is distinct from old.created_at
       or new.created_by_app is distinct from old.created_by_app then
      if new.metadata is distinct from old.metadata then
        data := data || jsonb_build_object('metadata', new.metadata);
        previous := previous || jsonb_build_object('metadata', old.metadata);
      end if;
      if new.occurred_at is distinct from old.occurred_at then
        data := data || jsonb_build_object('occurred_at', new.occurred_at);
        previous := previous || jsonb_build_object('occurred_at', old.occurred_at);
      end if;
      if new.due_at is distinct from old.due_at then
        data := data || jsonb_build_object('due_at', new.due_at);
        previous := previous || jsonb_build_object('due_at', old.due_at);
      end if;
      if new.done_at is distinct from old.done_at then
        data := data || jsonb_build_object('done_at', new.done_at);
        previous := previous || jsonb_build_object('done_at', old.done_at);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
      if new.created_by_app is distinct from old.created_by_app then
        data := data || jsonb_build_object('created_by_app', new.created_by_app);
        previous := previous || jsonb_build_object('created_by_app', old.created_by_app);
      end if;
    end if;
    if new.created_by is distinct from old.created_by
       or new.created_by_login is distinct from old.created_by_login
       or new.idempotency_key is distinct from old.idempotency_key then
      if new.created_by is distinct from old.created_by then
        data := data || jsonb_build_object('created_by', new.created_by);
        previous := previous || jsonb_build_object('created_by', old.created_by);
      end if;
      if new.created_by_login is distinct from old.created_by_login then
        data := data || jsonb_build_object('created_by_login', new.created_by_login);
        previous := previous || jsonb_build_object('created_by_login', old.created_by_login);
      end if;
      if new.idempotency_key is distinct from old.idempotency_key then
        data := data || jsonb_build_object('idempotency_key', new.idempotency_key);
        previous := previous || jsonb_build_object('idempotency_key', old.idempotency_key);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('customer_id', r.customer_id, 'type', r.type) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'deal_id', r.deal_id, 'type', r.type, 'description', r.description, 'metadata', r.metadata, 'occurred_at', r.occurred_at, 'due_at', r.due_at, 'done_at', r.done_at, 'created_at', r.created_at, 'created_by_app', r.created_by_app, 'created_by', r.created_by, 'created_by_login', r.created_by_login, 'idempotency_key', r.idempotency_key);
  else
    previous := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'deal_id', r.deal_id, 'type', r.type, 'description', r.description, 'metadata', r.metadata, 'occurred_at', r.occurred_at, 'due_at', r.due_at, 'done_at', r.done_at, 'created_at', r.created_at, 'created_by_app', r.created_by_app, 'created_by', r.created_by, 'created_by_login', r.created_by_login, 'idempotency_key', r.idempotency_key);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('activity.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (r.customer_id)::uuid,
          r.id::text, null, 'crm', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_crm_contacts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: 
declare
  r crm.contacts;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.company_id is distinct from old.company_id
       or new.customer_id is distinct from old.customer_id
       or new.name is distinct from old.name
       or new.title is distinct from old.title then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.company_id is distinct from old.company_id then
        data := data || jsonb_build_object('company_id', new.company_id);
        previous := previous || jsonb_build_object('company_id', old.company_id);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.name is distinct from old.name then
        data := data || jsonb_build_object('name', new.name);
        previous := previous || jsonb_build_object('name', old.name);
      end if;
      if new.title is distinct from old.title then
        data := data || jsonb_build_object('title', new.title);
        previous := previous || jsonb_build_object('title', old.title);
      end if;
    end if;
    if new.email is distinct from old.email
       or new.phone is distinct from old.phone
       or new.phone_key is distinct from old.phone_key
       or new.phone_extension is distinct from old.phone_extension
       or new.created_at is distinct from old.created_at then
      if new.email is distinct from old.email then
        data := data || jsonb_build_object('email', new.email);
        previous := previous || jsonb_build_object('email', old.email);
      end if;
      if new.phone is distinct from old.phone then
        data := data || jsonb_build_object('phone', new.phone);
        previous := previous || jsonb_build_object('phone', old.phone);
      end if;
      if new.phone_key is distinct from old.phone_key then
        data := data || jsonb_build_object('phone_key', new.phone_key);
        previous := previous || jsonb_build_object('phone_key', old.phone_key);
      end if;
      if new.phone_extension is distinct from old.phone_extension then
        data := data || jsonb_build_object('phone_extension', new.phone_extension);
        previous := previous || jsonb_build_object('phone_extension', old.phone_extension);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' and new.version is not distinct from old.version then return null; end if;
    data := jsonb_build_object('company_id', r.company_id, 'name', r.name) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'company_id', r.company_id, 'customer_id', r.customer_id, 'name', r.name, 'title', r.title, 'email', r.email, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'company_id', r.company_id, 'customer_id', r.customer_id, 'name', r.name, 'title', r.title, 'email', r.email, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('contact.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (r.customer_id)::uuid,
          r.id::text, r.version, 'crm', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_crm_custom_field_values()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: 
declare
  r crm.custom_field_values;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.field_id is distinct from old.field_id
       or new.field_key is distinct from old.field_key
       or new.field_label is distinct from old.field_label
       or new.customer_id is distinct from old.customer_id then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.field_id is distinct from old.field_id then
        data := data || jsonb_build_object('field_id', new.field_id);
        previous := previous || jsonb_build_object('field_id', old.field_id);
      end if;
      if new.field_key is distinct from old.field_key then
        data := data || jsonb_build_object('field_key', new.field_key);
        previous := previous || jsonb_build_object('field_key', old.field_key);
      end if;
      if new.field_label is distinct from old.field_label then
        data := data || jsonb_build_object('field_label', new.field_label);
        previous := previous || jsonb_build_object('field_label', old.field_label);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
    end if;
    if new.company_id is distinct from old.company_id
       or new.deal_id is distinct from old.deal_id
       or new.value is distinct from old.value
       or new.created_at is distinct from old.created_at then
      if new.company_id is distinct from old.company_id then
        data := data || jsonb_build_object('company_id', new.company_id);
        previous := previous || jsonb_build_object('company_id', old.company_id);
      end if;
      if new.deal_id is distinct from old.deal_id then
        data := data || jsonb_build_object('deal_id', new.deal_id);
        previous := previous || jsonb_build_object('deal_id', old.deal_id);
      end if;
      if new.value is distinct from old.value then
        data := data || jsonb_build_object('value', new.value);
        previous := previous || jsonb_build_object('value', old.value);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('field_id', r.field_id, 'field_key', r.field_key, 'field_label', r.field_label, 'customer_id', r.customer_id, 'company_id', r.company_id, 'deal_id', r.deal_id) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'field_id', r.field_id, 'field_key', r.field_key, 'field_label', r.field_label, 'customer_id', r.customer_id, 'company_id', r.company_id, 'deal_id', r.deal_id, 'value', r.value, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'field_id', r.field_id, 'field_key', r.field_key, 'field_label', r.field_label, 'customer_id', r.customer_id, 'company_id', r.company_id, 'deal_id', r.deal_id, 'value', r.value, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('custom_value.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (coalesce('deal:' || r.deal_id, r.company_id::text, 'custom_value:' || r.id))::text, (coalesce(r.customer_id, (select d.customer_id from crm.deals d where d.id = r.deal_id)))::uuid,
          r.id::text, null, 'crm', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_crm_deals()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: request_digest
declare
  r crm.deals;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.customer_id is distinct from old.customer_id
       or new.company_id is distinct from old.company_id
       or new.pipeline_id is distinct from old.pipeline_id
       or new.stage_id is distinct from old.stage_id then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.company_id is distinct from old.company_id then
        data := data || jsonb_build_object('company_id', new.company_id);
        previous := previous || jsonb_build_object('company_id', old.company_id);
      end if;
      if new.pipeline_id is distinct from old.pipeline_id then
        data := data || jsonb_build_object('pipeline_id', new.pipeline_id);
        previous := previous || jsonb_build_object('pipeline_id', old.pipeline_id);
      end if;
      if new.stage_id is distinct from old.stage_id then
        data := data || jsonb_build_object('stage_id', new.stage_id);
        previous := previous || jsonb_build_object('stage_id', old.stage_id);
      end if;
    end if;
    if new.name is distinct from old.name
       or new.amount is distinct from old.amount
       or new.currency is distinct from old.currency
       or new.status is distinct from old.status
       or new.owner_id is distinct from old.owner_id
       or new.expected_close_on is distinct from old.expected_close_on then
      if new.name is distinct from old.name then
        data := data || jsonb_build_object('name', new.name);
        previous := previous || jsonb_build_object('name', old.name);
      end if;
      if new.amount is distinct from old.amount then
        data := data || jsonb_build_object('amount', new.amount);
        previous := previous || jsonb_build_object('amount', old.amount);
      end if;
      if new.currency is distinct from old.currency then
        data := data || jsonb_build_object('currency', new.currency);
        previous := previous || jsonb_build_object('currency', old.currency);
      end if;
      if new.status is distinct from old.status then
        data := data || jsonb_build_object('status', new.status);
        previous := previous || jsonb_build_object('status', old.status);
      end if;
      if new.owner_id is distinct from old.owner_id then
        data := data || jsonb_build_object('owner_id', new.owner_id);
        previous := previous || jsonb_build_object('owner_id', old.owner_id);
      end if;
      if new.expected_close_on is distinct from old.expected_close_on then
        data := data || jsonb_build_object('expected_close_on', new.expected_close_on);
        previous := previous || jsonb_build_object('expected_close_on', old.expected_close_on);
      end if;
    end if;
    if new.closed_at is distinct from old.closed_at
       or new.idempotency_key is distinct from old.idempotency_key
       or new.created_at is distinct from old.created_at then
      if new.closed_at is distinct from old.closed_at then
        data := data || jsonb_build_object('closed_at', new.closed_at);
        previous := previous || jsonb_build_object('closed_at', old.closed_at);
      end if;
      if new.idempotency_key is distinct from old.idempotency_key then
        data := data || jsonb_build_object('idempotency_key', new.idempotency_key);
        previous := previous || jsonb_build_object('idempotency_key', old.idempotency_key);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' and new.version is not distinct from old.version then return null; end if;
    data := jsonb_build_object('customer_id', r.customer_id, 'name', r.name) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'company_id', r.company_id, 'pipeline_id', r.pipeline_id, 'stage_id', r.stage_id, 'name', r.name, 'amount', r.amount, 'currency', r.currency, 'status', r.status, 'owner_id', r.owner_id, 'expected_close_on', r.expected_close_on, 'closed_at', r.closed_at, 'idempotency_key', r.idempotency_key, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'company_id', r.company_id, 'pipeline_id', r.pipeline_id, 'stage_id', r.stage_id, 'name', r.name, 'amount', r.amount, 'currency', r.currency, 'status', r.status, 'owner_id', r.owner_id, 'expected_close_on', r.expected_close_on, 'closed_at', r.closed_at, 'idempotency_key', r.idempotency_key, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('deal.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, ('deal:' || r.id)::text, (r.customer_id)::uuid,
          r.id::text, r.version, 'crm', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_erasure(people uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  select 'customer.erased', c.id::text, c.id, c.id::text, c.version, 'platform', platform.current_app(), session_user,
    platform.current_actor(), jsonb_build_object('email', c.email, 'name', c.name, 'erased_at', c.erased_at), '{}',
    nullif(left(current_setting('aether.trace', true), 255), '')
  from platform.customers c where c.id = any (people) order by c.merged_into is not null, c.id;
  perform sync.ring();
end $function$;
grant execute on function sync.capture_erasure(people uuid[]) to erase_role;

CREATE OR REPLACE FUNCTION sync.capture_merge(event_type text, of_customer platform.customers, data jsonb, previous jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values (event_type, of_customer.id::text, of_customer.id, of_customer.id::text, of_customer.version, 'platform', platform.current_app(),
    session_user, platform.current_actor(), jsonb_build_object('email', of_customer.email, 'name', of_customer.name) || data, previous,
    nullif(left(current_setting('aether.trace', true), 255), ''));
  perform sync.ring();
end $function$;
grant execute on function sync.capture_merge(event_type text, of_customer platform.customers, data jsonb, previous jsonb) to merge_role;

CREATE OR REPLACE FUNCTION sync.capture_platform_companies()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: 
declare
  r platform.companies;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.name is distinct from old.name
       or new.domain is distinct from old.domain
       or new.created_at is distinct from old.created_at
       or new.created_by_app is distinct from old.created_by_app then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.name is distinct from old.name then
        data := data || jsonb_build_object('name', new.name);
        previous := previous || jsonb_build_object('name', old.name);
      end if;
      if new.domain is distinct from old.domain then
        data := data || jsonb_build_object('domain', new.domain);
        previous := previous || jsonb_build_object('domain', old.domain);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
      if new.created_by_app is distinct from old.created_by_app then
        data := data || jsonb_build_object('created_by_app', new.created_by_app);
        previous := previous || jsonb_build_object('created_by_app', old.created_by_app);
      end if;
    end if;
    if data = '{}' and new.version is not distinct from old.version then return null; end if;
    data := jsonb_build_object('name', r.name) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'name', r.name, 'domain', r.domain, 'created_at', r.created_at, 'created_by_app', r.created_by_app);
  else
    previous := jsonb_build_object('id', r.id, 'name', r.name, 'domain', r.domain, 'created_at', r.created_at, 'created_by_app', r.created_by_app);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('company.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (null)::uuid,
          r.id::text, r.version, 'platform', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_platform_customer_emails()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: email_key is_primary
declare
  r platform.customer_emails;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.email is distinct from old.email
       or new.customer_id is distinct from old.customer_id
       or new.verified_at is distinct from old.verified_at
       or new.verified_by is distinct from old.verified_by then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.email is distinct from old.email then
        data := data || jsonb_build_object('email', new.email);
        previous := previous || jsonb_build_object('email', old.email);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.verified_at is distinct from old.verified_at then
        data := data || jsonb_build_object('verified_at', new.verified_at);
        previous := previous || jsonb_build_object('verified_at', old.verified_at);
      end if;
      if new.verified_by is distinct from old.verified_by then
        data := data || jsonb_build_object('verified_by', new.verified_by);
        previous := previous || jsonb_build_object('verified_by', old.verified_by);
      end if;
    end if;
    if new.created_at is distinct from old.created_at
       or new.added_by_app is distinct from old.added_by_app
       or new.added_by is distinct from old.added_by then
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
      if new.added_by_app is distinct from old.added_by_app then
        data := data || jsonb_build_object('added_by_app', new.added_by_app);
        previous := previous || jsonb_build_object('added_by_app', old.added_by_app);
      end if;
      if new.added_by is distinct from old.added_by then
        data := data || jsonb_build_object('added_by', new.added_by);
        previous := previous || jsonb_build_object('added_by', old.added_by);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('customer_id', r.customer_id, 'email', r.email) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'email', r.email, 'customer_id', r.customer_id, 'verified_at', r.verified_at, 'verified_by', r.verified_by, 'created_at', r.created_at, 'added_by_app', r.added_by_app, 'added_by', r.added_by);
  else
    previous := jsonb_build_object('id', r.id, 'email', r.email, 'customer_id', r.customer_id, 'verified_at', r.verified_at, 'verified_by', r.verified_by, 'created_at', r.created_at, 'added_by_app', r.added_by_app, 'added_by', r.added_by);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('address.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (r.customer_id)::uuid,
          r.id::text, null, 'platform', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_platform_customer_phones()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: is_primary
declare
  r platform.customer_phones;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.customer_id is distinct from old.customer_id
       or new.phone is distinct from old.phone
       or new.phone_key is distinct from old.phone_key
       or new.phone_extension is distinct from old.phone_extension then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.phone is distinct from old.phone then
        data := data || jsonb_build_object('phone', new.phone);
        previous := previous || jsonb_build_object('phone', old.phone);
      end if;
      if new.phone_key is distinct from old.phone_key then
        data := data || jsonb_build_object('phone_key', new.phone_key);
        previous := previous || jsonb_build_object('phone_key', old.phone_key);
      end if;
      if new.phone_extension is distinct from old.phone_extension then
        data := data || jsonb_build_object('phone_extension', new.phone_extension);
        previous := previous || jsonb_build_object('phone_extension', old.phone_extension);
      end if;
    end if;
    if new.created_at is distinct from old.created_at
       or new.added_by_app is distinct from old.added_by_app
       or new.added_by is distinct from old.added_by then
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
      if new.added_by_app is distinct from old.added_by_app then
        data := data || jsonb_build_object('added_by_app', new.added_by_app);
        previous := previous || jsonb_build_object('added_by_app', old.added_by_app);
      end if;
      if new.added_by is distinct from old.added_by then
        data := data || jsonb_build_object('added_by', new.added_by);
        previous := previous || jsonb_build_object('added_by', old.added_by);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('customer_id', r.customer_id, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'created_at', r.created_at, 'added_by_app', r.added_by_app, 'added_by', r.added_by);
  else
    previous := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'created_at', r.created_at, 'added_by_app', r.added_by_app, 'added_by', r.added_by);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('phone.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (r.customer_id)::uuid,
          r.id::text, null, 'platform', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_platform_customers()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: email_key
declare
  r platform.customers;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.email is distinct from old.email
       or new.name is distinct from old.name
       or new.phone is distinct from old.phone
       or new.phone_key is distinct from old.phone_key then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.email is distinct from old.email then
        data := data || jsonb_build_object('email', new.email);
        previous := previous || jsonb_build_object('email', old.email);
      end if;
      if new.name is distinct from old.name then
        data := data || jsonb_build_object('name', new.name);
        previous := previous || jsonb_build_object('name', old.name);
      end if;
      if new.phone is distinct from old.phone then
        data := data || jsonb_build_object('phone', new.phone);
        previous := previous || jsonb_build_object('phone', old.phone);
      end if;
      if new.phone_key is distinct from old.phone_key then
        data := data || jsonb_build_object('phone_key', new.phone_key);
        previous := previous || jsonb_build_object('phone_key', old.phone_key);
      end if;
    end if;
    if new.phone_extension is distinct from old.phone_extension
       or new.company_id is distinct from old.company_id
       or new.created_at is distinct from old.created_at
       or new.created_by_app is distinct from old.created_by_app
       or new.crm_id is distinct from old.crm_id
       or new.account_tier is distinct from old.account_tier then
      if new.phone_extension is distinct from old.phone_extension then
        data := data || jsonb_build_object('phone_extension', new.phone_extension);
        previous := previous || jsonb_build_object('phone_extension', old.phone_extension);
      end if;
      if new.company_id is distinct from old.company_id then
        data := data || jsonb_build_object('company_id', new.company_id);
        previous := previous || jsonb_build_object('company_id', old.company_id);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
      if new.created_by_app is distinct from old.created_by_app then
        data := data || jsonb_build_object('created_by_app', new.created_by_app);
        previous := previous || jsonb_build_object('created_by_app', old.created_by_app);
      end if;
      if new.crm_id is distinct from old.crm_id then
        data := data || jsonb_build_object('crm_id', new.crm_id);
        previous := previous || jsonb_build_object('crm_id', old.crm_id);
      end if;
      if new.account_tier is distinct from old.account_tier then
        data := data || jsonb_build_object('account_tier', new.account_tier);
        previous := previous || jsonb_build_object('account_tier', old.account_tier);
      end if;
    end if;
    if new.account_manager_id is distinct from old.account_manager_id
       or new.support_id is distinct from old.support_id
       or new.preferred_language is distinct from old.preferred_language
       or new.timezone is distinct from old.timezone
       or new.merged_into is distinct from old.merged_into
       or new.erased_at is distinct from old.erased_at then
      if new.account_manager_id is distinct from old.account_manager_id then
        data := data || jsonb_build_object('account_manager_id', new.account_manager_id);
        previous := previous || jsonb_build_object('account_manager_id', old.account_manager_id);
      end if;
      if new.support_id is distinct from old.support_id then
        data := data || jsonb_build_object('support_id', new.support_id);
        previous := previous || jsonb_build_object('support_id', old.support_id);
      end if;
      if new.preferred_language is distinct from old.preferred_language then
        data := data || jsonb_build_object('preferred_language', new.preferred_language);
        previous := previous || jsonb_build_object('preferred_language', old.preferred_language);
      end if;
      if new.timezone is distinct from old.timezone then
        data := data || jsonb_build_object('timezone', new.timezone);
        previous := previous || jsonb_build_object('timezone', old.timezone);
      end if;
      if new.merged_into is distinct from old.merged_into then
        data := data || jsonb_build_object('merged_into', new.merged_into);
        previous := previous || jsonb_build_object('merged_into', old.merged_into);
      end if;
      if new.erased_at is distinct from old.erased_at then
        data := data || jsonb_build_object('erased_at', new.erased_at);
        previous := previous || jsonb_build_object('erased_at', old.erased_at);
      end if;
    end if;
    if data = '{}' and new.version is not distinct from old.version then return null; end if;
    data := jsonb_build_object('email', r.email, 'name', r.name) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'email', r.email, 'name', r.name, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'company_id', r.company_id, 'created_at', r.created_at, 'created_by_app', r.created_by_app, 'crm_id', r.crm_id, 'account_tier', r.account_tier, 'account_manager_id', r.account_manager_id, 'support_id', r.support_id, 'preferred_language', r.preferred_language, 'timezone', r.timezone, 'merged_into', r.merged_into, 'erased_at', r.erased_at);
  else
    previous := jsonb_build_object('id', r.id, 'email', r.email, 'name', r.name, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'company_id', r.company_id, 'created_at', r.created_at, 'created_by_app', r.created_by_app, 'crm_id', r.crm_id, 'account_tier', r.account_tier, 'account_manager_id', r.account_manager_id, 'support_id', r.support_id, 'preferred_language', r.preferred_language, 'timezone', r.timezone, 'merged_into', r.merged_into, 'erased_at', r.erased_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('customer.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (coalesce(r.merged_into, r.id))::uuid,
          r.id::text, r.version, 'platform', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_platform_tiers()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: 
declare
  r platform.tiers;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.key is distinct from old.key
       or new.label is distinct from old.label
       or new.colour is distinct from old.colour
       or new."position" is distinct from old."position" then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.key is distinct from old.key then
        data := data || jsonb_build_object('key', new.key);
        previous := previous || jsonb_build_object('key', old.key);
      end if;
      if new.label is distinct from old.label then
        data := data || jsonb_build_object('label', new.label);
        previous := previous || jsonb_build_object('label', old.label);
      end if;
      if new.colour is distinct from old.colour then
        data := data || jsonb_build_object('colour', new.colour);
        previous := previous || jsonb_build_object('colour', old.colour);
      end if;
      if new."position" is distinct from old."position" then
        data := data || jsonb_build_object('position', new."position");
        previous := previous || jsonb_build_object('position', old."position");
      end if;
    end if;
    if new.is_retired is distinct from old.is_retired
       or new.created_at is distinct from old.created_at then
      if new.is_retired is distinct from old.is_retired then
        data := data || jsonb_build_object('is_retired', new.is_retired);
        previous := previous || jsonb_build_object('is_retired', old.is_retired);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' and new.version is not distinct from old.version then return null; end if;
    data := jsonb_build_object('key', r.key, 'label', r.label) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'key', r.key, 'label', r.label, 'colour', r.colour, 'position', r."position", 'is_retired', r.is_retired, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'key', r.key, 'label', r.label, 'colour', r.colour, 'position', r."position", 'is_retired', r.is_retired, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('tier.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, ('tier:' || r.id)::text, (null)::uuid,
          r.id::text, r.version, 'platform', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_platform_users()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: directory_tenant_id directory_object_id
declare
  r platform.users;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.email is distinct from old.email
       or new.name is distinct from old.name
       or new.role is distinct from old.role
       or new.foundation_user_id is distinct from old.foundation_user_id then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.email is distinct from old.email then
        data := data || jsonb_build_object('email', new.email);
        previous := previous || jsonb_build_object('email', old.email);
      end if;
      if new.name is distinct from old.name then
        data := data || jsonb_build_object('name', new.name);
        previous := previous || jsonb_build_object('name', old.name);
      end if;
      if new.role is distinct from old.role then
        data := data || jsonb_build_object('role', new.role);
        previous := previous || jsonb_build_object('role', old.role);
      end if;
      if new.foundation_user_id is distinct from old.foundation_user_id then
        data := data || jsonb_build_object('foundation_user_id', new.foundation_user_id);
        previous := previous || jsonb_build_object('foundation_user_id', old.foundation_user_id);
      end if;
    end if;
    if new.support_user_id is distinct from old.support_user_id
       or new.created_at is distinct from old.created_at
       or new.last_signed_in is distinct from old.last_signed_in then
      if new.support_user_id is distinct from old.support_user_id then
        data := data || jsonb_build_object('support_user_id', new.support_user_id);
        previous := previous || jsonb_build_object('support_user_id', old.support_user_id);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
      if new.last_signed_in is distinct from old.last_signed_in then
        data := data || jsonb_build_object('last_signed_in', new.last_signed_in);
        previous := previous || jsonb_build_object('last_signed_in', old.last_signed_in);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('name', r.name) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'email', r.email, 'name', r.name, 'role', r.role, 'foundation_user_id', r.foundation_user_id, 'support_user_id', r.support_user_id, 'created_at', r.created_at, 'last_signed_in', r.last_signed_in);
  else
    previous := jsonb_build_object('id', r.id, 'email', r.email, 'name', r.name, 'role', r.role, 'foundation_user_id', r.foundation_user_id, 'support_user_id', r.support_user_id, 'created_at', r.created_at, 'last_signed_in', r.last_signed_in);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('user.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, ('user:' || r.id)::text, (null)::uuid,
          r.id::text, null, 'platform', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_set(olds platform.customers[], news platform.customers[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  app constant text := platform.current_app();
  actor constant text := platform.current_actor();
  trace constant text := nullif(left(current_setting('aether.trace', true), 255), '');
begin
  if olds is null then
    insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, trace)
    select 'customer.created', (r.id)::text, (coalesce(r.merged_into, r.id))::uuid, r.id::text, r.version, 'platform', app, session_user, actor,
           jsonb_build_object('id', r.id, 'email', r.email, 'name', r.name, 'phone', r.phone, 'phone_key', r.phone_key, 'phone_extension', r.phone_extension, 'company_id', r.company_id, 'created_at', r.created_at, 'created_by_app', r.created_by_app, 'crm_id', r.crm_id, 'account_tier', r.account_tier, 'account_manager_id', r.account_manager_id, 'support_id', r.support_id, 'preferred_language', r.preferred_language, 'timezone', r.timezone, 'merged_into', r.merged_into, 'erased_at', r.erased_at), trace
    from unnest(news) r;
  else
    insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
    select 'customer.updated', (r.id)::text, (coalesce(r.merged_into, r.id))::uuid, r.id::text, r.version, 'platform', app, session_user, actor,
           jsonb_build_object('email', r.email, 'name', r.name)
             || case when r.id is distinct from o.id then jsonb_build_object('id', r.id) else '{}' end
             || case when r.email is distinct from o.email then jsonb_build_object('email', r.email) else '{}' end
             || case when r.name is distinct from o.name then jsonb_build_object('name', r.name) else '{}' end
             || case when r.phone is distinct from o.phone then jsonb_build_object('phone', r.phone) else '{}' end
             || case when r.phone_key is distinct from o.phone_key then jsonb_build_object('phone_key', r.phone_key) else '{}' end
             || case when r.phone_extension is distinct from o.phone_extension then jsonb_build_object('phone_extension', r.phone_extension) else '{}' end
             || case when r.company_id is distinct from o.company_id then jsonb_build_object('company_id', r.company_id) else '{}' end
             || case when r.created_at is distinct from o.created_at then jsonb_build_object('created_at', r.created_at) else '{}' end
             || case when r.created_by_app is distinct from o.created_by_app then jsonb_build_object('created_by_app', r.created_by_app) else '{}' end
             || case when r.crm_id is distinct from o.crm_id then jsonb_build_object('crm_id', r.crm_id) else '{}' end
             || case when r.account_tier is distinct from o.account_tier then jsonb_build_object('account_tier', r.account_tier) else '{}' end
             || case when r.account_manager_id is distinct from o.account_manager_id then jsonb_build_object('account_manager_id', r.account_manager_id) else '{}' end
             || case when r.support_id is distinct from o.support_id then jsonb_build_object('support_id', r.support_id) else '{}' end
             || case when r.preferred_language is distinct from o.preferred_language then jsonb_build_object('preferred_language', r.preferred_language) else '{}' end
             || case when r.timezone is distinct from o.timezone then jsonb_build_object('timezone', r.timezone) else '{}' end
             || case when r.merged_into is distinct from o.merged_into then jsonb_build_object('merged_into', r.merged_into) else '{}' end
             || case when r.erased_at is distinct from o.erased_at then jsonb_build_object('erased_at', r.erased_at) else '{}' end,
           case when r.id is distinct from o.id then jsonb_build_object('id', o.id) else '{}' end
             || case when r.email is distinct from o.email then jsonb_build_object('email', o.email) else '{}' end
             || case when r.name is distinct from o.name then jsonb_build_object('name', o.name) else '{}' end
             || case when r.phone is distinct from o.phone then jsonb_build_object('phone', o.phone) else '{}' end
             || case when r.phone_key is distinct from o.phone_key then jsonb_build_object('phone_key', o.phone_key) else '{}' end
             || case when r.phone_extension is distinct from o.phone_extension then jsonb_build_object('phone_extension', o.phone_extension) else '{}' end
             || case when r.company_id is distinct from o.company_id then jsonb_build_object('company_id', o.company_id) else '{}' end
             || case when r.created_at is distinct from o.created_at then jsonb_build_object('created_at', o.created_at) else '{}' end
             || case when r.created_by_app is distinct from o.created_by_app then jsonb_build_object('created_by_app', o.created_by_app) else '{}' end
             || case when r.crm_id is distinct from o.crm_id then jsonb_build_object('crm_id', o.crm_id) else '{}' end
             || case when r.account_tier is distinct from o.account_tier then jsonb_build_object('account_tier', o.account_tier) else '{}' end
             || case when r.account_manager_id is distinct from o.account_manager_id then jsonb_build_object('account_manager_id', o.account_manager_id) else '{}' end
             || case when r.support_id is distinct from o.support_id then jsonb_build_object('support_id', o.support_id) else '{}' end
             || case when r.preferred_language is distinct from o.preferred_language then jsonb_build_object('preferred_language', o.preferred_language) else '{}' end
             || case when r.timezone is distinct from o.timezone then jsonb_build_object('timezone', o.timezone) else '{}' end
             || case when r.merged_into is distinct from o.merged_into then jsonb_build_object('merged_into', o.merged_into) else '{}' end
             || case when r.erased_at is distinct from o.erased_at then jsonb_build_object('erased_at', o.erased_at) else '{}' end, trace
    from generate_subscripts(news, 1) place cross join lateral (select (olds[place]).*) o cross join lateral (select (news[place]).*) r
    order by place;
  end if;
  perform sync.ring();
end $function$;
grant execute on function sync.capture_set(olds platform.customers[], news platform.customers[]) to bulk_role;

CREATE OR REPLACE FUNCTION sync.capture_support_calls()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: client_id request_digest
declare
  r support.calls;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.customer_id is distinct from old.customer_id
       or new.agent_id is distinct from old.agent_id
       or new.direction is distinct from old.direction
       or new.number_e164 is distinct from old.number_e164 then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.agent_id is distinct from old.agent_id then
        data := data || jsonb_build_object('agent_id', new.agent_id);
        previous := previous || jsonb_build_object('agent_id', old.agent_id);
      end if;
      if new.direction is distinct from old.direction then
        data := data || jsonb_build_object('direction', new.direction);
        previous := previous || jsonb_build_object('direction', old.direction);
      end if;
      if new.number_e164 is distinct from old.number_e164 then
        data := data || jsonb_build_object('number_e164', new.number_e164);
        previous := previous || jsonb_build_object('number_e164', old.number_e164);
      end if;
    end if;
    if new.outcome is distinct from old.outcome
       or new.notes is distinct from old.notes
       or new.started_at is distinct from old.started_at
       or new.duration_seconds is distinct from old.duration_seconds
       or new.created_at is distinct from old.created_at then
      if new.outcome is distinct from old.outcome then
        data := data || jsonb_build_object('outcome', new.outcome);
        previous := previous || jsonb_build_object('outcome', old.outcome);
      end if;
      if new.notes is distinct from old.notes then
        data := data || jsonb_build_object('notes', new.notes);
        previous := previous || jsonb_build_object('notes', old.notes);
      end if;
      if new.started_at is distinct from old.started_at then
        data := data || jsonb_build_object('started_at', new.started_at);
        previous := previous || jsonb_build_object('started_at', old.started_at);
      end if;
      if new.duration_seconds is distinct from old.duration_seconds then
        data := data || jsonb_build_object('duration_seconds', new.duration_seconds);
        previous := previous || jsonb_build_object('duration_seconds', old.duration_seconds);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('customer_id', r.customer_id) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'agent_id', r.agent_id, 'direction', r.direction, 'number_e164', r.number_e164, 'outcome', r.outcome, 'notes', r.notes, 'started_at', r.started_at, 'duration_seconds', r.duration_seconds, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'customer_id', r.customer_id, 'agent_id', r.agent_id, 'direction', r.direction, 'number_e164', r.number_e164, 'outcome', r.outcome, 'notes', r.notes, 'started_at', r.started_at, 'duration_seconds', r.duration_seconds, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('call.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (r.customer_id)::uuid,
          r.id::text, null, 'support', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_support_messages()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: 
declare
  r support.messages;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.session_id is distinct from old.session_id
       or new.number is distinct from old.number
       or new.author is distinct from old.author
       or new.agent_id is distinct from old.agent_id then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.session_id is distinct from old.session_id then
        data := data || jsonb_build_object('session_id', new.session_id);
        previous := previous || jsonb_build_object('session_id', old.session_id);
      end if;
      if new.number is distinct from old.number then
        data := data || jsonb_build_object('number', new.number);
        previous := previous || jsonb_build_object('number', old.number);
      end if;
      if new.author is distinct from old.author then
        data := data || jsonb_build_object('author', new.author);
        previous := previous || jsonb_build_object('author', old.author);
      end if;
      if new.agent_id is distinct from old.agent_id then
        data := data || jsonb_build_object('agent_id', new.agent_id);
        previous := previous || jsonb_build_object('agent_id', old.agent_id);
      end if;
    end if;
    if new.client_id is distinct from old.client_id
       or new.body is distinct from old.body
       or new.choices is distinct from old.choices
       or new.created_at is distinct from old.created_at then
      if new.client_id is distinct from old.client_id then
        data := data || jsonb_build_object('client_id', new.client_id);
        previous := previous || jsonb_build_object('client_id', old.client_id);
      end if;
      if new.body is distinct from old.body then
        data := data || jsonb_build_object('body', new.body);
        previous := previous || jsonb_build_object('body', old.body);
      end if;
      if new.choices is distinct from old.choices then
        data := data || jsonb_build_object('choices', new.choices);
        previous := previous || jsonb_build_object('choices', old.choices);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('session_id', r.session_id, 'number', r.number) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'session_id', r.session_id, 'number', r.number, 'author', r.author, 'agent_id', r.agent_id, 'client_id', r.client_id, 'body', r.body, 'choices', r.choices, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'session_id', r.session_id, 'number', r.number, 'author', r.author, 'agent_id', r.agent_id, 'client_id', r.client_id, 'body', r.body, 'choices', r.choices, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('message.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.session_id)::text, ((select s.customer_id from support.sessions s where s.id = r.session_id))::uuid,
          r.id::text, null, 'support', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_support_session_entries()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: client_id
declare
  r support.session_entries;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.session_id is distinct from old.session_id
       or new.kind is distinct from old.kind
       or new.agent_id is distinct from old.agent_id
       or new.to_agent_id is distinct from old.to_agent_id then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.session_id is distinct from old.session_id then
        data := data || jsonb_build_object('session_id', new.session_id);
        previous := previous || jsonb_build_object('session_id', old.session_id);
      end if;
      if new.kind is distinct from old.kind then
        data := data || jsonb_build_object('kind', new.kind);
        previous := previous || jsonb_build_object('kind', old.kind);
      end if;
      if new.agent_id is distinct from old.agent_id then
        data := data || jsonb_build_object('agent_id', new.agent_id);
        previous := previous || jsonb_build_object('agent_id', old.agent_id);
      end if;
      if new.to_agent_id is distinct from old.to_agent_id then
        data := data || jsonb_build_object('to_agent_id', new.to_agent_id);
        previous := previous || jsonb_build_object('to_agent_id', old.to_agent_id);
      end if;
    end if;
    if new.body is distinct from old.body
       or new.created_at is distinct from old.created_at then
      if new.body is distinct from old.body then
        data := data || jsonb_build_object('body', new.body);
        previous := previous || jsonb_build_object('body', old.body);
      end if;
      if new.created_at is distinct from old.created_at then
        data := data || jsonb_build_object('created_at', new.created_at);
        previous := previous || jsonb_build_object('created_at', old.created_at);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('session_id', r.session_id, 'kind', r.kind) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'session_id', r.session_id, 'kind', r.kind, 'agent_id', r.agent_id, 'to_agent_id', r.to_agent_id, 'body', r.body, 'created_at', r.created_at);
  else
    previous := jsonb_build_object('id', r.id, 'session_id', r.session_id, 'kind', r.kind, 'agent_id', r.agent_id, 'to_agent_id', r.to_agent_id, 'body', r.body, 'created_at', r.created_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('entry.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.session_id)::text, ((select s.customer_id from support.sessions s where s.id = r.session_id))::uuid,
          r.id::text, null, 'support', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.capture_support_sessions()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- never: token_hash message_count last_message_at visitor_read_number agent_read_number page
declare
  r support.sessions;
  data jsonb := '{}';
  previous jsonb := '{}';
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if tg_op = 'UPDATE' then
    if new.id is distinct from old.id
       or new.widget_id is distinct from old.widget_id
       or new.customer_id is distinct from old.customer_id
       or new.identity is distinct from old.identity
       or new.visitor_email is distinct from old.visitor_email then
      if new.id is distinct from old.id then
        data := data || jsonb_build_object('id', new.id);
        previous := previous || jsonb_build_object('id', old.id);
      end if;
      if new.widget_id is distinct from old.widget_id then
        data := data || jsonb_build_object('widget_id', new.widget_id);
        previous := previous || jsonb_build_object('widget_id', old.widget_id);
      end if;
      if new.customer_id is distinct from old.customer_id then
        data := data || jsonb_build_object('customer_id', new.customer_id);
        previous := previous || jsonb_build_object('customer_id', old.customer_id);
      end if;
      if new.identity is distinct from old.identity then
        data := data || jsonb_build_object('identity', new.identity);
        previous := previous || jsonb_build_object('identity', old.identity);
      end if;
      if new.visitor_email is distinct from old.visitor_email then
        data := data || jsonb_build_object('visitor_email', new.visitor_email);
        previous := previous || jsonb_build_object('visitor_email', old.visitor_email);
      end if;
    end if;
    if new.visitor_name is distinct from old.visitor_name
       or new.language is distinct from old.language
       or new.time_zone is distinct from old.time_zone
       or new.handler is distinct from old.handler
       or new.agent_id is distinct from old.agent_id
       or new.status is distinct from old.status then
      if new.visitor_name is distinct from old.visitor_name then
        data := data || jsonb_build_object('visitor_name', new.visitor_name);
        previous := previous || jsonb_build_object('visitor_name', old.visitor_name);
      end if;
      if new.language is distinct from old.language then
        data := data || jsonb_build_object('language', new.language);
        previous := previous || jsonb_build_object('language', old.language);
      end if;
      if new.time_zone is distinct from old.time_zone then
        data := data || jsonb_build_object('time_zone', new.time_zone);
        previous := previous || jsonb_build_object('time_zone', old.time_zone);
      end if;
      if new.handler is distinct from old.handler then
        data := data || jsonb_build_object('handler', new.handler);
        previous := previous || jsonb_build_object('handler', old.handler);
      end if;
      if new.agent_id is distinct from old.agent_id then
        data := data || jsonb_build_object('agent_id', new.agent_id);
        previous := previous || jsonb_build_object('agent_id', old.agent_id);
      end if;
      if new.status is distinct from old.status then
        data := data || jsonb_build_object('status', new.status);
        previous := previous || jsonb_build_object('status', old.status);
      end if;
    end if;
    if new.resolved is distinct from old.resolved
       or new.is_offline is distinct from old.is_offline
       or new.started_at is distinct from old.started_at
       or new.asked_at is distinct from old.asked_at
       or new.waiting_since is distinct from old.waiting_since
       or new.snoozed_until is distinct from old.snoozed_until then
      if new.resolved is distinct from old.resolved then
        data := data || jsonb_build_object('resolved', new.resolved);
        previous := previous || jsonb_build_object('resolved', old.resolved);
      end if;
      if new.is_offline is distinct from old.is_offline then
        data := data || jsonb_build_object('is_offline', new.is_offline);
        previous := previous || jsonb_build_object('is_offline', old.is_offline);
      end if;
      if new.started_at is distinct from old.started_at then
        data := data || jsonb_build_object('started_at', new.started_at);
        previous := previous || jsonb_build_object('started_at', old.started_at);
      end if;
      if new.asked_at is distinct from old.asked_at then
        data := data || jsonb_build_object('asked_at', new.asked_at);
        previous := previous || jsonb_build_object('asked_at', old.asked_at);
      end if;
      if new.waiting_since is distinct from old.waiting_since then
        data := data || jsonb_build_object('waiting_since', new.waiting_since);
        previous := previous || jsonb_build_object('waiting_since', old.waiting_since);
      end if;
      if new.snoozed_until is distinct from old.snoozed_until then
        data := data || jsonb_build_object('snoozed_until', new.snoozed_until);
        previous := previous || jsonb_build_object('snoozed_until', old.snoozed_until);
      end if;
    end if;
    if new.ended_at is distinct from old.ended_at then
      if new.ended_at is distinct from old.ended_at then
        data := data || jsonb_build_object('ended_at', new.ended_at);
        previous := previous || jsonb_build_object('ended_at', old.ended_at);
      end if;
    end if;
    if data = '{}' then return null; end if;
    data := jsonb_build_object('customer_id', r.customer_id, 'status', r.status) || data;
  elsif tg_op = 'INSERT' then
    data := jsonb_build_object('id', r.id, 'widget_id', r.widget_id, 'customer_id', r.customer_id, 'identity', r.identity, 'visitor_email', r.visitor_email, 'visitor_name', r.visitor_name, 'language', r.language, 'time_zone', r.time_zone, 'handler', r.handler, 'agent_id', r.agent_id, 'status', r.status, 'resolved', r.resolved, 'is_offline', r.is_offline, 'started_at', r.started_at, 'asked_at', r.asked_at, 'waiting_since', r.waiting_since, 'snoozed_until', r.snoozed_until, 'ended_at', r.ended_at);
  else
    previous := jsonb_build_object('id', r.id, 'widget_id', r.widget_id, 'customer_id', r.customer_id, 'identity', r.identity, 'visitor_email', r.visitor_email, 'visitor_name', r.visitor_name, 'language', r.language, 'time_zone', r.time_zone, 'handler', r.handler, 'agent_id', r.agent_id, 'status', r.status, 'resolved', r.resolved, 'is_offline', r.is_offline, 'started_at', r.started_at, 'asked_at', r.asked_at, 'waiting_since', r.waiting_since, 'snoozed_until', r.snoozed_until, 'ended_at', r.ended_at);
  end if;
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values ('session.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end, (r.id)::text, (r.customer_id)::uuid,
          r.id::text, null, 'support', platform.current_app(), session_user, platform.current_actor(), data, previous,
          nullif(left(current_setting('aether.trace', true), 255), ''));
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.change_subscription(of_name text, of_types text[], of_holds text, of_shares integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from sync.subscriptions s where s.name = of_name and s.app = platform.current_app()) then return; end if;
  perform sync.lock_subscription(of_name);
  update sync.subscriptions s set types = of_types, holds = of_holds, shares = of_shares where s.name = of_name;
  perform sync.cut_shares(of_name);
  perform sync.start_first(of_name); -- events that it held back until now may continue
end $function$;
grant execute on function sync.change_subscription(of_name text, of_types text[], of_holds text, of_shares integer) to app_role;
grant execute on function sync.change_subscription(of_name text, of_types text[], of_holds text, of_shares integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.check_adoption()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH n AS MATERIALIZED (
          SELECT count(*) AS waiting,
             (COALESCE(EXTRACT(epoch FROM (clock_timestamp() - min(c.created_at))), (0)::numeric))::double precision AS seconds
            FROM ( SELECT c_1.created_at
                    FROM platform.customers c_1
                   WHERE ((c_1.crm_id IS NULL) AND (c_1.created_by_app = 'support'::text) AND (c_1.merged_into IS NULL) AND (c_1.erased_at IS NULL))
                   ORDER BY c_1.created_at
                  LIMIT 10001) c
         )
  SELECT 'adoption'::text,
     'adoption'::text,
         CASE
             WHEN (n.seconds > (sync.health_limit('adoption_seconds'::text) * (10)::double precision)) THEN 'stalled'::text
             WHEN (n.seconds > sync.health_limit('adoption_seconds'::text)) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.waiting = 0) THEN 'Every customer that a chat made has its number in Foundation.'::text
             ELSE (((sync.say_count(n.waiting) || ' customers that a chat made have no number in Foundation, the oldest for '::text) || sync.say_seconds(n.seconds)) || '.'::text)
         END AS "case",
     jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.seconds) AS jsonb_build_object
    FROM n;
END;

CREATE OR REPLACE FUNCTION sync.check_alerts()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH n AS MATERIALIZED (
          SELECT ( SELECT count(*) AS count
                    FROM sync.alert_targets t
                   WHERE (t.seen_at > (clock_timestamp() - '7 days'::interval))) AS targets,
             ( SELECT count(*) AS count
                    FROM sync.alert_targets t
                   WHERE (t.seen_at > (clock_timestamp() - '00:05:00'::interval))) AS served,
             count(*) AS waiting,
             (COALESCE(EXTRACT(epoch FROM (clock_timestamp() - min(d.told_at))), (0)::numeric))::double precision AS seconds,
             max(d.error) AS error
            FROM ( SELECT a.told_at,
                     d_1.error
                    FROM (sync.alert_deliveries d_1
                      JOIN sync.alerts a ON ((a.id = d_1.alert_id)))
                   WHERE (d_1.state = 'waiting'::text)
                   ORDER BY d_1.target, d_1.alert_id
                  LIMIT 10001) d
         )
  SELECT 'alerts'::text,
     'alerts'::text,
         CASE
             WHEN (n.targets = 0) THEN 'ok'::text
             WHEN (n.seconds > (600)::double precision) THEN 'failing'::text
             WHEN (n.served < n.targets) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.targets = 0) THEN 'Alerts are shown here only: no target is set.'::text
             WHEN (n.seconds > (600)::double precision) THEN ((((sync.say_count(n.waiting) || ' alerts have not reached their target, the oldest for '::text) || sync.say_seconds(n.seconds)) || COALESCE(((' ('::text || n.error) || ')'::text), ''::text)) || '.'::text)
             WHEN (n.served < n.targets) THEN 'No process delivers to one of the targets any more.'::text
             ELSE 'Alerts reach their targets.'::text
         END AS "case",
     jsonb_build_object('targets', n.targets, 'waiting', n.waiting, 'waiting_seconds', n.seconds) AS jsonb_build_object
    FROM n;
END;

CREATE OR REPLACE FUNCTION sync.check_bus()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH relays AS MATERIALIZED (
          SELECT p.process,
             p.state,
             p.silent_seconds,
             (p.report -> 'bus'::text) AS bus
            FROM sync.list_processes() p(app, process, state, silent_seconds, started_at, clock_off_ms, report, turns)
           WHERE ((p.app = 'sync'::text) AND (p.report ? 'bus'::text) AND (p.state <> 'ended'::text))
           ORDER BY (p.state = 'live'::text) DESC, p.silent_seconds
          LIMIT 1
         ), relay AS (
          SELECT r.state,
             r.silent_seconds,
             sync.word_in(r.bus, '{state}'::text[]) AS condition,
             sync.word_in(r.bus, '{error}'::text[]) AS error,
             COALESCE(sync.number_in(r.bus, '{sent}'::text[]), (0)::double precision) AS sent,
             COALESCE(sync.number_in(r.bus, '{in_flight}'::text[]), (0)::double precision) AS in_flight,
             COALESCE(sync.number_in(r.bus, '{throttled}'::text[]), (0)::double precision) AS throttled
            FROM relays r
         ), consumers AS (
          SELECT m.name,
             r.state AS relay_state,
             sync.number_in(m.value, '{waiting}'::text[]) AS waiting,
             sync.number_in(m.value, '{dead_letters}'::text[]) AS letters,
             sync.number_in(m.value, '{oldest_seconds}'::text[]) AS oldest_seconds,
             COALESCE(sync.number_in(m.value, '{processes}'::text[]), (0)::double precision) AS processes,
             sync.number_in(m.value, '{silent_seconds}'::text[]) AS silent_seconds,
             COALESCE(sync.number_in(m.value, '{parked}'::text[]), (0)::double precision) AS parked,
             COALESCE(sync.number_in(m.value, '{dead}'::text[]), (0)::double precision) AS dead,
             sync.number_in(m.value, '{lag_seconds}'::text[]) AS lag_seconds,
             ((m.value #> '{paused}'::text[]) = 'true'::jsonb) AS is_paused,
             sync.word_in(m.value, '{error}'::text[]) AS error,
             sync.health_limit('lag_seconds'::text) AS lag_limit
            FROM (relays r
              CROSS JOIN LATERAL sync.members_in(r.bus, '{consumers}'::text[]) m(name, value))
         ), judged AS (
          SELECT c.name,
             c.relay_state,
             c.waiting,
             c.letters,
             c.oldest_seconds,
             c.processes,
             c.silent_seconds,
             c.parked,
             c.dead,
             c.lag_seconds,
             c.is_paused,
             c.error,
             c.lag_limit,
                 CASE
                     WHEN (c.relay_state <> 'live'::text) THEN 'unknown'::text
                     WHEN (c.letters > (0)::double precision) THEN 'parked'::text
                     WHEN (c.dead > (0)::double precision) THEN 'parked'::text
                     WHEN c.is_paused THEN 'paused'::text
                     WHEN (c.error IS NOT NULL) THEN 'failing'::text
                     WHEN ((c.oldest_seconds > c.lag_limit) AND (c.processes = (0)::double precision) AND (c.silent_seconds IS NOT NULL)) THEN 'silent'::text
                     WHEN ((c.oldest_seconds > c.lag_limit) AND (c.processes > (0)::double precision)) THEN 'catching-up'::text
                     WHEN (c.oldest_seconds > c.lag_limit) THEN 'stalled'::text
                     WHEN (c.parked > (0)::double precision) THEN 'warning'::text
                     WHEN ((c.processes = (0)::double precision) AND (c.silent_seconds IS NOT NULL)) THEN 'silent'::text
                     WHEN ((c.waiting IS NULL) AND (c.processes = (0)::double precision)) THEN 'unknown'::text
                     ELSE 'ok'::text
                 END AS status
            FROM consumers c
         )
  SELECT 'bus'::text,
     'bus'::text,
         CASE
             WHEN (r.state <> 'live'::text) THEN 'silent'::text
             WHEN (r.condition = ANY (ARRAY['sending'::text, 'idle'::text])) THEN 'ok'::text
             WHEN (r.condition = 'throttled'::text) THEN 'warning'::text
             WHEN (r.condition = 'starting'::text) THEN 'unknown'::text
             ELSE 'failing'::text
         END AS "case",
         CASE
             WHEN (r.state <> 'live'::text) THEN (('The worker that relays events to the bus has been silent for '::text || sync.say_seconds(r.silent_seconds)) || '.'::text)
             WHEN (r.condition = ANY (ARRAY['sending'::text, 'idle'::text])) THEN 'Service Bus takes the events.'::text
             WHEN (r.condition = 'throttled'::text) THEN 'Service Bus throttles the namespace: it is over the limit of its tier.'::text
             WHEN (r.condition = 'starting'::text) THEN 'The relay starts.'::text
             ELSE ((('Service Bus does not take the events ('::text || COALESCE(r.condition, 'unknown'::text)) || COALESCE((': '::text || r.error), ''::text)) || ').'::text)
         END AS "case",
     jsonb_build_object('sent', r.sent, 'in_flight', r.in_flight, 'throttled', r.throttled) AS jsonb_build_object
    FROM relay r
 UNION ALL
  SELECT ('consumer:'::text || j.name),
     'consumer'::text,
     j.status,
     (
         CASE j.status
             WHEN 'unknown'::text THEN
             CASE
                 WHEN (j.relay_state <> 'live'::text) THEN 'The worker that watches the bus is silent.'::text
                 ELSE 'Nothing counts its messages, and no process of it reports.'::text
             END
             WHEN 'parked'::text THEN
             CASE
                 WHEN (j.letters > (0)::double precision) THEN (sync.say_count((j.letters)::bigint) || ' messages are dead letters: it could not read them.'::text)
                 ELSE (sync.say_count((j.dead)::bigint) || ' events are dead in its own database and wait for a person.'::text)
             END
             WHEN 'paused'::text THEN 'It is paused.'::text
             WHEN 'failing'::text THEN (('It reports a failure ('::text || j.error) || ').'::text)
             WHEN 'silent'::text THEN (('Its process has been silent for '::text || sync.say_seconds(j.silent_seconds)) || '.'::text)
             WHEN 'catching-up'::text THEN 'It is behind and works.'::text
             WHEN 'stalled'::text THEN 'It is behind, and no process of it reports.'::text
             WHEN 'warning'::text THEN (sync.say_count((j.parked)::bigint) || ' events wait in its own database: one of their customer failed.'::text)
             ELSE 'It reads on.'::text
         END ||
         CASE
             WHEN (j.waiting > (0)::double precision) THEN ((((' '::text || sync.say_count((j.waiting)::bigint, '100000000000'::bigint)) || ' messages wait'::text) || COALESCE((', the oldest for '::text || sync.say_seconds(j.oldest_seconds)), ''::text)) || '.'::text)
             ELSE ''::text
         END),
     jsonb_strip_nulls(jsonb_build_object('waiting', j.waiting, 'oldest_seconds', j.oldest_seconds, 'dead_letters', j.letters, 'parked', j.parked, 'dead', j.dead, 'processes', j.processes, 'lag_seconds', j.lag_seconds)) AS jsonb_strip_nulls
    FROM judged j;
END;

CREATE OR REPLACE FUNCTION sync.check_database()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 SELECT 'database'::text,
     'database'::text,
         CASE
             WHEN (((n.used)::numeric >= ((n.usable)::numeric * 0.95)) OR (n.age > 1500000000)) THEN 'failing'::text
             WHEN (((n.used)::double precision >= (((n.usable)::double precision * sync.health_limit('connections_percent'::text)) / (100)::double precision)) OR ((n.age)::double precision > sync.health_limit('wraparound_transactions'::text))) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
     ((((
         CASE
             WHEN ((n.age)::double precision > sync.health_limit('wraparound_transactions'::text)) THEN (('The oldest transaction id that is not frozen is '::text || sync.say_count(n.age, '100000000000'::bigint)) || ' transactions old: vacuum does not get through. '::text)
             ELSE ''::text
         END || n.used) || ' of '::text) || n.usable) || ' connections are in use.'::text),
     jsonb_build_object('connections_used', n.used, 'connections_max', n.usable, 'wraparound_transactions', n.age) AS jsonb_build_object
    FROM ( SELECT ( SELECT sum(s.numbackends) AS sum
                    FROM pg_stat_database s) AS used,
             (((current_setting('max_connections'::text))::bigint - (current_setting('superuser_reserved_connections'::text))::bigint) - (current_setting('reserved_connections'::text))::bigint) AS usable,
             ( SELECT (max(age(d.datfrozenxid)))::bigint AS max
                    FROM pg_database d) AS age) n;
END;

CREATE OR REPLACE FUNCTION sync.check_disk()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH n AS MATERIALIZED (
          SELECT h.log_bytes AS bytes,
             h.log_partitions AS partitions,
             h.log_largest_bytes AS largest,
             before.bytes AS bytes_before,
             ((((h.log_bytes)::double precision - before.bytes) * (86400)::double precision) / (EXTRACT(epoch FROM (h.log_measured_at - before.at)))::double precision) AS a_day,
             (EXTRACT(epoch FROM (clock_timestamp() - h.log_measured_at)))::double precision AS age_seconds,
             sync.health_limit('log_bytes'::text) AS at_most
            FROM (sync.health h
              LEFT JOIN LATERAL ( SELECT r.at,
                     (r.measured[s.id])::double precision AS bytes
                    FROM (sync.series s
                      JOIN sync.rollup r ON (((r.step_seconds = 3600) AND ((r.at >= (h.log_measured_at - '2 days'::interval)) AND (r.at <= (h.log_measured_at - '06:00:00'::interval))) AND (r.measured[s.id] IS NOT NULL))))
                   WHERE (s.name = 'log_bytes'::text)
                   ORDER BY (abs((EXTRACT(epoch FROM (h.log_measured_at - r.at)) - (86400)::numeric)))
                  LIMIT 1) before ON (true))
         )
  SELECT 'disk'::text,
     'disk'::text,
         CASE
             WHEN ((n.bytes IS NULL) OR (n.age_seconds > (300)::double precision)) THEN 'unknown'::text
             WHEN ((n.bytes)::double precision > n.at_most) THEN 'failing'::text
             WHEN (((n.bytes)::double precision > (n.at_most * (0.8)::double precision)) OR (((n.bytes)::double precision + (n.a_day * (7)::double precision)) > n.at_most)) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.bytes IS NULL) THEN 'Nobody has measured the log yet.'::text
             WHEN (n.age_seconds > (300)::double precision) THEN (('Nobody has measured the log for '::text || sync.say_seconds(n.age_seconds)) || '.'::text)
             ELSE (((((('The log has '::text || pg_size_pretty(n.bytes)) || ' of the '::text) || pg_size_pretty((n.at_most)::bigint)) || ' that it may have'::text) || COALESCE(((', and changes by '::text || pg_size_pretty((n.a_day)::bigint)) || ' a day'::text), ''::text)) || '.'::text)
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('bytes', n.bytes, 'bytes_max', n.at_most, 'bytes_a_day', round(n.a_day), 'partitions', n.partitions, 'largest_partition_bytes', n.largest)) AS jsonb_strip_nulls
    FROM n;
END;

CREATE OR REPLACE FUNCTION sync.check_duplicates()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 SELECT 'duplicates'::text,
     'duplicates'::text,
     'ok'::text,
     (
         CASE
             WHEN (w.rows = 0) THEN 'No pair of customers waits for a decision.'::text
             WHEN (w.rows > 10000) THEN '10,000+ pairs of customers wait for a decision.'::text
             WHEN (w.rows = 1) THEN 'One pair of customers waits for a decision.'::text
             ELSE (sync.say_count(w.rows) || ' pairs of customers wait for a decision.'::text)
         END ||
         CASE m.phase
             WHEN 'done'::text THEN ''::text
             ELSE format(' All customers are being looked through for duplicates: %s of about %s, step %s of 2.'::text, sync.say_count(m.looked_at), sync.say_count(sync.about_customers()),
             CASE m.phase
                 WHEN 'keys'::text THEN 1
                 ELSE 2
             END)
         END),
     jsonb_build_object('open', w.rows, 'walked',
         CASE m.phase
             WHEN 'done'::text THEN NULL::bigint
             ELSE m.looked_at
         END) AS jsonb_build_object
    FROM ( SELECT count(*) AS rows
            FROM ( SELECT
                    FROM platform.review_candidates r
                   WHERE (r.is_asked AND (r.state = 'open'::text))
                  LIMIT 10001) c) w,
     sync.match_walk m;
END;

CREATE OR REPLACE FUNCTION sync.check_monitor()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH n AS MATERIALIZED (
          SELECT (EXTRACT(epoch FROM (clock_timestamp() - h.rolled_at)))::double precision AS seconds
            FROM sync.health h
         )
  SELECT 'monitor'::text,
     'monitor'::text,
         CASE
             WHEN (n.seconds IS NULL) THEN 'unknown'::text
             WHEN (n.seconds > (150)::double precision) THEN 'silent'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.seconds IS NULL) THEN 'No worker has measured anything yet.'::text
             WHEN (n.seconds > (150)::double precision) THEN (('No worker has measured anything for '::text || sync.say_seconds(n.seconds)) || ': the charts have a gap.'::text)
             ELSE 'A worker measures once a minute.'::text
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('rolled_seconds', n.seconds)) AS jsonb_strip_nulls
    FROM n;
END;

CREATE OR REPLACE FUNCTION sync.check_outbox()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH n AS MATERIALIZED (
          SELECT (COALESCE(EXTRACT(epoch FROM sync.outbox_age()), (0)::numeric))::double precision AS seconds,
             ( SELECT count(*) AS count
                    FROM ( SELECT
                            FROM sync.outbox o
                           WHERE (o.id > ( SELECT s.floor_id
                                    FROM sync.sequencer s))
                          LIMIT 10001) c) AS waiting
         )
  SELECT 'outbox'::text,
     'outbox'::text,
         CASE
             WHEN (n.seconds > (sync.health_limit('waiting_seconds'::text) * (12)::double precision)) THEN 'stalled'::text
             WHEN (n.seconds > sync.health_limit('waiting_seconds'::text)) THEN 'catching-up'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.waiting = 0) THEN 'No committed event waits.'::text
             ELSE (((sync.say_count(n.waiting) || ' committed events wait for their numbers, the oldest for '::text) || sync.say_seconds(n.seconds)) || '.'::text)
         END AS "case",
     jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.seconds) AS jsonb_build_object
    FROM n;
END;

CREATE OR REPLACE FUNCTION sync.check_processes()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH p AS MATERIALIZED (
          SELECT list_processes.app,
             list_processes.process,
             list_processes.state,
             list_processes.silent_seconds,
             list_processes.started_at,
             list_processes.clock_off_ms,
             list_processes.report,
             list_processes.turns
            FROM sync.list_processes() list_processes(app, process, state, silent_seconds, started_at, clock_off_ms, report, turns)
         ), apps AS (
          SELECT 'sync'::text AS app,
             'sync_role'::name AS role
         UNION ALL
          SELECT a.name,
             a.role
            FROM platform.apps a
         ), found AS (
          SELECT a.app,
             count(*) FILTER (WHERE (p.state = 'live'::text)) AS live,
             count(*) FILTER (WHERE (p.state = 'silent'::text)) AS silent,
             min(p.silent_seconds) FILTER (WHERE (p.state = 'silent'::text)) AS silent_seconds,
             min(p.silent_seconds) FILTER (WHERE (p.state = 'ended'::text)) AS ended_seconds,
             (array_agg(p.process ORDER BY p.silent_seconds) FILTER (WHERE (p.state = 'silent'::text)))[1:3] AS names
            FROM (apps a
              LEFT JOIN p ON ((p.app = a.app)))
           WHERE ((p.app IS NOT NULL) OR (EXISTS ( SELECT
                    FROM (pg_auth_members m
                      JOIN pg_roles r ON ((r.oid = m.member)))
                   WHERE ((m.roleid = ((a.role)::regrole)::oid) AND r.rolcanlogin))))
           GROUP BY a.app
         )
  SELECT ('process:'::text || f.app),
     'process'::text,
         CASE
             WHEN (f.silent > 0) THEN 'silent'::text
             WHEN (f.live > 0) THEN 'ok'::text
             ELSE 'unknown'::text
         END AS "case",
         CASE
             WHEN (f.silent > 0) THEN (((((array_to_string(f.names, ', '::text) ||
             CASE
                 WHEN (f.silent > 3) THEN ((' and '::text || (f.silent - 3)) || ' others'::text)
                 ELSE ''::text
             END) ||
             CASE f.silent
                 WHEN 1 THEN ' has'::text
                 ELSE ' have'::text
             END) || ' been silent for '::text) || sync.say_seconds(f.silent_seconds)) ||
             CASE
                 WHEN (f.live > 0) THEN (('; '::text || f.live) || ' of its other processes report.'::text)
                 ELSE ', and no other process of it reports.'::text
             END)
             WHEN (f.live > 0) THEN (f.live ||
             CASE f.live
                 WHEN 1 THEN ' process reports.'::text
                 ELSE ' processes report.'::text
             END)
             WHEN (f.ended_seconds IS NOT NULL) THEN (('No process runs: the last one was stopped '::text || sync.say_seconds(f.ended_seconds)) || ' ago.'::text)
             ELSE 'No process has reported.'::text
         END AS "case",
     jsonb_build_object('live', f.live, 'silent', f.silent) AS jsonb_build_object
    FROM found f;
END;

CREATE OR REPLACE FUNCTION sync.check_quality()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 SELECT ('drift:'::text || split_part(n.finding, '.'::text, 2)),
     'drift'::text,
         CASE
             WHEN (s.last_ended_at IS NULL) THEN 'unknown'::text
             WHEN (s.stepped_at < (clock_timestamp() - '01:00:00'::interval)) THEN 'stalled'::text
             WHEN (n.stored > 0) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (s.last_ended_at IS NULL) THEN 'It has not been proven yet: the first round is under way.'::text
             WHEN (s.stepped_at < (clock_timestamp() - '01:00:00'::interval)) THEN 'Nothing has been compared with its source for an hour.'::text
             WHEN (n.stored >= 10000) THEN '10,000+ rows differ from their source.'::text
             WHEN (n.stored > 0) THEN (sync.say_count((n.stored)::bigint) || ' rows differ from their source.'::text)
             ELSE 'Every row agreed with its source.'::text
         END AS "case",
     jsonb_build_object('drifting', n.stored) AS jsonb_build_object
    FROM (sync.quality_numbers n
      JOIN sync.quality_scans s ON ((s.name = n.scan)))
   WHERE (n.finding ~~ 'drift.%'::text)
 UNION ALL
  SELECT 'quality'::text,
     'quality'::text,
         CASE
             WHEN (s.ended < 6) THEN 'unknown'::text
             WHEN (s.stepped_at < (clock_timestamp() - '01:00:00'::interval)) THEN 'stalled'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (s.ended < 6) THEN 'The records have not been looked through yet.'::text
             WHEN (s.stepped_at < (clock_timestamp() - '01:00:00'::interval)) THEN 'No record has been looked at for an hour.'::text
             ELSE 'The records are looked through all the time.'::text
         END AS "case",
     ( SELECT jsonb_object_agg(g.name, g.total) AS jsonb_object_agg
            FROM ( SELECT split_part(n.finding, '.'::text, 1) AS name,
                     sum(n.stored) AS total
                    FROM sync.quality_numbers n
                   GROUP BY (split_part(n.finding, '.'::text, 1))) g) AS jsonb_object_agg
    FROM ( SELECT count(q.last_ended_at) AS ended,
             max(q.stepped_at) AS stepped_at
            FROM sync.quality_scans q) s;
END;

CREATE OR REPLACE FUNCTION sync.check_reports()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH p AS MATERIALIZED (
          SELECT list_processes.app,
             list_processes.process,
             list_processes.state,
             list_processes.silent_seconds,
             list_processes.started_at,
             list_processes.clock_off_ms,
             list_processes.report,
             list_processes.turns
            FROM sync.list_processes() list_processes(app, process, state, silent_seconds, started_at, clock_off_ms, report, turns)
         ), live AS MATERIALIZED (
          SELECT p.app,
             p.process,
             p.state,
             p.silent_seconds,
             p.started_at,
             p.clock_off_ms,
             p.report,
             p.turns
            FROM p
           WHERE (p.state = 'live'::text)
         ), apps AS (
          SELECT p.app,
             count(*) FILTER (WHERE (p.state = 'live'::text)) AS live
            FROM p
           GROUP BY p.app
         ), feeds AS (
          SELECT a.app,
             a.live,
             count(*) FILTER (WHERE (f.state = 'cut'::text)) AS cut,
             count(*) FILTER (WHERE (f.state = 'late'::text)) AS late,
             count(*) FILTER (WHERE (f.state = 'live'::text)) AS good,
             min(l.process) FILTER (WHERE (f.state = 'cut'::text)) AS process
            FROM ((apps a
              LEFT JOIN live l ON ((l.app = a.app)))
              LEFT JOIN LATERAL ( SELECT sync.word_in(l.report, '{feed,state}'::text[]) AS word_in) f(state) ON (true))
           WHERE (a.app <> 'sync'::text)
           GROUP BY a.app, a.live
         ), pools AS (
          SELECT a.app,
             a.live,
             sum(sync.number_in(l.report, '{pool,in_use}'::text[])) AS in_use,
             sum(sync.number_in(l.report, '{pool,max}'::text[])) AS at_most,
             sum(sync.number_in(l.report, '{pool,waiting}'::text[])) AS waiting
            FROM (apps a
              LEFT JOIN live l ON ((l.app = a.app)))
           WHERE (a.app <> 'sync'::text)
           GROUP BY a.app, a.live
         ), caches AS (
          SELECT l.app,
             count(*) AS processes,
             count(*) FILTER (WHERE (sync.word_in(l.report, '{cache,mode}'::text[]) <> 'serving'::text)) AS bypassed,
             max(sync.word_in(l.report, '{cache,reason}'::text[])) AS reason,
             sum(sync.number_in(l.report, '{counters,cache_hits}'::text[])) AS hits,
             sum(sync.number_in(l.report, '{counters,cache_misses}'::text[])) AS misses
            FROM live l
           WHERE (l.report ? 'cache'::text)
           GROUP BY l.app
         ), clocks AS (
          SELECT a.app,
             a.live,
             (array_agg(l.process ORDER BY (abs(l.clock_off_ms)) DESC))[1] AS process,
             (max(abs(l.clock_off_ms)) / (1000)::double precision) AS off_seconds
            FROM (apps a
              LEFT JOIN live l ON ((l.app = a.app)))
           GROUP BY a.app, a.live
         ), certificates AS (
          SELECT l.app,
             bool_or(((l.report #> '{tls}'::text[]) = 'true'::jsonb)) AS is_used,
             (min((sync.number_in(l.report, '{certificate_until}'::text[]) - (EXTRACT(epoch FROM clock_timestamp()))::double precision)) / (86400)::double precision) AS days
            FROM live l
           WHERE (l.report ? 'tls'::text)
           GROUP BY l.app
         ), sign_ins AS (
          SELECT l.app,
             count(*) AS processes,
             count(*) FILTER (WHERE (sync.word_in(l.report, '{sign_in,state}'::text[]) = 'unreachable'::text)) AS unreachable,
             max(sync.word_in(l.report, '{sign_in,error}'::text[])) AS error,
             max(sync.idle_seconds(l.turns, 'sign_in'::text)) AS age_seconds
            FROM live l
           WHERE (l.report ? 'sign_in'::text)
           GROUP BY l.app
         )
  SELECT ('feed:'::text || f.app),
     'feed'::text,
         CASE
             WHEN (f.live = 0) THEN 'unknown'::text
             WHEN (f.cut > 0) THEN 'failing'::text
             WHEN (f.late > 0) THEN 'catching-up'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (f.live = 0) THEN 'No process reports.'::text
             WHEN (f.cut > 0) THEN ((('The live feed of '::text || f.process) ||
             CASE
                 WHEN (f.cut > 1) THEN ((' and '::text || (f.cut - 1)) || ' others'::text)
                 ELSE ''::text
             END) || ' is cut: screens and caches are not told of changes.'::text)
             WHEN (f.late > 0) THEN 'Committed events reach screens and caches late.'::text
             WHEN (f.good > 0) THEN 'Screens and caches are told of changes at once.'::text
             ELSE 'Nobody follows the live feed.'::text
         END AS "case",
     jsonb_build_object('processes', f.live, 'live', f.good, 'late', f.late, 'cut', f.cut) AS jsonb_build_object
    FROM feeds f
 UNION ALL
  SELECT ('pool:'::text || o.app),
     'pool'::text,
         CASE
             WHEN ((o.live = 0) OR (o.at_most IS NULL)) THEN 'unknown'::text
             WHEN (o.waiting > (0)::double precision) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN ((o.live = 0) OR (o.at_most IS NULL)) THEN 'No process reports.'::text
             ELSE ((((o.in_use || ' of '::text) || o.at_most) || ' connections are in use'::text) ||
             CASE
                 WHEN (o.waiting > (0)::double precision) THEN ((', and '::text || o.waiting) || ' calls wait for one.'::text)
                 ELSE '.'::text
             END)
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('in_use', o.in_use, 'max', o.at_most, 'waiting', o.waiting)) AS jsonb_strip_nulls
    FROM pools o
 UNION ALL
  SELECT ('cache:'::text || c.app),
     'cache'::text,
         CASE
             WHEN (c.bypassed > 0) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (c.bypassed > 0) THEN (((((('Lookups go past the cache of '::text || c.bypassed) || ' of '::text) || c.processes) || ' processes'::text) || COALESCE((': '::text || c.reason), ''::text)) || '.'::text)
             WHEN ((c.hits + c.misses) > (0)::double precision) THEN (('It has answered '::text || round(((((100)::double precision * c.hits) / (c.hits + c.misses)))::numeric)) || ' % of the lookups.'::text)
             ELSE 'Nothing has been looked up yet.'::text
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('hits', c.hits, 'misses', c.misses, 'bypassed', c.bypassed, 'hit_percent', round(((((100)::double precision * c.hits) / NULLIF((c.hits + c.misses), (0)::double precision)))::numeric, 1))) AS jsonb_strip_nulls
    FROM caches c
 UNION ALL
  SELECT ('clock:'::text || k.app),
     'clock'::text,
         CASE
             WHEN (k.live = 0) THEN 'unknown'::text
             WHEN (k.off_seconds > (30)::double precision) THEN 'failing'::text
             WHEN (k.off_seconds > sync.health_limit('clock_seconds'::text)) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (k.live = 0) THEN 'No process reports.'::text
             WHEN (k.off_seconds > sync.health_limit('clock_seconds'::text)) THEN (((('The clock of '::text || k.process) || ' and that of the database are '::text) || sync.say_seconds(k.off_seconds)) || ' apart.'::text)
             ELSE 'The clocks agree with that of the database.'::text
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('off_seconds', round((k.off_seconds)::numeric, 3))) AS jsonb_strip_nulls
    FROM clocks k
 UNION ALL
  SELECT ('certificate:'::text || c.app),
     'certificate'::text,
         CASE
             WHEN (NOT c.is_used) THEN 'ok'::text
             WHEN (c.days IS NULL) THEN 'unknown'::text
             WHEN (c.days < (3)::double precision) THEN 'failing'::text
             WHEN (c.days < sync.health_limit('certificate_days'::text)) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (NOT c.is_used) THEN 'Its connections to the database use no TLS.'::text
             WHEN (c.days IS NULL) THEN 'The certificate of the database does not say when it ends.'::text
             WHEN (c.days < (0)::double precision) THEN 'The certificate of the database has ended.'::text
             ELSE (('The certificate of the database ends in '::text || sync.say_seconds((c.days * (86400)::double precision))) || '.'::text)
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('days_left', round((c.days)::numeric, 1))) AS jsonb_strip_nulls
    FROM certificates c
 UNION ALL
  SELECT ('sign-in:'::text || s.app),
     'sign-in'::text,
         CASE
             WHEN (s.unreachable > 0) THEN 'failing'::text
             WHEN (s.age_seconds IS NULL) THEN 'unknown'::text
             WHEN (s.age_seconds > sync.health_limit('sign_in_keys_seconds'::text)) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (s.unreachable > 0) THEN (((((('The identity provider did not answer '::text || s.unreachable) || ' of '::text) || s.processes) || ' processes'::text) || COALESCE(((' ('::text || s.error) || ')'::text), ''::text)) || '.'::text)
             WHEN (s.age_seconds IS NULL) THEN 'The keys of the identity provider have not been read yet.'::text
             ELSE (('The keys of the identity provider were read '::text || sync.say_seconds(s.age_seconds)) || ' ago.'::text)
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('keys_age_seconds', s.age_seconds, 'unreachable', s.unreachable)) AS jsonb_strip_nulls
    FROM sign_ins s;
END;

CREATE OR REPLACE FUNCTION sync.check_retention()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH w AS MATERIALIZED (
          SELECT count(*) AS live,
             min(sync.idle_seconds(p.turns, 'retention'::text)) AS idle_seconds,
             max(sync.number_in(p.report, '{retention,keep_days}'::text[])) AS keep_days,
             (array_agg(sync.word_in(p.report, '{retention,stays}'::text[]) ORDER BY (sync.idle_seconds(p.turns, 'retention'::text))))[1] AS stays,
             (array_agg((p.report #> '{retention,holders}'::text[]) ORDER BY (sync.idle_seconds(p.turns, 'retention'::text))))[1] AS holders
            FROM sync.list_processes() p(app, process, state, silent_seconds, started_at, clock_off_ms, report, turns)
           WHERE ((p.state = 'live'::text) AND (p.report ? 'retention'::text))
         ), n AS MATERIALIZED (
          SELECT w.live,
             w.idle_seconds,
             w.keep_days,
             w.stays,
             w.holders,
             ( SELECT (EXTRACT(epoch FROM (clock_timestamp() - e.sequenced_at)))::double precision AS "extract"
                    FROM sync.events e
                   ORDER BY e."position"
                  LIMIT 1) AS oldest_seconds,
             ( SELECT string_agg(s.name, ', '::text) AS string_agg
                    FROM sync.subscriptions s
                   WHERE ((jsonb_typeof(w.holders) = 'array'::text) AND (w.holders ? s.name))) AS held_by
            FROM w
         )
  SELECT 'retention'::text,
     'retention'::text,
         CASE
             WHEN (n.live = 0) THEN 'unknown'::text
             WHEN (n.stays = 'held'::text) THEN 'warning'::text
             WHEN ((n.idle_seconds > (7800)::double precision) OR (n.oldest_seconds > (((n.keep_days + (1)::double precision) * (86400)::double precision) + (7800)::double precision))) THEN 'stalled'::text
             WHEN (n.idle_seconds IS NULL) THEN 'unknown'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.live = 0) THEN 'No worker reports that it removes old events.'::text
             WHEN (n.stays = 'held'::text) THEN (('Old events are kept for '::text || COALESCE(n.held_by, 'a subscription'::text)) || ', which has not handled them.'::text)
             WHEN (n.idle_seconds > (7800)::double precision) THEN (('Nobody has looked for old events for '::text || sync.say_seconds(n.idle_seconds)) || '.'::text)
             WHEN (n.oldest_seconds > (((n.keep_days + (1)::double precision) * (86400)::double precision) + (7800)::double precision)) THEN (('Events that are older than '::text || n.keep_days) || ' days and a day are still there.'::text)
             WHEN (n.idle_seconds IS NULL) THEN 'The worker has not looked for old events yet.'::text
             ELSE (('Events are kept for '::text || n.keep_days) || ' days.'::text)
         END AS "case",
     jsonb_strip_nulls(jsonb_build_object('keep_days', n.keep_days, 'oldest_seconds', n.oldest_seconds, 'looked_seconds', n.idle_seconds)) AS jsonb_strip_nulls
    FROM n;
END;

CREATE OR REPLACE FUNCTION sync.check_sequencer()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH n AS MATERIALIZED (
          SELECT (COALESCE(EXTRACT(epoch FROM sync.outbox_age()), (0)::numeric))::double precision AS waiting_seconds,
             ( SELECT count(*) AS count
                    FROM ( SELECT
                            FROM sync.outbox o
                           WHERE (o.id > ( SELECT s.floor_id
                                    FROM sync.sequencer s))
                          LIMIT 10001) c) AS waiting,
             (sync.lease_left_ms() > (0)::double precision) AS is_led,
             ( SELECT s.leader
                    FROM sync.sequencer s) AS leader,
             (EXTRACT(epoch FROM (clock_timestamp() - h.head_since)))::double precision AS still_seconds,
             sync.health_limit('waiting_seconds'::text) AS limit_seconds
            FROM sync.health h
         ), w AS MATERIALIZED (
          SELECT count(*) FILTER (WHERE ((p.state = 'live'::text) AND (p.report ? 'sequencer'::text))) AS live,
             min(p.silent_seconds) FILTER (WHERE (p.state = 'silent'::text)) AS silent_seconds,
             min(p.silent_seconds) FILTER (WHERE (p.state = 'ended'::text)) AS ended_seconds
            FROM sync.list_processes() p(app, process, state, silent_seconds, started_at, clock_off_ms, report, turns)
           WHERE (p.app = 'sync'::text)
         )
  SELECT 'sequencer'::text,
     'sequencer'::text,
         CASE
             WHEN (n.is_led AND (n.waiting_seconds <= n.limit_seconds)) THEN 'ok'::text
             WHEN (n.is_led AND (n.still_seconds < n.limit_seconds)) THEN 'catching-up'::text
             WHEN (n.is_led OR (w.live > 0)) THEN 'stalled'::text
             WHEN (w.silent_seconds IS NOT NULL) THEN 'silent'::text
             WHEN (w.ended_seconds IS NOT NULL) THEN 'stalled'::text
             ELSE 'unknown'::text
         END AS "case",
     (
         CASE
             WHEN (n.is_led AND (n.waiting_seconds <= n.limit_seconds)) THEN 'A worker numbers events.'::text
             WHEN (n.is_led AND (n.still_seconds < n.limit_seconds)) THEN 'Events are committed faster than they are numbered.'::text
             WHEN n.is_led THEN (('A worker leads, but no event has been numbered for '::text || sync.say_seconds(n.still_seconds)) || '.'::text)
             WHEN (w.live > 0) THEN (('No worker leads, although '::text || w.live) || ' report.'::text)
             WHEN (w.silent_seconds IS NOT NULL) THEN (('No worker leads, and the last one has been silent for '::text || sync.say_seconds(w.silent_seconds)) || '.'::text)
             WHEN (w.ended_seconds IS NOT NULL) THEN (('No worker runs: the last one was stopped '::text || sync.say_seconds(w.ended_seconds)) || ' ago.'::text)
             ELSE 'No worker leads, and none has reported.'::text
         END ||
         CASE
             WHEN (n.waiting = 0) THEN ''::text
             ELSE ((((' '::text || sync.say_count(n.waiting)) || ' events wait for their numbers, the oldest for '::text) || sync.say_seconds(n.waiting_seconds)) || '.'::text)
         END),
     jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.waiting_seconds, 'workers', w.live) AS jsonb_build_object
    FROM (n
      CROSS JOIN w);
END;

CREATE OR REPLACE FUNCTION sync.check_subjects(of_subject text, ids text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  all_ids text[] := ids;
  now_found jsonb;
  without text[] := '{}';
begin
  case of_subject
    when 'customer' then
      select array_agg(distinct n.id) into all_ids
      from (select unnest(ids) as id union all
            select q.subject_id from sync.quality_findings q where q.other_id = any (ids::uuid[]) and q.subject = 'customer') n;
      -- An event that is not numbered yet is in no log: while the outbox is behind, nothing is said about it.
      if sync.outbox_age() > interval '30 seconds' then without := '{drift.event,drift.history}'; end if;
      select coalesce(jsonb_agg(f), '[]') into now_found
      from (select sync.find_in_customers(all_ids::uuid[]) union all select sync.find_children(all_ids::uuid[])) n (f);
    when 'company' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_companies(ids::uuid[]) f;
    when 'deal' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_deals(ids::bigint[]) f;
    when 'session' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_sessions(ids::uuid[]) f;
    when 'activity' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_activities(ids::uuid[]) f;
    when 'index' then
      select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_indexes() f;
      select array_agg(q.subject_id) || coalesce(ids, '{}') into all_ids from sync.quality_findings q where q.subject = 'index';
  end case;
  perform sync.keep_findings(of_subject, coalesce(all_ids, ids), now_found, without);
end $function$;

CREATE OR REPLACE FUNCTION sync.check_subscriptions()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH p AS MATERIALIZED (
          SELECT list_processes.app,
             list_processes.process,
             list_processes.state,
             list_processes.silent_seconds,
             list_processes.started_at,
             list_processes.clock_off_ms,
             list_processes.report,
             list_processes.turns
            FROM sync.list_processes() list_processes(app, process, state, silent_seconds, started_at, clock_off_ms, report, turns)
         ), head AS MATERIALIZED (
          SELECT sync.head() AS "position",
             ( SELECT e."position"
                    FROM sync.events e
                   ORDER BY e."position"
                  LIMIT 1) AS oldest,
             sync.health_limit('lag_seconds'::text) AS lag_limit
         ), readers AS MATERIALIZED (
          SELECT m.name AS subscription,
             p.app,
             p.state,
             p.silent_seconds,
             sync.idle_seconds(p.turns, ('subscription:'::text || m.name)) AS idle_seconds,
             COALESCE(sync.number_in(m.value, '{failures}'::text[]), (0)::double precision) AS failures,
             sync.word_in(m.value, '{error}'::text[]) AS error
            FROM (p
              CROSS JOIN LATERAL sync.members_in(p.report, '{subscriptions}'::text[]) m(name, value))
         ), found AS (
          SELECT s.name,
             s.is_paused,
             s.pause_reason,
             s.layout,
             (sync.farthest_of(s.*) - s."position") AS ahead,
             (EXTRACT(epoch FROM (clock_timestamp() - s.moved_at)))::double precision AS still_seconds,
             GREATEST((head."position" - s."position"), (0)::bigint) AS lag_events,
             head.lag_limit,
             (COALESCE(
                 CASE
                     WHEN (s."position" < head."position") THEN EXTRACT(epoch FROM (clock_timestamp() - ( SELECT e.sequenced_at
                        FROM sync.events e
                       WHERE (e."position" = GREATEST((s."position" + 1), head.oldest)))))
                     ELSE NULL::numeric
                 END, (0)::numeric))::double precision AS lag_seconds,
             r.live,
             r.silent_seconds,
             r.idle_seconds,
             r.failures,
             r.error,
             k.parked,
             k.retrying,
             k.dead
            FROM (((sync.subscriptions s
              CROSS JOIN head)
              CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (r_1.state = 'live'::text)) AS live,
                     min(r_1.silent_seconds) FILTER (WHERE (r_1.state = 'silent'::text)) AS silent_seconds,
                     min(r_1.idle_seconds) FILTER (WHERE (r_1.state = 'live'::text)) AS idle_seconds,
                     min(r_1.failures) FILTER (WHERE (r_1.state = 'live'::text)) AS failures,
                     max(r_1.error) FILTER (WHERE (r_1.state = 'live'::text)) AS error
                    FROM readers r_1
                   WHERE ((r_1.subscription = s.name) AND (r_1.app = s.app))) r)
              CROSS JOIN LATERAL ( SELECT ( SELECT count(*) AS count
                            FROM ( SELECT
                                    FROM sync.parked k_1
                                   WHERE (k_1.subscription = s.name)
                                   ORDER BY k_1."position"
                                  LIMIT 10001) c) AS parked,
                     ( SELECT count(*) AS count
                            FROM ( SELECT
                                    FROM sync.parked k_1
                                   WHERE ((k_1.subscription = s.name) AND (k_1.state = 'retrying'::text))
                                   ORDER BY k_1.attempt_at
                                  LIMIT 10001) c) AS retrying,
                     ( SELECT count(*) AS count
                            FROM ( SELECT
                                    FROM sync.parked k_1
                                   WHERE ((k_1.subscription = s.name) AND (k_1.state = 'dead'::text))
                                   ORDER BY k_1."position"
                                  LIMIT 10001) c) AS dead) k)
         ), judged AS (
          SELECT f.name,
             f.is_paused,
             f.pause_reason,
             f.layout,
             f.ahead,
             f.still_seconds,
             f.lag_events,
             f.lag_limit,
             f.lag_seconds,
             f.live,
             f.silent_seconds,
             f.idle_seconds,
             f.failures,
             f.error,
             f.parked,
             f.retrying,
             f.dead,
                 CASE
                     WHEN f.is_paused THEN 'paused'::text
                     WHEN ((f.live = 0) AND (f.silent_seconds IS NOT NULL)) THEN 'silent'::text
                     WHEN ((f.live = 0) AND (f.lag_seconds > f.lag_limit)) THEN 'stalled'::text
                     WHEN (f.live = 0) THEN 'unknown'::text
                     WHEN (f.failures >= (3)::double precision) THEN 'failing'::text
                     WHEN (f.dead > 0) THEN 'parked'::text
                     WHEN (f.idle_seconds > (40)::double precision) THEN 'stalled'::text
                     WHEN ((f.lag_seconds > f.lag_limit) AND (f.still_seconds < (10)::double precision)) THEN 'catching-up'::text
                     WHEN (f.lag_seconds > f.lag_limit) THEN 'stalled'::text
                     WHEN (f.parked > 0) THEN 'warning'::text
                     ELSE 'ok'::text
                 END AS status
            FROM found f
         )
  SELECT ('subscription:'::text || j.name),
     'subscription'::text,
     j.status,
     (((
         CASE j.status
             WHEN 'paused'::text THEN ('It is paused: '::text || "left"(j.pause_reason, 200))
             WHEN 'silent'::text THEN (('The process that read it has been silent for '::text || sync.say_seconds(j.silent_seconds)) || '.'::text)
             WHEN 'stalled'::text THEN
             CASE
                 WHEN (j.live = 0) THEN 'No process reads it.'::text
                 WHEN (j.idle_seconds > (40)::double precision) THEN (('Its reader has been at one step for '::text || sync.say_seconds(j.idle_seconds)) || '.'::text)
                 ELSE (('It has not moved for '::text || sync.say_seconds(j.still_seconds)) || '.'::text)
             END
             WHEN 'unknown'::text THEN 'No process reports that it reads it.'::text
             WHEN 'failing'::text THEN (((('Its last '::text || j.failures) || ' steps failed'::text) || COALESCE(((' ('::text || j.error) || ')'::text), ''::text)) || '.'::text)
             WHEN 'parked'::text THEN (sync.say_count(j.dead) || ' events are dead and wait for a person.'::text)
             WHEN 'catching-up'::text THEN 'It is behind and moves.'::text
             WHEN 'warning'::text THEN (sync.say_count(j.retrying) || ' events failed and are tried again.'::text)
             ELSE 'It reads on.'::text
         END ||
         CASE
             WHEN (j.layout > 1) THEN COALESCE(( SELECT ((((((' Share '::text || h.share) || ' of '::text) || j.layout) || ' is the last one, '::text) || sync.say_count(j.ahead, '100000000000'::bigint)) || ' events behind the first.'::text)
                FROM sync.shares h
               WHERE ((h.subscription = j.name) AND (j.ahead > 1000))
               ORDER BY h."position", h.share
              LIMIT 1), ''::text)
             ELSE ''::text
         END) ||
         CASE
             WHEN (j.parked > (j.dead + j.retrying)) THEN ((' '::text || sync.say_count(((j.parked - j.dead) - j.retrying))) || ' events wait behind others.'::text)
             ELSE ''::text
         END) ||
         CASE
             WHEN (j.lag_seconds > (1)::double precision) THEN ((((' It is '::text || sync.say_seconds(j.lag_seconds)) || ' and '::text) || sync.say_count(j.lag_events, '100000000000'::bigint)) || ' events behind.'::text)
             ELSE ''::text
         END),
     jsonb_build_object('lag_events', j.lag_events, 'lag_seconds', j.lag_seconds, 'parked', j.parked, 'retrying', j.retrying, 'dead', j.dead, 'readers', j.live, 'shares', j.layout) AS jsonb_build_object
    FROM judged j;
END;

CREATE OR REPLACE FUNCTION sync.check_transactions()
 RETURNS SETOF sync.check_row
 LANGUAGE sql
BEGIN ATOMIC
 SELECT 'transactions'::text,
     'transactions'::text,
         CASE
             WHEN (n.seconds > sync.health_limit('transaction_seconds'::text)) THEN 'warning'::text
             ELSE 'ok'::text
         END AS "case",
         CASE
             WHEN (n.seconds > sync.health_limit('transaction_seconds'::text)) THEN (('A transaction, a prepared transaction or a replication slot has been open for '::text || sync.say_seconds(n.seconds)) || ' or longer. Until it ends, deleted rows stay on the disk.'::text)
             ELSE 'No transaction is open for long.'::text
         END AS "case",
     jsonb_build_object('oldest_seconds', n.seconds) AS jsonb_build_object
    FROM ( SELECT (COALESCE(EXTRACT(epoch FROM (clock_timestamp() - h.horizon_since)), (0)::numeric))::double precision AS seconds
            FROM sync.health h) n;
END;

CREATE OR REPLACE FUNCTION sync.claim_alert(of_target text, for_seconds double precision, OUT alert_id bigint, OUT message_id text, OUT slug text, OUT kind text, OUT status text, OUT previous text, OUT reason text, OUT since timestamp with time zone, OUT told_at timestamp with time zone, OUT attempt integer)
 RETURNS SETOF record
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH next AS MATERIALIZED (
          SELECT d_1.alert_id
            FROM (sync.alert_deliveries d_1
              JOIN sync.alerts a_1 ON ((a_1.id = d_1.alert_id)))
           WHERE ((d_1.target = claim_alert.of_target) AND (d_1.state = 'waiting'::text) AND (d_1.attempt_at <= clock_timestamp()) AND COALESCE((d_1.claimed_until < clock_timestamp()), true) AND (NOT (EXISTS ( SELECT
                    FROM (sync.alert_deliveries e
                      JOIN sync.alerts b ON ((b.id = e.alert_id)))
                   WHERE ((e.target = claim_alert.of_target) AND (e.state = 'waiting'::text) AND (e.alert_id < d_1.alert_id) AND (b.slug = a_1.slug))))))
           ORDER BY d_1.alert_id
          LIMIT 1
          FOR UPDATE OF d_1 SKIP LOCKED
         )
  UPDATE sync.alert_deliveries d SET claimed_until = (clock_timestamp() + make_interval(secs => claim_alert.for_seconds)), attempts = (d.attempts + 1)
    FROM (next
      JOIN sync.alerts a ON ((a.id = next.alert_id)))
   WHERE ((d.alert_id = next.alert_id) AND (d.target = claim_alert.of_target))
   RETURNING d.alert_id,
     a.message_id,
     a.slug,
     a.kind,
     a.status,
     a.previous,
     a.reason,
     a.since,
     a.told_at,
     d.attempts;
END;
grant execute on function sync.claim_alert(of_target text, for_seconds double precision, OUT alert_id bigint, OUT message_id text, OUT slug text, OUT kind text, OUT status text, OUT previous text, OUT reason text, OUT since timestamp with time zone, OUT told_at timestamp with time zone, OUT attempt integer) to console_role;
grant execute on function sync.claim_alert(of_target text, for_seconds double precision, OUT alert_id bigint, OUT message_id text, OUT slug text, OUT kind text, OUT status text, OUT previous text, OUT reason text, OUT since timestamp with time zone, OUT told_at timestamp with time zone, OUT attempt integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.compare_import(of_run bigint, lines integer[], OUT n integer, OUT customer uuid, OUT present jsonb, OUT fills jsonb, OUT conflicts jsonb)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT p.n,
     c.id,
     d.present,
     COALESCE(d.fills, '{}'::jsonb) AS "coalesce",
     COALESCE(d.conflicts, '{}'::jsonb) AS "coalesce"
    FROM ((((((((((sync.import_runs r
      CROSS JOIN LATERAL ( SELECT ARRAY( SELECT jsonb_array_elements_text((r.settings -> 'overwrite'::text)) AS jsonb_array_elements_text) AS "array") o(fields))
      JOIN sync.import_rows p ON (((p.run = r.id) AND (p.n = ANY (compare_import.lines)))))
      JOIN sync.import_files f ON (((f.run = p.run) AND (f.file = p.file))))
      JOIN platform.customers k ON ((k.id = p.customer)))
      JOIN platform.customers c ON (((c.id = COALESCE(k.merged_into, k.id)) AND (c.erased_at IS NULL))))
      LEFT JOIN sync.import_targets co ON (((co.run = p.run) AND (co.kind = 'company'::text) AND (co.key = sync.import_company_key(p.company, p.company_domain)))))
      LEFT JOIN sync.import_targets alias ON (((alias.run = p.run) AND (alias.kind = 'company'::text) AND (alias.key = co.same_as))))
      LEFT JOIN sync.import_targets t ON (((t.run = p.run) AND (t.kind = 'tier'::text) AND (t.key = p.tier))))
      LEFT JOIN sync.import_targets w ON (((w.run = p.run) AND (w.kind = 'owner'::text) AND (w.key = p.owner))))
      CROSS JOIN LATERAL ( SELECT jsonb_object_agg(v.field, v.ours) AS present,
             jsonb_object_agg(v.field, v.theirs) FILTER (WHERE (NOT v.is_conflict)) AS fills,
             jsonb_object_agg(v.field, jsonb_build_object('ours', v.ours, 'theirs', v.theirs)) FILTER (WHERE v.is_conflict) AS conflicts
            FROM ( SELECT b.field,
                     b.ours,
                     b.theirs,
                     ((b.ours IS NOT NULL) AND (b.field <> ALL (o.fields))) AS is_conflict
                    FROM ( VALUES ('email'::text,to_jsonb(c.email),
                                 CASE
                                     WHEN (NOT (EXISTS ( SELECT
                                        FROM platform.customer_emails e
                                       WHERE ((e.email_key = p.email_key) AND (e.customer_id = c.id))))) THEN to_jsonb(p.email)
                                     ELSE NULL::jsonb
                                 END), ('name'::text,to_jsonb(c.name),to_jsonb(p.name)), ('phone'::text,
                                 CASE
                                     WHEN (c.phone IS NOT NULL) THEN jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key, 'phone_extension', c.phone_extension)
                                     ELSE NULL::jsonb
                                 END,
                                 CASE
                                     WHEN ((p.phone_key IS NOT NULL) AND (NOT (EXISTS ( SELECT
                                        FROM platform.customer_phones h
                                       WHERE ((h.customer_id = c.id) AND (h.phone_key = p.phone_key) AND (NOT (h.phone_extension IS DISTINCT FROM p.phone_extension))))))) THEN jsonb_build_object('phone', p.phone, 'phone_key', p.phone_key, 'phone_extension', p.phone_extension)
                                     ELSE NULL::jsonb
                                 END), ('company'::text,to_jsonb(c.company_id),to_jsonb(COALESCE(co.target, alias.target,
                                 CASE
                                     WHEN ((r.state = 'reading'::text) AND (NOT (r.unmapped ? 'company'::text))) THEN co.key
                                     ELSE NULL::text
                                 END))), ('tier'::text,to_jsonb(c.account_tier),to_jsonb(t.target)), ('owner'::text,to_jsonb(c.account_manager_id),to_jsonb(w.target)), ('language'::text,to_jsonb(c.preferred_language),to_jsonb(p.language)), ('timezone'::text,to_jsonb(c.timezone),to_jsonb(p.timezone))) b(field, ours, theirs)
                   WHERE ((b.theirs IS NOT NULL) AND (b.ours IS DISTINCT FROM b.theirs))
                 UNION ALL
                  SELECT x.field,
                     x.present,
                     x.given,
                     x.is_conflict
                    FROM sync.compare_import_extras(c.id, p.extra, f.source, o.fields) x(field, present, given, is_conflict)
                   WHERE (p.extra IS NOT NULL)) v) d)
   WHERE (r.id = compare_import.of_run);
END;

CREATE OR REPLACE FUNCTION sync.compare_import_extras(of_customer uuid, extra jsonb, source text, overwrite text[], OUT field text, OUT present jsonb, OUT given jsonb, OUT is_conflict boolean)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT ('custom.'::text || f.key),
     v.value,
     g.value,
     ((v.value IS NOT NULL) AND (('custom.'::text || f.key) <> ALL (compare_import_extras.overwrite)))
    FROM (((jsonb_each_text((compare_import_extras.extra -> 'custom'::text)) c(key, value)
      JOIN crm.custom_fields f ON (((f.record = 'customer'::text) AND (f.key = c.key))))
      CROSS JOIN LATERAL ( SELECT sync.read_custom_value(f.*, c.value) AS read_custom_value) g(value))
      LEFT JOIN crm.custom_field_values v ON (((v.field_id = f.id) AND (v.customer_id = compare_import_extras.of_customer))))
   WHERE ((g.value IS NOT NULL) AND (v.value IS DISTINCT FROM g.value))
 UNION ALL
  SELECT ('address:'::text || (a.value ->> 'key'::text)),
         CASE
             WHEN (e.customer_id IS NOT NULL) THEN to_jsonb(e.customer_id)
             ELSE NULL::jsonb
         END AS "case",
     a.value,
     (e.customer_id IS NOT NULL)
    FROM (jsonb_array_elements((compare_import_extras.extra -> 'emails'::text)) a(value)
      LEFT JOIN platform.customer_emails e ON ((e.email_key = (a.value ->> 'key'::text))))
   WHERE (e.customer_id IS DISTINCT FROM compare_import_extras.of_customer)
 UNION ALL
  SELECT (('phone:'::text || (p.value ->> 'key'::text)) || COALESCE(('x'::text || (p.value ->> 'extension'::text)), ''::text)),
     NULL::jsonb,
     p.value,
     false
    FROM jsonb_array_elements((compare_import_extras.extra -> 'phones'::text)) p(value)
   WHERE (NOT (EXISTS ( SELECT
            FROM platform.customer_phones h
           WHERE ((h.customer_id = compare_import_extras.of_customer) AND (h.phone_key = (p.value ->> 'key'::text)) AND (NOT (h.phone_extension IS DISTINCT FROM (p.value ->> 'extension'::text)))))))
 UNION ALL
  SELECT ('note:'::text || md5(t.value)),
     NULL::jsonb,
     to_jsonb("left"(t.value, 4000)) AS to_jsonb,
     false
    FROM jsonb_array_elements_text((compare_import_extras.extra -> 'notes'::text)) t(value)
   WHERE ((char_length(t.value) > 0) AND (NOT (EXISTS ( SELECT
            FROM crm.activities a
           WHERE ((a.created_by_app = 'foundation'::text) AND (a.idempotency_key = ((((('import:'::text || compare_import_extras.source) || ':'::text) || compare_import_extras.of_customer) || ':'::text) || md5(t.value))))))));
END;

CREATE OR REPLACE FUNCTION sync.compare_planned(of_run bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  lines integer[];
begin
  for lines in
    select array_agg(p.n) from sync.import_rows p
    where p.run = of_run and p.outcome = 'updated' and p.lead = p.n group by p.n / 5000 order by p.n / 5000
  loop
    update sync.import_rows p
    set outcome = case when c.n is null then 'excluded' when c.fills = '{}' then 'unchanged' else 'updated' end,
        code = case when c.n is null then 'erased' when c.fills = '{}' then 'nothing-new' end,
        customer = coalesce(c.customer, p.customer),
        detail = coalesce(p.detail, '{}') || case when c.fills <> '{}' then jsonb_build_object('fills', c.fills) else '{}' end
          || case when c.conflicts <> '{}' then jsonb_build_object('conflicts', c.conflicts) else '{}' end
    from unnest(lines) l (n) left join sync.compare_import(of_run, lines) c on c.n = l.n
    where p.run = of_run and p.n = l.n;
    -- The other lines of a person that brings nothing bring nothing.
    update sync.import_rows p set outcome = case l.outcome when 'excluded' then 'excluded' else 'unchanged' end
    from sync.import_rows l
    where l.run = of_run and l.n = any (lines) and l.outcome in ('unchanged', 'excluded')
      and p.run = of_run and p.lead = l.n and p.n <> l.n and p.outcome <> 'held';
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION sync.confirm_run(of_run bigint, reason text, rate_per_second integer DEFAULT 500)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.bulk_runs := sync.hold_run(of_run);
  outcome constant jsonb := jsonb_build_object(case held.kind when 'repair' then 'rows' else 'events' end, held.total);
begin
  perform sync.require_reason(reason);
  if held.state <> 'frozen' then
    raise exception 'run % was confirmed already', of_run using errcode = 'object_not_in_prerequisite_state';
  end if;
  -- Soon after that its events are removed.
  if held.frozen_at < clock_timestamp() - interval '1 hour' then
    raise exception 'the set of run % is older than an hour: freeze it again', of_run using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.bulk_runs r set state = 'running', reason = btrim(confirm_run.reason), rate_per_second = confirm_run.rate_per_second,
    confirmed_at = clock_timestamp(), due_at = clock_timestamp(), actor = platform.current_actor(), login = session_user,
    attempts_after = (select coalesce(max(a.id), 0) from sync.attempts a)
  where r.id = of_run;
  return outcome || jsonb_build_object('operation', sync.record_operation('bulk.' || held.kind,
    jsonb_strip_nulls(jsonb_build_object('run', of_run, 'subscription', held.subscription, 'filter', held.filter)), btrim(reason),
    outcome));
end $function$;
grant execute on function sync.confirm_run(of_run bigint, reason text, rate_per_second integer) to console_role;
grant execute on function sync.confirm_run(of_run bigint, reason text, rate_per_second integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.correct_address(of_customer uuid, of_address uuid, address text DEFAULT NULL::text, key text DEFAULT NULL::text, expected_version bigint DEFAULT NULL::bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  known platform.customer_emails;
  held uuid;
  added uuid;
  is_added boolean := false;
  operation bigint;
begin
  perform sync.require_operator();
  perform pg_advisory_xact_lock(sync.findings_lock());
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return null; end if;
  select e.* into known from platform.customer_emails e where e.id = of_address and e.customer_id = held;
  if not found then return null; end if;
  if sync.unreachable_because(known.email_key) is null then
    raise exception 'mail may reach this address' using errcode = 'check_violation', constraint = 'quality_address_reachable';
  elsif known.is_primary and key is null then
    raise exception 'the primary address stays' using errcode = 'check_violation', constraint = 'customer_emails_primary_stays';
  end if;
  if key is not null then
    is_added := not exists (select from platform.customer_emails e where e.email_key = key);
    added := (platform.add_address(held, address, key)).address_id;
    if known.is_primary then perform platform.make_address_primary(held, added); end if;
  end if;
  perform platform.remove_address(held, of_address);
  perform sync.check_subjects('customer', array[held::text]);
  operation := sync.record_operation('quality.correct_address', jsonb_build_object('customer', held, 'address', of_address), null,
    jsonb_strip_nulls(jsonb_build_object('removed', of_address, 'added', case when is_added then added end, 'primary', known.is_primary)));
  return jsonb_build_object('operation', operation);
end $function$;
grant execute on function sync.correct_address(of_customer uuid, of_address uuid, address text, key text, expected_version bigint) to console_role;
grant execute on function sync.correct_address(of_customer uuid, of_address uuid, address text, key text, expected_version bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.count_events_for(of_subscription text, first bigint, last bigint, counted_max integer, OUT events bigint, OUT is_whole boolean)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT count(*) AS count,
     ((count(*) < count_events_for.counted_max) AND ((count_events_for.last - count_events_for.first) < 100000))
    FROM ( SELECT
            FROM (sync.subscriptions s
              JOIN sync.events e ON ((((e."position" >= count_events_for.first) AND (e."position" <= LEAST(count_events_for.last, (count_events_for.first + 99999)))) AND sync.may_read(s.app, e.audience) AND ((s.types IS NULL) OR (e.type = ANY (s.types))) AND ((s.layout = 1) OR (e."position" <= sync.position_for(s.*, e.key, e.customer))))))
           WHERE (s.name = count_events_for.of_subscription)
          LIMIT count_events_for.counted_max) found;
END;
grant execute on function sync.count_events_for(of_subscription text, first bigint, last bigint, counted_max integer, OUT events bigint, OUT is_whole boolean) to console_role;
grant execute on function sync.count_events_for(of_subscription text, first bigint, last bigint, counted_max integer, OUT events bigint, OUT is_whole boolean) to sync_role;

CREATE OR REPLACE FUNCTION sync.count_findings()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if tg_op = 'INSERT' then
    update sync.quality_numbers n set stored = n.stored + a.rows
    from (select finding, count(*)::integer as rows from added group by finding) a where n.finding = a.finding;
  else
    update sync.quality_numbers n set stored = n.stored - r.rows
    from (select finding, count(*)::integer as rows from removed group by finding) r where n.finding = r.finding;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.count_new_answers(of_run bigint)
 RETURNS integer
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (select count(*) from sync.import_plan_answers a where a.run = of_run and a.changes_plan);
end $function$;
grant execute on function sync.count_new_answers(of_run bigint) to console_role;
grant execute on function sync.count_new_answers(of_run bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.customer_file(of_customer uuid, events_max integer DEFAULT 5000)
 RETURNS jsonb
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH asked AS (
          SELECT c.id,
             c.merged_into,
             c.erased_at
            FROM platform.customers c
           WHERE (c.id = customer_file.of_customer)
         ), ids AS MATERIALIZED (
          SELECT sync.list_merged(a.id) AS ids
            FROM asked a
           WHERE ((a.erased_at IS NULL) AND (NOT (EXISTS ( SELECT
                    FROM platform.customers s
                   WHERE ((s.id = a.merged_into) AND (s.erased_at IS NOT NULL))))))
         ), oldest AS (
          SELECT e."position",
             e.occurred_at
            FROM sync.events e
           ORDER BY e."position"
          LIMIT 1
         ), logged AS MATERIALIZED (
          SELECT e."position",
             e.id,
             e.type,
             e.key,
             e.customer,
             e.row_id,
             e.version,
             e.audience,
             e.app,
             e.login,
             e.actor,
             e.data,
             e.previous,
             e.trace,
             e.occurred_at,
             e.sequenced_at
            FROM sync.events e
           WHERE ((e."position" = ANY (ARRAY( SELECT n."position"
                    FROM ( SELECT v."position"
                            FROM ((ids i
                              CROSS JOIN LATERAL unnest(i.ids) u(id))
                              CROSS JOIN LATERAL ( SELECT v_1."position"
                                    FROM sync.events v_1
                                   WHERE (v_1.customer = u.id)
                                   ORDER BY v_1."position" DESC
                                  LIMIT customer_file.events_max) v)
                         UNION
                          SELECT v."position"
                            FROM ((ids i
                              CROSS JOIN LATERAL unnest(i.ids) u(id))
                              CROSS JOIN LATERAL ( SELECT v_1."position"
                                    FROM sync.events v_1
                                   WHERE (v_1.key = (u.id)::text)
                                   ORDER BY v_1."position" DESC
                                  LIMIT customer_file.events_max) v)) n
                   ORDER BY n."position" DESC
                  LIMIT customer_file.events_max))) AND (split_part(e.type, '.'::text, 1) = ANY (ARRAY['customer'::text, 'address'::text, 'phone'::text, 'deal'::text, 'custom_value'::text, 'session'::text])))
         ), pending AS (
          SELECT NULL::bigint AS "position",
             o.id,
             o.type,
             o.key,
             o.customer,
             o.row_id,
             o.version,
             o.audience,
             o.app,
             o.login,
             o.actor,
             o.data,
             o.previous,
             o.trace,
             o.occurred_at
            FROM (sync.outbox o
              CROSS JOIN ids i)
           WHERE ((o.customer = ANY (i.ids)) AND (split_part(o.type, '.'::text, 1) = ANY (ARRAY['customer'::text, 'address'::text, 'phone'::text, 'deal'::text, 'custom_value'::text, 'session'::text])))
         ), told AS (
          SELECT l."position",
             l.id,
             l.type,
             l.key,
             l.customer,
             l.row_id,
             l.version,
             l.audience,
             l.app,
             l.login,
             l.actor,
             l.data,
             l.previous,
             l.trace,
             l.occurred_at
            FROM logged l
         UNION ALL
          SELECT p."position",
             p.id,
             p.type,
             p.key,
             p.customer,
             p.row_id,
             p.version,
             p.audience,
             p.app,
             p.login,
             p.actor,
             p.data,
             p.previous,
             p.trace,
             p.occurred_at
            FROM pending p
         )
  SELECT jsonb_build_object('asked', ( SELECT to_jsonb(a.*) AS to_jsonb
            FROM asked a), 'ids', ( SELECT i.ids
            FROM ids i), 'customers', ( SELECT COALESCE(jsonb_agg((to_jsonb(c.*) - 'email_key'::text)), '[]'::jsonb) AS "coalesce"
            FROM platform.customers c,
             ids i
           WHERE (c.id = ANY (i.ids))), 'addresses', ( SELECT COALESCE(jsonb_agg((to_jsonb(a.*) - 'email_key'::text)), '[]'::jsonb) AS "coalesce"
            FROM platform.customer_emails a,
             ids i
           WHERE (a.customer_id = ANY (i.ids))), 'removed_addresses', ( SELECT COALESCE(jsonb_agg((to_jsonb(a.*) - 'email_key'::text)), '[]'::jsonb) AS "coalesce"
            FROM platform.removed_emails a,
             ids i
           WHERE (a.customer_id = ANY (i.ids))), 'phones', ( SELECT COALESCE(jsonb_agg(to_jsonb(p.*)), '[]'::jsonb) AS "coalesce"
            FROM platform.customer_phones p,
             ids i
           WHERE (p.customer_id = ANY (i.ids))), 'deals', ( SELECT COALESCE(jsonb_agg((to_jsonb(d.*) - '{request_digest,idempotency_key}'::text[])), '[]'::jsonb) AS "coalesce"
            FROM crm.deals d,
             ids i
           WHERE (d.customer_id = ANY (i.ids))), 'values', ( SELECT COALESCE(jsonb_agg(to_jsonb(v.*)), '[]'::jsonb) AS "coalesce"
            FROM crm.custom_field_values v,
             ids i
           WHERE (v.customer_id = ANY (i.ids))), 'sessions', ( SELECT COALESCE(jsonb_agg(jsonb_build_object('id', s.id, 'customer_id', s.customer_id, 'status', s.status, 'resolved', s.resolved, 'started_at', s.started_at, 'ended_at', s.ended_at)), '[]'::jsonb) AS "coalesce"
            FROM support.sessions s,
             ids i
           WHERE (s.customer_id = ANY (i.ids))), 'events', ( SELECT COALESCE(jsonb_agg(jsonb_build_object('position', t."position", 'id', t.id, 'type', t.type, 'row_id', t.row_id, 'version', t.version, 'audience', t.audience, 'app', t.app, 'login', t.login, 'actor', t.actor, 'trace', t.trace, 'occurred_at', t.occurred_at, 'data', (t.data - '{visitor_email,visitor_name,language,time_zone}'::text[]), 'previous', (t.previous - '{visitor_email,visitor_name,language,time_zone}'::text[])) ORDER BY t."position" DESC, t.id DESC), '[]'::jsonb) AS "coalesce"
            FROM told t), 'changes', ( SELECT COALESCE(jsonb_agg(jsonb_build_object('event_id', h.event_id, 'change', h.change, 'app', h.app, 'actor', h.actor, 'occurred_at', h.occurred_at, 'data', h.data, 'previous', h.previous) ORDER BY h.occurred_at DESC, h.event_id DESC), '[]'::jsonb) AS "coalesce"
            FROM ( SELECT k.event_id,
                     k.id,
                     k.customer_id,
                     k.deal_id,
                     k.change,
                     k.app,
                     k.actor,
                     k.occurred_at,
                     k.data,
                     k.previous,
                     k.names
                    FROM crm.changes k,
                     ids i
                   WHERE ((k.customer_id = ANY (i.ids)) AND (k.deal_id IS NULL) AND (NOT (EXISTS ( SELECT
                            FROM logged l
                           WHERE (l.id = k.event_id)))))
                   ORDER BY k.occurred_at DESC, k.id DESC
                  LIMIT customer_file.events_max) h), 'is_cut', ( SELECT (count(*) >= customer_file.events_max)
            FROM logged), 'log_begins', ( SELECT jsonb_build_object('position', o."position", 'at', o.occurred_at) AS jsonb_build_object
            FROM oldest o), 'now', clock_timestamp()) AS jsonb_build_object;
END;
grant execute on function sync.customer_file(of_customer uuid, events_max integer) to console_role;
grant execute on function sync.customer_file(of_customer uuid, events_max integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.cut_shares(of_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  s sync.subscriptions;
begin
  select x.* into s from sync.subscriptions x where x.name = of_name;
  if (s.shares, s.holds) = (s.layout, s.layout_by) then return; end if;
  if exists (select from sync.shares h where h.subscription = of_name and h.position <> sync.level_of(of_name)) then return; end if;
  if s.layout > 1 then
    s.position := sync.level_of(of_name);
    s.replay_until := 0;
  end if;
  delete from sync.shares h where h.subscription = of_name and (s.shares = 1 or h.share >= s.shares);
  insert into sync.shares as h (subscription, share, position, replay_until)
  select of_name, n, s.position, s.replay_until from generate_series(0, s.shares - 1) n where s.shares > 1
  on conflict (subscription, share) do update set position = excluded.position, replay_until = excluded.replay_until;
  update sync.subscriptions x
  set layout = s.shares, layout_by = s.holds, position = s.position, replay_until = s.replay_until where x.name = of_name;
end $function$;

CREATE OR REPLACE FUNCTION sync.decide_import_pair(of_run bigint, of_n integer, with_n integer, with_customer uuid, answered text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r sync.import_runs;
  a record;
  b record;
  mine text collate "C";
  theirs text collate "C";
  before sync.import_decisions;
  changes boolean;
  planned bigint;
  left_side text[];
  right_side text[];
begin
  perform platform.require_steward();
  select * into r from sync.import_runs x where x.id = of_run for update;
  if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
  if r.state <> 'planned' then
    raise exception 'run % is %: answers are for a plan; afterwards, merge the customers', of_run, r.state
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  elsif num_nonnulls(with_n, with_customer) <> 1 or of_n = with_n then
    raise exception 'an answer is about a line and another line, or a customer' using errcode = 'invalid_parameter_value';
  elsif answered not in ('same', 'different', 'later') then
    raise exception 'an answer is same, different or later' using errcode = 'invalid_parameter_value';
  end if;
  select * into a from sync.list_import_persons(of_run, array[of_n]);
  select * into b from sync.list_import_persons(of_run, array[with_n]);
  if a.n is null or with_n is not null and b.n is null then
    raise exception 'line % of run % is no person', case when a.n is null then of_n else with_n end, of_run
      using errcode = 'no_data_found';
  end if;
  if with_customer is not null then
    select 'customer:' || coalesce(c.merged_into, c.id) into theirs from platform.customers c
    where c.id = with_customer and c.erased_at is null;
    if theirs is null then raise exception 'there is no customer %', with_customer using errcode = 'no_data_found'; end if;
    mine := a.person;
  elsif a.person = b.person then
    mine := a.whole;
    theirs := b.whole;
  else
    mine := a.person;
    theirs := b.person;
  end if;
  if mine = theirs then raise exception 'both lines say exactly the same' using errcode = 'invalid_parameter_value'; end if;
  -- One answer at a time, so that none contradicts another.
  perform pg_advisory_xact_lock(hashtextextended('sync.import_decisions', 0));
  select * into before from sync.import_decisions d where d.one = least(mine, theirs) and d.other = greatest(mine, theirs);
  left_side := sync.list_same_persons(mine, before.one, before.other);
  right_side := sync.list_same_persons(theirs, before.one, before.other);
  if answered = 'different' and theirs = any (left_side) then
    raise exception 'other answers say that these two are one person: change those first'
      using errcode = 'object_not_in_prerequisite_state';
  elsif answered = 'same' and (exists (
      select from sync.import_decisions d
      where d.answer = 'different' and (d.one = any (left_side) and d.other = any (right_side)
        or d.other = any (left_side) and d.one = any (right_side)))
    or (select count(distinct p) from unnest(left_side || right_side) p where starts_with(p, 'customer:')) > 1) then
    raise exception 'other answers say that these two are different, or make each of them another customer: change those first'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  insert into sync.import_decisions as d (one, other, answer, run)
  values (least(mine, theirs), greatest(mine, theirs), answered, of_run)
  on conflict (one, other) do update
  set answer = excluded.answer, run = excluded.run, decided_at = clock_timestamp(), actor = platform.current_actor(), login = session_user;
  changes := sync.note_plan_answer(of_run, mine, theirs, answered, before.answer,
    coalesce(a.lead = b.lead, a.customer = with_customer, false));
  -- The same lines may be in other plans.
  for planned in select x.id from sync.import_runs x where x.state = 'planned' and x.id <> of_run order by x.id loop
    select * into a from sync.find_import_person(planned, mine, of_run, of_n);
    select * into b from sync.find_import_person(planned, theirs, of_run, with_n);
    if a.n is not null and (b.n is not null or with_customer is not null) then
      perform sync.note_plan_answer(planned, mine, theirs, answered, before.answer,
        coalesce(a.lead = b.lead, a.customer = with_customer, false));
    end if;
  end loop;
  update sync.import_runs x set used_at = clock_timestamp() where x.id = of_run;
  perform sync.record_operation('import.answer', jsonb_strip_nulls(jsonb_build_object('run', of_run, 'line', of_n, 'other_line', with_n,
    'customer', with_customer)), null, jsonb_strip_nulls(jsonb_build_object('answer', answered, 'before', before.answer)));
  return changes;
end $function$;
grant execute on function sync.decide_import_pair(of_run bigint, of_n integer, with_n integer, with_customer uuid, answered text) to console_role;
grant execute on function sync.decide_import_pair(of_run bigint, of_n integer, with_n integer, with_customer uuid, answered text) to sync_role;

CREATE OR REPLACE FUNCTION sync.delete_import_customers(gone uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'auto'
AS $function$
declare
  deleted integer;
begin
  delete from crm.changes h where h.customer_id = any (gone);
  delete from crm.activities a where a.customer_id = any (gone);
  delete from crm.custom_field_values v where v.customer_id = any (gone);
  delete from platform.review_candidates q where q.customer_id = any (gone) or q.other_id = any (gone);
  delete from sync.quality_findings q where q.customer_id = any (gone) or q.other_id = any (gone);
  delete from platform.customer_external_ids x where x.customer_id = any (gone);
  delete from platform.customer_phones h where h.customer_id = any (gone);
  delete from platform.customer_emails e where e.customer_id = any (gone);
  delete from crm.customer_order o where o.customer_id = any (gone);
  delete from platform.customers c where c.id = any (gone);
  get diagnostics deleted = row_count;
  -- The lines of other runs that were these customers, too: otherwise they would be known for ever as those of nobody.
  delete from sync.import_keys k where k.customer = any (gone);
  return deleted;
end $function$;

CREATE OR REPLACE FUNCTION sync.delete_old_events(keep interval, batch_max integer, force text[] DEFAULT '{}'::text[], OUT outcome text, OUT first bigint, OUT last bigint, OUT holders jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  oldest timestamptz;
  newest timestamptz;
  deadline timestamptz;
  young bigint;
  needed bigint;
begin
  if keep is null or keep < interval '0' or coalesce(batch_max, 0) < 1 then
    raise exception 'say how long events are kept' using errcode = 'invalid_parameter_value';
  end if;
  outcome := 'young';
  select e.position, e.sequenced_at into first, oldest from sync.events e order by e.position limit 1;
  if not found or oldest > clock_timestamp() - keep then return; end if;
  -- Six hours before the day is over. Until then the partition may be dropped as a whole, or wait until nobody reads it.
  deadline := oldest + keep + interval '18 hours';
  select e.sequenced_at into newest from sync.list_partitions() p join sync.events e on e.position = p.last
  where delete_old_events.first between p.first and p.last;
  if newest + keep <= deadline and clock_timestamp() < deadline then return; end if;

  select min(w.position) filter (where w.sequenced_at > clock_timestamp() - keep), max(w.position) into young, last
  from (select e.position, e.sequenced_at from sync.events e order by e.position limit batch_max) w;
  last := coalesce(young - 1, last);

  -- With these locks held no cursor moves and nothing is parked: what is needed now is needed until the end.
  perform set_config('lock_timeout', '200ms', true);
  lock table sync.shares, sync.subscriptions, sync.parked in share row exclusive mode;
  perform sync.lock_subscription(f) from unnest(force) f;
  select min(least(n.unread, n.parked)) into needed
  from sync.subscriptions s cross join lateral (select
    (select e.position from sync.events e
     where e.position > s.position and e.position between delete_old_events.first and delete_old_events.last
       and sync.may_read(s.app, e.audience) and (s.types is null or e.type = any (s.types)) order by e.position limit 1) as unread,
    (select min(p.position) from sync.parked p
     where p.subscription = s.name and p.position between delete_old_events.first and delete_old_events.last) as parked) n
  where s.name <> all (force);
  if needed = first then
    select jsonb_agg(to_jsonb(h)) into holders from sync.list_holders(first, last) h;
    outcome := 'held';
    return;
  end if;
  last := coalesce(needed - 1, last);
  select jsonb_agg(to_jsonb(h)) into holders from sync.list_holders(first, last) h;
  delete from sync.events e where e.position between delete_old_events.first and delete_old_events.last;
  delete from sync.parked p where p.position <= delete_old_events.last;
  -- A subscription before the gap is moved behind it, so that it does not walk through it. If its handler is at work, the row is locked
  -- and skipped: it will pass the gap by itself.
  update sync.shares h set position = delete_old_events.last
  from (select b.subscription, b.share from sync.shares b where b.position < delete_old_events.last for update skip locked) f
  where h.subscription = f.subscription and h.share = f.share;
  update sync.subscriptions s set position = least(delete_old_events.last,
    (select min(h.position) from sync.shares h where h.subscription = s.name))
  where s.name = any (array(
    select b.name from sync.subscriptions b where b.position < delete_old_events.last order by b.name for update skip locked));
  update sync.sequencer s set head = delete_old_events.last where s.head < delete_old_events.last;
  outcome := 'deleted';
exception when lock_not_available then
  outcome := 'busy';
end $function$;
grant execute on function sync.delete_old_events(keep interval, batch_max integer, force text[], OUT outcome text, OUT first bigint, OUT last bigint, OUT holders jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.drive_parked(of_subscription text, positions bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  driven bigint[];
  keys text[];
  customers uuid[];
begin
  with changed as (
    update sync.parked p set state = 'waiting', attempts = 0, attempt_at = null, error = null, cause = null
    from unnest(positions) as asked (position)
    where p.subscription = of_subscription and p.position = asked.position and p.state <> 'waiting' and p.attempts > 0
    returning p.position, p.key, p.customer)
  select array_agg(c.position order by c.position), array_agg(distinct c.key),
    array_agg(distinct c.customer) filter (where c.customer is not null)
  into driven, keys, customers from changed c;
  if driven is null then return '{}'; end if;
  perform sync.start_first(of_subscription, keys, customers);
  perform pg_notify('sync_events', '');
  return driven;
end $function$;

CREATE OR REPLACE FUNCTION sync.drop_import_rows(of_run bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  former constant text := current_setting('lock_timeout');
begin
  begin
    perform set_config('lock_timeout', '200ms', true);
    execute format('drop table if exists sync.import_rows_p%s', of_run);
  exception when lock_not_available then null;
  end;
  perform set_config('lock_timeout', former, true);
end $function$;

CREATE OR REPLACE FUNCTION sync.drop_import_staging(of_run bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  former constant text := current_setting('lock_timeout');
begin
  if to_regclass('staging.import_lines_p' || of_run) is null then return; end if;
  begin
    perform set_config('lock_timeout', '200ms', true);
    execute format('truncate staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  exception when lock_not_available or undefined_table then -- another run that began at the same time has dropped it
    perform set_config('lock_timeout', former, true);
    return;
  end;
  begin
    execute format('drop table staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  exception when lock_not_available or undefined_table then null;
  end;
  perform set_config('lock_timeout', former, true);
end $function$;

CREATE OR REPLACE FUNCTION sync.drop_oldest_partition(keep interval, force text[] DEFAULT '{}'::text[], OUT outcome text, OUT first bigint, OUT last bigint, OUT holders jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  partition name;
  newest timestamptz;
begin
  if keep is null or keep < interval '0' then
    raise exception 'say how long events are kept' using errcode = 'invalid_parameter_value';
  end if;
  perform set_config('lock_timeout', '200ms', true);
  lock table sync.events in share update exclusive mode;
  select p.name, p.first, p.last into partition, first, last from sync.list_partitions() p limit 1;
  if last is null or last > sync.head() then outcome := 'open'; return; end if;
  select e.sequenced_at into newest
  from sync.events e where e.position <= drop_oldest_partition.last order by e.position desc limit 1;
  if newest > clock_timestamp() - keep then outcome := 'young'; return; end if;

  for look in 1..2 loop
    -- A transaction that moves a cursor or parks an event has read the log, so there is none while this lock is held.
    -- The sequencer locks its row first and the table second. This function does the same, because otherwise the two wait for each other.
    if look = 2 then
      perform from sync.sequencer for update;
      lock table sync.events in access exclusive mode;
    end if;
    select jsonb_agg(to_jsonb(h)) into holders from sync.list_holders(first, last) h;
    if exists (select from jsonb_array_elements(holders) h where h ->> 'name' <> all (force)) then outcome := 'held'; return; end if;
  end loop;
  delete from sync.parked p where p.position <= drop_oldest_partition.last;
  update sync.shares h set position = drop_oldest_partition.last where h.position < drop_oldest_partition.last;
  update sync.subscriptions s set position = drop_oldest_partition.last where s.position < drop_oldest_partition.last;
  update sync.sequencer s set head = drop_oldest_partition.last where s.head < drop_oldest_partition.last;
  execute format('drop table sync.%I', partition);
  outcome := 'dropped';
exception when lock_not_available then
  outcome := 'busy';
end $function$;
grant execute on function sync.drop_oldest_partition(keep interval, force text[], OUT outcome text, OUT first bigint, OUT last bigint, OUT holders jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.drop_subscription(of_name text, reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.subscriptions := sync.hold_subscription(of_name);
  parked bigint;
  outcome jsonb;
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  delete from sync.parked p where p.subscription = of_name;
  get diagnostics parked = row_count;
  delete from sync.subscriptions s where s.name = of_name;
  outcome := jsonb_build_object('app', held.app, 'position', held.position, 'parked', parked);
  return outcome || jsonb_build_object('operation',
    sync.record_operation('subscription.remove', jsonb_build_object('subscription', of_name), btrim(reason), outcome));
end $function$;
grant execute on function sync.drop_subscription(of_name text, reason text) to console_role;
grant execute on function sync.drop_subscription(of_name text, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.end_import_job(of_job bigint, by_worker text, to_state text, of_run bigint, with_outcome jsonb, with_error text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  j sync.import_jobs;
begin
  update sync.import_jobs x
  set state = to_state, run = coalesce(x.run, of_run), outcome = with_outcome, error = left(with_error, 2000), ended_at = clock_timestamp(),
      leased_until = null
  where x.id = of_job and x.state = 'working' and x.worker = by_worker returning * into j;
  if not found then return false; end if;
  perform sync.refuse_import_upload(of_job);
  if j.kind in ('plan', 'apply', 'undo') then
    perform set_config('aether.actor', coalesce(j.actor, ''), true);
    perform sync.record_operation('import.end', jsonb_strip_nulls(jsonb_build_object('job', of_job, 'run', j.run)), null,
      jsonb_strip_nulls(jsonb_build_object('kind', j.kind, 'state', to_state, 'counts', with_outcome -> 'counts')));
  end if;
  return true;
end $function$;
grant execute on function sync.end_import_job(of_job bigint, by_worker text, to_state text, of_run bigint, with_outcome jsonb, with_error text) to sync_role;

CREATE OR REPLACE FUNCTION sync.end_import_step(of_step bigint, with_outcome jsonb)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE sync.import_steps s SET ended_at = clock_timestamp(), outcome = end_import_step.with_outcome
   WHERE ((s.id = end_import_step.of_step) AND (s.ended_at IS NULL));
END;
grant execute on function sync.end_import_step(of_step bigint, with_outcome jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.end_import_upload(of_upload bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  u sync.import_uploads;
  new_job bigint;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for update;
  if not found or u.state = 'removed' then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if u.state <> 'uploading' then return (select max(j.id) from sync.import_jobs j where j.upload = of_upload); end if;
  if cardinality(sync.list_missing_chunks(of_upload)) > 0 then
    raise exception 'chunk % of the file is missing', (sync.list_missing_chunks(of_upload))[1]
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_uploads x set state = 'stored', stored_at = clock_timestamp(), used_at = clock_timestamp() where x.id = of_upload;
  insert into sync.import_jobs (kind, upload) values ('recognise', of_upload) returning id into new_job;
  perform pg_notify('sync_import_jobs', '');
  perform sync.record_operation('import.upload', jsonb_build_object('file', of_upload), null, jsonb_build_object('bytes', u.size));
  return new_job;
end $function$;
grant execute on function sync.end_import_upload(of_upload bigint) to console_role;

CREATE OR REPLACE FUNCTION sync.end_silence(of_silence bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform sync.require_operator();
  update sync.alert_silences s set ended_at = clock_timestamp()
  where s.id = of_silence and s.ended_at is null and s.until > clock_timestamp();
  if not found then return false; end if;
  perform sync.record_operation('alerts.end_silence', jsonb_build_object('silence', of_silence), null, '{"ended": true}');
  return true;
end $function$;
grant execute on function sync.end_silence(of_silence bigint) to console_role;
grant execute on function sync.end_silence(of_silence bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.evaluate_checks(OUT slug text, OUT kind text, OUT status text, OUT reason text, OUT since timestamp with time zone, OUT measures jsonb, OUT as_of timestamp with time zone)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  last sync.health;
  oldest xid;
  newest bigint;
  contributor text;
  given sync.check_row[];
  found_rows sync.check_row[] := '{}';
  found_sources text[] := '{}';
begin
  -- Nothing here waits: for a lock of the log, for another caller, or for the disk.
  perform set_config('lock_timeout', '500ms', true), set_config('synchronous_commit', 'off', true);
  select * into last from sync.health h for update skip locked;
  if last.evaluated_at between clock_timestamp() - interval '1 second' and clock_timestamp() then last := null; end if;
  if last.only_one then
    -- Of this database: those of others hold nothing back here.
    select h.x into oldest from (
      select unnest(array[a.backend_xid, a.backend_xmin]) as x from pg_stat_activity a
      where a.usesysid is not null and a.pid <> pg_backend_pid() and a.datname = current_database()
      union all select p.transaction from pg_prepared_xacts p where p.database = current_database()
      union all select unnest(array[r.xmin, r.catalog_xmin]) from pg_replication_slots r) h
    where h.x is not null order by age(h.x) desc limit 1;
    newest := sync.head();
    update sync.health h
    set evaluated_at = clock_timestamp(), horizon = oldest, head = newest,
      horizon_since = case when oldest = h.horizon then h.horizon_since when oldest is not null then clock_timestamp() end,
      head_since = case when h.head = newest then h.head_since else clock_timestamp() end;
    perform sync.forget_processes();
    for contributor in select s.function_name from sync.health_sources s where s.gives = 'checks' order by 1 loop
      begin
        execute format('select coalesce(array_agg(c), ''{}'') from %s() c', contributor) into given;
      exception when others then
        -- A check that cannot be made is unknown; the others go on.
        given := array(
          select row(c.slug, c.kind, 'unknown', 'This check could not be made (SQLSTATE ' || sqlstate || ').', '{}')::sync.check_row
          from (select s.slug, s.kind from sync.check_states s where s.source = contributor
                union select substr(contributor, 6), 'monitor'
                where not exists (select from sync.check_states s where s.source = contributor)) c);
      end;
      found_rows := found_rows || given;
      found_sources := found_sources || array_fill(contributor, array[cardinality(given)]);
    end loop;
    insert into sync.check_states as known (slug, kind, status, reason, measures, source)
    select distinct on (f.slug) f.slug, f.kind,
      case when f.status in ('ok', 'paused', 'catching-up', 'warning', 'unknown', 'parked', 'stalled', 'silent', 'failing')
        then f.status else 'unknown' end,
      coalesce(left(f.reason, 500), ''), coalesce(f.measures, '{}'), f.source
    from unnest(found_rows, found_sources) f (slug, kind, status, reason, measures, source)
    where octet_length(f.slug) between 1 and 200 and f.kind is not null order by f.slug
    on conflict on constraint check_states_pkey do update
    set (kind, status, reason, measures, source, since, worsens_since) = (
      select excluded.kind, case when w.waits then known.status else excluded.status end,
        case when w.waits then known.reason else excluded.reason end, excluded.measures, excluded.source,
        case when w.waits or excluded.status = known.status then known.since else coalesce(known.worsens_since, excluded.since) end,
        case when w.waits then coalesce(known.worsens_since, excluded.since) end
      from (select sync.waits_to_worsen(known.status, excluded.status, known.worsens_since) as waits) w)
    where known.worsens_since is not null or (known.kind, known.status, known.reason, known.measures, known.source)
      is distinct from (excluded.kind, excluded.status, excluded.reason, excluded.measures, excluded.source);
    delete from sync.check_states c where not exists (select from unnest(found_rows) f where f.slug = c.slug);
  end if;
  return query
    select c.slug, c.kind, c.status, c.reason, c.since, c.measures, h.evaluated_at
    from sync.check_states c cross join sync.health h order by c.slug;
end $function$;
grant execute on function sync.evaluate_checks(OUT slug text, OUT kind text, OUT status text, OUT reason text, OUT since timestamp with time zone, OUT measures jsonb, OUT as_of timestamp with time zone) to console_role;
grant execute on function sync.evaluate_checks(OUT slug text, OUT kind text, OUT status text, OUT reason text, OUT since timestamp with time zone, OUT measures jsonb, OUT as_of timestamp with time zone) to sync_role;

CREATE OR REPLACE FUNCTION sync.extend_lease(for_ms integer)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT setval('sync.lease_ends_ms'::regclass, (((EXTRACT(epoch FROM clock_timestamp()) * (1000)::numeric))::bigint + LEAST(for_ms, 10000))) AS setval;
END;

CREATE OR REPLACE FUNCTION sync.fail_import_pairs(of_run bigint, why text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 INSERT INTO sync.queued_imports AS q (run, faults, fault, due_at)
   VALUES (fail_import_pairs.of_run, 1, "left"(fail_import_pairs.why, 250), (clock_timestamp() + '00:00:01'::interval)) ON CONFLICT(run) DO UPDATE SET faults = (q.faults + 1), fault = excluded.fault, due_at = (clock_timestamp() + (LEAST(((2)::double precision ^ (LEAST(q.faults, 12))::double precision), (3600)::double precision) * '00:00:01'::interval));
END;

CREATE OR REPLACE FUNCTION sync.farthest_of(s sync.subscriptions)
 RETURNS bigint
 LANGUAGE sql
 STABLE
RETURN COALESCE((SELECT max(h."position") AS max FROM sync.shares h WHERE (h.subscription = (farthest_of.s).name)), (s)."position");
grant execute on function sync.farthest_of(s sync.subscriptions) to console_role;
grant execute on function sync.farthest_of(s sync.subscriptions) to sync_role;

CREATE OR REPLACE FUNCTION sync.field_of_nobody(field text)
 RETURNS text
 LANGUAGE sql
RETURN CASE WHEN (field ~ '^(address|phone|note):'::text) THEN ((split_part(field, ':'::text, 1) || ':'::text) || gen_random_uuid()) ELSE field END;
grant execute on function sync.field_of_nobody(field text) to erase_role;

CREATE OR REPLACE FUNCTION sync.find_by_match_keys(keys bigint[], mosts integer[], OUT key bigint, OUT customers uuid[])
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.key,
         CASE
             WHEN (f.found <= k.most) THEN f.customers
             ELSE NULL::uuid[]
         END AS "case"
    FROM (UNNEST(find_by_match_keys.keys, find_by_match_keys.mosts) k(key, most)
      CROSS JOIN LATERAL ( SELECT count(*) AS found,
             COALESCE(array_agg(c.customer), '{}'::uuid[]) AS customers
            FROM ( SELECT m.customer
                    FROM sync.match_keys m
                   WHERE (m.keys @> ARRAY[k.key])
                  LIMIT (k.most + 1)) c) f);
END;
grant execute on function sync.find_by_match_keys(keys bigint[], mosts integer[], OUT key bigint, OUT customers uuid[]) to app_role;
grant execute on function sync.find_by_match_keys(keys bigint[], mosts integer[], OUT key bigint, OUT customers uuid[]) to console_role;
grant execute on function sync.find_by_match_keys(keys bigint[], mosts integer[], OUT key bigint, OUT customers uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.find_children(ids uuid[])
 RETURNS SETOF jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  gone uuid[];
  reference record;
begin
  select array_agg(c.id) into gone from platform.customers c
  where c.id = any (ids) and (c.merged_into is not null or c.erased_at is not null);
  if gone is null then return; end if;
  for reference in
    select k.conrelid::regclass as child, a.attname as customer_column
    from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = 'platform.customers'::regclass and k.conrelid <> k.confrelid
      and coalesce(obj_description(k.oid, 'pg_constraint') !~* '^any customer', true)
      and k.conrelid not in ('platform.removed_emails'::regclass, 'platform.removed_phones'::regclass,
        'platform.review_candidates'::regclass)
  loop
    return query execute format($find$
      select jsonb_build_object('finding', 'orphan.child', 'subject', 'customer', 'subject_id', c.id, 'part', %1$L, 'customer_id', c.id,
        'other_id', c.merged_into, 'detail', jsonb_build_object('rows', r.rows, 'because',
          case when c.erased_at is null then 'merged' else 'erased' end))
      from platform.customers c cross join lateral (
        select count(*) as rows from (select from %2$s t where t.%3$I = c.id limit 100) t) r
      where c.id = any ($1) and r.rows > 0$find$, reference.child::text, reference.child, reference.customer_column) using gone;
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION sync.find_import_person(in_run bigint, of_person text, of_run bigint, of_n integer)
 RETURNS TABLE(n integer, lead integer, customer uuid)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  known sync.import_rows;
  places integer[];
begin
  select * into known from sync.import_rows p where p.run = of_run and p.n = of_n;
  select array_agg(p.n) into places from sync.import_rows p
  where p.run = in_run and p.digest is not null
    and (p.external_id = known.external_id or p.email_key = known.email_key or p.digest = known.digest);
  return query
    select p.n, p.lead, p.customer from sync.list_import_persons(in_run, places) p
    where of_person in (p.person, p.whole) order by p.n limit 1;
end $function$;

CREATE OR REPLACE FUNCTION sync.find_import_targets(of_run bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  makes_companies constant boolean := not exists (
    select from crm.custom_fields f join sync.import_runs r on r.id = of_run and r.app = 'foundation'
    where f.record = 'company' and f.is_required);
begin
  insert into sync.import_targets (run, kind, key, name, domain, lines)
  select of_run, 'company', sync.import_company_key(p.company, p.company_domain), min(p.company), p.company_domain, count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and coalesce(p.company_domain, p.company) is not null
  group by 3, p.company_domain;
  update sync.import_targets t set target = c.id
  from platform.companies c where t.run = of_run and t.kind = 'company' and c.domain = t.domain;
  update sync.import_targets t set target = c.id
  from (
    select distinct on (lower(c.name collate pg_catalog.pg_c_utf8)) lower(c.name collate pg_catalog.pg_c_utf8) as name, c.id, c.domain
    from platform.companies c
    where exists (select from sync.import_targets x where x.run = of_run and x.kind = 'company' and x.target is null)
    order by 1, c.id) c
  where t.run = of_run and t.kind = 'company' and t.target is null and c.name = lower(t.name collate pg_catalog.pg_c_utf8)
    and (t.domain is null or c.domain is null);
  update sync.import_targets t set same_as = o.key
  from (
    select lower(d.name collate pg_catalog.pg_c_utf8) as name, min(d.key) as key from sync.import_targets d
    where d.run = of_run and d.kind = 'company' and d.domain is not null and d.name is not null group by 1 having count(*) = 1) o
  where t.run = of_run and t.kind = 'company' and t.domain is null and t.target is null
    and o.name = lower(t.name collate pg_catalog.pg_c_utf8);

  insert into sync.import_targets (run, kind, key, name, target, lines)
  select of_run, 'tier', p.tier, p.tier, (
      select t.key from platform.tiers t
      where not t.is_retired and (t.key = lower(p.tier)
        or lower(t.label collate pg_catalog.pg_c_utf8) = lower(p.tier collate pg_catalog.pg_c_utf8))
      order by t.key = lower(p.tier) desc limit 1), count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.tier is not null group by p.tier;
  insert into sync.import_targets (run, kind, key, name, target, lines)
  select of_run, 'owner', p.owner, p.owner, (
      select u.id from platform.users u where lower(u.email collate "C") = lower(p.owner collate "C")
      order by u.created_at limit 1), count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.owner is not null group by p.owner;

  with unfit as (
    select c.key, count(*) as lines from sync.import_rows p cross join jsonb_each_text(p.extra -> 'custom') c
      left join crm.custom_fields f on f.record = 'customer' and f.key = c.key
    where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.extra ? 'custom'
      and sync.read_custom_value(f, c.value) is null
    group by c.key
  ), tags as (
    select t.value as key, count(*) as lines from sync.import_rows p cross join jsonb_array_elements_text(p.extra -> 'tags') t
    where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.extra ? 'tags' group by t.value
  ), words as (
    select t.kind, t.key, t.lines from sync.import_targets t where t.run = of_run and t.target is null and t.kind <> 'company'
    union all
    select 'company', t.key, t.lines from sync.import_targets t
    where t.run = of_run and t.target is null and t.kind = 'company' and not makes_companies
    union all select 'custom', u.key, u.lines from unfit u
    union all select 'tag', t.key, t.lines from tags t
  )
  update sync.import_runs r set unmapped = coalesce((
      select jsonb_object_agg(k.kind, k.words) from (
        select w.kind, jsonb_object_agg(w.key, w.lines) as words
        from (select *, row_number() over (partition by kind order by lines desc, key) as place from words) w
        where w.place <= 200 group by w.kind) k), '{}')
  where r.id = of_run;
end $function$;

CREATE OR REPLACE FUNCTION sync.find_in_activities(ids uuid[])
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT jsonb_build_object('finding', 'orphan.activity', 'subject', 'activity', 'subject_id', a.id, 'part', '', 'customer_id', a.customer_id, 'detail', jsonb_build_object('type', a.type, 'source', k.kind)) AS jsonb_build_object
    FROM (crm.activities a
      CROSS JOIN LATERAL ( SELECT split_part(a.idempotency_key, ':'::text, 1) AS kind,
             split_part(a.idempotency_key, ':'::text, 2) AS id) k)
   WHERE ((a.id = ANY (find_in_activities.ids)) AND (a.idempotency_key IS NOT NULL) AND
         CASE k.kind
             WHEN 'session'::text THEN (NOT (EXISTS ( SELECT
                FROM support.sessions s
               WHERE ((s.id)::text = k.id))))
             WHEN 'call'::text THEN (NOT (EXISTS ( SELECT
                FROM support.calls s
               WHERE ((s.id)::text = k.id))))
             WHEN 'closing'::text THEN (NOT (EXISTS ( SELECT
                FROM crm.deal_closings s
               WHERE ((s.id)::text = k.id))))
             WHEN 'reopening'::text THEN (NOT (EXISTS ( SELECT
                FROM crm.deal_closings s
               WHERE ((s.id)::text = k.id))))
             WHEN 'client'::text THEN false
             ELSE (a.created_by_app = 'support'::text)
         END);
END;

CREATE OR REPLACE FUNCTION sync.find_in_companies(ids uuid[])
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT jsonb_build_object('finding', 'missing.company_field', 'subject', 'company', 'subject_id', c.id, 'part', f.key, 'detail', jsonb_build_object('label', f.label)) AS jsonb_build_object
    FROM (platform.companies c
      JOIN crm.custom_fields f ON (((f.record = 'company'::text) AND f.is_required)))
   WHERE ((c.id = ANY (find_in_companies.ids)) AND (NOT (EXISTS ( SELECT
            FROM crm.custom_field_values v
           WHERE ((v.field_id = f.id) AND (v.company_id = c.id))))));
END;

CREATE OR REPLACE FUNCTION sync.find_in_customers(ids uuid[])
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH every AS MATERIALIZED (
          SELECT c.id,
             c.email,
             c.email_key,
             c.name,
             c.phone,
             c.phone_key,
             c.phone_extension,
             c.company_id,
             c.version,
             c.created_at,
             c.updated_at,
             c.created_by_app,
             c.crm_id,
             c.account_tier,
             c.account_manager_id,
             c.support_id,
             c.preferred_language,
             c.timezone,
             c.merged_into,
             c.erased_at
            FROM platform.customers c
           WHERE (c.id = ANY (find_in_customers.ids))
         ), present AS MATERIALIZED (
          SELECT e.id,
             e.email,
             e.email_key,
             e.name,
             e.phone,
             e.phone_key,
             e.phone_extension,
             e.company_id,
             e.version,
             e.created_at,
             e.updated_at,
             e.created_by_app,
             e.crm_id,
             e.account_tier,
             e.account_manager_id,
             e.support_id,
             e.preferred_language,
             e.timezone,
             e.merged_into,
             e.erased_at
            FROM every e
           WHERE ((e.merged_into IS NULL) AND (e.erased_at IS NULL))
         ), addresses AS MATERIALIZED (
          SELECT a.id,
             a.email_key,
             a.customer_id,
             a.is_primary
            FROM platform.customer_emails a
           WHERE ((a.customer_id = ANY (find_in_customers.ids)) AND (a.email_key !~~ '%@unknown.invalid'::text))
         ), by_address AS (
          SELECT DISTINCT ON (p.id) p.id,
             o.id AS other
            FROM (((present p
              JOIN addresses a ON ((a.customer_id = p.id)))
              CROSS JOIN LATERAL ( SELECT s_1.customer_id
                    FROM platform.customer_emails s_1
                   WHERE ((s_1.email_key = sync.mailbox(a.email_key)) AND sync.is_variant(a.email_key))
                 UNION
                 ( SELECT v.customer_id
                    FROM platform.customer_emails v
                   WHERE ((sync.mailbox(v.email_key) = sync.mailbox(a.email_key)) AND sync.is_variant(v.email_key))
                  LIMIT 50)) s)
              JOIN platform.customers o ON ((o.id = s.customer_id)))
           WHERE ((o.id < p.id) AND (o.merged_into IS NULL) AND (o.erased_at IS NULL) AND (NOT sync.are_different(p.id, o.id)))
           ORDER BY p.id, o.id
         ), by_phone AS (
          SELECT DISTINCT ON (p.id) p.id,
             o.id AS other
            FROM (((present p
              JOIN platform.customer_phones n ON ((n.customer_id = p.id)))
              CROSS JOIN LATERAL (( SELECT q.id
                    FROM platform.customers q
                   WHERE ((q.phone_key = n.phone_key) AND (NOT (q.phone_extension IS DISTINCT FROM n.phone_extension)))
                  LIMIT 50)
                 UNION
                 ( SELECT q.customer_id
                    FROM platform.customer_phones q
                   WHERE ((q.phone_key = n.phone_key) AND (NOT (q.phone_extension IS DISTINCT FROM n.phone_extension)) AND (NOT q.is_primary))
                  LIMIT 50)) s)
              JOIN platform.customers o ON ((o.id = s.id)))
           WHERE ((o.id < p.id) AND (o.merged_into IS NULL) AND (o.erased_at IS NULL) AND (NOT sync.are_different(p.id, o.id)))
           ORDER BY p.id, o.id
         ), by_person AS (
          SELECT DISTINCT ON (p.id) p.id,
             s.id AS other,
             s.because
            FROM (present p
              CROSS JOIN LATERAL ( SELECT o.id,
                         CASE
                             WHEN (o.company_id = p.company_id) THEN 'company'::text
                             ELSE 'domain'::text
                         END AS because
                    FROM ( SELECT q.id,
                             q.company_id,
                             q.email_key
                            FROM platform.customers q
                           WHERE ((q.name = p.name) AND (q.merged_into IS NULL) AND (q.erased_at IS NULL) AND (q.id < p.id))
                           ORDER BY q.id
                          LIMIT 200) o
                   WHERE ((o.company_id = p.company_id) OR ((split_part(o.email_key, '@'::text, 2) = split_part(p.email_key, '@'::text, 2)) AND (NOT sync.is_public_provider(split_part(p.email_key, '@'::text, 2))) AND (p.email_key !~~ '%@unknown.invalid'::text)))
                 UNION ALL
                  SELECT o.id,
                     'company'::text
                    FROM ( SELECT q.id,
                             q.name
                            FROM platform.customers q
                           WHERE ((q.company_id = p.company_id) AND (q.merged_into IS NULL) AND (q.erased_at IS NULL) AND (q.id < p.id))
                          LIMIT 50) o
                   WHERE ((lower((o.name COLLATE pg_c_utf8)) = lower((p.name COLLATE pg_c_utf8))) OR ((platform.is_folded(o.name) OR platform.is_folded(p.name)) AND (platform.fold(o.name) = platform.fold(p.name))))) s)
           WHERE (NOT sync.are_different(p.id, s.id))
           ORDER BY p.id, s.id
         ), claims AS (
          SELECT DISTINCT ON (r.other_id) r.other_id AS id,
             r.customer_id AS other
            FROM ((platform.review_candidates r
              JOIN present p ON ((p.id = r.other_id)))
              JOIN platform.customers o ON (((o.id = r.customer_id) AND (o.merged_into IS NULL) AND (o.erased_at IS NULL))))
           WHERE (r.state = 'open'::text)
           ORDER BY r.other_id, r.customer_id
         ), logged AS (
          SELECT p.id,
             p.version,
             l.version AS logged
            FROM (every p
              CROSS JOIN LATERAL ( SELECT v.version
                    FROM sync.events v
                   WHERE ((v.key = (p.id)::text) AND (v.version IS NOT NULL))
                   ORDER BY v."position" DESC
                  LIMIT 1) l)
           WHERE (p.updated_at < (now() - '00:02:00'::interval))
         ), history AS (
          SELECT s."position"
            FROM sync.subscriptions s
           WHERE (s.name = 'foundation.history'::text)
         ), unrecorded AS (
          SELECT p.id,
             v.id AS event
            FROM ((present p
              CROSS JOIN history h)
              CROSS JOIN LATERAL ( SELECT v_1.id,
                     v_1."position",
                     v_1.type,
                     v_1.data,
                     v_1.previous
                    FROM sync.events v_1
                   WHERE ((v_1.key = (p.id)::text) AND (v_1."position" <= h."position"))
                   ORDER BY v_1."position" DESC
                  LIMIT 5) v)
           WHERE (((v.type = 'customer.created'::text) OR ((v.type = 'customer.updated'::text) AND (v.previous ?| ARRAY['name'::text, 'email'::text, 'phone'::text, 'company_id'::text, 'account_tier'::text, 'account_manager_id'::text, 'preferred_language'::text, 'timezone'::text]))) AND (NOT (EXISTS ( SELECT
                    FROM crm.changes k
                   WHERE (k.event_id = v.id)))) AND (NOT (EXISTS ( SELECT
                    FROM sync.parked w
                   WHERE ((w.subscription = 'foundation.history'::text) AND (w."position" = v."position"))))))
         ), found(finding, subject_id, part, other_id, detail) AS (
          SELECT 'duplicate.address'::text AS "?column?",
             d.id,
             ''::text AS "?column?",
             d.other,
             '{}'::jsonb AS jsonb
            FROM by_address d
         UNION ALL
          SELECT 'duplicate.phone'::text,
             d.id,
             ''::text,
             d.other,
             '{}'::jsonb
            FROM by_phone d
         UNION ALL
          SELECT 'duplicate.person'::text,
             d.id,
             ''::text,
             d.other,
             jsonb_build_object('because', d.because) AS jsonb_build_object
            FROM by_person d
         UNION ALL
          SELECT 'duplicate.claim'::text,
             d.id,
             ''::text,
             d.other,
             '{}'::jsonb
            FROM claims d
         UNION ALL
          SELECT 'orphan.unadopted'::text,
             p.id,
             ''::text,
             NULL::uuid,
             '{}'::jsonb
            FROM present p
           WHERE ((p.created_by_app = 'support'::text) AND (p.crm_id IS NULL) AND (p.created_at < (now() - '00:10:00'::interval)))
         UNION ALL
          SELECT 'missing.name'::text,
             p.id,
             ''::text,
             NULL::uuid,
             '{}'::jsonb
            FROM present p
           WHERE ((p.name !~ '[[:alpha:]]'::text) OR ((lower((p.name COLLATE "C")) = p.email_key) OR (lower((p.name COLLATE "C")) = split_part(p.email_key, '@'::text, 1))) OR (lower((p.name COLLATE "C")) = ANY (ARRAY['unknown'::text, 'visitor'::text, 'anonymous'::text, 'no name'::text, 'noname'::text, 'n/a'::text, 'none'::text, 'test'::text, 'unbekannt'::text])))
         UNION ALL
          SELECT 'missing.address'::text,
             p.id,
             ''::text,
             NULL::uuid,
             '{}'::jsonb
            FROM present p
           WHERE (p.email_key = platform.no_address(p.id))
         UNION ALL
          SELECT 'missing.field'::text,
             p.id,
             f_1.key,
             NULL::uuid,
             jsonb_build_object('label', f_1.label) AS jsonb_build_object
            FROM (present p
              JOIN crm.custom_fields f_1 ON (((f_1.record = 'customer'::text) AND f_1.is_required)))
           WHERE (NOT (EXISTS ( SELECT
                    FROM crm.custom_field_values v
                   WHERE ((v.field_id = f_1.id) AND (v.customer_id = p.id)))))
         UNION ALL
          SELECT 'address.unreachable'::text,
             a.customer_id,
             (a.id)::text AS id,
             NULL::uuid,
             jsonb_build_object('because', sync.unreachable_because(a.email_key), 'is_primary', a.is_primary) AS jsonb_build_object
            FROM (addresses a
              JOIN present p ON ((p.id = a.customer_id)))
           WHERE (sync.unreachable_because(a.email_key) IS NOT NULL)
         UNION ALL
          SELECT 'drift.address'::text,
             p.id,
             ''::text,
             NULL::uuid,
             '{}'::jsonb
            FROM (present p
              LEFT JOIN platform.customer_emails a ON (((a.customer_id = p.id) AND a.is_primary)))
           WHERE ((a.email_key IS DISTINCT FROM p.email_key) OR (a.email IS DISTINCT FROM p.email))
         UNION ALL
          SELECT 'drift.phone'::text,
             p.id,
             ''::text,
             NULL::uuid,
             '{}'::jsonb
            FROM (present p
              LEFT JOIN platform.customer_phones n ON (((n.customer_id = p.id) AND n.is_primary)))
           WHERE (((n.phone IS DISTINCT FROM p.phone) OR (n.phone_key IS DISTINCT FROM p.phone_key)) OR (n.phone_extension IS DISTINCT FROM p.phone_extension))
         UNION ALL
          SELECT 'drift.number'::text,
             p.id,
             x.app,
             NULL::uuid,
             '{}'::jsonb
            FROM (present p
              CROSS JOIN LATERAL ( VALUES ('foundation'::text,(p.crm_id)::text), ('support'::text,(p.support_id)::text)) x(app, number))
           WHERE ((x.number IS NOT NULL) AND (NOT (EXISTS ( SELECT
                    FROM platform.customer_external_ids k
                   WHERE ((k.app = x.app) AND (k.external_id = x.number) AND (k.customer_id = p.id))))))
         UNION ALL
          SELECT 'drift.order'::text,
             e.id,
             ''::text,
             NULL::uuid,
             '{}'::jsonb
            FROM (every e
              LEFT JOIN crm.customer_order o ON ((o.customer_id = e.id)))
           WHERE
                 CASE
                     WHEN ((e.merged_into IS NOT NULL) OR (e.erased_at IS NOT NULL)) THEN (o.customer_id IS NOT NULL)
                     ELSE ((o.account_tier IS DISTINCT FROM COALESCE(e.account_tier, '~'::text)) OR (o.updated_at IS DISTINCT FROM e.updated_at))
                 END
         UNION ALL
          SELECT 'drift.event'::text,
             l.id,
             ''::text,
             NULL::uuid,
             jsonb_build_object('version', l.version, 'logged', l.logged) AS jsonb_build_object
            FROM logged l
           WHERE ((l.version <> l.logged) AND (l.version IS DISTINCT FROM sync.version_of_unmerge(l.id)))
         UNION ALL
          SELECT 'drift.history'::text,
             u.id,
             (u.event)::text AS event,
             NULL::uuid,
             '{}'::jsonb
            FROM unrecorded u
         )
  SELECT jsonb_build_object('finding', f.finding, 'subject', 'customer', 'subject_id', f.subject_id, 'part', f.part, 'customer_id', f.subject_id, 'other_id', f.other_id, 'detail', f.detail) AS jsonb_build_object
    FROM found f;
END;

CREATE OR REPLACE FUNCTION sync.find_in_deals(ids bigint[])
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH looked AS MATERIALIZED (
          SELECT d.id,
             d.customer_id,
             d.status,
             d.closed_at,
             s.outcome AS stage_outcome,
             k.id AS closing,
             k.outcome,
             k.closed_at AS ended_at
            FROM ((crm.deals d
              JOIN crm.pipeline_stages s ON ((s.id = d.stage_id)))
              LEFT JOIN crm.deal_closings k ON (((k.deal_id = d.id) AND (k.reopened_at IS NULL))))
           WHERE (d.id = ANY (find_in_deals.ids))
         ), found(finding, subject_id, customer_id, part, detail) AS (
          SELECT 'missing.deal_field'::text AS "?column?",
             l.id,
             l.customer_id,
             f_1.key,
             jsonb_build_object('label', f_1.label) AS jsonb_build_object
            FROM (looked l
              JOIN crm.custom_fields f_1 ON (((f_1.record = 'deal'::text) AND f_1.is_required)))
           WHERE (NOT (EXISTS ( SELECT
                    FROM crm.custom_field_values v
                   WHERE ((v.field_id = f_1.id) AND (v.deal_id = l.id)))))
         UNION ALL
          SELECT 'drift.stage'::text,
             l.id,
             l.customer_id,
             ''::text,
             jsonb_build_object('status', l.status, 'stage', l.stage_outcome) AS jsonb_build_object
            FROM looked l
           WHERE (l.status <> l.stage_outcome)
         UNION ALL
          SELECT 'drift.closing'::text,
             l.id,
             l.customer_id,
             ''::text,
             jsonb_build_object('status', l.status, 'closing', l.outcome) AS jsonb_build_object
            FROM looked l
           WHERE
                 CASE l.status
                     WHEN 'open'::text THEN (l.closing IS NOT NULL)
                     ELSE ((l.outcome IS DISTINCT FROM l.status) OR (l.ended_at IS DISTINCT FROM l.closed_at))
                 END
         )
  SELECT jsonb_build_object('finding', f.finding, 'subject', 'deal', 'subject_id', f.subject_id, 'part', f.part, 'customer_id', f.customer_id, 'detail', f.detail) AS jsonb_build_object
    FROM found f;
END;

CREATE OR REPLACE FUNCTION sync.find_in_indexes()
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT jsonb_build_object('finding', 'drift.index', 'subject', 'index', 'subject_id', ((i.indexrelid)::regclass)::text, 'part', '', 'detail', jsonb_build_object('because',
         CASE
             WHEN (NOT i.indisvalid) THEN 'invalid'::text
             ELSE 'letters'::text
         END)) AS jsonb_build_object
    FROM (pg_index i
      JOIN pg_class c ON ((c.oid = i.indrelid)))
   WHERE ((c.relnamespace = ANY (ARRAY[('platform'::regnamespace)::oid, ('crm'::regnamespace)::oid, ('support'::regnamespace)::oid, ('sync'::regnamespace)::oid])) AND ((NOT i.indisvalid) OR (EXISTS ( SELECT
            FROM pg_collation l
           WHERE ((l.oid = ANY ((i.indcollation)::oid[])) AND (l.collversion <> pg_collation_actual_version(l.oid)))))));
END;

CREATE OR REPLACE FUNCTION sync.find_in_sessions(ids uuid[])
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH looked AS MATERIALIZED (
          SELECT s.id,
             s.widget_id,
             s.customer_id,
             s.identity,
             s.visitor_email,
             s.visitor_name,
             s.token_hash,
             s.page,
             s.language,
             s.time_zone,
             s.handler,
             s.agent_id,
             s.status,
             s.resolved,
             s.is_offline,
             s.message_count,
             s.visitor_read_number,
             s.agent_read_number,
             s.started_at,
             s.asked_at,
             s.waiting_since,
             s.snoozed_until,
             s.last_message_at,
             s.ended_at
            FROM support.sessions s
           WHERE (s.id = ANY (find_in_sessions.ids))
         ), found(finding, subject_id, customer_id, detail) AS (
          SELECT 'orphan.session'::text AS "?column?",
             l.id,
             c.id,
             '{}'::jsonb AS jsonb
            FROM ((looked l
              JOIN platform.customers k ON ((k.id = l.customer_id)))
              JOIN platform.customers c ON (((c.id = COALESCE(k.merged_into, k.id)) AND (c.erased_at IS NULL))))
           WHERE ((l.status = 'ended'::text) AND (l.ended_at < (now() - '00:01:00'::interval)) AND (NOT (EXISTS ( SELECT
                    FROM crm.activities a
                   WHERE ((a.created_by_app = 'support'::text) AND (a.idempotency_key = ('session:'::text || l.id)))))))
         UNION ALL
          SELECT 'drift.messages'::text,
             l.id,
             l.customer_id,
             jsonb_build_object('counted', l.message_count, 'messages', m.messages) AS jsonb_build_object
            FROM (looked l
              CROSS JOIN LATERAL ( SELECT count(*) AS messages
                    FROM support.messages m_1
                   WHERE (m_1.session_id = l.id)) m)
           WHERE (l.message_count <> m.messages)
         )
  SELECT jsonb_build_object('finding', f.finding, 'subject', 'session', 'subject_id', f.subject_id, 'part', '', 'customer_id', f.customer_id, 'detail', f.detail) AS jsonb_build_object
    FROM found f;
END;

CREATE OR REPLACE FUNCTION sync.find_silence(of_slug text, of_kind text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT s.id
    FROM sync.alert_silences s
   WHERE ((s.until > clock_timestamp()) AND (s.ended_at IS NULL) AND ((s.slug = find_silence.of_slug) OR (s.kind = find_silence.of_kind)))
   ORDER BY s.until DESC, s.id
  LIMIT 1;
END;

CREATE OR REPLACE FUNCTION sync.findings_lock()
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
RETURN hashtextextended('sync.quality_findings'::text, (0)::bigint);

CREATE OR REPLACE FUNCTION sync.first_blocked(of_name text, of_shares integer[], after_position bigint, until_position bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  s sync.subscriptions;
  lowest bigint;
begin
  select x.* into s from sync.subscriptions x where x.name = of_name and x.layout > 1 and x.layout_by = 'customer';
  if not found then return null; end if;
  select min(h.position) into lowest from sync.shares h where h.subscription = of_name and h.share <> all (of_shares);
  if coalesce(lowest, until_position) >= until_position then return null; end if;
  return (
    with open as materialized (
      select e.position, e.key, e.customer, sync.share_of(e.key, e.customer, 'customer', s.layout) as share
      from sync.events e where e.position > lowest and e.position <= until_position and (s.types is null or e.type = any (s.types))),
    own as materialized (
      select o.position, o.key, o.customer from open o where o.position > after_position and o.share = any (of_shares)),
    before as materialized (
      select o.position, o.key, o.customer from open o join sync.shares h on h.subscription = of_name and h.share = o.share
      where o.share <> all (of_shares) and o.position > h.position),
    roots as materialized (
      select c.id, coalesce(c.merged_into, c.id) as root from platform.customers c
      where c.id in (select o.customer from own o union select x.customer from before x))
    select min(b.position) from (
      select o.position from own o join before x on x.key = o.key and x.position < o.position
      union all
      select o.position from own o join roots r on r.id = o.customer join roots n on n.root = r.root and n.id <> r.id
        join before x on x.customer = n.id and x.position < o.position where s.holds = 'customer') b);
end $function$;
grant execute on function sync.first_blocked(of_name text, of_shares integer[], after_position bigint, until_position bigint) to app_role;
grant execute on function sync.first_blocked(of_name text, of_shares integer[], after_position bigint, until_position bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.fold_of(series text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN ((series = ANY (ARRAY['customers_created'::text, 'activities_logged'::text, 'cache_hits'::text, 'cache_misses'::text])) OR (series ~~ 'queries\_%'::text)) THEN 'sum'::text WHEN (series = ANY (ARRAY['lag_seconds'::text, 'lag_events'::text, 'oldest_waiting_seconds'::text, 'pool_waiting'::text])) THEN 'max'::text ELSE 'mean'::text END;

CREATE OR REPLACE FUNCTION sync.fold_rollup(step integer, from_time timestamp with time zone)
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO sync.rollup (step_seconds, at, measured)  SELECT fold_rollup.step AS step,
             fold_rollup.from_time AS from_time,
             array_agg((
                 CASE s.fold
                     WHEN 'sum'::text THEN (v.total)::double precision
                     WHEN 'max'::text THEN (v.highest)::double precision
                     ELSE v.mean
                 END)::real ORDER BY s.id) AS array_agg
            FROM (sync.series s
              LEFT JOIN ( SELECT u.id,
                     sum(u.value) AS total,
                     max(u.value) AS highest,
                     avg(u.value) AS mean
                    FROM (sync.rollup r
                      CROSS JOIN LATERAL unnest(r.measured) WITH ORDINALITY u(value, id))
                   WHERE ((r.step_seconds = 60) AND (r.at >= fold_rollup.from_time) AND (r.at < (fold_rollup.from_time + make_interval(secs => (fold_rollup.step)::double precision))))
                   GROUP BY u.id) v ON ((v.id = s.id))) ON CONFLICT(step_seconds, at) DO UPDATE SET measured = excluded.measured;
END;

CREATE OR REPLACE FUNCTION sync.follow_import_answers(of_run bigint, places integer[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  delete from sync.import_plan_answers a where a.run = of_run; -- it is no plan any more
  with became as materialized (
    select u.person, max(p.customer::text)::uuid as customer from sync.list_import_persons(of_run, places) p
      cross join lateral (values (p.person), (p.whole)) u (person)
    where p.customer is not null group by u.person
  ), noted as (
    update sync.import_decisions d
    set one_customer = coalesce((select b.customer from became b where b.person = d.one), d.one_customer),
        other_customer = coalesce((select b.customer from became b where b.person = d.other), d.other_customer)
    where d.one in (select b.person from became b) or d.other in (select b.person from became b)
    returning d.*
  )
  insert into platform.review_candidates as r (customer_id, other_id, reason, evidence, state, is_asked, decided_at, decided_by)
  select distinct on (least(a.id, b.id), greatest(a.id, b.id)) least(a.id, b.id), greatest(a.id, b.id), 'import',
    jsonb_build_object('answered_in', of_run), 'different', false, d.decided_at, d.actor
  from noted d
    join platform.customers a on a.id = coalesce(d.one_customer, case when starts_with(d.one, 'customer:') then substr(d.one, 10)::uuid end)
    join platform.customers b
      on b.id = coalesce(d.other_customer, case when starts_with(d.other, 'customer:') then substr(d.other, 10)::uuid end)
  where d.answer = 'different' and a.id <> b.id and num_nulls(a.merged_into, a.erased_at, b.merged_into, b.erased_at) = 4
  on conflict (customer_id, other_id) do update
  set state = 'different', is_asked = false, merge = null, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    evidence = r.evidence || excluded.evidence
  where r.state in ('open', 'unsure'); -- as in 0021_duplicates.sql, which makes a pair one row
end $function$;

CREATE OR REPLACE FUNCTION sync.forget_match_keys()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  delete from sync.match_keys k where k.customer = old.id;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.forget_processes()
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 DELETE FROM sync.heartbeats h
    USING ( SELECT o_1.app,
             o_1.process,
             row_number() OVER (PARTITION BY o_1.app ORDER BY o_1.beat_at DESC) AS place,
             (n.now - o_1.beat_at) AS age,
             (o_1.ended_at IS NOT NULL) AS has_ended,
             (EXISTS ( SELECT
                    FROM sync.heartbeats r
                   WHERE ((r.app = o_1.app) AND (r.ended_at IS NULL) AND (r.beat_at > (n.now - '00:00:05'::interval))))) AS has_others,
             (EXISTS ( SELECT
                    FROM sync.heartbeats r
                   WHERE ((r.app = o_1.app) AND (r.ended_at IS NULL) AND (r.beat_at > (n.now - '00:00:05'::interval)) AND (r.started_at > o_1.beat_at)))) AS is_replaced
            FROM (sync.heartbeats o_1
              CROSS JOIN ( SELECT clock_timestamp() AS now) n)
           WHERE (o_1.beat_at < (n.now - '00:01:00'::interval))) o
   WHERE ((h.app = o.app) AND (h.process = o.process) AND ((o.age > '7 days'::interval) OR (o.has_ended AND (o.age > '00:10:00'::interval) AND (o.place > 1)) OR ((NOT o.has_ended) AND (o.is_replaced OR (o.has_others AND (o.age > '01:00:00'::interval))))));
END;

CREATE OR REPLACE FUNCTION sync.forget_refused(of_run bigint, from_n integer, to_n integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from platform.suppressions) then return 0; end if;
  return sync.scrub_lines(of_run, format($c$p.n in (
    select w.n from sync.import_rows l join sync.import_rows w on w.run = l.run and (w.n = l.n or w.lead = l.n)
    where l.run = %1$s and w.run = %1$s and l.n between %2$s and %3$s and l.detail ->> 'constraint' = 'person_erased')$c$,
    of_run, from_n, to_n));
end $function$;

CREATE OR REPLACE FUNCTION sync.freeze_failures(run_kind text, of_subscription text, filter jsonb, OUT run bigint, OUT total bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  ids constant uuid[] := case when filter ? 'customer' then sync.list_merged((filter ->> 'customer')::uuid) end;
begin
  perform sync.require_operator();
  if not exists (select from sync.subscriptions s where s.name = of_subscription) then
    raise exception 'there is no subscription %', of_subscription using errcode = 'no_data_found';
  elsif run_kind not in ('redrive', 'skip') then
    raise exception 'failures are redriven or skipped' using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.bulk_runs (kind, subscription, filter, actor)
  values (run_kind, of_subscription, filter, platform.current_actor()) returning id into run;
  insert into sync.bulk_items (run, position)
  select freeze_failures.run, p.position from sync.parked p
  where p.subscription = of_subscription and p.cause is not null and p.state <> 'waiting'
    and (not filter ? 'state' or p.state = filter ->> 'state')
    and (not filter ? 'cause' or p.cause = filter ->> 'cause')
    and (not filter ? 'key' or p.key = filter ->> 'key')
    and (ids is null or p.customer = any (ids))
  order by p.position;
  get diagnostics total = row_count;
  update sync.bulk_runs r set total = freeze_failures.total where r.id = freeze_failures.run;
end $function$;
grant execute on function sync.freeze_failures(run_kind text, of_subscription text, filter jsonb, OUT run bigint, OUT total bigint) to console_role;
grant execute on function sync.freeze_failures(run_kind text, of_subscription text, filter jsonb, OUT run bigint, OUT total bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.freeze_findings(of_finding text, OUT run bigint, OUT total bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform sync.require_operator();
  if not exists (select from sync.quality_numbers n where n.finding = of_finding and n.is_repaired) then
    raise exception 'no repair mends %', of_finding using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.bulk_runs (kind, filter, actor)
  values ('repair', jsonb_build_object('finding', of_finding), platform.current_actor()) returning id into run;
  insert into sync.bulk_items (run, position)
  select freeze_findings.run, q.id from sync.quality_findings q where q.finding = of_finding order by q.id;
  get diagnostics total = row_count;
  update sync.bulk_runs r set total = freeze_findings.total where r.id = freeze_findings.run;
end $function$;
grant execute on function sync.freeze_findings(of_finding text, OUT run bigint, OUT total bigint) to console_role;
grant execute on function sync.freeze_findings(of_finding text, OUT run bigint, OUT total bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.give_up_import(of_run bigint, because text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r sync.import_runs;
begin
  perform sync.require_operator();
  perform sync.require_reason(because);
  if not pg_try_advisory_xact_lock(7272, of_run::integer) then
    raise exception 'run % is being planned at this moment: stop that first', of_run
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  end if;
  select * into r from sync.import_runs x where x.id = of_run for update;
  if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
  if r.state not in ('reading', 'planned') then
    raise exception '%', case r.state
        when 'applying' then format('run %s is applied up to line %s of %s: go on with that, or undo it', of_run, r.applied_to, r.lines)
        when 'applied' then format('run %s is applied: undo it instead', of_run)
        when 'undoing' then format('run %s is partly undone: go on with that', of_run)
        else format('run %s is %s already: nothing of it is left to give up', of_run, r.state) end
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  elsif exists (select from sync.import_jobs j where j.run = of_run and j.state in ('waiting', 'working')) then
    raise exception 'the worker is at a step of run %: wait for it, or stop it', of_run
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  end if;
  perform sync.abandon_import(of_run);
  insert into sync.import_steps (run, step, ended_at, reason) values (of_run, 'abandon', clock_timestamp(), btrim(because));
  perform sync.record_operation('import.abandon', jsonb_build_object('run', of_run), btrim(because),
    jsonb_build_object('lines', r.lines, 'planned', r.planned));
end $function$;
grant execute on function sync.give_up_import(of_run bigint, because text) to console_role;
grant execute on function sync.give_up_import(of_run bigint, because text) to sync_role;

CREATE OR REPLACE FUNCTION sync.give_up_parked(of_subscription text, positions bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  given_up bigint[];
  keys text[];
  customers uuid[];
begin
  with gone as (
    delete from sync.parked p using unnest(positions) as asked (position)
    where p.subscription = of_subscription and p.position = asked.position and p.state <> 'waiting' and p.attempts > 0
    returning p.position, p.key, p.customer)
  select array_agg(g.position order by g.position), array_agg(distinct g.key),
    array_agg(distinct g.customer) filter (where g.customer is not null)
  into given_up, keys, customers from gone g;
  if given_up is null then return '{}'; end if;
  perform sync.start_first(of_subscription, keys, customers);
  perform pg_notify('sync_events', '');
  return given_up;
end $function$;

CREATE OR REPLACE FUNCTION sync.has_place(at_position bigint, event_id bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN COALESCE((SELECT (e.id = has_place.event_id) FROM sync.events e WHERE (e."position" = has_place.at_position)), (at_position = (COALESCE((SELECT e."position" FROM sync.events e ORDER BY e."position" LIMIT 1), (sync.head() + 1)) - 1)));
grant execute on function sync.has_place(at_position bigint, event_id bigint) to app_role;
grant execute on function sync.has_place(at_position bigint, event_id bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.head()
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN GREATEST((SELECT e."position" FROM sync.events e ORDER BY e."position" DESC LIMIT 1), (SELECT s.head FROM sync.sequencer s));
grant execute on function sync.head() to app_role;
grant execute on function sync.head() to sync_role;

CREATE OR REPLACE FUNCTION sync.health_limit(of_name text)
 RETURNS double precision
 LANGUAGE sql
 STABLE
RETURN (SELECT l.value FROM sync.health_limits l WHERE (l.name = health_limit.of_name));

CREATE OR REPLACE FUNCTION sync.hold_run(of_run bigint)
 RETURNS sync.bulk_runs
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held sync.bulk_runs;
begin
  perform sync.require_operator();
  perform set_config('lock_timeout', '10s', true);
  select r.* into held from sync.bulk_runs r where r.id = of_run for update;
  if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
  if held.ended_at is not null then
    raise exception 'run % has ended', of_run using errcode = 'object_not_in_prerequisite_state';
  end if;
  return held;
end $function$;

CREATE OR REPLACE FUNCTION sync.hold_subscription(of_name text)
 RETURNS sync.subscriptions
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held sync.subscriptions;
begin
  perform sync.require_operator();
  perform set_config('lock_timeout', '10s', true);
  perform sync.lock_subscription(of_name);
  select s.* into held from sync.subscriptions s where s.name = of_name;
  if not found then raise exception 'there is no subscription %', of_name using errcode = 'no_data_found'; end if;
  return held;
end $function$;

CREATE OR REPLACE FUNCTION sync.id_at(at_position bigint)
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT e.id FROM sync.events e WHERE (e."position" = id_at.at_position));
grant execute on function sync.id_at(at_position bigint) to app_role;
grant execute on function sync.id_at(at_position bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.idle_seconds(turns jsonb, part text)
 RETURNS double precision
 LANGUAGE sql
RETURN ((EXTRACT(epoch FROM clock_timestamp()))::double precision - sync.number_in(turns, ARRAY[part, '1'::text]));

CREATE OR REPLACE FUNCTION sync.import_change(field text, value jsonb, email_key text)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE field WHEN 'email'::text THEN jsonb_build_object('email', value, 'email_key', email_key) WHEN 'name'::text THEN jsonb_build_object('name', value) WHEN 'phone'::text THEN CASE WHEN ((value IS NULL) OR (value = 'null'::jsonb)) THEN '{"phone": null, "phone_key": null, "phone_extension": null}'::jsonb ELSE value END WHEN 'company'::text THEN jsonb_build_object('company_id', value) WHEN 'tier'::text THEN jsonb_build_object('account_tier', value) WHEN 'owner'::text THEN jsonb_build_object('account_manager_id', value) WHEN 'language'::text THEN jsonb_build_object('preferred_language', value) WHEN 'timezone'::text THEN jsonb_build_object('timezone', value) ELSE NULL::jsonb END;

CREATE OR REPLACE FUNCTION sync.import_chunk_bytes()
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN 1048576;

CREATE OR REPLACE FUNCTION sync.import_company_key(company text, domain text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN COALESCE(('domain:'::text || domain), ('name:'::text || lower((company COLLATE pg_c_utf8))));

CREATE OR REPLACE FUNCTION sync.import_files_kept(state text)
 RETURNS interval
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (state = 'uploading'::text) THEN '1 day'::interval ELSE make_interval(days => (LEAST(GREATEST(sync.health_limit('import_file_keep_days'::text), (1)::double precision), (36500)::double precision))::integer) END;
grant execute on function sync.import_files_kept(state text) to console_role;
grant execute on function sync.import_files_kept(state text) to sync_role;

CREATE OR REPLACE FUNCTION sync.import_key(external_id text, email_key text, digest bigint)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN COALESCE(('id:'::text || external_id), ('email:'::text || email_key), ('row:'::text || (digest)::text));
grant execute on function sync.import_key(external_id text, email_key text, digest bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.import_person(source text, external_id text, email_key text, name text, digest bigint)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((('line:'::text || source) || ':'::text) || encode(sha256(convert_to(COALESCE(('id:'::text || external_id), (('email:'::text || email_key) || COALESCE((' '::text || lower((name COLLATE pg_c_utf8))), ''::text)), ('row:'::text || (digest)::text)), 'UTF8'::name)), 'hex'::text));
grant execute on function sync.import_person(source text, external_id text, email_key text, name text, digest bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.import_plans_kept()
 RETURNS interval
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN make_interval(days => (LEAST(GREATEST(sync.health_limit('import_plan_keep_days'::text), (1)::double precision), (36500)::double precision))::integer);
grant execute on function sync.import_plans_kept() to console_role;
grant execute on function sync.import_plans_kept() to sync_role;

CREATE OR REPLACE FUNCTION sync.is_behind(of_subscription text, at_position bigint, event_key text, event_customer uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN ((EXISTS (SELECT FROM sync.parked b WHERE ((b.subscription = is_behind.of_subscription) AND (b.key = is_behind.event_key) AND (b."position" < is_behind.at_position)))) OR ((event_customer IS NOT NULL) AND (EXISTS (SELECT FROM (sync.subscriptions s JOIN sync.parked b ON ((b.subscription = s.name))) WHERE ((s.name = is_behind.of_subscription) AND (s.holds = 'customer'::text) AND (b.customer = ANY (sync.list_merged(is_behind.event_customer))) AND (b."position" < is_behind.at_position))))));
grant execute on function sync.is_behind(of_subscription text, at_position bigint, event_key text, event_customer uuid) to app_role;
grant execute on function sync.is_behind(of_subscription text, at_position bigint, event_key text, event_customer uuid) to merge_role;
grant execute on function sync.is_behind(of_subscription text, at_position bigint, event_key text, event_customer uuid) to sync_role;

CREATE OR REPLACE FUNCTION sync.is_public_provider(domain text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (domain = ANY (ARRAY['gmail.com'::text, 'googlemail.com'::text, 'outlook.com'::text, 'hotmail.com'::text, 'hotmail.co.uk'::text, 'hotmail.fr'::text, 'live.com'::text, 'msn.com'::text, 'yahoo.com'::text, 'yahoo.co.uk'::text, 'yahoo.fr'::text, 'yahoo.de'::text, 'ymail.com'::text, 'icloud.com'::text, 'me.com'::text, 'mac.com'::text, 'aol.com'::text, 'gmx.de'::text, 'gmx.net'::text, 'gmx.at'::text, 'gmx.ch'::text, 'web.de'::text, 't-online.de'::text, 'freenet.de'::text, 'posteo.de'::text, 'mailbox.org'::text, 'proton.me'::text, 'protonmail.com'::text, 'fastmail.com'::text, 'hey.com'::text, 'mail.com'::text, 'zoho.com'::text, 'yandex.ru'::text, 'yandex.com'::text, 'mail.ru'::text, 'qq.com'::text, '163.com'::text, '126.com'::text, 'naver.com'::text, 'orange.fr'::text, 'wanadoo.fr'::text, 'free.fr'::text, 'laposte.net'::text, 'libero.it'::text, 'seznam.cz'::text, 'wp.pl'::text, 'o2.pl'::text, 'bluewin.ch'::text, 'comcast.net'::text, 'verizon.net'::text, 'att.net'::text, 'btinternet.com'::text]));

CREATE OR REPLACE FUNCTION sync.is_variant(email_key text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((strpos(email_key, '+'::text) > 1) OR (email_key ~~ '%@googlemail.com'::text) OR (email_key ~~ '%.%@gmail.com'::text));
grant execute on function sync.is_variant(email_key text) to bulk_role;
grant execute on function sync.is_variant(email_key text) to erase_role;
grant execute on function sync.is_variant(email_key text) to merge_role;

CREATE OR REPLACE FUNCTION sync.join_readers(of_name text, by_reader text, for_ms integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if coalesce(for_ms, 0) not between 1 and 60000 then
    raise exception 'a lease lasts from 1 to 60000 ms' using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from sync.subscriptions s where s.name = of_name and s.app = platform.current_app()) then return; end if;
  insert into sync.readers as r (subscription, reader, leased_until)
  values (of_name, by_reader, clock_timestamp() + make_interval(secs => for_ms / 1000.0))
  on conflict (subscription, reader) do update set leased_until = excluded.leased_until,
    joined_at = case when r.leased_until > clock_timestamp() then r.joined_at else clock_timestamp() end;
  delete from sync.readers r where r.subscription = of_name and r.leased_until < clock_timestamp() - interval '1 minute';
end $function$;
grant execute on function sync.join_readers(of_name text, by_reader text, for_ms integer) to app_role;
grant execute on function sync.join_readers(of_name text, by_reader text, for_ms integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.keep_attempt()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'a record of an attempt is not changed' using errcode = 'restrict_violation';
end $function$;

CREATE OR REPLACE FUNCTION sync.keep_detected(looked jsonb, pairs jsonb, by_rules text, by_walk boolean DEFAULT false)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  ids constant uuid[] := array(select l.customer from jsonb_to_recordset(looked) l (customer uuid));
  added integer;
begin
  perform set_config('lock_timeout', '500ms', true);
  -- In the order of a merge, which holds its customers before it changes their pairs.
  perform from platform.customers c
  where c.id = any (ids) or c.id in (select unnest(array[p.a, p.b]) from jsonb_to_recordset(pairs) p (a uuid, b uuid))
  order by c.id for key share;
  perform sync.keep_match_keys(looked);
  delete from platform.review_candidates r
  where (r.customer_id = any (ids) or r.other_id = any (ids)) and r.reason = 'detected' and r.state = 'open' and r.is_asked
    and r.follows is null
    and not exists (
      select from jsonb_to_recordset(pairs) p (a uuid, b uuid)
      where least(p.a, p.b) = r.customer_id and greatest(p.a, p.b) = r.other_id)
    and not exists (select from platform.review_decisions d where d.candidate = r.id);
  added := platform.propose_candidates(pairs, 'detected', by_rules);
  if by_walk then update sync.match_walk w set pairs = w.pairs + added; end if;
  return added;
end $function$;
grant execute on function sync.keep_detected(looked jsonb, pairs jsonb, by_rules text, by_walk boolean) to sync_role;

CREATE OR REPLACE FUNCTION sync.keep_findings(of_subject text, ids text[], now_found jsonb, without text[] DEFAULT '{}'::text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  delete from sync.quality_findings q
  where q.subject = of_subject and q.subject_id = any (ids) and q.finding <> all (without)
    and not exists (
      select from jsonb_to_recordset(now_found) f (finding text, subject_id text, part text)
      where f.finding = q.finding and f.subject_id = q.subject_id and f.part = q.part);
  if jsonb_array_length(now_found) = 0 then return; end if;
  insert into sync.quality_findings as q (finding, subject, subject_id, part, customer_id, other_id, detail)
  select f.finding, of_subject, f.subject_id, f.part, f.customer_id, f.other_id, f.detail
  from (
    select r.*, row_number() over (partition by r.finding order by k.id nulls last) as place, k.id as known
    from jsonb_to_recordset(now_found) r
        (finding text, subject_id text, part text, customer_id uuid, other_id uuid, detail jsonb)
      left join sync.quality_findings k
        on k.finding = r.finding and k.subject = of_subject and k.subject_id = r.subject_id and k.part = r.part
    where r.finding <> all (without)
      and (k.id is null or (k.customer_id, k.other_id, k.detail) is distinct from (r.customer_id, r.other_id, r.detail))) f
    join sync.quality_numbers n on n.finding = f.finding
  where f.known is not null or n.stored + f.place <= 10000
  on conflict (finding, subject_id, part, subject) do update
  set customer_id = excluded.customer_id, other_id = excluded.other_id, detail = excluded.detail;
end $function$;

CREATE OR REPLACE FUNCTION sync.keep_import_candidates(of_run bigint, candidates jsonb)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 INSERT INTO sync.import_candidates (run, n, other_n, other_customer, score, reasons)  SELECT keep_import_candidates.of_run AS of_run,
             c.n,
             c.other_n,
             c.customer,
             c.score,
             c.reasons
            FROM jsonb_to_recordset(keep_import_candidates.candidates) c(n integer, other_n integer, customer uuid, score double precision, reasons jsonb);
END;
grant execute on function sync.keep_import_candidates(of_run bigint, candidates jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.keep_import_job(of_job bigint, by_worker text, term interval, with_progress jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  goes_on boolean;
begin
  update sync.import_jobs x
  set leased_until = clock_timestamp() + term, progress = coalesce(with_progress, x.progress)
  where x.id = of_job and x.state = 'working' and x.worker = by_worker returning not x.is_cancelled into goes_on;
  return coalesce(goes_on, false);
end $function$;
grant execute on function sync.keep_import_job(of_job bigint, by_worker text, term interval, with_progress jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.keep_match_keys(looked jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  live uuid[];
begin
  perform set_config('lock_timeout', '500ms', true);
  live := array(
    select c.id from platform.customers c
    where c.id in (select l.customer from jsonb_to_recordset(looked) l (customer uuid)) and c.merged_into is null and c.erased_at is null
    order by c.id for key share);
  delete from sync.match_keys k
  where k.customer in (select l.customer from jsonb_to_recordset(looked) l (customer uuid)) and k.customer <> all (live);
  insert into sync.match_keys as k (customer, keys, cut_off)
  select l.customer, array(select jsonb_array_elements_text(l.keys)::bigint), array(select jsonb_array_elements_text(l.cut_off))
  from jsonb_to_recordset(looked) l (customer uuid, keys jsonb, cut_off jsonb) where l.customer = any (live) order by l.customer
  on conflict (customer) do update set keys = excluded.keys, cut_off = excluded.cut_off
  where (k.keys, k.cut_off) is distinct from (excluded.keys, excluded.cut_off);
end $function$;
grant execute on function sync.keep_match_keys(looked jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.keep_match_model(by_rules text, of_customers bigint, model jsonb, words bytea)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE sync.match_model m SET version = (m.version + 1), rules = keep_match_model.by_rules, customers = keep_match_model.of_customers, model = keep_match_model.model, words = keep_match_model.words, made_at = now(), making_until = NULL::timestamp with time zone;
END;
grant execute on function sync.keep_match_model(by_rules text, of_customers bigint, model jsonb, words bytea) to sync_role;

CREATE OR REPLACE FUNCTION sync.keep_operation()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'a record of an operation is not changed' using errcode = 'restrict_violation';
end $function$;

CREATE OR REPLACE FUNCTION sync.keep_young_operations()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if exists (select from gone g where g.done_at > clock_timestamp() - sync.operations_kept()) then
    raise exception 'a record of an operation is kept for %', sync.operations_kept() using errcode = 'restrict_violation';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION sync.kept_columns(OUT entity text, OUT known text[], OUT kept text[])
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT t.entity,
     array_agg(i.column_name) AS array_agg,
     array_agg(i.column_name) FILTER (WHERE (((i.class = 'technical'::text) AND (i.becomes IS NULL)) OR i.stays OR (i.column_name = ANY (ARRAY['version'::text, 'updated_at'::text, 'erased_at'::text, 'status'::text, 'resolved'::text, 'ended_at'::text, 'waiting_since'::text, 'snoozed_until'::text])))) AS array_agg
    FROM (platform.inventory_tables t
      JOIN platform.inventory i ON ((i.relation = t.relation)))
   WHERE (t.entity IS NOT NULL)
   GROUP BY t.entity;
END;
grant execute on function sync.kept_columns(OUT entity text, OUT known text[], OUT kept text[]) to erase_role;

CREATE OR REPLACE FUNCTION sync.lease_left_ms()
 RETURNS double precision
 LANGUAGE sql
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (ends.in_ms > (10000)::double precision) THEN (0)::double precision
             ELSE ends.in_ms
         END AS in_ms
    FROM ( SELECT ((lease_ends_ms.last_value)::double precision - ((EXTRACT(epoch FROM clock_timestamp()))::double precision * (1000)::double precision)) AS "?column?"
            FROM sync.lease_ends_ms) ends(in_ms);
END;
grant execute on function sync.lease_left_ms() to sync_role;

CREATE OR REPLACE FUNCTION sync.leave_out_erased(of_run bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from platform.suppressions) then return 0; end if;
  -- All lines of a person go with the one that names them.
  return sync.scrub_lines(of_run, format($c$p.code is distinct from 'erased' and coalesce(p.lead, p.n) in (
    -- The hashes of platform.suppression_hash: a call for each of millions of lines would take minutes.
    select coalesce(q.lead, q.n)
    from sync.import_rows q join sync.import_files f on f.run = q.run and f.file = q.file cross join platform.suppression_key k
    where q.run = %s and (
      sha256(k.outer_pad || sha256(k.inner_pad || convert_to('email:' || q.email_key, 'UTF8')))
        in (select s.hash from platform.suppressions s where s.lifted_at is null and s.kind = 'email')
      or sha256(k.outer_pad || sha256(k.inner_pad || convert_to('phone:' || q.phone_key, 'UTF8')))
        in (select s.hash from platform.suppressions s where s.lifted_at is null and s.kind = 'phone')
      or sha256(k.outer_pad || sha256(k.inner_pad || convert_to('source:' || f.source || ':'
          || sync.import_key(q.external_id, q.email_key, q.digest), 'UTF8')))
        in (select s.hash from platform.suppressions s where s.lifted_at is null and s.kind = 'source')))$c$, of_run));
end $function$;

CREATE OR REPLACE FUNCTION sync.leave_readers(of_name text, by_reader text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  delete from sync.readers r using sync.subscriptions s
  where r.subscription = of_name and r.reader = by_reader and s.name = r.subscription and s.app = platform.current_app();
  perform pg_notify('sync_events', '');
end $function$;
grant execute on function sync.leave_readers(of_name text, by_reader text) to app_role;
grant execute on function sync.leave_readers(of_name text, by_reader text) to sync_role;

CREATE OR REPLACE FUNCTION sync.level_of(of_name text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
RETURN (SELECT GREATEST(max(h."position"), max(h.replay_until)) AS "greatest" FROM sync.shares h WHERE (h.subscription = level_of.of_name));

CREATE OR REPLACE FUNCTION sync.list_detected(ids uuid[], OUT customer_id uuid, OUT other_id uuid)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT r.customer_id,
     r.other_id
    FROM platform.review_candidates r
   WHERE ((r.customer_id = ANY (list_detected.ids)) AND (r.reason = 'detected'::text) AND (r.state = ANY (ARRAY['open'::text, 'unsure'::text])) AND r.is_asked)
 UNION
  SELECT r.customer_id,
     r.other_id
    FROM platform.review_candidates r
   WHERE ((r.other_id = ANY (list_detected.ids)) AND (r.reason = 'detected'::text) AND (r.state = ANY (ARRAY['open'::text, 'unsure'::text])) AND r.is_asked);
END;
grant execute on function sync.list_detected(ids uuid[], OUT customer_id uuid, OUT other_id uuid) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_duplicate_gauges()
 RETURNS SETOF sync.gauge_row
 LANGUAGE sql
BEGIN ATOMIC
 SELECT 'duplicates_open'::text,
     ''::text,
     ((d.measures ->> 'open'::text))::double precision AS float8
    FROM sync.check_duplicates() d(slug, kind, status, reason, measures);
END;

CREATE OR REPLACE FUNCTION sync.list_events_of_customer(customer uuid)
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH merged AS MATERIALIZED (
          SELECT sync.list_merged(list_events_of_customer.customer) AS ids
         ), named AS MATERIALIZED (
          SELECT e."position",
             e.key,
             starts_with(e.type, (e.app || '.'::text)) AS is_own
            FROM sync.events e
           WHERE (e.customer = ANY (( SELECT m.ids
                    FROM merged m)::uuid[]))
         )
  SELECT n."position"
    FROM named n
 UNION
  SELECT e."position"
    FROM (( SELECT DISTINCT n.key
            FROM named n
           WHERE (NOT n.is_own)) k
      JOIN sync.events e ON ((e.key = k.key)))
   WHERE ((NOT starts_with(e.type, (e.app || '.'::text))) AND (((e.previous ->> 'customer_id'::text) = ANY ((( SELECT m.ids
            FROM merged m))::text[])) OR ((e.customer IS NULL) AND (( SELECT f.customer
            FROM sync.events f
           WHERE ((f.key = e.key) AND (f."position" > e."position") AND (f.customer IS NOT NULL))
           ORDER BY f."position"
          LIMIT 1) = ANY (( SELECT m.ids
            FROM merged m)::uuid[])))));
END;
grant execute on function sync.list_events_of_customer(customer uuid) to console_role;
grant execute on function sync.list_events_of_customer(customer uuid) to erase_role;
grant execute on function sync.list_events_of_customer(customer uuid) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_gauges()
 RETURNS SETOF sync.gauge_row
 LANGUAGE sql
BEGIN ATOMIC
 WITH c AS MATERIALIZED (
          SELECT c.slug,
             c.kind,
             c.measures
            FROM (sync.check_states c
              CROSS JOIN sync.health h)
           WHERE ((c.status <> 'unknown'::text) AND (h.evaluated_at > (clock_timestamp() - '00:00:10'::interval)))
         )
  SELECT m.name,
         CASE c.kind
             WHEN 'subscription'::text THEN substr(c.slug, 14)
             WHEN 'pool'::text THEN substr(c.slug, 6)
             ELSE ''::text
         END AS "case",
     sync.number_in(c.measures, ARRAY[m.measure]) AS number_in
    FROM (c
      JOIN ( VALUES ('subscription'::text,'lag_seconds'::text,'lag_seconds'::text), ('subscription'::text,'lag_events'::text,'lag_events'::text), ('sequencer'::text,'waiting_seconds'::text,'oldest_waiting_seconds'::text), ('pool'::text,'in_use'::text,'pool_in_use'::text), ('pool'::text,'max'::text,'pool_max'::text), ('pool'::text,'waiting'::text,'pool_waiting'::text), ('database'::text,'connections_used'::text,'connections_used'::text), ('adoption'::text,'waiting'::text,'customers_not_adopted'::text)) m(kind, measure, name) ON ((m.kind = c.kind)))
 UNION ALL
  SELECT m.name,
     ''::text,
     sum(sync.number_in(c.measures, ARRAY[m.name])) AS sum
    FROM (c
      CROSS JOIN ( VALUES ('parked'::text), ('dead'::text)) m(name))
   WHERE (c.kind = 'subscription'::text)
   GROUP BY m.name
 UNION ALL
  SELECT 'log_bytes'::text,
     ''::text,
     h.log_bytes
    FROM sync.health h
   WHERE (h.log_measured_at > (clock_timestamp() - '00:01:00'::interval));
END;

CREATE OR REPLACE FUNCTION sync.list_holders(first bigint, last bigint, OUT name text, OUT behind bigint, OUT parked bigint)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT holders.name,
     holders.behind,
     holders.parked
    FROM ( SELECT s.name,
             ( SELECT count(*) AS count
                    FROM sync.events e
                   WHERE ((s."position" < list_holders.last) AND ((e."position" >= GREATEST(list_holders.first, (s."position" + 1))) AND (e."position" <= list_holders.last)) AND sync.may_read(s.app, e.audience) AND ((s.types IS NULL) OR (e.type = ANY (s.types))))) AS count,
             ( SELECT count(*) AS count
                    FROM sync.parked p
                   WHERE ((p.subscription = s.name) AND ((p."position" >= list_holders.first) AND (p."position" <= list_holders.last)))) AS count
            FROM sync.subscriptions s) holders(name, behind, parked)
   WHERE ((holders.behind > 0) OR (holders.parked > 0))
   ORDER BY holders.name;
END;
grant execute on function sync.list_holders(first bigint, last bigint, OUT name text, OUT behind bigint, OUT parked bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_import_customers(of_run bigint, OUT id uuid, OUT name text, OUT emails text[], OUT phones text[], OUT company text, OUT company_domain text, OUT has_verified_address boolean, OUT file smallint, OUT external_id text)
 RETURNS SETOF record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return query execute format($f$
    with news as materialized (
      select * from staging.import_lines_p%1$s l where l.kind = 'person' and not l.is_known
    ), addresses as materialized (
      select w.email_key from news w where w.email_key is not null
      union select a.value ->> 'key' from news w cross join jsonb_array_elements(w.extra -> 'emails') a where w.extra ? 'emails'
    ), numbers as materialized (
      select w.phone_key from news w where w.phone_key is not null
      union select p.value ->> 'key' from news w cross join jsonb_array_elements(w.extra -> 'phones') p where w.extra ? 'phones'
    ), shared as (
      select p.phone_key from platform.customer_phones p
      where p.phone_key in (select w.phone_key from numbers w) group by p.phone_key having count(*) <= 20
    ), olds as materialized (
      select l.*, f.source from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
      where l.is_known and (l.email_key in (select w.email_key from addresses w) or l.phone_key in (select w.phone_key from numbers w)
        or (f.source, l.external_id) in (
          select x.source, w.external_id from news w join sync.import_files x on x.run = %1$s and x.file = w.file
          where w.external_id is not null)
        or l.extra ?| '{emails,phones}' and exists (
          select from jsonb_array_elements(coalesce(l.extra -> 'emails', '[]') || coalesce(l.extra -> 'phones', '[]')) v
          where v.value ->> 'key' in (select w.email_key from addresses w union all select w.phone_key from numbers w)))
    ), found as (
      select e.customer_id from platform.customer_emails e where e.email_key in (select w.email_key from addresses w)
      union
      -- Of whom somebody has said that a line is they.
      select coalesce(c.merged_into, c.id) from sync.list_import_decisions(%1$s) d join platform.customers c on c.id = d.customer
      where d.answer = 'same'
      union
      select p.customer_id from platform.customer_phones p join shared s on s.phone_key = p.phone_key
    )
    select c.id, c.name, array(select e.email_key from platform.customer_emails e where e.customer_id = c.id),
      array(select p.phone_key from platform.customer_phones p where p.customer_id = c.id), o.name, o.domain,
      exists (select from platform.customer_emails e where e.customer_id = c.id and e.verified_at is not null), null::smallint, null::text
    from found f join platform.customers c on c.id = f.customer_id and c.merged_into is null and c.erased_at is null
      left join platform.companies o on o.id = c.company_id
    union all
    select c.id, l.name,
      array_remove(array[l.email_key] || array(select a.value ->> 'key' from jsonb_array_elements(l.extra -> 'emails') a), null),
      array_remove(array[l.phone_key] || array(select p.value ->> 'key' from jsonb_array_elements(l.extra -> 'phones') p), null),
      l.company, l.company_domain, false,
      (select min(f.file) from sync.import_files f where f.run = %1$s and f.source = l.source), l.external_id
    from olds l join sync.import_keys k on k.source = l.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
      join platform.customers m on m.id = k.customer
      join platform.customers c on c.id = coalesce(m.merged_into, m.id) and c.erased_at is null$f$, of_run);
end $function$;
grant execute on function sync.list_import_customers(of_run bigint, OUT id uuid, OUT name text, OUT emails text[], OUT phones text[], OUT company text, OUT company_domain text, OUT has_verified_address boolean, OUT file smallint, OUT external_id text) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_import_decisions(of_run bigint, OUT n integer, OUT other_n integer, OUT customer uuid, OUT other_customer uuid, OUT answer text)
 RETURNS SETOF record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if exists (select from sync.import_decisions) then
    return query execute format($f$
      with lines as materialized (
        select l.n, case when l.is_known then k.customer end as known,
          array[sync.import_person(f.source, l.external_id, l.email_key, l.name, l.digest),
            sync.import_person(f.source, null, null, null, l.digest)] as persons
        from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
          left join sync.import_keys k on l.is_known and k.source = f.source
            and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        where l.kind = 'person'
      ), sides as materialized (
        select d.one, d.other, d.answer, v.side, v.person,
          coalesce(case when starts_with(v.person, 'customer:') then substr(v.person, 10)::uuid end, v.became) as customer
        from sync.import_decisions d
          cross join lateral (values (1, d.one, d.one_customer), (2, d.other, d.other_customer)) v (side, person, became)
      ), found as materialized (
        select distinct u.person, l.known, case when l.known is null then l.n end as n from lines l cross join unnest(l.persons) u (person)
        where u.person in (select s.person from sides s)
      ), places as (
        select s.one, s.other, s.answer, s.side, f.n, coalesce(c.merged_into, c.id) as customer
        from sides s left join found f on f.person = s.person
          left join platform.customers c on c.id = case when f.n is null then coalesce(f.known, s.customer) end
        where f.n is not null or c.id is not null
      )
      select a.n, b.n, a.customer, b.customer, a.answer from places a join places b on b.one = a.one and b.other = a.other
      where a.side = 1 and b.side = 2 and (a.n is not null or b.n is not null) and a.n is distinct from b.n$f$, of_run);
  end if;
  return query
    select null::integer, null::integer, q.customer_id, q.other_id, q.state from platform.review_candidates q
    where q.state = 'different';
end $function$;
grant execute on function sync.list_import_decisions(of_run bigint, OUT n integer, OUT other_n integer, OUT customer uuid, OUT other_customer uuid, OUT answer text) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_import_fields()
 RETURNS TABLE(key text, label text, type text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT f.key,
     f.label,
     f.type
    FROM crm.custom_fields f
   WHERE (f.record = 'customer'::text)
   ORDER BY f."position", f.id;
END;
grant execute on function sync.list_import_fields() to console_role;

CREATE OR REPLACE FUNCTION sync.list_import_persons(of_run bigint, places integer[])
 RETURNS TABLE(n integer, person text, whole text, lead integer, customer uuid)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
begin
  return query
    select p.n, sync.import_person(f.source, p.external_id,
        case when not coalesce(p.detail -> 'taken' ? 'email', false) then p.email_key end,
        case when not coalesce(p.detail -> 'taken' ? 'name', false) then p.name end, p.digest),
      sync.import_person(f.source, null, null, null, p.digest), p.lead, p.customer
    from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n = any (places) and p.digest is not null;
end $function$;
grant execute on function sync.list_import_persons(of_run bigint, places integer[]) to console_role;
grant execute on function sync.list_import_persons(of_run bigint, places integer[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_line_sources(of_run bigint, places integer[])
 RETURNS TABLE(n integer, source text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
begin
  return query
    select p.n, f.source from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n = any (places);
end $function$;

CREATE OR REPLACE FUNCTION sync.list_match_persons(ids uuid[], OUT id uuid, OUT name text, OUT email text, OUT emails text[], OUT phones text[], OUT company text, OUT company_domain text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.id,
     c.name,
     c.email,
     ARRAY( SELECT e.email_key
            FROM platform.customer_emails e
           WHERE ((e.customer_id = c.id) AND (e.email_key <> platform.no_address(c.id)))
           ORDER BY e.email_key
          LIMIT 20) AS "array",
     ARRAY( SELECT p.phone_key
            FROM platform.customer_phones p
           WHERE (p.customer_id = c.id)
           ORDER BY p.phone_key
          LIMIT 20) AS "array",
     o.name,
     o.domain
    FROM (platform.customers c
      LEFT JOIN platform.companies o ON ((o.id = c.company_id)))
   WHERE ((c.id = ANY (list_match_persons.ids)) AND (c.merged_into IS NULL) AND (c.erased_at IS NULL));
END;
grant execute on function sync.list_match_persons(ids uuid[], OUT id uuid, OUT name text, OUT email text, OUT emails text[], OUT phones text[], OUT company text, OUT company_domain text) to app_role;
grant execute on function sync.list_match_persons(ids uuid[], OUT id uuid, OUT name text, OUT email text, OUT emails text[], OUT phones text[], OUT company text, OUT company_domain text) to console_role;
grant execute on function sync.list_match_persons(ids uuid[], OUT id uuid, OUT name text, OUT email text, OUT emails text[], OUT phones text[], OUT company text, OUT company_domain text) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_merged(customer uuid)
 RETURNS uuid[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT (array_agg(c.id) || list_merged.customer) FROM ((SELECT COALESCE((SELECT o.merged_into FROM platform.customers o WHERE (o.id = list_merged.customer)), list_merged.customer) AS id) root JOIN platform.customers c ON (((c.id = root.id) OR (c.merged_into = root.id)))));
grant execute on function sync.list_merged(customer uuid) to app_role;
grant execute on function sync.list_merged(customer uuid) to erase_role;
grant execute on function sync.list_merged(customer uuid) to merge_role;
grant execute on function sync.list_merged(customer uuid) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_missing_chunks(of_upload bigint)
 RETURNS integer[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT COALESCE(array_agg(m.place ORDER BY m.place), '{}'::integer[]) AS "coalesce"
    FROM ( SELECT g.place
            FROM (sync.import_uploads u
              CROSS JOIN LATERAL generate_series(0, (((u.size - 1) / sync.import_chunk_bytes()))::integer) g(place))
           WHERE ((u.id = list_missing_chunks.of_upload) AND (u.state = 'uploading'::text) AND (NOT (EXISTS ( SELECT
                    FROM sync.import_chunks c
                   WHERE ((c.upload = u.id) AND (c.place = g.place))))))
           ORDER BY g.place
          LIMIT 1000) m;
END;
grant execute on function sync.list_missing_chunks(of_upload bigint) to console_role;

CREATE OR REPLACE FUNCTION sync.list_partitions(OUT name name, OUT first bigint, OUT last bigint)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT c.relname,
     (bounds.bounds[1])::bigint AS bounds,
     ((bounds.bounds[2])::bigint - 1)
    FROM ((pg_inherits i
      JOIN pg_class c ON ((c.oid = i.inhrelid)))
      CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(\d+)''\) TO \(''(\d+)''\)'::text) bounds(bounds))
   WHERE (i.inhparent = ('sync.events'::regclass)::oid)
   ORDER BY (bounds.bounds[1])::bigint;
END;
grant execute on function sync.list_partitions(OUT name name, OUT first bigint, OUT last bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_processes(OUT app text, OUT process text, OUT state text, OUT silent_seconds double precision, OUT started_at timestamp with time zone, OUT clock_off_ms double precision, OUT report jsonb, OUT turns jsonb)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT h.app,
     h.process,
         CASE
             WHEN (h.ended_at IS NOT NULL) THEN 'ended'::text
             WHEN (h.beat_at < (clock_timestamp() - make_interval(secs => sync.health_limit('silent_seconds'::text)))) THEN 'silent'::text
             ELSE 'live'::text
         END AS "case",
     (EXTRACT(epoch FROM (clock_timestamp() - h.beat_at)))::double precision AS "extract",
     h.started_at,
     h.clock_off_ms,
     h.report,
     h.turns
    FROM sync.heartbeats h;
END;
grant execute on function sync.list_processes(OUT app text, OUT process text, OUT state text, OUT silent_seconds double precision, OUT started_at timestamp with time zone, OUT clock_off_ms double precision, OUT report jsonb, OUT turns jsonb) to console_role;
grant execute on function sync.list_processes(OUT app text, OUT process text, OUT state text, OUT silent_seconds double precision, OUT started_at timestamp with time zone, OUT clock_off_ms double precision, OUT report jsonb, OUT turns jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.list_quality_gauges()
 RETURNS SETOF sync.gauge_row
 LANGUAGE sql
BEGIN ATOMIC
 SELECT ('quality_'::text || k.name),
     ''::text,
     (sum(n.stored))::double precision AS sum
    FROM ((sync.quality_numbers n
      JOIN sync.quality_scans s ON ((s.name = n.scan)))
      JOIN ( VALUES ('duplicate'::text,'duplicates'::text), ('orphan'::text,'orphans'::text), ('missing'::text,'missing_fields'::text), ('address'::text,'unreachable_addresses'::text), ('drift'::text,'drift'::text)) k(prefix, name) ON ((k.prefix = split_part(n.finding, '.'::text, 1))))
   GROUP BY k.name
  HAVING bool_and((s.last_ended_at IS NOT NULL));
END;

CREATE OR REPLACE FUNCTION sync.list_references(target regclass, ids uuid[], but regclass[], OUT id uuid, OUT part text, OUT rows bigint)
 RETURNS SETOF record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  reference record;
begin
  for reference in
    select k.conrelid::regclass as child, a.attname from pg_catalog.pg_constraint k
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = target and k.conrelid <> all (but) and k.conparentid = 0
    order by k.conrelid::regclass::text, a.attname
  loop
    return query execute format('select t.%2$I, %3$L, count(*) from %1$s t where t.%2$I = any ($1) group by t.%2$I',
      reference.child, reference.attname, reference.child::text) using ids;
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION sync.list_same_persons(of_person text, but_one text, but_other text)
 RETURNS text[]
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH RECURSIVE reach(person) AS (
          SELECT (list_same_persons.of_person COLLATE "C") AS of_person
         UNION
          SELECT
                 CASE
                     WHEN (d.one = r_1.person) THEN d.other
                     ELSE d.one
                 END AS one
            FROM (reach r_1
              JOIN sync.import_decisions d ON ((((d.one = r_1.person) OR (d.other = r_1.person)) AND (d.answer = 'same'::text) AND ((d.one IS DISTINCT FROM list_same_persons.but_one) OR (d.other IS DISTINCT FROM list_same_persons.but_other)))))
         )
  SELECT array_agg(r.person) AS array_agg
    FROM reach r;
END;

CREATE OR REPLACE FUNCTION sync.list_stage_names(ids bigint[], OUT id bigint, OUT name text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT s.id,
     s.name
    FROM crm.pipeline_stages s
   WHERE (s.id = ANY (list_stage_names.ids))
 UNION ALL
  SELECT f.id,
     f.name
    FROM crm.former_stages f
   WHERE (f.id = ANY (list_stage_names.ids));
END;
grant execute on function sync.list_stage_names(ids bigint[], OUT id bigint, OUT name text) to console_role;

CREATE OR REPLACE FUNCTION sync.list_vain_types(types text[], OUT type text, OUT reason text)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT t.type,
         CASE
             WHEN (e.name IS NULL) THEN 'does not exist'::text
             ELSE ('is not shown to '::text || platform.current_app())
         END AS "case"
    FROM (unnest(list_vain_types.types) t(type)
      LEFT JOIN sync.entities e ON (((((t.type = (e.name || '.created'::text)) OR (t.type = (e.name || '.updated'::text))) OR (t.type = (e.name || '.deleted'::text))) OR ((e.name = 'customer'::text) AND (t.type = ANY (ARRAY['customer.merged'::text, 'customer.unmerged'::text, 'customer.erased'::text]))))))
   WHERE
         CASE
             WHEN (e.name IS NULL) THEN ((t.type !~ '\.[a-z]'::text) OR (NOT (EXISTS ( SELECT
                FROM platform.apps a
               WHERE starts_with(t.type, (a.name || '.'::text))))))
             ELSE (NOT sync.may_read(platform.current_app(), e.audience))
         END;
END;
grant execute on function sync.list_vain_types(types text[], OUT type text, OUT reason text) to app_role;
grant execute on function sync.list_vain_types(types text[], OUT type text, OUT reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.lock_subscription(of_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform from sync.shares h where h.subscription = of_name and h.share = 0 for update;
  perform from sync.shares h where h.subscription = of_name order by h.share for update;
  perform from sync.subscriptions s where s.name = of_name for update;
end $function$;
grant execute on function sync.lock_subscription(of_name text) to merge_role;

CREATE OR REPLACE FUNCTION sync.look_at_next(s sync.quality_scans, rows_max integer)
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  ids text[];
begin
  case s.name
    when 'customers' then
      ids := array(select c.id::text from platform.customers c where s.place is null or c.id > s.place::uuid order by c.id limit rows_max);
    when 'companies' then
      ids := array(select c.id::text from platform.companies c where s.place is null or c.id > s.place::uuid order by c.id limit rows_max);
    when 'deals' then
      ids := array(select d.id::text from crm.deals d where s.place is null or d.id > s.place::bigint order by d.id limit rows_max);
    when 'sessions' then
      ids := array(select v.id::text from support.sessions v where s.place is null or v.id > s.place::uuid order by v.id limit rows_max);
    when 'activities' then
      ids := array(select a.id::text from crm.activities a where s.place is null or a.id > s.place::uuid order by a.id limit rows_max);
    when 'indexes' then ids := '{}';
  end case;
  if cardinality(ids) > 0 or s.name = 'indexes' then
    perform sync.check_subjects(
      case s.name when 'customers' then 'customer' when 'companies' then 'company' when 'deals' then 'deal' when 'sessions' then 'session'
        when 'activities' then 'activity' else 'index' end, ids);
  end if;
  return ids;
end $function$;

CREATE OR REPLACE FUNCTION sync.mailbox(email_key text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (split_part(email_key, '@'::text, 2) = ANY (ARRAY['gmail.com'::text, 'googlemail.com'::text])) THEN (replace(split_part(split_part(email_key, '@'::text, 1), '+'::text, 1), '.'::text, ''::text) || '@gmail.com'::text) WHEN (strpos(email_key, '+'::text) > 1) THEN ((split_part(email_key, '+'::text, 1) || '@'::text) || split_part(email_key, '@'::text, 2)) ELSE email_key END;
grant execute on function sync.mailbox(email_key text) to bulk_role;
grant execute on function sync.mailbox(email_key text) to erase_role;
grant execute on function sync.mailbox(email_key text) to merge_role;

CREATE OR REPLACE FUNCTION sync.make_import_companies(of_run bigint, companies_max integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('planned', 'applying') then return 0; end if;
  if exists (select from crm.custom_fields f where r.app = 'foundation' and f.record = 'company' and f.is_required) then return 0; end if;
  perform set_config('aether.trace', 'import:' || of_run, true);
  with missing as materialized (
    select t.key, uuidv7() as id, coalesce(t.name, t.domain) as name, t.domain from sync.import_targets t
    where t.run = of_run and t.kind = 'company' and t.target is null and t.same_as is null order by t.key limit companies_max
  ), made as (
    insert into platform.companies (id, name, domain, created_by_app) select m.id, m.name, m.domain, r.app from missing m
    on conflict (domain) do nothing returning id
  )
  update sync.import_targets t set target = m.id, made = d.id is not null
  from missing m left join made d on d.id = m.id where t.run = of_run and t.kind = 'company' and t.key = m.key;
  -- Somebody else made a company with this domain meanwhile.
  update sync.import_targets t set target = c.id
  from platform.companies c
  where t.run = of_run and t.kind = 'company' and not t.made and c.domain = t.domain and t.target <> c.id::text;
  return (
    select count(*) from sync.import_targets t
    where t.run = of_run and t.kind = 'company' and t.target is null and t.same_as is null);
end $function$;
grant execute on function sync.make_import_companies(of_run bigint, companies_max integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.may_read(app text, audience text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((audience = 'platform'::text) OR (app = 'sync'::text) OR (audience = platform.audience_of(app)));
grant execute on function sync.may_read(app text, audience text) to console_role;
grant execute on function sync.may_read(app text, audience text) to sync_role;

CREATE OR REPLACE FUNCTION sync.members_in(report jsonb, path text[], OUT name text, OUT value jsonb)
 RETURNS SETOF record
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT m.key,
     m.value
    FROM jsonb_each(
         CASE
             WHEN (jsonb_typeof((members_in.report #> members_in.path)) = 'object'::text) THEN (members_in.report #> members_in.path)
             ELSE '{}'::jsonb
         END) m(key, value);
END;

CREATE OR REPLACE FUNCTION sync.mend(f sync.quality_findings)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c platform.customers;
  k crm.deal_closings;
  d crm.deals;
  child record;
begin
  if f.subject = 'customer' then
    select o.* into c from platform.customers o where o.id = f.customer_id for no key update;
  elsif f.subject = 'deal' then
    perform from platform.customers o where o.id = f.customer_id for no key update;
    select o.* into d from crm.deals o where o.id = f.subject_id::bigint for update;
  end if;
  case f.finding
    when 'orphan.unadopted' then
      update platform.customers o set crm_id = platform.next_customer_number('foundation')
      where o.id = c.id and o.crm_id is null and o.merged_into is null and o.erased_at is null;
    when 'orphan.session' then
      perform from support.sessions s where s.id = f.subject_id::uuid for share;
      insert into crm.activities (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key)
      select a.customer_id, a.type, a.description, a.metadata, a.occurred_at, 'support', a.idempotency_key
      from support.activity_of_session(f.subject_id::uuid) a
      on conflict (created_by_app, idempotency_key) do nothing;
    when 'orphan.child' then
      -- A customer that was merged has a survivor. What an erased one still holds is not moved to anybody.
      if c.merged_into is null then
        raise exception 'the rows of an erased customer belong to nobody' using errcode = 'check_violation',
          hint = 'Erase the customer again: the erasure removes them.';
      end if;
      for child in
        select n.conrelid::regclass as child, a.attname as customer_column
        from pg_constraint n join pg_attribute a on a.attrelid = n.conrelid and a.attnum = n.conkey[1]
        where n.contype = 'f' and n.confrelid = 'platform.customers'::regclass and n.conrelid::regclass::text = f.part
      loop
        execute format('update %s set %2$I = $1 where %2$I = $2', child.child, child.customer_column) using c.merged_into, c.id;
      end loop;
    when 'drift.address' then
      update platform.customer_emails a set is_primary = false
      where a.customer_id = c.id and a.is_primary and a.email_key <> c.email_key;
      insert into platform.customer_emails as a (email_key, email, customer_id, is_primary) values (c.email_key, c.email, c.id, true)
      on conflict (email_key) do update set is_primary = true, email = excluded.email where a.customer_id = c.id;
      if not found then
        raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey';
      end if;
    when 'drift.phone' then
      delete from platform.customer_phones n
      where n.customer_id = c.id and n.is_primary
        and (c.phone is null or (n.phone_key, n.phone_extension) is distinct from (c.phone_key, c.phone_extension));
      if c.phone is not null then
        insert into platform.customer_phones as n (customer_id, phone, phone_key, phone_extension, is_primary)
        values (c.id, c.phone, c.phone_key, c.phone_extension, true)
        on conflict (customer_id, phone_key, phone_extension) do update set is_primary = true, phone = excluded.phone;
      end if;
    when 'drift.number' then
      insert into platform.customer_external_ids as x (app, external_id, customer_id)
      values (f.part, case f.part when 'foundation' then c.crm_id else c.support_id end, c.id)
      on conflict (app, external_id) do update set app = x.app where x.customer_id = c.id;
      if not found then
        raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_external_ids_pkey';
      end if;
    when 'drift.order' then
      delete from crm.customer_order o where o.customer_id = c.id and (c.merged_into is not null or c.erased_at is not null);
      if c.merged_into is null and c.erased_at is null then
        insert into crm.customer_order (customer_id, account_tier, updated_at) values (c.id, coalesce(c.account_tier, '~'), c.updated_at)
        on conflict (customer_id) do update set account_tier = excluded.account_tier, updated_at = excluded.updated_at;
      end if;
    when 'drift.event' then
      -- A new version has an event of its own: every reader that missed one reads the customer again.
      perform platform.count_change(c.id);
    when 'drift.history' then
      insert into crm.changes (event_id, customer_id, change, app, actor, occurred_at, data, previous)
      select e.id, c.id, case e.type when 'customer.created' then 'created' else 'edited' end, e.app, e.actor, e.occurred_at,
        (select jsonb_object_agg(n.field, e.data -> n.field) from unnest(n.fields) n (field)),
        case e.type when 'customer.created' then '{}'
          else (select jsonb_object_agg(n.field, e.previous -> n.field) from unnest(n.fields) n (field)) end
      from sync.events e cross join lateral (
        select array_agg(w.field) from unnest(array['name', 'email', 'phone', 'company_id', 'account_tier', 'account_manager_id',
          'preferred_language', 'timezone']) w (field)
        where case e.type when 'customer.created' then jsonb_typeof(e.data -> w.field) <> 'null' else e.previous ? w.field end) n (fields)
      where e.key = c.id::text and e.id = f.part::bigint and n.fields is not null
      on conflict (event_id) do nothing;
    when 'drift.stage' then
      update crm.deals o set status = s.outcome
      from crm.pipeline_stages s where o.id = d.id and s.id = o.stage_id and o.status <> s.outcome;
    when 'drift.closing' then
      -- The status of the deal decides whether it is closed, and how; its closing tells when.
      select n.* into k from crm.deal_closings n where n.deal_id = d.id and n.reopened_at is null;
      if k.id is not null and k.outcome <> d.status then
        update crm.deal_closings n
        set reopened_at = now(), reopened_by = platform.current_actor(), reopened_by_app = platform.current_app(),
          reopened_by_login = session_user, reopened_version = d.version
        where n.id = k.id;
        k := null;
      end if;
      if d.status <> 'open' and k.id is null then
        insert into crm.deal_closings (deal_id, outcome, closed_at, deal_version) values (d.id, d.status, d.closed_at, d.version);
      elsif d.status <> 'open' then
        update crm.deals o set closed_at = k.closed_at where o.id = d.id and o.closed_at <> k.closed_at;
      end if;
    when 'drift.messages' then
      perform from support.sessions s where s.id = f.subject_id::uuid for update;
      update support.sessions s set message_count = m.messages
      from (select count(*) as messages from support.messages m where m.session_id = f.subject_id::uuid) m
      where s.id = f.subject_id::uuid and s.message_count <> m.messages;
    else
      raise exception 'nothing here mends %', f.finding using errcode = 'check_violation';
  end case;
end $function$;

CREATE OR REPLACE FUNCTION sync.merge_import_extras(extras jsonb[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT jsonb_object_agg(k.key, CASE jsonb_typeof(k.first) WHEN 'array'::text THEN (SELECT jsonb_agg(DISTINCT v.value) AS jsonb_agg FROM (unnest(merge_import_extras.extras) e(extra) CROSS JOIN LATERAL jsonb_array_elements((e.extra -> k.key)) v(value))) WHEN 'object'::text THEN (SELECT jsonb_object_agg(v.key, v.value ORDER BY e.place DESC) AS jsonb_object_agg FROM (unnest(merge_import_extras.extras) WITH ORDINALITY e(extra, place) CROSS JOIN LATERAL jsonb_each((e.extra -> k.key)) v(key, value))) ELSE k.first END) AS jsonb_object_agg FROM (SELECT DISTINCT ON (x.key) x.key, x.value AS first FROM (unnest(merge_import_extras.extras) WITH ORDINALITY e(extra, place) CROSS JOIN LATERAL jsonb_each(e.extra) x(key, value)) ORDER BY x.key, e.place) k);

CREATE OR REPLACE FUNCTION sync.move_shares(of_name text, of_shares integer[], to_position bigint, by_reader text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from sync.subscriptions s where s.name = of_name and s.app = platform.current_app()) then return; end if;
  update sync.shares h set position = to_position, reader = by_reader, moved_at = clock_timestamp()
  where h.subscription = of_name and h.share = any (of_shares);
  perform from sync.subscriptions s where s.name = of_name for no key update;
  update sync.subscriptions s set position = l.lowest, moved_at = clock_timestamp()
  from (select min(h.position) as lowest from sync.shares h where h.subscription = of_name) l
  where s.name = of_name and s.position <> l.lowest;
end $function$;
grant execute on function sync.move_shares(of_name text, of_shares integer[], to_position bigint, by_reader text) to app_role;
grant execute on function sync.move_shares(of_name text, of_shares integer[], to_position bigint, by_reader text) to sync_role;

CREATE OR REPLACE FUNCTION sync.name_alert_target(of_name text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 INSERT INTO sync.alert_targets AS t (name)
   VALUES (name_alert_target.of_name) ON CONFLICT(name) DO UPDATE SET seen_at = excluded.seen_at
   WHERE (t.seen_at < (excluded.seen_at - '00:01:00'::interval));
END;
grant execute on function sync.name_alert_target(of_name text) to console_role;
grant execute on function sync.name_alert_target(of_name text) to sync_role;

CREATE OR REPLACE FUNCTION sync.name_import_places(of_run bigint, places integer[], customers uuid[])
 RETURNS TABLE(n integer, line bigint, customer uuid, name text, email text)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
begin
  return query
    select p.n, p.line, null::uuid, p.name, p.email from sync.import_rows p where p.run = of_run and p.n = any (places)
    union all
    select null, null, c.id, c.name, c.email from platform.customers c where c.id = any (customers) and c.erased_at is null;
end $function$;
grant execute on function sync.name_import_places(of_run bigint, places integer[], customers uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.next_import_pairs(most integer, OUT of_run bigint, OUT queued_from integer, OUT queued_to integer, OUT rules text, OUT pairs jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  select r.id, coalesce(q.queued_to, 0), r.rules into of_run, queued_from, rules
  from sync.import_runs r left join sync.queued_imports q on q.run = r.id
  where r.state = 'applied' and q.ended_at is null and coalesce(q.due_at <= clock_timestamp(), true) order by r.id limit 1;
  if of_run is null then return; end if;
  select max(c.n) into queued_to from (
    select c.n from sync.import_candidates c where c.run = of_run and c.n > queued_from order by c.n limit most) c;
  if queued_to is null then return; end if;
  begin
    execute format($f$
      select coalesce(jsonb_agg(jsonb_build_object('a', p.customer, 'b', coalesce(c.other_customer, o.customer), 'score', c.score,
        'reasons', c.reasons)), '[]')
      from sync.import_candidates c join sync.import_rows_p%1$s p on p.run = %1$s and p.n = c.n
        left join sync.import_rows_p%1$s o on o.run = %1$s and o.n = c.other_n
      where c.run = %1$s and c.n > $1 and c.n <= $2 and p.customer is not null and coalesce(c.other_customer, o.customer) is not null
        $f$, of_run) into pairs using queued_from, queued_to;
  exception when others then
    perform sync.fail_import_pairs(of_run, sqlerrm);
    queued_to := queued_from; -- nothing is queued now
    pairs := null;
  end;
end $function$;
grant execute on function sync.next_import_pairs(most integer, OUT of_run bigint, OUT queued_from integer, OUT queued_to integer, OUT rules text, OUT pairs jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.next_match_page(by_rules text, most integer, OUT phase text, OUT ids uuid[])
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  w sync.match_walk;
begin
  select * into w from sync.match_walk for update skip locked;
  if w.is_only is null or (w.phase = 'done' and w.rules = by_rules) then return; end if;
  if w.rules is distinct from by_rules then
    update sync.match_walk x
    set phase = 'keys', rules = by_rules, after = default, looked_at = 0, pairs = 0, began_at = clock_timestamp(), ended_at = null
    returning * into w;
  end if;
  phase := w.phase;
  ids := array(
    select c.id from platform.customers c where c.id > w.after and c.merged_into is null and c.erased_at is null order by c.id limit most);
  if cardinality(ids) = 0 then
    update sync.match_walk x
    set phase = case w.phase when 'keys' then 'pairs' else 'done' end, after = default,
      looked_at = case w.phase when 'keys' then 0 else x.looked_at end, ended_at = case w.phase when 'pairs' then clock_timestamp() end;
  else
    update sync.match_walk x set after = ids[cardinality(ids)], looked_at = x.looked_at + cardinality(ids);
  end if;
end $function$;
grant execute on function sync.next_match_page(by_rules text, most integer, OUT phase text, OUT ids uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.note_left_out(of_run bigint, columns jsonb)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE sync.import_runs r SET settings = (r.settings || jsonb_build_object('leftOut', note_left_out.columns))
   WHERE ((r.id = note_left_out.of_run) AND (r.state = 'reading'::text));
END;
grant execute on function sync.note_left_out(of_run bigint, columns jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.note_plan_answer(of_run bigint, mine text, theirs text, answered text, before text, are_one boolean)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  base text;
  changes boolean;
begin
  select a.former into base from sync.import_plan_answers a
  where a.run = of_run and a.one = least(mine, theirs) and a.other = greatest(mine, theirs);
  base := coalesce(base, before, 'later');
  changes := base <> answered and (answered = 'same' or base <> 'later' or are_one);
  insert into sync.import_plan_answers as a (run, one, other, former, changes_plan)
  values (of_run, least(mine, theirs), greatest(mine, theirs), base, changes)
  on conflict (run, one, other) do update set changes_plan = excluded.changes_plan;
  return changes;
end $function$;

CREATE OR REPLACE FUNCTION sync.note_unfollowed_answers(of_run bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  since constant timestamptz := (select r.decided_at from sync.import_runs r where r.id = of_run);
begin
  perform pg_advisory_xact_lock(hashtextextended('sync.import_decisions', 0));
  if not exists (select from sync.import_decisions d where d.decided_at > since) then return; end if;
  insert into sync.import_plan_answers (run, one, other, former, changes_plan)
  select of_run, d.one, d.other, 'later', true from sync.import_decisions d
  where d.decided_at > since and exists (
    select from sync.list_import_persons(of_run, array(select p.n from sync.import_rows p where p.run = of_run)) p
    where p.person in (d.one, d.other) or p.whole in (d.one, d.other));
end $function$;

CREATE OR REPLACE FUNCTION sync.number_in(report jsonb, path text[])
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN ((jsonb_typeof((report #> path)) = 'number'::text) AND ((((report #>> path))::numeric >= '-1000000000000000'::numeric) AND (((report #>> path))::numeric <= '1000000000000000'::numeric))) THEN (round(((report #>> path))::numeric, 9))::double precision ELSE NULL::double precision END;

CREATE OR REPLACE FUNCTION sync.operations_kept()
 RETURNS interval
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return make_interval(days => least(greatest(sync.health_limit('operations_keep_days'), 90), 36500)::integer);
end $function$;

CREATE OR REPLACE FUNCTION sync.order_of_consumer(of_consumer text, act text, scope jsonb, reason text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  known sync.consumers;
  made bigint;
begin
  perform sync.require_operator();
  perform sync.require_reason(reason);
  select c.* into known from sync.consumers c where c.name = of_consumer;
  if not found then raise exception 'there is no consumer %', of_consumer using errcode = 'no_data_found'; end if;
  if act = 'skip' and not (scope ?& '{session,event}') then
    raise exception 'a skip names the session and the event that is given up' using errcode = 'invalid_parameter_value';
  end if;
  if act <> 'resubmit' and coalesce(known.reported_at < clock_timestamp() - interval '1 minute', true) then
    raise exception 'no process of % reports, so that nobody would do it: start it first', of_consumer
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  insert into sync.consumer_orders (consumer, act, scope, reason, actor)
  values (of_consumer, act, scope, btrim(reason), platform.current_actor()) returning id into made;
  return jsonb_build_object('order', made, 'operation', sync.record_operation('consumer.' || act,
    jsonb_build_object('consumer', of_consumer) || scope, btrim(reason), jsonb_build_object('order', made)));
end $function$;
grant execute on function sync.order_of_consumer(of_consumer text, act text, scope jsonb, reason text) to console_role;
grant execute on function sync.order_of_consumer(of_consumer text, act text, scope jsonb, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.outbox_age()
 RETURNS interval
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT (clock_timestamp() - min(CASE WHEN (current_setting('track_commit_timestamp'::text))::boolean THEN COALESCE(pg_xact_commit_timestamp(o.writer), o.occurred_at) ELSE o.occurred_at END)) FROM (SELECT outbox.xmin AS writer, outbox.occurred_at FROM sync.outbox WHERE (outbox.id > (SELECT s.floor_id FROM sync.sequencer s)) ORDER BY outbox.id LIMIT 100) o);
grant execute on function sync.outbox_age() to app_role;
grant execute on function sync.outbox_age() to sync_role;

CREATE OR REPLACE FUNCTION sync.pause_subscription(of_name text, reason text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.subscriptions := sync.hold_subscription(of_name);
  outcome constant jsonb := jsonb_build_object('was_paused', held.is_paused, 'position', held.position);
begin
  perform sync.require_reason(reason);
  update sync.subscriptions s set is_paused = true, pause_reason = btrim(reason) where s.name = of_name;
  return outcome || jsonb_build_object('operation',
    sync.record_operation('subscription.pause', jsonb_build_object('subscription', of_name), btrim(reason), outcome));
end $function$;
grant execute on function sync.pause_subscription(of_name text, reason text) to console_role;
grant execute on function sync.pause_subscription(of_name text, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.plan_import(of_run bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  r sync.import_runs;
  counts jsonb;
  known bigint;
  expected bigint;
  -- By the number of the file, which is its place. A join would let the planner expect a hundredth of the lines.
  sources constant text[] := array(select f.source from sync.import_files f where f.run = of_run order by f.file);
  passes_same boolean;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'reading' then
    raise exception 'this run is planned already' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'A plan is made once. Begin another run.';
  end if;
  -- A line that has not changed brings nothing, unless its values shall replace others, or somebody asks for it to be compared again.
  passes_same := coalesce(jsonb_array_length(r.settings -> 'overwrite'), 0) = 0 and r.settings -> 'again' is distinct from 'true';
  perform set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true), set_config('jit', 'off', true),
    -- What is counted here are rows and different keys: three thousand rows say enough.
    set_config('default_statistics_target', '10', true);
  execute format('analyze staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  -- Lines that have not changed. Only what they are known by is kept: the run that imported them has the rest.
  execute format($f$
    insert into sync.import_rows_p%1$s (run, n, file, line, outcome, code, lead, customer, external_id, email, email_key, name, digest)
    select %1$s, l.n, l.file, l.line, 'unchanged', 'same-line', l.n, k.customer, l.external_id, l.email, l.email_key, l.name, l.digest
    from staging.import_lines_p%1$s l
      join sync.import_keys k on k.source = $1[l.file] and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        and k.digest = l.digest
    where l.is_known$f$, of_run) using sources;
  get diagnostics known = row_count;
  execute format('select count(*) from staging.import_lines_p%s l where l.is_known', of_run) into expected;
  if known < expected then
    -- Some of their keys were freed since they were read, by an undo.
    execute format('update staging.import_lines_p%1$s l set is_known = false where l.is_known and not exists (
      select from sync.import_rows_p%1$s p where p.n = l.n)', of_run);
  end if;
  -- Most lines are a person alone.
  execute format($f$
    insert into sync.import_rows_p%1$s (
      run, n, file, line, outcome, code, detail, lead, customer, external_id, email, email_key, name, phone, phone_key, phone_extension,
      company, company_domain, tier, owner, language, timezone, created_at, extra, digest, raw)
    select %1$s, f.n, f.file, f.line, d.outcome, d.code, case when f.kind <> 'person' then jsonb_build_object('message', f.reason) end,
      case when d.outcome in ('created', 'updated', 'unchanged') then f.n end,
      case when d.outcome in ('created', 'updated', 'unchanged') then
        case when f.is_same then f.key_customer else coalesce(f.key_customer, f.address_customer, uuidv7()) end end,
      f.external_id, f.email, f.email_key, f.name, f.phone, f.phone_key, f.phone_extension, f.company, f.company_domain, f.tier, f.owner,
      f.language, f.timezone, f.created_at, f.extra, f.digest, case when d.outcome in ('rejected', 'excluded', 'held') then f.raw end
    from (
      select l.*, $2 and coalesce(k.digest = l.digest, false) as is_same, e.customer_id as address_customer,
        case when $2 and k.digest = l.digest then k.customer
          when k.customer is not null then (select coalesce(c.merged_into, c.id) from platform.customers c where c.id = k.customer)
          end as key_customer
      from staging.import_lines_p%1$s l
        left join sync.import_keys k on k.source = $1[l.file] and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known and not exists (select from staging.import_groups_p%1$s g where g.n = l.n) offset 0) f
      cross join lateral (
        select case when f.kind <> 'person' then f.kind
            when f.is_same then 'unchanged'
            when f.key_customer <> f.address_customer then 'held'
            when f.email_key is null and f.key_customer is null then 'held'
            when coalesce(f.key_customer, f.address_customer) is not null then 'updated'
            else 'created' end as outcome,
          case when f.kind <> 'person' then f.code
            when f.is_same then 'same-line'
            when f.key_customer <> f.address_customer then 'two-customers'
            when f.email_key is null and f.key_customer is null then 'no-address' end as code
        offset 0) d$f$, of_run) using sources, passes_same;
  execute format($f$
    with found as materialized (
      select l.*,
        -- A line whose id belongs to a customer is that customer's, even if others have its address.
        g.n is not null and g.lead is null
          and (g.code = 'external-id' or l.external_id is null or not exists (
            select from platform.customers c where c.id = k.customer)) as is_held,
        g.code as held_code, g.reason as held_reason,
        coalesce(g.lead, l.n) as leading, g.lead is not null as is_grouped, g.customer as group_customer,
        -- The customer of a key may have been merged or removed since; of a line that has not changed nobody asks.
        case when $2 and k.digest = l.digest then k.customer
          when k.customer is not null then (select coalesce(c.merged_into, c.id) from platform.customers c where c.id = k.customer)
          end as key_customer,
        $2 and coalesce(k.digest = l.digest, false) as is_same, e.customer_id as address_customer
      from staging.import_lines_p%1$s l
        join staging.import_groups_p%1$s g on g.n = l.n
        left join sync.import_keys k on k.source = $1[l.file] and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known
    ), news as (
      -- A line that was imported before says whose line its person is, and nothing else.
      select f.leading, min(f.n) filter (where not f.is_same) as first,
        count(distinct coalesce(f.group_customer, f.key_customer, f.address_customer)) as customers,
        min(coalesce(f.group_customer, f.key_customer, f.address_customer)::text)::uuid as customer,
        -- A line whose id and address are of two customers holds its whole person: nothing of it may reach one of them by another line. So
        -- does a line that a person has given to one customer while another one has its address.
        coalesce(bool_or(not f.is_same and coalesce(f.key_customer, f.group_customer) <> f.address_customer), false) as is_split
      from found f where f.is_grouped group by f.leading
    ), groups as (
      select w.*, uuidv7() as new_customer, v.of, v.emails[1] as email, v.email_keys[1] as email_key, v.name, v.phones[1] as phone,
        v.phone_keys[1] as phone_key, v.phone_extensions[1] as phone_extension, v.company, v.company_domain, v.tier, v.owner, v.language,
        v.timezone, v.created_at, v.taken || coalesce(o.taken, '{}') as taken,
        case when cardinality(v.extras || o.extras) > 1 then sync.merge_import_extras(v.extras || o.extras)
          else (v.extras || o.extras)[1] end as extra
      from news w left join (
        select f.leading as of,
          array_agg(f.n order by f.n) filter (where f.email is not null) as email_lines,
          array_agg(f.email order by f.n) filter (where f.email is not null) as emails,
          array_agg(f.email_key order by f.n) filter (where f.email is not null) as email_keys,
          (array_agg(f.name order by f.n) filter (where f.name is not null))[1] as name,
          array_agg(f.n order by f.n) filter (where f.phone_key is not null) as phone_lines,
          array_agg(f.phone order by f.n) filter (where f.phone_key is not null) as phones,
          array_agg(f.phone_key order by f.n) filter (where f.phone_key is not null) as phone_keys,
          array_agg(f.phone_extension order by f.n) filter (where f.phone_key is not null) as phone_extensions,
          (array_agg(f.company order by f.n) filter (where f.has_company))[1] as company,
          (array_agg(f.company_domain order by f.n) filter (where f.has_company))[1] as company_domain,
          (array_agg(f.tier order by f.n) filter (where f.tier is not null))[1] as tier,
          (array_agg(f.owner order by f.n) filter (where f.owner is not null))[1] as owner,
          (array_agg(f.language order by f.n) filter (where f.language is not null))[1] as language,
          (array_agg(f.timezone order by f.n) filter (where f.timezone is not null))[1] as timezone,
          min(f.created_at) as created_at,
          array_agg(f.extra order by f.n) filter (where f.extra is not null) as extras,
          min(f.email_key) <> max(f.email_key) is true or min(f.phone_key) <> max(f.phone_key) is true as has_contacts,
          jsonb_strip_nulls(jsonb_build_object(
            'email', min(f.n) filter (where f.email is not null), 'name', min(f.n) filter (where f.name is not null),
            'phone', min(f.n) filter (where f.phone_key is not null), 'company', min(f.n) filter (where f.has_company),
            'tier', min(f.n) filter (where f.tier is not null), 'owner', min(f.n) filter (where f.owner is not null),
            'language', min(f.n) filter (where f.language is not null), 'timezone', min(f.n) filter (where f.timezone is not null),
            'extra', min(f.n) filter (where f.extra is not null))) as taken
        from (select x.*, coalesce(x.company, x.company_domain) is not null as has_company from found x) f
        where f.is_grouped and not f.is_same group by f.leading) v on v.of = w.leading
        -- The other addresses and numbers of the person, whichever line says them.
        left join lateral (
          select array_agg(c.extra order by c.n) as extras, jsonb_object_agg(c.label, c.n order by c.n desc) as taken
          from (
            select distinct on (e.key) e.n, 'address:' || e.key as label,
              jsonb_build_object('emails', jsonb_build_array(jsonb_build_object('address', e.address, 'key', e.key))) as extra
            from unnest(v.email_lines, v.emails, v.email_keys) e (n, address, key) where e.key <> v.email_keys[1]
            union all
            select distinct on (p.key) p.n, 'phone:' || p.key, jsonb_build_object('phones', jsonb_build_array(
              jsonb_build_object('phone', p.phone, 'key', p.key, 'extension', p.extension)))
            from unnest(v.phone_lines, v.phones, v.phone_keys, v.phone_extensions) p (n, phone, key, extension)
            where p.key <> v.phone_keys[1]) c) o on v.has_contacts
    )
    insert into sync.import_rows_p%1$s (
      run, n, file, line, outcome, code, detail, lead, customer, external_id, email, email_key, name, phone, phone_key, phone_extension,
      company, company_domain, tier, owner, language, timezone, created_at, extra, digest, raw)
    select %1$s, f.n, f.file, f.line, d.outcome, d.code,
      case when f.kind <> 'person' then jsonb_build_object('message', f.reason)
        when d.outcome = 'held' and f.is_held then jsonb_build_object('message', f.held_reason)
        when d.leads and d.outcome in ('created', 'updated') then jsonb_build_object('taken', (
          select coalesce(jsonb_object_agg(t.key, t.value), '{}') from jsonb_each(g.taken) t where t.value <> to_jsonb(f.n))) end,
      case when d.outcome in ('created', 'updated', 'unchanged') then case when f.is_same then f.n else coalesce(g.first, f.n) end end,
      case when d.outcome in ('created', 'updated', 'unchanged') then
        case when f.is_same then f.key_customer
          else coalesce(g.customer, f.key_customer, f.address_customer, g.new_customer, uuidv7()) end end,
      f.external_id,
      case when d.leads then g.email else f.email end, case when d.leads then g.email_key else f.email_key end,
      case when d.leads then g.name else f.name end, case when d.leads then g.phone else f.phone end,
      case when d.leads then g.phone_key else f.phone_key end, case when d.leads then g.phone_extension else f.phone_extension end,
      case when d.leads then g.company else f.company end, case when d.leads then g.company_domain else f.company_domain end,
      case when d.leads then g.tier else f.tier end, case when d.leads then g.owner else f.owner end,
      case when d.leads then g.language else f.language end, case when d.leads then g.timezone else f.timezone end,
      case when d.leads then g.created_at else f.created_at end, case when d.leads then g.extra else f.extra end,
      f.digest, case when d.outcome in ('rejected', 'excluded', 'held') then f.raw end
    from found f left join groups g on g.leading = f.leading and f.is_grouped
      cross join lateral (
        select o.*, o.outcome <> 'held' and f.n = g.first is true as leads
        from (select
          case when f.kind <> 'person' then f.kind
            when f.is_same then 'unchanged'
            when f.is_held or g.customers > 1 or g.is_split or f.key_customer <> f.address_customer then 'held'
            when coalesce(g.email_key, f.email_key) is null and coalesce(g.customer, f.key_customer) is null then 'held'
            when f.n <> g.first then case when exists (
              select from jsonb_each(g.taken) t where t.value = to_jsonb(f.n)) then 'updated' else 'unchanged' end
            when coalesce(g.customer, f.key_customer, f.address_customer) is not null then 'updated'
            else 'created' end as outcome,
          case when f.kind <> 'person' then f.code
            when f.is_same then 'same-line'
            when f.is_held then f.held_code
            when g.customers > 1 or g.is_split or f.key_customer <> f.address_customer then 'two-customers'
            when coalesce(g.email_key, f.email_key) is null and coalesce(g.customer, f.key_customer) is null then 'no-address'
            when f.n <> g.first then 'same-person' end as code
        offset 0) o) d$f$, of_run) using sources, passes_same;
  execute format('analyze sync.import_rows_p%1$s', of_run);
  perform sync.leave_out_erased(of_run);
  perform sync.find_import_targets(of_run);
  perform sync.compare_planned(of_run);
  select coalesce(jsonb_object_agg(c.outcome, c.lines), '{}') into counts
  from (select p.outcome, count(*) as lines from sync.import_rows p where p.run = of_run group by p.outcome) c;
  update sync.import_files f set lines = c.lines
  from (select p.file, count(*) as lines from sync.import_rows p where p.run = of_run group by p.file) c
  where f.run = of_run and f.file = c.file;
  update sync.import_runs x
  set state = 'planned', used_at = clock_timestamp(), planned = counts,
      lines = coalesce((select sum(v.value::integer) from jsonb_each_text(counts) v), 0)
  where x.id = of_run;
  perform sync.note_unfollowed_answers(of_run);
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = counts
  where s.id = (select max(l.id) from sync.import_steps l where l.run = of_run);
  return counts;
end $function$;
grant execute on function sync.plan_import(of_run bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.position_at(moment timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  low bigint := (select e.position from sync.events e order by e.position limit 1);
  high bigint := sync.head() + 1;
  middle bigint;
begin
  if low is null then return high; end if;
  while low < high loop
    middle := (low + high) / 2;
    if coalesce((select e.sequenced_at from sync.events e where e.position = middle) < moment, true) then low := middle + 1;
    else high := middle;
    end if;
  end loop;
  return low;
end $function$;
grant execute on function sync.position_at(moment timestamp with time zone) to console_role;
grant execute on function sync.position_at(moment timestamp with time zone) to sync_role;

CREATE OR REPLACE FUNCTION sync.position_for(s sync.subscriptions, key text, customer uuid)
 RETURNS bigint
 LANGUAGE sql
 STABLE
RETURN CASE WHEN ((s).layout = 1) THEN (s)."position" ELSE (SELECT h."position" FROM sync.shares h WHERE ((h.subscription = (position_for.s).name) AND (h.share = sync.share_of(position_for.key, position_for.customer, (position_for.s).layout_by, (position_for.s).layout)))) END;
grant execute on function sync.position_for(s sync.subscriptions, key text, customer uuid) to console_role;
grant execute on function sync.position_for(s sync.subscriptions, key text, customer uuid) to sync_role;

CREATE OR REPLACE FUNCTION sync.preview_import_undo(of_run bigint, from_n integer, to_n integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  places integer[];
  removed integer := 0;
  restored integer := 0;
  found_kept jsonb;
begin
  begin
    perform from sync.import_runs r where r.id = of_run for update;
    perform set_config('aether.trace', 'import:' || of_run || ':preview', true);
    places := array(select p.n from sync.import_rows p
      where p.run = of_run and p.n between from_n and to_n and p.outcome = 'created' and p.lead = p.n
        and exists (select from platform.customers c where c.id = p.customer));
    if cardinality(places) > 0 then
      select x.removed into removed from sync.remove_import_customers(of_run, places) x;
    end if;
    places := array(select p.n from sync.import_rows p
      where p.run = of_run and p.n between from_n and to_n and p.outcome = 'updated' and p.lead = p.n);
    if cardinality(places) > 0 then
      select x.restored into restored from sync.restore_import_writes(of_run, places) x;
    end if;
    select jsonb_agg(jsonb_build_object('n', k.n, 'customer', k.customer, 'field', k.field, 'written', k.written, 'present', k.present)
      order by k.n, k.field)
    into found_kept from sync.import_kept k where k.run = of_run and k.n between from_n and to_n;
    raise exception using errcode = 'AEP01';
  exception when sqlstate 'AEP01' then null;
  end;
  return jsonb_build_object('removed', removed, 'restored', restored, 'kept', coalesce(found_kept, '[]'));
end $function$;
grant execute on function sync.preview_import_undo(of_run bigint, from_n integer, to_n integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.publish(event_type text, event_key text, payload jsonb, event_audience text DEFAULT 'platform'::text, event_customer uuid DEFAULT NULL::uuid)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  writer constant text := platform.current_app();
  own constant text := platform.audience_of(writer);
  shown_to constant text := case event_audience when 'own' then own else event_audience end;
  event_id bigint;
begin
  -- This comes before an id is drawn: the sequencer relies on every transaction that has drawn one having a transaction id (see
  -- sync/worker/floor.ts).
  perform pg_current_xact_id();
  if own is null or event_type is null or event_type !~ ('^' || writer || '\.[a-z][a-z0-9_.]{0,79}$') then
    raise exception 'an app publishes events that begin with its own name' using errcode = 'insufficient_privilege';
  end if;
  if shown_to is null or shown_to not in ('platform', own) then
    raise exception 'an app publishes to everybody or to itself' using errcode = 'insufficient_privilege';
  end if;
  -- The limit is twice what an app may send: jsonb writes blanks that the app did not send.
  if jsonb_typeof(payload) is distinct from 'object' or octet_length(payload::text) > 131072
     or coalesce(octet_length(event_key), 0) not between 1 and 255 then
    raise exception 'an event has a key and a JSON object of at most 64 KB' using errcode = 'check_violation';
  end if;
  if event_customer is not null and not exists (select from platform.customers c where c.id = event_customer) then
    raise exception 'there is no customer %', event_customer using errcode = 'foreign_key_violation', column = 'customer';
  end if;
  insert into sync.outbox (type, key, customer, row_id, audience, app, login, actor, data, trace)
  values (event_type, event_key, event_customer, event_key, shown_to, writer, session_user, platform.current_actor(), payload,
          nullif(left(current_setting('aether.trace', true), 255), ''))
  returning id into event_id;
  perform sync.ring();
  return event_id;
end $function$;
grant execute on function sync.publish(event_type text, event_key text, payload jsonb, event_audience text, event_customer uuid) to app_role;

CREATE OR REPLACE FUNCTION sync.quality_step(rows_max integer DEFAULT 2000, OUT scan text, OUT looked integer, OUT is_asked boolean, OUT fault text)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  step_ms constant double precision := 50;
  began constant timestamptz := clock_timestamp();
  s sync.quality_scans;
  ids text[];
  took_ms double precision;
  this_hour constant timestamptz := date_trunc('hour', now());
begin
  looked := 0;
  is_asked := false;
  if not pg_try_advisory_xact_lock(sync.findings_lock()) then
    is_asked := exists (select from sync.quality_scans q where q.asked_at is not null);
    return;
  end if;
  select q.* into s from sync.quality_scans q
  where q.asked_at is not null or q.place is not null or q.last_ended_at is null or q.last_ended_at < now() - interval '5 minutes'
  order by q.asked_at nulls last, q.stepped_at nulls first, q.name
  limit 1 for update skip locked;
  if not found then return; end if;
  scan := s.name;
  rows_max := least(greatest(rows_max, 1), s.step_rows);
  begin
    ids := sync.look_at_next(s, rows_max);
  exception when query_canceled or others then
    fault := sqlstate;
    update sync.quality_scans q
    set stepped_at = clock_timestamp(), step_rows = greatest(s.step_rows / 4, 20), faults = least(q.faults + 1, 1000000)
    where q.name = s.name returning q.asked_at is not null into is_asked;
    return;
  end;
  looked := cardinality(ids);
  took_ms := greatest(extract(epoch from clock_timestamp() - began) * 1000, 1);
  if looked = rows_max then
    update sync.quality_scans q
    set place = ids[looked], rows_seen = case when q.place is null then 0 else q.rows_seen end + looked, stepped_at = clock_timestamp(),
      round_began_at = case when q.place is null then now() else q.round_began_at end, faults = 0,
      step_rows = least(greatest(round(looked * step_ms / took_ms), 20), 2 * s.step_rows, 2000)
    where q.name = s.name returning q.asked_at is not null into is_asked;
  else
    update sync.quality_scans q
    set place = null, rows_seen = case when q.place is null then 0 else q.rows_seen end + looked, stepped_at = clock_timestamp(),
      rounds = q.rounds + 1, rows_of_round = case when q.place is null then 0 else q.rows_seen end + looked, faults = 0,
      last_began_at = case when q.place is null then now() else q.round_began_at end, last_ended_at = clock_timestamp(),
      asked_at = null, asked_by = null
    where q.name = s.name;
    is_asked := exists (select from sync.quality_scans q where q.asked_at is not null);
  end if;
  insert into sync.quality_history as h (finding, hour, stored)
  select n.finding, this_hour, n.stored from sync.quality_numbers n
  where n.scan = s.name
    and not exists (select from sync.quality_history k where k.finding = n.finding and k.hour = this_hour and k.stored = n.stored)
  on conflict (finding, hour) do update set stored = excluded.stored;
  if looked < rows_max then
    delete from sync.quality_history h
    where h.hour < now() - interval '2 years'
      or h.hour < now() - interval '32 days' and extract(hour from h.hour at time zone 'UTC') <> 0;
  end if;
end $function$;
grant execute on function sync.quality_step(rows_max integer, OUT scan text, OUT looked integer, OUT is_asked boolean, OUT fault text) to sync_role;

CREATE OR REPLACE FUNCTION sync.queue_import_pairs(of_run bigint, queued_from integer, upto integer, by_rules text, pairs jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  done sync.queued_imports;
begin
  insert into sync.queued_imports (run) values (of_run) on conflict do nothing;
  select * into done from sync.queued_imports q where q.run = of_run for update;
  if done.queued_to <> queued_from or done.ended_at is not null or upto = queued_from then return false; end if;
  begin
    update sync.queued_imports q
    set queued_to = coalesce(upto, q.queued_to), ended_at = case when upto is null then now() end, faults = 0, fault = null, due_at = null,
      pairs = q.pairs + platform.propose_candidates(queue_import_pairs.pairs, 'import', by_rules, of_run)
    where q.run = of_run;
    return true;
  exception when others then
    perform sync.fail_import_pairs(of_run, sqlerrm);
    return false;
  end;
end $function$;
grant execute on function sync.queue_import_pairs(of_run bigint, queued_from integer, upto integer, by_rules text, pairs jsonb) to sync_role;

CREATE OR REPLACE FUNCTION sync.read_custom_value(field crm.custom_fields, said text)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE (field).type WHEN 'text'::text THEN CASE WHEN ((char_length(said) >= 1) AND (char_length(said) <= 2000)) THEN to_jsonb(said) ELSE NULL::jsonb END WHEN 'number'::text THEN CASE WHEN (said ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$'::text) THEN to_jsonb((said)::numeric) ELSE NULL::jsonb END WHEN 'checkbox'::text THEN CASE WHEN (lower(said) = ANY (ARRAY['true'::text, 'yes'::text, 'y'::text, '1'::text, 'x'::text, 'ja'::text, 'oui'::text])) THEN 'true'::jsonb WHEN (lower(said) = ANY (ARRAY['false'::text, 'no'::text, 'n'::text, '0'::text, 'nein'::text, 'non'::text])) THEN 'false'::jsonb ELSE NULL::jsonb END WHEN 'choice'::text THEN (SELECT to_jsonb(c.c) AS to_jsonb FROM unnest((read_custom_value.field).choices) c(c) WHERE (lower(c.c) = lower(read_custom_value.said)) LIMIT 1) WHEN 'date'::text THEN CASE WHEN ((said ~ '^\d{4}-\d{2}-\d{2}$'::text) AND pg_input_is_valid(said, 'date'::text)) THEN to_jsonb(said) ELSE NULL::jsonb END ELSE NULL::jsonb END;

CREATE OR REPLACE FUNCTION sync.read_match_model(known bigint, OUT version bigint, OUT customers bigint, OUT model jsonb, OUT words bytea)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT m.version,
     sync.about_customers() AS about_customers,
         CASE
             WHEN (m.version IS DISTINCT FROM read_match_model.known) THEN m.model
             ELSE NULL::jsonb
         END AS "case",
         CASE
             WHEN (m.version IS DISTINCT FROM read_match_model.known) THEN m.words
             ELSE NULL::bytea
         END AS "case"
    FROM sync.match_model m;
END;
grant execute on function sync.read_match_model(known bigint, OUT version bigint, OUT customers bigint, OUT model jsonb, OUT words bytea) to app_role;
grant execute on function sync.read_match_model(known bigint, OUT version bigint, OUT customers bigint, OUT model jsonb, OUT words bytea) to console_role;
grant execute on function sync.read_match_model(known bigint, OUT version bigint, OUT customers bigint, OUT model jsonb, OUT words bytea) to sync_role;

CREATE OR REPLACE FUNCTION sync.recheck_findings(ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare looked record;
begin
  perform sync.require_operator();
  perform pg_advisory_xact_lock(sync.findings_lock());
  if cardinality(ids) > 100 then
    raise exception 'at most 100 findings at a time' using errcode = 'invalid_parameter_value';
  end if;
  for looked in
    select q.subject, array_agg(distinct q.subject_id) as subjects
    from sync.quality_findings q where q.id = any (ids) group by q.subject order by q.subject
  loop
    perform sync.check_subjects(looked.subject, looked.subjects);
  end loop;
end $function$;
grant execute on function sync.recheck_findings(ids bigint[]) to console_role;
grant execute on function sync.recheck_findings(ids bigint[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.record_attempts(of_subscription text, by_process text, positions bigint[], attempts integer[], durations_ms integer[], causes text[], classes text[], shapes text[], errors text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  this_hour constant timestamptz := date_trunc('hour', clock_timestamp());
begin
  if not exists (select from sync.subscriptions s where s.name = of_subscription and s.app = platform.current_app()) then return; end if;
  insert into sync.attempts (subscription, position, attempt, duration_ms, process, cause, error)
  select of_subscription, a.position, a.attempt, a.duration_ms, by_process, a.cause, a.error
  from unnest(positions, attempts, durations_ms, causes, errors) with ordinality as a (position, attempt, duration_ms, cause, error, n)
  order by a.n;
  insert into sync.causes as c
    (subscription, cause, error_class, shape, failures, first_at, last_at, hour, by_hour, sample_position)
  select of_subscription, a.cause, min(a.class), min(a.shape), count(*), clock_timestamp(), clock_timestamp(), this_hour,
    array[count(*)::integer], max(a.position)
  from unnest(positions, causes, classes, shapes) as a (position, cause, class, shape)
  where a.cause is not null group by a.cause order by a.cause
  on conflict (subscription, cause) do update set
    failures = c.failures + excluded.failures, last_at = excluded.last_at, hour = this_hour,
    by_hour = case
      when c.hour >= this_hour then (c.by_hour[1] + excluded.by_hour[1]) || c.by_hour[2:24]
      else (excluded.by_hour
        || array_fill(0, array[least(extract(epoch from this_hour - c.hour)::bigint / 3600 - 1, 23)::integer]) || c.by_hour)[1:24]
      end,
    sample_position = excluded.sample_position;
end $function$;
grant execute on function sync.record_attempts(of_subscription text, by_process text, positions bigint[], attempts integer[], durations_ms integer[], causes text[], classes text[], shapes text[], errors text[]) to app_role;
grant execute on function sync.record_attempts(of_subscription text, by_process text, positions bigint[], attempts integer[], durations_ms integer[], causes text[], classes text[], shapes text[], errors text[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.record_operation(kind text, scope jsonb, reason text, outcome jsonb)
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO sync.operations (kind, scope, reason, outcome, actor, app, login, trace)
   VALUES (record_operation.kind, record_operation.scope, record_operation.reason, record_operation.outcome, platform.current_actor(), platform.current_app(), SESSION_USER, NULLIF("left"(current_setting('aether.trace'::text, true), 255), ''::text))
   RETURNING operations.id;
END;

CREATE OR REPLACE FUNCTION sync.redrive_events(of_subscription text, positions bigint[] DEFAULT NULL::bigint[], reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  chosen bigint[] := positions;
  driven bigint[];
  outcome jsonb;
begin
  if cardinality(positions) > 1000 then
    raise exception 'more than a thousand events are redriven as a set' using errcode = 'program_limit_exceeded';
  end if;
  perform sync.hold_subscription(of_subscription);
  if reason is not null then perform sync.require_reason(reason); end if;
  if positions is null then
    chosen := array(select p.position from sync.parked p
      where p.subscription = of_subscription and p.state = 'dead' order by p.position limit 1000);
  end if;
  driven := sync.drive_parked(of_subscription, chosen);
  outcome := jsonb_build_object('redriven', cardinality(driven), 'asked', cardinality(chosen));
  return outcome || jsonb_build_object('positions', driven, 'operation', sync.record_operation('event.redrive',
    jsonb_build_object('subscription', of_subscription, 'positions', chosen[1:100]), btrim(reason), outcome));
end $function$;
grant execute on function sync.redrive_events(of_subscription text, positions bigint[], reason text) to console_role;
grant execute on function sync.redrive_events(of_subscription text, positions bigint[], reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.refuse_import_upload(of_job bigint)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE sync.import_uploads u SET state = 'refused'::text, refusal = j.error
    FROM sync.import_jobs j
   WHERE ((j.id = refuse_import_upload.of_job) AND (j.kind = 'recognise'::text) AND (j.state = 'failed'::text) AND (u.id = j.upload) AND (u.state = 'stored'::text));
END;

CREATE OR REPLACE FUNCTION sync.release_lease(of_term bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from sync.sequencer s where s.term = of_term) then return; end if;
  perform setval('sync.lease_ends_ms', 0);
  perform pg_notify('sync_lease', '');
end $function$;
grant execute on function sync.release_lease(of_term bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.remove_import_customers(of_run bigint, places integer[], OUT removed integer, OUT kept integer)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  ids uuid[];
  gone uuid[];
begin
  select array_agg(p.customer) into ids from sync.import_rows p where p.run = of_run and p.n = any (places);
  perform from platform.customers c where c.id = any (ids) order by c.id for update;
  delete from sync.import_kept k where k.run = of_run and k.n = any (places);
  -- One statement reads all: what commits after it cannot have touched these customers, because they are locked.
  with mine as materialized (
    select p.*, c.id, c.merged_into, c.erased_at, c.email as now_email, c.name as now_name, c.phone as now_phone, c.company_id,
      c.account_tier, c.account_manager_id, c.preferred_language, c.timezone as now_timezone,
      coalesce(co.target, alias.target) as company_target, t.target as tier_target, w.target as owner_target
    from sync.import_rows p join platform.customers c on c.id = p.customer
      left join sync.import_targets co on co.run = of_run and co.kind = 'company'
        and co.key = sync.import_company_key(p.company, p.company_domain)
      left join sync.import_targets alias on alias.run = of_run and alias.kind = 'company' and alias.key = co.same_as
      left join sync.import_targets t on t.run = of_run and t.kind = 'tier' and t.key = p.tier
      left join sync.import_targets w on w.run = of_run and w.kind = 'owner' and w.key = p.owner
    where p.run = of_run and p.n = any (places)
  ), touched as (
    select m.n, m.id, v.field, to_jsonb(v.written) as written, to_jsonb(v.present) as present
    from mine m cross join lateral (values
      ('email', m.email, m.now_email), ('name', coalesce(m.name, split_part(m.email, '@', 1)), m.now_name), ('phone', m.phone, m.now_phone),
      ('company', m.company_target, m.company_id::text), ('tier', m.tier_target, m.account_tier),
      ('owner', m.owner_target, m.account_manager_id), ('language', m.language, m.preferred_language),
      ('timezone', m.timezone, m.now_timezone), ('merged', null, m.merged_into::text),
      ('erased', null, m.erased_at::text)) v (field, written, present)
    where v.written is distinct from v.present
    union all
    select m.n, m.id, 'address:' || e.email_key, null, jsonb_build_object('address', e.email, 'verified_at', e.verified_at)
    from mine m join platform.customer_emails e on e.customer_id = m.id
    where e.verified_at is not null or e.email_key <> m.email_key and not exists (
      select from sync.import_writes w where w.run = of_run and w.n = m.n and w.field = 'address:' || e.email_key)
    union all
    select m.n, m.id, 'phone:' || h.phone_key, null, to_jsonb(h.phone)
    from mine m join platform.customer_phones h on h.customer_id = m.id
    where not h.is_primary and not exists (
      select from sync.import_writes w
      where w.run = of_run and w.n = m.n and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, ''))
    union all
    select m.n, m.id, 'custom.' || v.field_key, w.after, v.value
    from mine m join crm.custom_field_values v on v.customer_id = m.id
      left join sync.import_writes w on w.run = of_run and w.n = m.n and w.field = 'custom.' || v.field_key
    where v.value is distinct from w.after
    union all
    select m.n, m.id, 'crm.activities', null, to_jsonb(count(*))
    from mine m join crm.activities a on a.customer_id = m.id
    where not exists (
      select from sync.import_writes w join sync.import_files f on f.run = m.run and f.file = m.file
      where w.run = of_run and w.n = m.n and starts_with(w.field, 'note:') and w.after = to_jsonb(a.description)
        and a.created_by_app = 'foundation'
        and a.idempotency_key = 'import:' || f.source || ':' || w.customer || ':' || substr(w.field, 6))
    group by m.n, m.id
    union all
    select m.n, m.id, 'platform.review_candidates', null, to_jsonb(count(*))
    from mine m join platform.review_candidates q on m.id in (q.customer_id, q.other_id)
    where q.state <> 'open' and q.reason <> 'unmerged' and not q.evidence ? 'answered_in' or q.reason = 'verified_claim' group by m.n, m.id
    union all
    select m.n, m.id, x.part, null, to_jsonb(x.rows)
    from sync.list_references('platform.customers', ids, '{platform.customer_emails,platform.customer_phones,
        platform.customer_external_ids,crm.custom_field_values,crm.activities,crm.changes,platform.review_candidates}') x
      join mine m on m.id = x.id
  )
  insert into sync.import_kept (run, n, customer, field, written, present)
  select of_run, t.n, t.id, t.field, t.written, t.present from touched t on conflict (run, n, field) do nothing;

  select array_agg(p.customer) into gone from sync.import_rows p
  where p.run = of_run and p.n = any (places) and not exists (select from sync.import_kept k where k.run = of_run and k.n = p.n);
  select count(distinct k.n) into kept from sync.import_kept k where k.run = of_run and k.n = any (places);
  removed := sync.delete_import_customers(gone);
end $function$;

CREATE OR REPLACE FUNCTION sync.remove_import_upload(of_upload bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  u sync.import_uploads;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for update;
  if not found then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if exists (select from sync.import_jobs j where j.state in ('waiting', 'working') and (j.upload = of_upload
      or j.settings -> 'files' @> jsonb_build_array(jsonb_build_object('upload', of_upload)))) then
    raise exception 'the worker reads file % at this moment', of_upload using errcode = 'object_not_in_prerequisite_state';
  end if;
  if u.state = 'removed' then return; end if;
  delete from sync.import_chunks c where c.upload = of_upload;
  update sync.import_uploads x set state = 'removed', recognition = null where x.id = of_upload;
  perform sync.record_operation('import.remove', jsonb_build_object('file', of_upload), null, jsonb_build_object('bytes', u.size));
end $function$;
grant execute on function sync.remove_import_upload(of_upload bigint) to console_role;

CREATE OR REPLACE FUNCTION sync.remove_subscription(of_name text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform sync.lock_subscription(s.name) from sync.subscriptions s where s.name = of_name and s.app = platform.current_app();
  delete from sync.subscriptions s where s.name = of_name and s.app = platform.current_app();
  return found;
end $function$;
grant execute on function sync.remove_subscription(of_name text) to app_role;
grant execute on function sync.remove_subscription(of_name text) to sync_role;

CREATE OR REPLACE FUNCTION sync.renew_lease(of_term bigint, for_ms integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from sync.sequencer s where s.term = of_term) then return false; end if;
  perform sync.extend_lease(for_ms);
  return true;
end $function$;
grant execute on function sync.renew_lease(of_term bigint, for_ms integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.repair_batch(ids bigint[], within interval)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  began constant timestamptz := clock_timestamp();
  f sync.quality_findings;
  outcome text;
  because text;
  outcomes jsonb := '[]';
begin
  perform pg_advisory_xact_lock(sync.findings_lock());
  for i in 1 .. cardinality(ids) loop
    exit when i > 1 and clock_timestamp() - began > within;
    select q.* into f from sync.quality_findings q where q.id = ids[i];
    outcome := 'gone';
    because := null;
    if found then
      begin
        select r.outcome, r.because into outcome, because from sync.repair_finding(f) r;
      exception when others then
        -- One row that nobody foresaw must not stop the run for ever. The text could name a person, its code cannot.
        outcome := 'refused';
        because := 'error ' || sqlstate;
      end;
    end if;
    outcomes := outcomes || jsonb_strip_nulls(jsonb_build_object('id', ids[i], 'outcome', outcome, 'because', because));
  end loop;
  return outcomes;
end $function$;

CREATE OR REPLACE FUNCTION sync.repair_finding(f sync.quality_findings, OUT outcome text, OUT because text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform sync.check_subjects(f.subject, array[f.subject_id]);
  if not exists (select from sync.quality_findings q where q.id = f.id) then
    outcome := 'gone';
    return;
  end if;
  perform sync.mend(f);
  perform sync.check_subjects(f.subject, array[f.subject_id]);
  outcome := case when exists (select from sync.quality_findings q where q.id = f.id) then 'refused' else 'mended' end;
  if outcome = 'refused' then because := 'it is still found'; end if;
exception
  when integrity_constraint_violation or restrict_violation or lock_not_available then
    -- The message names the rule; the values are in the detail.
    get stacked diagnostics because = message_text;
    outcome := 'refused';
end $function$;

CREATE OR REPLACE FUNCTION sync.repair_findings(ids bigint[], reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  outcomes jsonb;
  in_order bigint[];
  kinds text[];
begin
  perform sync.require_operator();
  if coalesce(cardinality(ids), 0) not between 1 and 100 then
    raise exception 'one repair has 1 to 100 findings: more are a frozen set' using errcode = 'invalid_parameter_value';
  end if;
  -- In the order of the customers, so that two repairs that meet do not wait for each other in a circle.
  select array_agg(i.id order by q.customer_id, i.id), array_agg(distinct q.finding) filter (where q.id is not null)
  into in_order, kinds from unnest(ids) i (id) left join sync.quality_findings q on q.id = i.id;
  outcomes := sync.repair_batch(in_order, interval '20 s');
  perform sync.record_operation('quality.repair',
    jsonb_build_object('findings', to_jsonb(coalesce(kinds, '{}')), 'ids', to_jsonb(ids)), repair_findings.reason,
    (select jsonb_object_agg(o.outcome, o.times) from (
      select o ->> 'outcome' as outcome, count(*) as times from jsonb_array_elements(outcomes) o group by 1) o));
  return outcomes;
end $function$;
grant execute on function sync.repair_findings(ids bigint[], reason text) to console_role;
grant execute on function sync.repair_findings(ids bigint[], reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.replay_events(of_subscription text, from_position bigint DEFAULT 0, of_key text DEFAULT NULL::text, of_customer uuid DEFAULT NULL::uuid, of_types text[] DEFAULT NULL::text[], reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.subscriptions := sync.hold_subscription(of_subscription);
  events_max constant integer := 10000;
  chosen bigint[];
  keys text[];
  customers uuid[];
  replayed bigint;
  outcome jsonb;
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  if not held.is_paused then
    raise exception 'pause % first', of_subscription using errcode = 'object_not_in_prerequisite_state';
  end if;
  if of_customer is not null then
    chosen := array(select l from sync.list_events_of_customer(of_customer) l where l between from_position and sync.farthest_of(held));
  elsif of_key is not null then
    chosen := array(select e.position from sync.events e where e.key = of_key and e.position between from_position and sync.farthest_of(held));
  else
    chosen := array(select e.position from sync.events e
      where e.position between from_position and sync.farthest_of(held) and e.type = any (of_types) order by e.position limit events_max + 1);
  end if;
  chosen := array(
    select e.position from unnest(chosen) c (position) join sync.events e on e.position = c.position
    where e.position <= sync.position_for(held, e.key, e.customer) and sync.may_read(held.app, e.audience) and (held.types is null or e.type = any (held.types))
      and (of_key is null or e.key = of_key) and (of_types is null or e.type = any (of_types)) order by e.position limit events_max + 1);
  if cardinality(chosen) > events_max then
    raise exception 'more than % events: rewind the subscription instead', events_max using errcode = 'program_limit_exceeded';
  end if;
  with parked as (
    insert into sync.parked (subscription, position, key, customer, state, is_replay)
    select of_subscription, e.position, e.key, e.customer, 'waiting', true
    from unnest(chosen) c (position) join sync.events e on e.position = c.position
    on conflict do nothing returning key, customer)
  select count(*), array_agg(distinct p.key), array_agg(distinct p.customer) filter (where p.customer is not null)
  into replayed, keys, customers from parked p;
  if replayed > 0 then perform sync.start_first(of_subscription, keys, customers); end if;
  perform pg_notify('sync_events', '');
  outcome := jsonb_build_object('events', replayed, 'parked_already', cardinality(chosen) - replayed);
  return outcome || jsonb_build_object('operation', sync.record_operation('subscription.replay', jsonb_strip_nulls(jsonb_build_object(
    'subscription', of_subscription, 'from', from_position, 'key', of_key, 'customer', of_customer, 'types', of_types)),
    btrim(reason), outcome));
end $function$;
grant execute on function sync.replay_events(of_subscription text, from_position bigint, of_key text, of_customer uuid, of_types text[], reason text) to console_role;
grant execute on function sync.replay_events(of_subscription text, from_position bigint, of_key text, of_customer uuid, of_types text[], reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.require_operator()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if platform.current_app() = 'sync' then return; end if;
  if platform.current_app() = 'console'
     and exists (select from platform.users u where u.id = platform.current_actor() and u.role = 'admin') then return; end if;
  raise exception 'only administrators of the console and the command do this' using errcode = 'insufficient_privilege';
end $function$;

CREATE OR REPLACE FUNCTION sync.require_reason(reason text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if coalesce(char_length(btrim(reason)), 0) = 0 or char_length(reason) > 500 then
    raise exception 'a reason has 1 to 500 characters' using errcode = 'invalid_parameter_value';
  end if;
end $function$;

CREATE OR REPLACE FUNCTION sync.restore_import_writes(of_run bigint, places integer[], OUT restored integer, OUT kept integer)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'auto'
AS $function$
declare
  ids uuid[];
  changes jsonb[];
  refusals jsonb;
  w record;
  present jsonb;
begin
  restored := 0;
  perform from platform.customers c
  where c.id in (
    select coalesce(k.merged_into, k.id) from platform.customers k
    where k.id in (select x.customer from sync.import_writes x where x.run = of_run and x.n = any (places)))
  order by c.id for no key update;
  delete from sync.import_kept k where k.run = of_run and k.n = any (places);
  for w in
    select x.*, c.id as held, c.erased_at, k.merged_into is not null as is_merged, v.present,
      -- Another run may have written the same note: each is known by its source.
      'import:' || f.source || ':' || x.customer || ':' || substr(x.field, 6) as note_key
    from sync.import_writes x
      join sync.list_line_sources(of_run, places) f on f.n = x.n
      left join platform.customers k on k.id = x.customer
      left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
      cross join lateral (select case x.field
          when 'email' then to_jsonb(c.email) when 'name' then to_jsonb(c.name)
          when 'phone' then case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
            'phone_extension', c.phone_extension) end
          when 'company' then to_jsonb(c.company_id) when 'tier' then to_jsonb(c.account_tier)
          when 'owner' then to_jsonb(c.account_manager_id) when 'language' then to_jsonb(c.preferred_language)
          when 'timezone' then to_jsonb(c.timezone) end) v (present)
    where x.run = of_run and x.n = any (places) and not x.is_undone order by x.customer, x.field
  loop
    update sync.import_writes x set is_undone = true where x.run = of_run and x.n = w.n and x.field = w.field;
    if w.held is null then continue; end if; -- it was removed with the run that had created it
    present := w.present;
    if starts_with(w.field, 'custom.') then
      select v.value into present from crm.custom_field_values v where v.customer_id = w.held and v.field_key = substr(w.field, 8);
    elsif starts_with(w.field, 'address:') then
      select w.after into present from platform.customer_emails e
      where e.email_key = substr(w.field, 9) and e.customer_id = w.held and not e.is_primary and e.verified_at is null;
    elsif starts_with(w.field, 'phone:') then
      select w.after into present from platform.customer_phones h
      where h.customer_id = w.held and not h.is_primary and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, '');
    elsif starts_with(w.field, 'note:') then
      select to_jsonb(a.description) into present from crm.activities a
      where a.customer_id = w.held and a.created_by_app = 'foundation' and a.idempotency_key = w.note_key;
    end if;
    -- What was written to a customer that is merged now, an unmerge gives back to it: then this run can take it back.
    if present is distinct from w.after or w.erased_at is not null or w.is_merged then
      update sync.import_writes x set is_undone = false where x.run = of_run and x.n = w.n and x.field = w.field;
      update sync.import_writes l set before = w.before
      from sync.import_runs r
      where l.customer = w.customer and l.field = w.field and l.run > of_run and l.before = w.after and r.id = l.run
        and r.state in ('applying', 'applied');
      insert into sync.import_kept (run, n, customer, field, written, present)
      values (of_run, w.n, w.held, w.field, w.after, present) on conflict do nothing;
      continue;
    end if;
    restored := restored + 1;
    if starts_with(w.field, 'custom.') then
      if w.before is null then
        delete from crm.custom_field_values v where v.customer_id = w.held and v.field_key = substr(w.field, 8);
      else
        update crm.custom_field_values v set value = w.before where v.customer_id = w.held and v.field_key = substr(w.field, 8);
      end if;
    elsif starts_with(w.field, 'address:') then
      delete from platform.customer_emails e where e.email_key = substr(w.field, 9) and e.customer_id = w.held;
      perform platform.count_change(w.held);
    elsif starts_with(w.field, 'phone:') then
      delete from platform.customer_phones h
      where h.customer_id = w.held and not h.is_primary and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, '');
      perform platform.count_change(w.held);
    elsif starts_with(w.field, 'note:') then
      delete from crm.activities a
      where a.customer_id = w.held and a.created_by_app = 'foundation' and a.idempotency_key = w.note_key;
    else
      ids := ids || w.held;
      changes := changes || sync.import_change(w.field, coalesce(w.before, 'null'),
        (select e.email_key from platform.customer_emails e where e.customer_id = w.held and to_jsonb(e.email) = w.before limit 1));
    end if;
  end loop;
  if ids is not null then
    select array_agg(m.id order by m.id), array_agg(m.change order by m.id) into ids, changes
    from (select u.id, jsonb_object_agg(f.key, f.value) as change from unnest(ids, changes) u (id, change) cross join jsonb_each(u.change) f
          group by u.id) m;
    select u.refusals into refusals from platform.update_customers(ids, array_fill(null::bigint, array[cardinality(ids)]), changes) u;
    for w in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
      restored := restored - 1;
      insert into sync.import_kept (run, n, customer, field, written, present)
      select of_run, l.n, ids[w.place], 'refused', changes[w.place], w.said from sync.import_writes l
      where l.run = of_run and l.n = any (places) and l.customer = ids[w.place] limit 1 on conflict do nothing;
    end loop;
  end if;
  -- An address that the run made the primary one was the customer's second one for a moment; it goes with the run.
  delete from platform.customer_emails e using sync.import_writes x
  where x.run = of_run and x.n = any (places) and x.field = 'email' and e.customer_id = x.customer and not e.is_primary
    and e.verified_at is null and to_jsonb(e.email) = x.after
    and not exists (select from sync.import_kept k where k.run = of_run and k.n = x.n and k.field = 'email');
  select count(*) into kept from sync.import_kept k where k.run = of_run and k.n = any (places);
end $function$;

CREATE OR REPLACE FUNCTION sync.resume_subscription(of_name text, reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.subscriptions := sync.hold_subscription(of_name);
  outcome constant jsonb := jsonb_build_object(
    'was_paused', held.is_paused, 'pause_reason', held.pause_reason, 'position', held.position);
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  update sync.subscriptions s set is_paused = false, pause_reason = null where s.name = of_name;
  perform pg_notify('sync_events', '');
  return outcome || jsonb_build_object('operation',
    sync.record_operation('subscription.resume', jsonb_build_object('subscription', of_name), btrim(reason), outcome));
end $function$;
grant execute on function sync.resume_subscription(of_name text, reason text) to console_role;
grant execute on function sync.resume_subscription(of_name text, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.rewind_subscription(of_name text, to_position bigint, reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.subscriptions := sync.hold_subscription(of_name);
  first constant bigint := greatest(to_position, (select e.position from sync.events e order by e.position limit 1), 1);
  outcome jsonb;
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  if not held.is_paused then
    raise exception 'pause % first', of_name using errcode = 'object_not_in_prerequisite_state';
  end if;
  select jsonb_build_object('from', first, 'until', held.position, 'events', c.events, 'is_whole', c.is_whole) into outcome
  from sync.count_events_for(of_name, first, sync.farthest_of(held), 10001) c;
  update sync.shares h set replay_until = greatest(h.replay_until, h.position), position = first - 1
  where h.subscription = of_name and first <= h.position;
  update sync.subscriptions s set replay_until = greatest(s.replay_until, s.position), position = first - 1
  where s.name = of_name and first <= s.position;
  perform pg_notify('sync_events', '');
  return outcome || jsonb_build_object('operation',
    sync.record_operation('subscription.rewind', jsonb_build_object('subscription', of_name), btrim(reason), outcome));
end $function$;
grant execute on function sync.rewind_subscription(of_name text, to_position bigint, reason text) to console_role;
grant execute on function sync.rewind_subscription(of_name text, to_position bigint, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.ring()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;
end $function$;
grant execute on function sync.ring() to erase_role;

CREATE OR REPLACE FUNCTION sync.roll_up()
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  minute constant timestamptz := date_trunc('minute', clock_timestamp());
  positions_max constant bigint := 2000000;
  h sync.health;
  last_position bigint;
  counts sync.gauge_row[] := '{}';
  measured sync.gauge_row[] := '{}';
  given sync.gauge_row[];
  source text;
  gap_minute timestamptz;
begin
  -- Nothing here waits: for a lock of the log, for another worker, or for the disk.
  perform set_config('lock_timeout', '500ms', true), set_config('synchronous_commit', 'off', true);
  begin
    select * into strict h from sync.health for update;
  exception when lock_not_available then return null;
  end;
  if h.rolled_at >= minute then return false; end if;

  begin
    select sum(p.bytes), count(*), max(p.bytes) into h.log_bytes, h.log_partitions, h.log_largest_bytes
    from (select pg_total_relation_size(i.inhrelid) as bytes from pg_inherits i where i.inhparent = 'sync.events'::regclass) p;
    h.log_measured_at := clock_timestamp();
  exception when lock_not_available then null;
  end;
  -- After a crash of the database the log may have lost its newest positions.
  h.rolled_position := least(h.rolled_position, sync.head());
  -- Counted when they were numbered. After a pause of all workers the minutes in between get their counts, too.
  select e.position into last_position from sync.events e
  where e.position > h.rolled_position and e.sequenced_at < minute order by e.position desc limit 1;
  if h.rolled_at is not null and coalesce(last_position - h.rolled_position, 0) <= positions_max then
    for gap_minute, counts in
      with found as materialized (
        select date_trunc('minute', e.sequenced_at) as minute,
          case e.type when 'customer.created' then 'customers_created' else 'activities_logged' end as name,
          case e.type when 'customer.created' then e.app else e.app || ' ' || left(e.data ->> 'type', 40) end as label
        from sync.events e
        where e.position > h.rolled_position and e.position <= last_position and e.type in ('customer.created', 'activity.created'))
      select m.minute, array(
        select row(n.name, n.label, count(f.name))::sync.gauge_row
        from (select s.name, s.label from sync.series s where s.name in ('customers_created', 'activities_logged')
              union select 'customers_created', a.name from platform.apps a union select f.name, f.label from found f) n
          left join found f on f.minute = m.minute and f.name = n.name and f.label = n.label
        group by n.name, n.label)
      from (select f.minute from found f union select minute - interval '1 minute') m order by m.minute
    loop
      if gap_minute < minute - interval '1 minute' and gap_minute >= minute - interval '2 days' then
        perform sync.write_minute(gap_minute, counts);
        perform sync.fold_rollup(900, date_bin('15 minutes', gap_minute, 'epoch')),
          sync.fold_rollup(3600, date_bin('1 hour', gap_minute, 'epoch'));
      end if;
    end loop;
    measured := counts;
  end if;

  -- What the processes have counted since the last minute. After a gap nobody knows in which minute it was: it is left out.
  if h.rolled_at = minute - interval '1 minute' then
    measured := measured || array(
      select row(c.name, c.label, sum(c.value))::sync.gauge_row from (
        select case when m.name like 'cross\_app\_%' then 'cross_app_queries' else m.name end as name,
          case when m.name like 'cross\_app\_%' then substr(m.name, 11) else b.app end as label,
          case when n.value >= n.before then n.value - n.before else n.value end as value
        from sync.heartbeats b cross join lateral sync.members_in(b.report, '{counters}') m
          cross join lateral (
            select sync.number_in(m.value, '{}') as value, coalesce(sync.number_in(b.counted, array[m.name]), 0) as before) n
        where m.name ~ '^(cache_hits|cache_misses|queries_([1-9]|1[0-7])|cross_app_(lookup|context|timeline))$' and n.value >= 0) c
      group by c.name, c.label);
  end if;
  update sync.heartbeats b set counted = b.report -> 'counters'
  where b.report ? 'counters' and b.counted is distinct from b.report -> 'counters';

  update sync.health o set rolled_at = minute, rolled_position = coalesce(last_position, h.rolled_position), log_bytes = h.log_bytes,
    log_partitions = h.log_partitions, log_largest_bytes = h.log_largest_bytes, log_measured_at = h.log_measured_at;
  for source in select s.function_name from sync.health_sources s where s.gives = 'gauges' order by 1 loop
    begin
      execute format('select array_agg(g::sync.gauge_row) from %s() g', source) into given;
      measured := measured || given;
    exception when others then null; -- the other series go on, and these have a gap
    end;
  end loop;
  if h.rolled_at is not null then
    perform sync.write_minute(minute - interval '1 minute', measured);
    perform sync.fold_rollup(900, date_bin('15 minutes', minute - interval '1 minute', 'epoch')),
      sync.fold_rollup(3600, date_bin('1 hour', minute - interval '1 minute', 'epoch'));
  end if;
  delete from sync.rollup r where r.step_seconds = 60 and r.at < minute - interval '2 days';
  delete from sync.rollup r where r.step_seconds = 900 and r.at < minute - interval '10 days';
  delete from sync.rollup r where r.step_seconds = 3600 and r.at < minute - interval '400 days';
  return true;
end $function$;
grant execute on function sync.roll_up() to sync_role;

CREATE OR REPLACE FUNCTION sync.row_of_trial(target text, row_id text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  key_column text;
  key_type text;
  found_row jsonb;
begin
  select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod) into key_column, key_type
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = target::regclass and a.attnum > 0
    and case when i.indexrelid is null then a.attname in ('id', 'customer_id') else i.indkey[0] = a.attnum end
  order by a.attnum limit 1;
  if row_id is not null and not pg_input_is_valid(row_id, key_type) then return null; end if;
  execute format('select to_jsonb(t) from %s t where $1 is null or t.%s = $1::%s limit 1', target::regclass, key_column, key_type)
    into found_row using row_id;
  return found_row;
end $function$;
grant execute on function sync.row_of_trial(target text, row_id text) to console_trial;
grant execute on function sync.row_of_trial(target text, row_id text) to foundation_trial;
grant execute on function sync.row_of_trial(target text, row_id text) to support_trial;

CREATE OR REPLACE FUNCTION sync.sample_customers(most integer)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return array(
    select c.id from platform.customers c tablesample bernoulli (least(100, 100.0 * most / greatest(sync.about_customers(), 1)))
    where c.merged_into is null and c.erased_at is null limit most);
end $function$;
grant execute on function sync.sample_customers(most integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.say_count(number bigint, capped_at bigint DEFAULT 10000)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (number > capped_at) THEN (to_char(capped_at, 'FM999,999,999'::text) || '+'::text) ELSE to_char(number, 'FM999,999,999,999'::text) END;

CREATE OR REPLACE FUNCTION sync.say_seconds(seconds double precision)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (seconds < (100)::double precision) THEN ((round(GREATEST(seconds, (0)::double precision)))::text || ' s'::text) WHEN (seconds < (6000)::double precision) THEN ((round((seconds / (60)::double precision)))::text || ' min'::text) WHEN (seconds < (172800)::double precision) THEN ((round((seconds / (3600)::double precision)))::text || ' h'::text) ELSE ((round((seconds / (86400)::double precision)))::text || ' days'::text) END;

CREATE OR REPLACE FUNCTION sync.scrub_data(data jsonb, known text[], kept text[])
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (
    select coalesce(jsonb_object_agg(d.key, d.value), '{}') from jsonb_each(data) d
    where case
      when d.key = any (known) then d.key = any (kept)
      else case jsonb_typeof(d.value)
        when 'boolean' then true when 'null' then true
        when 'number' then abs((d.value #>> '{}')::numeric) < 1000000000
        when 'string' then d.value #>> '{}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        else false end end);
end $function$;
grant execute on function sync.scrub_data(data jsonb, known text[], kept text[]) to erase_role;

CREATE OR REPLACE FUNCTION sync.scrub_lines(of_run bigint, condition text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  becomes constant text := (
    select string_agg(format('%I = %s', i.column_name, coalesce(i.becomes, 'null')), ', ' order by i.column_name)
    from platform.inventory i where i.relation = 'sync.import_rows' and (i.becomes is not null or i.class <> 'technical' and not i.stays));
  done bigint;
begin
  execute format('update sync.import_rows p set %s, outcome = ''excluded'', code = ''erased'', customer = null, lead = null
    where p.run = %s and (%s)', becomes, of_run, condition);
  get diagnostics done = row_count;
  return done;
end $function$;

CREATE OR REPLACE FUNCTION sync.scrub_values(data jsonb, people uuid[], known text[])
 RETURNS jsonb
 LANGUAGE sql
 STABLE
RETURN (SELECT COALESCE(jsonb_object_agg(d.key, d.value), '{}'::jsonb) AS "coalesce" FROM jsonb_each(scrub_values.data) d(key, value) WHERE (((d.value #>> '{}'::text[]) IS NULL) OR (((d.value #>> '{}'::text[]) <> ALL (scrub_values.known)) AND ((jsonb_typeof(d.value) <> 'object'::text) OR (NOT (COALESCE((d.value ->> 'id'::text), ''::text) = ANY ((scrub_values.people)::text[])))))));
grant execute on function sync.scrub_values(data jsonb, people uuid[], known text[]) to erase_role;

CREATE OR REPLACE FUNCTION sync.send_alert(of_alert bigint)
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO sync.alert_deliveries (alert_id, target)  SELECT send_alert.of_alert AS of_alert,
             t.name
            FROM sync.alert_targets t
           WHERE (t.seen_at > (clock_timestamp() - '7 days'::interval)) ON CONFLICT DO NOTHING;
END;

CREATE OR REPLACE FUNCTION sync.sequence(batch_max integer, floor_id bigint, of_term bigint DEFAULT NULL::bigint, lease_ms integer DEFAULT 0, OUT moved integer, OUT head bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if of_term is not null and not exists (select from sync.sequencer s where s.term = of_term) then return; end if;
  head := sync.head();
  with taken as (
    delete from sync.outbox o
    where o.id = any (array(select id from sync.outbox where id > floor_id order by id limit batch_max)) returning *)
  insert into sync.events (
    position, id, type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace, occurred_at)
  select head + row_number() over (order by id),
         id, type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace, occurred_at
  from taken;
  get diagnostics moved = row_count;
  head := head + moved;
  if moved > 0 then perform pg_notify('sync_events', head::text); end if;
  -- This comes last. However long the batch took, no other worker can have taken over, because that needs the lock as well.
  if of_term is not null then perform sync.extend_lease(lease_ms); end if;
end $function$;
grant execute on function sync.sequence(batch_max integer, floor_id bigint, of_term bigint, lease_ms integer, OUT moved integer, OUT head bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.set_health_limit(of_name text, to_value double precision, because text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  before double precision;
begin
  perform sync.require_operator();
  select l.value into before from sync.health_limits l where l.name = of_name for update;
  if not found then
    raise exception 'there is no limit %', of_name using errcode = 'invalid_parameter_value',
      hint = 'The limits are: ' || (select string_agg(l.name, ', ' order by l.name) from sync.health_limits l) || '.';
  end if;
  update sync.health_limits l set value = to_value where l.name = of_name;
  perform sync.record_operation('health.limit', jsonb_build_object('limit', of_name), because,
    jsonb_build_object('before', before, 'after', to_value));
end $function$;
grant execute on function sync.set_health_limit(of_name text, to_value double precision, because text) to console_role;
grant execute on function sync.set_health_limit(of_name text, to_value double precision, because text) to sync_role;

CREATE OR REPLACE FUNCTION sync.set_import_upload(of_upload bigint, to_settings jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  u sync.import_uploads;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for update;
  if not found or u.state = 'removed' then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if u.state not in ('recognised', 'refused') then
    raise exception 'the worker has not looked at file % yet', of_upload using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_uploads x set settings = to_settings, used_at = clock_timestamp() where x.id = of_upload;
  if (u.settings #> '{answers,encoding}', u.settings #> '{answers,sheet}')
     is distinct from (to_settings #> '{answers,encoding}', to_settings #> '{answers,sheet}') then
    if exists (select from sync.import_jobs j where j.upload = of_upload and j.state in ('waiting', 'working')) then
      raise exception 'the worker still counts the rows of file %: choose again in a moment', of_upload
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    update sync.import_uploads x set state = 'stored', recognition = null where x.id = of_upload;
    insert into sync.import_jobs (kind, upload) values ('recognise', of_upload);
    perform pg_notify('sync_import_jobs', '');
  end if;
end $function$;
grant execute on function sync.set_import_upload(of_upload bigint, to_settings jsonb) to console_role;

CREATE OR REPLACE FUNCTION sync.set_lanes(wanted integer, reason text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  relay sync.relay;
  outcome jsonb;
begin
  perform sync.require_operator();
  perform sync.require_reason(reason);
  if wanted is null or wanted not between 0 and 128 then
    raise exception 'lanes are 0 to 128' using errcode = 'invalid_parameter_value';
  end if;
  select r.* into strict relay from sync.relay r for update;
  if exists (select from sync.subscriptions s where s.name = 'sync.servicebus' and not s.is_paused)
    or (relay.leased_until > clock_timestamp() and relay.rests_since is null)
  then
    raise exception 'the relay is sending: pause sync.servicebus, and wait until it rests'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.relay r set lanes = wanted where r.only_one;
  outcome := jsonb_build_object('was', relay.lanes, 'lanes', wanted);
  return outcome || jsonb_build_object('operation', sync.record_operation('relay.lanes', '{}', btrim(reason), outcome));
end $function$;
grant execute on function sync.set_lanes(wanted integer, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.settle_alert(of_alert bigint, of_target text, of_attempt integer, failure text DEFAULT NULL::text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update sync.alert_deliveries d
  set claimed_until = null, error = left(failure, 300),
    state = case when failure is null then 'sent' when a.told_at < clock_timestamp() - interval '3 days' then 'given-up' else 'waiting' end,
    settled_at = case when failure is null or a.told_at < clock_timestamp() - interval '3 days' then clock_timestamp() end,
    attempt_at = clock_timestamp() + make_interval(secs => least(5 * 2 ^ least(d.attempts - 1, 20), 3600) * (0.75 + random() / 2))
  from sync.alerts a
  where a.id = d.alert_id and d.alert_id = of_alert and d.target = of_target and d.attempts = of_attempt and d.state = 'waiting';
  return found;
end $function$;
grant execute on function sync.settle_alert(of_alert bigint, of_target text, of_attempt integer, failure text) to console_role;
grant execute on function sync.settle_alert(of_alert bigint, of_target text, of_attempt integer, failure text) to sync_role;

CREATE OR REPLACE FUNCTION sync.share_of(key text, customer uuid, shares_by text, shares integer)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (abs((hashtextextended(CASE WHEN (shares_by = 'customer'::text) THEN COALESCE((customer)::text, key) ELSE key END, (0)::bigint) % (shares)::bigint)))::integer;
grant execute on function sync.share_of(key text, customer uuid, shares_by text, shares integer) to app_role;
grant execute on function sync.share_of(key text, customer uuid, shares_by text, shares integer) to console_role;
grant execute on function sync.share_of(key text, customer uuid, shares_by text, shares integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.silence_checks(of_slug text, of_kind text, until_time timestamp with time zone, because text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  new_silence bigint;
begin
  perform sync.require_operator();
  if num_nonnulls(of_slug, of_kind) <> 1 then
    raise exception 'a silence is about one check or about one kind'
      using errcode = 'check_violation', column = 'slug', hint = 'must name one check, or one kind instead.';
  end if;
  if not exists (select from sync.check_states c where c.slug = of_slug or c.kind = of_kind)
     and not exists (select from sync.alerts a where a.slug = of_slug or a.kind = of_kind) then
    raise exception 'there is no such check' using errcode = 'check_violation',
      column = case when of_slug is null then 'kind' else 'slug' end, hint = 'is no check that has ever been made.';
  end if;
  if until_time is null or not until_time > clock_timestamp() or until_time > clock_timestamp() + interval '90 days' then
    raise exception 'a silence ends within 90 days'
      using errcode = 'check_violation', column = 'until', hint = 'must be in the future, within 90 days.';
  end if;
  if because is null or btrim(because) = '' or char_length(because) > 500 then
    raise exception 'a silence has a reason of at most 500 characters'
      using errcode = 'check_violation', column = 'reason', hint = 'must have 1 to 500 characters.';
  end if;
  insert into sync.alert_silences (slug, kind, until, reason, actor)
  values (of_slug, of_kind, until_time, because, platform.current_actor()) returning id into new_silence;
  perform sync.record_operation('alerts.silence', jsonb_strip_nulls(jsonb_build_object('slug', of_slug, 'kind', of_kind)), because,
    jsonb_build_object('silence', new_silence, 'until', until_time));
  return new_silence;
end $function$;
grant execute on function sync.silence_checks(of_slug text, of_kind text, until_time timestamp with time zone, because text) to console_role;
grant execute on function sync.silence_checks(of_slug text, of_kind text, until_time timestamp with time zone, because text) to sync_role;

CREATE OR REPLACE FUNCTION sync.skip_event(of_subscription text, at_position bigint, reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  outcome jsonb;
  dead sync.parked;
begin
  perform sync.hold_subscription(of_subscription);
  if reason is not null then perform sync.require_reason(reason); end if;
  select p.* into dead from sync.parked p where p.subscription = of_subscription and p.position = at_position;
  if sync.give_up_parked(of_subscription, array[at_position]) = '{}' then
    raise exception '% has no dead event %, nor one that failed and is tried again', of_subscription, at_position
      using errcode = 'no_data_found';
  end if;
  outcome := jsonb_build_object('skipped', 1, 'state', dead.state, 'attempts', dead.attempts, 'cause', dead.cause);
  return outcome || jsonb_build_object('operation', sync.record_operation('event.skip',
    jsonb_build_object('subscription', of_subscription, 'position', at_position), btrim(reason), outcome));
end $function$;
grant execute on function sync.skip_event(of_subscription text, at_position bigint, reason text) to console_role;
grant execute on function sync.skip_event(of_subscription text, at_position bigint, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.start_first(of_subscription text, keys text[] DEFAULT NULL::text[], customers uuid[] DEFAULT NULL::uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  ids constant uuid[] := array(select m.id from unnest(customers) c (id), unnest(sync.list_merged(c.id)) m (id));
  firsts bigint[];
begin
  update sync.parked p set state = 'waiting', attempt_at = null
  where p.subscription = of_subscription and p.state = 'retrying' and (keys is null or p.key = any (keys) or p.customer = any (ids))
    and sync.is_behind(p.subscription, p.position, p.key, p.customer);
  firsts := array(
    select min(p.position) from sync.parked p
    where p.subscription = of_subscription and (keys is null or p.key = any (keys)) group by p.key
    union
    select f.position
    from unnest(customers) c (id) cross join lateral (
      select p.position from sync.parked p
      where p.subscription = of_subscription and p.customer = any (sync.list_merged(c.id)) order by p.position limit 1) f);
  update sync.parked p set state = 'retrying', attempt_at = clock_timestamp()
  where p.subscription = of_subscription and p.position = any (firsts) and p.state = 'waiting'
    and not sync.is_behind(p.subscription, p.position, p.key, p.customer);
end $function$;
grant execute on function sync.start_first(of_subscription text, keys text[], customers uuid[]) to app_role;
grant execute on function sync.start_first(of_subscription text, keys text[], customers uuid[]) to merge_role;
grant execute on function sync.start_first(of_subscription text, keys text[], customers uuid[]) to sync_role;

CREATE OR REPLACE FUNCTION sync.steer_run(of_run bigint, to_state text, reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held constant sync.bulk_runs := sync.hold_run(of_run);
  outcome constant jsonb := jsonb_build_object('was', held.state) || case held.kind
    when 'repair' then jsonb_build_object('mended', held.mended, 'refused', held.refused)
    else jsonb_build_object('handled', held.handled, 'skipped', held.skipped) end;
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  if (held.state, to_state) not in (('running', 'paused'), ('paused', 'running'), ('running', 'cancelled'), ('paused', 'cancelled')) then
    raise exception 'run % is %', of_run, held.state using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.bulk_runs r set state = to_state, due_at = clock_timestamp(), faults = 0, fault = null where r.id = of_run;
  return outcome || jsonb_build_object('operation', sync.record_operation(
    'bulk.' || case to_state when 'paused' then 'pause' when 'running' then 'resume' else 'cancel' end,
    jsonb_strip_nulls(jsonb_build_object('run', of_run, 'subscription', held.subscription)), btrim(reason), outcome));
end $function$;
grant execute on function sync.steer_run(of_run bigint, to_state text, reason text) to console_role;
grant execute on function sync.steer_run(of_run bigint, to_state text, reason text) to sync_role;

CREATE OR REPLACE FUNCTION sync.store_import_recognition(of_upload bigint, of_sha256 text, recognised jsonb, refused text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update sync.import_uploads u
  set state = case when recognised is null then 'refused' else 'recognised' end, sha256 = coalesce(of_sha256, u.sha256),
      recognition = recognised, refusal = left(refused, 2000),
      settings = case when u.settings <> '{}' then u.settings else coalesce(m.settings, '{}') end,
      is_remembered = u.is_remembered or u.settings = '{}' and m.settings is not null
  from (select of_upload as id) o left join sync.import_mappings m on m.fingerprint = recognised ->> 'fingerprint'
  where u.id = o.id and u.state <> 'removed';
end $function$;
grant execute on function sync.store_import_recognition(of_upload bigint, of_sha256 text, recognised jsonb, refused text) to sync_role;

CREATE OR REPLACE FUNCTION sync.survivor_of(customer uuid)
 RETURNS uuid
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN COALESCE((SELECT c.merged_into FROM platform.customers c WHERE (c.id = survivor_of.customer)), customer);
grant execute on function sync.survivor_of(customer uuid) to app_role;
grant execute on function sync.survivor_of(customer uuid) to sync_role;

CREATE OR REPLACE FUNCTION sync.take_import_job(kinds text[], by_worker text, term interval)
 RETURNS SETOF sync.import_jobs
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  attempts_max constant integer := 5;
  j sync.import_jobs;
begin
  loop
    select * into j from sync.import_jobs x
    where x.kind = any (kinds) and (x.state = 'waiting' or x.state = 'working' and x.leased_until < clock_timestamp())
    order by x.id limit 1 for update skip locked;
    if not found then return; end if;
    exit when j.attempts < attempts_max and not j.is_cancelled;
    update sync.import_jobs x
    set state = case when x.is_cancelled then 'cancelled' else 'failed' end, ended_at = clock_timestamp(),
        error = case when not x.is_cancelled then
          'It was tried ' || attempts_max || ' times and never ended: the log of the worker says why.' end
    where x.id = j.id;
    perform sync.refuse_import_upload(j.id);
  end loop;
  return query update sync.import_jobs x
    set state = 'working', attempts = x.attempts + 1, worker = by_worker, leased_until = clock_timestamp() + term,
        began_at = coalesce(x.began_at, clock_timestamp())
    where x.id = j.id returning x.*;
end $function$;
grant execute on function sync.take_import_job(kinds text[], by_worker text, term interval) to sync_role;

CREATE OR REPLACE FUNCTION sync.take_lease(by text, for_ms integer, OUT term bigint, OUT free_in_ms double precision)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  held_by text;
begin
  if coalesce(by, '') = '' or coalesce(for_ms, 0) not between 1 and 10000 then
    raise exception 'a lease has a holder and lasts from 1 to 10000 ms' using errcode = 'invalid_parameter_value';
  end if;
  free_in_ms := sync.lease_left_ms();
  select s.leader into held_by from sync.sequencer s;
  if free_in_ms > 0 and held_by is distinct from by then return; end if;
  -- A batch that is under way renews the lease at its end, so another worker that finds the row locked asks again later.
  select s.leader into held_by from sync.sequencer s for update skip locked;
  if not found then free_in_ms := 20; return; end if;
  free_in_ms := sync.lease_left_ms();
  if free_in_ms > 0 and held_by is distinct from by then return; end if;
  update sync.sequencer s set term = s.term + 1, leader = by, leads_since = clock_timestamp() returning s.term into take_lease.term;
  perform sync.extend_lease(for_ms);
  free_in_ms := null;
end $function$;
grant execute on function sync.take_lease(by text, for_ms integer, OUT term bigint, OUT free_in_ms double precision) to sync_role;

CREATE OR REPLACE FUNCTION sync.take_shares(of_name text, of_types text[], of_shares integer, by_reader text, OUT name text, OUT at_position bigint, OUT replay_until bigint, OUT holds text, OUT retry_in_ms double precision, OUT until_position bigint, OUT front integer[], OUT held integer[], OUT layout integer, OUT layout_by text, OUT is_more boolean)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  -- How far a share may be before another one. sync.first_blocked reads that much for each batch, and everybody waits that long for a share
  -- whose process has died.
  ahead_max constant bigint := 5000;
  s sync.subscriptions;
  place bigint;
  crew bigint;
  level bigint;
  again bigint;
begin
  is_more := false;
  select o.place, o.crew into place, crew from (
    select r.reader, row_number() over (order by r.joined_at, r.reader) - 1 as place, count(*) over () as crew
    from sync.readers r where r.subscription = of_name and r.leased_until > clock_timestamp()) o
  where o.reader = by_reader;
  if not found then return; end if;
  held := array(
    select h.share from sync.shares h where h.subscription = of_name and h.share % crew = place
    order by h.share for update skip locked);
  is_more := cardinality(held) < (
    select count(*) from sync.shares h where h.subscription = of_name and h.share % crew = place);
  if cardinality(held) = 0 then return; end if;
  -- Read after the lock: whoever pauses or changes the subscription holds all shares.
  select x.* into s from sync.subscriptions x
  where x.name = of_name and x.app = platform.current_app() and not x.is_paused and x.types is not distinct from of_types
    and x.shares = of_shares;
  if not found then
    is_more := false;
    return;
  end if;
  if (s.shares, s.holds) <> (s.layout, s.layout_by) then
    level := sync.level_of(of_name);
    if not exists (select from sync.shares h where h.subscription = of_name and h.position <> level) then
      is_more := true;
      if s.layout = (select count(*) from (select from sync.shares h where h.subscription = of_name for update skip locked) l) then
        perform from sync.subscriptions x where x.name = of_name for update;
        perform sync.cut_shares(of_name);
      end if;
      return;
    end if;
  end if;

  name := of_name;
  holds := s.holds;
  layout := s.layout;
  layout_by := s.layout_by;
  select h.position, greatest(h.replay_until, h.position) into at_position, again from sync.shares h
  where h.subscription = of_name and h.share = any (held) order by 1, 2 limit 1;
  replay_until := again;
  front := array(
    select h.share from sync.shares h
    where h.subscription = of_name and h.share = any (held) and h.position = at_position
      and greatest(h.replay_until, h.position) = again order by h.share);
  until_position := least(level, (select min(h.position) from sync.shares h where h.subscription = of_name) + ahead_max, (
    select min(h.position) from sync.shares h
    where h.subscription = of_name and h.share = any (held) and h.position > at_position));
  retry_in_ms := (
    select extract(epoch from min(p.attempt_at) - clock_timestamp())::double precision * 1000 from sync.parked p
    where p.subscription = of_name and p.state = 'retrying' and sync.share_of(p.key, p.customer, layout_by, layout) = any (held));
end $function$;
grant execute on function sync.take_shares(of_name text, of_types text[], of_shares integer, by_reader text, OUT name text, OUT at_position bigint, OUT replay_until bigint, OUT holds text, OUT retry_in_ms double precision, OUT until_position bigint, OUT front integer[], OUT held integer[], OUT layout integer, OUT layout_by text, OUT is_more boolean) to app_role;
grant execute on function sync.take_shares(of_name text, of_types text[], of_shares integer, by_reader text, OUT name text, OUT at_position bigint, OUT replay_until bigint, OUT holds text, OUT retry_in_ms double precision, OUT until_position bigint, OUT front integer[], OUT held integer[], OUT layout integer, OUT layout_by text, OUT is_more boolean) to sync_role;

CREATE OR REPLACE FUNCTION sync.test_alert()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  new_alert bigint;
begin
  perform sync.require_operator();
  insert into sync.alerts (slug, kind, status, previous, reason, since)
  values ('alerts:test', 'alerts', 'ok', 'ok', 'This is a test of the alerts. Nothing is wrong.', clock_timestamp())
  returning id into new_alert;
  perform sync.send_alert(new_alert);
  perform sync.record_operation('alerts.test', '{}', null, jsonb_build_object('alert', new_alert));
  return new_alert;
end $function$;
grant execute on function sync.test_alert() to console_role;
grant execute on function sync.test_alert() to sync_role;

CREATE OR REPLACE FUNCTION sync.trim_import_files()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  old bigint;
begin
  select u.id into old from sync.import_uploads u
  where u.state <> 'removed' and u.used_at < clock_timestamp() - sync.import_files_kept(u.state)
    and not exists (select from sync.import_jobs j where j.state in ('waiting', 'working') and (j.upload = u.id
      or j.settings -> 'files' @> jsonb_build_array(jsonb_build_object('upload', u.id))))
  order by u.used_at limit 1 for update skip locked;
  if found then
    delete from sync.import_chunks c where c.upload = old;
    update sync.import_uploads u set state = 'removed', recognition = null where u.id = old;
  end if;
  select r.id into old from sync.import_runs r
  where r.state = 'planned' and r.used_at < clock_timestamp() - sync.import_plans_kept()
    and not exists (select from sync.import_jobs j where j.run = r.id and j.state in ('waiting', 'working'))
  order by r.used_at limit 1 for update skip locked;
  if found then perform sync.give_up_import(old, 'Nobody has applied it within ' || sync.import_plans_kept() || '.'); end if;
  select r.id into old from sync.import_runs r
  where r.state = 'abandoned' and to_regclass('sync.import_rows_p' || r.id) is not null order by r.id limit 1;
  if found then perform sync.drop_import_rows(old); end if;
  delete from sync.import_jobs j where j.ended_at < clock_timestamp() - sync.operations_kept() and j.run is null;
end $function$;
grant execute on function sync.trim_import_files() to sync_role;

CREATE OR REPLACE FUNCTION sync.trim_operations(batch_max integer DEFAULT 20000)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  delete from sync.attempts a where a.id = any (array(
    select o.id from sync.attempts o order by o.id limit batch_max))
    and (a.id <= (select max(n.id) - 2000000 from sync.attempts n) or a.ended_at < clock_timestamp() - interval '90 days');
  delete from sync.bulk_items i where (i.run, i.position) in (
    select o.run, o.position from sync.bulk_runs r join sync.bulk_items o on o.run = r.id
    where r.ended_at < clock_timestamp() - interval '30 days'
      or r.state = 'frozen' and r.frozen_at < clock_timestamp() - interval '61 minutes' limit batch_max);
  delete from sync.bulk_runs r
  where r.state = 'frozen' and r.frozen_at < clock_timestamp() - interval '61 minutes'
    and not exists (select from sync.bulk_items i where i.run = r.id);
  delete from sync.causes c where c.last_at < clock_timestamp() - interval '7 days'
    and not exists (select from sync.parked p where p.subscription = c.subscription and p.cause = c.cause);
  delete from sync.bulk_runs r where r.ended_at < clock_timestamp() - sync.operations_kept()
    and not exists (select from sync.bulk_items i where i.run = r.id);
  delete from sync.operations o where o.id = any (array(select f.id from sync.operations f order by f.id limit batch_max))
    and o.done_at < clock_timestamp() - sync.operations_kept();
end $function$;
grant execute on function sync.trim_operations(batch_max integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.try_as_console(target text, verb text, field text, row_id text, value text)
 RETURNS jsonb
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT sync.try_statement('console'::text, target, verb, field, row_id, value) AS try_statement;
END;
grant execute on function sync.try_as_console(target text, verb text, field text, row_id text, value text) to simulator_role;
alter function sync.try_as_console(target text, verb text, field text, row_id text, value text) owner to console_trial;

CREATE OR REPLACE FUNCTION sync.try_as_foundation(target text, verb text, field text, row_id text, value text)
 RETURNS jsonb
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT sync.try_statement('foundation'::text, target, verb, field, row_id, value) AS try_statement;
END;
grant execute on function sync.try_as_foundation(target text, verb text, field text, row_id text, value text) to simulator_role;
alter function sync.try_as_foundation(target text, verb text, field text, row_id text, value text) owner to foundation_trial;

CREATE OR REPLACE FUNCTION sync.try_as_support(target text, verb text, field text, row_id text, value text)
 RETURNS jsonb
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT sync.try_statement('support'::text, target, verb, field, row_id, value) AS try_statement;
END;
grant execute on function sync.try_as_support(target text, verb text, field text, row_id text, value text) to simulator_role;
alter function sync.try_as_support(target text, verb text, field text, row_id text, value text) owner to support_trial;

CREATE OR REPLACE FUNCTION sync.try_statement(app text, target text, verb text, field text, row_id text, value text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  relation regclass;
  field_type text;
  keys text;
  columns text;
  held jsonb;
  statement text;
  touched bigint;
  is_done boolean := false;
  code text;
  reason text;
  violated text;
  hint text;
  context text;
begin
  select c.oid into relation
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where format('%I.%I', n.nspname, c.relname) = target and c.relkind in ('r', 'p', 'v')
    and (n.nspname in ('platform', 'sync') or n.nspname in (select a.audience from platform.apps a)) and not c.relispartition;
  if relation is null or verb is null or verb not in ('select', 'insert', 'update', 'delete') then
    raise exception 'no such table or verb' using errcode = 'invalid_parameter_value';
  end if;
  if verb <> 'delete' then
    select format_type(a.atttypid, a.atttypmod) into field_type from pg_attribute a
    where a.attrelid = relation and a.attname = field and a.attnum > 0 and not a.attisdropped;
    if field_type is null then raise exception 'no such column' using errcode = 'invalid_parameter_value'; end if;
  end if;
  select string_agg(format('t.%I = ($1 ->> %L)::%s', a.attname, a.attname, format_type(a.atttypid, a.atttypmod)), ' and ') into keys
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = relation and a.attnum > 0
    and case when i.indexrelid is null then a.attname = 'id' else a.attnum = any (i.indkey::int2[]) end;
  held := sync.row_of_trial(target, row_id);
  if held is null and (row_id is not null or verb <> 'insert') then return '{"code": "no_row"}'; end if;
  statement := case verb
    when 'select' then format('select t.%I from %s t where %s', field, relation, keys)
    when 'update' then format('update %s t set %I = $2::%s where %s', relation, field, field_type, keys)
    when 'delete' then format('delete from %s t where %s', relation, keys) end;
  if verb = 'insert' then
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
      and a.attname <> field and has_column_privilege(relation, a.attnum, 'INSERT');
    statement := format('insert into %s (%I%s) select $2::%s%s from jsonb_populate_record(null::%s, $1) r', relation, field,
      coalesce(', ' || columns, ''), field_type, coalesce(', ' || regexp_replace(columns, '(^|, )', '\1r.', 'g'), ''), relation);
  end if;
  begin
    perform set_config('aether.trial', app, true);
    execute statement using coalesce(held, '{}'), value;
    get diagnostics touched = row_count;
    set constraints all immediate;
    is_done := true;
    raise exception 'taken back';
  exception when others then
    get stacked diagnostics code = returned_sqlstate, reason = message_text, violated = constraint_name, hint = pg_exception_hint,
      context = pg_exception_context;
  end;
  if is_done then return jsonb_build_object('code', 'done', 'rows', touched); end if;
  return jsonb_strip_nulls(jsonb_build_object('code', code, 'message', reason, 'constraint', nullif(violated, ''),
    'hint', nullif(hint, ''), 'by', substring(context from '^PL/pgSQL function ([a-z_.]+)\(')));
end $function$;
grant execute on function sync.try_statement(app text, target text, verb text, field text, row_id text, value text) to console_trial;
grant execute on function sync.try_statement(app text, target text, verb text, field text, row_id text, value text) to foundation_trial;
grant execute on function sync.try_statement(app text, target text, verb text, field text, row_id text, value text) to support_trial;

CREATE OR REPLACE FUNCTION sync.undo_correction(of_operation bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  o sync.operations;
  customer uuid;
  removed uuid;
  restored uuid;
begin
  perform sync.require_operator();
  perform pg_advisory_xact_lock(sync.findings_lock());
  select n.* into o from sync.operations n where n.id = of_operation and n.kind = 'quality.correct_address';
  if not found then return false; end if;
  customer := (o.scope ->> 'customer')::uuid;
  removed := (o.outcome ->> 'removed')::uuid;
  restored := (platform.restore_address(customer, removed)).address_id;
  if restored is null then return false; end if;
  if (o.outcome ->> 'primary')::boolean then perform platform.make_address_primary(customer, restored); end if;
  if o.outcome ? 'added' then perform platform.remove_address(customer, (o.outcome ->> 'added')::uuid); end if;
  perform sync.check_subjects('customer', array[customer::text]);
  perform sync.record_operation('quality.undo_correction', jsonb_build_object('operation', of_operation), null,
    jsonb_build_object('restored', restored));
  return true;
end $function$;
grant execute on function sync.undo_correction(of_operation bigint) to console_role;
grant execute on function sync.undo_correction(of_operation bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.undo_import(of_run bigint, lines_max integer, OUT from_n integer, OUT removed integer, OUT restored integer, OUT kept integer, OUT is_done boolean)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  r sync.import_runs;
  last_n integer;
  places integer[];
  companies uuid[];
  older record;
  older_removed integer;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('applying', 'applied', 'undoing', 'undone') then
    raise exception 'this run has written nothing' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'It is ' || coalesce(r.state, 'not there') || ': only what was applied is undone.';
  end if;
  perform set_config('aether.trace', 'import:' || of_run || ':undo', true);
  last_n := case r.state when 'undoing' then r.undone_to - 1 else r.applied_to end;
  from_n := greatest(last_n - lines_max + 1, 1);
  removed := 0; restored := 0; kept := 0;

  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = 'created' and p.lead = p.n
      and exists (select from platform.customers c where c.id = p.customer));
  if cardinality(places) > 0 then
    select x.removed, x.kept into removed, kept from sync.remove_import_customers(of_run, places) x;
  end if;
  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = 'updated' and p.lead = p.n);
  if cardinality(places) > 0 then
    select x.restored, undo_import.kept + x.kept into restored, kept from sync.restore_import_writes(of_run, places) x;
    -- A customer of an older run that was undone was kept because of what this run had written to it.
    for older in
      select k.run, array_agg(distinct k.n) as places from sync.import_kept k
        join sync.import_runs o on o.id = k.run and o.state = 'undone' and o.id <> of_run
      where k.customer in (select w.customer from sync.import_writes w where w.run = of_run and w.n = any (places))
      group by k.run order by k.run
    loop
      older.places := array(
        select p.n from sync.import_rows p where p.run = older.run and p.n = any (older.places) and p.outcome = 'created');
      continue when older.places = '{}';
      select x.removed into older_removed from sync.remove_import_customers(older.run, older.places) x;
      update sync.import_runs x set removed = x.removed + older_removed where x.id = older.run;
    end loop;
  end if;

  delete from sync.import_keys k
  using (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p,
    sync.import_files f
  where p.run = of_run and p.n between from_n and last_n and p.outcome in ('created', 'updated', 'unchanged')
    and f.run = p.run and f.file = p.file and k.source = f.source and k.run = of_run
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest)
    and (p.outcome <> 'created' or not exists (select from platform.customers c where c.id = p.customer));
  update sync.import_keys k set digest = null
  from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p,
    sync.import_files f
  where p.run = of_run and p.n between from_n and last_n and p.outcome in ('updated', 'unchanged')
    and p.code is distinct from 'same-line'
    and f.run = p.run and f.file = p.file and k.source = f.source
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest) and k.digest = p.digest;

  is_done := from_n <= 1;
  if is_done then
    if last_n > 0 then delete from sync.import_kept k where k.run = of_run and k.n = 0; end if;
    -- A company that nobody uses and nobody has changed goes. Its lock keeps others from beginning to use it. Many take many steps.
    companies := array(
      select c.id
      from sync.import_targets t join platform.companies c on c.id = case t.kind when 'company' then t.target::uuid end
      where t.run = of_run and t.kind = 'company' and t.made
        and not exists (select from sync.import_kept k where k.run = of_run and k.n = 0 and k.field = 'company:' || t.key)
      order by c.id limit lines_max for update of c);
    insert into sync.import_kept (run, n, customer, field, present)
    select of_run, 0, c.id, 'company:' || t.key, coalesce(x.uses, jsonb_build_object('version', c.version))
    from platform.companies c
      join sync.import_targets t on t.run = of_run and t.kind = 'company' and t.made and t.target = c.id::text
      left join (
        select l.id, jsonb_object_agg(l.part, l.rows) as uses from sync.list_references('platform.companies', companies, '{}') l
        group by l.id) x on x.id = c.id
    where c.id = any (companies) and (x.id is not null or c.version <> 1);
    delete from platform.companies c
    where c.id = any (companies) and not exists (
      select from sync.import_kept k where k.run = of_run and k.n = 0 and k.customer = c.id);
    is_done := cardinality(companies) < lines_max;
  end if;
  update sync.import_runs x
  set undone_to = from_n, state = case when is_done then 'undone' else 'undoing' end, removed = x.removed + undo_import.removed,
      restored = x.restored + undo_import.restored
  where x.id = of_run;
end $function$;
grant execute on function sync.undo_import(of_run bigint, lines_max integer, OUT from_n integer, OUT removed integer, OUT restored integer, OUT kept integer, OUT is_done boolean) to sync_role;

CREATE OR REPLACE FUNCTION sync.unpark(of_subscription text, at_position bigint)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 DELETE FROM sync.parked p
    USING sync.subscriptions s
   WHERE ((p.subscription = unpark.of_subscription) AND (p."position" = unpark.at_position) AND (s.name = p.subscription) AND (s.app = platform.current_app()));
END;
grant execute on function sync.unpark(of_subscription text, at_position bigint) to app_role;
grant execute on function sync.unpark(of_subscription text, at_position bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.unreachable_because(email_key text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (split_part(email_key, '@'::text, 2) !~ '\.'::text) THEN 'no_dot'::text WHEN (email_key ~ '[@.]example\.(com|net|org)$'::text) THEN 'example'::text WHEN (email_key ~ '[@.](test|example|invalid|localhost|local|localdomain|internal|intranet|lan|home|corp|onion|alt|arpa)$'::text) THEN 'reserved'::text WHEN (email_key ~ '\.(con|cmo|ocm|comm|vom|xom|cpm|coim|nett|ner|ent|orgg|ogr|rog)$'::text) THEN 'misspelt'::text ELSE NULL::text END;

CREATE OR REPLACE FUNCTION sync.verify_import(of_run bigint, OUT question text, OUT expected bigint, OUT found bigint)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run;
  -- Right after a run nothing is analyzed: PostgreSQL takes its tables for small, and would search one of them for each row of another.
  perform set_config('enable_nestloop', 'off', true), set_config('work_mem', '128MB', true), set_config('jit', 'off', true);
  return query select 'lines have an outcome', r.lines::bigint, (select count(*) from sync.import_rows p where p.run = of_run);
  if r.state not in ('applying', 'applied') then return; end if;
  return query
    select 'created customers are there', count(*), count(c.id)
    from sync.import_rows p left join platform.customers c on c.id = p.customer
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'created customers are known by their address', count(*), count(e.email_key)
    from sync.import_rows p left join platform.customers c on c.id = p.customer
      left join platform.customer_emails e on e.email_key = p.email_key and e.customer_id in (c.id, c.merged_into)
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'created customers have the number of their app', count(*), count(coalesce(x.customer_id, y.customer_id))
    from sync.import_rows p left join platform.customers c on c.id = p.customer
      left join (select distinct i.customer_id from platform.customer_external_ids i where i.app = r.app) x on x.customer_id = c.id
      left join (select distinct i.customer_id from platform.customer_external_ids i where i.app = r.app) y on y.customer_id = c.merged_into
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'lines of customers are known by their key', count(*), count(k.customer)
    from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p
      join sync.import_files f on f.run = p.run and f.file = p.file
      left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(p.external_id, p.own_key, p.digest)
    where p.run = of_run and p.n <= r.applied_to and p.outcome in ('created', 'updated', 'unchanged');
  return query
    select 'updated customers have their writes in the ledger', count(*), count(*) filter (where exists (
      select from sync.import_writes w where w.run = of_run and w.n = p.n))
    from sync.import_rows p where p.run = of_run and p.n <= r.applied_to and p.outcome = 'updated' and p.lead = p.n;
end $function$;
grant execute on function sync.verify_import(of_run bigint, OUT question text, OUT expected bigint, OUT found bigint) to sync_role;

CREATE OR REPLACE FUNCTION sync.version_of_unmerge(of_customer uuid)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (select max(m.back_version) from platform.merges m where m.loser_id = of_customer);
end $function$;

CREATE OR REPLACE FUNCTION sync.waits_to_worsen(before text, now_found text, worsens_since timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
RETURN ((now_found = ANY (ARRAY['catching-up'::text, 'warning'::text, 'stalled'::text, 'failing'::text])) AND (now_found <> before) AND ((worsens_since IS NULL) OR (worsens_since > (clock_timestamp() - make_interval(secs => sync.health_limit('worsens_seconds'::text))))));

CREATE OR REPLACE FUNCTION sync.word_in(report jsonb, path text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (jsonb_typeof((report #> path)) = 'string'::text) THEN "substring"((report #>> path), '^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,79}$'::text) ELSE NULL::text END;

CREATE OR REPLACE FUNCTION sync.work_batch(r sync.bulk_runs, batch_max integer)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  waiting_max constant integer := 2000;
  size integer;
  taken bigint[];
  done bigint[];
  repaired jsonb;
  counts record;
  is_at_end boolean := false;
  rest interval := interval '250 ms';
begin
  with looked as (
    select i.position, case
      when p.position is null then case when exists (
          select from sync.attempts a where a.position = i.position and a.subscription = r.subscription
            and a.error is null and a.id > r.attempts_after) then 'handled' else 'gone' end
      when p.attempts > 0 then 'failed'
      when p.state = 'waiting' and exists (
          select from sync.parked b where b.subscription = r.subscription and b.position < p.position and b.attempts > 0
            and b.key = p.key
          union all
          select from sync.subscriptions s join sync.parked b on b.subscription = s.name
          where s.name = r.subscription and s.holds = 'customer' and b.position < p.position and b.attempts > 0
            and b.customer = any (sync.list_merged(p.customer))) then 'held_back'
      end as state
    from sync.bulk_items i left join sync.parked p on p.subscription = r.subscription and p.position = i.position
    where i.run = r.id and i.state = 'tried'),
  settled as (
    update sync.bulk_items i set state = l.state from looked l
    where i.run = r.id and i.position = l.position and l.state is not null returning i.state)
  select count(*) as settled, count(*) filter (where s.state = 'handled') as handled, count(*) filter (where s.state = 'failed') as failed,
    count(*) filter (where s.state = 'held_back') as held_back, count(*) filter (where s.state = 'gone') as gone
  into counts from settled s;
  r.tried := r.tried - counts.settled;
  r.handled := r.handled + counts.handled;
  r.failed := r.failed + counts.failed;
  r.held_back := r.held_back + counts.held_back;
  r.gone := r.gone + counts.gone;

  if r.state = 'running' and r.kind = 'repair' then
    size := least(batch_max, greatest(r.rate_per_second / 4, 1));
    taken := array(select i.position from sync.bulk_items i
      where i.run = r.id and i.position > r.up_to_position order by i.position limit size);
    repaired := sync.repair_batch(taken, interval '100 ms');
    update sync.bulk_items i set state = o.outcome, because = left(o.because, 200)
    from jsonb_to_recordset(repaired) o (id bigint, outcome text, because text) where i.run = r.id and i.position = o.id;
    select count(*) as looked, count(*) filter (where o.outcome = 'mended') as mended,
      count(*) filter (where o.outcome = 'refused') as refused
    into counts from jsonb_to_recordset(repaired) o (outcome text);
    r.mended := r.mended + counts.mended;
    r.refused := r.refused + counts.refused;
    r.gone := r.gone + counts.looked - counts.mended - counts.refused;
    r.up_to_position := coalesce(taken[counts.looked], r.up_to_position);
    is_at_end := counts.looked = cardinality(taken) and cardinality(taken) < size;
    rest := make_interval(secs => counts.looked::double precision / r.rate_per_second);
  elsif r.state = 'running' then
    size := least(batch_max, waiting_max - r.tried, greatest(r.rate_per_second / 4, 1));
    taken := array(select i.position from sync.bulk_items i
      where i.run = r.id and i.position > r.up_to_position order by i.position limit size);
    is_at_end := size > 0 and cardinality(taken) < size;
    rest := greatest(rest, make_interval(secs => cardinality(taken)::double precision / r.rate_per_second));
    begin
      if cardinality(taken) > 0 then perform sync.lock_subscription(r.subscription); end if;
    exception when lock_not_available then
      taken := '{}';
      is_at_end := false;
      rest := interval '1 second';
    end;
    if cardinality(taken) > 0 then
      done := case r.kind when 'skip' then sync.give_up_parked(r.subscription, taken)
        else sync.drive_parked(r.subscription, taken) end;
      update sync.bulk_items i set state = case
        when d.position is null then 'gone' when r.kind = 'skip' then 'skipped' else 'tried' end
      from unnest(taken) t (position) left join unnest(done) d (position) on d.position = t.position
      where i.run = r.id and i.position = t.position;
      r.up_to_position := taken[cardinality(taken)];
      r.gone := r.gone + cardinality(taken) - cardinality(done);
      if r.kind = 'skip' then r.skipped := r.skipped + cardinality(done); else r.tried := r.tried + cardinality(done); end if;
    end if;
  end if;

  if r.tried = 0 and (is_at_end or r.state = 'cancelled') then
    if r.state = 'running' then r.state := 'done'; end if;
    r.ended_at := clock_timestamp();
    r.untouched := r.total - r.handled - r.failed - r.held_back - r.skipped - r.mended - r.refused - r.gone;
    perform sync.record_operation('bulk.end', jsonb_strip_nulls(jsonb_build_object('run', r.id, 'subscription', r.subscription)), r.reason,
      jsonb_build_object('state', r.state, 'total', r.total, 'gone', r.gone, 'untouched', r.untouched) || case r.kind
        when 'repair' then jsonb_build_object('mended', r.mended, 'refused', r.refused)
        else jsonb_build_object('handled', r.handled, 'failed', r.failed, 'held_back', r.held_back, 'skipped', r.skipped) end);
  end if;
  update sync.bulk_runs b set state = r.state, up_to_position = r.up_to_position, tried = r.tried, handled = r.handled, failed = r.failed,
    held_back = r.held_back, skipped = r.skipped, mended = r.mended, refused = r.refused, gone = r.gone, untouched = r.untouched,
    ended_at = r.ended_at, due_at = clock_timestamp() + rest, faults = 0, fault = null
  where b.id = r.id;
end $function$;

CREATE OR REPLACE FUNCTION sync.work_run(batch_max integer DEFAULT 1000)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  r sync.bulk_runs;
  broken text;
begin
  select b.* into r from sync.bulk_runs b
  where b.ended_at is null and b.state in ('running', 'cancelled') and b.due_at <= clock_timestamp()
  order by b.due_at limit 1 for update skip locked;
  if not found then return null; end if;
  perform set_config('lock_timeout', '2s', true);
  -- What the worker does, it does for the person who confirmed it.
  perform set_config('aether.actor', coalesce(r.actor, ''), true);
  begin
    perform sync.work_batch(r, batch_max);
  exception when query_canceled or others then
    get stacked diagnostics broken = constraint_name;
    update sync.bulk_runs b set faults = least(r.faults + 1, 32000), fault = left(concat_ws(' ', sqlstate, nullif(broken, '')), 100),
      due_at = clock_timestamp() + least(interval '1 second' * 2 ^ least(r.faults, 20), interval '10 minutes')
    where b.id = r.id;
  end;
  return r.id;
end $function$;
grant execute on function sync.work_run(batch_max integer) to sync_role;

CREATE OR REPLACE FUNCTION sync.write_import_extras(of_run bigint, of_n integer, of_customer uuid, extra jsonb, source text, overwrite text[])
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'auto'
AS $function$
declare
  x record;
  conflicts jsonb := '{}';
  written jsonb;
  of_version bigint;
begin
  for x in select * from sync.compare_import_extras(of_customer, extra, source, overwrite) loop
    if x.is_conflict then
      conflicts := conflicts || jsonb_build_object(x.field, jsonb_build_object('ours', x.present, 'theirs', x.given));
      continue;
    end if;
    written := x.given;
    continue when starts_with(x.field, 'address:') and platform.is_kept_away('email', x.given ->> 'key')
      or starts_with(x.field, 'phone:') and platform.is_kept_away('phone', x.given ->> 'key');
    if starts_with(x.field, 'custom.') then
      insert into crm.custom_field_values (field_id, customer_id, value)
      select f.id, of_customer, x.given from crm.custom_fields f where f.record = 'customer' and f.key = substr(x.field, 8)
      on conflict (field_id, customer_id) do update set value = excluded.value;
    elsif starts_with(x.field, 'address:') then
      begin
        perform platform.add_address(of_customer, x.given ->> 'address', x.given ->> 'key');
      exception when unique_violation then
        conflicts := conflicts || jsonb_build_object(x.field, jsonb_build_object('theirs', x.given));
        continue;
      end;
    elsif starts_with(x.field, 'phone:') then
      perform platform.add_phone(of_customer, x.given ->> 'phone', x.given ->> 'key', x.given ->> 'extension');
    else
      insert into crm.activities (customer_id, type, description, occurred_at, created_by_app, created_by, idempotency_key)
      values (of_customer, 'note', x.given #>> '{}', now(), 'foundation',
        (select u.id from platform.users u where u.id = platform.current_actor()),
        'import:' || source || ':' || of_customer || ':' || substr(x.field, 6))
      on conflict (created_by_app, idempotency_key) do nothing;
    end if;
    select c.version into of_version from platform.customers c where c.id = of_customer;
    insert into sync.import_writes (run, n, customer, field, before, after, version)
    values (of_run, of_n, of_customer, x.field, x.present, written, of_version) on conflict do nothing;
  end loop;
  return conflicts;
end $function$;

CREATE OR REPLACE FUNCTION sync.write_minute(at_minute timestamp with time zone, given sync.gauge_row[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into sync.series (id, name, label, fold)
  select known.last + row_number() over (order by n.name, n.label), n.name, n.label, sync.fold_of(n.name)
  from (
      select f.name, coalesce(f.label, '') as label from unnest(given) f
      where f.name ~ '^[a-z][a-z0-9_]{0,59}$' and octet_length(coalesce(f.label, '')) <= 120
      except select s.name, s.label from sync.series s) n
    cross join (select coalesce(max(s.id), 0) as last from sync.series s) known
  order by 1 limit (select 400 - coalesce(max(s.id), 0) from sync.series s);
  insert into sync.rollup (step_seconds, at, measured)
  select 60, at_minute, coalesce(array_agg(v.value::real order by s.id), '{}')
  from sync.series s left join (
    select f.name, coalesce(f.label, '') as label, sum(f.value) as value
    from unnest(given) f where abs(f.value) < 1e15 group by f.name, 2) v on v.name = s.name and v.label = s.label
  on conflict do nothing;
end $function$;

create table sync.alert_deliveries (
  alert_id bigint not null,
  target text collate "C" not null,
  state text default 'waiting'::text not null,
  attempts integer default 0 not null,
  attempt_at timestamp with time zone default clock_timestamp() not null,
  claimed_until timestamp with time zone,
  error text,
  settled_at timestamp with time zone,
  constraint alert_deliveries_pkey PRIMARY KEY (alert_id, target),
  constraint alert_deliveries_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES sync.alerts(id) ON DELETE CASCADE,
  constraint alert_deliveries_target_fkey FOREIGN KEY (target) REFERENCES sync.alert_targets(name),
  constraint alert_deliveries_error_check CHECK ((char_length(error) <= 300)),
  constraint alert_deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'given-up'::text])))
);
comment on column sync.alert_deliveries.error is 'Why the last attempt failed: a code or a status, no text of the other side.';
CREATE INDEX alert_deliveries_of_target ON sync.alert_deliveries USING btree (target);
CREATE INDEX alert_deliveries_waiting ON sync.alert_deliveries USING btree (target, alert_id) WHERE (state = 'waiting'::text);
alter table sync.alert_deliveries enable row level security, force row level security;
create policy looks_read on sync.alert_deliveries for select to console_role, sync_role using (true);
create policy owner_all on sync.alert_deliveries for all to platform_owner using (true) with check (true);
grant select on sync.alert_deliveries to console_role;
grant select on sync.alert_deliveries to sync_role;

create table sync.alert_silences (
  id bigint generated always as identity not null,
  slug text collate "C",
  kind text collate "C",
  until timestamp with time zone not null,
  reason text not null,
  actor text collate "C",
  login name default SESSION_USER not null,
  created_at timestamp with time zone default clock_timestamp() not null,
  ended_at timestamp with time zone,
  constraint alert_silences_pkey PRIMARY KEY (id),
  constraint alert_silences_actor_check CHECK ((char_length(actor) <= 255)),
  constraint alert_silences_check CHECK ((num_nonnulls(slug, kind) = 1)),
  constraint alert_silences_kind_check CHECK (((octet_length(kind) >= 1) AND (octet_length(kind) <= 60))),
  constraint alert_silences_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500))),
  constraint alert_silences_slug_check CHECK (((octet_length(slug) >= 1) AND (octet_length(slug) <= 200)))
);
comment on column sync.alert_silences.actor is 'The person who silenced; of the command `command:` and a name. The login is beside it.';
comment on column sync.alert_silences.ended_at is 'When a person ended it before its time.';
CREATE INDEX alert_silences_of_actor ON sync.alert_silences USING btree (actor) WHERE (actor IS NOT NULL);
CREATE INDEX alert_silences_until ON sync.alert_silences USING btree (until);
alter table sync.alert_silences enable row level security, force row level security;
create policy looks_read on sync.alert_silences for select to console_role, sync_role using (true);
create policy owner_all on sync.alert_silences for all to platform_owner using (true) with check (true);
grant select on sync.alert_silences to console_role;
grant select on sync.alert_silences to sync_role;

create table sync.alert_states (
  slug text collate "C" not null,
  kind text collate "C" not null,
  told text collate "C" not null,
  sent text collate "C" not null,
  alert_id bigint,
  restless_since timestamp with time zone,
  gone_since timestamp with time zone,
  constraint alert_states_pkey PRIMARY KEY (slug)
);
comment on column sync.alert_states.restless_since is 'Since when the check has not kept the state that was told. Null while it keeps it.';
comment on column sync.alert_states.gone_since is 'Since when the check is missing.';
alter table sync.alert_states enable row level security, force row level security;
create policy looks_read on sync.alert_states for select to console_role, sync_role using (true);
create policy owner_all on sync.alert_states for all to platform_owner using (true) with check (true);
grant select on sync.alert_states to console_role;
grant select on sync.alert_states to sync_role;

create table sync.alert_targets (
  name text collate "C" not null,
  seen_at timestamp with time zone default clock_timestamp() not null,
  constraint alert_targets_pkey PRIMARY KEY (name),
  constraint alert_targets_name_check CHECK ((name = ANY (ARRAY['webhook'::text, 'email'::text])))
);
alter table sync.alert_targets enable row level security, force row level security;
create policy looks_read on sync.alert_targets for select to console_role, sync_role using (true);
create policy owner_all on sync.alert_targets for all to platform_owner using (true) with check (true);
grant select on sync.alert_targets to console_role;
grant select on sync.alert_targets to sync_role;

create table sync.alert_turn (
  only_one boolean default true not null,
  announced_at timestamp with time zone default '-infinity'::timestamp with time zone not null,
  constraint alert_turn_pkey PRIMARY KEY (only_one),
  constraint alert_turn_only_one_check CHECK (only_one)
);
alter table sync.alert_turn enable row level security, force row level security;
create policy owner_all on sync.alert_turn for all to platform_owner using (true) with check (true);

create table sync.alerts (
  id bigint generated always as identity not null,
  message_id text collate "C" default ('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text)) not null,
  slug text collate "C" not null,
  kind text collate "C" not null,
  status text collate "C" not null,
  previous text collate "C" not null,
  reason text not null,
  since timestamp with time zone not null,
  told_at timestamp with time zone default clock_timestamp() not null,
  silence_id bigint,
  acknowledged_by text collate "C",
  acknowledged_at timestamp with time zone,
  constraint alerts_pkey PRIMARY KEY (id),
  constraint alerts_message_id_key UNIQUE (message_id),
  constraint alerts_silence_id_fkey FOREIGN KEY (silence_id) REFERENCES sync.alert_silences(id),
  constraint alerts_acknowledged_by_check CHECK ((char_length(acknowledged_by) <= 255)),
  constraint alerts_check CHECK (((acknowledged_at IS NULL) = (acknowledged_by IS NULL)))
);
comment on column sync.alerts.message_id is 'The same in every attempt, to every target: a receiver knows a repetition by it.';
comment on column sync.alerts.status is 'The state of the check, or `gone` if its subject is no more.';
comment on column sync.alerts.previous is 'The state that was told before.';
comment on column sync.alerts.silence_id is 'The silence that was in force when it was told: it was recorded and not sent then.';
CREATE INDEX alerts_acknowledged ON sync.alerts USING btree (acknowledged_by) WHERE (acknowledged_by IS NOT NULL);
CREATE INDEX alerts_of_check ON sync.alerts USING btree (slug, told_at);
CREATE INDEX alerts_of_silence ON sync.alerts USING btree (silence_id) WHERE (silence_id IS NOT NULL);
CREATE INDEX alerts_told_at ON sync.alerts USING btree (told_at);
alter table sync.alerts enable row level security, force row level security;
create policy looks_read on sync.alerts for select to console_role, sync_role using (true);
create policy owner_all on sync.alerts for all to platform_owner using (true) with check (true);
grant select on sync.alerts to console_role;
grant select on sync.alerts to sync_role;

create table sync.attempts (
  id bigint generated always as identity not null,
  subscription text collate "C" not null,
  "position" bigint not null,
  attempt integer not null,
  ended_at timestamp with time zone default clock_timestamp() not null,
  duration_ms integer,
  process text collate "C" not null,
  cause text collate "C",
  error text,
  constraint attempts_pkey PRIMARY KEY (id),
  constraint attempts_error_check CHECK ((char_length(error) <= 1000)),
  constraint attempts_process_check CHECK ((char_length(process) <= 120))
) with (vacuum_truncate=false);
comment on table sync.attempts is 'Append-only: every attempt that failed, and every one that handled a parked event. An event that was never parked has none.';
comment on column sync.attempts.duration_ms is 'Null: it took its transaction down, so that nothing was measured.';
comment on column sync.attempts.error is 'Null: this attempt handled the event.';
CREATE INDEX attempts_of_event ON sync.attempts USING btree ("position", subscription, id);
CREATE TRIGGER keep BEFORE UPDATE ON sync.attempts FOR EACH STATEMENT WHEN ((CURRENT_USER <> 'erase_role'::name)) EXECUTE FUNCTION sync.keep_attempt();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON sync.attempts FOR EACH STATEMENT EXECUTE FUNCTION sync.keep_attempt();
alter table sync.attempts enable row level security, force row level security;
create policy console_read on sync.attempts for select to console_role using (true);
create policy erase_all on sync.attempts for all to erase_role using (true) with check (true);
create policy owner_all on sync.attempts for all to platform_owner using (true) with check (true);
create policy sync_read on sync.attempts for select to sync_role using (true);
grant delete on sync.attempts to erase_role;
grant maintain on sync.attempts to privacy_role;
grant select on sync.attempts to console_role;
grant select on sync.attempts to erase_role;
grant select on sync.attempts to sync_role;
grant update on sync.attempts to erase_role;

create table sync.bulk_items (
  run bigint not null,
  "position" bigint not null,
  state text collate "C",
  because text,
  constraint bulk_items_pkey PRIMARY KEY (run, "position"),
  constraint bulk_items_run_fkey FOREIGN KEY (run) REFERENCES sync.bulk_runs(id) ON DELETE CASCADE,
  constraint bulk_items_because_check CHECK ((char_length(because) <= 200)),
  constraint bulk_items_check CHECK (((because IS NULL) OR (state = 'refused'::text))),
  constraint bulk_items_state_check CHECK ((state = ANY (ARRAY['tried'::text, 'handled'::text, 'failed'::text, 'held_back'::text, 'skipped'::text, 'mended'::text, 'refused'::text, 'gone'::text])))
);
comment on table sync.bulk_items is 'What a run is about: positions of events, or ids of findings.';
comment on column sync.bulk_items.state is 'Null: the worker has not come to it.';
comment on column sync.bulk_items.because is 'Why a repair was refused: the rule that it would break, and nothing of the record.';
CREATE INDEX bulk_items_refused ON sync.bulk_items USING btree (run, because) WHERE (state = 'refused'::text);
CREATE INDEX bulk_items_skipped ON sync.bulk_items USING btree ("position") WHERE (state = 'skipped'::text);
CREATE INDEX bulk_items_tried ON sync.bulk_items USING btree (run, "position") WHERE (state = 'tried'::text);
alter table sync.bulk_items enable row level security, force row level security;
create policy console_read on sync.bulk_items for select to console_role using (true);
create policy owner_all on sync.bulk_items for all to platform_owner using (true) with check (true);
create policy sync_read on sync.bulk_items for select to sync_role using (true);
grant select on sync.bulk_items to console_role;
grant select on sync.bulk_items to sync_role;

create table sync.bulk_runs (
  id bigint generated always as identity not null,
  kind text collate "C" not null,
  subscription text collate "C",
  filter jsonb not null,
  reason text,
  state text collate "C" default 'frozen'::text not null,
  total bigint default 0 not null,
  rate_per_second integer default 500 not null,
  up_to_position bigint default 0 not null,
  attempts_after bigint default 0 not null,
  tried bigint default 0 not null,
  handled bigint default 0 not null,
  failed bigint default 0 not null,
  held_back bigint default 0 not null,
  skipped bigint default 0 not null,
  mended bigint default 0 not null,
  refused bigint default 0 not null,
  gone bigint default 0 not null,
  untouched bigint default 0 not null,
  actor text collate "C",
  login name default SESSION_USER not null,
  frozen_at timestamp with time zone default clock_timestamp() not null,
  confirmed_at timestamp with time zone,
  due_at timestamp with time zone,
  faults smallint default 0 not null,
  fault text collate "C",
  ended_at timestamp with time zone,
  constraint bulk_runs_pkey PRIMARY KEY (id),
  constraint bulk_runs_check CHECK (((kind = 'repair'::text) = (subscription IS NULL))),
  constraint bulk_runs_check1 CHECK (((state = 'frozen'::text) = (confirmed_at IS NULL))),
  constraint bulk_runs_check2 CHECK (((ended_at IS NULL) OR ((((((((handled + failed) + held_back) + skipped) + mended) + refused) + gone) + untouched) = total))),
  constraint bulk_runs_fault_check CHECK ((char_length(fault) <= 100)),
  constraint bulk_runs_filter_check CHECK (((jsonb_typeof(filter) = 'object'::text) AND (octet_length((filter)::text) <= 4096))),
  constraint bulk_runs_kind_check CHECK ((kind = ANY (ARRAY['redrive'::text, 'skip'::text, 'repair'::text]))),
  constraint bulk_runs_rate_per_second_check CHECK (((rate_per_second >= 1) AND (rate_per_second <= 5000))),
  constraint bulk_runs_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500))),
  constraint bulk_runs_state_check CHECK ((state = ANY (ARRAY['frozen'::text, 'running'::text, 'paused'::text, 'cancelled'::text, 'done'::text])))
);
comment on column sync.bulk_runs.subscription is 'Null for a repair, whose filter names the finding.';
comment on column sync.bulk_runs.up_to_position is 'The worker has taken every item of the set up to here.';
comment on column sync.bulk_runs.tried is 'Events that were given back to the subscription, and of which nothing is known yet.';
comment on column sync.bulk_runs.failed is 'Events that failed again.';
comment on column sync.bulk_runs.held_back is 'Events that were given back and wait behind another event that has failed.';
comment on column sync.bulk_runs.refused is 'Findings that a repair did not mend; sync.bulk_items says why.';
comment on column sync.bulk_runs.gone is 'Events that had not failed any more when the worker came to them, or that somebody else took away; findings that were true no more.';
comment on column sync.bulk_runs.untouched is 'Items that the worker had not come to when the run was cancelled.';
comment on column sync.bulk_runs.faults is 'How many of its last batches in a row were undone by an error; after each it is due later.';
comment on column sync.bulk_runs.fault is 'The SQLSTATE of the last of these errors and the constraint, if one was broken. Never a message, which may hold data.';
CREATE INDEX bulk_runs_open ON sync.bulk_runs USING btree (due_at) WHERE ((ended_at IS NULL) AND (state = ANY (ARRAY['running'::text, 'cancelled'::text])));
alter table sync.bulk_runs enable row level security, force row level security;
create policy console_read on sync.bulk_runs for select to console_role using (true);
create policy owner_all on sync.bulk_runs for all to platform_owner using (true) with check (true);
create policy sync_read on sync.bulk_runs for select to sync_role using (true);
grant select on sync.bulk_runs to console_role;
grant select on sync.bulk_runs to sync_role;

create table sync.causes (
  subscription text collate "C" not null,
  cause text collate "C" not null,
  error_class text collate "C" not null,
  shape text not null,
  failures bigint not null,
  first_at timestamp with time zone not null,
  last_at timestamp with time zone not null,
  hour timestamp with time zone not null,
  by_hour integer[] not null,
  sample_position bigint not null,
  constraint causes_pkey PRIMARY KEY (subscription, cause),
  constraint causes_subscription_fkey FOREIGN KEY (subscription) REFERENCES sync.subscriptions(name) ON DELETE CASCADE,
  constraint causes_cause_check CHECK ((cause ~ '^[0-9a-f]{16}$'::text)),
  constraint causes_error_class_check CHECK (((char_length(error_class) >= 1) AND (char_length(error_class) <= 120))),
  constraint causes_shape_check CHECK ((char_length(shape) <= 300))
) with (fillfactor=30, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, vacuum_truncate=false);
comment on table sync.causes is 'Why events of a subscription fail. How many of them are parked now is counted in sync.parked.';
comment on column sync.causes.shape is 'The text of the error without ids, numbers, addresses and quoted values: it names no person.';
comment on column sync.causes.failures is 'Failed attempts since first_at.';
comment on column sync.causes.by_hour is 'Failed attempts in `hour` and in the 23 hours before it, the newest first.';
CREATE INDEX causes_last ON sync.causes USING btree (last_at, subscription, cause);
alter table sync.causes enable row level security, force row level security;
create policy console_read on sync.causes for select to console_role using (true);
create policy owner_all on sync.causes for all to platform_owner using (true) with check (true);
create policy sync_read on sync.causes for select to sync_role using (true);
grant select on sync.causes to console_role;
grant select on sync.causes to sync_role;

create table sync.check_states (
  slug text collate "C" not null,
  kind text collate "C" not null,
  status text collate "C" not null,
  reason text not null,
  measures jsonb not null,
  since timestamp with time zone default clock_timestamp() not null,
  worsens_since timestamp with time zone,
  source text collate "C" not null,
  constraint check_states_pkey PRIMARY KEY (slug),
  constraint check_states_slug_check CHECK (((octet_length(slug) >= 1) AND (octet_length(slug) <= 200))),
  constraint check_states_status_check CHECK ((status = ANY (ARRAY['ok'::text, 'paused'::text, 'catching-up'::text, 'warning'::text, 'unknown'::text, 'parked'::text, 'stalled'::text, 'silent'::text, 'failing'::text])))
) with (fillfactor=40, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on table sync.check_states is 'A change of `status` is a change of state, and is written once, whoever evaluates. A row that goes away is a subject that is gone.';
comment on column sync.check_states.worsens_since is 'A worse or another bad status has been seen since then, which does not count yet: see sync.waits_to_worsen. Null: none.';
alter table sync.check_states enable row level security, force row level security;
create policy looks_read on sync.check_states for select to console_role, observer_role, sync_role using (true);
create policy owner_all on sync.check_states for all to platform_owner using (true) with check (true);
grant select on sync.check_states to console_role;
grant select on sync.check_states to observer_role;
grant select on sync.check_states to sync_role;

create table sync.consumer_effects (
  event bigint not null,
  consumer text collate "C" not null,
  state text collate "C" not null,
  attempt integer not null,
  lag_ms double precision not null,
  at timestamp with time zone not null,
  constraint consumer_effects_pkey PRIMARY KEY (event, consumer),
  constraint consumer_effects_state_check CHECK ((state = ANY (ARRAY['handled'::text, 'retrying'::text, 'waiting'::text, 'dead'::text, 'outdated'::text])))
);
CREATE INDEX consumer_effects_at ON sync.consumer_effects USING btree (at);
alter table sync.consumer_effects enable row level security, force row level security;
create policy erase_read on sync.consumer_effects for select to erase_role using (true);
create policy looks_read on sync.consumer_effects for select to console_role, sync_role using (true);
create policy owner_all on sync.consumer_effects for all to platform_owner using (true) with check (true);
create policy worker_writes on sync.consumer_effects for all to sync_role using (true) with check (true);
grant delete on sync.consumer_effects to sync_role;
grant insert (event, consumer, state, attempt, lag_ms, at) on sync.consumer_effects to sync_role;
grant select on sync.consumer_effects to console_role;
grant select on sync.consumer_effects to erase_role;
grant select on sync.consumer_effects to sync_role;
grant update (state, attempt, lag_ms, at) on sync.consumer_effects to sync_role;

create table sync.consumer_orders (
  id bigint generated always as identity not null,
  consumer text collate "C" not null,
  act text collate "C" not null,
  scope jsonb default '{}'::jsonb not null,
  state text collate "C" default 'waiting'::text not null,
  outcome jsonb,
  reason text,
  actor text collate "C",
  ordered_at timestamp with time zone default clock_timestamp() not null,
  sent_at timestamp with time zone,
  ended_at timestamp with time zone,
  constraint consumer_orders_pkey PRIMARY KEY (id),
  constraint consumer_orders_consumer_fkey FOREIGN KEY (consumer) REFERENCES sync.consumers(name) ON DELETE CASCADE,
  constraint consumer_orders_act_check CHECK ((act = ANY (ARRAY['resubmit'::text, 'retry'::text, 'skip'::text, 'pause'::text, 'resume'::text]))),
  constraint consumer_orders_check CHECK (((ended_at IS NOT NULL) = (state = ANY (ARRAY['done'::text, 'failed'::text, 'unanswered'::text])))),
  constraint consumer_orders_outcome_check CHECK ((octet_length((outcome)::text) <= 8192)),
  constraint consumer_orders_scope_check CHECK (((jsonb_typeof(scope) = 'object'::text) AND (octet_length((scope)::text) <= 8192))),
  constraint consumer_orders_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'done'::text, 'failed'::text, 'unanswered'::text])))
);
CREATE INDEX consumer_orders_id_idx ON sync.consumer_orders USING btree (id) WHERE (state = ANY (ARRAY['waiting'::text, 'sent'::text]));
CREATE INDEX consumer_orders_of ON sync.consumer_orders USING btree (consumer, id DESC);
alter table sync.consumer_orders enable row level security, force row level security;
create policy looks_read on sync.consumer_orders for select to console_role, sync_role using (true);
create policy owner_all on sync.consumer_orders for all to platform_owner using (true) with check (true);
create policy worker_changes on sync.consumer_orders for update to sync_role using (true) with check (true);
grant select on sync.consumer_orders to console_role;
grant select on sync.consumer_orders to sync_role;
grant update (state, outcome, sent_at, ended_at) on sync.consumer_orders to sync_role;

create table sync.consumers (
  name text collate "C" not null,
  letters jsonb default '[]'::jsonb not null,
  parked jsonb default '[]'::jsonb not null,
  is_paused boolean default false not null,
  reported_at timestamp with time zone,
  seen_at timestamp with time zone default clock_timestamp() not null,
  constraint consumers_pkey PRIMARY KEY (name),
  constraint consumers_letters_check CHECK (((jsonb_typeof(letters) = 'array'::text) AND (octet_length((letters)::text) <= 131072))),
  constraint consumers_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$'::text)),
  constraint consumers_parked_check CHECK (((jsonb_typeof(parked) = 'array'::text) AND (octet_length((parked)::text) <= 131072)))
);
comment on table sync.consumers is 'Ids, types, states and classes of errors only: no data of events and no text of errors.';
comment on column sync.consumers.letters is 'Dead letters of its subscription, the oldest hundred.';
comment on column sync.consumers.parked is 'Events that wait in its own database, the first twenty, as its processes report them.';
comment on column sync.consumers.is_paused is 'As its processes report: the checks do not tell it while events wait for a person.';
alter table sync.consumers enable row level security, force row level security;
create policy erase_read on sync.consumers for select to erase_role using (true);
create policy looks_read on sync.consumers for select to console_role, sync_role using (true);
create policy owner_all on sync.consumers for all to platform_owner using (true) with check (true);
create policy worker_writes on sync.consumers for all to sync_role using (true) with check (true);
grant delete on sync.consumers to sync_role;
grant insert (name, letters, parked, is_paused, reported_at, seen_at) on sync.consumers to sync_role;
grant select on sync.consumers to console_role;
grant select on sync.consumers to erase_role;
grant select on sync.consumers to sync_role;
grant update (letters, parked, is_paused, reported_at, seen_at) on sync.consumers to sync_role;

create table sync.entities (
  name text collate "C" not null,
  audience text collate "C" not null,
  constraint entities_pkey PRIMARY KEY (name),
  constraint entities_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,39}$'::text))
);
alter table sync.entities enable row level security, force row level security;
create policy owner_all on sync.entities for all to platform_owner using (true) with check (true);

create table sync.events (
  "position" bigint not null,
  id bigint not null,
  type text collate "C" not null,
  key text collate "C" not null,
  customer uuid,
  row_id text collate "C" not null,
  version bigint,
  audience text collate "C" not null,
  app text collate "C" not null,
  login name not null,
  actor text collate "C",
  data jsonb not null,
  previous jsonb not null,
  trace text collate "C",
  occurred_at timestamp with time zone not null,
  sequenced_at timestamp with time zone default clock_timestamp() not null,
  constraint events_pkey PRIMARY KEY ("position")
) partition by RANGE ("position");
comment on column sync.events."position" is 'Dense. A reader that has read up to a position has missed nothing before it: an event that commits later gets a later position, and the changes of a row keep their order.';
comment on column sync.events.key is 'The row, or a row that it never leaves (the session of a message). All events of a row have the same key, for ever. Events of one key are handled in order.';
comment on column sync.events.customer is 'The customer, if it was known when the event was written. It may have been merged since: see sync.list_merged.';
comment on column sync.events.data is 'All columns of a created row; the changed columns of an updated one; always the columns that name the row.';
CREATE INDEX events_customer ON ONLY sync.events USING btree (customer, "position") WHERE (customer IS NOT NULL);
CREATE INDEX events_key ON ONLY sync.events USING btree (key, "position");
alter table sync.events enable row level security, force row level security;
create policy apps_read on sync.events for select to app_role using (((audience = 'platform'::text) OR (audience = ( SELECT platform.audience_of(platform.current_app()) AS audience_of))));
create policy console_read on sync.events for select to console_role using (true);
create policy erase_all on sync.events for all to erase_role using (true) with check (true);
create policy merge_read on sync.events for select to merge_role using (true);
create policy owner_all on sync.events for all to platform_owner using (true) with check (true);
create policy sync_read on sync.events for select to sync_role using (true);
grant delete on sync.events to erase_role;
grant maintain on sync.events to privacy_role;
grant select on sync.events to app_role;
grant select on sync.events to erase_role;
grant select on sync.events to merge_role;
grant select on sync.events to sync_role;
grant update on sync.events to erase_role;

create table sync.events_p… (
  "position" bigint not null,
  id bigint not null,
  type text collate "C" not null,
  key text collate "C" not null,
  customer uuid,
  row_id text collate "C" not null,
  version bigint,
  audience text collate "C" not null,
  app text collate "C" not null,
  login name not null,
  actor text collate "C",
  data jsonb not null,
  previous jsonb not null,
  trace text collate "C",
  occurred_at timestamp with time zone not null,
  sequenced_at timestamp with time zone default clock_timestamp() not null,
  constraint events_p…_pkey PRIMARY KEY ("position")
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=10000, autovacuum_vacuum_insert_scale_factor=0, autovacuum_vacuum_insert_threshold=50000, autovacuum_freeze_min_age=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
alter table sync.events_p… attach to sync.events;
CREATE INDEX events_p…_customer_position_idx ON sync.events_p… USING btree (customer, "position") WHERE (customer IS NOT NULL);
CREATE INDEX events_p…_key_position_idx ON sync.events_p… USING btree (key, "position");
alter table sync.events_p… enable row level security, force row level security;
create policy owner_all on sync.events_p… for all to platform_owner using (true) with check (true);

create table sync.health (
  only_one boolean default true not null,
  evaluated_at timestamp with time zone default '-infinity'::timestamp with time zone not null,
  horizon xid,
  horizon_since timestamp with time zone,
  head bigint default 0 not null,
  head_since timestamp with time zone default clock_timestamp() not null,
  rolled_at timestamp with time zone,
  rolled_position bigint default 0 not null,
  log_bytes bigint,
  log_partitions integer,
  log_largest_bytes bigint,
  log_measured_at timestamp with time zone,
  constraint health_pkey PRIMARY KEY (only_one),
  constraint health_only_one_check CHECK (only_one)
) with (fillfactor=25, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on column sync.health.horizon is 'The oldest transaction id that an open transaction of this database still needs, and since when it has been the oldest. It tells how long a transaction has been open without the right to look into the sessions of others.';
comment on column sync.health.head is 'The newest position at the last evaluation, and since when it has been the newest.';
comment on column sync.health.rolled_at is 'The end of the last minute in the rollup, and the last position that is counted in it.';
alter table sync.health enable row level security, force row level security;
create policy looks_read on sync.health for select to console_role, sync_role using (true);
create policy owner_all on sync.health for all to platform_owner using (true) with check (true);
grant select on sync.health to console_role;
grant select on sync.health to sync_role;

create table sync.health_limits (
  name text collate "C" not null,
  value double precision not null,
  meaning text not null,
  constraint health_limits_pkey PRIMARY KEY (name),
  constraint health_limits_value_check CHECK (((value > (0)::double precision) AND (value < ('1000000000000000'::numeric)::double precision)))
);
alter table sync.health_limits enable row level security, force row level security;
create policy looks_read on sync.health_limits for select to console_role, sync_role using (true);
create policy owner_all on sync.health_limits for all to platform_owner using (true) with check (true);
grant select on sync.health_limits to console_role;
grant select on sync.health_limits to sync_role;

create table sync.health_sources (
  function_name text collate "C" not null,
  gives text not null,
  constraint health_sources_pkey PRIMARY KEY (function_name),
  constraint health_sources_function_name_check CHECK ((function_name ~ '^sync\.[a-z][a-z0-9_]{1,59}$'::text)),
  constraint health_sources_gives_check CHECK ((gives = ANY (ARRAY['checks'::text, 'gauges'::text])))
);
alter table sync.health_sources enable row level security, force row level security;
create policy owner_all on sync.health_sources for all to platform_owner using (true) with check (true);

create table sync.heartbeats (
  app text collate "C" not null,
  process text collate "C" not null,
  login name not null,
  started_at timestamp with time zone default clock_timestamp() not null,
  beat_at timestamp with time zone default clock_timestamp() not null,
  ended_at timestamp with time zone,
  clock_off_ms double precision not null,
  clock_last_ms double precision not null,
  report jsonb not null,
  turns jsonb not null,
  counted jsonb default '{}'::jsonb not null,
  constraint heartbeats_pkey PRIMARY KEY (app, process)
) with (fillfactor=25, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on column sync.heartbeats.app is 'The app of the login that wrote the row: no app can speak for another.';
comment on column sync.heartbeats.ended_at is 'When the process said that it ends. A process that ends without a word stays here, and is silent.';
comment on column sync.heartbeats.clock_off_ms is 'The clock of the process less that of the database. A beat that is late looks like a clock that is slow, so that the later of the last two beats counts.';
comment on column sync.heartbeats.turns is 'For each part of the process: how many turns it has made, and when the database first heard of that number (seconds since 1970).';
comment on column sync.heartbeats.counted is 'The counters of the report that are in the rollup already.';
alter table sync.heartbeats enable row level security, force row level security;
create policy looks_read on sync.heartbeats for select to console_role, sync_role using (true);
create policy owner_all on sync.heartbeats for all to platform_owner using (true) with check (true);
grant select on sync.heartbeats to console_role;
grant select on sync.heartbeats to sync_role;

create table sync.import_candidates (
  run bigint not null,
  n integer not null,
  other_n integer,
  other_customer uuid,
  score double precision not null,
  reasons jsonb not null
);
CREATE INDEX import_candidates_customer ON sync.import_candidates USING btree (other_customer) WHERE (other_customer IS NOT NULL);
CREATE INDEX import_candidates_run_n_idx ON sync.import_candidates USING btree (run, n);
alter table sync.import_candidates enable row level security, force row level security;
create policy console_read on sync.import_candidates for select to console_role using (true);
create policy erase_all on sync.import_candidates for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_candidates for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_candidates for select to sync_role using (true);
grant delete on sync.import_candidates to erase_role;
grant maintain on sync.import_candidates to privacy_role;
grant select on sync.import_candidates to console_role;
grant select on sync.import_candidates to erase_role;
grant select on sync.import_candidates to sync_role;
grant update on sync.import_candidates to erase_role;

create table sync.import_chunks (
  upload bigint not null,
  place integer not null,
  bytes bytea not null,
  constraint import_chunks_pkey PRIMARY KEY (upload, place),
  constraint import_chunks_upload_fkey FOREIGN KEY (upload) REFERENCES sync.import_uploads(id) ON DELETE CASCADE,
  constraint import_chunks_place_check CHECK ((place >= 0))
);
comment on column sync.import_chunks.place is 'From 0, in the order of the file.';
alter table sync.import_chunks enable row level security, force row level security;
create policy erase_all on sync.import_chunks for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_chunks for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_chunks for select to sync_role using (true);
grant delete on sync.import_chunks to erase_role;
grant maintain on sync.import_chunks to privacy_role;
grant select on sync.import_chunks to erase_role;
grant select on sync.import_chunks to sync_role;
grant update on sync.import_chunks to erase_role;

create table sync.import_decisions (
  one text collate "C" not null,
  other text collate "C" not null,
  answer text collate "C" not null,
  run bigint not null,
  one_customer uuid,
  other_customer uuid,
  decided_at timestamp with time zone default clock_timestamp() not null,
  actor text collate "C" default platform.current_actor(),
  login name default SESSION_USER not null,
  constraint import_decisions_pkey PRIMARY KEY (one, other),
  constraint import_decisions_answer_check CHECK ((answer = ANY (ARRAY['same'::text, 'different'::text, 'later'::text]))),
  constraint import_decisions_check CHECK ((one < other))
);
comment on column sync.import_decisions.one is '`line:` and a hash (sync.import_person), or `customer:` and an id.';
comment on column sync.import_decisions.run is 'Where it was answered the last time.';
comment on column sync.import_decisions.one_customer is 'What the line became, once it was applied. No reference: an undo removes customers.';
CREATE INDEX import_decisions_decided_at_idx ON sync.import_decisions USING btree (decided_at);
CREATE INDEX import_decisions_one ON sync.import_decisions USING btree (one_customer) WHERE (one_customer IS NOT NULL);
CREATE INDEX import_decisions_other ON sync.import_decisions USING btree (other_customer) WHERE (other_customer IS NOT NULL);
CREATE INDEX import_decisions_other_idx ON sync.import_decisions USING btree (other);
alter table sync.import_decisions enable row level security, force row level security;
create policy console_read on sync.import_decisions for select to console_role using (true);
create policy erase_all on sync.import_decisions for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_decisions for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_decisions for select to sync_role using (true);
grant delete on sync.import_decisions to erase_role;
grant maintain on sync.import_decisions to privacy_role;
grant select on sync.import_decisions to console_role;
grant select on sync.import_decisions to erase_role;
grant select on sync.import_decisions to sync_role;
grant update on sync.import_decisions to erase_role;

create table sync.import_files (
  run bigint not null,
  file smallint not null,
  source text collate "C" not null,
  name text not null,
  sha256 text collate "C",
  lines integer default 0 not null,
  constraint import_files_pkey PRIMARY KEY (run, file),
  constraint import_files_run_fkey FOREIGN KEY (run) REFERENCES sync.import_runs(id),
  constraint import_files_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 400))),
  constraint import_files_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint import_files_source_check CHECK ((source ~ '^[a-z0-9][a-z0-9._-]{0,59}$'::text))
);
comment on column sync.import_files.source is 'Where the ids of its rows come from. A row is known again by its source and its id.';
alter table sync.import_files enable row level security, force row level security;
create policy console_read on sync.import_files for select to console_role using (true);
create policy owner_all on sync.import_files for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_files for select to sync_role using (true);
grant select on sync.import_files to console_role;
grant select on sync.import_files to sync_role;

create table sync.import_jobs (
  id bigint generated always as identity not null,
  kind text collate "C" not null,
  upload bigint,
  run bigint,
  settings jsonb default '{}'::jsonb not null,
  state text collate "C" default 'waiting'::text not null,
  progress jsonb default '{}'::jsonb not null,
  outcome jsonb,
  error text,
  attempts integer default 0 not null,
  worker text collate "C",
  leased_until timestamp with time zone,
  is_cancelled boolean default false not null,
  asked_at timestamp with time zone default clock_timestamp() not null,
  began_at timestamp with time zone,
  ended_at timestamp with time zone,
  actor text collate "C" default platform.current_actor(),
  login name default SESSION_USER not null,
  constraint import_jobs_pkey PRIMARY KEY (id),
  constraint import_jobs_run_fkey FOREIGN KEY (run) REFERENCES sync.import_runs(id) ON DELETE CASCADE,
  constraint import_jobs_upload_fkey FOREIGN KEY (upload) REFERENCES sync.import_uploads(id) ON DELETE CASCADE,
  constraint import_jobs_error_check CHECK ((char_length(error) <= 2000)),
  constraint import_jobs_kind_check CHECK ((kind = ANY (ARRAY['recognise'::text, 'plan'::text, 'replan'::text, 'whatif'::text, 'apply'::text, 'verify'::text, 'preview'::text, 'undo'::text]))),
  constraint import_jobs_settings_check CHECK ((jsonb_typeof(settings) = 'object'::text)),
  constraint import_jobs_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'working'::text, 'done'::text, 'failed'::text, 'cancelled'::text]))),
  constraint import_jobs_worker_check CHECK ((char_length(worker) <= 120))
);
comment on table sync.import_jobs is 'What the worker does for imports, one row for each wish.';
comment on column sync.import_jobs.run is 'Of a plan: the run that it made.';
comment on column sync.import_jobs.settings is 'Of a plan: app and files, each with its source, mapping and answers. Of a replan and a what-if: the settings of matching. Of an undo:
the reason.';
comment on column sync.import_jobs.attempts is 'How often a worker has taken it; more than once: the one before was stopped.';
comment on column sync.import_jobs.leased_until is 'Until then nobody else takes it; the worker renews it while it works.';
CREATE INDEX import_jobs_open ON sync.import_jobs USING btree (id) WHERE (state = ANY (ARRAY['waiting'::text, 'working'::text]));
CREATE INDEX import_jobs_run ON sync.import_jobs USING btree (run, id) WHERE (run IS NOT NULL);
CREATE INDEX import_jobs_upload ON sync.import_jobs USING btree (upload) WHERE (upload IS NOT NULL);
CREATE UNIQUE INDEX import_jobs_one_run ON sync.import_jobs USING btree (run) WHERE (state = ANY (ARRAY['waiting'::text, 'working'::text]));
CREATE UNIQUE INDEX import_jobs_one_upload ON sync.import_jobs USING btree (upload) WHERE (state = ANY (ARRAY['waiting'::text, 'working'::text]));
alter table sync.import_jobs enable row level security, force row level security;
create policy console_read on sync.import_jobs for select to console_role using (true);
create policy erase_read on sync.import_jobs for select to erase_role using (true);
create policy owner_all on sync.import_jobs for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_jobs for select to sync_role using (true);
grant select on sync.import_jobs to console_role;
grant select on sync.import_jobs to erase_role;
grant select on sync.import_jobs to sync_role;

create table sync.import_kept (
  run bigint not null,
  n integer not null,
  customer uuid not null,
  field text collate "C" not null,
  written jsonb,
  present jsonb,
  constraint import_kept_pkey PRIMARY KEY (run, n, field)
);
comment on column sync.import_kept.field is 'As in sync.import_writes; or the name of a table whose rows belong to the customer now.';
CREATE INDEX import_kept_customer ON sync.import_kept USING btree (customer);
alter table sync.import_kept enable row level security, force row level security;
create policy console_read on sync.import_kept for select to console_role using (true);
create policy erase_all on sync.import_kept for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_kept for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_kept for select to sync_role using (true);
grant delete on sync.import_kept to erase_role;
grant maintain on sync.import_kept to privacy_role;
grant select on sync.import_kept to console_role;
grant select on sync.import_kept to erase_role;
grant select on sync.import_kept to sync_role;
grant update on sync.import_kept to erase_role;

create table sync.import_keys (
  source text collate "C" not null,
  key text collate "C" not null,
  customer uuid not null,
  digest bigint,
  run bigint not null,
  constraint import_keys_pkey PRIMARY KEY (source, key)
);
comment on column sync.import_keys.key is 'The row''s id in its source; of a row without one its address. See sync.import_key.';
comment on column sync.import_keys.customer is 'As it was then; it may have been merged since. No reference: an undo removes customers.';
CREATE INDEX import_keys_customer_idx ON sync.import_keys USING btree (customer);
alter table sync.import_keys enable row level security, force row level security;
create policy erase_all on sync.import_keys for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_keys for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_keys for select to sync_role using (true);
grant delete on sync.import_keys to erase_role;
grant maintain on sync.import_keys to privacy_role;
grant select on sync.import_keys to erase_role;
grant select on sync.import_keys to sync_role;
grant update on sync.import_keys to erase_role;

create table sync.import_mappings (
  fingerprint text collate "C" not null,
  settings jsonb not null,
  used_at timestamp with time zone default clock_timestamp() not null,
  actor text collate "C" default platform.current_actor(),
  constraint import_mappings_pkey PRIMARY KEY (fingerprint),
  constraint import_mappings_fingerprint_check CHECK ((fingerprint ~ '^[0-9a-f]{64}$'::text)),
  constraint import_mappings_settings_check CHECK ((jsonb_typeof(settings) = 'object'::text))
);
comment on table sync.import_mappings is 'What was chosen the last time for a file with these columns, in any order.';
alter table sync.import_mappings enable row level security, force row level security;
create policy owner_all on sync.import_mappings for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_mappings for select to sync_role using (true);
grant select on sync.import_mappings to sync_role;

create table sync.import_plan_answers (
  run bigint not null,
  one text collate "C" not null,
  other text collate "C" not null,
  former text collate "C" not null,
  changes_plan boolean not null,
  constraint import_plan_answers_pkey PRIMARY KEY (run, one, other),
  constraint import_plan_answers_one_other_fkey FOREIGN KEY (one, other) REFERENCES sync.import_decisions(one, other) ON DELETE CASCADE,
  constraint import_plan_answers_run_fkey FOREIGN KEY (run) REFERENCES sync.import_runs(id),
  constraint import_plan_answers_former_check CHECK ((former = ANY (ARRAY['same'::text, 'different'::text, 'later'::text])))
);
comment on table sync.import_plan_answers is 'Answers that were given since a plan was decided. They go when it is decided again, applied or given up.';
comment on column sync.import_plan_answers.former is 'The answer that the plan follows; later: none.';
comment on column sync.import_plan_answers.changes_plan is 'Whether the plan is another one with the present answer.';
CREATE INDEX import_plan_answers_one_other_idx ON sync.import_plan_answers USING btree (one, other);
alter table sync.import_plan_answers enable row level security, force row level security;
create policy console_read on sync.import_plan_answers for select to console_role using (true);
create policy erase_all on sync.import_plan_answers for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_plan_answers for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_plan_answers for select to sync_role using (true);
grant delete on sync.import_plan_answers to erase_role;
grant maintain on sync.import_plan_answers to privacy_role;
grant select on sync.import_plan_answers to console_role;
grant select on sync.import_plan_answers to erase_role;
grant select on sync.import_plan_answers to sync_role;
grant update on sync.import_plan_answers to erase_role;

create table sync.import_rows (
  run bigint not null,
  n integer not null,
  file smallint not null,
  line bigint not null,
  outcome text collate "C" not null,
  planned text collate "C",
  code text collate "C",
  detail jsonb,
  lead integer,
  customer uuid,
  external_id text collate "C",
  email text,
  email_key text collate "C",
  name text,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  company text,
  company_domain text collate "C",
  tier text,
  owner text,
  language text collate "C",
  timezone text collate "C",
  created_at timestamp with time zone,
  extra jsonb,
  digest bigint,
  raw text,
  constraint import_rows_pkey PRIMARY KEY (run, n),
  constraint import_rows_outcome_check CHECK ((outcome = ANY (ARRAY['created'::text, 'updated'::text, 'unchanged'::text, 'held'::text, 'rejected'::text, 'excluded'::text]))),
  constraint import_rows_planned_check CHECK ((planned = ANY (ARRAY['created'::text, 'updated'::text, 'unchanged'::text, 'held'::text, 'rejected'::text, 'excluded'::text])))
) partition by LIST (run);
comment on table sync.import_rows is 'Every line of every run, with what became of it. A partition for each run, so that a run is discarded whole.';
comment on column sync.import_rows.n is 'The lines of all files of a run, counted from 1.';
comment on column sync.import_rows.outcome is 'What the plan says, until the line is applied; then what happened. import_runs.applied_to says which.';
comment on column sync.import_rows.planned is 'The outcome of the plan, if applying the line had another one; code says why.';
comment on column sync.import_rows.lead is 'The first line of the same person; the line itself if it is the first. Null: no person.';
comment on column sync.import_rows.customer is 'The customer that the line became or belongs to. No reference: an undo removes customers.';
comment on column sync.import_rows.digest is 'Of the line as it was read: the same line again needs no comparison.';
comment on column sync.import_rows.raw is 'The line as it was, of rejected, excluded and held lines: they are downloaded, mended and imported again.';
CREATE INDEX import_rows_address ON ONLY sync.import_rows USING btree (hashtextextended(email_key, (0)::bigint)) WHERE ((customer IS NULL) AND (email_key IS NOT NULL));
CREATE INDEX import_rows_changed ON ONLY sync.import_rows USING btree (run) WHERE (planned IS NOT NULL);
CREATE INDEX import_rows_customer ON ONLY sync.import_rows USING btree (customer) WHERE (customer IS NOT NULL);
CREATE INDEX import_rows_lead ON ONLY sync.import_rows USING btree (run, lead) WHERE (lead <> n);
CREATE INDEX import_rows_outcome ON ONLY sync.import_rows USING btree (run, outcome, n);
CREATE INDEX import_rows_phone ON ONLY sync.import_rows USING btree (hashtextextended(phone_key, (0)::bigint)) WHERE ((customer IS NULL) AND (phone_key IS NOT NULL));
CREATE INDEX import_rows_unread ON ONLY sync.import_rows USING btree (n) WHERE ((customer IS NULL) AND (email_key IS NULL) AND (raw IS NOT NULL));
alter table sync.import_rows enable row level security, force row level security;
create policy console_read on sync.import_rows for select to console_role using (true);
create policy erase_all on sync.import_rows for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_rows for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_rows for select to sync_role using (true);
grant delete on sync.import_rows to erase_role;
grant maintain on sync.import_rows to privacy_role;
grant select on sync.import_rows to console_role;
grant select on sync.import_rows to erase_role;
grant select on sync.import_rows to sync_role;
grant update on sync.import_rows to erase_role;

create table sync.import_runs (
  id bigint generated always as identity not null,
  app text collate "C" not null,
  state text collate "C" default 'reading'::text not null,
  settings jsonb default '{}'::jsonb not null,
  rules text collate "C" not null,
  lines integer default 0 not null,
  planned jsonb default '{}'::jsonb not null,
  unmapped jsonb default '{}'::jsonb not null,
  applied_to integer default 0 not null,
  undone_to integer,
  removed integer default 0 not null,
  restored integer default 0 not null,
  used_at timestamp with time zone default clock_timestamp() not null,
  decided_at timestamp with time zone default clock_timestamp() not null,
  created_at timestamp with time zone default clock_timestamp() not null,
  created_by text collate "C" default platform.current_actor(),
  created_by_login name default SESSION_USER not null,
  constraint import_runs_pkey PRIMARY KEY (id),
  constraint import_runs_app_check CHECK (platform.is_app(app)),
  constraint import_runs_settings_check CHECK ((jsonb_typeof(settings) = 'object'::text)),
  constraint import_runs_state_check CHECK ((state = ANY (ARRAY['reading'::text, 'planned'::text, 'applying'::text, 'applied'::text, 'undoing'::text, 'undone'::text, 'abandoned'::text])))
);
comment on column sync.import_runs.app is 'Whose customers are created: this app numbers them.';
comment on column sync.import_runs.rules is 'The version of the rules that decided who is the same person.';
comment on column sync.import_runs.planned is 'How many lines have each outcome, as the plan says.';
comment on column sync.import_runs.unmapped is 'What has no place in the database: kind → { name: lines }.';
comment on column sync.import_runs.applied_to is 'Every line up to here is applied.';
comment on column sync.import_runs.undone_to is 'Every line from here on is undone; null: no undo has begun.';
comment on column sync.import_runs.removed is 'Customers that its undo has removed, by all processes that worked on it.';
comment on column sync.import_runs.restored is 'Values that its undo has put back.';
comment on column sync.import_runs.used_at is 'A plan is given up import_plan_keep_days (sync.health_limits) after this.';
comment on column sync.import_runs.decided_at is 'The plan follows the answers that were given before this.';
alter table sync.import_runs enable row level security, force row level security;
create policy console_read on sync.import_runs for select to console_role using (true);
create policy erase_read on sync.import_runs for select to erase_role using (true);
create policy owner_all on sync.import_runs for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_runs for select to sync_role using (true);
grant select on sync.import_runs to console_role;
grant select on sync.import_runs to erase_role;
grant select on sync.import_runs to sync_role;

create table sync.import_steps (
  id bigint generated always as identity not null,
  run bigint not null,
  step text collate "C" not null,
  began_at timestamp with time zone default clock_timestamp() not null,
  ended_at timestamp with time zone,
  actor text collate "C" default platform.current_actor(),
  login name default SESSION_USER not null,
  reason text,
  outcome jsonb default '{}'::jsonb not null,
  constraint import_steps_pkey PRIMARY KEY (id),
  constraint import_steps_run_fkey FOREIGN KEY (run) REFERENCES sync.import_runs(id),
  constraint import_steps_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500))),
  constraint import_steps_step_check CHECK ((step = ANY (ARRAY['plan'::text, 'apply'::text, 'undo'::text, 'abandon'::text])))
);
CREATE INDEX import_steps_run_id_idx ON sync.import_steps USING btree (run, id);
alter table sync.import_steps enable row level security, force row level security;
create policy console_read on sync.import_steps for select to console_role using (true);
create policy owner_all on sync.import_steps for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_steps for select to sync_role using (true);
grant select on sync.import_steps to console_role;
grant select on sync.import_steps to sync_role;

create table sync.import_targets (
  run bigint not null,
  kind text collate "C" not null,
  key text collate "C" not null,
  name text,
  domain text collate "C",
  same_as text collate "C",
  target text collate "C",
  lines integer not null,
  made boolean default false not null,
  constraint import_targets_pkey PRIMARY KEY (run, kind, key),
  constraint import_targets_run_fkey FOREIGN KEY (run) REFERENCES sync.import_runs(id),
  constraint import_targets_kind_check CHECK ((kind = ANY (ARRAY['company'::text, 'tier'::text, 'owner'::text])))
);
comment on column sync.import_targets.key is 'Of a company its domain or, without one, its name; as in sync.import_company_key.';
comment on column sync.import_targets.same_as is 'The key of the company that this one is too: a name without a domain, of a company with one.';
comment on column sync.import_targets.target is 'The id of the company or the person, the key of the tier; null: there is none (yet).';
comment on column sync.import_targets.made is 'Whether this run has made the company.';
alter table sync.import_targets enable row level security, force row level security;
create policy owner_all on sync.import_targets for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_targets for select to sync_role using (true);
grant select on sync.import_targets to sync_role;

create table sync.import_uploads (
  id bigint generated always as identity not null,
  name text not null,
  size bigint not null,
  state text collate "C" default 'uploading'::text not null,
  sha256 text collate "C",
  recognition jsonb,
  refusal text,
  settings jsonb default '{}'::jsonb not null,
  is_remembered boolean default false not null,
  began_at timestamp with time zone default clock_timestamp() not null,
  stored_at timestamp with time zone,
  used_at timestamp with time zone default clock_timestamp() not null,
  actor text collate "C" default platform.current_actor(),
  login name default SESSION_USER not null,
  constraint import_uploads_pkey PRIMARY KEY (id),
  constraint import_uploads_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
  constraint import_uploads_refusal_check CHECK ((char_length(refusal) <= 2000)),
  constraint import_uploads_settings_check CHECK ((jsonb_typeof(settings) = 'object'::text)),
  constraint import_uploads_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint import_uploads_size_check CHECK (((size >= 1) AND (size <= '2147483648'::bigint))),
  constraint import_uploads_state_check CHECK ((state = ANY (ARRAY['uploading'::text, 'stored'::text, 'recognised'::text, 'refused'::text, 'removed'::text])))
);
comment on table sync.import_uploads is 'Files that people gave the console to import.';
comment on column sync.import_uploads.state is 'uploading: chunks are missing; stored: the worker has not looked yet; refused: it cannot be read; removed: its bytes are gone.';
comment on column sync.import_uploads.sha256 is 'Of the stored bytes, as the worker read them.';
comment on column sync.import_uploads.recognition is 'What was recognised: format, encoding, columns with samples, questions.';
comment on column sync.import_uploads.settings is 'What a person chose: source, mapping (a list of column and field), answers, phoneCountry. What is absent keeps what was recognised.';
comment on column sync.import_uploads.is_remembered is 'Whether the settings began as those of an earlier file with the same columns.';
comment on column sync.import_uploads.used_at is 'Its bytes are removed import_file_keep_days (sync.health_limits) after this; those of an incomplete file one day after it.';
alter table sync.import_uploads enable row level security, force row level security;
create policy console_read on sync.import_uploads for select to console_role using (true);
create policy erase_all on sync.import_uploads for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_uploads for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_uploads for select to sync_role using (true);
grant delete on sync.import_uploads to erase_role;
grant maintain on sync.import_uploads to privacy_role;
grant select on sync.import_uploads to console_role;
grant select on sync.import_uploads to erase_role;
grant select on sync.import_uploads to sync_role;
grant update on sync.import_uploads to erase_role;

create table sync.import_writes (
  run bigint not null,
  n integer not null,
  customer uuid not null,
  field text collate "C" not null,
  before jsonb,
  after jsonb not null,
  version bigint not null,
  is_undone boolean default false not null,
  constraint import_writes_pkey PRIMARY KEY (run, n, field)
);
comment on column sync.import_writes.n is 'The leading line of the person.';
comment on column sync.import_writes.field is 'name, phone, company, tier …; or custom.<key>, address:<key>, phone:<number>, note:<md5 of its text>.';
comment on column sync.import_writes.version is 'The version of the customer that this write made.';
CREATE INDEX import_writes_customer_field_idx ON sync.import_writes USING btree (customer, field);
alter table sync.import_writes enable row level security, force row level security;
create policy console_read on sync.import_writes for select to console_role using (true);
create policy erase_all on sync.import_writes for all to erase_role using (true) with check (true);
create policy owner_all on sync.import_writes for all to platform_owner using (true) with check (true);
create policy sync_read on sync.import_writes for select to sync_role using (true);
grant delete on sync.import_writes to erase_role;
grant maintain on sync.import_writes to privacy_role;
grant select on sync.import_writes to console_role;
grant select on sync.import_writes to erase_role;
grant select on sync.import_writes to sync_role;
grant update on sync.import_writes to erase_role;

create table sync.match_keys (
  customer uuid not null,
  keys bigint[] not null,
  cut_off text[] collate "C" default '{}'::text[] not null,
  constraint match_keys_pkey PRIMARY KEY (customer)
) with (fillfactor=90);
comment on table sync.match_keys is 'By which keys a customer is compared. Not a reference to customers, so that no write of a customer waits for it.';
comment on column sync.match_keys.cut_off is 'The blocks of which a key of this customer is that of too many others to be compared.';
CREATE INDEX match_keys_by_key ON sync.match_keys USING gin (keys) WITH (fastupdate=off);
alter table sync.match_keys enable row level security, force row level security;
create policy erase_all on sync.match_keys for all to erase_role using (true) with check (true);
create policy owner_all on sync.match_keys for all to platform_owner using (true) with check (true);
grant delete on sync.match_keys to erase_role;
grant maintain on sync.match_keys to privacy_role;
grant select on sync.match_keys to erase_role;
grant update on sync.match_keys to erase_role;

create table sync.match_model (
  is_only boolean default true not null,
  version bigint default 0 not null,
  rules text collate "C",
  customers bigint default 0 not null,
  model jsonb,
  words bytea,
  made_at timestamp with time zone,
  making_until timestamp with time zone,
  constraint match_model_pkey PRIMARY KEY (is_only),
  constraint match_model_check CHECK (((model IS NULL) = (words IS NULL))),
  constraint match_model_is_only_check CHECK (is_only),
  constraint match_model_model_check CHECK ((octet_length((model)::text) <= 65536)),
  constraint match_model_rules_check CHECK ((octet_length(rules) <= 40)),
  constraint match_model_words_check CHECK ((octet_length(words) <= 16777216))
);
comment on table sync.match_model is 'What importer/matching/model.ts makes of a sample of the customers; one row.';
comment on column sync.match_model.customers is 'How many customers there were when it was made.';
comment on column sync.match_model.making_until is 'A worker is making one until then, at the latest.';
alter table sync.match_model enable row level security, force row level security;
create policy owner_all on sync.match_model for all to platform_owner using (true) with check (true);

create table sync.match_walk (
  is_only boolean default true not null,
  phase text collate "C" default 'keys'::text not null,
  rules text collate "C",
  after uuid default '00000000-0000-0000-0000-000000000000'::uuid not null,
  looked_at bigint default 0 not null,
  pairs bigint default 0 not null,
  began_at timestamp with time zone default now() not null,
  ended_at timestamp with time zone,
  asked_by text collate "C",
  constraint match_walk_pkey PRIMARY KEY (is_only),
  constraint match_walk_is_only_check CHECK (is_only),
  constraint match_walk_phase_check CHECK ((phase = ANY (ARRAY['keys'::text, 'pairs'::text, 'done'::text]))),
  constraint match_walk_rules_check CHECK ((octet_length(rules) <= 40))
);
comment on table sync.match_walk is 'How far the walk over all customers is; one row.';
comment on column sync.match_walk.after is 'Every customer up to this id has been looked at in this phase.';
comment on column sync.match_walk.pairs is 'How many pairs it has added to the queue.';
alter table sync.match_walk enable row level security, force row level security;
create policy owner_all on sync.match_walk for all to platform_owner using (true) with check (true);
create policy sync_read on sync.match_walk for select to console_role, sync_role using (true);
grant select on sync.match_walk to console_role;
grant select on sync.match_walk to sync_role;

create table sync.operations (
  id bigint generated always as identity not null,
  kind text collate "C" not null,
  scope jsonb not null,
  reason text,
  outcome jsonb not null,
  actor text collate "C",
  app text collate "C" not null,
  login name not null,
  trace text collate "C",
  done_at timestamp with time zone default clock_timestamp() not null,
  constraint operations_pkey PRIMARY KEY (id),
  constraint operations_actor_check CHECK ((char_length(actor) <= 255)),
  constraint operations_kind_check CHECK (((kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$'::text) AND (char_length(kind) <= 60))),
  constraint operations_outcome_check CHECK (((jsonb_typeof(outcome) = 'object'::text) AND (octet_length((outcome)::text) <= 8192))),
  constraint operations_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500))),
  constraint operations_scope_check CHECK (((jsonb_typeof(scope) = 'object'::text) AND (octet_length((scope)::text) <= 8192)))
);
comment on table sync.operations is 'Append-only: what was done, to what, by whom, why, and exactly what came of it.';
comment on column sync.operations.scope is 'What the act was about: the names of subscriptions, positions, ids, and the filter of a set.';
comment on column sync.operations.outcome is 'What the act changed, as the database counted it in the same transaction.';
comment on column sync.operations.actor is 'Who did it, as the app says; the login beside it cannot be forged. A user id; of the command `command:` and a name.';
CREATE INDEX operations_of_subscription ON sync.operations USING btree (((scope ->> 'subscription'::text)), id) WHERE (scope ? 'subscription'::text);
CREATE INDEX operations_skip ON sync.operations USING btree (((scope ->> 'position'::text))) WHERE (kind = 'event.skip'::text);
CREATE TRIGGER keep BEFORE UPDATE OR TRUNCATE ON sync.operations FOR EACH STATEMENT EXECUTE FUNCTION sync.keep_operation();
CREATE TRIGGER keep_young AFTER DELETE ON sync.operations REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sync.keep_young_operations();
alter table sync.operations enable row level security, force row level security;
create policy console_read on sync.operations for select to console_role using (true);
create policy owner_all on sync.operations for all to platform_owner using (true) with check (true);
create policy sync_read on sync.operations for select to sync_role using (true);
grant select on sync.operations to console_role;
grant select on sync.operations to sync_role;

create table sync.outbox (
  id bigint default nextval('sync.outbox_id'::regclass) not null,
  type text collate "C" not null,
  key text collate "C" not null,
  customer uuid,
  row_id text collate "C" not null,
  version bigint,
  audience text collate "C" not null,
  app text collate "C" not null,
  login name not null,
  actor text collate "C",
  data jsonb not null,
  previous jsonb default '{}'::jsonb not null,
  trace text collate "C",
  occurred_at timestamp with time zone default clock_timestamp() not null,
  constraint outbox_pkey PRIMARY KEY (id)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000, autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_insert_threshold=-1, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on table sync.outbox is 'Events that are committed but not numbered yet. Rows live here for milliseconds.';
alter table sync.outbox enable row level security, force row level security;
create policy erase_all on sync.outbox for all to erase_role using (true) with check (true);
create policy owner_all on sync.outbox for all to platform_owner using (true) with check (true);
grant delete on sync.outbox to erase_role;
grant maintain on sync.outbox to privacy_role;
grant select on sync.outbox to erase_role;
grant update on sync.outbox to erase_role;

create table sync.parked (
  subscription text collate "C" not null,
  "position" bigint not null,
  key text collate "C" not null,
  customer uuid,
  state text not null,
  attempts integer default 0 not null,
  attempt_at timestamp with time zone,
  error text,
  cause text collate "C",
  is_replay boolean default false not null,
  parked_at timestamp with time zone default clock_timestamp() not null,
  constraint parked_pkey PRIMARY KEY (subscription, "position"),
  constraint parked_subscription_fkey FOREIGN KEY (subscription) REFERENCES sync.subscriptions(name) ON DELETE CASCADE,
  constraint parked_cause_check CHECK ((cause ~ '^[0-9a-f]{16}$'::text)),
  constraint parked_check CHECK (((state = 'retrying'::text) = (attempt_at IS NOT NULL))),
  constraint parked_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'retrying'::text, 'dead'::text])))
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=1000, vacuum_truncate=false);
comment on table sync.parked is 'Events that failed, and events that wait behind one. retrying: tried again at attempt_at; waiting: tried when the events before it are gone; dead: kept until somebody redrives or skips it.';
comment on column sync.parked.customer is 'The customer of the event. Together with the key it decides which events wait behind it.';
comment on column sync.parked.cause is 'What its last failure has in common with others: see sync.causes. Null for an event that only waits.';
CREATE INDEX parked_cause ON sync.parked USING btree (subscription, cause, "position") INCLUDE (customer, state) WHERE (cause IS NOT NULL);
CREATE INDEX parked_customer ON sync.parked USING btree (subscription, customer, "position") WHERE (customer IS NOT NULL);
CREATE INDEX parked_due ON sync.parked USING btree (subscription, attempt_at) WHERE (state = 'retrying'::text);
CREATE INDEX parked_key ON sync.parked USING btree (subscription, key, "position");
CREATE INDEX parked_state ON sync.parked USING btree (subscription, state, "position");
CREATE UNIQUE INDEX parked_one_retrying ON sync.parked USING btree (subscription, key) WHERE (state = 'retrying'::text);
alter table sync.parked enable row level security, force row level security;
create policy console_read on sync.parked for select to console_role using (true);
create policy erase_all on sync.parked for all to erase_role using (true) with check (true);
create policy merge_all on sync.parked for all to merge_role using (true) with check (true);
create policy own on sync.parked for all to app_role, sync_role using ((EXISTS ( SELECT
   FROM sync.subscriptions s
  WHERE ((s.name = parked.subscription) AND (s.app = platform.current_app()))))) with check ((EXISTS ( SELECT
   FROM sync.subscriptions s
  WHERE ((s.name = parked.subscription) AND (s.app = platform.current_app())))));
create policy owner_all on sync.parked for all to platform_owner using (true) with check (true);
create policy sync_read on sync.parked for select to sync_role using (true);
grant delete on sync.parked to erase_role;
grant insert (subscription, "position", key, customer, state, attempts, attempt_at, error, cause, is_replay) on sync.parked to app_role;
grant insert (subscription, "position", key, customer, state, attempts, attempt_at, error, cause, is_replay) on sync.parked to sync_role;
grant maintain on sync.parked to privacy_role;
grant select on sync.parked to app_role;
grant select on sync.parked to erase_role;
grant select on sync.parked to merge_role;
grant select on sync.parked to sync_role;
grant update (state, attempt_at) on sync.parked to merge_role;
grant update (state, attempts, attempt_at, error, cause) on sync.parked to app_role;
grant update (state, attempts, attempt_at, error, cause) on sync.parked to sync_role;
grant update on sync.parked to erase_role;

create table sync.quality_findings (
  id bigint generated always as identity not null,
  finding text collate "C" not null,
  subject text collate "C" not null,
  subject_id text collate "C" not null,
  part text collate "C" default ''::text not null,
  customer_id uuid,
  other_id uuid,
  detail jsonb default '{}'::jsonb not null,
  found_at timestamp with time zone default clock_timestamp() not null,
  constraint quality_findings_pkey PRIMARY KEY (id),
  constraint quality_findings_finding_subject_id_part_subject_key UNIQUE (finding, subject_id, part, subject),
  constraint quality_findings_finding_check CHECK ((finding ~ '^[a-z]+\.[a-z_]+$'::text)),
  constraint quality_findings_subject_check CHECK ((subject = ANY (ARRAY['customer'::text, 'company'::text, 'deal'::text, 'session'::text, 'activity'::text, 'index'::text])))
);
comment on table sync.quality_findings is 'What is wrong with which row. It holds ids, names of fields and numbers, never an address, a name or a telephone number.';
comment on column sync.quality_findings.part is 'What of the subject is meant, if it can have the finding several times: the id of an address, the key of a field, the name of a table.';
comment on column sync.quality_findings.customer_id is 'No reference: the next look at the customer removes the row.';
CREATE INDEX quality_findings_customer ON sync.quality_findings USING btree (customer_id) WHERE (customer_id IS NOT NULL);
CREATE INDEX quality_findings_list ON sync.quality_findings USING btree (finding, id);
CREATE INDEX quality_findings_other ON sync.quality_findings USING btree (other_id) WHERE (other_id IS NOT NULL);
CREATE TRIGGER count_added AFTER INSERT ON sync.quality_findings REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION sync.count_findings();
CREATE TRIGGER count_removed AFTER DELETE ON sync.quality_findings REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION sync.count_findings();
alter table sync.quality_findings enable row level security, force row level security;
create policy erase_all on sync.quality_findings for all to erase_role using (true) with check (true);
create policy owner_all on sync.quality_findings for all to platform_owner using (true) with check (true);
create policy sync_read on sync.quality_findings for select to console_role, sync_role using (true);
grant delete on sync.quality_findings to erase_role;
grant maintain on sync.quality_findings to privacy_role;
grant select on sync.quality_findings to console_role;
grant select on sync.quality_findings to erase_role;
grant select on sync.quality_findings to sync_role;
grant update on sync.quality_findings to erase_role;

create table sync.quality_history (
  finding text collate "C" not null,
  hour timestamp with time zone not null,
  stored integer not null,
  constraint quality_history_pkey PRIMARY KEY (finding, hour),
  constraint quality_history_finding_fkey FOREIGN KEY (finding) REFERENCES sync.quality_numbers(finding)
);
comment on table sync.quality_history is 'The numbers by the hour for 32 days, then by the day for two years: the trend of each finding.';
alter table sync.quality_history enable row level security, force row level security;
create policy owner_all on sync.quality_history for all to platform_owner using (true) with check (true);
create policy sync_read on sync.quality_history for select to console_role, sync_role using (true);
grant select on sync.quality_history to console_role;
grant select on sync.quality_history to sync_role;

create table sync.quality_numbers (
  finding text collate "C" not null,
  scan text collate "C" not null,
  is_repaired boolean default false not null,
  stored integer default 0 not null,
  constraint quality_numbers_pkey PRIMARY KEY (finding),
  constraint quality_numbers_stored_check CHECK ((stored >= 0))
);
comment on column sync.quality_numbers.is_repaired is 'sync.mend repairs its rows.';
alter table sync.quality_numbers enable row level security, force row level security;
create policy erase_count on sync.quality_numbers for all to erase_role using (true) with check (true);
create policy owner_all on sync.quality_numbers for all to platform_owner using (true) with check (true);
create policy sync_read on sync.quality_numbers for select to console_role, sync_role using (true);
grant select on sync.quality_numbers to console_role;
grant select on sync.quality_numbers to erase_role;
grant select on sync.quality_numbers to sync_role;
grant update (stored) on sync.quality_numbers to erase_role;

create table sync.quality_scans (
  name text collate "C" not null,
  place text collate "C",
  rounds integer default 0 not null,
  rows_seen bigint default 0 not null,
  rows_of_round bigint,
  round_began_at timestamp with time zone,
  last_began_at timestamp with time zone,
  last_ended_at timestamp with time zone,
  stepped_at timestamp with time zone,
  step_rows integer default 100 not null,
  faults integer default 0 not null,
  asked_at timestamp with time zone,
  asked_by text collate "C",
  constraint quality_scans_pkey PRIMARY KEY (name),
  constraint quality_scans_step_rows_check CHECK (((step_rows >= 20) AND (step_rows <= 2000)))
) with (fillfactor=50);
comment on column sync.quality_scans.place is 'The key of the last row that was looked at; null: at the beginning.';
comment on column sync.quality_scans.rows_of_round is 'The rows that the last finished round saw: the progress of this one is measured by it.';
comment on column sync.quality_scans.last_began_at is 'When the last finished round began. No part of its findings is older: each row was looked at since then.';
comment on column sync.quality_scans.step_rows is 'How many rows the next step looks at. Each scan has its own number: a customer takes a hundred times as long as an activity.';
comment on column sync.quality_scans.faults is 'How many of its last steps in a row were undone by an error.';
comment on column sync.quality_scans.asked_at is 'Somebody asked for a whole round: it is walked without pauses. Null when it has ended.';
alter table sync.quality_scans enable row level security, force row level security;
create policy owner_all on sync.quality_scans for all to platform_owner using (true) with check (true);
create policy sync_read on sync.quality_scans for select to console_role, sync_role using (true);
grant select on sync.quality_scans to console_role;
grant select on sync.quality_scans to sync_role;

create table sync.queued_imports (
  run bigint not null,
  queued_to integer default 0 not null,
  pairs integer default 0 not null,
  ended_at timestamp with time zone,
  faults integer default 0 not null,
  fault text,
  due_at timestamp with time zone,
  constraint queued_imports_pkey PRIMARY KEY (run),
  constraint queued_imports_run_fkey FOREIGN KEY (run) REFERENCES sync.import_runs(id),
  constraint queued_imports_fault_check CHECK ((octet_length(fault) <= 1000))
);
comment on column sync.queued_imports.queued_to is 'The pairs of every line up to here are in the queue.';
comment on column sync.queued_imports.fault is 'Why the pairs of this run could not be queued the last time: the database''s words.';
alter table sync.queued_imports enable row level security, force row level security;
create policy owner_all on sync.queued_imports for all to platform_owner using (true) with check (true);
create policy sync_read on sync.queued_imports for select to console_role, sync_role using (true);
grant select on sync.queued_imports to console_role;
grant select on sync.queued_imports to sync_role;

create unlogged table sync.readers (
  subscription text collate "C" not null,
  reader text collate "C" not null,
  joined_at timestamp with time zone default clock_timestamp() not null,
  leased_until timestamp with time zone not null,
  constraint readers_pkey PRIMARY KEY (subscription, reader),
  constraint readers_subscription_fkey FOREIGN KEY (subscription) REFERENCES sync.subscriptions(name) ON DELETE CASCADE,
  constraint readers_reader_check CHECK (((char_length(reader) >= 1) AND (char_length(reader) <= 200)))
) with (fillfactor=30, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on table sync.readers is 'The processes that run a subscription with shares, each until its lease ends.';
alter table sync.readers enable row level security, force row level security;
create policy console_read on sync.readers for select to console_role using (true);
create policy own on sync.readers for select to app_role using ((EXISTS ( SELECT
   FROM sync.subscriptions s
  WHERE ((s.name = readers.subscription) AND (s.app = platform.current_app())))));
create policy owner_all on sync.readers for all to platform_owner using (true) with check (true);
create policy sync_read on sync.readers for select to sync_role using (true);
grant select on sync.readers to app_role;
grant select on sync.readers to console_role;
grant select on sync.readers to sync_role;

create table sync.relay (
  only_one boolean default true not null,
  term bigint default 0 not null,
  holder text,
  leased_until timestamp with time zone default '-infinity'::timestamp with time zone not null,
  lanes integer default 32 not null,
  rests_since timestamp with time zone,
  constraint relay_pkey PRIMARY KEY (only_one),
  constraint relay_holder_check CHECK (((octet_length(holder) >= 1) AND (octet_length(holder) <= 200))),
  constraint relay_lanes_check CHECK (((lanes >= 0) AND (lanes <= 128))),
  constraint relay_only_one_check CHECK (only_one)
) with (fillfactor=25, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on column sync.relay.holder is 'The worker that relays until leased_until, by the clock of the database.';
comment on column sync.relay.lanes is 'How many sessions of the topic share all customers; 0: each customer has its own.';
comment on column sync.relay.rests_since is 'The worker that relays has seen the pause, and nothing of what it read before is being sent.';
alter table sync.relay enable row level security, force row level security;
create policy console_read on sync.relay for select to console_role using (true);
create policy owner_all on sync.relay for all to platform_owner using (true) with check (true);
create policy sync_relays on sync.relay for all to sync_role using (true);
grant select on sync.relay to console_role;
grant select on sync.relay to sync_role;
grant update (term, holder, leased_until, rests_since) on sync.relay to sync_role;

create table sync.rollup (
  step_seconds integer not null,
  at timestamp with time zone not null,
  measured real[] not null,
  constraint rollup_pkey PRIMARY KEY (step_seconds, at),
  constraint rollup_step_seconds_check CHECK ((step_seconds = ANY (ARRAY[60, 900, 3600])))
);
comment on table sync.rollup is 'Minutes for two days, quarters of an hour for ten days, hours for 400 days.';
alter table sync.rollup enable row level security, force row level security;
create policy looks_read on sync.rollup for select to console_role, observer_role, sync_role using (true);
create policy owner_all on sync.rollup for all to platform_owner using (true) with check (true);
grant select on sync.rollup to console_role;
grant select on sync.rollup to observer_role;
grant select on sync.rollup to sync_role;

create table sync.sequencer (
  only_one boolean default true not null,
  floor_id bigint default 0 not null,
  head bigint default 0 not null,
  term bigint default 0 not null,
  leader text collate "C",
  leads_since timestamp with time zone,
  constraint sequencer_pkey PRIMARY KEY (only_one),
  constraint sequencer_only_one_check CHECK (only_one)
);
comment on column sync.sequencer.floor_id is 'No event up to this id is, or ever will be, in the outbox. A search for the oldest event starts here and skips deleted rows.';
comment on column sync.sequencer.head is 'The newest position that retention has deleted. If the log is empty, numbering goes on from it. See sync.head.';
comment on column sync.sequencer.term is 'Counts the leaderships. A batch of a past term numbers nothing. sync.lease_ends_ms holds the end of the leader''s lease.';
alter table sync.sequencer enable row level security, force row level security;
create policy console_read on sync.sequencer for select to console_role using (true);
create policy owner_all on sync.sequencer for all to platform_owner using (true) with check (true);
create policy sync_lock on sync.sequencer for all to sync_role using (true);
grant select on sync.sequencer to console_role;
grant select on sync.sequencer to sync_role;
grant update (floor_id) on sync.sequencer to sync_role;

create table sync.series (
  id smallint not null,
  name text collate "C" not null,
  label text collate "C" not null,
  fold text not null,
  constraint series_pkey PRIMARY KEY (id),
  constraint series_name_label_key UNIQUE (name, label),
  constraint series_fold_check CHECK ((fold = ANY (ARRAY['sum'::text, 'mean'::text, 'max'::text]))),
  constraint series_id_check CHECK (((id >= 1) AND (id <= 400))),
  constraint series_label_check CHECK ((octet_length(label) <= 120)),
  constraint series_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,59}$'::text))
);
comment on column sync.series.fold is 'How minutes become a longer step.';
alter table sync.series enable row level security, force row level security;
create policy looks_read on sync.series for select to console_role, observer_role, sync_role using (true);
create policy owner_all on sync.series for all to platform_owner using (true) with check (true);
grant select on sync.series to console_role;
grant select on sync.series to observer_role;
grant select on sync.series to sync_role;

create table sync.shares (
  subscription text collate "C" not null,
  share integer not null,
  "position" bigint not null,
  replay_until bigint default 0 not null,
  reader text,
  moved_at timestamp with time zone default clock_timestamp() not null,
  constraint shares_pkey PRIMARY KEY (subscription, share),
  constraint shares_subscription_fkey FOREIGN KEY (subscription) REFERENCES sync.subscriptions(name) ON DELETE CASCADE,
  constraint shares_position_check CHECK (("position" >= 0)),
  constraint shares_reader_check CHECK ((char_length(reader) <= 200)),
  constraint shares_share_check CHECK (((share >= 0) AND (share <= 63)))
) with (fillfactor=30, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on table sync.shares is 'The positions of a subscription that has more than one share. It has no row of one that has one.';
comment on column sync.shares.reader is 'The process that moved it last.';
alter table sync.shares enable row level security, force row level security;
create policy console_read on sync.shares for select to console_role using (true);
create policy merge_all on sync.shares for all to merge_role using (true) with check (true);
create policy own on sync.shares for select to app_role using ((EXISTS ( SELECT
   FROM sync.subscriptions s
  WHERE ((s.name = shares.subscription) AND (s.app = platform.current_app())))));
create policy owner_all on sync.shares for all to platform_owner using (true) with check (true);
create policy sync_read on sync.shares for select to sync_role using (true);
grant select on sync.shares to app_role;
grant select on sync.shares to console_role;
grant select on sync.shares to merge_role;
grant select on sync.shares to sync_role;
grant update (moved_at) on sync.shares to merge_role;

create table sync.subscriptions (
  name text collate "C" not null,
  app text collate "C" default platform.current_app() not null,
  types text[],
  holds text default 'customer'::text not null,
  "position" bigint not null,
  replay_until bigint default 0 not null,
  is_paused boolean default false not null,
  pause_reason text,
  created_at timestamp with time zone default clock_timestamp() not null,
  moved_at timestamp with time zone default clock_timestamp() not null,
  shares integer default 1 not null,
  layout integer default 1 not null,
  layout_by text default 'customer'::text not null,
  constraint subscriptions_pkey PRIMARY KEY (name),
  constraint subscriptions_check CHECK ((is_paused = (pause_reason IS NOT NULL))),
  constraint subscriptions_holds_check CHECK ((holds = ANY (ARRAY['customer'::text, 'row'::text]))),
  constraint subscriptions_layout_by_check CHECK ((layout_by = ANY (ARRAY['customer'::text, 'row'::text]))),
  constraint subscriptions_layout_check CHECK (((layout >= 1) AND (layout <= 64))),
  constraint subscriptions_name_check CHECK ((name ~ '^[a-z][a-z0-9_.-]{0,79}$'::text)),
  constraint subscriptions_name_of_app CHECK (starts_with(name, (app || '.'::text))),
  constraint subscriptions_position_check CHECK (("position" >= 0)),
  constraint subscriptions_shares_check CHECK (((shares >= 1) AND (shares <= 64)))
) with (fillfactor=30, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=100000, vacuum_truncate=false);
comment on column sync.subscriptions.types is 'The types that it reads; null: every event that the app may see.';
comment on column sync.subscriptions.holds is 'The events that a failed one holds back until it is handled. row: later events of its key. customer: those of its customer as well.';
comment on column sync.subscriptions."position" is 'Every event up to here is handled, or is in sync.parked. Of a subscription with shares it is the lowest position of them.';
comment on column sync.subscriptions.shares is 'How many shares it is to have: what was registered last.';
comment on column sync.subscriptions.layout is 'How many shares it has. Other than `shares` while they are on their way to one position, where they are cut anew.';
comment on column sync.subscriptions.layout_by is 'What decides about the share of an event: its customer, if it has one, or its row.';
alter table sync.subscriptions enable row level security, force row level security;
create policy console_read on sync.subscriptions for select to console_role using (true);
create policy erase_read on sync.subscriptions for select to erase_role using (true);
create policy merge_all on sync.subscriptions for all to merge_role using (true) with check (true);
create policy own on sync.subscriptions for all to app_role, sync_role using ((app = platform.current_app())) with check ((app = platform.current_app()));
create policy owner_all on sync.subscriptions for all to platform_owner using (true) with check (true);
create policy sync_read on sync.subscriptions for select to sync_role using (true);
grant insert (name, types, holds, "position") on sync.subscriptions to app_role;
grant insert (name, types, holds, "position") on sync.subscriptions to sync_role;
grant select on sync.subscriptions to app_role;
grant select on sync.subscriptions to erase_role;
grant select on sync.subscriptions to merge_role;
grant select on sync.subscriptions to sync_role;
grant update (is_paused) on sync.subscriptions to merge_role;
grant update (types, holds, "position", replay_until, is_paused, pause_reason, moved_at) on sync.subscriptions to app_role;
grant update (types, holds, "position", replay_until, is_paused, pause_reason, moved_at) on sync.subscriptions to sync_role;

comment on function sync.add_partitions(bigint) is 'Returns the last position for which a partition exists.';
comment on function sync.extend_lease(integer) is 'No login may call it, because it does not check who leads.';
comment on function sync.work_batch(sync.bulk_runs,integer) is 'If the subscription is gone, so are its parked events: they count as gone.';

-- also: type sync.check_row
-- also: type sync.gauge_row
