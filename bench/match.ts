import { parseArgs } from 'node:util';
import { matchPrepared, PersonTable, prepare, readSettings, whatIf } from '@aether/importer';
import { people } from '@aether/importer/testing.people';
import { printTable } from './tables.ts';

/*
 * Measures how long it takes to find who is the same person among generated rows, and the memory of the process: reading the rows into columns
 * (without making them), comparing (names, blocks, scores), joining (rules, clusters, candidates), and a what-if, which joins twice.
 *
 *   npm run bench:match
 *   npm run bench:match -- --rows 1000,100000,2000000
 */
const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000,100000' } } });

const results: string[][] = [];
for (const rows of values.rows.split(',').map(Number)) {
  const table = new PersonTable();
  let adding = 0;
  const source = people({ seed: 1 });
  for (let left = rows; left > 0; left -= 1_000) {
    const batch = Array.from({ length: Math.min(1_000, left) }, () => source.next().value);
    const start = performance.now();
    for (const person of batch) if (person) table.add(person);
    adding += performance.now() - start;
  }
  const [prepared, preparing] = measure(() => prepare(table));
  const [matched, joining] = measure(() => matchPrepared(prepared));
  const [, asking] = measure(() => whatIf(prepared, {}, readSettings(['chance=0.05'])));
  const memory = process.resourceUsage().maxRSS / 1024;
  results.push([
    rows.toLocaleString('en'),
    prepared.pairs.count.toLocaleString('en'),
    matched.groups.length.toLocaleString('en'),
    ...[adding, preparing, joining, asking].map((ms) => `${(ms / 1_000).toFixed(1)} s`),
    `${memory.toFixed(0)} MB`,
  ]);
}
console.log(
  printTable({
    columns: ['rows', 'pairs compared', 'groups', 'into columns', 'comparing', 'joining', 'what-if', 'memory, at most'],
    rows: results,
  }),
);

function measure<T>(work: () => T): [T, number] {
  const start = performance.now();
  const result = work();
  return [result, performance.now() - start];
}
