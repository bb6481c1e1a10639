import { type LiveEvent, openLiveFeed } from '@aether/ui/live.ts';
import { refreshByFeed } from '@aether/ui/refresh.ts';
import type { QueryClient, QueryKey } from '@tanstack/react-query';

const entities = ['customer', 'user'];
const types = [
  ...entities.flatMap((entity) => ['created', 'updated', 'deleted'].map((change) => `${entity}.${change}`)),
  'customer.merged',
  'customer.unmerged',
  'customer.erased',
];

export const liveFeed = openLiveFeed(types);

const gatherMs = 300;

/** The queries that an event makes stale. Pages of health and failures ask again by themselves, because no event tells of them. */
function keysOf({ type, key, data }: LiveEvent): QueryKey[] {
  if (type.startsWith('user.')) return [['users'], ['me']];
  return /merged$/.test(type)
    ? [['customer', key], ['customer', data.survivor], ['customer', data.loser], ['merges']]
    : [['customer', key]];
}

/** Refreshes the data on the screen when they changed elsewhere. */
export function refreshByEvents(client: QueryClient): void {
  refreshByFeed(client, liveFeed, { gatherMs, keysOf, kept: [] });
}
