-- What people write on a company itself, what is changed in it, and the further contacts of a deal.

-- A note, call, e-mail or meeting of a company is an activity: with the same words to search for, the same mentions, the same rule of
-- retention. It is of a customer or of a company, for ever. A task is always about a customer.
alter table crm.activities
  alter customer_id drop not null,
  add column company_id uuid references platform.companies,
  add constraint activities_of_one check ((customer_id is null) = (company_id is not null)),
  add constraint activities_of_company check (
    company_id is null or deal_id is null and type in ('note', 'call', 'email', 'meeting'));
comment on column crm.activities.company_id is 'Of what was written on a company; then it has no customer.';
create index activities_of_company on crm.activities (company_id, occurred_at desc, id desc) where company_id is not null;
grant insert (company_id) on crm.activities to foundation_role;
call platform.classify_columns('crm.activities', technical => 'company_id');
call sync.capture('crm.activities', 'activity', 'crm', 'r.id', 'r.customer_id', '{customer_id,company_id,type}', '{request_digest}');

-- Who is mentioned in what is written on a company is told of the company: the inbox of either app leads there, and entry_id says where.
comment on column platform.notices.entry_id is
  'The note of the conversation that mentions the person, or what was written on a company.';
do $$
declare
  written text := pg_get_functiondef('platform.tell_of_mentions()'::regprocedure);
  former constant text := $p$platform.add_notice(told, 'mention', 'activity', new.id::text, new.customer_id, 'mention:' || new.id);$p$;
begin
  if position(former in written) = 0 then raise exception 'platform.tell_of_mentions has another text'; end if;
  execute replace(written, former, $p$platform.add_notice(told, 'mention',
        case when new.company_id is null then 'activity' else 'company' end,
        coalesce(new.company_id, new.id)::text, new.customer_id, 'mention:' || new.id,
        entry => case when new.company_id is not null then new.id end);$p$);
end $$;

-- What was changed in a company, as in a customer. The making of a company is no entry.
alter table crm.changes
  alter customer_id drop not null,
  add column company_id uuid references platform.companies,
  add constraint changes_of_one check ((customer_id is null) = (company_id is not null)),
  add constraint changes_of_company check (company_id is null or deal_id is null),
  drop constraint changes_change_check,
  add constraint changes_change_check check (change in ('created', 'edited', 'moved', 'won', 'lost', 'reopened',
    'contact_added', 'contact_changed', 'contact_removed'));
comment on column crm.changes.company_id is 'Of a change of a company itself; then it has no customer.';
comment on column crm.changes.change is
  'What happened to the customer, the company or the deal. contact_…: to the customer as a contact of the deal, whosever the deal is.';
create index changes_of_company on crm.changes (company_id, occurred_at desc, id desc) where company_id is not null;
grant insert (company_id) on crm.changes to foundation_role;
call platform.classify_columns('crm.changes', technical => 'company_id');

-- The contacts of a deal beside its customer, who is the primary one. A row of the primary contact says the part of that person alone; so a
-- merge of two contacts, one of whom is the primary one, needs no rule of its own, and neither does a change of the primary contact.
create table crm.deal_contacts (
  id bigint generated always as identity primary key,
  deal_id bigint not null references crm.deals,
  customer_id uuid not null references platform.customers,
  role text check (platform.is_line(role, 80)),
  was_primary boolean not null default false,
  created_at timestamptz not null default now(),
  created_by text collate "C" default platform.current_actor(),
  unique (deal_id, customer_id)
);
comment on table crm.deal_contacts is
  'Who has a part in a deal. A row counts as no change of the deal''s version: two people may add contacts at once.';
comment on column crm.deal_contacts.role is 'What the person has to do with the deal, in a word or two: Decision maker. Null: nobody said.';
comment on column crm.deal_contacts.was_primary is
  'Whether the person was the primary contact when the row was made: nobody came then. A trigger writes it.';
comment on column crm.deal_contacts.created_by is 'As the app said; no reference, so that the contact outlives the user.';
create index on crm.deal_contacts (customer_id);

