import { type Dialect, delimitedReader } from './delimited.ts';
import { fieldOfHeading } from './headings.ts';
import type { RawRow } from './rows.ts';
import { looksLikeData } from './shapes.ts';

/** How a delimited text is written, and where its header is. */
export type TextLayout = Dialect & {
  /** The physical line of the header; null: there is none, and the columns are numbered. */
  headerLine: number | null;
  /** The header as it is in the text. */
  header: string;
  headings: string[];
  /** The physical line with which the rows begin. */
  firstLine: number;
};

const delimiters = [',', ';', '\t', '|'];
const headerRowsMax = 15;
const cellsLookedAt = 500;

/** How many cells mean something as a heading. */
const countKnown = (cells: readonly string[]): number =>
  cells.slice(0, cellsLookedAt).filter((cell) => cell.length < 80 && fieldOfHeading(cell)).length;

/**
 * Finds the delimiter, the line end and the header from the beginning of a text.
 *
 * The delimiter is the one that cuts most rows into the same number of cells. Rows of another number, such as a title above the header or a
 * total at the end, do not count against it as long as most rows agree.
 *
 * @param isWhole whether this is all of the text; otherwise its last row may be cut off
 */
export function findLayout(text: string, isWhole: boolean): TextLayout {
  const newline = findNewline(text);
  const told = /^sep=([^\r\n])\r?(?:\n|$)/i.exec(text);
  const body = told ? text.slice(told[0].length) : text;
  const firstLine = told ? 2 : 1;
  const tried = (told ? [told[1] as string] : delimiters).map((delimiter) =>
    tryDelimiter(body, { delimiter, newline }, firstLine, isWhole),
  );
  // Of equal scores, the first one wins: a comma is likelier than a bar.
  const best = tried.reduce((one, other) => (other.score > one.score + 1e-9 ? other : one));
  return { ...best.dialect, ...findHeader(best.rows, firstLine, best.usual) };
}

/** The first line end that is in no quotes; a lone CR is one only in texts of old systems, which have no other. */
function findNewline(text: string): '\n' | '\r' {
  const end = /^(?:[^"\r\n]|"[^"]*(?:"|$))*(\r\n|\n|\r)/.exec(text.slice(0, 65_536))?.[1];
  return end === '\r' ? '\r' : '\n';
}

type Try = { dialect: Dialect; rows: RawRow[]; score: number; usual: number };

function tryDelimiter(text: string, dialect: Dialect, line: number, isWhole: boolean): Try {
  const reader = delimitedReader(dialect, undefined, line);
  const rows = reader.read({ text, bad: null, overlong: null });
  if (isWhole) rows.push(...reader.end());
  const counts = new Map<number, number>();
  let readable = 0;
  for (const { cells, refusal } of rows) {
    if (refusal) continue;
    readable += 1;
    counts.set(cells.length, (counts.get(cells.length) ?? 0) + 1);
  }
  const [usual, times] = [...counts].reduce(
    (one, other) => (other[1] > one[1] || (other[1] === one[1] && other[0] > one[0]) ? other : one),
    [1, 0],
  );
  const agreement = rows.length === 0 ? 0 : times / rows.length;
  const headings = findHeader(rows, line, usual).headings;
  const known = countKnown(headings);
  // One cell a row is what every wrong delimiter gives. Headings that mean something show the right one where two agree.
  const score = usual < 2 ? 0.01 * readable + 0.2 * known : agreement * 10 + Math.min(usual, 50) * 0.02 + known;
  return { dialect, rows, score: usual < 2 ? Math.min(score, 3) : score, usual };
}

/** The header is the first row of the usual width that has no data in it, and above it only titles. */
export function findHeader(
  rows: RawRow[],
  firstLine: number,
  usual: number,
): { headerLine: number | null; header: string; headings: string[]; firstLine: number } {
  const firsts = rows.slice(0, headerRowsMax);
  const knowns = firsts.map(({ cells, refusal }) => (refusal ? 0 : countKnown(cells)));
  for (const [place, row] of firsts.entries()) {
    if (row.refusal || row.cells.length < Math.min(usual, 2)) continue;
    const filled = row.cells.filter((cell) => cell.trim() !== '');
    const known = knowns[place] as number;
    const data = filled.slice(0, cellsLookedAt).filter(looksLikeData).length;
    if (row.cells.length !== usual && known < 2) continue;
    // A title above the header fills one cell of many.
    const isTitle = usual > 2 && filled.length <= usual / 3 && known < 2;
    const hasBetter = knowns.slice(place + 1).some((other) => other > known + 1);
    if (filled.length === 0 || isTitle || hasBetter) continue;
    if (data > 0 && known <= data) break;
    return { headerLine: row.line, header: row.raw, headings: row.cells, firstLine: lineAfter(rows, place) };
  }
  const headings = Array.from({ length: usual }, () => '');
  return { headerLine: null, header: '', headings, firstLine };
}

function lineAfter(rows: RawRow[], place: number): number {
  const row = rows[place] as RawRow;
  return row.line + (row.raw.match(/\n|\r(?!\n)/g)?.length ?? 0) + 1;
}
