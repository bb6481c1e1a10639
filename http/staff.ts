import { createRoute, type RouteConfig } from '@hono/zod-openapi';
import { staffOnly } from './actor.ts';
import { problems } from './problem.ts';

const staffNote =
  'For staff: with a sign-in (cookie, and `X-CSRF-Token` for what changes something) or an access token.';

/** `createRoute` for staff: guarded by `staffOnly`, and the OpenAPI document says so. */
export function createStaffRoute<Path extends string, Route extends Omit<RouteConfig, 'path'> & { path: Path }>(
  route: Route,
) {
  const guarded = {
    ...route,
    description: [route.description, staffNote].filter(Boolean).join('\n\n'),
    middleware: [staffOnly, ...[route.middleware ?? []].flat()],
    responses: { ...problems(401, 403), ...route.responses },
  };
  return createRoute<Path, Route>(guarded);
}
