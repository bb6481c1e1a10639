-- The house rules: closed defaults, the schemas, the caller's identity, and the one way to protect a table.

-- Only the global form works: "in schema …" can add to the built-in defaults but never takes away from them.
alter default privileges revoke execute on functions from public;
alter default privileges revoke usage on types from public;

create schema crm;
create schema support;
create schema sync;

grant usage on schema platform, sync to app_role;
grant usage on schema crm to foundation_role, support_role;
-- Foundation has no usage on support: what happens in a chat reaches the CRM as activities.
grant usage on schema support to support_role;
grant usage on schema platform, sync to sync_role;

grant select (number, name, applied_at, breaks_apps_below) on platform.migrations to app_role, sync_role;
create policy apps_read on platform.migrations for select to app_role, sync_role using (true);

-- Functions in the `return` form are bound to their operators when they are created: no search_path can redirect them, and they inline.

-- The person for whom the app acts. The app sets it for one transaction and could set anything, so a record of it keeps session_user as
-- well.
create function platform.current_actor() returns text
language sql stable
return nullif(current_setting('aether.actor', true), '');
grant execute on function platform.current_actor() to app_role;

-- Row security is forced: the owner needs a policy as well, and a grant that is made before its policy opens nothing.
create procedure platform.protect_table(target regclass)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table %s enable row level security, force row level security', target);
  execute format('create policy owner_all on %s to platform_owner using (true) with check (true)', target);
end $$;

-- The apps. docs/third-app.md adds one. A trigger writes the functions below from these rows, so that a policy, a default and a check get
-- expressions that PostgreSQL inlines: a query of this table in each of them would cost every write of every app.
create table platform.apps (
  name text collate "C" primary key check (name ~ '^[a-z][a-z0-9_]{1,31}$'),
  role name not null unique check (role ~ '^[a-z][a-z0-9_]{1,62}$'),
  audience text collate "C" not null unique check (audience ~ '^[a-z][a-z0-9_]{1,62}$' and audience not in ('platform', 'own')),
  created_at timestamptz not null default now(),
  -- An app publishes events that begin with its name: it must not speak for the database, nor for the services of the house.
  constraint apps_name_free check (name not in ('platform', 'sync', 'privacy', 'operator', 'customer', 'address', 'phone', 'company',
    'user', 'deal', 'contact', 'activity', 'custom_value', 'session', 'message', 'entry', 'call', 'tier'))
);
comment on table platform.apps is 'The apps of this house. An app is never removed, because its records and events carry its name.';
comment on column platform.apps.role is 'The role of the app''s login; a member of app_role.';
comment on column platform.apps.audience is
  'The app sees the events of this audience and those for everybody. Usually the name of its schema.';
call platform.protect_table('platform.apps');
create policy apps_read on platform.apps for select to app_role using (true);
-- Writes are absent: the owner adds an app.
grant select on platform.apps to app_role;

-- Writes what depends on the apps:
--   current_app()      the app of the login. It does not depend on a setting, because a client can change settings. A login in none of
--                      the roles, or in several of them (as a superuser is), belongs to no app. The login of trials has no rights
--                      at all but to have one statement tried and taken back, as the app that it names: docs/access.md.
--   is_app(name)       whether there is such an app; for checks, see is_line
--   audience_of(name)  the audience of an app; null if there is no such app
create procedure platform.write_app_functions()
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  memberships text;
  names text;
  app_names text;
  audiences text;
