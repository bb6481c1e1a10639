import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceBusClient } from '@azure/service-bus';
import { openAdmin, openClient } from '../client.ts';
import { readReport, reportsSubscription } from '../reports.ts';
import type { ServiceBusSettings } from '../settings.ts';
import { within } from '../within.ts';

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

type Heard = { at: number; report: NonNullable<ReturnType<typeof readReport>> };

export function watchConsumers({
  settings,
  everyMs = 10_000,
  isActive,
}: {
  settings: ServiceBusSettings;
  everyMs?: number | undefined;
  /** Only the worker that relays asks. */
  isActive: () => boolean;
}): ConsumerWatch {
  const stopping = new AbortController();
  const counts = new Map<string, ConsumerView>();
  const heard = new Map<string, Map<string, Heard>>();
  const admin = openAdmin(settings);
  let client: ServiceBusClient | undefined;

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

  /** Reads the reports that have come. They live for a minute, so that none pile up while nobody reads. */
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
        await hear().catch(() => {
          client?.close().catch(() => {});
          client = undefined;
        });
        forget();
      }
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
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
      const ended = Promise.all([running, closing?.close().catch(() => {})]);
      await Promise.race([ended, sleep(1_000, undefined, { ref: false })]);
    },
  };
}
