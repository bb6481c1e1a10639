-- The whole schema as the migrations leave it: a page to read, and what `aether migrate check` compares a database with.
-- Made by `npm run schema`; never edited, never run: the order follows names. Owner is platform_owner unless said.

create extension pg_trgm with schema ext;

alter default privileges for role platform_owner grant execute on functions to platform_owner;
alter default privileges for role platform_owner grant usage on types to platform_owner;

grant connect on database to foundation_role;
grant connect on database to observer_role;
grant connect on database to platform_migrator;
grant connect on database to privacy_role;
grant connect on database to support_role;
grant connect on database to sync_role;
grant create on database to platform_owner;

create schema crm;
grant usage on schema crm to foundation_role;
grant usage on schema crm to support_role;

create sequence crm.customer_number as bigint start 1000 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
grant usage on sequence crm.customer_number to foundation_role;

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
  constraint activities_pkey PRIMARY KEY (id),
  constraint activities_created_by_app_idempotency_key_key UNIQUE (created_by_app, idempotency_key),
  constraint activities_created_by_fkey FOREIGN KEY (created_by) REFERENCES platform.users(id),
  constraint activities_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint activities_deal_id_fkey FOREIGN KEY (deal_id) REFERENCES crm.deals(id),
  constraint activities_check CHECK (((created_by_app = 'support'::text) = (type ~~ 'support\_%'::text))),
  constraint activities_check1 CHECK (((created_by_app <> 'support'::text) OR (idempotency_key IS NOT NULL))),
  constraint activities_created_by_app_check CHECK ((created_by_app = ANY (ARRAY['foundation'::text, 'support'::text]))),
  constraint activities_description_check CHECK (((char_length(description) >= 1) AND (char_length(description) <= 4000))),
  constraint activities_idempotency_key_check CHECK (((octet_length(idempotency_key) >= 1) AND (octet_length(idempotency_key) <= 200))),
  constraint activities_metadata_check CHECK (((jsonb_typeof(metadata) = 'object'::text) AND (octet_length((metadata)::text) <= 16384))),
  constraint activities_type_check CHECK ((type ~ '^[a-z][a-z0-9_]{1,39}$'::text))
);
comment on column crm.activities.created_by is 'The person, as the app says; created_by_login is what the server knows.';
comment on column crm.activities.idempotency_key is 'Names the cause, so that however often it is retried there is one activity: session:<id>, deal:<id>:won.';
CREATE INDEX activities_created_by_idx ON crm.activities USING btree (created_by) WHERE (created_by IS NOT NULL);
CREATE INDEX activities_deal_id_idx ON crm.activities USING btree (deal_id) WHERE (deal_id IS NOT NULL);
CREATE INDEX activities_timeline ON crm.activities USING btree (customer_id, occurred_at DESC, id DESC);
alter table crm.activities enable row level security, force row level security;
create policy foundation_add on crm.activities for insert to foundation_role with check ((created_by_app = 'foundation'::text));
create policy foundation_edit on crm.activities for update to foundation_role using ((created_by_app = 'foundation'::text)) with check ((created_by_app = 'foundation'::text));
create policy foundation_read on crm.activities for select to foundation_role using (true);
create policy owner_all on crm.activities for all to platform_owner using (true) with check (true);
create policy support_add on crm.activities for insert to support_role with check (((created_by_app = 'support'::text) AND (occurred_at <= (now() + '00:01:00'::interval))));
create policy support_read on crm.activities for select to support_role using ((created_by_app = 'support'::text));
grant insert (customer_id, deal_id, type, description, metadata, occurred_at, due_at, done_at, created_by_app, idempotency_key) on crm.activities to foundation_role;
grant insert (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key) on crm.activities to support_role;
grant select on crm.activities to foundation_role;
grant select on crm.activities to support_role;
grant update (type, description, metadata, occurred_at, due_at, done_at) on crm.activities to foundation_role;

