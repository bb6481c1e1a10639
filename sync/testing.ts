import { once } from 'node:events';
import { createServer } from 'node:net';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import type pg from 'pg';
import { type Replay, replay } from './operations/replaying.ts';
import { pause, resume } from './operations/subscriptions.ts';
import { type Sequencer, startSequencer } from './worker/sequencer.ts';

export { until };

export type TestPlatform = {
  database: TestDatabase;
  foundation: PlatformDb;
  support: PlatformDb;
  /** Sees the whole log, and acts through the functions of the database, as the worker and the command do. */
  sync: pg.Client;
  superuser: pg.Client;
  sequencer: Sequencer;
  /** Another process of an app. */
  connect(app: 'foundation' | 'support'): Promise<PlatformDb>;
  /** Settles when every committed change is numbered and the subscription has nothing left except parked events. */
  settled(subscription: string): Promise<void>;
};

/** A database with a sequencer at work and both apps connected. */
export async function startTestPlatform(): Promise<TestPlatform> {
  const database = await createTestDatabase();
  const connect = async (app: 'foundation' | 'support') => {
    const db = await connectPlatform({ app, variables: { PLATFORM_DB_URL: database.url(`${app}_app`) } });
    atEnd(() => db.close());
    return db;
  };
  const [foundation, support] = await Promise.all([connect('foundation'), connect('support')]);
  const sync = await database.connect('sync_app');
  const sequencer = startSequencer({ url: database.url('sync_app') });
  atEnd(() => sequencer.stop());
  return {
    database,
    foundation,
    support,
    sync,
    superuser: await database.connect('postgres'),
    sequencer,
    connect,
    settled: (subscription) =>
      until(async () => {
        const { rows } = await sync.query(
          `select sync.outbox_age() is null and s.position >= (select coalesce(max(e.position), 0) from sync.events e
             where sync.may_read(s.app, e.audience)) as settled
           from sync.subscriptions s where name = $1`,
          [subscription],
        );
        return rows[0]?.settled ?? false;
      }),
  };
}

/** A replay of a subscription that is paused for it, as the database demands. */
export async function replayPaused(client: pg.Client, wish: Replay): Promise<{ events: number }> {
  await pause(client, wish.subscription, 'a replay');
  const { events } = await replay(client, wish);
  await resume(client, wish.subscription);
  return { events };
}

/** A port of this machine that is free now. */
export async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
