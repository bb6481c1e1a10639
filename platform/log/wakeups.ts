import { type Listener, listenOn } from './listener.ts';

/** Tells readers when the log has grown. Only a hint: a missed one delays a reader until its next poll. */
export type Wakeups = {
  /** How many notifications there were. */
  signs(): number;
  /**
   * Settles at the first notification after so many, which may have come already, or after so many milliseconds. With types: at the first one
   * that may tell of an event of one of them.
   */
  next(
    forMs: number | undefined,
    options: { after: number; types?: readonly string[] | undefined; signal?: AbortSignal },
  ): Promise<void>;
  /**
   * Which connection brings the notifications at present, counted from 1; undefined while none does. Those sent between two of them are
   * lost.
   */
  connection(): number | undefined;
  /** Settles when nothing is heard any more. */
  close(): Promise<void>;
};

type Waiting = { types: readonly string[] | undefined; wake: () => void };

/** @param url undefined behind a transaction pooler, which passes no notification on: every reader then polls. */
export function listenForEvents(url: string | undefined): Wakeups {
  const waiting = new Set<Waiting>();
  let isClosed = false;
  let signs = 0;
  /** The last sign that may have been of any type, and the last ones of those that named their types. */
  let lastOfAny = 0;
  const lastOf = new Map<string, number>();

  function hear(types: string[]): void {
    signs++;
    if (types.length === 0) lastOfAny = signs;
    for (const type of types) lastOf.set(type, signs);
    for (const each of [...waiting])
      if (!each.types || types.length === 0 || each.types.some((type) => types.includes(type))) each.wake();
  }
  const newest = (types: readonly string[] | undefined): number =>
    types ? Math.max(lastOfAny, ...types.map((type) => lastOf.get(type) ?? 0)) : signs;

  const listener: Listener | undefined =
    url === undefined
      ? undefined
      : listenOn('sync_events', url, {
          onConnected: () => hear([]), // for events that came while nobody listened
          onNotified: (payload) => hear(payload.includes('.') ? payload.split(' ') : []),
        });

  return {
    signs: () => signs,
    next(forMs, { after, types, signal }) {
      if (isClosed || signal?.aborted || newest(types) > after) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      const each: Waiting = { types, wake: resolve };
      waiting.add(each);
      signal?.addEventListener('abort', resolve as () => void, { once: true });
      const timer = forMs === undefined ? undefined : setTimeout(resolve, forMs);
      return promise.finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', resolve as () => void);
        waiting.delete(each);
      });
    },
    connection: () => listener?.connection(),
    async close() {
      isClosed = true;
      hear([]);
      await listener?.close();
    },
  };
}
