import { describe, expect, test } from 'vitest';
import { describeInventory, findUnclassified, readInventory } from '../inventory.ts';
import { lintSchema } from './lints.ts';
import { holdRoles } from './testing.escalation.ts';
import { table, useLints } from './testing.lints.ts';

holdRoles();
const { lint, findAfter, superuser } = useLints();
const pinned = 'set search_path = pg_catalog, pg_temp';
const empty = `as 'begin end'`;

test('the lints find nothing in the schema that the migrations make', async () => {
  expect(await lintSchema(superuser())).toEqual([]);
});

test('a finding of a lint says what to do', async () => {
  await superuser().query('begin; set local role platform_owner; create table crm.open (); reset role');
  expect(await lintSchema(superuser())).toEqual([
    {
      lint: 'unprotected table',
      object: 'crm.open',
      remedy: 'call platform.protect_table(…): row level security enabled and forced, and a policy for its owner.',
    },
  ]);
});

describe('the inventory', () => {
  test('has a class for every column, and database/inventory.txt is its listing', async () => {
    expect(await findUnclassified(superuser())).toEqual([]);
    expect(await describeInventory(superuser()), 'npm run schema, and commit it.').toBe(await readInventory());
  });

  test('lacks a new column and a new table, and has too much when a column is gone', async () => {
    await superuser().query(`begin; set local role platform_owner; alter table crm.contacts add column shoe_size integer;
      alter table crm.contacts drop column title; create table crm.t (n integer)`);
    const found = await findUnclassified(superuser());
    await superuser().query(`call platform.classify_columns('crm.contacts', content => 'shoe_size');
      call platform.classify('crm.t', null, 'keep', 'A test.', technical => 'n')`);
    const left = await findUnclassified(superuser());
    await superuser().query('rollback');
    expect(found).toEqual([
      'crm.contacts (shoe_size) has no class: call platform.classify_columns, or platform.classify for a new table.',
      'crm.contacts (title) has a class and does not exist.',
      'crm.t (n) has no class: call platform.classify_columns, or platform.classify for a new table.',
    ]);
    expect(left).toEqual(['crm.contacts (title) has a class and does not exist.']);
  });

  test('refuses a column that can neither become null nor something else', async () => {
    await superuser().query('begin; set local role platform_owner; create table crm.t (name text not null)');
    const scrub = (becomes: string) =>
      superuser().query(
        `call platform.classify('crm.t', 'true', 'scrub', 'A test.', identifying => 'name', becomes => $1)`,
        [becomes],
      );
    await superuser().query('savepoint s');
    await expect(scrub('{}')).rejects.toThrow('say what name of crm.t becomes: it cannot be null');
    await superuser().query('rollback to s');
    await scrub(`{"name": "''nobody''"}`);
    await superuser().query('rollback');
  });
});

lint('unprotected table', {
  'a table without row level security': {
    offence: 'create table crm.t (n integer)',
    found: ['crm.t'],
    neighbour: `${table('t', 'n integer')} create table staging.t (n integer)`,
  },
  'a table whose row level security is not forced': {
    offence: `${table('t', 'n integer')} alter table crm.t no force row level security`,
    found: ['crm.t'],
    neighbour: `${table('t', 'n integer')} alter table crm.t force row level security`,
  },
  'a table whose row level security is switched off': {
    offence: 'alter table platform.customers disable row level security',
    found: ['platform.customers'],
    neighbour: 'alter table platform.customers enable row level security',
  },
  'a table without a policy for its owner': {
    offence: `${table('t', 'n integer')} drop policy owner_all on crm.t`,
    found: ['crm.t'],
    neighbour: `${table('t', 'n integer')} alter policy owner_all on crm.t rename to owners`,
  },
  'a policy that holds its owner back': {
    offence: `${table('t', 'n integer')} alter policy owner_all on crm.t using (n > 0)`,
    found: ['crm.t'],
    neighbour: `${table('t', 'n integer')} create policy apps on crm.t to support_role using (n > 0)`,
  },
  'a partition': {
    offence: `create table crm.p (n integer) partition by list (n); call platform.protect_table('crm.p');
              create table crm.p1 partition of crm.p for values in (1)`,
    found: ['crm.p1'],
    neighbour: `create table crm.p (n integer) partition by list (n); call platform.protect_table('crm.p');
                create table crm.p1 partition of crm.p for values in (1); call platform.protect_table('crm.p1')`,
  },
});

