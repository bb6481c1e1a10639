import { causeOf, TargetUnavailable } from '@aether/platform/log';
import type { BusEvent } from '../wire.ts';
import { HandlerTimeout, type Inbox, type InboxTransaction, type RetryPolicy } from './inbox.ts';

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
  /** Called for each failed attempt. */
  onFailed(event: BusEvent, failure: { attempt: number; isDead: boolean; error: unknown }): void;
};

export type Handling = {
  /**
   * Handles the events of a session.
   *
   * @returns how many were new
   * @throws TargetUnavailable, HandlerTimeout and the errors of the inbox's database: nothing of the batch is kept then, and none counts as failed
   */
  handle(session: string, events: BusEvent[]): Promise<number>;
  /** Tries what is parked and due, session by session. @returns whether there was any */
  workParked(): Promise<boolean>;
};

/** The batch failed as a whole: it is taken again one by one. */
class BatchFailed extends Error {}

const sessionsAtOnce = 20;

export function createHandling({ inbox, handler, policy, handlerTimeoutMs, onFailed }: HandlingOptions): Handling {
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
    try {
      await call(event, { tx, attempt: number });
      await tx.query('release savepoint event');
      return undefined;
    } catch (error) {
      if (error instanceof TargetUnavailable || error instanceof HandlerTimeout) throw error;
      // Fails as well if the connection is gone: then it was not the event.
      await tx.query('rollback to savepoint event');
      return error ?? new Error('The handler threw nothing.');
    }
  }

  function handleWhole(session: string, events: BusEvent[]): Promise<number> {
    return inbox.inSession(session, async (tx) => {
      const { fresh, hasParked } = await inbox.take(
        tx,
        session,
        events.map(({ deliveryId }) => deliveryId),
      );
      for (const event of events) {
        if (!fresh.has(event.deliveryId)) continue;
        if (hasParked) {
          await inbox.park(tx, event);
          continue;
        }
        try {
          await call(event, { tx, attempt: 1 });
        } catch (error) {
          if (error instanceof TargetUnavailable || error instanceof HandlerTimeout) throw error;
          throw new BatchFailed('one by one', { cause: error });
        }
      }
      return fresh.size;
    });
  }

  async function handleSingly(session: string, events: BusEvent[]): Promise<number> {
    const failures: (() => void)[] = [];
    const count = await inbox.inSession(session, async (tx) => {
      failures.length = 0;
      const { fresh, hasParked } = await inbox.take(
        tx,
        session,
        events.map(({ deliveryId }) => deliveryId),
      );
      let isHeld = hasParked;
      for (const event of events) {
        if (!fresh.has(event.deliveryId)) continue;
        if (isHeld) {
          await inbox.park(tx, event);
          continue;
        }
        const error = await attempt(tx, event, 1);
        if (error === undefined) continue;
        isHeld = true;
        await inbox.park(tx, event, { cause: causeOf(error), policy });
        failures.push(() => onFailed(event, { attempt: 1, isDead: policy.attemptsMax <= 1, error }));
      }
      return fresh.size;
    });
    for (const tell of failures) tell();
    return count;
  }

  /** @returns whether the session may have more that is due */
  async function tryFirst(session: string): Promise<boolean> {
    let tell: (() => void) | undefined;
    const goesOn = await inbox.inSession(session, async (tx) => {
      const due = await inbox.takeDue(tx, session);
      if (!due) return false;
      const number = due.attempts + 1;
      const error = await attempt(tx, due.event, number);
      if (error === undefined) {
        await inbox.unpark(tx, due);
        return true;
      }
      const { isDead } = await inbox.failAgain(tx, due, causeOf(error), policy);
      tell = () => onFailed(due.event, { attempt: number, isDead, error });
      return false;
    });
    tell?.();
    return goesOn;
  }

  return {
    async handle(session, events) {
      if (events.some(({ deliveryId }) => late.has(deliveryId))) return handleSingly(session, events);
      try {
        return await handleWhole(session, events);
      } catch (error) {
        if (error instanceof BatchFailed) return handleSingly(session, events);
        throw error;
      }
    },
    async workParked() {
      const sessions = await inbox.findDueSessions(sessionsAtOnce);
      for (const session of sessions) while (await tryFirst(session));
      return sessions.length > 0;
    },
  };
}
