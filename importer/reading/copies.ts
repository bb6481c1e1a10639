import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * Temporary copies of streams. A copy is in a folder that names the process that made it, because a process that is killed cannot remove its
 * copies: the next one that makes a copy removes those whose process is gone.
 */

const prefix = 'aether-import-';

/** A new folder for a copy, and what removes it. */
export async function makeCopyFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  await removeOldCopies();
  const path = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** What cannot be removed, such as another user's, stays. */
async function removeOldCopies(): Promise<void> {
  const begunAt = Date.now() - process.uptime() * 1_000;
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]);
    if (Number.isNaN(pid)) continue;
    const path = join(tmpdir(), name);
    const madeAt = (await stat(path).catch(() => undefined))?.mtimeMs;
    // In containers all main processes have one number: a folder of this number that is older than this process is an earlier one's.
    const isLeft = pid === process.pid ? madeAt !== undefined && madeAt < begunAt - 1_000 : !isAlive(pid);
    if (isLeft) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
