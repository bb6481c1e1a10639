import { type CsvColumns, pagesOf } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { addCustomValues, customColumns } from '../customfields/customfields.csv.ts';
import { type ListedCompany, listCompanies } from './companies.ts';

const columns: CsvColumns<ListedCompany> = {
  id: ({ id }) => id,
  company: ({ name }) => name,
  domain: ({ domain }) => domain,
  customers: ({ customers }) => customers,
  open_deals: ({ open_deals }) => open_deals,
  created_at: ({ created_at }) => created_at,
  updated_at: ({ updated_at }) => updated_at,
  created_by_app: ({ created_by_app }) => created_by_app,
};

/** The file of the companies that a search finds, the newest first: each of them once, whatever is changed meanwhile. */
export async function companiesFile(db: PlatformDb, { search }: { search?: string }) {
  return {
    name: 'companies',
    columns: { ...columns, ...(await customColumns(db, 'company')) },
    async *pages() {
      const list = { sort: 'created', direction: 'desc', ...(search && { search }) } as const;
      for await (const page of pagesOf((paging) => listCompanies(db, { ...list, ...paging })))
        yield await addCustomValues(db, 'company', page);
    },
  };
}
