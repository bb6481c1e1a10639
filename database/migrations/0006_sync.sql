-- Events: triggers write every change in the writer's own transaction; one sequencer numbers it after it has committed; subscriptions
-- read it in that order; retention drops old events that every subscription has read.

-- cache 1: ids of one row's changes come in the order of the changes, because they are drawn while the writer holds the row.
create sequence sync.outbox_id cache 1;
grant select on sequence sync.outbox_id to sync_role;

create table sync.outbox (
  id bigint primary key default nextval('sync.outbox_id'),
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
  previous jsonb not null default '{}',
  trace text collate "C",
  occurred_at timestamptz not null default clock_timestamp()
) with (
  -- A queue: a handful of rows, millions of dead ones a day. By PostgreSQL's own settings it is cleaned late and slowly, and is then
  -- truncated under a lock that every writer would wait for.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
  vacuum_truncate = false
);
comment on table sync.outbox is 'Events that are committed but not numbered yet. Rows live here for milliseconds.';
-- There are no grants: capture, publish and sequence are definer functions, so that nobody can forge an event or lose one.
call platform.protect_table('sync.outbox');

create table sync.events (
  position bigint not null,
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
  occurred_at timestamptz not null,
  sequenced_at timestamptz not null default clock_timestamp(),
  primary key (position)
) partition by range (position);
comment on column sync.events.position is
  'Dense. A reader that has read up to a position has missed nothing before it: '
  'an event that commits later gets a later position, and the changes of a row keep their order.';
comment on column sync.events.key is
  'The row, or a row that it never leaves (the session of a message). All events of a row have the same key, for ever. '
  'Events of one key are handled in order.';
comment on column sync.events.customer is
  'The customer, if it was known when the event was written. It may have been merged since: see sync.list_merged.';
comment on column sync.events.data is
  'All columns of a created row; the changed columns of an updated one; always the columns that name the row.';
create index events_key on sync.events (key, position);
create index events_customer on sync.events (customer, position) where customer is not null;
-- There is none for the type, the app or the person: each would cost the sequencer about 5 µs an event, for the few searches that people
-- make. sync/operations/searching.ts reads a stretch of the log for them.

call platform.protect_table('sync.events');
create policy sync_read on sync.events for select to sync_role using (true);
-- The sub-select is there so that the audience of the login is looked up once in a query, not once for each event.
create policy apps_read on sync.events for select to app_role
  using (audience = 'platform' or audience = (select platform.audience_of(platform.current_app())));
-- The console shows the whole log. Its server decides which person sees the data of which audience.
create policy console_read on sync.events for select to console_role using (true);
grant select on sync.events to app_role, sync_role;

-- Lists the existing partitions by their first position. The bounds come from the catalogue, so that partitions may have
-- different sizes.
create function sync.list_partitions(out name name, out first bigint, out last bigint) returns setof record
language sql stable
begin atomic
  select relname, bounds[1]::bigint, bounds[2]::bigint - 1
  from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    cross join lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(\d+)''\) TO \(''(\d+)''\)') as bounds
  where i.inhparent = 'sync.events'::regclass order by 2;
end;
grant execute on function sync.list_partitions() to sync_role;

-- The sequencer locks this row while it numbers. It is a row, because an advisory lock could be held for ever by any login. It is not
-- written at every batch: while a dump is open each version would stay, and every batch would step over all of them.
create table sync.sequencer (
  only_one boolean primary key default true check (only_one),
  floor_id bigint not null default 0,
  head bigint not null default 0,
  term bigint not null default 0,
  leader text collate "C",
  leads_since timestamptz
);
comment on column sync.sequencer.floor_id is
  'No event up to this id is, or ever will be, in the outbox. A search for the oldest event starts here and skips deleted rows.';
comment on column sync.sequencer.head is
  'The newest position that retention has deleted. If the log is empty, numbering goes on from it. See sync.head.';
comment on column sync.sequencer.term is
  'Counts the leaderships. A batch of a past term numbers nothing. sync.lease_ends_ms holds the end of the leader''s lease.';
insert into sync.sequencer default values;
call platform.protect_table('sync.sequencer');
create policy sync_lock on sync.sequencer to sync_role using (true);
-- The update grant also allows sync_role to lock the row.
grant select, update (floor_id) on sync.sequencer to sync_role;
create policy console_read on sync.sequencer for select to console_role using (true);
grant select on sync.sequencer to console_role;

