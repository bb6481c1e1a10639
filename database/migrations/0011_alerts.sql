-- Alerts: what has changed in the state of a check is told once, to the page and to every target, unless a person has silenced it.

-- How long a state lasts before it is told; see sync.announce_alerts.
insert into sync.health_limits (name, value, meaning) values
  ('alert_hold_seconds', 10, 'A check has had a new state for so long before it is told.'),
  ('alert_first_hold_seconds', 180, 'A check that was never known has been unknown for so long before that is told.'),
  ('alert_restless_seconds', 300, 'A check has kept changing for so long before that is told.');

-- Silences. One is about a check or about all checks of a kind, has an end, an author and a reason, and is ended rather than deleted.
create table sync.alert_silences (
  id bigint generated always as identity primary key,
  slug text collate "C" check (octet_length(slug) between 1 and 200),
  kind text collate "C" check (octet_length(kind) between 1 and 60),
  until timestamptz not null,
  reason text not null check (char_length(reason) between 1 and 500),
  actor text collate "C" check (char_length(actor) <= 255),
  login name not null default session_user,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  check (num_nonnulls(slug, kind) = 1)
);
comment on column sync.alert_silences.actor is 'The person who silenced; of the command `command:` and a name. The login is beside it.';
comment on column sync.alert_silences.ended_at is 'When a person ended it before its time.';
create index alert_silences_until on sync.alert_silences (until);
create index alert_silences_of_actor on sync.alert_silences (actor) where actor is not null;
call platform.protect_table('sync.alert_silences');
create policy looks_read on sync.alert_silences for select to sync_role, console_role using (true);
grant select on sync.alert_silences to sync_role, console_role;
-- Insert, update and delete are absent: sync.silence_checks and sync.end_silence write, and leave a record.

-- One row for each change that was told.
create table sync.alerts (
  id bigint generated always as identity primary key,
  message_id text collate "C" not null unique default 'msg_' || replace(gen_random_uuid()::text, '-', ''),
  slug text collate "C" not null,
  kind text collate "C" not null,
  status text collate "C" not null,
  previous text collate "C" not null,
  reason text not null,
  since timestamptz not null,
  told_at timestamptz not null default clock_timestamp(),
  silence_id bigint references sync.alert_silences (id),
  acknowledged_by text collate "C" check (char_length(acknowledged_by) <= 255),
  acknowledged_at timestamptz,
  check ((acknowledged_at is null) = (acknowledged_by is null))
);
comment on column sync.alerts.message_id is 'The same in every attempt, to every target: a receiver knows a repetition by it.';
comment on column sync.alerts.status is 'The state of the check, or `gone` if its subject is no more.';
comment on column sync.alerts.previous is 'The state that was told before.';
comment on column sync.alerts.silence_id is 'The silence that was in force when it was told: it was recorded and not sent then.';
create index alerts_of_check on sync.alerts (slug, told_at);
create index alerts_told_at on sync.alerts (told_at);
create index alerts_acknowledged on sync.alerts (acknowledged_by) where acknowledged_by is not null;
create index alerts_of_silence on sync.alerts (silence_id) where silence_id is not null;
call platform.protect_table('sync.alerts');
create policy looks_read on sync.alerts for select to sync_role, console_role using (true);
grant select on sync.alerts to sync_role, console_role;
-- Insert, update and delete are absent: sync.announce_alerts and sync.acknowledge_alert write.

-- What was last told of each check, and what was last sent: they differ while a silence holds it back.
create table sync.alert_states (
  slug text collate "C" primary key,
  kind text collate "C" not null,
  told text collate "C" not null,
  sent text collate "C" not null,
  alert_id bigint,
  restless_since timestamptz,
  gone_since timestamptz
);
comment on column sync.alert_states.restless_since is
  'Since when the check has not kept the state that was told. Null while it keeps it.';
comment on column sync.alert_states.gone_since is 'Since when the check is missing.';
call platform.protect_table('sync.alert_states');
create policy looks_read on sync.alert_states for select to sync_role, console_role using (true);
grant select on sync.alert_states to sync_role, console_role;

