import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { format, parseEnv, promisify } from 'node:util';
import { atEnd } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { fetchLocalToken } from '@aether/identity';
import { inject, vi } from 'vitest';
import { apps } from './apps.ts';
import { listEndings } from './exitcodes.ts';
import { createProgram, listCommands } from './program.ts';
import { runCommand } from './run.ts';
import { writeSharedCommand } from './testing.setup.ts';
import { type Command, environmentOf, requireTemplate } from './testing.start.ts';

export { aether, type Command, webIsBuilt } from './testing.start.ts';

export type Outcome = {
  code: number;
  output: string;
  /** Its output with `--json`: a record a line. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a record.
  records(): any[];
};

/**
 * Runs `aether …` as the command does, but in this process: a process of its own costs half a second of a core. One at a time, because the
 * environment, the console and the exit code belong to the process. What main.ts adds, and what commander itself refuses, needs `aether`.
 */
export async function aetherHere(
  home: string,
  args: string[],
  variables: Record<string, string> = {},
): Promise<Outcome> {
  const before = { ...process.env };
  let output = '';
  const print = (...words: unknown[]) => {
    output += `${format(...words)}\n`;
  };
  const spies = (['log', 'error'] as const).map((name) => vi.spyOn(console, name).mockImplementation(print));
  replaceEnvironment(environmentOf(home, variables));
  process.exitCode = undefined;
  try {
    await runCommand(args);
    const code = Number(process.exitCode ?? 0);
    requireListed(args, code);
    return {
      code,
      output,
      records: () =>
        output
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
    };
  } finally {
    process.exitCode = undefined;
    replaceEnvironment(before);
    for (const spy of spies) spy.mockRestore();
  }
}

/** What a command ends with is what its help says. */
function requireListed(args: string[], code: number): void {
  const words = listCommands(createProgram()).filter(({ name }) => `${args.join(' ')} `.startsWith(`${name} `));
  const name = words.sort((one, other) => other.name.length - one.name.length)[0]?.name ?? '';
  if (!listEndings(name).some((each) => each.code === code))
    throw new Error(`aether ${name} has ended with ${code}, which exitcodes.ts does not list.`);
}

function replaceEnvironment(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
}

/** The settings that `npm start` writes to `.aether/env`. */
export function readEnv(home: string): Record<string, string> {
  return parseEnv(readFileSync(join(home, 'env'), 'utf8')) as Record<string, string>;
}

/** An empty home, which is deleted after the file's tests. */
export async function newHome(): Promise<string> {
  const home = await newTestFolder('home');
  atEnd(() => rm(home, { recursive: true, force: true }));
  return home;
}

/**
 * A home in which everything was started once before, with the demo data, so that a start is faster. It is a copy of
 * one that the first caller in a test run makes. It is deleted after the file's tests, or, if it is to be shared by the
 * files of a worker, after the run.
 */
export async function startedHome({ isShared = false } = {}): Promise<string> {
  const home = isShared ? await mkdtemp(join(inject('aetherHomes'), 'shared-')) : await newHome();
  await chmod(home, 0o755);
  await promisify(execFile)('cp', ['-a', `${await requireTemplate(inject('aetherHomes'))}/.`, home]);
  return home;
}

/** The output of the start that made the home of startedHome. */
export const readFirstStart = async (): Promise<string> =>
  readFileSync(`${await requireTemplate(inject('aetherHomes'))}.ready`, 'utf8');

/** Lets the command run until the whole test run is over. */
export const keepRunning = ({ child }: Command): Promise<void> =>
  writeSharedCommand(inject('aetherHomes'), child.pid as number);

/** An access token of a persona at the servers that run in `home`, as `aether token` prints it. */
export const tokenOf = (home: string, who: string, app: string): Promise<string> =>
  fetchLocalToken({ folder: home, issuer: readEnv(home).IDENTITY_URL ?? '', who, apps, app });
