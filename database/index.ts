export type { Address } from './address.ts';
export { type TypesOf, writeAppTypes } from './apptypes.ts';
export { bootstrap } from './bootstrap.ts';
export { type LocalServer, removeLocal, startLocal } from './embedded/local.ts';
export { type OwnServer, startOwnServer, stopOwnServer } from './embedded/ownserver.ts';
export { takeLock } from './embedded/startlock.ts';
export { changedCollations, changedCollationsRemedy } from './letters.ts';
export { type Migration, MigrationHistoryError, migrationsFolder, readMigrations } from './migrationfiles.ts';
export { describeRun, migrate, migrationState, type PastMigration, withMigrator } from './migrator.ts';
export { giveBack, listBehind, listRoleless, type SequenceBehind } from './restored.ts';
export { findLacking, type Lacking } from './rights/lacking.ts';
export { type Finding, lintSchema } from './rights/lints.ts';
export { houseApps, type Login, loginNames, logins, type Passwords, urlFor } from './rights/logins.ts';
export { rolesWithMore } from './rights/roles.ts';
export { compareSnapshot } from './snapshot.ts';
export {
  type AppMade,
  type AppPlan,
  addApp,
  type GrantedEvent,
  grantableEvents,
  type KnownApp,
  listApps,
  planApp,
  retireApp,
  setClient,
  setEvents,
} from './thirdapps.ts';
