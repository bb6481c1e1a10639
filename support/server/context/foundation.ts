import { askServer, CrmContextSchema, z } from '@aether/http';
import { ConfigurationError, readCause } from '@aether/platform';
import type { ServiceToken } from '@aether/signin';
import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';

export type CrmContext = z.output<typeof CrmContextSchema>;

/** A sentence for the agent that says why the CRM's part of a context is missing. */
export const missingReasons = {
  'unknown-customer': 'Foundation does not know this customer.',
  timeout: 'Foundation did not answer in time.',
  'circuit-open': 'Foundation has failed several times in a row and is left alone for a moment.',
  failed: 'Foundation could not be asked.',
} as const;
export type MissingReason = keyof typeof missingReasons;

/** The kind, time and author of an activity for a customer, without its text. */
export type Recent = { type: string; occurred_at: Date; app: string; name: string | null };

export type Missing = { missing: MissingReason; cause?: unknown };
/** `recent`: the newest first. */
export type CrmAnswer = { crm: CrmContext; recent: Recent[] } | Missing;

export type FoundationClient = { read(customerId: string): Promise<CrmAnswer> };

const timeoutMs = 800;
const failuresInARow = 5;
const restMs = 5_000;
const answerBytesMax = 256 * 1024;

const ProblemSchema = z.object({ code: z.string() });
const ContextSchema = z.object({
  customer: z.object({ id: z.string() }),
  crm: CrmContextSchema,
  recent: z.array(
    z.object({ type: z.string(), occurred_at: z.coerce.date(), app: z.string(), name: z.string().nullable() }),
  ),
});

/**
 * Asks Foundation over HTTP for its data about a customer. One request takes at most 800 ms. After five failures in a row
 * Foundation gets no request for five seconds, and then one to see whether it is back.
 *
 * @param url FOUNDATION_API_URL, such as https://foundation.internal
 * @param token this app's own access token for Foundation; failing to get one counts as a failure of Foundation.
 * @throws ConfigurationError when the url is not an address, or has more than a host and a path.
 */
export function connectFoundation({ url, token }: { url: string; token: ServiceToken }): FoundationClient {
  const base = readBase(url);
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: restMs,
    breaker: new ConsecutiveBreaker(failuresInARow),
  });

  /** @throws when Foundation does not answer with a context */
  async function fetchOf(customerId: string): Promise<unknown> {
    const signal = AbortSignal.timeout(timeoutMs);
    const { trace } = readCause();
    // A redirect is a failure: the token is for this address alone.
    const response = await askServer(`${base}/api/customers/${customerId}/context`, {
      headers: {
        Accept: 'application/json',
        Authorization: `Bearer ${await inTime(token.get(), signal)}`,
        ...(trace && { traceparent: trace }),
      },
      signal,
      answerBytesMax,
    });
    if (response.status === 401) token.drop(); // the provider has new keys, or withdrew the token: the next request fetches a new one
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
    if (!response.ok && !(response.status === 404 && isProblem))
      throw new Error(`Foundation answered ${response.status}`);
    const body = await response.json();
    if (response.ok) return body;
    // A proxy may also answer 404, and so does a Foundation that lacks the route.
    const { code } = ProblemSchema.parse(body);
    if (code !== 'not-found') throw new Error(`Foundation answered 404 ${code}`);
    return unknownCustomer;
  }

  async function ask<Answer>(customerId: string, read: (body: unknown) => Answer): Promise<Answer | Missing> {
    try {
      return await breaker.execute(async () => {
        const body = await fetchOf(customerId);
        return body === unknownCustomer ? { missing: 'unknown-customer' } : read(body);
      });
    } catch (error) {
      if (error instanceof BrokenCircuitError) return { missing: 'circuit-open' };
      const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
      return { missing: isTimeout ? 'timeout' : 'failed', cause: error };
    }
  }

  return {
    read: (customerId) =>
      ask(customerId, (body) => {
        const { customer, crm, recent } = ContextSchema.parse(body);
        if (customer.id !== customerId) throw new Error('Foundation answered with another customer');
        return { crm, recent };
      }),
  };
}

const unknownCustomer = Symbol('unknown customer');

function readBase(url: string): string {
  const address = URL.parse(url);
  if (!address || !/^https?:\/\//.test(url))
    throw new ConfigurationError('FOUNDATION_API_URL must be an address such as https://foundation.internal.');
  if (address.username || address.password || /[?#]/.test(url))
    throw new ConfigurationError(
      'FOUNDATION_API_URL may have no user, password, query or fragment: only an address such as https://foundation.internal.',
    );
  return url.replace(/\/+$/, '');
}

/** The promise's value; it throws if the signal comes first. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return Promise.race([work, over]);
}
