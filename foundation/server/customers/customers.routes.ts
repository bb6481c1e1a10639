import {
  AddressSchema,
  type App,
  allows,
  answerCsv,
  appName,
  bigintIdText,
  type Caller,
  CompanySchema,
  CrmContextSchema,
  CustomerSchema,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  jsonBody,
  line,
  MergedFromSchema,
  object,
  PhoneSchema,
  pageSize,
  problems,
  refuseScope,
  SimilarCustomerSchema,
  time,
  uuid,
  z,
} from '@aether/http';
import { openHints } from '@aether/importer/hints';
import { canonicaliseDomain, type PlatformDb } from '@aether/platform';
import { customChange, customShown } from '../customfields/customfields.routes.ts';
import { type CustomValues, customValues, writeCustomValues } from '../customfields/customfields.ts';
import { TagSchema } from '../tags/tags.schema.ts';
import { type Tag, tagsOf } from '../tags/tags.ts';
import { accountTier } from '../tiers/tiers.routes.ts';
import { readProvenance } from '../timeline/history.ts';
import { describeWhere, readConditions, whereMax } from './conditions.ts';
import { type CustomerFilters, readSearch } from './customermatch.ts';
import { customersFile } from './customers.csv.ts';
import { getCustomerRecord, listCustomers, requireCustomer } from './customers.ts';
import { countCustomers, customerOrders, ordersBeside, readOrder } from './customersearch.ts';
import { settleActivities } from './lastactivity.ts';

/** A domain in its canonical form. */
export const companyDomain = () =>
  z
    .string()
    .max(253)
    .refine((domain) => canonicaliseDomain(domain) !== undefined, { error: 'must be a domain such as example.com' })
    .transform((domain) => canonicaliseDomain(domain) as string)
    .openapi({ type: 'string' });

/** A customer in a path: the uuid, or the number that Foundation gave. */
export const customerKey = object({
  id: z.union([uuid(), z.string().regex(/^[1-9]\d{0,17}$/, { abort: true })], {
    error: 'must be a customer’s UUID or crm_id',
  }),
});

const writable = {
  name: line({ charactersMax: 200 }),
  email: line({ charactersMax: 1_000 }),
  phone: line({ charactersMax: 40 }).nullable(),
  company_id: uuid().nullable(),
  account_tier: accountTier().nullable(),
  account_manager_id: z.string().min(1).max(255).nullable(),
};
const { name, email, ...optional } = writable;
const NewCustomerSchema = object({
  name,
  email,
  ...object(optional).partial().shape,
  custom: customChange().optional(),
}).openapi('NewCustomer');
const CustomerChangeSchema = object({
  ...object(writable).partial().shape,
  custom: customChange().optional(),
  former_address: z.enum(['keep', 'free']).optional().openapi({
    description:
      'When `email` names another address: `keep` (the default) leaves the one before with the customer; `free` takes it away, because it was a mistake, so that another customer can have it.',
  }),
  expected_version: z
    .int()
    .positive()
    .optional()
    .openapi({ description: 'The request is refused if somebody has changed the customer since this version.' }),
}).openapi('CustomerChange');

const named = z.object({ id: z.string(), name: z.string() });
const ListedCustomerSchema = CustomerSchema.extend({
  company: CompanySchema.nullable(),
  account_manager: named.nullable(),
  custom: customShown(),
  tags: z.array(TagSchema),
  open_deals: z.int(),
  open_deals_value: z.record(z.string(), z.number()).openapi({ description: 'By currency.', example: { EUR: 1200 } }),
  last_activity_at: z.string().nullable().openapi({ format: 'date-time', description: 'Null: never.' }),
}).openapi('ListedCustomer');
const ProvenanceSchema = z
  .object({
    app: z.string(),
    actor: named.nullable(),
    at: z.string().openapi({ format: 'date-time' }),
    old: z.any().openapi({ description: 'The value before the change.' }),
  })
  .openapi('Provenance');
const ReviewCandidateSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    reason: z.string().openapi({
      example: 'verified_claim',
      description: '`verified_claim`: one of the two proved an unverified address of the other.',
    }),
    evidence: z.record(z.string(), z.any()),
    since: z.string().openapi({ format: 'date-time' }),
    customer: named.extend({ email: z.string() }),
  })
  .openapi('ReviewCandidate');
const totalMax = 1_000;
/** The orders whose first page is wanted from above. */
const downwards = ['created', 'updated', 'last_activity', 'open_deals'];
export const customerFilters = {
  search: line({ charactersMax: 200 }).optional(),
  tier: accountTier().optional(),
  manager: z.string().min(1).max(255).optional().openapi({ description: 'Id of the account manager.' }),
  no_manager: z.enum(['true', 'false']).optional().openapi({ type: 'boolean' }),
  company: uuid().optional(),
  no_company_at: companyDomain().optional().openapi({
    description: 'A domain: only customers without a company whose address is there.',
    example: 'example.com',
  }),
  app: appName().optional().openapi({ description: 'The app that created them.' }),
  created_after: time().optional(),
  created_before: time().optional(),
  tag: bigintIdText().optional().openapi({ description: 'Id of a tag that they have.' }),
  where: z.string().max(whereMax.characters).optional().openapi({
    description: describeWhere,
    example: '{"match":"all","conditions":[{"field":"last_activity","op":"none_for","value":90}]}',
  }),
};
type AskedFilters = z.infer<ReturnType<typeof object<typeof customerFilters>>>;

