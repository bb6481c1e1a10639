import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { takeLock } from '@aether/database';
import { readVariable } from '../environment.ts';

/** The folder in which `npm start` keeps its data, its secret and its description. */
export const aetherFolder = (): string =>
  readVariable('AETHER_HOME') || join(import.meta.dirname, '..', '..', '.aether');

export const envFile = (): string => join(aetherFolder(), 'env');

/**
 * Claims the folder until this process ends, for any reason, so that only one of two starts runs.
 *
 * @returns a function that gives it up. @throws if another process has it, or if the folder belongs to another user
 */
export function claimFolder(): () => void {
  const release = lock();
  if (release) return release;
  const pid = readSettings()?.AETHER_PID;
  throw new Error(
    pid
      ? `Aether runs already (process ${pid}): stop it first, with Ctrl-C there or \`kill ${pid}\`.`
      : 'Another start or stop of Aether is under way: try again in a moment.',
  );
}

/** The settings of the running servers, as .aether/env lists them; undefined if nothing runs. */
export function readRunning(): Record<string, string | undefined> | undefined {
  const settings = readSettings();
  if (!settings) return undefined;
  const release = lock();
  release?.();
  return release ? undefined : settings;
}

/** Writes .aether/env. It holds passwords, so only its owner may read it. */
export async function writeRunning(settings: Record<string, string>): Promise<void> {
  const lines = Object.entries({ AETHER_PID: String(process.pid), ...settings }).map(
    ([name, value]) => `${name}=${value}`,
  );
  await removeRunning();
  await writeFile(envFile(), `# What runs now. Removed when it stops.\n${lines.join('\n')}\n`, { mode: 0o600 });
}

export async function removeRunning(): Promise<void> {
  await rm(envFile(), { force: true });
}

function lock(): (() => void) | undefined {
  try {
    const folder = aetherFolder();
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o755 });
    return takeLock(join(folder, 'running.lock'));
  } catch (error) {
    throw describeAccess(error);
  }
}

function readSettings(): Record<string, string | undefined> | undefined {
  try {
    return parseEnv(readFileSync(envFile(), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw describeAccess(error);
  }
}

function describeAccess(error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (!['EACCES', 'EPERM', 'EROFS', 'ERR_SQLITE_ERROR'].includes(code)) return error;
  return new Error(
    `${aetherFolder()} cannot be used by you (${message}): was it started as root, or by somebody else, before? ` +
      'Give it to yourself with chown, or set AETHER_HOME to another folder.',
    { cause: error },
  );
}
