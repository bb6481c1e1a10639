import { type Login, loginNames } from '@aether/database';
import type pg from 'pg';
import type { Finding } from './findings.ts';

/** Beside its pool, a process of an app opens two for short statements, one that listens, and one for its heartbeat. */
const besidePool = 4;
/** Past a transaction pooler an app only listens. */
const pastPooler = 1;
/** A worker, while it imports. */
const ofWorker = 11;
/** The command, migrations, and what the console opens under its two other logins. */
const ofOthers: Partial<Record<Login, number>> = { platform_migrator: 2, privacy_app: 5, simulator_app: 5 };

/**
 * Compares what the server and each login allow with what the processes open: all of them, and twice as many during an update, when the
 * old and the new ones run side by side.
 */
export async function examineConnections(
  client: pg.Client,
  { processes, poolMax, pooled }: { processes: number; poolMax: number; pooled: ReadonlySet<Login> },
): Promise<Finding[]> {
  const perProcess = (login: Login): number => {
    if (login === 'sync_app') return ofWorker;
    if (!['foundation_app', 'support_app', 'console_app'].includes(login)) return 0;
    return pooled.has(login) ? pastPooler : poolMax + besidePool;
  };
  const { rows } = await client.query<{ free: number; max: number; limits: Record<string, number> }>(
    `select current_setting('max_connections')::integer as max,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
         - current_setting('reserved_connections')::integer as free,
       (select json_object_agg(rolname, rolconnlimit) from pg_catalog.pg_roles where rolname = any ($1)) as limits`,
    [loginNames],
  );
  const { free, max, limits } = rows[0] as (typeof rows)[number];
  const sum = (of: (login: Login) => number) => loginNames.map(of).reduce((one, other) => one + other, 0);
  const running = sum((login) => processes * perProcess(login) + (ofOthers[login] ?? 0));
  const updating = running + sum((login) => processes * perProcess(login));
  const words = `max_connections = ${max} leaves ${free} for all logins; ${processes} of each app and worker open up to ${running}, and ${updating} during an update`;
  const remedy = 'raise max_connections, lower PLATFORM_DB_POOL_MAX, or put the apps behind PgBouncer';
  const found: Finding[] = [
    {
      check: 'connections',
      logins: [],
      found: words,
      ...(free < running
        ? { state: 'wrong', remedy }
        : free < updating
          ? { state: 'warning', remedy }
          : { state: 'ok' }),
    },
  ];
  for (const login of loginNames) {
    const needed = 2 * processes * perProcess(login);
    const limit = limits[login] ?? -1;
    if (limit === -1 || limit >= needed) continue;
    found.push({
      check: 'connections',
      logins: [login],
      state: limit < needed / 2 ? 'wrong' : 'warning',
      found: `may have ${limit} connections, and needs ${needed} during an update`,
      remedy: `${login.toUpperCase()}_CONNECTIONS=${needed} aether migrate bootstrap`,
    });
  }
  return found;
}
