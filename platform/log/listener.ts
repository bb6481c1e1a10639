import net from 'node:net';
import { Client } from './client.ts';
import { keptAlive } from './pool.ts';

/** Hears a channel; when the connection is cut, it is opened again. */
export type Listener = {
  /** Which connection brings the notifications at present, counted from 1; undefined while none does. Those sent between two of them are lost. */
  connection(): number | undefined;
  /** Settles when nothing is heard any more and, if nobody else hears anything at this address, its connection is closed. */
  close(): Promise<void>;
};

export type Hearing = {
  /** Called at each connection: what was sent before it may have been missed. */
  onConnected?: () => void;
  /** Called for each notification. */
  onNotified: (payload: string) => void;
};

const reconnectFirstMs = 50;
const reconnectMaxMs = 2_000;
const answerTimeoutMs = 5_000;
const goodbyeTimeoutMs = 1_000;

/**
 * All that a process hears at one address comes over one connection: PostgreSQL wakes every connection of the database that listens to anything,
 * whatever the notification's channel.
 */
const lines = new Map<string, Line>();

/**
 * Listens on a channel from the moment that `onConnected` is called, and again after each cut.
 *
 * @param url past a pooler: a transaction pooler passes no notification on.
 */
export function listenOn(channel: string, url: string, hearing: Hearing): Listener {
  const line = lines.get(url) ?? openLine(url);
  lines.set(url, line);
  return line.add(channel, hearing);
}

type Line = { add(channel: string, hearing: Hearing): Listener };

function openLine(url: string): Line {
  const heard = new Map<string, Set<Hearing>>();
  /** The channels that the present connection listens to. */
  const listened = new Set<string>();
  /** Whose channels are being arranged. */
  let arranged: Client | undefined;
  let client: Client | undefined;
  let socket: net.Socket | undefined;
  let connections = 0;
  let isConnected = false;
  let isClosed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;

  function lose(lost: Client): void {
    if (client !== lost) return;
    client = undefined;
    isConnected = false;
    listened.clear();
    lost.end().catch(() => {});
    if (isClosed) return;
    retry = setTimeout(connect, Math.min(reconnectFirstMs * 2 ** failures++, reconnectMaxMs));
  }

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
    const onLost = () => lose(opened);
    opened.on('error', onLost);
    opened.on('end', onLost);
    opened.on('notification', ({ channel, payload = '' }) => {
      for (const { onNotified } of [...(heard.get(channel) ?? [])]) onNotified(payload);
    });
    try {
      await opened.connect();
      if (client !== opened) return;
      isConnected = true;
      connections++;
      await arrange(opened);
      failures = 0;
    } catch {
      onLost();
    }
  }

  /**
   * Listens to what is to be heard and is not listened to yet, and no more to what nobody hears: one statement after the other, so that the
   * last one says what `listened` does.
   */
  async function arrange(on: Client): Promise<void> {
    if (arranged === on) return;
    arranged = on;
    try {
      while (client === on) {
        const missing = [...heard.keys()].filter((channel) => !listened.has(channel));
        const needless = [...listened].filter((channel) => !heard.has(channel));
        if (missing.length + needless.length === 0) return;
        for (const channel of needless) listened.delete(channel);
        const statements = [...needless.map((each) => `unlisten ${each}`), ...missing.map((each) => `listen ${each}`)];
        await on.query(statements.join('; '));
        if (client !== on) return;
        for (const channel of missing) {
          listened.add(channel);
          for (const { onConnected } of [...(heard.get(channel) ?? [])]) onConnected?.();
        }
      }
    } finally {
      if (arranged === on) arranged = undefined;
    }
  }

  async function close(): Promise<void> {
    isClosed = true;
    lines.delete(url);
    clearTimeout(retry);
    const timer = setTimeout(() => socket?.destroy(), goodbyeTimeoutMs);
    await client?.end().catch(() => {});
    clearTimeout(timer);
  }

  connect();

  return {
    add(channel, hearing) {
      const hearers = heard.get(channel) ?? new Set();
      heard.set(channel, hearers.add(hearing));
      const on = client;
      if (on && isConnected) {
        if (listened.has(channel)) queueMicrotask(() => hearers.has(hearing) && hearing.onConnected?.());
        else arrange(on).catch(() => lose(on));
      }
      return {
        connection: () => (hearers.has(hearing) && listened.has(channel) ? connections : undefined),
        async close() {
          if (!hearers.delete(hearing) || hearers.size > 0) return;
          heard.delete(channel);
          if (heard.size === 0) return close();
          const last = client;
          if (last && isConnected) arrange(last).catch(() => lose(last));
        },
      };
    },
  };
}
