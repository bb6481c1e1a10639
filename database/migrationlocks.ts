import type pg from 'pg';

/**
 * What a connection holds that makes somebody else wait: tables that were there before it began, each with its strongest lock.
 *
 * @param newest the largest oid of pg_class before it began: nobody else can wait for what is newer.
 * @param pid of the connection that is looked at; by default this one.
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

/** From the strongest on; weaker ones make nobody wait but other migrations. */
const lockModes: [mode: string, meaning: string][] = [
  ['AccessExclusiveLock', 'access exclusive: no reads, no writes'],
  ['ExclusiveLock', 'exclusive: no writes'],
  ['ShareRowExclusiveLock', 'share row exclusive: no writes'],
  ['ShareLock', 'share: no writes'],
  ['ShareUpdateExclusiveLock', 'share update exclusive: reads and writes go on'],
  ['RowExclusiveLock', 'row exclusive: reads and writes go on, but for changed rows'],
];
