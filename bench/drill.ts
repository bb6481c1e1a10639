import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import {
  compareSnapshot,
  type LocalServer,
  lintSchema,
  listBehind,
  migrate,
  startLocal,
  withMigrator,
} from '@aether/database';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { startSync } from '@aether/sync';
import { eraseCustomer, listErased, repeatErasures } from '@aether/sync/privacy';
import pg from 'pg';
import { printTable } from './tables.ts';

/*
 * The drill of backup and restore. A PostgreSQL of its own has writers, a worker and a subscription. While they work, its data folder is
 * copied as every physical backup is (pg_backup_start, the files, pg_backup_stop, the log), which is also what a provider's restore to a
 * point in time gives. Then the drill erases a person on the first server, starts the copy as a second one, and looks whether the house
 * goes on there: transactions are whole, sequences and positions go on, each event has its effect once, who was erased since is erased
 * again, and the schema has not drifted.
 *
 *   npm run drill
 *   npm run drill -- --seconds 10 --customers 20000
 */
const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, customers: { type: 'string', default: '5000' } },
});
const [seconds, customers] = [Number(options.seconds), Number(options.customers)];
const database = 'drill';
const subscription = 'support.drill';
const writersCount = 4;
const settleMs = 60_000;

const folder = await mkdtemp(join(tmpdir(), 'aether-drill-'));
await chmod(folder, 0o755);
const servers: LocalServer[] = [];
const startServer = async (name: string, port: number) => {
  // What a backup needs of a server: a log that says enough, and keeps it until the copy has it.
  const settings = { wal_level: 'replica', wal_keep_size: '4GB', shared_buffers: '256MB' };
  const server = await startLocal({ folder: join(folder, name), database, port, settings });
  servers.push(server);
  return server;
};
try {
  const rows = await drill();
  console.log(
    printTable({
      columns: ['the restored server', 'seen', 'wanted', ''],
      rows: rows.map(({ what, seen, wanted }) => [what, `${seen}`, `${wanted}`, seen === wanted ? 'yes' : 'NO']),
    }),
  );
  if (rows.some(({ seen, wanted }) => seen !== wanted)) process.exitCode = 1;
} finally {
  for (const { server } of servers) await server.stop('immediate').catch(() => {});
  await rm(folder, { recursive: true, force: true });
}

type Row = { what: string; seen: string | number; wanted: string | number };

async function drill(): Promise<Row[]> {
  const first = await startServer('first', 54551);
  await migrate(first.urlOf('platform_migrator'));
  await prepare(first);
  const own = await listFaults(first); // the drill's table is in no snapshot
  const before = await openApps(first);
  const erasedEmail = 'pair0-a@example.com';
  const load = startLoad(before.foundation);
  await wait(seconds * 500);
  const copy = await copyUnderLoad(first, join(folder, 'first'), join(folder, 'second'));
  await wait(seconds * 500);
  const written = await load.end();
  const keep = await asPrivacy(first, async (privacy) => {
    await eraseCustomer(privacy, await findCustomer(first, erasedEmail), 'drill');
    return listErased(privacy);
  });
  await before.close();
  await first.server.stop('fast');

  const startedAt = performance.now();
  const second = await startServer('second', 54552);
  const restoredMs = performance.now() - startedAt;
  const address = second.urlOf('platform_migrator');
  const behind = await listBehind(address);
  const faults = (await listFaults(second)).filter((each) => !own.includes(each));
  const repeated = await asPrivacy(second, (privacy) => repeatErasures(privacy, keep));
  const again = await asPrivacy(second, (privacy) => repeatErasures(privacy, keep));
  const restored = await read(second);
  const after = await openApps(second);
  const more = startLoad(after.foundation, written.pairs);
  await wait(1_000);
  const writtenThere = await more.end();
  const end = await settle(second);
  await after.close();
  console.log(
    `${written.pairs} transactions of two customers by ${writersCount} writers, the longest of ${written.longestMs.toFixed(0)} ms; ` +
      `${copy.megabytes} MB copied beside them in ${(copy.ms / 1_000).toFixed(1)} s; the copy was up after ` +
      `${(restoredMs / 1_000).toFixed(1)} s, with ${restored.customers} customers; ` +
      `${writtenThere.pairs - written.pairs} transactions were written there.`,
  );
  return [
    { what: 'transactions of which half is there', seen: restored.halves, wanted: 0 },
    {
      what: 'transactions lost that had committed before the copy ended',
      seen: Math.max(0, copy.committed - restored.pairs),
      wanted: 0,
    },
    { what: 'sequences that would give a number again', seen: behind.length, wanted: 0 },
    { what: 'differences of the schema, and broken rules of rights', seen: faults.length, wanted: 0 },
    { what: 'people erased again', seen: repeated.erased, wanted: 1 },
    { what: 'people erased when it is repeated', seen: again.erased, wanted: 0 },
    { what: 'positions missing in the log', seen: end.gaps, wanted: 0 },
    { what: 'events that have no number yet', seen: end.waiting, wanted: 0 },
    { what: 'events without their effect', seen: end.lost, wanted: 0 },
    { what: 'events with two effects', seen: end.doubled, wanted: 0 },
    { what: 'events parked', seen: end.parked, wanted: 0 },
  ];
}

