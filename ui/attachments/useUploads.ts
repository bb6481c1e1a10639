import { useEffect, useRef, useState } from 'react';
import { describeError } from '../refusal.ts';
import { cancelUpload, type SentFile, uploadFile } from './upload.ts';

/** A file in the tray below a text field. */
export type Uploaded = {
  key: string;
  name: string;
  size: number;
  /** From 0 to 1. */
  share: number;
  /** The server has it. */
  sent?: SentFile;
  /** Why it is not taken. */
  problem?: string;
};

export type Uploads = ReturnType<typeof useUploads>;

const filesMax = 10;

/**
 * The files that are about to be sent with what somebody writes. They are uploaded at once, so that sending waits for nothing.
 *
 * @param base the address below which they are uploaded. With another one the tray is empty again.
 */
export function useUploads(base: string) {
  const [items, setItems] = useState<Uploaded[]>([]);
  const running = useRef(new Map<string, AbortController>());
  const present = useRef(base);

  useEffect(() => {
    present.current = base;
    const controllers = running.current;
    return () => {
      for (const controller of controllers.values()) controller.abort();
      controllers.clear();
      setItems([]);
    };
  }, [base]);

  const change = (key: string, values: Partial<Uploaded>) =>
    setItems((shown) => shown.map((each) => (each.key === key ? { ...each, ...values } : each)));

  async function begin(key: string, file: File): Promise<void> {
    const controller = new AbortController();
    running.current.set(key, controller);
    try {
      const onProgress = (share: number) => change(key, { share });
      const sent = await uploadFile(base, file, { clientId: key, signal: controller.signal, onProgress });
      if (!controller.signal.aborted) change(key, { sent, share: 1 });
      else void cancelUpload(base, sent.id);
    } catch (error) {
      if (!controller.signal.aborted) change(key, { problem: describeError(error) });
    } finally {
      running.current.delete(key);
    }
  }

  return {
    items,
    sent: items.flatMap(({ sent }) => sent ?? []),
    /** One is still on its way. */
    isBusy: items.some(({ sent, problem }) => !sent && !problem),
    isFull: items.length >= filesMax,
    add(files: Iterable<File>): void {
      const fresh = [...files].slice(0, Math.max(0, filesMax - items.length)).map((file) => ({
        key: crypto.randomUUID(),
        file,
      }));
      setItems((shown) => [
        ...shown,
        ...fresh.map(({ key, file: { name, size } }) =>
          size > 0 ? { key, name, size, share: 0 } : { key, name, size, share: 0, problem: 'It is empty.' },
        ),
      ]);
      for (const { key, file } of fresh) if (file.size > 0) void begin(key, file);
    },
    /** Puts back what was not sent after all. */
    putBack(files: SentFile[]): void {
      setItems((shown) => [
        ...files.map((sent) => ({ key: sent.id, name: sent.name, size: sent.size, share: 1, sent })),
        ...shown,
      ]);
    },
    remove(key: string): void {
      running.current.get(key)?.abort();
      const { sent } = items.find((each) => each.key === key) ?? {};
      if (sent) void cancelUpload(base, sent.id);
      setItems((shown) => shown.filter((each) => each.key !== key));
    },
    /** Empties the tray; its files are sent. */
    clear: (): void => setItems([]),
  };
}
