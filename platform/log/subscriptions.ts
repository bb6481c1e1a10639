import { setTimeout as sleep } from 'node:timers/promises';
import { type Attempts, collectAttempts } from './attempts.ts';
import { type Ahead, type Batch, cutBatch, type ReadShares, readBatch, renewBatch } from './batch.ts';
import { becauseOf } from './cause.ts';
import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import { type AppEvent, type EventType, toEvent } from './events.ts';
import { causeOf } from './failurecause.ts';
import type { BatchHandler, Handled } from './handlers.ts';
import { findHolds, noHolds } from './holds.ts';
import { type Lease, move, moveShares, type SharesLease, takeLease, takeShares } from './lease.ts';
import { type Failure, type Lifecycle, warnOf } from './lifecycle.ts';
import { findNext, makeDue, type ParkedRow, parkBehind, parkFailed, startFirst, takeDue, unpark } from './parked.ts';
import { createReadAhead } from './readahead.ts';
import { createReader } from './readers.ts';
import { findRegistered, register, removeSubscription } from './registration.ts';
import type { Subscription, SubscriptionOptions, SubscriptionProgress } from './subscription.ts';
import {
  HandlerTimeout,
  type Registered,
  SubscriptionChanged,
  SubscriptionDisplaced,
  SubscriptionGone,
  TargetUnavailable,
} from './subscriptionfailures.ts';
import { traceEach } from './traced.ts';
import type { Transaction } from './transaction.ts';
import type { Wakeups } from './wakeups.ts';

/*
 * Subscriptions: durable readers of the log.
 *
 * The model. A row of sync.subscriptions is a position: every event up to it is handled or is in sync.parked. A step is one
 * transaction: it locks that row (`for update skip locked`, which is the lease: any number of processes may run the same
 * subscription), reads the next events, gives them to the handler, and moves the position. The handler's writes commit with the
 * move, so in this database each effect happens once. A step does not wait for the disk: a crash undoes the numbering, the move
 * and the handler's writes from the same moment on, and all of it is done again. A step costs two round trips: begin, lock and read
 * go together, and so do the move and the commit. In a backlog the next events are read while the handler works (readahead.ts); they
 * are used if the subscription still is where they begin, and if the log still has them.
 *
 * The order. Events of one key (a row) are handled in the order of the log, always. If the subscription holds back customers, the
 * default, events of one customer are too. An event that fails is parked, and later events that share its key or its customer are
 * parked behind it: an event that was written before its row had a customer shares the key, later ones of the row share both, so the
 * order holds across the link. Customers are compared as they are merged at that moment: when two become one, the events that wait for
 * either wait for the first event of both.
 *
 * Shares. A subscription with shares has a position for each, in sync.shares; customers are spread over them, and a process works those that
 * fall to it among the living readers (readers.ts). The shares of a process that are at one position are read together, as one: a step
 * locks their rows, reads their events and moves them. A share that is behind catches up first. Where the order ties an event to another
 * share, the step ends before it and tries again until that share is there. The model and its reasons are in 0034_shares.sql.
 *
 * The states of a parked event. retrying: it is the first of its key and of its customer, and is tried at attempt_at. waiting: it is
 * behind another one. dead: its attempts are used up; it and all that is behind it wait until an operator redrives or skips it.
 * sync.start_first moves events between retrying and waiting whenever one is put in front or taken away.
 *
 * What each failure does:
 * - The handler throws for a batch: the step is undone, and the events are taken one by one, each in a savepoint.
 * - The handler throws for one event: the event is parked; the step continues with the others.
 * - The handler throws TargetUnavailable: the step is undone, nothing is parked, no attempt is counted; the whole subscription waits.
 * - The handler exceeds its time, or takes its connection down: the step is undone. The next steps take one event at a time; an event
 * that costs its transaction twice is parked without another attempt.
 * - The database is out of reach: the step is repeated, after a rest that doubles up to two seconds.
 * - The subscription was deleted: it reports that and registers again by its rule.
 * - Another process registers the name with other types, or another number of shares: the last one to register gets the events, and each of
 * the two reports it. A process with the former types would otherwise move the position past events that it does not read.
 * - A reader of shares dies, or its line goes silent: its lease ends within three seconds, and the others work its shares from where the
 * last step that was committed left them. Its locks end with its connection.
 * - Its types do not exist, or the app may not see them: it reports that, `ready` rejects, and it does not start.
 * Every failure goes to `onError` and to the watchers of the lifecycle; without either it is a warning of the process.
 */

