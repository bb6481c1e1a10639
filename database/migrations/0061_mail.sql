-- E-mail: what is said to a person who has left goes to their address, and what they answer comes back into the same record;
-- docs/email.md tells the whole. A mail belongs to a record: a conversation of Support, an entry of Foundation's timeline. It has no
-- words of its own: the app writes it from its record when it is sent, so that an erasure or a
-- change of the record leaves no copy here. Its states:
--   waiting    it goes at not_before. A conversation has one, which gathers the messages that come meanwhile
--   sending    a process has it, and may hand it to the mail server at any moment
--   sent       the mail server took it
--   cancelled  there was nothing left to say, or a person took it back
--   failed     the mail server refused it, or nobody took it for two days
--   bounced    the mail server took it, and somebody reported later that it did not arrive
--   doubtful   the process ended between its last byte and the answer: it may have gone. Only a person sends it again
--
-- An answer is found by the token of its mail, never by its subject. The Message-ID has the token, and so may the address for answers.

create table platform.mail_apps (
  app text collate "C" primary key default platform.current_app() references platform.apps,
  is_on boolean not null,
  address text check (platform.is_line(address, 254)),
  waits_seconds integer not null check (waits_seconds between 0 and 86400),
  uid_validity bigint,
  last_uid bigint not null default 0,
  holder text collate "C" check (octet_length(holder) between 1 and 64),
  read_at timestamptz constraint mail_apps_read_at_time check (platform.is_time(read_at)),
  held_until timestamptz constraint mail_apps_held_until_time check (platform.is_time(held_until)),
  changed_at timestamptz not null default clock_timestamp() constraint mail_apps_changed_at_time check (platform.is_time(changed_at))
);
comment on table platform.mail_apps is 'Which apps send e-mail, and how far each has read its mailbox. An app without a row sends none.';
comment on column platform.mail_apps.waits_seconds is
  'So long the mail of a conversation waits for more messages, and for the visitor to read.';
comment on column platform.mail_apps.last_uid is
  'The last mail of the mailbox that was read. It moves in the transaction that takes the mail.';
comment on column platform.mail_apps.read_at is 'When the mailbox was last read. Null: this app reads none.';
comment on column platform.mail_apps.holder is 'The process that reads the mailbox, until held_until.';
call platform.protect_table('platform.mail_apps');
create policy apps_own on platform.mail_apps to app_role
  using (app = platform.current_app()) with check (app = platform.current_app());
grant select, insert (is_on, address, waits_seconds),
      update (is_on, address, waits_seconds, uid_validity, last_uid, holder, held_until, read_at, changed_at)
  on platform.mail_apps to app_role;
call platform.classify('platform.mail_apps', null, 'keep', 'The house''s own: its address, and how far a mailbox was read.',
  technical => 'app is_on address waits_seconds uid_validity last_uid holder held_until read_at changed_at');

create table platform.mails (
  id uuid primary key default uuidv7(),
  app text collate "C" not null default platform.current_app() references platform.apps,
  record_id uuid not null,
  token text collate "C" not null default replace(gen_random_uuid()::text, '-', '') check (token ~ '^[0-9a-f]{32}$'),
  to_address text not null check (platform.is_line(to_address, 254)),
  first_number integer check (first_number > 0),
  last_number integer check (last_number >= first_number),
  state text collate "C" not null default 'waiting'
    check (state in ('waiting', 'sending', 'sent', 'cancelled', 'failed', 'bounced', 'doubtful')),
  not_before timestamptz not null default clock_timestamp() constraint mails_not_before_time check (platform.is_time(not_before)),
  tries integer not null default 0,
  code text collate "C" check (code ~ '^[A-Za-z0-9 ._-]{1,80}$'),
  message_id text collate "C" check (platform.is_line(message_id, 400)),
  created_at timestamptz not null default clock_timestamp() constraint mails_created_at_time check (platform.is_time(created_at)),
  taken_at timestamptz constraint mails_taken_at_time check (platform.is_time(taken_at)),
  settled_at timestamptz constraint mails_settled_at_time check (platform.is_time(settled_at)),
  unique (app, token)
);
comment on table platform.mails is 'E-mails that the apps send. Each belongs to one app, and no other app sees it.';
comment on column platform.mails.record_id is 'The conversation of Support, or the entry of Foundation''s timeline.';
comment on column platform.mails.token is
  'Whoever answers names it, and so their answer finds the record. Random: only who got the mail knows it.';
comment on column platform.mails.first_number is
  'Of a conversation: the mail has what agents wrote from this message to last_number, and nobody read.';
