import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedServer, startEmbedded, stopEmbedded } from './embedded.ts';
import { readSecret } from './secret.ts';

/** A PostgreSQL of an app that shares no database with the platform. */
export type OwnServer = {
  server: EmbeddedServer;
  /** The database as the login that owns it. Both have the app's name. */
  url: string;
};

const settings = { shared_buffers: '32MB', max_connections: '60' };

/**
 * Starts a PostgreSQL for one app alone, with a database and a login of the app's name. Nothing of the platform is in it.
 *
 * @param folder holds its data and the secret of its passwords; created when missing. `removeLocal` removes the data.
 */
export async function startOwnServer(options: {
  folder: string;
  app: string;
  port: number;
  onProgress?: (line: string) => void;
}): Promise<OwnServer> {
  const { folder, app, port, onProgress } = options;
  const secret = await readSecret(folder);
  const passwordOf = (login: string) => createHmac('sha256', secret).update(login).digest('base64url');
  const server = await startEmbedded({
    folder: join(folder, 'postgres'),
    password: passwordOf('postgres'),
    port,
    settings,
    ...(onProgress && { onProgress }),
  });
  try {
    await createDatabase(server.superuserUrl(), app, passwordOf(app));
  } catch (error) {
    if (!server.adopted) await server.stop();
    throw error;
  }
  const url = new URL(server.superuserUrl(app));
  return { server, url: Object.assign(url, { username: app, password: passwordOf(app) }).href };
}

/** Stops the server of this folder if a process that was killed has left one. */
export const stopOwnServer = (folder: string): Promise<void> => stopEmbedded(join(folder, 'postgres'));

async function createDatabase(superuserUrl: string, app: string, password: string): Promise<void> {
  const superuser = new pg.Client({
    connectionString: superuserUrl,
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
  });
  await superuser.connect();
  try {
    const [name, secret] = [pg.escapeIdentifier(app), pg.escapeLiteral(password)];
    const { rowCount: logins } = await superuser.query('select from pg_roles where rolname = $1', [app]);
    await superuser.query(`${logins === 0 ? 'create' : 'alter'} role ${name} login password ${secret}`);
    const { rowCount: databases } = await superuser.query('select from pg_database where datname = $1', [app]);
    if (databases === 0) await superuser.query(`create database ${name} owner ${name}`);
  } finally {
    await superuser.end();
  }
}
