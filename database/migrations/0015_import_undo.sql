-- Taking an import back, and comparing it with the database. The model is in 0012_import.sql.

-- What still refers to these records, by table, beyond what `but` names; it reads the references from the catalogue, so that those of a
-- third app count as well.
create function sync.list_references(target regclass, ids uuid[], but regclass[], out id uuid, out part text, out rows bigint)
returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  reference record;
begin
  for reference in
    select k.conrelid::regclass as child, a.attname from pg_catalog.pg_constraint k
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = target and k.conrelid <> all (but) and k.conparentid = 0
    order by k.conrelid::regclass::text, a.attname
  loop
    return query execute format('select t.%2$I, %3$L, count(*) from %1$s t where t.%2$I = any ($1) group by t.%2$I',
      reference.child, reference.attname, reference.child::text) using ids;
  end loop;
end $$;

-- Deletes customers to which nothing refers, with what the database has written for them, and frees their lines. Returns how many there
-- were. The plans of triggers and references are kept, whatever the caller has set: a plan for each row takes five times as long.
create function sync.delete_import_customers(gone uuid[]) returns integer
language plpgsql set search_path = pg_catalog, pg_temp set plan_cache_mode = auto as $$
declare
  deleted integer;
begin
  delete from crm.changes h where h.customer_id = any (gone);
  delete from crm.activities a where a.customer_id = any (gone);
  delete from crm.custom_field_values v where v.customer_id = any (gone);
  delete from platform.review_candidates q where q.customer_id = any (gone) or q.other_id = any (gone);
  delete from sync.quality_findings q where q.customer_id = any (gone) or q.other_id = any (gone);
  delete from platform.customer_external_ids x where x.customer_id = any (gone);
  delete from platform.customer_phones h where h.customer_id = any (gone);
  delete from platform.customer_emails e where e.customer_id = any (gone);
  delete from crm.customer_order o where o.customer_id = any (gone);
  delete from platform.customers c where c.id = any (gone);
  get diagnostics deleted = row_count;
  -- The lines of other runs that were these customers, too: otherwise they would be known for ever as those of nobody.
  delete from sync.import_keys k where k.customer = any (gone);
  return deleted;
end $$;

