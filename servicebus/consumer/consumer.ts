import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, createPool, retryDelayMs, TargetUnavailable } from '@aether/platform/log';
import type { ServiceBusClient, ServiceBusSessionReceiver } from '@azure/service-bus';
import { openClient } from '../client.ts';
import { commandSession } from '../commands.ts';
import { BusFailure, describeBusFailure, toBusFailure, toConfigurationError } from '../failures.ts';
import { openSender } from '../relay/sending.ts';
import { toReportMessage } from '../reports.ts';
import { readServiceBusSettings, requireSubscriptionName, type ServiceBusSettings } from '../settings.ts';
import type { BusEvent } from '../wire.ts';
import { within } from '../within.ts';
import { createBell } from './bell.ts';
import { collectEffects } from './effects.ts';
import { type BusHandler, createHandling } from './handling.ts';
import { ConsumerPaused, HandlerTimeout, type Inbox, type InboxState, openInbox, SessionBusy } from './inbox.ts';
import { createObeying } from './obeying.ts';
import { workSession } from './session.ts';

/*
 * A consumer: an app that has no database in common with the platform, and gets its events from Service Bus.
 *
 * The model. The consumer accepts one session after another, up to `sessionsMax` at once, and works on each until it is idle (session.ts). A
 * session is a customer, so that the events of one customer come in order, whichever process works on it. Effects and deliveries commit
 * together in the consumer's own PostgreSQL (handling.ts, inbox.ts): what comes twice has one effect.
 *
 * What each failure does:
 * - The process is killed, or the lock of a session is lost: the broker gives the session to another receiver, from the first message that is not
 *   completed on. The inbox drops those that are handled already.
 * - The handler throws for an event: it is parked in the consumer's database, with the later ones of its session, and tried again after 200 ms,
 *   doubling up to ten seconds. After `attemptsMax` it is dead, and waits for a person.
 * - The handler throws TargetUnavailable, or the consumer's database is out of reach: the consumer rests; the bus keeps the messages.
 * - The line to the broker drops, or an answer does not come in time: the line is thrown away and opened again.
 * - A message cannot be read: it is a dead letter of the bus.
 */

export type ConsumerOptions = {
  /** Of the bus: the app's name. */
  subscription: string;
  handler: BusHandler;
  /** The consumer's own PostgreSQL. Its tables are in a schema of their own, by default `aether_inbox`. */
  inbox: { url: string; schema?: string };
  /** By default those of the environment: SERVICEBUS_…. */
  settings?: ServiceBusSettings;
  /** How many customers are worked on at once; by default 16. Each takes a connection to the database while it is. */
  sessionsMax?: number;
  /** How many events of a customer are one transaction at most; by default 100. */
  batchMax?: number;
  /** A handler that takes longer has failed; by default 25 seconds. */
  handlerTimeoutMs?: number;
  /** Of an event that fails; by default 12 attempts, the first again after 200 ms, then doubling up to ten seconds. */
  attemptsMax?: number;
  retryFirstMs?: number;
  retryMaxMs?: number;
  /** How long one call waits for a customer with an event; by default ten seconds. If the line drops at the wrong moment, it is seen that late. */
  acceptMs?: number;
  /** How long the inbox knows what it has handled: longer than a message may live on the bus. By default 21 days. */
  keepDays?: number;
  /**
   * Called once, when the subscription is known to be there and before its first event is handled: for a snapshot, which misses nothing then. If
   * it fails, it is called again.
   */
  begin?: () => Promise<unknown>;
  /** Whether it reports to Sync Health over the bus, which needs the right to send. By default it does. */
  reports?: boolean;
  onHappening?: (happening: ConsumerHappening) => void;
};

/** What happens to a consumer, for its log and metrics. */
export type ConsumerHappening =
  | { kind: 'events.handled'; events: BusEvent[]; fresh: number }
  | { kind: 'event.failed'; event: BusEvent; attempt: number; isDead: boolean; error: unknown }
  /** It cannot be read, and is a dead letter now. */
  | { kind: 'message.unreadable'; messageId: string; error: unknown }
  /** Nothing is lost: it goes on by itself. */
  | { kind: 'consumer.failed'; sentence: string; error: unknown }
  | { kind: 'consumer.recovered' };

export type ConsumerState = InboxState & { sessions: number; handled: number; error: string | undefined };

