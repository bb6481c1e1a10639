import { toCell } from '@aether/platform/spreadsheet';
import { parse } from 'csv-parse/sync';
import type { FileLayout, ImportClient, Outcome, RunRow } from './records.ts';
import { listRows, readRun } from './runs.ts';

const rowsPerPage = 1_000;

/**
 * Lines of a run as a CSV file, in pieces: as they were in their file, behind three columns that say which line it was and what became of it.
 * An import reads the file again, once somebody has mended it, and leaves the three columns out. Rows of JSON and of cards stay whole, in one cell.
 *
 * @throws ImportRefused if there is no such run
 */
export async function* writeRowsFile(
  client: ImportClient,
  run: string,
  { outcome }: { outcome?: Outcome | undefined } = {},
): AsyncGenerator<string> {
  const { settings, files } = await readRun(client, run);
  const layouts = new Map(files.map(({ name }, place) => [name, settings.layouts?.[place]]));
  const headings = [...new Set([...layouts.values()].flatMap((layout) => layout?.headings ?? []))];
  yield toLine(['import line', 'import outcome', 'import reason', ...headings]);
  for (let after = 0; ; ) {
    const rows = await listRows(client, run, { after, limit: rowsPerPage, ...(outcome && { outcome }) });
    yield rows.map((row) => toLine(cellsOf(row, headings, layouts.get(row.file)))).join('');
    if (rows.length < rowsPerPage) return;
    after = rows.at(-1)?.n ?? after;
  }
}

function cellsOf(row: RunRow, headings: string[], layout: FileLayout | null | undefined): string[] {
  const first = [String(row.line), row.outcome, row.message ?? row.code ?? ''];
  // A line that was taken over is not kept as it was: what was read of it stands in its columns.
  if (row.raw === null) return [...first, row.externalId ?? '', row.email ?? '', row.name ?? ''];
  const cells = splitRaw(row.raw, layout);
  if (!layout || cells.length < 2) return [...first, ...cells];
  const byHeading = new Map(layout.headings.map((heading, place) => [heading, cells[place] ?? '']));
  return [...first, ...headings.map((heading) => byHeading.get(heading) ?? ''), ...cells.slice(layout.headings.length)];
}

function splitRaw(raw: string, layout: FileLayout | null | undefined): string[] {
  if (!layout?.delimiter) return [raw];
  try {
    const [cells] = parse(raw, {
      delimiter: layout.delimiter,
      relax_column_count: true,
      relax_quotes: true,
    }) as string[][];
    return cells ?? [raw];
  } catch {
    return [raw];
  }
}

function toLine(cells: string[]): string {
  return `${cells
    .map(toCell)
    .map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',')}\r\n`;
}
