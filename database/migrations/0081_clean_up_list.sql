-- What a clean-up has to do is listed in some ten milliseconds. It took more than a second of a core, each time it was asked for: every
-- touched table was held against every relation of the database, its name was read again for each, and its partitions were looked for.
create or replace function platform.list_clean_up(out relation text, out indexes text[], out sampled text[], out is_parent boolean)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  part record;
  half text;
begin
  -- What a clean-up that was killed has left half built. Only one runs at a time, so nobody is building it.
  for half in
    select format('%I.%I', n.nspname, x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid
      join pg_namespace n on n.oid = x.relnamespace
      join platform.inventory_tables t on t.relation::regclass = i.indrelid
    where not i.indisvalid and x.relname ~ '_cc(new|old)\d*$' and t.belongs is not null
  loop
    perform set_config('lock_timeout', '5s', true);
    execute format('drop index %s', half);
  end loop;
  for part in
    with touched as (
      select distinct x.value ->> 'table' as name from platform.erasures e cross join jsonb_array_elements(e.report -> 'tables') x
      where e.state = 'erased' and x.value ->> 'act' <> 'keep'
      union select unnest('{platform.erasures,sync.outbox,sync.events}'::text[])
      union select unnest('{sync.import_chunks,sync.import_uploads}'::text[]) from platform.erasures e
        where e.state = 'erased' and (e.report ->> 'files')::bigint > 0
      union select 'staging.import_lines' from platform.erasures e
        where e.state = 'erased' and (e.report ->> 'stagedLines')::bigint > 0
      union select 'sync.import_rows' from platform.erasures e
        where e.state = 'erased' and (e.report ->> 'unreadLines')::bigint > 0),
    named as materialized (
      select i.relation, i.place, i.relation::regclass::oid as oid from touched t join platform.inventory_tables i on i.relation = t.name),
    parts as materialized (
      select n.* from named n
      union all select n.relation, n.place, h.inhrelid from named n join pg_inherits h on h.inhparent = n.oid)
    select c.oid, format('%I.%I', n.nspname, c.relname) as name, i.relation as inventoried, c.relispartition, c.relkind = 'p' as is_parent
    from parts i join pg_class c on c.oid = i.oid join pg_namespace n on n.oid = c.relnamespace
    order by i.place desc, c.oid
  loop
    relation := part.name;
    is_parent := part.is_parent;
    sampled := array(select i.column_name from platform.inventory i where i.relation = part.inventoried and i.class <> 'technical');
    if part.relispartition then execute format('grant maintain on %s to privacy_role', part.name); end if;
    indexes := array(
      select x.indexrelid::regclass::text from pg_index x
      where x.indrelid = part.oid and x.indisvalid and not is_parent and exists (
        select from pg_attribute a join platform.inventory i on i.relation = part.inventoried and i.column_name = a.attname
        where a.attrelid = part.oid and i.class <> 'technical' and (a.attnum = any (x.indkey)
          or x.indexprs is not null and exists (
            select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = x.indexrelid
              and d.refclassid = 'pg_class'::regclass and d.refobjid = part.oid and d.refobjsubid = a.attnum)))
        -- A hash says nothing.
        and pg_get_indexdef(x.indexrelid) !~ 'hashtextextended'
      order by x.indexrelid);
    return next;
  end loop;
end $$;

-- Who keeps a clean-up from its end is said: whoever is asked about it can end the transaction.
create or replace function sync.check_erasures() returns setof sync.check_row
language sql volatile
begin atomic
  with w as materialized (
    select count(*) filter (where p.report #>> '{clean_ups,has_login}' = 'true') as able,
      max(sync.word_in(p.report, '{clean_ups,error}')) as error,
      max(sync.word_in(p.report, '{clean_ups,waits_for}')) as waits_for
    from sync.list_processes() p where p.state = 'live' and p.report ? 'clean_ups'),
  n as materialized (
    select count(*) as open, extract(epoch from clock_timestamp() - min(o.erased_at))::double precision as seconds
    from (select e.erased_at from platform.erasures e where e.state = 'erased' order by e.erased_at limit 10001) o)
  select 'erasures', 'erasures',
    case when n.open > 0 and w.error is not null then 'failing'
      when n.seconds > sync.health_limit('clean_up_seconds') then 'warning' else 'ok' end,
    case when n.open = 0 then 'No erasure waits for its clean-up.'
      when w.error is not null then 'The clean-up of erasures fails (' || w.error || '): '
      when n.seconds > sync.health_limit('clean_up_seconds') and w.able = 0
        then 'No worker has the login that cleans up (PRIVACY_APP_URL): '
      else '' end
      || case when n.open = 0 then '' else sync.say_count(n.open)
        || case n.open when 1 then ' erasure waits' else ' erasures wait' end || ' for the clean-up, the oldest for '
        || sync.say_seconds(n.seconds) || '.' || coalesce(' Its rows are kept by ' || w.waits_for || '.', '') end,
    jsonb_strip_nulls(jsonb_build_object('open', n.open, 'oldest_seconds', round(n.seconds)))
  from w, n;
end;
