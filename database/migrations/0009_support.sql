-- What the widget and the agent console stand on: teams, secrets, the inbox, notes, canned answers, calls that are logged once.

alter table support.agents
  add column is_active boolean not null default true,
  add column last_seen_at timestamptz;
comment on column support.agents.last_seen_at is 'When the console was last open: who is called online but was not seen for two minutes is not counted on.';
grant update (is_active, last_seen_at) on support.agents to support_role;

alter table support.widgets add column version bigint not null default 1, add column updated_at timestamptz not null default now();
create trigger count_version before update on support.widgets for each row execute function platform.count_version();

create table support.widget_agents (
  widget_id uuid not null references support.widgets,
  agent_id uuid not null references support.agents,
  primary key (widget_id, agent_id)
);
comment on table support.widget_agents is 'The team of a widget. A widget without one is everybody''s.';
create index on support.widget_agents (agent_id);

create table support.widget_secrets (
  id uuid primary key default uuidv7(),
  widget_id uuid not null references support.widgets,
  secret text collate "C" not null check (secret ~ '^[A-Za-z0-9_-]{43}$'),
  created_at timestamptz not null default now(),
  retires_at timestamptz
);
comment on column support.widget_secrets.secret is 'As it is and not hashed: signatures made with it are computed again to be checked.';
create index on support.widget_secrets (widget_id);

