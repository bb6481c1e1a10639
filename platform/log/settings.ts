import { requireAddress, wayOf } from './address.ts';
import { ConfigurationError } from './errors.ts';
import { type PasswordParameter, passwordParameters } from './passwords.ts';

/** How a process reaches the platform database, whatever its login. */
export type Settings = {
  url: string;
  /** Where NOTIFY arrives; undefined behind a transaction pooler, which does not pass it on. */
  listenUrl: string | undefined;
  /** The role that the login must have. */
  role: string | undefined;
  pooler: 'none' | 'transaction';
  poolMax: number;
  /** How long a query may go without an answer, before it is given up with its connection. */
  queryTimeoutMs: number;
  /** How long a call waits for a connection: a new one, or one that another call gives back. */
  connectTimeoutMs: number;
  /** A streaming replica of the same server, past any pooler; undefined: there is none. */
  replicaUrl: string | undefined;
  /** No read from the replica is older than this. */
  replicaAgeMaxMs: number;
};

/**
 * Reads how to reach the platform database. Pure.
 *
 * PLATFORM_DB_URL (required), DB_USER and DB_PASSWORD (instead of those in the URLs), DB_PASSWORD_FILE, DB_PASSWORD_COMMAND or
 * DB_PASSWORD_MODULE (where the password is read again for each new connection), DB_ROLE (the role the login must have),
 * PLATFORM_DB_POOLER (`transaction` behind PgBouncer), PLATFORM_DB_LISTEN_URL (past the pooler, for notifications of new events), or the
 * parameters `pooler` and `direct` of the address, which say the same,
 * PLATFORM_DB_POOL_MAX (connections, default 10), PLATFORM_DB_QUERY_TIMEOUT_MS (how long a query may go without an answer,
 * default 20,000: above the 15 seconds after which the server itself ends an app's statement), PLATFORM_DB_CONNECT_TIMEOUT_MS (how
 * long a call waits for a connection, default 5,000), PLATFORM_DB_REPLICA_URL (a streaming replica, from which an app's lookups and lists may
 * come), PLATFORM_DB_REPLICA_AGE_MAX_MS (how old they may be, default 5,000).
 *
 * @throws ConfigurationError naming the variable.
 */
export function readSettings(variables: Record<string, string | undefined>): Settings {
  const given = variables.PLATFORM_DB_URL;
  if (!given)
    throw new ConfigurationError(
      'PLATFORM_DB_URL is not set: give it the platform database, postgresql://user:password@host:5432/platform.',
    );
  const url = readUrl('PLATFORM_DB_URL', given, variables);

  const way = wayOf(url);
  const pooler = variables.PLATFORM_DB_POOLER || way.pooler || 'none';
  if (pooler !== 'none' && pooler !== 'transaction')
    throw new ConfigurationError('PLATFORM_DB_POOLER must be none or transaction.');

  const poolMax = Number(variables.PLATFORM_DB_POOL_MAX ?? 10);
  if (!Number.isInteger(poolMax) || poolMax < 1 || poolMax > 500)
    throw new ConfigurationError('PLATFORM_DB_POOL_MAX must be a whole number from 1 to 500.');

  const queryTimeoutMs = Number(variables.PLATFORM_DB_QUERY_TIMEOUT_MS ?? 20_000);
  if (!Number.isInteger(queryTimeoutMs) || queryTimeoutMs < 100 || queryTimeoutMs > 3_600_000)
    throw new ConfigurationError('PLATFORM_DB_QUERY_TIMEOUT_MS must be a whole number from 100 to 3600000.');

  const connectTimeoutMs = Number(variables.PLATFORM_DB_CONNECT_TIMEOUT_MS ?? 5_000);
  if (!Number.isInteger(connectTimeoutMs) || connectTimeoutMs < 100 || connectTimeoutMs > 3_600_000)
    throw new ConfigurationError('PLATFORM_DB_CONNECT_TIMEOUT_MS must be a whole number from 100 to 3600000.');

  const past = variables.PLATFORM_DB_LISTEN_URL;
  const listenUrl = past
    ? readUrl('PLATFORM_DB_LISTEN_URL', past, variables)
    : (way.direct ?? (pooler === 'none' ? url : undefined));

  const replica = variables.PLATFORM_DB_REPLICA_URL;
  const replicaUrl = replica ? readUrl('PLATFORM_DB_REPLICA_URL', replica, variables) : undefined;
  if (replicaUrl && wayOf(replicaUrl).pooler === 'transaction')
    throw new ConfigurationError(
      'PLATFORM_DB_REPLICA_URL must lead to the replica itself: behind a pooler nobody knows which server has answered.',
    );
  const replicaAgeMaxMs = Number(variables.PLATFORM_DB_REPLICA_AGE_MAX_MS ?? 5_000);
  if (!Number.isInteger(replicaAgeMaxMs) || replicaAgeMaxMs < 500 || replicaAgeMaxMs > 60_000)
    throw new ConfigurationError('PLATFORM_DB_REPLICA_AGE_MAX_MS must be a whole number from 500 to 60000.');
  return {
    url,
    listenUrl,
    role: variables.DB_ROLE || undefined,
    pooler,
    poolMax,
    queryTimeoutMs,
    connectTimeoutMs,
    replicaUrl,
    replicaAgeMaxMs,
  };
}

const sources = {
  DB_PASSWORD_FILE: 'password_file',
  DB_PASSWORD_COMMAND: 'password_command',
  DB_PASSWORD_MODULE: 'password_module',
} as const satisfies Record<string, PasswordParameter>;

/** The address with the login of DB_USER and DB_PASSWORD, or its source, where they are set. @throws ConfigurationError */
function readUrl(name: string, given: string, variables: Record<string, string | undefined>): string {
  requireAddress(name, given);
  const { DB_USER, DB_PASSWORD } = variables;
  const set = (Object.keys(sources) as (keyof typeof sources)[]).filter((source) => variables[source]);
  if (set.length + (DB_PASSWORD ? 1 : 0) > 1)
    throw new ConfigurationError(
      `Give one of DB_PASSWORD, ${Object.keys(sources).join(', ')}: the password has one source.`,
    );
  const url = new URL(given);
  if (DB_USER) url.username = encodeURIComponent(DB_USER);
  if (DB_PASSWORD) url.password = encodeURIComponent(DB_PASSWORD);
  if (DB_PASSWORD || set.length > 0)
    for (const parameter of Object.keys(passwordParameters)) url.searchParams.delete(parameter);
  for (const source of set) {
    url.password = '';
    url.searchParams.set(sources[source], variables[source] as string);
  }
  return url.href;
}
