import { delimitedReader } from './delimited.ts';
import { findLayout, type TextLayout } from './dialect.ts';
import { type EncodingFinding, findEncoding } from './encoding.ts';
import { readPieces } from './lines.ts';
import { SourceRefused } from './refusal.ts';
import { type RawRow, rowCharactersMax } from './rows.ts';
import { type ByteSource, readHead, type Source } from './source.ts';

/** How the rows of a source are found again: pure data, which a run stores. */
export type Layout = { kind: 'delimited'; encoding: string; markBytes: number } & TextLayout;

/** What a person may have answered about the bytes of a source. */
export type LayoutAnswers = { encoding?: string; sheet?: string };

export type FoundLayout = { layout: Layout; encoding: EncodingFinding | null };

/** Some rows and how far into the source they are, in bytes; of a query, 0. */
export type RowBatch = { rows: RawRow[]; bytes: number };

const headBytes = 256 * 1024;
export const columnsMax = 5_000;

/** @throws SourceRefused if the source is nothing that rows can be read from */
export async function findLayoutOf(source: Source, answers: LayoutAnswers = {}): Promise<FoundLayout> {
  if (source.kind === 'query') throw new SourceRefused('no-connection', 'not yet');
  return findText(source, answers);
}

async function findText(source: ByteSource, answers: LayoutAnswers): Promise<FoundLayout> {
  const found = await findEncoding(source);
  const encoding = answers.encoding ? { ...found, encoding: answers.encoding } : found;
  const head = await readHead(source, headBytes);
  const text = await headText(head, encoding);
  if (text.trim() === '') throw new SourceRefused('empty', `${source.name} is empty.`);
  const layout = findLayout(text, source.size <= headBytes);
  requireColumns(layout.headings);
  return {
    layout: { kind: 'delimited', encoding: encoding.encoding, markBytes: encoding.markBytes, ...layout },
    encoding,
  };
}

async function headText(head: Buffer, { encoding, markBytes }: EncodingFinding): Promise<string> {
  // A character that is cut at the end becomes a mark of replacement in the last line, which the layout does not need.
  return new TextDecoder(encoding, { ignoreBOM: true }).decode(head.subarray(markBytes));
}

export function requireColumns(headings: readonly string[]): void {
  if (headings.length > columnsMax)
    throw new SourceRefused(
      'too-many-columns',
      `The header has ${headings.length} columns; at most ${columnsMax} can be read.`,
    );
}

/** All rows behind the header, in batches. Memory does not grow with the source. */
export async function* readRows(source: Source, layout: Layout): AsyncGenerator<RowBatch> {
  if (source.kind === 'query') throw new SourceRefused('no-connection', 'not yet');
  yield* readDelimited(source, layout);
}

async function* readDelimited(source: ByteSource, layout: Layout): AsyncGenerator<RowBatch> {
  let bytes = 0;
  async function* counted() {
    for await (const chunk of source.read()) {
      bytes += chunk.length;
      yield chunk;
    }
  }
  const reader = delimitedReader(layout, layout.headings.length);
  const { firstLine } = layout;
  const behindHeader = (rows: RawRow[]) =>
    rows[0] && rows[0].line < firstLine ? rows.filter(({ line }) => line >= firstLine) : rows;
  for await (const piece of readPieces(counted(), { ...layout, lineBytesMax: rowCharactersMax })) {
    const rows = behindHeader(reader.read(piece));
    if (rows.length > 0) yield { rows, bytes };
  }
  const rows = behindHeader(reader.end());
  if (rows.length > 0) yield { rows, bytes };
}

/** The first rows of a source, at most `rowsMax`. */
export async function sampleRows(source: Source, layout: Layout, rowsMax: number): Promise<RawRow[]> {
  const sample: RawRow[] = [];
  for await (const { rows } of readRows(source, layout)) {
    sample.push(...rows);
    if (sample.length >= rowsMax) break;
  }
  return sample.slice(0, rowsMax);
}
