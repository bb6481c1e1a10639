import { staffOnly } from './actor.ts';
import { conditionsOf } from './conditions.ts';
import { problems } from './problem.ts';
import {
  describeRight,
  isPersonal,
  type People,
  type Right,
  refuseReaders,
  requirePeople,
  requireRight,
  withholdUnread,
} from './rights.ts';
import { createRoute, type RouteParts } from './route.ts';
import type { AppScopes, Scope } from './scopes.ts';
import type { App } from './serving/app.ts';

/** The member of an operation in the OpenAPI document that names its right. */
export const rightMember = 'x-right';
/** The member of an operation that is no GET and that readers may use all the same. */
export const readersMember = 'x-readers';

type StaffRouteParts<Path extends string> = RouteParts<Path> & {
  right: Right;
  /** Of people only these, where the right is a scope. */
  people?: People;
  /**
   * Why readers may use a route that is no GET: it changes nothing, or only what is the reader's own. Without it they are refused, so that
   * a new route is closed to them until somebody says otherwise.
   */
  readers?: 'changes nothing' | 'changes their own';
  /** Members of the answer that a machine gets only with a scope of their own. */
  needs?: Readonly<Record<string, Scope>>;
};

/**
 * `createRoute` for staff: it lets in only callers that have the right, and the OpenAPI document names the right. A machine that may write
 * but not read gets no record back. Creating routes heed `Idempotency-Key`, and records with a version have tags: see `conditionsOf`.
 */
export function createStaffRoute<Path extends string, Route extends StaffRouteParts<Path>>(route: Route) {
  const { right, people, readers, needs, ...bare } = route;
  const isClosed = route.method !== 'get' && readers === undefined;
  const scopes = isPersonal(right) ? [] : [right];
  const conditions = conditionsOf(route, right);
  const guarded = {
    ...bare,
    [rightMember]: right,
    ...(readers && { [readersMember]: readers }),
    description: [route.description, describeRight(right, people, isClosed)].filter(Boolean).join('\n\n'),
    middleware: [
      staffOnly,
      requireRight(right),
      ...(people ? [requirePeople(people)] : []),
      ...(isClosed ? [refuseReaders] : []),
      ...conditions.middleware,
      ...(right.endsWith('.write') || needs ? [withholdUnread(right, needs)] : []),
      ...[route.middleware ?? []].flat(),
    ],
    security: [{ access_token: scopes }, { sign_in: [], ...(route.method !== 'get' && { csrf_token: [] }) }],
    ...(conditions.parameters.length > 0 && { parameters: conditions.parameters }),
    responses: { ...problems(401, 403), ...conditions.responses },
  };
  return createRoute<Path, Route>(guarded as unknown as Route);
}

/** Describes in the OpenAPI document of an app how staff and machines authenticate. */
export function describeSignIn(
  { openAPIRegistry: registry }: App,
  scopes: AppScopes['scopes'],
  cookieName: string,
  tokenUrl: () => string,
): void {
  registry.registerComponent('securitySchemes', 'access_token', {
    type: 'oauth2',
    description:
      'An access token (JWT) that the identity provider made for this app: `Authorization: Bearer <token>`. With a person’s token a request may do what the person may do; with a machine’s token only what its scopes allow.',
    flows: {
      clientCredentials: {
        // The provider says where, when it is asked for the first time; until then its name stands here.
        get tokenUrl() {
          return tokenUrl();
        },
        scopes,
      },
    },
  });
  registry.registerComponent('securitySchemes', 'sign_in', {
    type: 'apiKey',
    in: 'cookie',
    name: cookieName,
    description: 'The cookie that a browser gets at /signin.',
  });
  registry.registerComponent('securitySchemes', 'csrf_token', {
    type: 'apiKey',
    in: 'header',
    name: 'X-CSRF-Token',
    description: 'The `csrf_token` of GET /signin/me.',
  });
}
