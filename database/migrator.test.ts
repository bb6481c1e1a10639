import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { bootstrap } from './bootstrap.ts';
import { MigrationHistoryError, readMigrations } from './migrationfiles.ts';
import { migrate, migrationState } from './migrator.ts';
import { compareSnapshot } from './snapshot.ts';
import { until } from './testing.scope.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let superuser: pg.Client;
let folder: string;
const folders: string[] = [];

const bootstrapped = async () => {
  const made = await createTestDatabase({ template: 'template0' });
  await bootstrap(inject('aetherServer').adminUrl, { database: made.name, passwords: {} });
  return made;
};
beforeAll(async () => {
  database = await bootstrapped();
  superuser = await database.connect('postgres');
});
// The tests put everything into one schema, and removing that costs a tenth of a new database.
beforeEach(async () => {
  await superuser.query(`rollback; reset role; select pg_advisory_unlock_all();
    select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();
    drop schema if exists platform cascade`);
  folder = await mkdtemp(join(tmpdir(), 'aether-migrations-'));
  folders.push(folder);
});
afterAll(() => Promise.all(folders.map((each) => rm(each, { recursive: true }))));

const write = (file: string, sql: string) => writeFile(join(folder, file), sql);
const limits = { lockMs: 300, pauseMs: 100, tellAfterMs: 300 };
const run = (onProgress?: (line: string) => void) =>
  migrate(database.url('platform_migrator'), { folder, onProgress, limits });
const history = async () =>
  (await superuser.query('select number, name from platform.migrations order by number')).rows.map(
    (row) => `${row.number} ${row.name}`,
  );
const count = async (sql: string) => Number((await superuser.query(sql)).rows[0].count);

/** The process id of the migrator once it waits for a lock. */
const waitForBlocked = (): Promise<number> =>
  until(async () => {
    const { rows } = await superuser.query(
      `select pid from pg_stat_activity where datname = current_database() and usename = 'platform_migrator' and wait_event_type = 'Lock'`,
    );
    return rows[0]?.pid;
  });

describe('a fresh database', () => {
  // The set-up of the tests has migrated what each database is a copy of, and the test of `aether migrate up` migrates another one: each takes two seconds.
  test('has got the real migrations once, and is as database/schema.sql says; a second run finds nothing to do', async () => {
    const url = (await createTestDatabase()).url('platform_migrator');
    expect(await compareSnapshot(url)).toBeUndefined();
    expect(await migrate(url)).toEqual([]);
    const state = await migrationState(url);
    expect(state.applied.map((migration) => migration.number)).toEqual(
      (await readMigrations()).map((migration) => migration.number),
    );
    expect(state.pending).toEqual([]);
  });

  test('is not changed by a request for its state', async () => {
    await write('0001_first.sql', 'create table platform.first ()');
    const { applied, pending } = await migrationState(database.url('platform_migrator'), { folder });
    expect(applied).toEqual([]);
    expect(pending.map((migration) => migration.file)).toEqual(['0001_first.sql']);
    expect(await count(`select count(*) from pg_namespace where nspname = 'platform'`)).toBe(0);
  });
});

describe('migrators that run at once', () => {
  test('apply each migration once', async () => {
    await write('0001_first.sql', 'create table platform.first ()');
    await write('0002_second.sql', 'create table platform.second ()');
    const applied = (await Promise.all([run(), run()])).flat();
    expect(applied.map((migration) => migration.number).sort()).toEqual([1, 2]);
    expect(await history()).toEqual(['1 first', '2 second']);
  });

  test('take turns, and the one that waits names the session', async () => {
    await write('0001_first.sql', 'create table platform.first ()');
    const holder = await database.connect('support_app');
    await holder.query(`select pg_advisory_lock(hashtext('aether migrations'))`);
    const { promise: told, resolve } = Promise.withResolvers<string>();
    const applied = run(resolve);
    expect(await told).toMatch(/^waiting for support_app \(process \d+\), which holds the lock/);
    await holder.query('select pg_advisory_unlock_all()');
    expect(await applied).toHaveLength(1);
  });
});

