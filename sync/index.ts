import { setTimeout as sleep } from 'node:timers/promises';
import { createLog, type Log, openMetrics } from '@aether/http';
import { PlatformError } from '@aether/platform';
import { DatabaseUnavailable, openConnection, translateRefusal } from '@aether/platform/log';
import { readServiceBusSettings } from '@aether/servicebus/settings';
import { startAlerting } from './alerts/alerting.ts';
import { readAlertSettings } from './alerts/settings.ts';
import { detectionName, startDetection } from './duplicates/detection.ts';
import { queueImports } from './duplicates/fromimports.ts';
import { publishChecks } from './health/measures.ts';
import { startQualityScans } from './quality/scanning.ts';
import { checkSyncDatabase, readSyncSettings, requireMigrations, WorkerTooOld } from './settings.ts';
import { readWebhookNetworks, requireWebhookUrl } from './webhooks/networks.ts';
import { startWebhooks } from './webhooks/webhooks.ts';
import { startBulk } from './worker/bulk.ts';
import { startCleanUps } from './worker/cleanups.ts';
import { startWorkerHeartbeat } from './worker/heartbeat.ts';
import { startImports } from './worker/imports.ts';
import { measureSequencer } from './worker/measures.ts';
import { startMonitor } from './worker/monitor.ts';
import { serveProbes } from './worker/probes.ts';
import { type Retention, startRetention } from './worker/retention.ts';
import { type SequencerNews, startSequencer } from './worker/sequencer.ts';
import { tellRarely } from './worker/telling.ts';

export * from './alerts/alerts.ts';
export { type Ask, evaluateHealth } from './health/evaluation.ts';
export {
  type Check,
  type Health,
  type Status,
  sayHealth,
  sortChecks,
  statuses,
  toHealth,
  worstOf,
} from './health/health.ts';
export { type Range, ranges, readSeries, type Series, type SeriesAnswer } from './health/series.ts';
export { OperationRefused, type Refusal } from './operations/acting.ts';
export { type Cause, listCauses } from './operations/causes.ts';
export {
  type ConsumerAct,
  type ConsumerStatus,
  listConsumers,
  type OrderScope,
  orderOfConsumer,
  readOrder,
} from './operations/consumers.ts';
export { type FailedEvent, type FailedFilter, listFailed, readStopped } from './operations/failed.ts';
export { type LoggedEvent, readHead, readWaitingSeconds, showEvent } from './operations/log.ts';
export {
  countDead,
  listParked,
  type Outcome,
  outcomes,
  type ParkedEvent,
  type ParkedState,
  redrive,
  skip,
} from './operations/parked.ts';
export { previewReplay, type Replay, type ReplayPreview, replay } from './operations/replaying.ts';
export {
  confirmRun,
  type FailureFilter,
  freezeFailures,
  freezeFindings,
  listRuns,
  type Run,
  readRun,
  steerRun,
} from './operations/runs.ts';
export { type EventFilter, readEvents, searchEvents } from './operations/searching.ts';
export {
  countedMax,
  listSubscriptions,
  pause,
  remove,
  resume,
  type SubscriptionStatus,
} from './operations/subscriptions.ts';
export {
  addWebhook,
  changeWebhook,
  disableWebhook,
  enableWebhook,
  listAttempts,
  listWebhooks,
  removeWebhook,
  rotateWebhook,
  testWebhook,
  type WebhookAttempt,
  type WebhookStatus,
} from './operations/webhooks.ts';
export { dropOldEvents, type Retention } from './worker/retention.ts';
export { readWebhookNetworks, requireWebhookUrl };

export type SyncWorker = {
  /**
   * Settles with the reason if the database refuses this version while the worker runs: a migration has run that breaks it. Then the worker
   * has given up the leadership and numbers and removes nothing more. It never settles otherwise.
   */
  refused: Promise<Error>;
  /** Gives up the leadership. Settles within six seconds, whether or not the database answers. */
  close(): Promise<void>;
};

export type SyncOptions = {
  /** The settings of docs/configuration.md; by default the process's environment. */
  variables?: Record<string, string | undefined>;
  /** Called when this worker leads, yields, falls behind or loses the database, and with the subscriptions that hold old events. */
  log?: Told;
  /** It is a process of its own: LISTEN_HOST and PORT of its environment say where it answers probes. */
  ownProcess?: boolean;
  /** How often the worker looks for a migration that breaks it. */
  checkMs?: number;
};

