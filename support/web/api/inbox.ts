import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { Due } from '../desk/search.ts';
import type { Priority } from './acts.ts';
import { inbox, search } from './clients.ts';
import type { View } from './records.ts';

export type InboxFilters = {
  view: View;
  search?: string;
  widget?: string;
  tag?: number;
  priority?: Priority;
  order?: 'due';
  due?: Due;
};

/** So many rows of a view are read at a time. */
export const pageSize = 50;

export const inboxQuery = (filters: InboxFilters) => ({
  ...listOptions(['inbox', filters] as const, (cursor, signal) =>
    read(
      inbox.$get(
        {
          query: {
            ...filters,
            tag: filters.tag === undefined ? undefined : String(filters.tag),
            cursor,
            limit: String(pageSize),
          },
        },
        { init: { signal } },
      ),
    ),
  ),
  placeholderData: undefined, // the rows of another view would look like those of this one
});

export const countsQuery = queryOptions({
  queryKey: ['counts'],
  queryFn: ({ signal }) => read(inbox.counts.$get({}, { init: { signal } })),
});

/** A few conversations and customers whose name matches. */
export const searchQuery = (typed: string) => {
  const q = typed.trim();
  return queryOptions({
    queryKey: ['search', q],
    enabled: q !== '',
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => read(search.$get({ query: { q } }, { init: { signal } })),
  });
};
