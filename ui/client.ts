import {
  type InvalidateOptions,
  type InvalidateQueryFilters,
  type Mutation,
  MutationCache,
  type MutationOptions,
  type MutationState,
  type Query,
  QueryClient,
  type QueryClientConfig,
  type QueryKey,
} from '@tanstack/react-query';
import { Refusal } from './refusal.ts';

const retriesMax = 2;

/** Settles when a query that is being loaded for the first time has its data; at once if it has some. */
export async function whenLoaded(query: Query | undefined): Promise<void> {
  if (query?.state.data === undefined && query?.state.fetchStatus !== 'idle') await query?.fetch();
}

/**
 * Changes end as they were begun: what follows one, such as its undo, has the values that were on the screen when a person made it. TanStack Query 5.x
 * gives a change under way what the screen was drawn with last, which may be the outcome of that change: its undo then undid nothing.
 */
class BegunChanges extends MutationCache {
  override build<Data, Failure, Variables, Result>(
    client: QueryClient,
    options: MutationOptions<Data, Failure, Variables, Result>,
    state?: MutationState<Data, Failure, Variables, Result>,
  ): Mutation<Data, Failure, Variables, Result> {
    const change = super.build(client, options, state);
    change.setOptions = () => {};
    return change;
  }
}

/**
 * A client for data that change while they are being read, and changes that end as they were begun. What becomes stale during its first load may have been read before the change, and
 * nobody would ask again: TanStack Query 5.x lets the load go on, and takes its answer for fresh. So such a query is loaded once more, however
 * often it became stale. One that waits for the network has asked nothing yet.
 */
export class LiveQueryClient extends QueryClient {
  readonly #again = new WeakMap<Query, Promise<void>>();

  constructor(config: QueryClientConfig = {}) {
    super({ mutationCache: new BegunChanges(), ...config });
  }

  override async invalidateQueries<Key extends QueryKey = QueryKey>(
    filters?: InvalidateQueryFilters<Key>,
    options?: InvalidateOptions,
  ): Promise<void> {
    const loading = this.getQueryCache()
      .findAll(filters as InvalidateQueryFilters)
      .filter(({ state }) => state.data === undefined && state.fetchStatus === 'fetching');
    const again = loading.map((query) => {
      const known = this.#again.get(query) ?? this.#loadAgain(query);
      this.#again.set(query, known);
      return known;
    });
    await Promise.all([super.invalidateQueries(filters, options), ...again]);
  }

  async #loadAgain(query: Query): Promise<void> {
    await whenLoaded(query).catch(() => {}); // the caller that began the load is told of the failure
    this.#again.delete(query); // what becomes stale from now on is loaded again by itself
    if (query.state.data !== undefined) await super.invalidateQueries({ queryKey: query.queryKey, exact: true });
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
