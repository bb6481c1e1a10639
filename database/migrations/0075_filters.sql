-- Foundation finds customers by their custom fields, by their last activity and by their open deals, and sorts by them.

-- When each customer's last activity was. Apart from crm.customer_order: activities and changes of customers come in transactions of their
-- own, and would wait for each other there. A customer without activities has no row.
create table crm.customer_activity (
  customer_id uuid primary key, -- no reference: only the triggers below write here, and customers are never deleted
  last_at timestamptz,
  next_at timestamptz,
  check (num_nonnulls(last_at, next_at) > 0)
);
comment on column crm.customer_activity.last_at is
  'The last activity that has happened, as crm.customer_context says it. Null: all that there are lie ahead.';
comment on column crm.customer_activity.next_at is
  'The first one that lay ahead when the row was written. Once it has come, crm.settle_activities writes the row again.';
create index customer_activity_by_last on crm.customer_activity (last_at, customer_id) where last_at is not null;
create index customer_activity_by_next on crm.customer_activity (next_at, customer_id) where next_at is not null;
call platform.protect_table('crm.customer_activity');
create policy foundation_read on crm.customer_activity for select to foundation_role using (true);
grant select on crm.customer_activity to foundation_role; -- no writes: see note_activity
call platform.stay_in_merges('crm.customer_activity', 'customer_id', 'The activities move, and the rows of both are written again.');
call platform.classify('crm.customer_activity', 'r.customer_id = any ($1)', 'delete', 'A sorted copy of what lists show.',
  technical => 'customer_id last_at next_at');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (17, 'crm.customer_activity', 'profile', 'When the last activity was, for lists.', 'r.customer_id', '{}');

