import { createPool, openClient } from '@aether/platform/log';
import type pg from 'pg';

/** Connections of privacy_app: the one login that finds, exports and erases persons. No app has them. */
export type Privacy = {
  /**
   * Runs work on a connection of its own, in no transaction.
   *
   * @param actor who acts: a user id, or of a command `command:` and a name. Records keep it, beside the login.
   */
  with<Result>(actor: string | undefined, work: (client: pg.ClientBase) => Promise<Result>): Promise<Result>;
  /** The same on a connection beside the others, whose statements have no limit: to build an index again may take minutes. */
  alone<Result>(actor: string | undefined, work: (client: pg.Client) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
};

const connectMs = 10_000;
/** The search through the lines of all imports takes longest. */
const statementMs = 120_000;
/** An export whose reader has stopped must not hold old rows for ever. */
const idleMs = 60_000;

/**
 * Opens the login that can do nothing but what is about one person. The console has it beside its own (PRIVACY_DB_URL): a route must ask for
 * it, so that no other route can reach it by mistake.
 *
 * @param url as privacy_app
 */
export function openPrivacy(url: string, { max = 3 } = {}): Privacy {
  const pool = createPool({
    url,
    max,
    application_name: 'aether-privacy',
    connectionTimeoutMillis: connectMs,
    query_timeout: statementMs + 5_000,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    options: `-c statement_timeout=${statementMs} -c lock_timeout=10s -c idle_in_transaction_session_timeout=${idleMs}`,
  });
  pool.on('error', () => {}); // the next request opens another connection
  return {
    async with(actor, work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        await client.query(`select set_config('aether.actor', $1, false)`, [actor ?? '']);
        return await work(client);
      } catch (error) {
        broken = error as Error;
        throw error;
      } finally {
        // A connection on which something failed may be within a transaction.
        client.release(broken);
      }
    },
    async alone(actor, work) {
      const client = await openClient({
        url,
        application_name: 'aether-privacy',
        connectionTimeoutMillis: connectMs,
        keepAlive: true,
      });
      try {
        await client.query(`select set_config('aether.actor', $1, false)`, [actor ?? '']);
        return await work(client);
      } finally {
        await client.end().catch(() => {});
      }
    },
    close: () => pool.end(),
  };
}
