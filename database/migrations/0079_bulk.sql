-- Writes of many customers cost less of the processor. Most of it went into calls for each row: a function that sets its search_path takes
-- 2 µs more a call, a record that plpgsql completes field by field 25 µs, and jsonb_build_object looks up the type of each
-- of its arguments in every row, 16 µs for an event.

-- The rules as expressions. A check of a table calls the plpgsql function (see platform.is_line), which keeps its plan with the rule in it;
-- it names nothing that a search_path could redirect. plpgsql that knows many rules, such as customer_violation, inlines them as well.
create function platform.line_rule(value text, characters_max integer) returns boolean
language sql immutable parallel safe
return char_length(value) between 1 and characters_max and value collate pg_catalog.pg_c_utf8 !~ '[\x01-\x1f\x7f]|^\s|\s$';
create or replace function platform.is_line(value text, characters_max integer) returns boolean
language plpgsql immutable parallel safe as $$
begin
  return platform.line_rule(value, characters_max);
end $$;

-- The collation is that of the column: a rule as an expression would take that of the database, and there a no-break space is a space.
create function platform.email_key_rule(key text) returns boolean
language sql immutable parallel safe
return octet_length(key) <= 254 and octet_length(split_part(key, '@', 1)) <= 64 and not starts_with(key, '//')
  and key collate "C" ~ ('^[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+(\.[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+)*'
    '@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$')
  and (octet_length(split_part(key, '@', 2)) <= 63
    or key collate "C" ~ '@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$');
create or replace function platform.is_email_key(key text) returns boolean
language plpgsql immutable parallel safe as $$
begin
  return platform.email_key_rule(key);
end $$;

-- A text in ASCII has as many bytes as letters. Almost every number ends as its key does, and only others need their digits read.
create function platform.phone_rule(phone text, key text, extension text) returns boolean
language sql immutable parallel safe
return case when phone is null then key is null and extension is null else
  coalesce(key ~ '^\+[1-9][0-9]{5,14}$', false) and coalesce(extension ~ '^[0-9]{1,20}$', true)
  and (octet_length(phone) <> char_length(phone) or extension is null and right(phone, 4) = right(key, 4)
    or regexp_replace(phone, '[^0-9]', '', 'g') like '%' || right(key, 4) || coalesce(extension, '')) end;
create or replace function platform.is_phone(phone text, key text, extension text) returns boolean
language plpgsql immutable parallel safe as $$
begin
  return platform.phone_rule(phone, key, extension);
end $$;
grant execute on function platform.line_rule(text, integer), platform.email_key_rule(text), platform.phone_rule(text, text, text)
  to app_role, bulk_role, merge_role, erase_role;

create or replace function platform.customer_violation(c platform.customers) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return case
    when not platform.line_rule(c.name, 200) then 'customers_name_check'
    when not platform.line_rule(c.email, 254) or octet_length(c.email) > 254 then 'customers_email_well_formed'
    -- For plain ASCII the database itself checks the key. Beyond it PostgreSQL and JavaScript lower-case differently, and only
    -- platform/email.ts makes keys.
    when not platform.email_key_rule(c.email_key)
      or octet_length(c.email) = char_length(c.email) and c.email_key <> lower(c.email collate "C") then 'customers_email_key_canonical'
    when not platform.line_rule(c.phone, 40) then 'customers_phone_check'
    when not platform.phone_rule(c.phone, c.phone_key, c.phone_extension) then 'customers_phone_canonical'
    when platform.audience_of(c.created_by_app) is null and c.created_by_app is not null then 'customers_created_by_app_check'
    when c.crm_id not between 1 and 9007199254740991 then 'customers_crm_id_check'
    when c.support_id not between 1 and 9007199254740991 then 'customers_support_id_check'
    when c.preferred_language !~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$' then 'customers_preferred_language_check'
    when c.timezone !~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$' then 'customers_timezone_check'
    when c.merged_into = c.id then 'customers_merged_into_check'
  end;
end $$;

-- Most times are absent, and an absent one needs no call.
alter function platform.is_time(timestamptz) strict;

-- As before, but a name in ASCII is read without a call: the collation puts it after its beginning and before whatever follows that.
create or replace function platform.search_beginnings(name text, email_key text) returns tsvector
language sql immutable parallel safe
return array_to_tsvector(array[
  '*',
  'n:' || coalesce(case when octet_length(name) = char_length(name) then substring(lower(name collate "C") from '^[a-z0-9]{1,16}')
    else platform.name_beginning(name) end, ''),
  'e:' || coalesce(substring(email_key collate "C" from '^[a-z0-9]{1,16}'), '')]);

