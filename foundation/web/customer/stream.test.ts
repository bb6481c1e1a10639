import { expect, test } from 'vitest';
import type { FieldEntry } from '../api/records.ts';
import { findFresh, groupByDay, prepend, renew } from './stream.ts';

const entry = (id: string, app = 'foundation', occurred_at = '2026-06-15T12:00:00'): FieldEntry => ({
  id,
  kind: 'field',
  occurred_at,
  app,
  actor: null,
  changes: [],
});
const ids = (entries: { id: string }[]) => entries.map(({ id }) => id);

test('only what stands above the list is new', () => {
  const pages = [{ entries: [entry('c'), entry('b')] }];
  expect(ids(findFresh(pages, [entry('e'), entry('d'), entry('c'), entry('b'), entry('a')]))).toEqual(['e', 'd']);
  expect(findFresh(pages, [entry('c'), entry('b'), entry('a')])).toEqual([]);
});

test('when more came than a page holds, the whole page is new; so is all above an empty list', () => {
  expect(ids(findFresh([{ entries: [entry('a')] }], [entry('z'), entry('y')]))).toEqual(['z', 'y']);
  expect(ids(findFresh([{ entries: [] }], [entry('z')]))).toEqual(['z']);
});

test('new entries come to the top once, whatever page they stood on', () => {
  const pages = [{ entries: [entry('b')] }, { entries: [entry('a')] }];
  expect(prepend(pages, [entry('c'), entry('a')]).map((page) => ids(page.entries))).toEqual([['c', 'a', 'b'], []]);
});

test('an entry that changed is renewed where it stands', () => {
  const pages = [{ entries: [entry('b'), entry('a')] }];
  expect(renew(pages, [entry('a', 'support')])[0]?.entries.map(({ app }) => app)).toEqual(['foundation', 'support']);
});

test('a stream is told in days, newest first', () => {
  const now = new Date('2026-06-15T18:00:00');
  const days = groupByDay(
    [entry('c'), entry('b', 'support', '2026-06-15T01:00:00'), entry('a', 'support', '2026-06-14T23:00:00')],
    now,
  );
  expect(days.map(({ entries }) => ids(entries))).toEqual([['c', 'b'], ['a']]);
});
