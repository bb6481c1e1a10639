import { rm } from 'node:fs/promises';
import { newTestFolder } from '@aether/database/testing.folder';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the home that the tests of one run copy: see startedHome. */
    aetherHomes: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await newTestFolder('homes');
  project.provide('aetherHomes', folder);
  return () => rm(folder, { recursive: true, force: true });
}
