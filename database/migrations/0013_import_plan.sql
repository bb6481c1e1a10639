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

-- What people have said that concerns a staged run: of a line and another one, of a line and a customer, and that two customers are
-- different. A line of another run is the customer that it became.
create function sync.list_import_decisions(
  of_run bigint, out n integer, out other_n integer, out customer uuid, out other_customer uuid, out answer text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from sync.import_decisions) then
    return query execute format($f$
      with lines as materialized (
        select l.n, case when l.is_known then k.customer end as known,
          array[sync.import_person(f.source, l.external_id, l.email_key, l.name, l.digest),
            sync.import_person(f.source, null, null, null, l.digest)] as persons
        from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
          left join sync.import_keys k on l.is_known and k.source = f.source
            and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        where l.kind = 'person'
      ), sides as materialized (
        select d.one, d.other, d.answer, v.side, v.person,
          coalesce(case when starts_with(v.person, 'customer:') then substr(v.person, 10)::uuid end, v.became) as customer
        from sync.import_decisions d
          cross join lateral (values (1, d.one, d.one_customer), (2, d.other, d.other_customer)) v (side, person, became)
      ), found as materialized (
        select distinct u.person, l.known, case when l.known is null then l.n end as n from lines l cross join unnest(l.persons) u (person)
        where u.person in (select s.person from sides s)
      ), places as (
        select s.one, s.other, s.answer, s.side, f.n, coalesce(c.merged_into, c.id) as customer
        from sides s left join found f on f.person = s.person
          left join platform.customers c on c.id = case when f.n is null then coalesce(f.known, s.customer) end
        where f.n is not null or c.id is not null
      )
      select a.n, b.n, a.customer, b.customer, a.answer from places a join places b on b.one = a.one and b.other = a.other
      where a.side = 1 and b.side = 2 and (a.n is not null or b.n is not null) and a.n is distinct from b.n$f$, of_run);
  end if;
  return query
    select null::integer, null::integer, q.customer_id, q.other_id, q.state from platform.review_candidates q
    where q.state = 'different';
end $$;

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
      -- Of whom somebody has said that a line is they.
      select coalesce(c.merged_into, c.id) from sync.list_import_decisions(%1$s) d join platform.customers c on c.id = d.customer
      where d.answer = 'same'
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
        offset 0) o) d$f$, of_run);
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
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = counts
  where s.id = (select max(l.id) from sync.import_steps l where l.run = of_run);
  return counts;
end $$;

