-- Who has acknowledged an erasure, and whether its clean-up comes to an end.
--
-- Whether a subscriber is past customer.erased is read from the log, which is cut by its age. So what the log says is written down here:
-- whenever the worker looks for old events, before it removes any (sync/worker/retention.ts). After the cut the record alone counts. A
-- subscription that was made to lose the event by force has not acknowledged it, and one that was made later was never told.

create table platform.erasure_acknowledgements (
  erasure uuid not null,
  kind text collate "C" not null check (kind in ('subscription', 'consumer')),
  name text collate "C" not null,
  acknowledged_at timestamptz,
  primary key (erasure, kind, name)
);
comment on table platform.erasure_acknowledgements is
  'Who was told of an erasure. No references: it outlives the subscription and the event.';
comment on column platform.erasure_acknowledgements.acknowledged_at is 'When the record of it was written; null: not yet, or never.';
alter table platform.erasures add position bigint, add settled_at timestamptz;
comment on column platform.erasures.position is 'Of the last customer.erased in the log; null until it is numbered.';
comment on column platform.erasures.settled_at is 'When everybody who was told had acknowledged: nothing is looked up any more.';
create index erasures_unsettled on platform.erasures (erased_at) where settled_at is null and state <> 'asked';

call platform.protect_table('platform.erasure_acknowledgements');
call platform.classify('platform.erasure_acknowledgements', null, 'keep', 'A part of the receipt: names of apps.',
  technical => 'erasure kind name acknowledged_at');
call platform.classify_columns('platform.erasures', technical => 'position settled_at');
-- Grants are absent: platform.list_receipts reads it, and the function below writes it.

-- Who of those who read the log has been told of an erasure whose events are in it, and has acknowledged.
create function platform.acknowledgements_of(
  people uuid[], out kind text, out name text, out told boolean, out acknowledged boolean, out "position" bigint) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with told as materialized (
    select max(v.position) as position, array_agg(v.id) as ids, count(*) as told from sync.events v
    where v.key = any (people::text[]) and v.type = 'customer.erased' and v.customer = any (people))
  select 'subscription', s.name::text, s.types is null or 'customer.erased' = any (s.types),
    coalesce(s.position >= told.position and not exists (
      select from sync.parked k where k.subscription = s.name and k.customer = any (people)), false), told.position
  from sync.subscriptions s, told
  union all
  select 'consumer', c.name::text, true, told.told > 0 and (
    select count(*) from sync.consumer_effects f
    where f.event = any (told.ids) and f.consumer = c.name and f.state = 'handled') >= told.told, told.position
  from sync.consumers c, told
  union all
  -- So that the position is there without any subscriber.
  select null as kind, null as name, null::boolean as told, null::boolean as acknowledged, told.position from told;
end;

-- Writes down what the log says of the erasures that are not settled. Returns how many acknowledgements are new.
create function platform.keep_acknowledgements() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  written bigint;
begin
  with unsettled as materialized (
    select e.id, e.state, a.kind, a.name, a.told, a.acknowledged, a.position
    from platform.erasures e cross join lateral platform.acknowledgements_of(e.people) a
    where e.settled_at is null and e.state <> 'asked' and a.position is not null),
  seen as (
    update platform.erasures e set position = u.position, settled_at = u.settled_at
    from (select o.id, max(o.position) as position,
        case when min(o.state) = 'clean' and bool_and(o.acknowledged or not coalesce(o.told, false)) then clock_timestamp() end
          as settled_at
      from unsettled o group by o.id) u
    where e.id = u.id and (e.position is distinct from u.position or u.settled_at is not null)),
  kept as (
    insert into platform.erasure_acknowledgements as k (erasure, kind, name, acknowledged_at)
    select u.id, u.kind, u.name, case when u.acknowledged then clock_timestamp() end from unsettled u where u.told
    on conflict (erasure, kind, name) do update set acknowledged_at = excluded.acknowledged_at
    where k.acknowledged_at is null and excluded.acknowledged_at is not null
    returning k.acknowledged_at)
  select count(*) filter (where k.acknowledged_at is not null) into written from kept k;
  return written;
end $$;
grant execute on function platform.keep_acknowledgements() to sync_role;

