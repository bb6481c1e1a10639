-- Detection: customers that may be one person are found as they are made or changed, by the keys and the scores of an import's matching.
--
-- The model. sync.match_keys has, for each live customer, the keys of the blocks of importer/matching: hashes of its addresses, numbers and
-- names. Two customers are compared if they share one. A key that more customers have than its block allows is not looked at, and `cut_off`
-- names its block; so the work for a customer is bounded. What a likeness weighs, and how common a name is, is in sync.match_model: the
-- worker makes it of a sample, again whenever the number of customers has doubled.
--
-- The worker's subscription sync.duplicates looks at each customer that an event tells of, and sync.match_walk goes over all others: first
-- their keys, then their pairs. Both write through sync.keep_detected, in the transaction that has read the customers last. A pair that is
-- likely enough is proposed with the reason `detected`. One that is not any more goes away, unless a person has decided about it, or
-- something else has proposed it. No writer of customers takes part: all of it happens in the worker.

create table sync.match_keys (
  customer uuid primary key,
  keys bigint[] not null,
  cut_off text[] collate "C" not null default '{}'
) with (fillfactor = 90);
comment on table sync.match_keys is
  'By which keys a customer is compared. Not a reference to customers, so that no write of a customer waits for it.';
comment on column sync.match_keys.cut_off is 'The blocks of which a key of this customer is that of too many others to be compared.';
-- Without a list of what is not merged yet: every search would read it.
create index match_keys_by_key on sync.match_keys using gin (keys) with (fastupdate = off);
call platform.protect_table('sync.match_keys');

call platform.classify('sync.match_keys', 'r.customer = any ($1)', 'delete', 'Hashes of what the person has told.',
  identifying => 'keys', technical => 'customer cut_off');
call platform.stay_in_merges('sync.match_keys', 'customer',
  'The worker makes them again of what the survivor and the loser are.');

-- Keys are made of what the person has told, so they go with it.
create function sync.forget_match_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from sync.match_keys k where k.customer = old.id;
  return null;
end $$;
create trigger forget_match_keys after update of erased_at on platform.customers
  for each row when (new.erased_at is not null and old.erased_at is null) execute function sync.forget_match_keys();

create table sync.match_model (
  is_only boolean primary key default true check (is_only),
  version bigint not null default 0,
  rules text collate "C" check (octet_length(rules) <= 40),
  customers bigint not null default 0,
  model jsonb check (octet_length(model::text) <= 65536),
  words bytea check (octet_length(words) <= 16777216),
  made_at timestamptz,
  making_until timestamptz,
  check ((model is null) = (words is null))
);
comment on table sync.match_model is 'What importer/matching/model.ts makes of a sample of the customers; one row.';
comment on column sync.match_model.customers is 'How many customers there were when it was made.';
comment on column sync.match_model.making_until is 'A worker is making one until then, at the latest.';
insert into sync.match_model default values;
call platform.protect_table('sync.match_model');
call platform.classify('sync.match_model', null, 'keep', 'Shares, and how common a name is that several persons have.',
  technical => 'is_only version rules customers model words made_at making_until');

create table sync.match_walk (
  is_only boolean primary key default true check (is_only),
  phase text collate "C" not null default 'keys' check (phase in ('keys', 'pairs', 'done')),
  rules text collate "C" check (octet_length(rules) <= 40),
  after uuid not null default '00000000-0000-0000-0000-000000000000',
  looked_at bigint not null default 0,
  pairs bigint not null default 0,
  began_at timestamptz not null default now(),
  ended_at timestamptz,
  asked_by text collate "C"
);
comment on table sync.match_walk is 'How far the walk over all customers is; one row.';
comment on column sync.match_walk.after is 'Every customer up to this id has been looked at in this phase.';
comment on column sync.match_walk.pairs is 'How many pairs it has added to the queue.';
insert into sync.match_walk default values;
call platform.protect_table('sync.match_walk');
call platform.classify('sync.match_walk', null, 'keep', 'How far a walk is.',
  technical => 'is_only phase rules after looked_at pairs began_at ended_at asked_by');
