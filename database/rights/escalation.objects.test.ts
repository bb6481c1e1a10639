import { describe, expect, test } from 'vitest';
import { attempt, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

const apps = [
  ['foundation_app', 'foundation_role', 'crm', 'crm.deals'],
  ['support_app', 'support_role', 'support', 'support.sessions'],
] as const;

describe.each(apps)('%s and objects that it does not own', (me, mine, schema, table) => {
  const owner = (what: string) => `42501 must be owner of ${what}`;
  const customers = owner('table customers');
  const read = 'select from platform.customers';
  const changes: Record<string, [string, string]> = {
    'disable row level security': ['alter table platform.customers disable row level security', customers],
    'take the force out of row level security': [
      'alter table platform.customers no force row level security',
      customers,
    ],
    'disable row level security of its own tables': [
      `alter table ${table} disable row level security`,
      owner(`table ${table.split('.')[1]}`),
    ],
    'alter a policy': ['alter policy apps_edit on platform.customers using (true)', customers],
    'drop a policy': ['drop policy apps_edit on platform.customers', owner('relation customers')],
    'add a policy': ['create policy mine on platform.customers using (true)', customers],
    'disable a trigger': ['alter table platform.customers disable trigger all', customers],
    'drop a trigger': ['drop trigger a_complete on platform.customers', owner('relation customers')],
    'add a trigger': [
      'create trigger mine before update on platform.customers for each row execute function suppress_redundant_updates_trigger()',
      '42501 permission denied for table customers',
    ],
    'add a rule': ['create rule mine as on update to platform.customers do instead nothing', customers],
    'change a column': ['alter table platform.customers alter created_by_app drop not null', customers],
    'drop a constraint': ['alter table platform.customers drop constraint customers_email_key_canonical', customers],
    'own a table': [`alter table platform.customers owner to ${mine}`, customers],
    'drop a table': ['drop table platform.customers', customers],
    'add an index': ['create index on platform.customers (name)', customers],
    'add statistics': ['create statistics on name, email from platform.customers', customers],
    'change a comment': ['comment on table platform.customers is null', customers],
    'redefine the context view': [
      'alter view crm.customer_context set (security_invoker = true)',
      owner('view customer_context'),
    ],
    'own the context view': [`alter view crm.customer_context owner to ${mine}`, owner('view customer_context')],
    'edit the history of migrations': [
      'delete from platform.migrations',
      '42501 permission denied for table migrations',
    ],
    'edit the catalogue': ['update pg_class set relrowsecurity = false', '42501 permission denied for table pg_class'],
    'delete policies from the catalogue': ['delete from pg_policy', '42501 permission denied for table pg_policy'],
    'insert a membership into the catalogue': [
      'insert into pg_auth_members select * from pg_auth_members limit 1',
      '42501 permission denied for table pg_auth_members',
    ],
    'open what the owner will make': [
      'alter default privileges for role platform_owner grant all on tables to public',
      '42501 permission denied to change default privileges',
    ],
  };
  refuse(
    world,
    me,
    Object.fromEntries(
      Object.entries(changes).map(([name, [attack, ends]]) => [`cannot ${name}`, { attack, ends, neighbour: read }]),
    ),
  );

  const temporary = () => `42501 permission denied to create temporary tables in database "${world.database.name}"`;
  test('cannot make temporary objects, to which a definer trigger could be attached', async () => {
    const columns = 'id uuid, email_key text, crm_id bigint, support_id bigint';
    for (const attack of [
      `create temporary table mine (${columns}); create trigger t after insert on mine
        for each row execute function platform.record_known_by()`,
      `select * into temporary mine from platform.customers`,
      'create temporary view mine as select 1',
      'create temporary sequence mine',
      'create function pg_temp.lower(text) returns text language sql return $1',
      'create type pg_temp.mine as (a integer)',
    ]) {
      expect(await attempt(world[me], attack), attack).toBe(temporary());
    }
    expect(
      await attempt(world[me], 'with mine as materialized (select * from platform.customers) select from mine'),
    ).toBe('2 rows');
  });

  const places = ['public', 'platform', 'crm', 'support', 'ext'];
  test.each(places)('cannot make anything in schema %s', async (place) => {
    const denied = `42501 permission denied for schema ${place}`;
    for (const attack of [
      `create table ${place}.mine ()`,
      `create table ${place}.mine as select * from platform.customers`,
      `create view ${place}.mine as select 1`,
      `create materialized view ${place}.mine as select 1`,
      `create sequence ${place}.mine`,
      `create type ${place}.mine as (a integer)`,
      `create domain ${place}.mine as text`,
      `create function ${place}.lower(text) returns text language sql return $1`,
      `create procedure ${place}.mine() language sql begin atomic end`,
      `create operator ${place}.= (leftarg = text, rightarg = text, function = texteq)`,
      `create aggregate ${place}.mine (integer) (sfunc = int4pl, stype = integer)`,
      `create collation ${place}.mine (locale = 'C')`,
    ]) {
      expect(await attempt(world[me], attack), attack).toBe(denied);
    }
    expect(await attempt(world[me], 'select current_schemas(false)')).toBe('1 row');
  });

  test('cannot make a schema, or a table in the first schema of its search path', async () => {
    expect(await attempt(world[me], 'create schema mine')).toBe(
      `42501 permission denied for database ${world.database.name}`,
    );
    expect(await attempt(world[me], 'create table mine ()')).toBe(`42501 permission denied for schema ${schema}`);
    expect(await attempt(world[me], 'set local search_path = public; create table mine ()')).toBe(
      '3F000 no schema has been selected to create in',
    );
    expect(await attempt(world[me], 'set local search_path = pg_catalog; select from platform.customers')).toBe(
      '2 rows',
    );
  });
});
