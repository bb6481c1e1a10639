-- The queue of duplicates: two customers that may be one person, who found them likely, and what a person decided.
--
-- The model. platform.review_candidates has one row for each pair of customers, the smaller id first. A pair comes from an import
-- or from the proof of an address. It is `open` until a steward decides: `merged` (with the merge), `different`, or
-- `unsure` (asked, and put aside). "different" is the never-edge that matching, imports, quality and detection obey
-- (sync.are_different); it is written here and nowhere else. Every change of a state is a row of platform.review_decisions, which an undo
-- reads. A decision that somebody else was faster with is refused: the caller says which state it has seen.
--
-- Merges. The rows keep the customers that were compared. If A of a pair (A, B) is merged into C, the question goes on as the pair (C, B),
-- a row that `follows` the first one. `is_asked` is true for the pairs that a person is to see: open or unsure, both customers live, and
-- nobody has said "different" of a record of the one and a record of the other. So when A is taken out of C again, (A, B) is asked again,
-- and (C, B) is gone, unless somebody has decided about it. A merge closes the pair, wherever it was made. An unmerge makes it "different".
-- The erasure of a customer removes what is undecided of it. All of this is done by triggers, in the transaction of the merge.

-- One row for a pair: of several reasons that a pair had, the one that was decided stays, else the first.
delete from platform.review_candidates r using platform.review_candidates better
where better.customer_id = r.customer_id and better.other_id = r.other_id and better.id <> r.id
  and (better.state = 'different', better.state = 'same', r.id) > (r.state = 'different', r.state = 'same', better.id);
alter table platform.review_candidates
  drop constraint review_candidates_customer_id_other_id_reason_key,
  drop constraint review_candidates_state_check,
  add column score double precision not null default 1 check (score between 0 and 1),
  add column reasons jsonb not null default '[]' check (jsonb_typeof(reasons) = 'array' and octet_length(reasons::text) <= 4096),
  add column rules text collate "C" check (octet_length(rules) <= 40),
  add column run bigint,
  add column follows uuid references platform.review_candidates on delete set null,
  add column is_asked boolean not null default true,
  add column merge uuid,
  add column assigned_to text collate "C",
  add column assigned_at timestamptz,
  add column assigned_by text collate "C";
update platform.review_candidates set state = 'merged' where state = 'same';
alter table platform.review_candidates
  add constraint review_candidates_state_check check (state in ('open', 'unsure', 'merged', 'different')),
  add constraint review_candidates_pair_key unique (customer_id, other_id),
  add check ((assigned_to is null) = (assigned_at is null));
comment on table platform.review_candidates is
  'Two customers that may be one person, and what a person decided. 0021_duplicates.sql has the model.';
comment on column platform.review_candidates.reason is
  'What brought the pair here. import: an import (run). verified_claim: one of the two proved an '
  'unverified address of the other; evidence names the address and the customer that lost it. unmerged: a merge of the two was taken back. '
  'person: somebody decided about a pair that nothing had proposed.';
comment on column platform.review_candidates.score is 'The probability that the two are one person. 1 if no model was asked.';
comment on column platform.review_candidates.reasons is
  'What speaks for and against it, as words of importer/matching/reasons.ts such as ["phone.equal", "given.slip"].';
comment on column platform.review_candidates.rules is 'The version of the rules of matching that gave score and reasons.';
comment on column platform.review_candidates.merge is 'The merge that closed the pair; see platform.merges.';
comment on column platform.review_candidates.assigned_to is
  'The user who is to decide. Not a reference, so that the record outlives the user.';
-- The queue's order: the likeliest first.
create index review_candidates_queue on platform.review_candidates (state, score desc, id) where is_asked and state in ('open', 'unsure');
create index review_candidates_assigned on platform.review_candidates (assigned_to, state, score desc, id)
  where is_asked and state in ('open', 'unsure') and assigned_to is not null;