create table crm.contacts (
  id uuid default uuidv7() not null,
  company_id uuid not null,
  customer_id uuid,
  name text not null,
  title text,
  email text,
  phone text,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint contacts_pkey PRIMARY KEY (id),
  constraint contacts_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint contacts_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint contacts_email_check CHECK (platform.is_line(email, 254)),
  constraint contacts_name_check CHECK (platform.is_line(name, 200)),
  constraint contacts_phone_check CHECK (platform.is_line(phone, 40)),
  constraint contacts_title_check CHECK (platform.is_line(title, 120))
);
comment on table crm.contacts is 'A person''s role at a company; the person may be a customer.';
CREATE INDEX contacts_company_id_idx ON crm.contacts USING btree (company_id);
CREATE INDEX contacts_customer_id_idx ON crm.contacts USING btree (customer_id) WHERE (customer_id IS NOT NULL);
CREATE TRIGGER count_version BEFORE UPDATE ON crm.contacts FOR EACH ROW EXECUTE FUNCTION platform.count_version();
alter table crm.contacts enable row level security, force row level security;
create policy foundation_all on crm.contacts for all to foundation_role using (true) with check (true);
create policy owner_all on crm.contacts for all to platform_owner using (true) with check (true);
grant insert (company_id, customer_id, name, title, email, phone) on crm.contacts to foundation_role;
grant select on crm.contacts to foundation_role;
grant update (customer_id, name, title, email, phone) on crm.contacts to foundation_role;

create table crm.custom_field_values (
  id bigint generated always as identity not null,
  field_id bigint not null,
  customer_id uuid,
  company_id uuid,
  deal_id bigint,
  value jsonb not null,
  updated_at timestamp with time zone default now() not null,
  constraint custom_field_values_pkey PRIMARY KEY (id),
  constraint custom_field_values_field_id_company_id_key UNIQUE (field_id, company_id),
  constraint custom_field_values_field_id_customer_id_key UNIQUE (field_id, customer_id),
  constraint custom_field_values_field_id_deal_id_key UNIQUE (field_id, deal_id),
  constraint custom_field_values_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint custom_field_values_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint custom_field_values_deal_id_fkey FOREIGN KEY (deal_id) REFERENCES crm.deals(id),
  constraint custom_field_values_field_id_fkey FOREIGN KEY (field_id) REFERENCES crm.custom_fields(id),
  constraint custom_field_values_check CHECK ((num_nonnulls(customer_id, company_id, deal_id) = 1)),
  constraint custom_field_values_value_check CHECK (((jsonb_typeof(value) = ANY (ARRAY['string'::text, 'number'::text, 'boolean'::text])) AND (octet_length((value)::text) <= 8192)))
);
CREATE INDEX custom_field_values_company_id_idx ON crm.custom_field_values USING btree (company_id) WHERE (company_id IS NOT NULL);
CREATE INDEX custom_field_values_customer_id_idx ON crm.custom_field_values USING btree (customer_id) WHERE (customer_id IS NOT NULL);
CREATE INDEX custom_field_values_deal_id_idx ON crm.custom_field_values USING btree (deal_id) WHERE (deal_id IS NOT NULL);
alter table crm.custom_field_values enable row level security, force row level security;
create policy foundation_all on crm.custom_field_values for all to foundation_role using (true) with check (true);
create policy owner_all on crm.custom_field_values for all to platform_owner using (true) with check (true);
grant delete on crm.custom_field_values to foundation_role;
grant insert (field_id, customer_id, company_id, deal_id, value) on crm.custom_field_values to foundation_role;
grant select on crm.custom_field_values to foundation_role;
grant update (value) on crm.custom_field_values to foundation_role;

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
alter table crm.custom_fields enable row level security, force row level security;
create policy foundation_all on crm.custom_fields for all to foundation_role using (true) with check (true);
create policy owner_all on crm.custom_fields for all to platform_owner using (true) with check (true);
grant insert (record, key, label, type, choices, is_required, "position") on crm.custom_fields to foundation_role;
grant select on crm.custom_fields to foundation_role;
grant update (label, choices, is_required, "position") on crm.custom_fields to foundation_role;

