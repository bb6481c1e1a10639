/*
 * `npm run test:blobs`: the tests of both stores of files, that of Azure against its emulator, which is installed once into node_modules/.cache.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emulatorFile, emulatorFolder, emulatorVersion } from './testing.emulator.ts';

if (!existsSync(emulatorFile)) {
  console.log(`Azurite ${emulatorVersion} is installed into node_modules/.cache: 360 MB.`);
  mkdirSync(emulatorFolder, { recursive: true });
  writeFileSync(
    join(emulatorFolder, 'package.json'),
    JSON.stringify({ private: true, dependencies: { azurite: emulatorVersion } }),
  );
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: emulatorFolder,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}
const root = join(import.meta.dirname, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', '--root', root, 'files/stores', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
const [code] = await once(child, 'exit');
process.exitCode = code ?? 1;