-- Returns the newest position that was ever given, even if the caller may not see its event. A definer function, because under row
-- security each caller would step over all of the other app's events to find it.
create function sync.head() returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
return greatest((select e.position from sync.events e order by e.position desc limit 1), (select s.head from sync.sequencer s));
grant execute on function sync.head() to app_role, sync_role;

-- Makes partitions until there is room for `size` more positions after the newest event. The sequencer calls it in time; two calls at the
-- same moment wait for each other. A partition is attached, not created in place: creating it in place would wait for every reader, a
-- dump among them, and all other callers would wait behind it.
create function sync.add_partitions(size bigint default 1000000, out last_position bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
comment on function sync.add_partitions is 'Returns the last position for which a partition exists.';
grant execute on function sync.add_partitions(bigint) to sync_role;
select sync.add_partitions();

-- The doorbell. The sequencer holds the lock only while it sleeps. A writer that can share the lock knows that the sequencer is awake and
-- stays silent; a writer that cannot share it rings. A sequencer that cannot take the lock knows that an event is about to commit, and
-- stays awake, or queues for it: then writers cannot share it either (sync/worker/doorbell.ts). So no wake-up is lost, and a busy system
-- sends no NOTIFY per write, which would take a lock of the whole cluster at every commit.
create function sync.ring() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock_shared(7271, 1) then perform pg_notify('sync_outbox', ''); end if;
end $$;

-- Queues for the doorbell and returns whether it was free in time; see sync/worker/doorbell.ts. The lock ends with the caller's
-- transaction. It is a function, because a statement that runs into lock_timeout logs an error on the server, four times a second.
create function sync.await_doorbell(for_ms integer) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('lock_timeout', greatest(for_ms, 1)::text, true);
  perform pg_advisory_xact_lock(7271, 1);
  return true;
exception when lock_not_available then
  return false;
end $$;
grant execute on function sync.await_doorbell(integer) to sync_role;

-- When the leader's lease ends, in milliseconds since 1970 by the server's clock. A sequence, because it is overwritten in
-- place: every renewal of a row would leave a dead version, which vacuum cannot remove while a dump is open. It is unlogged, so that an
-- idle leader writes nothing to the disk; after a crash it is 0, and the lease is free.
create unlogged sequence sync.lease_ends_ms minvalue 0 start 0 cache 1;
grant select on sequence sync.lease_ends_ms to sync_role;

-- Returns for how many milliseconds the lease still holds; 0 or less if it is free. No lease is longer than ten seconds: a later end
-- means that the clock was set back since.
create function sync.lease_left_ms() returns double precision
language sql volatile
begin atomic
  select case when ends.in_ms > 10000 then 0 else ends.in_ms end
  from (select last_value - extract(epoch from clock_timestamp())::float8 * 1000 from sync.lease_ends_ms) as ends (in_ms);
end;
grant execute on function sync.lease_left_ms() to sync_role;

create function sync.extend_lease(for_ms integer) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  select setval('sync.lease_ends_ms', (extract(epoch from clock_timestamp()) * 1000)::bigint + least(for_ms, 10000));
end;
comment on function sync.extend_lease is 'No login may call it, because it does not check who leads.';

-- Makes the caller the leader, unless another worker's lease holds. `by` names the worker, which may take its own lease again, for example
-- after it lost its connection. term: the new one, or null; then free_in_ms says when to ask again.
create function sync.take_lease(by text, for_ms integer, out term bigint, out free_in_ms double precision)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function sync.take_lease(text, integer) to sync_role;

-- Returns whether the term still runs. If it does, its lease is extended.
create function sync.renew_lease(of_term bigint, for_ms integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from sync.sequencer s where s.term = of_term) then return false; end if;
  perform sync.extend_lease(for_ms);
  return true;
end $$;
grant execute on function sync.renew_lease(bigint, integer) to sync_role;

-- Gives up the leadership and notifies the workers on standby.
create function sync.release_lease(of_term bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from sync.sequencer s where s.term = of_term) then return; end if;
  perform setval('sync.lease_ends_ms', 0);
  perform pg_notify('sync_lease', '');
end $$;
grant execute on function sync.release_lease(bigint) to sync_role;

-- Numbers the events that have committed. Take the lock in an earlier statement, otherwise this one's snapshot is older than the lock:
--   begin; select from sync.sequencer for update; select * from sync.sequence(…); commit
-- floor_id skips index entries of rows that are already deleted but that a long transaction (a dump) keeps from being removed. The caller
-- raises it as sync/worker/floor.ts says. With a term, it numbers only while that runs (otherwise moved is null), and extends the lease.
create function sync.sequence(
  batch_max integer, floor_id bigint, of_term bigint default null, lease_ms integer default 0, out moved integer, out head bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function sync.sequence(integer, bigint, bigint, integer) to sync_role;

-- A place is a position with the id of its event, even if the caller may not see that event. Numbering does not wait for the disk, so a
-- crash may undo the newest positions and give them to other events. If the id at a position is the same, no event up to it has changed:
-- an event that survived the crash had committed before the lost numbering began, so that numbering took it up as well, and an event that
-- did not survive is missing from the count. A reader therefore compares places, never positions alone: after a crash the log may have
-- grown past the reader's position again.
create function sync.id_at(at_position bigint) returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select e.id from sync.events e where e.position = at_position);
-- Retention removes the oldest events. The place of the newest event that it removed still counts: a reader that continues there misses
-- nothing. A place before that does not count, because the events after it are removed and the reader has missed them.
create function sync.has_place(at_position bigint, event_id bigint) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return coalesce(
  (select e.id = event_id from sync.events e where e.position = at_position),
  at_position = coalesce((select e.position from sync.events e order by e.position limit 1), sync.head() + 1) - 1);
grant execute on function sync.id_at(bigint), sync.has_place(bigint, bigint) to app_role, sync_role;

-- Returns how long committed events have waited for their numbers, or null if none waits. Monitors call it, and so do the apps, because
-- an app with a cache must know when events are not numbered. The age counts from the commit: an event of a transaction that was open
-- for a minute is new when that commits. PostgreSQL knows the time of a commit if track_commit_timestamp is on; otherwise the age counts
-- from the statement that wrote the event. The function reads the first hundred events, because the lowest id need not have committed
-- first.
create function sync.outbox_age() returns interval
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select clock_timestamp() - min(case
      when current_setting('track_commit_timestamp')::boolean then coalesce(pg_xact_commit_timestamp(o.writer), o.occurred_at)
      else o.occurred_at end)
  from (
    select xmin as writer, occurred_at from sync.outbox
    where id > (select s.floor_id from sync.sequencer s) order by id limit 100) o);
