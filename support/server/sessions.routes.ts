import {
  type App,
  createStaffRoute,
  cursor,
  cutPage,
  jsonBody,
  object,
  pageSize,
  problems,
  text,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { findAgent } from './agents.ts';
import { after, MessageSchema, NewMessageSchema } from './messages.schemas.ts';
import { addMessage, listMessages } from './messages.ts';
import { endSession, getSession, listSessions, summaryCharactersMax } from './sessions.ts';

const named = z.object({ id: z.string().openapi({ format: 'uuid' }), name: z.string() });
const SessionSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    customer_id: z.string().nullable(),
    widget: named,
    agent: named.nullable(),
    identity: z
      .enum(['claimed', 'verified'])
      .openapi({ description: 'claimed: a typed address, which proves nothing.' }),
    visitor_email: z.string(),
    visitor_name: z.string(),
    status: z.enum(['active', 'ended']),
    resolved: z.boolean().nullable(),
    message_count: z.int(),
    started_at: z.string().openapi({ format: 'date-time' }),
    last_message_at: z.string().nullable(),
    ended_at: z.string().nullable(),
  })
  .openapi('Session');

const sessionKey = object({ id: uuid() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/sessions',
  summary: 'Conversations, newest first',
  request: {
    query: object({
      customer_id: uuid().optional(),
      status: z.enum(['active', 'ended']).optional(),
      cursor: cursor(object({ at: z.iso.datetime(), id: uuid() })).optional(),
      limit: pageSize({ max: 100, default: 25 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ sessions: z.array(SessionSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    ...problems(422),
  },
});

const get = createStaffRoute({
  method: 'get',
  path: '/api/sessions/{id}',
  summary: 'One conversation with its messages',
  request: { params: sessionKey, query: object({ after, limit: pageSize({ max: 500, default: 200 }) }) },
  responses: {
    200: {
      description: 'The messages in order, from behind `after`.',
      content: {
        'application/json': { schema: z.object({ session: SessionSchema, messages: z.array(MessageSchema) }) },
      },
    },
    ...problems(404, 422),
  },
});

const reply = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/replies',
  summary: 'An agent answers',
  description: 'The first agent to answer has the conversation.',
  request: { params: sessionKey, body: jsonBody(NewMessageSchema) },
  responses: {
    201: {
      description: 'Taken, now or by an earlier try.',
      content: { 'application/json': { schema: MessageSchema } },
    },
    ...problems(400, 404, 409, 422),
  },
});

const end = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/end',
  summary: 'End a conversation, and put it into the CRM’s timeline',
  description: 'One activity, however often this is repeated.',
  request: {
    params: sessionKey,
    body: jsonBody(
      object({
        resolved: z.boolean(),
        summary: text({ charactersMax: summaryCharactersMax })
          .optional()
          .openapi({ description: 'What it was about; by default what the visitor asked first.' }),
      }).openapi('EndSession'),
    ),
  },
  responses: {
    200: {
      description: 'Ended, now or before.',
      content: { 'application/json': { schema: z.object({ session: SessionSchema, already_ended: z.boolean() }) } },
    },
    ...problems(400, 404, 409, 422),
  },
});

export function addSessionRoutes(app: App, db: PlatformDb): void {
  app.openapi(list, async (c) => {
    const { customer_id: customerId, status, cursor: behind, limit } = c.req.valid('query');
    const found = await listSessions(db, { customerId, status, after: behind, limit: limit + 1 });
    const { page, next_cursor } = cutPage(found, limit, (session) => session.place);
    return c.json({ sessions: page.map(({ place: _, ...session }) => session), next_cursor }, 200);
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    const [session, messages] = await Promise.all([getSession(db, id), listMessages(db, id, c.req.valid('query'))]);
    return c.json({ session, messages }, 200);
  });

  app.openapi(reply, async (c) => {
    const actor = c.get('actor');
    const agent = await findAgent(db, actor);
    const { client_id: clientId, body } = c.req.valid('json');
    const message = await db.transaction({ actor: actor?.id }, (tx) =>
      addMessage(tx, c.req.valid('param').id, { author: 'agent', agentId: agent?.id, clientId, body }),
    );
    return c.json(message, 201);
  });

  app.openapi(end, async (c) => {
    const actor = c.get('actor');
    return c.json(await endSession(db, c.req.valid('param').id, c.req.valid('json'), { actor: actor?.id }), 200);
  });
}
