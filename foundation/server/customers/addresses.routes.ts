import { AddressSchema, type App, createStaffRoute, jsonBody, line, object, problems, uuid, z } from '@aether/http';
import type { ChangedAddresses, PlatformDb } from '@aether/platform';
import { customerKey } from './customers.routes.ts';
import { requireCustomer } from './customers.ts';

const addressKey = object({ ...customerKey.shape, address: uuid() });
const expected_version = z
  .int()
  .positive()
  .optional()
  .openapi({ description: 'The request is refused if somebody has changed the customer since this version.' });
const VersionedSchema = object({ expected_version }).openapi('AddressChange');

const ChangedSchema = z
  .object({
    customer_id: z.string().openapi({ format: 'uuid' }),
    address_id: z.string().openapi({ format: 'uuid', description: 'The id of the address that the change was about.' }),
    version: z.int().openapi({ description: 'The version of the customer after the change.' }),
    addresses: z.array(AddressSchema),
  })
  .openapi('ChangedAddresses');
const answer = {
  description: 'All addresses after the change.',
  content: { 'application/json': { schema: ChangedSchema } },
};

const add = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/addresses',
  right: 'customers.write',
  summary: 'Add an address to a customer',
  description:
    'It is unverified, because nobody has proven it. An address that the customer has already stays as it is.',
  request: {
    params: customerKey,
    body: jsonBody(object({ email: line({ charactersMax: 1_000 }), expected_version }).openapi('NewAddress')),
  },
  responses: { 201: answer, ...problems(400, 404, 409, 410, 422) },
});

const makePrimary = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/addresses/{address}/primary',
  operationId: 'makeCustomerAddressPrimary',
  right: 'customers.write',
  summary: 'Make an address the primary one',
  description: 'The former primary address stays with the customer as another address.',
  request: { params: addressKey, body: jsonBody(VersionedSchema) },
  responses: { 200: answer, ...problems(400, 404, 409, 410, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/customers/{id}/addresses/{address}',
  right: 'customers.write',
  summary: 'Take an address away from a customer',
  description: 'Another customer can have it then. The primary address cannot be removed.',
  request: {
    params: addressKey,
    query: object({ expected_version: z.coerce.number().int().positive().optional().openapi({ type: 'integer' }) }),
  },
  responses: { 200: answer, ...problems(404, 409, 410, 422) },
});

const restore = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/addresses/{address}/restore',
  right: 'customers.write',
  summary: 'Give an address back that was taken away',
  description:
    'It is verified again if it was before. The request is refused if another customer has the address by now.',
  request: { params: addressKey, body: jsonBody(VersionedSchema) },
  responses: { 200: answer, ...problems(400, 404, 409, 410, 422) },
});

export function addAddressRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(add, async (c) => {
      const { email, expected_version: expectedVersion } = c.req.valid('json');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const changed = await db.addAddress(id, email, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 201);
    })
    .openapi(makePrimary, async (c) => {
      const { address } = c.req.valid('param');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { expected_version: expectedVersion } = c.req.valid('json');
      const changed = await db.makeAddressPrimary(id, address, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 200);
    })
    .openapi(remove, async (c) => {
      const { address } = c.req.valid('param');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { expected_version: expectedVersion } = c.req.valid('query');
      const changed = await db.removeAddress(id, address, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 200);
    })
    .openapi(restore, async (c) => {
      const { address } = c.req.valid('param');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const { expected_version: expectedVersion } = c.req.valid('json');
      const changed = await db.restoreAddress(id, address, { expectedVersion, actor: c.get('actor')?.id });
      return c.json(toAnswer(changed), 200);
    });
}

const toAnswer = ({ customerId: customer_id, addressId: address_id, version, addresses }: ChangedAddresses) => ({
  customer_id,
  address_id,
  version,
  addresses,
});
