import { type App, bigintIdText, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import {
  createCustomField,
  fieldRecords,
  fieldTypes,
  listCustomFields,
  numberMax,
  removeCustomField,
  updateCustomField,
} from './customfields.ts';

const key = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,39}$/, { error: 'must be 1 to 40 of a-z, 0-9 or _, starting with a letter' })
    .openapi({ example: 'renewal_month' });

const customValue = z.union([z.string().max(2_000), z.number().min(-numberMax).max(numberMax), z.boolean()]);

/** `custom` of a record in a request: values by key; null removes a value. */
export const customChange = () => z.record(key(), customValue.nullable());
/** `custom` of a record in an answer. */
export const customShown = () => z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const CustomFieldSchema = z
  .object({
    id: z.int(),
    record: z.enum(fieldRecords),
    key: key(),
    label: z.string(),
    type: z.enum(fieldTypes),
    choices: z.array(z.string()),
    is_required: z.boolean(),
    position: z.int(),
  })
  .openapi('CustomField');
const fieldKey = object({ id: bigintIdText() });
const label = () => line({ charactersMax: 80 });
const choices = () => z.array(line({ charactersMax: 80 })).max(100);
const answer = (description: string) => ({
  description,
  content: { 'application/json': { schema: CustomFieldSchema } },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/custom-fields',
  right: 'customers.read',
  summary: 'The organisation’s own fields',
  request: { query: object({ record: z.enum(fieldRecords).optional() }) },
  responses: {
    200: {
      description: 'All fields in their order.',
      content: { 'application/json': { schema: z.object({ custom_fields: z.array(CustomFieldSchema) }) } },
    },
    ...problems(422),
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/custom-fields',
  right: 'administrator',
  summary: 'Add a field to customers, companies or deals',
  request: {
    body: jsonBody(
      object({
        record: z.enum(fieldRecords),
        key: key(),
        label: label(),
        type: z.enum(fieldTypes),
        choices: choices().default([]),
        is_required: z.boolean().default(false),
      }).openapi('NewCustomField'),
    ),
  },
  responses: { 201: answer('Added.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/custom-fields/{id}',
  right: 'administrator',
  summary: 'Change a field’s label, choices, place, or whether it is required',
  request: {
    params: fieldKey,
    body: jsonBody(
      object({
        label: label().optional(),
        choices: choices().optional(),
        is_required: z.boolean().optional(),
        position: z.int().min(0).max(10_000).optional(),
      }).openapi('CustomFieldChange'),
    ),
  },
  responses: { 200: answer('The record after the change.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/custom-fields/{id}',
  right: 'administrator',
  summary: 'Remove a field with all its values',
  request: {
    params: fieldKey,
    query: object({
      dry_run: z.enum(['true', 'false']).optional().openapi({
        type: 'boolean',
        description: 'If true, only the number of values is answered and nothing is removed.',
      }),
    }),
  },
  responses: {
    200: {
      description: 'The number of values that were removed, or would be.',
      content: { 'application/json': { schema: z.object({ values: z.int() }) } },
    },
    ...problems(404, 422),
  },
});

export function addCustomFieldRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ custom_fields: await listCustomFields(db, c.req.valid('query').record) }, 200))
    .openapi(create, async (c) =>
      c.json(
        await db.transaction({ actor: c.get('actor')?.id }, (tx) => createCustomField(tx, c.req.valid('json'))),
        201,
      ),
    )
    .openapi(change, async (c) =>
      c.json(
        await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
          updateCustomField(tx, c.req.valid('param').id, c.req.valid('json')),
        ),
        200,
      ),
    )
    .openapi(remove, async (c) => {
      const isDryRun = c.req.valid('query').dry_run === 'true';
      const values = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        removeCustomField(tx, c.req.valid('param').id, { isDryRun }),
      );
      return c.json({ values }, 200);
    });
}