/** What `aether migrate check` would say, line by line. */
async function listFaults({ urlOf }: LocalServer): Promise<string[]> {
  const address = urlOf('platform_migrator');
  const drift = (await compareSnapshot(address)) ?? '';
  const findings = await withMigrator(address, lintSchema);
  return [...drift.split('\n').filter(Boolean), ...findings.map((finding) => JSON.stringify(finding))];
}

/** A table for effects, outside of our schemas, and customers who were there before. */
async function prepare({ server, urlOf }: LocalServer): Promise<void> {
  await withClient(server.superuserUrl(database), async (superuser) => {
    await superuser.query(`create schema drill; create table drill.effects (event bigint, at timestamptz default clock_timestamp());
      grant usage on schema drill to support_role; grant select, insert on drill.effects to support_role`);
  });
  await withClient(urlOf('foundation_app'), (app) =>
    app.query(
      `insert into platform.customers (email, name)
        select 'before' || n || '@example.com', 'Before' from generate_series(1, $1::integer) n`,
      [customers],
    ),
  );
}

/** A worker, an app that writes, and one that subscribes. */
async function openApps(server: LocalServer): Promise<{ foundation: PlatformDb; close(): Promise<void> }> {
  const worker = await startSync({ variables: { PLATFORM_DB_URL: server.urlOf('sync_app') } });
  const connect = (app: 'foundation' | 'support') =>
    connectPlatform({ app, variables: { PLATFORM_DB_URL: server.urlOf(`${app}_app`) } });
  const [foundation, support] = await Promise.all([connect('foundation'), connect('support')]);
  const { ready } = support.events.subscribeBatch(
    { name: subscription, types: ['customer.created'] },
    async (events, { tx }) => {
      await tx.query('insert into drill.effects (event) select unnest($1::bigint[])', [events.map(({ id }) => id)]);
    },
  );
  await ready;
  return {
    foundation,
    async close() {
      await Promise.all([support.close(), foundation.close()]);
      await worker.close();
    },
  };
}

/** Writers, each of which writes two customers in one transaction, again and again. */
function startLoad(foundation: PlatformDb, from = 0): { end(): Promise<{ pairs: number; longestMs: number }> } {
  let next = from;
  let isOver = false;
  let longestMs = 0;
  const writing = Promise.all(
    Array.from({ length: writersCount }, async () => {
      while (!isOver) {
        const pair = next++;
        const startedAt = performance.now();
        await foundation.transaction({}, (tx) =>
          tx.query(`insert into platform.customers (email, name) values ($1, 'A'), ($2, 'B')`, [
            `pair${pair}-a@example.com`,
            `pair${pair}-b@example.com`,
          ]),
        );
        longestMs = Math.max(longestMs, performance.now() - startedAt);
      }
    }),
  );
  writing.catch(() => {}); // said by end()
  return {
    async end() {
      isOver = true;
      await writing;
      return { pairs: next, longestMs };
    },
  };
}

