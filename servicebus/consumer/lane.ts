import type { ServiceBusReceivedMessage, ServiceBusSessionReceiver } from '@azure/service-bus';
import { isCommand } from '../commands.ts';
import { BusFailure, toBusFailure } from '../failures.ts';
import { type BusEvent, toBusEvent, UnreadableMessage } from '../wire.ts';
import { within } from '../within.ts';

/*
 * The work on one lane. Messages stream in, in their order; what has come is a batch. It is completed when its effect is committed and on the disk, while
 * the next one is handled: what is lost between the two comes again, and the inbox knows it. A message that cannot be read becomes a dead letter: nothing could be
 * done with it, and it has no place in the order. Everything else stays the bus's until it is handled or parked.
 */

export type LaneWork = {
  receiver: ServiceBusSessionReceiver;
  batchMax: number;
  /**
   * @param isOver whether the lane was lost or the consumer stops meanwhile
   * @param after the last event before them, if it may not be on the disk yet
   * @throws what keeps the lane from being worked on: it is given back to the broker
   */
  handle(events: BusEvent[], isOver: () => boolean, after: string | undefined): Promise<void>;
  /** Settles when the effects of this event and of those before it are on the disk. */
  keep(delivery: string): Promise<void>;
  /** A batch is done: it may end when the lane has had its turn and others wait for its place. */
  isCrowded(): boolean;
  /** It waits for a further message: its place may be given to another lane. */
  onIdle(): void;
  isStopping(): boolean;
  /** An order of an operator, which is no event. */
  onCommand(message: ServiceBusReceivedMessage): Promise<void>;
  onUnreadable(message: ServiceBusReceivedMessage, error: UnreadableMessage): void;
};

export type Lane = {
  /** Gives the lane up, after the batch under way. */
  leave(): void;
  isLeaving(): boolean;
  /** Since when it waits for a message, on the clock of `performance.now()`; undefined: it works. */
  idleSince(): number | undefined;
  /** Settles when it is given up: it was idle, had its turn, was lost, or the consumer stops. Rejects with why it had to be. */
  ended: Promise<void>;
};

/** A lane without a message for so long is given up: it costs operations, and the next message has it accepted again. */
const idleMs = 300_000;
/** A lane that always has a message gives others a turn after so long. */
const turnMs = 5_000;
/** It was given because it has a message, which comes within that. */
const firstMs = 1_000;
const settleMs = 10_000;
const closeMs = 3_000;
const closedLookMs = 100;

type Waiting = { message: ServiceBusReceivedMessage; done: () => void };

/** Works on a lane whose session was accepted. */
export function workLane(work: LaneWork): Lane {
  const { receiver, batchMax, isCrowded, isStopping, onIdle } = work;
  const queue: Waiting[] = [];
  let wake: () => void = () => {};
  let lost: unknown;
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  let isLeaving = false;
  let hasEnded = false;
  let hasHadOne = false;
  let idleSince: number | undefined;
  const acceptedAt = performance.now();
  const endsAt = acceptedAt + turnMs;

  function lose(error: unknown): void {
    lost ??= error;
    gone.reject(error);
    wake();
  }
  // The SDK closes the receiver of a line that has dropped without a word to whoever completes a message, and lets that hang.
  const watch = setInterval(() => {
    if (receiver.isClosed)
      lose(new BusFailure('unreachable', 'The receiver of the lane was closed: its line has dropped.'));
  }, closedLookMs);

  receiver.subscribe(
    {
      processMessage: (message) =>
        // Settles when the message is handled: until then the SDK asks for no other in its place.
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

  const isOver = () => lost !== undefined || isStopping();

  /** @returns false when there is nothing more to wait for */
  async function waitForOne(): Promise<boolean> {
    if (queue.length === 0 && !isLeaving) {
      idleSince = performance.now();
      const until = idleSince + idleMs;
      onIdle();
      while (queue.length === 0 && performance.now() < until && !isLeaving && !isOver())
        await new Promise<void>((settle) => {
          const timer = setTimeout(settle, until - performance.now());
          wake = () => {
            clearTimeout(timer);
            settle();
          };
        });
      idleSince = undefined;
    }
    return queue.length > 0 && !isLeaving && !isOver();
  }

  /** Completes a batch when it is on the disk, while the next one is handled. The broker sends others in its place from now on. */
  async function settle(batch: Waiting[], readable: Waiting[], kept: Promise<void>): Promise<void> {
    for (const { done } of batch) done();
    try {
      await Promise.race([kept, gone.promise]);
      const completed = Promise.all(readable.map(({ message }) => receiver.completeMessage(message)));
      await Promise.race([within(completed, settleMs), gone.promise]);
    } catch (error) {
      lose(error);
      throw error;
    }
  }

  /** Undefined if it is on the disk. */
  let handledLast: string | undefined;
  async function keep(events: BusEvent[]): Promise<void> {
    const last = (events.at(-1) as BusEvent).deliveryId;
    handledLast = last;
    await work.keep(last);
    if (handledLast === last) handledLast = undefined;
  }

  async function run(): Promise<void> {
    let settling: Promise<void> = Promise.resolve();
    try {
      while (await waitForOne()) {
        const batch = queue.splice(0, batchMax);
        const { events, readable } = await sortOut(batch, work);
        // What keeps it may last, and the lane may be lost meanwhile: then another process has it.
        let kept: Promise<void> = Promise.resolve();
        if (events.length > 0) {
          await Promise.race([work.handle(events, isOver, handledLast), gone.promise]);
          kept = keep(events);
          kept.catch(() => {}); // awaited when the batch is completed
        }
        await settling;
        settling = settle(batch, readable, kept);
        settling.catch(() => {}); // awaited before the next batch is completed
        if (performance.now() > endsAt && isCrowded()) break;
      }
      await settling;
    } finally {
      clearInterval(watch);
      hasEnded = true;
      for (const { done } of queue.splice(0)) done();
      await settling.catch(() => {});
      // Gives what is not completed back to the broker; the inbox knows it if it is handled.
      await within(receiver.close(), closeMs).catch(() => {});
    }
  }

  return {
    leave() {
      isLeaving = true;
      wake();
    },
    isLeaving: () => isLeaving,
    idleSince: () => (hasHadOne || performance.now() - acceptedAt > firstMs ? idleSince : undefined),
    ended: run(),
  };
}

async function sortOut(
  batch: Waiting[],
  { receiver, onUnreadable, onCommand }: LaneWork,
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
      events.push(toBusEvent(waiting.message));
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
