-- What each plan follows of people's answers. The same two lines may be in several plans, and an answer that is given in one of them
-- concerns the others: each plan keeps which answer it was decided with, and whether it would be another one with the present answer.

create table sync.import_plan_answers (
  run bigint not null references sync.import_runs,
  one text collate "C" not null,
  other text collate "C" not null,
  former text collate "C" not null check (former in ('same', 'different', 'later')),
  changes_plan boolean not null,
  primary key (run, one, other),
  foreign key (one, other) references sync.import_decisions on delete cascade
);
create index on sync.import_plan_answers (one, other);
comment on table sync.import_plan_answers is
  'Answers that were given since a plan was decided. They go when it is decided again, applied or given up.';
comment on column sync.import_plan_answers.former is 'The answer that the plan follows; later: none.';
comment on column sync.import_plan_answers.changes_plan is 'Whether the plan is another one with the present answer.';
call platform.protect_table('sync.import_plan_answers');
create policy sync_read on sync.import_plan_answers for select to sync_role using (true);
create policy console_read on sync.import_plan_answers for select to console_role using (true);
grant select on sync.import_plan_answers to sync_role, console_role;
call platform.classify('sync.import_plan_answers', '(r.one, r.other) in (
    select d.one, d.other from sync.import_decisions d where d.one_customer = any ($1) or d.other_customer = any ($1))', 'delete',
  'They go with the answers about the person.', identifying => 'one other', technical => 'run former changes_plan');

insert into sync.import_plan_answers (run, one, other, former, changes_plan)
select d.run, d.one, d.other, d.former, d.changes_plan
from sync.import_decisions d join sync.import_runs r on r.id = d.run and r.state = 'planned' and d.decided_at > r.decided_at;
delete from platform.inventory i where i.relation = 'sync.import_decisions' and i.column_name in ('former', 'changes_plan');
alter table sync.import_decisions drop column former, drop column changes_plan;

-- Keeps that an answer was given since a plan was decided. Returns whether the plan must be decided again.
create function sync.note_plan_answer(
  of_run bigint, mine text, theirs text, answered text, before text, are_one boolean) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  base text;
  changes boolean;
begin
  select a.former into base from sync.import_plan_answers a
  where a.run = of_run and a.one = least(mine, theirs) and a.other = greatest(mine, theirs);
  base := coalesce(base, before, 'later');
  changes := base <> answered and (answered = 'same' or base <> 'later' or are_one);
  insert into sync.import_plan_answers as a (run, one, other, former, changes_plan)
  values (of_run, least(mine, theirs), greatest(mine, theirs), base, changes)
  on conflict (run, one, other) do update set changes_plan = excluded.changes_plan;
  return changes;
end $$;

-- The line of a plan that is a person of the answers, whom another run has as line `of_n`. Only lines that share an id, an address or all
-- of their text with that one are asked for their hashes.
create function sync.find_import_person(in_run bigint, of_person text, of_run bigint, of_n integer)
returns table (n integer, lead integer, customer uuid)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  known sync.import_rows;
  places integer[];
begin
  select * into known from sync.import_rows p where p.run = of_run and p.n = of_n;
  select array_agg(p.n) into places from sync.import_rows p
  where p.run = in_run and p.digest is not null
    and (p.external_id = known.external_id or p.email_key = known.email_key or p.digest = known.digest);
  return query
    select p.n, p.lead, p.customer from sync.list_import_persons(in_run, places) p
    where of_person in (p.person, p.whole) order by p.n limit 1;
end $$;

-- An answer that somebody gave while a plan was decided is not followed by it.
create function sync.note_unfollowed_answers(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  since constant timestamptz := (select r.decided_at from sync.import_runs r where r.id = of_run);
begin
  perform pg_advisory_xact_lock(hashtextextended('sync.import_decisions', 0));
  if not exists (select from sync.import_decisions d where d.decided_at > since) then return; end if;
  insert into sync.import_plan_answers (run, one, other, former, changes_plan)
  select of_run, d.one, d.other, 'later', true from sync.import_decisions d
  where d.decided_at > since and exists (
    select from sync.list_import_persons(of_run, array(select p.n from sync.import_rows p where p.run = of_run)) p
    where p.person in (d.one, d.other) or p.whole in (d.one, d.other));
end $$;

-- How many answers change a plan since it was decided.
create or replace function sync.count_new_answers(of_run bigint) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select count(*) from sync.import_plan_answers a where a.run = of_run and a.changes_plan);
end $$;
grant execute on function sync.count_new_answers(bigint) to console_role;

