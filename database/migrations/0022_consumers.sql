-- Apps that read from Service Bus, as Sync Health shows them: what waits there for a person, what a person ordered, and what came of
-- events. The worker that relays writes all of it: it reads the bus, which neither the console nor this database does. A consumer that
-- reports nothing has only what the broker says of it.

create table sync.consumers (
  name text collate "C" primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$'),
  letters jsonb not null default '[]' check (jsonb_typeof(letters) = 'array' and octet_length(letters::text) <= 131072),
  parked jsonb not null default '[]' check (jsonb_typeof(parked) = 'array' and octet_length(parked::text) <= 131072),
  is_paused boolean not null default false,
  reported_at timestamptz,
  seen_at timestamptz not null default clock_timestamp()
);
comment on column sync.consumers.is_paused is 'As its processes report: the checks do not tell it while events wait for a person.';
comment on table sync.consumers is 'Ids, types, states and classes of errors only: no data of events and no text of errors.';
comment on column sync.consumers.letters is 'Dead letters of its subscription, the oldest hundred.';
comment on column sync.consumers.parked is 'Events that wait in its own database, the first twenty, as its processes report them.';
call platform.protect_table('sync.consumers');
create policy looks_read on sync.consumers for select to sync_role, console_role using (true);
create policy worker_writes on sync.consumers for all to sync_role using (true) with check (true);
grant select on sync.consumers to sync_role, console_role;
grant insert (name, letters, parked, is_paused, reported_at, seen_at), update (letters, parked, is_paused, reported_at, seen_at), delete
  on sync.consumers to sync_role;

create table sync.consumer_orders (
  id bigint generated always as identity primary key,
  consumer text collate "C" not null references sync.consumers on delete cascade,
  act text collate "C" not null check (act in ('resubmit', 'retry', 'skip', 'pause', 'resume')),
  -- resubmit: numbers of dead letters; retry, skip: the session; skip: the event that is given up.
  scope jsonb not null default '{}' check (jsonb_typeof(scope) = 'object' and octet_length(scope::text) <= 8192),
  state text collate "C" not null default 'waiting' check (state in ('waiting', 'sent', 'done', 'failed', 'unanswered')),
  outcome jsonb check (octet_length(outcome::text) <= 8192),
  reason text,
  actor text collate "C",
  ordered_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  ended_at timestamptz,
  check ((ended_at is not null) = (state in ('done', 'failed', 'unanswered')))
);
create index on sync.consumer_orders (id) where state in ('waiting', 'sent');
create index consumer_orders_of on sync.consumer_orders (consumer, id desc);
call platform.protect_table('sync.consumer_orders');
create policy looks_read on sync.consumer_orders for select to sync_role, console_role using (true);
create policy worker_changes on sync.consumer_orders for update to sync_role using (true) with check (true);
grant select on sync.consumer_orders to sync_role, console_role;
grant update (state, outcome, sent_at, ended_at) on sync.consumer_orders to sync_role;

-- What a consumer made of an event: its last word. Kept for a week.
create table sync.consumer_effects (
  event bigint not null,
  consumer text collate "C" not null,
  state text collate "C" not null check (state in ('handled', 'retrying', 'waiting', 'dead')),
  attempt integer not null,
  -- From the change to the commit in the consumer's database, by both clocks.
  lag_ms double precision not null,
  at timestamptz not null,
  primary key (event, consumer)
);
create index consumer_effects_at on sync.consumer_effects (at);
call platform.protect_table('sync.consumer_effects');
create policy looks_read on sync.consumer_effects for select to sync_role, console_role using (true);
create policy worker_writes on sync.consumer_effects for all to sync_role using (true) with check (true);
grant select on sync.consumer_effects to sync_role, console_role;
grant insert (event, consumer, state, attempt, lag_ms, at), update (state, attempt, lag_ms, at), delete
  on sync.consumer_effects to sync_role;

-- Orders something of a consumer: the worker that relays does it or passes it on, and writes down what came of it. Events that are
-- parked are in the consumer's own database, so that one of its processes must be there to do it. Returns { order, operation }.
create function sync.order_of_consumer(of_consumer text, act text, scope jsonb, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;
grant execute on function sync.order_of_consumer(text, text, jsonb, text) to sync_role, console_role;

-- The customer that goes on. For logins that may not read customers, such as the worker's: see findBehind of platform/log/parked.ts.
create function sync.survivor_of(customer uuid) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
return coalesce((select c.merged_into from platform.customers c where c.id = survivor_of.customer), survivor_of.customer);
grant execute on function sync.survivor_of(uuid) to app_role, sync_role;