const definer = (options: string) =>
  `create function crm.f() returns void language plpgsql security definer ${options} ${empty}`;
lint('definer function with a movable search_path', {
  'one with no search_path': { offence: definer(''), found: ['crm.f()'], neighbour: definer(pinned) },
  'one with settings for the planner alone': {
    offence: definer('set enable_seqscan = off'),
    found: ['crm.f()'],
    neighbour: definer(`${pinned} set plan_cache_mode = auto set enable_seqscan = off set work_mem = '64MB'`),
  },
  'one that searches temporary tables first': {
    offence: definer('set search_path = pg_catalog, platform'),
    found: ['crm.f()'],
    neighbour: definer(pinned),
  },
  'one that names them in another order': {
    offence: definer('set search_path = pg_temp, pg_catalog'),
    found: ['crm.f()'],
    neighbour: definer(pinned),
  },
  'one with a bound body, because the functions that it calls are not bound': {
    offence: 'create function crm.f() returns integer language sql security definer return 1',
    found: ['crm.f()'],
    neighbour: 'create function crm.f() returns integer language sql return 1',
  },
  'a procedure': {
    offence: `create procedure crm.p() language plpgsql security definer ${empty}`,
    found: ['crm.p()'],
    neighbour: `create procedure crm.p() language plpgsql security definer ${pinned} ${empty}`,
  },
});

lint('function whose names a search_path could redirect', {
  'one whose body is a text': {
    offence: `create function crm.f(text) returns void language plpgsql ${empty}`,
    found: ['crm.f(text)'],
    neighbour: `create function crm.f(text) returns void language plpgsql ${pinned} ${empty}`,
  },
  'one in SQL whose body is a text': {
    offence: `create function crm.f(text) returns text language sql as 'select lower($1)'`,
    found: ['crm.f(text)'],
    neighbour: 'create function crm.f(text) returns text language sql return lower($1)',
  },
  'one that does more than hand on its argument': {
    offence: `create function crm.f(t text) returns boolean language plpgsql as $$ begin return platform.is_line(t, 1) = true; end $$`,
    found: ['crm.f(text)'],
    neighbour: `create function crm.f(t text) returns boolean language plpgsql as $$ begin return platform.is_email_key(t); end $$`,
  },
});

test('the lints find a function that was made executable by PUBLIC', async () => {
  expect(await findAfter('grant execute on function platform.count_version() to public')).toEqual([
    'function executable by PUBLIC: platform.count_version()',
    'untested grant: execute on function platform.count_version() to public',
  ]);
  expect(await findAfter('revoke execute on function platform.count_version() from public')).toEqual([]);
});

test('the lints find a function that is executable by PUBLIC because no revoke followed', async () => {
  const make = `create function crm.f() returns integer language sql return 1`;
  const found = await findAfter(`alter default privileges grant execute on functions to public; ${make}`);
  expect(found).toContain('function executable by PUBLIC: crm.f()');
  expect(found).toContain('untested grant: execute on function crm.f() to public');
  expect(await findAfter(make)).toEqual([]);
});

const parent = (columns: string, more = '') => `${table('t', `${columns}${more}`)}`;
const reference = 'n bigint references crm.deals';
const customers = (name: string) =>
  `${table('t', `id integer primary key, ${name} uuid references platform.customers`)} create index on crm.t (${name});
   call platform.stay_in_merges('crm.t', '${name}', 'a test');`;
const paid = `${table('t', 'id integer primary key, payer_id uuid references platform.customers')} create index on crm.t (payer_id);
  call platform.require_present_customer('crm.t', 'payer_id');`;
lint('column of customers that no merge knows', {
  'a reference by any name': {
    offence: paid,
    found: ['crm.t (payer_id)'],
    neighbour: `${paid} call platform.move_in_merges('crm.t', 'payer_id')`,
  },
  'a customer without a reference': {
    offence: table('t', 'first_customer uuid'),
    found: ['crm.t (first_customer)'],
    neighbour: `${table('t', 'first_customer uuid')} call platform.stay_in_merges('crm.t', 'first_customer', 'A record of that time.')`,
  },
});

