import { createHash } from 'node:crypto';
import type { App } from '@aether/platform';

/** The data that a browser carries on its way to the identity provider and back. */
export type Attempt = { state: string; nonce: string; verifier: string; returnTo: string };

const attemptSeconds = 600;
const attemptsMax = 4;

export type Cookies = ReturnType<typeof cookiesOf>;

/**
 * The cookies of an app. Cookies do not depend on the port, so each app has its own names. Over https the names begin
 * with `__Host-`: no other host and no unencrypted answer can set such a cookie.
 */
export function cookiesOf(app: App, isSecure: boolean) {
  const prefix = `${isSecure ? '__Host-' : ''}aether-${app}`;
  const flags = `; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  // Each attempt has its own cookie, so that two tabs do not interfere.
  const attemptName = (state: string) =>
    `${prefix}-attempt-${createHash('sha256').update(state).digest('hex').slice(0, 16)}`;
  const clear = (name: string) => `${name}=; Max-Age=0${flags}`;
  return {
    name: prefix,
    /** The token of the sign-in. */
    readToken: (header: string | undefined) => readCookie(header, prefix),
    /** Outlives its sign-in by a day, so that the server can still see that the sign-in timed out. */
    giveToken: (token: string, hoursMax: number) => `${prefix}=${token}; Max-Age=${(hoursMax + 24) * 3_600}${flags}`,
    clearToken: () => clear(prefix),

    giveAttempt: (attempt: Attempt) =>
      `${attemptName(attempt.state)}=${Buffer.from(JSON.stringify(attempt)).toString('base64url')}; Max-Age=${attemptSeconds}${flags}`,
    readAttempt(header: string | undefined, state: string): Attempt | undefined {
      const value = readCookie(header, attemptName(state));
      return value === undefined ? undefined : parseAttempt(value, state);
    },
    clearAttempt: (state: string) => clear(attemptName(state)),
    /** Removes cookies of abandoned attempts: a browser sends all of them, and headers have a limit. */
    clearOldAttempts(header: string | undefined): string[] {
      const names = listCookies(header).flatMap(([name]) => (name.startsWith(`${prefix}-attempt-`) ? [name] : []));
      return names.length < attemptsMax ? [] : names.map(clear);
    },
  };
}

function parseAttempt(value: string, state: string): Attempt | undefined {
  try {
    const attempt = JSON.parse(Buffer.from(value, 'base64url').toString());
    const isWhole = ['state', 'nonce', 'verifier', 'returnTo'].every((part) => typeof attempt?.[part] === 'string');
    return isWhole && attempt.state === state ? attempt : undefined;
  } catch {
    return undefined;
  }
}

function listCookies(header = ''): [name: string, value: string][] {
  return header.split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as [string, string]];
  });
}

/** Undefined if the cookie is missing, and if there are two: then somebody else set one of them. */
function readCookie(header: string | undefined, wanted: string): string | undefined {
  const found = listCookies(header).filter(([name, value]) => name === wanted && value !== '');
  return found.length === 1 ? found[0]?.[1] : undefined;
}
