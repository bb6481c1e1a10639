import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { bootstrap, compileNothing } from './bootstrap.ts';
import type { LocalServer } from './embedded/local.ts';
import { migrate } from './migrator.ts';
import { type Login, loginNames, logins } from './rights/logins.ts';
import { describeSchema } from './snapshot.ts';
import { newTestFolder } from './testing.folder.ts';
import { startMigrated } from './testing.local.ts';
import { isLong } from './testing.sample.ts';

const { adminUrl, superuserUrl, urls } = inject('aetherServer');
const made: string[] = [];
const newName = () => {
  const name = `test_${randomBytes(6).toString('hex')}`;
  made.push(name);
  return name;
};
afterAll(() =>
  ask(adminUrl, async (admin) => {
    for (const name of made) await admin.query(`drop database if exists ${name}`);
  }),
);

const at = (url: string, database: string) => Object.assign(new URL(url), { pathname: `/${database}` }).href;

async function ask<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const oneRow = async (url: string, sql: string) => ask(url, async (client) => (await client.query(sql)).rows[0]);

/** Roles, memberships, settings and passwords of the whole server, and what is in the database. */
const observe = (superuser: string, database: string) =>
  ask(at(superuser, database), async (client) => {
    const ours = [...loginNames, ...Object.values(logins)].map((name) => `'${name}'`).join(', ');
    const { rows } = await client.query(`
      select r.rolname, r.rolpassword, r.rolcanlogin, r.rolconnlimit, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb,
        r.rolreplication,
             (select json_agg(json_build_array(m.roleid::regrole, m.inherit_option, m.set_option, m.admin_option)
               order by m.roleid::regrole::text)
              from pg_auth_members m where m.member = r.oid) as memberships,
             (select json_agg(s.setconfig order by s.setdatabase = 0) from pg_db_role_setting s
               left join pg_database d on d.oid = s.setdatabase
              where s.setrole = r.oid and (d.datname is null or d.datname = current_database())) as settings
      from pg_authid r where r.rolname in (${ours}) order by 1`);
    return { roles: rows, schema: await describeSchema(client) };
  });

describe('bootstrap on a server in use', () => {
  test('can be repeated: roles, passwords, settings and grants do not change', async () => {
    const database = newName();
    await bootstrap(adminUrl, { database, passwords: {} });
    const first = await observe(superuserUrl, database);
    expect(first.roles).toHaveLength(2 * loginNames.length);
    await bootstrap(adminUrl, { database, passwords: {} });
    expect(await observe(superuserUrl, database)).toEqual(first);
  });

  test('succeeds three times at once', async () => {
    const database = newName();
    await Promise.all([1, 2, 3].map(() => bootstrap(adminUrl, { database, passwords: {} })));
    const { extversion } = await oneRow(
      at(superuserUrl, database),
      `select extversion from pg_extension where extname = 'pg_trgm'`,
    );
    expect(extversion).toBeTruthy();
  });

  test('names the session for which it waits', async () => {
    const database = newName();
    await ask(at(urls.support_app as string, new URL(adminUrl).pathname.slice(1)), async (holder) => {
      await holder.query(`select pg_advisory_lock(hashtext('aether bootstrap'))`);
      const { promise: told, resolve } = Promise.withResolvers<string>();
      const done = bootstrap(adminUrl, { database, passwords: {}, onProgress: resolve });
      expect(await told).toMatch(/^waiting for support_app \(process \d+\)/);
      await holder.query('select pg_advisory_unlock_all()');
      await done;
    });
  });

  test('gives up when a server does not answer, or a statement waits for too long, and changes nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const nowhere = Object.assign(new URL(adminUrl), { port: `${(silent.address() as AddressInfo).port}` }).href;
    const database = newName();
    const unanswered = { connectMs: 200, statementMs: 300 };
    await expect(bootstrap(nowhere, { database, passwords: {}, limits: unanswered })).rejects.toThrow('timeout');
    silent.close();
    await bootstrap(adminUrl, { database, passwords: {} });
    const before = await observe(superuserUrl, database);
    await ask(superuserUrl, async (rival) => {
      await rival.query('begin; alter role observer_app connection limit 4');
      const limits = { connectMs: 15_000, statementMs: 300 };
      await expect(bootstrap(adminUrl, { database, passwords: {}, limits })).rejects.toThrow('statement timeout');
      await rival.query('rollback');
    });
    expect(await observe(superuserUrl, database)).toEqual(before);
  });

  test('refuses a database that belongs to another login, and no login loses its password', async () => {
    const database = newName();
    await ask(superuserUrl, (superuser) => superuser.query(`create database ${database}`));
    const refused = bootstrap(adminUrl, { database, passwords: { observer_app: 'another' } });
    await expect(refused).rejects.toThrow(`The database ${database} belongs to postgres`);
    expect(await oneRow(at(urls.observer_app as string, 'postgres'), 'select 1 as here')).toEqual({ here: 1 });
    await ask(superuserUrl, (superuser) => superuser.query(`drop database ${database}`));
  });

  test('a database that knows no letter beyond ASCII is refused, also by the migrator', async () => {
    const database = newName();
    await ask(adminUrl, (admin) =>
      admin.query(`create database ${database} template template0 encoding 'UTF8' lc_ctype 'C' lc_collate 'C'`),
    );
    await expect(bootstrap(adminUrl, { database, passwords: {} })).rejects.toThrow(/LC_CTYPE C.*lc_ctype 'C\.UTF-8'/s);
    await ask(adminUrl, (admin) => admin.query(`grant create on database ${database} to platform_owner`));
    await expect(migrate(at(urls.platform_migrator as string, database))).rejects.toThrow(/has the LC_CTYPE C/);
  });

  test('refuses a superuser, because every object would belong to it', async () => {
    const database = newName();
    await expect(bootstrap(superuserUrl, { database, passwords: {} })).rejects.toThrow(/not as a superuser/);
    expect(await oneRow(superuserUrl, `select from pg_database where datname = '${database}'`)).toBeUndefined();
  });

  test.each(['foundation_app', 'platform_migrator'] as const)(
    '%s, who may not make roles, is refused',
    async (login) => {
      const url = at(urls[login] as string, 'postgres');
      await expect(bootstrap(url, { database: newName(), passwords: {} })).rejects.toThrow(/CREATEROLE and CREATEDB/);
    },
  );

  const prepared = newName();
  beforeAll(() => bootstrap(adminUrl, { database: prepared, passwords: {} }));

  test.each(loginNames)('%s may connect, but may not create anything', async (login) => {
    await ask(at(urls[login] as string, prepared), async (client) => {
      for (const statement of [
        'create temporary table t ()',
        'create table public.t ()',
        'create schema s',
        'create table ext.t ()',
      ]) {
        await expect(client.query(statement), statement).rejects.toMatchObject({ code: '42501' });
      }
    });
  });

  // The server of the tests compiles nothing anyway: what counts is where the setting comes from.
  test.each(loginNames)('of %s the server compiles no statement', async (login) => {
    const read = `select setting, source from pg_settings where name = 'jit'`;
    expect(await oneRow(at(urls[login] as string, prepared), read)).toEqual({ setting: 'off', source: 'user' });
  });

  test('a server that does not know that setting is left as it is', async () => {
    await ask(adminUrl, async (admin) => {
      const asked: string[] = [];
      const query = (text: string) => {
        asked.push(text);
        return admin.query(text.replaceAll('jit', 'unknown_to_this_server'));
      };
      await compileNothing({ query } as never, 'observer_app');
      expect(asked.join()).toContain('jit');
    });
    expect((await observe(superuserUrl, prepared)).roles.map(({ settings }) => settings).join()).not.toContain(
      'unknown',
    );
  });

  test('lets each app find its own schema first', async () => {
    const pathOf = async (login: Login) =>
      (await oneRow(at(urls[login] as string, prepared), 'show search_path')).search_path;
    expect(await pathOf('foundation_app')).toBe('crm, platform');
    expect(await pathOf('support_app')).toBe('support, platform');
  });
});

