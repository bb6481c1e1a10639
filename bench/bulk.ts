import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { insertCustomers, writeInChunks } from '@aether/platform/bulk';
import { openConnection, readSettings } from '@aether/platform/log';
import pg from 'pg';
import { quantile } from './measure.ts';
import { keepOldFiles } from './oldfiles.ts';
import { printTable } from './tables.ts';

/*
 * Measures how fast many customers are written into a table that is in use, with address, telephone number, number of the app, version and
 * one event each: one statement for each thousand rows with all row triggers, the bulk path, and bare inserts of the same rows by the owner
 * with the triggers of the tables off (no checks, no events). Every way has a database of its own with the same customers at the start.
 *
 *   npm run bench:bulk
 *   npm run bench:bulk -- --customers 1000000
 *   npm run bench:bulk -- --only beside --rest 100      (a pause of 100 ms after each chunk)
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '300000' },
    known: { type: 'string', default: '100000' },
    chunk: { type: 'string', default: '500' },
    sort: { type: 'string', default: '2000' },
    writes: { type: 'string', default: '100' },
    rest: { type: 'string', default: '0' },
    only: { type: 'string', default: 'ways,beside,numbering' },
    /** Leaves the server without old files of its log, as a new one is. */
    fresh: { type: 'boolean', default: false },
  },
});
const customers = Number(options.customers);
const known = Number(options.known);
const chunkSize = Number(options.chunk);

const firstNames =
  'Ada Ben Carla Dmitri Elif Farah Goran Hanna Ivan Jale Kofi Lena Milan Nadia Otto Priya Quentin Rosa Samir Tereza'.split(
    ' ',
  );
const lastNames =
  'Almeida Brandt Castillo Dvorak Eriksen Fontaine Gruber Hoffmann Ito Jansen Kowalski Lindqvist Moreau Novak'.split(
    ' ',
  );

type Row = { email: string; email_key: string; name: string; phone: string; phone_key: string; created_by_app: string };

function rowOf(number: number): Row {
  const first = firstNames[number % firstNames.length] as string;
  const last = lastNames[(number * 7) % lastNames.length] as string;
  const email = `${first}.${last}${number}@company${number % 5000}.example`.toLowerCase();
  const phone = `+4930${String(number).padStart(7, '0')}`;
  return { email, email_key: email, name: `${first} ${last}`, phone, phone_key: phone, created_by_app: 'foundation' };
}

function* chunks(from: number, count: number): Generator<string> {
  for (let n = from; n < from + count; n += chunkSize)
    yield JSON.stringify(Array.from({ length: Math.min(chunkSize, from + count - n) }, (_, i) => rowOf(n + i)));
}

const columns = 'email, email_key, name, phone, phone_key, created_by_app';
const given = 'json_populate_recordset(null::platform.customers, $1::json)';
const ways = {
  'row triggers': {
    login: 'foundation_app',
    sql: `insert into platform.customers (${columns}) select ${columns} from ${given}`,
  },
  'bulk path': { login: 'sync_app', sql: `select platform.insert_customers(array(select r from ${given} r))` },
  'bare, with addresses and numbers': {
    login: 'postgres',
    sql: `with c as (
        insert into platform.customers (${columns}, crm_id) select ${columns}, nextval('crm.customer_number') from ${given} returning *
      ), e as (
        insert into platform.customer_emails (email_key, email, customer_id, is_primary) select email_key, email, id, true from c
      ), p as (
        insert into platform.customer_phones (customer_id, phone, phone_key, is_primary) select id, phone, phone_key, true from c
      ), o as (insert into crm.customer_order (customer_id, account_tier, updated_at) select id, '~', updated_at from c)
      insert into platform.customer_external_ids (app, external_id, customer_id) select 'foundation', crm_id, id from c`,
  },
  'bare, platform.customers alone': {
    login: 'postgres',
    sql: `insert into platform.customers (${columns}, crm_id) select ${columns}, nextval('crm.customer_number') from ${given}`,
  },
} as const;
type Way = keyof typeof ways;
const bareTables = ['customers', 'customer_emails', 'customer_phones', 'customer_external_ids'];

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
const children: ChildProcess[] = [];
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54530,
    settings: { shared_buffers: '1GB', min_wal_size: '1GB', max_wal_size: '16GB', checkpoint_timeout: '1h' },
  });
  console.log(
    `${customers.toLocaleString('en')} customers in chunks of ${chunkSize}, into ${known.toLocaleString('en')}`,
  );
  const only = options.only.split(',');
  if (only.includes('ways')) await measureRates(local);
  if (only.includes('beside')) await measureInUse(local);
  if (only.includes('numbering')) await measureNumbering(local);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function connect(server: LocalServer, login: string, database: string): Promise<pg.Client> {
  const connectionString =
    login === 'postgres' ? server.server.superuserUrl(database) : server.urlOf(login as 'sync_app', database);
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // the running query fails with the same error
  await client.connect();
  return client;
}

