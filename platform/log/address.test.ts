import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { isUnderWay, requireUnderWay, until } from '@aether/database/testing.scope';
import { testCertificate } from '@aether/database/testing.tls';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError, connectPlatform, DatabaseBusy, DatabaseUnavailable } from '../index.ts';
import { driverOf, isClear, requireAddress } from './address.ts';
import { openClient } from './client.ts';
import { requireOwnSession } from './ownsession.ts';
import { Passwords } from './passwords.ts';
import { readSettings } from './settings.ts';

const login = 'rotating_app';
let database: TestDatabase;
let superuser: pg.Client;
let folder: string;

beforeAll(async () => {
  folder = await newTestFolder('address');
  await writeFile(join(folder, 'authority.pem'), testCertificate.cert);
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  await superuser.query(`drop role if exists ${login}; create role ${login} login password 'old';
    grant foundation_role, app_role to ${login} with inherit true, set false`);
});

const write = (name: string, text: string) => writeFile(join(folder, name), text);

/** The address with these parameters, and without a password unless it is given. */
function addressOf(parameters: Record<string, string>, { password = '', host = '127.0.0.1' } = {}): string {
  const url = new URL(database.directUrl('foundation_app'));
  Object.assign(url, { username: login, password, hostname: host });
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

describe('a password with a source', () => {
  test('is read again for each connection, and the last one is used while its file is away', async () => {
    const file = join(folder, 'read-again');
    const passwords = new Passwords('password_file', file);
    await expect(passwords.next()).rejects.toThrow(
      `password_file gives no password: a file (${file}) failed with ENOENT.`,
    );
    await write('read-again', 'first\n');
    expect(await passwords.next()).toBe('first');
    await write('read-again', '');
    expect(await passwords.next()).toBe('first');
    await write('read-again', 'second\r\n');
    expect(await passwords.next()).toBe('second');
  });

  test('comes from a command or from a module as well, and a failure tells nothing that they said', async () => {
    expect(await new Passwords('password_command', 'echo from a command').next()).toBe('from a command');
    await expect(new Passwords('password_command', 'echo secret; exit 3').next()).rejects.toThrow(
      /failed with exit code 3\.$/,
    );
    await write('token.mjs', `let n = 0;\nexport default async () => \`token \${++n}\`;\n`);
    const tokens = new Passwords('password_module', join(folder, 'token.mjs'));
    expect([await tokens.next(), await tokens.next()]).toEqual(['token 1', 'token 2']);
    await write('none.mjs', 'export const password = 1;\n');
    await expect(new Passwords('password_module', join(folder, 'none.mjs')).next()).rejects.toThrow('default export');
  });

  test('may be one of two: after a refusal the other one is tried first', async () => {
    await write('two', 'new\nold\n');
    const passwords = new Passwords('password_file', join(folder, 'two'));
    expect(await passwords.next()).toBe('new');
    passwords.refuse('new');
    expect(await passwords.next()).toBe('old');
    passwords.refuse('old');
    expect(await passwords.next()).toBe('new');
  });

  test('is replaced under load, and every connection that is opened meanwhile is let in', async () => {
    await write('password', 'old\n');
    const db = await connectPlatform({
      app: 'foundation',
      variables: {
        PLATFORM_DB_URL: addressOf({}),
        DB_PASSWORD_FILE: join(folder, 'password'),
        PLATFORM_DB_POOL_MAX: '3',
      },
    });
    let heard = 0;
    db.signals.listen(() => {
      heard += 1;
    });
    let isOver = false;
    const failures: unknown[] = [];
    const backends = new Set<number>();
    const load = Array.from({ length: 4 }, async () => {
      while (isUnderWay() && !isOver) {
        await db
          .query<{ pid: number }>('select pg_backend_pid() as pid')
          .then(([row]) => backends.add(row?.pid as number))
          .catch((error) => failures.push(error));
      }
    });
    /** Ends all connections of the login, and waits until new ones work: those of the pool, and the one that listens. */
    const cutAll = async () => {
      await superuser.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [login]);
      backends.clear();
      heard = 0;
      while (heard === 0 || backends.size === 0) {
        requireUnderWay();
        await db.signals.send({}).catch((error) => failures.push(error));
        await new Promise(setImmediate);
      }
    };
    await write('password', 'new\nold\n');
    await cutAll();
    await superuser.query(`alter role ${login} password 'new'`);
    await cutAll();
    await write('password', 'new\n');
    await cutAll();
    // The connections that were cut under a query, and nothing else.
    expect(failures.filter((error) => !(error instanceof DatabaseUnavailable))).toEqual([]);
    // Without the overlap it is refused until the file has the new one.
    await superuser.query(`alter role ${login} password 'newest'`);
    await superuser.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [login]);
    await until(() => failures.some((error) => error instanceof ConfigurationError));
    await write('password', 'newest\n');
    await cutAll();
    isOver = true;
    await Promise.all(load);
    expect(await db.query('select session_user as login')).toEqual([{ login }]);
    await db.close();
    await superuser.query(`alter role ${login} password 'old'`);
  });

  test('that the server refuses is a sentence at the start, and one connection is tried twice at most', async () => {
    await write('wrong', 'neither\nnor\n');
    const refused = openClient({ url: addressOf({ password_file: join(folder, 'wrong') }) });
    await expect(refused).rejects.toMatchObject({ code: '28P01' });
    await write('wrong', 'neither\nold\n');
    await requireOwnSession(addressOf({ password_file: join(folder, 'wrong') }), 'The address');
  });

  test('has one source', () => {
    const variables = {
      PLATFORM_DB_URL: 'postgresql://db/platform',
      DB_PASSWORD: 'a',
      DB_PASSWORD_FILE: '/run/secrets/db',
    };
    expect(() => readSettings(variables)).toThrow('Give one of DB_PASSWORD, DB_PASSWORD_FILE');
    expect(
      readSettings({ ...variables, DB_PASSWORD: '', PLATFORM_DB_URL: 'postgresql://me:old@db/platform' }).url,
    ).toBe('postgresql://me@db/platform?password_file=%2Frun%2Fsecrets%2Fdb');
  });
});

