export type TrailKind = 'customers' | 'companies' | 'deals';

/** What is kept of a list for the time after a reload, in the tab's storage until its person signs out. */
export type KeptTrail = {
  person: string;
  /** The list's search from the URL. */
  search: object;
  /** The filters of the query that loads the list. */
  filters: object;
  ids: string[];
  total?: number;
  /** The list has more than these ids. */
  hasMore: boolean;
};

const keyOf = (kind: TrailKind) => `aether.trail.${kind}`;

/** Keeps it in place of the one before. A storage that is full or forbidden keeps none. */
export function keepTrail(
  kind: TrailKind,
  trail: KeptTrail,
  open: () => Pick<Storage, 'setItem'> = () => sessionStorage,
): void {
  try {
    open().setItem(keyOf(kind), JSON.stringify(trail));
  } catch {}
}

/** Reads what was kept for this person. It is undefined when nothing was kept, or when it was kept for somebody else. */
export function readTrail(
  kind: TrailKind,
  person: string,
  open: () => Pick<Storage, 'getItem'> = () => sessionStorage,
): KeptTrail | undefined {
  try {
    const kept = JSON.parse(open().getItem(keyOf(kind)) ?? 'null');
    return kept?.person === person && Array.isArray(kept.ids) ? kept : undefined;
  } catch {
    return undefined;
  }
}
