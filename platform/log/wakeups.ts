import { type Listener, listenOn } from './listener.ts';

/** Tells readers when the log has grown. Only a hint: a missed one delays a reader until its next poll. */
export type Wakeups = {
  /** How many notifications there were. */
  signs(): number;
  /** Settles at the first notification after so many, which may have come already, or after so many milliseconds. */
  next(forMs: number | undefined, options: { after: number; signal?: AbortSignal }): Promise<void>;
  /**
   * Which connection brings the notifications at present, counted from 1; undefined while none does. Those sent between two of them are
   * lost.
   */
  connection(): number | undefined;
  /** Settles when the connection that listens is closed. */
  close(): Promise<void>;
};

/** @param url undefined behind a transaction pooler, which passes no notification on: every reader then polls. */
export function listenForEvents(url: string | undefined): Wakeups {
  const waiting = new Set<() => void>();
  let isClosed = false;
  let signs = 0;

  const wakeAll = () => {
    signs++;
    for (const wake of [...waiting]) wake();
  };
  // When it is connected: for events that came while nobody listened.
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
