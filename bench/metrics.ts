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
 * turns for the list of tiers, a request of a signed-in person. The metrics are read meanwhile, as Prometheus does.
 *
 *   npm run bench:metrics
 *   npm run bench:metrics -- --rounds 20 --ms 1000
 */
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    ms: { type: 'string', default: '1000' },
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
const run = async (address: string) => (await measure(() => ask(address), { callers, forMs })).perSecond;

try {
  for (const { address } of [plain, measured]) await run(address); // warms up
  const scrape = setInterval(() => {
    void fetch(`${measured.address}/metrics`, { headers: { Authorization: `Bearer ${token}` } }).then((answer) =>
      answer.text(),
    );
  }, 5_000);
  const without: number[] = [];
  const withMetrics: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // The order changes, so that neither always has what the other has left.
    const order = round % 2 === 0 ? [plain, measured] : [measured, plain];
    for (const server of order) (server === plain ? without : withMetrics).push(await run(server.address));
  }
  clearInterval(scrape);
  const costs = without.map((each, round) => (1 - (withMetrics[round] ?? 0) / each) * 100);
  const cost = median(costs);
  console.log(`without metrics: ${Math.round(median(without))} requests a second`);
  console.log(`with metrics:    ${Math.round(median(withMetrics))} requests a second`);
  console.log(
    `cost: ${cost.toFixed(1)} % (goal: at most ${goalPercent} %); rounds: ${costs.map((each) => each.toFixed(1)).join(', ')}`,
  );
  if (cost > goalPercent) process.exitCode = 1;
} finally {
  plain.child.disconnect();
  measured.child.disconnect();
  issuer.close();
  await local.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}
