import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceBusClient } from '@azure/service-bus';
import { openAdmin, openClient } from '../client.ts';
import { toCommandMessage } from '../commands.ts';
import { type DeadLetter, listDeadLetters, resubmitDeadLetters } from '../deadletters.ts';
import { type ConsumerReport, readReport, reportsSubscription } from '../reports.ts';
import type { ServiceBusSettings } from '../settings.ts';
import { within } from '../within.ts';
import type { Ledger, Letter, Order } from './ledger.ts';
import { openSender } from './sending.ts';

/*
 * What the relay tells Sync Health of the consumers: how many messages wait in each subscription and how many are dead letters, as the broker
 * counts them (with the right to manage), since when the oldest waits, and what the consumers' processes report. Each part that cannot be had is left out.
 */

export type ConsumerView = {
  waiting?: number;
  dead_letters?: number;
  oldest_seconds?: number;
  /** Processes that have reported lately. */
  processes?: number;
  /** Since the last report, if no process reports any more. */
  silent_seconds?: number;
  parked?: number;
  dead?: number;
  lag_seconds?: number;
  paused?: boolean;
  error?: string;
};

export type ConsumerWatch = {
  consumers(): Record<string, ConsumerView>;
  stop(): Promise<void>;
};

/** A process that has not reported for so long is silent. Reports come every five seconds. */
const silentAfterMs = 20_000;
/** A process that has been silent for so long is forgotten if another one of its consumer reports, and after a day otherwise. */
const forgottenAfterMs = 60_000;
const goneAfterMs = 86_400_000;
/** So many subscriptions fit into a heartbeat. */
const shownMax = 40;
/** How many dead letters of a consumer are shown. */
const lettersMax = 100;
/** Of each of its words. */
const letterBytesMax = 128;
const ordersEveryMs = 1_000;
/** After an order the reports are read at once for so long: one of them has the answer. */
const answersMs = 30_000;
const forgetEveryMs = 600_000;

type Heard = { at: number; report: NonNullable<ReturnType<typeof readReport>> };

