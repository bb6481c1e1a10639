import { type Listening, readPlace } from '@aether/http';
import {
  ConfigurationError,
  type Connection,
  openConnection,
  PlatformError,
  readSettings,
  requireOwnSession,
  type Settings,
} from '@aether/platform/log';

/** The newest migration on which the worker relies; it refuses a database that lacks it. */
export const requiredMigration = 111;

export type SyncSettings = Settings & {
  /** Where the worker connects: past any transaction pooler. */
  directUrl: string;
  /** How long events are kept. */
  keepDays: number;
  /** Where /healthz and /readyz are served; without a port: nowhere. */
  probes: Listening;
};

const keepDaysDefault = 90;
/** A database that takes longer to answer a question about itself counts as out of reach. */
const checkTimeoutMs = 3_000;

/**
 * Reads the worker's settings: what `readSettings` reads, SYNC_KEEP_DAYS, and SYNC_PORT, PORT and LISTEN_HOST for the probes. Pure.
 *
 * @param options.ownProcess whether PORT and LISTEN_HOST are meant for it; otherwise it shares a process and its environment with servers.
 * @throws ConfigurationError naming the variable.
 */
export function readSyncSettings(
  variables: Record<string, string | undefined>,
  { ownProcess = false }: { ownProcess?: boolean } = {},
): SyncSettings {
  const settings = readSettings(variables);
  const keepDays = Number(variables.SYNC_KEEP_DAYS || keepDaysDefault);
  if (!(keepDays > 0 && keepDays <= 36_500))
    throw new ConfigurationError('SYNC_KEEP_DAYS must be a number of days above 0 and up to 36500.');
  if (!settings.listenUrl)
    throw new ConfigurationError(
      'The sync worker keeps locks and listens, which a transaction pooler does not carry: give it the database itself in PLATFORM_DB_LISTEN_URL.',
    );
  const { SYNC_PORT } = variables;
  const probes = readPlace('SYNC_PORT', ownProcess ? variables : { SYNC_PORT });
  return { ...settings, directUrl: settings.listenUrl, keepDays, probes };
}

/**
 * Refuses at once any setup that would fail only later: a database out of reach, a wrong password, the login of an app, a role that it
 * lacks, a database without the migrations, a transaction pooler.
 *
 * @throws ConfigurationError, DatabaseUnavailable
 */
export async function checkSyncDatabase(settings: SyncSettings): Promise<void> {
  const connection = openConnection('sync', {
    ...settings,
    url: settings.directUrl,
    pooler: 'none',
    poolMax: 1,
    searchPath,
  });
  try {
    await check(connection, settings.role);
    await requireOwnSession(settings.directUrl, 'The address', settings.connectTimeoutMs);
  } catch (error) {
    throw toRefusal(error);
  } finally {
    await connection.close(checkTimeoutMs);
  }
}

/** A migration has run that breaks workers of this version: deploy a newer one. */
export class WorkerTooOld extends ConfigurationError {}

/** A setting that the check makes on its connection, to see whether it is still there at the next statement. */
const searchPath = 'sync,platform';

async function check(connection: Connection, role: string | undefined): Promise<void> {
  const [server] = await connection.query<{
    login: string;
    role_exists: boolean;
    has_role: boolean;
    path: string;
    is_migrated: boolean;
  }>(
    `select session_user as login,
       exists (select from pg_catalog.pg_roles where rolname = $1) as role_exists,
       exists (select from pg_catalog.pg_roles where rolname = $1 and pg_catalog.pg_has_role(session_user, oid, 'USAGE')) as has_role,
       pg_catalog.current_setting('search_path') as path,
       exists (select from pg_catalog.pg_proc where pronamespace = pg_catalog.to_regnamespace('platform')
         and proname = 'current_app') as is_migrated`,
    [role ?? ''],
    { timeoutMs: checkTimeoutMs },
  );
  if (!server) throw new ConfigurationError('The platform database gave no answer about itself.');
  if (server.path.replaceAll(' ', '') !== searchPath) throw poolerRefused();
  if (role && !server.role_exists)
    throw new ConfigurationError(
      `DB_ROLE is ${role}, which this server does not know: run \`aether migrate bootstrap\`, or correct DB_ROLE.`,
    );
  if (role && !server.has_role)
    throw new ConfigurationError(
      `DB_ROLE is ${role}, but the login ${server.login} does not have that role: correct DB_USER or DB_ROLE.`,
    );
  if (!server.is_migrated)
    throw new ConfigurationError('The platform database has no tables yet: run `aether migrate up`.');
  const app = await readApp(connection);
  if (app !== 'sync')
    throw new ConfigurationError(
      `The login ${server.login} is not the sync worker's${app ? `, but that of ${app}` : ''}: correct PLATFORM_DB_URL or DB_USER.`,
    );
  await requireMigrations(connection);
}

/**
 * Refuses a database that lacks a migration, or has one that breaks this version. It takes one statement, for whoever looks again and again.
 *
 * @throws ConfigurationError, DatabaseUnavailable
 */
export async function requireMigrations(connection: Pick<Connection, 'query'>): Promise<void> {
  const { newest, breaking } = await readMigrations(connection);
  if (newest < requiredMigration)
    throw new ConfigurationError(
      `The platform database is at migration ${newest}, this version needs ${requiredMigration}: run \`aether migrate up\`.`,
    );
  if (breaking)
    throw new WorkerTooOld(
      `Migration ${breaking.number} (${breaking.name}) of the platform database breaks apps made for less than migration ${breaking.below}, ` +
        `and this worker is made for ${requiredMigration}: deploy a newer version.`,
    );
}

/** The app to which the login belongs; undefined when the login may not even ask. */
async function readApp(connection: Connection): Promise<string | undefined> {
  try {
    const [row] = await connection.query<{ app: string }>('select platform.current_app() as app', [], {
      timeoutMs: checkTimeoutMs,
    });
    return row?.app;
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return undefined;
    throw error;
  }
}

/** The newest migration, and one that this version is too old for. */
async function readMigrations(
  connection: Pick<Connection, 'query'>,
): Promise<{ newest: number; breaking: { number: number; name: string; below: number } | null }> {
  const [row] = await connection.query<{
    newest: number;
    breaking: { number: number; name: string; below: number } | null;
  }>(
    `select (select coalesce(max(number), 0)::integer from platform.migrations) as newest,
       (select jsonb_build_object('number', number, 'name', name, 'below', breaks_apps_below) from platform.migrations
        where breaks_apps_below > $1 order by breaks_apps_below desc, number limit 1) as breaking`,
    [requiredMigration],
    { timeoutMs: checkTimeoutMs, isShort: true },
  );
  return row ?? { newest: 0, breaking: null };
}

function poolerRefused(cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    'The address leads through a connection pooler that does not keep the settings of a connection; the sync worker needs the database itself: set PLATFORM_DB_LISTEN_URL, or correct PLATFORM_DB_URL.',
    cause,
  );
}

function toRefusal(error: unknown): unknown {
  const cause = error instanceof PlatformError ? error.cause : undefined;
  if ((cause as { code?: string } | undefined)?.code === '08P01') return poolerRefused(error);
  if (error instanceof PlatformError) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new ConfigurationError(
    `PLATFORM_DB_URL does not lead to a platform database. Correct its password and the part after its ?; the driver says: ${words}`,
    error,
  );
}
