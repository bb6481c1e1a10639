import { execFileSync, spawn } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { goalsOf, type Part, parts } from './goals.ts';
import { printTable } from './tables.ts';

/*
 * Runs every bench that has a goal in a short form, one after the other, and prints one table of all goals.
 *
 *   npm run bench                              about a quarter of an hour
 *   npm run bench -- --only latency,chat       some of the parts; --list names them
 *
 * What a bench prints goes to the terminal as it comes. A part that fails, or takes three times as long as it should, costs its own rows
 * only; Ctrl-C ends the part that runs, and prints what is known by then.
 */
const { values: options } = parseArgs({
  options: { only: { type: 'string' }, list: { type: 'boolean', default: false } },
});
const here = join(import.meta.dirname, '..');
const wanted = options.only?.split(',');
const unknown = wanted?.filter((name) => !parts.some((part) => part.name === name)) ?? [];
if (unknown.length > 0)
  throw new Error(`There is no part ${unknown.join(', ')}: there are ${parts.map(({ name }) => name).join(', ')}.`);
if (options.list) {
  for (const { name, script, args, minutes } of parts)
    console.log(`${name.padEnd(10)} ${minutes} min  npm run ${script} -- ${args.join(' ')}`);
  process.exit();
}

let isStopped = false;
let ending: (() => void) | undefined;
process.on('SIGINT', () => {
  isStopped = true;
  ending?.();
});

type Ran = { printed: string; failure: string | undefined };

/** Runs a bench in a group of processes of its own, so that all of it can be ended. Its output goes to this terminal as it comes. */
async function run({ script, args, minutes }: Part): Promise<Ran> {
  const child = spawn('npm', ['run', '--silent', script, '--', ...args], {
    cwd: here,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let printed = '';
  let failure: string | undefined;
  const end = (why: string) => {
    failure ??= why;
    try {
      process.kill(-(child.pid as number), 'SIGINT');
    } catch {} // it has ended
    // A bench that does not end by itself leaves its server to the next start on its port.
    setTimeout(() => {
      try {
        process.kill(-(child.pid as number), 'SIGKILL');
      } catch {}
    }, 10_000).unref();
  };
  ending = () => end('stopped');
  const timer = setTimeout(() => end(`not done after ${minutes * 3} minutes`), minutes * 3 * 60_000);
  child.stdout.on('data', (chunk) => {
    printed += chunk;
    process.stderr.write(chunk);
  });
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (exit, signal) => resolve(exit ?? signal ?? 'ended'));
  });
  clearTimeout(timer);
  ending = undefined;
  // A bench ends with an error when a goal is missed; then its numbers are there all the same.
  return { printed, failure: failure ?? (code === 0 ? undefined : `it ended with ${code}`) };
}

const beganAt = performance.now();
const minutesSince = (from: number) => ((performance.now() - from) / 60_000).toFixed(1);
const loadBefore = loadavg()[0]?.toFixed(1);
const rows: string[][] = [];
const chosen = parts.filter(({ name }) => !wanted || wanted.includes(name));
for (const [n, part] of chosen.entries()) {
  if (isStopped) break;
  const from = performance.now();
  process.stderr.write(
    `\n[${n + 1}/${chosen.length}] ${part.name}: npm run ${part.script} -- ${part.args.join(' ')}  (about ${part.minutes} min)\n\n`,
  );
  const { printed, failure } = await run(part);
  for (const { row, work, words, figure, ratio, isReached } of goalsOf(part, printed)) {
    const said = figure === undefined ? `no figure: ${failure ?? 'the bench did not print it'}` : figure;
    rows.push([
      row,
      work,
      said,
      words,
      ratio ?? '',
      isReached === undefined ? '' : isReached ? 'reached' : '**missed**',
    ]);
  }
  process.stderr.write(
    `\n[${n + 1}/${chosen.length}] ${part.name}: ${minutesSince(from)} min${failure ? `, ${failure}` : ''}\n`,
  );
}
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: here, encoding: 'utf8' }).trim();
console.log(
  `\nCommit ${commit}; ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}; ` +
    `load before ${loadBefore}, after ${loadavg()[0]?.toFixed(1)}; ${minutesSince(beganAt)} minutes.\n`,
);
console.log(printTable({ columns: ['row', 'work', 'today', 'goal', 'of the goal', ''], rows }));
