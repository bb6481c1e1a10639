-- The log costs the same however many partitions it has. PostgreSQL opens every partition of a query whose bounds are not known before it
-- runs, so that `order by position desc limit 1` opened all of them for each batch that was numbered and for each that was read.

alter table sync.sequencer add column search_from bigint not null default 0;
comment on column sync.sequencer.search_from is
  'The newest position when partitions were last asked for: sync.head looks behind it first. A hint, which may be wrong.';
call platform.classify_columns('sync.sequencer', technical => 'search_from');

-- Returns the newest position that was ever given, even if the caller may not see its event. A definer function, because under row
-- security each caller would step over all of the other app's events to find it. If there is an event behind search_from, the newest one is
-- there as well. Otherwise, as in an empty log or in a part of a backup, it looks everywhere.
create or replace function sync.head() returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  removed bigint;
  known bigint;
  newest bigint;
begin
  select s.head, s.search_from into removed, known from sync.sequencer s;
  select e.position into newest from sync.events e where e.position >= known order by e.position desc limit 1;
  if not found then select e.position into newest from sync.events e order by e.position desc limit 1; end if;
  return greatest(newest, removed);
end $$;

-- Returns the oldest position that the log still has; null if it is empty. Retention removes events from the beginning on and writes down
-- how far: what is right behind that is the oldest one.
create function sync.oldest() returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  removed constant bigint := (select s.head from sync.sequencer s);
  oldest bigint;
begin
  select e.position into oldest from sync.events e where e.position = removed + 1;
  if not found then select e.position into oldest from sync.events e order by e.position limit 1; end if;
  return oldest;
end $$;
grant execute on function sync.oldest() to sync_role, console_role;

-- As before, but it looks for the oldest event only if there is none at the position.
create or replace function sync.has_place(at_position bigint, event_id bigint) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  is_same constant boolean := (select e.id = event_id from sync.events e where e.position = at_position);
begin
  if is_same is not null then return is_same; end if;
  return at_position = coalesce(sync.oldest(), sync.head() + 1) - 1;
end $$;

-- As before, from the oldest event that the log knows of.
create or replace function sync.position_at(moment timestamptz) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  low bigint := sync.oldest();
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

-- As before. It also says where the newest event is to be looked for, and waits for nobody's lock: a hint that stays as it was costs some
-- microseconds.
create or replace function sync.add_partitions(size bigint default 1000000, out last_position bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  newest constant bigint := sync.head();
  partition name;
begin
  if size < 1 then raise exception 'a partition holds one position at least' using errcode = 'invalid_parameter_value'; end if;
  update sync.sequencer s set search_from = newest where s.only_one = (
    select o.only_one from sync.sequencer o where o.search_from <> newest for update skip locked);
  select max(p.last) into last_position from sync.list_partitions() p;
  if last_position >= newest + size then return; end if;
  -- As long as there is room, numbering does not wait for an analyze or a vacuum: the sequencer calls again.
  perform set_config('lock_timeout', '200ms', true);
  begin
    lock table sync.events in share update exclusive mode;
  exception when lock_not_available then
    if last_position > newest then return; end if;
    raise;
  end;
  select coalesce(max(p.last), newest - 1) into last_position from sync.list_partitions() p;
  while last_position < newest + size loop
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

-- Others that look for the oldest event.
do $$
declare
  f record;
  changed text;
begin
  for f in
    select * from (values
      ('sync.check_retention()', $q$FROM sync.events e\s+ORDER BY e."position"\s+LIMIT 1\) AS oldest_seconds$q$,
        'FROM sync.events e WHERE e.position = sync.oldest()) AS oldest_seconds'),
      ('sync.check_subscriptions()', $q$\( SELECT e."position"\s+FROM sync.events e\s+ORDER BY e."position"\s+LIMIT 1\) AS oldest$q$,
        'sync.oldest() AS oldest'),
      ('sync.delete_old_events(interval, integer, text[])', 'from sync.events e order by e.position limit 1;',
        'from sync.events e where e.position = sync.oldest();')) c (name, before, after)
  loop
    changed := regexp_replace(pg_get_functiondef(f.name::regprocedure), f.before, f.after);
    if changed = pg_get_functiondef(f.name::regprocedure) then
      raise exception '% is not as this migration expects', f.name;
    end if;
    execute changed;
  end loop;
