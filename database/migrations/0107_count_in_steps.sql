-- The rollup counts the events of a minute while it is under way, some 50,000 at a time. It counted them in one statement after the minute:
-- a million took five to eight seconds, which is more than a statement of the monitor may take, so that from some 8,000 events a second on
-- the charts had a gap and Sync Health knew nothing meanwhile.

-- What has been counted for minutes that are not in the rollup yet.
create table sync.counted_events (
  minute timestamptz,
  name text collate "C",
  label text collate "C",
  number bigint not null check (number > 0),
  primary key (minute, name, label)
) with (
  -- A few rows that change all the time and go every minute.
  fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false
);
call platform.protect_table('sync.counted_events');
call platform.classify('sync.counted_events', null, 'keep', 'The house''s own: no row is a person''s.',
  technical => 'minute name label number');

alter table sync.health add column counted_from timestamptz not null default '-infinity';
call platform.classify('sync.health', null, 'keep', 'The house''s own: no row is a person''s.', technical => 'counted_from');
comment on column sync.health.counted_from is
  'Minutes that began before have no number of events in the rollup: more had come than are counted afterwards.';
comment on column sync.health.rolled_at is 'The end of the last minute in the rollup.';
comment on column sync.health.rolled_position is 'The last position whose event is counted.';

-- Counts the events behind one position up to another one. An event belongs to the minute in which it was numbered, and to the one from
-- `first_minute` if that is in the rollup already: its transaction ended late.
create function sync.count_events(after_position bigint, until_position bigint, first_minute timestamptz) returns void
language sql set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
  insert into sync.counted_events as c (minute, name, label, number)
  select f.minute, f.name, f.label, count(*)
  from (
    select greatest(date_trunc('minute', e.sequenced_at), first_minute) as minute,
      case e.type when 'customer.created' then 'customers_created' else 'activities_logged' end as name,
      case e.type when 'customer.created' then e.app else concat_ws(' ', e.app, left(e.data ->> 'type', 40)) end as label
    from sync.events e
    where e.position > after_position and e.position <= until_position and e.type in ('customer.created', 'activity.created')) f
  group by f.minute, f.name, f.label
  on conflict (minute, name, label) do update set number = c.number + excluded.number
$$;

-- What has been counted of one minute, as values of the rollup. What is known and did not come is 0.
create function sync.counts_of(of_minute timestamptz) returns sync.gauge_row[]
language sql stable set search_path = pg_catalog, pg_temp
return array(
  select row(n.name, n.label, coalesce(c.number, 0))::sync.gauge_row
  from (select s.name, s.label from sync.series s where s.name in ('customers_created', 'activities_logged')
        union select 'customers_created', a.name from platform.apps a
        union select o.name, o.label from sync.counted_events o) n
    left join sync.counted_events c on c.minute = of_minute and c.name = n.name and c.label = n.label);

-- Counts the next events, and writes a minute that has ended into the rollup as soon as all of it are counted, and removes what is old. Any
-- number of workers may call it as often as they like. Returns whether it wrote a minute; null: ask again, because there is more to
-- count, or another caller is at work.
create or replace function sync.roll_up() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  this_minute constant timestamptz := date_trunc('minute', clock_timestamp());
  last_minute constant timestamptz := this_minute - interval '1 minute';
  -- A step takes some 0.2 s. What lies further behind than the second number is not counted.
  step_positions constant bigint := 50000;
  positions_max constant bigint := 2000000;
  newest constant bigint := sync.head();
  h sync.health;
  counted bigint;
  measured sync.gauge_row[] := '{}';
  given sync.gauge_row[];
  source text;
  gap_minute timestamptz;
