import pg from 'pg';
import { isLoginRefused } from './client.ts';
import {
  AlreadyExists,
  ConfigurationError,
  DatabaseBusy,
  DatabaseFull,
  DatabaseReadOnly,
  DatabaseUnavailable,
  FieldNotOwned,
  InvalidField,
  PlatformError,
  ReferenceNotFound,
  TransactionConflict,
} from './errors.ts';
import { readPoolerRefusal } from './poolerrefusals.ts';

/** The driver's message, without a code, for a connection that is gone or that it could not get. */
const driverFailure =
  /^(Connection terminated|Query read timeout|Client has encountered a connection error|Client was closed)/;

const networkFailures = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'EAI_AGAIN',
]);

/** The ways in which a value breaks a correct statement: too long, out of range, not of its type, not to be stored in UTF-8. */
const dataFailures = new Set(['22001', '22003', '22007', '22008', '22021', '22P02', '22P05']);

/** Whether the driver has given up waiting. The query may still run, and any later query would wait behind it. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}

/**
 * Whether the server refused the statement and nothing else. Then the connection is intact, so the pool keeps it. The pool drops a
 * connection that the server ends, one to a server that has become a standby (25006), and one whose prepared statement no longer
 * fits the tables (0A000, after a migration) or is gone (26000): a new connection prepares it again.
 */
export function isRefusedAlone(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') return false;
  return !/^(08|53|57P|25006|25P|0A000|26000)/.test(error.code ?? '');
}

/**
 * Whether a named statement may be unusable on its connection from now on: it no longer fits the tables (0A000), it is gone (26000), or
 * the driver could not write its values, after which it takes a statement for prepared that it has closed.
 */
export function isStatementSpoilt(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.code === '0A000' || error.code === '26000';
}

/** Whether the server has no database of this name, or a pooler before it knows none. */
export function isDatabaseUnknown(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === '3D000' || readPoolerRefusal(error) === 'database';
}

/** What a unique constraint or a reference protects, in the caller's words; undefined for an unknown constraint. */
export type RefuseConstraint = (constraint: string, cause: pg.DatabaseError) => PlatformError | undefined;

/**
 * The one place where the database's refusal becomes a typed error. An unknown error is returned as it came:
 * it is a defect, and its text must not reach a client.
 *
 * @param text the statement, if it is known. The user can correct a refused write, but not a refused read: the app asked for data that
 * is closed to it.
 */
