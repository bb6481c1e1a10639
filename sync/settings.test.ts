import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { DatabaseUnavailable, openConnection, readSettings } from '@aether/platform/log';
import { startTestLine } from '@aether/platform/testing.line';
import { startTestPooler } from '@aether/platform/testing.pooler';
import { beforeAll, describe, expect, test } from 'vitest';
import { startSync } from './index.ts';
import { requireMigrations } from './settings.ts';
import { until } from './testing.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});

const urlWith = (change: (url: URL) => void) => {
  const url = new URL(database.url('sync_app'));
  change(url);
  return url.href;
};

describe('the worker refuses to start with', () => {
  test.each([
    ['no address', () => ({}), /^PLATFORM_DB_URL is not set/],
    [
      'an address that cannot be read',
      () => ({ PLATFORM_DB_URL: 'localhost/platform' }),
      /^PLATFORM_DB_URL is not a PostgreSQL address/,
    ],
    [
      'a wrong password',
      () => ({ PLATFORM_DB_URL: database.url('sync_app'), DB_PASSWORD: 'wrong' }),
      /^The platform database refuses the login: correct DB_USER and DB_PASSWORD/,
    ],
    [
      'the login of an app',
      () => ({ PLATFORM_DB_URL: database.url('foundation_app') }),
      /^The login foundation_app is not the sync worker's, but that of foundation/,
    ],
    [
      'a login without any rights here',
      () => ({ PLATFORM_DB_URL: database.url('observer_app') }),
      /^The login observer_app is not the sync worker's: correct/,
    ],
    [
      'a role that the login does not have',
      () => ({ PLATFORM_DB_URL: database.url('sync_app'), DB_ROLE: 'support_role' }),
      /^DB_ROLE is support_role, but the login sync_app does not have that role/,
    ],
    [
      'a role that does not exist',
      () => ({ PLATFORM_DB_URL: database.url('sync_app'), DB_ROLE: 'nobody' }),
      /^DB_ROLE is nobody, which this server does not know/,
    ],
    [
      'a database that does not exist',
      () => ({
        PLATFORM_DB_URL: urlWith((url) => {
          url.pathname = '/nowhere';
        }),
      }),
      /^The server has no database of the name/,
    ],
    [
      'a database without tables',
      () => ({
        PLATFORM_DB_URL: urlWith((url) => {
          url.pathname = '/template1';
        }),
      }),
      /^The platform database has no tables yet/,
    ],
    [
      'a server that does not answer',
      () => ({ PLATFORM_DB_URL: 'postgresql://sync_app:secret@127.0.0.1:1/platform' }),
      /^The database cannot be reached/,
    ],
    [
      'a transaction pooler by its setting',
      () => ({ PLATFORM_DB_URL: database.url('sync_app'), PLATFORM_DB_POOLER: 'transaction' }),
      /which a transaction pooler does not carry/,
    ],
    [
      'days that are no number',
      () => ({ PLATFORM_DB_URL: database.url('sync_app'), SYNC_KEEP_DAYS: 'ninety' }),
      /^SYNC_KEEP_DAYS must be a number of days/,
    ],
    [
      'an address for probes that is none of this machine',
      () => ({ PLATFORM_DB_URL: database.url('sync_app'), LISTEN_HOST: 'everywhere', PORT: '8080' }),
      /^LISTEN_HOST is everywhere/,
    ],
  ] as [string, () => Record<string, string>, RegExp][])('%s', async (_what, variables, words) => {
    await expect(startSync({ variables: variables(), ownProcess: true })).rejects.toThrow(words);
  });

  test('a transaction pooler that no setting mentions', async () => {
    const pooler = await startTestPooler(database.url('sync_app'));
    const refused = startSync({ variables: { PLATFORM_DB_URL: pooler.url } });
    await expect(refused).rejects.toThrow(/^The address leads through a connection pooler/);
    await pooler.close();
  });

  test('a connection on which no answer comes', async () => {
    const line = await startTestLine(database.url('sync_app'));
    line.silence();
    const variables = { PLATFORM_DB_URL: line.url, PLATFORM_DB_CONNECT_TIMEOUT_MS: '500' };
    await expect(startSync({ variables })).rejects.toThrow(DatabaseUnavailable);
    await line.close();
  });
});

