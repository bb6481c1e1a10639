import { useSuspenseQuery } from '@tanstack/react-query';
import { useEffect, useEffectEvent, useRef, useState, useSyncExternalStore } from 'react';
import { followDrafts, isKeyOf, type Kept, readDraft, writeDraft } from './drafts.ts';
import { formatMoment } from './formats.ts';
import { meQuery } from './signin.ts';
import { showUndo } from './toasts.tsx';

/** A form's values while they are typed. */
export type Drafting<Value> = {
  value: Value;
  /** Identifies what is made of the draft: when it is sent twice, the server stores it once. */
  id: string;
  /** The values without a draft. */
  initial: Value;
  /** Something was typed that is not sent yet. */
  isThere: boolean;
  /** It survives a reload. */
  isKept: boolean;
  at: string;
  /** When it was typed, if an earlier page kept it and it was not changed since. */
  restoredAt: string | undefined;
  set: (value: Value) => void;
  change: (part: Partial<Value>) => void;
  /** After it was sent: the form is empty again. */
  clear: () => void;
  /** What is made of it from now on is another thing: the former id was used. */
  renew: () => void;
  /** The person does not want it. It can be undone. */
  discard: () => void;
};

type Held<Value> = Kept<Value> & { what: string; initial: Value; isRestored: boolean; isKept: boolean };

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/**
 * The values of a form, kept on the device from the first letter on, under the signed-in person and `what`. They come back when the form
 * is shown again: after another page, a reload or a new sign-in, and in the person's other tabs while they type.
 *
 * @param what names the thing that is edited: `timeline:<customer>`, `new-deal`
 * @param initial the values without a draft
 * @param isEmpty whether there is nothing worth keeping; by default, when the values are the initial ones
 */
export function useDraft<Value>(
  what: string,
  initial: Value,
  isEmpty: (value: Value, initial: Value) => boolean = isSame,
): Drafting<Value> {
  const { data: me } = useSuspenseQuery(meQuery);
  const begin = (): Held<Value> => {
    const kept = readDraft<Value>(localStorage, me.id, what);
    const isRestored = kept !== undefined;
    return {
      what,
      initial,
      isRestored,
      isKept: true,
      ...(kept ?? { id: crypto.randomUUID(), at: '', value: initial }),
    };
  };
  const [state, setHeld] = useState(begin);
  let held = state;
  if (held.what !== what) {
    held = begin();
    setHeld(held);
  }
  /** The latest values: two changes of one event are both kept. */
  const latest = useRef(held);
  useEffect(() => {
    latest.current = held;
  }, [held]);
  const isThere = !isEmpty(held.value, held.initial);

  const write = (next: Held<Value>) => {
    const isThere = !isEmpty(next.value, next.initial);
    const { id, at, value } = next;
    const isKept = writeDraft(localStorage, me.id, what, isThere ? { id, at, value } : undefined);
    latest.current = { ...next, isKept };
    setHeld(latest.current);
  };
  const set = (value: Value) => write({ ...latest.current, value, at: new Date().toISOString(), isRestored: false });
  const clear = () =>
    write({ ...latest.current, initial, value: initial, id: crypto.randomUUID(), at: '', isRestored: false });

  // A person types in one tab at a time: what the other tab keeps is the latest.
  const adopt = useEffectEvent((key?: string) => {
    if (key === undefined || !isKeyOf(key, me.id, what)) return;
    const next = { ...begin(), initial: latest.current.initial };
    latest.current = next.isRestored ? next : { ...next, value: next.initial };
    setHeld(latest.current);
  });
  useEffect(() => followDrafts(adopt), []);

  const isAtRisk = isThere && !held.isKept;
  useEffect(() => {
    if (!isAtRisk) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [isAtRisk]);

  return {
    value: held.value,
    id: held.id,
    initial: held.initial,
    isThere,
    isKept: held.isKept,
    at: held.at,
    restoredAt: held.isRestored ? held.at : undefined,
    set,
    change: (part) => set({ ...latest.current.value, ...part }),
    clear,
    renew: () => write({ ...latest.current, id: crypto.randomUUID() }),
    discard() {
      const { id, at, value } = latest.current;
      clear();
      if (!isThere) return;
      showUndo({
        message: 'The draft was discarded.',
        undo: async () => {
          writeDraft(localStorage, me.id, what, { id, at, value });
          if (latest.current.what === what) setHeld(begin());
          return 'The draft is back.';
        },
      });
    },
  };
}

/** Whether a draft exists, for a mark beside the thing that it is about. */
export function useDraftMark(what: string): boolean {
  const { data: me } = useSuspenseQuery(meQuery);
  return useSyncExternalStore(followDrafts, () => readDraft(localStorage, me.id, what) !== undefined);
}

/** What the person is told about a draft; empty if there is none. */
export function describeDraft({
  isThere,
  isKept,
  restoredAt,
}: Pick<Drafting<unknown>, 'isThere' | 'isKept' | 'restoredAt'>): string {
  if (!isThere) return '';
  if (!isKept) return 'This draft cannot be kept on this device: do not close the page.';
  return restoredAt ? `Draft of ${formatMoment(restoredAt)}, kept on this device` : 'Draft kept on this device';
}
