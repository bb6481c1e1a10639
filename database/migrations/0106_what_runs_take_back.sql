-- An undo gives back what was there, whichever lines and runs wrote over each other. And no plan and no step writes against what people
-- have answered, whichever worker has planned it.

-- As before, but a line is given back after the lock of its key, once, and to whom it was before the run that is undone. Before, it was not
-- where another run had given it on and was partly undone.
create or replace function sync.restore_former_keys(of_run bigint, from_n integer, to_n integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  line record;
  was jsonb;
begin
  for line in
    select f.source, w.key, p.n, p.customer
    from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
      cross join lateral (select sync.import_key(p.external_id,
        case when not coalesce(p.detail -> 'taken' ? 'email', false) then p.email_key end, p.digest) as key) w
    where p.run = of_run and p.n between restore_former_keys.from_n and restore_former_keys.to_n and p.detail ? 'key_was'
    order by f.source, w.key, p.n desc
  loop
    perform from sync.import_keys k where k.source = line.source and k.key = line.key for update;
    -- Another run that was undone meanwhile may have changed it.
    update sync.import_rows p set detail = p.detail - 'key_was' where p.run = of_run and p.n = line.n
    returning old.detail -> 'key_was' into was;
    if exists (select from platform.customers c where c.id = (was ->> 'customer')::uuid) then
      insert into sync.import_keys as k (source, key, customer, run)
      values (line.source, line.key, (was ->> 'customer')::uuid, (was ->> 'run')::bigint)
      on conflict (source, key) do update set customer = excluded.customer, run = excluded.run, digest = null
      where k.customer = line.customer;
      continue when found;
    end if;
    -- Another run has given the line on: that run gives it back.
    update sync.import_rows l set detail = jsonb_set(l.detail, '{key_was}', was)
    from sync.import_runs r, sync.import_files f
    where l.run <> of_run and l.detail ? 'key_was' and l.detail -> 'key_was' ->> 'customer' = line.customer::text
      and r.id = l.run and (r.state in ('applying', 'applied') or r.state = 'undoing' and l.n < r.undone_to)
      and f.run = l.run and f.file = l.file and f.source = line.source
      and sync.import_key(l.external_id, case when not coalesce(l.detail -> 'taken' ? 'email', false) then l.email_key end, l.digest)
        = line.key;
  end loop;
end $$;
revoke all on function sync.restore_former_keys(bigint, integer, integer) from public;

-- What lines have become is no longer so once they are undone: then their customers are those of their keys, if these are still there. Two
-- customers are different because of an answer about lines only while the lines are these customers.
create function sync.unfollow_import_answers(of_run bigint, places integer[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
  with undone as materialized (
    select distinct on (u.person) u.person, p.customer, k.customer as now
    from sync.list_import_persons(of_run, places) p
      join sync.import_rows l on l.run = of_run and l.n = p.n and l.outcome in ('created', 'updated', 'unchanged')
        and l.code is distinct from 'same-line'
      join sync.import_files f on f.run = l.run and f.file = l.file
      left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id,
        case when not coalesce(l.detail -> 'taken' ? 'email', false) then l.email_key end, l.digest)
      cross join lateral (values (p.person), (p.whole)) u (person)
    where p.customer is not null order by u.person, k.customer nulls last
  ), changed as (
    update sync.import_decisions d
    set one_customer = case when o.person is null then d.one_customer else o.now end,
        other_customer = case when t.person is null then d.other_customer else t.now end
    from sync.import_decisions former
      left join undone o on o.person = former.one and o.customer = former.one_customer
      left join undone t on t.person = former.other and t.customer = former.other_customer
    where d.one = former.one and d.other = former.other and (former.one in (select u.person from undone u)
        or former.other in (select u.person from undone u))
      and (o.person is not null and o.now is distinct from o.customer or t.person is not null and t.now is distinct from t.customer)
    returning former.answer,
      coalesce(former.one_customer, case when starts_with(former.one, 'customer:') then substr(former.one, 10)::uuid end) as one,
      coalesce(former.other_customer, case when starts_with(former.other, 'customer:') then substr(former.other, 10)::uuid end) as other
  ), pairs as (
    select least(c.one, c.other) as one, greatest(c.one, c.other) as other from changed c where c.answer = 'different'
  ), gone as (
    delete from platform.review_candidates r using pairs p
    where r.customer_id = p.one and r.other_id = p.other and r.state = 'different' and r.reason = 'import'
      and r.evidence ->> 'answered_in' = of_run::text
  )
  update platform.review_candidates r
  set state = 'open', is_asked = true, decided_at = null, decided_by = null, evidence = r.evidence - 'answered_in'
  from pairs p
  where r.customer_id = p.one and r.other_id = p.other and r.state = 'different' and r.reason <> 'import'
    and r.evidence ->> 'answered_in' = of_run::text;
end $$;
revoke all on function sync.unfollow_import_answers(bigint, integer[]) from public;

-- Holds whole persons of a run that is applied: each of their lines as it was read, if that is still there.
create function sync.hold_persons(of_run bigint, leads integer[], because text, told text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
  if leads = '{}' then return; end if;
  execute format($f$
    update sync.import_rows_p%1$s p
    set outcome = 'held', code = $2, lead = null, customer = null, detail = jsonb_build_object('message', $3),
        planned = coalesce(p.planned, p.outcome),
        email = (o.own).email, email_key = (o.own).email_key, name = (o.own).name, phone = (o.own).phone, phone_key = (o.own).phone_key,
        phone_extension = (o.own).phone_extension, company = (o.own).company, company_domain = (o.own).company_domain, tier = (o.own).tier,
        owner = (o.own).owner, language = (o.own).language, timezone = (o.own).timezone, created_at = (o.own).created_at,
        extra = (o.own).extra, raw = coalesce(p.raw, l.raw)
    from sync.import_rows_p%1$s q
      left join staging.import_lines l on l.run = %1$s and l.n = q.n
      cross join lateral (
        select case when l.n is null then q else jsonb_populate_record(q, to_jsonb(l) - '{run,n,file,line,code,raw}'::text[]) end as own) o
    where q.lead = any ($1) and q.outcome in ('created', 'updated', 'unchanged') and q.code is distinct from 'same-line' and p.n = q.n$f$,
    of_run) using leads, because, told;
end $$;
revoke all on function sync.hold_persons(bigint, integer[], text, text) from public;

-- Finds lines with which a plan would do something against an answer, and new lines of one address whose persons an answer keeps apart:
-- one customer can have it. Says whether there are any; they are held when the plan is decided once more. Matching follows answers, but
-- that of an older worker does not follow all of them.
create function sync.hold_against_answers(of_run bigint, answers jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  has_held boolean;
begin
  execute format($f$
    with said as materialized (
      select d.*, coalesce(c.merged_into, c.id) as whose, coalesce(o.merged_into, o.id) as others
      from jsonb_to_recordset($1) d (n integer, other_n integer, customer uuid, other_customer uuid, answer text)
        left join sync.import_rows_p%1$s a on a.n = d.n left join sync.import_rows_p%1$s b on b.n = d.other_n
        left join platform.customers c on c.id = case when d.n is null then d.customer else a.customer end
        left join platform.customers o on o.id = case when d.other_n is null then d.other_customer else b.customer end
    ), lines as materialized (
      -- Of a new person there is no customer yet, but its id is one already.
      select l.n, l.email_key, p.customer, not l.is_known and p.code is distinct from 'same-line' as is_open
      from staging.import_lines l join sync.import_rows_p%1$s p on p.n = l.n
      where l.run = %1$s and p.customer is not null and (
        l.n in (select v.n from said s cross join lateral (values (s.n), (s.other_n)) v (n)) or l.email_key in (
          select k.email_key from staging.import_lines k join sync.import_rows_p%1$s q on q.n = k.n
          where k.run = %1$s and q.customer in (
            select r.customer from sync.import_rows_p%1$s r
            where r.n in (select v.n from said s cross join lateral (values (s.n), (s.other_n)) v (n)))))
    ), broken as (
      select v.n, case s.answer when 'different' then 'not-the-customer' else 'two-customers' end as code
      from said s left join lines a on a.n = s.n left join lines b on b.n = s.other_n
        cross join lateral (values (s.n), (s.other_n)) v (n)
      where s.answer = 'different' and coalesce(s.whose, a.customer) = coalesce(s.others, b.customer)
        or s.answer = 'same' and coalesce(s.whose, a.customer) <> coalesce(s.others, b.customer)
    ), wrong as (
      select l.n, b.code from lines l join broken b on b.n = l.n
      union all
      -- Nothing of it may reach the customer by another line.
      select o.n, b.code from lines l join broken b on b.n = l.n join lines o on o.email_key = l.email_key and o.customer = l.customer
      union all
      select l.n, 'shared-address' from lines l
      where l.email_key in (select x.email_key from lines x group by x.email_key having count(distinct x.customer) > 1)
        and not exists (select from platform.customer_emails e where e.email_key = l.email_key)
    ), held as materialized (
      select w.n, min(w.code) as code from wrong w join lines l on l.n = w.n and l.is_open group by w.n
    ), former as (
      delete from staging.import_groups g where g.run = %1$s and g.n in (select h.n from held h)
    ), noted as (
      insert into staging.import_groups (run, n, code, reason)
      select %1$s, h.n, h.code, $2 ->> h.code from held h returning n
    )
    select exists (select from noted)$f$, of_run) into has_held using answers, jsonb_build_object(
    'not-the-customer', 'Somebody has answered that this line, or another one of its address, is not the customer to whom it leads, or not '
      'the same person as another line that leads there. Answer whose it is, or give it another address and id in the file.',
    'two-customers', 'Somebody has answered that this line, or another one of its address, is the same person as another line, or a '
      'customer, but it leads to another one. Merge the customers, or answer anew.',
    'shared-address', 'Others with this address are somebody else, after what people have answered, and an address is one customer''s. '
      'Give each an address of their own in the file, or answer that they are the same person.');
  return has_held;
end $$;
revoke all on function sync.hold_against_answers(bigint, jsonb) from public;

-- Holds lines of a step that have come to another customer since the plan, who they are not, as somebody has said: one has got their
-- address since, or their customer was merged.
create function sync.hold_denied(of_run bigint, from_n integer, to_n integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  places integer[];
begin
  places := array(
    select p.n from sync.import_rows p left join platform.customers c on c.id = p.customer
    where p.run = of_run and p.n between hold_denied.from_n and hold_denied.to_n and p.outcome in ('updated', 'unchanged')
      and p.lead >= hold_denied.from_n and p.code is distinct from 'same-line'
      and (p.code = 'address-taken-since' or c.merged_into is not null));
  if places = '{}' then return; end if;
  perform sync.hold_persons(of_run, array(
    with lines as materialized (
      select p.n, p.lead, coalesce(c.merged_into, c.id) as customer, u.person
      from sync.list_import_persons(of_run, array(select generate_series(hold_denied.from_n, hold_denied.to_n))) p
        join platform.customers c on c.id = p.customer
        cross join lateral (values (p.person), (p.whole)) u (person)
    ), said as (
      select l.lead, l.customer, v.other, v.other_customer, v.own_customer
      from lines l join sync.import_decisions d on d.answer = 'different' and l.person in (d.one, d.other) and l.n = any (places)
        cross join lateral (select case when l.person = d.one then d.other else d.one end as other,
          case when l.person = d.one then d.other_customer else d.one_customer end as other_customer,
          case when l.person = d.one then d.one_customer else d.other_customer end as own_customer) v
    )
    select distinct s.lead from said s
      left join platform.customers o on o.id = case when starts_with(s.other, 'customer:') then substr(s.other, 10)::uuid
        else s.other_customer end
      left join platform.customers b on b.id = s.own_customer
    where s.lead is not null
      and (exists (select from lines x where x.person = s.other and x.customer = s.customer and x.lead <> s.lead)
        or coalesce(o.merged_into, o.id) = s.customer and coalesce(b.merged_into, b.id) is distinct from s.customer)),
    'not-the-customer',
    'Somebody has answered that this line is not the customer who has got its address since the plan, or with whom its customer was '
      'merged. Answer whose it is, or give it another address and id in the file.');
end $$;
revoke all on function sync.hold_denied(bigint, integer, integer) from public;

-- As before, with lines that an answer holds because they share an address, or would.
create or replace function sync.is_one_in_plan(of_run bigint, one integer, other integer, with_customer uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return exists (
  select from sync.import_rows p
    left join platform.customers c on c.id = p.customer
    left join sync.import_rows o on o.run = p.run and o.n = other
    left join platform.customers d on d.id = coalesce(with_customer, o.customer)
  where p.run = of_run and p.n = one
    and (p.lead = o.lead or p.customer = o.customer or coalesce(c.merged_into, c.id) = coalesce(d.merged_into, d.id)
      or p.lead <> o.lead and p.email_key = o.email_key
      or p.outcome = 'held' and p.code in ('two-customers', 'not-the-customer', 'address-of-another', 'shared-address')
      or o.outcome = 'held' and o.code in ('two-customers', 'not-the-customer', 'address-of-another', 'shared-address')));

do $$
declare
  change record;
  of text;
  body text;
begin
  for change in select * from (values
    -- A line that a person has answered is told by the worker, since 0102; one before that puts it into its group and says no more.
    ('sync.plan_import(bigint)',
     '  passes_same boolean;
begin',
     '  passes_same boolean;
  answers constant jsonb := (
    select jsonb_agg(d) from sync.list_import_decisions(of_run) d where d.n is not null or d.other_n is not null);
  answered constant integer[] := array(
    select v.n from jsonb_to_recordset(answers) d (n integer, other_n integer, answer text)
      cross join lateral (values (d.n), (d.other_n)) v (n)
    where d.answer = ''same'' and v.n is not null);
begin'),
    ('sync.plan_import(bigint)',
     'l.is_known or g.lead is not null and g.code is not distinct from ''answered'' as is_answered,',
     'l.is_known or g.lead is not null and (g.code is not distinct from ''answered'' or l.n = any ($3)) as is_answered,'),
    ('sync.plan_import(bigint)',
     '  -- Most lines are a person alone.
',
     '  loop
  -- Most lines are a person alone.
'),
    ('sync.plan_import(bigint)',
     '        offset 0) o) d$f$, of_run) using sources, passes_same;
  execute format(''analyze sync.import_rows_p%1$s'', of_run);
',
     '        offset 0) o) d$f$, of_run) using sources, passes_same, answered;
  -- Each turn holds more lines, and rarely is there a second one.
  exit when answers is null or not sync.hold_against_answers(of_run, answers);
  execute format(''delete from sync.import_rows_p%1$s p using staging.import_lines_p%1$s l where l.n = p.n and not (l.is_known and $1)'',
    of_run) using passes_same;
  end loop;
  execute format(''analyze sync.import_rows_p%1$s'', of_run);
'),

    ('sync.apply_import(bigint, integer)',
     '  -- Customers that are there: what the run gives them is compared again, now under their locks.
',
     '  if exists (select from sync.import_decisions) then perform sync.hold_denied(of_run, from_n, to_n); end if;
  -- Customers that are there: what the run gives them is compared again, now under their locks.
'),
    -- What lines write over each other is taken back from the last one.
    ('sync.apply_import(bigint, integer)', '    order by p.customer
  loop', '    order by p.customer, p.n
  loop'),

    -- What lines of this run have written to customers that it has created goes first.
    ('sync.undo_import(bigint, integer)',
     '  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = ''created'' and p.lead = p.n
      and exists (select from platform.customers c where c.id = p.customer));
  if cardinality(places) > 0 then
    select x.removed, x.kept into removed, kept from sync.remove_import_customers(of_run, places) x;
  end if;
', ''),
    ('sync.undo_import(bigint, integer)',
     'select x.restored, undo_import.kept + x.kept into restored, kept from sync.restore_import_writes(of_run, places) x;',
     'select x.restored, x.kept into restored, kept from sync.restore_import_writes(of_run, places) x;'),
    ('sync.undo_import(bigint, integer)',
     'o.state = ''undone'' and o.id <> of_run',
     'o.state in (''undoing'', ''undone'') and o.id <> of_run'),
    ('sync.undo_import(bigint, integer)',
     '  delete from sync.import_keys k
  using',
     '  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = ''created'' and p.lead = p.n
      and exists (select from platform.customers c where c.id = p.customer));
  if cardinality(places) > 0 then
    select x.removed, undo_import.kept + x.kept into removed, kept from sync.remove_import_customers(of_run, places) x;
  end if;

  -- Once: a later undo must not take from other runs what they have made of these lines since.
  if not exists (select from sync.import_steps s where s.run = of_run and s.step = ''undo'' and s.ended_at is not null) then
  delete from sync.import_keys k
  using'),
    ('sync.undo_import(bigint, integer)',
     '  is_done := from_n <= 1;
',
     '  if exists (select from sync.import_decisions) then
    perform sync.unfollow_import_answers(of_run, array(select generate_series(from_n, last_n)));
  end if;
  end if;

  is_done := from_n <= 1;
'),

    ('sync.restore_import_writes(bigint, integer[])',
     '  w record;
  present jsonb;
',
     '  w record;
  present jsonb;
  last_customer uuid;
  last_field text;
  last_present jsonb;
  tried sync.import_writes[];
  replaced sync.import_writes[];
  refused integer;
'),
    -- The last write of a field first: what it has found is what the one before has written.
    ('sync.restore_import_writes(bigint, integer[])',
     'not x.is_undone order by x.customer, x.field
',
     'not x.is_undone order by x.customer, x.field, x.version desc, x.n desc
'),
    ('sync.restore_import_writes(bigint, integer[])',
     '    present := w.present;
',
     '    present := case when (w.customer, w.field) = (last_customer, last_field) then last_present else w.present end;
'),
    ('sync.restore_import_writes(bigint, integer[])',
     '    -- What was written to a customer that is merged now, an unmerge gives back to it: then this run can take it back.
',
     '    last_customer := w.customer; last_field := w.field; last_present := present;
    -- Somebody has put it back already. Of an address and a number it is not known: one that was verified since is there.
    if present is not distinct from w.before and w.erased_at is null and not w.is_merged and w.field !~ '':'' then
      if w.field = ''email'' then
        replaced := replaced || array[row(of_run, w.n, w.customer, w.field, null, w.after, w.version, true)::sync.import_writes];
      end if;
      continue;
    end if;
    -- What was written to a customer that is merged now, an unmerge gives back to it: then this run can take it back.
'),
    -- Whichever line or run has written over it, in the order of their writes and not of their numbers.
    ('sync.restore_import_writes(bigint, integer[])',
     '      from sync.import_runs r
      where l.customer = w.customer and l.field = w.field and l.run > of_run and l.before = w.after and r.id = l.run
        and r.state in (''applying'', ''applied'');
',
     '      where l.customer = w.customer and l.field = w.field and (l.run, l.n) <> (of_run, w.n) and l.version >= w.version
        and l.before = w.after and not l.is_undone;
'),
    ('sync.restore_import_writes(bigint, integer[])',
     '    restored := restored + 1;
',
     '    restored := restored + 1;
    last_present := w.before;
'),
    ('sync.restore_import_writes(bigint, integer[])',
     '      ids := ids || w.held;
',
     '      ids := ids || w.held;
      tried := tried || array[row(of_run, w.n, w.customer, w.field, null, w.after, w.version, true)::sync.import_writes];
      if w.field = ''email'' then replaced := replaced || tried[cardinality(tried)]; end if;
'),
    -- Once: what a person has added since an earlier undo stays.
    ('sync.restore_import_writes(bigint, integer[])',
     'delete from platform.customer_emails e using sync.import_writes x
  where x.run = of_run and x.n = any (places) and x.field = ''email'' and e.customer_id',
     'delete from platform.customer_emails e using unnest(replaced) x
  where e.customer_id'),
    ('sync.restore_import_writes(bigint, integer[])',
     'jsonb_object_agg(f.key, f.value) as change from unnest(ids, changes) u (id, change) cross join',
     'jsonb_object_agg(f.key, f.value order by u.place) as change
          from unnest(ids, changes) with ordinality u (id, change, place) cross join'),
    -- What is refused is tried again by the next undo.
    ('sync.restore_import_writes(bigint, integer[])',
     '      restored := restored - 1;
',
     '      update sync.import_writes x set is_undone = false from unnest(tried) t
      where x.run = of_run and x.n = t.n and x.field = t.field and t.customer = ids[w.place];
      get diagnostics refused = row_count;
      restored := restored - refused;
')) as c (of, was, becomes) loop
    if change.of is distinct from of then
      if of is not null then execute body; end if;
      of := change.of;
      body := pg_get_functiondef(of::regprocedure);
    end if;
    if length(body) - length(replace(body, change.was, '')) <> length(change.was) then
      raise exception '% does not say once: %', change.of, change.was;
    end if;
    body := replace(body, change.was, change.becomes);
  end loop;
  execute body;
end $$;
