-- The inventory: what every column of every table is, whose each row is, and what an erasure does with it. database/inventory.txt is its
-- listing, which `npm run schema` writes. Erasing, finding, exporting and the preview of an erasure read it, so that a table that is here
-- is reached by all of them; a test fails for a column without a class and for a class of a column that does not exist.
--
-- A class says what a column may hold:
--   identifying  it names a person, alone or with little else: a name, an address, a number, an id in another system, a line of a file
--   content      what a person wrote, what was written about them, what they have or want: a message, a note, a tier, an amount
--   technical    ids of this database, times, states, counters, words of the house. Logs and metrics may show these alone
--
-- A migration that makes a table calls platform.classify; one that adds a column calls platform.classify_columns.

create table platform.inventory_tables (
  relation text collate "C" primary key,
  entity text collate "C" unique,
  belongs text,
  erasing text collate "C" not null check (erasing in ('delete', 'scrub', 'keep', 'own')),
  why text not null check (why <> ''),
  later boolean not null default false,
  place integer not null generated always as identity,
  check (belongs is not null or erasing = 'keep')
);
comment on table platform.inventory_tables is 'Every table, and what an erasure does with the rows of a person.';
comment on column platform.inventory_tables.entity is 'The first word of the types of its events, if it is captured.';
comment on column platform.inventory_tables.belongs is
  'Whose a row r is: a condition over $1, the ids of the customers that are one person, $2, their addresses in canonical form, and $3, '
  'their numbers in E.164. Null: no row is a customer''s.';
comment on column platform.inventory_tables.erasing is
  'delete: the rows go. scrub: they stay without what tells of the person. keep: nothing changes. own: platform.erase_customer has its own '
  'statement for it.';
comment on column platform.inventory_tables.later is
  'The clean-up after the erasure''s transaction does it, because it reads whole files.';
comment on column platform.inventory_tables.why is 'Why it is done so; of a row that stays, why it stays. A receipt quotes it.';
comment on column platform.inventory_tables.place is 'An erasure goes through the tables in this order.';

create table platform.inventory (
  relation text collate "C" not null references platform.inventory_tables on delete cascade,
  column_name text collate "C" not null,
  class text collate "C" not null check (class in ('identifying', 'content', 'technical')),
  becomes text,
  stays boolean not null default false,
  primary key (relation, column_name),
  check (not stays or class = 'content')
);
comment on table platform.inventory is 'The class of every column.';
comment on column platform.inventory.becomes is
  'What an erasure writes into the column, an expression over the row r. A column of a scrubbed table that is not technical becomes null '
  'if nothing is said.';
comment on column platform.inventory.stays is 'An erasure leaves this content: the table''s `why` says why.';

call platform.protect_table('platform.inventory_tables');
call platform.protect_table('platform.inventory');

-- Classifies a table that a migration has made. Lists are names with blanks between them. `becomes`: column → expression. It throws when
-- a column cannot become null and nothing says what it becomes; names without a column are found by a test.
create procedure platform.classify(
  target regclass, belongs text, erasing text, why text,
  identifying text default '', content text default '', technical text default '',
  becomes jsonb default '{}', stays text default '', entity text default null, later boolean default false)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  named constant text := (
    select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target);
begin
  insert into platform.inventory_tables (relation, entity, belongs, erasing, later, why)
  values (named, classify.entity, classify.belongs, classify.erasing, classify.later, classify.why)
  on conflict (relation) do update
  set entity = excluded.entity, belongs = excluded.belongs, erasing = excluded.erasing, later = excluded.later, why = excluded.why;
  call platform.classify_columns(target, identifying, content, technical, becomes, stays);
end $$;

create procedure platform.classify_columns(
  target regclass, identifying text default '', content text default '', technical text default '',
  becomes jsonb default '{}', stays text default '')
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  t platform.inventory_tables;
  unsaid text;
