import net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import pg from 'pg';
import { hasPasswordSource } from './address.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import { createPool, isLoginRefused, PoolEnded } from './client.ts';
import { DatabaseBusy, DatabaseUnavailable } from './errors.ts';
import { type RefuseConstraint, translateRefusal } from './refusals.ts';
import type { Settings } from './settings.ts';

/** A query as the driver takes it. */
export type DriverQuery = {
  text: string;
  values?: unknown[] | undefined;
  name?: string;
  rowMode?: 'array';
  /** Runs exactly one statement, also without parameters. */
  queryMode?: 'extended';
  query_timeout?: number;
  types?: pg.CustomTypesConfig;
};

/** waiting: calls that wait for a connection. waitMsMax: how long each waits at most, in milliseconds. */
export type PoolState = { max: number; inUse: number; idle: number; waiting: number; waitMsMax: number };

export type Pool = {
  /** @throws DatabaseBusy when all connections are in use, DatabaseUnavailable, ConfigurationError */
  connect(wish?: { isShort?: boolean | undefined }): Promise<pg.PoolClient>;
  state(): PoolState;
  /** Whether somebody waits for a connection in use: who holds one gives it back as soon as he can. */
  isAwaited(): boolean;
  /** Whether all are being closed, and nobody gets one any more. */
  isClosing(): boolean;
  /** The certificate of the connection that was opened last; undefined before the first one. */
  certificate(): Certificate | undefined;
  /** Settles when every connection is closed. Work still running after so many milliseconds is cut off. */
  close(withinMs: number): Promise<void>;
};

/** The operating system notices within half a minute that the peer of an idle connection has vanished. */
export const keptAlive = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };
const timerMaxMs = 2 ** 31 - 1;
/** For short statements while all other connections are in use. */
const laneMax = 2;
/** The server takes no more connections of this login: for so long the pool makes do with those that it has. */
const makeDoMs = 1_000;
/** How long an idle connection is kept: a new one costs a hundred times what a query does, and its first queries cost much again. */
const idleMs = 60_000;

/** The limit in the driver's terms; 0 would mean the driver's own default. */
export function toDriverLimit(timeoutMs: number): number {
  return Math.min(timeoutMs, timerMaxMs);
}

/** How every connection reads values. */
export const valueTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8) return parseBigint;
    if (oid === pg.types.builtins.DATE) return (text: string) => text;
    if (oid === pg.types.builtins.JSON || oid === pg.types.builtins.JSONB) return parseJson;
    if (oid === pg.types.builtins.TIMESTAMPTZ && format !== 'binary') return parseTimestamp;
    return pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

function parseBigint(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** Parts of JSON that the runtime has and the compiler's library does not know yet. */
const exactJson = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): object;
};

/** JavaScript's numbers hold all of fifteen digits. */
const safeDigits = 15;

/**
 * Whether a text of JSON may have a number with more digits than JavaScript's numbers hold. Each point is looked at on its own: an expression for all
 * places where it may stand between the digits takes three times as long.
 */
export function mayBeRounded(text: string): boolean {
  if (/\d{16}/.test(text)) return true;
  for (let point = text.indexOf('.'); point >= 0; point = text.indexOf('.', point + 1)) {
    let start = point;
    while (isDigit(text, start - 1)) start--;
    let end = point + 1;
    while (isDigit(text, end)) end++;
    if (end - start - 1 > safeDigits) return true;
  }
  return false;
}

const isDigit = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
};

/**
 * JSON from the database. A number with more digits than JavaScript's numbers hold becomes an object of JSON.rawJSON, which an answer or
 * another write gives on digit by digit. Texts without so many digits in a row, which are nearly all, are parsed as usual; as well as those that
 * are nested so deep, some two thousand times, that the engine can do no more: one event must not end the reading of all.
 */
export function parseJson(text: string): unknown {
  if (!mayBeRounded(text)) return JSON.parse(text);
  try {
    return exactJson.parse(text, (_, value, { source }) =>
      typeof value === 'number' && source !== undefined && isRounded(value, source) ? exactJson.rawJSON(source) : value,
    );
  } catch (error) {
    if (error instanceof RangeError) return JSON.parse(text);
    throw error;
  }
}

/**
 * Every number of fifteen digits is exact, unless it is too large or too small for the runtime. A longer one is if the runtime writes the same
 * digits: PostgreSQL writes 1.5e-7 as 0.00000015.
 */
function isRounded(value: number, source: string): boolean {
  const digits = digitsOf(source);
  const isExact = digits.length <= safeDigits && Math.abs(value) >= normalMin;
  return !Number.isFinite(value) || (!isExact && digitsOf(String(value)) !== digits);
}
/** Smaller numbers have fewer digits. */
const normalMin = 2 ** -1022;

/** Those that count: without the zeros at both ends, and without an exponent. */
const digitsOf = (number: string): string =>
  number
    .replace(/e.*$/i, '')
    .replace(/\D/g, '')
    .replace(/^0+|0+$/g, '');

const parseAnyTimestamp = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date | number;
const ordinaryTimestamp = /^[12]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d$/;

/**
 * Gives the driver's result in a fraction of the time: the dates of a row were a tenth of what a coalesced lookup costs the client. The driver
 * still parses other years (the engine takes 0099 for 1999), minutes in the offset, and infinity.
 */
