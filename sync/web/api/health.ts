import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { health } from './clients.ts';

export type Health = Awaited<ReturnType<typeof readHealth>>;
export type Check = Health['checks'][number];
export type Status = Health['worst'];
export type Range = 'hour' | 'day' | 'month';

const askEveryMs = 2_000;
const measureEveryMs = 30_000;

const readHealth = (signal: AbortSignal) => read(health.$get(undefined, { init: { signal } }));

/** Every check, again every two seconds. It pauses while the tab is hidden. */
export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: ({ signal }) => readHealth(signal),
  refetchInterval: askEveryMs,
  staleTime: askEveryMs,
  retry: false, // the next question comes anyway, and a person must see at once that there is no answer
});

/** The series of all charts. After a failure they are asked for again as soon as the checks are, not half a minute later. */
export const seriesQuery = (range: Range) =>
  queryOptions({
    queryKey: ['series', range],
    queryFn: ({ signal }) => read(health.series.$get({ query: { range } }, { init: { signal } })),
    refetchInterval: ({ state }) => (state.status === 'error' ? askEveryMs : measureEveryMs),
    placeholderData: keepPreviousData,
  });