-- Begins to decide a planned run again, after answers or with other rules. The caller groups what is staged and calls sync.plan_import in
-- the same transaction; others see the former plan until that commits. The plan follows the answers that were given before `as_of`.
create function sync.begin_replan(of_run bigint, with_settings jsonb, as_of timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'planned' then
    raise exception 'this run is %', coalesce(r.state, 'not there') using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Only a planned run is decided again';
  end if;
  update sync.import_runs x set state = 'reading', settings = x.settings || with_settings, unmapped = '{}', decided_at = as_of
  where x.id = of_run;
  -- A truncation would keep readers of the former plan waiting.
  execute format('delete from sync.import_rows_p%s', of_run);
  execute format('delete from staging.import_groups_p%s', of_run);
  delete from sync.import_targets t where t.run = of_run;
  delete from sync.import_candidates c where c.run = of_run;
  insert into sync.import_steps (run, step) values (of_run, 'plan');
end $$;

-- What lines of a planned run, or a customer, are in the answers of people. A line that leads its person may have others' address and name.
create function sync.list_import_persons(of_run bigint, places integer[])
returns table (n integer, person text, whole text, lead integer, customer uuid)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
  return query
    select p.n, sync.import_person(f.source, p.external_id,
        case when not coalesce(p.detail -> 'taken' ? 'email', false) then p.email_key end,
        case when not coalesce(p.detail -> 'taken' ? 'name', false) then p.name end, p.digest),
      sync.import_person(f.source, null, null, null, p.digest), p.lead, p.customer
    from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n = any (places) and p.digest is not null;
end $$;

-- Names and addresses of lines of a run and of customers, for those who look at pairs.
create function sync.name_import_places(of_run bigint, places integer[], customers uuid[])
returns table (n integer, line bigint, customer uuid, name text, email text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
  return query
    select p.n, p.line, null::uuid, p.name, p.email from sync.import_rows p where p.run = of_run and p.n = any (places)
    union all
    select null, null, c.id, c.name, c.email from platform.customers c where c.id = any (customers) and c.erased_at is null;
end $$;

-- The persons that are one with this one by other answers than that of this pair.
create function sync.list_same_persons(of_person text, but_one text, but_other text) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with recursive reach (person) as (
    select of_person collate "C"
    union
    select case when d.one = r.person then d.other else d.one end
    from reach r join sync.import_decisions d on (d.one = r.person or d.other = r.person) and d.answer = 'same'
      and (d.one, d.other) is distinct from (but_one, but_other)
  )
  select array_agg(r.person) from reach r;
end;

-- Keeps what a person says of two lines of a planned run, or of a line and a customer. Returns whether the plan must be decided again.
create function sync.decide_import_pair(of_run bigint, of_n integer, with_n integer, with_customer uuid, answered text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
  a record;
  b record;
  mine text collate "C";
  theirs text collate "C";
  before sync.import_decisions;
  base text;
  changes boolean;
  left_side text[];
  right_side text[];
begin
  perform platform.require_steward();
  select * into r from sync.import_runs x where x.id = of_run for update;
  if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
  if r.state <> 'planned' then
    raise exception 'run % is %: answers are for a plan; afterwards, merge the customers', of_run, r.state
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  elsif num_nonnulls(with_n, with_customer) <> 1 or of_n = with_n then
    raise exception 'an answer is about a line and another line, or a customer' using errcode = 'invalid_parameter_value';
  elsif answered not in ('same', 'different', 'later') then
    raise exception 'an answer is same, different or later' using errcode = 'invalid_parameter_value';
  end if;
  select * into a from sync.list_import_persons(of_run, array[of_n]);
  select * into b from sync.list_import_persons(of_run, array[with_n]);
  if a.n is null or with_n is not null and b.n is null then
    raise exception 'line % of run % is no person', case when a.n is null then of_n else with_n end, of_run
      using errcode = 'no_data_found';
  end if;
  if with_customer is not null then
    select 'customer:' || coalesce(c.merged_into, c.id) into theirs from platform.customers c
    where c.id = with_customer and c.erased_at is null;
    if theirs is null then raise exception 'there is no customer %', with_customer using errcode = 'no_data_found'; end if;
    mine := a.person;
  elsif a.person = b.person then
    mine := a.whole;
    theirs := b.whole;
  else
    mine := a.person;
    theirs := b.person;
  end if;
  if mine = theirs then raise exception 'both lines say exactly the same' using errcode = 'invalid_parameter_value'; end if;
  -- One answer at a time, so that none contradicts another.
  perform pg_advisory_xact_lock(hashtextextended('sync.import_decisions', 0));
  select * into before from sync.import_decisions d where d.one = least(mine, theirs) and d.other = greatest(mine, theirs);
  left_side := sync.list_same_persons(mine, before.one, before.other);
  right_side := sync.list_same_persons(theirs, before.one, before.other);
  if answered = 'different' and theirs = any (left_side) then
    raise exception 'other answers say that these two are one person: change those first'
      using errcode = 'object_not_in_prerequisite_state';
  elsif answered = 'same' and (exists (
      select from sync.import_decisions d
      where d.answer = 'different' and (d.one = any (left_side) and d.other = any (right_side)
        or d.other = any (left_side) and d.one = any (right_side)))
    or (select count(distinct p) from unnest(left_side || right_side) p where starts_with(p, 'customer:')) > 1) then
    raise exception 'other answers say that these two are different, or make each of them another customer: change those first'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  base := coalesce(case when before.decided_at > r.decided_at then before.former else before.answer end, 'later');
  changes := base <> answered and (answered = 'same' or base <> 'later'
    or coalesce(a.lead = b.lead, a.customer = with_customer, false));
  insert into sync.import_decisions as d (one, other, answer, former, run, changes_plan)
  values (least(mine, theirs), greatest(mine, theirs), answered, base, of_run, changes)
  on conflict (one, other) do update
  set answer = excluded.answer, former = excluded.former, run = excluded.run, changes_plan = excluded.changes_plan,
      decided_at = clock_timestamp(), actor = platform.current_actor(), login = session_user;
  update sync.import_runs x set used_at = clock_timestamp() where x.id = of_run;
  perform sync.record_operation('import.answer', jsonb_strip_nulls(jsonb_build_object('run', of_run, 'line', of_n, 'other_line', with_n,
    'customer', with_customer)), null, jsonb_strip_nulls(jsonb_build_object('answer', answered, 'before', before.answer)));
  return changes;
end $$;

-- How many answers that concern a planned run were given since it was decided, and change it.
create function sync.count_new_answers(of_run bigint) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  since constant timestamptz := (select r.decided_at from sync.import_runs r where r.id = of_run);
begin
  if not exists (select from sync.import_decisions d where d.decided_at > since and d.changes_plan) then return 0; end if;
  return (
    select count(*) from sync.import_decisions d
    where d.decided_at > since and d.changes_plan and (d.run = of_run or exists (
      select from sync.list_import_persons(of_run, array(select p.n from sync.import_rows p where p.run = of_run)) p
      where p.person in (d.one, d.other) or p.whole in (d.one, d.other))));
end $$;

-- What the lines of a step became is noted with the answers about them. Customers of whom somebody has said that they are different are
-- never proposed as one again.
create function sync.follow_import_answers(of_run bigint, places integer[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  with became as materialized (
    select u.person, max(p.customer::text)::uuid as customer from sync.list_import_persons(of_run, places) p
      cross join lateral (values (p.person), (p.whole)) u (person)
    where p.customer is not null group by u.person
  ), noted as (
    update sync.import_decisions d
    set one_customer = coalesce((select b.customer from became b where b.person = d.one), d.one_customer),
        other_customer = coalesce((select b.customer from became b where b.person = d.other), d.other_customer)
    where d.one in (select b.person from became b) or d.other in (select b.person from became b)
    returning d.*
  )
  insert into platform.review_candidates as r (customer_id, other_id, reason, evidence, state, is_asked, decided_at, decided_by)
  select distinct on (least(a.id, b.id), greatest(a.id, b.id)) least(a.id, b.id), greatest(a.id, b.id), 'import',
    jsonb_build_object('answered_in', of_run), 'different', false, d.decided_at, d.actor
  from noted d
    join platform.customers a on a.id = coalesce(d.one_customer, case when starts_with(d.one, 'customer:') then substr(d.one, 10)::uuid end)
    join platform.customers b
      on b.id = coalesce(d.other_customer, case when starts_with(d.other, 'customer:') then substr(d.other, 10)::uuid end)
  where d.answer = 'different' and a.id <> b.id and num_nulls(a.merged_into, a.erased_at, b.merged_into, b.erased_at) = 4
  on conflict (customer_id, other_id) do update
  set state = 'different', is_asked = false, merge = null, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    evidence = r.evidence || excluded.evidence
  where r.state in ('open', 'unsure'); -- as in 0021_duplicates.sql, which makes a pair one row
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
    sync.list_import_customers(bigint), sync.list_import_decisions(bigint), sync.keep_import_candidates(bigint, jsonb),
    sync.plan_import(bigint), sync.begin_replan(bigint, jsonb, timestamptz), sync.count_new_answers(bigint),
    sync.decide_import_pair(bigint, integer, integer, uuid, text), sync.list_import_persons(bigint, integer[]),
    sync.name_import_places(bigint, integer[], uuid[])
  to sync_role;
