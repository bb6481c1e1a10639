import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/* What the tests of a project outside of this repository need from npm's registry. It is installed once, into node_modules/.cache. */

export const root = join(import.meta.dirname, '..', '..');
export const toolsFolder = (name: string): string => join(root, 'node_modules', '.cache', name);

/** @throws with what the command has said. */
export async function run(
  command: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<string> {
  return promisify(execFile)(command, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 ** 2 }).then(
    ({ stdout }) => stdout,
    ({ message, stdout, stderr }) => {
      throw new Error(`${message}\n${stdout}${stderr}`);
    },
  );
}

export function install(folder: string, dependencies: Record<string, string>): Promise<string> {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  return run('npm', ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'], folder);
}

/** Installs these versions, unless the folder has them already. */
export async function installOnce(folder: string, wanted: Record<string, string>): Promise<void> {
  const installed = join(folder, 'installed.json');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === JSON.stringify(wanted)) return;
  mkdirSync(folder, { recursive: true });
  await install(folder, wanted);
  writeFileSync(installed, JSON.stringify(wanted));
}

/** How a careful developer compiles. */
export const strict = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  rewriteRelativeImportExtensions: true,
  target: 'es2024',
};
