import type { PlatformDb } from '@aether/platform';

/* A meeting of next week is no last activity yet, and becomes one while nobody writes anything. So whoever reads a list settles what has come. */

const everyMs = 10_000;
const settledAt = new WeakMap<PlatformDb, number>();

/**
 * Writes down the last activities that lay ahead and have come, if it was not done within the last ten seconds. A list is read without it
 * if the database that takes writes does not answer.
 */
export async function settleActivities(db: PlatformDb): Promise<void> {
  if (performance.now() - (settledAt.get(db) ?? Number.NEGATIVE_INFINITY) < everyMs) return;
  settledAt.set(db, performance.now());
  await db.query('select crm.settle_activities()').catch(() => {});
}
