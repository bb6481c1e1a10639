-- Matching is told whose the lines of a plan are that are known. Before, it knew that only of customers and of unchanged lines that it
-- passes over, and put lines of several customers into one group, which then had to be taken apart by what its rows look like. So whether a
-- line was held could depend on whether others were compared again.

-- Of each line of a plan that is compared and was imported before: whose it is, and why. A line that has not changed is its customer's; of
-- one that has changed its id says so; a line without an id is known by its address, which says less.
create function sync.list_import_claims(of_run bigint, out n integer, out customer uuid, out by text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  passes_same constant boolean := (
    select coalesce(jsonb_array_length(r.settings -> 'overwrite'), 0) = 0 and r.settings -> 'again' is distinct from 'true'
    from sync.import_runs r where r.id = of_run);
begin
  -- The first import of a source, which is the largest, has none.
  if not exists (
    select from sync.import_files f where f.run = of_run and exists (select from sync.import_keys k where k.source = f.source)) then
    return;
  end if;
  return query execute format($f$
    select l.n, coalesce(c.merged_into, c.id),
      case when $1 and k.digest = l.digest then 'same' when l.external_id is not null then 'id' else 'address' end
    from staging.import_lines_p%1$s l
      join sync.import_files f on f.run = %1$s and f.file = l.file
      join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
      join platform.customers c on c.id = k.customer
    where l.kind = 'person' and not l.is_known$f$, of_run) using passes_same;
end $$;
revoke all on function sync.list_import_claims(bigint) from public;
grant execute on function sync.list_import_claims(bigint) to sync_role;