/** A batch of several failed as a whole. */
class BatchFailed extends Error {}

/** What a step leaves: more to do at once, or nothing for so many milliseconds. */
type Outlook = { hasMore: boolean; restMs: number };

/** Where a subscription, or some of its shares, was left. */
type Expected = { after: number; shares: ReadShares | null };

/** After this long a step that works on parked events lets the log have its turn. */
const parkedStepMs = 1_000;

/**
 * Of a batch that failed, so many are taken one by one in a transaction at most. A handler that needs 40 ms for each would else keep what it
 * locks for 16 seconds of a batch of 400, and be taken for one that has stalled.
 */
const splitMax = 100;

/** How often an event may take its transaction down as a whole before it is parked unseen. */
const lostTransactionsMax = 2;
const databaseRetryMaxMs = 2_000;
/** A share that waits for another one looks again after so long, and twice as long each time, up to so long. */
const blockedFirstMs = 4;
const blockedMaxMs = 100;
/** A process whose shares are still at work in another one asks again after so long. */
const stillAtWorkMs = 20;
/** A reader that is to rest after its steps rests so long at most: health takes one that has not moved for ten seconds for stalled. */
const restMaxMs = 5_000;
/** After so many polls all parked events are checked: an undone merge may have left events that wait for nothing. */
const setRightEveryPolls = 10;
/** While another process has the name with other types, this is reported so often. */
const displacedEveryMs = 60_000;

/**
 * Runs a subscription in this process until it is stopped. Any number of processes may run the same one: each batch belongs to
 * the process that has locked the row of the subscription.
 */