create policy sync_read on sync.match_walk for select to sync_role, console_role using (true);
grant select on sync.match_walk to sync_role, console_role;

-- How many customers there are, roughly: exactly up to a thousand.
create function sync.about_customers() returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select greatest(r.reltuples::bigint, (select count(*) from (select from platform.customers c limit 1000) c))
  from pg_class r where r.oid = 'platform.customers'::regclass);

-- What matching compares of live customers.
create function sync.list_match_persons(
  ids uuid[], out id uuid, out name text, out email text, out emails text[], out phones text[], out company text, out company_domain text)
  returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.id, c.name, c.email,
    array(
      select e.email_key from platform.customer_emails e
      where e.customer_id = c.id and e.email_key <> platform.no_address(c.id) order by e.email_key limit 20),
    array(select p.phone_key from platform.customer_phones p where p.customer_id = c.id order by p.phone_key limit 20), o.name, o.domain
  from platform.customers c left join platform.companies o on o.id = c.company_id
  where c.id = any (ids) and c.merged_into is null and c.erased_at is null;
end;

-- Who has a key, for each of these. Null: more customers have it than `mosts` says.
create function sync.find_by_match_keys(keys bigint[], mosts integer[], out key bigint, out customers uuid[]) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.key, case when f.found <= k.most then f.customers end
  from unnest(find_by_match_keys.keys, mosts) k (key, most)
    cross join lateral (
      select count(*) as found, coalesce(array_agg(c.customer), '{}') as customers
      from (select m.customer from sync.match_keys m where m.keys @> array[k.key] limit k.most + 1) c) f;
end;

-- The model, unless it is the one that the caller has.
create function sync.read_match_model(
  known bigint, out version bigint, out customers bigint, out model jsonb, out words bytea) returns record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select m.version, sync.about_customers(), case when m.version is distinct from known then m.model end,
    case when m.version is distinct from known then m.words end
  from sync.match_model m;
end;

