import { type CsvColumns, pagesOf } from '@aether/http';
import type { PlatformDb, Queryable } from '@aether/platform';
import { addCustomValues, customColumns } from '../customfields/customfields.csv.ts';
import { type CompanyFilters, type ListedCompany, listCompanies } from './companies.ts';

type ExportedCompany = ListedCompany & { owner_email: string | null };

const columns: CsvColumns<ExportedCompany> = {
  id: ({ id }) => id,
  company: ({ name }) => name,
  domain: ({ domain }) => domain,
  owner: ({ owner, owner_email }) => owner_email ?? owner?.name,
  customers: ({ customers }) => customers,
  open_deals: ({ open_deals }) => open_deals,
  created_at: ({ created_at }) => created_at,
  updated_at: ({ updated_at }) => updated_at,
  created_by_app: ({ created_by_app }) => created_by_app,
};

/** The file of the companies that the filters let through, the newest first: each of them once, whatever is changed meanwhile. */
export async function companiesFile(db: PlatformDb, filters: CompanyFilters) {
  return {
    name: 'companies',
    columns: { ...columns, ...(await customColumns(db, 'company')) },
    async *pages() {
      const list = { sort: 'created', direction: 'desc', filters } as const;
      for await (const page of pagesOf((paging) => listCompanies(db, { ...list, ...paging })))
        yield await addCustomValues(db, 'company', await addOwners(db, page));
    },
  };
}

async function addOwners(on: Queryable, companies: ListedCompany[]): Promise<ExportedCompany[]> {
  const found = await on.query<{ id: string; email: string }>(
    'select id, email from platform.users where id = any ($1)',
    [companies.flatMap(({ owner_id }) => owner_id ?? [])],
  );
  const emails = new Map(found.map(({ id, email }) => [id, email]));
  return companies.map((company) => ({ ...company, owner_email: emails.get(company.owner_id ?? '') ?? null }));
}
