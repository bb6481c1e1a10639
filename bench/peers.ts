import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { PgBoss } from 'pg-boss';

/** The queue in which changes become jobs. */
export const peerQueue = 'changes';

export type PeerResult = { name: string; settings: string; perSecond: number };

const silent = new Logger(() => () => {}); // a log line per job would be most of its work
const payload = {
  customerId: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b',
  name: 'Changed',
  version: 7,
  updatedBy: 'foundation',
};

/**
 * How fast pg-boss empties a queue of so many jobs. Parallel loops fetch and complete batches; the best of several
 * settings counts.
 */
export async function drainPgBoss(url: string, jobs: number): Promise<PeerResult> {
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
  boss.on('error', () => {});
  await boss.start();
  let best: PeerResult = { name: 'pg-boss 12.38', settings: '', perSecond: 0 };
  for (const [batchSize, loops] of [
    [500, 2],
    [1_000, 2],
    [2_000, 1],
  ] as const) {
    const queue = `bench-${batchSize}-${loops}`;
    await boss.createQueue(queue);
    for (let left = jobs; left > 0; left -= 5_000)
      await boss.insert(
        queue,
        Array.from({ length: Math.min(left, 5_000) }, () => ({ data: payload })),
      );
    const startedAt = performance.now();
    let done = 0;
    const loop = async () => {
      for (;;) {
        const batch = await boss.fetch(queue, { batchSize });
        if (batch.length === 0) return;
        await boss.complete(
          queue,
          batch.map((job) => job.id),
        );
        done += batch.length;
      }
    };
    await Promise.all(Array.from({ length: loops }, loop));
    const perSecond = (done / (performance.now() - startedAt)) * 1_000;
    const settings = `fetch and complete in batches of ${batchSize}, ${loops} at once`;
    if (perSecond > best.perSecond) best = { ...best, settings, perSecond };
    await boss.deleteQueue(queue);
  }
  await boss.stop({ graceful: false });
  return best;
}

/** The same for graphile-worker, with its local queue and batched completion. */
export async function drainGraphileWorker(url: string, jobs: number): Promise<PeerResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let best: PeerResult = { name: 'graphile-worker 0.18', settings: '', perSecond: 0 };
  for (const [size, concurrentJobs] of [
    [500, 24],
    [1_000, 48],
  ] as const) {
    let done = 0;
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    const fill = async () => {
      for (let left = jobs; left > 0; left -= 5_000)
        await client.query(
          `select count(*)
            from graphile_worker.add_jobs(array(select row('bench', $1::json, null, now(), 3, null, 0, null)::graphile_worker.job_spec
              from generate_series(1, $2::integer)))`,
          [payload, Math.min(left, 5_000)],
        );
    };
    const utils = await makeWorkerUtils({ connectionString: url, logger: silent });
    await utils.migrate();
    await utils.release();
    await fill();
    const startedAt = performance.now();
    const runner = await run({
      preset: {
        worker: {
          connectionString: url,
          concurrentJobs,
          maxPoolSize: 12,
          pollInterval: 2_000,
          localQueue: { size },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
          logger: silent,
        },
      },
      taskList: {
        bench: () => {
          if (++done === jobs) resolve();
        },
      },
      noHandleSignals: true,
    });
    await finished;
    const perSecond = (jobs / (performance.now() - startedAt)) * 1_000;
    await runner.stop();
    const settings = `${concurrentJobs} jobs at once, local queue of ${size}, completed in batches`;
    if (perSecond > best.perSecond) best = { ...best, settings, perSecond };
  }
  await client.end();
  return best;
}
