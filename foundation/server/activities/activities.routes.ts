import { fileIds } from '@aether/files';
import {
  type App,
  allows,
  appName,
  bigintId,
  bigintIdText,
  clientId,
  createStaffRoute,
  cursor,
  cursorsOf,
  jsonBody,
  MentionsSchema,
  MoveSchema,
  object,
  pageSize,
  problems,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import { CustomerErased, NotFound, type Placed, type PlatformDb, readAttempt } from '@aether/platform';
import { customerKey } from '../customers/customers.routes.ts';
import { requireCustomer } from '../customers/customers.ts';
import { taskChangeFields, taskFields, taskInput } from '../tasks/tasks.schema.ts';
import { dealChanges } from '../timeline/history.ts';
import { readConversation, readShared } from '../timeline/shared.ts';
import { type Entry, entryKinds, readCompanyTimeline, readTimeline } from '../timeline/timeline.ts';
import { type Activity, addActivity, updateActivity } from './activities.ts';

const named = z.object({ id: z.string(), name: z.string() });
const moment = () => z.string().openapi({ format: 'date-time' });
const head = {
  id: z.string().openapi({ format: 'uuid' }),
  occurred_at: moment(),
  app: z.string().openapi({ example: 'support', description: 'The app that did it.' }),
  actor: named.nullable().openapi({ description: 'The user who did it, if the app named one.' }),
};
const ActivityEntrySchema = z
  .object({
    kind: z.literal('activity'),
    ...head,
    type: z.string().openapi({ example: 'support_chat' }),
    description: z.string(),
    mentions: MentionsSchema,
    metadata: z.record(z.string(), z.any()).openapi({
      description:
        'What the app that wrote it knows of it. `files`: its files, each with id, name, type, size and has_thumbnail.',
    }),
    due_at: moment().nullable(),
    done_at: moment().nullable(),
    ...taskFields,
    deal_id: z.int().nullable(),
    move: MoveSchema.optional().openapi({ description: 'How it came here, if it was moved from another customer.' }),
    is_conversation_shared: z.boolean().optional().openapi({
      description: 'Of a conversation with Support: Support lets you read it, at /api/activities/{id}/conversation.',
    }),
    shared_notes: z
      .string()
      .optional()
      .openapi({ description: 'Of a call with Support: the agent’s notes, as far as Support lets you read them.' }),
  })
  .openapi('Activity');
const AddedToCompanySchema = ActivityEntrySchema.extend({
  company_id: z.string().openapi({ format: 'uuid' }),
}).openapi('AddedCompanyActivity');
export const AddedActivitySchema = ActivityEntrySchema.extend({
  customer_id: z.string().openapi({ format: 'uuid' }),
}).openapi('AddedActivity');
const changes = z.array(
  z.object({
    field: z.string().openapi({ description: 'For one of the organisation’s own fields `custom.<key>`.' }),
    label: z.string().optional().openapi({ description: 'The label of such a field at that time.' }),
    old: z.any(),
    new: z.any(),
  }),
);
const EntrySchema = z
  .union([
    ActivityEntrySchema,
    z.object({
      kind: z.literal('deal'),
      ...head,
      deal: z.object({ id: z.int(), name: z.string() }),
      change: z.enum(dealChanges),
      contact: named
        .nullable()
        .optional()
        .openapi({ description: 'Of the changes `contact_…`: who became a contact of the deal, or was one.' }),
      changes,
    }),
    z.object({ kind: z.literal('field'), ...head, changes }),
  ])
  .openapi('TimelineEntry');
const typesMax = 20;
const types = z
  .string()
  .transform((value) => value.split(','))
  .refine((list) => list.length <= typesMax && list.every((type) => /^[a-z][a-z0-9_]{1,39}$/.test(type)), {
    error: `must be at most ${typesMax} types with commas between them, such as call,support_chat`,
  })
  .openapi({ type: 'string', example: 'call,support_chat' });
const kinds = z
  .string()
  .transform((value) => value.split(','))
  .pipe(z.array(z.enum(entryKinds)).max(entryKinds.length))
  .openapi({ type: 'string', example: 'activity,deal' });
const timelineFilters = {
  kind: kinds.optional(),
  type: types.optional().openapi({ description: 'Types of activities. With it, the answer has only activities.' }),
  app: appName().optional(),
  person: z.string().min(1).max(255).optional().openapi({ description: 'Id of the user who did it.' }),
  since: time().optional(),
  until: time().optional(),
};
const paging = { cursor: cursor().optional(), limit: pageSize({ max: 200, default: 50 }) };
const timeline = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/timeline',
  right: 'activities.read',
  summary: 'The timeline of a customer, newest first: activities of both apps, changes of deals and fields',
  request: {
    params: customerKey,
    query: object({
      ...timelineFilters,
      deal: bigintIdText().optional().openapi({
        description:
          'Id of a deal of which the customer is a contact: its changes, who came and went, and the activities that belong to it, of all its contacts.',
      }),
      ...paging,
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({
            entries: z.array(
              EntrySchema.and(
                z.object({
                  customer: named
                    .optional()
                    .openapi({ description: 'With `deal`: another contact of the deal, whose entry it is.' }),
                }),
              ).openapi('CustomerTimelineEntry'),
            ),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const ofCompany = createStaffRoute({
  method: 'get',
  path: '/api/companies/{id}/timeline',
  right: 'activities.read',
  summary: 'What happened with a company and its customers, newest first: their timelines in one',
  description:
    'What was written on the company itself and changed in it, and what happened with the customers that are of it now, with their whole history; each entry names its customer. What belongs to a deal of the company with a customer of another one is in that customer’s timeline.',
  request: { params: object({ id: uuid() }), query: object({ ...timelineFilters, ...paging }) },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({
            entries: z.array(
              EntrySchema.and(
                z.object({
                  customer: z
                    .object({
                      id: z.string(),
                      name: z
                        .string()
                        .nullable()
                        .openapi({ description: 'Null for a machine without `customers.read`.' }),
                    })
                    .nullable()
                    .openapi({ description: 'Null for an entry of the company itself.' }),
                }),
              ).openapi('CompanyTimelineEntry'),
            ),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const newText = () =>
  text({ charactersMax: 4_000 }).openapi({
    description: 'It mentions people of staff as `<@id>` with the id of a user: each of them is told, at most 50.',
  });
const newClientId = () =>
  clientId().optional().openapi({
    description:
      'A retry with the same client_id adds nothing. A different activity with the same client_id is refused.',
  });
const add = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/activities',
  right: 'activities.write',
  summary: 'Add a call, an e-mail, a meeting, a note or a task',
  request: {
    params: customerKey,
    body: jsonBody(
      object({
        type: z.enum(['call', 'email', 'meeting', 'note', 'task']),
        description: newText(),
        occurred_at: time().optional(),
        ...taskInput,
        deal_id: bigintId().optional(),
        files: fileIds().optional(),
        client_id: newClientId(),
      }).openapi('NewActivity'),
    ),
  },
  responses: {
    201: {
      description: 'Added.',
      content: {
        'application/json': {
          schema: AddedActivitySchema,
        },
      },
    },
    ...problems(400, 404, 409, 410, 422),
  },
});

const addToCompany = createStaffRoute({
  method: 'post',
  path: '/api/companies/{id}/activities',
  operationId: 'addCompanyActivity',
  right: 'activities.write',
  summary: 'Add a call, an e-mail, a meeting or a note to a company itself',
  request: {
    params: object({ id: uuid() }),
    body: jsonBody(
      object({
        type: z.enum(['call', 'email', 'meeting', 'note']).openapi({ description: 'A task is of a customer.' }),
        description: newText(),
        occurred_at: time().optional(),
        client_id: newClientId(),
      }).openapi('NewCompanyActivity'),
    ),
  },
  responses: {
    201: { description: 'Added.', content: { 'application/json': { schema: AddedToCompanySchema } } },
    ...problems(400, 404, 409, 422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/activities/{id}',
  right: 'activities.write',
  summary:
    'Change an activity that a person wrote in Foundation: its text; of a task when it is due, whose it is, whether it is done',
  request: {
    params: object({ id: uuid() }),
    body: jsonBody(
      object({
        description: text({ charactersMax: 4_000 }).optional(),
        ...taskChangeFields,
      }).openapi('ActivityChange'),
    ),
  },
  responses: {
    200: {
      description: 'The activity after the change.',
      content: {
        'application/json': {
          schema: ActivityEntrySchema.extend({
            next: z
              .object({ id: z.string(), due_at: moment() })
              .optional()
              .openapi({ description: 'The task that came because this one repeats and was ticked.' }),
          }),
        },
      },
    },
    ...problems(400, 404, 422),
  },
});

const conversation = createStaffRoute({
  method: 'get',
  path: '/api/activities/{id}/conversation',
  operationId: 'readSharedConversation',
  right: 'person',
  summary: 'What was said in the conversation with Support that an entry of the timeline is about',
  description:
    'An administrator of Support decides who reads it. The agents’ notes are not in it, and files are only counted. It is read anew each time.',
  request: {
    params: object({ id: uuid() }),
    query: object({
      after: z.coerce
        .number()
        .int()
        .min(0)
        .default(0)
        .openapi({ description: 'The number of the last message that you have.' }),
      limit: pageSize({ max: 200, default: 100 }),
    }),
  },
  responses: {
    200: {
      description: 'In order. There may be more if as many came as were asked for.',
      content: {
        'application/json': {
          schema: z.object({
            messages: z.array(
              z
                .object({
                  number: z.int(),
                  author: z.enum(['visitor', 'agent', 'bot']),
                  name: z.string().nullable(),
                  body: z.string(),
                  files: z.int(),
                  at: moment(),
                })
                .openapi('SharedMessage'),
            ),
          }),
        },
      },
    },
    ...problems(403, 404, 422),
  },
});

export function addActivityRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  /** The entries as this person may see them: with what Support shares of them, and how each came here. */
  const show = async <Shown extends Entry>(page: Shown[], actor: string | undefined) => {
    const own = page.filter(({ kind, app }) => kind === 'activity' && app === db.app);
    const moves = await db.listMoves(
      'activity',
      own.map(({ id }) => id),
    );
    const shared = await readShared(db, actor, page);
    return page.map((entry) => ({
      ...entry,
      ...(moves.has(entry.id) && { move: moves.get(entry.id) }),
      ...shared.get(entry.id),
    }));
  };
  const readAcross = async <Read extends Entry>(found: Promise<Placed<Read>[]>) => {
    const entries = await found;
    if (entries.some((entry) => entry.app !== db.app)) db.crossAppReads.count('timeline');
    return entries.map(({ place, ...entry }) => ({ entry: entry as unknown as Read, place }));
  };
  return app
    .openapi(timeline, async (c) => {
      const { kind: kinds, type: types, cursor, limit, ...filters } = c.req.valid('query');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { page, next_cursor } = await cursors.page(`timeline of ${id}`, { cursor, limit }, (paging) =>
        readAcross(readTimeline(db.reads, id, { filters: { ...filters, kinds, types }, ...paging })),
      );
      const readsNames = mayReadNames(c.get('caller'));
      return c.json(
        {
          entries: await show(
            page.map(({ entry: { customer, ...entry } }) =>
              readsNames ? { ...entry, ...(customer && { customer }) } : hideNames(entry),
            ),
            c.get('actor')?.id,
          ),
          next_cursor,
        },
        200,
      );
    })
    .openapi(ofCompany, async (c) => {
      const { kind: kinds, type: types, cursor, limit, ...filters } = c.req.valid('query');
      const { id } = c.req.valid('param');
      if (!(await db.getCompanyById(id))) throw new NotFound('company');
      const { page, next_cursor } = await cursors.page(`timeline of company ${id}`, { cursor, limit }, (paging) =>
        readAcross(readCompanyTimeline(db.reads, id, { filters: { ...filters, kinds, types }, ...paging })),
      );
      const readsNames = mayReadNames(c.get('caller'));
      return c.json(
        {
          entries: await show(
            page.map(({ entry }) =>
              readsNames
                ? entry
                : hideNames({ ...entry, customer: entry.customer && { id: entry.customer.id, name: null } }),
            ),
            c.get('actor')?.id,
          ),
          next_cursor,
        },
        200,
      );
    })
    .openapi(conversation, async (c) => {
      const messages = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        readConversation(tx, c.req.valid('param').id, c.req.valid('query')),
      );
      return c.json({ messages }, 200);
    })
    .openapi(add, async (c) => {
      const actor = c.get('actor');
      const { client_id, ...activity } = c.req.valid('json');
      const customer = await requireCustomer(db, c.req.valid('param').id);
      if (customer.erased_at) throw new CustomerErased();
      const attempt = readAttempt(client_id, { ...activity, customer: c.req.valid('param').id });
      const added = await db.transaction({ actor: actor?.id }, async (tx) => ({
        ...(await addActivity(tx, { ...activity, customer_id: customer.id, uploaded_by: actor?.id ?? null }, attempt)),
        customer_id: customer.id,
      }));
      return c.json(toEntry(added), 201);
    })
    .openapi(addToCompany, async (c) => {
      const actor = c.get('actor');
      const { client_id, ...activity } = c.req.valid('json');
      const company = await db.getCompanyById(c.req.valid('param').id);
      if (!company) throw new NotFound('company');
      const attempt = readAttempt(client_id, { ...activity, company: company.id });
      const added = await db.transaction({ actor: actor?.id }, async (tx) => ({
        ...(await addActivity(tx, { ...activity, company_id: company.id }, attempt)),
        company_id: company.id,
      }));
      return c.json(toEntry(added), 201);
    })
    .openapi(change, async (c) => {
      const actor = c.get('actor');
      const editor = { id: actor?.id, isAdmin: actor?.role === 'admin' };
      const changed = await db.transaction({ actor: actor?.id }, (tx) =>
        updateActivity(tx, c.req.valid('param').id, c.req.valid('json'), editor),
      );
      return c.json(toEntry(changed), 200);
    });
}

const mayReadNames = (caller: Parameters<typeof allows>[0] | undefined): boolean =>
  caller !== undefined && allows(caller, 'customers.read');

/** The entry of a deal without the names of its contacts. */
const hideNames = <Shown extends Entry>(entry: Shown): Shown =>
  entry.kind !== 'deal'
    ? entry
    : {
        ...entry,
        ...(entry.contact && { contact: null }),
        changes: entry.changes.map((each) => (each.field === 'customer' ? { ...each, old: null, new: null } : each)),
      };

export function toEntry<Given extends Activity>({ created_by: actor, ...activity }: Given) {
  return { kind: 'activity' as const, ...activity, actor };
}
