-- What a person answers of a line is followed, or said not to be. Before, a line went to the customer of its address though somebody had
-- said that it is not that one; a line whose id and address are one customer's went to another one; and a line with the id of one customer
-- and the address of another was held whatever was answered. And lines that have not changed are compared with their customers alone, in
-- every plan: which lines are one person, and how common a name is, is reckoned from the same lines whether or not all are compared again.

-- As before, with what else a line that has not changed says of its person, and with the customers who a line is not, as somebody has said.
drop function sync.list_import_customers(bigint);
create function sync.list_import_customers(
  of_run bigint, out id uuid, out name text, out emails text[], out phones text[], out company text, out company_domain text,
  out has_verified_address boolean, out file smallint, out external_id text, out first_name text,
  out last_name text, out city text, out birth_date text) returns setof record
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
      -- Of whom somebody has said whether a line is they.
      select coalesce(c.merged_into, c.id) from sync.list_import_decisions(%1$s) d
        cross join lateral (values (d.customer), (d.other_customer)) v (id) join platform.customers c on c.id = v.id
      where d.n is not null or d.other_n is not null
      union
      select p.customer_id from platform.customer_phones p join shared s on s.phone_key = p.phone_key
    )
    select c.id, c.name, array(select e.email_key from platform.customer_emails e where e.customer_id = c.id),
      array(select p.phone_key from platform.customer_phones p where p.customer_id = c.id), o.name, o.domain,
      exists (select from platform.customer_emails e where e.customer_id = c.id and e.verified_at is not null), null::smallint, null::text,
      null::text, null::text, null::text, null::text
    from found f join platform.customers c on c.id = f.customer_id and c.merged_into is null and c.erased_at is null
      left join platform.companies o on o.id = c.company_id
    union all
    select c.id, l.name,
      array_remove(array[l.email_key] || array(select a.value ->> 'key' from jsonb_array_elements(l.extra -> 'emails') a), null),
      array_remove(array[l.phone_key] || array(select p.value ->> 'key' from jsonb_array_elements(l.extra -> 'phones') p), null),
      l.company, l.company_domain, false,
      (select min(f.file) from sync.import_files f where f.run = %1$s and f.source = l.source), l.external_id,
      l.first_name, l.last_name, l.city, l.birth_date
    from olds l join sync.import_keys k on k.source = l.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
      join platform.customers m on m.id = k.customer
      join platform.customers c on c.id = coalesce(m.merged_into, m.id) and c.erased_at is null$f$, of_run);
end $$;
revoke all on function sync.list_import_customers(bigint) from public;
grant execute on function sync.list_import_customers(bigint) to sync_role;

-- As before, without an answer that two are different once both have become customers and somebody has merged these.
create or replace function sync.list_import_decisions(
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
        select s.one, s.other, s.answer, s.side, f.n, coalesce(c.merged_into, c.id) as customer, coalesce(b.merged_into, b.id) as became
        from sides s left join found f on f.person = s.person
          left join platform.customers c on c.id = case when f.n is null then coalesce(f.known, s.customer) end
          left join platform.customers b on b.id = s.customer
        where f.n is not null or c.id is not null
      )
      select a.n, b.n, a.customer, b.customer, a.answer from places a join places b on b.one = a.one and b.other = a.other
      where a.side = 1 and b.side = 2 and (a.n is not null or b.n is not null) and a.n is distinct from b.n
        and not (a.answer = 'different' and coalesce(a.became = b.became, false))$f$, of_run);
  end if;
  return query
    select null::integer, null::integer, q.customer_id, q.other_id, q.state from platform.review_candidates q
    where q.state = 'different';
end $$;

