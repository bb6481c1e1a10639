-- The checks count the events that wait without reading the outbox from end to end. It is nearly empty, so by what PostgreSQL
-- knows of it a scan of the table was the cheapest; but a burst leaves pages, which stay as long as there is a live row behind
-- them: each look read all of them twice, 8,000 after 150,000 events.

create function sync.count_waiting() returns bigint
language sql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off
return (select count(*) from (
  select from sync.outbox o where o.id > (select s.floor_id from sync.sequencer s) order by o.id limit 10001) c);

create or replace function sync.check_outbox() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select coalesce(extract(epoch from sync.outbox_age()), 0)::double precision as seconds,
      sync.count_waiting() as waiting)
  select 'outbox', 'outbox',
    case when n.seconds > sync.health_limit('waiting_seconds') * 12 then 'stalled'
      when n.seconds > sync.health_limit('waiting_seconds') then 'catching-up' else 'ok' end,
    case when n.waiting = 0 then 'No committed event waits.'
      else sync.say_count(n.waiting) || ' committed events wait for their numbers, the oldest for ' || sync.say_seconds(n.seconds) || '.'
      end,
    jsonb_build_object('waiting', n.waiting, 'waiting_seconds', n.seconds)
  from n;
end;

create or replace function sync.check_sequencer() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select coalesce(extract(epoch from sync.outbox_age()), 0)::double precision as waiting_seconds,
      sync.count_waiting() as waiting,
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
