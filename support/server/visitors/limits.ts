import { type AppEnv, Problem } from '@aether/http';
import { ConfigurationError } from '@aether/platform';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';

/** How often what may be done: so many times in so many seconds, each process by itself. */
const rules = {
  /** Opening a session. */
  'opening-address': [20, 600],
  'opening-widget': [1_200, 600],
  'opening-email': [8, 600],
  /** Sending a message. */
  'message-session': [30, 60],
  'message-address': [240, 60],
  /** Whatever else a widget asks. */
  'call-address': [1_200, 60],
  /** Tokens and identities that were wrong: nobody guesses for long. */
  'refused-address': [60, 60],
} as const satisfies Record<string, readonly [times: number, seconds: number]>;

export type LimitName = keyof typeof rules;
export type Limits = ReturnType<typeof openLimits>;

/**
 * What holds strangers back.
 *
 * @param variables SUPPORT_RATE_FACTOR multiplies every limit, for tests under load; SUPPORT_PROXY_HOPS says how many proxies stand before this server.
 * @throws ConfigurationError
 */
export function openLimits(variables: Record<string, string | undefined>) {
  const factor = readNumber('SUPPORT_RATE_FACTOR', variables, { fallback: 1, min: 0.01, max: 1e6 });
  const hops = readNumber('SUPPORT_PROXY_HOPS', variables, { fallback: 0, min: 0, max: 10 });
  const limiters = Object.fromEntries(
    Object.entries(rules).map(([name, [times, seconds]]) => [
      name,
      new RateLimiterMemory({ points: Math.max(1, Math.round(times * factor)), duration: seconds }),
    ]),
  ) as unknown as Record<LimitName, RateLimiterMemory>;

  return {
    /** @throws Problem 429, with the seconds to wait. */
    async count(name: LimitName, key: string): Promise<void> {
      try {
        await limiters[name].consume(key);
      } catch (refused) {
        throw tooMany(refused as RateLimiterRes);
      }
    },

    /** Throws as `count` does, without counting. */
    async check(name: LimitName, key: string): Promise<void> {
      const state = await limiters[name].get(key);
      if (state && (state.consumedPoints ?? 0) >= limiters[name].points) throw tooMany(state);
    },

    /** Whose request this is: the address that the last trusted proxy saw, else the one that is connected. */
    addressOf(env: AppEnv['Bindings'], forwardedFor: string | undefined): string {
      const connected = env.incoming.socket.remoteAddress ?? 'unknown';
      if (hops === 0) return network(connected);
      // From the right: whatever stands further left was written by the client.
      const seen = (forwardedFor ?? '').split(',').map((each) => each.trim());
      return network(seen.at(-hops) || connected);
    },
  };
}

/** Of an IPv6 address the first 64 bits: whoever has one has all of those. */
function network(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1] as string;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const left = head.split(':').filter(Boolean);
  const right = tail === undefined ? [] : tail.split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':').toLowerCase();
}

function tooMany({ msBeforeNext = 1_000 }: Pick<RateLimiterRes, 'msBeforeNext'>): Problem {
  const seconds = Math.max(1, Math.ceil(msBeforeNext / 1_000));
  return new Problem({
    status: 429,
    code: 'too-many-requests',
    detail: `That was too often. Try again in ${seconds} seconds.`,
    headers: { 'Retry-After': String(seconds) },
  });
}

function readNumber(
  setting: string,
  variables: Record<string, string | undefined>,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const given = variables[setting];
  if (!given) return fallback;
  const value = Number(given);
  if (!Number.isFinite(value) || value < min || value > max)
    throw new ConfigurationError(`${setting} must be a number from ${min} to ${max}.`);
  return value;
}
