import type { Log } from '@aether/http';
import { checkSyncDatabase, readSyncSettings } from './settings.ts';
import { type Retention, startRetention } from './worker/retention.ts';
import { type SequencerNews, startSequencer } from './worker/sequencer.ts';

export * from './operations.ts';
export { dropOldEvents, type Retention } from './worker/retention.ts';

export type SyncWorker = {
  /** Gives up the leadership. Settles within three seconds, whether or not the database answers. */
  close(): Promise<void>;
};

export type SyncOptions = {
  /** The settings of docs/configuration.md; by default the process's environment. */
  variables?: Record<string, string | undefined>;
  /** Called when this worker leads, yields, falls behind or loses the database, and with the subscriptions that hold old events. */
  log?: Told;
};

type Told = Pick<Log, 'info' | 'warn' | 'error'>;

/**
 * Starts the worker: it numbers committed events and removes old ones. Run one worker, or several on several machines: one leads. It
 * refuses a wrong database as the apps' servers do.
 *
 * @throws ConfigurationError, DatabaseUnavailable
 */
export async function startSync({ variables = process.env, log = silent }: SyncOptions): Promise<SyncWorker> {
  const settings = readSyncSettings(variables);
  await checkSyncDatabase(settings);
  const url = settings.directUrl;
  const sequencer = startSequencer({
    url,
    onNews: (news) => logNews(log, news),
    onError: (error) => log.error({ err: error }, 'sequencer'),
  });
  const retention = startRetention({
    url,
    keepDays: settings.keepDays,
    onReport: (report) => logRetention(log, report),
    onError: (error) => log.error({ err: error }, 'retention'),
  });
  let closing: Promise<void> | undefined;
  return {
    close() {
      closing ??= Promise.all([retention.stop(), sequencer.stop()]).then(() => {});
      return closing;
    },
  };
}

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
      log.error({ err: news.error }, 'disconnected: the database is out of reach; trying again');
      break;
  }
}

function logRetention(log: Told, { dropped, stays, holders }: Retention): void {
  for (const { first, last } of dropped) log.info({ first, last }, 'old events removed');
  if (stays !== 'held') return;
  const subscriptions = holders.map(({ name, behind, parked }) => ({ subscription: name, behind, parked }));
  log.warn({ subscriptions }, 'old events are kept for subscriptions that are behind');
}
