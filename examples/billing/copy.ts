import { type BusEvent, TargetUnavailable } from '@aether/servicebus';
import type pg from 'pg';
import type { Page, Platform, PlatformCustomer } from './platform.ts';

/*
 * The copy of the customers, and how an event changes it.
 *
 * Most events are enough by themselves: the event after version 7 makes version 8 of what the copy has at version 7. One that is not newer is
 * dropped. One that does not follow on what the copy has (the bus lost something, or two customers' events overtook each other across a merge)
 * makes the copy ask the platform for that customer: what it gets is at least as new, and the events that are still on their way are dropped.
 */

/** Runs statements in one transaction of billing's database. */
export type Transaction = Pick<pg.ClientBase, 'query'>;

/** What `aether servicebus ensure billing --types …` lets through. */
export const eventTypes = [
  'customer.created',
  'customer.updated',
  'customer.deleted',
  'customer.merged',
  'customer.unmerged',
  'customer.erased',
];

/** A row of the copy. `merged_position`: the place in the log as of which `merged_into` is known. */
export type Copied = {
  id: string;
  version: number;
  name: string | null;
  email: string | null;
  tier: string | null;
  merged_into: string | null;
  merged_position: number;
  is_erased: boolean;
};

type MergeData = { survivor: string; loser: string; moved: Record<string, number>; record: PlatformCustomer };

/** Changes the copy as the event says, in the transaction in which the library marks the event as handled. */
export async function applyEvent(event: BusEvent, tx: Transaction, platform: Platform): Promise<void> {
  if (!eventTypes.includes(event.type) || event.version === null) return;
  const merge = event.data.loser === undefined ? undefined : (event.data as MergeData);
  await lock(tx, merge ? [merge.survivor, merge.loser] : [event.rowId]);
  if (event.type === 'customer.deleted') {
    await tx.query('delete from billing.customers where id = $1', [event.rowId]);
    return;
  }
  await applyChange(event, event.version, tx, platform);
  const position = event.position ?? 0;
  if (merge && event.type === 'customer.merged') await applyMerge(merge, position, tx, platform);
  if (merge && event.type === 'customer.unmerged') await applyUnmerge(merge, position, tx, platform);
}

async function applyChange(event: BusEvent, version: number, tx: Transaction, platform: Platform): Promise<void> {
  const { rowId: id, data } = event;
  const known = await findCopied(tx, id);
  if (known && version <= known.version) return;
  const before = typeof data.previous_version === 'number' ? data.previous_version : version - 1;
  const follows = known ? known.version === before : event.type === 'customer.created';
  await writeRows(tx, follows ? [changeRow(known, event, version)] : fromPlatform(await platform.read([id])));
  const tier = (await findCopied(tx, id))?.tier ?? null;
  if (tier === (known?.tier ?? null)) return;
  await tx.query(
    `insert into billing.tier_changes (event, customer, from_tier, to_tier, changed_at) values ($1, $2, $3, $4, $5) on conflict do nothing`,
    [event.id, id, known?.tier ?? null, tier, event.occurredAt],
  );
}

/** The row after the event. An erased customer leaves its id and its version alone. */
function changeRow(known: Copied | undefined, { rowId: id, data, position }: BusEvent, version: number): Copied {
  const text = (name: string, old: string | null | undefined) =>
    data[name] === undefined ? (old ?? null) : (data[name] as string | null);
  const isErased = Boolean(known?.is_erased || data.erased_at);
  const saysMerge = !known || data.merged_into !== undefined;
  return {
    id,
    version,
    name: isErased ? null : text('name', known?.name),
    email: isErased ? null : text('email', known?.email),
    tier: isErased ? null : text('account_tier', known?.tier),
    merged_into: text('merged_into', known?.merged_into),
    merged_position: saysMerge ? (position ?? 0) : known.merged_position,
    is_erased: isErased,
  };
}

/** The merged customer leads to the one that goes on, and so do those that were merged into it before. */
async function applyMerge(merge: MergeData, position: number, tx: Transaction, platform: Platform): Promise<void> {
  const { survivor, loser } = merge;
  if (!(await findCopied(tx, loser))) await writeRows(tx, fromPlatform(await platform.read([loser])));
  await tx.query(
    `update billing.customers c
     set merged_into = coalesce((select s.merged_into from billing.customers s where s.id = $1), $1), merged_position = $3
     where (c.id = $2 or c.merged_into = $2) and c.merged_position < $3`,
    [survivor, loser, position],
  );
}

async function applyUnmerge(merge: MergeData, position: number, tx: Transaction, platform: Platform): Promise<void> {
  const { survivor, loser, moved, record } = merge;
  const known = await findCopied(tx, loser);
  if (!known || record.version > known.version) await writeRows(tx, fromPlatform({ position, customers: [record] }));
  // Others that had been merged into it went along. The event counts them and does not name them.
  if (!moved['platform.customers']) return;
  const { rows } = await tx.query<{ id: string }>('select id from billing.customers where merged_into = $1', [
    survivor,
  ]);
  await writeRows(tx, fromPlatform(await platform.read(rows.map(({ id }) => id))));
}

/** Whoever takes a snapshot has it alone; whoever changes a customer shares it. */
export const snapshotLock = 4_600_001;

/**
 * Each customer is changed by one transaction at a time. Taken in one order, so that two of them never wait for each other.
 *
 * @throws TargetUnavailable while a process takes a snapshot, which would write older rows over this change
 */
export async function lock(tx: Transaction, ids: string[]): Promise<void> {
  for (const id of ids.toSorted()) {
    const { rows } = await tx.query<{ is_free: boolean }>(
      'select pg_try_advisory_xact_lock_shared($2) as is_free, pg_advisory_xact_lock(hashtextextended($1, 4600))',
      [id, snapshotLock],
    );
    if (!rows[0]?.is_free) throw new TargetUnavailable('A process of billing takes a snapshot.');
  }
}

/** Versions and positions are far below 2^53. */
export const copiedColumns =
  'id, version::float8 as version, name, email, tier, merged_into, merged_position::float8 as merged_position, is_erased';

export async function findCopied(tx: Transaction, id: string): Promise<Copied | undefined> {
  const { rows } = await tx.query<Copied>(`select ${copiedColumns} from billing.customers where id = $1`, [id]);
  return rows[0];
}

/** What the platform says is at least as new as every event that was handled before it was asked. */
export const fromPlatform = ({ position, customers }: Page): Copied[] =>
  customers.map(({ id, version, name, email, account_tier, merged_into, erased_at }) => ({
    id,
    version,
    name: erased_at ? null : name,
    email: erased_at ? null : email,
    tier: erased_at ? null : account_tier,
    merged_into,
    merged_position: position,
    is_erased: erased_at !== null,
  }));

/** Writes rows over those of the copy. @param snapshot the one that they are from */
export async function writeRows(tx: Transaction, rows: Copied[], snapshot?: string): Promise<void> {
  await tx.query(
    `insert into billing.customers (id, version, name, email, tier, merged_into, merged_position, is_erased, snapshot)
     select r.id, r.version, r.name, r.email, r.tier, r.merged_into, r.merged_position, r.is_erased, $2
     from jsonb_to_recordset($1) r (
       id uuid, version bigint, name text, email text, tier text, merged_into uuid, merged_position bigint, is_erased boolean)
     on conflict (id) do update set version = excluded.version, name = excluded.name, email = excluded.email, tier = excluded.tier,
       merged_into = excluded.merged_into, merged_position = excluded.merged_position, is_erased = excluded.is_erased,
       snapshot = excluded.snapshot`,
    [JSON.stringify(rows), snapshot ?? null],
  );
}
