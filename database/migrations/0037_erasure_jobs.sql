-- Erasing a list of people as one job: `aether privacy erase --list`. docs/privacy.md tells what it means; this file does it.
--
-- A job is known by its list and its reason, so that the same command goes on with it. Of the list there is only a keyed hash: what was in
-- it names people. A place of the list has one of four states:
--   open      nobody has come to it
--   asked     two people are needed, and one has asked for it
--   erased    its transaction has committed, with this state; or the person had been erased before
--   refused   `refusal` says why; the next run of the job tries it again
--
-- Each place is a transaction of its own, so a job that is killed has done its places up to one, and never half of it. The clean-up comes
-- once, after the last place. What may be erased, and by whom, platform.erase_customer decides for each as it does for one.

create table platform.erasure_jobs (
  id uuid primary key default uuidv7(),
  list bytea not null check (octet_length(list) = 32),
  reason text not null check (platform.is_line(reason, 500)),
  begun_at timestamptz not null default clock_timestamp(),
  begun_by text collate "C" not null default platform.current_actor(),
  begun_by_login name not null default session_user,
  unique (list, reason)
);
comment on table platform.erasure_jobs is 'Lists of people whose erasure is one job.';
comment on column platform.erasure_jobs.list is 'A keyed hash of the list, by which the same command finds the job again.';

create table platform.erasure_job_places (
  job uuid not null references platform.erasure_jobs,
  place integer not null check (place > 0),
  state text collate "C" not null default 'open' check (state in ('open', 'asked', 'erased', 'refused')),
  customer_id uuid,
  erasure uuid,
  refusal text collate "C" check (refusal in ('unreadable', 'unknown', 'several', 'held', 'busy')),
  decided_at timestamptz,
  primary key (job, place),
  check ((state = 'refused') = (refusal is not null)),
  check ((state in ('asked', 'erased')) = (erasure is not null and customer_id is not null))
);
comment on table platform.erasure_job_places is
  'The people of a job, in the order of its list, with ids only; no references, as of receipts.';
call platform.stay_in_merges('platform.erasure_job_places', 'customer_id', 'It names who was erased, as the receipt does.');

do $$
declare t regclass;
begin
  foreach t in array array['platform.erasure_jobs', 'platform.erasure_job_places']::regclass[] loop
    execute format('call platform.protect_table(%L)', t);
    execute format('create policy privacy_read on %s for select to privacy_role using (true)', t);
  end loop;
  -- Insert, update and delete are absent: the functions below write. `list` is absent because nobody needs it.
  grant select (id, reason, begun_at, begun_by, begun_by_login) on platform.erasure_jobs to privacy_role;
  grant select on platform.erasure_job_places to privacy_role;
end $$;
call platform.classify('platform.erasure_jobs', null, 'keep', 'The receipts name the people; this says which were one job.',
  content => 'reason', stays => 'reason', technical => 'id list begun_at begun_by begun_by_login');
call platform.classify('platform.erasure_job_places', null, 'keep', 'Which receipts are of one job.',
  technical => 'job place state customer_id erasure refusal decided_at');

-- Begins the job of this list and this reason, or finds it. list: a digest of what is in it. places: how many people it names.
create function platform.begin_erasure_job(list bytea, because text, places integer) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  of_reason constant text := platform.require_reason(because);
  keyed constant bytea := platform.suppression_hash('list', encode(list, 'hex'));
  known uuid;
begin
  if platform.current_actor() is null then
    raise exception 'say who erases: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  elsif list is null or octet_length(list) <> 32 or places is null or places not between 1 and 100000 then
    raise exception 'a job names 1 to 100000 people' using errcode = 'invalid_parameter_value', constraint = 'erasure_job';
  end if;
  insert into platform.erasure_jobs as j (list, reason) values (keyed, of_reason) on conflict do nothing returning j.id into known;
  if known is null then
    select j.id into known from platform.erasure_jobs j where j.list = keyed and j.reason = of_reason;
  end if;
  insert into platform.erasure_job_places (job, place) select known, n from generate_series(1, places) n on conflict do nothing;
  return known;
end $$;

-- Holds a place of a job. Of two processes that run the same job, the second finds what the first has done.
create function platform.hold_job_place(of_job uuid, at_place integer) returns platform.erasure_job_places
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare held platform.erasure_job_places;
begin
  select p.* into held from platform.erasure_job_places p where p.job = of_job and p.place = at_place for update;
  if not found then
    raise exception 'there is no such place of a job' using errcode = 'no_data_found', constraint = 'erasure_job';
  end if;
  return held;
end $$;

-- Erases the person of one place: as platform.erase_customer does, with the reason of the job. A legal hold refuses the place and not the
-- job. Returns { state, erasure, customer, again, refusal }.
create function platform.erase_in_job(of_job uuid, at_place integer, of_customer uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known constant platform.erasure_job_places := platform.hold_job_place(of_job, at_place);
  erased jsonb;
  now_state text;
  violated text;
begin
  if known.state = 'erased' then
    return jsonb_build_object('state', 'erased', 'erasure', known.erasure, 'customer', known.customer_id, 'again', true);
  end if;
  begin
    erased := platform.erase_customer(of_customer, (select j.reason from platform.erasure_jobs j where j.id = of_job));
  exception when check_violation then
    get stacked diagnostics violated = constraint_name;
    if violated <> 'legal_hold' then raise; end if;
    return platform.refuse_in_job(of_job, at_place, 'held', of_customer);
  end;
  now_state := case erased ->> 'state' when 'asked' then 'asked' else 'erased' end;
  update platform.erasure_job_places p
  set state = now_state, erasure = e.id, customer_id = e.customer_id, refusal = null, decided_at = clock_timestamp()
  from platform.erasures e
  where p.job = of_job and p.place = at_place and e.id = (erased ->> 'erasure')::uuid;
  return jsonb_build_object('state', now_state, 'erasure', erased -> 'erasure', 'customer', of_customer, 'again', erased -> 'again');
end $$;

-- Writes down why a place of a job erases nobody. One that is erased stays so.
create function platform.refuse_in_job(of_job uuid, at_place integer, why text, of_customer uuid default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known constant platform.erasure_job_places := platform.hold_job_place(of_job, at_place);
begin
  if known.state <> 'erased' then
    update platform.erasure_job_places p
    set state = 'refused', refusal = why, customer_id = of_customer, erasure = null, decided_at = clock_timestamp()
    where p.job = of_job and p.place = at_place;
    return jsonb_build_object('state', 'refused', 'refusal', why);
  end if;
  return jsonb_build_object('state', 'erased', 'erasure', known.erasure, 'customer', known.customer_id, 'again', true);
end $$;

-- Who was erased and had this address or this number, as long as nobody has lifted it: the customer, or null. A list may name one person
-- twice, and after an erasure an address leads to nobody.
create function platform.find_erased(of_email text, of_phone text) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select e.customer_id from platform.suppressions s join platform.erasures e on e.id = s.erasure and e.state <> 'asked'
  where s.lifted_at is null and (of_email is not null and s.hash = platform.suppression_hash('email', of_email)
    or of_phone is not null and s.hash = platform.suppression_hash('phone', of_phone))
  order by e.erased_at desc limit 1);

grant execute on function platform.begin_erasure_job(bytea, text, integer), platform.erase_in_job(uuid, integer, uuid),
  platform.refuse_in_job(uuid, integer, text, uuid), platform.find_erased(text, text) to privacy_role;
