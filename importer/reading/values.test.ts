import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayOf, readDate } from './dates.ts';
import { rankEncodings } from './encoding.ts';
import { companyDomainOf } from './hosts.ts';
import { fingerprintOf, nameColumns } from './mapping.ts';
import { personsOf, readAll, readText } from './testing.reading.ts';
import { instantOf, readZone } from './zones.ts';

describe('dates', () => {
  test.each([
    ['2021-03-04', '2021-3-4'],
    ['2021-03-04T05:06:07Z', '2021-3-4'],
    ['2021-03-04 05:06:07.123 +02:00', '2021-3-4'],
    ['2021/3/4', '2021-3-4'],
    ['19850304', '1985-3-4'],
    ['4 March 2021', '2021-3-4'],
    ['Mar 4, 2021 5:06 PM', '2021-3-4'],
    ['04.03.2021', '2021-3-4'],
    ['2021年3月4日', '2021-3-4'],
    ['2021-02-30', null],
    ['2021-13-01', null],
    ['31/31/2021', null],
    ['12 Foo 2021', null],
    ['2021-03-04 25:00', null],
    ['+49 30 1234567', null],
    ['1234567', null],
    ['1.2.3', null],
  ])('%s is %s', (text, expected) => {
    const written = readDate(text);
    const day = written && dayOf(written, 'day-first', 2026);
    expect(day ? `${day.year}-${day.month}-${day.day}` : null).toBe(expected);
  });

  test('any text is read as a day that exists, or as none', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789/.- :TZ+aprpm,'), maxLength: 24 });
    fc.assert(
      fc.property(text, fc.constantFrom('day-first' as const, 'month-first' as const), (text, order) => {
        const written = readDate(text);
        const day = written && dayOf(written, order, 2026);
        if (!day) return;
        const at = new Date(0);
        at.setUTCFullYear(day.year, day.month - 1, day.day);
        expect([at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()]).toEqual([day.year, day.month, day.day]);
      }),
      { numRuns: 500 },
    );
  });

  test('a year of two digits is the last one that is not in the future', () => {
    const written = readDate('1/2/27');
    expect(written && dayOf(written, 'day-first', 2026)?.year).toBe(1927);
    expect(written && dayOf(written, 'day-first', 2027)?.year).toBe(2027);
  });
});

describe('the order of day and month', () => {
  const list = (...dates: string[]) =>
    `email,birthday\n${dates.map((date, at) => `a${at}@example.com,${date}\n`).join('')}`;
  const births = async (text: string, options = {}) => {
    const { recognition, rows } = await readText(text, options);
    return { questions: recognition.questions, days: personsOf(rows).map(({ birthDate }) => birthDate) };
  };

  test('one row far below the sample decides for all rows', async () => {
    const many = Array.from({ length: 5_000 }, () => '03/04/1980');
    const { questions, days } = await births(list(...many, '13/04/1980'));
    expect(questions).toEqual([]);
    expect(new Set(days)).toEqual(new Set(['1980-04-03', '1980-04-13']));
  });

  test('without such a row it is asked, and nothing is guessed', async () => {
    const { questions, days } = await births(list('03/04/1980', '05/06/1981'));
    expect(questions).toMatchObject([
      { kind: 'day-month', column: 'birthday', examples: ['03/04/1980', '05/06/1981'], isContradictory: false },
    ]);
    expect(days).toEqual([null, null]);
    const answered = await births(list('03/04/1980'), { answers: { dayOrder: { birthday: 'month-first' } } });
    expect(answered.days).toEqual(['1980-03-04']);
  });

  test('rows that contradict each other are asked about, and a row that does not fit the answer gives no date', async () => {
    const text = list('13/04/1980', '04/13/1980');
    expect((await births(text)).questions).toMatchObject([
      { kind: 'day-month', isContradictory: true, examples: ['13/04/1980', '04/13/1980'] },
    ]);
    expect((await births(text, { answers: { dayOrder: { birthday: 'day-first' } } })).days).toEqual([
      '1980-04-13',
      null,
    ]);
  });
});

describe('zones', () => {
  test.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['Pacific Time (US & Canada)', 'America/Los_Angeles'],
    ['(GMT+01:00) Copenhagen', 'Europe/Copenhagen'],
    ['UTC', 'UTC'],
    ['+02:00', undefined],
    ['Atlantis', undefined],
    ['Mars/Base', undefined],
  ])('%s is %s', (text, name) => expect(readZone(text)?.name).toBe(name));

  test.each([
    ['2024-01-15T12:00:00Z', 'Europe/Berlin', '2024-01-15T11:00:00.000Z'],
    ['2024-07-15T12:00:00Z', 'Europe/Berlin', '2024-07-15T10:00:00.000Z'],
    ['2024-03-31T02:30:00Z', 'Europe/Berlin', '2024-03-31T01:30:00.000Z'],
    ['2024-10-27T02:30:00Z', 'Europe/Berlin', '2024-10-27T00:30:00.000Z'],
    ['2024-04-07T01:45:00Z', 'Australia/Lord_Howe', '2024-04-06T14:45:00.000Z'],
  ])('the local time %s in %s is %s', (local, zone, instant) => {
    expect(new Date(instantOf(Date.parse(local), zone)).toISOString()).toBe(instant);
  });
});

