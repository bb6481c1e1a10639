import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import type { EventType } from './events.ts';
import { startFirst } from './parked.ts';
import type { Queryable } from './query.ts';
import { LoadTimeout } from './subscriptionfailures.ts';
import type { Transaction } from './transaction.ts';

export type RegistrationOptions<Type extends EventType> = {
  /** Unique in the whole platform, for ever: the position is kept under it. Begins with the app's name: `support.mirror`. */
  name: string;
  /** By default all types that the app may see. */
  types?: Type[];
  /**
   * Where a new subscription starts: with the events from now on, with the oldest event, or with a snapshot. For a snapshot, `load` reads
   * tables through its `tx`, and every change that it does not see follows as an event. A change that it does see may follow as well:
   * compare versions.
   */
  from?: 'now' | 'beginning' | { load: (tx: Transaction) => Promise<unknown> };
  /** How long `load` may take, and each of its statements; by default ten minutes. The server's own limit is set to the same. */
  loadTimeoutMs?: number;
  /**
   * What a failed event holds back until it is handled: the later events of its customer, as far as the customer is known (the
   * default), or only those of its row.
   */
  holds?: 'customer' | 'row';
};

const loadTimeoutMsDefault = 600_000;

/** @throws InvalidField when the app may not give this name. */
export function requireOwnName(app: string, name: string): void {
  if (!name.startsWith(`${app}.`) || !/^[a-z][a-z0-9_.-]{0,79}$/.test(name))
    throw new InvalidField([
      {
        field: 'name',
        message: `must begin with ${app}. and have at most 80 lower-case letters, digits, dots, _ and -: it is ${name}.`,
      },
    ]);
}

/**
 * Creates the subscription if it does not exist. An existing one keeps its position, and takes the types and the holding rule of the
 * process that registers last: `former` are the types that it had instead.
 *
 * @throws InvalidField when a type does not exist or the app may not see it; LoadTimeout; any error that `load` throws.
 */
export async function register<Type extends EventType>(
  connection: Connection,
  options: RegistrationOptions<Type>,
): Promise<{ isNew: boolean; former?: string[] | null }> {
  const { name, types = null, from = 'now', holds = 'customer' } = options;
  await requireTypes(connection, types);
  const [known] = await connection.query<{ types: string[] | null; has_types: boolean; is_same: boolean }>(
    `select types, types is not distinct from $2::text[] as has_types, types is not distinct from $2::text[] and holds = $3 as is_same
     from sync.subscriptions where name = $1`,
    [name, types, holds],
  );
  if (known?.is_same) return { isNew: false }; // without a lock, which another process may hold for as long as a handler takes
  if (known) {
    await connection.transaction({}, async (tx) => {
      await tx.query('update sync.subscriptions set types = $2, holds = $3 where name = $1', [name, types, holds]);
      await startFirst(tx, name); // events that it held back until now may continue
    });
    return { isNew: false, ...(!known.has_types && { former: known.types }) };
  }
  // One snapshot for the position and for what `load` reads. If two processes register at once, one gets an error and tries again.
  await connection.transaction({ isolation: 'repeatable read' }, async (tx) => {
    const start =
      from === 'beginning' ? '(select coalesce(min(position) - 1, sync.head()) from sync.events)' : 'sync.head()';
    await tx.query(`insert into sync.subscriptions (name, types, holds, position) values ($1, $2, $3, ${start})`, [
      name,
      types,
      holds,
    ]);
    if (typeof from === 'object') await loadInTime(tx, from.load, options);
  });
  return { isNew: true };
}

/**
 * Three limits: the driver's for each statement, the server's for the statement that runs on there, and a timer's for all of it. The server
 * would end the transaction as well if `load` paused for half a minute between two statements, so that limit is raised to the same.
 */
async function loadInTime(
  tx: Transaction,
  load: (tx: Transaction) => Promise<unknown>,
  { name, loadTimeoutMs = loadTimeoutMsDefault }: { name: string; loadTimeoutMs?: number },
): Promise<void> {
  const endsAt = performance.now() + loadTimeoutMs;
  const leftMs = () => Math.max(endsAt - performance.now(), 1);
  await tx.query(
    `select set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true)`,
    [String(loadTimeoutMs)],
  );
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new LoadTimeout(name, loadTimeoutMs)), loadTimeoutMs);
  try {
    await Promise.race([
      load({ ...tx, query: (text, values, limit) => tx.query(text, values, { timeoutMs: leftMs(), ...limit }) }),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws InvalidField naming each type for which the app would wait in vain. */
async function requireTypes(on: Queryable, types: string[] | null): Promise<void> {
  if (!types) return;
  const vain = await on.query<{ type: string; reason: string }>('select type, reason from sync.list_vain_types($1)', [
    types,
  ]);
  if (vain.length === 0) return;
  throw new InvalidField(vain.map(({ type, reason }) => ({ field: 'types', message: `${type} ${reason}.` })));
}

/** The subscription of this name, if the app may see one: its types, and whether they are these. */
export async function findRegistered(
  on: Queryable,
  name: string,
  types: string[] | null,
): Promise<{ types: string[] | null; has_types: boolean } | undefined> {
  const [known] = await on.query<{ types: string[] | null; has_types: boolean }>(
    'select types, types is not distinct from $2::text[] as has_types from sync.subscriptions where name = $1',
    [name, types],
  );
  return known;
}

/** Removes a subscription of the app with everything that it has parked. @returns whether it existed */
export async function removeSubscription(on: Queryable, name: string): Promise<boolean> {
  const [row] = await on.query<{ removed: boolean }>('select sync.remove_subscription($1) as removed', [name]);
  return row?.removed ?? false;
}
