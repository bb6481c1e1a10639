import { type App, bigintId, bigintIdText, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { createPipeline, deletePipeline, listPipelines, replaceStages, updatePipeline } from './pipelines.ts';

const outcome = z.enum(['open', 'won', 'lost']);
export const StageSchema = z
  .object({ id: z.int(), name: z.string(), outcome, probability_percent: z.int() })
  .openapi('Stage');
const PipelineSchema = z
  .object({ id: z.int(), name: z.string(), is_default: z.boolean(), version: z.int(), stages: z.array(StageSchema) })
  .openapi('Pipeline');

const pipelineKey = object({ id: bigintIdText() });
const name = () => line({ charactersMax: 80 });
const stagesMax = 30;
const expectedVersion = () =>
  z.int().positive().optional().openapi({
    description:
      'The request is refused if somebody has changed the pipeline, or one of its stages, since this version.',
  });
const answer = (description: string) => ({ description, content: { 'application/json': { schema: PipelineSchema } } });

const list = createStaffRoute({
  method: 'get',
  path: '/api/pipelines',
  right: 'deals.read',
  summary: 'All pipelines with their stages',
  responses: {
    200: {
      description: 'The default pipeline first.',
      content: { 'application/json': { schema: z.object({ pipelines: z.array(PipelineSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/pipelines',
  right: 'administrator',
  summary: 'Add a pipeline; the first one is the default',
  request: { body: jsonBody(object({ name: name() }).openapi('NewPipeline')) },
  responses: { 201: answer('Added, with a few stages to begin with.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/pipelines/{id}',
  right: 'administrator',
  summary: 'Rename a pipeline, or make it the default',
  request: {
    params: pipelineKey,
    body: jsonBody(
      object({
        name: name().optional(),
        is_default: z.literal(true).optional(),
        expected_version: expectedVersion(),
      }).openapi('PipelineChange'),
    ),
  },
  responses: { 200: answer('The record after the change.'), ...problems(400, 404, 409, 422) },
});

const stages = createStaffRoute({
  method: 'put',
  path: '/api/pipelines/{id}/stages',
  right: 'administrator',
  summary: 'Replace the stages of a pipeline by these, in this order',
  description:
    'A stage with an `id` stays, one without is new, and a missing one is removed. If a removed stage has deals, `move_to` names, by its id, the stage that takes them.',
  request: {
    params: pipelineKey,
    body: jsonBody(
      object({
        stages: z
          .array(
            object({
              id: bigintId().optional(),
              name: name(),
              outcome,
              probability_percent: z.int().min(0).max(100),
            }),
          )
          .min(3)
          .max(stagesMax),
        move_to: z
          .record(z.string().regex(/^[1-9]\d{0,15}$/, { error: 'must be the id of a stage' }), bigintId())
          .optional(),
        expected_version: expectedVersion(),
      }).openapi('PipelineStages'),
    ),
  },
  responses: { 200: answer('The record after the change.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/pipelines/{id}',
  right: 'administrator',
  summary: 'Remove a pipeline that holds no deals',
  request: { params: pipelineKey },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 409, 422) },
});

export function addPipelineRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ pipelines: await listPipelines(db) }, 200))
    .openapi(create, async (c) => {
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        createPipeline(tx, c.req.valid('json').name),
      );
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const { expected_version, ...change } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updatePipeline(tx, c.req.valid('param').id, change, expected_version),
      );
      return c.json(changed, 200);
    })
    .openapi(stages, async (c) => {
      const { stages: wanted, move_to, expected_version } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        replaceStages(tx, c.req.valid('param').id, wanted, { moveTo: move_to, expectedVersion: expected_version }),
      );
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deletePipeline(tx, c.req.valid('param').id));
      return c.body(null, 204);
    });
}
