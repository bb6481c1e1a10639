import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { rowsOf, type Sql } from '../sql.ts';

/** What an erasure does with a table: its rows go, lose what tells of the person, or stay as they are. */
export type Act = 'delete' | 'scrub' | 'keep';

export type ErasurePreview = {
  customer: string;
  people: string[];
  state: 'present' | 'erased';
  tables: { table: string; act: Act; rows: number; why: string }[];
  events: number;
  addresses: number;
  numbers: number;
  files: { upload: number; name: string }[];
  hold: { id: string; reason: string; heldAt: string; heldBy: string } | null;
  asked: { id: string; by: string; at: string; reason: string } | null;
  needsTwo: boolean;
};

export type Erased = {
  erasure: string;
  /** asked: two people are needed, and this was the first, or the same person again */
  state: 'asked' | 'erased' | 'clean';
  /** It was in this state before. */
  again: boolean;
};

export type CleanedUp = {
  /** Erasures that are done with. */
  ended: number;
  /** Erasures that wait: the worker reads one of their files, or a transaction still needs what was there before. */
  open: number;
};

/**
 * What an erasure would do, table by table. It changes nothing.
 *
 * @param options.withFiles false: it does not look into the stored files, which it would have to read as a whole
 */
export async function previewErasure(
  client: Sql,
  customer: string,
  { withFiles = true } = {},
): Promise<ErasurePreview> {
  const [row] = await rowsOf<{ preview: ErasurePreview }>(
    client,
    'select platform.preview_erasure($1, $2) as preview',
    [customer, withFiles],
  );
  return (row as { preview: ErasurePreview }).preview;
}

/**
 * Erases a person: the transaction alone, after which no table tells of them. cleanUp does the rest. Twice is once.
 *
 * @param client as privacy_app, with `aether.actor` set
 */
export async function eraseCustomer(client: Sql, customer: string, reason: string): Promise<Erased> {
  const [row] = await rowsOf<{ erased: Erased }>(client, 'select platform.erase_customer($1, $2) as erased', [
    customer,
    reason,
  ]);
  return (row as { erased: Erased }).erased;
}

/** A number of ours: one clean-up at a time, because two that build an index again would wait for each other. */
const cleanUpLock = [7273, 1];
const filesAtOnce = 1_000;

/**
 * Takes away what the transactions of erasures leave in files, pages and indexes: stored files with lines of the person, index entries, dead
 * rows, statistics. It does all open erasures at once. Every step may be repeated, so that any process goes on after a kill.
 *
 * A dead row stays as long as a transaction that is older may need it. Then the erasure stays open, and the next call tries again.
 *
 * @param client a connection of its own as privacy_app, outside a transaction
 * @param options.waitMs how long it tries again while an old transaction, or the worker that reads a file, is in the way
 */
export async function cleanUp(
  client: pg.ClientBase,
  { waitMs = 0, onStep }: { waitMs?: number; onStep?: (step: string) => void } = {},
): Promise<CleanedUp> {
  await takeTurn(client);
  try {
    const until = performance.now() + waitMs;
    // What was built again for the same erasures has nothing of them: only the vacuum is tried again.
    let built: { of: string; indexes: Set<string> } = { of: '', indexes: new Set() };
    let ended = 0;
    for (;;) {
      const open = await listOpen(client);
      if (open.length === 0) return { ended, open: 0 };
      // A thousand together, because the stored files are read as a whole each time.
      for (let from = 0; from < open.length; from += filesAtOnce)
        await client.query('select platform.erase_files_of($1)', [open.slice(from, from + filesAtOnce)]);
      if (built.of !== open.join()) built = { of: open.join(), indexes: new Set() };
      if (await removeRemains(client, built.indexes, onStep)) ended += await endAll(client, open);
      const left = await listOpen(client);
      if (left.every((id) => !open.includes(id))) continue; // what has come meanwhile, or nothing
      if (performance.now() >= until) return { ended, open: left.length };
      await sleep(250);
    }
  } finally {
    await client.query('select pg_advisory_unlock($1, $2)', cleanUpLock);
  }
}

/**
 * Waits until no other process cleans up. It asks again and again instead of waiting within a statement: a statement that waits holds a
 * snapshot, for which the other one's `reindex concurrently` waits, so that one of the two would fail.
 */
