-- Webhooks: an app elsewhere is told of events by signed requests. They are thin: position, type and ids, nothing of a person. The worker
-- delivers each as a subscription of its own, sync.webhook.<name>, so that order, retries, parked events, replays and checks are those of
-- every subscription. See sync/webhooks/ and docs/webhooks.md.
create table sync.webhooks (
  name text collate "C" primary key check (name ~ '^[a-z][a-z0-9_]*\.[a-z0-9_.-]{1,40}$' and char_length(name) <= 60),
  app text collate "C" not null references platform.apps,
  url text not null check (octet_length(url) <= 2000 and url ~ '^https?://[!-~]+$'),
  types text[] not null check (cardinality(types) between 1 and 50),
  created_at timestamptz not null default clock_timestamp(),
  delivered_at timestamptz,
  failing_since timestamptz,
  failure text check (octet_length(failure) <= 200),
  disabled_at timestamptz,
  disabled_reason text,
  is_given_up boolean not null default false,
  -- Where it goes on when it is enabled again.
  disabled_position bigint,
  check ((disabled_at is null) = (disabled_reason is null) and (disabled_at is null) = (disabled_position is null)),
  check (not is_given_up or disabled_at is not null),
  -- Otherwise one app could take the name that another one wants.
  constraint webhooks_name_of_app check (starts_with(name, app || '.'))
);
create index on sync.webhooks (app);
comment on table sync.webhooks is 'Addresses that are told of events. Whoever may see an event decides its audience: see sync.may_read.';
comment on column sync.webhooks.failing_since is 'When the first delivery failed since the last one that did not.';
comment on column sync.webhooks.failure is 'Why the last delivery failed: a code or a status, nothing that the receiver said.';
comment on column sync.webhooks.is_given_up is 'The worker has disabled it, because it failed for too long or is gone.';

create table sync.webhook_secrets (
  webhook text collate "C" not null references sync.webhooks on delete cascade,
  secret text collate "C" not null check (secret ~ '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$'),
  created_at timestamptz not null default clock_timestamp(),
  ends_at timestamptz,
  primary key (webhook, secret)
);
comment on table sync.webhook_secrets is 'While one is replaced, a message has two signatures. Only the worker reads them.';

call platform.protect_table('sync.webhooks');
call platform.protect_table('sync.webhook_secrets');
create policy looks_read on sync.webhooks for select to sync_role, console_role using (true);
create policy worker_writes on sync.webhooks for update to sync_role using (true) with check (true);
create policy worker_reads on sync.webhook_secrets for select to sync_role using (true);
grant select on sync.webhooks to sync_role, console_role;
grant update (delivered_at, failing_since, failure) on sync.webhooks to sync_role;
grant select on sync.webhook_secrets to sync_role;

insert into sync.health_limits (name, value, meaning) values
  ('webhook_seconds', 300, 'No delivery to a webhook has succeeded for so long, and some have failed.'),
  ('webhook_disable_hours', 72, 'A webhook to which no delivery has succeeded for so long is disabled.');

-- The webhook of this name. To end or begin its deliveries, its subscription is held first: a step that holds it writes down in the
-- webhook's row how a delivery went. Whoever held the row and waited for the step would be waited for.
create function sync.find_webhook(of_name text, holds boolean) returns sync.webhooks
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  found_hook sync.webhooks;
begin
  perform sync.require_operator();
  if holds then
    perform set_config('lock_timeout', '10s', true);
    perform from sync.subscriptions s where s.name = 'sync.webhook.' || of_name for update;
    perform from sync.webhooks w where w.name = of_name for update;
  end if;
  select w.* into found_hook from sync.webhooks w where w.name = of_name;
  if not found then raise exception 'there is no webhook %', of_name using errcode = 'no_data_found'; end if;
  return found_hook;
end $$;

