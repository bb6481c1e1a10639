import { type Authenticate, type Caller, type Log, Problem, refuseStranger, requireOwnPage } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { readAuthorization, readBearer } from './bearer.ts';
import type { Cookies } from './cookies.ts';
import { limitRole } from './person.ts';
import type { ProviderAccess } from './provideraccess.ts';
import type { SignInSettings } from './settings.ts';
import { isOpen, openSignIn, type SignIn } from './signins.ts';
import { isSameToken } from './tokens.ts';

/** A caller who came with a cookie. */
export type BrowserCaller = Caller & { signIn?: SignIn };

type Parts = {
  db: PlatformDb;
  log: Log;
  settings: SignInSettings;
  provider: ProviderAccess;
  cookies: Cookies;
  publicUrl: URL | undefined;
};

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Identifies the sender of a request by the access token, otherwise by the cookie. A browser sends the cookie for any
 * page, so a request with a cookie must come from our own page, and one that changes something must carry the sign-in's
 * CSRF token.
 */
export function authenticator({ db, log, settings, provider, cookies, publicUrl }: Parts): Authenticate {
  return async (c) => {
    const authorization = c.req.header('authorization');
    if (authorization !== undefined) return readBearer(db, provider, settings, readAuthorization(authorization));

    const token = cookies.readToken(c.req.header('cookie'));
    if (token === undefined) return undefined;
    requireOwnPage(c, publicUrl);
    const opened = await openSignIn(db, token);
    if (!('signIn' in opened)) {
      if (opened.refused === 'reused') log.warn('a replaced token came again: its sign-in was ended');
      throw opened.refused === 'timed-out' ? refuseTimedOut() : refuseStranger();
    }
    const { signIn, nextToken } = opened;
    const sent = c.req.header('x-csrf-token') ?? '';
    if (!safeMethods.has(c.req.method) && !isSameToken(sent, signIn.csrfToken)) throw refuseForgery();
    const caller: BrowserCaller = {
      actor: limitRole(signIn.user, signIn.roleMax, settings),
      signIn,
      ...(nextToken && { cookies: [cookies.giveToken(nextToken, settings.maxHours)] }),
      isStillWelcome: () => isOpen(db, signIn.id),
    };
    return caller;
  };
}

/** A refusal of its own, so that a page can keep the person's input until they have signed in again. */
function refuseTimedOut(): Problem {
  return new Problem({
    status: 401,
    code: 'sign-in-timed-out',
    detail: 'This sign-in was not used for too long, or has reached its limit. Sign in again at /signin.',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}

function refuseForgery(): Problem {
  return new Problem({
    status: 403,
    code: 'csrf-token-wrong',
    detail:
      'Send the `csrf_token` of GET /signin/me in the header `X-CSRF-Token`. Load the page again if it was open before you signed in.',
  });
}
