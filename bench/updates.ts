import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import pg from 'pg';
import { median } from './measure.ts';

/*
 * Measures an update of a customer's tier: updates a second, the processor's time of the connections' backends, bytes of the write-ahead log,
 * and the share that stays in its page (HOT), with the schema of this checkout and with that of an earlier commit, in turns on one server.
 * Both have the same customers. No sequencer runs, because the cost for the writer is measured, not later work.
 *
 *   npm run bench:updates                       against the build before the indexes of lists were moved
 *   npm run bench:updates -- --against HEAD~1 --customers 1000000
 *   npm run bench:updates -- --change name --connections 1 --relaxed      a name instead, by one connection that does not wait for the disk
 */
const { values: options } = parseArgs({
  options: {
    against: { type: 'string', default: '48e280c' },
    change: { type: 'string', default: 'tier' },
    relaxed: { type: 'boolean', default: false },
    customers: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
  },
});
const customers = Number(options.customers);
/** A name that no customer ever had. */
let names = 0;
const changes: Record<string, { text: string; values: () => string[] }> = {
  tier: {
    text: `update platform.customers set account_tier = case account_tier when $2 then $3 else $2 end where id = $1`,
    values: () => ['standard', 'premium'],
  },
  name: { text: 'update platform.customers set name = $2 where id = $1', values: () => [`Person ${--names}`] },
};
const change = changes[options.change];
if (!change) throw new Error('--change is tier or name.');

type Build = {
  label: string;
  database: string;
  pool: pg.Pool;
  clients: pg.PoolClient[];
  superuser: pg.Client;
  ids: string[];
};
type Round = { perSecond: number; microseconds: number; walBytes: number; hotShare: number };

/** Writes the migrations of a commit into a folder. */
async function extractMigrations(commit: string, folder: string): Promise<void> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', args, { cwd: import.meta.dirname, maxBuffer: 1e8 })).stdout;
  const files = (await git('ls-tree', '-r', '--name-only', '--full-tree', commit, 'database/migrations')).trim();
  for (const file of files.split('\n'))
    await writeFile(join(folder, file.slice(20)), await git('show', `${commit}:${file}`));
}

async function prepare(local: LocalServer, label: string, database: string, folder?: string): Promise<Build> {
  await bootstrap(local.adminUrl, { database, passwords: {} });
  await migrate(local.urlOf('platform_migrator', database), { folder });
  const superuser = new pg.Client({ connectionString: local.server.superuserUrl(database) });
  await superuser.connect();
  // With all triggers, so that each schema fills the tables that it keeps beside the customers.
  await superuser.query(
    `insert into platform.customers (email, name, created_by_app, account_tier)
     select 'person' || n || '@company' || n % 5000 || '.example', 'Person ' || n, 'foundation', 'standard'
     from generate_series(1, $1::integer) n`,
    [customers],
  );
  await superuser.query('truncate sync.outbox');
  await superuser.query('vacuum (freeze, analyze)');
  const { rows } = await superuser.query<{ id: string }>('select id from platform.customers');
  const pool = new pg.Pool({
    connectionString: local.urlOf('foundation_app', database),
    max: Number(options.connections),
    ...(options.relaxed && { options: '-c synchronous_commit=off' }),
  });
  const clients = await Promise.all(Array.from({ length: Number(options.connections) }, () => pool.connect()));
  return { label, database, pool, clients, superuser, ids: rows.map(({ id }) => id) };
}

/** The processor time of the connections' backends in seconds; where there is no /proc, not a number. */
function cpuSeconds(clients: pg.PoolClient[]): number {
  if (process.platform !== 'linux') return Number.NaN;
  const ticks = clients.map((client) => {
    const { processID } = client as unknown as { processID: number };
    const fields = readFileSync(`/proc/${processID}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

/** All connections update random customers, each to a tier or a name that it does not have. */
async function measureRound({ clients, superuser, ids }: Build): Promise<Round> {
  const count = async () => {
    await superuser.query('select pg_stat_force_next_flush()');
    const { rows } = await superuser.query<{ lsn: string; hot: string; all: string }>(
      `select pg_current_wal_insert_lsn()::text as lsn, pg_stat_get_tuples_hot_updated('platform.customers'::regclass) as hot,
         pg_stat_get_tuples_updated('platform.customers'::regclass) as all`,
    );
    return rows[0] as { lsn: string; hot: string; all: string };
  };
  const before = await count();
  const usedBefore = cpuSeconds(clients);
  const startedAt = performance.now();
  const endAt = startedAt + Number(options.seconds) * 1_000;
  let updates = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < endAt) {
        const id = ids[Math.floor(Math.random() * ids.length)];
        await client.query({ name: 'change', text: change?.text ?? '', values: [id, ...(change?.values() ?? [])] });
        updates++;
      }
      await client.query('select pg_stat_force_next_flush()');
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const used = cpuSeconds(clients) - usedBefore;
  const after = await count();
  const { rows } = await superuser.query<{ bytes: string }>('select pg_wal_lsn_diff($1, $2) as bytes', [
    after.lsn,
    before.lsn,
  ]);
  await superuser.query('truncate sync.outbox');
  return {
    perSecond: updates / seconds,
    microseconds: (used * 1e6) / updates,
    walBytes: Number(rows[0]?.bytes) / updates,
    hotShare: (Number(after.hot) - Number(before.hot)) / (Number(after.all) - Number(before.all)),
  };
}

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  const earlier = await mkdtemp(join(folder, 'migrations-'));
  await extractMigrations(options.against, earlier);
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54522,
    // One checkpoint before all rounds: images of whole pages depend on checkpoints, not on the schema.
    settings: { shared_buffers: '2GB', max_wal_size: '16GB', checkpoint_timeout: '1h' },
  });
  const builds = [
    await prepare(local, options.against, 'before', earlier),
    await prepare(local, 'this checkout', 'now'),
  ];
  for (const build of builds) await measureRound(build); // a round of warm-up touches each page once
  const results = new Map<Build, Round[]>(builds.map((build) => [build, []]));
  for (let round = 0; round < Number(options.rounds); round++)
    for (const build of round % 2 ? builds.toReversed() : builds) results.get(build)?.push(await measureRound(build));

  console.log(
    `${customers.toLocaleString('en')} customers, ${options.connections} connections, ${options.rounds} rounds, a change of the ${options.change}\n`,
  );
  console.log('| schema of | updates/s | server µs an update | WAL bytes an update | HOT |\n|---|--:|--:|--:|--:|');
  const medians = builds.map((build) => {
    const rounds = results.get(build) ?? [];
    const of = (pick: (round: Round) => number) => median(rounds.map(pick));
    const row = {
      ...{ perSecond: of((r) => r.perSecond), microseconds: of((r) => r.microseconds) },
      ...{ walBytes: of((r) => r.walBytes), hotShare: of((r) => r.hotShare) },
    };
    console.log(
      `| ${build.label} | ${Math.round(row.perSecond)} | ${Math.round(row.microseconds)} | ${Math.round(row.walBytes)} | ${Math.round(row.hotShare * 100)} % |`,
    );
    return row;
  });
  const [before, now] = medians as [Round, Round];
  console.log(
    `\n${(now.perSecond / before.perSecond).toFixed(2)} times the updates a second, ${Math.round(now.walBytes)} bytes${options.change === 'tier' ? ' (goals: 1.3 and 1,500)' : ''}`,
  );
  for (const { clients } of builds) for (const client of clients) client.release();
  for (const { pool, superuser } of builds) await Promise.all([pool.end(), superuser.end()]);
} finally {
  await local?.server.stop();
  await rm(folder, { recursive: true, force: true });
}
