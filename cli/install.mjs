// Installs the packages of the lock file. It has no dependencies and runs on any Node from 20 on, like launch.mjs,
// which calls it.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { listenForSignals } from './signals.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const turnPollMs = 200;
const turnMaxMs = 600_000;
const stopGraceMs = 1_000;

/** The installation was stopped by a signal. */
export class Stopped extends Error {}

/**
 * Runs `npm ci` if the installed packages are not those of the lock file, or if no Node that is new enough is
 * installed.
 *
 * @throws Stopped; Error with npm's output.
 */
export async function install(hasNode) {
  if (isInstalled() && hasNode()) return;
  const turn = await takeTurn();
  try {
    if (!isInstalled() || !hasNode()) await withProgress('Installing what the lock file names', () => runNpmCi(turn));
  } finally {
    turn.end();
  }
}

function isInstalled() {
  const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined);
  const found = read(join(root, 'node_modules', '.package-lock.json'));
  return (
    found !== undefined &&
    isAsLocked(read(join(root, 'package-lock.json')), found, (path) => existsSync(join(root, path)))
  );
}

/**
 * Whether the installed packages are those of the lock file. Only packages that an image may leave out may be missing.
 * Pure.
 *
 * @param isLinked whether node_modules links a room of this repository; it lacks a room that was just added.
 */
export function isAsLocked(wanted, found, isLinked) {
  return Object.entries(wanted).every(([path, { version, link, optional, dev, devOptional }]) => {
    if (!path.includes('node_modules/')) return true;
    if (link) return isLinked(path);
    return found[path] ? found[path].version === version : Boolean(optional || dev || devOptional);
  });
}

/**
 * If `npm start` and `npm test` run at once, one installs and the other waits, even for an npm whose launcher is gone.
 */
async function takeTurn() {
  const folder = join(root, '.aether', 'installing');
  mkdirSync(dirname(folder), { recursive: true });
  for (let waitedMs = 0; ; waitedMs += turnPollMs) {
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, 'launcher'), String(process.pid));
      return {
        installs: (pid) => writeFileSync(join(folder, 'npm'), String(pid)),
        end: () => rmSync(folder, { recursive: true, force: true }),
      };
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owners = ['launcher', 'npm'].map((name) => readPid(join(folder, name))).filter((pid) => pid > 0);
    const owner = owners.find(isAlive);
    // The lock has had no process number for a while, so its owner died between the two writes.
    if (owners.length > 0 ? !owner : waitedMs > 2_000) removeLeftover(folder);
    else {
      if (waitedMs % 10_000 === 2_000) console.error(`Waiting for process ${owner}, which installs (${folder}).`);
      if (waitedMs > turnMaxMs)
        throw new Error(`Process ${owner} has been installing for ten minutes: end it, or remove ${folder}.`);
      await wait(turnPollMs);
    }
  }
}

function readPid(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

/**
 * Renames the dead lock before it removes it. If two processes find it, only one removes it, and neither removes a
 * fresh lock.
 */
function removeLeftover(folder) {
  const aside = `${folder}-${process.pid}`;
  try {
    renameSync(folder, aside);
  } catch {
    return;
  }
  rmSync(aside, { recursive: true, force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs quietly, because under an older Node npm warns about every package that needs a newer one. */
async function runNpmCi(turn) {
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const options = ['ci', '--loglevel=error', '--no-audit', '--no-fund', '--include=optional', '--include=dev'];
  const isWindows = process.platform === 'win32';
  // It has its own process group: npm takes half a minute to give up, and its children would run on beside the next
  // npm.
  const child = spawn(command, [...first, ...options], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: !isWindows,
    shell: isWindows && command === 'npm',
  });
  if (child.pid) turn.installs(child.pid);
  const kill = (signal) => {
    try {
      if (isWindows) child.kill(signal);
      else process.kill(-child.pid, signal);
    } catch {} // it has already ended
  };
  let isStopped = false;
  const signals = listenForSignals(() => {
    if (!isStopped) console.error('Stopping the installation.');
    kill(isStopped ? 'SIGKILL' : 'SIGTERM');
    isStopped = true;
    setTimeout(kill, stopGraceMs, 'SIGKILL').unref();
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', settle);
  }).finally(signals.end);
  if (isStopped) throw new Stopped('Stopped. The next start installs again.');
  if (code !== 0) throw new Error(`npm ci failed. What it said:\n\n${output.trim()}\n\nMend that, and start again.`);
}

/** Prints a line every two seconds; on a terminal it overwrites the same line. */
async function withProgress(label, work) {
  const startedAt = performance.now();
  const seconds = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  const [before, after] = process.stderr.isTTY ? ['\r\u001B[K', ''] : ['', '\n'];
  const timer = setInterval(() => process.stderr.write(`${before}${label} … ${seconds()}${after}`), 2_000);
  try {
    await work();
    process.stderr.write(`${before}${label}: done, ${seconds()}\n`);
  } finally {
    clearInterval(timer);
  }
}
