import { connect, type Socket } from 'node:net';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { connectPlatform, type PlatformDb, type Signal, type User } from '@aether/platform';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Caller } from '../caller.ts';
import { scopesOfSharedEvents } from '../scopes.ts';
import { readProblem, serveApp, type TestServer } from '../testing.ts';
import { addEventStream, type StreamOptions } from './stream.ts';

let database: TestDatabase;
let db: PlatformDb;
beforeAll(async () => {
  database = await createTestDatabase();
  db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } });
  atEnd(() => db.close());
});

let server: TestServer;
let closing: AbortController;
let isWelcome: boolean;
let caller: Pick<Caller, 'actor' | 'machine' | 'scopes'>;
let tell: (signal: Signal) => void;
let listening: Set<unknown>;
const streamsMax = 3;

async function start(options: Partial<StreamOptions> = {}): Promise<void> {
  isWelcome = true;
  caller = person('maya');
  const mine = new Set();
  listening = mine;
  closing = new AbortController();
  server = await serveApp((app) => {
    app.use(async (c, next) => {
      c.set('authenticate', async () => ({
        ...caller,
        isStillWelcome: async () => isWelcome,
      }));
      await next();
    });
    addEventStream(app, db, {
      closing: closing.signal,
      ofEvents: scopesOfSharedEvents,
      streamsMax,
      signals(listener) {
        mine.add(listener);
        tell = listener;
        return () => void mine.delete(listener);
      },
      ...options,
    });
  });
}
/** What a stream says next. @throws when it has ended: who waits for more would wait for ever */
async function nextOf(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  const { done, value } = await reader.read();
  if (done) throw new Error('The stream has ended.');
  return value;
}
async function stop(): Promise<void> {
  closing.abort();
  await server.close();
}
beforeEach(() => start());
afterEach(() => stop());

const person = (id: string) => ({ actor: { id, role: 'user' } as User });
const machine = (name: string) => ({ actor: undefined, machine: name, scopes: new Set(['events.read']) });
const ask = (method = 'GET') => fetch(`${server.url}/api/events`, { method });
/** Requests the stream, but reads nothing of it until the test calls for it. */
async function stall(): Promise<Socket> {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.pause();
  socket.write(`GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
  await expect.poll(() => listening.size).toBe(1);
  return socket;
}
const flood = (signals: number) => {
  for (let each = 0; each < signals; each++) tell({ kind: 'typing', filler: 'x'.repeat(1_000) } as unknown as Signal);
};

describe('the stream of events', () => {
  test('is open to the allowed number of readers, and a reader that leaves frees its place', async () => {
    const open = await Promise.all(Array.from({ length: streamsMax }, () => ask()));
    expect(open.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await readProblem(await ask())).toMatchObject({ status: 503, code: 'too-many-streams' });
    await open[0]?.body?.cancel();
    await expect.poll(async () => (await ask()).status).toBe(200);
  });

  test('is open so often to each person and each machine, and one more is refused while others come in', async () => {
    await stop();
    await start({ streamsMax: 100, streamsPerPersonMax: 2 });
    for (const [one, other] of [
      [person('maya'), person('jonas')],
      [machine('reports'), machine('backups')],
    ] as const) {
      caller = one;
      const open = await Promise.all([ask(), ask()]);
      expect(open.map(({ status }) => status)).toEqual([200, 200]);
      const refused = await ask();
      expect(refused.headers.get('retry-after')).toBe('10');
      expect(await readProblem(refused)).toMatchObject({
        status: 429,
        code: 'too-many-streams',
        detail: expect.stringMatching(/^You have 2 streams open/),
      });
      caller = other;
      expect((await ask()).status).toBe(200);
      caller = one;
      await open[0]?.body?.cancel();
      await expect.poll(async () => (await ask()).status).toBe(200);
    }
  });

  test('ends with its headers for HEAD, and takes no place', async () => {
    for (let each = 0; each < streamsMax + 1; each++) {
      const answer = await ask('HEAD');
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    }
    expect(listening.size).toBe(0);
    expect((await ask()).status).toBe(200);
  });

  test('drops signals for a reader that does not read, keeps its events, and ends with the sign-in', async () => {
    await stop();
    await start({ welcomeMs: 20 });
    const reader = await stall();
    const signals = 20_000;
    flood(signals);
    let read = '';
    reader.setEncoding('utf8').on('data', (chunk) => {
      read += chunk;
    });
    reader.resume();
    const heard = () => read.split('event: signal').length - 1;
    await expect.poll(heard).toBeGreaterThan(0);
    tell({ kind: 'typing', filler: 'the last' } as unknown as Signal);
    await expect.poll(() => read).toContain('the last');
    expect(heard()).toBeLessThan(signals);
    reader.pause();
    flood(signals);
    isWelcome = false;
    await expect.poll(() => listening.size).toBe(0);
    reader.destroy();
  });

  test('with a rare filter comes back to where the log ended, not to its last event: heartbeats carry a place', async () => {
    await stop();
    await start({ heartbeatMs: 50 });
    const sequencer = await database.connect('sync_app');
    const before = await db.events.place();
    const answer = await fetch(`${server.url}/api/events?types=user.deleted`);
    const reader = (answer.body as ReadableStream<never>).pipeThrough(new TextDecoderStream()).getReader();
    let read = '';
    const places = () =>
      [...read.matchAll(/^id: (\d+)\.(\d+)$/gm)].map(([, position, id]) => ({
        position: Number(position),
        id: Number(id),
      }));
    const readUntil = async (fact: () => boolean) => {
      for (; !fact(); requireUnderWay()) read += await nextOf(reader);
    };
    await readUntil(() => places().length > 0);
    expect(places()[0]).toEqual(before);
    await db.transaction({}, async (tx) => {
      for (let n = 0; n < 3; n++) await tx.query(`select sync.publish('foundation.tick', 'k', '{}', 'crm')`);
    });
    await sequencer.query('begin; select from sync.sequencer for update; select sync.sequence(1000, 0); commit');
    const after = await db.events.place();
    expect(after.position).toBe(before.position + 3);
    await readUntil(() => places().at(-1)?.position === after.position);
    expect(places().at(-1)).toEqual(after);
    expect(read).not.toContain('event:');
    await reader.cancel();

    const ask = (place: string) => fetch(`${server.url}/api/events`, { headers: { 'Last-Event-ID': place } });
    const begins = async (place: string) => {
      const again = (await ask(place)).body as ReadableStream<never>;
      const first = again.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (; text.split('\n\n').length <= 2; requireUnderWay()) text += await nextOf(first); // the place, and a reset or the next heartbeat
      await first.cancel();
      return text;
    };
    expect(await begins(`${after.position}.${after.id}`)).not.toContain('event: reset');
    expect(await begins(`${after.position}.${after.id + 1}`)).toContain('event: reset');
    expect(await begins(`${after.position + 1}.${after.id}`)).toContain('event: reset');
  });

  test('ends for a reader that has not taken a sign of life when the next one is due', async () => {
    await stop();
    await start({ heartbeatMs: 100 });
    const reader = await stall();
    await expect.poll(() => listening.size).toBe(1);
    const flooding = setInterval(() => flood(1_000), 10);
    await expect.poll(() => listening.size).toBe(0);
    clearInterval(flooding);
    reader.destroy();
  });
});
