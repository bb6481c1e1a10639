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
  'The lines of plans that are being made: a partition for each, which is not logged, and is dropped when its plan is made.';
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
grant insert (run, n, file, line, kind, code, reason, raw, external_id, email, email_key, name, phone, phone_key, phone_extension, company,
    company_domain, tier, owner, language, timezone, created_at, extra, digest, is_known)
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
  step text collate "C" not null check (step in ('plan', 'apply', 'undo')),
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  actor text collate "C" default platform.current_actor(),
  login name not null default session_user,
  outcome jsonb not null default '{}'
);
create index on sync.import_steps (run, id);

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
create index import_rows_customer on sync.import_rows (customer) where customer is not null;

-- Which customer a row of a source is. It makes the same file again change nothing, and is freed by an undo.
create table sync.import_keys (
  source text collate "C" not null,
  key text collate "C" not null,
  customer uuid not null,
  digest bigint,
  run bigint not null,
  primary key (source, key)
);
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

do $$
declare t regclass;
begin
  foreach t in array array['sync.import_runs', 'sync.import_files', 'sync.import_steps', 'sync.import_rows', 'sync.import_keys',
    'sync.import_targets', 'sync.import_writes', 'sync.import_kept', 'sync.import_candidates']::regclass[] loop
    execute format('call platform.protect_table(%L)', t);
    execute format('create policy sync_read on %s for select to sync_role using (true)', t);
    execute format('grant select on %s to sync_role', t);
  end loop;
end $$;
-- There are no writes: only the functions below write, so that the ledger says what they did. The apps see nothing of it, because it holds
-- what people wrote in other systems. What the console may read, 0013_import_files.sql says.

-- What a row is known by when it comes again.
create function sync.import_key(external_id text, email_key text, digest bigint) returns text
language sql immutable parallel safe
return coalesce('id:' || external_id, 'email:' || email_key, 'row:' || digest);

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
    join sync.import_runs r on r.id = l.run and r.state <> 'reading';
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

