import type { StepOptions } from './apply.ts';
import type { ImportClient, Kept } from './records.ts';
import { readKept } from './runs.ts';
import { prepareSteps, runStep } from './steps.ts';

/** Of the whole run, also if several processes have undone it, one after another. */
export type Undone = {
  /** Customers that the run had created and that are gone. */
  removed: number;
  /** Values that were put back. */
  restored: number;
  /** What was left as it is, because somebody has changed it since. */
  kept: Kept[];
};

const linesPerUndo = 500;

/**
 * Takes back what a run wrote, or goes on with that. What was changed since is kept and listed; undoing again tries it again.
 *
 * @param client as sync_app, of its own. @throws ImportRefused
 */
export async function undoImport(
  client: ImportClient,
  run: string,
  { actor, reason, linesPerStep = linesPerUndo, onProgress, signal }: StepOptions & { reason?: string } = {},
): Promise<Undone> {
  await prepareSteps(client, actor);
  const step = await runStep<{ step: string }>(client, 'select sync.begin_import_step($1, $2, $3) as step', [
    run,
    'undo',
    reason ?? null,
  ]);
  for (;;) {
    signal?.throwIfAborted();
    const each = await runStep<{ from_n: number; is_done: boolean }>(
      client,
      'select from_n, is_done from sync.undo_import($1, $2)',
      [run, linesPerStep],
    );
    onProgress?.(each.from_n, 0);
    if (each.is_done) break;
  }
  const kept = await readKept(client, run);
  const { removed, restored } = await runStep<Pick<Undone, 'removed' | 'restored'>>(
    client,
    'select removed, restored from sync.import_runs where id = $1',
    [run],
  );
  await client.query('select sync.end_import_step($1, $2)', [
    step.step,
    JSON.stringify({ removed, restored, kept: kept.length }),
  ]);
  return { removed, restored, kept };
}