begin
  select string_agg(format('%s * pg_has_role(session_user, %L, ''USAGE'')::integer', 1::bigint << n, w.role), ' + ' order by n),
         string_agg(format('when %s then %L', 1::bigint << n, w.name), ' ' order by n)
  into memberships, names
  from (select b.name, b.role, (row_number() over (order by b.rank, b.name collate "C") - 1)::integer as n
        from (select a.name, a.role, 1 as rank from platform.apps a
              union all values ('sync', 'sync_role', 0), ('privacy', 'privacy_role', 0)) b) w;
  select coalesce(string_agg(quote_literal(a.name), ', ' order by a.name), 'null'),
         coalesce(string_agg(format('when %L then %L', a.name, a.audience), ' ' order by a.name), 'when null then null')
  into app_names, audiences from platform.apps a;
  execute format('create or replace function platform.current_app() returns text language sql stable
    return case %s %s else case session_user when ''simulator_app''
      then coalesce(nullif(current_setting(''aether.trial'', true), ''''), ''operator'') else ''operator'' end end', memberships, names);
  execute format('create or replace function platform.is_app(name text) returns boolean language plpgsql immutable parallel safe
    set search_path = pg_catalog, pg_temp as $body$ begin return name in (%s); end $body$', app_names);
  execute format('create or replace function platform.audience_of(app text) returns text language sql immutable parallel safe
    return case app %s end', audiences);
end $$;

create function platform.follow_apps() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare unfit name;
begin
  select a.role into unfit from platform.apps a
  where to_regrole(a.role) is null or not pg_has_role(a.role, 'app_role', 'USAGE') limit 1;
  if found then
    raise exception 'the role % is no member of app_role', unfit using errcode = 'undefined_object',
      hint = format(
        'As the server''s administrator: create role %1$I nologin; grant app_role to %1$I with inherit true, set false;', unfit);
  end if;
  call platform.write_app_functions();
  return null;
end $$;
create trigger follow_apps after insert or update on platform.apps for each statement execute function platform.follow_apps();

create function platform.keep_app() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'an app keeps its name and its audience, and is not removed' using errcode = 'restrict_violation',
    hint = 'Take its login away instead: what it has written and published stays.';
end $$;
create trigger keep_app before delete on platform.apps for each row execute function platform.keep_app();
create trigger keep_app_name before update of name, audience on platform.apps for each row
  when ((new.name, new.audience) is distinct from (old.name, old.audience)) execute function platform.keep_app();

insert into platform.apps (name, role, audience) values
  ('foundation', 'foundation_role', 'crm'), ('support', 'support_role', 'support'), ('console', 'console_role', 'console');
grant execute on function platform.current_app(), platform.is_app(text), platform.audience_of(text) to app_role, sync_role;

-- The collation of what people sort: names and labels. The order is that of the Unicode root collation, the same on every server, whatever
-- the locale of its databases: anna, Anna, Åse, Zoe. It is deterministic, so "=" compares bytes. ICU's rules change with its version:
-- see database/letters.ts.
create collation platform.people (provider = icu, locale = 'und', deterministic = true);

-- The rule for every short line that a person writes: no control characters, no blank ends, a length in characters. The collation says
-- what a blank is, so that every server says the same.
-- This function and the others that checks call are plpgsql on purpose. PostgreSQL plans the checks of a table again for every statement
-- that writes to it, whatever its columns. It inlines an SQL function at that point, which took a fifth of the time of an update of a
-- customer (bench/updates.ts). It calls a plpgsql function, which keeps its plan.
create function platform.is_line(value text, characters_max integer) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return char_length(value) between 1 and characters_max and value collate pg_catalog.pg_c_utf8 !~ '[\x01-\x1f\x7f]|^\s|\s$';
end $$;
grant execute on function platform.is_line(text, integer) to app_role;

-- PostgreSQL accepts years before Christ and infinity. The apps would answer them with an endless page or with an error, so every time
-- and every day that a login may write is bounded by one of these.
create function platform.is_time(value timestamptz) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return value >= timestamptz '1900-01-01 00:00:00+00' and value < timestamptz '3000-01-01 00:00:00+00';
end $$;
create function platform.is_day(value date) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return value >= date '1900-01-01' and value < date '3000-01-01';
end $$;
grant execute on function platform.is_time(timestamptz), platform.is_day(date) to app_role;

-- Optimistic locking: a caller that read version n may write n + 1. A write that changes nothing keeps its version.
create function platform.count_version() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new is distinct from old then
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $$;
-- Trigger functions have no execute grants: firing one needs none.
