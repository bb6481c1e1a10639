-- How long what people wrote and did is kept. A rule is a row: what is older than so many days is scrubbed as an erasure scrubs it (see
-- the inventory), or deleted. The worker goes through each kind once a day in bounded steps, the oldest first. A customer under legal hold
-- keeps everything, and what is released comes up with the next round.
--
-- Kinds whose time is set elsewhere are in the same list, with the setting that decides: the log, records of operations, plans and files
-- of imports.

create table platform.retention_rules (
  kind text collate "C" primary key check (kind ~ '^[a-z_]{1,40}$'),
  days integer check (days > 0),
  days_min integer not null,
  days_max integer not null,
  meaning text not null,
  place_at timestamptz not null default '-infinity',
  place_id uuid not null default '00000000-0000-0000-0000-000000000000',
  place_run bigint not null default 0,
  round_ended_at timestamptz,
  removed_in_round bigint not null default 0,
  changed_at timestamptz,
  changed_by text collate "C",
  check (days between days_min and days_max)
);
comment on table platform.retention_rules is 'What the worker removes by its age.';
comment on column platform.retention_rules.days is 'Null: kept until somebody is erased.';
comment on column platform.retention_rules.place_at is
  'How far the present round is, in the order of the kind; the next round begins a day after it has ended.';
call platform.protect_table('platform.retention_rules');
call platform.classify('platform.retention_rules', null, 'keep', 'Settings.',
  technical => 'kind days days_min days_max meaning place_at place_id place_run round_ended_at removed_in_round changed_at changed_by');

insert into platform.retention_rules (kind, days, days_min, days_max, meaning) values
  ('conversations', null, 7, 36500,
    'Chats that ended so long ago: every text, and what the visitor typed of themself. Times, agents and outcome stay.'),
  ('calls', null, 7, 36500, 'Calls of so long ago: number, outcome and notes. Who called when and for how long stays.'),
  ('activities', null, 7, 36500,
    'Entries of timelines that are so old, but for open tasks: what was said. Kind, time and author stay.'),
  ('import_lines', null, 30, 36500,
    'Lines of imports that were decided so long ago, and what they wrote: a later undo removes customers and puts back no values.'),
  ('sign_ins', 30, 1, 30, 'Sign-ins of staff that ended or expired so long ago.');
comment on column platform.retention_rules.days_max is
  'Of sign-ins thirty days, because the next sign-in of the person removes older ones.';

