import { readPhone } from '@aether/platform/phone';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numberReader } from './phonenumbers.ts';
import { phoneReader, splitPhones } from './phones.ts';

const countries = [
  'DE',
  'US',
  'GB',
  'FR',
  'IT',
  'JP',
  'IN',
  'AT',
  'AU',
  'BR',
  'AR',
  'MX',
  'RU',
  'CN',
  'HU',
  undefined,
] as const;

test('a number has the key that the platform gives it, whichever numbers were read before', () => {
  // One reader for all runs of a country: its rules come from the numbers before.
  const readers = new Map(countries.map((country) => [country, numberReader(country)]));
  const digits = (length: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: length, maxLength: length });
  const starts = fc.oneof(
    fc.constantFrom(
      '+',
      '',
      '0',
      '(0',
      '+49',
      '+490',
      '+44',
      '+1',
      '+39',
      '+81',
      '+7',
      '+86',
      '+61',
      '+54',
      '+549',
      '+55',
      '+52',
      '+36',
      '+376',
      '+225',
    ),
    fc.integer({ min: 1, max: 999 }).map((code) => `+${code}`),
  );
  const gaps = fc.constantFrom('', ' ', '-', ') ', '.');
  // Several numbers that begin alike and are as long: those that follow the rule of the first.
  const alike = fc
    .integer({ min: 0, max: 7 })
    .chain((length) => fc.array(digits(length), { minLength: 4, maxLength: 4 }));
  fc.assert(
    fc.property(fc.constantFrom(...countries), starts, digits(5), gaps, alike, (country, start, middle, gap, ends) => {
      for (const end of ends) {
        const written = `${start}${middle.slice(0, 3)}${gap}${middle.slice(3)}${end}`;
        const phone = readPhone(written, country);
        const read = readers.get(country)?.(written);
        expect([written, read ?? null]).toEqual([
          written,
          phone ? { key: phone.key, extension: phone.extension } : null,
        ]);
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['+49 30 1234567', ['+49 30 1234567']],
  ['+49 30 1234567 ::: +49 171 1234567', ['+49 30 1234567', '+49 171 1234567']],
  ['030 1234567; 030 7654321', ['030 1234567', '030 7654321']],
  ['030 1234567, 0171 7654321', ['030 1234567', '0171 7654321']],
  ['+49301234567 +491717654321', ['+49301234567', '+491717654321']],
  ['030 1234567 oder 0171 1234567', ['030 1234567', '0171 1234567']],
  ['030/1234567', ['030/1234567']],
  ['+49 30 1234567;ext=12', ['+49 30 1234567;ext=12']],
  ['+1 617 555 0143,,12', ['+1 617 555 0143,,12']],
])('%s is cut into %j', (cell, parts) => {
  expect(splitPhones(cell)).toEqual(parts);
});

test('a second number of a cell is a number of its own and never the extension of the first', () => {
  const { phones, unread } = phoneReader('DE')('030 1234567 / 0171 1234567', false);
  expect(phones.map(({ key, extension }) => [key, extension])).toEqual([
    ['+49301234567', null],
    ['+491711234567', null],
  ]);
  expect(unread).toEqual([]);
});

test('the letters of a note are no digits, and what is no number is kept for a remark', () => {
  const read = phoneReader('DE');
  expect(read('+49 171 1234567 (mobile)', false).phones).toMatchObject([{ key: '+491711234567' }]);
  expect(read('Mobil: 0171 1234567', false).phones).toMatchObject([{ key: '+491711234567' }]);
  expect(read('call me', false)).toEqual({ phones: [], unread: ['call me'] });
  expect(read('4.91711E+11', false)).toEqual({ phones: [], unread: ['4.91711E+11'] });
});

test('a number without its country keeps its text and has no key while no country is given', () => {
  expect(phoneReader(undefined)('030 1234567', false)).toEqual({
    phones: [{ written: '030 1234567', key: null, extension: null, isShared: false }],
    unread: [],
  });
});

test('digits of full width lead to the same number', () => {
  expect(phoneReader('JP')('＋８１ ３ １２３４ ５６７８', false).phones).toMatchObject([{ key: '+81312345678' }]);
});
