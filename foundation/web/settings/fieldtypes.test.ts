import { expect, test } from 'vitest';
import { makeKey } from './fieldtypes.ts';

test('a field’s key is made from its label, with the characters that the database accepts', () => {
  expect(makeKey('Contract end')).toBe('contract_end');
  expect(makeKey('Größe (m²)')).toBe('gro_e_m');
  expect(makeKey('2nd address')).toBe('nd_address');
  expect(makeKey('x'.repeat(60))).toHaveLength(40);
});

test('a label without a letter of a-z gives no key, so that the person must type one', () => {
  expect(makeKey('顧客')).toBe('');
});
