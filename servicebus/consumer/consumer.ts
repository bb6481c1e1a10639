import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, createPool, TargetUnavailable } from '@aether/platform/log';
import { readServiceBusSettings, requireSubscriptionName, type ServiceBusSettings } from '../settings.ts';
import { type BusEvent, lanesMax as lanesOfTopicMax } from '../wire.ts';
import { type Begin, beginAtLast } from './beginning.ts';
import { createCondition } from './condition.ts';
import { createGate } from './gate.ts';
import { type BusHandler, createHandling } from './handling.ts';
import { type ConsumerHappening, warn } from './happenings.ts';
import { holdLanes } from './holding.ts';
import {
  ConsumerPaused,
  EffectsLost,
  HandlerTimeout,
  type Inbox,
  type InboxState,
  openInbox,
  SessionBusy,
} from './inbox.ts';
import { openLine } from './line.ts';
import { createObeying } from './obeying.ts';
import { listenWhilePaused } from './orders.ts';
import { createReporting, nameProcess } from './reporting.ts';
import { tendInbox } from './tending.ts';

/*
 * A consumer: an app that has no database in common with the platform, and gets its events from Service Bus.
 *
 * The model. The consumer holds lanes of the bus open (holding.ts) and works on what comes in each of them (lane.ts). A lane is in order, and a customer
 * is in one lane, so that the events of one customer come in order, whichever process holds the lane. Effects and deliveries commit together in the
 * consumer's own PostgreSQL (handling.ts, inbox.ts): what comes twice has one effect. A message is completed when its effect is on the disk.
 *
 * What each failure does:
 * - The process is killed, or a lane is lost: the broker gives the lane to another receiver, from the first message that is not completed on. The
 *   inbox drops those that are handled already.
 * - The handler throws for an event: it is parked in the consumer's database, with the later ones of its session, and tried again after 200 ms,
 *   doubling up to ten seconds. After `attemptsMax` it is dead, and waits for a person. Others of its lane pass.
 * - The handler throws TargetUnavailable, or the consumer's database is out of reach: the consumer rests. It keeps its lanes and what has come for a
 *   minute, then gives them back.
 * - The line to the broker drops, or an answer does not come in time: the line is thrown away and opened again.
 * - The consumer's database crashes, and takes back what was committed but not on the disk yet: its messages were not completed. The lane is given back
 *   to the broker, which sends them again; until then nothing that follows them in the lane is handled (`after` of the inbox).
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
  /** How many lanes this process holds at most; by default all that a topic may have, and one for orders. */
  lanesMax?: number;
  /** How many lanes are worked on at once; by default 16. Each takes a connection to the database while it is. */
  handlersMax?: number;
  /** How many events of a lane are one transaction at most; by default 100. */
  batchMax?: number;
  /** A handler that takes longer has failed; by default 25 seconds. */
  handlerTimeoutMs?: number;
  /** Of an event that fails; by default 12 attempts, the first again after 200 ms, then doubling up to ten seconds. */
  attemptsMax?: number;
  retryFirstMs?: number;
  retryMaxMs?: number;
  /**
   * Whether the handler gets replayed events although it has handled a later version of their row: then it compares versions itself, and
   * `isOutdated` says so. By default it does not get them. A dead letter that is sent again was never handled: it always gets it.
   */
  outdated?: 'skip' | 'hand over';
  /** How long one call waits for a lane with an event; by default ten seconds. If the line drops at the wrong moment, it is seen that late. */
  acceptMs?: number;
  /** How long the inbox knows what it has handled: longer than a message may live on the bus. By default 21 days. */
  keepDays?: number;
  /**
   * Called once, when the subscription is known to be there and before its first event is handled: for a snapshot, which misses nothing then. If
   * it fails, or takes longer than `beginTimeoutMs`, it is called again, and should go on where it was. It ends soon when its signal is aborted.
   */
  begin?: Begin;
  /** By default ten minutes. */
  beginTimeoutMs?: number;
  /** Whether it reports to Sync Health over the bus, which needs the right to send. By default it does. */
  reports?: boolean;
  /** Called for everything that happens, for a log or metrics; by default failures are warnings of the process. */
  onHappening?: (happening: ConsumerHappening) => void;
};

export type ConsumerState = InboxState & { lanes: number; handled: number; error: string | undefined };