-- Writes the row of one customer. It holds the row before it reads: of two writers the second sees what the first has committed. Each read
-- is one search of the timeline's index, whatever the planner knew when the function was planned.
create function crm.count_activity(of_customer uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  happened timestamptz;
  ahead timestamptz;
  is_there boolean;
begin
  loop
    perform from crm.customer_activity k where k.customer_id = of_customer for update;
    is_there := found;
    happened := null;
    ahead := null;
    if exists (select from platform.customers c where c.id = of_customer and c.erased_at is null) then
      select a.occurred_at into happened from crm.activities a
      where a.customer_id = of_customer and a.occurred_at <= now() order by a.occurred_at desc, a.id desc limit 1;
      select a.occurred_at into ahead from crm.activities a
      where a.customer_id = of_customer and a.occurred_at > now() order by a.occurred_at, a.id limit 1;
    end if;
    if not is_there then
      if num_nonnulls(happened, ahead) = 0 then return; end if;
      insert into crm.customer_activity (customer_id, last_at, next_at) values (of_customer, happened, ahead) on conflict do nothing;
      if found then return; end if;
    elsif num_nonnulls(happened, ahead) = 0 then
      delete from crm.customer_activity k where k.customer_id = of_customer;
      return;
    else
      update crm.customer_activity k set last_at = happened, next_at = ahead
      where k.customer_id = of_customer and (k.last_at, k.next_at) is distinct from (happened, ahead);
      return;
    end if;
  end loop;
end $$;

-- At the end of the writer's transaction, so that nobody holds the row while it waits for something else: a chat writes its activity and
-- then its customer, others the customer first. A definer function, because Support writes activities too.
create function crm.note_activity() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op <> 'INSERT' then perform crm.count_activity(old.customer_id); end if;
  if tg_op = 'INSERT' or tg_op = 'UPDATE' and new.customer_id <> old.customer_id then perform crm.count_activity(new.customer_id); end if;
  return null;
end $$;
create constraint trigger note_activity after insert or delete on crm.activities deferrable initially deferred
  for each row execute function crm.note_activity();
create constraint trigger note_changed_activity after update of customer_id, occurred_at on crm.activities deferrable initially deferred
  for each row when (current_user <> 'merge_role'
    and (new.customer_id, new.occurred_at) is distinct from (old.customer_id, old.occurred_at))
  execute function crm.note_activity();

-- A merge moves very many rows of two customers, which it holds.
create function crm.note_moved_activities() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare of_customer uuid;
begin
  for of_customer in select o.customer_id from before o union select n.customer_id from present n order by 1 loop
    perform crm.count_activity(of_customer);
  end loop;
  return null;
end $$;
create trigger note_moved_activities after update on crm.activities referencing old table as before new table as present
  for each statement when (current_user = 'merge_role') execute function crm.note_moved_activities();

-- What lay ahead and has come. Lists ask for it before they look. Returns how many customers it concerned; a thousand at most.
create function crm.settle_activities() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  of_customer uuid;
  settled integer := 0;
begin
  for of_customer in
    select k.customer_id from crm.customer_activity k where k.next_at <= now() order by k.next_at, k.customer_id limit 1000
    for update skip locked
  loop
    perform crm.count_activity(of_customer);
    settled := settled + 1;
  end loop;
  return settled;
end $$;
grant execute on function crm.settle_activities() to foundation_role;

insert into crm.customer_activity (customer_id, last_at, next_at)
select a.customer_id, max(a.occurred_at) filter (where a.occurred_at <= now()), min(a.occurred_at) filter (where a.occurred_at > now())
from crm.activities a join platform.customers c on c.id = a.customer_id and c.erased_at is null group by a.customer_id;

-- Whether the row is that of the timeline. It was written at some moment before now: the last entry before the one that lay ahead then is
-- the last activity. So a row that waits for crm.settle_activities is right. One statement sees of a writer both the activity and the
-- row, or neither; the time is that of the look, since a writer may have begun after the caller's transaction.
create function sync.find_stale_activity(ids uuid[]) returns setof jsonb
language sql stable set enable_seqscan = off
begin atomic
  select jsonb_build_object('finding', 'drift.activity', 'subject', 'customer', 'subject_id', c.id, 'part', '', 'customer_id', c.id,
    'detail', jsonb_build_object('because', case when k.customer_id is null then 'missing'
      when c.erased_at is not null or not exists (select from crm.activities a where a.customer_id = c.id) then 'left' else 'other' end))
  from platform.customers c left join crm.customer_activity k on k.customer_id = c.id
    left join lateral (
      select a.occurred_at as last_at from crm.activities a
      where a.customer_id = c.id and a.occurred_at < coalesce(k.next_at, 'infinity')
      order by a.occurred_at desc, a.id desc limit 1) t on true
  where c.id = any (find_stale_activity.ids) and case when c.erased_at is not null then k.customer_id is not null
    else t.last_at is distinct from k.last_at or k.last_at > clock_timestamp()
      or k.next_at is not null
        and not exists (select from crm.activities a where a.customer_id = c.id and a.occurred_at = k.next_at) end;
end;

insert into sync.quality_numbers (finding, scan, is_repaired) values ('drift.activity', 'customers', true);
do $$
declare
  change record;
  known text;
begin
  for change in select * from (values
    ('sync.check_subjects(text, text[])',
     '      -- An event that is not numbered yet',
     '      -- A repair may have written activities in this transaction, whose rows are otherwise written at its end.
      set constraints crm.note_activity, crm.note_changed_activity immediate;
      set constraints crm.note_activity, crm.note_changed_activity deferred;
      -- An event that is not numbered yet'),
    ('sync.check_subjects(text, text[])',
     'union all select sync.find_children(all_ids::uuid[])) n (f);',
     'union all select sync.find_children(all_ids::uuid[])
        union all select sync.find_stale_activity(all_ids::uuid[])) n (f);'),
    ('sync.mend(sync.quality_findings)',
     $c$    when 'drift.event' then
$c$,
     $c$    when 'drift.activity' then
      perform crm.count_activity(c.id);
    when 'drift.event' then
$c$)) as c (function, was, becomes) loop
    known := pg_get_functiondef(change.function::regprocedure);
    if length(known) - length(replace(known, change.was, '')) <> length(change.was) then
      raise exception '% does not say once: %', change.function, change.was;
    end if;
    execute replace(known, change.was, change.becomes);
  end loop;
end $$;

-- The values of one custom field in their order: numbers by size; dates, choices, marks and the beginnings of texts as people sort words.
-- The expressions are those of foundation/server/customers/conditionmatch.ts.
create index custom_values_by_text on crm.custom_field_values
  (field_id, (lower(left(value #>> '{}', 100) collate platform.people)), customer_id)
  where customer_id is not null and jsonb_typeof(value) <> 'number';
create index custom_values_by_number on crm.custom_field_values
  (field_id, (case when jsonb_typeof(value) = 'number' then value::numeric end), customer_id)
  where customer_id is not null and jsonb_typeof(value) = 'number';
create index custom_values_words on crm.custom_field_values
  using gin (lower(value #>> '{}' collate pg_catalog.pg_c_utf8) ext.gin_trgm_ops)
  where customer_id is not null and jsonb_typeof(value) = 'string';

-- Who has open deals, in which stages, and what they are worth, without a look at the deals.
create index deals_open on crm.deals (customer_id) include (stage_id, amount, currency) where status = 'open';
create index deals_open_in_stage on crm.deals (stage_id, customer_id) where status = 'open';

-- Whoever acts on many may name the act, so that it can be undone also if no answer came: the server may end between two of its parts.
grant insert (id) on crm.acts to foundation_role;

-- A filter of several conditions is longer than one of a few words.
alter table crm.saved_views drop constraint saved_views_query_check,
  add constraint saved_views_query_check check (octet_length(query) <= 12000);
