export { bootstrap } from './bootstrap.ts';
export { type Finding, lintSchema } from './lints.ts';
export { type LocalServer, removeLocal, startLocal } from './local.ts';
export { type Login, loginNames, logins, type Passwords, urlFor } from './logins.ts';
export {
  type Migration,
  MigrationHistoryError,
  migrate,
  migrationState,
  readMigrations,
  withMigrator,
} from './migrator.ts';
export { compareSnapshot } from './snapshot.ts';
export { takeLock } from './startlock.ts';