describe('a migrator that is killed', () => {
  const tables = ['a', 'b', 'c', 'd'];

  // The locked table decides at which statement the migrator is killed.
  test.each(tables)('at the statement that changes table %s leaves no part of that migration', async (locked) => {
    await write('0001_tables.sql', tables.map((name) => `create table platform.${name} (n integer);`).join('\n'));
    await run();
    const changes = tables.map(
      (name) => `insert into platform.${name} values (1);\nalter table platform.${name} add more text;`,
    );
    await write('0002_changes.sql', changes.join('\n'));
    await write('0003_last.sql', 'create table platform.last ()');

    const holder = await database.connect('postgres');
    await holder.query(`begin; lock table platform.${locked} in access share mode`);
    const killed = run();
    killed.catch(() => {}); // awaited below, when it has failed
    const pid = await waitForBlocked();
    await superuser.query('select pg_terminate_backend($1)', [pid]);
    await expect(killed).rejects.toThrow(/^0002_changes\.sql: .*run it again/);
    await holder.query('rollback');

    expect(await history()).toEqual(['1 tables']);
    for (const name of tables) expect(await count(`select count(*) from platform.${name}`)).toBe(0);
    expect(await count(`select count(*) from information_schema.columns where column_name = 'more'`)).toBe(0);

    expect((await run()).map((migration) => migration.number)).toEqual([2, 3]);
    for (const name of tables)
      expect(await count(`select count(more) + count(*) as count from platform.${name}`)).toBe(1);
  });

  test('before it wrote the history leaves no part of that migration', async () => {
    await write('0001_first.sql', 'create table platform.first ()');
    await run();
    await write('0002_second.sql', 'create table platform.second ()');
    const holder = await database.connect('postgres');
    await holder.query('begin; lock table platform.migrations in share mode');
    const killed = run();
    killed.catch(() => {});
    await superuser.query('select pg_terminate_backend($1)', [await waitForBlocked()]);
    await expect(killed).rejects.toThrow(/^0002_second\.sql: /);
    await holder.query('rollback');
    expect(await count(`select count(*) from pg_class where relname = 'second'`)).toBe(0);
    expect(await run()).toHaveLength(1);
  });

  test('while it waits for its turn disturbs no other session', async () => {
    await write('0001_first.sql', 'create table platform.first ()');
    await superuser.query(`select pg_advisory_lock(hashtext('aether migrations'))`);
    const { promise: isWaiting, resolve } = Promise.withResolvers<string>();
    const killed = run(resolve);
    killed.catch(() => {});
    await isWaiting;
    await superuser.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and usename = 'platform_migrator'`);
    await expect(killed).rejects.toThrow(/terminat|connection error/);
    await superuser.query(`select pg_advisory_unlock_all()`);
    expect(await run()).toHaveLength(1);
  });
});

describe('a table in use', () => {
  test('stops no other session: the migration gives up its lock, names the holder, and tries again', async () => {
    await write(
      '0001_first.sql',
      'create table platform.first (n integer); grant select on platform.first to support_role',
    );
    await superuser.query(
      `create schema platform authorization platform_owner; grant usage on schema platform to support_role`,
    );
    await run();
    await write('0002_more.sql', 'alter table platform.first add more integer');
    const forgotten = await database.connect('support_app');
    await forgotten.query('begin; select from platform.first');
    const { promise: told, resolve } = Promise.withResolvers<string>();
    const applied = run(resolve);
    expect(await told).toMatch(
      /^0002_more\.sql waits for a table in use; open transactions: support_app \(process \d+\)$/,
    );
    const other = await database.connect('support_app');
    await other.query(`set lock_timeout = '1500ms'; select from platform.first`); // must not wait for it
    expect(await history()).toEqual(['1 first']);
    await forgotten.query('rollback');
    expect(await applied).toHaveLength(1);
  });
});

describe('each migration begins with the same settings', () => {
  test.each([
    [
      'a search path',
      'set search_path = crm',
      `do $$ begin assert current_setting('search_path') = 'pg_catalog, pg_temp'; end $$`,
    ],
    ['a limit', `set statement_timeout = '1ms'`, 'do $$ begin perform pg_sleep(0.05); end $$'],
  ])('%s that one sets is not what the next one stands on', async (_, sets, stands) => {
    await write('0001_sets.sql', sets);
    await write('0002_stands.sql', stands);
    expect(await run()).toHaveLength(2);
  });
});

describe('history', () => {
  beforeEach(async () => {
    await write('0001_first.sql', 'create table platform.first ();\n');
    await write('0002_second.sql', 'create table platform.second ();\n');
    await run();
  });

  test('an edited migration is refused by name', async () => {
    await write('0002_second.sql', 'create table platform.other ();\n');
    await expect(run()).rejects.toThrow(
      new MigrationHistoryError(
        'Migration 2 (second) was edited after it ran. Restore the file, and put the change into a new migration.',
      ),
    );
  });

  test('a renamed migration is refused', async () => {
    await rm(join(folder, '0002_second.sql'));
    await write('0002_renamed.sql', 'create table platform.second ();\n');
    await expect(run()).rejects.toThrow(MigrationHistoryError);
  });

  test('files older than the database run on it, unless a migration breaks their version', async () => {
    await rm(join(folder, '0002_second.sql'));
    // After the code was rolled back: the older version runs on, unless a migration says that it breaks it.
    expect(await run()).toEqual([]);
    expect((await migrationState(database.url('platform_migrator'), { folder })).newer).toMatchObject([
      { number: 2, name: 'second' },
    ]);
    await superuser.query('update platform.migrations set breaks_apps_below = 2 where number = 2');
    await expect(run()).rejects.toThrow(
      /has migration 2 \(second\), which these files lack and which breaks apps of this version/,
    );
  });

  test('a history with a hole is refused, and nothing runs twice', async () => {
    await superuser.query('delete from platform.migrations where number = 1');
    await expect(run()).rejects.toThrow(/lacks migration 1/);
  });

  test('other line ends do not count as an edit', async () => {
    await write('0002_second.sql', 'create table platform.second ();\r\n');
    expect(await run()).toEqual([]);
  });

  test('a byte order mark does not count as an edit', async () => {
    await write('0002_second.sql', '\uFEFFcreate table platform.second ();\n');
    expect(await run()).toEqual([]);
  });
});

describe('files', () => {
  test.each([
    ['a gap', '0003_late.sql'],
    ['a number taken twice', '0001_again.sql'],
    ['a number too short', '2_short.sql'],
    ['a capital letter', '0002_Late.sql'],
    ['a capital ending', '0002_late.SQL'],
  ])('%s in the names is refused', async (_, file) => {
    await write('0001_first.sql', 'select');
    await write(file, 'select');
    await expect(readMigrations(folder)).rejects.toThrow(/must be named 000[12]_<name>\.sql/);
    await expect(run()).rejects.toThrow(MigrationHistoryError);
  });

  test.each([
    'begin;',
    'COMMIT;',
    'create table platform.half (); commit;',
    '/* x */ commit;',
    'commit -- x\n;',
    'commit and chain;',
    'end;',
    'abort;',
    '  rollback ;',
    'start transaction;',
    `prepare transaction 'x';`,
    'do $$ begin commit; end $$;',
  ])('a migration that says %j is refused, and nothing of it is applied', async (statement) => {
    await write('0001_first.sql', `create table platform.first ();\n${statement}\nselect 1;`);
    await expect(run()).rejects.toThrow(/^0001_first\.sql.* Nothing of it was applied\.$/);
    expect(await history()).toEqual([]);
    expect(await count(`select count(*) from pg_class where relname in ('first', 'half')`)).toBe(0);
  });

  test('words such as begin and commit in the body of a function do not count as transaction control', async () => {
    const begins = `create function platform.f() returns integer language sql begin atomic; select 1; end;`;
    await write('0001_first.sql', `${begins}\ndo $$ begin perform platform.f(); end $$;`);
    expect(await run()).toHaveLength(1);
  });

  test('a failing migration names file and line, and nothing of it or after it is applied', async () => {
    await write('0001_first.sql', 'create table platform.first ();');
    await write('0002_second.sql', 'create table platform.second ();\n\nselect nonsense;');
    await write('0003_third.sql', 'create table platform.third ();');
    await expect(run()).rejects.toThrow(
      '0002_second.sql:3: column "nonsense" does not exist. Nothing of it was applied.',
    );
    expect(await history()).toEqual(['1 first']);
    expect(await count(`select count(*) from pg_class where relname in ('second', 'third')`)).toBe(0);
  });
});

describe('outside of a transaction', () => {
  const alone = '-- aether: no-transaction\n';
  const create = `${alone}create index concurrently if not exists first_by_n on platform.first (n);\n`;
  const indexes = async () =>
    (
      await superuser.query(`select c.relname as name, i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = 'platform.first'::regclass order by 1`)
    ).rows;
  beforeEach(async () => {
    await write('0001_first.sql', 'create table platform.first (n integer)');
    await run();
  });

  test('an index is made while readers and writers go on, and the history lists it once', async () => {
    await write('0002_index.sql', create);
    expect(await run()).toHaveLength(1);
    expect(await indexes()).toEqual([{ name: 'first_by_n', valid: true }]);
    expect(await history()).toEqual(['1 first', '2 index']);
    expect(await run()).toEqual([]);
  });

  test('in a transaction the same statement is refused', async () => {
    await write('0002_index.sql', create.replace(alone, ''));
    await expect(run()).rejects.toThrow(/cannot (run inside a transaction block|be executed from a function)/);
  });

  test('the next migrator drops the unfinished index of a killed one, and makes it', async () => {
    const reader = await database.connect('postgres');
    await reader.query('begin; select from platform.first');
    await write('0002_index.sql', create);
    await superuser.query('insert into platform.first values (1)');
    const writer = await database.connect('postgres');
    await writer.query('begin; insert into platform.first values (2)');
    const killed = run();
    killed.catch(() => {});
    const pid = await waitForBlocked();
    await superuser.query('select pg_terminate_backend($1)', [pid]);
    await expect(killed).rejects.toThrow(/^0002_index\.sql: .*run it again/);
    await writer.query('rollback');
    await reader.query('rollback');
    expect(await indexes()).toEqual([{ name: 'first_by_n', valid: false }]);
    const told: string[] = [];
    expect(await run((line) => told.push(line))).toHaveLength(1);
    expect(told[0]).toMatch(/^0002_index\.sql: platform\.first_by_n was left unfinished .* made again$/);
    expect(await indexes()).toEqual([{ name: 'first_by_n', valid: true }]);
  });

  test('a migrator that was killed before it wrote the history runs the statement again', async () => {
    await write('0002_index.sql', create);
    await superuser.query('set role platform_owner; create index first_by_n on platform.first (n); reset role');
    expect(await run()).toHaveLength(1);
    expect(await indexes()).toEqual([{ name: 'first_by_n', valid: true }]);
  });

  test('a statement that waits names the holder and its own locks, and stops no reader and no writer', async () => {
    await write('0002_index.sql', create);
    const forgotten = await database.connect('postgres');
    await forgotten.query('begin; insert into platform.first values (1)');
    const told: string[] = [];
    const { promise: waits, resolve } = Promise.withResolvers<string>();
    const applied = run((line) => {
      told.push(line);
      resolve(line);
    });
    expect(await waits).toMatch(/^0002_index\.sql waits until these transactions end: postgres \(process \d+\)$/);
    await superuser.query('insert into platform.first values (2)');
    await forgotten.query('commit');
    expect(await applied).toHaveLength(1);
    expect(told.at(-1)).toMatch(
      /^migration 2 index: \d+ ms, locked platform\.first \(share update exclusive: reads and writes go on\)$/,
    );
  });

  test('the index does not wait for another migrator that waits for its turn', async () => {
    await write('0002_index.sql', create);
    const forgotten = await database.connect('postgres');
    await forgotten.query('begin; insert into platform.first values (1)');
    const first = run();
    await waitForBlocked();
    const { promise: isWaiting, resolve } = Promise.withResolvers<string>();
    const second = run(resolve);
    await isWaiting;
    await forgotten.query('commit');
    expect((await Promise.all([first, second])).map((applied) => applied.length)).toEqual([1, 0]);
  });

  test.each([
    ['two statements', 'select 1; select 2', /one statement/],
    ['a statement that begins a transaction', 'begin', /began a transaction/],
    ['an index that cannot be repeated', 'create index concurrently x on platform.first (n)', /if not exists/],
    ['an index that stops writers', 'create index if not exists x on platform.first (n)', /concurrently/],
    ['a removal that cannot be repeated', 'drop index concurrently x', /if exists/],
    [
      'an index of a block that cannot be repeated',
      'do $$ begin create index x on platform.first (n); end $$',
      /if not exists/,
    ],
  ])('%s is refused, and the history stays', async (_, sql, message) => {
    await write('0002_bad.sql', `${alone}${sql}`);
    await expect(run()).rejects.toThrow(message);
    expect(await history()).toEqual(['1 first']);
  });
});

describe('the head of a file', () => {
  test.each([
    ['an unknown mark', '-- aether: no-transactions', /"-- aether: no-transactions" is unknown/],
    ['a mark for apps that are still to come', '-- aether: breaks-apps-below 2', /from 1 to 1/],
    ['a mark without a number', '-- aether: breaks-apps-below', /is unknown/],
  ])('with %s is refused', async (_, line, message) => {
    await write('0001_first.sql', `${line}\nselect 1`);
    await expect(run()).rejects.toThrow(message);
    await expect(run()).rejects.toThrow(MigrationHistoryError);
  });

  test('declares that older apps break, and the history keeps it', async () => {
    await write('0001_first.sql', '-- A change.\n-- aether: breaks-apps-below 1\nselect 1');
    const told: string[] = [];
    await run((line) => told.push(line));
    expect(told.at(-1)).toMatch(/breaks apps made for less than migration 1$/);
    const { rows } = await superuser.query('select breaks_apps_below from platform.migrations');
    expect(rows).toEqual([{ breaks_apps_below: 1 }]);
  });
});

describe('what a migration locks', () => {
  test('is reported and recorded: every table that existed before, with its strongest lock', async () => {
    await write('0001_first.sql', 'create table platform.first (n integer); create table platform.other (n integer)');
    const told: string[] = [];
    await run((line) => told.push(line));
    expect(told.at(-1)).toMatch(/^migration 1 first: \d+ ms$/); // no session can wait for a new table
    await write(
      '0002_more.sql',
      'alter table platform.first add more integer; insert into platform.other values (1); create table platform.new ()',
    );
    await run((line) => told.push(line));
    const locks = [
      'platform.first (access exclusive: no reads, no writes)',
      'platform.other (row exclusive: reads and writes go on, but for changed rows)',
    ];
    expect(told.at(-1)).toMatch(/^migration 2 more: \d+ ms, locked /);
    expect(told.at(-1)).toContain(locks.join('; '));
    const { applied } = await migrationState(database.url('platform_migrator'), { folder });
    expect(applied.map((past) => past.locks)).toEqual([[], locks]);
  });
});

describe('the login of a migrator', () => {
  test('creates objects that belong to platform_owner', async () => {
    await write('0001_first.sql', 'create table platform.first ()');
    await run();
    const { rows } = await superuser.query(
      `select pg_get_userbyid(relowner) as owner from pg_class where oid = 'platform.first'::regclass`,
    );
    expect(rows[0].owner).toBe('platform_owner');
  });

  test('cannot be a superuser', async () => {
    await expect(migrate(database.url('postgres'), { folder })).rejects.toThrow(/never run as a superuser/);
  });

  test.each(['foundation_app', 'support_app', 'privacy_app', 'aether_admin'] as const)(
    '%s is refused',
    async (login) => {
      await expect(migrate(database.url(login), { folder })).rejects.toThrow(/may not act as platform_owner/);
    },
  );

  test('gets an error that names the database if that was not bootstrapped', async () => {
    const bare = await createTestDatabase({ template: 'template0' });
    const name = new URL(bare.url('platform_migrator')).pathname.slice(1);
    await superuser.query(`revoke all on database ${name} from platform_owner`);
    for (const ask of [migrate, migrationState])
      await expect(ask(bare.url('platform_migrator'), { folder })).rejects.toThrow(`bootstrap --database ${name}`);
  });

  test('finds the history protected like every table', async () => {
    await write('0001_first.sql', 'select');
    await run();
    const { rows } = await superuser.query(
      `select relrowsecurity and relforcerowsecurity as forced from pg_class where oid = 'platform.migrations'::regclass`,
    );
    expect(rows[0].forced).toBe(true);
  });
});
