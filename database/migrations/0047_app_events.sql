-- Each row grants one app one type of event about another app's records: that a deal was closed, or opened again.
-- The database writes an event for each app with the grant, for the audience of that app, when it happens. So every way in (SQL, HTTP,
-- webhooks, Service Bus) shows it by the rule that there is, and an app with the right to amounts gets another event than one without.
create table platform.app_events (
  app text collate "C" not null references platform.apps,
  type text collate "C" not null check (type in ('deal.closed', 'deal.reopened')),
  with_amounts boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  primary key (app, type)
);
comment on table platform.app_events is 'The events of other apps'' records that an app is told of from now on.';
comment on column platform.app_events.with_amounts is 'They carry the amount and the currency of the deal.';
call platform.protect_table('platform.app_events');
create policy apps_read on platform.app_events for select to app_role using (true);
-- Writes are absent: the owner grants them, as it adds an app.
grant select on platform.app_events to app_role;
call platform.classify('platform.app_events', null, 'keep', 'Which app is told of what.', technical => 'app type with_amounts created_at');

-- As the owner, because no app writes into the log. Beside the event of the deal itself it has no version: it is not a change of a row. Its
-- key and its customer are those of the deal, so that it comes in order.
create function crm.tell_of_closing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  told constant text := case tg_op when 'INSERT' then 'deal.closed' else 'deal.reopened' end;
  d crm.deals;
begin
  if not exists (select from platform.app_events g where g.type = told) then return null; end if;
  select * into strict d from crm.deals o where o.id = new.deal_id;
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, audience, app, login, actor, data, trace)
  select told, 'deal:' || d.id, d.customer_id, d.id::text, a.audience, platform.current_app(), session_user, platform.current_actor(),
    jsonb_build_object('id', d.id, 'customer_id', d.customer_id, 'outcome', new.outcome, 'version', d.version)
      || case told when 'deal.closed' then jsonb_build_object('tier', new.given_tier, 'previous_tier', new.previous_tier) else '{}' end
      || case when g.with_amounts then jsonb_build_object('amount', d.amount, 'currency', d.currency) else '{}' end,
    nullif(left(current_setting('aether.trace', true), 255), '')
  from platform.app_events g join platform.apps a on a.name = g.app
  where g.type = told;
  perform sync.ring();
  return null;
end $$;
-- After close_deal, which gives the deal its status.
create trigger tell_of_closing after insert on crm.deal_closings for each row execute function crm.tell_of_closing();
create trigger tell_of_reopening after update on crm.deal_closings
  for each row when (old.reopened_at is null and new.reopened_at is not null) execute function crm.tell_of_closing();

-- An app may name in subscriptions and webhooks what it was granted.
create or replace function sync.list_vain_types(types text[], out type text, out reason text) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select t.type, case when e.name is null then 'does not exist' else 'is not shown to ' || platform.current_app() end
  from unnest(types) t (type)
    left join sync.entities e on t.type in (e.name || '.created', e.name || '.updated', e.name || '.deleted')
      or e.name = 'customer' and t.type in ('customer.merged', 'customer.unmerged', 'customer.erased')
      or e.name = 'deal' and t.type in ('deal.closed', 'deal.reopened')
  where not exists (select from platform.app_events g where g.app = platform.current_app() and g.type = t.type)
    and case when e.name is null
        then t.type !~ '\.[a-z]' or not exists (select from platform.apps a where starts_with(t.type, a.name || '.'))
        else t.type in ('deal.closed', 'deal.reopened') or not sync.may_read(platform.current_app(), e.audience) end;
end;
do $$
declare
  former constant text := pg_get_functiondef('sync.add_webhook(text, text, text, text[], text, text)'::regprocedure);
  present constant text := replace(former, '  where case when e.name is null',
    E'  where not exists (select from platform.app_events g where g.app = of_app and g.type = t.type)\n    and case when e.name is null');
begin
  if present = former then raise exception 'sync.add_webhook has another form'; end if;
  execute present;
end $$;
