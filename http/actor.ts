import type { PlatformDb } from '@aether/platform';
import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from './app.ts';
import { refuseFields } from './problem.ts';

/** Finds the user of `X-Aether-Actor`: until sign-in is built it is taken as said, on loopback only. */
export function findActor(db: PlatformDb): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const id = c.req.header('x-aether-actor');
    if (id !== undefined) {
      const user = id.length <= 255 ? await db.getUserById(id) : undefined;
      if (!user) throw refuseFields([{ field: 'X-Aether-Actor', in: 'header', message: 'must be the id of a user' }]);
      c.set('actor', user);
    }
    await next();
  };
}