export function watchConsumers({
  settings,
  everyMs = 10_000,
  isActive,
  ledger,
}: {
  settings: ServiceBusSettings;
  everyMs?: number | undefined;
  /** Only the worker that relays asks. */
  isActive: () => boolean;
  /** Where it is written down, and what operators order. */
  ledger: Ledger;
}): ConsumerWatch {
  const stopping = new AbortController();
  const counts = new Map<string, ConsumerView>();
  const heard = new Map<string, Map<string, Heard>>();
  const admin = openAdmin(settings);
  const sender = openSender(() => openClient(settings), settings.topic);
  let client: ServiceBusClient | undefined;
  let hearing: Promise<void> | undefined;
  let awaitsAnswersUntil = 0;
  let forgotAt = Number.NEGATIVE_INFINITY;

  async function count(): Promise<void> {
    const found = new Set<string>();
    for await (const one of admin.listSubscriptionsRuntimeProperties(settings.topic, {
      abortSignal: stopping.signal,
    })) {
      if (one.subscriptionName === reportsSubscription) continue;
      found.add(one.subscriptionName);
      const oldestSeconds = one.activeMessageCount > 0 ? await readOldest(one.subscriptionName) : undefined;
      counts.set(one.subscriptionName, {
        waiting: one.activeMessageCount,
        dead_letters: one.deadLetterMessageCount,
        ...(oldestSeconds !== undefined && { oldest_seconds: oldestSeconds }),
      });
      const letters =
        one.deadLetterMessageCount > 0 ? await listDeadLetters(settings, one.subscriptionName, lettersMax) : [];
      await ledger.keepConsumer(one.subscriptionName, { letters: letters.map(toLetter) });
    }
    for (const name of counts.keys()) if (!found.has(name)) counts.delete(name);
  }

  async function readOldest(subscription: string): Promise<number | undefined> {
    client ??= openClient(settings);
    const receiver = client.createReceiver(settings.topic, subscription);
    try {
      const [oldest] = await within(receiver.peekMessages(1));
      const enqueuedAt = oldest?.enqueuedTimeUtc?.getTime();
      return enqueuedAt === undefined ? undefined : Math.max(0, Math.round((Date.now() - enqueuedAt) / 1000));
    } catch {
      return undefined;
    } finally {
      receiver.close().catch(() => {});
    }
  }

  async function writeDown(report: ConsumerReport): Promise<void> {
    const { subscription, ends, effects, answers } = report;
    if (!ends) await ledger.keepConsumer(subscription, { report });
    await ledger.keepEffects(subscription, effects);
    for (const { order, ...outcome } of answers)
      await ledger.settle(order, subscription, outcome.refused === undefined ? 'done' : 'failed', outcome);
  }

  /** Does what operators have ordered, or passes it on to the consumer. */
  async function obey(): Promise<void> {
    const orders = await ledger.takeOrders();
    for (const order of orders) {
      const error = await carryOut(order).catch((thrown) => thrown as Error);
      if (error)
        await ledger.settle(order.id, order.consumer, 'failed', { count: 0, refused: error.message.slice(0, 300) });
    }
    if (orders.length > 0) awaitsAnswersUntil = performance.now() + answersMs;
    if (performance.now() < awaitsAnswersUntil) await hearOnce();
  }

  async function carryOut({ id, consumer, act, scope, reason }: Order): Promise<Error | undefined> {
    if (act === 'resubmit') {
      const sent = await resubmitDeadLetters(settings, consumer, scope.numbers);
      await ledger.settle(id, consumer, 'done', { count: sent });
      await count();
      return undefined;
    }
    const { session, event } = scope;
    const command = { order: id, act, session, event, reason: reason ?? undefined };
    const { error } = await sender.send([toCommandMessage(consumer, command)]);
    return error === undefined ? undefined : (error as Error);
  }

  /** Reads the reports that have come. They live for a minute, so that none pile up while nobody reads. */
  function hearOnce(): Promise<void> {
    hearing ??= hear()
      .catch(() => {
        client?.close().catch(() => {});
        client = undefined;
      })
      .finally(() => {
        hearing = undefined;
      });
    return hearing;
  }

  async function hear(): Promise<void> {
    client ??= openClient(settings);
    const receiver = client.createReceiver(settings.topic, reportsSubscription, { receiveMode: 'receiveAndDelete' });
    try {
      const messages = await within(receiver.receiveMessages(200, { maxWaitTimeInMs: 500 }));
      for (const message of messages) {
        const report = readReport(message);
        if (!report) continue;
        const of = heard.get(report.subscription) ?? new Map<string, Heard>();
        heard.set(report.subscription, of.set(report.process, { at: performance.now(), report }));
        await writeDown(report);
      }
    } finally {
      receiver.close().catch(() => {});
    }
  }

  function forget(): void {
    const now = performance.now();
    for (const [subscription, processes] of heard) {
      const hasLive = [...processes.values()].some(({ at }) => now - at < silentAfterMs);
      for (const [process, { at, report }] of processes)
        if (report.ends || now - at > (hasLive ? forgottenAfterMs : goneAfterMs)) processes.delete(process);
      if (processes.size === 0) heard.delete(subscription);
    }
  }

  function view(name: string): ConsumerView {
    const all = [...(heard.get(name)?.values() ?? [])];
    const now = performance.now();
    const live = all.filter(({ at }) => now - at < silentAfterMs);
    const last = Math.max(...all.map(({ at }) => at));
    const newest = all.sort((one, other) => other.at - one.at)[0]?.report;
    return {
      ...counts.get(name),
      processes: live.length,
      ...(all.length > 0 && live.length === 0 && { silent_seconds: Math.round((now - last) / 1000) }),
      // What is parked is in the consumer's database, which all of its processes share.
      ...(newest && { parked: newest.parked, dead: newest.dead, paused: newest.paused }),
      ...(newest?.lag_seconds !== undefined && { lag_seconds: newest.lag_seconds }),
      ...(newest?.error !== undefined && { error: newest.error }),
    };
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      if (isActive()) {
        // Each may be refused for itself: a relay that may only send has no counts.
        await count().catch(() => counts.clear());
        await hearOnce();
        forget();
        if (performance.now() - forgotAt > forgetEveryMs) {
          forgotAt = performance.now();
          await ledger.forget().catch(() => {});
        }
      }
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();

  const obeying = (async () => {
    while (!stopping.signal.aborted) {
      // The database is the relay's: it says itself when that does not answer.
      if (isActive()) await obey().catch(() => {});
      await sleep(ordersEveryMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();

  return {
    consumers() {
      const names = [...new Set([...counts.keys(), ...heard.keys()])].sort().slice(0, shownMax);
      return Object.fromEntries(names.map((name) => [name, view(name)]));
    },
    async stop() {
      stopping.abort();
      const closing = client;
      client = undefined;
      const ended = Promise.all([running, obeying, closing?.close().catch(() => {}), sender.close()]);
      await Promise.race([ended, sleep(1_000, undefined, { ref: false })]);
    },
  };
}

/** The description is left out: it may hold what the message held. */
const toLetter = ({ number, messageId, type, session, reason, enqueuedAt }: DeadLetter): Letter => ({
  number,
  id: storable(messageId),
  type: type === undefined ? null : storable(type),
  session: session === undefined ? null : storable(session),
  reason: reason === undefined ? null : storable(reason),
  at: enqueuedAt?.toISOString() ?? null,
});

/** Such a message may be a dead letter because no database stores its id: it is shown with other characters in their place. */
const storable = (text: string): string =>
  Buffer.from(text.replaceAll(/\p{Cc}/gu, '?'))
    .subarray(0, letterBytesMax)
    .toString();
