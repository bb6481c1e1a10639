import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { serve } from '../index.ts';
import { collectLog, parseAnswer, readProblem, sendRaw, serveApp } from '../testing.ts';

const nothing = { fetch: () => new Response('') };

describe('the port', () => {
  async function takePort() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() };
  }

  test('is the requested one if it is free', async () => {
    const { log } = collectLog();
    const first = await serve(nothing, { port: 0, log });
    expect(first).toMatchObject({ url: `http://127.0.0.1:${first.port}`, portTaken: undefined });
    await first.close();
    const second = await serve(nothing, { port: first.port, log, portExact: true });
    expect(second).toMatchObject({ port: first.port, portTaken: undefined });
    await second.close();
  });

  test('is the next free one if the requested one is taken, and the result shows it', async () => {
    await using taken = await takePort();
    const { log } = collectLog();
    const served = await serve(nothing, { port: taken.port, log });
    expect(served.port).toBeGreaterThan(taken.port);
    expect(served.portTaken).toBe(taken.port);
    expect((await fetch(served.url)).status).toBe(200);
    await served.close();
  });

  test('is not changed if it must be exact', async () => {
    await using taken = await takePort();
    const { log } = collectLog();
    await expect(serve(nothing, { port: taken.port, log, portExact: true })).rejects.toThrow(
      `Port ${taken.port} is taken on 127.0.0.1.`,
    );
  });
});

describe('the host', () => {
  test.each(['0.0.0.0', '::', '192.0.2.7', 'example.com', ''])(
    '%j is refused unless the caller allows it',
    async (host) => {
      const { log } = collectLog();
      await expect(serve(nothing, { port: 0, host, log })).rejects.toThrow(
        /Listen on 127\.0\.0\.1, or set allowNonLoopback/,
      );
    },
  );

  test('may be the IPv6 loopback address, which a URL has in brackets', async () => {
    const { log } = collectLog();
    const served = await serve(nothing, { port: 0, host: '::1', log });
    expect(served.url).toBe(`http://[::1]:${served.port}`);
    expect((await fetch(served.url)).status).toBe(200);
    await served.close();
  });
});

