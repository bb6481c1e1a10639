import { expect, test } from 'vitest';
import { readFlag, readNumber, readOneOf, readText, writeSearch } from './urlvalues.ts';

test('valid values of a URL are read, and invalid ones are left out', () => {
  expect([readText('a'), readText(12), readText(''), readText({})]).toEqual(['a', '12', undefined, undefined]);
  expect([readNumber('7'), readNumber(''), readNumber('x'), readNumber(undefined)]).toEqual([
    7,
    undefined,
    undefined,
    undefined,
  ]);
  expect([readFlag('true'), readFlag(true), readFlag('no')]).toEqual([true, true, undefined]);
  expect([readOneOf('asc', ['asc', 'desc']), readOneOf('up', ['asc', 'desc'])]).toEqual(['asc', undefined]);
});

test('two searches with the same meaning have the same URL', () => {
  expect(writeSearch({ tier: 'premium', dir: undefined, app: 'support' })).toBe('app=support&tier=premium');
  expect(writeSearch({ app: 'support', tier: 'premium', search: '' })).toBe('app=support&tier=premium');
  expect(writeSearch({})).toBe('');
});
