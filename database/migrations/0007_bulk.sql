-- Writes of many customers: an import, or a migration of a former app. The row triggers of platform.customers cost most of what an insert
-- costs. The two functions below do what they do with sets: they complete and check each row, record addresses and numbers, keep
-- crm.customer_order, count versions, and write one event for each row. A property test compares both ways.
--
-- The row triggers do not fire for bulk_role, which owns both functions and nothing else. Nobody can log in as this role, and only the
-- owner can take it on, so an app cannot switch the triggers off: a setting could be forged, a role cannot.
--
-- A row that cannot be written is refused alone, with what the row triggers would have said: { row, code, constraint, column, message,
-- detail, hint }. The others are written. A caller that wants all or nothing rolls back. A rival that takes an address or a number
-- meanwhile makes the function try again, and then its row is refused. One write holds at most 10,000 rows, so that its locks are short.

-- Restores what a write of many rows changed for its own statements. gin_pending_list_limit: the trigrams of new names gather in the
-- index's list and are sorted in by platform.sort_customer_search, many at once. force_generic_plan: a plan for the actual number of
-- rows would read a whole table in place of some thousand rows of its index.
create function platform.begin_bulk(out former_plans text, out former_limit text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  former_plans := current_setting('plan_cache_mode');
  former_limit := current_setting('gin_pending_list_limit');
  perform set_config('plan_cache_mode', 'force_generic_plan', true), set_config('gin_pending_list_limit', '256MB', true);
end $$;

-- Draws as many numbers of an app as are asked for, without those that are taken or that the caller is about to give.
create function platform.draw_customer_numbers(app text, how_many integer, given bigint[]) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sequence constant text := case app when 'foundation' then 'crm.customer_number' when 'support' then 'support.customer_number' end;
  drawn bigint[];
  free bigint[] := '{}';
begin
  while cardinality(free) < how_many loop
    select array_agg(nextval(sequence)) into drawn from generate_series(1, how_many - cardinality(free));
    select free || coalesce(array_agg(d.number order by d.number), '{}') into free
    from unnest(drawn) d (number)
    where d.number <> all (given)
      and not exists (
        select from platform.customer_external_ids x where x.app = draw_customer_numbers.app and x.external_id = d.number::text);
  end loop;
  return free;
end $$;

-- Why rows of one write cannot be written beside what the database holds; for each row null or the constraint. `olds`: the rows as they
-- are, null for new ones; what a row keeps is not asked again. Of several rows that claim the same address or number, the first one that
-- may be written gets it.
create function platform.find_bulk_conflicts(olds platform.customers[], news platform.customers[]) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  conflicts text[];
  claimants integer[];
  claims text[];
  claimed text[] := '{}';
  conflict text;
  claim record;
begin
  select array_agg(case
      when r.account_tier is distinct from o.account_tier and r.account_tier is not null
        and not exists (select from platform.tiers t where t.key = r.account_tier and not t.is_retired)
        then 'customers_account_tier_choice'
      when r.company_id is distinct from o.company_id and r.company_id is not null
        and not exists (select from platform.companies co where co.id = r.company_id) then 'customers_company_id_fkey'
      when r.account_manager_id is distinct from o.account_manager_id and r.account_manager_id is not null
        and not exists (select from platform.users u where u.id = r.account_manager_id) then 'customers_account_manager_id_fkey'
      when o.id is null and exists (select from platform.customers c where c.id = r.id) then 'customers_pkey'
      when r.email_key is distinct from o.email_key
        and exists (select from platform.customer_emails e where e.email_key = r.email_key and e.customer_id <> r.id)
        then 'customer_emails_pkey'
      when r.crm_id is distinct from o.crm_id and r.crm_id is not null and exists (
          select from platform.customer_external_ids x
          where x.app = 'foundation' and x.external_id = r.crm_id::text and x.customer_id <> r.id)
        then 'customer_external_ids_pkey'
      when r.support_id is distinct from o.support_id and r.support_id is not null and exists (
          select from platform.customer_external_ids x
          where x.app = 'support' and x.external_id = r.support_id::text and x.customer_id <> r.id)
        then 'customer_external_ids_pkey'
      when o.phone is not null and r.phone is null
        and exists (select from platform.customer_phones p where p.customer_id = r.id and not p.is_primary)
        then 'customer_phones_primary_stays' end
    order by r.ordinality)
  into conflicts
  from unnest(news) with ordinality r cross join lateral (select (olds[r.ordinality]).*) o;
  -- Almost always no two rows claim the same.
  select array_agg(k.place), array_agg(k.key) into claimants, claims
  from (
    select c.place, c.key, count(*) over (partition by c.key) as rivals
    from (
      select r.ordinality as place, unnest(case when olds is null
          then array['id ' || r.id, 'email ' || r.email_key, 'foundation ' || r.crm_id, 'support ' || r.support_id]
          else array[
            case when r.email_key <> (olds[r.ordinality]).email_key then 'email ' || r.email_key end,
            case when r.crm_id is distinct from (olds[r.ordinality]).crm_id then 'foundation ' || r.crm_id end,
            case when r.support_id is distinct from (olds[r.ordinality]).support_id then 'support ' || r.support_id end]
          end) collate "C" as key
      from unnest(news) with ordinality r where conflicts[r.ordinality] is null) c
    where c.key is not null) k
  where k.rivals > 1;
  for claim in
    select c.place, array_agg(c.key order by c.key) as keys from unnest(claimants, claims) c (place, key) group by c.place order by c.place
  loop
    select c.key into conflict from unnest(claim.keys) c (key) where c.key = any (claimed) order by 1 limit 1;
    if found then
      conflicts[claim.place] := case split_part(conflict, ' ', 1)
        when 'id' then 'customers_pkey' when 'email' then 'customer_emails_pkey' else 'customer_external_ids_pkey' end;
    else
      claimed := claimed || claim.keys;
    end if;
  end loop;
  return conflicts;
end $$;

-- A refusal in the words of the row triggers and of PostgreSQL.
create function platform.bulk_refusal(place integer, violated text, c platform.customers) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return jsonb_strip_nulls(jsonb_build_object('row', place, 'constraint', violated,
    'code', case when violated in ('customers_company_id_fkey', 'customers_account_manager_id_fkey') then '23503'
      when violated in ('customers_pkey', 'customer_emails_pkey', 'customer_external_ids_pkey') then '23505' else '23514' end,
    'column', case violated when 'customers_account_tier_choice' then 'account_tier' when 'customers_company_id_fkey' then 'company_id'
      when 'customers_account_manager_id_fkey' then 'account_manager_id' end,
    'message', case violated when 'customers_account_tier_choice' then 'no such tier'
      when 'customer_emails_pkey' then 'another customer is known by this'
      when 'customer_external_ids_pkey' then 'another customer is known by this'
      when 'customer_phones_primary_stays' then 'the primary number stays'
      else format('new row for relation "customers" violates constraint "%s"', violated) end,
    'detail', case violated when 'customer_emails_pkey' then c.email_key end,
    'hint', case violated when 'customers_account_tier_choice' then platform.tier_hint() end));
end $$;

create function platform.missing_key(place integer, field text) returns jsonb
language sql immutable
return jsonb_build_object('row', place, 'code', '23502', 'column', field, 'message', field || ' is missing', 'hint', case field
  when 'phone' then 'needs the key that @aether/platform makes: use phoneColumns.'
  when 'email_key' then 'An address beyond ASCII needs the key that @aether/platform makes.' else 'is required.' end);

-- Creates many customers. Of a row, the database gives what is missing: the id, the key of an address in ASCII, the time, and the number
-- of the app in created_by_app. It counts the version and ignores updated_at. ids: of each row, in their order; null for a refused one.
create function platform.insert_customers(rows platform.customers[], out ids uuid[], out refusals jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = auto as $$
declare
  asked_at constant timestamptz := now();
  refused jsonb[] := '{}';
  lost jsonb[];
  completed platform.customers[] := '{}';
  places integer[] := '{}';
  accepted platform.customers[];
  written platform.customers[];
  conflicts text[];
  crm_numbers bigint[];
  support_numbers bigint[];
  r platform.customers;
  violated text;
  former record;
  failed text;
begin
  if cardinality(rows) > 10000 then
    raise exception 'one write holds at most 10000 customers' using errcode = 'program_limit_exceeded', hint = 'Write them in chunks.';
  end if;
  ids := array_fill(null::uuid, array[coalesce(cardinality(rows), 0)]);
  for place in 1..coalesce(cardinality(rows), 0) loop
    r := rows[place];
    if r.email_key is null and r.email !~ '[^\x01-\x7f]' then r.email_key := lower(r.email collate "C"); end if;
    if r.email is null or r.email_key is null or r.name is null or r.phone is not null and r.phone_key is null then
      refused := refused || platform.missing_key(place, case when r.email is null then 'email' when r.email_key is null then 'email_key'
        when r.name is null then 'name' else 'phone' end);
      continue;
    end if;
    if r.id is null then r.id := uuidv7(); end if;
    if r.created_at is null then r.created_at := asked_at; end if;
    if r.created_by_app is null then r.created_by_app := platform.current_app(); end if;
    r.version := 1;
    r.updated_at := asked_at;
    violated := case when r.merged_into is not null then 'customers_merged_into_check'
      when r.erased_at is not null then 'customers_erased_at_check'
      when not platform.is_time(r.created_at) then 'customers_created_at_time' else platform.customer_violation(r) end;
    if violated is not null then
      refused := refused || platform.bulk_refusal(place, violated, r);
      continue;
    end if;
    completed := completed || r;
    places := places || place;
  end loop;

  former := platform.begin_bulk();
  for attempt in 1..5 loop
    begin
      lost := '{}';
      conflicts := platform.find_bulk_conflicts(null, completed);
      for at in 1..cardinality(completed) loop
        if conflicts[at] is not null then lost := lost || platform.bulk_refusal(places[at], conflicts[at], completed[at]); end if;
      end loop;
      select array_agg(completed[at] order by at) into accepted
      from generate_subscripts(completed, 1) at where conflicts[at] is null;
      select platform.draw_customer_numbers('foundation',
               (count(*) filter (where a.created_by_app = 'foundation' and a.crm_id is null))::integer,
               coalesce(array_agg(a.crm_id) filter (where a.crm_id is not null), '{}')),
             platform.draw_customer_numbers('support',
               (count(*) filter (where a.created_by_app = 'support' and a.support_id is null))::integer,
               coalesce(array_agg(a.support_id) filter (where a.support_id is not null), '{}'))
      into crm_numbers, support_numbers from unnest(accepted) a;
      with numbered as (
        select a.*,
          case when created_by_app = 'foundation' and crm_id is null
            then crm_numbers[row_number() over (partition by created_by_app = 'foundation' and crm_id is null order by ordinality)]
            end as drawn_crm_id,
          case when created_by_app = 'support' and support_id is null
            then support_numbers[row_number() over (partition by created_by_app = 'support' and support_id is null order by ordinality)]
            end as drawn_support_id
        from unnest(accepted) with ordinality a
      ), inserted as (
        insert into platform.customers as c (
          id, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_at, updated_at, created_by_app,
          crm_id, account_tier, account_manager_id, support_id, preferred_language, timezone)
        select id, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_at, updated_at, created_by_app,
          coalesce(crm_id, drawn_crm_id), account_tier, account_manager_id, coalesce(support_id, drawn_support_id), preferred_language,
          timezone
        from numbered order by ordinality
        returning c)
      select array_agg(i.c) into written from inserted i;
      insert into platform.customer_emails (email_key, email, customer_id, is_primary)
      select w.email_key, w.email, w.id, true from unnest(written) w;
      insert into platform.customer_external_ids (app, external_id, customer_id)
      select 'foundation', w.crm_id, w.id from unnest(written) w where w.crm_id is not null
      union all
      select 'support', w.support_id, w.id from unnest(written) w where w.support_id is not null;
      insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
      select w.id, w.phone, w.phone_key, w.phone_extension, true from unnest(written) w where w.phone is not null;
      insert into crm.customer_order (customer_id, account_tier, updated_at)
      select w.id, coalesce(w.account_tier, '~'), w.updated_at from unnest(written) w;
      if written is not null then perform sync.capture_set(null, written); end if;
      failed := null;
    exception when unique_violation then
      get stacked diagnostics failed = message_text;
    end;
    exit when failed is null;
  end loop;
  perform set_config('plan_cache_mode', former.former_plans, true), set_config('gin_pending_list_limit', former.former_limit, true);
  if failed is not null then
    -- Reached only under repeatable read, where a rival's row stays invisible to every attempt.
    raise exception 'customers with these addresses or numbers appeared meanwhile' using errcode = 'serialization_failure',
      detail = failed;
  end if;
  for at in 1..cardinality(completed) loop
    if conflicts[at] is null then ids[places[at]] := (completed[at]).id; end if;
  end loop;
  refusals := to_jsonb(refused || lost);
end $$;

-- Sorts the trigrams of new customers into the indexes of the search. Until then every search reads them one by one, and an ordinary
-- writer that finds more than 4 MB of them sorts them itself. Call it after every two thousand rows or so, outside of their transaction.
create function platform.sort_customer_search() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ -- an SQL body would keep the indexes from being dropped
begin
  return gin_clean_pending_list('platform.customers_search') + gin_clean_pending_list('platform.customers_folded');
end $$;

-- Changes many customers. changes: of each customer the columns that it gets, as in { "name": "Ada", "phone": null }; no other column
-- changes. A customer that is no longer at its expected version (null: any) is refused, as is one that was merged or erased, and the
-- second change of one customer. versions: of each customer afterwards; a change that changes nothing keeps the version.
create function platform.update_customers(
  customers uuid[], expected_versions bigint[], changes jsonb[], out versions bigint[], out refusals jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = auto as $$
declare
  writable constant text[] := '{email,email_key,name,phone,phone_key,phone_extension,company_id,crm_id,account_tier,account_manager_id,'
    'support_id,preferred_language,timezone}';
  changed_at constant timestamptz := clock_timestamp();
  refused jsonb[] := '{}';
  lost jsonb[];
  olds platform.customers[] := '{}';
  news platform.customers[] := '{}';
  places integer[] := '{}';
  of_olds platform.customers[];
  of_news platform.customers[];
  has_repeats constant boolean := cardinality(customers) <> (select count(distinct c) from unnest(customers) c);
  conflicts text[];
  exchanged uuid[];
  given jsonb;
  old_row platform.customers;
  new_row platform.customers;
  violated text;
  former record;
  failed text;
begin
  if cardinality(customers) > 10000 then
    raise exception 'one write holds at most 10000 customers' using errcode = 'program_limit_exceeded', hint = 'Write them in chunks.';
  end if;
  if (cardinality(changes), cardinality(expected_versions)) is distinct from (cardinality(customers), cardinality(customers)) then
    raise exception 'each customer has one expected version and one change' using errcode = 'invalid_parameter_value';
  end if;
  versions := array_fill(null::bigint, array[coalesce(cardinality(customers), 0)]);
  former := platform.begin_bulk();
  -- In the order of their ids, so that two writes of many customers do not wait for each other.
  perform from platform.customers c where c.id = any (customers) order by c.id for no key update;
  for place in 1..coalesce(cardinality(customers), 0) loop
    given := changes[place];
    select c.* into old_row from platform.customers c where c.id = customers[place] for no key update;
    if old_row.id is null then
      refused := refused || jsonb_build_object('row', place, 'code', 'P0002', 'constraint', 'customer_missing',
        'message', 'no such customer');
      continue;
    elsif old_row.erased_at is not null then
      refused := refused || jsonb_build_object('row', place, 'code', '23503', 'constraint', 'customer_erased', 'message',
        'the customer was erased');
      continue;
    elsif old_row.merged_into is not null then
      refused := refused || jsonb_build_object('row', place, 'code', '23503', 'constraint', 'customer_merged', 'message',
        'the customer was merged into another one', 'detail', old_row.merged_into);
      continue;
    elsif old_row.version <> expected_versions[place] then
      refused := refused || jsonb_build_object('row', place, 'code', 'P0001', 'constraint', 'customers_version', 'message',
        'the customer has changed', 'detail', old_row.version::text);
      continue;
    elsif has_repeats and array_position(customers, customers[place]) < place then
      refused := refused || jsonb_build_object('row', place, 'code', '21000', 'constraint', 'customers_once', 'message',
        'the customer is changed twice in one write');
      continue;
    elsif given - writable <> '{}' then
      refused := refused || jsonb_build_object('row', place, 'code', '23514', 'message', 'cannot be written', 'hint', 'cannot be written.',
        'column', (select min(k) from jsonb_object_keys(given - writable) k));
      continue;
    end if;
    new_row := jsonb_populate_record(old_row, given);
    if new_row.email_key is null or new_row.email <> old_row.email and not given ? 'email_key' then
      new_row.email_key := case when new_row.email !~ '[^\x01-\x7f]' then lower(new_row.email collate "C") end;
    end if;
    if new_row.phone is distinct from old_row.phone then
      if not given ? 'phone_key' then new_row.phone_key := null; end if;
      if not given ? 'phone_extension' then new_row.phone_extension := null; end if;
    end if;
    if new_row.email is null or new_row.email_key is null or new_row.name is null
       or new_row.phone is distinct from old_row.phone and new_row.phone is not null and new_row.phone_key is null then
      refused := refused || platform.missing_key(place, case when new_row.email is null then 'email' when new_row.email_key is null
        then 'email_key' when new_row.name is null then 'name' else 'phone' end);
      continue;
    end if;
    if new_row is not distinct from old_row then
      versions[place] := old_row.version;
      continue;
    end if;
    violated := platform.customer_violation(new_row);
    if violated is not null then
      refused := refused || platform.bulk_refusal(place, violated, new_row);
      continue;
    end if;
    new_row.version := old_row.version + 1;
    new_row.updated_at := changed_at;
    olds := olds || old_row;
    news := news || new_row;
    places := places || place;
  end loop;

  for attempt in 1..5 loop
    begin
      lost := '{}';
      conflicts := platform.find_bulk_conflicts(olds, news);
      for at in 1..cardinality(news) loop
        if conflicts[at] is not null then lost := lost || platform.bulk_refusal(places[at], conflicts[at], news[at]); end if;
      end loop;
      select array_agg(olds[at] order by at), array_agg(news[at] order by at) into of_olds, of_news
      from generate_subscripts(news, 1) at where conflicts[at] is null;
      update platform.customers c
      set email = n.email, email_key = n.email_key, name = n.name, phone = n.phone, phone_key = n.phone_key,
          phone_extension = n.phone_extension, company_id = n.company_id, version = n.version, updated_at = n.updated_at, crm_id = n.crm_id,
          account_tier = n.account_tier, account_manager_id = n.account_manager_id, support_id = n.support_id,
          preferred_language = n.preferred_language, timezone = n.timezone
      from unnest(of_news) n where c.id = n.id;

      -- The former primary address stays with the customer. The mark of a customer without an address goes.
      delete from platform.customer_emails e using generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key <> o.email_key and e.email_key = o.email_key and e.customer_id = o.id and e.is_primary
        and e.email_key = platform.no_address(o.id);
      update platform.customer_emails e set is_primary = false from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key <> o.email_key and e.email_key = o.email_key and e.customer_id = o.id and e.is_primary;
      insert into platform.customer_emails as known (email_key, email, customer_id, is_primary)
      select n.email_key, n.email, n.id, true from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key <> o.email_key
      on conflict (email_key) do update set is_primary = true, email = excluded.email where known.customer_id = excluded.customer_id;
      if exists (
        select from generate_subscripts(of_news, 1) at
          cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
          left join platform.customer_emails e on e.email_key = n.email_key
        where n.email_key <> o.email_key and e.customer_id is distinct from n.id)
      then
        raise exception 'another customer is known by one of the addresses' using errcode = 'unique_violation';
      end if;
      update platform.customer_emails e set email = n.email from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.email_key = o.email_key and n.email <> o.email and e.email_key = n.email_key and e.customer_id = n.id;

      insert into platform.customer_external_ids as known (app, external_id, customer_id)
      select 'foundation', n.crm_id, n.id from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.crm_id is not null and n.crm_id is distinct from o.crm_id
      union all
      select 'support', n.support_id, n.id from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.support_id is not null and n.support_id is distinct from o.support_id
      -- A number that the customer had before.
      on conflict (app, external_id) do update set app = known.app where known.customer_id = excluded.customer_id;
      if exists (
        select from unnest(of_news) n
          cross join lateral (values ('foundation', n.crm_id::text), ('support', n.support_id::text)) has (app, number)
          left join platform.customer_external_ids x on x.app = has.app and x.external_id = has.number
        where has.number is not null and x.customer_id is distinct from n.id)
      then
        raise exception 'another customer has one of the numbers' using errcode = 'unique_violation';
      end if;

      -- A number that is written over is replaced; another number of the customer exchanges its place with the primary one.
      select array_agg(p.customer_id) into exchanged
      from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
        join platform.customer_phones p
          on p.customer_id = n.id and p.phone_key = n.phone_key and p.phone_extension is not distinct from n.phone_extension
      where not p.is_primary and (n.phone, n.phone_key, n.phone_extension) is distinct from (o.phone, o.phone_key, o.phone_extension);
      update platform.customer_phones p set is_primary = false where p.customer_id = any (exchanged) and p.is_primary;
      delete from platform.customer_phones p using generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where (n.phone_key, n.phone_extension) is distinct from (o.phone_key, o.phone_extension)
        and p.customer_id = n.id and p.is_primary;
      update platform.customer_phones p set is_primary = true, phone = n.phone from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where (n.phone, n.phone_key, n.phone_extension) is distinct from (o.phone, o.phone_key, o.phone_extension)
        and p.customer_id = n.id and p.phone_key = n.phone_key and p.phone_extension is not distinct from n.phone_extension;
      insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
      select n.id, n.phone, n.phone_key, n.phone_extension, true from generate_subscripts(of_news, 1) at
        cross join lateral (select (of_olds[at]).*) o cross join lateral (select (of_news[at]).*) n
      where n.phone is not null and (n.phone_key, n.phone_extension) is distinct from (o.phone_key, o.phone_extension)
      on conflict (customer_id, phone_key, phone_extension) do nothing; -- it was exchanged above

      update crm.customer_order o set account_tier = coalesce(n.account_tier, '~'), updated_at = n.updated_at
      from unnest(of_news) n where o.customer_id = n.id;
      insert into crm.customer_order (customer_id, account_tier, updated_at) -- it is missing after an unmerge
      select n.id, coalesce(n.account_tier, '~'), n.updated_at from unnest(of_news) n
      on conflict (customer_id) do nothing;
      if of_news is not null then perform sync.capture_set(of_olds, of_news); end if;
      failed := null;
    exception when unique_violation then
      get stacked diagnostics failed = message_text;
    end;
    exit when failed is null;
  end loop;
  perform set_config('plan_cache_mode', former.former_plans, true), set_config('gin_pending_list_limit', former.former_limit, true);
  if failed is not null then
    raise exception 'another customer got one of these addresses or numbers meanwhile' using errcode = 'serialization_failure',
      detail = failed;
  end if;
  for at in 1..cardinality(news) loop
    if conflicts[at] is null then versions[places[at]] := (news[at]).version; end if;
  end loop;
  refusals := to_jsonb(refused || lost);
end $$;

-- The apps have no grant: each writes its own fields, one customer at a time.
grant execute on function platform.insert_customers(platform.customers[]), platform.update_customers(uuid[], bigint[], jsonb[]),
  platform.sort_customer_search() to sync_role;
-- The caller makes rows of this type.
grant usage on type platform.customers to sync_role, bulk_role;

-- The role of both functions reads and writes what they read and write, and nothing else. No login has its rights.
create policy bulk_all on platform.customers to bulk_role using (true) with check (true);
create policy bulk_all on platform.customer_emails to bulk_role using (true) with check (true);
create policy bulk_all on platform.customer_external_ids to bulk_role using (true) with check (true);
create policy bulk_all on platform.customer_phones to bulk_role using (true) with check (true);
create policy bulk_all on crm.customer_order to bulk_role using (true) with check (true);
create policy bulk_read on platform.companies for select to bulk_role using (true);
create policy bulk_read on platform.users for select to bulk_role using (true);
create policy bulk_read on platform.tiers for select to bulk_role using (true);
grant usage on schema platform, crm, sync, support to bulk_role;
grant usage on sequence crm.customer_number, support.customer_number to bulk_role;
grant select, insert, update on platform.customers, platform.customer_external_ids, crm.customer_order to bulk_role;
grant select, insert, update, delete on platform.customer_emails, platform.customer_phones to bulk_role;
grant select (id) on platform.companies, platform.users to bulk_role;
grant select on platform.tiers to bulk_role;
grant execute on function
    platform.is_line(text, integer), platform.is_time(timestamptz), platform.is_email_key(text), platform.is_phone(text, text, text),
    platform.is_app(text), platform.fold(text), platform.is_folded(text), platform.search_text(text),
    platform.name_beginning(text), platform.search_beginnings(text, text), platform.current_app(),
    platform.current_actor(), platform.no_address(uuid), platform.customer_violation(platform.customers), platform.tier_hint(),
    platform.begin_bulk(), platform.draw_customer_numbers(text, integer, bigint[]),
    platform.find_bulk_conflicts(platform.customers[], platform.customers[]),
    platform.bulk_refusal(integer, text, platform.customers), platform.missing_key(integer, text)
  to bulk_role;
-- The new owner of a function must be able to create one in its schema, but only then.
grant create on schema platform to bulk_role;
alter function platform.insert_customers(platform.customers[]) owner to bulk_role;
alter function platform.update_customers(uuid[], bigint[], jsonb[]) owner to bulk_role;
revoke create on schema platform from bulk_role;
-- Imports write as the schema's owner (0012_import.sql), who owns these two functions no more: their new owner grants it.
set local role bulk_role;
grant execute on function platform.insert_customers(platform.customers[]), platform.update_customers(uuid[], bigint[], jsonb[])
  to platform_owner;
set local role platform_owner;
