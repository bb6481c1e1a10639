import { setTimeout as sleep } from 'node:timers/promises';
import { type AddressCalls, addressCalls } from './addresses.ts';
import { type CacheOptions, type CacheState, openCustomerCache } from './cache.ts';
import { cachedAddressCalls, cachedCustomerCalls, cachedMergeCalls, cachedPhoneCalls } from './cachedcustomers.ts';
import { type CompanyCalls, companyCalls } from './companies.ts';
import { type OwnConstraints, refuseConstraints } from './constraints.ts';
import { type ContextCalls, contextCalls } from './context.ts';
import { type CrossAppReads, countCrossAppReads, countedContextCalls, countedCustomerCalls } from './crossapp.ts';
import { type CustomerPhoneCalls, customerPhoneCalls } from './customerphones.ts';
import { type CustomerCalls, customerCalls } from './customers.ts';
import { type App, type Environment, readEnvironment, schemaSetting } from './environment.ts';
import { type AppHeartbeat, startAppHeartbeat } from './heartbeat.ts';
import { type HolderCalls, holderCalls } from './holders.ts';
import { type EventBus, openEventBus } from './log/bus.ts';
import { becauseOf, readCause, withoutCause } from './log/cause.ts';
import { openClient } from './log/client.ts';
import { type Connection, closeWithinMs, openConnection } from './log/connection.ts';
import { ConfigurationError, PlatformError } from './log/errors.ts';
import type { PayloadSchemas } from './log/events.ts';
import type { Queryable } from './log/query.ts';
import { parsePlace, present, type Reader } from './log/reader.ts';
import { translateRefusal } from './log/refusals.ts';
import { openReplica, type Replica, type ReplicaState } from './log/replica.ts';
import { openSignals, type Signals } from './log/signals.ts';
import { type MergedFromCalls, mergedFromCalls } from './mergedfrom.ts';
import { type MergeCalls, mergeCalls } from './merging.ts';
import { type MoveCalls, moveCalls } from './moves.ts';
import { type PhoneCalls, phoneCalls } from './phone.ts';
import { noting, readsOf } from './reads.ts';
import { findWarnings } from './serverwarnings.ts';
import { type TierCalls, tierCalls } from './tiers.ts';
import { type UserCalls, userCalls } from './users.ts';

/**
 * The newest migration that this package relies on; a database that lacks it is refused, and one with a migration that says
 * `-- aether: breaks-apps-below` a higher number.
 */
export const requiredMigration = 111;

/** A database that does not answer the connection check within this time counts as out of reach. */
const checkTimeoutMs = 3_000;
/** A login that is refused leaves a socket that the driver does not close, and nothing to wait for. */
const refusedCloseMs = 500;

export type PlatformDb = Connection<App> &
  CustomerCalls &
  AddressCalls &
  CustomerPhoneCalls &
  CompanyCalls &
  HolderCalls &
  MergeCalls &
  UserCalls &
  PhoneCalls &
  MergedFromCalls &
  MoveCalls &
  TierCalls &
  ContextCalls & {
    /** The events of the platform: publish, subscribe, follow. */
    events: EventBus;
    /** Messages between the app's processes that are not stored. */
    signals: Signals;
    /** Problems of the server that the operator should fix, as found when connecting. The app works nevertheless. */
    warnings: string[];
    /**
     * Where lists and searches run that may come from the replica, if there is one (PLATFORM_DB_REPLICA_URL), within `readAs`; else from the primary.
     * A statement that fails there is run again on the primary. Lookups of customers and companies come from there by themselves.
     */
    reads: Queryable;
    /**
     * Runs `work` so that its reads may come from the replica: as far as that has all that `seen` says, and is not older than
     * PLATFORM_DB_REPLICA_AGE_MAX_MS.
     *
     * @param seen what an earlier `readAs`, or `seenNow` after a change, returned for the same caller. Undefined, or a text that is none: nothing.
     *   `now`: all that there is, so that everything comes from the primary.
     */
    readAs<T>(seen: string | undefined, work: () => Promise<T>): Promise<ReadAs<T>>;
    /** For `readAs`: all that has been committed so far. Undefined if there is no replica. */
    seenNow(): Promise<string | undefined>;
    /** The state of the replica; undefined if there is none. */
    replicaState(): ReplicaState | undefined;
    /** The state of the cache; undefined if there is none. */
    cacheState(): CacheState | undefined;
    /** Counts reads in which this app gets what another one owns or wrote; lookups and contexts are counted already. */
    crossAppReads: CrossAppReads;
    /** Adds a part to the heartbeat of this process: see AppHeartbeat. */
    report: AppHeartbeat['report'];
    /** Checks that the database answers, knows this login as the right app, and has the migrations that this package needs. @throws ConfigurationError, DatabaseUnavailable */
    check(): Promise<void>;
  };

