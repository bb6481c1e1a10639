import type { ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus';
import type { Answer } from './commands.ts';
import { isSubscriptionName } from './settings.ts';

/*
 * Consumers that share no database with the platform report over the bus itself: small messages on the topic, which only the subscription
 * of reports takes. They live for a minute and are worth nothing later.
 */

export const reportsSubscription = 'aether-reports';

/** What a consumer made of an event: its last word. */
export type Effect = {
  event: number;
  /** outdated: a later version of its row was handled before. */
  state: 'handled' | 'retrying' | 'waiting' | 'dead' | 'outdated';
  attempt: number;
  at: string;
  /** From the change to the commit in the consumer's database. */
  lag_ms: number;
};

/** An event that waits in the consumer's database. Of the error only its class: its text may hold values. */
export type ReportedEvent = {
  event: string;
  type: string;
  session: string;
  state: 'waiting' | 'retrying' | 'dead';
  attempts: number;
  error: string | null;
  at: string;
};

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
  /** Since its last report. */
  effects: Effect[];
  /** The first of what is parked. */
  parked_events: ReportedEvent[];
  /** To orders, for as long as they may be lost on the way. */
  answers: Answer[];
};

const effectStates = ['handled', 'retrying', 'waiting', 'dead', 'outdated'] as const;
const parkedStates = ['waiting', 'retrying', 'dead'] as const;
const effectsMax = 1_000;
const parkedMax = 50;

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
    if (!subscription || !isSubscriptionName(subscription) || !process) return undefined;
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
      effects: listOf(given.effects, effectsMax).flatMap((each) => {
        const state = effectStates.find((known) => known === each.state);
        const event = number(each.event);
        const lagMs = typeof each.lag_ms === 'number' && Number.isFinite(each.lag_ms) ? each.lag_ms : undefined;
        const at = timeOf(each.at);
        if (!state || !event || !Number.isInteger(event) || lagMs === undefined || !at) return [];
        return [{ event, state, attempt: Math.trunc(Math.min(number(each.attempt) ?? 1, 1_000)), at, lag_ms: lagMs }];
      }),
      parked_events: listOf(given.parked_events, parkedMax).flatMap((each) => {
        const state = parkedStates.find((known) => known === each.state);
        const [event, type, of, at] = [word(each.event), word(each.type), idOf(each.session), timeOf(each.at)];
        if (!state || !event || !type || !of || !at) return [];
        return [
          {
            event,
            type,
            session: of,
            state,
            attempts: number(each.attempts) ?? 0,
            error: word(each.error) ?? null,
            at,
          },
        ];
      }),
      answers: listOf(given.answers, parkedMax).flatMap((each) => {
        const order = number(each.order);
        if (order === undefined || !Number.isInteger(order)) return [];
        return [
          {
            order,
            count: number(each.count) ?? 0,
            ...(each.refused !== undefined && { refused: word(each.refused) ?? 'refused' }),
          },
        ];
      }),
    };
  } catch {
    return undefined;
  }
}

const listOf = (value: unknown, max: number): Record<string, unknown>[] =>
  Array.isArray(value) ? value.slice(0, max).filter((each) => typeof each === 'object' && each !== null) : [];

/** Of a session: any characters that a log may show. */
const idOf = (value: unknown) => (typeof value === 'string' && /^[\x20-\x7e]{1,128}$/.test(value) ? value : undefined);

function timeOf(value: unknown): string | undefined {
  const time = typeof value === 'string' ? new Date(value) : undefined;
  return time && !Number.isNaN(time.getTime()) && Math.abs(time.getTime() - Date.now()) < 366 * 86_400_000
    ? time.toISOString()
    : undefined;
}
