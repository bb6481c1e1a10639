import {
  countNotices,
  type DescribeNotices,
  listNotices,
  markAllRead,
  markNotice,
  type Notice,
  type NoticeWords,
  noticeKinds,
  noticeRecords,
  type PlatformDb,
  type Signal,
  type Transaction,
  unmarkRead,
  withMentions,
} from '@aether/platform';
import type { Context } from 'hono';
import type { Caller } from './caller.ts';
import { cursor, cursorsOf } from './cursors.ts';
import { jsonBody } from './input/body.ts';
import { object, pageSize, time, uuid } from './input/fields.ts';
import { z } from './input/zod.ts';
import { problems } from './problem.ts';
import type { App, AppEnv } from './serving/app.ts';
import { createStaffRoute } from './staff.ts';

/*
 * The inbox of a person, in both apps: what colleagues and the clock have told them. The notices are the same in each app; each says only
 * what this person may read there at that moment, and leaves out the rest.
 */

const named = z.object({ id: z.string(), name: z.string() });
export const MentionsSchema = z
  .array(named)
  .openapi({ description: 'The people whom the text mentions, as `<@id>`, with their names now.' });
const moment = () => z.string().openapi({ format: 'date-time' });

const NoticeSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    kind: z.enum(noticeKinds).openapi({
      description:
        'mention: somebody named you in a text. assignment: somebody gave you a customer, a deal or a task. handover: a colleague gave you a conversation. task: one of yours is due. deadline: a target of one of your conversations is soon missed.',
    }),
    is_reminder: z.boolean().openapi({ description: 'Of a task: it is the time of its reminder.' }),
    record: z.enum(noticeRecords),
    record_id: z.string(),
    app: z.enum(['foundation', 'support']).openapi({ description: 'The app in which the record is.' }),
    is_readable: z.boolean().openapi({ description: 'Whether this app shows you the record at this moment.' }),
    name: z.string().nullable().openapi({ description: 'The record’s name, as far as you may read it in this app.' }),
    text: z
      .string()
      .nullable()
      .openapi({ description: 'What was written, as far as you may read it in this app; at most 400 characters.' }),
    mentions: MentionsSchema,
    customer: named.nullable(),
    actor: named.nullable().openapi({ description: 'Who did it; null: nobody that the app named, or the clock.' }),
    at: moment(),
    read_at: moment().nullable(),
    done_at: moment().nullable(),
  })
  .openapi('Notice');

