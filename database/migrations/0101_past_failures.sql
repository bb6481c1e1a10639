-- A scan of quality comes past whatever a row holds, and is as quick where very many share a number as where nobody does.
--
-- What more than twenty customers share, be it a number or a mailbox, is the number of a switchboard or of nobody, and no sign that two are
-- one person: matching compares nobody by it either (`telephone` in importer/matching/blocks.ts). It is one finding now, shared.phone or
-- shared.mailbox, with one of the customers. Before, each of them was paired with another one, which filled the list of duplicates up; and
-- each look asked of fifty others whether they are known to be different, before it took the first.
--
-- A row whose look ends in an error is a finding of its own, failed.customer and its like, and the scan goes on behind it. Before, the
-- scan tried it again for ever and came no further.

-- Who has an address at a mailbox, or a number: some live customers, each once, and not more than `most`.
create function sync.list_at_mailbox(mailbox text, most integer) returns setof uuid
language sql stable
begin atomic
  select distinct l.id
  from (
    select o.id
    from (
      select s.customer_id from platform.customer_emails s where s.email_key = list_at_mailbox.mailbox
      union all
      select v.customer_id from platform.customer_emails v
      where sync.mailbox(v.email_key) = list_at_mailbox.mailbox and sync.is_variant(v.email_key)) s
      cross join lateral (select q.* from platform.customers q where q.id = s.customer_id offset 0) o
    -- One may have many addresses at a mailbox.
    where o.merged_into is null and o.erased_at is null limit 5 * most) l
  limit most;
end;
create function sync.list_at_number(phone_key text, phone_extension text, most integer) returns setof uuid
language sql stable
begin atomic
  (select q.id from platform.customers q
  where q.phone_key = list_at_number.phone_key and q.phone_extension is not distinct from list_at_number.phone_extension
    and q.merged_into is null and q.erased_at is null limit most)
  union
  (select o.id
  from platform.customer_phones s cross join lateral (select q.* from platform.customers q where q.id = s.customer_id offset 0) o
  where s.phone_key = list_at_number.phone_key and s.phone_extension is not distinct from list_at_number.phone_extension
    and not s.is_primary and o.merged_into is null and o.erased_at is null limit most)
  limit most;
end;

