import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

/*
 * Another app for bench/bulk.ts: at a steady rate, over four connections, it changes customers and, every fourth time, creates one. A
 * latency counts from when the write was due. Arguments: the database's address, writes a second. It ends on any message, and sends its latencies.
 */
const [url, perSecond] = process.argv.slice(2) as [string, string];
let isOver = false;
process.once('message', () => {
  isOver = true;
});
const pool = new pg.Pool({ connectionString: url, max: 4 });
const { rows } = await pool.query<{ id: string }>('select id from platform.customers order by random() limit 2000');
const latencies: number[] = [];
const startedAt = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const n = next++;
      const dueAt = startedAt + (n * 1_000) / Number(perSecond);
      const inMs = dueAt - performance.now();
      if (inMs > 0) await wait(inMs);
      if (n % 4 === 0)
        await pool.query('insert into platform.customers (email, name) values ($1, $2)', [
          `beside${Date.now()}.${n}@example.com`,
          'Beside Writer',
        ]);
      else
        await pool.query('update platform.customers set name = $2 where id = $1', [
          rows[n % rows.length]?.id,
          `Beside ${n}`,
        ]);
      latencies.push(performance.now() - dueAt);
    }
  }),
);
await pool.end();
process.send?.(latencies, () => process.exit());
