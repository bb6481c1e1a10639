import { showRefusal } from '@aether/ui/toasts.tsx';
import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import {
  actsQuery,
  assign,
  type Cluster,
  clusterQuery,
  decide,
  mergeMembers,
  type PairPage,
  pairsQuery,
  split,
} from './queries.ts';
import type { DuplicatesSearch } from './search.ts';
import { useUndo } from './useUndo.ts';

/** So many pairs behind the present one are loaded ahead: a decision shows the next one at once. */
const aheadMax = 3;
/** The last decision or undo on its way. The next one waits for it, so that each undo takes back what was really decided before it. */
let sending: Promise<unknown> = Promise.resolve();
/** When the last decision was refused, if it was: an undo that was asked for before a person can have read that is not about an older one. */
let refusedAt = Number.NEGATIVE_INFINITY;
const readingMs = 1_000;

/**
 * Decides about a cluster and goes on to the next pair of the list at once. What the server refuses is said, and the pair is in the list
 * again.
 */
export function useReview(cluster: Cluster, search: DuplicatesSearch) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const undoing = useUndo();
  const { id } = cluster.pair;
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(pairsQuery(search));
  const ids = data?.pages.flatMap((page) => page.pairs.map((pair) => pair.id)) ?? [];
  const at = ids.indexOf(id);
  const own = new Set(cluster.pairs.map((pair) => pair.id));
  const behind = ids.slice(at + 1).filter((each) => !own.has(each));
  const ahead = behind.slice(0, aheadMax).join(' ');

  useEffect(() => {
    for (const next of ahead.split(' ')) if (next) void queries.prefetchQuery(clusterQuery(next));
  }, [ahead, queries]);
  useEffect(() => {
    if (behind.length < aheadMax && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [behind.length, hasNextPage, isFetchingNextPage, fetchNextPage]);

  function goOn(): void {
    const next = behind[0] ?? ids.find((each) => each !== id && !own.has(each));
    void (next
      ? navigate({ to: '/duplicates/$id', params: { id: next }, search, replace: true })
      : navigate({ to: '/duplicates', search }));
  }

  /** Takes the pairs of the cluster out of the list, sends the decision, and goes on. */
  function send(work: () => Promise<unknown>): void {
    const listKey = pairsQuery(search).queryKey;
    goOn();
    queries.setQueryData<InfiniteData<PairPage>>(
      listKey,
      (known) =>
        known && {
          ...known,
          pages: known.pages.map((page) => ({ ...page, pairs: page.pairs.filter((pair) => !own.has(pair.id)) })),
        },
    );
    const touched = new Set(cluster.members.map((member) => member.id));
    sending = sending.then(work).then(
      () => {
        refusedAt = Number.NEGATIVE_INFINITY;
        // A loaded cluster that has one of these customers is not what it was.
        for (const query of queries.getQueryCache().findAll({ queryKey: ['duplicates', 'cluster'] })) {
          const known = query.state.data as Cluster | undefined;
          if (known?.members.some((member) => touched.has(member.id))) void queries.invalidateQueries(query);
        }
        void queries.invalidateQueries({ queryKey: actsQuery.queryKey });
        void queries.invalidateQueries({ queryKey: ['duplicates', 'list'] });
      },
      (error) => {
        refusedAt = performance.now();
        showRefusal(`Nothing was decided about ${cluster.pair.customer.name} and ${cluster.pair.other.name}`, error);
        void queries.invalidateQueries({ queryKey: ['duplicates'] });
      },
    );
  }

  /** Takes back what this person decided last, and shows that pair again. */
  async function undo(): Promise<void> {
    const { acts } = await queries.fetchQuery({ ...actsQuery, staleTime: 0 }).catch((error) => {
      showRefusal('Nothing was undone', error);
      return { acts: [] };
    });
    const [last] = acts;
    if (!last) return;
    const undone = await undoing.mutateAsync(last.act).catch(() => undefined);
    const back = undone && last.pairs.find(({ was }) => was !== null);
    if (back) void navigate({ to: '/duplicates/$id', params: { id: back.id }, search, replace: true });
  }

  return {
    left: behind.length === 0 ? 'none' : `${behind.length}${hasNextPage ? '+' : ''}`,
    isAtEnd: behind.length === 0 && !hasNextPage,
    undo: () => {
      const askedAt = performance.now();
      sending = sending.then(() => (askedAt < refusedAt + readingMs ? undefined : undo()));
    },
    decisions: {
      merge: (survivor: string) => send(() => mergeMembers(cluster, survivor)),
      decide: (decision: 'different' | 'unsure') =>
        send(() =>
          decide(
            cluster.pairs.filter(({ state }) => state !== decision),
            decision,
          ),
        ),
      split: (left: string[], right: string[]) => {
        sending = sending
          .then(() => split(left, right))
          .then(
            () => void queries.invalidateQueries({ queryKey: ['duplicates'] }),
            (error) => showRefusal('Nothing was split', error),
          );
        // Of two customers that are apart, the pair is decided; what is left of the cluster is still to be looked at.
        const isApart = left.includes(cluster.pair.customer.id) !== left.includes(cluster.pair.other.id);
        const rest = cluster.pairs.find(
          (pair) => left.includes(pair.customer.id) === left.includes(pair.other.id) && pair.id !== id,
        );
        if (!isApart) return;
        if (rest) void navigate({ to: '/duplicates/$id', params: { id: rest.id }, search, replace: true });
        else goOn();
      },
      assign: (to: string | null) => {
        sending = sending
          .then(() => assign(cluster.pairs, to))
          .then(
            () => void queries.invalidateQueries({ queryKey: ['duplicates'] }),
            (error) => showRefusal('Nobody was asked', error),
          );
      },
      skip: goOn,
    },
  };
}
