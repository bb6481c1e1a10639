import { randomBytes } from 'node:crypto';
import {
  bootstrap,
  compareSnapshot,
  describeRun,
  giveBack,
  type Login,
  lintSchema,
  listBehind,
  listRoleless,
  loginNames,
  migrate,
  migrationState,
  type Passwords,
  type PastMigration,
  urlFor,
  withMigrator,
} from '@aether/database';
import { driverOf, isClear, requireOwnSession } from '@aether/platform/log';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readConnections, readOfLogin, readVariable } from './environment.ts';
import { formatLine, type KnownPasswords, readLoginsFile, writeLoginsFile } from './loginsfile.ts';
import { readRunning } from './start/running.ts';

/**
 * The migrator holds a lock and the owner's role on its connection. Neither may stay on a connection that others use.
 */
const addressName = 'The address of the migrator (--url or PLATFORM_MIGRATOR_URL)';

/** The owner's connection: the given one, otherwise that of `npm start`. @throws if there is neither */
export function migratorUrl(given: string | undefined): string {
  const url = given || readOfLogin('platform_migrator', 'URL') || readRunning()?.PLATFORM_MIGRATOR_URL;
  if (!url)
    throw new Error(
      'Which database? Give --url or PLATFORM_MIGRATOR_URL (as platform_migrator), or run `npm start` first.',
    );
  return requireDatabaseUrl(given ? '--url' : 'PLATFORM_MIGRATOR_URL', url);
}

/**
 * `aether migrate bootstrap`: makes roles, logins and the database, and gives the addresses of the logins: into a file, or to standard output
 * for a secret store. An existing login keeps its password, which cannot be read: its line is the one that the file has, or missing.
 */
export async function bootstrapServer({
  adminUrl,
  database,
  newPasswords,
  clearText = false,
  to,
}: {
  adminUrl: string | undefined;
  database: string;
  newPasswords: boolean;
  clearText?: boolean;
  to?: string;
}): Promise<void> {
  const { url, setting } = findAdministrator(adminUrl, clearText);
  const addressOf = (login: string, password: string) => urlFor(withoutAdministrator(url), login, password, database);
  const known: KnownPasswords = to ? await readLoginsFile(to, addressOf('platform_migrator', '')) : {};
  await requireOwnSession(url, setting);
  const random = mapLogins(() => randomBytes(24).toString('base64url'));
  const chosen = mapLogins((login) => readOfLogin(login, 'PASSWORD') || undefined);
  const file = to ? writeLoginsFile(to) : undefined;
  // Lines of other logins, as of an app that was added, stay.
  const describe = (set: KnownPasswords) =>
    [...new Set([...loginNames, ...Object.keys(known)])]
      .map((login) => ({ login, password: set[login] ?? known[login] }))
      .map(({ login, password }) => (password ? formatLine(login, addressOf(login, password)) : ''))
      .join('');
  const set = await bootstrap(driverOf(url), {
    database,
    passwords: newPasswords ? { ...random, ...withoutEmpty(chosen) } : withoutEmpty(chosen),
    passwordsOfNew: random,
    connections: readConnections(),
    onPasswords: async (given) => file?.prepare(describe(given)),
    onProgress: (line) => console.error(line),
  }).catch((error) => {
    const left = file?.left();
    if (left === undefined) throw error;
    // The answer to the commit may be lost although it was one.
    throw new Error(
      `${error.message} The new passwords may be valid already: ${left} has them. Keep it until you know, and run it again.`,
      { cause: error },
    );
  });
  await file?.publish();
  console.error(`Roles, logins and the database ${database} are ready. Next: aether migrate up.`);
  if (to) console.error(`${to} has the addresses of the logins; nobody else may read it, and there is no other copy.`);
  else if (Object.keys(set).length > 0) console.log(describe(set).trimEnd());
  const kept = loginNames.filter((login) => !set[login]);
  const lost = kept.filter((login) => !known[login]);
  if (kept.length > 0)
    console.error(
      `${kept.join(', ')} ${kept.length === 1 ? 'was' : 'were'} there and kept the password they have` +
        `${lost.length > 0 ? `, which cannot be read: there is no line for ${lost.join(', ')}` : ''}. ` +
        '--new-passwords gives new ones, and <LOGIN>_PASSWORD those that you choose; what runs on the old ones is then cut off.',
    );
}

/**
 * The administrator's address: the given one, otherwise PLATFORM_ADMIN_URL or that of `npm start`.
 *
 * @throws Error if there is none, it cannot be read, or passwords would go over it in clear text and nobody has asked for that
 */
export function findAdministrator(
  adminUrl: string | undefined,
  clearText: boolean,
  running?: string,
): { url: string; setting: string } {
  const url = adminUrl || readVariable('PLATFORM_ADMIN_URL') || running;
  if (!url)
    throw new Error('Which server? Give --admin-url or PLATFORM_ADMIN_URL: a login with CREATEROLE and CREATEDB.');
  const setting = adminUrl ? '--admin-url' : 'PLATFORM_ADMIN_URL';
  requireDatabaseUrl(setting, url);
  if (isClear(url) && !clearText)
    throw new Error(
      `${setting} has sslmode=disable, so that the passwords of all logins could be read on the way. ` +
        `Take it out, or add --clear-text if nobody can listen there.`,
    );
  return { url, setting };
}

