import {
  type App,
  clientId,
  createStaffRoute,
  cursor,
  cursorsOf,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  SimilarCustomerSchema,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import { openHints } from '@aether/importer/hints';
import { InvalidField, type PlatformDb, repeatIfGone } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { CallSchema } from './calls.schemas.ts';
import { findByNumber, listCalls, logCall, outcomes, updateCall } from './calls.ts';

const number = line({ charactersMax: 40 });
const country = z.string().regex(/^[A-Z]{2}$/, { error: 'must be two capital letters such as DE' });
const outcome = z.enum(outcomes);
const notes = text({ charactersMax: 4_000 });
const secondsMax = 86_400;
const duration = z.int().min(0).max(secondsMax);
const email = line({ charactersMax: 1_000 });

const CallerSchema = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  account_tier: z.string().nullable(),
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/calls',
  right: 'calls.read',
  summary: 'Calls, newest first',
  request: {
    query: object({
      customer_id: uuid().optional(),
      cursor: cursor().optional(),
      limit: pageSize({ max: 100, default: 50 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': { schema: z.object({ calls: z.array(CallSchema), next_cursor: z.string().nullable() }) },
      },
    },
    ...problems(422),
  },
});

const log = createStaffRoute({
  method: 'post',
  path: '/api/calls',
  right: 'person',
  summary: 'Log a call',
  description:
    'The number decides which customer it belongs to, otherwise the address does, otherwise a customer is created. If they are those of two customers, it is refused until one is chosen. It is in the CRM’s timeline once, however often this is sent with its client_id.',
  request: {
    body: jsonBody(
      object({
        client_id: clientId(),
        direction: z.enum(['inbound', 'outbound']),
        number,
        country: country.optional(),
        customer_id: uuid().optional(),
        email: email.optional(),
        name: line({ charactersMax: 200 }).optional(),
        outcome,
        notes: notes.optional(),
        started_at: time(),
        duration_seconds: duration,
      }).openapi('NewCall'),
    ),
  },
  responses: {
    201: {
      description: 'Logged, now or by an earlier attempt.',
      content: {
        'application/json': {
          schema: z.object({
            call: CallSchema,
            customer_was: z.enum(['found-by-number', 'found-by-email', 'created', 'chosen']),
          }),
        },
      },
    },
    ...problems(400, 404, 409, 410, 422),
  },
});

const lookUp = createStaffRoute({
  method: 'post',
  path: '/api/calls/lookup',
  operationId: 'lookUpCaller',
  right: 'context.read',
  readers: 'changes nothing',
  summary: 'The customers with a number or an address; by POST, because neither may be part of a URL',
  request: {
    body: jsonBody(
      object({ number: number.optional(), country: country.optional(), email: email.optional() }).openapi('CallLookup'),
    ),
  },
  responses: {
    200: {
      description: 'null and empty when no customer has it yet, or it is incomplete.',
      content: {
        'application/json': {
          schema: z.object({
            number_e164: z.string().nullable(),
            by_number: z.array(CallerSchema),
            by_email: CallerSchema.nullable(),
          }),
        },
      },
    },
    ...problems(400, 422),
  },
});

const similar = createStaffRoute({
  method: 'post',
  path: '/api/calls/similar',
  operationId: 'findSimilarCallers',
  right: 'customers.read',
  readers: 'changes nothing',
  summary:
    'Customers that may be the person whom a call would make; by POST, because nothing of it may be part of a URL',
  description: 'At most three, the likeliest first. What is missing or incomplete says nothing.',
  request: {
    body: jsonBody(
      object({
        name: line({ charactersMax: 200 }).optional(),
        email: email.optional(),
        number: number.optional(),
        country: country.optional(),
      }).openapi('CallerDraft'),
    ),
  },
  responses: {
    200: {
      description: 'Nobody, if the list is empty.',
      content: { 'application/json': { schema: z.object({ similar: z.array(SimilarCustomerSchema) }) } },
    },
    ...problems(400, 422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/calls/{id}',
  right: 'person',
  summary: 'Correct a call; the CRM’s timeline stays unchanged',
  request: {
    params: object({ id: uuid() }),
    body: jsonBody(
      object({
        outcome: outcome.optional(),
        notes: notes.nullable().optional(),
        duration_seconds: duration.optional(),
      }).openapi('CallChange'),
    ),
  },
  responses: {
    200: { description: 'The call after the change.', content: { 'application/json': { schema: CallSchema } } },
    ...problems(400, 404, 422),
  },
});

const graceMs = 60_000; // the clocks of browsers differ

export function addCallRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  const findHints = openHints(db);
  return app
    .openapi(list, async (c) => {
      if (c.get('actor')) await requireAgent(db, c.get('actor'));
      const { customer_id: customerId, ...asked } = c.req.valid('query');
      const { page: calls, next_cursor } = await cursors.page('calls', asked, (paging) =>
        listCalls(db, { customerId, ...paging }),
      );
      return c.json({ calls, next_cursor }, 200);
    })
    .openapi(lookUp, async (c) => {
      const { number, country, email } = c.req.valid('json');
      const phone = number === undefined ? undefined : db.readPhone(number, country);
      const [by_number, addressed] = await Promise.all([
        phone ? findByNumber(db, phone) : [],
        email === undefined ? null : db.getCustomerByEmail(email).catch(() => null), // an incomplete address has no customer
      ]);
      const by_email = addressed && {
        id: addressed.id,
        name: addressed.name,
        email: addressed.email,
        account_tier: addressed.account_tier,
      };
      return c.json({ number_e164: phone?.key ?? null, by_number, by_email }, 200);
    })
    .openapi(similar, async (c) => {
      const { number: phone, ...draft } = c.req.valid('json');
      return c.json({ similar: await findHints({ ...draft, phone }) }, 200);
    })
    .openapi(log, async (c) => {
      const actor = c.get('actor');
      const { id: agentId } = await requireAgent(db, actor);
      const given = c.req.valid('json');
      if (Date.parse(given.started_at) > Date.now() + graceMs)
        throw new InvalidField([{ field: 'started_at', message: 'must not be in the future' }]);
      const logged = await repeatIfGone({}, () =>
        db.transaction({ actor: actor?.id }, (tx) => logCall(db, tx, given, agentId)),
      );
      return c.json(logged, 201);
    })
    .openapi(change, async (c) => {
      const actor = c.get('actor');
      await requireAgent(db, actor);
      const changed = await db.transaction({ actor: actor?.id }, (tx) =>
        updateCall(tx, c.req.valid('param').id, c.req.valid('json')),
      );
      return c.json(changed, 200);
    });
}
