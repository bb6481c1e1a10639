-- What people did to subscriptions and failures, and the bulk work on frozen sets: each act is a definer function that leaves a record.

-- One row for each act of a person or of a command. It holds ids, numbers and the reason that the person typed, and no other personal data.
create table sync.operations (
  id bigint generated always as identity primary key,
  kind text collate "C" not null check (kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' and char_length(kind) <= 60),
  scope jsonb not null check (jsonb_typeof(scope) = 'object' and octet_length(scope::text) <= 8192),
  reason text check (char_length(reason) between 1 and 500),
  outcome jsonb not null check (jsonb_typeof(outcome) = 'object' and octet_length(outcome::text) <= 8192),
  actor text collate "C" check (char_length(actor) <= 255),
  app text collate "C" not null,
  login name not null,
  trace text collate "C",
  done_at timestamptz not null default clock_timestamp()
);
comment on table sync.operations is 'Append-only: what was done, to what, by whom, why, and exactly what came of it.';
comment on column sync.operations.scope is 'What the act was about: the names of subscriptions, positions, ids, and the filter of a set.';
comment on column sync.operations.outcome is 'What the act changed, as the database counted it in the same transaction.';
comment on column sync.operations.actor is 'The person, as the app names them; the login beside it cannot be forged. Null for a command.';
call platform.protect_table('sync.operations');
create policy sync_read on sync.operations for select to sync_role using (true);
grant select on sync.operations to sync_role;
-- There is no insert, update or delete: sync.record_operation writes, and nobody changes what it has written.

create function sync.keep_operation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'a record of an operation is not changed' using errcode = 'restrict_violation';
end $$;
create trigger keep before update or delete or truncate on sync.operations for each statement execute function sync.keep_operation();

-- Records an act in the transaction that does it, so that neither is without the other. The definer functions of the house call it; no
-- login may, because it believes what it is given.
create function sync.record_operation(kind text, scope jsonb, reason text, outcome jsonb) returns bigint
language sql volatile
begin atomic
  insert into sync.operations (kind, scope, reason, outcome, actor, app, login, trace)
  values (record_operation.kind, record_operation.scope, record_operation.reason, record_operation.outcome,
    platform.current_actor(), platform.current_app(), session_user, nullif(left(current_setting('aether.trace', true), 255), ''))
  returning id;
end;
