import { anyText } from '@aether/platform/testing.text';
import fc from 'fast-check';

type Schema = {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  enum?: unknown[];
  anyOf?: Schema[];
};
type Parameter = { name: string; in: 'path' | 'query' | 'header'; schema: Schema };
type Operation = {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, unknown> }>;
  security?: Record<string, string[]>[];
};
type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes?: Record<string, unknown> };
};

/** An answer that no input may cause. */
export type Fault = { request: string; status: number; answer: string };

const strings = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1e9',
    'null',
    'true',
    '[object Object]',
    '\u0000',
    '\ud800',
    '\u202e',
    '\ufeff',
    '😀',
    'ﬀ',
    'x'.repeat(5_000),
  ],
  ...["'; drop table platform.customers; --", '%', '\\', '_', '$1', '{}', '<script>', '../../etc/passwd', '%00', '＠'],
  ...[
    '2026-02-30',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999Z',
    'infinity',
    '2026-01-01T00:00:00+23:59',
    '2026-01-01',
  ],
  ...[
    'a@example.com',
    'a@[127.0.0.1]',
    'A <a@b.example>',
    '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b',
    '9223372036854775808',
    'EUR',
    'maya',
    'call',
  ],
];
const hostile = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...strings) },
  { weight: 2, arbitrary: anyText({ maxLength: 300 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(null, true, 0, -0, -1, 1.5, 1e-9, 2 ** 53, 1e308, [], {}, [[]], { a: null }, [
      'a',
      1,
    ]),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4 }) },
);

/**
 * Sends hostile input to every operation of a server's own OpenAPI document. It reports each answer that is a 5xx, is
 * neither JSON nor a file, refuses without a problem, quotes the database, or has a status that the operation does not list.
 *
 * @param likely existing values, by parameter name, so that some requests pass the first check.
 */
export async function findFaults(
  url: string,
  {
    runs,
    headers = {},
    likely = {},
  }: { runs: number; headers?: Record<string, string>; likely?: Record<string, string> },
): Promise<Fault[]> {
  const document = await readDocument(url);
  const operations = listOperations(document).filter(
    ({ operation: { responses } }) => !responses['200']?.content?.['text/event-stream'], // a stream does not end
  );
  const faults: Fault[] = [];
  const requests = fc.record({
    operation: fc.constantFrom(...operations),
    values: fc.array(hostile, { minLength: 12, maxLength: 12 }),
    honest: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(requests, async ({ operation: { path, method, operation }, values, honest }) => {
      let place = 0;
      const next = (name: string) => {
        const at = place++ % values.length;
        return honest[at] && likely[name] !== undefined ? likely[name] : values[at];
      };
      const asText = (value: unknown) =>
        encodeURIComponent((typeof value === 'string' ? value : JSON.stringify(value)).toWellFormed());
      // A step of one or two dots is taken out of the address by a client, and an empty one is none: what is left may be another operation.
      const asStep = (value: unknown) => asText(value).replace(/^\.{0,2}$/, '$&~');
      const parameters = operation.parameters ?? [];
      const filled = path.replace(/\{(\w+)\}/g, (_, name) => asStep(next(name)));
      const query = parameters
        .filter((each) => each.in === 'query')
        .map((each) => `${each.name}=${asText(next(each.name))}`);
      const schema = operation.requestBody?.content['application/json']?.schema;
      const body = schema && JSON.stringify(fill(resolve(document, schema), next));
      const target = `${url}${filled}${query.length > 0 ? `?${query.join('&')}` : ''}`;
      const response = await fetch(target, {
        method,
        headers: { ...headers, ...(body && { 'Content-Type': 'application/json' }) },
        body,
      });
      const answer = await response.text();
      if (isFault(response, answer) || !(response.status in operation.responses))
        faults.push({ request: `${method} ${target} ${body ?? ''}`, status: response.status, answer });
    }),
    { numRuns: runs },
  );
  return faults;
}

/**
 * Calls every operation of a server's own OpenAPI document as a stranger: once with a valid request, and then with
 * requests that the edge refuses.
 *
 * @returns the gaps of the document: a status that it does not list, or a missing security entry where strangers are
 *   refused.
 */
export async function findGaps(url: string): Promise<string[]> {
  const document = await readDocument(url);
  const schemes = Object.keys(document.components.securitySchemes ?? {});
  const gaps: string[] = [];
  for (const { path, method, operation } of listOperations(document)) {
    const target = url + path.replace(/\{\w+\}/g, '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b');
    const call = async (query: string, init: RequestInit = {}) => {
      const { status, body } = await fetch(target + query, { ...init, method });
      await body?.cancel();
      if (!(status in operation.responses)) gaps.push(`${method} ${path}${query}: ${status} is not listed`);
      return status;
    };
    const json = { 'Content-Type': 'application/json' };
    const honest = await call('', operation.requestBody && { headers: json, body: '{}' });
    const named = (operation.security ?? []).flatMap(Object.keys);
    if ((honest === 401 && named.length === 0) || !named.every((name) => schemes.includes(name)))
      gaps.push(`${method} ${path}: a stranger gets ${honest}, security is ${named.join(' ') || 'none'}`);
    await call('?a=%00', { headers: json });
    await call('?a=%zz', { headers: json });
    if (method === 'GET') continue;
    await call('', { headers: { 'Content-Type': 'text/plain' }, body: '{}' });
    await call('', { headers: json, body: '{' });
    await call('', { headers: json, body: JSON.stringify('x'.repeat(70_000)) });
  }
  return gaps;
}

async function readDocument(url: string): Promise<Document> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as Document;
}

function listOperations({ paths }: Document): { path: string; method: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

function resolve(document: Document, schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name ? (document.components.schemas[name] as Schema) : schema;
}

function fill(schema: Schema, next: (name: string) => unknown): unknown {
  const { properties } = schema;
  if (!properties) return next('body');
  return Object.fromEntries(
    Object.keys(properties)
      .map((name) => [name, next(name)])
      .filter(([, value]) => value !== undefined),
  );
}

function isFault(response: Response, answer: string): boolean {
  if (response.status >= 500) return true;
  if (response.status === 204) return answer !== '';
  const isFile = response.headers.get('content-type')?.startsWith('text/csv');
  try {
    if (!isFile || response.status !== 200) JSON.parse(answer);
  } catch {
    return true;
  }
  if (response.status < 400) return false;
  const isProblem = response.headers.get('content-type') === 'application/problem+json';
  return !isProblem || /violates|constraint|relation "|column "|invalid input syntax|pg_|SQLSTATE/.test(answer);
}
