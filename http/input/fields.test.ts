import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bigintId,
  bigintIdText,
  clientId,
  createRoute,
  jsonBody,
  line,
  object,
  pageSize,
  text,
  uuid,
  z,
} from '../index.ts';
import { post, readProblem, serveApp, type TestServer } from '../testing.ts';

const reasonFor = (schema: z.ZodType, value: unknown) =>
  schema.safeParse(value).error?.issues.map((issue) => issue.message);

describe('a line', () => {
  const name = line({ charactersMax: 5 });
  test.each([
    ['  Zoë  ', 'Zoë'],
    ['12345', '12345'],
    ['🙂🙂🙂🙂🙂', '🙂🙂🙂🙂🙂'],
    ['שלום', 'שלום'],
    ['👩\u200d🚀', '👩\u200d🚀'],
    ['\u202a+47\u202c', '+47'], // as copied from an address book
  ])('takes %j', (value, result) => expect(name.parse(value)).toBe(result));
  test.each([
    ['123456', 'may have at most 5 characters'],
    ['', 'must not be empty'],
    [' \n ', 'must not be empty'],
    ['\u200b\u2060', 'must not be empty'],
    ['\u3164', 'must not be empty'],
    ['\u034f\u115f', 'must not be empty'],
    ['\u2800', 'must not be empty'],
    ['\u202e', 'must not be empty'],
    ['a\u202eb', 'holds a character that turns the direction of the text (U+202E): remove it'],
    ['a\u2066b', 'holds a character that turns the direction of the text (U+2066): remove it'],
    ['a\nb', 'must be one line, without tabs and control characters'],
    ['a\tb', 'must be one line, without tabs and control characters'],
    ['a\u2028b', 'must be one line, without tabs and control characters'],
    ['a\u0085b', 'must be one line, without tabs and control characters'],
    ['a\0b', 'must be one line, without tabs and control characters'],
    ['\ud800', 'holds half a character (a lone surrogate): send well-formed Unicode'],
    [undefined, 'is required'],
    [null, 'must be text'],
    [7, 'must be text'],
  ])('refuses %j', (value, reason) => expect(reasonFor(name, value)).toEqual([reason]));
});

describe('text', () => {
  const note = text({ charactersMin: 2, charactersMax: 5 });
  test.each([
    ['a\r\nb', 'a\nb'],
    ['a\n\tb', 'a\n\tb'],
    [' ab\r', 'ab'],
  ])('takes %j', (value, result) => expect(note.parse(value)).toBe(result));
  test.each([
    ['a', 'needs at least 2 characters'],
    ['a\nb\ncd', 'may have at most 5 characters'],
    ['a\u0007b', 'holds a control character: remove it'],
  ])('refuses %j', (value, reason) => expect(reasonFor(note, value)).toEqual([reason]));
  test('may be empty if the schema allows it', () =>
    expect(text({ charactersMin: 0, charactersMax: 5 }).parse(' ')).toBe(''));
});

describe('ids', () => {
  test('a UUID is parsed into lower case', () => {
    expect(uuid().parse('019A2B3C-4D5E-7F60-8A9B-0C1D2E3F4A5B')).toBe('019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b');
  });
  test.each([
    '',
    '5',
    '019a2b3c4d5e7f608a9b0c1d2e3f4a5b',
    '{019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b}',
    '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5g',
  ])('%j is not a UUID', (value) => {
    expect(reasonFor(uuid(), value)).toEqual(['must be a UUID: 8-4-4-4-12 hexadecimal digits']);
  });

  test.each([1, 42, Number.MAX_SAFE_INTEGER])('%d is a key', (value) => {
    expect(bigintId().parse(value)).toBe(value);
    expect(bigintIdText().parse(String(value))).toBe(value);
  });
  test.each([0, -1, 1.5, Number.MAX_SAFE_INTEGER + 1, Number.POSITIVE_INFINITY, Number.NaN, '1', null])(
    '%j is not a key in a body',
    (value) => {
      expect(reasonFor(bigintId(), value)).toEqual(['must be a whole number from 1 to 9007199254740991']);
    },
  );
  test.each(['0', '-1', '1.5', '01', '1e3', ' 1', '', '9007199254740992', '99999999999999999999', '１'])(
    '%j is not a key in a path',
    (value) => {
      expect(reasonFor(bigintIdText(), value)).toEqual(['must be a whole number from 1 to 9007199254740991']);
    },
  );

  test.each(['a', 'A-z_09', 'x'.repeat(64)])('%j is a client id', (value) =>
    expect(clientId().parse(value)).toBe(value),
  );
  test.each(['', 'a b', 'é', 'x'.repeat(65), 'a\n'])('%j is not a client id', (value) => {
    expect(reasonFor(clientId(), value)).toEqual(['must be 1 to 64 letters, digits, _ or -']);
  });
});

describe('pages', () => {
  const limit = pageSize({ max: 100, default: 20 });
  test.each([
    ['1', 1],
    ['100', 100],
    [undefined, 20],
  ])('%j is a page size', (value, result) => expect(limit.parse(value)).toBe(result));
  test.each(['0', '101', '1e2', '-1', '', ' 5', '0x10', '9999999'])('%j is not a page size', (value) => {
    expect(reasonFor(limit, value)).toEqual(['must be a whole number from 1 to 100']);
  });
});

