-- Foundation selects many customers and acts on them: tags, and what an act has changed, so that it can be undone.

-- Tags of customers. They are Foundation's own; Support has tags of conversations.
create table crm.tags (
  id bigint generated always as identity primary key,
  name text collate platform.people not null check (platform.is_line(name, 40)),
  colour text collate "C" not null default 'grey' check (colour in ('grey', 'blue', 'green', 'orange', 'red', 'gold')),
  created_at timestamptz not null default now(),
  created_by text collate "C" default platform.current_actor()
);
comment on table crm.tags is 'Words that staff puts on customers, to find them together.';
comment on column crm.tags.created_by is 'As the app said; no reference, so that the tag outlives the user.';
create unique index tags_name_key on crm.tags (lower(name collate pg_catalog.pg_c_utf8));
call platform.protect_table('crm.tags');
create policy foundation_all on crm.tags to foundation_role using (true) with check (true);
grant select, insert (name, colour), update (name, colour), delete on crm.tags to foundation_role;
call sync.capture('crm.tags', 'tag', 'crm', '''tag:'' || r.id', 'null', '{name}');
call platform.classify('crm.tags', null, 'keep', 'Words of the organisation: no row is a person''s.',
  technical => 'id name colour created_at created_by', entity => 'tag');

-- A tag counts as no change of its customer's version: two people may tag one customer at once, and neither takes the other's away.
create table crm.customer_tags (
  id bigint generated always as identity primary key,
  customer_id uuid not null references platform.customers,
  tag_id bigint not null references crm.tags on delete cascade,
  tag_name text not null,
  created_at timestamptz not null default now(),
  created_by text collate "C" default platform.current_actor(),
  unique (tag_id, customer_id)
);
comment on column crm.customer_tags.tag_name is
  'As the tag was called when it was given: an event of a row is readable when the tag is gone. A trigger writes it.';
comment on column crm.customer_tags.created_by is 'As the app said; no reference, so that the tag outlives the user.';
create index on crm.customer_tags (customer_id);

create function crm.name_tag() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  new.tag_name := coalesce((select t.name from crm.tags t where t.id = new.tag_id), ''); -- the foreign key refuses an unknown tag
  return new;
end $$;
create trigger name_tag before insert on crm.customer_tags
  for each row when (new.tag_name is null) execute function crm.name_tag();

call platform.require_present_customer('crm.customer_tags');
call platform.move_in_merges('crm.customer_tags');
call platform.protect_table('crm.customer_tags');
create policy foundation_all on crm.customer_tags to foundation_role using (true) with check (true);
-- Update is absent: a tag is there or it is not.
grant select, insert (customer_id, tag_id), delete on crm.customer_tags to foundation_role;
call sync.capture('crm.customer_tags', 'customer_tag', 'crm', '''customer_tag:'' || r.id', 'r.customer_id',
  '{customer_id,tag_id,tag_name}');
call platform.classify('crm.customer_tags', 'r.customer_id = any ($1)', 'delete', 'What staff put on the person as tags.',
  content => 'tag_id tag_name', technical => 'id customer_id created_at created_by', entity => 'customer_tag');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (14, 'crm.customer_tags', 'profile', 'Tags that staff has given the customer.', 'r.id', '{}');

-- An act on many customers, and each customer that it has changed with what it had before. An undo reads them; a day later they go.
create table crm.acts (
  id uuid primary key default uuidv7(),
  kind text collate "C" not null check (kind in ('owner', 'tier', 'tag', 'untag', 'task')),
  given text collate "C" check (octet_length(given) <= 1000),
  actor text collate "C" default platform.current_actor(),
  created_at timestamptz not null default now(),
  undone_at timestamptz constraint acts_undone_at_time check (platform.is_time(undone_at))
);
comment on column crm.acts.given is 'The user, the tier or the tag that the customers got; null: they have none now, or they got a task.';
comment on column crm.acts.actor is 'Who may undo it. No reference: it is gone in a day.';
create index on crm.acts (created_at);
call platform.protect_table('crm.acts');
create policy foundation_all on crm.acts to foundation_role using (true) with check (true);
grant select, insert (kind, given), update (undone_at), delete on crm.acts to foundation_role;
call platform.classify('crm.acts', null, 'keep', 'No row is a person''s. A day later it is deleted.',
  technical => 'id kind given actor created_at undone_at');

create table crm.act_customers (
  act uuid not null references crm.acts on delete cascade,
  customer_id uuid not null,
  was text collate "C" check (octet_length(was) <= 1000),
  made uuid,
  primary key (act, customer_id)
);
comment on column crm.act_customers.customer_id is
  'No reference: the act holds the customer''s row when it writes this, and customers are never deleted.';
comment on column crm.act_customers.was is
  'The user or the tier before; of a task a digest, by which an undo knows whether it was changed since.';
comment on column crm.act_customers.made is 'The task.';
create index on crm.act_customers (customer_id);
call platform.stay_in_merges('crm.act_customers', 'customer_id',
  'It says what an act has changed: an undo leaves a merged customer alone.');
call platform.protect_table('crm.act_customers');
create policy foundation_all on crm.act_customers to foundation_role using (true) with check (true);
grant select, insert (act, customer_id, was, made), delete on crm.act_customers to foundation_role;
call platform.classify('crm.act_customers', 'r.customer_id = any ($1)', 'delete',
  'What somebody has just changed of many customers, to undo it for a day.', content => 'was', technical => 'act customer_id made');
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (15, 'crm.act_customers', 'profile', 'What was changed of the customer together with others, so that it can be undone for a day.',
    'r.act', '{made}');

-- A task of an act goes with the undo of that act, unless it was done. It is the second thing of the timeline that can be deleted, beside
-- the next one of a repeated task (0035_tasks.sql).
create policy foundation_undo_act on crm.activities for delete to foundation_role
  using (created_by_app = 'foundation' and type = 'task' and done_at is null and exists (
    select from crm.act_customers k join crm.acts a on a.id = k.act
    where k.customer_id = activities.customer_id and k.made = activities.id and a.actor = platform.current_actor()));

-- Who gets more than a few customers or tasks in one act is told of none of them, as by an import: they would fill the inbox. The app says
-- that an act is one of many. A client that says so falsely keeps a notice from being written, and nothing else.
do $$
declare
  of_function regprocedure;
  former text;
  body text;
begin
  foreach of_function in array '{platform.tell_of_assignment(),platform.tell_of_mentions()}'::regprocedure[] loop
    former := pg_get_functiondef(of_function);
    body := replace(former, $f$if platform.current_app() <> all ('{foundation,support}') then return null; end if;$f$,
      $f$if platform.current_app() <> all ('{foundation,support}') or current_setting('aether.many', true) = 'on' then
    return null;
  end if;$f$);
    if body = former then raise exception '% is not as this migration expects', of_function; end if;
    execute body;
  end loop;
end $$;

-- An app publishes events that begin with its name: it must not speak for tags either.
alter table platform.apps drop constraint apps_name_free, add constraint apps_name_free check (
  name not in ('platform', 'sync', 'privacy', 'operator', 'customer', 'address', 'phone', 'company', 'user', 'deal', 'contact', 'activity',
    'custom_value', 'session', 'message', 'entry', 'call', 'tier', 'tag', 'customer_tag'));
