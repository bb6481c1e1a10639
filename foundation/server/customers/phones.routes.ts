import { type App, createStaffRoute, jsonBody, line, object, PhoneSchema, problems, uuid, z } from '@aether/http';
import type { ChangedPhones, PlatformDb } from '@aether/platform';
import { customerKey } from './customers.routes.ts';
import { requireCustomer } from './customers.ts';

const phoneKey = object({ ...customerKey.shape, phone: uuid() });
const expected_version = z
  .int()
  .positive()
  .optional()
  .openapi({ description: 'The request is refused if somebody has changed the customer since this version.' });
const VersionedSchema = object({ expected_version }).openapi('PhoneChange');

const ChangedSchema = z
  .object({
    customer_id: z.string().openapi({ format: 'uuid' }),
    phone_id: z.string().openapi({ format: 'uuid', description: 'The id of the number that the change was about.' }),
    version: z.int().openapi({ description: 'The version of the customer after the change.' }),
    phones: z.array(PhoneSchema),
  })
  .openapi('ChangedPhones');
const answer = {
  description: 'All telephone numbers after the change.',
  content: { 'application/json': { schema: ChangedSchema } },
};

const add = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/phones',
  right: 'customers.write',
  summary: 'Add a telephone number to a customer',
  description:
    'The first one is the primary one. A number that the customer has already stays as it is. Several customers may have the same number.',
  request: {
    params: customerKey,
    body: jsonBody(object({ phone: line({ charactersMax: 40 }), expected_version }).openapi('NewPhone')),
  },
  responses: { 201: answer, ...problems(400, 404, 409, 410, 422) },
});

const makePrimary = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/phones/{phone}/primary',
  operationId: 'makeCustomerPhonePrimary',
  right: 'customers.write',
  summary: 'Make a telephone number the primary one',
  description: 'The former primary number stays with the customer as another number.',
  request: { params: phoneKey, body: jsonBody(VersionedSchema) },
  responses: { 200: answer, ...problems(400, 404, 409, 410, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/customers/{id}/phones/{phone}',
  right: 'customers.write',
  summary: 'Take a telephone number away from a customer',
  description: 'The primary one can be removed only as the last.',
  request: {
    params: phoneKey,
    query: object({ expected_version: z.coerce.number().int().positive().optional().openapi({ type: 'integer' }) }),
  },
  responses: { 200: answer, ...problems(404, 409, 410, 422) },
});

const restore = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/phones/{phone}/restore',
  right: 'customers.write',
  summary: 'Give a telephone number back that was taken away',
  description: 'It comes back as another number, or as the primary one if the customer has none.',
  request: { params: phoneKey, body: jsonBody(VersionedSchema) },
  responses: { 200: answer, ...problems(400, 404, 409, 410, 422) },
});

export function addPhoneRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(add, async (c) => {
      const { phone, expected_version: expectedVersion } = c.req.valid('json');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const changed = await db.addPhone(id, phone, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 201);
    })
    .openapi(makePrimary, async (c) => {
      const { phone } = c.req.valid('param');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { expected_version: expectedVersion } = c.req.valid('json');
      const changed = await db.makePhonePrimary(id, phone, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 200);
    })
    .openapi(remove, async (c) => {
      const { phone } = c.req.valid('param');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { expected_version: expectedVersion } = c.req.valid('query');
      const changed = await db.removePhone(id, phone, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 200);
    })
    .openapi(restore, async (c) => {
      const { phone } = c.req.valid('param');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { expected_version: expectedVersion } = c.req.valid('json');
      const changed = await db.restorePhone(id, phone, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 200);
    });
}

const toAnswer = ({ customerId: customer_id, phoneId: phone_id, version, phones }: ChangedPhones) => ({
  customer_id,
  phone_id,
  version,
  phones,
});
