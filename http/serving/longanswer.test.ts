import { connect, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { serveApp, type TestServer } from '../testing.ts';
import { answerEvents, type LongAnswer } from './longanswer.ts';

let server: TestServer;
let closing: AbortController;
let ended: number;
let heartbeat: () => string;
let write: (answer: LongAnswer, pending: () => number) => Promise<void>;

beforeEach(async () => {
  closing = new AbortController();
  ended = 0;
  heartbeat = () => ': alive\n\n';
  const onEnd = () => {
    ended += 1;
  };
  server = await serveApp((app) => {
    app.get('/long', (c) => {
      const { outgoing } = c.env;
      return answerEvents(
        c,
        { closing: closing.signal, heartbeatMs: 100, heartbeat: () => heartbeat(), onEnd },
        (answer) => write(answer, () => outgoing.writableLength),
      );
    });
  });
});
afterEach(async () => {
  closing.abort();
  await server.close();
});

const ask = (version = '1.1'): Socket => {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.on('error', () => {}); // a cut
  socket.write(`GET /long HTTP/${version}\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
  return socket;
};
const untilOver = (answer: LongAnswer) =>
  new Promise<void>((resolve) => {
    answer.onOver = resolve;
    if (answer.isOver) resolve();
  });
/** Writes until the machine takes no more, and a little is left that makes no writer wait. */
async function fill(answer: LongAnswer, pending: () => number): Promise<void> {
  for (let left = 0; left === 0; left = pending()) {
    answer.write('x'.repeat(32_000));
    await turn();
  }
}

test.each([
  ['that goes on', untilOver],
  ['that ends', async () => {}],
])(
  'the connection of a reader that never reads is cut, also of an answer %s with little left to send',
  async (_, goOn) => {
    write = async (answer, pending) => {
      await fill(answer, pending);
      await goOn(answer);
    };
    const reader = ask().pause();
    await expect.poll(() => ended).toBe(1);
    await sleep(300); // longer than two signs of life
    reader.resume();
    await expect.poll(() => reader.closed).toBe(true);
  },
);

test('a reader that reads gets the last event and the end, and its connection serves the next request', async () => {
  write = async (answer) => answer.writeEvent({ event: 'last', data: 'one\ntwo', id: '1' }) ?? undefined;
  const reader = ask();
  let read = '';
  reader.setEncoding('utf8').on('data', (chunk) => {
    read += chunk;
  });
  await expect.poll(() => read).toContain('event: last\ndata: one\ndata: two\nid: 1\n\n\r\n0\r\n\r\n');
  reader.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
  await expect.poll(() => read.split('HTTP/1.1 200').length).toBe(3);
  expect(ended).toBe(1);
  reader.destroy();
});

test('what is sent now leaves before the program next waits, and what is written after it arrives too', async () => {
  const pendings: number[] = [];
  const ready = Promise.withResolvers<void>();
  write = async (answer, pending) => {
    await turn(); // the head has left
    answer.sendNow(); // nothing was written yet
    answer.writeEvent({ data: 'first' });
    pendings.push(pending());
    answer.sendNow();
    pendings.push(pending());
    answer.writeEvent({ data: 'second' });
    ready.resolve();
    await untilOver(answer);
    answer.sendNow();
  };
  const reader = ask();
  let read = '';
  reader.setEncoding('utf8').on('data', (chunk) => {
    read += chunk;
  });
  await ready.promise;
  const [written = 0, sent] = pendings;
  expect([written > 0, sent]).toEqual([true, 0]);
  await expect.poll(() => read).toMatch(/data: first\n\n[\s\S]*data: second\n\n/);
  reader.destroy();
  await expect.poll(() => ended).toBe(1);
});

test('a long answer has the headers of every answer, also for HTTP/1.0', async () => {
  write = async (answer) => {
    await answer.writeEvent({ data: 'here' });
  };
  const reader = ask('1.0');
  let read = '';
  reader.setEncoding('utf8').on('data', (chunk) => {
    read += chunk;
  });
  await expect.poll(() => reader.closed).toBe(true);
  for (const header of ['content-security-policy', 'x-content-type-options', 'traceparent', 'x-request-id'])
    expect(read).toContain(`\r\n${header}: `);
  expect(read).toMatch(/\r\n\r\ndata: here\n\n$/);
});

test('a reader that leaves at any moment ends its answer once', async () => {
  write = untilOver;
  for (let each = 0; each < 20; each++) {
    const reader = ask();
    for (let turns = 0; turns < each; turns++) await turn();
    reader.resetAndDestroy();
  }
  const stayer = ask();
  await expect.poll(() => stayer.bytesRead).toBeGreaterThan(0);
  const before = ended;
  stayer.destroy();
  await expect.poll(() => ended).toBe(before + 1);
});

test('readers that all come at once get their signs of life in turns, not all at once', async () => {
  const readers = 30;
  let said = 0;
  let together = 0;
  let togetherMost = 0;
  const everybody = Promise.withResolvers<void>();
  heartbeat = () => {
    if (together === 0)
      queueMicrotask(() => {
        together = 0;
      });
    togetherMost = Math.max(togetherMost, ++together);
    if (++said >= readers * 2) everybody.resolve();
    return ': alive\n\n';
  };
  write = untilOver;
  const sockets = Array.from({ length: readers }, () => ask().resume());
  await everybody.promise;
  for (const socket of sockets) socket.destroy();
  expect(togetherMost).toBeLessThanOrEqual(readers / 10);
});
