import { isIP } from 'node:net';
import { ConfigurationError } from '@aether/platform';
import { isLoopbackHost, isLoopbackListener } from '../loopback.ts';

/*
 * Where a process listens. Loopback is the default. An address that other machines can reach is for a container or for a machine behind a load
 * balancer: there, people come by another name than that of the machine, and through proxies, of which the last one ends TLS. So both have to be
 * said: without the name sign-in would send people to a wrong address and take cookies from any host, and without the number of proxies all
 * visitors would count as one address, or each could choose his own.
 */

export type Variables = Record<string, string | undefined>;

export type Listening = { port: number | undefined; host: string };

const byDefault = '127.0.0.1';
const hopsMax = 10;

/**
 * Where an app's server listens as a process of its own: <APP>_PORT, otherwise PORT, at LISTEN_HOST. Pure.
 *
 * @param app as in the names of settings: `foundation`.
 * @throws ConfigurationError naming the setting, also if other machines could reach the server and it is not said how people do.
 */
export function readListening(app: string, variables: Variables, publicUrl: URL | undefined): Listening {
  const { port, host } = readPlace(`${app.toUpperCase()}_PORT`, variables);
  if (isLoopbackListener(host)) return { port, host };
  const name = app.toUpperCase();
  const reach = `LISTEN_HOST is ${host}, which other machines can reach`;
  if (!publicUrl)
    throw new ConfigurationError(
      `${reach}: ${name}_PUBLIC_URL must say by which address people come, such as https://${app}.example.com, or listen on 127.0.0.1.`,
    );
  const isHere = isLoopbackHost(publicUrl.host);
  if (publicUrl.protocol !== 'https:' && !isHere)
    throw new ConfigurationError(
      `${reach}, and ${name}_PUBLIC_URL is ${publicUrl.origin}: passwords and sign-ins would go without TLS. A proxy has to end TLS; give its https address.`,
    );
  const hops = readProxyHops(app, variables);
  if (hops === undefined)
    throw new ConfigurationError(
      `${reach}: PROXY_HOPS must say how many proxies are in front. Usually it is 1, the one that ends TLS; 0 is for a container on this machine that nothing else reaches.`,
    );
  if (hops === 0 && !isHere)
    throw new ConfigurationError(
      `${reach}, and PROXY_HOPS is 0: the proxy that ends TLS for ${publicUrl.origin} counts, so that it is at least 1.`,
    );
  return { port, host };
}

/**
 * Where a process listens that tells no one anything personal, such as the probes of the worker: a setting of its own, otherwise PORT, at
 * LISTEN_HOST. Pure.
 *
 * @throws ConfigurationError naming the setting.
 */
export function readPlace(portSetting: string, variables: Variables): Listening {
  const port = readPort(portSetting, variables) ?? readPort('PORT', variables);
  const host = variables.LISTEN_HOST || byDefault;
  if (host !== 'localhost' && isIP(host) === 0)
    throw new ConfigurationError(
      `LISTEN_HOST is ${host}, and must be an address of this machine: 127.0.0.1, one of its own, or 0.0.0.0 or :: for all.`,
    );
  return { port, host };
}

/** <APP>_PROXY_HOPS, otherwise PROXY_HOPS: how many proxies write X-Forwarded-For; undefined if it is not said. @throws ConfigurationError */
export function readProxyHops(app: string, variables: Variables): number | undefined {
  const own = `${app.toUpperCase()}_PROXY_HOPS`;
  const setting = variables[own] ? own : 'PROXY_HOPS';
  const given = variables[setting];
  if (!given) return undefined;
  const hops = Number(given);
  if (Number.isInteger(hops) && hops >= 0 && hops <= hopsMax) return hops;
  throw new ConfigurationError(`${setting} must be a whole number from 0 to ${hopsMax}.`);
}

/** @returns undefined if it is not set. @throws ConfigurationError */
export function readPort(setting: string, variables: Variables): number | undefined {
  const given = variables[setting];
  if (!given) return undefined;
  const port = Number(given);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new ConfigurationError(`${setting} must be a port number from 0 to 65535.`);
}