-- Whether a plan is another one once a person says that two of it are not one: they are one in it, or one of them is held because nobody
-- knows whose it is.
create function sync.is_one_in_plan(of_run bigint, one integer, other integer, with_customer uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return exists (
  select from sync.import_rows p
    left join platform.customers c on c.id = p.customer
    left join sync.import_rows o on o.run = p.run and o.n = other
    left join platform.customers d on d.id = coalesce(with_customer, o.customer)
  where p.run = of_run and p.n = one
    and (p.lead = o.lead or p.customer = o.customer or coalesce(c.merged_into, c.id) = coalesce(d.merged_into, d.id)
      or p.outcome = 'held' and p.code in ('two-customers', 'not-the-customer', 'address-of-another')
      or o.outcome = 'held' and o.code in ('two-customers', 'not-the-customer', 'address-of-another')));
revoke all on function sync.is_one_in_plan(bigint, integer, integer, uuid) from public;

-- Whose a line of a plan is that has not changed since it was imported; null: it has, or it is new.
create function sync.find_unchanged(of_run bigint, of_n integer) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select coalesce(c.merged_into, c.id)
  from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    join sync.import_keys k on k.source = f.source and k.digest = p.digest and k.key = sync.import_key(p.external_id,
      case when not coalesce(p.detail -> 'taken' ? 'email', false) then p.email_key end, p.digest)
    join platform.customers c on c.id = k.customer
  where p.run = of_run and p.n = of_n);
revoke all on function sync.find_unchanged(bigint, integer) from public;

do $$
declare
  change record;
  body text;
