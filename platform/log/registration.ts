import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import type { EventType } from './events.ts';
import type { Queryable } from './query.ts';
import { LoadTimeout, type Registered } from './subscriptionfailures.ts';
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
  /**
   * How many shares the subscription has, from 1 (the default) to 64. Each process that runs it works some of them, each customer belongs to
   * one share, and handlers of different shares run at the same time. Every process gives the same number: the last one to register counts.
   */
  shares?: number;
};

const sharesMax = 64;
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

/** @throws InvalidField when a subscription cannot have so many shares. */
export function requireShares(shares: number | undefined): void {
  if (shares === undefined || (Number.isInteger(shares) && shares >= 1 && shares <= sharesMax)) return;
  throw new InvalidField([
    { field: 'shares', message: `must be a whole number from 1 to ${sharesMax}: it is ${shares}.` },
  ]);
}

/**
 * Creates the subscription if it does not exist. An existing one keeps its position, and takes the types, the holding rule and the number
 * of shares of the process that registers last: `former` is what it had instead.
 *
 * @throws InvalidField when a type does not exist or the app may not see it; LoadTimeout; any error that `load` throws.
 */
export async function register<Type extends EventType>(
  connection: Connection,
  options: RegistrationOptions<Type>,
): Promise<{ isNew: boolean; former?: Registered }> {
  const { name, types = null, from = 'now', holds = 'customer', shares = 1 } = options;
  await requireTypes(connection, types);
  const change = (on: Queryable) =>
    on.query('select sync.change_subscription($1, $2, $3, $4)', [name, types, holds, shares]);
  const known = await findRegistered(connection, options);
  if (known?.is_same && known.holds === holds) return { isNew: false }; // without a lock, which a step may hold for long
  if (known) {
    await connection.transaction({}, change);
    return { isNew: false, ...(!known.is_same && { former: { types: known.types, shares: known.shares } }) };
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
    if (shares > 1) await change(tx);
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

/** The subscription of this name, if the app may see one. `is_same`: it has these types and so many shares. `layout`: see its comment. */
export async function findRegistered(
  on: Queryable,
  {
    name,
    types = null,
    shares = 1,
  }: { name: string; types?: string[] | null | undefined; shares?: number | undefined },
): Promise<(Registered & { holds: string; layout: number; is_same: boolean }) | undefined> {
  const [known] = await on.query<Registered & { holds: string; layout: number; is_same: boolean }>(
    `select types, shares, holds, layout, types is not distinct from $2::text[] and shares = $3 as is_same
     from sync.subscriptions where name = $1`,
    [name, types, shares],
  );
  return known;
}

/** Removes a subscription of the app with everything that it has parked. @returns whether it existed */
export async function removeSubscription(on: Queryable, name: string): Promise<boolean> {
  const [row] = await on.query<{ removed: boolean }>('select sync.remove_subscription($1) as removed', [name]);
  return row?.removed ?? false;
}
