import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { customers, panels } from './clients.ts';
import type { CustomerChange } from './records.ts';

/** What Foundation knows does not all come as events here: it is asked for again as often as this. */
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

/** @throws Refusal with `isConflict` when somebody changed the customer since. */
export const changeCustomer = (id: string, json: CustomerChange) =>
  read(customers[':id'].$patch({ param: { id }, json }));
