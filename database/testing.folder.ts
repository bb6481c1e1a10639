import { chmod, mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
const memoryBytesMin = 4 * 1024 ** 3;

/**
 * An empty folder for data that nobody needs after the tests, open to the user as whom root runs PostgreSQL. In memory, where there is room:
 * a database of each test file is a thousand small files, and a disk spends more on making and removing them than the tests on what is in them.
 */
export async function newTestFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join((await hasRoom()) ? memory : tmpdir(), `aether-${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

async function hasRoom(): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(memory);
    return bavail * bsize >= memoryBytesMin;
  } catch {
    return false; // not on this system
  }
}
