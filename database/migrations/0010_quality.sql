-- Data quality: what is wrong with the shared records, found in small steps, and the repairs. And two ways to look at them: a customer as
-- of any past moment, and the trial of one statement as another login.
--
-- The model of data quality. A scan walks one table by its key, some hundred rows a step (sync.quality_step); the worker calls it about
-- once a second. A step looks at its rows, stores what it finds as rows of sync.quality_findings, and removes what is no longer true. So a
-- page of the console reads stored rows and never searches. sync.quality_numbers counts them by triggers. A finding keeps at most 10,000
-- rows: beyond that its number is "10,000+". A repair looks at its own row again at once. A round that is asked for is walked without
-- pauses. All state is in these tables: a step that is killed has done nothing, and the next one does it again.

create table sync.quality_findings (
  id bigint generated always as identity primary key,
  finding text collate "C" not null check (finding ~ '^[a-z]+\.[a-z_]+$'),
  subject text collate "C" not null check (subject in ('customer', 'company', 'deal', 'session', 'activity', 'index')),
  subject_id text collate "C" not null,
  part text collate "C" not null default '',
  customer_id uuid,
  other_id uuid,
  detail jsonb not null default '{}',
  found_at timestamptz not null default clock_timestamp(),
  unique (finding, subject_id, part, subject)
);
comment on table sync.quality_findings is
  'What is wrong with which row. It holds ids, names of fields and numbers, never an address, a name or a telephone number.';
comment on column sync.quality_findings.part is
  'What of the subject is meant, if it can have the finding several times: the id of an address, the key of a field, the name of a table.';
comment on column sync.quality_findings.customer_id is 'No reference: the next look at the customer removes the row.';
create index quality_findings_list on sync.quality_findings (finding, id);
create index quality_findings_customer on sync.quality_findings (customer_id) where customer_id is not null;
create index quality_findings_other on sync.quality_findings (other_id) where other_id is not null;

-- How many rows each finding has. Triggers count, so that no reader does.
create table sync.quality_numbers (
  finding text collate "C" primary key,
  scan text collate "C" not null,
  is_repaired boolean not null default false,
  stored integer not null default 0 check (stored >= 0)
);
comment on column sync.quality_numbers.is_repaired is 'sync.mend repairs its rows.';
create table sync.quality_history (
  finding text collate "C" not null references sync.quality_numbers,
  hour timestamptz not null,
  stored integer not null,
  primary key (finding, hour)
);
comment on table sync.quality_history is 'The numbers by the hour for 32 days, then by the day for two years: the trend of each finding.';

create table sync.quality_scans (
  name text collate "C" primary key,
  place text collate "C",
  rounds integer not null default 0,
  rows_seen bigint not null default 0,
  rows_of_round bigint,
  round_began_at timestamptz,
  last_began_at timestamptz,
  last_ended_at timestamptz,
  stepped_at timestamptz,
  step_rows integer not null default 100 check (step_rows between 20 and 2000),
  faults integer not null default 0,
  asked_at timestamptz,
  asked_by text collate "C"
) with (fillfactor = 50);
comment on column sync.quality_scans.place is 'The key of the last row that was looked at; null: at the beginning.';
comment on column sync.quality_scans.rows_of_round is
  'The rows that the last finished round saw: the progress of this one is measured by it.';
comment on column sync.quality_scans.last_began_at is
  'When the last finished round began. No part of its findings is older: each row was looked at since then.';
comment on column sync.quality_scans.step_rows is
  'How many rows the next step looks at. Each scan has its own number: a customer takes a hundred times as long as an activity.';
comment on column sync.quality_scans.faults is 'How many of its last steps in a row were undone by an error.';
comment on column sync.quality_scans.asked_at is 'Somebody asked for a whole round: it is walked without pauses. Null when it has ended.';

call platform.protect_table('sync.quality_findings');
call platform.protect_table('sync.quality_numbers');
call platform.protect_table('sync.quality_history');
call platform.protect_table('sync.quality_scans');
insert into sync.quality_scans (name) values ('customers'), ('companies'), ('deals'), ('sessions'), ('activities'), ('indexes');
insert into sync.quality_numbers (finding, scan) values
  ('duplicate.address', 'customers'), ('duplicate.phone', 'customers'), ('duplicate.person', 'customers'),
  ('duplicate.claim', 'customers'),
  ('orphan.child', 'customers'), ('orphan.unadopted', 'customers'), ('orphan.session', 'sessions'), ('orphan.activity', 'activities'),
  ('missing.name', 'customers'), ('missing.address', 'customers'), ('missing.field', 'customers'), ('missing.company_field', 'companies'),
  ('missing.deal_field', 'deals'), ('address.unreachable', 'customers'),
  ('drift.address', 'customers'), ('drift.phone', 'customers'), ('drift.number', 'customers'), ('drift.order', 'customers'),
  ('drift.event', 'customers'), ('drift.history', 'customers'), ('drift.stage', 'deals'), ('drift.closing', 'deals'),
  ('drift.messages', 'sessions'), ('drift.index', 'indexes');
update sync.quality_numbers set is_repaired = true
where finding in ('orphan.child', 'orphan.unadopted', 'orphan.session') or starts_with(finding, 'drift.') and finding <> 'drift.index';

create function sync.count_findings() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    update sync.quality_numbers n set stored = n.stored + a.rows
    from (select finding, count(*)::integer as rows from added group by finding) a where n.finding = a.finding;
  else
    update sync.quality_numbers n set stored = n.stored - r.rows
    from (select finding, count(*)::integer as rows from removed group by finding) r where n.finding = r.finding;
  end if;
  return null;
end $$;
create trigger count_added after insert on sync.quality_findings
  referencing new table as added for each statement execute function sync.count_findings();
create trigger count_removed after delete on sync.quality_findings
  referencing old table as removed for each statement execute function sync.count_findings();

-- The mailbox that an address reaches, whatever its tag: ada+shop@acme.org is ada@acme.org, and Gmail knows no dots. It is no key: two
-- customers with one mailbox are shown to a person, and nothing merges by it.
create function sync.mailbox(email_key text) returns text
language sql immutable parallel safe
return case
  when split_part(email_key, '@', 2) in ('gmail.com', 'googlemail.com')
    then replace(split_part(split_part(email_key, '@', 1), '+', 1), '.', '') || '@gmail.com'
  when strpos(email_key, '+') > 1 then split_part(email_key, '+', 1) || '@' || split_part(email_key, '@', 2)
  else email_key end;
