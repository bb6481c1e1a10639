import type { RouteConfig } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { z } from './input/zod.ts';
import { problems } from './problem.ts';
import { heedIdempotencyKey, idempotencyKeyParameter, replayedHeader } from './repeats.ts';
import type { Right } from './rights.ts';
import {
  etagHeader,
  findVersion,
  heedIfMatch,
  ifMatchParameter,
  ifNoneMatchParameter,
  refuseIfMatch,
  tagAnswer,
} from './versions.ts';

type Conditions = {
  middleware: MiddlewareHandler[];
  parameters: object[];
  responses: RouteConfig['responses'];
};

/**
 * The conditions that a route of staff heeds, by its own description:
 *
 * - a POST that documents 201 and that a scope opens heeds `Idempotency-Key`;
 * - a GET of one record with a `version` gives its ETag and heeds `If-None-Match`;
 * - a change whose body or query has `expected_version` heeds `If-Match`, and gives the new tag; another change refuses `If-Match`.
 */
export function conditionsOf({ method, path, request, responses }: RouteConfig, right: Right): Conditions {
  const found: Conditions = { middleware: [], parameters: [], responses: { ...responses } };
  const isRead = method === 'get';
  const done = ['200', '201'].filter((status) => responses[status] !== undefined);
  const version = done.map((status) => findVersion(jsonOf(responses[status]))).find((place) => place !== undefined);
  const expected = expectedIn(request);
  const isCreating = method === 'post' && responses['201'] !== undefined && right.endsWith('.write');
  const describe = (headers: object) => {
    for (const status of done) {
      const response = found.responses[status] as { headers?: object };
      found.responses[status] = { ...response, headers: { ...response.headers, ...headers } } as never;
    }
  };

  if (version && (isRead ? path.endsWith('}') : expected !== undefined || isCreating)) {
    found.middleware.push(tagAnswer(version));
    describe(etagHeader);
    if (isRead) {
      found.parameters.push(ifNoneMatchParameter);
      found.responses['304'] = { description: 'The answer is the one whose ETag was sent.' };
    }
  }
  if (isCreating) {
    found.middleware.push(heedIdempotencyKey);
    found.parameters.push(idempotencyKeyParameter);
    describe(replayedHeader);
    found.responses = { ...problems(409), ...found.responses };
  }
  if (!isRead) {
    found.middleware.push(expected ? heedIfMatch(expected) : refuseIfMatch);
    if (expected) {
      found.parameters.push(ifMatchParameter);
      found.responses = { ...found.responses, ...problems(412) };
    }
  }
  return found;
}

/** Where the request says the version that it expects. */
function expectedIn(request: RouteConfig['request']): 'body' | 'query' | undefined {
  const has = (schema: unknown) => schema instanceof z.ZodObject && 'expected_version' in schema.shape;
  if (has(jsonOf(request?.body))) return 'body';
  return has(request?.query) ? 'query' : undefined;
}

const jsonOf = (part: unknown): unknown =>
  (part as { content?: Record<string, { schema?: unknown }> } | undefined)?.content?.['application/json']?.schema;
