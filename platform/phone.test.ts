import { sample } from '@aether/database/testing.sample';
import fc from 'fast-check';
import { getCountries, getExampleNumber } from 'libphonenumber-js/min';
import examples from 'libphonenumber-js/mobile/examples';
import { expect, test } from 'vitest';
import { InvalidField } from './log/errors.ts';
import { isPhoneCountry, phoneColumns, readPhone, requirePhone } from './phone.ts';

test.each([
  ['+49 30 1234567', undefined],
  ['+49 (0)30 1234567', undefined],
  ['+49/30/12-34-567', undefined],
  ['tel:+49-30-1234567', undefined],
  ['\u202a+49 30 1234567\u202c', undefined],
  ['030 1234567', 'DE'],
  ['0049 30 1234567', 'DE'],
  ['011 49 30 1234567', 'US'],
  ['٠٣٠ ١٢٣٤٥٦٧', 'DE'],
])('%s, in %s, is the number +49301234567', (written, country) => {
  expect(readPhone(written, country)).toEqual({ written, key: '+49301234567', extension: null });
});

test.each([
  ['49 151 12345678', 'DE', '+4915112345678'],
  ['4915112345678', 'DE', '+4915112345678'],
  ['49 171 1234567', 'DE', '+491711234567'],
  ['62 812 345 678', 'ID', '+62812345678'],
  ['383 43 201 234', 'XK', '+38343201234'],
  ['0491 512345', 'DE', '+49491512345'],
  ['39 333 1234567', 'IT', '+393331234567'],
  ['393 1234567', 'IT', '+393931234567'],
])('%s, in %s, has lost its + only if no number there begins so: it is %s', (written, country, key) => {
  expect(readPhone(written, country)?.key).toBe(key);
});

test('a number of every country that has lost its + is the same number for a reader there', () => {
  for (const country of getCountries()) {
    const key = getExampleNumber(country, examples)?.number;
    if (key) expect([country, readPhone(key.slice(1), country)?.key]).toEqual([country, key]);
  }
});

test.each([
  ['+52 1 55 1234 5678', undefined],
  ['5215512345678', 'MX'],
  ['044 55 1234 5678', 'MX'],
  ['045 55 1234 5678', 'MX'],
  ['01 55 1234 5678', 'MX'],
  ['+52 55 1234 5678', undefined],
  ['55 1234 5678', 'MX'],
])('%s, in %s, is +525512345678: what Mexico dialled before 2019 makes no other person', (written, country) => {
  expect(readPhone(written, country)).toEqual({ written, key: '+525512345678', extension: null });
});

test.each([
  ['0049 30 1234567', 'US'],
  ['0049 (0)30 1234567', undefined],
])('%s, in %s, is international: 00 says so where it is not dialled, too', (written, country) => {
  expect(readPhone(written, country)?.key).toBe('+49301234567');
});

test.each([
  ['0012', 'US'],
  ['0049 12', undefined],
  ['00 30 1234567', 'US'],
  ['+52 1 55 1234 56789', undefined],
])('%s, in %s, is none for all that', (written, country) => {
  expect(readPhone(written, country)).toBeUndefined();
});

test.each(['US', 'JP', 'DE', undefined])(
  'a number typed in full width stays in its country for a reader in %s',
  (country) => {
    expect(readPhone('＋４９　３０　１２３４５６７', country)?.key).toBe('+49301234567');
    expect(readPhone('＋８１ー３ー５５５０ー０１４２', country)?.key).toBe('+81355500142');
  },
);

test.each([
  ['+49 30 1234567 ext. 12', '12'],
  ['+49 30 1234567;ext=9', '9'],
  ['+49 30 1234567 x5', '5'],
  ['+49 30 1234567, ext. 12', '12'],
  ['+49 30 1234567,,12', '12'],
])('the extension of %s is apart from the key', (written, extension) => {
  expect(readPhone(written)).toEqual({ written, key: '+49301234567', extension });
});

