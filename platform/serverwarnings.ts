import type { Queryable } from './log/query.ts';

/**
 * What does not stop an app, but should be mended on the server: letters that the search does not see, and names that are sorted by other
 * rules than when their indexes were built. `aether migrate` refuses the first, and `aether migrate check` reports the second.
 */
export async function findWarnings(on: Queryable, timeoutMs: number): Promise<string[]> {
  const [found] = await on.query<{ database: string; blind: string | null; changed: string[] }>(
    `select pg_catalog.current_database() as database,
       (select datctype from pg_catalog.pg_database where datname = pg_catalog.current_database() and datctype in ('C', 'POSIX')) as blind,
       array(
         select format('platform.%I', c.collname) from pg_catalog.pg_collation c
         where c.collnamespace = pg_catalog.to_regnamespace('platform')
           and c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
         union all
         select 'the default of the database' from pg_catalog.pg_database d
         where d.datname = pg_catalog.current_database()
           and d.datcollversion <> pg_catalog.pg_database_collation_actual_version(d.oid)) as changed`,
    [],
    { timeoutMs },
  );
  const warnings: string[] = [];
  if (found?.blind)
    warnings.push(
      `The database ${found.database} has the LC_CTYPE ${found.blind}: the search finds no letter beyond ASCII by an index, and is slow for ` +
        `names in other scripts. Move the data to a database that was created with lc_ctype 'C.UTF-8'.`,
    );
  if (found && found.changed.length > 0)
    warnings.push(
      `The rules of a collation have changed under its indexes (${found.changed.join(', ')}), so lists may miss rows: ` +
        'see `aether migrate check` for what to do.',
    );
  return warnings;
}
