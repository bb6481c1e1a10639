import {
  AddressSchema,
  type App,
  CompanySchema,
  CrmContextSchema,
  CustomerSchema,
  createStaffRoute,
  jsonBody,
  line,
  MergedFromSchema,
  object,
  PhoneSchema,
  problems,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { CallSchema } from '../calls/calls.schemas.ts';
import { requireReader } from '../conversations/readers.ts';
import { isTimeZone } from '../widgets/officehours.ts';
import type { ContextReader } from './context.ts';
import { canonicalLanguage } from './language.ts';
import { type Panel, readPanel, readSessionPanel } from './panel.ts';

const moment = z.string().openapi({ format: 'date-time' });
const PanelSchema = z
  .object({
    identity: z.enum(['claimed', 'verified']).nullable().openapi({ description: 'null: without a conversation.' }),
    customer: CustomerSchema.nullable().openapi({ description: 'null: the visitor has not given an address.' }),
    addresses: z.array(AddressSchema).openapi({ description: 'Every address of the customer, the primary one first.' }),
    phones: z
      .array(PhoneSchema)
      .openapi({ description: 'Every telephone number of the customer, the primary one first.' }),
    merged_from: z.array(MergedFromSchema).openapi({ description: 'Customers that were merged into this one.' }),
    company: CompanySchema.nullable(),
    crm: CrmContextSchema.nullable(),
    partial: z.boolean(),
    reason: z.string().nullable().openapi({ description: 'Why a part is missing, as a sentence.' }),
    tier: z
      .object({
        value: z.string().nullable(),
        since: moment,
        deal: z
          .object({ name: z.string() })
          .nullable()
          .openapi({ description: 'The deal that gave the tier when it was won.' }),
        by: z.object({ app: z.string(), name: z.string().nullable() }),
        event: z.object({
          id: z.int(),
          position: z.int(),
          occurred_at: moment,
          numbered_at: moment,
          trace: z.string().nullable(),
          previous: z.string().nullable(),
        }),
      })
      .nullable()
      .openapi({ description: 'Since when the tier holds; null when the log does not go back so far.' }),
    recent: z
      .array(z.object({ type: z.string(), occurred_at: moment, app: z.string(), name: z.string().nullable() }))
      .openapi({ description: 'The latest activities with their authors, without their texts.' }),
    sessions: z.array(
      z.object({
        id: z.string(),
        started_at: moment,
        ended_at: moment.nullable(),
        resolved: z.boolean().nullable(),
        message_count: z.int(),
        summary: z.string().nullable(),
      }),
    ),
    calls: z.array(CallSchema),
    read_at: moment,
  })
  .openapi('Panel');

const answer = { 200: { description: 'The current state.', content: { 'application/json': { schema: PanelSchema } } } };
const key = object({ id: uuid() });

// For people alone: a panel also shows calls and the CRM's part, and a machine needs a scope of its own for each of these.
const ofSession = createStaffRoute({
  method: 'get',
  path: '/api/sessions/{id}/context',
  right: 'person',
  summary: 'The panel beside a conversation',
  request: { params: key },
  responses: { ...answer, ...problems(404, 422) },
});

const ofCustomer = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/context',
  right: 'person',
  summary: 'The same panel for a customer, without a conversation',
  request: { params: key },
  responses: { ...answer, ...problems(404, 422) },
});

const language = line({ charactersMax: 35 }).refine((tag) => canonicalLanguage(tag) !== undefined, {
  error: 'must be a language such as en or pt-BR',
});
const timeZone = line({ charactersMax: 64 }).refine(isTimeZone, { error: 'must be a time zone such as Europe/Oslo' });

const change = createStaffRoute({
  method: 'patch',
  path: '/api/customers/{id}',
  right: 'person',
  summary: 'Change a customer’s Support fields',
  request: {
    params: key,
    body: jsonBody(
      object({
        preferred_language: language.nullable().optional(),
        timezone: timeZone.nullable().optional(),
        expected_version: z.int().positive(),
      }).openapi('CustomerChange'),
    ),
  },
  responses: {
    200: {
      description: 'The current state.',
      content: { 'application/json': { schema: z.object({ customer: CustomerSchema }) } },
    },
    ...problems(400, 404, 409, 410, 422),
  },
});

export function addPanelRoutes(app: App, db: PlatformDb, readContext: ContextReader) {
  return app
    .openapi(ofSession, async (c) => {
      const { id } = c.req.valid('param');
      return c.json(flatten(await readSessionPanel(db, readContext, c.get('caller'), id)), 200);
    })
    .openapi(ofCustomer, async (c) => {
      const reader = await requireReader(db, c.get('caller'));
      return c.json(flatten(await readPanel(db, readContext, reader, c.req.valid('param').id)), 200);
    })
    .openapi(change, async (c) => {
      const actor = c.get('actor');
      if (actor?.role !== 'admin') await requireAgent(db, actor);
      const { expected_version: expectedVersion, ...fields } = c.req.valid('json');
      const customer = await db.updateCustomer(c.req.valid('param').id, fields, { expectedVersion, actor: actor?.id });
      return c.json({ customer }, 200);
    });
}

function flatten({ context, ...panel }: Panel) {
  const { customer = null, company = null, crm = null, partial = false, reason = null } = context ?? {};
  return { ...panel, customer, company, crm, partial, reason };
}
