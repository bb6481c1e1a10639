import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRoute, jsonBody, z } from '../index.ts';
import { post, readProblem, sendRaw, serveApp, type TestServer } from '../testing.ts';

let server: TestServer;
let url: string;

beforeAll(async () => {
  server = await serveApp((app) => {
    const responses = { 200: { description: 'What was sent.', content: { 'application/json': { schema: z.any() } } } };
    app.openapi(createRoute({ method: 'post', path: '/echo', request: { body: jsonBody(z.any()) }, responses }), (c) =>
      c.json(c.req.valid('json'), 200),
    );
    app.openapi(createRoute({ method: 'delete', path: '/echo', responses: { 204: { description: 'Gone.' } } }), (c) =>
      c.body(null, 204),
    );
  });
  url = `${server.url}/echo`;
});
afterAll(() => server.close());

const nest = (depth: number) => `${'['.repeat(depth)}1${']'.repeat(depth)}`;
const listOf = (entries: number) => JSON.stringify(Array.from({ length: entries }, () => 0));

describe('a body is accepted', () => {
  test.each([
    ['an object', '{"name":"Zoë 🙂","list":[1,null,true]}'],
    ['a value with every escape', '{"a":"\\"\\\\\\/\\b\\n\\t\\u00e9\\ud83d\\ude42"}'.replace('\\b', '')],
    ['text that looks like structure', '{"a":"}{][,,:\\\\","b":"\\"c\\":"}'],
    ['the same key in two objects', '{"a":{"id":1},"b":{"id":2},"c":[{"id":3},{"id":4}]}'],
    ['nesting of 8', nest(8)],
    ['1,000 entries', listOf(1_000)],
    ['1,000 keys and entries', JSON.stringify({ list: Array.from({ length: 333 }, () => ({ id: [0] })) })],
    ['1,000 empty objects', `[${'{ },'.repeat(999)}[ ]]`],
    ['65,536 bytes', JSON.stringify('x'.repeat(65_534))],
  ])('%s', async (_, body) => {
    const response = await post(url, body);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(JSON.parse(body));
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
    'application/json ; charset=utf-8',
    'application/json\t;\tcharset=utf-8 ',
  ])('with the type %j, and the handler gets it', async (type) => {
    const response = await post(url, '{"a":1}', { 'Content-Type': type });
    expect([response.status, await response.json()]).toEqual([200, { a: 1 }]);
  });

  test('in chunks, without a length', async () => {
    const body = new Blob(['{"a":', '"é"}']).stream();
    expect(await (await post(url, body)).json()).toEqual({ a: 'é' });
  });
});

