import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import pg from 'pg';
import { median } from './measure.ts';

/*
 * Measures an update of a customer's tier: updates a second, bytes of the write-ahead log, and the share that stays in
 * its page (HOT), with the schema of this checkout and with that of an earlier commit, in turns on one server. Both
 * have the same customers. No sequencer runs, because the cost for the writer is measured, not later work.
 *
 *   npm run bench:updates                       against the build before the indexes of lists were moved
 *   npm run bench:updates -- --against HEAD~1 --customers 1000000
 */
const { values: options } = parseArgs({
  options: {
    against: { type: 'string', default: '48e280c' },
    customers: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
  },
});
const customers = Number(options.customers);
const tiers = ['standard', 'premium'];

type Build = { label: string; database: string; pool: pg.Pool; superuser: pg.Client; ids: string[] };
type Round = { perSecond: number; walBytes: number; hotShare: number };

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
  });
  return { label, database, pool, superuser, ids: rows.map(({ id }) => id) };
}

/** All connections update random customers, each to a tier that it does not have. */
async function measureRound({ pool, superuser, ids }: Build): Promise<Round> {
  const count = async () => {
    await superuser.query('select pg_stat_force_next_flush()');
    const { rows } = await superuser.query<{ lsn: string; hot: string; all: string }>(
      `select pg_current_wal_insert_lsn()::text as lsn, pg_stat_get_tuples_hot_updated('platform.customers'::regclass) as hot,
         pg_stat_get_tuples_updated('platform.customers'::regclass) as all`,
    );
    return rows[0] as { lsn: string; hot: string; all: string };
  };
  const before = await count();
  const startedAt = performance.now();
  const endAt = startedAt + Number(options.seconds) * 1_000;
  let updates = 0;
  await Promise.all(
    Array.from({ length: Number(options.connections) }, async () => {
      const client = await pool.connect();
      while (performance.now() < endAt) {
        await client.query({
          name: 'tier',
          text: `update platform.customers set account_tier = case account_tier when $2 then $3 else $2 end where id = $1`,
          values: [ids[Math.floor(Math.random() * ids.length)], ...tiers],
        });
        updates++;
      }
      await client.query('select pg_stat_force_next_flush()');
      client.release();
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const after = await count();
  const { rows } = await superuser.query<{ bytes: string }>('select pg_wal_lsn_diff($1, $2) as bytes', [
    after.lsn,
    before.lsn,
  ]);
  await superuser.query('truncate sync.outbox');
  return {
    perSecond: updates / seconds,
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
    `${customers.toLocaleString('en')} customers, ${options.connections} connections, ${options.rounds} rounds\n`,
  );
  console.log('| schema of | updates/s | WAL bytes an update | HOT |\n|---|--:|--:|--:|');
  const medians = builds.map((build) => {
    const rounds = results.get(build) ?? [];
    const of = (pick: (round: Round) => number) => median(rounds.map(pick));
    const row = { perSecond: of((r) => r.perSecond), walBytes: of((r) => r.walBytes), hotShare: of((r) => r.hotShare) };
    console.log(
      `| ${build.label} | ${Math.round(row.perSecond)} | ${Math.round(row.walBytes)} | ${Math.round(row.hotShare * 100)} % |`,
    );
    return row;
  });
  const [before, now] = medians as [Round, Round];
  console.log(
    `\n${(now.perSecond / before.perSecond).toFixed(2)} times the updates a second (goal 1.3), ${Math.round(now.walBytes)} bytes (goal 1,500)`,
  );
  for (const { pool, superuser } of builds) await Promise.all([pool.end(), superuser.end()]);
} finally {
  await local?.server.stop();
  await rm(folder, { recursive: true, force: true });
}
