-- Who changed what in the settings. One table, and one trigger on every table of settings, so that a change by plain SQL is recorded as
-- one by an app is. A row is a change of one row of a setting; what one transaction did is one act, and lists show it so.
--
-- No secret is recorded: of what can hold one a row says that it changed. Rows of customers are no settings.

create table platform.setting_changes (
  id uuid primary key default uuidv7(),
  -- When its transaction began, and the transaction: together they name the act. A restored database counts its transactions again.
  changed_at timestamptz not null default now() check (platform.is_time(changed_at)),
  transaction xid8 not null default pg_current_xact_id(),
  home text collate "C" not null check (platform.is_app(home)),
  kind text collate "C" not null,
  key text collate "C" not null,
  name text,
  part text collate "C",
  part_name text,
  change text collate "C" not null check (change in ('created', 'changed', 'removed')),
  before jsonb not null default '{}',
  after jsonb not null default '{}',
  hidden text[] collate "C" not null default '{}',
  actor text collate "C" default platform.current_actor(),
  app text collate "C" not null default platform.current_app(),
  login name not null default session_user,
  trace text collate "C" default nullif(left(current_setting('aether.trace', true), 255), ''),
  check ((part is null) <= (part_name is null))
);
comment on table platform.setting_changes is 'What people and logins changed in settings.';
comment on column platform.setting_changes.home is 'The app in which the setting is changed. Only its login reads the row.';
comment on column platform.setting_changes.kind is 'What the setting is, such as widget.';
comment on column platform.setting_changes.key is 'Its key, as text.';
comment on column platform.setting_changes.name is 'What it was called then, after the change.';
comment on column platform.setting_changes.part is 'The part of it that changed and has rows of its own, such as the stage of a pipeline.';
comment on column platform.setting_changes.before is
  'The fields that differ. Of a field that is an object, what differs in it. A reference is the name of what it led to.';
comment on column platform.setting_changes.hidden is 'Fields that changed and may hold a secret: their values are not recorded.';
comment on column platform.setting_changes.actor is 'As the app said; no reference, so that the row outlives the user.';
-- The list of an app, the newest act first; what one person did, and who did anything; and the last change of one setting.
create index setting_changes_of_home on platform.setting_changes (home, changed_at, transaction);
create index setting_changes_of_person on platform.setting_changes (home, actor, changed_at, transaction) where actor is not null;
create index setting_changes_of_setting on platform.setting_changes (home, kind, key, changed_at);
create index setting_changes_by_age on platform.setting_changes (changed_at);
call platform.protect_table('platform.setting_changes');
create policy apps_read on platform.setting_changes for select to app_role using (home = platform.current_app());
-- Writes are absent: the trigger writes, and the retention deletes.
grant select on platform.setting_changes to app_role;
-- What staff call a shared view may be what somebody looked for, as in the views themselves.
call platform.classify('platform.setting_changes', null, 'keep',
  'What staff changed in settings: no row is a customer''s. It goes with the retention of its kind.',
  content => 'name before after', stays => 'name before after',
  technical => 'id changed_at transaction home kind key part part_name change hidden actor app login trace');