export type Consumer = {
  /** Settles when the consumer's database is ready, Service Bus has answered, and `begin` is done. Rejects with what is wrong with its settings. */
  readonly ready: Promise<void>;
  /** Numbers of this process and of its inbox, and what is wrong at present. */
  state(): ConsumerState;
  /** For all processes of this consumer, until it is resumed. */
  pause(reason: string): Promise<void>;
  /** Ends a pause, for all processes of this consumer. */
  resume(): Promise<void>;
  /** What has failed and waits, and what can be done about it. */
  readonly parked: Pick<Inbox, 'retry' | 'skip'> & { list: Inbox['listParked'] };
  /** Settles when the batches under way are done, within ten seconds. */
  stop(): Promise<void>;
};

const stopWithinMs = 10_000;
/** How soon a rest is looked at again. */
const restLookMs = 100;
const restLeastMs = 50;
const lookMs = 500;
const meetEveryMs = 900;
/** While it cannot work it keeps a lane for so long: then another process may try. Each giving back counts as a delivery. */
const keepsLaneMs = 60_000;

/** Handles the events of a subscription of the bus until it is stopped. @throws ConfigurationError */
export function consumeEvents({
  subscription,
  handler,
  inbox: { url, schema },
  settings: given,
  lanesMax = lanesOfTopicMax + 1,
  handlersMax = 16,
  batchMax = 100,
  handlerTimeoutMs = 25_000,
  attemptsMax = 12,
  retryFirstMs = 200,
  retryMaxMs = 10_000,
  outdated = 'skip',
  acceptMs = 10_000,
  keepDays = 21,
  begin,
  beginTimeoutMs = 600_000,
  reports = true,
  onHappening = warn,
}: ConsumerOptions): Consumer {
  requireSubscriptionName(subscription);
  const settings = given ?? requireSettings();
  const { topic } = settings;
  const stopping = new AbortController();
  const { signal } = stopping;
  const pool = createPool({
    url,
    max: handlersMax + 4,
    application_name: `aether-consumer-${subscription}`.slice(0, 63),
    connectionTimeoutMillis: 5_000,
    query_timeout: handlerTimeoutMs + 5_000,
    keepAlive: true,
  });
  pool.on('error', () => {}); // a connection at rest is gone: the next query opens another one
  const inbox = openInbox(pool, { subscription, handlerTimeoutMs, ...(schema !== undefined && { schema }) });
  const processName = nameProcess();
  const started = Promise.withResolvers<void>();
  started.promise.catch(() => {}); // also told as a happening
  let hasBegun = false;
  let metAt = Number.NEGATIVE_INFINITY;
  const condition = createCondition(tell, signal);
  const isAtRest = () => signal.aborted || !hasBegun || tending.seen().isPaused || condition.restMs() > 0;
  const obeying = createObeying(inbox, async () => {
    // The report that has the answer says what the inbox is after it.
    await tending.look().catch(() => {});
    reporting.ring();
  });
  const reporting = createReporting({
    isOn: reports,
    settings,
    subscription,
    processName,
    inbox,
    stopping: signal,
    counts: () => ({
      parked: tending.seen().parked,
      dead: tending.seen().dead,
      paused: tending.seen().isPaused,
      error: condition.error() === undefined ? undefined : nameOf(condition.error()),
      answers: obeying.answers(),
    }),
  });
  const handling = createHandling({
    inbox,
    handler,
    policy: { attemptsMax, firstMs: retryFirstMs, maxMs: retryMaxMs },
    handlerTimeoutMs,
    outdated,
    onEffect(event, state, attempt) {
      reporting.effects.add(event, state, attempt);
      if (state === 'outdated') tell({ kind: 'event.outdated', event });
      if (state === 'waiting') tending.ring();
    },
    onFailed(event, failure) {
      reporting.effects.add(event, failure.isDead ? 'dead' : 'retrying', failure.attempt);
      tell({ kind: 'event.failed', event, ...failure });
      tending.ring();
    },
  });
  const line = openLine({
    settings,
    subscription,
    acceptMs,
    condition,
    stopping: signal,
    onSettingWrong: started.reject,
    onThrownAway: () => lanes.forgetCalls(),
  });
  const enter = createGate(handlersMax);
  const lanes = holdLanes({
    line,
    topic,
    subscription,
    lanesMax,
    batchMax,
    acceptMs,
    stopping: signal,
    isAtRest,
    restMs: condition.restMs,
    isPaused: () => tending.seen().isPaused,
    handle,
    keep,
    onCommand: obeying.obey,
    onUnreadable: (message, error) => tell({ kind: 'message.unreadable', messageId: String(message.messageId), error }),
  });
  const tending = tendInbox({
    inbox,
    handling,
    keepDays,
    stopping: signal,
    isAtRest,
    onError: stand,
    onPaused: lanes.giveUpAll,
    async onLook() {
      if (!hasBegun || performance.now() - metAt < meetEveryMs) return;
      metAt = performance.now();
      lanes.share(await inbox.meet(processName, { held: lanes.held(), asks: lanes.asks() }));
    },
  });

  function tell(happening: ConsumerHappening): void {
    try {
      onHappening(happening);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  /** Handles a batch of a lane. While the consumer cannot work, the batch waits here: given back, each of its messages would count a delivery. */
  async function handle(events: BusEvent[], isOver: () => boolean, after: string | undefined): Promise<void> {
    const keepsUntil = performance.now() + keepsLaneMs;
    for (;;) {
      while (condition.restMs() > 0 && !isOver()) await sleep(Math.min(condition.restMs() + 1, restLookMs));
      if (isOver()) throw new LaneOver();
      try {
        const fresh = await enter(() => handling.handle(events, after));
        reporting.note(events, fresh);
        condition.recover();
        tell({ kind: 'events.handled', events, fresh });
        return;
      } catch (error) {
        stand(error);
        const goesOn = error instanceof HandlerTimeout || performance.now() < keepsUntil;
        // One that did not come back is known by now: it is parked at the next try.
        if (error instanceof ConsumerPaused || error instanceof EffectsLost || !goesOn) throw error;
      }
    }
  }

  async function keep(delivery: string): Promise<void> {
    try {
      await inbox.keep(delivery);
    } catch (error) {
      stand(error);
      throw error;
    }
  }

  /** Handling has failed, and not for one event's sake. */
  function stand(error: unknown): void {
    if (error instanceof ConsumerPaused) tending.notePause();
    else if (error instanceof HandlerTimeout) tell({ kind: 'consumer.failed', sentence: error.message, error });
    else if (error instanceof TargetUnavailable)
      condition.rest(error, `The target of the handler is out of reach: ${error.message}`);
    else if (!(error instanceof SessionBusy)) {
      const sentence = `The consumer's database does not take its effects: ${messageOf(error)}`;
      if (isSetting(error)) started.reject(new ConfigurationError(sentence));
      condition.rest(error, sentence);
    }
  }

  async function start(): Promise<void> {
    await tending.prepared;
    while (!signal.aborted && !(await line.probe()))
      await sleep(Math.max(condition.restMs(), restLeastMs), undefined, { signal }).catch(() => {});
    if (begin && !(await beginAtLast(begin, { timeoutMs: beginTimeoutMs, condition, stopping: signal }))) return;
    hasBegun = true;
    condition.recover();
    started.resolve();
    await lanes.run();
  }

  const running = [
    start(),
    tending.run(),
    reporting.run(),
    listenWhilePaused({
      ...{ line, topic, subscription, acceptMs, stopping: signal, obeying, lookMs },
      isPaused: () => tending.seen().isPaused,
      look: tending.look,
    }),
  ];

  async function stop(): Promise<void> {
    stopping.abort();
    lanes.giveUpAll();
    lanes.ring();
    tending.ring();
    reporting.ring();
    started.reject(new Error('The consumer was stopped before it was ready.'));
    const end = async () => {
      await Promise.all(running);
      await lanes.ended();
      await inbox.part(processName).catch(() => {});
      await reporting.end();
    };
    await Promise.race([end(), sleep(stopWithinMs, undefined, { ref: false })]);
    // Also when something of the above does not end: the broker then gives its lanes to another process.
    const closing = Promise.all([line.close(), reporting.close(), pool.end()]);
    await Promise.race([closing, sleep(1_000, undefined, { ref: false })]);
  }

  const ready = Promise.all([tending.prepared, started.promise]).then(() => {});
  ready.catch(() => {}); // a caller that does not await it must not be ended by it
  let stopped: Promise<void> | undefined;
  return {
    ready,
    state: () => ({
      ...tending.seen(),
      lanes: lanes.held(),
      handled: reporting.handled(),
      error: condition.error() === undefined ? undefined : messageOf(condition.error()),
    }),
    async pause(reason) {
      await inbox.pause(reason);
      await tending.look();
    },
    async resume() {
      await inbox.resume();
      await tending.look();
      lanes.ring();
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

/** The lane was lost or the consumer stops while a batch waited: the broker gives it to another receiver. */
class LaneOver extends Error {}
