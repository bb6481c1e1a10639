import { bootstrap, type LocalServer, migrate } from '@aether/database';
import pg from 'pg';
import { isFilled } from './filled.ts';

export function emailOf(number: number): string {
  return `person${number}@company${number % 5000}.example`;
}

/** The tables that are filled, and those of their indexes that lookups use beside the keys. The others take most of the time of a fill. */
const tables = ['platform.customers', 'platform.customer_emails', 'crm.deals', 'crm.activities'];
const indexesOfLookups = [
  ...['platform.customers_by_email', 'platform.customer_emails_others'],
  ...['crm.deals_open', 'crm.deals_customer', 'crm.activities_timeline'],
];
/** Each chunk is a statement of its own, and two of them are under way, one for each core. */
const chunk = 100_000;
const connections = 2;

/** For the customers from $1 up to $2. */
const statements = [
  `insert into platform.customers (email, email_key, name, company_id, created_by_app, crm_id, account_tier, account_manager_id)
   select a.email, a.email, 'Person ' || n, o.id, 'foundation', n + 1, 'standard', 'manager' || n % 50
   from generate_series($1::integer, $2::integer - 1) n
   cross join lateral (select 'person' || n || '@company' || n % 5000 || '.example' as email) a
   join platform.companies o on o.domain = 'company' || n % 5000 || '.example'`,
  `insert into platform.customer_emails (email_key, email, customer_id, is_primary)
   select email_key, email, id, true from platform.customers where crm_id > $1::integer and crm_id <= $2::integer`,
  `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount)
   select c.id, s.pipeline_id, s.id, 'Deal', 100
   from platform.customers c, crm.pipeline_stages s where c.crm_id > $1::integer and c.crm_id <= $2::integer and c.crm_id % 4 = 0`,
  `insert into crm.activities (customer_id, type, description, created_by_app)
   select c.id, 'note', 'A note', 'foundation'
   from platform.customers c, generate_series(1, 3) where c.crm_id > $1::integer and c.crm_id <= $2::integer and c.crm_id % 2 = 0`,
];

/**
 * Makes a database with so many customers, 5,000 companies, a deal for every fourth customer and three activities for
 * every second one. The superuser loads it without triggers, checks and the indexes that no lookup needs, because loading is not
 * measured. A database that a bench has filled before is left as it is.
 */
export async function fillCustomers(local: LocalServer, database: string, customers: number): Promise<void> {
  if (await isFilled(local, database, 'crm.activities')) return;
  const startedAt = performance.now();
  await bootstrap(local.adminUrl, { database, passwords: {} });
  await migrate(local.urlOf('platform_migrator', database));

  const superuser = new pg.Pool({
    connectionString: local.server.superuserUrl(database),
    max: connections,
    options: '-c session_replication_role=replica -c maintenance_work_mem=1GB',
  });
  try {
    const { rows: indexes } = await superuser.query<{ name: string; definition: string }>(
      `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
       where not i.indisunique and i.indrelid = any ($1::regclass[])`,
      [tables],
    );
    for (const { name } of indexes) await superuser.query(`drop index ${name}`);
    const { rows: checks } = await superuser.query<{ table: string; name: string }>(
      `select conrelid::regclass::text as table, quote_ident(conname) as name from pg_constraint
       where contype = 'c' and conrelid = any ($1::regclass[])`,
      [tables],
    );
    for (const { table, name } of checks) await superuser.query(`alter table ${table} drop constraint ${name}`);
    await superuser.query(`
      insert into platform.users (id, email, name) select 'manager' || n, 'manager' || n || '@aether.example', 'Manager ' || n
        from generate_series(0, 49) n;
      insert into platform.companies (name, domain, created_by_app) select 'Company ' || n, 'company' || n || '.example', 'foundation'
        from generate_series(0, 4999) n;
      insert into crm.pipelines (name, is_default) values ('Sales', true);
      insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'Open', 1 from crm.pipelines;
      analyze platform.companies`);
    for (const statement of statements) {
      const froms = Array.from({ length: Math.ceil(customers / chunk) }, (_, n) => n * chunk);
      const fill = async () => {
        for (let from = froms.shift(); from !== undefined; from = froms.shift())
          await superuser.query(statement, [from, Math.min(from + chunk, customers)]);
      };
      await Promise.all(Array.from({ length: connections }, fill));
    }
    for (const { name, definition } of indexes) if (indexesOfLookups.includes(name)) await superuser.query(definition);
    await superuser.query('vacuum (analyze)'); // autovacuum would do it later, but must not run during a measurement
  } finally {
    await superuser.end();
  }
  console.error(
    `${customers.toLocaleString('en')} customers loaded in ${Math.round((performance.now() - startedAt) / 1000)} s`,
  );
}
