import {
  type App,
  bigintIdText,
  createStaffRoute,
  csvHeaders,
  cursor,
  cursorsOf,
  jsonBody,
  line,
  object,
  Problem,
  pageSize,
  problems,
  toCsv,
  uuid,
  z,
} from '@aether/http';
import { canonicaliseEmail, InvalidEmail, NotFound, type PlatformDb, type Queryable } from '@aether/platform';
import { describeFound, findingKinds } from '../../quality/findings.ts';
import {
  askQualityRound,
  correctAddress,
  listFindings,
  readQualityBoard,
  recheckFindings,
  repairFindings,
  storedMax,
  undoCorrection,
} from '../../quality/quality.ts';

const time = () => z.iso.datetime().nullable();
const PersonSchema = z
  .object({ id: z.uuid(), name: z.string(), email: z.string(), crm_id: z.int().nullable() })
  .nullable();
const FoundSchema = z
  .object({
    id: z.int(),
    finding: z.string(),
    subject: z.enum(['customer', 'company', 'deal', 'session', 'activity', 'index']),
    subject_id: z.string(),
    part: z.string(),
    detail: z.record(z.string(), z.unknown()),
    found_at: z.iso.datetime(),
    customer: PersonSchema,
    other: PersonSchema.openapi({ description: 'The other one of a pair, or the survivor of a merge.' }),
    address: z.string().nullable(),
  })
  .openapi('Found');
const ScanSchema = z.object({
  name: z.string(),
  rounds: z.int(),
  rowsSeen: z.int(),
  rowsInAll: z.int().nullable(),
  beganAt: time(),
  endedAt: time(),
  steppedAt: time(),
  askedAt: time(),
});
const findingName = z.enum(findingKinds.map(({ finding }) => finding) as [string, ...string[]]);
const findingParam = object({ finding: findingName });
const ids = z.array(z.int().positive()).min(1).max(100);

const board = createStaffRoute({
  method: 'get',
  path: '/api/quality',
  right: 'person',
  summary: 'Every finding with its number, its age and its trend',
  description: `A number counts rows that the worker has stored, up to ${storedMax}: no record is searched for it.`,
  responses: {
    200: {
      description: 'The board.',
      content: {
        'application/json': {
          schema: z
            .object({
              findings: z.array(
                z.object({
                  finding: z.string(),
                  group: z.string(),
                  title: z.string(),
                  why: z.string(),
                  fix: z.enum(['repair', 'address', 'link']),
                  action: z.string().optional(),
                  count: z.int(),
                  isCapped: z.boolean(),
                  since: time(),
                  lookedAt: time(),
                  isFailing: z.boolean(),
                  trend: z.array(z.tuple([z.number(), z.number()])),
                }),
              ),
              scans: z.array(ScanSchema),
            })
            .openapi('QualityBoard'),
        },
      },
    },
  },
});

const rows = createStaffRoute({
  method: 'get',
  path: '/api/quality/findings/{finding}',
  right: 'person',
  summary: 'The rows of a finding, the oldest first',
  request: {
    params: findingParam,
    query: object({ cursor: cursor().optional(), limit: pageSize({ max: 100, default: 50 }) }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ rows: z.array(FoundSchema), next_cursor: z.string().nullable() }).openapi('FoundPage'),
        },
      },
    },
    ...problems(400, 404, 422),
  },
});

const csv = createStaffRoute({
  method: 'get',
  path: '/api/quality/findings/{finding}/csv',
  right: 'person',
  summary: 'All stored rows of a finding as a file',
  request: { params: findingParam },
  responses: {
    200: { description: 'CSV.', content: { 'text/csv': { schema: z.string() } } },
    ...problems(404, 422),
  },
});

const round = createStaffRoute({
  method: 'post',
  path: '/api/quality/rounds',
  right: 'administrator',
  summary: 'Look through everything now',
  description: 'The worker walks every table without pauses; GET /api/quality shows how far it is.',
  request: { body: jsonBody(object({ reason: line({ charactersMax: 500 }).optional() })) },
  responses: {
    202: {
      description: 'It goes on, or has begun.',
      content: { 'application/json': { schema: z.object({ already_running: z.boolean() }) } },
    },
    ...problems(400, 422),
  },
});

const repairs = createStaffRoute({
  method: 'post',
  path: '/api/quality/repairs',
  right: 'administrator',
  summary: 'Mend up to a hundred rows',
  description:
    'Each on its own: one that cannot be mended does not keep the others from it. The act leaves one record.',
  request: { body: jsonBody(object({ ids, reason: line({ charactersMax: 500 }).optional() })) },
  responses: {
    200: {
      description: 'What came of each.',
      content: {
        'application/json': {
          schema: z.object({
            outcomes: z.array(
              z.object({
                id: z.int(),
                outcome: z.enum(['mended', 'gone', 'refused']),
                because: z.string().optional(),
              }),
            ),
          }),
        },
      },
    },
    ...problems(400, 422),
  },
});

