import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { writeWorkbook, writeZip } from './testing.workbook.ts';

/** What must come of a faulty file: the code of the refusal, or how many rows of each kind. */
export type Expected =
  | { refusal: string }
  | { persons: number; rejected?: number; excluded?: number; codes?: string[] };

const head = 'id,name,email\n';
const sheetRow = '<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>';
const people = (from: number, count: number): string =>
  Array.from(
    { length: count },
    (_, place) => `${from + place},Person ${from + place},p${from + place}@example.com\n`,
  ).join('');

/** Small faulty files. Each shows one fault among rows that are right. */
export const smallFiles: { name: string; bytes: Buffer; expected: Expected }[] = [
  small('nothing at all', '', { refusal: 'empty' }),
  small('spaces alone', ' \n\n \t\n', { refusal: 'empty' }),
  small('a header alone', head, { persons: 0 }),
  small('no line end after the last row', `${head}1,Ann,ann@example.com`, { persons: 1 }),
  small('blank lines between rows', `\n${head}\n1,Ann,ann@example.com\n\n\n2,Bob,bob@example.com\n\n`, { persons: 2 }),
  small('rows of empty cells', `${head}1,Ann,ann@example.com\n,,\n , ,\n`, { persons: 1, excluded: 2 }),
  small('a row too long and one too short', `${head}${people(1, 5)}9,a,b,c\n9,a\n`, {
    persons: 5,
    rejected: 2,
    codes: ['ragged'],
  }),
  small('a total at the end', `${head}${people(1, 5)}Total: 5\n`, { persons: 5, rejected: 1, codes: ['ragged'] }),
  small('a header on row two', `Export of 2 May,,\n${head}${people(1, 5)}`, { persons: 5 }),
  small('no header', people(1, 5), { persons: 5 }),
  small('duplicate headings', `id,email,email,name,name\n1,a@example.com,b@example.com,Ann,Anna\n`, { persons: 1 }),
  small('empty headings', `id,,email,\n1,x,a@example.com,y\n2,x,b@example.com,y\n`, { persons: 2 }),
  small('a quote that is not closed', `${head}1,"Ann,ann@example.com\n${people(2, 5)}`, {
    persons: 5,
    rejected: 1,
    codes: ['quote'],
  }),
  small('a quote that is not closed in the last row', `${head}${people(1, 5)}6,"Ann,ann@example.com\n`, {
    persons: 5,
    rejected: 1,
    codes: ['quote'],
  }),
  small('a quote within a cell', `${head}1,"Ann "Lee" X",ann@example.com\n2,5" Bob,bob@example.com\n`, {
    persons: 1,
    rejected: 1,
    codes: ['quote'],
  }),
  small('rows that begin with #', `${head}#1,Ann,ann@example.com\n2,Bob,bob@example.com\n`, { persons: 2 }),
  small('formulas', `${head}=1+1,"=HYPERLINK(""x"")",a@example.com\n@x,+y,b@example.com\n`, { persons: 2 }),
  small('line ends of three kinds', `${head}1,"a\r\nb\nc\rd",a@example.com\r\n2,Bob,b@example.com\n`, { persons: 2 }),
  small('line ends of an old Mac', `${head}${people(1, 3)}`.replaceAll('\n', '\r'), { persons: 3 }),
  small('a row of another delimiter', `${head}${people(1, 5)}9;x;x@example.com\n`, {
    persons: 5,
    rejected: 1,
    codes: ['ragged'],
  }),
  small('two columns with semicolons', 'name;email\nAnn;ann@example.com\nBob;bob@example.com\n', { persons: 2 }),
  small('an instruction for a spreadsheet', 'sep=;\nname;email\nAnn;ann@example.com\n', { persons: 1 }),
  small('a zero byte in a cell', `${head}1,A\0nn,ann@example.com\n${people(2, 300)}`, {
    persons: 300,
    rejected: 1,
    codes: ['control-character'],
  }),
  {
    name: 'UTF-16 without a mark',
    bytes: Buffer.from(`${head}1,Zoë,z@example.com\n`, 'utf16le'),
    expected: { persons: 1 },
  },
  {
    name: 'UTF-16 of the other order',
    bytes: Buffer.from(`${head}1,Zoë,z@example.com\n`, 'utf16le').swap16(),
    expected: { persons: 1 },
  },
  {
    name: 'half a character at the end of UTF-16',
    bytes: Buffer.from(`\ufeff${head}1,Zoë,z@example.com\n`, 'utf16le').subarray(0, -1),
    expected: { persons: 1 },
  },
  { name: 'UTF-32', bytes: Buffer.from([0xff, 0xfe, 0, 0, 0x69, 0, 0, 0]), expected: { refusal: 'not-a-table' } },
  {
    name: 'windows-1252',
    bytes: Buffer.from(`${head}1,Jürgen Groß,j@example.com\n2,Zoë,z@example.com\n`, 'latin1'),
    expected: { persons: 2 },
  },
  {
    name: 'one damaged line of UTF-8',
    bytes: Buffer.concat([
      Buffer.from(`${head}${people(1, 20).replaceAll('Person', 'Zoë')}`),
      Buffer.from('99,Zo\xeb,z@example.com\n', 'latin1'),
    ]),
    expected: { persons: 20, rejected: 1, codes: ['encoding'] },
  },
  small(
    'ids that a spreadsheet rounded',
    `${head}1.23457E+18,Ann,ann@example.com\n3652397000000649013,Bob,bob@example.com\n`,
    { persons: 1, rejected: 1, codes: ['damaged-id'] },
  ),
  small('a page instead of a list', '<!DOCTYPE html><html><body>Sign in</body></html>', { refusal: 'not-a-table' }),
  small(
    'XML with an external entity',
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    { refusal: 'not-a-table' },
  ),
  {
    name: 'a picture',
    bytes: Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
    expected: { refusal: 'not-a-table' },
  },
  {
    name: 'an old workbook',
    bytes: Buffer.from(`d0cf11e0a1b11ae1${'00'.repeat(504)}`, 'hex'),
    expected: { refusal: 'old-workbook' },
  },
  { name: 'a compressed file', bytes: Buffer.from('1f8b0800000000000003', 'hex'), expected: { refusal: 'compressed' } },
  { name: 'a folder in a zip', bytes: writeZip({ 'people.csv': head }), expected: { refusal: 'compressed' } },
  {
    name: 'a workbook that is cut off',
    bytes: writeWorkbook({
      sheets: {
        S: [
          ['name', 'email'],
          ['Ann', 'a@example.com'],
        ],
      },
    }).subarray(0, 400),
    expected: { refusal: 'damaged' },
  },
  {
    name: 'a workbook with an external entity',
    bytes: writeWorkbook({
      sheets: {
        S: `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&e;</t></is></c></row></sheetData></worksheet>`,
      },
    }),
    expected: { refusal: 'declarations' },
  },
  {
    name: 'a workbook whose entities grow',
    bytes: writeWorkbook({
      sheets: { S: [['name'], ['Ann']] },
      shared: `<!DOCTYPE x [<!ENTITY a "${'a'.repeat(50)}"><!ENTITY b "${'&a;'.repeat(50)}">]><sst><si><t>&b;</t></si></sst>`,
    }),
    expected: { refusal: 'declarations' },
  },
  {
    name: 'a workbook with broken XML',
    bytes: writeWorkbook({ sheets: { S: '<worksheet><sheetData><row r="1"><c></row></sheetData></worksheet>' } }),
    expected: { refusal: 'damaged' },
  },
  {
    name: 'a workbook with a cell where no column is',
    bytes: writeWorkbook({
      sheets: { S: '<worksheet><sheetData><row r="1"><c r="ZZZZZZ1"><v>1</v></c></row></sheetData></worksheet>' },
    }),
    expected: { refusal: 'damaged' },
  },
  {
    name: 'a workbook with a text that is missing',
    bytes: writeWorkbook({
      sheets: {
        S: [
          ['name', 'email'],
          [{ t: 's', v: '99' }, 'a@example.com'],
        ],
      },
      shared: [],
    }),
    expected: { refusal: 'damaged' },
  },
  {
    name: 'a workbook that unpacks to gigabytes',
    bytes: bomb('xl/worksheets/sheet1.xml', sheetRow, 4_000),
    expected: { refusal: 'too-large' },
  },
  {
    name: 'a workbook whose texts unpack to gigabytes',
    bytes: bomb('xl/sharedStrings.xml', '<si><t>x</t></si>', 4_000),
    expected: { refusal: 'too-large' },
  },
  {
    name: 'a workbook that unpacks to more than it tells',
    bytes: bomb('xl/sharedStrings.xml', '<si><t>x</t></si>', 4_000, 40_000_000),
    expected: { refusal: 'damaged' },
  },
  small('JSON that is cut off', '{"users":[{"id":1,"name":"Ann","email":"ann@example.com"},{"id":2,"na', {
    persons: 1,
    rejected: 1,
    codes: ['too-long', 'malformed'],
  }),
  small(
    'JSON lines with a broken line',
    '{"id":1,"email":"a@example.com"}\n{"id":2,"email"\n{"id":3,"email":"c@example.com"}\n',
    { persons: 2, rejected: 1, codes: ['malformed'] },
  ),
  small(
    'JSON with half a surrogate pair',
    '{"id":1,"name":"\\ud800","email":"a@example.com"}\n{"id":2,"name":"B","email":"b@example.com"}\n',
    { persons: 1, rejected: 1, codes: ['control-character'] },
  ),
  small('JSON of numbers', '[1, 2, 3]', { refusal: 'not-a-table' }),
  small('JSON that is nested without an end', '['.repeat(200_000), { refusal: 'not-a-table' }),
  small('a card without an end', 'BEGIN:VCARD\nFN:Ann\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\n', {
    persons: 1,
    rejected: 1,
    codes: ['malformed'],
  }),
];

