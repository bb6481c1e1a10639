import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { customers, panels } from './clients.ts';
import type { CustomerChange } from './records.ts';

/** Not all of Foundation's data arrives as events here: it is requested again this often. */
const refreshMs = 10_000;

/** `of` is a session, or a customer without one. */
export const contextQuery = (of: 'session' | 'customer', id: string) =>
  queryOptions({
    queryKey: ['context', of, id],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => {
      const asked = of === 'session' ? panels[':id'].context : customers[':id'].context;
      return read(asked.$get({ param: { id } }, { init: { signal } }));
    },
  });

/** @throws Refusal with `isConflict` when the customer has changed since. */
export const changeCustomer = (id: string, json: CustomerChange) =>
  read(customers[':id'].$patch({ param: { id }, json }));
