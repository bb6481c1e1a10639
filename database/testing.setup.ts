import { execFile } from 'node:child_process';
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { bootstrap } from './bootstrap.ts';
import { type LocalServer, startLocal } from './embedded/local.ts';
import { migrate } from './migrator.ts';
import { isApp, loginNames } from './rights/logins.ts';
import { newTestFolder } from './testing.folder.ts';
import { startPgBouncer } from './testing.pgbouncer.ts';
import { newTestPort } from './testing.port.ts';
import { testCertificate } from './testing.tls.ts';

export const templateDatabase = 'aether_template';

/** One server for the whole run, with one migrated database that every test file copies. It need not survive a power cut. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await newTestFolder('test');
  const stopped = `${folder}-stopped`;
  const local = await startLocal({
    folder,
    database: templateDatabase,
    port: newTestPort(),
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      scram_iterations: '1', // each further iteration makes every connection slower; nobody guesses passwords here
      max_connections: '300',
      shared_preload_libraries: 'plpgsql,pg_trgm', // otherwise every connection loads them again
      jit: 'off', // compiling takes longer than any query of a test
      file_copy_method: 'clone', // the copy of a database takes a third less
      authentication_timeout: '10s', // while a connection waits for its password, no database is made or dropped
      autovacuum: 'off', // it would start a worker for each of dozens of databases that last a minute
      // Nothing here is replicated, recovered or asked for the titles of its processes; checkpoints are those of copies.
      wal_level: 'minimal',
      max_wal_senders: '0',
      wal_init_zero: 'off',
      checkpoint_timeout: '1h',
      max_wal_size: '4GB',
      bgwriter_lru_maxpages: '0',
      update_process_title: 'off',
      max_logical_replication_workers: '0',
      io_method: 'sync', // the data is in memory, and a process that reads it for others takes longer
      shared_buffers: '64MB', // each copy of a database looks through all of them
    },
  });
  const end = async () => {
    await local.server.stop('immediate');
    for (const each of [folder, stopped]) await rm(each, { recursive: true, force: true });
  };
  try {
    const pooler = await prepare(project, local, { folder, stopped });
    return async () => {
      await pooler?.close();
      await end();
    };
  } catch (error) {
    await end(); // vitest ends what is returned, and nothing is
    throw error;
  }
}

/** Fills the server with what the tests copy, and tells them where it is. @returns the pooler before it, if there is one */
async function prepare(
  project: TestProject,
  local: LocalServer,
  { folder, stopped }: { folder: string; stopped: string },
): Promise<{ close(): Promise<void> } | undefined> {
  await migrate(local.urlOf('platform_migrator'));
  // What startMigrated of testing.local.ts begins with: as every server is, without what only this one needs.
  await local.server.stop();
  await promisify(execFile)('cp', ['-a', folder, stopped]);
  await local.server.start();
  await offerTls(local.server.folder, local.server.superuserUrl());
  // The limit counts all databases of the server, and several test files act for privacy at once.
  await bootstrap(local.adminUrl, { database: templateDatabase, passwords: {}, connections: { privacy_app: 50 } });
  const urls = Object.fromEntries(loginNames.map((login) => [login, local.urlOf(login)]));
  const { port } = local.server;
  // Only of `npm run test:pooled`: the apps of all tests reach their databases through it.
  const pooler = process.env.AETHER_TEST_POOLER
    ? await startPgBouncer({
        serverPort: port,
        settings: { server_login_retry: 0 }, // each refusal of the server is its own
        logins: Object.fromEntries(
          loginNames.filter(isApp).map((login) => [login, decodeURIComponent(new URL(urls[login] as string).password)]),
        ),
      })
    : undefined;
  project.provide('aetherServer', {
    superuserUrl: local.server.superuserUrl(),
    adminUrl: local.adminUrl,
    urls,
    poolerPort: pooler?.port,
    stopped,
  });
  return pooler;
}

/** The server then takes connections with TLS as well; whoever does not ask for it goes without. */
async function offerTls(folder: string, superuserUrl: string): Promise<void> {
  const { uid, gid } = await stat(folder); // PostgreSQL refuses a key that is not its user's
  for (const [name, text] of Object.entries(testCertificate)) {
    const file = join(folder, `server.${name}`);
    await writeFile(file, text, { mode: 0o600 });
    await chown(file, uid, gid);
  }
  const superuser = new pg.Client({ connectionString: superuserUrl });
  await superuser.connect();
  await superuser.query(`alter system set ssl_cert_file = 'server.cert'`);
  await superuser.query(`alter system set ssl_key_file = 'server.key'`);
  await superuser.query('alter system set ssl = on');
  await superuser.query('select pg_reload_conf()');
  await superuser.end();
}
