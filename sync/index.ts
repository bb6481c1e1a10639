export * from './operations.ts';

import { startSequencer } from './sequencer.ts';

export type SyncWorker = { close(): Promise<void> };

/**
 * Starts the worker: it numbers committed events. Run one, or several on several machines: one leads.
 *
 * @param url as sync_app.
 * @param onError told of every failure; the worker goes on.
 */
export function startSync({ url, onError }: { url: string; onError: (error: unknown) => void }): SyncWorker {
  const sequencer = startSequencer({ url, onError });
  return { close: sequencer.stop };
}
