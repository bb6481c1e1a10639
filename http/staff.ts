import { staffOnly } from './actor.ts';
import { problems } from './problem.ts';
import { createRoute, type RouteParts } from './route.ts';
import type { App } from './serving/app.ts';

const staffNote =
  'For staff: with a sign-in (cookie, and `X-CSRF-Token` for what changes something) or an access token.';

/** `createRoute` for staff: guarded by `staffOnly`, and the OpenAPI document says so. */
export function createStaffRoute<Path extends string, Route extends RouteParts<Path>>(route: Route) {
  return createRoute<Path, Route>({
    ...route,
    description: [route.description, staffNote].filter(Boolean).join('\n\n'),
    middleware: [staffOnly, ...[route.middleware ?? []].flat()],
    security: [{ access_token: [] }, { sign_in: [], ...(route.method !== 'get' && { csrf_token: [] }) }],
    responses: { ...problems(401, 403), ...route.responses },
  });
}

/** Says in the OpenAPI document of an app how staff gets in. */
export function describeSignIn({ openAPIRegistry: registry }: App, cookieName: string): void {
  registry.registerComponent('securitySchemes', 'access_token', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token that the identity provider made for this app.',
  });
  registry.registerComponent('securitySchemes', 'sign_in', {
    type: 'apiKey',
    in: 'cookie',
    name: cookieName,
    description: 'What a browser gets that was sent to /signin.',
  });
  registry.registerComponent('securitySchemes', 'csrf_token', {
    type: 'apiKey',
    in: 'header',
    name: 'X-CSRF-Token',
    description: 'The `csrf_token` of GET /signin/me.',
  });
}