describe('a request that is not valid HTTP is refused with a problem', () => {
  const request = (target: string, head = 'Host: localhost\r\n') =>
    `GET ${target} HTTP/1.1\r\n${head}Connection: close\r\n\r\n`;

  test.each([
    ['noise', 'hello\r\n\r\n', 400],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['an unknown method', 'FROB / HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['a space before the colon', request('/', 'Host : localhost\r\n'), 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
    [
      'a length and chunks (smuggling)',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'a chunk without a valid length',
      'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
    ['a target that is not a path', request('*'), 400],
    ['an invalid host', request('/', 'Host: a b\r\n'), 400],
    ['no host', 'GET / HTTP/1.0\r\n\r\n', 400],
    ['a backslash in the path', request('/a\\b'), 400],
    ['raw bytes in the target', request('/caf\u00e9'), 400],
    ['16 KiB of headers', request('/', `Host: localhost\r\nX-Long: ${'x'.repeat(16 * 1024)}\r\n`), 431],
    ['16 KiB of target', request(`/?q=${'x'.repeat(16 * 1024)}`), 431],
    ['an unknown expectation', request('/', 'Host: localhost\r\nExpect: miracles\r\n'), 417],
  ])('%s', async (_, bytes, status) => {
    await using server = await serveApp(() => {});
    const answer = await sendRaw(server.port, Buffer.from(bytes, 'latin1'));
    expect((await readProblem(answer)).status).toBe(status);
  });

  test.each(['/healthz', 'http://localhost/healthz'])('an HTTP/1.1 request of %s without a host', async (target) => {
    await using server = await serveApp(() => {});
    const answer = await sendRaw(server.port, `GET ${target} HTTP/1.1\r\n\r\n`);
    expect(await readProblem(answer)).toMatchObject({ status: 400, code: 'malformed-url' });
  });

  test('15 KiB of headers are accepted', async () => {
    await using server = await serveApp(() => {});
    const answer = await sendRaw(
      server.port,
      `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: ${'x'.repeat(15 * 1024)}\r\n\r\n`,
    );
    expect(answer?.status).toBe(200);
  });

  test('a request that does not arrive in its time', async () => {
    await using server = await serveApp(() => {}, { serve: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    const answer = await sendRaw(server.port, 'GET /healthz HTTP/1.1\r\nHost: loc');
    expect(await readProblem(answer)).toMatchObject({ status: 408, code: 'request-timeout' });
  });

  const healthz = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';

  test.each([1, 2])('noise after %d requests does not replace their answers', async (count) => {
    await using server = await serveApp(() => {});
    const received = await readText(await open(server.port, `${healthz.repeat(count)}GARBAGE\r\n\r\n`));
    expect(received.match(/HTTP\/1\.1 \d+|\{.*?\}/g)).toEqual(
      Array(count).fill(['HTTP/1.1 200', '{"status":"alive"}']).flat(),
    );
  });

  test('a damaged body after a request does not replace the answer to that request', async () => {
    await using server = await serveApp((app) => app.post('/echo', async (c) => c.json(await c.req.json())));
    const damaged =
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';
    const answer = await sendRaw(server.port, healthz + damaged);
    expect(answer?.status ?? 200).toBe(200);
  });

  test('noise after half an answer ends the connection and adds nothing to that answer', async () => {
    await using server = await serveApp((app) =>
      app.get(
        '/stream',
        () => new Response(new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from('half')) })),
      ),
    );
    const socket = await open(server.port, 'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let received = '';
    socket.on('data', (data) => {
      if (received === '') socket.write('noise\r\n\r\n');
      received += data;
    });
    await once(socket, 'close');
    expect(received).toMatch(/^HTTP\/1\.1 200/);
    expect(received).not.toContain('problem');
  });
});

async function open(port: number, bytes = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  if (bytes) socket.write(bytes);
  return socket;
}

describe('closing', () => {
  /** An app with one route that waits to be released. */
  async function serveSlowly(drainMs: number) {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const server = await serveApp(
      (app) =>
        app.get('/slow', async (c) => {
          arrived.resolve();
          await released.promise;
          return c.json({ finished: true });
        }),
      { serve: { drainMs } },
    );
    return { server, arrived: arrived.promise, release: released.resolve };
  }

  test('lets an answer finish, then hangs up', async () => {
    const { server, arrived, release } = await serveSlowly(60_000);
    const socket = await open(server.port, 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const answer = readText(socket);
    await arrived;
    const closed = server.close();
    release();
    await closed;
    const { status, headers, body } = parseAnswer(await answer) ?? {};
    expect([status, headers?.get('connection'), body]).toEqual([200, 'close', '{"finished":true}']);
  });

  test('accepts no new connection while it waits', async () => {
    const { server, arrived, release } = await serveSlowly(60_000);
    const answer = fetch(`${server.url}/slow`);
    await arrived;
    const closed = server.close();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    release();
    expect((await answer).status).toBe(200);
    await closed;
  });

  test('hangs up at once on connections without a complete request', async () => {
    const { server } = await serveSlowly(60_000);
    const idle = await open(server.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(idle, 'data');
    const silent = await open(server.port);
    const half = await open(server.port, 'GET /healthz HTTP/1.1\r\nHo');
    const hungUp = Promise.all(
      [idle, silent, half].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    await server.close();
    await hungUp;
  });

  test('hangs up when a begun answer is complete', async () => {
    const ended = Promise.withResolvers<void>();
    const body = () =>
      new ReadableStream({
        async start(stream) {
          stream.enqueue(Buffer.from('half'));
          await ended.promise;
          stream.close();
        },
      });
    await using server = await serveApp((app) => app.get('/stream', () => new Response(body())), {
      serve: { drainMs: 60_000 },
    });
    const socket = await open(server.port, 'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    const closed = server.close();
    ended.resolve();
    await closed;
  });

  test('cuts unfinished requests after drainMs and logs their number', async () => {
    const { server, arrived, release } = await serveSlowly(20);
    const socket = await open(server.port, 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await arrived;
    await server.close();
    expect(await readText(socket).catch(() => '')).toBe('');
    expect(server.entries).toContainEqual(
      expect.objectContaining({ msg: 'closing cut requests short', requests: 1, drainMs: 20 }),
    );
    release();
  });

  test('twice has the same effect as once', async () => {
    const { server } = await serveSlowly(60_000);
    await Promise.all([server.close(), server.close()]);
    await server.close();
  });
});

test('a client that leaves in the middle of its body is not logged as a failure', async () => {
  await using server = await serveApp((app) => app.post('/echo', async (c) => c.json(await c.req.json())));
  const socket = await open(
    server.port,
    'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":',
  );
  socket.resetAndDestroy();
  const entry = { level: 30, msg: 'request', status: 400, problem: 'body-incomplete' };
  await expect.poll(() => server.entries).toEqual([expect.objectContaining(entry)]);
});