grant execute on function sync.outbox_age() to app_role, sync_role;

-- Publishes an app's own event, in the app's own transaction. The type begins with the app's name, so that no app can speak for another or
-- for the database.
create function sync.publish(
  event_type text, event_key text, payload jsonb, event_audience text default 'platform', event_customer uuid default null)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function sync.publish(text, text, jsonb, text, uuid) to app_role;

create table sync.subscriptions (
  name text collate "C" primary key check (name ~ '^[a-z][a-z0-9_.-]{0,79}$'),
  app text collate "C" not null default platform.current_app(),
  types text[],
  holds text not null default 'customer' check (holds in ('customer', 'row')),
  position bigint not null check (position >= 0),
  replay_until bigint not null default 0,
  is_paused boolean not null default false,
  pause_reason text,
  created_at timestamptz not null default clock_timestamp(),
  moved_at timestamptz not null default clock_timestamp(),
  check (is_paused = (pause_reason is not null)),
  -- Otherwise an app could take the name of another app's subscription before that app does.
  constraint subscriptions_name_of_app check (starts_with(name, app || '.'))
) with (
  -- A few rows that change with every batch: each page has room for the next version, and vacuum comes as often as its launcher runs.
  fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false
);
comment on column sync.subscriptions.position is 'Every event up to here is handled, or is in sync.parked.';
comment on column sync.subscriptions.holds is
  'The events that a failed one holds back until it is handled. row: later events of its key. customer: those of its customer as well.';
comment on column sync.subscriptions.types is 'The types that it reads; null: every event that the app may see.';

call platform.protect_table('sync.subscriptions');
create policy own on sync.subscriptions to app_role, sync_role
  using (app = platform.current_app()) with check (app = platform.current_app());
