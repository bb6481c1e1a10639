import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { tiers } from './clients.ts';

/** All tiers in their order, also those that are retired. */
export const tiersQuery = queryOptions({
  queryKey: ['tiers'],
  queryFn: ({ signal }) => read(tiers.$get({}, { init: { signal } })),
  staleTime: 60_000,
});
