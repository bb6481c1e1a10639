import { expect, test } from 'vitest';
import { describeCondition, describeGroup, type Known } from './conditions.ts';
import { readWhere, without, writeWhere } from './where.ts';

const known: Known = {
  fields: [
    {
      id: 1,
      record: 'customer',
      key: 'size',
      label: 'Size',
      type: 'number',
      choices: [],
      is_required: false,
      position: 0,
    },
    {
      id: 2,
      record: 'customer',
      key: 'area',
      label: 'Area',
      type: 'choice',
      choices: ['A', 'B'],
      is_required: false,
      position: 1,
    },
  ],
  tags: [{ id: 7, name: 'Fair' }],
  tiers: [],
  users: [],
  pipelines: [],
  currency: 'EUR',
};

test('a condition is said in words', () => {
  const say = (field: string, op: string, value?: unknown) => describeCondition({ field, op, value }, known);
  expect(say('custom.size', 'over', 1500)).toBe('Size is over 1,500');
  expect(say('custom.size', 'between', [1, 2])).toBe('Size is between 1 and 2');
  expect(say('custom.area', 'any_of', ['A'])).toBe('Area is A');
  expect(say('custom.area', 'none_of', ['A', 'B'])).toBe('Area is none of A, B');
  expect(say('tag', 'any_of', [7])).toBe('Tag is Fair');
  expect(say('last_activity', 'none_for', 90)).toBe('No activity for 90 days');
  expect(say('open_deal', 'over', 1000)).toBe('Open deals over 1,000 EUR');
  expect(say('custom.gone', 'over', 1)).toBe('gone over 1');
  const group = {
    match: 'any' as const,
    conditions: [
      { field: 'last_activity', op: 'never' },
      { field: 'company', op: 'empty' },
    ],
  };
  expect(describeGroup(group, known)).toBe('Never an activity or Company is empty');
});

test('a filter of an address is read as text and as the router gives it, and one that is none stays for the server to refuse', () => {
  const where = { match: 'all', conditions: [{ field: 'tag', op: 'empty' }] };
  expect(readWhere(where)).toEqual(where);
  expect(readWhere(JSON.stringify(where))).toEqual(where);
  expect(readWhere({ match: 'all', conditions: [] })).toBe(undefined);
  for (const broken of ['{', '7', '{"match":"some","conditions":[]}']) expect(readWhere(broken)).toBe(broken);
});

test('the server gets days as the moments at which they begin here, but for the dates of custom fields', () => {
  const conditions = [
    { field: 'last_activity', op: 'since', value: '2026-01-31' },
    { match: 'any' as const, conditions: [{ field: 'custom.day', op: 'is', value: '2026-01-31' }] },
  ];
  expect(JSON.parse(writeWhere({ match: 'all', conditions }) as string)).toEqual({
    match: 'all',
    conditions: [
      { field: 'last_activity', op: 'since', value: new Date('2026-01-31T00:00').toISOString() },
      conditions[1],
    ],
  });
});

test('conditions that are outdated are taken away by their paths, and a group with its last one', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((field) => ({ field, op: 'is' })) as [never, never, never];
  const where = { match: 'all' as const, conditions: [a, { match: 'any' as const, conditions: [b, c] }] };
  expect(without(where, ['where.1.0'])).toEqual({ match: 'all', conditions: [a, { match: 'any', conditions: [c] }] });
  expect(without(where, ['where.0', 'where.1.0', 'where.1.1'])).toBe(undefined);
});

test('of a condition on several values only those are taken away that are outdated, and the condition with its last one', () => {
  const area = { field: 'custom.area', op: 'any_of', value: ['A', 'B', 'C'] };
  const where = { match: 'all' as const, conditions: [area, { match: 'any' as const, conditions: [area] }] };
  expect(without(where, ['where.0.value.0', 'where.0.value.2', 'where.1.0.value.1'])).toEqual({
    match: 'all',
    conditions: [
      { ...area, value: ['B'] },
      { match: 'any', conditions: [{ ...area, value: ['A', 'C'] }] },
    ],
  });
  expect(without(where, ['where.1', ...[0, 1, 2].map((at) => `where.0.value.${at}`)])).toBe(undefined);
});
