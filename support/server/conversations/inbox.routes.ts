import {
  type App,
  answerCsv,
  bigintIdText,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  line,
  object,
  pageSize,
  problems,
  uuid,
  z,
} from '@aether/http';
import { type PlatformDb, readSearchedPhone } from '@aether/platform';
import { conversationsFile } from './conversations.csv.ts';
import { countInbox, dueFilters, inboxOrders, inboxViews, listInbox } from './inbox.ts';
import { priorities } from './labels.ts';
import { requireListReader } from './readers.ts';
import { SessionSchema } from './sessions.schemas.ts';

const labels = {
  tag: bigintIdText().optional().openapi({ description: 'Id of a tag that they have.' }),
  priority: z.enum(priorities).optional(),
  due: z.enum(dueFilters).optional().openapi({
    description: 'missed: a target of the team was missed. next: one is still to be met.',
  }),
};

const list = createStaffRoute({
  method: 'get',
  path: '/api/inbox',
  right: 'conversations.read',
  summary: 'Conversations to look at',
  description:
    'Open ones: the longest waiting first, then the latest message; or what is due first. Ended ones: the newest first.',
  request: {
    query: object({
      view: z.enum(inboxViews).default('all'),
      order: z.enum(inboxOrders).default('waiting'),
      widget: uuid().optional(),
      search: line({ charactersMax: 200 }).optional(),
      ...labels,
      cursor: cursor().optional(),
      limit: pageSize({ max: 100, default: 50 }),
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

const file = createStaffRoute({
  method: 'get',
  path: '/api/conversations.csv',
  right: 'conversations.read',
  summary: 'The conversations that the caller may read, with what was said, as a file',
  description: 'The newest first. Without a view: open and ended ones. Notes of agents are not part of it.',
  request: {
    query: object({
      view: z.enum(inboxViews).optional(),
      widget: uuid().optional(),
      search: line({ charactersMax: 200 }).optional(),
      ...labels,
    }),
  },
  responses: { 200: csvResponse, ...problems(422) },
});

const counts = createStaffRoute({
  method: 'get',
  path: '/api/inbox/counts',
  right: 'conversations.read',
  summary: 'How many conversations there are in each view',
  responses: {
    200: {
      description: 'All but the ended ones.',
      content: {
        'application/json': {
          schema: z.object({ mine: z.int(), unassigned: z.int(), all: z.int(), snoozed: z.int(), bot: z.int() }),
        },
      },
    },
  },
});

export function addInboxRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const { view, order, widget: widgetId, search, tag, priority, due, ...asked } = c.req.valid('query');
      const reader = await requireListReader(db, c.get('caller'));
      const phone = search === undefined ? undefined : readSearchedPhone(search, db.readPhone(search));
      const { page: sessions, next_cursor } = await cursors.page(`inbox ${view} ${order}`, asked, (paging) =>
        listInbox(db.reads, reader, { view, order, widgetId, search, phone, tag, priority, due, ...paging }),
      );
      return c.json({ sessions, next_cursor }, 200);
    })
    .openapi(file, async (c) => {
      const { view, widget: widgetId, search, tag, priority, due } = c.req.valid('query');
      const reader = await requireListReader(db, c.get('caller'));
      const phone = search === undefined ? undefined : readSearchedPhone(search, db.readPhone(search));
      return answerCsv(c, conversationsFile(db, reader, { view, widgetId, search, phone, tag, priority, due }));
    })
    .openapi(counts, async (c) =>
      c.json(await countInbox(db.reads, await requireListReader(db, c.get('caller'))), 200),
    );
}
