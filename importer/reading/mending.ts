import { writeCsvRow } from './csv.ts';
import type { Layout } from './layout.ts';

/*
 * Rows that were not taken over leave as a file that is read like their source again: each row as it was, with its line and the reason before
 * it. Who has mended the rows gives back the file as it is: the two columns are never imported, and do not change what the columns mean.
 */

export type MendingRow = { line: number; raw: string; reason: string };
export type MendingFile = {
  /** Of the file's name. */
  extension: 'csv' | 'jsonl' | 'vcf';
  /** What stands before the rows. */
  head: string;
  write(row: MendingRow): string;
};

const added = ['aether_line', 'aether_reason'] as const;

/** Whether a column was added to rows that were to be mended. */
export const isAddedColumn = (name: string): boolean => (added as readonly string[]).includes(name);

/** How rows of a source with this layout are written, in UTF-8. Pure. */
export function mendingFileOf(layout: Layout): MendingFile {
  if (layout.kind === 'vcard')
    return {
      extension: 'vcf',
      head: '',
      write: ({ line, raw, reason }) =>
        `${raw.trim().replace(/^(BEGIN:VCARD)\r?\n/i, `$1\nX-AETHER-LINE:${line}\nX-AETHER-REASON:${reason}\n`)}\n`,
    };
  if (layout.kind === 'json')
    return {
      extension: 'jsonl',
      head: '',
      // A line break in JSON is never part of a value. The first name of a record says what it is, so these come last.
      write: ({ line, raw, reason }) =>
        `${raw
          .trim()
          .replace(/[\r\n]+/g, ' ')
          .replace(/(\{?)\s*\}$/, (_, open) => {
            const more = `"aether_line": ${line}, "aether_reason": ${JSON.stringify(reason)}}`;
            return open ? `{${more}` : `, ${more}`;
          })}\n`,
    };
  const isText = layout.kind === 'delimited';
  const delimiter = isText ? layout.delimiter : ',';
  const cells = (values: string[]) => values.map((value) => quote(value, delimiter)).join(delimiter);
  const hasHeader = isText && layout.headerLine !== null;
  const headings = layout.headings.map((heading, at) => heading || `Column ${at + 1}`);
  const header = hasHeader ? layout.header : isText ? cells(headings) : writeCsvRow(headings);
  return {
    extension: 'csv',
    // The mark tells spreadsheets that the file is in UTF-8.
    head: `\ufeff${cells([...added])}${delimiter}${header}\n`,
    write: ({ line, raw, reason }) => `${cells([String(line), reason])}${delimiter}${raw}\n`,
  };
}

const quote = (value: string, delimiter: string): string =>
  value.includes(delimiter) || /["\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
