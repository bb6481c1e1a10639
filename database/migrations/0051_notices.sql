-- The inbox of the people of staff, of both apps: who mentioned them, what was assigned or handed to them, which of their tasks are due.
-- A notice has no words of its own. It names a record, and an app that shows it reads the names and the text there, as that person may read
-- them at that moment. Triggers write notices in the transaction of their cause, so there are both or neither.

create table platform.notices (
  id uuid primary key default uuidv7(),
  user_id text collate "C" not null references platform.users,
  kind text collate "C" not null check (kind in ('mention', 'assignment', 'handover', 'task')),
  is_reminder boolean not null default false check (kind = 'task' or not is_reminder),
  record text collate "C" not null check (record in ('customer', 'deal', 'activity', 'session')),
  record_id text collate "C" not null check (octet_length(record_id) between 1 and 40),
  entry_id uuid,
  customer_id uuid references platform.customers,
  actor text collate "C",
  cause text collate "C" not null check (octet_length(cause) between 1 and 100),
  at timestamptz not null default clock_timestamp() constraint notices_at_time check (platform.is_time(at)),
  created_at timestamptz not null default clock_timestamp(),
  read_at timestamptz constraint notices_read_at_time check (platform.is_time(read_at)),
  done_at timestamptz constraint notices_done_at_time check (platform.is_time(done_at)),
  unique (user_id, cause)
);
comment on table platform.notices is
  'What people of staff are told of. Triggers write it; a person sees, reads and puts away only their own.';
comment on column platform.notices.record_id is 'No reference: the records are in the schemas of the apps. Triggers there keep it true.';
comment on column platform.notices.entry_id is 'The note of the conversation that mentions the person.';
comment on column platform.notices.actor is
  'Who mentioned or assigned; null: nobody that the app named. No reference, so that the notice outlives the user.';
comment on column platform.notices.cause is 'The same cause tells a person once, also if it is written again.';
comment on column platform.notices.at is
  'From when on it counts. That of a task is there before, so that nothing has to run when the task is due.';
comment on column platform.notices.done_at is 'When the person put it away.';
create index notices_open on platform.notices (user_id, at desc, id desc) where done_at is null;
create index notices_open_of_kind on platform.notices (user_id, kind, at desc, id desc) where done_at is null;
create index notices_unread on platform.notices (user_id, at) where done_at is null and read_at is null;
create index notices_put_away on platform.notices (user_id, done_at desc, id desc) where done_at is not null;
create index notices_put_away_of_kind on platform.notices (user_id, kind, done_at desc, id desc) where done_at is not null;
create index notices_of_record on platform.notices (record, record_id);
create index notices_past on platform.notices (done_at) where done_at is not null;
create index notices_by_time on platform.notices (at) where kind <> 'task';
create index on platform.notices (customer_id) where customer_id is not null;

call platform.require_present_customer('platform.notices');
call platform.move_in_merges('platform.notices');
call platform.protect_table('platform.notices');
create policy own_read on platform.notices for select to foundation_role, support_role using (user_id = platform.current_actor());
create policy own_mark on platform.notices for update to foundation_role, support_role
  using (user_id = platform.current_actor()) with check (user_id = platform.current_actor());
-- Insert and delete are absent: no app tells anybody anything that has not happened.
grant select, update (read_at, done_at) on platform.notices to foundation_role, support_role;
call platform.classify('platform.notices', 'r.customer_id = any ($1)', 'delete',
  'Which people of staff were told of the person, and of what.',
  technical => 'id user_id kind is_reminder record record_id entry_id customer_id actor cause at created_at read_at done_at');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (45, 'platform.notices', 'timeline', 'That staff was told of something about the customer.', 'r.at, r.id', '{user_id,cause,record_id}');

