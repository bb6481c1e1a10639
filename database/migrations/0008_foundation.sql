-- What Foundation's screens stand on: a history of changes, saved views, orders that an index answers, custom fields that hold.

-- What was done to a customer and its deals, for the timeline and for "who changed this": kept by Foundation's subscription to the events,
-- because the log itself is dropped after retention.
create table crm.changes (
  event_id bigint primary key,
  -- In one order with the activities, whose ids are uuids.
  id uuid not null generated always as (lpad(to_hex(event_id), 32, '0')::uuid) stored,
  customer_id uuid not null references platform.customers,
  deal_id bigint references crm.deals,
  change text not null check (change in ('created', 'edited', 'moved', 'won', 'lost', 'reopened')),
  app text collate "C" not null,
  actor text collate "C",
  occurred_at timestamptz not null,
  data jsonb not null check (jsonb_typeof(data) = 'object'),
  previous jsonb not null check (jsonb_typeof(previous) = 'object'),
  names jsonb not null default '{}' check (jsonb_typeof(names) = 'object')
);
comment on column crm.changes.names is
  'What was called how when it happened, because it may be gone or renamed: { "custom.colour": "Colour", "stage_id.7": "Proposal" }.';
comment on column crm.changes.deal_id is 'Null: a change of the customer itself.';
comment on column crm.changes.actor is 'As the app said; no reference, because what happened stands when the user is gone.';
create index changes_timeline on crm.changes (customer_id, occurred_at desc, id desc);
create index on crm.changes (deal_id) where deal_id is not null;
call platform.protect_table('crm.changes');
create policy foundation_all on crm.changes to foundation_role using (true) with check (true);
-- No update and no delete: a history.
grant select, insert (event_id, customer_id, deal_id, change, app, actor, occurred_at, data, previous, names) on crm.changes to foundation_role;

-- What a stage was called that is no more: deals have stood in it.
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
comment on column crm.saved_views.query is 'What stands behind the ? of the page’s address.';
create index on crm.saved_views (page) where is_shared;
call platform.protect_table('crm.saved_views');
create policy foundation_all on crm.saved_views to foundation_role using (true) with check (true);
grant select, delete, insert (owner_id, page, name, query, is_shared), update (name, query, is_shared) on crm.saved_views to foundation_role;

-- What Foundation's servers seal the cursors of their lists with: any of them opens what another sealed. It guards names against
-- being read off an address, nothing more; who has it could make a cursor, and read on in a list that is open to him anyway.
create table crm.cursor_key (
  only_one boolean primary key default true check (only_one),
  key bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) check (octet_length(key) = 32)
);
insert into crm.cursor_key default values;
call platform.protect_table('crm.cursor_key');
create policy foundation_read on crm.cursor_key for select to foundation_role using (true);
grant select on crm.cursor_key to foundation_role;

-- Lists in every order they offer. Of those who go on only: nobody pages through who was merged or erased.
create index customers_by_name on platform.customers (name, id) where merged_into is null and erased_at is null;
create index customers_by_email on platform.customers (email_key, id) where merged_into is null and erased_at is null;
create index customers_by_tier on platform.customers (coalesce(account_tier, '~'), id) where merged_into is null and erased_at is null;
create index customers_by_creation on platform.customers (created_at, id) where merged_into is null and erased_at is null;
create index customers_by_change on platform.customers (updated_at, id) where merged_into is null and erased_at is null;
create index companies_by_name on platform.companies (name, id);
create index companies_by_change on platform.companies (updated_at, id);
create index activities_tasks on crm.activities (coalesce(due_at, 'infinity'), id) where type = 'task' and done_at is null;
create index deals_by_name on crm.deals (name, id);
create index deals_by_amount on crm.deals (amount, id);
create index deals_by_close on crm.deals (coalesce(expected_close_on, 'infinity'), id);
create index deals_by_change on crm.deals (updated_at, id);
-- A column of the board; and, without a look at the table, its sums.
create index deals_board on crm.deals (stage_id, coalesce(expected_close_on, 'infinity'), id);
create index deals_sums on crm.deals (pipeline_id, stage_id, currency) include (amount, status, closed_at);
drop index crm.deals_stage;
create index deals_search on crm.deals using gin ((' ' || lower(name)) ext.gin_trgm_ops);

