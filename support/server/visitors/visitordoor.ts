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

/** The checks for every request of a visitor: its frequency, its page and its token. */
export function openVisitorDoor(app: App, db: PlatformDb, context: ServerContext) {
  const { url } = context;
  const limits: Limits = openLimits(db, context);
  addOrigins(app);
  app.openAPIRegistry.registerComponent('securitySchemes', 'visitor_token', {
    type: 'http',
    scheme: 'bearer',
    description: 'The `visitor_token` from opening or verifying the session.',
  });
  const addressOf = (c: Context) => limits.addressOf(c.env, c.req.header('x-forwarded-for'));

  return {
    limits,
    addressOf,

    /**
     * Counts the request for a limit of its address, and refuses an address that sent wrong tokens too often.
     *
     * @throws Problem 429
     */
    async count(c: Context, name: LimitName): Promise<void> {
      const address = addressOf(c);
      await limits.pass([[name, address]], [['refused-address', address]]);
    },

    /** @throws Problem 403 when the page is of a foreign origin */
    allow: (c: Context, widget: VisitedWidget) => allowOrigin(c, widget, url()),

    /**
     * The session whose token the request carries.
     *
     * @param counted the limit of the address for which the request counts.
     * @throws Problem 401 without a token, 403, 429; NotFound for a wrong token as for a session that does not exist
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

    /** Runs after `count`: counts a refusal for a wrong token or identity. @throws Problem 429 */
    async guard<Result>(c: Context, work: () => Promise<Result>): Promise<Result> {
      try {
        return await work();
      } catch (error) {
        if (error instanceof NotFound || error instanceof IdentityRefused)
          await limits.pass([['refused-address', addressOf(c)]]);
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
