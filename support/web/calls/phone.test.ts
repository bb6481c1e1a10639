import { expect, test } from 'vitest';
import { guessCountry, listCountries, readTyped } from './phone.ts';

test('a number is read by its country’s rules, or by its prefix', () => {
  expect(readTyped('030 123456', 'DE').number).toBe('+4930123456');
  expect(readTyped('+44 20 7946 0001', 'DE')).toMatchObject({ number: '+442079460001', country: 'GB' });
  expect(readTyped('+49 30 1234567 x12', null)).toMatchObject({ number: '+49301234567', extension: '12' });
});

test('a text that names two numbers is none: no third number is shown', () => {
  for (const typed of ['+49 30 1234567/8', '030 1234567 / 8', '030 1234567; 7654321'])
    expect(readTyped(typed, 'DE')).toEqual({ number: undefined, extension: null, country: 'DE', namesSeveral: true });
  expect(readTyped('04321/12345', 'DE')).toMatchObject({ number: '+49432112345', namesSeveral: false });
});

test('half a number is not looked up', () => {
  expect(readTyped('030', 'DE').number).toBeUndefined();
  expect(readTyped('hello', 'DE').number).toBeUndefined();
  expect(readTyped('030 123456', null).number).toBeUndefined();
});

test('the country is that of the browser’s language, if the language names one', () => {
  expect(guessCountry(['en', 'de-AT'])).toBe('AT');
  expect(guessCountry(['en'])).toBeNull();
  expect(listCountries().find(({ value }) => value === 'NO')?.label).toMatch(/\+47$/);
});
