import { sample } from '@aether/database/testing.sample';
import { anyText } from '@aether/platform/testing.text';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRoute, jsonBody, line, object, text, uuid, z } from '../index.ts';
import { post, readProblem, sendRaw, serveApp, type TestServer } from '../testing.ts';

let server: TestServer;

beforeAll(async () => {
  server = await serveApp((app) => {
    const responses = {
      200: { description: 'What was understood.', content: { 'application/json': { schema: z.any() } } },
    };
    app.openapi(createRoute({ method: 'post', path: '/echo', request: { body: jsonBody(z.any()) }, responses }), (c) =>
      c.json(c.req.valid('json'), 200),
    );
    app.openapi(
      createRoute({
        method: 'post',
        path: '/strict',
        request: {
          body: jsonBody(
            object({
              name: line({ charactersMax: 20 }),
              note: text({ charactersMax: 20 }).optional(),
              id: uuid().optional(),
            }),
          ),
        },
        responses,
      }),
      (c) => c.json(c.req.valid('json'), 200),
    );
    app.get('/query/:name', (c) => c.json([c.req.param('name'), c.req.queries()]));
  });
});
afterAll(() => server.close());

const storable = (value: unknown): boolean => {
  if (typeof value === 'string') return value.isWellFormed() && !/[^\P{Cc}\t\n\r]/u.test(value);
  if (typeof value === 'object' && value !== null) return Object.entries(value).flat().every(storable);
  return true;
};

/** For any input: it is either accepted and can be stored, or refused with a problem, and never a 5xx. */
async function expectAnswer(response: Response): Promise<void> {
  expect(response.status).toBeLessThan(500);
  if (response.status >= 400) await readProblem(response);
  else expect(storable(await response.json())).toBe(true);
}

/** Any 16-bit units; lone surrogates, NUL and control characters are frequent. */
const wildText = fc.oneof(
  anyText(),
  fc
    .array(
      fc.oneof(
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0xd7f0, max: 0xe010 }),
        fc.integer({ min: 0, max: 0x20 }),
      ),
    )
    .map((units) => String.fromCharCode(...units)),
);
const wildJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium' },
    wildText,
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value')),
    fc
      .array(
        fc.tuple(fc.oneof(wildText, fc.constantFrom('__proto__', 'constructor', 'name', 'note', 'id')), tie('value')),
      )
      .map((pairs) => Object.fromEntries(pairs)),
  ),
})).value;

const runs = { numRuns: sample(150) };

test('any bytes as a body are accepted or refused with a problem', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) =>
      expectAnswer(await post(`${server.url}/echo`, bytes as Uint8Array<ArrayBuffer>)),
    ),
    runs,
  );
});

test('any JSON as a body is accepted or refused with a problem', async () => {
  await fc.assert(
    fc.asyncProperty(wildJson, fc.constantFrom('/echo', '/strict'), async (value, path) =>
      expectAnswer(await post(server.url + path, JSON.stringify(value))),
    ),
    runs,
  );
});

test('damaged JSON is accepted or refused with a problem', async () => {
  const damaged = fc.tuple(wildJson, fc.nat(), fc.string({ maxLength: 3 })).map(([value, at, noise]) => {
    const json = JSON.stringify(value);
    const place = at % (json.length + 1);
    return json.slice(0, place) + noise + json.slice(place + 1);
  });
  await fc.assert(
    fc.asyncProperty(damaged, async (body) => expectAnswer(await post(`${server.url}/echo`, body))),
    runs,
  );
});

test('any text in the fields of a schema is accepted or refused with a problem', async () => {
  await fc.assert(
    fc.asyncProperty(fc.record({ name: wildText, note: wildText, id: wildText }, { requiredKeys: [] }), async (value) =>
      expectAnswer(await post(`${server.url}/strict`, JSON.stringify(value))),
    ),
    runs,
  );
});

test('the handler gets an accepted body as it was sent', async () => {
  const tame = fc
    .jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })
    .filter((value) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value)));
  await fc.assert(
    fc.asyncProperty(tame, async (value) => {
      const response = await post(`${server.url}/echo`, JSON.stringify(value));
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(JSON.stringify(value));
    }),
    runs,
  );
});

test('any target of a request is accepted or refused with a problem', async () => {
  const target = fc.oneof(
    fc
      .string({
        unit: fc.constantFrom('%', '0', 'f', 'c', '3', '8', '?', '&', '=', '+', '/', '.', '\\', '#', 'é', '\x7f'),
      })
      .map((text) => `/query/${text}`),
    fc.uint8Array({ maxLength: 30 }).map(
      (bytes) =>
        `/query/${Buffer.from(bytes)
          .toString('latin1')
          .replace(/[\r\n ]/g, '')}`,
    ),
    wildText.map((text) => `/query/x?q=${encodeURIComponent(text.toWellFormed())}`),
    wildText.map((text) => `/query/x?${encodeURIComponent(text.toWellFormed())}=1`),
  );
  await fc.assert(
    fc.asyncProperty(target, async (path) => {
      const answer = await sendRaw(
        server.port,
        Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, 'latin1'),
      );
      expect(answer?.status).toBeLessThan(500);
      if (answer && answer.status >= 400) await readProblem(answer);
      else expect(storable(JSON.parse(answer?.body ?? ''))).toBe(true);
    }),
    runs,
  );
});

test('any bytes in place of HTTP get an answer or end the connection', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc
      .tuple(
        fc.constantFrom(
          'GET / HTTP/1.1\r\n',
          'POST /echo HTTP/1.1\r\nHost: localhost\r\n',
          'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n',
        ),
        fc.string({ unit: 'binary-ascii' }),
      )
      .map(([head, rest]) => Buffer.from(head + rest)),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      // The end of the input makes an unfinished request an error at once, so that no run waits for a time limit.
      const answer = await sendRaw(server.port, sent, { end: true });
      if (!answer) return;
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
    }),
    runs,
  );
});
