import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import { savedViews } from './clients.ts';

/** The saved views of the inbox: one's own and the shared ones. */
export const savedViewsQuery = queryOptions({
  queryKey: ['saved-views'],
  queryFn: ({ signal }) => read(savedViews.$get({}, { init: { signal } })),
  staleTime: 60_000,
});

export type SavedView = InferResponseType<typeof savedViews.$get, 200>['views'][number];
const keyOf = (id: number) => ({ param: { id: String(id) } });

export const createView = (json: Pick<SavedView, 'name' | 'query' | 'is_shared'>) => read(savedViews.$post({ json }));
export const changeView = (id: number, json: Partial<Pick<SavedView, 'name' | 'query' | 'is_shared'>>) =>
  read(savedViews[':id'].$patch({ ...keyOf(id), json }));
export const deleteView = (id: number) => read(savedViews[':id'].$delete(keyOf(id)));
