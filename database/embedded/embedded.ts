import { readdir, rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { findBlindLocale } from '../letters.ts';
import { findBinaries, majorVersion } from './binaries.ts';
import { formatSettings, holdsData, locate, makeDataFolder, writeSettings } from './datafolder.ts';
import {
  type Cluster,
  findPostmaster,
  isTaken,
  logOf,
  removeStalePidFile,
  startPostmaster,
  stopPostmaster,
} from './postmaster.ts';
import { bringWithinReach } from './reach.ts';
import { chooseServerUser, giveAll, touch } from './serveruser.ts';
import { withLock } from './startlock.ts';

export type EmbeddedServer = {
  /**
   * Where its data is. For root this may differ from the folder that was asked for: the server's user must be able to
   * enter it.
   */
  folder: string;
  port: number;
  /** The server was already running, left by an earlier process; it keeps the settings of that start. */
  adopted: boolean;
  superuserUrl(database?: string): string;
  /** Returns when the server is gone, even if it was gone before. `immediate` does not wait for a checkpoint. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Starts the server again after `stop`, on the same port. @throws when the port is taken */
  start(): Promise<void>;
};

type Wish = Cluster & {
  major: string;
  port: number;
  portExact: boolean;
  settings: Record<string, string>;
  password: string;
  onProgress: (line: string) => void;
  onRunning: () => void;
};

const settingsByDefault = {
  shared_buffers: '256MB',
  max_connections: '200',
  timezone: 'UTC',
  random_page_cost: '1.1',
  // The age of an event that waits for its number counts from its commit: see sync.outbox_age.
  track_commit_timestamp: 'on',
  log_checkpoints: 'off',
  // A new file of the write-ahead log costs every commit a tenth of a second: so many are kept and written again (docs/benchmarks.md).
  min_wal_size: '256MB',
  // The log names no person: of a refusal neither the row nor what was sent, and of statements that are counted none that is not one of queries.
  log_error_verbosity: 'terse',
  log_parameter_max_length_on_error: '0',
  'pg_stat_statements.track_utility': 'off',
};

const settingsOfOurs = ['port', 'listen_addresses', 'unix_socket_directories'];

const portAttemptsMax = 100;

/**
 * Starts a real PostgreSQL server on 127.0.0.1, with a data folder that is made when missing. The server outlives this
 * process until it is stopped; a second start with the same folder adopts it.
 *
 * @param options.folder holds the data; the log is `<folder>.log` beside it.
 * @param options.port if it is in use, the next free one is taken, unless `portExact` is set.
 * @param options.settings PostgreSQL's; they override the defaults here. With `fsync` off, a new folder is not forced
 *   to disk either.
 * @param options.onRunning called once, while this process only waits for PostgreSQL's programs: the caller can do its
 *   own work then.
 * @param options.password of the superuser `postgres`: a new folder gets it, an old folder must have it.
 * @throws Error with advice: no programs for this platform, a folder with other contents, of another owner or of
 *   another version, a wrong
 *   password, data that knows only ASCII letters, no free port, or the last lines of the log if the start fails.
 */
export async function startEmbedded(options: {
  folder: string;
  port?: number;
  portExact?: boolean;
  settings?: Record<string, string>;
  password: string;
  onProgress?: (line: string) => void;
  onRunning?: () => void;
}): Promise<EmbeddedServer> {
  const { port = 54320, portExact = false, password, onProgress = () => {} } = options;
  const settings = { ...settingsByDefault, ...options.settings };
  refuseOptions(password, settings);
  const wanted = await locate(options.folder);
  const user = await chooseServerUser(wanted);
  const { folder, binaries } = await bringWithinReach(user, wanted, await findBinaries());
  const major = await majorVersion(binaries);
  let isTold = false;
  const onRunning = () => {
    if (!isTold) options.onRunning?.();
    isTold = true;
  };
  const wish: Wish = { folder, binaries, user, major, port, portExact, settings, password, onProgress, onRunning };

  const begun = await exclusively(wish, () => adoptOrLaunch(wish));
  return {
    ...begun,
    folder,
    superuserUrl: (database = 'postgres') => urlOf(begun.port, password, database),
    stop: (mode = 'fast') => exclusively(wish, () => stopPostmaster(wish, mode)),
    async start() {
      const again = { ...wish, port: begun.port, portExact: true };
      const { port: other } = await exclusively(wish, () => adoptOrLaunch(again));
      if (other !== begun.port)
        throw new Error(`The server of ${folder} was started by another process meanwhile, on port ${other}.`);
    },
  };
}

/**
 * Stops the server of a data folder and deletes the folder in any state. A missing folder is fine.
 *
 * @throws Error if the folder holds something else; the folder is left alone then.
 */
export function removeEmbedded(dataFolder: string): Promise<void> {
  return endEmbedded(dataFolder, 'immediate', (folder) => rm(folder, { recursive: true, force: true }));
}

/** Stops the server of a data folder if a process that was killed has left one. @throws as removeEmbedded */
export function stopEmbedded(dataFolder: string): Promise<void> {
  return endEmbedded(dataFolder, 'fast', async () => {});
}

async function endEmbedded(
  dataFolder: string,
  mode: 'fast' | 'immediate',
  andThen: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await locate(dataFolder);
  const names: string[] = await readdir(folder).catch(() => []);
  if (names.length === 0) return;
  if (!names.includes('PG_VERSION'))
    throw new Error(`${folder} is not a PostgreSQL data folder. Nothing in it was deleted: look what it is.`);
  const user = await chooseServerUser(folder);
  const { binaries } = await bringWithinReach(user, folder, await findBinaries());
  const cluster = { folder, binaries, user };
  await touch(`${folder}.lock`, user);
  await withLock(
    `${folder}.lock`,
    async () => {
      await stopPostmaster(cluster, mode);
      await andThen(folder);
    },
    () => {},
  );
}

function refuseOptions(password: string, settings: Record<string, string>): void {
  if (!password || /[\r\n\0]/.test(password)) throw new Error('The password must be one line, and not empty.');
  const ours = settingsOfOurs.find((name) => Object.keys(settings).some((each) => each.toLowerCase() === name));
  if (ours)
    throw new Error(`The setting ${ours} cannot be changed: the server listens on 127.0.0.1, on the port given.`);
  formatSettings(settings);
}

/** Serialises starts and stops of one folder. */
async function exclusively<T>({ folder, user, onProgress }: Wish, work: () => Promise<T>): Promise<T> {
  const file = `${folder}.lock`;
  await touch(file, user);
  return withLock(file, work, () => onProgress(`waiting for another start or stop of ${folder}`));
}

async function adoptOrLaunch(wish: Wish): Promise<{ port: number; adopted: boolean }> {
  const { folder, user, major } = wish;
  const exists = await holdsData(folder, major);
  const running = exists && (await findPostmaster(folder));
  if (running) {
    await checkServer(wish, running.port);
    return { port: running.port, adopted: true };
  }
  if (exists) await giveAll(folder, user);
  else {
    wish.onProgress('making a new PostgreSQL data folder (about a second)');
    await makeDataFolder(folder, { ...wish, durable: wish.settings.fsync !== 'off' });
  }
  await removeStalePidFile(folder);
  await writeSettings(folder, wish.settings, user);
  const port = await launch(wish);
  await checkServer(wish, port).catch(async (error) => {
    await stopPostmaster(wish, 'fast');
    throw error;
  });
  return { port, adopted: false };
}

async function launch(wish: Wish): Promise<number> {
  const { folder, portExact, onProgress } = wish;
  let { port } = wish;
  for (let attempt = 1; attempt <= portAttemptsMax && port < 65_536; attempt++) {
    if (await isTaken(port)) {
      if (portExact) throw new Error(`Port ${port} is in use: end what listens there, or choose another port.`);
      port++;
      continue;
    }
    onProgress(`starting PostgreSQL on port ${port}`);
    const failure = await startPostmaster(wish, port, wish.onRunning);
    if (!failure) return port;
    // Another program took the port after the check, or processes of a killed server are still ending.
    const passing = failure.kind === 'leftover' || (failure.kind === 'port' && portExact);
    if (failure.kind === 'other' || (passing && attempt >= 20))
      throw new Error(`PostgreSQL did not start. The end of ${logOf(folder)}:\n${failure.log}`);
    if (passing) await wait(100);
    else port++;
  }
  throw new Error(`There is no free port from ${wish.port} to ${port - 1}: choose another one.`);
}

/** That the server takes our password, and that it was made to know all letters. */
async function checkServer({ folder, password }: Wish, port: number): Promise<void> {
  const client = new pg.Client({
    connectionString: urlOf(port, password, 'postgres'),
    connectionTimeoutMillis: 10_000,
  });
  try {
    await client.connect().catch((error) => {
      if (error.code !== '28P01') throw error;
      throw new Error(
        `The data in ${folder} was made with another password. Nothing in it was changed: ` +
          `bring that password back (or the secret that it comes from), or move the folder away to begin again.`,
        { cause: error },
      );
    });
    if (await findBlindLocale(client, 'template0'))
      throw new Error(
        `The data in ${folder} was made by an older version, whose server takes no character beyond ASCII for a letter (its LC_CTYPE is C), ` +
          'and that cannot be changed afterwards. Nothing in it was changed: `npm start -- --reset` deletes it and begins again; ' +
          'to keep it, move the folder away.',
      );
  } finally {
    await client.end().catch(() => {});
  }
}

const urlOf = (port: number, password: string, database: string): string =>
  `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
