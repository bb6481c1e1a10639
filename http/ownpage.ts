import type { Context } from 'hono';
import { isLoopbackHost } from './loopback.ts';
import { Problem } from './problem.ts';

/**
 * Refuses requests that a browser may send for a foreign page: a request to another host name than this server's own
 * (DNS rebinding), and a request from a page of another origin. Use it for everything that a cookie alone can open.
 *
 * @param publicUrl the address at which people reach this server, if that is not this machine itself.
 * @throws Problem
 */
export function requireOwnPage(c: Context, publicUrl: URL | undefined): void {
  const host = c.req.header('host') ?? '';
  // The target may name a host itself (GET http://elsewhere/ HTTP/1.1), which then overrides the header.
  const isOwn = (name: string) => name.toLowerCase() === publicUrl?.host || isLoopbackHost(name);
  if (!isOwn(host) || !isOwn(new URL(c.req.url).host))
    throw refuseForeign('the Host of this request is another name', publicUrl);
  const site = c.req.header('sec-fetch-site');
  const origin = c.req.header('origin');
  const isForeign =
    origin === undefined
      ? site === 'cross-site' || site === 'same-site'
      : origin !== ownOrigin(host, publicUrl) && origin !== publicUrl?.origin;
  if (isForeign) throw refuseForeign('this request was sent by a foreign web page', publicUrl);
}

/** The origin of this server's own pages, for a call by this name. */
export function ownOrigin(host: string, publicUrl: URL | undefined): string {
  return publicUrl && host.toLowerCase() === publicUrl.host ? publicUrl.origin : `http://${host.toLowerCase()}`;
}

function refuseForeign(reason: string, publicUrl: URL | undefined): Problem {
  return new Problem({
    status: 403,
    code: 'foreign-page',
    detail: `Cookies are taken from this server's own pages only, and ${reason}. Open ${publicUrl?.origin ?? 'it on this machine'}, or send an access token.`,
  });
}