begin
  select i.* into strict t from platform.inventory_tables i join pg_class c on c.oid = target join pg_namespace n on n.oid = c.relnamespace
  where i.relation = format('%I.%I', n.nspname, c.relname);
  insert into platform.inventory (relation, column_name, class, becomes, stays)
  select t.relation, name, class, classify_columns.becomes ->> name, name = any (string_to_array(classify_columns.stays, ' '))
  from (values ('identifying', classify_columns.identifying), ('content', classify_columns.content),
      ('technical', classify_columns.technical)) given (class, names)
    cross join regexp_split_to_table(btrim(regexp_replace(names, '\s+', ' ', 'g')), ' ') name
  where name <> ''
  on conflict (relation, column_name) do update set class = excluded.class, becomes = excluded.becomes, stays = excluded.stays;
  select string_agg(i.column_name, ', ') into unsaid
  from platform.inventory i
    join pg_attribute a on a.attrelid = target and a.attname = i.column_name and a.attnotnull and a.attgenerated = ''
  where t.erasing = 'scrub' and i.relation = t.relation and i.class <> 'technical' and not i.stays and i.becomes is null;
  if unsaid is not null then
    raise exception 'say what % of % becomes: it cannot be null', unsaid, t.relation using errcode = 'invalid_parameter_value';
  end if;
end $$;

-- Columns without a class, classes without a column, tables without a word about erasing. Partitions are their table's.
create function platform.unclassified(out relation text, out column_name text, out problem text) returns setof record
language sql stable
begin atomic
  with present as (
    select format('%I.%I', n.nspname, c.relname) collate "C" as relation, a.attname::text collate "C" as column_name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname not in ('pg_catalog', 'information_schema', 'ext') and n.nspname not like 'pg\_%')
  select coalesce(p.relation, i.relation), coalesce(p.column_name, i.column_name),
    case when i.relation is null then 'no class' else 'no column' end
  from present p full join platform.inventory i on i.relation = p.relation and i.column_name = p.column_name
  where p.relation is null or i.relation is null
  order by 1, 2;
end;

-- A field of an import names its value if it may have several: address:<key>, phone:<number>, note:<hash>.
create function sync.field_of_nobody(field text) returns text
language sql volatile
return case when field ~ '^(address|phone|note):' then split_part(field, ':', 1) || ':' || gen_random_uuid() else field end;

-- The customer.
call platform.classify('platform.customers', 'r.id = any ($1)', 'scrub',
  'A tombstone with the id stays, so that what refers to it keeps its meaning and nobody gets the id again.',
  identifying => 'email email_key name phone phone_key phone_extension crm_id support_id',
  content => 'company_id account_tier account_manager_id preferred_language timezone',
  technical => 'id version created_at updated_at created_by_app merged_into erased_at',
  becomes => '{"email": "platform.no_address(r.id)", "email_key": "platform.no_address(r.id)", "name": "''Erased''",
    "version": "r.version + 1", "updated_at": "clock_timestamp()", "erased_at": "clock_timestamp()"}', entity => 'customer');
call platform.classify('platform.customer_emails', 'r.customer_id = any ($1)', 'delete', 'Addresses of the person.',
  identifying => 'email_key email', technical => 'id customer_id is_primary verified_at verified_by created_at added_by_app added_by',
  entity => 'address');
call platform.classify('platform.customer_phones', 'r.customer_id = any ($1)', 'delete', 'Numbers of the person.',
  identifying => 'phone phone_key phone_extension', technical => 'id customer_id is_primary created_at added_by_app added_by',
  entity => 'phone');
call platform.classify('platform.customer_external_ids', 'r.customer_id = any ($1)', 'delete', 'Ids of the person in other systems.',
  identifying => 'external_id', technical => 'app customer_id created_at');
call platform.classify('platform.removed_emails', 'r.customer_id = any ($1)', 'delete', 'Addresses that the person had.',
  identifying => 'email_key email',
  technical => 'id customer_id verified_at verified_by created_at added_by_app added_by reason removed_at removed_by_app removed_by');
call platform.classify('platform.removed_phones', 'r.customer_id = any ($1)', 'delete', 'Numbers that the person had.',
  identifying => 'phone phone_key phone_extension',
  technical => 'id customer_id created_at added_by_app added_by removed_at removed_by_app removed_by');
call platform.classify('crm.customer_order', 'r.customer_id = any ($1)', 'delete', 'A sorted copy of what lists show.',
  content => 'account_tier', technical => 'customer_id updated_at');

