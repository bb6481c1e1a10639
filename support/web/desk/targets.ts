import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import type { Conversation, Session } from '../api/records.ts';

type Pages = InfiniteData<{ sessions: Session[] }>;

/** A conversation as the page knows it: the open one, otherwise its entry in a list. */
export function findSession(client: QueryClient, id: string): Session | undefined {
  const open = client.getQueryData<Conversation>(['session', id]);
  if (open) return open.session;
  for (const [, data] of client.getQueriesData<Pages>({ queryKey: ['inbox'] })) {
    const found = data?.pages.flatMap(({ sessions }) => sessions).find((session) => session.id === id);
    if (found) return found;
  }
  return undefined;
}
