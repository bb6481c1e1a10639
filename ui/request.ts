import type { ClientResponse } from 'hono/client';
import type { SuccessStatusCode } from 'hono/utils/http-status';
import { version } from './parts/version.ts';
import { readRefusal, unreachable } from './refusal.ts';
import { seen } from './seen.ts';
import { untilSignedInAgain } from './timedout.ts';

/** A line can go silent without an end. What is read is asked for again after this time; the slowest reports take a tenth of it. */
const readMsMax = 60_000;

let csrfToken = '';

/** Sets the token that every request that changes something carries from now on. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** The URL of the sign-in page, which afterwards returns to the present page. */
export function signInAddress(): string {
  const { pathname, search } = window.location;
  return `/signin?return_to=${encodeURIComponent(pathname + search)}`;
}

/**
 * `fetch` for the web apps, with the token against forged requests. Without a sign-in it goes to the sign-in page. If the sign-in of an
 * open page has timed out, it waits for the next one. What only reads ends after a minute without its answer.
 *
 * @throws Refusal
 */
export const send = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
  const headers = new Headers(init.headers);
  headers.set('Accept', 'application/json');
  const isChange = init.method !== undefined && init.method !== 'GET';
  if (isChange) headers.set('X-CSRF-Token', csrfToken);
  const address = input instanceof Request ? input.url : String(input);
  const known = seen.begin(globalThis.location?.pathname, address.replace(/\?.*/, ''));
  if (known.header) headers.set('Aether-Seen', known.header);
  const signals = [init.signal, isChange ? undefined : AbortSignal.timeout(readMsMax)].filter((each) => !!each);
  const answer = await fetch(input, { ...init, headers, signal: AbortSignal.any(signals) }).catch((error) => {
    if (init.signal?.aborted) throw error;
    // A device without a network has sent nothing.
    throw unreachable({ isSentChange: isChange && globalThis.navigator?.onLine !== false });
  });
  version.hear(answer);
  known.hear(answer);
  if (answer.status !== 401) return answer;
  const { code } = await readRefusal(answer);
  if (code === 'sign-in-timed-out' && csrfToken !== '') {
    await untilSignedInAgain();
    return send(input, init);
  }
  window.location.assign(signInAddress());
  return new Promise(() => {}); // the browser is leaving the page, so nothing may act on the refusal
};

/** The body of an answer; one that stops in the middle of it until its time is over is an answer that did not come. @throws Refusal */
export const readBody = (answer: { json: () => Promise<unknown> }): Promise<unknown> =>
  answer.json().catch((error) => {
    throw error instanceof DOMException && error.name === 'TimeoutError' ? unreachable() : error;
  });

type Success<Answer> =
  Answer extends ClientResponse<infer Body, infer Status, 'json'>
    ? Status extends SuccessStatusCode
      ? Body
      : never
    : never;

/** The body of a successful answer of a typed client. @throws Refusal for every other answer */
export async function read<Answer extends ClientResponse<unknown, number, string>>(
  request: Promise<Answer>,
): Promise<Success<Answer>> {
  const answer = await request;
  if (!answer.ok) throw await readRefusal(answer as unknown as Response);
  return (answer.status === 204 ? undefined : await readBody(answer)) as Success<Answer>;
}
