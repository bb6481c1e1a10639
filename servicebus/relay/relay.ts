import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DatabaseBusy,
  DatabaseUnavailable,
  listenForEvents,
  openConnection,
  register,
  retryDelayMs,
  type Settings,
} from '@aether/platform/log';
import { openClient } from '../client.ts';
import { describeBusFailure, type FailureKind, kindOf, reasonOf } from '../failures.ts';
import type { ServiceBusSettings } from '../settings.ts';
import { toMessage } from '../wire.ts';
import { openLedger } from './ledger.ts';
import {
  joinSent,
  leaseMs,
  openRelayLog,
  type RelayEvent,
  relayName,
  type Sent,
  type Turn,
  type Work,
} from './relaylog.ts';
import { type BusSender, openSender } from './sending.ts';
import { type ConsumerView, watchConsumers } from './watching.ts';

/*
 * The relay puts the events of the log on the topic, in their order, each at least once and under one id.
 *
 * The model. A turn reads events (relaylog.ts), then they are sent (sending.ts), and a later turn writes down what came of it. While one batch is being
 * sent the next one is read, and is sent after it. No transaction is open while the broker is waited for. One worker relays, by a lease; others stand by.
 *
 * What each failure does:
 * - The worker is killed between sending and writing down: the events are sent again, and the broker drops ids that it has seen within its
 *   window. A consumer drops the others by its inbox.
 * - The lease goes to another worker while this one sends: the other one begins at the same position, so that what comes late is a repetition. This
 * one sends no further batch when its lease has ended by its own clock, and a change of the number of lanes waits for the batch under way.
 * - The broker does not answer, throttles, is full, or refuses: nothing is lost; it is tried again after 200 ms, doubling up to ten seconds.
 * - A message is too large for the namespace: it is parked, dead, with its reason; later events of its row and customer wait behind it, others
 *   pass. It is shown and redriven as every parked event.
 * - The database is out of reach or crashes: the turn is repeated. Only what is on the disk is sent.
 */

/** What the relay says of itself in the heartbeat of its worker. No text of errors, which may hold values. */
export type RelayReport = {
  state: 'starting' | 'idle' | 'sending' | FailureKind;
  /** The code of the last failure. */
  error?: string;
  /** Messages that the broker has taken, since the start. */
  sent: number;
  /** Messages under way. */
  in_flight: number;
  /** How often the namespace has said that it is busy. */
  throttled: number;
  consumers: Record<string, ConsumerView>;
};

export type Relay = {
  /** Undefined while another worker relays. */
  report(): RelayReport | undefined;
  progress(): { turns: number; failures: number; error: string | undefined };
  /** Settles within three seconds. */
  stop(): Promise<void>;
};

export type RelayOptions = {
  settings: ServiceBusSettings;
  /** How to reach the platform database as sync_app, past any transaction pooler. */
  database: Settings & { directUrl: string };
  log?: { info(fields: object | string, text?: string): void; error(fields: object, text: string): void };
  /** How often the broker is asked for the counts of its subscriptions. */
  watchEveryMs?: number;
};

/** A turn that was made while events were being sent, and how many notifications there were before it. */
type Ahead = { turn: Turn; signs: number } | undefined;

const pollMs = 1_000;
const answerMs = 10_000;
const stopWithinMs = 3_000;
/** What was sent is written down so long after it, if there is nothing else to be sent until then. */
const writeDownMs = 25;
/** The lease is renewed so long after the last turn: a send in several batches, or a rest, may take longer than its term. */
const renewAfterMs = 1_000;
/** A failure that goes on is reported so often. */
const repeatMs = 60_000;
const silent = { info() {}, error() {} };

