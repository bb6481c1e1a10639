import { fromCell } from '@aether/platform/spreadsheet';
import { parse } from 'csv-parse/sync';

/**
 * The rows of a file as somebody else's reader gives them, each cell under its heading, without the apostrophes that keep spreadsheets from
 * running a text.
 *
 * @throws if a row has more or fewer cells than the head
 */
export const openCsv = (text: string): Record<string, string>[] =>
  parse<Record<string, string>>(text, { bom: true, columns: true, cast: (cell) => fromCell(cell) });

/** What a value of an answer in JSON is in a cell. */
export const cellOf = (value: unknown): string => (value === null || value === undefined ? '' : String(value));
