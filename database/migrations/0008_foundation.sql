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
create index changes_of_deal on crm.changes (deal_id, occurred_at desc, id desc) where deal_id is not null;
create index activities_of_deal on crm.activities (deal_id, occurred_at desc, id desc) where deal_id is not null;
drop index crm.activities_deal_id_idx;
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

-- Of two administrators who saw the same pipeline the second is told. Its stages are part of it.
alter table crm.pipelines add column version bigint not null default 1, add column updated_at timestamptz not null default now();
create trigger count_version before update on crm.pipelines for each row execute function platform.count_version();
create function crm.count_stage_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'UPDATE' and new is not distinct from old then return null; end if;
  update crm.pipelines set version = version + 1 where id = case tg_op when 'DELETE' then old.pipeline_id else new.pipeline_id end;
  return null;
end $$;
create trigger count_version after insert or update or delete on crm.pipeline_stages for each row execute function crm.count_stage_change();

-- A deal's status is the outcome of its stage, whoever writes it. Where one of the two says what is meant, the other follows: a pipeline
-- has one stage for won and one for lost. Of the open stages nobody can say which: who opens a deal again names one.
create function crm.tie_status_to_stage() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stage_outcome text;
  is_moved boolean;
begin
  -- Held, so that it does not get another outcome meanwhile.
  select s.outcome into stage_outcome from crm.pipeline_stages s where s.id = new.stage_id for share;
  if stage_outcome = new.status or stage_outcome is null then return new; end if;  -- the foreign key refuses what is no stage
  if tg_op = 'INSERT' then is_moved := new.status = 'open';
  else is_moved := new.stage_id <> old.stage_id;
  end if;
  if tg_op = 'UPDATE' and is_moved and new.status <> old.status then
    raise exception 'a deal that is % cannot stand in a stage that is %', new.status, stage_outcome
      using errcode = 'check_violation', constraint = 'deals_stage_of_status', column = 'stage_id';
  elsif is_moved then
    new.status := stage_outcome;
    new.closed_at := case when stage_outcome <> 'open' then coalesce(new.closed_at, now()) end;
  elsif new.status = 'open' then
    raise exception 'name the stage in which the deal is open' using errcode = 'check_violation', constraint = 'deals_stage_of_status', column = 'stage_id';
  else
    select s.id into new.stage_id from crm.pipeline_stages s where s.pipeline_id = new.pipeline_id and s.outcome = new.status;
    if not found then
      raise exception 'the pipeline has no stage for %', new.status using errcode = 'check_violation', constraint = 'deals_stage_of_status', column = 'stage_id';
    end if;
    new.closed_at := coalesce(new.closed_at, now());
  end if;
  return new;
end $$;
-- Those there are: what was closed goes where it belongs, what stands among the closed is closed.
insert into crm.pipeline_stages (pipeline_id, name, position, outcome, probability_percent)
select d.pipeline_id, initcap(d.status), 1000 + case d.status when 'won' then 1 else 2 end, d.status, case d.status when 'won' then 100 else 0 end
from (select distinct pipeline_id, status from crm.deals where status <> 'open') d
where not exists (select from crm.pipeline_stages s where s.pipeline_id = d.pipeline_id and s.outcome = d.status);
update crm.deals d set stage_id = s.id from crm.pipeline_stages s
where s.pipeline_id = d.pipeline_id and s.outcome = d.status and d.status <> 'open' and d.stage_id <> s.id;
update crm.deals d set status = s.outcome, closed_at = d.updated_at from crm.pipeline_stages s
where s.id = d.stage_id and d.status = 'open' and s.outcome <> 'open';
create trigger a_tie_status before insert or update of pipeline_id, stage_id, status on crm.deals for each row execute function crm.tie_status_to_stage();
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
create index customers_without_company on platform.customers (id) where company_id is null and merged_into is null and erased_at is null;
create index customers_without_manager on platform.customers (created_at, id) where account_manager_id is null and merged_into is null and erased_at is null;
create index customers_of_app on platform.customers (created_by_app, created_at, id) where merged_into is null and erased_at is null;
create index customers_of_manager on platform.customers (account_manager_id, name, id) where account_manager_id is not null;
drop index platform.customers_account_manager_id_idx;
create index companies_by_name on platform.companies (name, id);
create index companies_by_change on platform.companies (updated_at, id);
create index activities_tasks on crm.activities (coalesce(due_at, 'infinity'), id) where type = 'task' and done_at is null;
-- Ozgur finds Özgür: names beyond ASCII are found by their letters without marks as well. Only those have a second entry, so that
-- the search of everybody else costs what it did. Not the extension unaccent: it would have to be installed on every server there is.
create function platform.fold(value text) returns text
language sql immutable parallel safe
return replace(replace(replace(
  translate(regexp_replace(normalize(lower(value), nfd), '[\u0300-\u036f]', '', 'g'), 'øłđıħŧ', 'oldiht'),
  'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
grant execute on function platform.fold(text) to foundation_role, support_role;
create index customers_folded on platform.customers using gin ((' ' || platform.fold(name)) ext.gin_trgm_ops) where octet_length(name) <> char_length(name);
create index companies_folded on platform.companies using gin ((' ' || platform.fold(name)) ext.gin_trgm_ops) where octet_length(name) <> char_length(name);
create index deals_folded on crm.deals using gin ((' ' || platform.fold(name)) ext.gin_trgm_ops) where octet_length(name) <> char_length(name);

create index deals_by_name on crm.deals (name, id);
create index deals_by_amount on crm.deals (amount, id);
create index deals_by_close on crm.deals (coalesce(expected_close_on, 'infinity'), id);
create index deals_by_change on crm.deals (updated_at, id);
-- A column of the board; and, without a look at the table, its sums.
create index deals_board on crm.deals (stage_id, coalesce(expected_close_on, 'infinity'), id);
create index deals_sums on crm.deals (pipeline_id, stage_id, status, currency) include (amount, closed_at);
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

-- A value is of its field's type, whoever writes it; a number is one that JavaScript keeps. What is required cannot be taken away.
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
    when 'number' then case when jsonb_typeof(new.value) = 'number' then abs(given::numeric) <= 1e15 else false end
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

-- Whoever makes a deal or a company in Foundation gives what is required, by the end of the transaction. Not asked of customers, nor
-- of companies that Support makes: they are born in chats, where nobody knows Foundation's fields. Foundation's own routes ask for
-- customers' as well.
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
    raise exception '% is required', missing.label using errcode = 'check_violation', constraint = 'custom_field_required', column = missing.key;
  end if;
  return null;
end $$;
create constraint trigger require_custom_values after insert on crm.deals deferrable initially deferred
  for each row execute function crm.require_custom_values('deal');
create constraint trigger require_custom_values after insert on platform.companies deferrable initially deferred
  for each row when (new.created_by_app = 'foundation') execute function crm.require_custom_values('company');

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
-- Nobody may delete a company: it is shared, and Support may speak of it.
grant delete on crm.custom_fields, crm.pipelines, crm.pipeline_stages, crm.contacts to foundation_role;
