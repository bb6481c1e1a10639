import { queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import type { Context, Customer, CustomerFields } from './records.ts';

/** What Foundation knows does not all come as events here: it is asked for again as often as this. */
const refreshMs = 30_000;

/** `of` is a session, or a customer without one. */
export const contextQuery = (of: 'session' | 'customer', id: string) =>
  queryOptions({
    queryKey: ['context', of, id],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => call<Context>('GET', `${of}s/${id}/context`, { signal }),
  });

/** @throws Refusal with `isConflict` when somebody changed the customer since. */
export const changeCustomer = (id: string, change: Partial<CustomerFields>, expected_version?: number) =>
  call<{ customer: Customer }>('PATCH', `customers/${id}`, { body: { ...change, expected_version } });
