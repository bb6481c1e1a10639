-- What the console shows of webhooks and apps: the last attempts of each webhook, a change of its address or types, and a message that
-- tries its receiver. The worker alone reads secrets, so it sends that message: the console asks for it. See docs/webhooks.md.
create table sync.webhook_attempts (
  webhook text collate "C" not null references sync.webhooks on delete cascade,
  id bigint generated always as identity,
  at timestamptz not null,
  kind text collate "C" not null check (kind in ('event', 'replay', 'test')),
  position bigint check ((position is null) = (kind = 'test')),
  type text collate "C" not null check (octet_length(type) <= 200),
  outcome text collate "C" not null check (outcome in ('taken', 'gone', 'refused', 'unreachable')),
  code text collate "C" not null check (octet_length(code) <= 200),
  took_ms integer not null check (took_ms >= 0),
  primary key (webhook, id)
);
comment on table sync.webhook_attempts is 'The last attempts of each webhook: fifty that were taken, and fifty that were not.';
comment on column sync.webhook_attempts.code is 'The status of the answer, or why there was none; nothing that the receiver said.';
call platform.protect_table('sync.webhook_attempts');
create policy looks_read on sync.webhook_attempts for select to sync_role, console_role using (true);
create policy worker_writes on sync.webhook_attempts for insert to sync_role with check (true);
create policy worker_removes on sync.webhook_attempts for delete to sync_role using (true);
grant select on sync.webhook_attempts to sync_role, console_role;
grant insert (webhook, at, kind, position, type, outcome, code, took_ms), delete on sync.webhook_attempts to sync_role;
call platform.classify('sync.webhook_attempts', null, 'keep', 'How the last messages to apps were answered.',
  technical => 'webhook id at kind position type outcome code took_ms');

alter table sync.webhooks add column test_asked_at timestamptz;
comment on column sync.webhooks.test_asked_at is 'Somebody asks to try the receiver. A worker clears it and sends; after ten minutes none.';
grant update (test_asked_at) on sync.webhooks to sync_role;
call platform.classify_columns('sync.webhooks', technical => 'test_asked_at');

-- The console sees how many secrets a webhook has and until when, and none of them.
create policy console_counts on sync.webhook_secrets for select to console_role using (true);
grant select (webhook, created_at, ends_at) on sync.webhook_secrets to console_role;

create index operations_of_webhook on sync.operations ((scope ->> 'webhook'), id) where scope ? 'webhook';

-- The types of events that an app may see, as far as the database itself publishes them. What apps publish is in the log.
create function sync.list_visible_types(of_app text) returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select e.name || v.verb from sync.entities e cross join unnest('{.created,.updated,.deleted}'::text[]) v (verb)
  where sync.may_read(of_app, e.audience)
  union select t.type from unnest('{customer.merged,customer.unmerged,customer.erased}'::text[]) t (type)
  union select g.type from platform.app_events g where g.app = of_app
  order by 1;
end;

-- The types as a webhook keeps them. Refuses those that its app may not see, and those that nobody publishes.
create function sync.require_webhook_types(of_app text, of_types text[]) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  vain text;
  kept constant text[] := array(select distinct t collate "C" from unnest(of_types) t order by 1);
begin
  if cardinality(kept) not between 1 and 50 then
    raise exception 'a webhook has 1 to 50 types' using errcode = 'invalid_parameter_value';
  end if;
  select string_agg(t.type, ', ') into vain
  from unnest(kept) t (type)
  where t.type not in (select sync.list_visible_types(of_app))
    and (exists (select from sync.entities e where split_part(t.type, '.', 1) = e.name)
      or t.type !~ '\.[a-z]' or not exists (select from platform.apps a where starts_with(t.type, a.name || '.')));
  if vain is not null then
    raise exception '% may not see, or nobody publishes, %', of_app, vain using errcode = 'invalid_parameter_value';
  end if;
  return kept;
end $$;

create or replace function sync.add_webhook(of_name text, of_app text, to_url text, of_types text[], with_secret text, reason text)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  head bigint;
  kept text[];
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
  if exists (select from sync.webhooks w where w.name = of_name) then
    raise exception 'there is a webhook % already', of_name using errcode = 'object_not_in_prerequisite_state';
  end if;
  kept := sync.require_webhook_types(of_app, of_types);
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

-- Holds the row of a webhook, not its subscription: a step under way, which may be posting to the address that is wrong, is not
-- waited for.
create function sync.hold_webhook(of_name text) returns sync.webhooks
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform sync.require_operator();
  perform from sync.webhooks w where w.name = of_name for no key update;
  return sync.find_webhook(of_name, false);
end $$;

-- Another address, other types, or both. The worker sees it within seconds and goes on at the same place. The record has the host alone:
-- the rest of an address may be secret.
create function sync.change_webhook(of_name text, to_url text, of_types text[], reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook constant sync.webhooks := sync.hold_webhook(of_name);
  address constant text := coalesce(to_url, hook.url);
  kept constant text[] := case when of_types is null then hook.types else sync.require_webhook_types(hook.app, of_types) end;
  outcome constant jsonb := jsonb_build_object('url_changed', address <> hook.url, 'types_changed', kept <> hook.types);
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  if address = hook.url and kept = hook.types then
    raise exception 'the webhook % has this address and these types already', of_name using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.webhooks w set url = address, types = kept,
    failing_since = case when w.url = address then w.failing_since end,
    failure = case when w.url = address then w.failure end
  where w.name = of_name;
  return outcome || jsonb_build_object('operation', sync.record_operation('webhook.change',
    jsonb_build_object('webhook', of_name, 'types', kept, 'host', substring(address from '^https?://([^/?#]+)')), btrim(reason), outcome));
end $$;

-- Asks the worker to send a message that says nothing, also while the webhook is disabled.
create function sync.test_webhook(of_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hook constant sync.webhooks := sync.hold_webhook(of_name);
  asked constant timestamptz := clock_timestamp();
begin
  if reason is not null then perform sync.require_reason(reason); end if;
  update sync.webhooks w set test_asked_at = asked where w.name = hook.name;
  return jsonb_build_object('asked_at', asked, 'operation', sync.record_operation('webhook.test',
    jsonb_build_object('webhook', hook.name), btrim(reason), jsonb_build_object('asked_at', asked)));
end $$;

grant execute on function sync.change_webhook(text, text, text[], text), sync.test_webhook(text, text), sync.list_visible_types(text)
  to sync_role, console_role;
