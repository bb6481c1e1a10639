import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, type ConsumerOptions, consumeEvents } from '@aether/servicebus';
import type pg from 'pg';
import { applyEvent, fromPlatform, snapshotLock, type Transaction, writeRows } from './copy.ts';
import type { Platform } from './platform.ts';
import type { Settings } from './settings.ts';

/*
 * Following the platform. The first start takes a snapshot, once the subscription is there to keep what comes meanwhile. Every later start goes on
 * with what the bus has kept. If this app was off, or could not work, for longer than the bus keeps messages, some may be gone: it takes a new
 * snapshot first. `followed_until` says until when it certainly worked.
 */

export type Following = {
  /**
   * Settles when the copy is there and follows. Rejects when a setting of the bus or the database, or a right there, is wrong. A snapshot that the
   * platform refuses is asked for again, and the log says why.
   */
  ready: Promise<void>;
  consumer(): Consumer;
  stop(): Promise<void>;
};

export type FollowingOptions = {
  pool: pg.Pool;
  platform: Platform;
  settings: Settings;
  /** For tests: the bus and its limits. */
  consumer?: Partial<ConsumerOptions>;
  tell?: (sentence: string) => void;
  beatMs?: number;
};

const setupLock = 4_600_000;
/** Shorter than a query may take: what has not ended by then is waited for at the next try. */
const snapshotWaitMs = 20_000;

/** Makes the tables that are missing. */
export async function prepareDatabase(pool: pg.Pool): Promise<void> {
  const schema = await readFile(new URL('schema.sql', import.meta.url), 'utf8');
  await pool.query(`begin; select pg_advisory_xact_lock(${setupLock}); ${schema}; commit`);
}

export function follow({
  pool,
  platform,
  settings,
  consumer,
  tell = console.log,
  beatMs = 30_000,
}: FollowingOptions): Following {
  const stopping = new AbortController();
  let present = start();

  function start(): Consumer {
    return consumeEvents({
      subscription: settings.subscription,
      inbox: { url: settings.databaseUrl },
      // applyEvent compares versions, and a merge by its place in the log.
      outdated: 'hand over',
      handler: (event, { tx }) => applyEvent(event, tx, platform),
      async begin({ signal }) {
        const why = await needsSnapshot(pool, settings.busKeepsDays);
        if (!why) return;
        tell(`A snapshot is taken: ${why}.`);
        const customers = await takeSnapshot(pool, platform, { busKeepsDays: settings.busKeepsDays, signal });
        tell(
          customers === undefined
            ? 'Another process has taken the snapshot.'
            : `The snapshot is there: ${customers} customers.`,
        );
      },
      ...consumer,
    });
  }

  /** While all is well it moves `followed_until` on; when that is too long ago, as after a long pause, it begins again. */
  async function beat(): Promise<void> {
    await present.ready;
    while (!stopping.signal.aborted) {
      const { isPaused, error } = present.state();
      if (!isPaused && error === undefined) {
        const why = await needsSnapshot(pool, settings.busKeepsDays).catch(() => undefined);
        if (why && settings.busKeepsDays > 0) {
          tell(`Following begins again: ${why}.`);
          await present.stop();
          present = start();
          await present.ready;
        } else await pool.query('update billing.following set followed_until = now()').catch(() => {});
      }
      await sleep(beatMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }
  const beating = beat();
  beating.catch((error) => tell(error.message));

  return {
    ready: present.ready,
    consumer: () => present,
    async stop() {
      stopping.abort();
      await present.stop();
      await beating.catch(() => {});
    },
  };
}

/** @returns why a snapshot is needed; undefined: what the bus has kept is enough */
async function needsSnapshot(client: Transaction, busKeepsDays: number): Promise<string | undefined> {
  const { rows } = await client.query<{ is_there: boolean; days: number | null }>(
    `select snapshot_at is not null as is_there, extract(epoch from now() - followed_until) / 86400 as days from billing.following`,
  );
  const [{ is_there: isThere, days } = { is_there: false, days: null }] = rows;
  if (!isThere) return 'there is no copy yet';
  if (busKeepsDays === 0) return 'the bus keeps nothing over a restart';
  if (days !== null && days > busKeepsDays)
    return `billing has not followed for ${Math.floor(days)} days, and the bus keeps messages for ${busKeepsDays}`;
  return undefined;
}

/**
 * Reads all customers and removes what the platform no longer has. Nothing else writes the copy meanwhile, in whichever process. One that is cut
 * short goes on behind its last page, as long as the bus has kept what came since its first one.
 *
 * @param options signal: aborted when it takes too long
 * @returns how many customers there are; undefined: another process has taken one while this one waited
 */
export async function takeSnapshot(
  pool: pg.Pool,
  platform: Platform,
  { busKeepsDays, signal }: { busKeepsDays: number; signal?: AbortSignal },
): Promise<number | undefined> {
  const client = await pool.connect();
  client.on('error', () => {}); // the query under way reports it
  try {
    await client.query(`set lock_timeout = ${snapshotWaitMs}`);
    await client.query('select pg_advisory_lock($1)', [snapshotLock]);
    if (!(await needsSnapshot(client, busKeepsDays))) return undefined;
    const run = await beginOrGoOn(client, busKeepsDays);
    for await (const page of platform.pages({ after: run.after, signal })) {
      signal?.throwIfAborted();
      const after = page.customers.at(-1)?.id ?? null;
      await client.query('begin');
      await writeRows(client, fromPlatform(page), run.snapshot);
      await client.query(
        `update billing.following set taking_after = coalesce($1, taking_after), taking_position = coalesce(taking_position, $2)`,
        [after, page.position],
      );
      await client.query('commit');
    }
    const { rows } = await client.query<{ count: number }>(
      `with gone as (delete from billing.customers where snapshot is distinct from $1),
       done as (
         update billing.following
         set snapshot = $1, snapshot_position = taking_position, snapshot_at = now(), followed_until = now(),
           taking = null, taking_since = null, taking_after = null, taking_position = null)
       select count(*)::integer as count from billing.customers where snapshot = $1`,
      [run.snapshot],
    );
    return rows[0]?.count ?? 0;
  } finally {
    client.release(true); // the lock ends with its connection, and so does a page that is half written
  }
}

/** The snapshot that was cut short, behind its last page; else a new one. */
async function beginOrGoOn(client: Transaction, busKeepsDays: number): Promise<{ snapshot: string; after?: string }> {
  const { rows } = await client.query<{ snapshot: string; after: string }>(
    `select taking as snapshot, taking_after as after from billing.following
     where taking is not null and taking_after is not null and taking_since > now() - make_interval(secs => $1::float8)`,
    // A bus that forgets at a restart has kept what came since this process began.
    [busKeepsDays > 0 ? busKeepsDays * 86_400 : process.uptime()],
  );
  const [begun] = rows;
  if (begun) return begun;
  const snapshot = randomUUID();
  await client.query(
    `update billing.following set taking = $1, taking_since = now(), taking_after = null, taking_position = null`,
    [snapshot],
  );
  return { snapshot };
}
