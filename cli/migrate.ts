import { randomBytes } from 'node:crypto';
import {
  bootstrap,
  compareSnapshot,
  loginNames,
  migrate,
  migrationState,
  type Passwords,
  urlFor,
} from '@aether/database';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readRunning } from './running.ts';

/** The owner's connection: the one given, else that of what `npm start` runs. @throws when there is neither */
export function migratorUrl(given: string | undefined): string {
  const url = given ?? process.env.PLATFORM_MIGRATOR_URL ?? readRunning()?.PLATFORM_MIGRATOR_URL;
  if (!url)
    throw new Error(
      'Which database? Give --url or PLATFORM_MIGRATOR_URL (as platform_migrator), or run `npm start` first.',
    );
  return requireDatabaseUrl(given ? '--url' : 'PLATFORM_MIGRATOR_URL', url);
}

/** `aether migrate bootstrap`: prints the connection strings of the logins to standard output, for a file or a secret store. */
export async function bootstrapServer({
  adminUrl,
  database,
}: {
  adminUrl: string | undefined;
  database: string;
}): Promise<void> {
  const url = adminUrl ?? process.env.PLATFORM_ADMIN_URL;
  if (!url)
    throw new Error('Which server? Give --admin-url or PLATFORM_ADMIN_URL: a login with CREATEROLE and CREATEDB.');
  requireDatabaseUrl(adminUrl ? '--admin-url' : 'PLATFORM_ADMIN_URL', url);
  const passwords = Object.fromEntries(
    loginNames.map((login) => [
      login,
      process.env[`${login.toUpperCase()}_PASSWORD`] ?? randomBytes(24).toString('base64url'),
    ]),
  ) as Passwords;
  await bootstrap(url, { database, passwords });
  console.error(
    `Roles, logins and the database ${database} are ready. Each run without <LOGIN>_PASSWORD gives new passwords. Next: aether migrate up.`,
  );
  for (const login of loginNames)
    console.log(`${login.toUpperCase()}_URL=${urlFor(url, login, passwords[login], database)}`);
}

export async function migrateUp(url: string): Promise<void> {
  const applied = await migrate(url, { onProgress: (line) => console.log(line) });
  console.log(applied.length === 0 ? 'Up to date.' : `${applied.length} applied.`);
}

export async function printStatus(url: string): Promise<void> {
  const { applied, pending } = await migrationState(url);
  console.log(`${applied.length} applied, ${pending.length} to run.`);
  for (const migration of pending) console.log(`  ${migration.number} ${migration.name}`);
}

/** `aether migrate check`. @returns whether the database is what these files make: nothing pending, nothing edited, no drift. */
export async function checkDatabase(url: string): Promise<boolean> {
  const { pending } = await migrationState(url);
  if (pending.length > 0) {
    console.error(`${pending.length} migrations are still to run: aether migrate up.`);
    return false;
  }
  const difference = await compareSnapshot(url);
  if (difference) {
    console.error(`The schema is not the one of database/schema.sql:\n${difference}`);
    return false;
  }
  console.log('The schema is the one of database/schema.sql.');
  return true;
}
