/*
 * The locale that a server needs, so that names in every script are found and sorted alike.
 *
 * LC_CTYPE says which characters are letters. Under "C" only those of ASCII are, so pg_trgm makes no trigram of a
 * Cyrillic name, and its search reads every customer: 54 ms instead of 0.4 among 200,000. A database keeps the LC_CTYPE
 * it was created with.
 *
 * Names are sorted by platform.people, a collation of ICU. Its rules change with ICU's version, and an index that was
 * built by other rules misses some rows. PostgreSQL records the version, and we compare it.
 */
import pg from 'pg';

const windowsLocales = ['en-US', 'English_United States.1252']; // under the encoding UTF8 PostgreSQL uses Windows's wide characters
const otherLocales = ['C.UTF-8', 'C.utf8', 'en_US.UTF-8', 'en_US.utf8', 'UTF-8'];

/**
 * The names of an LC_CTYPE with all letters, the likeliest on this system first. PostgreSQL refuses a name that its
 * system lacks.
 */
export const letterLocales =
  process.platform === 'win32' ? [...windowsLocales, ...otherLocales] : [...otherLocales, ...windowsLocales];

type Connection = Pick<pg.ClientBase, 'query'>;

/**
 * The LC_CTYPE of a database that knows no letter beyond ASCII; undefined if it knows all, or if there is no such
 * database.
 */
export async function findBlindLocale(client: Connection, database: string): Promise<string | undefined> {
  const { rows } = await client.query(
    `select datctype from pg_catalog.pg_database where datname = $1 and datctype in ('C', 'POSIX')`,
    [database],
  );
  return rows[0]?.datctype;
}

/** @throws Error that says how to create the database instead */
export async function requireLetters(client: Connection, database: string): Promise<void> {
  const locale = await findBlindLocale(client, database);
  if (locale === undefined) return;
  throw new Error(
    `The database ${database} has the LC_CTYPE ${locale}, under which the search finds no letter beyond ASCII; a database keeps it for ever. ` +
      `Create another one with \`create database … template template0 encoding 'UTF8' lc_ctype 'C.UTF-8'\` ` +
      `(or en_US.UTF-8, whichever the server's system has), and move the data over with pg_dump.`,
  );
}

/**
 * Creates a database whose LC_CTYPE knows all letters, even if the server's own is C. Run it as the database's owner.
 */
export async function createDatabaseWithLetters(client: Connection, database: string): Promise<void> {
  const create = `create database ${pg.escapeIdentifier(database)} template template0 encoding 'UTF8'`;
  if (!(await findBlindLocale(client, 'template0'))) {
    await client.query(create);
    return;
  }
  for (const locale of letterLocales) {
    try {
      await client.query(`${create} lc_ctype ${pg.escapeLiteral(locale)}`);
      return;
    } catch (error) {
      if (!isUnknownLocale(error)) throw error;
    }
  }
  throw new Error(
    `This server's LC_CTYPE is C, and its system knows none of ${letterLocales.join(', ')}: install a UTF-8 locale there ` +
      '(such as the package locales, then `locale-gen en_US.UTF-8`), and start the server again.',
  );
}

/** "invalid LC_CTYPE locale name", or one whose encoding is not UTF-8. */
function isUnknownLocale(error: unknown): boolean {
  const { code } = error as pg.DatabaseError;
  return code === '42809' || code === '22023' || code === '42P17';
}

/** A query for the collations whose rules have changed since the indexes were built, each with both versions. */
export const changedCollations = `
  select format('%I.%I, version %s instead of %s', n.nspname, c.collname, pg_catalog.pg_collation_actual_version(c.oid),
    c.collversion) as object
  from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
  where n.nspname = 'platform' and c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
  union all
  select format('the default of this database, version %s instead of %s', pg_catalog.pg_database_collation_actual_version(d.oid),
    d.datcollversion)
  from pg_catalog.pg_database d
  where d.datname = pg_catalog.current_database() and d.datcollversion <> pg_catalog.pg_database_collation_actual_version(d.oid)`;

export const changedCollationsRemedy =
  'The server has another version of ICU or of its C library: `reindex database`, then `alter collation … refresh version` ' +
  '(of the default: `alter database … refresh collation version`). Until then lists may miss rows.';
