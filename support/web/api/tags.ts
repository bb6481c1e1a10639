import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import type { InferRequestType, InferResponseType } from 'hono/client';
import { tags } from './clients.ts';

/** All tags that conversations may have, by name. */
export const tagsQuery = queryOptions({
  queryKey: ['tags'],
  queryFn: ({ signal }) => read(tags.$get({}, { init: { signal } })),
  staleTime: 60_000,
});

export type SessionTag = InferResponseType<typeof tags.$get, 200>['tags'][number];
export type NewTag = InferRequestType<typeof tags.$post>['json'];

const keyOf = (id: number) => ({ param: { id: String(id) } });
export const createTag = (json: NewTag) => read(tags.$post({ json }));
export const changeTag = (id: number, json: Partial<NewTag>) => read(tags[':id'].$patch({ ...keyOf(id), json }));
/** How many conversations have the tag. */
export const countTagged = (id: number) => read(tags[':id'].$delete({ ...keyOf(id), query: { dry_run: 'true' } }));
export const deleteTag = (id: number) => read(tags[':id'].$delete({ ...keyOf(id), query: {} }));
