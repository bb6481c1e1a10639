import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LocalServer, type Login, loginNames } from '@aether/database';
import { newTestFolder } from '@aether/database/testing.folder';
import { startMigrated } from '@aether/database/testing.local';
import { startReplica } from '@aether/database/testing.replica';
import { testCertificate } from '@aether/database/testing.tls';
import { startTestPooler } from '@aether/platform/testing.pooler';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aetherHere, newHome } from '../testing.ts';
import { type Addresses, type DoctorOptions, examine } from './doctor.ts';
import type { Finding } from './findings.ts';
import { judgeMemory } from './server.ts';

/*
 * One server that is as it should be. Each test breaks one thing, and finds it; every other test, which finds that thing well, is its
 * healthy case, and the first test is that of all.
 */
let local: LocalServer;
let folder: string;
let superuser: pg.Client;
let admin: pg.Client;
let addresses: Required<Addresses>;
beforeAll(async () => {
  folder = await newTestFolder('doctor');
  local = await startMigrated({
    folder,
    database: 'platform',
    settings: {
      max_connections: '200',
      scram_iterations: '1',
      shared_buffers: '32MB',
      shared_preload_libraries: 'plpgsql,pg_trgm',
    },
  });
  const open = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  };
  superuser = await open(local.server.superuserUrl('platform'));
  admin = await open(Object.assign(new URL(local.adminUrl), { pathname: '/platform' }).href);
  addresses = Object.fromEntries(loginNames.map((login) => [login, local.urlOf(login)])) as Required<Addresses>;
}, 60_000);
afterAll(async () => {
  await Promise.all([superuser.end(), admin.end()]);
  await local.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
});

/** What is not well, in lines: `state check of: found`. */
async function complaints(given: Addresses = addresses, options: DoctorOptions = {}): Promise<string[]> {
  const findings = await examine(given, options);
  return findings.filter(({ state }) => state === 'wrong' || state === 'warning').map(toLine);
}
const toLine = ({ state, check, logins, found }: Finding) => `${state} ${check} ${logins.join(',')}: ${found}`;

/** Breaks something, looks, and mends it whatever was found. */
async function whileBroken(
  broken: string,
  mended: string,
  { by = superuser, given = addresses }: { by?: pg.Client; given?: Addresses } = {},
): Promise<string[]> {
  await by.query(broken);
  try {
    return await complaints(given);
  } finally {
    await by.query(mended);
  }
}
/** The same, by settings of the server that need no new start. */
async function whileSet(settings: Record<string, string>, given: Addresses): Promise<string[]> {
  const names = Object.keys(settings);
  const read = async () => {
    // A new connection has the settings once the server has read its files again.
    const client = new pg.Client({ connectionString: local.server.superuserUrl('platform') });
    await client.connect();
    const { rows } = await client.query('select current_setting(name, true) as value from unnest($1::text[]) name', [
      names,
    ]);
    await client.end();
    return rows.map(({ value }) => value).join();
  };
  const before = await read();
  const apply = async (action: (name: string) => string, expected: string) => {
    for (const name of names) await superuser.query(`alter system ${action(name)}`);
    await superuser.query('select pg_reload_conf()');
    await expect.poll(read).toBe(expected);
  };
  await apply((name) => `set ${name} = '${settings[name]}'`, Object.values(settings).join());
  try {
    return await complaints(given);
  } finally {
    await apply((name) => `reset ${name}`, before);
  }
}
const only = (...logins: Login[]): Addresses =>
  Object.fromEntries(logins.map((login) => [login, addresses[login]])) as Addresses;

test('a server as bootstrap and the migrations leave it lacks nothing, whichever login is tried', async () => {
  const findings = await examine(addresses);
  expect(findings.filter(({ state }) => state !== 'ok').map(toLine)).toEqual([]);
  const checks =
    'version writable clock letters collations extension durability memory autovacuum slots connections migrations schema';
  const ofLogins = 'login tls pooler rights settings log';
  expect(new Set(findings.map(({ check }) => check))).toEqual(new Set(`${checks} ${ofLogins}`.split(' ')));
  expect(findings.find(({ check }) => check === 'rights')?.logins).toEqual(loginNames);
  const few = await examine(only('support_app'));
  expect(few.filter(({ state }) => state === 'wrong')).toEqual([]);
  expect(few.find(({ check, state }) => check === 'login' && state === 'untried')?.logins).toHaveLength(
    loginNames.length - 1,
  );
});

