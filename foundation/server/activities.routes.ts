import {
  type App,
  bigintId,
  clientId,
  createStaffRoute,
  cursor,
  cutPage,
  jsonBody,
  object,
  pageSize,
  problems,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import { CustomerErased, type PlatformDb } from '@aether/platform';
import { addActivity, readTimeline } from './activities.ts';
import { customerKey } from './customers.routes.ts';
import { requireCustomer } from './customers.ts';

const ActivitySchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    type: z.string().openapi({ example: 'support_chat' }),
    description: z.string(),
    metadata: z.record(z.string(), z.any()),
    occurred_at: z.string().openapi({ format: 'date-time' }),
    due_at: z.string().nullable(),
    done_at: z.string().nullable(),
    app: z.enum(['foundation', 'support']).openapi({ description: 'Which app added it.' }),
    created_by: z.object({ id: z.string(), name: z.string() }).nullable(),
    deal_id: z.int().nullable(),
  })
  .openapi('Activity');

const place = object({ at: z.iso.datetime(), id: uuid() });
const typesMax = 20;
const types = z
  .string()
  .transform((value) => value.split(','))
  .refine((list) => list.length <= typesMax && list.every((type) => /^[a-z][a-z0-9_]{1,39}$/.test(type)), {
    error: `must be at most ${typesMax} types with commas between them, such as call,support_chat`,
  })
  .openapi({ type: 'string', example: 'call,support_chat' });

const timeline = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/timeline',
  summary: 'The activities of both apps, newest first',
  request: {
    params: customerKey,
    query: object({
      type: types.optional(),
      app: z.enum(['foundation', 'support']).optional(),
      cursor: cursor(place).optional(),
      limit: pageSize({ max: 200, default: 50 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ activities: z.array(ActivitySchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const add = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/activities',
  summary: 'Add a call, an e-mail, a meeting, a note or a task',
  request: {
    params: customerKey,
    body: jsonBody(
      object({
        type: z.enum(['call', 'email', 'meeting', 'note', 'task']),
        description: text({ charactersMax: 4_000 }),
        occurred_at: time().optional(),
        due_at: time().optional(),
        deal_id: bigintId().optional(),
        client_id: clientId()
          .optional()
          .openapi({ description: 'A retry with the same client_id adds nothing and gets the first answer.' }),
      }).openapi('NewActivity'),
    ),
  },
  responses: {
    201: { description: 'Added.', content: { 'application/json': { schema: ActivitySchema } } },
    ...problems(400, 404, 410, 422),
  },
});

export function addActivityRoutes(app: App, db: PlatformDb): void {
  app.openapi(timeline, async (c) => {
    const { type, cursor: after, limit, app: ofApp } = c.req.valid('query');
    const { id } = await requireCustomer(db, c.req.valid('param').id);
    const found = await readTimeline(db, id, { types: type, app: ofApp, after, limit: limit + 1 });
    const { page, next_cursor } = cutPage(found, limit, (activity) => activity.place);
    return c.json({ activities: page.map(({ place: _, ...activity }) => activity), next_cursor }, 200);
  });

  app.openapi(add, async (c) => {
    const actor = c.get('actor');
    const { client_id, ...activity } = c.req.valid('json');
    const customer = await requireCustomer(db, c.req.valid('param').id);
    if (customer.erased_at) throw new CustomerErased();
    const key = client_id && `customer:${customer.id}:${client_id}`;
    const added = await db.transaction({ actor: actor?.id }, (tx) =>
      addActivity(tx, { ...activity, customer_id: customer.id, idempotency_key: key }),
    );
    return c.json(added, 201);
  });
}
