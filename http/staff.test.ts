import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApp, createRoute, createStaffRoute, jsonBody, object, staffOnly } from './index.ts';
import { isLoopbackAddress, isLoopbackHost } from './loopback.ts';
import { collectLog, post, readProblem, sendRaw, serveApp, type TestServer } from './testing.ts';

const responses = { 200: { description: 'ok' } };
let server: TestServer;

beforeAll(async () => {
  server = await serveApp((app) => {
    app.openapi(createStaffRoute({ method: 'get', path: '/staff', description: 'All customers.', responses }), (c) =>
      c.json({}),
    );
    app.openapi(
      createStaffRoute({ method: 'post', path: '/staff', request: { body: jsonBody(object({})) }, responses }),
      (c) => c.json({}),
    );
    app.openapi(createRoute({ method: 'get', path: '/public', responses }), (c) => c.json({}));
  });
});
afterAll(() => server.close());

const get = (head: string, target = '/staff') =>
  sendRaw(server.port, `GET ${target} HTTP/1.1\r\nConnection: close\r\n${head}\r\n\r\n`);

describe('staff endpoints answer', () => {
  test.each(['localhost', 'LOCALHOST:4100', '127.0.0.1', '127.0.0.1:4100', '[::1]:4100'])(
    'this machine, called %s',
    async (host) => {
      expect((await get(`Host: ${host}`))?.status).toBe(200);
    },
  );
  test.each(['http://localhost:5173', 'http://127.0.0.1:4100', 'https://localhost', 'http://[::1]:4100'])(
    'a page of %s',
    async (origin) => {
      expect((await get(`Host: localhost\r\nOrigin: ${origin}`))?.status).toBe(200);
    },
  );
});

describe('staff endpoints refuse', () => {
  test.each([
    ['a rebound name', 'Host: attacker.example'],
    ['a name that starts like this machine', 'Host: localhost.attacker.example'],
    ['an address that starts like this machine', 'Host: 127.0.0.1.attacker.example'],
    ['the wildcard address', 'Host: 0.0.0.0:4100'],
    ['two hosts', 'Host: localhost\r\nHost: attacker.example'],
    ['a foreign page', 'Host: localhost\r\nOrigin: https://attacker.example'],
    ['a foreign page on a look-alike name', 'Host: localhost\r\nOrigin: http://localhost.attacker.example'],
    ['a page without an origin', 'Host: localhost\r\nOrigin: null'],
    ['two origins', 'Host: localhost\r\nOrigin: http://localhost\r\nOrigin: https://attacker.example'],
    ['a page of another scheme', 'Host: localhost\r\nOrigin: file://localhost'],
    ['a forwarded request', 'Host: localhost\r\nX-Forwarded-For: 127.0.0.1'],
    ['a forwarded request with an empty list', 'Host: localhost\r\nX-Forwarded-For:'],
    ['a forwarded request (RFC 7239)', 'Host: localhost\r\nForwarded: for=127.0.0.1'],
    ['a proxied request', 'Host: localhost\r\nVia: 1.1 proxy'],
    ['a request of a tunnel', 'Host: localhost\r\nX-Forwarded-Host: attacker.example'],
    ['a request passed on with its address', 'Host: localhost\r\nX-Real-IP: 127.0.0.1'],
    [
      'a forwarded request behind 2,500 other headers',
      `Host: localhost\r\n${'a:\r\n'.repeat(2_500)}X-Forwarded-For: 192.0.2.7`,
    ],
  ])('%s', async (_, head) => {
    const answer = await get(head);
    expect(await readProblem(answer)).toMatchObject({
      status: 403,
      code: 'staff-loopback-only',
      detail: expect.stringMatching(/^Until sign-in is built, staff endpoints answer only to this machine itself/),
    });
  });

  test('a host that is no host', async () => {
    expect(await readProblem(await get('Host: localhost@attacker.example'))).toMatchObject({
      status: 400,
      code: 'malformed-url',
    });
  });

  test('a target that names another host than the header', async () => {
    expect(await readProblem(await get('Host: localhost', 'http://attacker.example/staff'))).toMatchObject({
      status: 403,
    });
    expect((await get('Host: localhost', 'http://localhost/staff'))?.status).toBe(200);
  });

  test.each(['192.0.2.7', '10.0.0.1', '169.254.169.254', '::ffff:192.0.2.7', '2001:db8::1', undefined])(
    'a peer at %s',
    async (remoteAddress) => {
      const { log } = collectLog();
      const app = createApp({ name: 'test', title: 'Test', version: '1.0.0', log });
      app.get('/staff', staffOnly, (c) => c.json({}));
      const bindings = (address: string | undefined) => ({
        incoming: { url: '/staff', socket: { remoteAddress: address } },
      });
      const request = () => new Request('http://localhost/staff', { headers: { Host: 'localhost' } });
      expect((await app.fetch(request(), bindings('127.0.0.1') as never)).status).toBe(200);
      expect((await app.fetch(request(), bindings(remoteAddress) as never)).status).toBe(403);
    },
  );

  test('a request that came over no socket', async () => {
    const { log } = collectLog();
    const app = createApp({ name: 'test', title: 'Test', version: '1.0.0', log });
    app.get('/staff', staffOnly, (c) => c.json({}));
    expect(await readProblem(await app.request('/staff', { headers: { Host: 'localhost' } }))).toMatchObject({
      status: 403,
      code: 'staff-loopback-only',
    });
  });

  test('a foreign request before they look at its fields', async () => {
    const response = await post(`${server.url}/staff`, '{"unknown":1}', {
      'Content-Type': 'application/json',
      'X-Forwarded-For': '192.0.2.7',
    });
    expect((await readProblem(response)).status).toBe(403);
  });
});

test('other endpoints answer whoever asks', async () => {
  expect(
    (await get('Host: chat.example\r\nOrigin: https://shop.example\r\nX-Forwarded-For: 192.0.2.7', '/public'))?.status,
  ).toBe(200);
});

test('the OpenAPI document says which endpoints are for staff, and why they refuse', async () => {
  const { paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { description?: string; responses: object }>>;
  };
  expect(paths['/staff']?.get?.description).toMatch(
    /^All customers\.\n\nFor staff\. Until sign-in is built it answers on loopback only/,
  );
  expect(paths['/staff']?.get?.responses).toHaveProperty('403');
  expect(paths['/public']?.get?.responses).not.toHaveProperty('403');
});

test.each(['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:0:0:1'])(
  '%s is this machine',
  (address) => {
    expect(isLoopbackAddress(address)).toBe(true);
  },
);
test.each(['', 'localhost', '0.0.0.0', '::', '128.0.0.1', '::ffff:128.0.0.1', '127.0.0.1:80', '1.127.0.0'])(
  '%j is not this machine',
  (address) => {
    expect(isLoopbackAddress(address)).toBe(false);
  },
);
test.each(['', 'localhost:', 'localhost:123456', 'localhost,localhost', '::1', '127.1', '2130706433', 'localhost.'])(
  'Host %j does not name this machine',
  (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  },
);
