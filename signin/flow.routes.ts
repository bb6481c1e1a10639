import { type App, type Authenticate, type Log, Problem } from '@aether/http';
import { type PlatformDb, UserLeft } from '@aether/platform';
import * as oidc from 'openid-client';
import { requireAllowed, SignInNotAllowed } from './allowance.ts';
import type { Attempt, Cookies } from './cookies.ts';
import { makeNotAllowedPage, makeRefusalPage } from './pages.ts';
import { provision, readPerson, roleMaxOf } from './person.ts';
import { type ProviderAccess, refuseUnreachable } from './provideraccess.ts';
import { safeReturnTo } from './returnto.ts';
import type { SignInSettings } from './settings.ts';
import { addSignIn, endSignIn, openSignIn } from './signins.ts';

type Context = Parameters<Authenticate>[0];

export type FlowParts = {
  db: PlatformDb;
  log: Log;
  settings: SignInSettings;
  provider: ProviderAccess;
  cookies: Cookies;
  /** The only origin to which the identity provider sends people back. */
  url(): string;
};

/**
 * Adds `/signin` and `/signin/callback`: the code flow of OpenID Connect with PKCE, state and nonce. They are pages for
 * people, so they are not in the OpenAPI document, and a refusal is a page.
 */
export function addFlowRoutes(app: App, parts: FlowParts): void {
  app.get('/signin', (c) => answerPerson(c, parts, () => begin(c, parts)));
  app.get('/signin/callback', (c) => answerPerson(c, parts, () => complete(c, parts)));
}

async function answerPerson(c: Context, { log }: FlowParts, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    log.warn({ problem: error.code, err: error.cause }, 'sign-in refused');
    if (!c.req.header('accept')?.includes('text/html')) throw error;
    const { html, headers } =
      error instanceof SignInNotAllowed ? makeNotAllowedPage(error, error.account) : makeRefusalPage(error);
    c.set('problem', error.code);
    return c.body(html, error.status, { ...headers, ...error.headers });
  }
}

async function begin(c: Context, { provider, cookies, url }: FlowParts): Promise<Response> {
  const returnTo = safeReturnTo(c.req.query('return_to'));
  const isAnother = c.req.query('another_account') !== undefined;
  const home = new URL(url());
  // The cookie must be set for the host to which the person comes back, so any other name of this server redirects
  // there first.
  const host = (c.req.header('host') ?? '').toLowerCase();
  if (host !== home.host) {
    const again = new URLSearchParams({ return_to: returnTo, ...(isAnother && { another_account: '' }) });
    return c.redirect(`${home.origin}/signin?${again}`, 302);
  }

  const configuration = await provider.configuration();
  const attempt: Attempt = {
    state: oidc.randomState(),
    nonce: oidc.randomNonce(),
    verifier: oidc.randomPKCECodeVerifier(),
    returnTo,
  };
  const target = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: `${home.origin}/signin/callback`,
    scope: 'openid profile email',
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
    code_challenge_method: 'S256',
    // Otherwise the provider would return the refused account at once.
    ...(isAnother && { prompt: 'login' }),
  });
  for (const cookie of cookies.clearOldAttempts(c.req.header('cookie')))
    c.header('Set-Cookie', cookie, { append: true });
  c.header('Set-Cookie', cookies.giveAttempt(attempt), { append: true });
  return c.redirect(target.href, 302);
}

async function complete(c: Context, parts: FlowParts): Promise<Response> {
  const { db, settings, cookies, provider, url } = parts;
  const header = c.req.header('cookie');
  const state = c.req.query('state') ?? '';
  const attempt = cookies.readAttempt(header, state);
  if (!attempt) throw refuseAttempt();
  // This attempt is over, even if it failed.
  c.header('Set-Cookie', cookies.clearAttempt(state), { append: true });
  const home = new URL(url());
  const claims = await exchangeCode(await provider.configuration(), home, new URL(c.req.url).search, attempt);
  const person = readPerson(claims);
  if (!person) throw refuseFailed(new Error('the ID token names no person'));
  requireAllowed(claims, settings);
  const user = await provision(db, person, settings).catch((error) => {
    throw error instanceof UserLeft ? new Problem({ status: 403, code: 'user-left', detail: error.message }) : error;
  });

  // Always a new token, so that a token that an attacker put into this browser before is worthless.
  const before = cookies.readToken(header);
  const opened = before === undefined ? undefined : await openSignIn(db, before);
  if (opened && 'signIn' in opened) await endSignIn(db, opened.signIn.id, 'signed-out');
  const { idleMinutes, maxHours } = settings;
  const agent = c.req.header('user-agent');
  const token = await addSignIn(db, { user, roleMax: roleMaxOf(person, settings), agent, idleMinutes, maxHours });
  c.header('Set-Cookie', cookies.giveToken(token, maxHours), { append: true });
  // The address holds the code, so it must not leak as a referrer.
  c.header('Referrer-Policy', 'no-referrer');
  return c.redirect(`${home.origin}${safeReturnTo(attempt.returnTo)}`, 303);
}

async function exchangeCode(
  configuration: oidc.Configuration,
  home: URL,
  search: string,
  { state, nonce, verifier }: Attempt,
): Promise<Record<string, unknown>> {
  try {
    const tokens = await oidc.authorizationCodeGrant(configuration, new URL(`/signin/callback${search}`, home), {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    return { ...tokens.claims() };
  } catch (error) {
    if (error instanceof oidc.AuthorizationResponseError) throw refusedThere(error);
    const { code, status } = error as { code?: string; status?: number };
    const isDown = error instanceof TypeError || code === 'OAUTH_TIMEOUT' || (status !== undefined && status >= 500);
    throw isDown ? refuseUnreachable(error) : refuseFailed(error);
  }
}

function refuseAttempt(): Problem {
  return new Problem({
    status: 400,
    code: 'sign-in-expired',
    detail: 'This sign-in took too long, was finished already, or was begun in another browser. Begin again.',
  });
}

function refuseFailed(cause: unknown): Problem {
  const detail = 'The answer of the identity provider does not fit this sign-in. Begin again.';
  return Object.assign(new Problem({ status: 400, code: 'sign-in-failed', detail }), { cause });
}

function refusedThere(cause: unknown): Problem {
  const detail =
    'The identity provider did not let you in. Ask whoever administers it whether you are assigned to this app.';
  return Object.assign(new Problem({ status: 403, code: 'sign-in-refused', detail }), { cause });
}
