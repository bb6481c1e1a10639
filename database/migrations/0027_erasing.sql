-- Erasing a person. docs/privacy.md tells what it means; this file does it.
--
-- An erasure has three states:
--   asked   two people are needed, and one has asked for it
--   erased  its transaction has committed: nothing in any table tells of the person any more, and platform.suppressions keeps them away
--   clean   the clean-up has ended: stored files, index entries, dead rows and statistics have nothing left either
--
-- The transaction goes through platform.inventory_tables and deletes or scrubs what belongs to the person, who may be several customers
-- that were merged. Then it scrubs the log, which keeps its numbers, and writes customer.erased for each of their ids. A kill at any
-- statement leaves all or nothing. The clean-up is made of steps that may be repeated, so that any process goes on with it.
--
-- Locks: the customers, as a merge holds them, so nobody gives one of them a child meanwhile. A writer who holds one of their rows and
-- waits for a customer is never the victim: the erasure waits for a row only for a moment, gives everything free, and begins again.
--
-- The functions belong to erase_role, which nobody can log in as. Row triggers do not fire for it: no version is counted, and no event
-- repeats what is scrubbed. Only privacy_role may call the functions, so no app's login can erase, or silence a trigger.

-- Every trigger that stays silent for merge_role does so for erase_role.
do $$
declare t record;
begin
  for t in
    select pg_get_triggerdef(g.oid) as definition, g.tgname, g.tgrelid::regclass as relation from pg_trigger g
    where not g.tgisinternal and pg_get_triggerdef(g.oid) ~ 'merge_role' and g.tgparentid = 0
  loop
    execute format('drop trigger %I on %s', t.tgname, t.relation);
    execute replace(replace(t.definition, '{bulk_role,merge_role}', '{bulk_role,merge_role,erase_role}'),
      $w$CURRENT_USER <> 'merge_role'::name$w$, $w$CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[])$w$);
  end loop;
  -- As do those of tables to come. The bodies differ in this condition only.
  execute replace(pg_get_functiondef('platform.require_present_customer(regclass, name)'::regprocedure),
    '{bulk_role,merge_role}', '{bulk_role,merge_role,erase_role}');
  execute replace(pg_get_functiondef('sync.capture(regclass, text, text, text, text, text[], text[], boolean)'::regprocedure),
    $w$current_user <> ''merge_role''$w$, $w$current_user <> all (''{merge_role,erase_role}'')$w$);
  for t in
    select f as name from unnest(array['platform.require_present_customer(regclass, name)',
      'sync.capture(regclass, text, text, text, text, text[], text[], boolean)']) f
    where pg_get_functiondef(f::regprocedure) !~ 'erase_role'
  loop
    raise exception '% is not as this migration expects', t.name;
  end loop;
end $$;

-- An erasure goes through the tables in their order here: what refers to a person's answers goes, and is counted, before the answers do.
update platform.inventory_tables i set place = default where i.relation = 'sync.import_decisions';

create table platform.privacy_settings (
  only_one boolean primary key default true check (only_one),
  two_people boolean not null default false,
  backups_kept_days integer check (backups_kept_days between 1 and 36500),
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text collate "C" default platform.current_actor()
);
comment on column platform.privacy_settings.two_people is 'An erasure is asked for by one person and done by another.';
comment on column platform.privacy_settings.backups_kept_days is
  'A backup is gone after so many days; null: nobody has said. Receipts quote it.';
insert into platform.privacy_settings default values;

create table platform.erasures (
  id uuid primary key default uuidv7(),
  customer_id uuid not null unique,
  people uuid[] not null default '{}',
  reason text not null check (platform.is_line(reason, 500)),
  state text collate "C" not null check (state in ('asked', 'erased', 'clean')),
  asked_at timestamptz not null default clock_timestamp(),
  asked_by text collate "C" not null default platform.current_actor(),
  asked_by_login name not null default session_user,
  erased_at timestamptz,
  erased_by text collate "C",
  erased_by_login name,
  clean_at timestamptz,
  report jsonb not null default '{}',
  pending jsonb,
  check ((state = 'asked') = (erased_at is null)),
  check ((state = 'clean') = (clean_at is not null)),
  check (num_nulls(erased_at, erased_by, erased_by_login) in (0, 3)),
  check (state = 'erased' or pending is null)
);
comment on table platform.erasures is
  'The receipts. One for each person, with ids only; no references, so that a receipt outlives everything.';
