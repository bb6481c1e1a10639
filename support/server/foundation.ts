import { CrmContextSchema, z } from '@aether/http';
import { ConfigurationError } from '@aether/platform';
import type { ServiceToken } from '@aether/signin';
import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';

export type CrmContext = z.output<typeof CrmContextSchema>;

/** Why the CRM's part of a context is missing, for the agent's eyes. */
export const missingReasons = {
  'unknown-customer': 'Foundation does not know this customer.',
  timeout: 'Foundation did not answer in time.',
  'circuit-open': 'Foundation has failed several times in a row and is left alone for a moment.',
  failed: 'Foundation could not be asked.',
} as const;
export type MissingReason = keyof typeof missingReasons;

export type CrmAnswer = { crm: CrmContext } | { missing: MissingReason; cause?: unknown };

export type FoundationClient = { readCrmContext(customerId: string): Promise<CrmAnswer> };

const timeoutMs = 800;
const failuresInARow = 5;
const restMs = 5_000;
const AnswerSchema = z.object({ crm: CrmContextSchema });

/**
 * Asks Foundation over HTTP for what it knows of a customer. One request takes at most 800 ms; after five failures in a row
 * Foundation is not asked for five seconds, then once to see whether it is back.
 *
 * @param url FOUNDATION_API_URL, such as https://foundation.internal
 * @param token this app's own access token for Foundation; failing to get one counts as a failure of Foundation.
 * @throws ConfigurationError when the url is none.
 */
export function connectFoundation({ url, token }: { url: string; token: ServiceToken }): FoundationClient {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new ConfigurationError('FOUNDATION_API_URL must be an address such as https://foundation.internal.');
  const base = url.replace(/\/+$/, '');
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: restMs,
    breaker: new ConsecutiveBreaker(failuresInARow),
  });

  async function fetchContext(customerId: string): Promise<CrmAnswer> {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(`${base}/api/customers/${customerId}`, {
      headers: { Accept: 'application/json', Authorization: `Bearer ${await inTime(token.get(), signal)}` },
      redirect: 'error', // the token is for this address
      signal,
    });
    if (response.status === 401) token.drop(); // the provider has new keys, or took it back: the next request has a new one
    if (response.status === 404) {
      await response.body?.cancel();
      return { missing: 'unknown-customer' };
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`Foundation answered ${response.status}`);
    }
    return AnswerSchema.parse(await response.json());
  }

  return {
    async readCrmContext(customerId) {
      try {
        return await breaker.execute(() => fetchContext(customerId));
      } catch (error) {
        if (error instanceof BrokenCircuitError) return { missing: 'circuit-open' };
        const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
        return { missing: isTimeout ? 'timeout' : 'failed', cause: error };
      }
    },
  };
}

/** What the promise gives, unless the signal comes first. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return Promise.race([work, over]);
}