create table crm.deals (
  id bigint generated always as identity not null,
  customer_id uuid not null,
  company_id uuid,
  pipeline_id bigint not null,
  stage_id bigint not null,
  name text not null,
  amount numeric(14,2) default 0 not null,
  currency text collate "C" default 'EUR'::text not null,
  status text default 'open'::text not null,
  owner_id text collate "C",
  expected_close_on date,
  closed_at timestamp with time zone,
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint deals_pkey PRIMARY KEY (id),
  constraint deals_company_id_fkey FOREIGN KEY (company_id) REFERENCES platform.companies(id),
  constraint deals_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint deals_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES platform.users(id),
  constraint deals_pipeline_id_stage_id_fkey FOREIGN KEY (pipeline_id, stage_id) REFERENCES crm.pipeline_stages(pipeline_id, id),
  constraint deals_amount_check CHECK ((amount >= (0)::numeric)),
  constraint deals_check CHECK (((status = 'open'::text) = (closed_at IS NULL))),
  constraint deals_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint deals_name_check CHECK (platform.is_line(name, 200)),
  constraint deals_status_check CHECK ((status = ANY (ARRAY['open'::text, 'won'::text, 'lost'::text])))
);
CREATE INDEX deals_company_id_idx ON crm.deals USING btree (company_id) WHERE (company_id IS NOT NULL);
CREATE INDEX deals_customer ON crm.deals USING btree (customer_id, status);
CREATE INDEX deals_owner_id_idx ON crm.deals USING btree (owner_id) WHERE (owner_id IS NOT NULL);
CREATE INDEX deals_stage ON crm.deals USING btree (pipeline_id, stage_id);
CREATE TRIGGER count_version BEFORE UPDATE ON crm.deals FOR EACH ROW EXECUTE FUNCTION platform.count_version();
alter table crm.deals enable row level security, force row level security;
create policy foundation_all on crm.deals for all to foundation_role using (true) with check (true);
create policy owner_all on crm.deals for all to platform_owner using (true) with check (true);
grant insert (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on) on crm.deals to foundation_role;
grant select on crm.deals to foundation_role;
grant update (company_id, pipeline_id, stage_id, name, amount, currency, status, owner_id, expected_close_on, closed_at) on crm.deals to foundation_role;

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
alter table crm.pipeline_stages enable row level security, force row level security;
create policy foundation_all on crm.pipeline_stages for all to foundation_role using (true) with check (true);
create policy owner_all on crm.pipeline_stages for all to platform_owner using (true) with check (true);
grant insert (pipeline_id, name, "position", outcome, probability_percent) on crm.pipeline_stages to foundation_role;
grant select on crm.pipeline_stages to foundation_role;
grant update (name, "position", outcome, probability_percent) on crm.pipeline_stages to foundation_role;

create table crm.pipelines (
  id bigint generated always as identity not null,
  name text not null,
  is_default boolean default false not null,
  created_at timestamp with time zone default now() not null,
  constraint pipelines_pkey PRIMARY KEY (id),
  constraint pipelines_name_key UNIQUE (name),
  constraint pipelines_name_check CHECK (platform.is_line(name, 80))
);
CREATE UNIQUE INDEX pipelines_one_default ON crm.pipelines USING btree (is_default) WHERE is_default;
alter table crm.pipelines enable row level security, force row level security;
create policy foundation_all on crm.pipelines for all to foundation_role using (true) with check (true);
create policy owner_all on crm.pipelines for all to platform_owner using (true) with check (true);
grant insert (name, is_default) on crm.pipelines to foundation_role;
grant select on crm.pipelines to foundation_role;
grant update (name, is_default) on crm.pipelines to foundation_role;

create view crm.customer_context as
 SELECT c.id AS customer_id,
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
          WHERE (a.customer_id = c.id)
          ORDER BY a.occurred_at DESC, a.id DESC
         LIMIT 1) last ON (true));
grant select on crm.customer_context to foundation_role;
grant select on crm.customer_context to support_role;

create schema ext;
grant usage on schema ext to foundation_role;
grant usage on schema ext to platform_owner;
grant usage on schema ext to support_role;

create schema platform;
grant usage on schema platform to foundation_role;
grant usage on schema platform to support_role;

CREATE OR REPLACE FUNCTION platform.complete_customer()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if new.email_key is null or (tg_op = 'UPDATE' and new.email <> old.email and new.email_key = old.email_key) then
    if new.email !~ '[^\x01-\x7f]' then
      new.email_key := lower(new.email collate "C");
    elsif new.email_key is null then
      raise exception 'email_key is missing' using errcode = 'not_null_violation', column = 'email_key',
        hint = 'An address beyond ASCII needs the key that @aether/platform makes: use platformDb.createCustomer.';
    end if;
  end if;
  if tg_op = 'INSERT' then
    case platform.current_app()
      when 'foundation' then new.crm_id := coalesce(new.crm_id, nextval('crm.customer_number'));
      when 'support' then new.support_id := coalesce(new.support_id, nextval('support.customer_number'));
      else null;
    end case;
  end if;
  return new;
end $function$;

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
grant execute on function platform.current_actor() to foundation_role;
grant execute on function platform.current_actor() to support_role;

