import { execFile } from 'node:child_process';
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type EmbeddedServer, startEmbedded } from './embedded/embedded.ts';
import type { LocalServer } from './embedded/local.ts';
import { newTestPort } from './testing.port.ts';
import { requireUnderWay, until } from './testing.scope.ts';

export type TestReplica = {
  server: EmbeddedServer;
  /** The address of the same login and database on the replica. */
  urlOf(primaryUrl: string): string;
  /** Runs one statement as the superuser, in this database of the primary or of the replica. @returns its rows */
  askPrimary(database: string, sql: string): Promise<Record<string, unknown>[]>;
  askReplica(database: string, sql: string): Promise<Record<string, unknown>[]>;
  /** What the primary writes from now on arrives, and is not replayed until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Settles when the replica has replayed everything that the primary had written when this was called. */
  caughtUp(): Promise<void>;
  /** A kill -9 of the server, as far as its data can tell. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
};

/**
 * A second PostgreSQL that streams from a running one, made as PostgreSQL's manual makes one by hand: the data folder is copied between
 * pg_backup_start and pg_backup_stop, and what changed meanwhile comes with the log. The primary needs no setting but `wal_keep_size`.
 *
 * @param folder an empty place; the data is in `postgres` in it.
 */
export async function startReplica(
  primary: LocalServer,
  { folder, port = newTestPort(), settings }: { folder: string; port?: number; settings?: Record<string, string> },
): Promise<TestReplica> {
  const data = join(folder, 'postgres');
  const source = new URL(primary.server.superuserUrl('postgres'));
  const password = decodeURIComponent(source.password);
  const { uid, gid } = await stat(primary.server.folder); // as root, PostgreSQL runs as another user
  await asSuperuser(primary.server, async (superuser) => {
    await superuser.query(`select pg_backup_start('replica', fast => true)`);
    await copyFolder(primary.server.folder, data);
    const { rows } = await superuser.query<{ labelfile: string }>(
      'select labelfile from pg_backup_stop(wait_for_archive => false)',
    );
    for (const [file, text] of Object.entries({ backup_label: rows[0]?.labelfile ?? '', 'standby.signal': '' })) {
      await writeFile(join(data, file), text);
      await chown(join(data, file), uid, gid);
    }
  });
  const server = await startEmbedded({
    folder: data,
    port,
    password,
    settings: {
      ...settings,
      primary_conninfo: `host=127.0.0.1 port=${source.port} user=postgres password=${password}`,
      wal_retrieve_retry_interval: '100ms',
    },
  });
  return {
    server,
    urlOf: (primaryUrl) => Object.assign(new URL(primaryUrl), { port: `${server.port}` }).href,
    askPrimary: (database, sql) =>
      asSuperuser(primary.server, async (client) => (await client.query(sql)).rows, database),
    async askReplica(database, sql) {
      for (;;) {
        requireUnderWay();
        try {
          return await asSuperuser(server, async (client) => (await client.query(sql)).rows, database);
        } catch (error) {
          if ((error as pg.DatabaseError).code !== '40001') throw error; // what it replays has cancelled the statement
        }
      }
    },
    pause: () =>
      asSuperuser(server, async (superuser) => {
        await superuser.query('select pg_wal_replay_pause()');
        const isPaused = `select pg_get_wal_replay_pause_state() = 'paused' as is_paused`;
        await until(async () => (await superuser.query(isPaused)).rows[0]?.is_paused);
      }),
    resume: () =>
      asSuperuser(server, async (superuser) => {
        await superuser.query('select pg_wal_replay_resume()');
      }),
    async caughtUp() {
      const at = await asSuperuser(primary.server, async (superuser) => {
        const { rows } = await superuser.query<{ at: string }>('select pg_current_wal_insert_lsn()::text as at');
        // The replica gets what is on the disk: a commit brings there what is before it.
        await superuser.query(`select pg_logical_emit_message(true, 'replica', '')`);
        return rows[0]?.at;
      });
      await asSuperuser(server, async (superuser) => {
        const look = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as is_there';
        await until(async () => (await superuser.query(look, [at])).rows[0]?.is_there);
      });
    },
    kill: () => server.stop('immediate'),
    restart: () => server.start(),
    async close() {
      await server.stop('immediate');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Files that vanish or grow meanwhile are no fault: the log mends them. */
async function copyFolder(from: string, to: string): Promise<void> {
  const script = `mkdir -p "$TO" && tar -C "$FROM" --warning=no-file-changed --warning=no-file-removed \
    --exclude=./postmaster.pid --exclude=./postmaster.opts --exclude='./pg_wal/*' --exclude='./pg_replslot/*' -cf - . | tar -C "$TO" -xpf - &&
    chown --reference="$FROM" "$TO" && chmod 700 "$TO"`;
  await promisify(execFile)('sh', ['-c', script], { env: { ...process.env, FROM: from, TO: to } });
}

async function asSuperuser<T>(
  server: EmbeddedServer,
  work: (superuser: pg.Client) => Promise<T>,
  database = 'postgres',
): Promise<T> {
  const superuser = new pg.Client({ connectionString: server.superuserUrl(database) });
  superuser.on('error', () => {});
  await superuser.connect();
  try {
    return await work(superuser);
  } finally {
    await superuser.end().catch(() => {});
  }
}
