import { becauseOf, readCause } from '@aether/platform';
import type { MiddlewareHandler } from 'hono';
import type { Caller } from './caller.ts';
import { Problem } from './problem.ts';
import type { Reading } from './serving/reading.ts';

/** 401: the caller has not signed in, or the sign-in has ended. A web app then goes to /signin. */
export function refuseStranger(headers: Record<string, string> = {}): Problem {
  return new Problem({
    status: 401,
    code: 'not-signed-in',
    detail: 'Sign in at /signin, or send an access token: `Authorization: Bearer <token>`.',
    headers: { 'WWW-Authenticate': 'Bearer', ...headers },
  });
}

/** Lets in every known caller and gives the handler the person who acts: `c.get('actor')`, undefined for a machine. */
export const staffOnly: MiddlewareHandler = async (c, next) => {
  const caller: Caller | undefined = await c.get('authenticate')?.(c);
  if (!caller) throw refuseStranger();
  c.set('caller', caller);
  c.set('actor', caller.actor);
  const reading: Reading | undefined = c.get('reading');
  await becauseOf({ ...readCause(), actor: caller.actor?.id }, () => reading?.(c, caller, next) ?? next());
  for (const cookie of caller.cookies ?? []) c.res.headers.append('Set-Cookie', cookie);
};

/** 403: the caller is not an administrator. */
export function refuseNonAdmin(): Problem {
  return new Problem({
    status: 403,
    code: 'admin-only',
    detail: 'Only an administrator may do this. Ask one: they are listed on the page of users.',
  });
}

/** 403: the caller is a reader, and the route may change something. */
export function refuseReader(): Problem {
  return new Problem({
    status: 403,
    code: 'readers-only-read',
    detail:
      'You are a reader: you see what staff sees, and change nothing. An administrator gives roles on Foundation’s page of users.',
  });
}

/** 403: the caller is neither a data steward nor an administrator. */
export function refuseNonSteward(): Problem {
  return new Problem({
    status: 403,
    code: 'steward-only',
    detail:
      'Only a data steward or an administrator may do this. An administrator makes stewards on Foundation’s page of users.',
  });
}