-- Whether a model is to be made: then the caller has until `making_until` to make it. A list below `least_customers` needs none.
create function sync.begin_match_model(by_rules text, least_customers integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  present constant bigint := sync.about_customers();
begin
  if not exists (
    select from sync.match_model m
    where present >= least_customers and coalesce(m.making_until < clock_timestamp(), true)
      and (m.rules is distinct from by_rules or present >= 2 * m.customers or present * 2 <= m.customers)) then
    return false;
  end if;
  update sync.match_model m set making_until = clock_timestamp() + interval '5 minutes'
  where coalesce(m.making_until < clock_timestamp(), true);
  return found;
end $$;

-- About so many customers, all of them if they are no more: whoever is chosen depends on nothing that the record says.
create function sync.sample_customers(most integer) returns uuid[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return array(
    select c.id from platform.customers c tablesample bernoulli (least(100, 100.0 * most / greatest(sync.about_customers(), 1)))
    where c.merged_into is null and c.erased_at is null limit most);
end $$;

create function sync.keep_match_model(by_rules text, of_customers bigint, model jsonb, words bytea) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update sync.match_model m
  set version = m.version + 1, rules = by_rules, customers = of_customers, model = keep_match_model.model,
    words = keep_match_model.words, made_at = now(), making_until = null;
end;

-- The next customers of the walk, for the caller's transaction alone; no phase: there is nothing to do, or somebody else does it. Other
-- rules begin it again.
create function sync.next_match_page(by_rules text, most integer, out phase text, out ids uuid[]) returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  w sync.match_walk;
begin
  select * into w from sync.match_walk for update skip locked;
  if w.is_only is null or (w.phase = 'done' and w.rules = by_rules) then return; end if;
  if w.rules is distinct from by_rules then
    update sync.match_walk x
    set phase = 'keys', rules = by_rules, after = default, looked_at = 0, pairs = 0, began_at = clock_timestamp(), ended_at = null
    returning * into w;
  end if;
  phase := w.phase;
  ids := array(
    select c.id from platform.customers c where c.id > w.after and c.merged_into is null and c.erased_at is null order by c.id limit most);
  if cardinality(ids) = 0 then
    update sync.match_walk x
    set phase = case w.phase when 'keys' then 'pairs' else 'done' end, after = default,
      looked_at = case w.phase when 'keys' then 0 else x.looked_at end, ended_at = case w.phase when 'pairs' then clock_timestamp() end;
  else
    update sync.match_walk x set after = ids[cardinality(ids)], looked_at = x.looked_at + cardinality(ids);
  end if;
end $$;

-- Keeps the keys of customers that were looked at: { customer, keys, cut_off }. Their rows are held against a merge and an erasure until
-- the end of the transaction, and those that are gone meanwhile lose their keys.
create function sync.keep_match_keys(looked jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  live uuid[];
begin
  perform set_config('lock_timeout', '500ms', true);
  live := array(
    select c.id from platform.customers c
    where c.id in (select l.customer from jsonb_to_recordset(looked) l (customer uuid)) and c.merged_into is null and c.erased_at is null
    order by c.id for key share);
  delete from sync.match_keys k
  where k.customer in (select l.customer from jsonb_to_recordset(looked) l (customer uuid)) and k.customer <> all (live);
  insert into sync.match_keys as k (customer, keys, cut_off)
  select l.customer, array(select jsonb_array_elements_text(l.keys)::bigint), array(select jsonb_array_elements_text(l.cut_off))
  from jsonb_to_recordset(looked) l (customer uuid, keys jsonb, cut_off jsonb) where l.customer = any (live) order by l.customer
  on conflict (customer) do update set keys = excluded.keys, cut_off = excluded.cut_off
  where (k.keys, k.cut_off) is distinct from (excluded.keys, excluded.cut_off);
end $$;

-- With whom detection has found these customers, so that they are compared again.
create function sync.list_detected(ids uuid[], out customer_id uuid, out other_id uuid) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select r.customer_id, r.other_id from platform.review_candidates r
  where r.customer_id = any (ids) and r.reason = 'detected' and r.state in ('open', 'unsure') and r.is_asked
  union
  select r.customer_id, r.other_id from platform.review_candidates r
  where r.other_id = any (ids) and r.reason = 'detected' and r.state in ('open', 'unsure') and r.is_asked;
end;

-- Keeps what a look at customers has found: their keys and all their likely pairs, { a, b, score, reasons }. Other pairs that detection
-- alone has found go away, unless a person has decided about them at any time. Returns how many pairs are new.
create function sync.keep_detected(looked jsonb, pairs jsonb, by_rules text, by_walk boolean default false) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids constant uuid[] := array(select l.customer from jsonb_to_recordset(looked) l (customer uuid));
  added integer;
begin
  perform set_config('lock_timeout', '500ms', true);
  -- In the order of a merge, which holds its customers before it changes their pairs.
  perform from platform.customers c
  where c.id = any (ids) or c.id in (select unnest(array[p.a, p.b]) from jsonb_to_recordset(pairs) p (a uuid, b uuid))
  order by c.id for key share;
  perform sync.keep_match_keys(looked);
  delete from platform.review_candidates r
  where (r.customer_id = any (ids) or r.other_id = any (ids)) and r.reason = 'detected' and r.state = 'open' and r.is_asked
    and r.follows is null
    and not exists (
      select from jsonb_to_recordset(pairs) p (a uuid, b uuid)
      where least(p.a, p.b) = r.customer_id and greatest(p.a, p.b) = r.other_id)
    and not exists (select from platform.review_decisions d where d.candidate = r.id);
  added := platform.propose_candidates(pairs, 'detected', by_rules);
  if by_walk then update sync.match_walk w set pairs = w.pairs + added; end if;
  return added;
end $$;

-- Begins the walk over all customers again. It says nothing if one is under way.
create function sync.begin_match_walk() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.require_operator();
  update sync.match_walk w
  set phase = 'keys', after = default, looked_at = 0, pairs = 0, began_at = clock_timestamp(), ended_at = null,
    asked_by = platform.current_actor();
end $$;

-- What an import has found is more than what detection sees: the list may know cities and dates of birth. So a proposal of detection
-- changes only its own pairs, and one of an import takes them over.
create or replace function platform.propose_candidates(pairs jsonb, because text, by_rules text, of_run bigint default null) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  added integer;
begin
  with given as (
    select distinct on (least(a.id, b.id), greatest(a.id, b.id)) least(a.id, b.id) as one, greatest(a.id, b.id) as other, p.score, p.reasons
    from jsonb_to_recordset(pairs) p (a uuid, b uuid, score double precision, reasons jsonb)
      join platform.customers x on x.id = p.a join platform.customers y on y.id = p.b
      join platform.customers a on a.id = coalesce(x.merged_into, x.id) and a.erased_at is null
      join platform.customers b on b.id = coalesce(y.merged_into, y.id) and b.erased_at is null
    where a.id <> b.id and not sync.are_different(a.id, b.id)
    order by least(a.id, b.id), greatest(a.id, b.id), p.score desc
  ), written as (
    insert into platform.review_candidates as r (customer_id, other_id, reason, score, reasons, rules, run)
    select g.one, g.other, because, g.score, g.reasons, by_rules, of_run from given g
    on conflict (customer_id, other_id) do update
    set score = excluded.score, reasons = excluded.reasons, rules = excluded.rules,
      reason = case r.reason when 'detected' then excluded.reason else r.reason end,
      run = case r.reason when 'detected' then excluded.run else r.run end
    where r.state in ('open', 'unsure') and r.reason <> 'verified_claim' and (excluded.reason <> 'detected' or r.reason = 'detected')
      and (r.score, r.reasons, r.rules, r.reason = 'detected')
        is distinct from (excluded.score, excluded.reasons, excluded.rules, excluded.reason = 'detected')
    returning r.xmax = 0 as is_new
  )
  select count(*) filter (where w.is_new) into added from written w;
  return added;
end $$;
comment on column platform.review_candidates.reason is
  'What brought the pair here. detected: the two were alike when one of them was made or changed. import: an import (run). '
  'verified_claim: one of the two proved an unverified address of the other; evidence names the address and the customer that lost it. '
  'unmerged: a merge of the two was taken back. person: somebody decided about a pair that nothing had proposed.';

-- The queue by where its pairs come from.
create index review_candidates_by_reason on platform.review_candidates (reason, state, score desc, id)
  where is_asked and state in ('open', 'unsure');
create index review_candidates_decided_by_reason on platform.review_candidates (reason, state, decided_at desc, id)
  where state in ('merged', 'different');

create or replace function sync.check_duplicates() returns setof sync.check_row
language sql volatile
begin atomic
  select 'duplicates', 'duplicates', 'ok',
    case when w.rows = 0 then 'No pair of customers waits for a decision.'
      when w.rows > 10000 then '10,000+ pairs of customers wait for a decision.'
      when w.rows = 1 then 'One pair of customers waits for a decision.'
      else sync.say_count(w.rows::bigint) || ' pairs of customers wait for a decision.' end
      || case m.phase when 'done' then ''
        else format(' All customers are being looked through for duplicates: %s of about %s, step %s of 2.',
          sync.say_count(m.looked_at), sync.say_count(sync.about_customers()), case m.phase when 'keys' then 1 else 2 end) end,
    jsonb_build_object('open', w.rows, 'walked', case m.phase when 'done' then null else m.looked_at end)
  from (select count(*) as rows from (
    select from platform.review_candidates r where r.is_asked and r.state = 'open' limit 10001) c) w, sync.match_walk m;
end;

-- The worker subscribes as an app does.
grant execute on function sync.list_vain_types(text[]) to sync_role;
grant execute on function
    sync.list_match_persons(uuid[]), sync.find_by_match_keys(bigint[], integer[]), sync.read_match_model(bigint)
  to app_role, sync_role, console_role;
grant execute on function
    sync.about_customers(), sync.begin_match_model(text, integer), sync.sample_customers(integer),
    sync.keep_match_model(text, bigint, jsonb, bytea), sync.next_match_page(text, integer), sync.keep_match_keys(jsonb),
    sync.list_detected(uuid[]), sync.keep_detected(jsonb, jsonb, text, boolean), sync.begin_match_walk()
  to sync_role;