-- Whether an address may differ from its mailbox. Only such addresses have an entry in the index below, so that the others cost nothing.
create function sync.is_variant(email_key text) returns boolean
language sql immutable parallel safe
return strpos(email_key, '+') > 1 or email_key like '%@googlemail.com' or email_key like '%.%@gmail.com';
create index customer_emails_mailbox on platform.customer_emails (sync.mailbox(email_key)) where sync.is_variant(email_key);
-- Whoever writes an address computes its entry in that index: the apps by functions of the table's owner, bulk writes as this role.
grant execute on function sync.mailbox(text), sync.is_variant(text) to bulk_role;

-- Why no mail can reach an address, although it is well formed; null if it may. By its text alone: nobody looks anything up.
create function sync.unreachable_because(email_key text) returns text
language sql immutable parallel safe
return case
  when split_part(email_key, '@', 2) !~ '\.' then 'no_dot'
  when email_key ~ '[@.]example\.(com|net|org)$' then 'example'
  when email_key ~ '[@.](test|example|invalid|localhost|local|localdomain|internal|intranet|lan|home|corp|onion|alt|arpa)$' then 'reserved'
  when email_key ~ '\.(con|cmo|ocm|comm|vom|xom|cpm|coim|nett|ner|ent|orgg|ogr|rog)$' then 'misspelt' end;

-- Whether strangers share the domain, so that it says nothing about a person.
create function sync.is_public_provider(domain text) returns boolean
language sql immutable parallel safe
return domain in (
  'gmail.com', 'googlemail.com', 'outlook.com', 'hotmail.com', 'hotmail.co.uk', 'hotmail.fr', 'live.com', 'msn.com', 'yahoo.com',
  'yahoo.co.uk', 'yahoo.fr', 'yahoo.de', 'ymail.com', 'icloud.com', 'me.com', 'mac.com', 'aol.com', 'gmx.de', 'gmx.net', 'gmx.at', 'gmx.ch',
  'web.de', 't-online.de', 'freenet.de', 'posteo.de', 'mailbox.org', 'proton.me', 'protonmail.com', 'fastmail.com', 'hey.com', 'mail.com',
  'zoho.com', 'yandex.ru', 'yandex.com', 'mail.ru', 'qq.com', '163.com', '126.com', 'naver.com', 'orange.fr', 'wanadoo.fr', 'free.fr',
  'laposte.net', 'libero.it', 'seznam.cz', 'wp.pl', 'o2.pl', 'bluewin.ch', 'comcast.net', 'verizon.net', 'att.net', 'btinternet.com');

-- Whether a person has decided that two customers are not the same.
create function sync.are_different(one uuid, other uuid) returns boolean
language sql stable
return exists (
  select from platform.review_candidates r
  where r.customer_id = least(one, other) and r.other_id = greatest(one, other) and r.state = 'different');

-- The version that an unmerge gave a customer: its event is that of the other one, from which it was taken out (0019_unmerge.sql).
create function sync.version_of_unmerge(of_customer uuid) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select max(m.back_version) from platform.merges m where m.loser_id = of_customer);
end $$;

-- What is wrong with these customers, as the rows that sync.keep_findings takes. Of a group of duplicates, each is paired with one that
-- was there before it. Each search goes by an index and is bounded, also if ten thousand customers share a number.
create function sync.find_in_customers(ids uuid[]) returns setof jsonb
language sql stable
begin atomic
  with every as materialized (select c.* from platform.customers c where c.id = any (find_in_customers.ids)),
  present as materialized (select e.* from every e where e.merged_into is null and e.erased_at is null),
  addresses as materialized (
    select a.id, a.email_key, a.customer_id, a.is_primary from platform.customer_emails a
    where a.customer_id = any (find_in_customers.ids) and a.email_key not like '%@unknown.invalid'),
  by_address as (
    select distinct on (p.id) p.id, o.id as other
    from present p join addresses a on a.customer_id = p.id cross join lateral (
        select s.customer_id from platform.customer_emails s
        where s.email_key = sync.mailbox(a.email_key) and sync.is_variant(a.email_key)
        union
        (select v.customer_id from platform.customer_emails v
        where sync.mailbox(v.email_key) = sync.mailbox(a.email_key) and sync.is_variant(v.email_key) limit 50)) s
      join platform.customers o on o.id = s.customer_id
    where o.id < p.id and o.merged_into is null and o.erased_at is null and not sync.are_different(p.id, o.id)
    order by p.id, o.id),
  by_phone as (
    select distinct on (p.id) p.id, o.id as other
    from present p join platform.customer_phones n on n.customer_id = p.id cross join lateral (
        (select q.id from platform.customers q
        where q.phone_key = n.phone_key and q.phone_extension is not distinct from n.phone_extension limit 50)
        union
        (select q.customer_id from platform.customer_phones q
        where q.phone_key = n.phone_key and q.phone_extension is not distinct from n.phone_extension and not q.is_primary limit 50)) s
      join platform.customers o on o.id = s.id
    where o.id < p.id and o.merged_into is null and o.erased_at is null and not sync.are_different(p.id, o.id)
    order by p.id, o.id),
  by_person as (
    select distinct on (p.id) p.id, s.id as other, s.because
    from present p cross join lateral (
      select o.id, case when o.company_id = p.company_id then 'company' else 'domain' end as because
      from (select q.id, q.company_id, q.email_key from platform.customers q
            where q.name = p.name and q.merged_into is null and q.erased_at is null and q.id < p.id order by q.id limit 200) o
      where o.company_id = p.company_id
        or split_part(o.email_key, '@', 2) = split_part(p.email_key, '@', 2)
          and not sync.is_public_provider(split_part(p.email_key, '@', 2)) and p.email_key not like '%@unknown.invalid'
      union all
      select o.id, 'company'
      from (select q.id, q.name from platform.customers q
            where q.company_id = p.company_id and q.merged_into is null and q.erased_at is null and q.id < p.id limit 50) o
      where lower(o.name collate pg_catalog.pg_c_utf8) = lower(p.name collate pg_catalog.pg_c_utf8)
        or (platform.is_folded(o.name) or platform.is_folded(p.name)) and platform.fold(o.name) = platform.fold(p.name)) s
    where not sync.are_different(p.id, s.id)
    order by p.id, s.id),
  claims as (
    select distinct on (r.other_id) r.other_id as id, r.customer_id as other
    from platform.review_candidates r join present p on p.id = r.other_id
      join platform.customers o on o.id = r.customer_id and o.merged_into is null and o.erased_at is null
    where r.state = 'open' order by r.other_id, r.customer_id),
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

-- What still belongs to customers that were merged or erased, in any table that refers to customers, also one of a third app.
create function sync.find_children(ids uuid[]) returns setof jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  gone uuid[];
  reference record;