-- What an event of a value tells by itself: the field may be gone when the event is handled.
alter table crm.custom_field_values add column field_key text collate "C", add column field_label text, add column created_at timestamptz not null default now();
update crm.custom_field_values v set field_key = f.key, field_label = f.label from crm.custom_fields f where f.id = v.field_id;
alter table crm.custom_field_values alter column field_key set not null, alter column field_label set not null;
comment on column crm.custom_field_values.field_label is 'As it was when the value was written; the triggers write it.';
call sync.capture('crm.custom_field_values', 'custom_value', 'crm',
  'coalesce(r.customer_id, (select d.customer_id from crm.deals d where d.id = r.deal_id), r.company_id)',
  '{field_id,field_key,field_label,customer_id,company_id,deal_id}');

-- A value is of its field's type, whoever writes it. That required fields are there is Foundation's business when a record is made:
-- a customer whom a chat made has none of them yet. What was given once cannot be taken away.
create function crm.check_custom_value() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  field crm.custom_fields;
  given text;
  fits boolean;
begin
  -- Held, so that nobody takes a choice away that is being chosen.
  select * into field from crm.custom_fields f where f.id = case tg_op when 'DELETE' then old.field_id else new.field_id end for share;
  if tg_op = 'DELETE' then
    -- Of a field that is being removed nothing is found.
    if field.is_required then
      raise exception '% is required' , field.label using errcode = 'check_violation', constraint = 'custom_field_required', column = field.key;
    end if;
    return old;
  end if;
  if field.id is null then return new; end if;  -- the foreign key says so
  if num_nonnulls(case field.record when 'customer' then new.customer_id::text when 'company' then new.company_id::text else new.deal_id::text end) = 0 then
    raise exception '% is a field of another kind of record', field.label
      using errcode = 'check_violation', constraint = 'custom_field_record', column = field.key;
  end if;
  given := new.value #>> '{}';
  fits := case field.type
    when 'text' then jsonb_typeof(new.value) = 'string' and char_length(given) between 1 and 2000
    when 'number' then jsonb_typeof(new.value) = 'number'
    when 'checkbox' then jsonb_typeof(new.value) = 'boolean'
    when 'choice' then jsonb_typeof(new.value) = 'string' and given = any (field.choices)
    when 'date' then jsonb_typeof(new.value) = 'string' and given ~ '^\d{4}-\d{2}-\d{2}$' and pg_input_is_valid(given, 'date')
  end;
  if not fits then
    raise exception 'not a value for the field %', field.label
      using errcode = 'check_violation', constraint = 'custom_field_' || field.type, column = field.key;
  end if;
  new.field_key := field.key;
  new.field_label := field.label;
  return new;
end $$;
create trigger check_value before insert or update or delete on crm.custom_field_values
  for each row execute function crm.check_custom_value();

-- A value counts as a change of its record, so that of two who saw the same version the second is told. As the owner: no app writes versions.
create function crm.count_custom_value() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare r crm.custom_field_values;
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  if r.customer_id is not null then update platform.customers set version = version + 1 where id = r.customer_id;
  elsif r.company_id is not null then update platform.companies set version = version + 1 where id = r.company_id;
  else update crm.deals set version = version + 1 where id = r.deal_id;
  end if;
  return null;
end $$;
create trigger count_version after insert or update or delete on crm.custom_field_values
  for each row execute function crm.count_custom_value();

-- A choice that somebody has chosen cannot be taken away.
create function crm.keep_used_choices() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare used text;
begin
  select v.value #>> '{}' into used from crm.custom_field_values v
  where v.field_id = new.id and v.value #>> '{}' <> all (new.choices) limit 1;
  if found then
    raise exception 'the choice % is in use', used using errcode = 'check_violation', constraint = 'custom_field_choice_used', detail = used;
  end if;
  return new;
end $$;
create trigger keep_used_choices before update of choices on crm.custom_fields
  for each row when (new.type = 'choice') execute function crm.keep_used_choices();

alter table crm.custom_field_values drop constraint custom_field_values_field_id_fkey,
  add foreign key (field_id) references crm.custom_fields on delete cascade;
grant delete on crm.custom_fields, crm.pipelines, crm.pipeline_stages to foundation_role;