-- Takes back the creation of customers by a run, as if they had never been: the rows go, so that no list, search, lookup or cache can show
-- them and their addresses and numbers are free; customer.deleted tells everybody. A customer that was changed
-- or got something since is kept and listed. The customers are locked first: a session that adds a child to one waits, and is then refused.
create function sync.remove_import_customers(of_run bigint, places integer[], out removed integer, out kept integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids uuid[];
  gone uuid[];
begin
  select array_agg(p.customer) into ids from sync.import_rows p where p.run = of_run and p.n = any (places);
  perform from platform.customers c where c.id = any (ids) order by c.id for update;
  delete from sync.import_kept k where k.run = of_run and k.n = any (places);
  -- One statement reads all: what commits after it cannot have touched these customers, because they are locked.
  with mine as materialized (
    select p.*, c.id, c.merged_into, c.erased_at, c.email as now_email, c.name as now_name, c.phone as now_phone, c.company_id,
      c.account_tier, c.account_manager_id, c.preferred_language, c.timezone as now_timezone,
      coalesce(co.target, alias.target) as company_target, t.target as tier_target, w.target as owner_target
    from sync.import_rows p join platform.customers c on c.id = p.customer
      left join sync.import_targets co on co.run = of_run and co.kind = 'company'
        and co.key = sync.import_company_key(p.company, p.company_domain)
      left join sync.import_targets alias on alias.run = of_run and alias.kind = 'company' and alias.key = co.same_as
      left join sync.import_targets t on t.run = of_run and t.kind = 'tier' and t.key = p.tier
      left join sync.import_targets w on w.run = of_run and w.kind = 'owner' and w.key = p.owner
    where p.run = of_run and p.n = any (places)
  ), touched as (
    select m.n, m.id, v.field, to_jsonb(v.written) as written, to_jsonb(v.present) as present
    from mine m cross join lateral (values
      ('email', m.email, m.now_email), ('name', coalesce(m.name, split_part(m.email, '@', 1)), m.now_name), ('phone', m.phone, m.now_phone),
      ('company', m.company_target, m.company_id::text), ('tier', m.tier_target, m.account_tier),
      ('owner', m.owner_target, m.account_manager_id), ('language', m.language, m.preferred_language),
      ('timezone', m.timezone, m.now_timezone), ('merged', null, m.merged_into::text),
      ('erased', null, m.erased_at::text)) v (field, written, present)
    where v.written is distinct from v.present
    union all
    select m.n, m.id, 'address:' || e.email_key, null, jsonb_build_object('address', e.email, 'verified_at', e.verified_at)
    from mine m join platform.customer_emails e on e.customer_id = m.id
    where e.verified_at is not null or e.email_key <> m.email_key and not exists (
      select from sync.import_writes w where w.run = of_run and w.n = m.n and w.field = 'address:' || e.email_key)
    union all
    select m.n, m.id, 'phone:' || h.phone_key, null, to_jsonb(h.phone)
    from mine m join platform.customer_phones h on h.customer_id = m.id
    where not h.is_primary and not exists (
      select from sync.import_writes w
      where w.run = of_run and w.n = m.n and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, ''))
    union all
    select m.n, m.id, 'custom.' || v.field_key, w.after, v.value
    from mine m join crm.custom_field_values v on v.customer_id = m.id
      left join sync.import_writes w on w.run = of_run and w.n = m.n and w.field = 'custom.' || v.field_key
    where v.value is distinct from w.after
    union all
    select m.n, m.id, 'crm.activities', null, to_jsonb(count(*))
    from mine m join crm.activities a on a.customer_id = m.id
    where not exists (
      select from sync.import_writes w join sync.import_files f on f.run = m.run and f.file = m.file
      where w.run = of_run and w.n = m.n and starts_with(w.field, 'note:') and w.after = to_jsonb(a.description)
        and a.created_by_app = 'foundation'
        and a.idempotency_key = 'import:' || f.source || ':' || w.customer || ':' || substr(w.field, 6))
    group by m.n, m.id
    union all
    select m.n, m.id, 'platform.review_candidates', null, to_jsonb(count(*))
    from mine m join platform.review_candidates q on m.id in (q.customer_id, q.other_id)
    where q.state <> 'open' and q.reason <> 'unmerged' and not q.evidence ? 'answered_in' or q.reason = 'verified_claim' group by m.n, m.id
    union all
    select m.n, m.id, x.part, null, to_jsonb(x.rows)
    from sync.list_references('platform.customers', ids, '{platform.customer_emails,platform.customer_phones,
        platform.customer_external_ids,crm.custom_field_values,crm.activities,crm.changes,platform.review_candidates}') x
      join mine m on m.id = x.id
  )
  insert into sync.import_kept (run, n, customer, field, written, present)
  select of_run, t.n, t.id, t.field, t.written, t.present from touched t on conflict (run, n, field) do nothing;

  select array_agg(p.customer) into gone from sync.import_rows p
  where p.run = of_run and p.n = any (places) and not exists (select from sync.import_kept k where k.run = of_run and k.n = p.n);
  select count(distinct k.n) into kept from sync.import_kept k where k.run = of_run and k.n = any (places);
  removed := sync.delete_import_customers(gone);
end $$;

-- The sources of lines of a run.
create function sync.list_line_sources(of_run bigint, places integer[]) returns table (n integer, source text)
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
  return query
    select p.n, f.source from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n = any (places);
end $$;

