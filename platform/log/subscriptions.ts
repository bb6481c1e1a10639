import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { type AppEvent, type EventRow, type EventType, eventColumns, toEvent } from './events.ts';
import { findNextOfKey, makeDue, type ParkedRow, parkBehind, parkFailed, takeDue, unpark } from './parked.ts';
import type { Statement } from './query.ts';
import type { Transaction } from './transaction.ts';
import type { Wakeups } from './wakeups.ts';

/** What a handler writes through `tx` commits together with the subscription's move: in this database its effect happens once. */
export type Handled = { tx: Transaction /** From 1. */; attempt: number };
export type Handler<Type extends EventType> = (event: AppEvent<Type>, context: Handled) => Promise<unknown>;
export type BatchHandler<Type extends EventType> = (events: AppEvent<Type>[], context: Handled) => Promise<unknown>;

/** Throw it from a handler when what it writes to cannot be reached: everything waits, in order, and no attempt is counted. */
export class TargetUnavailable extends Error {
  readonly retryAfterMs: number;
  constructor(message: string, { retryAfterMs = 1_000, cause }: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause });
    this.name = 'TargetUnavailable';
    this.retryAfterMs = retryAfterMs;
  }
}

export type SubscriptionOptions<Type extends EventType> = {
  /** Unique in the whole platform, and for ever: under it the cursor is kept. */
  name: string;
  /** All that the app may see, when left out. */
  types?: Type[];
  /**
   * Where a new subscription starts: with what comes from now on, with the oldest event there is, or with a snapshot: `load` reads
   * tables through its `tx`, and every change that it does not see follows as an event. One that it sees may follow as well:
   * compare versions. Its queries may take as long as the server lets them.
   */
  from?: 'now' | 'beginning' | { load: (tx: Transaction) => Promise<unknown> };
  batchMax?: number;
  attemptsMax?: number;
  retryFirstMs?: number;
  retryMaxMs?: number;
  /** How long to sleep without a sign. */
  pollMs?: number;
  /** A handler that takes longer has failed. Below the half minute after which PostgreSQL ends an app's transaction. */
  handlerTimeoutMs?: number;
  /** Told of every failure: of a handler, or of the database. */
  onError?: (error: unknown) => void;
};

export type Subscription = {
  readonly name: string;
  /** Settles when what is under way is done. */
  stop(): Promise<void>;
};

/** Look at the handler: it waits for something that does not come. */
export class HandlerTimeout extends Error {
  constructor(subscription: string, afterMs: number) {
    super(`A handler of ${subscription} was not done after ${afterMs} ms. Its transaction is undone.`);
    this.name = 'HandlerTimeout';
  }
}

/** A batch of several failed as a whole. */
class BatchFailed extends Error {}

type Lease = { position: number; replay_until: number; retry_in_ms: number | null };

/** What a step leaves: more to do at once, or nothing before so many milliseconds. */
type Outlook = { hasMore: boolean; restMs: number };

/** Who runs it with other types, as in the middle of a deployment, would move the position past what those miss: no lease for them. */
const takeLease: Statement = {
  name: 'subscription-lease',
  text: `select position, replay_until,
      (select extract(epoch from min(p.attempt_at) - clock_timestamp())::float8 * 1000
       from sync.parked p where p.subscription = s.name and p.state = 'retrying') as retry_in_ms
    from sync.subscriptions s where name = $1 and not is_paused and types is not distinct from $2::text[] for update skip locked`,
};
/**
 * The events of the next positions. Without an end to those PostgreSQL may fetch and sort the whole backlog for each batch. Whether
 * something is parked is asked here: the lease's own snapshot may be older than the lock that it got.
 */
const readAhead: Statement = {
  name: 'subscription-read',
  text: `with log as materialized (select sync.head() as head, exists (select from sync.parked where subscription = $5) as has_parked)
    select ${eventColumns}, log.head, log.has_parked from log left join lateral (
      select * from sync.events where position > $1 and position <= $2 and ($3::text[] is null or type = any ($3))
      order by position limit $4) e on true`,
};
const move: Statement = {
  name: 'subscription-move',
  text: 'update sync.subscriptions set position = $2, moved_at = clock_timestamp() where name = $1',
};

/** After this long a step that works parked events lets the log have its turn. */
const parkedStepMs = 1_000;

/** How often an event may take its transaction down as a whole before it is parked unseen. */
const lostTransactionsMax = 2;
const databaseRetryMaxMs = 2_000;
/** Positions looked at in one step, of which only some may be of the types asked for. */
const lookAheadMin = 2_000;

