import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** This near to the end the reader follows new content. */
const endPxMax = 60;

type Place = {
  /** The number of the first message: it sinks when earlier ones are loaded. */
  first: number;
  /** Grows with everything added at the end. */
  last: number;
  /** How many unconfirmed messages the person has sent: a person's own messages always scroll into sight. */
  own: number;
  isTyping: boolean;
};

/** Keeps the reading place: content added above or below does not move it, unless the reader is at the end. */
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
    // Earlier messages were added above: the same distance from the end is the same place.
    if (first < before.first) box.scrollTop = box.scrollHeight - before.fromEndPx;
    else if (before.atEnd || own > before.own) box.scrollTop = box.scrollHeight;
    place.current = { ...before, first, own };
    measure();
  }, [first, last, own, isTyping, measure]);
  // Messages in sight are seen; those that arrive while the reader is further up are counted.
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
