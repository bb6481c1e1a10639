import { createBell } from './bell.ts';
import type { Handling } from './handling.ts';
import type { Inbox, InboxState } from './inbox.ts';

/** Looks after the inbox: makes its tables, sees a pause, tries what is parked when it is due, and forgets what is old. */
export type Tending = {
  /** Settles when the tables are there, or the consumer stops. */
  prepared: Promise<void>;
  /** As it was at the last look. */
  seen(): InboxState;
  look(): Promise<InboxState>;
  /** Somebody has paused the consumer. */
  notePause(): void;
  /** Something was parked, or the consumer stops. */
  ring(): void;
  /** Runs until the consumer stops. */
  run(): Promise<void>;
};

const lookMs = 500;
/** While something is parked that is tried again. */
const dueLookMs = 50;
const trimEveryMs = 3_600_000;

export function tendInbox({
  inbox,
  handling,
  keepDays,
  stopping,
  isAtRest,
  onError,
  onPaused,
  onLook,
}: {
  inbox: Inbox;
  handling: Pick<Handling, 'workParked'>;
  keepDays: number;
  stopping: AbortSignal;
  isAtRest: () => boolean;
  /** The inbox's database has failed. */
  onError: (error: unknown) => void;
  onPaused: () => void;
  /** Called at each look. */
  onLook: () => Promise<void>;
}): Tending {
  const prepared = Promise.withResolvers<void>();
  const bell = createBell();
  const parkedBell = createBell();
  let seen: InboxState = { isPaused: false, pauseReason: null, parked: 0, dead: 0 };

  function see(found: InboxState): InboxState {
    const isNew = found.isPaused && !seen.isPaused;
    seen = found;
    if (isNew) onPaused();
    return found;
  }
  const look = async () => see(await inbox.look());

  async function lookOn(): Promise<void> {
    let trimmedAt = Number.NEGATIVE_INFINITY;
    let isPrepared = false;
    while (!stopping.aborted) {
      try {
        if (!isPrepared) {
          await inbox.prepare();
          isPrepared = true;
          prepared.resolve();
        }
        await look();
        await onLook();
        if (performance.now() - trimmedAt > trimEveryMs) {
          trimmedAt = performance.now();
          await inbox.trim(keepDays);
        }
      } catch (error) {
        onError(error);
      }
      parkedBell.ring();
      await bell.next(lookMs);
    }
    prepared.resolve();
  }

  async function workOn(): Promise<void> {
    await prepared.promise;
    while (!stopping.aborted) {
      let hadDue = false;
      try {
        if (!isAtRest() && seen.parked > seen.dead) {
          hadDue = await handling.workParked(isAtRest);
          if (hadDue) await look();
        }
      } catch (error) {
        onError(error);
      }
      if (!hadDue) await parkedBell.next(seen.parked > seen.dead ? dueLookMs : lookMs);
    }
  }

  return {
    prepared: prepared.promise,
    seen: () => seen,
    look,
    notePause: () => void see({ ...seen, isPaused: true }),
    ring() {
      bell.ring();
      parkedBell.ring();
    },
    async run() {
      await Promise.all([lookOn(), workOn()]);
    },
  };
}
