-- Imports in the console: the files that people gave it, what their columns meant the last time, and the jobs of the worker.
--
-- A file is kept in chunks, so that every process reads it and a kill of one loses nothing: the browser sends the chunks one by one, and
-- goes on with those that are missing. A job is what takes longer than a request: to recognise a file, to plan, apply, verify and undo a
-- run, and to preview an undo. A worker takes a job for a term and renews it; when the worker is gone, another one takes the job and goes
-- on, because each step of a run is resumable. A plan that was cut off is made again from the file.

create table sync.import_uploads (
  id bigint generated always as identity primary key,
  name text not null check (char_length(name) between 1 and 255),
  size bigint not null check (size between 1 and 2147483648),
  state text collate "C" not null default 'uploading' check (state in ('uploading', 'stored', 'recognised', 'refused', 'removed')),
  sha256 text collate "C" check (sha256 ~ '^[0-9a-f]{64}$'),
  recognition jsonb,
  refusal text check (char_length(refusal) <= 2000),
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  is_remembered boolean not null default false,
  began_at timestamptz not null default clock_timestamp(),
  stored_at timestamptz,
  used_at timestamptz not null default clock_timestamp(),
  actor text collate "C" default platform.current_actor(),
  login name not null default session_user
);
comment on table sync.import_uploads is 'Files that people gave the console to import.';
comment on column sync.import_uploads.state is
  'uploading: chunks are missing; stored: the worker has not looked yet; refused: it cannot be read; removed: its bytes are gone.';
comment on column sync.import_uploads.sha256 is 'Of the stored bytes, as the worker read them.';
comment on column sync.import_uploads.recognition is 'What was recognised: format, encoding, columns with samples, questions.';
comment on column sync.import_uploads.settings is
  'What a person chose: source, mapping (a list of column and field), answers, phoneCountry. What is absent keeps what was recognised.';
comment on column sync.import_uploads.is_remembered is 'Whether the settings began as those of an earlier file with the same columns.';
comment on column sync.import_uploads.used_at is
  'Its bytes are removed import_file_keep_days (sync.health_limits) after this; those of an incomplete file one day after it.';

insert into sync.health_limits (name, value, meaning) values
  ('import_plan_keep_days', 30, 'A planned import that nobody applies is given up after so many days, and not within one.'),
  ('import_file_keep_days', 30, 'The bytes of a file for imports that nobody uses are removed after so many days, and not within one.');
create function sync.import_plans_kept() returns interval
language sql stable security definer set search_path = pg_catalog, pg_temp
return make_interval(days => least(greatest(sync.health_limit('import_plan_keep_days'), 1), 36500)::integer);
create function sync.import_files_kept(state text) returns interval
language sql stable security definer set search_path = pg_catalog, pg_temp
return case when state = 'uploading' then interval '1 day'
  else make_interval(days => least(greatest(sync.health_limit('import_file_keep_days'), 1), 36500)::integer) end;

-- A whole chunk is a mebibyte; only the last one is shorter.
create function sync.import_chunk_bytes() returns integer language sql immutable parallel safe return 1048576;

create table sync.import_chunks (
  upload bigint not null references sync.import_uploads on delete cascade,
  place integer not null check (place >= 0),
  bytes bytea not null,
  primary key (upload, place)
);
-- Most files compress well, and the attempt would cost more than the bytes.
alter table sync.import_chunks alter column bytes set storage external;
comment on column sync.import_chunks.place is 'From 0, in the order of the file.';

create table sync.import_mappings (
  fingerprint text collate "C" primary key check (fingerprint ~ '^[0-9a-f]{64}$'),
  settings jsonb not null check (jsonb_typeof(settings) = 'object'),
  used_at timestamptz not null default clock_timestamp(),
  actor text collate "C" default platform.current_actor()
);
comment on table sync.import_mappings is 'What was chosen the last time for a file with these columns, in any order.';

