import { type ChildProcess, fork } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { connectPlatform } from '@aether/platform';
import { dropOldEvents, type EventFilter, evaluateHealth, pause, replay, resume, searchEvents } from '@aether/sync';
import pg from 'pg';
import { isFilled } from './filled.ts';
import { median, quantile } from './measure.ts';

/*
 * What the size of the log costs: the same work on a log of 100,000 events and on one of 20,000,000, each in a database of its own on one
 * server, by turns.
 *
 *   npm run bench:log
 *   npm run bench:log -- --events 3000000 --rounds 3
 *   npm run bench:log -- --folder /var/tmp/log --fill      fills the databases there, and ends
 *   npm run bench:log -- --folder /var/tmp/log             measures them, and leaves them as they are, but for some thousands of new events
 *   npm run bench:log -- --folder /var/tmp/log --drop      … and drops the oldest partition, after which they cannot be measured again
 *
 * Filling takes several minutes, without waiting for the disk; then everything is durable.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '20000000' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string' },
    fill: { type: 'boolean', default: false },
    drop: { type: 'boolean', default: false },
  },
});
const partition = 1_000_000;
const customersCount = 2_000;
/** How many events a customer of the log has, whatever its size: an index that grows is looked up, not read. */
const eventsPerCustomer = 100;
const backlog = 50_000;
const sizes = { small: 100_000, large: Number(options.events) };
type Size = keyof typeof sizes;
/** Names that no former run on a kept folder gave: otherwise nothing would change. */
const run = Date.now();

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'aether-bench-')));
await mkdir(folder, { recursive: true });
await chmod(folder, 0o755);
let local: LocalServer | undefined;
const workers: ChildProcess[] = [];
try {
  local = await startLocal({
    folder,
    database: 'small',
    port: 54560,
    // Partitions are not added while a vacuum holds the table.
    settings: { shared_buffers: '2GB', max_wal_size: '8GB', fsync: 'off', autovacuum: 'off' },
  });
  for (const size of Object.keys(sizes) as Size[]) {
    if (await isFilled(local, size, 'sync.events')) continue;
    const startedAt = performance.now();
    await fill(local, size);
    console.log(
      `${sizes[size].toLocaleString('en')} events in ${Math.round((performance.now() - startedAt) / 1_000)} s`,
    );
  }
  const superuser = await connect(local.server.superuserUrl('postgres'));
  await superuser.query('checkpoint');
  for (const setting of ['fsync', 'autovacuum']) await superuser.query(`alter system set ${setting} = on`);
  await superuser.query('select pg_reload_conf()');
  await superuser.end();
  if (!options.fill) await measure(local);
} finally {
  for (const worker of workers) worker.kill('SIGKILL');
  await local?.server.stop(options.folder ? 'fast' : 'immediate');
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // the running query fails with the same error
  await client.connect();
  return client;
}

/** Events as the sequencer would have numbered them, each of one of the customers of the log; those of the first partition are old. */
async function fill(server: LocalServer, size: Size): Promise<void> {
  await bootstrap(server.adminUrl, { database: size, passwords: {} });
  await migrate(server.urlOf('platform_migrator', size));
  const superuser = await connect(server.server.superuserUrl(size));
  await superuser.query(`alter table platform.customers disable trigger z_capture;
    insert into platform.customers (email, name, created_by_app)
      select 'log' || n || '@example.com', 'Log', 'foundation' from generate_series(1, ${customersCount}) n;
    alter table platform.customers enable trigger z_capture`);
  const customers = sizes[size] / eventsPerCustomer;
  for (let from = 0; from < sizes[size]; from += partition) {
    const until = Math.min(from + partition, sizes[size]);
    await addPartitions(superuser, until);
    await superuser.query(
      `insert into sync.events (position, id, type, key, customer, row_id, version, audience, app, login, data, previous, occurred_at,
         sequenced_at)
       select n, n, 'customer.updated', u, u::uuid, u, n / $3, 'platform', 'foundation', 'foundation_app',
         jsonb_build_object('name', 'Name ' || n, 'email', u || '@example.com'), jsonb_build_object('name', 'Name ' || n - 1), at, at
       from generate_series($1::bigint + 1, $2) n
         cross join lateral (select md5((n % $3)::text)::uuid::text as u,
           clock_timestamp() - case when n < ${partition} then interval '40 days' else interval '0' end as at) e`,
      [from, until, customers],
    );
  }
  await superuser.query(`select setval('sync.outbox_id', ${sizes[size]})`);
  await addPartitions(superuser, sizes[size] + partition);
  await superuser.query('vacuum (freeze, analyze) sync.events');
  await superuser.query('analyze platform.customers');
  await superuser.end();
}

