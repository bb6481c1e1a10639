-- The queue of duplicates: several merges are taken back together, an undone "different" goes on with the customers that are merged by now,
-- and one import whose pairs cannot be queued holds up no other.

-- Takes several merges back in the order given, the newest first, or tries to: as platform.try_unmerge did with one. All their customers
-- are held at once, and released together when somebody else is in the way, so that none stays locked while the next merge waits.
create function platform.try_unmerges(merges uuid[], choices jsonb, is_trial boolean) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former_timeout constant text := current_setting('lock_timeout');
  m platform.merges;
  merge uuid;
  root uuid;
  roots uuid[];
  waiting text[] := '{}';
  name text;
  answer jsonb;
  answers jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an unmerge runs under read committed' using errcode = 'feature_not_supported';
  end if;
  for attempt in 1..60 loop
    foreach merge in array merges loop
      select x.* into m from platform.merges x where x.id = merge;
      perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
    end loop;
    roots := platform.roots_of_merges(merges);
    begin
      -- Failed events of the two wait together, and from now on apart. Their handlers hold the subscription before any customer.
      perform set_config('lock_timeout', '3s', true);
      if not is_trial then
        waiting := array(
          select s.name from sync.subscriptions s
          where exists (
            select from sync.parked p cross join unnest(roots) r (id)
            where p.subscription = s.name and p.customer = any (sync.list_merged(r.id)))
          order by s.name);
      end if;
      if cardinality(waiting) > 0 then
        perform from sync.subscriptions s where s.name = any (waiting) order by s.name for update;
      end if;
      perform platform.hold_customers(roots || array(
        select c.id from platform.merges x cross join unnest(array[x.survivor_id, x.loser_id]) c (id) where x.id = any (merges)
        union
        select v.key::uuid from platform.merge_moves v join platform.merge_references r on r.reference = v.reference
        where v.merge = any (merges) and r.relation = 'platform.customers'));
      -- They were merged on while this waited: again, with the right locks.
      if roots <> platform.roots_of_merges(merges) then raise lock_not_available; end if;
      answers := '[]';
      foreach merge in array merges loop
        select x.* into m from platform.merges x where x.id = merge;
        perform platform.raise_refusal(platform.refuse_unmerge(m, choices));
        select c.merged_into into root from platform.customers c where c.id = m.loser_id;
        answer := platform.unmerge_one(m, root, choices);
        answers := answers || jsonb_build_array(answer);
        if is_trial then continue; end if;
        update platform.merges x
        set undone_at = clock_timestamp(), undone_by = platform.current_actor(), undone_by_app = platform.current_app(),
            undone_by_login = session_user, back_version = (answer ->> 'loserVersion')::bigint, undo_report = answer
        where x.id = m.id;
        foreach name in array waiting loop
          perform sync.start_first(name, array[m.loser_id::text, root::text], array[m.loser_id, root]);
        end loop;
      end loop;
      if is_trial then raise exception 'only a trial' using errcode = 'TRIAL'; end if;
      perform set_config('lock_timeout', former_timeout, true);
      return answers;
    exception
      when lock_not_available or deadlock_detected then
        null; -- The savepoint has released every lock, so the transaction that held the row can go on.
      when sqlstate 'TRIAL' then
        return answers;
    end;
    perform pg_sleep(0.005 + random() * 0.01 * least(attempt, 10));
  end loop;
  raise exception 'somebody is writing rows of these customers all the time' using errcode = 'serialization_failure',
    hint = 'Try again.';
end $$;

-- The customers that the losers of these merges are by now, in one order.
create function platform.roots_of_merges(merges uuid[]) returns uuid[]
language sql volatile
return array(
  select distinct c.merged_into from platform.merges m join platform.customers c on c.id = m.loser_id
  where m.id = any (merges) and c.merged_into is not null order by 1);

create or replace function platform.try_unmerge(merge uuid, choices jsonb, is_trial boolean) returns jsonb
language sql set search_path = pg_catalog, pg_temp
return platform.try_unmerges(array[merge], choices, is_trial) -> 0;

-- Takes several merges back in the order given, all of them or none. Returns the reports of platform.unmerge_customers, as a list.
create function platform.unmerge_several(merges uuid[]) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform platform.require_steward();
  if coalesce(cardinality(merges), 0) not between 1 and 100 then
    raise exception 'name 1 to 100 merges' using errcode = 'invalid_parameter_value';
  end if;
  return platform.try_unmerges(merges, '{}', false);
end $$;

grant execute on function platform.try_unmerges(uuid[], jsonb, boolean), platform.roots_of_merges(uuid[]) to merge_role;
grant create on schema platform to merge_role;
alter function platform.unmerge_several(uuid[]) owner to merge_role;
revoke create on schema platform from merge_role;
set local role merge_role;
grant execute on function platform.unmerge_several(uuid[]) to console_role, sync_role, platform_owner;
set local role platform_owner;