/** Runs the relay until it is stopped. */
export function startRelay({ settings, database, log = silent, watchEveryMs }: RelayOptions): Relay {
  const stopping = new AbortController();
  const connection = openConnection('sync', {
    ...database,
    url: database.directUrl,
    pooler: 'none',
    poolMax: 2,
    queryTimeoutMs: answerMs,
    searchPath: 'sync,platform',
  });
  const holder = `${hostname().slice(0, 100)}-${process.pid}-${randomBytes(3).toString('hex')}`;
  const relayLog = openRelayLog(connection, { holder, audiences: settings.audiences });
  const wakeups = listenForEvents(database.directUrl);
  const sender = openSender(() => openClient(settings), settings.topic);
  let isRelaying = false;
  const ledger = openLedger(connection);
  const watch = watchConsumers({ settings, everyMs: watchEveryMs, isActive: () => isRelaying, ledger });
  const report: Omit<RelayReport, 'consumers'> = { state: 'starting', sent: 0, in_flight: 0, throttled: 0 };
  const progress = { turns: 0, failures: 0, error: undefined as string | undefined };
  let toldAt = Number.NEGATIVE_INFINITY;
  let toldState: RelayReport['state'] | undefined;

  function turnOut(state: RelayReport['state'], error?: unknown): void {
    report.state = state;
    const code = error === undefined ? undefined : (reasonOf(error).code ?? reasonOf(error).name);
    if (code === undefined) delete report.error;
    else report.error = code;
    progress.error = code;
  }

  /** Says a failure when it begins, and again once a minute. */
  function tell(state: RelayReport['state'], sentence: string): void {
    if (stopping.signal.aborted || (state === toldState && performance.now() - toldAt < repeatMs)) return;
    toldState = state;
    toldAt = performance.now();
    log.error({ state }, `relay: ${sentence}`);
  }

  function tellRecovered(): void {
    if (toldState === undefined) return;
    toldState = undefined;
    log.info('relay: Service Bus takes the events again.');
  }

  let turnedAt = 0;
  // By the clock of this process: until then no other worker can have taken over.
  let leasedUntil = Number.NEGATIVE_INFINITY;
  const renewing = setInterval(() => {
    if (isRelaying && performance.now() - turnedAt > renewAfterMs) renew().catch(() => {}); // the next turn says why
  }, renewAfterMs);

  async function renew(): Promise<void> {
    const askedAt = performance.now();
    leasedUntil = (await relayLog.renew()) ? Math.max(leasedUntil, askedAt + leaseMs) : Number.NEGATIVE_INFINITY;
  }

  /**
   * Reads on while events are being sent, when there is more: one turn then has the next ones ready. It writes down what was sent before.
   *
   * @param sending settles when they are sent
   */
  async function readOn(work: Work, sent: Sent | undefined, signs: number, sending: Promise<unknown>): Promise<Ahead> {
    const ended = new AbortController();
    sending.catch(() => {}).finally(() => ended.abort());
    if (!work.hasMore) await wakeups.next(pollMs, { after: signs, signal: ended.signal });
    if (ended.signal.aborted || stopping.signal.aborted) return undefined;
    const askedAt = performance.now();
    const signsThen = wakeups.signs();
    const turn = await relayLog.readOn(sent, work.until).catch(() => undefined); // the next turn says why
    if (!turn) return undefined;
    noteTurn(askedAt);
    return { turn, signs: signsThen };
  }

  function noteTurn(askedAt: number): void {
    leasedUntil = askedAt + leaseMs;
    turnedAt = performance.now();
    progress.turns++;
  }

  async function run(): Promise<void> {
    let isRegistered = false;
    // Not written down yet.
    let sent: Sent | undefined;
    let ahead: Ahead;
    while (!stopping.signal.aborted) {
      const signs = ahead?.signs ?? wakeups.signs();
      let turn: Turn;
      try {
        if (!isRegistered) {
          await register(connection, { name: relayName });
          isRegistered = true;
        }
        if (ahead) turn = ahead.turn;
        else {
          const askedAt = performance.now();
          turn = await relayLog.turn(sent);
          noteTurn(askedAt);
          if (turn.role === 'stands by') leasedUntil = Number.NEGATIVE_INFINITY;
          sent = undefined;
        }
      } catch (error) {
        // What was sent is written down, or sent again, when the database answers.
        const isOut = error instanceof DatabaseUnavailable || error instanceof DatabaseBusy;
        const sentence = isOut
          ? 'the platform database does not answer'
          : `the platform database refuses a turn: ${reasonOf(error).message}`;
        fail(isOut ? 'unreachable' : 'misconfigured', error, sentence);
        await rest(retryDelayMs(progress.failures, 200, 5_000));
        continue;
      }
      ahead = undefined;
      isRelaying = turn.role !== 'stands by';
      const work = turn.role === 'relays' ? turn.work : undefined;
      if (!work) {
        if (turn.role === 'relays') settleDown();
        // What was sent is soon written down, but not at once: the next events would wait for a turn that does nothing else.
        const longestMs = sent ? writeDownMs : pollMs;
        const restMs = turn.role === 'relays' ? Math.min(turn.restMs ?? longestMs, longestMs) : pollMs;
        await wakeups.next(restMs, { after: signs, signal: stopping.signal });
        continue;
      }
      if (performance.now() >= leasedUntil) await renew().catch(() => {}); // a turn may take longer than the lease lasts
      const sending = sendWork(work, sender);
      const reading = work.of === 'log' ? readOn(work, sent, signs, sending) : undefined;
      const { error, ...outcome } = await sending;
      ahead = await reading;
      const isOrdinary = error === undefined && outcome.tooLarge.length === 0 && outcome.waiting.length === 0;
      sent = joinSent(ahead ? undefined : sent, { work, ...outcome });
      // What was read on follows all of this.
      if (!isOrdinary || outcome.settled < work.events.length) ahead = undefined;
      if (error !== undefined) {
        await standFailure(error);
        continue;
      }
      settleDown();
      if (!ahead && isOrdinary && !work.hasMore)
        await wakeups.next(writeDownMs, { after: signs, signal: stopping.signal });
    }
    // Writes down what was sent last, so that the next worker need not send it again.
    if (sent) await relayLog.turn(sent).catch(() => {});
  }

  function settleDown(): void {
    progress.failures = 0;
    turnOut('idle');
    tellRecovered();
  }

  function fail(kind: FailureKind, error: unknown, sentence: string): void {
    progress.failures++;
    turnOut(kind, error);
    tell(kind, sentence);
  }

  async function standFailure(error: unknown): Promise<void> {
    const found = kindOf(error);
    const kind = found === 'idle' || found === 'lock-lost' ? 'unreachable' : found;
    if (kind === 'throttled') report.throttled++;
    fail(kind, error, describeBusFailure(error, settings));
    await rest(retryDelayMs(progress.failures, 200, 10_000));
  }

  async function sendWork(work: Work, to: BusSender): Promise<Omit<Sent, 'work'> & { error?: unknown }> {
    const { events, lanes } = work;
    if (events.length > 0) turnOut('sending');
    report.in_flight = events.length;
    // Of those that are too large in this work: their rows and customers.
    const held = { of: [] as number[], keys: new Set<string>(), customers: new Set<string>() };
    const skipped: RelayEvent[] = [];
    const skips = (index: number, tooLarge: number[]): boolean => {
      for (const each of tooLarge.slice(held.of.length)) {
        const { key, customer } = events[each] as RelayEvent;
        held.of.push(each);
        held.keys.add(key);
        if (customer) held.customers.add(customer);
      }
      const event = events[index] as RelayEvent;
      const isHeld = held.keys.has(event.key) || (event.customer !== null && held.customers.has(event.customer));
      if (isHeld && !skipped.includes(event)) skipped.push(event);
      return isHeld;
    };
    const { settled, tooLarge, error } = await to.send(
      events.map((event) => toMessage(event, lanes)),
      {
        skips,
        goesOn: () => performance.now() < leasedUntil,
        onBatch(messages) {
          report.sent += messages;
          report.in_flight -= messages;
        },
      },
    );
    report.in_flight = 0;
    const known = new Set(events.slice(0, settled));
    return {
      settled,
      tooLarge: tooLarge.map((index) => ({ event: events[index] as RelayEvent, error: new MessageTooLarge() })),
      waiting: skipped.filter((event) => known.has(event)),
      error,
    };
  }

  const rest = (forMs: number) => sleep(forMs, undefined, { signal: stopping.signal }).catch(() => {});
  const running = run();
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    stopping.abort();
    clearInterval(renewing);
    const end = async () => {
      await Promise.race([running, sleep(stopWithinMs / 2, undefined, { ref: false })]);
      await Promise.all([sender.close(), watch.stop(), wakeups.close()]);
      await relayLog.release().catch(() => {});
    };
    await Promise.race([end(), sleep(stopWithinMs, undefined, { ref: false })]);
    await connection.close(500);
  }

  return {
    report: () => (isRelaying ? { ...report, consumers: watch.consumers() } : undefined),
    progress: () => ({ ...progress }),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** For the operator: the event is larger than the namespace's tier allows. */
export class MessageTooLarge extends Error {
  constructor() {
    super(
      'The event is larger than a message of this namespace may be (Standard 256 KB, Premium 1 MB). Move to a larger tier and redrive it, or skip it.',
    );
    this.name = 'MessageTooLarge';
  }
}
