import { type App, createStaffRoute, jsonBody, object, problems, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { confirmRun, freezeFailures, listRuns, readRun, steerRun } from '../../operations/runs.ts';
import { causeId, eventKey, json, moment, orProblem, position, reason, subscriptionName } from '../acting.ts';

const filter = () =>
  object({
    state: z.enum(['dead', 'retrying']).optional(),
    cause: causeId().optional(),
    customer: uuid().optional(),
    key: eventKey().optional(),
  });
const kind = () => z.enum(['redrive', 'skip']);
const RunSchema = z
  .object({
    id: z.int(),
    kind: kind(),
    subscription: z.string(),
    filter: z.record(z.string(), z.unknown()),
    reason: z.string().nullable(),
    state: z.enum(['frozen', 'running', 'paused', 'cancelled', 'done']),
    total: z.int(),
    rate_per_second: z.int(),
    tried: z.int().openapi({ description: 'Given back to the subscription; nothing is known of them yet.' }),
    handled: z.int(),
    failed: z.int().openapi({ description: 'Failed again.' }),
    held_back: z.int().openapi({ description: 'Given back; they wait behind another event that has failed.' }),
    skipped: z.int(),
    gone: z.int().openapi({ description: 'Had not failed any more, or somebody else took them away.' }),
    untouched: z.int().openapi({ description: 'Not taken yet; of a cancelled run never.' }),
    actor: z.string().nullable(),
    login: z.string(),
    frozen_at: moment(),
    confirmed_at: moment().nullable(),
    ended_at: moment().nullable(),
    hindrance: z.string().nullable(),
  })
  .openapi('BulkRun', { description: 'The numbers of a run add up to its total at every moment.' });
const key = object({ id: position() });
/** A set of a million events is written in one statement. */
const freezeMs = 60_000;

const freeze = createStaffRoute({
  method: 'post',
  path: '/api/runs',
  right: 'administrator',
  summary: 'Freeze the failed events that a filter describes, and count them; nothing is done to them yet',
  description: 'A set that nobody confirms within an hour is forgotten.',
  request: { body: jsonBody(object({ kind: kind(), subscription: subscriptionName(), filter: filter() })) },
  responses: { 201: json('The set.', z.object({ run: z.int(), total: z.int() })), ...problems(404, 422) },
});
const confirm = createStaffRoute({
  method: 'post',
  path: '/api/runs/{id}/confirm',
  right: 'administrator',
  summary: 'Let the worker redrive or skip exactly the events of a frozen set',
  request: {
    params: key,
    body: jsonBody(object({ reason: reason(), rate_per_second: z.int().min(1).max(5_000).default(500) })),
  },
  responses: { 200: json('The run.', RunSchema), ...problems(404, 409, 422) },
});
const steer = createStaffRoute({
  method: 'post',
  path: '/api/runs/{id}/steer',
  right: 'administrator',
  summary: 'Pause a run, let it go on, or cancel what it has not taken yet',
  request: {
    params: key,
    body: jsonBody(object({ to: z.enum(['paused', 'running', 'cancelled']), reason: reason().optional() })),
  },
  responses: { 200: json('The run.', RunSchema), ...problems(404, 409, 422) },
});
const list = createStaffRoute({
  method: 'get',
  path: '/api/runs',
  right: 'person',
  summary: 'The latest fifty runs, those that have not ended first',
  responses: { 200: json('The runs.', z.object({ runs: z.array(RunSchema) })) },
});
const get = createStaffRoute({
  method: 'get',
  path: '/api/runs/{id}',
  right: 'person',
  summary: 'One run',
  request: { params: key },
  responses: { 200: json('The run.', RunSchema), ...problems(404, 422) },
});

/** Bulk work on frozen sets of failures. The worker does it; the console confirms and watches. */
export function addRunsRoutes(app: App, db: PlatformDb) {
  const read = (id: number) => orProblem(() => readRun(db, id)) as Promise<never>;
  return app
    .openapi(freeze, async (c) => {
      const on = { query: (text: string, values?: unknown[]) => db.query(text, values, { timeoutMs: freezeMs }) };
      return c.json(await orProblem(() => freezeFailures(on as never, c.req.valid('json'))), 201);
    })
    .openapi(confirm, async (c) => {
      const { id: run } = c.req.valid('param');
      const { reason, rate_per_second: ratePerSecond } = c.req.valid('json');
      await orProblem(() => confirmRun(db, { run, reason, ratePerSecond }));
      return c.json(await read(run), 200);
    })
    .openapi(steer, async (c) => {
      const { id: run } = c.req.valid('param');
      await orProblem(() => steerRun(db, { run, ...c.req.valid('json') }));
      return c.json(await read(run), 200);
    })
    .openapi(list, async (c) => c.json({ runs: (await listRuns(db)) as never[] }, 200))
    .openapi(get, async (c) => c.json(await read(c.req.valid('param').id), 200));
}
