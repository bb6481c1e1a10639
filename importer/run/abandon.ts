import { type ImportClient, throwRefusal } from './records.ts';
import { readRun } from './runs.ts';
import { prepareSteps } from './steps.ts';

/**
 * Gives up a run that was planned and that nobody will apply: its lines go, and the run stays in the history with who did it and why. A run
 * that is partly applied is refused; it goes on, or is undone.
 *
 * @param client as sync_app. @throws ImportRefused that says what to do instead
 */
export async function abandonImport(
  client: ImportClient,
  run: string,
  { reason, actor }: { reason: string; actor?: string },
): Promise<void> {
  await readRun(client, run);
  await prepareSteps(client, actor);
  await client.query('select sync.give_up_import($1, $2)', [run, reason]).catch(throwRefusal);
}