begin
  select array_agg(c.id) into gone from platform.customers c
  where c.id = any (ids) and (c.merged_into is not null or c.erased_at is not null);
  if gone is null then return; end if;
  for reference in
    select k.conrelid::regclass as child, a.attname as customer_column
    from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = 'platform.customers'::regclass and k.conrelid <> k.confrelid
      and coalesce(obj_description(k.oid, 'pg_constraint') !~* '^any customer', true)
      and k.conrelid not in ('platform.removed_emails'::regclass, 'platform.removed_phones'::regclass,
        'platform.review_candidates'::regclass)
  loop
    return query execute format($find$
      select jsonb_build_object('finding', 'orphan.child', 'subject', 'customer', 'subject_id', c.id, 'part', %1$L, 'customer_id', c.id,
        'other_id', c.merged_into, 'detail', jsonb_build_object('rows', r.rows, 'because',
          case when c.erased_at is null then 'merged' else 'erased' end))
      from platform.customers c cross join lateral (
        select count(*) as rows from (select from %2$s t where t.%3$I = c.id limit 100) t) r
      where c.id = any ($1) and r.rows > 0$find$, reference.child::text, reference.child, reference.customer_column) using gone;
  end loop;
end $$;

create function sync.find_in_companies(ids uuid[]) returns setof jsonb
language sql stable
begin atomic
  select jsonb_build_object('finding', 'missing.company_field', 'subject', 'company', 'subject_id', c.id, 'part', f.key,
    'detail', jsonb_build_object('label', f.label))
  from platform.companies c join crm.custom_fields f on f.record = 'company' and f.is_required
  where c.id = any (find_in_companies.ids)
    and not exists (select from crm.custom_field_values v where v.field_id = f.id and v.company_id = c.id);
end;

create function sync.find_in_deals(ids bigint[]) returns setof jsonb
language sql stable
begin atomic
  with looked as materialized (
    select d.id, d.customer_id, d.status, d.closed_at, s.outcome as stage_outcome, k.id as closing, k.outcome, k.closed_at as ended_at
    from crm.deals d join crm.pipeline_stages s on s.id = d.stage_id
      left join crm.deal_closings k on k.deal_id = d.id and k.reopened_at is null
    where d.id = any (find_in_deals.ids)),
  found (finding, subject_id, customer_id, part, detail) as (
    select 'missing.deal_field', l.id, l.customer_id, f.key, jsonb_build_object('label', f.label)
    from looked l join crm.custom_fields f on f.record = 'deal' and f.is_required
    where not exists (select from crm.custom_field_values v where v.field_id = f.id and v.deal_id = l.id)
    union all
    select 'drift.stage', l.id, l.customer_id, '', jsonb_build_object('status', l.status, 'stage', l.stage_outcome)
    from looked l where l.status <> l.stage_outcome
    union all
    select 'drift.closing', l.id, l.customer_id, '', jsonb_build_object('status', l.status, 'closing', l.outcome)
    from looked l
    where case l.status when 'open' then l.closing is not null
      else (l.outcome, l.ended_at) is distinct from (l.status, l.closed_at) end)
  select jsonb_build_object('finding', f.finding, 'subject', 'deal', 'subject_id', f.subject_id, 'part', f.part,
    'customer_id', f.customer_id, 'detail', f.detail)
  from found f;
end;

create function sync.find_in_sessions(ids uuid[]) returns setof jsonb
language sql stable
begin atomic
  with looked as materialized (select s.* from support.sessions s where s.id = any (find_in_sessions.ids)),
  found (finding, subject_id, customer_id, detail) as (
    select 'orphan.session', l.id, c.id, '{}'::jsonb
    from looked l join platform.customers k on k.id = l.customer_id
      join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
    where l.status = 'ended' and l.ended_at < now() - interval '1 minute'
      and not exists (
        select from crm.activities a where a.created_by_app = 'support' and a.idempotency_key = 'session:' || l.id)
    union all
    select 'drift.messages', l.id, l.customer_id, jsonb_build_object('counted', l.message_count, 'messages', m.messages)
    from looked l cross join lateral (
      select count(*) as messages from support.messages m where m.session_id = l.id) m
    where l.message_count <> m.messages)
  select jsonb_build_object('finding', f.finding, 'subject', 'session', 'subject_id', f.subject_id, 'part', '',
    'customer_id', f.customer_id, 'detail', f.detail)
  from found f;
end;

-- The source of an activity is named by its idempotency key. A key that a client gave names a request, which has no row.
create function sync.find_in_activities(ids uuid[]) returns setof jsonb
language sql stable
begin atomic
  select jsonb_build_object('finding', 'orphan.activity', 'subject', 'activity', 'subject_id', a.id, 'part', '',
    'customer_id', a.customer_id, 'detail', jsonb_build_object('type', a.type, 'source', k.kind))
  from crm.activities a cross join lateral (
    select split_part(a.idempotency_key, ':', 1) as kind, split_part(a.idempotency_key, ':', 2) as id) k
  where a.id = any (find_in_activities.ids) and a.idempotency_key is not null
    and case k.kind
      when 'session' then not exists (select from support.sessions s where s.id::text = k.id)
      when 'call' then not exists (select from support.calls s where s.id::text = k.id)
      when 'closing' then not exists (select from crm.deal_closings s where s.id::text = k.id)
      when 'reopening' then not exists (select from crm.deal_closings s where s.id::text = k.id)
      when 'client' then false
      else a.created_by_app = 'support' end;
end;

-- The order of names and the search are derived data as well: an index that is not valid, or that an earlier ICU has sorted, misses rows.
create function sync.find_in_indexes() returns setof jsonb
language sql stable
begin atomic
  select jsonb_build_object('finding', 'drift.index', 'subject', 'index', 'subject_id', i.indexrelid::regclass::text, 'part', '',
    'detail', jsonb_build_object('because', case when not i.indisvalid then 'invalid' else 'letters' end))
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
  where c.relnamespace in ('platform'::regnamespace, 'crm'::regnamespace, 'support'::regnamespace, 'sync'::regnamespace)
    and (not i.indisvalid or exists (
      select from pg_catalog.pg_collation l
      where l.oid = any (i.indcollation::oid[]) and l.collversion <> pg_catalog.pg_collation_actual_version(l.oid)));
end;

