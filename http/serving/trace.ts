import { randomBytes } from 'node:crypto';
import { becauseOf } from '@aether/platform';
import type { MiddlewareHandler } from 'hono';

/**
 * Version 00 has exactly this length; additions of later versions are cut off. An id of zeros and the version ff are
 * invalid.
 */
const wellFormed = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

/**
 * The W3C traceparent of this server's part in a trace: it continues the caller's trace if that is well-formed,
 * otherwise it starts a new one.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
export function continueTrace(given: string | undefined): string {
  const [, version, id, flags, more] = wellFormed.exec(given ?? '') ?? [];
  const span = randomBytes(8).toString('hex');
  if (id === undefined || (version === '00' && more !== undefined))
    return `00-${randomBytes(16).toString('hex')}-${span}-01`;
  return `00-${id}-${span}-${flags}`;
}

/** The part of a traceparent that all servers of a trace share. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/** The caller's traceparent, if this server's part continues its trace. Pure. */
export function callerOf(own: string | undefined, given: string | undefined): string | undefined {
  return own !== undefined && given !== undefined && traceIdOf(given) === traceIdOf(own)
    ? given.slice(0, 55)
    : undefined;
}

/** Makes the trace available to transactions, log entries and calls to other servers, and adds it to the answer. */
export const traceRequest: MiddlewareHandler = async (c, next) => {
  const trace = continueTrace(c.req.header('traceparent'));
  await becauseOf({ trace }, next);
  c.res.headers.set('traceparent', trace);
};
