import {
  ConfigurationError,
  CustomerErased,
  CustomerMerged,
  DatabaseBusy,
  DatabaseUnavailable,
  EmailTaken,
  FieldNotOwned,
  InvalidEmail,
  NotFound,
  VersionConflict,
} from '@aether/platform';
import { HTTPException } from 'hono/http-exception';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Problem } from './index.ts';
import { post, readProblem, sendRaw, serveApp, type TestServer } from './testing.ts';

let server: TestServer;
let failure: unknown;

beforeAll(async () => {
  server = await serveApp((app) => {
    app.on(['GET', 'POST'], '/fail', () => {
      throw failure;
    });
    app.get('/fail/later', async () => {
      await Promise.reject(failure);
    });
    app.get('/things/:id', (c) => c.json({ id: c.req.param('id') }));
    app.put('/things/:id', (c) => c.json({}));
  });
});
afterAll(() => server.close());
beforeEach(() => {
  server.entries.length = 0;
});

test.each([
  [new NotFound('customer'), 404, 'not-found'],
  [new FieldNotOwned([{ field: 'account_tier', message: 'belongs to Foundation' }]), 403, 'field-not-owned'],
  [new EmailTaken(), 409, 'email-taken'],
  [new CustomerErased(), 410, 'customer-erased'],
  [new CustomerMerged('0199aaaa-0000-7000-8000-000000000001'), 409, 'customer-merged'],
  [new InvalidEmail('no-at', 'needs an @'), 422, 'invalid-email'],
  [new VersionConflict('customer', 3, 5), 409, 'customer-version-conflict'],
])('%s of the platform reaches the client with its message and fields', async (error, status, code) => {
  failure = error;
  const problem = await readProblem(await fetch(`${server.url}/fail`));
  expect(problem).toMatchObject({ status, code, detail: error.message });
  expect(problem.errors ?? []).toEqual(error.fields);
  expect(server.entries.filter((entry) => entry.level > 30)).toEqual([]);
});

test('a field that the platform refuses is reported in the query if the request has no body', async () => {
  failure = new InvalidEmail('domain', 'must have a domain');
  const message = 'must have a domain';
  const inQuery = await readProblem(await fetch(`${server.url}/fail?email=a@b`));
  expect(inQuery.errors).toEqual([{ field: 'email', in: 'query', message }]);
  const elsewhere = await readProblem(await fetch(`${server.url}/fail?search=a@b`));
  expect(elsewhere.errors).toEqual([{ field: 'email', message }]);
  const inBody = await readProblem(await post(`${server.url}/fail?email=a@b`, '{}'));
  expect(inBody.errors).toEqual([{ field: 'email', message }]);
});

test('a merged customer’s refusal carries the survivor', async () => {
  failure = new CustomerMerged('0199aaaa-0000-7000-8000-000000000001');
  const problem = await readProblem(await fetch(`${server.url}/fail`));
  expect(problem).toMatchObject({ status: 409, survivor: '0199aaaa-0000-7000-8000-000000000001' });
});

test('a version conflict carries both versions', async () => {
  failure = new VersionConflict('customer', 3, 5);
  expect(await readProblem(await fetch(`${server.url}/fail`))).toMatchObject({ expected: 3, actual: 5 });
});

test.each([
  [new DatabaseUnavailable(new Error('connect ECONNREFUSED 10.0.0.1')), '5'],
  [new DatabaseBusy(new Error('canceling statement')), '2'],
])('%s is a 503 with a Retry-After, and its cause is only in the log', async (error, retryAfter) => {
  failure = error;
  const response = await fetch(`${server.url}/fail`);
  expect(response.headers.get('retry-after')).toBe(retryAfter);
  const problem = await readProblem(response);
  expect(problem.status).toBe(503);
  expect(JSON.stringify(problem)).not.toMatch(/ECONNREFUSED|canceling/);
  const [entry, ...more] = server.entries.filter((each) => each.level > 30);
  expect(entry).toMatchObject({
    msg: 'not available',
    requestId: problem.requestId,
    err: { cause: { message: expect.stringMatching(/ECONNREFUSED|canceling/) } },
  });
  expect(more).toEqual([]);
});