create index review_candidates_decided on platform.review_candidates (state, decided_at desc, id) where state in ('merged', 'different');
create index on platform.review_candidates (follows) where follows is not null;

-- Who decided what, and what it was before. Decisions of one transaction are one act, which is undone as a whole.
create table platform.review_decisions (
  id bigint generated always as identity primary key,
  candidate uuid not null references platform.review_candidates on delete cascade,
  was text collate "C",
  became text collate "C" not null,
  reason_was text collate "C",
  merge uuid,
  decided_at timestamptz not null default now(),
  decided_by text collate "C" default platform.current_actor(),
  decided_by_login name not null default session_user,
  act xid8 not null default pg_current_xact_id(),
  undone_at timestamptz,
  undone_by text collate "C",
  check (undone_at is not null or undone_by is null)
);
comment on column platform.review_decisions.was is 'The state before; null: nobody had proposed the pair.';
comment on column platform.review_decisions.act is
  'The transaction. With decided_at, the time at which it began, it tells acts apart, also after the database was restored.';
create index on platform.review_decisions (candidate, id);
create index on platform.review_decisions (decided_by, id) where undone_at is null;
create index on platform.review_decisions (merge) where merge is not null;
call platform.protect_table('platform.review_decisions');
create policy console_read on platform.review_decisions for select to console_role using (true);
-- There are no writes: triggers and functions write it. No app reads it.
grant select on platform.review_decisions to console_role;

-- Whether nobody may be asked about two customers, because a person has called a record of the one and a record of the other different.
-- A customer's records are itself and those that are merged into it.
create or replace function sync.are_different(one uuid, other uuid) returns boolean
language sql stable
return exists (
  select from platform.review_candidates r
  where r.customer_id = least(one, other) and r.other_id = greatest(one, other) and r.state = 'different')
  or exists (
    select from platform.customers c join platform.review_candidates r on r.customer_id = c.id and r.state = 'different'
      join platform.customers d on d.id = r.other_id
    where (c.merged_into = one or c.id = one) and (d.merged_into = other or d.id = other))
  or exists (
    select from platform.customers c join platform.review_candidates r on r.other_id = c.id and r.state = 'different'
      join platform.customers d on d.id = r.customer_id
    where (c.merged_into = one or c.id = one) and (d.merged_into = other or d.id = other));

-- Says again which undecided pairs of these customers are asked.
create function platform.refresh_candidates(customers uuid[]) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  update platform.review_candidates r set is_asked = not r.is_asked
  from platform.customers a, platform.customers b
  where (r.customer_id = any (customers) or r.other_id = any (customers)) and r.state in ('open', 'unsure')
    and a.id = r.customer_id and b.id = r.other_id
    and r.is_asked <> (a.merged_into is null and a.erased_at is null and b.merged_into is null and b.erased_at is null
      and not sync.are_different(a.id, b.id));
end;

-- Writes down each change of a state. A pair that goes back to open was undone: see platform.undo_decision.
create function platform.record_decision() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into platform.review_decisions (candidate, became, merge) values (new.id, new.state, new.merge);
  else
    insert into platform.review_decisions (candidate, was, became, reason_was, merge)
    values (new.id, old.state, new.state, old.reason, new.merge);
  end if;
  return null;
end $$;
create trigger recorded after update of state on platform.review_candidates
  for each row when (old.state <> new.state and new.state <> 'open') execute function platform.record_decision();
create trigger recorded_at_once after insert on platform.review_candidates
  for each row when (new.state <> 'open' and new.follows is null) execute function platform.record_decision();

-- A merge of a pair decides it, wherever it was merged. A pair that nobody has proposed is written too: the queue can undo its merge.
create function platform.close_candidate() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into platform.review_candidates (customer_id, other_id, reason, state, merge, is_asked, decided_at, decided_by)
  select least(s.id, l.id), greatest(s.id, l.id), 'person', 'merged', new.id, false, now(), platform.current_actor()
  from platform.customers s, platform.customers l where s.id = new.survivor_id and l.id = new.loser_id
  on conflict (customer_id, other_id) do update
  set state = 'merged', merge = new.id, is_asked = false, decided_at = now(), decided_by = platform.current_actor();
  return null;
