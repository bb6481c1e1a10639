import { useSyncExternalStore } from 'react';

/** Relative times move on this often. */
const tickMs = 5_000;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    for (const each of listeners) each();
  }, tickMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/**
 * The words that `say` has for the present time in milliseconds. They are looked at every few seconds, as long as their page is looked at, and the
 * component is drawn again when they are other ones.
 */
export const useNow = (say: (now: number) => string): string => useSyncExternalStore(subscribe, () => say(Date.now()));
