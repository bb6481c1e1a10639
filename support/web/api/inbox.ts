import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import { listOptions } from './lists.ts';
import type { Counts, Found, Session, View } from './records.ts';

export type InboxFilters = { view: View; search?: string; widget?: string };

export const inboxQuery = (filters: InboxFilters) => ({
  ...listOptions(['inbox', filters] as const, (cursor, signal) =>
    call<{ sessions: Session[]; next_cursor: string | null }>('GET', 'inbox', {
      query: { ...filters, cursor, limit: 50 },
      signal,
    }),
  ),
  placeholderData: undefined, // the rows of another view would look like those of this one
});

export const countsQuery = queryOptions({
  queryKey: ['counts'],
  queryFn: ({ signal }) => call<Counts>('GET', 'inbox/counts', { signal }),
});

/** A few conversations and customers of that name. */
export const searchQuery = (typed: string) => {
  const q = typed.trim();
  return queryOptions({
    queryKey: ['search', q],
    enabled: q !== '',
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call<Found>('GET', 'search', { query: { q }, signal }),
  });
};
