-- Support's own: widgets and their sessions, messages, chatbots, agents, calls. Foundation sees none of it.

create table support.agents (
  id uuid primary key default uuidv7(),
  user_id text collate "C" not null unique references platform.users,
  availability text not null default 'offline' check (availability in ('online', 'away', 'offline')),
  created_at timestamptz not null default now()
);

create table support.widgets (
  id uuid primary key default uuidv7(),
  key text collate "C" not null unique check (key ~ '^[a-z0-9_-]{8,64}$'),
  name text not null check (platform.is_line(name, 80)),
  allowed_origins text[] not null default '{}',
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 16384),
  is_active boolean not null default true,
  created_at timestamptz not null default now()
);
comment on column support.widgets.key is 'Public: it stands in the host page. It names the widget and proves nothing.';

create table support.chatbots (
  id uuid primary key default uuidv7(),
  widget_id uuid not null references support.widgets,
  name text not null check (platform.is_line(name, 80)),
  rules jsonb not null default '[]' check (jsonb_typeof(rules) = 'array' and octet_length(rules::text) <= 65536),
  is_live boolean not null default false,
  created_at timestamptz not null default now()
);
create index on support.chatbots (widget_id);

-- Of chance alone: an id that holds the time would tell a visitor how long it took to find or make the customer.
create table support.sessions (
  id uuid primary key default gen_random_uuid(),
  widget_id uuid not null references support.widgets,
  customer_id uuid references platform.customers,
  identity text not null default 'claimed' check (identity in ('claimed', 'verified')),
  visitor_email text not null check (platform.is_line(visitor_email, 254)),
  visitor_name text not null check (platform.is_line(visitor_name, 200)),
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  agent_id uuid references support.agents,
  status text not null default 'active' check (status in ('active', 'ended')),
  resolved boolean,
  message_count integer not null default 0,
  started_at timestamptz not null default now(),
  last_message_at timestamptz,
  ended_at timestamptz,
  check ((status = 'ended') = (ended_at is not null)),
  check ((status = 'ended') = (resolved is not null))
);
comment on column support.sessions.identity is 'claimed: an address was typed, which proves nothing. verified: the host page signed it.';
comment on column support.sessions.visitor_name is 'As typed here; a name typed in a chat never overwrites the customer''s.';
create index on support.sessions (widget_id);
create index on support.sessions (started_at desc, id desc);
create index on support.sessions (customer_id, started_at desc) where customer_id is not null;
create index on support.sessions (agent_id) where agent_id is not null;

create table support.messages (
  id uuid primary key default uuidv7(),
  session_id uuid not null references support.sessions,
  number integer not null check (number > 0),
  author text not null check (author in ('visitor', 'agent', 'bot')),
  agent_id uuid references support.agents,
  client_id text collate "C" not null check (client_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  body text not null check (char_length(body) between 1 and 4000),
  created_at timestamptz not null default clock_timestamp(),
  unique (session_id, number),
  unique (session_id, author, client_id)
);
comment on column support.messages.client_id is 'Given by the sender: a retry of the same message is the same message.';
comment on column support.messages.number is 'Dense within the session, in the order in which the server took the messages.';
create index on support.messages (agent_id) where agent_id is not null;

create table support.calls (
  id uuid primary key default uuidv7(),
  customer_id uuid not null references platform.customers,
  agent_id uuid references support.agents,
  direction text not null check (direction in ('inbound', 'outbound')),
  number_e164 text collate "C" not null check (number_e164 ~ '^\+[1-9][0-9]{5,14}$'),
  outcome text check (platform.is_line(outcome, 80)),
  notes text check (char_length(notes) <= 4000),
  started_at timestamptz not null,
  duration_seconds integer check (duration_seconds >= 0),
  created_at timestamptz not null default now()
);
create index on support.calls (customer_id, started_at desc);
create index on support.calls (agent_id) where agent_id is not null;

call platform.protect_table('support.agents');
call platform.protect_table('support.widgets');
call platform.protect_table('support.chatbots');
call platform.protect_table('support.sessions');
call platform.protect_table('support.messages');
call platform.protect_table('support.calls');

create policy support_all on support.agents to support_role using (true) with check (true);
create policy support_all on support.widgets to support_role using (true) with check (true);
create policy support_all on support.chatbots to support_role using (true) with check (true);
create policy support_all on support.sessions to support_role using (true) with check (true);
create policy support_all on support.messages to support_role using (true) with check (true);
create policy support_all on support.calls to support_role using (true) with check (true);

grant select on support.agents, support.widgets, support.chatbots, support.sessions, support.messages, support.calls to support_role;
grant insert (user_id, availability), update (availability) on support.agents to support_role;
grant insert (key, name, allowed_origins, settings, is_active), update (key, name, allowed_origins, settings, is_active) on support.widgets to support_role;
grant insert (widget_id, name, rules, is_live), update (name, rules, is_live) on support.chatbots to support_role;
grant insert (widget_id, customer_id, identity, visitor_email, visitor_name, token_hash),
      update (customer_id, identity, token_hash, agent_id, status, resolved, message_count, last_message_at, ended_at) on support.sessions to support_role;
-- No update or delete of messages: a conversation is a record.
grant insert (session_id, number, author, agent_id, client_id, body) on support.messages to support_role;
grant insert (customer_id, agent_id, direction, number_e164, outcome, notes, started_at, duration_seconds),
      update (customer_id, outcome, notes, duration_seconds) on support.calls to support_role;
