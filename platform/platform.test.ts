import { readFileSync } from 'node:fs';
import { readMigrations } from '@aether/database';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from './environment.ts';
import * as errors from './errors.ts';
import * as logErrors from './log/errors.ts';
import { coalesce } from './lookups.ts';
import { connectPlatform, requiredMigration } from './platform.ts';

describe('connecting', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  const connect = (variables: Record<string, string>) =>
    connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app'), ...variables } });

  test('works with the right login and role', async () => {
    const db = await connect({ DB_ROLE: 'support_role', PLATFORM_DB_SCHEMA_SUPPORT: 'support' });
    await db.check();
    await db.close();
  });

  test.each([
    ['the other app’s login', { PLATFORM_DB_URL: 'foundation_app' }, /login of foundation, not of support/],
    ['a login of no app', { PLATFORM_DB_URL: 'observer_app' }, /login of no app/],
    ['a role that the login lacks', { DB_ROLE: 'foundation_role' }, /does not have that role/],
    ['an unknown role', { DB_ROLE: 'boss_role' }, /does not know/],
    [
      'a schema that does not exist',
      { PLATFORM_DB_SCHEMA_SUPPORT: 'suport' },
      /PLATFORM_DB_SCHEMA_SUPPORT names the schema suport/,
    ],
    [
      'the schema of another app, closed to this one',
      { PLATFORM_DB_SCHEMA_SUPPORT: 'ext2' },
      /PLATFORM_DB_SCHEMA_SUPPORT/,
    ],
    ['a wrong password', { DB_PASSWORD: 'wrong' }, /refuses the login/],
    ['no database of that name', { PLATFORM_DB_URL: 'missing' }, /has no database/],
    [
      'a way past the pooler that leads nowhere',
      { PLATFORM_DB_LISTEN_URL: 'postgres://support_app:x@127.0.0.1:1/platform' },
      /PLATFORM_DB_LISTEN_URL does not lead/,
    ],
  ] as const)('refuses %s, in words that say what to change', async (_, given, message) => {
    const variables: Record<string, string> = { ...given };
    if (variables.PLATFORM_DB_URL === 'missing')
      variables.PLATFORM_DB_URL = Object.assign(new URL(database.url('support_app')), { pathname: '/nowhere' }).href;
    else if (variables.PLATFORM_DB_URL)
      variables.PLATFORM_DB_URL = database.url(variables.PLATFORM_DB_URL as 'observer_app');
    await expect(connect(variables)).rejects.toThrow(logErrors.ConfigurationError);
    await expect(connect(variables)).rejects.toThrow(message);
  });

  test('warns of a database that sees no letter beyond ASCII, and of a collation that changed, and works', async () => {
    const fine = await connect({});
    expect(fine.warnings).toEqual([]);
    await fine.close();
    const odd = await createTestDatabase();
    const superuser = await odd.connect('postgres');
    await superuser.query(`
      update pg_database set datctype = 'C' where datname = current_database();
      update pg_collation set collversion = '1' where collnamespace = 'platform'::regnamespace`);
    const db = await connect({ PLATFORM_DB_URL: odd.url('support_app') });
    expect(db.warnings).toEqual([
      expect.stringMatching(/has the LC_CTYPE C: .*lc_ctype 'C\.UTF-8'/),
      expect.stringMatching(/platform\.people.*aether migrate check/),
    ]);
    await db.check();
    await db.close();
  });

  test('refuses a country for telephone numbers that is none', async () => {
    await expect(connect({ PLATFORM_PHONE_COUNTRY: 'Germany' })).rejects.toThrow(/PLATFORM_PHONE_COUNTRY .* DE/);
    const db = await connect({ PLATFORM_PHONE_COUNTRY: 'DE' });
    expect(db.readPhone('030 1234567')?.key).toBe('+49301234567');
    expect(db.readPhone('020 7946 0777', 'GB')?.key).toBe('+442079460777');
    await db.close();
  });

  test.each([
    ['no password', (url: URL) => Object.assign(url, { password: '' }), /PLATFORM_DB_URL .*password/],
    [
      'a certificate that is missing',
      (url: URL) => url.searchParams.set('sslrootcert', '/nowhere/ca.pem'),
      /sslrootcert cannot be read from \/nowhere\/ca.pem/,
    ],
    [
      'a search_path of its own',
      (url: URL) => url.searchParams.set('options', '-c search_path=platform'),
      /take `options` out of PLATFORM_DB_URL/,
    ],
  ])('refuses a URL with %s, in words that say what to change', async (_, change, message) => {
    const url = new URL(database.directUrl('support_app'));
    change(url);
    const refused = connect({ PLATFORM_DB_URL: url.href });
    await expect(refused).rejects.toThrow(logErrors.ConfigurationError);
    await expect(refused).rejects.toThrow(message);
  });

  test('refuses a database that lacks a migration', async () => {
    const owner = await database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('begin');
    await owner.query('delete from platform.migrations where number = $1', [requiredMigration]);
    await owner.query('commit');
    await expect(connect({})).rejects.toThrow(/run `aether migrate up`/);
  });

  test('reports that the database is out of reach', async () => {
    await expect(connect({ PLATFORM_DB_URL: 'postgres://support_app:x@127.0.0.1:1/platform' })).rejects.toThrow(
      logErrors.DatabaseUnavailable,
    );
  });
});

