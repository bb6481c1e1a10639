-- Teams of agents: who answers, when, how conversations are given to them, and how soon they are to answer. And conversations that nobody
-- ends end by themselves, and open again when the visitor writes.
-- All times that depend on office hours are computed in Node (support/server/teams/clocks.ts): its zone data and PostgreSQL's differ. Here
-- are the instants that came of it.

create table support.teams (
  id uuid primary key default uuidv7(),
  name text collate platform.people not null check (platform.is_line(name, 80)),
  assigning text collate "C" not null default 'none' check (assigning in ('none', 'round_robin', 'least_open')),
  open_max integer check (open_max between 1 and 1000),
  hours jsonb check (jsonb_typeof(hours) = 'object' and octet_length(hours::text) <= 65536),
  targets jsonb check (jsonb_typeof(targets) = 'object' and octet_length(targets::text) <= 4096),
  members_at timestamptz not null default clock_timestamp() constraint teams_members_at_time check (platform.is_time(members_at)),
  clocks_at timestamptz constraint teams_clocks_at_time check (platform.is_time(clocks_at)),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on column support.teams.members_at is 'When its members last changed: so that counts as a change of the team.';
comment on column support.teams.clocks_at is
  'When its hours or targets last changed: the times of conversations that were computed before are computed again.';
comment on column support.teams.open_max is
  'So many open conversations of an agent, of whatever team, keep the rule from giving another one.';
comment on column support.teams.hours is 'Null: people are always there. Otherwise the time zone, the hours of each weekday, and holidays.';
comment on column support.teams.targets is 'How soon visitors are to be answered and helped, in minutes. Null: no clock runs.';
create unique index teams_name_key on support.teams (lower(name collate pg_catalog.pg_c_utf8));
create trigger count_version before update on support.teams for each row execute function platform.count_version();
call platform.protect_table('support.teams');
create policy support_all on support.teams to support_role using (true) with check (true);
grant select, insert (name, assigning, open_max, hours, targets),
    update (name, assigning, open_max, hours, targets, members_at, clocks_at), delete
  on support.teams to support_role;
call platform.classify('support.teams', null, 'keep', 'How the house works: no row is a person''s.',
  technical => 'id name assigning open_max hours targets members_at clocks_at version created_at updated_at');

create table support.team_members (
  team_id uuid not null references support.teams on delete cascade,
  agent_id uuid not null references support.agents,
  languages text[] collate "C" not null default '{}' check (cardinality(languages) <= 20),
  assigned_at timestamptz constraint team_members_assigned_at_time check (platform.is_time(assigned_at)),
  primary key (team_id, agent_id)
);
comment on column support.team_members.languages is
  'Languages that the agent answers in, such as de. Visitors who have one of them go to this agent first.';
comment on column support.team_members.assigned_at is
  'When the rule last gave the agent a conversation. The turn goes to whoever waits longest.';
create index on support.team_members (agent_id);
call platform.protect_table('support.team_members');
create policy support_all on support.team_members to support_role using (true) with check (true);
grant select, insert (team_id, agent_id, languages), update (languages, assigned_at), delete on support.team_members to support_role;
call platform.classify('support.team_members', null, 'keep', 'Who of the staff is in which team.',
  content => 'languages', stays => 'languages', technical => 'team_id agent_id assigned_at');
insert into platform.person_sources (place, relation, category, why, ordering, hidden, belongs) values
  (95, 'support.team_members', 'staff', 'The teams of the member of staff, and the languages that they answer in.', 'r.team_id', '{}',
    'r.agent_id in (select a.id from support.agents a where a.user_id = any ($5))');

-- A widget's readers are in support.widget_agents as before. Those of a widget that belongs to a team are the members of the team; Support
-- keeps them so, in the transaction that changes either.
alter table support.widgets add column team_id uuid references support.teams;
comment on column support.widgets.team_id is 'The team whose hours, rule and targets hold for its conversations.';
create index on support.widgets (team_id) where team_id is not null;
-- Widgets that there are keep their conversations open: to end years of them by themselves would surprise.
alter table support.widgets add column ends_after_hours integer check (ends_after_hours between 1 and 2160);
alter table support.widgets alter column ends_after_hours set default 72;
comment on column support.widgets.ends_after_hours is
  'A conversation in which nobody wrote for so long ends by itself, unless the visitor waits for an answer. Null: never.';
alter table support.widgets add column reopens_days integer not null default 7 check (reopens_days between 0 and 365);
comment on column support.widgets.reopens_days is 'So long after its end a conversation opens again when its visitor writes. 0: never.';
alter table support.widgets add column clocks_at timestamptz constraint widgets_clocks_at_time check (platform.is_time(clocks_at));
comment on column support.widgets.clocks_at is 'When it last got another team, as support.teams.clocks_at.';
grant insert (team_id, ends_after_hours, reopens_days), update (team_id, ends_after_hours, reopens_days, clocks_at)
  on support.widgets to support_role;
call platform.classify_columns('support.widgets', technical => 'team_id ends_after_hours reopens_days clocks_at');

alter table support.sessions
  -- Not the time at which it ends: a message moves that, and would have to write an index each time.
  add column idle_check_at timestamptz default now() constraint sessions_idle_check_at_time check (platform.is_time(idle_check_at)),
  add column first_answered_at timestamptz constraint sessions_first_answered_at_time check (platform.is_time(first_answered_at)),
  add column first_due_at timestamptz constraint sessions_first_due_at_time check (platform.is_time(first_due_at)),
  add column resolve_due_at timestamptz constraint sessions_resolve_due_at_time check (platform.is_time(resolve_due_at)),
  add column due_at timestamptz constraint sessions_due_at_time check (platform.is_time(due_at)),
  add column warn_at timestamptz constraint sessions_warn_at_time check (platform.is_time(warn_at)),
  add column warned_at timestamptz constraint sessions_warned_at_time check (platform.is_time(warned_at)),
  add column clocked_at timestamptz constraint sessions_clocked_at_time check (platform.is_time(clocked_at));
comment on column support.sessions.idle_check_at is 'When to look next whether it has been idle for long enough to end. Null: never.';
comment on column support.sessions.first_answered_at is 'When an agent first wrote to a visitor who had asked.';
comment on column support.sessions.due_at is 'The next of first_due_at and resolve_due_at that is still to be met.';
comment on column support.sessions.warn_at is 'When the agent is told that due_at comes.';
comment on column support.sessions.clocked_at is
  'When the four times were computed. Null, or before clocks_at of the widget or its team: again.';
update support.sessions s
set first_answered_at = (
  select min(m.created_at) from support.messages m where m.session_id = s.id and m.author = 'agent' and m.created_at >= s.asked_at)
where s.status = 'active' and s.asked_at is not null;
create index sessions_idle on support.sessions (idle_check_at) where status = 'active' and idle_check_at is not null;
create index sessions_last_look on support.sessions (widget_id, idle_check_at) where status = 'active';
create index sessions_unclocked on support.sessions (asked_at)
  where status = 'active' and handler = 'agent' and asked_at is not null and clocked_at is null;
create index sessions_clocked on support.sessions (widget_id, clocked_at)
  where status = 'active' and handler = 'agent' and asked_at is not null and clocked_at is not null;
create index sessions_unseen on support.sessions (agent_id) where status = 'active' and is_new_to_agent;
create index sessions_warned on support.sessions (warn_at) where status = 'active' and warned_at is null and warn_at is not null;
grant update (idle_check_at, first_answered_at, first_due_at, resolve_due_at, due_at, warn_at, warned_at, clocked_at)
  on support.sessions to support_role;
call platform.classify_columns('support.sessions',
  technical => 'idle_check_at first_answered_at first_due_at resolve_due_at due_at warn_at warned_at clocked_at');
call sync.capture('support.sessions', 'session', 'support', 'r.id', 'r.customer_id', '{customer_id,status}',
  '{token_hash,message_count,last_message_at,visitor_read_number,agent_read_number,page,is_new_to_agent,idle_check_at,due_at,warn_at,'
  'warned_at,clocked_at}');

-- How the house looks after a conversation says nothing of the person.
update platform.person_sources set hidden = hidden || '{idle_check_at,due_at,warn_at,warned_at,clocked_at}'
where relation = 'support.sessions';

-- expired: it ended by itself. returned: the visitor wrote again, and it is open again. assigned_by_rule, taken_back: the team's rule gave
-- it to an agent, or took it from one who went away without opening it.
alter table support.session_entries drop constraint session_entries_kind_check;
alter table support.session_entries add constraint session_entries_kind_check check (
  kind in ('note', 'claimed', 'assigned', 'released', 'snoozed', 'woken', 'handed_over', 'identified', 'verified', 'moved', 'ended',
    'tagged', 'untagged', 'prioritised', 'mailed', 'mail_failed', 'mail_doubtful', 'mail_automatic', 'reopened', 'expired', 'returned',
    'assigned_by_rule', 'taken_back'));

-- As before (0061_mail.sql), and the first answer of an agent stops the clock of the first answer.
do $$
declare
  former constant text := pg_get_functiondef(
    'support.add_message(uuid, text, uuid, text, text, jsonb, bytea, boolean, uuid[], jsonb)'::regprocedure);
  body constant text := replace(former, '      waiting_since = case when is_agents then null',
    $w$      first_answered_at = case when is_agents and s.asked_at is not null then coalesce(s.first_answered_at, now())
        else s.first_answered_at end,
      due_at = case when is_agents and s.asked_at is not null then s.resolve_due_at else s.due_at end,
      -- Who was warned of the first answer is warned of the end as well.
      warned_at = case when is_agents and s.first_answered_at is null then null else s.warned_at end,
      clocked_at = case when is_agents and s.first_answered_at is null then null else s.clocked_at end,
      waiting_since = case when is_agents then null$w$);
begin
  if body = former then raise exception 'support.add_message is not as this migration expects'; end if;
  execute body;
end $$;

-- What the CRM is told of a conversation that has ended, or that had and was opened again (0005_support.sql has the first version). It is
-- one activity, however often that happens: support.retell_session brings it up to date. The duration is also without the times between an
-- end and the opening after it, and that of a conversation which ended by itself ends with its last message.
create or replace function support.activity_of_session(session uuid) returns table (
  customer_id uuid, type text, description text, metadata jsonb, occurred_at timestamptz, idempotency_key text)
language sql stable
begin atomic
  select c.id, 'support_chat',
    case when s.status = 'active' then 'Support conversation opened again'
        when s.resolved then 'Support conversation resolved'
        when l.kind = 'expired' then 'Support conversation ended by itself'
        else 'Support conversation ended without a resolution' end
      || case when s.identity = 'claimed' then ' (unverified visitor)' else '' end,
    jsonb_build_object(
      'session_id', s.id, 'identity', s.identity, 'message_count', s.message_count, 'resolved', s.resolved,
      'duration_seconds', round(greatest(extract(epoch from u.at - s.started_at) - (
        select coalesce(sum(extract(epoch from greatest(least(
            n.body::timestamptz, u.at,
            (select min(m.created_at) from support.messages m
              where m.session_id = s.id and m.created_at > n.created_at and m.author in ('visitor', 'agent')),
            (select min(o.created_at) from support.session_entries o
              where o.session_id = s.id and o.created_at > n.created_at
                and o.kind in ('snoozed', 'woken', 'assigned', 'released', 'handed_over', 'ended'))
          ) - n.created_at, interval '0'))), 0)
        from support.session_entries n where n.session_id = s.id and n.kind = 'snoozed') - (
        select coalesce(sum(extract(epoch from greatest(o.created_at - e.created_at, interval '0'))), 0)
        from support.session_entries o cross join lateral (
          select max(e.created_at) as created_at from support.session_entries e
          where e.session_id = s.id and e.kind in ('ended', 'expired') and e.created_at < o.created_at) e
        where o.session_id = s.id and o.kind in ('reopened', 'returned')), 0), 1),
      'summary', coalesce(
        (select e.body from support.session_entries e where e.session_id = s.id and e.kind = 'ended' order by e.created_at desc limit 1),
        (select left(support.words_of(m), 400) from support.messages m
          where m.session_id = s.id and m.author = 'visitor' order by m.number limit 1))),
    case when s.status = 'active' then l.at else s.ended_at end, 'session:' || s.id
  from support.sessions s join platform.customers k on k.id = s.customer_id
    join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
    left join lateral (
      select e.kind, e.created_at as at from support.session_entries e
      where e.session_id = s.id and e.kind in ('ended', 'expired', 'reopened', 'returned') order by e.created_at desc limit 1) l on true
    cross join lateral (
      select case when s.status = 'active' then l.at when l.kind = 'expired' then coalesce(s.last_message_at, s.ended_at)
        else s.ended_at end as at) u
  where s.id = activity_of_session.session and (s.status = 'ended' or l.kind in ('reopened', 'returned'));
end;

-- Brings the activity of a conversation up to date that the CRM was told of before, also whose it is: its visitor may have proved since to
-- be another customer. It derives every word from the conversation, so an app that may call it can tell nothing else. Support still has no
-- update of activities.
create function support.retell_session(session uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  update crm.activities a
  set customer_id = n.customer_id, description = n.description, metadata = n.metadata, occurred_at = n.occurred_at
  from support.activity_of_session(session) n
  where a.created_by_app = 'support' and a.idempotency_key = n.idempotency_key
    and (a.customer_id, a.description, a.metadata, a.occurred_at)
      is distinct from (n.customer_id, n.description, n.metadata, n.occurred_at);
end $$;
grant execute on function support.retell_session(uuid) to support_role;

-- The agent of a conversation is told before a target is missed; of one that nobody has, its team is.
alter table platform.notices drop constraint notices_kind_check;
alter table platform.notices add constraint notices_kind_check
  check (kind in ('mention', 'assignment', 'handover', 'task', 'deadline'));
create function support.tell_of_deadline() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  -- What was due before is met, or missed, or due later.
  if new.due_at is distinct from old.due_at then
    update platform.notices n set read_at = clock_timestamp()
    where n.record = 'session' and n.record_id = new.id::text and n.kind = 'deadline' and n.read_at is null;
  end if;
  if new.warned_at is not null and new.warned_at is distinct from old.warned_at then
    perform platform.add_notice(a.user_id, 'deadline', 'session', new.id::text, new.customer_id, 'deadline:' || new.id, again => true)
    from support.agents a
    where a.is_active and case when new.agent_id is not null then a.id = new.agent_id
      else a.id in (select t.agent_id from support.widget_agents t where t.widget_id = new.widget_id) end;
  end if;
  return null;
end $$;
create trigger tell_of_deadline after update of due_at, warned_at on support.sessions
  for each row when (current_user !~ '^(merge|erase)_role$' and (new.due_at, new.warned_at) is distinct from (old.due_at, old.warned_at))
  execute function support.tell_of_deadline();