-- The one row that everybody who announces locks.
create table sync.alert_turn (
  only_one boolean primary key default true check (only_one),
  announced_at timestamptz not null default '-infinity'
);
insert into sync.alert_turn default values;
call platform.protect_table('sync.alert_turn');

-- Where alerts go. A process that has a target in its settings names it here, again and again; its address and secret stay in the settings.
create table sync.alert_targets (
  name text collate "C" primary key check (name in ('webhook', 'email')),
  seen_at timestamptz not null default clock_timestamp()
);
call platform.protect_table('sync.alert_targets');
create policy looks_read on sync.alert_targets for select to sync_role, console_role using (true);
grant select on sync.alert_targets to sync_role, console_role;

-- What is sent to each target. A row that is claimed belongs to one process until the claim ends; a process that is killed loses its claim.
create table sync.alert_deliveries (
  alert_id bigint not null references sync.alerts (id) on delete cascade,
  target text collate "C" not null references sync.alert_targets (name),
  state text not null default 'waiting' check (state in ('waiting', 'sent', 'given-up')),
  attempts integer not null default 0,
  attempt_at timestamptz not null default clock_timestamp(),
  claimed_until timestamptz,
  error text check (char_length(error) <= 300),
  settled_at timestamptz,
  primary key (alert_id, target)
);
comment on column sync.alert_deliveries.error is 'Why the last attempt failed: a code or a status, no text of the other side.';
create index alert_deliveries_waiting on sync.alert_deliveries (target, alert_id) where state = 'waiting';
create index alert_deliveries_of_target on sync.alert_deliveries (target);
call platform.protect_table('sync.alert_deliveries');
create policy looks_read on sync.alert_deliveries for select to sync_role, console_role using (true);
grant select on sync.alert_deliveries to sync_role, console_role;

