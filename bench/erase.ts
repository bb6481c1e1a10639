import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { cleanUp, eraseCustomer } from '@aether/sync/privacy';
import pg from 'pg';
import { measure, median, quantile } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Measures erasures: of customers with many entries (activities, changes, chats with messages, calls, deals, and the events of all of them),
 * one transaction each, beside writers of other customers, who say how long they wait; then many small ones as one job, with one clean-up.
 *
 *   npm run bench:erase
 *   npm run bench:erase -- --customers 2000000 --many 10000
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '100000' },
    entries: { type: 'string', default: '1000' },
    erasures: { type: 'string', default: '20' },
    many: { type: 'string', default: '1000' },
  },
});
const [customers, entries, erasures, many] = [options.customers, options.entries, options.erasures, options.many].map(
  Number,
) as [number, number, number, number];

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54541,
    settings: { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h' },
  });
  await run(local);
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function run(server: LocalServer): Promise<void> {
  await bootstrap(server.adminUrl, { database: 'bench', passwords: {} });
  await migrate(server.urlOf('platform_migrator', 'bench'));
  const superuser = await connect(server, 'postgres');
  const privacy = await connect(server, 'privacy_app');
  await privacy.query(`select set_config('aether.actor', 'bench', false)`);
  const people = await fill(superuser);
  console.log(
    `${customers.toLocaleString('en')} customers, ${erasures} of them with ${entries} entries; load ${loadavg()[0]?.toFixed(1)}`,
  );

  const writer = await connect(server, 'foundation_app');
  let n = 0;
  const write = () =>
    writer.query({
      name: 'write',
      text: `update platform.customers set name = 'Written ' || $2 where email_key = $1`,
      values: [`other${1 + (n++ % customers)}@example.com`, n],
    });
  const alone = await measure(write, { callers: 1, forMs: 3000 });
  const waits: number[] = [];
  const took: number[] = [];
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      const askedAt = performance.now();
      await write();
      waits.push(performance.now() - askedAt);
    }
  })();
  for (const person of people) {
    const startedAt = performance.now();
    await eraseCustomer(privacy, person, 'bench');
    took.push(performance.now() - startedAt);
  }
  isOver = true;
  await writing;
  const cleanStartedAt = performance.now();
  await cleanUp(privacy, { waitMs: 60_000 });
  const cleanMs = performance.now() - cleanStartedAt;

  const { rows: small } = await superuser.query<{ id: string }>(
    `select id from platform.customers where erased_at is null and email_key like 'other%' order by id limit $1`,
    [many],
  );
  const manyStartedAt = performance.now();
  for (const { id } of small) await eraseCustomer(privacy, id, 'bench');
  const manyMs = performance.now() - manyStartedAt;
  const manyCleanStartedAt = performance.now();
  await cleanUp(privacy, { waitMs: 60_000 });
  const manyCleanMs = performance.now() - manyCleanStartedAt;

  const sorted = took.toSorted((a, b) => a - b);
  const waited = waits.toSorted((a, b) => a - b);
  console.log(
    printTable({
      columns: ['', 'median', 'longest'],
      rows: [
        [`the transaction, ${entries} entries`, `${median(took).toFixed(0)} ms`, `${sorted.at(-1)?.toFixed(0)} ms`],
        ['a write of others beside it', `${quantile(waited, 0.5).toFixed(1)} ms`, `${waited.at(-1)?.toFixed(1)} ms`],
        ['a write of others alone', `${alone.p50Ms.toFixed(1)} ms`, `${alone.p99Ms.toFixed(1)} ms (p99)`],
        [`the clean-up of ${erasures}`, `${(cleanMs / 1000).toFixed(1)} s`, ''],
        [`a transaction of ${small.length}, small ones`, `${(manyMs / small.length).toFixed(1)} ms`, ''],
        [`their one clean-up`, `${(manyCleanMs / 1000).toFixed(1)} s`, ''],
      ],
    }),
  );
  const { rows: plans } = await superuser.query<{ name: string }>(
    `select relname || ': ' || seq_scan || ' scans of the whole table, of ' || n_live_tup || ' rows' as name from pg_stat_user_tables
     where schemaname in ('platform', 'crm', 'support', 'sync') and n_live_tup > 5000 and seq_scan > $1 order by seq_scan desc`,
    [small.length / 2],
  );
  for (const { name } of plans) console.log(name);
  await Promise.all([superuser.end(), privacy.end(), writer.end()]);
}

