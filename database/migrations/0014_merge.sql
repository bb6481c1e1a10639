-- Merge and exact unmerge. A merge makes several records of one person one customer: the survivor. It moves every row of the loser, in
-- every table that refers to customers, to the survivor, and lets merged_into lead from the loser's id to the survivor in one step. An
-- unmerge takes one merge back, in whatever order merges are taken back and whatever has happened since.
--
-- The ledger says what a merge did:
--   platform.merges            which customer was merged into which, by whom, when, why, and how it was taken back
--   platform.merge_fields      of each field both values, the one that the survivor got, and why
--   platform.merge_moves       each row that was moved. The statement that moves a row writes it
--   platform.merge_suppressed  whole rows that a unique key kept from moving: the same custom field, the same number, a 1:1 row
--
-- Which tables move is no list in these functions but in platform.merge_references: a migration that adds a reference to customers calls
-- platform.move_in_merges or platform.stay_in_merges, and a test finds a forgotten one.
--
-- A moved row is the survivor's by a claim of its merge. An unmerge takes home each row that is still with the customer that goes on,
-- under a claim that still holds. A claim ends when the row leaves by another way: with the unmerge of an earlier merge, or by hand
-- (platform.release_moves). Merges may be stacked (B into A, then A into C): the survivor of a merge goes on as whatever it is merged into,
-- so that B can be taken out while A is still C. What C took over of A that was B's goes with it (platform.put_back_field).
--
-- What an unmerge gives back: a field that still has the value that the merge chose gets its former one; a field that was edited since
-- stays, and is listed. The loser has its own values, because a merge does not write over them. Rows that came after the merge stay with
-- the survivor, unless they belong to a row that goes home (the note of a deal), or carry what only the loser had (a chat with its
-- address): those are proposed, and go home unless the caller says otherwise.
--
-- Locks. A merge holds its customers with the strongest lock, so that nobody gives one of them a child meanwhile; first those that go on,
-- in the order of their ids, then those that are merged already. Rows that it moves may be held by somebody who then asks for the
-- customer, as the end of a chat does. So it waits for a row only for a moment, gives everything free, and begins again: nobody else is
-- ever the victim of a deadlock. Writers of other customers never wait.
--
-- The functions belong to merge_role, which nobody can log in as and only the owner can take on. Row triggers of what they move do not
-- fire for it: to the rows nothing has happened, so their versions stay, and one event, customer.merged or customer.unmerged, tells of
-- all. A trigger that a setting could switch off would let an app do the same.

create table platform.merge_references (
  reference integer generated always as identity primary key,
  relation text collate "C" not null,
  customer_column text collate "C" not null,
  key_columns text[] collate "C",
  and_set text,
  keeps_rows boolean not null default false,
  stays text,
  unique (relation, customer_column),
  check ((stays is null) = (key_columns is not null))
);
comment on table platform.merge_references is 'Every column that names a customer, and what a merge does with its rows.';
comment on column platform.merge_references.key_columns is
  'What names a row and does not change when it moves: the primary key without the customer. Empty: one row for each customer.';
comment on column platform.merge_references.and_set is 'What else a moved row becomes: the survivor has a primary address already.';
comment on column platform.merge_references.keeps_rows is
  'Whether the ledger keeps the whole row as it was: it is a value of the customer, and an edit of the survivor must not change the loser.';
comment on column platform.merge_references.stays is 'Why its rows do not move.';
call platform.protect_table('platform.merge_references');

create table platform.merges (
  id uuid primary key default uuidv7(),
  survivor_id uuid not null,
  loser_id uuid not null,
  actor text collate "C" default platform.current_actor(),
  app text collate "C" not null default platform.current_app(),
  login name not null default session_user,
  reason text check (char_length(reason) between 1 and 500),
  evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object' and octet_length(evidence::text) <= 65536),
  rules integer not null,
  merged_at timestamptz not null default clock_timestamp(),
  survivor_version bigint not null,
  loser_version bigint not null,
  moved jsonb not null default '{}',
  suppressed jsonb not null default '{}',
  undone_at timestamptz,
  undone_by text collate "C",
  undone_by_app text collate "C",
  undone_by_login name,
  back_version bigint,
  undo_report jsonb,
  check (survivor_id <> loser_id),
  check (num_nulls(undone_at, undone_by_app, undone_by_login, back_version, undo_report) in (0, 5))
);
comment on table platform.merges is
  'The ledger of merges. No references: the undo of an import may remove customers whose merge was taken back, and the ledger stays.';
comment on column platform.merges.rules is 'The version of the rules that chose the fields; see platform.judge_merge.';
comment on column platform.merges.survivor_version is 'The version that the merge gave the survivor.';
comment on column platform.merges.loser_version is 'The version at which the loser was merged.';
comment on column platform.merges.back_version is
  'The version that the unmerge gave the loser. No event of the loser has it: customer.unmerged tells it.';
-- A customer is merged once at a time.
create unique index merges_present on platform.merges (loser_id) where undone_at is null;
create index merges_of_survivor on platform.merges (survivor_id);
create index merges_of_loser on platform.merges (loser_id);

create table platform.merge_fields (
  merge uuid not null references platform.merges,
  field text collate "C" not null,
  ours jsonb,
  theirs jsonb,
  chosen jsonb,
  side text collate "C" not null check (side in ('survivor', 'loser')),
  chosen_by text collate "C" not null check (chosen_by in ('rule', 'choice')),
  why text not null,
  row_key text collate "C",
  primary key (merge, field)
);
comment on column platform.merge_fields.ours is
  'What the survivor had; theirs: what the loser had. An address and a number with their keys.';
