-- An unmerge: which values and rows go back, and which stay. The model is in 0017_merges.sql.

-- The merges between a survivor and the customer that it goes on as: [A into C, C into D …], empty for one that goes on itself.
create function platform.path_of(of_customer uuid) returns uuid[]
language sql stable
begin atomic
  with recursive path (merge, survivor, step) as (
    select m.id, m.survivor_id, 1 from platform.merges m where m.loser_id = of_customer and m.undone_at is null
    union all
    select m.id, m.survivor_id, p.step + 1 from path p join platform.merges m on m.loser_id = p.survivor and m.undone_at is null)
  select coalesce(array_agg(p.merge order by p.step), '{}') from path p;
end;

-- The merges in force that lead to a customer: into it, into those, and so on.
create function platform.merges_below(of_customer uuid) returns setof uuid
language sql stable
begin atomic
  with recursive below (merge, loser) as (
    select m.id, m.loser_id from platform.merges m where m.survivor_id = of_customer and m.undone_at is null
    union all
    select m.id, m.loser_id from below b join platform.merges m on m.survivor_id = b.loser and m.undone_at is null)
  select b.merge from below b;
end;

-- Puts back a field of the survivor if it still has the value that the merge chose. Three other places took that value over and change with
-- it: the entries of later merges into the same survivor, the survivor's record, and the customer into which the survivor was merged later.
-- If the survivor has another value by now, `present` is that value.
create function platform.put_back_field(m platform.merges, f platform.merge_fields, out is_back boolean, out present jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  c platform.customers;
  n record;
  target uuid := m.survivor_id;
  since timestamptz := m.merged_at;
  was jsonb := f.chosen;
  becomes jsonb := f.ours;
begin
  loop
    for n in
      select x.id, d.ours, d.side from platform.merges x left join platform.merge_fields d on d.merge = x.id and d.field = f.field
      where x.survivor_id = target and x.undone_at is null and x.merged_at > since order by x.merged_at
    loop
      present := n.ours;
      is_back := coalesce(is_back, present is not distinct from was);
      if present is distinct from was then return; end if; -- it was edited before this merge
      update platform.merge_fields d set ours = becomes, chosen = case d.side when 'survivor' then becomes else d.chosen end
      where d.merge = n.id and d.field = f.field;
      if n.side = 'loser' then return; end if; -- what came then is of that merge
    end loop;
    select k.* into c from platform.customers k where k.id = target;
    select d.merge, d.side, d.ours, d.theirs, d.chosen, d.chosen_by, x.survivor_id, x.merged_at into n
    from platform.merge_fields d join platform.merges x on x.id = d.merge
    where x.loser_id = target and x.undone_at is null and d.field = f.field;
    present := platform.read_customer_field(c, f.field);
    -- A number that a later survivor took over is no more in the record, but in the ledger.
    if n.side = 'loser' and f.field in ('crm_id', 'support_id') then present := n.theirs; end if;
    is_back := coalesce(is_back, present is not distinct from was);
    if present is distinct from was then return; end if;
    if n.side is distinct from 'loser' or f.field not in ('crm_id', 'support_id') then
      perform platform.write_merged(platform.write_customer_field(c, f.field, coalesce(becomes, 'null')));
    end if;
    if n.merge is null then return; end if;
    update platform.merge_fields d set theirs = becomes where d.merge = n.merge and d.field = f.field;
    if n.side = 'survivor' then return; end if;
    -- What the later merge would have chosen.
    if becomes is null or f.field = 'account_tier' and n.chosen_by = 'rule' and n.ours is not null
       and (select t.position from platform.tiers t where t.key = n.ours #>> '{}')
           >= (select t.position from platform.tiers t where t.key = becomes #>> '{}')
    then
      becomes := n.ours;
      update platform.merge_fields d set side = 'survivor', chosen = n.ours where d.merge = n.merge and d.field = f.field;
    else
      update platform.merge_fields d set chosen = becomes where d.merge = n.merge and d.field = f.field;
    end if;
    target := n.survivor_id;
    since := n.merged_at;
    was := n.chosen;
  end loop;
end $$;

-- The same for a custom field that both had: the value is in the survivor's row, wherever that is. Without a value there was no row.
create function platform.put_back_value(m platform.merges, f platform.merge_fields, out is_back boolean, out present jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n record;
  r constant integer := (select o.reference from platform.merge_references o where o.relation = 'crm.custom_field_values');
  of_row text := f.row_key;
  since timestamptz := m.merged_at;
  of_value jsonb := f.chosen;
  becomes jsonb := f.ours;
begin
  loop
    -- Later merges have moved the row on with the value that goes, up to the one that chose another: what was written to it since is an
    -- edit of their survivor.
    update platform.merge_moves v
    set was = jsonb_set(v.was, '{value}', coalesce(becomes, 'null')), released = case when becomes is null then 'unmerged' end
    from platform.merges x
    where x.id = v.merge and x.undone_at is null and x.merged_at > since and v.reference = r and v.key = of_row and v.released is null
      and v.was -> 'value' = of_value
      and not exists (
        select from platform.merge_fields d join platform.merges o on o.id = d.merge
        where d.row_key = of_row and d.side = 'loser' and o.undone_at is null and o.merged_at > since and o.merged_at < x.merged_at);
    if found then is_back := true; end if;
    for n in
      select x.id, d.ours, d.side from platform.merges x join platform.merge_fields d on d.merge = x.id
      where d.row_key = of_row and x.undone_at is null and x.merged_at > since order by x.merged_at
    loop
      present := n.ours;
      is_back := coalesce(is_back, present = of_value);
      if present is distinct from of_value then return; end if;
      update platform.merge_fields d set ours = becomes, chosen = case d.side when 'survivor' then becomes else d.chosen end
      where d.merge = n.id and d.row_key = of_row;
      if n.side = 'loser' then return; end if;
    end loop;
    present := null;
    if becomes is null then
      delete from crm.custom_field_values v where v.id = of_row::bigint and v.value = of_value returning v.value into present;
    else
      update crm.custom_field_values v set value = becomes, updated_at = now()
      where v.id = of_row::bigint and v.value = of_value returning v.value into present;
    end if;
    if present is null then
      -- A later merge may have put the row away: its survivor has a value of its own.
      if becomes is null then
        delete from platform.merge_suppressed p
        where p.reference = r and p.key = of_row and p.was -> 'value' = of_value
          and exists (select from platform.merges x where x.id = p.merge and x.undone_at is null)
        returning of_value into present;
      else
        update platform.merge_suppressed p set was = jsonb_set(p.was, '{value}', becomes)
        where p.reference = r and p.key = of_row and p.was -> 'value' = of_value
          and exists (select from platform.merges x where x.id = p.merge and x.undone_at is null)
        returning of_value into present;
      end if;
    end if;
    if present is null then
      select v.value into present from crm.custom_field_values v where v.id = of_row::bigint;
      is_back := coalesce(is_back, false);
      return;
    end if;
    is_back := true;
    -- A later survivor that took the value over has it in a row of its own.
    select d.merge, d.row_key, d.chosen, x.merged_at into n
    from platform.merge_suppressed p join platform.merges x on x.id = p.merge and x.undone_at is null
      join platform.merge_fields d on d.merge = x.id and d.field = f.field and d.side = 'loser' and d.row_key is not null
    where p.reference = r and p.key = of_row and d.theirs = of_value;
    if not found or becomes is null then return; end if;
    update platform.merge_fields d set theirs = becomes, chosen = becomes where d.merge = n.merge and d.field = f.field;
    of_row := n.row_key;
    since := n.merged_at;
    of_value := n.chosen;
  end loop;
end $$;

-- Rows that came after a merge and carry what only the loser had: a chat with its address, a call of its number, a role at a company with
-- its address; and an address of the loser that somebody made the survivor's primary one. They go home unless the caller decides
-- otherwise.
create function platform.list_ambiguous(m platform.merges, root uuid)
returns table (reference integer, relation text, key text, why text)
language sql stable
begin atomic
  with refs as (select o.reference, o.relation from platform.merge_references o),
  addresses as materialized (
    -- Also one that was removed since, but not one that somebody else has, or that the survivor was given again.
    select v.key from platform.merge_moves v join refs o on o.reference = v.reference and o.relation = 'platform.customer_emails'
    where v.merge = m.id and v.released is null and not exists (
      select from platform.customer_emails e
      where e.email_key = v.key and (e.customer_id <> root or e.id <> (v.was ->> 'id')::uuid))),
  -- Those of customers that were merged into the loser before, too: one that was written over meanwhile is only in their part of the
  -- ledger.
  merges as (select m.id as merge union all select b.merge from platform.merges_below(m.loser_id) b (merge)),
  numbers as materialized (
    select v.was ->> 'phone_key' as key
    from (select x.reference, x.key, x.was from platform.merge_moves x join merges s on s.merge = x.merge where x.released is null
          union all select x.reference, x.key, x.was from platform.merge_suppressed x join merges s on s.merge = x.merge) v
      join refs o on o.reference = v.reference and o.relation = 'platform.customer_phones'
    except
    select p.phone_key from platform.customer_phones p
    where p.customer_id = root and not exists (
      select from platform.merge_moves v join refs o on o.reference = v.reference and o.relation = 'platform.customer_phones'
      where v.merge = m.id and v.key = p.id::text and v.released is null)),
  found as (
    select 'platform.customer_emails' as relation, c.email_key as key, 'It was made the primary address after the merge.' as why
    from platform.customers c join addresses a on a.key = c.email_key
      join platform.customer_emails e on e.email_key = a.key and e.customer_id = root
    where c.id = root and not exists (
      select from platform.merge_fields d
      where d.merge = m.id and d.field = 'email' and d.side = 'loser' and d.chosen ->> 'email_key' = c.email_key)
    union all
    select 'support.sessions', s.id::text, 'It came after the merge, with the address ' || s.visitor_email || '.'
    from support.sessions s join addresses a on a.key = lower(s.visitor_email collate "C")
    where s.customer_id = root and s.started_at >= m.merged_at
    union all
    select 'support.calls', s.id::text, 'It came after the merge, with the number ' || s.number_e164 || '.'
    from support.calls s join numbers n on n.key = s.number_e164
    where s.customer_id = root and s.created_at >= m.merged_at
    union all
    select 'crm.contacts', s.id::text, 'It came after the merge, with the address ' || s.email || '.'
    from crm.contacts s join addresses a on a.key = lower(s.email collate "C")
    where s.customer_id = root and s.created_at >= m.merged_at)
  select o.reference, f.relation, f.key, f.why from found f join refs o on o.relation = f.relation
  where f.relation = 'platform.customer_emails'
    or not exists (
      select from platform.merge_moves v
      where v.merge = m.id and v.reference = o.reference and v.key = f.key and v.released is null);
end;

-- Why an unmerge is refused, or null; as refuse_merge.
create function platform.refuse_unmerge(m platform.merges, choices jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare erased uuid;
begin
  if m.id is null then
    return jsonb_build_object('code', 'not-found', 'message', 'There is no such merge.', 'errcode', 'no_data_found',
      'constraint', 'merge_missing');
  elsif m.undone_at is not null then
    return jsonb_build_object('code', 'merge-undone', 'message', 'This merge was taken back already.', 'errcode', 'check_violation',
      'constraint', 'merge_undone', 'detail', m.undone_at);
  end if;
  select c.id into erased from platform.customers l join platform.customers c on c.id in (l.id, l.merged_into, m.survivor_id)
  where l.id = m.loser_id and c.erased_at is not null limit 1;
  if found then
    return jsonb_build_object('code', 'customer-erased', 'message', 'One of the two was erased: what the loser had is gone with it.',
      'errcode', 'foreign_key_violation', 'constraint', 'customer_erased', 'detail', erased);
  elsif jsonb_typeof(choices) <> 'object'
     or exists (select from jsonb_each(choices) o where coalesce(o.value #>> '{}', '') not in ('home', 'stay')) then
    return jsonb_build_object('code', 'invalid-choice', 'message', 'A choice is home or stay.', 'errcode', 'invalid_parameter_value',
      'constraint', 'merge_choice', 'column', 'choices', 'hint', 'must be an object of row and home or stay');
  end if;
  return null;
end $$;

-- Where a row is that did not go home.
create function platform.why_kept(r platform.merge_references, row_key text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare holder uuid;
begin
  execute format('select t.%2$I from %1$s t where %3$s = $1', r.relation, r.customer_column, platform.merge_key(r))
  into holder using row_key;
  return case when holder is not null then 'It belongs to customer ' || holder || ' now.' else 'It was removed since.' end;
end $$;

-- Writes a whole row of the ledger back, for this customer. Returns why it could not, or null.
create function platform.write_row_back(r platform.merge_references, was jsonb, of_customer uuid) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  columns constant text := (
    select string_agg(format('%I', a.attname), ', ' order by a.attnum) from pg_attribute a
    where a.attrelid = r.relation::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '');
  problem text;
begin
  if r.relation = 'crm.custom_field_values' and not exists (
    select from crm.custom_fields f
    where f.id = (was ->> 'field_id')::bigint and f.record = 'customer' and crm.fits_field(f, was -> 'value'))
  then
    return 'The field, or the choice, was removed since.';
  end if;
  execute format('insert into %1$s (%2$s) overriding system value select %2$s from jsonb_populate_record(null::%1$s, $1)',
    r.relation, columns) using was || jsonb_build_object(r.customer_column, of_customer);
  return null;
exception when integrity_constraint_violation then
  get stacked diagnostics problem = constraint_name;
  return 'It does not fit any more (' || problem || ').';
end $$;

-- The rows that a merge moved and that are not with this customer: two hundred at most. Those that an unmerge of another merge took home,
-- or that another merge brought back, are not its any more.
create function platform.list_absent(m platform.merges, r platform.merge_references, of_customer uuid) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('
      select x.key from platform.merge_moves x
      where x.merge = $1 and x.reference = %4$s and (x.released is null or x.released = %5$L)
      except
      select %3$s from %1$s t where t.%2$I = $2
      order by 1 limit 200',
    r.relation, r.customer_column, platform.merge_key(r), r.reference, 'moved') using m.id, of_customer;
end $$;

-- Takes a row out of the claims of the merges that moved it: somebody moves it to another customer by hand.
create function platform.release_moves(of_relation text, row_key text) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  update platform.merge_moves v set released = 'moved'
  from platform.merge_references r, platform.merges m
  where r.relation = of_relation and v.reference = r.reference and v.key = row_key and v.released is null
    and m.id = v.merge and m.undone_at is null;
end;

-- Takes the rows of one reference home: those that are with `root` under a claim of the merge that still holds. Claims of the later
-- merges on the path end. Returns how many went.
create function platform.take_home(m platform.merges, r platform.merge_references, root uuid, path uuid[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former_plans constant text := current_setting('enable_nestloop');
  gone bigint;
  p record;
begin
  -- Right after a merge nothing is analyzed, and PostgreSQL would search all rows of the survivor for each row of the ledger.
  perform set_config('enable_nestloop', 'off', true);
  execute format($home$
    update %1$s t set %2$I = $2 from platform.merge_moves v
    where v.merge = $1 and v.reference = %4$s and v.released is null and t.%2$I = $3 and %3$s = v.key$home$,
    r.relation, r.customer_column, platform.merge_key(r), r.reference) using m.id, m.loser_id, root;
  get diagnostics gone = row_count;
  perform set_config('enable_nestloop', former_plans, true);
  if cardinality(path) = 0 then return gone; end if;
  -- Also of a row that was removed meanwhile: what is kept of it goes home as well.
  update platform.merge_moves x set released = 'unmerged'
  from platform.merge_moves v
  where v.merge = m.id and v.reference = r.reference and v.released is null
    and x.merge = any (path) and x.reference = v.reference and x.key = v.key and x.released is null;
  -- A later merge has put some of them away.
  for p in
    select x.* from platform.merge_suppressed x join platform.merge_moves v on v.reference = x.reference and v.key = x.key
    where v.merge = m.id and v.reference = r.reference and v.released is null and x.merge = any (path)
  loop
    if platform.write_row_back(r, p.was, m.loser_id) is null then
      gone := gone + 1;
      delete from platform.merge_suppressed x where x.merge = p.merge and x.reference = p.reference and x.key = p.key;
    end if;
  end loop;
  return gone;
end $$;

-- Lets rows that came after a merge follow a row that has gone home, and ends the claims of later merges. `condition` is about the row t.
create function platform.let_follow(relation_name text, m platform.merges, root uuid, path uuid[], condition text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  r platform.merge_references;
  gone text[];
begin
  select o.* into r from platform.merge_references o where o.relation = relation_name and o.stays is null;
  execute format($follow$
    with gone as (update %1$s t set %2$I = $2 where t.%2$I = $3 and (%5$s) returning %3$s as key)
    select array_agg(key) from gone$follow$, r.relation, r.customer_column, platform.merge_key(r), r.reference, condition)
  into gone using m.id, m.loser_id, root;
  update platform.merge_moves x set released = 'unmerged'
  where x.merge = any (path) and x.reference = r.reference and x.key = any (gone) and x.released is null;
  return coalesce(cardinality(gone), 0);
end $$;

-- Takes a merge back. The caller holds the customers.
create function platform.unmerge_one(m platform.merges, root uuid, choices jsonb) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  path constant uuid[] := case when root <> m.survivor_id then platform.path_of(m.survivor_id) else '{}' end;
  root_before platform.customers;
  root_after platform.customers;
  l platform.customers;
  l_after platform.customers;
  f platform.merge_fields;
  r platform.merge_references;
  v record;
  other record;
  back jsonb := '[]';
  kept_fields jsonb := '[]';
  home jsonb := '{}';
  kept jsonb := '[]';
  ambiguous jsonb := '[]';
  ours_email jsonb;
  gone bigint;
  why text;
  new_key text;
begin
  select c.* into root_before from platform.customers c where c.id = root;
  select c.* into l from platform.customers c where c.id = m.loser_id;

  -- What may go either way is decided first, because it depends on what is still with the survivor.
  for v in select a.* from platform.list_ambiguous(m, root) a loop
    ambiguous := ambiguous || jsonb_build_object('table', v.relation, 'key', v.key, 'why', v.why, 'default', 'home',
      'decided', coalesce(choices ->> (v.relation || ':' || v.key), 'home'));
  end loop;

  -- Values of custom fields that the merge moved. One that was edited since stays with the survivor, and the loser gets its own again.
  select o.* into r from platform.merge_references o where o.relation = 'crm.custom_field_values';
  for v in
    select x.key, x.was, coalesce(t.value, p.was -> 'value') as value, t.id, p.merge as put_away_by, p.was as put_away
    from platform.merge_moves x
      left join crm.custom_field_values t on t.id = x.key::bigint and t.customer_id = root
      left join platform.merge_suppressed p on p.merge = any (path) and p.reference = x.reference and p.key = x.key
    where x.merge = m.id and x.reference = r.reference and x.released is null
      and coalesce(t.value, p.was -> 'value') is distinct from x.was -> 'value'
  loop
    new_key := nextval('crm.custom_field_values_id_seq');
    if v.put_away is not null then
      -- A later merge has put away what was edited: that stays the survivor's.
      update platform.merge_suppressed p set key = new_key, was = p.was || jsonb_build_object('id', new_key::bigint)
      where p.merge = v.put_away_by and p.reference = r.reference and p.key = v.key;
    elsif v.id is not null then
      update crm.custom_field_values t
      set customer_id = l.id, value = v.was -> 'value', updated_at = (v.was ->> 'updated_at')::timestamptz where t.id = v.id;
      insert into crm.custom_field_values as t (id, field_id, field_key, field_label, customer_id, value) overriding system value
      values (new_key::bigint, (v.was ->> 'field_id')::bigint, v.was ->> 'field_key', v.was ->> 'field_label', root, v.value);
      -- It was edited while a later merge had it already, or before.
      insert into platform.merge_moves (merge, reference, key, was)
      select x.merge, x.reference, new_key, x.was || jsonb_build_object('id', new_key::bigint) from platform.merge_moves x
      where x.merge = any (path) and x.reference = r.reference and x.key = v.key and x.released is null
        and x.was -> 'value' <> v.was -> 'value';
    end if;
    if v.id is null then
      why := platform.write_row_back(r, v.was, l.id);
      if why is not null then kept := kept || jsonb_build_object('table', r.relation, 'key', v.key, 'why', why); end if;
    end if;
    -- Where later merges chose over what goes home, they chose over nothing from now on; an edit that they chose over stays. Earlier ones
    -- chose for the customer that goes home.
    update platform.merge_fields d set row_key = new_key, ours = nullif(d.ours, v.was -> 'value')
    from platform.merges x where x.id = d.merge and x.undone_at is null and x.merged_at > m.merged_at and d.row_key = v.key;
    update platform.merge_moves x set released = 'unmerged'
    where x.merge = any (path) and x.reference = r.reference and x.key = v.key and x.released is null;
    kept_fields := kept_fields || jsonb_build_object('field', 'custom.' || (v.was ->> 'field_key'), 'written', v.was -> 'value',
      'present', v.value);
  end loop;
  for f in
    select d.* from platform.merge_fields d
    where d.merge = m.id and d.side = 'loser' and d.row_key is not null and d.ours is distinct from d.theirs
  loop
    other := platform.put_back_value(m, f);
    if other.is_back then back := back || to_jsonb(f.field);
    else kept_fields := kept_fields || jsonb_build_object('field', f.field, 'written', f.chosen, 'present', other.present);
    end if;
  end loop;

  for f in
    select d.* from platform.merge_fields d
    where d.merge = m.id and d.side = 'loser' and d.field not like 'custom.%' and d.ours is distinct from d.theirs
  loop
    other := platform.put_back_field(m, f);
    if other.is_back then back := back || to_jsonb(f.field);
    else kept_fields := kept_fields || jsonb_build_object('field', f.field, 'written', platform.show_customer_field(f.field, f.chosen),
      'present', platform.show_customer_field(f.field, other.present));
    end if;
    -- The loser has its number again, unless the survivor was given it for good.
    if f.field in ('crm_id', 'support_id') and not exists (
      select from platform.customers c
      where case f.field when 'crm_id' then c.crm_id else c.support_id end = (f.theirs #>> '{}')::bigint)
    then
      l := platform.write_customer_field(l, f.field, f.theirs);
    end if;
  end loop;

  update platform.customers c set merged_into = null, crm_id = l.crm_id, support_id = l.support_id where c.id = l.id;
  -- Later merges led the loser's id on: it is no longer theirs to lead back.
  update platform.merge_moves x set released = 'unmerged'
  from platform.merge_references o
  where x.merge = any (path) and o.reference = x.reference and o.relation = 'platform.customers' and x.key = l.id::text
    and x.released is null;
  -- An address that stays by choice leaves the claim.
  update platform.merge_moves x set released = 'moved'
  from platform.merge_references o
  where x.merge = m.id and o.reference = x.reference and o.relation = 'platform.customer_emails'
    and choices ->> (o.relation || ':' || x.key) = 'stay'
    and exists (select from jsonb_array_elements(ambiguous) a where a ->> 'table' = o.relation and a ->> 'key' = x.key);
  -- The survivor's own address is the primary one again when that of the loser leaves.
  select d.ours into ours_email from platform.merge_fields d where d.merge = m.id and d.field = 'email';
  update platform.customers c set email = ours_email ->> 'email', email_key = ours_email ->> 'email_key'
  where c.id = root and root = m.survivor_id and ours_email is not null and exists (
    select from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
    where x.merge = m.id and o.relation = 'platform.customer_emails' and x.key = c.email_key and x.released is null);

  for r in select o.* from platform.merge_references o where o.stays is null order by o.reference loop
    gone := platform.take_home(m, r, root, path);
    if r.relation = 'platform.customer_phones' then
      -- A number that was written over is replaced; one that somebody removed stays removed.
      for v in
        select x.key, x.was from platform.merge_moves x
        where x.merge = m.id and x.reference = r.reference and x.released is null
          and not exists (select from platform.customer_phones p where p.id = x.key::uuid)
          and not exists (select from platform.removed_phones p where p.id = x.key::uuid)
      loop
        if platform.write_row_back(r, v.was || '{"is_primary": false}', l.id) is null then gone := gone + 1; end if;
      end loop;
    end if;
    for v in
      select x.* from platform.merge_suppressed x where x.merge = m.id and x.reference = r.reference and x.customer_id = l.id
    loop
      why := platform.write_row_back(r, v.was || case when r.and_set is null then '{}' else '{"is_primary": false}'::jsonb end, l.id);
      if why is null then gone := gone + 1;
      else kept := kept || jsonb_build_object('table', r.relation, 'key', v.key, 'why', why);
      end if;
    end loop;
    for new_key in select * from platform.list_absent(m, r, l.id) loop
      continue when kept @> jsonb_build_array(jsonb_build_object('table', r.relation, 'key', new_key));
      kept := kept || jsonb_build_object('table', r.relation, 'key', new_key, 'why', platform.why_kept(r, new_key));
    end loop;
    if r.relation in ('support.sessions', 'support.calls', 'crm.contacts') and ambiguous <> '[]' then
      gone := gone + platform.let_follow(r.relation, m, root, path, format(
        't.id = any (array(select (a ->> ''key'')::uuid from jsonb_array_elements(%L::jsonb) a
           where a ->> ''table'' = %L and a ->> ''decided'' = ''home''))', ambiguous, r.relation));
    elsif r.relation = 'crm.activities' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.deal_id in (select d.id from crm.deals d where d.customer_id = $2)
        or t.idempotency_key in (
          select ''session:'' || s.id from support.sessions s where s.customer_id = $2
          union all select ''call:'' || k.id from support.calls k where k.customer_id = $2)');
    elsif r.relation = 'crm.changes' then
      -- The history is written after the event: of one from before the merge, perhaps after the merge.
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.deal_id in (select d.id from crm.deals d where d.customer_id = $2)
        or t.occurred_at <= (select m.merged_at from platform.merges m where m.id = $1) and t.event_id in (
          select e.id from sync.events e
          where e.customer = $2 or e.customer in (select c.id from platform.customers c where c.merged_into = $2))');
    elsif r.relation = 'platform.removed_emails' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.id in (select (x.was ->> ''id'')::uuid from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
          where x.merge = $1 and o.relation = ''platform.customer_emails'' and x.released is null)');
    elsif r.relation = 'platform.removed_phones' then
      gone := gone + platform.let_follow(r.relation, m, root, path, '
        t.id in (select x.key::uuid from platform.merge_moves x join platform.merge_references o on o.reference = x.reference
          where x.merge = $1 and o.relation = ''platform.customer_phones'' and x.released is null)');
    end if;
    if gone > 0 then home := home || jsonb_build_object(r.relation, gone); end if;
  end loop;

  perform platform.mend_primary(l.id), platform.mend_primary(root);
  -- A number that has gone home is no longer the survivor's own.
  update platform.customers c
  set crm_id = case when exists (select from platform.customer_external_ids x
        where x.app = 'foundation' and x.external_id = c.crm_id::text and x.customer_id = c.id) then c.crm_id end,
      support_id = case when exists (select from platform.customer_external_ids x
        where x.app = 'support' and x.external_id = c.support_id::text and x.customer_id = c.id) then c.support_id end
  where c.id in (root, l.id);
  root_after := platform.count_merge(root, root_before.version + 1);
  l_after := platform.count_merge(l.id, greatest(l.version, root_before.version + 1) + 1);
  perform sync.capture_merge('customer.unmerged', root_after,
    jsonb_build_object('merge', m.id, 'survivor', root, 'loser', l.id, 'previous_version', root_before.version,
      'loser_version', l_after.version, 'loser_previous_version', l.version, 'moved', home, 'record', to_jsonb(l_after) - 'email_key')
      || platform.differences(root_after, root_before),
    platform.differences(root_before, root_after));
  perform platform.keep_apart(m.survivor_id, l.id, 'A merge of the two was taken back.');
  return jsonb_build_object('merge', m.id, 'survivor', root, 'loser', l.id, 'fieldsBack', back, 'fieldsKept', kept_fields, 'home', home,
    'kept', kept, 'ambiguous', ambiguous, 'version', root_after.version, 'loserVersion', l_after.version);
end $$;

-- Holds what an unmerge changes, and does it; as a trial it takes all of it back again, so that a preview says what the unmerge does, and
-- holds the customers no longer than for that.
create function platform.try_unmerge(merge uuid, choices jsonb, is_trial boolean) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former_timeout constant text := current_setting('lock_timeout');
  m platform.merges;
  root uuid;
  waiting text[] := '{}';
  name text;
  answer jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an unmerge runs under read committed' using errcode = 'feature_not_supported';
  end if;
  for attempt in 1..60 loop
    select x.* into m from platform.merges x where x.id = merge;
    perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
    select c.merged_into into root from platform.customers c where c.id = m.loser_id;
    begin
      -- Failed events of the two wait together, and from now on apart. Their handlers hold the subscription before any customer.
      perform set_config('lock_timeout', '3s', true);
      if not is_trial then
        waiting := array(
          select s.name from sync.subscriptions s
          where exists (select from sync.parked p where p.subscription = s.name and p.customer = any (sync.list_merged(root)))
          order by s.name);
      end if;
      if cardinality(waiting) > 0 then
        perform from sync.subscriptions s where s.name = any (waiting) order by s.name for update;
      end if;
      perform platform.hold_customers(array[root, m.survivor_id, m.loser_id] || array(
        select v.key::uuid from platform.merge_moves v join platform.merge_references r on r.reference = v.reference
        where v.merge = m.id and r.relation = 'platform.customers'));
      select x.* into m from platform.merges x where x.id = merge;
      perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
      -- It was merged on while this waited: again, with the right locks.
      if root is distinct from (select c.merged_into from platform.customers c where c.id = m.loser_id) then
        raise lock_not_available;
      end if;
      answer := platform.unmerge_one(m, root, choices);
      if is_trial then raise exception 'only a trial' using errcode = 'TRIAL'; end if;
      update platform.merges x
      set undone_at = clock_timestamp(), undone_by = platform.current_actor(), undone_by_app = platform.current_app(),
          undone_by_login = session_user, back_version = (answer ->> 'loserVersion')::bigint, undo_report = answer
      where x.id = m.id;
      foreach name in array waiting loop
        perform sync.start_first(name, array[m.loser_id::text, root::text], array[m.loser_id, root]);
      end loop;
      perform set_config('lock_timeout', former_timeout, true);
      return answer;
    exception
      when lock_not_available or deadlock_detected then
        null; -- The savepoint has released every lock, so the transaction that held the row can go on.
      when sqlstate 'TRIAL' then
        return answer;
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $$;

-- Takes a merge back, in one transaction; see the overview and docs/merging.md.
--   choices   { '<table>:<key>': 'home' | 'stay' }, for rows that the preview calls ambiguous
-- Returns { merge, survivor, loser, fieldsBack, fieldsKept: [{ field, written, present }], home: { table: rows },
-- kept: [{ table, key, why }], ambiguous: [{ table, key, why, default, decided }], version, loserVersion }; `survivor` is the customer that
-- goes on. Of each table, `kept` names two hundred rows at most.
create function platform.unmerge_customers(merge uuid, choices jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform platform.require_steward();
  return platform.try_unmerge(merge, choices, false);
end $$;

-- What an unmerge would do: the same report, of a trial that is taken back at once, or why it is refused.
create function platform.preview_unmerge(merge uuid, choices jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  m platform.merges;
  refusal jsonb;
begin
  perform platform.require_steward();
  select x.* into m from platform.merges x where x.id = merge;
  refusal := platform.refuse_unmerge(m, choices);
  if refusal is not null then
    return jsonb_build_object('merge', merge, 'survivor', m.survivor_id, 'loser', m.loser_id, 'fieldsBack', '[]'::jsonb,
      'fieldsKept', '[]'::jsonb, 'home', '{}'::jsonb, 'kept', '[]'::jsonb, 'ambiguous', '[]'::jsonb,
      'refused', refusal - 'errcode' - 'constraint');
  end if;
  return platform.try_unmerge(merge, choices, true) - '{version,loserVersion}'::text[] || '{"refused": null}';
end $$;

grant execute on function
    platform.path_of(uuid), platform.merges_below(uuid), platform.put_back_field(platform.merges, platform.merge_fields),
    platform.put_back_value(platform.merges, platform.merge_fields), platform.list_ambiguous(platform.merges, uuid),
    platform.refuse_unmerge(platform.merges, jsonb), platform.why_kept(platform.merge_references, text),
    platform.list_absent(platform.merges, platform.merge_references, uuid),
    platform.write_row_back(platform.merge_references, jsonb, uuid),
    platform.take_home(platform.merges, platform.merge_references, uuid, uuid[]),
    platform.let_follow(text, platform.merges, uuid, uuid[], text), platform.unmerge_one(platform.merges, uuid, jsonb),
    platform.try_unmerge(uuid, jsonb, boolean)
  to merge_role;

grant create on schema platform to merge_role;
alter function platform.preview_unmerge(uuid, jsonb) owner to merge_role;
alter function platform.unmerge_customers(uuid, jsonb) owner to merge_role;
revoke create on schema platform from merge_role;
set local role merge_role;
grant execute on function platform.preview_unmerge(uuid, jsonb), platform.unmerge_customers(uuid, jsonb)
  to console_role, sync_role, platform_owner;
set local role platform_owner;
