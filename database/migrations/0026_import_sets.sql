-- The plan of an import writes its lines with sets that the planner can estimate, which takes half the time; and it compares lines again if
-- somebody wants that.

-- These two are as in 0012_import.sql, but every operator in them is immutable, so that a statement takes them in. With text || bigint,
-- which is only stable, each call cost 5 µs.
create or replace function sync.import_key(external_id text, email_key text, digest bigint) returns text
language sql immutable parallel safe
return coalesce('id:' || external_id, 'email:' || email_key, 'row:' || digest::text);

create or replace function sync.import_person(source text, external_id text, email_key text, name text, digest bigint) returns text
language sql immutable parallel safe
return 'line:' || source || ':' || encode(sha256(convert_to(coalesce('id:' || external_id,
  'email:' || email_key || coalesce(' ' || lower(name collate pg_catalog.pg_c_utf8), ''), 'row:' || digest::text), 'UTF8')), 'hex');

-- Decides what each line will be, from what is staged. It writes the rows of the run and nothing that an app sees. Lines that have not
-- changed come first, then those of a person alone, then those that are one person with others, and those that are held.
create or replace function sync.plan_import(of_run bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  r sync.import_runs;
  counts jsonb;
  known bigint;
  expected bigint;
  -- By the number of the file, which is its place. A join would let the planner expect a hundredth of the lines.
  sources constant text[] := array(select f.source from sync.import_files f where f.run = of_run order by f.file);
  passes_same boolean;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'reading' then
    raise exception 'this run is planned already' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'A plan is made once. Begin another run.';
  end if;
  -- A line that has not changed brings nothing, unless its values shall replace others, or somebody asks for it to be compared again.
  passes_same := coalesce(jsonb_array_length(r.settings -> 'overwrite'), 0) = 0 and r.settings -> 'again' is distinct from 'true';
  perform set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true), set_config('jit', 'off', true),
    -- What is counted here are rows and different keys: three thousand rows say enough.
    set_config('default_statistics_target', '10', true);
  execute format('analyze staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  -- Lines that have not changed. Only what they are known by is kept: the run that imported them has the rest.
  execute format($f$
    insert into sync.import_rows_p%1$s (run, n, file, line, outcome, code, lead, customer, external_id, email, email_key, name, digest)
    select %1$s, l.n, l.file, l.line, 'unchanged', 'same-line', l.n, k.customer, l.external_id, l.email, l.email_key, l.name, l.digest
    from staging.import_lines_p%1$s l
      join sync.import_keys k on k.source = $1[l.file] and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        and k.digest = l.digest
    where l.is_known$f$, of_run) using sources;
  get diagnostics known = row_count;
  execute format('select count(*) from staging.import_lines_p%s l where l.is_known', of_run) into expected;
  if known < expected then
    -- Some of their keys were freed since they were read, by an undo.
    execute format('update staging.import_lines_p%1$s l set is_known = false where l.is_known and not exists (
      select from sync.import_rows_p%1$s p where p.n = l.n)', of_run);
  end if;
  -- Most lines are a person alone.
  execute format($f$
    insert into sync.import_rows_p%1$s (
      run, n, file, line, outcome, code, detail, lead, customer, external_id, email, email_key, name, phone, phone_key, phone_extension,
      company, company_domain, tier, owner, language, timezone, created_at, extra, digest, raw)
    select %1$s, f.n, f.file, f.line, d.outcome, d.code, case when f.kind <> 'person' then jsonb_build_object('message', f.reason) end,
      case when d.outcome in ('created', 'updated', 'unchanged') then f.n end,
      case when d.outcome in ('created', 'updated', 'unchanged') then
        case when f.is_same then f.key_customer else coalesce(f.key_customer, f.address_customer, uuidv7()) end end,
      f.external_id, f.email, f.email_key, f.name, f.phone, f.phone_key, f.phone_extension, f.company, f.company_domain, f.tier, f.owner,
      f.language, f.timezone, f.created_at, f.extra, f.digest, case when d.outcome in ('rejected', 'excluded', 'held') then f.raw end
    from (
      select l.*, $2 and coalesce(k.digest = l.digest, false) as is_same, e.customer_id as address_customer,
        case when $2 and k.digest = l.digest then k.customer
          when k.customer is not null then (select coalesce(c.merged_into, c.id) from platform.customers c where c.id = k.customer)
          end as key_customer
      from staging.import_lines_p%1$s l
        left join sync.import_keys k on k.source = $1[l.file] and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known and not exists (select from staging.import_groups_p%1$s g where g.n = l.n) offset 0) f
      cross join lateral (
        select case when f.kind <> 'person' then f.kind
            when f.is_same then 'unchanged'
            when f.key_customer <> f.address_customer then 'held'
            when f.email_key is null and f.key_customer is null then 'held'
            when coalesce(f.key_customer, f.address_customer) is not null then 'updated'
            else 'created' end as outcome,
          case when f.kind <> 'person' then f.code
            when f.is_same then 'same-line'
            when f.key_customer <> f.address_customer then 'two-customers'
            when f.email_key is null and f.key_customer is null then 'no-address' end as code
        offset 0) d$f$, of_run) using sources, passes_same;
  execute format($f$
    with found as materialized (
      select l.*,
        -- A line whose id belongs to a customer is that customer's, even if others have its address.
        g.n is not null and g.lead is null
          and (g.code = 'external-id' or l.external_id is null or not exists (
            select from platform.customers c where c.id = k.customer)) as is_held,
        g.code as held_code, g.reason as held_reason,
        coalesce(g.lead, l.n) as leading, g.lead is not null as is_grouped, g.customer as group_customer,
        -- The customer of a key may have been merged or removed since; of a line that has not changed nobody asks.
        case when $2 and k.digest = l.digest then k.customer
          when k.customer is not null then (select coalesce(c.merged_into, c.id) from platform.customers c where c.id = k.customer)
          end as key_customer,
        $2 and coalesce(k.digest = l.digest, false) as is_same, e.customer_id as address_customer
      from staging.import_lines_p%1$s l
        join staging.import_groups_p%1$s g on g.n = l.n
        left join sync.import_keys k on k.source = $1[l.file] and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known
    ), news as (
      -- A line that was imported before says whose line its person is, and nothing else.
      select f.leading, min(f.n) filter (where not f.is_same) as first,
        count(distinct coalesce(f.group_customer, f.key_customer, f.address_customer)) as customers,
        min(coalesce(f.group_customer, f.key_customer, f.address_customer)::text)::uuid as customer,
        -- A line whose id and address are of two customers holds its whole person: nothing of it may reach one of them by another line. So
        -- does a line that a person has given to one customer while another one has its address.
        coalesce(bool_or(not f.is_same and coalesce(f.key_customer, f.group_customer) <> f.address_customer), false) as is_split
      from found f where f.is_grouped group by f.leading
    ), groups as (
      select w.*, uuidv7() as new_customer, v.of, v.emails[1] as email, v.email_keys[1] as email_key, v.name, v.phones[1] as phone,
        v.phone_keys[1] as phone_key, v.phone_extensions[1] as phone_extension, v.company, v.company_domain, v.tier, v.owner, v.language,
        v.timezone, v.created_at, v.taken || coalesce(o.taken, '{}') as taken,
        case when cardinality(v.extras || o.extras) > 1 then sync.merge_import_extras(v.extras || o.extras)
          else (v.extras || o.extras)[1] end as extra
      from news w left join (
        select f.leading as of,
          array_agg(f.n order by f.n) filter (where f.email is not null) as email_lines,
          array_agg(f.email order by f.n) filter (where f.email is not null) as emails,
          array_agg(f.email_key order by f.n) filter (where f.email is not null) as email_keys,
          (array_agg(f.name order by f.n) filter (where f.name is not null))[1] as name,
          array_agg(f.n order by f.n) filter (where f.phone_key is not null) as phone_lines,
          array_agg(f.phone order by f.n) filter (where f.phone_key is not null) as phones,
          array_agg(f.phone_key order by f.n) filter (where f.phone_key is not null) as phone_keys,
          array_agg(f.phone_extension order by f.n) filter (where f.phone_key is not null) as phone_extensions,
          (array_agg(f.company order by f.n) filter (where f.has_company))[1] as company,
          (array_agg(f.company_domain order by f.n) filter (where f.has_company))[1] as company_domain,
          (array_agg(f.tier order by f.n) filter (where f.tier is not null))[1] as tier,
          (array_agg(f.owner order by f.n) filter (where f.owner is not null))[1] as owner,
          (array_agg(f.language order by f.n) filter (where f.language is not null))[1] as language,
          (array_agg(f.timezone order by f.n) filter (where f.timezone is not null))[1] as timezone,
          min(f.created_at) as created_at,
          array_agg(f.extra order by f.n) filter (where f.extra is not null) as extras,
          min(f.email_key) <> max(f.email_key) is true or min(f.phone_key) <> max(f.phone_key) is true as has_contacts,
          jsonb_strip_nulls(jsonb_build_object(
            'email', min(f.n) filter (where f.email is not null), 'name', min(f.n) filter (where f.name is not null),
            'phone', min(f.n) filter (where f.phone_key is not null), 'company', min(f.n) filter (where f.has_company),
            'tier', min(f.n) filter (where f.tier is not null), 'owner', min(f.n) filter (where f.owner is not null),
            'language', min(f.n) filter (where f.language is not null), 'timezone', min(f.n) filter (where f.timezone is not null),
            'extra', min(f.n) filter (where f.extra is not null))) as taken
        from (select x.*, coalesce(x.company, x.company_domain) is not null as has_company from found x) f
        where f.is_grouped and not f.is_same group by f.leading) v on v.of = w.leading
        -- The other addresses and numbers of the person, whichever line says them.
        left join lateral (
          select array_agg(c.extra order by c.n) as extras, jsonb_object_agg(c.label, c.n order by c.n desc) as taken
          from (
            select distinct on (e.key) e.n, 'address:' || e.key as label,
              jsonb_build_object('emails', jsonb_build_array(jsonb_build_object('address', e.address, 'key', e.key))) as extra
            from unnest(v.email_lines, v.emails, v.email_keys) e (n, address, key) where e.key <> v.email_keys[1]
            union all
            select distinct on (p.key) p.n, 'phone:' || p.key, jsonb_build_object('phones', jsonb_build_array(
              jsonb_build_object('phone', p.phone, 'key', p.key, 'extension', p.extension)))
            from unnest(v.phone_lines, v.phones, v.phone_keys, v.phone_extensions) p (n, phone, key, extension)
            where p.key <> v.phone_keys[1]) c) o on v.has_contacts
    )
    insert into sync.import_rows_p%1$s (
      run, n, file, line, outcome, code, detail, lead, customer, external_id, email, email_key, name, phone, phone_key, phone_extension,
      company, company_domain, tier, owner, language, timezone, created_at, extra, digest, raw)
    select %1$s, f.n, f.file, f.line, d.outcome, d.code,
      case when f.kind <> 'person' then jsonb_build_object('message', f.reason)
        when d.outcome = 'held' and f.is_held then jsonb_build_object('message', f.held_reason)
        when d.leads and d.outcome in ('created', 'updated') then jsonb_build_object('taken', (
          select coalesce(jsonb_object_agg(t.key, t.value), '{}') from jsonb_each(g.taken) t where t.value <> to_jsonb(f.n))) end,
      case when d.outcome in ('created', 'updated', 'unchanged') then case when f.is_same then f.n else coalesce(g.first, f.n) end end,
      case when d.outcome in ('created', 'updated', 'unchanged') then
        case when f.is_same then f.key_customer
          else coalesce(g.customer, f.key_customer, f.address_customer, g.new_customer, uuidv7()) end end,
      f.external_id,
      case when d.leads then g.email else f.email end, case when d.leads then g.email_key else f.email_key end,
      case when d.leads then g.name else f.name end, case when d.leads then g.phone else f.phone end,
      case when d.leads then g.phone_key else f.phone_key end, case when d.leads then g.phone_extension else f.phone_extension end,
      case when d.leads then g.company else f.company end, case when d.leads then g.company_domain else f.company_domain end,
      case when d.leads then g.tier else f.tier end, case when d.leads then g.owner else f.owner end,
      case when d.leads then g.language else f.language end, case when d.leads then g.timezone else f.timezone end,
      case when d.leads then g.created_at else f.created_at end, case when d.leads then g.extra else f.extra end,
      f.digest, case when d.outcome in ('rejected', 'excluded', 'held') then f.raw end
    from found f left join groups g on g.leading = f.leading and f.is_grouped
      cross join lateral (
        select o.*, o.outcome <> 'held' and f.n = g.first is true as leads
        from (select
          case when f.kind <> 'person' then f.kind
            when f.is_same then 'unchanged'
            when f.is_held or g.customers > 1 or g.is_split or f.key_customer <> f.address_customer then 'held'
            when coalesce(g.email_key, f.email_key) is null and coalesce(g.customer, f.key_customer) is null then 'held'
            when f.n <> g.first then case when exists (
              select from jsonb_each(g.taken) t where t.value = to_jsonb(f.n)) then 'updated' else 'unchanged' end
            when coalesce(g.customer, f.key_customer, f.address_customer) is not null then 'updated'
            else 'created' end as outcome,
          case when f.kind <> 'person' then f.code
            when f.is_same then 'same-line'
            when f.is_held then f.held_code
            when g.customers > 1 or g.is_split or f.key_customer <> f.address_customer then 'two-customers'
            when coalesce(g.email_key, f.email_key) is null and coalesce(g.customer, f.key_customer) is null then 'no-address'
            when f.n <> g.first then 'same-person' end as code
        offset 0) o) d$f$, of_run) using sources, passes_same;
  execute format('analyze sync.import_rows_p%1$s', of_run);
  perform sync.find_import_targets(of_run);
  perform sync.compare_planned(of_run);
  select coalesce(jsonb_object_agg(c.outcome, c.lines), '{}') into counts
  from (select p.outcome, count(*) as lines from sync.import_rows p where p.run = of_run group by p.outcome) c;
  update sync.import_files f set lines = c.lines
  from (select p.file, count(*) as lines from sync.import_rows p where p.run = of_run group by p.file) c
  where f.run = of_run and f.file = c.file;
  update sync.import_runs x
  set state = 'planned', used_at = clock_timestamp(), planned = counts,
      lines = coalesce((select sum(v.value::integer) from jsonb_each_text(counts) v), 0)
  where x.id = of_run;
  perform sync.note_unfollowed_answers(of_run);
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = counts
  where s.id = (select max(l.id) from sync.import_steps l where l.run = of_run);
  return counts;
end $$;

-- Keeps which columns of the files of a run mean nothing, with the number of lines that say something in them.
create function sync.note_left_out(of_run bigint, columns jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update sync.import_runs r set settings = r.settings || jsonb_build_object('leftOut', columns) where r.id = of_run and r.state = 'reading';
end;
grant execute on function sync.note_left_out(bigint, jsonb) to sync_role;
