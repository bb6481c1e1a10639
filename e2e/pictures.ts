/** `npm run pictures` makes the pictures of docs/pictures again, in the run that tests their screens, and the moving one of them. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const house = fileURLToPath(new URL('..', import.meta.url));
const tests = ['e2e/screens.test.ts', 'e2e/together.test.ts', 'e2e/console.test.ts'];
/** The tests that show whole screens. The others open dialogs, for records that no picture shall show. */
const names = 'has no barrier|a visitor asks';
const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...tests, '-t', names], {
  cwd: house,
  env: { ...process.env, AETHER_PICTURES: '1' },
  stdio: 'inherit',
});
const tour =
  status === 0 ? spawnSync(process.execPath, ['deploy/site/picture.ts'], { cwd: house, stdio: 'inherit' }) : undefined;
process.exitCode = tour?.status ?? status ?? 1;
