import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import {
  applyImport,
  openSource,
  planImport,
  readPersons,
  recognise,
  undoImport,
  verifyImport,
} from '@aether/importer';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { printTable } from './tables.ts';

/*
 * An import of two lists, beside a plain SQL script that only inserts and de-duplicates.
 *
 * Both begin with the same two CSV files: N/2 people each, of whom every second one is in the other file as well, so that 3N/4 customers come
 * of N rows. The import reads, canonicalises, plans and applies: customers with addresses, telephone numbers, numbers of the app and events,
 * and the ledger. The script copies both files into a table of texts and inserts one customer for each lower-cased address, with what a
 * customer needs to be found: its address, its number, its telephone number and its place in the lists. It runs as the superuser, in one
 * transaction, with the row triggers of all tables off; it checks nothing, writes no event and keeps no ledger. Each has a database of its own
 * with the same schema and indexes. Between two parts everything is written to the disk, so that none waits for what another one has left.
 *
 *   npm run bench:import
 *   npm run bench:import -- --rows 2000000 --step 2000
 *   npm run bench:import -- --rows 6000000 --only import
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    step: { type: 'string' },
    only: { type: 'string', default: 'plain,import,again,undo' },
  },
});
const only = options.only.split(',');
const rows = Number(options.rows);
const millisecondsPerRow = 0.9;
const bytesPerRow = 12_000;
const customers = Math.ceil((rows * 3) / 4);

const firstNames =
  'Ada Ben Carla Dmitri Elif Farah Goran Hanna Ivan Jale Kofi Lena Milan Nadia Otto Priya Quentin Rosa Samir Tereza'.split(
    ' ',
  );
const lastNames =
  'Almeida Brandt Castillo Dvorak Eriksen Fontaine Gruber Hoffmann Ito Jansen Kowalski Lindqvist Moreau Novak'.split(
    ' ',
  );

function lineOf(number: number, id: string): string {
  const first = firstNames[number % firstNames.length] as string;
  const last = lastNames[(number * 7) % lastNames.length] as string;
  // Addresses come in no order, as in real lists; one list writes them in capitals.
  const mixed = ((number * 2_654_435_761) % 4_294_967_296).toString(36);
  const email = `${first}.${last}.${mixed}.${number}@company${number % 5000}.example`;
  return `${id}${number},${id === 'A' ? email : email.toLowerCase()},${first} ${last},+4930${String(number).padStart(7, '0')},2020-03-0${(number % 9) + 1}T10:00:00Z\n`;
}

function* listOf(id: string, from: number, to: number): Generator<string> {
  let text = 'id,email,name,phone,created_at\n';
  for (let number = from; number < to; number++) {
    text += lineOf(number, id);
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  yield text;
}

const plainScript = {
  customers: `
    insert into platform.customers (email, email_key, name, phone, phone_key, created_at, created_by_app, crm_id)
    select email, lower(email), name, phone, phone, created_at::timestamptz, 'foundation', nextval('crm.customer_number')
    from (select distinct on (lower(email)) * from staging.plain order by lower(email)) one`,
  addresses: `
    insert into platform.customer_emails (email_key, email, customer_id, is_primary)
    select email_key, email, id, true from platform.customers`,
  numbers: `
    insert into platform.customer_external_ids (app, external_id, customer_id)
    select 'foundation', crm_id, id from platform.customers`,
  phones: `
    insert into platform.customer_phones (customer_id, phone, phone_key, is_primary)
    select id, phone, phone_key, true from platform.customers`,
  order: `
    insert into crm.customer_order (customer_id, account_tier, updated_at) select id, '~', updated_at from platform.customers`,
};

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
const lists = [
  { source: 'first-crm', path: join(folder, 'first.csv'), id: 'A', from: 0, to: rows / 2 },
  { source: 'second-crm', path: join(folder, 'second.csv'), id: 'B', from: rows / 4, to: (rows * 3) / 4 },
];
let local: LocalServer | undefined;
const seconds = new Map<string, number>();
/** Of this process and of the server's process that works for it: what other work on the machine does not lengthen. */
const cpuSeconds = new Map<string, number>();
let backend = 0;
try {
  for (const { path, id, from, to } of lists)
    await pipeline(Readable.from(listOf(id, from, to)), createWriteStream(path));
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54540,
    settings: { shared_buffers: '1GB', max_wal_size: '16GB', checkpoint_timeout: '1h' },
  });
  console.log(`${rows.toLocaleString('en')} rows of two sources, ${customers.toLocaleString('en')} customers`);
  await sayNeeds();
  if (only.includes('plain')) await insertPlainly(local);
  if (only.includes('import')) await importLists(local, only.includes('again'));
  report();
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

