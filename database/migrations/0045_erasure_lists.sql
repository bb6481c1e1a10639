-- Lists of people to erase, in the console: a job says how far it is, is stopped, and goes on without the list. And what made a job of ten
-- thousand slow: see the end of this file.
--
-- A job begins by naming its places: each line of the list leads to a customer, whose id is written to its place, or is refused. From then
-- on any process goes on with the job by these ids; the list itself is stored nowhere. A job that was cut off while it named its places has
-- some without a customer, for which the same list is needed again.
--
-- Who runs a job holds the advisory lock (7274, hash of its id), shared, as long as it does: so everybody sees whether somebody runs it,
-- also after a kill.

alter table platform.erasure_jobs
  add column run_at timestamptz,
  add column run_by text collate "C",
  add column stopped_at timestamptz,
  add column stopped_by text collate "C",
  add constraint erasure_jobs_stopped check (num_nulls(stopped_at, stopped_by) in (0, 2));
comment on column platform.erasure_jobs.run_at is 'When somebody began it, or went on with it, the last time.';
comment on column platform.erasure_jobs.stopped_at is 'Who runs it ends before the next person, until somebody goes on with it.';
alter table platform.erasure_job_places add column line integer check (line > 0);
comment on column platform.erasure_job_places.line is 'The line of the file; null: nobody has said.';
call platform.classify_columns('platform.erasure_jobs', technical => 'run_at run_by stopped_at stopped_by');
call platform.classify_columns('platform.erasure_job_places', technical => 'line');
grant select (run_at, run_by, stopped_at, stopped_by) on platform.erasure_jobs to privacy_role;

