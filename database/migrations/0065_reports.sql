-- What reports need: why deals are lost, one currency in which sums are said with the rates that lead to it, when visitors first waited for
-- a person and first got an answer, and what visitors say of a conversation that is over.

-- Reasons are a list, so that they can be counted. What somebody adds in words is beside it.
create table crm.loss_reasons (
  id bigint generated always as identity primary key,
  name text collate platform.people not null check (platform.is_line(name, 80)),
  position integer not null default 0,
  is_retired boolean not null default false,
  created_at timestamptz not null default now()
);
comment on column crm.loss_reasons.is_retired is 'It is offered no more; deals that were lost for it keep it.';
create unique index loss_reasons_name_key on crm.loss_reasons (lower(name collate pg_catalog.pg_c_utf8));
call platform.protect_table('crm.loss_reasons');
create policy foundation_all on crm.loss_reasons to foundation_role using (true) with check (true);
grant select, insert (name, position), update (name, position, is_retired), delete on crm.loss_reasons to foundation_role;
call platform.classify('crm.loss_reasons', null, 'keep', 'Words of the organisation: no row is a person''s.',
  technical => 'id name position is_retired created_at');
insert into crm.loss_reasons (name, position) values
  ('Price', 0), ('A competitor', 1), ('Something was missing', 2), ('Bad timing', 3), ('No answer', 4);

alter table crm.deal_closings
  add column reason_id bigint references crm.loss_reasons,
  add column reason_note text constraint deal_closings_reason_note_length check (char_length(reason_note) between 1 and 1000),
  add constraint deal_closings_reason_of_loss check (outcome = 'lost' or num_nonnulls(reason_id, reason_note) = 0);
comment on column crm.deal_closings.reason_id is 'Why the deal was lost. Null: nobody has said so.';
create index deal_closings_reason on crm.deal_closings (reason_id) where reason_id is not null;
grant insert (reason_id, reason_note) on crm.deal_closings to foundation_role;
-- A closing was only kept so far. The words in it may tell of the person, so an erasure takes them away.
update platform.inventory_tables
set erasing = 'scrub', why = 'The books keep who closed which deal, when, why, and the tier that it gave; words about it go.'
where relation = 'crm.deal_closings';
call platform.classify_columns('crm.deal_closings', content => 'reason_note', technical => 'reason_id');
call platform.let_erase('crm.deal_closings');

-- Closed deals by time: reports of a month read the deals of that month.
create index deals_closed on crm.deals (closed_at) where closed_at is not null;

-- The currency in which reports say sums.
create table crm.report_settings (
  only_one boolean primary key default true check (only_one),
  currency text collate "C" not null default 'EUR' references crm.currencies,
  version bigint not null default 1,
  updated_at timestamptz not null default now()
);
create index on crm.report_settings (currency);
create trigger count_version before update on crm.report_settings for each row execute function platform.count_version();
call platform.protect_table('crm.report_settings');
create policy foundation_all on crm.report_settings to foundation_role using (true) with check (true);
grant select, update (currency) on crm.report_settings to foundation_role;
insert into crm.report_settings (currency) values (default);
call platform.classify('crm.report_settings', null, 'keep', 'A setting.', technical => 'only_one currency version updated_at');

-- Rates are dated: the one that counts on a day is the newest that is not after it. They belong to the currency into which they lead,
-- so that another reporting currency neither uses nor loses them.
create table crm.currency_rates (
  base text collate "C" not null references crm.currencies,
  currency text collate "C" not null references crm.currencies,
  valid_from date not null constraint currency_rates_valid_from_day check (platform.is_day(valid_from)),
  rate numeric not null constraint currency_rates_rate_range check (rate > 0 and rate < 1e12 and scale(rate) <= 12),
  created_at timestamptz not null default now(),
  created_by text collate "C" default platform.current_actor(),
  primary key (base, currency, valid_from),
  constraint currency_rates_of_another check (currency <> base)
);
comment on column crm.currency_rates.rate is 'How much of `base` one unit of `currency` is worth.';
comment on column crm.currency_rates.created_by is 'As the app said; no reference, so that the rate outlives the user.';
create index on crm.currency_rates (currency);
call platform.protect_table('crm.currency_rates');
create policy foundation_all on crm.currency_rates to foundation_role using (true) with check (true);
grant select, insert (base, currency, valid_from, rate), update (rate), delete on crm.currency_rates to foundation_role;
call platform.classify('crm.currency_rates', null, 'keep', 'Rates of currencies.',
  technical => 'base currency valid_from rate created_at created_by');

