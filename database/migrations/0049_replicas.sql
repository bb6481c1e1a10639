-- Replicas: each process that may read from a streaming replica says in its heartbeat whether it does, and how old the replica may be.
-- While it is down or too old, reads come from the primary, so that nothing fails, and somebody should look.
create function sync.check_replicas() returns setof sync.check_row
language sql volatile
begin atomic
  with found as (
    select p.app, count(*) as processes,
      count(*) filter (where sync.word_in(p.report, '{replica,state}') is distinct from 'up') as down,
      max(sync.word_in(p.report, '{replica,kind}')) as kind,
      count(*) filter (where sync.number_in(p.report, '{replica,age_seconds}') > sync.number_in(p.report, '{replica,age_max_seconds}'))
        as old,
      max(sync.number_in(p.report, '{replica,age_seconds}')) as age_seconds
    from sync.list_processes() p where p.state = 'live' and p.report ? 'replica' group by p.app)
  select 'replica:' || f.app, 'replica', case when f.down + f.old > 0 then 'warning' else 'ok' end,
    case when f.down > 0 then 'Reads come from the primary in ' || f.down || ' of ' || f.processes || ' processes: the replica is '
        || coalesce(f.kind, 'out of reach') || '.'
      when f.old > 0 then 'Reads come from the primary in ' || f.old || ' of ' || f.processes || ' processes: the replica is '
        || sync.say_seconds(f.age_seconds) || ' behind.'
      else 'Lookups and lists come from the replica.' end,
    jsonb_strip_nulls(jsonb_build_object('processes', f.processes, 'down', f.down, 'age_seconds', f.age_seconds))
  from found f;
end;
insert into sync.health_sources (function_name, gives) values ('sync.check_replicas', 'checks');
