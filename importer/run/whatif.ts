import type { Decision } from '../matching/claims.ts';
import { type Prepared, prepare } from '../matching/preparing.ts';
import type { RuleName } from '../matching/rules.ts';
import { readSettings } from '../matching/settings.ts';
import { whatIf } from '../matching/whatif.ts';
import { addCustomers, type Grouping, placeOf, readDecisions, refuseTooMany } from './grouping.ts';
import type { Place } from './places.ts';
import { type ImportClient, ImportRefused } from './records.ts';
import { readRun } from './runs.ts';
import { readStaged } from './staged.ts';
import { preparePlan } from './steps.ts';

export type RunChange = {
  pairs: number;
  groups: number;
  examples: { places: [Place, Place]; rule: RuleName | null; reasons: string[] }[];
};
/** Pairs of lines, and of lines and customers, that other rules would join and no longer join. */
export type RunWhatIf = { gained: RunChange; lost: RunChange };

/** The compared lines of a plan: what takes long, and does not depend on the rules. */
export type PreparedRun = {
  run: string;
  /** Changes when the plan does, or an answer. */
  stamp: string;
  prepared: Prepared;
  grouping: Grouping;
  customers: string[];
  decisions: Decision[];
  matching: string[];
};

/**
 * Compares the lines of a plan for a what-if. Nothing is written.
 *
 * @param kept of an earlier question: it is used again if the plan is still the same one. @throws ImportRefused
 */
export async function prepareRun(
  client: ImportClient,
  run: string,
  kept?: PreparedRun,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<PreparedRun> {
  const { state, lines, settings } = await readRun(client, run);
  if (state !== 'planned') throw new ImportRefused(`Run ${run} is ${state}: a what-if is about a plan.`);
  const stamp = await readStamp(client, run);
  if (kept?.run === run && kept.stamp === stamp) return kept;
  await preparePlan(client);
  const grouping = await readStaged(client, run, lines, signal);
  const customers = await addCustomers(client, run, grouping, signal);
  const decisions = await readDecisions(client, run, grouping, customers);
  signal?.throwIfAborted();
  const prepared = refuseTooMany(() => prepare(grouping.table));
  return { run, stamp, prepared, grouping, customers, decisions, matching: settings.matching ?? [] };
}

async function readStamp(client: ImportClient, run: string): Promise<string> {
  const { rows } = await client.query<{ stamp: string }>(
    `select concat_ws(' ', r.decided_at, (select max(d.decided_at) from sync.import_decisions d)) as stamp
     from sync.import_runs r where r.id = $1`,
    [run],
  );
  return rows[0]?.stamp ?? '';
}

/** What the plan would join and no longer join with other rules and thresholds. @throws UnknownSetting */
export function whatIfRun(of: PreparedRun, matching: string[]): RunWhatIf {
  const { prepared, grouping, customers, decisions } = of;
  const { gained, lost } = whatIf(prepared, readSettings(of.matching), readSettings(matching), { decisions });
  const toPlaces = ({ examples, ...change }: typeof gained): RunChange => ({
    ...change,
    examples: examples.map(({ rows: [a, b], ...example }) => ({
      ...example,
      places: [placeOf(grouping, customers, a), placeOf(grouping, customers, b)],
    })),
  });
  return { gained: toPlaces(gained), lost: toPlaces(lost) };
}
