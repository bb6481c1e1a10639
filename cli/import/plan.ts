import {
  listRows,
  type Mapping,
  type Outcome,
  openQuery,
  openSource,
  outcomes,
  planImport,
  plannedSource,
  type Recognition,
  type Run,
  readCompanions,
  readRun,
  recognise,
  type Source,
} from '@aether/importer';
import type pg from 'pg';
import { actorOf, type Common } from '../syncclient.ts';
import { formatTable } from '../table.ts';
import type { DayMonth } from './options.ts';

const examplesMax = 10;
const samplesMax = 3;

export type PlanOptions = Common & {
  source?: string;
  app: 'foundation' | 'support';
  map: Mapping;
  timezone?: string;
  dayMonth: DayMonth;
  encoding?: string;
  phoneCountry?: string;
  overwrite: string[];
  again?: boolean;
  set: string[];
  from?: string;
  query?: string;
};

/** Reads files, or a query, and says what each line will be. */
export async function plan(client: pg.Client, files: string[], options: PlanOptions): Promise<void> {
  const { app, map, timezone, dayMonth, encoding, phoneCountry, overwrite } = options;
  if ((options.from === undefined) !== (options.query === undefined))
    throw new Error('--from and --query go together.');
  if (files.length === 0 && options.from === undefined)
    throw new Error('What is to be imported? Name a file, or --from and --query.');
  const sources: Source[] = [];
  try {
    for (const file of files) sources.push(await openSource(file));
    if (options.from !== undefined) sources.push(openQuery(options.from, options.query as string));
    const lists: { source: Source; recognition: Recognition }[] = [];
    for (const source of sources)
      lists.push({ source, recognition: await recognise(source, encoding === undefined ? {} : { encoding }) });
    const people = lists.filter(({ recognition }) => recognition.holds === 'people');
    if (people.length === 0) throw new Error('None of these files is a list of people.');
    requireColumns(map, people);
    const companions = people.length < lists.length ? await readCompanions(lists) : undefined;
    const planned = await Promise.all(
      people.map(({ source, recognition }) =>
        plannedSource(source, recognition, {
          source: options.source,
          mapping: ofColumns(map, recognition),
          answers: { dayOrder: ofColumns(dayMonth, recognition), ...(timezone !== undefined && { timezone }) },
          phoneCountry,
          ...(companions && { companions }),
        }),
      ),
    );
    const { run, counts } = await planImport(client, {
      app,
      actor: actorOf(options),
      settings: {
        overwrite,
        mapping: map,
        timezone: timezone ?? null,
        phoneCountry: phoneCountry ?? null,
        ...(options.again && { again: true }),
        ...(options.set.length > 0 && { matching: options.set }),
      },
      sources: planned,
    });
    const made = await readRun(client, run);
    const examples = await readExamples(client, run);
    const read = people.map(({ source, recognition }, at) =>
      describeReading(source, recognition, map, planned[at]?.leftOut),
    );
    if (options.json)
      console.log(JSON.stringify({ run, counts, files: made.files, read, unmapped: made.unmapped, examples }));
    else printPlan(made, read, examples);
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

/** Of a record by column, what belongs to this list. */
const ofColumns = <Value>(all: Record<string, Value>, { columns }: Recognition): Record<string, Value> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => columns.some((column) => column.name === name)));

function requireColumns(map: Mapping, people: { recognition: Recognition }[]): void {
  const known = people.flatMap(({ recognition }) => recognition.columns.map(({ name }) => name));
  for (const column of Object.keys(map))
    if (!known.includes(column)) throw new Error(`There is no column ${column}. The columns are: ${known.join(', ')}.`);
}

type Reading = {
  file: string;
  format: string;
  encoding: string | null;
  mapping: Mapping;
  /** Columns that mean nothing, with the number of lines that say something in them, and examples. */
  leftOut: { column: string; cells: number; samples: string[] }[];
  questions: Recognition['questions'];
};

function describeReading(
  source: Source,
  recognition: Recognition,
  map: Mapping,
  leftOut: ReadonlyMap<string, number> = new Map(),
): Reading {
  return {
    file: source.name,
    format: recognition.label,
    encoding: recognition.encoding?.encoding ?? null,
    mapping: { ...recognition.mapping, ...ofColumns(map, recognition) },
    leftOut: recognition.columns.flatMap(({ name, samples }) => {
      const cells = leftOut.get(name);
      return cells === undefined ? [] : [{ column: name, cells, samples: samples.slice(0, samplesMax) }];
    }),
    questions: recognition.questions,
  };
}

type Example = {
  file: string;
  line: number;
  outcome: Outcome;
  reason: string;
  email: string | null;
  name: string | null;
};

async function readExamples(client: pg.Client, run: string): Promise<Example[]> {
  const examples: Example[] = [];
  for (const outcome of outcomes)
    for (const row of await listRows(client, run, { outcome, limit: examplesMax }))
      examples.push({
        file: row.file,
        line: row.line,
        outcome,
        reason: row.message ?? row.code ?? Object.keys(row.fills).join(', '),
        email: row.email,
        name: row.name,
      });
  return examples;
}

function printPlan(run: Run, read: Reading[], examples: Example[]): void {
  for (const { file, format, encoding, mapping, leftOut, questions } of read) {
    console.log(`${file}: ${format}${encoding === null ? '' : `, ${encoding}`}`);
    console.log(
      `  ${Object.entries(mapping)
        .map(([column, field]) => `${column} → ${field ?? 'left out'}`)
        .join(', ')}`,
    );
    for (const { column, cells, samples } of leftOut)
      console.log(
        `  Left out: ${column}, in ${cells} lines, such as ${samples.map((cell) => cell.slice(0, 40)).join(', ')}`,
      );
    for (const question of questions) console.log(`  Not answered: ${describeQuestion(question)}`);
  }
  console.log(
    `\n${formatTable(
      ['outcome', 'lines'],
      outcomes.map((outcome) => [outcome, run.counts[outcome]]),
    )}`,
  );
  printUnmapped(run);
  const shown = examples.map((each) => [each.outcome, each.file, each.line, each.email, each.name, each.reason]);
  if (shown.length > 0)
    console.log(`\n${formatTable(['outcome', 'file', 'line', 'address', 'name', 'why or what'], shown)}`);
  console.log(`\nNothing is written yet. aether import apply ${run.id}`);
}

function describeQuestion(question: Recognition['questions'][number]): string {
  const examples = question.examples.slice(0, 3).join(', ');
  switch (question.kind) {
    case 'day-month':
      return `is ${examples} in ${question.column} the day or the month first? --day-month "${question.column}=day-first"`;
    case 'timezone':
      return `in which zone are the times in ${question.columns.join(', ')} (${examples})? --timezone Europe/Berlin`;
    case 'encoding':
      return `is the file in ${question.assumed} (${examples})? --encoding ${question.choices.join(' or ')}`;
    default:
      return `${question.kind}: ${question.choices.join(' or ')}`;
  }
}

function printUnmapped({ unmapped }: Run): void {
  for (const [kind, words] of Object.entries(unmapped)) {
    if (kind === 'column') continue; // said with its file
    const entries = Object.entries(words).sort(([, a], [, b]) => b - a);
    const shown = entries.slice(0, 8).map(([word, lines]) => `${word} (${lines})`);
    console.log(
      `No place for ${kind}: ${shown.join(', ')}${entries.length > 8 ? ` and ${entries.length - 8} more` : ''}`,
    );
  }
}