-- Stores what was found about these subjects and removes what is no longer true of them. It changes nothing that stays as it was.
create function sync.keep_findings(of_subject text, ids text[], now_found jsonb, without text[] default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  delete from sync.quality_findings q
  where q.subject = of_subject and q.subject_id = any (ids) and q.finding <> all (without)
    and not exists (
      select from jsonb_to_recordset(now_found) f (finding text, subject_id text, part text)
      where f.finding = q.finding and f.subject_id = q.subject_id and f.part = q.part);
  if jsonb_array_length(now_found) = 0 then return; end if;
  insert into sync.quality_findings as q (finding, subject, subject_id, part, customer_id, other_id, detail)
  select f.finding, of_subject, f.subject_id, f.part, f.customer_id, f.other_id, f.detail
  from (
    select r.*, row_number() over (partition by r.finding order by k.id nulls last) as place, k.id as known
    from jsonb_to_recordset(now_found) r
        (finding text, subject_id text, part text, customer_id uuid, other_id uuid, detail jsonb)
      left join sync.quality_findings k
        on k.finding = r.finding and k.subject = of_subject and k.subject_id = r.subject_id and k.part = r.part
    where r.finding <> all (without)
      and (k.id is null or (k.customer_id, k.other_id, k.detail) is distinct from (r.customer_id, r.other_id, r.detail))) f
    join sync.quality_numbers n on n.finding = f.finding
  where f.known is not null or n.stored + f.place <= 10000
  on conflict (finding, subject_id, part, subject) do update
  set customer_id = excluded.customer_id, other_id = excluded.other_id, detail = excluded.detail;
end $$;

-- The key of an advisory lock. Scans and repairs take it before they lock any row and keep it until they commit, so that they run one after
-- another. Otherwise a scan that began before a repair would store a finding that the repair has mended, and the next scan of that row
-- comes only with the next round.
create function sync.findings_lock() returns bigint
language sql immutable
return hashtextextended('sync.quality_findings', 0);

-- Looks at some rows of one kind now. The caller holds sync.findings_lock(). A customer's partners are looked at with it: what made them a
-- pair may be gone.
create function sync.check_subjects(of_subject text, ids text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  all_ids text[] := ids;
  now_found jsonb;
  without text[] := '{}';
begin
  case of_subject
    when 'customer' then
      select array_agg(distinct n.id) into all_ids
      from (select unnest(ids) as id union all
            select q.subject_id from sync.quality_findings q where q.other_id = any (ids::uuid[]) and q.subject = 'customer') n;
      -- An event that is not numbered yet is in no log: while the outbox is behind, nothing is said about it.
      if sync.outbox_age() > interval '30 seconds' then without := '{drift.event,drift.history}'; end if;
      select coalesce(jsonb_agg(f), '[]') into now_found
      from (select sync.find_in_customers(all_ids::uuid[]) union all select sync.find_children(all_ids::uuid[])) n (f);
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

-- Looks at the next rows of a scan that the caller holds, and returns their ids.
create function sync.look_at_next(s sync.quality_scans, rows_max integer) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  ids text[];
begin
  case s.name
    when 'customers' then
      ids := array(select c.id::text from platform.customers c where s.place is null or c.id > s.place::uuid order by c.id limit rows_max);
    when 'companies' then
      ids := array(select c.id::text from platform.companies c where s.place is null or c.id > s.place::uuid order by c.id limit rows_max);
    when 'deals' then
      ids := array(select d.id::text from crm.deals d where s.place is null or d.id > s.place::bigint order by d.id limit rows_max);
    when 'sessions' then
      ids := array(select v.id::text from support.sessions v where s.place is null or v.id > s.place::uuid order by v.id limit rows_max);
    when 'activities' then
      ids := array(select a.id::text from crm.activities a where s.place is null or a.id > s.place::uuid order by a.id limit rows_max);
    when 'indexes' then ids := '{}';
  end case;
  if cardinality(ids) > 0 or s.name = 'indexes' then
    perform sync.check_subjects(
      case s.name when 'customers' then 'customer' when 'companies' then 'company' when 'deals' then 'deal' when 'sessions' then 'session'
        when 'activities' then 'activity' else 'index' end, ids);
  end if;
  return ids;
end $$;

-- One step of one scan: the one that somebody asked for, otherwise the one whose last step is longest ago. The worker calls it about once
-- a second, and without a pause while `is_asked`. A scan that has ended rests for five minutes. The function skips a scan on which another
-- worker is busy. `scan` is null if no scan is due, or while a repair runs. Writers of the scanned rows may wait as long as a step takes.
-- Therefore the next step gets as many rows as would have taken 50 ms, and at most twice as many as this step. A step that ends in an
-- error, or at the caller's time limit, is undone, and the other scans have their turns before it is tried again with fewer rows. `fault`
-- is the SQLSTATE of the error.
create function sync.quality_step(
  rows_max integer default 2000, out scan text, out looked integer, out is_asked boolean, out fault text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  step_ms constant double precision := 50;
  began constant timestamptz := clock_timestamp();
  s sync.quality_scans;
  ids text[];
  took_ms double precision;
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
  rows_max := least(greatest(rows_max, 1), s.step_rows);
  begin
    ids := sync.look_at_next(s, rows_max);
  exception when query_canceled or others then
    fault := sqlstate;
    update sync.quality_scans q
    set stepped_at = clock_timestamp(), step_rows = greatest(s.step_rows / 4, 20), faults = least(q.faults + 1, 1000000)
    where q.name = s.name returning q.asked_at is not null into is_asked;
    return;
  end;
  looked := cardinality(ids);
  took_ms := greatest(extract(epoch from clock_timestamp() - began) * 1000, 1);
  if looked = rows_max then
    update sync.quality_scans q
    set place = ids[looked], rows_seen = case when q.place is null then 0 else q.rows_seen end + looked, stepped_at = clock_timestamp(),
      round_began_at = case when q.place is null then now() else q.round_began_at end, faults = 0,
      step_rows = least(greatest(round(looked * step_ms / took_ms), 20), 2 * s.step_rows, 2000)
    where q.name = s.name returning q.asked_at is not null into is_asked;
  else
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

-- Asks for a whole round of every scan, from its beginning. If one is under way already, it goes on, and the answer is false.
create function sync.ask_quality_round(reason text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.require_operator();
  update sync.quality_scans s set place = null, rows_seen = 0, round_began_at = now(), asked_at = now(), asked_by = platform.current_actor()
  where not exists (select from sync.quality_scans o where o.asked_at is not null);
  if not found then return false; end if;
  perform sync.record_operation('quality.round', '{}', ask_quality_round.reason, '{"asked": true}');
  return true;
end $$;

-- Mends one finding. Each repair reads its source again, under the customer's lock where there is one, so that a repetition changes
-- nothing. The source is never changed: a projection is made to follow it.
create function sync.mend(f sync.quality_findings) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  c platform.customers;
  k crm.deal_closings;
  d crm.deals;
  child record;
begin
  if f.subject = 'customer' then
    select o.* into c from platform.customers o where o.id = f.customer_id for no key update;
  elsif f.subject = 'deal' then
    perform from platform.customers o where o.id = f.customer_id for no key update;
    select o.* into d from crm.deals o where o.id = f.subject_id::bigint for update;
  end if;
  case f.finding
    when 'orphan.unadopted' then
      update platform.customers o set crm_id = platform.next_customer_number('foundation')
      where o.id = c.id and o.crm_id is null and o.merged_into is null and o.erased_at is null;
    when 'orphan.session' then
      perform from support.sessions s where s.id = f.subject_id::uuid for share;
      insert into crm.activities (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key)
      select a.customer_id, a.type, a.description, a.metadata, a.occurred_at, 'support', a.idempotency_key
      from support.activity_of_session(f.subject_id::uuid) a
      on conflict (created_by_app, idempotency_key) do nothing;
    when 'orphan.child' then
      -- A customer that was merged has a survivor. What an erased one still holds is not moved to anybody.
      if c.merged_into is null then
        raise exception 'the rows of an erased customer belong to nobody' using errcode = 'check_violation',
          hint = 'Erase the customer again: the erasure removes them.';
      end if;
      for child in
        select n.conrelid::regclass as child, a.attname as customer_column
        from pg_constraint n join pg_attribute a on a.attrelid = n.conrelid and a.attnum = n.conkey[1]
        where n.contype = 'f' and n.confrelid = 'platform.customers'::regclass and n.conrelid::regclass::text = f.part
      loop
        execute format('update %s set %2$I = $1 where %2$I = $2', child.child, child.customer_column) using c.merged_into, c.id;
      end loop;
    when 'drift.address' then
      update platform.customer_emails a set is_primary = false
      where a.customer_id = c.id and a.is_primary and a.email_key <> c.email_key;
      insert into platform.customer_emails as a (email_key, email, customer_id, is_primary) values (c.email_key, c.email, c.id, true)
      on conflict (email_key) do update set is_primary = true, email = excluded.email where a.customer_id = c.id;
      if not found then
        raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey';
      end if;
    when 'drift.phone' then
      delete from platform.customer_phones n
      where n.customer_id = c.id and n.is_primary
        and (c.phone is null or (n.phone_key, n.phone_extension) is distinct from (c.phone_key, c.phone_extension));
      if c.phone is not null then
        insert into platform.customer_phones as n (customer_id, phone, phone_key, phone_extension, is_primary)
        values (c.id, c.phone, c.phone_key, c.phone_extension, true)
        on conflict (customer_id, phone_key, phone_extension) do update set is_primary = true, phone = excluded.phone;
      end if;
    when 'drift.number' then
      insert into platform.customer_external_ids as x (app, external_id, customer_id)
      values (f.part, case f.part when 'foundation' then c.crm_id else c.support_id end, c.id)
      on conflict (app, external_id) do update set app = x.app where x.customer_id = c.id;
      if not found then
        raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_external_ids_pkey';
      end if;
    when 'drift.order' then
      delete from crm.customer_order o where o.customer_id = c.id and (c.merged_into is not null or c.erased_at is not null);
      if c.merged_into is null and c.erased_at is null then
        insert into crm.customer_order (customer_id, account_tier, updated_at) values (c.id, coalesce(c.account_tier, '~'), c.updated_at)
        on conflict (customer_id) do update set account_tier = excluded.account_tier, updated_at = excluded.updated_at;
      end if;
    when 'drift.event' then
      -- A new version has an event of its own: every reader that missed one reads the customer again.
      perform platform.count_change(c.id);
    when 'drift.history' then
      insert into crm.changes (event_id, customer_id, change, app, actor, occurred_at, data, previous)
      select e.id, c.id, case e.type when 'customer.created' then 'created' else 'edited' end, e.app, e.actor, e.occurred_at,
        (select jsonb_object_agg(n.field, e.data -> n.field) from unnest(n.fields) n (field)),
        case e.type when 'customer.created' then '{}'
          else (select jsonb_object_agg(n.field, e.previous -> n.field) from unnest(n.fields) n (field)) end
      from sync.events e cross join lateral (
        select array_agg(w.field) from unnest(array['name', 'email', 'phone', 'company_id', 'account_tier', 'account_manager_id',
          'preferred_language', 'timezone']) w (field)
        where case e.type when 'customer.created' then jsonb_typeof(e.data -> w.field) <> 'null' else e.previous ? w.field end) n (fields)
      where e.key = c.id::text and e.id = f.part::bigint and n.fields is not null
      on conflict (event_id) do nothing;
    when 'drift.stage' then
      update crm.deals o set status = s.outcome
      from crm.pipeline_stages s where o.id = d.id and s.id = o.stage_id and o.status <> s.outcome;
    when 'drift.closing' then
      -- The status of the deal decides whether it is closed, and how; its closing tells when.
      select n.* into k from crm.deal_closings n where n.deal_id = d.id and n.reopened_at is null;
      if k.id is not null and k.outcome <> d.status then
        update crm.deal_closings n
        set reopened_at = now(), reopened_by = platform.current_actor(), reopened_by_app = platform.current_app(),
          reopened_by_login = session_user, reopened_version = d.version
        where n.id = k.id;
        k := null;
      end if;
      if d.status <> 'open' and k.id is null then
        insert into crm.deal_closings (deal_id, outcome, closed_at, deal_version) values (d.id, d.status, d.closed_at, d.version);
      elsif d.status <> 'open' then
        update crm.deals o set closed_at = k.closed_at where o.id = d.id and o.closed_at <> k.closed_at;
      end if;
    when 'drift.messages' then
      perform from support.sessions s where s.id = f.subject_id::uuid for update;
      update support.sessions s set message_count = m.messages
      from (select count(*) as messages from support.messages m where m.session_id = f.subject_id::uuid) m
      where s.id = f.subject_id::uuid and s.message_count <> m.messages;
    else
      raise exception 'nothing here mends %', f.finding using errcode = 'check_violation';
  end case;
end $$;

-- Repairs one finding, and says what came of it: mended, gone (it was not true any more), or refused with the rule that it would break. A
-- refusal changes nothing and keeps no other finding from its repair.
create function sync.repair_finding(f sync.quality_findings, out outcome text, out because text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.check_subjects(f.subject, array[f.subject_id]);
  if not exists (select from sync.quality_findings q where q.id = f.id) then
    outcome := 'gone';
    return;
  end if;
  perform sync.mend(f);
  perform sync.check_subjects(f.subject, array[f.subject_id]);
  outcome := case when exists (select from sync.quality_findings q where q.id = f.id) then 'refused' else 'mended' end;
  if outcome = 'refused' then because := 'it is still found'; end if;
exception
  when integrity_constraint_violation or restrict_violation or lock_not_available then
    -- The message names the rule; the values are in the detail.
    get stacked diagnostics because = message_text;
    outcome := 'refused';
end $$;

-- Repairs findings one after another until it has taken so long; at least one. The answer lists those that it came to, in the order of
-- `ids`, each with what came of it.
create function sync.repair_batch(ids bigint[], within interval) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  began constant timestamptz := clock_timestamp();
  f sync.quality_findings;
  outcome text;
  because text;
  outcomes jsonb := '[]';
begin
  perform pg_advisory_xact_lock(sync.findings_lock());
  for i in 1 .. cardinality(ids) loop
    exit when i > 1 and clock_timestamp() - began > within;
    select q.* into f from sync.quality_findings q where q.id = ids[i];
    outcome := 'gone';
    because := null;
    if found then
      begin
        select r.outcome, r.because into outcome, because from sync.repair_finding(f) r;
      exception when others then
        -- One row that nobody foresaw must not stop the run for ever. The text could name a person, its code cannot.
        outcome := 'refused';
        because := 'error ' || sqlstate;
      end;
    end if;
    outcomes := outcomes || jsonb_strip_nulls(jsonb_build_object('id', ids[i], 'outcome', outcome, 'because', because));
  end loop;
  return outcomes;
end $$;

-- Repairs up to a hundred findings at once, and lists each with what came of it. One record for all of them.
create function sync.repair_findings(ids bigint[], reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  outcomes jsonb;
  in_order bigint[];
  kinds text[];
begin
  perform sync.require_operator();
  if coalesce(cardinality(ids), 0) not between 1 and 100 then
    raise exception 'one repair has 1 to 100 findings: more are a frozen set' using errcode = 'invalid_parameter_value';
  end if;
  -- In the order of the customers, so that two repairs that meet do not wait for each other in a circle.
  select array_agg(i.id order by q.customer_id, i.id), array_agg(distinct q.finding) filter (where q.id is not null)
  into in_order, kinds from unnest(ids) i (id) left join sync.quality_findings q on q.id = i.id;
  outcomes := sync.repair_batch(in_order, interval '20 s');
  perform sync.record_operation('quality.repair',
    jsonb_build_object('findings', to_jsonb(coalesce(kinds, '{}')), 'ids', to_jsonb(ids)), repair_findings.reason,
    (select jsonb_object_agg(o.outcome, o.times) from (
      select o ->> 'outcome' as outcome, count(*) as times from jsonb_array_elements(outcomes) o group by 1) o));
  return outcomes;
end $$;

-- Freezes all rows of a finding that is repaired here, and returns how many they are. Nothing is done to them until sync.confirm_run: then
-- the worker repairs them in batches (sync.work_run).
create function sync.freeze_findings(of_finding text, out run bigint, out total bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.require_operator();
  if not exists (select from sync.quality_numbers n where n.finding = of_finding and n.is_repaired) then
    raise exception 'no repair mends %', of_finding using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.bulk_runs (kind, filter, actor)
  values ('repair', jsonb_build_object('finding', of_finding), platform.current_actor()) returning id into run;
  insert into sync.bulk_items (run, position)
  select freeze_findings.run, q.id from sync.quality_findings q where q.finding = of_finding order by q.id;
  get diagnostics total = row_count;
  update sync.bulk_runs r set total = freeze_findings.total where r.id = freeze_findings.run;
end $$;

-- Takes an address away that no mail can reach, or puts a right one in its place. The primary one goes only for another one. The answer is
-- what sync.restore_address_of needs to undo it. It says nothing of the address itself.
create function sync.correct_address(
  of_customer uuid, of_address uuid, address text default null, key text default null, expected_version bigint default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known platform.customer_emails;
  held uuid;
  added uuid;
  is_added boolean := false;
  operation bigint;
begin
  perform sync.require_operator();
  perform pg_advisory_xact_lock(sync.findings_lock());
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return null; end if;
  select e.* into known from platform.customer_emails e where e.id = of_address and e.customer_id = held;
  if not found then return null; end if;
  if sync.unreachable_because(known.email_key) is null then
    raise exception 'mail may reach this address' using errcode = 'check_violation', constraint = 'quality_address_reachable';
  elsif known.is_primary and key is null then
    raise exception 'the primary address stays' using errcode = 'check_violation', constraint = 'customer_emails_primary_stays';
  end if;
  if key is not null then
    is_added := not exists (select from platform.customer_emails e where e.email_key = key);
    added := (platform.add_address(held, address, key)).address_id;
    if known.is_primary then perform platform.make_address_primary(held, added); end if;
  end if;
  perform platform.remove_address(held, of_address);
  perform sync.check_subjects('customer', array[held::text]);
  operation := sync.record_operation('quality.correct_address', jsonb_build_object('customer', held, 'address', of_address), null,
    jsonb_strip_nulls(jsonb_build_object('removed', of_address, 'added', case when is_added then added end, 'primary', known.is_primary)));
  return jsonb_build_object('operation', operation);
end $$;

-- Undoes a correction, by its record. The answer is false if somebody has changed the addresses since, so that nothing can be undone.
create function sync.undo_correction(of_operation bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  o sync.operations;
  customer uuid;
  removed uuid;
  restored uuid;
begin
  perform sync.require_operator();
  perform pg_advisory_xact_lock(sync.findings_lock());
  select n.* into o from sync.operations n where n.id = of_operation and n.kind = 'quality.correct_address';
  if not found then return false; end if;
  customer := (o.scope ->> 'customer')::uuid;
  removed := (o.outcome ->> 'removed')::uuid;
  restored := (platform.restore_address(customer, removed)).address_id;
  if restored is null then return false; end if;
  if (o.outcome ->> 'primary')::boolean then perform platform.make_address_primary(customer, restored); end if;
  if o.outcome ? 'added' then perform platform.remove_address(customer, (o.outcome ->> 'added')::uuid); end if;
  perform sync.check_subjects('customer', array[customer::text]);
  perform sync.record_operation('quality.undo_correction', jsonb_build_object('operation', of_operation), null,
    jsonb_build_object('restored', restored));
  return true;
end $$;

-- Looks again at the subjects of these findings, so that a page shows what is true now.
create function sync.recheck_findings(ids bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare looked record;
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
    perform sync.check_subjects(looked.subject, looked.subjects);
  end loop;
end $$;

-- Everything that tells how a customer was, in one snapshot: the rows as they are now, of this customer and of those that are one with it;
-- the newest events about them, with those that have no number yet; and, from before the log, the history. sync/asof/replay.ts goes
-- backwards through it. No message, note, summary or description is in it. An erased customer has none.
create function sync.customer_file(of_customer uuid, events_max integer default 5000) returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with asked as (select c.id, c.merged_into, c.erased_at from platform.customers c where c.id = of_customer),
  ids as materialized (
    select sync.list_merged(a.id) as ids from asked a
    where a.erased_at is null
      and not exists (select from platform.customers s where s.id = a.merged_into and s.erased_at is not null)),
  oldest as (select e.position, e.occurred_at from sync.events e order by e.position limit 1),
  logged as materialized (
    select e.* from sync.events e
    where e.position = any (array(
      select n.position
      from (
        (select v.position from ids i cross join lateral unnest(i.ids) u (id)
          cross join lateral (select v.position from sync.events v where v.customer = u.id order by v.position desc limit events_max) v)
        union
        (select v.position from ids i cross join lateral unnest(i.ids) u (id)
          cross join lateral (select v.position from sync.events v where v.key = u.id::text order by v.position desc limit events_max) v)) n
      order by n.position desc limit events_max))
      and split_part(e.type, '.', 1) in ('customer', 'address', 'phone', 'deal', 'custom_value', 'session')),
  pending as (
    select null::bigint as position, o.id, o.type, o.key, o.customer, o.row_id, o.version, o.audience, o.app, o.login, o.actor, o.data,
      o.previous, o.trace, o.occurred_at
    from sync.outbox o cross join ids i
    where o.customer = any (i.ids) and split_part(o.type, '.', 1) in ('customer', 'address', 'phone', 'deal', 'custom_value', 'session')),
  told as (
    select l.position, l.id, l.type, l.key, l.customer, l.row_id, l.version, l.audience, l.app, l.login, l.actor, l.data, l.previous,
      l.trace, l.occurred_at
    from logged l
    union all select p.* from pending p)
  select jsonb_build_object(
    'asked', (select to_jsonb(a) from asked a),
    'ids', (select i.ids from ids i),
    'customers', (select coalesce(jsonb_agg(to_jsonb(c) - 'email_key'), '[]') from platform.customers c, ids i where c.id = any (i.ids)),
    'addresses', (
      select coalesce(jsonb_agg(to_jsonb(a) - 'email_key'), '[]') from platform.customer_emails a, ids i where a.customer_id = any (i.ids)),
    'removed_addresses', (
      select coalesce(jsonb_agg(to_jsonb(a) - 'email_key'), '[]') from platform.removed_emails a, ids i where a.customer_id = any (i.ids)),
    'phones', (select coalesce(jsonb_agg(to_jsonb(p)), '[]') from platform.customer_phones p, ids i where p.customer_id = any (i.ids)),
    'deals', (
      select coalesce(jsonb_agg(to_jsonb(d) - '{request_digest,idempotency_key}'::text[]), '[]')
      from crm.deals d, ids i where d.customer_id = any (i.ids)),
    'values', (
      select coalesce(jsonb_agg(to_jsonb(v)), '[]') from crm.custom_field_values v, ids i where v.customer_id = any (i.ids)),
    'sessions', (
      select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'customer_id', s.customer_id, 'status', s.status, 'resolved', s.resolved,
        'started_at', s.started_at, 'ended_at', s.ended_at)), '[]')
      from support.sessions s, ids i where s.customer_id = any (i.ids)),
    'events', (
      select coalesce(jsonb_agg(jsonb_build_object('position', t.position, 'id', t.id, 'type', t.type, 'row_id', t.row_id,
          'version', t.version, 'audience', t.audience, 'app', t.app, 'login', t.login, 'actor', t.actor, 'trace', t.trace,
          'occurred_at', t.occurred_at, 'data', t.data - '{visitor_email,visitor_name,language,time_zone}'::text[],
          'previous', t.previous - '{visitor_email,visitor_name,language,time_zone}'::text[])
        order by t.position desc nulls first, t.id desc), '[]')
      from told t),
    'changes', (
      select coalesce(jsonb_agg(jsonb_build_object('event_id', h.event_id, 'change', h.change, 'app', h.app, 'actor', h.actor,
        'occurred_at', h.occurred_at, 'data', h.data, 'previous', h.previous) order by h.occurred_at desc, h.event_id desc), '[]')
      from (
        select k.* from crm.changes k, ids i
        where k.customer_id = any (i.ids) and k.deal_id is null and not exists (select from logged l where l.id = k.event_id)
        order by k.occurred_at desc, k.id desc limit events_max) h),
    'is_cut', (select count(*) >= events_max from logged),
    'log_begins', (select jsonb_build_object('position', o.position, 'at', o.occurred_at) from oldest o),
    'now', clock_timestamp());
end;

-- The names of stages for administrators who look at deals: no customer is in them.
create function sync.list_stage_names(ids bigint[], out id bigint, out name text) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select s.id, s.name from crm.pipeline_stages s where s.id = any (ids)
  union all select f.id, f.name from crm.former_stages f where f.id = any (ids);
end;
grant execute on function sync.list_stage_names(bigint[]) to console_role;

-- What Sync Health shows of it. A projection that drifts needs somebody; duplicates and gaps are numbers, not alarms. Until the first
-- round has ended nothing is known.
create function sync.check_quality() returns setof sync.check_row
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
    case when s.ended < 6 then 'unknown'
      when s.stepped_at < clock_timestamp() - interval '1 hour' then 'stalled' else 'ok' end,
    case when s.ended < 6 then 'The records have not been looked through yet.'
      when s.stepped_at < clock_timestamp() - interval '1 hour' then 'No record has been looked at for an hour.'
      else 'The records are looked through all the time.' end,
    (select jsonb_object_agg(g.name, g.total) from (
      select split_part(n.finding, '.', 1) as name, sum(n.stored) as total from sync.quality_numbers n group by 1) g)
  from (select count(q.last_ended_at) as ended, max(q.stepped_at) as stepped_at from sync.quality_scans q) s;
end;

create function sync.list_quality_gauges() returns setof sync.gauge_row
language sql volatile
begin atomic
  select 'quality_' || k.name, '', sum(n.stored)::double precision
  from sync.quality_numbers n join sync.quality_scans s on s.name = n.scan
    join (values ('duplicate', 'duplicates'), ('orphan', 'orphans'), ('missing', 'missing_fields'), ('address', 'unreachable_addresses'),
      ('drift', 'drift')) k (prefix, name) on k.prefix = split_part(n.finding, '.', 1)
  group by k.name having bool_and(s.last_ended_at is not null);
end;
insert into sync.health_sources (function_name, gives) values ('sync.check_quality', 'checks'), ('sync.list_quality_gauges', 'gauges');

create policy sync_read on sync.quality_findings for select to sync_role, console_role using (true);
create policy sync_read on sync.quality_numbers for select to sync_role, console_role using (true);
create policy sync_read on sync.quality_history for select to sync_role, console_role using (true);
create policy sync_read on sync.quality_scans for select to sync_role, console_role using (true);
-- There are no writes: steps and repairs are definer functions, so that a finding is true and every repair has a record.
grant select on sync.quality_findings, sync.quality_numbers, sync.quality_history, sync.quality_scans
  to sync_role, console_role;
grant execute on function sync.quality_step(integer) to sync_role;
grant execute on function sync.ask_quality_round(text), sync.repair_findings(bigint[], text), sync.freeze_findings(text),
    sync.correct_address(uuid, uuid, text, text, bigint), sync.undo_correction(bigint), sync.recheck_findings(bigint[]),
    sync.customer_file(uuid, integer)
  to sync_role, console_role;

-- The trial of one statement as an app. docs/access.md weighs the ways. The login simulator_app has one right: to execute the functions
-- sync.try_as_…. Each belongs to a role that has exactly the rights of its app and that nobody can log in as or take on, so the statement
-- meets the grants and the policies of that app; session_user is simulator_app, for which current_app() answers the app that is tried.
-- The caller gives names, which are looked up in the catalogue, and one value, which is a parameter: never SQL. The statement runs in a
-- subtransaction that always ends in an error, so that it is taken back whatever the caller does afterwards: its rows, its events, its
-- NOTIFY, its locks. Only the sequences that it drew from have moved on.

-- The row that the trial is about, read as the owner, because the app may be unable to see it. Only trial roles may call it, and a trial
-- answers nothing of it.
create function sync.row_of_trial(target text, row_id text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  key_column text;
  key_type text;
  found_row jsonb;
begin
  select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod) into key_column, key_type
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = target::regclass and a.attnum > 0
    and case when i.indexrelid is null then a.attname in ('id', 'customer_id') else i.indkey[0] = a.attnum end
  order by a.attnum limit 1;
  if row_id is not null and not pg_input_is_valid(row_id, key_type) then return null; end if;
  execute format('select to_jsonb(t) from %s t where $1 is null or t.%s = $1::%s limit 1', target::regclass, key_column, key_type)
    into found_row using row_id;
  return found_row;
end $$;

create function sync.try_statement(app text, target text, verb text, field text, row_id text, value text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  relation regclass;
  field_type text;
  keys text;
  columns text;
  held jsonb;
  statement text;
  touched bigint;
  is_done boolean := false;
  code text;
  reason text;
  violated text;
  hint text;
  context text;
begin
  select c.oid into relation
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where format('%I.%I', n.nspname, c.relname) = target and c.relkind in ('r', 'p', 'v')
    and (n.nspname in ('platform', 'sync') or n.nspname in (select a.audience from platform.apps a)) and not c.relispartition;
  if relation is null or verb is null or verb not in ('select', 'insert', 'update', 'delete') then
    raise exception 'no such table or verb' using errcode = 'invalid_parameter_value';
  end if;
  if verb <> 'delete' then
    select format_type(a.atttypid, a.atttypmod) into field_type from pg_attribute a
    where a.attrelid = relation and a.attname = field and a.attnum > 0 and not a.attisdropped;
    if field_type is null then raise exception 'no such column' using errcode = 'invalid_parameter_value'; end if;
  end if;
  select string_agg(format('t.%I = ($1 ->> %L)::%s', a.attname, a.attname, format_type(a.atttypid, a.atttypmod)), ' and ') into keys
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = relation and a.attnum > 0
    and case when i.indexrelid is null then a.attname = 'id' else a.attnum = any (i.indkey::int2[]) end;
  held := sync.row_of_trial(target, row_id);
  if held is null and (row_id is not null or verb <> 'insert') then return '{"code": "no_row"}'; end if;
  statement := case verb
    when 'select' then format('select t.%I from %s t where %s', field, relation, keys)
    when 'update' then format('update %s t set %I = $2::%s where %s', relation, field, field_type, keys)
    when 'delete' then format('delete from %s t where %s', relation, keys) end;
  if verb = 'insert' then
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
      and a.attname <> field and has_column_privilege(relation, a.attnum, 'INSERT');
    statement := format('insert into %s (%I%s) select $2::%s%s from jsonb_populate_record(null::%s, $1) r', relation, field,
      coalesce(', ' || columns, ''), field_type, coalesce(', ' || regexp_replace(columns, '(^|, )', '\1r.', 'g'), ''), relation);
  end if;
  begin
    perform set_config('aether.trial', app, true);
    execute statement using coalesce(held, '{}'), value;
    get diagnostics touched = row_count;
    set constraints all immediate;
    is_done := true;
    raise exception 'taken back';
  exception when others then
    get stacked diagnostics code = returned_sqlstate, reason = message_text, violated = constraint_name, hint = pg_exception_hint,
      context = pg_exception_context;
  end;
  if is_done then return jsonb_build_object('code', 'done', 'rows', touched); end if;
  return jsonb_strip_nulls(jsonb_build_object('code', code, 'message', reason, 'constraint', nullif(violated, ''),
    'hint', nullif(hint, ''), 'by', substring(context from '^PL/pgSQL function ([a-z_.]+)\(')));
end $$;

create function sync.try_as_foundation(target text, verb text, field text, row_id text, value text) returns jsonb
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  select sync.try_statement('foundation', target, verb, field, row_id, value);
end;
create function sync.try_as_support(target text, verb text, field text, row_id text, value text) returns jsonb
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  select sync.try_statement('support', target, verb, field, row_id, value);
end;
create function sync.try_as_console(target text, verb text, field text, row_id text, value text) returns jsonb
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  select sync.try_statement('console', target, verb, field, row_id, value);
end;

grant usage on schema sync to simulator_role;
grant execute on function sync.row_of_trial(text, text), sync.try_statement(text, text, text, text, text, text) to foundation_trial;
grant execute on function sync.row_of_trial(text, text), sync.try_statement(text, text, text, text, text, text) to support_trial;
grant execute on function sync.row_of_trial(text, text), sync.try_statement(text, text, text, text, text, text) to console_trial;
-- The new owner of a function must be able to create one in its schema, but only then. It grants before it is gone: nobody else may.
grant create on schema sync to foundation_trial, support_trial, console_trial;
grant execute on function sync.try_as_foundation(text, text, text, text, text), sync.try_as_support(text, text, text, text, text),
    sync.try_as_console(text, text, text, text, text)
  to simulator_role;
alter function sync.try_as_foundation(text, text, text, text, text) owner to foundation_trial;
alter function sync.try_as_support(text, text, text, text, text) owner to support_trial;
alter function sync.try_as_console(text, text, text, text, text) owner to console_trial;
revoke create on schema sync from foundation_trial, support_trial, console_trial;
