import type { MiddlewareHandler } from 'hono';
import { Problem, refuseFields } from '../problem.ts';
import { describeBadCharacter } from './characters.ts';

/**
 * Refuses a request target (path and query) that cannot be decoded (400) or decodes to text that no field may hold (422).
 * The router would let malformed percent-encoding through unchanged.
 */
export const checkTarget: MiddlewareHandler = async (c, next) => {
  const { pathname, search } = new URL(c.req.url);
  const pathMessage = describeBadCharacter(decode(pathname));
  if (pathMessage) throw refuseFields([{ field: 'path', in: 'path', message: pathMessage }]);

  for (const pair of search.slice(1).split('&')) {
    const [name = '', ...rest] = pair.replaceAll('+', ' ').split('=');
    const field = decode(name);
    const message = describeBadCharacter(field) ?? describeBadCharacter(decode(rest.join('=')));
    if (message) throw refuseFields([{ field: field.slice(0, 200).toWellFormed(), in: 'query', message }]);
  }
  await next();
};

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new Problem({
      status: 400,
      code: 'malformed-url',
      detail: 'The address is not valid: percent-encode its path and query as UTF-8 (a lone % is %25).',
    });
  }
}