async function takeTurn(client: Sql): Promise<void> {
  for (;;) {
    const [row] = await rowsOf<{ is_ours: boolean }>(
      client,
      'select pg_try_advisory_lock($1, $2) as is_ours',
      cleanUpLock,
    );
    if (row?.is_ours) return;
    await sleep(250);
  }
}

async function listOpen(client: Sql): Promise<string[]> {
  const rows = await rowsOf<{ id: string }>(
    client,
    `select id from platform.erasures where state = 'erased' order by erased_at`,
  );
  return rows.map(({ id }) => id);
}

async function endAll(client: Sql, ids: string[]): Promise<number> {
  const [row] = await rowsOf<{ ended: string }>(client, 'select platform.end_clean_up($1) as ended', [ids]);
  return Number(row?.ended);
}

type Dirty = {
  relation: string;
  indexes: string[];
  sampled: string[];
  is_parent: boolean;
  has_expressions: boolean;
  how: string;
};

/** No checkpoint writes the pages of an unlogged table, so that its file may keep what a vacuum has removed: it is written anew. */
const listDirty = `
  select *, case (select relpersistence from pg_class where oid = relation::regclass) when 'u' then 'full, ' else '' end as how,
    exists (select from pg_index where indrelid = relation::regclass and indexprs is not null) as has_expressions
  from platform.list_clean_up()`;

/**
 * Builds the indexes concerned again and vacuums the tables. A name comes from the catalogue, quoted.
 *
 * @returns whether nothing is left
 */
async function removeRemains(
  client: pg.ClientBase,
  built: Set<string>,
  onStep?: (step: string) => void,
): Promise<boolean> {
  const tables = await rowsOf<Dirty>(client, listDirty);
  let isClean = true;
  for (const { relation, indexes, sampled, is_parent, has_expressions, how } of tables) {
    for (const index of indexes) {
      if (built.has(index)) continue;
      onStep?.(`reindex ${index}`);
      await client.query(`reindex index concurrently ${index}`);
      built.add(index);
    }
    onStep?.(`vacuum ${relation}`);
    if (has_expressions) await client.query(forgetExpressions, [indexes]);
    // A table of partitions has no rows of its own, and statistics of all rows if somebody has ever analysed the whole database.
    if (is_parent) await client.query(`analyze only ${relation}`);
    else if (!(await vacuum(client, relation, how))) isClean = false;
    await client.query(forgetStatistics, [relation, sampled, is_parent]);
  }
  return isClean;
}

/** Those of expressions in an index that has no entry any more stay as well; the others are made again at once. */
const forgetExpressions = `
  select pg_clear_attribute_stats(n.nspname::text, c.relname::text, a.attname::text, false)
  from unnest($1::text[]) name join pg_class c on c.oid = name::regclass join pg_namespace n on n.oid = c.relnamespace
    join pg_index i on i.indexrelid = c.oid and i.indexprs is not null join pg_attribute a on a.attrelid = c.oid`;

/** PostgreSQL keeps the statistics of a table in which no row is left. */
const forgetStatistics = `
  select pg_clear_attribute_stats(n.nspname::text, c.relname::text, a.attname::text, $3)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attname = any ($2)
  where c.oid = $1::regclass and c.reltuples <= 0`;

/** PostgreSQL says in words only how many dead rows must stay: for an older transaction, or on a page that somebody held at that moment. */
const stillDead =
  /(\d+) (?:are dead but not yet removable|dead row versions? cannot be removed yet)|tuples missed: (\d+) dead/g;

/** @returns whether no dead row is left. @throws when this login may not vacuum the table, which PostgreSQL only warns of */
async function vacuum(client: pg.ClientBase, relation: string, how: string): Promise<boolean> {
  const notices: pg.DatabaseError[] = [];
  const listen = (notice: pg.DatabaseError) => void notices.push(notice);
  client.on('notice', listen as (notice: unknown) => void);
  try {
    await client.query(`vacuum (${how}analyze, verbose) ${relation}`);
  } finally {
    client.off('notice', listen as (notice: unknown) => void);
  }
  const refused = notices.find(({ severity }) => severity === 'WARNING');
  if (refused) throw new Error(`${relation} could not be vacuumed: ${refused.message}`);
  return notices.every(({ message, detail = '' }) =>
    [...`${message}\n${detail}`.matchAll(stillDead)].every(([, old = 0, held = 0]) => Number(old) + Number(held) === 0),
  );
}
