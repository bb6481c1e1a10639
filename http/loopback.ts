import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether an IP address is a loopback one. An IPv4 address written as IPv6 (::ffff:127.0.0.1) counts. */
export function isLoopbackAddress(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && loopback.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

/** Whether only this machine reaches what listens at this address. */
export const isLoopbackListener = (host: string): boolean => host === 'localhost' || isLoopbackAddress(host);

/**
 * Whether a Host header names this machine. Foreign names can point to 127.0.0.1 as well (DNS rebinding), so only these
 * names count.
 */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host);
}
