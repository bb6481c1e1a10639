import { type CsvColumns, pagesOf } from '@aether/http';
import { isNoAddress, type PlatformDb, type Queryable } from '@aether/platform';
import { customColumns } from '../customfields/customfields.csv.ts';
import type { CustomerFilters } from './customermatch.ts';
import { type ListedCustomer, listCustomers } from './customers.ts';

type Reachable = { emails: string[]; phones: string[]; manager_email: string | null };
type ExportedCustomer = ListedCustomer & Reachable;

/** Headings that an import takes as they are; then what only a person reads. */
const columns: CsvColumns<ExportedCustomer> = {
  id: ({ id }) => id,
  email: ({ email }) => (isNoAddress(email) ? null : email),
  name: ({ name }) => name,
  phone: ({ phone }) => phone,
  company: ({ company }) => company?.name,
  domain: ({ company }) => company?.domain,
  tier: ({ account_tier }) => account_tier,
  owner: ({ account_manager, manager_email }) => manager_email ?? account_manager?.name,
  language: ({ preferred_language }) => preferred_language,
  timezone: ({ timezone }) => timezone,
  tags: ({ tags }) => tags.map(({ name }) => name).join('; '),
  created_at: ({ created_at }) => created_at,
  updated_at: ({ updated_at }) => updated_at,
  created_by_app: ({ created_by_app }) => created_by_app,
  crm_id: ({ crm_id }) => crm_id,
  support_id: ({ support_id }) => support_id,
  other_emails: ({ emails }) => emails.join('; '),
  other_phones: ({ phones }) => phones.join('; '),
  last_activity_at: ({ last_activity_at }) => last_activity_at,
  open_deals: ({ open_deals }) => open_deals,
};

/** The file of the customers that the filters let through, the newest first: each of them once, whatever is changed meanwhile. */
export async function customersFile(db: PlatformDb, filters: CustomerFilters) {
  return {
    name: 'customers',
    columns: { ...columns, ...(await customColumns(db, 'customer')) },
    async *pages(): AsyncGenerator<ExportedCustomer[]> {
      const order = { sort: 'created', direction: 'desc' } as const;
      const read = async (paging: { limit: number }) =>
        (await listCustomers(db, { filters, ...order, ...paging })).customers;
      for await (const page of pagesOf(read)) yield await addReachable(db, page);
    },
  };
}

/** The addresses and numbers beside the primary ones, and the manager's address. */
async function addReachable(on: Queryable, customers: ListedCustomer[]): Promise<ExportedCustomer[]> {
  const found = await on.query<Reachable & { id: string }>(
    `select c.id,
       array(select e.email from platform.customer_emails e where e.customer_id = c.id and not e.is_primary
         order by e.created_at, e.email_key) as emails,
       array(select p.phone from platform.customer_phones p where p.customer_id = c.id and not p.is_primary
         order by p.created_at, p.id) as phones,
       u.email as manager_email
     from unnest($1::uuid[], $2::text[]) c (id, manager) left join platform.users u on u.id = c.manager`,
    [customers.map(({ id }) => id), customers.map(({ account_manager_id }) => account_manager_id)],
  );
  return customers.map((customer, at) => ({ ...customer, ...(found[at] as Reachable) }));
}