begin
  for change in select * from (values
    ('sync.decide_import_pair(bigint, integer, integer, uuid, text)',
     '  right_side text[];
begin',
     '  right_side text[];
  own uuid;
  others uuid;
begin'),
    ('sync.decide_import_pair(bigint, integer, integer, uuid, text)',
     '  changes := sync.note_plan_answer(of_run, mine, theirs, answered, before.answer,
    coalesce(a.lead = b.lead, a.customer = with_customer, false) or sync.is_of_two_customers(of_run, array[a.n, b.n]));
',
     '  changes := sync.note_plan_answer(of_run, mine, theirs, answered, before.answer,
    sync.is_one_in_plan(of_run, a.n, b.n, with_customer));
'),
    ('sync.decide_import_pair(bigint, integer, integer, uuid, text)',
     '        coalesce(a.lead = b.lead, a.customer = with_customer, false) or sync.is_of_two_customers(planned, array[a.n, b.n]));
    end if;',
     '        sync.is_one_in_plan(planned, a.n, b.n, with_customer));
    end if;'),
    ('sync.decide_import_pair(bigint, integer, integer, uuid, text)',
     '  if mine = theirs then raise exception ''both lines say exactly the same'' using errcode = ''invalid_parameter_value''; end if;
',
     '  if mine = theirs then raise exception ''both lines say exactly the same'' using errcode = ''invalid_parameter_value''; end if;
  -- A line that has not changed brings nothing, so that an answer about it and a customer would do nothing.
  own := sync.find_unchanged(of_run, of_n);
  others := case when with_customer is null then sync.find_unchanged(of_run, with_n) else substr(theirs, 10)::uuid end;
  if answered = ''same'' and own <> others then
    raise exception ''line % has not changed since it became another customer: merge the two customers instead'', of_n
      using errcode = ''object_not_in_prerequisite_state'';
  elsif answered = ''different'' and own = others then
    raise exception ''line % has not changed since it became this customer: undo that import, or take the merge back'', of_n
      using errcode = ''object_not_in_prerequisite_state'';
  end if;
'),

    -- Matching says of a line that a person has answered whose it is. What it holds because nobody knows that stays held.
    ('sync.plan_import(bigint)',
     '  passes_same boolean;
  answered constant integer[] := array(
    select v.n from sync.list_import_decisions(of_run) d cross join lateral (values (d.n), (d.other_n)) v (n)
    where d.answer = ''same'' and v.n is not null);
begin',
     '  passes_same boolean;
begin'),
    ('sync.plan_import(bigint)', '$f$, of_run) using sources, passes_same, answered;', '$f$, of_run) using sources, passes_same;'),
    ('sync.plan_import(bigint)',
     'l.n = any ($3) as is_answered,
        -- A line whose id belongs to a customer is that customer''s, even if others have its address.
        g.n is not null and g.lead is null
          and (g.code = ''external-id'' or l.external_id is null or not exists (
            select from platform.customers c where c.id = k.customer)) as is_held,',
     'l.is_known or g.lead is not null and g.code is not distinct from ''answered'' as is_answered,
        -- A line whose id belongs to a customer is that customer''s, even if others have its address.
        g.n is not null and g.lead is null
          and (g.code not in (''role-mailbox'', ''clashing-names'', ''too-many-people'', ''several-claims'') or l.external_id is null
            or not exists (select from platform.customers c where c.id = k.customer)) as is_held,'),
    ('sync.plan_import(bigint)',
     'select c.email_key from compared c where not c.is_same and c.key_customer <> c.address_customer
',
     'select c.email_key from compared c where not (c.is_same or c.is_answered) and c.key_customer <> c.address_customer
'),
    ('sync.plan_import(bigint)',
     'not x.is_same and (coalesce(x.key_customer, x.group_customer) <> x.address_customer
            or',
     'not (x.is_same or x.is_known) and (case when x.is_answered then x.group_customer else coalesce(x.key_customer, x.group_customer) end
              <> x.address_customer
            or not x.is_answered and'),
    ('sync.plan_import(bigint)',
     'select case when d.leading is null or c.is_same then null
',
     'select case when d.leading is null or c.is_same then null
            when c.is_known then c.group_customer
'),
    ('sync.plan_import(bigint)',
     'when f.key_customer <> f.address_customer then ''held''',
     'when not f.is_known and f.key_customer <> f.address_customer then ''held'''),
    ('sync.plan_import(bigint)',
     'when f.key_customer <> f.address_customer then ''two-customers''',
     'when not f.is_known and f.key_customer <> f.address_customer then ''two-customers'''),
    ('sync.plan_import(bigint)',
     'when f.is_held or g.customers > 1 or g.is_in_doubt or f.key_customer <> f.address_customer then ''held''',
     'when f.is_held or g.customers > 1 or g.is_in_doubt
              or not f.is_answered and f.key_customer <> f.address_customer then ''held'''),
    ('sync.plan_import(bigint)',
     'when g.customers > 1 or g.is_in_doubt or f.key_customer <> f.address_customer then ''two-customers''',
     'when g.customers > 1 or g.is_in_doubt or not f.is_answered and f.key_customer <> f.address_customer then ''two-customers'''),

    -- Lines that have not changed are compared with their customers where somebody asks for it. Matching never sees them: those of one
    -- customer are one person.
    ('sync.plan_import(bigint)',
     '    where l.is_known$f$, of_run) using sources;
',
     '    where l.is_known and $2$f$, of_run) using sources, passes_same;
'),
    ('sync.plan_import(bigint)',
     'execute format(''select count(*) from staging.import_lines_p%s l where l.is_known'', of_run) into expected;',
     'execute format(''select count(*) from staging.import_lines_p%s l where l.is_known and $1'', of_run)
    into expected using passes_same;'),
    ('sync.plan_import(bigint)',
     '  -- Most lines are a person alone.
',
     '  if not passes_same then perform sync.group_unchanged(of_run); end if;
  -- Most lines are a person alone.
'),
    ('sync.plan_import(bigint)',
     'where not l.is_known and not exists (select from staging.import_groups_p%1$s g where g.n = l.n) offset 0) f',
     'where not (l.is_known and $2) and not exists (select from staging.import_groups_p%1$s g where g.n = l.n) offset 0) f'),
    ('sync.plan_import(bigint)',
     '      where not l.is_known
    ), split as',
     '      where not (l.is_known and $2)
    ), split as'),

    -- An answer may give the key of a line to another customer. An undo gives it back.
    ('sync.apply_import(bigint, integer)',
     '  insert into sync.import_keys as k (source, key, customer, digest, run)
',
     '  if exists (select from sync.import_decisions) then perform sync.note_former_keys(of_run, from_n, to_n); end if;
  insert into sync.import_keys as k (source, key, customer, digest, run)
'),
    ('sync.undo_import(bigint, integer)',
     '  update sync.import_keys k set digest = null
',
     '  perform sync.restore_former_keys(of_run, from_n, last_n);
  update sync.import_keys k set digest = null
')) as c (of, was, becomes) loop
    body := pg_get_functiondef(change.of::regprocedure);
    if length(body) - length(replace(body, change.was, '')) <> length(change.was) then
      raise exception '% does not say once: %', change.of, change.was;
    end if;
    execute replace(body, change.was, change.becomes);
  end loop;
end $$;
drop function sync.is_of_two_customers(bigint, integer[]);

-- Groups the lines that have not changed, by their customers and with the lines that matching has given to these. A line that is its
-- customer's only one is in no group.
create function sync.group_unchanged(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format($f$
    with lines as materialized (
      select l.n, l.is_known, g.n is not null as is_grouped, g.lead, coalesce(g.customer, c.merged_into, c.id) as customer
      from staging.import_lines_p%1$s l
        left join staging.import_groups_p%1$s g on g.n = l.n
        join sync.import_files f on f.run = %1$s and f.file = l.file
        left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customers c on c.id = k.customer
      where l.kind = 'person' and (g.n is null or g.lead is not null)
    ), persons as (
      select x.customer, min(coalesce(x.lead, x.n)) as lead from lines x where x.customer is not null
      group by x.customer having bool_or(x.is_known) and count(*) > 1
    )
    insert into staging.import_groups_p%1$s (run, n, lead, customer)
    select %1$s, x.n, p.lead, x.customer from lines x join persons p on p.customer = x.customer where not x.is_grouped$f$, of_run);
end $$;
revoke all on function sync.group_unchanged(bigint) from public;

-- Keeps whose lines were before a step gives them to others. A line whose customer was merged stays that one's, and is none of these.
create function sync.note_former_keys(of_run bigint, from_n integer, to_n integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
  update sync.import_rows p
  set detail = coalesce(p.detail, '{}') || jsonb_build_object('key_was', jsonb_build_object('customer', k.customer, 'run', k.run))
  from sync.import_files f, sync.import_keys k left join platform.customers c on c.id = k.customer
  where p.run = of_run and p.n between note_former_keys.from_n and note_former_keys.to_n
    and p.outcome in ('created', 'updated', 'unchanged') and p.code is distinct from 'same-line'
    and f.run = p.run and f.file = p.file and k.source = f.source
    and k.key = sync.import_key(p.external_id, case when not coalesce(p.detail -> 'taken' ? 'email', false) then p.email_key end, p.digest)
    and k.customer <> p.customer and c.merged_into is distinct from p.customer;
end $$;
revoke all on function sync.note_former_keys(bigint, integer, integer) from public;

-- Gives lines back to whose they were before a run, unless a later run has given them to somebody else: then that run gives them back.
create function sync.restore_former_keys(of_run bigint, from_n integer, to_n integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  line record;
begin
  for line in
    select f.source, w.key, p.customer, p.detail -> 'key_was' as was
    from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
      cross join lateral (select sync.import_key(p.external_id,
        case when not coalesce(p.detail -> 'taken' ? 'email', false) then p.email_key end, p.digest) as key) w
    where p.run = of_run and p.n between restore_former_keys.from_n and restore_former_keys.to_n and p.detail ? 'key_was'
    order by f.source, w.key, p.n desc
  loop
    update sync.import_rows l set detail = jsonb_set(l.detail, '{key_was}', line.was)
    from sync.import_runs r, sync.import_files f
    where l.run > of_run and l.detail ? 'key_was' and l.detail -> 'key_was' ->> 'customer' = line.customer::text
      and r.id = l.run and r.state in ('applying', 'applied') and f.run = l.run and f.file = l.file and f.source = line.source
      and sync.import_key(l.external_id, case when not coalesce(l.detail -> 'taken' ? 'email', false) then l.email_key end, l.digest)
        = line.key;
    continue when found or not exists (
      select from platform.customers c where c.id = (line.was ->> 'customer')::uuid);
    insert into sync.import_keys as k (source, key, customer, run)
    values (line.source, line.key, (line.was ->> 'customer')::uuid, (line.was ->> 'run')::bigint)
    on conflict (source, key) do update set customer = excluded.customer, run = excluded.run, digest = null
    where k.customer = line.customer;
  end loop;
end $$;
revoke all on function sync.restore_former_keys(bigint, integer, integer) from public;