comment on column platform.merge_fields.row_key is 'Of a custom field that both had: the survivor''s row, whose value the merge chose.';

-- One row for each moved row: 0.2 KB with its index (bench/merge.ts). Arrays of keys would be a tenth of that, but an earlier merge
-- could not take its rows out of a later one without writing whole arrays again.
create table platform.merge_moves (
  merge uuid not null, -- no reference: the check of one took as long as the insert, and only the functions below write
  reference integer not null,
  key text collate "C" not null,
  was jsonb,
  released text collate "C" check (released in ('unmerged', 'merged', 'moved')),
  primary key (merge, reference, key)
);
comment on table platform.merge_moves is 'The rows that a merge moved, from the loser to the survivor.';
comment on column platform.merge_moves.was is 'The whole row before it moved, if merge_references.keeps_rows.';
comment on column platform.merge_moves.released is
  'Why this merge has no claim any more: an unmerge of another merge took the row home, another merge brought it, or somebody moved it.';

create table platform.merge_suppressed (
  merge uuid not null references platform.merges,
  reference integer not null,
  key text collate "C" not null,
  customer_id uuid not null,
  was jsonb not null,
  primary key (merge, reference, key)
);
comment on column platform.merge_suppressed.customer_id is 'Whose row it was: the loser''s, or the survivor''s mark of having no address.';

call platform.protect_table('platform.merges');
call platform.protect_table('platform.merge_fields');
call platform.protect_table('platform.merge_moves');
call platform.protect_table('platform.merge_suppressed');
create policy apps_read on platform.merges for select to app_role using (true);
-- Both apps show "was merged from". The rest is for those who merge: the evidence and the values are of people that the app may not see.
-- The worker reads nothing of it: its login calls the functions.
grant select (id, survivor_id, loser_id, merged_at, actor, undone_at) on platform.merges to app_role;
do $$
declare t regclass;
begin
  grant select on platform.merges to console_role;
  foreach t in array array['platform.merge_fields', 'platform.merge_moves', 'platform.merge_suppressed',
    'platform.merge_references']::regclass[] loop
    execute format('create policy console_read on %s for select to console_role using (true)', t);
    execute format('grant select on %s to console_role', t);
  end loop;
end $$;

