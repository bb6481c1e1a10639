import { expect, test } from 'vitest';
import { type KeptTrail, keepTrail, readTrail } from './kepttrail.ts';

const trail: KeptTrail = { person: 'maya', search: { search: 'ada' }, filters: {}, ids: ['1', '2'], hasMore: true };

function memory() {
  const entries = new Map<string, string>();
  return {
    getItem: (key: string) => entries.get(key) ?? null,
    setItem: (key: string, value: string) => void entries.set(key, value),
  };
}

test('the list that a record was opened from is known again after a reload', () => {
  const storage = memory();
  keepTrail('customers', trail, () => storage);
  expect(readTrail('customers', 'maya', () => storage)).toEqual(trail);
  expect(readTrail('companies', 'maya', () => storage)).toBeUndefined();
});

test('nobody else who signs in at the same tab gets the list', () => {
  const storage = memory();
  keepTrail('customers', trail, () => storage);
  expect(readTrail('customers', 'jonas', () => storage)).toBeUndefined();
});

test('without a storage, or with something else in it, there is no list and no error', () => {
  const refuses = () => {
    throw new Error('forbidden');
  };
  keepTrail('customers', trail, refuses);
  expect(readTrail('customers', 'maya', refuses)).toBeUndefined();
  for (const text of ['{', 'null', '7', '{"person":"maya"}'])
    expect(readTrail('customers', 'maya', () => ({ getItem: () => text }))).toBeUndefined();
});
