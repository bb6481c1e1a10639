import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalServer, startLocal } from '@aether/database';
import pg from 'pg';
import { fillCustomers } from './customers.ts';
import { compareCold } from './lookupscold.ts';
import { type Call, openSubject, poolMax, rawStatements, type Subject } from './lookupsides.ts';
import { type Measurement, measure, median } from './measure.ts';

/*
 * Compares a lookup through platformDb with the same SQL as a prepared statement, on the same driver with a pool of the
 * same size.
 *
 *   npm run bench:lookups                      100,000 and 2,000,000 customers
 *   npm run bench:lookups -- --customers 100000 --seconds 1
 *   npm run bench:lookups -- --customers 100000 --customers 10000000 --rounds 3     a quarter of an hour, 20 GB of the disk
 *   npm run bench:lookups -- --cold            each address once, on a server that was just started
 *   npm run bench:lookups -- --folder /var/tmp/lookups     keeps the filled databases there for the next run
 *   npm run bench:lookups -- --folder /var/tmp/lookups --fill     only fills them
 *
 * Both sides, and databases of all sizes, take turns in short rounds, so that a noisy machine is noisy for all of them; ratios are
 * medians over the rounds.
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', multiple: true },
    cold: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string' },
    fill: { type: 'boolean', default: false },
  },
});
const sizes = (options.customers ?? (options.cold ? ['150000'] : ['100000', '2000000'])).map(Number);
const callersTried = [1, 8, 64, 256];
const roundMs = Number(options.seconds) * 1000;
/** Each connection touches each page for the first time, which takes a tenth of a millisecond: see docs/benchmarks.md. */
const warmUpMs = (customers: number) => 4_000 * Math.max(1, customers / 1_000_000);
const rounds = Number(options.rounds);

type Line = { call: Call; customers: number; callers: number; raw: Measurement; ours: Measurement; ratio: number };

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'aether-bench-')));
await mkdir(folder, { recursive: true });
await chmod(folder, 0o755);
const subjects: Subject[] = [];
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54500,
    // No background work of the database may begin during a measurement.
    settings: {
      fsync: 'off',
      shared_buffers: Math.max(...sizes) > 4_000_000 ? '8GB' : '4GB', // all that lookups read
      max_wal_size: '16GB',
      checkpoint_timeout: '1h',
      autovacuum: 'off',
    },
  });
  for (const customers of sizes) await fillCustomers(local, `bench_${customers}`, customers);
  const open = (customers: number) => openSubject(local?.urlOf('support_app', `bench_${customers}`) ?? '', customers);
  if (options.cold && !options.fill) await compareCold(local, { sizes, rounds, open });
  if (!options.cold && !options.fill) await compareWarm(local, open);
} finally {
  for (const subject of subjects) await subject.close();
  await local?.server.stop(options.folder ? 'fast' : 'immediate');
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

async function compareWarm(server: LocalServer, open: (customers: number) => Promise<Subject>): Promise<void> {
  for (const customers of sizes) subjects.push(await open(customers));
  const lines: Line[] = [];
  for (const call of Object.keys(rawStatements) as Call[]) {
    // Reads all rows of the lookups once, because the first touch of a page is the machine's cost, not the lookup's.
    for (const subject of subjects)
      await measure(subject.askOurs(call), { callers: 256, forMs: warmUpMs(subject.customers) });
    for (const callers of callersTried) lines.push(...(await compare(call, callers)));
  }
  print(
    lines.sort((a, b) => a.customers - b.customers),
    await askHugePages(server),
  );
}

/** Whether the server's memory is in huge pages, so that a connection touches few pages for the first time: see docs/benchmarks.md. */
async function askHugePages({ server }: LocalServer): Promise<string> {
  const superuser = new pg.Client({ connectionString: server.superuserUrl() });
  await superuser.connect();
  const { rows } = await superuser.query('show huge_pages_status');
  await superuser.end();
  return rows[0].huge_pages_status;
}

async function compare(call: Call, callers: number): Promise<Line[]> {
  const results = subjects.map((subject) => ({ subject, raw: [] as Measurement[], ours: [] as Measurement[] }));
  for (const { subject } of results) {
    await measure(subject.askRaw(call), { callers, forMs: roundMs / 2 }); // plans and connections
    await measure(subject.askOurs(call), { callers, forMs: roundMs / 2 });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { subject, raw, ours } of results) {
      raw.push(await measure(subject.askRaw(call), { callers, forMs: roundMs }));
      ours.push(await measure(subject.askOurs(call), { callers, forMs: roundMs }));
    }
  }
  return results.map(({ subject: { customers }, raw, ours }) => {
    const ratio = median(ours.map((each, round) => each.perSecond / (raw[round] as Measurement).perSecond));
    console.error(`${call}, ${customers} customers, ${callers} callers: ${ratio.toFixed(2)}×`);
    return { call, customers, callers, raw: middle(raw), ours: middle(ours), ratio };
  });
}

function middle(measurements: Measurement[]): Measurement {
  return {
    count: measurements.reduce((sum, { count }) => sum + count, 0),
    perSecond: median(measurements.map(({ perSecond }) => perSecond)),
    p50Ms: median(measurements.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(measurements.map(({ p99Ms }) => p99Ms)),
  };
}

function print(lines: Line[], hugePages: string): void {
  const figure = ({ perSecond, p50Ms, p99Ms }: Measurement) =>
    `${Math.round(perSecond).toLocaleString('en')} | ${p50Ms.toFixed(2)} | ${p99Ms.toFixed(2)}`;
  console.log(
    `Pools of ${poolMax} connections, ${rounds} rounds of ${roundMs} ms a side, medians. Node ${process.version}, PostgreSQL 18, huge pages ${hugePages}.\n`,
  );
  console.log(
    '| call | customers | callers | raw /s | p50 ms | p99 ms | platformDb /s | p50 ms | p99 ms | platformDb ÷ raw |',
  );
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|');
  for (const { call, customers, callers, raw, ours, ratio } of lines) {
    console.log(
      `| ${call} | ${customers.toLocaleString('en')} | ${callers} | ${figure(raw)} | ${figure(ours)} | **${ratio.toFixed(2)}×** |`,
    );
  }
  const sizes = [...new Set(lines.map(({ customers }) => customers))].sort((a, b) => a - b);
  const [small, large] = [sizes[0], sizes.at(-1)];
  if (small === large) return;
  console.log(
    `\n| call | callers | slower at ${large?.toLocaleString('en')} than at ${small?.toLocaleString('en')} customers |\n|---|--:|--:|`,
  );
  for (const { call, callers, ours } of lines.filter(({ customers }) => customers === small)) {
    const larger = lines.find((line) => line.customers === large && line.call === call && line.callers === callers);
    if (larger) console.log(`| ${call} | ${callers} | ${(ours.perSecond / larger.ours.perSecond).toFixed(2)}× |`);
  }
}