-- The name of a person who silenced or acknowledged; null for nobody. The worker's login sees no users otherwise.
create function sync.alert_author(of_user text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select u.name from platform.users u where u.id = of_user
    and (exists (select from sync.alert_silences s where s.actor = of_user)
      or exists (select from sync.alerts a where a.acknowledged_by = of_user));
end;
grant execute on function sync.alert_author(text) to sync_role, console_role;

-- The silence in force that lasts longest; null if none is.
create function sync.find_silence(of_slug text, of_kind text) returns bigint
language sql stable
begin atomic
  select s.id from sync.alert_silences s
  where s.until > clock_timestamp() and s.ended_at is null and (s.slug = of_slug or s.kind = of_kind)
  order by s.until desc, s.id limit 1;
end;

-- How long a state must last before it is told. The third change within an hour takes twice as long, the fourth four times, up to a quarter
-- of an hour: a check that comes and goes is told less and less often, and what lasts is told all the same.
create function sync.alert_hold(of_slug text) returns interval
language sql stable
begin atomic
  select make_interval(secs => least(sync.health_limit('alert_hold_seconds') * 2 ^ greatest(n.told - 1, 0), 900))
  from (select count(*) as told from sync.alerts a where a.slug = of_slug and a.told_at > clock_timestamp() - interval '1 hour') n;
end;

-- Gives an alert to every target that a process has named within the last week.
create function sync.send_alert(of_alert bigint) returns void
language sql volatile
begin atomic
  insert into sync.alert_deliveries (alert_id, target)
  select of_alert, t.name from sync.alert_targets t where t.seen_at > clock_timestamp() - interval '7 days'
  on conflict do nothing;
end;

-- Compares the state of every check with what was last told, and tells what has changed and has lasted; sends what a silence held back when
-- the silence is over and the state still is another than the one that was sent. Any number of processes call it, every two seconds: one
-- at a time does it. It looks at states, not at changes, so that nothing is lost when a process is killed, and nothing is told twice.
-- Returns how many alerts it has told.
create function sync.announce_alerts() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  turn sync.alert_turn;
  found_state record;
  new_alert bigint;
  silence bigint;
  hold interval;
  words text;
  told_count integer := 0;
begin
  perform set_config('lock_timeout', '500ms', true);
  select * into turn from sync.alert_turn t for update skip locked;
  if not found or turn.announced_at between clock_timestamp() - interval '1 second' and clock_timestamp() then return 0; end if;
  -- What nobody has evaluated lately says nothing about the present.
  if (select h.evaluated_at < clock_timestamp() - interval '30 seconds' from sync.health h) then return 0; end if;
  update sync.alert_turn set announced_at = clock_timestamp();

  -- A check that is well when it is first seen is no news. One that is missing waits, because it may come back.
  insert into sync.alert_states (slug, kind, told, sent)
  select c.slug, c.kind, 'ok', 'ok' from sync.check_states c
  where c.status = 'ok' and not exists (select from sync.alert_states s where s.slug = c.slug);
  update sync.alert_states s set gone_since = case when c.is_there then null else clock_timestamp() end
  from (select s.slug, exists (select from sync.check_states c where c.slug = s.slug) as is_there from sync.alert_states s) c
  where s.slug = c.slug and c.is_there = (s.gone_since is not null);
  delete from sync.alert_states s
  where s.gone_since < clock_timestamp() - interval '1 minute' and s.told in ('ok', 'gone') and s.sent = s.told;

  -- A check that keeps what was told is at rest again.
  update sync.alert_states s set restless_since = null from sync.check_states c
  where c.slug = s.slug and s.restless_since is not null and c.status = s.told and c.since < clock_timestamp() - sync.alert_hold(c.slug);
  update sync.alert_states s set restless_since = clock_timestamp() from sync.check_states c
  where c.slug = s.slug and s.restless_since is null and c.status <> s.told;

  for found_state in
    select c.slug, c.kind, c.status, c.reason, c.since, coalesce(s.told, 'ok') as told, coalesce(s.sent, 'ok') as sent,
      s.slug is null and c.status = 'unknown' as is_new, s.restless_since
    from sync.check_states c left join sync.alert_states s on s.slug = c.slug where c.status <> coalesce(s.told, 'ok')
    union all
    select s.slug, s.kind, 'gone', 'What it was about is no more.', s.gone_since, s.told, s.sent, false, null
    from sync.alert_states s where s.gone_since is not null and s.told not in ('ok', 'gone')
    order by slug
  loop
    words := found_state.reason;
    hold := case when found_state.is_new then make_interval(secs => sync.health_limit('alert_first_hold_seconds'))
      else sync.alert_hold(found_state.slug) end;
    if found_state.since > clock_timestamp() - hold then
      -- It has not lasted. A check that never keeps still is told once as it is while it is not well.
      continue when found_state.told <> 'ok' or found_state.restless_since is null
        or found_state.restless_since > clock_timestamp() - make_interval(secs => sync.health_limit('alert_restless_seconds'));
      words := left('It keeps changing. ' || words, 500);
    end if;
    silence := sync.find_silence(found_state.slug, found_state.kind);
    insert into sync.alerts (slug, kind, status, previous, reason, since, silence_id)
    values (found_state.slug, found_state.kind, found_state.status, found_state.told, words, found_state.since, silence)
    returning id into new_alert;
    insert into sync.alert_states as s (slug, kind, told, sent, alert_id)
    values (found_state.slug, found_state.kind, found_state.status, 'ok', new_alert)
    on conflict (slug) do update set kind = excluded.kind, told = excluded.told, alert_id = excluded.alert_id;
    told_count := told_count + 1;
    if silence is null and found_state.status <> found_state.sent then
      perform sync.send_alert(new_alert);
      update sync.alert_states s set sent = found_state.status where s.slug = found_state.slug;
    end if;
  end loop;

  -- The end of a silence. What is as it was sent last needs no word.
  for found_state in
    select s.slug, s.told, s.alert_id from sync.alert_states s left join sync.check_states c on c.slug = s.slug
    where s.told <> s.sent and coalesce(c.status, 'gone') = s.told and sync.find_silence(s.slug, s.kind) is null
    order by s.slug
  loop
    perform sync.send_alert(found_state.alert_id);
    update sync.alert_states s set sent = found_state.told where s.slug = found_state.slug;
  end loop;

  delete from sync.alerts a where a.id in (
    select o.id from sync.alerts o where o.told_at < clock_timestamp() - interval '400 days' order by o.told_at limit 1000);
  return told_count;
end $$;
grant execute on function sync.announce_alerts() to sync_role, console_role;

-- Says that this process delivers to a target.
create function sync.name_alert_target(of_name text) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.alert_targets as t (name) values (of_name)
  on conflict (name) do update set seen_at = excluded.seen_at where t.seen_at < excluded.seen_at - interval '1 minute';
end;
grant execute on function sync.name_alert_target(text) to sync_role, console_role;

-- Claims the next alert for a target, for so many seconds. The alerts of one check go to a target in order: a later one waits for an
-- earlier one. Returns no row if there is nothing to do. `attempt` counts the claims: it is the proof for sync.settle_alert.
create function sync.claim_alert(
  of_target text, for_seconds double precision,
  out alert_id bigint, out message_id text, out slug text, out kind text, out status text, out previous text, out reason text,
  out since timestamptz, out told_at timestamptz, out attempt integer) returns setof record
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  with next as materialized (
    select d.alert_id from sync.alert_deliveries d join sync.alerts a on a.id = d.alert_id
    where d.target = of_target and d.state = 'waiting' and d.attempt_at <= clock_timestamp()
      and coalesce(d.claimed_until < clock_timestamp(), true)
      and not exists (
        select from sync.alert_deliveries e join sync.alerts b on b.id = e.alert_id
        where e.target = of_target and e.state = 'waiting' and e.alert_id < d.alert_id and b.slug = a.slug)
    order by d.alert_id limit 1 for update of d skip locked)
  update sync.alert_deliveries d
  set claimed_until = clock_timestamp() + make_interval(secs => for_seconds), attempts = d.attempts + 1
  from next join sync.alerts a on a.id = next.alert_id
  where d.alert_id = next.alert_id and d.target = of_target
  returning d.alert_id, a.message_id, a.slug, a.kind, a.status, a.previous, a.reason, a.since, a.told_at, d.attempts;
end;
grant execute on function sync.claim_alert(text, double precision) to sync_role, console_role;

-- Settles a claim. A failure is tried again after five seconds, then after twice as long each time, up to an hour, with some chance in it,
-- for three days. A claim that has ended and that another process has taken changes nothing. Returns whether it was still ours.
create function sync.settle_alert(of_alert bigint, of_target text, of_attempt integer, failure text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update sync.alert_deliveries d
  set claimed_until = null, error = left(failure, 300),
    state = case when failure is null then 'sent' when a.told_at < clock_timestamp() - interval '3 days' then 'given-up' else 'waiting' end,
    settled_at = case when failure is null or a.told_at < clock_timestamp() - interval '3 days' then clock_timestamp() end,
    attempt_at = clock_timestamp() + make_interval(secs => least(5 * 2 ^ least(d.attempts - 1, 20), 3600) * (0.75 + random() / 2))
  from sync.alerts a
  where a.id = d.alert_id and d.alert_id = of_alert and d.target = of_target and d.attempts = of_attempt and d.state = 'waiting';
  return found;
end $$;
grant execute on function sync.settle_alert(bigint, text, integer, text) to sync_role, console_role;

-- Silences a check, or all checks of a kind, until a time. Returns the silence.
create function sync.silence_checks(of_slug text, of_kind text, until_time timestamptz, because text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  new_silence bigint;
begin
  perform sync.require_operator();
  if num_nonnulls(of_slug, of_kind) <> 1 then
    raise exception 'a silence is about one check or about one kind'
      using errcode = 'check_violation', column = 'slug', hint = 'must name one check, or one kind instead.';
  end if;
  if not exists (select from sync.check_states c where c.slug = of_slug or c.kind = of_kind)
     and not exists (select from sync.alerts a where a.slug = of_slug or a.kind = of_kind) then
    raise exception 'there is no such check' using errcode = 'check_violation',
      column = case when of_slug is null then 'kind' else 'slug' end, hint = 'is no check that has ever been made.';
  end if;
  if until_time is null or not until_time > clock_timestamp() or until_time > clock_timestamp() + interval '90 days' then
    raise exception 'a silence ends within 90 days'
      using errcode = 'check_violation', column = 'until', hint = 'must be in the future, within 90 days.';
  end if;
  if because is null or btrim(because) = '' or char_length(because) > 500 then
    raise exception 'a silence has a reason of at most 500 characters'
      using errcode = 'check_violation', column = 'reason', hint = 'must have 1 to 500 characters.';
  end if;
  insert into sync.alert_silences (slug, kind, until, reason, actor)
  values (of_slug, of_kind, until_time, because, platform.current_actor()) returning id into new_silence;
  perform sync.record_operation('alerts.silence', jsonb_strip_nulls(jsonb_build_object('slug', of_slug, 'kind', of_kind)), because,
    jsonb_build_object('silence', new_silence, 'until', until_time));
  return new_silence;
end $$;
grant execute on function sync.silence_checks(text, text, timestamptz, text) to sync_role, console_role;

-- Ends a silence before its time. Returns whether it was in force.
create function sync.end_silence(of_silence bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.require_operator();
  update sync.alert_silences s set ended_at = clock_timestamp()
  where s.id = of_silence and s.ended_at is null and s.until > clock_timestamp();
  if not found then return false; end if;
  perform sync.record_operation('alerts.end_silence', jsonb_build_object('silence', of_silence), null, '{"ended": true}');
  return true;
end $$;
grant execute on function sync.end_silence(bigint) to sync_role, console_role;

-- Writes down that a person has seen an alert. The first one counts. Returns false if somebody was first, null if there is no such alert.
create function sync.acknowledge_alert(of_alert bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  who constant text := platform.current_actor();
begin
  perform sync.require_operator();
  if who is null then
    raise exception 'a person acknowledges an alert' using errcode = 'insufficient_privilege';
  end if;
  update sync.alerts a set acknowledged_by = who, acknowledged_at = clock_timestamp()
  where a.id = of_alert and a.acknowledged_at is null;
  if found then
    perform sync.record_operation('alerts.acknowledge', jsonb_build_object('alert', of_alert), null, '{"acknowledged": true}');
    return true;
  end if;
  return case when exists (select from sync.alerts a where a.id = of_alert) then false end;
end $$;
grant execute on function sync.acknowledge_alert(bigint) to sync_role, console_role;

-- Sends an alert that says that it is a test, to every target. Returns the alert.
create function sync.test_alert() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  new_alert bigint;
begin
  perform sync.require_operator();
  insert into sync.alerts (slug, kind, status, previous, reason, since)
  values ('alerts:test', 'alerts', 'ok', 'ok', 'This is a test of the alerts. Nothing is wrong.', clock_timestamp())
  returning id into new_alert;
  perform sync.send_alert(new_alert);
  perform sync.record_operation('alerts.test', '{}', null, jsonb_build_object('alert', new_alert));
  return new_alert;
end $$;
grant execute on function sync.test_alert() to sync_role, console_role;

-- Whether alerts reach their targets.
create function sync.check_alerts() returns setof sync.check_row
language sql volatile
begin atomic
  with n as materialized (
    select (select count(*) from sync.alert_targets t where t.seen_at > clock_timestamp() - interval '7 days') as targets,
      (select count(*) from sync.alert_targets t where t.seen_at > clock_timestamp() - interval '5 minutes') as served,
      count(*) as waiting, coalesce(extract(epoch from clock_timestamp() - min(d.told_at)), 0)::double precision as seconds,
      max(d.error) as error
    from (
      select a.told_at, d.error from sync.alert_deliveries d join sync.alerts a on a.id = d.alert_id
      where d.state = 'waiting' order by d.target, d.alert_id limit 10001) d)
  select 'alerts', 'alerts',
    case when n.targets = 0 then 'ok' when n.seconds > 600 then 'failing' when n.served < n.targets then 'warning' else 'ok' end,
    case when n.targets = 0 then 'Alerts are shown here only: no target is set.'
      when n.seconds > 600 then sync.say_count(n.waiting) || ' alerts have not reached their target, the oldest for '
        || sync.say_seconds(n.seconds) || coalesce(' (' || n.error || ')', '') || '.'
      when n.served < n.targets then 'No process delivers to one of the targets any more.'
      else 'Alerts reach their targets.' end,
    jsonb_build_object('targets', n.targets, 'waiting', n.waiting, 'waiting_seconds', n.seconds)
  from n;
end;
insert into sync.health_sources (function_name, gives) values ('sync.check_alerts', 'checks');