/** As the sequencer asks: while a vacuum holds the table, nothing is added. */
async function addPartitions(client: pg.Client, until: number): Promise<void> {
  for (;;) {
    const { rows } = await client.query('select sync.add_partitions()::float8 as last');
    if (rows[0].last >= until) return;
    await wait(100);
  }
}

async function measure(server: LocalServer): Promise<void> {
  const open = async (size: Size) => ({
    db: await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: server.urlOf('support_app', size) } }),
    app: await connect(server.urlOf('foundation_app', size)),
    sync: await connect(server.urlOf('sync_app', size)),
    superuser: await connect(server.server.superuserUrl(size)),
  });
  for (const size of Object.keys(sizes) as Size[]) {
    const env = {
      ...process.env,
      PLATFORM_DB_URL: server.urlOf('sync_app', size),
      LOG_LEVEL: 'warn',
      SYNC_KEEP_DAYS: '365',
    };
    workers.push(fork(fileURLToPath(import.meta.resolve('@aether/sync/main')), [], { env }));
  }
  const on = { small: await open('small'), large: await open('large') };
  const figures = new Map<string, Record<Size, number[]>>();
  const note = (what: string, size: Size, ...ms: number[]) => {
    const of = figures.get(what) ?? { small: [], large: [] };
    figures.set(what, of);
    of[size].push(...ms);
  };
  for (let round = 0; round < Number(options.rounds); round++)
    for (const size of Object.keys(sizes) as Size[]) {
      const { db, app, sync } = on[size];
      note('commit → handled, at the median', size, quantile(await deliver(db, app, round), 0.5));
      note(
        `${backlog.toLocaleString('en')} events read from the middle of the log`,
        size,
        await drain(db, size, round),
      );
      const { first, all } = await replayOne(db, sync, size, round);
      note('replay of one customer: the first event handled', size, first);
      note(`… and all ${eventsPerCustomer}`, size, all);
      note('all checks of health, evaluated once', size, await evaluate(on[size].superuser, sync));
      for (const [what, ms] of await searchLog(sync, size, round)) note(what, size, ms);
    }
  console.log(
    `\n| ${options.rounds} rounds, medians in ms | 100,000 events | ${sizes.large.toLocaleString('en')} | ratio |\n|---|--:|--:|--:|`,
  );
  for (const [what, of] of figures) {
    const [small, large] = [median(of.small), median(of.large)];
    console.log(`| ${what} | ${small.toFixed(1)} | ${large.toFixed(1)} | ${(large / small).toFixed(2)}× |`);
  }
  if (!options.folder || options.drop) {
    const { writes, dropMs, slowestMs, usualMs } = await dropBesideWriter(on.large.app, on.large.sync);
    console.log(`
A partition of ${partition.toLocaleString('en')} events was dropped in ${dropMs.toFixed(0)} ms.
A writer beside it made ${writes} changes: usually ${usualMs.toFixed(1)} ms, the slowest ${slowestMs.toFixed(1)} ms.`);
  }
  for (const { db, app, sync, superuser } of Object.values(on))
    await Promise.all([db.close(), app.end(), sync.end(), superuser.end()]);
}

type Db = Awaited<ReturnType<typeof connectPlatform>>;

/** Changes customers one after another, and tells how long after its commit each was handled. */
async function deliver(db: Db, app: pg.Client, round: number): Promise<number[]> {
  const handled = new Map<string, number>();
  const subscription = db.events.subscribeBatch(
    { name: `support.deliver-${round}`, types: ['customer.updated'] },
    async (events) => {
      for (const { key, version } of events) handled.set(`${key} ${version}`, performance.now());
    },
  );
  await subscription.ready;
  const { rows } = await app.query(`select id from platform.customers order by id limit 220`);
  const committed: [string, number][] = [];
  for (const [n, { id }] of rows.entries()) {
    const changed = await app.query('update platform.customers set name = $2 where id = $1 returning version', [
      id,
      `R${run} ${round} ${n}`,
    ]);
    committed.push([`${id} ${changed.rows[0].version}`, performance.now()]);
    await wait(5);
  }
  while (committed.some(([change]) => !handled.has(change))) await wait(5);
  await subscription.remove();
  // The first ones find cold caches and connections.
  return committed
    .slice(20)
    .map(([change, at]) => (handled.get(change) as number) - at)
    .sort((a, b) => a - b);
}

