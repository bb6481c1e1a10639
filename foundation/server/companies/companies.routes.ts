import {
  type App,
  answerCsv,
  appName,
  createStaffRoute,
  csvResponse,
  cursor,
  cursorsOf,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  time,
  uuid,
  z,
} from '@aether/http';
import { NotFound, type PlatformDb, readCompanyDomain } from '@aether/platform';
import { customChange, customShown } from '../customfields/customfields.routes.ts';
import { writeCustomValues } from '../customfields/customfields.ts';
import { companiesFile } from './companies.csv.ts';
import { type CompanyOrder, companyOrders, getCompanyRecord, listCompanies } from './companies.ts';
import { createContact, deleteContact, listContacts, updateContact } from './contacts.ts';
import { sumDeals } from './dealsums.ts';
import { countNewcomers, newcomersMax, proposeCompany } from './domains.ts';
import { listPeople, readLastActivities } from './people.ts';
import { findSimilarCompanies } from './similar.ts';

const moment = () => z.string().openapi({ format: 'date-time' });
const CompanySchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    name: z.string(),
    domain: z.string().nullable(),
    owner_id: z.string().nullable().openapi({ description: 'The user who looks after the company.' }),
    version: z.int(),
    created_at: moment(),
    updated_at: moment(),
    created_by_app: appName(),
  })
  .openapi('CompanyRecord');
const owner = z.object({ id: z.string(), name: z.string() }).nullable();
const counts = { customers: z.int(), open_deals: z.int() };
const ContactSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    company_id: z.string(),
    customer_id: z.string().nullable(),
    name: z.string(),
    title: z.string().nullable(),
    email: z.string().nullable(),
    phone: z.string().nullable().openapi({ description: 'As it was written.' }),
    phone_key: z.string().nullable().openapi({ description: 'The phone in E.164.', example: '+49301234567' }),
    phone_extension: z.string().nullable(),
    version: z.int(),
    created_at: moment(),
    updated_at: moment(),
  })
  .openapi('Contact');

const key = object({ id: uuid() });
const companyFields = {
  name: line({ charactersMax: 200 }),
  domain: z
    .string()
    .trim()
    .max(2_000)
    .refine((domain) => readCompanyDomain(domain) !== undefined, { error: 'must be a domain such as example.com' })
    .nullable()
    .openapi({ description: 'A domain, or the address of a website, of which its domain without `www.` is kept.' }),
  owner_id: z.string().min(1).max(255).nullable(),
};
const contactFields = {
  name: line({ charactersMax: 200 }),
  title: line({ charactersMax: 120 }).nullable(),
  email: line({ charactersMax: 254 }).nullable(),
  phone: line({ charactersMax: 40 }).nullable(),
  customer_id: uuid().nullable(),
};
const expectedVersion = () =>
  z
    .int()
    .positive()
    .optional()
    .openapi({ description: 'The request is refused if somebody has changed the record since this version.' });
const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

const filters = {
  search: line({ charactersMax: 200 })
    .optional()
    .openapi({ description: 'Words of the name, or the beginning of the domain.' }),
  owner: z.string().min(1).max(255).optional().openapi({ description: 'Id of the user who looks after them.' }),
  no_owner: z.enum(['true', 'false']).optional().openapi({ type: 'boolean' }),
};

const list = createStaffRoute({
  method: 'get',
  path: '/api/companies',
  right: 'companies.read',
  summary: 'Find companies by name, domain or owner',
  request: {
    query: object({
      ...filters,
      sort: z.enum(Object.keys(companyOrders) as [CompanyOrder]).default('name'),
      dir: z.enum(['asc', 'desc']).optional(),
      cursor: cursor().optional(),
      limit: pageSize({ max: 200, default: 50 }),
    }),
  },
  responses: {
    200: json(
      'One page.',
      z.object({ companies: z.array(CompanySchema.extend({ owner, ...counts })), next_cursor: z.string().nullable() }),
    ),
    ...problems(422),
  },
});