create or replace function sync.find_in_customers(ids uuid[]) returns setof jsonb
language sql stable
begin atomic
  with every as materialized (select c.* from platform.customers c where c.id = any (find_in_customers.ids)),
  present as materialized (select e.* from every e where e.merged_into is null and e.erased_at is null),
  addresses as materialized (
    select a.id, a.email_key, a.customer_id, a.is_primary from platform.customer_emails a
    where a.customer_id = any (find_in_customers.ids) and a.email_key not like '%@unknown.invalid'),
  -- Who has a mailbox or a number is asked once for each of them, not for each who has it.
  mailboxes as materialized (
    select m.mailbox, array(select o from sync.list_at_mailbox(m.mailbox, 21) o order by o) as ids
    from (select distinct sync.mailbox(a.email_key) as mailbox from addresses a join present p on p.id = a.customer_id) m),
  numbers as materialized (
    select m.phone_key, m.phone_extension, array(select o from sync.list_at_number(m.phone_key, m.phone_extension, 21) o order by o) as ids
    from (
      select distinct n.phone_key, n.phone_extension
      from present p cross join lateral (select t.* from platform.customer_phones t where t.customer_id = p.id offset 0) n) m),
  -- Of each only the first that is no known other person, and no more are asked for: that costs more than to find them.
  by_address as (
    select p.id, f.other
    from present p cross join lateral (
      select k.id as other
      from (
        select distinct u.id
        from addresses a join mailboxes m on m.mailbox = sync.mailbox(a.email_key) and cardinality(m.ids) <= 20
          cross join lateral unnest(m.ids) u (id)
        where a.customer_id = p.id and u.id < p.id order by u.id offset 0) k
      where not sync.are_different(p.id, k.id) limit 1) f),
  by_phone as (
    select p.id, f.other
    from present p cross join lateral (
      select k.id as other
      from (
        select distinct u.id
        from platform.customer_phones n join numbers m
            on m.phone_key = n.phone_key and m.phone_extension is not distinct from n.phone_extension and cardinality(m.ids) <= 20
          cross join lateral unnest(m.ids) u (id)
        where n.customer_id = p.id and u.id < p.id order by u.id offset 0) k
      where not sync.are_different(p.id, k.id) limit 1) f),
  -- What more than twenty have is reported with the first of them. Only then it is counted how many they are.
  shared as (
    (select distinct on (m.mailbox) 'shared.mailbox' as finding, a.customer_id as id, a.id as part,
      (select count(*) from sync.list_at_mailbox(m.mailbox, 10000)) as customers
    from mailboxes m join addresses a on a.customer_id = m.ids[1] and sync.mailbox(a.email_key) = m.mailbox
    where cardinality(m.ids) > 20 order by m.mailbox, a.id)
    union all
    select 'shared.phone', n.customer_id, n.id, (select count(*) from sync.list_at_number(m.phone_key, m.phone_extension, 10000))
    from numbers m join present p on p.id = m.ids[1]
      join platform.customer_phones n
        on n.customer_id = p.id and n.phone_key = m.phone_key and n.phone_extension is not distinct from m.phone_extension
    where cardinality(m.ids) > 20),
  by_person as (
    select p.id, f.other, f.because
    from present p cross join lateral (
      select k.id as other, k.because
      from (
        select distinct on (s.id) s.id, s.because
        from (
          select o.id, case when o.company_id = p.company_id then 'company' else 'domain' end as because
          from (select q.id, q.company_id, q.email_key from platform.customers q
                where q.name = p.name and q.merged_into is null and q.erased_at is null and q.id < p.id order by q.id limit 200) o
          where o.company_id = p.company_id
            or split_part(o.email_key, '@', 2) = split_part(p.email_key, '@', 2)
              and not sync.is_public_provider(split_part(p.email_key, '@', 2)) and p.email_key not like '%@unknown.invalid'
          union all
          select o.id, 'company'
          from (select q.id, q.name
                from (select x.* from platform.customers x where x.company_id = p.company_id and x.id < p.id offset 0) q
                where q.merged_into is null and q.erased_at is null limit 50) o
          where lower(o.name collate pg_catalog.pg_c_utf8) = lower(p.name collate pg_catalog.pg_c_utf8)
            or (platform.is_folded(o.name) or platform.is_folded(p.name)) and platform.fold(o.name) = platform.fold(p.name)) s
        order by s.id, s.because offset 0) k
      where not sync.are_different(p.id, k.id) order by k.id limit 1) f),
  claims as (
    select distinct on (r.other_id) r.other_id as id, r.customer_id as other
    from platform.review_candidates r join present p on p.id = r.other_id
      cross join lateral (select q.* from platform.customers q where q.id = r.customer_id offset 0) o
    where o.merged_into is null and o.erased_at is null and r.state = 'open' order by r.other_id, r.customer_id),
  -- The newest version that the log knows. The caller leaves out the finding while the outbox is behind.
  logged as (
    select p.id, p.version, l.version as logged
    from every p cross join lateral (
      select v.version from sync.events v where v.key = p.id::text and v.version is not null order by v.position desc limit 1) l
    where p.updated_at < now() - interval '2 minutes'),
  history as (select s.position from sync.subscriptions s where s.name = 'foundation.history'),
  unrecorded as (
    select p.id, v.id as event
    from present p cross join history h cross join lateral (
      select v.id, v.position, v.type, v.data, v.previous from sync.events v
      where v.key = p.id::text and v.position <= h.position order by v.position desc limit 5) v
    where (v.type = 'customer.created'
        or v.type = 'customer.updated' and v.previous ?| array['name', 'email', 'phone', 'company_id', 'account_tier',
          'account_manager_id', 'preferred_language', 'timezone'])
      and not exists (select from crm.changes k where k.event_id = v.id)
      and not exists (select from sync.parked w where w.subscription = 'foundation.history' and w.position = v.position)),
  found (finding, subject_id, part, other_id, detail) as (
    select 'duplicate.address', d.id, '', d.other, '{}'::jsonb from by_address d
    union all select 'duplicate.phone', d.id, '', d.other, '{}' from by_phone d
    union all select 'duplicate.person', d.id, '', d.other, jsonb_build_object('because', d.because) from by_person d
    union all select 'duplicate.claim', d.id, '', d.other, '{}' from claims d
    union all select s.finding, s.id, s.part::text, null, jsonb_build_object('customers', s.customers) from shared s
    union all
    select 'orphan.unadopted', p.id, '', null, '{}' from present p
    where p.created_by_app = 'support' and p.crm_id is null and p.created_at < now() - interval '10 minutes'
    union all
    select 'missing.name', p.id, '', null, '{}' from present p
    where p.name !~ '[[:alpha:]]' or lower(p.name collate "C") in (p.email_key, split_part(p.email_key, '@', 1))
      or lower(p.name collate "C") in ('unknown', 'visitor', 'anonymous', 'no name', 'noname', 'n/a', 'none', 'test', 'unbekannt')
    union all
    select 'missing.address', p.id, '', null, '{}' from present p where p.email_key = platform.no_address(p.id)
    union all
    select 'missing.field', p.id, f.key, null, jsonb_build_object('label', f.label)
    from present p join crm.custom_fields f on f.record = 'customer' and f.is_required
    where not exists (select from crm.custom_field_values v where v.field_id = f.id and v.customer_id = p.id)
    union all
    select 'address.unreachable', a.customer_id, a.id::text, null,
           jsonb_build_object('because', sync.unreachable_because(a.email_key), 'is_primary', a.is_primary)
    from addresses a join present p on p.id = a.customer_id where sync.unreachable_because(a.email_key) is not null
    union all
    select 'drift.address', p.id, '', null, '{}'
    from present p left join platform.customer_emails a on a.customer_id = p.id and a.is_primary
    where (a.email_key, a.email) is distinct from (p.email_key, p.email)
    union all
    select 'drift.phone', p.id, '', null, '{}'
    from present p left join platform.customer_phones n on n.customer_id = p.id and n.is_primary
    where (n.phone, n.phone_key, n.phone_extension) is distinct from (p.phone, p.phone_key, p.phone_extension)
    union all
    select 'drift.number', p.id, x.app, null, '{}'
    from present p cross join lateral (values ('foundation', p.crm_id::text), ('support', p.support_id::text)) x (app, number)
    where x.number is not null and not exists (
      select from platform.customer_external_ids k where k.app = x.app and k.external_id = x.number and k.customer_id = p.id)
    union all
    select 'drift.order', e.id, '', null, '{}'
    from every e left join crm.customer_order o on o.customer_id = e.id
    where case when e.merged_into is not null or e.erased_at is not null then o.customer_id is not null
      else (o.account_tier, o.updated_at) is distinct from (coalesce(e.account_tier, '~'), e.updated_at) end
    union all
    select 'drift.event', l.id, '', null, jsonb_build_object('version', l.version, 'logged', l.logged)
    from logged l where l.version <> l.logged and l.version is distinct from sync.version_of_unmerge(l.id)
    union all select 'drift.history', u.id, u.event::text, null, '{}' from unrecorded u)
  select jsonb_build_object('finding', f.finding, 'subject', 'customer', 'subject_id', f.subject_id, 'part', f.part,
    'customer_id', f.subject_id, 'other_id', f.other_id, 'detail', f.detail)
  from found f;
