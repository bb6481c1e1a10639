import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { failures, log, logChoices, operations, runs, subscriptions, why } from './clients.ts';

/** What changes by itself is asked for again so often, while its page is open and in sight. */
const askEveryMs = 3_000;

export type CauseSearch = { subscription?: string | undefined; search?: string | undefined };
export type Cause = Awaited<ReturnType<typeof readCauses>>['causes'][number];
const readCauses = (query: CauseSearch & { cursor?: string | undefined }, signal: AbortSignal) =>
  read(failures.$get({ query }, { init: { signal } }));

export const causesQuery = (search: CauseSearch) => ({
  ...listOptions(['failures', search], (cursor, signal) => readCauses({ ...search, cursor }, signal)),
  refetchInterval: askEveryMs,
});

export type FailedSearch = {
  subscription: string;
  state?: 'dead' | 'retrying' | 'waiting' | undefined;
  cause?: string | undefined;
  customer?: string | undefined;
  key?: string | undefined;
};
const readFailed = (query: FailedSearch & { cursor?: string | undefined }, signal: AbortSignal) =>
  read(failures.events.$get({ query }, { init: { signal } }));
export type Failed = Awaited<ReturnType<typeof readFailed>>['events'][number];

export const failedQuery = (search: FailedSearch) => ({
  ...listOptions(['failed', search], (cursor, signal) => readFailed({ ...search, cursor }, signal)),
  refetchInterval: askEveryMs,
});

export type FrozenSet = { run: number; total: number };

/** Freezes the failed events that a filter describes, and counts them. Nothing is done to them. */
export function freezeFailed(
  kind: 'redrive' | 'skip',
  { subscription, state, cause, customer, key }: FailedSearch,
): Promise<FrozenSet> {
  const filter = {
    ...(state && state !== 'waiting' && { state }),
    ...(cause && { cause }),
    ...(customer && { customer }),
    ...(key && { key }),
  };
  return read(runs.$post({ json: { kind, subscription, filter } }));
}

export const stoppedQuery = (subscription: string, position: number) =>
  queryOptions({
    queryKey: ['stopped', subscription, position],
    queryFn: ({ signal }) =>
      read(
        failures.events[':subscription'][':position'].$get(
          { param: { subscription, position: String(position) } },
          { init: { signal } },
        ),
      ),
    refetchInterval: askEveryMs,
    retry: false,
  });

const readRuns = (signal: AbortSignal) => read(runs.$get(undefined, { init: { signal } }));
export type Run = Awaited<ReturnType<typeof readRuns>>['runs'][number];

/** Runs of every operator. One that is under way is asked for every second. */
export const runsQuery = queryOptions({
  queryKey: ['runs'],
  queryFn: ({ signal }) => readRuns(signal),
  refetchInterval: ({ state }) => (state.data?.runs.some(({ ended_at }) => !ended_at) ? 1_000 : 5_000),
});

const readSubscriptions = (signal: AbortSignal) => read(subscriptions.$get(undefined, { init: { signal } }));
export type Subscription = Awaited<ReturnType<typeof readSubscriptions>>['subscriptions'][number];

export const subscriptionsQuery = queryOptions({
  queryKey: ['subscriptions'],
  queryFn: ({ signal }) => readSubscriptions(signal),
  refetchInterval: askEveryMs,
});

export type OperationsOf = { subscription: string } | { webhook: string };
export const operationsQuery = (of: OperationsOf) =>
  queryOptions({
    queryKey: ['operations', of],
    queryFn: ({ signal }) => read(operations.$get({ query: of }, { init: { signal } })),
  });

/** Which events a subscription handles again: those from a place on, of a customer, or of a row. */
export type Again = {
  from_position?: string | undefined;
  since?: string | undefined;
  customer?: string | undefined;
  key?: string | undefined;
};
export const replayQuery = (name: string, again: Again) =>
  queryOptions({
    queryKey: ['replay', name, again],
    queryFn: ({ signal }) =>
      read(subscriptions[':name'].replay.$get({ param: { name }, query: again }, { init: { signal } })),
    placeholderData: keepPreviousData,
    retry: false,
  });

export type LogSearch = {
  customer?: string | undefined;
  address?: string | undefined;
  key?: string | undefined;
  type?: string | undefined;
  app?: string | undefined;
  actor?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
};
const readLog = (query: LogSearch & { before?: string | undefined }, signal: AbortSignal) =>
  read(log.$get({ query }, { init: { signal } }));
export type LoggedEvent = Awaited<ReturnType<typeof readLog>>['events'][number];

export const logQuery = (search: LogSearch) =>
  listOptions(['log', search], async (before, signal) => {
    const { searched_to, ...page } = await readLog({ ...search, before }, signal);
    return { ...page, next_cursor: searched_to === null ? null : String(searched_to) };
  });

export const logChoicesQuery = queryOptions({
  queryKey: ['log-choices'],
  queryFn: ({ signal }) => read(logChoices.$get(undefined, { init: { signal } })),
  staleTime: 60_000,
});

export const eventQuery = (position: number) =>
  queryOptions({
    queryKey: ['event', position],
    queryFn: ({ signal }) =>
      read(log[':position'].$get({ param: { position: String(position) } }, { init: { signal } })),
    refetchInterval: askEveryMs,
    retry: false,
  });

export type Field = Parameters<(typeof why)[':id']['why'][':field']['$get']>[0]['param']['field'];
export const whyQuery = (id: string, field: Field) =>
  queryOptions({
    queryKey: ['why', id, field],
    queryFn: ({ signal }) => read(why[':id'].why[':field'].$get({ param: { id, field } }, { init: { signal } })),
    retry: false,
  });