-- When a visitor first waited for a person: waiting_since is gone with the answer. 0064_teams.sql has first_answered_at.
alter table support.sessions
  add column first_waited_at timestamptz constraint sessions_first_waited_at_time check (platform.is_time(first_waited_at));
comment on column support.sessions.first_waited_at is
  'When the visitor first waited for a person: the first message, or the moment at which a bot handed over. Null: never.';
call platform.classify_columns('support.sessions', technical => 'first_waited_at');
call sync.capture('support.sessions', 'session', 'support', 'r.id', 'r.customer_id', '{customer_id,status}',
  '{token_hash,message_count,last_message_at,visitor_read_number,agent_read_number,page,is_new_to_agent,idle_check_at,due_at,warn_at,'
  'warned_at,clocked_at}');

create function support.note_first_wait() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.first_waited_at := new.waiting_since;
  return new;
end $$;
create trigger note_first_wait before update of waiting_since on support.sessions
  for each row when (new.first_waited_at is null and new.waiting_since is not null) execute function support.note_first_wait();

-- Reports of a month read the conversations of that month.
create index sessions_asked on support.sessions (asked_at) where asked_at is not null;

-- What a visitor says of a conversation that is over: once, and it stays.
create table support.ratings (
  id uuid primary key default uuidv7(),
  session_id uuid not null unique references support.sessions,
  score smallint not null check (score between 1 and 5),
  comment text constraint ratings_comment_length check (char_length(comment) between 1 and 1000),
  created_at timestamptz not null default now()
);
comment on column support.ratings.score is '1 is the worst, 5 the best.';
create index ratings_newest on support.ratings (created_at desc, id desc);
call platform.protect_table('support.ratings');
create policy support_all on support.ratings to support_role using (true) with check (true);
-- Update and delete are absent: what somebody has said is a record.
grant select, insert (session_id, score, comment) on support.ratings to support_role;
call platform.classify('support.ratings', 'r.session_id in (select s.id from support.sessions s where s.customer_id = any ($1)
    union all select s.id from support.sessions s where s.customer_id is null and lower(s.visitor_email) = any ($2))', 'scrub',
  'The score stays for the numbers of the desk; the words go.', content => 'comment', technical => 'id session_id score created_at',
  entity => 'rating');
-- Before the sessions, which say whose a rating is.
alter table platform.inventory_tables alter column place set generated by default;
update platform.inventory_tables set place = -6 where relation = 'support.ratings';
alter table platform.inventory_tables alter column place set generated always;
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (56, 'support.ratings', 'conversations', 'What the visitor said of those conversations when they were over.', 'r.created_at, r.id', '{}');
call sync.capture('support.ratings', 'rating', 'support', 'r.session_id',
  '(select s.customer_id from support.sessions s where s.id = r.session_id)', '{session_id,score}');

-- The CRM shows the score on the conversation, without the words: what was said is Support's to share. A conversation that is moved to
-- another customer takes it along.
do $$
declare
  former constant text := pg_get_functiondef('support.activity_of_session(uuid)'::regprocedure);
  present constant text := replace(former, ' AS jsonb_build_object,',
    ' || coalesce((select jsonb_build_object(''rating'', g.score) from support.ratings g where g.session_id = s.id), ''{}''::jsonb),');
begin
  if present = former then raise exception 'support.activity_of_session is not as this migration expects'; end if;
  execute present;
end $$;
-- As the owner: no app changes the activities of Support.
create function support.tell_of_rating() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update crm.activities a set metadata = a.metadata || jsonb_build_object('rating', new.score)
  where a.created_by_app = 'support' and a.idempotency_key = 'session:' || new.session_id;
  return null;
end $$;
create trigger tell_of_rating after insert on support.ratings for each row execute function support.tell_of_rating();

-- An app publishes events that begin with its name: it must not speak for ratings either.
alter table platform.apps drop constraint apps_name_free, add constraint apps_name_free check (
  name not in ('platform', 'sync', 'privacy', 'operator', 'customer', 'address', 'phone', 'company', 'user', 'deal', 'contact', 'activity',
    'custom_value', 'session', 'message', 'entry', 'call', 'tier', 'tag', 'customer_tag', 'rating'));
