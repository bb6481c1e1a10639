import { QueryClient } from '@tanstack/react-query';
import { Refusal } from './refusal.ts';

const retriesMax = 2;

/** What the page has read. Events keep it fresh; a refusal that a repetition cannot change is not repeated. */
export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) =>
        failures < retriesMax && (!(error instanceof Refusal) || error.status === 0 || error.status === 503),
    },
  },
});
