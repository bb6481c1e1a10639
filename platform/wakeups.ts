import pg from 'pg';

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
  let connections = 0;
  let isConnected = false;
  let isClosed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;

  let signs = 0;

  const wakeAll = () => {
    signs++;
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
      connections++;
      failures = 0;
      wakeAll(); // what came while nobody listened
    } catch {
      onLost();
    }
  }
  if (url) connect();

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
    connection: () => (isConnected ? connections : undefined),
    async close() {
      isClosed = true;
      clearTimeout(retry);
      wakeAll();
      await client?.end().catch(() => {});
    },
  };
}
