import type { CellRemark } from '../../person.ts';
import { readPieces } from '../lines.ts';
import { SourceRefused } from '../refusal.ts';
import { columnsMax, plainRow, type RawRow, refusedRow } from '../rows.ts';
import type { ByteSource } from '../source.ts';
import { fieldsOf } from './records.ts';
import { findLists, type JsonText, jsonScanner, recordCharactersMax } from './scanner.ts';

export type JsonLayout = {
  kind: 'json';
  encoding: string;
  markBytes: number;
  /** Whether each line is a record. Otherwise the records are in a list, whose name is `list` if it is within an object. */
  isLines: boolean;
  list: string | null;
  /** Whether some bytes are no text. Records with such bytes are rejected. */
  hasBadBytes: boolean;
  headings: string[];
};

const sampleRowsMax = 2_000;
const scanRowsMax = 100_000;
const recordNames = /^(?:id|email|name|first_?name|last_?name|phone)$/i;

/** Whether a text begins like JSON: `[` and a value, or `{` and a name. */
export const looksLikeJson = (text: string): boolean => /^[\s\ufeff]*(?:\[\s*[[{\]"\d-]|\{\s*["}])/.test(text);

/** Finds where the records are, and the names of their fields: those of the first hundred thousand records. */
export async function findJson(
  source: ByteSource,
  head: string,
  { encoding, markBytes, badLines }: { encoding: string; markBytes: number; badLines: number },
): Promise<{ layout: JsonLayout; sample: RawRow[] }> {
  const records = findRecords(head);
  const layout: JsonLayout = { kind: 'json', encoding, markBytes, ...records, hasBadBytes: badLines > 0, headings: [] };
  const names = new Set<string>();
  const sample: JsonText[] = [];
  let count = 0;
  for await (const { texts } of readTexts(source, layout)) {
    for (const record of texts) {
      count += 1;
      if (sample.length < sampleRowsMax) sample.push(record);
      for (const name of fieldsOf(record.text)?.keys() ?? []) names.add(name);
    }
    if (names.size > columnsMax)
      throw new SourceRefused('too-many-columns', `The records have more than ${columnsMax} fields.`);
    if (count >= scanRowsMax) break;
  }
  if (names.size === 0) throw new SourceRefused('not-a-table', `${source.name} is JSON without records.`);
  layout.headings = [...names];
  const places = placesOf(layout);
  return { layout, sample: sample.map((record) => toRow(record, layout, places)) };
}

function findRecords(head: string): { isLines: boolean; list: string | null } {
  const text = head.replace(/^[\s\ufeff]+/, '');
  if (text.startsWith('[')) return { isLines: false, list: null };
  const lines = text.split(/\r?\n/, 3).filter((line) => line.trim() !== '');
  const isRecord = (line = '') => fieldsOf(line) !== undefined;
  const lists = findLists(text).filter(({ first }) => first === '{');
  if (lines.length > 1 && isRecord(lines[0])) return { isLines: true, list: null };
  const firstName = /^\{\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? '';
  const [list] = lists;
  if (list && !recordNames.test(firstName)) return { isLines: false, list: list.name };
  return { isLines: isRecord(lines[0]), list: null };
}

/** All records as rows, in batches. */
export async function* readJsonRows(
  source: ByteSource,
  layout: JsonLayout,
): AsyncGenerator<{ rows: RawRow[]; bytes: number }> {
  const places = placesOf(layout);
  for await (const { texts, bytes } of readTexts(source, layout))
    yield { rows: texts.map((record) => toRow(record, layout, places)), bytes };
}

const placesOf = ({ headings }: JsonLayout): Map<string, number> => new Map(headings.map((name, at) => [name, at]));

type Text = JsonText & { bytes?: Buffer };

async function* readTexts(source: ByteSource, layout: JsonLayout): AsyncGenerator<{ texts: Text[]; bytes: number }> {
  let bytes = 0;
  async function* counted() {
    for await (const chunk of source.read()) {
      bytes += chunk.length;
      yield chunk;
    }
  }
  if (layout.isLines) {
    for await (const texts of readLines(counted(), layout)) if (texts.length > 0) yield { texts, bytes };
    return;
  }
  const scanner = jsonScanner(layout.list);
  const decoder = new TextDecoder(layout.encoding);
  for await (const chunk of counted()) {
    const texts = scanner.read(decoder.decode(chunk, { stream: true }));
    if (texts.length > 0) yield { texts, bytes };
  }
  const texts = [...scanner.read(decoder.decode()), ...scanner.end()];
  if (texts.length > 0) yield { texts, bytes };
}

async function* readLines(chunks: AsyncIterable<Buffer>, layout: JsonLayout): AsyncGenerator<Text[]> {
  let line = 0;
  const pieces = readPieces(chunks, { ...layout, newline: '\n', lineBytesMax: recordCharactersMax });
  for await (const { text, bad, overlong } of pieces) {
    if (overlong) {
      line += 1;
      yield [{ text: overlong.head, place: line, problem: `The line has ${overlong.bytes} bytes.` }];
      continue;
    }
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    const texts: Text[] = [];
    for (const [place, one] of lines.entries()) {
      line += 1;
      const bytes = bad?.get(place);
      const trimmed = one.endsWith('\r') ? one.slice(0, -1) : one;
      if (bytes) texts.push({ text: trimmed, place: line, problem: 'The line has bytes that are no text.', bytes });
      else if (trimmed.trim() !== '') texts.push({ text: trimmed, place: line, problem: null });
    }
    yield texts;
  }
}

function toRow({ text, place, problem, bytes }: Text, layout: JsonLayout, places: Map<string, number>): RawRow {
  const { headings, hasBadBytes } = layout;
  if (!problem && hasBadBytes && text.includes('\ufffd'))
    return refusedRow(place, text, 'encoding', 'The record has bytes that are no text.');
  if (bytes) return refusedRow(place, text, 'encoding', problem ?? '', bytes);
  if (problem) return refusedRow(place, text.slice(0, 1_000), 'too-long', problem);
  const fields = fieldsOf(text);
  if (!fields) return refusedRow(place, text, 'malformed', 'This is no JSON object.');
  const cells = new Array<string>(headings.length).fill('');
  let remarks: CellRemark[] | null = null;
  for (const [name, value] of fields) {
    const at = places.get(name);
    if (at !== undefined) cells[at] = value;
    else if (value !== '') {
      remarks ??= [];
      const message = 'None of the first records has this field, so it belongs to no column.';
      remarks.push({ column: name, code: 'late-column', cell: value.slice(0, 200), message });
    }
  }
  const row = plainRow(place, text, cells);
  row.remarks = remarks;
  return row;
}
