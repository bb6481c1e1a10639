-- The house rules: closed defaults, the schemas, the caller's identity, and the one way to protect a table.

-- Only the global form works: "in schema …" can add to the built-in defaults but never takes away from them.
alter default privileges revoke execute on functions from public;
alter default privileges revoke usage on types from public;

create schema crm;
create schema support;
create schema sync;

grant usage on schema platform, crm, sync to foundation_role, support_role;
-- Foundation has no usage on support: what happens in a chat reaches the CRM as activities.
grant usage on schema support to support_role;
grant usage on schema platform, sync to sync_role;

grant select (number, name, applied_at) on platform.migrations to foundation_role, support_role, sync_role;
create policy apps_read on platform.migrations for select to foundation_role, support_role, sync_role using (true);

-- Functions in the `return` form are bound to their operators when they are created: no search_path can redirect them, and they inline.

-- The app is read off the login, which the client cannot change, never off a setting, which it can. A login in none of the roles, or in
-- several of them (as a superuser is), belongs to no app.
create function platform.current_app() returns text
language sql stable
return case
  pg_has_role(session_user, 'foundation_role', 'USAGE')::integer + 2 * pg_has_role(session_user, 'support_role', 'USAGE')::integer
    + 4 * pg_has_role(session_user, 'sync_role', 'USAGE')::integer + 8 * pg_has_role(session_user, 'privacy_role', 'USAGE')::integer
  when 1 then 'foundation' when 2 then 'support' when 4 then 'sync' when 8 then 'privacy' else 'operator' end;
grant execute on function platform.current_app() to foundation_role, support_role, sync_role;

-- The person for whom the app acts. The app sets it for one transaction and could set anything: keep session_user beside it.
create function platform.current_actor() returns text
language sql stable
return nullif(current_setting('aether.actor', true), '');
grant execute on function platform.current_actor() to foundation_role, support_role;

-- Row security is forced, so that the owner passes through a policy as well, and a grant made too early opens nothing.
create procedure platform.protect_table(target regclass)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table %s enable row level security, force row level security', target);
  execute format('create policy owner_all on %s to platform_owner using (true) with check (true)', target);
end $$;

-- The rule for every short line that a person writes: no control characters, no blank ends, a length in characters.
create function platform.is_line(value text, characters_max integer) returns boolean
language sql immutable parallel safe
return char_length(value) between 1 and characters_max and value !~ '[\x01-\x1f\x7f]|^\s|\s$';
grant execute on function platform.is_line(text, integer) to foundation_role, support_role;

-- PostgreSQL accepts years before Christ and infinity. The apps would answer them with an endless page or with an error, so every time
-- and every day that a login may write is bounded by one of these.
create function platform.is_time(value timestamptz) returns boolean
language sql immutable parallel safe
return value >= timestamptz '1900-01-01 00:00:00+00' and value < timestamptz '3000-01-01 00:00:00+00';
create function platform.is_day(value date) returns boolean
language sql immutable parallel safe
return value >= date '1900-01-01' and value < date '3000-01-01';
grant execute on function platform.is_time(timestamptz), platform.is_day(date) to foundation_role, support_role;

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
