import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { ask } from '../api/asking.ts';

export type FoundCustomer = {
  id: string;
  name: string;
  email: string;
  crm_id: number | null;
  support_id: number | null;
  merged_into: string | null;
};
type Row = Record<string, unknown>;
export type Change = {
  eventId: number;
  position: number | null;
  at: string;
  type: string;
  app: string;
  actor: string | null;
  trace: string | null;
  version: number | null;
  fields: { name: string; old: unknown; new: unknown }[];
};
export type AsOf = {
  state: 'there' | 'not yet' | 'erased' | 'unknown';
  subjectId: string;
  mergedInto: string | null;
  at: string;
  knowledge: 'whole' | 'partly' | 'nothing';
  wholeSince: string | null;
  partlySince: string | null;
  version: number | null;
  customer: Row | null;
  addresses: Row[];
  phones: Row[];
  deals: Row[];
  values: Row[];
  sessions: Row[];
  since: Change[];
  hidden: { changes: number; data: boolean };
  names: { companies: Record<string, string>; users: Record<string, string>; stages: Record<string, string> };
};

export const searchQuery = (search: string) =>
  queryOptions({
    queryKey: ['customers', search],
    queryFn: ({ signal }) =>
      ask<{ customers: FoundCustomer[] }>(`/api/customers?search=${encodeURIComponent(search)}`, signal),
    enabled: search.trim() !== '',
    placeholderData: keepPreviousData,
  });

/**
 * A customer as of a moment. The events of the customer make it stale, because they are changes since. No event of deals, values and
 * conversations comes to the console, so that it is asked for again now and then, while its page is in sight.
 */
export const asOfQuery = (id: string, at: string | undefined) =>
  queryOptions({
    queryKey: ['customer', id, at ?? 'now'],
    queryFn: ({ signal }) =>
      ask<AsOf>(`/api/customers/${id}/as-of${at ? `?at=${encodeURIComponent(at)}` : ''}`, signal),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  });
