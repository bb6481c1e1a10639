import { expect, test } from 'vitest';
import type { FieldEntry } from '../api/records.ts';
import { findFresh, groupByDay, renew } from './stream.ts';

const entry = (id: string, app = 'foundation', occurred_at = '2026-06-15T12:00:00'): FieldEntry => ({
  id,
  kind: 'field',
  occurred_at,
  app,
  actor: null,
  changes: [],
});
const ids = (entries: { id: string }[]) => entries.map(({ id }) => id);

test('an entry that the list does not hold is new at the top or in between, and not below its end', () => {
  const pages = [{ entries: [entry('d'), entry('b')] }];
  const read = [entry('e'), entry('d'), entry('c'), entry('b'), entry('a')];
  expect(ids(findFresh(pages, read, false))).toEqual(['e', 'c']);
  expect(ids(findFresh(pages, read, true))).toEqual(['e', 'c', 'a']);
  expect(findFresh(pages, [entry('d'), entry('b'), entry('a')], false)).toEqual([]);
});

test('if the list holds none of the entries read, also because it is empty, all of them are new', () => {
  expect(ids(findFresh([{ entries: [entry('a')] }], [entry('z'), entry('y')], false))).toEqual(['z', 'y']);
  expect(ids(findFresh([{ entries: [] }], [entry('z')], true))).toEqual(['z']);
});

test('a changed entry is replaced in its place', () => {
  const pages = [{ entries: [entry('b'), entry('a')] }];
  expect(renew(pages, [entry('a', 'support')])[0]?.entries.map(({ app }) => app)).toEqual(['foundation', 'support']);
});

test('a stream is shown by days, newest first', () => {
  const now = new Date('2026-06-15T18:00:00');
  const days = groupByDay(
    [entry('c'), entry('b', 'support', '2026-06-15T01:00:00'), entry('a', 'support', '2026-06-14T23:00:00')],
    now,
  );
  expect(days.map(({ entries }) => ids(entries))).toEqual([['c', 'b'], ['a']]);
});
