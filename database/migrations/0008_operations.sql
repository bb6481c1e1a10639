-- What people did to subscriptions and failures, and the bulk work on frozen sets: each act is a definer function that leaves a record.

-- One row for each act of a person or of a command. It holds ids, numbers, who did it and the reason that they typed, and no other
-- personal data.
create table sync.operations (
  id bigint generated always as identity primary key,
  kind text collate "C" not null check (kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' and char_length(kind) <= 60),
  scope jsonb not null check (jsonb_typeof(scope) = 'object' and octet_length(scope::text) <= 8192),
  reason text check (char_length(reason) between 1 and 500),
  outcome jsonb not null check (jsonb_typeof(outcome) = 'object' and octet_length(outcome::text) <= 8192),
  actor text collate "C" check (char_length(actor) <= 255),
  app text collate "C" not null,
  login name not null,
  trace text collate "C",
  done_at timestamptz not null default clock_timestamp()
);
comment on table sync.operations is 'Append-only: what was done, to what, by whom, why, and exactly what came of it.';
comment on column sync.operations.scope is 'What the act was about: the names of subscriptions, positions, ids, and the filter of a set.';
comment on column sync.operations.outcome is 'What the act changed, as the database counted it in the same transaction.';
comment on column sync.operations.actor is
  'Who did it, as the app says; the login beside it cannot be forged. A user id; of the command `command:` and a name.';
call platform.protect_table('sync.operations');
create policy sync_read on sync.operations for select to sync_role using (true);
create policy console_read on sync.operations for select to console_role using (true);
grant select on sync.operations to sync_role, console_role;
-- There is no insert, update or delete: sync.record_operation writes, and nobody changes what it has written.

create function sync.keep_operation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'a record of an operation is not changed' using errcode = 'restrict_violation';
end $$;
create trigger keep before update or truncate on sync.operations for each statement execute function sync.keep_operation();

-- How long a record is kept: operations_keep_days of sync.health_limits, and at least ninety days whatever it says.
create function sync.operations_kept() returns interval
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return make_interval(days => least(greatest(sync.health_limit('operations_keep_days'), 90), 36500)::integer);
end $$;

-- A record goes when its time is up, and no earlier: not even the owner of the table removes a younger one.
create function sync.keep_young_operations() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from gone g where g.done_at > clock_timestamp() - sync.operations_kept()) then
    raise exception 'a record of an operation is kept for %', sync.operations_kept() using errcode = 'restrict_violation';
  end if;
  return null;
end $$;
create trigger keep_young after delete on sync.operations
  referencing old table as gone for each statement execute function sync.keep_young_operations();

-- Records an act in the transaction that does it, so that neither is without the other. The definer functions of the house call it; no
-- login may, because it believes what it is given.
create function sync.record_operation(kind text, scope jsonb, reason text, outcome jsonb) returns bigint
language sql volatile
begin atomic
  insert into sync.operations (kind, scope, reason, outcome, actor, app, login, trace)
  values (record_operation.kind, record_operation.scope, record_operation.reason, record_operation.outcome,
    platform.current_actor(), platform.current_app(), session_user, nullif(left(current_setting('aether.trace', true), 255), ''))
  returning id;
end;

-- Failures. A failure has a cause: the class of its error and its text without what varies. The log's client computes it when it parks the
-- event (platform/log/failurecause.ts), because only there is the error itself.

create table sync.causes (
  subscription text collate "C" not null references sync.subscriptions on delete cascade,
  cause text collate "C" not null check (cause ~ '^[0-9a-f]{16}$'),
  error_class text collate "C" not null check (char_length(error_class) between 1 and 120),
  shape text not null check (char_length(shape) <= 300),
  failures bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  hour timestamptz not null,
  by_hour integer[] not null,
  sample_position bigint not null,
  primary key (subscription, cause)
) with (
  fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);
comment on table sync.causes is 'Why events of a subscription fail. How many of them are parked now is counted in sync.parked.';
comment on column sync.causes.shape is 'The text of the error without ids, numbers, addresses and quoted values: it names no person.';
comment on column sync.causes.failures is 'Failed attempts since first_at.';
comment on column sync.causes.by_hour is 'Failed attempts in `hour` and in the 23 hours before it, the newest first.';
create index causes_last on sync.causes (last_at, subscription, cause);
call platform.protect_table('sync.causes');
create policy sync_read on sync.causes for select to sync_role using (true);
create policy console_read on sync.causes for select to console_role using (true);
grant select on sync.causes to sync_role, console_role;

