import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { consumers } from './clients.ts';

const readConsumers = (signal: AbortSignal) => read(consumers.$get(undefined, { init: { signal } }));
export type Consumer = Awaited<ReturnType<typeof readConsumers>>['consumers'][number];
export type Order = Consumer['orders'][number];

/** Asked again every three seconds, and every second while an order is under way. */
export const consumersQuery = queryOptions({
  queryKey: ['consumers'],
  queryFn: ({ signal }) => readConsumers(signal),
  refetchInterval: ({ state }) =>
    state.data?.consumers.some(({ orders }) => orders.some(({ ended_at: endedAt }) => endedAt === null))
      ? 1_000
      : 3_000,
});
