import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import pg from 'pg';
import { median, quantile } from './measure.ts';
import { keepOldFiles } from './oldfiles.ts';
import { drainGraphileWorker, drainPgBoss } from './peers.ts';
import { measurePeerWriters } from './peerwriters.ts';
import { measureReaders } from './readers.ts';

/*
 * Compares the log of events with the tools that a team would use instead, all on one durable server (fsync on).
 *
 *   npm run bench:events
 *   npm run bench:events -- --backlog 100000 --jobs 20000 --seconds 3 --rounds 3
 *   npm run bench:events -- --only latency,drain        (latency, writers, idle, drain, readers)
 *
 * The sequencer, the subscriber and the writers are separate processes, as in a deployment.
 */
const { values: options } = parseArgs({
  options: {
    backlog: { type: 'string', default: '500000' },
    jobs: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: 'latency,writers,idle,drain,readers' },
  },
});
const only = options.only.split(',');
const seconds = Number(options.seconds);
const backlog = Number(options.backlog);
const database = 'bench';
const customersCount = 2_000;
const drainRounds = 3;
/** How long it is written before a latency is measured: programs are compiled while they run, and server connections read their catalogs. */
const warmUpMs = 3_000;
/** A name that no customer ever had: a change that changes nothing has no event. */
let names = 0;
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

const update = {
  name: 'bench-update',
  text: 'update platform.customers set name = $2 where id = $1 returning version',
};

/** Whose processor time a write takes. */
const usedBy = ['writers’ backends', 'rest of the server', 'worker', 'subscribers', 'bench'] as const;

const goals: string[] = [];
const goal = (words: string, isReached: boolean, figure: string) =>
  goals.push(`- ${isReached ? 'reached' : 'MISSED'}: ${words} (${figure})`);

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
const children: ChildProcess[] = [];
try {
  local = await startLocal({
    folder,
    database,
    port: 54510,
    settings: { shared_buffers: '1GB', min_wal_size: '1GB', max_wal_size: '8GB' },
  });
  await bootstrap(local.adminUrl, { database, passwords: {} });
  await migrate(local.urlOf('platform_migrator'));
  const writers = await openWriters(local);
  const ids = await makeCustomers(local, writers[0] as pg.Client);
  const sequencer = await startChild(
    fileURLToPath(import.meta.resolve('@aether/sync/main')),
    [],
    local.urlOf('sync_app'),
  );

  // From then on the sequencer leads, and its start is no part of what is measured.
  await until(writers[0] as pg.Client, 'select sync.outbox_age() is null and sync.head() > 0 as done');
  if (only.includes('latency')) await measureLatency(local, writers, ids);
  if (only.includes('writers')) await measureWriters(local, writers, ids);
  if (only.includes('idle')) await measureIdle(local, sequencer);
  if (only.includes('drain')) await measureDrain(local, ids);
  if (only.includes('readers')) await compareReaders(local, ids);
  console.log(`\nGoals\n\n${goals.join('\n')}`);
  await Promise.all(writers.map((writer) => writer.end()));
} finally {
  for (const child of children) child.kill('SIGKILL');
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function until(client: pg.Client, question: string): Promise<void> {
  while (!(await client.query(question)).rows[0].done) await wait(20);
}

async function openWriters(server: LocalServer): Promise<pg.Client[]> {
  return Promise.all(
    Array.from({ length: 16 }, async () => {
      const client = new pg.Client({ connectionString: server.urlOf('foundation_app') });
      client.on('error', () => {}); // the running query fails with the same error
      await client.connect();
      return client;
    }),
  );
}

async function asSuperuser(server: LocalServer, work: (superuser: pg.Client) => Promise<unknown>): Promise<void> {
  const superuser = new pg.Client({ connectionString: server.server.superuserUrl(database) });
  superuser.on('error', () => {}); // the running query fails with the same error
  await superuser.connect();
  await work(superuser);
  await superuser.end();
}

/** Some customers, of whom the planner knows: autovacuum would have told it by the time that a system has so many. */
async function makeCustomers(server: LocalServer, client: pg.Client): Promise<string[]> {
  const { rows } = await client.query(
    `insert into platform.customers (email, name) select 'bench' || n || '@example.com', 'Bench'
      from generate_series(1, ${customersCount}) n returning id`,
  );
  await asSuperuser(server, (superuser) => superuser.query('vacuum (analyze)'));
  return rows.map((row) => row.id);
}

async function startChild(script: string, args: string[], url: string): Promise<ChildProcess> {
  const child = fork(script, args, { env: { ...process.env, PLATFORM_DB_URL: url, LOG_LEVEL: 'warn' } });
  children.push(child);
  if (args.length > 0) {
    const ended = once(child, 'exit').then(() => {
      throw new Error(`${script} ended before it was ready.`);
    });
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => {}); // it is killed when it is no longer needed
  }
  return child;
}

