import type { CacheState } from './cache.ts';
import type { CrossAppReads } from './crossapp.ts';
import type { EventBus } from './log/bus.ts';
import { type Client, openClient } from './log/client.ts';
import type { Connection } from './log/connection.ts';
import { beatAnswerMs, type Heartbeat, type Report, startHeartbeat } from './log/heartbeat.ts';
import { countLatencies } from './log/latencies.ts';
import type { Settings } from './log/settings.ts';

/** A part that says something of itself: `turns` counts what it has done, so that the console knows how old that is. */
export type Part = { turns?: number; says: Record<string, unknown> };

export type AppHeartbeat = Heartbeat & {
  /** Adds a part to the report, such as the keys of the identity provider. */
  report(name: string, read: () => Part | undefined): void;
};

/** A process that uses platformDb for less than this sends no heartbeat. */
const firstMs = 1_000;

/**
 * The heartbeat of a process that uses platformDb: pool, feed, cache, subscriptions, statements, and what its app adds. It goes through the
 * pool; while all connections of the pool are in use, it goes through one of its own, so that a process that is busy is not silent.
 */
export function startAppHeartbeat(
  connection: Connection,
  {
    settings,
    events,
    cacheState,
    crossAppReads,
    migration,
    everyMs,
  }: {
    settings: Settings;
    events: EventBus;
    cacheState: () => CacheState | undefined;
    crossAppReads: CrossAppReads;
    /** The newest migration that this version relies on: so the console knows a process of an old one. */
    migration: number;
    everyMs?: number | undefined;
  },
): AppHeartbeat {
  const parts = new Map<string, () => Part | undefined>();
  const latencies = countLatencies();
  const unwatch = connection.watchQueries((seconds) => latencies.count(seconds * 1_000));
  let own: Client | undefined;

  async function closeOwn(): Promise<void> {
    const closing = own;
    own = undefined;
    await closing?.end().catch(() => {});
  }

  async function sendAlone(text: string, values: unknown[]): Promise<unknown> {
    if (!own) {
      const opened = await openClient({
        url: settings.url,
        application_name: `aether-${connection.app}-heartbeat`,
        connectionTimeoutMillis: beatAnswerMs,
        query_timeout: beatAnswerMs,
        keepAlive: true,
      });
      opened.on('error', () => {
        if (own === opened) own = undefined;
      });
      own = opened;
    }
    return own.query(text, values).catch(async (error) => {
      await closeOwn();
      throw error;
    });
  }

  function read(): Report {
    const { max, inUse, waiting } = connection.poolState();
    const cache = cacheState();
    const subscriptions = Object.entries(events.progress());
    const given = [...parts].flatMap(([name, read]) => {
      const part = read();
      return part ? [{ name, part }] : [];
    });
    const { lookup, context, timeline } = crossAppReads.counts();
    return {
      library: { migration },
      pool: { max, in_use: inUse, waiting },
      feed: { state: events.feedState() },
      ...(cache && { cache: { mode: cache.mode, reason: cache.reason } }),
      ...connection.certificate(),
      ...Object.fromEntries(given.map(({ name, part }) => [name, part.says])),
      subscriptions: Object.fromEntries(
        subscriptions.map(([name, { failures, error }]) => [name, { failures, error }]),
      ),
      counters: {
        ...latencies.counters(),
        cross_app_lookup: lookup,
        cross_app_context: context,
        cross_app_timeline: timeline,
        ...(cache && { cache_hits: cache.hits, cache_misses: cache.misses }),
      },
      turns: {
        ...Object.fromEntries(subscriptions.map(([name, { turns }]) => [`subscription:${name}`, turns])),
        ...Object.fromEntries(
          given.flatMap(({ name, part }) => (part.turns === undefined ? [] : [[name, part.turns]])),
        ),
      },
    };
  }

  const heartbeat = startHeartbeat({
    async send(text, values) {
      const { max, inUse } = connection.poolState();
      if (inUse >= max) return sendAlone(text, values);
      await closeOwn();
      return connection.query(text, values, { timeoutMs: beatAnswerMs });
    },
    read,
    firstMs: Math.min(firstMs, everyMs ?? firstMs),
    ...(everyMs !== undefined && { everyMs }),
  });
  return {
    process: heartbeat.process,
    report: (name, read) => void parts.set(name, read),
    async stop() {
      unwatch();
      await heartbeat.stop();
      await closeOwn();
    },
  };
}
