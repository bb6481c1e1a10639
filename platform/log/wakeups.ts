import { type Listener, listenOn } from './listener.ts';

/** Tells when the log has grown. A hint only: who is told reads the log, and who is not told reads it a little later. */
export type Wakeups = {
  /** How many signs there were. */
  signs(): number;
  /** Settles at the first sign after so many, which may have come already, or after so many milliseconds. */
  next(forMs: number | undefined, options: { after: number; signal?: AbortSignal }): Promise<void>;
  /** Which connection brings the signs at present, from 1; undefined while none does. What came between two of them brought no sign. */
  connection(): number | undefined;
  close(): Promise<void>;
};

/** @param url undefined behind a transaction pooler, through which no sign comes: everybody then looks now and then. */
export function listenForEvents(url: string | undefined): Wakeups {
  const waiting = new Set<() => void>();
  let isClosed = false;
  let signs = 0;

  const wakeAll = () => {
    signs++;
    for (const wake of [...waiting]) wake();
  };
  // When it is connected: for what came while nobody listened.
  const listener: Listener | undefined =
    url === undefined ? undefined : listenOn('sync_events', url, { onConnected: wakeAll, onNotified: wakeAll });

  return {
    signs: () => signs,
    next(forMs, { after, signal }) {
      if (isClosed || signal?.aborted || signs > after) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      signal?.addEventListener('abort', resolve as () => void, { once: true });
      const timer = forMs === undefined ? undefined : setTimeout(resolve, forMs);
      return promise.finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', resolve as () => void);
        waiting.delete(resolve);
      });
    },
    connection: () => listener?.connection(),
    async close() {
      isClosed = true;
      wakeAll();
      await listener?.close();
    },
  };
}
