import { setTimeout as wait } from 'node:timers/promises';
import { type ImportClient, ImportRefused, type Run } from './records.ts';
import { readRun } from './runs.ts';
import { prepareSteps, runStep, sortSearch } from './steps.ts';

export type StepOptions = {
  /** The person for whom this is done; the events name them. */
  actor?: string;
  /** Lines in a transaction. */
  linesPerStep?: number;
  /** A pause after each step, which leaves more of the machine to others. */
  restMs?: number;
  /** Called after each step. */
  onProgress?: (done: number, lines: number) => void;
  signal?: AbortSignal;
};

/** The events of a step are numbered together, and the events of others wait for that. */
export const linesPerStepDefault = 1_000;
const companiesPerStep = 500;
/** Their trigrams take 3 MB. An ordinary writer that finds more than 4 MB of them sorts them itself. The more at once, the less each costs. */
const sortEveryCustomers = 3_000;

/**
 * Applies a planned run, or goes on with one that was cut off. A run that is applied already stays as it is. Any number of processes may
 * apply runs at once, also the same one.
 *
 * @param client as sync_app, of its own. @throws ImportRefused
 */
export async function applyImport(client: ImportClient, run: string, options: StepOptions = {}): Promise<Run> {
  const { linesPerStep = linesPerStepDefault, restMs = 0, onProgress, signal } = options;
  const { lines, state } = await readRun(client, run);
  await prepareSteps(client, options.actor);
  if (state === 'applied') return readRun(client, run);
  if (state === 'planned') await requireFollowed(client, run);
  const { step } = await runStep<{ step: string }>(client, 'select sync.begin_import_step($1, $2) as step', [
    run,
    'apply',
  ]);
  for (;;) {
    signal?.throwIfAborted();
    const { left } = await runStep<{ left: number }>(client, 'select sync.make_import_companies($1, $2) as "left"', [
      run,
      companiesPerStep,
    ]);
    if (left === 0) break;
  }
  for (let unsorted = 0; ; ) {
    signal?.throwIfAborted();
    const { to_n, created, is_done } = await runStep<{ to_n: number; created: number; is_done: boolean }>(
      client,
      'select to_n, created, is_done from sync.apply_import($1, $2)',
      [run, linesPerStep],
    );
    onProgress?.(to_n, lines);
    unsorted += created;
    if (unsorted > 0 && (is_done || unsorted >= sortEveryCustomers)) {
      unsorted = 0;
      await sortSearch(client);
    }
    if (is_done) break;
    if (restMs > 0) await wait(restMs, undefined, { signal });
  }
  const applied = await readRun(client, run);
  await client.query('select sync.end_import_step($1, $2)', [
    step,
    JSON.stringify({ counts: applied.counts, changed: applied.changed }),
  ]);
  return readRun(client, run);
}

/** A plan that does not follow all answers must not be applied: sync.apply_import says so too, but companies are made before it. */
async function requireFollowed(client: ImportClient, run: string): Promise<void> {
  const { rows } = await client.query<{ answers: number }>('select sync.count_new_answers($1) as answers', [run]);
  const answers = rows[0]?.answers ?? 0;
  if (answers > 0)
    throw new ImportRefused(
      `${answers} answers were given since this plan was decided: \`aether import replan ${run}\` decides it again.`,
    );
}