/** What a run takes, by what smaller ones took: a row of the lists costs so much of both databases, their logs included. */
async function sayNeeds(): Promise<void> {
  const minutes = (rows * millisecondsPerRow) / 60_000;
  const gigabytes = (rows * bytesPerRow) / 1e9;
  const { bavail, bsize } = await statfs(folder);
  const free = (bavail * bsize) / 1e9;
  console.log(
    `expected: ${minutes < 1 ? 'less than a minute' : `${Math.round(minutes)} minutes`} on a quiet machine, ` +
      `${gigabytes.toFixed(1)} GB of ${free.toFixed(0)} GB on the disk`,
  );
  if (gigabytes > free) throw new Error(`There is no room for it in ${folder}: set TMPDIR to a larger disk.`);
}

async function prepare(server: LocalServer, database: string): Promise<void> {
  await bootstrap(server.adminUrl, { database, passwords: {} });
  await migrate(server.urlOf('platform_migrator', database));
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // the running query fails with the same error
  await client.connect();
  return client;
}

async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const cpuBefore = readCpu();
  const result = await work();
  seconds.set(name, (performance.now() - startedAt) / 1_000);
  cpuSeconds.set(name, readCpu() - cpuBefore);
  const times = `${seconds.get(name)?.toFixed(2)} s, of the processor ${cpuSeconds.get(name)?.toFixed(2)} s`;
  console.log(`  ${name}: ${times} (load ${loadavg()[0]?.toFixed(1)}, memory ${rss()} MB)`);
  return result;
}

function readCpu(): number {
  const { user, system } = process.cpuUsage();
  // After the name of the program, which may have blanks, utime and stime are the 12th and the 13th number, in hundredths.
  const [utime, stime] = readFileSync(`/proc/${backend}/stat`, 'utf8').split(') ')[1]?.split(' ').slice(11, 13) ?? [];
  return (user + system) / 1e6 + (Number(utime) + Number(stime)) / 100;
}