test.each([
  ['https://www.shop.example.co.uk/about?x=1', 'example.co.uk'],
  ['Example.COM', 'example.com'],
  ['mail@example.org', 'example.org'],
  ['http://acme.onmicrosoft.com', null],
  ['acme.zendesk.com', null],
  ['gmail.com', null],
  ['https://www.facebook.com/acme', null],
  ['acme.github.io', 'acme.github.io'],
  ['192.168.1.1', null],
  ['none', null],
])('%s names the company of %s', (text, domain) => expect(companyDomainOf(text)).toBe(domain));

describe('encodings', () => {
  const words: [string, string, string][] = [
    ['windows-1252', 'Jürgen Müller, Renée Lefèvre, Peña, Åse', 'latin1'],
    ['windows-1251', 'Иван Петров, Москва, Анна Сидорова', 'cp1251'],
  ];
  test.each(words)('%s is the first guess for its own text', (encoding, text) => {
    expect(rankEncodings(encode(text, encoding))[0]).toBe(encoding);
  });
  test.each([
    ['shift_jis', '8ea98fa98140938c8b9e8e73'],
    ['gb18030', 'd6d0b9fab1b1beA9CAD0D5C5'],
    ['euc-kr', 'b1e8c3b6bcf620bcadbfefbdc3'],
  ])('%s is among the guesses for its own text', (encoding, hex) => {
    expect(rankEncodings(Buffer.from(hex, 'hex')).slice(0, 4)).toContain(encoding);
  });

  test('a guess is asked about with the texts that depend on it, and the answer counts', async () => {
    const bytes = Buffer.from('name,email\nJ\xfcrgen Gro\xdf,j@example.com\n', 'latin1');
    const { recognition, rows } = await readAll(bytes);
    expect(recognition.questions).toMatchObject([
      { kind: 'encoding', assumed: 'windows-1252', examples: ['Jürgen Groß,j@example.com'] },
    ]);
    expect(personsOf(rows)[0]?.name).toBe('Jürgen Groß');
    const other = await readAll(bytes, { layoutAnswers: { encoding: 'windows-1250' } });
    expect(other.recognition.questions).toEqual([]);
  });
});

/** Text in a one-byte encoding, found by trying all bytes. */
function encode(text: string, encoding: string): Buffer {
  const decoder = new TextDecoder(encoding);
  const byChar = new Map(Array.from({ length: 256 }, (_, byte) => [decoder.decode(Uint8Array.of(byte)), byte]));
  return Buffer.from([...text].map((char) => byChar.get(char) ?? 63));
}

describe('mappings', () => {
  test('columns with one heading are apart, and those without one are numbered', () => {
    expect(nameColumns(['Email', 'Email', '', 'Email (2)', ' '])).toEqual([
      'Email',
      'Email (2)',
      'Column 3',
      'Email (2) (2)',
      'Column 5',
    ]);
  });

  test('a fingerprint does not depend on the order of columns, and differs with any of them', () => {
    expect(fingerprintOf(['a', 'b'])).toBe(fingerprintOf(['b', 'a']));
    expect(fingerprintOf(['a', 'b'])).not.toBe(fingerprintOf(['a', 'b', 'c']));
    expect(fingerprintOf(['ab', 'c'])).not.toBe(fingerprintOf(['a', 'bc']));
  });

  test('a mapping that names no column or no field is refused with what there is', async () => {
    const text = 'name,email\nAnn,a@example.com\n';
    await expect(readText(text, { mapping: { mail: 'email' } })).rejects.toMatchObject({
      code: 'bad-mapping',
      message: expect.stringContaining('name, email'),
    });
    await expect(readText(text, { mapping: { name: 'nickname' as never } })).rejects.toMatchObject({
      code: 'bad-mapping',
    });
  });

  test('values that disagree with a heading win: addresses in a column that is called name', async () => {
    const { recognition } = await readText('name,phone\na@example.com,x\nb@example.com,y\nc@example.com,z\n');
    expect(recognition.mapping).toEqual({ name: 'email', phone: null });
  });

  test('a list without a header gets its columns by their values', async () => {
    const { recognition, rows } = await readText('7,a@example.com,+49 30 1234567\n8,b@example.com,+49 30 7654321\n');
    expect(recognition.mapping).toEqual({ 'Column 1': 'id', 'Column 2': 'email', 'Column 3': 'phone' });
    expect(rows.map(({ line }) => line)).toEqual([1, 2]);
  });
});
