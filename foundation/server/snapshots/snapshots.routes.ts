import { type App, createStaffRoute, object, pageSize, problems, refuseFields, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { readCustomers, readSnapshotPage } from './snapshots.ts';

const idsMax = 100;
const pageMax = 5_000;

const SnapshotCustomerSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    version: z.int(),
    name: z.string().nullable().openapi({ description: 'Null of an erased customer, as are the other values.' }),
    email: z.string().nullable(),
    phone_key: z.string().nullable().openapi({ description: 'In E.164.' }),
    company_id: z.string().nullable(),
    account_tier: z.string().nullable(),
    preferred_language: z.string().nullable(),
    timezone: z.string().nullable(),
    created_at: z.string().openapi({ format: 'date-time' }),
    merged_into: z.string().nullable().openapi({ description: 'The customer that goes on, if this one was merged.' }),
    erased_at: z.string().nullable().openapi({ format: 'date-time' }),
  })
  .openapi('SnapshotCustomer');

const get = createStaffRoute({
  method: 'get',
  path: '/api/snapshots/customers',
  right: 'snapshots.read',
  summary: 'All customers with their versions, to begin a copy of them elsewhere, or to check it',
  description:
    'In the order of ids, so that each customer is there once, also those that were merged or erased. A copy that follows the events after the `position` of the first page misses none: what a page does not show yet has a later position. What it shows already may follow as an event too; that one’s version is not newer than the row’s.',
  request: {
    query: object({
      after: uuid().optional().openapi({ description: '`next` of the page before.' }),
      limit: pageSize({ max: pageMax, default: 1_000 }),
      ids: z
        .string()
        .regex(new RegExp(`^[0-9a-fA-F-]{36}(,[0-9a-fA-F-]{36}){0,${idsMax - 1}}$`), {
          error: `must be 1 to ${idsMax} UUIDs with commas between them`,
          abort: true,
        })
        .transform((text) => text.split(','))
        .pipe(z.array(uuid()))
        .optional()
        .openapi({ type: 'string', description: 'Only these, of which those that are unknown are missing.' }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z
            .object({
              position: z.string().openapi({ description: 'Of the log. Later events are not all in this page.' }),
              customers: z.array(SnapshotCustomerSchema),
              next: z
                .string()
                .nullable()
                .openapi({ description: 'The next page follows `after` this; null: no more.' }),
            })
            .openapi('CustomerSnapshot'),
        },
      },
    },
    ...problems(422),
  },
});

/** What an app that has no database in common with the platform begins from: see docs/servicebus.md. */
export function addSnapshotRoutes(app: App, db: PlatformDb): void {
  app.openapi(get, async (c) => {
    const { after, limit, ids } = c.req.valid('query');
    if (ids && after)
      throw refuseFields([{ field: 'after', in: 'query', message: 'is for pages: leave it out, or `ids`' }]);
    return c.json(ids ? await readCustomers(db, ids) : await readSnapshotPage(db, after, limit), 200);
  });
}
