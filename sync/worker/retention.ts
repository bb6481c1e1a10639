import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

/** Who still needs events of a partition: so many to come, so many parked. */
export type Holder = { name: string; behind: number; parked: number };

export type Retention = {
  /** The first and the last position of each partition that was dropped. */
  dropped: { first: number; last: number; cut: Holder[] }[];
  /**
   * Why the oldest partition that is left stays: it is young, or has the newest event, or subscriptions hold it (`holders`), or
   * somebody reads it at present (`busy`: ask again).
   */
  stays: 'young' | 'newest' | 'held' | 'busy';
  holders: Holder[];
};

export type RetentionOptions = {
  keepDays: number;
  /** Subscriptions that lose what they have not handled; each must be named, and is told of in `cut`. */
  force?: string[];
};

type Attempt = {
  outcome: 'dropped' | Retention['stays'];
  first: number;
  last: number;
  holders: Holder[] | null;
};

/**
 * Drops whole partitions of the log, the oldest first, as long as all of their events are older than so many days and no
 * subscription needs one: a subscription that is behind holds its partition and is reported, it is never cut silently.
 *
 * @param client as sync_app.
 * @throws when `force` names a subscription that there is not.
 */
export async function dropOldEvents(
  client: pg.ClientBase,
  { keepDays, force = [] }: RetentionOptions,
): Promise<Retention> {
  await requireSubscriptions(client, force);
  const dropped: Retention['dropped'] = [];
  for (;;) {
    const { outcome, first, last, holders } = await dropOldest(client, keepDays, force);
    if (outcome !== 'dropped') return { dropped, stays: outcome, holders: holders ?? [] };
    dropped.push({ first, last, cut: holders ?? [] });
  }
}

async function dropOldest(client: pg.ClientBase, keepDays: number, force: string[]): Promise<Attempt> {
  const { rows } = await client.query<Attempt>(
    `select outcome, first::float8 as first, last::float8 as last, holders
     from sync.drop_oldest_partition(make_interval(secs => $1::float8 * 86400), $2)`,
    [keepDays, force],
  );
  return rows[0] as Attempt;
}

async function requireSubscriptions(client: pg.ClientBase, names: string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select asked.name from unnest($1::text[]) as asked (name) where not exists (select from sync.subscriptions s where s.name = asked.name)',
    [names],
  );
  if (rows[0])
    throw new Error(`There is no subscription ${rows[0].name} to cut: \`aether events subscriptions\` lists them.`);
}

export type RetentionWorker = { stop(): Promise<void> };

/**
 * Looks after the log every so often until it is stopped. Any number of workers may: of two at once, one finds it busy.
 *
 * @param onReport told of every look; a subscription that holds what is old stands in `holders`.
 */
export function startRetention({
  url,
  keepDays,
  everyMs = 3_600_000,
  busyRetryMs = 60_000,
  onReport,
  onError,
}: {
  /** As sync_app. */
  url: string;
  keepDays: number;
  everyMs?: number;
  busyRetryMs?: number;
  onReport: (report: Retention) => void;
  onError: (error: unknown) => void;
}): RetentionWorker {
  const stopping = new AbortController();

  /** @returns when to look again */
  async function look(): Promise<number> {
    const client = new pg.Client({ connectionString: url, application_name: 'aether-retention' });
    client.on('error', () => {}); // the query under way reports it
    try {
      await client.connect();
      const report = await dropOldEvents(client, { keepDays });
      onReport(report);
      return report.stays === 'busy' ? Math.min(busyRetryMs, everyMs) : everyMs;
    } catch (error) {
      onError(error);
      return Math.min(busyRetryMs, everyMs);
    } finally {
      await client.end().catch(() => {});
    }
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      const restMs = await look();
      await wait(restMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
