import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { format, parseEnv, promisify } from 'node:util';
import { atEnd } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { fetchLocalToken } from '@aether/identity';
import { inject, vi } from 'vitest';
import { apps } from './apps.ts';
import { listEndings } from './exitcodes.ts';
import { createProgram, listCommands, runCommand } from './program.ts';
import { writeSharedCommand } from './testing.setup.ts';

const cliFolder = import.meta.dirname;

/** A command that runs or has ended. */
export type Command = {
  child: ChildProcess;
  /** Its output so far. */
  output(): string;
  /** Settles when it has printed this; rejects if it ends before. */
  prints(pattern: RegExp): Promise<void>;
  /** Its exit code; 128 or more if a signal ended it. */
  ends(): Promise<number>;
};

/**
 * Runs `aether …`, without the launcher that npm begins with, with its data in `home`, on any free ports.
 *
 * @param folder the folder `cli` of another checkout, to run that one
 */
export function aether(
  home: string,
  args: string[],
  variables: Record<string, string> = {},
  folder = cliFolder,
): Command {
  const child = spawn(process.execPath, [join(folder, 'main.ts'), ...args], {
    env: environmentOf(home, variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
      for (const listener of listeners) listener();
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number);
  return {
    child,
    output: () => output,
    ends: () => ended,
    prints(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => pattern.test(output) && resolve();
      listeners.add(look);
      look();
      ended.then((code) => reject(new Error(`ended with ${code} before it printed ${pattern}:\n${output}`)));
      return promise.finally(() => listeners.delete(look));
    },
  };
}

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

/** The environment without the settings of a developer's own server, with a home, any free ports, and these variables. */
function environmentOf(home: string, variables: Record<string, string>): NodeJS.ProcessEnv {
  const foreign =
    /^(PLATFORM|DB|FOUNDATION|SUPPORT|CONSOLE|SYNC|AETHER|SIGNIN|IDENTITY|BILLING|SERVICEBUS|PRIVACY|MAIL)_|_PASSWORD$|^LOG_LEVEL$/;
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name))),
    AETHER_HOME: home,
    FOUNDATION_PORT: '0',
    SUPPORT_PORT: '0',
    CONSOLE_PORT: '0',
    IDENTITY_PORT: '0',
    DEMO_SHOP_PORT: '0',
    MAIL_CATCHER_PORT: '0',
    BILLING_PORT: '0',
    ...variables,
  };
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
  await promisify(execFile)('cp', ['-a', `${await requireTemplate()}/.`, home]);
  return home;
}

/** The output of the start that made the home of startedHome. */
export const readFirstStart = async (): Promise<string> => readFileSync(`${await requireTemplate()}.ready`, 'utf8');

/** Lets the command run until the whole test run is over. */
export const keepRunning = ({ child }: Command): Promise<void> =>
  writeSharedCommand(inject('aetherHomes'), child.pid as number);

/** An access token of a persona at the servers that run in `home`, as `aether token` prints it. */
export const tokenOf = (home: string, who: string, app: string): Promise<string> =>
  fetchLocalToken({ folder: home, issuer: readEnv(home).IDENTITY_URL ?? '', who, apps, app });

/** A start prints this if its pages need no build. */
export const webIsBuilt = /web apps \(/;

/** Builds the pages before the first start would, whose build gives way to everything else, and so takes minutes beside the other tests. */
async function buildWeb(): Promise<void> {
  const rooms = ['foundation', 'support', 'sync'].map((room) => join(cliFolder, '..', room, 'web'));
  await promisify(execFile)(process.execPath, [join(cliFolder, 'start', 'web.build.ts'), ...rooms]);
}

async function requireTemplate(): Promise<string> {
  const template = join(inject('aetherHomes'), 'started');
  const [isReady, hasFailed] = [`${template}.ready`, `${template}.failed`];
  const isOurs = await mkdir(template, { mode: 0o755 }).then(
    () => true,
    () => false, // another test file makes it
  );
  if (isOurs) {
    try {
      await buildWeb();
      const command = aether(template, ['start']);
      await command.prints(/Ctrl-C stops everything/);
      await command.prints(webIsBuilt);
      command.child.kill('SIGTERM');
      await command.ends();
      await writeFile(isReady, command.output());
    } catch (error) {
      await writeFile(hasFailed, '');
      throw error;
    }
  }
  while (!existsSync(isReady)) {
    if (existsSync(hasFailed))
      throw new Error('The home that tests copy could not be made: see the test that failed first.');
    await wait(50);
  }
  return template;
}
