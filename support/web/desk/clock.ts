import { useSyncExternalStore } from 'react';

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) now = Date.now();
  listeners.add(listener);
  timer ??= setInterval(tick, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/**
 * The present moment in milliseconds: one timer for all components that show it. It is looked at every second, and a component is rendered
 * again when what it shows of it, which `shown` says, is something else: most are once a minute.
 */
export function useNow(shown: (now: number) => string | number | undefined): number {
  useSyncExternalStore(subscribe, () => shown(now));
  return now;
}
