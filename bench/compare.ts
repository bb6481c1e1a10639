import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { joinTables, printTable, readTables, type Table } from './tables.ts';

/*
 * Compares two builds: runs one bench of an earlier commit and of this checkout in turns on this machine, and prints
 * for each number before → now (now ÷ before). What follows `--` goes to the bench; both builds must know it.
 *
 *   npm run bench:compare -- lists
 *   npm run bench:compare -- events --against HEAD~20 --rounds 3 -- --rate 1000
 *   npm run bench:compare -- events --same-bench -- --only writers      (the earlier commit by this checkout's bench, if it can run it)
 */
const own = process.argv.slice(2);
const end = own.indexOf('--');
const passed = end < 0 ? [] : own.slice(end + 1);
const { values: options, positionals } = parseArgs({
  args: end < 0 ? own : own.slice(0, end),
  allowPositionals: true,
  options: {
    against: { type: 'string', default: '48e280c' },
    rounds: { type: 'string', default: '1' },
    'same-bench': { type: 'boolean', default: false },
  },
});
const [bench] = positionals;
if (positionals.length !== 1 || !bench) throw new Error('Give the name of one bench, for example: lists');

const here = join(import.meta.dirname, '..');
const git = async (...args: string[]) => (await promisify(execFile)('git', args, { cwd: here })).stdout.trim();

// Ctrl-C ends the bench, which this process shares a terminal with; then the earlier checkout is removed as after every run.
let isStopped = false;
process.once('SIGINT', () => {
  isStopped = true;
});

/** Runs the bench in a checkout and returns its tables. Its errors and its words go to this terminal. */
async function run(checkout: string): Promise<Table[]> {
  const child = spawn('npm', ['run', '--silent', `bench:${bench}`, '--', ...passed], {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
    process.stderr.write(chunk);
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (isStopped) throw new Error('Stopped.');
  const tables = readTables(printed);
  // A bench ends with an error when a goal is missed; its numbers count all the same.
  if (tables.length === 0) throw new Error(`bench:${bench} printed no table in ${checkout} (exit code ${code}).`);
  return tables;
}

const folder = await mkdtemp(join(tmpdir(), 'aether-compare-'));
const earlier = join(folder, 'build');
try {
  await git('worktree', 'add', '--detach', earlier, options.against);
  if (options['same-bench'])
    await cp(join(here, 'bench'), join(earlier, 'bench'), {
      recursive: true,
      filter: (path) => !path.endsWith('.json'),
    });
  const before: Table[][] = [];
  const now: Table[][] = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const turns = [async () => before.push(await run(earlier)), async () => now.push(await run(here))];
    for (const turn of round % 2 ? turns.toReversed() : turns) await turn();
  }
  console.log(
    `\nbench:${bench} ${passed.join(' ')}: ${await git('rev-parse', '--short', options.against)} → ` +
      `${await git('rev-parse', '--short', 'HEAD')} (now ÷ before), medians of ${options.rounds}; ` +
      `${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}\n`,
  );
  console.log(joinTables(before, now).map(printTable).join('\n\n'));
} finally {
  await git('worktree', 'remove', '--force', earlier).catch(() => {});
  await rm(folder, { recursive: true, force: true });
}
