import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

export type OsUser = { name: string; uid: number; gid: number };

export type Outcome = { ok: boolean; output: string };

/**
 * Runs a program to its end, without a shell and with nothing on its standard input.
 *
 * @param user the system user it runs as; undefined: the present one.
 * @param onRunning called when it runs, and this process has nothing to do but wait.
 * @returns what it printed, and whether it ended well; it throws only when the program cannot be started at all.
 */
export async function run(file: string, args: string[], user?: OsUser, onRunning?: () => void): Promise<Outcome> {
  const child = spawn(file, args, {
    // A user we switch to may not be allowed into our own working folder.
    cwd: '/',
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    // A terminal sends Ctrl-C to its whole group: what begins or ends a server is not to be cut short by impatience.
    detached: process.platform !== 'win32',
    ...(user && { uid: user.uid, gid: user.gid }),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const closed = once(child, 'close');
  closed.catch(() => {}); // 'exit' reports the same error
  const exited = once(child, 'exit');
  if (child.pid !== undefined) onRunning?.();
  const [code, signal] = await exited;
  // On Windows a server inherits our pipes and holds them open for as long as it runs.
  await Promise.race([closed, wait(500, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
  if (signal) output += `ended by ${signal}`;
  return { ok: code === 0, output: output.trim() };
}

/** Ours, in English, without the PG… variables that would change what PostgreSQL's programs do. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}