function small(name: string, text: string, expected: Expected) {
  return { name, bytes: Buffer.from(text), expected };
}

/** Large faulty files, which are written in parts to the disk: what they are made of is what must not be in memory at once. */
export const largeFiles: { name: string; write(path: string): Promise<void>; expected: Expected }[] = [
  {
    name: 'a line of 200 MB',
    write: (path) =>
      stream(path, lines(`${head}${people(1, 5)}9,`, 'x'.repeat(1_000_000), 200, `,x@example.com\n${people(6, 5)}`)),
    expected: { persons: 10, rejected: 1, codes: ['too-long'] },
  },
  {
    name: 'a quoted cell of 5 MB with line ends',
    write: (path) =>
      stream(
        path,
        lines(`${head}${people(1, 5)}9,"`, `${'x'.repeat(99)}\n`.repeat(10_000), 5, `",x@example.com\n${people(6, 5)}`),
      ),
    // A cell that is longer than a megabyte is a quote that was not closed: its lines are rejected, each alone.
    expected: { persons: 10, rejected: 50_001, codes: ['quote', 'ragged'] },
  },
  {
    name: 'ten thousand columns',
    write: (path) =>
      stream(path, [
        `${Array.from({ length: 10_000 }, (_, place) => `column ${place}`).join(',')}\n`,
        `${'x,'.repeat(9_999)}x\n`.repeat(50),
      ]),
    expected: { refusal: 'too-many-columns' },
  },
  {
    name: 'a JSON record of 20 MB',
    write: (path) =>
      stream(
        path,
        lines(
          '[{"id":1,"email":"a@example.com"},{"id":2,"name":"',
          'x'.repeat(1_000_000),
          20,
          '"},{"id":3,"email":"c@example.com"}]',
        ),
      ),
    expected: { persons: 2, rejected: 1, codes: ['too-long'] },
  },
  {
    name: 'a card with a line of 20 MB',
    write: (path) =>
      stream(
        path,
        lines('BEGIN:VCARD\nFN:Ann\nNOTE:', 'x'.repeat(1_000_000), 20, '\nEND:VCARD\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\n'),
      ),
    expected: { persons: 1, rejected: 1, codes: ['too-long'] },
  },
];

function* lines(start: string, middle: string, times: number, end: string): Generator<string> {
  yield start;
  for (let time = 0; time < times; time += 1) yield middle;
  yield end;
}

const stream = (path: string, parts: Iterable<string>): Promise<void> =>
  pipeline(Readable.from(parts), createWriteStream(path));

/**
 * A workbook one part of which repeats a text for so many megabytes. The compressed megabyte is repeated, which costs nothing.
 *
 * @param told the size that the directory of the zip tells, if it lies
 */
function bomb(part: string, text: string, megabytes: number, told?: number): Buffer {
  const block = Buffer.from(text.repeat(Math.ceil(1_048_576 / text.length)));
  // Without its end and with a full flush, a compressed block can be repeated.
  const compressed = deflateRawSync(block, { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const data = Buffer.concat([...Array.from({ length: megabytes }, () => compressed), Buffer.from([3, 0])]);
  return writeWorkbook({
    sheets: {
      S: [
        ['name', 'email'],
        [{ t: 's', v: '0' }, 'a@example.com'],
      ],
    },
    shared: [],
    more: { [part]: { data, size: told ?? block.length * megabytes } },
  });
}