-- Who is mentioned in a text: <@id of a user>. The id counts, so that a mention outlives a change of the name, and two people may share
-- one.
create function platform.mentions_in(words text) returns text[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
return (select coalesce(array_agg(distinct m.found[1]), '{}') from regexp_matches(words, '<@([^<>\s]{1,255})>', 'g') m (found));
grant execute on function platform.mentions_in(text) to app_role;

-- Tells a user, unless they did it themselves. Nobody is told of a customer who is gone. The functions here see the present in tables that
-- were empty when a session planned them, so they plan without scans.
--   again   true: the same cause, such as a second assignment, makes the notice new; false: a cause tells a person once
create function platform.add_notice(
  told text, kind text, record text, record_id text, customer uuid, cause text, entry uuid default null, again boolean default false)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
begin
  if told is null or told = platform.current_actor() then return; end if;
  insert into platform.notices as n (user_id, kind, record, record_id, entry_id, customer_id, actor, cause)
  select u.id, add_notice.kind, add_notice.record, add_notice.record_id, entry, customer, platform.current_actor(), add_notice.cause
  from platform.users u
  where u.id = told
    and (customer is null
      or exists (select from platform.customers c where c.id = customer and c.erased_at is null and c.merged_into is null))
  on conflict (user_id, cause) do update
  set at = clock_timestamp(), actor = excluded.actor, read_at = null, done_at = null
  where add_notice.again;
end $$;

-- Takes back what a person has not read yet: they are no longer mentioned, or somebody else has the record now.
create function platform.take_back_notice(told text, cause text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  delete from platform.notices n where n.user_id = told and n.cause = take_back_notice.cause and n.read_at is null;
end $$;

-- Tells the people whom a text mentions. An import tells nobody: its login belongs to no app.
--   tg_argv   the kind of record
create function platform.tell_of_mentions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  named text[];
  former text[] := '{}';
  told text;
begin
  if platform.current_app() <> all ('{foundation,support}') then return null; end if;
  if tg_argv[0] = 'session' then
    foreach told in array platform.mentions_in(new.body) loop
      perform platform.add_notice(told, 'mention', 'session', new.session_id::text,
        (select s.customer_id from support.sessions s where s.id = new.session_id), 'mention:' || new.id, entry => new.id);
    end loop;
    return null;
  end if;
  named := platform.mentions_in(new.description);
  if tg_op = 'UPDATE' then former := platform.mentions_in(old.description); end if;
  foreach told in array named loop
    if told <> all (former) then
      perform platform.add_notice(told, 'mention', 'activity', new.id::text, new.customer_id, 'mention:' || new.id);
    end if;
  end loop;
  foreach told in array former loop
    if told <> all (named) then perform platform.take_back_notice(told, 'mention:' || new.id); end if;
  end loop;
  return null;
end $$;
-- A repeated task does not tell the people in its text again: the person who ticks it has written nothing.
create trigger tell_of_mentions after insert on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.description like '%<@%' and new.repeated_from is null)
  execute function platform.tell_of_mentions('activity');
create trigger tell_of_changed_mentions after update of description on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.description <> old.description
    and (new.description like '%<@%' or old.description like '%<@%'))
  execute function platform.tell_of_mentions('activity');
create trigger tell_of_mentions after insert on support.session_entries
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.kind in ('note', 'assigned', 'released')
    and new.body like '%<@%')
  execute function platform.tell_of_mentions('session');

-- A record is somebody's now, or nobody's. The former one need not know, if they have not seen it.
--   tg_argv   the kind of record, the column with the user
create function platform.tell_of_assignment() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  present constant jsonb := to_jsonb(new);
  customer constant uuid := case tg_argv[0] when 'customer' then present ->> 'id' else present ->> 'customer_id' end;
  named constant text := 'assignment:' || tg_argv[0] || ':' || new.id;
begin
  if platform.current_app() <> all ('{foundation,support}') then return null; end if;
  if tg_op = 'UPDATE' then
    perform platform.take_back_notice(to_jsonb(old) ->> tg_argv[1], named);
  end if;
  perform platform.add_notice(present ->> tg_argv[1], 'assignment', tg_argv[0], new.id::text, customer, named, again => true);
  return null;
end $$;
-- Triggers are not for platform.bulk_role: what an import assigns, in sets, tells nobody.
create trigger tell_of_first_assignment after insert on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role,erase_role}') and new.account_manager_id is not null)
  execute function platform.tell_of_assignment('customer', 'account_manager_id');