-- What Foundation knows.
call platform.classify('crm.custom_field_values',
  'r.id in (select v.id from crm.custom_field_values v where v.customer_id = any ($1)
    union all select v.id from crm.deals d join crm.custom_field_values v on v.deal_id = d.id where d.customer_id = any ($1))',
  'delete', 'Values of the person and of their deals.', content => 'value',
  technical => 'id field_id field_key field_label customer_id company_id deal_id created_at updated_at', entity => 'custom_value');
call platform.classify('crm.deals', 'r.customer_id = any ($1)', 'scrub',
  'The books keep amounts, stages and closings; names and requests go.',
  content => 'name amount currency company_id expected_close_on', stays => 'amount currency company_id expected_close_on',
  technical => 'id customer_id pipeline_id stage_id status owner_id closed_at idempotency_key request_digest version created_at updated_at',
  becomes => '{"name": "''Erased''", "idempotency_key": "null", "request_digest": "null"}', entity => 'deal');
call platform.classify('crm.deal_closings', 'r.customer_id = any ($1)', 'keep',
  'The books keep who closed which deal, when, and the tier that it gave.',
  content => 'given_tier previous_tier', stays => 'given_tier previous_tier',
  technical => 'id deal_id outcome customer_id customer_version deal_version closed_at closed_by closed_by_app closed_by_login reopened_at
    reopened_by reopened_by_app reopened_by_login reopened_version');
call platform.classify('crm.contacts',
  'r.customer_id = any ($1) or r.customer_id is null and lower(r.email) = any ($2)', 'delete',
  'The person''s part at a company, also one that names the address without the customer.',
  identifying => 'name email phone phone_key phone_extension', content => 'title',
  technical => 'id company_id customer_id version created_at updated_at', entity => 'contact');
call platform.classify('crm.activities', 'r.customer_id = any ($1)', 'scrub',
  'Which work was done when and by whom stays; what was said goes.',
  content => 'description metadata',
  technical => 'id customer_id deal_id type occurred_at due_at done_at created_at created_by_app created_by created_by_login
    idempotency_key request_digest',
  becomes => '{"description": "''Erased''", "metadata": "''{}''::jsonb", "request_digest": "null",
    "idempotency_key": "case when r.idempotency_key !~ ''^(client|import):'' then r.idempotency_key end"}', entity => 'activity');
call platform.classify('crm.changes', 'r.customer_id = any ($1)', 'scrub',
  'That something changed, when and by whom stays; what it was goes.', content => 'data previous names',
  technical => 'event_id id customer_id deal_id change app actor occurred_at',
  becomes => '{"data": "''{}''::jsonb", "previous": "''{}''::jsonb", "names": "''{}''::jsonb"}');

-- What Support knows. An erased conversation keeps what agents did, without the person.
call platform.classify('support.messages', 'r.session_id in (select s.id from support.sessions s where s.customer_id = any ($1)
    union all select s.id from support.sessions s where s.customer_id is null and lower(s.visitor_email) = any ($2))', 'scrub',
  'Who wrote when stays, so that the work of agents can be counted; every text goes, because an answer repeats what was asked.',
  content => 'body choices', technical => 'id session_id number author agent_id client_id created_at',
  becomes => '{"body": "''Erased''"}', entity => 'message');
call platform.classify('support.session_entries', 'r.session_id in (select s.id from support.sessions s where s.customer_id = any ($1)
    union all select s.id from support.sessions s where s.customer_id is null and lower(s.visitor_email) = any ($2))', 'scrub',
  'What agents did stays; their notes go.', content => 'body',
  technical => 'id session_id kind agent_id to_agent_id client_id created_at',
  becomes => '{"body": "case when r.body is not null then ''Erased'' end"}', entity => 'entry');
call platform.classify('support.sessions',
  'r.customer_id = any ($1) or r.customer_id is null and lower(r.visitor_email) = any ($2)', 'scrub',
  'Times, agents and outcome stay for the numbers of the desk. The visitor''s token ends.',
  identifying => 'visitor_email visitor_name', content => 'page language time_zone',
  technical => 'id widget_id customer_id identity token_hash handler agent_id status resolved is_offline message_count
    visitor_read_number agent_read_number started_at asked_at waiting_since snoozed_until last_message_at ended_at',
  becomes => '{"token_hash": "sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))", "status": "''ended''",
    "resolved": "coalesce(r.resolved, false)", "ended_at": "coalesce(r.ended_at, clock_timestamp())", "waiting_since": "null",
    "snoozed_until": "null"}', entity => 'session');