end $$;
create trigger closes_candidate after insert on platform.merges for each row execute function platform.close_candidate();

-- A pair follows its customers through merges; see the model. Bulk writes change neither column, so they have no counterpart of this.
create function platform.follow_candidates() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.erased_at is not null and old.erased_at is null then
    delete from platform.review_candidates r where new.id in (r.customer_id, r.other_id) and r.state in ('open', 'unsure');
    update platform.review_candidates r set evidence = '{}', reasons = '[]' where new.id in (r.customer_id, r.other_id);
    return null;
  end if;
  if new.merged_into is not null and old.merged_into is null then
    -- The other ones are held first, and read again: a merge or an erasure of one that was under way has ended then.
    perform from platform.customers c
    where c.id in (
      select case when r.customer_id = new.id then r.other_id else r.customer_id end from platform.review_candidates r
      where new.id in (r.customer_id, r.other_id) and r.state in ('open', 'unsure') and r.is_asked)
    order by c.id for key share;
    insert into platform.review_candidates
      (customer_id, other_id, reason, evidence, score, reasons, rules, run, state, created_at, created_by_app, decided_at, decided_by,
       assigned_to, assigned_at, assigned_by, follows)
    select least(new.merged_into, o.id), greatest(new.merged_into, o.id), r.reason, r.evidence, r.score, r.reasons, r.rules, r.run,
      r.state, r.created_at, r.created_by_app, r.decided_at, r.decided_by, r.assigned_to, r.assigned_at, r.assigned_by, r.id
    from platform.review_candidates r
      join platform.customers o on o.id = case when r.customer_id = new.id then r.other_id else r.customer_id end
    where new.id in (r.customer_id, r.other_id) and r.state in ('open', 'unsure') and r.is_asked
      and o.id <> new.merged_into and o.merged_into is null and o.erased_at is null
    order by r.id
    on conflict (customer_id, other_id) do nothing;
  elsif new.merged_into is null then
    with recursive derived as (
      select f.id from platform.review_candidates f join platform.review_candidates r on r.id = f.follows
      where new.id in (r.customer_id, r.other_id)
      union select f.id from platform.review_candidates f join derived d on f.follows = d.id)
    delete from platform.review_candidates r using derived d where r.id = d.id and r.state in ('open', 'unsure');
  end if;
  perform platform.refresh_candidates(array_remove(array[new.id, new.merged_into, old.merged_into], null));
  return null;
end $$;
create trigger z_follow_candidates after update of merged_into, erased_at on platform.customers
  for each row when ((new.merged_into, new.erased_at) is distinct from (old.merged_into, old.erased_at))
  execute function platform.follow_candidates();