test.each([
  ['an unexpected error', new TypeError('secret of the driver')],
  ['a framework failure', new HTTPException(500, { message: 'secret of the framework' })],
  ['a thrown value that is not an Error', 'secret string'],
])('%s is a bare 500 and is logged once', async (_, error) => {
  for (const path of ['/fail', '/fail/later']) {
    failure = error;
    server.entries.length = 0;
    const response = await fetch(server.url + path);
    expect(response.status).toBe(500);
    const problem = await readProblem(response);
    expect(problem.code).toBe('internal-error');
    expect(JSON.stringify(problem)).not.toContain('secret');
    expect(problem.requestId).toBeTruthy();
    const logged = server.entries.filter((entry) => entry.level === 50);
    expect(logged).toEqual([expect.objectContaining({ msg: 'unexpected error', requestId: problem.requestId })]);
  }
});

test('a setting that fits no more, such as a replaced password, is a 503 whose sentence is in the log only', async () => {
  failure = new ConfigurationError('secret of the operator');
  server.entries.length = 0;
  const response = await fetch(`${server.url}/fail`);
  const problem = await readProblem(response);
  expect([response.status, problem.code, response.headers.get('retry-after')]).toEqual([503, 'configuration', '10']);
  expect(JSON.stringify(problem)).not.toContain('secret');
  const logged = server.entries.filter((entry) => entry.level > 30);
  expect(logged).toEqual([
    expect.objectContaining({ err: expect.objectContaining({ message: 'secret of the operator' }) }),
  ]);
});

test('a 4xx of the framework keeps its status, but not its message', async () => {
  failure = new HTTPException(400, { message: 'secret input' });
  const problem = await readProblem(await fetch(`${server.url}/fail`));
  expect(problem).toMatchObject({ status: 400, code: 'malformed-request' });
  expect(JSON.stringify(problem)).not.toContain('secret');
});

test('a problem of a route reaches the client whole', async () => {
  failure = new Problem({
    status: 409,
    code: 'deal-closed',
    detail: 'Reopen the deal first.',
    headers: { 'X-Hint': 'reopen' },
  });
  const response = await fetch(`${server.url}/fail`);
  expect(response.headers.get('x-hint')).toBe('reopen');
  expect(await response.json()).toEqual({
    type: 'urn:aether:problem:deal-closed',
    title: 'Deal closed',
    status: 409,
    code: 'deal-closed',
    detail: 'Reopen the deal first.',
    requestId: response.headers.get('x-request-id'),
  });
});

test('an unknown address is a 404', async () => {
  expect(await readProblem(await fetch(`${server.url}/nowhere`))).toMatchObject({ status: 404, code: 'no-such-route' });
});

test('an unknown method of an address is a 405 that lists the known ones', async () => {
  const response = await fetch(`${server.url}/things/1`, { method: 'DELETE' });
  expect(response.headers.get('allow')).toBe('GET, HEAD, PUT, OPTIONS');
  expect(await readProblem(response)).toMatchObject({ status: 405, code: 'method-not-allowed' });
});

test('OPTIONS lists the methods and lets no foreign page in', async () => {
  const response = await fetch(`${server.url}/things/1`, {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://elsewhere.example',
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'content-type',
    },
  });
  expect(response.status).toBe(204);
  expect(response.headers.get('allow')).toBe('GET, HEAD, PUT, OPTIONS');
  expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect(server.entries[0]).not.toHaveProperty('problem');
  expect((await fetch(`${server.url}/nowhere`, { method: 'OPTIONS' })).status).toBe(404);
});

test('HEAD answers as GET does, without the body', async () => {
  const response = await fetch(`${server.url}/things/1`, { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('');
  expect((await fetch(`${server.url}/nowhere`, { method: 'HEAD' })).status).toBe(404);
});

test('TRACE is not echoed', async () => {
  const answer = await sendRaw(
    server.port,
    'TRACE /things/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: secret\r\n\r\n',
  );
  expect(answer?.body).not.toContain('secret');
  expect((await readProblem(answer)).status).toBe(405);
});
