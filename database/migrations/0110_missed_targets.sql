-- aether: no-transaction
-- Nobody waits while it is made. Ended conversations in which a target was missed, in the order of their list. Where few or none were
-- missed, they were looked for among all conversations.
create index concurrently if not exists sessions_missed on support.sessions (ended_at desc, id desc)
  where status = 'ended' and (first_due_at < coalesce(first_answered_at, ended_at) or resolve_due_at < ended_at);