export type ReadAs<T> = {
  result: T;
  /**
   * What the caller has seen by now, for the next `readAs`, in this process or another one; undefined: nothing newer than before. `now` if the primary
   * has shown something and does not say how far it is.
   */
  seen: string | undefined;
  /** How old the oldest answer of the replica may be, in milliseconds; undefined if none came from there. */
  ageMs: number | undefined;
};

/**
 * Connects an app to the platform database. It refuses at once everything that would only fail later: a database out of reach, the
 * login of another app, a role that the login lacks, a missing schema or migration.
 *
 * @param variables the settings of docs/configuration.md; by default the process's environment.
 * @throws ConfigurationError, DatabaseUnavailable
 */
export async function connectPlatform({
  app,
  variables = process.env,
  cache: cacheOptions,
  payloads,
  constraints,
  heartbeatMs,
}: {
  app: App;
  variables?: Record<string, string | undefined>;
  /** Remembers customers that are looked up outside of transactions. Without it, every lookup asks the database. */
  cache?: CacheOptions;
  /** The schemas of the app's own events. With them, an event of another type or form is not published. */
  payloads?: PayloadSchemas;
  /** Words for the constraints of the app's own tables: `{ invoices_amount_check: { field: 'amount', message: 'must be more than 0' } }`. */
  constraints?: OwnConstraints;
  /** How often this process says that it is alive; by default every two seconds, from a second after the start on. */
  heartbeatMs?: number;
}): Promise<PlatformDb> {
  const environment = readEnvironment(app, variables);
  const { schema } = environment;
  const options = {
    ...environment,
    searchPath: `${schema},platform`,
    refuseConstraint: refuseConstraints(constraints),
  };
  const primary = openConnection(app, options);
  const connection = environment.replicaUrl === undefined ? primary : noting(primary);
  let replica: Replica | undefined;
  const check = () => checkDatabase(connection, environment);
  let warnings: string[];
  try {
    await check().catch((error) => {
      if (error instanceof PlatformError) throw error;
      throw new ConfigurationError(
        `PLATFORM_DB_URL does not lead to a platform database. Correct its password and what follows its ?; the driver says: ${error.message}`,
        error,
      );
    });
    await checkListening(environment);
    warnings = await findWarnings(connection, checkTimeoutMs);
    replica = await openReplicaOf(primary, options, warnings);
  } catch (error) {
    await connection.close(refusedCloseMs);
    throw error;
  }
  const reads = readsOf(primary, replica);
  const events = openEventBus(connection, environment.listenUrl, payloads);
  const signals = openSignals(connection, environment.listenUrl);
  const crossAppReads = countCrossAppReads();
  const customers = countedCustomerCalls(customerCalls(connection, { ...environment, reads }), app, crossAppReads);
  const addresses = addressCalls(connection, reads);
  const companies = companyCalls(connection, reads);
  const phones = customerPhoneCalls(connection, { ...environment, reads });
  const cache = cacheOptions && openCustomerCache(events, cacheOptions);
  const cacheState = () => cache?.state();
  const seenNow = async () => {
    if (!replica) return undefined;
    const [row] = await primary.query<{ place: string }>(
      'select pg_catalog.pg_current_wal_insert_lsn()::text as place',
      [],
      { timeoutMs: checkTimeoutMs, isShort: true },
    );
    return row?.place;
  };
  const heartbeat = startAppHeartbeat(connection, {
    settings: environment,
    events,
    cacheState,
    crossAppReads,
    migration: requiredMigration,
    everyMs: heartbeatMs,
  });
  const known = replica;
  if (known)
    heartbeat.report('replica', () => {
      const { isUp, kind, ageMs, ageMaxMs } = known.state();
      const age = ageMs === undefined ? {} : { age_seconds: Math.round(ageMs) / 1_000 };
      return {
        says: { state: isUp ? 'up' : 'down', ...(kind && { kind }), ...age, age_max_seconds: ageMaxMs / 1_000 },
      };
    });
  return {
    ...connection,
    ...(cache ? cachedCustomerCalls(customers, cache) : customers),
    ...(cache ? cachedAddressCalls(addresses, cache) : addresses),
    ...(cache ? cachedPhoneCalls(phones, cache) : phones),
    ...companies,
    ...holderCalls(customers, companies),
    ...(cache ? cachedMergeCalls(mergeCalls(connection), cache) : mergeCalls(connection)),
    ...userCalls(connection),
    ...countedContextCalls(contextCalls(connection, reads), app, crossAppReads),
    ...phoneCalls(environment),
    ...mergedFromCalls(reads),
    ...moveCalls(connection),
    ...tierCalls(connection),
    events,
    signals,
    warnings,
    check,
    reads,
    async readAs(seen, work) {
      if (!replica) return { result: await work(), seen: undefined, ageMs: undefined };
      const needs = parsePlace(seen ?? '') ?? 0;
      const isPinned = seen === present;
      const reader: Reader = { needs, hasReadPrimary: isPinned, isPinned, ageMs: undefined, isOver: false };
      try {
        const result = await becauseOf({ ...readCause(), reader }, work);
        // What the primary has shown must not be missing in the next answer.
        return {
          result,
          seen: reader.hasReadPrimary ? await seenNow().catch(() => present) : undefined,
          ageMs: reader.ageMs,
        };
      } finally {
        reader.isOver = true;
      }
    },
    seenNow,
    replicaState: () => replica?.state(),
    cacheState,
    crossAppReads,
    report: heartbeat.report,
    async close(withinMs = closeWithinMs) {
      const endsAt = performance.now() + withinMs;
      const closing = (async () => {
        await heartbeat.stop();
        await cache?.close();
        await signals.close();
        await events.close();
      })();
      await Promise.race([closing, sleep(withinMs, undefined, { ref: false })]);
      await replica?.close(Math.max(endsAt - performance.now(), 0));
      await connection.close(Math.max(endsAt - performance.now(), 0));
    },
  };
}