-- Registers a table whose rows a merge moves to the survivor, and lets merge_role move them. Its triggers z_capture and present_… do not
-- fire for merge_role; a trigger of its own that counts versions should not either.
create procedure platform.move_in_merges(
  target regclass, customer_column name default 'customer_id', and_set text default null, keeps_rows boolean default false)
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Names a column whose rows keep the customer that they name, and why.
create procedure platform.stay_in_merges(target regclass, customer_column name, why text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into platform.merge_references (relation, customer_column, stays)
  select format('%I.%I', n.nspname, c.relname), stay_in_merges.customer_column, why
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
end $$;

-- In this order: first what a customer is known by, then what somebody may be writing at this moment.
call platform.move_in_merges('platform.customer_emails', and_set => 'is_primary = false', keeps_rows => true);
call platform.move_in_merges('platform.customer_phones', and_set => 'is_primary = false', keeps_rows => true);
call platform.move_in_merges('platform.customer_external_ids', keeps_rows => true);
call platform.move_in_merges('crm.custom_field_values', keeps_rows => true);
call platform.move_in_merges('support.sessions');
call platform.move_in_merges('support.calls');
call platform.move_in_merges('crm.deals');
call platform.move_in_merges('crm.contacts');
call platform.move_in_merges('crm.activities');
call platform.move_in_merges('crm.changes');
call platform.move_in_merges('platform.removed_emails');
call platform.move_in_merges('platform.removed_phones');
call platform.move_in_merges('platform.customers', 'merged_into');

call platform.stay_in_merges('platform.review_candidates', 'customer_id', 'A person judged two records; readers resolve both ids.');
call platform.stay_in_merges('platform.review_candidates', 'other_id', 'A person judged two records; readers resolve both ids.');
comment on constraint review_candidates_customer_id_fkey on platform.review_candidates is
  'Any customer: a pair of two records stays when one of them is merged.';
comment on constraint review_candidates_other_id_fkey on platform.review_candidates is
  'Any customer: a pair of two records stays when one of them is merged.';
call platform.stay_in_merges('platform.merges', 'survivor_id', 'The ledger says what was merged into what.');
call platform.stay_in_merges('platform.merges', 'loser_id', 'The ledger says what was merged into what.');
call platform.stay_in_merges('platform.merge_suppressed', 'customer_id', 'The ledger says whose row it was.');
call platform.stay_in_merges('crm.deal_closings', 'customer_id', 'With the version it names an event, and the log is not written again.');
call platform.stay_in_merges('crm.customer_order', 'customer_id',
  'It holds customers that lists show: a merge removes the loser''s row, an unmerge writes it again.');
call platform.stay_in_merges('sync.outbox', 'customer', 'The log is not written again: readers resolve by sync.list_merged.');
call platform.stay_in_merges('sync.events', 'customer', 'The log is not written again: readers resolve by sync.list_merged.');
call platform.stay_in_merges('sync.parked', 'customer', 'It is the event''s, and sync.is_behind resolves it.');
call platform.stay_in_merges('sync.quality_findings', 'customer_id', 'The next look at the customer removes or writes it again.');
call platform.stay_in_merges('sync.quality_findings', 'other_id', 'The next look at the customer removes or writes it again.');
call platform.stay_in_merges('sync.import_rows', 'customer', 'It says what a line became; an import resolves it.');
call platform.stay_in_merges('sync.import_keys', 'customer', 'A source''s row is the record that it was; an import resolves it.');
call platform.stay_in_merges('sync.import_writes', 'customer', 'It says what was written to which record; an undo resolves it.');
call platform.stay_in_merges('sync.import_kept', 'customer', 'It says what an undo left where it is.');
call platform.stay_in_merges('sync.import_candidates', 'other_customer', 'It says what a plan found likely.');
call platform.stay_in_merges('staging.import_groups', 'customer', 'It is read by the plan that wrote it, which resolves it.');

-- Administrators and stewards merge, at the console. The worker's login merges for the command and for the queue of duplicates.
create function platform.require_steward() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_app() = 'sync' then return; end if;
  if platform.current_app() = 'console' and exists (
    select from platform.users u where u.id = platform.current_actor() and u.role in ('admin', 'steward')) then return; end if;
  raise exception 'only administrators and stewards of the console, and the command, merge customers' using
    errcode = 'insufficient_privilege', constraint = 'steward_only', hint = 'steward-only';
end $$;

-- Two customers that a person has found to be different people: nothing proposes them again. Its caller has just taken them apart.
create function platform.keep_apart(a uuid, b uuid, why text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into platform.review_candidates as r (customer_id, other_id, reason, evidence, state, decided_at, decided_by)
  values (least(a, b), greatest(a, b), 'unmerged', jsonb_build_object('why', why), 'different', now(), platform.current_actor())
  on conflict (customer_id, other_id, reason) do update
  set state = 'different', decided_at = now(), decided_by = platform.current_actor(), evidence = excluded.evidence;
end $$;
-- The pair may be of a record that is merged now.
create or replace trigger present_customer_id before insert or update of customer_id on platform.review_candidates
  for each row when (current_user <> all ('{bulk_role,merge_role}') and new.reason <> 'unmerged')
  execute function platform.require_present_customer('customer_id');
create or replace trigger present_other_id before insert or update of other_id on platform.review_candidates
  for each row when (current_user <> all ('{bulk_role,merge_role}') and new.reason <> 'unmerged')
  execute function platform.require_present_customer('other_id');

-- Writes the event of a merge or of an unmerge; see the overview. The trigger of platform.customers did not fire.
create function sync.capture_merge(event_type text, of_customer platform.customers, data jsonb, previous jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace)
  values (event_type, of_customer.id::text, of_customer.id, of_customer.id::text, of_customer.version, 'platform', platform.current_app(),
    session_user, platform.current_actor(), jsonb_build_object('email', of_customer.email, 'name', of_customer.name) || data, previous,
    nullif(left(current_setting('aether.trace', true), 255), ''));
  perform sync.ring();
end $$;

-- The columns that a merge decides, and their values as the ledger keeps them: an address and a number with their keys.
create function platform.read_customer_field(c platform.customers, field text) returns jsonb
language sql immutable parallel safe
return nullif(case field
  when 'email' then jsonb_build_object('email', c.email, 'email_key', c.email_key)
  when 'name' then to_jsonb(c.name)
  when 'phone' then case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
    'phone_extension', c.phone_extension) end
  when 'company_id' then to_jsonb(c.company_id)
  when 'account_tier' then to_jsonb(c.account_tier)
  when 'account_manager_id' then to_jsonb(c.account_manager_id)
  when 'preferred_language' then to_jsonb(c.preferred_language)
  when 'timezone' then to_jsonb(c.timezone)
  when 'crm_id' then to_jsonb(c.crm_id)
  when 'support_id' then to_jsonb(c.support_id) end, 'null');

create function platform.write_customer_field(c platform.customers, field text, value jsonb) returns platform.customers
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- A value as people read it.
create function platform.show_customer_field(field text, value jsonb) returns jsonb
language sql immutable parallel safe
return case field when 'email' then value -> 'email' when 'phone' then value -> 'phone' else value end;

-- The rules of a merge, version 1: for each field that one of the two has, the side whose value the survivor gets, and why.
-- - The survivor's value stays, unless it is empty: then it is the loser's. Empty is also the mark of a customer without an address, and
--   a name that is only the address.
-- - Of two tiers the higher one: a merge takes from nobody what was sold or promised.
-- - A choice of the person decides over every rule, but not for a value that is not there.
create function platform.judge_merge(
  s platform.customers, l platform.customers, choices jsonb,
  out field text, out ours jsonb, out theirs jsonb, out side text, out chosen_by text, out why text, out row_key text)
returns setof record
language sql stable
begin atomic
  with both_have as (
    select f.field, f.place, platform.read_customer_field(s, f.field) as ours, platform.read_customer_field(l, f.field) as theirs,
      case f.field when 'email' then s.email_key = platform.no_address(s.id)
        when 'name' then lower(s.name collate "C") in (s.email_key, split_part(s.email_key, '@', 1))
        else false end as ours_is_mark,
      case f.field when 'email' then l.email_key = platform.no_address(l.id)
        when 'name' then lower(l.name collate "C") in (l.email_key, split_part(l.email_key, '@', 1))
        else false end as theirs_is_mark,
      null as row_key
    from unnest('{name,email,phone,company_id,account_tier,account_manager_id,preferred_language,timezone,crm_id,support_id}'::text[])
      with ordinality f (field, place)
    union all
    select 'custom.' || coalesce(o.field_key, t.field_key), 100 + coalesce(o.field_id, t.field_id), o.value, t.value, false, false,
      case when t.id is not null then o.id::text end
    from (select v.* from crm.custom_field_values v where v.customer_id = s.id) o
      full join (select v.* from crm.custom_field_values v where v.customer_id = l.id) t on t.field_id = o.field_id),
  judged as (
    select b.*, choices ->> b.field as choice,
      case
        when b.theirs is null then '{survivor,Only the survivor has one.}'::text[]
        when b.ours is null then '{loser,Only the other one has one.}'
        when platform.show_customer_field(b.field, b.ours) = platform.show_customer_field(b.field, b.theirs)
          then '{survivor,Both have the same.}'
        when b.ours_is_mark and not b.theirs_is_mark and b.field = 'email' then '{loser,The survivor has no address.}'
        when b.ours_is_mark and not b.theirs_is_mark then '{loser,The name of the survivor is only its address.}'
        when b.field = 'account_tier' then array[
          case when (select t.position from platform.tiers t where t.key = l.account_tier)
                    > (select t.position from platform.tiers t where t.key = s.account_tier) then 'loser' else 'survivor' end,
          'The higher of the two tiers: nobody loses what was sold or promised.']
        when b.field in ('crm_id', 'support_id') then '{survivor,Both numbers lead to the survivor; it keeps its own.}'
        else '{survivor,Both have one: that of the survivor stays.}'
      end as rule
    from both_have b
    where b.ours is not null or b.theirs is not null)
  select j.field, j.ours, j.theirs, coalesce(j.choice, j.rule[1]), case when j.choice is null then 'rule' else 'choice' end,
    case when j.choice is null then j.rule[2] else 'Chosen by hand.' end, j.row_key
  from judged j order by j.place;
end;

-- Why these customers cannot be merged so, or null: { code, message, errcode, constraint, detail, column }. Under the locks it decides;
-- before them it only saves the wait.
create function platform.refuse_merge(survivor uuid, losers uuid[], choices jsonb, expected jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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
end $$;

create function platform.raise_refusal(refusal jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare sqlstate_of constant text := case refusal ->> 'errcode'
  when 'invalid_parameter_value' then '22023' when 'check_violation' then '23514' when 'no_data_found' then 'P0002'
  when 'foreign_key_violation' then '23503'
  when 'object_not_in_prerequisite_state' then '55000' when 'serialization_failure' then '40001' else 'P0001' end;
begin
  if refusal is null then return; end if;
  raise exception '%', refusal ->> 'message' using errcode = sqlstate_of, constraint = coalesce(refusal ->> 'constraint', ''),
    detail = coalesce(refusal ->> 'detail', ''), column = coalesce(refusal ->> 'column', ''), hint = coalesce(refusal ->> 'hint', '');
end $$;

-- The choices about one of several losers: what was chosen of another one stays as it is by then.
create function platform.choices_about(choices jsonb, loser uuid) returns jsonb
language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(o.key, case when o.value #>> '{}' in ('loser', loser::text) then 'loser' else 'survivor' end), '{}')
  from jsonb_each(choices) o);

-- The expression of a row's key in the ledger.
create function platform.merge_key(r platform.merge_references) returns text
language sql stable
return case cardinality(r.key_columns)
  when 0 then '''''' when 1 then format('t.%I::text', r.key_columns[1])
  else (select format('concat_ws('' '', %s)', string_agg(format('t.%I', k), ', ' order by n))
        from unnest(r.key_columns) with ordinality u (k, n)) end;

-- Locks customers that go on and then those that are merged, each in the order of their ids: see the overview.
create function platform.hold_customers(ids uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('lock_timeout', '3s', true);
  perform from platform.customers c where c.id = any (ids) and c.merged_into is null order by c.id for update;
  perform from platform.customers c where c.id = any (ids) and c.merged_into is not null order by c.id for update;
  -- From here on somebody who holds a row may be waiting for one of these customers.
  perform set_config('lock_timeout', '100ms', true);
end $$;

-- The unique keys that may keep a row of this table from moving: when two rows t and s are the same but for the customer, and which rows
-- the key is about. That there is one primary address, move_in_merges has said: a moved row becomes another one.
create function platform.list_unique_keys(r platform.merge_references, out same text, out condition text) returns setof record
language sql stable
begin atomic
  select coalesce(string_agg(format(case when i.indnullsnotdistinct then 's.%1$I is not distinct from t.%1$I' else 's.%1$I = t.%1$I' end,
      a.attname), ' and ') filter (where a.attname <> r.customer_column), 'true'),
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
  from pg_catalog.pg_index i cross join unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k (attnum)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = r.relation::regclass and i.indisunique and (i.indpred is null or r.and_set is null)
  group by i.indexrelid, i.indrelid, i.indpred, i.indnullsnotdistinct having bool_or(a.attname = r.customer_column);
end;

-- Moves the rows of one reference, after it has put away those that a unique key keeps from moving. The statement that moves a row writes
-- it into the ledger. rivals: merges that are in force and lead to the survivor by now; a row that comes again is no longer theirs.
create function platform.move_rows(
  of_merge uuid, r platform.merge_references, loser uuid, survivor uuid, rivals uuid[], out moved bigint, out suppressed bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Makes a customer's record and its addresses and numbers agree after rows have come or gone: the primary address is the record's if the
-- customer has it, otherwise the next one, a verified one first, otherwise the mark of having none; the primary number likewise.
create function platform.mend_primary(of_customer uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  c platform.customers;
  e platform.customer_emails;
  p platform.customer_phones;
  mark jsonb;
begin
  select k.* into c from platform.customers k where k.id = of_customer;
  select a.* into e from platform.customer_emails a
  where a.customer_id = c.id
  order by (a.email_key = c.email_key) desc,
    -- The one that it had before a merge chose the one that is gone.
    exists (
      select from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'email'
      where m.survivor_id = c.id and m.undone_at is null and d.ours ->> 'email_key' = a.email_key) desc,
    a.verified_at desc nulls last, a.created_at desc, a.id
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
end $$;

-- Writes the fields of a record that a merge decides.
create function platform.write_merged(c platform.customers) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  update platform.customers k
  set email = c.email, email_key = c.email_key, name = c.name, phone = c.phone, phone_key = c.phone_key,
      phone_extension = c.phone_extension, company_id = c.company_id, account_tier = c.account_tier,
      account_manager_id = c.account_manager_id,
      preferred_language = c.preferred_language, timezone = c.timezone, crm_id = c.crm_id, support_id = c.support_id
  where k.id = c.id;
end;

-- Counts a change of a customer and keeps its place in the lists. Returns the record.
create function platform.count_merge(of_customer uuid, to_version bigint) returns platform.customers
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare c platform.customers;
begin
  update platform.customers k set version = to_version, updated_at = now() where k.id = of_customer returning k.* into c;
  insert into crm.customer_order as o (customer_id, account_tier, updated_at)
  select c.id, coalesce(c.account_tier, '~'), c.updated_at where c.merged_into is null
  on conflict (customer_id) do update set account_tier = excluded.account_tier, updated_at = excluded.updated_at;
  return c;
end $$;

-- What of a record differs, as an event shows it: { column: value }.
create function platform.differences(one platform.customers, other platform.customers) returns jsonb
language sql immutable
return (
  select coalesce(jsonb_object_agg(o.key, o.value), '{}') from jsonb_each(to_jsonb(one)) o
  where o.value is distinct from to_jsonb(other) -> o.key and o.key not in ('version', 'updated_at', 'email_key'));

-- Merges one customer into another one. The caller holds both and has checked them.
create function platform.merge_one(
  of_survivor uuid, of_loser uuid, choices jsonb, reason text, evidence jsonb) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The fields of a merge as people read them.
create function platform.list_merge_fields(of_merge uuid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('field', d.field,
        'survivor', platform.show_customer_field(d.field, d.ours), 'loser', platform.show_customer_field(d.field, d.theirs),
        'chosen', d.side, 'by', d.chosen_by, 'why', d.why) order by d.field like 'custom.%', d.field), '[]')
    from platform.merge_fields d where d.merge = of_merge);
end $$;

-- Merges customers into the survivor, in one transaction; see the overview and docs/merging.md.
--   choices   { field: 'survivor' | 'loser' | '<id of a loser>' }, over the rules
--   expected  { '<id>': version }: refused if the customer has changed since
-- Returns { survivor, version, merges: [{ merge, loser, fields, moved: { table: rows }, suppressed: { table: rows } }] }.
create function platform.merge_customers(
  survivor uuid, losers uuid[], choices jsonb default '{}', reason text default null, evidence jsonb default '{}',
  expected jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
      null; -- Everything is free again, and whoever held the row can go on.
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $$;

-- A field's value with the app that wrote it last and the time, as far as the history tells.
create function platform.describe_merge_field(c platform.customers, field text, value jsonb) returns jsonb
language sql stable
begin atomic
  select case when value is null then null else jsonb_build_object('value', platform.show_customer_field(field, value),
    'source', coalesce(h.app, c.created_by_app), 'at', coalesce(h.occurred_at, c.created_at)) end
  from (select 1) one left join lateral (
    select k.app, k.occurred_at from crm.changes k
    where k.customer_id = c.id and k.deal_id is null and k.data ? field order by k.occurred_at desc, k.id desc limit 1) h on true;
end;

-- What a merge would do, and whether it would be refused. It writes and locks nothing.
create function platform.preview_merge(survivor uuid, loser uuid, choices jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The merges between a survivor and the customer that it goes on as: [A into C, C into D …], empty for one that goes on itself.
create function platform.path_of(of_customer uuid) returns uuid[]
language sql stable
begin atomic
  with recursive path (merge, survivor, step) as (
    select m.id, m.survivor_id, 1 from platform.merges m where m.loser_id = of_customer and m.undone_at is null
    union all
    select m.id, m.survivor_id, p.step + 1 from path p join platform.merges m on m.loser_id = p.survivor and m.undone_at is null)
  select coalesce(array_agg(p.merge order by p.step), '{}') from path p;
end;

-- Puts back a field of the survivor that still has the value which the merge chose. What stands on that value changes with it: what later
-- merges of the same survivor found there, the record, and what a later survivor of the survivor took over. Returns what the survivor has
-- if that is something else.
create function platform.put_back_field(m platform.merges, f platform.merge_fields, out is_back boolean, out present jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The same for a custom field that both had: the value is in the survivor's row, wherever that is. Without a value there was no row.
create function platform.put_back_value(m platform.merges, f platform.merge_fields, out is_back boolean, out present jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n record;
  r constant integer := (select o.reference from platform.merge_references o where o.relation = 'crm.custom_field_values');
  of_row text := f.row_key;
  since timestamptz := m.merged_at;
  of_value jsonb := f.chosen;
  becomes jsonb := f.ours;
begin
  loop
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
    -- Later merges have moved the row on with the value that goes: what was written to it since is an edit of their survivor.
    update platform.merge_moves v
    set was = jsonb_set(v.was, '{value}', coalesce(becomes, 'null')), released = case when becomes is null then 'unmerged' end
    from platform.merges x
    where x.id = v.merge and x.undone_at is null and x.merged_at > since and v.reference = r and v.key = of_row and v.released is null
      and v.was -> 'value' = of_value;
    if found then is_back := true; end if;
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
end $$;

-- Rows that came after a merge and carry what only the loser had: a chat with its address, a call of its number, a role at a company with
-- its address; and an address of the loser that somebody made the survivor's primary one. They go home unless the caller decides
-- otherwise.
create function platform.list_ambiguous(m platform.merges, root uuid)
returns table (reference integer, relation text, key text, why text)
language sql stable
begin atomic
  with refs as (select o.reference, o.relation from platform.merge_references o),
  addresses as materialized (
    -- Also one that was removed since, but not one that somebody else has, or that the survivor was given again.
    select v.key from platform.merge_moves v join refs o on o.reference = v.reference and o.relation = 'platform.customer_emails'
    where v.merge = m.id and v.released is null and not exists (
      select from platform.customer_emails e
      where e.email_key = v.key and (e.customer_id <> root or e.id <> (v.was ->> 'id')::uuid))),
  numbers as materialized (
    select v.was ->> 'phone_key' as key
    from (select x.reference, x.key, x.was from platform.merge_moves x where x.merge = m.id and x.released is null
          union all select x.reference, x.key, x.was from platform.merge_suppressed x where x.merge = m.id) v
      join refs o on o.reference = v.reference and o.relation = 'platform.customer_phones'
    except
    select p.phone_key from platform.customer_phones p
    where p.customer_id = root and not exists (
      select from platform.merge_moves v join refs o on o.reference = v.reference and o.relation = 'platform.customer_phones'
      where v.merge = m.id and v.key = p.id::text and v.released is null)),
  found as (
    select 'platform.customer_emails' as relation, c.email_key as key, 'It was made the primary address after the merge.' as why
    from platform.customers c join addresses a on a.key = c.email_key
      join platform.customer_emails e on e.email_key = a.key and e.customer_id = root
    where c.id = root and not exists (
      select from platform.merge_fields d
      where d.merge = m.id and d.field = 'email' and d.side = 'loser' and d.chosen ->> 'email_key' = c.email_key)
    union all
    select 'support.sessions', s.id::text, 'It came after the merge, with the address ' || s.visitor_email || '.'
    from support.sessions s join addresses a on a.key = lower(s.visitor_email collate "C")
    where s.customer_id = root and s.started_at >= m.merged_at
    union all
    select 'support.calls', s.id::text, 'It came after the merge, with the number ' || s.number_e164 || '.'
    from support.calls s join numbers n on n.key = s.number_e164
    where s.customer_id = root and s.created_at >= m.merged_at
    union all
    select 'crm.contacts', s.id::text, 'It came after the merge, with the address ' || s.email || '.'
    from crm.contacts s join addresses a on a.key = lower(s.email collate "C")
    where s.customer_id = root and s.created_at >= m.merged_at)
  select o.reference, f.relation, f.key, f.why from found f join refs o on o.relation = f.relation
  where f.relation = 'platform.customer_emails'
    or not exists (
      select from platform.merge_moves v
      where v.merge = m.id and v.reference = o.reference and v.key = f.key and v.released is null);
end;

-- Why an unmerge is refused, or null; as refuse_merge.
create function platform.refuse_unmerge(m platform.merges, choices jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Where a row is that did not go home.
create function platform.why_kept(r platform.merge_references, row_key text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare holder uuid;
begin
  execute format('select t.%2$I from %1$s t where %3$s = $1', r.relation, r.customer_column, platform.merge_key(r))
  into holder using row_key;
  return case when holder is not null then 'It belongs to customer ' || holder || ' now.' else 'It was removed since.' end;
end $$;

-- Writes a whole row of the ledger back, for this customer. Returns why it could not, or null.
create function platform.write_row_back(r platform.merge_references, was jsonb, of_customer uuid) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The rows that a merge moved and that are not with this customer: two hundred at most. Those that an unmerge of another merge took home,
-- or that another merge brought back, are not its any more.
create function platform.list_absent(m platform.merges, r platform.merge_references, of_customer uuid) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('
      select x.key from platform.merge_moves x
      where x.merge = $1 and x.reference = %4$s and (x.released is null or x.released = %5$L)
      except
      select %3$s from %1$s t where t.%2$I = $2
      order by 1 limit 200',
    r.relation, r.customer_column, platform.merge_key(r), r.reference, 'moved') using m.id, of_customer;
end $$;

-- What an unmerge would do: see unmerge_customers. It writes and locks nothing.
create function platform.preview_unmerge(merge uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  m platform.merges;
  root uuid;
  refusal jsonb;
  r platform.merge_references;
  f platform.merge_fields;
  present jsonb;
  back jsonb := '[]';
  kept_fields jsonb := '[]';
  home jsonb := '{}';
  kept jsonb := '[]';
  ambiguous jsonb;
  counted bigint;
  row_key text;
begin
  perform platform.require_steward();
  select x.* into m from platform.merges x where x.id = merge;
  refusal := platform.refuse_unmerge(m, '{}');
  if refusal is not null then
    return jsonb_build_object('merge', merge, 'survivor', m.survivor_id, 'loser', m.loser_id, 'fieldsBack', back, 'fieldsKept', kept_fields,
      'home', home, 'kept', kept, 'ambiguous', '[]'::jsonb, 'refused', refusal - 'errcode' - 'constraint');
  end if;
  select c.merged_into into root from platform.customers c where c.id = m.loser_id;
  for f in select d.* from platform.merge_fields d where d.merge = m.id and d.side = 'loser' and d.ours is distinct from d.theirs loop
    if f.field like 'custom.%' then
      select v.value into present from crm.custom_field_values v
      where v.customer_id = root and v.field_key = substr(f.field, 8);
    else
      select platform.read_customer_field(c, f.field) into present from platform.customers c where c.id = m.survivor_id;
    end if;
    if present is not distinct from f.chosen then back := back || to_jsonb(f.field);
    else kept_fields := kept_fields || jsonb_build_object('field', f.field, 'written', platform.show_customer_field(f.field, f.chosen),
      'present', platform.show_customer_field(f.field, present));
    end if;
  end loop;
  select coalesce(jsonb_agg(jsonb_build_object('table', a.relation, 'key', a.key, 'why', a.why, 'default', 'home')), '[]') into ambiguous
  from platform.list_ambiguous(m, root) a;
  for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
    execute format('select count(*) from (
          select x.key from platform.merge_moves x where x.merge = $1 and x.reference = %4$s and x.released is null
          intersect select %3$s from %1$s t where t.%2$I = $2) k',
      r.relation, r.customer_column, platform.merge_key(r), r.reference) into counted using m.id, root;
    counted := counted + (select count(*) from platform.merge_suppressed p
      where p.merge = m.id and p.reference = r.reference and p.customer_id = m.loser_id);
    if counted > 0 then home := home || jsonb_build_object(r.relation, counted); end if;
    for row_key in select a.key from platform.list_absent(m, r, root) a (key)
      where not exists (
        select from platform.merge_suppressed p
        where p.merge = any (platform.path_of(m.survivor_id)) and p.reference = r.reference and p.key = a.key)
    loop
      kept := kept || jsonb_build_object('table', r.relation, 'key', row_key, 'why', platform.why_kept(r, row_key));
    end loop;
  end loop;
  return jsonb_build_object('merge', m.id, 'survivor', m.survivor_id, 'loser', m.loser_id, 'fieldsBack', back, 'fieldsKept', kept_fields,
    'home', home, 'kept', kept, 'ambiguous', ambiguous, 'refused', null);
end $$;

-- Takes a row out of the claims of the merges that moved it: somebody moves it to another customer by hand.
create function platform.release_moves(of_relation text, row_key text) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  update platform.merge_moves v set released = 'moved'
  from platform.merge_references r, platform.merges m
  where r.relation = of_relation and v.reference = r.reference and v.key = row_key and v.released is null
    and m.id = v.merge and m.undone_at is null;
end;

-- Takes the rows of one reference home: those that are with `root` under a claim of the merge that still holds. Claims of the later
-- merges on the path end. Returns how many went.
create function platform.take_home(m platform.merges, r platform.merge_references, root uuid, path uuid[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
  if gone > 0 then
    update platform.merge_moves x set released = 'unmerged'
    from platform.merge_moves v
    where v.merge = m.id and v.reference = r.reference and v.released is null
      and x.merge = any (path) and x.reference = v.reference and x.key = v.key and x.released is null;
  end if;
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
end $$;

-- Lets rows that came after a merge follow a row that has gone home, and ends the claims of later merges. `condition` is about the row t.
create function platform.let_follow(relation_name text, m platform.merges, root uuid, path uuid[], condition text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Takes a merge back. The caller holds the customers.
create function platform.unmerge_one(m platform.merges, root uuid, choices jsonb) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
    -- Where later merges chose, they chose over nothing from now on.
    update platform.merge_fields d set row_key = new_key, ours = null
    from platform.merges x where x.id = d.merge and x.undone_at is null and x.id <> m.id and d.row_key = v.key;
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
          where x.merge = $1 and o.relation = ''platform.customer_emails'')');
    elsif r.relation = 'platform.removed_phones' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.id in (select x.key::uuid from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
          where x.merge = $1 and o.relation = ''platform.customer_phones'')');
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
end $$;

-- Takes a merge back, in one transaction; see the overview and docs/merging.md.
--   choices   { '<table>:<key>': 'home' | 'stay' }, for rows that the preview calls ambiguous
-- Returns { merge, survivor, loser, fieldsBack, fieldsKept: [{ field, written, present }], home: { table: rows },
-- kept: [{ table, key, why }], ambiguous: [{ table, key, why, default, decided }], version, loserVersion }; `survivor` is the customer that
-- goes on. Of each table, `kept` names two hundred rows at most.
create function platform.unmerge_customers(merge uuid, choices jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  former_timeout constant text := current_setting('lock_timeout');
  m platform.merges;
  root uuid;
  waiting text[];
  name text;
  answer jsonb;
begin
  perform platform.require_steward();
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an unmerge runs under read committed' using errcode = 'feature_not_supported';
  end if;
  for attempt in 1..60 loop
    select x.* into m from platform.merges x where x.id = merge;
    perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
    select c.merged_into into root from platform.customers c where c.id = m.loser_id;
    begin
      -- Failed events of the two wait together, and from now on apart. Their handlers hold the subscription before any customer.
      perform set_config('lock_timeout', '3s', true);
      waiting := array(
        select s.name from sync.subscriptions s
        where exists (select from sync.parked p where p.subscription = s.name and p.customer = any (sync.list_merged(root)))
        order by s.name);
      if cardinality(waiting) > 0 then
        perform from sync.subscriptions s where s.name = any (waiting) order by s.name for update;
      end if;
      perform platform.hold_customers(array[root, m.survivor_id, m.loser_id] || array(
        select v.key::uuid from platform.merge_moves v join platform.merge_references r on r.reference = v.reference
        where v.merge = m.id and r.relation = 'platform.customers'));
      select x.* into m from platform.merges x where x.id = merge;
      perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
      -- It was merged on while this waited: again, with the right locks.
      if root is distinct from (select c.merged_into from platform.customers c where c.id = m.loser_id) then
        raise lock_not_available;
      end if;
      answer := platform.unmerge_one(m, root, choices);
      update platform.merges x
      set undone_at = clock_timestamp(), undone_by = platform.current_actor(), undone_by_app = platform.current_app(),
          undone_by_login = session_user, back_version = (answer ->> 'loserVersion')::bigint, undo_report = answer
      where x.id = m.id;
      foreach name in array waiting loop
        perform sync.start_first(name, array[m.loser_id::text, root::text], array[m.loser_id, root]);
      end loop;
      perform set_config('lock_timeout', former_timeout, true);
      return answer;
    exception when lock_not_available or deadlock_detected then
      null;
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $$;

-- Rights. The functions read and write as merge_role; what it may beyond the tables that move is listed here.
grant usage on schema platform, crm, sync, support to merge_role;
create policy merge_read on platform.tiers for select to merge_role using (true);
create policy merge_read on crm.custom_fields for select to merge_role using (true);
create policy merge_read on sync.events for select to merge_role using (true);
create policy merge_all on sync.subscriptions to merge_role using (true) with check (true);
create policy merge_all on sync.parked to merge_role using (true) with check (true);
create policy merge_all on crm.customer_order to merge_role using (true) with check (true);
create policy merge_all on platform.merges to merge_role using (true) with check (true);
create policy merge_all on platform.merge_fields to merge_role using (true) with check (true);
create policy merge_all on platform.merge_moves to merge_role using (true) with check (true);
create policy merge_all on platform.merge_suppressed to merge_role using (true) with check (true);
create policy merge_read on platform.merge_references for select to merge_role using (true);
grant select on platform.tiers, crm.custom_fields, sync.events, sync.parked, sync.subscriptions, platform.merge_references to merge_role;
grant update (state, attempt_at) on sync.parked to merge_role;
grant update (is_paused) on sync.subscriptions to merge_role; -- for the lock of a row
grant select, insert, update, delete on crm.customer_order to merge_role;
grant usage on sequence crm.custom_field_values_id_seq to merge_role;
grant select, insert, update on platform.merges, platform.merge_fields, platform.merge_moves to merge_role;
grant select, insert, update, delete on platform.merge_suppressed to merge_role;
grant execute on function
    platform.require_steward(), platform.keep_apart(uuid, uuid, text), platform.no_address(uuid), platform.current_app(),
    platform.current_actor(), platform.is_app(text), platform.is_line(text, integer), platform.is_time(timestamptz),
    platform.is_email_key(text), platform.is_phone(text, text, text), platform.fold(text), platform.is_folded(text),
    platform.search_text(text), platform.name_beginning(text), platform.search_beginnings(text, text), platform.is_day(date),
    platform.path_of(uuid), platform.judge_merge(platform.customers, platform.customers, jsonb),
    platform.refuse_merge(uuid, uuid[], jsonb, jsonb), platform.raise_refusal(jsonb), platform.choices_about(jsonb, uuid),
    platform.merge_key(platform.merge_references), platform.list_unique_keys(platform.merge_references), platform.hold_customers(uuid[]),
    platform.move_rows(uuid, platform.merge_references, uuid, uuid, uuid[]), platform.mend_primary(uuid),
    platform.write_merged(platform.customers), platform.count_merge(uuid, bigint),
    platform.differences(platform.customers, platform.customers), platform.merge_one(uuid, uuid, jsonb, text, jsonb),
    platform.list_merge_fields(uuid), platform.read_customer_field(platform.customers, text),
    platform.write_customer_field(platform.customers, text, jsonb), platform.show_customer_field(text, jsonb),
    platform.describe_merge_field(platform.customers, text, jsonb), platform.put_back_field(platform.merges, platform.merge_fields),
    platform.put_back_value(platform.merges, platform.merge_fields), platform.list_ambiguous(platform.merges, uuid),
    platform.refuse_unmerge(platform.merges, jsonb), platform.why_kept(platform.merge_references, text),
    platform.list_absent(platform.merges, platform.merge_references, uuid),
    platform.write_row_back(platform.merge_references, jsonb, uuid),
    platform.take_home(platform.merges, platform.merge_references, uuid, uuid[]),
    platform.let_follow(text, platform.merges, uuid, uuid[], text), platform.unmerge_one(platform.merges, uuid, jsonb),
    crm.fits_field(crm.custom_fields, jsonb), sync.capture_merge(text, platform.customers, jsonb, jsonb), sync.list_merged(uuid),
    sync.start_first(text, text[], uuid[]), sync.is_behind(text, bigint, text, uuid), sync.mailbox(text), sync.is_variant(text)
  to merge_role;
grant usage on type platform.customers, platform.customer_emails, platform.customer_phones, platform.merges, platform.merge_fields,
    platform.merge_references, crm.custom_fields
  to merge_role;

grant create on schema platform to merge_role;
alter function platform.preview_merge(uuid, uuid, jsonb) owner to merge_role;
alter function platform.merge_customers(uuid, uuid[], jsonb, text, jsonb, jsonb) owner to merge_role;
alter function platform.preview_unmerge(uuid) owner to merge_role;
alter function platform.unmerge_customers(uuid, jsonb) owner to merge_role;
revoke create on schema platform from merge_role;
-- The owner's functions merge as well, such as those of the queue of duplicates.
set local role merge_role;
grant execute on function platform.preview_merge(uuid, uuid, jsonb), platform.preview_unmerge(uuid),
    platform.merge_customers(uuid, uuid[], jsonb, text, jsonb, jsonb), platform.unmerge_customers(uuid, jsonb)
  to console_role, sync_role, platform_owner;
set local role platform_owner;
grant execute on function platform.require_steward() to console_role, sync_role;
