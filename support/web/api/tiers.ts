import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { tiers } from './clients.ts';

/** The tiers of the organisation, as Foundation's administrators call and colour them. */
export const tiersQuery = queryOptions({
  queryKey: ['tiers'],
  queryFn: ({ signal }) => read(tiers.$get({}, { init: { signal } })),
  staleTime: 60_000,
});