async function connect(server: LocalServer, login: string): Promise<pg.Client> {
  const connectionString =
    login === 'postgres' ? server.server.superuserUrl('bench') : server.urlOf(login as 'privacy_app', 'bench');
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // the running query fails with the same error
  await client.connect();
  return client;
}

/** Customers, of whom some have entries in each table, and a log with their events. */
async function fill(superuser: pg.Client): Promise<string[]> {
  await superuser.query(`
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
    insert into support.widgets (key, name) values ('widget-1', 'Shop')`);
  const add = (name: string, count: number) =>
    superuser.query(
      `insert into platform.customers (email, name, created_by_app)
       select $1 || n || '@example.com', $1 || ' ' || n, 'foundation' from generate_series(1, $2::integer) n`,
      [name, count],
    );
  for (let done = 0; done < customers; done += 50_000) {
    await superuser.query(
      `insert into platform.customers (email, name, created_by_app)
       select 'other' || n || '@example.com', 'Other ' || n, 'foundation' from generate_series($1::integer, $2::integer) n`,
      [done + 1, Math.min(done + 50_000, customers)],
    );
  }
  await add('person', erasures);
  const { rows } = await superuser.query<{ id: string }>(
    `select id from platform.customers where email_key like 'person%' order by id`,
  );
  const ids = rows.map(({ id }) => id);
  const share = (part: number) => Math.max(1, Math.round(entries * part));
  await superuser.query(
    `insert into crm.activities (customer_id, type, description, created_by_app)
     select c, 'note', 'A note, the ' || n || 'th', 'foundation' from unnest($1::uuid[]) c, generate_series(1, $2::integer) n`,
    [ids, share(0.4)],
  );
  await superuser.query(
    `insert into crm.changes (event_id, customer_id, change, app, occurred_at, data, previous)
     select row_number() over (), c, 'edited', 'foundation', now(), '{"name": "Ada"}', '{"name": "Eve"}'
     from unnest($1::uuid[]) c, generate_series(1, $2::integer) n`,
    [ids, share(0.2)],
  );
  await superuser.query(
    `with s as (insert into support.sessions (widget_id, customer_id, visitor_email, token_hash)
       select w.id, c, 'ada@example.com', sha256(uuid_send(gen_random_uuid()))
       from support.widgets w, unnest($1::uuid[]) c, generate_series(1, $2::integer) n returning id)
     insert into support.messages (session_id, number, author, client_id, body)
     select s.id, m, 'visitor', 'c' || m, 'A message' from s, generate_series(1, 10) m`,
    [ids, share(0.03)],
  );
  await superuser.query(
    `insert into crm.deals (customer_id, pipeline_id, stage_id, name)
     select c, 1, 1, 'Deal ' || n from unnest($1::uuid[]) c, generate_series(1, $2::integer) n`,
    [ids, share(0.04)],
  );
  await superuser.query(
    `insert into support.calls (customer_id, direction, number_e164, started_at)
     select c, 'inbound', '+4930123456', now() from unnest($1::uuid[]) c, generate_series(1, $2::integer) n`,
    [ids, share(0.03)],
  );
  for (let moved = 50_000; moved === 50_000; ) {
    await superuser.query('begin; select from sync.sequencer for update');
    await superuser.query('select sync.add_partitions()');
    moved = (await superuser.query('select moved from sync.sequence(50000, 0)')).rows[0].moved;
    await superuser.query('commit');
  }
  await superuser.query('vacuum analyze');
  return ids;
}
