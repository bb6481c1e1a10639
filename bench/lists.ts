import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import {
  type CustomerFilters,
  type CustomerList,
  countCustomers,
  listCustomers,
  readTimeline,
} from '@aether/foundation';
import { connectPlatform } from '@aether/platform';
import pg from 'pg';
import { quantile } from './measure.ts';

/*
 * How long the lists of Foundation take with many customers: the first page with its count, as the screen asks for it, and a page
 * far behind; and a page of a timeline with very many entries.
 *
 *   npm run bench:lists                      2,000,000 customers, 100,000 entries
 *   npm run bench:lists -- --customers 200000
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '2000000' },
    entries: { type: 'string', default: '100000' },
    times: { type: 'string', default: '9' },
  },
});
const customersCount = Number(options.customers);
const entriesCount = Number(options.entries);
const goalMs = 100;

const lists: { name: string; filters?: CustomerFilters; sort?: CustomerList['sort'] }[] = [
  { name: 'everybody, newest first' },
  { name: 'everybody by name', sort: 'name' },
  { name: 'everybody by tier', sort: 'tier' },
  { name: 'everybody by last change', sort: 'updated' },
  { name: 'everybody by company', sort: 'company' },
  { name: 'a rare word: “lindqvist77”', filters: { search: 'lindqvist77' } },
  { name: 'a word of one in fifty: “amara”', filters: { search: 'amara' } },
  { name: 'the same by name', filters: { search: 'amara' }, sort: 'name' },
  { name: 'a word that everybody has: “example”', filters: { search: 'example' } },
  { name: 'the same by name', filters: { search: 'example' }, sort: 'name' },
  { name: 'one letter: “a”', filters: { search: 'a' } },
  { name: 'two letters: “am”', filters: { search: 'am' } },
  { name: 'three letters: “ama”', filters: { search: 'ama' } },
  { name: 'a name: “amara lindqvist77”', filters: { search: 'amara lindqvist77' } },
  { name: 'a company: “company 4711”', filters: { search: 'company 4711' } },
  { name: 'an address', filters: { search: 'amara.lindqvist77.1076@company1076.example' } },
  { name: 'nobody: “zzyzx”', filters: { search: 'zzyzx' } },
  { name: 'premium, by name', filters: { tier: 'premium' }, sort: 'name' },
  { name: 'of one manager', filters: { manager: 'manager7' } },
  { name: 'without a manager, by name', filters: { no_manager: true }, sort: 'name' },
];

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54520,
    settings: { shared_buffers: '2GB', max_wal_size: '8GB' },
  });
  await fill(local);
  const db = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: local.urlOf('foundation_app') },
  });
  console.log(
    `${customersCount.toLocaleString('en')} customers\n\n| list of fifty | first page with its count: p50 ms | slowest ms |\n|---|--:|--:|`,
  );
  let slow = 0;
  for (const { name, filters = {}, sort = 'created' } of lists) {
    const direction = sort === 'created' || sort === 'updated' ? ('desc' as const) : ('asc' as const);
    const both = await time(async () => {
      const found = await listCustomers(db, { filters, sort, direction, limit: 51 });
      if (!found.isFrequent && found.customers.length > 50) await countCustomers(db, filters, 1_000);
    });
    if (both.p50 > goalMs) slow++;
    console.log(`| ${name} | ${both.p50.toFixed(1)} | ${both.max.toFixed(1)} |`);
  }
  const [one] = await db.query<{ id: string }>('select id from platform.customers order by name offset 100000 limit 1');
  const far = await time(() =>
    listCustomers(db, { filters: {}, sort: 'name', direction: 'asc', after: one?.id, limit: 51 }),
  );
  console.log(`| everybody by name, behind 100,000 | ${far.p50.toFixed(1)} | ${far.max.toFixed(1)} |`);

  const [{ id: busy } = { id: '' }] = await db.query<{ id: string }>(
    `select customer_id as id from crm.activities limit 1`,
  );
  const first = await time(() => readTimeline(db, busy, { filters: {}, limit: 41 }));
  const [place] = await db.query<{ at: string; id: string }>(
    `select to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, id from crm.activities where customer_id = $1
     order by occurred_at desc, id desc offset ${Math.round(entriesCount * 0.4)} limit 1`,
    [busy],
  );
  const deep = await time(() => readTimeline(db, busy, { filters: {}, after: place, limit: 41 }));
  console.log(
    `\nTimeline of ${entriesCount.toLocaleString('en')} entries: first page ${first.p50.toFixed(1)} ms, a page in the middle ${deep.p50.toFixed(1)} ms.`,
  );
  console.log(`\n${slow === 0 ? 'reached' : `MISSED by ${slow}`}: every first page within ${goalMs} ms`);
  await db.close();
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function time(ask: () => Promise<unknown>): Promise<{ p50: number; max: number }> {
  const took: number[] = [];
  for (let n = 0; n < Number(options.times); n++) {
    const startedAt = performance.now();
    await ask();
    took.push(performance.now() - startedAt);
  }
  took.sort((a, b) => a - b);
  return { p50: quantile(took, 0.5), max: took.at(-1) ?? Number.NaN };
}

/** As the owner and without triggers: loading is not what is measured. */
async function fill(server: LocalServer): Promise<void> {
  await bootstrap(server.adminUrl, { database: 'bench', passwords: {} });
  await migrate(server.urlOf('platform_migrator'));
  const owner = new pg.Client({ connectionString: server.urlOf('platform_migrator') });
  await owner.connect();
  await owner.query(`set role platform_owner; set statement_timeout = 0; set maintenance_work_mem = '1GB';
    alter table platform.customers disable trigger user; alter table crm.activities disable trigger user;
    insert into platform.users (id, email, name) select 'manager' || n, 'manager' || n || '@aether.example', 'Manager ' || n from generate_series(0, 49) n;
    insert into platform.companies (name, domain, created_by_app) select 'Company ' || n, 'company' || n || '.example', 'foundation' from generate_series(0, 19999) n`);
  await owner.query(
    `insert into platform.customers (email, email_key, name, company_id, created_by_app, crm_id, account_tier, account_manager_id, created_at, updated_at)
     select a.email, a.email, initcap(a.first) || ' ' || initcap(a.last), o.id, 'foundation', n + 1,
            case n % 10 when 0 then 'premium' when 1 then null else 'standard' end, case when n % 3 > 0 then 'manager' || n % 50 end,
            now() - make_interval(secs => n), now() - make_interval(secs => (n::bigint * 7919) % 31536000)
     from generate_series(0, $1::integer - 1) n
     cross join lateral (select (array['amara','bruno','clara','daan','elif','farid','giulia','hugo','ines','jasper','kaito','lars','mei','noor','omar','paula',
        'quentin','rania','selma','tariq','uma','viktor','wanjiru','yara','zoltan','aisha','beatriz','camille','dmitri','esther','freya','gabriel','hana','ivan','joana',
        'katarzyna','leila','mads','nadia','olga','rafael','saskia','tessa','yusra','zuzana','anders','chidi','dalia','emeka','milan'])[1 + n % 50] as first,
        (array['lindqvist','okafor','weber','nair','berglund','novak','rossi','tanaka','silva','haddad'])[1 + (n / 50) % 10] || (n / 500) % 200 as last) p
     cross join lateral (select p.first || '.' || p.last || '.' || n || '@company' || n % 20000 || '.example' as email, p.first, p.last) a
     join platform.companies o on o.domain = 'company' || n % 20000 || '.example'`,
    [customersCount],
  );
  await owner.query(`
    insert into platform.customer_emails (email_key, customer_id, is_primary) select email_key, id, true from platform.customers;
    insert into crm.activities (customer_id, type, description, created_by_app, occurred_at)
    select (select id from platform.customers limit 1), 'note', 'Entry ' || n, 'foundation', now() - make_interval(mins => n) from generate_series(1, ${entriesCount / 2}) n;
    insert into crm.changes (event_id, customer_id, change, app, occurred_at, data, previous)
    select n, (select id from platform.customers limit 1), 'edited', 'foundation', now() - make_interval(mins => n), '{"name": "b"}', '{"name": "a"}' from generate_series(1, ${entriesCount / 2}) n`);
  await owner.query('vacuum analyze');
  await owner.end();
}
