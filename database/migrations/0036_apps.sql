-- What `aether app` keeps of an app that comes over HTTP: the clients of the identity provider that are its machines. A machine that is
-- not listed has the scopes of its token; one that is listed belongs to its app, and has of those only the scopes in its row.
create table platform.app_clients (
  client text collate "C" primary key check (client ~ '^[!-~]{1,200}$'),
  app text collate "C" not null references platform.apps,
  scopes text[] not null check (array_position(scopes, null) is null and cardinality(scopes) <= 50),
  created_at timestamptz not null default clock_timestamp()
);
create index on platform.app_clients (app);
comment on table platform.app_clients is
  'The machines of an app, by the id that the identity provider gives them. A row is not deleted: its client would have the scopes of '
  'its token again.';
call platform.protect_table('platform.app_clients');
create policy apps_read on platform.app_clients for select to app_role using (true);
-- Writes are absent: the owner adds a client, as it adds an app.
grant select on platform.app_clients to app_role;
call platform.classify('platform.app_clients', null, 'keep', 'Which machines belong to which app.',
  technical => 'client app scopes created_at');

-- A server reads for an app what the app may see: with this in its query, next to its own policies.
grant execute on function sync.may_read(text, text) to app_role;
