import {
  type App,
  bigintId,
  bigintIdText,
  clientId,
  createStaffRoute,
  cursor,
  cutPage,
  date,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  refuseFields,
  uuid,
  z,
} from '@aether/http';
import { CustomerErased, type PlatformDb, ReferenceNotFound } from '@aether/platform';
import { accountTier } from './customers.routes.ts';
import { closeDeal, createDeal, getDeal, listDeals } from './deals.ts';
import { listPipelines } from './pipelines.ts';

const DealSchema = z
  .object({
    id: z.int(),
    customer_id: z.string().openapi({ format: 'uuid' }),
    company_id: z.string().nullable(),
    pipeline_id: z.int(),
    stage_id: z.int(),
    stage_name: z.string(),
    name: z.string(),
    amount: z.number(),
    currency: z.string().openapi({ example: 'EUR' }),
    status: z.enum(['open', 'won', 'lost']),
    owner_id: z.string().nullable(),
    expected_close_on: z.string().nullable().openapi({ format: 'date' }),
    closed_at: z.string().nullable().openapi({ format: 'date-time' }),
    version: z.int(),
    created_at: z.string().openapi({ format: 'date-time' }),
    updated_at: z.string().openapi({ format: 'date-time' }),
  })
  .openapi('Deal');

const PipelineSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    is_default: z.boolean(),
    stages: z.array(
      z.object({
        id: z.int(),
        name: z.string(),
        outcome: z.enum(['open', 'won', 'lost']),
        probability_percent: z.int(),
      }),
    ),
  })
  .openapi('Pipeline');

const amountMax = 999_999_999_999.99;
const isInCents = (amount: number) => Number(amount.toFixed(2)) === amount;

const pipelines = createStaffRoute({
  method: 'get',
  path: '/api/pipelines',
  summary: 'All pipelines with their stages',
  responses: {
    200: {
      description: 'The default pipeline first.',
      content: { 'application/json': { schema: z.object({ pipelines: z.array(PipelineSchema) }) } },
    },
  },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/deals',
  summary: 'Deals, newest first',
  request: {
    query: object({
      customer_id: uuid().optional(),
      status: z.enum(['open', 'won', 'lost']).optional(),
      cursor: cursor(z.int().positive()).optional(),
      limit: pageSize({ max: 200, default: 50 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': { schema: z.object({ deals: z.array(DealSchema), next_cursor: z.string().nullable() }) },
      },
    },
    ...problems(422),
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/deals',
  summary: 'Create a deal',
  request: {
    body: jsonBody(
      object({
        customer_id: uuid(),
        name: line({ charactersMax: 200 }),
        amount: z
          .number()
          .min(0)
          .max(amountMax)
          .refine(isInCents, { error: 'may have at most two decimals' })
          .default(0),
        currency: z
          .string()
          .regex(/^[A-Z]{3}$/, { error: 'must be three capital letters, such as EUR' })
          .default('EUR'),
        pipeline_id: bigintId().optional(),
        stage_id: bigintId().optional(),
        owner_id: z.string().min(1).max(255).optional(),
        expected_close_on: date().optional(),
        client_id: clientId()
          .optional()
          .openapi({ description: 'A retry with the same client_id makes no second deal.' }),
      }).openapi('NewDeal'),
    ),
  },
  responses: {
    201: { description: 'Created.', content: { 'application/json': { schema: DealSchema } } },
    ...problems(400, 409, 410, 422),
  },
});

const dealKey = object({ id: bigintIdText() });
const get = createStaffRoute({
  method: 'get',
  path: '/api/deals/{id}',
  summary: 'One deal',
  request: { params: dealKey },
  responses: {
    200: { description: 'The deal.', content: { 'application/json': { schema: DealSchema } } },
    ...problems(404, 422),
  },
});

const close = createStaffRoute({
  method: 'post',
  path: '/api/deals/{id}/close',
  summary: 'Close a deal as won or lost',
  description:
    'The deal, the customer’s tier and the activity are one transaction. Closing it again the same way changes nothing and says `already_closed`.',
  request: {
    params: dealKey,
    body: jsonBody(
      object({
        outcome: z.enum(['won', 'lost']),
        tier: accountTier().optional().openapi({ description: 'The customer’s new account_tier; only with won.' }),
      }).openapi('CloseDeal'),
    ),
  },
  responses: {
    200: {
      description: 'Closed, now or before.',
      content: {
        'application/json': {
          schema: z.object({ deal: DealSchema, already_closed: z.boolean(), account_tier: z.string().nullable() }),
        },
      },
    },
    ...problems(400, 404, 409, 410, 422),
  },
});

export function addDealRoutes(app: App, db: PlatformDb): void {
  app.openapi(pipelines, async (c) => c.json({ pipelines: await listPipelines(db) }, 200));

  app.openapi(list, async (c) => {
    const { customer_id: customerId, status, cursor: after, limit } = c.req.valid('query');
    const found = await listDeals(db, { customerId, status, after, limit: limit + 1 });
    const { page: deals, next_cursor } = cutPage(found, limit, (deal) => deal.id);
    return c.json({ deals, next_cursor }, 200);
  });

  app.openapi(create, async (c) => {
    const actor = c.get('actor');
    const { client_id, ...deal } = c.req.valid('json');
    const customer = await db.getCustomerById(deal.customer_id);
    if (!customer) throw new ReferenceNotFound('customer_id');
    if (customer.erased_at) throw new CustomerErased();
    const made = await db.transaction({ actor: actor?.id }, (tx) =>
      createDeal(tx, {
        ...deal,
        customer_id: customer.id,
        idempotency_key: client_id && `customer:${customer.id}:${client_id}`,
      }),
    );
    return c.json(made, 201);
  });

  app.openapi(get, async (c) => c.json(await getDeal(db, c.req.valid('param').id), 200));

  app.openapi(close, async (c) => {
    const actor = c.get('actor');
    const { outcome, tier: newTier } = c.req.valid('json');
    if (newTier !== undefined && outcome !== 'won')
      throw refuseFields([{ field: 'tier', message: 'is given only with the outcome won' }]);
    const closed = await closeDeal(db, c.req.valid('param').id, { outcome, tier: newTier, actor: actor?.id });
    return c.json(closed, 200);
  });
}
