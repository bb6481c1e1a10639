-- Sign-ins: the record behind a browser's cookie, and the one way in which a person becomes a user.

create table platform.sign_ins (
  id uuid primary key default uuidv7(),
  app text collate "C" not null default platform.current_app() check (platform.is_app(app)),
  user_id text collate "C" not null references platform.users,
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  next_token_hash bytea unique check (octet_length(next_token_hash) = 32),
  next_token_at timestamptz constraint sign_ins_next_token_at_time check (platform.is_time(next_token_at)),
  previous_token_hash bytea unique check (octet_length(previous_token_hash) = 32),
  rotated_at timestamptz not null default now() constraint sign_ins_rotated_at_time check (platform.is_time(rotated_at)),
  csrf_token text collate "C" not null check (octet_length(csrf_token) between 32 and 64),
  role_max text collate "C" not null default 'admin' check (role_max in ('admin', 'user')),
  agent text check (platform.is_line(agent, 200)),
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now() constraint sign_ins_last_seen_at_time check (platform.is_time(last_seen_at)),
  idle_max interval not null check (idle_max > '0'),
  expires_at timestamptz not null constraint sign_ins_expires_at_time check (platform.is_time(expires_at)),
  ended_at timestamptz constraint sign_ins_ended_at_time check (platform.is_time(ended_at)),
  end_reason text collate "C" check (end_reason in ('signed-out', 'everywhere', 'by-admin', 'token-reused')),
  check ((next_token_hash is null) = (next_token_at is null)),
  check ((ended_at is null) = (end_reason is null)),
  check (expires_at <= created_at + interval '31 days')
);
comment on table platform.sign_ins is
  'Tokens are stored as SHA-256 only, so a reader of this table cannot act as anybody. Ended and expired rows are kept for thirty days.';
comment on column platform.sign_ins.next_token_hash is
  'Sent to the browser, but not used by it yet. Until then the present token stays valid, so that a lost answer signs nobody out.';
comment on column platform.sign_ins.previous_token_hash is
  'The token before the present one. Valid for requests that were under way; its later use shows that somebody has a copy.';
comment on column platform.sign_ins.csrf_token is 'In clear: it is useless without the cookie.';
comment on column platform.sign_ins.role_max is
  'Whether the directory allowed an administrator at this sign-in; the role itself is the user''s.';
create index on platform.sign_ins (user_id);

call platform.protect_table('platform.sign_ins');
create policy own_read on platform.sign_ins for select to app_role using (app = platform.current_app());
create policy own_add on platform.sign_ins for insert to app_role with check (app = platform.current_app());
-- An ended sign-in stays ended: no app brings it back.
create policy own_edit on platform.sign_ins for update to app_role
  using (app = platform.current_app() and ended_at is null) with check (app = platform.current_app());
-- Absent: update of the app, the user, csrf_token and both limits, and delete.
grant select,
      insert (user_id, token_hash, csrf_token, role_max, agent, idle_max, expires_at),
      update (token_hash, next_token_hash, next_token_at, previous_token_hash, rotated_at, last_seen_at, ended_at, end_reason)
  on platform.sign_ins to app_role;

-- Returns the user who signs in, and makes the user at the first sign-in. It never touches the role: Foundation sets that, by its own
-- grant. The insert can lose a race only to a rival that has committed by then; the next attempt finds the rival's row.
create function platform.sign_in_user(subject text, address text, full_name text, tenant text, account text) returns platform.users
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
        or u.directory_object_id is null and (u.role = 'user' or platform.current_app() = 'foundation')) returning u.* into person;
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
comment on function platform.sign_in_user is
  'The caller says which person a directory account is: '
  'the logins of the apps are trusted to have asked the directory. See docs/signin.md.';
grant execute on function platform.sign_in_user(text, text, text, text, text) to app_role;

-- Security definer, because a person signs out of both apps at once. An app names only a sign-in of its own: it sees no other.
create function platform.end_sign_ins(person text, only_this uuid, reason text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare ended integer;
begin
  update platform.sign_ins s set ended_at = now(), end_reason = reason
  where s.user_id = person and s.ended_at is null
    and (only_this is null or s.id = only_this and s.app = platform.current_app());
  get diagnostics ended = row_count;
  return ended;
end $$;
grant execute on function platform.end_sign_ins(text, uuid, text) to app_role;
