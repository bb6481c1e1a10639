import { ConfigurationError } from '@aether/platform/log';
import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';
import { openClient } from './client.ts';
import { kindOf, toConfigurationError } from './failures.ts';
import { openSender } from './relay/sending.ts';
import { requireSubscriptionName, type ServiceBusSettings } from './settings.ts';
import { resubmittedProperty } from './wire.ts';
import { within } from './within.ts';

/*
 * Dead letters of a subscription: messages that its consumer could not read, and messages that nobody has read for fourteen days. An event whose
 * handler failed is none: it is parked in the consumer's own database, so that its customer keeps its order.
 */

export type DeadLetter = {
  /** The broker's number of the message. */
  number: string;
  messageId: string;
  type: string | undefined;
  session: string | undefined;
  reason: string | undefined;
  description: string | undefined;
  enqueuedAt: Date | undefined;
};

const pageMax = 100;
/** When nothing comes for so long, somebody else has taken it. */
const lastWaitMs = 1_500;
/** To see that a session is empty takes as long as its wait. */
const drainsAtOnce = 16;

/** @param limit at most so many, the oldest first */
export function listDeadLetters(
  settings: ServiceBusSettings,
  subscription: string,
  limit = 100,
): Promise<DeadLetter[]> {
  return withReceiver(settings, subscription, { subQueueType: 'deadLetter' }, async (receiver) => {
    return (await peekAll(receiver, limit)).map(toDeadLetter);
  });
}

/** What is there, without waiting for more. */
async function peekAll(
  receiver: Pick<ServiceBusReceiver, 'peekMessages'>,
  limit = Number.POSITIVE_INFINITY,
): Promise<ServiceBusReceivedMessage[]> {
  const found: ServiceBusReceivedMessage[] = [];
  while (found.length < limit) {
    const page = await within(receiver.peekMessages(Math.min(pageMax, limit - found.length)));
    if (page.length === 0) break;
    found.push(...page);
  }
  return found;
}

/**
 * Sends dead letters again, to their own subscription alone, and takes them away. Each gets a new id, because the broker drops an id that it has
 * seen within its window without a word; the event in it keeps its own, by which the consumer's inbox knows whether it was handled. A
 * resubmission that is cut short and repeated uses the same new ids.
 *
 * @param numbers of dead letters; by default all
 * @returns how many were sent
 */
export function resubmitDeadLetters(
  settings: ServiceBusSettings,
  subscription: string,
  numbers?: string[],
): Promise<number> {
  const wanted = numbers && new Set(numbers);
  return withReceiver(settings, subscription, { subQueueType: 'deadLetter' }, async (receiver) => {
    const sender = openSender(() => openClient(settings), settings.topic);
    const kept: ServiceBusReceivedMessage[] = [];
    let sent = 0;
    try {
      // Those that are there now: one that the consumer could not read again comes back at once, and there would be no end.
      const there = (await peekAll(receiver)).map(numberOf);
      const left = new Set(there.filter((number) => !wanted || wanted.has(number)));
      while (left.size > 0) {
        const page = await receivePage(receiver);
        if (page.length === 0) break;
        const chosen = page.filter((message) => left.delete(numberOf(message)));
        kept.push(...page.filter((message) => !chosen.includes(message)));
        const { error, tooLarge } = await sender.send(chosen.map((message) => toResubmission(message, subscription)));
        if (error !== undefined) throw error;
        const failed = new Set(tooLarge.map((index) => chosen[index]));
        kept.push(...chosen.filter((message) => failed.has(message)));
        for (const message of chosen.filter((each) => !failed.has(each))) {
          await within(receiver.completeMessage(message));
          sent++;
        }
      }
      return sent;
    } finally {
      await Promise.all(kept.map((message) => within(receiver.abandonMessage(message)).catch(() => {})));
      await sender.close();
    }
  });
}

/**
 * Removes messages for good: dead letters, or everything that waits, as before a consumer starts again from a snapshot.
 *
 * @returns how many
 */
export function drainSubscription(
  settings: ServiceBusSettings,
  subscription: string,
  what: 'dead letters' | 'messages',
): Promise<number> {
  if (what === 'dead letters')
    return withReceiver(
      settings,
      subscription,
      { subQueueType: 'deadLetter', receiveMode: 'receiveAndDelete' },
      removeAll,
    );
  return drainSessions(settings, subscription);
}

async function removeAll(receiver: ServiceBusReceiver): Promise<number> {
  const there = (await peekAll(receiver)).length;
  let removed = 0;
  while (removed < there) {
    const page = await receivePage(receiver);
    if (page.length === 0) break;
    removed += page.length;
  }
  return removed;
}

const receivePage = (receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage[]> =>
  within(receiver.receiveMessages(pageMax, { maxWaitTimeInMs: lastWaitMs }), lastWaitMs * 4);

const numberOf = (message: ServiceBusReceivedMessage): string => String(message.sequenceNumber);

async function drainSessions(settings: ServiceBusSettings, subscription: string): Promise<number> {
  requireSubscriptionName(subscription);
  const client = openClient(settings, { timeoutInMs: lastWaitMs });
  /** Takes one session after another until there is none with a message. */
  async function drainOn(): Promise<number> {
    for (let removed = 0; ; ) {
      const receiver = await within(
        client.acceptNextSession(settings.topic, subscription, { receiveMode: 'receiveAndDelete' }),
      ).catch((error) => {
        if (kindOf(error) === 'idle') return undefined;
        throw toConfigurationError(error, settings, subscription);
      });
      if (!receiver) return removed;
      removed += await removeAll(receiver);
      await within(receiver.close()).catch(() => {});
    }
  }
  try {
    const removed = await Promise.all(Array.from({ length: drainsAtOnce }, drainOn));
    return removed.reduce((sum, each) => sum + each, 0);
  } finally {
    await within(client.close()).catch(() => {});
  }
}

async function withReceiver<Value>(
  settings: ServiceBusSettings,
  subscription: string,
  options: Parameters<ReturnType<typeof openClient>['createReceiver']>[2],
  work: (receiver: ServiceBusReceiver) => Promise<Value>,
): Promise<Value> {
  requireSubscriptionName(subscription);
  const client = openClient(settings);
  try {
    // The body stays the bytes that came: what cannot be read is what is sent again.
    return await work(client.createReceiver(settings.topic, subscription, { ...options, skipParsingBodyAsJson: true }));
  } catch (error) {
    throw error instanceof ConfigurationError ? error : toConfigurationError(error, settings, subscription);
  } finally {
    await within(client.close()).catch(() => {});
  }
}

const toDeadLetter = (message: ServiceBusReceivedMessage): DeadLetter => ({
  number: numberOf(message),
  messageId: String(message.messageId),
  type: message.subject,
  session: message.sessionId,
  reason: message.deadLetterReason,
  description: message.deadLetterErrorDescription,
  enqueuedAt: message.enqueuedTimeUtc,
});

function toResubmission(message: ServiceBusReceivedMessage, recipient: string) {
  const {
    DeadLetterReason: _reason,
    DeadLetterErrorDescription: _description,
    ...applicationProperties
  } = message.applicationProperties ?? {};
  return {
    messageId: `${String(message.messageId).slice(0, 80)}.again.${message.sequenceNumber}`,
    sessionId: message.sessionId ?? String(message.messageId),
    body: message.body,
    ...(message.subject !== undefined && { subject: message.subject }),
    ...(message.contentType !== undefined && { contentType: message.contentType }),
    applicationProperties: { ...applicationProperties, recipient, [resubmittedProperty]: 'yes' },
  };
}
