import { type App, CrmContextSchema, createStaffRoute, object, problems, uuid, z } from '@aether/http';
import { NotFound, type PlatformDb, type Queryable } from '@aether/platform';

const recentMax = 5;

const get = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/context',
  right: 'context.read',
  summary: 'The CRM’s knowledge about a customer that another app may see: sums, names and the last activities',
  description: 'It says who did something and when, but not what they wrote.',
  request: { params: object({ id: uuid() }) },
  responses: {
    200: {
      description: 'The present context. The id of a merged customer finds the survivor.',
      content: {
        'application/json': {
          schema: z
            .object({
              customer: z.object({ id: z.string().openapi({ format: 'uuid' }) }),
              crm: CrmContextSchema,
              recent: z
                .array(
                  z.object({
                    type: z.string(),
                    occurred_at: z.string().openapi({ format: 'date-time' }),
                    app: z.string(),
                    name: z.string().nullable(),
                  }),
                )
                .openapi({ description: `The newest ${recentMax} activities.` }),
            })
            .openapi('CrmContextOfCustomer'),
        },
      },
    },
    ...problems(404, 422),
  },
});

/** Adds the one route that Support's own token opens if the apps do not share a database. */
export function addContextRoutes(app: App, db: PlatformDb): void {
  app.openapi(get, async (c) => {
    const found = await db.getCustomerContextById(c.req.valid('param').id);
    if (!found) throw new NotFound('customer');
    const { id } = found.customer;
    return c.json({ customer: { id }, crm: found.crm, recent: await readRecent(db.reads, id) }, 200);
  });
}

function readRecent(on: Queryable, customerId: string) {
  return on.query<{ type: string; occurred_at: Date; app: string; name: string | null }>(
    `select a.type, a.occurred_at, a.created_by_app as app, u.name
     from crm.activities a left join platform.users u on u.id = a.created_by
     where a.customer_id = $1
     order by a.occurred_at desc, a.id desc
     limit ${recentMax}`,
    [customerId],
  );
}
