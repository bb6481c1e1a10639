import {
  type App,
  answerCsv,
  bigintId,
  bigintIdText,
  clientId,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  date,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  refuseFields,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import { CustomerErased, type PlatformDb, ReferenceNotFound, readAttempt } from '@aether/platform';
import { customChange, customShown } from '../customfields/customfields.routes.ts';
import { StageSchema } from '../pipelines/pipelines.routes.ts';
import { accountTier } from '../tiers/tiers.routes.ts';
import { readBoard } from './board.ts';
import { closeDeal, reopenDeal } from './closing.ts';
import { digitsMax, listCurrencies } from './currencies.ts';
import { dealsFile } from './deals.csv.ts';
import { createDeal, getDealRecord, listDeals, updateDeal } from './deals.ts';
import { type DealOrder, dealOrders } from './dealsearch.ts';
import { moveDeal } from './moving.ts';

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

const named = z.object({ id: z.string(), name: z.string() });
const ListedDealSchema = DealSchema.extend({
  customer: named,
  company: named.nullable(),
  owner: named.nullable(),
  contacts: z
    .array(named.extend({ role: z.string().nullable() }))
    .optional()
    .openapi({ description: 'Who has a part in it beside its customer, and which. Not on the board.' }),
}).openapi('ListedDeal');
const ClosingSchema = z
  .object({
    outcome: z.enum(['won', 'lost']),
    given_tier: z
      .string()
      .nullable()
      .openapi({ description: 'null if the closing left the customer’s tier unchanged.' }),
    previous_tier: z.string().nullable(),
    reason: z
      .object({ id: z.int(), name: z.string() })
      .nullable()
      .openapi({ description: 'Why it was lost; null if nobody has said so.' }),
    reason_note: z.string().nullable(),
    app: z.string(),
    actor: named.nullable(),
    at: z.string().openapi({ format: 'date-time' }),
  })
  .openapi('Closing');
/** The tier is the customer's, so that a machine sees it only with the scope that reads customers. */
const customersTier = () =>
  z.string().nullable().optional().openapi({
    description: 'The customer’s tier now. For a machine only with the scope `customers.read`.',
  });
const needs = { account_tier: 'customers.read' } as const;
const ReopenedSchema = DealSchema.extend({
  account_tier: customersTier(),
  tier_stays: z
    .object({ reason: z.enum(['changed', 'retired', 'removed', 'erased']), detail: z.string() })
    .nullable()
    .openapi({ description: 'With `restore_tier`: why the customer’s tier stays; null if it was given back.' }),
}).openapi('ReopenedDeal');
export const DealRecordSchema = ListedDealSchema.extend({
  custom: customShown(),
  closing: ClosingSchema.nullable(),
}).openapi('DealRecord');

const filters = {
  customer_id: uuid().optional(),
  contact_id: uuid().optional().openapi({ description: 'Id of a customer who is their primary or another contact.' }),
  company_id: uuid().optional(),
  pipeline: bigintIdText().optional(),
  stage: bigintIdText().optional(),
  owner: z.string().min(1).max(255).optional().openapi({ description: 'Id of the user whose deals they are.' }),
  status: z.enum(['open', 'won', 'lost']).optional(),
  closed_from: time().optional().openapi({ description: 'Closed at that moment or later.' }),
  closed_before: time().optional().openapi({ description: 'Closed before that moment.' }),
  expected_from: date().optional().openapi({ description: 'Expected to close on that day or later.' }),
  expected_to: date().optional().openapi({ description: 'Expected to close on that day or earlier.' }),
  reason: bigintIdText().optional().openapi({ description: 'Lost for the reason with this id.' }),
  lacks: z
    .string()
    .regex(/^(owner|expected|reason)(,(owner|expected|reason)){0,2}$/, {
      error: 'must be owner, expected or reason, or several of them with commas between them',
    })
    .transform((lacks) => lacks.split(',') as ('owner' | 'expected' | 'reason')[])
    .optional()
    .openapi({
      type: 'string',
      example: 'owner,expected',
      description: 'What the deals lack: an owner, an expected day, a reason for which they were lost.',
    }),
  search: line({ charactersMax: 200 }).optional(),
};

const list = createStaffRoute({
  method: 'get',
  path: '/api/deals',
  right: 'deals.read',
  summary: 'Find deals',
  request: {
    query: object({
      ...filters,
      sort: z.enum(Object.keys(dealOrders) as [DealOrder]).default('created'),
      dir: z
        .enum(['asc', 'desc'])
        .optional()
        .openapi({ description: 'By default newest first, and names from A to Z.' }),
      cursor: cursor().optional(),
      limit: pageSize({ max: 200, default: 50 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ deals: z.array(ListedDealSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    ...problems(422),
  },
});

const file = createStaffRoute({
  method: 'get',
  path: '/api/deals.csv',
  right: 'deals.read',
  summary: 'All deals that the filters let through, as a file',
  description: 'The newest first.',
  request: { query: object(filters) },
  responses: { 200: csvResponse, ...problems(422) },
});

const amount = () =>
  z
    .number()
    .min(0)
    .max(10 ** digitsMax - 1)
    .openapi({
      description: 'With at most as many decimals as the currency has: see /api/currencies.',
      example: 48_000,
    });
const currency = () =>
  z
    .string()
    .regex(/^[A-Z]{3}$/, { error: 'must be three capital letters, such as EUR' })
    .openapi({ description: 'A code of ISO 4217: see /api/currencies.', example: 'EUR' });
export const expectedVersion = () =>
  z.int().positive().optional().openapi({ description: 'Refused if the deal has changed since this version.' });

const create = createStaffRoute({
  method: 'post',
  path: '/api/deals',
  right: 'deals.write',
  summary: 'Create a deal',
  request: {
    body: jsonBody(
      object({
        customer_id: uuid(),
        name: line({ charactersMax: 200 }),
        amount: amount().default(0),
        currency: currency().default('EUR'),
        pipeline_id: bigintId().optional(),
        stage_id: bigintId().optional(),
        owner_id: z.string().min(1).max(255).optional(),
        expected_close_on: date().optional(),
        custom: customChange().optional(),
        client_id: clientId().optional().openapi({
          description:
            'A retry with the same client_id makes no second deal. Another deal with the same one is refused.',
        }),
      }).openapi('NewDeal'),
    ),
  },
  responses: {
    201: { description: 'Created.', content: { 'application/json': { schema: DealSchema } } },
    ...problems(400, 409, 410, 422),
  },
});

const currencies = createStaffRoute({
  method: 'get',
  path: '/api/currencies',
  right: 'deals.read',
  summary: 'The currencies that a deal may be in, by code',
  responses: {
    200: {
      description: 'The currencies of ISO 4217 that are in use.',
      content: {
        'application/json': {
          schema: z.object({
            currencies: z.array(
              z
                .object({
                  code: z.string().openapi({ example: 'KWD' }),
                  decimals: z.int().openapi({ description: 'The most decimals of an amount.', example: 3 }),
                })
                .openapi('Currency'),
            ),
          }),
        },
      },
    },
  },
});

const dealKey = object({ id: bigintIdText() });
const get = createStaffRoute({
  method: 'get',
  path: '/api/deals/{id}',
  right: 'deals.read',
  summary: 'One deal',
  request: { params: dealKey },
  responses: {
    200: { description: 'The deal.', content: { 'application/json': { schema: DealRecordSchema } } },
    ...problems(404, 422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/deals/{id}',
  right: 'deals.write',
  summary: 'Change the given fields of a deal',
  request: {
    params: dealKey,
    body: jsonBody(
      object({
        name: line({ charactersMax: 200 }).optional(),
        amount: amount().optional(),
        currency: currency().optional(),
        owner_id: z.string().min(1).max(255).nullable().optional(),
        expected_close_on: date().nullable().optional(),
        custom: customChange().optional(),
        expected_version: expectedVersion(),
      }).openapi('DealChange'),
    ),
  },
  responses: {
    200: { description: 'The deal after the change.', content: { 'application/json': { schema: DealRecordSchema } } },
    ...problems(400, 404, 409, 422),
  },
});

const move = createStaffRoute({
  method: 'post',
  path: '/api/deals/{id}/move',
  right: 'deals.write',
  summary: 'Move an open deal to another open stage of its pipeline',
  request: {
    params: dealKey,
    body: jsonBody(object({ stage_id: bigintId(), expected_version: expectedVersion() }).openapi('MoveDeal')),
  },
  responses: {
    200: { description: 'The deal in its new stage.', content: { 'application/json': { schema: DealSchema } } },
    ...problems(400, 404, 409, 422),
  },
});

const reopen = createStaffRoute({
  method: 'post',
  path: '/api/deals/{id}/reopen',
  right: 'deals.write',
  needs,
  summary: 'Open a closed deal again',
  description:
    'With `restore_tier` the customer gets back the tier that the closing replaced, in the same transaction. If somebody has changed the tier since, or the former one is retired, the deal is opened all the same and `tier_stays` says why the tier stays.',
  request: {
    params: dealKey,
    body: jsonBody(
      object({
        stage_id: bigintId(),
        expected_version: expectedVersion(),
        restore_tier: z.boolean().default(false),
      }).openapi('ReopenDeal'),
    ),
  },
  responses: {
    200: { description: 'The open deal.', content: { 'application/json': { schema: ReopenedSchema } } },
    ...problems(400, 404, 409, 422),
  },
});

const close = createStaffRoute({
  method: 'post',
  path: '/api/deals/{id}/close',
  right: 'deals.write',
  needs,
  summary: 'Close a deal as won or lost',
  description:
    'The deal, the customer’s tier and the activity are one transaction. Closing it again the same way changes nothing and says `already_closed`; with another tier or reason than it was closed with it is refused. A deal of an erased customer is closed without a tier.',
  request: {
    params: dealKey,
    body: jsonBody(
      object({
        outcome: z.enum(['won', 'lost']),
        tier: accountTier().optional().openapi({ description: 'The customer’s new account_tier; only with won.' }),
        reason_id: bigintId().optional().openapi({ description: 'Why it was lost, of /api/loss-reasons.' }),
        reason_note: text({ charactersMax: 1_000 })
          .optional()
          .openapi({ description: 'Why it was lost, in words; only with lost.' }),
      }).openapi('CloseDeal'),
    ),
  },
  responses: {
    200: {
      description: 'The deal is closed, by this request or before it.',
      content: {
        'application/json': {
          schema: z.object({
            deal: DealSchema,
            already_closed: z.boolean(),
            account_tier: customersTier(),
            undo: z
              .object({ stage_id: z.int(), previous_tier: z.string().nullable() })
              .optional()
              .openapi({ description: 'The body for `reopen` that undoes this; only for the closer.' }),
          }),
        },
      },
    },
    ...problems(400, 404, 409, 410, 422),
  },
});

const board = createStaffRoute({
  method: 'get',
  path: '/api/pipelines/{id}/board',
  right: 'deals.read',
  summary: 'A pipeline’s stages with their deals, those with the earliest closing date first',
  description:
    'Of won and lost those of the last thirty days. `next_cursor` goes on in `/api/deals?stage=…&sort=close`.',
  request: {
    params: dealKey,
    query: object({
      owner: z.string().min(1).max(255).optional(),
      search: line({ charactersMax: 200 }).optional(),
      per_stage: pageSize({ max: 500, default: 100 }),
    }),
  },
  responses: {
    200: {
      description: 'All stages in order.',
      content: {
        'application/json': {
          schema: z.object({
            columns: z.array(
              z.object({
                stage: StageSchema,
                count: z.int(),
                sums: z
                  .record(z.string(), z.number())
                  .openapi({ description: 'Per currency.', example: { EUR: 1200 } }),
                weighted: z.record(z.string(), z.number()),
                deals: z.array(ListedDealSchema),
                next_cursor: z.string().nullable(),
              }),
            ),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

export function addDealRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const { cursor, limit, sort, dir, ...filters } = c.req.valid('query');
      const direction = dir ?? (sort === 'created' || sort === 'updated' ? 'desc' : 'asc');
      const name = `deals ${sort} ${direction}`;
      const { page: deals, next_cursor } = await cursors.page(name, { cursor, limit }, (paging) =>
        listDeals(db.reads, { filters, sort, direction, ...paging }),
      );
      return c.json({ deals, next_cursor }, 200);
    })
    .openapi(file, async (c) => answerCsv(c, await dealsFile(db, c.req.valid('query'))))
    .openapi(create, async (c) => {
      const { client_id, ...deal } = c.req.valid('json');
      const customer = await db.getCustomerById(deal.customer_id);
      if (!customer) throw new ReferenceNotFound('customer_id');
      if (customer.erased_at) throw new CustomerErased();
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        createDeal(tx, { ...deal, customer_id: customer.id }, readAttempt(client_id, deal)),
      );
      return c.json(made, 201);
    })
    .openapi(currencies, async (c) => c.json({ currencies: await listCurrencies(db) }, 200))
    .openapi(get, async (c) => c.json(await getDealRecord(db, c.req.valid('param').id), 200))
    .openapi(change, async (c) => {
      const { expected_version, ...patch } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateDeal(tx, c.req.valid('param').id, patch, expected_version),
      );
      return c.json(changed, 200);
    })
    .openapi(move, async (c) => {
      const { stage_id, expected_version } = c.req.valid('json');
      const moved = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        moveDeal(tx, c.req.valid('param').id, stage_id, expected_version),
      );
      return c.json(moved, 200);
    })
    .openapi(close, async (c) => {
      const { outcome, tier, reason_id, reason_note } = c.req.valid('json');
      if (tier !== undefined && outcome !== 'won')
        throw refuseFields([{ field: 'tier', message: 'is given only with the outcome won' }]);
      const wrong = Object.entries({ reason_id, reason_note }).filter(([, value]) => value !== undefined);
      if (outcome !== 'lost' && wrong.length > 0)
        throw refuseFields(wrong.map(([field]) => ({ field, message: 'is given only with the outcome lost' })));
      const reason = { id: reason_id, note: reason_note };
      const closed = await closeDeal(db, c.req.valid('param').id, { outcome, tier, reason, actor: c.get('actor')?.id });
      return c.json(closed, 200);
    })
    .openapi(reopen, async (c) => {
      const { stage_id, expected_version, restore_tier } = c.req.valid('json');
      const reopened = await reopenDeal(db, c.req.valid('param').id, {
        stageId: stage_id,
        expectedVersion: expected_version,
        restoreTier: restore_tier,
        actor: c.get('actor')?.id,
      });
      return c.json(reopened, 200);
    })
    .openapi(board, async (c) => {
      const { owner, search, per_stage } = c.req.valid('query');
      const columns = await readBoard(db.reads, c.req.valid('param').id, { owner, search, perStage: per_stage + 1 });
      const cut = columns.map(async ({ deals, ...column }) => {
        const { page, next_cursor } = await cursors.cut('deals close asc', deals, per_stage);
        return { ...column, deals: page, next_cursor };
      });
      return c.json({ columns: await Promise.all(cut) }, 200);
    });
}
