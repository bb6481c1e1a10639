import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { migrate, startLocal } from '@aether/database';
import { connectPlatform } from '@aether/platform';
import { startIssuer } from './issuer.ts';
import { measure, median } from './measure.ts';

/*
 * Measures what metrics cost: two Foundations in processes of their own, on one database, one with metrics and one without, are asked in
 * turns for the list of tiers, a request of a signed-in person. The metrics are read meanwhile, as Prometheus does. The cost is told by the
 * CPU time of the servers for a request, too: on a machine that does other work, throughput of one second differs by 20 % and more.
 *
 *   npm run bench:metrics
 *   npm run bench:metrics -- --rounds 80 --ms 1000
 */
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '40' },
    ms: { type: 'string', default: '500' },
    callers: { type: 'string', default: '16' },
  },
});
const rounds = Number(options.rounds);
const forMs = Number(options.ms);
const callers = Number(options.callers);
const goalPercent = 3;
const token = 'the-token-of-this-bench';

const folder = await mkdtemp(join(tmpdir(), 'aether-metrics-'));
const local = await startLocal({ folder, database: 'bench', port: 54500 });
await migrate(local.urlOf('platform_migrator'));
const issuer = await startIssuer('bench');
const url = local.urlOf('foundation_app');
const db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: url, PLATFORM_DB_POOL_MAX: '1' } });
await db.findOrCreateCustomer({ email: 'ada@example.com', name: 'Ada' });
await db.close();

async function startServer(variables: Record<string, string>) {
  const child = fork(join(import.meta.dirname, 'metricsserver.ts'), {
    env: { ...process.env, PLATFORM_DB_URL: url, ...issuer.variables, ...variables },
  });
  const [address] = (await once(child, 'message')) as [string];
  return { address, child };
}

const [plain, measured] = [await startServer({}), await startServer({ METRICS_TOKEN: token })];
const headers = { Authorization: `Bearer ${await issuer.tokenFor('maya')}` };

async function ask(address: string): Promise<void> {
  const answer = await fetch(`${address}/api/tiers`, { headers });
  await answer.arrayBuffer();
  if (answer.status !== 200) throw new Error(`${address} answered ${answer.status}`);
}
type Server = Awaited<ReturnType<typeof startServer>>;
type Slice = { perSecond: number; microseconds: number };

async function cpuOf({ child }: Server): Promise<number> {
  child.send('cpu');
  const [microseconds] = (await once(child, 'message')) as [number];
  return microseconds;
}

/** @returns requests a second, and the server's CPU time for one of them. */
async function run(server: Server): Promise<Slice> {
  const before = await cpuOf(server);
  const { perSecond, count } = await measure(() => ask(server.address), { callers, forMs });
  return { perSecond, microseconds: ((await cpuOf(server)) - before) / count };
}

try {
  for (const server of [plain, measured, plain, measured]) await run(server); // warms up
  const scrape = setInterval(() => {
    void fetch(`${measured.address}/metrics`, { headers: { Authorization: `Bearer ${token}` } }).then((answer) =>
      answer.text(),
    );
  }, 5_000);
  const without: Slice[] = [];
  const withMetrics: Slice[] = [];
  for (let round = 0; round < rounds; round++) {
    // The order changes, so that neither always has what the other has left.
    const order = round % 2 === 0 ? [plain, measured] : [measured, plain];
    for (const server of order) (server === plain ? without : withMetrics).push(await run(server));
  }
  clearInterval(scrape);
  const percent = (one: number, other: number) => `${((one / other - 1) * 100).toFixed(1)} %`;
  const tell = (what: string, slices: Slice[]) =>
    console.log(
      `${what} ${Math.round(median(slices.map(({ perSecond }) => perSecond)))} requests a second, ` +
        `${Math.round(median(slices.map(({ microseconds }) => microseconds)))} µs of CPU each`,
    );
  tell('without metrics:', without);
  tell('with metrics:   ', withMetrics);
  const pairs = without.map((one, round) => ({ one, other: withMetrics[round] as Slice }));
  const cpu = median(pairs.map(({ one, other }) => other.microseconds / one.microseconds));
  const throughput = median(pairs.map(({ one, other }) => one.perSecond / other.perSecond));
  console.log(
    `cost: ${percent(cpu, 1)} of CPU, ${percent(throughput, 1)} of throughput (goal: at most ${goalPercent} %)`,
  );
  if ((cpu - 1) * 100 > goalPercent) process.exitCode = 1;
} finally {
  plain.child.disconnect();
  measured.child.disconnect();
  issuer.close();
  await local.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}
