import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import type { InferRequestType, InferResponseType } from 'hono/client';
import { tiers } from './clients.ts';

/** All tiers in their order, also those that are retired. */
export const tiersQuery = queryOptions({
  queryKey: ['tiers'],
  queryFn: ({ signal }) => read(tiers.$get({}, { init: { signal } })),
  staleTime: 60_000,
});

export type Tier = InferResponseType<typeof tiers.$get, 200>['tiers'][number];
export type NewTier = InferRequestType<typeof tiers.$post>['json'];
type TierChange = InferRequestType<(typeof tiers)[':key']['$patch']>['json'];

export const createTier = (json: NewTier) => read(tiers.$post({ json }));
export const changeTier = (key: string, json: TierChange) => read(tiers[':key'].$patch({ param: { key }, json }));
export const orderTiers = (keys: string[]) => read(tiers.order.$put({ json: { keys } }));
export const deleteTier = (key: string) => read(tiers[':key'].$delete({ param: { key } }));
