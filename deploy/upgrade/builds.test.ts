import { rm } from 'node:fs/promises';
import { migrate } from '@aether/database';
import { createTestDatabase } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { expect, test } from 'vitest';
import { makeNextBuild, thisBuild } from './testing.builds.ts';

// `npm run test:upgrade` takes minutes and is not run here: that it still finds what it changes, and that its migrations run, this says.
test('the version after this one, which the test of an update starts beside it, can be made of this code and its schema', async () => {
  const folder = await newTestFolder('next');
  try {
    const { build, contracted, contracting } = await makeNextBuild(folder);
    const { migration } = await thisBuild();
    const next = [migration + 1, migration + 2];
    expect([build.migration, contracting]).toEqual(next);
    const database = await createTestDatabase();
    const applied = await migrate(database.url('platform_migrator'), { folder: contracted });
    expect(applied.map(({ number }) => number)).toEqual(next);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