/**
 * Runs a subscription in this process until it is stopped. Any number of processes may run the same one: each batch is
 * worked by whoever has locked the row of the subscription.
 */
export function startSubscription<Type extends EventType>(
  connection: Connection,
  wakeups: Wakeups,
  options: SubscriptionOptions<Type>,
  handle: BatchHandler<Type>,
): Subscription {
  const { name, types, batchMax = 100, pollMs = 1_000, handlerTimeoutMs = 25_000, onError = () => {} } = options;
  const lookAhead = Math.max(batchMax, lookAheadMin);
  const stopping = new AbortController();
  // After a whole transaction was lost: for so many steps one event at a time, to find the one that does it.
  let carefulSteps = 0;
  let isTurnOfParked = false;
  // Whether the step under way has given events to the handler: only then one of them can have lost the transaction.
  let hasHanded = false;
  // After a batch failed: its events one by one, each in a savepoint.
  let isSplit = false;
  let underWay: number | undefined;
  // The next look then knows when to try again.
  let hasFailed = false;
  const lost = new Map<number, number>();

  /** One transaction. What it did and what its handler wrote may be lost in a crash of the database together, and is then done again. */
  function step(): Promise<Outlook> {
    const limit = carefulSteps > 0 ? 1 : batchMax;
    hasHanded = false;
    return connection.transaction({ mayBeLost: true }, async (tx) => {
      const [lease] = await tx.run<Lease>(takeLease, [name, types ?? null]);
      if (!lease) return { hasMore: false, restMs: pollMs }; // paused, or another process works
      // Taking turns with the log: what fails slowly must not keep what is new waiting.
      const { retry_in_ms: retryInMs } = lease;
      let isDue = retryInMs !== null && retryInMs <= 0;
      isTurnOfParked = isDue && !isTurnOfParked && !isSplit; // a batch that failed is taken one by one at once
      if (isTurnOfParked) {
        if (await workParked(tx, limit)) return { hasMore: true, restMs: 0 };
        isDue = false; // what is due cannot be seen
      }
      hasFailed = false;
      const hasMore = await workLog(tx, lease, limit);
      return {
        hasMore: hasMore || hasFailed || isDue,
        restMs: retryInMs !== null && retryInMs > 0 ? Math.min(pollMs, retryInMs) : pollMs,
      };
    });
  }

  /** The next events of the log. @returns whether there may be more */
  async function workLog(tx: Transaction, lease: Lease, limit: number): Promise<boolean> {
    const rows = await tx.run<EventRow & { head: number; has_parked: boolean }>(readAhead, [
      lease.position,
      lease.position + lookAhead,
      types ?? null,
      limit,
      name,
    ]);
    const head = Math.max(rows[0]?.head ?? 0, lease.position);
    const found = rows.filter((row) => row.position !== null);
    const position =
      found.length < limit ? Math.min(head, lease.position + lookAhead) : (found.at(-1) as EventRow).position;
    if (found.length > 0) {
      const events = found.map((row) => toEvent(row, row.position <= lease.replay_until) as AppEvent<Type>);
      await handleInOrder(tx, events, rows[0]?.has_parked ?? true);
    }
    if (position > lease.position) await tx.run(move, [name, position]);
    return position < head;
  }

  /** All at once if nothing fails; else each on its own: what fails is parked, and what is of its key waits behind it. */
  async function handleInOrder(tx: Transaction, events: AppEvent<Type>[], hasParked: boolean): Promise<void> {
    const blocked = hasParked ? await findBlockedKeys(tx, events) : new Set<string>();
    const waiting = events.filter((event) => blocked.has(event.key));
    const free = events.filter((event) => !blocked.has(event.key));
    if (free.length > 1 && !isSplit) await handleWhole(tx, free);
    else {
      for (const event of free) {
        if (blocked.has(event.key)) waiting.push(event);
        else if (!(await tryOne(tx, event, 1))) blocked.add(event.key);
      }
    }
    if (waiting.length > 0) await parkBehind(tx, name, waiting);
  }

  /** Without a savepoint, which most batches do not need: one that fails is rolled back whole, and taken again one by one. */
  async function handleWhole(tx: Transaction, events: AppEvent<Type>[]): Promise<void> {
    try {
      await handleInTime(events, { tx, attempt: 1 });
    } catch (error) {
      throw error instanceof TargetUnavailable || error instanceof HandlerTimeout
        ? error
        : new BatchFailed('split it', { cause: error });
    }
  }

  /** @throws HandlerTimeout, which loses the transaction: the handler may be at work in it still. */
  async function handleInTime(events: AppEvent<Type>[], context: Handled): Promise<void> {
    hasHanded = true;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new HandlerTimeout(name, handlerTimeoutMs)), handlerTimeoutMs);
    try {
      await Promise.race([handle(events, context), promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function findBlockedKeys(tx: Transaction, events: AppEvent<Type>[]): Promise<Set<string>> {
    const keys = [...new Set(events.map((event) => event.key))];
    const rows = await tx.query<{ key: string }>(
      'select distinct key from sync.parked where subscription = $1 and key = any ($2)',
      [name, keys],
    );
    return new Set(rows.map((row) => row.key));
  }

  /** @returns whether it was handled; if not, it is parked */
  async function tryOne(tx: Transaction, event: AppEvent<Type>, attempt: number): Promise<boolean> {
    let failure: unknown;
    if ((lost.get(event.position) ?? 0) >= lostTransactionsMax)
      failure = new Error('The handler took the whole transaction down.');
    else {
      underWay = event.position;
      try {
        await tx.savepoint(() => handleInTime([event], { tx, attempt }));
        return true;
      } catch (error) {
        if (error instanceof TargetUnavailable || error instanceof HandlerTimeout) throw error;
        failure = error;
      }
    }
    hasFailed = true;
    onError(failure);
    await parkFailed(tx, options, event, attempt, failure);
    underWay = undefined;
    return false;
  }

  /** Those that are due, each followed by those of its key that waited for it. @returns whether there were any */
  async function workParked(tx: Transaction, limit: number): Promise<boolean> {
    const due = await takeDue(tx, name, limit);
    const endsAt = performance.now() + parkedStepMs;
    let worked = 0;
    for (const first of due) {
      if (performance.now() > endsAt) break;
      for (let next: ParkedRow | undefined = first; next; next = await findNextOfKey(tx, name, first.key)) {
        if (worked++ >= limit && next !== first) {
          await makeDue(tx, name, next.position);
          break;
        }
        if (!(await tryOne(tx, toEvent(next, next.is_replay) as AppEvent<Type>, next.attempts + 1))) break;
        await unpark(tx, name, next.position);
      }
    }
    return due.length > 0;
  }

  async function run(): Promise<void> {
    let isRegistered = false;
    let failures = 0;
    while (!stopping.signal.aborted) {
      let restMs = 0;
      try {
        if (!isRegistered) await register(connection, options);
        isRegistered = true;
        underWay = undefined;
        const signs = wakeups.signs();
        const outlook = await step();
        failures = 0;
        isSplit = false;
        if (carefulSteps > 0 && --carefulSteps === 0) lost.clear();
        if (!outlook.hasMore) {
          await wakeups.next(Math.max(outlook.restMs, 1), { after: signs, signal: stopping.signal });
        }
      } catch (error) {
        if (error instanceof BatchFailed) {
          isSplit = true;
          continue;
        }
        onError(error);
        if (error instanceof TargetUnavailable) restMs = error.retryAfterMs;
        else {
          if (carefulSteps > 0 && underWay !== undefined) lost.set(underWay, (lost.get(underWay) ?? 0) + 1);
          if (hasHanded) carefulSteps = batchMax;
          restMs = Math.min(50 * 2 ** failures++, databaseRetryMaxMs);
        }
      }
      if (restMs > 0) await sleep(restMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const running = run();
  return {
    name,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Makes the subscription if there is none; one that is there keeps its position, and gets the types of who comes last. */
async function register<Type extends EventType>(
  connection: Connection,
  { name, types, from = 'now' }: SubscriptionOptions<Type>,
): Promise<void> {
  const known = await connection.query<{ is_same: boolean }>(
    'select types is not distinct from $2::text[] as is_same from sync.subscriptions where name = $1',
    [name, types ?? null],
  );
  if (known[0]?.is_same) return; // without a lock, which another process may hold for as long as a handler takes
  if (known[0]) {
    await connection.query('update sync.subscriptions set types = $2 where name = $1', [name, types ?? null]);
    return;
  }
  // One snapshot for the position and for what `load` reads. Of two who register at once, one is told to try again.
  await connection.transaction({ isolation: 'repeatable read' }, async (tx) => {
    const start = from === 'beginning' ? '(select coalesce(min(position), 1) - 1 from sync.events)' : 'sync.head()';
    await tx.query(`insert into sync.subscriptions (name, types, position) values ($1, $2, ${start})`, [
      name,
      types ?? null,
    ]);
    if (typeof from === 'object')
      await from.load({
        ...tx,
        query: (text, values, limit) => tx.query(text, values, limit ?? { timeoutMs: Infinity }),
      });
  });
}
