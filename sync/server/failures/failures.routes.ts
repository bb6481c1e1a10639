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
  pagesOf,
  problems,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { type Cause, listCauses } from '../../operations/causes.ts';
import { type FailedEvent, listFailed, readStopped } from '../../operations/failed.ts';
import { redrive, skip } from '../../operations/parked.ts';
import { causeId, count, eventKey, json, moment, orProblem, position, reason, subscriptionName } from '../acting.ts';
import { showErrorTo } from '../content.ts';

const CauseSchema = z
  .object({
    subscription: z.string(),
    app: z.string(),
    cause: z.string(),
    error_class: z.string(),
    shape: z.string().openapi({ description: 'The text of the error without what varies: it names no person.' }),
    events: count(),
    dead: z.int().openapi({ description: 'Of the first 10,000 events.' }),
    customers: z.int().openapi({ description: 'Of the first 10,000 events.' }),
    failures: z.int().openapi({ description: 'Failed attempts since `first_at`.' }),
    first_at: moment(),
    last_at: moment(),
    by_hour: z.array(z.int()).openapi({ description: 'Failed attempts in the last 24 hours, the oldest first.' }),
    sample_position: z.int(),
  })
  .openapi('FailureCause');
const state = () => z.enum(['dead', 'retrying', 'waiting']);
const FailedSchema = z
  .object({
    subscription: z.string(),
    position: z.int(),
    type: z.string().nullable(),
    key: z.string(),
    customer: z.string().nullable(),
    state: state(),
    attempts: z.int(),
    attempt_at: moment().nullable(),
    parked_at: moment(),
    cause: z.string().nullable(),
    error_class: z.string().nullable(),
    shape: z.string().nullable(),
    error: z.string().nullable().openapi({ description: 'For administrators: it may name a person.' }),
    is_replay: z.boolean(),
  })
  .openapi('FailedEvent');
const StoppedSchema = z
  .object({
    event: FailedSchema,
    attempts: z.array(
      z.object({
        attempt: z.int(),
        ended_at: moment(),
        duration_ms: z.int().nullable(),
        process: z.string(),
        cause: z.string().nullable(),
        is_handled: z.boolean(),
        error: z.string().nullable(),
      }),
    ),
    waiting: z.array(
      z.object({ position: z.int(), type: z.string().nullable(), key: z.string(), customer: z.string().nullable() }),
    ),
    waiting_count: count(),
    freed_count: count().openapi({ description: 'Waiting events that a skip lets run.' }),
    runs_next: z.int().nullable(),
    behind: z.int().nullable(),
  })
  .openapi('StoppedEvent');

const causeFilters = { subscription: subscriptionName().optional(), search: line({ charactersMax: 100 }).optional() };
const failedFilters = {
  subscription: subscriptionName(),
  state: state().optional(),
  cause: causeId().optional(),
  customer: uuid().optional(),
  key: eventKey().optional(),
};
const paging = { cursor: cursor().optional(), limit: pageSize({ max: 100, default: 25 }) };
const event = object({ subscription: subscriptionName(), position: position() });

const causes = createStaffRoute({
  method: 'get',
  path: '/api/failures',
  right: 'person',
  summary: 'What is parked because it failed, grouped by cause, the latest failure first',
  request: { query: object({ ...causeFilters, ...paging }) },
  responses: {
    200: json('One page.', z.object({ causes: z.array(CauseSchema), next_cursor: z.string().nullable() })),
    ...problems(422),
  },
});
const causesFile = createStaffRoute({
  method: 'get',
  path: '/api/failures.csv',
  right: 'person',
  summary: 'The causes as a file',
  request: { query: object(causeFilters) },
  responses: { 200: csvResponse, ...problems(422) },
});
const events = createStaffRoute({
  method: 'get',
  path: '/api/failures/events',
  right: 'person',
  summary: 'Parked events of a subscription, in the order of the log; without a state those that failed',
  request: { query: object({ ...failedFilters, ...paging }) },
  responses: {
    200: json('One page.', z.object({ events: z.array(FailedSchema), next_cursor: z.string().nullable() })),
    ...problems(422),
  },
});
const eventsFile = createStaffRoute({
  method: 'get',
  path: '/api/failures/events.csv',
  right: 'person',
  summary: 'Parked events of a subscription as a file',
  request: { query: object(failedFilters) },
  responses: { 200: csvResponse, ...problems(422) },
});
const stopped = createStaffRoute({
  method: 'get',
  path: '/api/failures/events/{subscription}/{position}',
  right: 'person',
  summary: 'A parked event: its attempts, what waits behind it, and what a skip would let run',
  request: { params: event },
  responses: { 200: json('The event.', StoppedSchema), ...problems(404, 422) },
});
const again = createStaffRoute({
  method: 'post',
  path: '/api/failures/events/{subscription}/{position}/redrive',
  right: 'administrator',
  summary: 'Try a failed event again, from its first attempt on',
  request: { params: event, body: jsonBody(object({ reason: reason().optional() })) },
  responses: {
    200: json('How many are tried again: 1, or 0 if it has not failed any more.', z.object({ redriven: z.int() })),
    ...problems(404, 422),
  },
});
const giveUp = createStaffRoute({
  method: 'post',
  path: '/api/failures/events/{subscription}/{position}/skip',
  right: 'administrator',
  summary: 'Give up a failed event, so that those behind it go on',
  request: { params: event, body: jsonBody(object({ reason: reason() })) },
  responses: { 200: json('It is skipped.', z.object({ skipped: z.int() })), ...problems(404, 422) },
});