lint('foreign key that accepts merged and erased customers', {
  'one without the trigger': {
    offence: customers('customer_id'),
    found: ['crm.t t_customer_id_fkey'],
    neighbour: `${customers('customer_id')} call platform.require_present_customer('crm.t')`,
  },
  'one with another name whose trigger looks at another column': {
    offence: `${customers('payer_id')} alter table crm.t add customer_id uuid;
              call platform.stay_in_merges('crm.t', 'customer_id', 'a test'); call platform.require_present_customer('crm.t')`,
    found: ['crm.t t_payer_id_fkey'],
    neighbour: `${customers('payer_id')} call platform.require_present_customer('crm.t', 'payer_id')`,
  },
  'one whose trigger is switched off': {
    offence: 'alter table crm.deals disable trigger present_customer_id',
    found: ['crm.deals deals_customer_id_fkey'],
    neighbour: 'alter table crm.deals enable trigger present_customer_id',
  },
  'one without the trigger that does not say why': {
    offence: `${customers('loser_id')} comment on constraint t_loser_id_fkey on crm.t is 'The loser.'`,
    found: ['crm.t t_loser_id_fkey'],
    neighbour: `${customers('loser_id')} comment on constraint t_loser_id_fkey on crm.t is 'Any customer: a loser is merged.'`,
  },
});

lint('foreign key without an index', {
  'one without any': {
    offence: parent(reference),
    found: ['crm.t t_n_fkey'],
    neighbour: `${parent(reference)} create index on crm.t (n)`,
  },
  'one whose column comes second in the index': {
    offence: `${parent(reference, ', m integer')} create index on crm.t (m, n)`,
    found: ['crm.t t_n_fkey'],
    neighbour: `${parent(reference, ', m integer')} create index on crm.t (n, m)`,
  },
  'one whose index leaves rows out': {
    offence: `${parent(reference)} create index on crm.t (n) where n > 5`,
    found: ['crm.t t_n_fkey'],
    neighbour: `${parent(reference)} create index on crm.t (n) where n is not null`,
  },
  'one whose index is of an expression': {
    offence: `${parent(reference)} create index on crm.t (abs(n))`,
    found: ['crm.t t_n_fkey'],
    neighbour: `${parent(reference)} create unique index on crm.t (n)`,
  },
  'one whose index is not a B-tree': {
    offence: `${parent(reference)} create index on crm.t using brin (n)`,
    found: ['crm.t t_n_fkey'],
    neighbour: `${parent(reference)} create index on crm.t (n desc)`,
  },
  'one of two columns with an index on one': {
    offence: `${parent('p bigint, s bigint, foreign key (p, s) references crm.pipeline_stages (pipeline_id, id)')} create index
      on crm.t (p)`,
    found: ['crm.t t_p_s_fkey'],
    neighbour: `${parent('p bigint, s bigint, foreign key (p, s) references crm.pipeline_stages (pipeline_id, id)')} create index
      on crm.t (s, p)`,
  },
  'one whose index was dropped': {
    offence: 'drop index crm.deals_customer',
    found: ['crm.deals deals_customer_id_fkey'],
    neighbour: 'drop index crm.activities_timeline; create index on crm.activities (customer_id)',
  },
});

lint('policy for PUBLIC', {
  'one that names no role': {
    offence: 'create policy p on crm.deals for select using (true)',
    found: ['crm.deals p'],
    neighbour: 'create policy p on crm.deals for select to foundation_role using (true)',
  },
});

// The committed matrix has these rights on the table; only the policy is missing.
lint('grant that no policy lets through', {
  'a grant whose policy was dropped': {
    offence: 'drop policy foundation_all on crm.deals',
    found: [
      'crm.deals insert to foundation_role',
      'crm.deals select to foundation_role',
      'crm.deals update to foundation_role',
    ],
    neighbour:
      'drop policy foundation_all on crm.deals; create policy anew on crm.deals to foundation_role using (true)',
  },
  'a grant of columns whose policy is for another verb': {
    offence:
      'drop policy support_add on crm.activities; create policy support_add on crm.activities for select to support_role using (true)',
    found: ['crm.activities insert to support_role'],
    neighbour:
      'drop policy support_add on crm.activities; create policy support_add on crm.activities for insert to support_role with check (true)',
  },
  'a grant that only a restrictive policy names': {
    offence: `drop policy apps_read on platform.customer_emails; create policy r on platform.customer_emails as restrictive to app_role
        using (true)`,
    found: ['platform.customer_emails select to app_role'],
    neighbour: 'create policy r on platform.customer_emails as restrictive to app_role using (true)',
  },
});

