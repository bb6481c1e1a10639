import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { runbooks } from './clients.ts';

/** A page of docs/runbooks, in Markdown. */
export const runbookQuery = (kind: string) =>
  queryOptions({
    queryKey: ['runbook', kind],
    queryFn: ({ signal }) => read(runbooks[':kind'].$get({ param: { kind } }, { init: { signal } })),
    staleTime: Number.POSITIVE_INFINITY,
  });
