-- What is held about one person: where, why and how many rows, and the rows themselves. privacy_role reads no table. It names a person, and
-- the functions here read what belongs to that person.
--
-- A person is a jsonb object that platform.gather_person makes: customers (with those that were merged into them), emails (canonical,
-- without those that belong to somebody else by now), phones (E.164, without shared ones), sessions, users and deals. The inventory says
-- which rows of a table belong to a person. platform.person_sources adds what an export needs: words, an order, and what it leaves out.

grant usage on schema platform to privacy_role;

create table platform.person_sources (
  relation text collate "C" primary key references platform.inventory_tables,
  place integer not null unique,
  category text collate "C" not null check (category ~ '^[a-z]+$'),
  why text not null,
  ordering text not null,
  hidden text[] not null default '{}',
  belongs text,
  narrows text
);
comment on table platform.person_sources is 'The tables that hold people, in the order in which a person is told of them.';
comment on column platform.person_sources.why is 'What its rows are, in words for the person.';
comment on column platform.person_sources.hidden is
  'Columns that no export has: secrets, copies that only machines read, and what may tell of other people.';
comment on column platform.person_sources.belongs is
  'As in the inventory, if that says that no row is a customer''s; it may also use $4 sessions, $5 users and $6 deals of the person.';
comment on column platform.person_sources.narrows is
  'Rows that belong to the person and tell of another one as well are left out: only these are given.';
call platform.protect_table('platform.person_sources');
call platform.classify('platform.person_sources', null, 'keep', 'The house''s own: no row is a person''s.',
  technical => 'relation place category why ordering hidden belongs narrows');
-- Grants are absent: the functions below read it, and only a migration writes it.

-- Whether a line as it was read names one of these addresses as a word of its own: ann@x.example is not in joann@x.example.
create function platform.names_address(line text, emails text[]) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  address text;
begin
  if line is null then return false; end if;
  foreach address in array emails loop
    if position(address in lower(line)) > 0 and lower(line) ~ ('(^|[^[:alnum:]._%+-])'
       || regexp_replace(address, '([^[:alnum:]@_])', '\\\1', 'g') || '($|[^[:alnum:].-]|\.($|[^[:alnum:]]))') then
      return true;
    end if;
  end loop;
  return false;
end $$;

insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (10, 'platform.customers', 'profile', 'The customer itself, and customers that were merged into it.', 'r.id', '{}'),
  (11, 'crm.customer_order', 'profile', 'A copy of the tier and the last change, for lists.', 'r.customer_id', '{}'),
  (12, 'crm.custom_field_values', 'profile', 'Custom fields of the customer and of its deals.', 'r.id', '{}'),
  (13, 'platform.customer_external_ids', 'profile', 'Numbers that other systems gave the customer.', 'r.app, r.external_id', '{}'),
  (20, 'platform.customer_emails', 'addresses', 'Addresses by which the customer is known.', 'r.email_key', '{}'),
  (21, 'platform.removed_emails', 'addresses', 'Addresses that were taken away from the customer, for an undo.', 'r.id', '{}'),
  (22, 'platform.customer_phones', 'addresses', 'Telephone numbers of the customer.', 'r.id', '{}'),
  (23, 'platform.removed_phones', 'addresses', 'Numbers that were taken away from the customer, for an undo.', 'r.id', '{}'),
  (30, 'crm.deals', 'deals', 'Deals with the customer.', 'r.id', '{idempotency_key,request_digest}'),
  (31, 'crm.deal_closings', 'deals', 'When those deals were closed and opened again.', 'r.id', '{}'),
  (32, 'crm.contacts', 'contacts', 'The person as a contact of a company.', 'r.id', '{}'),
  (40, 'crm.activities', 'timeline', 'Notes, tasks and entries in the customer''s timeline.', 'r.occurred_at, r.id',
    '{idempotency_key,request_digest}'),
  (41, 'crm.changes', 'timeline', 'Changes of the deals, as the timeline shows them.', 'r.event_id', '{id}'),
  (50, 'support.sessions', 'conversations', 'Conversations in the chat, also those where the address was only typed.',
    'r.started_at, r.id', '{token_hash}'),
  (51, 'support.messages', 'conversations', 'The messages of those conversations.', 'r.session_id, r.number', '{client_id}'),
  (52, 'support.session_entries', 'conversations', 'Notes of agents in those conversations, and what happened in them.',
    'r.session_id, r.created_at, r.id', '{client_id}'),
  (55, 'support.calls', 'calls', 'Telephone calls with the customer.', 'r.started_at, r.id', '{client_id,request_digest}'),
  (60, 'platform.moves', 'merges', 'Records that were moved to this customer or away from it.', 'r.moved_at, r.id',
    '{reason,released,record_id}'),
  (61, 'platform.merges', 'merges', 'Merges with other records of the same person, also those that were taken back.', 'r.merged_at, r.id',
    '{reason,evidence,undo_report,moved,suppressed}'),
  (62, 'platform.merge_fields', 'merges', 'The values that those merges chose between.', 'r.merge, r.field', '{}'),
  (63, 'platform.merge_moves', 'merges', 'The rows that those merges moved, as they were.', 'r.merge, r.reference, r.key', '{}'),
  (64, 'platform.merge_suppressed', 'merges', 'Rows that a merge kept aside.', 'r.merge, r.reference, r.key', '{}'),
  (65, 'platform.review_candidates', 'merges', 'Records that may be the same person.', 'r.created_at, r.id',
    '{evidence,reasons,follows,rules}'),
  (66, 'platform.review_decisions', 'merges', 'What people decided about them.', 'r.id', '{act}'),
  (67, 'sync.quality_findings', 'merges', 'What the checks of the data found.', 'r.id', '{detail,part,subject_id}'),
  (70, 'sync.import_rows', 'imports', 'Lines of imported files, also those that were refused.', 'r.run, r.n', '{detail,lead,owner,digest}'),
  (71, 'sync.import_keys', 'imports', 'The ids by which an imported line is known again.', 'r.source, r.key', '{digest}'),
  (72, 'sync.import_writes', 'imports', 'What imports wrote, and what was there before.', 'r.run, r.n, r.field', '{}'),
  (73, 'sync.import_kept', 'imports', 'What the undo of an import left as it was.', 'r.run, r.n, r.field', '{}'),
  (74, 'sync.import_candidates', 'imports', 'Lines that may be the same person.', 'r.run, r.n', '{n,other_n,reasons}'),
  (75, 'sync.import_decisions', 'imports', 'What people decided about them.', 'r.decided_at', '{one,other}'),
  (76, 'staging.import_lines', 'imports', 'Lines of a plan that has not been applied.', 'r.run, r.n', '{owner,digest}'),
  (80, 'sync.events', 'history', 'The log of changes.', 'r.position', '{login,trace,id}'),
  (81, 'sync.outbox', 'history', 'Changes that the log has not numbered yet.', 'r.id', '{login,trace}'),
  (82, 'sync.parked', 'history', 'Changes that an app could not handle yet.', 'r.position, r.subscription', '{}'),
  (83, 'sync.attempts', 'history', 'What was tried with them.', 'r.id', '{process}');

insert into platform.person_sources (place, relation, category, why, ordering, hidden, belongs) values
  (90, 'platform.users', 'staff', 'The person as a member of staff, by the same address.', 'r.id', '{}', 'r.id = any ($5)'),
  (91, 'platform.sign_ins', 'staff', 'Sign-ins of that member of staff.', 'r.created_at, r.id',
    '{token_hash,next_token_hash,previous_token_hash,csrf_token}', 'r.user_id = any ($5)'),
  (92, 'support.agents', 'staff', 'The member of staff as an agent of Support.', 'r.id', '{}', 'r.user_id = any ($5)'),
  (93, 'crm.saved_views', 'staff', 'Lists that the member of staff has saved. What they search for may be other people.', 'r.id', '{query}',
    'r.owner_id = any ($5)');

-- Of a merge that was taken back the other record is another person.
update platform.person_sources set narrows = 'r.merge in (select m.id from platform.merges m
  where m.survivor_id = any ($1) and m.loser_id = any ($1) and m.undone_at is null)'
where relation in ('platform.merge_fields', 'platform.merge_moves');
update platform.person_sources set narrows = 'r.customer_id = any ($1)' where relation = 'platform.merge_suppressed';
update platform.person_sources set narrows =
  'not exists (select from platform.customer_emails e where e.email_key = r.email_key and e.customer_id <> all ($1))'
where relation = 'platform.removed_emails';
-- An event of a record that belongs to somebody else by now would tell of them. platform.merges tells of merges.
update platform.person_sources set narrows = 'r.type not in (''customer.merged'', ''customer.unmerged'')
  and case when split_part(r.type, ''.'', 1) in (''session'', ''message'', ''entry'') then r.key = any ($4::text[])
    when r.type like ''activity.%'' then not exists (select from crm.activities a where a.id = r.key::uuid and a.customer_id <> all ($1))
    when r.type like ''call.%'' then not exists (select from support.calls a where a.id = r.key::uuid and a.customer_id <> all ($1))
    when r.type like ''deal.%'' then r.key = any ($6::text[]) else r.customer = any ($1) end'
