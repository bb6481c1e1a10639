import { getConnInfo } from '@hono/node-server/conninfo';
import { createRoute, type RouteConfig } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { isLoopbackAddress, isLoopbackHost } from './loopback.ts';
import { Problem, problems } from './problem.ts';

/** Any of these says that somebody passed the request on, so the peer's address is not the client's. */
const forwardingHeaders = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
];

/**
 * Guards the endpoints of staff until there is sign-in: whoever sits at this machine is staff, nobody else is.
 * Also refuses what a browser here may send for a foreign page: a rebound host name, a foreign origin.
 */
export const staffOnly: MiddlewareHandler = async (c, next) => {
  const reason = findOutsider(c);
  if (reason) {
    throw new Problem({
      status: 403,
      code: 'staff-loopback-only',
      detail: `Until sign-in is built, staff endpoints answer only to this machine itself, and ${reason}. Call http://localhost or http://127.0.0.1 directly.`,
    });
  }
  await next();
};

function findOutsider(c: Context): string | undefined {
  const peer = c.env?.incoming?.socket ? getConnInfo(c).remote.address : undefined;
  if (!peer || !isLoopbackAddress(peer)) return 'this request came from elsewhere';
  if (forwardingHeaders.some((name) => c.req.header(name) !== undefined)) return 'this request was forwarded';
  // The target may name a host of its own (GET http://elsewhere/ HTTP/1.1), which then counts more than the header.
  if (!isLoopbackHost(c.req.header('host') ?? '') || !isLoopbackHost(new URL(c.req.url).host))
    return 'the Host of this request is another name';
  const origin = c.req.header('origin');
  if (origin !== undefined && !(/^https?:\/\//.test(origin) && isLoopbackHost(origin.replace(/^https?:\/\//, ''))))
    return 'this request was sent by a foreign web page';
  return undefined;
}

const staffNote = 'For staff. Until sign-in is built it answers on loopback only: 403 `staff-loopback-only` elsewhere.';

/** `createRoute` for staff: guarded by `staffOnly`, and the OpenAPI document says so. */
export function createStaffRoute<Path extends string, Route extends Omit<RouteConfig, 'path'> & { path: Path }>(
  route: Route,
) {
  const guarded = {
    ...route,
    description: [route.description, staffNote].filter(Boolean).join('\n\n'),
    middleware: [staffOnly, ...[route.middleware ?? []].flat()],
    responses: { ...problems(403), ...route.responses },
  };
  return createRoute<Path, Route>(guarded);
}
