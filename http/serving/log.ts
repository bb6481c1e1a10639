import { readCause } from '@aether/platform';
import { type DestinationStream, type Logger, pino } from 'pino';
import { traceIdOf } from './trace.ts';

export type Log = Logger;

/** A value under one of these names, up to three levels down, is replaced in the log. */
const personalFields = [
  'address',
  'addresses',
  'authorization',
  'body',
  'cookie',
  'connectionString',
  'description',
  'email',
  'emails',
  'headers',
  'metadata',
  'name',
  'params',
  'parameters',
  'password',
  'phone',
  'phone_key',
  'phones',
  'query',
  'search',
  'secret',
  'text',
  'token',
  'url',
  'values',
  'visitorToken',
];

/**
 * A logger of JSON lines on stdout, each with the trace id of its request. LOG_LEVEL sets the level: trace, debug, info
 * (default), warn, error, fatal, silent. Entries hold no personal data: known fields are replaced, and errors keep only
 * parts that cannot hold a value.
 */
export function createLog(app: string, destination?: DestinationStream): Logger {
  const level = process.env.LOG_LEVEL || 'info';
  if (level !== 'silent' && !(level in pino.levels.values)) {
    throw new Error(`LOG_LEVEL is "${level}"; set it to one of ${Object.keys(pino.levels.values).join(', ')}, silent.`);
  }
  const options = {
    level,
    base: { app, pid: process.pid },
    redact: { paths: personalFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' },
    serializers: { err: serializeError },
    mixin() {
      const { trace } = readCause();
      return trace === undefined ? {} : { trace: traceIdOf(trace) };
    },
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * The parts of a database error that name objects and hold no values. `detail` and `where` quote rows, so they are left
 * out.
 */
const safeParts = ['code', 'severity', 'schema', 'table', 'column', 'constraint', 'routine'] as const;

const causesMax = 5;

function serializeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const parts = error as unknown as Record<string, unknown>;
  return {
    type: error.constructor.name,
    message: removeValues(error.message),
    ...Object.fromEntries(
      safeParts.filter((part) => typeof parts[part] === 'string').map((part) => [part, parts[part]]),
    ),
    stack: error.stack
      ?.split('\n')
      .filter((row) => /^\s+at /.test(row))
      .join('\n'),
    ...(error.cause !== undefined && depth < causesMax && { cause: serializeError(error.cause, depth + 1) }),
  };
}

/** Messages quote input: `invalid input syntax for type uuid: "…"`. Quoted names of tables and columns stay. */
function removeValues(message: string): string {
  return message
    .replace(/(: *)?(?<!\w)(["'`])(.*?)\2(?!\w)/gs, (quoted, colon, _mark, value) =>
      !colon && /^[a-z_][a-z0-9_.]{0,62}$/.test(value) ? quoted : `${colon ?? ''}"…"`,
    )
    .replace(/[^\s"'<>()]+@[^\s"'<>()]+/g, '…@…');
}
