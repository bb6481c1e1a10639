import { chmod, mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
const memoryBytesMin = 4 * 1024 ** 3;

/**
 * An empty folder for data that the tests throw away. The user that runs PostgreSQL for root can enter it. It is in
 * memory if there is room: the database of each test file is a thousand small files, and a disk takes longer to make
 * and remove them than the tests take.
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
    return false; // this system has no such folder
  }
}