describe('a login', () => {
  const changed = (change: Partial<URL>) => Object.assign(new URL(addresses.support_app), change).href;
  test.each([
    ['a wrong password', () => changed({ password: 'wrong' }), /is refused/],
    ['another database', () => changed({ pathname: '/nowhere' }), /has no database nowhere/],
    ['a port where nobody answers', () => changed({ port: '1' }), /no answer \(ECONNREFUSED\)/],
    ['the address of another login', () => addresses.console_app, /the address is that of console_app/],
    ['TLS that the server lacks', () => changed({ search: '?sslmode=require' }), /offers no TLS/],
  ])('with %s is said to be so', async (_, address, words) => {
    const found = await complaints({ support_app: address() });
    expect(found).toEqual([expect.stringMatching(/^wrong login support_app: /)]);
    expect(found[0]).toMatch(words);
  });

  test('that may not connect, or has too few connections, is said to be so', async () => {
    expect(
      await whileBroken(
        'revoke connect on database platform from app_role',
        'grant connect on database platform to app_role',
        { given: only('support_app') },
      ),
    ).toEqual([expect.stringMatching(/^wrong login support_app: permission denied for database/)]);
    expect(
      await whileBroken('alter role support_app connection limit 1', 'alter role support_app connection limit 100', {
        given: only('support_app'),
      }),
    ).toEqual([expect.stringMatching(/^wrong login support_app: .*too many connections/)]);
    expect(
      await whileBroken('alter role support_app connection limit 20', 'alter role support_app connection limit 100', {
        given: only('support_app'),
      }),
    ).toEqual([
      expect.stringMatching(/^warning connections support_app: may have 20 connections, and needs 28 during an update/),
    ]);
  });

  test('without its role, and one with more than its role, is said to be so', async () => {
    expect(
      await whileBroken(
        'revoke support_role from support_app',
        'grant support_role to support_app with inherit true, set false',
        { by: admin, given: only('foundation_app') },
      ),
    ).toEqual([]);
    const without = await whileBroken(
      'revoke support_role from support_app; grant connect on database platform to support_app',
      'grant support_role to support_app with inherit true, set false; revoke connect on database platform from support_app',
      { by: admin, given: only('support_app') },
    );
    expect(without).toContainEqual(
      expect.stringMatching(/^wrong role support_app: does not have the role support_role/),
    );
    expect(
      await whileBroken('alter role support_app bypassrls', 'alter role support_app nobypassrls', {
        given: only('support_app', 'foundation_app'),
      }),
    ).toEqual([expect.stringMatching(/^wrong rights support_app: .*support_app is above row level security/)]);
  });

  test('that lacks privileges is told which, and the schema is said to differ', async () => {
    const found = await whileBroken(
      'revoke update (name) on platform.customers from app_role; revoke usage on schema support from support_role',
      'grant update (name) on platform.customers to app_role; grant usage on schema support to support_role',
      { given: only('platform_migrator', 'foundation_app', 'support_app', 'sync_app') },
    );
    expect(found).toContainEqual(
      expect.stringMatching(
        /^wrong rights support_app: lacks 2 privileges: update name of table platform.customers; usage schema support$/,
      ),
    );
    expect(found).toContainEqual(
      expect.stringMatching(
        /^wrong rights foundation_app: lacks 1 privileges: update name of table platform.customers$/,
      ),
    );
    expect(found).toContainEqual(expect.stringMatching(/^wrong schema platform_migrator: somebody has changed it/));
    expect(found.filter((line) => line.includes('sync_app'))).toEqual([]);
  });

  test('without its search_path and limits of time is said to be so', async () => {
    expect(
      await whileBroken(
        `alter role support_app in database platform reset search_path; alter role support_app reset lock_timeout`,
        `alter role support_app in database platform set search_path = support, platform; alter role support_app set lock_timeout = '5s'`,
        { by: admin, given: only('support_app') },
      ),
    ).toEqual([
      expect.stringMatching(/^warning settings support_app: its search_path is "\$user", public/),
      expect.stringMatching(/^warning settings support_app: has no limit of lock_timeout/),
    ]);
  });

  test('whose statements a server may compile is said to be so', async () => {
    expect(
      await whileBroken(
        'alter role support_app reset jit; alter role sync_app reset jit',
        `alter role support_app set jit = 'off'; alter role sync_app set jit = 'off'`,
        { by: admin, given: only('support_app', 'sync_app', 'console_app') },
      ),
    ).toEqual([expect.stringMatching(/^warning settings support_app,sync_app: has its statements compiled/)]);
  });
});