-- Puts back what a run wrote to customers that were there before it: each value that is still as the run wrote it. A value that a later
-- run wrote over is that run's to put back, so that run gets what was there before this one.
create function sync.restore_import_writes(of_run bigint, places integer[], out restored integer, out kept integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = auto as $$
declare
  ids uuid[];
  changes jsonb[];
  refusals jsonb;
  w record;
  present jsonb;
begin
  restored := 0;
  perform from platform.customers c
  where c.id in (
    select coalesce(k.merged_into, k.id) from platform.customers k
    where k.id in (select x.customer from sync.import_writes x where x.run = of_run and x.n = any (places)))
  order by c.id for no key update;
  delete from sync.import_kept k where k.run = of_run and k.n = any (places);
  for w in
    select x.*, c.id as held, c.erased_at, k.merged_into is not null as is_merged, v.present,
      -- Another run may have written the same note: each is known by its source.
      'import:' || f.source || ':' || x.customer || ':' || substr(x.field, 6) as note_key
    from sync.import_writes x
      join sync.list_line_sources(of_run, places) f on f.n = x.n
      left join platform.customers k on k.id = x.customer
      left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
      cross join lateral (select case x.field
          when 'email' then to_jsonb(c.email) when 'name' then to_jsonb(c.name)
          when 'phone' then case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
            'phone_extension', c.phone_extension) end
          when 'company' then to_jsonb(c.company_id) when 'tier' then to_jsonb(c.account_tier)
          when 'owner' then to_jsonb(c.account_manager_id) when 'language' then to_jsonb(c.preferred_language)
          when 'timezone' then to_jsonb(c.timezone) end) v (present)
    where x.run = of_run and x.n = any (places) and not x.is_undone order by x.customer, x.field
  loop
    update sync.import_writes x set is_undone = true where x.run = of_run and x.n = w.n and x.field = w.field;
    if w.held is null then continue; end if; -- it was removed with the run that had created it
    present := w.present;
    if starts_with(w.field, 'custom.') then
      select v.value into present from crm.custom_field_values v where v.customer_id = w.held and v.field_key = substr(w.field, 8);
    elsif starts_with(w.field, 'address:') then
      select w.after into present from platform.customer_emails e
      where e.email_key = substr(w.field, 9) and e.customer_id = w.held and not e.is_primary and e.verified_at is null;
    elsif starts_with(w.field, 'phone:') then
      select w.after into present from platform.customer_phones h
      where h.customer_id = w.held and not h.is_primary and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, '');
    elsif starts_with(w.field, 'note:') then
      select to_jsonb(a.description) into present from crm.activities a
      where a.customer_id = w.held and a.created_by_app = 'foundation' and a.idempotency_key = w.note_key;
    end if;
    -- What was written to a customer that is merged now, an unmerge gives back to it: then this run can take it back.
    if present is distinct from w.after or w.erased_at is not null or w.is_merged then
      update sync.import_writes x set is_undone = false where x.run = of_run and x.n = w.n and x.field = w.field;
      update sync.import_writes l set before = w.before
      from sync.import_runs r
      where l.customer = w.customer and l.field = w.field and l.run > of_run and l.before = w.after and r.id = l.run
        and r.state in ('applying', 'applied');
      insert into sync.import_kept (run, n, customer, field, written, present)
      values (of_run, w.n, w.held, w.field, w.after, present) on conflict do nothing;
      continue;
    end if;
    restored := restored + 1;
    if starts_with(w.field, 'custom.') then
      if w.before is null then
        delete from crm.custom_field_values v where v.customer_id = w.held and v.field_key = substr(w.field, 8);
      else
        update crm.custom_field_values v set value = w.before where v.customer_id = w.held and v.field_key = substr(w.field, 8);
      end if;
    elsif starts_with(w.field, 'address:') then
      delete from platform.customer_emails e where e.email_key = substr(w.field, 9) and e.customer_id = w.held;
      perform platform.count_change(w.held);
    elsif starts_with(w.field, 'phone:') then
      delete from platform.customer_phones h
      where h.customer_id = w.held and not h.is_primary and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, '');
      perform platform.count_change(w.held);
    elsif starts_with(w.field, 'note:') then
      delete from crm.activities a
      where a.customer_id = w.held and a.created_by_app = 'foundation' and a.idempotency_key = w.note_key;
    else
      ids := ids || w.held;
      changes := changes || sync.import_change(w.field, coalesce(w.before, 'null'),
        (select e.email_key from platform.customer_emails e where e.customer_id = w.held and to_jsonb(e.email) = w.before limit 1));
    end if;
  end loop;
  if ids is not null then
    select array_agg(m.id order by m.id), array_agg(m.change order by m.id) into ids, changes
    from (select u.id, jsonb_object_agg(f.key, f.value) as change from unnest(ids, changes) u (id, change) cross join jsonb_each(u.change) f
          group by u.id) m;
    select u.refusals into refusals from platform.update_customers(ids, array_fill(null::bigint, array[cardinality(ids)]), changes) u;
    for w in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
      restored := restored - 1;
      insert into sync.import_kept (run, n, customer, field, written, present)
      select of_run, l.n, ids[w.place], 'refused', changes[w.place], w.said from sync.import_writes l
      where l.run = of_run and l.n = any (places) and l.customer = ids[w.place] limit 1 on conflict do nothing;
    end loop;
  end if;
  -- An address that the run made the primary one was the customer's second one for a moment; it goes with the run.
  delete from platform.customer_emails e using sync.import_writes x
  where x.run = of_run and x.n = any (places) and x.field = 'email' and e.customer_id = x.customer and not e.is_primary
    and e.verified_at is null and to_jsonb(e.email) = x.after
    and not exists (select from sync.import_kept k where k.run = of_run and k.n = x.n and k.field = 'email');
  select count(*) into kept from sync.import_kept k where k.run = of_run and k.n = any (places);