test('the worker refuses a database whose migration breaks older apps', async () => {
  const superuser = await database.connect('postgres');
  await superuser.query('update platform.migrations set breaks_apps_below = 9999 where number = 6');
  const refused = startSync({ variables: { PLATFORM_DB_URL: database.url('sync_app') } });
  await expect(refused).rejects.toThrow(/^Migration 6 \(sync\).*breaks apps made for less than migration 9999/);
  await superuser.query('update platform.migrations set breaks_apps_below = null where number = 6');
});

test('a worker that runs notices such a migration, gives up the leadership and says why', async () => {
  const told: string[] = [];
  const log = { info() {}, warn() {}, error: (_: unknown, text?: string) => void told.push(`${text}`) };
  const worker = await startSync({
    variables: { PLATFORM_DB_URL: database.url('sync_app') },
    log: log as never,
    checkMs: 30,
  });
  const sync = await database.connect('sync_app');
  const leads = async () => (await sync.query('select sync.lease_left_ms() > 0 as led')).rows[0].led;
  await until(leads);
  const superuser = await database.connect('postgres');
  await superuser.query('update platform.migrations set breaks_apps_below = 9999 where number = 6');
  expect((await worker.refused).message).toMatch(
    /^Migration 6 \(sync\).*breaks apps made for less than migration 9999/,
  );
  expect(await leads()).toBe(false);
  expect(told).toEqual(['refused: this worker numbers no more events']);
  await superuser.query('update platform.migrations set breaks_apps_below = null where number = 6');
  await worker.close();
});

test('a worker that runs looks for such a migration on connections that it keeps', async () => {
  const worker = await startSync({ variables: { PLATFORM_DB_URL: database.url('sync_app') }, checkMs: 20 });
  const superuser = await database.connect('postgres');
  const looks = new Map<string, number>();
  await until(async () => {
    const { rows } = await superuser.query<{ pid: number; at: string }>(
      `select pid, query_start::text as at from pg_stat_activity
       where datname = current_database() and usename = 'sync_app' and query like '%breaks_apps_below%'`,
    );
    for (const { pid, at } of rows) looks.set(at, pid);
    return looks.size >= 6;
  });
  // Its own, and one for short statements while a check or a metric has that.
  expect(new Set(looks.values()).size).toBeLessThanOrEqual(2);
  await worker.close();
});

test('a look for such a migration waits for nothing that takes long on the same connection', async () => {
  const one = openConnection('sync', {
    ...readSettings({ PLATFORM_DB_URL: database.url('sync_app'), PLATFORM_DB_CONNECT_TIMEOUT_MS: '60000' }),
    poolMax: 1,
    searchPath: 'sync,platform',
  });
  const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const long = one.transaction({}, () => {
    begun.resolve();
    return done.promise;
  });
  await begun.promise;
  await requireMigrations(one);
  expect(one.poolState()).toMatchObject({ inUse: 1, waiting: 0 });
  done.resolve();
  await long;
  await one.close();
});

test('behind a pooler the worker connects to the address past it', async () => {
  const worker = await startSync({
    variables: {
      PLATFORM_DB_URL: 'postgresql://nobody:nothing@127.0.0.1:1/platform',
      PLATFORM_DB_POOLER: 'transaction',
      PLATFORM_DB_LISTEN_URL: database.url('sync_app'),
    },
  });
  const sync = await database.connect('sync_app');
  await until(async () => (await sync.query('select sync.lease_left_ms() > 0 as led')).rows[0].led);
  await worker.close();
});