const file = createStaffRoute({
  method: 'get',
  path: '/api/companies.csv',
  right: 'companies.read',
  summary: 'All companies that the filters let through, as a file',
  description: 'The newest first.',
  request: { query: object(filters) },
  responses: { 200: csvResponse, ...problems(422) },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/companies',
  right: 'companies.write',
  summary: 'Create a company',
  request: {
    body: jsonBody(
      object({
        name: companyFields.name,
        domain: companyFields.domain.optional(),
        owner_id: companyFields.owner_id.optional(),
        custom: customChange().optional(),
      }).openapi('NewCompany'),
    ),
  },
  responses: { 201: json('Created.', CompanySchema), ...problems(400, 409, 422) },
});

const get = createStaffRoute({
  method: 'get',
  path: '/api/companies/{id}',
  right: 'companies.read',
  summary: 'One company',
  request: { params: key },
  responses: {
    200: json('The company.', z.object({ company: CompanySchema, owner, custom: customShown(), ...counts })),
    ...problems(404, 422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/companies/{id}',
  right: 'companies.write',
  summary: 'Change the given fields of a company',
  request: {
    params: key,
    body: jsonBody(
      object({
        ...object(companyFields).partial().shape,
        custom: customChange().optional(),
        expected_version: expectedVersion(),
      }).openapi('CompanyChange'),
    ),
  },
  responses: { 200: json('The record after the change.', CompanySchema), ...problems(400, 404, 409, 422) },
});

const people = createStaffRoute({
  method: 'get',
  path: '/api/companies/{id}/customers',
  operationId: 'listCompanyCustomers',
  right: 'customers.read',
  needs: { last_activities: 'activities.read' },
  summary: 'The customers of a company, by name, with who looks after each and what was done last',
  request: {
    params: key,
    query: object({ cursor: cursor().optional(), limit: pageSize({ max: 200, default: 50 }) }),
  },
  responses: {
    200: json(
      'One page.',
      z.object({
        customers: z.array(
          z
            .object({
              id: z.string().openapi({ format: 'uuid' }),
              name: z.string(),
              email: z.string(),
              account_tier: z.string().nullable(),
              account_manager: z.object({ id: z.string(), name: z.string() }).nullable(),
            })
            .openapi('CompanyCustomer'),
        ),
        last_activities: z
          .record(z.string(), z.object({ type: z.string(), occurred_at: moment(), app: z.string() }))
          .optional()
          .openapi({
            description:
              'The newest activity of each of these customers that has one, by the customer’s id. For a machine only with the scope `activities.read`.',
          }),
        next_cursor: z.string().nullable(),
      }),
    ),
    ...problems(404, 422),
  },
});

const proposed = createStaffRoute({
  method: 'post',
  path: '/api/companies/proposed',
  operationId: 'proposeCompany',
  right: 'companies.read',
  readers: 'changes nothing',
  summary: 'The company that has the domain of an address; by POST, because an address may not be part of a URL',
  description: 'Never for a domain that strangers share, such as gmail.com. What is incomplete has no company.',
  request: { body: jsonBody(object({ email: line({ charactersMax: 1_000 }) }).openapi('CompanyOfAddress')) },
  responses: {
    200: json(
      'Null if there is none.',
      z.object({
        company: z
          .object({ id: z.string().openapi({ format: 'uuid' }), name: z.string(), domain: z.string() })
          .openapi('ProposedCompany')
          .nullable(),
      }),
    ),
    ...problems(400, 422),
  },
});

const similar = createStaffRoute({
  method: 'post',
  path: '/api/companies/similar',
  operationId: 'findSimilarCompanies',
  right: 'companies.read',
  readers: 'changes nothing',
  summary: 'Companies that may be the one which is being written down',
  description:
    'At most three: the one that has the domain or a domain above it, then those with every word of the name but for its legal form. What is missing or incomplete says nothing.',
  request: {
    body: jsonBody(
      object({
        name: line({ charactersMax: 200 }).optional(),
        domain: line({ charactersMax: 1_000 }).optional(),
      }).openapi('CompanyDraft'),
    ),
  },
  responses: {
    200: json(
      'None, if the list is empty.',
      z.object({
        similar: z.array(
          z
            .object({
              id: z.string().openapi({ format: 'uuid' }),
              name: z.string(),
              domain: z.string().nullable(),
              reasons: z.array(z.enum(['domain', 'name'])),
            })
            .openapi('SimilarCompany'),
        ),
      }),
    ),
    ...problems(400, 422),
  },
});

const newcomers = createStaffRoute({
  method: 'get',
  path: '/api/companies/{id}/newcomers',
  operationId: 'countCompanyNewcomers',
  right: 'customers.read',
  summary: 'How many customers without a company have an address at this company’s domain',
  description:
    'The filter `no_company_at` lists them, and `POST /api/customers/acts` with it gives them the company. Nobody is counted for a domain that strangers share.',
  request: { params: key },
  responses: {
    200: json(
      'The count.',
      z.object({
        domain: z.string().nullable(),
        count: z.int().openapi({ description: `Up to ${newcomersMax}.` }),
        is_more: z.boolean(),
      }),
    ),
    ...problems(404, 422),
  },
});

const sumsOf = (description: string) =>
  z
    .object({ count: z.int(), sums: z.record(z.string(), z.number()).openapi({ example: { EUR: 48_000 } }) })
    .openapi({ description });
const dealSums = createStaffRoute({
  method: 'get',
  path: '/api/companies/{id}/deal-sums',
  operationId: 'sumCompanyDeals',
  right: 'deals.read',
  summary: 'How many deals a company has, and the sums of their amounts by currency: open, won, lost',
  request: {
    params: key,
    query: object({
      since: time()
        .optional()
        .openapi({ description: 'The time for `won_since`; by default the beginning of the year in UTC.' }),
    }),
  },
  responses: {
    200: json(
      'The deals of the company, whichever customer they are with.',
      z
        .object({
          open: sumsOf('Open deals.'),
          won: sumsOf('Deals that were won at any time.'),
          won_since: sumsOf('Of these, the ones that were closed at that time or after it.'),
          lost: sumsOf('Deals that were lost at any time.'),
        })
        .openapi('CompanyDealSums'),
    ),
    ...problems(404, 422),
  },
});

const contacts = createStaffRoute({
  method: 'get',
  path: '/api/companies/{id}/contacts',
  right: 'companies.read',
  summary: 'The people of a company and their roles, by name',
  request: {
    params: key,
    query: object({ cursor: cursor().optional(), limit: pageSize({ max: 200, default: 100 }) }),
  },
  responses: {
    200: json('One page.', z.object({ contacts: z.array(ContactSchema), next_cursor: z.string().nullable() })),
    ...problems(404, 422),
  },
});

const addContact = createStaffRoute({
  method: 'post',
  path: '/api/companies/{id}/contacts',
  right: 'companies.write',
  summary: 'Add a person’s role at a company',
  request: {
    params: key,
    body: jsonBody(
      object({ ...object(contactFields).partial().shape, name: contactFields.name }).openapi('NewContact'),
    ),
  },
  responses: { 201: json('Added.', ContactSchema), ...problems(400, 404, 409, 410, 422) },
});

const changeContact = createStaffRoute({
  method: 'patch',
  path: '/api/contacts/{id}',
  right: 'companies.write',
  summary: 'Change the given fields of a contact',
  request: {
    params: key,
    body: jsonBody(
      object({ ...object(contactFields).partial().shape, expected_version: expectedVersion() }).openapi(
        'ContactChange',
      ),
    ),
  },
  responses: { 200: json('The record after the change.', ContactSchema), ...problems(400, 404, 409, 410, 422) },
});

const removeContact = createStaffRoute({
  method: 'delete',
  path: '/api/contacts/{id}',
  right: 'companies.write',
  summary: 'Remove a person’s role at a company',
  request: {
    params: key,
    query: object({ expected_version: z.coerce.number().int().positive().optional().openapi({ type: 'integer' }) }),
  },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 409, 422) },
});

