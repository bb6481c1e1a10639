import { readdir } from 'node:fs/promises';
import { endAll } from '@aether/database/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { endBrowser } from './testing.browser.ts';
import { endStack } from './testing.stack.ts';

// A run of everything takes this file instead of those that it names, so that one worker has them all, on one stack and in one browser. Both cost
// fifteen seconds of a core, and two files that drive a browser at once slow each other down: the other workers have what waits more.
const files = {
  // The screens first: they show what the demo has, and the other files add to it.
  screens: () => import('./screens.test.ts'),
  console: () => import('./console.test.ts'),
  widget: () => import('./widget.test.ts'),
  support: () => import('./support.test.ts'),
  foundation: () => import('./foundation.test.ts'),
  records: () => import('./records.test.ts'),
  addresses: () => import('./addresses.test.ts'),
  files: () => import('./files.test.ts'),
  mail: () => import('./mail.test.ts'),
  together: () => import('./together.test.ts'),
};

for (const [name, load] of Object.entries(files))
  describe(`e2e/${name}`, async () => {
    await load();
    afterAll(endAll);
  });

// The other tests go on, and neither an idle browser nor an idle stack is quite idle.
afterAll(() => Promise.all([endBrowser(), endStack()]));

test('a run of everything has every file of tests with a browser', async () => {
  const found = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.test.ts'));
  expect(found.sort()).toEqual(
    Object.keys(files)
      .map((name) => `${name}.test.ts`)
      .sort(),
  );
});