comment on column platform.mails.code is 'Why it is as it is, without words of a mail server: 550 5.1.1, read, taken-back.';
-- One that was tried before gathers no more: a younger one may be there by now.
create unique index mails_gathering on platform.mails (record_id) where state = 'waiting' and first_number is not null and tries = 0;
create index mails_due on platform.mails (app, not_before) where state in ('waiting', 'sending');
create index on platform.mails (record_id);
create index mails_settled on platform.mails (app, settled_at) where settled_at is not null;
create index mails_of_address on platform.mails (lower(to_address), settled_at) where state in ('sent', 'bounced');
call platform.protect_table('platform.mails');
create policy apps_own on platform.mails to app_role
  using (app = platform.current_app()) with check (app = platform.current_app());
grant select, insert (record_id, to_address, first_number, last_number, not_before),
      update (last_number, state, not_before, tries, code, message_id, taken_at, settled_at)
  on platform.mails to app_role;

create table platform.received_mails (
  id uuid primary key default uuidv7(),
  app text collate "C" not null default platform.current_app() references platform.apps,
  mail_id uuid not null references platform.mails on delete cascade,
  record_id uuid,
  key bytea not null check (octet_length(key) = 32),
  kind text collate "C" not null check (kind in ('reply', 'other', 'automatic', 'bounce', 'held')),
  from_address text check (platform.is_line(from_address, 254)),
  subject text check (platform.is_line(subject, 500)),
  raw bytea not null check (octet_length(raw) <= 26214400),
  received_at timestamptz not null default clock_timestamp()
    constraint received_mails_received_at_time check (platform.is_time(received_at)),
  unique (app, key)
);
alter table platform.received_mails alter column raw set storage external;
comment on table platform.received_mails is 'E-mails that answer ours, whole. A mail that answers none of ours is not kept.';
comment on column platform.received_mails.mail_id is 'The mail that it answers.';
comment on column platform.received_mails.record_id is 'The message or the entry that was made of it.';
comment on column platform.received_mails.key is 'SHA-256 of its Message-ID, or of all of it: the same mail twice is one.';
comment on column platform.received_mails.kind is
  'other: not from the address to which we had written. automatic: no person wrote it. held: too many came, so nothing was made of it.';
create index on platform.received_mails (mail_id, received_at);
create index on platform.received_mails (record_id) where record_id is not null;
call platform.protect_table('platform.received_mails');
create policy apps_own on platform.received_mails to app_role
  using (app = platform.current_app()) with check (app = platform.current_app());
-- Update and delete are absent but for the record: what came is a record.
grant select, insert (mail_id, key, kind, from_address, subject, raw), update (record_id) on platform.received_mails to app_role;

-- Addresses at which mail does not arrive. For all apps: what one of them learnt spares the others.
create table platform.failing_addresses (
  email_key text collate "C" primary key check (octet_length(email_key) between 3 and 254),
  code text collate "C" not null check (code ~ '^[A-Za-z0-9 ._-]{1,80}$'),
  app text collate "C" not null default platform.current_app() references platform.apps,
  failed_at timestamptz not null default clock_timestamp()
    constraint failing_addresses_failed_at_time check (platform.is_time(failed_at)),
  allowed_at timestamptz constraint failing_addresses_allowed_at_time check (platform.is_time(allowed_at)),
  allowed_by text collate "C" references platform.users
);
comment on table platform.failing_addresses is 'Nothing is sent to an address that is here without allowed_at.';
comment on column platform.failing_addresses.allowed_at is 'A person said that it may be written to again.';
create index on platform.failing_addresses (app);
create index on platform.failing_addresses (allowed_by) where allowed_by is not null;
call platform.protect_table('platform.failing_addresses');
create policy apps_all on platform.failing_addresses to app_role using (true) with check (app = platform.current_app());
grant select, insert (email_key, code), update (code, app, failed_at, allowed_at, allowed_by) on platform.failing_addresses to app_role;

-- Conversations. A mail is queued with the agent's message, in its transaction.
create function support.queue_mail() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sender platform.mail_apps;
  address text;
begin
  select m.* into sender from platform.mail_apps m where m.app = 'support' and m.is_on;
  if not found then return null; end if;
  select s.visitor_email into address from support.sessions s where s.id = new.session_id;
  if address is null then return null; end if;
  insert into platform.mails as m (record_id, to_address, first_number, last_number, not_before)
  values (new.session_id, address, new.number, new.number, clock_timestamp() + make_interval(secs => sender.waits_seconds))
  on conflict (record_id) where state = 'waiting' and first_number is not null and tries = 0 do update
  set last_number = excluded.last_number,
    -- An agent who goes on writing does not keep the visitor waiting for ever.
    not_before = greatest(m.not_before, least(excluded.not_before, m.created_at + make_interval(secs => 5 * sender.waits_seconds)));
  return null;
