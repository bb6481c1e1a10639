import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type InboxFilters, inboxQuery } from '../api/inbox.ts';
import type { Session } from '../api/records.ts';
import { holdOrder } from './order.ts';

/** So long after the last key the rows stay where they are. */
const keyHoldMs = 3_000;
const noSessions: Session[] = [];

/** The list of a view: live, and held still while the pointer is over it or somebody walks through it by keys. */
export function useInbox(filters: InboxFilters) {
  const query = useInfiniteQuery(inboxQuery(filters));
  const place = JSON.stringify(filters);
  const fresh = query.data?.pages.flatMap(({ sessions }) => sessions) ?? noSessions;
  const [isHeld, setHeld] = useState(false);
  const [kept, setKept] = useState<{ place: string; order: Session[] }>({ place, order: noSessions });
  const keyTimer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const isPointed = useRef(false);
  const pages = query.data?.pages.length ?? 0;

  const isSettled = kept.place === place && kept.order.length > 0;
  const free = !isHeld || !isSettled;
  const signature = fresh.map(({ id }) => id).join();
  const keptSignature = kept.order.map(({ id }) => id).join();
  // While nothing is held, what is shown is what there is; it is remembered for the moment somebody holds it.
  if (free && (kept.place !== place || keptSignature !== signature)) setKept({ place, order: fresh });

  const letGo = useCallback(() => {
    if (!isPointed.current) setHeld(false);
  }, []);
  // Further pages were requested for this list, so they go to its end.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when a page came
  useEffect(() => setKept({ place, order: fresh }), [pages]);
  useEffect(() => () => clearTimeout(keyTimer.current), []);

  const held = holdOrder(free ? fresh : kept.order, fresh);
  return {
    query,
    rows: held.rows,
    news: held.news,
    isHeld: held.isHeld,
    showNow: () => setKept({ place, order: fresh }),
    onPointerEnter: () => {
      isPointed.current = true;
      setHeld(true);
    },
    onPointerLeave: () => {
      isPointed.current = false;
      setHeld(false);
    },
    onKey: () => {
      setHeld(true);
      clearTimeout(keyTimer.current);
      keyTimer.current = setTimeout(letGo, keyHoldMs);
    },
  };
}