/** The server's address without what is the administrator's own. */
export function withoutAdministrator(address: string): string {
  const url = new URL(address);
  const own = ['user', 'password', 'sslcert', 'sslkey', 'password_file', 'password_command', 'password_module'];
  for (const name of own) url.searchParams.delete(name);
  return url.href;
}

const mapLogins = <T>(work: (login: Login) => T) =>
  Object.fromEntries(loginNames.map((login) => [login, work(login)])) as Record<Login, T>;

const withoutEmpty = (passwords: Partial<Passwords>): Partial<Passwords> =>
  Object.fromEntries(Object.entries(passwords).filter(([, password]) => password !== undefined));

export async function migrateUp(url: string): Promise<void> {
  await requireOwnSession(url, addressName);
  const applied = await migrate(driverOf(url), { onProgress: (line) => console.log(line) });
  console.log(applied.length === 0 ? 'Up to date.' : `${applied.length} applied.`);
  const { newer } = await migrationState(driverOf(url));
  if (newer.length > 0) console.log(describeNewer(newer));
}

/** After the code was rolled back: the migrations stay, because they are made so that the version before them runs on. */
const describeNewer = (newer: PastMigration[]): string =>
  `The database is newer than these files, by ${newer.map(({ number, name }) => `migration ${number} (${name})`).join(', ')}: ` +
  'this version runs on it, and nothing is taken back.';

/**
 * `aether migrate restored`.
 *
 * @returns what is not as it was: a sequence that repeats numbers, an app without its role; undefined if nothing is.
 */
export async function completeRestore(url: string): Promise<'repeats' | 'roleless' | undefined> {
  await requireOwnSession(url, addressName);
  const given = await giveBack(driverOf(url));
  console.log(
    given.length === 0 ? 'Every function has its owner.' : `${given.length} functions were given back to their owners.`,
  );
  const behind = await listBehind(driverOf(url));
  for (const { sequence, next, column, highest } of behind)
    console.error(
      `${sequence} would give ${next} next, and ${column} has ${highest}: restore it with its dump, or set it with setval before an app starts.`,
    );
  if (behind.length === 0) console.log('Every sequence goes on where the rows end.');
  const roleless = await listRoleless(driverOf(url));
  for (const { app, role } of roleless)
    console.error(
      `The role ${role} of the app ${app} is not on this server, so that its policies and grants were not restored: ` +
        `restore into a new database after \`create role ${role} nologin\` as the administrator, then \`aether app add ${app}\`.`,
    );
  console.log('Erase again whom the backup still has, before an app starts: aether privacy repeat (docs/backup.md).');
  if (behind.length > 0) return 'repeats';
  return roleless.length > 0 ? 'roleless' : undefined;
}

export async function printStatus(url: string): Promise<void> {
  await requireOwnSession(url, addressName);
  const { applied, pending } = await migrationState(driverOf(url));
  console.log(`${applied.length} applied, ${pending.length} to run.`);
  for (const { number, name, duration_ms, locks, breaks_apps_below } of applied) {
    const run = describeRun({ durationMs: duration_ms, locks, breaksAppsBelow: breaks_apps_below });
    console.log(`  ${number} ${name}: ${run}`);
  }
  for (const { number, name, isAlone, breaksAppsBelow } of pending) {
    const alone = isAlone ? ', outside of a transaction' : '';
    const breaks = breaksAppsBelow === null ? '' : `, breaks apps made for less than migration ${breaksAppsBelow}`;
    console.log(`  ${number} ${name}: to run${alone}${breaks}`);
  }
}

/**
 * `aether migrate check`.
 *
 * @returns whether the database agrees with these files (nothing pending, nothing edited, no drift) and keeps the house
 *   rules, including those about logins.
 */
export async function checkDatabase(url: string): Promise<boolean> {
  await requireOwnSession(url, addressName);
  const database = driverOf(url);
  const { pending, newer } = await migrationState(database);
  if (newer.length > 0) {
    console.error(`${describeNewer(newer)} Its schema is compared by the files that it was migrated with.`);
    return false;
  }
  if (pending.length > 0) {
    console.error(`${pending.length} migrations are still to run: aether migrate up.`);
    return false;
  }
  const difference = await compareSnapshot(database);
  if (difference) console.error(`The schema is not the one of database/schema.sql:\n${difference}`);
  const findings = await withMigrator(database, lintSchema);
  for (const { lint, object, remedy } of findings) console.error(`${lint}: ${object}. ${remedy}`);
  if (difference || findings.length > 0) return false;
  console.log('The schema is the one of database/schema.sql, and no login can do more than its role.');
  return true;
}
