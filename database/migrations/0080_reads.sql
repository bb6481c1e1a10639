-- The next events of the log are read by one plan for all positions, however large the log is.

-- Of a range whose bounds it does not know PostgreSQL takes 0.5 % of a partition for granted. In a large log that made the plan for all
-- positions look dearer than a plan for each, so that every read was planned anew: 900 µs of processor, of 1,100. The function asks for
-- the one plan itself, whoever calls it in whatever transaction: a setting of the reader's would have to be taken back before a handler's
-- statements run. Its plan may be made while the log is empty, and must not read the whole of it for ever: only the index of positions is
-- used. It runs as the caller, who sees what the policies of the log show.
create function sync.read_events(
  after_position bigint, until_position bigint, of_types text[] default null, most bigint default null,
  of_shares integer[] default null, layout integer default null, layout_by text default null, of_audiences text[] default null)
returns setof sync.events
language sql stable rows 100
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
  select * from sync.events e
  where e.position > after_position and e.position <= until_position and (of_types is null or e.type = any (of_types))
    and (of_shares is null or sync.share_of(e.key, e.customer, layout_by, layout) = any (of_shares))
    and (of_audiences is null or e.audience = any (of_audiences))
  order by e.position limit most
$$;
grant execute on function sync.read_events(bigint, bigint, text[], bigint, integer[], integer, text, text[]) to app_role, sync_role;

-- It reads the log between two positions as well.
alter function sync.first_blocked(text, integer[], bigint, bigint) set plan_cache_mode = force_generic_plan;