/** A question that the database has not answered by then is given up. */
const askMs = 5_000;
const closeMs = 500;

type Told = Pick<Log, 'info' | 'warn' | 'error'>;

/**
 * Starts the worker: it numbers committed events, removes old ones, does the bulk work on failures and the work of imports, finds duplicates
 * and fills their queue, delivers webhooks, and relays events to Service Bus if that is configured. Run one worker, or several on several machines: one leads. It refuses a wrong database as the apps' servers do.
 *
 * @throws ConfigurationError, DatabaseUnavailable
 */
export async function startSync({
  variables = process.env,
  log = silent,
  ownProcess = false,
  checkMs = 5_000,
}: SyncOptions): Promise<SyncWorker> {
  const settings = readSyncSettings(variables, { ownProcess });
  const alertSettings = readAlertSettings(variables);
  const busSettings = readServiceBusSettings(variables);
  const networks = readWebhookNetworks(variables);
  await checkSyncDatabase(settings);
  // Loaded only where it is configured: the SDK takes a second.
  const bus = busSettings && (await import('@aether/servicebus'));
  const metrics = await openMetrics('aether-sync', variables, log);
  const url = settings.directUrl;
  const monitor = startMonitor({ url, onError: (error) => log.error({ err: error }, 'monitor') });
  const probes =
    settings.probes.port === undefined
      ? undefined
      : await serveProbes({
          port: settings.probes.port,
          host: settings.probes.host,
          log: createLog('sync'),
          async check() {
            if (monitor.health()) return;
            const refusal = translateRefusal(monitor.failure());
            throw refusal instanceof PlatformError ? refusal : new DatabaseUnavailable(refusal);
          },
        }).catch(async (error) => {
          await Promise.all([monitor.stop(), metrics?.close()]);
          throw error;
        });
  const sequencer = startSequencer({
    url,
    onNews: (news) => logNews(log, news),
    onError: (error) => log.error({ err: error }, 'sequencer'),
  });
  const unmeasure = metrics && measureSequencer(metrics, sequencer);
  let looked: Looked = { turns: 0, holders: [] };
  const retention = startRetention({
    url,
    keepDays: settings.keepDays,
    onReport(report) {
      looked = { turns: looked.turns + 1, stays: report.stays, holders: report.holders };
      logRetention(log, report);
    },
    onError: tellRarely(log, 'retention'),
  });
  const quality = startQualityScans({ url, waitFor: sequencer.caughtUp, onError: tellRarely(log, 'data quality') });
  const bulk = startBulk({ url, onError: tellRarely(log, 'bulk work on failures') });
  const cleanUps = startCleanUps({
    url: variables.PRIVACY_APP_URL,
    onError: tellRarely(log, 'clean-up of erasures'),
  });
  const imports = startImports({ url, onError: tellRarely(log, 'imports') });
  const duplicates = queueImports({ url, onError: tellRarely(log, 'duplicates of imports') });
  const detection = startDetection({
    database: settings,
    waitFor: sequencer.caughtUp,
    isStream: sequencer.isStream,
    onError: tellRarely(log, 'detection of duplicates'),
  });
  const webhooks = startWebhooks({
    database: settings,
    networks,
    onError: tellRarely(log, 'webhooks'),
  });
  const relay = bus && busSettings && bus.startRelay({ settings: busSettings, database: settings, log });
  const connection = openConnection('sync', {
    ...settings,
    url,
    pooler: 'none',
    poolMax: 1,
    queryTimeoutMs: askMs,
    searchPath: 'sync,platform',
  });
  const ask = (text: string, values?: unknown[]) => connection.query(text, values);
  const stopAlerting = await startAlerting({ ask, settings: alertSettings, log, metrics });
  const heartbeat = startWorkerHeartbeat({
    url,
    read() {
      const { role, head, looks } = sequencer.state();
      const { turns, stays, holders } = looked;
      // Of the worker that relays only: one that stands by would hide its failures.
      const relayed = relay?.report();
      const { turns: relayTurns = 0, failures = 0, error } = relay?.progress() ?? {};
      const detected = detection.progress();
      const hooks = Object.entries(webhooks.progress()).slice(0, webhooksMax);
      return {
        ...(bus && relayed && { bus: relayed }),
        subscriptions: {
          [detectionName]: { failures: detected.failures, error: detected.error },
          ...Object.fromEntries(hooks.map(([name, { failures, error }]) => [name, { failures, error }])),
          ...(bus && relayed && { [bus.relayName]: { failures, error } }),
        },
        sequencer: { role, head },
        retention: {
          keep_days: settings.keepDays,
          stays,
          holders: holders.slice(0, holdersMax).map(({ name }) => name),
        },
        clean_ups: cleanUps.state(),
        turns: {
          sequencer: looks,
          monitor: monitor.state().turns,
          ...(turns > 0 && { retention: turns }),
          [`subscription:${detectionName}`]: detected.turns,
          ...Object.fromEntries(hooks.map(([name, { turns }]) => [`subscription:${name}`, turns])),
          ...(bus && relayed && { [`subscription:${bus.relayName}`]: relayTurns }),
        },
      };
    },
  });
  const closed = new AbortController();
  if (metrics) void publishChecks(metrics, ask, closed.signal);
  let closing: Promise<void> | undefined;
  function close(): Promise<void> {
    closed.abort();
    closing ??= (async () => {
      await Promise.all([
        probes?.close(),
        stopAlerting(),
        quality.stop(),
        bulk.stop(),
        cleanUps.stop(),
        imports.stop(),
        duplicates.stop(),
        detection.stop(),
        webhooks.stop(),
        relay?.stop(),
        retention.stop(),
        sequencer.stop(),
        monitor.stop(),
        heartbeat.stop(),
      ]);
      await Promise.all([metrics?.close(), connection.close(closeMs)]);
      unmeasure?.();
    })();
    return closing;
  }
  const { promise: refused, resolve: refuse } = Promise.withResolvers<Error>();
  void untilTooOld(connection, checkMs, closed.signal).then(async (reason) => {
    if (!reason) return;
    log.error({ err: reason }, 'refused: this worker numbers no more events');
    await close();
    refuse(reason);
  });
  return { refused, close };
}