CREATE OR REPLACE FUNCTION platform.current_app()
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN (SELECT CASE count(*) WHEN 1 THEN min(apps.app) ELSE 'operator'::text END AS "case" FROM (VALUES ('foundation'::text,'foundation_role'::text), ('support'::text,'support_role'::text), ('sync'::text,'sync_role'::text), ('privacy'::text,'privacy_role'::text)) apps(app, role) WHERE pg_has_role(SESSION_USER, (apps.role)::name, 'USAGE'::text));
grant execute on function platform.current_app() to foundation_role;
grant execute on function platform.current_app() to support_role;

CREATE OR REPLACE FUNCTION platform.find_or_create_customer(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  for attempt in 1..3 loop
    select c.* into customer from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = key;
    if found then created := false; return; end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
      created := true;
      return;
    exception when unique_violation then
      null;
    end;
  end loop;
  -- Only under repeatable read, where the rival's row stays invisible however often one looks.
  raise exception 'a customer with this address appeared meanwhile' using errcode = 'serialization_failure';
end $function$;
grant execute on function platform.find_or_create_customer(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean) to foundation_role;
grant execute on function platform.find_or_create_customer(key text, address text, full_name text, OUT customer platform.customers, OUT created boolean) to support_role;

CREATE OR REPLACE FUNCTION platform.is_line(value text, characters_max integer)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((char_length(value) >= 1) AND (char_length(value) <= characters_max)) AND (value !~ '[\x01-\x1f\x7f]|^\s|\s$'::text));
grant execute on function platform.is_line(value text, characters_max integer) to foundation_role;
grant execute on function platform.is_line(value text, characters_max integer) to support_role;

CREATE OR REPLACE FUNCTION platform.keep_directory_account()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'a user keeps the directory account of the first sign-in' using errcode = 'insufficient_privilege',
    hint = 'Another directory account is another user.';
end $function$;

