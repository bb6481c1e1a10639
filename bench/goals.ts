import { numberOf, readTables, type Table } from './tables.ts';

/*
 * The goals of speed, and where each figure is in what a bench prints. `npm run bench` runs the parts; `npm run bench:compare` compares any
 * of these benches with those of an earlier commit.
 */

export type Goal = {
  /** The row of the list of goals. */
  row: string;
  work: string;
  /** The figure must be at least `goal`, or at most. */
  is: 'at least' | 'at most';
  goal: number;
  unit: string;
  find: (printed: string, tables: Table[]) => number | undefined;
};

export type Part = { name: string; script: string; args: string[]; minutes: number; goals: Goal[] };

/** The number in a row of the first table that has such a row, in a column counted from 0. */
const cell =
  (row: RegExp, column: number, nth = 0) =>
  (_: string, tables: Table[]): number | undefined =>
    numberOf(tables.flatMap(({ rows }) => rows.filter(([name = '']) => row.test(name)))[nth]?.[column] ?? '');
const ratioOf =
  (above: Goal['find'], below: Goal['find']): Goal['find'] =>
  (printed, tables) => {
    const [a, b] = [above(printed, tables), below(printed, tables)];
    return a === undefined || b === undefined ? undefined : a / b;
  };
const words =
  (pattern: RegExp): Goal['find'] =>
  (printed) =>
    numberOf(pattern.exec(printed)?.[1] ?? '');
/** Of a table that `bench:compare` printed: now ÷ before. */
const comparedCell =
  (row: RegExp, column: number): Goal['find'] =>
  (_, tables) => {
    const found = tables.flatMap(({ rows }) => rows.filter(([name = '']) => row.test(name))).at(-1)?.[column];
    return numberOf(/\((.*)\)/.exec(found ?? '')?.[1] ?? '');
  };

const least = (row: string, work: string, goal: number, unit: string, find: Goal['find']): Goal => ({
  ...{ row, work, is: 'at least', goal, unit, find },
});
const most = (row: string, work: string, goal: number, unit: string, find: Goal['find']): Goal => ({
  ...{ row, work, is: 'at most', goal, unit, find },
});

const drained = cell(/^platformDb\.events$/, 1);
/** A lookup has one row for each number of callers: 1, 8, 64, 256. */
const lookup = (call: string, callers: number) => cell(new RegExp(`^${call}$`), 9, [1, 8, 64, 256].indexOf(callers));