comment on column platform.erasures.people is 'All ids that were this person: the customer and those that were merged into it.';
comment on column platform.erasures.report is
  'What was done: { tables: [{ table, act, rows, why, stays }], events, addresses, numbers, files }.';
comment on column platform.erasures.pending is
  'What the clean-up still looks for: addresses, numbers and files. It is in clear until then, and gone with the clean-up.';
create index erasures_open on platform.erasures (erased_at) where state = 'erased';
call platform.stay_in_merges('platform.erasures', 'customer_id', 'A receipt names who was erased.');

create table platform.legal_holds (
  id uuid primary key default uuidv7(),
  customer_id uuid not null references platform.customers,
  reason text not null check (platform.is_line(reason, 500)),
  held_at timestamptz not null default clock_timestamp(),
  held_by text collate "C" not null default platform.current_actor(),
  held_by_login name not null default session_user,
  released_at timestamptz,
  released_by text collate "C",
  release_reason text check (platform.is_line(release_reason, 500)),
  check (num_nulls(released_at, released_by, release_reason) in (0, 3))
);
comment on table platform.legal_holds is 'Why a customer must not be erased, and nothing of them be removed by its age.';
comment on constraint legal_holds_customer_id_fkey on platform.legal_holds is
  'any customer: a hold stays with the record that it was placed on, and counts for all records of the person.';
create index on platform.legal_holds (customer_id);
call platform.stay_in_merges('platform.legal_holds', 'customer_id', 'It counts for everybody whom the customer was merged with.');

-- Who must not come back. Only keyed hashes are here: HMAC-SHA-256 of the kind and the canonical value, so that the list alone says nothing
-- of anybody. The key is in the database because triggers need it: who has a copy of all of it can guess addresses.
create table platform.suppression_key (
  only_one boolean primary key default true check (only_one),
  inner_pad bytea not null check (octet_length(inner_pad) = 64),
  outer_pad bytea not null check (octet_length(outer_pad) = 64)
);
comment on table platform.suppression_key is 'The key of the hashes, as the two pads of HMAC, which SQL cannot make from a key.';
do $$
declare
  key constant bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  pads bytea[] := array[decode(repeat('36', 64), 'hex'), decode(repeat('5c', 64), 'hex')];
