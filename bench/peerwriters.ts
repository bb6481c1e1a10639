import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { makeWorkerUtils } from 'graphile-worker';
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { median } from './measure.ts';
import { peerQueue } from './peers.ts';

const rowsCount = 2_000;
const rounds = 3;

/** For each peer, its own SQL that makes a job of a change, in the transaction of the change. */
const peers = [
  {
    name: 'pg-boss 12.38, one job a change, one worker',
    worker: 'pg-boss',
    job: `insert into pgboss.job (name, data) values ('${peerQueue}', payload)`,
    async prepare(connectionString: string) {
      const boss = new PgBoss({ connectionString, supervise: false, schedule: false });
      boss.on('error', () => {});
      await boss.start();
      await boss.createQueue(peerQueue);
      await boss.stop({ graceful: false });
    },
  },
  {
    name: 'graphile-worker 0.18, one job a change, one worker',
    worker: 'graphile-worker',
    job: `perform graphile_worker.add_job('${peerQueue}', payload::json)`,
    async prepare(connectionString: string) {
      const utils = await makeWorkerUtils({ connectionString });
      await utils.migrate();
      await utils.release();
    },
  },
];

export type PeerWriters = { name: string; perSecond: number; ofBare: number };

/** Writers that update one row a transaction: bare, and with a trigger that makes a job of each change, by each peer's own SQL. */
export async function measurePeerWriters(
  url: string,
  writeFor: (clients: pg.Client[], ids: string[]) => Promise<number>,
) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    create schema platform;
    create table platform.customers (id uuid primary key default uuidv7(), email text not null, name text not null,
      version bigint not null default 1,
      updated_at timestamptz not null default now());
    create function platform.count_version() returns trigger language plpgsql as $$
      begin new.version := old.version + 1; new.updated_at := now(); return new; end $$;
    create trigger count_version before update on platform.customers for each row execute function platform.count_version()`);
  const { rows } = await client.query(
    `insert into platform.customers (email, name) select 'bench' || n || '@example.com', 'Bench' from generate_series(1, ${rowsCount}) n
      returning id`,
  );
  const writers = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const writer = new pg.Client({ connectionString: url });
      await writer.connect();
      return writer;
    }),
  );
  const ids = rows.map((row) => row.id as string);
  const results: PeerWriters[] = [];
  for (const { name, worker, job, prepare } of peers) {
    await prepare(url);
    const figures: { bare: number; made: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const bare = await writeFor(writers, ids);
      await client.query(`
        create or replace function platform.make_job() returns trigger language plpgsql as $$
        declare payload jsonb := jsonb_build_object('customerId', new.id, 'email', new.email, 'name', new.name, 'version', new.version,
          'previous', old.name);
        begin ${job}; return null; end $$;
        create trigger make_job after update on platform.customers for each row execute function platform.make_job()`);
      const child = fork(fileURLToPath(new URL('./peerworker.ts', import.meta.url)), [worker, url]);
      await once(child, 'message');
      figures.push({ bare, made: await writeFor(writers, ids) });
      child.kill('SIGKILL');
      await client.query('drop trigger make_job on platform.customers');
    }
    results.push({
      name,
      perSecond: median(figures.map((each) => each.made)),
      ofBare: median(figures.map((each) => each.made / each.bare)),
    });
  }
  await Promise.all([client, ...writers].map((each) => each.end()));
  return results;
}