-- Somebody begins a job, or goes on with it: it is stopped no more, and who was refused and is known is tried again.
create function platform.run_erasure_job(of_job uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_actor() is null then
    raise exception 'say who erases: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  end if;
  update platform.erasure_jobs j
  set run_at = clock_timestamp(), run_by = platform.current_actor(), stopped_at = null, stopped_by = null
  where j.id = of_job;
  if not found then
    raise exception 'there is no such job' using errcode = 'no_data_found', constraint = 'erasure_job';
  end if;
  update platform.erasure_job_places p set state = 'open', refusal = null, decided_at = null
  where p.job = of_job and p.state = 'refused' and p.customer_id is not null;
end $$;

-- Stops a job before its next person. The answer is false if it was stopped before.
create function platform.stop_erasure_job(of_job uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_actor() is null then
    raise exception 'say who: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  elsif not exists (select from platform.erasure_jobs j where j.id = of_job) then
    raise exception 'there is no such job' using errcode = 'no_data_found', constraint = 'erasure_job';
  end if;
  update platform.erasure_jobs j set stopped_at = clock_timestamp(), stopped_by = platform.current_actor()
  where j.id = of_job and j.stopped_at is null;
  return found;
end $$;

-- Names places of a job: the arrays say of each its line, and what the line says, in canonical form. All three null: it cannot be read. A
-- place that is asked for or erased stays as it is. Returns the places that are refused.
create function platform.name_in_job(
  of_job uuid, places integer[], lines integer[], emails text[], phones text[], ids text[], out place integer, out refusal text)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from platform.erasure_job_places p where p.job = of_job and p.place = any (places) order by p.place for update;
  return query
    with given as materialized (
      select g.place, g.line, g.email, g.phone, num_nulls(g.email, g.phone, g.id) < 3 as readable, f.customers
      from unnest(places, lines, emails, phones, ids) g (place, line, email, phone, id)
        cross join lateral (
          select array_agg(x.customer) as customers from platform.find_persons(g.email, g.phone, g.id) x
          where num_nulls(g.email, g.phone, g.id) < 3) f),
    meant as materialized (
      select g.place, g.line, g.readable, g.customers,
        case when g.customers is null and g.readable then platform.find_erased(g.email, g.phone) else g.customers[1] end as customer
      from given g),
    named as (
      update platform.erasure_job_places p
      set line = m.line,
        state = case when p.state in ('asked', 'erased') then p.state when w.why is null then 'open' else 'refused' end,
        customer_id = case when p.state in ('asked', 'erased') then p.customer_id when w.why is null then m.customer end,
        refusal = case when p.state not in ('asked', 'erased') then w.why end,
        decided_at = case when p.state in ('asked', 'erased') then p.decided_at when w.why is not null then clock_timestamp() end
      from meant m
        cross join lateral (select case when not m.readable then 'unreadable' when cardinality(m.customers) > 1 then 'several'
          when m.customer is null then 'unknown' end as why) w
      where p.job = of_job and p.place = m.place
      returning p.place, p.state, p.refusal)
    select n.place, n.refusal from named n where n.state = 'refused' order by n.place;
end $$;

grant execute on function platform.run_erasure_job(uuid), platform.stop_erasure_job(uuid),
    platform.name_in_job(uuid, integer[], integer[], text[], text[], text[])
  to privacy_role;

-- A disabled webhook has no subscription, so nothing tells it of an erasure. The receipt lists it as one that has not acknowledged.
create or replace function platform.acknowledgements_of(
  people uuid[], out kind text, out name text, out told boolean, out acknowledged boolean, out "position" bigint) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with told as materialized (
    select max(v.position) as position, array_agg(v.id) as ids, count(*) as told from sync.events v
    where v.key = any (people::text[]) and v.type = 'customer.erased' and v.customer = any (people))
  select 'subscription', s.name::text, s.types is null or 'customer.erased' = any (s.types),
    coalesce(s.position >= told.position and not exists (
      select from sync.parked k where k.subscription = s.name and k.customer = any (people)), false), told.position
  from sync.subscriptions s, told
  union all
  select 'subscription', 'sync.webhook.' || w.name, 'customer.erased' = any (w.types),
    coalesce(w.disabled_position >= told.position, false), told.position
  from sync.webhooks w, told
  where w.disabled_at is not null and not exists (select from sync.subscriptions s where s.name = 'sync.webhook.' || w.name)
  union all
  select 'consumer', c.name::text, true, told.told > 0 and (
    select count(*) from sync.consumer_effects f
    where f.event = any (told.ids) and f.consumer = c.name and f.state = 'handled') >= told.told, told.position
  from sync.consumers c, told
  union all
  -- So that the position is there without any subscriber.
  select null as kind, null as name, null::boolean as told, null::boolean as acknowledged, told.position from told;
end;

-- As before, and what still keeps the person away, and who has let what come back.
create or replace function platform.list_receipts(
  of_customer uuid default null, before uuid default null, rows_max integer default 100) returns setof jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object('erasure', e.id, 'customer', e.customer_id, 'people', to_jsonb(e.people), 'reason', e.reason, 'state', e.state,
    'askedBy', e.asked_by, 'askedAt', e.asked_at, 'erasedBy', e.erased_by, 'erasedAt', e.erased_at, 'cleanAt', e.clean_at,
    'tables', coalesce((select jsonb_agg(x.value - 'why' - 'stays') from jsonb_array_elements(e.report -> 'tables') x
      where x.value ->> 'act' <> 'keep'), '[]'),
    'kept', coalesce((select jsonb_agg(x.value - 'act') from jsonb_array_elements(e.report -> 'tables') x
      where x.value ->> 'act' <> 'delete'), '[]'),
    'events', e.report -> 'events', 'addresses', e.report -> 'addresses', 'numbers', e.report -> 'numbers',
    'files', e.report -> 'files', 'position', coalesce(subscribers.position, e.position),
    'subscribers', case when e.state <> 'asked' then subscribers.list else '[]' end,
    'webhooks', 'Each webhook is a subscription, and stands among the subscribers.',
    'keptAway', (select count(*) from platform.suppressions s where s.erasure = e.id and s.lifted_at is null),
    'lifted', coalesce((
      select jsonb_agg(jsonb_build_object('at', l.at, 'by', l.by, 'reason', l.reason, 'count', l.count) order by l.at)
      from (
        select max(s.lifted_at) as at, s.lifted_by as by, s.lift_reason as reason, count(*) as count
        from platform.suppressions s
        where s.erasure = e.id and s.lifted_at is not null
        group by s.lifted_by, s.lift_reason) l), '[]'),
    'backupsExpireOn', e.erased_at::date + (select s.backups_kept_days from platform.privacy_settings s))
  from platform.erasures e
    cross join lateral (
      select max(n.position) as position,
        coalesce(jsonb_agg(jsonb_build_object('kind', n.kind, 'name', n.name, 'told', n.told,
          'acknowledged', n.told and n.acknowledged) order by n.kind, n.name) filter (where n.kind is not null and n.is_of_it), '[]')
          as list
      from (
        select coalesce(a.kind, k.kind) as kind, coalesce(a.name, k.name) as name, k.name is not null or a.told as told,
          k.acknowledged_at is not null or coalesce(a.acknowledged, false) as acknowledged, a.position,
          -- One that came after the events were cut was never told.
          k.name is not null or not a.told or a.position is not null or e.position is null as is_of_it
        from platform.acknowledgements_of(e.people) a
          full join (select x.kind, x.name, x.acknowledged_at from platform.erasure_acknowledgements x where x.erasure = e.id) k
            on k.kind = a.kind and k.name = a.name) n) subscribers
  where (of_customer is null or of_customer = any (e.people) or of_customer = e.customer_id) and (before is null or e.id < before)
  order by e.id desc limit least(greatest(rows_max, 1), 1000);
end;

-- A task of an erased person reminds nobody of it, and does not come again: its next one would be a new row of somebody who takes none, so
-- that nobody could tick it.
update platform.inventory set becomes = 'null'
where relation = 'crm.activities' and column_name in ('remind_at', 'repeats', 'repeat_day', 'time_zone');

-- What made a job of ten thousand slow.
--
-- First, the plans. try_erase plans each statement for its values, and so did what it calls: more than half of a small erasure were plans
-- of two statements that are always the same, for each of thirty tables. The statements that name a table are built as texts, which
-- PostgreSQL plans for their values anyway.
alter function platform.erase_rows(platform.inventory_tables, uuid[], text[], text[]) set plan_cache_mode = auto;
alter function platform.count_rows(platform.inventory_tables, uuid[], text[], text[]) set plan_cache_mode = auto;
alter function platform.runs_of_person(uuid[], text[], text[]) set plan_cache_mode = auto;
-- As for the events: of a person with a thousand entries, each of them was scrubbed by two plans of its own.
alter function sync.scrub_data(jsonb, text[], text[]) set plan_cache_mode = auto;

-- Second, the stored files: a job read them again for each person, in the dry run and in the clean-up. A clean-up now reads them once for
-- all open erasures, and the dry run of a list leaves them out.

-- Which of these addresses the stored files have, as platform.uploads_naming does. To look for thousands of addresses one by one in each
-- file would take hours: a text is split where an @ is, and what is beside it is looked up.
create function platform.addresses_in_uploads(addresses text[], out upload bigint, out address text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- So many characters beside an @ are looked up; the rest is compared.
  beside constant integer := 8;
  chunk record;
  tail text := '';
  text_of text;
  of_upload bigint;
begin
  if cardinality(addresses) = 0 then return; end if;
  for chunk in
    select c.upload, c.bytes from sync.import_uploads u join sync.import_chunks c on c.upload = u.id
    where u.state <> 'removed' order by c.upload, c.place
  loop
    if chunk.upload is distinct from of_upload then tail := ''; end if;
    of_upload := chunk.upload;
    text_of := tail || lower(replace(encode(chunk.bytes, 'escape'), '\000', ''));
    tail := right(text_of, 400);
    continue when position('@' in text_of) = 0;
    if cardinality(addresses) <= 32 then
      return query select of_upload, k from unnest(addresses) k where position(k in text_of) > 0;
      continue;
    end if;
    return query
      with keys as materialized (
        select k.key, regexp_replace(k.key, '@[^@]*$', '') as local, substring(k.key from '[^@]*$') as domain
        from unnest(addresses) k (key)),
      looked as materialized (
        select k.*, least(length(k.local), beside) as before, least(length(k.domain), beside) as after from keys k),
      sizes as materialized (select distinct l.before, l.after from looked l),
      ats as materialized (
        select lag(right(p.part, 320)) over (order by p.n) as before, left(p.part, 260) as after
        from string_to_table(text_of, '@') with ordinality p (part, n)),
      -- An address with an @ in its quoted part is before the last one.
      near as materialized (
        select distinct a.before, a.after, s.before as size_before, s.after as size_after, right(a.before, s.before) as ends,
          left(a.after, s.after) as begins
        from ats a cross join sizes s where a.before is not null)
      select distinct of_upload, l.key
      from looked l join near n on n.size_before = l.before and n.size_after = l.after
        and n.ends = right(l.local, l.before) and n.begins = left(l.domain, l.after)
      where right(n.before, length(l.local)) = l.local and left(n.after, length(l.domain)) = l.domain
        or position('@' in l.local) > 0 and position(l.key in text_of) > 0;
  end loop;
end $$;
grant execute on function platform.addresses_in_uploads(text[]) to erase_role;

-- Removes what only whole files tell of the people of these erasures. It answers how many of them wait, because the worker reads one of
-- their files: then it is called again. A file with lines of several people is counted for each of them.
create function platform.erase_files_of(of_erasures uuid[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  t platform.inventory_tables;
  open_ones constant uuid[] := array(
    select x.id from platform.erasures x where x.id = any (of_erasures) and x.state = 'erased' and x.pending is not null
    order by x.id for update);
  all_people constant uuid[] := array(
    select distinct p from platform.erasures x cross join unnest(x.people) p where x.id = any (open_ones));
  addresses constant text[] := array(
    select distinct a from platform.erasures x cross join jsonb_array_elements_text(x.pending -> 'addresses') a
    where x.id = any (open_ones));
  numbers constant text[] := array(
    select distinct a from platform.erasures x cross join jsonb_array_elements_text(x.pending -> 'numbers') a
    where x.id = any (open_ones));
  erasures_of uuid[];
  uploads_of bigint[];
  busy bigint[];
  files bigint[];
  staged bigint := 0;
  unread bigint := 0;
  waiting bigint;
begin
  if cardinality(open_ones) = 0 then return 0; end if;
  for t in select * from platform.inventory_tables i where i.later and i.erasing <> 'own' order by i.place loop
    staged := staged + platform.erase_rows(t, all_people, addresses, numbers);
  end loop;
  for t in select * from platform.inventory_tables i where i.relation in ('staging.import_lines', 'sync.import_rows') loop
    if t.relation = 'sync.import_rows' then unread := platform.erase_unread_lines(t, addresses);
    else staged := staged + platform.erase_unread_lines(t, addresses); end if;
  end loop;
  with named as materialized (select * from platform.addresses_in_uploads(addresses)),
  found as (
    select x.id, n.upload
    from platform.erasures x cross join jsonb_array_elements_text(x.pending -> 'addresses') a join named n on n.address = a
    where x.id = any (open_ones)
    union
    select x.id, u.id
    from platform.erasures x cross join jsonb_array_elements_text(x.pending -> 'runs') r join sync.import_jobs j on j.run = r::bigint
      cross join jsonb_array_elements(coalesce(j.settings -> 'files', '[]')) f
      join sync.import_uploads u on u.id = (f.value ->> 'upload')::bigint and u.state <> 'removed'
    where x.id = any (open_ones))
  select array_agg(f.id), array_agg(f.upload) into erasures_of, uploads_of from found f;
  busy := array(
    select distinct u from unnest(uploads_of) u where exists (
      select from sync.import_jobs j where j.state in ('waiting', 'working') and (j.upload = u
        or j.settings -> 'files' @> jsonb_build_array(jsonb_build_object('upload', u)))));
  files := array(select unnest(uploads_of) except select unnest(busy));
  delete from sync.import_chunks c where c.upload = any (files);
  update sync.import_uploads u set state = 'removed', recognition = null, refusal = null where u.id = any (files);
  update platform.erasures x
  set report = x.report || jsonb_build_object('files', (x.report ->> 'files')::bigint + n.files,
      -- That lines were taken away is told to platform.list_clean_up; nobody asks whose they were.
      'stagedLines', coalesce((x.report ->> 'stagedLines')::bigint, 0) + case when x.id = open_ones[1] then staged else 0 end,
      'unreadLines', coalesce((x.report ->> 'unreadLines')::bigint, 0) + case when x.id = open_ones[1] then unread else 0 end),
    pending = case when n.busy = 0 then null else x.pending end
  from (
    select o.id, count(f.upload) filter (where f.upload = any (files)) as files,
      count(f.upload) filter (where f.upload = any (busy)) as busy
    from unnest(open_ones) o (id) left join unnest(erasures_of, uploads_of) f (id, upload) on f.id = o.id group by o.id) n
  where x.id = n.id;
  select count(*) into waiting from platform.erasures x where x.id = any (open_ones) and x.pending is not null;
  return waiting;
end $$;

-- As platform.preview_erasure, without looking into stored files if somebody asks for many people.
do $$
declare
  former text := pg_get_functiondef('platform.preview_erasure(uuid)'::regprocedure);
  reads constant text := 'files := platform.uploads_of_person(p.people, p.addresses, p.numbers);';
  body text := replace(replace(former, '(of_customer uuid)', '(of_customer uuid, with_files boolean)'),
    reads, format('if with_files then %s end if;', reads));
begin
  if length(body) < length(former) + 40 then raise exception 'platform.preview_erasure is not as this migration expects'; end if;
  execute body;
end $$;
grant create on schema platform to erase_role;
alter function platform.erase_files_of(uuid[]) owner to erase_role;
alter function platform.preview_erasure(uuid, boolean) owner to erase_role;
set local role erase_role;
create or replace function platform.erase_files(of_erasure uuid) returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
return platform.erase_files_of(array[of_erasure]) = 0;
grant execute on function platform.erase_files_of(uuid[]), platform.preview_erasure(uuid, boolean) to privacy_role, platform_owner;
set local role platform_owner;
revoke create on schema platform from erase_role;
