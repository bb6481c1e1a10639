import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { boards, currencies, dealContacts, deals } from './clients.ts';
import type { DealInput, NewDeal, Outcome } from './records.ts';

export type DealSort = 'name' | 'amount' | 'close' | 'updated' | 'created';
export type DealFilters = {
  customer_id?: string;
  /** A customer who is the primary contact or another one. */
  contact_id?: string;
  company_id?: string;
  pipeline?: number;
  stage?: number;
  owner?: string;
  status?: Outcome;
  /** Moments. */
  closed_from?: string;
  closed_before?: string;
  /** Days. */
  expected_from?: string;
  expected_to?: string;
  /** Id of the reason for which they were lost. */
  reason?: number;
  /** What they lack: owner, expected, reason, with commas between them. */
  lacks?: string;
  search?: string;
  sort?: DealSort;
  dir?: 'asc' | 'desc';
};

export const dealsQuery = (filters: DealFilters) =>
  listOptions(['deals', filters] as const, (cursor, signal) => {
    const [pipeline, stage, reason] = [filters.pipeline, filters.stage, filters.reason].map((id) => id?.toString());
    return read(
      deals.$get({ query: { ...filters, pipeline, stage, reason, cursor, limit: '50' } }, { init: { signal } }),
    );
  });

export type BoardFilters = { owner?: string; search?: string };

const perStage = '100';

export const boardQuery = (pipelineId: number, filters: BoardFilters) =>
  queryOptions({
    queryKey: ['board', pipelineId, filters],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      read(
        boards[':id'].board.$get(
          { param: { id: String(pipelineId) }, query: { ...filters, per_stage: perStage } },
          { init: { signal } },
        ),
      ),
  });

const keyOf = (id: number) => ({ param: { id: String(id) } });

export const dealQuery = (id: number) =>
  queryOptions({
    queryKey: ['deal', id],
    queryFn: ({ signal }) => read(deals[':id'].$get(keyOf(id), { init: { signal } })),
  });

/** Who has a part in a deal. */
export const dealContactsQuery = (id: number) =>
  queryOptions({
    queryKey: ['deal-contacts', id],
    queryFn: ({ signal }) => read(dealContacts[':id'].contacts.$get(keyOf(id), { init: { signal } })),
  });

const contactOf = (id: number, customer: string) => ({ param: { id: String(id), customer } });

/** Without a role, the part of somebody who is a contact already stays. */
export const putDealContact = (id: number, customer: string, role: string | null | undefined) =>
  read(dealContacts[':id'].contacts[':customer'].$put({ ...contactOf(id, customer), json: { role } }));

export const removeDealContact = (id: number, customer: string) =>
  read(dealContacts[':id'].contacts[':customer'].$delete(contactOf(id, customer)));

export const makePrimaryContact = (id: number, customer_id: string, expected_version?: number) =>
  read(dealContacts[':id'].primary.$post({ ...keyOf(id), json: { customer_id, expected_version } }));

/** A deal must have both; the server refuses an empty one and names the field. */
export const createDeal = ({ name = '', customer_id = '', ...rest }: Partial<NewDeal>) =>
  read(deals.$post({ json: { name, customer_id, ...rest } }));

export const changeDeal = (id: number, change: DealInput, expected_version?: number) =>
  read(deals[':id'].$patch({ ...keyOf(id), json: { ...change, expected_version } }));

export const moveDeal = (id: number, stage_id: number, expected_version?: number) =>
  read(deals[':id'].move.$post({ ...keyOf(id), json: { stage_id, expected_version } }));

export type Closing = { outcome: 'won' | 'lost'; tier?: string; reason_id?: number; reason_note?: string };
export const closeDeal = (id: number, json: Closing) => read(deals[':id'].close.$post({ ...keyOf(id), json }));

export const reopenDeal = (id: number, json: { stage_id: number; expected_version: number; restore_tier?: boolean }) =>
  read(deals[':id'].reopen.$post({ ...keyOf(id), json }));

/** The currencies change only with a migration. */
export const currenciesQuery = queryOptions({
  queryKey: ['currencies'],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: ({ signal }) => read(currencies.$get({}, { init: { signal } })),
});
