import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { type Address, toConfig } from './address.ts';
import { runAlone } from './alone.ts';
import { requireLetters } from './letters.ts';
import { type Migration, MigrationHistoryError, readMigrations } from './migrationfiles.ts';
import { listLocks } from './migrationlocks.ts';
import { takeTurn } from './turn.ts';

export type PastMigration = {
  number: number;
  name: string;
  duration_ms: number;
  locks: string[];
  breaks_apps_below: number | null;
};
/** `newer`: of a later version than these files, which may run on it nevertheless. */
export type MigrationState = { applied: PastMigration[]; pending: Migration[]; newer: PastMigration[] };
const lockNotAvailable = '55P03';
const lockPatienceMs = 120_000;

/** How long a migration waits for its locks, pauses before the next try, and is held up until it names the holders. */
export type MigrationLimits = { lockMs: number; pauseMs: number; tellAfterMs: number };
const limitsDefault: MigrationLimits = { lockMs: 2_000, pauseMs: 1_000, tellAfterMs: 2_000 };

type AppliedMigration = PastMigration & { sha256: string };

/**
 * Compares a database's history with the files. Pure.
 *
 * @throws MigrationHistoryError if an applied migration was edited, or if the files are older than the database and one of its migrations
 *   breaks apps of their version.
 */
export function compareHistory(files: Migration[], applied: AppliedMigration[]): MigrationState {
  for (const [index, past] of applied.entries()) {
    if (past.number !== index + 1) {
      throw new MigrationHistoryError(
        `The history in the database lacks migration ${index + 1}: restore platform.migrations from a backup.`,
      );
    }
    const file = files[past.number - 1];
    if (!file) {
      if ((past.breaks_apps_below ?? 0) <= files.length) continue;
      throw new MigrationHistoryError(
        `The database has migration ${past.number} (${past.name}), which these files lack and which breaks apps of this version: deploy the newer version.`,
      );
    }
    if (file.sha256 !== past.sha256 || file.name !== past.name) {
      throw new MigrationHistoryError(
        `Migration ${past.number} (${past.name}) was edited after it ran. Restore the file, and put the change into a new migration.`,
      );
    }
  }
  const past = applied.map(({ sha256: _, ...each }) => each);
  return { applied: past, pending: files.slice(applied.length), newer: past.slice(files.length) };
}

/**
 * Brings a database up to date. Each migration is one transaction together with its entry in the history, so a kill at
 * any statement leaves whole migrations only. Migrators that run at once wait for each other. A migration with `--
 * aether: no-transaction` is one statement outside of a transaction: see runAlone.
 *
 * @param address as `platform_migrator`. A superuser is refused, because its objects would belong to it.
 * @returns the migrations that this call applied.
 */
export async function migrate(
  address: Address,
  {
    folder,
    onProgress,
    limits = limitsDefault,
  }: { folder?: string; onProgress?: (line: string) => void; limits?: MigrationLimits } = {},
): Promise<Migration[]> {
  const files = await readMigrations(folder);
  return withMigrator(address, async (client) => {
    await takeTurn(client, 'aether migrations', onProgress);
    await client.query(`
      create schema if not exists platform;
      create table if not exists platform.migrations (
        number integer primary key, name text not null, sha256 text not null,
        applied_at timestamptz not null default clock_timestamp(), duration_ms integer not null,
        locks text[] not null default '{}', breaks_apps_below integer)`);
    await protectHistory(client);
    const { pending } = compareHistory(files, await readApplied(client));
    for (const migration of pending) {
      const startedAt = performance.now();
      const locks = await runWhenFree(client, migration, address, limits, onProgress);
      const durationMs = Math.round(performance.now() - startedAt);
      onProgress?.(
        `migration ${migration.number} ${migration.name}: ${describeRun({ durationMs, locks, ...migration })}`,
      );
    }
    return pending;
  });
}

/**
 * Tries until it gets its locks. A statement that waits for a table makes all later statements wait behind it, so one
 * forgotten transaction would stop every app. The migration therefore gives up after a short wait, names that session,
 * and tries again.
 */
async function runWhenFree(
  client: pg.Client,
  migration: Migration,
  address: Address,
  limits: MigrationLimits,
  onProgress: (line: string) => void = () => {},
): Promise<string[]> {
  const deadline = performance.now() + lockPatienceMs;
  for (;;) {
    try {
      if (!migration.isAlone) return await run(client, migration, limits.lockMs);
      const locks = await runAlone(client, migration, address, limits.tellAfterMs, onProgress);
      await record(client, migration, locks.durationMs, locks.held);
      return locks.held;
    } catch (error) {
      if (error instanceof MigrationHistoryError) throw error;
      if ((error as pg.DatabaseError).code !== lockNotAvailable) throw describeFailure(migration, error);
      const holders =
        (await client.query(openTransactions).catch(() => undefined))?.rows[0].holders ?? 'nobody any more';
      if (performance.now() > deadline)
        throw new Error(
          `${migration.file}: a table it changes has been in use for ${lockPatienceMs / 1000} seconds. Nothing of it was applied. ` +
            `Open transactions: ${holders}. End those that should not be open, and run it again.`,
          { cause: error },
        );
      onProgress(`${migration.file} waits for a table in use; open transactions: ${holders}`);
      await wait(limits.pauseMs);
    }
  }
}

async function run(client: pg.Client, migration: Migration, lockMs: number): Promise<string[]> {
  const startedAt = performance.now();
  // Each migration begins with the same settings: the one before it may have run years earlier.
  await client.query(
    `begin; reset all; set role platform_owner; set search_path = pg_catalog, pg_temp; set local lock_timeout = '${lockMs}ms'`,
  );
  try {
    const before = await client.query<{ newest: string }>('select max(oid) as newest from pg_class');
    await client.query(asOneStatement(migration));
    await client.query('reset all; set role platform_owner; set search_path = pg_catalog, pg_temp');
    const locks = await listLocks(client, before.rows[0]?.newest as string);
    await record(client, migration, performance.now() - startedAt, locks);
    await client.query('commit');
    return locks;
  } catch (error) {
    await client.query('rollback').catch(() => {}); // a dead connection has rolled back already
    throw error;
  }
}

