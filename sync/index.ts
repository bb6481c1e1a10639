import { startRetention } from './worker/retention.ts';
import { startSequencer } from './worker/sequencer.ts';

export * from './operations.ts';
export { dropOldEvents, type Retention } from './worker/retention.ts';

export type SyncWorker = { close(): Promise<void> };

export type SyncOptions = {
  /** As sync_app. */
  url: string;
  /** How long events are kept, at least. */
  keepDays?: number;
  /** Told of every failure, and of subscriptions that hold old events; the worker goes on. */
  onError: (error: unknown) => void;
};

const keepDaysDefault = 90;

/** Starts the worker: it numbers committed events and drops old ones. Run one, or several on several machines: one leads. */
export function startSync({ url, keepDays = keepDaysDefault, onError }: SyncOptions): SyncWorker {
  const sequencer = startSequencer({ url, onError });
  const retention = startRetention({
    url,
    keepDays,
    onError,
    onReport({ stays, holders }) {
      if (stays !== 'held') return;
      const names = holders.map(({ name, behind, parked }) => `${name} (${behind} to come, ${parked} parked)`);
      onError(new Error(`Old events are kept for subscriptions that are behind: ${names.join(', ')}.`));
    },
  });
  return {
    async close() {
      await Promise.all([retention.stop(), sequencer.stop()]);
    },
  };
}
