import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import { type Listener, listenOn } from './listener.ts';

export type Signal = Record<string, unknown>;
export type Signals = ReturnType<typeof openSignals>;

const bytesMax = 4_000;

/**
 * Passing messages between an app's processes, such as "an agent is typing": not stored, not ordered, and lost if nobody listens.
 * Anything that must not be lost is an event. Any login of the database could send the same signal: it holds ids and no personal data,
 * and
 * proves nothing.
 *
 * @param url undefined behind a transaction pooler: signals then reach their own process only.
 */
export function openSignals(connection: Connection, url: string | undefined) {
  const channel = `${connection.app}_signals`;
  const handlers = new Set<(signal: Signal) => void>();
  let listener: Listener | undefined;

  const tell = (signal: Signal) => {
    for (const handle of handlers) handle(signal);
  };
  function hear(payload: string): void {
    try {
      const signal: unknown = JSON.parse(payload);
      if (typeof signal === 'object' && signal !== null) tell(signal as Signal);
    } catch {} // not sent by this module
  }

  return {
    /** Sends to all processes of the app, this one included. @throws InvalidField when it is over 4,000 bytes as JSON. */
    async send(signal: Signal): Promise<void> {
      const payload = JSON.stringify(signal);
      if (Buffer.byteLength(payload) > bytesMax)
        throw new InvalidField([{ field: 'signal', message: `must be at most ${bytesMax} bytes as JSON` }]);
      if (url === undefined) tell(signal);
      else await connection.query('select pg_notify($1, $2)', [channel, payload]);
    },

    /** @returns ends it. */
    listen(handle: (signal: Signal) => void): () => void {
      if (url !== undefined) listener ??= listenOn(channel, url, { onNotified: hear });
      handlers.add(handle);
      return () => handlers.delete(handle);
    },

    /** Nobody listens any more. */
    async close(): Promise<void> {
      handlers.clear();
      await listener?.close();
    },
  };
}
