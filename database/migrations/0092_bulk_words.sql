-- A write of many customers sorts the words of their names into the index of the search as it goes, as every other writer does. It let them
-- gather, up to 256 MB: but whoever writes next and finds more than its own limit (128 kB) sorts in all that is there, also what a write
-- of many has not committed yet. So another app's change of one name took the time of thousands.

-- Restores what a write of many rows changed for its own statements. force_generic_plan: a plan for the actual number of rows would read a
-- whole table in place of some thousand rows of its index. gin_pending_list_limit: what the logins have by `aether migrate bootstrap`.
create or replace function platform.begin_bulk(out former_plans text, out former_limit text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  former_plans := current_setting('plan_cache_mode');
  former_limit := current_setting('gin_pending_list_limit');
  perform set_config('plan_cache_mode', 'force_generic_plan', true), set_config('gin_pending_list_limit', '128kB', true);
end $$;
