import { createHash } from 'node:crypto';
import type { App } from '@aether/platform';

/** What a browser carries between being sent to the identity provider and coming back. */
export type Attempt = { state: string; nonce: string; verifier: string; returnTo: string };

const attemptSeconds = 600;
const attemptsMax = 4;

export type Cookies = ReturnType<typeof cookiesOf>;

/**
 * The cookies of an app. Browsers do not tell ports apart, so each app has names of its own. Over https they are `__Host-` ones,
 * which no other host and no unencrypted answer can set.
 */
export function cookiesOf(app: App, isSecure: boolean) {
  const prefix = `${isSecure ? '__Host-' : ''}aether-${app}`;
  const flags = `; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  // A cookie for each attempt, so that two tabs do not cross.
  const attemptName = (state: string) =>
    `${prefix}-attempt-${createHash('sha256').update(state).digest('hex').slice(0, 16)}`;
  const clear = (name: string) => `${name}=; Max-Age=0${flags}`;
  return {
    name: prefix,
    /** The token of the sign-in. */
    readToken: (header: string | undefined) => readCookie(header, prefix),
    /** Outlives its sign-in by a day: so the server can still tell that it timed out. */
    giveToken: (token: string, hoursMax: number) => `${prefix}=${token}; Max-Age=${(hoursMax + 24) * 3_600}${flags}`,
    clearToken: () => clear(prefix),

    giveAttempt: (attempt: Attempt) =>
      `${attemptName(attempt.state)}=${Buffer.from(JSON.stringify(attempt)).toString('base64url')}; Max-Age=${attemptSeconds}${flags}`,
    readAttempt(header: string | undefined, state: string): Attempt | undefined {
      const value = readCookie(header, attemptName(state));
      return value === undefined ? undefined : parseAttempt(value, state);
    },
    clearAttempt: (state: string) => clear(attemptName(state)),
    /** Of attempts that were given up: a browser sends them all, and headers have a limit. */
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

/** Undefined when it is missing, and when there are two: one of them was put there by somebody else. */
function readCookie(header: string | undefined, wanted: string): string | undefined {
  const found = listCookies(header).filter(([name, value]) => name === wanted && value !== '');
  return found.length === 1 ? found[0]?.[1] : undefined;
}