/** How long a read may take at the replica, and how long it waits for a connection there, until the primary is asked. */
const [replicaQueryMs, replicaConnectMs] = [5_000, 1_000];

/**
 * Opens the replica of the settings. One that is out of reach, or does not follow at present, is a warning: it is used as soon as it is well.
 *
 * @throws ConfigurationError for one that can never be right: another server, one that takes changes, another login.
 */
async function openReplicaOf(
  primary: Connection<App>,
  options: Environment & Parameters<typeof openConnection>[1],
  warnings: string[],
): Promise<Replica | undefined> {
  const { replicaUrl: url, replicaAgeMaxMs: ageMaxMs, queryTimeoutMs, connectTimeoutMs } = options;
  if (url === undefined) return undefined;
  const connection = openConnection(primary.app, {
    ...options,
    url,
    pooler: 'none',
    queryTimeoutMs: Math.min(queryTimeoutMs, replicaQueryMs),
    connectTimeoutMs: Math.min(connectTimeoutMs, replicaConnectMs),
  });
  const replica = openReplica(primary, connection, { url, ageMaxMs });
  try {
    // What begins here goes on for as long as the process: it is nobody's request.
    const trouble = await withoutCause(() => replica.start());
    if (trouble !== undefined)
      warnings.push(`The replica of PLATFORM_DB_REPLICA_URL is not used at present: ${trouble}.`);
    return replica;
  } catch (error) {
    await replica.close(refusedCloseMs);
    throw error;
  }
}

