import {
  type App,
  CompanySchema,
  CrmContextSchema,
  CustomerSchema,
  createStaffRoute,
  cursor,
  cutPage,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { getCustomerRecord, requireCustomer, searchCustomers } from './customers.ts';

/** A customer in a path: the uuid, or the number that Foundation gave. */
export const customerKey = object({
  id: z.union([uuid(), z.string().regex(/^[1-9]\d{0,17}$/)], { error: 'must be a customer’s UUID or crm_id' }),
});

/** Which tiers there are is the organisation's own business; `premium` is the one that both apps show in gold. */
export const accountTier = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,39}$/, { error: 'must be 1 to 40 of a-z, 0-9, _ or -, starting with a letter' })
    .openapi({ example: 'premium' });

const writable = {
  name: line({ charactersMax: 200 }),
  email: line({ charactersMax: 1_000 }),
  phone: line({ charactersMax: 40 }).nullable(),
  company_id: uuid().nullable(),
  account_tier: accountTier().nullable(),
  account_manager_id: z.string().min(1).max(255).nullable(),
};
const { name, email, ...optional } = writable;
const NewCustomerSchema = object({ name, email, ...object(optional).partial().shape }).openapi('NewCustomer');
const CustomerChangeSchema = object({
  ...object(writable).partial().shape,
  expected_version: z
    .int()
    .positive()
    .optional()
    .openapi({ description: 'Refuse when somebody has changed it since.' }),
}).openapi('CustomerChange');

const list = createStaffRoute({
  method: 'get',
  path: '/api/customers',
  summary: 'Find customers by name, address, company or number; newest first',
  request: {
    query: object({
      search: line({ charactersMax: 200 }).optional(),
      cursor: cursor(uuid()).optional(),
      limit: pageSize({ max: 100, default: 25 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({
            customers: z.array(CustomerSchema.extend({ company: CompanySchema.nullable() })),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    ...problems(422),
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/customers',
  summary: 'Create a customer',
  request: { body: jsonBody(NewCustomerSchema) },
  responses: {
    201: { description: 'Created.', content: { 'application/json': { schema: CustomerSchema } } },
    ...problems(400, 409, 422),
  },
});

const get = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}',
  summary: 'One customer with its company and what the CRM knows, in one query',
  request: { params: customerKey },
  responses: {
    200: {
      description: 'The customer. An old number or the id of a merged customer finds the one that goes on for it.',
      content: {
        'application/json': {
          schema: z.object({ customer: CustomerSchema, company: CompanySchema.nullable(), crm: CrmContextSchema }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/customers/{id}',
  summary: 'Change the given fields of a customer',
  request: { params: customerKey, body: jsonBody(CustomerChangeSchema) },
  responses: {
    200: { description: 'As it is now.', content: { 'application/json': { schema: CustomerSchema } } },
    ...problems(400, 403, 404, 409, 410, 422),
  },
});

export function addCustomerRoutes(app: App, db: PlatformDb): void {
  app.openapi(list, async (c) => {
    const { search, cursor: after, limit } = c.req.valid('query');
    const found = await searchCustomers(db, { search, after, limit: limit + 1 });
    const { page: customers, next_cursor } = cutPage(found, limit, (customer) => customer.id);
    return c.json({ customers, next_cursor }, 200);
  });

  app.openapi(create, async (c) => {
    const actor = c.get('actor');
    return c.json(await db.createCustomer(c.req.valid('json'), { actor: actor?.id }), 201);
  });

  app.openapi(get, async (c) => c.json(await getCustomerRecord(db, c.req.valid('param').id), 200));

  app.openapi(change, async (c) => {
    const actor = c.get('actor');
    const { expected_version: expectedVersion, ...patch } = c.req.valid('json');
    const { id } = await requireCustomer(db, c.req.valid('param').id);
    return c.json(await db.updateCustomer(id, patch, { expectedVersion, actor: actor?.id }), 200);
  });
}
