-- Mails that answer none of ours may open a conversation, files of mails come into the conversation, and mails that are held have limits;
-- docs/email.md tells the whole. A mail that opened a conversation, or goes on with its own first mail, answers no mail of ours: it names
-- the conversation instead. One that was held before it could open any names neither: its address says whose it is.
alter table platform.received_mails
  alter column mail_id drop not null,
  add column parent_id uuid,
  add column message_id text collate "C" constraint received_mails_message_id_check check (platform.is_line(message_id, 400)),
  drop constraint received_mails_kind_check,
  add constraint received_mails_kind_check check (kind in ('reply', 'other', 'new', 'automatic', 'bounce', 'held')),
  add constraint received_mails_place_check check (num_nonnulls(mail_id, parent_id) = 1 or mail_id is null and kind = 'held');
comment on table platform.received_mails is
  'E-mails that answer ours or opened a conversation, whole. Where mails open none, a mail that answers none of ours is not kept.';
comment on column platform.received_mails.mail_id is 'The mail of ours that it answers.';
comment on column platform.received_mails.parent_id is 'The conversation that it opened or went on with, if it answers no mail of ours.';
comment on column platform.received_mails.message_id is
  'Its own Message-ID: what we answer names it, so that the reader''s program shows both together.';
create index on platform.received_mails (parent_id) where parent_id is not null;
create index received_mails_held on platform.received_mails (app, received_at) where kind = 'held';
create index received_mails_unasked on platform.received_mails (app, received_at) where mail_id is null;
grant insert (parent_id, message_id) on platform.received_mails to app_role;
-- The files of a mail are uploaded to the conversation that it opens before there is one.
grant insert (id) on support.sessions to support_role;

alter table platform.mail_apps
  add column held_days integer not null default 30 check (held_days between 1 and 3650),
  add column refused integer not null default 0,
  add column refused_at timestamptz constraint mail_apps_refused_at_time check (platform.is_time(refused_at));
comment on column platform.mail_apps.held_days is 'Mails that are held go after so many days.';
comment on column platform.mail_apps.refused is 'Mails that found no room among the held ones, within the day that began at refused_at.';
grant insert (held_days), update (held_days, refused, refused_at) on platform.mail_apps to app_role;
call platform.classify_columns('platform.mail_apps', technical => 'held_days refused refused_at');

-- Whether a mail answers one of ours, of whatever app, or an app of ours sent it: two apps may read one mailbox, and what answers the
-- other's opens nothing here. A token is random, so a yes tells the caller no more than they have.
create function platform.is_own_mail(tokens text[], sender text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select exists (select from platform.mail_apps a where lower(a.address) = lower(is_own_mail.sender)) or exists (
    select from platform.mail_apps a cross join unnest(is_own_mail.tokens) t (token)
      cross join lateral (select from platform.mails m where m.app = a.app and m.token = t.token offset 0) found);
end;
grant execute on function platform.is_own_mail(text[], text) to app_role;

-- Removes held mails of the app that are as old as it says, but for those of a customer under legal hold.
create function platform.remove_held_mails() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  done bigint;
begin
  delete from platform.received_mails r where r.id in (
    select h.id
    from platform.mail_apps a join platform.received_mails h on h.app = a.app
      left join platform.mails m on m.id = h.mail_id
      left join support.sessions s on s.id = coalesce(m.record_id, h.parent_id)
      left join crm.activities c on c.id = m.record_id
    where a.app = platform.current_app() and h.kind = 'held' and h.received_at < clock_timestamp() - make_interval(days => a.held_days)
      and case when num_nonnulls(s.customer_id, c.customer_id) > 0 then platform.hold_of(coalesce(s.customer_id, c.customer_id)) is null
        else coalesce(lower(coalesce(s.visitor_email, h.from_address)) <> all ((select platform.held_addresses())::text[]), true) end
    order by h.received_at limit 200);
  get diagnostics done = row_count;
  return done;
end $$;
grant execute on function platform.remove_held_mails() to app_role;

-- What is kept of a message that came by e-mail names the files that were not taken.
alter table support.messages drop constraint messages_mail_object,
  add constraint messages_mail_object check (jsonb_typeof(mail) = 'object' and octet_length(mail::text) <= 8192);
comment on column support.messages.mail is
  'Of a message that came by e-mail: {id, is_other, is_cut, attachments, is_unproven, is_new, subject, vouched, refused, left_out};
is_other: not from the address that the visitor had left. is_unproven: it answered no mail of ours. is_new: it opened the conversation.
refused: files that were not taken, each with its name and why.';

-- As before (0061_mail.sql), and the mails that name the conversation itself.
create or replace function platform.remove_mails() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from platform.received_mails r where r.record_id = old.id;
  delete from platform.received_mails r where r.parent_id = old.id;
  delete from platform.mails m where m.record_id = old.id;
  return null;
end $$;
do $$
declare
  former constant text := (select i.belongs from platform.inventory_tables i where i.relation = 'platform.received_mails');
begin
  call platform.classify('platform.received_mails', former || ' or r.parent_id in (
      select s.id from support.sessions s where s.customer_id = any ($1) or s.customer_id is null and lower(s.visitor_email) = any ($2))
    or num_nonnulls(r.mail_id, r.parent_id) = 0 and lower(r.from_address) = any ($2)', 'delete',
    'What the person and others wrote by e-mail, whole.', identifying => 'from_address', content => 'subject raw',
    technical => 'id app mail_id parent_id record_id key kind message_id received_at');