create table sync.import_jobs (
  id bigint generated always as identity primary key,
  kind text collate "C" not null check (kind in ('recognise', 'plan', 'replan', 'whatif', 'apply', 'verify', 'preview', 'undo')),
  upload bigint references sync.import_uploads on delete cascade,
  run bigint references sync.import_runs on delete cascade,
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  state text collate "C" not null default 'waiting' check (state in ('waiting', 'working', 'done', 'failed', 'cancelled')),
  progress jsonb not null default '{}',
  outcome jsonb,
  error text check (char_length(error) <= 2000),
  attempts integer not null default 0,
  worker text collate "C" check (char_length(worker) <= 120),
  leased_until timestamptz,
  is_cancelled boolean not null default false,
  asked_at timestamptz not null default clock_timestamp(),
  began_at timestamptz,
  ended_at timestamptz,
  actor text collate "C" default platform.current_actor(),
  login name not null default session_user
);
comment on table sync.import_jobs is 'What the worker does for imports, one row for each wish.';
comment on column sync.import_jobs.run is 'Of a plan: the run that it made.';
comment on column sync.import_jobs.settings is
  'Of a plan: app and files, each with its source, mapping and answers. Of a replan and a what-if: the settings of matching. Of an undo:
the reason.';
comment on column sync.import_jobs.leased_until is 'Until then nobody else takes it; the worker renews it while it works.';
comment on column sync.import_jobs.attempts is 'How often a worker has taken it; more than once: the one before was stopped.';
create index import_jobs_open on sync.import_jobs (id) where state in ('waiting', 'working');
create index import_jobs_run on sync.import_jobs (run, id) where run is not null;
create index import_jobs_upload on sync.import_jobs (upload) where upload is not null;
-- One thing at a time is done with a run or a file.
create unique index import_jobs_one_run on sync.import_jobs (run) where state in ('waiting', 'working');
create unique index import_jobs_one_upload on sync.import_jobs (upload) where state in ('waiting', 'working');

do $$
declare t regclass;
begin
  foreach t in array array['sync.import_uploads', 'sync.import_chunks', 'sync.import_mappings', 'sync.import_jobs']::regclass[] loop
    execute format('call platform.protect_table(%L)', t);
    execute format('create policy sync_read on %s for select to sync_role using (true)', t);
    execute format('grant select on %s to sync_role', t);
  end loop;
  -- The console shows runs and files, and only the worker reads the bytes.
  foreach t in array array['sync.import_uploads', 'sync.import_jobs', 'sync.import_runs', 'sync.import_files', 'sync.import_steps',
    'sync.import_rows', 'sync.import_writes', 'sync.import_kept', 'sync.import_candidates', 'sync.import_decisions']::regclass[] loop
    execute format('create policy console_read on %s for select to console_role using (true)', t);
    execute format('grant select on %s to console_role', t);
  end loop;
end $$;

