import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { apps } from './clients.ts';

const readApps = (signal: AbortSignal) => read(apps.$get(undefined, { init: { signal } }));
export type AppStatus = Awaited<ReturnType<typeof readApps>>['apps'][number];

export const appsQuery = queryOptions({
  queryKey: ['apps'],
  queryFn: ({ signal }) => readApps(signal),
  refetchInterval: 5_000,
});
