import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { cleanUp, eraseCustomer, eraseList } from '@aether/sync/privacy';
import type pg from 'pg';
import {
  connect,
  type Measured,
  measureBeside,
  readSettings,
  tableOfCauses,
  tableOfLongest,
  tableOfWaits,
} from './beside.ts';
import { median } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Measures erasures of customers with many entries (activities, changes, chats with messages, calls, deals, and the events of all of them),
 * one transaction each. Beside them writers of other customers say how long they wait, and for what (beside.ts); and so beside bare statements
 * that change as many rows of the same tables, by a superuser with row triggers and foreign keys switched off, and beside nothing, in turns.
 * Then people without entries are erased as one job, with one clean-up. Events are numbered meanwhile, as the worker does.
 *
 *   npm run bench:erase
 *   npm run bench:erase -- --customers 2000000 --erasures 4 --job 10000
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '100000' },
    entries: { type: 'string', default: '1000' },
    erasures: { type: 'string', default: '20' },
    /** People who are erased as one job. */
    job: { type: 'string', default: '1000' },
    /** Settings of PostgreSQL, such as wal_init_zero=off. */
    settings: { type: 'string', default: '' },
    /** Leaves the server without old files of its log, as a new one is: then it makes each file while writers wait. */
    fresh: { type: 'boolean', default: false },
  },
});
const [customers, entries, erasures, inJob] = [options.customers, options.entries, options.erasures, options.job].map(
  Number,
) as [number, number, number, number];

/** Events are numbered after so many people, as the worker does all the time. */
const numberEvery = 100;
const tellEvery = 1_000;

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54541,
    settings: {
      ...{ shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h', track_wal_io_timing: 'on' },
      ...readSettings(options.settings),
    },
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
  const startedAt = performance.now();
  const people = await fill(superuser);
  console.log(
    `${customers.toLocaleString('en')} customers, ${erasures} of them with ${entries} entries, filled in ${((performance.now() - startedAt) / 1000).toFixed(0)} s; load ${loadavg()[0]?.toFixed(1)}`,
  );

  // From here on the server writes its log into the files of what came before, as one does that has run for a while.
  if (!options.fresh) await superuser.query('checkpoint');
  const watcher = await connect(server, 'postgres');
  const measured: Measured = new Map();
  const took: number[] = [];
  const measure = (name: string, work: () => Promise<unknown>) =>
    measureBeside(measured, name, { server, watcher, workers: [superuser, privacy] }, work);
  const timed = async (work: () => Promise<unknown>) => {
    const at = performance.now();
    await work();
    took.push(performance.now() - at);
  };
  // In turns, so that what else the machine does falls on all of them.
  const turns = Math.min(4, erasures);
  const partOf = (list: string[], turn: number) => list.filter((_, index) => index % turns === turn);
  await eraseCustomer(privacy, people.warm, 'bench');
  for (let turn = 0; turn < turns; turn++) {
    await number(watcher);
    await measure('nothing', () => wait(2000));
    await measure('bare statements', async () => {
      for (const person of partOf(people.bare, turn)) await changeBare(superuser, person);
    });
    await measure('erasures', async () => {
      for (const person of partOf(people.erased, turn)) await timed(() => eraseCustomer(privacy, person, 'bench'));
    });
  }
  await number(watcher);
  const cleanMs = await msOf(() => cleanUp(privacy, { waitMs: 60_000 }));

  const list = Array.from({ length: inJob }, (_, index) => ({
    line: index + 1,
    who: `other${index + 3000}@example.com`,
  }));
  let refused = 0;
  const done: number[] = [];
  const beganAt = performance.now();
  const jobMs = await msOf(async () => {
    let numbering: Promise<void> = Promise.resolve();
    const { lines } = await eraseList(privacy, list, {
      reason: 'bench',
      onLine() {
        done.push(performance.now());
        if (done.length % numberEvery === 0) numbering = numbering.then(() => number(watcher));
        if (done.length % tellEvery === 0) console.log(`${done.length} of ${inJob} people of the job`);
      },
    });
    await numbering;
    refused = lines.filter(({ state }) => state !== 'erased').length;
  });
  if (refused > 0) throw new Error(`${refused} of ${inJob} people were not erased.`);
  const jobCleanMs = await msOf(() => cleanUp(privacy, { waitMs: 60_000 }));

  const { rows: sizes } = await superuser.query<{ data: string; log: string }>(
    `select pg_size_pretty(pg_database_size(current_database())) as data,
       (select pg_size_pretty(sum(size)) from pg_ls_waldir()) as log`,
  );
  console.log(`On the disk: ${sizes[0]?.data} of data, ${sizes[0]?.log} of PostgreSQL's log.`);
  const tenth = Math.max(1, Math.floor(inJob / 10));
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  console.log(
    printTable({
      columns: ['', 'median', 'longest'],
      rows: [
        [`the transaction, ${entries} entries`, `${median(took).toFixed(0)} ms`, `${Math.max(...took).toFixed(0)} ms`],
        [`the clean-up of ${erasures}`, seconds(cleanMs), ''],
        [`a job of ${inJob} people, a person`, `${(jobMs / inJob).toFixed(1)} ms`, ''],
        // A person of the last tenth takes as long as one of the first, if nothing grows with the job.
        ['of its first tenth', `${perPerson(done.slice(0, tenth), beganAt).toFixed(1)} ms`, ''],
        ['of its last tenth', `${perPerson(done.slice(-tenth), done.at(-tenth - 1) ?? beganAt).toFixed(1)} ms`, ''],
        ['the job, without its clean-up', seconds(jobMs), ''],
        ['its one clean-up', seconds(jobCleanMs), ''],
      ],
    }),
  );
  console.log(printTable(tableOfWaits(measured)));
  console.log(printTable(tableOfCauses(measured)));
  console.log(printTable(tableOfLongest(measured)));
  const { rows: plans } = await superuser.query<{ name: string }>(
    `select relname || ': ' || seq_scan || ' scans of the whole table, of ' || n_live_tup || ' rows' as name from pg_stat_user_tables
     where schemaname in ('platform', 'crm', 'support', 'sync') and n_live_tup > 5000 and seq_scan > $1 order by seq_scan desc`,
    [inJob / 2],
  );
  for (const { name } of plans) console.log(name);
  await Promise.all([superuser.end(), privacy.end(), watcher.end()]);
}