end $$;

-- Takes back the last lines of a run that are not taken back yet, in one transaction. A run that is undone may be undone again: what was
-- kept is tried again, because the reason may be gone.
create function sync.undo_import(
  of_run bigint, lines_max integer, out from_n integer, out removed integer, out restored integer, out kept integer, out is_done boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  r sync.import_runs;
  last_n integer;
  places integer[];
  companies uuid[];
  older record;
  older_removed integer;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('applying', 'applied', 'undoing', 'undone') then
    raise exception 'this run has written nothing' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'It is ' || coalesce(r.state, 'not there') || ': only what was applied is undone.';
  end if;
  perform set_config('aether.trace', 'import:' || of_run || ':undo', true);
  last_n := case r.state when 'undoing' then r.undone_to - 1 else r.applied_to end;
  from_n := greatest(last_n - lines_max + 1, 1);
  removed := 0; restored := 0; kept := 0;

  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = 'created' and p.lead = p.n
      and exists (select from platform.customers c where c.id = p.customer));
  if cardinality(places) > 0 then
    select x.removed, x.kept into removed, kept from sync.remove_import_customers(of_run, places) x;
  end if;
  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = 'updated' and p.lead = p.n);
  if cardinality(places) > 0 then
    select x.restored, undo_import.kept + x.kept into restored, kept from sync.restore_import_writes(of_run, places) x;
    -- A customer of an older run that was undone was kept because of what this run had written to it.
    for older in
      select k.run, array_agg(distinct k.n) as places from sync.import_kept k
        join sync.import_runs o on o.id = k.run and o.state = 'undone' and o.id <> of_run
      where k.customer in (select w.customer from sync.import_writes w where w.run = of_run and w.n = any (places))
      group by k.run order by k.run
    loop
      older.places := array(
        select p.n from sync.import_rows p where p.run = older.run and p.n = any (older.places) and p.outcome = 'created');
      continue when older.places = '{}';
      select x.removed into older_removed from sync.remove_import_customers(older.run, older.places) x;
      update sync.import_runs x set removed = x.removed + older_removed where x.id = older.run;
    end loop;
  end if;

  delete from sync.import_keys k
  using (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p,
    sync.import_files f
  where p.run = of_run and p.n between from_n and last_n and p.outcome in ('created', 'updated', 'unchanged')
    and f.run = p.run and f.file = p.file and k.source = f.source and k.run = of_run
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest)
    and (p.outcome <> 'created' or not exists (select from platform.customers c where c.id = p.customer));
  update sync.import_keys k set digest = null
  from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p,
    sync.import_files f
  where p.run = of_run and p.n between from_n and last_n and p.outcome in ('updated', 'unchanged')
    and p.code is distinct from 'same-line'
    and f.run = p.run and f.file = p.file and k.source = f.source
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest) and k.digest = p.digest;

  is_done := from_n <= 1;
  if is_done then
    if last_n > 0 then delete from sync.import_kept k where k.run = of_run and k.n = 0; end if;
    -- A company that nobody uses and nobody has changed goes. Its lock keeps others from beginning to use it. Many take many steps.
    companies := array(
      select c.id
      from sync.import_targets t join platform.companies c on c.id = case t.kind when 'company' then t.target::uuid end
      where t.run = of_run and t.kind = 'company' and t.made
        and not exists (select from sync.import_kept k where k.run = of_run and k.n = 0 and k.field = 'company:' || t.key)
      order by c.id limit lines_max for update of c);
    insert into sync.import_kept (run, n, customer, field, present)
    select of_run, 0, c.id, 'company:' || t.key, coalesce(x.uses, jsonb_build_object('version', c.version))
    from platform.companies c
      join sync.import_targets t on t.run = of_run and t.kind = 'company' and t.made and t.target = c.id::text
      left join (
        select l.id, jsonb_object_agg(l.part, l.rows) as uses from sync.list_references('platform.companies', companies, '{}') l
        group by l.id) x on x.id = c.id
    where c.id = any (companies) and (x.id is not null or c.version <> 1);
    delete from platform.companies c
    where c.id = any (companies) and not exists (
      select from sync.import_kept k where k.run = of_run and k.n = 0 and k.customer = c.id);
    is_done := cardinality(companies) < lines_max;
  end if;
  update sync.import_runs x
  set undone_to = from_n, state = case when is_done then 'undone' else 'undoing' end, removed = x.removed + undo_import.removed,
      restored = x.restored + undo_import.restored
  where x.id = of_run;