/** In MB, the most so far. */
function rss(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

/** Writes what is not on the disk yet, and says how much is. */
async function settle(superuser: pg.Client): Promise<void> {
  await superuser.query('checkpoint');
  const { rows: sizes } = await superuser.query<{ data: string; log: string }>(
    `select sum(pg_database_size(d.datname)) as data, (select sum(w.size) from pg_ls_waldir() w) as log from pg_database d`,
  );
  const [data, log] = [Number(sizes[0]?.data) / 1e9, Number(sizes[0]?.log) / 1e9];
  console.log(`  on the disk: ${data.toFixed(2)} GB of data, ${log.toFixed(2)} GB of the database's log`);
}

async function useBackend(client: pg.Client): Promise<void> {
  backend = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid as number;
}

async function insertPlainly(server: LocalServer): Promise<void> {
  await prepare(server, 'plain');
  const superuser = await connect(server.server.superuserUrl('plain'));
  for (const table of ['customers', 'customer_emails', 'customer_external_ids', 'customer_phones'])
    await superuser.query(`alter table platform.${table} disable trigger user`);
  await useBackend(superuser);
  await superuser.query('create table staging.plain (id text, email text, name text, phone text, created_at text)');
  await superuser.query('begin');
  await timed('plain: copy', async () => {
    for (const { path } of lists)
      await pipeline(
        createReadStream(path),
        superuser.query(copyFrom('copy staging.plain from stdin with (format csv, header)')),
      );
  });
  for (const [what, sql] of Object.entries(plainScript)) await timed(`plain: ${what}`, () => superuser.query(sql));
  await timed('plain: commit', () => superuser.query('commit'));
  await superuser.end();
}

async function importLists(server: LocalServer, again: boolean): Promise<void> {
  await prepare(server, 'imported');
  const superuser = await connect(server.server.superuserUrl('imported'));
  const client = await connect(server.urlOf('sync_app', 'imported'));
  await useBackend(client);
  const plan = () =>
    planImport(client, {
      app: 'foundation',
      sources: lists.map(({ source, path }) => ({ source, name: path, sha256: null, rows: rowsOf(path) })),
    });
  if (only.includes('read'))
    await timed('read', async () => {
      for (const { path } of lists) for await (const _ of rowsOf(path));
    });
  await settle(superuser);
  const { run, counts } = await timed('import: plan', plan);
  console.log(`  ${JSON.stringify(counts)}`);
  await timed('import: apply', () =>
    applyImport(client, run, options.step ? { linesPerStep: Number(options.step) } : {}),
  );
  const { isRight, checks } = await verifyImport(client, run);
  if (!isRight || counts.created !== customers) throw new Error(`wrong: ${JSON.stringify({ counts, checks })}`);
  const facts = async (): Promise<Record<string, string>> =>
    (
      await superuser.query(`select (select count(*) from platform.customers) as customers, (select count(*) from sync.outbox) as events,
        (select sum(version) from platform.customers) as versions, (select count(*) from sync.import_keys) as keys`)
    ).rows[0];
  const before = await facts();
  console.log(`  ${JSON.stringify(before)}`);
  if (again) {
    await settle(superuser);
    const second = await timed('again: plan', plan);
    await timed('again: apply', () => applyImport(client, second.run));
    if (second.counts.unchanged !== rows || JSON.stringify(await facts()) !== JSON.stringify(before))
      throw new Error(`the same files again wrote: ${JSON.stringify(second.counts)}`);
  }
  if (only.includes('undo')) {
    await settle(superuser);
    const undone = await timed('undo: all', () => undoImport(client, run));
    if (undone.removed !== customers || (await facts()).customers !== '0')
      throw new Error(`the undo left something: ${JSON.stringify(undone)}`);
  }
  await client.end();
  await superuser.end();
}

async function* rowsOf(path: string) {
  const source = await openSource(path);
  yield* readPersons(source, { recognition: await recognise(source) });
}

/** The script may have been left out. */
function beside(each: number, script: number): string {
  return script === 0 ? '' : `${(each / script).toFixed(2)}×`;
}

function report(): void {
  const sum = (of: Map<string, number>, beginning: string) =>
    [...of].filter(([name]) => name.startsWith(beginning)).reduce((all, [, each]) => all + each, 0);
  const plain = sum(seconds, 'plain:');
  const plainCpu = sum(cpuSeconds, 'plain:');
  const ways: [string, string, number][] = [
    ['plain script', 'plain:', 1],
    ['import: plan', 'import: plan', 1],
    ['import: plan and apply', 'import:', 2.5],
    ['the same files again', 'again:', 0.4],
    ['undo', 'undo:', 0],
  ];
  console.log(
    `\n${printTable({
      columns: ['', 'seconds', 'rows/s', 'of the script', 'of the processor', 'of the script', 'goal'],
      rows: ways
        .filter(([, beginning]) => sum(seconds, beginning) > 0)
        .map(([name, beginning, goal], place) => {
          const [each, cpu] = [sum(seconds, beginning), sum(cpuSeconds, beginning)];
          return [
            name,
            each.toFixed(1),
            Math.round(rows / each).toLocaleString('en'),
            beside(each, plain),
            cpu.toFixed(1),
            beside(cpu, plainCpu),
            place === 0 || goal === 0 || plain === 0
              ? ''
              : `≤ ${goal}×: ${each / plain <= goal ? 'reached' : 'MISSED'}`,
          ];
        }),
    })}\n`,
  );
  console.log(`Memory of this process: ${rss()} MB`);
}
