-- aether: no-transaction
-- As 0110, for ended conversations of another priority than the usual one.
create index concurrently if not exists sessions_ended_by_priority on support.sessions (priority, ended_at desc, id desc)
  where status = 'ended' and priority <> 'normal';