test('the package requires the newest migration', async () => {
  expect(requiredMigration).toBe((await readMigrations()).length);
});

describe('the environment', () => {
  const url = 'postgresql://user:pass@server.example:5432/platform';
  test('DB_USER and DB_PASSWORD replace those of the URL, with any characters', () => {
    const read = new URL(
      readEnvironment('support', { PLATFORM_DB_URL: url, DB_USER: 'support_app', DB_PASSWORD: 'p@ss:/?#%' }).url,
    );
    expect([decodeURIComponent(read.username), decodeURIComponent(read.password), read.host]).toEqual([
      'support_app',
      'p@ss:/?#%',
      'server.example:5432',
    ]);
  });
  test('DB_USER and DB_PASSWORD also apply to the URL that leads past a pooler', () => {
    const variables = { PLATFORM_DB_URL: url, PLATFORM_DB_POOLER: 'transaction', DB_USER: 'me', DB_PASSWORD: 'mine' };
    const past = { ...variables, PLATFORM_DB_LISTEN_URL: 'postgresql://server.example:5433/platform' };
    expect(readEnvironment('support', past).listenUrl).toBe('postgresql://me:mine@server.example:5433/platform');
    expect(readEnvironment('support', variables).listenUrl).toBeUndefined();
  });
  test('each app has its own schema setting', () => {
    const variables = { PLATFORM_DB_URL: url, PLATFORM_DB_SCHEMA_FOUNDATION: 'crm2' };
    expect(readEnvironment('foundation', variables).schema).toBe('crm2');
    expect(readEnvironment('support', variables).schema).toBe('support');
  });
  test.each([
    [{}, 'PLATFORM_DB_URL'],
    [{ PLATFORM_DB_URL: 'mysql://x' }, 'PLATFORM_DB_URL'],
    [{ PLATFORM_DB_URL: url, PLATFORM_DB_SCHEMA_SUPPORT: 'a; drop' }, 'PLATFORM_DB_SCHEMA_SUPPORT'],
    [{ PLATFORM_DB_URL: url, PLATFORM_DB_POOLER: 'session' }, 'PLATFORM_DB_POOLER'],
    [{ PLATFORM_DB_URL: url, PLATFORM_DB_POOL_MAX: '0' }, 'PLATFORM_DB_POOL_MAX'],
    [{ PLATFORM_DB_URL: url, PLATFORM_DB_QUERY_TIMEOUT_MS: '0' }, 'PLATFORM_DB_QUERY_TIMEOUT_MS'],
    [{ PLATFORM_DB_URL: url, PLATFORM_DB_CONNECT_TIMEOUT_MS: '1.5' }, 'PLATFORM_DB_CONNECT_TIMEOUT_MS'],
    [{ PLATFORM_DB_URL: url, PLATFORM_DB_LISTEN_URL: 'server.example:5433' }, 'PLATFORM_DB_LISTEN_URL'],
  ])('an impossible setting is refused by its name: %j', (variables, name) => {
    expect(() => readEnvironment('support', variables)).toThrow(name);
  });
});

