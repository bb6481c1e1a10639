import {
  type App,
  type Caller,
  createStaffRoute,
  cursor,
  cursorsOf,
  jsonBody,
  object,
  pageSize,
  problems,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import { describeMail, FailingSchema, MailSchema } from '@aether/mail';
import { InvalidField, type PlatformDb, type User } from '@aether/platform';
import { assignSession, claimSession, endSession, noteOn, snoozeSession } from './conversation.ts';
import { summaryCharactersMax } from './endings.ts';
import { listEntries } from './entries.ts';
import type { Live } from './live.ts';
import { readMails } from './mails.ts';
import { after, MessageSchema, NewNoteSchema, NewReplySchema } from './messages.schemas.ts';
import { addReply, listMessages } from './messages.ts';
import { requireListReader, requireReaderOf } from './readers.ts';
import { reopenByAgent } from './reopening.ts';
import { EntrySchema, SessionSchema } from './sessions.schemas.ts';
import { getSession, listSessions } from './sessions.ts';

const sessionKey = object({ id: uuid() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/sessions',
  right: 'conversations.read',
  summary: 'The conversations that the caller may read, newest first',
  request: {
    query: object({
      customer_id: uuid().optional(),
      status: z.enum(['active', 'ended']).optional(),
      cursor: cursor().optional(),
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
  right: 'conversations.read',
  summary: 'One conversation: its messages, its agents’ notes and actions, and the agents who look at it',
  request: { params: sessionKey, query: object({ after, limit: pageSize({ max: 500, default: 200 }) }) },
  responses: {
    200: {
      description: 'The messages in order, after number `after`.',
      content: {
        'application/json': {
          schema: z.object({
            session: SessionSchema,
            messages: z.array(MessageSchema),
            entries: z.array(EntrySchema),
            mail: z
              .object({
                is_on: z
                  .boolean()
                  .openapi({ description: 'What agents write goes by e-mail, unless the visitor reads it.' }),
                failing: FailingSchema.nullable().openapi({
                  description: 'Mail to the visitor’s address did not arrive, so nothing is sent there.',
                }),
                mails: z.array(MailSchema),
              })
              .openapi('ConversationMail'),
            viewers: z.array(z.object({ id: z.string(), name: z.string(), is_typing: z.boolean() })),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const reply = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/replies',
  right: 'person',
  summary: 'An agent answers',
  description:
    'The first agent to answer is assigned the conversation; an answer in another agent’s conversation is refused.',
  request: { params: sessionKey, body: jsonBody(NewReplySchema) },
  responses: {
    201: {
      description: 'Accepted, now or by an earlier attempt.',
      content: { 'application/json': { schema: MessageSchema } },
    },
    ...problems(400, 404, 409, 422),
  },
});

const end = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/end',
  right: 'conversations.write',
  summary: 'End a conversation, and add it to the CRM’s timeline',
  description:
    'One activity, however often this is repeated. The assigned agent ends the conversation, or any agent of its team if it is unassigned. Administrators and machines may end every conversation.',
  request: {
    params: sessionKey,
    body: jsonBody(
      object({
        resolved: z.boolean(),
        summary: text({ charactersMax: summaryCharactersMax })
          .optional()
          .openapi({ description: 'The subject; by default the visitor’s first question.' }),
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

const reopen = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/reopen',
  operationId: 'reopenSession',
  right: 'person',
  summary: 'Open a conversation again that has ended',
  description:
    'It keeps its agent and its tags; if nobody has it, it is the caller’s. In the CRM’s timeline it stays one entry.',
  request: { params: sessionKey, body: jsonBody(object({}).openapi('ReopenSession')) },
  responses: {
    200: {
      description: 'Open, now or before.',
      content: { 'application/json': { schema: z.object({ session: SessionSchema, was_open: z.boolean() }) } },
    },
    ...problems(400, 404, 422),
  },
});

const inSession = (description: string) => ({
  description,
  content: { 'application/json': { schema: z.object({ session: SessionSchema }) } },
});

const claim = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/claim',
  right: 'person',
  summary: 'Claim a conversation',
  description: 'If two agents claim it at once, one gets it, and the other’s refusal names that agent.',
  request: {
    params: sessionKey,
    body: jsonBody(object({ take_over: z.boolean().optional() }).openapi('ClaimSession')),
  },
  responses: { 200: inSession('It is this agent’s.'), ...problems(400, 404, 409, 422) },
});

const assign = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/assign',
  right: 'person',
  summary: 'Assign a conversation to an agent, or return it to everybody',
  request: {
    params: sessionKey,
    body: jsonBody(
      object({ agent_id: uuid().nullable(), note: text({ charactersMax: 1_000 }).optional() }).openapi('AssignSession'),
    ),
  },
  responses: { 200: inSession('As it is now.'), ...problems(400, 404, 409, 422) },
});

const snooze = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/snooze',
  right: 'person',
  summary: 'Snooze a conversation until then, or until the visitor writes',
  request: { params: sessionKey, body: jsonBody(object({ until: time().nullable() }).openapi('SnoozeSession')) },
  responses: { 200: inSession('As it is now.'), ...problems(400, 404, 409, 422) },
});

const note = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/notes',
  right: 'person',
  summary: 'Add a note for other agents',
  request: { params: sessionKey, body: jsonBody(NewNoteSchema) },
  responses: {
    201: {
      description: 'Stored, now or by an earlier attempt.',
      content: { 'application/json': { schema: EntrySchema } },
    },
    ...problems(400, 404, 409, 422),
  },
});

const presence = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/presence',
  operationId: 'reportSessionPresence',
  right: 'person',
  summary: 'Report that the agent looks at a conversation, and whether they type',
  description: 'Send it every 5 seconds while it is so. Other agents see both; the visitor sees that the agent types.',
  request: { params: sessionKey, body: jsonBody(object({ is_typing: z.boolean() }).openapi('Presence')) },
  responses: { 204: { description: 'Passed on.' }, ...problems(400, 404, 422) },
});

const seen = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/seen',
  operationId: 'markSessionSeen',
  right: 'person',
  summary: 'Report that agents have read up to a message',
  request: { params: sessionKey, body: jsonBody(object({ number: z.int().min(0) }).openapi('SeenUpTo')) },
  responses: { 204: { description: 'The visitor sees it.' }, ...problems(400, 404, 422) },
});

