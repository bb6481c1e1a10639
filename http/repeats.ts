import { onlyOnce } from '@aether/platform';
import type { MiddlewareHandler } from 'hono';
import type { Caller } from './caller.ts';
import { refuseFields } from './problem.ts';

/*
 * Idempotency-Key: a client that got no answer sends the same request with the same key again, and gets the answer of the first one. What
 * makes it hold is in platform/repeats.ts: the key is written in the transaction of the handler. A repetition runs the handler again, whose
 * transaction then gives the first result without doing anything.
 */

/** Heeds `Idempotency-Key`. It is for routes whose effect is one transaction of the app. */
export const heedIdempotencyKey: MiddlewareHandler = async (c, next) => {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return next();
  if (!/^[!-~]{1,255}$/.test(key)) {
    const message = 'must be 1 to 255 letters, digits and signs of ASCII, such as a UUID';
    throw refuseFields([{ field: 'Idempotency-Key', in: 'header', message }]);
  }
  const { actor, machine } = c.get('caller') as Caller;
  const client = actor ? `user ${actor.id}` : `machine ${machine ?? ''}`;
  const asked = { method: c.req.method, path: c.req.path, query: c.req.query(), body: await c.req.json() };
  const isKnown = await onlyOnce({ client, key, asked }, next);
  if (isKnown && c.res.ok) c.res.headers.set('Idempotency-Replayed', 'true');
};

export const idempotencyKeyParameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A name that the client makes up for this request, such as a UUID. The same request with the same key gets the first answer again for 24 hours, with `Idempotency-Replayed: true`; another request with that key is refused (422), and so is one that comes while the first is under way (409).',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
  example: '7d2c1f0e-2b7d-4f0a-9c57-1f7f6a2f9d11',
} as const;

export const replayedHeader = {
  'Idempotency-Replayed': {
    description: '`true` if the answer is that of an earlier request with the same `Idempotency-Key`.',
    schema: { type: 'string', enum: ['true'] },
  },
} as const;
