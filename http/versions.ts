import { createHash } from 'node:crypto';
import { VersionConflict } from '@aether/platform';
import type { Context, MiddlewareHandler } from 'hono';
import { z } from './input/zod.ts';
import { answerProblem, Problem, refuseFields } from './problem.ts';

/*
 * ETag, If-Match and If-None-Match for records that count their changes.
 *
 * The tag of a record is its version and, if it comes with a GET, a digest of the answer: "7.kJx0…". An answer shows more than the record (the open
 * deals of a customer), so that it may change while the version stays: If-None-Match compares the whole tag. If-Match compares the version
 * alone: it becomes the `expected_version` of the request, which the route checks in its transaction.
 */

/** Where an answer has the version of its record: at the top, or in the first member that is a record. Undefined: nowhere. */
export function findVersion(schema: unknown): string[] | undefined {
  const isRecord = (each: unknown) => each instanceof z.ZodObject && 'id' in each.shape && 'version' in each.shape;
  if (!(schema instanceof z.ZodObject)) return undefined;
  if ('version' in schema.shape) return ['version'];
  const member = Object.keys(schema.shape).find((key) => isRecord(schema.shape[key]));
  return member === undefined ? undefined : [member, 'version'];
}

/** Gives the answer its tag, and answers a GET with 304 if the caller has it already. @param place see `findVersion` */
export function tagAnswer(place: string[]): MiddlewareHandler {
  return async (c, next) => {
    await next();
    if (!c.res.ok || !c.res.headers.get('content-type')?.startsWith('application/json')) return;
    const { status, headers } = c.res;
    const body = await c.res.text();
    const version = place.reduce((value, key) => value?.[key], JSON.parse(body));
    c.res = new Response(body, { status, headers });
    if (!Number.isSafeInteger(version)) return;
    const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
    const tag = isRead
      ? `"${version}.${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
      : `"${version}"`;
    c.res.headers.set('ETag', tag);
    if (isRead && hasTag(c.req.header('if-none-match'), tag))
      c.res = new Response(null, { status: 304, headers: c.res.headers });
  };
}

/** The weak comparison: a proxy that compresses answers makes tags weak. */
const hasTag = (given: string | undefined, tag: string): boolean =>
  given !== undefined &&
  (given.trim() === '*' || given.split(',').some((each) => each.trim().replace(/^W\//, '') === tag));

/** Heeds `If-Match`: the version in it becomes `expected_version` in the body or the query, and a conflict becomes 412. */
export function heedIfMatch(place: 'body' | 'query'): MiddlewareHandler {
  return async (c, next) => {
    const version = readIfMatch(c);
    if (version === undefined) return next();
    await (place === 'body' ? expectInBody(c, version) : expectInQuery(c, version));
    await next();
    if (c.error instanceof VersionConflict) c.res = answerProblem(c, refuseVersion(c.error));
  };
}

/** Refuses `If-Match` where nothing heeds it: the caller would take the change for a guarded one. */
export const refuseIfMatch: MiddlewareHandler = async (c, next) => {
  if (readIfMatch(c) !== undefined) throw refuseTag('is not heeded here: what this changes has no version');
  await next();
};

/** @returns undefined if nothing is asked for: `*` asks that the record exists, which it must in any case. @throws Problem 422 */
function readIfMatch(c: Context): number | undefined {
  const given = c.req.header('if-match')?.trim();
  if (given === undefined || given === '*') return undefined;
  const [, version] = /^(?:W\/)?"([1-9]\d{0,14})(?:\.[\w-]+)?"$/.exec(given) ?? [];
  if (version === undefined) throw refuseTag('must be the ETag of the record, such as "7"');
  return Number(version);
}

async function expectInBody(c: Context, version: number): Promise<void> {
  const body = await c.req.json();
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return; // the schema refuses it
  requireSame(body.expected_version, version);
  const text = JSON.stringify({ ...body, expected_version: version });
  c.req.bodyCache = { text: Promise.resolve(text) as never };
}

function expectInQuery(c: Context, version: number): void {
  const url = new URL(c.req.url);
  const asked = url.searchParams.get('expected_version');
  if (asked !== null) requireSame(Number(asked), version);
  url.searchParams.set('expected_version', String(version));
  const { raw } = c.req;
  // A body that was sent along has been read and is kept: a copy of the request would want to read it again.
  const { method, headers, signal } = raw;
  c.req.raw = new Request(url, raw.bodyUsed ? { method, headers, signal } : raw);
}

/** @throws Problem 422 */
function requireSame(asked: unknown, version: number): void {
  if (asked !== undefined && asked !== version) throw refuseTag('names another version than expected_version');
}

const refuseTag = (message: string): Problem => refuseFields([{ field: 'If-Match', in: 'header', message }]);

/** 412: the record is at another version than If-Match names. */
function refuseVersion({ expected, actual }: VersionConflict): Problem {
  return new Problem({
    status: 412,
    code: 'precondition-failed',
    detail: `The record is at version ${actual}, not ${expected}. Load it again and repeat the change with its ETag.`,
    members: { expected, actual },
    headers: { ETag: `"${actual}"` },
  });
}

const tagSchema = { type: 'string' } as const;
export const etagHeader = {
  ETag: { description: 'The version of the record, for `If-Match`.', schema: tagSchema, example: '"7"' },
} as const;
export const ifNoneMatchParameter = {
  name: 'If-None-Match',
  in: 'header',
  required: false,
  description: 'The `ETag` of an earlier answer: 304 without a body if this answer would be the same.',
  schema: tagSchema,
} as const;
export const ifMatchParameter = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description:
    'The `ETag` of the record: 412 if somebody has changed it since. The same as `expected_version`, of which a conflict is 409.',
  schema: tagSchema,
  example: '"7"',
} as const;
