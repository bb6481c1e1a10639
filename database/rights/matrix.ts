import { readFile, writeFile } from 'node:fs/promises';
import { loginNames } from './logins.ts';

/**
 * The rights of each login: an object, or a column of it, has one cell for each of `loginNames`, with a letter for each
 * allowed verb.
 */
export type Matrix = Map<string, string[]>;

const matrixFile = new URL('../privileges.txt', import.meta.url);

const header = `# What every login may do, found out by trying each statement as that login: made by \`npm run schema\`, compared by the tests.
# table, view   S select, I insert, U update a column · D delete, T truncate, G create a trigger, M maintain, all of it
# sequence      N nextval, R read, V setval    function  X execute    schema  U use, C create in
# database      C connect, S create a schema, T make temporary tables. The migrator is tried before its \`set role\`.
`;
const labelWidth = 64;
const columnWidth = 12;

/** One line per object and, indented under it, per column. */
export function formatMatrix(matrix: Matrix): string {
  const line = (label: string, cells: string[]) =>
    (`${label}  `.padEnd(labelWidth) + cells.map((cell) => cell.padEnd(columnWidth)).join('')).trimEnd();
  const titles = loginNames.map((login) => login.replace(/^platform_|_app$/g, ''));
  const rows = [...matrix].map(([row, cells]) =>
    line(
      labelOf(row),
      cells.map((cell) => cell || '.'),
    ),
  );
  return `${header}${line('#', titles)}\n${rows.join('\n')}\n`;
}

/** The reverse of formatMatrix. */
export function parseMatrix(text: string): Matrix {
  const matrix: Matrix = new Map();
  let object = '';
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const [label, ...cells] = line.trim().split(/\s{2,}/) as [string, ...string[]];
    const isColumn = line.startsWith(' ');
    if (!isColumn) object = label;
    matrix.set(
      isColumn ? `${object}\n${label}` : label,
      cells.map((cell) => (cell === '.' ? '' : cell)),
    );
  }
  return matrix;
}

/** The committed matrix. */
export async function readPrivileges(): Promise<Matrix> {
  return parseMatrix(await readFile(matrixFile, 'utf8'));
}

export async function writePrivileges(matrix: Matrix): Promise<void> {
  await writeFile(matrixFile, formatMatrix(matrix));
}

/** The rights that are only in `actual` or only in `committed`: a sentence for each, none if the two agree. Pure. */
export function compareMatrices(committed: Matrix, actual: Matrix): string[] {
  const lines: string[] = [];
  for (const row of new Set([...committed.keys(), ...actual.keys()])) {
    const [object, column] = row.split('\n') as [string, string?];
    const verbs = Object.entries(lettersOf[object.split(' ', 1)[0] as string] ?? {});
    if (!committed.has(row)) lines.push(`new: ${row.replace('\n', ' ')}`);
    if (!actual.has(row)) lines.push(`gone: ${row.replace('\n', ' ')}`);
    for (const [index, login] of loginNames.entries()) {
      const [before, after] = [committed, actual].map((matrix) => matrix.get(row)?.[index] ?? '') as [string, string];
      for (const [verb, letter] of verbs) {
        if (before.includes(letter) === after.includes(letter)) continue;
        const may = after.includes(letter) ? 'now may' : 'no longer may';
        lines.push(`${login} ${may} ${verb.toLowerCase()}${column ? ` ${column} of` : ''} ${object}`);
      }
    }
  }
  return lines;
}

const ofRelations = { SELECT: 'S', INSERT: 'I', UPDATE: 'U', DELETE: 'D', TRUNCATE: 'T', TRIGGER: 'G', MAINTAIN: 'M' };
/** The letter of each verb, per kind of object. */
export const lettersOf: Record<string, Record<string, string>> = {
  table: ofRelations,
  view: ofRelations,
  sequence: { USAGE: 'N', SELECT: 'R', UPDATE: 'V' },
  function: { EXECUTE: 'X' },
  procedure: { EXECUTE: 'X' },
  schema: { USAGE: 'U', CREATE: 'C' },
  database: { CONNECT: 'C', CREATE: 'S', TEMPORARY: 'T' },
};

const labelOf = (row: string) => row.replace(/^.*\n/, '  ');
