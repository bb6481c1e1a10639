import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { withoutCause } from './cause.ts';

/*
 * Heartbeats: how the console knows that a process is alive, and what it says of itself.
 *
 * A process writes one row of sync.heartbeats, every two seconds, with one statement for everything that runs in it. It says what it is and
 * how many turns each of its parts has made. It says nothing of times: the database writes down when it heard of a turn, and every age is
 * counted by the database's clock when somebody reads it. So a process that is stopped, or whose line is cut, becomes silent by itself, and a
 * part that hangs in a process that is otherwise well grows old.
 *
 * What each failure does:
 * - The database does not answer: the beat is given up after three seconds and tried again. It is never queued.
 * - The process is stopped or killed, or its line goes silent: its row grows old, and is silent after seven seconds.
 * - The process ends as it was asked to: its last beat says so, and nobody waits for another.
 */

/** What a process says of itself. Counters and turns only grow. No personal data, and nothing that grows with the data. */
export type Report = Record<string, unknown> & {
  /** How many turns each part has made: a part whose number stays the same grows old. */
  turns: Record<string, number>;
};

export type Heartbeat = {
  /** The name of this process, as the console shows it. */
  readonly process: string;
  /** Says that the process ends. Settles soon, whether or not the database answers. */
  stop(): Promise<void>;
};

export type HeartbeatOptions = {
  /** Runs a statement. It must give up by itself: see `beatAnswerMs`. */
  send: (text: string, values: unknown[]) => Promise<unknown>;
  read: () => Report;
  everyMs?: number;
  /** How long the process waits before its first beat: short-lived ones send none. */
  firstMs?: number;
};

/** A beat that is not answered by then is given up. */
export const beatAnswerMs = 3_000;
const stopWithinMs = 500;
const beat = 'select sync.beat($1, $2, $3, $4)';

/** Sends heartbeats until it is stopped. It keeps no process alive. */
export function startHeartbeat({ send, read, everyMs = 2_000, firstMs = 0 }: HeartbeatOptions): Heartbeat {
  const name = nameProcess();
  const stopping = new AbortController();
  let hasBeaten = false;
  const sendOne = (ends: boolean) => send(beat, [name, Date.now(), JSON.stringify(read()), ends]);
  const rest = (forMs: number) => sleep(forMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});

  const running = withoutCause(async () => {
    await rest(firstMs);
    while (!stopping.signal.aborted) {
      try {
        await sendOne(false);
        hasBeaten = true;
      } catch {} // its silence says it
      await rest(everyMs);
    }
  });
  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    stopping.abort();
    const end = async () => {
      await running;
      if (hasBeaten) await withoutCause(() => sendOne(true));
    };
    await Promise.race([end().catch(() => {}), sleep(stopWithinMs, undefined, { ref: false })]);
  }
  return {
    process: name,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** The machine, the number of the process, and a random word, because both may come again. */
function nameProcess(): string {
  const machine =
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 40) || 'process';
  return `${machine}-${process.pid}-${randomBytes(2).toString('hex')}`;
}
