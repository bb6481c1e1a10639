import { ConfigurationError } from '@aether/platform';
import { describe, expect, test } from 'vitest';
import { createRoute, jsonBody, line, object, z } from '../index.ts';
import { post, readProblem, serveApp } from '../testing.ts';

const serveHello = () =>
  serveApp((app) => {
    app.openapi(
      createRoute({
        method: 'post',
        path: '/customers/{name}',
        request: {
          params: object({ name: line({ charactersMax: 50 }) }),
          query: object({ search: line({ charactersMax: 50 }).optional() }),
          body: jsonBody(object({ email: line({ charactersMax: 50 }) })),
        },
        responses: {
          200: { description: 'ok', content: { 'application/json': { schema: z.object({ requestId: z.string() }) } } },
        },
      }),
      (c) => c.json({ requestId: c.get('requestId') }, 200),
    );
  });

describe('a request id', () => {
  test('is made, and the handler and the client get it', async () => {
    await using server = await serveHello();
    const response = await post(`${server.url}/customers/bob`, '{"email":"a"}');
    const { requestId } = (await response.json()) as { requestId: string };
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get('x-request-id')).toBe(requestId);
  });

  test.each([
    ['trace-0af7651916cd43dd', true],
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['a b', false],
    ['<script>', false],
    ['', false],
  ])('%j of the caller is kept: %s', async (sent, isKept) => {
    await using server = await serveHello();
    const response = await fetch(`${server.url}/nowhere`, { headers: { 'X-Request-Id': sent } });
    const { requestId } = await readProblem(response);
    expect(requestId === sent).toBe(isKept);
    expect(response.headers.get('x-request-id')).toBe(requestId);
  });
});

test('the access log has the template of the route and no personal data', async () => {
  await using server = await serveHello();
  const headers = {
    'Content-Type': 'application/json',
    Authorization: 'Bearer secret',
    Cookie: 'secret=1',
    'User-Agent': 'secret',
    Referer: 'http://localhost/secret',
  };
  await post(`${server.url}/customers/secret?search=secret`, '{"email":"secret@example.com"}', headers);
  await post(`${server.url}/customers/secret?secret=secret`, '{"secret":"secret"}', headers);
  await fetch(`${server.url}/secret`, { headers });
  expect(server.entries).toEqual([
    expect.objectContaining({
      msg: 'request',
      method: 'POST',
      route: '/customers/:name',
      status: 200,
      requestId: expect.any(String),
      durationMs: expect.any(Number),
    }),
    expect.objectContaining({
      msg: 'request',
      method: 'POST',
      route: '/customers/:name',
      status: 422,
      problem: 'invalid-field',
    }),
    expect.objectContaining({ msg: 'request', method: 'GET', status: 404, problem: 'no-such-route' }),
  ]);
  expect(JSON.stringify(server.entries)).not.toContain('secret');
});

test('every answer forbids caching, framing and guessing its type, unless its route allows it', async () => {
  await using server = await serveApp((app) => {
    app.get('/page', (c) =>
      c.html('<p>', 200, { 'Content-Security-Policy': "default-src 'self'", 'Cache-Control': 'max-age=60' }),
    );
  });
  for (const path of ['/healthz', '/nowhere', '/%zz']) {
    const { headers } = await fetch(server.url + path);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
  }
  const { headers } = await fetch(`${server.url}/page`);
  expect(headers.get('cache-control')).toBe('max-age=60');
  expect(headers.get('content-security-policy')).toBe("default-src 'self'");
});

test('/openapi.json describes the routes, their limits and their refusals', async () => {
  await using server = await serveHello();
  const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: object };
  const email = { type: 'string', minLength: 1, maxLength: 50 };
  const schema = { additionalProperties: false, properties: { email }, required: ['email'] };
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { title: 'Test', version: '1.0.0' },
    paths: {
      '/customers/{name}': {
        post: {
          requestBody: { required: true, content: { 'application/json': { schema } } },
          responses: Object.fromEntries(
            [400, 413, 415, 422, 503].map((status) => [status, { content: { 'application/problem+json': {} } }]),
          ),
        },
      },
    },
    components: { schemas: { Problem: { required: expect.arrayContaining(['code', 'detail']) } } },
  });
  expect(Object.keys(document.paths)).toEqual(['/healthz', '/readyz', '/customers/{name}']);
});

describe('health', () => {
  test('reports a live process even if its checks fail', async () => {
    await using server = await serveApp(() => {}, {
      app: { checks: { database: () => Promise.reject(new Error('down')) } },
    });
    expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ status: 'alive' });
  });

  test('is ready if every check passes, and logs nothing', async () => {
    await using server = await serveApp(() => {}, {
      app: { checks: { database: async () => {}, migrations: async () => {} } },
    });
    const response = await fetch(`${server.url}/readyz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ready' });
    expect(server.entries.filter((entry) => entry.level >= 30)).toEqual([]);
  });

  test('is not ready if a check fails: the answer names the check, and only the log has the words of a driver', async () => {
    const checks = {
      database: () => Promise.reject(new Error('connect ECONNREFUSED')),
      broken: () => {
        throw new Error('at once');
      },
      migrations: async () => {},
    };
    await using server = await serveApp(() => {}, { app: { checks } });
    const response = await fetch(`${server.url}/readyz`);
    expect(response.headers.get('retry-after')).toBe('5');
    const problem = await readProblem(response);
    expect(problem).toMatchObject({
      status: 503,
      code: 'not-ready',
      errors: [
        { field: 'database', message: 'failed' },
        { field: 'broken', message: 'failed' },
      ],
    });
    expect(JSON.stringify(problem)).not.toMatch(/ECONNREFUSED|at once/);
    expect(server.entries.filter((entry) => entry.level === 40)).toMatchObject([
      { check: 'broken', err: { message: 'at once' } },
      { check: 'database', err: { message: 'connect ECONNREFUSED' } },
    ]);
  });

  test('says what is missing, if the check has words for everybody', async () => {
    const reason = 'The platform database is at migration 30, this version needs 34: run `aether migrate up`.';
    const database = () => Promise.reject(new ConfigurationError(reason, new Error('at db.internal:5432')));
    await using server = await serveApp(() => {}, { app: { checks: { database } } });
    const problem = await readProblem(await fetch(`${server.url}/readyz`));
    expect(problem).toMatchObject({ status: 503, errors: [{ field: 'database', message: reason }] });
    expect(JSON.stringify(problem)).not.toContain('db.internal');
  });

  test('runs the checks again for each probe', async () => {
    let isDown = false;
    const database = async () => {
      if (isDown) throw new Error('down');
    };
    await using server = await serveApp(() => {}, { app: { checks: { database } } });
    for (const status of [200, 503, 200]) {
      isDown = status === 503;
      expect((await fetch(`${server.url}/readyz`)).status).toBe(status);
    }
  });

  test('fails a check that hangs after its time limit, and probes do not pile up behind it', async () => {
    let calls = 0;
    const released = Promise.withResolvers<void>();
    const database = () => {
      calls += 1;
      return released.promise;
    };
    await using server = await serveApp(() => {}, { app: { checks: { database }, checkTimeoutMs: 20 } });
    for (let probe = 0; probe < 3; probe += 1) {
      expect(await readProblem(await fetch(`${server.url}/readyz`))).toMatchObject({
        errors: [{ field: 'database', message: 'did not answer within 20 ms' }],
      });
    }
    expect(calls).toBe(1);
    released.resolve();
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });
});
