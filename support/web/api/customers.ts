import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { customerList } from './clients.ts';

/** All customers, the newest first. */
export const customersQuery = listOptions(['customers'] as const, (cursor, signal) =>
  read(customerList.$get({ query: { cursor } }, { init: { signal } })),
);
