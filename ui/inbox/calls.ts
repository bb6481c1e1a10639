import type { addNoticeRoutes } from '@aether/http';
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { hc, type InferResponseType } from 'hono/client';
import { read, send } from '../request.ts';

const { notices } = hc<ReturnType<typeof addNoticeRoutes>>('/', { fetch: send }).api;

export type Notice = InferResponseType<(typeof notices)['$get'], 200>['notices'][number];
export type Unread = InferResponseType<(typeof notices)['unread']['$get'], 200>;
export type State = 'open' | 'done';
export type Kind = Notice['kind'];

const pageRows = 50;

export const noticesQuery = ({ state, kind }: { state: State; kind?: Kind | undefined }) =>
  infiniteQueryOptions({
    queryKey: ['notices', state, kind],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor, signal }) =>
      read(notices.$get({ query: { state, kind, cursor, limit: String(pageRows) } }, { init: { signal } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** The newest notices, for what tells of them. */
export const readNewest = (limit: number) =>
  read(notices.$get({ query: { state: 'open', limit: String(limit) } })).then(({ notices }) => notices);

/** At least so often the number is asked for, also if a signal was missed. */
const askedEachMs = 60_000;

/** How many notices wait. It is asked for again when the next task is due. */
export const unreadQuery = queryOptions({
  queryKey: ['notices', 'unread'],
  queryFn: ({ signal }) => read(notices.unread.$get({}, { init: { signal } })),
  refetchInterval: ({ state: { data } }) => {
    const until = data?.next_at ? new Date(data.next_at).getTime() - Date.now() : askedEachMs;
    return Math.min(Math.max(until, 1_000), askedEachMs);
  },
  // A notification of the desktop is for whoever looks elsewhere.
  refetchIntervalInBackground: true,
});

export const markNotice = (id: string, json: { is_read?: boolean; is_done?: boolean }) =>
  read(notices[':id'].$patch({ param: { id }, json }));

/** @returns takes it back */
export async function readAll(kind: Kind | undefined): Promise<{ changed: number; undo: () => Promise<void> }> {
  const moments: string[] = [];
  let changed = 0;
  for (let isLast = false; !isLast; ) {
    const marked = await read(notices['read-all'].$post({ json: { kind } }));
    moments.push(marked.read_at);
    changed += marked.changed;
    isLast = marked.is_last;
  }
  const undo = async () => {
    for (const read_at of moments) await read(notices['unread-again'].$post({ json: { read_at } }));
  };
  return { changed, undo };
}
