import type { JWTPayload } from 'jose';

/*
 * Tokens whose signature and claims were found good a moment ago. To verify one costs half a millisecond on a busy machine, most of it the
 * way to another thread and back, and a client sends the same token with each request until it expires.
 */

export type VerifiedTokens = {
  /** The claims of a token that was verified within the last minute, and has not expired since. */
  find(token: string): JWTPayload | undefined;
  keep(token: string, claims: JWTPayload): void;
};

/** A key that the provider withdraws counts for so much longer than the copy of its keys that we hold. */
const keptMs = 60_000;
const keptMax = 500;

export function rememberTokens(now: () => number = Date.now): VerifiedTokens {
  const known = new Map<string, { claims: JWTPayload; from: number; until: number }>();
  return {
    find(token) {
      const found = known.get(token);
      if (!found) return undefined;
      const at = now();
      if (found.from <= at && at < found.until) return found.claims; // not after the clock was put back
      known.delete(token);
      return undefined;
    },
    keep(token, claims) {
      known.delete(token);
      const from = now();
      known.set(token, { claims, from, until: Math.min(from + keptMs, Number(claims.exp) * 1_000) });
      for (const [oldest] of known) {
        if (known.size <= keptMax) break;
        known.delete(oldest);
      }
    },
  };
}
