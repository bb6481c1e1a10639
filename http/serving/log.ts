import { readCause } from '@aether/platform';
import { type DestinationStream, type Logger, pino } from 'pino';
import { traceIdOf } from './trace.ts';

export type Log = Logger;

/** A value under one of these names, up to three levels down, is replaced in the log. */
const personalFields = new Set([
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
]);
const levelsMax = 3;

/**
 * A logger of JSON lines on stdout, each with the trace id of its request. LOG_LEVEL sets the level: trace, debug, info
 * (default), warn, error, fatal, silent. Entries hold no personal data: known fields are replaced, and errors keep only
 * parts that cannot hold a value.
 */
export function createLog(app: string, destination?: DestinationStream): Logger {
  const options = {
    level: readLogLevel(process.env),
    base: { app, pid: process.pid },
    serializers: { err: serializeError },
    formatters: { log: (entry: Record<string, unknown>) => hidePersonal(entry) },
    mixin() {
      const { trace } = readCause();
      return trace === undefined ? {} : { trace: traceIdOf(trace) };
    },
  };
  const log = destination ? pino(options, destination) : pino(options);
  const { child, setBindings } = log;
  log.child = function childWithoutPersonal(this: Logger, bindings, options) {
    return child.call(this, hidePersonal(bindings), options);
  } as typeof child;
  log.setBindings = function setWithoutPersonal(this: Logger, bindings) {
    setBindings.call(this, hidePersonal(bindings));
  };
  return log;
}

/** Reads LOG_LEVEL. Pure. @throws Error naming the variable */
export function readLogLevel(variables: Record<string, string | undefined>): string {
  const level = variables.LOG_LEVEL || 'info';
  if (level === 'silent' || level in pino.levels.values) return level;
  throw new Error(`LOG_LEVEL is "${level}"; set it to one of ${Object.keys(pino.levels.values).join(', ')}, silent.`);
}

/**
 * A copy with the personal fields replaced; the same object if it has none. pino's `redact` copies every entry for each of its paths:
 * that was two fifths of all the memory that a request took, and its collection delayed messages of a chat.
 */
function hidePersonal<Value extends object>(value: Value, level = 1): Value {
  let copy: Record<string, unknown> | undefined;
  for (const [field, held] of Object.entries(value)) {
    const kept = hideField(field, held, level);
    if (kept === held) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[field] = kept;
  }
  return (copy as Value | undefined) ?? value;
}

function hideField(field: string, held: unknown, level: number): unknown {
  if (personalFields.has(field)) return held === undefined ? held : '[redacted]';
  if (typeof held !== 'object' || held === null) return held;
  if (held instanceof Error) return field === 'err' && level === 1 ? held : serializeError(held); // `err` has its serializer
  const shown = 'toJSON' in held ? toJson(held) : held;
  return typeof shown === 'object' && shown !== null && level < levelsMax ? hidePersonal(shown, level + 1) : shown;
}

/** What JSON would show of it. A failure is left to the writing of the entry, which says so there. */
function toJson(held: { toJSON?: unknown }): unknown {
  try {
    return typeof held.toJSON === 'function' ? held.toJSON() : held;
  } catch {
    return held;
  }
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
