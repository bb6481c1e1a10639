-- What Support shows in the CRM of what was said: an administrator of Support decides, and nothing is copied, so that a decision,
-- a correction and an erasure hold at once. See docs/support.md.
--
-- Locks: none that another transaction waits for; the table is new.
create table support.sharing (
  what text collate "C" primary key check (what in ('conversations', 'calls')),
  readers text collate "C" not null default 'nobody' check (readers in ('nobody', 'managers', 'everybody')),
  version integer not null default 1,
  updated_at timestamptz not null default now()
);
comment on column support.sharing.readers is
  'Who of the CRM reads it: nobody, the manager of the customer and administrators, or everybody who may see the customer.';
insert into support.sharing (what) values ('conversations'), ('calls');
create trigger count_version before update on support.sharing for each row execute function platform.count_version();
call platform.protect_table('support.sharing');
create policy support_all on support.sharing to support_role using (true) with check (true);
grant select, update (readers) on support.sharing to support_role;
call platform.classify('support.sharing', null, 'keep', 'Settings.', technical => 'what readers version updated_at');

-- Whether the actor reads what was said to this customer. Nobody is named where a machine asks: a machine reads through Support,
-- with a scope.
create function support.shares_with_actor(shared text, customer uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select exists (
    select from support.sharing h
      join platform.users u on u.id = platform.current_actor()
      join platform.customers k on k.id = shares_with_actor.customer
      join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
    where h.what = shares_with_actor.shared
      and (h.readers = 'everybody' or h.readers = 'managers' and (c.account_manager_id = u.id or u.role = 'admin')));
end;

-- Those of the ended conversations that the actor reads in the CRM. One that came through a widget with a team of its own is the team's.
create function platform.list_shared_conversations(sessions uuid[]) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
begin atomic
  select s.id from unnest(list_shared_conversations.sessions) asked (id)
    join support.sessions s on s.id = asked.id and s.status = 'ended'
  where not exists (select from support.widget_agents t where t.widget_id = s.widget_id)
    and support.shares_with_actor('conversations', s.customer_id);
end;

-- What visitor, chatbot and agents said, in order, from the message after this number; without the agents' notes. No row where the
-- actor may not read it.
create function platform.read_shared_conversation(session uuid, after integer, rows_max integer)
returns table (number integer, author text, name text, body text, files integer, at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
begin atomic
  select m.number, m.author, case m.author when 'visitor' then s.visitor_name when 'agent' then u.name end, m.body,
    coalesce(jsonb_array_length(m.files), 0), m.created_at
  from platform.list_shared_conversations(array[read_shared_conversation.session]) shared (id)
    join support.sessions s on s.id = shared.id
    -- The limit is below the joins. Above them, one page of a long conversation would read the whole of it.
    cross join lateral (
      select * from support.messages n where n.session_id = s.id and n.number > read_shared_conversation.after
      order by n.number limit read_shared_conversation.rows_max
    ) m
    left join support.agents a on a.id = m.agent_id left join platform.users u on u.id = a.user_id
  order by m.number;
end;

-- The agents' notes of those calls that the actor reads in the CRM.
create function platform.read_shared_calls(calls uuid[]) returns table (id uuid, notes text)
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
begin atomic
  select k.id, k.notes from unnest(read_shared_calls.calls) asked (id) join support.calls k on k.id = asked.id
  where k.notes is not null and support.shares_with_actor('calls', k.customer_id);
end;

grant execute on function platform.list_shared_conversations(uuid[]), platform.read_shared_conversation(uuid, integer, integer),
  platform.read_shared_calls(uuid[]) to foundation_role;
