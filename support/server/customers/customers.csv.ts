import { type CsvColumns, pagesOf } from '@aether/http';
import { isNoAddress, type Queryable, readList } from '@aether/platform';
import { type ListedCustomer, newestFirst, presentCustomers } from './customers.ts';

type ExportedCustomer = ListedCustomer & {
  company: string | null;
  domain: string | null;
  owner: string | null;
  updated_at: string;
  created_by_app: string;
  crm_id: string | null;
  support_id: string | null;
  emails: string[];
  phones: string[];
};

/** The headings of Foundation's file, which an import takes as they are. Custom fields are Foundation's: Support does not read them. */
const columns: CsvColumns<ExportedCustomer> = {
  id: ({ id }) => id,
  email: ({ email }) => (isNoAddress(email) ? null : email),
  name: ({ name }) => name,
  phone: ({ phone }) => phone,
  company: ({ company }) => company,
  domain: ({ domain }) => domain,
  tier: ({ account_tier }) => account_tier,
  owner: ({ owner }) => owner,
  language: ({ preferred_language }) => preferred_language,
  timezone: ({ timezone }) => timezone,
  created_at: ({ created_at }) => created_at,
  updated_at: ({ updated_at }) => updated_at,
  created_by_app: ({ created_by_app }) => created_by_app,
  crm_id: ({ crm_id }) => crm_id,
  support_id: ({ support_id }) => support_id,
  other_emails: ({ emails }) => emails.join('; '),
  other_phones: ({ phones }) => phones.join('; '),
};

/** The file of all customers, the newest first: each of them once, whatever is changed meanwhile. */
export function customersFile(on: Queryable) {
  return {
    name: 'customers',
    columns,
    pages: () =>
      pagesOf((paging) =>
        readList<ExportedCustomer>(on, { ...newestFirst, ...paging }, () => ({
          columns: `c.id, c.name, c.email, c.phone, c.account_tier, c.preferred_language, c.timezone, c.created_at, c.updated_at,
            c.created_by_app, c.crm_id, c.support_id, o.name as company, o.domain, coalesce(u.email, u.name) as owner,
            array(select e.email from platform.customer_emails e where e.customer_id = c.id and not e.is_primary
              order by e.created_at, e.email_key) as emails,
            array(select p.phone from platform.customer_phones p where p.customer_id = c.id and not p.is_primary
              order by p.created_at, p.id) as phones`,
          from: `platform.customers c left join platform.companies o on o.id = c.company_id
            left join platform.users u on u.id = c.account_manager_id`,
          where: [presentCustomers],
        })),
      ),
  };
}
