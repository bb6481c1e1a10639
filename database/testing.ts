import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { openDatabase } from './bootstrap.ts';
import { isApp, type Login } from './rights/logins.ts';
import { until } from './testing.scope.ts';
import { templateDatabase } from './testing.setup.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    aetherServer: {
      superuserUrl: string;
      adminUrl: string;
      urls: Record<string, string>;
      /** Of a PgBouncer before the server, through which the apps go. */
      poolerPort: number | undefined;
      /** The folder of a migrated server that does not run, for copies: see startMigrated of testing.local.ts. */
      stopped: string;
    };
  }
}

export type TestLogin = Login | 'postgres' | 'aether_admin';

export type TestDatabase = {
  name: string;
  /** The address for a process of this login: in `npm run test:pooled` that of an app leads through PgBouncer. */
  url(login: TestLogin): string;
  /** The address of PostgreSQL itself. */
  directUrl(login: TestLogin): string;
  /** A connection of this login; it is closed after the file's tests. */
  connect(login: TestLogin): Promise<pg.Client>;
};

const endings: (() => Promise<unknown>)[] = [];

/** testing.endings.ts calls these: a hook that is added inside another hook or a test never runs. */
export async function endAll(): Promise<void> {
  tellers.length = 0;
  for (const end of endings.splice(0).reverse()) await end();
}

/** Runs `end` after the test file, the latest first. It may be called at the top level, in a hook or in a test. */
export function atEnd(end: () => Promise<unknown>): void {
  endings.push(end);
}

const tellers: (() => Promise<string>)[] = [];

/** Prints what `tell` says when a test of this file fails: what a failure alone does not show, and what is gone a moment later. */
export function atFailure(tell: () => Promise<string>): void {
  tellers.push(tell);
}

/** testing.endings.ts calls it after each test that failed. */
export async function tellFailure(name: string): Promise<void> {
  for (const tell of tellers)
    console.error(`${name}\n${await tell().catch((error) => `What was there cannot be told: ${error.message}`)}`);
}

/** A migrated, empty database for this test file alone; it is dropped after the file. */
export async function createTestDatabase({
  template = templateDatabase,
}: {
  template?: string;
} = {}): Promise<TestDatabase> {
  const { superuserUrl, adminUrl, urls, poolerPort } = inject('aetherServer');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = await connectOnce(adminUrl);
  // Copied as files: through the log, which is the default, it takes four times as long.
  await admin.query(`create database ${name} template ${template} strategy file_copy`);
  await openDatabase(admin, name);

  const directUrl = (login: TestLogin) => {
    const base = login === 'postgres' ? superuserUrl : login === 'aether_admin' ? adminUrl : urls[login];
    if (!base) throw new Error(`unknown login ${login}`);
    return Object.assign(new URL(base), { pathname: `/${name}` }).href;
  };
  const url = (login: TestLogin) => {
    const direct = directUrl(login);
    return poolerPort !== undefined && isApp(login as Login) ? throughPooler(direct, poolerPort) : direct;
  };
  const clients: pg.Client[] = [];
  atEnd(async () => {
    await Promise.all(clients.map((client) => client.end()));
    const superuser = await connectOnce(superuserUrl); // only a superuser may end the sessions of all logins
    await superuser.query(`drop database ${name} with (force)`);
  });
  return {
    name,
    url,
    directUrl,
    async connect(login) {
      const client = new pg.Client({ connectionString: directUrl(login) });
      client.on('error', () => {}); // a test may cut the connection; its next query fails then
      await client.connect();
      clients.push(client);
      return client;
    },
  };
}

function throughPooler(direct: string, port: number): string {
  const url = new URL(direct);
  url.searchParams.set('pooler', 'transaction');
  url.searchParams.set('direct', url.host);
  url.port = `${port}`;
  return url.href;
}

const kept = new Map<string, Promise<pg.Client>>();

/** A connection that the test files of a worker share, because one costs half as much as copying a database. */
function connectOnce(url: string): Promise<pg.Client> {
  const there = kept.get(url);
  if (there) return there;
  const client = new pg.Client({ connectionString: url });
  const connected = client.connect().then(() => client);
  const drop = () => kept.delete(url); // the next caller opens another
  connected.catch(drop);
  client.on('error', drop);
  kept.set(url, connected);
  return connected;
}

/**
 * Waits until another connection waits for a lock of `holder`. If the other connection never needs the lock, the test
 * times out.
 */
export async function untilSomebodyWaits(holder: pg.Client): Promise<void> {
  const isWaitedFor = 'select from pg_locks l where not l.granted and pg_backend_pid() = any (pg_blocking_pids(l.pid))';
  await until(async () => (await holder.query(isWaitedFor)).rowCount);
}