const snoozeDaysMax = 90;
const dayMs = 86_400_000;

export function addSessionRoutes(app: App, db: PlatformDb, live: Live) {
  const cursors = cursorsOf(db);

  /** The caller's agent, if they may read this conversation. The right `person` has already refused machines. */
  async function requireAgentFor(caller: Caller | undefined, sessionId: string): Promise<{ agentId: string }> {
    return { agentId: (await requireReaderOf(db, caller, sessionId)).agentId as string };
  }

  return app
    .openapi(list, async (c) => {
      const { customer_id: customerId, status, ...asked } = c.req.valid('query');
      const reader = await requireListReader(db, c.get('caller'));
      const { page: sessions, next_cursor } = await cursors.page('sessions', asked, (paging) =>
        listSessions(db.reads, reader, { customerId, status, ...paging }),
      );
      return c.json({ sessions, next_cursor }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      await requireReaderOf(db, c.get('caller'), id);
      const [session, messages, entries, { mails, ...mail }] = await Promise.all([
        getSession(db, id),
        listMessages(db, id, c.req.valid('query')),
        listEntries(db, id),
        readMails(db, id, db.app),
      ]);
      const told = { ...mail, mails: mails.map(describeMail) };
      return c.json({ session, messages, entries, mail: told, viewers: live.whoLooks(id) }, 200);
    })
    .openapi(reply, async (c) => {
      const { id } = c.req.valid('param');
      const { client_id: clientId, body, files } = c.req.valid('json');
      // The right `person` has refused machines.
      const { message } = await addReply(db, c.get('actor') as User, id, { clientId, body, files });
      live.announce(id, { kind: 'message', message });
      return c.json(message, 201);
    })
    .openapi(claim, async (c) => {
      const actor = c.get('actor');
      const { agentId } = await requireAgentFor(c.get('caller'), c.req.valid('param').id);
      const { take_over: takeOver } = c.req.valid('json');
      const session = await db.transaction({ actor: actor?.id }, (tx) =>
        claimSession(tx, c.req.valid('param').id, { agentId, takeOver }),
      );
      live.announce(session.id, { kind: 'look' });
      return c.json({ session }, 200);
    })
    .openapi(assign, async (c) => {
      const actor = c.get('actor');
      const { agentId } = await requireAgentFor(c.get('caller'), c.req.valid('param').id);
      const { agent_id: toAgentId, note } = c.req.valid('json');
      const session = await db.transaction({ actor: actor?.id }, (tx) =>
        assignSession(tx, c.req.valid('param').id, { agentId, toAgentId, note }),
      );
      live.announce(session.id, { kind: 'look' });
      return c.json({ session }, 200);
    })
    .openapi(snooze, async (c) => {
      const actor = c.get('actor');
      const { agentId } = await requireAgentFor(c.get('caller'), c.req.valid('param').id);
      const { until } = c.req.valid('json');
      if (until !== null && !isSoon(new Date(until)))
        throw new InvalidField([{ field: 'until', message: `must be in the future, within ${snoozeDaysMax} days` }]);
      const session = await db.transaction({ actor: actor?.id }, (tx) =>
        snoozeSession(tx, c.req.valid('param').id, { agentId, until }),
      );
      return c.json({ session }, 200);
    })
    .openapi(note, async (c) => {
      const actor = c.get('actor');
      const { agentId } = await requireAgentFor(c.get('caller'), c.req.valid('param').id);
      const { client_id: clientId, body, files } = c.req.valid('json');
      const entry = await db.transaction({ actor: actor?.id }, (tx) =>
        noteOn(tx, c.req.valid('param').id, { agentId, userId: actor?.id ?? null, clientId, body, files }),
      );
      return c.json(entry, 201);
    })
    .openapi(presence, async (c) => {
      const { agentId } = await requireAgentFor(c.get('caller'), c.req.valid('param').id);
      const session = await getSession(db, c.req.valid('param').id);
      const { is_typing: isTyping } = c.req.valid('json');
      const wasTyping = live.whoLooks(session.id).some(({ id, is_typing }) => id === agentId && is_typing);
      await live.looks(session.id, isTyping, agentId);
      if (session.status === 'active' && (isTyping || wasTyping)) await live.types(session.id, isTyping, agentId);
      return c.body(null, 204);
    })
    .openapi(seen, async (c) => {
      const { id } = c.req.valid('param');
      const { agentId } = await requireAgentFor(c.get('caller'), id);
      const [moved] = await db.query<{ number: number }>(
        `update support.sessions
         set agent_read_number = greatest(agent_read_number, least($2, message_count)),
           is_new_to_agent = is_new_to_agent and agent_id is distinct from $3
         where id = $1 and (agent_read_number < least($2, message_count) or is_new_to_agent and agent_id = $3)
         returning agent_read_number as number`,
        [id, c.req.valid('json').number, agentId],
      );
      if (moved) await live.hasRead(id, 'agent', moved.number);
      return c.body(null, 204);
    })
    .openapi(end, async (c) => {
      const actor = c.get('actor');
      const { id } = c.req.valid('param');
      const reader = await requireReaderOf(db, c.get('caller'), id);
      const by = { agentId: reader.agentId ?? undefined, endsAnybodys: reader.readsAll };
      const ended = await endSession(db, id, { ...c.req.valid('json'), ...by }, { actor: actor?.id });
      live.announce(ended.session.id, { kind: 'look' });
      return c.json(ended, 200);
    })
    .openapi(reopen, async (c) => {
      const actor = c.get('actor');
      const { id } = c.req.valid('param');
      const { agentId } = await requireAgentFor(c.get('caller'), id);
      const opened = await db.transaction({ actor: actor?.id }, (tx) => reopenByAgent(tx, id, { agentId }));
      live.announce(id, { kind: 'look' });
      return c.json(opened, 200);
    });
}

function isSoon(moment: Date): boolean {
  const aheadMs = moment.getTime() - Date.now();
  return aheadMs > 0 && aheadMs <= snoozeDaysMax * dayMs;
}
