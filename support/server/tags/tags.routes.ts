import { type App, bigintIdText, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { TagSchema } from './tags.schema.ts';
import { createTag, listTags, removeTag, tagColours, updateTag } from './tags.ts';

/** One that looks like another one is the same, however its accents are written. */
const name = line({ charactersMax: 40 }).overwrite((value) => value.normalize('NFC'));
const fields = { name, colour: z.enum(tagColours) };
const key = object({ id: bigintIdText() });
const one = (description: string) => ({ description, content: { 'application/json': { schema: TagSchema } } });

const list = createStaffRoute({
  method: 'get',
  path: '/api/tags',
  right: 'conversations.read',
  summary: 'The tags that conversations may have',
  responses: {
    200: {
      description: 'By name.',
      content: { 'application/json': { schema: z.object({ tags: z.array(TagSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/tags',
  right: 'person',
  summary: 'Make a tag; for agents',
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
  summary: 'Remove a tag, from all conversations that have it',
  request: {
    params: key,
    query: object({
      dry_run: z
        .enum(['true', 'false'])
        .optional()
        .openapi({ type: 'boolean', description: 'Only counts the conversations that have it.' }),
    }),
  },
  responses: {
    200: {
      description: 'Removed.',
      content: { 'application/json': { schema: z.object({ conversations: z.int() }) } },
    },
    ...problems(404, 422),
  },
});

export function addTagRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ tags: await listTags(db) }, 200))
    .openapi(create, async (c) => {
      const actor = c.get('actor');
      await requireAgent(db, actor);
      const made = await db.transaction({ actor: actor?.id }, (tx) => createTag(tx, c.req.valid('json')));
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
    });
}
