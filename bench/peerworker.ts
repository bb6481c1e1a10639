/** A process that works the jobs of one peer: `pg-boss` or `graphile-worker`. */
import { Logger, run } from 'graphile-worker';
import { PgBoss } from 'pg-boss';
import { peerQueue } from './peers.ts';

const [peer, connectionString] = process.argv.slice(2) as ['pg-boss' | 'graphile-worker', string];
if (peer === 'pg-boss') {
  const boss = new PgBoss({ connectionString, max: 4, supervise: false, schedule: false });
  boss.on('error', () => {});
  await boss.start();
  await boss.work(peerQueue, { batchSize: 500, pollingIntervalSeconds: 0.5 }, async () => {});
} else {
  await run({
    preset: {
      worker: {
        connectionString,
        concurrentJobs: 24,
        maxPoolSize: 4,
        pollInterval: 500,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: new Logger(() => () => {}),
      },
    },
    taskList: { [peerQueue]: () => {} },
  });
}
process.send?.({ ready: true });
