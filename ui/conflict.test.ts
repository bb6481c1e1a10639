import { expect, test } from 'vitest';
import { findDifferences, resolve, suggestSides } from './conflict.ts';

const base = { name: 'Ada', phone: null, email: 'ada@example.com', tier: 'basic' };

test('a field that only one side changed takes the value of that side', () => {
  const differences = findDifferences(base, { name: 'Ada L.' }, { ...base, phone: '+44 1' });
  expect(differences).toEqual([
    { field: 'name', base: 'Ada', mine: 'Ada L.', theirs: 'Ada', changedBy: 'me' },
    { field: 'phone', base: null, mine: null, theirs: '+44 1', changedBy: 'them' },
  ]);
  expect(resolve(differences, suggestSides(differences))).toEqual({ name: 'Ada L.' });
});

test('a field that both sides changed waits for a choice', () => {
  const differences = findDifferences(base, { name: 'Ada L.' }, { ...base, name: 'Ada Byron' });
  expect(suggestSides(differences)).toEqual({});
  expect(resolve(differences, { name: 'theirs' })).toEqual({});
  expect(resolve(differences, { name: 'mine' })).toEqual({ name: 'Ada L.' });
});

test('a field that both sides changed to the same value is no conflict', () => {
  expect(findDifferences(base, { name: 'Ada L.' }, { ...base, name: 'Ada L.' })).toEqual([]);
});

test('an absent value and null are the same', () => {
  expect(findDifferences({ phone: null }, { phone: undefined }, {})).toEqual([]);
});
