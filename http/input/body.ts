import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { ZodType } from 'zod';
import { Problem, refuseFields } from '../problem.ts';
import { isByteTaker } from './bytetakers.ts';
import { describeBadCharacter } from './characters.ts';

export type BodyLimits = {
  /** Bytes of the body as sent. */
  bodyBytesMax: number;
  /** Objects and lists inside each other. */
  depthMax: number;
  /** Keys and list entries in the whole body. */
  entriesMax: number;
};

export const bodyLimits: BodyLimits = { bodyBytesMax: 64 * 1024, depthMax: 8, entriesMax: 1_000 };

const ownLimits = new WeakMap<object, Partial<BodyLimits>>();

/** Middleware of a route whose JSON body has limits of its own. They hold before it is known who calls. */
export function limitBody(limits: Partial<BodyLimits>): MiddlewareHandler {
  const mark: MiddlewareHandler = (_c, next) => next();
  ownLimits.set(mark, limits);
  return mark;
}

/**
 * The `body` of a route that takes JSON. It is always required: if an optional one is missing, the handler gets
 * unchecked input.
 */
export function jsonBody<Schema extends ZodType>(schema: Schema) {
  return { required: true, content: { 'application/json': { schema } } } as const;
}

/**
 * Reads and checks the JSON body of every request before its route gets it; a route with `readByteBody` reads its own. POST, PUT and PATCH need `Content-Type:
 * application/json` even for an empty object: a browser then sends a CORS preflight first, so a foreign web page cannot
 * post here. Refuses with 400, 413, 415 or 422.
 */
export function readJsonBody(usual: BodyLimits): MiddlewareHandler {
  return async (c, next) => {
    const routes = findTakers(c);
    if (routes.length > 0) {
      const limits = Object.assign({}, usual, ...routes.map(({ handler }) => ownLimits.get(handler)));
      requireJson(c.req.raw.headers);
      const text = decodeUtf8(await readBytes(c.req.raw, limits.bodyBytesMax));
      inspectJson(text, limits);
      if (c.req.header('content-type') === 'application/json') {
        // Where the router looks first: another request, with headers and a stream of its own, would be most of the cost of a small one.
        c.req.bodyCache.text = Promise.resolve(text) as never;
      } else {
        const headers = new Headers(c.req.raw.headers);
        headers.set('Content-Type', 'application/json'); // the router's own check knows only this spelling
        c.req.raw = new Request(c.req.raw, { headers, body: text });
      }
    }
    await next();
  };
}

/** The routes that take the JSON body of the request; none if it has none to be read. */
function findTakers(c: Context) {
  const { method, raw } = c.req;
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return [];
  const routes = matchedRoutes(c).filter((route) => route.method !== 'ALL');
  if (routes.some(({ handler }) => isByteTaker(handler))) return [];
  const isEmpty = (raw.headers.get('content-length') ?? '0') === '0' && !raw.headers.has('transfer-encoding');
  return method === 'DELETE' && isEmpty ? [] : routes;
}

function requireJson(headers: Headers): void {
  const isJson = /^application\/json[ \t]*(?:;[ \t]*charset=("?)utf-8\1)?$/i.test(headers.get('content-type') ?? '');
  const isPlain = /^(identity)?$/i.test(headers.get('content-encoding') ?? '');
  if (isJson && isPlain) return;
  throw new Problem({
    status: 415,
    code: 'unsupported-media-type',
    detail: isJson
      ? 'Send the body without compression.'
      : 'Send the body as JSON in UTF-8, with the header `Content-Type: application/json`.',
  });
}

/** HTTP ends a body at its Content-Length. Of one without, the bytes that arrive are counted. @throws Problem 400, 413 */
export async function readBytes(request: Request, bodyBytesMax: number): Promise<Uint8Array> {
  const length = request.headers.get('content-length');
  if (Number(length) > bodyBytesMax) throw refuseSize(bodyBytesMax);
  if (length !== null) return new Uint8Array(await request.arrayBuffer().catch(refuseIncomplete));
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const chunk = await reader?.read().catch(refuseIncomplete);
    if (!chunk?.value) break;
    size += chunk.value.byteLength;
    if (size > bodyBytesMax) throw refuseSize(bodyBytesMax);
    chunks.push(chunk.value);
  }
  return Buffer.concat(chunks, size);
}

function refuseIncomplete(): never {
  throw new Problem({
    status: 400,
    code: 'body-incomplete',
    detail: 'The body ended early. Send the request again.',
  });
}

function refuseSize(bodyBytesMax: number): Problem {
  return new Problem({
    status: 413,
    code: 'body-too-large',
    detail: `Send at most ${bodyBytesMax} bytes in one request.`,
    headers: { Connection: 'close' },
  });
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Problem({
      status: 400,
      code: 'body-not-utf8',
      detail: 'The body is not valid UTF-8. Encode it as UTF-8.',
    });
  }
}