-- The events of new rows: a row becomes JSON as a whole.
do $$
declare
  former constant text := pg_get_functiondef(
    'sync.capture(regclass, text, text, text, text, text[], text[], boolean)'::regprocedure);
  body text := former;
begin
  body := replace(body, $p$           %7$s, trace
    from unnest(news) r;$p$, $p$           to_jsonb(shown), trace
    from unnest(news) r cross join lateral (select %7$s) shown;$p$);
  body := replace(body, $p$    whole, entity || '.updated',$p$,
    $p$    (select string_agg(format('r.%I', c), ', ' order by n) from unnest(columns) with ordinality u (c, n)), entity || '.updated',$p$);
  if body not like '%to_jsonb(shown)%' or body not like '%format(''r.%I'', c)%' then
    raise exception 'what captures changes is not as this migration expects';
  end if;
  execute body;
end $$;
call sync.capture('platform.customers', 'customer', 'platform', 'r.id', 'coalesce(r.merged_into, r.id)', '{email,name}', '{email_key}',
  in_sets => true);
create or replace trigger z_capture after insert or update or delete on platform.customers
  for each row when (current_user !~ '^(bulk|merge|erase)_role$') execute function sync.capture_platform_customers();

-- Who of these rows was erased and is kept away: their places. olds: the rows as they are, null for new ones; what a row keeps is not
-- asked again. It is asked before and after a write of many customers, for whom the triggers of addresses and numbers do not fire: an
-- insert that waits for the erasure which takes the address away, sees its suppression afterwards.
create function platform.find_kept_away(olds platform.customers[], news platform.customers[]) returns integer[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from platform.suppressions s where s.lifted_at is null) then return '{}'; end if;
  return array(
    select r.ordinality::integer
    from unnest(news) with ordinality r cross join platform.suppression_key k
      cross join lateral (values ('email:' || r.email_key, r.email_key is distinct from (olds[r.ordinality]).email_key),
        ('phone:' || r.phone_key, r.phone_key is distinct from (olds[r.ordinality]).phone_key)) named (who, is_new)
    where named.is_new and exists (
      select from platform.suppressions s
      where s.hash = sha256(k.outer_pad || sha256(k.inner_pad || convert_to(named.who, 'UTF8'))) and s.lifted_at is null)
    order by 1);
end $$;
comment on function platform.find_kept_away is 'No login may call it: it would tell who was erased.';