const recheck = createStaffRoute({
  method: 'post',
  path: '/api/quality/rechecks',
  right: 'administrator',
  summary: 'Look at up to a hundred rows again',
  request: { body: jsonBody(object({ ids })) },
  responses: { 204: { description: 'What is no longer true is gone from the list.' }, ...problems(400, 422) },
});

const correct = createStaffRoute({
  method: 'post',
  path: '/api/quality/addresses/{customer}/{address}/correction',
  operationId: 'correctAddress',
  right: 'administrator',
  summary: 'Take an address away that no mail can reach, or put a right one in its place',
  request: {
    params: object({ customer: uuid(), address: uuid() }),
    body: jsonBody(
      object({
        replacement: line({ charactersMax: 1_000 })
          .optional()
          .openapi({ description: 'Needed for the primary address: a customer keeps one.' }),
      }),
    ),
  },
  responses: {
    200: {
      description: 'Done, with the record by which it is undone.',
      content: { 'application/json': { schema: z.object({ operation: z.int() }) } },
    },
    ...problems(400, 404, 409, 422),
  },
});

const undo = createStaffRoute({
  method: 'delete',
  path: '/api/quality/corrections/{operation}',
  right: 'administrator',
  summary: 'Undo the correction of an address',
  request: { params: object({ operation: bigintIdText() }) },
  responses: { 204: { description: 'The address is back.' }, ...problems(404, 409, 422) },
});

/** The board of data quality, the rows behind each number, and what mends them. */
export function addQualityRoutes(app: App, db: PlatformDb): void {
  const cursors = cursorsOf(db);
  const act = <T>(actor: string | undefined, work: (tx: Queryable) => Promise<T>) => db.transaction({ actor }, work);

  app.openapi(board, async (c) => c.json((await readQualityBoard(db)) as never, 200));

  app.openapi(rows, async (c) => {
    const { finding } = c.req.valid('param');
    const { cursor, limit } = c.req.valid('query');
    const { page, next_cursor } = await cursors.page(`quality ${finding}`, { cursor, limit }, (paging) =>
      listFindings(db, finding, paging),
    );
    return c.json({ rows: page, next_cursor } as never, 200);
  });

  app.openapi(csv, async (c) => {
    const { finding } = c.req.valid('param');
    const all = await listFindings(db, finding, { limit: storedMax });
    const lines = all.map((row) => [
      row.subject,
      row.subject_id,
      row.customer?.id,
      row.customer?.name,
      row.customer?.email,
      row.other?.id,
      row.other?.name,
      row.other?.email,
      describeFound(row),
      row.found_at,
    ]);
    const head = [
      'subject',
      'subject_id',
      'customer_id',
      'name',
      'email',
      'other_id',
      'other_name',
      'other_email',
      'what',
      'found_at',
    ];
    return c.body(toCsv(head, lines), 200, csvHeaders(finding.replace('.', '-'))) as never;
  });

  app.openapi(round, async (c) => {
    const { reason } = c.req.valid('json');
    const isNew = await act(c.get('actor')?.id, (tx) => askQualityRound(tx, reason));
    return c.json({ already_running: !isNew }, 202);
  });

  app.openapi(repairs, async (c) => {
    const { ids, reason } = c.req.valid('json');
    return c.json({ outcomes: await act(c.get('actor')?.id, (tx) => repairFindings(tx, ids, reason)) }, 200);
  });

  app.openapi(recheck, async (c) => {
    await act(c.get('actor')?.id, (tx) => recheckFindings(tx, c.req.valid('json').ids));
    return c.body(null, 204);
  });

  app.openapi(correct, async (c) => {
    const { customer, address } = c.req.valid('param');
    const { replacement } = c.req.valid('json');
    const canonical = replacement === undefined ? undefined : canonicaliseEmail(replacement);
    if (canonical && !canonical.ok) throw new InvalidEmail(canonical.reason, canonical.message);
    const operation = await act(c.get('actor')?.id, (tx) =>
      correctAddress(tx, { customerId: customer, addressId: address, ...(canonical && { replacement: canonical }) }),
    );
    if (operation === undefined) throw new NotFound('address');
    return c.json({ operation }, 200);
  });

  app.openapi(undo, async (c) => {
    const isUndone = await act(c.get('actor')?.id, (tx) => undoCorrection(tx, c.req.valid('param').operation));
    if (!isUndone)
      throw new Problem({
        status: 409,
        code: 'addresses-changed',
        detail:
          'Somebody has changed the addresses of this customer since, so nothing was undone. Look at the customer.',
      });
    return c.body(null, 204);
  });
}
