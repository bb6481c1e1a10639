import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { beforeAll, expect, test, vi } from 'vitest';
import { connectPlatform } from '../platform.ts';
import { listenOn } from './listener.ts';
import type { Signal } from './signals.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});

async function connect(app: 'support' | 'foundation', variables: Record<string, string> = {}) {
  const db = await connectPlatform({
    app,
    variables: { PLATFORM_DB_URL: database.url(`${app}_app`), ...variables },
  });
  atEnd(db.close);
  return db;
}

/** Settles when the signal arrives. A listener misses signals sent before it listens, so the signal is repeated until then. */
async function hears(listener: { signals: Awaited<ReturnType<typeof connect>>['signals'] }, say: () => Promise<void>) {
  const { promise, resolve } = Promise.withResolvers<Signal>();
  const end = listener.signals.listen(resolve);
  const saying = setInterval(() => say().catch(() => {}), 20);
  try {
    return await promise;
  } finally {
    clearInterval(saying);
    end();
  }
}

test('a signal reaches the other processes of its app and its own process', async () => {
  const [one, two] = [await connect('support'), await connect('support')];
  const say = () => one.signals.send({ kind: 'typing', session_id: 'a' });
  expect(await hears(two, say)).toEqual({ kind: 'typing', session_id: 'a' });
  expect(await hears(one, say)).toEqual({ kind: 'typing', session_id: 'a' });
});

test('a signal does not reach the other app', async () => {
  const [support, foundation] = [await connect('support'), await connect('foundation')];
  const heard: Signal[] = [];
  foundation.signals.listen((signal) => heard.push(signal));
  await hears(foundation, async () => {
    await support.signals.send({ from: 'support' });
    await foundation.signals.send({ from: 'foundation' });
  });
  expect(new Set(heard.map(({ from }) => from))).toEqual(new Set(['foundation']));
});

test('all that a process hears comes over one connection, which stays for the others when one of them has ended', async () => {
  const variables = { PLATFORM_DB_URL: database.url('support_app') };
  const [one, two] = [await connectPlatform({ app: 'support', variables }), await connect('support')];
  const say = () => two.signals.send({ kind: 'typing', session_id: 'b' });
  await hears(one, say);
  one.events.follow().next();
  two.events.follow().next();
  await vi.waitUntil(() => one.events.isLive() && two.events.isLive(), { timeout: 30_000 });
  const superuser = await database.connect('postgres');
  const { rows } = await superuser.query(
    `select count(*)::integer as listening from pg_stat_activity
      where datname = current_database() and application_name = 'aether-listener' and usename = 'support_app'`,
  );
  expect(rows).toEqual([{ listening: 1 }]);
  await one.close();
  expect(await hears(two, say)).toEqual({ kind: 'typing', session_id: 'b' });
  expect(two.events.isLive()).toBe(true);
});

test('a channel that was left while it was being listened to is heard by the next one who asks for it', async () => {
  const url = database.directUrl('support_app'); // a transaction pooler passes no notification on
  const connected = async (channel: string, hearing: { onConnected?: () => void; onNotified?: () => void } = {}) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const onConnected = () => {
      hearing.onConnected?.();
      resolve();
    };
    const listener = listenOn(channel, url, { onNotified: () => {}, ...hearing, onConnected });
    atEnd(listener.close);
    await promise;
    return listener;
  };
  const { promise: heard, resolve: hear } = Promise.withResolvers<void>();
  await connected('left_first');
  const two: ReturnType<typeof listenOn>[] = [];
  const leave = () => {
    for (const each of two) each.close();
  };
  const { promise: left, resolve } = Promise.withResolvers<void>();
  for (let n = 0; n < 2; n++)
    two.push(
      listenOn('left_and_heard', url, {
        onNotified: () => {},
        onConnected: () => {
          leave();
          resolve();
        },
      }),
    );
  await left;
  await connected('left_other'); // what was under way is answered
  await connected('left_and_heard', { onNotified: hear });
  const db = await connect('support');
  await db.query(`select pg_notify('left_and_heard', '')`);
  await heard;
});

test('behind a transaction pooler a signal reaches its own process', async () => {
  const db = await connect('support', { PLATFORM_DB_POOLER: 'transaction' });
  expect(await hears(db, () => db.signals.send({ kind: 'read' }))).toEqual({ kind: 'read' });
});

test('a signal that is too large is refused, and a message that is not JSON is ignored', async () => {
  const db = await connect('support');
  await expect(db.signals.send({ text: 'x'.repeat(4_000) })).rejects.toThrow('4000 bytes');
  const said = await hears(db, async () => {
    await db.query('select pg_notify($1, $2)', ['support_signals', 'not { json']);
    await db.signals.send({ kind: 'after' });
  });
  expect(said).toEqual({ kind: 'after' });
});
