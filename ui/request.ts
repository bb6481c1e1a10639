import type { ClientResponse } from 'hono/client';
import type { SuccessStatusCode } from 'hono/utils/http-status';
import { readRefusal, unreachable } from './refusal.ts';
import { untilSignedInAgain } from './timedout.ts';

let csrfToken = '';

/** Every request that changes something carries this from now on. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Of the sign-in page, and from there back to where the person is now. */
export function signInAddress(): string {
  const { pathname, search } = window.location;
  return `/signin?return_to=${encodeURIComponent(pathname + search)}`;
}

/**
 * `fetch` as the web apps use it: with the token against forged requests. Without a sign-in it leads to one; where one has timed
 * out under the page, it waits for the next.
 *
 * @throws Refusal
 */
export const send = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
  const headers = new Headers(init.headers);
  headers.set('Accept', 'application/json');
  if (init.method && init.method !== 'GET') headers.set('X-CSRF-Token', csrfToken);
  const answer = await fetch(input, { ...init, headers }).catch((error) => {
    throw init.signal?.aborted ? error : unreachable();
  });
  if (answer.status !== 401) return answer;
  const { code } = await readRefusal(answer);
  if (code === 'sign-in-timed-out' && csrfToken !== '') {
    await untilSignedInAgain();
    return send(input, init);
  }
  window.location.assign(signInAddress());
  return new Promise(() => {}); // the page is being left: nobody is to act on the refusal
};

type Success<Answer> =
  Answer extends ClientResponse<infer Body, infer Status, 'json'>
    ? Status extends SuccessStatusCode
      ? Body
      : never
    : never;

/** The body of a good answer of a typed client. @throws Refusal for every other */
export async function read<Answer extends ClientResponse<unknown, number, string>>(
  request: Promise<Answer>,
): Promise<Success<Answer>> {
  const answer = await request;
  if (!answer.ok) throw await readRefusal(answer as unknown as Response);
  return (answer.status === 204 ? undefined : await answer.json()) as Success<Answer>;
}
