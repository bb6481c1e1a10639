-- A merge: which values the survivor gets, what moves, and the merge itself. The model is in 0017_merges.sql.

-- The columns that a merge decides, and their values as the ledger keeps them: an address and a number with their keys.
create function platform.read_customer_field(c platform.customers, field text) returns jsonb
language sql immutable parallel safe
return nullif(case field
  when 'email' then jsonb_build_object('email', c.email, 'email_key', c.email_key)
  when 'name' then to_jsonb(c.name)
  when 'phone' then case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
    'phone_extension', c.phone_extension) end
  when 'company_id' then to_jsonb(c.company_id)
  when 'account_tier' then to_jsonb(c.account_tier)
  when 'account_manager_id' then to_jsonb(c.account_manager_id)
  when 'preferred_language' then to_jsonb(c.preferred_language)
  when 'timezone' then to_jsonb(c.timezone)
  when 'crm_id' then to_jsonb(c.crm_id)
  when 'support_id' then to_jsonb(c.support_id) end, 'null');

create function platform.write_customer_field(c platform.customers, field text, value jsonb) returns platform.customers
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  case field
    when 'email' then
      c.email := value ->> 'email';
      c.email_key := value ->> 'email_key';
    when 'phone' then
      c.phone := value ->> 'phone';
      c.phone_key := value ->> 'phone_key';
      c.phone_extension := value ->> 'phone_extension';
    else c := jsonb_populate_record(c, jsonb_build_object(field, value));
  end case;
  return c;
end $$;

-- A value as people read it.
create function platform.show_customer_field(field text, value jsonb) returns jsonb
language sql immutable parallel safe
return case field when 'email' then value -> 'email' when 'phone' then value -> 'phone' else value end;

-- The rules of a merge, version 1: for each field that one of the two has, the side whose value the survivor gets, and why.
-- - The survivor's value stays, unless it is empty: then it is the loser's. Empty is also the mark of a customer without an address, and
--   a name that is only the address.
-- - Of two tiers the higher one: a merge takes from nobody what was sold or promised.
-- - A choice of the person decides over every rule, but not for a value that is not there.
create function platform.judge_merge(
  s platform.customers, l platform.customers, choices jsonb,
  out field text, out ours jsonb, out theirs jsonb, out side text, out chosen_by text, out why text, out row_key text)
returns setof record
language sql stable
begin atomic
  with both_have as (
    select f.field, f.place, platform.read_customer_field(s, f.field) as ours, platform.read_customer_field(l, f.field) as theirs,
      case f.field when 'email' then s.email_key = platform.no_address(s.id)
        when 'name' then lower(s.name collate "C") in (s.email_key, split_part(s.email_key, '@', 1))
        else false end as ours_is_mark,
      case f.field when 'email' then l.email_key = platform.no_address(l.id)
        when 'name' then lower(l.name collate "C") in (l.email_key, split_part(l.email_key, '@', 1))
        else false end as theirs_is_mark,
      null as row_key
    from unnest('{name,email,phone,company_id,account_tier,account_manager_id,preferred_language,timezone,crm_id,support_id}'::text[])
      with ordinality f (field, place)
    union all
    select 'custom.' || coalesce(o.field_key, t.field_key), 100 + coalesce(o.field_id, t.field_id), o.value, t.value, false, false,
      case when t.id is not null then o.id::text end
    from (select v.* from crm.custom_field_values v where v.customer_id = s.id) o
      full join (select v.* from crm.custom_field_values v where v.customer_id = l.id) t on t.field_id = o.field_id),
  judged as (
    select b.*, choices ->> b.field as choice,
      case
        when b.theirs is null then '{survivor,Only the survivor has one.}'::text[]
        when b.ours is null then '{loser,Only the other one has one.}'
        when platform.show_customer_field(b.field, b.ours) = platform.show_customer_field(b.field, b.theirs)
          then '{survivor,Both have the same.}'
        when b.ours_is_mark and not b.theirs_is_mark and b.field = 'email' then '{loser,The survivor has no address.}'
        when b.ours_is_mark and not b.theirs_is_mark then '{loser,The name of the survivor is only its address.}'
        when b.field = 'account_tier' then array[
          case when (select t.position from platform.tiers t where t.key = l.account_tier)
                    > (select t.position from platform.tiers t where t.key = s.account_tier) then 'loser' else 'survivor' end,
          'The higher of the two tiers: nobody loses what was sold or promised.']
        when b.field in ('crm_id', 'support_id') then '{survivor,Both numbers lead to the survivor; it keeps its own.}'
        else '{survivor,Both have one: that of the survivor stays.}'
      end as rule
    from both_have b
    where b.ours is not null or b.theirs is not null)
  select j.field, j.ours, j.theirs, coalesce(j.choice, j.rule[1]), case when j.choice is null then 'rule' else 'choice' end,
    case when j.choice is null then j.rule[2] else 'Chosen by hand.' end, j.row_key
  from judged j order by j.place;
