import { type App, bigintIdText, createStaffRoute, jsonBody, line, object, problems, uuid, z } from '@aether/http';
import { type PlatformDb, ReferenceNotFound } from '@aether/platform';
import { requireCustomer } from '../customers/customers.ts';
import { dealContactsMax, listDealContacts, makePrimary, putDealContact, removeDealContact } from './contacts.ts';
import { DealRecordSchema, expectedVersion } from './deals.routes.ts';

const named = z.object({ id: z.string(), name: z.string() });
const all = (description: string) => ({
  description,
  content: {
    'application/json': {
      schema: z.object({
        contacts: z.array(
          z
            .object({
              customer: named,
              company: named.nullable(),
              role: z.string().nullable().openapi({ example: 'Decision maker' }),
              is_primary: z.boolean().openapi({ description: 'It is the customer of the deal.' }),
            })
            .openapi('DealContact'),
        ),
      }),
    },
  },
});
const ofDeal = object({ id: bigintIdText() });
const one = object({ ...ofDeal.shape, customer: uuid() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/deals/{id}/contacts',
  operationId: 'listDealContacts',
  right: 'deals.read',
  summary: 'Who has a part in a deal, and which',
  request: { params: ofDeal },
  responses: {
    200: all('The primary contact first, the others in the order in which they came.'),
    ...problems(404, 422),
  },
});

const put = createStaffRoute({
  method: 'put',
  path: '/api/deals/{id}/contacts/{customer}',
  operationId: 'putDealContact',
  right: 'deals.write',
  summary: 'Make a customer a contact of a deal, or change the part of a contact',
  description: `It counts as no change of the deal’s version: two people may add contacts at once. A deal has at most ${dealContactsMax}.`,
  request: {
    params: one,
    body: jsonBody(
      object({
        role: line({ charactersMax: 80 })
          .nullable()
          .optional()
          .openapi({ description: 'Without it, the part stays as it is.', example: 'Decision maker' }),
      }).openapi('DealContactChange'),
    ),
  },
  responses: { 200: all('The contacts of the deal now.'), ...problems(400, 404, 409, 410, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/deals/{id}/contacts/{customer}',
  operationId: 'removeDealContact',
  right: 'deals.write',
  summary: 'Take a contact out of a deal; the primary one only after another one is primary',
  request: { params: one },
  responses: { 200: all('The contacts of the deal now.'), ...problems(404, 409, 422) },
});

const primary = createStaffRoute({
  method: 'post',
  path: '/api/deals/{id}/primary',
  operationId: 'makePrimaryContact',
  right: 'deals.write',
  summary: 'Make a customer the primary contact of a deal',
  description:
    'The deal is of this customer from then on, with its history; the former one stays a contact. Its company and what people wrote stay as they are.',
  request: {
    params: ofDeal,
    body: jsonBody(object({ customer_id: uuid(), expected_version: expectedVersion() }).openapi('PrimaryContact')),
  },
  responses: {
    200: { description: 'The deal after the change.', content: { 'application/json': { schema: DealRecordSchema } } },
    ...problems(400, 404, 409, 410, 422),
  },
});

export function addDealContactRoutes(app: App, db: PlatformDb) {
  /** The customer who goes on, if this one was merged. */
  const present = async (id: string): Promise<string> => {
    const customer = await db.getCustomerById(id);
    if (!customer) throw new ReferenceNotFound('customer_id');
    return customer.id;
  };
  return app
    .openapi(list, async (c) => c.json({ contacts: await listDealContacts(db.reads, c.req.valid('param').id) }, 200))
    .openapi(put, async (c) => {
      const { id, customer } = c.req.valid('param');
      const { id: contact } = await requireCustomer(db, customer);
      const contacts = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        putDealContact(tx, id, contact, c.req.valid('json').role),
      );
      return c.json({ contacts }, 200);
    })
    .openapi(remove, async (c) => {
      const { id, customer } = c.req.valid('param');
      const { id: contact } = await requireCustomer(db, customer);
      const contacts = await db.transaction({ actor: c.get('actor')?.id }, (tx) => removeDealContact(tx, id, contact));
      return c.json({ contacts }, 200);
    })
    .openapi(primary, async (c) => {
      const { customer_id, expected_version } = c.req.valid('json');
      const contact = await present(customer_id);
      const deal = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        makePrimary(tx, c.req.valid('param').id, contact, expected_version),
      );
      return c.json(deal, 200);
    });
}
