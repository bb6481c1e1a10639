import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { bootstrap } from '../bootstrap.ts';
import { type Login, loginNames, type Passwords, urlFor } from '../rights/logins.ts';
import { type EmbeddedServer, removeEmbedded, startEmbedded } from './embedded.ts';
import { readSecret } from './secret.ts';

export type LocalServer = {
  server: EmbeddedServer;
  /** The administrator. It is not a superuser, so it has the same rights as on a hosted server. */
  adminUrl: string;
  urlOf(login: Login, database?: string): string;
};

/**
 * Starts a local PostgreSQL and bootstraps it like a hosted one: the superuser makes an administrator, and the
 * administrator makes the roles and the database.
 *
 * @param folder holds the data and the secret from which every password is derived; created when missing.
 * @param onRunning as for startEmbedded
 */
export async function startLocal(options: {
  folder: string;
  database: string;
  port?: number;
  settings?: Record<string, string>;
  onProgress?: (line: string) => void;
  onRunning?: () => void;
}): Promise<LocalServer> {
  const { folder, database, ...serverOptions } = options;
  const secret = await readSecret(folder);
  const passwordOf = (login: string) => createHmac('sha256', secret).update(login).digest('base64url');
  const server = await startEmbedded({
    ...serverOptions,
    folder: join(folder, 'postgres'),
    password: passwordOf('postgres'),
  });
  const adminUrl = urlFor(server.superuserUrl('postgres'), 'aether_admin', passwordOf('aether_admin'));
  const passwords = Object.fromEntries(loginNames.map((login) => [login, passwordOf(login)])) as Passwords;
  try {
    await createAdministrator(server.superuserUrl('postgres'), passwordOf('aether_admin'));
    await bootstrap(adminUrl, { database, passwords, onProgress: options.onProgress });
  } catch (error) {
    if (!server.adopted) await server.stop();
    throw error;
  }
  return { server, adminUrl, urlOf: (login, other = database) => urlFor(adminUrl, login, passwords[login], other) };
}

/** Stops the server that `startLocal` started in this folder and deletes its data, but not the secret. */
export async function removeLocal(folder: string): Promise<void> {
  await removeEmbedded(join(folder, 'postgres'));
}

async function createAdministrator(superuserUrl: string, password: string): Promise<void> {
  const superuser = new pg.Client({
    connectionString: superuserUrl,
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
  });
  await superuser.connect();
  try {
    const { rowCount } = await superuser.query(`select from pg_roles where rolname = 'aether_admin'`);
    if (rowCount === 0) await superuser.query('create role aether_admin login createdb createrole');
    await superuser.query(`alter role aether_admin password ${pg.escapeLiteral(password)}`);
  } finally {
    await superuser.end();
  }
}