-- The kind is that of the caller. Without its function's name it was the column of each suppression: every write read all of them, and made
-- a hash for each, 40 µs.
create or replace function platform.is_kept_away(kind text, value text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return value is not null and exists (select from platform.suppressions)
  and exists (
    select from platform.suppressions s
    where s.hash = platform.suppression_hash(is_kept_away.kind, is_kept_away.value) and s.lifted_at is null);
create or replace trigger y_keep_away after insert or update of email_key on platform.customer_emails
  for each row when (current_user !~ '^(bulk|erase)_role$') execute function platform.keep_erased_away('email');
create or replace trigger y_keep_away after insert or update of phone_key on platform.customer_phones
  for each row when (current_user !~ '^(bulk|erase)_role$') execute function platform.keep_erased_away('phone');

create or replace function platform.draw_customer_numbers(app text, how_many integer, given bigint[]) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sequence constant regclass := case app when 'foundation' then 'crm.customer_number' when 'support' then 'support.customer_number' end;
  drawn bigint[];
  taken text[];
  free bigint[] := '{}';
begin
  while cardinality(free) < how_many loop
    drawn := array(select nextval(sequence) from generate_series(1, how_many - cardinality(free)));
    taken := array(select x.external_id from platform.customer_external_ids x
      where x.app = draw_customer_numbers.app and x.external_id = any (drawn::text[]));
    if cardinality(given) + cardinality(taken) > 0 then
      drawn := array(select d.number from unnest(drawn) d (number) where d.number <> all (given) and d.number::text <> all (taken));
    end if;
    free := free || drawn;
  end loop;
  return free;
end $$;

-- Whether new rows of one write conflict at all, with each other or with what the database holds. Almost never do they:
-- platform.find_bulk_conflicts says which, and takes several times as long. given: the ids that the caller gave; a new one is nobody's.
create function platform.has_bulk_conflicts(given uuid[], news platform.customers[]) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  addresses text[];
  crm_ids text[];
  support_ids text[];
  tiers text[];
  companies uuid[];
  managers text[];
begin
  select array_agg(r.email_key), array_agg(r.crm_id::text) filter (where r.crm_id is not null),
    array_agg(r.support_id::text) filter (where r.support_id is not null),
    array_agg(distinct r.account_tier) filter (where r.account_tier is not null),
    array_agg(distinct r.company_id) filter (where r.company_id is not null),
    array_agg(distinct r.account_manager_id) filter (where r.account_manager_id is not null)
  into addresses, crm_ids, support_ids, tiers, companies, managers from unnest(news) r;
  return exists (select from platform.customer_emails e where e.email_key = any (addresses))
    or exists (select from unnest(addresses) a (key) having count(*) > count(distinct a.key))
    or given <> '{}' and (exists (select from platform.customers c where c.id = any (given))
      or exists (select from unnest(given) g (id) having count(*) > count(distinct g.id)))
    or crm_ids is not null and (
      exists (select from platform.customer_external_ids x where x.app = 'foundation' and x.external_id = any (crm_ids))
      or exists (select from unnest(crm_ids) x (id) having count(*) > count(distinct x.id)))
    or support_ids is not null and (
      exists (select from platform.customer_external_ids x where x.app = 'support' and x.external_id = any (support_ids))
      or exists (select from unnest(support_ids) x (id) having count(*) > count(distinct x.id)))
    or exists (select from unnest(tiers) n (key)
      where not exists (select from platform.tiers t where t.key = n.key and not t.is_retired))
    or exists (select from unnest(companies) n (id) where not exists (select from platform.companies o where o.id = n.id))
    or exists (select from unnest(managers) n (id) where not exists (select from platform.users u where u.id = n.id))
    or platform.find_kept_away(null, news) <> '{}';
end $$;
grant execute on function platform.find_kept_away(platform.customers[], platform.customers[]),
  platform.has_bulk_conflicts(uuid[], platform.customers[]), platform.audience_of(text) to bulk_role;

grant create on schema platform to bulk_role;
set local role bulk_role;

-- Creates many customers. Of a row, the database gives what is missing: the id, the key of an address in ASCII, the time, and the number
-- of the app in created_by_app. It counts the version and ignores updated_at. ids: of each row, in their order; null for a refused one.
-- A session keeps the plans of its first write. Made while the tables were small, they would read these from end to end for ever.
create or replace function platform.insert_customers(rows platform.customers[], out ids uuid[], out refusals jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = auto set enable_seqscan = off as $$
declare
  asked_at constant timestamptz := now();
  writer constant text := platform.current_app();
  actor constant text := platform.current_actor();
  given constant uuid[] := array(select r.id from unnest(rows) r where r.id is not null);
  refused jsonb[] := '{}';
  lost jsonb[];
  completed platform.customers[];
  violations text[];
  places integer[];
  accepted platform.customers[];
  written platform.customers[];
  conflicts text[];
  crm_numbers bigint[];
  support_numbers bigint[];
  former record;
  failed text;
begin
  if cardinality(rows) > 10000 then
    raise exception 'one write holds at most 10000 customers' using errcode = 'program_limit_exceeded', hint = 'Write them in chunks.';
  end if;
  former := platform.begin_bulk();
  -- All columns in their order: a record that is completed field by field takes ten times as long.
  select array_agg(row(
      coalesce(r.id, uuidv7()), r.email,
      coalesce(r.email_key, case when octet_length(r.email) = char_length(r.email) then lower(r.email collate "C") end), r.name,
      r.phone, r.phone_key, r.phone_extension, r.company_id, 1, coalesce(r.created_at, asked_at), asked_at,
      coalesce(r.created_by_app, writer), r.crm_id, r.account_tier, r.account_manager_id, r.support_id,
      r.preferred_language, r.timezone, r.merged_into, r.erased_at)::platform.customers order by r.ordinality)
  into completed from unnest(rows) with ordinality r;
  select array_agg(case
      when r.email is null then 'email is missing'
      when r.email_key is null then 'email_key is missing'
      when r.name is null then 'name is missing'
      when r.phone is not null and r.phone_key is null then 'phone is missing'
      when r.merged_into is not null then 'customers_merged_into_check'
      when r.erased_at is not null then 'customers_erased_at_check'
      when not platform.is_time(r.created_at) then 'customers_created_at_time'
      else platform.customer_violation(completed[r.ordinality]) end order by r.ordinality)
  into violations from unnest(completed) with ordinality r;
  select array_agg(at order by at) into places from generate_subscripts(violations, 1) at where violations[at] is null;
  if cardinality(places) is distinct from cardinality(completed) then
    select array_agg(case when violations[at] like '% is missing' then platform.missing_key(at, split_part(violations[at], ' ', 1))
      else platform.bulk_refusal(at, violations[at], completed[at]) end order by at)
    into refused from generate_subscripts(violations, 1) at where violations[at] is not null;
    completed := array(select completed[at] from unnest(places) at);
  end if;

  for attempt in 1..5 loop
    begin
      lost := '{}';
      conflicts := '{}';
      accepted := completed;
      if attempt > 1 or platform.has_bulk_conflicts(given, completed) then
        conflicts := platform.find_bulk_conflicts(null, completed);
        select array_agg(platform.bulk_refusal(places[at], conflicts[at], completed[at]) order by at)
            filter (where conflicts[at] is not null),
          array_agg(completed[at] order by at) filter (where conflicts[at] is null)
        into lost, accepted from generate_subscripts(completed, 1) at;
      end if;
      select platform.draw_customer_numbers('foundation',
               (count(*) filter (where a.created_by_app = 'foundation' and a.crm_id is null))::integer,
               coalesce(array_agg(a.crm_id) filter (where a.crm_id is not null), '{}')),
             platform.draw_customer_numbers('support',
               (count(*) filter (where a.created_by_app = 'support' and a.support_id is null))::integer,
               coalesce(array_agg(a.support_id) filter (where a.support_id is not null), '{}'))
      into crm_numbers, support_numbers from unnest(accepted) a;
      -- One statement, so that the rows are read once. The references are checked at its end.
      with numbered as materialized (
        select a.*,
          coalesce(a.crm_id, case when a.created_by_app = 'foundation'
            then crm_numbers[count(*) filter (where a.created_by_app = 'foundation' and a.crm_id is null) over so_far] end) as crm_number,
          coalesce(a.support_id, case when a.created_by_app = 'support'
            then support_numbers[count(*) filter (where a.created_by_app = 'support' and a.support_id is null) over so_far] end)
            as support_number
        from unnest(accepted) with ordinality a window so_far as (order by a.ordinality)
      ), inserted as (
        insert into platform.customers as c (
          id, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_at, updated_at, created_by_app,
          crm_id, account_tier, account_manager_id, support_id, preferred_language, timezone)
        select id, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_at, updated_at, created_by_app,
          crm_number, account_tier, account_manager_id, support_number, preferred_language, timezone
        from numbered order by ordinality
        returning c
      ), addresses as (
        insert into platform.customer_emails (email_key, email, customer_id, is_primary, added_by_app, added_by)
        select n.email_key, n.email, n.id, true, writer, actor from numbered n
      ), numbers as (
        insert into platform.customer_external_ids (app, external_id, customer_id)
        select 'foundation', n.crm_number, n.id from numbered n where n.crm_number is not null
        union all
        select 'support', n.support_number, n.id from numbered n where n.support_number is not null
      ), phones as (
        insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary, added_by_app, added_by)
        select n.id, n.phone, n.phone_key, n.phone_extension, true, writer, actor from numbered n where n.phone is not null
      ), places_in_lists as (
        insert into crm.customer_order (customer_id, account_tier, updated_at)
        select n.id, coalesce(n.account_tier, '~'), n.updated_at from numbered n
      )
      select array_agg(i.c) into written from inserted i;
      if platform.find_kept_away(null, written) <> '{}' then
        raise unique_violation using message = 'a person was erased meanwhile'; -- the next attempt refuses the row
      end if;
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
  ids := array(
    select case when conflicts[k.at] is null then (completed[k.at]).id end
    from generate_subscripts(rows, 1) place left join unnest(places) with ordinality k (place, at) using (place) order by place);
  refusals := to_jsonb(refused || lost);
end $$;

-- A change brings nobody back either.
do $$
declare
  former constant text := pg_get_functiondef('platform.update_customers(uuid[], bigint[], jsonb[])'::regprocedure);
  body constant text := replace(former, 'if of_news is not null then perform sync.capture_set(of_olds, of_news); end if;',
    $p$if platform.find_kept_away(of_olds, of_news) <> '{}' then
        raise unique_violation using message = 'a person was erased meanwhile'; -- the next attempt refuses the row
      end if;
      if of_news is not null then perform sync.capture_set(of_olds, of_news); end if;$p$);
begin
  if body = former then raise exception 'the function is not as it was'; end if;
  execute body;
end $$;
alter function platform.update_customers(uuid[], bigint[], jsonb[]) set enable_seqscan = off;
set local role platform_owner;
revoke create on schema platform from bulk_role;