describe('over HTTP', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serveApp((app) => {
      app.openapi(
        createRoute({
          method: 'post',
          path: '/deals/{id}',
          request: {
            params: object({ id: z.union([uuid(), bigintIdText()]) }),
            query: object({
              search: line({ charactersMax: 10 }).optional(),
              limit: pageSize({ max: 50, default: 10 }),
            }),
            body: jsonBody(
              object({
                name: line({ charactersMax: 10 }),
                outcome: z.enum(['won', 'lost']).optional(),
                amount: z.number().min(0).max(9).multipleOf(0.5).optional(),
                items: z
                  .array(object({ sku: clientId() }))
                  .min(1)
                  .max(2)
                  .optional(),
                way: z
                  .discriminatedUnion('kind', [
                    object({ kind: z.literal('mail') }),
                    object({ kind: z.literal('call') }),
                  ])
                  .optional(),
              }),
            ),
          },
          responses: {
            200: { description: 'What was understood.', content: { 'application/json': { schema: z.any() } } },
          },
        }),
        (c) => c.json([c.req.valid('param'), c.req.valid('query'), c.req.valid('json')], 200),
      );
    });
  });
  afterAll(() => server.close());

  const send = (path: string, body: unknown) => post(server.url + path, JSON.stringify(body));

  test('the handler gets the parsed values', async () => {
    const response = await send('/deals/7?search=a+%26%C3%A9', { name: ' Bob ' });
    expect(await response.json()).toEqual([{ id: 7 }, { search: 'a &é', limit: 10 }, { name: 'Bob' }]);
  });

  test.each([
    [{}, 'name', 'is required'],
    [[], 'body', 'must be an object'],
    [{ name: 'Bob', tier: 'gold' }, 'tier', 'is not a known field: remove it'],
    [{ name: 'Bob', outcome: 'maybe' }, 'outcome', 'must be one of "won", "lost"'],
    [{ name: 'Bob', amount: -1 }, 'amount', 'must be at least 0'],
    [{ name: 'Bob', amount: 10 }, 'amount', 'must be at most 9'],
    [{ name: 'Bob', amount: 0.3 }, 'amount', 'must be a multiple of 0.5'],
    [{ name: 'Bob', items: [] }, 'items', 'needs at least 1 entry'],
    [{ name: 'Bob', items: [{ sku: 'a' }, { sku: 'é' }] }, 'items[1].sku', 'must be 1 to 64 letters, digits, _ or -'],
    [{ name: 'Bob', items: [{ sku: 'a', x: 1 }] }, 'items[0].x', 'is not a known field: remove it'],
    [{ name: 'Bob', way: { kind: 'fax' } }, 'way.kind', 'must be one of "mail", "call"'],
  ])('the refusal of the body %j names the field and says what to do', async (body, field, message) => {
    const problem = await readProblem(await send('/deals/7', body));
    expect(problem).toMatchObject({ status: 422, code: 'invalid-field', errors: [{ field, message }] });
  });

  test.each([
    ['/deals/7?limit=51', 'limit', 'query', 'must be a whole number from 1 to 50'],
    ['/deals/7?serach=x', 'serach', 'query', 'is not a known field: remove it'],
    ['/deals/7?search=a&search=b', 'search', 'query', 'must be text, and given once'],
    ['/deals/7?search=%00', 'search', 'query', 'holds the NUL character (U+0000): remove it'],
    ['/deals/7?a%00=b', 'a\0', 'query', 'holds the NUL character (U+0000): remove it'],
    ['/deals/7?search=a%07', 'search', 'query', 'holds a control character: remove it'],
    ['/deals/7?__proto__=1', '__proto__', 'query', 'is not a known field: remove it'],
    ['/deals/a%00', 'path', 'path', 'holds the NUL character (U+0000): remove it'],
    [
      '/deals/x',
      'id',
      'path',
      'must be a UUID: 8-4-4-4-12 hexadecimal digits, or must be a whole number from 1 to 9007199254740991',
    ],
  ])('the refusal of %s names the field and says what to do', async (path, field, place, message) => {
    const problem = await readProblem(await send(path, { name: 'Bob' }));
    expect(problem).toMatchObject({ status: 422, code: 'invalid-field', errors: [{ field, in: place, message }] });
  });

  test.each([
    '/deals/%',
    '/deals/%zz',
    '/deals/%ff',
    '/deals/%ed%a0%80',
    '/deals/7?search=%',
    '/deals/7?%c3=1',
    '/deals/7?search=%c3%28',
  ])('the malformed percent-encoding of %s is a 400', async (path) => {
    expect(await readProblem(await send(path, { name: 'Bob' }))).toMatchObject({ status: 400, code: 'malformed-url' });
  });

  test('a refusal names every wrong field, up to 20', async () => {
    const two = await readProblem(await send('/deals/7', { outcome: 'maybe' }));
    expect(two.errors?.map((each) => each.field)).toEqual(['name', 'outcome']);
    const unknown = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x${index}`, 1]));
    expect((await readProblem(await send('/deals/7', { name: 'Bob', ...unknown }))).errors).toHaveLength(20);
  });

  test('a refusal does not repeat the input', async () => {
    const response = await send('/deals/7', { name: 'secret@example.com', outcome: 'secret@example.com' });
    expect(await response.text()).not.toContain('secret');
  });
});
