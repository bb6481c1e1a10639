import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { type Address, toConfig } from './address.ts';
import { type Migration, MigrationHistoryError } from './migrationfiles.ts';
import { listLocks } from './migrationlocks.ts';

const lookEveryMs = 100;

/**
 * Runs a migration that is one statement outside of a transaction, such as `create index concurrently`. It may wait
 * without a limit, because neither readers nor writers wait for it. If a killed run has left an INVALID index, that is
 * dropped first; otherwise `if not exists` would take it for a complete one. A second connection watches the
 * statement's locks and reports the sessions for which it has waited for `tellAfterMs`.
 *
 * @throws MigrationHistoryError for several statements, and for one that begins a transaction.
 */
export async function runAlone(
  client: pg.Client,
  migration: Migration,
  address: Address,
  tellAfterMs: number,
  onProgress: (line: string) => void,
): Promise<{ durationMs: number; held: string[] }> {
  const { file, sql } = migration;
  await client.query(
    'reset all; set role platform_owner; set search_path = pg_catalog, pg_temp; set lock_timeout = 0; set statement_timeout = 0',
  );
  for (const index of await listUnfinished(client, sql)) {
    onProgress(`${file}: ${index} was left unfinished by a try that was killed; it is dropped and made again`);
    await client.query(`drop index concurrently if exists ${index}`);
  }
  const startedAt = performance.now();
  const watcher = await watch(client, file, address, tellAfterMs, onProgress);
  try {
    // The extended protocol takes one statement; with several PostgreSQL would run all of them as one transaction.
    await client.query({ text: sql, queryMode: 'extended' } as pg.QueryConfig);
  } catch (error) {
    if ((error as pg.DatabaseError).code === '42601' && /multiple commands/.test((error as Error).message))
      throw new MigrationHistoryError(
        `${file}: outside of a transaction a migration is one statement. Nothing of it was applied.`,
      );
    throw error;
  } finally {
    await watcher.end();
  }
  if (client.getTransactionStatus() !== 'I') {
    await client.query('rollback');
    throw new MigrationHistoryError(`${file}: the statement began a transaction, which was undone.`);
  }
  const [unfinished] = await listUnfinished(client, sql);
  if (unfinished) throw new Error(`${unfinished} is not valid, although the statement ended`);
  return { durationMs: performance.now() - startedAt, held: watcher.held() };
}

/**
 * The INVALID indexes that the statement names, or whose table it reindexes, without indexes that a session is building
 * right now.
 */
async function listUnfinished(client: pg.Client, sql: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
       join pg_namespace n on n.oid = c.relnamespace
     where not i.indisvalid and c.relkind = 'i' and n.nspname !~ '^pg_' and pg_has_role(current_user, c.relowner, 'USAGE')
       and regexp_replace(c.relname, '_cc(new|old)\\d*$', '') = any (regexp_split_to_array($1, '[^[:alnum:]_$]+'))
       and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
     order by 1`,
    [sql],
  );
  return rows.map(({ name }) => name);
}

/** Looks at the statement from a connection beside it. */
async function watch(
  client: pg.Client,
  file: string,
  address: Address,
  tellAfterMs: number,
  onProgress: (line: string) => void,
) {
  const { rows } = await client.query<{ pid: number; newest: string }>(
    'select pg_backend_pid() as pid, max(oid) as newest from pg_class',
  );
  const { pid, newest } = rows[0] as { pid: number; newest: string };
  const watcher = new pg.Client({ ...toConfig(address), connectionTimeoutMillis: 15_000 });
  watcher.on('error', () => {}); // the statement goes on without its watcher
  await watcher.connect();
  const stopped = new AbortController();
  const held = new Set<string>();
  let blockedSince: number | undefined;
  let told = '';
  const watching = (async () => {
    while (!stopped.signal.aborted) {
      for (const lock of await listLocks(watcher, newest, pid)) held.add(lock);
      const blockers = (await watcher.query<{ names: string | null }>(listBlockers, [pid])).rows[0]?.names ?? null;
      blockedSince = blockers === null ? undefined : (blockedSince ?? performance.now());
      if (blockers !== null && blockers !== told && performance.now() - (blockedSince as number) >= tellAfterMs) {
        told = blockers;
        onProgress(`${file} waits until these transactions end: ${blockers}`);
      }
      await wait(lookEveryMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  })().catch(() => {});
  return {
    held: () => [...held].sort(),
    async end() {
      stopped.abort();
      await watching;
      await watcher.end().catch(() => {});
    },
  };
}

const listBlockers = `
  select string_agg(distinct format('%s (process %s)', a.usename, a.pid), ', ') as names
  from unnest(pg_blocking_pids($1)) as b (pid) join pg_stat_activity a using (pid)`;
