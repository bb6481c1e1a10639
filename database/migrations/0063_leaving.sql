-- Members of staff who leave: they come in no more, nothing can be given to them, and what they had is handed over.

alter table platform.users add column left_at timestamptz constraint users_left_at_time check (platform.is_time(left_at));
comment on column platform.users.left_at is
  'Since when the person works here no more. They keep the role: it counts again if they come back.';
grant update (left_at) on platform.users to foundation_role;
call platform.classify_columns('platform.users', technical => 'left_at');
call sync.capture('platform.users', 'user', 'platform', '''user:'' || r.id', 'null', '{name}',
  '{directory_tenant_id,directory_object_id}');

alter table platform.sign_ins drop constraint sign_ins_end_reason_check, add constraint sign_ins_end_reason_check check (
  end_reason in ('signed-out', 'everywhere', 'by-admin', 'token-reused', 'left'));

alter table support.agents add column was_let_go boolean not null default false;
comment on column support.agents.was_let_go is 'An agent until they left: one again if they return.';
call platform.classify_columns('support.agents', technical => 'was_let_go');

-- A definer function, because a person leaves both apps at once: each app sees its own sign-ins only, and Foundation sees no conversation.
-- Pairs of duplicates that they were to decide are anybody's again.
create function platform.let_go() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.left_at is null then
    update support.agents a set is_active = true, was_let_go = false where a.user_id = new.id and a.was_let_go;
    return null;
  end if;
  update platform.sign_ins s set ended_at = now(), end_reason = 'left' where s.user_id = new.id and s.ended_at is null;
  update support.agents a set is_active = false, availability = 'offline', was_let_go = true where a.user_id = new.id and a.is_active;
  update support.sessions s set agent_id = null, snoozed_until = null
  where s.status = 'active' and s.agent_id = (select a.id from support.agents a where a.user_id = new.id);
  update platform.review_candidates r set assigned_to = null, assigned_at = null, assigned_by = null
  where r.assigned_to = new.id and r.is_asked and r.state in ('open', 'unsure');
  return null;
end $$;
create trigger let_go after update of left_at on platform.users
  for each row when ((old.left_at is null) <> (new.left_at is null)) execute function platform.let_go();

-- The database opens no sign-in for a person who left, whichever app asks, and leaves their name and address as they were.
create function platform.refuse_former() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'this person has left' using errcode = 'check_violation', constraint = 'users_left';
end $$;
create trigger refuse_former before update of last_signed_in on platform.users
  for each row when (old.left_at is not null and new.left_at is not null and new.last_signed_in is distinct from old.last_signed_in)
  execute function platform.refuse_former();

create or replace function platform.require_decider(person text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if person is not null and not exists (
    select from platform.users u where u.id = person and u.role in ('admin', 'steward') and u.left_at is null) then
    raise exception 'only a data steward or an administrator can decide about duplicates' using errcode = 'invalid_parameter_value';
  end if;
end $$;

-- Nothing is given to a person who left. The argument is the column that names the person. An import, a merge and its undo keep what the
-- past says; a task that comes again is whose it was, if a process of a former version makes it. A row that is given at the moment at
-- which somebody leaves stays theirs: the page of users shows what a person who left has.
create function platform.require_staff() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_app() = any ('{foundation,support}')
    and exists (select from platform.users u where u.id = to_jsonb(new) ->> tg_argv[0] and u.left_at is not null) then
    raise exception 'a person who has left is given nothing'
      using errcode = 'check_violation', constraint = 'staff_left', column = tg_argv[0];
  end if;
  return new;
end $$;
create trigger require_staff before insert on platform.customers
  for each row when (new.account_manager_id is not null and current_user !~ '^(bulk|merge|erase)_role$')
  execute function platform.require_staff('account_manager_id');
create trigger require_staff_then before update of account_manager_id on platform.customers
  for each row when (new.account_manager_id is distinct from old.account_manager_id and current_user !~ '^(bulk|merge|erase)_role$')
  execute function platform.require_staff('account_manager_id');
create trigger require_staff before insert on crm.deals
  for each row when (new.owner_id is not null) execute function platform.require_staff('owner_id');
create trigger require_staff_then before update of owner_id on crm.deals
  for each row when (new.owner_id is distinct from old.owner_id) execute function platform.require_staff('owner_id');
create trigger require_staff before insert on crm.activities
  for each row when (new.assigned_to is not null and new.repeated_from is null) execute function platform.require_staff('assigned_to');
create trigger require_staff_then before update of assigned_to on crm.activities
  for each row when (new.assigned_to is distinct from old.assigned_to) execute function platform.require_staff('assigned_to');
create trigger require_staff before insert on support.agents
  for each row when (new.is_active) execute function platform.require_staff('user_id');
create trigger require_staff_then before update of is_active on support.agents
  for each row when (new.is_active and not old.is_active) execute function platform.require_staff('user_id');

-- What was handed over when somebody left, so that it is given back if they return within a month.
create table crm.handovers (
  from_user text collate "C" not null references platform.users,
  kind text collate "C" not null check (kind in ('customer', 'deal', 'task', 'view')),
  row_id text collate "C" not null check (octet_length(row_id) between 1 and 36),
  customer_id uuid,
  to_user text collate "C" not null references platform.users,
  was_author boolean not null default false,
  created_at timestamptz not null default now() constraint handovers_created_at_time check (platform.is_time(created_at)),
  primary key (from_user, kind, row_id)
);
comment on column crm.handovers.customer_id is
  'The customer whose row it is; null for a view. No reference: the row was held when this was written, and customers are never deleted.';
comment on column crm.handovers.was_author is 'The task named nobody: it was its author''s.';
create index on crm.handovers (created_at);
create index on crm.handovers (customer_id);
create index on crm.handovers (to_user);
call platform.stay_in_merges('crm.handovers', 'customer_id',
  'It says what was handed over. A merged customer has the account manager of the survivor.');
call platform.protect_table('crm.handovers');
create policy foundation_all on crm.handovers to foundation_role using (true) with check (true);
grant select, insert (from_user, kind, row_id, customer_id, to_user, was_author),
      update (customer_id, to_user, was_author, created_at), delete
  on crm.handovers to foundation_role;
call platform.classify('crm.handovers', 'r.customer_id = any ($1)', 'delete',
  'What a member of staff who left had of the customer. After a month it is deleted.',
  technical => 'from_user kind row_id customer_id to_user was_author created_at');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (16, 'crm.handovers', 'profile', 'That the customer was handed over to somebody else when a member of staff left.',
    'r.kind, r.row_id', '{}');

grant update (owner_id) on crm.saved_views to foundation_role;

-- Deletes what was handed over more than 30 days ago: at most so many rows. Returns how many.
create function platform.forget_handovers(rows_max integer default 10000) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  gone bigint;
begin
  with old as (
    select h.from_user, h.kind, h.row_id from crm.handovers h where h.created_at < now() - interval '30 days'
    order by h.created_at limit rows_max for update skip locked)
  delete from crm.handovers h using old where (h.from_user, h.kind, h.row_id) = (old.from_user, old.kind, old.row_id);
  get diagnostics gone = row_count;
  return gone;
end $$;
grant execute on function platform.forget_handovers(integer) to sync_role;
