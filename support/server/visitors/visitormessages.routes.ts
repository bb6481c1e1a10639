import {
  type App,
  type AppEnv,
  answerEvents,
  createRoute,
  jsonBody,
  object,
  pageSize,
  problems,
  z,
} from '@aether/http';
import type { PlatformDb, Transaction } from '@aether/platform';
import type { Context } from 'hono';
import { answerVisitor } from '../chatbots/chatbots.ts';
import type { Live } from '../conversations/live.ts';
import { after, MessageSchema, NewVisitorMessageSchema } from '../conversations/messages.schemas.ts';
import { addMessage, addMessageForAgents, listMessages } from '../conversations/messages.ts';
import { reopenForVisitor } from '../conversations/reopening.ts';
import { lockSession, SessionEnded } from '../conversations/sessions.ts';
import { hashVisitorToken } from './tokens.ts';
import { byVisitor, sessionKey, type VisitorDoor } from './visitordoor.ts';
import { requireVisitorSession } from './visitors.ts';
import type { VisitorStreams } from './visitorstream.ts';

/** The routes by which a visitor's widget writes and reads, with the token of its session. */

const StateSchema = z
  .object({
    status: z.enum(['active', 'ended']),
    resolved: z.boolean().nullable(),
    handler: z.enum(['bot', 'agent']),
    agent: z.object({ name: z.string() }).nullable(),
    agent_read_number: z.int(),
    identity: z.enum(['claimed', 'verified']),
    visitor_name: z.string().nullable(),
    reopens_until: z.string().nullable().openapi({
      format: 'date-time',
      description: 'Of an ended one: until then a message of the visitor opens it again.',
    }),
    ends_after_hours: z.int().nullable().openapi({
      description: 'So many hours after its last message it ends by itself, unless the visitor waits for an answer.',
    }),
    rating: z.int().nullable().openapi({ description: 'The score that the visitor gave.' }),
    asks_rating: z
      .boolean()
      .openapi({ description: 'It is over, answered and not rated, and the widget asks for a rating.' }),
  })
  .openapi('VisitorSession');

const send = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/messages',
  summary: 'Send a message as the visitor',
  security: byVisitor,
  request: { params: sessionKey, body: jsonBody(NewVisitorMessageSchema) },
  responses: {
    201: {
      description: 'Accepted, now or by an earlier attempt.',
      content: { 'application/json': { schema: MessageSchema } },
    },
    ...problems(400, 401, 403, 404, 409, 422, 429),
  },
});

const read = createRoute({
  method: 'get',
  path: '/api/sessions/{id}/messages',
  summary: 'Read the conversation as the visitor',
  security: byVisitor,
  request: {
    params: sessionKey,
    query: object({ after, limit: pageSize({ max: 200, default: 100 }) }),
  },
  responses: {
    200: {
      description: 'The messages in order, after number `after`.',
      content: {
        'application/json': { schema: z.object({ messages: z.array(MessageSchema), session: StateSchema }) },
      },
    },
    ...problems(401, 403, 404, 422, 429),
  },
});

const stream = createRoute({
  method: 'get',
  path: '/api/sessions/{id}/stream',
  summary: 'Follow the conversation: server-sent events',
  description:
    '`message` after number `after`, each once and in order, its number as id; `state` at the start and when it changes; `typing` when an agent types. A comment every 15 seconds says that the line is open. It ends when the token is replaced.',
  security: byVisitor,
  request: { params: sessionKey, query: object({ after }) },
  responses: {
    200: { description: 'A stream without end.', content: { 'text/event-stream': { schema: z.string() } } },
    ...problems(401, 403, 404, 422, 429),
  },
});

const type = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/typing',
  operationId: 'reportSessionTyping',
  summary: 'Report whether the visitor types',
  security: byVisitor,
  request: {
    params: sessionKey,
    body: jsonBody(object({ is_typing: z.boolean() }).openapi('Typing')),
  },
  responses: { 204: { description: 'Passed on.' }, ...problems(400, 401, 403, 404, 422, 429) },
});

