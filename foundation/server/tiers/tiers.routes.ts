import { type App, createStaffRoute, jsonBody, line, object, problems, TierSchema, z } from '@aether/http';
import { type PlatformDb, tierColours } from '@aether/platform';
import { createTier, deleteTier, orderTiers, updateTier } from './tiers.ts';

const tiersMax = 50;
const keyPattern = /^[a-z][a-z0-9_-]{0,39}$/;
const keyError = 'must be 1 to 40 of a-z, 0-9, _ or -, starting with a letter';

/** The key of a tier, as a customer refers to it; the database says which there are. */
export const accountTier = () => z.string().regex(keyPattern, { error: keyError }).openapi({ example: 'premium' });

const key = object({ key: accountTier() });
const label = () => line({ charactersMax: 40 });
const colour = () => z.enum(tierColours);
const one = (description: string) => ({ description, content: { 'application/json': { schema: TierSchema } } });
const all = (description: string) => ({
  description,
  content: { 'application/json': { schema: z.object({ tiers: z.array(TierSchema) }) } },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/tiers',
  right: 'customers.read',
  summary: 'The tiers that a customer may have',
  responses: { 200: all('In their order, also those that are retired: customers may still have one.') },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/tiers',
  right: 'administrator',
  summary: 'Add a tier, behind all others',
  request: { body: jsonBody(object({ key: accountTier(), label: label(), colour: colour() }).openapi('NewTier')) },
  responses: { 201: one('Added.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/tiers/{key}',
  right: 'administrator',
  summary: 'Rename a tier, give it another colour, retire it or bring it back',
  request: {
    params: key,
    body: jsonBody(
      object({
        label: label().optional(),
        colour: colour().optional(),
        is_retired: z
          .boolean()
          .optional()
          .openapi({ description: 'It is offered no more, and no customer gets it; those who have it keep it.' }),
        expected_version: z
          .int()
          .positive()
          .optional()
          .openapi({ description: 'Refused if the tier has changed since this version.' }),
      }).openapi('TierChange'),
    ),
  },
  responses: { 200: one('The tier after the change.'), ...problems(400, 404, 409, 422) },
});

const order = createStaffRoute({
  method: 'put',
  path: '/api/tiers/order',
  right: 'administrator',
  summary: 'Put the tiers into an order',
  request: {
    body: jsonBody(object({ keys: z.array(accountTier()).min(1).max(tiersMax) }).openapi('TierOrder')),
  },
  responses: { 200: all('As they are now.'), ...problems(400, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/tiers/{key}',
  right: 'administrator',
  summary: 'Remove a tier that no customer has',
  request: { params: key },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 409, 422) },
});

export function addTierRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ tiers: await db.listTiers() }, 200))
    .openapi(create, async (c) => {
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) => createTier(tx, c.req.valid('json')));
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const { expected_version, ...patch } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateTier(tx, c.req.valid('param').key, patch, expected_version),
      );
      return c.json(changed, 200);
    })
    .openapi(order, async (c) => {
      const { keys } = c.req.valid('json');
      const tiers = await db.transaction({ actor: c.get('actor')?.id }, (tx) => orderTiers(db, tx, keys));
      return c.json({ tiers }, 200);
    })
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deleteTier(tx, c.req.valid('param').key));
      return c.body(null, 204);
    });
}
