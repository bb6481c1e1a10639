-- Readers: members of staff who see what staff sees and change nothing. The servers refuse them every route that writes
-- (http/staff.ts); the database refuses an app that would give them a record.

alter table platform.users drop constraint users_role_check, add constraint users_role_check check (
  role in ('admin', 'steward', 'user', 'reader'));
comment on column platform.users.role is
  'reader: sees what staff sees, and changes nothing. steward: a user who may also decide about duplicates, merge customers and take merges
apart. admin: a steward who may also administer.';
alter table platform.sign_ins drop constraint sign_ins_role_max_check, add constraint sign_ins_role_max_check check (
  role_max in ('admin', 'user', 'reader'));
comment on column platform.sign_ins.role_max is
  'What the directory allowed at this sign-in: an administrator, no administrator, or a reader only; the role itself is the user''s.';

-- Whoever becomes a reader has no conversation any more and decides about no pair. What they have in the CRM stays theirs: an administrator
-- gives it to others. The agent's row is written first, even if nothing changes in it: that waits for a transaction that gives them a
-- conversation at this moment.
create function platform.let_read() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update support.agents a set availability = 'offline' where a.user_id = new.id;
  update support.sessions s set agent_id = null, snoozed_until = null
  where s.status = 'active' and s.agent_id = (select a.id from support.agents a where a.user_id = new.id);
  update platform.review_candidates r set assigned_to = null, assigned_at = null, assigned_by = null
  where r.assigned_to = new.id and r.is_asked and r.state in ('open', 'unsure');
  return null;
end $$;
create trigger let_read after update of role on platform.users
  for each row when (new.role = 'reader' and old.role <> 'reader') execute function platform.let_read();

-- Nothing is given to a person who left, nor to a reader. The argument is the column that names the person; `agent` behind it: the column
-- names an agent of Support; `reads`: a reader may be it.
create or replace function platform.require_staff() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  named constant text := to_jsonb(new) ->> tg_argv[0];
  person platform.users;
begin
  if platform.current_app() <> all ('{foundation,support}') then return new; end if;
  if tg_nargs > 1 and tg_argv[1] = 'agent' then
    select u.* into person from support.agents a join platform.users u on u.id = a.user_id where a.id = named::uuid;
  else
    select u.* into person from platform.users u where u.id = named;
  end if;
  if person.left_at is not null then
    raise exception 'a person who has left is given nothing'
      using errcode = 'check_violation', constraint = 'staff_left', column = tg_argv[0];
  elsif person.role = 'reader' and not (tg_nargs > 1 and tg_argv[1] = 'reads') then
    raise exception 'a reader is given nothing'
      using errcode = 'check_violation', constraint = 'staff_reads', column = tg_argv[0];
  end if;
  return new;
end $$;

-- A reader may be an agent, who reads the conversations of their teams: one who is never there, and has none.
drop trigger require_staff on support.agents;
drop trigger require_staff_then on support.agents;
create trigger require_staff before insert on support.agents
  for each row when (new.is_active) execute function platform.require_staff('user_id', 'reads');
create trigger require_staff_then before update of is_active on support.agents
  for each row when (new.is_active and not old.is_active) execute function platform.require_staff('user_id', 'reads');
create trigger require_there before insert on support.agents
  for each row when (new.availability <> 'offline') execute function platform.require_staff('user_id');
create trigger require_there_then before update of availability on support.agents
  for each row when (new.availability <> 'offline' and new.availability <> old.availability)
  execute function platform.require_staff('user_id');
create trigger require_staff before insert on support.sessions
  for each row when (new.agent_id is not null) execute function platform.require_staff('agent_id', 'agent');
create trigger require_staff_then before update of agent_id on support.sessions
  for each row when (new.agent_id is not null and new.agent_id is distinct from old.agent_id)
  execute function platform.require_staff('agent_id', 'agent');

-- A conversation that is open again has its agent still, unless that is a reader by now: then it waits for the team. Whoever opens it
-- holds the row of the agent already, so that a role that changes at this moment is seen here, or finds the conversation open.
create function support.wait_for_team() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (
    select from support.agents a join platform.users u on u.id = a.user_id where a.id = new.agent_id and u.role = 'reader') then
    new.agent_id := null;
  end if;
  return new;
end $$;
create trigger wait_for_team before update of status on support.sessions
  for each row when (old.status = 'ended' and new.status = 'active' and new.agent_id is not null)
  execute function support.wait_for_team();

-- As it was, but Support may also tie a directory account to a reader, as to a user.
create or replace function platform.sign_in_user(subject text, address text, full_name text, tenant text, account text)
returns platform.users
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare person platform.users;
begin
  for attempt in 1..3 loop
    -- The directory account comes before the subject, which differs from app registration to app registration.
    update platform.users u set email = address, name = full_name, last_signed_in = now()
    where u.directory_tenant_id = tenant and u.directory_object_id = account returning u.* into person;
    if not found then
      -- Support ties no account to an administrator: see the grants of platform.users.
      update platform.users u set email = address, name = full_name, last_signed_in = now(),
        directory_tenant_id = coalesce(u.directory_tenant_id, tenant), directory_object_id = coalesce(u.directory_object_id, account)
      where u.id = subject and (tenant is null
        or u.directory_object_id is null and (u.role in ('user', 'reader') or platform.current_app() = 'foundation'))
      returning u.* into person;
    end if;
    if not found then
      insert into platform.users as u (id, email, name, directory_tenant_id, directory_object_id, last_signed_in)
      values (subject, address, full_name, tenant, account, now()) on conflict do nothing returning u.* into person;
    end if;
    if found then
      delete from platform.sign_ins s where s.user_id = person.id and s.expires_at < now() - interval '30 days';
      return person;
    end if;
  end loop;
  raise exception 'another directory account has this subject' using errcode = 'unique_violation', constraint = 'users_pkey';
end $$;