const seen = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/read',
  operationId: 'markSessionRead',
  summary: 'Report that the visitor has read up to a message',
  security: byVisitor,
  request: {
    params: sessionKey,
    body: jsonBody(object({ number: z.int().min(0) }).openapi('ReadUpTo')),
  },
  responses: { 204: { description: 'Passed on.' }, ...problems(400, 401, 403, 404, 422, 429) },
});

/** It ended meanwhile: then it may be opened again. */
function unlessEnded(error: unknown): undefined {
  if (!(error instanceof SessionEnded)) throw error;
}

async function isTaken(tx: Transaction, sessionId: string, clientId: string): Promise<boolean> {
  const known = await tx.query(
    `select from support.messages where session_id = $1 and author = 'visitor' and client_id = $2`,
    [sessionId, clientId],
  );
  return known.length > 0;
}

export function addVisitorMessageRoutes(
  app: App,
  db: PlatformDb,
  { door, live, streams }: { door: VisitorDoor; live: Live; streams: VisitorStreams },
): void {
  // Apart, so that an open stream holds nothing of the request that opened it.
  const streamTo = (c: Context<AppEnv>, onEnd: () => void, of: { sessionId: string; token: string; after: number }) =>
    answerEvents(c, { closing: streams.closing, onEnd }, (answer) => streams.write(answer, of));

  app.openapi(send, async (c) => {
    const { session, token } = await door.enter(c, c.req.valid('param').id, 'message-address');
    await door.limits.pass([['message-session', session.id]]);
    const { client_id: clientId, body, files, question_id: questionId, reopens } = c.req.valid('json');
    // The token is compared again: it may have been replaced while this request waited.
    const forAgents = { tokenHash: hashVisitorToken(token), clientId, body, files };
    const isPlain = session.state.handler === 'agent' && session.state.status === 'active';
    const added = isPlain && (await addMessageForAgents(db, session.id, forAgents).catch(unlessEnded));
    const { message, isByBot } = added
      ? { message: added.message, isByBot: false }
      : await db.transaction({}, async (tx) => {
          const held = await lockSession(tx, session.id);
          await requireVisitorSession(tx, session.id, token);
          // A repetition of a message that was taken before opens nothing.
          if (reopens && held.status === 'ended' && !(await isTaken(tx, session.id, clientId)))
            await reopenForVisitor(tx, session.id);
          const { message, isNew } = await addMessage(tx, session.id, { author: 'visitor', clientId, body, files });
          const isByBot = isNew && held.handler === 'bot';
          if (isByBot) await answerVisitor(tx, held, { number: message.number, questionId });
          return { message, isByBot };
        });
    live.announce(session.id, isByBot || !added ? { kind: 'look' } : { kind: 'message', message });
    return c.json(message, 201);
  });

  app.openapi(read, async (c) => {
    const { session } = await door.enter(c, c.req.valid('param').id);
    const messages = await listMessages(db, session.id, c.req.valid('query'));
    return c.json({ messages, session: session.state }, 200);
  });

  app.openapi(stream, async (c) => {
    const { session, token } = await door.enter(c, c.req.valid('param').id);
    const onEnd = streams.enter(door.addressOf(c));
    return streamTo(c, onEnd, { sessionId: session.id, token, after: c.req.valid('query').after }) as never;
  });

  app.openapi(type, async (c) => {
    const { session } = await door.enter(c, c.req.valid('param').id);
    const { is_typing: isTyping } = c.req.valid('json');
    if (streams.mayTell(session.id, isTyping)) await live.types(session.id, isTyping);
    return c.body(null, 204);
  });

  app.openapi(seen, async (c) => {
    const { session } = await door.enter(c, c.req.valid('param').id);
    const [moved] = await db.query<{ number: number }>(
      `update support.sessions set visitor_read_number = least($2, message_count)
        where id = $1 and visitor_read_number < least($2, message_count)
       returning visitor_read_number as number`,
      [session.id, c.req.valid('json').number],
    );
    if (moved) await live.hasRead(session.id, 'visitor', moved.number);
    return c.body(null, 204);
  });
}
