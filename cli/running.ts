import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

/** Where what `npm start` runs keeps its data, its secret and its description. */
export const aetherFolder = process.env.AETHER_HOME ?? join(import.meta.dirname, '..', '.aether');

const envFile = join(aetherFolder, 'env');

/** The settings of what is running, as .aether/env lists them; undefined when nothing is. */
export function readRunning(): Record<string, string | undefined> | undefined {
  let text: string;
  try {
    text = readFileSync(envFile, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES')
      throw new Error(
        `Somebody else runs Aether from ${aetherFolder}: use their account, or set AETHER_HOME to a folder of yours.`,
      );
    throw error;
  }
  const settings = parseEnv(text);
  return isAlive(Number(settings.AETHER_PID)) ? settings : undefined;
}

/** The file holds passwords: only its owner may read it. */
export async function writeRunning(settings: Record<string, string>): Promise<void> {
  const lines = Object.entries({ AETHER_PID: String(process.pid), ...settings }).map(
    ([name, value]) => `${name}=${value}`,
  );
  await mkdir(aetherFolder, { recursive: true });
  await rm(envFile, { force: true });
  await writeFile(envFile, `# What runs now. Removed when it stops.\n${lines.join('\n')}\n`, { mode: 0o600 });
}

export async function removeRunning(): Promise<void> {
  await rm(envFile, { force: true });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