describe('grant to PUBLIC', () => {
  const cases: [sql: string, object: string, untested: string][] = [
    [
      'grant select on crm.customer_context to public',
      'select on crm.customer_context',
      'select on view crm.customer_context to public',
    ],
    [
      'grant insert (name) on platform.companies to public',
      'insert on platform.companies (name)',
      'insert (name) on table platform.companies to public',
    ],
    ['grant usage on schema support to public', 'usage on schema support', 'usage on schema support to public'],
    [
      'grant usage on sequence crm.customer_number to public',
      'usage on crm.customer_number',
      'usage on sequence crm.customer_number to public',
    ],
  ];
  test.each(cases)('finds %s', async (sql, object, untested) => {
    const found = await findAfter(sql);
    expect(found).toContain(`grant to PUBLIC: ${object}`);
    expect(found).toContain(`untested grant: ${untested}`);
    expect(await findAfter(sql.replace('grant', 'revoke').replace(' to ', ' from '))).toEqual([]);
  });

  test('finds a database in which every role may make temporary tables', async () => {
    const database = (await superuser().query('select current_database() as name')).rows[0].name;
    expect(await findAfter(`grant temporary on database ${database} to public`, { role: 'aether_admin' })).toEqual([
      'grant to PUBLIC: temporary on this database',
      'untested grant: temporary on database to public',
    ]);
    expect(await findAfter(`revoke temporary on database ${database} from public`, { role: 'aether_admin' })).toEqual(
      [],
    );
  });
});

lint('wrong owner', {
  'a table of the superuser': {
    role: 'postgres',
    offence: table('t', 'n integer'),
    found: ['crm.t, of postgres'],
    neighbour: `${table('t', 'n integer')} alter table crm.t owner to platform_owner`,
  },
  'a function of the superuser': {
    role: 'postgres',
    offence: `alter function platform.current_app() owner to aether_admin`,
    found: ['platform.current_app(), of aether_admin'],
    neighbour: `alter function platform.current_app() owner to platform_owner`,
  },
  'a schema of an app': {
    role: 'postgres',
    offence: 'create schema mine authorization support_role',
    found: ['schema mine, of support_role'],
    neighbour: 'create schema mine authorization platform_owner',
  },
  'a large object of an app': {
    role: 'support_app',
    offence: 'select lo_create(4711)',
    found: ['large object 4711, of support_app'],
    neighbour: 'select lo_create(4711); select lo_unlink(4711)',
  },
});

lint('key that sorts by locale', {
  'a primary key': {
    offence: table('t', 'k text primary key'),
    found: ['crm.t (k)'],
    neighbour: table('t', 'k text collate "C" primary key'),
  },
  'a column that a policy reads': {
    offence: `${table('t', 'a text')} create policy p on crm.t to support_role using (a = 'support')`,
    found: ['crm.t (a)'],
    neighbour: `${table('t', 'a text collate "C", b text')} create policy p on crm.t to support_role using (a = 'support')`,
  },
});

const captureDeals = `call sync.capture('crm.deals', 'deal', 'crm', 'r.id', 'r.customer_id', '{customer_id,name}')`;
lint('capture that does not fit its table', {
  'a column that no event shows': {
    offence: 'alter table crm.deals add colour text, add "Odd one" text',
    found: ['crm.deals ("Odd one")', 'crm.deals (colour)'],
    neighbour: `alter table crm.deals add colour text, add "Odd one" text; ${captureDeals}`,
  },
  'a column whose name is in the function for another reason': {
    offence: 'alter table crm.deals add platform text, add data text',
    found: ['crm.deals (data)', 'crm.deals (platform)'],
    neighbour: `alter table crm.deals add platform text, add data text; ${captureDeals}`,
  },
  'a column that is hidden without being named as such': {
    offence: 'alter table support.sessions add another_hash bytea',
    found: ['support.sessions (another_hash)'],
    neighbour: `alter table support.sessions add another_hash bytea;
      call sync.capture('support.sessions', 'session', 'support', 'r.id', 'r.customer_id', '{customer_id,status}',
        '{token_hash,another_hash}')`,
  },
  'a column that is gone': {
    offence: 'alter table crm.deals drop expected_close_on',
    found: ['crm.deals (expected_close_on)'],
    neighbour: `alter table crm.deals drop expected_close_on; ${captureDeals}`,
  },
  'a version that events do not carry': {
    offence: 'alter table support.calls add version bigint',
    found: ['support.calls (version)'],
    neighbour: `alter table support.calls add version bigint; call sync.capture('support.calls', 'call', 'support', 'r.id',
      'r.customer_id', '{customer_id}')`,
  },
});