-- Empties what a run has staged, and drops it. Dropping a partition waits for every other run that reads: then it stays, empty, until
-- another run begins.
create function sync.drop_import_staging(of_run bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  former constant text := current_setting('lock_timeout');
begin
  if to_regclass('staging.import_lines_p' || of_run) is null then return; end if;
  execute format('truncate staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  begin
    perform set_config('lock_timeout', '200ms', true);
    execute format('drop table staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  exception when lock_not_available then null;
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

-- Forgets a plan that nobody will apply. The run stays in the history, without its lines.
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

-- Joins what several lines say of one person beyond the columns: lists are joined, of the rest the first line that says it counts.
create function sync.merge_import_extras(extras jsonb[]) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(k.key, case jsonb_typeof(k.first)
      when 'array' then (
        select jsonb_agg(distinct v.value) from unnest(extras) e (extra) cross join jsonb_array_elements(e.extra -> k.key) v (value))
      when 'object' then (
        select jsonb_object_agg(v.key, v.value order by e.place desc)
        from unnest(extras) with ordinality e (extra, place) cross join jsonb_each(e.extra -> k.key) v)
      else k.first end)
  from (
    select distinct on (x.key) x.key, x.value as first
    from unnest(extras) with ordinality e (extra, place) cross join jsonb_each(e.extra) x order by x.key, e.place) k);

-- The customers that share an address or a telephone number with a staged line that is new or has changed: who groups the lines must know
-- them. A number that more than twenty customers have says nothing. A line that has not changed and shares an address, a number or an id
-- with such a line comes as well, as what its customer says too; `file` is the first file of its source.
create function sync.list_import_customers(
  of_run bigint, out id uuid, out name text, out emails text[], out phones text[], out company text, out company_domain text,
  out has_verified_address boolean, out file smallint, out external_id text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format($f$
    with news as materialized (
      select * from staging.import_lines_p%1$s l where l.kind = 'person' and not l.is_known
    ), addresses as materialized (
      select w.email_key from news w where w.email_key is not null
      union select a.value ->> 'key' from news w cross join jsonb_array_elements(w.extra -> 'emails') a where w.extra ? 'emails'
    ), numbers as materialized (
      select w.phone_key from news w where w.phone_key is not null
      union select p.value ->> 'key' from news w cross join jsonb_array_elements(w.extra -> 'phones') p where w.extra ? 'phones'
    ), shared as (
      select p.phone_key from platform.customer_phones p
      where p.phone_key in (select w.phone_key from numbers w) group by p.phone_key having count(*) <= 20
    ), olds as materialized (
      select l.*, f.source from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
      where l.is_known and (l.email_key in (select w.email_key from addresses w) or l.phone_key in (select w.phone_key from numbers w)
        or (f.source, l.external_id) in (
          select x.source, w.external_id from news w join sync.import_files x on x.run = %1$s and x.file = w.file
          where w.external_id is not null)
        or l.extra ?| '{emails,phones}' and exists (
          select from jsonb_array_elements(coalesce(l.extra -> 'emails', '[]') || coalesce(l.extra -> 'phones', '[]')) v
          where v.value ->> 'key' in (select w.email_key from addresses w union all select w.phone_key from numbers w)))
    ), found as (
      select e.customer_id from platform.customer_emails e where e.email_key in (select w.email_key from addresses w)
      union
      select p.customer_id from platform.customer_phones p join shared s on s.phone_key = p.phone_key
    )
    select c.id, c.name, array(select e.email_key from platform.customer_emails e where e.customer_id = c.id),
      array(select p.phone_key from platform.customer_phones p where p.customer_id = c.id), o.name, o.domain,
      exists (select from platform.customer_emails e where e.customer_id = c.id and e.verified_at is not null), null::smallint, null::text
    from found f join platform.customers c on c.id = f.customer_id and c.merged_into is null and c.erased_at is null
      left join platform.companies o on o.id = c.company_id
    union all
    select c.id, l.name,
      array_remove(array[l.email_key] || array(select a.value ->> 'key' from jsonb_array_elements(l.extra -> 'emails') a), null),
      array_remove(array[l.phone_key] || array(select p.value ->> 'key' from jsonb_array_elements(l.extra -> 'phones') p), null),
      l.company, l.company_domain, false,
      (select min(f.file) from sync.import_files f where f.run = %1$s and f.source = l.source), l.external_id
    from olds l join sync.import_keys k on k.source = l.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
      join platform.customers m on m.id = k.customer
      join platform.customers c on c.id = coalesce(m.merged_into, m.id) and c.erased_at is null$f$, of_run);
end $$;

-- Keeps what the rules of a plan found likely but not sure, as { n, other_n, customer, score, reasons }.
create function sync.keep_import_candidates(of_run bigint, candidates jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.import_candidates (run, n, other_n, other_customer, score, reasons)
  select of_run, c.n, c.other_n, c.customer, c.score, c.reasons
  from jsonb_to_recordset(candidates) c (n integer, other_n integer, customer uuid, score double precision, reasons jsonb);
end;

-- Decides what each line will be, from what is staged. It writes the rows of the run and nothing that an app sees.
create function sync.plan_import(of_run bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
  counts jsonb;
  known bigint;
  expected bigint;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state is distinct from 'reading' then
    raise exception 'this run is planned already' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'A plan is made once. Begin another run.';
  end if;
  perform set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true), set_config('jit', 'off', true);
  execute format('analyze staging.import_lines_p%1$s, staging.import_groups_p%1$s', of_run);
  -- Lines that have not changed. Only what they are known by is kept: the run that imported them has the rest.
  execute format($f$
    insert into sync.import_rows_p%1$s (run, n, file, line, outcome, code, lead, customer, external_id, email, email_key, name, digest)
    select %1$s, l.n, l.file, l.line, 'unchanged', 'same-line', l.n, k.customer, l.external_id, l.email, l.email_key, l.name, l.digest
    from staging.import_lines_p%1$s l join sync.import_files f on f.run = %1$s and f.file = l.file
      join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        and k.digest = l.digest
    where l.is_known$f$, of_run);
  get diagnostics known = row_count;
  execute format('select count(*) from staging.import_lines_p%s l where l.is_known', of_run) into expected;
  if known < expected then
    -- Some of their keys were freed since they were read, by an undo.
    execute format('update staging.import_lines_p%1$s l set is_known = false where l.is_known and not exists (
      select from sync.import_rows_p%1$s p where p.n = l.n)', of_run);
  end if;
  execute format($f$
    with found as not materialized (
      select l.*, f.source,
        -- A line whose id belongs to a customer is that customer's, even if others have its address.
        g.n is not null and g.lead is null
          and (g.code = 'external-id' or l.external_id is null or not exists (
            select from platform.customers c where c.id = k.customer)) as is_held,
        g.code as held_code, g.reason as held_reason,
        coalesce(g.lead, l.n) as leading, g.lead is not null as is_grouped, g.customer as group_customer,
        -- The customer of a key may have been merged or removed since; of a line that has not changed nobody asks.
        case when k.digest = l.digest then k.customer
          when k.customer is not null then (select coalesce(c.merged_into, c.id) from platform.customers c where c.id = k.customer)
          end as key_customer,
        coalesce(k.digest = l.digest, false) as is_same, e.customer_id as address_customer
      from staging.import_lines_p%1$s l
        join sync.import_files f on f.run = %1$s and f.file = l.file
        left join staging.import_groups_p%1$s g on g.n = l.n
        left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known
    ), news as (
      -- A line that was imported before says whose line its person is, and nothing else.
      select f.leading, min(f.n) filter (where not f.is_same) as first,
        count(distinct coalesce(f.group_customer, f.key_customer, f.address_customer)) as customers,
        min(coalesce(f.group_customer, f.key_customer, f.address_customer)::text)::uuid as customer,
        -- A line whose id and address are of two customers holds its whole person: nothing of it may reach one of them by another line.
        coalesce(bool_or(not f.is_same and f.key_customer <> f.address_customer), false) as is_split
      from found f where f.is_grouped group by f.leading
    ), groups as (
      select w.*, uuidv7() as new_customer, v.*
      from news w left join (
        select f.leading as of,
          (array_agg(f.email order by f.n) filter (where f.email is not null))[1] as email,
          (array_agg(f.email_key order by f.n) filter (where f.email is not null))[1] as email_key,
          (array_agg(f.name order by f.n) filter (where f.name is not null))[1] as name,
          (array_agg(f.phone order by f.n) filter (where f.phone_key is not null))[1] as phone,
          (array_agg(f.phone_key order by f.n) filter (where f.phone_key is not null))[1] as phone_key,
          (array_agg(f.phone_extension order by f.n) filter (where f.phone_key is not null))[1] as phone_extension,
          (array_agg(f.company order by f.n) filter (where f.has_company))[1] as company,
          (array_agg(f.company_domain order by f.n) filter (where f.has_company))[1] as company_domain,
          (array_agg(f.tier order by f.n) filter (where f.tier is not null))[1] as tier,
          (array_agg(f.owner order by f.n) filter (where f.owner is not null))[1] as owner,
          (array_agg(f.language order by f.n) filter (where f.language is not null))[1] as language,
          (array_agg(f.timezone order by f.n) filter (where f.timezone is not null))[1] as timezone,
          min(f.created_at) as created_at,
          case when count(f.extra) > 1 then sync.merge_import_extras(array_agg(f.extra order by f.n) filter (where f.extra is not null))
            else (array_agg(f.extra) filter (where f.extra is not null))[1] end as extra,
          jsonb_strip_nulls(jsonb_build_object(
            'email', min(f.n) filter (where f.email is not null), 'name', min(f.n) filter (where f.name is not null),
            'phone', min(f.n) filter (where f.phone_key is not null), 'company', min(f.n) filter (where f.has_company),
            'tier', min(f.n) filter (where f.tier is not null), 'owner', min(f.n) filter (where f.owner is not null),
            'language', min(f.n) filter (where f.language is not null), 'timezone', min(f.n) filter (where f.timezone is not null),
            'extra', min(f.n) filter (where f.extra is not null))) as taken
        from (select x.*, coalesce(x.company, x.company_domain) is not null as has_company from found x) f
        where f.is_grouped and not f.is_same group by f.leading) v on v.of = w.leading
    )
    insert into sync.import_rows_p%1$s (
      run, n, file, line, outcome, code, detail, lead, customer, external_id, email, email_key, name, phone, phone_key, phone_extension,
      company, company_domain, tier, owner, language, timezone, created_at, extra, digest, raw)
    select %1$s, f.n, f.file, f.line, d.outcome, d.code,
      case when f.kind <> 'person' then jsonb_build_object('message', f.reason)
        when d.outcome = 'held' and f.is_held then jsonb_build_object('message', f.held_reason)
        when d.leads and d.outcome in ('created', 'updated') then jsonb_build_object('taken', (
          select coalesce(jsonb_object_agg(t.key, t.value), '{}') from jsonb_each(g.taken) t where t.value <> to_jsonb(f.n))) end,
      case when d.outcome in ('created', 'updated', 'unchanged') then case when f.is_same then f.n else coalesce(g.first, f.n) end end,
      case when d.outcome in ('created', 'updated', 'unchanged') then
        case when f.is_same then f.key_customer
          else coalesce(g.customer, f.key_customer, f.address_customer, g.new_customer, uuidv7()) end end,
      f.external_id,
      case when d.leads then g.email else f.email end, case when d.leads then g.email_key else f.email_key end,
      case when d.leads then g.name else f.name end, case when d.leads then g.phone else f.phone end,
      case when d.leads then g.phone_key else f.phone_key end, case when d.leads then g.phone_extension else f.phone_extension end,
      case when d.leads then g.company else f.company end, case when d.leads then g.company_domain else f.company_domain end,
      case when d.leads then g.tier else f.tier end, case when d.leads then g.owner else f.owner end,
      case when d.leads then g.language else f.language end, case when d.leads then g.timezone else f.timezone end,
      case when d.leads then g.created_at else f.created_at end, case when d.leads then g.extra else f.extra end,
      f.digest, case when d.outcome in ('rejected', 'excluded', 'held') then f.raw end
    from found f left join groups g on g.leading = f.leading and f.is_grouped
      cross join lateral (
        select
          case when f.kind <> 'person' then f.kind
            when f.is_same then 'unchanged'
            when f.is_held or g.customers > 1 or g.is_split or f.key_customer <> f.address_customer then 'held'
            when coalesce(g.email_key, f.email_key) is null and coalesce(g.customer, f.key_customer) is null then 'held'
            when f.n <> g.first then case when exists (
              select from jsonb_each(g.taken) t where t.value = to_jsonb(f.n)) then 'updated' else 'unchanged' end
            when coalesce(g.customer, f.key_customer, f.address_customer) is not null then 'updated'
            else 'created' end as outcome,
          case when f.kind <> 'person' then f.code
            when f.is_same then 'same-line'
            when f.is_held then f.held_code
            when g.customers > 1 or g.is_split or f.key_customer <> f.address_customer then 'two-customers'
            when coalesce(g.email_key, f.email_key) is null and coalesce(g.customer, f.key_customer) is null then 'no-address'
            when f.n <> g.first then 'same-person' end as code,
          coalesce(f.n = g.first, false) as leads
        offset 0) d$f$, of_run);
  execute format('analyze sync.import_rows_p%1$s', of_run);
  perform sync.find_import_targets(of_run);
  perform sync.compare_planned(of_run);
  select coalesce(jsonb_object_agg(c.outcome, c.lines), '{}') into counts
  from (select p.outcome, count(*) as lines from sync.import_rows p where p.run = of_run group by p.outcome) c;
  update sync.import_files f set lines = c.lines
  from (select p.file, count(*) as lines from sync.import_rows p where p.run = of_run group by p.file) c
  where f.run = of_run and f.file = c.file;
  update sync.import_runs x
  set state = 'planned', planned = counts, lines = coalesce((select sum(v.value::integer) from jsonb_each_text(counts) v), 0)
  where x.id = of_run;
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = counts
  where s.id = (select max(l.id) from sync.import_steps l where l.run = of_run);
  perform sync.drop_import_staging(of_run);
  return counts;
end $$;

-- The value of a custom field that a text says; null if it says none.
create function sync.read_custom_value(field crm.custom_fields, said text) returns jsonb
language sql immutable parallel safe
return case field.type
  when 'text' then case when char_length(said) between 1 and 2000 then to_jsonb(said) end
  when 'number' then case when said ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$' then to_jsonb(said::numeric) end
  when 'checkbox' then case when lower(said) in ('true', 'yes', 'y', '1', 'x', 'ja', 'oui') then 'true'::jsonb
    when lower(said) in ('false', 'no', 'n', '0', 'nein', 'non') then 'false'::jsonb end
  when 'choice' then (select to_jsonb(c) from unnest(field.choices) c where lower(c) = lower(said) limit 1)
  when 'date' then case when said ~ '^\d{4}-\d{2}-\d{2}$' and pg_input_is_valid(said, 'date') then to_jsonb(said) end
  end;

-- Finds the records that the words of the files name, and says which words name none.
create function sync.find_import_targets(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  makes_companies constant boolean := not exists (
    select from crm.custom_fields f join sync.import_runs r on r.id = of_run and r.app = 'foundation'
    where f.record = 'company' and f.is_required);
begin
  insert into sync.import_targets (run, kind, key, name, domain, lines)
  select of_run, 'company', sync.import_company_key(p.company, p.company_domain), min(p.company), p.company_domain, count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and coalesce(p.company_domain, p.company) is not null
  group by 3, p.company_domain;
  update sync.import_targets t set target = c.id
  from platform.companies c where t.run = of_run and t.kind = 'company' and c.domain = t.domain;
  update sync.import_targets t set target = c.id
  from (
    select distinct on (lower(c.name collate pg_catalog.pg_c_utf8)) lower(c.name collate pg_catalog.pg_c_utf8) as name, c.id, c.domain
    from platform.companies c
    where exists (select from sync.import_targets x where x.run = of_run and x.kind = 'company' and x.target is null)
    order by 1, c.id) c
  where t.run = of_run and t.kind = 'company' and t.target is null and c.name = lower(t.name collate pg_catalog.pg_c_utf8)
    and (t.domain is null or c.domain is null);
  update sync.import_targets t set same_as = o.key
  from (
    select lower(d.name collate pg_catalog.pg_c_utf8) as name, min(d.key) as key from sync.import_targets d
    where d.run = of_run and d.kind = 'company' and d.domain is not null and d.name is not null group by 1 having count(*) = 1) o
  where t.run = of_run and t.kind = 'company' and t.domain is null and t.target is null
    and o.name = lower(t.name collate pg_catalog.pg_c_utf8);

  insert into sync.import_targets (run, kind, key, name, target, lines)
  select of_run, 'tier', p.tier, p.tier, (
      select t.key from platform.tiers t
      where not t.is_retired and (t.key = lower(p.tier)
        or lower(t.label collate pg_catalog.pg_c_utf8) = lower(p.tier collate pg_catalog.pg_c_utf8))
      order by t.key = lower(p.tier) desc limit 1), count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.tier is not null group by p.tier;
  insert into sync.import_targets (run, kind, key, name, target, lines)
  select of_run, 'owner', p.owner, p.owner, (
      select u.id from platform.users u where lower(u.email collate "C") = lower(p.owner collate "C")
      order by u.created_at limit 1), count(*)
  from sync.import_rows p
  where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.owner is not null group by p.owner;

  with unfit as (
    select c.key, count(*) as lines from sync.import_rows p cross join jsonb_each_text(p.extra -> 'custom') c
      left join crm.custom_fields f on f.record = 'customer' and f.key = c.key
    where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.extra ? 'custom'
      and sync.read_custom_value(f, c.value) is null
    group by c.key
  ), tags as (
    select t.value as key, count(*) as lines from sync.import_rows p cross join jsonb_array_elements_text(p.extra -> 'tags') t
    where p.run = of_run and p.lead = p.n and p.outcome in ('created', 'updated') and p.extra ? 'tags' group by t.value
  ), words as (
    select t.kind, t.key, t.lines from sync.import_targets t where t.run = of_run and t.target is null and t.kind <> 'company'
    union all
    select 'company', t.key, t.lines from sync.import_targets t
    where t.run = of_run and t.target is null and t.kind = 'company' and not makes_companies
    union all select 'custom', u.key, u.lines from unfit u
    union all select 'tag', t.key, t.lines from tags t
  )
  update sync.import_runs r set unmapped = coalesce((
      select jsonb_object_agg(k.kind, k.words) from (
        select w.kind, jsonb_object_agg(w.key, w.lines) as words
        from (select *, row_number() over (partition by kind order by lines desc, key) as place from words) w
        where w.place <= 200 group by w.kind) k), '{}')
  where r.id = of_run;
end $$;

-- Beyond the columns of a customer: what a person of a run would give it. `present` is what is there now. A custom field that has another
-- value, and an address that another customer has, are conflicts.
create function sync.compare_import_extras(
  of_customer uuid, extra jsonb, source text, overwrite text[],
  out field text, out present jsonb, out given jsonb, out is_conflict boolean) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select 'custom.' || f.key, v.value, g.value, v.value is not null and 'custom.' || f.key <> all (overwrite)
  from jsonb_each_text(extra -> 'custom') c join crm.custom_fields f on f.record = 'customer' and f.key = c.key
    cross join lateral (select sync.read_custom_value(f, c.value)) g (value)
    left join crm.custom_field_values v on v.field_id = f.id and v.customer_id = of_customer
  where g.value is not null and v.value is distinct from g.value
  union all
  select 'address:' || (a.value ->> 'key'), case when e.customer_id is not null then to_jsonb(e.customer_id) end, a.value,
    e.customer_id is not null
  from jsonb_array_elements(extra -> 'emails') a left join platform.customer_emails e on e.email_key = a.value ->> 'key'
  where e.customer_id is distinct from of_customer
  union all
  select 'phone:' || (p.value ->> 'key') || coalesce('x' || (p.value ->> 'extension'), ''), null, p.value, false
  from jsonb_array_elements(extra -> 'phones') p
  where not exists (
    select from platform.customer_phones h
    where h.customer_id = of_customer and h.phone_key = p.value ->> 'key'
      and h.phone_extension is not distinct from p.value ->> 'extension')
  union all
  select 'note:' || md5(t.value), null, to_jsonb(left(t.value, 4000)), false
  from jsonb_array_elements_text(extra -> 'notes') t
  where char_length(t.value) > 0 and not exists (
    select from crm.activities a
    where a.created_by_app = 'foundation' and a.idempotency_key = 'import:' || source || ':' || of_customer || ':' || md5(t.value));
end;

-- Compares persons of a run whose customers are known with those customers: what the run would write, and what it would leave because
-- the customer has something else there. Two spellings of one telephone number are the same number.
create function sync.compare_import(
  of_run bigint, lines integer[], out n integer, out customer uuid, out present jsonb, out fills jsonb, out conflicts jsonb)
returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select p.n, c.id, d.present, coalesce(d.fills, '{}'), coalesce(d.conflicts, '{}')
  from sync.import_runs r
    cross join lateral (select array(select jsonb_array_elements_text(r.settings -> 'overwrite'))) o (fields)
    join sync.import_rows p on p.run = r.id and p.n = any (compare_import.lines)
    join sync.import_files f on f.run = p.run and f.file = p.file
    join platform.customers k on k.id = p.customer
    join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
    left join sync.import_targets co on co.run = p.run and co.kind = 'company'
      and co.key = sync.import_company_key(p.company, p.company_domain)
    left join sync.import_targets alias on alias.run = p.run and alias.kind = 'company' and alias.key = co.same_as
    left join sync.import_targets t on t.run = p.run and t.kind = 'tier' and t.key = p.tier
    left join sync.import_targets w on w.run = p.run and w.kind = 'owner' and w.key = p.owner
    cross join lateral (
      select jsonb_object_agg(v.field, v.ours) as present,
        jsonb_object_agg(v.field, v.theirs) filter (where not v.is_conflict) as fills,
        jsonb_object_agg(v.field, jsonb_build_object('ours', v.ours, 'theirs', v.theirs)) filter (where v.is_conflict) as conflicts
      from (
        select b.field, b.ours, b.theirs, b.ours is not null and b.field <> all (o.fields) as is_conflict
        from (values
          ('email', to_jsonb(c.email), case when not exists (
              select from platform.customer_emails e where e.email_key = p.email_key and e.customer_id = c.id) then to_jsonb(p.email) end),
          ('name', to_jsonb(c.name), to_jsonb(p.name)),
          ('phone', case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
              'phone_extension', c.phone_extension) end,
            case when p.phone_key is not null and not exists (
                select from platform.customer_phones h where h.customer_id = c.id and h.phone_key = p.phone_key
                  and h.phone_extension is not distinct from p.phone_extension)
              then jsonb_build_object('phone', p.phone, 'phone_key', p.phone_key, 'phone_extension', p.phone_extension) end),
          -- While the plan is made, a company that the run will make has no id yet.
          ('company', to_jsonb(c.company_id), to_jsonb(coalesce(co.target, alias.target,
            case when r.state = 'reading' and not r.unmapped ? 'company' then co.key end))),
          ('tier', to_jsonb(c.account_tier), to_jsonb(t.target)),
          ('owner', to_jsonb(c.account_manager_id), to_jsonb(w.target)),
          ('language', to_jsonb(c.preferred_language), to_jsonb(p.language)),
          ('timezone', to_jsonb(c.timezone), to_jsonb(p.timezone))) b (field, ours, theirs)
        where b.theirs is not null and b.ours is distinct from b.theirs
        union all
        select x.field, x.present, x.given, x.is_conflict
        from sync.compare_import_extras(c.id, p.extra, f.source, o.fields) x where p.extra is not null) v) d
  where r.id = of_run;
end;

-- Says of the lines whose customers are known whether they would change anything.
create function sync.compare_planned(of_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  lines integer[];
begin
  for lines in
    select array_agg(p.n) from sync.import_rows p
    where p.run = of_run and p.outcome = 'updated' and p.lead = p.n group by p.n / 5000 order by p.n / 5000
  loop
    update sync.import_rows p
    set outcome = case when c.n is null then 'excluded' when c.fills = '{}' then 'unchanged' else 'updated' end,
        code = case when c.n is null then 'erased' when c.fills = '{}' then 'nothing-new' end,
        customer = coalesce(c.customer, p.customer),
        detail = coalesce(p.detail, '{}') || case when c.fills <> '{}' then jsonb_build_object('fills', c.fills) else '{}' end
          || case when c.conflicts <> '{}' then jsonb_build_object('conflicts', c.conflicts) else '{}' end
    from unnest(lines) l (n) left join sync.compare_import(of_run, lines) c on c.n = l.n
    where p.run = of_run and p.n = l.n;
    -- The other lines of a person that brings nothing bring nothing.
    update sync.import_rows p set outcome = case l.outcome when 'excluded' then 'excluded' else 'unchanged' end
    from sync.import_rows l
    where l.run = of_run and l.n = any (lines) and l.outcome in ('unchanged', 'excluded')
      and p.run = of_run and p.lead = l.n and p.n <> l.n and p.outcome <> 'held';
  end loop;
end $$;

-- Makes the companies that the run needs and that nobody has made, up to so many. Returns how many are left.
create function sync.make_import_companies(of_run bigint, companies_max integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('planned', 'applying') then return 0; end if;
  if exists (select from crm.custom_fields f where r.app = 'foundation' and f.record = 'company' and f.is_required) then return 0; end if;
  perform set_config('aether.trace', 'import:' || of_run, true);
  with missing as materialized (
    select t.key, uuidv7() as id, coalesce(t.name, t.domain) as name, t.domain from sync.import_targets t
    where t.run = of_run and t.kind = 'company' and t.target is null and t.same_as is null order by t.key limit companies_max
  ), made as (
    insert into platform.companies (id, name, domain, created_by_app) select m.id, m.name, m.domain, r.app from missing m
    on conflict (domain) do nothing returning id
  )
  update sync.import_targets t set target = m.id, made = d.id is not null
  from missing m left join made d on d.id = m.id where t.run = of_run and t.kind = 'company' and t.key = m.key;
  -- Somebody else made a company with this domain meanwhile.
  update sync.import_targets t set target = c.id
  from platform.companies c
  where t.run = of_run and t.kind = 'company' and not t.made and c.domain = t.domain and t.target <> c.id::text;
  return (
    select count(*) from sync.import_targets t
    where t.run = of_run and t.kind = 'company' and t.target is null and t.same_as is null);
end $$;

-- Gives a customer what a person of a run has beyond its columns, and records it. Returns what another customer has already.
create function sync.write_import_extras(of_run bigint, of_n integer, of_customer uuid, extra jsonb, source text, overwrite text[])
returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  x record;
  conflicts jsonb := '{}';
  written jsonb;
  of_version bigint;
begin
  for x in select * from sync.compare_import_extras(of_customer, extra, source, overwrite) loop
    if x.is_conflict then
      conflicts := conflicts || jsonb_build_object(x.field, jsonb_build_object('ours', x.present, 'theirs', x.given));
      continue;
    end if;
    written := x.given;
    if starts_with(x.field, 'custom.') then
      insert into crm.custom_field_values (field_id, customer_id, value)
      select f.id, of_customer, x.given from crm.custom_fields f where f.record = 'customer' and f.key = substr(x.field, 8)
      on conflict (field_id, customer_id) do update set value = excluded.value;
    elsif starts_with(x.field, 'address:') then
      begin
        perform platform.add_address(of_customer, x.given ->> 'address', x.given ->> 'key');
      exception when unique_violation then
        conflicts := conflicts || jsonb_build_object(x.field, jsonb_build_object('theirs', x.given));
        continue;
      end;
    elsif starts_with(x.field, 'phone:') then
      perform platform.add_phone(of_customer, x.given ->> 'phone', x.given ->> 'key', x.given ->> 'extension');
    else
      insert into crm.activities (customer_id, type, description, occurred_at, created_by_app, created_by, idempotency_key)
      values (of_customer, 'note', x.given #>> '{}', now(), 'foundation',
        (select u.id from platform.users u where u.id = platform.current_actor()),
        'import:' || source || ':' || of_customer || ':' || substr(x.field, 6))
      on conflict (created_by_app, idempotency_key) do nothing;
    end if;
    select c.version into of_version from platform.customers c where c.id = of_customer;
    insert into sync.import_writes (run, n, customer, field, before, after, version)
    values (of_run, of_n, of_customer, x.field, x.present, written, of_version) on conflict do nothing;
  end loop;
  return conflicts;
end $$;

-- A change of a person's fields as platform.update_customers takes it. The address beyond ASCII has its key in the line.
create function sync.import_change(field text, value jsonb, email_key text) returns jsonb
language sql immutable parallel safe
return case field
  when 'email' then jsonb_build_object('email', value, 'email_key', email_key)
  when 'name' then jsonb_build_object('name', value)
  when 'phone' then case when value is null or value = 'null' then '{"phone": null, "phone_key": null, "phone_extension": null}'
    else value end
  when 'company' then jsonb_build_object('company_id', value)
  when 'tier' then jsonb_build_object('account_tier', value)
  when 'owner' then jsonb_build_object('account_manager_id', value)
  when 'language' then jsonb_build_object('preferred_language', value)
  when 'timezone' then jsonb_build_object('timezone', value) end;

-- Applies the next lines of a run, in one transaction: see the overview. is_done: there are no more.
create function sync.apply_import(of_run bigint, lines_max integer, out to_n integer, out created integer, out is_done boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
  from_n integer;
  overwrite text[];
  rows platform.customers[];
  places integer[];
  ids uuid[];
  refusals jsonb;
  refusal record;
  known integer[];
  rivals integer[];
  changed integer[];
  customers uuid[];
  changes jsonb[];
  versions bigint[];
  person record;
  drawn bigint[];
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('planned', 'applying') then
    if r.state = 'applied' then to_n := r.lines; created := 0; is_done := true; return; end if;
    raise exception 'this run cannot be applied' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'It is ' || coalesce(r.state, 'not there') || ': only a planned run is applied.';
  end if;
  perform set_config('aether.trace', 'import:' || of_run, true);
  overwrite := array(select jsonb_array_elements_text(r.settings -> 'overwrite'));
  from_n := r.applied_to + 1;
  -- Lines that have not changed need nothing, and are passed over.
  select case when count(*) < lines_max then r.lines else max(w.n) end into to_n
  from (select p.n from sync.import_rows p
        where p.run = of_run and p.n >= from_n and p.code is distinct from 'same-line' order by p.n limit lines_max) w;

  select array_agg(row(
      p.customer, p.email, p.email_key, coalesce(p.name, split_part(p.email, '@', 1)), p.phone, p.phone_key, p.phone_extension,
      coalesce(co.target, alias.target)::uuid, null, p.created_at, null, r.app, null, t.target, w.target, null, p.language, p.timezone,
      null, null)::platform.customers order by p.n), array_agg(p.n order by p.n)
  into rows, places
  from sync.import_rows p
    left join sync.import_targets co on co.run = of_run and co.kind = 'company'
      and co.key = sync.import_company_key(p.company, p.company_domain)
    left join sync.import_targets alias on alias.run = of_run and alias.kind = 'company' and alias.key = co.same_as
    left join sync.import_targets t on t.run = of_run and t.kind = 'tier' and t.key = p.tier
    left join sync.import_targets w on w.run = of_run and w.kind = 'owner' and w.key = p.owner
  where p.run = of_run and p.n between from_n and to_n and p.outcome = 'created' and p.lead = p.n;
  created := coalesce(cardinality(rows), 0);
  if created > 0 then
    -- A customer of another app is one of Foundation's, too: a chat-born one would be adopted when its event comes.
    if r.app <> 'foundation' then
      drawn := platform.draw_customer_numbers('foundation', created, '{}');
      for place in 1..created loop rows[place].crm_id := drawn[place]; end loop;
    end if;
    select i.ids, i.refusals into ids, refusals from platform.insert_customers(rows) i;
    for refusal in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
      created := created - 1;
      if refusal.said ->> 'constraint' in ('customer_emails_pkey', 'customers_pkey') then
        -- Somebody has got this address since the plan: the line belongs to that customer now.
        update sync.import_rows p
        set planned = 'created', outcome = 'updated', code = 'address-taken-since',
            customer = coalesce((select e.customer_id from platform.customer_emails e where e.email_key = p.email_key), p.customer)
        where p.run = of_run and p.n = places[refusal.place];
      else
        update sync.import_rows p
        set planned = 'created', outcome = 'rejected', code = 'refused', customer = null,
            detail = coalesce(p.detail, '{}') || jsonb_build_object('message', refusal.said ->> 'message',
              'field', refusal.said ->> 'column', 'constraint', refusal.said ->> 'constraint')
        where p.run = of_run and p.n = places[refusal.place];
      end if;
    end loop;
    if jsonb_array_length(refusals) > 0 then
      -- The other lines of a person follow the leading one.
      update sync.import_rows p
      set planned = p.outcome, outcome = case l.outcome when 'rejected' then 'rejected' else 'unchanged' end, code = l.code,
        customer = l.customer
      from sync.import_rows l
      where l.run = of_run and l.n = any (places) and l.code in ('refused', 'address-taken-since')
        and p.run = of_run and p.lead = l.n and p.n <> l.n;
    end if;
  end if;

  -- Customers that are there: what the run gives them is compared again, now under their locks.
  select array_agg(p.n order by p.customer), array_agg(p.customer order by p.customer) into known, customers
  from sync.import_rows p
  where p.run = of_run and p.n between from_n and to_n and p.outcome = 'updated' and p.lead = p.n;
  if known is not null then
    perform from platform.customers c
    where c.id in (select coalesce(k.merged_into, k.id) from platform.customers k where k.id = any (customers))
    order by c.id for no key update;
  end if;
  -- A customer that was erased since the plan stays so. One that is gone was created by a run that is undone: its keys are free.
  update sync.import_rows p
  set planned = coalesce(p.planned, p.outcome), outcome = case when g.is_erased then 'excluded' else 'held' end,
      code = case when g.is_erased then 'erased' else 'customer-gone-since' end
  from (
    select q.n, c.id is not null as is_erased
    from sync.import_rows q left join platform.customers k on k.id = q.customer
      left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
    where q.run = of_run and q.n between from_n and to_n and q.outcome in ('updated', 'unchanged') and q.code is distinct from 'same-line'
      and (c.id is null or c.erased_at is not null)) g
  where p.run = of_run and p.n = g.n;
  known := (select array_agg(p.n order by p.customer) from sync.import_rows p
    where p.run = of_run and p.n = any (known) and p.outcome = 'updated');
  if known is not null then
    rivals := known;
    -- Lines that are one customer without being one person, as those of two ids may be, are written one after another.
    loop
      select array_agg(c.n order by c.n) filter (where c.turn = 1), array_agg(c.customer order by c.n) filter (where c.turn = 1),
        array_agg(c.change order by c.n) filter (where c.turn = 1), array_agg(c.n) filter (where c.turn > 1)
      into changed, customers, changes, rivals
      from (
        select x.n, x.customer, v.change, row_number() over (partition by x.customer order by x.n) as turn
        from sync.compare_import(of_run, rivals) x join sync.import_rows p on p.run = of_run and p.n = x.n
          cross join lateral (
            select jsonb_object_agg(f.key, f.value) as change
            from jsonb_each(x.fills) a cross join jsonb_each(sync.import_change(a.key, a.value, p.email_key)) f) v
        where v.change is not null) c;
      exit when changed is null;
      -- What was there is read before it is written.
      insert into sync.import_writes (run, n, customer, field, before, after, version)
      select of_run, c.n, c.customer, a.key, nullif(c.present -> a.key, 'null'), a.value, k.version + 1
      from sync.compare_import(of_run, changed) c cross join jsonb_each(c.fills) a join platform.customers k on k.id = c.customer
      where sync.import_change(a.key, a.value, '') is not null;
      select u.versions, u.refusals into versions, refusals
      from platform.update_customers(customers, array_fill(null::bigint, array[cardinality(customers)]), changes) u;
      for refusal in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
        delete from sync.import_writes w where w.run = of_run and w.n = changed[refusal.place];
        update sync.import_rows p
        set planned = coalesce(p.planned, p.outcome), outcome = 'rejected', code = 'refused',
            detail = coalesce(p.detail, '{}') || jsonb_build_object('message', refusal.said ->> 'message',
              'field', refusal.said ->> 'column', 'constraint', refusal.said ->> 'constraint')
        where p.run = of_run and p.n = changed[refusal.place];
      end loop;
      exit when rivals is null;
    end loop;
    -- The other lines of a person that was refused go with it, so that all of them are read again.
    update sync.import_rows p
    set planned = coalesce(p.planned, p.outcome), outcome = l.outcome, code = l.code, customer = l.customer
    from sync.import_rows l
    where l.run = of_run and l.n = any (known) and l.outcome = 'rejected' and p.run = of_run and p.lead = l.n and p.n <> l.n;
  end if;

  for person in
    select p.n, p.customer, p.extra, f.source from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
    where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated') and p.lead = p.n and p.extra is not null
    order by p.customer
  loop
    refusals := sync.write_import_extras(of_run, person.n, (
        select coalesce(c.merged_into, c.id) from platform.customers c where c.id = person.customer and c.erased_at is null),
      person.extra, person.source, overwrite);
    if refusals <> '{}' then
      update sync.import_rows p
      set detail = jsonb_set(coalesce(p.detail, '{}'), '{conflicts}', coalesce(p.detail -> 'conflicts', '{}') || refusals)
      where p.run = of_run and p.n = person.n and not coalesce(p.detail -> 'conflicts' @> refusals, false);
    end if;
  end loop;
  if known is not null then
    update sync.import_rows p
    set planned = coalesce(p.planned, p.outcome), outcome = 'unchanged', code = coalesce(p.code, 'nothing-new-since')
    where p.run = of_run and p.n = any (known) and p.outcome = 'updated'
      and not exists (select from sync.import_writes w where w.run = of_run and w.n = p.n);
  end if;

  insert into sync.import_keys as k (source, key, customer, digest, run)
  select distinct on (f.source, key) f.source, sync.import_key(p.external_id, p.own_key, p.digest) as key, p.customer, p.digest, of_run
  from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p
    join sync.import_files f on f.run = p.run and f.file = p.file
  where p.run = of_run and p.n between from_n and to_n and p.outcome in ('created', 'updated', 'unchanged')
    and p.code is distinct from 'same-line'
  order by f.source, key, p.n desc
  -- The row of a customer that is merged now stays its row: after an unmerge it is known again.
  on conflict (source, key) do update set digest = excluded.digest, customer = case
    when excluded.customer = (select c.merged_into from platform.customers c where c.id = k.customer) then k.customer
    else excluded.customer end
  where (k.customer, k.digest) is distinct from (excluded.customer, excluded.digest);

  is_done := to_n >= r.lines;
  -- The next plan joins these tables: without their new sizes it would search one of them for each row of another.
  if is_done and r.lines - coalesce((r.planned ->> 'unchanged')::integer, 0) > 5000 then
    analyze sync.import_keys, sync.import_writes, platform.customers, platform.customer_emails, platform.customer_phones;
  end if;
  update sync.import_runs x set applied_to = to_n, state = case when is_done then 'applied' else 'applying' end where x.id = of_run;
end $$;

-- Records that somebody begins, or goes on with, a step of a run.
create function sync.begin_import_step(of_run bigint, of_step text) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.import_steps (run, step) values (of_run, of_step) returning id;
end;
create function sync.end_import_step(of_step bigint, with_outcome jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update sync.import_steps s set ended_at = clock_timestamp(), outcome = with_outcome where s.id = of_step and s.ended_at is null;
end;

-- What still refers to these records, by table, beyond what `but` names; it reads the references from the catalogue, so that those of a
-- third app count as well.
create function sync.list_references(target regclass, ids uuid[], but regclass[], out id uuid, out part text, out rows bigint)
returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  reference record;
begin
  for reference in
    select k.conrelid::regclass as child, a.attname from pg_catalog.pg_constraint k
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = target and k.conrelid <> all (but) and k.conparentid = 0
    order by k.conrelid::regclass::text, a.attname
  loop
    return query execute format('select t.%2$I, %3$L, count(*) from %1$s t where t.%2$I = any ($1) group by t.%2$I',
      reference.child, reference.attname, reference.child::text) using ids;
  end loop;
end $$;

-- Takes back the creation of customers by a run, as if they had never been: the rows go, so that no list, search, lookup or cache can show
-- them and their addresses and numbers are free; customer.deleted tells everybody. A customer that was changed
-- or got something since is kept and listed. The customers are locked first: a session that adds a child to one waits, and is then refused.
create function sync.remove_import_customers(of_run bigint, places integer[], out removed integer, out kept integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids uuid[];
  gone uuid[];
begin
  select array_agg(p.customer) into ids from sync.import_rows p where p.run = of_run and p.n = any (places);
  perform from platform.customers c where c.id = any (ids) order by c.id for update;
  delete from sync.import_kept k where k.run = of_run and k.n = any (places);
  -- One statement reads all: what commits after it cannot have touched these customers, because they are locked.
  with mine as materialized (
    select p.*, c.id, c.merged_into, c.erased_at, c.email as now_email, c.name as now_name, c.phone as now_phone, c.company_id,
      c.account_tier, c.account_manager_id, c.preferred_language, c.timezone as now_timezone,
      coalesce(co.target, alias.target) as company_target, t.target as tier_target, w.target as owner_target
    from sync.import_rows p join platform.customers c on c.id = p.customer
      left join sync.import_targets co on co.run = of_run and co.kind = 'company'
        and co.key = sync.import_company_key(p.company, p.company_domain)
      left join sync.import_targets alias on alias.run = of_run and alias.kind = 'company' and alias.key = co.same_as
      left join sync.import_targets t on t.run = of_run and t.kind = 'tier' and t.key = p.tier
      left join sync.import_targets w on w.run = of_run and w.kind = 'owner' and w.key = p.owner
    where p.run = of_run and p.n = any (places)
  ), touched as (
    select m.n, m.id, v.field, to_jsonb(v.written) as written, to_jsonb(v.present) as present
    from mine m cross join lateral (values
      ('email', m.email, m.now_email), ('name', coalesce(m.name, split_part(m.email, '@', 1)), m.now_name), ('phone', m.phone, m.now_phone),
      ('company', m.company_target, m.company_id::text), ('tier', m.tier_target, m.account_tier),
      ('owner', m.owner_target, m.account_manager_id), ('language', m.language, m.preferred_language),
      ('timezone', m.timezone, m.now_timezone), ('merged', null, m.merged_into::text),
      ('erased', null, m.erased_at::text)) v (field, written, present)
    where v.written is distinct from v.present
    union all
    select m.n, m.id, 'address:' || e.email_key, null, jsonb_build_object('address', e.email, 'verified_at', e.verified_at)
    from mine m join platform.customer_emails e on e.customer_id = m.id
    where e.verified_at is not null or e.email_key <> m.email_key and not exists (
      select from sync.import_writes w where w.run = of_run and w.n = m.n and w.field = 'address:' || e.email_key)
    union all
    select m.n, m.id, 'phone:' || h.phone_key, null, to_jsonb(h.phone)
    from mine m join platform.customer_phones h on h.customer_id = m.id
    where not h.is_primary and not exists (
      select from sync.import_writes w
      where w.run = of_run and w.n = m.n and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, ''))
    union all
    select m.n, m.id, 'custom.' || v.field_key, w.after, v.value
    from mine m join crm.custom_field_values v on v.customer_id = m.id
      left join sync.import_writes w on w.run = of_run and w.n = m.n and w.field = 'custom.' || v.field_key
    where v.value is distinct from w.after
    union all
    select m.n, m.id, 'crm.activities', null, to_jsonb(count(*))
    from mine m join crm.activities a on a.customer_id = m.id
    where not exists (
      select from sync.import_writes w join sync.import_files f on f.run = m.run and f.file = m.file
      where w.run = of_run and w.n = m.n and starts_with(w.field, 'note:') and w.after = to_jsonb(a.description)
        and a.created_by_app = 'foundation'
        and a.idempotency_key = 'import:' || f.source || ':' || w.customer || ':' || substr(w.field, 6))
    group by m.n, m.id
    union all
    select m.n, m.id, 'platform.review_candidates', null, to_jsonb(count(*))
    from mine m join platform.review_candidates q on m.id in (q.customer_id, q.other_id)
    where q.state <> 'open' and q.reason <> 'unmerged' or q.reason = 'verified_claim' group by m.n, m.id
    union all
    select m.n, m.id, x.part, null, to_jsonb(x.rows)
    from sync.list_references('platform.customers', ids, '{platform.customer_emails,platform.customer_phones,
        platform.customer_external_ids,crm.custom_field_values,crm.activities,crm.changes,platform.review_candidates}') x
      join mine m on m.id = x.id
  )
  insert into sync.import_kept (run, n, customer, field, written, present)
  select of_run, t.n, t.id, t.field, t.written, t.present from touched t on conflict (run, n, field) do nothing;

  select array_agg(p.customer) into gone from sync.import_rows p
  where p.run = of_run and p.n = any (places) and not exists (select from sync.import_kept k where k.run = of_run and k.n = p.n);
  select count(distinct k.n) into kept from sync.import_kept k where k.run = of_run and k.n = any (places);
  delete from crm.changes h where h.customer_id = any (gone);
  delete from crm.activities a where a.customer_id = any (gone);
  delete from crm.custom_field_values v where v.customer_id = any (gone);
  delete from platform.review_candidates q where q.customer_id = any (gone) or q.other_id = any (gone);
  delete from sync.quality_findings q where q.customer_id = any (gone) or q.other_id = any (gone);
  delete from platform.customer_external_ids x where x.customer_id = any (gone);
  delete from platform.customer_phones h where h.customer_id = any (gone);
  delete from platform.customer_emails e where e.customer_id = any (gone);
  delete from crm.customer_order o where o.customer_id = any (gone);
  delete from platform.customers c where c.id = any (gone);
  get diagnostics removed = row_count;
  -- The lines of other runs that were these customers, too: otherwise they would be known for ever as those of nobody.
  delete from sync.import_keys k
  using (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key
         from sync.import_rows q where q.customer = any (gone)) p, sync.import_files f
  where f.run = p.run and f.file = p.file and k.source = f.source and k.customer = any (gone)
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest);
end $$;

-- Puts back what a run wrote to customers that were there before it: each value that is still as the run wrote it. A value that a later
-- run wrote over is that run's to put back, so that run gets what was there before this one.
create function sync.restore_import_writes(of_run bigint, places integer[], out restored integer, out kept integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids uuid[];
  changes jsonb[];
  refusals jsonb;
  w record;
  present jsonb;
begin
  restored := 0;
  perform from platform.customers c
  where c.id in (
    select coalesce(k.merged_into, k.id) from platform.customers k
    where k.id in (select x.customer from sync.import_writes x where x.run = of_run and x.n = any (places)))
  order by c.id for no key update;
  delete from sync.import_kept k where k.run = of_run and k.n = any (places);
  for w in
    select x.*, c.id as held, c.erased_at, k.merged_into is not null as is_merged, v.present,
      -- Another run may have written the same note: each is known by its source.
      'import:' || f.source || ':' || x.customer || ':' || substr(x.field, 6) as note_key
    from sync.import_writes x
      join sync.import_rows p on p.run = x.run and p.n = x.n
      join sync.import_files f on f.run = p.run and f.file = p.file
      left join platform.customers k on k.id = x.customer
      left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
      cross join lateral (select case x.field
          when 'email' then to_jsonb(c.email) when 'name' then to_jsonb(c.name)
          when 'phone' then case when c.phone is not null then jsonb_build_object('phone', c.phone, 'phone_key', c.phone_key,
            'phone_extension', c.phone_extension) end
          when 'company' then to_jsonb(c.company_id) when 'tier' then to_jsonb(c.account_tier)
          when 'owner' then to_jsonb(c.account_manager_id) when 'language' then to_jsonb(c.preferred_language)
          when 'timezone' then to_jsonb(c.timezone) end) v (present)
    where x.run = of_run and x.n = any (places) and not x.is_undone order by x.customer, x.field
  loop
    update sync.import_writes x set is_undone = true where x.run = of_run and x.n = w.n and x.field = w.field;
    if w.held is null then continue; end if; -- it was removed with the run that had created it
    present := w.present;
    if starts_with(w.field, 'custom.') then
      select v.value into present from crm.custom_field_values v where v.customer_id = w.held and v.field_key = substr(w.field, 8);
    elsif starts_with(w.field, 'address:') then
      select w.after into present from platform.customer_emails e
      where e.email_key = substr(w.field, 9) and e.customer_id = w.held and not e.is_primary and e.verified_at is null;
    elsif starts_with(w.field, 'phone:') then
      select w.after into present from platform.customer_phones h
      where h.customer_id = w.held and not h.is_primary and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, '');
    elsif starts_with(w.field, 'note:') then
      select to_jsonb(a.description) into present from crm.activities a
      where a.customer_id = w.held and a.created_by_app = 'foundation' and a.idempotency_key = w.note_key;
    end if;
    -- What was written to a customer that is merged now, an unmerge gives back to it: then this run can take it back.
    if present is distinct from w.after or w.erased_at is not null or w.is_merged then
      update sync.import_writes x set is_undone = false where x.run = of_run and x.n = w.n and x.field = w.field;
      update sync.import_writes l set before = w.before
      from sync.import_runs r
      where l.customer = w.customer and l.field = w.field and l.run > of_run and l.before = w.after and r.id = l.run
        and r.state in ('applying', 'applied');
      insert into sync.import_kept (run, n, customer, field, written, present)
      values (of_run, w.n, w.held, w.field, w.after, present) on conflict do nothing;
      continue;
    end if;
    restored := restored + 1;
    if starts_with(w.field, 'custom.') then
      if w.before is null then
        delete from crm.custom_field_values v where v.customer_id = w.held and v.field_key = substr(w.field, 8);
      else
        update crm.custom_field_values v set value = w.before where v.customer_id = w.held and v.field_key = substr(w.field, 8);
      end if;
    elsif starts_with(w.field, 'address:') then
      delete from platform.customer_emails e where e.email_key = substr(w.field, 9) and e.customer_id = w.held;
      perform platform.count_change(w.held);
    elsif starts_with(w.field, 'phone:') then
      delete from platform.customer_phones h
      where h.customer_id = w.held and not h.is_primary and w.field = 'phone:' || h.phone_key || coalesce('x' || h.phone_extension, '');
      perform platform.count_change(w.held);
    elsif starts_with(w.field, 'note:') then
      delete from crm.activities a
      where a.customer_id = w.held and a.created_by_app = 'foundation' and a.idempotency_key = w.note_key;
    else
      ids := ids || w.held;
      changes := changes || sync.import_change(w.field, coalesce(w.before, 'null'),
        (select e.email_key from platform.customer_emails e where e.customer_id = w.held and to_jsonb(e.email) = w.before limit 1));
    end if;
  end loop;
  if ids is not null then
    select array_agg(m.id order by m.id), array_agg(m.change order by m.id) into ids, changes
    from (select u.id, jsonb_object_agg(f.key, f.value) as change from unnest(ids, changes) u (id, change) cross join jsonb_each(u.change) f
          group by u.id) m;
    select u.refusals into refusals from platform.update_customers(ids, array_fill(null::bigint, array[cardinality(ids)]), changes) u;
    for w in select (x.value ->> 'row')::integer as place, x.value as said from jsonb_array_elements(refusals) x loop
      restored := restored - 1;
      insert into sync.import_kept (run, n, customer, field, written, present)
      select of_run, l.n, ids[w.place], 'refused', changes[w.place], w.said from sync.import_writes l
      where l.run = of_run and l.n = any (places) and l.customer = ids[w.place] limit 1 on conflict do nothing;
    end loop;
  end if;
  -- An address that the run made the primary one was the customer's second one for a moment; it goes with the run.
  delete from platform.customer_emails e using sync.import_writes x
  where x.run = of_run and x.n = any (places) and x.field = 'email' and e.customer_id = x.customer and not e.is_primary
    and e.verified_at is null and to_jsonb(e.email) = x.after
    and not exists (select from sync.import_kept k where k.run = of_run and k.n = x.n and k.field = 'email');
  select count(*) into kept from sync.import_kept k where k.run = of_run and k.n = any (places);
end $$;

-- Takes back the last lines of a run that are not taken back yet, in one transaction. A run that is undone may be undone again: what was
-- kept is tried again, because the reason may be gone.
create function sync.undo_import(
  of_run bigint, lines_max integer, out from_n integer, out removed integer, out restored integer, out kept integer, out is_done boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
  last_n integer;
  places integer[];
  companies uuid[];
  older record;
begin
  select * into r from sync.import_runs x where x.id = of_run for update;
  if r.state not in ('applying', 'applied', 'undoing', 'undone') then
    raise exception 'this run has written nothing' using errcode = 'check_violation', constraint = 'import_runs_state',
      hint = 'It is ' || coalesce(r.state, 'not there') || ': only what was applied is undone.';
  end if;
  perform set_config('aether.trace', 'import:' || of_run || ':undo', true);
  last_n := case r.state when 'undoing' then r.undone_to - 1 else r.applied_to end;
  from_n := greatest(last_n - lines_max + 1, 1);
  removed := 0; restored := 0; kept := 0;

  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = 'created' and p.lead = p.n
      and exists (select from platform.customers c where c.id = p.customer));
  if cardinality(places) > 0 then
    select x.removed, x.kept into removed, kept from sync.remove_import_customers(of_run, places) x;
  end if;
  places := array(select p.n from sync.import_rows p
    where p.run = of_run and p.n between from_n and last_n and p.outcome = 'updated' and p.lead = p.n);
  if cardinality(places) > 0 then
    select x.restored, undo_import.kept + x.kept into restored, kept from sync.restore_import_writes(of_run, places) x;
    -- A customer of an older run that was undone was kept because of what this run had written to it.
    for older in
      select k.run, array_agg(distinct k.n) as places from sync.import_kept k
        join sync.import_runs o on o.id = k.run and o.state = 'undone' and o.id <> of_run
        join sync.import_rows p on p.run = k.run and p.n = k.n and p.outcome = 'created'
      where k.customer in (select w.customer from sync.import_writes w where w.run = of_run and w.n = any (places))
      group by k.run order by k.run
    loop
      perform from sync.remove_import_customers(older.run, older.places);
    end loop;
  end if;

  delete from sync.import_keys k
  using (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p,
    sync.import_files f
  where p.run = of_run and p.n between from_n and last_n and p.outcome in ('created', 'updated', 'unchanged')
    and f.run = p.run and f.file = p.file and k.source = f.source and k.run = of_run
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest)
    and (p.outcome <> 'created' or not exists (select from platform.customers c where c.id = p.customer));
  update sync.import_keys k set digest = null
  from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p,
    sync.import_files f
  where p.run = of_run and p.n between from_n and last_n and p.outcome in ('updated', 'unchanged')
    and p.code is distinct from 'same-line'
    and f.run = p.run and f.file = p.file and k.source = f.source
    and k.key = sync.import_key(p.external_id, p.own_key, p.digest) and k.digest = p.digest;

  is_done := from_n <= 1;
  if is_done then
    if last_n > 0 then delete from sync.import_kept k where k.run = of_run and k.n = 0; end if;
    -- A company that nobody uses and nobody has changed goes. Its lock keeps others from beginning to use it. Many take many steps.
    companies := array(
      select c.id
      from sync.import_targets t join platform.companies c on c.id = case t.kind when 'company' then t.target::uuid end
      where t.run = of_run and t.kind = 'company' and t.made
        and not exists (select from sync.import_kept k where k.run = of_run and k.n = 0 and k.field = 'company:' || t.key)
      order by c.id limit lines_max for update of c);
    insert into sync.import_kept (run, n, customer, field, present)
    select of_run, 0, c.id, 'company:' || t.key, coalesce(x.uses, jsonb_build_object('version', c.version))
    from platform.companies c
      join sync.import_targets t on t.run = of_run and t.kind = 'company' and t.made and t.target = c.id::text
      left join (
        select l.id, jsonb_object_agg(l.part, l.rows) as uses from sync.list_references('platform.companies', companies, '{}') l
        group by l.id) x on x.id = c.id
    where c.id = any (companies) and (x.id is not null or c.version <> 1);
    delete from platform.companies c
    where c.id = any (companies) and not exists (
      select from sync.import_kept k where k.run = of_run and k.n = 0 and k.customer = c.id);
    is_done := cardinality(companies) < lines_max;
  end if;
  update sync.import_runs x
  set undone_to = from_n, state = case when is_done then 'undone' else 'undoing' end
  where x.id = of_run;
end $$;

-- Compares what a run says with what the database holds, one row for each question.
create function sync.verify_import(of_run bigint, out question text, out expected bigint, out found bigint) returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r sync.import_runs;
begin
  select * into r from sync.import_runs x where x.id = of_run;
  -- Right after a run nothing is analyzed: PostgreSQL takes its tables for small, and would search one of them for each row of another.
  perform set_config('enable_nestloop', 'off', true), set_config('work_mem', '128MB', true), set_config('jit', 'off', true);
  return query select 'lines have an outcome', r.lines::bigint, (select count(*) from sync.import_rows p where p.run = of_run);
  if r.state not in ('applying', 'applied') then return; end if;
  return query
    select 'created customers are there', count(*), count(c.id)
    from sync.import_rows p left join platform.customers c on c.id = p.customer
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'created customers are known by their address', count(*), count(e.email_key)
    from sync.import_rows p left join platform.customers c on c.id = p.customer
      left join platform.customer_emails e on e.email_key = p.email_key and e.customer_id in (c.id, c.merged_into)
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'created customers have the number of their app', count(*), count(coalesce(x.customer_id, y.customer_id))
    from sync.import_rows p left join platform.customers c on c.id = p.customer
      left join (select distinct i.customer_id from platform.customer_external_ids i where i.app = r.app) x on x.customer_id = c.id
      left join (select distinct i.customer_id from platform.customer_external_ids i where i.app = r.app) y on y.customer_id = c.merged_into
    where p.run = of_run and p.n <= r.applied_to and p.outcome = 'created' and p.lead = p.n;
  return query
    select 'lines of customers are known by their key', count(*), count(k.customer)
    from (select q.*, case when q.detail -> 'taken' ? 'email' then null else q.email_key end as own_key from sync.import_rows q) p
      join sync.import_files f on f.run = p.run and f.file = p.file
      left join sync.import_keys k on k.source = f.source and k.key = sync.import_key(p.external_id, p.own_key, p.digest)
    where p.run = of_run and p.n <= r.applied_to and p.outcome in ('created', 'updated', 'unchanged');
  return query
    select 'updated customers have their writes in the ledger', count(*), count(*) filter (where exists (
      select from sync.import_writes w where w.run = of_run and w.n = p.n))
    from sync.import_rows p where p.run = of_run and p.n <= r.applied_to and p.outcome = 'updated' and p.lead = p.n;
end $$;

grant execute on function sync.import_key(text, text, bigint), sync.begin_import(text, jsonb, text, jsonb),
    sync.abandon_import(bigint), sync.list_import_customers(bigint),
    sync.keep_import_candidates(bigint, jsonb), sync.plan_import(bigint), sync.make_import_companies(bigint, integer),
    sync.apply_import(bigint, integer), sync.undo_import(bigint, integer), sync.verify_import(bigint), sync.begin_import_step(bigint, text),
    sync.end_import_step(bigint, jsonb)
  to sync_role;