/** Writes at a rate (or as fast as possible) and records the time of each commit. */
async function write(writers: pg.Client[], ids: string[], rate: number | undefined, forMs: number) {
  const committed = new Map<string, bigint>();
  const startedAt = performance.now();
  let next = 0;
  await Promise.all(
    writers.map(async (client) => {
      for (;;) {
        const number = next++;
        const dueAt = rate ? startedAt + (number / rate) * 1_000 : performance.now();
        if (dueAt - startedAt > forMs) return;
        const inMs = dueAt - performance.now();
        if (inMs > 0) await wait(inMs);
        const id = ids[number % ids.length] as string;
        const { rows } = await client.query({ ...update, values: [id, `Bench ${++names}`] });
        committed.set(`${id} ${rows[0].version}`, process.hrtime.bigint());
      }
    }),
  );
  return { committed, perSecond: (committed.size / (performance.now() - startedAt)) * 1_000 };
}

/**
 * It is measured what a system takes that has run for a while: its worker has looked through the customers, for duplicates and for what is wrong
 * with them, the server has files of its log to write into, and all processes have done the same work before.
 */
async function measureLatency(server: LocalServer, writers: pg.Client[], ids: string[]): Promise<void> {
  console.log(
    '\nCommit → handled, in another process\n\n| how | writes/s | p50 ms | p99 ms | → numbered p50 | p99 | numbered → handled p50 | p99 | events numbered at once | handled at once |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
  );
  const sync = new pg.Client({ connectionString: server.urlOf('sync_app') });
  sync.on('error', () => {}); // as of the writers
  await sync.connect();
  await write(writers, ids, 1_000, warmUpMs);
  await asSuperuser(server, async (superuser) => {
    await keepOldFiles(superuser);
    // Early builds, which this bench can be run on, have no scans.
    const { rows } = await superuser.query(`select to_regclass('sync.quality_scans') is not null as "hasScans"`);
    if (!rows[0].hasScans) return;
    await superuser.query('update sync.quality_scans set asked_at = clock_timestamp() where rounds = 0');
    await until(superuser, 'select bool_and(rounds > 0 and place is null) as done from sync.quality_scans');
  });
  for (const mode of ['subscribe', 'follow']) {
    const subscriber = await startChild(here('./subscriber.ts'), [mode], server.urlOf('support_app'));
    const handledAt = new Map<string, bigint>();
    subscriber.on('message', ({ handled = [] }: { handled?: [string, number, string][] }) => {
      for (const [key, version, at] of handled) handledAt.set(`${key} ${version}`, BigInt(at));
    });
    await write(writers, ids, 1_000, warmUpMs);
    for (const rate of [20, 1_000, undefined]) {
      await workerRests();
      const { committed, perSecond } = await write(writers, ids, rate, seconds * 1_000);
      const endsAt = performance.now() + 60_000;
      while ([...committed.keys()].some((change) => !handledAt.has(change)) && performance.now() < endsAt)
        await wait(100);
      const missing = [...committed.keys()].filter((change) => !handledAt.has(change)).length;
      if (missing > 0) throw new Error(`${missing} changes were not handled within a minute.`);
      const { at: numberedAt, batches } = await findNumbered(sync, [...committed.keys()]);
      const between = (from: ReadonlyMap<string, bigint>, to: ReadonlyMap<string, bigint>) => {
        const sorted = [...committed.keys()]
          .map((change) => Number((to.get(change) as bigint) - (from.get(change) as bigint)) / 1e6)
          .sort((a, b) => a - b);
        return [quantile(sorted, 0.5), quantile(sorted, 0.99)] as const;
      };
      const [p50, p99] = between(committed, handledAt);
      const steps = new Set([...committed.keys()].map((change) => handledAt.get(change))).size;
      const parts = [p50, p99, ...between(committed, numberedAt), ...between(numberedAt, handledAt)];
      const atOnce = [batches, steps].map((each) => committed.size / each);
      console.log(
        `| ${mode} | ${Math.round(perSecond).toLocaleString('en')} | ${[...parts, ...atOnce].map((each) => each.toFixed(1)).join(' | ')} |`,
      );
      if (rate === 1_000 && mode === 'subscribe')
        goal(
          'p50 ≤ 2 ms and p99 ≤ 6 ms at 1,000/s',
          p50 <= 2 && p99 <= 6,
          `${p50.toFixed(1)} and ${p99.toFixed(1)} ms`,
        );
    }
    subscriber.kill('SIGKILL');
  }
  await sync.end();
}

