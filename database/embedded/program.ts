import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

export type OsUser = { name: string; uid: number; gid: number };

export type Outcome = { ok: boolean; output: string };

/**
 * Runs a program to its end, without a shell and with nothing on its standard input.
 *
 * @param user the system user that runs it; undefined: the present user.
 * @param onRunning called when the program runs and this process only waits for it.
 * @returns what it printed, and whether it ended well; it throws only when the program cannot be started at all.
 */
export async function run(file: string, args: string[], user?: OsUser, onRunning?: () => void): Promise<Outcome> {
  const child = spawn(file, args, {
    // The other user may not be allowed to enter our working folder.
    cwd: '/',
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    // A terminal sends Ctrl-C to its whole process group. A start or stop of a server must not be interrupted that way.
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

/** Our environment, in English, without the PG… variables that change how PostgreSQL's programs behave. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}
