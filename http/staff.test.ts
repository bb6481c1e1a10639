import type { User } from '@aether/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApp, createRoute, createStaffRoute, jsonBody, object, requireOwnPage } from './index.ts';
import { isLoopbackAddress, isLoopbackHost } from './loopback.ts';
import { collectLog, post, readProblem, sendRaw, serveApp, type TestServer } from './testing.ts';

const responses = { 200: { description: 'ok' } };
const json = { 'Content-Type': 'application/json' };
let server: TestServer;

beforeAll(async () => {
  server = await serveApp((app) => {
    app.use(async (c, next) => {
      const who = c.req.header('x-test-user');
      const actor =
        who === 'machine'
          ? undefined
          : ({ id: who, role: who === 'root' ? 'admin' : who === 'steward' ? 'steward' : 'user' } as User);
      const scopes = c.req.header('x-test-scopes')?.split(' ') ?? (who === 'machine' ? [] : undefined);
      c.set('authenticate', async () =>
        who === undefined
          ? undefined
          : { actor, scopes: scopes && new Set(scopes), cookies: ['a=1', 'b=2'], isStillWelcome: async () => true },
      );
      await next();
    });
    const read = { method: 'get', path: '/staff', right: 'customers.read', description: 'All customers.' } as const;
    app.openapi(createStaffRoute({ ...read, responses }), (c) => c.json({ actor: c.get('actor')?.id ?? null }));
    const write = { method: 'post', path: '/staff', right: 'customers.write' } as const;
    app.openapi(createStaffRoute({ ...write, request: { body: jsonBody(object({})) }, responses }), (c) => c.json({}));
    const made = {
      id: 7,
      version: 2,
      address_id: 'a',
      phone_id: 'p',
      already_made: true,
      name: 'Ada',
      customer: { id: 1 },
      tier: 'gold',
    };
    const deal = { method: 'post', path: '/deals', right: 'deals.write', needs: { tier: 'customers.read' } } as const;
    app.openapi(createStaffRoute({ ...deal, responses }), (c) => c.json(made));
    const files = { method: 'get', path: '/files', right: 'files.read', people: 'steward', responses } as const;
    app.openapi(createStaffRoute(files), (c) => c.json({}));
    for (const right of ['person', 'steward', 'administrator'] as const)
      app.openapi(createStaffRoute({ method: 'get', path: `/${right}`, right, responses }), (c) => c.json({}));
    app.openapi(createRoute({ method: 'get', path: '/public', responses }), (c) => c.json({}));
    app.get('/own', (c) => {
      requireOwnPage(c, new URL('https://crm.example.com'));
      return c.json({});
    });
  });
});
afterAll(() => server.close());

const as = (who: string, path = '/staff', scopes?: string) =>
  fetch(`${server.url}${path}`, {
    headers: { 'X-Test-User': who, ...(scopes !== undefined && { 'X-Test-Scopes': scopes }) },
  });

