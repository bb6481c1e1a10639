import { createRoute as createBareRoute, type RouteConfig } from '@hono/zod-openapi';
import { problems } from './problem.ts';

export type RouteParts<Path extends string> = Omit<RouteConfig, 'path'> & { path: Path };

/**
 * `createRoute` for a route that uses the database: the OpenAPI document also lists the refusals before the route and
 * of the database.
 */
export function createRoute<Path extends string, Route extends RouteParts<Path>>(route: Route) {
  const edge = { ...problems(400, 422, 503), ...(route.method !== 'get' && problems(413, 415)) };
  return createBareRoute<Path, Route>({ ...route, responses: { ...edge, ...route.responses } });
}