/**
 * The filters of a list as they are asked for.
 *
 * @throws InvalidField, FilterOutdated; Problem 403 for a machine that asks by what it may not read
 */
export async function readFilters(
  db: PlatformDb,
  { no_manager, where, ...filters }: AskedFilters,
  caller: Caller | undefined,
): Promise<CustomerFilters> {
  const read = where === undefined ? undefined : await readConditions(db.reads, where);
  if (read?.needsDeals && !(caller && allows(caller, 'deals.read'))) throw refuseScope('deals.read');
  await settleActivities(db);
  return readSearch(db, { ...filters, no_manager: no_manager === 'true', where: read?.conditions });
}

const list = createStaffRoute({
  method: 'get',
  path: '/api/customers',
  right: 'customers.read',
  summary: 'Find customers by name, address, company, number or telephone number',
  description:
    'On the first page `total` counts up to 1,000, and `total_is_more` says that there are more. What very many fit is not counted: `total` is then how many the page shows.',
  request: {
    query: object({
      ...customerFilters,
      sort: z
        .union(
          [
            z.enum([...Object.keys(customerOrders), ...ordersBeside]),
            z.string().regex(/^custom\.[a-z][a-z0-9_]{0,39}$/),
          ],
          {
            error: `must be one of ${[...Object.keys(customerOrders), ...ordersBeside].join(', ')} and custom.<key>`,
          },
        )
        .default('created')
        .openapi({
          type: 'string',
          description: `${[...Object.keys(customerOrders), ...ordersBeside].map((each) => `\`${each}\``).join(', ')}, or a custom field as \`custom.<key>\`. \`open_deals\` is what they are worth together today in the reporting currency. Customers who have nothing of it come last.`,
        }),
      dir: z
        .enum(['asc', 'desc'])
        .optional()
        .openapi({ description: 'By default newest first, the most valuable first, and names from A to Z.' }),
      cursor: cursor().optional(),
      limit: pageSize({ max: 100, default: 25 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({
            customers: z.array(ListedCustomerSchema),
            next_cursor: z.string().nullable(),
            total: z.int().optional(),
            total_is_more: z.boolean().optional(),
          }),
        },
      },
    },
    ...problems(422),
  },
});

const file = createStaffRoute({
  method: 'get',
  path: '/api/customers.csv',
  right: 'customers.read',
  summary: 'All customers that the filters let through, as a file',
  description:
    'The newest first. The headings of what an import takes are its fields, so that the file can be imported.',
  request: { query: object(customerFilters) },
  responses: { 200: csvResponse, ...problems(422) },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/customers',
  right: 'customers.write',
  summary: 'Create a customer',
  request: { body: jsonBody(NewCustomerSchema) },
  responses: {
    201: { description: 'Created.', content: { 'application/json': { schema: CustomerSchema } } },
    ...problems(400, 409, 422),
  },
});

const findOrCreate = createStaffRoute({
  method: 'post',
  path: '/api/customers/find-or-create',
  right: 'customers.write',
  summary: 'Find the customer with an address, or create it',
  description:
    'Any number of callers at once, in any spelling of the address, get the same customer. One that is there stays as it is, whatever else the body says.',
  request: { body: jsonBody(NewCustomerSchema) },
  responses: {
    200: { description: 'It was there.', content: { 'application/json': { schema: CustomerSchema } } },
    201: { description: 'Created.', content: { 'application/json': { schema: CustomerSchema } } },
    ...problems(400, 409, 422),
  },
});

const similar = createStaffRoute({
  method: 'post',
  path: '/api/customers/similar',
  operationId: 'findSimilarCustomers',
  right: 'customers.read',
  readers: 'changes nothing',
  summary:
    'Customers that may be the person who is being written down; by POST, because nothing of it may be part of a URL',
  description: 'At most three, the likeliest first. What is missing or incomplete says nothing.',
  request: {
    body: jsonBody(
      object({
        name: line({ charactersMax: 200 }).optional(),
        email: line({ charactersMax: 1_000 }).optional(),
        phone: line({ charactersMax: 40 }).optional(),
        company_id: uuid().optional(),
      }).openapi('CustomerDraft'),
    ),
  },
  responses: {
    200: {
      description: 'Nobody, if the list is empty.',
      content: { 'application/json': { schema: z.object({ similar: z.array(SimilarCustomerSchema) }) } },
    },
    ...problems(400, 422),
  },
});