export function startSubscription<Type extends EventType>(
  { connection, wakeups, lifecycle }: { connection: Connection; wakeups: Wakeups; lifecycle: Lifecycle },
  given: SubscriptionOptions<Type>,
  handleTyped: BatchHandler<Type>,
): Subscription {
  // What the log has under these types is what the handler takes; in here an event is one of any type.
  const handle = handleTyped as unknown as BatchHandler<EventType>;
  // In one order: the same types in another order are no other subscription.
  const options = { ...given, ...(given.types && { types: [...new Set(given.types)].sort() }) };
  const { name, types, shares = 1, batchMax = 100, pollMs = 1_000, gatherMs = 0, restFactor = 0 } = options;
  const { handlerTimeoutMs = 25_000, waitFor, onError } = options;
  const reader = createReader(connection, name);
  // Whether the next step takes shares. One that is to have a single share may still have several: see sync.cut_shares.
  let isShared = shares > 1;
  // How often in a row a step could do nothing because of other shares.
  let blockedSteps = 0;
  const stopping = new AbortController();
  // After a whole transaction was lost: for so many steps one event at a time, to find the event that causes it.
  let carefulSteps = 0;
  let isTurnOfParked = false;
  const ahead = createReadAhead(connection, types);
  // Where the last step left the position, if nobody has moved it since.
  let expected: Expected | undefined;
  // Whether the step under way has given events to the handler: only then can one of them have lost the transaction.
  let hasHanded = false;
  // After a batch failed: its events one by one, each in a savepoint.
  let isSplit = false;
  let underWay: number | undefined;
  // Of the step under way.
  let attempts: Attempts;
  // The next look then finds out when to try again.
  let hasFailed = false;
  // When it was last reported that another process has the name with other types.
  let displacedAt: number | undefined;
  const lost = new Map<number, number>();
  let setRightAt = performance.now();
  // Why a batch failed as a whole: reported if none of its events fails on its own.
  let batchError: unknown;
  let handled = 0;
  const progress: SubscriptionProgress = { turns: 0, failures: 0, error: undefined };
  const registered = Promise.withResolvers<void>();
  registered.promise.catch(() => {}); // also reported to onError: a caller that does not await it must not be ended by it

  function fail(failure: Failure): void {
    lifecycle.tell(failure);
    try {
      if (onError) onError(failure.error);
      else if (!lifecycle.isWatched()) warnOf(failure);
    } catch (error) {
      warnOf({ ...failure, error });
    }
  }

  function reportDisplaced(present: Registered): void {
    if (displacedAt !== undefined && performance.now() - displacedAt < displacedEveryMs) return;
    displacedAt = performance.now();
    const error = new SubscriptionDisplaced(name, { types: types ?? null, shares }, present);
    fail({ kind: 'subscription.displaced', subscription: name, error });
  }

  /** One transaction. A crash of the database may lose the step and the handler's writes together; both are then repeated. */
  async function step(): Promise<Outlook> {
    const limit = carefulSteps > 0 ? 1 : isSplit ? Math.min(batchMax, splitMax) : batchMax;
    hasHanded = false;
    handled = 0;
    const expecting = expected;
    expected = undefined;
    // Before the transaction begins: it may need the connection that this one would keep.
    const taken = expecting && (await ahead.take(expecting.after, limit));
    await (isShared ? reader.join() : reader.leave());
    return connection.transaction({ mayBeLost: true, readsFirst: true }, async (tx) => {
      // Sent together: the events are read after the position is locked, and almost always it is where this process left it.
      const [lease, read] = await Promise.all([take(tx), expecting && readNext(tx, { ...expecting, limit, taken })]);
      if (!('position' in lease)) return lease;
      displacedAt = undefined;
      attempts = collectAttempts(tx, name);
      // Takes turns with the log: events that fail slowly must not keep new ones waiting.
      const { retry_in_ms: retryInMs } = lease;
      let isDue = retryInMs !== null && retryInMs <= 0;
      isTurnOfParked = isDue && !isTurnOfParked && !isSplit; // a batch that failed is taken one by one at once
      if (isTurnOfParked) {
        if (await workParked(tx, lease, limit)) return { hasMore: true, restMs: 0 };
        isDue = false; // this session cannot see which events are due
      }
      hasFailed = false;
      const { hasMore, isBlocked } = await workLog(tx, lease, limit, read, expecting);
      blockedSteps = isBlocked ? blockedSteps + 1 : 0;
      const idleMs = Math.min(
        pollMs,
        retryInMs !== null && retryInMs > 0 ? retryInMs : Infinity,
        isBlocked ? Math.min(blockedFirstMs * 2 ** (blockedSteps - 1), blockedMaxMs) : Infinity,
        lease.shares?.isMore ? stillAtWorkMs : Infinity,
      );
      return { hasMore: hasMore || hasFailed || isDue, restMs: idleMs };
    });
  }

  /** The lease of this step. Without one: when to ask again. */
  async function take(tx: Transaction): Promise<Lease | Outlook> {
    let isMore = false;
    if (isShared) {
      const [lease] = await tx.run<SharesLease>(takeShares, [name, types ?? null, shares, reader.name]);
      if (lease?.name) return lease as Lease;
      isMore = lease?.is_more ?? false;
    } else {
      const [lease] = await tx.run<Lease>(takeLease, [name, types ?? null]);
      if (lease) return lease;
    }
    const known = await findRegistered(tx, options);
    if (!known) throw new SubscriptionGone(name);
    if (!known.is_same) reportDisplaced(known);
    const wasShared = isShared;
    isShared = known.is_same && known.layout > 1;
    if (isShared !== wasShared) return { hasMore: true, restMs: 0 };
    return { hasMore: false, restMs: isMore ? Math.min(stillAtWorkMs, pollMs) : pollMs }; // paused, or others work
  }

  type Reading = Expected & { limit: number; taken?: Ahead | undefined };

  /** What was read ahead, if the log still has it; else it is read now. */
  async function readNext(tx: Transaction, { after, limit, shares, taken }: Reading): Promise<Batch> {
    const renewed = taken && (await renewBatch(tx, name, taken, shares));
    if (renewed) return renewed;
    if (taken) ahead.forget(); // a crash may have changed the order of what follows, too
    return readBatch(tx, name, { after, types, limit, shares });
  }

  /** The next events of the log. @returns whether there may be more, or whether they have to wait for other shares */
  async function workLog(
    tx: Transaction,
    lease: Lease,
    limit: number,
    read: Batch | undefined,
    expecting: Expected | undefined,
  ): Promise<{ hasMore: boolean; isBlocked: boolean }> {
    const { position: after, shares } = lease;
    const isExpected = read?.after === after && isSameReading(expecting?.shares ?? null, shares);
    if (!isExpected) ahead.forget(); // nobody else would drop its pages
    const whole = isExpected ? (read as Batch) : await readNext(tx, { after, limit, shares });
    const untied = (whole.blocked ?? Infinity) - 1;
    const last = Math.min(shares?.until ?? Infinity, untied);
    if (whole.lookedUntil !== undefined) ahead.noteUntied(Math.min(whole.lookedUntil, untied), whole.blocked !== null);
    const { events, until, head, hasParked } = cutBatch(whole, last);
    if (until < whole.until) ahead.giveBack(whole.until, until);
    const before = whole.bytes === undefined ? undefined : { positions: whole.until - after, bytes: whole.bytes };
    if (head - until >= batchMax && last > until && !isSplit) ahead.begin(until, { head, shares, before });
    if (lease.replay_until > after) for (const event of events) event.isReplay = event.position <= lease.replay_until;
    if (events.length > 0) await handleInOrder(tx, events, lease, hasParked);
    if (until > after) {
      if (shares) tx.endWith(moveShares, [name, shares.front, until, reader.name]);
      else tx.endWith(move, [name, until]);
    }
    tx.afterCommit(() => {
      expected = { after: until, shares };
    });
    if (hasParked && performance.now() - setRightAt > setRightEveryPolls * pollMs) {
      setRightAt = performance.now();
      await startFirst(tx, name);
    }
    return { hasMore: until < head && until > after, isBlocked: until < head && until === after };
  }

  /**
   * All at once if nothing fails. Otherwise each on its own: an event that fails is parked, and those that it holds back wait behind it.
   */
  async function handleInOrder(tx: Transaction, events: AppEvent[], lease: Lease, hasParked: boolean): Promise<void> {
    const holds = isSplit || hasParked ? await findHolds(tx, lease, events) : noHolds;
    const waiting: AppEvent[] = [];
    const free: AppEvent[] = [];
    for (const event of events) {
      if (holds.has(event)) {
        holds.add(event);
        waiting.push(event);
      } else if (!isSplit) free.push(event);
      else if (!(await tryOne(tx, event, 1))) holds.add(event);
    }
    if (free.length > 1) await handleWhole(tx, free);
    else if (free[0]) await tryOne(tx, free[0], 1);
    if (waiting.length > 0) await parkBehind(tx, name, waiting);
  }

  /** Without a savepoint, which most batches do not need: a batch that fails is rolled back whole, and taken again one by one. */
  async function handleWhole(tx: Transaction, events: AppEvent[]): Promise<void> {
    try {
      await handleInTime(events, { tx, attempt: 1 });
    } catch (error) {
      throw error instanceof TargetUnavailable || error instanceof HandlerTimeout
        ? error
        : new BatchFailed('split it', { cause: error });
    }
  }

  /** @throws HandlerTimeout, which loses the transaction: the handler may still be using it. */
  async function handleInTime(events: AppEvent[], context: Handled): Promise<void> {
    hasHanded = true;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new HandlerTimeout(name, handlerTimeoutMs)), handlerTimeoutMs);
    try {
      const txOf = ({ trace }: AppEvent) => traced(trace);
      const trace = events.at(-1)?.trace ?? null;
      const traced = traceEach(context.tx);
      const work = () => handle(events, { ...context, tx: traced(trace), txOf });
      await Promise.race([becauseOf({ trace: trace ?? undefined }, work), promise]);
      handled += events.length;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns whether it was handled; if not, it is parked */
  async function tryOne(tx: Transaction, event: AppEvent, attempt: number): Promise<boolean> {
    const { position } = event;
    const startedAt = performance.now();
    let durationMs: number | undefined;
    let failure: unknown;
    if ((lost.get(position) ?? 0) >= lostTransactionsMax)
      failure = new Error('The handler took the whole transaction down.');
    else {
      underWay = position;
      try {
        await tx.savepoint(() => handleInTime([event], { tx, attempt }));
        return true;
      } catch (error) {
        if (error instanceof TargetUnavailable || error instanceof HandlerTimeout) throw error;
        failure = error;
        durationMs = performance.now() - startedAt;
      }
    }
    hasFailed = true;
    const cause = causeOf(failure);
    attempts.add({ position, attempt, durationMs, cause });
    const { isDead } = await parkFailed(tx, options, event, attempt, cause);
    fail({ kind: 'event.parked', subscription: name, event, attempt, isDead, error: failure });
    underWay = undefined;
    return false;
  }

  /** The events that are due, each followed by those that waited for it. @returns whether there were any */
  async function workParked(tx: Transaction, lease: Lease, limit: number): Promise<boolean> {
    const due = await takeDue(tx, lease, limit);
    const behind = due.filter((row) => row.is_behind);
    if (behind.length > 0) await startFirst(tx, name, behind); // they wait from now on
    const endsAt = performance.now() + parkedStepMs;
    let worked = 0;
    for (const first of due) {
      if (performance.now() > endsAt) break;
      if (first.is_behind) continue;
      await workOne(first);
    }
    return due.length > 0;

    async function workOne(row: ParkedRow): Promise<void> {
      const chain: (ParkedRow & { is_held?: boolean })[] = [row];
      for (let next = chain.shift(); next; next = chain.shift()) {
        if (next.is_held === false || (worked++ >= limit && next !== row)) {
          await makeDue(tx, name, next.position);
          continue;
        }
        const startedAt = performance.now();
        const attempt = next.attempts + 1;
        if (!(await tryOne(tx, toEvent(next, next.is_replay), attempt))) continue;
        attempts.add({ position: next.position, attempt, durationMs: performance.now() - startedAt });
        const [, freed] = await Promise.all([unpark(tx, name, next.position), findNext(tx, lease, next)]);
        chain.push(...freed);
      }
    }
  }

  async function run(): Promise<void> {
    let isReady = false;
    let failures = 0;
    while (!stopping.signal.aborted) {
      let restMs = 0;
      try {
        if (!isReady) {
          const { isNew, former } = await register(connection, options);
          isReady = true;
          if (former !== undefined) {
            const error = new SubscriptionChanged(name, former, { types: types ?? null, shares });
            fail({ kind: 'subscription.changed', subscription: name, error });
          }
          lifecycle.tell({ kind: 'subscription.ready', subscription: name, isNew });
          registered.resolve();
        }
        underWay = undefined;
        await waitFor?.(stopping.signal);
        if (stopping.signal.aborted) break;
        const signs = wakeups.signs();
        const startedAt = performance.now();
        const outlook = await step();
        const tookMs = performance.now() - startedAt;
        failures = 0;
        Object.assign(progress, { turns: progress.turns + 1, failures: 0, error: undefined });
        if (isSplit && !hasFailed) fail({ kind: 'subscription.failed', subscription: name, error: batchError });
        isSplit = false;
        if (handled > 0)
          lifecycle.tell({
            kind: 'events.handled',
            subscription: name,
            events: handled,
            ms: tookMs,
          });
        if (carefulSteps > 0 && --carefulSteps === 0) lost.clear();
        if (!outlook.hasMore) {
          await wakeups.next(Math.max(outlook.restMs, 1), { after: signs, types, signal: stopping.signal });
          restMs = gatherMs;
        }
        if (handled > 0) restMs = Math.max(restMs, Math.min(restFactor * tookMs, restMaxMs));
      } catch (error) {
        ahead.forget(); // the failure may be the database's crash
        if (error instanceof BatchFailed) {
          isSplit = true;
          batchError = error.cause;
          continue;
        }
        Object.assign(progress, { turns: progress.turns + 1, failures: progress.failures + 1, error: nameOf(error) });
        if (!isReady && error instanceof InvalidField) {
          fail({ kind: 'subscription.refused', subscription: name, error });
          registered.reject(error);
          return;
        }
        if (error instanceof SubscriptionGone) {
          isReady = false;
          fail({ kind: 'subscription.gone', subscription: name, error });
          continue;
        }
        if (error instanceof TargetUnavailable) {
          restMs = error.retryAfterMs;
          fail({ kind: 'target.unavailable', subscription: name, error, retryAfterMs: restMs });
        } else {
          fail({ kind: 'subscription.failed', subscription: name, error });
          if (carefulSteps > 0 && underWay !== undefined) lost.set(underWay, (lost.get(underWay) ?? 0) + 1);
          if (hasHanded) carefulSteps = batchMax;
          restMs = Math.min(50 * 2 ** failures++, databaseRetryMaxMs);
        }
      }
      if (restMs > 0) await sleep(restMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
    registered.reject(new Error(`Subscription ${name} was stopped before it was registered.`));
  }

  const running = run().finally(() => Promise.all([ahead.stop(), reader.leave()]));
  async function stop(): Promise<void> {
    stopping.abort();
    await running;
  }
  return {
    name,
    ready: registered.promise,
    progress: () => ({ ...progress }),
    stop,
    async remove() {
      await stop();
      await removeSubscription(connection, name);
    },
  };
}

/** The class of an error; never its text, which may hold values. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'other';
}

/** Whether what was read is of these shares, and they are as they were. */
function isSameReading(read: ReadShares | null, shares: ReadShares | null): boolean {
  if (!read || !shares) return read === shares;
  return (
    read.layout === shares.layout &&
    read.layoutBy === shares.layoutBy &&
    read.front.length === shares.front.length &&
    read.front.every((share, n) => share === shares.front[n])
  );
}
