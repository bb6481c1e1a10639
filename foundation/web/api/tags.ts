import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import type { InferRequestType, InferResponseType } from 'hono/client';
import { tags, tagsOfCustomers } from './clients.ts';

/** All tags that customers may have, by name. */
export const tagsQuery = queryOptions({
  queryKey: ['tags'],
  queryFn: ({ signal }) => read(tags.$get({}, { init: { signal } })),
  staleTime: 60_000,
});

export type CustomerTag = InferResponseType<typeof tags.$get, 200>['tags'][number];
export type NewTag = InferRequestType<typeof tags.$post>['json'];

const keyOf = (id: number) => ({ param: { id: String(id) } });
export const createTag = (json: NewTag) => read(tags.$post({ json }));
export const changeTag = (id: number, json: Partial<NewTag>) => read(tags[':id'].$patch({ ...keyOf(id), json }));
/** How many customers have the tag. */
export const countTagged = (id: number) => read(tags[':id'].$delete({ ...keyOf(id), query: { dry_run: 'true' } }));
export const deleteTag = (id: number) => read(tags[':id'].$delete({ ...keyOf(id), query: {} }));

export const giveTag = (id: string, tag_id: number) =>
  read(tagsOfCustomers[':id'].tags.$post({ param: { id }, json: { tag_id } }));
export const takeTag = (id: string, tag: number) =>
  read(tagsOfCustomers[':id'].tags[':tag'].$delete({ param: { id, tag: String(tag) } }));
