import { causeOf, TargetUnavailable } from '@aether/platform/log';
import { type BusEvent, isCopy } from '../wire.ts';
import {
  EffectsAborted,
  HandlerTimeout,
  type Inbox,
  type InboxTransaction,
  itemOf,
  type RetryPolicy,
  SessionBusy,
  TransactionEnded,
} from './inbox.ts';

/*
 * Handling: events of a lane, in order, each with one effect.
 *
 * A batch is one transaction: it takes the sessions of its events in the inbox, marks the deliveries that are new, calls the handler for each, and
 * commits. If an event fails, the batch is undone and its events are taken one by one, each in a savepoint: the one that fails is parked in the
 * consumer's own database, and the later ones of its session wait behind it there. So the bus keeps nothing that failed, and other sessions of the
 * lane pass. So they do when a session is busy, because somebody works on what is parked of it: its events are parked as well.
 *
 * An event is outdated if a later version of its row was handled before. Of a replay, the handler does not get it: an older state would be written over
 * a newer one. A consumer that compares versions itself may ask for it. One that was never handled is always handed over, and marked: its row has
 * changed the session, between two of which there is no order, or it was a dead letter. What it alone says would be lost otherwise. That is decided
 * when the handler would get it, also of one that was parked. A later version that is parked itself, or was given up, has not been handled.
 */

export type Handled = {
  /** What the handler writes through it commits together with the mark of the delivery: its effect happens once. */
  tx: InboxTransaction;
  /** From 1. */
  attempt: number;
  /** A later version of its row was handled before: what it says of the row must not be written over what is there. */
  isOutdated: boolean;
};
export type BusHandler = (event: BusEvent, context: Handled) => Promise<unknown>;

export type HandlingOptions = {
  inbox: Inbox;
  handler: BusHandler;
  policy: RetryPolicy;
  handlerTimeoutMs: number;
  /** Whether the handler gets replayed events although a later version of their row was handled; by default it does not. */
  outdated?: 'skip' | 'hand over';
  /** Called for each event that was handled, that waits behind another or that is outdated, when that is committed. */
  onEffect?(event: BusEvent, state: 'handled' | 'waiting' | 'outdated', attempt: number): void;
  /** Called for each failed attempt. */
  onFailed(event: BusEvent, failure: { attempt: number; isDead: boolean; error: unknown }): void;
};

export type Handling = {
  /**
   * Handles events of a lane.
   *
   * @param after the last one before them, if it may not be on the disk yet: see `keep` of the inbox
   * @returns how many were new
   * @throws TargetUnavailable, HandlerTimeout, ConsumerPaused, EffectsLost and the errors of the inbox's database: nothing of the batch is kept
   *   then, and none counts as failed
   */
  handle(events: BusEvent[], after?: string): Promise<number>;
  /**
   * Tries what is parked and due, some sessions at once, so that one whose handler hangs does not keep the others waiting for long.
   *
   * @returns whether any was tried: those of a session that another process has are not
   * @throws as handle, but for the first two of a session alone
   */
  workParked(isStopping: () => boolean): Promise<boolean>;
};

/** The batch failed as a whole: it is taken again one by one. */
class BatchFailed extends Error {}

/** How many due sessions are looked up, and how many of them are worked on at once. */
const sessionsMax = 20;
const sessionsAtOnce = 4;
/** A session with many parked events gives others a turn after so long, and its lock to its new events. */
const turnMs = 1_000;

/** Not a failure of this event, or none after which its transaction can go on. */
const isOfAll = (error: unknown): boolean =>
  error instanceof TargetUnavailable || error instanceof HandlerTimeout || error instanceof TransactionEnded;