async function drain(db: Db, size: Size, round: number): Promise<number> {
  const name = `support.drain-${round}`;
  const middle = sizes[size] / 2;
  await db.query(`insert into sync.subscriptions (name, types, position) values ($1, '{customer.updated}', $2)`, [
    name,
    middle,
  ]);
  let count = 0;
  const done = Promise.withResolvers<void>();
  const startedAt = performance.now();
  const subscription = db.events.subscribeBatch(
    { name, types: ['customer.updated'], batchMax: 1_000 },
    async (events) => {
      count += events.length;
      if (count >= backlog) done.resolve();
    },
  );
  await done.promise;
  const ms = performance.now() - startedAt;
  await subscription.remove();
  return ms;
}

/** Makes a subscription that has read the whole log handle the events of one customer again. */
async function replayOne(db: Db, sync: pg.Client, size: Size, round: number): Promise<{ first: number; all: number }> {
  const name = `support.replay-${round}`;
  const at: number[] = [];
  const subscription = db.events.subscribeBatch({ name, types: ['customer.updated'] }, async (events) => {
    for (const event of events) if (event.isReplay) at.push(performance.now());
  });
  await subscription.ready;
  const customers = sizes[size] / eventsPerCustomer;
  const { rows } = await sync.query('select md5($1::text)::uuid as id', [(round * 7919) % customers]);
  const startedAt = performance.now();
  await pause(sync, name, 'a replay');
  await replay(sync, { subscription: name, customer: rows[0].id });
  await resume(sync, name);
  while (at.length < eventsPerCustomer) await wait(2);
  await subscription.remove();
  return { first: (at[0] as number) - startedAt, all: (at.at(-1) as number) - startedAt };
}

/** What the worker does every few seconds, whether or not somebody looks. */
async function evaluate(superuser: pg.Client, sync: pg.Client): Promise<number> {
  for (;;) {
    // Checks that were made within the last second are not made again.
    await superuser.query(`update sync.health set evaluated_at = evaluated_at - interval '1 minute'`);
    const { rows } = await superuser.query('select clock_timestamp() as now');
    const startedAt = performance.now();
    const { asOf } = await evaluateHealth(async (text) => (await sync.query(text)).rows);
    const ms = performance.now() - startedAt;
    if (new Date(asOf) >= rows[0].now) return ms; // otherwise the worker was faster
  }
}

/** The searches of the console's page of events. */
async function searchLog(sync: pg.Client, size: Size, round: number): Promise<[string, number][]> {
  const customers = sizes[size] / eventsPerCustomer;
  const { rows } = await sync.query('select md5($1::text)::uuid::text as id', [(round * 6007) % customers]);
  const hour = 3_600_000;
  const found: [string, number][] = [];
  for (const [what, filter] of [
    ['the newest 50 events', {}],
    ['50 events of one customer', { customer: rows[0].id }],
    ['50 events of a frequent type', { types: ['customer.updated'] }],
    ['events of a type that there is not, one stretch', { types: ['deal.created'] }],
    ['50 events of the last hour of an app', { app: 'foundation', since: new Date(Date.now() - hour) }],
  ] as const) {
    const startedAt = performance.now();
    const { events } = await searchEvents(sync, filter as EventFilter, { direction: 'desc', limit: 50 });
    found.push([`search: ${what}`, performance.now() - startedAt]);
    if (what.startsWith('50') && events.length !== 50) throw new Error(`${what}: ${events.length}`);
  }
  return found;
}

async function dropBesideWriter(app: pg.Client, sync: pg.Client) {
  const { rows } = await app.query('select id from platform.customers limit 1000');
  let isOver = false;
  const times: number[] = [];
  const writing = (async () => {
    for (let n = 0; !isOver; n++) {
      const startedAt = performance.now();
      await app.query('update platform.customers set name = $2 where id = $1', [
        rows[n % rows.length].id,
        `Drop ${run} ${n}`,
      ]);
      times.push(performance.now() - startedAt);
    }
  })();
  await wait(1_000);
  const startedAt = performance.now();
  const { dropped, stays, holders } = await dropOldEvents(sync, { keepDays: 30 });
  const dropMs = performance.now() - startedAt;
  await wait(500);
  isOver = true;
  await writing;
  if (dropped.length !== 1) throw new Error(`No partition was dropped: ${JSON.stringify({ stays, holders })}`);
  return { writes: times.length, dropMs, slowestMs: Math.max(...times), usualMs: median(times) };
}
