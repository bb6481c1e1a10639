-- What requests with an Idempotency-Key have done. A row is written in the transaction of what the request does, so that there are both or
-- neither: a request that is repeated within a day gets the first result again, from any server, also if the first one died before it
-- answered. While the first request is on its way it holds an advisory lock, and a repetition is refused. See platform/repeats.ts.
create table platform.idempotency_keys (
  app text collate "C" not null default platform.current_app() references platform.apps,
  client text collate "C" not null check (client <> '' and octet_length(client) <= 300),
  key_hash bytea not null check (octet_length(key_hash) = 32),
  request_hash bytea not null check (octet_length(request_hash) = 32),
  result json not null,
  created_at timestamptz not null default clock_timestamp()
    constraint idempotency_keys_created_at_time check (platform.is_time(created_at)),
  primary key (app, client, key_hash)
);
create index on platform.idempotency_keys (created_at);
comment on table platform.idempotency_keys is
  'What requests with an Idempotency-Key have done. Rows count for a day; then the worker deletes them.';
comment on column platform.idempotency_keys.client is 'A machine, as its tokens name it, or a user: each has keys of its own.';
comment on column platform.idempotency_keys.key_hash is 'SHA-256: a client may make a key out of an address.';
comment on column platform.idempotency_keys.request_hash is 'SHA-256 of method, address and body: the key with anything else is a mistake.';
comment on column platform.idempotency_keys.result is
  'What the transaction gave, from which the server makes the same answer. Not jsonb, which loses the order.';

call platform.protect_table('platform.idempotency_keys');
create policy apps_own on platform.idempotency_keys to app_role
  using (app = platform.current_app()) with check (app = platform.current_app());
grant select, insert (client, key_hash, request_hash, result), update (request_hash, result, created_at)
  on platform.idempotency_keys to app_role;

-- Deletes what counts no longer. Returns how many rows. The worker may neither read nor write the table.
create function platform.forget_results() returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  with gone as (delete from platform.idempotency_keys where created_at < clock_timestamp() - interval '24 hours' returning 1)
  select count(*) from gone;
end;
grant execute on function platform.forget_results() to sync_role;

-- A result names the customer that it is about, or an address.
call platform.classify('platform.idempotency_keys',
  'exists (select from unnest($1::text[]) c where strpos(r.result::text, c) > 0) or platform.names_address(r.result::text, $2)',
  'delete', 'Copies of answers, kept for a day.', identifying => 'result',
  technical => 'app client key_hash request_hash created_at');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (84, 'platform.idempotency_keys', 'history', 'Answers to other systems, kept for a day in case they ask again.',
    'r.created_at, r.key_hash', '{client,key_hash,request_hash}');
