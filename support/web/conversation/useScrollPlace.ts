import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** So near to the end somebody reads what comes. */
const endPxMax = 60;

type Place = {
  /** The number of the first message: it sinks when earlier ones are loaded. */
  first: number;
  /** Grows with everything that comes at the end. */
  last: number;
  /** How much the person has sent that is not confirmed: one's own words are always shown. */
  own: number;
  isTyping: boolean;
};

/** Keeps the reading place: content that comes above or below does not move it, unless the reader is at the end. */
export function useScrollPlace({ first, last, own, isTyping }: Place) {
  const scroller = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const [seen, setSeen] = useState(last);
  const place = useRef({ atEnd: true, first, own, fromEndPx: 0 });

  const measure = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    place.current.fromEndPx = box.scrollHeight - box.scrollTop;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight <= endPxMax;
    place.current.atEnd = atEnd;
    setAtEnd(atEnd);
  }, []);
  const toEnd = useCallback(() => {
    const box = scroller.current;
    if (box) box.scrollTop = box.scrollHeight;
    measure();
  }, [measure]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: any new content may change the height
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const before = place.current;
    // Earlier ones came above: as far from the end as before is the same place.
    if (first < before.first) box.scrollTop = box.scrollHeight - before.fromEndPx;
    else if (before.atEnd || own > before.own) box.scrollTop = box.scrollHeight;
    place.current = { ...before, first, own };
    measure();
  }, [first, last, own, isTyping, measure]);
  // What was in sight is seen; what comes while one reads above is counted.
  if (isAtEnd && seen !== last) setSeen(last);

  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    box.addEventListener('scroll', measure, { passive: true });
    const observer = new ResizeObserver(() => {
      if (place.current.atEnd) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    return () => {
      box.removeEventListener('scroll', measure);
      observer.disconnect();
    };
  }, [measure]);

  return { scroller, isAtEnd, news: Math.max(0, last - seen), toEnd };
}
