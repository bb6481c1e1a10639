import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type Copied, copiedColumns, findCopied, fromPlatform, lock, type Transaction, writeRows } from './copy.ts';
import type { Platform } from './platform.ts';

/*
 * Is the copy equal? It is compared with the platform page by page. What differs may only be on its way, so it is looked at again until it agrees
 * or the time for that is over: what differs then is drift. Both sides are read anew each time.
 */

export type CheckReport = {
  compared: number;
  /** How many customers differ. */
  different: number;
  /** A sentence for each of them, a thousand at most. */
  differences: string[];
  repaired: number;
};

const lookAgainMs = 250;
const shownMax = 1_000;

/** @param settleMs how long something may be on its way; @param repair writes what the platform has over what differs */
export async function checkCopy(
  pool: pg.Pool,
  platform: Platform,
  { repair = false, settleMs = 5_000 }: { repair?: boolean; settleMs?: number } = {},
): Promise<CheckReport> {
  let compared = 0;
  let after: string | null = null;
  let suspects: string[] = [];
  for await (const page of platform.pages()) {
    const last = page.customers.at(-1)?.id ?? null;
    const isLast: boolean = last === null || page.next === null;
    const { rows }: { rows: Copied[] } = await pool.query<Copied>(
      `select ${copiedColumns} from billing.customers
       where ($1::uuid is null or id > $1) and ($2::uuid is null or id <= $2) order by id`,
      [after, isLast ? null : last],
    );
    compared += page.customers.length;
    suspects.push(...compare(fromPlatform(page), rows).keys());
    after = last;
  }
  const until = performance.now() + settleMs;
  let found = new Map<string, string>();
  while (suspects.length > 0) {
    found = await compareAgain(pool, platform, suspects);
    suspects = [...found.keys()];
    if (performance.now() >= until) break;
    if (suspects.length > 0) await sleep(lookAgainMs);
  }
  if (repair) for (const id of suspects) await repairOne(pool, platform, id);
  return {
    compared,
    different: found.size,
    differences: [...found.values()].slice(0, shownMax),
    repaired: repair ? suspects.length : 0,
  };
}

/** In a sentence. Pure. */
export function sayReport({ compared, different, differences, repaired }: CheckReport): string {
  const shown = different > differences.length ? `, of which ${differences.length} are listed` : '';
  const found = different === 0 ? 'the copy is equal' : `${different} differ${shown}`;
  return `${compared} customers compared: ${found}${repaired > 0 ? `; ${repaired} were repaired` : ''}.`;
}

async function compareAgain(pool: pg.Pool, platform: Platform, ids: string[]): Promise<Map<string, string>> {
  const theirs = fromPlatform(await platform.read(ids));
  const { rows } = await pool.query<Copied>(
    `select ${copiedColumns} from billing.customers where id = any ($1::uuid[])`,
    [ids],
  );
  return compare(theirs, rows);
}

/** @returns by the id of each customer that differs what differs, in words */
export function compare(theirs: Copied[], ours: Copied[]): Map<string, string> {
  const found = new Map<string, string>();
  const here = new Map(ours.map((row) => [row.id, row]));
  for (const row of theirs) {
    const own = here.get(row.id);
    here.delete(row.id);
    if (!own) found.set(row.id, `Customer ${row.id} is missing here.`);
    else {
      const words = fields.filter((field) => own[field] !== row[field]).map((field) => say(field, own, row));
      if (words.length > 0) found.set(row.id, `Customer ${row.id}: ${words.join('; ')}.`);
    }
  }
  for (const id of here.keys()) found.set(id, `Customer ${id} is here, and the platform has no such customer.`);
  return found;
}

const fields = ['version', 'name', 'email', 'tier', 'merged_into', 'is_erased'] as const;

/** Names and addresses are not printed: a report is mailed and kept. */
function say(field: (typeof fields)[number], own: Copied, theirs: Copied): string {
  if (field === 'name' || field === 'email') return `the ${field} is another one`;
  const label = { version: 'version', tier: 'tier', merged_into: 'merged into', is_erased: 'erased' }[field];
  return `${label} ${own[field] ?? 'none'} here, ${theirs[field] ?? 'none'} on the platform`;
}

/** Under the customer's lock, so that no event comes between asking and writing. */
async function repairOne(pool: pg.Pool, platform: Platform, id: string): Promise<void> {
  await inTransaction(pool, async (tx) => {
    await lock(tx, [id]);
    const page = await platform.read([id]);
    if (page.customers.length > 0) await writeRows(tx, fromPlatform(page));
    else if (await findCopied(tx, id)) await tx.query('delete from billing.customers where id = $1', [id]);
  });
}

async function inTransaction(pool: pg.Pool, work: (tx: Transaction) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin');
    await work(client);
    await client.query('commit');
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure); // a connection in a failed transaction is thrown away
  }
}
