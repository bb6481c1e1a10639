import { read } from '@aether/ui/request.ts';
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { alerts } from './clients.ts';

type Page = Awaited<ReturnType<typeof readAlerts>>;
export type ToldAlert = Page['alerts'][number];
export type Silence = Awaited<ReturnType<typeof readSilences>>['silences'][number];
export type NewSilence = { slug?: string; kind?: string; until: string; reason: string };

const askEveryMs = 5_000;

const readAlerts = (signal: AbortSignal | undefined, open: boolean, before?: number) =>
  read(
    alerts.$get(
      { query: { ...(open && { open: 'true' as const }), ...(before && { before: String(before) }), limit: '50' } },
      { init: { signal } },
    ),
  );

const readSilences = (signal: AbortSignal) => read(alerts.silences.$get(undefined, { init: { signal } }));

/** What was told, page by page. It asks again while the tab is shown. */
export const alertsQuery = (open: boolean) =>
  infiniteQueryOptions({
    queryKey: ['alerts', open],
    queryFn: ({ signal, pageParam }) => readAlerts(signal, open, pageParam),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: ({ next }) => next ?? undefined,
    refetchInterval: askEveryMs,
  });

/** What is open: for the mark in the navigation. */
export const openAlertsQuery = queryOptions({
  queryKey: ['alerts', 'count'],
  queryFn: ({ signal }) => readAlerts(signal, true),
  refetchInterval: askEveryMs * 2,
});

export const silencesQuery = queryOptions({
  queryKey: ['silences'],
  queryFn: ({ signal }) => readSilences(signal),
  refetchInterval: askEveryMs * 2,
});

export const acknowledge = (id: number) =>
  read(alerts[':id'].acknowledge.$post({ param: { id: String(id) }, json: {} }));
export const silence = (json: NewSilence) => read(alerts.silences.$post({ json }));
export const endSilence = (id: number) =>
  read(alerts.silences[':id'].end.$post({ param: { id: String(id) }, json: {} }));
export const testAlert = () => read(alerts.test.$post({ json: {} }));
