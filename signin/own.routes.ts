import {
  type App,
  type Authenticate,
  appName,
  createStaffRoute,
  jsonBody,
  object,
  type ServerContext,
  z,
} from '@aether/http';
import { type PlatformDb, roles, type User } from '@aether/platform';
import * as oidc from 'openid-client';
import type { BrowserCaller } from './authenticate.ts';
import type { Cookies } from './cookies.ts';
import type { ProviderAccess } from './provideraccess.ts';
import { endSignIn, endSignIns } from './signins.ts';

type Context = Parameters<Authenticate>[0];

const me = createStaffRoute({
  method: 'get',
  path: '/signin/me',
  operationId: 'getMe',
  right: 'person',
  summary: 'Who is signed in',
  responses: {
    200: {
      description:
        'The person; `csrf_token` goes with every request that changes something, in the header `X-CSRF-Token`.',
      content: {
        'application/json': {
          schema: z
            .object({
              user: z.object({
                id: z.string(),
                name: z.string(),
                email: z.string(),
                role: z.enum(roles),
              }),
              csrf_token: z
                .string()
                .nullable()
                .openapi({ description: 'null with an access token, which needs none.' }),
              app: appName(),
              apps: z
                .object({ foundation: z.string(), support: z.string(), console: z.string() })
                .partial()
                .openapi({ description: 'Where people reach the other apps, for links to them.' }),
            })
            .openapi('Me'),
        },
      },
    },
  },
});

const leave = (path: '/signin/out' | '/signin/out-everywhere', operationId: string, summary: string) =>
  createStaffRoute({
    method: 'post',
    path,
    operationId,
    right: 'person',
    readers: 'changes their own',
    summary,
    request: { body: jsonBody(object({}).openapi('SignOut')) },
    responses: {
      200: {
        description: 'Done.',
        content: {
          'application/json': {
            schema: z
              .object({
                ended: z.int().openapi({ description: 'How many sign-ins have ended.' }),
                provider_sign_out_url: z.string().nullable().openapi({
                  description: 'Where to go to sign out of the identity provider as well, if it can be left.',
                }),
              })
              .openapi('SignedOut'),
          },
        },
      },
    },
  });
const out = leave('/signin/out', 'signOut', 'Sign out of this app, in this browser');
const outEverywhere = leave('/signin/out-everywhere', 'signOutEverywhere', 'Sign out of every app, in every browser');

type OwnParts = { db: PlatformDb; provider: ProviderAccess; cookies: Cookies } & Pick<
  ServerContext,
  'url' | 'neighbours'
>;

/** Adds the routes with which people see and end their own sign-in. */
export function addOwnRoutes(app: App, { db, provider, cookies, url, neighbours }: OwnParts): void {
  const signInOf = (c: Context) => (c.get('caller') as BrowserCaller | undefined)?.signIn;

  app.openapi(me, (c) => {
    const { id, name, email, role } = c.get('actor') as User; // the right excludes machines
    const user = { id, name, email, role };
    return c.json({ user, csrf_token: signInOf(c)?.csrfToken ?? null, app: db.app, apps: neighbours() }, 200);
  });

  app.openapi(out, async (c) => {
    const signIn = signInOf(c);
    if (signIn) await endSignIn(db, signIn.id, 'signed-out');
    return c.json(await farewell(c, signIn ? 1 : 0), 200);
  });

  app.openapi(outEverywhere, async (c) => {
    const { id } = c.get('actor') as User;
    return c.json(await farewell(c, await endSignIns(db, id, 'everywhere')), 200);
  });

  async function farewell(c: Context, ended: number) {
    c.header('Set-Cookie', cookies.clearToken(), { append: true });
    c.header('Clear-Site-Data', '"cache"');
    return { ended, provider_sign_out_url: await describeWayOut() };
  }

  /** A sign-out here must work even if the provider does not answer. */
  async function describeWayOut(): Promise<string | null> {
    const configuration = await provider.configuration().catch(() => undefined);
    if (!configuration?.serverMetadata().end_session_endpoint) return null;
    return oidc.buildEndSessionUrl(configuration, { post_logout_redirect_uri: `${url()}/` }).href;
  }
}
