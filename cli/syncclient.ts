import { requireOwnSession } from '@aether/platform/log';
import pg from 'pg';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readRunning } from './start/running.ts';

/** The options of every command that asks the database as sync_app. */
export type Common = { url?: string; json?: boolean };

/** A statement without an answer by then is given up, because the connection may be dead. */
const answerTimeoutMs = 60_000;

/** Runs work on a connection as sync_app, which ends with it. @throws when no database is named, or it is out of reach */
export async function asSync(options: Common, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const url = options.url ?? process.env.SYNC_APP_URL ?? readRunning()?.SYNC_APP_URL;
  if (!url) throw new Error('Which database? Give --url or SYNC_APP_URL (as sync_app), or run `npm start` first.');
  const setting = options.url ? '--url' : 'SYNC_APP_URL';
  requireDatabaseUrl(setting, url);
  await requireOwnSession(url, setting);
  const client = new pg.Client({
    connectionString: url,
    application_name: 'aether-events',
    connectionTimeoutMillis: 10_000,
    query_timeout: answerTimeoutMs,
    keepAlive: true,
  });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
