import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type LocalServer, migrate, startLocal } from '@aether/database';
import { newTestFolder } from '@aether/database/testing.folder';
import { newTestPort } from '@aether/database/testing.port';
import { startTestLine } from '@aether/platform/testing.line';
import type pg from 'pg';
import { withClient, writeInBulk, writeSingly } from './testing.chaos.writers.ts';
import { chanceOf, pick, startCrew } from './testing.crew.ts';

export type ChaosCounts = {
  writes: number;
  events: number;
  handled: number;
  kills: { sequencer: number; subscriber: number; postgres: number };
  /** How often the line of a sequencer went silent for good. */
  silences: number;
  /** Changes in the table without an event, or events that a subscription did not handle. */
  lost: number;
  doubled: number;
  /** A later version before an earlier one, in the log or in a projection. */
  inverted: number;
  /** Positions missing in the log. */
  gaps: number;
};

const customersCount = 30;
/** How many shares each has: the second one is worked by all its processes at the same time. */
const shares = { 'support.chaos-a': 1, 'support.chaos-b': 4 };
const subscriptions = Object.keys(shares);
/** Each kind of fault has its turn first, however short the run: its value must not depend on chance. */
const firstRolls = [0.2, 0.5, 0.75, 0.9];

export const startAndMigrate: typeof startLocal = async (options) => {
  const local = await startLocal(options);
  await migrate(local.urlOf('platform_migrator'));
  return local;
};

/**
 * Runs writers, two sequencers and five subscribers on a PostgreSQL of their own. It kills each, PostgreSQL too, and makes the sequencers'
 * lines silent, at moments that `seed` decides. The writers change customers one by one and in bulk, and publish events; the handlers fail
 * now and then, some of the time for a whole batch. Then everything settles, and the log and the projections are compared with the tables.
 */