where relation in ('sync.events', 'sync.outbox');
update platform.person_sources set belongs = 'r.customer = any ($1)' where relation = 'sync.events';
update platform.person_sources set belongs = 'r.position in (select e.position from sync.events e where e.customer = any ($1))'
where relation = 'sync.attempts';
-- A line that was refused has no canonical address.
update platform.person_sources set belongs = 'r.customer = any ($1)
  or r.customer is null and (r.email_key = any ($2) or r.email_key is null and r.phone_key = any ($3))
  or r.customer is null and r.email_key is null and platform.names_address(r.raw, $2)'
where relation = 'sync.import_rows';
update platform.person_sources set belongs = 'r.email_key = any ($2) or r.email_key is null and r.phone_key = any ($3)
  or r.email_key is null and platform.names_address(r.raw, $2)'
where relation = 'staging.import_lines';

-- The customers that an address, a number, an id or a number of another system leads to: of a merged one its survivor. An erased one is
-- found by its id alone.
create function platform.find_persons(
  of_email text, of_phone text, of_id text, out customer uuid, out name text, out email text, out erased_at timestamptz)
returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  as_uuid constant uuid := case when pg_input_is_valid(of_id, 'uuid') then of_id::uuid end;
  as_number constant bigint := case when pg_input_is_valid(of_id, 'bigint') then of_id::bigint end;
begin
  return query
    select c.id, c.name::text, c.email, c.erased_at from platform.customers c
    where c.id in (
      select coalesce(k.merged_into, k.id) from platform.customers k where k.id in (
        select e.customer_id from platform.customer_emails e where e.email_key = of_email
        union all select p.customer_id from platform.customer_phones p where p.phone_key = of_phone and not p.is_primary
        union all select n.id from platform.customers n where n.phone_key = of_phone
        union all select as_uuid
        union all select s.customer_id from support.sessions s where s.id = as_uuid
        union all select n.id from platform.customers n where n.crm_id = as_number
        union all select n.id from platform.customers n where n.support_id = as_number
        union all select x.customer_id from platform.customer_external_ids x
          where x.app in (select a.name from platform.apps a) and x.external_id = of_id))
    order by c.id;
end $$;

-- The person of these customers, or without customers of these addresses and numbers, and of the address typed in this conversation.
create function platform.gather_person(of_customers uuid[], of_emails text[], of_phones text[], of_session uuid default null)
returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  family constant uuid[] := (select coalesce(array_agg(c.id order by c.id), '{}') from platform.customers c
    where c.id = any (of_customers) or c.merged_into = any (of_customers));
  addresses text[];
  numbers text[];
  chats uuid[];
begin
  -- An address that belongs to another customer by now leads to nothing here.
  select coalesce(array_agg(distinct k.key), '{}') into addresses from (
    select unnest(of_emails)
    union all select lower(s.visitor_email) from support.sessions s
      where s.id = of_session and s.customer_id is null and s.visitor_email is not null
    union all select c.email_key from platform.customers c where c.id = any (family)
    union all select e.email_key from platform.customer_emails e where e.customer_id = any (family)
    union all select e.email_key from platform.removed_emails e where e.customer_id = any (family)) k (key)
  where not exists (select from platform.customer_emails e where e.email_key = k.key and e.customer_id <> all (family));
  -- Nor does a number that another customer has as well.
  select coalesce(array_agg(distinct k.key), '{}') into numbers from (
    select unnest(of_phones) union all select p.phone_key from platform.customer_phones p where p.customer_id = any (family)) k (key)
  where not exists (select from platform.customer_phones p where p.phone_key = k.key and p.customer_id <> all (family));
  select coalesce(array_agg(s.id order by s.started_at, s.id), '{}') into chats from support.sessions s
  where s.customer_id = any (family) or s.customer_id is null and (s.id = of_session or lower(s.visitor_email) = any (addresses));
  return jsonb_build_object('customers', family, 'emails', addresses, 'phones', numbers, 'sessions', chats,
    'users', (select coalesce(array_agg(u.id), '{}') from platform.users u where lower(u.email) = any (addresses)),
    'deals', (select coalesce(array_agg(d.id), '{}') from crm.deals d where d.customer_id = any (family)));
end $$;

create function platform.members_of(person jsonb, kind text) returns text[]
language sql immutable parallel safe
return (select coalesce(array_agg(m), '{}') from jsonb_array_elements_text(person -> kind) m);

-- The rows of a source: what follows `from`. The conditions are of the inventory and of person_sources, which only migrations write.
create function platform.say_rows(s platform.person_sources) returns text
language sql stable
return (
  select format('%s r where (%s)%s', s.relation, coalesce(s.belongs, i.belongs), ' and (' || s.narrows || ')')
  from platform.inventory_tables i where i.relation = s.relation);