-- Bounded: sync.trim_operations keeps the newest two million, for at most ninety days.
create table sync.attempts (
  id bigint generated always as identity primary key,
  subscription text collate "C" not null,
  position bigint not null,
  attempt integer not null,
  ended_at timestamptz not null default clock_timestamp(),
  duration_ms integer,
  process text collate "C" not null check (char_length(process) <= 120),
  cause text collate "C",
  error text check (char_length(error) <= 1000)
) with (vacuum_truncate = false);
comment on table sync.attempts is
  'Append-only: every attempt that failed, and every one that handled a parked event. An event that was never parked has none.';
comment on column sync.attempts.error is 'Null: this attempt handled the event.';
comment on column sync.attempts.duration_ms is 'Null: it took its transaction down, so that nothing was measured.';
create index attempts_of_event on sync.attempts (position, subscription, id);
call platform.protect_table('sync.attempts');
create policy sync_read on sync.attempts for select to sync_role using (true);
create policy console_read on sync.attempts for select to console_role using (true);
grant select on sync.attempts to sync_role, console_role;
create trigger keep before update or truncate on sync.attempts for each statement execute function sync.keep_operation();

-- Records the attempts of one step of a subscription: the step sends it together with its commit. An app records those of its own
-- subscriptions. It writes one row of sync.causes for each cause, however many events of the step failed.
create function sync.record_attempts(
  of_subscription text, by_process text, positions bigint[], attempts integer[], durations_ms integer[],
  causes text[], classes text[], shapes text[], errors text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function
  sync.record_attempts(text, text, bigint[], integer[], integer[], text[], text[], text[], text[]) to app_role, sync_role;

-- Acts on subscriptions and failures. The console and the command call the same functions; an app's login may call none of them.

-- Only the command, and administrators of the console, act.
create function sync.require_operator() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_app() = 'sync' then return; end if;
  if platform.current_app() = 'console'
     and exists (select from platform.users u where u.id = platform.current_actor() and u.role = 'admin') then return; end if;
  raise exception 'only administrators of the console and the command do this' using errcode = 'insufficient_privilege';
end $$;

create function sync.require_reason(reason text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(char_length(btrim(reason)), 0) = 0 or char_length(reason) > 500 then
    raise exception 'a reason has 1 to 500 characters' using errcode = 'invalid_parameter_value';
  end if;
end $$;

-- Holds a subscription until the end of the transaction: no process works on it meanwhile. It waits for the step under way.
create function sync.hold_subscription(of_name text) returns sync.subscriptions
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  held sync.subscriptions;
begin
  perform sync.require_operator();
  perform set_config('lock_timeout', '10s', true);
  select s.* into held from sync.subscriptions s where s.name = of_name for update;
  if not found then raise exception 'there is no subscription %', of_name using errcode = 'no_data_found'; end if;
  return held;
end $$;

create function sync.pause_subscription(of_name text, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  held constant sync.subscriptions := sync.hold_subscription(of_name);
  outcome constant jsonb := jsonb_build_object('was_paused', held.is_paused, 'position', held.position);
begin
  perform sync.require_reason(reason);
  update sync.subscriptions s set is_paused = true, pause_reason = btrim(reason) where s.name = of_name;
  return outcome || jsonb_build_object('operation',
    sync.record_operation('subscription.pause', jsonb_build_object('subscription', of_name), btrim(reason), outcome));
end $$;

create function sync.resume_subscription(of_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Removes a subscription with everything that it has parked. A process that runs it begins it again by its rule.
create function sync.drop_subscription(of_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Lets failed events be tried again from their first attempt on, and returns those that had failed. The caller holds the subscription.
create function sync.drive_parked(of_subscription text, positions bigint[]) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Gives failed events up, and returns those that had failed: the events behind them continue. The caller holds the subscription.
create function sync.give_up_parked(of_subscription text, positions bigint[]) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Tries failed events again: those at these positions, or the first thousand dead ones. More than a thousand are a frozen set.
create function sync.redrive_events(of_subscription text, positions bigint[] default null, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

create function sync.skip_event(of_subscription text, at_position bigint, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
-- A trace finds the skip of its event.
create index operations_skip on sync.operations ((scope ->> 'position')) where kind = 'event.skip';
create index operations_of_subscription on sync.operations ((scope ->> 'subscription'), id) where scope ? 'subscription';

-- Counts the events that a subscription gets of these positions, from the first on: up to `counted_max`, and it looks at a hundred thousand
-- positions at most. is_whole: there are no more of them.
create function sync.count_events_for(
  of_subscription text, first bigint, last bigint, counted_max integer, out events bigint, out is_whole boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select count(*), count(*) < counted_max and last - first < 100000
  from (
    select from sync.subscriptions s join sync.events e
      on e.position between first and least(last, first + 99999) and sync.may_read(s.app, e.audience)
        and (s.types is null or e.type = any (s.types))
    where s.name = of_subscription limit counted_max) found;
end;

-- Moves a paused subscription back, so that it handles everything from a position on again, marked as replayed.
create function sync.rewind_subscription(of_name text, to_position bigint, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
  from sync.count_events_for(of_name, first, held.position, 10001) c;
  update sync.subscriptions s set replay_until = greatest(s.replay_until, s.position), position = first - 1
  where s.name = of_name and first <= s.position;
  perform pg_notify('sync_events', '');
  return outcome || jsonb_build_object('operation',
    sync.record_operation('subscription.rewind', jsonb_build_object('subscription', of_name), btrim(reason), outcome));
end $$;

-- Lets a paused subscription handle some events again, marked as replayed: those of a row, of a customer (also under the ids of customers
-- that were merged into it) or of some types, from a position on. They go through the parked events, so that others continue meanwhile.
create function sync.replay_events(
  of_subscription text, from_position bigint default 0, of_key text default null, of_customer uuid default null,
  of_types text[] default null, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
    chosen := array(select l from sync.list_events_of_customer(of_customer) l where l between from_position and held.position);
  elsif of_key is not null then
    chosen := array(select e.position from sync.events e where e.key = of_key and e.position between from_position and held.position);
  else
    chosen := array(select e.position from sync.events e
      where e.position between from_position and held.position and e.type = any (of_types) order by e.position limit events_max + 1);
  end if;
  chosen := array(
    select e.position from unnest(chosen) c (position) join sync.events e on e.position = c.position
    where sync.may_read(held.app, e.audience) and (held.types is null or e.type = any (held.types))
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
end $$;

grant execute on function sync.pause_subscription(text, text), sync.resume_subscription(text, text), sync.drop_subscription(text, text),
  sync.redrive_events(text, bigint[], text), sync.skip_event(text, bigint, text), sync.rewind_subscription(text, bigint, text),
  sync.replay_events(text, bigint, text, uuid, text[], text), sync.count_events_for(text, bigint, bigint, integer)
  to sync_role, console_role;

-- Bulk work on a frozen set: failed events of a subscription, which are redriven or skipped, or rows of a finding of data quality, which
-- are repaired (0010_quality.sql). The set is its own rows: what fails or is mended after the freezing changes nothing in it. The worker
-- goes through it in batches, each of which is one transaction, so that a kill loses nothing.

create table sync.bulk_runs (
  id bigint generated always as identity primary key,
  kind text collate "C" not null check (kind in ('redrive', 'skip', 'repair')),
  subscription text collate "C",
  filter jsonb not null check (jsonb_typeof(filter) = 'object' and octet_length(filter::text) <= 4096),
  reason text check (char_length(reason) between 1 and 500),
  state text collate "C" not null default 'frozen' check (state in ('frozen', 'running', 'paused', 'cancelled', 'done')),
  total bigint not null default 0,
  rate_per_second integer not null default 500 check (rate_per_second between 1 and 5000),
  up_to_position bigint not null default 0,
  attempts_after bigint not null default 0,
  tried bigint not null default 0,
  handled bigint not null default 0,
  failed bigint not null default 0,
  held_back bigint not null default 0,
  skipped bigint not null default 0,
  mended bigint not null default 0,
  refused bigint not null default 0,
  gone bigint not null default 0,
  untouched bigint not null default 0,
  actor text collate "C",
  login name not null default session_user,
  frozen_at timestamptz not null default clock_timestamp(),
  confirmed_at timestamptz,
  due_at timestamptz,
  faults smallint not null default 0,
  fault text collate "C" check (char_length(fault) <= 100),
  ended_at timestamptz,
  check ((kind = 'repair') = (subscription is null)),
  check ((state = 'frozen') = (confirmed_at is null)),
  check (ended_at is null or handled + failed + held_back + skipped + mended + refused + gone + untouched = total)
);
comment on column sync.bulk_runs.subscription is 'Null for a repair, whose filter names the finding.';
comment on column sync.bulk_runs.up_to_position is 'The worker has taken every item of the set up to here.';
comment on column sync.bulk_runs.tried is 'Events that were given back to the subscription, and of which nothing is known yet.';
comment on column sync.bulk_runs.failed is 'Events that failed again.';
comment on column sync.bulk_runs.held_back is 'Events that were given back and wait behind another event that has failed.';
comment on column sync.bulk_runs.gone is
  'Events that had not failed any more when the worker came to them, or that somebody else took away; findings that were true no more.';
comment on column sync.bulk_runs.refused is 'Findings that a repair did not mend; sync.bulk_items says why.';
comment on column sync.bulk_runs.untouched is 'Items that the worker had not come to when the run was cancelled.';
comment on column sync.bulk_runs.faults is 'How many of its last batches in a row were undone by an error; after each it is due later.';
comment on column sync.bulk_runs.fault is
  'The SQLSTATE of the last of these errors and the constraint, if one was broken. Never a message, which may hold data.';
create index bulk_runs_open on sync.bulk_runs (due_at) where ended_at is null and state in ('running', 'cancelled');
call platform.protect_table('sync.bulk_runs');
create policy sync_read on sync.bulk_runs for select to sync_role using (true);
create policy console_read on sync.bulk_runs for select to console_role using (true);
grant select on sync.bulk_runs to sync_role, console_role;

create table sync.bulk_items (
  run bigint not null references sync.bulk_runs on delete cascade,
  position bigint not null,
  state text collate "C" check (state in ('tried', 'handled', 'failed', 'held_back', 'skipped', 'mended', 'refused', 'gone')),
  because text check (char_length(because) <= 200),
  primary key (run, position),
  check (because is null or state = 'refused')
);
comment on table sync.bulk_items is 'What a run is about: positions of events, or ids of findings.';
comment on column sync.bulk_items.state is 'Null: the worker has not come to it.';
comment on column sync.bulk_items.because is 'Why a repair was refused: the rule that it would break, and nothing of the record.';
create index bulk_items_tried on sync.bulk_items (run, position) where state = 'tried';
create index bulk_items_skipped on sync.bulk_items (position) where state = 'skipped';
create index bulk_items_refused on sync.bulk_items (run, because) where state = 'refused';
call platform.protect_table('sync.bulk_items');
create policy sync_read on sync.bulk_items for select to sync_role using (true);
create policy console_read on sync.bulk_items for select to console_role using (true);
grant select on sync.bulk_items to sync_role, console_role;

-- Freezes the failed events of a subscription that a filter describes, in one statement, and returns how many they are. Nothing is done to
-- them until sync.confirm_run. filter: state (dead or retrying), cause, customer, key; an absent one excludes nothing.
create function sync.freeze_failures(run_kind text, of_subscription text, filter jsonb, out run bigint, out total bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Holds a run that has not ended, until the end of the transaction.
create function sync.hold_run(of_run bigint) returns sync.bulk_runs
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

create function sync.confirm_run(of_run bigint, reason text, rate_per_second integer default 500) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Pauses a run (`paused`), lets it go on (`running`), or lets the worker take no more of its events (`cancelled`): then it ends when the
-- events that were given back are settled.
create function sync.steer_run(of_run bigint, to_state text, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- One batch of a run that the caller holds. First it settles the events that were given back, then it takes the next ones, as many as the
-- rate allows; at most two thousand wait for their outcome at a time. A run whose subscription is at a long step is left for a second, so
-- that it keeps no other run from its turn. A batch of a repair ends after a tenth of a second: so long may writers of its customers wait
-- for it.
create function sync.work_batch(r sync.bulk_runs, batch_max integer) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
      perform from sync.subscriptions s where s.name = r.subscription and cardinality(taken) > 0 for update;
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
end $$;
comment on function sync.work_batch is 'If the subscription is gone, so are its parked events: they count as gone.';

-- Does one batch of one run that is due, and returns the run, or null if none is due. Any number of workers may call it: each run is worked
-- by one at a time. A batch that ends in an error, or at the caller's time limit, is undone and leaves its run to be due a second later,
-- then two, four, up to ten minutes: otherwise that run would be the first one due for ever, and no other would have its turn.
create function sync.work_run(batch_max integer default 1000) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- Removes what has had its time, a bounded part at each call: attempts beyond the newest two million or older than ninety days, sets that
-- nobody confirmed within an hour, the events of runs that ended a month ago, causes of which nothing is parked for a week, records of
-- operations, and runs, that are older than sync.operations_kept().
create function sync.trim_operations(batch_max integer default 20000) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

grant execute on function sync.freeze_failures(text, text, jsonb), sync.confirm_run(bigint, text, integer),
  sync.steer_run(bigint, text, text) to sync_role, console_role;
grant execute on function sync.work_run(integer), sync.trim_operations(integer) to sync_role;
