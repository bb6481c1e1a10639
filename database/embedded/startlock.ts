import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';

const waitMaxMs = 120_000;
const pollIntervalMs = 25;

/**
 * Does the work under the lock of a file: one caller at a time, in this process or another.
 *
 * The lock is SQLite's on an empty database, because the operating system drops it when its holder is killed. A file
 * whose existence is the lock would stay then, and the next process would have to guess.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, onWait: () => void): Promise<T> {
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    const deadline = Date.now() + waitMaxMs;
    for (let told = false; !tryLock(lock); told = true) {
      if (!told) onWait();
      if (Date.now() > deadline)
        throw new Error(
          `Another process has held ${file} for ${waitMaxMs / 1000} seconds: end that process, then try again.`,
        );
      await wait(pollIntervalMs);
    }
    return await work();
  } finally {
    lock.close();
  }
}

/**
 * Takes the lock of a file until the returned function is called or this process ends, however it ends.
 *
 * @returns undefined if another caller has it.
 */
export function takeLock(file: string): (() => void) | undefined {
  const lock = new DatabaseSync(file, { timeout: 0 });
  if (tryLock(lock)) return () => lock.close();
  lock.close();
  return undefined;
}

const busy = 5;

function tryLock(lock: DatabaseSync): boolean {
  try {
    lock.exec('begin exclusive');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode !== busy) throw error;
    return false;
  }
}
