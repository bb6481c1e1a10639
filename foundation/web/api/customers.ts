import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { type Where, writeWhere } from '../customers/where.ts';
import { customers } from './clients.ts';
import { beginOf } from './days.ts';
import type { Customer, CustomerInput } from './records.ts';

export type CustomerSort =
  | 'name'
  | 'email'
  | 'company'
  | 'tier'
  | 'created'
  | 'updated'
  | 'last_activity'
  | 'open_deals'
  | `custom.${string}`;
export type CustomerFilters = {
  search?: string;
  tier?: string;
  manager?: string;
  company?: string;
  /** A domain: those without a company whose address is there. */
  no_company_at?: string;
  app?: Customer['created_by_app'];
  /** Days. */
  created_after?: string;
  created_before?: string;
  no_manager?: true;
  /** Id of a tag. */
  tag?: number;
  /** Conditions; a text if the address has something else there. */
  where?: Where | string;
  sort?: CustomerSort;
  dir?: 'asc' | 'desc';
};

/** The filters as the server takes them. */
export const toQuery = ({ created_after, created_before, no_manager, tag, where, ...filters }: CustomerFilters) => ({
  ...filters,
  tag: tag === undefined ? undefined : String(tag),
  created_after: beginOf(created_after),
  created_before: beginOf(created_before),
  no_manager: no_manager && ('true' as const),
  where: writeWhere(where),
});

export const customersQuery = (filters: CustomerFilters) =>
  listOptions(['customers', filters] as const, (cursor, signal) =>
    read(customers.$get({ query: { ...toQuery(filters), limit: '50', cursor } }, { init: { signal } })),
  );

export const customerQuery = (id: string) =>
  queryOptions({
    queryKey: ['customer', id],
    queryFn: ({ signal }) => read(customers[':id'].$get({ param: { id } }, { init: { signal } })),
  });

/** A few customers whose name or address matches, for a field that picks one. */
export const customerChoiceQuery = (search: string) =>
  queryOptions({
    queryKey: ['customers', 'choice', search],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      read(customers.$get({ query: { search: search.trim() || undefined, limit: '8' } }, { init: { signal } })),
  });

export type CustomerDraft = Pick<CustomerInput, 'name' | 'email'> & { phone?: string; company_id?: string };

/** Customers that may be the person who is being written down. */
export const findSimilar = (json: CustomerDraft, signal: AbortSignal) =>
  read(customers.similar.$post({ json }, { init: { signal } }));

/** A customer must have both; the server refuses an empty one and names the field. */
export const createCustomer = ({ name = '', email = '', ...rest }: CustomerInput) =>
  read(customers.$post({ json: { name, email, ...rest } }));

export const changeCustomer = (id: string, change: CustomerInput, expected_version?: number) =>
  read(customers[':id'].$patch({ param: { id }, json: { ...change, expected_version } }));
