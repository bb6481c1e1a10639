import { createInterface } from 'node:readline/promises';
import {
  type Answer,
  type Answers,
  abandonImport,
  answerPair,
  answers,
  applyImport,
  type Counts,
  type Field,
  listCandidates,
  listRows,
  listRuns,
  type Mapping,
  type NamedPlace,
  namePlaces,
  type Outcome,
  openQuery,
  openSource,
  outcomes,
  planImport,
  plannedSource,
  prepareRun,
  type Recognition,
  type Run,
  readCompanions,
  readField,
  readRun,
  recognise,
  replanImport,
  type Source,
  undoImport,
  verifyImport,
  whatIfRun,
  writeRowsFile,
} from '@aether/importer';
import { Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { actorOf, asSync, type Common, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

/** A plan of six million lines is one statement of some minutes. */
const answerMs = 1_800_000;
const examplesMax = 10;

type PlanOptions = Common & {
  source?: string;
  app: 'foundation' | 'support';
  map: Mapping;
  timezone?: string;
  dayMonth: NonNullable<Answers['dayOrder']>;
  encoding?: string;
  phoneCountry?: string;
  overwrite: string[];
  set: string[];
  from?: string;
  query?: string;
};

/** `aether import …`: plans, applies, verifies and undoes imports, as sync_app. */
export function importCommand(): Command {
  const command = new Command('import').description('customers of other systems: plan, look, apply, verify, undo');
  const add = (name: string, description: string) =>
    withCommon(command.command(name).description(description), 'one JSON object');

  add('plan', 'read files and say what each line will be; writes nothing that an app sees')
    .argument('[file...]', 'lists of people in any known format; lists of companies and users complete them')
    .option('--source <name>', 'where the ids come from; by default the recognised format or the name of the file')
    .option('--app <app>', 'whose customers they become: foundation or support', readApp, 'foundation')
    .option('--map <column=field>', 'what a column means; `column=` leaves it out', readMap, {})
    .option('--timezone <zone>', 'of times that name none, such as Europe/Berlin')
    .option('--day-month <column=order>', 'day-first or month-first, for dates such as 03/04/2020', readOrder, {})
    .option('--encoding <name>', 'of files that are not UTF-8, such as windows-1252')
    .option('--phone-country <country>', 'of telephone numbers without + and their country, such as DE')
    .option('--overwrite <field>', 'the file decides this field also where a customer has another value', collect, [])
    .option('--set <setting=value>', 'a rule or threshold of matching, such as name-and-place=off', collect, [])
    .option('--from <url>', 'read a table of another PostgreSQL, with --query')
    .option('--query <sql>', 'what to read there')
    .action((files, options) => asSync(options, (client) => plan(client, files, options), { answerMs }));
  add('candidates', 'pairs of a plan that may be one person, the likeliest first, with the reasons')
    .argument('<run>')
    .option('--limit <n>', 'at most so many', readWhole, 20)
    .action((run, options) => asSync(options, (client) => printCandidates(client, run, options)));
  add(
    'answer',
    'say whether two lines of a plan, or a line and a customer, are the same person; it is kept for the next files',
  )
    .argument('<run>')
    .argument('<line>', 'its number in the run, as `candidates` lists it', readWhole)
    .argument('<other>', 'the number of another line, or the id of a customer')
    .argument('<answer>', answers.join(', '), readAnswer)
    .action((run, n, other, said, options) =>
      asSync(options, (client) => answer(client, run, { n, other, said }, options)),
    );
  add('replan', 'decide a plan again, so that it follows the answers, or other rules; needs no file')
    .argument('<run>')
    .option(
      '--set <setting=value>',
      'such as name-and-place=off, chance=0.01; `standard` for the standard ones',
      collect,
    )
    .action((run, options) => asSync(options, (client) => replan(client, run, options), { answerMs }));
  add('what-if', 'which pairs of a plan other rules would gain and lose; writes nothing')
    .argument('<run>')
    .option('--set <setting=value>', 'such as name-and-place=off, chance=0.01, family=3', collect, [])
    .action((run, options) => asSync(options, (client) => whatIf(client, run, options), { answerMs }));
  add('apply', 'write a planned run, or go on with one that was cut off')
    .argument('<run>')
    .option('--rest <ms>', 'a pause after each step, which leaves more of the machine to others', readWhole, 0)
    .action((run, options) => asSync(options, (client) => apply(client, run, options), { answerMs }));
  add('verify', 'compare a run with what the database holds; ends with 1 when they differ')
    .argument('<run>')
    .action((run, options) => asSync(options, (client) => verify(client, run, options), { answerMs }));
  add('undo', 'take a run back; what was changed since is kept and listed')
    .argument('<run>')
    .option('--reason <text>', 'why, for the record; on a terminal it is asked for')
    .action((run, options) => asSync(options, (client) => undo(client, run, options), { answerMs }));
  add('abandon', 'give up a plan that nobody will apply: its lines go, and the run stays in the history')
    .argument('<run>')
    .option('--reason <text>', 'why, for the record; needed')
    .action((run, options) => asSync(options, (client) => abandon(client, run, options), { answerMs }));
  add('runs', 'all runs, the newest first')
    .option('--limit <n>', 'at most so many', readWhole, 50)
    .action((options) => asSync(options, (client) => printRuns(client, options)));
  add('rows', 'lines of a run and what became of them')
    .argument('<run>')
    .option('--outcome <outcome>', `only ${outcomes.join(', ')}`, readOutcome)
    .option('--conflicts', 'only lines that say something else than the customer has')
    .option('--csv', 'as a file: the lines as they were, with the reason; mended, it can be imported alone')
    .option('--limit <n>', 'at most so many', readWhole, 100)
    .action((run, options) => asSync(options, (client) => printRows(client, run, options)));
  return command;
}

async function plan(client: pg.Client, files: string[], options: PlanOptions): Promise<void> {
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
    const { run, counts } = await planImport(client, {
      app,
      actor: actorOf(options),
      settings: {
        overwrite,
        mapping: map,
        timezone: timezone ?? null,
        phoneCountry: phoneCountry ?? null,
        ...(options.set.length > 0 && { matching: options.set }),
      },
      sources: await Promise.all(
        people.map(({ source, recognition }) =>
          plannedSource(source, recognition, {
            source: options.source,
            mapping: ofColumns(map, recognition),
            answers: { dayOrder: ofColumns(dayMonth, recognition), ...(timezone !== undefined && { timezone }) },
            phoneCountry,
            ...(companions && { companions }),
          }),
        ),
      ),
    });
    const made = await readRun(client, run);
    const examples = await readExamples(client, run);
    const read = people.map(({ source, recognition }) => describeReading(source, recognition, map));
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
  questions: Recognition['questions'];
};

function describeReading(source: Source, recognition: Recognition, map: Mapping): Reading {
  return {
    file: source.name,
    format: recognition.label,
    encoding: recognition.encoding?.encoding ?? null,
    mapping: { ...recognition.mapping, ...ofColumns(map, recognition) },
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
  for (const { file, format, encoding, mapping, questions } of read) {
    console.log(`${file}: ${format}${encoding === null ? '' : `, ${encoding}`}`);
    console.log(
      `  ${Object.entries(mapping)
        .map(([column, field]) => `${column} → ${field ?? 'left out'}`)
        .join(', ')}`,
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
    const entries = Object.entries(words).sort(([, a], [, b]) => b - a);
    const shown = entries.slice(0, 8).map(([word, lines]) => `${word} (${lines})`);
    console.log(
      `No place for ${kind}: ${shown.join(', ')}${entries.length > 8 ? ` and ${entries.length - 8} more` : ''}`,
    );
  }
}

async function printCandidates(client: pg.Client, run: string, options: Common & { limit: number }): Promise<void> {
  await readRun(client, run);
  const candidates = await listCandidates(client, run, { limit: options.limit });
  const named = await namePlaces(
    client,
    run,
    candidates.flatMap(({ n, otherN, otherCustomer }) => [
      { n },
      otherN === null ? { customer: otherCustomer as string } : { n: otherN },
    ]),
  );
  if (options.json) console.log(JSON.stringify({ run, candidates }));
  else if (candidates.length === 0) console.log('There is none.');
  else
    console.log(
      formatTable(
        ['line', 'is', 'other', 'is', 'score', 'why'],
        candidates.map(({ n, otherN, otherCustomer, score, reasons }, at) => [
          n,
          sayPlace(named[at * 2] as NamedPlace),
          otherN ?? otherCustomer,
          sayPlace(named[at * 2 + 1] as NamedPlace),
          score,
          reasons.join('; '),
        ]),
      ),
    );
}

/** How a line or a customer is shown. */
const sayPlace = ({ name, email }: NamedPlace) => [name, email].filter(Boolean).join(', ');

type Said = { n: number; other: string; said: Answer };

async function answer(client: pg.Client, run: string, { n, other, said }: Said, options: Common): Promise<void> {
  const isLine = /^\d{1,9}$/.test(other);
  if (!isLine && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(other))
    throw new Error('The other one is the number of a line, or the id of a customer.');
  const pair = isLine ? { n, otherN: Number(other) } : { n, customer: other };
  const changesPlan = await answerPair(client, run, pair, said, { actor: actorOf(options) });
  if (options.json) console.log(JSON.stringify({ run, ...pair, answer: said, changesPlan }));
  else
    console.log(
      changesPlan ? `It is kept. The plan does not follow it yet: aether import replan ${run}` : 'It is kept.',
    );
}

async function replan(client: pg.Client, run: string, options: Common & { set?: string[] }): Promise<void> {
  const { set } = options;
  const { counts } = await replanImport(client, run, {
    actor: actorOf(options),
    ...(set && { matching: set.filter((each) => each !== 'standard') }),
  });
  console.log(options.json ? JSON.stringify({ run, counts }) : describeCounts(counts));
}

async function whatIf(client: pg.Client, run: string, options: Common & { set: string[] }): Promise<void> {
  const prepared = await prepareRun(client, run);
  const found = whatIfRun(prepared, options.set);
  if (options.json) {
    console.log(JSON.stringify({ run, ...found }));
    return;
  }
  for (const side of ['gained', 'lost'] as const) {
    const { pairs, groups, examples } = found[side];
    console.log(`${pairs} pairs would be ${side}, in ${groups} groups.`);
    const named = await namePlaces(
      client,
      run,
      examples.flatMap(({ places }) => places),
    );
    const shown = examples.map(({ reasons }, at) => [
      ...named.slice(at * 2, at * 2 + 2).map(sayPlace),
      reasons.join('; '),
    ]);
    if (shown.length > 0) console.log(formatTable(['', '', ''], shown));
  }
}

async function apply(client: pg.Client, run: string, options: Common & { rest: number }): Promise<void> {
  const applied = await applyImport(client, run, {
    actor: actorOf(options),
    restMs: options.rest,
    onProgress: progressOf('applied'),
  });
  if (options.json) {
    console.log(
      JSON.stringify({
        run,
        state: applied.state,
        counts: applied.counts,
        planned: applied.planned,
        changed: applied.changed,
      }),
    );
    return;
  }
  console.log(describeCounts(applied.counts));
  for (const [code, lines] of Object.entries(applied.changed))
    console.log(`Other than planned: ${lines} lines, ${code}`);
}

async function verify(client: pg.Client, run: string, options: Common): Promise<void> {
  const { isRight, checks } = await verifyImport(client, run);
  if (!isRight) process.exitCode = 1;
  if (options.json) console.log(JSON.stringify({ run, isRight, checks }));
  else
    console.log(
      formatTable(
        ['', 'expected', 'found'],
        checks.map(({ question, expected, found }) => [question, expected, found]),
      ),
    );
}

async function undo(client: pg.Client, run: string, options: Common & { reason?: string }): Promise<void> {
  const reason = options.reason ?? (await askWhy(`Why is run ${run} undone? (Enter: no reason)`));
  const undone = await undoImport(client, run, { actor: actorOf(options), ...(reason && { reason }) });
  if (options.json) {
    console.log(JSON.stringify({ run, ...undone }));
    return;
  }
  console.log(`${undone.removed} customers removed, ${undone.restored} values put back, ${undone.kept.length} kept.`);
  if (undone.kept.length > 0)
    console.log(
      formatTable(
        ['customer', 'field', 'written', 'now'],
        undone.kept.map(({ customer, field, written, present }) => [customer, field, word(written), word(present)]),
      ),
    );
}

/** Asks a person; a script gives its reason with the command, or none. */
async function askWhy(question: string): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return '';
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await asking.question(`${question} `)).trim();
  } finally {
    asking.close();
  }
}

async function abandon(client: pg.Client, run: string, options: Common & { reason?: string }): Promise<void> {
  if (!options.reason) throw new Error('Say why: --reason.');
  await abandonImport(client, run, { reason: options.reason, actor: actorOf(options) });
  const { state } = await readRun(client, run);
  console.log(options.json ? JSON.stringify({ run, state }) : `Run ${run} is given up. It stays in the history.`);
}

const word = (value: unknown) => (value === null || typeof value === 'string' ? value : JSON.stringify(value));

async function printRuns(client: pg.Client, options: Common & { limit: number }): Promise<void> {
  const runs = await listRuns(client, { limit: options.limit });
  if (options.json) console.log(JSON.stringify({ runs }));
  else if (runs.length === 0) console.log('Nothing was imported yet.');
  else
    console.log(
      formatTable(
        ['run', 'state', 'files', 'lines', 'planned', 'at', 'by', 'given up at'],
        runs.map((run) => [
          run.id,
          run.state,
          run.files.map(({ name }) => name).join(', '),
          run.lines,
          describeCounts(run.planned),
          run.createdAt.toISOString(),
          run.createdBy,
          run.goesAt?.toISOString(),
        ]),
      ),
    );
}

async function printRows(
  client: pg.Client,
  run: string,
  options: Common & { outcome?: Outcome; conflicts?: boolean; csv?: boolean; limit: number },
): Promise<void> {
  const { outcome } = options;
  if (options.csv) {
    for await (const text of writeRowsFile(client, run, { outcome }))
      if (text) console.log(text.replace(/\r\n$/, '\r'));
    return;
  }
  await readRun(client, run); // throws if there is no such run
  const rows = await listRows(client, run, {
    limit: options.limit,
    ...(outcome && { outcome }),
    ...(options.conflicts && { withConflicts: true }),
  });
  if (options.json) console.log(JSON.stringify({ run, rows }));
  else
    console.log(
      formatTable(
        ['file', 'line', 'outcome', 'address', 'name', 'why or what', 'conflicts'],
        rows.map((row) => [
          row.file,
          row.line,
          row.planned === null ? row.outcome : `${row.outcome} (planned: ${row.planned})`,
          row.email,
          row.name,
          row.message ?? row.code ?? Object.keys(row.fills).join(', '),
          Object.entries(row.conflicts)
            .map(([field, { ours, theirs }]) => `${field}: ${word(ours)} / ${word(theirs)}`)
            .join('; '),
        ]),
      ),
    );
}

const describeCounts = (counts: Counts) =>
  outcomes
    .filter((outcome) => counts[outcome] > 0)
    .map((outcome) => `${counts[outcome]} ${outcome}`)
    .join(', ') || 'nothing';

/** On a terminal, one line that is written over. */
function progressOf(what: string): (done: number, lines: number) => void {
  let toldAt = performance.now();
  return (done, lines) => {
    if (!process.stderr.isTTY || (performance.now() - toldAt < 1_000 && done < lines)) return;
    toldAt = performance.now();
    process.stderr.write(`\r${done} of ${lines} lines ${what}${done < lines ? ' …' : '  \n'}`);
  };
}

function readMap(text: string, before: Mapping): Mapping {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it as COLUMN=FIELD.');
  const named = text.slice(at + 1);
  const field = named === '' ? null : readField(named);
  if (field === undefined) throw new InvalidArgumentError(`${named} is no field: see docs/import.md.`);
  return { ...before, [text.slice(0, at)]: field as Field | null };
}

function readOrder(text: string, before: PlanOptions['dayMonth']): PlanOptions['dayMonth'] {
  const at = text.lastIndexOf('=');
  const order = text.slice(at + 1);
  if (at < 1 || (order !== 'day-first' && order !== 'month-first'))
    throw new InvalidArgumentError('Write it as COLUMN=day-first or COLUMN=month-first.');
  return { ...before, [text.slice(0, at)]: order };
}

const collect = (text: string, before: string[] = []) => [...before, text];

function readAnswer(text: string): Answer {
  const said = answers.find((each) => each === text);
  if (!said) throw new InvalidArgumentError(`It is one of ${answers.join(', ')}.`);
  return said;
}

function readApp(text: string): 'foundation' | 'support' {
  if (text !== 'foundation' && text !== 'support') throw new InvalidArgumentError('It is foundation or support.');
  return text;
}

function readOutcome(text: string): Outcome {
  const outcome = outcomes.find((each) => each === text);
  if (!outcome) throw new InvalidArgumentError(`It is one of ${outcomes.join(', ')}.`);
  return outcome;
}

function readWhole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 1_000_000)
    throw new InvalidArgumentError('It must be a whole number.');
  return number;
}
