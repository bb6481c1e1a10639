import { type LiveEvent, openLiveFeed } from '@aether/ui/live.ts';
import type { QueryClient, QueryKey } from '@tanstack/react-query';

const entities = ['customer', 'company', 'user', 'deal', 'contact', 'activity', 'custom_value'];
const types = entities.flatMap((entity) => ['created', 'updated', 'deleted'].map((change) => `${entity}.${change}`));

export const liveFeed = openLiveFeed(types);

/** Events of this time are answered with one refresh: a bulk import must not make a screen load a hundred times. */
const gatherMs = 300;

/** Which queries an event makes old. The timeline is not among them: it counts what is new, and does not jump. */
export function keysOf({ type, key, row_id, data: now, previous }: LiveEvent): QueryKey[] {
  const data = { ...previous, ...now }; // of what was deleted there is only what it was
  const company = typeof data.company_id === 'string' ? [['company', data.company_id]] : [];
  switch (type.split('.')[0]) {
    case 'customer':
      return [['customers'], ['customer', key], ...company];
    case 'deal':
      return [['board'], ['deals'], ['deal', Number(row_id)], ['customer', key], ['companies'], ...company];
    case 'activity':
      return [['tasks'], ['customer', key]];
    case 'company':
      return [['companies'], ['company', key]];
    case 'custom_value':
      if (data.deal_id) return [['deal', Number(data.deal_id)]];
      return data.company_id ? company : [['customers'], ['customer', key]];
    case 'contact':
      return [['contacts'], ...company];
    case 'user':
      return [['users']];
    default:
      return [];
  }
}

/** Refreshes what is on the screen when it changed elsewhere. @returns ends it. */
export function refreshByEvents(client: QueryClient): () => void {
  let gathered: QueryKey[] | 'all' = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refresh = () => {
    timer = undefined;
    const keys = gathered;
    gathered = [];
    if (keys === 'all') {
      void client.invalidateQueries({
        predicate: ({ queryKey }) => queryKey[0] !== 'timeline' && queryKey[0] !== 'me',
      });
      return;
    }
    const once = new Map(keys.map((key) => [JSON.stringify(key), key]));
    for (const queryKey of once.values()) void client.invalidateQueries({ queryKey });
  };
  const unfollow = liveFeed.follow((event) => {
    if (!event) gathered = 'all';
    else if (gathered !== 'all') gathered.push(...keysOf(event));
    timer ??= setTimeout(refresh, gatherMs);
  });
  return () => {
    clearTimeout(timer);
    unfollow();
  };
}