export async function runChaos({
  seconds,
  seed,
  writesMin = 0,
  restMs = 0,
  start = startAndMigrate,
}: {
  seconds: number;
  seed: number;
  /** Goes on until there are so many commits, a minute longer at most: a busy machine gets little done between the kills. */
  writesMin?: number;
  /** How long each writer rests after a commit. */
  restMs?: number;
  /** Makes the server: a test has a quicker way. */
  start?: typeof startLocal;
}): Promise<ChaosCounts> {
  const folder = await newTestFolder('chaos');
  const local = await start({ folder, database: 'chaos', port: newTestPort() });
  const lines = await Promise.all([1, 2].map(() => startTestLine(local.urlOf('sync_app'))));
  const crew = startCrew();
  const keep = (name: string, script: string, args: string[], url: string) =>
    crew.keep(name, join(import.meta.dirname, script), args, { PLATFORM_DB_URL: url });

  try {
    await prepare(local);
    for (const [n, line] of lines.entries()) keep(`sequencer ${n + 1}`, 'main.ts', [], line.url);
    for (const [subscription, count] of Object.entries(shares))
      for (const n of count > 1 ? [1, 2, 3] : [1, 2])
        keep(
          `subscriber ${subscription} ${n}`,
          'testing.chaos.subscriber.ts',
          [subscription, String(count)],
          local.urlOf('support_app'),
        );

    const chance = chanceOf(seed);
    const endsAt = performance.now() + seconds * 1_000;
    let writes = 0;
    let turn = 0;
    const isWriting = () => {
      const leftMs = endsAt - performance.now();
      return leftMs > 0 || ((turn < firstRolls.length || writes < writesMin) && leftMs > -60_000);
    };
    const writer = { chance, isWriting, onCommitted: () => writes++, keepPace: () => wait(restMs) };
    const writing = Promise.all([
      writeInBulk(local.urlOf('sync_app'), writer),
      ...Array.from({ length: 6 }, (_, habit) =>
        writeSingly(local.urlOf(habit % 2 ? 'foundation_app' : 'support_app'), habit, writer),
      ),
    ]);
    const kills = { sequencer: 0, subscriber: 0, postgres: 0 };
    let silences = 0;
    const kill = (kind: 'sequencer' | 'subscriber') => {
      crew.kill(kind, chance);
      kills[kind]++;
    };
    for (; isWriting(); turn++) {
      await wait(150 + chance() * 500);
      const roll = firstRolls[turn] ?? chance();
      if (roll < 0.35) kill('sequencer');
      else if (roll < 0.7) kill('subscriber');
      else if (roll < 0.85) {
        const line = pick(lines, chance);
        line.silence();
        silences++;
        setTimeout(line.restore, 100 + chance() * 1_000);
      } else {
        await local.server.stop('immediate');
        kills.postgres++;
        await local.server.start();
      }
    }
    await writing;
    await settle(local);
    return { writes, kills, silences, ...(await compare(local)) };
  } finally {
    crew.end();
    await Promise.all(lines.map((line) => line.close()));
    await local.server.stop('immediate');
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepare(local: LocalServer): Promise<void> {
  await withClient(local.server.superuserUrl('chaos'), (superuser) =>
    superuser.query(`create table support.chaos (n bigint generated always as identity, subscription text, key text, version bigint,
      event_id bigint);
      grant select, insert on support.chaos to support_role`),
  );
  await prepareWriters(local);
}

/** What the writers need: their customers, and a table that says which events they have published. */
export async function prepareWriters(local: LocalServer): Promise<void> {
  await withClient(local.server.superuserUrl('chaos'), (superuser) =>
    superuser.query(`create table support.chaos_published (key text, n bigint, primary key (key, n));
      grant select, insert on support.chaos_published to support_role`),
  );
  await withClient(local.urlOf('foundation_app'), (app) =>
    app.query(
      `insert into platform.customers (email, name) select 'chaos' || n || '@example.com', 'Chaos'
        from generate_series(1, ${customersCount}) n`,
    ),
  );
}

/** Waits until every change is numbered and every subscription has reached the end. @throws when that does not happen */
async function settle(local: LocalServer): Promise<void> {
  const isSettled = (client: pg.Client) =>
    client.query(
      `select sync.outbox_age() is null and count(*) = ${subscriptions.length}
         and min(position) >= (select coalesce(max(position), 0) from sync.events where audience = 'platform')
         and not exists (select from sync.parked) as settled
       from sync.subscriptions where name like 'support.chaos-%'`,
    );
  for (const endsAt = performance.now() + 60_000; performance.now() < endsAt; ) {
    const settled = await withClient(
      local.urlOf('sync_app'),
      async (client) => (await isSettled(client)).rows[0].settled,
    ).catch(() => false);
    if (settled) return;
    await wait(100);
  }
  throw new Error(
    'After a minute of peace there are still events without a number, or not handled: is a process unable to start?',
  );
}

/** Every change of the tables: there must be one event of each. */
export const written = `select id::text as key, v as version from platform.customers, generate_series(1, version) v
  union all select key, n from support.chaos_published`;

async function compare(local: LocalServer): Promise<Omit<ChaosCounts, 'writes' | 'kills' | 'silences'>> {
  return withClient(local.server.superuserUrl('chaos'), async (superuser) => {
    const { rows } = await superuser.query(`
      with truth as (${written}),
      numbered as (select key, coalesce(version, (data ->> 'n')::bigint) as version, position from sync.events),
      log as (select key, version, position, lag(version) over (partition by key order by position) as before from numbered),
      done as (select subscription, key, version, n, lag(version) over (partition by subscription, key order by n) as before
        from support.chaos),
      names as (select unnest(array['${subscriptions.join("','")}']) as subscription)
      select (select count(*) from sync.events)::integer as events, (select count(*) from done)::integer as handled,
        ((select count(*) from truth t where not exists (select from log l where l.key = t.key and l.version = t.version))
         + (select count(*) from truth t, names n where not exists (
              select from done d where d.subscription = n.subscription and d.key = t.key and d.version = t.version)))::integer as lost,
        ((select count(*) - count(distinct (key, version)) from log)
         + (select count(*) - count(distinct (subscription, key, version)) from done))::integer as doubled,
        ((select count(*) from log where before > version) + (select count(*) from done where before > version))::integer as inverted,
        (select max(position) - count(*) from sync.events)::integer as gaps`);
    return rows[0];
  });
}
