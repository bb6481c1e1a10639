import { QueryClient } from '@tanstack/react-query';
import { Refusal } from './refusal.ts';

const retriesMax = 2;

/** The data that the page has read. Events keep them fresh. A request is not repeated if a repetition cannot change the refusal. */
export const client = new QueryClient({
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
