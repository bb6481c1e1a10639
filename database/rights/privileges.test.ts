import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { withMigrator } from '../migrator.ts';
import { createTestDatabase, type TestDatabase } from '../testing.ts';
import { type Login, loginNames } from './logins.ts';
import { compareMatrices, formatMatrix, type Matrix, parseMatrix, readPrivileges } from './matrix.ts';
import { observePrivileges } from './privileges.ts';
import { customerColumnNames } from './testing.escalation.ts';

const hint =
  'The logins may do something else than database/privileges.txt says. If that is meant: npm run schema, and commit it.';

let database: TestDatabase;
let committed: Matrix;
const clients = new Map<Login, pg.Client>();
beforeAll(async () => {
  database = await createTestDatabase();
  for (const login of loginNames) clients.set(login, await database.connect(login));
  committed = await readPrivileges();
});

const observe = () => observePrivileges(async (login) => clients.get(login) as pg.Client);
const asOwner = (sql: string) => withMigrator(database.url('platform_migrator'), (client) => client.query(sql));

describe('the committed matrix', () => {
  test('agrees with the design', () => {
    const mayUpdate = (login: Login) =>
      [...committed].flatMap(([row, cells]) =>
        row.startsWith('table platform.customers\n') && cells[loginNames.indexOf(login)]?.includes('U')
          ? [row.split('\n')[1]]
          : [],
      );
    const identity = ['email', 'email_key', 'name', 'phone', 'phone_key', 'phone_extension', 'company_id'];
    expect(mayUpdate('foundation_app')).toEqual([...identity, 'crm_id', 'account_tier', 'account_manager_id']);
    expect(mayUpdate('support_app')).toEqual([...identity, 'support_id', 'preferred_language', 'timezone']);
    expect(mayUpdate('console_app')).toEqual(identity);
    for (const login of ['platform_migrator', 'sync_app', 'privacy_app', 'observer_app', 'simulator_app'] as const)
      expect(mayUpdate(login)).toEqual([]);
    // Its tables have no row security, because COPY is refused under it.
    for (const [row, cells] of committed)
      if (/ staging(\.|$)/.test(row.split('\n')[0] as string))
        for (const [place, login] of loginNames.entries())
          if (login !== 'sync_app')
            // It vacuums them after an erasure.
            expect(cells[place], `${login}: ${row}`).toMatch(login === 'privacy_app' ? /^[UM]?$/ : /^$/);
  });
});

test('no login may update a column that a trigger fills in, but for those that the trigger completes or compares', async () => {
  const { rows } = await (clients.get('platform_migrator') as pg.Client).query<{ col: string }>(String.raw`
    select distinct format('%s.%I', c.oid::regclass, a.attname) as col
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_class c on c.oid = t.tgrelid
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where not t.tgisinternal and t.tgtype & 2 = 2 and t.tgtype & 16 = 16
      and p.prosrc ~ ('new\.' || a.attname || '\s*:=|\minto\M\s+(new\.\w+\s*,\s*)*new\.' || a.attname || '\M')`);
  const filled = rows.map(({ col }) => col);
  expect(filled).toContain('crm.deals.closed_at');
  const mayBeUpdated = [...committed].flatMap(([row, cells]) => {
    const [table, column] = row.split('\n');
    return column && cells.some((cell) => cell.includes('U')) ? [`${table?.replace('table ', '')}.${column}`] : [];
  });
  expect(filled.filter((column) => mayBeUpdated.includes(column)).sort()).toEqual([
    'crm.contacts.phone_extension', // TypeScript makes these, and the database compares them with the number
    'crm.contacts.phone_key',
    'crm.deals.stage_id', // stage and status follow each other
    'crm.deals.status',
    'platform.customers.crm_id', // given to a new customer; an app adopts a customer of another app
    'platform.customers.email_key',
    'platform.customers.phone', // an erasure takes the numbers away
    'platform.customers.phone_extension',
    'platform.customers.phone_key',
    'platform.customers.support_id',
    'support.sessions.agent_id', // a reader's that is open again waits for the team
  ]);
});