/** A database with the customers that are known already. */
async function prepare(server: LocalServer, database: string): Promise<void> {
  await bootstrap(server.adminUrl, { database, passwords: {} });
  await migrate(server.urlOf('platform_migrator', database));
  const worker = await connect(server, 'sync_app', database);
  for (const chunk of chunks(0, known)) await worker.query(ways['bulk path'].sql, [chunk]);
  await worker.query('select platform.sort_customer_search()');
  await worker.end();
  const superuser = await connect(server, 'postgres', database);
  await superuser.query('truncate sync.outbox');
  await superuser.query('vacuum (freeze, analyze)');
  await superuser.end();
}

/** Writes all rows one way. @returns seconds */
async function writeAll(server: LocalServer, database: string, way: Way): Promise<number> {
  const client = await connect(server, ways[way].login, database);
  if (ways[way].login === 'foundation_app') await client.query('set statement_timeout = 0');
  const startedAt = performance.now();
  let unsorted = 0;
  for (const chunk of chunks(known, customers)) {
    await client.query(ways[way].sql, [chunk]);
    unsorted += chunkSize;
    if (way === 'bulk path' && unsorted >= Number(options.sort)) {
      unsorted = 0;
      await client.query('select platform.sort_customer_search()');
    }
  }
  if (way === 'bulk path') await client.query('select platform.sort_customer_search()');
  const seconds = (performance.now() - startedAt) / 1_000;
  await client.end();
  return seconds;
}

async function measureRates(server: LocalServer): Promise<void> {
  const seconds = new Map<Way, number>();
  for (const [n, way] of (Object.keys(ways) as Way[]).entries()) {
    const database = `way${n}`;
    await prepare(server, database);
    const superuser = await connect(server, 'postgres', database);
    if (ways[way].login === 'postgres')
      for (const table of bareTables) await superuser.query(`alter table platform.${table} disable trigger user`);
    await keepOldFiles(superuser); // else each way pays for new ones, which says nothing of it
    seconds.set(way, await writeAll(server, database, way));
    await superuser.end();
    const admin = await connect(server, 'postgres', 'postgres');
    await admin.query(`drop database ${database} with (force)`);
    await admin.end();
  }
  const byRows = seconds.get('row triggers') as number;
  console.log(`\nOne writer, nothing else at work (load of the machine at the end: ${load()})\n`);
  console.log(
    printTable({
      columns: ['way', 'seconds', 'rows/s', 'of the row triggers'],
      rows: [...seconds].map(([way, each]) => [
        ...[way, each.toFixed(1), Math.round(customers / each).toLocaleString('en')],
        `${(byRows / each).toFixed(2)}×`,
      ]),
    }),
  );
  const bulk = seconds.get('bulk path') as number;
  const bare = seconds.get('bare, with addresses and numbers') as number;
  const alone = seconds.get('bare, platform.customers alone') as number;
  const ofBare = `${(bulk / bare).toFixed(2)}×; of customers alone ${(bulk / alone).toFixed(2)}×`;
  console.log(`
- ${byRows / bulk >= 3.5 ? 'reached' : 'MISSED'}: 3.5× the row triggers (${(byRows / bulk).toFixed(2)}×)
- ${bulk / bare <= 2.2 ? 'reached' : 'MISSED'}: at most 2.2× the seconds of bare inserts of the same rows (${ofBare})`);
}

/** Another app, in a process of its own, which writes until it is told to stop. @returns its latencies, sorted */
function writeBeside(server: LocalServer, database: string): { end(): Promise<number[]> } {
  const url = server.urlOf('foundation_app', database);
  const child = fork(fileURLToPath(new URL('bulkwriter.ts', import.meta.url)), [url, options.writes]);
  children.push(child);
  return {
    async end() {
      child.send('stop');
      const [latencies] = (await once(child, 'message')) as [number[]];
      return latencies.sort((a, b) => a - b);
    },
  };
}

