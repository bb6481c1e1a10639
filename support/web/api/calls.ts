import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { calls } from './clients.ts';
import type { CallChange, NewCall } from './records.ts';

export const callsQuery = (customer_id?: string) =>
  listOptions(['calls', customer_id ?? null] as const, (cursor, signal) =>
    read(calls.$get({ query: { customer_id, cursor } }, { init: { signal } })),
  );

export const logCall = (json: NewCall) => read(calls.$post({ json }));

export const changeCall = (id: string, json: CallChange) => read(calls[':id'].$patch({ param: { id }, json }));

export type CallerDraft = { name?: string; email?: string; number?: string; country?: string };

/** Customers that may be the person whom a call would make. */
export const findSimilar = (json: CallerDraft, signal: AbortSignal) =>
  read(calls.similar.$post({ json }, { init: { signal } }));

/** The customers with this number or this address; none while both are incomplete. */
export const lookUp = (json: { number?: string; country?: string; email?: string }, signal?: AbortSignal) =>
  read(calls.lookup.$post({ json }, { init: { signal } }));
