import { isLoopbackHost, readProxyHops } from '@aether/http';
import { ConfigurationError } from '@aether/platform';

type Variables = Record<string, string | undefined>;

export type SupportSettings = {
  /** Multiplies every limit on what visitors may do. */
  rateFactor: number;
  /** How many proxies before this server write X-Forwarded-For. */
  proxyHops: number;
  /** How many visitors of this process have their conversation open at once. */
  visitorStreamsMax: number;
};

/**
 * Reads what Support needs beside what every server does. Pure.
 *
 * @param publicUrl where people reach it, if not under the name of this machine
 * @throws ConfigurationError naming the variable
 */
export function readSupportSettings(variables: Variables, publicUrl: URL | undefined): SupportSettings {
  return {
    rateFactor: readNumber('SUPPORT_RATE_FACTOR', variables, { fallback: 1, min: 0.01, max: 1e6 }),
    proxyHops: readHops(variables, publicUrl),
    visitorStreamsMax: readNumber('SUPPORT_VISITOR_STREAMS_MAX', variables, {
      fallback: 5_000,
      min: 1,
      max: 1_000_000,
    }),
  };
}

/** A server with a public name that still listens on loopback has a proxy before it. */
function readHops(variables: Variables, publicUrl: URL | undefined): number {
  const hops = readProxyHops('support', variables) ?? 0;
  if (hops === 0 && publicUrl && !isLoopbackHost(publicUrl.host))
    throw new ConfigurationError(
      'PROXY_HOPS must say how many proxies are in front of Support, because SUPPORT_PUBLIC_URL names another host: with 0 all visitors would count as one address, and a few would use up the limits of all. Usually it is 1.',
    );
  return hops;
}

/** @throws ConfigurationError naming the setting */
function readNumber(
  setting: string,
  variables: Variables,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const given = variables[setting];
  if (!given) return fallback;
  const value = Number(given);
  if (!Number.isFinite(value) || value < min || value > max)
    throw new ConfigurationError(`${setting} must be a number from ${min} to ${max}.`);
  return value;
}
