import { expect, test } from 'vitest';
import { joinTables, printTable, readTables } from './tables.ts';

const printed = (p50: string, other: string) => `2,000,000 customers

| list | p50 ms | slowest ms |
|---|--:|--:|
| newest first | ${p50} | 16.7 |
| the same by name | 1,000 | none |
| the same by name | ${other} | 2 |

and more words
`;

test('the tables of two builds are joined by their rows, with the medians and their ratio', () => {
  const before = ['5', '9', '6'].map((p50) => readTables(printed(p50, '4')));
  const now = [readTables(printed('3', '8'))];
  expect(joinTables(before, now).map(printTable)).toEqual([
    `| list | p50 ms | slowest ms |
|---|--:|--:|
| newest first | 6 → 3 (0.50) | 16.7 → 16.7 (1.00) |
| the same by name | 1000 → 1000 (1.00) |  |
| the same by name | 4 → 8 (2.00) | 2 → 2 (1.00) |`,
  ]);
});

test('a row that only one build has is left out', () => {
  const before = [readTables('| list | ms |\n|---|--:|\n| old | 1 |')];
  const now = [readTables('| list | ms |\n|---|--:|\n| new | 1 |')];
  expect(joinTables(before, now)).toEqual([{ columns: ['list', 'ms'], rows: [] }]);
});
