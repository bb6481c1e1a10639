-- Imports: the customers of a former app or of any list become customers of the house, and every run can be taken back.
--
-- A run reads its files into staging (COPY), decides what each line will be (sync.plan_import), and writes nothing that an app sees. People
-- look at the plan. sync.apply_import writes it in steps: a step is one transaction that takes the next lines, writes customers, events and
-- the ledger, and moves import_runs.applied_to. A killed process loses at most one step, and the process that goes on ends the same as an
-- unbroken run. sync.undo_import goes through the lines in the other direction: it compares each written value with the present one under
-- the customer's lock, puts back what was left alone, and lists the rest. Any number of runs may go on at once, beside both apps: unique
-- keys decide who gets an address, and the row of the run lets one step of a run happen at a time.
--
-- A person of a run is led by its first line: the others name it in `lead`. The leading line holds the values of the person; `taken` in its
-- detail says which of them another line gave. A customer that a run creates has its id from the plan on, so applying a line changes no
-- row of the plan unless the outcome is another one.

-- Tables that COPY fills have no row security, which COPY refuses. So they have a schema of their own, that no app may look into.
create schema staging;
grant usage on schema staging to sync_role;

create table staging.import_lines (
  run bigint not null,
  n integer not null,
  file smallint not null,
  line bigint not null,
  kind text collate "C" not null,
  code text collate "C",
  reason text,
  raw text,
  first_name text,
  last_name text,
  city text,
  birth_date text collate "C",
  external_id text collate "C",
  email text,
  email_key text collate "C",
  name text,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  company text,
  company_domain text collate "C",
  tier text,
  owner text,
  language text collate "C",
  timezone text collate "C",
  created_at timestamptz,
  extra jsonb,
  digest bigint,
  is_known boolean not null
) partition by list (run);
comment on table staging.import_lines is
  'The lines of plans, in a partition for each, which is not logged. They stay until the plan is applied or given up.';
comment on column staging.import_lines.first_name is
  'This and the next three are for matching only: what becomes of the person is in the others.';
comment on column staging.import_lines.digest is 'Of what was read of a person (importer/run/knownlines.ts); null: the line is no person.';
comment on column staging.import_lines.is_known is
  'The line was imported before and has not changed, as the plan''s process found: nothing was compared with it.';
create table staging.import_groups (
  run bigint not null,
  n integer not null,
  lead integer,
  customer uuid,
  code text collate "C",
  reason text
) partition by list (run);
grant insert (run, n, file, line, kind, code, reason, raw, first_name, last_name, city, birth_date, external_id, email, email_key, name,
    phone, phone_key, phone_extension, company, company_domain, tier, owner, language, timezone, created_at, extra, digest, is_known),
  -- Those that are compared again when a plan is decided again.
  select (run, n, file, kind, first_name, last_name, city, birth_date, external_id, email_key, name, phone_key, company, company_domain,
    extra, is_known)
  on staging.import_lines to sync_role;
comment on table staging.import_groups is
  'Lines that are one person with others, and those that are held. A line of a person alone is absent.';
grant insert (run, n, lead, customer, code, reason) on staging.import_groups to sync_role;

create table sync.import_runs (
  id bigint generated always as identity primary key,
  app text collate "C" not null check (platform.is_app(app)),
  state text collate "C" not null default 'reading'
    check (state in ('reading', 'planned', 'applying', 'applied', 'undoing', 'undone', 'abandoned')),
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  rules text collate "C" not null,
  lines integer not null default 0,
  planned jsonb not null default '{}',
  unmapped jsonb not null default '{}',
  applied_to integer not null default 0,
  undone_to integer,
  removed integer not null default 0,
  restored integer not null default 0,
  used_at timestamptz not null default clock_timestamp(),
  decided_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  created_by text collate "C" default platform.current_actor(),
  created_by_login name not null default session_user
);
comment on column sync.import_runs.app is 'Whose customers are created: this app numbers them.';
comment on column sync.import_runs.rules is 'The version of the rules that decided who is the same person.';
comment on column sync.import_runs.planned is 'How many lines have each outcome, as the plan says.';
comment on column sync.import_runs.unmapped is 'What has no place in the database: kind → { name: lines }.';
comment on column sync.import_runs.applied_to is 'Every line up to here is applied.';
comment on column sync.import_runs.undone_to is 'Every line from here on is undone; null: no undo has begun.';
comment on column sync.import_runs.removed is 'Customers that its undo has removed, by all processes that worked on it.';
comment on column sync.import_runs.restored is 'Values that its undo has put back.';
comment on column sync.import_runs.decided_at is 'The plan follows the answers that were given before this.';
comment on column sync.import_runs.used_at is 'A plan is given up import_plan_keep_days (sync.health_limits) after this.';

