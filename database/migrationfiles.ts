import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));

export type Migration = {
  number: number;
  name: string;
  file: string;
  sha256: string;
  sql: string;
  /** One statement that runs outside of a transaction: `-- aether: no-transaction`. */
  isAlone: boolean;
  /**
   * An app that was built for an earlier migration than this refuses the database: `-- aether: breaks-apps-below 7`.
   */
  breaksAppsBelow: number | null;
};

/** The history in the database and the files disagree: someone edited, removed or misnumbered a migration. */
export class MigrationHistoryError extends Error {}

/**
 * The migrations of a folder, in order. A file is named `0001_noun.sql`; numbers start at 1 and leave no gap.
 *
 * @throws MigrationHistoryError naming the file that does not fit.
 */
export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => /\.sql$/i.test(file)).sort();
  return Promise.all(
    files.map(async (file, index) => {
      const [, digits, name] = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file) ?? [];
      if (!digits || !name || Number(digits) !== index + 1) {
        throw new MigrationHistoryError(
          `${file}: the migration after number ${index} must be named ${String(index + 1).padStart(4, '0')}_<name>.sql`,
        );
      }
      // CRLF line ends from a checkout and a byte order mark from an editor do not count as an edit.
      const sql = (await readFile(`${folder}/${file}`, 'utf8')).replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
      const sha256 = createHash('sha256').update(sql).digest('hex');
      return { number: index + 1, name, file, sha256, sql, ...readHeader(file, index + 1, sql) };
    }),
  );
}

type Header = Pick<Migration, 'isAlone' | 'breaksAppsBelow'>;

/**
 * The comment lines at the top of a file that begin with `-- aether:`.
 *
 * @throws MigrationHistoryError for an unknown one
 */
function readHeader(file: string, number: number, sql: string): Header {
  const header: Header = { isAlone: false, breaksAppsBelow: null };
  for (const line of sql.split('\n')) {
    if (line.trim() !== '' && !line.startsWith('--')) break;
    const mark = /^--\s*aether:\s*(.*?)\s*$/i.exec(line)?.[1];
    if (mark === undefined) continue;
    const below = /^breaks-apps-below (\d{1,4})$/.exec(mark)?.[1];
    if (mark === 'no-transaction') header.isAlone = true;
    else if (below !== undefined && Number(below) >= 1 && Number(below) <= number)
      header.breaksAppsBelow = Number(below);
    else
      throw new MigrationHistoryError(
        `${file}: "-- aether: ${mark}" is unknown. There are no-transaction, and breaks-apps-below with a number from 1 to ${number}.`,
      );
  }
  if (header.isAlone) requireRepeatable(file, sql);
  return header;
}

/**
 * Throws unless the statement can run twice: a migrator that is killed after it, before the entry in the history,
 * repeats it. A block, such as one that commits after each partition of a table, can make no index concurrently.
 */
function requireRepeatable(file: string, sql: string): void {
  const isBlock = /^(\s*--.*\n|\s)*do\b/i.test(sql);
  const concurrently = isBlock ? '' : 'concurrently ';
  const bare = (verb: string, repeatable: string) =>
    new RegExp(`\\b${verb}\\s+index\\b(?!\\s+${(concurrently + repeatable).replaceAll(' ', '\\s+')}\\b)`, 'i');
  if (bare('create(\\s+unique)?', 'if not exists').test(sql))
    throw new MigrationHistoryError(
      `${file}: outside of a transaction write create index ${concurrently}if not exists …`,
    );
  if (bare('drop', 'if exists').test(sql))
    throw new MigrationHistoryError(`${file}: outside of a transaction write drop index ${concurrently}if exists …`);
}