begin
  if exists (select from sync.health o where o.rolled_at >= this_minute and o.rolled_position = newest) then return false; end if;
  -- Nothing here waits: for a lock of the log, for another worker, or for the disk.
  perform set_config('lock_timeout', '500ms', true), set_config('synchronous_commit', 'off', true);
  begin
    select * into strict h from sync.health for update;
  exception when lock_not_available then return null;
  end;

  -- After a crash of the database the log may have lost its newest positions.
  counted := least(h.rolled_position, newest);
  if newest - counted > positions_max then
    -- Nobody counted while so many came.
    delete from sync.counted_events;
    counted := newest;
    h.counted_from := this_minute + interval '1 minute';
  elsif newest > counted then
    counted := least(counted + step_positions, newest);
    perform sync.count_events(least(h.rolled_position, newest), counted, h.rolled_at);
  end if;
  update sync.health o set rolled_position = counted, counted_from = h.counted_from where o.rolled_position <> counted;
  if (select e.sequenced_at from sync.events e where e.position > counted order by e.position limit 1) < this_minute then
    return null;
  end if;
  if h.rolled_at >= this_minute then return case when counted = newest then false end; end if;

  begin
    select sum(p.bytes), count(*), max(p.bytes) into h.log_bytes, h.log_partitions, h.log_largest_bytes
    from (select pg_total_relation_size(i.inhrelid) as bytes from pg_inherits i where i.inhparent = 'sync.events'::regclass) p;
    h.log_measured_at := clock_timestamp();
  exception when lock_not_available then null;
  end;
  if h.rolled_at is not null then
    for gap_minute in
      select distinct c.minute from sync.counted_events c
      where c.minute < last_minute and c.minute >= greatest(h.counted_from, this_minute - interval '2 days') order by 1
    loop
      perform sync.write_minute(gap_minute, sync.counts_of(gap_minute));
      perform sync.fold_rollup(900, date_bin('15 minutes', gap_minute, 'epoch')),
        sync.fold_rollup(3600, date_bin('1 hour', gap_minute, 'epoch'));
    end loop;
    if last_minute >= h.counted_from then measured := sync.counts_of(last_minute); end if;
  end if;
  delete from sync.counted_events c where c.minute < this_minute;

  -- What the processes have counted since the last minute. After a gap nobody knows in which minute it was: it is left out.
  if h.rolled_at = last_minute then
    measured := measured || array(
      select row(c.name, c.label, sum(c.value))::sync.gauge_row from (
        select case when m.name like 'cross\_app\_%' then 'cross_app_queries' else m.name end as name,
          case when m.name like 'cross\_app\_%' then substr(m.name, 11) else b.app end as label,
          case when n.value >= n.before then n.value - n.before else n.value end as value
        from sync.heartbeats b cross join lateral sync.members_in(b.report, '{counters}') m
          cross join lateral (
            select sync.number_in(m.value, '{}') as value, coalesce(sync.number_in(b.counted, array[m.name]), 0) as before) n
        where m.name ~ '^(cache_hits|cache_misses|queries_([1-9]|1[0-7])|cross_app_(lookup|context|timeline))$' and n.value >= 0) c
      group by c.name, c.label);
  end if;
  update sync.heartbeats b set counted = b.report -> 'counters'
  where b.report ? 'counters' and b.counted is distinct from b.report -> 'counters';

  update sync.health o set rolled_at = this_minute, log_bytes = h.log_bytes, log_partitions = h.log_partitions,
    log_largest_bytes = h.log_largest_bytes, log_measured_at = h.log_measured_at;
  for source in select s.function_name from sync.health_sources s where s.gives = 'gauges' order by 1 loop
    begin
      execute format('select array_agg(g::sync.gauge_row) from %s() g', source) into given;
      measured := measured || given;
    exception when others then null; -- the other series go on, and these have a gap
    end;
  end loop;
  if h.rolled_at is not null then
    perform sync.write_minute(last_minute, measured);
    perform sync.fold_rollup(900, date_bin('15 minutes', last_minute, 'epoch')),
      sync.fold_rollup(3600, date_bin('1 hour', last_minute, 'epoch'));
  end if;
  delete from sync.rollup r where r.step_seconds = 60 and r.at < this_minute - interval '2 days';
  delete from sync.rollup r where r.step_seconds = 900 and r.at < this_minute - interval '10 days';
  delete from sync.rollup r where r.step_seconds = 3600 and r.at < this_minute - interval '400 days';
  return true;
end $$;