create table sync.import_files (
  run bigint not null references sync.import_runs,
  file smallint not null,
  source text collate "C" not null check (source ~ '^[a-z0-9][a-z0-9._-]{0,59}$'),
  name text not null check (char_length(name) between 1 and 400),
  sha256 text collate "C" check (sha256 ~ '^[0-9a-f]{64}$'),
  lines integer not null default 0,
  primary key (run, file)
);
comment on column sync.import_files.source is 'Where the ids of its rows come from. A row is known again by its source and its id.';

-- A state with its author and its times. A step that was killed has no end.
create table sync.import_steps (
  id bigint generated always as identity primary key,
  run bigint not null references sync.import_runs,
  step text collate "C" not null check (step in ('plan', 'apply', 'undo', 'abandon')),
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  actor text collate "C" default platform.current_actor(),
  login name not null default session_user,
  reason text check (char_length(reason) between 1 and 500),
  outcome jsonb not null default '{}'
);
create index on sync.import_steps (run, id);

-- A partition for each run. Thousands of runs may be in the history, and a statement that locks all partitions fills the server's table of
-- locks. So every statement about lines names its run by a value that is known when it is planned, and the functions with such statements
-- set plan_cache_mode: a plan that is kept for all values locks every
-- partition. What those functions call to write row by row sets it back.
create table sync.import_rows (
  run bigint not null,
  n integer not null,
  file smallint not null,
  line bigint not null,
  outcome text collate "C" not null check (outcome in ('created', 'updated', 'unchanged', 'held', 'rejected', 'excluded')),
  planned text collate "C" check (planned in ('created', 'updated', 'unchanged', 'held', 'rejected', 'excluded')),
  code text collate "C",
  detail jsonb,
  lead integer,
  customer uuid,
  external_id text collate "C",
  email text,
  email_key text collate "C",
  name text,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  company text,
  company_domain text collate "C",
  tier text,
  owner text,
  language text collate "C",
  timezone text collate "C",
  created_at timestamptz,
  extra jsonb,
  digest bigint,
  raw text,
  primary key (run, n)
) partition by list (run);
comment on table sync.import_rows is
  'Every line of every run, with what became of it. A partition for each run, so that a run is discarded whole.';
comment on column sync.import_rows.n is 'The lines of all files of a run, counted from 1.';
comment on column sync.import_rows.outcome is
  'What the plan says, until the line is applied; then what happened. import_runs.applied_to says which.';
comment on column sync.import_rows.planned is 'The outcome of the plan, if applying the line had another one; code says why.';
comment on column sync.import_rows.lead is 'The first line of the same person; the line itself if it is the first. Null: no person.';
comment on column sync.import_rows.customer is 'The customer that the line became or belongs to. No reference: an undo removes customers.';
comment on column sync.import_rows.digest is 'Of the line as it was read: the same line again needs no comparison.';
comment on column sync.import_rows.raw is
  'The line as it was, of rejected, excluded and held lines: they are downloaded, mended and imported again.';
create index import_rows_outcome on sync.import_rows (run, outcome, n);
-- The other lines of a person.
create index import_rows_lead on sync.import_rows (run, lead) where lead <> n;
-- Few lines come out differently than planned, and the page of a run counts them again and again.
create index import_rows_changed on sync.import_rows (run) where planned is not null;

-- Which customer a row of a source is. It makes the same file again change nothing, and is freed by an undo.
create table sync.import_keys (
  source text collate "C" not null,
  key text collate "C" not null,
  customer uuid not null,
  digest bigint,
  run bigint not null,
  primary key (source, key)
);
create index on sync.import_keys (customer);
comment on column sync.import_keys.key is 'The row''s id in its source; of a row without one its address. See sync.import_key.';
comment on column sync.import_keys.customer is 'As it was then; it may have been merged since. No reference: an undo removes customers.';

-- The words of the files for what the database has records of: tiers, people, companies.
create table sync.import_targets (
  run bigint not null references sync.import_runs,
  kind text collate "C" not null check (kind in ('company', 'tier', 'owner')),
  key text collate "C" not null,
  name text,
  domain text collate "C",
  same_as text collate "C",
  target text collate "C",
  lines integer not null,
  made boolean not null default false,
  primary key (run, kind, key)
);
comment on column sync.import_targets.key is 'Of a company its domain or, without one, its name; as in sync.import_company_key.';
comment on column sync.import_targets.same_as is
  'The key of the company that this one is too: a name without a domain, of a company with one.';
