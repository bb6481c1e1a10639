-- Applying an import, step by step. The model is in 0012_import.sql.

-- Makes the companies that the run needs and that nobody has made, up to so many. Returns how many are left.
create function sync.make_import_companies(of_run bigint, companies_max integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('planned', 'applying') then return 0; end if;
  if exists (select from crm.custom_fields f where r.app = 'foundation' and f.record = 'company' and f.is_required) then return 0; end if;
  perform set_config('aether.trace', 'import:' || of_run, true);
  with missing as materialized (
    select t.key, uuidv7() as id, coalesce(t.name, t.domain) as name, t.domain from sync.import_targets t
    where t.run = of_run and t.kind = 'company' and t.target is null and t.same_as is null order by t.key limit companies_max
  ), made as (
    insert into platform.companies (id, name, domain, created_by_app) select m.id, m.name, m.domain, r.app from missing m
    on conflict (domain) do nothing returning id
  )
  update sync.import_targets t set target = m.id, made = d.id is not null
  from missing m left join made d on d.id = m.id where t.run = of_run and t.kind = 'company' and t.key = m.key;
  -- Somebody else made a company with this domain meanwhile.
  update sync.import_targets t set target = c.id
  from platform.companies c
  where t.run = of_run and t.kind = 'company' and not t.made and c.domain = t.domain and t.target <> c.id::text;
  return (
    select count(*) from sync.import_targets t
    where t.run = of_run and t.kind = 'company' and t.target is null and t.same_as is null);
end $$;

-- Gives a customer what a person of a run has beyond its columns, and records it. Returns what another customer has already.
create function sync.write_import_extras(of_run bigint, of_n integer, of_customer uuid, extra jsonb, source text, overwrite text[])
returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = auto as $$
declare
  x record;
  conflicts jsonb := '{}';
  written jsonb;
  of_version bigint;
begin
  for x in select * from sync.compare_import_extras(of_customer, extra, source, overwrite) loop
    if x.is_conflict then
      conflicts := conflicts || jsonb_build_object(x.field, jsonb_build_object('ours', x.present, 'theirs', x.given));
      continue;
    end if;
    written := x.given;
    if starts_with(x.field, 'custom.') then
      insert into crm.custom_field_values (field_id, customer_id, value)
      select f.id, of_customer, x.given from crm.custom_fields f where f.record = 'customer' and f.key = substr(x.field, 8)
      on conflict (field_id, customer_id) do update set value = excluded.value;
    elsif starts_with(x.field, 'address:') then
      begin
        perform platform.add_address(of_customer, x.given ->> 'address', x.given ->> 'key');
      exception when unique_violation then
        conflicts := conflicts || jsonb_build_object(x.field, jsonb_build_object('theirs', x.given));
        continue;
      end;
    elsif starts_with(x.field, 'phone:') then
      perform platform.add_phone(of_customer, x.given ->> 'phone', x.given ->> 'key', x.given ->> 'extension');
    else
      insert into crm.activities (customer_id, type, description, occurred_at, created_by_app, created_by, idempotency_key)
      values (of_customer, 'note', x.given #>> '{}', now(), 'foundation',
        (select u.id from platform.users u where u.id = platform.current_actor()),
        'import:' || source || ':' || of_customer || ':' || substr(x.field, 6))
      on conflict (created_by_app, idempotency_key) do nothing;
    end if;
    select c.version into of_version from platform.customers c where c.id = of_customer;
    insert into sync.import_writes (run, n, customer, field, before, after, version)
    values (of_run, of_n, of_customer, x.field, x.present, written, of_version) on conflict do nothing;
  end loop;
  return conflicts;
end $$;

-- A change of a person's fields as platform.update_customers takes it. The address beyond ASCII has its key in the line.
create function sync.import_change(field text, value jsonb, email_key text) returns jsonb
language sql immutable parallel safe
return case field
  when 'email' then jsonb_build_object('email', value, 'email_key', email_key)
  when 'name' then jsonb_build_object('name', value)
  when 'phone' then case when value is null or value = 'null' then '{"phone": null, "phone_key": null, "phone_extension": null}'
    else value end
  when 'company' then jsonb_build_object('company_id', value)
  when 'tier' then jsonb_build_object('account_tier', value)
  when 'owner' then jsonb_build_object('account_manager_id', value)
  when 'language' then jsonb_build_object('preferred_language', value)
  when 'timezone' then jsonb_build_object('timezone', value) end;

-- Applies the next lines of a run, in one transaction: see the overview. is_done: there are no more.
create function sync.apply_import(of_run bigint, lines_max integer, out to_n integer, out created integer, out is_done boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  r sync.import_runs;
  from_n integer;
  overwrite text[];
  rows platform.customers[];
  places integer[];
  ids uuid[];
  refusals jsonb;
  refusal record;
  known integer[];
  rivals integer[];
  changed integer[];
  customers uuid[];
  changes jsonb[];
  versions bigint[];
  person record;
  drawn bigint[];
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('planned', 'applying') then
    if r.state = 'applied' then to_n := r.lines; created := 0; is_done := true; return; end if;
    raise exception 'this run cannot be applied' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'It is ' || coalesce(r.state, 'not there') || ': only a planned run is applied.';
  end if;
  if r.state = 'planned' and sync.count_new_answers(of_run) > 0 then
    raise exception 'answers were given since this plan was decided' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Decide it again (`aether import replan`), so that it follows them';
  end if;
  perform set_config('aether.trace', 'import:' || of_run, true);
  overwrite := array(select jsonb_array_elements_text(r.settings -> 'overwrite'));
  from_n := r.applied_to + 1;
  -- Lines that have not changed need nothing, and are passed over.
  select case when count(*) < lines_max then r.lines else max(w.n) end into to_n
  from (select p.n from sync.import_rows p
        where p.run = of_run and p.n >= from_n and p.code is distinct from 'same-line' order by p.n limit lines_max) w;

  select array_agg(row(
      p.customer, p.email, p.email_key, coalesce(p.name, split_part(p.email, '@', 1)), p.phone, p.phone_key, p.phone_extension,
      coalesce(co.target, alias.target)::uuid, null, p.created_at, null, r.app, null, t.target, w.target, null, p.language, p.timezone,
      null, null)::platform.customers order by p.n), array_agg(p.n order by p.n)
  into rows, places
  from sync.import_rows p
    left join sync.import_targets co on co.run = of_run and co.kind = 'company'
      and co.key = sync.import_company_key(p.company, p.company_domain)
    left join sync.import_targets alias on alias.run = of_run and alias.kind = 'company' and alias.key = co.same_as
    left join sync.import_targets t on t.run = of_run and t.kind = 'tier' and t.key = p.tier
    left join sync.import_targets w on w.run = of_run and w.kind = 'owner' and w.key = p.owner
  where p.run = of_run and p.n between from_n and to_n and p.outcome = 'created' and p.lead = p.n;
  created := coalesce(cardinality(rows), 0);
  if created > 0 then
    -- A customer of another app is one of Foundation's, too: a chat-born one would be adopted when its event comes.
    if r.app <> 'foundation' then
      drawn := platform.draw_customer_numbers('foundation', created, '{}');
      for place in 1..created loop rows[place].crm_id := drawn[place]; end loop;
    end if;
    select i.ids, i.refusals into ids, refusals from platform.insert_customers(rows) i;
    for refusal in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
      created := created - 1;
      if refusal.said ->> 'constraint' in ('customer_emails_pkey', 'customers_pkey') then
        -- Somebody has got this address since the plan: the line belongs to that customer now.
        update sync.import_rows p
        set planned = 'created', outcome = 'updated', code = 'address-taken-since',
            customer = coalesce((select e.customer_id from platform.customer_emails e where e.email_key = p.email_key), p.customer)
        where p.run = of_run and p.n = places[refusal.place];
      else
        update sync.import_rows p
        set planned = 'created', outcome = 'rejected', code = 'refused', customer = null,
            detail = coalesce(p.detail, '{}') || jsonb_build_object('message', refusal.said ->> 'message',
              'field', refusal.said ->> 'column', 'constraint', refusal.said ->> 'constraint')
        where p.run = of_run and p.n = places[refusal.place];
      end if;
    end loop;
    if jsonb_array_length(refusals) > 0 then
      -- The other lines of a person follow the leading one.
      update sync.import_rows p
      set planned = p.outcome, outcome = case l.outcome when 'rejected' then 'rejected' else 'unchanged' end, code = l.code,
        customer = l.customer
      from sync.import_rows l
      where l.run = of_run and l.n = any (places) and l.code in ('refused', 'address-taken-since')
        and p.run = of_run and p.lead = l.n and p.n <> l.n;
    end if;
  end if;

  -- Customers that are there: what the run gives them is compared again, now under their locks.
  select array_agg(p.n order by p.customer), array_agg(p.customer order by p.customer) into known, customers
  from sync.import_rows p
  where p.run = of_run and p.n between from_n and to_n and p.outcome = 'updated' and p.lead = p.n;
  if known is not null then
    perform from platform.customers c
    where c.id in (select coalesce(k.merged_into, k.id) from platform.customers k where k.id = any (customers))
    order by c.id for no key update;
  end if;
  -- A customer that was erased since the plan stays so. One that is gone was created by a run that is undone: its keys are free.
  update sync.import_rows p
  set planned = coalesce(p.planned, p.outcome), outcome = case when g.is_erased then 'excluded' else 'held' end,
      code = case when g.is_erased then 'erased' else 'customer-gone-since' end
  from (
    select q.n, c.id is not null as is_erased
    from sync.import_rows q left join platform.customers k on k.id = q.customer
      left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
    where q.run = of_run and q.n between from_n and to_n and q.outcome in ('updated', 'unchanged') and q.code is distinct from 'same-line'
      and (c.id is null or c.erased_at is not null)) g
  where p.run = of_run and p.n = g.n;
  known := (select array_agg(p.n order by p.customer) from sync.import_rows p
    where p.run = of_run and p.n = any (known) and p.outcome = 'updated');
  if known is not null then
    rivals := known;
    -- Lines that are one customer without being one person, as those of two ids may be, are written one after another.
    loop
      select array_agg(c.n order by c.n) filter (where c.turn = 1), array_agg(c.customer order by c.n) filter (where c.turn = 1),
        array_agg(c.change order by c.n) filter (where c.turn = 1), array_agg(c.n) filter (where c.turn > 1)
      into changed, customers, changes, rivals
      from (
        select x.n, x.customer, v.change, row_number() over (partition by x.customer order by x.n) as turn
        from sync.compare_import(of_run, rivals) x join sync.import_rows p on p.run = of_run and p.n = x.n
          cross join lateral (
            select jsonb_object_agg(f.key, f.value) as change
            from jsonb_each(x.fills) a cross join jsonb_each(sync.import_change(a.key, a.value, p.email_key)) f) v
        where v.change is not null) c;
      exit when changed is null;
      -- What was there is read before it is written.
      insert into sync.import_writes (run, n, customer, field, before, after, version)
      select of_run, c.n, c.customer, a.key, nullif(c.present -> a.key, 'null'), a.value, k.version + 1
      from sync.compare_import(of_run, changed) c cross join jsonb_each(c.fills) a join platform.customers k on k.id = c.customer
      where sync.import_change(a.key, a.value, '') is not null;
      select u.versions, u.refusals into versions, refusals
      from platform.update_customers(customers, array_fill(null::bigint, array[cardinality(customers)]), changes) u;
      for refusal in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
        delete from sync.import_writes w where w.run = of_run and w.n = changed[refusal.place];
        update sync.import_rows p
        set planned = coalesce(p.planned, p.outcome), outcome = 'rejected', code = 'refused',
            detail = coalesce(p.detail, '{}') || jsonb_build_object('message', refusal.said ->> 'message',
              'field', refusal.said ->> 'column', 'constraint', refusal.said ->> 'constraint')
        where p.run = of_run and p.n = changed[refusal.place];
      end loop;
      exit when rivals is null;
    end loop;
    -- The other lines of a person that was refused go with it, so that all of them are read again.
    update sync.import_rows p
    set planned = coalesce(p.planned, p.outcome), outcome = l.outcome, code = l.code, customer = l.customer
    from sync.import_rows l
    where l.run = of_run and l.n = any (known) and l.outcome = 'rejected' and p.run = of_run and p.lead = l.n and p.n <> l.n;
  end if;

  for person in
    select p.n, p.customer, p.extra, f.source from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated') and p.lead = p.n and p.extra is not null
    order by p.customer
  loop
    refusals := sync.write_import_extras(of_run, person.n, (
        select coalesce(c.merged_into, c.id) from platform.customers c where c.id = person.customer and c.erased_at is null),
      person.extra, person.source, overwrite);
    if refusals <> '{}' then
      update sync.import_rows p
      set detail = jsonb_set(coalesce(p.detail, '{}'), '{conflicts}', coalesce(p.detail -> 'conflicts', '{}') || refusals)
      where p.run = of_run and p.n = person.n and not coalesce(p.detail -> 'conflicts' @> refusals, false);
    end if;
  end loop;
  if known is not null then
    update sync.import_rows p
    set planned = coalesce(p.planned, p.outcome), outcome = 'unchanged', code = coalesce(p.code, 'nothing-new-since')
    where p.run = of_run and p.n = any (known) and p.outcome = 'updated'
      and not exists (select from sync.import_writes w where w.run = of_run and w.n = p.n);
  end if;

  insert into sync.import_keys as k (source, key, customer, digest, run)
  select distinct on (f.source, key) f.source, sync.import_key(p.external_id, p.own_key, p.digest) as key, p.customer, p.digest, of_run
  from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p
    join sync.import_files f on f.run = p.run and f.file = p.file
  where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated', 'unchanged')
    and p.code is distinct from 'same-line'
  order by f.source, key, p.n desc
  -- The row of a customer that is merged now stays its row: after an unmerge it is known again.
  on conflict (source, key) do update set digest = excluded.digest, customer = case
    when excluded.customer = (select c.merged_into from platform.customers c where c.id = k.customer) then k.customer
    else excluded.customer end
  where (k.customer, k.digest) is distinct from (excluded.customer, excluded.digest);

  if exists (select from sync.import_decisions) then
    perform sync.follow_import_answers(of_run, array(
      select p.n from sync.import_rows p
      where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated', 'unchanged')
        and p.code is distinct from 'same-line'));
  end if;

  is_done := to_n >= r.lines;
  -- The next plan joins these tables: without their new sizes it would search one of them for each row of another.
  if is_done and r.lines - coalesce((r.planned ->> 'unchanged')::integer, 0) > 5000 then
    analyze sync.import_keys, sync.import_writes, platform.customers, platform.customer_emails, platform.customer_phones;
  end if;
  update sync.import_runs x set applied_to = to_n, state = case when is_done then 'applied' else 'applying' end where x.id = of_run;
  if is_done then perform sync.drop_import_staging(of_run); end if;
end $$;

-- Records that somebody begins, or goes on with, a step of a run.
create function sync.begin_import_step(of_run bigint, of_step text, because text default null) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.import_steps (run, step, reason) values (of_run, of_step, nullif(btrim(because), '')) returning id;
end;
create function sync.end_import_step(of_step bigint, with_outcome jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = with_outcome where s.id = of_step and s.ended_at is null;
end;

grant execute on function
    sync.make_import_companies(bigint, integer), sync.apply_import(bigint, integer), sync.begin_import_step(bigint, text, text),
    sync.end_import_step(bigint, jsonb)
  to sync_role;
