import { createHash } from 'node:crypto';
import { type AppEnv, Problem, type ServerContext } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { readSupportSettings } from '../settings.ts';

/** Limits per kind of request: so many times in so many seconds, over all processes of Support. */
const rules = {
  /** Opening a session. */
  'opening-address': [20, 600],
  'opening-widget': [1_200, 600],
  /** Giving an address to a session, when it is opened or later. */
  'opening-email': [8, 600],
  /** Sending a message. */
  'message-session': [30, 60],
  'message-address': [240, 60],
  /** Beginning to upload a file: so many an hour, each of at most FILES_SIZE_MAX_MB. */
  'file-session': [40, 3_600],
  'file-address': [120, 3_600],
  /** Every other request of a widget. */
  'call-address': [1_200, 60],
  /** Wrong tokens and identities: guessing soon ends. */
  'refused-address': [60, 60],
} as const satisfies Record<string, readonly [times: number, seconds: number]>;

export type LimitName = keyof typeof rules;
export type Limits = ReturnType<typeof openLimits>;
/** The key of a limit, such as `opening-address` of one address. */
export type Limited = readonly [name: LimitName, key: string];

const sweepMs = 60_000;
/** How many refusals this process remembers. */
const blockedMax = 10_000;

/**
 * Counts visitors' requests and refuses those over a limit. The counts are rows of support.limits, so that a second process does not
 * double
 * a limit. One statement makes all counts of a request at one point. A refusal is remembered in this process until
 * its time is up, so that a flood of refused requests costs the database nothing.
 *
 * SUPPORT_RATE_FACTOR multiplies every limit, for tests under load. PROXY_HOPS is the number of proxies before this server.
 *
 * @throws ConfigurationError
 */
export function openLimits(
  db: PlatformDb,
  { variables, publicUrl, closing, log }: Pick<ServerContext, 'variables' | 'publicUrl' | 'closing' | 'log'>,
) {
  const { rateFactor: factor, proxyHops: hops } = readSupportSettings(variables, publicUrl);
  const timesMax = (name: LimitName) => Math.max(1, Math.round(rules[name][0] * factor));
  /** The end of each refusal, by key in hexadecimal. */
  const blocked = new Map<string, number>();
  let hasWarned = false;

  const sweep = setInterval(() => {
    for (const [key, until] of blocked) if (until <= Date.now()) blocked.delete(key);
    db.query('delete from support.limits where expires_at < now()').catch((error) =>
      log.warn({ err: error }, 'expired limits could not be deleted'),
    );
  }, sweepMs).unref();
  closing.addEventListener('abort', () => clearInterval(sweep));

  function requireUnblocked(keys: string[]): void {
    for (const key of keys) {
      const until = blocked.get(key) ?? 0;
      if (until > Date.now()) throw tooMany(until - Date.now());
    }
  }

  function block(key: string, ms: number): Problem {
    const [oldest] = blocked.keys();
    if (blocked.size >= blockedMax && oldest !== undefined) blocked.delete(oldest);
    blocked.set(key, Date.now() + ms);
    return tooMany(ms);
  }

  function warnOnce(message: string): void {
    if (!hasWarned) log.warn(message);
    hasWarned = true;
  }

  return {
    /**
     * Counts for the limits in `counted`, and checks those in `checked` without counting.
     *
     * @throws Problem 429, with the seconds to wait
     */
    async pass(counted: readonly Limited[], checked: readonly Limited[] = []): Promise<void> {
      const names = new Map([...counted, ...checked].map(([name, key]) => [hashOf(name, key), name]));
      requireUnblocked([...names.keys()]);
      // In one order, so that two requests that count for the same limits do not deadlock.
      const mine = counted.map(([name, key]) => ({ key: hashOf(name, key), seconds: rules[name][1] as number }));
      mine.sort((one, other) => (one.key < other.key ? -1 : 1));
      const looked = checked.map(([name, key]) => hashOf(name, key));
      const rows = await db.run<{ key: string; points: number; ms: number; is_counted: boolean }>(count, [
        mine.map(({ key }) => key),
        mine.map(({ seconds }) => seconds),
        looked,
      ]);
      for (const { key, points, ms, is_counted } of rows) {
        const max = timesMax(names.get(key) as LimitName);
        if (is_counted ? points > max : points >= max) throw block(key, ms);
      }
    },

    /** The network address of a visitor: the one that the last trusted proxy saw, otherwise the connection's. */
    addressOf(env: AppEnv['Bindings'], forwardedFor: string | undefined): string {
      const connected = env.incoming.socket.remoteAddress ?? 'unknown';
      if (hops === 0) {
        if (forwardedFor !== undefined)
          warnOnce(
            'Requests carry X-Forwarded-For and PROXY_HOPS is 0: behind a proxy all visitors count as one address. Set it to the number of proxies.',
          );
        return network(connected);
      }
      // From the right: anything further left was written by the client.
      const seen = (forwardedFor ?? '').split(',').map((each) => each.trim());
      const address = seen.at(-hops);
      if (!address)
        warnOnce(
          `A request came with fewer than ${hops} addresses in X-Forwarded-For, as PROXY_HOPS promises: it counts as the address of the proxy.`,
        );
      return network(address || connected);
    },
  };
}

/**
 * Hashes for $1 and $3 in hexadecimal. A count whose time is up begins again. The transaction writes only to an unlogged table, so
 * its commit does not wait for the disk.
 */
const count = {
  name: 'limits-count',
  text: `
    with counted as (
      insert into support.limits as l (key, points, expires_at)
      select decode(g.key, 'hex'), 1, now() + make_interval(secs => g.seconds)
      from unnest($1::text[], $2::float8[]) with ordinality as g (key, seconds, place)
      order by g.place
      on conflict (key) do update set
        points = case when l.expires_at <= now() then 1 else least(l.points, 1000000000) + 1 end,
        expires_at = case when l.expires_at <= now() then excluded.expires_at else l.expires_at end
      returning l.key, l.points, l.expires_at
    )
    select encode(key, 'hex') as key, points, extract(epoch from expires_at - now())::float8 * 1000 as ms, true as is_counted
    from counted
    union all
    select encode(key, 'hex'), points, extract(epoch from expires_at - now())::float8 * 1000, false
    from support.limits
    where key = any (array(select decode(k, 'hex') from unnest($3::text[]) as k)) and expires_at > now()`,
};

const hashOf = (name: LimitName, key: string) =>
  createHash('sha256').update(`${name}\0${key}`).digest('hex').slice(0, 32);

/**
 * For an IPv6 address the first 64 bits: they belong to one customer of the network. Some proxies append a port,
 * which differs for each connection, so it does not count.
 */
function network(seen: string): string {
  const [, bracketed, bare] = /^(?:\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(seen) ?? [];
  const address = bracketed ?? bare ?? seen;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1] as string;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const left = head.split(':').filter(Boolean);
  const right = tail === undefined ? [] : tail.split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':').toLowerCase();
}

function tooMany(ms: number): Problem {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  return new Problem({
    status: 429,
    code: 'too-many-requests',
    detail: `There were too many requests. Try again in ${seconds} seconds.`,
    headers: { 'Retry-After': String(seconds) },
  });
}
