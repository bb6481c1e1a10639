import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { act, ask } from '../api/asking.ts';
import type { DuplicatesSearch, PairState } from './search.ts';

export type Named = { id: string; name: string; email: string };
export type Pair = {
  id: string;
  state: PairState;
  customer: Named;
  other: Named;
  score: number;
  reasons: string[];
  source: string;
  run: string | null;
  assigned_to: string | null;
  assigned_name: string | null;
  created_at: string;
  decided_at: string | null;
  decided_by: string | null;
  decided_name: string | null;
  merge: string | null;
};
export type PairPage = {
  pairs: Pair[];
  counts: Record<PairState, number>;
  people: { id: string; name: string }[];
  next_cursor: string | null;
};
export type TimelineEntry = { app: string; what: string; text: string; at: string };
export type Member = Named & {
  version: number;
  has_address: boolean;
  phone: string | null;
  company: string | null;
  account_tier: string | null;
  account_manager: string | null;
  preferred_language: string | null;
  timezone: string | null;
  crm_id: number | null;
  support_id: number | null;
  created_at: string;
  created_by_app: string;
  addresses: { email: string; verified: boolean }[];
  phones: string[];
  deals: number;
  conversations: number;
  activities: number;
  timeline: TimelineEntry[];
};
export type Bridge = { pair: string; left: string[]; right: string[] };
export type Cluster = {
  pair: Pair;
  pairs: Pair[];
  members: Member[];
  bridges: Bridge[];
  survivor: string | null;
  isCut: boolean;
};
export type Act = {
  act: string;
  decided_at: string;
  became: PairState;
  pairs: { id: string; customer: Named; other: Named; was: PairState | null }[];
};

/** The pairs of a filter, page by page. */
export const pairsQuery = (search: DuplicatesSearch) =>
  infiniteQueryOptions({
    queryKey: ['duplicates', 'list', search],
    queryFn: ({ pageParam, signal }) => {
      const asked = new URLSearchParams({ ...search, ...(pageParam && { cursor: pageParam }) });
      return ask<PairPage>(`/api/duplicates?${asked}`, signal);
    },
    initialPageParam: '',
    getNextPageParam: (page: PairPage) => page.next_cursor ?? undefined,
  });

/** A pair with the customers that belong to it. It stays as it was loaded ahead until somebody decides. */
export const clusterQuery = (id: string) =>
  queryOptions({
    queryKey: ['duplicates', 'cluster', id],
    queryFn: ({ signal }) => ask<Cluster>(`/api/duplicates/${id}`, signal),
    staleTime: 30_000,
    retry: false,
  });

export const actsQuery = queryOptions({
  queryKey: ['duplicates', 'acts'],
  queryFn: ({ signal }) => ask<{ acts: Act[] }>('/api/duplicates/decisions', signal),
});

const seenOf = (pairs: Pair[]) => pairs.map(({ id, state }) => ({ id, state }));

export const decide = (pairs: Pair[], decision: 'different' | 'unsure') =>
  act<{ act: string }>('POST', '/api/duplicates/decisions', { pairs: seenOf(pairs), decision });

/** Merges what was shown and nothing else: it is refused if one of the customers has changed since. */
export const mergeMembers = ({ members, pairs }: Pick<Cluster, 'members' | 'pairs'>, survivor: string) =>
  act<{ act: string; survivor: string; merges: string[] }>('POST', '/api/duplicates/merges', {
    survivor,
    losers: members.filter(({ id }) => id !== survivor).map(({ id }) => id),
    pairs: seenOf(pairs),
    expected_versions: Object.fromEntries(members.map(({ id, version }) => [id, version])),
  });

export const split = (left: string[], right: string[]) =>
  act<{ act: string | null }>('POST', '/api/duplicates/splits', { left, right });

export const assign = (pairs: Pair[], to: string | null) =>
  act<{ pairs: number }>('POST', '/api/duplicates/assignments', { pairs: pairs.map(({ id }) => id), to });

export const undoAct = (id: string) => act<{ pairs: string[] }>('POST', `/api/duplicates/decisions/${id}/undo`, {});
