import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type InboxFilters, inboxQuery } from '../api/inbox.ts';
import type { Session } from '../api/records.ts';
import { holdOrder } from './order.ts';

/** The rows keep their places for this long after the last key. */
const keyHoldMs = 3_000;
const noSessions: Session[] = [];

/** The list of a view: live, but held still while the pointer is over it or the agent moves through it by keys. */
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
  // While nothing is held, the display is the current list; it is remembered for the moment when a hold begins.
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
