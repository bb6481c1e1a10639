/*
 * `npm run test:long`: the tests, with the whole sample of those that try what chance decides or run under load (see testing.sample.ts).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, AETHER_TEST_LONG: '1' },
});
const [code] = await once(child, 'exit');
process.exitCode = code ?? 1;
