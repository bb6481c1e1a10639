import { type Check, type Health, type Status, toHealth } from './health.ts';

/** Where SQL runs: as sync_app or console_app. */
export type Ask = (text: string, values?: unknown[]) => Promise<unknown[]>;

type CheckRow = Omit<Check, 'status' | 'measures'> & { status: Status; measures: Record<string, unknown>; as_of: Date };

/**
 * Makes every check, unless somebody did within the last second, and writes down what has changed. Whoever asks, a change of state is written
 * once.
 *
 * @throws what the database says when it cannot be asked: then nothing is known.
 */
export async function evaluateHealth(ask: Ask): Promise<Health> {
  const rows = (await ask('select * from sync.evaluate_checks()')) as CheckRow[];
  return toHealth(
    rows[0]?.as_of ?? new Date(0),
    rows.map(({ as_of: _, measures, ...check }) => ({ ...check, measures: numbersOf(measures) })),
  );
}

/** The members that are numbers. */
function numbersOf(measures: Record<string, unknown>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(measures).filter((each): each is [string, number] => typeof each[1] === 'number'),
  );
}
