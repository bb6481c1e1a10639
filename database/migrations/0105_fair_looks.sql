-- Looks that fail take no more of the time than their share, and no customer hides others.

-- Who has an address at a mailbox: the live customers with the lowest ids, each once, and not more than `most`. Each customer is one
-- step in the index, however many addresses it has. Before, one with more than 105 addresses hid all others. The order names the mailbox
-- as well: under row security the planner does not see that it is one and the same, and would sort all addresses there for each step.
create or replace function sync.list_at_mailbox(mailbox text, most integer) returns setof uuid
language sql stable
begin atomic
  select o.id
  from (
    select s.customer_id as id from platform.customer_emails s where s.email_key = list_at_mailbox.mailbox
    union
    (with recursive variants (id) as (
      (select v.customer_id from platform.customer_emails v
      where sync.mailbox(v.email_key) = list_at_mailbox.mailbox and sync.is_variant(v.email_key)
      order by sync.mailbox(v.email_key), v.customer_id limit 1)
      union all
      select (
        select v.customer_id from platform.customer_emails v
        where sync.mailbox(v.email_key) = list_at_mailbox.mailbox and sync.is_variant(v.email_key) and v.customer_id > f.id
        order by sync.mailbox(v.email_key), v.customer_id limit 1)
      from variants f where f.id is not null)
    select f.id
    from variants f cross join lateral (select q.* from platform.customers q where q.id = f.id offset 0) l
    where l.merged_into is null and l.erased_at is null limit list_at_mailbox.most)) s
    cross join lateral (select q.* from platform.customers q where q.id = s.id offset 0) o
  where o.merged_into is null and o.erased_at is null order by o.id limit list_at_mailbox.most;
end;
drop index platform.customer_emails_mailbox;
alter index platform.customer_emails_by_mailbox rename to customer_emails_mailbox;

-- As before, and the one whose last try is longest ago comes first: of more than can be tried in ten minutes each has its turn.
create or replace function sync.next_failed_match() returns uuid
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  select q.customer_id from sync.quality_findings q
  where q.finding = 'failed.match' and exists (select from sync.quality_numbers n where n.finding = 'failed.match' and n.stored > 0)
    and coalesce((q.detail ->> 'tried_at')::bigint, 0) < extract(epoch from clock_timestamp()) - 600
  order by (q.detail ->> 'tried_at')::bigint nulls first, q.id limit 1 for update of q skip locked;
end;

-- A row whose look fails is tried again after ten minutes, then twenty, and so on up to a day. Each round tried it before: one that takes
-- too long cost fifteen seconds for each of the tries that find it, and the rests behind them, in which no other row was looked at.
create or replace function sync.keep_failed_look(of_finding text, of_subject text, of_id text, code text, context text default null)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  tries constant integer := least(coalesce((
    select (q.detail ->> 'tries')::integer from sync.quality_findings q
    where q.finding = of_finding and q.subject_id = of_id and q.part = '' and q.subject = of_subject), 0) + 1, 9);
begin
  perform sync.keep_findings(of_subject, '{}', jsonb_build_array(jsonb_build_object(
    'finding', of_finding, 'subject_id', of_id, 'part', '',
    'customer_id', case of_subject when 'customer' then of_id end,
    'detail', jsonb_strip_nulls(jsonb_build_object('code', code,
      'in', substring(context from 'function "?([a-z_.]+)'), 'tries', tries,
      'again_at', extract(epoch from clock_timestamp())::bigint + least(300 * 2 ^ tries, 86400)::bigint)))));
end $$;

-- The ids of the next rows of a scan that the caller holds. Left out are those whose last look has failed, until they are to be tried
-- again; the round that somebody has asked for tries them all.
create or replace function sync.next_subjects(s sync.quality_scans, rows_max integer) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  later constant text[] := case when s.asked_at is not null then '{}' else array(
    select q.subject_id from sync.quality_findings q
    where q.finding = 'failed.' || sync.subject_of_scan(s.name)
      and (q.detail ->> 'again_at')::bigint > extract(epoch from clock_timestamp())) end;
begin
  return case s.name
    when 'customers' then array(
      select c.id::text from platform.customers c
      where (s.place is null or c.id > s.place::uuid) and c.id::text <> all (later) order by c.id limit rows_max)
    when 'companies' then array(
      select c.id::text from platform.companies c
      where (s.place is null or c.id > s.place::uuid) and c.id::text <> all (later) order by c.id limit rows_max)
    when 'deals' then array(
      select d.id::text from crm.deals d
      where (s.place is null or d.id > s.place::bigint) and d.id::text <> all (later) order by d.id limit rows_max)
    when 'sessions' then array(
      select v.id::text from support.sessions v
      where (s.place is null or v.id > s.place::uuid) and v.id::text <> all (later) order by v.id limit rows_max)
    when 'activities' then array(
      select a.id::text from crm.activities a
      where (s.place is null or a.id > s.place::uuid) and a.id::text <> all (later) order by a.id limit rows_max)
    else '{}' end;
end $$;

-- As before, with the looks that failed.
create or replace function sync.list_quality_gauges() returns setof sync.gauge_row
language sql volatile
begin atomic
  select 'quality_' || k.name, '', sum(n.stored)::double precision
  from sync.quality_numbers n join sync.quality_scans s on s.name = n.scan
    join (values ('duplicate', 'duplicates'), ('orphan', 'orphans'), ('missing', 'missing_fields'), ('address', 'unreachable_addresses'),
      ('drift', 'drift'), ('failed', 'failed_looks')) k (prefix, name) on k.prefix = split_part(n.finding, '.', 1)
  group by k.name having bool_and(s.last_ended_at is not null);
end;
