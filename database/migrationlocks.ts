import type pg from 'pg';

/**
 * The locks of a connection for which others may wait: tables that existed before it began, each with its strongest
 * lock.
 *
 * @param newest the largest oid of pg_class before it began: no other session can wait for a newer table.
 * @param pid of the connection; by default this one.
 * @returns such as `crm.deals (access exclusive: no reads, no writes)`, by name.
 */
export async function listLocks(client: pg.ClientBase, newest: string, pid?: number): Promise<string[]> {
  const { rows } = await client.query<{ name: string; modes: string[] }>(
    `select format('%I.%I', n.nspname, c.relname) as name, array_agg(l.mode) as modes
     from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
     where l.locktype = 'relation' and l.granted and l.pid = coalesce($2, pg_backend_pid())
       and l.database = (select oid from pg_database where datname = current_database())
       and c.relkind in ('r', 'p', 'm') and c.oid <= $1::oid and n.nspname !~ '^pg_'
       and (n.nspname, c.relname) <> ('platform', 'migrations')
     group by 1 order by 1`,
    [newest, pid ?? null],
  );
  return rows.flatMap(({ name, modes }) => {
    const strongest = lockModes.find(([mode]) => modes.includes(mode));
    return strongest ? [`${name} (${strongest[1]})`] : [];
  });
}

/** The strongest first. Only other migrations wait for the weaker locks that are left out. */
const lockModes: [mode: string, meaning: string][] = [
  ['AccessExclusiveLock', 'access exclusive: no reads, no writes'],
  ['ExclusiveLock', 'exclusive: no writes'],
  ['ShareRowExclusiveLock', 'share row exclusive: no writes'],
  ['ShareLock', 'share: no writes'],
  ['ShareUpdateExclusiveLock', 'share update exclusive: reads and writes go on'],
  ['RowExclusiveLock', 'row exclusive: reads and writes go on, but for changed rows'],
];