describe('a body is refused', () => {
  test.each([
    ['65,537 bytes', JSON.stringify('x'.repeat(65_535)), 413, 'body-too-large'],
    ['nesting of 9', nest(9), 400, 'body-too-deep'],
    ['nesting of 20,000', nest(20_000), 400, 'body-too-deep'],
    ['an empty list in 8 lists', `${'['.repeat(8)}[ ]${']'.repeat(8)}`, 400, 'body-too-deep'],
    ['1,001 entries', listOf(1_001), 400, 'too-many-entries'],
    ['1,001 keys', JSON.stringify(Object.fromEntries(Array(1_001).fill(0).entries())), 400, 'too-many-entries'],
    ['501 lists of one entry', JSON.stringify(Array(501).fill([0])), 400, 'too-many-entries'],
    ['no bytes', '', 400, 'malformed-json'],
    ['a trailing comma', '{"a":1,}', 400, 'malformed-json'],
    ['half an object', '{"a":', 400, 'malformed-json'],
    ['two values', '{}{}', 400, 'malformed-json'],
    ['invalid UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'body-not-utf8'],
    ['an encoded surrogate', new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), 400, 'body-not-utf8'],
  ])('%s', async (_, body, status, code) => {
    const response = await post(url, body);
    expect(await readProblem(response)).toMatchObject({ status, code });
  });

  test.each([
    ['__proto__ as a key', '{"a":{"__proto__":{"admin":true}}}', 'forbidden-key', 'a.__proto__'],
    ['__proto__ spelled with escapes', '{"\\u005f_proto__":1}', 'forbidden-key', '__proto__'],
    ['constructor as a key', '[{"constructor":1}]', 'forbidden-key', '[0].constructor'],
    ['a repeated key', '{"a":[{},{"id":1,"id":2}]}', 'repeated-key', 'a[1].id'],
    ['a key repeated with escapes', '{"id":1,"\\u0069d":2}', 'repeated-key', 'id'],
  ])('%s, and says where', async (_, body, code, field) => {
    const problem = await readProblem(await post(url, body));
    expect(problem).toMatchObject({ status: 400, code, errors: [{ field }] });
  });

  test.each([
    ['NUL', '{"a":{"b":["ok","\\u0000"]}}', 'a.b[1]', /NUL/],
    ['a lone surrogate', '{"a":"\\ud800"}', 'a', /surrogate/],
    ['surrogates in the wrong order', '{"a":"\\ude42\\ud83d"}', 'a', /surrogate/],
    ['a control character', '{"a":"bell \\u0007"}', 'a', /control/],
    ['DEL', '{"a":"\u007f"}', 'a', /control/],
    ['NUL in a key', '{"a\\u0000":1}', 'a\0', /NUL/],
    ['NUL as the whole body', '"\\u0000"', 'body', /NUL/],
  ])('%s, and says where', async (_, body, field, message) => {
    const problem = await readProblem(await post(url, body));
    expect(problem).toMatchObject({
      status: 422,
      code: 'invalid-field',
      errors: [{ field, message: expect.stringMatching(message) }],
    });
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/jsonp',
    'application/vnd.api+json',
  ])('with the type %s, which a foreign page can post without a preflight', async (type) => {
    expect(await readProblem(await post(url, '{}', { 'Content-Type': type }))).toMatchObject({
      status: 415,
      code: 'unsupported-media-type',
    });
  });

  test('without a type, even if it is empty', async () => {
    const answer = await sendRaw(
      server.port,
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    );
    expect(await readProblem(answer)).toMatchObject({ status: 415 });
  });

  test('if it is compressed', async () => {
    const response = await post(url, '{}', { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' });
    expect(await readProblem(response)).toMatchObject({ status: 415, detail: 'Send the body without compression.' });
  });

  test('if its chunks never end, without waiting for the end', async () => {
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
    const answer = await sendRaw(
      server.port,
      `POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    );
    expect(await readProblem(answer)).toMatchObject({ status: 413, code: 'body-too-large' });
  });

  test('if Content-Length is too large, before a byte of it is read', async () => {
    const answer = await sendRaw(
      server.port,
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 65537\r\n\r\n',
    );
    expect(await readProblem(answer)).toMatchObject({ status: 413 });
  });
});

test('the refusal of a syntax error names the position and does not quote the body', async () => {
  const { detail } = await readProblem(await post(url, '{"email":"bob@example.com",}'));
  expect(detail).toContain('at position 27 (line 1 column 28)');
  expect(detail).not.toContain('bob');
});

test('an app can set a smaller limit for bodies', async () => {
  await using small = await serveApp(
    (app) =>
      app.openapi(
        createRoute({
          method: 'post',
          path: '/echo',
          request: { body: jsonBody(z.any()) },
          responses: { 200: { description: 'ok' } },
        }),
        (c) => c.json({}),
      ),
    { app: { limits: { bodyBytesMax: 10 } } },
  );
  expect((await post(`${small.url}/echo`, '"12345678"')).status).toBe(200);
  expect((await post(`${small.url}/echo`, '"123456789"')).status).toBe(413);
});

test('DELETE needs no body, but a body is checked', async () => {
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(204);
  expect(await readProblem(await fetch(url, { method: 'DELETE', body: 'x' }))).toMatchObject({ status: 415 });
});

test('a body of any type for an address that does not exist is a 404', async () => {
  expect(await readProblem(await post(`${server.url}/nowhere`, 'x', { 'Content-Type': 'text/plain' }))).toMatchObject({
    status: 404,
    code: 'no-such-route',
  });
});
