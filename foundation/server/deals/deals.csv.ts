import { type CsvColumns, pagesOf } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { addCustomValues, customColumns } from '../customfields/customfields.csv.ts';
import { type ListedDeal, listDeals } from './deals.ts';
import type { DealFilters } from './dealsearch.ts';

const columns: CsvColumns<ListedDeal & { pipeline: string | undefined }> = {
  id: ({ id }) => id,
  deal: ({ name }) => name,
  amount: ({ amount }) => amount,
  currency: ({ currency }) => currency,
  status: ({ status }) => status,
  pipeline: ({ pipeline }) => pipeline,
  stage: ({ stage_name }) => stage_name,
  customer_id: ({ customer_id }) => customer_id,
  customer: ({ customer }) => customer.name,
  company: ({ company }) => company?.name,
  owner: ({ owner }) => owner?.name,
  expected_close_on: ({ expected_close_on }) => expected_close_on,
  closed_at: ({ closed_at }) => closed_at,
  created_at: ({ created_at }) => created_at,
  updated_at: ({ updated_at }) => updated_at,
};

/** The file of the deals that the filters let through, the newest first: each of them once, whatever is changed meanwhile. */
export async function dealsFile(db: PlatformDb, filters: DealFilters) {
  const pipelines = await db.query<{ id: number; name: string }>('select id, name from crm.pipelines');
  const names = new Map(pipelines.map(({ id, name }) => [id, name]));
  return {
    name: 'deals',
    columns: { ...columns, ...(await customColumns(db, 'deal')) },
    async *pages() {
      const order = { sort: 'created', direction: 'desc' } as const;
      for await (const page of pagesOf((paging) => listDeals(db, { filters, ...order, ...paging }))) {
        const named = page.map((deal) => ({ ...deal, pipeline: names.get(deal.pipeline_id) }));
        yield await addCustomValues(db, 'deal', named);
      }
    },
  };
}