export function createHandling({
  inbox,
  handler,
  policy,
  handlerTimeoutMs,
  outdated = 'skip',
  onFailed,
  onEffect = () => {},
}: HandlingOptions): Handling {
  /** Deliveries whose handler has not come back: the next time they are parked without another attempt. */
  const late = new Set<string>();

  /** Calls the handler for the events of a transaction, each with the whole limit: one timer that is wound again costs less than one for each. */
  function openCalls() {
    const { promise: over, reject } = Promise.withResolvers<never>();
    over.catch(() => {});
    let called: BusEvent | undefined;
    const timer = setTimeout(() => {
      if (!called) return;
      late.add(called.deliveryId);
      reject(new HandlerTimeout(handlerTimeoutMs));
    }, handlerTimeoutMs);
    return {
      async call(event: BusEvent, context: Handled): Promise<void> {
        called = event;
        timer.refresh();
        try {
          await Promise.race([handler(event, context), over]);
        } finally {
          called = undefined;
        }
      },
      end: () => clearTimeout(timer),
    };
  }
  type Calls = ReturnType<typeof openCalls>;

  /** @returns the error of the event alone; undefined if it was handled. @throws what is not the event's fault */
  async function attempt({ call }: Calls, event: BusEvent, context: Handled): Promise<unknown> {
    const { tx } = context;
    if (late.delete(event.deliveryId)) return new HandlerTimeout(handlerTimeoutMs);
    await tx.query('savepoint event');
    let isBack = false;
    try {
      await call(event, context);
      isBack = true;
      await tx.query('release savepoint event');
      return undefined;
    } catch (thrown) {
      if (isOfAll(thrown)) throw thrown;
      const code = isBack ? (thrown as { code?: string }).code : undefined;
      // No transaction: what follows would be kept piece by piece.
      if (code === '25P01') throw new TransactionEnded();
      const error = code === '25P02' ? new EffectsAborted() : thrown;
      // Fails as well if the connection is gone: then it was not the event.
      await tx.query('rollback to savepoint event');
      return error ?? new Error('The handler threw nothing.');
    }
  }

  const isSkipped = (event: BusEvent, { isOutdated }: Handled): boolean =>
    isOutdated && isCopy(event) && outdated === 'skip';

  /** @param isApart each event in a savepoint, so that one that fails is parked; otherwise it throws BatchFailed */
  async function handleBatch(events: BusEvent[], after: string | undefined, isApart: boolean): Promise<number> {
    const calls = openCalls();
    try {
      return await handleWith(calls, events, after, isApart);
    } finally {
      calls.end();
    }
  }

  async function handleWith(
    calls: Calls,
    events: BusEvent[],
    after: string | undefined,
    isApart: boolean,
  ): Promise<number> {
    const effects: (() => void)[] = [];
    const count = await inbox.inBatch(
      events,
      async (tx, taken) => {
        const { fresh, parked, busy } = taken;
        const versions = collectVersions(taken.outdated);
        const count = fresh.size;
        for (const event of events) {
          // An event may be there twice in one batch: the broker drops only the ids that it has seen within its window.
          if (!fresh.delete(event.deliveryId)) continue;
          const context = { tx, attempt: 1, isOutdated: versions.isOutdated(event) };
          if (isSkipped(event, context)) {
            effects.push(() => onEffect(event, 'outdated', 1));
            continue;
          }
          if (parked.has(event.session) || busy.has(event.session)) {
            await inbox.park(tx, event, busy.has(event.session) ? 'due' : 'waiting');
            effects.push(() => onEffect(event, 'waiting', 1));
            continue;
          }
          const error = isApart ? await attempt(calls, event, context) : await attemptBare(calls, event, context);
          if (error === undefined) {
            versions.note(event);
            effects.push(() => onEffect(event, 'handled', 1));
            continue;
          }
          parked.add(event.session);
          await inbox.park(tx, event, { cause: causeOf(error), policy });
          effects.push(() => onFailed(event, { attempt: 1, isDead: policy.attemptsMax <= 1, error }));
        }
        return count;
      },
      after,
    );
    for (const tell of effects) tell();
    return count;
  }

  async function attemptBare({ call }: Calls, event: BusEvent, context: Handled): Promise<undefined> {
    try {
      await call(event, context);
    } catch (error) {
      if (isOfAll(error)) throw error;
      throw new BatchFailed('one by one', { cause: error });
    }
  }

  /** Tries what is parked of a session from its first event on, until one fails, none is due or the turn is over: one transaction. */
  async function workTurn(session: string, isStopping: () => boolean): Promise<void> {
    const effects: (() => void)[] = [];
    const calls = openCalls();
    const work = inbox.inSession(
      session,
      async (tx) => {
        const endsAt = performance.now() + turnMs;
        do {
          const due = await inbox.takeDue(tx, session);
          if (!due) return;
          const number = due.attempts + 1;
          const context = { tx, attempt: number, isOutdated: due.isOutdated };
          if (isSkipped(due.event, context)) {
            await inbox.unpark(tx, due);
            effects.push(() => onEffect(due.event, 'outdated', number));
            continue;
          }
          const error = await attempt(calls, due.event, context);
          if (error !== undefined) {
            const { isDead } = await inbox.failAgain(tx, due, causeOf(error), policy);
            effects.push(() => onFailed(due.event, { attempt: number, isDead, error }));
            return;
          }
          await inbox.unpark(tx, due);
          effects.push(() => onEffect(due.event, 'handled', number));
        } while (performance.now() < endsAt && !isStopping());
      },
      { waits: false },
    );
    await work.finally(calls.end);
    for (const tell of effects) tell();
  }

  return {
    async handle(events, after) {
      if (events.some(({ deliveryId }) => late.has(deliveryId))) return handleBatch(events, after, true);
      try {
        return await handleBatch(events, after, false);
      } catch (error) {
        if (error instanceof BatchFailed || error instanceof EffectsAborted) return handleBatch(events, after, true);
        throw error;
      }
    },
    async workParked(isStopping) {
      const sessions = await inbox.findDueSessions(sessionsMax);
      const left = [...sessions];
      let hadTurn = false;
      const workOn = async () => {
        for (let session = left.shift(); session !== undefined && !isStopping(); session = left.shift())
          if (await hasTurn(session, isStopping)) hadTurn = true;
      };
      await Promise.all(Array.from({ length: sessionsAtOnce }, workOn));
      return hadTurn;
    },
  };

  /** @returns false if another process has the session: it goes on there */
  async function hasTurn(session: string, isStopping: () => boolean): Promise<boolean> {
    try {
      await workTurn(session, isStopping);
      return true;
    } catch (error) {
      if (error instanceof SessionBusy) return false;
      // Of this session alone: the next look tries again.
      if (error instanceof HandlerTimeout) return true;
      throw error;
    }
  }
}

/** Says of the events of a batch, in their order, which are outdated. @param known by the inbox, before this batch */
function collectVersions(known: Set<string>) {
  type Place = { version: number; position: number };
  const newest = new Map<string, Place>();
  const placeOf = (event: BusEvent) => event as BusEvent & Place; // an event that has an item has both
  return {
    isOutdated(event: BusEvent): boolean {
      const item = itemOf(event);
      if (item === null) return false;
      const { version, position } = placeOf(event);
      const before = newest.get(item);
      return (
        known.has(event.deliveryId) || (before !== undefined && before.version > version && before.position > position)
      );
    },
    /** The handler has had it. */
    note(event: BusEvent): void {
      const item = itemOf(event);
      const before = item === null ? undefined : newest.get(item);
      const { version, position } = placeOf(event);
      if (item !== null && (!before || before.version < version)) newest.set(item, { version, position });
    },
  };
}