export function parseTimestamp(text: string): Date | number {
  if (!ordinaryTimestamp.test(text)) return parseAnyTimestamp(text);
  const sign = text.length - 3;
  const offset = text[sign] === '-' ? -digitsAt(text, sign + 1) : digitsAt(text, sign + 1);
  let ms = 0; // what is behind them is cut off
  for (let at = 20; at < 23; at++) ms = ms * 10 + (at < sign ? text.charCodeAt(at) - 48 : 0);
  const year = digitsAt(text, 0) * 100 + digitsAt(text, 2);
  return new Date(
    Date.UTC(
      year,
      digitsAt(text, 5) - 1,
      digitsAt(text, 8),
      digitsAt(text, 11) - offset,
      digitsAt(text, 14),
      digitsAt(text, 17),
      ms,
    ),
  );
}

/** A number of two digits. */
function digitsAt(text: string, at: number): number {
  return text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
}

export type PoolOptions = Settings & { searchPath: string; refuseConstraint?: RefuseConstraint };

const closing = {
  code: 'database-unavailable',
  message: 'This process closes its connections to the database. Try again in a moment.',
};

/** The driver has waited in vain, for a free connection or for a new one. */
const isTimeout = (error: unknown): boolean => error instanceof Error && /timeout/.test(error.message);

/** The connections of a process under one login. Nothing is opened until the first query. */
export function openPool(
  app: string,
  { url, searchPath, pooler, poolMax, queryTimeoutMs, connectTimeoutMs, refuseConstraint }: PoolOptions,
): Pool {
  const sockets = new Set<net.Socket>();
  const isReread = hasPasswordSource(url);
  const options = {
    url,
    types: valueTypes,
    application_name: `aether-${app}`,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: toDriverLimit(queryTimeoutMs),
    idleTimeoutMillis: idleMs,
    // Statements of one transaction may be sent before the ones before them are answered. A pooler may take the connection away with the
    // answer to the first.
    pipeline: pooler !== 'transaction',
    ...keptAlive,
    stream: () => {
      const socket = new net.Socket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
    ...(pooler === 'transaction' ? {} : { options: `-c search_path=${searchPath}` }),
  };
  const pool = createPool({ ...options, max: poolMax });
  const lane = createPool({ ...options, max: laneMax });
  const open = new Map<pg.Pool, Set<pg.PoolClient>>();
  let certificate: Certificate | undefined;
  for (const each of [pool, lane]) {
    const clients = new Set<pg.PoolClient>();
    open.set(each, clients);
    each.on('connect', (client) => {
      certificate = readCertificate(client);
      clients.add(client);
    });
    each.on('remove', (client) => clients.delete(client));
    each.on('error', () => {}); // an idle connection was cut; the pool has dropped it, and the next query opens another
  }

  function refuse(error: unknown): unknown {
    // Only a caller that waits for a connection in use gets this text: a new connection that cannot be opened has another text.
    if (!(error instanceof Error) || error.message !== 'timeout exceeded when trying to connect')
      return translateRefusal(error, { refuseConstraint });
    const inUse = `All ${poolMax} connections of this process are in use, and none was free within ${connectTimeoutMs} ms. Was a call inside a transaction not given its tx? Else raise PLATFORM_DB_POOL_MAX.`;
    return new DatabaseBusy(new Error(inUse, { cause: error }));
  }

  let isClosing = false;

  async function connectTo(from: pg.Pool): Promise<pg.PoolClient> {
    if (isClosing) throw new DatabaseUnavailable(undefined, closing);
    const endsAt = performance.now() + connectTimeoutMs;
    for (let isAgain = false; ; isAgain = true) {
      try {
        return await connectNow(from);
      } catch (error) {
        if (error instanceof PoolEnded) throw new DatabaseUnavailable(error, closing);
        // A password that was replaced meanwhile is read again.
        if (!isAgain && isReread && isLoginRefused(error)) continue;
        if (isClosing || performance.now() > endsAt || isTimeout(error) || !makeDo(from)) throw refuse(error);
      }
    }
  }

  /** A call that need not wait starts no timer: see queryNamed. */
  function connectNow(from: pg.Pool): Promise<pg.PoolClient> {
    if (from.idleCount <= from.waitingCount) return from.connect();
    const limited = from.options as { connectionTimeoutMillis: number };
    limited.connectionTimeoutMillis = 0;
    const client = from.connect();
    limited.connectionTimeoutMillis = connectTimeoutMs;
    return client;
  }

  let makingDo: NodeJS.Timeout | undefined;
  /** Lets calls wait for the connections that are open, as a new one was refused. @returns whether there are any */
  function makeDo(from: pg.Pool): boolean {
    const count = open.get(from)?.size ?? 0;
    if (count === 0 || from !== pool) return false;
    (pool.options as { max: number }).max = count;
    clearTimeout(makingDo);
    makingDo = setTimeout(() => {
      (pool.options as { max: number }).max = poolMax;
    }, makeDoMs).unref();
    return true;
  }

  return {
    async connect({ isShort = false } = {}) {
      // An idle connection is given to who waits for it at the next tick.
      const isFull = pool.idleCount <= pool.waitingCount && pool.totalCount >= pool.options.max;
      // If the lane cannot be opened, the call waits with the others.
      const beside = isShort && isFull ? await connectTo(lane).catch(() => undefined) : undefined;
      return beside ?? connectTo(pool);
    },
    state: () => ({
      max: poolMax,
      inUse: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      waitMsMax: connectTimeoutMs,
    }),
    isAwaited: () => [pool, lane].some((each) => each.waitingCount > each.idleCount),
    isClosing: () => isClosing,
    certificate: () => certificate,
    async close(withinMs) {
      isClosing = true;
      const cut = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
        cut.resolve();
      }, withinMs);
      clearTimeout(makingDo);
      const closed = (async () => {
        await setImmediate(); // the driver gives connections away at the next tick; who still waits then is refused
        await Promise.all([pool.end(), lane.end()]);
        await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
      })();
      await Promise.race([closed, cut.promise]).finally(() => clearTimeout(timer));
    },
  };
}