describe('bootstrap on a fresh server', () => {
  const servers: LocalServer[] = [];
  const folders: string[] = [];
  afterAll(async () => {
    for (const { server } of servers) await server.stop('immediate');
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  test('makes everything that the migrations need, even twice at once, and returns the passwords', {
    timeout: 60_000,
  }, async () => {
    const folder = await newTestFolder('fresh');
    folders.push(folder);
    const local = await startMigrated({ folder, database: 'platform' });
    servers.push(local);
    const superuser = local.server.superuserUrl('postgres');

    // As before the first bootstrap: no database, no roles.
    await ask(local.adminUrl, async (admin) => {
      await admin.query('drop database platform');
      for (const name of [...loginNames, ...Object.values(logins)]) await admin.query(`drop role ${name}`);
    });
    const passwords = Object.fromEntries(loginNames.map((login) => [login, `it's ${login} %/@:`])) as Record<
      Login,
      string
    >;
    await Promise.all([1, 2].map(() => bootstrap(local.adminUrl, { database: 'platform', passwords })));

    const urlOf = (login: Login) =>
      Object.assign(new URL(at(local.adminUrl, 'platform')), {
        username: login,
        password: encodeURIComponent(passwords[login]),
      }).href;
    // The set-up of the tests and the test of `aether migrate up` migrate what bootstrap has made, too: two seconds each.
    if (isLong) await migrate(urlOf('platform_migrator'));
    for (const login of loginNames) {
      expect(await oneRow(urlOf(login), 'select session_user::text as me')).toEqual({ me: login });
    }
    expect((await observe(superuser, 'platform')).roles).toHaveLength(2 * loginNames.length);

    // An existing login keeps its password; a named one gets the new password.
    const others = { database: 'another', passwordsOfNew: passwords };
    expect(await bootstrap(local.adminUrl, { ...others, passwords: { support_app: 'new' } })).toEqual({
      support_app: 'new',
    });
    await expect(ask(urlOf('support_app'), async () => {})).rejects.toMatchObject({ code: '28P01' });
    expect(await oneRow(urlOf('foundation_app'), 'select 1 as here')).toEqual({ here: 1 });

    // A server that knows only ASCII letters still gets a database that knows all letters.
    await ask(superuser, (client) => client.query(`update pg_database set datctype = 'C' where datname = 'template0'`));
    await bootstrap(local.adminUrl, { database: 'lettered', passwords: {} });
    const trigrams = `select cardinality(ext.show_trgm('Иван')) as ivan, cardinality(ext.show_trgm('Ivan')) as ascii`;
    expect(await oneRow(at(superuser, 'lettered'), trigrams)).toEqual({ ivan: 5, ascii: 5 });

    // If an administrator gave a login more rights than its role, bootstrap refuses before an app uses it.
    await ask(superuser, (client) => client.query('alter role support_app bypassrls'));
    const again = () => bootstrap(local.adminUrl, { database: 'platform', passwords: {} });
    await expect(again()).rejects.toThrow('support_app is above row level security');
    await ask(superuser, (client) => client.query('alter role support_app nobypassrls'));
    await again();
  });
});
