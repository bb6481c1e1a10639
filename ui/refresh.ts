import type { QueryClient, QueryKey } from '@tanstack/react-query';
import type { LiveEvent, LiveFeed } from './live.ts';

type Refreshing = {
  /** Events of this time are answered with one refresh. */
  gatherMs: number;
  /** Which queries an event makes old. */
  keysOf: (event: LiveEvent) => QueryKey[];
  /** The first words of the queries that stay as they are when events may have been missed. */
  kept: string[];
};

/** Refreshes what is on the screen when it changed elsewhere, for as long as the page is open. */
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
