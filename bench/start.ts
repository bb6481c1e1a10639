import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, parseEnv } from 'node:util';

/*
 * What `npm start` costs: the time until everything is ready, and the memory of Node.
 *
 *   npm run bench:start
 *   npm run bench:start -- --starts 5 --settle 30
 *
 * The first start makes the database and the demo's data; it is shown apart. Each later start finds both. The time runs from the launch of
 * the command to its line "Ready", and the memory is read after so many seconds without a request (Linux only): of the process that
 * runs all servers, and of the launcher, which npm scripts begin with. PSS counts a page that several processes share in parts.
 */
const { values: options } = parseArgs({
  options: { starts: { type: 'string', default: '5' }, settle: { type: 'string', default: '30' } },
});
const [starts, settleSeconds] = [Number(options.starts), Number(options.settle)];
const root = join(import.meta.dirname, '..');

type Run = { child: ChildProcess; readyMs: number; output: string };

const home = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(home, 0o755);
let running: Run | undefined;
try {
  const first = await launch();
  console.log(`First start, with the demo's data: ${seconds(first.readyMs)} s. Node ${process.version}.\n`);
  await stop();
  const ready: number[] = [];
  for (let n = 0; n < starts; n++) {
    ready.push((await launch()).readyMs);
    if (n < starts - 1) await stop();
  }
  await wait(settleSeconds * 1_000);
  const [servers, launcher] = [memoryOf(serversPid()), memoryOf(parentOf(serversPid()))];
  await stop();
  const sorted = ready.toSorted((a, b) => a - b);
  console.log('| npm start, with the demo | measured |\n|---|--:|');
  console.log(`| ready, the slowest of ${starts} starts, s | ${seconds(sorted.at(-1))} |`);
  console.log(`| ready, the median, s | ${seconds(sorted[Math.floor(starts / 2)])} |`);
  console.log(`| memory of Node, RSS, MB | ${servers.rss} |`);
  console.log(`| memory of Node, PSS, MB | ${servers.pss} |`);
  console.log(`| memory of the launcher, PSS, MB | ${launcher.pss} |`);
} finally {
  await stop();
  await rm(home, { recursive: true, force: true });
}

/** @throws Error with the output if it ends before it is ready. */
async function launch(): Promise<Run> {
  const startedAt = performance.now();
  const child = spawn('npm', ['start'], {
    cwd: root,
    env: {
      ...process.env,
      AETHER_HOME: home,
      FOUNDATION_PORT: '0',
      SUPPORT_PORT: '0',
      CONSOLE_PORT: '0',
      IDENTITY_PORT: '0',
      DEMO_SHOP_PORT: '0',
      MAIL_CATCHER_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const run: Run = { child, readyMs: Number.NaN, output: '' };
  running = run;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      run.output += text;
      if (run.output.includes('Ready in')) resolve();
    });
  child.once('close', (code) => reject(new Error(`npm start ended with ${code}:\n${run.output}`)));
  await promise;
  run.readyMs = performance.now() - startedAt;
  return run;
}

async function stop(): Promise<void> {
  const { child, readyMs } = running ?? {};
  running = undefined;
  if (!child || child.exitCode !== null) return;
  if (Number.isNaN(readyMs)) child.kill('SIGTERM');
  else process.kill(serversPid(), 'SIGTERM');
  await once(child, 'close');
}

function serversPid(): number {
  return Number(parseEnv(readFileSync(join(home, 'env'), 'utf8')).AETHER_PID);
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** In whole megabytes of 1,000 kB. */
function memoryOf(pid: number): { rss: number; pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const read = (name: string) => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1_000);
  return { rss: read('Rss'), pss: read('Pss') };
}

function seconds(ms = Number.NaN): string {
  return (ms / 1_000).toFixed(1);
}