describe('staff endpoints', () => {
  test('let in a signed-in person and a machine with the scope, and give the handler the person who acts', async () => {
    expect(await (await as('maya')).json()).toEqual({ actor: 'maya' });
    expect(await (await as('machine', '/staff', 'deals.read customers.read')).json()).toEqual({ actor: null });
  });

  test('refuse a machine without the scope before they check the fields, and name the scope', async () => {
    const refused = await as('machine', '/staff', 'customers.write deals.read');
    expect(refused.headers.get('www-authenticate')).toContain('scope="customers.read"');
    expect(await readProblem(refused)).toMatchObject({ status: 403, code: 'token-lacks-scope' });
    const headers = { ...json, 'X-Test-User': 'machine', 'X-Test-Scopes': 'customers.read' };
    expect((await post(`${server.url}/staff`, '{"unknown":1}', headers)).status).toBe(403);
    headers['X-Test-Scopes'] = 'customers.write';
    expect((await post(`${server.url}/staff`, '{"unknown":1}', headers)).status).toBe(422);
  });

  test('that write show a machine that may not read only the id and the version', async () => {
    const write = async (who: string, scopes?: string) => {
      const headers = { ...json, 'X-Test-User': who, ...(scopes && { 'X-Test-Scopes': scopes }) };
      return (await post(`${server.url}/deals`, '{}', headers)).json();
    };
    const bare = { id: 7, version: 2, address_id: 'a', phone_id: 'p', already_made: true };
    expect(await write('machine', 'deals.write')).toEqual(bare);
    expect(await write('maya', 'deals.write customers.read')).toEqual(bare);
    const whole = { ...bare, name: 'Ada', customer: { id: 1 } };
    expect(await write('machine', 'deals.write deals.read')).toEqual(whole);
    expect(await write('machine', 'deals.write deals.read customers.read')).toEqual({ ...whole, tier: 'gold' });
    expect(await write('maya')).toEqual({ ...whole, tier: 'gold' });
  });

  test('for people let in no machine with any scopes, and no token that was made for some scopes only', async () => {
    expect((await as('maya', '/person')).status).toBe(200);
    for (const who of ['machine', 'maya'])
      expect(await readProblem(await as(who, '/person', 'person customers.read'))).toMatchObject({
        status: 403,
        code: 'person-only',
      });
  });

  test('refuse every other caller before they check the fields', async () => {
    expect(await readProblem(await fetch(`${server.url}/staff`))).toMatchObject({ status: 401, code: 'not-signed-in' });
    expect(await readProblem(await post(`${server.url}/staff`, '{"unknown":1}'))).toMatchObject({ status: 401 });
    expect(
      await readProblem(await post(`${server.url}/staff`, '{"unknown":1}', { ...json, 'X-Test-User': 'maya' })),
    ).toMatchObject({ status: 422 });
  });

  test('refuse every caller if sign-in is not set up', async () => {
    const { log } = collectLog();
    const app = createApp({ name: 'test', title: 'Test', version: '1.0.0', log });
    app.openapi(createStaffRoute({ method: 'get', path: '/staff', right: 'person', responses }), (c) => c.json({}));
    expect((await app.request('/staff')).status).toBe(401);
  });

  test('send the cookies of the sign-in, even with a refusal', async () => {
    expect((await as('maya')).headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    const refused = await post(`${server.url}/staff`, '{"unknown":1}', { ...json, 'X-Test-User': 'maya' });
    expect([refused.status, refused.headers.getSetCookie()]).toEqual([422, ['a=1', 'b=2']]);
  });

  test('for stewards let in stewards and administrators: no other person, machine or stranger', async () => {
    expect((await as('steward', '/steward')).status).toBe(200);
    expect((await as('root', '/steward')).status).toBe(200);
    expect(await readProblem(await as('maya', '/steward'))).toMatchObject({ status: 403, code: 'steward-only' });
    expect((await as('machine', '/steward', 'steward')).status).toBe(403);
    expect((await as('steward', '/steward', 'customers.read')).status).toBe(403);
    expect((await as('steward', '/administrator')).status).toBe(403);
    expect((await fetch(`${server.url}/steward`)).status).toBe(401);
  });

  test('with a scope for stewards let in a machine that has it, stewards and administrators, and nobody else', async () => {
    expect((await as('machine', '/files', 'files.read')).status).toBe(200);
    expect((await as('steward', '/files')).status).toBe(200);
    expect((await as('root', '/files')).status).toBe(200);
    expect(await readProblem(await as('maya', '/files'))).toMatchObject({ status: 403, code: 'steward-only' });
    expect((await as('maya', '/files', 'files.read')).status).toBe(403);
    expect((await as('steward', '/files', 'customers.read')).status).toBe(403);
    expect(await readProblem(await as('machine', '/files', 'files.write'))).toMatchObject({
      code: 'token-lacks-scope',
    });
    expect((await fetch(`${server.url}/files`)).status).toBe(401);
  });

  test('for administrators let in only administrators: no other person, machine or stranger', async () => {
    expect((await as('root', '/administrator')).status).toBe(200);
    expect(await readProblem(await as('maya', '/administrator'))).toMatchObject({ status: 403, code: 'admin-only' });
    expect((await as('machine', '/administrator', 'administrator')).status).toBe(403);
    expect((await as('root', '/administrator', 'customers.read')).status).toBe(403);
    expect((await fetch(`${server.url}/administrator`)).status).toBe(401);
  });
});

test('other endpoints answer every caller', async () => {
  const head = 'Host: chat.example\r\nOrigin: https://shop.example\r\nX-Forwarded-For: 192.0.2.7';
  const answer = await sendRaw(server.port, `GET /public HTTP/1.1\r\nConnection: close\r\n${head}\r\n\r\n`);
  expect(answer?.status).toBe(200);
});

describe('a page that a cookie opens', () => {
  const get = (head: string, target = '/own') =>
    sendRaw(server.port, `GET ${target} HTTP/1.1\r\nConnection: close\r\n${head}\r\n\r\n`);

  test.each([
    'Host: localhost',
    'Host: LOCALHOST:4100',
    'Host: 127.0.0.1:4100',
    'Host: [::1]:4100',
    'Host: localhost:4100\r\nOrigin: http://localhost:4100',
    'Host: localhost:4100\r\nOrigin: https://crm.example.com',
    'Host: crm.example.com\r\nOrigin: https://crm.example.com',
    'Host: CRM.example.com',
    'Host: localhost\r\nSec-Fetch-Site: same-origin',
    'Host: localhost\r\nSec-Fetch-Site: none',
  ])('is sent for %j, a request from an own page', async (head) => {
    expect((await get(head))?.status).toBe(200);
  });

  test.each([
    ['a rebound name', 'Host: attacker.example'],
    ['a name that starts like this machine', 'Host: localhost.attacker.example'],
    ['an address that starts like this machine', 'Host: 127.0.0.1.attacker.example'],
    ['the wildcard address', 'Host: 0.0.0.0:4100'],
    ['two hosts', 'Host: localhost\r\nHost: attacker.example'],
    ['the public name on another port', 'Host: crm.example.com:8443'],
    ['a foreign page', 'Host: localhost\r\nOrigin: https://attacker.example'],
    ['a foreign page on a look-alike name', 'Host: localhost\r\nOrigin: http://localhost.attacker.example'],
    ['a page on another port of this machine', 'Host: localhost:4100\r\nOrigin: http://localhost:4200'],
    ['a page of the public name without encryption', 'Host: crm.example.com\r\nOrigin: http://crm.example.com'],
    ['a page without an origin', 'Host: localhost\r\nOrigin: null'],
    ['two origins', 'Host: localhost\r\nOrigin: http://localhost\r\nOrigin: https://attacker.example'],
    ['a page of another scheme', 'Host: localhost\r\nOrigin: file://localhost'],
    ['a page of a sister site', 'Host: localhost\r\nSec-Fetch-Site: same-site'],
    ['a page of another site', 'Host: localhost\r\nSec-Fetch-Site: cross-site'],
  ])('is not opened for %s', async (_, head) => {
    expect(await readProblem(await get(head))).toMatchObject({ status: 403, code: 'foreign-page' });
  });

  test('is not opened for a target that names another host than the header', async () => {
    expect((await get('Host: localhost', 'http://attacker.example/own'))?.status).toBe(403);
    expect((await get('Host: localhost', 'http://localhost/own'))?.status).toBe(200);
  });

  test('is not opened for an invalid host', async () => {
    expect(await readProblem(await get('Host: localhost@attacker.example'))).toMatchObject({ code: 'malformed-url' });
  });
});

test('the OpenAPI document names the callers that may use an endpoint, its scope and its refusals', async () => {
  const { paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { description?: string; responses: object; security?: object[] }>>;
  };
  expect(paths['/staff']?.get?.description).toMatch(/^All customers\.\n\nFor staff: with a sign-in/);
  expect(Object.keys(paths['/staff']?.get?.responses ?? {})).toEqual(expect.arrayContaining(['401', '403']));
  expect(paths['/staff']?.get?.security).toEqual([{ access_token: ['customers.read'] }, { sign_in: [] }]);
  expect(paths['/staff']?.post?.security).toEqual([
    { access_token: ['customers.write'] },
    { sign_in: [], csrf_token: [] },
  ]);
  expect(paths['/person']?.get).toMatchObject({
    'x-right': 'person',
    security: [{ access_token: [] }, { sign_in: [] }],
  });
  expect(paths['/person']?.get?.description).toMatch(/No scope allows it to a machine/);
  expect(paths['/public']?.get?.responses).not.toHaveProperty('401');
  expect(paths['/public']?.get?.security).toEqual([]);
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
