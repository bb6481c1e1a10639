import {
  type App,
  bigintIdText,
  createStaffRoute,
  jsonBody,
  object,
  pageSize,
  problems,
  text,
  time,
  z,
} from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import {
  acknowledge,
  countOpenAlerts,
  endSilence,
  listAlerts,
  listSilences,
  listTargets,
  silence,
  testAlert,
} from '../../alerts/alerts.ts';

const answerMs = 5_000;

const slug = z.string().min(1).max(200).regex(/^\S+$/, { error: 'must be the name of a check' });
const kind = z.string().regex(/^[a-z][a-z0-9-]{0,59}$/, { error: 'must be the kind of a check, such as subscription' });
const id = bigintIdText();
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const moment = z.iso.datetime();

const AlertSchema = z
  .object({
    id: z.int(),
    slug: z.string().openapi({ example: 'subscription:support.cache' }),
    kind: z.string().openapi({ description: 'The page of its runbook.', example: 'subscription' }),
    status: z.string().openapi({ description: 'The state of the check, or `gone`.' }),
    previous: z.string(),
    reason: z.string(),
    since: moment,
    told_at: moment,
    is_open: z.boolean().openapi({ description: 'Nothing newer was told of the check, and it was not well.' }),
    silenced: z.string().nullable().openapi({ description: 'The reason of the silence that held it back.' }),
    acknowledged_by: z.string().nullable(),
    acknowledged_at: moment.nullable(),
    deliveries: z.array(
      z.object({
        target: z.string(),
        state: z.enum(['waiting', 'sent', 'given-up']),
        attempts: z.int(),
        error: z.string().nullable(),
      }),
    ),
  })
  .openapi('Alert');

const SilenceSchema = z
  .object({
    id: z.int(),
    slug: z.string().nullable(),
    kind: z.string().nullable(),
    until: moment,
    reason: z.string(),
    author: z.string(),
    created_at: moment,
    ended_at: moment.nullable(),
    is_in_force: z.boolean(),
  })
  .openapi('Silence');

const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/alerts',
  right: 'health.read',
  summary: 'What was told, the newest first; with the number of what is open',
  request: {
    query: object({
      open: flag.optional(),
      kind: kind.optional(),
      slug: slug.optional(),
      before: id.optional().openapi({ description: 'The id of the last alert of the page before.' }),
      limit: pageSize({ max: 200, default: 50 }),
    }),
  },
  responses: {
    200: json(
      'A page of alerts.',
      z.object({
        alerts: z.array(AlertSchema),
        next: z.int().nullable(),
        open: z.int(),
        unseen: z.int().openapi({ description: 'Open, and acknowledged by nobody.' }),
        targets: z.array(z.string()).openapi({ description: 'Where alerts go beside this page.' }),
      }),
    ),
  },
});

const acknowledgeRoute = createStaffRoute({
  method: 'post',
  path: '/api/alerts/{id}/acknowledge',
  right: 'administrator',
  summary: 'Say that you have seen an alert; the first one counts',
  request: { params: object({ id }), body: jsonBody(object({})) },
  responses: { 200: json('Whether you were the first.', z.object({ is_first: z.boolean() })), ...problems(404, 422) },
});

const listSilencesRoute = createStaffRoute({
  method: 'get',
  path: '/api/alerts/silences',
  right: 'health.read',
  summary: 'Silences in force, and those of the last thirty days',
  responses: { 200: json('Those in force first.', z.object({ silences: z.array(SilenceSchema) })) },
});

const silenceRoute = createStaffRoute({
  method: 'post',
  path: '/api/alerts/silences',
  right: 'administrator',
  summary: 'Silence a check, or all checks of a kind',
  description:
    'What changes meanwhile is recorded and not sent. What is still not as it was sent last is sent when the silence ends.',
  request: {
    body: jsonBody(
      object({
        slug: slug.optional(),
        kind: kind.optional(),
        until: time().openapi({ description: 'Within 90 days.' }),
        reason: text({ charactersMax: 500 }),
      })
        .refine((body) => (body.slug === undefined) !== (body.kind === undefined), {
          error: 'must name one check (slug) or one kind',
          path: ['slug'],
        })
        .openapi('NewSilence'),
    ),
  },
  responses: { 201: json('Silenced.', z.object({ id: z.int() })), ...problems(400, 422) },
});

const endRoute = createStaffRoute({
  method: 'post',
  path: '/api/alerts/silences/{id}/end',
  right: 'administrator',
  summary: 'End a silence before its time',
  request: { params: object({ id }), body: jsonBody(object({})) },
  responses: { 200: json('Whether it was in force.', z.object({ ended: z.boolean() })), ...problems(404, 422) },
});

const testRoute = createStaffRoute({
  method: 'post',
  path: '/api/alerts/test',
  right: 'administrator',
  summary: 'Send an alert that says that it is a test to every target',
  request: { body: jsonBody(object({})) },
  responses: { 201: json('It is on its way.', z.object({ id: z.int(), targets: z.array(z.string()) })) },
});

/** What was told, silences, and acknowledging. */
export function addAlertRoutes(app: App, db: PlatformDb) {
  const ask = (text: string, values?: unknown[]) => db.query(text, values, { timeoutMs: answerMs });

  return app
    .openapi(list, async (c) => {
      const { limit, ...filter } = c.req.valid('query');
      const [found, counts, targets] = await Promise.all([
        listAlerts(ask, { ...filter, limit: limit + 1 }),
        countOpenAlerts(ask),
        listTargets(ask),
      ]);
      const page = found.slice(0, limit);
      const next = found.length > limit ? (page.at(-1)?.id ?? null) : null;
      return c.json({ alerts: page.map(withTimes), next, ...counts, targets }, 200);
    })
    .openapi(listSilencesRoute, async (c) => c.json({ silences: (await listSilences(ask)).map(withTimes) }, 200))
    .openapi(silenceRoute, async (c) => {
      const { until, ...given } = c.req.valid('json');
      const made = await silence(ask, { ...given, until: new Date(until) });
      return c.json({ id: made }, 201);
    })
    .openapi(endRoute, async (c) => {
      const { id: which } = c.req.valid('param');
      const ended = await endSilence(ask, which);
      if (!ended && !(await listSilences(ask)).some((each) => each.id === which)) throw new NotFound('silence');
      return c.json({ ended }, 200);
    })
    .openapi(acknowledgeRoute, async (c) => {
      const isFirst = await acknowledge(ask, c.req.valid('param').id);
      if (isFirst === undefined) throw new NotFound('alert');
      return c.json({ is_first: isFirst }, 200);
    })
    .openapi(testRoute, async (c) => c.json({ id: await testAlert(ask), targets: await listTargets(ask) }, 201));
}

type Timed<Row> = {
  [Key in keyof Row]: Row[Key] extends Date ? string : Row[Key] extends Date | null ? string | null : Row[Key];
};

/** The times of a row as JSON has them. */
function withTimes<Row extends object>(row: Row): Timed<Row> {
  const entries = Object.entries(row).map(([key, value]) => [key, value instanceof Date ? value.toISOString() : value]);
  return Object.fromEntries(entries) as Timed<Row>;
}
