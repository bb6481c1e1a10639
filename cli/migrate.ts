import { randomBytes } from 'node:crypto';
import {
  bootstrap,
  compareSnapshot,
  describeRun,
  type Login,
  lintSchema,
  loginNames,
  migrate,
  migrationState,
  type Passwords,
  urlFor,
  withMigrator,
} from '@aether/database';
import { driverOf, requireOwnSession } from '@aether/platform/log';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readRunning } from './start/running.ts';

/**
 * The migrator holds a lock and the owner's role on its connection. Neither may stay on a connection that others use.
 */
const addressName = 'The address of the migrator (--url or PLATFORM_MIGRATOR_URL)';

/** The owner's connection: the given one, otherwise that of `npm start`. @throws if there is neither */
export function migratorUrl(given: string | undefined): string {
  const url = given || process.env.PLATFORM_MIGRATOR_URL || readRunning()?.PLATFORM_MIGRATOR_URL;
  if (!url)
    throw new Error(
      'Which database? Give --url or PLATFORM_MIGRATOR_URL (as platform_migrator), or run `npm start` first.',
    );
  return requireDatabaseUrl(given ? '--url' : 'PLATFORM_MIGRATOR_URL', url);
}

/**
 * `aether migrate bootstrap`: prints the connection strings of the logins to standard output, for a file or a secret
 * store. An existing login keeps its password, which cannot be read, so its line shows `PASSWORD` instead.
 */
export async function bootstrapServer({
  adminUrl,
  database,
  newPasswords,
}: {
  adminUrl: string | undefined;
  database: string;
  newPasswords: boolean;
}): Promise<void> {
  const url = adminUrl || process.env.PLATFORM_ADMIN_URL;
  if (!url)
    throw new Error('Which server? Give --admin-url or PLATFORM_ADMIN_URL: a login with CREATEROLE and CREATEDB.');
  requireDatabaseUrl(adminUrl ? '--admin-url' : 'PLATFORM_ADMIN_URL', url);
  await requireOwnSession(url, adminUrl ? '--admin-url' : 'PLATFORM_ADMIN_URL');
  const random = mapLogins(() => randomBytes(24).toString('base64url'));
  const chosen = mapLogins((login) => process.env[`${login.toUpperCase()}_PASSWORD`] || undefined);
  const set = await bootstrap(driverOf(url), {
    database,
    passwords: newPasswords ? { ...random, ...withoutEmpty(chosen) } : withoutEmpty(chosen),
    passwordsOfNew: random,
    onProgress: (line) => console.error(line),
  });
  const kept = loginNames.filter((login) => !set[login]);
  console.error(`Roles, logins and the database ${database} are ready. Next: aether migrate up.`);
  if (kept.length > 0)
    console.error(
      `${kept.join(', ')} ${kept.length === 1 ? 'was' : 'were'} there and kept the password they have. ` +
        '--new-passwords gives new ones, and <LOGIN>_PASSWORD those that you choose; what runs on the old ones is then cut off.',
    );
  for (const login of loginNames)
    console.log(`${login.toUpperCase()}_URL=${urlFor(url, login, set[login] ?? 'PASSWORD', database)}`);
}

const mapLogins = <T>(work: (login: Login) => T) =>
  Object.fromEntries(loginNames.map((login) => [login, work(login)])) as Record<Login, T>;

const withoutEmpty = (passwords: Partial<Passwords>): Partial<Passwords> =>
  Object.fromEntries(Object.entries(passwords).filter(([, password]) => password !== undefined));

export async function migrateUp(url: string): Promise<void> {
  await requireOwnSession(url, addressName);
  const applied = await migrate(driverOf(url), { onProgress: (line) => console.log(line) });
  console.log(applied.length === 0 ? 'Up to date.' : `${applied.length} applied.`);
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
  const { pending } = await migrationState(database);
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