/** Failures: by cause, one by one, and what is done about one. */
export function addFailuresRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  const isAdministrator = (c: { get(name: 'actor'): { role: string } | undefined }) => c.get('actor')?.role === 'admin';
  return app
    .openapi(causes, async (c) => {
      const { cursor, limit, ...filter } = c.req.valid('query');
      const { page, next_cursor } = await cursors.page('failures', { cursor, limit }, (paging) =>
        listCauses(db, filter, paging),
      );
      return c.json({ causes: page, next_cursor }, 200);
    })
    .openapi(causesFile, (c) => {
      const filter = c.req.valid('query');
      return answerCsv<Cause>(c, {
        name: 'failures',
        columns: {
          subscription: (row) => row.subscription,
          app: (row) => row.app,
          error: (row) => row.error_class,
          text: (row) => row.shape,
          parked_events: (row) => row.events,
          dead: (row) => row.dead,
          customers: (row) => row.customers,
          failed_attempts: (row) => row.failures,
          first_at: (row) => row.first_at,
          last_at: (row) => row.last_at,
          sample_position: (row) => row.sample_position,
        },
        pages: () => pagesOf((paging) => listCauses(db, filter, paging)),
      }) as never;
    })
    .openapi(events, async (c) => {
      const { cursor, limit, ...filter } = c.req.valid('query');
      const { page, next_cursor } = await cursors.page('failed events', { cursor, limit }, (paging) =>
        listFailed(db, filter, paging),
      );
      const person = { isAdministrator: isAdministrator(c) };
      return c.json({ events: page.map((row) => showErrorTo(row, person)), next_cursor }, 200);
    })
    .openapi(eventsFile, (c) => {
      const filter = c.req.valid('query');
      const person = { isAdministrator: isAdministrator(c) };
      return answerCsv<FailedEvent>(c, {
        name: 'failed-events',
        columns: {
          subscription: (row) => row.subscription,
          position: (row) => row.position,
          type: (row) => row.type,
          key: (row) => row.key,
          customer: (row) => row.customer,
          state: (row) => row.state,
          attempts: (row) => row.attempts,
          next_attempt_at: (row) => row.attempt_at,
          parked_at: (row) => row.parked_at,
          error: (row) => row.error_class,
          text: (row) => showErrorTo(row, person).error ?? row.shape,
        },
        pages: () => pagesOf((paging) => listFailed(db, filter, paging)),
      }) as never;
    })
    .openapi(stopped, async (c) => {
      const { subscription, position } = c.req.valid('param');
      const person = { isAdministrator: isAdministrator(c) };
      const { event, attempts, ...behind } = await orProblem(() => readStopped(db, subscription, position));
      return c.json(
        {
          event: showErrorTo(event, person),
          attempts: attempts.map((each) => ({ ...showErrorTo(each, person), is_handled: each.error === null })),
          ...behind,
        },
        200,
      );
    })
    .openapi(again, async (c) => {
      const { subscription, position } = c.req.valid('param');
      const { reason } = c.req.valid('json');
      const driven = await orProblem(() => redrive(db, { subscription, positions: [position], reason }));
      return c.json({ redriven: driven.length }, 200);
    })
    .openapi(giveUp, async (c) => {
      const { subscription, position } = c.req.valid('param');
      const { reason } = c.req.valid('json');
      const { skipped } = await orProblem(() => skip(db, { subscription, position, reason }));
      return c.json({ skipped }, 200);
    });
}