-- As in 0013_import_plan.sql; the answer is kept for every plan that it concerns.
create or replace function sync.decide_import_pair(
  of_run bigint, of_n integer, with_n integer, with_customer uuid, answered text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
  a record;
  b record;
  mine text collate "C";
  theirs text collate "C";
  before sync.import_decisions;
  changes boolean;
  planned bigint;
  left_side text[];
  right_side text[];
begin
  perform platform.require_steward();
  select * into r from sync.import_runs x where x.id = of_run for update;
  if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
  if r.state <> 'planned' then
    raise exception 'run % is %: answers are for a plan; afterwards, merge the customers', of_run, r.state
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  elsif num_nonnulls(with_n, with_customer) <> 1 or of_n = with_n then
    raise exception 'an answer is about a line and another line, or a customer' using errcode = 'invalid_parameter_value';
  elsif answered not in ('same', 'different', 'later') then
    raise exception 'an answer is same, different or later' using errcode = 'invalid_parameter_value';
  end if;
  select * into a from sync.list_import_persons(of_run, array[of_n]);
  select * into b from sync.list_import_persons(of_run, array[with_n]);
  if a.n is null or with_n is not null and b.n is null then
    raise exception 'line % of run % is no person', case when a.n is null then of_n else with_n end, of_run
      using errcode = 'no_data_found';
  end if;
  if with_customer is not null then
    select 'customer:' || coalesce(c.merged_into, c.id) into theirs from platform.customers c
    where c.id = with_customer and c.erased_at is null;
    if theirs is null then raise exception 'there is no customer %', with_customer using errcode = 'no_data_found'; end if;
    mine := a.person;
  elsif a.person = b.person then
    mine := a.whole;
    theirs := b.whole;
  else
    mine := a.person;
    theirs := b.person;
  end if;
  if mine = theirs then raise exception 'both lines say exactly the same' using errcode = 'invalid_parameter_value'; end if;
  -- One answer at a time, so that none contradicts another.
  perform pg_advisory_xact_lock(hashtextextended('sync.import_decisions', 0));
  select * into before from sync.import_decisions d where d.one = least(mine, theirs) and d.other = greatest(mine, theirs);
  left_side := sync.list_same_persons(mine, before.one, before.other);
  right_side := sync.list_same_persons(theirs, before.one, before.other);
  if answered = 'different' and theirs = any (left_side) then
    raise exception 'other answers say that these two are one person: change those first'
      using errcode = 'object_not_in_prerequisite_state';
  elsif answered = 'same' and (exists (
      select from sync.import_decisions d
      where d.answer = 'different' and (d.one = any (left_side) and d.other = any (right_side)
        or d.other = any (left_side) and d.one = any (right_side)))
    or (select count(distinct p) from unnest(left_side || right_side) p where starts_with(p, 'customer:')) > 1) then
    raise exception 'other answers say that these two are different, or make each of them another customer: change those first'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  insert into sync.import_decisions as d (one, other, answer, run)
  values (least(mine, theirs), greatest(mine, theirs), answered, of_run)
  on conflict (one, other) do update
  set answer = excluded.answer, run = excluded.run, decided_at = clock_timestamp(), actor = platform.current_actor(), login = session_user;
  changes := sync.note_plan_answer(of_run, mine, theirs, answered, before.answer,
    coalesce(a.lead = b.lead, a.customer = with_customer, false));
  -- The same lines may be in other plans.
  for planned in select x.id from sync.import_runs x where x.state = 'planned' and x.id <> of_run order by x.id loop
    select * into a from sync.find_import_person(planned, mine, of_run, of_n);
    select * into b from sync.find_import_person(planned, theirs, of_run, with_n);
    if a.n is not null and (b.n is not null or with_customer is not null) then
      perform sync.note_plan_answer(planned, mine, theirs, answered, before.answer,
        coalesce(a.lead = b.lead, a.customer = with_customer, false));
    end if;
  end loop;
  update sync.import_runs x set used_at = clock_timestamp() where x.id = of_run;
  perform sync.record_operation('import.answer', jsonb_strip_nulls(jsonb_build_object('run', of_run, 'line', of_n, 'other_line', with_n,
    'customer', with_customer)), null, jsonb_strip_nulls(jsonb_build_object('answer', answered, 'before', before.answer)));
  return changes;
end $$;

-- As in 0013_import_plan.sql and 0012_import.sql; what was answered since the plan was decided goes with the plan.
create or replace function sync.begin_replan(of_run bigint, with_settings jsonb, as_of timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'planned' then
    raise exception 'this run is %', coalesce(r.state, 'not there') using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Only a planned run is decided again';
  end if;
  update sync.import_runs x set state = 'reading', settings = x.settings || with_settings, unmapped = '{}', decided_at = as_of
  where x.id = of_run;
  -- A truncation would keep readers of the former plan waiting.
  execute format('delete from sync.import_rows_p%s', of_run);
  execute format('delete from staging.import_groups_p%s', of_run);
  delete from sync.import_targets t where t.run = of_run;
  delete from sync.import_candidates c where c.run = of_run;
  delete from sync.import_plan_answers a where a.run = of_run;
  insert into sync.import_steps (run, step) values (of_run, 'plan');
end $$;

create or replace function sync.follow_import_answers(of_run bigint, places integer[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from sync.import_plan_answers a where a.run = of_run; -- it is no plan any more
  with became as materialized (
    select u.person, max(p.customer::text)::uuid as customer from sync.list_import_persons(of_run, places) p
      cross join lateral (values (p.person), (p.whole)) u (person)
    where p.customer is not null group by u.person
  ), noted as (
    update sync.import_decisions d
    set one_customer = coalesce((select b.customer from became b where b.person = d.one), d.one_customer),
        other_customer = coalesce((select b.customer from became b where b.person = d.other), d.other_customer)
    where d.one in (select b.person from became b) or d.other in (select b.person from became b)
    returning d.*
  )
  insert into platform.review_candidates as r (customer_id, other_id, reason, evidence, state, is_asked, decided_at, decided_by)
  select distinct on (least(a.id, b.id), greatest(a.id, b.id)) least(a.id, b.id), greatest(a.id, b.id), 'import',
    jsonb_build_object('answered_in', of_run), 'different', false, d.decided_at, d.actor
  from noted d
    join platform.customers a on a.id = coalesce(d.one_customer, case when starts_with(d.one, 'customer:') then substr(d.one, 10)::uuid end)
    join platform.customers b
      on b.id = coalesce(d.other_customer, case when starts_with(d.other, 'customer:') then substr(d.other, 10)::uuid end)
  where d.answer = 'different' and a.id <> b.id and num_nulls(a.merged_into, a.erased_at, b.merged_into, b.erased_at) = 4
  on conflict (customer_id, other_id) do update
  set state = 'different', is_asked = false, merge = null, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    evidence = r.evidence || excluded.evidence
  where r.state in ('open', 'unsure'); -- as in 0021_duplicates.sql, which makes a pair one row
end $$;

create or replace function sync.abandon_import(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update sync.import_runs r set state = 'abandoned' where r.id = of_run and r.state in ('reading', 'planned');
  if not found then
    raise exception 'this run is past its plan' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Undo it instead.';
  end if;
  perform sync.drop_import_staging(of_run);
  perform sync.drop_import_rows(of_run);
  delete from sync.import_targets t where t.run = of_run;
  delete from sync.import_candidates c where c.run = of_run;
  delete from sync.import_plan_answers a where a.run = of_run;
end $$;

-- Replaces the function of 0016_import_files.sql: a steward may also cancel the two kinds of job that stewards start.
create or replace function sync.cancel_import_job(of_job bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  j sync.import_jobs;
begin
  select * into j from sync.import_jobs x where x.id = of_job for update;
  if j.kind in ('replan', 'whatif') then perform platform.require_steward(); else perform sync.require_operator(); end if;
  if j.id is null then raise exception 'there is no job %', of_job using errcode = 'no_data_found'; end if;
  if j.state not in ('waiting', 'working') then
    raise exception 'job % has ended', of_job using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_jobs x
  set is_cancelled = true, state = case x.state when 'waiting' then 'cancelled' else x.state end,
      ended_at = case x.state when 'waiting' then clock_timestamp() end
  where x.id = of_job;
  perform sync.record_operation('import.cancel', jsonb_strip_nulls(jsonb_build_object('job', of_job, 'run', j.run)), null,
    jsonb_build_object('kind', j.kind));
end $$;
