import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the tests of one run keep the home that they copy: see startedHome. */
    aetherHomes: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'aether-homes-'));
  await chmod(folder, 0o755); // as root the server runs as the user postgres
  project.provide('aetherHomes', folder);
  return () => rm(folder, { recursive: true, force: true });
}