comment on column sync.import_targets.target is 'The id of the company or the person, the key of the tier; null: there is none (yet).';
comment on column sync.import_targets.made is 'Whether this run has made the company.';

-- What a run wrote besides creating customers: one row for each value.
create table sync.import_writes (
  run bigint not null,
  n integer not null,
  customer uuid not null,
  field text collate "C" not null,
  before jsonb,
  after jsonb not null,
  version bigint not null,
  is_undone boolean not null default false,
  primary key (run, n, field)
);
comment on column sync.import_writes.n is 'The leading line of the person.';
comment on column sync.import_writes.field is
  'name, phone, company, tier …; or custom.<key>, address:<key>, phone:<number>, note:<md5 of its text>.';
comment on column sync.import_writes.version is 'The version of the customer that this write made.';
create index on sync.import_writes (customer, field);

-- What an undo left as it is, because somebody has changed it since.
create table sync.import_kept (
  run bigint not null,
  n integer not null,
  customer uuid not null,
  field text collate "C" not null,
  written jsonb,
  present jsonb,
  primary key (run, n, field)
);
comment on column sync.import_kept.field is 'As in sync.import_writes; or the name of a table whose rows belong to the customer now.';

-- Two persons that may be one. A steward decides; a merge reads it.
create table sync.import_candidates (
  run bigint not null,
  n integer not null,
  other_n integer,
  other_customer uuid,
  score double precision not null,
  reasons jsonb not null
);
create index on sync.import_candidates (run, n);

-- What people have said of two persons, of whom at least one is a line. A line is known by its source and by what it is known by there,
-- as a hash, so that the same file again does not ask again, and no answer holds what the line says.
create table sync.import_decisions (
  one text collate "C" not null,
  other text collate "C" not null,
  answer text collate "C" not null check (answer in ('same', 'different', 'later')),
  former text collate "C" not null check (former in ('same', 'different', 'later')),
  changes_plan boolean not null,
  run bigint not null,
  one_customer uuid,
  other_customer uuid,
  decided_at timestamptz not null default clock_timestamp(),
  actor text collate "C" default platform.current_actor(),
  login name not null default session_user,
  primary key (one, other),
  check (one < other)
);
create index on sync.import_decisions (other);
create index on sync.import_decisions (decided_at);
comment on column sync.import_decisions.one is '`line:` and a hash (sync.import_person), or `customer:` and an id.';
comment on column sync.import_decisions.former is 'The answer that the plan of the run follows until it is decided again; later: none.';
comment on column sync.import_decisions.changes_plan is 'Whether that plan is another one with this answer.';
comment on column sync.import_decisions.run is 'Where it was answered the last time.';
comment on column sync.import_decisions.one_customer is
  'What the line became, once it was applied. No reference: an undo removes customers.';

do $$
declare t regclass;
begin
  foreach t in array array['sync.import_runs', 'sync.import_files', 'sync.import_steps', 'sync.import_rows', 'sync.import_keys',
    'sync.import_targets', 'sync.import_writes', 'sync.import_kept', 'sync.import_candidates',
    'sync.import_decisions']::regclass[] loop
    execute format('call platform.protect_table(%L)', t);
    execute format('create policy sync_read on %s for select to sync_role using (true)', t);
    execute format('grant select on %s to sync_role', t);
  end loop;
end $$;
-- There are no writes: only the functions below write, so that the ledger says what they did. The apps see nothing of it, because it holds
-- what people wrote in other systems. What the console may read, 0016_import_files.sql says.

-- What a row is known by when it comes again.
create function sync.import_key(external_id text, email_key text, digest bigint) returns text
language sql immutable parallel safe
return coalesce('id:' || external_id, 'email:' || email_key, 'row:' || digest);

-- What a line is in the answers of people: its id in the source, else its address with its name, because a family may share one; else the
-- whole line.
create function sync.import_person(source text, external_id text, email_key text, name text, digest bigint) returns text
language sql immutable parallel safe
return 'line:' || source || ':' || encode(sha256(convert_to(coalesce('id:' || external_id,
  'email:' || email_key || coalesce(' ' || lower(name collate pg_catalog.pg_c_utf8), ''), 'row:' || digest), 'UTF8')), 'hex');

create function sync.import_company_key(company text, domain text) returns text
language sql immutable parallel safe
return coalesce('domain:' || domain, 'name:' || lower(company collate pg_catalog.pg_c_utf8));