-- The columns that a scrub of this table writes, as a list for `update … set`, and what says that a row was not scrubbed yet.
create function platform.say_scrub(of_relation text, out sets text, out is_left text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select string_agg(format('%I = %s', i.column_name, coalesce(i.becomes, 'null')), ', ' order by i.column_name),
    string_agg(format('r.%I is distinct from %s', i.column_name, coalesce(i.becomes, 'null')), ' or ' order by i.column_name)
      filter (where i.class <> 'technical' and coalesce(i.becomes, '') !~ 'gen_random_uuid|field_of_nobody')
  from platform.inventory i where i.relation = of_relation and (i.becomes is not null or i.class <> 'technical' and not i.stays);
end;

-- Scrubs the rows of a table for which a condition holds. The conditions are those of the functions below.
create function platform.scrub_aged(of_relation text, of_condition text, ids uuid[], run bigint) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  scrub constant record := platform.say_scrub(of_relation);
  done bigint;
begin
  execute format('update %s r set %s where (%s) and (%s)', of_relation, scrub.sets, of_condition, scrub.is_left) using ids, run;
  get diagnostics done = row_count;
  return done;
end $$;

-- One bounded step of the round of one rule: so many records at most. It moves the rule's place.
create function platform.step_retention(rule platform.retention_rules, rows_max integer, out done bigint, out has_ended boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  cutoff constant timestamptz := clock_timestamp() - make_interval(days => rule.days);
  ids uuid[] := '{}';
  seen integer := 0;
  at timestamptz := rule.place_at;
  id uuid := rule.place_id;
  at_run bigint := rule.place_run;
begin
  case rule.kind
  when 'conversations' then
    select coalesce(array_agg(s.id) filter (where s.customer_id is null or platform.hold_of(s.customer_id) is null), '{}'), count(*),
      max(s.ended_at), (array_agg(s.id order by s.ended_at desc, s.id desc))[1]
    into ids, seen, at, id
    from (select c.id, c.customer_id, c.ended_at from support.sessions c
      where c.status = 'ended' and c.ended_at < cutoff and (c.ended_at, c.id) > (rule.place_at, rule.place_id)
      order by c.ended_at, c.id limit rows_max) s;
    done := platform.scrub_aged('support.messages', 'r.session_id = any ($1)', ids, 0)
      + platform.scrub_aged('support.session_entries', 'r.session_id = any ($1) and r.body is not null', ids, 0)
      + platform.scrub_aged('support.sessions', 'r.id = any ($1)', ids, 0);
  when 'calls' then
    select coalesce(array_agg(s.id) filter (where platform.hold_of(s.customer_id) is null), '{}'), count(*),
      max(s.started_at), (array_agg(s.id order by s.started_at desc, s.id desc))[1]
    into ids, seen, at, id
    from (select c.id, c.customer_id, c.started_at from support.calls c
      where c.started_at < cutoff and (c.started_at, c.id) > (rule.place_at, rule.place_id)
      order by c.started_at, c.id limit rows_max) s;
    done := platform.scrub_aged('support.calls', 'r.id = any ($1)', ids, 0);
  when 'activities' then
    -- By the id, which no index but that of the key is needed for: it holds the time at which the row was made.
    select coalesce(array_agg(s.id) filter (where s.is_old and platform.hold_of(s.customer_id) is null), '{}'), count(*),
      (array_agg(s.id order by s.id desc))[1]
    into ids, seen, id
    from (select a.id, a.customer_id, a.occurred_at < cutoff and (a.due_at is null or a.done_at is not null) as is_old
      from crm.activities a where a.id > rule.place_id order by a.id limit rows_max) s;
    done := platform.scrub_aged('crm.activities', 'r.id = any ($1) and r.created_at < now()', ids, 0);
  when 'import_lines' then
    select r.id into at_run from sync.import_runs r
    where r.id > rule.place_run and r.state in ('applied', 'undone', 'abandoned') and r.decided_at < cutoff order by r.id limit 1;
    done := 0;
    if at_run is not null then
      done := platform.scrub_aged('sync.import_rows',
        'r.run = $2 and (r.customer is null or platform.hold_of(r.customer) is null)', ids, at_run)
        + platform.scrub_aged('sync.import_writes', 'r.run = $2 and platform.hold_of(r.customer) is null', ids, at_run)
        + platform.scrub_aged('sync.import_kept', 'r.run = $2 and platform.hold_of(r.customer) is null', ids, at_run);
      seen := rows_max;
    end if;
  when 'sign_ins' then
    delete from platform.sign_ins s where s.id in (
      select o.id from platform.sign_ins o where coalesce(o.ended_at, o.expires_at) < cutoff limit rows_max);
    get diagnostics done = row_count;
    seen := done;
  end case;
  has_ended := seen < rows_max;
  update platform.retention_rules r
  set place_at = case when has_ended then '-infinity' else coalesce(at, r.place_at) end,
    place_id = case when has_ended then '00000000-0000-0000-0000-000000000000' else coalesce(id, r.place_id) end,
    place_run = case when has_ended then 0 else coalesce(at_run, r.place_run) end,
    round_ended_at = case when has_ended then clock_timestamp() end,
    removed_in_round = done + case when rule.round_ended_at is null then r.removed_in_round else 0 end
  where r.kind = rule.kind;
end $$;

-- One bounded step of the rule whose turn it is. Returns null when nothing is due. The row of the rule is the lease: a second worker that
-- meets it takes another one. Events tell nothing of it, as of an erasure: to the records nothing has happened.
create function platform.apply_retention(rows_max integer default 500) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  rule platform.retention_rules;
  step record;
begin
  select r.* into rule from platform.retention_rules r
  where r.days is not null and (r.round_ended_at is null or r.round_ended_at < clock_timestamp() - interval '1 day')
  order by r.round_ended_at nulls first, r.kind limit 1 for update skip locked;
  if not found then return null; end if;
  perform set_config('lock_timeout', '2s', true);
  select * into step from platform.step_retention(rule, least(greatest(rows_max, 1), 10000));
  return jsonb_build_object('kind', rule.kind, 'rows', step.done, 'ended', step.has_ended);
end $$;

-- What a rule of so many days would remove next: for each table the rows and the oldest, up to 10,001 of them. A hold is respected.
create function platform.preview_retention(of_kind text, of_days integer, out relation text, out held bigint, out oldest timestamptz)
returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  cutoff constant timestamptz := clock_timestamp() - make_interval(days => of_days);
  rows_max constant integer := 10001;
  part record;
  scrub record;
begin
  if of_days is null then return; end if;
  if of_kind = 'sign_ins' then
    return query select 'platform.sign_ins', count(*), min(o.at) from (
      select coalesce(s.ended_at, s.expires_at) as at from platform.sign_ins s where coalesce(s.ended_at, s.expires_at) < cutoff
      limit rows_max) o;
    return;
  elsif of_kind = 'log' then
    return query select 'sync.events', count(*) filter (where o.sequenced_at < cutoff),
      min(o.sequenced_at) filter (where o.sequenced_at < cutoff)
    from (select e.sequenced_at from sync.events e order by e.position limit rows_max) o;
    return;
  elsif of_kind = 'operations' then
    return query select 'sync.operations', count(*) filter (where o.done_at < cutoff), min(o.done_at) filter (where o.done_at < cutoff)
    from (select p.done_at from sync.operations p order by p.id limit rows_max) o;
    return;
  elsif of_kind = 'import_plans' then
    return query select 'sync.import_runs', count(*), min(r.used_at)
    from sync.import_runs r where r.state = 'planned' and r.used_at < cutoff;
    return;
  elsif of_kind = 'import_files' then
    return query select 'sync.import_uploads', count(*), min(u.used_at)
    from sync.import_uploads u where u.state <> 'removed' and u.used_at < cutoff;
    return;
  end if;
  for part in select * from (values
    ('conversations', 'support.sessions', 'r.status = ''ended'' and r.ended_at < $1 and (r.customer_id is null
      or platform.hold_of(r.customer_id) is null)', 'r.ended_at'),
    ('conversations', 'support.messages', 'r.session_id in (select s.id from support.sessions s where s.status = ''ended''
      and s.ended_at < $1 and (s.customer_id is null or platform.hold_of(s.customer_id) is null))', 'r.created_at'),
    ('conversations', 'support.session_entries', 'r.body is not null and r.session_id in (select s.id from support.sessions s
      where s.status = ''ended'' and s.ended_at < $1 and (s.customer_id is null or platform.hold_of(s.customer_id) is null))',
      'r.created_at'),
    ('calls', 'support.calls', 'r.started_at < $1 and platform.hold_of(r.customer_id) is null', 'r.started_at'),
    ('activities', 'crm.activities', 'r.occurred_at < $1 and (r.due_at is null or r.done_at is not null)
      and platform.hold_of(r.customer_id) is null', 'r.occurred_at'),
    ('import_lines', 'sync.import_rows', 'r.run in (select i.id from sync.import_runs i where i.decided_at < $1
      and i.state in (''applied'', ''undone'', ''abandoned'')) and (r.customer is null or platform.hold_of(r.customer) is null)',
      '(select i.decided_at from sync.import_runs i where i.id = r.run)')) v (kind, table_name, condition, time) where v.kind = of_kind
  loop
    relation := part.table_name;
    select * into scrub from platform.say_scrub(part.table_name);
    execute format('select count(*), min(o.at) from (select %s as at from %s r where (%s) and (%s) limit %s) o',
      part.time, part.table_name, part.condition, scrub.is_left, rows_max) into held, oldest using cutoff;
    return next;
  end loop;
end $$;

-- How long the workers keep the log: what those that run report; 90 days if none has reported.
create function platform.log_kept_days() returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp
return coalesce((select ceil(max(sync.number_in(h.report, '{retention,keep_days}')))::integer
  from sync.heartbeats h where h.ended_at is null), 90);

-- Every kind with its days, what decides about them, and what goes next.
create function platform.list_retention() returns setof jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  r record;
begin
  for r in
    select l.kind, l.days, l.days_min, l.days_max, l.meaning, 'rule' as set_by, l.round_ended_at, l.removed_in_round, l.changed_at,
      l.changed_by from platform.retention_rules l
    union all
    select v.kind, coalesce(h.value, v.days)::integer, v.days_min, 36500, v.meaning, v.set_by, null, null, null, null
    from (values
      ('log', platform.log_kept_days(), 1, 
        'The log of changes, with copies of what people wrote. An event of that age is gone within a day.', 'SYNC_KEEP_DAYS', null),
      ('operations', null, 90, 'Records of what operators, imports and privacy did: ids and reasons.', 'limit', 'operations_keep_days'),
      ('import_plans', null, 1, 'Plans of imports that nobody applied.', 'limit', 'import_plan_keep_days'),
      ('import_files', null, 1, 'The bytes of files that nobody imported.', 'limit', 'import_file_keep_days'))
      v (kind, days, days_min, meaning, set_by, limit_name)
      left join sync.health_limits h on h.name = v.limit_name
    order by 1
  loop
    return next to_jsonb(r) || jsonb_build_object('next', (
      select coalesce(jsonb_agg(jsonb_build_object('table', p.relation, 'rows', p.held, 'oldest', p.oldest)), '[]')
      from platform.preview_retention(r.kind, r.days) p));
  end loop;
end $$;

-- Sets how long a kind is kept; null: until somebody is erased.
create function platform.set_retention(of_kind text, to_days integer, because text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  reason constant text := platform.require_reason(because);
  rule platform.retention_rules;
  of_limit constant text := case of_kind when 'operations' then 'operations_keep_days' when 'import_plans' then 'import_plan_keep_days'
    when 'import_files' then 'import_file_keep_days' end;
  least_days constant integer := case of_kind when 'operations' then 90 else 1 end;
  before integer;
begin
  if of_kind = 'log' then
    raise exception 'the workers decide how long the log is kept: set SYNC_KEEP_DAYS and start them again'
      using errcode = 'object_not_in_prerequisite_state';
  elsif of_limit is not null then
    if to_days is null or to_days not between least_days and 36500 then
      raise exception '% are kept for % to 36500 days', replace(of_kind, '_', ' '), least_days
        using errcode = 'invalid_parameter_value', constraint = 'retention_days';
    end if;
    update sync.health_limits l set value = to_days from sync.health_limits o where l.name = of_limit and o.name = l.name
    returning o.value::integer into before;
  else
    select r.* into rule from platform.retention_rules r where r.kind = of_kind for update;
    if not found then
      raise exception 'there is no kind % with a rule of its own', of_kind using errcode = 'no_data_found';
    elsif to_days not between rule.days_min and rule.days_max then
      raise exception '% are kept for % to % days', replace(of_kind, '_', ' '), rule.days_min, rule.days_max
        using errcode = 'invalid_parameter_value', constraint = 'retention_days';
    elsif of_kind in ('conversations', 'calls', 'activities') and to_days < platform.log_kept_days() then
      raise exception 'the log keeps a copy of them for % days: a rule cannot be shorter', platform.log_kept_days()
        using errcode = 'invalid_parameter_value', constraint = 'retention_log';
    end if;
    before := rule.days;
    -- Another time is another round.
    update platform.retention_rules r set days = to_days, changed_at = clock_timestamp(), changed_by = platform.current_actor(),
      place_at = '-infinity', place_id = '00000000-0000-0000-0000-000000000000', place_run = 0, round_ended_at = null, removed_in_round = 0
    where r.kind = of_kind;
  end if;
  return sync.record_operation('privacy.retention', jsonb_build_object('kind', of_kind), reason,
    jsonb_build_object('before', before, 'after', to_days));
end $$;

-- What erase_role needs beyond the tables of people.
create policy erase_all on platform.retention_rules to erase_role using (true) with check (true);
grant select, update on platform.retention_rules to erase_role;
create policy erase_all on platform.sign_ins to erase_role using (true) with check (true);
grant select, delete on platform.sign_ins to erase_role;
grant execute on function platform.say_scrub(text), platform.scrub_aged(text, text, uuid[], bigint),
  platform.step_retention(platform.retention_rules, integer) to erase_role;
grant create on schema platform to erase_role;
alter function platform.apply_retention(integer) owner to erase_role;
revoke create on schema platform from erase_role;
set local role erase_role;
grant execute on function platform.apply_retention(integer) to sync_role;
set local role platform_owner;
grant execute on function platform.list_retention(), platform.preview_retention(text, integer), platform.set_retention(text, integer, text)
  to privacy_role;