/** Milliseconds a person: of some who were done at these times, one after another. */
function perPerson(at: number[], beganAt: number): number {
  return ((at.at(-1) ?? beganAt) - beganAt) / Math.max(1, at.length);
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const at = performance.now();
  await work();
  return performance.now() - at;
}

/** As many rows of the same tables as an erasure changes, and their events, without what an erasure has to find out. */
async function changeBare(superuser: pg.Client, person: string): Promise<void> {
  await superuser.query('begin; set local session_replication_role = replica');
  for (const statement of [
    `update crm.activities set description = 'Erased' where customer_id = $1`,
    `update crm.changes set data = '{}', previous = '{}' where customer_id = $1`,
    `update support.messages set body = 'Erased' where session_id in (select s.id from support.sessions s where s.customer_id = $1)`,
    `update support.sessions set visitor_email = null where customer_id = $1`,
    `update support.calls set number_e164 = '+491234567' where customer_id = $1`,
    `update crm.deals set name = 'Erased' where customer_id = $1`,
    `update sync.events set data = '{}', previous = '{}' where customer = $1`,
    'update platform.customers set name = $2 where id = $1',
  ])
    await superuser.query(statement, statement.includes('$2') ? [person, 'Erased'] : [person]);
  await superuser.query('commit');
}

/** Numbers all events that wait. */
async function number(on: pg.Client): Promise<void> {
  for (let moved = 50_000; moved === 50_000; ) {
    await on.query('begin; select from sync.sequencer for update');
    await on.query('select sync.add_partitions()');
    moved = (await on.query('select moved from sync.sequence(50000, 0)')).rows[0].moved;
    await on.query('commit');
  }
}

/** Customers, of whom some have entries in each table, and a log with their events. */
async function fill(superuser: pg.Client): Promise<{ warm: string; erased: string[]; bare: string[] }> {
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
  // Without triggers, because loading is not measured: their events are gone with the log, as those of customers long ago.
  await superuser.query('begin; alter table platform.customers disable trigger user');
  for (let done = 0; done < customers; done += 50_000)
    await superuser.query(
      `insert into platform.customers (email, email_key, name, created_by_app)
       select a.email, a.email, 'Other ' || n, 'foundation' from generate_series($1::integer, $2::integer) n
         cross join lateral (select 'other' || n || '@example.com' as email) a`,
      [done + 1, Math.min(done + 50_000, customers)],
    );
  await superuser.query(`
    insert into platform.customer_emails (email_key, email, customer_id, is_primary) select email_key, email, id, true
      from platform.customers;
    insert into crm.customer_order (customer_id, account_tier, updated_at) select id, '~', updated_at from platform.customers;
    alter table platform.customers enable trigger user;
    commit`);
  await add('person', 2 * erasures + 1);
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
  await number(superuser);
  await superuser.query('vacuum analyze');
  const [warm = '', ...others] = ids;
  return { warm, erased: others.slice(0, erasures), bare: others.slice(erasures) };
}
