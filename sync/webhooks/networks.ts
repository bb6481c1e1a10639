import dns from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { ConfigurationError } from '@aether/platform/log';

/*
 * Where webhooks may go. An address that somebody enters could lead the worker into its own network: to the metadata of its machine, to a database, to a
 * service that trusts its neighbours. So a receiver is on the public internet, unless a setting opens a network. The name is resolved for each connection
 * and the connection goes to the address that was looked at: a name that changes what it means afterwards leads nowhere.
 */

/** Of IPv4 what is not public: this machine, private and shared networks, link-local, tests, multicast, reserved. */
const closed = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  closed.addSubnet(network, bits, 'ipv4');
/** Of IPv6 only this is public, but for tunnels, which hold an address of IPv4, and examples. */
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
for (const [network, bits] of [
  ['2001::', 32],
  ['2001:db8::', 32],
  ['2002::', 16],
] as const)
  closed.addSubnet(network, bits, 'ipv6');

/** The networks that are open although they are not public. */
export type Networks = BlockList;

/**
 * Reads SYNC_WEBHOOK_NETWORKS: networks with commas between them, in which receivers may be. Pure.
 *
 * @throws ConfigurationError
 */
export function readWebhookNetworks(variables: Record<string, string | undefined>): Networks {
  const networks = new BlockList();
  for (const given of (variables.SYNC_WEBHOOK_NETWORKS ?? '').split(',').map((each) => each.trim())) {
    if (given === '') continue;
    const [, address = '', bits = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(given) ?? [];
    const family = isIP(address);
    if (family === 0 || Number(bits) > (family === 4 ? 32 : 128))
      throw new ConfigurationError(
        'SYNC_WEBHOOK_NETWORKS must be networks with commas between them, such as 10.20.0.0/16,fd00::/8.',
      );
    networks.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  }
  return networks;
}

/** Whether a connection to this IP address may be opened. Pure. */
export function isOpenAddress(address: string, networks: Networks): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  if (networks.check(address, kind)) return true;
  if (closed.check(address, kind)) return false;
  // An address of IPv4 in the clothes of IPv6 was compared as such.
  return family === 4 || /^::ffff:/i.test(address) || global6.check(address, 'ipv6');
}

/** The address of a receiver, as it is kept. @throws Error saying what is wrong with it */
export function requireWebhookUrl(given: string, networks: Networks): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username || url.password || url.hash)
    throw new Error('The address must begin with https://, without a user, a password and a fragment.');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (url.protocol === 'http:' && !isLoopback)
    throw new Error('The address must begin with https://: http:// is for this machine only.');
  if (url.href.length > 2_000) throw new Error('The address has more than 2,000 characters.');
  if (isIP(host) !== 0 && !isOpenAddress(host, networks))
    throw new Error(`${host} is not on the public internet: SYNC_WEBHOOK_NETWORKS opens other networks.`);
  return url.href;
}

/** No address of the host may be connected to. */
export class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

/** Resolves a name to those of its addresses that may be connected to, for the connection that then goes there. */
export const openLookup =
  (networks: Networks): LookupFunction =>
  (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 4);
      const [first, ...others] = addresses.filter(({ address }) => isOpenAddress(address, networks));
      if (!first) return callback(new AddressRefused('The name leads to no public address.'), '', 4);
      if (options.all) return callback(null, [first, ...others]);
      callback(null, first.address, first.family);
    });
  };
