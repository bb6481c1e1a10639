import { rm } from 'node:fs/promises';
import type { LocalServer } from '@aether/database';
import { newTestFolder } from '@aether/database/testing.folder';
import { startMigrated } from '@aether/database/testing.local';
import {
  type AppEvent,
  connectPlatform,
  type EventType,
  FellBehind,
  type Place,
  type PlatformDb,
} from '@aether/platform';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { type Sequencer, startSequencer } from '../worker/sequencer.ts';

let folder: string;
let local: LocalServer;
let support: PlatformDb;
let sequencer: Sequencer;
const closing = new AbortController();

beforeAll(async () => {
  folder = await newTestFolder('crash');
  // Unawaited commits reach the disk only when another commit waits for it: so a crash undoes exactly what the test wants.
  const settings = { fsync: 'off', wal_writer_delay: '10s', autovacuum: 'off', shared_buffers: '32MB' };
  local = await startMigrated({ folder, database: 'aether', settings });
  support = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: local.urlOf('support_app') } });
  sequencer = startSequencer({ url: local.urlOf('sync_app') });
});
afterAll(async () => {
  closing.abort();
  await support?.close();
  await sequencer?.stop();
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
});

/** Publishes for both apps, or for the app alone. `durably` waits for the disk, and so for everything before it. */
async function publish(type: string, durably: boolean, to = 'platform'): Promise<void> {
  const client = new pg.Client({
    connectionString: local.urlOf(type.startsWith('support') ? 'support_app' : 'foundation_app'),
  });
  await client.connect();
  await client.query(`set synchronous_commit = ${durably ? 'on' : 'off'}`);
  await client.query(`select sync.publish($1, 'k', '{}', $2)`, [type, to]);
  await client.end();
}

function follow(options: { after?: number | Place; types?: string[] } = {}) {
  const events: AppEvent[] = [];
  const wish = { ...options, types: options.types as EventType[] | undefined, signal: closing.signal };
  const following = support.events.follow(wish);
  const done = (async () => {
    for await (const event of following) events.push(event);
  })();
  const failure = done.then(
    () => undefined,
    (error) => error,
  );
  return { failure, types: () => events.map((event): string => event.type), events, place: () => following.place() };
}

async function crash(): Promise<void> {
  await local.server.stop('immediate');
  await local.server.start();
}

test('a crash of PostgreSQL leaves no gap, and a follower that saw undone events learns where to continue', async () => {
  const all = follow({ after: 0 });
  const others = follow({ after: 0, types: ['support.other'] });
  await publish('support.kept', true);
  await until(() => all.events.length === 1);
  await until(() => support.events.isLive());

  // No event is lost: their numbers may be, but they are given again.
  await crash();
  await publish('support.other', true);
  await until(() => others.events.length === 1 && all.events.length === 2);
  await until(() => support.events.isLive());

  await publish('support.undone', false);
  await until(() => all.events.length === 3);
  const undone = all.events[2] as AppEvent;
  await crash();
  await until(() =>
    support.events.has(undone).then(
      (has) => !has,
      () => false,
    ),
  );
  await publish('support.next', true); // gets the position of the undone event
  const failure = await all.failure;
  expect(failure).toBeInstanceOf(FellBehind);
  expect(failure.message).toMatch(/crashed.* follow again after position \d+/);
  expect(failure.position).toBeLessThan(undone.position);
  const again = follow({ after: failure.position });
  await until(() => again.types().includes('support.next'));
  expect(again.events[again.types().indexOf('support.next')]?.position).toBe(undone.position);
  expect(again.types()).not.toContain('support.undone');
  await publish('support.other', true);
  await until(() => others.events.length === 2);
  await until(() => support.events.isLive());
}, 60_000);

test('a follower misses nothing when a crash undid only events of the other app, even if the log has grown past its place again', async () => {
  await publish('support.before', true);
  // Otherwise it may get its number after the followers have their place, and is the first event that they see.
  await until(async () => (await support.query('select sync.outbox_age() is null as empty'))[0]?.empty);
  const all = follow();
  const rare = follow({ types: ['support.rare'] });
  await until(() => all.place() !== undefined && rare.place() !== undefined && support.events.isLive());
  await publish('support.begun', true);
  await until(() => all.events.length === 1);
  const begun = all.events[0] as AppEvent;

  for (let n = 0; n < 4; n++) await publish('foundation.unseen', false, 'crm');
  await until(() => (rare.place()?.position ?? 0) >= begun.position + 4); // both have moved past the events that they do not see
  const undone = rare.place() as Place;
  await local.server.stop('immediate');
  await sequencer.stop();
  await local.server.start();
  // The log is past the old place before any follower looks again: the position alone would not reveal it.
  for (let n = 0; n < 4; n++) await publish(`support.next${n}`, true);
  await publish('support.rare', true);
  sequencer = startSequencer({ url: local.urlOf('sync_app') });
  await until(async () => (await support.events.head().catch(() => 0)) > undone.position);
  expect(await support.events.has(undone)).toBe(false);
  expect(await support.events.has(begun)).toBe(true);
  await until(() => all.events.length === 6 && rare.events.length === 1);
  expect(all.types()).toEqual(['support.begun', ...[0, 1, 2, 3].map((n) => `support.next${n}`), 'support.rare']);

  const resumed = follow({ after: undone });
  expect(await resumed.failure).toBeInstanceOf(FellBehind);
  const kept = follow({ after: begun });
  await until(() => kept.events.length === 5);
}, 60_000);
