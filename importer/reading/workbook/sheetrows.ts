import { writeCsvRow } from '../csv.ts';
import { findHeader } from '../dialect.ts';
import { SourceRefused } from '../refusal.ts';
import { type RawRow, refusedRow } from '../rows.ts';
import type { ByteSource } from '../source.ts';
import { openWorkbook, type SheetRow, type Workbook } from './workbook.ts';

export type SheetLayout = {
  kind: 'workbook';
  sheet: string;
  /** The visible sheets that have rows. */
  sheets: string[];
  headerLine: number | null;
  header: string;
  headings: string[];
  firstLine: number;
};

const sampleRowsMax = 2_000;
const sheetsMax = 50;

/** Finds the sheet with rows and its header. */
export async function findSheet(
  source: ByteSource,
  wanted: string | undefined,
): Promise<{ layout: SheetLayout; sample: RawRow[] }> {
  const workbook = await openWorkbook(source);
  try {
    const filled: string[] = [];
    for (const sheet of workbook.sheets.slice(0, sheetsMax))
      if ((await firstRows(workbook, sheet, 2)).length > 1) filled.push(sheet);
    const sheet = wanted ?? filled[0] ?? workbook.sheets[0];
    if (sheet === undefined || !workbook.sheets.includes(sheet))
      throw new SourceRefused('bad-mapping', `The workbook has no sheet ${sheet}.`);
    const rows = await firstRows(workbook, sheet, sampleRowsMax);
    if (rows.length === 0) throw new SourceRefused('empty', `The sheet ${sheet} is empty.`);
    const width = rows.reduce((most, { cells }) => Math.max(most, cells.length), 0);
    const padded = rows.map((row) => toRawRow(row, width));
    const found = findHeader(padded, 1, width);
    const headings = found.headings.slice(0, lastUsed(padded, found.firstLine, found.headings) + 1);
    // A row of a sheet is one line, whatever line ends are in its cells.
    const firstLine = found.headerLine === null ? 1 : found.headerLine + 1;
    const header = writeCsvRow(headings);
    const layout = { kind: 'workbook' as const, sheet, sheets: filled, ...found, header, headings, firstLine };
    return {
      layout,
      sample: rows.filter(({ line }) => line >= firstLine).map((row) => toRawRow(row, headings.length)),
    };
  } finally {
    workbook.close();
  }
}

/** The last column that has a heading or a value. */
const lastUsed = (rows: RawRow[], firstLine: number, headings: string[]): number =>
  rows.reduce(
    (most, { line, cells }) =>
      Math.max(most, line < firstLine ? -1 : cells.findLastIndex((cell) => cell.trim() !== '')),
    headings.findLastIndex((heading) => heading.trim() !== ''),
  );

async function firstRows(workbook: Workbook, sheet: string, rowsMax: number): Promise<SheetRow[]> {
  const first: SheetRow[] = [];
  for await (const rows of workbook.readSheet(sheet)) {
    first.push(...rows);
    if (first.length >= rowsMax) break;
  }
  return first.slice(0, rowsMax);
}

export async function* readSheetRows(source: ByteSource, layout: SheetLayout): AsyncGenerator<RawRow[]> {
  const workbook = await openWorkbook(source);
  try {
    for await (const rows of workbook.readSheet(layout.sheet)) {
      const raw = rows
        .filter(({ line }) => line >= layout.firstLine)
        .map((row) => toRawRow(row, layout.headings.length));
      if (raw.length > 0) yield raw;
    }
  } finally {
    workbook.close();
  }
}

/** Sheets leave empty cells out, so a short row is whole; a value beyond the last column belongs to none. */
function toRawRow({ line, cells, kinds }: SheetRow, width: number): RawRow {
  const raw = writeCsvRow(cells);
  if (cells.length > width)
    return refusedRow(line, raw, 'ragged', `The row has ${cells.length} cells, the header has ${width}.`);
  while (cells.length < width) {
    cells.push('');
    kinds.push(0);
  }
  return { line, raw, cells, kinds: Uint8Array.from(kinds), refusal: null, bytes: null, remarks: null };
}
