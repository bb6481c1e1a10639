import type { CellRemark } from '../person.ts';

/** What a cell of a workbook is; cells of texts are all `text`. */
export const cellKinds = { text: 0, number: 1, date: 2, boolean: 3, error: 4 } as const;

/** A row that has more characters than this is refused. */
export const rowCharactersMax = 1024 * 1024;

export const columnsMax = 5_000;

export type Refusal = { code: RowRefusalCode; reason: string };
export type RowRefusalCode =
  | 'ragged'
  | 'quote'
  | 'too-long'
  | 'encoding'
  | 'malformed'
  | 'control-character'
  | 'damaged-id'
  | 'nobody';

/** A row of a source before anything is made of its cells: every format becomes this. */
export type RawRow = {
  /** From 1: the physical line on which the row begins, the row of a sheet, or the place in a list. */
  line: number;
  /** The row as the source has it. Of a row that is longer than the limit, its beginning. */
  raw: string;
  /** As many as there are columns; empty if the row is refused. A cell with several values has one a line. */
  cells: string[];
  /** For workbooks: the cellKinds of each cell. */
  kinds: Uint8Array | null;
  refusal: Refusal | null;
  /** Where `raw` cannot be written back as the same bytes: those bytes. */
  bytes: Uint8Array | null;
  /** What has to be said about its cells before anything is made of them. */
  remarks: CellRemark[] | null;
};

export const plainRow = (line: number, raw: string, cells: string[]): RawRow => ({
  line,
  raw,
  cells,
  kinds: null,
  refusal: null,
  bytes: null,
  remarks: null,
});

export const refusedRow = (
  line: number,
  raw: string,
  code: RowRefusalCode,
  reason: string,
  bytes: Uint8Array | null = null,
): RawRow => ({ line, raw, cells: [], kinds: null, refusal: { code, reason }, bytes, remarks: null });