end $$;
create trigger queue_mail after insert on support.messages for each row when (new.author = 'agent')
  execute function support.queue_mail();

alter table support.messages add column mail jsonb
  constraint messages_mail_object check (jsonb_typeof(mail) = 'object' and octet_length(mail::text) <= 1024);
comment on column support.messages.mail is
  'Of a message that came by e-mail: {id, is_other, is_cut, attachments}; is_other: not from the address that the visitor had left.';
grant insert (mail) on support.messages to support_role;
call platform.classify_columns('support.messages', content => 'mail');
call sync.capture('support.messages', 'message', 'support', 'r.session_id',
  '(select s.customer_id from support.sessions s where s.id = r.session_id)', '{session_id,number}');

alter table support.session_entries drop constraint session_entries_kind_check;
alter table support.session_entries add constraint session_entries_kind_check check (
  kind in ('note', 'claimed', 'assigned', 'released', 'snoozed', 'woken', 'handed_over', 'identified', 'verified', 'moved', 'ended',
    'tagged', 'untagged', 'prioritised', 'mailed', 'mail_failed', 'mail_doubtful', 'mail_automatic', 'reopened'));

-- As before (0057_files.sql), and of a message that came by e-mail what is known of that.
do $$
declare
  former constant text := pg_get_functiondef(
    'support.add_message(uuid, text, uuid, text, text, jsonb, bytea, boolean, uuid[])'::regprocedure);
  body constant text := replace(replace(replace(former, 'file_ids uuid[], OUT', 'file_ids uuid[], mail jsonb, OUT'),
    'body, choices, files)', 'body, choices, files, mail)'), 'add_message.choices, sent)', 'add_message.choices, sent, add_message.mail)');
begin
  if length(body) <> length(former) + length(' mail jsonb,') + length(', mail') + length(', add_message.mail') then
    raise exception 'support.add_message is not as this migration expects';
  end if;
  execute body;
end $$;
grant execute on function support.add_message(uuid, text, uuid, text, text, jsonb, bytea, boolean, uuid[], jsonb) to support_role;
-- A Support of an earlier version calls it without mail.
create or replace function support.add_message(
  session uuid, author text, agent uuid, client_id text, body text, choices jsonb, token_hash bytea, for_agents_only boolean,
  file_ids uuid[], out outcome text, out message support.messages, out agent_name text)
language sql
begin atomic
  select a.outcome, a.message, a.agent_name from support.add_message(add_message.session, add_message.author, add_message.agent,
    add_message.client_id, add_message.body, add_message.choices, add_message.token_hash, add_message.for_agents_only,
    add_message.file_ids, null) a;
end;

-- The mails of a record go when its words are erased: by an erasure, by a rule of retention, or by any other statement.
create function platform.remove_mails() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from platform.received_mails r where r.record_id = old.id;
  delete from platform.mails m where m.record_id = old.id;
  return null;
end $$;
create trigger remove_mails after update of mail on support.messages for each row
  when (old.mail is not null and new.mail is null) execute function platform.remove_mails();
create trigger remove_mails after update of visitor_email on support.sessions for each row
  when (old.visitor_email is not null and new.visitor_email is null) execute function platform.remove_mails();
create trigger remove_mails after update of metadata on crm.activities for each row
  when (old.metadata ? 'mail' and not new.metadata ? 'mail') execute function platform.remove_mails();
create trigger remove_mails_deleted after delete on crm.activities for each row
  when (old.metadata ? 'mail') execute function platform.remove_mails();

-- Whose a mail is, its record decides: that may have been moved to another customer since.
do $$
declare
  whose constant text := 'select m.id from crm.activities a join platform.mails m on m.record_id = a.id where a.customer_id = any ($1)
    union all select m.id from support.sessions s join platform.mails m on m.record_id = s.id where s.customer_id = any ($1)
    union all select m.id from support.sessions s join platform.mails m on m.record_id = s.id
      where s.customer_id is null and lower(s.visitor_email) = any ($2)';