call platform.classify('support.calls', 'r.customer_id = any ($1)', 'scrub',
  'Who called when and for how long stays for the numbers of the desk; number, outcome and notes go.',
  identifying => 'number_e164', content => 'outcome notes',
  technical => 'id client_id customer_id agent_id direction started_at duration_seconds created_at request_digest',
  becomes => '{"number_e164": "''+999000000''", "client_id": "null", "request_digest": "null"}', entity => 'call');

-- What merges, moves and reviews remember.
call platform.classify('platform.merges', 'r.survivor_id = any ($1) or r.loser_id = any ($1)', 'scrub',
  'That records were one person, and who said so, stays: an erased customer leads from every id to one tombstone.',
  content => 'reason evidence', technical => 'id survivor_id loser_id actor app login rules merged_at survivor_version loser_version moved
    suppressed undone_at undone_by undone_by_app undone_by_login back_version undo_report',
  becomes => '{"evidence": "''{}''::jsonb",
    "undo_report": "case when r.undo_report is not null then ''{}''::jsonb end"}');
call platform.classify('platform.merge_fields',
  'r.merge in (select m.id from platform.merges m where m.survivor_id = any ($1) or m.loser_id = any ($1))', 'scrub',
  'Which rule chose which side stays; the values go.', identifying => 'ours theirs chosen',
  technical => 'merge field side chosen_by why row_key');
call platform.classify('platform.merge_moves',
  'r.merge in (select m.id from platform.merges m where m.survivor_id = any ($1) or m.loser_id = any ($1))', 'scrub',
  'Which row was moved stays; what was in it goes. A key may be an address, so it becomes a number of its own.',
  identifying => 'was key', technical => 'merge reference released',
  becomes => '{"key": "case when r.key ~ ''^[0-9a-f-]{36}$'' then r.key else gen_random_uuid()::text end"}');
call platform.classify('platform.merge_suppressed',
  'r.merge in (select m.id from platform.merges m where m.survivor_id = any ($1) or m.loser_id = any ($1))', 'delete',
  'Whole rows that an unmerge would have written again.', identifying => 'key was', technical => 'merge reference customer_id');
call platform.classify('platform.moves', 'r.id in (select m.id from platform.moves m where m.from_id = any ($1)
    union all select m.id from platform.moves m where m.to_id = any ($1))', 'scrub',
  'That a record was moved, and by whom, stays.', content => 'reason',
  technical => 'id kind record_id from_id to_id identity app login actor moved_at undone_at undone_by released');
call platform.classify('platform.review_decisions', 'r.candidate in (select c.id from platform.review_candidates c
    where c.customer_id = any ($1) union all select c.id from platform.review_candidates c where c.other_id = any ($1))', 'delete',
  'Nobody undoes a decision about a person who is gone.',
  technical => 'id candidate was became reason_was merge decided_at decided_by decided_by_login act undone_at undone_by');
call platform.classify('platform.review_candidates', 'r.id in (select c.id from platform.review_candidates c where c.customer_id = any ($1)
    union all select c.id from platform.review_candidates c where c.other_id = any ($1))', 'delete',
  'A pair compares two persons: nothing of it is left to ask.', content => 'evidence',
  technical => 'id customer_id other_id reason reasons state created_at created_by_app decided_at decided_by score rules run follows
    is_asked merge assigned_to assigned_at assigned_by');

-- What imports remember.
call platform.classify('staging.import_lines', 'r.email_key = any ($2) or r.phone_key = any ($3)
    or exists (select from jsonb_array_elements(r.extra -> ''emails'') e where e.value ->> ''key'' = any ($2))', 'scrub',
  'The lines of a plan keep their numbers.',
  identifying => 'raw first_name last_name birth_date external_id email email_key name phone phone_key phone_extension',
  content => 'reason city company company_domain tier owner language timezone created_at extra',
  technical => 'run n file line kind code digest is_known',
  becomes => '{"kind": "''erased''", "code": "''erased''", "digest": "null"}', later => true);
call platform.classify('staging.import_groups', null, 'keep', 'Numbers of lines and ids only.',
  content => 'reason', stays => 'reason', technical => 'run n lead customer code');