/** When these changes got their numbers, by the clock of the processes, and in how many batches. */
async function findNumbered(sync: pg.Client, changes: string[]): Promise<{ at: Map<string, bigint>; batches: number }> {
  // The server's clock is what it was in the middle of the quickest question for it.
  let offset = 0n;
  let quickest = Infinity;
  for (let n = 0; n < 50; n++) {
    const askedAt = process.hrtime.bigint();
    const { rows } = await sync.query('select (extract(epoch from clock_timestamp()) * 1e6)::bigint as us');
    const took = process.hrtime.bigint() - askedAt;
    if (Number(took) > quickest) continue;
    quickest = Number(took);
    offset = askedAt + took / 2n - BigInt(rows[0].us) * 1_000n;
  }
  const { rows } = await sync.query(
    `select key || ' ' || version as change, (extract(epoch from sequenced_at) * 1e6)::bigint as us, xmin::text as batch
     from sync.events where key || ' ' || version = any ($1) and type = 'customer.updated'`,
    [changes],
  );
  const at = new Map(rows.map(({ change, us }) => [change as string, BigInt(us) * 1_000n + offset]));
  return { at, batches: new Set(rows.map(({ batch }) => batch)).size };
}

async function measureWriters(server: LocalServer, writers: pg.Client[], ids: string[]): Promise<void> {
  const owner = new pg.Client({ connectionString: server.urlOf('platform_migrator') });
  owner.on('error', () => {}); // as of the writers
  await owner.connect();
  await owner.query('set role platform_owner');
  const capture = (verb: 'enable' | 'disable') =>
    owner.query(`alter table platform.customers ${verb} trigger z_capture`);
  const figures: Record<'bare' | 'captured' | 'subscribed', Written[]> = { bare: [], captured: [], subscribed: [] };
  // Subscribers live for days: what they compile in their first second is no part of a write.
  const measureWritten = async (subscribers: ChildProcess[] = []) => {
    await write(writers, ids, undefined, 1_000);
    return measurePhase(owner, writers, subscribers, () => write(writers, ids, undefined, 2_000));
  };
  for (let round = 0; round < Number(options.rounds); round++) {
    await capture('disable');
    figures.bare.push(await measureWritten());
    await capture('enable');
    figures.captured.push(await measureWritten());
    const subscribers = await Promise.all(
      ['one', 'two'].map((name) =>
        startChild(here('./subscriber.ts'), ['subscribe', `support.${name}`], server.urlOf('support_app')),
      ),
    );
    figures.subscribed.push(await measureWritten(subscribers));
    for (const subscriber of subscribers) subscriber.kill('SIGKILL');
  }
  await owner.end();
  const perSecondOf = (of: Written[]) => median(of.map((each) => each.perSecond));
  const ratio = (of: Written[]) =>
    median(of.map((each, round) => each.perSecond / (figures.bare[round] as Written).perSecond));
  const lines = [
    ['bare: no capture', figures.bare],
    ['with capture and sequencer', figures.captured],
    ['with two live subscribers', figures.subscribed],
  ] as const;
  console.log('\nWriters: 16 connections, one update a transaction\n\n| | writes/s | of bare |\n|---|--:|--:|');
  for (const [what, of] of lines)
    console.log(`| ${what} | ${Math.round(perSecondOf(of)).toLocaleString('en')} | ${Math.round(ratio(of) * 100)} % |`);
  const peers = await measurePeerWriters(
    await makePeersDatabase(server, 'peers_writers'),
    async (clients, rows) => (await write(clients, rows, undefined, 2_000)).perSecond,
  );
  for (const { name, perSecond, ofBare } of peers)
    console.log(`| ${name} | ${Math.round(perSecond).toLocaleString('en')} | ${Math.round(ofBare * 100)} % |`);
  if (process.platform === 'linux') {
    console.log(
      `\nWhat one of these writes takes, µs of processor\n\n| | ${usedBy.join(' | ')} | log, bytes |\n|---${'|--:'.repeat(usedBy.length + 1)}|`,
    );
    for (const [what, of] of lines) {
      const used = usedBy.map((who) => Math.round(median(of.map((each) => each.microseconds[who]))));
      const bytes = Math.round(median(of.map((each) => each.walBytes)));
      console.log(`| its work: ${what} | ${used.join(' | ')} | ${bytes.toLocaleString('en')} |`);
    }
  }
  goal(
    'writers with capture and two subscribers ≥ 70 % of bare',
    ratio(figures.subscribed) >= 0.7,
    `${Math.round(ratio(figures.subscribed) * 100)} %`,
  );
}

