import { anyText } from '@aether/platform/testing.text';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { delimitedReader } from './delimited.ts';
import { findLayoutOf, readRows } from './layout.ts';
import { readPieces } from './lines.ts';
import type { RawRow } from './rows.ts';
import { openSource } from './source.ts';
import { personsOf, readAll, readText } from './testing.reading.ts';

const newlines = ['\n', '\r\n', '\r'] as const;

/** A table as some program would write it, with the cells that are hard to write. */
const table = fc
  .record({
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    newline: fc.constantFrom(...newlines),
    encoding: fc.constantFrom(
      'utf-8',
      'utf-8 with mark',
      'utf-16le',
      'utf-16le with mark',
      'utf-16be',
      'utf-16be with mark',
    ),
    quoting: fc.constantFrom('all', 'needed', 'some'),
    isClosed: fc.boolean(),
    width: fc.integer({ min: 2, max: 6 }),
    seed: fc.nat(),
  })
  .chain((form) => {
    const cell = fc.oneof(
      fc.string({ maxLength: 8 }),
      anyText({ maxLength: 8 }),
      fc.constantFrom(
        '',
        '"',
        '""',
        'a"b',
        ' x ',
        '#1',
        '=1+1',
        '0042',
        '+49',
        'Müller',
        '東京',
        'a,b',
        'a;b',
        'a\tb',
        'a\nb',
        'a\r\nb',
        '\n',
        '“”',
      ),
    );
    const rows = fc.array(fc.array(cell, { minLength: form.width, maxLength: form.width }), {
      minLength: 1,
      maxLength: 12,
    });
    return rows.map((rows) => ({ ...form, rows }));
  });

type Form = Pick<
  typeof table extends fc.Arbitrary<infer T> ? T : never,
  'delimiter' | 'newline' | 'quoting' | 'isClosed' | 'encoding'
>;