async function record(client: pg.Client, migration: Migration, durationMs: number, locks: string[]): Promise<void> {
  const { number, name, sha256, breaksAppsBelow } = migration;
  await client.query(
    `insert into platform.migrations (number, name, sha256, duration_ms, locks, breaks_apps_below)
     values ($1, $2, $3, $4, $5, $6)`,
    [number, name, sha256, Math.round(durationMs), locks, breaksAppsBelow],
  );
}

/** A migration in words: its duration, its locks, the apps that it breaks. */
export function describeRun({
  durationMs,
  locks,
  breaksAppsBelow,
}: {
  durationMs: number;
  locks: string[];
  breaksAppsBelow: number | null;
}): string {
  const locked = locks.length > 0 ? `, locked ${locks.join('; ')}` : '';
  const breaks = breaksAppsBelow === null ? '' : `, breaks apps made for less than migration ${breaksAppsBelow}`;
  return `${durationMs} ms${locked}${breaks}`;
}

// Every login may see these columns, but not the queries of other logins. The sessions that have locked tables of this
// database are enough.
const openTransactions = `
  select string_agg(distinct format('%s (process %s)', a.usename, a.pid), ', ') as holders
  from pg_locks l join pg_stat_activity a using (pid) join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
  where l.locktype = 'relation' and l.granted and l.database = (select oid from pg_database where datname = current_database())
    and a.pid <> pg_backend_pid() and n.nspname !~ '^pg_'`;

/** The applied and the pending migrations. It changes nothing. */
export async function migrationState(address: Address, { folder }: { folder?: string } = {}): Promise<MigrationState> {
  const files = await readMigrations(folder);
  return withMigrator(address, async (client) => {
    const { rows } = await client.query(`select to_regclass('platform.migrations') is not null as known`);
    return compareHistory(files, rows[0].known ? await readApplied(client) : []);
  });
}

/** Runs `work` with a connection that acts as the owner of all objects. */
export async function withMigrator<T>(address: Address, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...toConfig(address), connectionTimeoutMillis: 15_000 });
  client.on('error', () => {}); // if the connection breaks, the running query fails as well
  await client.connect();
  try {
    const { rows } = await client.query(`
      select rolsuper as superuser, (select pg_has_role(current_user, oid, 'SET') from pg_roles where rolname = 'platform_owner') as owner,
        (select has_database_privilege(oid, current_database(), 'CREATE') from pg_roles
          where rolname = 'platform_owner') as ready, current_database() as database
      from pg_roles where rolname = session_user`);
    if (rows[0].superuser) throw new Error('Migrations never run as a superuser: connect as platform_migrator.');
    if (rows[0].owner === null)
      throw new Error('This server has no role platform_owner yet: run `aether migrate bootstrap` first.');
    if (!rows[0].owner) throw new Error('This login may not act as platform_owner: connect as platform_migrator.');
    const [{ ready, database }] = rows;
    if (!ready)
      throw new Error(
        `The database ${database} is not made ready: is it the right one? If so, run \`aether migrate bootstrap --database ${database}\` first.`,
      );
    await requireLetters(client, database);
    await client.query('set role platform_owner; set search_path = pg_catalog, pg_temp');
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * In a DO block PostgreSQL itself refuses begin, commit and rollback in any spelling, so no migration is half applied.
 */
function asOneStatement({ sql, sha256 }: Migration): string {
  const [outer, inner] = [`$outer_${sha256}$`, `$inner_${sha256}$`];
  return `do ${outer} begin execute ${inner}${sql}${inner}; end ${outer}`;
}

async function readApplied(client: pg.Client): Promise<AppliedMigration[]> {
  // A database of an older version has fewer columns here; its history is refused for its contents.
  return (
    await client.query(`
      select m.number, m.name, m.sha256, m.duration_ms, to_jsonb(m) -> 'breaks_apps_below' as breaks_apps_below,
        coalesce(to_jsonb(m) -> 'locks', '[]') as locks
      from platform.migrations m order by m.number`)
  ).rows;
}

/** Protects the table of the history, which is older than the procedure that protects all other tables. */
async function protectHistory(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select relforcerowsecurity as forced from pg_class where oid = 'platform.migrations'::regclass`,
  );
  if (rows[0].forced) return;
  await client.query(`
    begin;
    alter table platform.migrations enable row level security, force row level security;
    create policy owner_all on platform.migrations to platform_owner using (true) with check (true);
    commit`);
}

function describeFailure(migration: Migration, error: unknown): Error {
  const { message, code = '', internalPosition, internalQuery } = error as pg.DatabaseError;
  if (!(error instanceof pg.DatabaseError) || /^(08|57P)/.test(code)) {
    const next = 'The connection is lost: run it again, it goes on where it stopped.';
    return new Error(`${migration.file}: ${message}. ${next}`, { cause: error });
  }
  const isOwn = internalPosition && internalQuery === migration.sql;
  const line = isOwn ? `:${migration.sql.slice(0, Number(internalPosition)).split('\n').length}` : '';
  const hint = code === '0A000' ? ' A migration is one transaction already: take out begin, commit and the like.' : '';
  return new Error(
    `${migration.file}${line}: ${message}.${hint} ${migration.isAlone ? 'An index that it left unfinished is dropped by the next try.' : 'Nothing of it was applied.'}`,
    { cause: error },
  );
}
