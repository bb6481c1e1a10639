import { rm } from 'node:fs/promises';
import { newTestFolder } from '@aether/database/testing.folder';
import { expect, test } from 'vitest';
import { makeNextBuild, thisBuild } from './testing.builds.ts';

// `npm run test:upgrade` takes minutes and is not run here: that it still finds what it changes, this says.
test('the version after this one, which the test of an update starts beside it, can be made of this code', async () => {
  const folder = await newTestFolder('next');
  try {
    const { build, contracting } = await makeNextBuild(folder);
    const { migration } = await thisBuild();
    expect([build.migration, contracting]).toEqual([migration + 1, migration + 2]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
