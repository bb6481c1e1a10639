import type { ListPlace, Placed } from '@aether/platform';
import { toCell } from '@aether/platform/spreadsheet';
import type { Context } from 'hono';
import { z } from './input/zod.ts';

/** The columns of a file: the heading of each, and its value for a row. */
export type CsvColumns<Row> = Record<string, (row: Row) => unknown>;

/**
 * One line of a file for spreadsheets. A text that a spreadsheet would take for a formula gets an apostrophe before it: an event or an error
 * may hold what a stranger typed. Pure.
 */
export function toCsvLine(values: unknown[]): string {
  return `${values.map(toField).join(',')}\r\n`;
}

function toField(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = toCell(text);
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export type Cell = string | number | boolean | Date | null | undefined;

/** A whole table as RFC 4180, for lists that are short. Pure. */
export const toCsv = (head: string[], rows: Cell[][]): string => [head, ...rows].map(toCsvLine).join('');

/** The headers of a file to keep. */
export const csvHeaders = (name: string): Record<string, string> => ({
  'Content-Type': 'text/csv; charset=utf-8',
  'Content-Disposition': `attachment; filename="${name}.csv"`,
  'Cache-Control': 'no-store',
});

/**
 * Answers with a list as a file, page by page: the server holds one page at a time, and reads the next when the client has taken it. What
 * cannot be read at all is refused before the file begins.
 *
 * @param pages ends when the list does. An error in the middle cuts the answer off, so that no file looks whole and is not.
 */
export async function answerCsv<Row>(
  c: Context,
  { name, columns, pages }: { name: string; columns: CsvColumns<Row>; pages: () => AsyncGenerator<Row[]> },
): Promise<Response> {
  const encoder = new TextEncoder();
  const read = Object.values(columns);
  const write = (rows: Row[]) => rows.map((row) => toCsvLine(read.map((each) => each(row)))).join('');
  const rows = pages();
  const first = await rows.next();
  let isBegun = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = isBegun ? await rows.next() : first;
      // The mark tells spreadsheets that the file is in UTF-8.
      const head = isBegun ? '' : `\ufeff${toCsvLine(Object.keys(columns))}`;
      isBegun = true;
      const lines = head + (done ? '' : write(value));
      if (lines !== '') controller.enqueue(encoder.encode(lines));
      if (done) controller.close();
    },
    async cancel() {
      await rows.return(undefined);
    },
  });
  return c.body(body, 200, csvHeaders(name));
}

/** The pages of a list that is read behind a place. */
export async function* pagesOf<Row extends object>(
  read: (paging: { after?: ListPlace; limit: number }) => Promise<Placed<Row>[]>,
  limit = 1_000,
): AsyncGenerator<Placed<Row>[]> {
  for (let after: ListPlace | undefined; ; ) {
    const rows = await read({ limit, ...(after && { after }) });
    if (rows.length === 0) return;
    yield rows;
    after = rows.at(-1)?.place;
  }
}

/** The answer of a route that gives a list as a file, for its OpenAPI document. */
export const csvResponse = {
  description:
    'A file in UTF-8 for spreadsheets (RFC 4180), with an apostrophe before texts that begin like a formula.',
  content: { 'text/csv': { schema: z.string() } },
};
