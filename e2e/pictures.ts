/** `npm run pictures` makes the pictures of docs/pictures again, in the run that tests their screens. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const house = fileURLToPath(new URL('..', import.meta.url));
const tests = ['e2e/screens.test.ts', 'e2e/together.test.ts'];
const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...tests], {
  cwd: house,
  env: { ...process.env, AETHER_PICTURES: '1' },
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