end $$;

-- Compares what a run says with what the database holds, one row for each question.
create function sync.verify_import(of_run bigint, out question text, out expected bigint, out found bigint) returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run;
  -- Right after a run nothing is analyzed: PostgreSQL takes its tables for small, and would search one of them for each row of another.
  perform set_config('enable_nestloop', 'off', true), set_config('work_mem', '128MB', true), set_config('jit', 'off', true);
  return query select 'lines have an outcome', r.lines::bigint, (select count(*) from sync.import_rows p where p.run = of_run);
  if r.state not in ('applying', 'applied') then return; end if;
  return query
    select 'created customers are there', count(*), count(c.id)
    from sync.import_rows p left join platform.customers c on c.id = p.customer
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'created customers are known by their address', count(*), count(e.email_key)
    from sync.import_rows p left join platform.customers c on c.id = p.customer
      left join platform.customer_emails e on e.email_key = p.email_key and e.customer_id in (c.id, c.merged_into)
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'created customers have the number of their app', count(*), count(coalesce(x.customer_id, y.customer_id))
    from sync.import_rows p left join platform.customers c on c.id = p.customer
      left join (select distinct i.customer_id from platform.customer_external_ids i where i.app = r.app) x on x.customer_id = c.id
      left join (select distinct i.customer_id from platform.customer_external_ids i where i.app = r.app) y on y.customer_id = c.merged_into
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'lines of customers are known by their key', count(*), count(k.customer)
    from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p
      join sync.import_files f on f.run = p.run and f.file = p.file
      left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(p.external_id, p.own_key, p.digest)
    where p.run = of_run and p.n <= r.applied_to and p.outcome in ('created', 'updated', 'unchanged');
  return query
    select 'updated customers have their writes in the ledger', count(*), count(*) filter (where exists (
      select from sync.import_writes w where w.run = of_run and w.n = p.n))
    from sync.import_rows p where p.run = of_run and p.n <= r.applied_to and p.outcome = 'updated' and p.lead = p.n;
end $$;

grant execute on function
    sync.undo_import(bigint, integer), sync.verify_import(bigint)
  to sync_role;
