import {
  type Field,
  type Mapping,
  type MatchSettings,
  matchPrepared,
  measureGroups,
  measureReviews,
  openSource,
  PersonTable,
  prepare,
  readPersons,
  readSettings,
  recognise,
  whatIf,
} from '@aether/importer';
import { Command, InvalidArgumentError } from 'commander';
import { formatTable } from './table.ts';

type Options = {
  map: Mapping;
  truth?: string;
  set: string[];
  whatIf: string[];
  phoneCountry?: string;
  reviews: number;
  json: boolean;
};

const truthField: Field = 'custom:truth';
const reviewCounts = [50, 100, 150, 300];
const shownMax = 10;

/** `aether match`: groups the rows of a file as an import would; it writes nothing and needs no server. */
export function matchCommand(): Command {
  return new Command('match')
    .description('group the rows of a file that are one person, as an import would; writes nothing, needs no server')
    .argument('<file>', 'a list of people, in any format that imports read')
    .option('--map <column=field>', 'what a column means; `column=` leaves it out', readMap, {})
    .option('--truth <column>', 'a column that is equal for rows of one person: measures the groups by it')
    .option('--set <setting=value>', 'such as name-and-place=off, chance=0.01, family=3', collect, [])
    .option('--what-if <setting=value>', 'which pairs would be gained and lost with this setting', collect, [])
    .option('--phone-country <country>', 'of telephone numbers without + and their country, such as DE')
    .option('--reviews <count>', 'how many candidates to print, the most useful first', readCount, 10_000)
    .option('--json', 'one JSON object', false)
    .action(match);
}

function readMap(text: string, before: Mapping): Mapping {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it as COLUMN=FIELD.');
  return { ...before, [text.slice(0, at)]: (text.slice(at + 1) || null) as Field | null };
}

const collect = (text: string, before: string[]) => [...before, text];

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) throw new InvalidArgumentError('It must be a whole number.');
  return count;
}

async function match(file: string, options: Options): Promise<void> {
  const settings = readSettings(options.set);
  const changed = options.whatIf.length > 0 ? readSettings(options.whatIf, settings) : undefined;
  const { table, lines, labels, left } = await readTable(file, options);
  const prepared = prepare(table);
  const result = matchPrepared(prepared, { settings, reviewsMax: options.reviews });
  const groups = [...result.groups];
  const toLines = (rows: readonly number[]) => rows.map((row) => lines[row] as number);
  const measured = labels && {
    ...measureGroups(labels, groups),
    reviews: measureReviews(labels, groups, result.review, [...reviewCounts, result.review.length]),
  };
  const difference = changed && whatIf(prepared, settings, changed);
  const output = {
    rows: table.size,
    ...left,
    ...measured,
    groups: groups.map(toLines),
    held: result.held.map(({ rows }) => toLines(rows)),
    heldReasons: result.held.map(({ reason }) => reason),
    review: result.review.map(({ rows, score, reasons }) => ({ lines: toLines(rows), score, reasons })),
    reviewTotal: result.reviewTotal,
    limits: result.blocks.filter(({ valuesOverLimit }) => valuesOverLimit > 0),
    settings,
    ...(difference && {
      whatIf: {
        settings: changed as MatchSettings,
        gained: { ...difference.gained, examples: withLines(difference.gained.examples) },
        lost: { ...difference.lost, examples: withLines(difference.lost.examples) },
      },
    }),
  };
  if (options.json) console.log(JSON.stringify(output));
  else print(output);

  function withLines<T extends { rows: [number, number] }>(examples: T[]) {
    return examples.map(({ rows, ...each }) => ({ lines: toLines(rows), ...each }));
  }
}

/** Reads the file into a table: the line of each row, its label if the truth is known, and how many rows are no persons. */
async function readTable(file: string, { map, truth, phoneCountry }: Options) {
  const source = await openSource(file);
  try {
    const recognition = await recognise(source);
    const mapping = truth === undefined ? map : { ...map, [truth]: truthField };
    const table = new PersonTable();
    const lines: number[] = [];
    const labels: string[] = [];
    const left = { rejected: 0, excluded: 0 };
    for await (const batch of readPersons(source, { recognition, mapping, phoneCountry }))
      for (const row of batch) {
        if (row.kind !== 'person') {
          left[row.kind]++;
          continue;
        }
        table.add(row.person);
        lines.push(row.line);
        if (truth !== undefined) labels.push(row.person.custom.truth ?? '');
      }
    return { table, lines, labels: truth === undefined ? undefined : labels, left };
  } finally {
    await source.close();
  }
}

type Example = { lines: number[]; reasons: string[] };

function print(output: {
  rows: number;
  rejected: number;
  excluded: number;
  precision?: number;
  recall?: number;
  f1?: number;
  reviews?: { answered: number; precision: number; recall: number; f1: number }[];
  groups: number[][];
  held: number[][];
  heldReasons: string[];
  review: (Example & { score: number })[];
  reviewTotal: number;
  limits: { block: string; rowsMax: number; valuesOverLimit: number; rowsOverLimit: number }[];
  whatIf?: Record<'gained' | 'lost', { pairs: number; groups: number; examples: Example[] }>;
}): void {
  const inGroups = output.groups.reduce((sum, group) => sum + group.length, 0);
  const number = (value: number) => value.toLocaleString('en');
  console.log(
    `${number(output.rows)} persons, ${number(output.rejected)} rows rejected, ${number(output.excluded)} excluded.\n` +
      `${number(inGroups)} rows are in ${number(output.groups.length)} groups; ${number(output.held.length)} sets are held; ${number(output.reviewTotal)} candidates for review.`,
  );
  for (const { block, rowsMax, valuesOverLimit, rowsOverLimit } of output.limits)
    console.log(
      `Not compared by ${block}: ${number(valuesOverLimit)} values that more than ${rowsMax} rows have (${number(rowsOverLimit)} rows).`,
    );
  if (output.precision !== undefined && output.reviews)
    console.log(
      `\n${formatTable(
        ['', 'precision', 'recall', 'f1'],
        [
          ['groups', ...shares(output as { precision: number; recall: number; f1: number })],
          ...output.reviews.map((each) => [`after ${each.answered} reviews`, ...shares(each)]),
        ],
      )}`,
    );
  const section = (title: string, rows: unknown[][], total: number) => {
    if (rows.length === 0) return;
    console.log(`\n${title}${total > rows.length ? `, the first ${rows.length} of ${number(total)}` : ''}`);
    console.log(formatTable(['lines', '', ''], rows));
  };
  section(
    'Groups',
    output.groups.slice(0, shownMax).map((lines) => [lines.join(' '), '', '']),
    output.groups.length,
  );
  section(
    'Held',
    output.held.slice(0, shownMax).map((lines, at) => [lines.slice(0, 8).join(' '), output.heldReasons[at], '']),
    output.held.length,
  );
  section(
    'Review',
    output.review.slice(0, shownMax).map(({ lines, score, reasons }) => [lines.join(' '), score, reasons.join('; ')]),
    output.reviewTotal,
  );
  for (const side of ['gained', 'lost'] as const) {
    const change = output.whatIf?.[side];
    if (!change) continue;
    console.log(`\n${number(change.pairs)} pairs would be ${side}, in ${number(change.groups)} groups.`);
    if (change.examples.length > 0)
      console.log(
        formatTable(
          ['lines', ''],
          change.examples.map(({ lines, reasons }) => [lines.join(' '), reasons.join('; ')]),
        ),
      );
  }
}

const shares = ({ precision, recall, f1 }: { precision: number; recall: number; f1: number }) =>
  [precision, recall, f1].map((share) => share.toFixed(4));
