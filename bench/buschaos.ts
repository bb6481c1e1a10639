import { parseArgs } from 'node:util';
import { runBusChaos } from '@aether/sync/testing.buschaos';

/*
 * Kills the broker, consumers, workers with the relay and both PostgreSQLs at random moments under load, each when the last kill is overcome, and
 * checks that every change of the platform has had its effect at the consumer once and in order.
 *
 *   npm run chaos:bus
 *   npm run chaos:bus -- --kills 20 --seed 7
 */
const { values: options } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});
const { kills, lagMs, ...counts } = await runBusChaos({
  kills: Number(options.kills),
  seed: Number(options.seed),
  hasOwnServer: true,
  onKill: (kind, number) => process.stderr.write(`${number} ${kind}\n`),
});
const rows = {
  ...counts,
  'write → effect, p50 ms': lagMs.p50,
  'p99 ms': lagMs.p99,
  'longest ms': lagMs.max,
  ...Object.fromEntries(Object.entries(kills).map(([name, count]) => [`kills of ${name}`, count])),
};
console.log(`| seed ${options.seed} | |\n|---|--:|`);
for (const [name, count] of Object.entries(rows)) console.log(`| ${name} | ${count.toLocaleString('en')} |`);
if (counts.lost + counts.doubled + counts.inverted > 0) process.exitCode = 1;
