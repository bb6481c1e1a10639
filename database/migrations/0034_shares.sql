-- Shares: several readers of one subscription, each with customers of its own.
--
-- The model. A subscription may be cut into shares. An event belongs to the share that its customer hashes to, or its key if it has no
-- customer or if a failure holds back rows only. Each share has a position of its own; that of the subscription is the lowest of them, so
-- that retention, lag, health and the console need not know of shares. A step locks the rows of its shares, reads their events, and moves
-- them: the lock is what keeps two processes apart.
--
-- Who reads what. Each process that runs the subscription has a row of sync.readers, a lease of a few seconds that it renews. The living
-- readers are put in order, and share n is worked by the reader n modulo their number. So shares are spread evenly, and move when a reader
-- comes, goes or is silent. The lease only says who tries: a reader that is wrong about it finds the row locked, or the position moved.
--
-- The order. Events of one key and of one customer need not be of one share: a row is linked to a customer, customers are merged. Before an
-- event is handled, all earlier events of its key and its customer must be handled or parked. sync.first_blocked finds the first event of a
-- share for which that is not so, and the share stops before it. It is never the first event of all shares that is not handled, so that
-- some share can always go on.
--
-- Changes of the number. `shares` and `holds` are what was registered last; `layout` and `layout_by` are what the positions are of. While
-- they differ, no share goes beyond the one that is farthest. When all are there, no event is between two shares, and they are cut anew.

alter table sync.subscriptions
  add column shares integer not null default 1 check (shares between 1 and 64),
  add column layout integer not null default 1 check (layout between 1 and 64),
  add column layout_by text not null default 'customer' check (layout_by in ('customer', 'row'));
comment on column sync.subscriptions.position is
  'Every event up to here is handled, or is in sync.parked. Of a subscription with shares it is the lowest position of them.';
comment on column sync.subscriptions.shares is 'How many shares it is to have: what was registered last.';
comment on column sync.subscriptions.layout is
  'How many shares it has. Other than `shares` while they are on their way to one position, where they are cut anew.';
comment on column sync.subscriptions.layout_by is 'What decides about the share of an event: its customer, if it has one, or its row.';

create table sync.shares (
  subscription text collate "C" not null references sync.subscriptions on delete cascade,
  share integer not null check (share between 0 and 63),
  position bigint not null check (position >= 0),
  replay_until bigint not null default 0,
  reader text check (char_length(reader) <= 200),
  moved_at timestamptz not null default clock_timestamp(),
  primary key (subscription, share)
) with (
  fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false
);
comment on table sync.shares is 'The positions of a subscription that has more than one share. It has no row of one that has one.';
comment on column sync.shares.reader is 'The process that moved it last.';
call platform.protect_table('sync.shares');
create policy own on sync.shares for select to app_role
  using (exists (select from sync.subscriptions s where s.name = subscription and s.app = platform.current_app()));
create policy sync_read on sync.shares for select to sync_role using (true);
create policy console_read on sync.shares for select to console_role using (true);
grant select on sync.shares to app_role, sync_role, console_role;
-- There is no grant to write: the functions below do.

-- Unlogged, so that a reader that has nothing to do writes nothing to the disk. After a crash all of them come again.
create unlogged table sync.readers (
  subscription text collate "C" not null references sync.subscriptions on delete cascade,
  reader text collate "C" not null check (char_length(reader) between 1 and 200),
  joined_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz not null,
  primary key (subscription, reader)
) with (
  fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = false
);
comment on table sync.readers is 'The processes that run a subscription with shares, each until its lease ends.';
call platform.protect_table('sync.readers');
create policy own on sync.readers for select to app_role
  using (exists (select from sync.subscriptions s where s.name = subscription and s.app = platform.current_app()));
create policy sync_read on sync.readers for select to sync_role using (true);
create policy console_read on sync.readers for select to console_role using (true);
grant select on sync.readers to app_role, sync_role, console_role;

-- The share of an event. Events without a customer hash by their key, which of events about a customer is the customer's id: they are of
-- one share, whether or not they name the customer.
create function sync.share_of(key text, customer uuid, shares_by text, shares integer) returns integer
language sql immutable parallel safe
return abs(hashtextextended(case when shares_by = 'customer' then coalesce(customer::text, key) else key end, 0) % shares)::integer;
grant execute on function sync.share_of(text, uuid, text, integer) to app_role, sync_role, console_role;

