import {
  type App,
  answerCsv,
  type Caller,
  type CsvColumns,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  object,
  pageSize,
  pagesOf,
  pieceField,
  problems,
  readSpan,
  spanFields,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { type Reader, requireListReader } from '../conversations/readers.ts';
import { SessionSchema } from '../conversations/sessions.schemas.ts';
import {
  type AgentRow,
  type ChatFigures,
  type Comment,
  listComments,
  listReported,
  outcomes,
  type PeriodRow,
  reportChats,
  reportHours,
  type WidgetRow,
} from './reports.ts';

const seconds = z.number().nullable();
const TimesSchema = z
  .object({ median: seconds, p90: seconds })
  .openapi('Times', { description: 'Seconds within which half of them were, and nine of ten; null if there is none.' });
const figures = {
  chats: z.int().openapi({ description: 'In which a visitor has written.' }),
  answered: z.int().openapi({ description: 'By an agent.' }),
  missed: z.int().openapi({ description: 'Over, and nobody has answered a visitor who waited for a person.' }),
  bot: z.int().openapi({ description: 'Over, and nobody but the bot was needed.' }),
  open: z.int(),
  resolved: z.int(),
  first_response: TimesSchema,
  resolution: TimesSchema,
  ended: z.int(),
  rated: z.int(),
  score: z.number().nullable().openapi({ description: 'The mean of the scores.' }),
  scores: z.array(z.int()).openapi({ description: 'How many gave each score, from 1 to 5.' }),
};
const named = z.object({ id: z.string(), name: z.string() });
const day = z.string().openapi({ format: 'date' });
const moment = z.string().openapi({ format: 'date-time' });
const about = { from: day, to: day, zone: z.string().openapi({ description: 'The time zone of the days and hours.' }) };
const isTrue = z
  .enum(['true'])
  .transform(() => true)
  .optional();

const filters = {
  ...spanFields,
  widget: uuid().optional(),
  agent: uuid().optional().openapi({ description: 'Id of the agent who has or had them.' }),
  unassigned: isTrue.openapi({ type: 'boolean', description: 'Only those that no agent has.' }),
};
const page = { cursor: cursor().optional(), limit: pageSize({ max: 100, default: 50 }) };
const answer = <Schema extends z.ZodType>(schema: Schema) => ({
  description: 'The report, of what the caller may read.',
  content: { 'application/json': { schema } },
});
const right = 'reports.read' as const;

const chats = createStaffRoute({
  method: 'get',
  path: '/api/reports/chats',
  operationId: 'reportChats',
  right,
  summary: 'Conversations by time, by widget and by agent',
  description: 'How many, how soon they were answered and resolved, and what visitors say of them.',
  request: { query: object({ ...filters, by: pieceField }) },
  responses: {
    200: answer(
      z
        .object({
          ...about,
          periods: z.array(z.object({ from: day, to: day, begins: moment, ends: moment, ...figures })),
          widgets: z.array(z.object({ widget: named, ...figures })),
          agents: z.array(z.object({ agent: named.nullable(), ...figures })),
          total: z.object(figures),
        })
        .openapi('ChatReport'),
    ),
    ...problems(422),
  },
});

const hours = createStaffRoute({
  method: 'get',
  path: '/api/reports/hours',
  operationId: 'reportHours',
  right,
  summary: 'Conversations by the hour of the week in which they began',
  request: { query: object(filters) },
  responses: {
    200: answer(
      z
        .object({
          ...about,
          days: z
            .array(z.array(z.int()))
            .openapi({ description: 'Seven days from Monday on, of 24 hours each, on the clocks of the zone.' }),
        })
        .openapi('HourReport'),
    ),
    ...problems(422),
  },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/reports/conversations',
  operationId: 'listReportedConversations',
  right: 'conversations.read',
  summary: 'The conversations behind a number of a report',
  description: 'By the same filters as the report, the newest first.',
  request: {
    query: object({
      ...filters,
      outcome: z.enum(outcomes).optional(),
      score: z
        .string()
        .regex(/^[1-5]$/, { error: 'must be a score from 1 to 5' })
        .transform(Number)
        .optional()
        .openapi({ type: 'integer', minimum: 1, maximum: 5 }),
      hour: z
        .string()
        .regex(/^(\d{1,2}|1[0-5]\d|16[0-7])$/, { error: 'must be an hour of the week from 0 to 167' })
        .transform(Number)
        .optional()
        .openapi({
          type: 'integer',
          minimum: 0,
          maximum: 167,
          description: 'The hour of the week in which they began: 0 is Monday from midnight on.',
        }),
      ...page,
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

const comments = createStaffRoute({
  method: 'get',
  path: '/api/reports/comments',
  operationId: 'listRatingComments',
  right: 'conversations.read',
  summary: 'What visitors have written beside their scores',
  request: { query: object({ ...filters, ...page }) },
  responses: {
    200: {
      description: 'One page, the newest first.',
      content: {
        'application/json': {
          schema: z.object({
            comments: z.array(
              z
                .object({
                  session_id: z.string(),
                  score: z.int(),
                  comment: z.string(),
                  created_at: moment,
                  customer: named.nullable(),
                  visitor_name: z.string().nullable(),
                  widget: named,
                  agent: named.nullable(),
                })
                .openapi('RatingComment'),
            ),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    ...problems(422),
  },
});

const fileOf = <Path extends string, Fields extends z.ZodRawShape>(
  path: Path,
  summary: string,
  fields: Fields,
  of: 'reports.read' | 'conversations.read' = right,
) =>
  createStaffRoute({
    method: 'get',
    path,
    right: of,
    summary,
    description: 'Times are in seconds.',
    request: { query: object(fields) },
    responses: { 200: csvResponse, ...problems(422) },
  });
const files = {
  periods: fileOf('/api/reports/chats.csv', 'Conversations by time, as a file', { ...filters, by: pieceField }),
  widgets: fileOf('/api/reports/widgets.csv', 'Conversations by widget, as a file', filters),
  agents: fileOf('/api/reports/agents.csv', 'Conversations by agent, as a file', filters),
  hours: fileOf('/api/reports/hours.csv', 'Conversations by the hour of the week, as a file', filters),
  comments: fileOf('/api/reports/comments.csv', 'Comments of visitors, as a file', filters, 'conversations.read'),
};

export function addReportRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(chats, async (c) => {
      const asked = c.req.valid('query');
      const span = readSpan(asked);
      const reader = await requireReportReader(db, c.get('caller'));
      const { periods, ...found } = await reportChats(db.reads, reader, { ...asked, span });
      return c.json(
        {
          ...said(span),
          ...found,
          periods: periods.map(({ begins, ends, ...row }) => ({
            ...row,
            begins: begins.toISOString(),
            ends: ends.toISOString(),
          })),
        },
        200,
      );
    })
    .openapi(hours, async (c) => {
      const asked = c.req.valid('query');
      const span = readSpan(asked);
      const reader = await requireReportReader(db, c.get('caller'));
      return c.json({ ...said(span), days: await reportHours(db.reads, reader, { ...asked, span }) }, 200);
    })
    .openapi(list, async (c) => {
      const { cursor, limit, ...asked } = c.req.valid('query');
      const span = readSpan(asked);
      const reader = await requireListReader(db, c.get('caller'));
      const { page: sessions, next_cursor } = await cursors.page(
        'reported conversations',
        { cursor, limit },
        (paging) => listReported(db.reads, reader, { ...asked, span, ...paging }),
      );
      return c.json({ sessions, next_cursor }, 200);
    })
    .openapi(comments, async (c) => {
      const { cursor, limit, ...asked } = c.req.valid('query');
      const span = readSpan(asked);
      const reader = await requireListReader(db, c.get('caller'));
      const { page: found, next_cursor } = await cursors.page('rating comments', { cursor, limit }, (paging) =>
        listComments(db.reads, reader, { ...asked, span, ...paging }),
      );
      return c.json(
        { comments: found.map((each) => ({ ...each, created_at: each.created_at.toISOString() })), next_cursor },
        200,
      );
    })
    .openapi(files.periods, async (c) => {
      const asked = c.req.valid('query');
      const reader = await requireReportReader(db, c.get('caller'));
      const { periods } = await reportChats(db.reads, reader, { ...asked, span: readSpan(asked) });
      return answerCsv(c, fileFor('chats', { ...periodColumns, ...figureColumns }, periods));
    })
    .openapi(files.widgets, async (c) => {
      const asked = c.req.valid('query');
      const reader = await requireReportReader(db, c.get('caller'));
      const { widgets } = await reportChats(db.reads, reader, { ...asked, span: readSpan(asked), by: 'month' });
      return answerCsv(c, fileFor('chats-by-widget', { ...widgetColumns, ...figureColumns }, widgets));
    })
    .openapi(files.agents, async (c) => {
      const asked = c.req.valid('query');
      const reader = await requireReportReader(db, c.get('caller'));
      const { agents } = await reportChats(db.reads, reader, { ...asked, span: readSpan(asked), by: 'month' });
      return answerCsv(c, fileFor('chats-by-agent', { ...agentColumns, ...figureColumns }, agents));
    })
    .openapi(files.hours, async (c) => {
      const asked = c.req.valid('query');
      const reader = await requireReportReader(db, c.get('caller'));
      const found = await reportHours(db.reads, reader, { ...asked, span: readSpan(asked) });
      const rows = found.flatMap((day, weekday) => day.map((chats, hour) => ({ weekday: weekday + 1, hour, chats })));
      return answerCsv(c, fileFor('chats-by-hour', hourColumns, rows));
    })
    .openapi(files.comments, async (c) => {
      const asked = c.req.valid('query');
      const span = readSpan(asked);
      const reader = await requireListReader(db, c.get('caller'));
      return answerCsv(c, {
        name: 'comments',
        columns: commentColumns,
        pages: () => pagesOf((paging) => listComments(db.reads, reader, { ...asked, span, ...paging })),
      });
    });
}

/** A machine with the scope reads the numbers of all conversations; an agent those of the ones that they may read. @throws Problem 403 */
const requireReportReader = async (db: PlatformDb, caller: Caller | undefined): Promise<Reader> =>
  caller && !caller.actor ? { agentId: null, readsAll: true } : requireListReader(db, caller);

const said = ({ from, to, zone }: ReturnType<typeof readSpan>) => ({ from, to, zone });

const fileFor = <Row>(name: string, columns: CsvColumns<Row>, rows: Row[]) => ({
  name,
  columns,
  async *pages() {
    yield rows;
  },
});

const figureColumns: CsvColumns<ChatFigures> = {
  chats: ({ chats }) => chats,
  answered: ({ answered }) => answered,
  missed: ({ missed }) => missed,
  by_bot: ({ bot }) => bot,
  open: ({ open }) => open,
  resolved: ({ resolved }) => resolved,
  first_response_median: ({ first_response }) => first_response.median,
  first_response_p90: ({ first_response }) => first_response.p90,
  resolution_median: ({ resolution }) => resolution.median,
  resolution_p90: ({ resolution }) => resolution.p90,
  ended: ({ ended }) => ended,
  rated: ({ rated }) => rated,
  score: ({ score }) => score,
};
const periodColumns: CsvColumns<PeriodRow> = { from: ({ from }) => from, to: ({ to }) => to };
const widgetColumns: CsvColumns<WidgetRow> = { widget: ({ widget }) => widget.name };
const agentColumns: CsvColumns<AgentRow> = { agent: ({ agent }) => agent?.name };
const hourColumns: CsvColumns<{ weekday: number; hour: number; chats: number }> = {
  weekday: ({ weekday }) => weekday,
  hour: ({ hour }) => hour,
  chats: ({ chats }) => chats,
};
const commentColumns: CsvColumns<Comment> = {
  created_at: ({ created_at }) => created_at,
  score: ({ score }) => score,
  comment: ({ comment }) => comment,
  customer: ({ customer }) => customer?.name,
  visitor_name: ({ visitor_name }) => visitor_name,
  widget: ({ widget }) => widget.name,
  agent: ({ agent }) => agent?.name,
  session_id: ({ session_id }) => session_id,
};
