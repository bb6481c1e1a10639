import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type LocalServer, startLocal } from '@aether/database';
import { startReplica, type TestReplica } from '@aether/database/testing.replica';
import { countCustomers, listCustomers } from '@aether/foundation';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import pg from 'pg';
import { fillLists } from './lists.fill.ts';
import { measure, median } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Reads a second while writers run: of one server, and of a primary with a streaming replica, in turns. The writers change customers at a given
 * rate, each change with its event, so that both sides carry the same writes. First as the machine is, where all processes share its
 * cores; then with each server on a core of its own, as two machines of one core are, while the clients run where there is room.
 *
 *   npm run bench:replicas
 *   npm run bench:replicas -- --customers 100000 --writes 200 --seconds 5 --rounds 3
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '100000' },
    writes: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    callers: { type: 'string', default: '32' },
  },
});
const [customers, writes, rounds, callers] = [options.customers, options.writes, options.rounds, options.callers].map(
  Number,
) as [number, number, number, number];
const forMs = Number(options.seconds) * 1_000;
const database = 'bench';
const goal = 1.3;
const writersCount = 2;
const settings = { shared_buffers: '512MB', max_wal_size: '4GB' };

const folder = await mkdtemp(join(tmpdir(), 'aether-replicas-'));
await chmod(folder, 0o755);
let primary: LocalServer | undefined;
let replica: TestReplica | undefined;
try {
  primary = await startLocal({
    folder: join(folder, 'primary'),
    database,
    port: 54561,
    settings: { ...settings, wal_keep_size: '1GB' },
  });
  await fillLists(primary, { customers, deals: 20_000, entries: 20_000 });
  await enableTriggers(primary);
  replica = await startReplica(primary, { folder: join(folder, 'replica'), port: 54571, settings });
  await replica.caughtUp();
  const [one, two] = await Promise.all([connect(primary), connect(primary, replica)]);
  const emails = (await one.query<{ email: string }>('select email from platform.customers limit 5000')).map(
    ({ email }) => email,
  );
  const any = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)] as T;
  const kinds: Record<string, (db: PlatformDb) => Promise<unknown>> = {
    'first page of a search': async (db) => {
      const filters = { search: any(['amara', 'bruno', 'clara', 'daan', 'elif', 'farid']) };
      await listCustomers(db.reads, { filters, sort: 'name', direction: 'asc', limit: 51 });
      await countCustomers(db.reads, filters, 1_000);
    },
    'context of a customer': (db) => db.getCustomerContext(any(emails)),
  };

  const writers = await startWriters(primary);
  const rows: string[][] = [];
  for (const placed of (await mayPlace(primary, replica))
    ? ['both cores for all', 'a core for each server']
    : ['both cores for all'])
    for (const [kind, read] of Object.entries(kinds)) {
      if (placed === 'a core for each server') await place([primary.server.folder, replica.server.folder]);
      const sides = { one: [] as number[], two: [] as number[] };
      const written = { one: [] as number[], two: [] as number[] };
      const before = two.replicaState();
      for (let round = 0; round <= rounds; round++)
        for (const [side, db] of Object.entries({ one, two }) as ['one' | 'two', PlatformDb][]) {
          const [from, startedAt] = [await writers.count(), performance.now()];
          const measured = await measure(asCaller(db, read), { callers, forMs: round ? forMs : 1_000 });
          if (!round) continue; // it only warms up
          sides[side].push(measured.perSecond);
          written[side].push(((await writers.count()) - from) / ((performance.now() - startedAt) / 1_000));
        }
      const after = two.replicaState();
      const answered = (after?.answered ?? 0) - (before?.answered ?? 0);
      const fellBack = Object.entries(after?.fellBack ?? {})
        .map(([reason, n]) => [reason, n - (before?.fellBack[reason as 'old'] ?? 0)] as const)
        .filter(([, n]) => n > 0);
      const all = answered + fellBack.reduce((sum, [, n]) => sum + n, 0);
      const ratio = median(sides.two) / median(sides.one);
      rows.push([
        `${kind}, ${placed}`,
        `${median(sides.one).toFixed(0)}`,
        `${median(sides.two).toFixed(0)}`,
        ratio.toFixed(2),
        `${median(written.one).toFixed(0)} / ${median(written.two).toFixed(0)}`,
        `${((answered / all) * 100).toFixed(0)} %`,
        fellBack.map(([reason, n]) => `${reason} ${n}`).join(', ') || '–',
      ]);
    }
  await writers.end();
  console.log(
    `${customers.toLocaleString('en')} customers, ${callers} callers, ${writersCount} writers that would make ${writes} changes a second\n`,
  );
  console.log(
    printTable({
      columns: [
        'reads a second',
        'one server',
        'with a replica',
        'ratio',
        'changes a second beside',
        'statements at the replica',
        'at the primary, and why',
      ],
      rows,
    }),
  );
  const missed = rows.filter(([, , , ratio]) => Number(ratio) < goal).map(([what]) => what);
  console.log(
    `\n${missed.length === 0 ? 'reached' : `MISSED by ${missed.join('; ')}`}: ${goal} times the reads of one server`,
  );
  await Promise.all([one.close(), two.close()]);
} finally {
  await replica?.close().catch(() => {});
  await primary?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

/** `fillLists` leaves them out. */
async function enableTriggers({ urlOf }: LocalServer): Promise<void> {
  const owner = new pg.Client({ connectionString: urlOf('platform_migrator') });
  await owner.connect();
  await owner.query(`set role platform_owner; alter table platform.customers enable trigger user;
    alter table crm.activities enable trigger user; alter table crm.deals enable trigger user`);
  await owner.end();
}

function connect({ urlOf }: LocalServer, standby?: TestReplica): Promise<PlatformDb> {
  const url = urlOf('foundation_app');
  return connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: url, ...(standby && { PLATFORM_DB_REPLICA_URL: standby.urlOf(url) }) },
  });
}