export type Consumer = {
  /** Settles when the consumer's database is ready, Service Bus has answered, and `begin` is done. Rejects with what is wrong with its settings. */
  readonly ready: Promise<void>;
  state(): ConsumerState;
  /** For all processes of this consumer, until it is resumed. */
  pause(reason: string): Promise<void>;
  resume(): Promise<void>;
  /** What has failed and waits, and what can be done about it. */
  readonly parked: Pick<Inbox, 'retry' | 'skip'> & { list: Inbox['listParked'] };
  /** Settles when the batches under way are done, within ten seconds. */
  stop(): Promise<void>;
};

const acceptAnswerMs = 3_000;
/** Service Bus is asked for so many sessions at once while there are many. */
const acceptsMax = 4;
const lookMs = 500;
/** While something is parked that is tried again. */
const dueLookMs = 50;
const reportEveryMs = 5_000;
/** How many parked events a report names. */
const parkedShown = 20;
const commandWaitMs = 10_000;
const trimEveryMs = 3_600_000;
const stopWithinMs = 10_000;
/** Longer than any session is worked on: the SDK renews its lock until then. */
const renewForMs = 3_600_000;

/** Handles the events of a subscription of the bus until it is stopped. @throws ConfigurationError */
export function consumeEvents({
  subscription,
  handler,
  inbox: { url, schema },
  settings: given,
  sessionsMax = 16,
  batchMax = 100,
  handlerTimeoutMs = 25_000,
  attemptsMax = 12,
  retryFirstMs = 200,
  retryMaxMs = 10_000,
  acceptMs = 10_000,
  keepDays = 21,
  begin,
  reports = true,
  onHappening = warn,
}: ConsumerOptions): Consumer {
  requireSubscriptionName(subscription);
  const settings = given ?? requireSettings();
  const stopping = new AbortController();
  const pool = createPool({
    url,
    max: sessionsMax + 3,
    application_name: `aether-consumer-${subscription}`.slice(0, 63),
    connectionTimeoutMillis: 5_000,
    query_timeout: handlerTimeoutMs + 5_000,
    keepAlive: true,
  });
  pool.on('error', () => {}); // a connection at rest is gone: the next query opens another one
  const inbox = openInbox(pool, { subscription, handlerTimeoutMs, ...(schema !== undefined && { schema }) });
  const effects = collectEffects();
  /** Rings when a report should not wait. */
  const reportBell = createBell();
  const obeying = createObeying(inbox, async () => {
    // The report that has the answer says what the inbox is after it.
    seen = await inbox.look().catch(() => seen);
    inboxBell.ring();
    reportBell.ring();
  });
  const handling = createHandling({
    inbox,
    handler,
    policy: { attemptsMax, firstMs: retryFirstMs, maxMs: retryMaxMs },
    handlerTimeoutMs,
    onEffect: effects.add,
    onFailed(event, failure) {
      effects.add(event, failure.isDead ? 'dead' : 'retrying', failure.attempt);
      tell({ kind: 'event.failed', event, ...failure });
      inboxBell.ring();
    },
  });
  const reporter = reports ? openSender(() => openClient(settings), settings.topic) : undefined;
  const processName = `${
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .slice(0, 40) || 'process'
  }-${process.pid}-${randomBytes(2).toString('hex')}`;
  const started = Promise.withResolvers<void>();
  started.promise.catch(() => {}); // also told as a happening
  const sessions = new Set<Promise<void>>();
  /** How to end those that wait for a message, the longest idle first. */
  const idle = new Set<() => void>();
  /** Sessions that end because another one needs the place. */
  let leaving = 0;
  /** Rings when a session may be accepted again, when something has been parked, and at the end. */
  const placeBell = createBell();
  const inboxBell = createBell();
  const parkedBell = createBell();
  let client: ServiceBusClient | undefined;
  let seen: InboxState = { isPaused: false, pauseReason: null, parked: 0, dead: 0 };
  let handled = 0;
  let lagSeconds: number | undefined;
  /** The calls under way that ask for a session. Those of a client that was thrown away may not know it for long, and do not count. */
  const accepting = new Set<object>();
  let isBusy = false;
  let hasBegun = false;
  let failures = 0;
  let failed: unknown;
  /** Until then nothing is accepted. */
  let restsUntil = 0;

  function tell(happening: ConsumerHappening): void {
    try {
      onHappening(happening);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  /** The whole consumer rests: after the first failure for 200 ms, then doubling. Failures of several sessions at once count once. */
  function rest(error: unknown, sentence: string): void {
    if (stopping.signal.aborted || (restsUntil > performance.now() && failures > 0)) return;
    failures++;
    const forMs = error instanceof TargetUnavailable ? error.retryAfterMs : retryDelayMs(failures, 200, 10_000);
    restsUntil = performance.now() + forMs;
    if (failed === undefined || failures % 10 === 0) tell({ kind: 'consumer.failed', sentence, error });
    failed = error;
  }

  function recover(): void {
    failures = 0;
    if (failed === undefined) return;
    failed = undefined;
    tell({ kind: 'consumer.recovered' });
  }

  function throwClientAway(): void {
    const closing = client;
    client = undefined;
    closing?.close().catch(() => {});
    accepting.clear();
    placeBell.ring();
  }

  async function acceptOne(): Promise<void> {
    const startedAt = performance.now();
    client ??= openClient(settings, { timeoutInMs: acceptMs });
    const used = client;
    let receiver: ServiceBusSessionReceiver;
    const accepted = used.acceptNextSession(settings.topic, subscription, {
      maxAutoLockRenewalDurationInMs: renewForMs,
      skipParsingBodyAsJson: true,
      abortSignal: stopping.signal,
    });
    try {
      receiver = await within(accepted, acceptMs + acceptAnswerMs);
    } catch (error) {
      isBusy = false;
      // One that comes too late would keep its customer for as long as the SDK renews its lock.
      accepted.then((late) => late.close()).catch(() => {});
      if (stopping.signal.aborted) return;
      const { kind } = error as BusFailure;
      if (kind === 'idle') return;
      if (client === used || kind !== 'unreachable') refuse(error as BusFailure);
      return;
    }
    isBusy = performance.now() - startedAt < 1_000;
    const working = work(receiver, used).finally(() => {
      sessions.delete(working);
      placeBell.ring();
    });
    sessions.add(working);
  }

  async function work(receiver: ServiceBusSessionReceiver, from: ServiceBusClient): Promise<void> {
    let leave: (() => void) | undefined;
    let isLeaving = false;
    try {
      await workSession({
        receiver,
        handling,
        batchMax,
        isCrowded: () => placesTaken() >= sessionsMax && idle.size === 0,
        onIdle(end) {
          leave = () => {
            isLeaving = true;
            leaving++;
            end();
          };
          idle.add(leave);
          placeBell.ring();
        },
        onBusy() {
          if (leave) idle.delete(leave);
        },
        isStopping: () => stopping.signal.aborted || seen.isPaused,
        onHandled(events, fresh) {
          handled += fresh;
          const last = events.at(-1);
          if (last && fresh > 0) lagSeconds = Math.max(0, (Date.now() - last.occurredAt.getTime()) / 1000);
          recover();
          tell({ kind: 'events.handled', events, fresh });
        },
        onCommand: obeying.obey,
        onUnreadable: (message, error) =>
          tell({ kind: 'message.unreadable', messageId: String(message.messageId), error }),
      });
    } catch (error) {
      if (!(error instanceof BusFailure)) stand(error);
      // What was not completed comes again, and the inbox knows it.
      else if (error.kind === 'throttled') refuse(error);
      else if (error.kind !== 'lock-lost' && client === from) throwClientAway();
    } finally {
      if (leave) idle.delete(leave);
      if (isLeaving) leaving--;
    }
  }

  const placesTaken = () => sessions.size - leaving + accepting.size;

  /** Ends the session that has been idle for longest. */
  function makePlace(): void {
    const [leave] = idle;
    if (!leave) return;
    idle.delete(leave);
    leave();
  }

  /** Handling has failed, and not for one event's sake. */
  function stand(error: unknown): void {
    if (error instanceof ConsumerPaused) seen = { ...seen, isPaused: true };
    if (error instanceof ConsumerPaused || error instanceof SessionBusy) return;
    if (error instanceof HandlerTimeout) tell({ kind: 'consumer.failed', sentence: error.message, error });
    else if (error instanceof TargetUnavailable)
      rest(error, `The target of the handler is out of reach: ${error.message}`);
    else {
      const sentence = `The consumer's database does not take its effects: ${messageOf(error)}`;
      if (isSetting(error)) started.reject(new ConfigurationError(sentence));
      rest(error, sentence);
    }
  }

  /**
   * Whether the subscription is there, may be read and has sessions, which is known at once: without a message, accepting a session says nothing
   * for long. One that has sessions refuses a receiver without.
   */
  async function probe(): Promise<boolean> {
    client ??= openClient(settings, { timeoutInMs: acceptMs });
    const receiver = client.createReceiver(settings.topic, subscription);
    try {
      await within(receiver.receiveMessages(1, { maxWaitTimeInMs: 1 }));
      refuse(new BusFailure('misconfigured', 'A receiver without sessions was let in.'));
      return false;
    } catch (error) {
      if ((error as BusFailure).kind === 'misconfigured') return true;
      refuse(error as BusFailure);
      return false;
    } finally {
      receiver.close().catch(() => {}); // gives back what it may have received
    }
  }

  async function beginOnce(): Promise<void> {
    while (!hasBegun && !stopping.signal.aborted) {
      try {
        await begin?.();
        hasBegun = true;
      } catch (error) {
        rest(error, `The consumer cannot begin: ${error instanceof Error ? error.message : error}`);
        await sleep(Math.max(restsUntil - performance.now(), 50), undefined, { signal: stopping.signal }).catch(
          () => {},
        );
      }
    }
  }

  /** A call of the broker has failed. */
  function refuse(error: BusFailure): void {
    if (stopping.signal.aborted) return;
    const { kind } = error;
    if (kind === 'unauthorized' || kind === 'missing' || kind === 'misconfigured')
      started.reject(toConfigurationError(error, settings, subscription));
    if (kind === 'unreachable') throwClientAway();
    rest(error, describeBusFailure(error, settings, subscription));
  }

  async function accept(): Promise<void> {
    while (!stopping.signal.aborted && !(await probe()))
      await sleep(Math.max(restsUntil - performance.now(), 50), undefined, { signal: stopping.signal }).catch(() => {});
    await beginOnce();
    recover();
    started.resolve();
    while (!stopping.signal.aborted) {
      const wantsOne = !isAtRest() && accepting.size < (isBusy ? acceptsMax : 1);
      if (wantsOne && placesTaken() >= sessionsMax) makePlace();
      if (wantsOne && placesTaken() < sessionsMax) {
        const one = {};
        accepting.add(one);
        acceptOne()
          .catch((error) => refuse(toBusFailure(error)))
          .finally(() => {
            accepting.delete(one);
            placeBell.ring();
          });
      } else {
        const restMs = restsUntil - performance.now();
        await placeBell.next(restMs > 0 ? Math.min(restMs + 1, lookMs) : lookMs);
      }
    }
  }

  const isAtRest = () => stopping.signal.aborted || !hasBegun || seen.isPaused || performance.now() < restsUntil;

  /** Looks into the inbox: how much is parked, and whether somebody has paused the consumer. */
  async function lookAfter(): Promise<void> {
    let trimmedAt = Number.NEGATIVE_INFINITY;
    let isPrepared = false;
    while (!stopping.signal.aborted) {
      try {
        if (!isPrepared) {
          await inbox.prepare();
          isPrepared = true;
          prepared.resolve();
        }
        seen = await inbox.look();
        if (performance.now() - trimmedAt > trimEveryMs) {
          trimmedAt = performance.now();
          await inbox.trim(keepDays);
        }
      } catch (error) {
        stand(error);
      }
      parkedBell.ring();
      await inboxBell.next(lookMs);
    }
  }

  /** Tries what is parked when it is due. */
  async function workParked(): Promise<void> {
    while (!stopping.signal.aborted) {
      let hadDue = false;
      try {
        if (!isAtRest() && seen.parked > seen.dead) {
          hadDue = await handling.workParked(isAtRest);
          if (hadDue) seen = await inbox.look();
        }
      } catch (error) {
        stand(error);
      }
      if (!hadDue) await parkedBell.next(seen.parked > seen.dead ? dueLookMs : lookMs);
    }
  }

  /** While it is paused it reads nothing but orders: one of them may be to resume. Any other time they come as a session among others. */
  async function listenPaused(): Promise<void> {
    let waitMs = lookMs;
    while (!stopping.signal.aborted) {
      // If another process has the session, or there is no line, it asks less and less often: each time costs an operation.
      const isRefused = seen.isPaused && (await obeyPaused().catch(() => true));
      waitMs = isRefused ? Math.min(waitMs * 2, commandWaitMs) : lookMs;
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  async function obeyPaused(): Promise<void> {
    client ??= openClient(settings, { timeoutInMs: acceptMs });
    const options = {
      skipParsingBodyAsJson: true,
      maxAutoLockRenewalDurationInMs: renewForMs,
      abortSignal: stopping.signal,
    };
    const receiver = await within(
      client.acceptSession(settings.topic, subscription, commandSession, options),
      acceptMs + acceptAnswerMs,
    );
    try {
      while (seen.isPaused && !stopping.signal.aborted) {
        const asked = receiver.receiveMessages(10, { maxWaitTimeInMs: commandWaitMs, abortSignal: stopping.signal });
        for (const message of await within(asked, commandWaitMs + acceptAnswerMs)) {
          await obeying.obey(message);
          await within(receiver.completeMessage(message));
        }
        seen = await inbox.look();
      }
    } finally {
      await within(receiver.close()).catch(() => {});
    }
  }

  async function report(ends = false): Promise<void> {
    if (!reporter) return;
    const taken = effects.take();
    const parked = seen.parked > 0 ? await inbox.listParked(parkedShown, true).catch(() => []) : [];
    const { error } = await reporter.send([
      toReportMessage({
        subscription,
        process: processName,
        handled,
        parked: seen.parked,
        dead: seen.dead,
        paused: seen.isPaused,
        lag_seconds: lagSeconds,
        error: failed === undefined ? undefined : nameOf(failed),
        ends,
        effects: taken,
        parked_events: parked.map(({ id, type, session, state, attempts, error: text, parked_at }) => ({
          ...{ event: id, type, session, state, attempts, at: parked_at.toISOString() },
          // The class alone: the text may hold values.
          error: text === null ? null : (/^[A-Za-z0-9_.-]{1,60}/.exec(text)?.[0] ?? 'Error'),
        })),
        answers: obeying.answers(),
      }),
    ]);
    if (error !== undefined) effects.giveBack(taken);
  }

  async function reportOn(): Promise<void> {
    while (!stopping.signal.aborted) {
      await report();
      await reportBell.next(reportEveryMs);
    }
  }

  const prepared = Promise.withResolvers<void>();
  const looking = lookAfter();
  const working = prepared.promise.then(workParked);
  const listening = prepared.promise.then(listenPaused);
  const accepted = prepared.promise.then(accept);
  const reporting = reporter ? reportOn() : undefined;

  async function stop(): Promise<void> {
    stopping.abort();
    for (const bell of [placeBell, inboxBell, parkedBell, reportBell]) bell.ring();
    prepared.resolve();
    started.reject(new Error('The consumer was stopped before it was ready.'));
    const end = async () => {
      await Promise.all([looking, working, accepted, reporting, listening]);
      await Promise.all(sessions);
      await report(true).catch(() => {});
    };
    await Promise.race([end(), sleep(stopWithinMs, undefined, { ref: false })]);
    // Also when something of the above does not end: the broker then gives its session to another process.
    const closing = Promise.all([client?.close().catch(() => {}), reporter?.close(), pool.end()]);
    await Promise.race([closing, sleep(1_000, undefined, { ref: false })]);
  }

  const ready = Promise.all([prepared.promise, started.promise]).then(() => {});
  ready.catch(() => {}); // a caller that does not await it must not be ended by it
  let stopped: Promise<void> | undefined;
  return {
    ready,
    state: () => ({
      ...seen,
      sessions: sessions.size,
      handled,
      error: failed === undefined ? undefined : messageOf(failed),
    }),
    async pause(reason) {
      await inbox.pause(reason);
      seen = await inbox.look();
    },
    async resume() {
      await inbox.resume();
      seen = await inbox.look();
      placeBell.ring();
    },
    parked: { list: inbox.listParked, retry: inbox.retry, skip: inbox.skip },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

function requireSettings(): ServiceBusSettings {
  const settings = readServiceBusSettings(process.env);
  if (settings) return settings;
  throw new ConfigurationError(
    'A consumer needs SERVICEBUS_CONNECTION_STRING, or SERVICEBUS_NAMESPACE with Entra: see docs/configuration.md.',
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'Error');

/** The database refuses the login, or what the login wants to do: waiting does not help. */
const isSetting = (error: unknown): boolean =>
  /^(28...|3D000|3F000|42501)$/.test(String((error as { code?: unknown } | undefined)?.code));

/** Without a listener a failure is a warning of the process, so that none is silent. */
function warn(happening: ConsumerHappening): void {
  if (happening.kind === 'events.handled' || happening.kind === 'consumer.recovered') return;
  const { error } = happening;
  const words = 'sentence' in happening ? happening.sentence : String(error instanceof Error ? error.message : error);
  process.emitWarning(`${happening.kind}: ${words}`, { type: 'ConsumerWarning', code: happening.kind });
}
