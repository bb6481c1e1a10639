-- Files that people send: images and documents in chats, and with entries of timelines. platform.files has one row for each, of the app
-- that keeps it; docs/files.md tells the whole. A file has three states:
--   uploading  its bytes arrive in parts (platform.file_chunks)
--   stored     it is whole, its type was found in its bytes, and nobody has sent it: it goes within a day
--   sent       record_id names the message or the activity that has it: it lives as long as that says so
-- Its bytes are rows here, or in the end a blob in Azure (place). A blob cannot go in the transaction in which its row goes, so a trigger
-- writes platform.blob_removals in that transaction, and the app removes blobs until that table is empty.
--
-- The message and the activity keep what a reader needs (name, type, size) in a column of their own, so that a list of messages and an
-- event need no second look. Whatever scrubs that column removes the files too.

create table platform.files (
  id uuid primary key default uuidv7(),
  app text collate "C" not null default platform.current_app() references platform.apps,
  parent_id uuid not null,
  record_id uuid,
  client_id text collate "C" not null check (client_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  created_by text collate "C" references platform.users,
  name text not null check (platform.is_line(name, 200)),
  type text collate "C" check (type ~ '^[a-z]+/[a-z0-9.+-]{1,100}$'),
  size integer not null check (size > 0),
  sha256 bytea check (octet_length(sha256) = 32),
  width integer check (width > 0),
  height integer check (height > 0),
  has_thumbnail boolean not null default false,
  place text collate "C" not null default 'database' check (place in ('database', 'azure')),
  state text collate "C" not null default 'uploading' check (state in ('uploading', 'stored')),
  created_at timestamptz not null default clock_timestamp() constraint files_created_at_time check (platform.is_time(created_at)),
  unique nulls not distinct (app, parent_id, created_by, client_id),
  constraint files_stored_whole check (state = 'uploading' or type is not null and sha256 is not null),
  constraint files_sent_stored check (record_id is null or state = 'stored')
);
comment on table platform.files is 'Files that people send. Each belongs to one app, and no other app sees it.';
comment on column platform.files.parent_id is 'Where it was uploaded: a conversation of Support, a customer of Foundation.';
comment on column platform.files.record_id is 'The message or the activity that has it; null: it was not sent, and goes within a day.';
comment on column platform.files.created_by is 'Null: a visitor.';
comment on column platform.files.name is 'As it was given. Whoever downloads it gets a name whose end fits the type.';
comment on column platform.files.type is 'As it was found in the bytes; what the sender says counts for nothing.';
create index on platform.files (parent_id);
create index on platform.files (record_id) where record_id is not null;
create index files_unsent on platform.files (app, created_at) where record_id is null;
create index on platform.files (created_by) where created_by is not null;
call platform.protect_table('platform.files');
create policy apps_read on platform.files for select to app_role using (app = platform.current_app());
create policy apps_insert on platform.files for insert to app_role with check (app = platform.current_app());
create policy apps_update on platform.files for update to app_role
  using (app = platform.current_app()) with check (app = platform.current_app());
-- What was sent is a part of a record: no app removes it.
create policy apps_remove_unsent on platform.files for delete to app_role using (app = platform.current_app() and record_id is null);
grant select, insert (parent_id, client_id, created_by, name, size),
      update (record_id, type, size, sha256, width, height, has_thumbnail, place, state), delete
  on platform.files to app_role;

-- The bytes, in parts of a megabyte. Stored as they are: images and documents are compressed already.
create table platform.file_chunks (
  file_id uuid not null references platform.files on delete cascade,
  variant text collate "C" not null default 'whole' check (variant in ('whole', 'thumbnail')),
  place integer not null check (place >= 0),
  bytes bytea not null check (octet_length(bytes) between 1 and 1048576),
  primary key (file_id, variant, place)
);
alter table platform.file_chunks alter column bytes set storage external;
comment on table platform.file_chunks is 'The bytes of files. Of a file whose place is azure there are none but those that still arrive.';
call platform.protect_table('platform.file_chunks');
create policy apps_own on platform.file_chunks to app_role
  using (exists (select from platform.files f where f.id = file_id and f.app = platform.current_app()))
  with check (exists (select from platform.files f where f.id = file_id and f.app = platform.current_app()));
-- Update is absent: bytes that were looked at never become others.
grant select, insert (file_id, variant, place, bytes), delete on platform.file_chunks to app_role;

-- Blobs whose file is gone. A row goes when the blob has gone, so a process that dies between leaves the row, and the next one removes the
-- blob again, which does no harm.
create table platform.blob_removals (
  file_id uuid primary key,
  app text collate "C" not null references platform.apps,
  removed_at timestamptz not null default clock_timestamp()
    constraint blob_removals_removed_at_time check (platform.is_time(removed_at))
);
create index on platform.blob_removals (app);
call platform.protect_table('platform.blob_removals');
create policy apps_own on platform.blob_removals to app_role
  using (app = platform.current_app()) with check (app = platform.current_app());
-- Insert is absent: the trigger below writes it, in the transaction in which the file goes. Update is for the lock of who removes a blob.
grant select, update (removed_at), delete on platform.blob_removals to app_role;

create function platform.remove_blob() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into platform.blob_removals (file_id, app) values (old.id, old.app) on conflict do nothing;
  return null;
end $$;
create trigger remove_blob after delete on platform.files for each row when (old.place = 'azure')
  execute function platform.remove_blob();

-- What a reader of a record sees of its files, in the order in which they were given.
create function platform.describe_files(ids uuid[]) returns jsonb
language sql stable
begin atomic
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', f.id, 'name', f.name, 'type', f.type, 'size', f.size, 'width', f.width,
    'height', f.height, 'has_thumbnail', f.has_thumbnail)) order by g.place)
  from unnest(describe_files.ids) with ordinality g (id, place) join platform.files f on f.id = g.id;
