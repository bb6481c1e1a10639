import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { search } from './clients.ts';

/** A few customers, companies and deals whose name matches. */
export const searchQuery = (typed: string) => {
  const q = typed.trim();
  return queryOptions({
    queryKey: ['search', q],
    enabled: q !== '',
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => read(search.$get({ query: { q } }, { init: { signal } })),
  });
};