/** A base backup by hand, as PostgreSQL's manual has it: what changes meanwhile is mended from the log. */
async function copyUnderLoad(
  { server }: LocalServer,
  from: string,
  to: string,
): Promise<{ ms: number; megabytes: number; committed: number }> {
  return withClient(server.superuserUrl(database), async (superuser) => {
    const startedAt = performance.now();
    await superuser.query(`select pg_backup_start('drill', fast => true)`);
    // Files that vanish or grow meanwhile are no fault: tar says so by exit code 1.
    const excluded = [
      'postgres/postmaster.pid',
      'postgres/postmaster.opts',
      'postgres/pg_wal/*',
      'postgres/pg_replslot/*',
    ].map((each) => `--exclude=./${each}`);
    const silent = '--warning=no-file-changed --warning=no-file-removed';
    const without = excluded.map((each) => `'${each}'`).join(' ');
    await run(`mkdir -p "$TO" && tar -C "$FROM" ${silent} ${without} -cf - . | tar -C "$TO" -xpf -`, from, to);
    const committed = await pairsIn(superuser);
    const { rows } = await superuser.query<{ labelfile: string }>(
      'select labelfile from pg_backup_stop(wait_for_archive => false)',
    );
    await writeFile(join(to, 'postgres', 'backup_label'), rows[0]?.labelfile ?? '');
    // PostgreSQL goes on writing its log meanwhile. A file that it is still making is renamed a moment later, and the copy does not need it.
    await run(
      `tar -C "$FROM"/postgres/pg_wal ${silent} '--exclude=./xlogtemp.*' -cf - . | tar -C "$TO"/postgres/pg_wal -xpf - &&
        chown --reference="$TO"/postgres "$TO"/postgres/backup_label`,
      from,
      to,
    );
    const ms = performance.now() - startedAt;
    return { ms, megabytes: Number((await run('du -sm "$TO"', from, to)).split('\t')[0]), committed };
  });
}

/** Beside the writers, who are in this process. @returns what it printed. @throws with its errors */
async function run(script: string, from: string, to: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', script], { env: { ...process.env, FROM: from, TO: to } });
  return stdout;
}

async function pairsIn(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pairs: number }>(
    `select count(*)::integer as pairs from platform.customers
      where email like 'pair%-a@example.com'`,
  );
  return rows[0]?.pairs ?? 0;
}

async function read({ server }: LocalServer): Promise<{ customers: number; pairs: number; halves: number }> {
  return withClient(server.superuserUrl(database), async (superuser) => {
    // Of the erased person's pair the other half is there: that is no half of a transaction.
    const { rows } = await superuser.query<{ customers: number; halves: number; pairs: number }>(`
      with pairs as (
        select substring(email from '^pair(\\d+)-') as pair, count(*) as there
        from platform.customers where email ~ '^pair\\d+-' group by 1)
      select (select count(*)::integer from platform.customers) as customers, count(*)::integer as pairs,
        count(*) filter (where there <> 2 and pair <> '0')::integer as halves from pairs`);
    return rows[0] as { customers: number; halves: number; pairs: number };
  });
}

type End = { gaps: number; waiting: number; lost: number; doubled: number; parked: number };

/** Waits until everything is numbered and handled, and compares effects with events. */
async function settle({ server }: LocalServer): Promise<End> {
  return withClient(server.superuserUrl(database), async (superuser) => {
    const look = async () => {
      const { rows } = await superuser.query<End & { behind: number }>(
        `
        with created as (select id from sync.events where type = 'customer.created' and data ->> 'email' like 'pair%'),
          effects as (select event, count(*) as times from drill.effects group by 1)
        select (select max(position) - min(position) + 1 - count(*) from sync.events)::integer as gaps,
          (select count(*) from sync.outbox)::integer as waiting,
          (select count(*) from created where id not in (select event from effects))::integer as lost,
          (select count(*) from effects where times > 1)::integer as doubled,
          (select count(*) from sync.parked where subscription = $1)::integer as parked,
          (select sync.head() - position from sync.subscriptions where name = $1)::integer as behind`,
        [subscription],
      );
      return rows[0] as End & { behind: number };
    };
    const endsAt = performance.now() + settleMs;
    for (;;) {
      const seen = await look();
      if ((seen.waiting === 0 && seen.behind === 0) || performance.now() > endsAt) return seen;
      await wait(100);
    }
  });
}

async function findCustomer({ server }: LocalServer, email: string): Promise<string> {
  return withClient(server.superuserUrl(database), async (superuser) => {
    const { rows } = await superuser.query<{ id: string }>('select id from platform.customers where email = $1', [
      email,
    ]);
    return rows[0]?.id ?? '';
  });
}

async function asPrivacy<T>(server: LocalServer, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(server.urlOf('privacy_app'), async (client) => {
    await client.query(`select set_config('aether.actor', 'drill', false)`);
    return work(client);
  });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
