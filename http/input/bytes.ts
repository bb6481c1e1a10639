import type { Context, MiddlewareHandler } from 'hono';
import { Problem } from '../problem.ts';
import type { AppEnv } from '../serving/app.ts';
import { readBytes } from './body.ts';
import { takesBytes } from './bytetakers.ts';

const type = 'application/octet-stream';

/** The `body` of a route that takes bytes, for its OpenAPI document. The route also needs `readByteBody`. */
export const byteBody = {
  required: true,
  content: { [type]: { schema: { type: 'string', format: 'binary' } } },
} as const;

/**
 * Middleware of a route that takes bytes instead of JSON, such as a part of a file: the handler gets them from `bytesOf`. It reads them when
 * the caller's right is known. A browser sends a CORS preflight before this type, so a foreign web page cannot post here. Refuses with
 * 400, 413 or 415.
 */
export function readByteBody(bytesMax: number): MiddlewareHandler<AppEnv> {
  const read: MiddlewareHandler<AppEnv> = async (c, next) => {
    if (c.req.header('content-type') !== type || c.req.header('content-encoding') !== undefined)
      throw new Problem({
        status: 415,
        code: 'unsupported-media-type',
        detail: `Send the bytes as they are, with the header \`Content-Type: ${type}\`.`,
      });
    c.set('bytes', await readBytes(c.req.raw, bytesMax));
    await next();
  };
  return takesBytes(read);
}

/** The bytes that `readByteBody` has read. */
export const bytesOf = (c: Context<AppEnv>): Uint8Array => c.get('bytes') ?? new Uint8Array();