call platform.classify('sync.import_candidates', 'r.other_customer = any ($1)', 'scrub',
  'Numbers of lines stay.', content => 'reasons', technical => 'run n other_n other_customer score',
  becomes => '{"reasons": "''[]''::jsonb"}');
call platform.classify('sync.import_rows',
  'r.customer = any ($1)
    or r.customer is null and r.email_key is not null and hashtextextended(r.email_key, 0) = any (platform.hashes_of($2))
    or r.customer is null and r.phone_key is not null and hashtextextended(r.phone_key, 0) = any (platform.hashes_of($3))',
  'scrub',
  'What became of a line stays, so that the numbers of the run do; what the line said goes.',
  identifying => 'external_id email email_key name phone phone_key phone_extension raw',
  content => 'detail company company_domain tier owner language timezone created_at extra',
  technical => 'run n file line outcome planned code lead customer digest', becomes => '{"digest": "null"}');
call platform.classify('sync.import_writes', 'r.customer = any ($1)', 'scrub',
  'That a run wrote a field stays, so that its undo passes it by; the values go.', identifying => 'field before after',
  technical => 'run n customer version is_undone',
  becomes => '{"after": "''null''::jsonb",
    "field": "sync.field_of_nobody(r.field)"}');
call platform.classify('sync.import_kept', 'r.customer = any ($1)', 'scrub',
  'That an undo left a field stays; the values go.', identifying => 'field written present', technical => 'run n customer',
  becomes => '{"field": "sync.field_of_nobody(r.field)"}');
call platform.classify('sync.import_keys', 'r.customer = any ($1)', 'delete',
  'The ids of the person in the sources; their keyed hashes go to the suppression list.', identifying => 'key',
  technical => 'source customer digest run');
call platform.classify('sync.import_decisions', 'r.one_customer = any ($1) or r.other_customer = any ($1)', 'delete',
  'Answers about the person.', identifying => 'one other',
  technical => 'answer former changes_plan run one_customer other_customer decided_at actor login');
call platform.classify('sync.import_chunks', 'r.upload = any (platform.uploads_of_person($1, $2, $3))', 'delete',
  'The bytes of every stored file that has a line of the person.', identifying => 'bytes', technical => 'upload place');
call platform.classify('sync.import_uploads', 'r.id = any (platform.uploads_of_person($1, $2, $3))', 'scrub',
  'That a file was given, by whom and when, stays.', content => 'name recognition refusal settings',
  stays => 'name settings', technical => 'id size state sha256 is_remembered began_at stored_at used_at actor login',
  becomes => '{"state": "''removed''"}', later => true);
call platform.classify('sync.import_files', null, 'keep', 'Names of files.', content => 'name', stays => 'name',
  technical => 'run file source sha256 lines');
