import { causeOf, TargetUnavailable } from '@aether/platform/log';
import type { BusEvent } from '../wire.ts';
import {
  EffectsAborted,
  HandlerTimeout,
  type Inbox,
  type InboxTransaction,
  type RetryPolicy,
  SessionBusy,
  TransactionEnded,
} from './inbox.ts';

/*
 * Handling: the events of one session, in order, each with one effect.
 *
 * A batch is one transaction: it takes the session in the inbox, marks the deliveries that are new, calls the handler for each, and commits.
 * If an event fails, the batch is undone and its events are taken one by one, each in a savepoint: the one that fails is parked in the
 * consumer's own database, and the later ones of its session wait behind it there. So the bus keeps nothing that failed, and other customers pass.
 */

export type Handled = {
  /** What the handler writes through it commits together with the mark of the delivery: its effect happens once. */
  tx: InboxTransaction;
  /** From 1. */
  attempt: number;
};
export type BusHandler = (event: BusEvent, context: Handled) => Promise<unknown>;

export type HandlingOptions = {
  inbox: Inbox;
  handler: BusHandler;
  policy: RetryPolicy;
  handlerTimeoutMs: number;
  /** Called for each event that was handled or that waits behind another, when that is committed. */
  onEffect?(event: BusEvent, state: 'handled' | 'waiting', attempt: number): void;
  /** Called for each failed attempt. */
  onFailed(event: BusEvent, failure: { attempt: number; isDead: boolean; error: unknown }): void;
};

export type Handling = {
  /**
   * Handles the events of a session.
   *
   * @returns how many were new
   * @throws TargetUnavailable, HandlerTimeout, SessionBusy, ConsumerPaused and the errors of the inbox's database: nothing of the batch is kept
   *   then, and none counts as failed
   */
  handle(session: string, events: BusEvent[]): Promise<number>;
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
  onFailed,
  onEffect = () => {},
}: HandlingOptions): Handling {
  /** Deliveries whose handler has not come back: the next time they are parked without another attempt. */
  const late = new Set<string>();

  async function call(event: BusEvent, context: Handled): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.add(event.deliveryId);
      reject(new HandlerTimeout(handlerTimeoutMs));
    }, handlerTimeoutMs);
    try {
      await Promise.race([handler(event, context), promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns the error of the event alone; undefined if it was handled. @throws what is not the event's fault */
  async function attempt(tx: InboxTransaction, event: BusEvent, number: number): Promise<unknown> {
    if (late.delete(event.deliveryId)) return new HandlerTimeout(handlerTimeoutMs);
    await tx.query('savepoint event');
    let isBack = false;
    try {
      await call(event, { tx, attempt: number });
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

  async function handleWhole(session: string, events: BusEvent[]): Promise<number> {
    const effects: (() => void)[] = [];
    const handled = await inbox.inSession(session, async (tx) => {
      effects.length = 0;
      const { fresh, hasParked } = await inbox.take(
        tx,
        session,
        events.map(({ deliveryId }) => deliveryId),
      );
      const count = fresh.size;
      for (const event of events) {
        // An event may be there twice in one batch: the broker drops only the ids that it has seen within its window.
        if (!fresh.delete(event.deliveryId)) continue;
        effects.push(() => onEffect(event, hasParked ? 'waiting' : 'handled', 1));
        if (hasParked) {
          await inbox.park(tx, event);
          continue;
        }
        try {
          await call(event, { tx, attempt: 1 });
        } catch (error) {
          if (isOfAll(error)) throw error;
          throw new BatchFailed('one by one', { cause: error });
        }
      }
      return count;
    });
    for (const tell of effects) tell();
    return handled;
  }

  async function handleSingly(session: string, events: BusEvent[]): Promise<number> {
    const effects: (() => void)[] = [];
    const handled = await inbox.inSession(session, async (tx) => {
      effects.length = 0;
      const { fresh, hasParked } = await inbox.take(
        tx,
        session,
        events.map(({ deliveryId }) => deliveryId),
      );
      const count = fresh.size;
      let isHeld = hasParked;
      for (const event of events) {
        if (!fresh.delete(event.deliveryId)) continue;
        if (isHeld) {
          await inbox.park(tx, event);
          effects.push(() => onEffect(event, 'waiting', 1));
          continue;
        }
        const error = await attempt(tx, event, 1);
        if (error === undefined) {
          effects.push(() => onEffect(event, 'handled', 1));
          continue;
        }
        isHeld = true;
        await inbox.park(tx, event, { cause: causeOf(error), policy });
        effects.push(() => onFailed(event, { attempt: 1, isDead: policy.attemptsMax <= 1, error }));
      }
      return count;
    });
    for (const tell of effects) tell();
    return handled;
  }

  /** Tries what is parked of a session from its first event on, until one fails, none is due or the turn is over: one transaction. */
  async function workTurn(session: string, isStopping: () => boolean): Promise<void> {
    const effects: (() => void)[] = [];
    await inbox.inSession(
      session,
      async (tx) => {
        const endsAt = performance.now() + turnMs;
        do {
          const due = await inbox.takeDue(tx, session);
          if (!due) return;
          const number = due.attempts + 1;
          const error = await attempt(tx, due.event, number);
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
    for (const tell of effects) tell();
  }

  return {
    async handle(session, events) {
      if (events.some(({ deliveryId }) => late.has(deliveryId))) return handleSingly(session, events);
      try {
        return await handleWhole(session, events);
      } catch (error) {
        if (error instanceof BatchFailed || error instanceof EffectsAborted) return handleSingly(session, events);
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
