-- Of a number the first fifty customers are looked at. Merged ones keep theirs: where fifty of them had it, nobody else with it was found.
create or replace function sync.find_in_customers(ids uuid[]) returns setof jsonb
language sql stable
begin atomic
  with every as materialized (select c.* from platform.customers c where c.id = any (find_in_customers.ids)),
  present as materialized (select e.* from every e where e.merged_into is null and e.erased_at is null),
  addresses as materialized (
    select a.id, a.email_key, a.customer_id, a.is_primary from platform.customer_emails a
    where a.customer_id = any (find_in_customers.ids) and a.email_key not like '%@unknown.invalid'),
  -- Of each only the first that is no known other person: of a number that many have, to ask that of fifty was most of a look.
  by_address as (
    select p.id, f.other
    from present p cross join lateral (
      select k.id as other
      from (
        select distinct o.id
        from addresses a cross join lateral (
            select s.customer_id from platform.customer_emails s
            where s.email_key = sync.mailbox(a.email_key) and sync.is_variant(a.email_key)
            union
            (select v.customer_id from platform.customer_emails v
            where sync.mailbox(v.email_key) = sync.mailbox(a.email_key) and sync.is_variant(v.email_key) limit 50)) s
          cross join lateral (select q.* from platform.customers q where q.id = s.customer_id offset 0) o
        where a.customer_id = p.id and o.id < p.id and o.merged_into is null and o.erased_at is null
        order by o.id) k
      where not sync.are_different(p.id, k.id) limit 1) f),
  by_phone as (
    select p.id, f.other
    from present p cross join lateral (
      select k.id as other
      from (
        select distinct o.id
        from platform.customer_phones n cross join lateral (
            (select q.id from platform.customers q
            where q.phone_key = n.phone_key and q.phone_extension is not distinct from n.phone_extension
              and q.merged_into is null and q.erased_at is null limit 50)
            union
            (select q.customer_id from platform.customer_phones q
            where q.phone_key = n.phone_key and q.phone_extension is not distinct from n.phone_extension and not q.is_primary limit 50)) s
          cross join lateral (select q.* from platform.customers q where q.id = s.id offset 0) o
        where n.customer_id = p.id and o.id < p.id and o.merged_into is null and o.erased_at is null
        order by o.id) k
      where not sync.are_different(p.id, k.id) limit 1) f),
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
      from (select q.id, q.name
            from (select x.* from platform.customers x where x.company_id = p.company_id and x.id < p.id offset 0) q
            where q.merged_into is null and q.erased_at is null limit 50) o
      where lower(o.name collate pg_catalog.pg_c_utf8) = lower(p.name collate pg_catalog.pg_c_utf8)
        or (platform.is_folded(o.name) or platform.is_folded(p.name)) and platform.fold(o.name) = platform.fold(p.name)) s
    where not sync.are_different(p.id, s.id)
    order by p.id, s.id),
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
