import { setTimeout as wait } from 'node:timers/promises';
import type { Line } from './line.ts';

/** How long the second connection queues at a time. A sleeping leader looks when that is over: less than four times a second. */
export const queueMs = 400;

const lock = '7271, 1';
/** Of those who wrote while no leader's lease held, and so did not ring. */
const unledLock = '7271, 3';

/**
 * The doorbell (see sync.ring). A writer that can share its lock stays silent, because the sequencer is awake; a writer that cannot share it
 * rings. The sequencer takes the lock and sleeps.
 *
 * A transaction that has written and stays open holds the lock shared, perhaps for hours, and the sequencer cannot take it. The sequencer
 * then lets a second connection join the lock's queue. PostgreSQL lets nobody share a lock for which an exclusive request waits, so from
 * then on every other writer rings, and the sequencer may sleep. When the long transaction ends, the second connection gets the lock and
 * wakes the sequencer for the events that were committed in silence. So neither costs latency, and nothing is polled.
 *
 * Nobody rings for a sequencer whose lease is over: it may be stopped, and who rings holds up all others who do. Such a writer shares a second
 * lock, and the sequencer that leads next, or again, falls asleep only when it finds that free. Then it has seen all that they committed.
 */
export type Doorbell = ReturnType<typeof createDoorbell>;

export function createDoorbell(
  line: Line,
  { openSecond, onError }: { openSecond: () => Promise<Line>; onError: (error: unknown) => void },
) {
  let second: Line | undefined;
  let queued: Promise<boolean> | undefined;
  let isClosed = false;

  /** @returns true when the writers that held it in silence have ended; false when the time is over */
  async function standInQueue(): Promise<boolean> {
    try {
      if (!second || second.isLost()) second = await openSecond();
      if (isClosed) second.cut();
      const [row] = await second.query<{ free: boolean }>('select sync.await_doorbell($1) as free', [queueMs]);
      return row?.free ?? false;
    } catch (error) {
      if (isClosed) return false;
      // Without a second connection the leader polls.
      onError(error);
      second?.cut();
      second = undefined;
      await wait(queueMs);
      return false;
    }
  }

  return {
    async take(): Promise<boolean> {
      const [row] = await line.query<{ mine: boolean }>(
        `select case when not pg_try_advisory_lock(${lock}) then false when pg_try_advisory_xact_lock(${unledLock}) then true
           else not pg_advisory_unlock(${lock}) end as mine`,
      );
      return row?.mine ?? false;
    },
    async release(): Promise<void> {
      await line.query(`select pg_advisory_unlock(${lock})`);
    },
    /**
     * Settles when every writer that begins from now on rings. That state ends with the returned promise: true when the earlier writers have
     * ended, false when the time is over.
     */
    async queue(): Promise<{ isFree: Promise<boolean> }> {
      queued ??= standInQueue().finally(() => {
        queued = undefined;
      });
      const isFree = queued;
      // What a writer would find: if this connection can share the lock, the second one is not in the queue yet.
      while (queued === isFree) {
        const [row] = await line.query<{ rings: boolean }>(
          `select case when pg_try_advisory_lock_shared(${lock}) then not pg_advisory_unlock_shared(${lock}) else true end as rings`,
        );
        if (row?.rings) break;
        await wait(1);
      }
      return { isFree };
    },
    async close(): Promise<void> {
      isClosed = true;
      await second?.close();
    },
  };
}
