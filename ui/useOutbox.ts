import { useSuspenseQuery } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';
import { formatTime } from './formats.ts';
import type { LiveFeed } from './live.ts';
import { createOutbox } from './outbox.ts';
import { isReloading } from './parts/reload.ts';
import { meQuery } from './signin.ts';
import { markOpen, tab, whenGone } from './tabs.ts';
import { showDone } from './toasts.tsx';
import { type Unsent, unsentKey } from './unsent.ts';

type Options<Item> = {
  /** Names it in the storage of the person. Another open tab of the same person sends its own things. */
  name: string;
  feed: Pick<LiveFeed, 'getState' | 'subscribe'>;
  deliver: (unsent: Unsent<Item>) => Promise<void>;
  explain?: (error?: unknown) => Partial<Item>;
  /** What was written, for the report of a late arrival. */
  wordsOf: (item: Item) => string;
};

/** While something waits and the browser believes to be online, it is tried again after this time. */
const retryMs = 15_000;
const wordsMax = 60;

markOpen();

/**
 * An app's outbox: every person has their own. What a closed tab has left is taken up by another one, or at the next visit.
 *
 * @returns the hook for where things are written, and a function that sends what an earlier page has left.
 */
export function openOutbox<Item extends object>({ name, feed, deliver, explain, wordsOf }: Options<Item>) {
  const opened = new Map<string, ReturnType<typeof createOutbox<Item>>>();

  function open(person: string) {
    const outbox = createOutbox<Item>({
      storage: localStorage,
      key: unsentKey(person, name),
      tab,
      deliver,
      explain,
      onLate: (unsent) => showDone(describeArrival(unsent.created_at, wordsOf(unsent))),
    });
    const again = () => {
      if (feed.getState() === 'live') outbox.retryOffline();
    };
    const watched = new Set<string>();
    const watch = () => {
      for (const owner of outbox.listOwners()) {
        if (watched.has(owner)) continue;
        watched.add(owner);
        void whenGone(owner, () => {
          outbox.adopt(owner);
          again();
        });
      }
    };
    window.addEventListener('storage', ({ key, newValue }) => {
      if (key && newValue === null) outbox.forget(key);
      watch();
    });
    watch();
    feed.subscribe(again);
    setInterval(() => navigator.onLine && outbox.isWaiting() && outbox.retryOffline(), retryMs);
    setTimeout(again);
    return outbox;
  }
  function of(person: string) {
    const known = opened.get(person) ?? open(person);
    opened.set(person, known);
    return known;
  }

  /** The unsent things of a place, and the actions on them. */
  function useOutbox(place: string) {
    const { data: me } = useSuspenseQuery(meQuery);
    const outbox = of(me.id);
    const unsent = useSyncExternalStore(outbox.subscribe, () => outbox.list(place));
    const hasUnsent = unsent.length > 0;
    useEffect(() => {
      if (!hasUnsent) return;
      const askBeforeLeaving = (event: BeforeUnloadEvent) => {
        if (!isReloading() || !outbox.isKept()) event.preventDefault();
      };
      window.addEventListener('beforeunload', askBeforeLeaving);
      return () => window.removeEventListener('beforeunload', askBeforeLeaving);
    }, [hasUnsent, outbox]);
    return {
      unsent,
      send: (item: Item, clientId: string = crypto.randomUUID()) =>
        outbox.add({ ...item, client_id: clientId, place, created_at: new Date().toISOString() }),
      retry: outbox.retry,
      discard: outbox.discard,
    };
  }
  return { useOutbox, sendUnsent: (person: string) => void of(person) };
}

function describeArrival(since: string, words: string): string {
  const text = words.length > wordsMax ? `${words.slice(0, wordsMax)}…` : words;
  return `“${text}” was sent at ${formatTime(new Date().toISOString())}. It waited for the connection since ${formatTime(since)}.`;
}
