import { expect, test } from 'vitest';
import { flatten, nest, parseTyped } from './fields.ts';

test('custom fields are shown beside the others and are sent back as custom fields', () => {
  const values = flatten({ name: 'Ada', phone: null }, { region: 'north', seats: 4 });
  expect(values).toEqual({ name: 'Ada', phone: null, 'custom.region': 'north', 'custom.seats': 4 });
  expect(nest(values)).toEqual({ name: 'Ada', phone: null, custom: { region: 'north', seats: 4 } });
});

test('a change without custom fields sends none', () => {
  expect(nest({ name: 'Ada' })).toEqual({ name: 'Ada' });
});

test('typed text becomes the value that the server accepts: a number, a trimmed text, or null if empty', () => {
  expect(parseTyped('number', '12.5')).toBe(12.5);
  expect(parseTyped('text', '  Ada ')).toBe('Ada');
  expect(parseTyped('text', '  ')).toBeNull();
  expect(parseTyped('money', 0)).toBe(0);
  expect(parseTyped('checkbox', null)).toBe(false);
});