-- Up to where events of this key and customer are handled or parked.
create function sync.position_for(s sync.subscriptions, key text, customer uuid) returns bigint
language sql stable
return case when s.layout = 1 then s.position else (
  select h.position from sync.shares h
  where h.subscription = s.name and h.share = sync.share_of(position_for.key, position_for.customer, s.layout_by, s.layout)) end;
grant execute on function sync.position_for(sync.subscriptions, text, uuid) to sync_role, console_role;

-- Up to where the share has come that is farthest.
create function sync.farthest_of(s sync.subscriptions) returns bigint
language sql stable
return coalesce((select max(h.position) from sync.shares h where h.subscription = s.name), s.position);
grant execute on function sync.farthest_of(sync.subscriptions) to sync_role, console_role;

-- Locks a subscription with its shares: no process works on it until the transaction ends. The shares come first, as in a step. While
-- share 0 is held they are not cut anew, so that the second statement finds all of them.
create function sync.lock_subscription(of_name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from sync.shares h where h.subscription = of_name and h.share = 0 for update;
  perform from sync.shares h where h.subscription = of_name order by h.share for update;
  perform from sync.subscriptions s where s.name = of_name for update;
end $$;
create policy merge_all on sync.shares to merge_role using (true) with check (true);
grant select, update (moved_at) on sync.shares to merge_role; -- for the lock of a row
grant execute on function sync.lock_subscription(text) to merge_role;

-- Cuts a subscription that the caller has locked into the shares that were registered last, if all of it is at one position and no share
-- is in a replay.
create function sync.cut_shares(of_name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  s sync.subscriptions;
begin
  select x.* into s from sync.subscriptions x where x.name = of_name;
  if (s.shares, s.holds) = (s.layout, s.layout_by) then return; end if;
  if exists (select from sync.shares h where h.subscription = of_name and h.position <> sync.level_of(of_name)) then return; end if;
  if s.layout > 1 then
    s.position := sync.level_of(of_name);
    s.replay_until := 0;
  end if;
  delete from sync.shares h where h.subscription = of_name and (s.shares = 1 or h.share >= s.shares);
  insert into sync.shares as h (subscription, share, position, replay_until)
  select of_name, n, s.position, s.replay_until from generate_series(0, s.shares - 1) n where s.shares > 1
  on conflict (subscription, share) do update set position = excluded.position, replay_until = excluded.replay_until;
  update sync.subscriptions x
  set layout = s.shares, layout_by = s.holds, position = s.position, replay_until = s.replay_until where x.name = of_name;
end $$;

-- Where all shares meet before they are cut anew: the position of the one that is farthest, or the end of a replay.
create function sync.level_of(of_name text) returns bigint
language sql stable
return (select greatest(max(h.position), max(h.replay_until)) from sync.shares h where h.subscription = of_name);

-- Gives a subscription of the app other types, another rule of holding or another number of shares. It waits for the steps under way.
create function sync.change_subscription(of_name text, of_types text[], of_holds text, of_shares integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from sync.subscriptions s where s.name = of_name and s.app = platform.current_app()) then return; end if;
  perform sync.lock_subscription(of_name);
  update sync.subscriptions s set types = of_types, holds = of_holds, shares = of_shares where s.name = of_name;
  perform sync.cut_shares(of_name);
  perform sync.start_first(of_name); -- events that it held back until now may continue
end $$;
grant execute on function sync.change_subscription(text, text[], text, integer) to app_role, sync_role;

-- Renews the lease of a reader; the first time it joins the others.
create function sync.join_readers(of_name text, by_reader text, for_ms integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(for_ms, 0) not between 1 and 60000 then
    raise exception 'a lease lasts from 1 to 60000 ms' using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from sync.subscriptions s where s.name = of_name and s.app = platform.current_app()) then return; end if;
  insert into sync.readers as r (subscription, reader, leased_until)
  values (of_name, by_reader, clock_timestamp() + make_interval(secs => for_ms / 1000.0))
  on conflict (subscription, reader) do update set leased_until = excluded.leased_until,
    joined_at = case when r.leased_until > clock_timestamp() then r.joined_at else clock_timestamp() end;
  delete from sync.readers r where r.subscription = of_name and r.leased_until < clock_timestamp() - interval '1 minute';
end $$;

-- Ends the lease of a reader, and wakes the others, who take over its shares.
create function sync.leave_readers(of_name text, by_reader text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from sync.readers r using sync.subscriptions s
  where r.subscription = of_name and r.reader = by_reader and s.name = r.subscription and s.app = platform.current_app();
  perform pg_notify('sync_events', '');
end $$;

-- Takes the shares of a reader for a step: locks those that no other step has. `front` are those that are read now, together: they are at
-- `at_position`. `held` are all that are locked, whose parked events may be worked. until_position: so far this step may go. Null without a
-- lease: the subscription is paused, is another one by now, or has no share for this reader. is_more: some shares are still at work
-- elsewhere, or were just cut anew, so that it is worth to ask again soon.
create function sync.take_shares(
  of_name text, of_types text[], of_shares integer, by_reader text,
  out name text, out at_position bigint, out replay_until bigint, out holds text, out retry_in_ms double precision,
  out until_position bigint, out front integer[], out held integer[], out layout integer, out layout_by text, out is_more boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- How far a share may be before another one. sync.first_blocked reads that much for each batch, and everybody waits that long for a share
  -- whose process has died.
  ahead_max constant bigint := 5000;
  s sync.subscriptions;
  place bigint;
  crew bigint;
  level bigint;
  again bigint;
begin
  is_more := false;
  select o.place, o.crew into place, crew from (
    select r.reader, row_number() over (order by r.joined_at, r.reader) - 1 as place, count(*) over () as crew
    from sync.readers r where r.subscription = of_name and r.leased_until > clock_timestamp()) o
  where o.reader = by_reader;
  if not found then return; end if;
  held := array(
    select h.share from sync.shares h where h.subscription = of_name and h.share % crew = place
    order by h.share for update skip locked);
  is_more := cardinality(held) < (
    select count(*) from sync.shares h where h.subscription = of_name and h.share % crew = place);
  if cardinality(held) = 0 then return; end if;
  -- Read after the lock: whoever pauses or changes the subscription holds all shares.
  select x.* into s from sync.subscriptions x
  where x.name = of_name and x.app = platform.current_app() and not x.is_paused and x.types is not distinct from of_types
    and x.shares = of_shares;
  if not found then
    is_more := false;
    return;
  end if;
  if (s.shares, s.holds) <> (s.layout, s.layout_by) then
    level := sync.level_of(of_name);
    if not exists (select from sync.shares h where h.subscription = of_name and h.position <> level) then
      is_more := true;
      if s.layout = (select count(*) from (select from sync.shares h where h.subscription = of_name for update skip locked) l) then
        perform from sync.subscriptions x where x.name = of_name for update;
        perform sync.cut_shares(of_name);
      end if;
      return;
    end if;
  end if;

  name := of_name;
  holds := s.holds;
  layout := s.layout;
  layout_by := s.layout_by;
  select h.position, greatest(h.replay_until, h.position) into at_position, again from sync.shares h
  where h.subscription = of_name and h.share = any (held) order by 1, 2 limit 1;
  replay_until := again;
  front := array(
    select h.share from sync.shares h
    where h.subscription = of_name and h.share = any (held) and h.position = at_position
      and greatest(h.replay_until, h.position) = again order by h.share);
  until_position := least(level, (select min(h.position) from sync.shares h where h.subscription = of_name) + ahead_max, (
    select min(h.position) from sync.shares h
    where h.subscription = of_name and h.share = any (held) and h.position > at_position));
  retry_in_ms := (
    select extract(epoch from min(p.attempt_at) - clock_timestamp())::double precision * 1000 from sync.parked p
    where p.subscription = of_name and p.state = 'retrying' and sync.share_of(p.key, p.customer, layout_by, layout) = any (held));
end $$;

-- Moves shares that the caller's step has locked, and the subscription with them. Of two that move at the same moment one waits, and then
-- sees what the other did: each statement looks anew.
create function sync.move_shares(of_name text, of_shares integer[], to_position bigint, by_reader text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from sync.subscriptions s where s.name = of_name and s.app = platform.current_app()) then return; end if;
  update sync.shares h set position = to_position, reader = by_reader, moved_at = clock_timestamp()
  where h.subscription = of_name and h.share = any (of_shares);
  perform from sync.subscriptions s where s.name = of_name for no key update;
  update sync.subscriptions s set position = l.lowest, moved_at = clock_timestamp()
  from (select min(h.position) as lowest from sync.shares h where h.subscription = of_name) l
  where s.name = of_name and s.position <> l.lowest;
end $$;

-- The first event of these shares, after one position up to another, that has to wait: an earlier event of its key, or of its customer as
-- customers are merged now, belongs to a share that is not there yet. Null: none has to.
create function sync.first_blocked(of_name text, of_shares integer[], after_position bigint, until_position bigint) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  s sync.subscriptions;
  lowest bigint;
begin
  select x.* into s from sync.subscriptions x where x.name = of_name and x.layout > 1 and x.layout_by = 'customer';
  if not found then return null; end if;
  select min(h.position) into lowest from sync.shares h where h.subscription = of_name and h.share <> all (of_shares);
  if coalesce(lowest, until_position) >= until_position then return null; end if;
  return (
    with open as materialized (
      select e.position, e.key, e.customer, sync.share_of(e.key, e.customer, 'customer', s.layout) as share
      from sync.events e where e.position > lowest and e.position <= until_position and (s.types is null or e.type = any (s.types))),
    own as materialized (
      select o.position, o.key, o.customer from open o where o.position > after_position and o.share = any (of_shares)),
    before as materialized (
      select o.position, o.key, o.customer from open o join sync.shares h on h.subscription = of_name and h.share = o.share
      where o.share <> all (of_shares) and o.position > h.position),
    roots as materialized (
      select c.id, coalesce(c.merged_into, c.id) as root from platform.customers c
      where c.id in (select o.customer from own o union select x.customer from before x))
    select min(b.position) from (
      select o.position from own o join before x on x.key = o.key and x.position < o.position
      union all
      select o.position from own o join roots r on r.id = o.customer join roots n on n.root = r.root and n.id <> r.id
        join before x on x.customer = n.id and x.position < o.position where s.holds = 'customer') b);
end $$;
grant execute on function sync.join_readers(text, text, integer), sync.leave_readers(text, text),
  sync.take_shares(text, text[], integer, text), sync.move_shares(text, integer[], bigint, text),
  sync.first_blocked(text, integer[], bigint, bigint) to app_role, sync_role;

-- What is known of a subscription where it has shares.

-- Counts the events that a subscription gets of these positions, from the first on: up to `counted_max`, and it looks at a hundred thousand
-- positions at most. is_whole: there are no more of them. Of a subscription with shares those that their share has passed.
create or replace function sync.count_events_for(
  of_subscription text, first bigint, last bigint, counted_max integer, out events bigint, out is_whole boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select count(*), count(*) < counted_max and last - first < 100000
  from (
    select from sync.subscriptions s join sync.events e
      on e.position between first and least(last, first + 99999) and sync.may_read(s.app, e.audience)
        and (s.types is null or e.type = any (s.types)) and (s.layout = 1 or e.position <= sync.position_for(s, e.key, e.customer))
    where s.name = of_subscription limit counted_max) found;
end;

-- The same check as before; of a subscription with shares it says how many there are, and which one keeps the others from going on.
create or replace function sync.check_subscriptions() returns setof sync.check_row
language sql volatile
begin atomic
  with p as materialized (select * from sync.list_processes()),
  head as materialized (
    select sync.head() as position, (select e.position from sync.events e order by e.position limit 1) as oldest,
      sync.health_limit('lag_seconds') as lag_limit),
  readers as materialized (
    select m.name as subscription, p.app, p.state, p.silent_seconds, sync.idle_seconds(p.turns, 'subscription:' || m.name) as idle_seconds,
      coalesce(sync.number_in(m.value, '{failures}'), 0) as failures, sync.word_in(m.value, '{error}') as error
    from p cross join lateral sync.members_in(p.report, '{subscriptions}') m),
  found as (
    select s.name, s.is_paused, s.pause_reason, s.layout, sync.farthest_of(s) - s.position as ahead,
      extract(epoch from clock_timestamp() - s.moved_at)::double precision as still_seconds,
      greatest(head.position - s.position, 0) as lag_events, head.lag_limit,
      -- Positions are dense: the next one is found by its key, whatever PostgreSQL knows of the log.
      coalesce(case when s.position < head.position then extract(epoch from clock_timestamp() - (
        select e.sequenced_at from sync.events e where e.position = greatest(s.position + 1, head.oldest))) end, 0)::double precision
        as lag_seconds,
      r.live, r.silent_seconds, r.idle_seconds, r.failures, r.error, k.parked, k.retrying, k.dead
    from sync.subscriptions s cross join head
      cross join lateral (
        select count(*) filter (where r.state = 'live') as live,
          min(r.silent_seconds) filter (where r.state = 'silent') as silent_seconds,
          min(r.idle_seconds) filter (where r.state = 'live') as idle_seconds,
          min(r.failures) filter (where r.state = 'live') as failures,
          max(r.error) filter (where r.state = 'live') as error
        from readers r where r.subscription = s.name and r.app = s.app) r
      cross join lateral (
        -- The order makes PostgreSQL read an index. Where one subscription has parked nearly all, it would otherwise read the whole table
        -- for those that have none.
        select (
            select count(*) from (select from sync.parked k where k.subscription = s.name order by k.position limit 10001) c) as parked,
          (
            select count(*)
            from (
              select from sync.parked k
              where k.subscription = s.name and k.state = 'retrying' order by k.attempt_at limit 10001) c) as retrying,
          (
            select count(*)
            from (
              select from sync.parked k
              where k.subscription = s.name and k.state = 'dead' order by k.position limit 10001) c) as dead) k),
  judged as (
    select f.*, case
      when f.is_paused then 'paused'
      when f.live = 0 and f.silent_seconds is not null then 'silent'
      when f.live = 0 and f.lag_seconds > f.lag_limit then 'stalled'
      when f.live = 0 then 'unknown'
      when f.failures >= 3 then 'failing'
      when f.dead > 0 then 'parked'
      when f.idle_seconds > 40 then 'stalled'
      when f.lag_seconds > f.lag_limit and f.still_seconds < 10 then 'catching-up'
      when f.lag_seconds > f.lag_limit then 'stalled'
      when f.parked > 0 then 'warning'
      else 'ok' end as status
    from found f)
  select 'subscription:' || j.name, 'subscription', j.status,
    case j.status
      when 'paused' then 'It is paused: ' || left(j.pause_reason, 200)
      when 'silent' then 'The process that read it has been silent for ' || sync.say_seconds(j.silent_seconds) || '.'
      when 'stalled' then case when j.live = 0 then 'No process reads it.'
        when j.idle_seconds > 40 then 'Its reader has been at one step for ' || sync.say_seconds(j.idle_seconds) || '.'
        else 'It has not moved for ' || sync.say_seconds(j.still_seconds) || '.' end
      when 'unknown' then 'No process reports that it reads it.'
      when 'failing' then 'Its last ' || j.failures || ' steps failed' || coalesce(' (' || j.error || ')', '') || '.'
      when 'parked' then sync.say_count(j.dead) || ' events are dead and wait for a person.'
      when 'catching-up' then 'It is behind and moves.'
      when 'warning' then sync.say_count(j.retrying) || ' events failed and are tried again.'
      else 'It reads on.' end
      || case when j.layout > 1 then coalesce((
        select ' Share ' || h.share || ' of ' || j.layout || ' is the last one, ' || sync.say_count(j.ahead, 100000000000)
          || ' events behind the first.'
        from sync.shares h where h.subscription = j.name and j.ahead > 1000 order by h.position, h.share limit 1), '') else '' end
      || case when j.parked > j.dead + j.retrying
        then ' ' || sync.say_count(j.parked - j.dead - j.retrying) || ' events wait behind others.' else '' end
      || case when j.lag_seconds > 1 then ' It is ' || sync.say_seconds(j.lag_seconds) || ' and '
        || sync.say_count(j.lag_events, 100000000000) || ' events behind.' else '' end,
    jsonb_build_object('lag_events', j.lag_events, 'lag_seconds', j.lag_seconds, 'parked', j.parked, 'retrying', j.retrying,
      'dead', j.dead, 'readers', j.live, 'shares', j.layout)
  from judged j;
end;

-- Functions that hold or move a subscription do the same with its shares. Each is as it was, but for the words that are replaced.
do $$
declare
  change record;
  known text;
begin
  for change in select * from (values
    ('sync.hold_subscription(text)',
     'select s.* into held from sync.subscriptions s where s.name = of_name for update;',
     'perform sync.lock_subscription(of_name);
  select s.* into held from sync.subscriptions s where s.name = of_name;'),
    ('sync.remove_subscription(text)',
     'delete from sync.subscriptions s where',
     'perform sync.lock_subscription(s.name) from sync.subscriptions s where s.name = of_name and s.app = platform.current_app();
  delete from sync.subscriptions s where'),
    ('sync.work_batch(sync.bulk_runs, integer)',
     'perform from sync.subscriptions s where s.name = r.subscription and cardinality(taken) > 0 for update;',
     'if cardinality(taken) > 0 then perform sync.lock_subscription(r.subscription); end if;'),
    ('platform.try_unmerges(uuid[], jsonb, boolean)',
     'perform from sync.subscriptions s where s.name = any (waiting) order by s.name for update;',
     'perform sync.lock_subscription(w) from unnest(waiting) with ordinality as u (w, n) order by n;'),
    ('sync.rewind_subscription(text, bigint, text)',
     'from sync.count_events_for(of_name, first, held.position, 10001) c;',
     'from sync.count_events_for(of_name, first, sync.farthest_of(held), 10001) c;
  update sync.shares h set replay_until = greatest(h.replay_until, h.position), position = first - 1
  where h.subscription = of_name and first <= h.position;'),
    ('sync.replay_events(text, bigint, text, uuid, text[], text)',
     'where l between from_position and held.position',
     'where l between from_position and sync.farthest_of(held)'),
    ('sync.replay_events(text, bigint, text, uuid, text[], text)',
     'where e.key = of_key and e.position between from_position and held.position',
     'where e.key = of_key and e.position between from_position and sync.farthest_of(held)'),
    ('sync.replay_events(text, bigint, text, uuid, text[], text)',
     'where e.position between from_position and held.position and e.type',
     'where e.position between from_position and sync.farthest_of(held) and e.type'),
    ('sync.replay_events(text, bigint, text, uuid, text[], text)',
     'where sync.may_read(held.app, e.audience) and',
     'where e.position <= sync.position_for(held, e.key, e.customer) and sync.may_read(held.app, e.audience) and'),
    ('sync.drop_oldest_partition(interval, text[])',
     'update sync.subscriptions s set position',
     'update sync.shares h set position = drop_oldest_partition.last where h.position < drop_oldest_partition.last;
  update sync.subscriptions s set position'),
    ('sync.delete_old_events(interval, integer, text[])',
     'lock table sync.subscriptions, sync.parked in share row exclusive mode;
  perform from sync.subscriptions s where s.name = any (force) for update;',
     'lock table sync.shares, sync.subscriptions, sync.parked in share row exclusive mode;
  perform sync.lock_subscription(f) from unnest(force) f;'),
    ('sync.delete_old_events(interval, integer, text[])',
     'update sync.subscriptions s set position = delete_old_events.last
',
     'update sync.shares h set position = delete_old_events.last
  from (select b.subscription, b.share from sync.shares b where b.position < delete_old_events.last for update skip locked) f
  where h.subscription = f.subscription and h.share = f.share;
  update sync.subscriptions s set position = least(delete_old_events.last,
    (select min(h.position) from sync.shares h where h.subscription = s.name))
')) as c (function, was, becomes) loop
    known := pg_get_functiondef(change.function::regprocedure);
    if length(known) - length(replace(known, change.was, '')) <> length(change.was) then
      raise exception '% does not say once: %', change.function, change.was;
    end if;
    execute replace(known, change.was, change.becomes);
  end loop;
end $$;

call platform.classify_columns('sync.subscriptions', technical => 'shares layout layout_by');
call platform.classify('sync.shares', null, 'keep', 'The positions of a reader of the log.',
  technical => 'subscription share position replay_until reader moved_at');
call platform.classify('sync.readers', null, 'keep', 'Which processes run, for seconds.',
  technical => 'subscription reader joined_at leased_until');
