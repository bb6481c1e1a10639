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
  /** Whose end they wait for, the oldest first, where it is known: who keeps former rows alive. */
  waitsFor?: string[];
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
const lookMs = 250;
const restMsMax = 8_000;
/** Of those who are waited for, so many are told: the others wait for the same. */
const toldHolders = 3;

/** What needs no second time for the same erasures: indexes that were built again, and tables in which no dead row was left. */
type Done = { of: string; indexes: Set<string>; relations: Set<string> };

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
    let done: Done = { of: '', indexes: new Set(), relations: new Set() };
    let ended = 0;
    let restMs = lookMs;
    for (;;) {
      const open = await listOpen(client);
      if (open.length === 0) return { ended, open: 0 };
      if (done.of !== open.join()) done = { of: open.join(), indexes: new Set(), relations: new Set() };
      if (await eraseFiles(client, open)) done.relations.clear();
      const waitsFor = await waitForHolders(client, until, onStep);
      if (waitsFor.length === 0) {
        if (await removeRemains(client, done, onStep)) ended += await endAll(client, open);
        const left = await listOpen(client);
        if (left.every((id) => !open.includes(id))) continue; // what has come meanwhile, or nothing
      }
      if (performance.now() >= until)
        return { ended, open: open.length, ...(waitsFor.length > 0 && { waitsFor: waitsFor.slice(0, toldHolders) }) };
      // The worker reads a file, or somebody came and went while holders were looked for.
      await sleep(Math.min(restMs, until - performance.now()));
      restMs = Math.min(restMs * 2, restMsMax);
    }
  } finally {
    await client.query('select pg_advisory_unlock($1, $2)', cleanUpLock);
  }
}

/**
 * Waits until nobody may need what was removed so far: an index that is built before has entries of it again, and a vacuum removes nothing.
 *
 * @param until when it stops waiting, in milliseconds of the performance clock
 * @returns who is still waited for
 */
