import {
  type InvalidateOptions,
  type InvalidateQueryFilters,
  type Query,
  QueryClient,
  type QueryKey,
} from '@tanstack/react-query';
import { Refusal } from './refusal.ts';

const retriesMax = 2;

/** Settles when a query that is being loaded for the first time has its data; at once if it has some. */
export async function whenLoaded(query: Query | undefined): Promise<void> {
  if (query?.state.data === undefined && query?.state.fetchStatus !== 'idle') await query?.fetch();
}

/**
 * A client for data that change while they are being read. What becomes stale during its first load may have been read before the change, and
 * nobody would ask again: TanStack Query 5.x lets the load go on, and takes its answer for fresh. So such a query is loaded once more.
 */
export class LiveQueryClient extends QueryClient {
  override async invalidateQueries<Key extends QueryKey = QueryKey>(
    filters?: InvalidateQueryFilters<Key>,
    options?: InvalidateOptions,
  ): Promise<void> {
    const loading = this.getQueryCache()
      .findAll(filters as InvalidateQueryFilters)
      .filter(({ state }) => state.data === undefined && state.fetchStatus !== 'idle');
    const again = loading.map(async (query) => {
      await whenLoaded(query).catch(() => {}); // whoever asked for it learns of the failure
      const { queryKey } = query;
      if (query.state.data !== undefined)
        await super.invalidateQueries({ queryKey, exact: true, refetchType: filters?.refetchType }, options);
    });
    await Promise.all([super.invalidateQueries(filters, options), ...again]);
  }
}

/** The data that the page has read. Events keep them fresh. A request is not repeated if a repetition cannot change the refusal. */
export const client = new LiveQueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) =>
        failures < retriesMax && (!(error instanceof Refusal) || error.status === 0 || error.status === 503),
    },
    // Without a connection a change fails at once, and says so. By default it would wait without a word, and be sent at some later time.
    mutations: { networkMode: 'always' },
  },
});