CREATE OR REPLACE PROCEDURE platform.protect_table(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $procedure$
begin
  execute format('alter table %s enable row level security, force row level security', target);
  execute format('create policy owner_all on %s to platform_owner using (true) with check (true)', target);
end $procedure$;

CREATE OR REPLACE FUNCTION platform.record_known_by()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare taken text;
begin
  if tg_op = 'INSERT' then
    insert into platform.customer_emails (email_key, customer_id, is_primary) values (new.email_key, new.id, true);
  elsif new.email_key <> old.email_key then
    update platform.customer_emails set is_primary = false where customer_id = new.id and is_primary;
    insert into platform.customer_emails as known (email_key, customer_id, is_primary) values (new.email_key, new.id, true)
    on conflict (email_key) do update set is_primary = true where known.customer_id = new.id;
    if not found then taken := 'customer_emails_pkey'; end if;
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
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = taken;
  end if;
  return null;
end $function$;

create table platform.companies (
  id uuid default uuidv7() not null,
  name text not null,
  domain text collate "C",
  version bigint default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  created_by_app text collate "C" default platform.current_app() not null,
  constraint companies_pkey PRIMARY KEY (id),
  constraint companies_domain_key UNIQUE (domain),
  constraint companies_created_by_app_check CHECK ((created_by_app = ANY (ARRAY['foundation'::text, 'support'::text]))),
  constraint companies_domain_check CHECK (((domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$'::text) AND (octet_length(domain) <= 253))),
  constraint companies_name_check CHECK (platform.is_line(name, 200))
);
CREATE INDEX companies_search ON platform.companies USING gin (lower(name) ext.gin_trgm_ops);
CREATE TRIGGER count_version BEFORE UPDATE ON platform.companies FOR EACH ROW EXECUTE FUNCTION platform.count_version();
alter table platform.companies enable row level security, force row level security;
create policy apps_edit on platform.companies for update to foundation_role, support_role using (true) with check (true);
create policy apps_read on platform.companies for select to foundation_role, support_role using (true);
create policy foundation_add on platform.companies for insert to foundation_role with check ((created_by_app = 'foundation'::text));
create policy owner_all on platform.companies for all to platform_owner using (true) with check (true);
create policy support_add on platform.companies for insert to support_role with check ((created_by_app = 'support'::text));
grant insert (name, domain, created_by_app) on platform.companies to foundation_role;
grant insert (name, domain, created_by_app) on platform.companies to support_role;
grant select on platform.companies to foundation_role;
grant select on platform.companies to support_role;
grant update (name, domain) on platform.companies to foundation_role;
grant update (name, domain) on platform.companies to support_role;

create table platform.customer_emails (
  email_key text collate "C" not null,
  customer_id uuid not null,
  is_primary boolean not null,
  verified_at timestamp with time zone,
  created_at timestamp with time zone default now() not null,
  constraint customer_emails_pkey PRIMARY KEY (email_key),
  constraint customer_emails_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id)
);
comment on table platform.customer_emails is 'Every address a customer is known by. Its primary key is what makes a customer unique; a trigger on platform.customers writes it.';
CREATE INDEX customer_emails_customer_id_idx ON platform.customer_emails USING btree (customer_id);
CREATE UNIQUE INDEX customer_emails_one_primary ON platform.customer_emails USING btree (customer_id) WHERE is_primary;
alter table platform.customer_emails enable row level security, force row level security;
create policy apps_read on platform.customer_emails for select to foundation_role, support_role using (true);
create policy owner_all on platform.customer_emails for all to platform_owner using (true) with check (true);
grant select on platform.customer_emails to foundation_role;
grant select on platform.customer_emails to support_role;

create table platform.customer_external_ids (
  app text collate "C" not null,
  external_id text collate "C" not null,
  customer_id uuid not null,
  created_at timestamp with time zone default now() not null,
  constraint customer_external_ids_pkey PRIMARY KEY (app, external_id),
  constraint customer_external_ids_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint customer_external_ids_app_check CHECK ((app = ANY (ARRAY['foundation'::text, 'support'::text]))),
  constraint customer_external_ids_external_id_check CHECK (((octet_length(external_id) >= 1) AND (octet_length(external_id) <= 128)))
);
CREATE INDEX customer_external_ids_customer_id_idx ON platform.customer_external_ids USING btree (customer_id);
alter table platform.customer_external_ids enable row level security, force row level security;
create policy apps_read on platform.customer_external_ids for select to foundation_role, support_role using (true);
create policy owner_all on platform.customer_external_ids for all to platform_owner using (true) with check (true);
grant select on platform.customer_external_ids to foundation_role;
grant select on platform.customer_external_ids to support_role;

create table platform.customers (
  id uuid default uuidv7() not null,
  email text not null,
  email_key text collate "C" not null,
  name text not null,
  phone text,
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
  constraint customers_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES platform.customers(id),
  constraint customers_account_tier_check CHECK ((account_tier ~ '^[a-z][a-z0-9_-]{0,39}$'::text)),
  constraint customers_check CHECK ((merged_into <> id)),
  constraint customers_created_by_app_check CHECK ((created_by_app = ANY (ARRAY['foundation'::text, 'support'::text]))),
  constraint customers_crm_id_check CHECK ((crm_id > 0)),
  constraint customers_email_key_canonical CHECK (((octet_length(email_key) <= 254) AND (email_key ~ '^[^@[:space:][:cntrl:]A-Z]+@[a-z0-9.-]+$'::text) AND ((email ~ '[^\x01-\x7f]'::text) OR (email_key = lower((email COLLATE "C")))))),
  constraint customers_email_well_formed CHECK ((platform.is_line(email, 254) AND (octet_length(email) <= 254))),
  constraint customers_name_check CHECK (platform.is_line(name, 200)),
  constraint customers_phone_check CHECK (platform.is_line(phone, 40)),
  constraint customers_preferred_language_check CHECK ((preferred_language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$'::text)),
  constraint customers_support_id_check CHECK ((support_id > 0)),
  constraint customers_timezone_check CHECK ((timezone ~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$'::text))
);
comment on column platform.customers.email_key is 'The canonical form of email. It stands here, not only in customer_emails, so that a plain insert cannot leave a customer without an address.';
comment on column platform.customers.merged_into is 'The customer that goes on for this one; never one that is itself merged.';
CREATE INDEX customers_account_manager_id_idx ON platform.customers USING btree (account_manager_id) WHERE (account_manager_id IS NOT NULL);
CREATE INDEX customers_company_id_idx ON platform.customers USING btree (company_id) WHERE (company_id IS NOT NULL);
CREATE INDEX customers_merged_into_idx ON platform.customers USING btree (merged_into) WHERE (merged_into IS NOT NULL);
CREATE INDEX customers_search ON platform.customers USING gin ((((lower(name) || ' '::text) || email_key)) ext.gin_trgm_ops);
CREATE TRIGGER a_complete BEFORE INSERT OR UPDATE ON platform.customers FOR EACH ROW EXECUTE FUNCTION platform.complete_customer();
CREATE TRIGGER b_count_version BEFORE UPDATE ON platform.customers FOR EACH ROW EXECUTE FUNCTION platform.count_version();
CREATE TRIGGER c_record_known_by AFTER INSERT OR UPDATE OF email_key, email, crm_id, support_id ON platform.customers FOR EACH ROW EXECUTE FUNCTION platform.record_known_by();
alter table platform.customers enable row level security, force row level security;
create policy apps_edit on platform.customers for update to foundation_role, support_role using ((erased_at IS NULL)) with check (true);
create policy apps_read on platform.customers for select to foundation_role, support_role using (true);
create policy foundation_add on platform.customers for insert to foundation_role with check ((created_by_app = 'foundation'::text));
create policy owner_all on platform.customers for all to platform_owner using (true) with check (true);
create policy support_add on platform.customers for insert to support_role with check ((created_by_app = 'support'::text));
grant insert (email, email_key, name, phone, company_id, created_by_app, crm_id, account_tier, account_manager_id) on platform.customers to foundation_role;
grant insert (email, email_key, name, phone, company_id, created_by_app, support_id, preferred_language, timezone) on platform.customers to support_role;
grant select on platform.customers to foundation_role;
grant select on platform.customers to support_role;
grant update (email, email_key, name, phone, company_id, crm_id, account_tier, account_manager_id) on platform.customers to foundation_role;
grant update (email, email_key, name, phone, company_id, support_id, preferred_language, timezone) on platform.customers to support_role;

create table platform.migrations (
  number integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamp with time zone default clock_timestamp() not null,
  duration_ms integer not null,
  constraint migrations_pkey PRIMARY KEY (number)
);
alter table platform.migrations enable row level security, force row level security;
create policy apps_read on platform.migrations for select to foundation_role, support_role using (true);
create policy owner_all on platform.migrations for all to platform_owner using (true) with check (true);
grant select (number, name, applied_at) on platform.migrations to foundation_role;
grant select (number, name, applied_at) on platform.migrations to support_role;

create table platform.users (
  id text collate "C" not null,
  email text not null,
  name text not null,
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
  constraint users_id_check CHECK (((octet_length(id) >= 1) AND (octet_length(id) <= 255))),
  constraint users_name_check CHECK (platform.is_line(name, 200)),
  constraint users_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'user'::text])))
);
comment on column platform.users.id is 'The identity provider''s subject at the first sign-in.';
comment on column platform.users.directory_object_id is 'With the tenant, what finds a person again: the subject differs from app registration to app registration.';
CREATE TRIGGER keep_directory_account BEFORE UPDATE OF directory_tenant_id, directory_object_id ON platform.users FOR EACH ROW WHEN (((old.directory_object_id IS NOT NULL) AND ((old.directory_tenant_id IS DISTINCT FROM new.directory_tenant_id) OR (old.directory_object_id IS DISTINCT FROM new.directory_object_id)))) EXECUTE FUNCTION platform.keep_directory_account();
alter table platform.users enable row level security, force row level security;
create policy apps_add on platform.users for insert to foundation_role, support_role with check (true);
create policy apps_edit on platform.users for update to foundation_role, support_role using (true) with check (true);
create policy apps_read on platform.users for select to foundation_role, support_role using (true);
create policy owner_all on platform.users for all to platform_owner using (true) with check (true);
grant insert (id, email, name, foundation_user_id, directory_tenant_id, directory_object_id, last_signed_in) on platform.users to foundation_role;
grant insert (id, email, name, support_user_id, directory_tenant_id, directory_object_id, last_signed_in) on platform.users to support_role;
grant select on platform.users to foundation_role;
grant select on platform.users to support_role;
grant update (email, name, role, foundation_user_id, directory_tenant_id, directory_object_id, last_signed_in) on platform.users to foundation_role;
grant update (email, name, support_user_id, directory_tenant_id, directory_object_id, last_signed_in) on platform.users to support_role;

create schema public;

create schema support;
grant usage on schema support to support_role;

create sequence support.customer_number as bigint start 1000 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
grant usage on sequence support.customer_number to support_role;

create table support.agents (
  id uuid default uuidv7() not null,
  user_id text collate "C" not null,
  availability text default 'offline'::text not null,
  created_at timestamp with time zone default now() not null,
  constraint agents_pkey PRIMARY KEY (id),
  constraint agents_user_id_key UNIQUE (user_id),
  constraint agents_user_id_fkey FOREIGN KEY (user_id) REFERENCES platform.users(id),
  constraint agents_availability_check CHECK ((availability = ANY (ARRAY['online'::text, 'away'::text, 'offline'::text])))
);
alter table support.agents enable row level security, force row level security;
create policy owner_all on support.agents for all to platform_owner using (true) with check (true);
create policy support_all on support.agents for all to support_role using (true) with check (true);
grant insert (user_id, availability) on support.agents to support_role;
grant select on support.agents to support_role;
grant update (availability) on support.agents to support_role;

create table support.calls (
  id uuid default uuidv7() not null,
  customer_id uuid not null,
  agent_id uuid,
  direction text not null,
  number_e164 text collate "C" not null,
  outcome text,
  notes text,
  started_at timestamp with time zone not null,
  duration_seconds integer,
  created_at timestamp with time zone default now() not null,
  constraint calls_pkey PRIMARY KEY (id),
  constraint calls_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint calls_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint calls_direction_check CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text]))),
  constraint calls_duration_seconds_check CHECK ((duration_seconds >= 0)),
  constraint calls_notes_check CHECK ((char_length(notes) <= 4000)),
  constraint calls_number_e164_check CHECK ((number_e164 ~ '^\+[1-9][0-9]{5,14}$'::text)),
  constraint calls_outcome_check CHECK (platform.is_line(outcome, 80))
);
CREATE INDEX calls_agent_id_idx ON support.calls USING btree (agent_id) WHERE (agent_id IS NOT NULL);
CREATE INDEX calls_customer_id_started_at_idx ON support.calls USING btree (customer_id, started_at DESC);
alter table support.calls enable row level security, force row level security;
create policy owner_all on support.calls for all to platform_owner using (true) with check (true);
create policy support_all on support.calls for all to support_role using (true) with check (true);
grant insert (customer_id, agent_id, direction, number_e164, outcome, notes, started_at, duration_seconds) on support.calls to support_role;
grant select on support.calls to support_role;
grant update (customer_id, outcome, notes, duration_seconds) on support.calls to support_role;

