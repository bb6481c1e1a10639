import { call } from './call.ts';
import { listOptions } from './lists.ts';
import type { Call, Customer, FoundBy, NewCall } from './records.ts';

export const callsQuery = (customerId?: string) =>
  listOptions(['calls', customerId ?? null] as const, (cursor, signal) =>
    call<{ calls: Call[]; next_cursor: string | null }>('GET', 'calls', {
      query: { customer_id: customerId, cursor },
      signal,
    }),
  );

export const logCall = (body: NewCall) =>
  call<{ call: Call; customer: Customer; customer_was: FoundBy }>('POST', 'calls', { body });

export const changeCall = (id: string, body: Partial<Pick<Call, 'outcome' | 'notes' | 'duration_seconds'>>) =>
  call<{ call: Call }>('PATCH', `calls/${id}`, { body });

export type Lookup = { number_e164: string; customer: Pick<Customer, 'id' | 'name' | 'email'> | null };

/** Who has this number, or this address. @throws Refusal when it is no number of any country. */
export const lookUp = (body: { number: string; country?: string; email?: string }, signal?: AbortSignal) =>
  call<Lookup>('POST', 'calls/lookup', { body, signal });
