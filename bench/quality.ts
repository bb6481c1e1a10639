import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { createModelReader } from '@aether/importer/similar';
import { walkPage } from '@aether/sync/detection';
import pg from 'pg';
import { printTable } from './tables.ts';

/*
 * Measures a round of the scan of quality, and the walk for duplicates, over customers of whom all share one telephone number, one mailbox, or one
 * name and domain, and over as many who share nothing. The steps follow each other without a rest, and none may take longer than the limit that the worker gives it.
 *
 *   npm run bench:quality
 *   npm run bench:quality -- --customers 40000 --withinSeconds 60
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '2500,10000,40000' },
    withinSeconds: { type: 'string', default: '60' },
    shared: { type: 'string', default: 'number,mailbox,name,nothing' },
  },
});
const sizes = options.customers.split(',').map(Number);
const withinMs = Number(options.withinSeconds) * 1_000;

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54561,
    settings: { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h' },
  });
  console.log(`load ${loadavg()[0]?.toFixed(1)}; each at most ${withinMs / 1_000} s`);
  const rows: string[][] = [];
  for (const shared of options.shared.split(','))
    for (const size of sizes) rows.push(await measure(local, { size, shared }));
  console.log(
    printTable({
      columns: [
        'customers',
        'they share',
        'a round of the scan',
        'steps',
        'longest',
        'of 1,000',
        'the walk for duplicates',
      ],
      rows,
    }),
  );
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function measure(server: LocalServer, { size, shared }: { size: number; shared: string }): Promise<string[]> {
  const database = `bench_${shared}_${size}`;
  await bootstrap(server.adminUrl, { database, passwords: {} });
  await migrate(server.urlOf('platform_migrator', database));
  const superuser = new pg.Client({ connectionString: server.server.superuserUrl(database) });
  const worker = new pg.Client({ connectionString: server.urlOf('sync_app', database) });
  for (const client of [superuser, worker]) client.on('error', () => {}); // a failure of the measurement is the one to see
  await Promise.all([superuser.connect(), worker.connect()]);
  await fill(superuser, { size, shared });
  await worker.query(`set statement_timeout = '15s'; set lock_timeout = '1s'`);
  const steps: number[] = [];
  const looked: number[] = [];
  const round = await within(async () => {
    const began = performance.now();
    const { rows } = await worker.query('select looked, fault from sync.quality_step()');
    steps.push(performance.now() - began);
    looked.push(rows[0].looked);
    if (rows[0].fault) console.log(`a step was undone: ${rows[0].fault}`);
    return (
      (await superuser.query(`select from sync.quality_scans where name = 'customers' and rounds = 0`)).rowCount === 1
    );
  });
  const on = { query: async (text: string, given?: unknown[]) => (await worker.query(text, given)).rows as never };
  const readModel = createModelReader();
  const walk = await within(async () => {
    await worker.query('begin');
    const more = await walkPage(on, { readModel });
    await worker.query('commit');
    return more;
  });
  const { rows } = await superuser.query(
    `select rows_seen, (select w.phase || ' ' || w.looked_at from sync.match_walk w) as walked,
       (select jsonb_object_agg(n.finding, n.stored) from sync.quality_numbers n where n.stored > 0) as found
     from sync.quality_scans where name = 'customers'`,
  );
  await Promise.all([worker.end(), superuser.end()]);
  const [{ rows_seen, walked, found }] = rows;
  console.log(`${size} that share ${shared}: ${JSON.stringify(found)}, ${rows_seen} looked at, walk: ${walked}`);
  const time = ({ ms, isWhole }: { ms: number; isWhole: boolean }) =>
    isWhole ? `${(ms / 1_000).toFixed(1)} s` : `more than ${(ms / 1_000).toFixed(0)} s`;
  return [
    size.toLocaleString('en'),
    shared,
    time(round),
    String(steps.length),
    `${Math.max(...steps).toFixed(0)} ms`,
    `${((round.ms / Number(rows_seen)) * 1_000).toFixed(0)} ms`,
    time(walk),
  ];
}

/** Calls `work` until it says that there is no more, or until the time is over. */
async function within(work: () => Promise<boolean>): Promise<{ ms: number; isWhole: boolean }> {
  const began = performance.now();
  for (let more = true; more; ) {
    more = await work();
    const ms = performance.now() - began;
    if (!more || ms > withinMs) return { ms, isWhole: !more };
  }
  return { ms: 0, isWhole: true };
}

async function fill(superuser: pg.Client, { size, shared }: { size: number; shared: string }): Promise<void> {
  await superuser.query('set session_replication_role = replica');
  await superuser.query(
    `with given as (
       select uuidv7() as id, n,
         case $2 when 'mailbox' then 'sales+' || n || '@example.de'
           else 'person' || n || '@house' || case $2 when 'name' then 0 else n end || '.example.de' end as email,
         case $2 when 'name' then 'Accounts Payable' else 'Given' || n || ' Family' || n end as name,
         case $2 when 'number' then '+4930123456' else '+4930' || 1000000 + n end as phone
       from generate_series(1, $1) n),
     made as (
       insert into platform.customers (id, email, email_key, name, phone, phone_key, created_by_app)
       select g.id, g.email, g.email, g.name, g.phone, g.phone, 'foundation' from given g returning id, account_tier, updated_at),
     ordered as (
       insert into crm.customer_order (customer_id, account_tier, updated_at)
       select m.id, coalesce(m.account_tier, '~'), m.updated_at from made m),
     numbers as (
       insert into platform.customer_phones (customer_id, phone, phone_key, is_primary)
       select g.id, g.phone, g.phone, true from given g where g.phone is not null)
     insert into platform.customer_emails (email_key, email, customer_id, is_primary) select g.email, g.email, g.id, true from given g`,
    [size, shared],
  );
  await superuser.query('vacuum (analyze)');
  await superuser.query('set session_replication_role = origin');
}