test.each([
  'abc def',
  '',
  ' ',
  '12',
  '+49',
  '+1 555 0100',
  'call +49 30 1234567',
  '+49 30 123456789012345',
  '030 1234567',
])('without a country %j is refused, with how to write it', (written) => {
  expect(readPhone(written)).toBeUndefined();
  expect(() => requirePhone(written, {})).toThrow(InvalidField);
  expect(() => requirePhone(written, {})).toThrow(/with \+ and the country code/);
});

test.each([
  ['+49 30 1234567/8', undefined],
  ['+49 30 1234567 / 8', undefined],
  ['+49 30 1234567 (8)', undefined],
  ['+49 30 1234567, 12', undefined],
  ['+49 30 1234567; 7654321', undefined],
  ['+49 30 1234567 +49 30 7654321', undefined],
  ['+49 30 1234567 & 8', undefined],
  ['＋４９　３０　１２３４５６７／８', undefined],
  ['212-555-0100/0101', 'US'],
  ['030 123 or 456', 'DE'],
  ['030 1234567 oder 0171 2345678', 'DE'],
  ['123; 456', 'DE'],
  ['123, 456', 'DE'],
])(
  '%s names several numbers: it is refused with these words, and no third number is made of them',
  (written, country) => {
    expect(readPhone(written, country)).toBeUndefined();
    expect(() => requirePhone(written, { country })).toThrow(/names several/);
  },
);

test.each([
  ['04321/12345', 'DE', '+49432112345'],
  ['0049/171/2345678', 'DE', '+491712345678'],
  ['+49 (0)35771/1234', undefined, '+49357711234'],
  ['+44 20 7946/0958', undefined, '+442079460958'],
  ['+55 11/99999/9999', undefined, '+5511999999999'],
  ['+49 30 1234567-12', undefined, '+4930123456712'],
])('%s, in %s, is one number: a slash or a hyphen may be within a number', (written, country, key) => {
  expect(readPhone(written, country)).toMatchObject({ key, extension: null });
});

test('with a country set, only texts that are no number in that country are refused', () => {
  expect(requirePhone('030 1234567', { country: 'DE' }).key).toBe('+49301234567');
  expect(() => requirePhone('abc def', { country: 'DE', field: 'number' })).toThrow(/^number: .* as in DE/);
});

test('a key reads as itself in every country, so that a number which is read again keeps its key', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('DE', 'US', 'JP', 'IT', 'GB', 'RU', 'BR', undefined),
      fc.stringMatching(/^\+?[0-9 ()/-]{3,20}$/),
      (country, written) => {
        const key = readPhone(written, country)?.key;
        if (key !== undefined) expect(readPhone(key, 'FR')?.key).toBe(key);
      },
    ),
    { numRuns: sample(2_000) },
  );
});

test('the digits of a number end as its key and its extension do, as the database checks', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('DE', 'US', 'AR', 'MX', 'BR', 'IT', undefined),
      fc.stringMatching(/^\+?[0-9 ()/.-]{5,18}( ?(x|ext\.? ?|#|;ext=)[0-9]{1,5})?$/),
      (country, written) => {
        const phone = readPhone(written, country);
        if (phone)
          expect(written.replace(/\D/g, '').endsWith(phone.key.slice(-4) + (phone.extension ?? ''))).toBe(true);
      },
    ),
    { numRuns: sample(3_000) },
  );
});

test('the columns of a number are written together, emptied together, or left unchanged', () => {
  expect(phoneColumns('030 1234567 x2', 'DE')).toEqual({
    phone: '030 1234567 x2',
    phone_key: '+49301234567',
    phone_extension: '2',
  });
  expect(phoneColumns(null, 'DE')).toEqual({ phone: null, phone_key: null, phone_extension: null });
  expect(phoneColumns(undefined, 'DE')).toEqual({});
});

test('a country is two letters that the numbering plan knows', () => {
  expect(['DE', 'US', 'XX', 'de', 'Germany', ''].map(isPhoneCountry)).toEqual([true, true, false, false, false, false]);
});
