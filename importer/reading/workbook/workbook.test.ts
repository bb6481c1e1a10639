import { expect, test } from 'vitest';
import { personsOf, readAll } from '../testing.reading.ts';
import { writeWorkbook } from '../testing.workbook.ts';
import { dateOfSerial, isDateFormat } from './cells.ts';

test('a workbook of HubSpot is recognised; texts, numbers and dates of its cells are what the sheet shows', async () => {
  const bytes = writeWorkbook({
    sheets: {
      Contacts: [
        [
          'Record ID',
          'First Name',
          'Last Name',
          'Email',
          'Contact owner',
          'Create Date',
          'Phone Number',
          'Lifecycle Stage',
        ],
        [
          { v: '151' },
          { t: 's', v: '0' },
          'Kern',
          { t: 's', v: '1' },
          'Dana',
          { v: '44927.5', s: 1 },
          { v: '491711234567' },
          'Lead',
        ],
        [{ v: '152' }, 'Jan', null, 'jan@example.com', null, { v: '44928', s: 1 }],
      ],
    },
    shared: ['Ute', 'ute@example.com'],
    styles: ['yyyy\\-mm\\-dd hh:mm'],
  });
  const { recognition, rows } = await readAll(bytes, { answers: { timezone: 'UTC' }, phoneCountry: 'DE' });
  expect(recognition).toMatchObject({
    format: 'hubspot',
    layout: { kind: 'workbook', sheet: 'Contacts', headerLine: 1 },
  });
  const [ute, jan] = personsOf(rows);
  expect(ute).toMatchObject({ line: 2, externalId: '151', firstName: 'Ute', emails: [{ key: 'ute@example.com' }] });
  expect(ute?.createdAt?.toISOString()).toBe('2023-01-01T12:00:00.000Z');
  expect(jan).toMatchObject({ line: 3, lastName: null, phones: [] });
  expect(jan?.createdAt?.toISOString()).toBe('2023-01-02T00:00:00.000Z');
});

test('Dynamics: hidden columns are read, hidden sheets are not, the header may come below a title', async () => {
  const bytes = writeWorkbook({
    sheets: {
      hiddenSheet: [['contact:x'], ['y']],
      'All Contacts': [
        ['All Contacts'],
        [
          '(Do Not Modify) Contact',
          '(Do Not Modify) Row Checksum',
          '(Do Not Modify) Modified On',
          'Full Name',
          'Email',
        ],
        ['465b158c-541c-e511-80d3-3863bb347ba8', 'x', { v: '45000.25', s: 1 }, 'Yvonne McKay', 'yvonne@example.com'],
      ],
    },
    hidden: ['hiddenSheet'],
    styles: [22],
  });
  const { recognition, rows } = await readAll(bytes);
  expect(recognition).toMatchObject({ format: 'dynamics', layout: { sheet: 'All Contacts', headerLine: 2 } });
  expect(personsOf(rows)).toMatchObject([
    { line: 3, externalId: '465b158c-541c-e511-80d3-3863bb347ba8', name: 'Yvonne McKay' },
  ]);
});

test('an id that the spreadsheet has rounded, or made a date of, rejects its row; a number is no birth date', async () => {
  const head = ['id', 'email', 'birth date'];
  const bytes = writeWorkbook({
    sheets: {
      S: [
        head,
        [{ v: '1.2345678901234568E+18' }, 'a@example.com'],
        [{ v: '45000', s: 1 }, 'b@example.com'],
        ['3652397000000649013', 'c@example.com', { v: '30000' }],
        ['x4', 'd@example.com', { v: '30000', s: 1 }],
        [{ t: 'e', v: '#N/A' }, 'e@example.com', 'soon'],
      ],
    },
    styles: [14],
  });
  const { rows } = await readAll(bytes);
  expect(rows).toMatchObject([
    { kind: 'rejected', code: 'damaged-id', raw: '1.2345678901234568E+18,a@example.com' },
    { kind: 'rejected', code: 'damaged-id' },
    {
      kind: 'person',
      person: { externalId: '3652397000000649013', birthDate: null, remarks: [{ code: 'number-for-date' }] },
    },
    { kind: 'person', person: { birthDate: '1982-02-18', remarks: [] } },
    { kind: 'person', person: { externalId: null, remarks: [{ code: 'cell-error' }, { code: 'bad-date' }] } },
  ]);
});

test('of several sheets with rows, the first one is assumed and the others are asked about', async () => {
  const sheet = (email: string) => [
    ['name', 'email'],
    ['Ann', email],
  ];
  const bytes = writeWorkbook({ sheets: { One: sheet('one@example.com'), Two: sheet('two@example.com') } });
  const { recognition } = await readAll(bytes);
  expect(recognition.questions).toMatchObject([{ kind: 'sheet', choices: ['One', 'Two'], assumed: 'One' }]);
  const { rows } = await readAll(bytes, { layoutAnswers: { sheet: 'Two' } });
  expect(personsOf(rows)).toMatchObject([{ emails: [{ key: 'two@example.com' }] }]);
});

test('texts that cells share are read without their readings, and with the characters that XML cannot have', async () => {
  const shared =
    '<sst><si><r><t>田中</t></r><r><t xml:space="preserve"> 太郎</t></r><rPh sb="0" eb="1"><t>タナカ</t></rPh></si><si><t>a_x000A_b</t></si></sst>';
  const bytes = writeWorkbook({
    sheets: {
      S: [
        ['name', 'email', 'notes'],
        [{ t: 's', v: '0' }, 'a@example.com', { t: 's', v: '1' }],
      ],
    },
    shared,
  });
  expect(personsOf((await readAll(bytes)).rows)).toMatchObject([{ name: '田中 太郎', notes: ['a\nb'] }]);
});

test.each([
  [44197, false, '2021-01-01'],
  [44197.5, false, '2021-01-01 12:00:00'],
  [1, false, '1900-01-01'],
  [59, false, '1900-02-28'],
  [61, false, '1900-03-01'],
  [0, true, '1904-01-01'],
  [42735, true, '2021-01-01'],
  [0.5, false, undefined],
  [3_000_000, false, undefined],
])('the number %d is, with 1904 %s, the date %s', (serial, is1904, date) => {
  expect(dateOfSerial(serial, is1904)).toBe(date);
});

test.each([
  [14, undefined, true],
  [0, undefined, false],
  [2, undefined, false],
  [164, 'dd/mm/yyyy', true],
  [164, '[$-409]d\\-mmm\\-yy;@', true],
  [164, '\\M0000', false],
  [164, '"Day "0', false],
  [164, '[Red]#,##0.00', false],
  [164, '0.00E+00', false],
  [164, '[h]:mm', false],
])('the number format %d %s shows a date: %s', (id, code, isDate) => {
  expect(isDateFormat(id, code)).toBe(isDate);
});