export function translateRefusal(
  error: unknown,
  { text = '', refuseConstraint }: { text?: string | undefined; refuseConstraint?: RefuseConstraint | undefined } = {},
): unknown {
  if (error instanceof PlatformError || !(error instanceof Error)) return error;
  const { code = '', constraint = '' } = error as pg.DatabaseError;
  const refusedTls = tlsRefusal(error, code);
  if (refusedTls) return new ConfigurationError(refusedTls, error);
  const pooler = readPoolerRefusal(error);
  if (isLoginRefused(error))
    return new ConfigurationError(
      `The ${pooler ? 'connection pooler' : 'platform database'} refuses the login: correct DB_USER and DB_PASSWORD, or those in PLATFORM_DB_URL${pooler ? ', or the logins that the pooler knows' : ''}.`,
      error,
    );
  if (isDatabaseUnknown(error))
    return new ConfigurationError(
      pooler
        ? 'The connection pooler has no database of the name in PLATFORM_DB_URL: correct it, or name the database in the pooler.'
        : 'The server has no database of the name in PLATFORM_DB_URL: correct it, or run `aether migrate bootstrap`.',
      error,
    );
  if (pooler === 'full') return new DatabaseBusy(error);
  if (pooler === 'server')
    return new DatabaseUnavailable(error, {
      code: 'database-unavailable',
      message: 'The connection pooler gets no connection to the database; its log says why. Try again in a moment.',
    });
  if (networkFailures.has(code) || driverFailure.test(error.message)) return new DatabaseUnavailable(error);
  if (!(error instanceof pg.DatabaseError)) return error;
  switch (code) {
    case '23505':
    case '23P01':
      return refuseConstraint?.(constraint, error) ?? new AlreadyExists(columnOf(error) ?? 'value', error);
    case '23503':
      return refuseConstraint?.(constraint, error) ?? new ReferenceNotFound(columnOf(error) ?? 'A field', error);
    // Only our own triggers give a hint, in words that may be shown; PostgreSQL's detail would show the row.
    case '23502':
      return new InvalidField([{ field: error.column ?? 'record', message: error.hint ?? 'is required.' }], error);
    case '23514': {
      const known = refuseConstraint?.(constraint, error);
      if (known) return known;
      // PostgreSQL gives no hint with a check; a trigger of this schema gives one in words for a person.
      return new InvalidField([{ field: columnOf(error) ?? 'record', message: error.hint ?? formOf(error) }], error);
    }
    case '42501':
      return /^\s*(insert|update|delete|merge)\b/i.test(text) ? new FieldNotOwned([], error) : error;
    case '40001':
    case '40P01':
      return new TransactionConflict(error);
    case '55P03':
    case '57014':
      return new DatabaseBusy(error);
    case '25006':
      return new DatabaseReadOnly(error);
    case '53100':
      return new DatabaseFull(error);
    case '53300': // the server, or this login, has as many connections as it may: PLATFORM_DB_POOL_MAX, <LOGIN>_CONNECTIONS, max_connections
      return new DatabaseBusy(error);
    case '25P03':
      return new DatabaseUnavailable(error);
  }
  if (dataFailures.has(code))
    return new InvalidField([{ field: columnOf(error) ?? 'record', message: 'cannot be stored in this form.' }], error);
  if (code === '08P01' && error.message.includes('startup parameter')) {
    return new ConfigurationError(
      'A connection pooler refuses the settings of the connection: behind PgBouncer set PLATFORM_DB_POOLER to transaction.',
      error,
    );
  }
  if (/^(08|53|57P)/.test(code)) return new DatabaseUnavailable(error);
  return error;
}

const unknownAuthority = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
]);

/** Why the two sides could not agree on TLS, in words for the operator; undefined if it is something else. */
function tlsRefusal({ message }: Error, code: string): string | undefined {
  if (message === 'The server does not support SSL connections')
    return 'The platform database offers no TLS, which a connection to another machine has unless the address says otherwise: set ssl = on there, or write sslmode=disable into the address if nobody else can listen on the way.';
  if (code === '28000' && /no encryption/.test(message))
    return 'The platform database takes connections with TLS only: write sslmode=verify-full into the address, or take sslmode=disable out.';
  if (unknownAuthority.has(code))
    return 'The certificate of the platform database is of an authority that is not known here: name the file of that authority with sslrootcert in the address.';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'The certificate of the platform database has ended, or does not hold yet: renew it there, and compare the clocks.';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'The certificate of the platform database is for another name than the host in the address: write the name that it has, or sslmode=verify-ca if the authority certifies nobody else.';
  if (/^ERR_(SSL|TLS|OSSL)/.test(code) || message === 'There was an error establishing an SSL connection')
    return `The platform database and this process do not agree on TLS (${code || message}): look at ssl_min_protocol_version and at the files of sslcert, sslkey and sslrootcert.`;
  return undefined;
}

/** A constraint that does not carry the name of a column says by its own name what it asks for: `ends_after_it_begins`. */
const formOf = (error: pg.DatabaseError): string =>
  columnOf(error) || !error.constraint || error.constraint.startsWith(`${error.table}_`)
    ? 'is not of the allowed form.'
    : `is not of the allowed form: ${error.constraint.replaceAll('_', ' ')}.`;

/** PostgreSQL names a column only in some refusals; otherwise its constraint carries the name: customers_account_tier_check. */
function columnOf({ column, table, constraint }: pg.DatabaseError): string | undefined {
  if (column) return column;
  if (!table || !constraint?.startsWith(`${table}_`)) return undefined;
  const name = constraint
    .slice(table.length + 1)
    .replace(/(?:^|_)(check\d*|fkey|pkey|key|idx|excl|well_formed|canonical|time|day|number|safe)$/, '');
  return name.replace(/_key$/, '') || undefined;
}
