import type { LocalServer } from '@aether/database';
import pg from 'pg';

/**
 * Whether a bench has filled this database before. Statistics are what a fill makes last.
 *
 * @param table is one that the fill analyzes when all rows and indexes are there
 * @throws when a fill began and did not end
 */
export async function isFilled({ server }: LocalServer, database: string, table: string): Promise<boolean> {
  const ask = async (of: string, text: string, value: string) => {
    const superuser = new pg.Client({ connectionString: server.superuserUrl(of) });
    await superuser.connect();
    const { rows } = await superuser.query(text, [value]);
    await superuser.end();
    return rows.length > 0;
  };
  if (!(await ask('postgres', 'select from pg_database where datname = $1', database))) return false;
  if (await ask(database, `select from pg_stats where schemaname || '.' || tablename = $1`, table)) return true;
  if (!(await ask(database, 'select where to_regclass($1) is not null', table))) return false;
  throw new Error(`The database ${database} was not filled to its end: delete the folder of this bench.`);
}
