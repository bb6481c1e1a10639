-- The plan of an import: what each line will be. The model is in 0012_import.sql.

-- Joins what several lines say of one person beyond the columns: lists are joined, of the rest the first line that says it counts.
create function sync.merge_import_extras(extras jsonb[]) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(k.key, case jsonb_typeof(k.first)
      when 'array' then (
        select jsonb_agg(distinct v.value) from unnest(extras) e (extra) cross join jsonb_array_elements(e.extra -> k.key) v (value))
      when 'object' then (
        select jsonb_object_agg(v.key, v.value order by e.place desc)
        from unnest(extras) with ordinality e (extra, place) cross join jsonb_each(e.extra -> k.key) v)
      else k.first end)
  from (
    select distinct on (x.key) x.key, x.value as first
    from unnest(extras) with ordinality e (extra, place) cross join jsonb_each(e.extra) x order by x.key, e.place) k);

-- The customers that share an address or a telephone number with a staged line that is new or has changed: who groups the lines must know
-- them. A number that more than twenty customers have says nothing. A line that has not changed and shares an address, a number or an id
-- with such a line comes as well, as what its customer says too; `file` is the first file of its source.
create function sync.list_import_customers(
  of_run bigint, out id uuid, out name text, out emails text[], out phones text[], out company text, out company_domain text,
  out has_verified_address boolean, out file smallint, out external_id text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format($f$
    with news as materialized (
      select * from staging.import_lines_p%1$s l where l.kind = 'person' and not l.is_known
    ), addresses as materialized (
      select w.email_key from news w where w.email_key is not null
      union select a.value ->> 'key' from news w cross join jsonb_array_elements(w.extra -> 'emails') a where w.extra ? 'emails'
    ), numbers as materialized (
      select w.phone_key from news w where w.phone_key is not null
      union select p.value ->> 'key' from news w cross join jsonb_array_elements(w.extra -> 'phones') p where w.extra ? 'phones'
    ), shared as (
      select p.phone_key from platform.customer_phones p
      where p.phone_key in (select w.phone_key from numbers w) group by p.phone_key having count(*) <= 20
    ), olds as materialized (
      select l.*, f.source from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
      where l.is_known and (l.email_key in (select w.email_key from addresses w) or l.phone_key in (select w.phone_key from numbers w)
        or (f.source, l.external_id) in (
          select x.source, w.external_id from news w join sync.import_files x on x.run = %1$s and x.file = w.file
          where w.external_id is not null)
        or l.extra ?| '{emails,phones}' and exists (
          select from jsonb_array_elements(coalesce(l.extra -> 'emails', '[]') || coalesce(l.extra -> 'phones', '[]')) v
          where v.value ->> 'key' in (select w.email_key from addresses w union all select w.phone_key from numbers w)))
    ), found as (
      select e.customer_id from platform.customer_emails e where e.email_key in (select w.email_key from addresses w)
      union
      select p.customer_id from platform.customer_phones p join shared s on s.phone_key = p.phone_key
    )
    select c.id, c.name, array(select e.email_key from platform.customer_emails e where e.customer_id = c.id),
      array(select p.phone_key from platform.customer_phones p where p.customer_id = c.id), o.name, o.domain,
      exists (select from platform.customer_emails e where e.customer_id = c.id and e.verified_at is not null), null::smallint, null::text
    from found f join platform.customers c on c.id = f.customer_id and c.merged_into is null and c.erased_at is null
      left join platform.companies o on o.id = c.company_id
    union all
    select c.id, l.name,
      array_remove(array[l.email_key] || array(select a.value ->> 'key' from jsonb_array_elements(l.extra -> 'emails') a), null),
      array_remove(array[l.phone_key] || array(select p.value ->> 'key' from jsonb_array_elements(l.extra -> 'phones') p), null),
      l.company, l.company_domain, false,
      (select min(f.file) from sync.import_files f where f.run = %1$s and f.source = l.source), l.external_id
    from olds l join sync.import_keys k on k.source = l.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
      join platform.customers m on m.id = k.customer
      join platform.customers c on c.id = coalesce(m.merged_into, m.id) and c.erased_at is null$f$, of_run);
end $$;

-- Keeps what the rules of a plan found likely but not sure, as { n, other_n, customer, score, reasons }.
create function sync.keep_import_candidates(of_run bigint, candidates jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.import_candidates (run, n, other_n, other_customer, score, reasons)
  select of_run, c.n, c.other_n, c.customer, c.score, c.reasons
  from jsonb_to_recordset(candidates) c (n integer, other_n integer, customer uuid, score double precision, reasons jsonb);
end;

-- Decides what each line will be, from what is staged. It writes the rows of the run and nothing that an app sees.
create function sync.plan_import(of_run bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  r sync.import_runs;
  counts jsonb;
  known bigint;
  expected bigint;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'reading' then
    raise exception 'this run is planned already' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'A plan is made once. Begin another run.';
  end if;
  perform set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true), set_config('jit', 'off', true);
  execute format('analyze staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  -- Lines that have not changed. Only what they are known by is kept: the run that imported them has the rest.
  execute format($f$
    insert into sync.import_rows_p%1$s (run, n, file, line, outcome, code, lead, customer, external_id, email, email_key, name, digest)
    select %1$s, l.n, l.file, l.line, 'unchanged', 'same-line', l.n, k.customer, l.external_id, l.email, l.email_key, l.name, l.digest
    from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
      join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        and k.digest = l.digest
    where l.is_known$f$, of_run);
  get diagnostics known = row_count;
  execute format('select count(*) from staging.import_lines_p%s l where l.is_known', of_run) into expected;
  if known < expected then
    -- Some of their keys were freed since they were read, by an undo.
    execute format('update staging.import_lines_p%1$s l set is_known = false where l.is_known and not exists (
      select from sync.import_rows_p%1$s p where p.n = l.n)', of_run);
  end if;
  execute format($f$
    with found as not materialized (
      select l.*, f.source,
        -- A line whose id belongs to a customer is that customer's, even if others have its address.
        g.n is not null and g.lead is null
          and (g.code = 'external-id' or l.external_id is null or not exists (
            select from platform.customers c where c.id = k.customer)) as is_held,
        g.code as held_code, g.reason as held_reason,
        coalesce(g.lead, l.n) as leading, g.lead is not null as is_grouped, g.customer as group_customer,
        -- The customer of a key may have been merged or removed since; of a line that has not changed nobody asks.
        case when k.digest = l.digest then k.customer
          when k.customer is not null then (select coalesce(c.merged_into, c.id) from platform.customers c where c.id = k.customer)
          end as key_customer,
        coalesce(k.digest = l.digest, false) as is_same, e.customer_id as address_customer
      from staging.import_lines_p%1$s l
        join sync.import_files f on f.run = %1$s and f.file = l.file
        left join staging.import_groups_p%1$s g on g.n = l.n
        left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known
    ), news as (
      -- A line that was imported before says whose line its person is, and nothing else.
      select f.leading, min(f.n) filter (where not f.is_same) as first,
        count(distinct coalesce(f.group_customer, f.key_customer, f.address_customer)) as customers,
        min(coalesce(f.group_customer, f.key_customer, f.address_customer)::text)::uuid as customer,
        -- A line whose id and address are of two customers holds its whole person: nothing of it may reach one of them by another line.
        coalesce(bool_or(not f.is_same and f.key_customer <> f.address_customer), false) as is_split
      from found f where f.is_grouped group by f.leading
    ), groups as (
      select w.*, uuidv7() as new_customer, v.*
      from news w left join (
        select f.leading as of,
          (array_agg(f.email order by f.n) filter (where f.email is not null))[1] as email,
          (array_agg(f.email_key order by f.n) filter (where f.email is not null))[1] as email_key,
          (array_agg(f.name order by f.n) filter (where f.name is not null))[1] as name,
          (array_agg(f.phone order by f.n) filter (where f.phone_key is not null))[1] as phone,
          (array_agg(f.phone_key order by f.n) filter (where f.phone_key is not null))[1] as phone_key,
          (array_agg(f.phone_extension order by f.n) filter (where f.phone_key is not null))[1] as phone_extension,
          (array_agg(f.company order by f.n) filter (where f.has_company))[1] as company,
          (array_agg(f.company_domain order by f.n) filter (where f.has_company))[1] as company_domain,
          (array_agg(f.tier order by f.n) filter (where f.tier is not null))[1] as tier,
          (array_agg(f.owner order by f.n) filter (where f.owner is not null))[1] as owner,
          (array_agg(f.language order by f.n) filter (where f.language is not null))[1] as language,
          (array_agg(f.timezone order by f.n) filter (where f.timezone is not null))[1] as timezone,
          min(f.created_at) as created_at,
          case when count(f.extra) > 1 then sync.merge_import_extras(array_agg(f.extra order by f.n) filter (where f.extra is not null))
            else (array_agg(f.extra) filter (where f.extra is not null))[1] end as extra,
          jsonb_strip_nulls(jsonb_build_object(
            'email', min(f.n) filter (where f.email is not null), 'name', min(f.n) filter (where f.name is not null),
            'phone', min(f.n) filter (where f.phone_key is not null), 'company', min(f.n) filter (where f.has_company),
            'tier', min(f.n) filter (where f.tier is not null), 'owner', min(f.n) filter (where f.owner is not null),
            'language', min(f.n) filter (where f.language is not null), 'timezone', min(f.n) filter (where f.timezone is not null),
            'extra', min(f.n) filter (where f.extra is not null))) as taken
        from (select x.*, coalesce(x.company, x.company_domain) is not null as has_company from found x) f
        where f.is_grouped and not f.is_same group by f.leading) v on v.of = w.leading
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
        select
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
            when f.n <> g.first then 'same-person' end as code,
          coalesce(f.n = g.first, false) as leads
        offset 0) d$f$, of_run);
  execute format('analyze sync.import_rows_p%1$s', of_run);
  perform sync.find_import_targets(of_run);
  perform sync.compare_planned(of_run);
  select coalesce(jsonb_object_agg(c.outcome, c.lines), '{}') into counts
  from (select p.outcome, count(*) as lines from sync.import_rows p where p.run = of_run group by p.outcome) c;
  update sync.import_files f set lines = c.lines
  from (select p.file, count(*) as lines from sync.import_rows p where p.run = of_run group by p.file) c
  where f.run = of_run and f.file = c.file;
  update sync.import_runs x
  set state = 'planned', planned = counts, lines = coalesce((select sum(v.value::integer) from jsonb_each_text(counts) v), 0)
  where x.id = of_run;
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = counts
  where s.id = (select max(l.id) from sync.import_steps l where l.run = of_run);
  perform sync.drop_import_staging(of_run);
  return counts;
end $$;

-- The value of a custom field that a text says; null if it says none.
create function sync.read_custom_value(field crm.custom_fields, said text) returns jsonb
language sql immutable parallel safe
return case field.type
  when 'text' then case when char_length(said) between 1 and 2000 then to_jsonb(said) end
  when 'number' then case when said ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$' then to_jsonb(said::numeric) end
  when 'checkbox' then case when lower(said) in ('true', 'yes', 'y', '1', 'x', 'ja', 'oui') then 'true'::jsonb
    when lower(said) in ('false', 'no', 'n', '0', 'nein', 'non') then 'false'::jsonb end
  when 'choice' then (select to_jsonb(c) from unnest(field.choices) c where lower(c) = lower(said) limit 1)
  when 'date' then case when said ~ '^\d{4}-\d{2}-\d{2}$' and pg_input_is_valid(said, 'date') then to_jsonb(said) end
  end;

-- Finds the records that the words of the files name, and says which words name none.
create function sync.find_import_targets(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  makes_companies constant boolean := not exists (
    select from crm.custom_fields f join sync.import_runs r on r.id = of_run and r.app = 'foundation'
    where f.record = 'company' and f.is_required);
begin
  insert into sync.import_targets (run, kind, key, name, domain, lines)
  select of_run, 'company', sync.import_company_key(p.company, p.company_domain), min(p.company), p.company_domain, count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and coalesce(p.company_domain, p.company) is not null
  group by 3, p.company_domain;
  update sync.import_targets t set target = c.id
  from platform.companies c where t.run = of_run and t.kind = 'company' and c.domain = t.domain;
  update sync.import_targets t set target = c.id
  from (
    select distinct on (lower(c.name collate pg_catalog.pg_c_utf8)) lower(c.name collate pg_catalog.pg_c_utf8) as name, c.id, c.domain
    from platform.companies c
    where exists (select from sync.import_targets x where x.run = of_run and x.kind = 'company' and x.target is null)
    order by 1, c.id) c
  where t.run = of_run and t.kind = 'company' and t.target is null and c.name = lower(t.name collate pg_catalog.pg_c_utf8)
    and (t.domain is null or c.domain is null);
  update sync.import_targets t set same_as = o.key
  from (
    select lower(d.name collate pg_catalog.pg_c_utf8) as name, min(d.key) as key from sync.import_targets d
    where d.run = of_run and d.kind = 'company' and d.domain is not null and d.name is not null group by 1 having count(*) = 1) o
  where t.run = of_run and t.kind = 'company' and t.domain is null and t.target is null
    and o.name = lower(t.name collate pg_catalog.pg_c_utf8);

  insert into sync.import_targets (run, kind, key, name, target, lines)
  select of_run, 'tier', p.tier, p.tier, (
      select t.key from platform.tiers t
      where not t.is_retired and (t.key = lower(p.tier)
        or lower(t.label collate pg_catalog.pg_c_utf8) = lower(p.tier collate pg_catalog.pg_c_utf8))
      order by t.key = lower(p.tier) desc limit 1), count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.tier is not null group by p.tier;
  insert into sync.import_targets (run, kind, key, name, target, lines)
  select of_run, 'owner', p.owner, p.owner, (
      select u.id from platform.users u where lower(u.email collate "C") = lower(p.owner collate "C")
      order by u.created_at limit 1), count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.owner is not null group by p.owner;

  with unfit as (
    select c.key, count(*) as lines from sync.import_rows p cross join jsonb_each_text(p.extra -> 'custom') c
      left join crm.custom_fields f on f.record = 'customer' and f.key = c.key
    where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.extra ? 'custom'
      and sync.read_custom_value(f, c.value) is null
    group by c.key
  ), tags as (
    select t.value as key, count(*) as lines from sync.import_rows p cross join jsonb_array_elements_text(p.extra -> 'tags') t
    where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.extra ? 'tags' group by t.value
  ), words as (
    select t.kind, t.key, t.lines from sync.import_targets t where t.run = of_run and t.target is null and t.kind <> 'company'
    union all
    select 'company', t.key, t.lines from sync.import_targets t
    where t.run = of_run and t.target is null and t.kind = 'company' and not makes_companies
    union all select 'custom', u.key, u.lines from unfit u
    union all select 'tag', t.key, t.lines from tags t
  )
  update sync.import_runs r set unmapped = coalesce((
      select jsonb_object_agg(k.kind, k.words) from (
        select w.kind, jsonb_object_agg(w.key, w.lines) as words
        from (select *, row_number() over (partition by kind order by lines desc, key) as place from words) w
        where w.place <= 200 group by w.kind) k), '{}')
  where r.id = of_run;
end $$;

-- Beyond the columns of a customer: what a person of a run would give it. `present` is what is there now. A custom field that has another
-- value, and an address that another customer has, are conflicts.
create function sync.compare_import_extras(
  of_customer uuid, extra jsonb, source text, overwrite text[],
  out field text, out present jsonb, out given jsonb, out is_conflict boolean) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select 'custom.' || f.key, v.value, g.value, v.value is not null and 'custom.' || f.key <> all (overwrite)
  from jsonb_each_text(extra -> 'custom') c join crm.custom_fields f on f.record = 'customer' and f.key = c.key
    cross join lateral (select sync.read_custom_value(f, c.value)) g (value)
    left join crm.custom_field_values v on v.field_id = f.id and v.customer_id = of_customer
  where g.value is not null and v.value is distinct from g.value
  union all
  select 'address:' || (a.value ->> 'key'), case when e.customer_id is not null then to_jsonb(e.customer_id) end, a.value,
    e.customer_id is not null
  from jsonb_array_elements(extra -> 'emails') a left join platform.customer_emails e on e.email_key = a.value ->> 'key'
  where e.customer_id is distinct from of_customer
  union all
  select 'phone:' || (p.value ->> 'key') || coalesce('x' || (p.value ->> 'extension'), ''), null, p.value, false
  from jsonb_array_elements(extra -> 'phones') p
  where not exists (
    select from platform.customer_phones h
    where h.customer_id = of_customer and h.phone_key = p.value ->> 'key'
      and h.phone_extension is not distinct from p.value ->> 'extension')
  union all
  select 'note:' || md5(t.value), null, to_jsonb(left(t.value, 4000)), false
  from jsonb_array_elements_text(extra -> 'notes') t
  where char_length(t.value) > 0 and not exists (
    select from crm.activities a
    where a.created_by_app = 'foundation' and a.idempotency_key = 'import:' || source || ':' || of_customer || ':' || md5(t.value));
end;

-- Compares persons of a run whose customers are known with those customers: what the run would write, and what it would leave because
-- the customer has something else there. Two spellings of one telephone number are the same number.
create function sync.compare_import(
  of_run bigint, lines integer[], out n integer, out customer uuid, out present jsonb, out fills jsonb, out conflicts jsonb)
returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select p.n, c.id, d.present, coalesce(d.fills, '{}'), coalesce(d.conflicts, '{}')
  from sync.import_runs r
    cross join lateral (select array(select jsonb_array_elements_text(r.settings -> 'overwrite'))) o (fields)
    join sync.import_rows p on p.run = r.id and p.n = any (compare_import.lines)
    join sync.import_files f on f.run = p.run and f.file = p.file
    join platform.customers k on k.id = p.customer
    join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
    left join sync.import_targets co on co.run = p.run and co.kind = 'company'
      and co.key = sync.import_company_key(p.company, p.company_domain)
    left join sync.import_targets alias on alias.run = p.run and alias.kind = 'company' and alias.key = co.same_as
    left join sync.import_targets t on t.run = p.run and t.kind = 'tier' and t.key = p.tier
    left join sync.import_targets w on w.run = p.run and w.kind = 'owner' and w.key = p.owner
    cross join lateral (
      select jsonb_object_agg(v.field, v.ours) as present,
        jsonb_object_agg(v.field, v.theirs) filter (where not v.is_conflict) as fills,
        jsonb_object_agg(v.field, jsonb_build_object('ours', v.ours, 'theirs', v.theirs)) filter (where v.is_conflict) as conflicts
      from (
        select b.field, b.ours, b.theirs, b.ours is not null and b.field <> all (o.fields) as is_conflict
        from (values
          ('email', to_jsonb(c.email), case when not exists (
              select from platform.customer_emails e where e.email_key = p.email_key and e.customer_id = c.id) then to_jsonb(p.email) end),
          ('name', to_jsonb(c.name), to_jsonb(p.name)),
          ('phone', case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
              'phone_extension', c.phone_extension) end,
            case when p.phone_key is not null and not exists (
                select from platform.customer_phones h where h.customer_id = c.id and h.phone_key = p.phone_key
                  and h.phone_extension is not distinct from p.phone_extension)
              then jsonb_build_object('phone', p.phone, 'phone_key', p.phone_key, 'phone_extension', p.phone_extension) end),
          -- While the plan is made, a company that the run will make has no id yet.
          ('company', to_jsonb(c.company_id), to_jsonb(coalesce(co.target, alias.target,
            case when r.state = 'reading' and not r.unmapped ? 'company' then co.key end))),
          ('tier', to_jsonb(c.account_tier), to_jsonb(t.target)),
          ('owner', to_jsonb(c.account_manager_id), to_jsonb(w.target)),
          ('language', to_jsonb(c.preferred_language), to_jsonb(p.language)),
          ('timezone', to_jsonb(c.timezone), to_jsonb(p.timezone))) b (field, ours, theirs)
        where b.theirs is not null and b.ours is distinct from b.theirs
        union all
        select x.field, x.present, x.given, x.is_conflict
        from sync.compare_import_extras(c.id, p.extra, f.source, o.fields) x where p.extra is not null) v) d
  where r.id = of_run;
end;

-- Says of the lines whose customers are known whether they would change anything.
create function sync.compare_planned(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  lines integer[];
begin
  for lines in
    select array_agg(p.n) from sync.import_rows p
    where p.run = of_run and p.outcome = 'updated' and p.lead = p.n group by p.n / 5000 order by p.n / 5000
  loop
    update sync.import_rows p
    set outcome = case when c.n is null then 'excluded' when c.fills = '{}' then 'unchanged' else 'updated' end,
        code = case when c.n is null then 'erased' when c.fills = '{}' then 'nothing-new' end,
        customer = coalesce(c.customer, p.customer),
        detail = coalesce(p.detail, '{}') || case when c.fills <> '{}' then jsonb_build_object('fills', c.fills) else '{}' end
          || case when c.conflicts <> '{}' then jsonb_build_object('conflicts', c.conflicts) else '{}' end
    from unnest(lines) l (n) left join sync.compare_import(of_run, lines) c on c.n = l.n
    where p.run = of_run and p.n = l.n;
    -- The other lines of a person that brings nothing bring nothing.
    update sync.import_rows p set outcome = case l.outcome when 'excluded' then 'excluded' else 'unchanged' end
    from sync.import_rows l
    where l.run = of_run and l.n = any (lines) and l.outcome in ('unchanged', 'excluded')
      and p.run = of_run and p.lead = l.n and p.n <> l.n and p.outcome <> 'held';
  end loop;
end $$;

grant execute on function
    sync.list_import_customers(bigint), sync.keep_import_candidates(bigint, jsonb), sync.plan_import(bigint)
  to sync_role;
