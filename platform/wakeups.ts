import pg from 'pg';

/** Tells when the log has grown. A hint only: who is told reads the log, and who is not told reads it a little later. */
export type Wakeups = {
  /** Settles at the next sign of new events, or after so many milliseconds. */
  next(forMs: number | undefined, signal?: AbortSignal): Promise<void>;
  /** Whether signs arrive at present. */
  isConnected(): boolean;
  close(): Promise<void>;
};

const reconnectFirstMs = 50;
const reconnectMaxMs = 2_000;

/**
 * Listens on a connection of its own, which it opens again whenever it is cut.
 *
 * @param url undefined behind a transaction pooler, through which no sign comes: everybody then looks now and then.
 */
export function listenForEvents(url: string | undefined): Wakeups {
  const waiting = new Set<() => void>();
  let client: pg.Client | undefined;
  let isConnected = false;
  let isClosed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;

  const wakeAll = () => {
    for (const wake of [...waiting]) wake();
  };

  async function connect(): Promise<void> {
    const opened = new pg.Client({ connectionString: url, application_name: 'aether-wakeups', keepAlive: true });
    client = opened;
    const onLost = () => {
      if (client !== opened) return;
      client = undefined;
      isConnected = false;
      opened.end().catch(() => {});
      if (isClosed) return;
      retry = setTimeout(connect, Math.min(reconnectFirstMs * 2 ** failures++, reconnectMaxMs));
    };
    opened.on('error', onLost);
    opened.on('end', onLost);
    opened.on('notification', wakeAll);
    try {
      await opened.connect();
      await opened.query('listen sync_events');
      isConnected = true;
      failures = 0;
      wakeAll(); // what came while nobody listened
    } catch {
      onLost();
    }
  }
  if (url) connect();

  return {
    next(forMs, signal) {
      if (isClosed || signal?.aborted) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
      const timer = forMs === undefined ? undefined : setTimeout(resolve, forMs);
      return promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(resolve);
      });
    },
    isConnected: () => isConnected,
    async close() {
      isClosed = true;
      clearTimeout(retry);
      wakeAll();
      await client?.end().catch(() => {});
    },
  };
}