end;

insert into sync.quality_numbers (finding, scan) values
  ('shared.phone', 'customers'), ('shared.mailbox', 'customers'), ('failed.customer', 'customers'), ('failed.match', 'customers'),
  ('failed.company', 'companies'), ('failed.deal', 'deals'), ('failed.session', 'sessions'), ('failed.activity', 'activities');

-- A step that fails is tried again with a quarter of its rows, at last with one: so the row that fails is found among two thousand.
alter table sync.quality_scans drop constraint quality_scans_step_rows_check, add check (step_rows between 1 and 2000);

-- Looks at some rows of one kind now, and at nothing else. The caller holds sync.findings_lock().
create function sync.check_rows(of_subject text, ids text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  all_ids text[] := ids;
  now_found jsonb;
  -- What detection could not look at, detection looks at again: sync.keep_match_keys.
  without text[] := '{failed.match}';
begin
  case of_subject
    when 'customer' then
      -- A repair may have written activities in this transaction, whose rows are otherwise written at its end.
      set constraints crm.note_activity, crm.note_changed_activity immediate;
      set constraints crm.note_activity, crm.note_changed_activity deferred;
      -- An event that is not numbered yet is in no log: while the outbox is behind, nothing is said about it.
      if sync.outbox_age() > interval '30 seconds' then without := without || '{drift.event,drift.history}'; end if;
      select coalesce(jsonb_agg(f), '[]') into now_found
      from (select sync.find_in_customers(ids::uuid[]) union all select sync.find_children(ids::uuid[])
        union all select sync.find_stale_activity(ids::uuid[])) n (f);
    when 'company' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_companies(ids::uuid[]) f;
    when 'deal' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_deals(ids::bigint[]) f;
    when 'session' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_sessions(ids::uuid[]) f;
    when 'activity' then select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_activities(ids::uuid[]) f;
    when 'index' then
      select coalesce(jsonb_agg(f), '[]') into now_found from sync.find_in_indexes() f;
      select array_agg(q.subject_id) || coalesce(ids, '{}') into all_ids from sync.quality_findings q where q.subject = 'index';
  end case;
  perform sync.keep_findings(of_subject, coalesce(all_ids, ids), now_found, without);
end $$;

-- For a repair, and for a person who asks: a customer's partners are looked at with it, because what made them a pair may be gone. They are
-- a hundred at most; a round looks at each in its turn, so it needs none beside.
create or replace function sync.check_subjects(of_subject text, ids text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if of_subject = 'customer' then
    ids := array(
      select unnest(ids) union
      (select q.subject_id from sync.quality_findings q where q.other_id = any (ids::uuid[]) and q.subject = 'customer' limit 100));
  end if;
  perform sync.check_rows(of_subject, ids);
end $$;

-- Keeps that a row could not be looked at. The text of an error could name a person; its code and the function that it is of cannot.
create function sync.keep_failed_look(of_finding text, of_subject text, of_id text, code text, context text default null) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  select sync.keep_findings(of_subject, '{}', jsonb_build_array(jsonb_build_object(
    'finding', of_finding, 'subject_id', of_id, 'part', '',
    'customer_id', case of_subject when 'customer' then of_id end,
    'detail', jsonb_strip_nulls(jsonb_build_object('code', code,
      'in', substring(context from 'function "?([a-z_.]+)'))))));
end;

drop function sync.look_at_next(sync.quality_scans, integer);
-- The ids of the next rows of a scan that the caller holds.
create function sync.next_subjects(s sync.quality_scans, rows_max integer) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return case s.name
    when 'customers' then
      array(select c.id::text from platform.customers c where s.place is null or c.id > s.place::uuid order by c.id limit rows_max)
    when 'companies' then
      array(select c.id::text from platform.companies c where s.place is null or c.id > s.place::uuid order by c.id limit rows_max)
    when 'deals' then
      array(select d.id::text from crm.deals d where s.place is null or d.id > s.place::bigint order by d.id limit rows_max)
    when 'sessions' then
      array(select v.id::text from support.sessions v where s.place is null or v.id > s.place::uuid order by v.id limit rows_max)
    when 'activities' then
      array(select a.id::text from crm.activities a where s.place is null or a.id > s.place::uuid order by a.id limit rows_max)
    else '{}' end;
end $$;

create function sync.subject_of_scan(scan text) returns text
language sql immutable parallel safe
return case scan when 'customers' then 'customer' when 'companies' then 'company' when 'deals' then 'deal' when 'sessions' then 'session'
  when 'activities' then 'activity' when 'indexes' then 'index' end;

-- Takes away the findings of this kind whose row is gone: no round comes to it.
create function sync.forget_gone(of_subject text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  gone bigint[];
begin
  gone := case of_subject
    when 'customer' then array(select q.id from sync.quality_findings q where q.subject = 'customer'
      and not exists (select from platform.customers r where r.id = q.subject_id::uuid))
    when 'company' then array(select q.id from sync.quality_findings q where q.subject = 'company'
      and not exists (select from platform.companies r where r.id = q.subject_id::uuid))
    when 'deal' then array(select q.id from sync.quality_findings q where q.subject = 'deal'
      and not exists (select from crm.deals r where r.id = q.subject_id::bigint))
    when 'session' then array(select q.id from sync.quality_findings q where q.subject = 'session'
      and not exists (select from support.sessions r where r.id = q.subject_id::uuid))
    when 'activity' then array(select q.id from sync.quality_findings q where q.subject = 'activity'
      and not exists (select from crm.activities r where r.id = q.subject_id::uuid))
    else '{}' end;
  if cardinality(gone) > 0 then delete from sync.quality_findings q where q.id = any (gone); end if;
end $$;

-- One step of one scan: the one that somebody asked for, otherwise the one whose last step is longest ago. The worker calls it about once
-- a second, and without a pause while `is_asked`. A scan that has ended rests for five minutes. The function skips a scan on which another
-- worker is busy. `scan` is null if no scan is due, or while a repair runs. Writers of the scanned rows may wait as long as a step takes.
-- Therefore the next step gets as many rows as would have taken 50 ms, and at most twice as many as this step. A step that ends in an
-- error, or at the caller's time limit, is undone, and the other scans have their turns before it is tried again with fewer rows. One row
-- that fails alone is `failed`: it is kept as a finding, the scan goes on behind it, and the next round tries it again. `fault` is the
-- SQLSTATE of the error.
drop function sync.quality_step(integer);
create function sync.quality_step(
  rows_max integer default 2000, out scan text, out looked integer, out is_asked boolean, out fault text, out failed text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  step_ms constant double precision := 50;
  began constant timestamptz := clock_timestamp();
  s sync.quality_scans;
  ids text[] := '{}';
  of_subject text;
  context text;
  took_ms double precision;
  next_rows integer;
  this_hour constant timestamptz := date_trunc('hour', now());
begin
  looked := 0;
  is_asked := false;
  if not pg_try_advisory_xact_lock(sync.findings_lock()) then
    is_asked := exists (select from sync.quality_scans q where q.asked_at is not null);
    return;
  end if;
  select q.* into s from sync.quality_scans q
  where q.asked_at is not null or q.place is not null or q.last_ended_at is null or q.last_ended_at < now() - interval '5 minutes'
  order by q.asked_at nulls last, q.stepped_at nulls first, q.name
  limit 1 for update skip locked;
  if not found then return; end if;
  scan := s.name;
  of_subject := sync.subject_of_scan(s.name);
  rows_max := least(greatest(rows_max, 1), s.step_rows);
  begin
    ids := sync.next_subjects(s, rows_max);
    if cardinality(ids) > 0 or of_subject = 'index' then perform sync.check_rows(of_subject, ids); end if;
  exception when query_canceled or others then
    get stacked diagnostics fault = returned_sqlstate, context = pg_exception_context;
    if cardinality(ids) <> 1 then
      update sync.quality_scans q
      set stepped_at = clock_timestamp(), step_rows = greatest(least(s.step_rows, cardinality(ids)) / 4, 1),
        faults = least(q.faults + 1, 1000000)
      where q.name = s.name returning q.asked_at is not null into is_asked;
      return;
    end if;
    failed := ids[1];
    perform sync.keep_failed_look('failed.' || of_subject, of_subject, failed, fault, context);
  end;
  looked := cardinality(ids);
  took_ms := greatest(extract(epoch from clock_timestamp() - began) * 1000, 1);
  -- Where one has failed the next may fail as well.
  next_rows := case when failed is null then least(greatest(round(looked * step_ms / took_ms), 20), 2 * s.step_rows, 2000) else 1 end;
  if looked = rows_max then
    update sync.quality_scans q
    set place = ids[looked], rows_seen = case when q.place is null then 0 else q.rows_seen end + looked, stepped_at = clock_timestamp(),
      round_began_at = case when q.place is null then now() else q.round_began_at end, faults = 0, step_rows = next_rows
    where q.name = s.name returning q.asked_at is not null into is_asked;
  else
    perform sync.forget_gone(of_subject);
    update sync.quality_scans q
    set place = null, rows_seen = case when q.place is null then 0 else q.rows_seen end + looked, stepped_at = clock_timestamp(),
      rounds = q.rounds + 1, rows_of_round = case when q.place is null then 0 else q.rows_seen end + looked, faults = 0,
      last_began_at = case when q.place is null then now() else q.round_began_at end, last_ended_at = clock_timestamp(),
      asked_at = null, asked_by = null
    where q.name = s.name;
    is_asked := exists (select from sync.quality_scans q where q.asked_at is not null);
  end if;
  insert into sync.quality_history as h (finding, hour, stored)
  select n.finding, this_hour, n.stored from sync.quality_numbers n
  where n.scan = s.name
    and not exists (select from sync.quality_history k where k.finding = n.finding and k.hour = this_hour and k.stored = n.stored)
  on conflict (finding, hour) do update set stored = excluded.stored;
  if looked < rows_max then
    delete from sync.quality_history h
    where h.hour < now() - interval '2 years'
      or h.hour < now() - interval '32 days' and extract(hour from h.hour at time zone 'UTC') <> 0;
  end if;
end $$;
grant execute on function sync.quality_step(integer) to sync_role;

-- Looks again at the subjects of these findings, so that a page shows what is true now. One that fails keeps no other from its look.
create or replace function sync.recheck_findings(ids bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  looked record;
  one text;
  code text;
  context text;
begin
  perform sync.require_operator();
  perform pg_advisory_xact_lock(sync.findings_lock());
  if cardinality(ids) > 100 then
    raise exception 'at most 100 findings at a time' using errcode = 'invalid_parameter_value';
  end if;
  for looked in
    select q.subject, array_agg(distinct q.subject_id) as subjects
    from sync.quality_findings q where q.id = any (ids) group by q.subject order by q.subject
  loop
    begin
      perform sync.check_subjects(looked.subject, looked.subjects);
      continue;
    exception when others then
      null; -- Each is looked at alone, to find the one that fails.
    end;
    foreach one in array looked.subjects loop
      begin
        perform sync.check_rows(looked.subject, array[one]);
      exception when others then
        get stacked diagnostics code = returned_sqlstate, context = pg_exception_context;
        if looked.subject <> 'index' then
          perform sync.keep_failed_look('failed.' || looked.subject, looked.subject, one, code, context);
        end if;
      end;
    end loop;
  end loop;
  -- Detection looks again at these: sync.next_failed_match.
  update sync.quality_findings q set detail = q.detail - 'tried_at' where q.id = any (ids) and q.finding = 'failed.match';
end $$;

-- Repairs findings one after another until it has taken so long; at least one. The answer lists those that it came to, in the order of
-- `ids`, each with what came of it. One that takes too long is refused, and nothing is begun behind it: the caller's limit has run out.
create or replace function sync.repair_batch(ids bigint[], within interval) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  began constant timestamptz := clock_timestamp();
  f sync.quality_findings;
  outcome text;
  because text;
  outcomes jsonb := '[]';
  is_over boolean := false;
begin
  perform pg_advisory_xact_lock(sync.findings_lock());
  for i in 1 .. cardinality(ids) loop
    exit when is_over or i > 1 and clock_timestamp() - began > within;
    select q.* into f from sync.quality_findings q where q.id = ids[i];
    outcome := 'gone';
    because := null;
    if found then
      begin
        select r.outcome, r.because into outcome, because from sync.repair_finding(f) r;
      exception when query_canceled or others then
        -- One row that nobody foresaw must not stop the run for ever. The text could name a person, its code cannot.
        outcome := 'refused';
        because := 'error ' || sqlstate;
        is_over := sqlstate = '57014';
      end;
    end if;
    outcomes := outcomes || jsonb_strip_nulls(jsonb_build_object('id', ids[i], 'outcome', outcome, 'because', because));
  end loop;
  return outcomes;
end $$;

-- Sync Health says which rows could not be looked at, and that a scan comes no further.
create or replace function sync.check_quality() returns setof sync.check_row
language sql volatile
begin atomic
  select 'drift:' || split_part(n.finding, '.', 2), 'drift',
    case when s.last_ended_at is null then 'unknown'
      when s.stepped_at < clock_timestamp() - interval '1 hour' then 'stalled'
      when n.stored > 0 then 'warning' else 'ok' end,
    case when s.last_ended_at is null then 'It has not been proven yet: the first round is under way.'
      when s.stepped_at < clock_timestamp() - interval '1 hour' then 'Nothing has been compared with its source for an hour.'
      when n.stored >= 10000 then '10,000+ rows differ from their source.'
      when n.stored > 0 then sync.say_count(n.stored) || ' rows differ from their source.'
      else 'Every row agreed with its source.' end,
    jsonb_build_object('drifting', n.stored)
  from sync.quality_numbers n join sync.quality_scans s on s.name = n.scan where n.finding like 'drift.%'
  union all
  select 'quality', 'quality',
    case when s.stepped_at < clock_timestamp() - interval '1 hour' then 'stalled'
      when s.failing is not null or f.failed > 0 then 'warning'
      when s.ended < 6 then 'unknown' else 'ok' end,
    case when s.stepped_at < clock_timestamp() - interval '1 hour' then 'No record has been looked at for an hour.'
      when s.failing is not null then 'Each step of these scans ends in an error: ' || s.failing || '.'
      when f.failed > 0 then
        case when f.failed >= 10000 then '10,000+ records' when f.failed = 1 then 'One record'
          else sync.say_count(f.failed) || ' records' end
        || ' could not be looked at because of an error' || coalesce(': ' || f.which, '') || '.'
      when s.ended < 6 then 'The records have not been looked through yet.'
      else 'The records are looked through all the time.' end,
    (select jsonb_object_agg(g.name, g.total) from (
      select split_part(n.finding, '.', 1) as name, sum(n.stored) as total from sync.quality_numbers n group by 1) g)
  from (
    select count(q.last_ended_at) as ended, max(q.stepped_at) as stepped_at,
      -- Of two thousand rows one is found in six tries: who fails more often fails before any row.
      string_agg(q.name, ', ' order by q.name) filter (where q.faults > 6) as failing
    from sync.quality_scans q) s
  cross join (
    select sum(n.stored) as failed,
      case when sum(n.stored) > 0 then (
        select string_agg(format('%s %s (%s)', q.subject, q.subject_id, q.detail ->> 'code'), ', ' order by q.id)
        from (
          select o.* from sync.quality_findings o
          where o.finding in (select x.finding from sync.quality_numbers x where x.finding like 'failed.%') order by o.id limit 3) q) end
      || case when sum(n.stored) > 3 then ' and others' else '' end as which
    from sync.quality_numbers n where n.finding like 'failed.%') f;
end;

-- Of a customer that detection could not look at: when it was tried. The next look at it takes the finding away.
create function sync.keep_failed_match(of_customer uuid, code text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.keep_findings('customer', '{}', jsonb_build_array(jsonb_build_object('finding', 'failed.match', 'subject_id', of_customer,
    'part', '', 'customer_id', of_customer,
    'detail', jsonb_strip_nulls(jsonb_build_object('code', code, 'tried_at', extract(epoch from clock_timestamp())::bigint)))));
end $$;

-- A customer that detection could not look at, to be tried again: after ten minutes, or once somebody asks. For the caller's transaction.
create function sync.next_failed_match() returns uuid
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  select q.customer_id from sync.quality_findings q
  where q.finding = 'failed.match' and exists (select from sync.quality_numbers n where n.finding = 'failed.match' and n.stored > 0)
    and coalesce((q.detail ->> 'tried_at')::bigint, 0) < extract(epoch from clock_timestamp()) - 600
  order by q.id limit 1 for update of q skip locked;
end;

create or replace function sync.keep_match_keys(looked jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  ids constant uuid[] := array(select l.customer from jsonb_to_recordset(looked) l (customer uuid));
  live uuid[];
begin
  perform set_config('lock_timeout', '500ms', true);
  live := array(
    select c.id from platform.customers c where c.id = any (ids) and c.merged_into is null and c.erased_at is null
    order by c.id for key share);
  if cardinality(live) < cardinality(ids) then
    delete from sync.match_keys k where k.customer = any (array(select i.id from unnest(ids) i (id) where i.id <> all (live)));
  end if;
  insert into sync.match_keys as k (customer, keys, cut_off)
  select l.customer, array(select jsonb_array_elements_text(l.keys)::bigint), array(select jsonb_array_elements_text(l.cut_off))
  from jsonb_to_recordset(looked) l (customer uuid, keys jsonb, cut_off jsonb) where l.customer = any (live) order by l.customer
  on conflict (customer) do update set keys = excluded.keys, cut_off = excluded.cut_off
  where (k.keys, k.cut_off) is distinct from (excluded.keys, excluded.cut_off);
  if exists (select from sync.quality_numbers n where n.finding = 'failed.match' and n.stored > 0) then
    delete from sync.quality_findings q
    where q.finding = 'failed.match' and q.subject = 'customer' and q.part = '' and q.subject_id = any (ids::text[]);
  end if;
end $$;
revoke all on function sync.quality_step(integer), sync.keep_failed_match(uuid, text), sync.next_failed_match() from public;
grant execute on function sync.keep_failed_match(uuid, text), sync.next_failed_match() to sync_role;
