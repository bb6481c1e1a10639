import type { ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus';

/*
 * Consumers that share no database with the platform report over the bus itself: small messages on the topic, which only the subscription
 * of reports takes. They live for a minute and are worth nothing later.
 */

export const reportsSubscription = 'aether-reports';

/** What a process of a consumer says of itself. */
export type ConsumerReport = {
  subscription: string;
  process: string;
  handled: number;
  parked: number;
  dead: number;
  paused: boolean;
  /** From the write of the event handled last to its handling. */
  lag_seconds?: number | undefined;
  /** The class of the error that keeps it from working. */
  error?: string | undefined;
  /** The process ends as it was asked to. */
  ends: boolean;
};

export function toReportMessage(report: ConsumerReport): ServiceBusMessage {
  return {
    messageId: crypto.randomUUID(),
    sessionId: report.subscription,
    subject: 'consumer.report',
    contentType: 'application/json',
    timeToLive: 60_000,
    body: Buffer.from(JSON.stringify(report)),
    applicationProperties: { type: 'consumer.report', recipient: reportsSubscription },
  };
}

/** Anybody who may send can write a report, so that each member is checked. @returns undefined if it is none */
export function readReport({ body, subject }: ServiceBusReceivedMessage): ConsumerReport | undefined {
  if (subject !== 'consumer.report') return undefined;
  try {
    const given = Buffer.isBuffer(body) ? JSON.parse(body.toString()) : body;
    const word = (value: unknown) =>
      typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,79}$/.test(value) ? value : undefined;
    const number = (value: unknown) => (typeof value === 'number' && value >= 0 && value < 1e15 ? value : undefined);
    const subscription = word(given.subscription);
    const process = word(given.process);
    if (!subscription || !process) return undefined;
    return {
      subscription,
      process,
      handled: number(given.handled) ?? 0,
      parked: number(given.parked) ?? 0,
      dead: number(given.dead) ?? 0,
      paused: given.paused === true,
      lag_seconds: number(given.lag_seconds),
      error: word(given.error),
      ends: given.ends === true,
    };
  } catch {
    return undefined;
  }
}