create function crm.note_primary() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  new.was_primary := exists (select from crm.deals d where d.id = new.deal_id and d.customer_id = new.customer_id);
  return new;
end $$;
create trigger note_primary before insert on crm.deal_contacts
  for each row when (current_user <> 'merge_role') execute function crm.note_primary();

call platform.require_present_customer('crm.deal_contacts');
call platform.move_in_merges('crm.deal_contacts');
call platform.protect_table('crm.deal_contacts');
create policy foundation_all on crm.deal_contacts to foundation_role using (true) with check (true);
grant select, insert (deal_id, customer_id, role), update (role), delete on crm.deal_contacts to foundation_role;
call sync.capture('crm.deal_contacts', 'deal_contact', 'crm', '''deal_contact:'' || r.id', 'r.customer_id', '{deal_id,customer_id,role}');
call platform.classify('crm.deal_contacts', 'r.customer_id = any ($1)', 'delete', 'The person''s part in deals, also in those of others.',
  content => 'role', technical => 'id deal_id customer_id was_primary created_at created_by', entity => 'deal_contact');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (43, 'crm.deal_contacts', 'deals', 'Deals in which the customer has a part, and which part.', 'r.id', '{was_primary,created_by}');

-- Another contact becomes the primary one: the deal is theirs from then on, with its history. What people wrote stays with whom they wrote
-- it on. A merge that gave the deal to its former customer has no claim to it any more.
grant update (customer_id) on crm.deals to foundation_role;
create function crm.follow_primary() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  update platform.merge_moves v set released = 'moved'
  from platform.merges m, platform.merge_references r
  where m.undone_at is null and v.merge = m.id and v.reference = r.reference and v.released is null
    and m.survivor_id in (select c.id from platform.customers c where old.customer_id in (c.id, c.merged_into))
    and (r.relation = 'crm.deals' and v.key = new.id::text
      or r.relation = 'crm.changes' and v.key = any (array(
        select h.event_id::text from crm.changes h where h.deal_id = new.id and h.change not like 'contact\_%')));
  update crm.changes h set customer_id = new.customer_id
  where h.deal_id = new.id and h.change not like 'contact\_%' and h.customer_id is distinct from new.customer_id;
  return null;
end $$;
create trigger follow_primary after update of customer_id on crm.deals
  for each row when (new.customer_id <> old.customer_id and current_user <> all ('{merge_role,erase_role}'))
  execute function crm.follow_primary();

-- What every app may see of a customer, as it was; and in how many open deals of others the customer has a part. Their money is not in the
-- sums: each deal is in the sums of one customer, so that sums of customers are sums of deals.
create or replace view crm.customer_context as
select c.id, c.email, c.name, c.phone, c.phone_key, c.phone_extension, c.company_id, c.version, c.created_at, c.updated_at,
       c.created_by_app, c.crm_id, c.account_tier, c.account_manager_id, c.support_id, c.preferred_language, c.timezone,
       c.merged_into, c.erased_at,
       manager.name as account_manager_name,
       coalesce(deals.open_deals, 0) as open_deals, coalesce(deals.open_deals_value, '{}') as open_deals_value,
       last.type as last_activity_type, last.occurred_at as last_activity_at, last.created_by_app as last_activity_app,
       (select count(*)::integer from crm.deal_contacts k join crm.deals d on d.id = k.deal_id
        where k.customer_id = c.id and d.customer_id <> c.id and d.status = 'open') as deals_of_others
from platform.customers c
left join platform.users manager on manager.id = c.account_manager_id
left join lateral (
  select sum(per_currency.deals)::integer as open_deals, jsonb_object_agg(per_currency.currency, per_currency.amount) as open_deals_value
  from (select d.currency, count(*) as deals, sum(d.amount) as amount
        from crm.deals d where d.customer_id = c.id and d.status = 'open' group by d.currency) per_currency
) deals on true
left join lateral (
  select a.type, a.occurred_at, a.created_by_app from crm.activities a
  where a.customer_id = c.id and a.occurred_at <= now() order by a.occurred_at desc, a.id desc limit 1
) last on true;

-- The entries of contacts name the deal and are theirs: an unmerge that takes the deal home leaves them where they are.
do $$
declare
  written constant text := pg_get_functiondef('platform.unmerge_one(platform.merges, uuid, jsonb)'::regprocedure);
  former constant text := 't.deal_id in (select d.id from crm.deals d where d.customer_id = $2)
        or t.occurred_at';
begin
  if position(former in written) = 0 then raise exception 'platform.unmerge_one has another text'; end if;
  execute replace(written, former, replace(former, 't.deal_id in', 't.change not like ''''contact\_%'''' and t.deal_id in'));
end $$;

-- The keys of events that name another customer and tell of this person, as before; now also those of tags and of parts in deals, and of
-- deals that were another customer's until this one became the primary contact.
create or replace function platform.moved_keys(people uuid[]) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  were_merged constant boolean := exists (
    select from platform.merges m
    where m.undone_at is not null and (m.survivor_id = any (people) or m.loser_id = any (people))
      and not (m.survivor_id = any (people) and m.loser_id = any (people)));
  moved constant uuid[] := array(
    select m.record_id from platform.moves m where m.to_id = any (people)
    union select m.record_id from platform.moves m where m.from_id = any (people));
begin
  return array(
    select 'deal:' || d.id from crm.deals d where d.customer_id = any (people)
    union all
    select s.id::text from support.sessions s where s.customer_id = any (people) and (were_merged or s.id = any (moved))
    union all
    select c.id::text from support.calls c where c.customer_id = any (people) and (were_merged or c.id = any (moved))
    union all
    select a.id::text from crm.activities a where a.customer_id = any (people) and (were_merged or a.id = any (moved))
    union all
    select k.id::text from crm.contacts k where were_merged and k.customer_id = any (people)
    union all
    select 'deal_contact:' || k.id from crm.deal_contacts k where were_merged and k.customer_id = any (people)
    union all
    select 'customer_tag:' || t.id from crm.customer_tags t where were_merged and t.customer_id = any (people)
    union all
    select 'custom_value:' || v.id from crm.custom_field_values v where were_merged and v.customer_id = any (people)
    union all
    select e.id::text from platform.customer_emails e where were_merged and e.customer_id = any (people)
    union all
    select p.id::text from platform.customer_phones p where were_merged and p.customer_id = any (people)
    union all
    select p::text from unnest(people) p where were_merged);
end $$;

-- The key of a deal's events is deal:ID, so an export had none of them: the row says which deal it is.
update platform.person_sources set narrows = replace(narrows, 'r.key = any ($6::text[])', 'r.row_id = any ($6::text[])')
where relation in ('sync.events', 'sync.outbox');

-- An app publishes events that begin with its name: it must not speak for parts in deals either.
alter table platform.apps drop constraint apps_name_free, add constraint apps_name_free check (
  name not in ('platform', 'sync', 'privacy', 'operator', 'customer', 'address', 'phone', 'company', 'user', 'deal', 'contact', 'activity',
    'custom_value', 'session', 'message', 'entry', 'call', 'tier', 'tag', 'customer_tag', 'rating', 'deal_contact'));

-- As it was, in half the time for a name that folds to ASCII: the regular expression looks for characters that such a text cannot have. The
-- index of a frequent word leads to tens of thousands of names, each of which is folded again.
create or replace function platform.search_text(name text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  folded text := platform.fold(name);
  joined text;
begin
  if octet_length(folded) = char_length(folded) then
    joined := replace(folded, '-', '');
    return ' ' || replace(folded, '-', ' ') || case when joined <> folded then ' ' || joined else '' end;
  end if;
  joined := translate(folded, '-‐‑‒–—―−﹣－·・･', '');
  return regexp_replace(
    ' ' || translate(folded, '-‐‑‒–—―−﹣－·・･', '             ') || case when joined <> folded then ' ' || joined else '' end,
    '\s*([\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u309f\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff'
    '\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff])', ' \1', 'g');
end $$;
