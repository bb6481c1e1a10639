import {
  type App,
  answerCsv,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  object,
  pageSize,
  problems,
  time,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { customersFile } from './customers.csv.ts';
import { listCustomers } from './customers.ts';

const ListedCustomerSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    phone: z.string().nullable(),
    account_tier: z.string().nullable(),
    preferred_language: z.string().nullable(),
    timezone: z.string().nullable(),
    created_at: time(),
  })
  .openapi('ListedCustomer');

const list = createStaffRoute({
  method: 'get',
  path: '/api/customers',
  right: 'customers.read',
  summary: 'All customers of both apps, the newest first',
  request: { query: object({ cursor: cursor().optional(), limit: pageSize({ max: 100, default: 50 }) }) },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ customers: z.array(ListedCustomerSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    ...problems(422),
  },
});

const file = createStaffRoute({
  method: 'get',
  path: '/api/customers.csv',
  right: 'customers.read',
  summary: 'All customers, as a file',
  description:
    'The newest first. The headings of what an import takes are its fields, so that the file can be imported.',
  request: { query: object({}) },
  responses: { 200: csvResponse, ...problems(422) },
});

/** The list of customers. A person must be an agent; who searches for one customer uses the search. */
export function addCustomerRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  const requireOne = async (c: { get(key: 'actor'): Parameters<typeof requireAgent>[1] }) => {
    if (c.get('actor')) await requireAgent(db, c.get('actor'));
  };
  return app
    .openapi(list, async (c) => {
      await requireOne(c);
      const { page: customers, next_cursor } = await cursors.page('customers', c.req.valid('query'), (paging) =>
        listCustomers(db.reads, paging),
      );
      return c.json({ customers, next_cursor }, 200);
    })
    .openapi(file, async (c) => {
      await requireOne(c);
      return answerCsv(c, customersFile(db));
    });
}