-- A pair that is open again goes on with the customers into which its own are merged by now, as it would have if it had been open then.
create function platform.carry_candidate(candidate uuid) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  insert into platform.review_candidates
    (customer_id, other_id, reason, evidence, score, reasons, rules, run, state, created_at, created_by_app, decided_at, decided_by,
     assigned_to, assigned_at, assigned_by, follows)
  select least(x.id, y.id), greatest(x.id, y.id), r.reason, r.evidence, r.score, r.reasons, r.rules, r.run,
    r.state, r.created_at, r.created_by_app, r.decided_at, r.decided_by, r.assigned_to, r.assigned_at, r.assigned_by, r.id
  from platform.review_candidates r join platform.customers a on a.id = r.customer_id join platform.customers b on b.id = r.other_id
    join platform.customers x on x.id = coalesce(a.merged_into, a.id) and x.erased_at is null
    join platform.customers y on y.id = coalesce(b.merged_into, b.id) and y.erased_at is null
  where r.id = candidate and r.state in ('open', 'unsure') and x.id <> y.id and (x.id, y.id) <> (a.id, b.id)
  on conflict (customer_id, other_id) do nothing;
end;

create or replace function platform.undo_decision(decision bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d platform.review_decisions;
  r platform.review_candidates;
begin
  perform platform.require_steward();
  select * into d from platform.review_decisions x where x.id = decision;
  if d.id is null then raise exception 'there is no such decision' using errcode = 'no_data_found'; end if;
  -- The customers into which the two are merged are held as well: the pair may go on with them.
  perform from platform.customers c
  where c.id in (
    select unnest(array[q.customer_id, q.other_id]) from platform.review_candidates q where q.id = d.candidate
    union
    select k.merged_into from platform.review_candidates q join platform.customers k on k.id in (q.customer_id, q.other_id)
    where q.id = d.candidate and k.merged_into is not null)
  order by c.id for key share;
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
    perform platform.carry_candidate(r.id);
  end if;
  -- Of the two, and of those into whom they are merged: their pairs may have waited behind this decision.
  perform platform.refresh_candidates(array(
    select distinct k.id from platform.customers c cross join unnest(array[c.id, c.merged_into]) k (id)
    where c.id in (r.customer_id, r.other_id) and k.id is not null));
end $$;

-- One import whose pairs cannot be queued holds up no other: the fault is kept, and it is tried again after one second, two, up to an hour.
alter table sync.queued_imports
  add column faults integer not null default 0,
  add column fault text check (octet_length(fault) <= 1000),
  add column due_at timestamptz;
comment on column sync.queued_imports.fault is 'Why the pairs of this run could not be queued the last time: the database''s words.';
call platform.classify_columns('sync.queued_imports', content => 'fault', technical => 'faults due_at', stays => 'fault');

create function sync.fail_import_pairs(of_run bigint, why text) returns void
language sql set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.queued_imports as q (run, faults, fault, due_at)
  values (of_run, 1, left(why, 250), clock_timestamp() + interval '1 second')
  on conflict (run) do update
  set faults = q.faults + 1, fault = excluded.fault,
    due_at = clock_timestamp() + least(2 ^ least(q.faults, 12), 3600) * interval '1 second';
end;

create or replace function sync.next_import_pairs(
  most integer, out of_run bigint, out queued_from integer, out queued_to integer, out rules text, out pairs jsonb) returns record
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  select r.id, coalesce(q.queued_to, 0), r.rules into of_run, queued_from, rules
  from sync.import_runs r left join sync.queued_imports q on q.run = r.id
  where r.state = 'applied' and q.ended_at is null and coalesce(q.due_at <= clock_timestamp(), true) order by r.id limit 1;
  if of_run is null then return; end if;
  select max(c.n) into queued_to from (
    select c.n from sync.import_candidates c where c.run = of_run and c.n > queued_from order by c.n limit most) c;
  if queued_to is null then return; end if;
  begin
    execute format($f$
      select coalesce(jsonb_agg(jsonb_build_object('a', p.customer, 'b', coalesce(c.other_customer, o.customer), 'score', c.score,
        'reasons', c.reasons)), '[]')
      from sync.import_candidates c join sync.import_rows_p%1$s p on p.run = %1$s and p.n = c.n
        left join sync.import_rows_p%1$s o on o.run = %1$s and o.n = c.other_n
      where c.run = %1$s and c.n > $1 and c.n <= $2 and p.customer is not null and coalesce(c.other_customer, o.customer) is not null
        $f$, of_run) into pairs using queued_from, queued_to;
  exception when others then
    perform sync.fail_import_pairs(of_run, sqlerrm);
    queued_to := queued_from; -- nothing is queued now
    pairs := null;
  end;
end $$;

-- Puts them into the queue, once: false if another worker has done so, or if it failed. Without an end there is nothing more of this run.
create or replace function sync.queue_import_pairs(of_run bigint, queued_from integer, upto integer, by_rules text, pairs jsonb)
  returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  done sync.queued_imports;
begin
  insert into sync.queued_imports (run) values (of_run) on conflict do nothing;
  select * into done from sync.queued_imports q where q.run = of_run for update;
  if done.queued_to <> queued_from or done.ended_at is not null or upto = queued_from then return false; end if;
  begin
    update sync.queued_imports q
    set queued_to = coalesce(upto, q.queued_to), ended_at = case when upto is null then now() end, faults = 0, fault = null, due_at = null,
      pairs = q.pairs + platform.propose_candidates(queue_import_pairs.pairs, 'import', by_rules, of_run)
    where q.run = of_run;
    return true;
  exception when others then
    perform sync.fail_import_pairs(of_run, sqlerrm);
    return false;
  end;
end $$;
