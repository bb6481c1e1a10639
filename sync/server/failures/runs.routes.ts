import { type App, createStaffRoute, jsonBody, object, problems, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import {
  confirmRun,
  freezeFailures,
  freezeFindings,
  listRuns,
  type Run,
  readRun,
  steerRun,
} from '../../operations/runs.ts';
import { findingKinds } from '../../quality/findings.ts';
import { causeId, eventKey, json, moment, orProblem, position, reason, subscriptionName } from '../acting.ts';
import { readNames } from '../people.ts';

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
    kind: z.enum(['redrive', 'skip', 'repair']),
    subscription: z.string().nullable(),
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
    mended: z.int(),
    refused: z.int().openapi({ description: 'Rows that a repair did not mend.' }),
    refusals: z
      .array(z.object({ because: z.string(), rows: z.int() }))
      .openapi({ description: 'The most frequent five.' }),
    gone: z.int().openapi({
      description: 'Had not failed any more, were not wrong any more, or somebody else took them away.',
    }),
    untouched: z.int().openapi({ description: 'Not taken yet; of a cancelled run never.' }),
    actor: z.string().nullable(),
    actor_name: z.string().nullable(),
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
const repaired = findingKinds.filter(({ fix }) => fix === 'repair').map(({ finding }) => finding);
const freezeRows = createStaffRoute({
  method: 'post',
  path: '/api/quality/findings/{finding}/runs',
  right: 'administrator',
  summary: 'Freeze all stored rows of a finding, and count them; nothing is done to them yet',
  description: 'Confirm the run, and the worker repairs them. A set that nobody confirms within an hour is forgotten.',
  request: { params: object({ finding: z.enum(repaired as [string, ...string[]]) }) },
  responses: { 201: json('The set.', z.object({ run: z.int(), total: z.int() })), ...problems(422) },
});
const confirm = createStaffRoute({
  method: 'post',
  path: '/api/runs/{id}/confirm',
  right: 'administrator',
  summary: 'Let the worker redrive, skip or repair exactly what is in a frozen set',
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

/** Bulk work on frozen sets of failures and of rows of data quality. The worker does it; the console confirms and watches. */
export function addRunsRoutes(app: App, db: PlatformDb) {
  const withNames = async (runs: Run[]) => {
    const names = await readNames(db, runs);
    return runs.map((run) => ({ ...run, actor_name: (run.actor && names.get(run.actor)) ?? null })) as never[];
  };
  const read = async (id: number) => (await withNames([await orProblem(() => readRun(db, id))]))[0] as never;
  return app
    .openapi(freeze, async (c) => {
      const on = { query: (text: string, values?: unknown[]) => db.query(text, values, { timeoutMs: freezeMs }) };
      return c.json(await orProblem(() => freezeFailures(on as never, c.req.valid('json'))), 201);
    })
    .openapi(freezeRows, async (c) =>
      c.json(await orProblem(() => freezeFindings(db, c.req.valid('param').finding)), 201),
    )
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
    .openapi(list, async (c) => c.json({ runs: await withNames(await listRuns(db)) }, 200))
    .openapi(get, async (c) => c.json(await read(c.req.valid('param').id), 200));
}
