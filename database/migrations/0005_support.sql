-- Support's own records: agents, widgets, chatbots, sessions and their messages, calls. Foundation sees none of it.

create sequence support.customer_number as bigint start 1000;
grant usage on sequence support.customer_number to support_role;

create table support.agents (
  id uuid primary key default uuidv7(),
  user_id text collate "C" not null unique references platform.users,
  availability text not null default 'offline' check (availability in ('online', 'away', 'offline')),
  is_active boolean not null default true,
  last_seen_at timestamptz constraint agents_last_seen_at_time check (platform.is_time(last_seen_at)),
  created_at timestamptz not null default now()
);
comment on column support.agents.last_seen_at is
  'When the console was last open. An agent that is online but was not seen for two minutes counts as away.';
call platform.protect_table('support.agents');
create policy support_all on support.agents to support_role using (true) with check (true);
grant select, insert (user_id, availability), update (availability, is_active, last_seen_at) on support.agents to support_role;

create table support.widgets (
  id uuid primary key default uuidv7(),
  key text collate "C" not null unique check (key ~ '^[a-z0-9_-]{8,64}$'),
  name text collate platform.people not null check (platform.is_line(name, 80)),
  allowed_origins text[] not null default '{}',
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 16384),
  is_active boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on column support.widgets.key is 'Public: it is in the host page. It names the widget and proves nothing.';
create trigger count_version before update on support.widgets for each row execute function platform.count_version();
call platform.protect_table('support.widgets');
create policy support_all on support.widgets to support_role using (true) with check (true);
grant select,
      insert (key, name, allowed_origins, settings, is_active),
      update (key, name, allowed_origins, settings, is_active)
  on support.widgets to support_role;

create table support.widget_agents (
  widget_id uuid not null references support.widgets,
  agent_id uuid not null references support.agents,
  primary key (widget_id, agent_id)
);
comment on table support.widget_agents is 'The team of a widget. A widget without a team belongs to every agent.';
create index on support.widget_agents (agent_id);
call platform.protect_table('support.widget_agents');
create policy support_all on support.widget_agents to support_role using (true) with check (true);
grant select, insert (widget_id, agent_id), delete on support.widget_agents to support_role;

create table support.widget_secrets (
  id uuid primary key default uuidv7(),
  widget_id uuid not null references support.widgets,
  secret text collate "C" not null check (secret ~ '^[A-Za-z0-9_-]{43}$'),
  created_at timestamptz not null default now(),
  retires_at timestamptz constraint widget_secrets_retires_at_time check (platform.is_time(retires_at))
);
comment on column support.widget_secrets.secret is
  'In clear, not hashed: the server computes signatures with it to check those of the host page.';
create index on support.widget_secrets (widget_id);
call platform.protect_table('support.widget_secrets');
create policy support_all on support.widget_secrets to support_role using (true) with check (true);
grant select, insert (widget_id, secret), update (retires_at), delete on support.widget_secrets to support_role;

