import type { ListPlace, Placed } from '@aether/platform';
import type { Context } from 'hono';

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
  const safe = /^[\s\p{Cf}]*[=+\-@\t\r|%]/u.test(text) ? `'${text}` : text;
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
 * Answers with a list as a file, page by page: the server holds one page at a time, and reads the next when the client has taken it.
 *
 * @param pages ends when the list does. An error in the middle cuts the answer off, so that no file looks whole and is not.
 */
export function answerCsv<Row>(
  c: Context,
  { name, columns, pages }: { name: string; columns: CsvColumns<Row>; pages: () => AsyncGenerator<Row[]> },
): Response {
  const encoder = new TextEncoder();
  const read = Object.values(columns);
  const rows = pages();
  let isBegun = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!isBegun) {
        isBegun = true;
        // The mark tells spreadsheets that the file is in UTF-8.
        controller.enqueue(encoder.encode(`\ufeff${toCsvLine(Object.keys(columns))}`));
        return;
      }
      const { value, done } = await rows.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value.map((row) => toCsvLine(read.map((each) => each(row)))).join('')));
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
): AsyncGenerator<Placed<Row>[]> {
  const limit = 1_000;
  for (let after: ListPlace | undefined; ; ) {
    const rows = await read({ limit, ...(after && { after }) });
    if (rows.length > 0) yield rows;
    if (rows.length < limit) return;
    after = rows.at(-1)?.place;
  }
}
