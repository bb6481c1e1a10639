import { readFile, rm, stat } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import { type OsUser, run } from './program.ts';
import { touch } from './serveruser.ts';

/** What a server writes about itself into `postmaster.pid`; `state` is `starting`, `ready` or `stopping`. */
export type Postmaster = { pid: number; port: number; state: string };

export type Cluster = { folder: string; binaries: Binaries; user?: OsUser };

/** A crash recovery is part of a start; it may take minutes. */
const waitMaxSeconds = 180;
const pollIntervalMs = 25;

export function parsePidFile(text: string): Postmaster | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!Number.isInteger(pid) || pid <= 0 || !Number.isInteger(port) || port <= 0) return undefined;
  return { pid, port, state: lines[7] || 'starting' };
}

/** The running server of this data folder. While the server is starting or stopping, it waits. */
export async function findPostmaster(folder: string): Promise<Postmaster | undefined> {
  const deadline = Date.now() + waitMaxSeconds * 1000;
  for (;;) {
    const found = parsePidFile(await readPidFile(folder));
    if (!found || !(await isPostmasterOf(found.pid, folder))) return undefined;
    if (found.state === 'ready') return found;
    if (Date.now() > deadline)
      throw new Error(
        `The server of ${folder} (process ${found.pid}) has been ${found.state} for ${waitMaxSeconds} seconds: ` +
          `read ${logOf(folder)}, or end that process.`,
      );
    await wait(pollIntervalMs);
  }
}

/**
 * Removes a stale `postmaster.pid` whose process number now belongs to another process: PostgreSQL would take that
 * process for a server and not start. The caller makes sure that no other start of this folder runs.
 */
export async function removeStalePidFile(folder: string): Promise<void> {
  const found = parsePidFile(await readPidFile(folder));
  if (!found || !isAlive(found.pid) || (await isPostmasterOf(found.pid, folder))) return;
  await rm(join(folder, 'postmaster.pid'), { force: true });
}

const readPidFile = (folder: string): Promise<string> =>
  readFile(join(folder, 'postmaster.pid'), 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw error;
    return '';
  });

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * A server's working folder is its data folder. If the system does not show that, the command line of the server names
 * the folder.
 */
async function isPostmasterOf(pid: number, folder: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const command = await commandOf(pid);
  if (!/\bpostgres(\.exe)?"? /.test(command)) return false;
  try {
    const [inside, data] = [await stat(`/proc/${pid}/cwd`), await stat(folder)];
    return inside.ino === data.ino && inside.dev === data.dev;
  } catch {
    return `${plain(command)} `.includes(` -D ${plain(folder)} `);
  }
}

const plain = (text: string): string => text.replaceAll('"', '').replaceAll('\\', '/');

/** The command line of a process; empty when it is gone. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux')
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
  const query = `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`;
  const { output } =
    process.platform === 'win32'
      ? await run('powershell', ['-NoProfile', '-Command', query])
      : await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
  return output;
}

/** Whether a program accepts connections on the port. The check does not take the port, not even for a moment. */
export async function isTaken(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = net.connect({ port, host: '127.0.0.1', timeout: 1000 });
  socket.on('connect', () => resolve(true));
  socket.on('timeout', () => resolve(true)); // something is there, but too busy to answer
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

export type StartFailure = { kind: 'port' | 'leftover' | 'other'; log: string };

/**
 * Starts the server in its own session, so that Ctrl-C in this terminal does not reach it.
 *
 * @returns nothing if it is ready; otherwise the part of its log about this start.
 */
export async function startPostmaster(
  cluster: Cluster,
  port: number,
  onRunning?: () => void,
): Promise<StartFailure | undefined> {
  const { folder, binaries, user } = cluster;
  const logFile = logOf(folder);
  await touch(logFile, user);
  const before = (await stat(logFile)).size;
  // pg_ctl hands these to a shell, so that only words without blanks and quotes are allowed here.
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=`;
  const args = ['start', '-w', '-t', `${waitMaxSeconds}`, '-D', folder, '-l', logFile, '-o', options];
  const { ok, output } = await run(binaries.pg_ctl, args, user, onRunning);
  if (ok) return undefined;
  const log = (await readFile(logFile)).subarray(before).toString().trim().split('\n').slice(-15).join('\n');
  if (/could not bind IPv4 address/.test(log)) return { kind: 'port', log };
  if (/pre-existing shared memory block/.test(log)) return { kind: 'leftover', log };
  return { kind: 'other', log: log || output };
}

/** Stops the server if one runs. `fast` writes everything out first; `immediate` leaves that to the next start. */
export async function stopPostmaster(cluster: Cluster, mode: 'fast' | 'immediate'): Promise<void> {
  const { folder, binaries, user } = cluster;
  // A pid file alone is not enough: pg_ctl would signal any process that now has the number.
  const running = await findPostmaster(folder);
  if (!running) return;
  const args = ['stop', '-w', '-t', `${waitMaxSeconds}`, '-m', mode, '-D', folder];
  const { ok, output } = await run(binaries.pg_ctl, args, user);
  // pg_ctl watches the pid file, but the process ends a moment after the file is gone, and holds its port until then.
  for (let n = 0; ok && n < 500 && (await isPostmasterOf(running.pid, folder)); n++) await wait(10);
  if (await isPostmasterOf(running.pid, folder))
    throw new Error(`The server of ${folder} did not stop: ${output}. Its log is ${logOf(folder)}.`);
}

export const logOf = (folder: string): string => `${folder}.log`;
