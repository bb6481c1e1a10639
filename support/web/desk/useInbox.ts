import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type InboxFilters, inboxQuery } from '../api/inbox.ts';
import type { Session } from '../api/records.ts';
import { appendRows, holdOrder } from './order.ts';

/** The rows keep their places for this long after the last key. */
const keyHoldMs = 3_000;
/** The pointer's way from the rows to the button below them: a button that goes at once leaves the click to a row. */
const leaveMs = 300;
const noSessions: Session[] = [];

/** The list of a view: live, but held still while the pointer is over it or the agent moves through it by keys. */
export function useInbox(filters: InboxFilters) {
  const query = useInfiniteQuery(inboxQuery(filters));
  const place = JSON.stringify(filters);
  const fresh = query.data?.pages.flatMap(({ sessions }) => sessions) ?? noSessions;
  const [isHeld, setHeld] = useState(false);
  const [kept, setKept] = useState<{ place: string; order: Session[] }>({ place, order: noSessions });
  const keyTimer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const leaveTimer = useRef<ReturnType<typeof setTimeout>>(undefined);
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
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when a page came
  useEffect(() => {
    const page = query.data?.pages.at(-1)?.sessions ?? noSessions;
    setKept((known) => ({ place, order: known.place === place ? appendRows(known.order, page) : fresh }));
  }, [pages]);
  useEffect(
    () => () => {
      clearTimeout(keyTimer.current);
      clearTimeout(leaveTimer.current);
    },
    [],
  );

  const held = holdOrder(free ? fresh : kept.order, fresh);
  return {
    query,
    rows: held.rows,
    news: held.news,
    isHeld: held.isHeld,
    showNow: () => {
      isPointed.current = false; // the button under the pointer goes, and tells nobody
      setHeld(false);
      setKept({ place, order: fresh });
    },
    /** For the rows and for the button that lets them go. */
    onPointerEnter: () => {
      isPointed.current = true;
      setHeld(true);
    },
    onPointerLeave: () => {
      isPointed.current = false;
      clearTimeout(leaveTimer.current);
      leaveTimer.current = setTimeout(letGo, leaveMs);
    },
    onKey: () => {
      setHeld(true);
      clearTimeout(keyTimer.current);
      keyTimer.current = setTimeout(letGo, keyHoldMs);
    },
  };
}