create table support.chatbots (
  id uuid primary key default uuidv7(),
  widget_id uuid not null references support.widgets,
  name text collate platform.people not null check (platform.is_line(name, 80)),
  rules jsonb not null default '{}' check (jsonb_typeof(rules) = 'object' and octet_length(rules::text) <= 65536),
  is_live boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on support.chatbots (widget_id);
-- One chatbot speaks for a widget.
create unique index chatbots_live on support.chatbots (widget_id) where is_live;
create trigger count_version before update on support.chatbots for each row execute function platform.count_version();
call platform.protect_table('support.chatbots');
create policy support_all on support.chatbots to support_role using (true) with check (true);
grant select, insert (widget_id, name, rules, is_live), update (name, rules, is_live), delete on support.chatbots to support_role;

create table support.canned_answers (
  id uuid primary key default uuidv7(),
  shortcut text collate "C" not null unique check (shortcut ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
  title text not null check (platform.is_line(title, 80)),
  body text not null check (char_length(body) between 1 and 4000),
  created_at timestamptz not null default now()
);
call platform.protect_table('support.canned_answers');
create policy support_all on support.canned_answers to support_role using (true) with check (true);
grant select, insert (shortcut, title, body), update (shortcut, title, body), delete on support.canned_answers to support_role;

create table support.sessions (
  -- The id is random: an id that holds the time would tell a visitor how long it took to find or make the customer.
  id uuid primary key default gen_random_uuid(),
  widget_id uuid not null references support.widgets,
  customer_id uuid references platform.customers,
  identity text not null default 'claimed' check (identity in ('claimed', 'verified')),
  visitor_email text check (platform.is_line(visitor_email, 254)),
  visitor_name text check (platform.is_line(visitor_name, 200)),
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  page jsonb check (jsonb_typeof(page) = 'object' and octet_length(page::text) <= 4096),
  language text collate "C" check (platform.is_line(language, 35)),
  time_zone text collate "C" check (platform.is_line(time_zone, 64)),
  handler text not null default 'agent' check (handler in ('bot', 'agent')),
  agent_id uuid references support.agents,
  status text not null default 'active' check (status in ('active', 'ended')),
  resolved boolean,
  is_offline boolean not null default false,
  message_count integer not null default 0,
  visitor_read_number integer not null default 0 check (visitor_read_number >= 0),
  agent_read_number integer not null default 0 check (agent_read_number >= 0),
  started_at timestamptz not null default now(),
  asked_at timestamptz constraint sessions_asked_at_time check (platform.is_time(asked_at)),
  waiting_since timestamptz constraint sessions_waiting_since_time check (platform.is_time(waiting_since)),
  snoozed_until timestamptz constraint sessions_snoozed_until_time check (platform.is_time(snoozed_until)),
  last_message_at timestamptz constraint sessions_last_message_at_time check (platform.is_time(last_message_at)),
  ended_at timestamptz constraint sessions_ended_at_time check (platform.is_time(ended_at)),
  check ((status = 'ended') = (ended_at is not null)),
  check ((status = 'ended') = (resolved is not null))
);
comment on column support.sessions.identity is
  'claimed: a visitor typed an address, which proves nothing. verified: the host page signed it.';
comment on column support.sessions.visitor_name is 'As the visitor typed it; it never overwrites the customer''s name.';
comment on column support.sessions.asked_at is
  'When the visitor first wrote. Null: the widget was only opened; agents do not see such a session.';
comment on column support.sessions.waiting_since is 'The time of the oldest message of the visitor that no agent has answered.';
create index on support.sessions (widget_id);
create index on support.sessions (started_at desc, id desc);
create index on support.sessions (customer_id, started_at desc) where customer_id is not null;
create index on support.sessions (agent_id) where agent_id is not null;
create index sessions_open on support.sessions (agent_id) where status = 'active' and asked_at is not null;
create index sessions_ended on support.sessions (ended_at desc, id desc) where status = 'ended';
call platform.require_present_customer('support.sessions');
call platform.protect_table('support.sessions');
create policy support_all on support.sessions to support_role using (true) with check (true);
grant select,
      insert (widget_id, customer_id, identity, visitor_email, visitor_name, token_hash, page, language, time_zone, handler, is_offline),
      update (customer_id, identity, visitor_email, visitor_name, token_hash, handler, agent_id, status, resolved, message_count,
              visitor_read_number, agent_read_number, asked_at, waiting_since, snoozed_until, last_message_at, ended_at)
  on support.sessions to support_role;

create table support.messages (
  id uuid primary key default uuidv7(),
  session_id uuid not null references support.sessions,
  number integer not null check (number > 0),
  author text not null check (author in ('visitor', 'agent', 'bot')),
  agent_id uuid references support.agents,
  client_id text collate "C" not null check (client_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  body text not null check (char_length(body) between 1 and 4000),
  choices jsonb check (jsonb_typeof(choices) = 'array' and octet_length(choices::text) <= 8192),
  created_at timestamptz not null default clock_timestamp(),
  unique (session_id, number),
  unique (session_id, author, client_id),
  constraint messages_agent_of_author check ((author = 'agent') = (agent_id is not null))
);
comment on column support.messages.client_id is 'Given by the sender: a retry with the same one makes no second message.';
comment on column support.messages.number is 'Dense within the session, in the order in which the server took the messages.';
comment on column support.messages.choices is 'Of a bot: the answers that the visitor may pick, [{id, label}].';
create index on support.messages (agent_id) where agent_id is not null;
call platform.protect_table('support.messages');
create policy support_all on support.messages to support_role using (true) with check (true);
-- Update and delete are absent: a conversation is a record.
grant select, insert (session_id, number, author, agent_id, client_id, body, choices) on support.messages to support_role;

create table support.session_entries (
  id uuid primary key default uuidv7(),
  session_id uuid not null references support.sessions,
  kind text not null check (
    kind in ('note', 'claimed', 'assigned', 'released', 'snoozed', 'woken', 'handed_over', 'identified', 'verified', 'moved', 'ended')),
  agent_id uuid references support.agents,
  to_agent_id uuid references support.agents,
  client_id text collate "C" check (client_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  body text check (char_length(body) between 1 and 4000),
  created_at timestamptz not null default clock_timestamp(),
  check (kind <> 'note' or (body is not null and client_id is not null)),
  unique (session_id, client_id)
);
comment on table support.session_entries is 'The notes and actions of agents in a conversation. The visitor never sees them.';
create index on support.session_entries (agent_id) where agent_id is not null;
create index on support.session_entries (to_agent_id) where to_agent_id is not null;
call platform.protect_table('support.session_entries');
create policy support_all on support.session_entries to support_role using (true) with check (true);
-- Update and delete are absent: the entries are a record, as the messages are.
grant select, insert (session_id, kind, agent_id, to_agent_id, client_id, body) on support.session_entries to support_role;

-- Stores a message, with everything that it changes in its conversation, in one call: two people wait for it, and each further statement
-- is a round trip. The function runs with the caller's rights. It holds the session to the end of the transaction, as every change of a
-- conversation does, so that one transaction at a time numbers its messages, claims it and ends it; each of its statements sees what was
-- committed before the session was free. The first agent to answer is assigned the conversation.
--   agent              of an agent's message, otherwise null
--   token_hash         of a visitor's message: the session's must still be this one; null: not compared
--   for_agents_only    store nothing while a bot answers this session
--   outcome            stored; known: an earlier call with the same client_id stored it, which also counts after the end; otherwise why
--                      nothing was stored: no_session, bot_answers, ended, no_agent, agent_inactive, or claimed by the agent of this name
create function support.add_message(
  session uuid, author text, agent uuid, client_id text, body text, choices jsonb, token_hash bytea, for_agents_only boolean,
  out outcome text, out message support.messages, out agent_name text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  held record;
  asked timestamptz := case when add_message.author = 'visitor' then now() end;
  is_agents constant boolean := add_message.author = 'agent';
  named uuid := agent;
  is_active boolean;
begin
  select s.status, s.handler, s.agent_id, s.token_hash into held from support.sessions s where s.id = session for update;
  if not found or held.token_hash <> add_message.token_hash then outcome := 'no_session'; return; end if;
  select m.* into message from support.messages m
  where m.session_id = session and m.author = add_message.author and m.client_id = add_message.client_id;
  if found then outcome := 'known'; end if;

  if is_agents and held.agent_id is null and held.status = 'active' then
    -- An agent who leaves gives back the open conversations. Without this lock, one that is given to them at that moment would stay.
    select a.is_active into is_active from support.agents a where a.id = agent for share;
    if not found then outcome := 'no_agent'; elsif not is_active then outcome := 'agent_inactive'; end if;
  elsif is_agents and held.agent_id <> agent and message.agent_id is distinct from agent then
    outcome := 'claimed';
    named := held.agent_id;
  end if;
  if outcome is null and held.status = 'ended' then outcome := 'ended'; end if;
  if outcome is null and for_agents_only and held.handler = 'bot' then outcome := 'bot_answers'; end if;

  if outcome is null then
    update support.sessions s set message_count = s.message_count + 1, last_message_at = now(),
      asked_at = coalesce(s.asked_at, asked),
      snoozed_until = case when add_message.author = 'bot' then s.snoozed_until end,
      waiting_since = case when is_agents then null
        when asked is not null then case when s.handler = 'agent' then coalesce(s.waiting_since, asked) end
        else s.waiting_since end,
      handler = case when is_agents then 'agent' else s.handler end,
      agent_id = case when is_agents then coalesce(s.agent_id, agent) else s.agent_id end
    where s.id = session returning s.message_count into message.number;
    insert into support.messages as m (session_id, number, author, agent_id, client_id, body, choices)
    values (session, message.number, add_message.author, agent, add_message.client_id, add_message.body, add_message.choices)
    returning m.* into message;
    if is_agents and held.agent_id is null then
      insert into support.session_entries (session_id, kind, agent_id) values (session, 'claimed', agent);
    end if;
    outcome := 'stored';
  end if;
  if named is not null then
    select u.name into agent_name from support.agents a join platform.users u on u.id = a.user_id where a.id = named;
  end if;
end $$;
grant execute on function support.add_message(uuid, text, uuid, text, text, jsonb, bytea, boolean) to support_role;

create table support.calls (
  id uuid primary key default uuidv7(),
  client_id text collate "C" unique check (client_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  customer_id uuid not null references platform.customers,
  agent_id uuid references support.agents,
  direction text not null check (direction in ('inbound', 'outbound')),
  number_e164 text collate "C" not null check (number_e164 ~ '^\+[1-9][0-9]{5,14}$'),
  outcome text check (platform.is_line(outcome, 80)),
  notes text check (char_length(notes) <= 4000),
  started_at timestamptz not null constraint calls_started_at_time check (platform.is_time(started_at)),
  duration_seconds integer check (duration_seconds >= 0),
  created_at timestamptz not null default now(),
  request_digest bytea check (octet_length(request_digest) = 32),
  constraint calls_request_digest_of_client check ((client_id is null) = (request_digest is null))
);
comment on column support.calls.client_id is 'Given by the sender: a retry with the same one makes no second call.';
comment on column support.calls.request_digest is
  'SHA-256 of the request that logged the call. It tells a retry from another request with the same client_id, even after a correction.';
create index calls_newest on support.calls (started_at desc, id desc);
create index on support.calls (customer_id, started_at desc);
create index on support.calls (agent_id) where agent_id is not null;
call platform.require_present_customer('support.calls');
call platform.protect_table('support.calls');
create policy support_all on support.calls to support_role using (true) with check (true);
grant select,
      insert (client_id, request_digest, customer_id, agent_id, direction, number_e164, outcome, notes, started_at, duration_seconds),
      update (outcome, notes, duration_seconds)
  on support.calls to support_role;

-- How often visitors did what is limited, shared by all processes of Support. Unlogged: a count is worth nothing after a crash.
create unlogged table support.limits (
  key bytea primary key check (octet_length(key) = 16),
  points integer not null check (points > 0),
  expires_at timestamptz not null constraint limits_expires_at_time check (platform.is_time(expires_at))
);
comment on table support.limits is
  'Rows expire within minutes, and Support deletes them. '
  'No index on expires_at: with one, a count that begins again would not be a HOT update.';
comment on column support.limits.key is 'A hash of what is counted: an address of the network or of e-mail is not stored here.';
call platform.protect_table('support.limits');
create policy support_all on support.limits to support_role using (true) with check (true);
grant select, insert (key, points, expires_at), update (points, expires_at), delete on support.limits to support_role;

-- What the CRM is told of a conversation that has ended: the activity of its customer. It says "resolved" only if the agent resolved it,
-- and "unverified" if the visitor only typed the customer's address. Its duration is without the times for which the conversation was
-- snoozed: each ends with a message, when an agent wakes, snoozes or assigns the conversation, at its own end, or with the conversation.
-- The summary is the agent's own, otherwise the visitor's first question. An erased customer accepts no new activity: there is no row.
create function support.activity_of_session(session uuid) returns table (
  customer_id uuid, type text, description text, metadata jsonb, occurred_at timestamptz, idempotency_key text)
language sql stable
begin atomic
  select c.id, 'support_chat',
    case when s.resolved then 'Support conversation resolved' else 'Support conversation ended without a resolution' end
      || case when s.identity = 'claimed' then ' (unverified visitor)' else '' end,
    jsonb_build_object(
      'session_id', s.id, 'identity', s.identity, 'message_count', s.message_count, 'resolved', s.resolved,
      'duration_seconds', round(extract(epoch from s.ended_at - s.started_at) - (
        select coalesce(sum(extract(epoch from greatest(least(
            n.body::timestamptz, s.ended_at,
            (select min(m.created_at) from support.messages m
              where m.session_id = s.id and m.created_at > n.created_at and m.author in ('visitor', 'agent')),
            (select min(o.created_at) from support.session_entries o
              where o.session_id = s.id and o.created_at > n.created_at
                and o.kind in ('snoozed', 'woken', 'assigned', 'released', 'handed_over'))
          ) - n.created_at, interval '0'))), 0)
        from support.session_entries n where n.session_id = s.id and n.kind = 'snoozed'), 1),
      'summary', coalesce(
        (select e.body from support.session_entries e where e.session_id = s.id and e.kind = 'ended' order by e.created_at limit 1),
        (select left(m.body, 400) from support.messages m where m.session_id = s.id and m.author = 'visitor' order by m.number limit 1))),
    s.ended_at, 'session:' || s.id
  from support.sessions s join platform.customers k on k.id = s.customer_id
    join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
  where s.id = activity_of_session.session and s.status = 'ended';
end;
grant execute on function support.activity_of_session(uuid) to support_role;
