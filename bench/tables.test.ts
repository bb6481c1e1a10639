import { expect, test } from 'vitest';
import { goalsOf, parts } from './goals.ts';
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

test('a goal says what was measured and whether it is reached; without a figure it says nothing of either', () => {
  const latency = parts.find(({ name }) => name === 'latency');
  if (!latency) throw new Error('There is no bench of the latency.');
  const found = (table: string) =>
    goalsOf(latency, `| how | writes/s | p50 ms | p99 ms |\n|---|--:|--:|--:|\n${table}`).map(
      ({ figure, ratio, isReached }) => [figure, ratio, isReached],
    );
  expect(found('| subscribe | 20 | 1.0 | 2.0 |\n| subscribe | 998 | 1.5 | 12.0 |')).toEqual([
    ['1.5 ms', '0.75×', true],
    ['12 ms', '2.00×', false],
  ]);
  expect(found('| subscribe | 20 | 1.0 | 2.0 |')).toEqual([
    [undefined, undefined, undefined],
    [undefined, undefined, undefined],
  ]);
});

test('every part of the table is a bench that package.json has, and all of it takes sixteen minutes', async () => {
  const { default: house } = await import('../package.json', { with: { type: 'json' } });
  expect(parts.map(({ script }) => script).filter((script) => !(script in house.scripts))).toEqual([]);
  expect(parts.reduce((sum, { minutes }) => sum + minutes, 0)).toBeLessThanOrEqual(16);
});
