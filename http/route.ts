import { createRoute as createBareRoute, type RouteConfig } from '@hono/zod-openapi';
import { problems } from './problem.ts';

export type RouteParts<Path extends string> = Omit<RouteConfig, 'path'> & { path: Path };

/**
 * `createRoute` for a route that uses the database: the OpenAPI document also lists the refusals before the route and
 * of the database.
 */
export function createRoute<Path extends string, Route extends RouteParts<Path>>(route: Route) {
  const edge = { ...problems(400, 422, 503), ...(route.method !== 'get' && problems(413, 415)) };
  return createBareRoute<Path, Route>({ ...route, responses: sparse({ ...edge, ...route.responses }) });
}

/**
 * The same responses as a table. V8 holds an object with the keys 200 and 503 as a list of 504 places, which is 4 kB for each route; what
 * is not writable it holds by key.
 */
function sparse(responses: RouteConfig['responses']): RouteConfig['responses'] {
  const table = {};
  for (const [status, value] of Object.entries(responses))
    Object.defineProperty(table, status, { value, enumerable: true, configurable: true });
  return table;
}