describe('coalescing', () => {
  const counting = () => {
    const asked: number[][] = [];
    const lookup = coalesce(async (keys: number[]) => {
      asked.push(keys);
      return new Map(keys.filter((key) => key > 0).map((key) => [key, `value ${key}`]));
    });
    return { asked, lookup };
  };
  test('asks for each key of one tick once, in one query, and answers every caller', async () => {
    const { asked, lookup } = counting();
    expect(await Promise.all([1, 2, 1, -1].map(lookup))).toEqual(['value 1', 'value 2', 'value 1', null]);
    expect(asked).toEqual([[1, 2, -1]]);
  });
  test('asks for eight keys of one tick in two queries, and in one while another is under way', async () => {
    const asked: number[][] = [];
    const answer = Promise.withResolvers<void>();
    const lookup = coalesce(async (keys: number[]) => {
      asked.push(keys);
      await answer.promise;
      return new Map(keys.map((key) => [key, -key]));
    });
    const ask = async (count: number) => {
      const answers = Promise.all(Array.from({ length: count }, (_, key) => lookup(key)));
      await new Promise(setImmediate);
      return { answers };
    };
    const eight = await ask(8);
    expect(asked.splice(0)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    await ask(8);
    expect(asked.splice(0)).toEqual([[0, 1, 2, 3, 4, 5, 6, 7]]);
    await ask(65);
    expect(asked.map(({ length }) => length)).toEqual([21, 22, 22]);
    answer.resolve();
    expect(await eight.answers).toEqual([-0, -1, -2, -3, -4, -5, -6, -7]);
  });
  test('has three queries under way where it is asked to, if there are four keys for each', async () => {
    const asked: number[] = [];
    const answer = Promise.withResolvers<void>();
    const lookup = coalesce(
      async (keys: number[]) => {
        asked.push(keys.length);
        await answer.promise;
        return new Map(keys.map((key) => [key, -key]));
      },
      undefined,
      3,
    );
    const ask = async (count: number) => {
      const answers = Promise.all(Array.from({ length: count }, (_, key) => lookup(key)));
      await new Promise(setImmediate);
      return { answers, queries: asked.splice(0) };
    };
    const eight = await ask(8);
    expect(eight.queries).toEqual([4, 4]);
    expect((await ask(8)).queries).toEqual([8]);
    expect((await ask(8)).queries).toEqual([8]);
    answer.resolve();
    expect(await eight.answers).toEqual([-0, -1, -2, -3, -4, -5, -6, -7]);
    await new Promise(setImmediate);
    expect((await ask(64)).queries).toEqual([21, 21, 22]);
    expect((await ask(11)).queries).toEqual([5, 6]);
  });
  test('gives each of the callers who ask for the same key in one tick a copy of their own', async () => {
    const asked = Symbol('asked');
    let given: object = {};
    const lookup = coalesce(async () => {
      given = { made: new Date(0), tags: ['a'] };
      return new Map([[asked, given]]);
    });
    const [first, second, third] = await Promise.all([lookup(asked), lookup(asked), lookup(asked)]);
    expect(first).toBe(given);
    expect(second).toEqual(given);
    expect(new Set([first, second, third]).size).toBe(3);
    expect(await lookup(asked)).toBe(given);
  });
  test('remembers nothing: a later lookup asks again', async () => {
    const { asked, lookup } = counting();
    await lookup(1);
    await lookup(1);
    expect(asked).toEqual([[1], [1]]);
  });
  test('asks again for a key whose query is under way, because that answer may be older than the question', async () => {
    const asked: number[][] = [];
    const answer = Promise.withResolvers<void>();
    const lookup = coalesce(async (keys: number[]) => {
      asked.push(keys);
      await answer.promise;
      return new Map(keys.map((key) => [key, key]));
    });
    const answers = [];
    for (let n = 0; n < 2; n++) {
      answers.push(lookup(1));
      await new Promise(setImmediate);
    }
    expect(asked).toEqual([[1], [1]]);
    answer.resolve();
    expect(await Promise.all(answers)).toEqual([1, 1]);
  });
  test('passes the failure of a query to its callers and to no later caller', async () => {
    let fail = true;
    const lookup = coalesce(async (keys: number[]) => {
      if (fail) throw new Error('cut');
      return new Map(keys.map((key) => [key, key]));
    });
    expect((await Promise.allSettled([1, 2].map(lookup))).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
    ]);
    fail = false;
    expect(await lookup(1)).toBe(1);
  });
});

test('every error is explained in docs/error-codes.md', () => {
  const text = readFileSync(new URL('../docs/error-codes.md', import.meta.url), 'utf8');
  const sources = ['./errors.ts', './log/errors.ts'].map((file) =>
    readFileSync(new URL(file, import.meta.url), 'utf8'),
  );
  // A database that answers no change is unavailable, with a code of its own.
  const all =
    /super\(\s*['`]([a-z${}-]+)['`],\s*(\d{3})|super\(cause, \{\s*code: '([a-z-]+)'|unreachable = \{\s*code: '([a-z-]+)'/g;
  const codes = [...sources.join('\n').matchAll(all)].map(
    ([, code, status = '503', own, first]) =>
      `| \`${(code ?? own ?? first ?? '').replace(/\$\{record\}/, 'customer')}\` | ${status} |`,
  );
  const classes = Object.keys({ ...errors, ...logErrors }).filter((name) => name !== 'PlatformError');
  expect(codes).toHaveLength(classes.length);
  for (const row of codes) expect(text).toContain(row);
  for (const name of classes) expect(text).toContain(`\`${name}\``);
});