end;
grant execute on function platform.describe_files(uuid[]) to app_role;

-- Gives uploaded files to a record, in the caller's transaction and with its rights. Returns what the record keeps of them, or null if one
-- of them is not there, was given to another record, or was uploaded elsewhere or by somebody else. uploader null: a visitor.
create function platform.send_files(ids uuid[], parent uuid, uploader text, record uuid) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sent bigint;
begin
  update platform.files f set record_id = record
  where f.id = any (ids) and f.parent_id = parent and f.record_id is null and f.state = 'stored'
    and f.created_by is not distinct from uploader;
  get diagnostics sent = row_count;
  if sent <> cardinality(ids) then return null; end if;
  return platform.describe_files(ids);
end $$;
grant execute on function platform.send_files(uuid[], uuid, text, uuid) to app_role;

-- "2 images, 1 file", for lists, notices and timelines; null for none.
create function platform.say_files(files jsonb) returns text
language sql immutable parallel safe
return (
  select nullif(concat_ws(', ',
    case c.images when 0 then null when 1 then '1 image' else c.images || ' images' end,
    case c.others when 0 then null when 1 then '1 file' else c.others || ' files' end), '')
  from (select count(*) filter (where f ->> 'type' like 'image/%') as images,
    count(*) filter (where f ->> 'type' not like 'image/%') as others from jsonb_array_elements(files) f) c);
grant execute on function platform.say_files(jsonb) to app_role;

-- Messages of chats.
alter table support.messages add column files jsonb
  constraint messages_files_list check (jsonb_typeof(files) = 'array' and octet_length(files::text) <= 16384);
comment on column support.messages.files is 'What its reader sees of its files: [{id, name, type, size, width, height, has_thumbnail}].';
alter table support.messages drop constraint messages_body_check;
alter table support.messages add constraint messages_body_check check (char_length(body) <= 4000 and (body <> '' or files is not null));
grant insert (id, files) on support.messages to support_role;
call platform.classify_columns('support.messages', content => 'files');
call sync.capture('support.messages', 'message', 'support', 'r.session_id',
  '(select s.customer_id from support.sessions s where s.id = r.session_id)', '{session_id,number}');

-- A message in one line: its words and its files.
create function support.words_of(m support.messages) returns text
language sql immutable parallel safe
return case when (m).files is null then (m).body when (m).body = '' then platform.say_files((m).files)
  else (m).body || ' (' || platform.say_files((m).files) || ')' end;
