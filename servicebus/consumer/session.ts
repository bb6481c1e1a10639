import type { ServiceBusReceivedMessage, ServiceBusSessionReceiver } from '@azure/service-bus';
import { isCommand } from '../commands.ts';
import { BusFailure, toBusFailure } from '../failures.ts';
import { type BusEvent, toBusEvent, UnreadableMessage } from '../wire.ts';
import { within } from '../within.ts';
import type { Handling } from './handling.ts';

/*
 * The work on one session. Messages stream in, in their order; what has come is a batch. It is completed when its effect is committed. A message
 * that cannot be read becomes a dead letter: nothing could be done with it, and it has no place in the order. Everything else stays the bus's
 * until it is handled or parked.
 */

export type SessionWork = {
  receiver: ServiceBusSessionReceiver;
  handling: Handling;
  batchMax: number;
  /** Other sessions may wait for this one's place, and none that is idle could give its own. */
  isCrowded(): boolean;
  /** It waits for a further message. @param leave ends it at once: another session needs the place */
  onIdle(leave: () => void): void;
  /** It waits no longer. */
  onBusy(): void;
  isStopping(): boolean;
  onHandled(events: BusEvent[], fresh: number): void;
  /** An order of an operator, which is no event. */
  onCommand(message: ServiceBusReceivedMessage): Promise<void>;
  onUnreadable(message: ServiceBusReceivedMessage, error: UnreadableMessage): void;
};

/** How long a session without a further message is kept, if nobody needs its place: accepting it again costs a call, and time. */
const idleMs = 2_000;
const stopLookMs = 250;
/** A session that always has a message gives others a turn after so long. */
const turnMs = 5_000;
/** The lock is renewed for as long as a session may be worked on; the SDK does it. */
const settleMs = 10_000;
const closeMs = 3_000;
const closedLookMs = 100;

type Waiting = { message: ServiceBusReceivedMessage; done: () => void };

/**
 * Works on the session until it is idle, has had its turn, is lost, or the consumer stops.
 *
 * @throws what keeps the whole consumer from working: errors of the inbox's database, TargetUnavailable
 */
export async function workSession(work: SessionWork): Promise<void> {
  const { receiver, handling, batchMax, isCrowded, isStopping, onIdle, onBusy } = work;
  const queue: Waiting[] = [];
  let wake: () => void = () => {};
  let lost: unknown;
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  let isLeaving = false;
  let hasEnded = false;
  let hasHadOne = false;
  const endsAt = performance.now() + turnMs;

  function lose(error: unknown): void {
    lost ??= error;
    gone.reject(error);
    wake();
  }
  // The SDK closes the receiver of a line that has dropped without a word to whoever completes a message, and lets that hang.
  const watch = setInterval(() => {
    if (receiver.isClosed)
      lose(new BusFailure('unreachable', 'The receiver of the session was closed: its line has dropped.'));
  }, closedLookMs);

  receiver.subscribe(
    {
      processMessage: (message) =>
        // Settles when the message is completed: until then the SDK asks for no other in its place.
        new Promise<void>((done) => {
          if (hasEnded) return done();
          queue.push({ message, done });
          hasHadOne = true;
          wake();
        }),
      async processError({ error }) {
        lose(toBusFailure(error));
      },
    },
    { autoCompleteMessages: false, maxConcurrentCalls: batchMax },
  );

  function leave(): void {
    isLeaving = true;
    wake();
  }

  /** @returns false when there is nothing more to wait for */
  async function waitForOne(): Promise<boolean> {
    const isOver = () => lost !== undefined || isStopping();
    if (queue.length === 0) {
      // It was given because it has a message, which is on its way.
      if (hasHadOne) onIdle(leave);
      const endsAt = performance.now() + idleMs;
      for (
        let leftMs = idleMs;
        queue.length === 0 && leftMs > 0 && !isLeaving && !isOver();
        leftMs = endsAt - performance.now()
      )
        await new Promise<void>((settle) => {
          const timer = setTimeout(settle, Math.min(leftMs, stopLookMs));
          wake = () => {
            clearTimeout(timer);
            settle();
          };
        });
      onBusy();
    }
    return queue.length > 0 && !isOver();
  }

  try {
    while (await waitForOne()) {
      const batch = queue.splice(0, batchMax);
      const { events, readable } = await sortOut(batch, work);
      if (events.length > 0) work.onHandled(events, await handling.handle(receiver.sessionId, events));
      const completed = Promise.all(readable.map(({ message }) => receiver.completeMessage(message)));
      await Promise.race([within(completed, settleMs), gone.promise]);
      for (const { done } of batch) done();
      if (isLeaving || (performance.now() > endsAt && isCrowded())) break;
    }
  } finally {
    clearInterval(watch);
    hasEnded = true;
    for (const { done } of queue.splice(0)) done();
    // Gives what is not completed back to the broker; the inbox knows it if it is handled.
    await within(receiver.close(), closeMs).catch(() => {});
  }
}

async function sortOut(
  batch: Waiting[],
  { receiver, onUnreadable, onCommand }: SessionWork,
): Promise<{ events: BusEvent[]; readable: Waiting[] }> {
  const events: BusEvent[] = [];
  const readable: Waiting[] = [];
  for (const waiting of batch) {
    if (isCommand(waiting.message)) {
      await onCommand(waiting.message);
      readable.push(waiting);
      continue;
    }
    try {
      events.push({ ...toBusEvent(waiting.message), session: receiver.sessionId });
      readable.push(waiting);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      await within(
        receiver.deadLetterMessage(waiting.message, {
          deadLetterReason: 'unreadable',
          deadLetterErrorDescription: error.message.slice(0, 1_000),
        }),
        settleMs,
      );
      onUnreadable(waiting.message, error);
    }
  }
  return { events, readable };
}
