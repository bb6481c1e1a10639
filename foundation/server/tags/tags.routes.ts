import { type App, bigintId, bigintIdText, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { customerKey } from '../customers/customers.routes.ts';
import { requireCustomer } from '../customers/customers.ts';
import { TagSchema } from './tags.schema.ts';
import { createTag, giveTag, listTags, removeTag, tagColours, takeTag, updateTag } from './tags.ts';

/** One that looks like another one is the same, however its accents are written. */
const name = line({ charactersMax: 40 }).overwrite((value) => value.normalize('NFC'));
const fields = { name, colour: z.enum(tagColours) };
const key = object({ id: bigintIdText() });
const ofCustomer = object({ ...customerKey.shape, tag: bigintIdText() });
const one = (description: string) => ({ description, content: { 'application/json': { schema: TagSchema } } });
const all = (description: string) => ({
  description,
  content: { 'application/json': { schema: z.object({ tags: z.array(TagSchema) }) } },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/tags',
  right: 'customers.read',
  summary: 'The tags that customers may have',
  responses: { 200: all('By name.') },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/tags',
  right: 'customers.write',
  summary: 'Make a tag',
  request: { body: jsonBody(object({ ...fields, colour: fields.colour.default('grey') }).openapi('NewTag')) },
  responses: { 201: one('Made.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/tags/{id}',
  right: 'administrator',
  summary: 'Rename a tag, or give it another colour',
  request: { params: key, body: jsonBody(object(fields).partial().openapi('TagChange')) },
  responses: { 200: one('The tag after the change.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/tags/{id}',
  right: 'administrator',
  summary: 'Remove a tag, from all customers that have it',
  request: {
    params: key,
    query: object({
      dry_run: z
        .enum(['true', 'false'])
        .optional()
        .openapi({ type: 'boolean', description: 'Only counts the customers that have it.' }),
    }),
  },
  responses: {
    200: {
      description: 'Removed.',
      content: { 'application/json': { schema: z.object({ customers: z.int() }) } },
    },
    ...problems(404, 422),
  },
});

const give = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/tags',
  operationId: 'giveCustomerTag',
  right: 'customers.write',
  summary: 'Give a customer a tag',
  description: 'It counts as no change of the customer’s version: nobody’s other change is refused for it.',
  request: { params: customerKey, body: jsonBody(object({ tag_id: bigintId() }).openapi('GivenTag')) },
  responses: { 200: all('The customer’s tags.'), ...problems(400, 404, 409, 410, 422) },
});

const take = createStaffRoute({
  method: 'delete',
  path: '/api/customers/{id}/tags/{tag}',
  operationId: 'takeCustomerTag',
  right: 'customers.write',
  summary: 'Take a tag from a customer',
  request: { params: ofCustomer },
  responses: { 200: all('The customer’s tags.'), ...problems(404, 422) },
});

export function addTagRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ tags: await listTags(db) }, 200))
    .openapi(create, async (c) => {
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) => createTag(tx, c.req.valid('json')));
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateTag(tx, c.req.valid('param').id, c.req.valid('json')),
      );
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      const isDryRun = c.req.valid('query').dry_run === 'true';
      const removed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        removeTag(tx, c.req.valid('param').id, { isDryRun }),
      );
      return c.json(removed, 200);
    })
    .openapi(give, async (c) => {
      const customer = await requireCustomer(db, c.req.valid('param').id);
      const { tag_id } = c.req.valid('json');
      const tags = await db.transaction({ actor: c.get('actor')?.id }, (tx) => giveTag(tx, customer.id, tag_id));
      return c.json({ tags }, 200);
    })
    .openapi(take, async (c) => {
      const { id, tag } = c.req.valid('param');
      const customer = await requireCustomer(db, id);
      const tags = await db.transaction({ actor: c.get('actor')?.id }, (tx) => takeTag(tx, customer.id, tag));
      return c.json({ tags }, 200);
    });
}