grant execute on function support.words_of(support.messages) to support_role;

-- As before (0005_support.sql), and with files: uploaded in this conversation, by the visitor or by this agent. no_file: one of them is not
-- there or was sent before; nothing is stored then.
create function support.add_message(
  session uuid, author text, agent uuid, client_id text, body text, choices jsonb, token_hash bytea, for_agents_only boolean,
  file_ids uuid[], out outcome text, out message support.messages, out agent_name text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  held record;
  asked timestamptz := case when add_message.author = 'visitor' then now() end;
  is_agents constant boolean := add_message.author = 'agent';
  named uuid := agent;
  is_active boolean;
  sent jsonb;
  new_id constant uuid := uuidv7();
begin
  select s.status, s.handler, s.agent_id, s.token_hash into held from support.sessions s where s.id = session for update;
  if not found or held.token_hash <> add_message.token_hash then outcome := 'no_session'; return; end if;
  select m.* into message from support.messages m
  where m.session_id = session and m.author = add_message.author and m.client_id = add_message.client_id;
  if found then outcome := 'known'; end if;

  if is_agents and held.agent_id is null and held.status = 'active' then
    -- An agent who leaves gives back the open conversations. Without this lock, one that is given to them at that moment would stay.
    select a.is_active into is_active from support.agents a where a.id = agent for share;
    if not found then outcome := 'no_agent'; elsif not is_active then outcome := 'agent_inactive'; end if;
  elsif is_agents and held.agent_id <> agent and message.agent_id is distinct from agent then
    outcome := 'claimed';
    named := held.agent_id;
  end if;
  if outcome is null and held.status = 'ended' then outcome := 'ended'; end if;
  if outcome is null and for_agents_only and held.handler = 'bot' then outcome := 'bot_answers'; end if;
  if outcome is null and file_ids is not null then
    sent := platform.send_files(file_ids, session, (select a.user_id from support.agents a where a.id = agent), new_id);
    if sent is null then outcome := 'no_file'; return; end if;
  end if;

  if outcome is null then
    update support.sessions s set message_count = s.message_count + 1, last_message_at = now(),
      asked_at = coalesce(s.asked_at, asked),
      snoozed_until = case when add_message.author = 'bot' then s.snoozed_until end,
      waiting_since = case when is_agents then null
        when asked is not null then case when s.handler = 'agent' then coalesce(s.waiting_since, asked) end
        else s.waiting_since end,
      handler = case when is_agents then 'agent' else s.handler end,
      agent_id = case when is_agents then coalesce(s.agent_id, agent) else s.agent_id end
    where s.id = session returning s.message_count into message.number;
    insert into support.messages as m (id, session_id, number, author, agent_id, client_id, body, choices, files)
    values (new_id, session, message.number, add_message.author, agent, add_message.client_id, add_message.body, add_message.choices, sent)
    returning m.* into message;
    if is_agents and held.agent_id is null then
      insert into support.session_entries (session_id, kind, agent_id) values (session, 'claimed', agent);
    end if;
    outcome := 'stored';
  end if;
  if named is not null then
    select u.name into agent_name from support.agents a join platform.users u on u.id = a.user_id where a.id = named;
  end if;
end $$;
grant execute on function support.add_message(uuid, text, uuid, text, text, jsonb, bytea, boolean, uuid[]) to support_role;

-- A Support of an earlier version calls it without files.
create or replace function support.add_message(
  session uuid, author text, agent uuid, client_id text, body text, choices jsonb, token_hash bytea, for_agents_only boolean,
  out outcome text, out message support.messages, out agent_name text)
language sql
begin atomic
  select a.outcome, a.message, a.agent_name from support.add_message(add_message.session, add_message.author, add_message.agent,
    add_message.client_id, add_message.body, add_message.choices, add_message.token_hash, add_message.for_agents_only, null) a;
end;

-- As before, but for the summary: a first question may be an image.
do $$
declare
  former constant text := pg_get_functiondef('support.activity_of_session(uuid)'::regprocedure);
  body constant text := replace(former, '"left"(m.body, 400)', '"left"(support.words_of(m.*), 400)');
begin
  if body = former then raise exception 'support.activity_of_session is not as this migration expects'; end if;
  execute body;
end $$;

-- Whatever scrubs the column of a record removes its files: an erasure, a rule of retention, whoever comes.
create function platform.remove_files() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from platform.files f where f.record_id = old.id;
  return null;
end $$;
create trigger remove_files after update of files on support.messages for each row
  when (old.files is not null and new.files is null) execute function platform.remove_files();
create trigger remove_files after update of metadata on crm.activities for each row
  when (old.metadata ? 'files' and not new.metadata ? 'files') execute function platform.remove_files();
create trigger remove_files_deleted after delete on crm.activities for each row
  when (old.metadata ? 'files') execute function platform.remove_files();

-- Whose a file is: of a sent one the record decides, because a record may have been moved to another customer since. What was not sent is
-- of the customer at whom it was uploaded.
do $$
declare
  whose constant text := 'select f.id from crm.activities a join platform.files f on f.record_id = a.id where a.customer_id = any ($1)
    union all select f.id from platform.files f where f.parent_id = any ($1) and (f.record_id is null or f.app <> ''foundation'')
    union all select f.id from support.sessions s join platform.files f on f.parent_id = s.id where s.customer_id = any ($1)
    union all select f.id from support.sessions s join platform.files f on f.parent_id = s.id
      where s.customer_id is null and lower(s.visitor_email) = any ($2)';
begin
  call platform.classify('platform.file_chunks', 'r.file_id in (' || whose || ')', 'delete', 'The bytes of files of the person.',
    content => 'bytes', technical => 'file_id variant place');
  call platform.classify('platform.files', 'r.id in (' || whose || ')', 'delete',
    'Files that the person sent or got, and files in entries about the person. Blobs go after the transaction.', content => 'name',
    technical => 'id app parent_id record_id client_id created_by type size sha256 width height has_thumbnail place state created_at');
end $$;
call platform.classify('platform.blob_removals', null, 'keep', 'Ids of files that are gone.', technical => 'file_id app removed_at');
-- Before the messages: these, and the sessions after them, say whose a file is.
alter table platform.inventory_tables alter column place set generated by default;
update platform.inventory_tables set place = case relation when 'platform.file_chunks' then -2 else -1 end
where relation in ('platform.file_chunks', 'platform.files');
alter table platform.inventory_tables alter column place set generated always;
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (53, 'platform.files', 'files', 'Files in those conversations and in the timeline. The files themselves are in the folder files.',
    'r.created_at, r.id', '{client_id,place,state}');

-- An erasure is clean when the blobs of its files are gone too.
do $$
declare
  former constant text := pg_get_functiondef('platform.end_clean_up(uuid[])'::regprocedure);
  body constant text := replace(former, $f$e.state = 'erased' and e.pending is null;$f$, $f$e.state = 'erased' and e.pending is null
    and not exists (select from platform.blob_removals b where b.removed_at <= e.erased_at);$f$);
begin
  if body = former then raise exception 'platform.end_clean_up is not as this migration expects'; end if;
  execute body;
end $$;

-- The bytes of one of the person's files, for an export: a part at a time, or where they are.
create function platform.list_held_files(person jsonb, out file uuid, out name text, out type text, out place text, out app text)
returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select r.id, r.name, r.type, r.place, r.app from %s and r.state = ''stored'' order by r.created_at, r.id', (
      select platform.say_rows(s) from platform.person_sources s where s.relation = 'platform.files'))
    using platform.members_of(person, 'customers')::uuid[], platform.members_of(person, 'emails'), platform.members_of(person, 'phones'),
      platform.members_of(person, 'sessions')::uuid[], platform.members_of(person, 'users'),
      platform.members_of(person, 'deals')::bigint[];
end $$;
create function platform.read_file_part(of_file uuid, at integer) returns bytea
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.bytes from platform.file_chunks c
  where c.file_id = read_file_part.of_file and c.variant = 'whole' and c.place = read_file_part.at;
end;
grant execute on function platform.list_held_files(jsonb), platform.read_file_part(uuid, integer) to privacy_role;