create table support.chatbots (
  id uuid default uuidv7() not null,
  widget_id uuid not null,
  name text not null,
  rules jsonb default '[]'::jsonb not null,
  is_live boolean default false not null,
  created_at timestamp with time zone default now() not null,
  constraint chatbots_pkey PRIMARY KEY (id),
  constraint chatbots_widget_id_fkey FOREIGN KEY (widget_id) REFERENCES support.widgets(id),
  constraint chatbots_name_check CHECK (platform.is_line(name, 80)),
  constraint chatbots_rules_check CHECK (((jsonb_typeof(rules) = 'array'::text) AND (octet_length((rules)::text) <= 65536)))
);
CREATE INDEX chatbots_widget_id_idx ON support.chatbots USING btree (widget_id);
alter table support.chatbots enable row level security, force row level security;
create policy owner_all on support.chatbots for all to platform_owner using (true) with check (true);
create policy support_all on support.chatbots for all to support_role using (true) with check (true);
grant insert (widget_id, name, rules, is_live) on support.chatbots to support_role;
grant select on support.chatbots to support_role;
grant update (name, rules, is_live) on support.chatbots to support_role;

create table support.messages (
  id uuid default uuidv7() not null,
  session_id uuid not null,
  number integer not null,
  author text not null,
  agent_id uuid,
  client_id text collate "C" not null,
  body text not null,
  created_at timestamp with time zone default clock_timestamp() not null,
  constraint messages_pkey PRIMARY KEY (id),
  constraint messages_session_id_author_client_id_key UNIQUE (session_id, author, client_id),
  constraint messages_session_id_number_key UNIQUE (session_id, number),
  constraint messages_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint messages_session_id_fkey FOREIGN KEY (session_id) REFERENCES support.sessions(id),
  constraint messages_author_check CHECK ((author = ANY (ARRAY['visitor'::text, 'agent'::text, 'bot'::text]))),
  constraint messages_body_check CHECK (((char_length(body) >= 1) AND (char_length(body) <= 4000))),
  constraint messages_client_id_check CHECK ((client_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
  constraint messages_number_check CHECK ((number > 0))
);
comment on column support.messages.number is 'Dense within the session, in the order in which the server took the messages.';
comment on column support.messages.client_id is 'Given by the sender: a retry of the same message is the same message.';
CREATE INDEX messages_agent_id_idx ON support.messages USING btree (agent_id) WHERE (agent_id IS NOT NULL);
alter table support.messages enable row level security, force row level security;
create policy owner_all on support.messages for all to platform_owner using (true) with check (true);
create policy support_all on support.messages for all to support_role using (true) with check (true);
grant insert (session_id, number, author, agent_id, client_id, body) on support.messages to support_role;
grant select on support.messages to support_role;

create table support.sessions (
  id uuid default uuidv7() not null,
  widget_id uuid not null,
  customer_id uuid,
  identity text default 'claimed'::text not null,
  visitor_email text not null,
  visitor_name text not null,
  token_hash bytea not null,
  agent_id uuid,
  status text default 'active'::text not null,
  resolved boolean,
  message_count integer default 0 not null,
  started_at timestamp with time zone default now() not null,
  last_message_at timestamp with time zone,
  ended_at timestamp with time zone,
  constraint sessions_pkey PRIMARY KEY (id),
  constraint sessions_token_hash_key UNIQUE (token_hash),
  constraint sessions_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES support.agents(id),
  constraint sessions_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES platform.customers(id),
  constraint sessions_widget_id_fkey FOREIGN KEY (widget_id) REFERENCES support.widgets(id),
  constraint sessions_check CHECK (((status = 'ended'::text) = (ended_at IS NOT NULL))),
  constraint sessions_check1 CHECK (((status = 'ended'::text) = (resolved IS NOT NULL))),
  constraint sessions_identity_check CHECK ((identity = ANY (ARRAY['claimed'::text, 'verified'::text]))),
  constraint sessions_status_check CHECK ((status = ANY (ARRAY['active'::text, 'ended'::text]))),
  constraint sessions_token_hash_check CHECK ((octet_length(token_hash) = 32)),
  constraint sessions_visitor_email_check CHECK (platform.is_line(visitor_email, 254)),
  constraint sessions_visitor_name_check CHECK (platform.is_line(visitor_name, 200))
);
comment on column support.sessions.identity is 'claimed: an address was typed, which proves nothing. verified: the host page signed it.';
comment on column support.sessions.visitor_name is 'As typed here; a name typed in a chat never overwrites the customer''s.';
CREATE INDEX sessions_agent_id_idx ON support.sessions USING btree (agent_id) WHERE (agent_id IS NOT NULL);
CREATE INDEX sessions_customer_id_started_at_idx ON support.sessions USING btree (customer_id, started_at DESC) WHERE (customer_id IS NOT NULL);
CREATE INDEX sessions_widget_id_idx ON support.sessions USING btree (widget_id);
alter table support.sessions enable row level security, force row level security;
create policy owner_all on support.sessions for all to platform_owner using (true) with check (true);
create policy support_all on support.sessions for all to support_role using (true) with check (true);
grant insert (widget_id, customer_id, identity, visitor_email, visitor_name, token_hash) on support.sessions to support_role;
grant select on support.sessions to support_role;
grant update (customer_id, identity, token_hash, agent_id, status, resolved, message_count, last_message_at, ended_at) on support.sessions to support_role;

create table support.widgets (
  id uuid default uuidv7() not null,
  key text collate "C" not null,
  name text not null,
  allowed_origins text[] default '{}'::text[] not null,
  settings jsonb default '{}'::jsonb not null,
  is_active boolean default true not null,
  created_at timestamp with time zone default now() not null,
  constraint widgets_pkey PRIMARY KEY (id),
  constraint widgets_key_key UNIQUE (key),
  constraint widgets_key_check CHECK ((key ~ '^[a-z0-9_-]{8,64}$'::text)),
  constraint widgets_name_check CHECK (platform.is_line(name, 80)),
  constraint widgets_settings_check CHECK (((jsonb_typeof(settings) = 'object'::text) AND (octet_length((settings)::text) <= 16384)))
);
comment on column support.widgets.key is 'Public: it stands in the host page. It names the widget and proves nothing.';
alter table support.widgets enable row level security, force row level security;
create policy owner_all on support.widgets for all to platform_owner using (true) with check (true);
create policy support_all on support.widgets for all to support_role using (true) with check (true);
grant insert (key, name, allowed_origins, settings, is_active) on support.widgets to support_role;
grant select on support.widgets to support_role;
grant update (key, name, allowed_origins, settings, is_active) on support.widgets to support_role;
