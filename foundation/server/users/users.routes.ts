import { type App, createStaffRoute, cursor, cursorsOf, jsonBody, object, pageSize, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { changeRole, listStaff } from './users.ts';

const role = z.enum(['admin', 'steward', 'user']);
const UserSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    role,
    last_signed_in: z.string().nullable().openapi({ format: 'date-time' }),
  })
  .openapi('User');

const list = createStaffRoute({
  method: 'get',
  path: '/api/users',
  right: 'users.read',
  summary: 'The staff, by name',
  request: { query: object({ cursor: cursor().optional(), limit: pageSize({ max: 1_000, default: 200 }) }) },
  responses: {
    200: {
      description: 'Everybody who has signed in to either app.',
      content: {
        'application/json': { schema: z.object({ users: z.array(UserSchema), next_cursor: z.string().nullable() }) },
      },
    },
    ...problems(422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/users/{id}',
  right: 'administrator',
  summary: 'Give somebody the role of an administrator or of a data steward, or take it away',
  request: {
    params: object({ id: z.string().min(1).max(255) }),
    body: jsonBody(object({ role }).openapi('UserChange')),
  },
  responses: {
    200: { description: 'The user after the change.', content: { 'application/json': { schema: UserSchema } } },
    ...problems(400, 404, 409, 422),
  },
});

export function addUserRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const { page: users, next_cursor } = await cursors.page('users', c.req.valid('query'), (paging) =>
        listStaff(db, paging),
      );
      return c.json({ users, next_cursor }, 200);
    })
    .openapi(change, async (c) => {
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        changeRole(tx, c.req.valid('param').id, c.req.valid('json').role),
      );
      return c.json(changed, 200);
    });
}
