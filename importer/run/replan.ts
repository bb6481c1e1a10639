import { readSettings } from '../matching/settings.ts';
import { findGroups, keepGroups } from './grouping.ts';
import type { Plan } from './plan.ts';
import { type Counts, emptyCounts, type ImportClient, ImportRefused, throwRefusal } from './records.ts';
import { readRun } from './runs.ts';
import { readStaged } from './staged.ts';
import { preparePlan } from './steps.ts';

/**
 * Decides a planned run again, so that it follows the answers that were given since, or other rules. It needs no file. Others see the former
 * plan until the new one is there, all at once; a process that is killed, and a signal, leave the former one.
 *
 * @param client as sync_app, of its own. @throws ImportRefused, or UnknownSetting
 */
export async function replanImport(
  client: ImportClient,
  run: string,
  { actor, matching, signal }: { actor?: string; matching?: string[]; signal?: AbortSignal | undefined } = {},
): Promise<Plan> {
  const { state, lines, settings } = await readRun(client, run);
  if (state !== 'planned') throw new ImportRefused(`Run ${run} is ${state}: only a planned run is decided again.`);
  const rules = readSettings(matching ?? settings.matching ?? []);
  await preparePlan(client, actor);
  // An answer that is given while this goes on is not followed, and the run says so.
  const { rows: now } = await client.query<{ at: string }>('select clock_timestamp()::text as at');
  const grouping = await readStaged(client, run, lines, signal);
  const groups = await findGroups(client, run, grouping, rules, signal);
  signal?.throwIfAborted();
  await client.query('begin');
  try {
    await client.query('select sync.begin_replan($1, $2, $3)', [
      run,
      JSON.stringify(matching === undefined ? {} : { matching }),
      now[0]?.at,
    ]);
    await keepGroups(client, run, grouping, groups);
    const { rows } = await client.query<{ counts: Partial<Counts> }>('select sync.plan_import($1) as counts', [run]);
    await client.query('commit');
    return { run, counts: { ...emptyCounts(), ...rows[0]?.counts } };
  } catch (error) {
    await client.query('rollback').catch(() => {});
    return throwRefusal(error);
  }
}
