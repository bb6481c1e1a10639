import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { newTestFolder } from '@aether/database/testing.folder';
import type { TestProject } from 'vitest/node';
import { requireTemplate } from './testing.start.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the home that the tests of one run copy, and of the homes that test files share: see startedHome. */
    aetherHomes: string;
  }
}

const processSuffix = '.process';
const endsWithinMs = 20_000;

/** Several test files use this command, so that none of them can end it: the end of the run does. */
export const writeSharedCommand = (folder: string, pid: number): Promise<void> => writeFile(fileOf(folder, pid), '');

const fileOf = (folder: string, pid: number) => join(folder, `${pid}${processSuffix}`);

/** The home that the tests with a browser copy is made while the next set-up makes the tests' database: those tests take longest. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await newTestFolder('homes');
  project.provide('aetherHomes', folder);
  const isWhole = project.config.include.some((pattern) => pattern.includes('onestack'));
  if (isWhole) makeTemplate(folder).catch(() => {}); // a failure is told to the test that waits for the home
  return async () => {
    const shared = (await readdir(folder)).filter((name) => name.endsWith(processSuffix));
    await Promise.all(shared.map((name) => end(Number.parseInt(name, 10))));
    await rm(folder, { recursive: true, force: true });
  };
}

async function makeTemplate(folder: string): Promise<void> {
  const pids: number[] = [];
  await requireTemplate(folder, async (pid) => {
    pids.push(pid);
    await writeSharedCommand(folder, pid);
  });
  for (const pid of pids) await rm(fileOf(folder, pid)); // another process may get its number
}

async function end(pid: number): Promise<void> {
  const giveUpAt = performance.now() + endsWithinMs;
  for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; send(pid, signal); signal = 0) {
    if (performance.now() > giveUpAt) throw new Error(`The command with process ${pid} did not end.`);
    await wait(50);
  }
}

/** @returns false if there is no such process */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