end $$;
update platform.person_sources set why = 'E-mails that came from them or in answer to ours. The mails themselves are in the folder mails.'
where relation = 'platform.received_mails';

-- As before (0061_mail.sql), and how many mails are held, and for how many there was no room.
create or replace function sync.check_mail() returns setof sync.check_row
language sql volatile
begin atomic
  with apps as (
    select a.app, a.held_days, coalesce(extract(epoch from clock_timestamp() - a.read_at), 0)::double precision as unread_seconds,
      coalesce(w.late_seconds, 0)::double precision as late_seconds, w.code, d.doubtful, d.failed, h.held, h.held_bytes,
      case when a.refused_at > clock_timestamp() - interval '2 days' then a.refused else 0 end as refused
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
      cross join lateral (
        select count(*) as held, coalesce(sum(octet_length(r.raw)), 0) as held_bytes
        from platform.received_mails r where r.app = a.app and r.kind = 'held') h
    where a.is_on)
  select 'mail:' || s.app, 'mail',
    case when greatest(s.late_seconds, s.unread_seconds) > sync.health_limit('mail_seconds') then 'failing'
      when s.refused > 0 then 'warning' when s.late_seconds > 0 then 'catching-up' else 'ok' end,
    concat_ws(' ',
      case when s.late_seconds > 0 then 'The oldest e-mail has waited for ' || sync.say_seconds(s.late_seconds)
          || coalesce(' (' || s.code || ')', '') || '.'
        when s.unread_seconds > sync.health_limit('mail_seconds') then
          'The mailbox has not been read for ' || sync.say_seconds(s.unread_seconds) || '.'
        else 'E-mail goes as it is written.' end,
      case when s.held > 0 then s.held || case s.held when 1 then ' mail is held' else ' mails are held' end
        || ', because more came than the limits of an hour allow: no conversation has them, and each goes after '
        || s.held_days || case s.held_days when 1 then ' day.' else ' days.' end end,
      case when s.refused > 0 then 'For ' || s.refused || ' more there was no room: they are only in the mailbox.' end),
    jsonb_build_object('late_seconds', s.late_seconds, 'unread_seconds', s.unread_seconds, 'doubtful_of_day', s.doubtful,
      'failed_of_day', s.failed, 'held', s.held, 'held_bytes', s.held_bytes, 'no_room', s.refused)
  from apps s;
end;

-- Files with a note for other agents. They are an entry's, never a message's, so no visitor may read them.
alter table support.session_entries add column files jsonb
    constraint session_entries_files_list check (jsonb_typeof(files) = 'array' and octet_length(files::text) <= 16384),
  drop constraint session_entries_body_check,
  add constraint session_entries_body_check check (char_length(body) <= 4000 and (body <> '' or files is not null));
comment on column support.session_entries.files is 'Of a note: what its reader sees of its files, as support.messages.files.';
grant insert (id, files) on support.session_entries to support_role;
call platform.classify_columns('support.session_entries', content => 'files');
call sync.capture('support.session_entries', 'entry', 'support', 'r.session_id',
  '(select s.customer_id from support.sessions s where s.id = r.session_id)', '{session_id,kind}', '{client_id}');
create trigger remove_files after update of files on support.session_entries for each row
  when (old.files is not null and new.files is null) execute function platform.remove_files();