-- Two customers whose merge was taken back: nothing proposes them again. What a person has called different before stays that person's.
create or replace function platform.keep_apart(a uuid, b uuid, why text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into platform.review_candidates as r
    (customer_id, other_id, reason, evidence, state, is_asked, decided_at, decided_by)
  values (least(a, b), greatest(a, b), 'unmerged', jsonb_build_object('why', why), 'different', false, now(), platform.current_actor())
  on conflict (customer_id, other_id) do update
  set state = 'different', reason = 'unmerged', is_asked = false, merge = null, decided_at = now(), decided_by = platform.current_actor(),
    evidence = excluded.evidence
  where r.state <> 'different';
end $$;

-- Whoever is to decide must be able to.
create function platform.require_decider(person text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if person is not null and not exists (
    select from platform.users u where u.id = person and u.role in ('admin', 'steward')) then
    raise exception 'only a data steward or an administrator can decide about duplicates' using errcode = 'invalid_parameter_value';
  end if;
end $$;

-- Holds the customers of a pair, then the pair, in the order of a merge: a merge that is under way is waited for, and is then seen.
create function platform.hold_candidate(candidate uuid, seen text) returns platform.review_candidates
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  r platform.review_candidates;
begin
  select * into r from platform.review_candidates x where x.id = candidate;
  perform from platform.customers c where c.id in (r.customer_id, r.other_id) order by c.id for key share;
  select * into r from platform.review_candidates x where x.id = candidate for update;
  if r.id is null then
    raise exception 'there is no such pair: one of the two customers may be gone' using errcode = 'no_data_found';
  elsif seen is not null and r.state <> seen then
    raise exception '%', format('%s has decided about this pair meanwhile: %s',
      coalesce((select u.name from platform.users u where u.id = r.decided_by), 'somebody'), r.state)
      using errcode = 'object_not_in_prerequisite_state';
  elsif r.state in ('open', 'unsure') and not r.is_asked then
    raise exception 'one of the two was merged meanwhile, so this pair is not asked any more' using
      errcode = 'object_not_in_prerequisite_state';
  end if;
  return r;
end $$;

-- Decides about one pair: `different` or `unsure`. `seen` is the state that the person has seen. Returns the number of the decision.
create function platform.decide_candidate(candidate uuid, decision text, seen text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r platform.review_candidates;
begin
  perform platform.require_steward();
  if decision is null or decision not in ('different', 'unsure') then
    raise exception 'a decision is different or unsure; a merge decides by itself' using errcode = 'invalid_parameter_value';
  end if;
  r := platform.hold_candidate(candidate, coalesce(seen, 'open'));
  if r.state not in ('open', 'unsure') or r.state = decision then
    raise exception '%', format('this pair is %s already', r.state) using errcode = 'object_not_in_prerequisite_state';
  end if;
  update platform.review_candidates x
  set state = decision, is_asked = decision = 'unsure', decided_at = now(), decided_by = platform.current_actor()
  where x.id = r.id;
  return (select max(d.id) from platform.review_decisions d where d.candidate = r.id);
end $$;

-- Says that nobody on the left is anybody on the right: a cluster is split, or one is left out. Pairs that were proposed by nobody are
-- written too, so that nothing proposes them. Returns the numbers of the decisions.
create function platform.set_apart(left_ids uuid[], right_ids uuid[]) returns bigint[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids constant uuid[] := left_ids || right_ids;
  first bigint;
begin
  perform platform.require_steward();
  if cardinality(left_ids) not between 1 and 20 or cardinality(right_ids) not between 1 and 20 or left_ids && right_ids then
    raise exception 'each side names 1 to 20 customers, and none of them twice' using errcode = 'invalid_parameter_value';
  end if;
  perform from platform.customers c where c.id = any (ids) order by c.id for key share;
  if (select count(*) from platform.customers c where c.id = any (ids) and c.merged_into is null and c.erased_at is null)
    <> cardinality(ids) then
    raise exception 'one of these customers was merged or erased meanwhile' using errcode = 'object_not_in_prerequisite_state';
  end if;
  select coalesce(max(d.id), 0) into first from platform.review_decisions d;
  insert into platform.review_candidates as r (customer_id, other_id, reason, state, is_asked, decided_at, decided_by)
  select least(l.id, o.id), greatest(l.id, o.id), 'person', 'different', false, now(), platform.current_actor()
  from unnest(left_ids) l (id) cross join unnest(right_ids) o (id) order by 1, 2
  on conflict (customer_id, other_id) do update
  set state = 'different', is_asked = false, merge = null, decided_at = now(), decided_by = platform.current_actor()
  where r.state <> 'different';
  return array(select d.id from platform.review_decisions d where d.id > first and d.act = pg_current_xact_id() order by d.id);
end $$;

-- Refuses merges that the queue has made in this transaction, if they joined two whom somebody has called different people: then nobody
-- merges them in passing, because both look like a third one. It is asked after the merge, under its locks, for which every decision waits:
-- locks that were taken before it would stay when the merge makes way for a writer, who would wait for them.
create function platform.refuse_apart(of_merges uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  two text[];
begin
  perform platform.require_steward();
  with came as (
    select m.id as merge, m.survivor_id, m.loser_id as member from platform.merges m where m.id = any (of_merges)
    union all
    select m.id, m.survivor_id, v.key::uuid
    from platform.merges m join platform.merge_moves v on v.merge = m.id
      join platform.merge_references r on r.reference = v.reference and r.relation = 'platform.customers'
    where m.id = any (of_merges)
  )
  select array[a.name, b.name] into two
  from came k join platform.customers a on a.id = k.member
    join platform.customers b on (b.id = k.survivor_id or b.merged_into = k.survivor_id)
      and not exists (select from came x where x.merge = k.merge and x.member = b.id)
    join platform.review_candidates r on r.customer_id = least(a.id, b.id) and r.other_id = greatest(a.id, b.id)
  where r.state = 'different' or exists ( -- or was, until the merge closed the pair
    select from platform.review_decisions d
    where d.candidate = r.id and d.was = 'different' and d.act = pg_current_xact_id() and d.decided_at = now())
  limit 1;
  if two is not null then
    raise exception '%', format('somebody has called %s and %s different people: leave one of them out, or take that decision back first',
      two[1], two[2]) using errcode = 'object_not_in_prerequisite_state';
  end if;
end $$;

-- Gives undecided pairs to a person, or to nobody. Returns how many it were.
create function platform.assign_candidates(candidates uuid[], person text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  assigned integer;
begin
  perform platform.require_steward();
  perform platform.require_decider(person);
  update platform.review_candidates r
  set assigned_to = person, assigned_at = case when person is not null then now() end,
    assigned_by = case when person is not null then platform.current_actor() end
  where r.id = any (candidates) and r.state in ('open', 'unsure');
  get diagnostics assigned = row_count;
  return assigned;
end $$;

-- Takes one decision back: the pair is as it was before it. A merge must have been taken back in the same transaction.
create function platform.undo_decision(decision bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d platform.review_decisions;
  r platform.review_candidates;
begin
  perform platform.require_steward();
  select * into d from platform.review_decisions x where x.id = decision;
  if d.id is null then raise exception 'there is no such decision' using errcode = 'no_data_found'; end if;
  r := platform.hold_candidate(d.candidate, null);
  select * into d from platform.review_decisions x where x.id = decision for update;
  if d.undone_at is not null then
    raise exception 'this decision was undone already' using errcode = 'object_not_in_prerequisite_state';
  elsif d.was = 'merged' then
    raise exception 'they are different because their merge was taken back: merge them again instead'
      using errcode = 'object_not_in_prerequisite_state';
  elsif d.became = 'merged' and not exists (select from platform.merges m where m.id = d.merge and m.undone_at is not null) then
    raise exception 'the merge must be taken apart first' using errcode = 'object_not_in_prerequisite_state';
  elsif r.state <> (case d.became when 'merged' then 'different' else d.became end)
    or exists (select from platform.review_decisions x where x.candidate = d.candidate and x.id > d.id and x.undone_at is null
      and not (d.became = 'merged' and x.was = 'merged' and x.became = 'different')) then
    raise exception 'somebody has decided about this pair since' using errcode = 'object_not_in_prerequisite_state';
  end if;
  if d.was is null then
    delete from platform.review_candidates x where x.id = r.id;
  else
    update platform.review_decisions x set undone_at = now(), undone_by = platform.current_actor()
    where x.candidate = r.id and x.id >= d.id and x.undone_at is null;
    update platform.review_candidates x
    set state = d.was, reason = coalesce(d.reason_was, x.reason), merge = null, is_asked = d.was in ('open', 'unsure'),
      evidence = x.evidence - 'why',
      decided_at = case when d.was <> 'open' then now() end, decided_by = case when d.was <> 'open' then platform.current_actor() end
    where x.id = r.id;
    -- The way back to an earlier decision is none itself.
    update platform.review_decisions x set undone_at = now(), undone_by = platform.current_actor()
    where x.candidate = r.id and x.act = pg_current_xact_id() and x.undone_at is null;
  end if;
  perform platform.refresh_candidates(array[r.customer_id, r.other_id]);
end $$;

-- Proposes pairs of live customers, { a, b, score, reasons }. What a person has decided stays decided, and a pair that is open gets the new
-- score. Returns how many pairs are new.
create function platform.propose_candidates(pairs jsonb, because text, by_rules text, of_run bigint default null) returns integer
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
    on conflict (customer_id, other_id) do update set score = excluded.score, reasons = excluded.reasons, rules = excluded.rules
    where r.state in ('open', 'unsure') and r.reason <> 'verified_claim'
      and (r.score, r.reasons, r.rules) is distinct from (excluded.score, excluded.reasons, excluded.rules)
    returning r.xmax = 0 as is_new
  )
  select count(*) filter (where w.is_new) into added from written w;
  return added;
end $$;

-- How far the pairs of an applied import are in the queue.
create table sync.queued_imports (
  run bigint primary key references sync.import_runs,
  queued_to integer not null default 0,
  pairs integer not null default 0,
  ended_at timestamptz
);
comment on column sync.queued_imports.queued_to is 'The pairs of every line up to here are in the queue.';
call platform.protect_table('sync.queued_imports');
create policy sync_read on sync.queued_imports for select to sync_role, console_role using (true);
grant select on sync.queued_imports to sync_role, console_role;

-- The next pairs of an applied import that are not in the queue yet: of about `most` lines. Null: there are none, of any run.
create function sync.next_import_pairs(
  most integer, out of_run bigint, out queued_from integer, out queued_to integer, out rules text, out pairs jsonb) returns record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  select r.id, coalesce(q.queued_to, 0), r.rules into of_run, queued_from, rules
  from sync.import_runs r left join sync.queued_imports q on q.run = r.id
  where r.state = 'applied' and q.ended_at is null order by r.id limit 1;
  if of_run is null then return; end if;
  select max(c.n) into queued_to from (
    select c.n from sync.import_candidates c where c.run = of_run and c.n > queued_from order by c.n limit most) c;
  if queued_to is null then return; end if;
  execute format($f$
    select coalesce(jsonb_agg(jsonb_build_object('a', p.customer, 'b', coalesce(c.other_customer, o.customer), 'score', c.score,
      'reasons', c.reasons)), '[]')
    from sync.import_candidates c join sync.import_rows_p%1$s p on p.run = %1$s and p.n = c.n
      left join sync.import_rows_p%1$s o on o.run = %1$s and o.n = c.other_n
    where c.run = %1$s and c.n > $1 and c.n <= $2 and p.customer is not null and coalesce(c.other_customer, o.customer) is not null
      $f$, of_run) into pairs using queued_from, queued_to;
end $$;

-- Puts them into the queue, once: false if another worker has done so. Without an end there is nothing more of this run.
create function sync.queue_import_pairs(of_run bigint, queued_from integer, upto integer, by_rules text, pairs jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  done sync.queued_imports;
begin
  insert into sync.queued_imports (run) values (of_run) on conflict do nothing;
  select * into done from sync.queued_imports q where q.run = of_run for update;
  if done.queued_to <> queued_from or done.ended_at is not null then return false; end if;
  update sync.queued_imports q
  set queued_to = coalesce(upto, q.queued_to), ended_at = case when upto is null then now() end,
    pairs = q.pairs + platform.propose_candidates(queue_import_pairs.pairs, 'import', by_rules, of_run)
  where q.run = of_run;
  return true;
end $$;

-- What a steward sees of customers beside each other: their fields, how much belongs to them, and the last entries of both apps.
create function platform.describe_duplicates(ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform platform.require_steward();
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', c.id, 'version', c.version, 'name', c.name, 'email', c.email, 'phone', c.phone, 'company', o.name,
      'account_tier', c.account_tier, 'account_manager', u.name, 'preferred_language', c.preferred_language,
      'timezone', c.timezone, 'crm_id', c.crm_id, 'support_id', c.support_id, 'created_at', c.created_at,
      'created_by_app', c.created_by_app, 'has_address', c.email_key <> platform.no_address(c.id),
      'addresses', (
        select coalesce(jsonb_agg(jsonb_build_object('email', e.email, 'verified', e.verified_at is not null)
          order by e.is_primary desc, e.email_key), '[]')
        from (select * from platform.customer_emails m where m.customer_id = c.id and m.email_key <> platform.no_address(c.id) limit 20) e),
      'phones', (
        select coalesce(jsonb_agg(h.phone order by h.is_primary desc, h.phone_key), '[]')
        from (select * from platform.customer_phones m where m.customer_id = c.id limit 20) h),
      'deals', (select count(*) from (select from crm.deals d where d.customer_id = c.id limit 1000) d),
      'conversations', (select count(*) from (select from support.sessions s where s.customer_id = c.id limit 1000) s),
      'activities', (select count(*) from (select from crm.activities a where a.customer_id = c.id limit 1000) a),
      'timeline', (
        select coalesce(jsonb_agg(jsonb_build_object('app', t.app, 'what', t.what, 'text', t.text, 'at', t.at) order by t.at desc), '[]')
        from (
          select * from (
            (select a.created_by_app as app, a.type as what, left(a.description, 200) as text, a.occurred_at as at
             from crm.activities a where a.customer_id = c.id order by a.occurred_at desc, a.id desc limit 5)
            union all
            (select 'foundation', 'deal', left(d.name, 200) || ', ' || d.status, coalesce(d.closed_at, d.created_at)
             from crm.deals d where d.customer_id = c.id order by d.created_at desc limit 5)
            union all
            (select 'support', 'conversation', case when s.status = 'active' then 'goes on' else 'has ended' end, s.started_at
             from support.sessions s
             where s.customer_id = c.id and s.asked_at is not null and s.status = 'active' order by s.started_at desc limit 5)) every
          order by at desc limit 5) t))
      order by array_position(ids, c.id)), '[]')
    from platform.customers c left join platform.companies o on o.id = c.company_id
      left join platform.users u on u.id = c.account_manager_id
    where c.id = any (ids) and c.merged_into is null and c.erased_at is null and cardinality(ids) <= 50);
end $$;

-- What Sync Health shows of it: a number, not an alarm.
create function sync.check_duplicates() returns setof sync.check_row
language sql volatile
begin atomic
  select 'duplicates', 'duplicates', 'ok',
    case when w.rows = 0 then 'No pair of customers waits for a decision.'
      when w.rows > 10000 then '10,000+ pairs of customers wait for a decision.'
      when w.rows = 1 then 'One pair of customers waits for a decision.'
      else sync.say_count(w.rows::bigint) || ' pairs of customers wait for a decision.' end,
    jsonb_build_object('open', w.rows)
  from (select count(*) as rows from (
    select from platform.review_candidates r where r.is_asked and r.state = 'open' limit 10001) c) w;
end;
create function sync.list_duplicate_gauges() returns setof sync.gauge_row
language sql volatile
begin atomic
  select 'duplicates_open', '', (d.measures ->> 'open')::double precision from sync.check_duplicates() d;
end;
insert into sync.health_sources (function_name, gives) values
  ('sync.check_duplicates', 'checks'), ('sync.list_duplicate_gauges', 'gauges');

grant execute on function sync.next_import_pairs(integer), sync.queue_import_pairs(bigint, integer, integer, text, jsonb) to sync_role;
grant execute on function
    platform.decide_candidate(uuid, text, text), platform.refuse_apart(uuid[]), platform.set_apart(uuid[], uuid[]),
    platform.assign_candidates(uuid[], text),
    platform.undo_decision(bigint), platform.describe_duplicates(uuid[])
  to console_role, sync_role;