export const parts: Part[] = [
  {
    ...{ name: 'drain', script: 'bench:events', minutes: 1.5 },
    args: ['--only', 'drain', '--backlog', '300000', '--jobs', '50000'],
    goals: [
      least('1', 'drain, beside pg-boss', 12, '×', ratioOf(drained, cell(/^pg-boss/, 1))),
      least('1', 'drain, beside graphile-worker', 12, '×', ratioOf(drained, cell(/^graphile-worker/, 1))),
    ],
  },
  {
    ...{ name: 'readers', script: 'bench:events', minutes: 1.5 },
    args: ['--only', 'readers', '--backlog', '100000', '--rounds', '2'],
    goals: [
      least('1', 'two processes ÷ one, a handler that does nothing', 1.6, '×', cell(/^does nothing$/, 4)),
      least('1', 'two processes ÷ one, a handler that computes', 1.6, '×', cell(/^computes/, 4)),
      least('1', 'two processes ÷ one, a handler that waits', 1.6, '×', cell(/^waits/, 4)),
    ],
  },
  {
    ...{ name: 'writers', script: 'bench:compare', minutes: 2.5 },
    args: ['events', '--against', '48e280c', '--same-bench', '--', '--only', 'writers', '--rounds', '2'],
    goals: [
      least('2', 'writers beside two subscribers ÷ 48e280c', 1.5, '×', comparedCell(/^with two live subscribers$/, 1)),
      least('2', 'writers beside two subscribers, of bare', 70, '%', (_, tables) => {
        const row = tables.flatMap(({ rows }) => rows).find(([name]) => name === 'with two live subscribers');
        return numberOf(/→ ([\d,.]+)/.exec(row?.[2] ?? '')?.[1] ?? '');
      }),
    ],
  },
  {
    ...{ name: 'latency', script: 'bench:events', minutes: 1.5 },
    args: ['--only', 'latency', '--seconds', '10'],
    goals: [
      most('3', 'commit → handled at 1,000/s, p50', 2, 'ms', cell(/^subscribe$/, 2, 1)),
      most('3', 'commit → handled at 1,000/s, p99', 6, 'ms', cell(/^subscribe$/, 3, 1)),
    ],
  },
  {
    ...{ name: 'bulk', script: 'bench:bulk', minutes: 1.5 },
    args: ['--customers', '20000', '--known', '20000'],
    goals: [
      least('4', 'bulk path ÷ row triggers', 3.5, '×', cell(/^bulk path$/, 3)),
      most(
        '4',
        'bulk path, seconds ÷ bare inserts',
        2.2,
        '×',
        ratioOf(cell(/^bulk path$/, 1), cell(/^bare, with addresses/, 1)),
      ),
      most('4', 'p99 of another writer, meanwhile ÷ before', 2, '×', ratioOf(cell(/^write$/, 4), cell(/^write$/, 2))),
      most('3', 'commit → numbered beside the bulk path, p99', 15, 'ms', cell(/^its event is numbered$/, 4)),
      least('5', 'numbering of bulk events', 60_000, '/s', words(/sustained: ([\d,]+)/)),
    ],
  },
  {
    ...{ name: 'lookups', script: 'bench:lookups', minutes: 1 },
    args: ['--customers', '100000', '--rounds', '3', '--seconds', '0.6'],
    goals: [
      least('6', 'by e-mail ÷ raw, 64 callers', 6, '×', lookup('getCustomerByEmail', 64)),
      least('6', 'by e-mail ÷ raw, alone', 1, '×', lookup('getCustomerByEmail', 1)),
      least('6', 'context ÷ raw, 64 callers', 6, '×', lookup('getCustomerContext', 64)),
      least('6', 'context ÷ raw, alone', 1, '×', lookup('getCustomerContext', 1)),
    ],
  },
  {
    ...{ name: 'cold', script: 'bench:lookups', minutes: 1 },
    args: ['--cold', '--customers', '150000', '--rounds', '1'],
    goals: [
      least('6', 'by e-mail ÷ raw, untouched pages, 8 callers', 1, '×', cell(/^getCustomerByEmail$/, 5)),
      least('6', 'context ÷ raw, untouched pages, 8 callers', 1, '×', cell(/^getCustomerContext$/, 5)),
    ],
  },
  {
    ...{ name: 'lists', script: 'bench:lists', minutes: 1.5 },
    args: ['--customers', '500000', '--deals', '20000', '--entries', '20000', '--times', '5'],
    goals: [
      most(
        '7',
        'a first name of one in fifty, by name, at 500,000 (not 2,000,000)',
        60,
        'ms',
        cell(/^the same by name$/, 1),
      ),
    ],
  },
  {
    ...{ name: 'chat', script: 'bench:chat', minutes: 1.5 },
    args: ['--seconds', '6', '--rounds', '3'],
    goals: [
      most('8', 'chat ÷ by hand, p50', 2.5, '×', ratioOf(cell(/both on one server/, 2), cell(/^by hand/, 2))),
      most('8', 'chat ÷ by hand, p99', 3, '×', ratioOf(cell(/both on one server/, 3), cell(/^by hand/, 3))),
      most('8', 'memory of a connection', 35, 'kB', words(/Memory per open connection: (\d+) kB/)),
    ],
  },
  {
    ...{ name: 'start', script: 'bench:start', minutes: 1 },
    args: ['--settle', '30'],
    goals: [
      most('9', 'npm start, the slowest of five', 4, 's', cell(/^ready, the slowest/, 1)),
      most('9', 'npm start, memory of Node', 130, 'MB', cell(/^memory of Node, RSS/, 1)),
    ],
  },
  {
    ...{ name: 'log', script: 'bench:log', minutes: 1.5 },
    args: ['--events', '2100000', '--rounds', '3'],
    goals: [
      most('10', 'deliver, 2,100,000 events (not 20,000,000) ÷ 100,000', 1.3, '×', cell(/^commit → handled/, 3)),
      most('10', 'replay of one customer, the first event', 100, 'ms', cell(/^replay of one customer/, 2)),
    ],
  },
];

export type Found = {
  row: string;
  work: string;
  words: string;
  figure: string | undefined;
  ratio: string | undefined;
  isReached: boolean | undefined;
};

/** What a part reached, by what its bench printed. */
export function goalsOf({ goals }: Pick<Part, 'goals'>, printed: string): Found[] {
  const tables = readTables(printed);
  return goals.map(({ row, work, is, goal, unit, find }) => {
    const figure = find(printed, tables);
    const say = (value: number) => `${sayNumber(value)}${unit === '×' || unit === '/s' ? '' : ' '}${unit}`;
    const known = figure !== undefined && Number.isFinite(figure);
    return {
      row,
      work,
      words: `${is === 'at least' ? '≥' : '≤'} ${say(goal)}`,
      figure: known ? say(figure) : undefined,
      ratio: known ? `${(figure / goal).toFixed(2)}×` : undefined,
      isReached: known ? (is === 'at least' ? figure >= goal : figure <= goal) : undefined,
    };
  });
}

const sayNumber = (value: number) =>
  value >= 1_000 ? Math.round(value).toLocaleString('en') : String(Number(value.toFixed(value >= 100 ? 0 : 2)));