end $$;

-- Numbers the events that have committed, in one statement: select * from sync.sequence(…). It takes the lock first. Every statement of a
-- volatile function has a snapshot of its own, so that the next one sees what was numbered by whoever had the lock before.
-- floor_id skips index entries of rows that are already deleted but that a long transaction (a dump) keeps from being removed. The caller
-- raises it as sync/worker/floor.ts says. With a term, it numbers only while that runs (otherwise moved is null), and extends the lease.
-- A batch of thousands of events is larger than the memory that the server gives to a sort.
create or replace function sync.sequence(
  batch_max integer, floor_id bigint, of_term bigint default null, lease_ms integer default 0, out moved integer, out head bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set work_mem = '64MB' as $$
declare
  s sync.sequencer;
begin
  select * into strict s from sync.sequencer for update;
  if of_term <> s.term then return; end if;
  -- As sync.head, of which this spares the first statement.
  select e.position into head from sync.events e where e.position >= s.search_from order by e.position desc limit 1;
  if not found then head := sync.head(); end if;
  with taken as (
    delete from sync.outbox o
    where o.id = any (array(select id from sync.outbox where id > floor_id order by id limit batch_max)) returning *)
  insert into sync.events (
    position, id, type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace, occurred_at)
  select sequence.head + row_number() over (order by id),
         id, type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace, occurred_at
  from taken;
  get diagnostics moved = row_count;
  head := head + moved;
  if moved > 0 then perform pg_notify('sync_events', head::text); end if;
  -- This comes last. However long the batch took, no other worker can have taken over, because that needs the lock as well.
  if of_term is not null then perform sync.extend_lease(lease_ms); end if;
end $$;

-- The next migration leaves the events of a customer's own row out of the index by customer: their key is the customer's id, and the index
-- of keys has them. What asks by customer asks both.

-- Lists the events whose customer is one of these, as it was when they were written.
create function sync.list_events_naming(customers uuid[]) returns setof bigint
language sql stable set search_path = pg_catalog, pg_temp
begin atomic
  select e.position from sync.events e where e.customer = any (customers) and e.key is distinct from e.customer::text
  union all
  select e.position from sync.events e where e.key = any (customers::text[]) and e.key = e.customer::text;
end;
grant execute on function sync.list_events_naming(uuid[]) to sync_role, console_role, merge_role;

create or replace function sync.list_events_of_customer(customer uuid) returns setof bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with merged as materialized (select sync.list_merged(list_events_of_customer.customer) as ids),
  named as materialized (
    select e.position, e.key, starts_with(e.type, e.app || '.') as is_own from sync.events e
    where e.customer = any ((select m.ids from merged m)::uuid[]) and e.key is distinct from e.customer::text
    union all
    select e.position, e.key, starts_with(e.type, e.app || '.') from sync.events e
    where e.key = any ((select m.ids from merged m)::text[]) and e.key = e.customer::text)
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

do $$
declare
  f record;
  changed text;
begin
  for f in
    select * from (values
      ('sync.customer_file(uuid, integer)', $q$WHERE \(v_1.customer = u.id\)$q$,
        'WHERE v_1.customer = u.id and v_1.key is distinct from v_1.customer::text'),
      ('sync.customer_file(uuid, integer)', $q$FROM sync.events e\s+ORDER BY e."position"\s+LIMIT 1$q$,
        'FROM sync.events e WHERE e.position = sync.oldest()'),
      ('platform.unmerge_one(platform.merges, uuid, jsonb)',
        $q$where e.customer = \$2 or e.customer in \(select c.id from platform.customers c where c.merged_into = \$2\)\)$q$,
        'where e.position in (select sync.list_events_naming(array('
          || 'select $2 union all select c.id from platform.customers c where c.merged_into = $2))))')) c (name, before, after)
  loop
    changed := regexp_replace(pg_get_functiondef(f.name::regprocedure), f.before, replace(f.after, '\', '\\'));
    if changed = pg_get_functiondef(f.name::regprocedure) then
      raise exception '% is not as this migration expects', f.name;
    end if;
    execute changed;
  end loop;
end $$;
