import { useEffect, useState } from 'react';

export type TrailKind = 'customers' | 'companies' | 'deals';

/** The state in which a list was left. A record that was opened from it leads to its neighbours and back. */
type Trail = {
  /** The list's search from the URL. */
  search: object;
  ids: string[];
  total?: number;
  /** Loads another page. @returns all ids afterwards. */
  more?: () => Promise<string[]>;
  /** The scroll position in pixels. */
  offset: number;
  /** The record that was opened last. */
  opened?: string;
};

const trails = new Map<TrailKind, Trail>();

/** The person's former place in a list, and the trail for the records that are opened from it. */
export function useListTrail(kind: TrailKind, list: Pick<Trail, 'search' | 'ids' | 'total' | 'more'>) {
  const [place] = useState(() => {
    const before = trails.get(kind);
    const isSame = before !== undefined && JSON.stringify(before.search) === JSON.stringify(list.search);
    return isSame ? { offset: before.offset, key: before.opened } : { offset: 0, key: undefined };
  });
  useEffect(() => {
    const { offset = 0, opened } = trails.get(kind) ?? {};
    if (list.ids.length > 0) trails.set(kind, { ...list, offset, opened });
  });
  const keep = (offset: number) => {
    const trail = trails.get(kind);
    if (trail) trail.offset = offset;
  };
  return { ...place, keep };
}

/** The list from which a record was opened, if there is one. */
export function useTrail(kind: TrailKind, id: string) {
  const trail = trails.get(kind);
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
      return trail.ids[index + 1];
    },
  };
}
