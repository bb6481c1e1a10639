import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { atEnd } from '@aether/database/testing';
import { testCertificate, trustTestCertificate } from '@aether/database/testing.tls';
import { expect, test } from 'vitest';
import { askServer } from './asking.ts';

async function listen<Given extends Server & { closeAllConnections(): void }>(server: Given): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const answering = async (answer: RequestListener) => `http://127.0.0.1:${await listen(createServer(answer))}`;

test('a question has its method, headers and parameters, and the answer its status, headers and body', async () => {
  const url = await answering(async (request, response) => {
    const { method, headers } = request;
    const got = { method, path: request.url, as: headers.authorization, type: headers['content-type'] };
    response
      .writeHead(401, { 'Content-Type': 'application/json', 'WWW-Authenticate': ['Bearer', 'DPoP'] })
      .end(JSON.stringify({ ...got, body: await text(request) }));
  });
  const answer = await askServer(`${url}/token?a=1`, {
    method: 'POST',
    headers: { Authorization: 'Bearer t' },
    body: new URLSearchParams({ scope: 'a b', name: 'ä' }),
  });
  expect([answer.status, answer.ok, answer.headers.get('www-authenticate')]).toEqual([401, false, 'Bearer, DPoP']);
  expect(await answer.json()).toEqual({
    method: 'POST',
    path: '/token?a=1',
    as: 'Bearer t',
    type: 'application/x-www-form-urlencoded;charset=UTF-8',
    body: 'scope=a+b&name=%C3%A4',
  });
});

test('an answer without a body is one', async () => {
  const answer = await askServer(await answering((_, response) => response.writeHead(204).end()));
  expect([answer.status, await answer.text()]).toEqual([204, '']);
});

test('questions one after the other share a connection', async () => {
  const ports = new Set<number | undefined>();
  const url = await answering((request, response) => {
    ports.add(request.socket.remotePort);
    response.end('{}');
  });
  for (let n = 0; n < 3; n++) await (await askServer(url)).json();
  expect(ports.size).toBe(1);
});

test('a question whose waiting connections were all closed by the server meanwhile is asked again on a new one', async () => {
  const sockets: Socket[] = [];
  let isOver = false;
  const server = createSocketServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.on('data', () => {
      if (isOver && socket !== sockets[2]) return socket.resetAndDestroy();
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
    });
  });
  const port = await listen(
    Object.assign(server, { closeAllConnections: () => sockets.map((each) => each.destroy()) }),
  );
  const ask = () => askServer(`http://127.0.0.1:${port}/keys`);
  await Promise.all([ask(), ask()]);
  expect(sockets).toHaveLength(2);
  isOver = true;
  expect(await (await ask()).json()).toEqual({});
  expect(sockets).toHaveLength(3);
});

test('what may change something goes over a connection of its own, and once, whatever becomes of it', async () => {
  const sockets: Socket[] = [];
  const heard: string[] = [];
  const server = createSocketServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.on('data', (data) => {
      heard.push(data.toString().slice(0, 4));
      if (heard.length === 3) return socket.resetAndDestroy(); // it may have done what it was asked for
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
    });
  });
  const port = await listen(
    Object.assign(server, { closeAllConnections: () => sockets.map((each) => each.destroy()) }),
  );
  const give = () => askServer(`http://127.0.0.1:${port}/token`, { method: 'POST' });
  await askServer(`http://127.0.0.1:${port}/keys`); // leaves a connection that waits
  expect(await (await give()).json()).toEqual({});
  await expect(give()).rejects.toMatchObject({ name: 'TypeError', cause: { code: 'ECONNRESET' } });
  expect([heard, sockets.length]).toEqual([['GET ', 'POST', 'POST'], 3]);
});

