import { type App, createStaffRoute, cursor, cursorsOf, jsonBody, object, pageSize, problems, z } from '@aether/http';
import { NotFound, type PlatformDb, roles } from '@aether/platform';
import { comeBack, countHoldings, leave } from './departures.ts';
import { changeRole, listStaff } from './users.ts';

const role = z.enum(roles);
const UserSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    role,
    last_signed_in: z.string().nullable().openapi({ format: 'date-time' }),
    left_at: z.string().nullable().openapi({
      format: 'date-time',
      description: 'Since when the person works here no more: they cannot sign in, and nothing can be given to them.',
    }),
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
  summary: 'Give somebody another role',
  description:
    'It counts from the next request on. Whoever becomes a reader has no conversation any more, and no pair of duplicates to decide; what they have in the CRM stays theirs until it is given to others.',
  request: {
    params: object({ id: z.string().min(1).max(255) }),
    body: jsonBody(object({ role }).openapi('UserChange')),
  },
  responses: {
    200: { description: 'The user after the change.', content: { 'application/json': { schema: UserSchema } } },
    ...problems(400, 404, 409, 422),
  },
});

const HoldingsSchema = z
  .object({ customers: z.int(), companies: z.int(), deals: z.int(), tasks: z.int(), views: z.int() })
  .openapi('Holdings', {
    description:
      'Customers whose account manager the person is, companies that they own, open deals, tasks that are not done, and shared views of lists.',
  });
const params = object({ id: z.string().min(1).max(255) });

const holdings = createStaffRoute({
  method: 'get',
  path: '/api/users/{id}/holdings',
  right: 'administrator',
  summary: 'What somebody has that can be handed over',
  request: { params },
  responses: {
    200: { description: 'How many of each.', content: { 'application/json': { schema: HoldingsSchema } } },
    ...problems(404, 422),
  },
});

const departure = createStaffRoute({
  method: 'post',
  path: '/api/users/{id}/leave',
  operationId: 'leaveUser',
  right: 'administrator',
  summary: 'Enter that somebody left, and hand over what they have',
  description:
    'Their sign-ins end in every app, their open conversations go back to the others, and nothing can be given to them any more. A call hands over as much as it can in a few seconds: call again while something is left over. Closed deals and what they wrote stay theirs.',
  request: {
    params,
    body: jsonBody(
      object({
        hand_over_to: z
          .string()
          .min(1)
          .max(255)
          .optional()
          .openapi({ description: 'Id of a user. Without it, all stays theirs for now.' }),
      }).openapi('Leave'),
    ),
  },
  responses: {
    200: {
      description: 'What was handed over by this call, and what they still have.',
      content: {
        'application/json': {
          schema: z
            .object({ user: UserSchema, handed_over: HoldingsSchema, left_over: HoldingsSchema })
            .openapi('Departure'),
        },
      },
    },
    ...problems(400, 404, 409, 422),
  },
});

const comingBack = createStaffRoute({
  method: 'post',
  path: '/api/users/{id}/return',
  operationId: 'returnUser',
  right: 'administrator',
  summary: 'Enter that somebody is back, and give them back what was theirs',
  description:
    'They may sign in again, with the role that they had. What was handed over in the last thirty days is given back if the successor still has it. Who was an agent of Support is one again.',
  request: { params, body: jsonBody(object({ give_back: z.boolean() }).openapi('Return')) },
  responses: {
    200: {
      description: 'What was given back by this call, and what others have by now.',
      content: {
        'application/json': {
          schema: z
            .object({
              user: UserSchema,
              given_back: HoldingsSchema,
              kept: HoldingsSchema,
              is_done: z.boolean().openapi({ description: 'If not, call again: it goes on.' }),
            })
            .openapi('Returned'),
        },
      },
    },
    ...problems(400, 404, 422),
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
    })
    .openapi(holdings, async (c) => {
      const { id } = c.req.valid('param');
      if (!(await db.getUserById(id))) throw new NotFound('user');
      return c.json(await countHoldings(db, id), 200);
    })
    .openapi(departure, async (c) => {
      const done = await leave(db, c.req.valid('param').id, {
        to: c.req.valid('json').hand_over_to,
        actor: c.get('actor')?.id,
      });
      return c.json(done, 200);
    })
    .openapi(comingBack, async (c) => {
      const done = await comeBack(db, c.req.valid('param').id, {
        givesBack: c.req.valid('json').give_back,
        actor: c.get('actor')?.id,
      });
      return c.json(done, 200);
    });
}