/**
 * Strings (with the colon that makes one a key), brackets (an empty pair together) and commas. Nothing else matters in
 * a text that is known to be valid JSON.
 */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{[](\s*[}\]])?|[}\],]/g;

/** Keys that reach the prototype when they are set on a plain object. */
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Refuses JSON that is malformed, too deep, too long, ambiguous (a key twice) or dangerous (a key of the prototype),
 * and every string that no field may hold. It reads the text, not the parsed value, because parsing drops repeated
 * keys.
 */
function inspectJson(text: string, { depthMax, entriesMax }: BodyLimits): void {
  requireSyntax(text);
  const open: { keys: Set<string> | undefined; at: string | number }[] = [];
  const place = () => formatPath(open.map((each) => each.at));
  let entries = 0;

  for (const [token, colon, closing] of text.matchAll(tokens)) {
    const inside = open.at(-1);
    if (token.startsWith('{') || token.startsWith('[')) {
      open.push(token === '{' ? { keys: new Set(), at: '' } : { keys: undefined, at: 0 });
      if (open.length > depthMax) throw refuseBody('body-too-deep', `Nest objects and lists at most ${depthMax} deep.`);
      if (closing) open.pop();
      else entries += 1; // commas count the further entries
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (token === ',') {
      if (typeof inside?.at === 'number') inside.at += 1;
      entries += 1;
    } else {
      const string: string = JSON.parse(colon ? token.slice(0, -colon.length) : token);
      if (colon && inside?.keys) {
        inside.at = string;
        if (forbiddenKeys.has(string)) throw refuseBody('forbidden-key', 'Rename or remove the key.', place());
        if (inside.keys.has(string)) throw refuseBody('repeated-key', 'Send each key once.', place());
        inside.keys.add(string);
      }
      const message = describeBadCharacter(string);
      if (message) throw refuseFields([{ field: place(), message }]);
    }
    if (entries > entriesMax)
      throw refuseBody('too-many-entries', `Send at most ${entriesMax} keys and list entries in one request.`);
  }
}

function refuseBody(code: string, detail: string, field?: string): Problem {
  return new Problem({
    status: 400,
    code,
    detail,
    ...(field && { errors: [{ field, message: 'is not allowed here' }] }),
  });
}

/** The parser's message quotes the input, so only its position is passed on. */
function requireSyntax(text: string): void {
  if (text.trim() === '')
    throw refuseBody('malformed-json', 'The body is empty. Send a JSON object: {} if there is nothing to say.');
  try {
    JSON.parse(text);
  } catch (error) {
    const position = /at position (\d+) \(line \d+ column \d+\)/.exec((error as Error).message)?.[0];
    throw refuseBody(
      'malformed-json',
      `The body is not valid JSON${position ? `: look ${position}` : ''}. Correct it and send it again.`,
    );
  }
}

/** `['items', 0, 'name']` → `items[0].name`, in at most 200 characters. An empty path means the body itself. */
export function formatPath(path: PropertyKey[]): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text && '.'}${String(step)}`;
  return (text || 'body').slice(0, 200).toWellFormed();
}
