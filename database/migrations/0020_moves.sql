-- Moves: a conversation, call or activity of the wrong person goes to the right one. A move is recorded as a merge is: who, when, from whom
-- to whom, why, and its undo. The app that owns the record moves it, for one of its people: Support its conversations and calls, Foundation
-- the activities that its people wrote. What Support told the CRM about a conversation or a call goes with it.

create table platform.moves (
  id uuid primary key default uuidv7(),
  kind text collate "C" not null check (kind in ('session', 'call', 'activity')),
  record_id uuid not null,
  from_id uuid not null references platform.customers,
  to_id uuid not null references platform.customers,
  identity text collate "C" check (identity in ('claimed', 'verified')),
  reason text check (platform.is_line(reason, 500)),
  app text collate "C" not null default platform.current_app() check (platform.is_app(app)),
  login name not null default session_user,
  actor text collate "C" not null default platform.current_actor(),
  moved_at timestamptz not null default clock_timestamp(),
  undone_at timestamptz,
  undone_by text collate "C",
  released uuid[] not null default '{}',
  check ((undone_at is null) = (undone_by is null)),
  check (from_id <> to_id)
);
comment on table platform.moves is 'Records that were moved to another customer. Only platform.move_record and undo_move write it.';
comment on column platform.moves.identity is
  'Of a conversation: its identity before. Whoever proved to be one customer has not proven to be another, so a move makes it claimed.';
comment on column platform.moves.released is
  'The merges that had a claim to the record: it ends with the move, and comes back with its undo, so that an unmerge takes it home.';
comment on column platform.moves.actor is 'As the app said; no reference, so that the record outlives the user.';
comment on constraint moves_from_id_fkey on platform.moves is 'any customer: a record of the past, which a merge does not rewrite';
comment on constraint moves_to_id_fkey on platform.moves is 'any customer: a record of the past, which a merge does not rewrite';
create index on platform.moves (kind, record_id, id desc);
create index on platform.moves (from_id);
create index on platform.moves (to_id);

call platform.stay_in_merges('platform.moves', 'from_id', 'It says where the record was.');
call platform.stay_in_merges('platform.moves', 'to_id', 'It says where the record went.');
call platform.protect_table('platform.moves');
create policy foundation_read on platform.moves for select to foundation_role using (kind = 'activity');
create policy support_read on platform.moves for select to support_role using (kind in ('session', 'call'));
create policy console_read on platform.moves for select to console_role using (true);
-- Writes are absent: an app can forge no move.
grant select on platform.moves to foundation_role, support_role, console_role;

