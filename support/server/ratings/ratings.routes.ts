import { type App, createRoute, jsonBody, object, problems, text, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import type { Live } from '../conversations/live.ts';
import { lockSession } from '../conversations/sessions.ts';
import { byVisitor, sessionKey, type VisitorDoor } from '../visitors/visitordoor.ts';
import { requireVisitorSession } from '../visitors/visitors.ts';
import { rateSession } from './ratings.ts';

export const commentCharactersMax = 1_000;

const rate = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/rating',
  operationId: 'rateSession',
  summary: 'Rate the conversation as the visitor, when it has ended',
  description: 'Once: the same again changes nothing, and another rating is refused.',
  security: byVisitor,
  request: {
    params: sessionKey,
    body: jsonBody(
      object({
        score: z.int().min(1).max(5).openapi({ description: '1 is the worst, 5 the best.' }),
        comment: text({ charactersMax: commentCharactersMax }).optional(),
      }).openapi('NewRating'),
    ),
  },
  responses: {
    201: {
      description: 'Kept, now or by an earlier attempt.',
      content: {
        'application/json': { schema: z.object({ score: z.int(), comment: z.string().nullable() }).openapi('Rated') },
      },
    },
    ...problems(400, 401, 403, 404, 409, 422, 429),
  },
});

export function addRatingRoutes(app: App, db: PlatformDb, { door, live }: { door: VisitorDoor; live: Live }): void {
  app.openapi(rate, async (c) => {
    const { session, token } = await door.enter(c, c.req.valid('param').id);
    const { score, comment } = await db.transaction({}, async (tx) => {
      const held = await lockSession(tx, session.id);
      await requireVisitorSession(tx, session.id, token);
      return rateSession(tx, held, c.req.valid('json'));
    });
    live.announce(session.id, { kind: 'look' });
    return c.json({ score, comment }, 201);
  });
}
