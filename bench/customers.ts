import { bootstrap, type LocalServer, migrate } from '@aether/database';
import pg from 'pg';

export function emailOf(number: number): string {
  return `person${number}@company${number % 5000}.example`;
}

/** Indexes that no lookup needs and that take long to build. */
const indexesLeftOut = ['platform.customers_search'];

/**
 * Makes a database with so many customers, 5,000 companies, a deal for every fourth customer and three activities for
 * every second one. The superuser loads it without triggers and builds the indexes afterwards, because loading is not
 * measured.
 */
export async function fillCustomers(local: LocalServer, database: string, customers: number): Promise<void> {
  const startedAt = performance.now();
  await bootstrap(local.adminUrl, { database, passwords: {} });
  await migrate(local.urlOf('platform_migrator', database));

  const superuser = new pg.Client({ connectionString: local.server.superuserUrl(database) });
  await superuser.connect();
  try {
    await superuser.query(`set session_replication_role = replica; set maintenance_work_mem = '512MB'`);
    const { rows: indexes } = await superuser.query<{ name: string; definition: string }>(
      `select i.indexrelid::regclass as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
       where not i.indisunique
         and i.indrelid in ('platform.customers'::regclass, 'platform.customer_emails'::regclass, 'crm.deals'::regclass,
           'crm.activities'::regclass)`,
    );
    for (const { name } of indexes) await superuser.query(`drop index ${name}`);
    await superuser.query(`
      insert into platform.users (id, email, name) select 'manager' || n, 'manager' || n || '@aether.example', 'Manager ' || n
        from generate_series(0, 49) n;
      insert into platform.companies (name, domain, created_by_app) select 'Company ' || n, 'company' || n || '.example', 'foundation'
        from generate_series(0, 4999) n;
      insert into crm.pipelines (name, is_default) values ('Sales', true);
      insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'Open', 1 from crm.pipelines`);
    await superuser.query(
      `insert into platform.customers (email, email_key, name, company_id, created_by_app, crm_id, account_tier, account_manager_id)
       select a.email, a.email, 'Person ' || n, o.id, 'foundation', n + 1, 'standard', 'manager' || n % 50
       from generate_series(0, $1::integer - 1) n
       cross join lateral (select 'person' || n || '@company' || n % 5000 || '.example' as email) a
       join platform.companies o on o.domain = 'company' || n % 5000 || '.example'`,
      [customers],
    );
    await superuser.query(`
      insert into platform.customer_emails (email_key, email, customer_id, is_primary) select email_key, email, id, true
        from platform.customers;
      insert into platform.customer_external_ids (app, external_id, customer_id) select 'foundation', crm_id, id from platform.customers;
      insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount)
      select c.id, s.pipeline_id, s.id, 'Deal', 100 from platform.customers c, crm.pipeline_stages s where c.crm_id % 4 = 0;
      insert into crm.activities (customer_id, type, description, created_by_app)
      select c.id, 'note', 'A note', 'foundation' from platform.customers c, generate_series(1, 3) where c.crm_id % 2 = 0`);
    for (const { name, definition } of indexes) if (!indexesLeftOut.includes(name)) await superuser.query(definition);
    await superuser.query('vacuum (analyze)'); // autovacuum would do it later, but must not run during a measurement
  } finally {
    await superuser.end();
  }
  console.error(
    `${customers.toLocaleString('en')} customers loaded in ${Math.round((performance.now() - startedAt) / 1000)} s`,
  );
}