-- Registers a webhook, which begins with the events from now on. The secret is made by the caller, who is the only one to be told.
create function sync.add_webhook(of_name text, of_app text, to_url text, of_types text[], with_secret text, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  vain text;
  head bigint;
  kept constant text[] := array(select distinct t collate "C" from unnest(of_types) t order by 1);
begin
  perform sync.require_operator();
  if reason is not null then perform sync.require_reason(reason); end if;
  if not exists (select from platform.apps a where a.name = of_app) then
    raise exception 'there is no app %', of_app using errcode = 'no_data_found';
  end if;
  if of_name !~ '^[a-z][a-z0-9_]*\.[a-z0-9_.-]{1,40}$' or char_length(of_name) > 60 or not starts_with(of_name, of_app || '.') then
    raise exception 'the name of a webhook is that of its app, a dot, and small letters or digits: billing.tiers'
      using errcode = 'invalid_parameter_value';
  end if;
  if cardinality(kept) not between 1 and 50 then
    raise exception 'a webhook has 1 to 50 types' using errcode = 'invalid_parameter_value';
  end if;
  if exists (select from sync.webhooks w where w.name = of_name) then
    raise exception 'there is a webhook % already', of_name using errcode = 'object_not_in_prerequisite_state';
  end if;
  select string_agg(t.type, ', ') into vain
  from unnest(kept) t (type)
    left join sync.entities e on t.type in (e.name || '.created', e.name || '.updated', e.name || '.deleted')
      or e.name = 'customer' and t.type in ('customer.merged', 'customer.unmerged', 'customer.erased')
  where case when e.name is null
        then t.type !~ '\.[a-z]' or not exists (select from platform.apps a where starts_with(t.type, a.name || '.'))
        else not sync.may_read(of_app, e.audience) end;
  if vain is not null then
    raise exception '% may not see, or nobody publishes, %', of_app, vain using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.webhooks (name, app, url, types) values (of_name, of_app, to_url, kept);
  insert into sync.webhook_secrets (webhook, secret) values (of_name, with_secret);
  head := sync.head();
  insert into sync.subscriptions (name, app, types, position)
  values ('sync.webhook.' || of_name, 'sync', kept, head)
  -- A worker may have begun again what was removed a moment ago.
  on conflict (name) do update set types = excluded.types, position = excluded.position;
  return jsonb_build_object('position', head, 'operation', sync.record_operation('webhook.add',
    jsonb_build_object('webhook', of_name, 'app', of_app, 'types', kept), btrim(reason), jsonb_build_object('position', head)));
end $$;

-- Gives a new secret. Messages are signed with the former one as well for so long; of several former ones only the newest.
create function sync.rotate_webhook_secret(of_name text, with_secret text, former_seconds double precision, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook constant sync.webhooks := sync.find_webhook(of_name, false);
  ends constant timestamptz := clock_timestamp() + make_interval(secs => former_seconds);
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  if former_seconds is null or former_seconds not between 0 and 2592000 then
    raise exception 'the former secret is used for up to thirty days more' using errcode = 'invalid_parameter_value';
  end if;
  delete from sync.webhook_secrets s where s.webhook = hook.name and s.ends_at is not null;
  update sync.webhook_secrets s set ends_at = ends where s.webhook = hook.name;
  insert into sync.webhook_secrets (webhook, secret) values (hook.name, with_secret);
  return jsonb_build_object('former_ends_at', ends, 'operation', sync.record_operation('webhook.rotate',
    jsonb_build_object('webhook', hook.name), btrim(reason), jsonb_build_object('former_ends_at', ends)));
end $$;

-- Takes away a webhook's subscription, which is held, so that the log is not kept for it. Keeps where it was: before the first event that
-- waits.
create function sync.stop_webhook(hook sync.webhooks, why text, given_up boolean) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  place bigint;
begin
  select least(s.position, (select min(p.position) - 1 from sync.parked p where p.subscription = s.name)) into place
  from sync.subscriptions s where s.name = 'sync.webhook.' || hook.name;
  place := coalesce(place, sync.head());
  delete from sync.subscriptions s where s.name = 'sync.webhook.' || hook.name;
  update sync.webhooks w set disabled_at = clock_timestamp(), disabled_reason = why, disabled_position = place, is_given_up = given_up
  where w.name = hook.name;
  return place;
end $$;

create function sync.disable_webhook(of_name text, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook constant sync.webhooks := sync.find_webhook(of_name, true);
  place bigint;
begin
  perform sync.require_reason(reason);
  if hook.disabled_at is not null then
    raise exception 'the webhook % is disabled already', of_name using errcode = 'object_not_in_prerequisite_state';
  end if;
  place := sync.stop_webhook(hook, btrim(reason), false);
  return jsonb_build_object('position', place, 'operation', sync.record_operation('webhook.disable',
    jsonb_build_object('webhook', of_name), btrim(reason), jsonb_build_object('position', place)));
end $$;

-- The worker gives up: nothing could be delivered for webhook_disable_hours, or the receiver says that it is gone for good.
create function sync.give_webhook_up(of_name text, why text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook sync.webhooks;
  place bigint;
begin
  perform from sync.subscriptions s where s.name = 'sync.webhook.' || of_name for update;
  select w.* into hook from sync.webhooks w where w.name = of_name and w.disabled_at is null for update;
  if not found then return false; end if;
  place := sync.stop_webhook(hook, left(why, 200), true);
  perform sync.record_operation('webhook.disable', jsonb_build_object('webhook', of_name), left(why, 200),
    jsonb_build_object('position', place));
  return true;
end $$;

-- Goes on where it was disabled, if the log still has every event since; otherwise from now on. Returns how many positions were missed.
create function sync.enable_webhook(of_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook constant sync.webhooks := sync.find_webhook(of_name, true);
  oldest bigint;
  place bigint;
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  if hook.disabled_at is null then
    raise exception 'the webhook % is not disabled', of_name using errcode = 'object_not_in_prerequisite_state';
  end if;
  select coalesce((select e.position from sync.events e order by e.position limit 1), sync.head() + 1) into oldest;
  place := greatest(hook.disabled_position, oldest - 1);
  insert into sync.subscriptions (name, app, types, position)
  values ('sync.webhook.' || hook.name, 'sync', hook.types, place)
  on conflict (name) do update set types = excluded.types, position = excluded.position;
  update sync.webhooks w set disabled_at = null, disabled_reason = null, disabled_position = null, is_given_up = false,
    failing_since = null, failure = null
  where w.name = hook.name;
  return jsonb_build_object('position', place, 'missed', place - hook.disabled_position, 'operation',
    sync.record_operation('webhook.enable', jsonb_build_object('webhook', of_name), btrim(reason), jsonb_build_object('position', place)));
end $$;

create function sync.remove_webhook(of_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook constant sync.webhooks := sync.find_webhook(of_name, true);
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  delete from sync.subscriptions s where s.name = 'sync.webhook.' || of_name;
  delete from sync.webhooks w where w.name = of_name;
  return jsonb_build_object('app', hook.app, 'operation', sync.record_operation('webhook.remove',
    jsonb_build_object('webhook', of_name), btrim(reason), jsonb_build_object('app', hook.app)));
end $$;

-- A worker that has not heard yet that a webhook is disabled or gone begins its subscription again. When it hears, it takes that away.
create function sync.end_webhook_subscription(of_name text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  delete from sync.subscriptions s
  where s.name = 'sync.webhook.' || of_name
    and not exists (select from sync.webhooks w where w.name = of_name and w.disabled_at is null);
end;

-- Each webhook: does it take what is delivered. How far behind it is, is the check of its subscription.
create function sync.check_webhooks() returns setof sync.check_row
language sql volatile
begin atomic
  with hooks as (
    select w.name, w.disabled_at, w.disabled_reason, w.is_given_up, w.failure,
      coalesce(extract(epoch from clock_timestamp() - w.failing_since), 0)::double precision as failing_seconds
    from sync.webhooks w)
  select 'webhook:' || h.name, 'webhook',
    case when h.is_given_up then 'failing' when h.disabled_at is not null then 'paused'
      when h.failing_seconds > sync.health_limit('webhook_seconds') then 'failing'
      when h.failing_seconds > 0 then 'catching-up' else 'ok' end,
    case when h.disabled_at is not null then 'It is disabled: ' || left(h.disabled_reason, 200)
      when h.failing_seconds > 0 then 'Its receiver has taken nothing for ' || sync.say_seconds(h.failing_seconds)
        || coalesce(' (' || h.failure || ')', '') || '.'
      else 'Its receiver takes what is delivered.' end,
    jsonb_build_object('failing_seconds', h.failing_seconds)
  from hooks h;
end;
insert into sync.health_sources (function_name, gives) values ('sync.check_webhooks', 'checks');

grant execute on function sync.add_webhook(text, text, text, text[], text, text),
    sync.rotate_webhook_secret(text, text, double precision, text), sync.disable_webhook(text, text), sync.enable_webhook(text, text),
    sync.remove_webhook(text, text)
  to sync_role, console_role;
grant execute on function sync.give_webhook_up(text, text), sync.end_webhook_subscription(text) to sync_role;

call platform.classify('sync.webhooks', null, 'keep', 'Which apps are told of events, and where.',
  technical => 'name app url types created_at delivered_at failing_since failure disabled_at disabled_reason is_given_up
    disabled_position');
call platform.classify('sync.webhook_secrets', null, 'keep', 'What messages to apps are signed with.',
  technical => 'webhook secret created_at ends_at');