call platform.classify('sync.import_runs', null, 'keep', 'Numbers of a run. What has no place in the database are words of a file.',
  content => 'unmapped', stays => 'unmapped',
  technical => 'id app state settings rules lines planned applied_to undone_to removed restored used_at decided_at created_at created_by
    created_by_login');
call platform.classify('sync.import_steps', null, 'keep', 'Who did what with a run.', content => 'reason', stays => 'reason',
  technical => 'id run step began_at ended_at actor login outcome');
call platform.classify('sync.import_jobs', null, 'keep', 'What the worker did.', content => 'error', stays => 'error',
  technical => 'id kind upload run settings state progress outcome attempts worker leased_until is_cancelled asked_at began_at ended_at
    actor login');
call platform.classify('sync.import_mappings', null, 'keep', 'What columns of files mean.',
  technical => 'fingerprint settings used_at actor');
call platform.classify('sync.import_targets', null, 'keep', 'Names of companies, tiers and staff in files.',
  content => 'key name domain', stays => 'key name domain', technical => 'run kind same_as target lines made');
call platform.classify('sync.queued_imports', null, 'keep', 'Numbers of lines.', technical => 'run queued_to pairs ended_at');

-- The log, and what subscribers left behind.
call platform.classify('sync.attempts', 'r.position = any (platform.positions_of_person($1))', 'own',
  'Which attempt failed when stays; the text of the error goes.', content => 'error',
  technical => 'id subscription position attempt ended_at duration_ms process cause');
call platform.classify('sync.parked', 'r.subscription in (select s.name from sync.subscriptions s) and r.customer = any ($1)', 'scrub',
  'The event waits for its subscriber, with what the log still says of it.', content => 'error',
  technical => 'subscription position key customer state attempts attempt_at cause is_replay parked_at');
call platform.classify('sync.quality_findings', 'r.id in (select f.id from sync.quality_findings f where f.customer_id = any ($1)
    union all select f.id from sync.quality_findings f where f.other_id = any ($1))', 'delete', 'Findings about the person.',
  technical => 'id finding subject subject_id part customer_id other_id detail found_at');
call platform.classify('sync.outbox', 'r.customer = any ($1)', 'own', 'See sync.events.', content => 'data previous',
  technical => 'id type key customer row_id version audience app login actor trace occurred_at');
call platform.classify('sync.events', 'r.position = any (platform.positions_of_person($1))', 'own',
  'The log keeps its numbers and what is technical, so that every reader counts the same; values of the person go.',
  content => 'data previous', technical => 'position id type key customer row_id version audience app login actor trace occurred_at
    sequenced_at');
call platform.classify('sync.consumers', null, 'keep', 'Ids, types and states of events.', technical => 'name letters parked is_paused
    reported_at seen_at');
call platform.classify('sync.consumer_effects', null, 'keep', 'Ids of events, with what a consumer made of them.',
  technical => 'event consumer state attempt lag_ms at');
call platform.classify('sync.consumer_orders', null, 'keep', 'What operators asked of consumers, by ids.', content => 'reason',
  stays => 'reason', technical => 'id consumer act scope state outcome actor ordered_at sent_at ended_at');
call platform.classify('sync.causes', null, 'keep', 'The shape of an error names no person.', content => 'shape', stays => 'shape',
  technical => 'subscription cause error_class failures first_at last_at hour by_hour sample_position');
call platform.classify('sync.operations', null, 'keep', 'What operators did, by ids, with their reasons.', content => 'reason',
  stays => 'reason', technical => 'id kind scope outcome actor app login trace done_at');

-- The house: no row is a customer's. The rows about users are those of staff, which a customer's erasure does not touch.
call platform.classify('platform.users', null, 'keep', 'Staff, not customers.',
  identifying => 'id email name directory_tenant_id directory_object_id',
  technical => 'role foundation_user_id support_user_id created_at last_signed_in', entity => 'user');
call platform.classify('platform.sign_ins', null, 'keep', 'Sign-ins of staff.', identifying => 'user_id', content => 'agent',
  stays => 'agent',
  technical => 'id app token_hash next_token_hash next_token_at previous_token_hash rotated_at csrf_token role_max created_at last_seen_at
    idle_max expires_at ended_at end_reason');
call platform.classify('platform.companies', null, 'keep', 'Companies are no persons.', content => 'name domain', stays => 'name domain',
  technical => 'id version created_at updated_at created_by_app', entity => 'company');
call platform.classify('crm.saved_views', null, 'keep', 'Searches of staff. One may hold what somebody looked for.',
  content => 'name query', stays => 'name query', technical => 'id owner_id page is_shared created_at');
do $$
declare t record;
begin
  for t in
    select * from (values
      ('crm.currencies', 'code decimals is_withdrawn', null),
      ('crm.custom_fields', 'id record key label type choices is_required position created_at', null),
      ('crm.former_stages', 'id name', null),
      ('crm.pipeline_stages', 'id pipeline_id name position outcome probability_percent', null),
      ('crm.pipelines', 'id name is_default version created_at updated_at', null),
      ('platform.apps', 'name role audience created_at', null),
      ('platform.cursor_key', 'only_one key', null),
      ('platform.inventory', 'relation column_name class becomes stays', null),
      ('platform.inventory_tables', 'relation entity belongs erasing later why place', null),
      ('platform.merge_references', 'reference relation customer_column key_columns and_set keeps_rows stays', null),
      ('platform.migrations', 'number name sha256 applied_at duration_ms locks breaks_apps_below', null),
      ('platform.tiers', 'id key label colour position is_retired version created_at updated_at', 'tier'),
      ('support.agents', 'id user_id availability is_active last_seen_at created_at', null),
      ('support.canned_answers', 'id shortcut title body created_at', null),
      ('support.chatbots', 'id widget_id name rules is_live version created_at updated_at', null),
      ('support.limits', 'key points expires_at', null),
      ('support.widget_agents', 'widget_id agent_id', null),
      ('support.widget_secrets', 'id widget_id secret created_at retires_at', null),
      ('support.widgets', 'id key name allowed_origins settings is_active version created_at updated_at', null),
      ('sync.alert_deliveries', 'alert_id target state attempts attempt_at claimed_until error settled_at', null),
      ('sync.alert_silences', 'id slug kind until reason actor login created_at ended_at', null),
      ('sync.alert_states', 'slug kind told sent alert_id restless_since gone_since', null),
      ('sync.alert_targets', 'name seen_at', null),
      ('sync.alert_turn', 'only_one announced_at', null),
      ('sync.alerts', 'id message_id slug kind status previous reason since told_at silence_id acknowledged_by acknowledged_at', null),
      ('sync.bulk_items', 'run position state because', null),
      ('sync.bulk_runs', 'id kind subscription filter reason state total rate_per_second up_to_position attempts_after tried handled
        failed held_back skipped mended refused gone untouched actor login frozen_at confirmed_at due_at faults fault ended_at', null),
      ('sync.check_states', 'slug kind status reason measures since worsens_since source', null),
      ('sync.entities', 'name audience', null),
      ('sync.health', 'only_one evaluated_at horizon horizon_since head head_since rolled_at rolled_position log_bytes log_partitions
        log_largest_bytes log_measured_at', null),
      ('sync.health_limits', 'name value meaning', null),
      ('sync.health_sources', 'function_name gives', null),
      ('sync.heartbeats', 'app process login started_at beat_at ended_at clock_off_ms clock_last_ms report turns counted', null),
      ('sync.quality_history', 'finding hour stored', null),
      ('sync.quality_numbers', 'finding scan is_repaired stored', null),
      ('sync.quality_scans', 'name place rounds rows_seen rows_of_round round_began_at last_began_at last_ended_at stepped_at step_rows
        faults asked_at asked_by', null),
      ('sync.relay', 'only_one term holder leased_until', null),
      ('sync.rollup', 'step_seconds at measured', null),
      ('sync.sequencer', 'only_one floor_id head term leader leads_since', null),
      ('sync.series', 'id name label fold', null),
      ('sync.subscriptions', 'name app types holds position replay_until is_paused pause_reason created_at moved_at', null)
    ) house (relation, columns, entity)
  loop
    call platform.classify(t.relation::regclass, null, 'keep', 'The house''s own: no row is a person''s.', technical => t.columns,
      entity => t.entity);
  end loop;
end $$;

-- The hashes by which the lines of imports are found: a parameter, so that an index answers.
create function platform.hashes_of(keys text[]) returns bigint[]
language sql immutable parallel safe
return (select coalesce(array_agg(hashtextextended(k, 0)), '{}') from unnest(keys) k);

-- What lookups by a person need beyond the indexes that there are.
create index contacts_unlinked on crm.contacts (lower(email)) where customer_id is null and email is not null;
create index sessions_unlinked on support.sessions (lower(visitor_email)) where customer_id is null and visitor_email is not null;
-- Of an address and a number only a hash is in the index: an index keeps the bytes of an entry until it is built again, and an erasure
-- builds none of those of a run again.
create index import_rows_customer on sync.import_rows (customer) where customer is not null;
create index import_rows_address on sync.import_rows (hashtextextended(email_key, 0)) where customer is null and email_key is not null;
create index import_rows_phone on sync.import_rows (hashtextextended(phone_key, 0)) where customer is null and phone_key is not null;
create index import_kept_customer on sync.import_kept (customer);
create index import_candidates_customer on sync.import_candidates (other_customer) where other_customer is not null;
create index import_decisions_one on sync.import_decisions (one_customer) where one_customer is not null;
create index import_decisions_other on sync.import_decisions (other_customer) where other_customer is not null;

-- Everybody who writes logs, metrics or pages may know what a column is.
create policy looks_read on platform.inventory for select to console_role, sync_role, privacy_role using (true);
create policy looks_read on platform.inventory_tables for select to console_role, sync_role, privacy_role using (true);
grant usage on schema platform to privacy_role;
grant select on platform.inventory, platform.inventory_tables to console_role, sync_role, privacy_role;
