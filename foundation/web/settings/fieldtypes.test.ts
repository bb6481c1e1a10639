import { expect, test } from 'vitest';
import { makeKey } from './fieldtypes.ts';

test('a field’s key is made of its label, in what the database takes', () => {
  expect(makeKey('Contract end')).toBe('contract_end');
  expect(makeKey('Größe (m²)')).toBe('gro_e_m');
  expect(makeKey('2nd address')).toBe('nd_address');
  expect(makeKey('x'.repeat(60))).toHaveLength(40);
});

test('a label without a letter of a-z makes no key, and asks for one', () => {
  expect(makeKey('顧客')).toBe('');
});