/** Waits until the worker is at rest: a new database has been looked through for duplicates by then. */
async function workerRests(): Promise<void> {
  if (process.platform !== 'linux') return;
  const worker = Number(children[0]?.pid);
  for (let rests = 0; rests < 5; ) {
    const before = cpuSeconds(worker);
    await wait(200);
    rests = cpuSeconds(worker) - before <= 0.01 ? rests + 1 : 0;
  }
}

type Written = { perSecond: number; microseconds: Record<(typeof usedBy)[number], number>; walBytes: number };

/**
 * Measures a phase of writing, with the processor time of all that took part. It begins when the worker is at rest. What the worker puts off
 * counts, too: the processor's time is taken when it is at rest again.
 */
async function measurePhase(
  owner: pg.Client,
  writers: pg.Client[],
  subscribers: ChildProcess[],
  work: () => Promise<{ committed: Map<string, bigint>; perSecond: number }>,
): Promise<Written> {
  const isLinux = process.platform === 'linux';
  const worker = Number(children[0]?.pid);
  const backends = writers.map((writer) => (writer as unknown as { processID: number }).processID);
  const sum = (pids: (number | undefined)[]) => pids.reduce<number>((total, pid) => total + cpuSeconds(Number(pid)), 0);
  const take = async () => {
    const { rows } = await owner.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    const used = {
      'writers’ backends': sum(backends),
      'rest of the server': isLinux ? sum(serverPids().filter((pid) => !backends.includes(pid))) : 0,
      worker: sum([worker]),
      subscribers: sum(subscribers.map(({ pid }) => pid)),
      bench: sum([process.pid]),
    };
    return { lsn: rows[0]?.lsn, used };
  };
  await workerRests();
  const before = await take();
  const { committed, perSecond } = await work();
  await workerRests();
  const after = await take();
  const { rows } = await owner.query<{ bytes: string }>('select pg_wal_lsn_diff($1, $2) as bytes', [
    after.lsn,
    before.lsn,
  ]);
  const microseconds = Object.fromEntries(
    usedBy.map((who) => [who, ((after.used[who] - before.used[who]) * 1e6) / committed.size]),
  ) as Written['microseconds'];
  return { perSecond, microseconds, walBytes: Number(rows[0]?.bytes) / committed.size };
}

/** The processor time of a process in seconds; none for one that has ended. */
function cpuSeconds(pid: number): number {
  try {
    const [, rest = ''] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    const fields = rest.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** The processes of the server. */
function serverPids(): number[] {
  const postmaster = Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          pid === postmaster ||
          Number(/\) \w (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]) === postmaster
        );
      } catch {
        return false;
      }
    });
}

async function measureIdle(server: LocalServer, sequencer: ChildProcess): Promise<void> {
  if (process.platform !== 'linux') return;
  const subscribers = await Promise.all(
    ['one', 'two'].map((name) =>
      startChild(here('./subscriber.ts'), ['subscribe', `support.${name}`], server.urlOf('support_app')),
    ),
  );
  await wait(2_000);
  const take = () => ({
    sequencer: cpuSeconds(sequencer.pid as number),
    subscribers: subscribers.reduce((sum, child) => sum + cpuSeconds(child.pid as number), 0),
    postgres: serverPids().reduce((sum, pid) => sum + cpuSeconds(pid), 0),
  });
  const before = take();
  await wait(10_000);
  const after = take();
  console.log('\nIdle: sequencer and two subscriptions for ten seconds\n\n| | processor |\n|---|--:|');
  let total = 0;
  for (const part of ['sequencer', 'subscribers', 'postgres'] as const) {
    const share = (after[part] - before[part]) * 10;
    total += share;
    console.log(`| ${part} | ${share.toFixed(1)} % of one core |`);
  }
  goal('trivial cost when idle (≤ 5 % of one core)', total <= 5, `${total.toFixed(1)} %`);
  for (const subscriber of subscribers) subscriber.kill('SIGKILL');
}

