#!/bin/sh
# Guess: a queue of pg-boss with the policy key_strict_fifo runs the jobs of one key in the order in which they were put in.
# Behaviour of pg-boss 12.38.0: eight jobs of one key that are put in together run in any order, another one at each run, since they have one time
#   and are ordered by a random id behind it. A job that is to start later lets the next one of its key pass.
# Used for: the log's positions, which order the events of one transaction too (docs/events.md), and what bench/events.ts compares with.
#
# Needs npm and Node 22.15 or newer. PostgreSQL runs inside of Node.
# Output seen, of a run: "together: 1 3 6 7 4 2 5 0" and "behind a later one: second".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" pg-boss@12.38.0 @electric-sql/pglite@0.4.0
cat > look.mjs <<'JS'
import { PGlite } from '@electric-sql/pglite';
import { PgBoss } from 'pg-boss';
const lite = new PGlite();
const executeSql = async (text, values) => {
  const results = values?.length ? [await lite.query(text, values)] : await lite.exec(text);
  return { rows: results.flatMap(({ rows }) => rows) };
};
const boss = new PgBoss({ db: { executeSql }, supervise: false, schedule: false });
boss.on('error', (error) => console.error(error.message));
await boss.start();
await boss.createQueue('work', { policy: 'key_strict_fifo' });
const numbers = [0, 1, 2, 3, 4, 5, 6, 7];
await boss.insert('work', numbers.map((n) => ({ data: { n }, singletonKey: 'ada' })));
const order = [];
for (const _ of numbers) {
  const [job] = await boss.fetch('work');
  order.push(job.data.n);
  await boss.complete('work', job.id);
}
await boss.send('work', { n: 'first' }, { singletonKey: 'bob', startAfter: 3_600 });
await boss.send('work', { n: 'second' }, { singletonKey: 'bob' });
const [next] = await boss.fetch('work');
console.log(`together: ${order.join(' ')}`);
console.log(`behind a later one: ${next?.data.n}`);
process.exit(order.join() !== numbers.join() && next?.data.n === 'second' ? 0 : 1);
JS
node look.mjs
