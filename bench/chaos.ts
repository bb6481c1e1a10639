import { parseArgs } from 'node:util';
import { runChaos } from '@aether/sync/testing.chaos';

/*
 * Kills sequencers, subscribers and PostgreSQL with kill -9 and makes lines silent at random moments, while handlers fail and customers are
 * written one by one and in bulk, and checks that no damage is left.
 *
 *   npm run bench:chaos -- --seconds 60 --seed 1
 */
const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const { kills, ...counts } = await runChaos({ seconds: Number(options.seconds), seed: Number(options.seed) });
const rows = {
  ...counts,
  ...Object.fromEntries(Object.entries(kills).map(([name, count]) => [`kills of ${name}`, count])),
};
console.log(`| seed ${options.seed}, ${options.seconds} s | |\n|---|--:|`);
for (const [name, count] of Object.entries(rows)) console.log(`| ${name} | ${count.toLocaleString('en')} |`);
if (counts.lost + counts.doubled + counts.inverted + counts.gaps > 0) process.exitCode = 1;
