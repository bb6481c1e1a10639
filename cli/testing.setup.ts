import { rm } from 'node:fs/promises';
import { newTestFolder } from '@aether/database/testing.folder';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the tests of one run keep the home that they copy: see startedHome. */
    aetherHomes: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await newTestFolder('homes');
  project.provide('aetherHomes', folder);
  return () => rm(folder, { recursive: true, force: true });
}
