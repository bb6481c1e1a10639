import { type App, bigintIdText, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { createLossReason, deleteLossReason, listLossReasons, updateLossReason } from './lossreasons.ts';

const LossReasonSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    is_retired: z.boolean().openapi({ description: 'It is offered no more; deals that were lost for it keep it.' }),
  })
  .openapi('LossReason');

const name = () => line({ charactersMax: 80 });
const key = object({ id: bigintIdText() });
const one = (description: string) => ({ description, content: { 'application/json': { schema: LossReasonSchema } } });

const list = createStaffRoute({
  method: 'get',
  path: '/api/loss-reasons',
  right: 'deals.read',
  summary: 'The reasons for which deals are lost',
  responses: {
    200: {
      description: 'In their order, also the retired ones.',
      content: { 'application/json': { schema: z.object({ reasons: z.array(LossReasonSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/loss-reasons',
  right: 'administrator',
  summary: 'Add a reason, behind all others',
  request: { body: jsonBody(object({ name: name() }).openapi('NewLossReason')) },
  responses: { 201: one('Added.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/loss-reasons/{id}',
  right: 'administrator',
  summary: 'Rename a reason, retire it or bring it back',
  request: {
    params: key,
    body: jsonBody(object({ name: name().optional(), is_retired: z.boolean().optional() }).openapi('LossReasonChange')),
  },
  responses: { 200: one('The reason after the change.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/loss-reasons/{id}',
  right: 'administrator',
  summary: 'Remove a reason for which no deal was lost',
  request: { params: key },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 409, 422) },
});

export function addLossReasonRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ reasons: await listLossReasons(db) }, 200))
    .openapi(create, async (c) => {
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        createLossReason(tx, c.req.valid('json').name),
      );
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateLossReason(tx, c.req.valid('param').id, c.req.valid('json')),
      );
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deleteLossReason(tx, c.req.valid('param').id));
      return c.body(null, 204);
    });
}