-- Begins a run: its files, and its partitions. The session holds an advisory lock as long as it reads; a run whose reader is gone is
-- abandoned by the next one that begins.
create function sync.begin_import(of_app text, with_settings jsonb, by_rules text, files jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  new_run bigint;
  gone bigint;
begin
  for gone in select r.id from sync.import_runs r where r.state = 'reading' loop
    -- Its plan may have ended since this loop began.
    if pg_try_advisory_xact_lock(7272, gone::integer) and exists (
      select from sync.import_runs r where r.id = gone and r.state = 'reading') then perform sync.abandon_import(gone); end if;
  end loop;
  insert into sync.import_runs (app, settings, rules) values (of_app, with_settings, by_rules) returning id into new_run;
  perform pg_advisory_lock(7272, new_run::integer);
  insert into sync.import_files (run, file, source, name, sha256)
  select new_run, f.file, f.source, f.name, f.sha256
  from jsonb_to_recordset(files) f (file smallint, source text, name text, sha256 text);
  insert into sync.import_steps (run, step) values (new_run, 'plan');
  perform sync.drop_import_staging(l.run)
  from (select substring(i.inhrelid::regclass::text from '_p(\d+)$')::bigint as run from pg_catalog.pg_inherits i
        where i.inhparent = 'staging.import_lines'::regclass) l
    join sync.import_runs r on r.id = l.run and r.state not in ('reading', 'planned');
  perform sync.drop_import_rows(r.id)
  from sync.import_runs r where r.state = 'abandoned' and to_regclass('sync.import_rows_p' || r.id) is not null;
  perform set_config('lock_timeout', '5s', true);
  execute format('create unlogged table staging.import_lines_p%s (like staging.import_lines)
    with (autovacuum_enabled = false)', new_run);
  execute format('create unlogged table staging.import_groups_p%s (like staging.import_groups) with (autovacuum_enabled = false)',
    new_run);
  execute format('create table sync.import_rows_p%s (like sync.import_rows including all excluding comments)', new_run);
  execute format('call platform.protect_table(%L)', 'sync.import_rows_p' || new_run);
  execute format('alter table staging.import_lines attach partition staging.import_lines_p%1$s for values in (%1$s)', new_run);
  execute format('alter table staging.import_groups attach partition staging.import_groups_p%1$s for values in (%1$s)', new_run);
  execute format('alter table sync.import_rows attach partition sync.import_rows_p%1$s for values in (%1$s)', new_run);
  return new_run;
end $$;

-- Empties what a run has staged, and drops it. Dropping a partition waits for every other run that reads, and emptying it for those that
-- read it: then it stays until another run begins.
create function sync.drop_import_staging(of_run bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former constant text := current_setting('lock_timeout');
begin
  if to_regclass('staging.import_lines_p' || of_run) is null then return; end if;
  begin
    perform set_config('lock_timeout', '200ms', true);
    execute format('truncate staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  exception when lock_not_available or undefined_table then -- another run that began at the same time has dropped it
    perform set_config('lock_timeout', former, true);
    return;
  end;
  begin
    execute format('drop table staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  exception when lock_not_available or undefined_table then null;
  end;
  perform set_config('lock_timeout', former, true);
end $$;

-- Drops the lines of an abandoned run. To drop a partition, PostgreSQL waits for every session that uses lines, and later sessions wait
-- behind it. Therefore this function gives up after 200 ms, and the lines stay until another run begins.
create function sync.drop_import_rows(of_run bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former constant text := current_setting('lock_timeout');
begin
  begin
    perform set_config('lock_timeout', '200ms', true);
    execute format('drop table if exists sync.import_rows_p%s', of_run);
  exception when lock_not_available then null;
  end;
  perform set_config('lock_timeout', former, true);
end $$;

-- Forgets a plan that was cut off or given up. The run stays in the history, without its lines.
create function sync.abandon_import(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update sync.import_runs r set state = 'abandoned' where r.id = of_run and r.state in ('reading', 'planned');
  if not found then
    raise exception 'this run is past its plan' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'Undo it instead.';
  end if;
  perform sync.drop_import_staging(of_run);
  perform sync.drop_import_rows(of_run);
  delete from sync.import_targets t where t.run = of_run;
  delete from sync.import_candidates c where c.run = of_run;
end $$;

grant execute on function
    sync.import_key(text, text, bigint), sync.import_person(text, text, text, text, bigint),
    sync.begin_import(text, jsonb, text, jsonb), sync.abandon_import(bigint)
  to sync_role;
