-- Heartbeats, checks, and the rollup behind the charts of Sync Health.

-- The observer sees aggregates: the states of the checks, and the rollup.
grant usage on schema sync to observer_role;

-- Where a check warns. An operator may change the values; see sync.set_health_limit.
create table sync.health_limits (
  name text collate "C" primary key,
  value double precision not null check (value > 0 and value < 1e15),
  meaning text not null
);
call platform.protect_table('sync.health_limits');
create policy looks_read on sync.health_limits for select to sync_role, console_role using (true);
grant select on sync.health_limits to sync_role, console_role;
insert into sync.health_limits (name, value, meaning) values
  ('adoption_seconds', 60, 'A customer that a chat made has had no number of Foundation for so long.'),
  ('clock_seconds', 2, 'The clock of a process and that of the database are so far apart.'),
  ('certificate_days', 21, 'The certificate of the database ends in so many days.'),
  ('connections_percent', 80, 'So much of the connections of the server is in use.'),
  ('lag_seconds', 30, 'The oldest event that a subscription has not read waits for so long.'),
  ('log_bytes', 53687091200, 'The log has so many bytes on the disk.'),
  ('operations_keep_days', 730, 'Records of operations are kept for so many days, and for at least 90.'),
  ('sign_in_keys_seconds', 3600, 'The keys of the identity provider were last read so long ago.'),
  ('silent_seconds', 7, 'A process has not reported for so long.'),
  ('transaction_seconds', 300, 'A transaction has been open for so long.'),
  ('worsens_seconds', 3, 'A worse or another bad state must have been seen for so long before it counts, unless a fact proves it.'),
  ('waiting_seconds', 5, 'A committed event has waited for its number for so long.'),
  ('wraparound_transactions', 500000000, 'The oldest transaction id that is not frozen is so old.');

create function sync.health_limit(of_name text) returns double precision
language sql stable
return (select l.value from sync.health_limits l where l.name = of_name);

-- Words and numbers of checks.

create function sync.say_seconds(seconds double precision) returns text
language sql immutable
return case
  when seconds < 100 then round(greatest(seconds, 0))::text || ' s'
  when seconds < 6000 then round(seconds / 60)::text || ' min'
  when seconds < 172800 then round(seconds / 3600)::text || ' h'
  else round(seconds / 86400)::text || ' days' end;

-- A count that was capped is written with a plus.
create function sync.say_count(number bigint, capped_at bigint default 10000) returns text
language sql immutable
return case when number > capped_at then to_char(capped_at, 'FM999,999,999') || '+' else to_char(number, 'FM999,999,999,999') end;