describe('the way to the server', () => {
  test('through a transaction pooler is well for an app, which is told its settings, and wrong for all others', async () => {
    const poolers = await Promise.all([
      startTestPooler(addresses.support_app),
      startTestPooler(addresses.sync_app),
      startTestPooler(addresses.sync_app, 3, 'session'),
      startTestPooler(addresses.platform_migrator),
    ]);
    const [ofApp, ofWorker, ofSessions, ofMigrator] = poolers.map(({ url }) => url);
    try {
      const findings = await examine({ support_app: ofApp as string });
      expect(findings.filter(({ state }) => state === 'wrong' || state === 'warning')).toEqual([]);
      expect(findings.find(({ check }) => check === 'pooler')?.found).toMatch(/needs PLATFORM_DB_POOLER=transaction/);
      expect(await complaints({ sync_app: ofWorker as string })).toEqual([
        expect.stringMatching(/^wrong pooler sync_app: .*for a transaction at a time/),
      ]);
      expect(await complaints({ sync_app: ofSessions as string })).toEqual([]);
      const migrator = await examine({ platform_migrator: ofMigrator as string });
      expect(migrator.find(({ check }) => check === 'pooler')?.state).toBe('wrong');
      expect(migrator.find(({ check }) => check === 'migrations')?.state).toBe('untried');
    } finally {
      await Promise.all(poolers.map((pooler) => pooler.close()));
    }
  });

  test('with TLS that is checked is well; without TLS to another machine, or with a certificate of nobody, it is not', async () => {
    const { uid, gid } = await stat(local.server.folder);
    for (const [name, text] of Object.entries(testCertificate)) {
      const file = join(local.server.folder, `server.${name}`);
      await writeFile(file, text, { mode: 0o600 });
      await chown(file, uid, gid);
    }
    const authority = join(folder, 'authority.cert');
    await writeFile(authority, testCertificate.cert);
    await superuser.query(`alter system set ssl_cert_file = 'server.cert'`);
    await superuser.query(`alter system set ssl_key_file = 'server.key'`);
    const through = (host: string, parameters: string) => ({
      support_app: `${Object.assign(new URL(addresses.support_app), { hostname: host }).href}?${parameters}`,
    });
    const trusted = `sslmode=verify-full&sslrootcert=${encodeURIComponent(authority)}`;
    const seen = { trusted: ['not tried'], unchecked: ['not tried'], unknown: ['not tried'] };
    await superuser.query('alter system set ssl = on');
    await superuser.query('select pg_reload_conf()');
    await expect.poll(async () => (await complaints(through('localhost', trusted))).length).toBe(0);
    seen.trusted = (await examine(through('localhost', trusted))).filter(({ check }) => check === 'tls').map(toLine);
    seen.unchecked = await complaints(through('localhost', 'sslmode=require'));
    seen.unknown = await complaints(through('localhost', 'sslmode=verify-full'));
    expect(seen).toEqual({
      trusted: [expect.stringMatching(/^ok tls support_app: TLS, with a certificate for \d+ more days$/)],
      unchecked: [expect.stringMatching(/^warning tls support_app: TLS, but nobody checks/)],
      unknown: [expect.stringMatching(/^wrong login support_app: .*of an authority that is not known here/)],
    });
    // Another name of this machine, which the command takes for another machine.
    expect(await complaints(through('0.0.0.0', 'sslmode=disable'))).toEqual([
      expect.stringMatching(/^warning tls support_app: no TLS to another machine/),
    ]);
  });
});

