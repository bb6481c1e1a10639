import {
  type App,
  answerCsv,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  time,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { listOperations } from '../../operations/records.ts';
import { previewReplay, replay } from '../../operations/replaying.ts';
import { listSubscriptions, pause, remove, resume } from '../../operations/subscriptions.ts';
import {
  count,
  eventKey,
  json,
  moment,
  orProblem,
  position,
  reason,
  subscriptionName,
  webhookName,
} from '../acting.ts';

const SubscriptionSchema = z
  .object({
    name: z.string(),
    app: z.string(),
    types: z.array(z.string()).nullable().openapi({ description: 'Null: every type that its app may see.' }),
    holds: z.enum(['customer', 'row']),
    position: z.int(),
    behind_positions: z.int().openapi({ description: 'Positions behind it, of all types: exact.' }),
    lag_events: count(),
    lag_is_partial: z.boolean().openapi({ description: 'Only the first hundred thousand positions were counted.' }),
    lag_seconds: z.number().openapi({ description: 'The age of the oldest event that it has not handled.' }),
    is_paused: z.boolean(),
    pause_reason: z.string().nullable(),
    retrying: count(),
    waiting: count(),
    dead: count(),
    created_at: moment(),
    moved_at: moment(),
    replay_until: z.int(),
    shares: z.int().openapi({ description: 'How many shares it has: so many processes can work on it at a time.' }),
    share_positions: z
      .array(
        z.object({
          share: z.int(),
          position: z.int(),
          behind: z.int(),
          reader: z.string().nullable().openapi({ description: 'The process that moved it last.' }),
          moved_at: moment(),
        }),
      )
      .openapi({ description: 'Of a subscription with several shares; `position` above is the lowest of them.' }),
    readers: z.int().openapi({ description: 'Processes that share it at present.' }),
  })
  .openapi('Subscription');
const place = {
  from_position: position().optional(),
  since: time().optional(),
};
const some = { key: eventKey().optional(), customer: uuid().optional() };
const key = object({ name: subscriptionName() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/subscriptions',
  right: 'person',
  summary: 'Every subscription: how far it is behind, and what holds it up',
  responses: {
    200: json('All of them, by name.', z.object({ head: z.int(), subscriptions: z.array(SubscriptionSchema) })),
  },
});
const file = createStaffRoute({
  method: 'get',
  path: '/api/subscriptions.csv',
  right: 'person',
  summary: 'The subscriptions as a file',
  responses: { 200: csvResponse },
});
const act = <Path extends string, Body extends z.ZodType, Answer extends z.ZodType>(
  path: Path,
  summary: string,
  body: Body,
  answer: Answer,
) =>
  createStaffRoute({
    method: 'post',
    path,
    right: 'administrator',
    summary,
    request: { params: key, body: jsonBody(body) },
    responses: { 200: json('It is done, and recorded.', answer), ...problems(404, 409, 422) },
  });
const pausing = act(
  '/api/subscriptions/{name}/pause',
  'Stop a subscription where it is',
  object({ reason: reason() }),
  z.object({ was_paused: z.boolean(), position: z.int() }),
);
const resuming = act(
  '/api/subscriptions/{name}/resume',
  'Let a subscription go on',
  object({ reason: reason().optional() }),
  z.object({ was_paused: z.boolean(), pause_reason: z.string().nullable(), position: z.int() }),
);
const removing = act(
  '/api/subscriptions/{name}/remove',
  'Remove a subscription that no app runs any more, with everything that it has parked',
  object({ reason: reason() }),
  z.object({ app: z.string(), position: z.int(), parked: z.int() }),
);
const replaying = act(
  '/api/subscriptions/{name}/replay',
  'Let a paused subscription handle events again when it is resumed: everything from a place on, or the events of a row, a customer or some types',
  object({
    ...place,
    ...some,
    types: z
      .array(line({ charactersMax: 80 }))
      .min(1)
      .max(50)
      .optional(),
    reason: reason(),
  }),
  z.object({
    events: z.int(),
    is_whole: z.boolean().openapi({ description: 'False: there are more than were counted.' }),
  }),
);
const preview = createStaffRoute({
  method: 'get',
  path: '/api/subscriptions/{name}/replay',
  right: 'person',
  summary: 'What a replay from a position or a time on, of a customer or of a row would do',
  request: { params: key, query: object({ ...place, ...some }) },
  responses: {
    200: json(
      'How many events of which app.',
      z
        .object({
          app: z.string(),
          from: z.int(),
          until: z.int(),
          events: count(),
          is_whole: z.boolean(),
          is_paused: z.boolean(),
        })
        .openapi('ReplayPreview'),
    ),
    ...problems(404, 422),
  },
});
const OperationSchema = z
  .object({
    id: z.int(),
    kind: z.string().openapi({ example: 'subscription.pause' }),
    scope: z.record(z.string(), z.unknown()),
    reason: z.string().nullable(),
    outcome: z.record(z.string(), z.unknown()),
    actor: z.string().nullable(),
    actor_name: z.string().nullable(),
    app: z.string(),
    login: z.string(),
    done_at: moment(),
  })
  .openapi('Operation');
const operations = createStaffRoute({
  method: 'get',
  path: '/api/operations',
  right: 'person',
  summary: 'What people and commands did, the newest first',
  request: {
    query: object({
      subscription: subscriptionName().optional(),
      webhook: webhookName().optional(),
      cursor: cursor().optional(),
      limit: pageSize({ max: 100, default: 25 }),
    }),
  },
  responses: {
    200: json('One page.', z.object({ operations: z.array(OperationSchema), next_cursor: z.string().nullable() })),
    ...problems(422),
  },
});

/** Subscriptions, what is done about them, and the records of all that was done. */
export function addSubscriptionsRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const subscriptions = await listSubscriptions(db);
      const head = Math.max(0, ...subscriptions.map((each) => each.position + each.behind_positions));
      return c.json({ head, subscriptions: subscriptions as never[] }, 200);
    })
    .openapi(
      file,
      (c) =>
        answerCsv(c, {
          name: 'subscriptions',
          columns: {
            subscription: (row) => row.name,
            app: (row) => row.app,
            types: (row) => row.types?.join(' '),
            position: (row) => row.position,
            positions_behind: (row) => row.behind_positions,
            events_behind: (row) => row.lag_events,
            seconds_behind: (row) => Math.round(row.lag_seconds),
            paused: (row) => row.is_paused,
            pause_reason: (row) => row.pause_reason,
            retrying: (row) => row.retrying,
            waiting: (row) => row.waiting,
            dead: (row) => row.dead,
            moved_at: (row) => row.moved_at,
            shares: (row) => row.shares,
            readers: (row) => row.readers,
          },
          async *pages() {
            yield await listSubscriptions(db);
          },
        }) as never,
    )
    .openapi(pausing, async (c) => {
      const { name } = c.req.valid('param');
      return c.json(await orProblem(() => pause(db, name, c.req.valid('json').reason)), 200);
    })
    .openapi(resuming, async (c) => {
      const { name } = c.req.valid('param');
      return c.json(await orProblem(() => resume(db, name, c.req.valid('json').reason)), 200);
    })
    .openapi(removing, async (c) => {
      const { name } = c.req.valid('param');
      return c.json(await orProblem(() => remove(db, name, c.req.valid('json').reason)), 200);
    })
    .openapi(replaying, async (c) => {
      const { name: subscription } = c.req.valid('param');
      const { from_position: fromPosition, since, ...rest } = c.req.valid('json');
      const wish = { subscription, fromPosition, since: since === undefined ? undefined : new Date(since), ...rest };
      return c.json(await orProblem(() => replay(db, wish)), 200);
    })
    .openapi(preview, async (c) => {
      const { name: subscription } = c.req.valid('param');
      const { from_position: fromPosition, since, ...rest } = c.req.valid('query');
      const wish = { subscription, fromPosition, since: since === undefined ? undefined : new Date(since), ...rest };
      return c.json(await orProblem(() => previewReplay(db, wish)), 200);
    })
    .openapi(operations, async (c) => {
      const { subscription, webhook, ...asked } = c.req.valid('query');
      const { page, next_cursor } = await cursors.page('operations', asked, (paging) =>
        listOperations(db, { subscription, webhook }, paging),
      );
      return c.json({ operations: page as never[], next_cursor }, 200);
    });
}