-- Reads of reports. A process writes its report itself, so that a member may be of any form: one of another form than expected is null. A
-- number is rounded to nine places, because the rollup cannot hold one that is nearly nothing.
create function sync.number_in(report jsonb, path text[]) returns double precision
language sql immutable
return case when jsonb_typeof(report #> path) = 'number' and (report #>> path)::numeric between -1e15 and 1e15
  then round((report #>> path)::numeric, 9)::double precision end;

create function sync.word_in(report jsonb, path text[]) returns text
language sql immutable
return case when jsonb_typeof(report #> path) = 'string'
  then substring(report #>> path from '^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,79}$') end;

create function sync.members_in(report jsonb, path text[], out name text, out value jsonb) returns setof record
language sql immutable
begin atomic
  select m.key, m.value
  from jsonb_each(case when jsonb_typeof(report #> path) = 'object' then report #> path else '{}' end) m;
end;

-- Heartbeats. Each process writes one row, every two seconds, with one statement for all that runs in it. What a process says about itself
-- is in `report`. Every age is counted at reading, by the clock of the database, from what the database wrote down at the beat.
create table sync.heartbeats (
  app text collate "C" not null,
  process text collate "C" not null,
  login name not null,
  started_at timestamptz not null default clock_timestamp(),
  beat_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  clock_off_ms double precision not null,
  clock_last_ms double precision not null,
  report jsonb not null,
  turns jsonb not null,
  counted jsonb not null default '{}',
  primary key (app, process)
) with (
  -- A few rows that change all the time, none of them in an indexed column: each page has room for the next version.
  fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false
);
comment on column sync.heartbeats.app is 'The app of the login that wrote the row: no app can speak for another.';
comment on column sync.heartbeats.ended_at is
  'When the process said that it ends. A process that ends without a word stays here, and is silent.';
comment on column sync.heartbeats.clock_off_ms is
  'The clock of the process less that of the database. A beat that is late looks like a clock that is slow, so that the later of the last '
  'two beats counts.';
comment on column sync.heartbeats.turns is
  'For each part of the process: how many turns it has made, and when the database first heard of that number (seconds since 1970).';
comment on column sync.heartbeats.counted is 'The counters of the report that are in the rollup already.';
call platform.protect_table('sync.heartbeats');
create policy looks_read on sync.heartbeats for select to sync_role, console_role using (true);
grant select on sync.heartbeats to sync_role, console_role;
-- Insert, update and delete are absent: sync.beat writes the row of the caller's own app.

-- Writes the heartbeat of a process. clock_ms: its clock, in milliseconds since 1970. With `ends` it is the last one.
create function sync.beat(of_process text, clock_ms double precision, of_report jsonb, ends boolean default false) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  speaker constant text := platform.current_app();
  beat_time constant timestamptz := clock_timestamp();
  now_seconds constant double precision := round(extract(epoch from beat_time), 3);
  off_ms constant double precision := clock_ms - extract(epoch from beat_time)::double precision * 1000;
begin
  if speaker in ('operator', 'privacy') then
    raise exception 'only an app and the worker have heartbeats' using errcode = 'insufficient_privilege';
  end if;
  if of_process is null or of_process !~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,79}$' or jsonb_typeof(of_report) is distinct from 'object'
     or octet_length(of_report::text) > 16384 or not coalesce(abs(off_ms) < 1e15, false) then
    raise exception 'a heartbeat has the name of a process, its clock and a report of at most 16 KB' using errcode = 'check_violation';
  end if;
  -- A beat that is lost in a crash of the database is repeated in two seconds.
  perform set_config('synchronous_commit', 'off', true);
  update sync.heartbeats h
  set beat_at = beat_time, ended_at = case when ends then beat_time end, clock_off_ms = greatest(off_ms, h.clock_last_ms),
    clock_last_ms = off_ms, report = of_report - 'turns',
    login = session_user,
    turns = coalesce((
      select jsonb_object_agg(t.name, case when h.turns #> array[t.name, '0'] = t.value then h.turns -> t.name
        else jsonb_build_array(t.value, now_seconds) end)
      from sync.members_in(of_report, '{turns}') t where jsonb_typeof(t.value) = 'number'), '{}')
  where h.app = speaker and h.process = of_process;
  if found then return; end if;
  -- No app may fill the table. What has ended or is silent makes room.
  if (select count(*) from sync.heartbeats h where h.app = speaker) >= 200 then
    delete from sync.heartbeats h
    where h.app = speaker and h.beat_at < clock_timestamp() - interval '10 seconds'
      and h.process = (select o.process from sync.heartbeats o where o.app = speaker order by o.beat_at limit 1);
    if not found then
      raise exception 'an app has at most 200 processes' using errcode = 'configuration_limit_exceeded';
    end if;
  end if;
  insert into sync.heartbeats as h (app, process, login, ended_at, clock_off_ms, clock_last_ms, report, turns)
  values (speaker, of_process, session_user, case when ends then clock_timestamp() end, off_ms, off_ms, of_report - 'turns', coalesce((
    select jsonb_object_agg(t.name, jsonb_build_array(t.value, now_seconds))
    from sync.members_in(of_report, '{turns}') t where jsonb_typeof(t.value) = 'number'), '{}'))
  on conflict do nothing;
end $$;
grant execute on function sync.beat(text, double precision, jsonb, boolean) to app_role, sync_role;

-- Lists the processes. state: live, silent (no beat for too long), or ended (it said so).
create function sync.list_processes(
  out app text, out process text, out state text, out silent_seconds double precision, out started_at timestamptz,
  out clock_off_ms double precision, out report jsonb, out turns jsonb) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select h.app, h.process,
    case when h.ended_at is not null then 'ended'
      when h.beat_at < clock_timestamp() - make_interval(secs => sync.health_limit('silent_seconds')) then 'silent'
      else 'live' end,
    extract(epoch from clock_timestamp() - h.beat_at)::double precision, h.started_at, h.clock_off_ms, h.report, h.turns
  from sync.heartbeats h;
end;
grant execute on function sync.list_processes() to sync_role, console_role;

-- How long ago a part of a process made its last turn; null if the process has none of it.
create function sync.idle_seconds(turns jsonb, part text) returns double precision
language sql volatile
return extract(epoch from clock_timestamp())::double precision - sync.number_in(turns, array[part, '1']);

-- The one row that everybody who evaluates locks, and what an evaluation remembers for the next one.
create table sync.health (
  only_one boolean primary key default true check (only_one),
  evaluated_at timestamptz not null default '-infinity',
  horizon xid,
  horizon_since timestamptz,
  head bigint not null default 0,
  head_since timestamptz not null default clock_timestamp(),
  rolled_at timestamptz,
  rolled_position bigint not null default 0,
  log_bytes bigint,
  log_partitions integer,
  log_largest_bytes bigint,
  log_measured_at timestamptz
) with (fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false);
comment on column sync.health.horizon is
  'The oldest transaction id that an open transaction of this database still needs, and since when it has been the oldest. '
  'It tells how long a transaction has been open without the right to look into the sessions of others.';
comment on column sync.health.head is 'The newest position at the last evaluation, and since when it has been the newest.';
comment on column sync.health.rolled_at is 'The end of the last minute in the rollup, and the last position that is counted in it.';
insert into sync.health default values;
call platform.protect_table('sync.health');
create policy looks_read on sync.health for select to sync_role, console_role using (true);
grant select on sync.health to sync_role, console_role;

-- What a check says. Every function of sync.health_sources that gives checks returns rows of this type.
create type sync.check_row as (slug text, kind text, status text, reason text, measures jsonb);
-- What a gauge says: a value of a series at this moment.
create type sync.gauge_row as (name text, label text, value double precision);

-- Who contributes. Another migration adds a row for a function of its own, which takes no argument. It runs every two seconds (checks) or
-- once a minute (gauges), so it reads from an index or from what was counted before.
create table sync.health_sources (
  function_name text collate "C" primary key check (function_name ~ '^sync\.[a-z][a-z0-9_]{1,59}$'),
  gives text not null check (gives in ('checks', 'gauges'))
);
call platform.protect_table('sync.health_sources');

-- The state of each check, as the last evaluation found it.
create table sync.check_states (
  slug text collate "C" primary key check (octet_length(slug) between 1 and 200),
  kind text collate "C" not null,
  status text collate "C" not null
    check (status in ('ok', 'paused', 'catching-up', 'warning', 'unknown', 'parked', 'stalled', 'silent', 'failing')),
  reason text not null,
  measures jsonb not null,
  since timestamptz not null default clock_timestamp(),
  worsens_since timestamptz,
  source text collate "C" not null
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false);
comment on table sync.check_states is
  'A change of `status` is a change of state, and is written once, whoever evaluates. A row that goes away is a subject that is gone.';
comment on column sync.check_states.worsens_since is
  'A worse or another bad status has been seen since then, which does not count yet: see sync.waits_to_worsen. Null: none.';
call platform.protect_table('sync.check_states');
create policy looks_read on sync.check_states for select to sync_role, console_role, observer_role using (true);
grant select on sync.check_states to sync_role, console_role, observer_role;

-- The checks. Each reads from an index or from the few rows of a small table: counts stop at ten thousand. They are volatile, because
-- PostgreSQL would put a stable function into the query that calls it and plan it again every time; so it keeps the plan.

-- The server: connections, and transaction ids that grow old.
create function sync.check_database() returns setof sync.check_row
language sql volatile
begin atomic
  select 'database', 'database',
    case when n.used >= n.usable * 0.95 or n.age > 1500000000 then 'failing'
      when n.used >= n.usable * sync.health_limit('connections_percent') / 100
        or n.age > sync.health_limit('wraparound_transactions') then 'warning'
      else 'ok' end,
    case when n.age > sync.health_limit('wraparound_transactions')
      then 'The oldest transaction id that is not frozen is ' || sync.say_count(n.age, 100000000000)
        || ' transactions old: vacuum does not get through. '
      else '' end
      || n.used || ' of ' || n.usable || ' connections are in use.',
    jsonb_build_object('connections_used', n.used, 'connections_max', n.usable, 'wraparound_transactions', n.age)
  from (
    select (select sum(s.numbackends)::bigint from pg_stat_database s) as used,
      current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
        - current_setting('reserved_connections')::bigint as usable,
      (select max(age(d.datfrozenxid))::bigint from pg_database d) as age) n;
end;

-- A long transaction: vacuum removes nothing that is newer than it, and its own events wait.
create function sync.check_transactions() returns setof sync.check_row
language sql volatile
begin atomic
  select 'transactions', 'transactions',
    case when n.seconds > sync.health_limit('transaction_seconds') then 'warning' else 'ok' end,
    case when n.seconds > sync.health_limit('transaction_seconds')
      then 'A transaction, a prepared transaction or a replication slot has been open for ' || sync.say_seconds(n.seconds)
        || ' or longer. Until it ends, deleted rows stay on the disk.'
      else 'No transaction is open for long.' end,
    jsonb_build_object('oldest_seconds', n.seconds)
  from (select coalesce(extract(epoch from clock_timestamp() - h.horizon_since), 0)::double precision as seconds from sync.health h) n;
end;

-- What is committed and not numbered yet, and whether a worker numbers it.
create function sync.check_sequencer() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select coalesce(extract(epoch from sync.outbox_age()), 0)::double precision as waiting_seconds,
      (select count(*) from (select from sync.outbox o where o.id > (select s.floor_id from sync.sequencer s) limit 10001) c) as waiting,
      sync.lease_left_ms() > 0 as is_led,
      (select s.leader from sync.sequencer s) as leader,
      extract(epoch from clock_timestamp() - h.head_since)::double precision as still_seconds,
      sync.health_limit('waiting_seconds') as limit_seconds
    from sync.health h),
  w as materialized (
    select count(*) filter (where p.state = 'live' and p.report ? 'sequencer') as live,
      min(p.silent_seconds) filter (where p.state = 'silent') as silent_seconds,
      min(p.silent_seconds) filter (where p.state = 'ended') as ended_seconds
    from sync.list_processes() p where p.app = 'sync')
  select 'sequencer', 'sequencer',
    case when n.is_led and n.waiting_seconds <= n.limit_seconds then 'ok'
      when n.is_led and n.still_seconds < n.limit_seconds then 'catching-up'
      when n.is_led or w.live > 0 then 'stalled'
      when w.silent_seconds is not null then 'silent'
      when w.ended_seconds is not null then 'stalled'
      else 'unknown' end,
    case when n.is_led and n.waiting_seconds <= n.limit_seconds then 'A worker numbers events.'
      when n.is_led and n.still_seconds < n.limit_seconds then 'Events are committed faster than they are numbered.'
      when n.is_led then 'A worker leads, but no event has been numbered for ' || sync.say_seconds(n.still_seconds) || '.'
      when w.live > 0 then 'No worker leads, although ' || w.live || ' report.'
      when w.silent_seconds is not null
        then 'No worker leads, and the last one has been silent for ' || sync.say_seconds(w.silent_seconds) || '.'
      when w.ended_seconds is not null then 'No worker runs: the last one was stopped ' || sync.say_seconds(w.ended_seconds) || ' ago.'
      else 'No worker leads, and none has reported.' end
      || case when n.waiting = 0 then '' else ' ' || sync.say_count(n.waiting) || ' events wait for their numbers, the oldest for '
        || sync.say_seconds(n.waiting_seconds) || '.' end,
    jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.waiting_seconds, 'workers', w.live)
  from n cross join w;
end;

-- The queue between the commit and the number.
create function sync.check_outbox() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select coalesce(extract(epoch from sync.outbox_age()), 0)::double precision as seconds,
      (select count(*) from (select from sync.outbox o where o.id > (select s.floor_id from sync.sequencer s) limit 10001) c) as waiting)
  select 'outbox', 'outbox',
    case when n.seconds > sync.health_limit('waiting_seconds') * 12 then 'stalled'
      when n.seconds > sync.health_limit('waiting_seconds') then 'catching-up' else 'ok' end,
    case when n.waiting = 0 then 'No committed event waits.'
      else sync.say_count(n.waiting) || ' committed events wait for their numbers, the oldest for ' || sync.say_seconds(n.seconds) || '.'
      end,
    jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.seconds)
  from n;
end;

-- Each subscription: does a process read it, does it move, does something wait for a person. Its position is how far it has looked, so that
-- the lag is what follows, whether or not it reads those types: the next look finds out.
create function sync.check_subscriptions() returns setof sync.check_row
language sql volatile
begin atomic
  with p as materialized (select * from sync.list_processes()),
  head as materialized (
    select sync.head() as position, (select e.position from sync.events e order by e.position limit 1) as oldest,
      sync.health_limit('lag_seconds') as lag_limit),
  readers as materialized (
    select m.name as subscription, p.app, p.state, p.silent_seconds, sync.idle_seconds(p.turns, 'subscription:' || m.name) as idle_seconds,
      coalesce(sync.number_in(m.value, '{failures}'), 0) as failures, sync.word_in(m.value, '{error}') as error
    from p cross join lateral sync.members_in(p.report, '{subscriptions}') m),
  found as (
    select s.name, s.is_paused, s.pause_reason,
      extract(epoch from clock_timestamp() - s.moved_at)::double precision as still_seconds,
      greatest(head.position - s.position, 0) as lag_events, head.lag_limit,
      -- Positions are dense: the next one is found by its key, whatever PostgreSQL knows of the log.
      coalesce(case when s.position < head.position then extract(epoch from clock_timestamp() - (
        select e.sequenced_at from sync.events e where e.position = greatest(s.position + 1, head.oldest))) end, 0)::double precision
        as lag_seconds,
      r.live, r.silent_seconds, r.idle_seconds, r.failures, r.error, k.parked, k.retrying, k.dead
    from sync.subscriptions s cross join head
      cross join lateral (
        select count(*) filter (where r.state = 'live') as live,
          min(r.silent_seconds) filter (where r.state = 'silent') as silent_seconds,
          min(r.idle_seconds) filter (where r.state = 'live') as idle_seconds,
          min(r.failures) filter (where r.state = 'live') as failures,
          max(r.error) filter (where r.state = 'live') as error
        from readers r where r.subscription = s.name and r.app = s.app) r
      cross join lateral (
        -- The order makes PostgreSQL read an index. Where one subscription has parked nearly all, it would otherwise read the whole table
        -- for those that have none.
        select (
            select count(*) from (select from sync.parked k where k.subscription = s.name order by k.position limit 10001) c) as parked,
          (
            select count(*)
            from (
              select from sync.parked k
              where k.subscription = s.name and k.state = 'retrying' order by k.attempt_at limit 10001) c) as retrying,
          (
            select count(*)
            from (
              select from sync.parked k
              where k.subscription = s.name and k.state = 'dead' order by k.position limit 10001) c) as dead) k),
  judged as (
    select f.*, case
      when f.is_paused then 'paused'
      when f.live = 0 and f.silent_seconds is not null then 'silent'
      when f.live = 0 and f.lag_seconds > f.lag_limit then 'stalled'
      when f.live = 0 then 'unknown'
      when f.failures >= 3 then 'failing'
      when f.dead > 0 then 'parked'
      when f.idle_seconds > 40 then 'stalled'
      when f.lag_seconds > f.lag_limit and f.still_seconds < 10 then 'catching-up'
      when f.lag_seconds > f.lag_limit then 'stalled'
      when f.parked > 0 then 'warning'
      else 'ok' end as status
    from found f)
  select 'subscription:' || j.name, 'subscription', j.status,
    case j.status
      when 'paused' then 'It is paused: ' || left(j.pause_reason, 200)
      when 'silent' then 'The process that read it has been silent for ' || sync.say_seconds(j.silent_seconds) || '.'
      when 'stalled' then case when j.live = 0 then 'No process reads it.'
        when j.idle_seconds > 40 then 'Its reader has been at one step for ' || sync.say_seconds(j.idle_seconds) || '.'
        else 'It has not moved for ' || sync.say_seconds(j.still_seconds) || '.' end
      when 'unknown' then 'No process reports that it reads it.'
      when 'failing' then 'Its last ' || j.failures || ' steps failed' || coalesce(' (' || j.error || ')', '') || '.'
      when 'parked' then sync.say_count(j.dead) || ' events are dead and wait for a person.'
      when 'catching-up' then 'It is behind and moves.'
      when 'warning' then sync.say_count(j.retrying) || ' events failed and are tried again.'
      else 'It reads on.' end
      || case when j.parked > j.dead + j.retrying
        then ' ' || sync.say_count(j.parked - j.dead - j.retrying) || ' events wait behind others.' else '' end
      || case when j.lag_seconds > 1 then ' It is ' || sync.say_seconds(j.lag_seconds) || ' and '
        || sync.say_count(j.lag_events, 100000000000) || ' events behind.' else '' end,
    jsonb_build_object('lag_events', j.lag_events, 'lag_seconds', j.lag_seconds, 'parked', j.parked, 'retrying', j.retrying,
      'dead', j.dead, 'readers', j.live)
  from judged j;
end;

-- Each app, and the worker: do its processes report.
create function sync.check_processes() returns setof sync.check_row
language sql volatile
begin atomic
  with p as materialized (select * from sync.list_processes()),
  apps as (
    select 'sync' as app, 'sync_role'::name as role union all select a.name, a.role from platform.apps a),
  found as (
    select a.app, count(*) filter (where p.state = 'live') as live, count(*) filter (where p.state = 'silent') as silent,
      min(p.silent_seconds) filter (where p.state = 'silent') as silent_seconds,
      min(p.silent_seconds) filter (where p.state = 'ended') as ended_seconds,
      (array_agg(p.process order by p.silent_seconds) filter (where p.state = 'silent'))[1:3] as names
    from apps a left join p on p.app = a.app
    -- An app whose login was taken away is no longer expected.
    where p.app is not null
      or exists (select from pg_auth_members m join pg_roles r on r.oid = m.member where m.roleid = a.role::regrole and r.rolcanlogin)
    group by a.app)
  select 'process:' || f.app, 'process',
    case when f.silent > 0 then 'silent' when f.live > 0 then 'ok' else 'unknown' end,
    case when f.silent > 0 then array_to_string(f.names, ', ')
        || case when f.silent > 3 then ' and ' || f.silent - 3 || ' others' else '' end
        || case f.silent when 1 then ' has' else ' have' end || ' been silent for ' || sync.say_seconds(f.silent_seconds)
        || case when f.live > 0 then '; ' || f.live || ' of its other processes report.' else ', and no other process of it reports.' end
      when f.live > 0 then f.live || case f.live when 1 then ' process reports.' else ' processes report.' end
      when f.ended_seconds is not null then 'No process runs: the last one was stopped ' || sync.say_seconds(f.ended_seconds) || ' ago.'
      else 'No process has reported.' end,
    jsonb_build_object('live', f.live, 'silent', f.silent)
  from found f;
end;

-- What the processes of each app say of themselves: feed, pool, cache, clock, certificate, sign-in keys. A process that is silent says
-- nothing: where none of an app reports, the answer is unknown.
create function sync.check_reports() returns setof sync.check_row
language sql volatile
begin atomic
  with p as materialized (select * from sync.list_processes()),
  live as materialized (select * from p where p.state = 'live'),
  apps as (select p.app, count(*) filter (where p.state = 'live') as live from p group by p.app),
  feeds as (
    select a.app, a.live, count(*) filter (where f.state = 'cut') as cut, count(*) filter (where f.state = 'late') as late,
      count(*) filter (where f.state = 'live') as good, min(l.process) filter (where f.state = 'cut') as process
    from apps a left join live l on l.app = a.app left join lateral (select sync.word_in(l.report, '{feed,state}')) f (state) on true
    where a.app <> 'sync' group by a.app, a.live),
  pools as (
    select a.app, a.live, sum(sync.number_in(l.report, '{pool,in_use}')) as in_use, sum(sync.number_in(l.report, '{pool,max}')) as at_most,
      sum(sync.number_in(l.report, '{pool,waiting}')) as waiting
    from apps a left join live l on l.app = a.app where a.app <> 'sync' group by a.app, a.live),
  caches as (
    select l.app, count(*) as processes, count(*) filter (where sync.word_in(l.report, '{cache,mode}') <> 'serving') as bypassed,
      max(sync.word_in(l.report, '{cache,reason}')) as reason, sum(sync.number_in(l.report, '{counters,cache_hits}')) as hits,
      sum(sync.number_in(l.report, '{counters,cache_misses}')) as misses
    from live l where l.report ? 'cache' group by l.app),
  clocks as (
    select a.app, a.live, (array_agg(l.process order by abs(l.clock_off_ms) desc))[1] as process,
      max(abs(l.clock_off_ms)) / 1000 as off_seconds
    from apps a left join live l on l.app = a.app group by a.app, a.live),
  certificates as (
    select l.app, bool_or(l.report #> '{tls}' = 'true') as is_used,
      min(sync.number_in(l.report, '{certificate_until}') - extract(epoch from clock_timestamp())::double precision) / 86400 as days
    from live l where l.report ? 'tls' group by l.app),
  sign_ins as (
    select l.app, count(*) as processes, count(*) filter (where sync.word_in(l.report, '{sign_in,state}') = 'unreachable') as unreachable,
      max(sync.word_in(l.report, '{sign_in,error}')) as error, max(sync.idle_seconds(l.turns, 'sign_in')) as age_seconds
    from live l where l.report ? 'sign_in' group by l.app)
  select 'feed:' || f.app, 'feed',
    case when f.live = 0 then 'unknown' when f.cut > 0 then 'failing' when f.late > 0 then 'catching-up' else 'ok' end,
    case when f.live = 0 then 'No process reports.'
      when f.cut > 0 then 'The live feed of ' || f.process || case when f.cut > 1 then ' and ' || f.cut - 1 || ' others' else '' end
        || ' is cut: screens and caches are not told of changes.'
      when f.late > 0 then 'Committed events reach screens and caches late.'
      when f.good > 0 then 'Screens and caches are told of changes at once.' else 'Nobody follows the live feed.' end,
    jsonb_build_object('processes', f.live, 'live', f.good, 'late', f.late, 'cut', f.cut)
  from feeds f
  union all
  select 'pool:' || o.app, 'pool',
    case when o.live = 0 or o.at_most is null then 'unknown' when o.waiting > 0 then 'warning' else 'ok' end,
    case when o.live = 0 or o.at_most is null then 'No process reports.'
      else o.in_use || ' of ' || o.at_most || ' connections are in use'
        || case when o.waiting > 0 then ', and ' || o.waiting || ' calls wait for one.' else '.' end end,
    jsonb_strip_nulls(jsonb_build_object('in_use', o.in_use, 'max', o.at_most, 'waiting', o.waiting))
  from pools o
  union all
  select 'cache:' || c.app, 'cache', case when c.bypassed > 0 then 'warning' else 'ok' end,
    case when c.bypassed > 0 then 'Lookups go past the cache of ' || c.bypassed || ' of ' || c.processes || ' processes'
        || coalesce(': ' || c.reason, '') || '.'
      when c.hits + c.misses > 0 then 'It has answered ' || round((100 * c.hits / (c.hits + c.misses))::numeric) || ' % of the lookups.'
      else 'Nothing has been looked up yet.' end,
    jsonb_strip_nulls(jsonb_build_object('hits', c.hits, 'misses', c.misses, 'bypassed', c.bypassed,
      'hit_percent', round((100 * c.hits / nullif(c.hits + c.misses, 0))::numeric, 1)))
  from caches c
  union all
  select 'clock:' || k.app, 'clock',
    case when k.live = 0 then 'unknown' when k.off_seconds > 30 then 'failing'
      when k.off_seconds > sync.health_limit('clock_seconds') then 'warning' else 'ok' end,
    case when k.live = 0 then 'No process reports.'
      when k.off_seconds > sync.health_limit('clock_seconds')
        then 'The clock of ' || k.process || ' and that of the database are ' || sync.say_seconds(k.off_seconds) || ' apart.'
      else 'The clocks agree with that of the database.' end,
    jsonb_strip_nulls(jsonb_build_object('off_seconds', round(k.off_seconds::numeric, 3)))
  from clocks k
  union all
  select 'certificate:' || c.app, 'certificate',
    case when not c.is_used then 'ok' when c.days is null then 'unknown' when c.days < 3 then 'failing'
      when c.days < sync.health_limit('certificate_days') then 'warning' else 'ok' end,
    case when not c.is_used then 'Its connections to the database use no TLS.'
      when c.days is null then 'The certificate of the database does not say when it ends.'
      when c.days < 0 then 'The certificate of the database has ended.'
      else 'The certificate of the database ends in ' || sync.say_seconds(c.days * 86400) || '.' end,
    jsonb_strip_nulls(jsonb_build_object('days_left', round(c.days::numeric, 1)))
  from certificates c
  union all
  select 'sign-in:' || s.app, 'sign-in',
    case when s.unreachable > 0 then 'failing' when s.age_seconds is null then 'unknown'
      when s.age_seconds > sync.health_limit('sign_in_keys_seconds') then 'warning' else 'ok' end,
    case when s.unreachable > 0 then 'The identity provider did not answer ' || s.unreachable || ' of ' || s.processes || ' processes'
        || coalesce(' (' || s.error || ')', '') || '.'
      when s.age_seconds is null then 'The keys of the identity provider have not been read yet.'
      else 'The keys of the identity provider were read ' || sync.say_seconds(s.age_seconds) || ' ago.' end,
    jsonb_strip_nulls(jsonb_build_object('keys_age_seconds', s.age_seconds, 'unreachable', s.unreachable))
  from sign_ins s;
end;

-- Old events, and which subscriptions hold them.
create function sync.check_retention() returns setof sync.check_row
language sql volatile
begin atomic
  with w as materialized (
    select count(*) as live, min(sync.idle_seconds(p.turns, 'retention')) as idle_seconds,
      max(sync.number_in(p.report, '{retention,keep_days}')) as keep_days,
      (array_agg(sync.word_in(p.report, '{retention,stays}') order by sync.idle_seconds(p.turns, 'retention')))[1] as stays,
      (array_agg(p.report #> '{retention,holders}' order by sync.idle_seconds(p.turns, 'retention')))[1] as holders
    from sync.list_processes() p where p.state = 'live' and p.report ? 'retention'),
  n as materialized (
    select w.*,
      (select extract(epoch from clock_timestamp() - e.sequenced_at)::double precision from sync.events e order by e.position limit 1)
        as oldest_seconds,
      (select string_agg(s.name, ', ') from sync.subscriptions s where jsonb_typeof(w.holders) = 'array' and w.holders ? s.name) as held_by
    from w)
  select 'retention', 'retention',
    case when n.live = 0 then 'unknown' when n.stays = 'held' then 'warning'
      when n.idle_seconds > 7800 or n.oldest_seconds > (n.keep_days + 1) * 86400 + 7800 then 'stalled'
      when n.idle_seconds is null then 'unknown' else 'ok' end,
    case when n.live = 0 then 'No worker reports that it removes old events.'
      when n.stays = 'held' then 'Old events are kept for ' || coalesce(n.held_by, 'a subscription') || ', which has not handled them.'
      when n.idle_seconds > 7800 then 'Nobody has looked for old events for ' || sync.say_seconds(n.idle_seconds) || '.'
      when n.oldest_seconds > (n.keep_days + 1) * 86400 + 7800
        then 'Events that are older than ' || n.keep_days || ' days and a day are still there.'
      when n.idle_seconds is null then 'The worker has not looked for old events yet.'
      else 'Events are kept for ' || n.keep_days || ' days.' end,
    jsonb_strip_nulls(jsonb_build_object('keep_days', n.keep_days, 'oldest_seconds', n.oldest_seconds, 'looked_seconds', n.idle_seconds))
  from n;
end;

-- Customers that a chat made wait for Foundation's number in this index, usually for milliseconds.
create index customers_not_adopted on platform.customers (created_at)
  where crm_id is null and created_by_app = 'support' and merged_into is null and erased_at is null;

create function sync.check_adoption() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select count(*) as waiting, coalesce(extract(epoch from clock_timestamp() - min(c.created_at)), 0)::double precision as seconds
    from (
      select c.created_at from platform.customers c
      where c.crm_id is null and c.created_by_app = 'support' and c.merged_into is null and c.erased_at is null
      order by c.created_at limit 10001) c)
  select 'adoption', 'adoption',
    case when n.seconds > sync.health_limit('adoption_seconds') * 10 then 'stalled'
      when n.seconds > sync.health_limit('adoption_seconds') then 'warning' else 'ok' end,
    case when n.waiting = 0 then 'Every customer that a chat made has its number in Foundation.'
      else sync.say_count(n.waiting) || ' customers that a chat made have no number in Foundation, the oldest for '
        || sync.say_seconds(n.seconds) || '.' end,
    jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.seconds)
  from n;
end;

-- The rollup: the numbers behind the charts. A row holds all series of one step of time, each at the place of its id: a year of it is a few
-- megabytes. A value that nobody measured is null, which is not 0.

create table sync.series (
  id smallint primary key check (id between 1 and 400),
  name text collate "C" not null check (name ~ '^[a-z][a-z0-9_]{0,59}$'),
  label text collate "C" not null check (octet_length(label) <= 120),
  fold text not null check (fold in ('sum', 'mean', 'max')),
  unique (name, label)
);
comment on column sync.series.fold is 'How minutes become a longer step.';
call platform.protect_table('sync.series');
create policy looks_read on sync.series for select to sync_role, console_role, observer_role using (true);
grant select on sync.series to sync_role, console_role, observer_role;

create table sync.rollup (
  step_seconds integer not null check (step_seconds in (60, 900, 3600)),
  at timestamptz not null,
  measured real[] not null,
  primary key (step_seconds, at)
);
comment on table sync.rollup is 'Minutes for two days, quarters of an hour for ten days, hours for 400 days.';
call platform.protect_table('sync.rollup');
create policy looks_read on sync.rollup for select to sync_role, console_role, observer_role using (true);
grant select on sync.rollup to sync_role, console_role, observer_role;

-- The disk of the log, as the rollup measured it within the last minute, and its growth since yesterday.
create function sync.check_disk() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select h.log_bytes as bytes, h.log_partitions as partitions, h.log_largest_bytes as largest, before.bytes as bytes_before,
      (h.log_bytes - before.bytes) * 86400 / extract(epoch from h.log_measured_at - before.at)::double precision as a_day,
      extract(epoch from clock_timestamp() - h.log_measured_at)::double precision as age_seconds, sync.health_limit('log_bytes') as at_most
    from sync.health h left join lateral (
      select r.at, r.measured[s.id]::double precision as bytes
      from sync.series s join sync.rollup r on r.step_seconds = 3600 and r.at between h.log_measured_at - interval '2 days'
        and h.log_measured_at - interval '6 hours' and r.measured[s.id] is not null
      where s.name = 'log_bytes' order by abs(extract(epoch from h.log_measured_at - r.at) - 86400) limit 1) before on true)
  select 'disk', 'disk',
    case when n.bytes is null or n.age_seconds > 300 then 'unknown' when n.bytes > n.at_most then 'failing'
      when n.bytes > n.at_most * 0.8 or n.bytes + n.a_day * 7 > n.at_most then 'warning' else 'ok' end,
    case when n.bytes is null then 'Nobody has measured the log yet.'
      when n.age_seconds > 300 then 'Nobody has measured the log for ' || sync.say_seconds(n.age_seconds) || '.'
      else 'The log has ' || pg_size_pretty(n.bytes) || ' of the ' || pg_size_pretty(n.at_most::bigint) || ' that it may have'
        || coalesce(', and changes by ' || pg_size_pretty(n.a_day::bigint) || ' a day', '') || '.' end,
    jsonb_strip_nulls(jsonb_build_object('bytes', n.bytes, 'bytes_max', n.at_most, 'bytes_a_day', round(n.a_day),
      'partitions', n.partitions, 'largest_partition_bytes', n.largest))
  from n;
end;

-- Whether somebody keeps the rollup.
create function sync.check_monitor() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select extract(epoch from clock_timestamp() - h.rolled_at)::double precision as seconds from sync.health h)
  select 'monitor', 'monitor', case when n.seconds is null then 'unknown' when n.seconds > 150 then 'silent' else 'ok' end,
    case when n.seconds is null then 'No worker has measured anything yet.'
      when n.seconds > 150 then 'No worker has measured anything for ' || sync.say_seconds(n.seconds) || ': the charts have a gap.'
      else 'A worker measures once a minute.' end,
    jsonb_strip_nulls(jsonb_build_object('rolled_seconds', n.seconds))
  from n;
end;

-- Writes the values of one minute, and gives a series that is new its place. Beyond 400 series a new one has none.
create function sync.write_minute(at_minute timestamptz, given sync.gauge_row[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into sync.series (id, name, label, fold)
  select known.last + row_number() over (order by n.name, n.label), n.name, n.label, sync.fold_of(n.name)
  from (
      select f.name, coalesce(f.label, '') as label from unnest(given) f
      where f.name ~ '^[a-z][a-z0-9_]{0,59}$' and octet_length(coalesce(f.label, '')) <= 120
      except select s.name, s.label from sync.series s) n
    cross join (select coalesce(max(s.id), 0) as last from sync.series s) known
  order by 1 limit (select 400 - coalesce(max(s.id), 0) from sync.series s);
  insert into sync.rollup (step_seconds, at, measured)
  select 60, at_minute, coalesce(array_agg(v.value::real order by s.id), '{}')
  from sync.series s left join (
    select f.name, coalesce(f.label, '') as label, sum(f.value) as value
    from unnest(given) f where abs(f.value) < 1e15 group by f.name, 2) v on v.name = s.name and v.label = s.label
  on conflict do nothing;
end $$;

-- Writes a longer step from its minutes, as many as there are.
create function sync.fold_rollup(step integer, from_time timestamptz) returns void
language sql volatile
begin atomic
  insert into sync.rollup (step_seconds, at, measured)
  select step, from_time, array_agg(case s.fold when 'sum' then v.total when 'max' then v.highest else v.mean end::real order by s.id)
  from sync.series s left join (
    select u.id, sum(u.value) as total, max(u.value) as highest, avg(u.value) as mean
    from sync.rollup r cross join lateral unnest(r.measured) with ordinality u (value, id)
    where r.step_seconds = 60 and r.at >= from_time and r.at < from_time + make_interval(secs => step) group by u.id) v on v.id = s.id
  on conflict (step_seconds, at) do update set measured = excluded.measured;
end;

create function sync.fold_of(series text) returns text
language sql immutable
return case
  when series in ('customers_created', 'activities_logged', 'cache_hits', 'cache_misses') or series like 'queries\_%' then 'sum'
  when series in ('lag_seconds', 'lag_events', 'oldest_waiting_seconds', 'pool_waiting') then 'max'
  else 'mean' end;

-- The gauges of the house itself: what the last evaluation found, and the pools.
create function sync.list_gauges() returns setof sync.gauge_row
language sql volatile
begin atomic
  with c as materialized (
    select c.slug, c.kind, c.measures from sync.check_states c cross join sync.health h
    where c.status <> 'unknown' and h.evaluated_at > clock_timestamp() - interval '10 seconds')
  select m.name, case c.kind when 'subscription' then substr(c.slug, 14) when 'pool' then substr(c.slug, 6) else '' end,
    sync.number_in(c.measures, array[m.measure])
  from c join (values ('subscription', 'lag_seconds', 'lag_seconds'), ('subscription', 'lag_events', 'lag_events'),
      ('sequencer', 'waiting_seconds', 'oldest_waiting_seconds'), ('pool', 'in_use', 'pool_in_use'), ('pool', 'max', 'pool_max'),
      ('pool', 'waiting', 'pool_waiting'), ('database', 'connections_used', 'connections_used'),
      ('adoption', 'waiting', 'customers_not_adopted')) m (kind, measure, name) on m.kind = c.kind
  union all
  select m.name, '', sum(sync.number_in(c.measures, array[m.name]))
  from c cross join (values ('parked'), ('dead')) m (name) where c.kind = 'subscription' group by m.name
  union all
  select 'log_bytes', '', h.log_bytes from sync.health h where h.log_measured_at > clock_timestamp() - interval '1 minute';
end;

-- Writes the minute that has just ended into the rollup, and removes what is old. Any number of workers may call it as often as they like:
-- the first one after the end of a minute does it. Returns whether it did; null: ask again, because another caller is at work.
create function sync.roll_up() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  minute constant timestamptz := date_trunc('minute', clock_timestamp());
  positions_max constant bigint := 2000000;
  h sync.health;
  last_position bigint;
  counts sync.gauge_row[] := '{}';
  measured sync.gauge_row[] := '{}';
  given sync.gauge_row[];
  source text;
  gap_minute timestamptz;
begin
  -- Nothing here waits: for a lock of the log, for another worker, or for the disk.
  perform set_config('lock_timeout', '500ms', true), set_config('synchronous_commit', 'off', true);
  begin
    select * into strict h from sync.health for update;
  exception when lock_not_available then return null;
  end;
  if h.rolled_at >= minute then return false; end if;

  begin
    select sum(p.bytes), count(*), max(p.bytes) into h.log_bytes, h.log_partitions, h.log_largest_bytes
    from (select pg_total_relation_size(i.inhrelid) as bytes from pg_inherits i where i.inhparent = 'sync.events'::regclass) p;
    h.log_measured_at := clock_timestamp();
  exception when lock_not_available then null;
  end;
  -- After a crash of the database the log may have lost its newest positions.
  h.rolled_position := least(h.rolled_position, sync.head());
  -- Counted when they were numbered. After a pause of all workers the minutes in between get their counts, too.
  select e.position into last_position from sync.events e
  where e.position > h.rolled_position and e.sequenced_at < minute order by e.position desc limit 1;
  if h.rolled_at is not null and coalesce(last_position - h.rolled_position, 0) <= positions_max then
    for gap_minute, counts in
      with found as materialized (
        select date_trunc('minute', e.sequenced_at) as minute,
          case e.type when 'customer.created' then 'customers_created' else 'activities_logged' end as name,
          case e.type when 'customer.created' then e.app else e.app || ' ' || left(e.data ->> 'type', 40) end as label
        from sync.events e
        where e.position > h.rolled_position and e.position <= last_position and e.type in ('customer.created', 'activity.created'))
      select m.minute, array(
        select row(n.name, n.label, count(f.name))::sync.gauge_row
        from (select s.name, s.label from sync.series s where s.name in ('customers_created', 'activities_logged')
              union select 'customers_created', a.name from platform.apps a union select f.name, f.label from found f) n
          left join found f on f.minute = m.minute and f.name = n.name and f.label = n.label
        group by n.name, n.label)
      from (select f.minute from found f union select minute - interval '1 minute') m order by m.minute
    loop
      if gap_minute < minute - interval '1 minute' and gap_minute >= minute - interval '2 days' then
        perform sync.write_minute(gap_minute, counts);
        perform sync.fold_rollup(900, date_bin('15 minutes', gap_minute, 'epoch')),
          sync.fold_rollup(3600, date_bin('1 hour', gap_minute, 'epoch'));
      end if;
    end loop;
    measured := counts;
  end if;

  -- What the processes have counted since the last minute. After a gap nobody knows in which minute it was: it is left out.
  if h.rolled_at = minute - interval '1 minute' then
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

  update sync.health o set rolled_at = minute, rolled_position = coalesce(last_position, h.rolled_position), log_bytes = h.log_bytes,
    log_partitions = h.log_partitions, log_largest_bytes = h.log_largest_bytes, log_measured_at = h.log_measured_at;
  for source in select s.function_name from sync.health_sources s where s.gives = 'gauges' order by 1 loop
    begin
      execute format('select array_agg(g::sync.gauge_row) from %s() g', source) into given;
      measured := measured || given;
    exception when others then null; -- the other series go on, and these have a gap
    end;
  end loop;
  if h.rolled_at is not null then
    perform sync.write_minute(minute - interval '1 minute', measured);
    perform sync.fold_rollup(900, date_bin('15 minutes', minute - interval '1 minute', 'epoch')),
      sync.fold_rollup(3600, date_bin('1 hour', minute - interval '1 minute', 'epoch'));
  end if;
  delete from sync.rollup r where r.step_seconds = 60 and r.at < minute - interval '2 days';
  delete from sync.rollup r where r.step_seconds = 900 and r.at < minute - interval '10 days';
  delete from sync.rollup r where r.step_seconds = 3600 and r.at < minute - interval '400 days';
  return true;
end $$;
grant execute on function sync.roll_up() to sync_role;

-- The bus as the relay sees it, and each consumer as the broker counts it and as it reports itself. The relay's own lag is the check of its
-- subscription, subscription:sync.servicebus. Without a relay there are no such checks.
create function sync.check_bus() returns setof sync.check_row
language sql volatile
begin atomic
  with relays as materialized (
    -- The process that relays events. A worker that stands by does not report about the bus.
    select p.process, p.state, p.silent_seconds, p.report -> 'bus' as bus
    from sync.list_processes() p
    where p.app = 'sync' and p.report ? 'bus' and p.state <> 'ended'
    order by p.state = 'live' desc, p.silent_seconds limit 1),
  relay as (
    select r.state, r.silent_seconds, sync.word_in(r.bus, '{state}') as condition, sync.word_in(r.bus, '{error}') as error,
      coalesce(sync.number_in(r.bus, '{sent}'), 0) as sent, coalesce(sync.number_in(r.bus, '{in_flight}'), 0) as in_flight,
      coalesce(sync.number_in(r.bus, '{throttled}'), 0) as throttled
    from relays r),
  consumers as (
    select m.name, r.state as relay_state, sync.number_in(m.value, '{waiting}') as waiting,
      sync.number_in(m.value, '{dead_letters}') as letters,
      sync.number_in(m.value, '{oldest_seconds}') as oldest_seconds, coalesce(sync.number_in(m.value, '{processes}'), 0) as processes,
      sync.number_in(m.value, '{silent_seconds}') as silent_seconds, coalesce(sync.number_in(m.value, '{parked}'), 0) as parked,
      coalesce(sync.number_in(m.value, '{dead}'), 0) as dead, sync.number_in(m.value, '{lag_seconds}') as lag_seconds,
      m.value #> '{paused}' = 'true' as is_paused, sync.word_in(m.value, '{error}') as error, sync.health_limit('lag_seconds') as lag_limit
    from relays r cross join lateral sync.members_in(r.bus, '{consumers}') m),
  judged as (
    select c.*, case
      when c.relay_state <> 'live' then 'unknown'
      when c.letters > 0 then 'parked'
      when c.dead > 0 then 'parked'
      when c.is_paused then 'paused'
      when c.error is not null then 'failing'
      when c.oldest_seconds > c.lag_limit and c.processes = 0 and c.silent_seconds is not null then 'silent'
      when c.oldest_seconds > c.lag_limit and c.processes > 0 then 'catching-up'
      when c.oldest_seconds > c.lag_limit then 'stalled'
      when c.parked > 0 then 'warning'
      when c.processes = 0 and c.silent_seconds is not null then 'silent'
      when c.waiting is null and c.processes = 0 then 'unknown'
      else 'ok' end as status
    from consumers c)
  select 'bus', 'bus',
    case when r.state <> 'live' then 'silent' when r.condition in ('sending', 'idle') then 'ok'
      when r.condition = 'throttled' then 'warning'
      when r.condition = 'starting' then 'unknown' else 'failing' end,
    case when r.state <> 'live'
        then 'The worker that relays events to the bus has been silent for ' || sync.say_seconds(r.silent_seconds) || '.'
      when r.condition in ('sending', 'idle') then 'Service Bus takes the events.'
      when r.condition = 'throttled' then 'Service Bus throttles the namespace: it is over the limit of its tier.'
      when r.condition = 'starting' then 'The relay starts.'
      else 'Service Bus does not take the events (' || coalesce(r.condition, 'unknown') || coalesce(': ' || r.error, '') || ').' end,
    jsonb_build_object('sent', r.sent, 'in_flight', r.in_flight, 'throttled', r.throttled)
  from relay r
  union all
  select 'consumer:' || j.name, 'consumer', j.status,
    case j.status
      when 'unknown' then case when j.relay_state <> 'live' then 'The worker that watches the bus is silent.'
        else 'Nothing counts its messages, and no process of it reports.' end
      when 'parked' then case when j.letters > 0
          then sync.say_count(j.letters::bigint) || ' messages are dead letters: it could not read them.'
        else sync.say_count(j.dead::bigint) || ' events are dead in its own database and wait for a person.' end
      when 'paused' then 'It is paused.'
      when 'failing' then 'It reports a failure (' || j.error || ').'
      when 'silent' then 'Its process has been silent for ' || sync.say_seconds(j.silent_seconds) || '.'
      when 'catching-up' then 'It is behind and works.'
      when 'stalled' then 'It is behind, and no process of it reports.'
      when 'warning' then sync.say_count(j.parked::bigint) || ' events wait in its own database: one of their customer failed.'
      else 'It reads on.' end
      || case when j.waiting > 0 then ' ' || sync.say_count(j.waiting::bigint, 100000000000) || ' messages wait'
        || coalesce(', the oldest for ' || sync.say_seconds(j.oldest_seconds), '') || '.' else '' end,
    jsonb_strip_nulls(jsonb_build_object('waiting', j.waiting, 'oldest_seconds', j.oldest_seconds, 'dead_letters', j.letters,
      'parked', j.parked, 'dead', j.dead, 'processes', j.processes, 'lag_seconds', j.lag_seconds))
  from judged j;
end;

insert into sync.health_sources (function_name, gives) values
  ('sync.check_adoption', 'checks'), ('sync.check_bus', 'checks'), ('sync.check_database', 'checks'), ('sync.check_disk', 'checks'),
  ('sync.check_monitor', 'checks'),
  ('sync.check_outbox', 'checks'), ('sync.check_processes', 'checks'), ('sync.check_reports', 'checks'),
  ('sync.check_retention', 'checks'), ('sync.check_sequencer', 'checks'), ('sync.check_subscriptions', 'checks'),
  ('sync.check_transactions', 'checks'), ('sync.list_gauges', 'gauges');

-- Whether a status waits until it has been seen again: one look under load must not turn a check for two seconds. So does a step from one
-- trouble to another, as a worker that was silent and reports already, but does not lead yet: a recovery must not be two alarms. That a
-- process is silent, that a person has paused something, that events are dead and that nothing is known are facts, which count at once.
create function sync.waits_to_worsen(before text, now_found text, worsens_since timestamptz) returns boolean
language sql volatile
return now_found in ('catching-up', 'warning', 'stalled', 'failing') and now_found <> before
  and (worsens_since is null
    or worsens_since > clock_timestamp() - make_interval(secs => sync.health_limit('worsens_seconds')));

-- Makes every check, writes down what has changed, and returns all of them. The workers and the console call it every two seconds, so that
-- a worker that has stopped is seen too. One caller at a time makes the checks, at most once a second; the others get what it found.
create function sync.evaluate_checks(
  out slug text, out kind text, out status text, out reason text, out since timestamptz, out measures jsonb, out as_of timestamptz)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  last sync.health;
  oldest xid;
  newest bigint;
  contributor text;
  given sync.check_row[];
  found_rows sync.check_row[] := '{}';
  found_sources text[] := '{}';
begin
  -- Nothing here waits: for a lock of the log, for another caller, or for the disk.
  perform set_config('lock_timeout', '500ms', true), set_config('synchronous_commit', 'off', true);
  select * into last from sync.health h for update skip locked;
  if last.evaluated_at between clock_timestamp() - interval '1 second' and clock_timestamp() then last := null; end if;
  if last.only_one then
    -- Of this database: those of others hold nothing back here.
    select h.x into oldest from (
      select unnest(array[a.backend_xid, a.backend_xmin]) as x from pg_stat_activity a
      where a.usesysid is not null and a.pid <> pg_backend_pid() and a.datname = current_database()
      union all select p.transaction from pg_prepared_xacts p where p.database = current_database()
      union all select unnest(array[r.xmin, r.catalog_xmin]) from pg_replication_slots r) h
    where h.x is not null order by age(h.x) desc limit 1;
    newest := sync.head();
    update sync.health h
    set evaluated_at = clock_timestamp(), horizon = oldest, head = newest,
      horizon_since = case when oldest = h.horizon then h.horizon_since when oldest is not null then clock_timestamp() end,
      head_since = case when h.head = newest then h.head_since else clock_timestamp() end;
    perform sync.forget_processes();
    for contributor in select s.function_name from sync.health_sources s where s.gives = 'checks' order by 1 loop
      begin
        execute format('select coalesce(array_agg(c), ''{}'') from %s() c', contributor) into given;
      exception when others then
        -- A check that cannot be made is unknown; the others go on.
        given := array(
          select row(c.slug, c.kind, 'unknown', 'This check could not be made (SQLSTATE ' || sqlstate || ').', '{}')::sync.check_row
          from (select s.slug, s.kind from sync.check_states s where s.source = contributor
                union select substr(contributor, 6), 'monitor'
                where not exists (select from sync.check_states s where s.source = contributor)) c);
      end;
      found_rows := found_rows || given;
      found_sources := found_sources || array_fill(contributor, array[cardinality(given)]);
    end loop;
    insert into sync.check_states as known (slug, kind, status, reason, measures, source)
    select distinct on (f.slug) f.slug, f.kind,
      case when f.status in ('ok', 'paused', 'catching-up', 'warning', 'unknown', 'parked', 'stalled', 'silent', 'failing')
        then f.status else 'unknown' end,
      coalesce(left(f.reason, 500), ''), coalesce(f.measures, '{}'), f.source
    from unnest(found_rows, found_sources) f (slug, kind, status, reason, measures, source)
    where octet_length(f.slug) between 1 and 200 and f.kind is not null order by f.slug
    on conflict on constraint check_states_pkey do update
    set (kind, status, reason, measures, source, since, worsens_since) = (
      select excluded.kind, case when w.waits then known.status else excluded.status end,
        case when w.waits then known.reason else excluded.reason end, excluded.measures, excluded.source,
        case when w.waits or excluded.status = known.status then known.since else coalesce(known.worsens_since, excluded.since) end,
        case when w.waits then coalesce(known.worsens_since, excluded.since) end
      from (select sync.waits_to_worsen(known.status, excluded.status, known.worsens_since) as waits) w)
    where known.worsens_since is not null or (known.kind, known.status, known.reason, known.measures, known.source)
      is distinct from (excluded.kind, excluded.status, excluded.reason, excluded.measures, excluded.source);
    delete from sync.check_states c where not exists (select from unnest(found_rows) f where f.slug = c.slug);
  end if;
  return query
    select c.slug, c.kind, c.status, c.reason, c.since, c.measures, h.evaluated_at
    from sync.check_states c cross join sync.health h order by c.slug;
end $$;
grant execute on function sync.evaluate_checks() to sync_role, console_role;

-- Forgets processes: one that has ended after ten minutes, a silent one after a minute if another has started in its place, after an hour
-- if others of its app report, and after a week. The last one of an app stays for that week, so that one can see how it ended.
create function sync.forget_processes() returns void
language sql volatile
begin atomic
  delete from sync.heartbeats h using (
    select o.app, o.process, row_number() over (partition by o.app order by o.beat_at desc) as place, n.now - o.beat_at as age,
      o.ended_at is not null as has_ended,
      exists (
        select from sync.heartbeats r
        where r.app = o.app and r.ended_at is null and r.beat_at > n.now - interval '5 seconds') as has_others,
      exists (
        select from sync.heartbeats r
        where r.app = o.app and r.ended_at is null and r.beat_at > n.now - interval '5 seconds' and r.started_at > o.beat_at) as is_replaced
    from sync.heartbeats o cross join (select clock_timestamp() as now) n
    where o.beat_at < n.now - interval '1 minute') o
  where h.app = o.app and h.process = o.process
    and (o.age > interval '7 days' or o.has_ended and o.age > interval '10 minutes' and o.place > 1
      or not o.has_ended and (o.is_replaced or o.has_others and o.age > interval '1 hour'));
end;

-- Changes where a check warns, and leaves a record.
create function sync.set_health_limit(of_name text, to_value double precision, because text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before double precision;
begin
  perform sync.require_operator();
  select l.value into before from sync.health_limits l where l.name = of_name for update;
  if not found then
    raise exception 'there is no limit %', of_name using errcode = 'invalid_parameter_value',
      hint = 'The limits are: ' || (select string_agg(l.name, ', ' order by l.name) from sync.health_limits l) || '.';
  end if;
  update sync.health_limits l set value = to_value where l.name = of_name;
  perform sync.record_operation('health.limit', jsonb_build_object('limit', of_name), because,
    jsonb_build_object('before', before, 'after', to_value));
end $$;
grant execute on function sync.set_health_limit(text, double precision, text) to sync_role, console_role;
