import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { migrate, startLocal } from '@aether/database';
import { connectPlatform } from '@aether/platform';
import { startIssuer } from './issuer.ts';
import { measure, median, medianWithin } from './measure.ts';

/*
 * Measures what metrics cost: Foundations in processes of their own, on one database, are asked in turns for the list of tiers, a request of a
 * signed-in person: one with metrics, and two without. The metrics are read meanwhile, as Prometheus does. The cost is told by the CPU time of
 * the servers for a request, too: on a machine that does other work, throughput of one second differs by 20 % and more. The two that are alike
 * tell how far a difference may come from nothing, and each figure has the interval in which the true median is with 95 %.
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

const servers = {
  plain: await startServer({}),
  alike: await startServer({}),
  measured: await startServer({ METRICS_TOKEN: token }),
};
type Name = keyof typeof servers;
const names = Object.keys(servers) as Name[];
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
  for (const name of [...names, ...names]) await run(servers[name]); // warms up
  const scrape = setInterval(() => {
    void fetch(`${servers.measured.address}/metrics`, { headers: { Authorization: `Bearer ${token}` } }).then(
      (answer) => answer.text(),
    );
  }, 5_000);
  const slices: Record<Name, Slice[]> = { plain: [], alike: [], measured: [] };
  for (let round = 0; round < rounds; round++) {
    // The order changes, so that none always has what another has left.
    const turned = [...names.slice(round % 3), ...names.slice(0, round % 3)];
    for (const name of round % 2 === 0 ? turned : turned.reverse()) slices[name].push(await run(servers[name]));
  }
  clearInterval(scrape);
  for (const [name, what] of [
    ['plain', 'without metrics'],
    ['measured', 'with metrics'],
  ] as const)
    console.log(
      `${what}: ${Math.round(median(slices[name].map(({ perSecond }) => perSecond)))} requests a second, ` +
        `${Math.round(median(slices[name].map(({ microseconds }) => microseconds)))} µs of CPU each`,
    );
  const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(1)} %`;
  const compare = (name: Name, ratio: (one: Slice, other: Slice) => number) =>
    medianWithin(slices.plain.map((one, round) => ratio(one, slices[name][round] as Slice)));
  const cpu = (one: Slice, other: Slice) => other.microseconds / one.microseconds;
  const throughput = (one: Slice, other: Slice) => one.perSecond / other.perSecond;
  for (const [what, name] of [
    ['cost of metrics', 'measured'],
    ['two that are alike differ by', 'alike'],
  ] as const)
    for (const [of, ratio] of [
      ['CPU', cpu],
      ['throughput', throughput],
    ] as const) {
      const { least, middle, most } = compare(name, ratio);
      console.log(`${what}: ${percent(middle)} of ${of} (${percent(least)} to ${percent(most)})`);
    }
  if ((compare('measured', cpu).least - 1) * 100 > goalPercent) {
    console.log(`Metrics cost more than ${goalPercent} % of CPU.`);
    process.exitCode = 1;
  }
} finally {
  for (const name of names) servers[name].child.disconnect();
  issuer.close();
  await local.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}