test('an answer that is packed although nobody asked for it is unpacked, unless it is too long then, or packed otherwise', async () => {
  const packed = (encoding: string, body: Buffer) =>
    answering((_, response) => response.writeHead(200, { 'Content-Encoding': encoding }).end(body));
  const answer = await askServer(await packed('gzip', gzipSync('{"keys":[]}')));
  expect([await answer.json(), answer.headers.get('content-encoding')]).toEqual([{ keys: [] }, null]);
  await expect(
    askServer(await packed('gzip', gzipSync('x'.repeat(2_000))), { answerBytesMax: 1_000 }),
  ).rejects.toMatchObject({ name: 'TypeError', cause: { code: 'ERR_BUFFER_TOO_LARGE' } });
  await expect(askServer(await packed('br', Buffer.from('x')))).rejects.toMatchObject({
    cause: { message: 'it answers in br, which nobody asked for' },
  });
});

test('a server that wants to speak another protocol is a failure, and not an answer that never comes', async () => {
  const url = await answering((request) =>
    request.socket.end('HTTP/1.1 101 Odd\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\n'),
  );
  await expect(askServer(url)).rejects.toMatchObject({ name: 'TypeError', cause: expect.any(Error) });
});

test('who asks is named, unless the question names somebody', async () => {
  const url = await answering((request, response) => response.end(request.headers['user-agent']));
  expect(await (await askServer(url)).text()).toBe('aether');
  expect(await (await askServer(url, { headers: { 'User-Agent': 'jose/6' } })).text()).toBe('jose/6');
});

test('a redirect is not followed', async () => {
  const asked: (string | undefined)[] = [];
  const url = await answering((request, response) => {
    asked.push(request.url);
    response.writeHead(302, { Location: '/elsewhere' }).end();
  });
  expect((await askServer(`${url}/keys`)).status).toBe(302);
  expect(asked).toEqual(['/keys']);
});

test.each<[string, RequestListener]>([
  ['nothing', () => {}],
  ['the head of an answer alone', (_, response) => response.writeHead(200).flushHeaders()],
  ['half of an answer', (_, response) => response.writeHead(200, { 'Content-Length': 10 }).write('{"ke')],
])('a server that sends %s is given up when the signal says so, with its reason', async (_, answer) => {
  const url = await answering(answer);
  const refused = askServer(url, { signal: AbortSignal.timeout(100) });
  await expect(refused).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(askServer(url, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
});

test('an answer that is too long is refused as soon as it is, and its connection is closed', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const url = await answering((request, response) => {
    request.socket.once('close', () => resolve());
    response.write('x'.repeat(2_000)); // and it has no end
  });
  const refused = askServer(url, { answerBytesMax: 1_000 });
  await expect(refused).rejects.toMatchObject({
    name: 'TypeError',
    cause: { message: 'it answers with more than 1000 bytes' },
  });
  await closed;
  const exact = await answering((_, response) => response.end('x'.repeat(1_000)));
  expect(await (await askServer(exact, { answerBytesMax: 1_000 })).text()).toHaveLength(1_000);
});

test.each<[string, string, RequestListener]>([
  ['breaks off', 'ECONNRESET', (request) => request.socket.destroy()],
  [
    'breaks off in its answer',
    'ECONNRESET',
    (request, response) =>
      response.writeHead(200, { 'Content-Length': 10 }).write('{"ke', () => request.socket.destroy()),
  ],
  ['speaks no HTTP', 'HPE_INVALID_CONSTANT', (request) => request.socket.end('SSH-2.0-OpenSSH_9.9\r\n')],
])('a server that %s is a failure with the cause %s', async (_, code, answer) => {
  await expect(askServer(await answering(answer))).rejects.toMatchObject({ name: 'TypeError', cause: { code } });
});

test('a server that does not listen is a failure that names it, and has its cause', async () => {
  await expect(askServer('http://127.0.0.1:1/keys')).rejects.toMatchObject({
    name: 'TypeError',
    message: '127.0.0.1:1 cannot be asked',
    cause: { code: 'ECONNREFUSED' },
  });
});

test('over TLS a certificate that nobody trusts is refused, and one that is trusted is not', async () => {
  const port = await listen(createTlsServer(testCertificate, (_, response) => response.end('{}')));
  await expect(askServer(`https://localhost:${port}`)).rejects.toMatchObject({
    cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  });
  const distrust = trustTestCertificate();
  try {
    expect(await (await askServer(`https://localhost:${port}`)).json()).toEqual({});
  } finally {
    distrust();
  }
});
