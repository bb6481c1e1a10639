-- The widget speaks the visitor's language. Its settings and a chatbot's rules have texts for each language, so they may be longer; a
-- session says in which of them it was shown, and the chatbot answers in that one.

alter table support.widgets drop constraint widgets_settings_check, add constraint widgets_settings_check check (
  jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 65536);
alter table support.chatbots drop constraint chatbots_rules_check, add constraint chatbots_rules_check check (
  jsonb_typeof(rules) = 'object' and octet_length(rules::text) <= 131072);

alter table support.sessions
  add column widget_language text collate "C" constraint sessions_widget_language_check check (widget_language ~ '^[a-z]{2,3}$');
comment on column support.sessions.language is
  'The language that the visitor reads: what the host page says, otherwise the browser. Whoever answers is chosen by it.';
comment on column support.sessions.widget_language is 'The language of the widget in this session. Null: the widget''s own.';
grant insert (widget_language) on support.sessions to support_role;
call platform.classify_columns('support.sessions', technical => 'widget_language');
call sync.capture('support.sessions', 'session', 'support', 'r.id', 'r.customer_id', '{customer_id,status}',
  '{token_hash,message_count,last_message_at,visitor_read_number,agent_read_number,page,is_new_to_agent,idle_check_at,due_at,warn_at,'
  'warned_at,clocked_at}');