begin
  call platform.classify('platform.received_mails', 'r.mail_id in (' || whose || ')', 'delete',
    'What the person and others answered by e-mail, whole.', identifying => 'from_address', content => 'subject raw',
    technical => 'id app mail_id record_id key kind received_at');
  call platform.classify('platform.mails', 'r.id in (' || whose || ')', 'delete',
    'That the person was written to. What was written is in the conversation or the timeline.', identifying => 'to_address',
    technical => 'id app record_id token first_number last_number state not_before tries code message_id created_at taken_at settled_at');
end $$;
call platform.classify('platform.failing_addresses', 'r.email_key = any ($2)', 'delete', 'Addresses at which mail does not arrive.',
  identifying => 'email_key', technical => 'code app failed_at allowed_at allowed_by');
-- Before the messages, the entries and the sessions, which say whose a mail is.
alter table platform.inventory_tables alter column place set generated by default;
update platform.inventory_tables set place = case relation when 'platform.received_mails' then -5 else -4 end
where relation in ('platform.received_mails', 'platform.mails');
alter table platform.inventory_tables alter column place set generated always;
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (57, 'platform.mails', 'mails', 'E-mails to the person. Their words are in the conversations and the timeline.', 'r.created_at, r.id',
    '{token,tries,not_before,taken_at}'),
  (58, 'platform.received_mails', 'mails', 'E-mails that answered them. The mails themselves are in the folder mails.',
    'r.received_at, r.id', '{key,raw}'),
  (59, 'platform.failing_addresses', 'mails', 'Addresses of the person at which e-mail does not arrive.', 'r.email_key', '{}');

-- One of the person's mails, whole, for an export.
create function platform.list_held_mails(person jsonb) returns setof uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select r.id from %s order by r.received_at, r.id', (
      select platform.say_rows(s) from platform.person_sources s where s.relation = 'platform.received_mails'))
    using platform.members_of(person, 'customers')::uuid[], platform.members_of(person, 'emails'), platform.members_of(person, 'phones'),
      platform.members_of(person, 'sessions')::uuid[], platform.members_of(person, 'users'),
      platform.members_of(person, 'deals')::bigint[];
end $$;
create function platform.read_mail(of_mail uuid) returns bytea
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select r.raw from platform.received_mails r where r.id = read_mail.of_mail;
end;
grant execute on function platform.list_held_mails(jsonb), platform.read_mail(uuid) to privacy_role;

-- Each app that sends e-mail: does it go, and is what comes back read.
insert into sync.health_limits (name, value, meaning) values
  ('mail_seconds', 900, 'An e-mail has waited for so long to be sent, or a mailbox has not been read for so long.');
create function sync.check_mail() returns setof sync.check_row
language sql volatile
begin atomic
  with apps as (
    select a.app, coalesce(extract(epoch from clock_timestamp() - a.read_at), 0)::double precision as unread_seconds,
      coalesce(w.late_seconds, 0)::double precision as late_seconds, w.code, d.doubtful, d.failed
    from platform.mail_apps a
      -- One that is due later was tried before, unless it gathers messages or can still be taken back.
      left join lateral (
        select
          extract(epoch from max(clock_timestamp() - least(m.not_before, case when m.tries > 0 then m.created_at end))) as late_seconds,
          (array_agg(m.code order by m.created_at) filter (where m.code is not null))[1] as code
        from platform.mails m where m.app = a.app and m.state = 'waiting' and m.code is distinct from 'too-many'
          and (m.tries > 0 or m.not_before < clock_timestamp() - interval '30 seconds')) w on true
      cross join lateral (
        select count(*) filter (where m.state = 'doubtful') as doubtful,
          count(*) filter (where m.state in ('failed', 'bounced')) as failed
        from platform.mails m where m.app = a.app and m.settled_at > now() - interval '1 day') d
    where a.is_on)
  select 'mail:' || s.app, 'mail',
    case when greatest(s.late_seconds, s.unread_seconds) > sync.health_limit('mail_seconds') then 'failing'
      when s.late_seconds > 0 then 'catching-up' else 'ok' end,
    case when s.late_seconds > 0 then 'The oldest e-mail has waited for ' || sync.say_seconds(s.late_seconds)
        || coalesce(' (' || s.code || ')', '') || '.'
      when s.unread_seconds > sync.health_limit('mail_seconds') then
        'The mailbox has not been read for ' || sync.say_seconds(s.unread_seconds) || '.'
      else 'E-mail goes as it is written.' end,
    jsonb_build_object('late_seconds', s.late_seconds, 'unread_seconds', s.unread_seconds, 'doubtful_of_day', s.doubtful,
      'failed_of_day', s.failed)
  from apps s;
end;
insert into sync.health_sources (function_name, gives) values ('sync.check_mail', 'checks');