-- The name of a setting or of a person; null if there is none. A setting that is deleted goes before its parts: for those it has the
-- name that its last recorded change says.
create function platform.name_of_setting(of_kind text, of_key text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  return coalesce(case of_kind
    when 'user' then (select u.name from platform.users u where u.id = of_key)
    when 'agent' then (
      select u.name from support.agents a join platform.users u on u.id = a.user_id where a.id = of_key::uuid)
    when 'team' then (select t.name from support.teams t where t.id = of_key::uuid)
    when 'widget' then (select w.name from support.widgets w where w.id = of_key::uuid)
    when 'pipeline' then (select p.name from crm.pipelines p where p.id = of_key::bigint)
    -- There is one of each.
    when 'report_settings' then null
    when 'privacy' then null
    else of_key end, (
    select c.name from platform.setting_changes c
    where c.home = case of_kind when 'pipeline' then 'foundation' else 'support' end and c.kind = of_kind and c.key = of_key
      and c.part is null and of_kind in ('team', 'widget', 'pipeline')
    order by c.changed_at desc, c.id desc limit 1));
end $$;

-- Records a change of a row. Its arguments, of which lists have blanks between them:
--   0 the app in which the setting is changed   1 its kind   2 the column of its key   3 that of its name, or nothing
--   4 the part that the row is, or nothing      5 the column that the part is called by
--   6 the recorded columns                      7 those that may hold a secret
--   8 references, such as team_id=team          9 the column without which there is no setting, such as is_shared
create function platform.note_setting() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- A row that is nobody else's business is as none: what becomes one's own again is removed, and what it is then is not recorded.
  old_row constant jsonb := case when tg_op <> 'INSERT' and (tg_argv[9] = '' or to_jsonb(old) ->> tg_argv[9] = 'true')
    then to_jsonb(old) else '{}' end;
  new_row constant jsonb := case when tg_op <> 'DELETE' and (tg_argv[9] = '' or to_jsonb(new) ->> tg_argv[9] = 'true')
    then to_jsonb(new) else '{}' end;
  present constant jsonb := case when new_row = '{}' then old_row else new_row end;
  refers constant jsonb := coalesce((
    select jsonb_object_agg(split_part(r, '=', 1), split_part(r, '=', 2)) from unnest(string_to_array(tg_argv[8], ' ')) r), '{}');
  secret constant text[] := string_to_array(tg_argv[7], ' ');
  was jsonb := '{}';
  becomes jsonb := '{}';
  concealed text[] := '{}';
  field text;
  former jsonb;
  latter jsonb;
begin
  if present = '{}' then return null; end if;
  foreach field in array string_to_array(tg_argv[6], ' ') loop
    former := nullif(old_row -> field, 'null');
    latter := nullif(new_row -> field, 'null');
    continue when former is not distinct from latter;
    if field = any (secret) then
      concealed := concealed || field;
      continue;
    end if;
    if refers ? field then
      former := to_jsonb(coalesce(platform.name_of_setting(refers ->> field, former #>> '{}'), former #>> '{}'));
      latter := to_jsonb(coalesce(platform.name_of_setting(refers ->> field, latter #>> '{}'), latter #>> '{}'));
    elsif field = 'url' then
      -- Whoever knows the path or the query of a webhook's address may be all that its receiver asks for: the host is recorded.
      former := to_jsonb(regexp_replace(former #>> '{}', '^(https?://)([^/?#]*@)?([^/?#]*)(.*)$', '\1\3/…'));
      latter := to_jsonb(regexp_replace(latter #>> '{}', '^(https?://)([^/?#]*@)?([^/?#]*)(.*)$', '\1\3/…'));
      if former = latter then
        concealed := concealed || field;
        continue;
      end if;
    elsif jsonb_typeof(former) = 'object' and jsonb_typeof(latter) = 'object' then
      select jsonb_object_agg(k, former -> k) filter (where former ? k), jsonb_object_agg(k, latter -> k) filter (where latter ? k)
      into former, latter from jsonb_object_keys(former || latter) k where former -> k is distinct from latter -> k;
    end if;
    was := was || case when former is null then '{}' else jsonb_build_object(field, former) end;
    becomes := becomes || case when latter is null then '{}' else jsonb_build_object(field, latter) end;
  end loop;
  if tg_op = 'UPDATE' and was = '{}' and becomes = '{}' and concealed = '{}' then return null; end if;
  insert into platform.setting_changes (home, kind, key, name, part, part_name, change, before, after, hidden)
  values (tg_argv[0], tg_argv[1], present ->> tg_argv[2],
    coalesce(present ->> tg_argv[3], platform.name_of_setting(tg_argv[1], present ->> tg_argv[2])), nullif(tg_argv[4], ''),
    case when refers ? tg_argv[5]
      then coalesce(platform.name_of_setting(refers ->> tg_argv[5], present ->> tg_argv[5]), present ->> tg_argv[5])
      else present ->> tg_argv[5] end,
    case when old_row = '{}' then 'created' when new_row = '{}' then 'removed' else 'changed' end, was, becomes, concealed);
  return null;
end $$;

-- Has the changes of a table recorded. An update of other columns alone does not call the trigger, so that what a process notes beside a
-- setting, such as when a webhook last delivered, costs nothing. Call it again when the table gets a column.
create procedure platform.record_changes(
  of_table regclass, home text, kind text, key text, columns text,
  name text default '', part text default '', part_name text default '', secret text default '', refers text default '',
  only_if text default '')
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  watched constant text := (
    select string_agg(quote_ident(c), ', ') from unnest(string_to_array(nullif(columns, ''), ' ')) c);
begin
  execute format('create or replace trigger note_setting after insert or delete%s on %s for each row
    execute function platform.note_setting(%L, %L, %L, %L, %L, %L, %L, %L, %L, %L)', ' or update of ' || watched, of_table,
    home, kind, key, name, part, part_name, columns, secret, refers, only_if);
end $$;

-- How long it is kept.
insert into platform.retention_rules (kind, days, days_min, days_max, meaning) values
  ('setting_changes', 730, 90, 36500, 'Who changed what in settings so long ago.');

-- Settings of widgets are stored whole, so that a change shows what differs and not what a field was by default.
update support.widgets set settings = jsonb_build_object('language', 'en', 'texts', '{}'::jsonb, 'ask', 'before', 'asks_rating', true)
  || settings || jsonb_build_object('theme', '{"color": "#2456d6", "mode": "auto", "position": "right"}'::jsonb
  || coalesce(settings -> 'theme', '{}'));

-- Foundation. Names and addresses of users come from the directory at each sign-in: nobody changes them here.
call platform.record_changes('platform.users', 'foundation', 'user', 'id', 'role left_at', name => 'name');
call platform.record_changes('platform.tiers', 'foundation', 'tier', 'id', 'key label colour position is_retired', name => 'label');
call platform.record_changes('crm.pipelines', 'foundation', 'pipeline', 'id', 'name is_default', name => 'name');
call platform.record_changes('crm.pipeline_stages', 'foundation', 'pipeline', 'pipeline_id',
  'name position outcome probability_percent', part => 'stage', part_name => 'name');
call platform.record_changes('crm.loss_reasons', 'foundation', 'loss_reason', 'id', 'name position is_retired', name => 'name');
call platform.record_changes('crm.custom_fields', 'foundation', 'custom_field', 'id',
  'record key label type choices is_required position', name => 'label');
call platform.record_changes('crm.tags', 'foundation', 'tag', 'id', 'name colour', name => 'name');
call platform.record_changes('crm.currencies', 'foundation', 'currency', 'code', 'decimals is_withdrawn', name => 'code');
call platform.record_changes('crm.currency_rates', 'foundation', 'currency', 'currency', 'base valid_from rate',
  part => 'rate', part_name => 'valid_from');
call platform.record_changes('crm.report_settings', 'foundation', 'report_settings', 'only_one', 'currency');
-- What somebody looks for may be a customer's name.
call platform.record_changes('crm.saved_views', 'foundation', 'view', 'id', 'owner_id page name query is_shared', name => 'name',
  secret => 'query', refers => 'owner_id=user', only_if => 'is_shared');

-- Support.
call platform.record_changes('support.agents', 'support', 'agent', 'id', 'is_active');
call platform.record_changes('support.widgets', 'support', 'widget', 'id',
  'key name allowed_origins settings is_active team_id ends_after_hours reopens_days', name => 'name', refers => 'team_id=team');
call platform.record_changes('support.widget_agents', 'support', 'widget', 'widget_id', '',
  part => 'agent', part_name => 'agent_id', refers => 'agent_id=agent');
call platform.record_changes('support.widget_secrets', 'support', 'widget', 'widget_id', 'secret retires_at',
  part => 'secret', part_name => 'id', secret => 'secret');
call platform.record_changes('support.chatbots', 'support', 'chatbot', 'id', 'widget_id name rules is_live', name => 'name',
  refers => 'widget_id=widget');
call platform.record_changes('support.teams', 'support', 'team', 'id', 'name assigning open_max hours targets', name => 'name');
call platform.record_changes('support.team_members', 'support', 'team', 'team_id', 'languages',
  part => 'member', part_name => 'agent_id', refers => 'agent_id=agent');
call platform.record_changes('support.canned_answers', 'support', 'canned_answer', 'id', 'shortcut title body', name => 'title');
call platform.record_changes('support.tags', 'support', 'tag', 'id', 'name colour', name => 'name');
call platform.record_changes('support.sharing', 'support', 'sharing', 'what', 'readers', name => 'what');
call platform.record_changes('support.saved_views', 'support', 'view', 'id', 'owner_id name query is_shared', name => 'name',
  secret => 'query', refers => 'owner_id=user', only_if => 'is_shared');

-- Sync Health. What the worker disables is recorded as well, without a person.
call platform.record_changes('platform.apps', 'console', 'app', 'name', 'role audience', name => 'name');
call platform.record_changes('platform.app_clients', 'console', 'app', 'app', 'scopes', part => 'machine', part_name => 'client');
call platform.record_changes('platform.app_events', 'console', 'app', 'app', 'with_amounts', part => 'event', part_name => 'type');
call platform.record_changes('sync.webhooks', 'console', 'webhook', 'name', 'app url types disabled_reason is_given_up', name => 'name');
call platform.record_changes('sync.webhook_secrets', 'console', 'webhook', 'webhook', 'secret ends_at',
  part => 'secret', secret => 'secret');
call platform.record_changes('platform.privacy_settings', 'console', 'privacy', 'only_one', 'two_people backups_kept_days');
call platform.record_changes('platform.retention_rules', 'console', 'retention', 'kind', 'days', name => 'kind');
call platform.record_changes('sync.health_limits', 'console', 'limit', 'name', 'value', name => 'name');

-- The retention removes it.
create policy erase_all on platform.setting_changes to erase_role using (true) with check (true);
grant select, delete on platform.setting_changes to erase_role;
do $$
declare
  former text;
  body text;
  change record;
begin
  for change in select * from (values
    ('platform.step_retention(platform.retention_rules, integer)', $p$  end case;
  has_ended :=$p$, $p$  when 'setting_changes' then
    delete from platform.setting_changes c where c.id in (
      select o.id from platform.setting_changes o where o.changed_at < cutoff order by o.changed_at limit rows_max);
    get diagnostics done = row_count;
    seen := done;
  end case;
  has_ended :=$p$),
    ('platform.preview_retention(text, integer)', $p$  elsif of_kind = 'log' then$p$, $p$  elsif of_kind = 'setting_changes' then
    return query select 'platform.setting_changes', count(*), min(o.changed_at) from (
      select c.changed_at from platform.setting_changes c where c.changed_at < cutoff order by c.changed_at limit rows_max) o;
    return;
  elsif of_kind = 'log' then$p$)) v (name, was, becomes)
  loop
    former := pg_get_functiondef(change.name::regprocedure);
    body := replace(former, change.was, change.becomes);
    if body = former then raise exception '% is not as this migration expects', change.name; end if;
    execute body;
  end loop;
end $$;