create trigger tell_of_assignment after update of account_manager_id on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role,erase_role}')
    and new.account_manager_id is distinct from old.account_manager_id)
  execute function platform.tell_of_assignment('customer', 'account_manager_id');
create trigger tell_of_first_assignment after insert on crm.deals
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.owner_id is not null)
  execute function platform.tell_of_assignment('deal', 'owner_id');
create trigger tell_of_assignment after update of owner_id on crm.deals
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.owner_id is distinct from old.owner_id)
  execute function platform.tell_of_assignment('deal', 'owner_id');
-- A task that comes again is with the same person, who knows it.
create trigger tell_of_first_assignment after insert on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.assigned_to is not null and new.repeated_from is null)
  execute function platform.tell_of_assignment('activity', 'assigned_to');
create trigger tell_of_assignment after update of assigned_to on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.assigned_to is distinct from old.assigned_to)
  execute function platform.tell_of_assignment('activity', 'assigned_to');

-- Tells a person when a task is due and when its reminder comes. A done task tells nobody. A new time, or a new person, tells again.
create function crm.tell_of_task() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  doer constant text := coalesce(new.assigned_to, new.created_by);
  -- A reminder at the very time at which the task is due says nothing more.
  reminds constant timestamptz := case when new.remind_at is distinct from new.due_at then new.remind_at end;
begin
  if tg_op = 'UPDATE' then
    delete from platform.notices n
    where n.record = 'activity' and n.record_id = new.id::text and n.kind = 'task'
      and (new.done_at is not null or n.user_id is distinct from doer
        or n.at is distinct from case when n.is_reminder then reminds else new.due_at end);
    -- That somebody gave it waits for nobody any more.
    if new.done_at is not null then
      update platform.notices n set read_at = clock_timestamp()
      where n.record = 'activity' and n.record_id = new.id::text and n.kind = 'assignment' and n.read_at is null;
    end if;
  end if;
  if new.done_at is not null or doer is null then return null; end if;
  insert into platform.notices (user_id, kind, is_reminder, record, record_id, customer_id, cause, at)
  select doer, 'task', w.is_reminder, 'activity', new.id::text, c.id,
    case when w.is_reminder then 'reminder:' else 'due:' end || new.id, w.at
  from (values (false, new.due_at), (true, reminds)) w (is_reminder, at)
    join platform.customers c on c.id = new.customer_id and c.erased_at is null and c.merged_into is null
  where w.at is not null
  on conflict (user_id, cause) do nothing;
  return null;
end $$;
create trigger tell_of_task after insert on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.type = 'task'
    and (new.due_at is not null or new.remind_at is not null))
  execute function crm.tell_of_task();
create trigger tell_of_changed_task after update of due_at, remind_at, done_at, assigned_to on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.type = 'task'
    and (new.due_at, new.remind_at, new.done_at, new.assigned_to)
      is distinct from (old.due_at, old.remind_at, old.done_at, old.assigned_to))
  execute function crm.tell_of_task();

-- A colleague gave an agent the conversation (0043_handed.sql). It is read when the agent opens it, wherever that is.
create function support.tell_of_handover() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  named constant text := 'handover:' || new.id;
begin
  if new.agent_id is distinct from old.agent_id then
    perform platform.take_back_notice((select a.user_id from support.agents a where a.id = old.agent_id), named);
  end if;
  if new.is_new_to_agent then
    perform platform.add_notice(a.user_id, 'handover', 'session', new.id::text, new.customer_id, named, again => true)
    from support.agents a where a.id = new.agent_id;
  else
    update platform.notices n set read_at = clock_timestamp()
    from support.agents a where a.id = new.agent_id and n.user_id = a.user_id and n.cause = named and n.read_at is null;
  end if;
  return null;
end $$;
create trigger tell_of_handover after update of agent_id, is_new_to_agent on support.sessions
  for each row when (current_user <> all ('{merge_role,erase_role}')
    and (new.is_new_to_agent or old.is_new_to_agent)
    and (new.agent_id, new.is_new_to_agent) is distinct from (old.agent_id, old.is_new_to_agent))
  execute function support.tell_of_handover();

