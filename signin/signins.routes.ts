import { type App, createStaffRoute, jsonBody, object, problems, uuid, z } from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import { endSignIns, listSignIns } from './signins.ts';

const userKey = object({ id: z.string().min(1).max(255) });

const list = createStaffRoute({
  method: 'get',
  path: '/api/users/{id}/sign-ins',
  right: 'administrator',
  summary: 'Where a user is signed in to this app; for administrators',
  description: 'The one used last first; at most 200.',
  request: { params: userKey },
  responses: {
    200: {
      description: 'What is open now.',
      content: {
        'application/json': {
          schema: z.object({
            sign_ins: z.array(
              z
                .object({
                  id: z.string().openapi({ format: 'uuid' }),
                  agent: z.string().nullable().openapi({ description: 'The browser, in its own words.' }),
                  created_at: z.string().openapi({ format: 'date-time' }),
                  last_seen_at: z.string().openapi({ format: 'date-time' }),
                  expires_at: z.string().openapi({ format: 'date-time' }),
                })
                .openapi('OpenSignIn'),
            ),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const end = createStaffRoute({
  method: 'post',
  path: '/api/users/{id}/sign-ins/end',
  operationId: 'endUserSignIns',
  right: 'administrator',
  summary: 'End a user’s sign-ins in every app, or the one named, of this app; for administrators',
  description: 'Seen with the next request that the user’s browser makes. Access tokens go on until they expire.',
  request: { params: userKey, body: jsonBody(object({ sign_in_id: uuid().optional() }).openapi('EndSignIns')) },
  responses: {
    200: {
      description: 'How many have ended.',
      content: { 'application/json': { schema: z.object({ ended: z.int() }) } },
    },
    ...problems(400, 404, 422),
  },
});

/** Adds the routes with which administrators see and end the sign-ins of others. */
export function addSignInRoutes(app: App, db: PlatformDb) {
  const requireUser = async (id: string) => {
    const user = await db.getUserById(id);
    if (!user) throw new NotFound('user');
    return user;
  };

  return app
    .openapi(list, async (c) => {
      const { id } = await requireUser(c.req.valid('param').id);
      const open = await listSignIns(db, id);
      const sign_ins = open.map(({ app: _, ...each }) => ({
        ...each,
        created_at: each.created_at.toISOString(),
        last_seen_at: each.last_seen_at.toISOString(),
        expires_at: each.expires_at.toISOString(),
      }));
      return c.json({ sign_ins }, 200);
    })
    .openapi(end, async (c) => {
      const { id } = await requireUser(c.req.valid('param').id);
      return c.json({ ended: await endSignIns(db, id, 'by-admin', c.req.valid('json').sign_in_id ?? null) }, 200);
    });
}

/** For typed clients. */
export type SignInRoutes = ReturnType<typeof addSignInRoutes>;
