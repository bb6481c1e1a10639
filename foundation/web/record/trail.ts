import type { QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { companiesQuery } from '../api/companies.ts';
import { customersQuery } from '../api/customers.ts';
import { dealsQuery } from '../api/deals.ts';
import { useMe } from '../shell/person.ts';
import { type KeptTrail, keepTrail, readTrail, type TrailKind } from './kepttrail.ts';

/** The state in which a list was left. A record that was opened from it leads to its neighbours and back. */
type Trail = Pick<KeptTrail, 'search' | 'filters' | 'ids' | 'total'> & {
  /** Loads another page. @returns all ids afterwards. */
  more?: () => Promise<string[]>;
  /** The scroll position in pixels. */
  offset: number;
  /** The record that was opened last. */
  opened?: string;
};

const trails = new Map<TrailKind, Trail>();

/** The person's former place in a list, and the trail for the records that are opened from it. It outlives a reload. */
export function useListTrail(kind: TrailKind, list: Pick<Trail, 'search' | 'filters' | 'ids' | 'total' | 'more'>) {
  const me = useMe();
  const [place] = useState(() => {
    const before = trails.get(kind);
    const isSame = before !== undefined && JSON.stringify(before.search) === JSON.stringify(list.search);
    return isSame ? { offset: before.offset, key: before.opened } : { offset: 0, key: undefined };
  });
  useEffect(() => {
    const { offset = 0, opened } = trails.get(kind) ?? {};
    if (list.ids.length > 0) trails.set(kind, { ...list, offset, opened });
  });
  const { search, filters, ids, total, more } = list;
  const mark = JSON.stringify([search, ids.length, ids[0], ids.at(-1), total]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the mark changes with the list, whose ids are a new array at each rendering
  useEffect(() => {
    if (ids.length > 0) keepTrail(kind, { person: me.id, search, filters, ids, total, hasMore: more !== undefined });
  }, [kind, me.id, mark, more === undefined]);
  const keep = (offset: number) => {
    const trail = trails.get(kind);
    if (trail) trail.offset = offset;
  };
  return { ...place, keep };
}

/** The list from which a record was opened, if there is one. */
export function useTrail(kind: TrailKind, id: string) {
  const me = useMe();
  const client = useQueryClient();
  const trail = trails.get(kind) ?? restore(kind, me.id, client);
  const index = trail?.ids.indexOf(id) ?? -1;
  useEffect(() => {
    if (trail && index >= 0) trail.opened = id;
  }, [trail, index, id]);
  if (!trail || index < 0) return undefined;
  const { ids, total, search } = trail;
  return {
    search,
    index,
    total: total ?? (trail.more ? undefined : ids.length),
    before: ids[index - 1],
    hasNext: index + 1 < ids.length || trail.more !== undefined,
    /** The next record; at the end of the loaded ones, the first of the next page. */
    async next(): Promise<string | undefined> {
      if (index + 1 >= ids.length && trail.more) trail.ids = await trail.more();
      return trail.ids[trail.ids.indexOf(id) + 1];
    },
  };
}

/** The trail from before a reload. */
function restore(kind: TrailKind, person: string, client: QueryClient): Trail | undefined {
  const kept = readTrail(kind, person);
  if (!kept) return undefined;
  const { search, filters, ids, total, hasMore } = kept;
  const trail: Trail = { search, filters, ids, total, offset: 0 };
  if (hasMore)
    trail.more = async () => {
      const { ids: now, isWhole } = await readPages(client, kind, filters, trail.ids.length);
      if (isWhole) trail.more = undefined;
      return now;
    };
  trails.set(kind, trail);
  return trail;
}

const perPage = 50;

/** The ids of a list with one page more than these. */
async function readPages(client: QueryClient, kind: TrailKind, filters: object, length: number) {
  const pages = Math.floor(length / perPage) + 1;
  const read = {
    customers: async () => {
      const data = await client.fetchInfiniteQuery({ ...customersQuery(filters), pages });
      return { ids: data.pages.flatMap(({ customers }) => customers.map(({ id }) => id)), last: data.pages.at(-1) };
    },
    companies: async () => {
      const data = await client.fetchInfiniteQuery({ ...companiesQuery(filters), pages });
      return { ids: data.pages.flatMap(({ companies }) => companies.map(({ id }) => id)), last: data.pages.at(-1) };
    },
    deals: async () => {
      const data = await client.fetchInfiniteQuery({ ...dealsQuery(filters), pages });
      return { ids: data.pages.flatMap(({ deals }) => deals.map(({ id }) => String(id))), last: data.pages.at(-1) };
    },
  }[kind];
  const { ids, last } = await read();
  return { ids, isWhole: !last?.next_cursor };
}
