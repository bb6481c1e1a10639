import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceBusClient, ServiceBusMessage, ServiceBusSender } from '@azure/service-bus';
import { type BusFailure, toBusFailure } from '../failures.ts';
import { within } from '../within.ts';

/*
 * Sending in order. One batch is under way at a time: of two that are sent at once, the first may be throttled and arrive after the second.
 * What is in doubt, because the line was lost before the answer, is sent again: the broker drops ids that it has seen.
 */

/** A Premium namespace takes more in a message, but not in a batch. */
const batchBytesMax = 1_048_576;

export type Outcome = {
  /** So many messages from the first on are settled: the broker has them, or they are in `tooLarge`. */
  settled: number;
  /** Indexes of messages that are larger than the namespace allows. */
  tooLarge: number[];
  /** Why it stopped before the last message. */
  error?: BusFailure;
};

export type BusSender = {
  /**
   * Sends the messages in order, in as few batches as they fit into.
   *
   * @param onBatch called when a batch is settled, with its number of messages
   * @param goesOn asked before each batch: if not, it ends there without an error
   * @param skips asked before each message: one that is skipped counts as settled. After a too large one, the rest of its customer waits.
   */
  send(
    messages: ServiceBusMessage[],
    options?: {
      onBatch?: (messages: number) => void;
      goesOn?: () => boolean;
      skips?: (index: number, tooLarge: number[]) => boolean;
    },
  ): Promise<Outcome>;
  close(): Promise<void>;
};

/**
 * @param open opens another client: one whose line has failed is thrown away
 * @param answerMs after so long without an answer a call has failed; by default somewhat longer than the client's own limit
 */
export function openSender(open: () => ServiceBusClient, topic: string, answerMs?: number): BusSender {
  let client: ServiceBusClient | undefined;
  let sender: ServiceBusSender | undefined;
  let bytesMax: number | undefined;

  const newBatch = async (of: ServiceBusSender) => {
    bytesMax ??= Math.min((await of.createMessageBatch()).maxSizeInBytes, batchBytesMax);
    return of.createMessageBatch({ maxSizeInBytes: bytesMax });
  };

  function discard(): void {
    const closing = client;
    client = undefined;
    sender = undefined;
    bytesMax = undefined;
    closing?.close().catch(() => {}); // it may wait for a line that is gone
  }

  async function sendAll(
    messages: ServiceBusMessage[],
    outcome: Outcome,
    onBatch: (messages: number) => void,
    goesOn: () => boolean,
    skips: (index: number, tooLarge: number[]) => boolean,
  ): Promise<void> {
    client ??= open();
    const used = client;
    sender ??= client.createSender(topic);
    let next = 0;
    while (next < messages.length && goesOn()) {
      const batch = await within(newBatch(sender), answerMs, used);
      const before = next;
      for (; next < messages.length; next++) {
        if (skips(next, outcome.tooLarge)) continue;
        if (batch.tryAddMessage(messages[next] as ServiceBusMessage)) continue;
        if (batch.count > 0) break;
        outcome.tooLarge.push(next);
      }
      if (batch.count > 0) await within(sender.sendMessages(batch), answerMs, used);
      outcome.settled = next;
      onBatch(next - before);
    }
  }

  return {
    async send(messages, { onBatch = () => {}, goesOn = () => true, skips = () => false } = {}) {
      const outcome: Outcome = { settled: 0, tooLarge: [] };
      try {
        await sendAll(messages, outcome, onBatch, goesOn, skips);
      } catch (error) {
        // Those found too large in the batch that failed are looked at again.
        outcome.tooLarge = outcome.tooLarge.filter((index) => index < outcome.settled);
        outcome.error = toBusFailure(error);
        if (!['throttled', 'quota'].includes(outcome.error.kind)) discard();
      }
      return outcome;
    },
    async close() {
      const closing = client;
      discard();
      if (closing) await Promise.race([closing.close().catch(() => {}), sleep(1_000, undefined, { ref: false })]);
    },
  };
}
