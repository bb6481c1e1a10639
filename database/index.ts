export { bootstrap } from './bootstrap.ts';
export { type LocalServer, removeLocal, startLocal } from './embedded/local.ts';
export { type OwnServer, startOwnServer, stopOwnServer } from './embedded/ownserver.ts';
export { takeLock } from './embedded/startlock.ts';
export { type Migration, MigrationHistoryError, readMigrations } from './migrationfiles.ts';
export { describeRun, migrate, migrationState, type PastMigration, withMigrator } from './migrator.ts';
export { type Finding, lintSchema } from './rights/lints.ts';
export { type Login, loginNames, logins, type Passwords, urlFor } from './rights/logins.ts';
export { compareSnapshot } from './snapshot.ts';
