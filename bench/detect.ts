import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import type { PersonEmail, PersonPhone } from '@aether/importer';
import { createModelReader, findSimilar, personOf } from '@aether/importer/similar';
import { people } from '@aether/importer/testing.people';
import { canonicaliseEmail } from '@aether/platform';
import { lookAt, trainModel, walkPage } from '@aether/sync/detection';
import pg from 'pg';
import { median, quantile } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Measures what finding duplicates costs among many customers: the model, the walk over all, a look at customers that were changed, one by one
 * and a hundred at once, and a hint while somebody writes down a new customer. The customers are generated people; they are loaded without
 * triggers, because loading is not measured.
 *
 *   npm run bench:detect
 *   npm run bench:detect -- --customers 20000
 */
const { values: options } = parseArgs({ options: { customers: { type: 'string', default: '200000' } } });
const customers = Number(options.customers);
const looksMeasured = 500;

const nameOf = (person: { name: string | null; firstName: string | null; lastName: string | null }) =>
  person.name ?? [person.firstName, person.lastName].filter(Boolean).join(' ');
const say = (ms: number) => (ms > 1_000 ? `${(ms / 1_000).toFixed(1)} s` : `${ms.toFixed(1)} ms`);
const quantiles = (times: number[]) =>
  [
    median(times),
    quantile(
      times.toSorted((a, b) => a - b),
      0.99,
    ),
    Math.max(...times),
  ].map(say);

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54560,
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
  const superuser = new pg.Client({ connectionString: server.server.superuserUrl('bench') });
  const worker = new pg.Client({ connectionString: server.urlOf('sync_app', 'bench') });
  for (const client of [superuser, worker]) client.on('error', () => {}); // a failure of the measurement is the one to see
  await Promise.all([superuser.connect(), worker.connect()]);
  await fill(superuser);
  const on = { query: async (text: string, values?: unknown[]) => (await worker.query(text, values)).rows as never };
  console.log(`${customers.toLocaleString('en')} customers; load ${loadavg()[0]?.toFixed(1)}`);

  const training = await timed(() => trainModel(on));
  const readModel = createModelReader();
  const phases = { keys: 0, pairs: 0 };
  for (let more = true; more; ) {
    await worker.query('begin');
    const { rows } = await worker.query('select phase from sync.match_walk');
    const ms = await timed(async () => {
      more = await walkPage(on, { readModel });
      await worker.query('commit');
    });
    phases[rows[0].phase as keyof typeof phases] += ms;
  }
  const { rows: sizes } = await superuser.query<{
    rows: string;
    keys: number;
    size: string;
    cut: string;
    pairs: string;
  }>(
    `select count(*) as rows, avg(cardinality(keys))::float8 as keys, pg_size_pretty(pg_total_relation_size('sync.match_keys')) as size,
       count(*) filter (where cut_off <> '{}') as cut, (select count(*) from platform.review_candidates) as pairs from sync.match_keys`,
  );
  const { rows: chosen } = await superuser.query<{ id: string }>(
    'select id from platform.customers order by md5(id::text) limit $1',
    [looksMeasured],
  );
  const looks: number[] = [];
  for (const { id } of chosen)
    looks.push(
      await timed(async () => {
        await worker.query('begin');
        await lookAt(on, { ids: [id], readModel });
        await worker.query('commit');
      }),
    );
  const batches: number[] = [];
  for (let at = 0; at < chosen.length; at += 100)
    batches.push(
      await timed(async () => {
        await worker.query('begin');
        await lookAt(on, { ids: chosen.slice(at, at + 100).map(({ id }) => id), readModel });
        await worker.query('commit');
      }),
    );
  const drafts = people({ seed: 99 });
  const hints: number[] = [];
  for (let n = 0; n < looksMeasured; n++) {
    const draft = drafts.next().value;
    if (!draft) break;
    const person = personOf({
      name: nameOf(draft),
      emails: draft.emails.map((email: PersonEmail) => email.key),
      phones: draft.phones.flatMap((phone: PersonPhone) => phone.key ?? []),
      company: null,
    });
    hints.push(await timed(async () => findSimilar(on, await readModel(on), [{ person }])));
  }
  const [size] = sizes;
  console.log(
    `${Number(size?.rows).toLocaleString('en')} rows of keys, ${size?.keys.toFixed(1)} keys each, ${size?.size} with indexes; ` +
      `${size?.cut} customers have a key of too many; ${Number(size?.pairs).toLocaleString('en')} pairs`,
  );
  console.log(
    printTable({
      columns: ['', 'all', 'median', '99 of 100', 'longest'],
      rows: [
        ['the model', say(training)],
        ['the walk: keys', say(phases.keys)],
        ['the walk: pairs', say(phases.pairs)],
        ['a look at one customer', '', ...quantiles(looks)],
        ['a look at a hundred', '', ...quantiles(batches)],
        ['a hint', '', ...quantiles(hints)],
      ].map((row) => [...row, '', '', '', ''].slice(0, 5)),
    }),
  );
  await Promise.all([worker.end(), superuser.end()]);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** An address belongs to one customer, so who has it already gets one of the same local part elsewhere. */
async function fill(superuser: pg.Client): Promise<void> {
  await superuser.query('set session_replication_role = replica');
  const source = people({ seed: 3 });
  const taken = new Set<string>();
  for (let left = customers; left > 0; left -= 5_000) {
    const rows = Array.from({ length: Math.min(5_000, left) }, (_, at) => {
      const person = source.next().value;
      if (!person) throw new Error('There are no more people.');
      const number = left - at;
      const read = canonicaliseEmail(person.emails[0]?.key ?? '');
      const given = read.ok ? read.key : `nobody${number}@nowhere.example`;
      const email = taken.has(given) ? `${given.split('@')[0]}@again${number}.example` : given;
      taken.add(email);
      return { email, name: nameOf(person).slice(0, 200) || `Person ${number}`, phone: person.phones[0]?.key ?? null };
    });
    await superuser.query(
      `with given as (select uuidv7() as id, g.* from jsonb_to_recordset($1) g (email text, name text, phone text)),
       made as (
         insert into platform.customers (id, email, email_key, name, phone, phone_key, created_by_app)
         select g.id, g.email, g.email, g.name, g.phone, g.phone, 'foundation' from given g),
       numbers as (
         insert into platform.customer_phones (customer_id, phone, phone_key, is_primary)
         select g.id, g.phone, g.phone, true from given g where g.phone is not null)
       insert into platform.customer_emails (email_key, email, customer_id, is_primary) select g.email, g.email, g.id, true from given g`,
      [JSON.stringify(rows)],
    );
  }
  await superuser.query('vacuum (analyze)');
}
