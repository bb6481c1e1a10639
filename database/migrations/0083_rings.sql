-- Who writes rings while the sequencer sleeps (sync.ring), and PostgreSQL lets one transaction commit at a time that notifies anybody. A
-- sequencer that is stopped in its sleep heard nothing, and kept all writers one after the other until the server ended its session, five
-- seconds later. Now nobody rings for a leader whose lease is over. Such a writer shares a second lock instead, and no sequencer falls
-- asleep before those who hold it have ended (sync/worker/doorbell.ts): one that leads from then on, or again, numbers their events.
create or replace function sync.ring() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if pg_try_advisory_xact_lock_shared(7271, 1) then return; end if;
  -- Asked once more with the lock: who leads by then has not looked yet who holds it.
  if sync.lease_left_ms() <= 0 and pg_try_advisory_xact_lock_shared(7271, 3) and sync.lease_left_ms() <= 0 then return; end if;
  perform pg_notify('sync_outbox', '');
end $$;

create or replace function sync.await_doorbell(for_ms integer) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('lock_timeout', greatest(for_ms, 1)::text, true);
  perform pg_advisory_xact_lock(7271, 1);
  perform pg_advisory_xact_lock(7271, 3);
  return true;
exception when lock_not_available then
  return false;
end $$;

-- What captures changes calls sync.ring where it had its body; while the sequencer is awake it still needs no call.
do $$
declare
  silent constant text := 'if not pg_try_advisory_xact_lock_shared(7271, 1) then ';
  f record;
begin
  for f in
    select pg_get_functiondef(p.oid) as definition from pg_proc p where strpos(p.prosrc, silent) > 0 and p.oid <> 'sync.ring'::regproc
  loop
    execute replace(f.definition, silent || $f$perform pg_notify('sync_outbox', ''); end if;  -- sync.ring, without the call$f$,
      silent || 'perform sync.ring(); end if;');
  end loop;
  if exists (
    select from pg_proc p where p.prosrc ~ 'pg_notify\(''+sync_outbox' and p.oid <> 'sync.ring'::regproc)
  then
    raise exception 'what captures changes is not as this migration expects';
  end if;
end $$;

-- As before, and the notification says of which types the events are: a subscription of others goes on sleeping.
do $$
declare
  former constant text := pg_get_functiondef('sync.sequence(integer, bigint, bigint, integer)'::regprocedure);
  body text := former;
begin
  body := replace(body, '  s sync.sequencer;', E'  s sync.sequencer;\n  types text;');
  body := replace(body, $f$limit batch_max)) returning *)
  insert into sync.events ($f$, $f$limit batch_max)) returning *),
  numbered as (insert into sync.events ($f$);
  body := replace(body, $f$
  from taken;
  get diagnostics moved = row_count;$f$, $f$
  from taken
  returning type)
  select coalesce(sum(n.events), 0), string_agg(n.type, ' ') into moved, types
  from (select m.type, count(*) as events from numbered m group by m.type) n;$f$);
  body := replace(body, $f$perform pg_notify('sync_events', head::text);$f$,
    $f$perform pg_notify('sync_events', case when octet_length(types) < 8000 then types else '' end);$f$);
  if body not like '%numbered as (insert%' or body not like '%into moved, types%' or body not like '%then types else%' then
    raise exception 'what numbers events is not as this migration expects';
  end if;
  execute body;
end $$;
