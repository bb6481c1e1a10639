import net from 'node:net';
import { Client } from './client.ts';
import { keptAlive } from './pool.ts';

/** A dedicated connection that receives notifications; it is opened again whenever it is cut. */
export type Listener = {
  /** Which connection listens at present, counted from 1; undefined while none does. Notifications sent between two of them are lost. */
  connection(): number | undefined;
  /** Settles when its connection is closed. */
  close(): Promise<void>;
};

const reconnectFirstMs = 50;
const reconnectMaxMs = 2_000;
const answerTimeoutMs = 5_000;
const goodbyeTimeoutMs = 1_000;

/**
 * Listens on a channel from the moment that `onConnected` is called, and again after each cut.
 *
 * @param url past a pooler: a transaction pooler passes no notification on.
 */
export function listenOn(
  channel: string,
  url: string,
  {
    onConnected = () => {},
    onNotified,
  }: {
    /** Called at each connection: what was sent before it may have been missed. */
    onConnected?: () => void;
    /** Called for each notification. */
    onNotified: (payload: string) => void;
  },
): Listener {
  let client: Client | undefined;
  let socket: net.Socket | undefined;
  let connections = 0;
  let isConnected = false;
  let isClosed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;

  async function connect(): Promise<void> {
    const opened = new Client({
      url,
      application_name: 'aether-listener',
      connectionTimeoutMillis: answerTimeoutMs,
      query_timeout: answerTimeoutMs,
      ...keptAlive,
      stream: () => {
        socket = new net.Socket();
        return socket;
      },
    });
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
    opened.on('notification', ({ payload = '' }) => onNotified(payload));
    try {
      await opened.connect();
      await opened.query(`listen ${channel}`);
      isConnected = true;
      connections++;
      failures = 0;
      onConnected();
    } catch {
      onLost();
    }
  }
  connect();

  return {
    connection: () => (isConnected ? connections : undefined),
    async close() {
      isClosed = true;
      clearTimeout(retry);
      const timer = setTimeout(() => socket?.destroy(), goodbyeTimeoutMs);
      await client?.end().catch(() => {});
      clearTimeout(timer);
    },
  };
}