function write(rows: string[][], { delimiter, newline, quoting, isClosed }: Form): string {
  const writeCell = (cell: string, place: number) => {
    const must = /["\r\n]/.test(cell) || cell.includes(delimiter);
    return must || quoting === 'all' || (quoting === 'some' && place % 2 === 0)
      ? `"${cell.replaceAll('"', '""')}"`
      : cell;
  };
  return rows.map((cells) => cells.map(writeCell).join(delimiter)).join(newline) + (isClosed ? newline : '');
}

function encode(text: string, encoding: string): Buffer {
  const marked = encoding.endsWith('mark') ? `\ufeff${text}` : text;
  if (encoding.startsWith('utf-8')) return Buffer.from(marked);
  const wide = Buffer.from(marked, 'utf16le');
  return encoding.startsWith('utf-16be') ? wide.swap16() : wide;
}

test('what is written as CSV, with any delimiter, quoting, line end and encoding, is read as the same rows', async () => {
  await fc.assert(
    fc.asyncProperty(table, async (form) => {
      const headings = ['Id', 'Name', 'E-Mail', 'City', 'Notes', 'Phone'].slice(0, form.width);
      // A line end of the other kind within a cell stays what it is, except for a lone CR in front of the line end that the cells are written with.
      // A short file with a zero byte is no text; in a long one the cell is refused (hostile.test.ts).
      const rows = form.rows
        .map((cells) => cells.map((cell) => cell.toWellFormed().replaceAll('\0', '')))
        .filter((cells) => cells.some((cell) => cell !== ''));
      const text = write([headings, ...rows], form);
      const source = await openSource(encode(text, form.encoding));
      const { layout } = await findLayoutOf(source);
      const read: RawRow[] = [];
      for await (const batch of readRows(source, layout)) read.push(...batch.rows);
      expect(read.map(({ refusal }) => refusal).filter(Boolean)).toEqual([]);
      expect(read.map(({ cells }) => cells)).toEqual(rows);
    }),
    { numRuns: 300 },
  );
});

test('pieces of any size are read as the same rows with the same lines', async () => {
  await fc.assert(
    fc.asyncProperty(table, fc.integer({ min: 1, max: 40 }), async (form, size) => {
      const text = write(form.rows, form);
      const bytes = Buffer.from(text);
      const newline = form.newline === '\r' ? '\r' : '\n';
      const read = async (chunkBytes: number) => {
        async function* chunks() {
          for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
        }
        const reader = delimitedReader({ delimiter: form.delimiter, newline }, undefined);
        const rows: RawRow[] = [];
        for await (const piece of readPieces(chunks(), {
          encoding: 'utf-8',
          markBytes: 0,
          newline,
          lineBytesMax: 10_000,
        }))
          rows.push(...reader.read(piece));
        return [...rows, ...reader.end()];
      };
      expect(await read(size)).toEqual(await read(bytes.length || 1));
    }),
    { numRuns: 100 },
  );
});

test('any text at all is read without an error, and each of its lines is in exactly one row', async () => {
  await fc.assert(
    fc.property(fc.array(fc.constantFrom('"', ',', 'a', '\n', 'b"', '""', ' '), { maxLength: 40 }), (parts) => {
      const text = parts.join('');
      const reader = delimitedReader({ delimiter: ',', newline: '\n' }, 2);
      const rows = [...reader.read({ text, bad: null, overlong: null }), ...reader.end()];
      const lines = text.split('\n');
      const covered = rows.flatMap(({ line, raw }) => raw.split('\n').map((_, place) => line + place));
      const filled = lines.flatMap((line, place) => (line === '' ? [] : [place + 1]));
      expect(new Set(covered).size).toBe(covered.length);
      expect(filled.filter((line) => !covered.includes(line))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('a row with a cell too many is rejected with its line, and moves no other row', async () => {
  const { rows } = await readText(
    'id,name,email\n1,Ann,ann@example.com\n2,Bob,x,bob@example.com\n3,Cem,cem@example.com\nTotal: 3\n',
  );
  expect(rows.map(({ kind, line }) => [line, kind])).toEqual([
    [2, 'person'],
    [3, 'rejected'],
    [4, 'person'],
    [5, 'rejected'],
  ]);
  expect(rows[1]).toMatchObject({ code: 'ragged', raw: '2,Bob,x,bob@example.com' });
});

test('a quote that is not closed costs its own line and no other', async () => {
  const { rows } = await readText(
    'id,name,email\n1,"Ann,ann@example.com\n2,"Bob, jr",bob@example.com\n3,Cem,cem@example.com\n',
  );
  expect(rows.map(({ kind, line }) => [line, kind])).toEqual([
    [2, 'rejected'],
    [3, 'person'],
    [4, 'person'],
  ]);
  expect(rows[0]).toMatchObject({ code: 'quote', raw: '1,"Ann,ann@example.com' });
});

test('rows behind a quoted line end have their physical line', async () => {
  const { rows } = await readText('id,name,note\r\n1,Ann,"a\r\nb\r\nc"\r\n2,Bob,x\r\n');
  expect(rows.map(({ line }) => line)).toEqual([2, 5]);
  expect(personsOf(rows)[0]?.notes).toEqual(['a\r\nb\r\nc']);
});

test('one damaged line of UTF-8 is rejected with its bytes, and the others are read as they are', async () => {
  const good = Array.from({ length: 30 }, (_, place) => `${place},Jürgen,j${place}@example.com`);
  const bytes = Buffer.concat([
    Buffer.from(`id,name,email\n${good.join('\n')}\n99,J`),
    Buffer.from([0xfc]),
    Buffer.from('rg,x@example.com\n'),
  ]);
  const { recognition, rows } = await readAll(bytes);
  expect(recognition.encoding).toMatchObject({ encoding: 'utf-8', badLines: 1 });
  expect(rows.at(-1)).toMatchObject({ kind: 'rejected', code: 'encoding', line: 32 });
  const last = rows.at(-1) as { bytes?: Uint8Array };
  expect(Buffer.from(last.bytes ?? []).includes(0xfc)).toBe(true);
  expect(personsOf(rows.slice(0, 30))[0]?.name).toBe('Jürgen');
});