async function measureInUse(server: LocalServer): Promise<void> {
  const database = 'used';
  await prepare(server, database);
  const superuser = await connect(server, 'postgres', database);
  if (!options.fresh) await keepOldFiles(superuser);
  await startSequencer(server, database);
  const numbered = async (from: number) => {
    const { rows: waits } = await superuser.query<{ ms: number }>(
      `select extract(epoch from sequenced_at - occurred_at)::float8 * 1000 as ms from sync.events where position > $1
        and app = 'foundation' order by 1`,
      [from],
    );
    return waits.map(({ ms }) => ms);
  };
  const head = async () => Number((await superuser.query('select sync.head() as head')).rows[0].head);

  const warming = writeBeside(server, database);
  while ((await head()) < 100) await wait(20);
  await warming.end();
  const calmFrom = await head();
  const calm = writeBeside(server, database);
  await wait(6_000);
  const before = await calm.end();
  const numberedBefore = await numbered(calmFrom);
  const from = await head();
  const beside = writeBeside(server, database);
  await wait(1_000);
  const newFilesBefore = await countNewFiles(superuser);
  const logBefore = await superuser.query('select pg_current_wal_insert_lsn() as at');
  const startedAt = performance.now();
  const connection = openConnection('sync', {
    ...readSettings({ PLATFORM_DB_URL: server.urlOf('sync_app', database) }),
    searchPath: 'sync,platform',
  });
  const all = function* () {
    for (let n = known; n < known + customers; n++) {
      const { email, name, phone, created_by_app } = rowOf(n);
      yield { email, name, phone, created_by_app };
    }
  };
  await writeInChunks(
    connection,
    all(),
    async (tx, chunk) => {
      const { refused } = await insertCustomers(tx, chunk);
      if (refused[0]) throw refused[0].error;
    },
    { size: chunkSize, restMs: Number(options.rest) },
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const meanwhile = await beside.end();
  while ((await superuser.query('select from sync.outbox limit 1')).rowCount) await wait(5);
  const drained = (performance.now() - startedAt) / 1_000;
  const numberedMeanwhile = await numbered(from);
  const newFiles = (await countNewFiles(superuser)) - newFilesBefore;
  const { rows: log } = await superuser.query<{ bytes: string }>(
    'select pg_current_wal_insert_lsn() - $1::pg_lsn as bytes',
    [logBefore.rows[0].at],
  );
  await connection.close();
  await superuser.end();

  const ms = (values: number[], fraction: number) => quantile(values, fraction).toFixed(1);
  console.log(`
By platform/bulk.ts, which also reads addresses and telephone numbers, with the worker numbering and another app writing ${options.writes}/s:
${Math.round(customers / seconds).toLocaleString('en')} rows/s, all numbered ${(drained - seconds).toFixed(1)} s later (load of the machine: ${load()});
${Math.round(Number(log[0]?.bytes) / 1_000 / customers)} kB of PostgreSQL's log a customer, ${newFiles} new files of it
`);
  console.log(
    printTable({
      columns: ['the other app', 'before: p50 ms', 'p99 ms', 'meanwhile: p50 ms', 'p99 ms', 'max ms'],
      rows: [
        ['write', ms(before, 0.5), ms(before, 0.99), ms(meanwhile, 0.5), ms(meanwhile, 0.99), ms(meanwhile, 1)],
        [
          'its event is numbered',
          ...[ms(numberedBefore, 0.5), ms(numberedBefore, 0.99)],
          ...[ms(numberedMeanwhile, 0.5), ms(numberedMeanwhile, 0.99), ms(numberedMeanwhile, 1)],
        ],
      ],
    }),
  );
  const ratio = quantile(meanwhile, 0.99) / quantile(before, 0.99);
  console.log(`
- ${ratio <= 2 ? 'reached' : 'MISSED'}: the p99 of another writer at most doubled (${ratio.toFixed(1)}×)
- ${quantile(numberedMeanwhile, 0.99) <= 15 ? 'reached' : 'MISSED'}: its events are numbered within 15 ms (p99 ${ms(numberedMeanwhile, 0.99)} ms)`);
}

/** How many files of its log the server has made. */
async function countNewFiles(superuser: pg.Client): Promise<number> {
  const { rows } = await superuser.query<{ files: number }>(
    `select coalesce(sum(write_bytes) / 16777216, 0)::integer as files from pg_stat_io where object = 'wal' and context = 'init'`,
  );
  return rows[0]?.files ?? 0;
}

/** The worker begins with a backlog of all bulk events. */
async function measureNumbering(server: LocalServer): Promise<void> {
  const database = 'numbered';
  await prepare(server, database);
  await writeAll(server, database, 'bulk path');
  const superuser = await connect(server, 'postgres', database);
  await superuser.query('vacuum (freeze, analyze)');
  const startedAt = performance.now();
  await startSequencer(server, database);
  let beganAt = 0;
  for (;;) {
    const { rows } = await superuser.query<{ head: string }>('select sync.head() as head');
    if (beganAt === 0 && Number(rows[0]?.head) > 0) beganAt = performance.now();
    if (Number(rows[0]?.head) >= customers) break;
    await wait(5);
  }
  const seconds = (performance.now() - (beganAt || startedAt)) / 1_000;
  const rate = customers / seconds;
  console.log(`
Numbering a backlog of bulk events, sustained: ${Math.round(rate).toLocaleString('en')}/s (load of the machine: ${load()})

- ${rate >= 60_000 ? 'reached' : 'MISSED'}: 60,000/s`);
  await superuser.end();
}

async function startSequencer(server: LocalServer, database: string): Promise<void> {
  const child = fork(fileURLToPath(import.meta.resolve('@aether/sync/main')), [], {
    env: { ...process.env, PLATFORM_DB_URL: server.urlOf('sync_app', database), LOG_LEVEL: 'warn' },
  });
  children.push(child);
  await Promise.race([once(child, 'spawn'), once(child, 'exit')]);
}

function load(): string {
  return loadavg()
    .map((each) => each.toFixed(1))
    .join(', ');
}
