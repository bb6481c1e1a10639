import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

export type Mode = 'reply' | 'note';
export type Draft = { mode: Mode; reply: string; note: string; at: string };

export const emptyDraft: Draft = { mode: 'reply', reply: '', note: '', at: '' };
export const hasWords = ({ reply, note }: Draft) => reply.trim() !== '' || note.trim() !== '';

const prefix = 'aether.support.draft.';
const daysMax = 30;
const keyOf = (userId: string, sessionId: string) => `${prefix}${userId}.${sessionId}`;

type Place = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
const listeners = new Set<() => void>();

/** @returns the draft; an empty one if there is none or it cannot be read. */
export function readDraft(storage: Place, userId: string, sessionId: string): Draft {
  return readKey(storage, keyOf(userId, sessionId));
}

function readKey(storage: Place, key: string): Draft {
  try {
    const kept = JSON.parse(storage.getItem(key) ?? 'null');
    return kept ? { ...emptyDraft, ...kept } : emptyDraft;
  } catch {
    return emptyDraft;
  }
}

/** Keeps the draft, or removes an empty one. @returns whether it will survive a reload. */
export function writeDraft(storage: Place, userId: string, sessionId: string, draft: Draft): boolean {
  const key = keyOf(userId, sessionId);
  try {
    if (hasWords(draft)) storage.setItem(key, JSON.stringify(draft));
    else storage.removeItem(key);
    return true;
  } catch {
    return false;
  } finally {
    for (const listener of listeners) listener();
  }
}

/** Removes drafts that were unused for a month, and those that cannot be read. */
export function pruneDrafts(storage: Storage, now = Date.now()): void {
  for (const key of Object.keys(storage).filter((name) => name.startsWith(prefix))) {
    const ageMs = now - Date.parse(readKey(storage, key).at);
    if (!(ageMs < daysMax * 86_400_000)) storage.removeItem(key);
  }
}

/** The unsent text of one conversation while it is typed; it outlives the page. */
export function useDraft(userId: string, sessionId: string) {
  const [draft, setDraft] = useState(() => readDraft(localStorage, userId, sessionId));
  const [restoredAt] = useState(() => (hasWords(draft) ? draft.at : undefined));
  const [isKept, setKept] = useState(true);
  useEffect(() => {
    setKept(writeDraft(localStorage, userId, sessionId, draft));
  }, [userId, sessionId, draft]);
  const change = useCallback(
    (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part, at: new Date().toISOString() })),
    [],
  );
  return { draft, change, isKept, restoredAt };
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('storage', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('storage', listener);
  };
}

/** Whether a draft exists in a conversation: for its row in the list. */
export const useDraftMark = (userId: string, sessionId: string): boolean =>
  useSyncExternalStore(subscribe, () => localStorage.getItem(keyOf(userId, sessionId)) !== null);
