import { type App, object, Problem, type ServerContext, uuid } from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import type { Context } from 'hono';
import { IdentityRefused } from './identity.ts';
import { type LimitName, type Limits, openLimits } from './limits.ts';
import { addOrigins, allowOrigin } from './origins.ts';
import { requireVisitorSession, type VisitedWidget, type VisitorSession } from './visitors.ts';

export type VisitorDoor = ReturnType<typeof openVisitorDoor>;

export const sessionKey = object({ id: uuid() });
/** For the `security` of a route that `enter` guards. */
export const byVisitor = [{ visitor_token: [] }];

/** What every request of a visitor passes: how often it may come, from which page, and with which token. */
export function openVisitorDoor(app: App, db: PlatformDb, { variables, url }: ServerContext) {
  const limits: Limits = openLimits(variables);
  addOrigins(app);
  app.openAPIRegistry.registerComponent('securitySchemes', 'visitor_token', {
    type: 'http',
    scheme: 'bearer',
    description: 'The `visitor_token` that was given when the session was opened, or verified.',
  });
  const addressOf = (c: Context) => limits.addressOf(c.env, c.req.header('x-forwarded-for'));

  return {
    limits,
    addressOf,

    /** @throws Problem 429 */
    count: (c: Context, name: LimitName) => limits.count(name, addressOf(c)),

    /** @throws Problem 403 when the page is of a foreign origin */
    allow: (c: Context, widget: VisitedWidget) => allowOrigin(c, widget, url()),

    /**
     * The session whose token the request carries.
     *
     * @param counted which limit of the address the request counts for.
     * @throws Problem 401 without a token, 403, 429; NotFound for a wrong token as for no such session
     */
    async enter(
      c: Context,
      id: string,
      counted: LimitName = 'call-address',
    ): Promise<{ session: VisitorSession; token: string }> {
      await this.count(c, counted);
      const token = requireToken(c.req.header('authorization'));
      const session = await this.guard(c, () => requireVisitorSession(db, id, token));
      this.allow(c, session.widget);
      return { session, token };
    },

    /** Counts what is refused because a token or an identity is wrong, and lets nobody try for long. @throws Problem 429 */
    async guard<Result>(c: Context, work: () => Promise<Result>): Promise<Result> {
      const address = addressOf(c);
      await limits.check('refused-address', address);
      try {
        return await work();
      } catch (error) {
        if (error instanceof NotFound || error instanceof IdentityRefused)
          await limits.count('refused-address', address);
        throw error;
      }
    },
  };
}

function requireToken(authorization: string | undefined): string {
  const [, token] = /^Bearer ([\w.~+/-]{1,200}=*)$/i.exec(authorization ?? '') ?? [];
  if (token) return token;
  throw new Problem({
    status: 401,
    code: 'token-required',
    detail: 'Send the visitor_token of this session: `Authorization: Bearer <visitor_token>`.',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}