describe('the matrix shows a change of rights', () => {
  const changes: [name: string, change: string, undo: string, told: string[]][] = [
    [
      'an additional column',
      'grant update (account_tier) on platform.customers to support_role',
      'revoke update (account_tier) on platform.customers from support_role',
      ['support_app now may update account_tier of table platform.customers'],
    ],
    [
      'a column that lost a grant',
      'revoke update (timezone) on platform.customers from support_role',
      'grant update (timezone) on platform.customers to support_role',
      ['support_app no longer may update timezone of table platform.customers'],
    ],
    [
      'grants on a whole table',
      'grant delete, truncate, trigger, maintain on platform.companies to foundation_role',
      'revoke delete, truncate, trigger, maintain on platform.companies from foundation_role',
      ['delete', 'truncate', 'trigger', 'maintain'].map(
        (verb) => `foundation_app now may ${verb} table platform.companies`,
      ),
    ],
    [
      'a whole table that lost a grant',
      'revoke delete on crm.custom_field_values from foundation_role',
      'grant delete on crm.custom_field_values to foundation_role',
      ['foundation_app no longer may delete table crm.custom_field_values'],
    ],
    [
      'a schema that PUBLIC may use',
      'grant usage on schema support to public',
      'revoke usage on schema support from public',
      ['platform_migrator', 'foundation_app', 'console_app', 'sync_app', 'observer_app', 'simulator_app'].map(
        (login) => `${login} now may usage schema support`,
      ),
    ],
    [
      'a schema in which a login may create objects',
      'grant create on schema crm to foundation_role',
      'revoke create on schema crm from foundation_role',
      ['foundation_app now may create schema crm'],
    ],
    [
      'a sequence',
      'grant update, select on sequence support.customer_number to support_role',
      'revoke update, select on sequence support.customer_number from support_role',
      ['select', 'update'].map((verb) => `support_app now may ${verb} sequence support.customer_number`),
    ],
    [
      'a function',
      'grant execute on function platform.record_known_by() to support_role',
      'revoke execute on function platform.record_known_by() from support_role',
      ['support_app now may execute function platform.record_known_by()'],
    ],
    [
      'a procedure',
      'grant execute on procedure platform.protect_table(regclass) to foundation_role',
      'revoke execute on procedure platform.protect_table(regclass) from foundation_role',
      ['foundation_app now may execute procedure platform.protect_table(regclass)'],
    ],
    [
      'a view that lost a grant',
      'revoke select on crm.customer_context from support_role',
      'grant select on crm.customer_context to support_role',
      [
        ...customerColumnNames,
        'account_manager_name',
        'open_deals',
        'open_deals_value',
        'last_activity_type',
        'last_activity_at',
        'last_activity_app',
        'deals_of_others',
      ].map((column) => `support_app no longer may select ${column} of view crm.customer_context`),
    ],
    [
      'a new table',
      'create table crm.added (n integer); grant insert (n) on crm.added to foundation_role',
      'drop table crm.added',
      ['new: table crm.added', 'new: table crm.added n', 'foundation_app now may insert n of table crm.added'],
    ],
  ];

  // All changes are made at once, because trying every statement as every login is what takes time.
  let observed: string[];
  let afterwards: Matrix;
  beforeAll(async () => {
    const admin = await database.connect('aether_admin');
    const onDatabase = `temporary, create on database ${database.name}`;
    await admin.query(`grant ${onDatabase} to support_role`);
    await asOwner('alter table crm.contacts rename to people');
    for (const [, change] of changes) await asOwner(change);
    observed = compareMatrices(committed, await observe());
    for (const [, , undo] of changes.toReversed()) await asOwner(undo);
    await asOwner('alter table crm.people rename to contacts');
    await admin.query(`revoke ${onDatabase} from support_role`);
    afterwards = await observe();
  });
  const ofDatabase = ['support_app now may create database', 'support_app now may temporary database'];
  const isOfRenamed = (line: string) => /table crm\.(contacts|people)\b/.test(line);

  test.each(changes)('%s', (_name, _change, _undo, told) => {
    expect(observed.filter((line) => told.includes(line))).toEqual(told);
  });

  test('temporary tables, and schemas', () => {
    expect(observed.filter((line) => line.endsWith(' database'))).toEqual(ofDatabase);
  });

  test('a table that is gone', () => {
    expect(observed).toEqual(
      expect.arrayContaining([
        'gone: table crm.contacts',
        'new: table crm.people',
        'foundation_app no longer may select name of table crm.contacts',
      ]),
    );
  });

  test('nothing else', () => {
    const expected = [...changes.flatMap(([, , , told]) => told), ...ofDatabase];
    expect(observed.filter((line) => !isOfRenamed(line)).toSorted()).toEqual(expected.sort());
  });

  test('no difference after all of them are undone: the committed matrix is what every login may do', () => {
    expect(compareMatrices(committed, afterwards), hint).toEqual([]);
    expect(formatMatrix(afterwards), hint).toBe(formatMatrix(committed));
  });
});

describe('the text of the matrix', () => {
  test('gives the same matrix when it is read, with either kind of line ends', () => {
    const text = formatMatrix(committed);
    expect(parseMatrix(text)).toEqual(committed);
    expect(parseMatrix(text.replaceAll('\n', '\r\n'))).toEqual(committed);
    expect(parseMatrix(text.replace('SIU', 'SI'))).not.toEqual(committed);
  });
});
