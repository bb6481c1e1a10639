import { type App, createRoute, jsonBody, line, object, Problem, pageSize, problems, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { answerOnGrid } from './answergrid.ts';
import { after, MessageSchema, NewMessageSchema } from './messages.schemas.ts';
import { addMessage, listMessages } from './messages.ts';
import { openSession, requireVisitorSession } from './sessions.ts';

/** The endpoints that a visitor's widget calls: open to everybody, so they tell nothing that the visitor did not bring. */

const open = createRoute({
  method: 'post',
  path: '/api/widgets/{key}/sessions',
  summary: 'A visitor starts to chat',
  description:
    'Finds or creates the customer of this address and opens a session. The answer is the same for a known and an unknown address.',
  request: {
    params: object({ key: z.string().regex(/^[a-z0-9_-]{8,64}$/, { error: 'must be the key of a widget' }) }),
    body: jsonBody(
      object({ email: line({ charactersMax: 1_000 }), name: line({ charactersMax: 200 }) }).openapi('NewSession'),
    ),
  },
  responses: {
    201: {
      description: 'Opened. `visitor_token` is given this once: it is the Bearer token of this session.',
      content: {
        'application/json': {
          schema: z.object({
            session_id: z.string().openapi({ format: 'uuid' }),
            visitor_token: z.string(),
            status: z.literal('active'),
            started_at: z.string().openapi({ format: 'date-time' }),
          }),
        },
      },
    },
    ...problems(400, 404, 422),
  },
});

const sessionKey = object({ id: uuid() });
const bearer = z.object({
  authorization: z.string().optional().openapi({ description: 'Bearer, and the session’s visitor_token.' }),
});

const send = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/messages',
  summary: 'The visitor sends a message',
  request: { params: sessionKey, headers: bearer, body: jsonBody(NewMessageSchema) },
  responses: {
    201: {
      description: 'Taken, now or by an earlier try.',
      content: { 'application/json': { schema: MessageSchema } },
    },
    ...problems(400, 401, 404, 409, 422),
  },
});

const read = createRoute({
  method: 'get',
  path: '/api/sessions/{id}/messages',
  summary: 'The visitor reads the conversation',
  request: {
    params: sessionKey,
    headers: bearer,
    query: object({ after, limit: pageSize({ max: 200, default: 100 }) }),
  },
  responses: {
    200: {
      description: 'In order, from behind `after`.',
      content: { 'application/json': { schema: z.object({ messages: z.array(MessageSchema) }) } },
    },
    ...problems(401, 404, 422),
  },
});

export function addVisitorRoutes(app: App, db: PlatformDb): void {
  app.openapi(open, async (c) => {
    const widgetKey = c.req.valid('param').key;
    const visitor = c.req.valid('json');
    return c.json(await answerOnGrid(() => openSession(db, { widgetKey, ...visitor })), 201);
  });

  app.openapi(send, async (c) => {
    const { id } = c.req.valid('param');
    const token = requireToken(c.req.valid('header').authorization);
    const { client_id: clientId, body } = c.req.valid('json');
    const message = await db.transaction({}, async (tx) => {
      await requireVisitorSession(tx, id, token);
      return addMessage(tx, id, { author: 'visitor', clientId, body });
    });
    return c.json(message, 201);
  });

  app.openapi(read, async (c) => {
    const { id } = c.req.valid('param');
    await requireVisitorSession(db, id, requireToken(c.req.valid('header').authorization));
    return c.json({ messages: await listMessages(db, id, c.req.valid('query')) }, 200);
  });
}

function requireToken(authorization: string | undefined): string {
  const [, token] = /^Bearer ([\w.~+/-]{1,200}=*)$/i.exec(authorization ?? '') ?? [];
  if (token) return token;
  throw new Problem({
    status: 401,
    code: 'token-required',
    detail: 'Send the visitor_token of this session: `Authorization: Bearer <visitor_token>`.',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}