describe('the server', () => {
  test('whose log gets what people type is told by which settings, each with what to write', async () => {
    const found = await whileSet(
      {
        log_statement: 'mod',
        log_min_duration_statement: '5s',
        log_transaction_sample_rate: '0.5',
        log_parameter_max_length_on_error: '64B',
        log_error_verbosity: 'verbose',
        'auto_explain.log_min_duration': '100',
        'pgaudit.log': 'write',
        'pgaudit.log_parameter': 'on',
        'pg_stat_statements.track_utility': 'on',
      },
      only('support_app', 'sync_app'),
    );
    const said = [
      'log_statement = mod: every such statement',
      'log_min_duration_statement = 5s: such statements are logged with their parameters',
      'log_transaction_sample_rate = 0.5',
      'log_parameter_max_length_on_error is not 0',
      'log_error_verbosity = verbose: a refused row',
      'pg_stat_statements.track_utility = on',
      'auto_explain logs slow statements',
      'pgaudit logs statements',
    ];
    expect(found).toHaveLength(said.length);
    for (const words of said)
      expect(found).toContainEqual(expect.stringContaining(`warning log support_app,sync_app: ${words}`));
  });

  test('that may lose or refuse what is written is told by which settings', async () => {
    const loose = { fsync: 'off', full_page_writes: 'off', autovacuum: 'off', default_transaction_read_only: 'on' };
    expect(await whileSet(loose, only('support_app'))).toEqual([
      expect.stringMatching(/^wrong writable : default_transaction_read_only = on/),
      expect.stringMatching(/^wrong durability : fsync, full_page_writes off/),
      expect.stringMatching(/^warning autovacuum : autovacuum = off/),
    ]);
    expect(await whileSet({ synchronous_commit: 'off' }, only('support_app'))).toEqual([
      expect.stringMatching(/^warning durability : synchronous_commit = off/),
    ]);
  });

  test('that logs slow statements without their parameters is well, and one login’s own setting is that login’s', async () => {
    const slow = { log_min_duration_statement: '5s', log_parameter_max_length: '0' };
    expect(await whileSet(slow, only('support_app'))).toEqual([]);
    expect(
      await whileBroken(`alter role sync_app set log_statement = 'all'`, 'alter role sync_app reset log_statement', {
        given: only('support_app', 'sync_app'),
      }),
    ).toEqual([expect.stringMatching(/^warning log sync_app: log_statement = all/)]);
  });

  test('whose clock differs is said to be wrong by so much', async () => {
    const ahead = (ms: number) => complaints(only('support_app'), { now: () => Date.now() - ms });
    expect(await ahead(1_000)).toEqual([]);
    expect(await ahead(5_000)).toEqual([expect.stringMatching(/^warning clock : .* 5\.\d s ahead of this machine's/)]);
    expect(await ahead(-60_000)).toEqual([
      expect.stringMatching(/^wrong clock : .* (59\.9|60\.0) s behind this machine's: sign-ins/),
    ]);
  });

  test('without its extension, or with it in another place, is told what to do', async () => {
    const findings = async () =>
      (await examine(only('support_app'))).filter(({ check, state }) => check === 'extension' && state !== 'ok');
    await superuser.query('alter extension pg_trgm set schema public');
    expect(await findings()).toEqual([
      expect.objectContaining({ state: 'wrong', remedy: 'alter extension pg_trgm set schema ext' }),
    ]);
    await superuser.query('alter extension pg_trgm set schema ext');
    await superuser.query('create database bare');
    await superuser.query('grant connect on database bare to support_app');
    const bare = { support_app: local.urlOf('support_app', 'bare') };
    const found = await complaints(bare);
    expect(found).toContainEqual(expect.stringMatching(/^wrong extension : pg_trgm is missing in this database/));
    await superuser.query('drop database bare with (force)');
  });

  test('with a database of another encoding or without letters beyond ASCII is said to have one', async () => {
    const as = async (settings: string) => {
      await superuser.query(`create database odd template template0 ${settings}`);
      await superuser.query('grant connect on database odd to support_app');
      try {
        return await complaints({ support_app: local.urlOf('support_app', 'odd') });
      } finally {
        await superuser.query('drop database odd with (force)');
      }
    };
    expect(await as(`locale_provider libc encoding 'UTF8' lc_ctype 'C' lc_collate 'C'`)).toContainEqual(
      expect.stringMatching(/^wrong letters : the LC_CTYPE C knows no letter beyond ASCII/),
    );
    expect(await as(`locale_provider libc encoding 'LATIN1' lc_ctype 'C' lc_collate 'C'`)).toContainEqual(
      expect.stringMatching(/^wrong letters : the database odd has the encoding LATIN1/),
    );
  });

  test('with collations that have changed under their indexes is told to build them again', async () => {
    const version = `(select collversion from pg_collation where collname = 'people')`;
    const { rows } = await superuser.query(`select ${version} as version`);
    expect(
      await whileBroken(
        `update pg_collation set collversion = '1' where collname = 'people'`,
        `update pg_collation set collversion = '${rows[0].version}' where collname = 'people'`,
        { given: only('support_app') },
      ),
    ).toEqual([expect.stringMatching(/^warning collations : other rules .*platform.people/)]);
  });

  test('with a replication slot that nobody reads is told so, unless the log is bounded', async () => {
    await superuser.query(`select pg_create_physical_replication_slot('forgotten', true)`);
    expect(await complaints(only('support_app'))).toEqual([
      expect.stringMatching(/^warning slots : nobody reads the replication slots forgotten/),
    ]);
    expect(await whileSet({ max_slot_wal_keep_size: '1GB' }, only('support_app'))).toEqual([]);
    await superuser.query(`select pg_drop_replication_slot('forgotten')`);
  });

  test('is tried together with its replica; another server, or nobody, in its place is said to be so', async () => {
    const replica = await startReplica(local, {
      folder: join(folder, 'replica'),
      settings: { max_connections: '200', shared_buffers: '32MB' },
    });
    const look = async (place: string) =>
      (await examine(only('support_app'), { replica: place })).filter(({ check }) => check === 'replica').map(toLine);
    const place = `127.0.0.1:${replica.server.port}`;
    try {
      expect(await look(place)).toEqual([
        `ok replica support_app: the replica at ${place} follows this server, and lets support_app in`,
      ]);
      expect(await look(`127.0.0.1:${local.server.port}`)).toEqual([
        expect.stringMatching(/^wrong replica support_app: .*a server that takes changes itself/),
      ]);
    } finally {
      await replica.close();
    }
    expect(await look(place)).toEqual([expect.stringMatching(/^wrong replica .* is not used: .*ECONNREFUSED/)]);
    expect((await examine(only('platform_migrator'), { replica: place })).map(({ check }) => check)).not.toContain(
      'replica',
    );
  });

  test('with much memory in small pages is told how many huge ones it takes; with little, or none to have, it is well', async () => {
    expect(judgeMemory({ mb: 8_192, pages: 'off', wanted: '4300' })).toEqual([
      'memory',
      'warning',
      expect.stringMatching(/^shared_buffers of 8192 MB without huge pages/),
      expect.stringMatching(/vm\.nr_hugepages = 4300 /),
    ]);
    for (const memory of [
      { mb: 8_192, pages: 'on', wanted: '4300' },
      { mb: 256, pages: 'off', wanted: '150' },
      { mb: 8_192, pages: 'off', wanted: '-1' },
    ])
      expect(judgeMemory(memory).slice(0, 2)).toEqual(['memory', 'ok']);
    const asked = (await examine(only('support_app'))).filter(({ check }) => check === 'memory').map(toLine);
    expect(asked).toEqual([
      expect.stringMatching(/^ok memory : (shared_buffers of 32 MB, without|the memory is in) huge pages$/),
    ]);
  });

  test('with fewer connections than the processes open is told the numbers', async () => {
    expect(await complaints(only('support_app'), { processes: 2 })).toEqual([
      expect.stringMatching(/^warning connections : max_connections = 200 .*up to 118, and 224 during an update/),
      expect.stringMatching(/^warning connections console_app: may have 40 connections, and needs 56/),
    ]);
    expect((await complaints(only('support_app'), { processes: 2, poolMax: 40 }))[0]).toMatch(/^wrong connections : /);
  });
});

describe('the migrations', () => {
  test('that are still to run, or were edited after they ran, are said to be so', async () => {
    const history = `from platform.migrations where number = (select max(number) from platform.migrations)`;
    const last = (await superuser.query(`select * ${history}`)).rows[0];
    expect(
      await whileBroken(
        `create table public.kept as select * ${history}; delete ${history}`,
        'insert into platform.migrations select * from public.kept; drop table public.kept',
        { given: only('platform_migrator') },
      ),
    ).toEqual([
      expect.stringMatching(
        new RegExp(
          `^wrong migrations platform_migrator: .* 1 are still to run, from ${last.number} \\(${last.name}\\)`,
        ),
      ),
    ]);
    const hash = (await superuser.query('select sha256 from platform.migrations where number = 1')).rows[0].sha256;
    const edit = (to: string) => `update platform.migrations set sha256 = '${to}' where number = 1`;
    expect(await whileBroken(edit('x'), edit(hash), { given: only('platform_migrator') })).toEqual([
      expect.stringMatching(/^wrong migrations platform_migrator: Migration 1 \(house\) was edited/),
    ]);
  });

  test('of a newer version are no fault, unless they break this one', async () => {
    const newer = (breaks: string) =>
      `insert into platform.migrations (number, name, sha256, duration_ms, breaks_apps_below) values (
         (select max(number) + 1 from platform.migrations), 'later', 'x', 1, ${breaks})`;
    const gone = `delete from platform.migrations where name = 'later'`;
    const given = only('platform_migrator');
    expect(await whileBroken(newer('null'), gone, { given })).toEqual([]);
    expect(await whileBroken(newer('9999'), gone, { given })).toEqual([
      expect.stringMatching(/^wrong migrations platform_migrator: .*breaks apps of this version/),
    ]);
  });
});

test('the command prints a table or one object, the worst first, and ends with a code by it', async () => {
  const home = await newHome();
  const well = await aetherHere(home, ['doctor', '--json'], { SUPPORT_APP_URL: addresses.support_app });
  expect([well.code, well.records()[0].worst]).toEqual([0, 'untried']); // the other logins

  const file = join(folder, 'logins.env');
  await writeFile(
    file,
    `SUPPORT_APP_URL='${addresses.support_app}?sslmode=disable'\nFOUNDATION_APP_URL=${addresses.foundation_app}\n`,
  );
  await superuser.query(`alter role support_app set log_statement = 'all'`);
  const warned = await aetherHere(home, ['doctor', '--logins', file]);
  await superuser.query('alter role support_app reset log_statement');
  expect(warned).toMatchObject({
    code: 1,
    output: expect.stringMatching(
      /^0 things are wrong, and 1 should be looked at\.\n\nstate +check +of +what it found\nwarning +log +support_app +log_statement = all.* To do: set log_statement = none, or ddl\.\n/,
    ),
  });
  const refused = await aetherHere(home, ['doctor', '--json'], { SUPPORT_APP_URL: addresses.sync_app });
  expect([refused.code, refused.records()[0].findings[0]]).toEqual([
    2,
    expect.objectContaining({ check: 'login', state: 'wrong', logins: ['support_app'] }),
  ]);
  expect(await aetherHere(home, ['doctor'])).toMatchObject({
    code: 1,
    output: expect.stringMatching(/Which server\?/),
  });
  expect(await aetherHere(home, ['doctor'], { SUPPORT_APP_URL: 'mysql://x' })).toMatchObject({
    code: 1,
    output: expect.stringMatching(/SUPPORT_APP_URL is not a PostgreSQL address/),
  });
});
