-- A conversation that a colleague handed on is unread for the agent who has it now, also if every message of it was read before.
alter table support.sessions add column is_new_to_agent boolean not null default false;
comment on column support.sessions.is_new_to_agent is 'A colleague assigned it to its agent, who has not opened it since.';
grant update (is_new_to_agent) on support.sessions to support_role;
call platform.classify_columns('support.sessions', technical => 'is_new_to_agent');
call sync.capture('support.sessions', 'session', 'support', 'r.id', 'r.customer_id', '{customer_id,status}',
  '{token_hash,message_count,last_message_at,visitor_read_number,agent_read_number,page,is_new_to_agent}');