async function checkDatabase(connection: Connection<App>, { role, schema, pooler }: Environment): Promise<void> {
  const [server] = await connection.query<{
    login: string;
    role_exists: boolean;
    has_role: boolean;
    schema_usable: boolean;
    path: string;
    migrated: boolean;
  }>(
    `select session_user as login,
       exists (select from pg_catalog.pg_roles where rolname = $1) as role_exists,
       exists (select from pg_catalog.pg_roles where rolname = $1 and pg_catalog.pg_has_role(session_user, oid, 'USAGE')) as has_role,
       coalesce((select pg_catalog.has_schema_privilege(oid, 'USAGE')
         from pg_catalog.pg_namespace where nspname = $2), false) as schema_usable,
       pg_catalog.current_setting('search_path') as path,
       exists (select from pg_catalog.pg_proc
         where pronamespace = pg_catalog.to_regnamespace('platform') and proname = 'current_app') as migrated`,
    [role ?? '', schema],
    { timeoutMs: checkTimeoutMs, isShort: true },
  );
  if (!server) throw new ConfigurationError('The platform database gave no answer about itself.');
  if (role && !server.role_exists)
    throw new ConfigurationError(
      `DB_ROLE is ${role}, which this server does not know: run \`aether migrate bootstrap\`, or correct DB_ROLE.`,
    );
  if (role && !server.has_role)
    throw new ConfigurationError(
      `DB_ROLE is ${role}, but the login ${server.login} does not have that role: correct DB_USER or DB_ROLE.`,
    );
  if (!server.migrated)
    throw new ConfigurationError('The platform database has no tables yet: run `aether migrate up`.');

  const [state] = await connection
    .query<{
      app: string;
      apps: string[];
      newest: number;
      breaking: { number: number; name: string; below: number } | null;
    }>(
      `select platform.current_app() as app, array(select name from platform.apps order by name) as apps,
         (select coalesce(max(number), 0) from platform.migrations) as newest,
         (select jsonb_build_object('number', number, 'name', name, 'below', breaks_apps_below) from platform.migrations
          where breaks_apps_below > $1 order by breaks_apps_below desc, number limit 1) as breaking`,
      [requiredMigration],
      { timeoutMs: checkTimeoutMs, isShort: true },
    )
    .catch((error) => {
      if (error.code !== '42501') throw error;
      throw new ConfigurationError(
        `The login ${server.login} may not use the platform schema: it is the login of no app. docs/third-app.md says how to add one.`,
        error,
      );
    });
  if (!state?.apps.includes(connection.app))
    throw new ConfigurationError(
      `This database knows no app ${connection.app}: it has ${state?.apps.join(', ')}. docs/third-app.md says how to add one.`,
    );
  if (state.app !== connection.app) {
    throw new ConfigurationError(
      `The login ${server.login} is the login of ${state.app}, not of ${connection.app}: correct PLATFORM_DB_URL or DB_USER.`,
    );
  }
  if (state.newest < requiredMigration) {
    throw new ConfigurationError(
      `The platform database is at migration ${state.newest}, this version needs ${requiredMigration}: run \`aether migrate up\`.`,
    );
  }
  if (state.breaking) {
    const { number, name, below } = state.breaking;
    throw new ConfigurationError(
      `Migration ${number} (${name}) of the platform database breaks apps made for less than migration ${below}, and this version is made for ` +
        `${requiredMigration}: deploy a newer version.`,
    );
  }
  if (!server.schema_usable) {
    throw new ConfigurationError(
      `${schemaSetting(connection.app)} names the schema ${schema}, which does not exist or is closed to ${server.login}.`,
    );
  }
  if (server.path.split(',')[0]?.trim() !== schema) {
    throw new ConfigurationError(
      pooler === 'none'
        ? `The search_path is ${server.path} instead of ${schema}, platform: take \`options\` out of PLATFORM_DB_URL.`
        : `Behind a transaction pooler the login's own search_path counts: run \`alter role ${server.login} in database … set search_path = ${schema}, platform\`.`,
    );
  }
}

/** Refuses a wrong address for listening. The listener itself would try again for ever and report nothing. */
async function checkListening({ url, listenUrl }: Environment): Promise<void> {
  if (!listenUrl || listenUrl === url) return;
  try {
    const listener = await openClient({ url: listenUrl, connectionTimeoutMillis: 5_000 });
    await listener.end().catch(() => {});
  } catch (error) {
    const refusal = translateRefusal(error);
    throw new ConfigurationError(
      refusal instanceof ConfigurationError
        ? `PLATFORM_DB_LISTEN_URL: ${refusal.message}`
        : 'PLATFORM_DB_LISTEN_URL does not lead to the database: correct it, and DB_USER and DB_PASSWORD if they are set.',
      error,
    );
  }
}