create table support.canned_answers (
  id uuid primary key default uuidv7(),
  shortcut text collate "C" not null unique check (shortcut ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
  title text not null check (platform.is_line(title, 80)),
  body text not null check (char_length(body) between 1 and 4000),
  created_at timestamptz not null default now()
);

alter table support.chatbots add column version bigint not null default 1, add column updated_at timestamptz not null default now(),
  drop constraint chatbots_rules_check, alter column rules set default '{}',
  add constraint chatbots_rules_check check (jsonb_typeof(rules) = 'object' and octet_length(rules::text) <= 65536);
create trigger count_version before update on support.chatbots for each row execute function platform.count_version();
-- One speaks for a widget.
create unique index chatbots_live on support.chatbots (widget_id) where is_live;
grant delete on support.chatbots, support.canned_answers, support.widget_agents, support.widget_secrets to support_role;

alter table support.sessions
  alter column visitor_email drop not null,
  alter column visitor_name drop not null,
  add column handler text not null default 'agent' check (handler in ('bot', 'agent')),
  add column is_offline boolean not null default false,
  add column asked_at timestamptz,
  add column waiting_since timestamptz,
  add column snoozed_until timestamptz,
  add column visitor_read_number integer not null default 0 check (visitor_read_number >= 0),
  add column agent_read_number integer not null default 0 check (agent_read_number >= 0),
  add column page jsonb check (jsonb_typeof(page) = 'object' and octet_length(page::text) <= 4096),
  add column language text collate "C" check (platform.is_line(language, 35)),
  add column time_zone text collate "C" check (platform.is_line(time_zone, 64));
comment on column support.sessions.asked_at is 'When the visitor first wrote. Null: the widget was opened and nothing was asked, which is nothing for an agent.';
comment on column support.sessions.waiting_since is 'Of the oldest message of the visitor that no agent has answered.';
create index sessions_open on support.sessions (agent_id) where status = 'active' and asked_at is not null;
create index sessions_ended on support.sessions (ended_at desc, id desc) where status = 'ended';
grant insert (handler, is_offline, page, language, time_zone),
      update (visitor_email, visitor_name, handler, asked_at, waiting_since, snoozed_until, visitor_read_number, agent_read_number) on support.sessions to support_role;

alter table support.messages add column choices jsonb check (jsonb_typeof(choices) = 'array' and octet_length(choices::text) <= 8192);
comment on column support.messages.choices is 'Of a bot: what the visitor may pick, [{id, label}].';
grant insert (choices) on support.messages to support_role;

create table support.session_entries (
  id uuid primary key default uuidv7(),
  session_id uuid not null references support.sessions,
  kind text not null check (kind in ('note', 'claimed', 'assigned', 'released', 'snoozed', 'woken', 'handed_over', 'identified', 'verified', 'ended')),
  agent_id uuid references support.agents,
  to_agent_id uuid references support.agents,
  client_id text collate "C" check (client_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  body text check (char_length(body) between 1 and 4000),
  created_at timestamptz not null default clock_timestamp(),
  check (kind <> 'note' or (body is not null and client_id is not null)),
  unique (session_id, client_id)
);
comment on table support.session_entries is 'What agents noted and did in a conversation. The visitor never sees it.';
create index on support.session_entries (agent_id) where agent_id is not null;
create index on support.session_entries (to_agent_id) where to_agent_id is not null;

alter table support.calls add column client_id text collate "C" unique check (client_id ~ '^[A-Za-z0-9_-]{1,64}$');
comment on column support.calls.client_id is 'Given by who logs it: a retry is the same call.';
create index calls_newest on support.calls (started_at desc, id desc);
grant insert (client_id) on support.calls to support_role;
-- A number is found by its end, in whatever way it is written; the whole of it is compared afterwards.
create index customers_by_phone_end on platform.customers (right(regexp_replace(phone, '\D', '', 'g'), 7)) where phone is not null;

call platform.protect_table('support.widget_agents');
call platform.protect_table('support.widget_secrets');
call platform.protect_table('support.canned_answers');
call platform.protect_table('support.session_entries');
create policy support_all on support.widget_agents to support_role using (true) with check (true);
create policy support_all on support.widget_secrets to support_role using (true) with check (true);
create policy support_all on support.canned_answers to support_role using (true) with check (true);
create policy support_all on support.session_entries to support_role using (true) with check (true);
grant select on support.widget_agents, support.widget_secrets, support.canned_answers, support.session_entries to support_role;
grant insert (widget_id, agent_id) on support.widget_agents to support_role;
grant insert (widget_id, secret), update (retires_at) on support.widget_secrets to support_role;
grant insert (shortcut, title, body), update (shortcut, title, body) on support.canned_answers to support_role;
-- No update and no delete: a record, as the messages are.
grant insert (session_id, kind, agent_id, to_agent_id, client_id, body) on support.session_entries to support_role;

-- What is read, counted or looked at is no news to anybody who was not there.
call sync.capture('support.sessions', 'session', 'support', 'coalesce(r.customer_id, r.id)', '{customer_id,status}',
  '{token_hash,message_count,last_message_at,visitor_read_number,agent_read_number,page}');
call sync.capture('support.messages', 'message', 'support',
  'coalesce((select s.customer_id from support.sessions s where s.id = r.session_id), r.session_id)', '{session_id,number}');
call sync.capture('support.session_entries', 'entry', 'support',
  'coalesce((select s.customer_id from support.sessions s where s.id = r.session_id), r.session_id)', '{session_id,kind}', '{client_id}');
call sync.capture('support.calls', 'call', 'support', 'r.customer_id', '{customer_id}', '{client_id}');

-- What Support may know of the CRM beside crm.customer_context, for the panel beside a conversation: that something was done, by whom and
-- when, but not what was written; and which won deal gave the tier. With the owner's rights, so that crm.deals stays closed.
create view crm.recent_activities as
select a.customer_id, a.id, a.type, a.occurred_at, a.created_by_app, u.name as created_by_name
from crm.activities a left join platform.users u on u.id = a.created_by;
create view crm.tier_grants as
select a.customer_id, a.metadata ->> 'account_tier' as account_tier, d.name as deal_name, a.occurred_at
from crm.activities a join crm.deals d on d.id = a.deal_id
where a.type = 'deal_won' and a.metadata ? 'account_tier';
create index activities_deals_won on crm.activities (customer_id, occurred_at desc) where type = 'deal_won';
grant select on crm.recent_activities, crm.tier_grants to support_role;
