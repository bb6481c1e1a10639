import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

// Without vitest: the set-up of a run makes the home before there are tests.

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

/** The environment without the settings of a developer's own server, with a home, any free ports, and these variables. */
export function environmentOf(home: string, variables: Record<string, string>): NodeJS.ProcessEnv {
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

/** A start prints this if its pages need no build. */
export const webIsBuilt = /web apps \(/;

/** Builds the pages before the first start would, whose build gives way to everything else, and so takes minutes beside the other tests. */
async function buildWeb(): Promise<void> {
  const rooms = ['foundation', 'support', 'sync'].map((room) => join(cliFolder, '..', room, 'web'));
  await promisify(execFile)(process.execPath, [join(cliFolder, 'start', 'web.build.ts'), ...rooms]);
}

/**
 * Makes the home that the tests of one run copy: everything was started in it once, so it has the demo data. It is made at the first call. In a
 * run of the whole suite the set-up calls first, while it makes the database of the tests.
 *
 * @param folder of the homes of this run
 * @param onStarted is told of the process before it is awaited
 */
export async function requireTemplate(
  folder: string,
  onStarted: (pid: number) => Promise<void> = async () => {},
): Promise<string> {
  const template = join(folder, 'started');
  const [isReady, hasFailed] = [`${template}.ready`, `${template}.failed`];
  const isOurs = await mkdir(template, { mode: 0o755 }).then(
    () => true,
    () => false, // somebody else makes it
  );
  if (isOurs) {
    try {
      await buildWeb();
      const command = aether(template, ['start']);
      await onStarted(command.child.pid as number);
      await command.prints(/Ctrl-C stops everything/);
      await command.prints(webIsBuilt);
      command.child.kill('SIGTERM');
      await command.ends();
      await writeFile(isReady, command.output());
    } catch (error) {
      await writeFile(hasFailed, String(error));
      throw error;
    }
  }
  while (!existsSync(isReady)) {
    if (existsSync(hasFailed))
      throw new Error(`The home that tests copy could not be made: ${await readFile(hasFailed, 'utf8')}`);
    await wait(50);
  }
  return template;
}