const readFilters = ({ no_owner, ...filters }: { search?: string; owner?: string; no_owner?: 'true' | 'false' }) => ({
  ...filters,
  no_owner: no_owner === 'true',
});

export function addCompanyRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const { search, owner, no_owner, sort, dir, ...asked } = c.req.valid('query');
      const filters = readFilters({ search, owner, no_owner });
      const direction = dir ?? (sort === 'name' ? 'asc' : 'desc');
      const { page: companies, next_cursor } = await cursors.page(`companies ${sort} ${direction}`, asked, (paging) =>
        listCompanies(db.reads, { filters, sort, direction, ...paging }),
      );
      return c.json({ companies, next_cursor }, 200);
    })
    .openapi(file, async (c) => answerCsv(c, await companiesFile(db, readFilters(c.req.valid('query')))))
    .openapi(create, async (c) => {
      const { custom, ...company } = c.req.valid('json');
      const made = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const made = await db.createCompany(company, { tx });
        await writeCustomValues(tx, 'company', made.id, custom, { isNew: true });
        return (await db.getCompanyById(made.id, { tx })) ?? made;
      });
      return c.json(made, 201);
    })
    .openapi(get, async (c) => c.json(await getCompanyRecord(db, c.req.valid('param').id), 200))
    .openapi(change, async (c) => {
      const { expected_version: expectedVersion, custom, ...patch } = c.req.valid('json');
      const { id } = c.req.valid('param');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const changed = await db.updateCompany(id, patch, { expectedVersion, tx });
        await writeCustomValues(tx, 'company', id, custom);
        return (await db.getCompanyById(id, { tx })) ?? changed;
      });
      return c.json(changed, 200);
    })
    .openapi(people, async (c) => {
      const { id } = c.req.valid('param');
      if (!(await db.getCompanyById(id))) throw new NotFound('company');
      const { page: customers, next_cursor } = await cursors.page(
        `customers of company ${id}`,
        c.req.valid('query'),
        (paging) => listPeople(db.reads, id, paging),
      );
      const last_activities = await readLastActivities(
        db.reads,
        customers.map(({ id }) => id),
      );
      return c.json({ customers, last_activities, next_cursor }, 200);
    })
    .openapi(proposed, async (c) => c.json({ company: await proposeCompany(db.reads, c.req.valid('json').email) }, 200))
    .openapi(similar, async (c) => c.json({ similar: await findSimilarCompanies(db.reads, c.req.valid('json')) }, 200))
    .openapi(newcomers, async (c) => {
      const company = await db.getCompanyById(c.req.valid('param').id);
      if (!company) throw new NotFound('company');
      return c.json(await countNewcomers(db.reads, company), 200);
    })
    .openapi(dealSums, async (c) => {
      const { id } = c.req.valid('param');
      if (!(await db.getCompanyById(id))) throw new NotFound('company');
      return c.json(await sumDeals(db.reads, id, c.req.valid('query').since), 200);
    })
    .openapi(contacts, async (c) => {
      const { id } = c.req.valid('param');
      await getCompanyRecord(db, id);
      const { page: contacts, next_cursor } = await cursors.page(`contacts of ${id}`, c.req.valid('query'), (paging) =>
        listContacts(db.reads, id, paging),
      );
      return c.json({ contacts, next_cursor }, 200);
    })
    .openapi(addContact, async (c) => {
      const { id } = c.req.valid('param');
      await getCompanyRecord(db, id);
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        createContact(db, tx, id, c.req.valid('json')),
      );
      return c.json(made, 201);
    })
    .openapi(changeContact, async (c) => {
      const { expected_version, ...patch } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateContact(db, tx, c.req.valid('param').id, patch, expected_version),
      );
      return c.json(changed, 200);
    })
    .openapi(removeContact, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        deleteContact(tx, c.req.valid('param').id, c.req.valid('query').expected_version),
      );
      return c.body(null, 204);
    });
}