/**
 * Looks again and again, as the apps do at /readyz, on a connection that is there. What the login may do was checked at the start; a database out of
 * reach is left to the sequencer, which reports it.
 */
async function untilTooOld(
  connection: Parameters<typeof requireMigrations>[0],
  everyMs: number,
  signal: AbortSignal,
): Promise<WorkerTooOld | undefined> {
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return undefined;
    try {
      await requireMigrations(connection);
    } catch (error) {
      if (error instanceof WorkerTooOld) return error;
    }
  }
  return undefined;
}

/** What retention found at its last look. */
type Looked = { turns: number; stays?: Retention['stays']; holders: Retention['holders'] };

/** Subscriptions that a heartbeat names: a report is small. */
const holdersMax = 20;
/** Webhooks of which a heartbeat says how they get on. */
const webhooksMax = 60;

const silent = { info() {}, warn() {}, error() {} };

function logNews(log: Told, news: SequencerNews): void {
  switch (news.kind) {
    case 'leads':
      log.info({ term: news.term }, 'leads: this worker numbers events');
      break;
    case 'stands by':
      log.info('stands by: another worker numbers events');
      break;
    case 'yields':
      log.info({ term: news.term, reason: news.reason }, 'yields: this worker numbers no more events');
      break;
    case 'falls behind':
      log.warn({ forMs: news.forMs }, 'falls behind: events are committed faster than they are numbered');
      break;
    case 'catches up':
      log.info('catches up: every committed event is numbered');
      break;
    case 'disconnected':
      log.error({ err: news.error }, 'disconnected: the database is out of reach, or refuses to number; trying again');
      break;
  }
}

function logRetention(log: Told, { dropped, stays, holders }: Retention): void {
  for (const { first, last } of dropped) log.info({ first, last }, 'old events removed');
  if (stays !== 'held') return;
  const subscriptions = holders.map(({ name, behind, parked }) => ({ subscription: name, behind, parked }));
  log.warn({ subscriptions }, 'old events are kept for subscriptions that are behind');
}