end;

-- Why these customers cannot be merged so, or null: { code, message, errcode, constraint, detail, column }. Under the locks it decides;
-- before them it only saves the wait.
create function platform.refuse_merge(survivor uuid, losers uuid[], choices jsonb, expected jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  c platform.customers;
  chosen record;
  loser uuid;
  unknown text;
begin
  if coalesce(cardinality(losers), 0) not between 1 and 50 or survivor is null or array_position(losers, null) is not null then
    return jsonb_build_object('code', 'invalid', 'message', 'A merge has a survivor and 1 to 50 others.',
      'errcode', 'invalid_parameter_value', 'constraint', 'merge_customers', 'column', 'losers');
  elsif survivor = any (losers) or cardinality(losers) <> (select count(distinct l) from unnest(losers) l) then
    return jsonb_build_object('code', 'same-customer', 'message', 'A customer is merged with another one, and only once.',
      'errcode', 'check_violation', 'constraint', 'merge_same', 'column', 'losers');
  end if;
  -- The lint finds it before a release. Here it keeps a table of a third app from being left behind.
  select format('%s (%I)', k.conrelid::regclass, a.attname) into unknown
  from pg_catalog.pg_constraint k join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  where k.contype = 'f' and k.confrelid = 'platform.customers'::regclass and k.conparentid = 0
    and not exists (
      select from platform.merge_references r where to_regclass(r.relation) = k.conrelid and r.customer_column = a.attname);
  if found then
    return jsonb_build_object('code', 'reference-unknown', 'errcode', 'object_not_in_prerequisite_state', 'constraint', 'merge_references',
      'message', format('No migration says what a merge does with %s: call platform.move_in_merges or platform.stay_in_merges.', unknown));
  end if;
  foreach loser in array survivor || losers loop
    select k.* into c from platform.customers k where k.id = loser;
    if c.id is null then
      return jsonb_build_object('code', 'not-found', 'message', 'There is no such customer.', 'errcode', 'no_data_found',
        'constraint', 'customer_missing', 'detail', loser);
    elsif c.erased_at is not null then
      return jsonb_build_object('code', 'customer-erased', 'message', 'A customer that was erased is not merged.',
        'errcode', 'foreign_key_violation', 'constraint', 'customer_erased', 'detail', loser);
    elsif c.merged_into is not null then
      return jsonb_build_object('code', 'customer-merged', 'message', 'One of them is merged already.',
        'errcode', 'foreign_key_violation', 'constraint', 'customer_merged', 'detail', c.merged_into);
    elsif c.version <> (expected ->> loser::text)::bigint then
      return jsonb_build_object('code', 'customer-version-conflict', 'message', 'One of them has changed since it was read.',
        'errcode', 'raise_exception', 'constraint', 'customers_version',
        'detail', jsonb_build_object('customer', loser, 'expected', (expected ->> loser::text)::bigint, 'actual', c.version));
    end if;
  end loop;
  if jsonb_typeof(choices) <> 'object' then
    return jsonb_build_object('code', 'invalid-choice', 'message', 'Choices are an object.', 'errcode', 'invalid_parameter_value',
      'constraint', 'merge_choice', 'column', 'choices', 'hint', 'must be an object of field and side');
  end if;
  for chosen in select o.key as field, o.value #>> '{}' as side from jsonb_each(choices) o loop
    if chosen.side is null
       or chosen.side not in ('survivor', 'loser') and chosen.side <> all (losers::text[])
       or chosen.side = 'loser' and cardinality(losers) > 1 then
      return jsonb_build_object('code', 'invalid-choice', 'message', 'A choice is survivor, loser, or the id of one of several losers.',
        'errcode', 'invalid_parameter_value', 'constraint', 'merge_choice', 'column', chosen.field,
        'hint', 'must be survivor, loser, or the id of one of the losers if there are several');
    end if;
    continue when chosen.side = 'survivor';
    loser := case chosen.side when 'loser' then losers[1] else chosen.side::uuid end;
    if not exists (
      select from platform.customers k cross join platform.customers o
        cross join platform.judge_merge(o, k, '{}') j
      where o.id = survivor and k.id = loser and j.field = chosen.field
        and (j.theirs is not null or j.field not in ('name', 'email', 'phone') and j.field not like 'custom.%')
        and (j.field <> 'email' or k.email_key <> platform.no_address(k.id)))
    then
      return jsonb_build_object('code', 'invalid-choice', 'message', 'The one that was chosen has no such value.',
        'errcode', 'invalid_parameter_value', 'constraint', 'merge_choice', 'column', chosen.field,
        'hint', 'is not a field that this customer has a value of');
    end if;
  end loop;
  return null;
end $$;

create function platform.raise_refusal(refusal jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare sqlstate_of constant text := case refusal ->> 'errcode'
  when 'invalid_parameter_value' then '22023' when 'check_violation' then '23514' when 'no_data_found' then 'P0002'
  when 'foreign_key_violation' then '23503'
  when 'object_not_in_prerequisite_state' then '55000' when 'serialization_failure' then '40001' else 'P0001' end;
begin
  if refusal is null then return; end if;
  raise exception '%', refusal ->> 'message' using errcode = sqlstate_of, constraint = coalesce(refusal ->> 'constraint', ''),
    detail = coalesce(refusal ->> 'detail', ''), column = coalesce(refusal ->> 'column', ''), hint = coalesce(refusal ->> 'hint', '');
end $$;

-- The choices about one of several losers: what was chosen of another one stays as it is by then.
create function platform.choices_about(choices jsonb, loser uuid) returns jsonb
language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(o.key, case when o.value #>> '{}' in ('loser', loser::text) then 'loser' else 'survivor' end), '{}')
  from jsonb_each(choices) o);

-- The expression of a row's key in the ledger.
create function platform.merge_key(r platform.merge_references) returns text
language sql stable
return case cardinality(r.key_columns)
  when 0 then '''''' when 1 then format('t.%I::text', r.key_columns[1])
  else (select format('concat_ws('' '', %s)', string_agg(format('t.%I', k), ', ' order by n))
        from unnest(r.key_columns) with ordinality u (k, n)) end;

-- Locks customers that go on and then those that are merged, each in the order of their ids: see the overview.
create function platform.hold_customers(ids uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('lock_timeout', '3s', true);
  perform from platform.customers c where c.id = any (ids) and c.merged_into is null order by c.id for update;
  perform from platform.customers c where c.id = any (ids) and c.merged_into is not null order by c.id for update;
  -- From here on somebody who holds a row may be waiting for one of these customers.
  perform set_config('lock_timeout', '100ms', true);
end $$;

-- The unique keys that may keep a row of this table from moving: when two rows t and s are the same but for the customer, and which rows
-- the key is about. That there is one primary address, move_in_merges has said: a moved row becomes another one.
create function platform.list_unique_keys(r platform.merge_references, out same text, out condition text) returns setof record
language sql stable
begin atomic
  select coalesce(string_agg(format(case when i.indnullsnotdistinct then 's.%1$I is not distinct from t.%1$I' else 's.%1$I = t.%1$I' end,
      a.attname), ' and ') filter (where a.attname <> r.customer_column), 'true'),
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
  from pg_catalog.pg_index i cross join unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k (attnum)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = r.relation::regclass and i.indisunique and (i.indpred is null or r.and_set is null)
  group by i.indexrelid, i.indrelid, i.indpred, i.indnullsnotdistinct having bool_or(a.attname = r.customer_column);
end;

-- Moves the rows of one reference, after it has put away those that a unique key keeps from moving. The statement that moves a row writes
-- it into the ledger. rivals: merges that are in force and lead to the survivor by now; a row that comes again is no longer theirs.
create function platform.move_rows(
  of_merge uuid, r platform.merge_references, loser uuid, survivor uuid, rivals uuid[], out moved bigint, out suppressed bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  key constant text := platform.merge_key(r);
  unique_key record;
  put_away bigint;
begin
  suppressed := 0;
  for unique_key in select * from platform.list_unique_keys(r) loop
    execute format($move$
      with gone as (
        delete from %1$s t
        where t.%2$I = $2 and (%3$s) and exists (select from (select * from %1$s where %2$I = $3 and (%3$s)) s where %4$s)
        returning %5$s as key, to_jsonb(t) as was)
      insert into platform.merge_suppressed (merge, reference, key, customer_id, was) select $1, %6$s, g.key, $2, g.was from gone g$move$,
      r.relation, r.customer_column, unique_key.condition, unique_key.same, key, r.reference) using of_merge, loser, survivor;
    get diagnostics put_away = row_count;
    suppressed := suppressed + put_away;
  end loop;
  execute format($move$
    with gone as (update %1$s t set %2$I = $3%3$s where t.%2$I = $2 returning %4$s as key, %5$s as was)
    insert into platform.merge_moves (merge, reference, key, was) select $1, %6$s, g.key, g.was from gone g$move$,
    r.relation, r.customer_column, ', ' || r.and_set, key, case when r.keeps_rows then 'to_jsonb(old)' else 'null::jsonb' end, r.reference)
  using of_merge, loser, survivor;
  get diagnostics moved = row_count;
  if moved > 0 and cardinality(rivals) > 0 then
    update platform.merge_moves x set released = 'merged'
    from platform.merge_moves n
    where n.merge = of_merge and n.reference = r.reference
      and x.merge = any (rivals) and x.reference = n.reference and x.key = n.key and x.released is null;
  end if;
end $$;

-- Makes a customer's record and its addresses and numbers agree after rows have come or gone: the primary address is the record's if the
-- customer has it, otherwise the next one, a verified one first, otherwise the mark of having none; the primary number likewise.
create function platform.mend_primary(of_customer uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  c platform.customers;
  e platform.customer_emails;
  p platform.customer_phones;
  mark jsonb;
  gone_at timestamptz;
begin
  select k.* into c from platform.customers k where k.id = of_customer;
  select coalesce(max(x.removed_at), 'infinity') into gone_at from platform.removed_emails x
  where x.customer_id = c.id and (x.email_key = c.email_key or x.email_key in (
    select d.ours ->> 'email_key' from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'email'
    where m.survivor_id = c.id and m.undone_at is null and d.side = 'loser'));
  select a.* into e from platform.customer_emails a
  where a.customer_id = c.id
  order by (a.email_key = c.email_key) desc,
    -- The one that it had before a merge chose the one that is gone.
    exists (
      select from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'email'
      where m.survivor_id = c.id and m.undone_at is null and d.ours ->> 'email_key' = a.email_key) desc,
    -- If the primary one was removed meanwhile, the one that would have taken its place then.
    a.created_at <= gone_at desc, case when a.verified_at <= gone_at then a.verified_at end desc nulls last, a.created_at desc, a.id
  limit 1;
  if e.email_key is null then
    -- The mark that a merge took away, if there was one.
    select o.was into mark from platform.merge_suppressed o join platform.merges m on m.id = o.merge
    where c.id in (m.survivor_id, m.loser_id) and o.key = platform.no_address(c.id) order by m.merged_at desc limit 1;
    insert into platform.customer_emails (id, email_key, email, customer_id, is_primary, created_at, added_by_app, added_by)
    select coalesce(w.id, uuidv7()), n.key, n.key, c.id, true, coalesce(w.created_at, now()),
      coalesce(w.added_by_app, platform.current_app()), case when w.id is null then platform.current_actor() else w.added_by end
    from (select platform.no_address(c.id)) n (key) cross join jsonb_populate_record(null::platform.customer_emails, mark) w
    returning * into e;
  elsif exists (select from platform.customer_emails a where a.customer_id = c.id and a.is_primary <> (a.email_key = e.email_key)) then
    update platform.customer_emails a set is_primary = false where a.customer_id = c.id and a.is_primary and a.email_key <> e.email_key;
    update platform.customer_emails a set is_primary = true where a.email_key = e.email_key and not a.is_primary;
  end if;
  select n.* into p from platform.customer_phones n
  where n.customer_id = c.id
  order by (n.phone_key = c.phone_key and n.phone_extension is not distinct from c.phone_extension) desc nulls last,
    exists (
      select from platform.merges m join platform.merge_fields d on d.merge = m.id and d.field = 'phone'
      where m.survivor_id = c.id and m.undone_at is null and d.ours ->> 'phone_key' = n.phone_key) desc,
    n.created_at, n.id
  limit 1;
  if exists (select from platform.customer_phones n where n.customer_id = c.id and n.is_primary <> (n.id = p.id)) then
    update platform.customer_phones n set is_primary = false where n.customer_id = c.id and n.is_primary and n.id <> p.id;
    update platform.customer_phones n set is_primary = true where n.id = p.id and not n.is_primary;
  end if;
  update platform.customers k
  set email = e.email, email_key = e.email_key, phone = p.phone, phone_key = p.phone_key, phone_extension = p.phone_extension
  where k.id = c.id and (k.email, k.email_key, k.phone, k.phone_key, k.phone_extension)
    is distinct from (e.email, e.email_key, p.phone, p.phone_key, p.phone_extension);
end $$;

-- Writes the fields of a record that a merge decides.
create function platform.write_merged(c platform.customers) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  update platform.customers k
  set email = c.email, email_key = c.email_key, name = c.name, phone = c.phone, phone_key = c.phone_key,
      phone_extension = c.phone_extension, company_id = c.company_id, account_tier = c.account_tier,
      account_manager_id = c.account_manager_id,
      preferred_language = c.preferred_language, timezone = c.timezone, crm_id = c.crm_id, support_id = c.support_id
  where k.id = c.id;
end;

-- Counts a change of a customer and keeps its place in the lists. Returns the record.
create function platform.count_merge(of_customer uuid, to_version bigint) returns platform.customers
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare c platform.customers;
begin
  update platform.customers k set version = to_version, updated_at = now() where k.id = of_customer returning k.* into c;
  insert into crm.customer_order as o (customer_id, account_tier, updated_at)
  select c.id, coalesce(c.account_tier, '~'), c.updated_at where c.merged_into is null
  on conflict (customer_id) do update set account_tier = excluded.account_tier, updated_at = excluded.updated_at;
  return c;
end $$;

-- What of a record differs, as an event shows it: { column: value }.
create function platform.differences(one platform.customers, other platform.customers) returns jsonb
language sql immutable
return (
  select coalesce(jsonb_object_agg(o.key, o.value), '{}') from jsonb_each(to_jsonb(one)) o
  where o.value is distinct from to_jsonb(other) -> o.key and o.key not in ('version', 'updated_at', 'email_key'));

-- Merges one customer into another one. The caller holds both and has checked them.
create function platform.merge_one(
  of_survivor uuid, of_loser uuid, choices jsonb, reason text, evidence jsonb) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  s platform.customers;
  l platform.customers;
  before platform.customers;
  of_merge uuid;
  f platform.merge_fields;
  r platform.merge_references;
  done record;
  moved_rows jsonb := '{}';
  suppressed_rows jsonb := '{}';
  rivals uuid[];
begin
  select c.* into s from platform.customers c where c.id = of_survivor;
  select c.* into l from platform.customers c where c.id = of_loser;
  before := s;
  insert into platform.merges (survivor_id, loser_id, reason, evidence, rules, survivor_version, loser_version)
  values (s.id, l.id, reason, evidence, 1, greatest(s.version, l.version) + 1, l.version) returning id into of_merge;
  insert into platform.merge_fields (merge, field, ours, theirs, chosen, side, chosen_by, why, row_key)
  select of_merge, j.field, j.ours, j.theirs, case j.side when 'loser' then j.theirs else j.ours end, j.side, j.chosen_by, j.why, j.row_key
  from platform.judge_merge(s, l, choices) j;
  rivals := array(
    select m.id from platform.merges m join platform.customers c on c.id = m.loser_id
    where m.undone_at is null and m.id <> of_merge and c.merged_into = s.id);

  -- The mark of having no address moves to nobody, and goes from a survivor that gets an address.
  with gone as (
    delete from platform.customer_emails e
    where e.email_key = platform.no_address(l.id) and e.customer_id = l.id
      or e.email_key = platform.no_address(s.id) and e.customer_id = s.id and l.email_key <> platform.no_address(l.id)
    returning e.*)
  insert into platform.merge_suppressed (merge, reference, key, customer_id, was)
  select of_merge, o.reference, g.email_key, g.customer_id, to_jsonb(g)
  from gone g join platform.merge_references o on o.relation = 'platform.customer_emails';
  -- A custom field of which the loser's value was chosen, and both have one.
  update crm.custom_field_values v set value = d.chosen, updated_at = now()
  from platform.merge_fields d
  where d.merge = of_merge and d.side = 'loser' and d.row_key is not null and v.id = d.row_key::bigint;

  for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
    done := platform.move_rows(of_merge, r, l.id, s.id, rivals);
    if done.moved > 0 then moved_rows := moved_rows || jsonb_build_object(r.relation, done.moved); end if;
    if done.suppressed > 0 then suppressed_rows := suppressed_rows || jsonb_build_object(r.relation, done.suppressed); end if;
  end loop;

  for f in select d.* from platform.merge_fields d where d.merge = of_merge and d.side = 'loser' and d.field not like 'custom.%' loop
    s := platform.write_customer_field(s, f.field, f.theirs);
    -- A number is one customer's at a time.
    if f.field in ('crm_id', 'support_id') then l := platform.write_customer_field(l, f.field, 'null'); end if;
  end loop;
  update platform.customers c set merged_into = s.id, crm_id = l.crm_id, support_id = l.support_id where c.id = l.id;
  delete from crm.customer_order o where o.customer_id = l.id;
  perform platform.write_merged(s);
  perform platform.mend_primary(s.id);
  s := platform.count_merge(s.id, greatest(before.version, l.version) + 1);
  update platform.merges m set moved = moved_rows, suppressed = suppressed_rows where m.id = of_merge;
  perform sync.capture_merge('customer.merged', s,
    jsonb_build_object('merge', of_merge, 'survivor', s.id, 'loser', l.id, 'previous_version', before.version, 'loser_version', l.version,
      'moved', moved_rows) || platform.differences(s, before),
    platform.differences(before, s));
  return jsonb_build_object('merge', of_merge, 'loser', l.id, 'moved', moved_rows, 'suppressed', suppressed_rows, 'version', s.version,
    'fields', platform.list_merge_fields(of_merge));
end $$;

-- The fields of a merge as people read them.
create function platform.list_merge_fields(of_merge uuid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('field', d.field,
        'survivor', platform.show_customer_field(d.field, d.ours), 'loser', platform.show_customer_field(d.field, d.theirs),
        'chosen', d.side, 'by', d.chosen_by, 'why', d.why) order by d.field like 'custom.%', d.field), '[]')
    from platform.merge_fields d where d.merge = of_merge);
end $$;

-- Merges customers into the survivor, in one transaction; see the overview and docs/merging.md.
--   choices   { field: 'survivor' | 'loser' | '<id of a loser>' }, over the rules
--   expected  { '<id>': version }: refused if the customer has changed since
-- Returns { survivor, version, merges: [{ merge, loser, fields, moved: { table: rows }, suppressed: { table: rows } }] }.
create function platform.merge_customers(
  survivor uuid, losers uuid[], choices jsonb default '{}', reason text default null, evidence jsonb default '{}',
  expected jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  former_timeout constant text := current_setting('lock_timeout');
  merged jsonb;
  answer jsonb;
  loser uuid;
begin
  perform platform.require_steward();
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a merge runs under read committed' using errcode = 'feature_not_supported';
  end if;
  perform platform.raise_refusal(platform.refuse_merge(survivor, losers, choices, expected));
  for attempt in 1..60 loop
    begin
      perform platform.hold_customers(
        survivor || losers || array(select c.id from platform.customers c where c.merged_into = any (losers)));
      perform platform.raise_refusal(platform.refuse_merge(survivor, losers, choices, expected));
      merged := '[]';
      foreach loser in array losers loop
        answer := platform.merge_one(survivor, loser, platform.choices_about(choices, loser), nullif(btrim(reason), ''), evidence);
        merged := merged || jsonb_build_array(answer - 'version');
      end loop;
      perform set_config('lock_timeout', former_timeout, true);
      return jsonb_build_object('survivor', survivor, 'version', answer -> 'version', 'merges', merged);
    exception when lock_not_available or deadlock_detected then
      null; -- The savepoint has released every lock, so the transaction that held the row can go on.
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $$;

-- A field's value with the app that wrote it last and the time, as far as the history tells. The mark of having no address is no value.
create function platform.describe_merge_field(c platform.customers, field text, value jsonb) returns jsonb
language sql stable
begin atomic
  select case
    when value is null or field = 'email' and value ->> 'email_key' = platform.no_address(c.id) then null
    else jsonb_build_object('value', platform.show_customer_field(field, value),
    'source', coalesce(h.app, c.created_by_app), 'at', coalesce(h.occurred_at, c.created_at)) end
  from (select 1) one left join lateral (
    select k.app, k.occurred_at from crm.changes k
    where k.customer_id = c.id and k.deal_id is null and k.data ? field order by k.occurred_at desc, k.id desc limit 1) h on true;
end;

-- What a merge would do, and whether it would be refused. It writes and locks nothing.
create function platform.preview_merge(survivor uuid, loser uuid, choices jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  s platform.customers;
  l platform.customers;
  refusal jsonb;
  fields jsonb := '[]';
  moves jsonb := '[]';
  cannot jsonb := '[]';
  r platform.merge_references;
  unique_keys text;
  counted record;
begin
  perform platform.require_steward();
  refusal := platform.refuse_merge(survivor, array[loser], choices, '{}');
  select c.* into s from platform.customers c where c.id = survivor;
  select c.* into l from platform.customers c where c.id = loser;
  if s.id is not null and l.id is not null and s.id <> l.id then
    select coalesce(jsonb_agg(jsonb_build_object('field', j.field,
        'survivor', platform.describe_merge_field(s, j.field, j.ours), 'loser', platform.describe_merge_field(l, j.field, j.theirs),
        'chosen', j.side, 'by', j.chosen_by, 'why', j.why)), '[]')
    into fields
    from platform.judge_merge(s, l, case when refusal is null then platform.choices_about(choices, loser) else '{}' end) j;
    for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
      select string_agg(format('exists (select from (select * from %1$s where %2$I = $2 and (%3$s)) s where (%3$s) and %4$s)',
          r.relation, r.customer_column, u.condition, u.same), ' or ')
      into unique_keys
      from platform.list_unique_keys(r) u;
      execute format('select count(*) filter (where not x.stays) as moved, count(*) filter (where x.stays) as suppressed
        from (select %3$s as stays from %1$s t where t.%2$I = $1) x', r.relation, r.customer_column, coalesce(unique_keys, 'false'))
      into counted using loser, survivor;
      if r.relation = 'platform.customer_emails' and l.email_key = platform.no_address(l.id) then
        counted.moved := counted.moved - 1;
      end if;
      if counted.moved > 0 then
        moves := moves || jsonb_build_object('table', r.relation, 'column', r.customer_column, 'rows', counted.moved);
      end if;
      if counted.suppressed > 0 then
        cannot := cannot || jsonb_build_object('table', r.relation, 'rows', counted.suppressed,
          'why', 'The survivor has one with the same key. The ledger keeps the row, and an unmerge gives it back.');
      end if;
    end loop;
  end if;
  return jsonb_build_object(
    'survivor', case when s.id is not null then jsonb_build_object('id', s.id, 'name', s.name, 'email', s.email, 'version', s.version) end,
    'loser', case when l.id is not null then jsonb_build_object('id', l.id, 'name', l.name, 'email', l.email, 'version', l.version) end,
    'fields', fields, 'moves', moves, 'cannot', cannot,
    'refused', case when refusal is not null then refusal - 'errcode' - 'constraint' end);
end $$;

grant execute on function
    platform.judge_merge(platform.customers, platform.customers, jsonb), platform.refuse_merge(uuid, uuid[], jsonb, jsonb),
    platform.raise_refusal(jsonb), platform.choices_about(jsonb, uuid), platform.merge_key(platform.merge_references),
    platform.list_unique_keys(platform.merge_references), platform.hold_customers(uuid[]),
    platform.move_rows(uuid, platform.merge_references, uuid, uuid, uuid[]), platform.mend_primary(uuid),
    platform.write_merged(platform.customers), platform.count_merge(uuid, bigint),
    platform.differences(platform.customers, platform.customers), platform.merge_one(uuid, uuid, jsonb, text, jsonb),
    platform.list_merge_fields(uuid), platform.read_customer_field(platform.customers, text),
    platform.write_customer_field(platform.customers, text, jsonb), platform.show_customer_field(text, jsonb),
    platform.describe_merge_field(platform.customers, text, jsonb)
  to merge_role;

grant create on schema platform to merge_role;
alter function platform.preview_merge(uuid, uuid, jsonb) owner to merge_role;
alter function platform.merge_customers(uuid, uuid[], jsonb, text, jsonb, jsonb) owner to merge_role;
revoke create on schema platform from merge_role;
set local role merge_role;
grant execute on function platform.preview_merge(uuid, uuid, jsonb), platform.merge_customers(uuid, uuid[], jsonb, text, jsonb, jsonb)
  to console_role, sync_role, platform_owner;
set local role platform_owner;