-- A record goes to another customer, or the visitor of a conversation becomes one; a task is deleted. A merge moves notices by itself.
--   tg_argv   the kind of record
create function platform.follow_record() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  if tg_op = 'DELETE' then
    delete from platform.notices n where n.record = tg_argv[0] and n.record_id = old.id::text;
  else
    update platform.notices n set customer_id = new.customer_id where n.record = tg_argv[0] and n.record_id = new.id::text;
  end if;
  return null;
end $$;
create trigger take_notices after update of customer_id on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.customer_id <> old.customer_id)
  execute function platform.follow_record('activity');
create trigger forget_notices after delete on crm.activities
  for each row when (current_user <> all ('{merge_role,erase_role}')) execute function platform.follow_record('activity');
create trigger take_notices after update of customer_id on support.sessions
  for each row when (current_user <> all ('{merge_role,erase_role}') and new.customer_id is distinct from old.customer_id)
  execute function platform.follow_record('session');

-- An unmerge takes home what the merge moved. A notice from since the merge is in no ledger: it goes where its record is now, or it would
-- outlive an erasure of its customer beside the name of another one.
create function platform.settle_notices() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  update platform.notices n set customer_id = h.holder
  from (
    select x.id, x.customer_id,
      case x.record
        when 'activity' then (select a.customer_id from crm.activities a where a.id = x.record_id::uuid)
        when 'deal' then (select d.customer_id from crm.deals d where d.id = x.record_id::bigint)
        when 'session' then (select s.customer_id from support.sessions s where s.id = x.record_id::uuid)
      end as holder
    from platform.notices x
    where x.customer_id in (
      select new.loser_id
      union all select coalesce(c.merged_into, c.id) from platform.customers c where c.id = new.survivor_id)
    offset 0) h
  where n.id = h.id and h.holder <> h.customer_id;
  return null;
end $$;
create trigger settles_notices after update of undone_at on platform.merges
  for each row when (old.undone_at is null and new.undone_at is not null)
  execute function platform.settle_notices();

-- Signals the open screens of the person who is told, in both apps (platform/log/signals.ts). If a signal is lost, the number
-- is right at the next look.
create function platform.ring_notices() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify(a.name || '_signals', jsonb_build_object('kind', 'notices', 'user_id', c.user_id)::text)
  from (select distinct d.user_id from changed d) c cross join (values ('foundation'), ('support')) a (name);
  return null;
end $$;

-- The tasks that there are. One that was due before this migration is no news.
insert into platform.notices (user_id, kind, is_reminder, record, record_id, customer_id, cause, at, read_at)
select coalesce(t.assigned_to, t.created_by), 'task', w.is_reminder, 'activity', t.id::text, t.customer_id,
  case when w.is_reminder then 'reminder:' else 'due:' end || t.id, w.at, case when w.at <= now() then now() end
from crm.activities t join platform.customers c on c.id = t.customer_id and c.erased_at is null and c.merged_into is null
  cross join lateral (values (false, t.due_at), (true, case when t.remind_at is distinct from t.due_at then t.remind_at end))
    w (is_reminder, at)
where t.type = 'task' and t.done_at is null and w.at is not null and coalesce(t.assigned_to, t.created_by) is not null;

create trigger ring_of_new after insert on platform.notices
  referencing new table as changed for each statement execute function platform.ring_notices();
create trigger ring_of_changed after update on platform.notices
  referencing new table as changed for each statement execute function platform.ring_notices();
create trigger ring_of_gone after delete on platform.notices
  referencing old table as changed for each statement execute function platform.ring_notices();

-- Deletes what was put away more than 30 days ago, and everything but tasks after a year: at most so many rows. Returns how many.
create function platform.forget_notices(rows_max integer default 10000) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  gone bigint;
begin
  with old as (
    (select n.id from platform.notices n where n.done_at < clock_timestamp() - interval '30 days' order by n.done_at limit rows_max)
    union all
    (select n.id from platform.notices n
     where n.kind <> 'task' and n.at < clock_timestamp() - interval '1 year' order by n.at limit rows_max)
    limit rows_max)
  delete from platform.notices n using old where n.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end $$;
grant execute on function platform.forget_notices(integer) to sync_role;