-- Begins the upload of a file.
create function sync.begin_import_upload(of_name text, of_size bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  kept_max constant bigint := 20 * 1073741824::bigint;
  new_id bigint;
begin
  perform sync.require_operator();
  if of_size > 2147483648 then
    raise exception 'a file has at most 2 GB' using errcode = 'program_limit_exceeded';
  elsif of_size + (select coalesce(sum(u.size), 0) from sync.import_uploads u where u.state <> 'removed') > kept_max then
    raise exception 'all files together have at most 20 GB: remove some that are imported' using errcode = 'program_limit_exceeded';
  end if;
  insert into sync.import_uploads (name, size) values (of_name, of_size) returning id into new_id;
  return new_id;
end $$;

-- Keeps one chunk of a file. The same chunk again changes nothing, so a sender that got no answer sends it again.
create function sync.add_import_chunk(of_upload bigint, at_place integer, with_bytes bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  whole constant bigint := sync.import_chunk_bytes();
  u sync.import_uploads;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for share;
  if not found or u.state = 'removed' then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if u.state <> 'uploading' then
    raise exception 'file % is complete', of_upload using errcode = 'object_not_in_prerequisite_state';
  elsif at_place * whole >= u.size then
    raise exception 'the file has % chunks', ceil(u.size / whole::numeric) using errcode = 'invalid_parameter_value';
  elsif octet_length(with_bytes) <> least(whole, u.size - at_place * whole) then
    raise exception 'chunk % of this file has % bytes', at_place, least(whole, u.size - at_place * whole)
      using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.import_chunks (upload, place, bytes) values (of_upload, at_place, with_bytes) on conflict do nothing;
end $$;

-- The chunks that are missing, the first thousand.
create function sync.list_missing_chunks(of_upload bigint) returns integer[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(m.place order by m.place), '{}') from (
    select g.place from sync.import_uploads u
      cross join lateral generate_series(0, ((u.size - 1) / sync.import_chunk_bytes())::integer) g (place)
    where u.id = of_upload and u.state = 'uploading'
      and not exists (select from sync.import_chunks c where c.upload = u.id and c.place = g.place)
    order by g.place limit 1000) m;
end;

-- The file is whole: the worker looks at it.
create function sync.end_import_upload(of_upload bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  u sync.import_uploads;
  new_job bigint;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for update;
  if not found or u.state = 'removed' then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if u.state <> 'uploading' then return (select max(j.id) from sync.import_jobs j where j.upload = of_upload); end if;
  if cardinality(sync.list_missing_chunks(of_upload)) > 0 then
    raise exception 'chunk % of the file is missing', (sync.list_missing_chunks(of_upload))[1]
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_uploads x set state = 'stored', stored_at = clock_timestamp(), used_at = clock_timestamp() where x.id = of_upload;
  insert into sync.import_jobs (kind, upload) values ('recognise', of_upload) returning id into new_job;
  perform pg_notify('sync_import_jobs', '');
  perform sync.record_operation('import.upload', jsonb_build_object('file', of_upload), null, jsonb_build_object('bytes', u.size));
  return new_job;
end $$;

-- Removes the bytes of a file; what is known about it stays.
create function sync.remove_import_upload(of_upload bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  u sync.import_uploads;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for update;
  if not found then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if exists (select from sync.import_jobs j where j.state in ('waiting', 'working') and (j.upload = of_upload
      or j.settings -> 'files' @> jsonb_build_array(jsonb_build_object('upload', of_upload)))) then
    raise exception 'the worker reads file % at this moment', of_upload using errcode = 'object_not_in_prerequisite_state';
  end if;
  if u.state = 'removed' then return; end if;
  delete from sync.import_chunks c where c.upload = of_upload;
  update sync.import_uploads x set state = 'removed', recognition = null where x.id = of_upload;
  perform sync.record_operation('import.remove', jsonb_build_object('file', of_upload), null, jsonb_build_object('bytes', u.size));
end $$;

-- Keeps what a person chose for a file. Another encoding or sheet: the worker looks at the file again.
create function sync.set_import_upload(of_upload bigint, to_settings jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  u sync.import_uploads;
begin
  perform sync.require_operator();
  select * into u from sync.import_uploads x where x.id = of_upload for update;
  if not found or u.state = 'removed' then raise exception 'there is no file %', of_upload using errcode = 'no_data_found'; end if;
  if u.state not in ('recognised', 'refused') then
    raise exception 'the worker has not looked at file % yet', of_upload using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_uploads x set settings = to_settings, used_at = clock_timestamp() where x.id = of_upload;
  if (u.settings #> '{answers,encoding}', u.settings #> '{answers,sheet}')
     is distinct from (to_settings #> '{answers,encoding}', to_settings #> '{answers,sheet}') then
    if exists (select from sync.import_jobs j where j.upload = of_upload and j.state in ('waiting', 'working')) then
      raise exception 'the worker still counts the rows of file %: choose again in a moment', of_upload
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    update sync.import_uploads x set state = 'stored', recognition = null where x.id = of_upload;
    insert into sync.import_jobs (kind, upload) values ('recognise', of_upload);
    perform pg_notify('sync_import_jobs', '');
  end if;
end $$;

-- Asks the worker for something: a plan of files, or the next step of a run. It leaves a record with the reason.
create function sync.ask_import(of_kind text, of_run bigint, with_settings jsonb, reason text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file jsonb;
  new_job bigint;
  found_state text;
begin
  if of_kind in ('replan', 'whatif') then perform platform.require_steward(); else perform sync.require_operator(); end if;
  if reason is not null or of_kind = 'undo' then perform sync.require_reason(reason); end if;
  if of_kind = 'plan' then
    for file in select f.value from jsonb_array_elements(with_settings -> 'files') f loop
      update sync.import_uploads u set used_at = clock_timestamp()
      where u.id = (file ->> 'upload')::bigint and u.state = 'recognised';
      if not found then
        raise exception 'file % is not there, or the worker has not recognised it', file ->> 'upload'
          using errcode = 'object_not_in_prerequisite_state';
      end if;
      insert into sync.import_mappings (fingerprint, settings)
      -- The encoding and the sheet are those of this file: the worker looks at the next one without them.
      select u.recognition ->> 'fingerprint', u.settings #- '{answers,encoding}' #- '{answers,sheet}'
      from sync.import_uploads u where u.id = (file ->> 'upload')::bigint
      on conflict (fingerprint) do update
        set settings = excluded.settings, used_at = clock_timestamp(), actor = platform.current_actor();
    end loop;
  elsif of_kind in ('replan', 'whatif', 'apply', 'verify', 'preview', 'undo') then
    select r.state into found_state from sync.import_runs r where r.id = of_run for update;
    if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
    if of_kind = 'apply' and found_state not in ('planned', 'applying') or of_kind in ('replan', 'whatif') and found_state <> 'planned'
       or of_kind in ('preview', 'undo', 'verify') and found_state not in ('applying', 'applied', 'undoing', 'undone') then
      raise exception 'run % is %', of_run, found_state using errcode = 'object_not_in_prerequisite_state';
    elsif exists (select from sync.import_jobs j where j.run = of_run and j.state in ('waiting', 'working')) then
      raise exception 'the worker is at another step of run %', of_run using errcode = 'object_not_in_prerequisite_state';
    elsif of_kind = 'apply' and found_state = 'planned' and sync.count_new_answers(of_run) > 0 then
      raise exception 'answers were given since this plan was decided: decide it again' using errcode = 'object_not_in_prerequisite_state';
    end if;
  else
    raise exception 'there is no such step of an import' using errcode = 'invalid_parameter_value';
  end if;
  insert into sync.import_jobs (kind, run, settings)
  values (of_kind, of_run, jsonb_strip_nulls(with_settings || jsonb_build_object('reason', btrim(reason)))) returning id into new_job;
  perform pg_notify('sync_import_jobs', '');
  if of_kind in ('plan', 'replan', 'apply', 'undo') then
    perform sync.record_operation('import.' || of_kind, jsonb_strip_nulls(jsonb_build_object('job', new_job, 'run', of_run,
      'files', (select jsonb_agg(f.value -> 'upload') from jsonb_array_elements(with_settings -> 'files') f))), btrim(reason), '{}');
  end if;
  return new_job;
end $$;

-- Gives up a run that nobody will apply. Its lines go, and the run stays in the history with who gave it up and why.
create function sync.give_up_import(of_run bigint, because text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
begin
  perform sync.require_operator();
  perform sync.require_reason(because);
  if not pg_try_advisory_xact_lock(7272, of_run::integer) then
    raise exception 'run % is being planned at this moment: stop that first', of_run
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  end if;
  select * into r from sync.import_runs x where x.id = of_run for update;
  if not found then raise exception 'there is no run %', of_run using errcode = 'no_data_found'; end if;
  if r.state not in ('reading', 'planned') then
    raise exception '%', case r.state
        when 'applying' then format('run %s is applied up to line %s of %s: go on with that, or undo it', of_run, r.applied_to, r.lines)
        when 'applied' then format('run %s is applied: undo it instead', of_run)
        when 'undoing' then format('run %s is partly undone: go on with that', of_run)
        else format('run %s is %s already: nothing of it is left to give up', of_run, r.state) end
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  elsif exists (select from sync.import_jobs j where j.run = of_run and j.state in ('waiting', 'working')) then
    raise exception 'the worker is at a step of run %: wait for it, or stop it', of_run
      using errcode = 'object_not_in_prerequisite_state', constraint = 'import_runs_state';
  end if;
  perform sync.abandon_import(of_run);
  insert into sync.import_steps (run, step, ended_at, reason) values (of_run, 'abandon', clock_timestamp(), btrim(because));
  perform sync.record_operation('import.abandon', jsonb_build_object('run', of_run), btrim(because),
    jsonb_build_object('lines', r.lines, 'planned', r.planned));
end $$;

-- Stops a job. What it has done stays: a run that was being applied can go on later, or be undone.
create function sync.cancel_import_job(of_job bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  j sync.import_jobs;
begin
  perform sync.require_operator();
  select * into j from sync.import_jobs x where x.id = of_job for update;
  if not found then raise exception 'there is no job %', of_job using errcode = 'no_data_found'; end if;
  if j.state not in ('waiting', 'working') then
    raise exception 'job % has ended', of_job using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.import_jobs x
  set is_cancelled = true, state = case x.state when 'waiting' then 'cancelled' else x.state end,
      ended_at = case x.state when 'waiting' then clock_timestamp() end
  where x.id = of_job;
  perform sync.record_operation('import.cancel', jsonb_strip_nulls(jsonb_build_object('job', of_job, 'run', j.run)), null,
    jsonb_build_object('kind', j.kind));
end $$;

-- A file that could not be recognised says why.
create function sync.refuse_import_upload(of_job bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update sync.import_uploads u set state = 'refused', refusal = j.error
  from sync.import_jobs j where j.id = of_job and j.kind = 'recognise' and j.state = 'failed' and u.id = j.upload and u.state = 'stored';
end;

-- Gives a worker the next job of these kinds for a term. One that five workers were stopped at has failed.
create function sync.take_import_job(kinds text[], by_worker text, term interval) returns setof sync.import_jobs
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  attempts_max constant integer := 5;
  j sync.import_jobs;
begin
  loop
    select * into j from sync.import_jobs x
    where x.kind = any (kinds) and (x.state = 'waiting' or x.state = 'working' and x.leased_until < clock_timestamp())
    order by x.id limit 1 for update skip locked;
    if not found then return; end if;
    exit when j.attempts < attempts_max and not j.is_cancelled;
    update sync.import_jobs x
    set state = case when x.is_cancelled then 'cancelled' else 'failed' end, ended_at = clock_timestamp(),
        error = case when not x.is_cancelled then
          'It was tried ' || attempts_max || ' times and never ended: the log of the worker says why.' end
    where x.id = j.id;
    perform sync.refuse_import_upload(j.id);
  end loop;
  return query update sync.import_jobs x
    set state = 'working', attempts = x.attempts + 1, worker = by_worker, leased_until = clock_timestamp() + term,
        began_at = coalesce(x.began_at, clock_timestamp())
    where x.id = j.id returning x.*;
end $$;

-- Renews the term of a job and tells how far it is. False: it is another worker's, or somebody has cancelled it.
create function sync.keep_import_job(of_job bigint, by_worker text, term interval, with_progress jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  goes_on boolean;
begin
  update sync.import_jobs x
  set leased_until = clock_timestamp() + term, progress = coalesce(with_progress, x.progress)
  where x.id = of_job and x.state = 'working' and x.worker = by_worker returning not x.is_cancelled into goes_on;
  return coalesce(goes_on, false);
end $$;

-- The end of a job. It leaves a record of what came of a plan, an application and an undo, for the person who asked.
create function sync.end_import_job(of_job bigint, by_worker text, to_state text, of_run bigint, with_outcome jsonb, with_error text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  j sync.import_jobs;
begin
  update sync.import_jobs x
  set state = to_state, run = coalesce(x.run, of_run), outcome = with_outcome, error = left(with_error, 2000), ended_at = clock_timestamp(),
      leased_until = null
  where x.id = of_job and x.state = 'working' and x.worker = by_worker returning * into j;
  if not found then return false; end if;
  perform sync.refuse_import_upload(of_job);
  if j.kind in ('plan', 'apply', 'undo') then
    perform set_config('aether.actor', coalesce(j.actor, ''), true);
    perform sync.record_operation('import.end', jsonb_strip_nulls(jsonb_build_object('job', of_job, 'run', j.run)), null,
      jsonb_strip_nulls(jsonb_build_object('kind', j.kind, 'state', to_state, 'counts', with_outcome -> 'counts')));
  end if;
  return true;
end $$;

-- Keeps what the worker recognised in a file, or why nothing can be read from it. A file with columns that were seen before begins with
-- what was chosen for them.
create function sync.store_import_recognition(of_upload bigint, of_sha256 text, recognised jsonb, refused text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update sync.import_uploads u
  set state = case when recognised is null then 'refused' else 'recognised' end, sha256 = coalesce(of_sha256, u.sha256),
      recognition = recognised, refusal = left(refused, 2000),
      settings = case when u.settings <> '{}' then u.settings else coalesce(m.settings, '{}') end,
      is_remembered = u.is_remembered or u.settings = '{}' and m.settings is not null
  from (select of_upload as id) o left join sync.import_mappings m on m.fingerprint = recognised ->> 'fingerprint'
  where u.id = o.id and u.state <> 'removed';
end $$;

-- What an undo of these lines would do: it is done, noted and taken back, so that the answer is that of the undo itself.
create function sync.preview_import_undo(of_run bigint, from_n integer, to_n integer) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  places integer[];
  removed integer := 0;
  restored integer := 0;
  found_kept jsonb;
begin
  begin
    perform from sync.import_runs r where r.id = of_run for update;
    perform set_config('aether.trace', 'import:' || of_run || ':preview', true);
    places := array(select p.n from sync.import_rows p
      where p.run = of_run and p.n between from_n and to_n and p.outcome = 'created' and p.lead = p.n
        and exists (select from platform.customers c where c.id = p.customer));
    if cardinality(places) > 0 then
      select x.removed into removed from sync.remove_import_customers(of_run, places) x;
    end if;
    places := array(select p.n from sync.import_rows p
      where p.run = of_run and p.n between from_n and to_n and p.outcome = 'updated' and p.lead = p.n);
    if cardinality(places) > 0 then
      select x.restored into restored from sync.restore_import_writes(of_run, places) x;
    end if;
    select jsonb_agg(jsonb_build_object('n', k.n, 'customer', k.customer, 'field', k.field, 'written', k.written, 'present', k.present)
      order by k.n, k.field)
    into found_kept from sync.import_kept k where k.run = of_run and k.n between from_n and to_n;
    raise exception using errcode = 'AEP01';
  exception when sqlstate 'AEP01' then null;
  end;
  return jsonb_build_object('removed', removed, 'restored', restored, 'kept', coalesce(found_kept, '[]'));
end $$;

-- Removes what has had its time, a bounded part at each call: the bytes of a file that nobody has used, or whose upload was not ended, a
-- plan that nobody has applied, and jobs as old as records of operations. It drops the lines of abandoned runs that could not be dropped
-- before.
create function sync.trim_import_files() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  old bigint;
begin
  select u.id into old from sync.import_uploads u
  where u.state <> 'removed' and u.used_at < clock_timestamp() - sync.import_files_kept(u.state)
    and not exists (select from sync.import_jobs j where j.state in ('waiting', 'working') and (j.upload = u.id
      or j.settings -> 'files' @> jsonb_build_array(jsonb_build_object('upload', u.id))))
  order by u.used_at limit 1 for update skip locked;
  if found then
    delete from sync.import_chunks c where c.upload = old;
    update sync.import_uploads u set state = 'removed', recognition = null where u.id = old;
  end if;
  select r.id into old from sync.import_runs r
  where r.state = 'planned' and r.used_at < clock_timestamp() - sync.import_plans_kept()
    and not exists (select from sync.import_jobs j where j.run = r.id and j.state in ('waiting', 'working'))
  order by r.used_at limit 1 for update skip locked;
  if found then perform sync.give_up_import(old, 'Nobody has applied it within ' || sync.import_plans_kept() || '.'); end if;
  select r.id into old from sync.import_runs r
  where r.state = 'abandoned' and to_regclass('sync.import_rows_p' || r.id) is not null order by r.id limit 1;
  if found then perform sync.drop_import_rows(old); end if;
  delete from sync.import_jobs j where j.ended_at < clock_timestamp() - sync.operations_kept() and j.run is null;
end $$;

grant execute on function sync.begin_import_upload(text, bigint), sync.add_import_chunk(bigint, integer, bytea),
  sync.list_missing_chunks(bigint), sync.end_import_upload(bigint), sync.remove_import_upload(bigint),
  sync.set_import_upload(bigint, jsonb), sync.ask_import(text, bigint, jsonb, text), sync.cancel_import_job(bigint)
  to console_role;
grant execute on function sync.give_up_import(bigint, text), sync.import_plans_kept(), sync.import_files_kept(text)
  to console_role, sync_role;
grant execute on function sync.decide_import_pair(bigint, integer, integer, uuid, text), sync.list_import_persons(bigint, integer[])
  to console_role;
grant execute on function sync.take_import_job(text[], text, interval), sync.keep_import_job(bigint, text, interval, jsonb),
  sync.end_import_job(bigint, text, text, bigint, jsonb, text), sync.store_import_recognition(bigint, text, jsonb, text),
  sync.preview_import_undo(bigint, integer, integer), sync.trim_import_files()
  to sync_role;

-- The custom fields of customers that a column can be: the console reads nothing else of the CRM.
create function sync.list_import_fields() returns table (key text, label text, type text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select f.key, f.label, f.type from crm.custom_fields f where f.record = 'customer' order by f.position, f.id;
end;
grant execute on function sync.list_import_fields() to console_role;
