import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { openClient } from './client.ts';
import { ConfigurationError } from './errors.ts';

const rounds = 5;

/** How a pooler between this process and the database lends its connections: `none` if there is no pooler. */
export type Lending = 'none' | 'session' | 'transaction';

/**
 * Refuses an address that leads through a transaction pooler. A client that keeps locks, roles or settings on its connection must not
 * use one: they would stay on a connection that others share. A pooler that lends a connection for a whole session passes.
 *
 * @param setting the setting that holds the address, for the message.
 * @param answerMs how long the database, or the pooler, may take for each answer.
 * @throws ConfigurationError; and the driver's error when the database is out of reach.
 */
export async function requireOwnSession(url: string, setting: string, answerMs = 5_000): Promise<void> {
  const lending = await findLending(url, answerMs).catch((error) => {
    if (!(error instanceof SecondSessionRefused)) throw error;
    throw refuse(setting, `answers "${error.message}" to a second session`, error.cause);
  });
  if (lending === 'transaction') throw refuse(setting, 'lends its connections for a transaction at a time');
}

/**
 * Finds out how the connections at an address are lent.
 *
 * A server without a pooler says at login which process serves the connection, and the session says the same. A pooler reports a
 * number of its own. In that case two sessions are compared: they share a server process only if the pooler lends it for each
 * transaction.
 *
 * @throws SecondSessionRefused when there is a pooler that takes no second session; and the driver's error when the first is refused.
 */
export async function findLending(url: string, answerMs = 5_000): Promise<Lending> {
  const session = await connect(url, answerMs);
  try {
    if ((await processOf(session)) === (session as unknown as { processID: number | null }).processID) return 'none';
    const isShared = await watch(session, url, answerMs).catch((error) => {
      throw new SecondSessionRefused(error);
    });
    return isShared ? 'transaction' : 'session';
  } finally {
    await close(session);
  }
}

/** A pooler has no connection for a second session, so that nothing is known of how it lends them. */
export class SecondSessionRefused extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function refuse(setting: string, what: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `${setting} leads through a connection pooler that ${what}: locks and roles could stay on connections that others use. ` +
      'Give the address of PostgreSQL itself.',
    cause,
  );
}

async function watch(session: pg.Client, url: string, answerMs: number): Promise<boolean> {
  const other = await connect(url, answerMs);
  try {
    for (let round = 0; round < rounds; round++) if (await doShare(session, other)) return true;
    return false;
  } finally {
    await close(other);
  }
}

/**
 * Whether one session gets several processes, or two sessions get the same one. A pooler that lends the most recently returned process
 * lends it to the other session; a pooler that lends them in turn gives the first session another one for its next question.
 */
async function doShare(session: pg.Client, other: pg.Client): Promise<boolean> {
  const process = await processOf(session);
  if ((await processOf(session)) !== process) return true;
  await other.query('begin');
  try {
    return (await processOf(other)) === process || (await processOf(session)) !== process;
  } finally {
    await other.query('rollback');
  }
}

async function processOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
  return rows[0]?.pid as number;
}

const connect = (url: string, answerMs: number): Promise<pg.Client> =>
  openClient({
    url,
    application_name: 'aether-session',
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
  });

/** Waits a moment for the connection to close, and no longer: the line may have gone silent. */
async function close(client: pg.Client): Promise<void> {
  await Promise.race([client.end().catch(() => {}), sleep(1_000, undefined, { ref: false })]);
}