async function measureDrain(server: LocalServer, ids: string[]): Promise<void> {
  const sync = new pg.Client({ connectionString: server.urlOf('sync_app') });
  const app = new pg.Client({ connectionString: server.urlOf('foundation_app') });
  await Promise.all([sync.connect(), app.connect()]);
  const head = async () =>
    Number((await sync.query('select coalesce(max(position), 0) as head from sync.events')).rows[0].head);
  const begin = await head();
  const numberingFrom = performance.now();
  await makeBacklog(app, ids, begin + backlog);
  const numbered = (backlog / (performance.now() - numberingFrom)) * 1_000;
  const support = new pg.Client({ connectionString: server.urlOf('support_app') });
  await support.connect();
  const subscriber = await startChild(here('./subscriber.ts'), ['drain', '', '2000'], server.urlOf('support_app'));
  const end = await head();
  // As with the peers, the process runs and is connected when the time begins, and the best of several rounds in it counts.
  const rounds: number[] = [];
  for (let round = 1; round <= drainRounds; round++) {
    const name = `support.drained-${round}`;
    await support.query(
      `insert into sync.subscriptions (name, types, position) values ($1, '{customer.updated}', $2)`,
      [name, begin],
    );
    const position = async () =>
      Number((await sync.query('select position from sync.subscriptions where name = $1', [name])).rows[0].position);
    const startedAt = performance.now();
    subscriber.send(name);
    while ((await position()) < end) await wait(20);
    rounds.push((backlog / (performance.now() - startedAt)) * 1_000);
  }
  const ours = Math.max(...rounds);
  subscriber.kill('SIGKILL');
  await Promise.all([sync.end(), app.end(), support.end()]);

  const peersUrl = await makePeersDatabase(server, 'peers_drain');
  const peers = [
    await drainPgBoss(peersUrl, Number(options.jobs)),
    await drainGraphileWorker(peersUrl, Number(options.jobs)),
  ];
  console.log(
    '\nDraining a backlog with a handler that does nothing\n\n| | events or jobs/s | settings |\n|---|--:|---|',
  );
  console.log(
    `| platformDb.events | ${Math.round(ours).toLocaleString('en')} | one subscription, batches of 2,000, ${backlog.toLocaleString('en')} events; the rounds: ${rounds.map((each) => Math.round(each).toLocaleString('en')).join(', ')} |`,
  );
  for (const { name, perSecond, settings } of peers)
    console.log(
      `| ${name} | ${Math.round(perSecond).toLocaleString('en')} | ${settings}, ${Number(options.jobs).toLocaleString('en')} jobs |`,
    );
  console.log(
    `\nMade and numbered: ${Math.round(numbered).toLocaleString('en')} events/s, from updates of ${ids.length.toLocaleString('en')} rows each.`,
  );
  const ratios = peers.map(({ name, perSecond }) => ({ name, ratio: ours / perSecond }));
  goal(
    'drain ≥ 12× either peer',
    ratios.every(({ ratio }) => ratio >= 12),
    ratios.map(({ name, ratio }) => `${ratio.toFixed(1)}× ${name}`).join(', '),
  );
}

/** Changes all customers until the log is so long. */
async function makeBacklog(app: pg.Client, ids: string[], end: number): Promise<void> {
  await app.query(`set statement_timeout = 0`);
  const head = async () => Number((await app.query('select sync.head() as head')).rows[0].head);
  for (let made = await head(); made < end; made += ids.length)
    await app.query(`update platform.customers set name = 'Backlog ' || $1`, [++names]);
  while ((await head()) < end) await wait(50);
}

/** One process and two on one subscription. */
async function compareReaders(server: LocalServer, ids: string[]): Promise<void> {
  const app = new pg.Client({ connectionString: server.urlOf('foundation_app') });
  await app.connect();
  const events = Math.min(backlog, 200_000);
  await makeBacklog(app, ids, events);
  await app.end();
  const found = await measureReaders(server, startChild, { rounds: Math.min(Number(options.rounds), 3), events });
  console.log(
    '\nDraining with several readers, events/s\n\n| the handler | one process | one, 4 shares | two, 4 shares | two ÷ one |\n|---|--:|--:|--:|--:|',
  );
  const say = (each: number) => Math.round(each).toLocaleString('en');
  for (const { work, alone, one, two, ratio } of found)
    console.log(`| ${work} | ${say(alone)} | ${say(one)} | ${say(two)} | ${ratio.toFixed(2)} |`);
  goal(
    'two processes on one subscription ≥ 1.6× one',
    found.every(({ ratio }) => ratio >= 1.6),
    found.map(({ work, ratio }) => `${ratio.toFixed(2)}× if the handler ${work}`).join(', '),
  );
}

/** The peers create their own schemas, as the owner. */
async function makePeersDatabase(server: LocalServer, name: string): Promise<string> {
  const url = server.server.superuserUrl('postgres');
  const superuser = new pg.Client({ connectionString: url });
  await superuser.connect();
  await superuser.query(`create database ${name}`);
  await superuser.end();
  return server.server.superuserUrl(name);
}