const get = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}',
  right: 'customers.read',
  summary: 'One customer with its company, its CRM context, and the last change of each field',
  request: { params: customerKey },
  responses: {
    200: {
      description: 'The customer. An old number or the id of a merged customer finds the survivor.',
      content: {
        'application/json': {
          schema: z.object({
            customer: CustomerSchema,
            company: CompanySchema.nullable(),
            crm: CrmContextSchema,
            custom: customShown(),
            tags: z.array(TagSchema),
            provenance: z
              .record(z.string(), ProvenanceSchema)
              .openapi({ description: 'The last change of each shared field.' }),
            addresses: z
              .array(AddressSchema)
              .openapi({ description: 'Every address of the customer, the primary one first.' }),
            phones: z
              .array(PhoneSchema)
              .openapi({ description: 'Every telephone number of the customer, the primary one first.' }),
            candidates: z
              .array(ReviewCandidateSchema)
              .openapi({ description: 'Customers who may be the same person, for somebody to compare.' }),
            merged_from: z
              .array(MergedFromSchema)
              .openapi({ description: 'Customers that were merged into this one.' }),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/customers/{id}',
  right: 'customers.write',
  summary: 'Change the given fields of a customer',
  request: { params: customerKey, body: jsonBody(CustomerChangeSchema) },
  responses: {
    200: { description: 'The customer after the change.', content: { 'application/json': { schema: CustomerSchema } } },
    ...problems(400, 403, 404, 409, 410, 422),
  },
});

export function addCustomerRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  const findHints = openHints(db);

  async function count(filters: CustomerFilters, shown: number, isFrequent: boolean, isAll: boolean) {
    if (isAll || isFrequent) return { total: shown, total_is_more: !isAll };
    const total = await countCustomers(db.reads, filters, totalMax);
    return { total: Math.min(total, totalMax), total_is_more: total > totalMax };
  }

  return app
    .openapi(list, async (c) => {
      const { cursor, limit, sort, dir, ...filters } = c.req.valid('query');
      const shown = await readFilters(db, filters, c.get('caller'));
      const order = await readOrder(db.reads, sort);
      const direction = dir ?? (downwards.includes(sort) ? 'desc' : 'asc');
      // A field may have been made again with values of another type: the places of before lead nowhere.
      const by = order.beside ? `${sort} ${order.beside.type}` : sort;
      const name = `customers ${by} ${direction}`;
      const after = await cursors.open(name, cursor);
      const found = await listCustomers(db.reads, { filters: shown, ...order, direction, after, limit: limit + 1 });
      const { page: customers, next_cursor } = await cursors.cut(name, found.customers, limit);
      const counted =
        after === undefined && (await count(shown, customers.length, found.isFrequent, next_cursor === null));
      return c.json({ customers, next_cursor, ...counted }, 200);
    })
    .openapi(file, async (c) => {
      const filters = await readFilters(db, c.req.valid('query'), c.get('caller'));
      return answerCsv(c, await customersFile(db, filters));
    })
    .openapi(create, async (c) => {
      const { custom, ...customer } = c.req.valid('json');
      const made = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const made = await db.createCustomer(customer, { tx });
        await writeCustomValues(tx, 'customer', made.id, custom, { isNew: true });
        return requireCustomer(db, made.id, tx);
      });
      return c.json(made, 201);
    })
    .openapi(findOrCreate, async (c) => {
      const { custom, email, name, ...rest } = c.req.valid('json');
      const { customer, created } = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const found = await db.findOrCreateCustomer({ email, name }, { tx });
        if (!found.created) return found;
        const { id } = await db.updateCustomer(found.customer.id, rest, { tx });
        await writeCustomValues(tx, 'customer', id, custom, { isNew: true });
        return { customer: await requireCustomer(db, id, tx), created: true };
      });
      return created ? c.json(customer, 201) : c.json(customer, 200);
    })
    .openapi(similar, async (c) => c.json({ similar: await findHints(c.req.valid('json')) }, 200))
    .openapi(get, async (c) => {
      const record = await getCustomerRecord(db, c.req.valid('param').id);
      const { id } = record.customer;
      const [[own], provenance, addresses, phones, candidates, merged_from] = await Promise.all([
        db.query<{ custom: CustomValues; tags: Tag[] }>(
          `select ${customValues('customer', '$1::uuid')} as custom, ${tagsOf('$1::uuid')} as tags`,
          [id],
        ),
        readProvenance(db, id),
        db.listAddresses(id),
        db.listPhones(id),
        db.listReviewCandidates(id),
        db.listMergedFrom(id),
      ]);
      return c.json(
        {
          ...record,
          custom: own?.custom ?? {},
          tags: own?.tags ?? [],
          provenance,
          addresses,
          phones,
          candidates,
          merged_from,
        },
        200,
      );
    })
    .openapi(change, async (c) => {
      const {
        expected_version: expectedVersion,
        former_address: formerAddress,
        custom,
        ...patch
      } = c.req.valid('json');
      const { id } = await requireCustomer(db, c.req.valid('param').id);
      const changed = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const changed = await db.updateCustomer(id, patch, { expectedVersion, formerAddress, tx });
        await writeCustomValues(tx, 'customer', changed.id, custom);
        return requireCustomer(db, changed.id, tx);
      });
      return c.json(changed, 200);
    });
}
