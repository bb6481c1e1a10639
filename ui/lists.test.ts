import { expect, test } from 'vitest';
import { readAllPages } from './lists.ts';

test('a list that is read to its end has the rows of all pages, each page asked once', async () => {
  const asked: (string | undefined)[] = [];
  const pages = [
    { rows: [1, 2], next_cursor: 'b' },
    { rows: [3], next_cursor: 'c' },
    { rows: [], next_cursor: null },
  ];
  const all = await readAllPages(
    async (cursor) => {
      asked.push(cursor);
      return pages[asked.length - 1] as { rows: number[]; next_cursor: string | null };
    },
    ({ rows }) => rows,
  );
  expect(all).toEqual([1, 2, 3]);
  expect(asked).toEqual([undefined, 'b', 'c']);
});