const kind = z.enum(noticeKinds);
const key = object({ id: uuid() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/notices',
  right: 'person',
  summary: 'Your inbox: mentions, assignments, handed conversations, due tasks, the newest first',
  description: 'Everybody sees only their own. The same notices are in each app.',
  request: {
    query: object({
      state: z.enum(['open', 'done']).default('open').openapi({ description: 'done: those that you have put away.' }),
      kind: kind.optional(),
      cursor: cursor().optional(),
      limit: pageSize({ max: 100, default: 50 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ notices: z.array(NoticeSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    ...problems(422),
  },
});

const count = createStaffRoute({
  method: 'get',
  path: '/api/notices/unread',
  operationId: 'countUnreadNotices',
  right: 'person',
  summary: 'How many notices you have not read',
  responses: {
    200: {
      description: 'Up to 100 are counted.',
      content: {
        'application/json': {
          schema: z.object({
            unread: z.int(),
            handed_over: z.int().openapi({ description: 'Those of them that are about handed conversations.' }),
            latest_at: moment().nullable().openapi({ description: 'The time of the newest.' }),
            next_at: moment().nullable().openapi({ description: 'When the next task is due.' }),
          }),
        },
      },
    },
  },
});

const mark = createStaffRoute({
  method: 'patch',
  path: '/api/notices/{id}',
  right: 'person',
  readers: 'changes their own',
  summary: 'Mark one of your notices as read or unread, put it away or take it out again',
  request: {
    params: key,
    body: jsonBody(
      object({ is_read: z.boolean().optional(), is_done: z.boolean().optional() }).openapi('NoticeChange'),
    ),
  },
  responses: {
    200: { description: 'The notice after the change.', content: { 'application/json': { schema: NoticeSchema } } },
    ...problems(400, 404, 422),
  },
});

const markAll = createStaffRoute({
  method: 'post',
  path: '/api/notices/read-all',
  operationId: 'markAllNoticesRead',
  right: 'person',
  readers: 'changes their own',
  summary: 'Mark your unread notices as read',
  request: { body: jsonBody(object({ kind: kind.optional() }).openapi('ReadAllNotices')) },
  responses: {
    200: {
      description: 'At most 10,000 at once.',
      content: {
        'application/json': {
          schema: z.object({
            read_at: moment().openapi({ description: 'By which they can be made unread again.' }),
            changed: z.int(),
            is_last: z.boolean().openapi({ description: 'false: there are more. Ask again.' }),
          }),
        },
      },
    },
    ...problems(400, 422),
  },
});

const unmarkAll = createStaffRoute({
  method: 'post',
  path: '/api/notices/unread-again',
  operationId: 'markNoticesUnreadAgain',
  right: 'person',
  readers: 'changes their own',
  summary: 'Take back that all were marked as read',
  request: { body: jsonBody(object({ read_at: time() }).openapi('UnreadAgainNotices')) },
  responses: {
    200: {
      description: 'How many are unread again.',
      content: { 'application/json': { schema: z.object({ changed: z.int() }) } },
    },
    ...problems(400, 422),
  },
});

/** Adds the inbox. @param describe reads what this app may show the caller of the records */
export function addNoticeRoutes(
  app: App,
  db: PlatformDb,
  describe: (caller: Caller, tx: Transaction) => Promise<DescribeNotices>,
) {
  const cursors = cursorsOf(db);
  /** The right `person` has refused machines. The policy of the table shows what is the actor's. */
  const asPerson = <Answer>(c: Context<AppEnv>, work: (tx: Transaction) => Promise<Answer>) =>
    db.transaction({ actor: (c.get('actor') as { id: string }).id }, work);
  const tell = async (c: Context<AppEnv>, tx: Transaction, notices: Notice[]) => {
    if (notices.length === 0) return [];
    const read = await describe(c.get('caller') as Caller, tx);
    const words = await read(
      tx,
      notices.map(({ id }) => id),
    );
    const known = new Map(words.map((each) => [each.id, each]));
    const told = notices.map((notice) => toAnswer(notice, known.get(notice.id)));
    return withMentions(tx, told, ({ text }) => text);
  };
  return app
    .openapi(list, async (c) => {
      const { state, kind, ...paging } = c.req.valid('query');
      const { notices, next_cursor } = await asPerson(c, async (tx) => {
        const { page, next_cursor } = await cursors.page(`notices ${state}`, paging, (behind) =>
          listNotices(tx, { state, kind, ...behind }),
        );
        return { notices: await tell(c, tx, page), next_cursor };
      });
      return c.json({ notices, next_cursor }, 200);
    })
    .openapi(count, async (c) => c.json(await asPerson(c, countNotices), 200))
    .openapi(mark, async (c) => {
      const [notice] = await asPerson(c, async (tx) =>
        tell(c, tx, [await markNotice(tx, c.req.valid('param').id, c.req.valid('json'))]),
      );
      return c.json(notice as NonNullable<typeof notice>, 200);
    })
    .openapi(markAll, async (c) => {
      const { kind } = c.req.valid('json');
      return c.json(await asPerson(c, (tx) => markAllRead(tx, kind)), 200);
    })
    .openapi(unmarkAll, async (c) => {
      const { read_at } = c.req.valid('json');
      return c.json(await asPerson(c, (tx) => unmarkRead(tx, read_at)), 200);
    });
}

function toAnswer({ record, ...notice }: Notice, words: NoticeWords | undefined) {
  const { is_readable = false, name = null, text = null, customer = null } = words ?? {};
  return {
    ...notice,
    record,
    app: record === 'session' ? ('support' as const) : ('foundation' as const),
    is_readable,
    name,
    text,
    customer,
  };
}

/** The signal that rings when the inbox of a person has changed, which only that person hears. Undefined for any other signal. */
export function hearsNotice({ actor }: Caller, signal: Signal): boolean | undefined {
  return signal.kind === 'notices' ? actor !== undefined && signal.user_id === actor.id : undefined;
}

const MentionableSchema = z
  .object({ people: z.array(z.object({ id: z.string(), name: z.string(), email: z.string() })) })
  .openapi('Mentionable');

/** The query and the answer of a route that finds people who can be mentioned. */
export const mentionable = {
  query: object({
    search: z.string().max(100).default('').openapi({ description: 'The beginning of a word of the name.' }),
    limit: pageSize({ max: 50, default: 8 }),
  }),
  responses: {
    200: {
      description: 'By name. A text mentions one of them as `<@id>`.',
      content: { 'application/json': { schema: MentionableSchema } },
    },
    ...problems(422),
  },
};
