import type { ServiceBusReceivedMessage } from '@azure/service-bus';
import { type Answer, type Command, readCommand } from '../commands.ts';
import type { Inbox } from './inbox.ts';

/** An answer is repeated in every report for so long: one of them may be lost, and the next worker may relay by then. */
const answersKeptMs = 60_000;

export type Obeying = {
  /** Does what a person ordered. What is no order is passed over. */
  obey(message: Pick<ServiceBusReceivedMessage, 'body'>): Promise<void>;
  answers(): Answer[];
};

/** @param onDone called after each order: its answer should not wait for the next report */
export function createObeying(inbox: Inbox, onDone: () => Promise<void>): Obeying {
  const answered = new Map<number, { answer: Answer; at: number }>();

  async function act({ order, act, session, event, reason }: Command): Promise<Answer> {
    switch (act) {
      case 'retry':
        return { order, count: await inbox.retry(session) };
      case 'skip': {
        if (!session || !event) return { order, count: 0, refused: 'incomplete' };
        const isGone = !(await inbox.skip(session, event));
        return isGone ? { order, count: 0, refused: 'not the first of its customer any more' } : { order, count: 1 };
      }
      case 'pause':
        await inbox.pause(reason ?? 'paused by an operator');
        return { order, count: 0 };
      case 'resume':
        await inbox.resume();
        return { order, count: 0 };
    }
  }

  return {
    async obey(message) {
      const command = readCommand(message);
      // One that comes again is not done again: a person may have ordered something else since.
      if (!command || answered.has(command.order)) return;
      answered.set(command.order, { answer: await act(command), at: performance.now() });
      await onDone();
    },
    answers() {
      for (const [order, { at }] of answered) if (performance.now() - at > answersKeptMs) answered.delete(order);
      return [...answered.values()].map(({ answer }) => answer);
    },
  };
}
