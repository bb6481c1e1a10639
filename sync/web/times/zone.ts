import { useSyncExternalStore } from 'react';

const storageKey = 'console-utc';
const listeners = new Set<() => void>();

function read(): boolean {
  try {
    return localStorage.getItem(storageKey) === 'true';
  } catch {
    return false; // storage is forbidden
  }
}

let isUtc = read();

/** Shows times in UTC, or in the time zone of the person, on every page and after a reload. */
export function showUtc(next: boolean): void {
  isUtc = next;
  try {
    localStorage.setItem(storageKey, String(next));
  } catch {} // it counts until the page is left
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Whether times are shown in UTC. */
export const useUtc = (): boolean => useSyncExternalStore(subscribe, () => isUtc);
