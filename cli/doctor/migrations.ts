import { compareSnapshot, lintSchema, MigrationHistoryError, migrationState, withMigrator } from '@aether/database';
import { driverOf } from '@aether/platform/log';
import { type Finding, some } from './findings.ts';

/** Compares the database with the migrations of this version, and its schema with the recorded one. @param url as platform_migrator */
export async function examineMigrations(url: string | undefined): Promise<Finding[]> {
  const say = (check: string, state: Finding['state'], found: string, remedy?: string): Finding => ({
    check,
    logins: ['platform_migrator'],
    state,
    found,
    ...(remedy && { remedy }),
  });
  if (url === undefined)
    return [say('migrations', 'untried', 'only platform_migrator can compare them, at PostgreSQL itself')];
  try {
    const address = driverOf(url);
    const { applied, pending, newer } = await migrationState(address);
    if (pending.length > 0)
      return [
        say(
          'migrations',
          'wrong',
          `${applied.length} have run, ${pending.length} are still to run, from ${pending[0]?.number} (${pending[0]?.name}) on`,
          'run `aether migrate up`',
        ),
      ];
    if (newer.length > 0)
      return [
        say(
          'migrations',
          'ok',
          `the database is newer than this version, by ${newer.length}, and this version runs on it`,
        ),
        say('schema', 'untried', 'it is compared by the version that migrated it'),
      ];
    const difference = await compareSnapshot(address);
    const lints = await withMigrator(address, lintSchema);
    return [
      say('migrations', 'ok', `all ${applied.length} have run`),
      difference === undefined
        ? say('schema', 'ok', 'as the migrations leave it')
        : say(
            'schema',
            'wrong',
            `somebody has changed it past the migrations: ${some(linesOf(difference))}`,
            '`aether migrate check` shows all; take it back',
          ),
      ...(lints.length > 0
        ? [say('schema', 'wrong', some(lints.map(({ lint, object }) => `${lint}: ${object}`)), lints[0]?.remedy)]
        : []),
    ];
  } catch (error) {
    // A login that does not get in is said to be so by its own check.
    if (error instanceof MigrationHistoryError) return [say('migrations', 'wrong', error.message)];
    return [say('migrations', 'untried', error instanceof Error ? error.message : String(error))];
  }
}

const linesOf = (difference: string): string[] =>
  difference
    .split('\n')
    .filter((line) => /^\s*[+-] /.test(line))
    .map((line) => line.trim());