begin
  for place in 0..31 loop
    for pad in 1..2 loop
      pads[pad] := set_byte(pads[pad], place, get_byte(pads[pad], place) # get_byte(key, place));
    end loop;
  end loop;
  insert into platform.suppression_key (inner_pad, outer_pad) values (pads[1], pads[2]);
end $$;

create table platform.suppressions (
  hash bytea primary key check (octet_length(hash) = 32),
  kind text collate "C" not null check (kind in ('email', 'phone', 'source')),
  erasure uuid not null,
  suppressed_at timestamptz not null default clock_timestamp(),
  lifted_at timestamptz,
  lifted_by text collate "C",
  lift_reason text check (platform.is_line(lift_reason, 500)),
  check (num_nulls(lifted_at, lifted_by, lift_reason) in (0, 3))
);
comment on table platform.suppressions is 'Addresses, numbers and ids in sources of people who were erased, as keyed hashes.';
create index on platform.suppressions (erasure);

do $$
declare t regclass;
begin
  foreach t in array array['platform.privacy_settings', 'platform.erasures', 'platform.legal_holds', 'platform.suppression_key',
    'platform.suppressions']::regclass[] loop
    execute format('call platform.protect_table(%L)', t);
    execute format('create policy erase_all on %s to erase_role using (true) with check (true)', t);
    execute format('grant select, insert, update on %s to erase_role', t);
  end loop;
  -- privacy_role reads receipts, holds and settings; hashes and their key nobody reads.
  foreach t in array array['platform.privacy_settings', 'platform.erasures', 'platform.legal_holds']::regclass[] loop
    execute format('create policy privacy_read on %s for select to privacy_role using (true)', t);
  end loop;
  grant select on platform.privacy_settings, platform.legal_holds to privacy_role;
  -- `pending` is absent: it is in clear.
  grant select (id, customer_id, people, reason, state, asked_at, asked_by, asked_by_login, erased_at, erased_by, erased_by_login, clean_at,
    report) on platform.erasures to privacy_role;
end $$;

call platform.classify('platform.privacy_settings', null, 'keep', 'Settings.',
  technical => 'only_one two_people backups_kept_days changed_at changed_by');
call platform.classify('platform.erasures', null, 'keep', 'The receipt shows that the erasure was done.',
  identifying => 'pending', content => 'reason', stays => 'reason',
  technical => 'id customer_id people state asked_at asked_by asked_by_login erased_at erased_by erased_by_login clean_at report');
call platform.classify('platform.legal_holds', null, 'keep',
  'That a hold was placed and released is part of the record.',
  content => 'reason release_reason', stays => 'reason release_reason',
  technical => 'id customer_id held_at held_by held_by_login released_at released_by');
grant maintain on platform.erasures to privacy_role;
call platform.classify('platform.suppression_key', null, 'keep', 'The key of the suppression list.',
  technical => 'only_one inner_pad outer_pad');
call platform.classify('platform.suppressions', null, 'keep', 'Keyed hashes keep the person away.',
  content => 'lift_reason', stays => 'lift_reason', technical => 'hash kind erasure suppressed_at lifted_at lifted_by');

-- Lets erase_role reach the rows of a table that has some of people. From here on platform.classify does it for every new table.
create procedure platform.let_erase(target regclass)
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;
create or replace procedure platform.classify(
  target regclass, belongs text, erasing text, why text,
  identifying text default '', content text default '', technical text default '',
  becomes jsonb default '{}', stays text default '', entity text default null, later boolean default false)
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;
do $$
declare t text;
begin
  for t in select i.relation from platform.inventory_tables i where i.belongs is not null loop
    call platform.let_erase(t::regclass);
  end loop;
end $$;
-- Stored files are found by what a plan read of them and by their bytes, so the clean-up has statements of its own for them.
update platform.inventory_tables set erasing = 'own' where relation in ('sync.import_chunks', 'sync.import_uploads');
-- Its text says that an attempt failed.
update platform.inventory set becomes = '''Erased''' where relation = 'sync.attempts' and column_name = 'error';
-- The key of most rows is an id or a number, which says nothing.
update platform.inventory set becomes = $$case when r.key ~ '^([0-9a-f-]{36}|\d+)$' then r.key else gen_random_uuid()::text end$$
where relation = 'platform.merge_moves' and column_name = 'key';

-- Nobody changes what was recorded; an erasure takes the text of an error out of an attempt.
create function sync.keep_attempt() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'a record of an attempt is not changed' using errcode = 'restrict_violation';
end $$;
drop trigger keep on sync.attempts;
create trigger keep before update on sync.attempts for each statement when (current_user <> 'erase_role')
  execute function sync.keep_attempt();
create trigger keep_all before truncate on sync.attempts for each statement execute function sync.keep_attempt();

-- The person behind a customer: the one that goes on, all ids, addresses in canonical form, numbers in E.164. customer is null if there is
-- no such one. As finding has it (platform.gather_person), an address that was removed leads to the person as long as nobody has it, and a
-- number that somebody else has too leads to nothing: a line of an import with it may be theirs.
create function platform.person(
  of_customer uuid, out customer uuid, out people uuid[], out addresses text[], out numbers text[], out state text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with root as (
    select s.id, s.erased_at from platform.customers c join platform.customers s on s.id = coalesce(c.merged_into, c.id)
    where c.id = of_customer),
  ids as (
    select c.id from root r join platform.customers c on c.id = r.id or c.merged_into = r.id)
  select r.id, (select array_agg(i.id order by i.id <> r.id, i.id) from ids i),
    coalesce((select array_agg(e.email_key order by not e.is_primary, e.email_key) from ids i
      join platform.customer_emails e on e.customer_id = i.id where e.email_key <> platform.no_address(i.id)), '{}')
      || coalesce((select array_agg(distinct e.email_key) from ids i
        join platform.removed_emails e on e.customer_id = i.id and e.reason = 'removed' and e.email_key <> platform.no_address(i.id)
        where not exists (select from platform.customer_emails o where o.email_key = e.email_key)), '{}'),
    coalesce((select array_agg(distinct p.phone_key) from ids i join platform.customer_phones p on p.customer_id = i.id
      where not exists (select from platform.customer_phones o
        where o.phone_key = p.phone_key and o.customer_id not in (select ids.id from ids))), '{}'),
    case when r.erased_at is null then 'present' else 'erased' end
  from (select 1) one left join root r on true;
end;

-- The keys of the events of rows that named an address of the person without being linked to them: chats and contacts.
create function platform.unlinked_keys(addresses text[]) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(k.id::text), '{}') from (
    select s.id from support.sessions s where s.customer_id is null and lower(s.visitor_email) = any (addresses)
    union all
    select c.id from crm.contacts c where c.customer_id is null and lower(c.email) = any (addresses)) k;
end;

-- The keys of the events that name another customer and tell of this person: of a record that was moved to them, of records that a merge
-- had given to somebody else until it was taken back, and of the person's own rows meanwhile.
create function platform.moved_keys(people uuid[]) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The events of a person: those of their customers (sync.list_events_of_customer), and those of the keys above.
create function platform.positions_of_person(people uuid[], keys text[] default '{}') returns bigint[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(p.position), '{}') from (
    select l.position from sync.list_events_of_customer(people[1]) l (position)
    union
    select e.position from sync.events e where e.key = any (keys)) p;
end;

-- Stored files with a line of the person: those that a run has read, by the lines of the run, and the others by their bytes. A compressed
-- one (.xlsx) is not searched: it goes when nobody has used it for a while (import_file_keep_days).
create function platform.uploads_of_runs(runs bigint[]) returns bigint[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(distinct u.id), '{}')
  from sync.import_jobs j cross join jsonb_array_elements(coalesce(j.settings -> 'files', '[]')) f
    join sync.import_uploads u on u.id = (f.value ->> 'upload')::bigint and u.state <> 'removed'
  where j.run = any (runs);
end;
create function platform.uploads_naming(keys text[]) returns bigint[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
create function platform.uploads_of_person(people uuid[], addresses text[], numbers text[]) returns bigint[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return array(
    select unnest(platform.uploads_of_runs(platform.runs_of_person(people, addresses, numbers)))
    union select unnest(platform.uploads_naming(addresses)));
end $$;

-- What follows runs as erase_role, in its functions.

-- The parts of a table in which a statement is run by itself: one, or each run of an import (0012_import.sql says why).
create function platform.parts_of(target regclass) returns setof text
language sql stable
begin atomic
  select 'true' from pg_catalog.pg_class c where c.oid = target and c.relkind = 'r'
  union all
  select format('r.run = %s', bound[1]) from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    cross join lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FOR VALUES IN \(''?(\d+)''?\)') bound
  where i.inhparent = target and bound is not null;
end;

-- The runs that have a line of the person.
create function platform.runs_of_person(people uuid[], addresses text[], numbers text[]) returns bigint[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
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
end $$;

-- Scrubs the lines that were refused before an address was read from them, by their text.
create index import_rows_unread on sync.import_rows (n) where customer is null and email_key is null and raw is not null;
create function platform.erase_unread_lines(t platform.inventory_tables, addresses text[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  t.erasing := 'scrub';
  t.belongs := 'r.email_key is null and r.raw is not null and platform.names_address(r.raw, $2)'
    || case t.relation when 'sync.import_rows' then ' and r.customer is null' else '' end;
  return platform.erase_rows(t, '{}', addresses, '{}');
end $$;

create function platform.count_rows(t platform.inventory_tables, people uuid[], addresses text[], numbers text[]) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Deletes or scrubs the person's rows of one table.
create function platform.erase_rows(t platform.inventory_tables, people uuid[], addresses text[], numbers text[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The columns of the table whose events begin with this word, and those of them that an event keeps. Of another word there are none.
create function sync.kept_columns(out entity text, out known text[], out kept text[]) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select t.entity, array_agg(i.column_name::text),
    array_agg(i.column_name::text) filter (where i.class = 'technical' and i.becomes is null or i.stays
      or i.column_name in ('version', 'updated_at', 'erased_at', 'status', 'resolved', 'ended_at', 'waiting_since', 'snoozed_until'))
  from platform.inventory_tables t join platform.inventory i on i.relation = t.relation
  where t.entity is not null group by t.entity;
end;

-- The data of an event without what tells of a person: columns of its table by their class, and of what is no column the ids, the marks
-- and small numbers. In plpgsql, which keeps its plan: an erasure calls it for every event of a person.
create function sync.scrub_data(data jsonb, known text[], kept text[]) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The keys of other records with which the person was merged until the merge was taken back: events of them have values of the person
-- between the two, and the last has the record as it came back.
create function platform.former_partners(people uuid[]) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(o.key), '{}') from (
    select m.survivor_id::text as key from platform.merges m
    where m.undone_at is not null and m.loser_id = any (people) and m.survivor_id <> all (people)
    union
    select m.loser_id::text from platform.merges m
    where m.undone_at is not null and m.survivor_id = any (people) and m.loser_id <> all (people)) o;
end;

-- What names the person by itself, in each spelling.
create function platform.values_of_person(people uuid[]) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select array_agg(distinct v.value) filter (where v.value is not null) from (
    select unnest(array[c.email, c.email_key, c.name, c.phone, c.phone_key]) from platform.customers c where c.id = any (people)
    union all
    select unnest(array[e.email, e.email_key]) from platform.customer_emails e where e.customer_id = any (people)
    union all
    select unnest(array[p.phone, p.phone_key]) from platform.customer_phones p where p.customer_id = any (people)) v (value);
end;

-- The data of another record's event without the person's: the members that say what is known of the person, and a record that is theirs.
create function sync.scrub_values(data jsonb, people uuid[], known text[]) returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(d.key, d.value), '{}') from jsonb_each(data) d
  where (d.value #>> '{}') is null or (d.value #>> '{}') <> all (known)
    and (jsonb_typeof(d.value) <> 'object' or not coalesce(d.value ->> 'id', '') = any (people::text[])));

-- HMAC-SHA-256 of what keeps a person away. kind: email, phone, or source with "source:key" as the value.
create function platform.suppression_hash(kind text, value text) returns bytea
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select sha256(k.outer_pad || sha256(k.inner_pad || convert_to(kind || ':' || value, 'UTF8'))) from platform.suppression_key k);

create function platform.suppress(of_erasure uuid, of_kind text, hashes bytea[]) returns bigint
language sql
begin atomic
  with written as (
    insert into platform.suppressions as s (hash, kind, erasure)
    select distinct h, of_kind, of_erasure from unnest(hashes) h
    on conflict (hash) do update set erasure = excluded.erasure, suppressed_at = clock_timestamp(),
      lifted_at = null, lifted_by = null, lift_reason = null
    returning 1)
  select count(*) from written;
end;

create function platform.require_reason(because text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if not coalesce(platform.is_line(btrim(because), 500), false) then
    raise exception 'say why, in 1 to 500 characters on one line' using errcode = 'invalid_parameter_value', constraint = 'privacy_reason';
  end if;
  return btrim(because);
end $$;

-- The hold that keeps the person of this customer, or null.
create function platform.hold_of(of_customer uuid) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select h.id from platform.legal_holds h
  where h.released_at is null and h.customer_id = any (sync.list_merged(of_customer)) order by h.held_at limit 1);

-- What an erasure would do, by table; nothing is changed.
create function platform.preview_erasure(of_customer uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
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
end $$;

-- The transaction. It answers { erasure, state, again }: `asked` if two people are needed and this is the first, or the same one again;
-- `again` if the person was erased before, which changes nothing.
create function platform.erase_customer(of_customer uuid, because text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

create function platform.try_erase(of_customer uuid, because text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
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
end $$;

-- Tells every reader of the log, for each id that the person had.
create function sync.capture_erasure(people uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  select 'customer.erased', c.id::text, c.id, c.id::text, c.version, 'platform', platform.current_app(), session_user,
    platform.current_actor(), jsonb_build_object('email', c.email, 'name', c.name, 'erased_at', c.erased_at), '{}',
    nullif(left(current_setting('aether.trace', true), 255), '')
  from platform.customers c where c.id = any (people) order by c.merged_into is not null, c.id;
  perform sync.ring();
end $$;

-- The clean-up. Each step may be repeated; `aether privacy erase` and the worker do them in this order.

-- Removes what only whole files tell: the staged lines of plans and the stored files. It answers false while the worker reads one of the
-- files: then it is called again.
create function platform.erase_files(of_erasure uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
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
end $$;

-- The tables that the open erasures have written to, with the indexes whose entries may hold what was there: an index keeps the bytes of an
-- entry until it is built again. Partitions are listed by themselves, and so is the table of them, which has statistics of its own; the
-- caller may maintain each of the partitions from here on. sampled: the columns of which statistics have values.
create function platform.list_clean_up(out relation text, out indexes text[], out sampled text[], out is_parent boolean)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Ends the clean-up of these erasures. An erasure whose files are still there stays open.
create function platform.end_clean_up(of_erasures uuid[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Receipts, the newest first. A subscriber has acknowledged when it is past the events of the erasure and none of them waits; a consumer
-- over Service Bus when it has reported them as handled. A subscriber that does not read customer.erased is not told.
create function platform.list_receipts(of_customer uuid default null, before uuid default null, rows_max integer default 100)
returns setof jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object('erasure', e.id, 'customer', e.customer_id, 'people', to_jsonb(e.people), 'reason', e.reason, 'state', e.state,
    'askedBy', e.asked_by, 'askedAt', e.asked_at, 'erasedBy', e.erased_by, 'erasedAt', e.erased_at, 'cleanAt', e.clean_at,
    'tables', coalesce((select jsonb_agg(x.value - 'why' - 'stays') from jsonb_array_elements(e.report -> 'tables') x
      where x.value ->> 'act' <> 'keep'), '[]'),
    'kept', coalesce((select jsonb_agg(x.value - 'act') from jsonb_array_elements(e.report -> 'tables') x
      where x.value ->> 'act' <> 'delete'), '[]'),
    'events', e.report -> 'events', 'addresses', e.report -> 'addresses', 'numbers', e.report -> 'numbers',
    'files', e.report -> 'files', 'position', told.position,
    'subscribers', case when e.state <> 'asked' then subscribers.list else '[]' end,
    'webhooks', 'There are no webhooks for events, so none had to be told.',
    'backupsExpireOn', e.erased_at::date + (select s.backups_kept_days from platform.privacy_settings s))
  from platform.erasures e
    left join lateral (
      select max(v.position) as position, array_agg(v.id) as ids, count(*) as told from sync.events v
      where v.key = any (e.people::text[]) and v.type = 'customer.erased' and v.customer = any (e.people)) told on true
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object('kind', s.kind, 'name', s.name, 'told', s.told,
          'acknowledged', s.told and s.acknowledged) order by s.kind, s.name),
        '[]') as list
      from (
        select 'subscription' as kind, s.name, s.types is null or 'customer.erased' = any (s.types) as told,
          coalesce(s.position >= told.position and not exists (
          select from sync.parked k where k.subscription = s.name and k.customer = any (e.people)), false) as acknowledged
        from sync.subscriptions s
        union all
        select 'consumer', c.name, true, (
          select count(*) from sync.consumer_effects f where f.event = any (told.ids) and f.consumer = c.name and f.state = 'handled')
            >= greatest(told.told, 1)
        from sync.consumers c) s) subscribers
  where (of_customer is null or of_customer = any (e.people) or of_customer = e.customer_id) and (before is null or e.id < before)
  order by e.id desc limit least(greatest(rows_max, 1), 1000);
end;

-- Legal holds.
create function platform.place_hold(of_customer uuid, because text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
create function platform.release_hold(of_hold uuid, because text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update platform.legal_holds h set released_at = clock_timestamp(), released_by = platform.current_actor(),
    release_reason = platform.require_reason(because)
  where h.id = of_hold and h.released_at is null;
  return found;
end $$;

-- Whoever lets one person erase again leaves a record of it.
create function platform.set_privacy(two_people boolean default null, backups_kept_days integer default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- A subscription may name the new type.
create or replace function sync.list_vain_types(types text[], out type text, out reason text) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select t.type, case when e.name is null then 'does not exist' else 'is not shown to ' || platform.current_app() end
  from unnest(types) t (type)
    left join sync.entities e on t.type in (e.name || '.created', e.name || '.updated', e.name || '.deleted')
      or e.name = 'customer' and t.type in ('customer.merged', 'customer.unmerged', 'customer.erased')
  where case when e.name is null
        then t.type !~ '\.[a-z]' or not exists (select from platform.apps a where starts_with(t.type, a.name || '.'))
        else not sync.may_read(platform.current_app(), e.audience) end;
end;

-- Rights. What erase_role may do beyond the tables of people.
grant usage on schema platform, crm, support, sync, staging to erase_role;
do $$
declare t text;
begin
  foreach t in array '{platform.inventory,platform.inventory_tables,platform.apps,sync.import_jobs,sync.import_uploads,sync.import_runs,
    sync.subscriptions,sync.consumers,sync.consumer_effects}'::text[] loop
    if not exists (select from pg_policy p where p.polrelid = t::regclass and p.polname = 'erase_all') then
      execute format('create policy erase_read on %s for select to erase_role using (true)', t);
      execute format('grant select on %s to erase_role', t);
    end if;
  end loop;
end $$;
-- A trigger of sync.quality_findings counts what is removed.
create policy erase_count on sync.quality_numbers to erase_role using (true) with check (true);
grant select, update (stored) on sync.quality_numbers to erase_role;
grant delete on platform.erasures to erase_role; -- a request that nobody confirmed, and the row of an erasure that left no tombstone
grant execute on function
    platform.current_actor(), platform.current_app(), platform.is_line(text, integer), platform.no_address(uuid), platform.is_app(text),
    platform.is_time(timestamptz), platform.is_day(date), platform.is_email_key(text), platform.is_phone(text, text, text),
    platform.hashes_of(text[]), platform.fold(text), platform.is_folded(text), platform.search_text(text), platform.name_beginning(text),
    platform.search_beginnings(text, text), sync.mailbox(text), sync.is_variant(text), sync.field_of_nobody(text),
    sync.list_merged(uuid), sync.list_events_of_customer(uuid), sync.ring(),
    platform.hold_customers(uuid[]), platform.person(uuid), platform.positions_of_person(uuid[], text[]), platform.unlinked_keys(text[]),
    platform.moved_keys(uuid[]), platform.former_partners(uuid[]), platform.values_of_person(uuid[]),
    sync.scrub_values(jsonb, uuid[], text[]), platform.names_address(text, text[]),
    platform.erase_unread_lines(platform.inventory_tables, text[]),
    platform.uploads_of_runs(bigint[]),
    platform.uploads_naming(text[]), platform.uploads_of_person(uuid[], text[], text[]), platform.parts_of(regclass),
    platform.runs_of_person(uuid[], text[], text[]),
    platform.count_rows(platform.inventory_tables, uuid[], text[], text[]),
    platform.erase_rows(platform.inventory_tables, uuid[], text[], text[]), sync.kept_columns(), sync.scrub_data(jsonb, text[], text[]),
    platform.suppression_hash(text, text), platform.suppress(uuid, text, bytea[]), platform.require_reason(text), platform.hold_of(uuid),
    platform.try_erase(uuid, text), sync.capture_erasure(uuid[])
  to erase_role;

grant usage on type platform.inventory_tables, platform.erasures, platform.customers, platform.suppressions to erase_role;
grant create on schema platform to erase_role;
alter function platform.preview_erasure(uuid) owner to erase_role;
alter function platform.erase_customer(uuid, text) owner to erase_role;
alter function platform.erase_files(uuid) owner to erase_role;
revoke create on schema platform from erase_role;
set local role erase_role;
grant execute on function platform.preview_erasure(uuid), platform.erase_customer(uuid, text), platform.erase_files(uuid)
  to privacy_role, platform_owner;
set local role platform_owner;
grant execute on function platform.person(uuid), platform.hold_of(uuid),
    platform.list_clean_up(), platform.end_clean_up(uuid[]), platform.list_receipts(uuid, uuid, integer), platform.place_hold(uuid, text),
    platform.release_hold(uuid, text), platform.set_privacy(boolean, integer), platform.current_actor(), platform.current_app()
  to privacy_role;