-- The worker looks at the subscriptions of every app and writes only its own: an act on another one is a definer function of
-- 0008_operations.sql, which leaves a record.
create policy sync_read on sync.subscriptions for select to sync_role using (true);
grant select,
      insert (name, types, holds, position),
      update (types, holds, position, replay_until, is_paused, pause_reason, moved_at)
  on sync.subscriptions to app_role, sync_role;
-- The console looks at the subscriptions of every app. It changes them through definer functions, which leave a record.
create policy console_read on sync.subscriptions for select to console_role using (true);
-- There is no delete: with it one login could lock the whole table, and so stop every app. See sync.remove_subscription.

-- Removes a subscription with what it has parked; an app may do so with its own. Returns whether there was one.
create function sync.remove_subscription(of_name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from sync.subscriptions s where s.name = of_name and s.app = platform.current_app();
  return found;
end $$;
grant execute on function sync.remove_subscription(text) to app_role, sync_role;

create table sync.parked (
  subscription text collate "C" not null references sync.subscriptions on delete cascade,
  position bigint not null,
  key text collate "C" not null,
  customer uuid,
  state text not null check (state in ('waiting', 'retrying', 'dead')),
  attempts integer not null default 0,
  attempt_at timestamptz,
  error text,
  cause text collate "C" check (cause ~ '^[0-9a-f]{16}$'),
  is_replay boolean not null default false,
  parked_at timestamptz not null default clock_timestamp(),
  primary key (subscription, position),
  check ((state = 'retrying') = (attempt_at is not null))
) with (
  -- A queue like the outbox, mostly empty.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000, vacuum_truncate = false
);
comment on table sync.parked is
  'Events that failed, and events that wait behind one. retrying: tried again at attempt_at; '
  'waiting: tried when the events before it are gone; dead: kept until somebody redrives or skips it.';
comment on column sync.parked.cause is
  'What its last failure has in common with others: see sync.causes. Null for an event that only waits.';
comment on column sync.parked.customer is 'The customer of the event. Together with the key it decides which events wait behind it.';
create index parked_due on sync.parked (subscription, attempt_at) where state = 'retrying';
-- Only the first event of a key may be tried, or events of the key would be handled out of order.
create unique index parked_one_retrying on sync.parked (subscription, key) where state = 'retrying';
create index parked_key on sync.parked (subscription, key, position);
create index parked_customer on sync.parked (subscription, customer, position) where customer is not null;
-- Lists and their capped counts are read from these two, also when a million events are parked.
create index parked_state on sync.parked (subscription, state, position);
create index parked_cause on sync.parked (subscription, cause, position) include (customer, state) where cause is not null;

call platform.protect_table('sync.parked');
create policy own on sync.parked to app_role, sync_role
  using (exists (select from sync.subscriptions s where s.name = subscription and s.app = platform.current_app()))
  with check (exists (select from sync.subscriptions s where s.name = subscription and s.app = platform.current_app()));
grant select,
      insert (subscription, position, key, customer, state, attempts, attempt_at, error, cause, is_replay),
      update (state, attempts, attempt_at, error, cause)
  on sync.parked to app_role, sync_role;
create policy console_read on sync.parked for select to console_role using (true);
create policy sync_read on sync.parked for select to sync_role using (true);
-- There is no delete: a grant of it lets a login lock the whole table and stop every app. See sync.unpark.

-- Takes a parked event away; an app may do so with its own.
create function sync.unpark(of_subscription text, at_position bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  delete from sync.parked p using sync.subscriptions s
  where p.subscription = of_subscription and p.position = at_position and s.name = p.subscription and s.app = platform.current_app();
end;
grant execute on function sync.unpark(text, bigint) to app_role, sync_role;

-- Lists the ids that are one customer today: the survivor and all customers that were merged into it. An event keeps the id with which it
-- was written, so the events of one customer are found by all of these ids. merged_into is flat.
create function sync.list_merged(customer uuid) returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select array_agg(c.id) || list_merged.customer
  from (select coalesce(
      (select o.merged_into from platform.customers o where o.id = list_merged.customer), list_merged.customer) as id) root
    join platform.customers c on c.id = root.id or c.merged_into = root.id);
grant execute on function sync.list_merged(uuid) to app_role, sync_role;

-- Whether an event has to wait for one that is parked before it: one of its key or, if the subscription holds back whole customers, one of
-- its customer. Both count for ever: an event that was parked before its row had a customer holds back its row, and from then on that
-- row's customer. Merges count as they are today: when two customers become one, their waiting events wait together.
create function sync.is_behind(of_subscription text, at_position bigint, event_key text, event_customer uuid) returns boolean
language sql stable
return exists (
    select from sync.parked b where b.subscription = of_subscription and b.key = event_key and b.position < at_position)
  or event_customer is not null and exists (
    select from sync.subscriptions s join sync.parked b on b.subscription = s.name
    where s.name = of_subscription and s.holds = 'customer'
      and b.customer = any (sync.list_merged(event_customer)) and b.position < at_position);
grant execute on function sync.is_behind(text, bigint, text, uuid) to app_role, sync_role;

-- Call it after events were parked before others, or taken away: an event that no other is before is tried now, unless it is dead, and an
-- event that would be tried but is behind another one waits. It reads the events of these keys and customers; without arguments, all of
-- them. It skips all but the first event of a key or of a customer, because only these can have no event before them. The caller holds the
-- lock of the subscription's row; the function runs with the caller's rights.
create function sync.start_first(of_subscription text, keys text[] default null, customers uuid[] default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function sync.start_first(text, text[], uuid[]) to app_role, sync_role;

-- Returns the first position that was numbered at this moment or later, or the one behind the newest. The log is in the order of
-- its numbers, so two dozen looks find it among millions. An event that happened at this moment was numbered at this moment or later.
create function sync.position_at(moment timestamptz) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function sync.position_at(timestamptz) to sync_role, console_role;

-- Whether an app may see events of an audience; the policies of sync.events say the same.
create function sync.may_read(app text, audience text) returns boolean
language sql immutable parallel safe
return audience = 'platform' or app = 'sync' or audience = platform.audience_of(app);
grant execute on function sync.may_read(text, text) to sync_role, console_role;

-- Lists the subscriptions that still need an event from these positions: they have not reached one that they may see, or have one parked.
create function sync.list_holders(first bigint, last bigint, out name text, out behind bigint, out parked bigint) returns setof record
language sql stable
begin atomic
  select * from (
    select s.name,
      (select count(*) from sync.events e where s.position < list_holders.last
         and e.position between greatest(list_holders.first, s.position + 1) and list_holders.last
         and sync.may_read(s.app, e.audience) and (s.types is null or e.type = any (s.types))),
      (select count(*) from sync.parked p where p.subscription = s.name and p.position between list_holders.first and list_holders.last)
    from sync.subscriptions s) as holders (name, behind, parked)
  where behind > 0 or parked > 0 order by name;
end;
grant execute on function sync.list_holders(bigint, bigint) to sync_role;

-- Retention. An event is gone at most a day after its time is up, however few or many there are. A partition that is old as a whole is
-- dropped, which costs nothing. If that would come too late, its old rows are deleted.

-- Drops the oldest partition if it is full, all of it is older than `keep`, and no subscription needs it except those that `force` names,
-- which lose it. Dropping waits for every reader of the log, and all others wait behind it. So the function gives up soon and returns
-- `busy`; the worker calls it again. outcome: dropped, open (not full yet), young, held (by `holders`) or busy.
create function sync.drop_oldest_partition(
  keep interval, force text[] default '{}', out outcome text, out first bigint, out last bigint, out holders jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
  update sync.subscriptions s set position = drop_oldest_partition.last where s.position < drop_oldest_partition.last;
  update sync.sequencer s set head = drop_oldest_partition.last where s.head < drop_oldest_partition.last;
  execute format('drop table sync.%I', partition);
  outcome := 'dropped';
exception when lock_not_available then
  outcome := 'busy';
end $$;
grant execute on function sync.drop_oldest_partition(interval, text[]) to sync_role;

-- Deletes up to `batch_max` of the oldest events that are older than `keep`. It stops at the first event that a subscription needs, unless
-- `force` names the subscription. It leaves alone a partition that will be dropped as a whole in time. Readers do not wait for it;
-- a transaction that moves a cursor or parks an event waits until it ends. outcome: deleted, young, held (by `holders`) or busy.
create function sync.delete_old_events(
  keep interval, batch_max integer, force text[] default '{}', out outcome text, out first bigint, out last bigint, out holders jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
  lock table sync.subscriptions, sync.parked in share row exclusive mode;
  perform from sync.subscriptions s where s.name = any (force) for update;
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
  update sync.subscriptions s set position = delete_old_events.last
  where s.name = any (array(
    select b.name from sync.subscriptions b where b.position < delete_old_events.last order by b.name for update skip locked));
  update sync.sequencer s set head = delete_old_events.last where s.head < delete_old_events.last;
  outcome := 'deleted';
exception when lock_not_available then
  outcome := 'busy';
end $$;
grant execute on function sync.delete_old_events(interval, integer, text[]) to sync_role;

-- Finds every event about a customer, also under the ids of customers that were merged into it. An event that was written before its row
-- was linked to a customer belongs to the customer that the row was linked to next; one that moved a row to another customer belongs to
-- both, because it holds old values. An app's own event has no row: it belongs to the customer that it names. An erasure scrubs these
-- events.
create function sync.list_events_of_customer(customer uuid) returns setof bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with merged as materialized (select sync.list_merged(list_events_of_customer.customer) as ids),
  named as materialized (
    select e.position, e.key, starts_with(e.type, e.app || '.') as is_own
    from sync.events e where e.customer = any ((select m.ids from merged m)::uuid[]))
  select n.position from named n
  union
  select e.position
  from (select distinct n.key from named n where not n.is_own) k join sync.events e on e.key = k.key
  where not starts_with(e.type, e.app || '.')
    and (e.previous ->> 'customer_id' = any ((select m.ids from merged m)::text[])
      or e.customer is null and (
        select f.customer from sync.events f
        where f.key = e.key and f.position > e.position and f.customer is not null order by f.position limit 1
      ) = any ((select m.ids from merged m)::uuid[]));
end;
grant execute on function sync.list_events_of_customer(uuid) to sync_role, console_role;

-- The kinds of rows that are captured: the first word of their events' types, and the audience that may see the events.
create table sync.entities (
  name text collate "C" primary key check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  audience text collate "C" not null
);
call platform.protect_table('sync.entities');

-- Lists the given types of events that the calling app would never get, with the reason. An app's own types are not recorded anywhere: a
-- type that begins with the name of an app may exist.
create function sync.list_vain_types(types text[], out type text, out reason text) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select t.type, case when e.name is null then 'does not exist' else 'is not shown to ' || platform.current_app() end
  from unnest(types) t (type)
    left join sync.entities e on t.type in (e.name || '.created', e.name || '.updated', e.name || '.deleted')
      or e.name = 'customer' and t.type in ('customer.merged', 'customer.unmerged')
  where case when e.name is null
        then t.type !~ '\.[a-z]' or not exists (select from platform.apps a where starts_with(t.type, a.name || '.'))
        else not sync.may_read(platform.current_app(), e.audience) end;
end;
grant execute on function sync.list_vain_types(text[]) to app_role;

-- Makes the capture trigger of one table: a function that names its columns. It is several times as fast as one that reads them off the
-- row.
--   event_key       an expression over the row r: the row, or a row that it can never leave. No other kind of row has the same key
--   event_customer  an expression over the row r: the customer, if it is known
--   always          columns that are in every event, because they name the row
--   never           columns that no event shows
--   in_sets         also make sync.capture_set(olds, news) of the table's rows, which writes the events of many changed rows at once, in
--                   their order; olds: null for created rows
-- Every change of a version has an event, even if no column that events show has changed, so that a reader that counts versions misses
-- none. A merge writes one event for all rows that it moves: the trigger does not fire for merge_role. Call it again when the table gets
-- or loses a column; a lint reports a forgotten call.
create procedure sync.capture(
  target regclass, entity text, event_audience text, event_key text, event_customer text,
  always text[] default '{}', never text[] default '{}', in_sets boolean default false)
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
    'create or replace trigger z_capture after insert or update or delete on %s for each row when (current_user <> ''merge_role'')
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
end $$;

-- A key that is not a uuid names its kind of row, so that no two kinds share a key.
call sync.capture('platform.customers', 'customer', 'platform', 'r.id', 'coalesce(r.merged_into, r.id)', '{email,name}', '{email_key}',
  in_sets => true);
drop trigger z_capture on platform.customers;
create trigger z_capture after insert or update or delete on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function sync.capture_platform_customers();
grant execute on function sync.capture_set(platform.customers[], platform.customers[]) to bulk_role;
-- customer.created and customer.updated report a customer's first address and a change of the primary one. The events of an address
-- report the other addresses, and proofs.
call sync.capture('platform.customer_emails', 'address', 'platform', 'r.id', 'r.customer_id', '{customer_id,email}',
  '{email_key,is_primary}');
drop trigger z_capture on platform.customer_emails;
create trigger z_capture_added after insert on platform.customer_emails
  for each row when (not new.is_primary and current_user <> 'merge_role') execute function sync.capture_platform_customer_emails();
create trigger z_capture_changed after update or delete on platform.customer_emails
  for each row when (current_user <> 'merge_role') execute function sync.capture_platform_customer_emails();
-- The same goes for the telephone numbers of a customer.
call sync.capture('platform.customer_phones', 'phone', 'platform', 'r.id', 'r.customer_id', '{customer_id,phone,phone_key,phone_extension}',
  '{is_primary}');
drop trigger z_capture on platform.customer_phones;
create trigger z_capture_added after insert on platform.customer_phones
  for each row when (not new.is_primary and current_user <> 'merge_role') execute function sync.capture_platform_customer_phones();
create trigger z_capture_changed after update on platform.customer_phones
  for each row when (not (old.is_primary and new.is_primary) and current_user <> 'merge_role')
  execute function sync.capture_platform_customer_phones();
create trigger z_capture_removed after delete on platform.customer_phones
  for each row when (not old.is_primary and current_user <> 'merge_role') execute function sync.capture_platform_customer_phones();
call sync.capture('platform.tiers', 'tier', 'platform', '''tier:'' || r.id', 'null', '{key,label}');
call sync.capture('platform.companies', 'company', 'platform', 'r.id', 'null', '{name}');
call sync.capture('platform.users', 'user', 'platform', '''user:'' || r.id', 'null', '{name}',
  '{directory_tenant_id,directory_object_id}');
call sync.capture('crm.deals', 'deal', 'crm', '''deal:'' || r.id', 'r.customer_id', '{customer_id,name}', '{request_digest}');
call sync.capture('crm.contacts', 'contact', 'crm', 'r.id', 'r.customer_id', '{company_id,name}');
call sync.capture('crm.activities', 'activity', 'crm', 'r.id', 'r.customer_id', '{customer_id,type}', '{request_digest}');
-- A value never leaves its deal or its company; a merge may move it to another customer.
call sync.capture('crm.custom_field_values', 'custom_value', 'crm',
  'coalesce(''deal:'' || r.deal_id, r.company_id::text, ''custom_value:'' || r.id)',
  'coalesce(r.customer_id, (select d.customer_id from crm.deals d where d.id = r.deal_id))',
  '{field_id,field_key,field_label,customer_id,company_id,deal_id}');
-- No event of a session shows what was read, what was counted and which page was open: no subscriber needs them.
call sync.capture('support.sessions', 'session', 'support', 'r.id', 'r.customer_id', '{customer_id,status}',
  '{token_hash,message_count,last_message_at,visitor_read_number,agent_read_number,page}');
call sync.capture('support.messages', 'message', 'support', 'r.session_id',
  '(select s.customer_id from support.sessions s where s.id = r.session_id)', '{session_id,number}');
call sync.capture('support.session_entries', 'entry', 'support', 'r.session_id',
  '(select s.customer_id from support.sessions s where s.id = r.session_id)', '{session_id,kind}', '{client_id}');
call sync.capture('support.calls', 'call', 'support', 'r.id', 'r.customer_id', '{customer_id}', '{client_id,request_digest}');

-- Which worker runs the relay to Azure Service Bus. It sends between two transactions, so that the lock of a row cannot say who runs it: a
-- lease with a term does. A worker that lost it may still send what it had read, which is harmless: its successor begins at the same
-- position, so that all of it is a repetition.
create table sync.relay (
  only_one boolean primary key default true check (only_one),
  term bigint not null default 0,
  holder text check (octet_length(holder) between 1 and 200),
  leased_until timestamptz not null default '-infinity'
) with (fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false);
comment on column sync.relay.holder is 'The worker that relays until leased_until, by the clock of the database.';
insert into sync.relay default values;
call platform.protect_table('sync.relay');
create policy sync_relays on sync.relay to sync_role using (true);
create policy console_read on sync.relay for select to console_role using (true);
grant select, update (term, holder, leased_until) on sync.relay to sync_role;
grant select on sync.relay to console_role;