test('a new connection that the server refuses costs no request that an open one can serve', async () => {
  await superuser.query(`alter role ${login} connection limit 1`);
  const db = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: addressOf({}, { password: 'old' }), PLATFORM_DB_POOL_MAX: '5' },
  });
  const asked = Array.from({ length: 12 }, () =>
    db.query<{ pid: number }>('select pg_backend_pid() as pid, pg_sleep(0.01)'),
  );
  const backends = new Set((await Promise.all(asked)).map(([row]) => row?.pid));
  expect(backends.size).toBe(1);
  // Without an open one there is nothing to wait for.
  await superuser.query(`alter role ${login} connection limit 0`);
  await superuser.query('select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = $1', [login]);
  const refused = async (): Promise<unknown> => {
    const error = await db.query('select 1').catch((caught) => caught);
    return error instanceof DatabaseUnavailable ? refused() : error; // the connection that was ended
  };
  expect(await refused()).toBeInstanceOf(DatabaseBusy);
  await superuser.query(`alter role ${login} connection limit -1`);
  await db.close();
});

describe('TLS', () => {
  const isEncrypted = async (url: string): Promise<boolean> => {
    const client = await openClient({ url });
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    await client.end();
    return rows[0].ssl;
  };
  const old = { password: 'old' };

  test.each([
    [{}, '127.0.0.1', false],
    [{ sslmode: 'disable' }, '127.0.0.1', false],
    [{ sslmode: 'require' }, '127.0.0.1', true],
    [{ sslmode: 'verify-ca', sslrootcert: 'authority.pem' }, '127.0.0.1', true],
    [{ sslmode: 'verify-full', sslrootcert: 'authority.pem' }, '127.0.0.1', true],
    [{ sslmode: 'verify-full', sslrootcert: 'authority.pem', sslnegotiation: 'direct' }, 'localhost', true],
    [{ sslrootcert: 'authority.pem' }, '127.0.0.1', true],
  ])('with %o at %s', async (parameters: Record<string, string>, host, encrypted) => {
    const { sslrootcert, ...others } = parameters;
    const root = sslrootcert && { sslrootcert: join(folder, sslrootcert) };
    expect(await isEncrypted(addressOf({ ...others, ...root }, { ...old, host }))).toBe(encrypted);
  });

  const connect = (url: string) => connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: url } });

  test('of an unknown authority is refused at the start, with what to write', async () => {
    await expect(connect(addressOf({ sslmode: 'verify-full' }, old))).rejects.toThrow(
      /authority that is not known here.*sslrootcert/,
    );
    const missing = join(folder, 'missing.pem');
    await expect(connect(addressOf({ sslmode: 'verify-full', sslrootcert: missing }, old))).rejects.toThrow(
      `sslrootcert cannot be read from ${missing}: ENOENT.`,
    );
  });

  test('that the server does not offer is refused at the start, with what to write', async () => {
    const server = net.createServer((socket) => socket.once('data', () => socket.write('N')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(addressOf({ sslmode: 'require' }, old));
    url.port = String((server.address() as net.AddressInfo).port);
    await expect(connect(url.href)).rejects.toThrow(/offers no TLS.*ssl = on.*sslmode=disable/);
    server.close();
  });

  test.skipIf(process.platform !== 'linux')(
    'beyond this machine it is verified unless the address says otherwise, the name too',
    async () => {
      const [{ port, hostname }, line] = [new URL(database.directUrl('foundation_app')), net.createServer()];
      line.on('connection', (client) => {
        const server = net.connect(Number(port), hostname);
        client.pipe(server).pipe(client);
        for (const socket of [client, server]) socket.on('error', () => {});
      });
      // Another address of this machine, for which the certificate is not.
      await new Promise<void>((resolve) => line.listen(0, '127.0.0.2', resolve));
      const at = (parameters: Record<string, string>) => {
        const url = new URL(addressOf(parameters, old));
        url.host = `127.0.0.2:${(line.address() as net.AddressInfo).port}`;
        return url.href;
      };
      const sslrootcert = join(folder, 'authority.pem');
      await expect(connect(at({ sslmode: 'verify-full', sslrootcert }))).rejects.toThrow(
        /for another name than the host/,
      );
      expect(await isEncrypted(at({ sslmode: 'verify-ca', sslrootcert }))).toBe(true);
      expect(await isEncrypted(at({ sslmode: 'require' }))).toBe(true);
      line.close();
    },
  );

  test.each([
    ['postgresql://db.example/p?sslmode=prefer', 'would go on without TLS'],
    ['postgresql://db.example/p?sslmode=verify', 'sslmode must be disable, require, verify-ca or verify-full'],
    ['postgresql://db.example/p?ssl=true', 'ssl is not read'],
    ['postgresql://db.example/p?sslmode=require&uselibpqcompat=true', 'uselibpqcompat is not read'],
    ['postgresql://db.example/p?sslmode=disable&sslrootcert=/ca.pem', 'which turns TLS off'],
    ['postgresql://db.example/p?sslmode=verify-ca', 'needs sslrootcert'],
    ['postgresql://db.example/p?sslcert=/me.pem', 'belong together'],
    ['postgresql://db.example/p?password_file=/a&password_command=b', 'give one of'],
    ['postgresql://db.example/p?pooler=session', 'pooler must be none or transaction'],
    ['postgresql://db.example/p?pooler=transaction&direct=https://db', 'direct must be the host and port'],
    ['mysql://db.example/p', 'is not a PostgreSQL address'],
  ])('%s is refused before anything is opened', (url, message) => {
    expect(() => requireAddress('PLATFORM_DB_URL', url)).toThrow(message);
    expect(() => readSettings({ PLATFORM_DB_URL: url })).toThrow(ConfigurationError);
  });

  test('says by parameters that it leads through a pooler, and where PostgreSQL itself is; settings go before them', () => {
    const url = 'postgresql://me:x@pool.example:6432/p?sslmode=require&pooler=transaction&direct=db.example:5433';
    const direct = 'postgresql://me:x@db.example:5433/p?sslmode=require';
    const read = (variables: Record<string, string>) => readSettings({ PLATFORM_DB_URL: url, ...variables });
    expect(read({})).toMatchObject({ url, pooler: 'transaction', listenUrl: direct });
    expect(read({ PLATFORM_DB_POOLER: 'none', PLATFORM_DB_LISTEN_URL: 'postgresql://other/p' })).toMatchObject({
      pooler: 'none',
      listenUrl: 'postgresql://other/p',
    });
    expect(read({ PLATFORM_DB_URL: 'postgresql://pool.example/p?pooler=transaction' })).toMatchObject({
      pooler: 'transaction',
      listenUrl: undefined,
    });
    expect(driverOf(url)).toMatchObject({ host: 'pool.example', port: 6432 });
    expect(Object.keys(driverOf(url))).not.toEqual(expect.arrayContaining(['pooler', 'direct']));
  });

  test('is missing where somebody could listen: at another machine, if the address says so', () => {
    expect(isClear('postgresql://db.example/p?sslmode=disable')).toBe(true);
    for (const url of [
      'db.example/p',
      'db.example/p?sslmode=require',
      '127.0.0.1/p',
      '[::1]/p',
      'localhost/p',
      '%2Frun%2Fpg/p',
    ])
      expect(isClear(`postgresql://${url}`)).toBe(false);
  });
});
