import { TargetUnavailable } from '@aether/servicebus';
import type { Settings } from './settings.ts';

/** A customer as the platform has it. */
export type PlatformCustomer = {
  id: string;
  version: number;
  name: string | null;
  email: string | null;
  account_tier: string | null;
  merged_into: string | null;
  erased_at: string | null;
};
/** `position`: the place in the log of which the customers are at least; `next`: null on the last page. */
export type Page = { position: number; customers: PlatformCustomer[]; next?: string | null };

export type Platform = {
  /**
   * All customers, in the order of their ids.
   *
   * @param options after: only those behind this one; limit: how many a page has; signal: ends it
   */
  pages(options?: {
    after?: string | undefined;
    limit?: number;
    signal?: AbortSignal | undefined;
  }): AsyncGenerator<Page>;
  /** These customers; those that do not exist are missing. */
  read(ids: string[]): Promise<Page>;
};

const timeoutMs = 10_000;
const idsMax = 100;
/** A token is replaced this long before it ends. */
const earlyMs = 60_000;

/** The platform over HTTP. Its calls throw TargetUnavailable while it, or the identity provider, is out of reach or too busy. */
export function connectPlatform({ url, issuer, clientId, clientSecret, scope }: Settings['platform']): Platform {
  let held: { token: string; until: number } | undefined;

  async function fetchToken(): Promise<string> {
    if (held && Date.now() < held.until) return held.token;
    const { token_endpoint: endpoint } = await ask(`${issuer}/.well-known/openid-configuration`);
    const answer = await ask(String(endpoint), {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        scope,
      }),
    });
    held = { token: String(answer.access_token), until: Date.now() + Number(answer.expires_in) * 1_000 - earlyMs };
    return held.token;
  }

  async function get(query: Record<string, string>, signal?: AbortSignal): Promise<Required<Page>> {
    const headers = { Authorization: `Bearer ${await fetchToken()}` };
    const answer = await ask(`${url}/api/snapshots/customers?${new URLSearchParams(query)}`, { headers }, signal).catch(
      (error) => {
        held = undefined; // it may have been the token
        throw error;
      },
    );
    return { ...(answer as { customers: PlatformCustomer[]; next: string | null }), position: Number(answer.position) };
  }

  return {
    async *pages({ after: first, limit = 1_000, signal } = {}) {
      for (let after: string | null | undefined = first; after !== null; ) {
        const page = await get({ limit: String(limit), ...(after && { after }) }, signal);
        yield page;
        after = page.next;
      }
    },
    async read(ids) {
      const all: Page = { position: Number.MAX_SAFE_INTEGER, customers: [] };
      for (let at = 0; at < ids.length; at += idsMax) {
        const { position, customers } = await get({ ids: ids.slice(at, at + idsMax).join(',') });
        all.position = Math.min(all.position, position);
        all.customers.push(...customers);
      }
      return all;
    },
  };
}

async function ask(url: string, request: RequestInit = {}, ending?: AbortSignal): Promise<Record<string, unknown>> {
  const where = new URL(url).origin;
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(ending ? [ending] : [])]);
  const response = await fetch(url, { ...request, signal }).catch((error) => {
    throw new TargetUnavailable(`${where} does not answer (${error.cause?.code ?? error.message}).`, { cause: error });
  });
  const text = await response.text().catch((error) => {
    throw new TargetUnavailable(`${where} ended its answer too soon.`, { cause: error });
  });
  if (response.status === 429 || response.status >= 500)
    throw new TargetUnavailable(`${where} answers ${response.status}.`);
  if (!response.ok)
    throw new Error(`${where} refuses ${new URL(url).pathname} with ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}
