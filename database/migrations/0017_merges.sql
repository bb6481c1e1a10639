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
call platform.stay_in_merges('sync.import_decisions', 'one_customer', 'It is the record that was answered for; an import resolves it.');
call platform.stay_in_merges('sync.import_decisions', 'other_customer', 'It is the record that was answered for; an import resolves it.');
call platform.stay_in_merges('staging.import_groups', 'customer', 'It is read by the plan that wrote it, which resolves it.');

-- Administrators and stewards merge, at the console. The worker's login merges for programs without a person.
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

-- Rights. The functions of the next two files read and write as merge_role; what it may beyond the tables that move is listed here.
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
    crm.fits_field(crm.custom_fields, jsonb), sync.capture_merge(text, platform.customers, jsonb, jsonb), sync.list_merged(uuid),
    sync.start_first(text, text[], uuid[]), sync.is_behind(text, bigint, text, uuid), sync.mailbox(text), sync.is_variant(text)
  to merge_role;
grant usage on type platform.customers, platform.customer_emails, platform.customer_phones, platform.merges, platform.merge_fields,
    platform.merge_references, crm.custom_fields
  to merge_role;
grant execute on function platform.require_steward() to console_role, sync_role;
