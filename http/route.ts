import { createRoute as createBareRoute, type RouteConfig } from '@hono/zod-openapi';
import { problems } from './problem.ts';

export type RouteParts<Path extends string> = Omit<RouteConfig, 'path'> & { path: Path };

/** `createRoute` for a route that asks the database: the OpenAPI document also says how requests are refused before and below it. */
export function createRoute<Path extends string, Route extends RouteParts<Path>>(route: Route) {
  const edge = { ...problems(400, 422, 503), ...(route.method !== 'get' && problems(413, 415)) };
  return createBareRoute<Path, Route>({ ...route, responses: { ...edge, ...route.responses } });
}
