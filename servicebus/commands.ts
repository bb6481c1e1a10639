import type { ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus';

/*
 * Orders to a consumer: what a person asks of events that are parked in its own database. They come over its subscription, in a session of their
 * own, only when somebody orders something; a minute later they are gone. A consumer that is not this library completes them and does nothing.
 */

export const commandAct = ['retry', 'skip', 'pause', 'resume'] as const;

export type Command = {
  /** Names the order in the answer. */
  order: number;
  act: (typeof commandAct)[number];
  /** Of `retry` and `skip`: the parked events of one customer. */
  session?: string | undefined;
  /** Of `skip`: the id of the event that is given up, so that an order that comes twice gives up one. */
  event?: string | undefined;
  reason?: string | undefined;
};

/** What came of an order. `count`: how many events it was about. */
export type Answer = { order: number; count: number; refused?: string | undefined };

/** A consumer that is paused looks only here. */
export const commandSession = 'aether-commands';
const commandSubject = 'consumer.command';

export function toCommandMessage(subscription: string, command: Command): ServiceBusMessage {
  return {
    messageId: `command.${command.order}`,
    sessionId: commandSession,
    subject: commandSubject,
    contentType: 'application/json',
    timeToLive: 60_000,
    body: Buffer.from(JSON.stringify(command)),
    applicationProperties: { type: commandSubject, recipient: subscription },
  };
}

export const isCommand = ({ subject }: Pick<ServiceBusReceivedMessage, 'subject'>): boolean =>
  subject === commandSubject;

/** Anybody who may send can write an order, as any event. @returns undefined if it is none */
export function readCommand({ body }: Pick<ServiceBusReceivedMessage, 'body'>): Command | undefined {
  try {
    const given = body instanceof Uint8Array ? JSON.parse(Buffer.from(body).toString()) : body;
    const act = commandAct.find((each) => each === given.act);
    const { order, session, event, reason } = given;
    // One that is not read whole is not obeyed: without its session, a retry would be of all sessions.
    if (!act || !Number.isSafeInteger(order) || ![session, event, reason].every(isTextOrAbsent)) return undefined;
    return { order, act, session, event, reason };
  } catch {
    return undefined;
  }
}

/** Of what a database stores: an inbox that could not write it down would wait for ever. */
const isTextOrAbsent = (value: unknown): boolean =>
  value === undefined ||
  (typeof value === 'string' && value.length <= 500 && value.isWellFormed() && !value.includes('\0'));
