import { setTimeout as sleep } from 'node:timers/promises';
import {
  confirmRun,
  countedMax,
  type FailureFilter,
  freezeFailures,
  listCauses,
  listRuns,
  type Run,
  readRun,
  steerRun,
} from '@aether/sync';
import type { Command } from 'commander';
import type pg from 'pg';
import { endWith } from './exitcodes.ts';
import type { Common } from './syncclient.ts';
import { asSync } from './syncclient.ts';
import { formatTable } from './table.ts';

type Parsers = { whole: (text: string) => number; uuid: (text: string) => string };
type BulkOptions = Common & FailureFilter & { reason?: string; rate: number; dryRun?: boolean; wait: boolean };

const lookMs = 500;
const rateDefault = 500;

/**
 * Adds the bulk work of `aether events`: all failures of a subscription that fit a filter are frozen as a set, which the worker goes through
 * in batches. It is the console's bulk work: each shows the runs of the other, and a run goes on when the command is stopped.
 */
export function addBulkCommands(add: (name: string, description: string) => Command, { whole, uuid }: Parsers): void {
  add('causes', 'why events failed, with how many are parked for each cause')
    .option('--subscription <name>', 'only of this one')
    .option('--limit <n>', 'at most so many', whole, 50)
    .action((options) => asSync(options, (client) => printCauses(client, options)));
  const addBulk = (kind: 'redrive' | 'skip', description: string) =>
    add(`${kind}-all`, description)
      .argument('<subscription>')
      .option('--cause <id>', 'only those of a cause that `aether events causes` lists')
      .option('--state <state>', 'only dead ones, or only those that are tried again: dead or retrying')
      .option('--customer <id>', 'only of this customer', uuid)
      .option('--key <key>', 'only of this row')
      .option('--rate <n>', 'at most so many a second, up to 5000', whole, rateDefault)
      .option('--dry-run', 'only count them')
      .option('--no-wait', 'do not wait for the end')
      .option('--reason <why>', 'for the record; needed unless it is a dry run')
      .action((subscription, options) => asSync(options, (client) => work(client, kind, subscription, options)));
  addBulk('redrive', 'try again all that failed and fits: the set is fixed first, and the worker goes through it');
  addBulk('skip', 'give up all that failed and fits: the set is fixed first, and the worker goes through it');
  add('runs', 'bulk work, of the console and of the command: what is under way, and what came of the last').action(
    (options) => asSync(options, async (client) => printRuns(await listRuns(client), options)),
  );
  add('run', 'one run; with an option it is paused, goes on, or takes no more')
    .argument('<number>', 'that `aether events runs` lists', whole)
    .option('--pause', 'let the worker take no more for now')
    .option('--resume', 'let it go on')
    .option('--cancel', 'let the worker take no more; it ends')
    .option('--reason <why>', 'for the record')
    .action((run, options) =>
      asSync(options, async (client) => {
        const wishes = [options.pause && 'paused', options.resume && 'running', options.cancel && 'cancelled'];
        const [to, ...others] = wishes.filter(Boolean);
        if (others.length > 0) throw new Error('Say one of --pause, --resume and --cancel.');
        if (to) await steerRun(client, { run, to, reason: options.reason });
        printRuns([await readRun(client, run)], options);
      }),
    );
}

async function work(
  client: pg.Client,
  kind: 'redrive' | 'skip',
  subscription: string,
  { cause, state, customer, key, ...options }: BulkOptions,
): Promise<void> {
  if (state !== undefined && state !== 'dead' && state !== 'retrying') throw new Error('--state is dead or retrying.');
  if (!options.dryRun && !options.reason) throw new Error('Say why: --reason. (--dry-run only counts.)');
  const given = { cause, state, customer, key };
  const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (options.dryRun) {
    // The set itself, taken back: it holds exactly what a run would.
    await client.query('begin');
    const { total } = await freezeFailures(client, { kind, subscription, filter });
    await client.query('rollback');
    if (options.json) console.log(JSON.stringify({ dry_run: true, kind, subscription, filter, total }));
    else console.log(`${count(total)} of ${subscription} would be ${kind === 'skip' ? 'skipped' : 'tried again'}.`);
    return;
  }
  const { run, total } = await freezeFailures(client, { kind, subscription, filter });
  if (total === 0) {
    if (options.json) console.log(JSON.stringify({ run, total }));
    else console.log(`Nothing of ${subscription} has failed and fits.`);
    return;
  }
  await confirmRun(client, { run, reason: options.reason as string, ratePerSecond: options.rate });
  const told = `Run ${run}: ${count(total)}. The worker goes on with it if this command is stopped: \`aether events run ${run}\`.`;
  if (!options.json) console.log(told);
  if (!options.wait) {
    if (options.json) console.log(JSON.stringify(await readRun(client, run)));
    return;
  }
  const ended = await follow(client, run, options);
  if (ended.failed + ended.held_back + ended.untouched > 0) endWith(`events ${kind}-all`, 'left');
}

/** Prints what a run has done each time that it has changed, until it has ended. */
async function follow(client: pg.Client, run: number, options: Common): Promise<Run> {
  let last = '';
  for (;;) {
    const now = await readRun(client, run);
    const said = options.json ? JSON.stringify(now) : sayRun(now);
    if (said !== last) console.log(said);
    last = said;
    if (now.ended_at) return now;
    await sleep(lookMs);
  }
}

function sayRun(run: Run): string {
  const parts = [
    [run.handled, 'handled'],
    [run.failed, 'failed again'],
    [run.held_back, 'held back by another failure'],
    [run.skipped, 'skipped'],
    [run.mended, 'mended'],
    [run.refused, 'refused'],
    [run.gone, 'gone already'],
    [run.tried, 'being tried'],
    [run.untouched, run.ended_at ? 'left untouched' : 'to come'],
  ] as const;
  const numbers = parts
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number.toLocaleString('en')} ${word}`);
  return `${run.state}: ${numbers.join(', ') || 'nothing'}, of ${run.total.toLocaleString('en')}${run.hindrance ? `. ${run.hindrance}` : ''}`;
}

function printRuns(runs: Run[], options: Common): void {
  if (options.json) for (const run of runs) console.log(JSON.stringify(run));
  else if (runs.length === 0) console.log('There was no bulk work yet.');
  else
    console.log(
      formatTable(
        ['run', 'what', 'of', 'by', 'reason', 'outcome'],
        runs.map((run) => [
          run.id,
          run.kind,
          run.subscription ?? ('finding' in run.filter ? run.filter.finding : ''),
          run.actor ?? run.login,
          run.reason,
          sayRun(run),
        ]),
      ),
    );
}

async function printCauses(
  client: pg.Client,
  options: Common & { subscription?: string; limit: number },
): Promise<void> {
  const causes = await listCauses(client, { subscription: options.subscription }, { limit: options.limit });
  if (options.json) for (const { place: _, ...cause } of causes) console.log(JSON.stringify(cause));
  else if (causes.length === 0) console.log('Nothing is parked because it failed.');
  else
    console.log(
      formatTable(
        ['cause', 'subscription', 'events', 'dead', 'last', 'error'],
        causes.map((cause) => [
          cause.cause,
          cause.subscription,
          capped(cause.events),
          capped(cause.dead),
          cause.last_at.toISOString().slice(0, 19),
          `${cause.error_class}: ${cause.shape}`,
        ]),
      ),
    );
}

const capped = (number: number) => (number > countedMax ? `${countedMax.toLocaleString('en')}+` : `${number}`);
const count = (total: number) => `${total.toLocaleString('en')} ${total === 1 ? 'event' : 'events'}`;