-- Every table that can hold a person, with the number of rows that belong to this one.
create function platform.count_held(person jsonb, out relation text, out category text, out why text, out held bigint)
returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  s platform.person_sources;
begin
  for s in select * from platform.person_sources o order by o.place loop
    relation := s.relation;
    category := s.category;
    why := s.why;
    execute 'select count(*) from ' || platform.say_rows(s) into held
      using platform.members_of(person, 'customers')::uuid[], platform.members_of(person, 'emails'), platform.members_of(person, 'phones'),
        platform.members_of(person, 'sessions')::uuid[], platform.members_of(person, 'users'),
        platform.members_of(person, 'deals')::bigint[];
    return next;
  end loop;
end $$;

-- A cursor over the rows of one table that belong to the person, in their order. The caller fetches so many at a time in its transaction,
-- so that nobody holds them all.
create function platform.open_held(person jsonb, of_relation text) returns refcursor
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  s platform.person_sources;
  rows_held refcursor;
begin
  select o.* into s from platform.person_sources o where o.relation = of_relation;
  if not found then raise exception 'people are not in %', of_relation using errcode = 'invalid_parameter_value'; end if;
  open rows_held no scroll for
    execute format('select to_jsonb(r) - $7 as row from %s order by %s', platform.say_rows(s), s.ordering)
    using platform.members_of(person, 'customers')::uuid[], platform.members_of(person, 'emails'), platform.members_of(person, 'phones'),
      platform.members_of(person, 'sessions')::uuid[], platform.members_of(person, 'users'),
      platform.members_of(person, 'deals')::bigint[], s.hidden;
  return rows_held;
end $$;

-- The agents with whom the person wrote or spoke: the widget showed their names.
create function platform.name_agents_of(person jsonb, out agent uuid, out name text) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select a.id, u.name::text from support.agents a join platform.users u on u.id = a.user_id
  where exists (select from support.messages m where m.agent_id = a.id
      and m.session_id = any (platform.members_of(name_agents_of.person, 'sessions')::uuid[]))
    or exists (select from support.calls c where c.agent_id = a.id
      and c.customer_id = any (platform.members_of(name_agents_of.person, 'customers')::uuid[]));
end;

-- The customers of the person as `aether import` reads them: what another system needs to know the person.
create function platform.portable_customers(person jsonb) returns setof jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_strip_nulls(jsonb_build_object('id', c.id, 'email', c.email,
      'email 2', (select nullif(jsonb_agg(e.email order by e.created_at, e.email_key), '[]')
        from platform.customer_emails e where e.customer_id = c.id and not e.is_primary),
      'name', c.name, 'phone', c.phone || coalesce(' ext. ' || c.phone_extension, ''),
      'other phone', (select nullif(jsonb_agg(p.phone order by p.created_at, p.id), '[]')
        from platform.customer_phones p where p.customer_id = c.id and not p.is_primary),
      'company', k.name, 'domain', k.domain, 'tier', c.account_tier, 'language', c.preferred_language, 'timezone', c.timezone,
      'created_at', c.created_at))
    || coalesce((select jsonb_object_agg('custom:' || v.field_key, v.value)
      from crm.custom_field_values v where v.customer_id = c.id), '{}')
  from platform.customers c left join platform.companies k on k.id = c.company_id
  where c.id = any (platform.members_of(portable_customers.person, 'customers')::uuid[]) and c.merged_into is null and c.erased_at is null;
end;

-- Records that the person's data are given out, before the first byte is: an operation, and for each customer an event that only the
-- console sees. Both hold ids alone.
create function platform.record_export(person jsonb, reason text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  present constant uuid[] := (select coalesce(array_agg(c.id order by c.id), '{}') from platform.customers c
    where c.id = any (platform.members_of(person, 'customers')::uuid[]) and c.merged_into is null);
begin
  perform pg_current_xact_id();
  insert into sync.outbox (type, key, customer, row_id, audience, app, login, actor, data, trace)
  select 'customer.exported', c::text, c, c::text, 'console', platform.current_app(), session_user, platform.current_actor(),
    jsonb_build_object('id', c), nullif(left(current_setting('aether.trace', true), 255), '')
  from unnest(present) c;
  perform sync.ring();
  return sync.record_operation('privacy.export',
    jsonb_build_object('customers', present[1:100], 'sessions', jsonb_array_length(person -> 'sessions')),
    nullif(btrim(reason), ''), jsonb_build_object('customers', cardinality(present)));
end $$;

grant execute on function platform.find_persons(text, text, text), platform.gather_person(uuid[], text[], text[], uuid),
  platform.count_held(jsonb), platform.open_held(jsonb, text), platform.name_agents_of(jsonb), platform.portable_customers(jsonb),
  platform.record_export(jsonb, text) to privacy_role;
