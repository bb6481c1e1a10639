import type { PlatformDb, User } from '@aether/platform';
import { z } from '@hono/zod-openapi';
import { refuseFields } from './problem.ts';

/** The `headers` of a staff route on which a person acts. */
export const actorHeaders = z.object({
  'x-aether-actor': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .openapi({ description: 'Id of the user who acts. Until sign-in is built it is taken as said, on loopback only.' }),
});

/** The user of `X-Aether-Actor`; undefined when nobody is named. @throws Problem when there is no such user. */
export async function findActor(db: PlatformDb, headers: z.output<typeof actorHeaders>): Promise<User | undefined> {
  const id = headers['x-aether-actor'];
  if (id === undefined) return undefined;
  const user = await db.getUserById(id);
  if (!user) throw refuseFields([{ field: 'X-Aether-Actor', in: 'header', message: 'must be the id of a user' }]);
  return user;
}
