import { userInfo } from 'node:os';
import { refuseConstraint } from '@aether/platform/bulk';
import { type Connection, openClient, openConnection, readSettings, requireOwnSession } from '@aether/platform/log';
import type { Command } from 'commander';
import type pg from 'pg';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readOfLogin, readVariable, type Variables, variableOf } from './environment.ts';
import { readRunning } from './start/running.ts';

/** The options of every command that asks the database as sync_app. */
export type Common = { url?: string; json?: boolean; actor?: string };

/** Adds the options of every command that asks the database as sync_app. */
export function withCommon(command: Command, json = 'one JSON object per line', login = 'sync_app'): Command {
  return command
    .option('--url <url>', `as ${login} (or ${login.toUpperCase()}_URL); by default what npm start runs`)
    .option('--actor <who>', 'who does it, for the record (or AETHER_ACTOR); by default the user of this machine')
    .option('--json', json);
}

/** A statement without an answer by then is given up, because the connection may be dead. */
const answerTimeoutMs = 60_000;

/** Runs work on a connection as sync_app, which ends with it. @throws when no database is named, or it is out of reach */
export const asSync = (
  options: Common,
  work: (client: pg.Client) => Promise<void>,
  { answerMs = answerTimeoutMs } = {},
): Promise<void> => asLogin('sync_app', options, work, answerMs);

/** As asSync, as the login that erases people. Its statements may take long: a vacuum of a large table does. */
export const asPrivacy = (options: Common, work: (client: pg.Client) => Promise<void>): Promise<void> =>
  asLogin('privacy_app', options, work);

async function asLogin(
  login: 'sync_app' | 'privacy_app',
  options: Common,
  work: (client: pg.Client) => Promise<void>,
  answerMs?: number,
): Promise<void> {
  const actor = actorOf(options);
  const url = await findUrl(options, login);
  const client = await openClient({
    url,
    application_name: 'aether-events',
    connectionTimeoutMillis: 10_000,
    ...(answerMs && { query_timeout: answerMs }),
    keepAlive: true,
  });
  try {
    // The records of what this connection does name this actor. The command claims it and nothing proves it, so a record names the login too.
    await client.query(`select set_config('aether.actor', $1, false)`, [actor]);
    await work(client);
  } finally {
    await client.end();
  }
}

/** Runs work on a connection of platformDb's kind as sync_app, which ends with it. @throws as asSync */
export async function withSync(
  options: Common,
  work: (connection: Connection, actor: string) => Promise<void>,
): Promise<void> {
  const actor = actorOf(options);
  const connection = openConnection('sync', {
    ...readSettings({ PLATFORM_DB_URL: await findUrl(options) }),
    poolMax: 1,
    searchPath: 'sync,platform',
    refuseConstraint,
  });
  try {
    await work(connection, actor);
  } finally {
    await connection.close();
  }
}

/** @throws when no database is named, its URL cannot be read, or it is behind a transaction pooler */
async function findUrl(options: Common, login: 'sync_app' | 'privacy_app' = 'sync_app'): Promise<string> {
  const variable = variableOf(login, 'URL');
  const url = options.url ?? readOfLogin(login, 'URL') ?? readRunning()?.[variable];
  if (!url) throw new Error(`Which database? Give --url or ${variable} (as ${login}), or run \`npm start\` first.`);
  const setting = options.url ? '--url' : variable;
  requireDatabaseUrl(setting, url);
  await requireOwnSession(url, setting);
  return url;
}

/**
 * The settings that the command shares with the servers. Its environment comes first. If neither an option nor the environment names a
 * database, the settings of what `npm start` runs fill in what the environment leaves out.
 */
export function settingsOf({ url }: Common): Variables {
  return { ...(url || readOfLogin('sync_app', 'URL') ? {} : readRunning()), ...process.env };
}

/** `command:` and a name: who uses the command, by --actor, AETHER_ACTOR or the name of the machine's user. @throws if it is too long */
export function actorOf({ actor }: Common, variables?: Variables): string {
  const name = (actor ?? (readVariable('AETHER_ACTOR', variables) || nameOfUser())).trim();
  if (name === '' || name.length > 100 || /\p{Cc}/u.test(name))
    throw new Error('--actor is a name of 1 to 100 characters on one line.');
  return `command:${name}`;
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that has no name.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}