async function waitForHolders(client: Sql, until: number, onStep?: (step: string) => void): Promise<string[]> {
  const [before] = await rowsOf<{ xid: string }>(client, 'select pg_snapshot_xmax(pg_current_snapshot())::text as xid');
  for (;;) {
    const holders = await listHolders(client, before?.xid ?? '0');
    if (holders.length === 0 || performance.now() >= until) return holders;
    onStep?.(`rest ${holders[0]}`);
    await sleep(Math.min(lookMs, until - performance.now()));
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

/** A thousand together, because the stored files are read as a whole each time. @returns whether some wait for a worker that reads a file */
async function eraseFiles(client: Sql, open: string[]): Promise<boolean> {
  let waiting = 0;
  for (let from = 0; from < open.length; from += filesAtOnce) {
    const part = open.slice(from, from + filesAtOnce);
    const [row] = await rowsOf<{ waiting: string }>(client, 'select platform.erase_files_of($1) as waiting', [part]);
    waiting += Number(row?.waiting);
  }
  return waiting > 0;
}

/**
 * Who keeps rows alive that were removed before a transaction id: snapshots and transactions of this database, standbys, slots, and prepared
 * transactions. A snapshot reaches back to the oldest transaction that writes anywhere on the server, which is told with it. A vacuum needs no
 * former row. Every login may read these columns.
 *
 * @returns in words, the oldest first
 */
async function listHolders(client: Sql, before: string): Promise<string[]> {
  const rows = await rowsOf<{ said: string }>(client, listHoldersOf, [before]);
  return rows.map(({ said }) => said);
}

const listHoldersOf = `
  with seen as (
    select a.datid, age(a.backend_xid) as writes, age(a.backend_xmin) as reaches,
      concat('process ', a.pid, ' of ', coalesce(a.usename, 'the server'), ' in ' || a.datname) as said
    from pg_stat_activity a
    where a.pid <> pg_backend_pid() and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)),
  prepared as (
    select p.database, age(p.transaction) as writes, format('the prepared transaction %s in %s', p.gid, p.database) as said
    from pg_prepared_xacts p),
  held as (
    select greatest(s.writes, s.reaches) as age, s.reaches, s.said from seen s
    where s.datid is null or s.datid = (select d.oid from pg_database d where d.datname = current_database())
    union all select p.writes, null, p.said from prepared p where p.database = current_database()
    union all select age(r.xmin), null, format('the replication slot %s', r.slot_name) from pg_replication_slots r),
  oldest as (
    select w.writes, w.said from (select s.writes, s.said from seen s union all select p.writes, p.said from prepared p) w
    where exists (select from held h where h.reaches = w.writes))
  select h.said from (select h.age, h.said from held h union select o.writes, o.said from oldest o) h
  where h.age > age($1::xid8::xid) order by h.age desc, h.said`;

type Dirty = {
  relation: string;
  indexes: string[];
  sampled: string[];
  is_parent: boolean;
  has_expressions: boolean;
  is_unlogged: boolean;
};

const listDirty = `
  select *, (select relpersistence = 'u' from pg_class where oid = relation::regclass) as is_unlogged,
    exists (select from pg_index where indrelid = relation::regclass and indexprs is not null) as has_expressions
  from platform.list_clean_up()`;

/**
 * Builds the indexes concerned again and vacuums the tables. A name comes from the catalogue, quoted.
 *
 * @returns whether nothing is left
 */
async function removeRemains(client: pg.ClientBase, done: Done, onStep?: (step: string) => void): Promise<boolean> {
  const tables = await rowsOf<Dirty>(client, listDirty);
  let isClean = true;
  for (const { relation, indexes, sampled, is_parent, has_expressions, is_unlogged } of tables) {
    if (done.relations.has(relation)) continue;
    for (const index of indexes) {
      if (done.indexes.has(index)) continue;
      onStep?.(`reindex ${index}`);
      await client.query(`reindex index concurrently ${index}`);
      done.indexes.add(index);
    }
    onStep?.(`vacuum ${relation}`);
    if (has_expressions) await client.query(forgetExpressions, [indexes]);
    // A table of partitions has no rows of its own, and statistics of all rows if somebody has ever analysed the whole database.
    let isRid = true;
    if (is_parent) await client.query(`analyze only ${relation}`);
    else isRid = await vacuum(client, relation, is_unlogged);
    await client.query(forgetStatistics, [relation, sampled, is_parent]);
    if (isRid) done.relations.add(relation);
    else isClean = false;
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

/**
 * No checkpoint writes the pages of an unlogged table, so that its file may keep what a vacuum has removed: it is written anew. That is after a
 * vacuum as of any other table, because to write it anew takes a snapshot, which keeps every row alive that was there when the oldest
 * transaction of any database of the server began. A vacuum takes none.
 *
 * @returns whether no dead row is left. @throws when this login may not vacuum the table, which PostgreSQL only warns of
 */
async function vacuum(client: pg.ClientBase, relation: string, isUnlogged: boolean): Promise<boolean> {
  const notices: pg.DatabaseError[] = [];
  const listen = (notice: pg.DatabaseError) => void notices.push(notice);
  client.on('notice', listen as (notice: unknown) => void);
  try {
    await client.query(`vacuum (analyze, verbose) ${relation}`);
    if (isUnlogged) await client.query(`vacuum (full, verbose) ${relation}`);
  } finally {
    client.off('notice', listen as (notice: unknown) => void);
  }
  const refused = notices.find(({ severity }) => severity === 'WARNING');
  if (refused) throw new Error(`${relation} could not be vacuumed: ${refused.message}`);
  return notices.every(({ message, detail = '' }) =>
    [...`${message}\n${detail}`.matchAll(stillDead)].every(([, old = 0, held = 0]) => Number(old) + Number(held) === 0),
  );
}
