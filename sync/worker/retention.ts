import { setTimeout as wait } from 'node:timers/promises';
import { rowsOf, type Sql } from '../sql.ts';
import { createLine, type Line } from './line.ts';

/** A subscription that needs events of a range: so many unread, so many parked. */
export type Holder = { name: string; behind: number; parked: number };

/** Positions that are gone. `cut` names the subscriptions that were made to lose events among them. */
export type Gone = { first: number; last: number; cut: Holder[] };

export type Retention = {
  /** The first and the last position of each partition that was dropped, and of each range whose rows were deleted. */
  dropped: Gone[];
  /**
   * Why the oldest remaining event stays: it is young (or there is none, or its partition is dropped within a day), or subscriptions hold
   * it (`holders`), or another session reads it at present (`busy`: ask again).
   */
  stays: 'young' | 'held' | 'busy';
  holders: Holder[];
};

export type RetentionOptions = {
  keepDays: number;
  /** Subscriptions that lose their unhandled events; each must be named, and is reported in `cut`. */
  force?: string[];
  /** Rows deleted in one transaction: a subscription may wait that long to move. */
  batchMax?: number;
};

type Attempt = {
  outcome: 'dropped' | 'deleted' | 'open' | Retention['stays'];
  first: number;
  last: number;
  holders: Holder[] | null;
};

const batchMaxDefault = 5_000;

/**
 * Removes the events that are older than so many days: whole partitions, and the rows of a partition that would be dropped too late. An
 * event is gone within a day of its time. A subscription that is behind holds the events that it needs, and all later ones, and is
 * reported; it is never cut silently.
 *
 * @param client as sync_app.
 * @throws when `force` names a subscription that does not exist.
 */
export async function dropOldEvents(client: Sql, options: RetentionOptions): Promise<Retention> {
  const { keepDays, force = [], batchMax = batchMaxDefault } = options;
  await requireSubscriptions(client, force);
  // Receipts of erasures read from the log who has acknowledged: it is written down before anything goes.
  await rowsOf(client, 'select platform.keep_acknowledgements()', []);
  // Of requests with an Idempotency-Key, which count for a day.
  await rowsOf(client, 'select platform.forget_results()', []);
  // Of the inboxes of staff what was put away a month ago.
  while ((await forget(client, 'notices')) >= forgottenMax);
  // What people who left had: it is given back for a month.
  while ((await forget(client, 'handovers')) >= forgottenMax);
  const dropped: Gone[] = [];
  const partitions = () =>
    attempt(
      client,
      `select outcome, first::float8 as first, last::float8 as last, holders
       from sync.drop_oldest_partition(make_interval(secs => $1::float8 * 86400), $2)`,
      [keepDays, force],
    );
  const events = () =>
    attempt(
      client,
      `select outcome, first::float8 as first, last::float8 as last, holders
       from sync.delete_old_events(make_interval(secs => $1::float8 * 86400), $2, $3)`,
      [keepDays, batchMax, force],
    );

  let dropping = await partitions();
  for (; dropping.outcome === 'dropped'; dropping = await partitions()) dropped.push(toGone(dropping));
  let deleting = await events();
  if (deleting.outcome === 'deleted') {
    const range = toGone(deleting);
    dropped.push(range);
    for (deleting = await events(); deleting.outcome === 'deleted'; deleting = await events())
      join(range, toGone(deleting));
  }
  const left = deleting.outcome === 'young' && dropping.outcome !== 'open' ? dropping : deleting;
  return { dropped, stays: left.outcome as Retention['stays'], holders: left.holders ?? [] };
}

/** Rows deleted in one transaction. */
const forgottenMax = 10_000;

async function forget(client: Sql, what: 'notices' | 'handovers'): Promise<number> {
  const [{ gone } = { gone: 0 }] = await rowsOf<{ gone: number }>(
    client,
    `select platform.forget_${what}($1)::integer as gone`,
    [forgottenMax],
  );
  return gone;
}

const toGone = ({ first, last, holders }: Attempt): Gone => ({ first, last, cut: holders ?? [] });

/** Adds the rows behind a range to it. */
function join(range: Gone, next: Gone): void {
  range.last = next.last;
  for (const { name, behind, parked } of next.cut) {
    const known = range.cut.find((each) => each.name === name);
    if (known) Object.assign(known, { behind: known.behind + behind, parked: known.parked + parked });
    else range.cut.push({ name, behind, parked });
  }
}

async function attempt(client: Sql, text: string, values: unknown[]): Promise<Attempt> {
  return (await rowsOf<Attempt>(client, text, values))[0] as Attempt;
}

async function requireSubscriptions(client: Sql, names: string[]): Promise<void> {
  const [unknown] = await rowsOf<{ name: string }>(
    client,
    `select asked.name from unnest($1::text[]) as asked (name)
     where not exists (select from sync.subscriptions s where s.name = asked.name)`,
    [names],
  );
  if (unknown)
    throw new Error(`There is no subscription ${unknown.name} to cut: \`aether events subscriptions\` lists them.`);
}

export type RetentionWorker = {
  /** Settles within two seconds, whether or not the database answers. */
  stop(): Promise<void>;
};

/** A statement of retention may wait for locks and delete thousands of rows. */
const answerMsDefault = 20_000;
const stopWithinMs = 2_000;

/**
 * Removes old events every so often until it is stopped. Any number of workers may do so: of two at once, one finds it busy. Every look
 * has a connection of its own, on which no statement waits for longer than `answerMs`.
 *
 * @param onReport called for every look; a subscription that holds old events is in `holders`.
 */
export function startRetention({
  url,
  keepDays,
  everyMs = 3_600_000,
  busyRetryMs = 60_000,
  answerMs = answerMsDefault,
  onReport,
  onError,
}: {
  /** As sync_app. */
  url: string;
  keepDays: number;
  everyMs?: number;
  busyRetryMs?: number;
  answerMs?: number;
  onReport: (report: Retention) => void;
  onError: (error: unknown) => void;
}): RetentionWorker {
  const stopping = new AbortController();
  let line: Line | undefined;

  /** @returns when to look again */
  async function look(): Promise<number> {
    line = createLine({ url, name: 'aether-retention', answerMs });
    try {
      await line.open(`set statement_timeout = ${answerMs}; set idle_session_timeout = '60s'`);
      const report = await dropOldEvents(line, { keepDays });
      onReport(report);
      return report.stays === 'busy' ? Math.min(busyRetryMs, everyMs) : everyMs;
    } catch (error) {
      if (!stopping.signal.aborted) onError(error);
      return Math.min(busyRetryMs, everyMs);
    } finally {
      await line.close();
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
      const timer = setTimeout(() => line?.cut(), stopWithinMs / 2);
      await Promise.race([running, wait(stopWithinMs, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}
