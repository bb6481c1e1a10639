import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Build } from './testing.builds.ts';

/** A process of a build. */
export type Running = {
  build: Build;
  url: string;
  child: ChildProcess;
  /** What it has written so far. */
  output(): string;
  /** Settles with its exit code. */
  ends: Promise<number | null>;
  /** Asks it to end, as an orchestrator does, and waits until it has. */
  stop(): Promise<void>;
};

/** How long `/readyz` says that a process closes before it does; the balancer looks more often than that. */
const closeAfterMs = 500;
const lookEveryMs = 50;

/**
 * Starts `main` of a build as a process of its own.
 *
 * @param main the path of a main.ts in it
 */
export function launch(build: Build, main: string, variables: Record<string, string>): Running {
  const child = spawn(process.execPath, [join(build.folder, main)], {
    env: { PATH: process.env.PATH, LOG_LEVEL: 'warn', CLOSE_AFTER_MS: `${closeAfterMs}`, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      said += chunk;
    });
  const ends = once(child, 'exit').then(([code]) => code as number | null);
  return {
    build,
    get url() {
      return /Listening on (http:\S+)\./.exec(said)?.[1] ?? '';
    },
    child,
    output: () => said,
    ends,
    async stop() {
      child.kill('SIGTERM');
      await ends;
    },
  };
}

/** A load balancer: it looks at `/readyz` of every process, and gives requests to those that are ready, in turns. */
export function startBalancer() {
  const members = new Map<Running, boolean>();
  const isReady = (member: Running) =>
    fetch(`${member.url}/readyz`).then(
      async (answer) => {
        await answer.body?.cancel();
        return answer.ok;
      },
      () => false,
    );
  let isRunning = true;
  const looking = (async () => {
    while (isRunning) {
      await Promise.all([...members.keys()].map(async (member) => members.set(member, await isReady(member))));
      await wait(lookEveryMs);
    }
  })();
  let next = 0;
  const ready = () => [...members].filter(([, is]) => is).map(([member]) => member);
  return {
    /** Takes a process in, and settles when it is ready. @throws when it ends instead */
    async add(member: Running): Promise<void> {
      let hasEnded = false;
      member.ends.then(() => {
        hasEnded = true;
      });
      while (!member.url || !(await isReady(member))) {
        if (hasEnded) throw new Error(`ended before it was ready:\n${member.output()}`);
        await wait(lookEveryMs);
      }
      members.set(member, true);
    },
    /** Ends a process as a deployment does: it is asked to, and gets no more requests once it says that it closes. */
    async remove(member: Running): Promise<void> {
      await member.stop();
      members.delete(member);
    },
    /** The address for the next request. */
    pick(): string {
      const able = ready();
      if (able.length === 0) throw new Error('no process is ready');
      next += 1;
      return (able[next % able.length] as Running).url;
    },
    versions: () => [...new Set(ready().map(({ build }) => build.migration))].sort((one, other) => one - other),
    async end(): Promise<void> {
      isRunning = false;
      await looking;
      await Promise.all([...members.keys()].map((member) => member.stop()));
    },
  };
}
