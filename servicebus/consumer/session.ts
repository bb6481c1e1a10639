import type { ServiceBusReceivedMessage, ServiceBusSessionReceiver } from '@azure/service-bus';
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
  /** Other sessions may wait for this one's place. */
  isCrowded(): boolean;
  isStopping(): boolean;
  onHandled(events: BusEvent[], fresh: number): void;
  onUnreadable(message: ServiceBusReceivedMessage, error: UnreadableMessage): void;
};

/** How long a session without a further message is kept: accepting it again costs a call, and time. */
const idleMs = 2_000;
/** As long as others wait for its place. */
const crowdedIdleMs = 20;
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
  const { receiver, handling, batchMax, isCrowded, isStopping } = work;
  const queue: Waiting[] = [];
  let wake: () => void = () => {};
  let lost: unknown;
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
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

  /** @returns false when there is nothing more to wait for */
  async function waitForOne(): Promise<boolean> {
    const startedAt = performance.now();
    while (queue.length === 0) {
      if (lost !== undefined || isStopping() || receiver.isClosed) return false;
      const limit = hasHadOne && isCrowded() ? crowdedIdleMs : idleMs;
      const leftMs = limit - (performance.now() - startedAt);
      if (leftMs <= 0) return false;
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, Math.min(leftMs, 250));
        wake = () => {
          clearTimeout(timer);
          settle();
        };
      });
    }
    return true;
  }

  try {
    while (await waitForOne()) {
      if (isStopping()) break;
      const batch = queue.splice(0, batchMax);
      const { events, readable } = await sortOut(batch, work);
      if (events.length > 0) work.onHandled(events, await handling.handle(receiver.sessionId, events));
      const completed = Promise.all(readable.map(({ message }) => receiver.completeMessage(message)));
      await Promise.race([within(completed, settleMs), gone.promise]);
      for (const { done } of batch) done();
      if (lost !== undefined || isStopping() || (performance.now() > endsAt && isCrowded())) break;
    }
  } finally {
    clearInterval(watch);
    // Gives what is not completed back to the broker; the inbox knows it if it is handled.
    await within(receiver.close(), closeMs).catch(() => {});
    for (const { done } of queue) done();
  }
}

async function sortOut(
  batch: Waiting[],
  { receiver, onUnreadable }: SessionWork,
): Promise<{ events: BusEvent[]; readable: Waiting[] }> {
  const events: BusEvent[] = [];
  const readable: Waiting[] = [];
  for (const waiting of batch) {
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
