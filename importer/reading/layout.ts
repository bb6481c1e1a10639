import { delimitedReader } from './delimited.ts';
import { findLayout, type TextLayout } from './dialect.ts';
import { type EncodingFinding, findEncoding } from './encoding.ts';
import { findJson, type JsonLayout, looksLikeJson, readJsonRows } from './json/jsonrows.ts';
import { readPieces } from './lines.ts';
import { findQuery, type QueryLayout, readQueryRows } from './query.ts';
import { SourceRefused } from './refusal.ts';
import { columnsMax, type RawRow, rowCharactersMax } from './rows.ts';
import { type ByteSource, readHead, type Source } from './source.ts';
import { type CardLayout, cardLayout, looksLikeCards, readCards } from './vcard/vcardrows.ts';
import { findSheet, readSheetRows, type SheetLayout } from './workbook/sheetrows.ts';

export type DelimitedLayout = { kind: 'delimited'; encoding: string; markBytes: number } & TextLayout;

/** How the rows of a source are found again: pure data, which a run stores. */
export type Layout = DelimitedLayout | SheetLayout | JsonLayout | CardLayout | QueryLayout;

/** What a person may have answered about the bytes of a source. */
export type LayoutAnswers = { encoding?: string; sheet?: string };

export type FoundLayout = { layout: Layout; encoding: EncodingFinding | null; sample: RawRow[] };

/** Some rows and how far into the source they are, in bytes; 0 of a query and of a workbook, whose bytes are not read in order. */
export type RowBatch = { rows: RawRow[]; bytes: number };

const headBytes = 256 * 1024;
const sampleRowsMax = 2_000;

/**
 * Finds how to read a source, and its first rows.
 *
 * @throws SourceRefused if the source is nothing that rows can be read from
 */
export async function findLayoutOf(source: Source, answers: LayoutAnswers = {}): Promise<FoundLayout> {
  const found = await (source.kind === 'query' ? findQuery(source, sampleRowsMax) : findBytes(source, answers));
  const { length } = found.layout.headings;
  if (length > columnsMax)
    throw new SourceRefused('too-many-columns', `The source has ${length} columns; at most ${columnsMax} can be read.`);
  return { encoding: null, ...found };
}

/** All rows behind the header, in batches. Memory does not grow with the source. */
export async function* readRows(source: Source, layout: Layout): AsyncGenerator<RowBatch> {
  if (source.kind === 'query') {
    for await (const rows of readQueryRows(source, requireKind(layout, 'query'))) yield { rows, bytes: 0 };
    return;
  }
  switch (layout.kind) {
    case 'delimited':
      yield* readDelimited(source, layout);
      return;
    case 'workbook':
      for await (const rows of readSheetRows(source, layout)) yield { rows, bytes: 0 };
      return;
    case 'json':
      yield* readJsonRows(source, layout);
      return;
    case 'vcard':
      yield* readCards(source, layout);
      return;
    default:
      requireKind(layout, 'delimited');
  }
}

function requireKind<Kind extends Layout['kind']>(layout: Layout, kind: Kind): Extract<Layout, { kind: Kind }> {
  if (layout.kind !== kind)
    throw new SourceRefused('damaged', 'The source is another one than the one that was recognised.');
  return layout as Extract<Layout, { kind: Kind }>;
}

async function findBytes(
  source: ByteSource,
  answers: LayoutAnswers,
): Promise<{ layout: Layout; encoding?: EncodingFinding | null; sample: RawRow[] }> {
  const head = await readHead(source, headBytes);
  refuseBinary(source, head);
  if (head.subarray(0, 4).toString('latin1') === 'PK\x03\x04') return findSheet(source, answers.sheet);
  const found = await findEncoding(source);
  const encoding = answers.encoding ? { ...found, encoding: requireEncoding(answers.encoding) } : found;
  // A character that is cut at the end becomes a mark of replacement in the last line, which the layout does not need.
  const text = new TextDecoder(encoding.encoding, { ignoreBOM: true }).decode(head.subarray(encoding.markBytes));
  if (text.trim() === '') throw new SourceRefused('empty', `${source.name} has no text.`);
  if (looksLikeCards(text)) return sampled(source, cardLayout(text, encoding), encoding);
  if (looksLikeJson(text)) return { ...(await findJson(source, text, encoding)), encoding };
  if (/^\s*(?:<\?xml|<!DOCTYPE|<html)/i.test(text))
    throw new SourceRefused('not-a-table', `${source.name} is a page or XML. Export it as CSV or XLSX.`);
  // One zero in a cell rejects its row; a program or a picture is full of them.
  const start = text.slice(0, 4_096);
  if (start.split('\0').length - 1 > start.length / 50)
    throw new SourceRefused('not-a-table', `${source.name} is no text.`);
  const { encoding: name, markBytes } = encoding;
  const layout = {
    kind: 'delimited' as const,
    encoding: name,
    markBytes,
    ...findLayout(text, source.size <= headBytes),
  };
  return sampled(source, layout, encoding);
}

async function sampled(
  source: ByteSource,
  layout: Layout,
  encoding: EncodingFinding,
): Promise<{ layout: Layout; encoding: EncodingFinding; sample: RawRow[] }> {
  if (layout.headings.length > columnsMax) return { layout, encoding, sample: [] };
  const sample: RawRow[] = [];
  for await (const { rows } of readRows(source, layout)) {
    sample.push(...rows);
    if (sample.length >= sampleRowsMax) break;
  }
  return { layout, encoding, sample: sample.slice(0, sampleRowsMax) };
}

/** Kinds of files that are no text, by their first bytes. */
function refuseBinary({ name, size }: ByteSource, head: Buffer): void {
  if (size === 0) throw new SourceRefused('empty', `${name} is empty.`);
  const start = head.subarray(0, 8).toString('hex');
  if (start.startsWith('d0cf11e0'))
    throw new SourceRefused(
      'old-workbook',
      `${name} is an old workbook (XLS), or one with a password. Save it as XLSX or CSV, without one.`,
    );
  if (/^(?:1f8b|425a68|fd377a585a|28b52ffd|377abcaf|526172)/.test(start))
    throw new SourceRefused('compressed', `${name} is compressed. Unpack it first.`);
  if (/^(?:25504446|89504e47|ffd8ff|47494638)/.test(start))
    throw new SourceRefused('not-a-table', `${name} is a document or picture. Export the list as CSV or XLSX.`);
}

function requireEncoding(name: string): string {
  try {
    return new TextDecoder(name).encoding;
  } catch {
    throw new SourceRefused('bad-mapping', `${name} is no encoding. Examples are utf-8, windows-1252 and shift_jis.`);
  }
}

async function* readDelimited(source: ByteSource, layout: DelimitedLayout): AsyncGenerator<RowBatch> {
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
