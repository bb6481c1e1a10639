-- aether: no-transaction
-- When visitors first waited and were first answered in the conversations so far, from messages and entries. It is no change of the
-- conversations: nobody is told. In pieces, each a transaction of a moment in which the conversations are only read: all at once they
-- would be closed for a minute where they are half a million. It may be repeated.
do $$
declare
  place uuid := '00000000-0000-0000-0000-000000000000';
  ids uuid[];
begin
  loop
    -- Without statistics, as after a restore, each conversation would read all messages.
    perform set_config('enable_seqscan', 'off', true), set_config('lock_timeout', '2s', true);
    ids := array(select s.id from support.sessions s where s.id > place order by s.id limit 2000);
    exit when cardinality(ids) = 0;
    place := ids[cardinality(ids)];
    alter table support.sessions disable trigger user;
    update support.sessions s
    set first_answered_at = least(s.first_answered_at, x.answered_at),
      first_waited_at = least(s.first_waited_at,
        case when x.bot_spoke then least(x.taken_at, x.answered_at) when s.handler = 'agent' then s.asked_at end)
    from support.sessions o cross join lateral (
      select min(m.created_at) filter (where m.author = 'agent' and m.created_at >= o.asked_at) as answered_at,
        bool_or(m.author = 'bot') as bot_spoke,
        (select min(e.created_at) from support.session_entries e
          where e.session_id = o.id and e.kind in ('handed_over', 'claimed', 'assigned')) as taken_at
      from support.messages m where m.session_id = o.id) x
    where o.id = any (ids) and o.id = s.id and s.asked_at is not null;
    alter table support.sessions enable trigger user;
    commit;
  end loop;
end $$