/** Reads as one of many people would, each of whom goes on where their last read left them. */
function asCaller(db: PlatformDb, read: (db: PlatformDb) => Promise<unknown>): () => Promise<void> {
  const idle: (string | undefined)[] = [];
  return async () => {
    const before = idle.pop();
    const { seen } = await db.readAs(before, () => read(db));
    idle.push(seen ?? before);
  };
}

/** They run in the server, so that the clients have the rest of the machine for reads. `count`: all changes so far. */
async function startWriters(local: LocalServer): Promise<{ count(): Promise<number>; end(): Promise<void> }> {
  const clients = await Promise.all(
    Array.from({ length: writersCount }, async () => {
      const client = new pg.Client({ connectionString: local.urlOf('foundation_app') });
      client.on('error', () => {});
      await client.connect();
      await client.query('set statement_timeout = 0');
      return client;
    }),
  );
  const superuser = new pg.Client({ connectionString: local.server.superuserUrl(database) });
  await superuser.connect();
  const count = async () =>
    Number((await superuser.query(`select sum(version) as changes from platform.customers`)).rows[0].changes);
  let failure: Error | undefined;
  let isEnding = false;
  for (const [n, client] of clients.entries())
    client
      .query(
        `do $$
         declare ids uuid[] := array(select id from platform.customers where crm_id % ${writersCount} = ${n} limit 2000);
           began timestamptz := clock_timestamp();
         begin
           for i in 1..100000000 loop
             update platform.customers set name = regexp_replace(name, '( \\d+)?$', ' ' || i) where id = ids[1 + i % 2000];
             commit;
             perform pg_sleep(greatest(0, extract(epoch from began - clock_timestamp()) + i * ${writersCount / writes}));
           end loop;
         end $$`,
      )
      .catch((error) => {
        if (!isEnding) failure ??= error;
      });
  const end = async () => {
    isEnding = true;
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'do $$%' and pid <> pg_backend_pid()`,
    );
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
    await superuser.end();
    if (failure) throw failure;
  };
  return { count, end };
}

/** Puts each server, with all processes that it has and will have, on a core of its own. */
async function place(folders: string[]): Promise<void> {
  for (const [core, data] of folders.entries()) {
    const [pid] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', `${pid}`]);
    for (const each of [pid, ...stdout.split('\n').map((line) => line.trim())].filter(Boolean))
      await promisify(execFile)('taskset', ['-pc', `${core}`, `${each}`]).catch(() => {}); // it has ended meanwhile
  }
}

async function mayPlace(...servers: [LocalServer, TestReplica]): Promise<boolean> {
  const [pid] = (await readFile(join(servers[0].server.folder, 'postmaster.pid'), 'utf8')).split('\n');
  return promisify(execFile)('taskset', ['-p', `${pid}`]).then(
    () => true,
    () => false,
  );
}