-- Receipts, the newest first. A subscriber has acknowledged when it is past the events of the erasure and none of them waits; a consumer
-- over Service Bus when it has reported them as handled. A subscriber that does not read customer.erased is not told.
create or replace function platform.list_receipts(of_customer uuid default null, before uuid default null, rows_max integer default 100)
returns setof jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object('erasure', e.id, 'customer', e.customer_id, 'people', to_jsonb(e.people), 'reason', e.reason, 'state', e.state,
    'askedBy', e.asked_by, 'askedAt', e.asked_at, 'erasedBy', e.erased_by, 'erasedAt', e.erased_at, 'cleanAt', e.clean_at,
    'tables', coalesce((select jsonb_agg(x.value - 'why' - 'stays') from jsonb_array_elements(e.report -> 'tables') x
      where x.value ->> 'act' <> 'keep'), '[]'),
    'kept', coalesce((select jsonb_agg(x.value - 'act') from jsonb_array_elements(e.report -> 'tables') x
      where x.value ->> 'act' <> 'delete'), '[]'),
    'events', e.report -> 'events', 'addresses', e.report -> 'addresses', 'numbers', e.report -> 'numbers',
    'files', e.report -> 'files', 'position', coalesce(subscribers.position, e.position),
    'subscribers', case when e.state <> 'asked' then subscribers.list else '[]' end,
    'webhooks', 'Each webhook is a subscription, and stands among the subscribers.',
    'backupsExpireOn', e.erased_at::date + (select s.backups_kept_days from platform.privacy_settings s))
  from platform.erasures e
    cross join lateral (
      select max(n.position) as position,
        coalesce(jsonb_agg(jsonb_build_object('kind', n.kind, 'name', n.name, 'told', n.told,
          'acknowledged', n.told and n.acknowledged) order by n.kind, n.name) filter (where n.kind is not null and n.is_of_it), '[]')
          as list
      from (
        select coalesce(a.kind, k.kind) as kind, coalesce(a.name, k.name) as name, k.name is not null or a.told as told,
          k.acknowledged_at is not null or coalesce(a.acknowledged, false) as acknowledged, a.position,
          -- One that came after the events were cut was never told.
          k.name is not null or not a.told or a.position is not null or e.position is null as is_of_it
        from platform.acknowledgements_of(e.people) a
          full join (select x.kind, x.name, x.acknowledged_at from platform.erasure_acknowledgements x where x.erasure = e.id) k
            on k.kind = a.kind and k.name = a.name) n) subscribers
  where (of_customer is null or of_customer = any (e.people) or of_customer = e.customer_id) and (before is null or e.id < before)
  order by e.id desc limit least(greatest(rows_max, 1), 1000);
end;

-- Whether clean-ups come to an end. The worker does what was left open for a while, if it has the login.
insert into sync.health_limits (name, value, meaning) values
  ('clean_up_seconds', 3600, 'The clean-up of an erasure has been open for so long.');

create function sync.check_erasures() returns setof sync.check_row
language sql volatile
begin atomic
  with w as materialized (
    select count(*) filter (where p.report #>> '{clean_ups,has_login}' = 'true') as able,
      max(sync.word_in(p.report, '{clean_ups,error}')) as error
    from sync.list_processes() p where p.state = 'live' and p.report ? 'clean_ups'),
  n as materialized (
    select count(*) as open, extract(epoch from clock_timestamp() - min(o.erased_at))::double precision as seconds
    from (select e.erased_at from platform.erasures e where e.state = 'erased' order by e.erased_at limit 10001) o)
  select 'erasures', 'erasures',
    case when n.open > 0 and w.error is not null then 'failing'
      when n.seconds > sync.health_limit('clean_up_seconds') then 'warning' else 'ok' end,
    case when n.open = 0 then 'No erasure waits for its clean-up.'
      when w.error is not null then 'The clean-up of erasures fails (' || w.error || '): '
      when n.seconds > sync.health_limit('clean_up_seconds') and w.able = 0
        then 'No worker has the login that cleans up (PRIVACY_APP_URL): '
      else '' end
      || case when n.open = 0 then '' else sync.say_count(n.open)
        || case n.open when 1 then ' erasure waits' else ' erasures wait' end || ' for the clean-up, the oldest for '
        || sync.say_seconds(n.seconds) || '.' end,
    jsonb_strip_nulls(jsonb_build_object('open', n.open, 'oldest_seconds', round(n.seconds)))
  from w, n;
end;
insert into sync.health_sources (function_name, gives) values ('sync.check_erasures', 'checks');