-- Whose record this kind is: only that app moves it.
create function platform.require_owner_of(kind text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_app() is distinct from
     (case when kind = 'activity' then 'foundation' when kind in ('session', 'call') then 'support' end) then
    raise exception 'only the app that owns a record moves it' using errcode = 'insufficient_privilege';
  end if;
  if platform.current_actor() is null then
    raise exception 'only a person moves a record' using errcode = 'insufficient_privilege';
  end if;
end $$;

create function platform.refuse_move(named text, words text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the record is not moved: %', named using errcode = 'check_violation', constraint = named, hint = words;
end $$;

-- Refuses a customer that cannot get the record, which is with the other one.
create function platform.require_other_customer(target platform.customers, present uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if target.erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased';
  elsif target.id = present then
    perform platform.refuse_move('move_there_already', 'It belongs to this customer already.');
  end if;
end $$;

-- The customer of a record. holding: also takes its lock, to the end of the transaction.
create function platform.read_moved(kind text, record uuid, holding boolean, out is_there boolean, out customer uuid, out identity text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  deal bigint;
begin
  case kind
    when 'session' then
      if holding then perform from support.sessions s where s.id = record for update; end if;
      select true, s.customer_id, s.identity into is_there, customer, identity from support.sessions s where s.id = record;
      if is_there and customer is null then
        perform platform.refuse_move('move_without_customer', 'The visitor of this conversation has given no address yet.');
      end if;
    when 'call' then
      if holding then perform from support.calls k where k.id = record for update; end if;
      select true, k.customer_id into is_there, customer from support.calls k where k.id = record;
    else
      if holding then perform from crm.activities a where a.id = record for update; end if;
      select true, a.customer_id, a.deal_id into is_there, customer, deal from crm.activities a
      where a.id = record and a.created_by_app = 'foundation' and a.type not like 'deal\_%';
      if deal is not null then
        perform platform.refuse_move('move_of_deal', 'This activity belongs to a deal of this customer, and stays with the deal.');
      end if;
  end case;
end $$;

-- Takes the record to the customer, with what the CRM was told of it: a conversation's words there depend on its identity.
create function platform.take_record(kind text, record uuid, customer uuid, new_identity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  case kind
    when 'session' then
      update support.sessions s set customer_id = customer, identity = new_identity where s.id = record;
      update crm.activities a set customer_id = n.customer_id, description = n.description, metadata = n.metadata
      from support.activity_of_session(record) n
      where a.created_by_app = 'support' and a.idempotency_key = n.idempotency_key;
    when 'call' then
      update support.calls k set customer_id = customer where k.id = record;
      update crm.activities a set customer_id = customer where a.created_by_app = 'support' and a.idempotency_key = 'call:' || record;
    else
      update crm.activities a set customer_id = customer where a.id = record;
  end case;
end $$;

-- The rows that a move takes along, as the ledger of merges names them: the record, and what the CRM was told of it.
create function platform.moved_rows(kind text, record uuid) returns table (relation text, key text)
language sql stable
begin atomic
  select case kind when 'session' then 'support.sessions' when 'call' then 'support.calls' else 'crm.activities' end, record::text
  union all
  select 'crm.activities', a.id::text from crm.activities a
  where kind <> 'activity' and a.created_by_app = 'support' and a.idempotency_key = kind || ':' || record;
end;

-- Ends the claims of merges to a record: an unmerge does not take home what a person has moved. Returns whose claims ended.
create function platform.end_claims(kind text, record uuid) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  claimed constant uuid[] := array(
    select distinct v.merge
    from platform.moved_rows(kind, record) t
      join platform.merge_references r on r.relation = t.relation
      join platform.merge_moves v on v.reference = r.reference and v.key = t.key and v.released is null
      join platform.merges m on m.id = v.merge and m.undone_at is null);
begin
  perform platform.release_moves(t.relation, t.key) from platform.moved_rows(kind, record) t;
  return claimed;
end $$;

-- What a move of the record would take along and what would stay, in words for the person who moves it. It writes and locks nothing, and
-- raises what the move would raise. to_customer may be null: nobody is chosen yet. present is null if there is no such record, and target
-- is null if there is no such customer.
create function platform.preview_move(
  kind text, record uuid, to_customer uuid, out present jsonb, out target jsonb, out goes jsonb, out stays jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  here record;
  chosen platform.customers;
begin
  perform platform.require_owner_of(kind);
  select r.* into here from platform.read_moved(kind, record, false) r;
  if here.is_there is null then return; end if;
  select jsonb_build_object('id', c.id, 'name', c.name) into present
  from platform.customers o join platform.customers c on c.id = coalesce(o.merged_into, o.id) where o.id = here.customer;
  if to_customer is not null then
    select c.* into chosen from platform.customers o join platform.customers c on c.id = coalesce(o.merged_into, o.id)
    where o.id = to_customer;
    if chosen.id is null then return; end if;
    perform platform.require_other_customer(chosen, (present ->> 'id')::uuid);
    target := jsonb_build_object('id', chosen.id, 'name', chosen.name);
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('what', g.what, 'count', g.count) order by g.place), '[]') into goes
  from (
    select 1 as place, 'messages' as what, count(*) as count from support.messages m
    where preview_move.kind = 'session' and m.session_id = record
    union all
    select 2, 'notes and actions', count(*) from support.session_entries e
    where preview_move.kind = 'session' and e.session_id = record
    union all
    select 3, 'entries of the timeline', count(*) from platform.moved_rows(preview_move.kind, record) t
    where t.relation = 'crm.activities') g
  where g.count > 0;
  select coalesce(jsonb_agg(jsonb_build_object('what', k.what, 'why', k.why) order by k.place), '[]') into stays
  from (
    select 1 as place, 'The address ' || e.email as what, 'A new chat with this address begins with ' || (present ->> 'name') || '.' as why
    from support.sessions s join platform.customer_emails e on s.visitor_email in (e.email, e.email_key)
    where preview_move.kind = 'session' and s.id = record and e.customer_id = (present ->> 'id')::uuid
    union all
    select 2, 'The proof of who the visitor is',
      'They have proven to be ' || (present ->> 'name') || ', not somebody else. The conversation is unverified afterwards.'
    where preview_move.kind = 'session' and here.identity = 'verified'
    union all
    select 3, 'The number ' || p.phone, 'A new call from this number is found with ' || (present ->> 'name') || '.'
    from support.calls k join platform.customer_phones p on p.phone_key = k.number_e164
    where preview_move.kind = 'call' and k.id = record and p.customer_id = (present ->> 'id')::uuid) k;
end $$;

-- Moves a record to another customer; of one that was merged, to the survivor. move is null if there is no such record, held is null if
-- there is no such customer. Locks: first both customers, against merges and erasures and in the order of their ids, then the record, as
-- everything that changes it does. What was read before the locks is read again under them.
create function platform.move_record(
  kind text, record uuid, to_customer uuid, reason text default null, out move uuid, out from_customer uuid, out held uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  found_record record;
  target platform.customers;
begin
  perform platform.require_owner_of(kind);
  for attempt in 1..5 loop
    select r.* into found_record from platform.read_moved(kind, record, false) r;
    if found_record.is_there is null then return; end if;
    select c.* into target from platform.customers o join platform.customers c on c.id = coalesce(o.merged_into, o.id)
    where o.id = to_customer;
    if not found then move := record; return; end if;
    perform from platform.customers c where c.id in (found_record.customer, target.id) order by c.id for key share;
    select c.* into target from platform.customers c where c.id = target.id;
    continue when target.merged_into is not null; -- it was merged meanwhile
    from_customer := found_record.customer;
    select r.* into found_record from platform.read_moved(kind, record, true) r;
    if found_record.is_there is null then from_customer := null; return; end if;
    continue when found_record.customer is distinct from from_customer; -- it was moved meanwhile
    perform platform.require_other_customer(target, from_customer);
    perform platform.take_record(kind, record, target.id, 'claimed');
    held := target.id;
    insert into platform.moves (kind, record_id, from_id, to_id, identity, reason, released)
    values (kind, record, from_customer, held, found_record.identity, move_record.reason, platform.end_claims(kind, record))
    returning id into move;
    return;
  end loop;
  raise exception 'the record moves all the time' using errcode = 'serialization_failure';
end $$;

-- Takes a move of this record back: the newest one, if the record is still where the move took it. Customers that were merged since count
-- as their survivors. If a merge had brought the record to where it was moved from, and was taken back since, the record goes home with the
-- one who came out of it. held is null if the record has no such move.
create function platform.undo_move(move uuid, kind text, record uuid, out held uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  undone platform.moves;
  found_record record;
  here uuid;
  home platform.customers;
  -- A merge that had brought the record to where it was moved from, and was taken back since: the earliest.
  undone_merge platform.merges;
begin
  perform platform.require_owner_of(kind);
  select m.* into undone from platform.moves m
  where m.id = move and m.kind = undo_move.kind and m.record_id = record for update;
  if not found then return; end if;
  if undone.undone_at is not null then
    perform platform.refuse_move('move_undone', 'This move was taken back before.');
  end if;
  perform from platform.customers c
  where c.id in (
    select coalesce(m.merged_into, m.id) from platform.customers m
    where m.id in (undone.from_id, undone.to_id) or m.id in (select x.loser_id from platform.merges x where x.id = any (undone.released)))
  order by c.id for key share;
  select coalesce(c.merged_into, c.id) into here from platform.customers c where c.id = undone.to_id;
  select x.* into undone_merge from platform.merges x
  where x.id = any (undone.released) and x.undone_at is not null order by x.merged_at limit 1;
  select c.* into home from platform.customers m join platform.customers c on c.id = coalesce(m.merged_into, m.id)
  where m.id = coalesce(undone_merge.loser_id, undone.from_id);
  if home.erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased';
  elsif home.id = here then
    perform platform.refuse_move('move_within_one', 'The two customers were merged since: it belongs to both.');
  end if;
  select r.* into found_record from platform.read_moved(kind, record, true) r;
  if found_record.is_there is null or found_record.customer is distinct from here
     or exists (select from platform.moves m
       where m.kind = undone.kind and m.record_id = undone.record_id and m.id > undone.id and m.undone_at is null) then
    perform platform.refuse_move('move_overtaken', 'It went to another customer since. Take that back first, or move it.');
  elsif kind = 'session' and found_record.identity is distinct from 'claimed' then
    perform platform.refuse_move('move_confirmed', 'The visitor has proven since to be this customer.');
  end if;
  perform platform.take_record(kind, record, home.id, undone.identity);
  perform platform.end_claims(kind, record); -- of merges that brought it here since
  update platform.merge_moves v set released = null
  from platform.moved_rows(kind, record) t join platform.merge_references r on r.relation = t.relation
  where v.reference = r.reference and v.key = t.key and v.released = 'moved' and v.merge in (
    select x.id from platform.merges x
    where x.id = any (undone.released) and x.undone_at is null
      and (undone_merge.id is null or x.merged_at < undone_merge.merged_at));
  update platform.moves m set undone_at = clock_timestamp(), undone_by = platform.current_actor() where m.id = move;
  held := home.id;
end $$;
grant execute on function platform.preview_move(text, uuid, uuid), platform.move_record(text, uuid, uuid, text),
  platform.undo_move(uuid, text, uuid) to foundation_role, support_role;

-- A conversation goes to another customer by a move, or because its visitor has proven to be that customer. So Support's login cannot
-- move one without a trace.
create function support.keep_customer() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'a conversation keeps its customer' using errcode = 'insufficient_privilege',
    hint = 'platform.move_record moves it, and keeps a record.';
end $$;
create trigger keep_customer before update of customer_id on support.sessions for each row
  when (old.customer_id is not null and new.customer_id is distinct from old.customer_id and new.identity <> 'verified'
    and current_user = session_user and platform.current_app() = 'support')
  execute function support.keep_customer();
