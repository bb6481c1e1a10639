import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat/chat.ts';
import { newId } from '../chat/outbox.ts';
import type { SentFile } from '../chat/thread.ts';

/** A file that is about to be sent. */
export type Waiting = {
  key: string;
  file: File;
  stop: AbortController;
  share: number;
  sent?: SentFile;
  /** The code of a refusal. */
  problem?: string;
};

const filesMax = 10;

/** The files that go with the next message. They are uploaded at once. */
export function useFiles(chat: Chat) {
  const [items, setItems] = useState<Waiting[]>([]);
  const all = useRef(items);
  all.current = items;
  useEffect(
    () => () => {
      for (const { stop } of all.current) stop.abort();
    },
    [],
  );
  const change = (file: File, values: Partial<Waiting>) =>
    setItems((shown) => shown.map((each) => (each.file === file ? { ...each, ...values } : each)));
  return {
    items,
    isBusy: items.some(({ sent, problem }) => !sent && !problem),
    sent: items.flatMap(({ sent }) => sent ?? []),
    add(list: FileList | null | undefined): void {
      const fresh = [...(list ?? [])].slice(0, filesMax - items.length);
      const made = fresh.map((file) => ({ key: newId(), file, stop: new AbortController(), share: 0 }));
      setItems([...items, ...made]);
      for (const { file, stop } of made)
        chat
          .upload(file, stop.signal, (share) => change(file, { share }))
          .then(
            (sent) => change(file, { sent }),
            (problem) => change(file, { problem: String(problem) }),
          );
    },
    remove(file: File): void {
      items.find((each) => each.file === file)?.stop.abort();
      setItems(items.filter((each) => each.file !== file));
    },
    clear: () => setItems([]),
  };
}
