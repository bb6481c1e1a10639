import type { QueryClient, QueryKey } from '@tanstack/react-query';
import type { LiveEvent, LiveFeed } from './live.ts';

type Refreshing = {
  /** All events within this time cause one refresh. */
  gatherMs: number;
  /** The queries that an event makes stale. */
  keysOf: (event: LiveEvent) => QueryKey[];
  /** The first key parts of the queries that are not refreshed when events may have been missed. */
  kept: string[];
};

/** Refreshes the data on the screen when they change elsewhere, as long as the page is open. */
export function refreshByFeed(client: QueryClient, feed: LiveFeed, { gatherMs, keysOf, kept }: Refreshing): void {
  let gathered: QueryKey[] | 'all' = [];
  let isGathering = false;
  const refresh = () => {
    isGathering = false;
    const keys = gathered;
    gathered = [];
    if (keys === 'all') {
      void client.invalidateQueries({ predicate: ({ queryKey }) => !kept.includes(String(queryKey[0])) });
      return;
    }
    const once = new Map(keys.map((key) => [JSON.stringify(key), key]));
    for (const queryKey of once.values()) void client.invalidateQueries({ queryKey });
  };
  feed.follow((event) => {
    if (!event) gathered = 'all';
    else if (gathered !== 'all') gathered.push(...keysOf(event));
    if (!isGathering) setTimeout(refresh, gatherMs);
    isGathering = true;
  });
}
