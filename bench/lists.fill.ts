import { type LocalServer, migrate } from '@aether/database';
import pg from 'pg';

/** The tables whose indexes, and what is checked of each row, are made after their rows. */
const largeTables = ['platform.customers', 'platform.customer_emails', 'crm.customer_order'];

/** What a server leaves out that is only filled and then only read. */
export const fillSettings = { fsync: 'off', full_page_writes: 'off', wal_level: 'minimal', max_wal_senders: '0' };

/**
 * Fills the tables without references, and makes the indexes afterwards, because loading is not measured. The triggers of customers,
 * activities and deals stay off.
 *
 * @param onStep hears what is done next, and how long the former step took.
 */
export async function fillLists(
  server: LocalServer,
  { customers, deals, entries }: { customers: number; deals: number; entries: number },
  onStep: (line: string) => void = () => {},
): Promise<void> {
  await migrate(server.urlOf('platform_migrator'));
  const owner = new pg.Client({ connectionString: server.server.superuserUrl('bench') });
  owner.on('error', () => {}); // the server stops when the bench fails
  await owner.connect();
  let startedAt = performance.now();
  const step = (name: string) => {
    onStep(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s; ${name}`);
    startedAt = performance.now();
  };
  await owner.query(`set statement_timeout = 0; set maintenance_work_mem = '1GB'; set role platform_owner;
    alter table platform.customers disable trigger user;
    alter table crm.activities disable trigger user;
    alter table crm.deals disable trigger user;
    insert into platform.users (id, email, name) select 'manager' || n, 'manager' || n || '@aether.example', 'Manager ' || n
      from generate_series(0, 49) n;
    insert into platform.companies (name, domain, created_by_app) select 'Company ' || n, 'company' || n || '.example', 'foundation'
      from generate_series(0, 19999) n;
    reset role; set session_replication_role = replica`);
  const { rows: later } = await owner.query<{ drop: string; make: string }>(
    `select format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname) as drop,
            format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
              || case k.contype when 'c' then ' not valid' else '' end as make
     from pg_constraint k where k.contype in ('p', 'u', 'c') and k.conrelid = any ($1::regclass[])
       and not exists (select from pg_constraint f where f.contype = 'f' and f.confrelid = k.conrelid and f.conindid = k.conindid)
     union all
     select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
     from pg_index i where i.indrelid = any ($1::regclass[]) and not exists (select from pg_constraint k where k.conindid = i.indexrelid)`,
    [largeTables],
  );
  for (const { drop } of later) await owner.query(drop);
  step('customers');
  await owner.query(
    `insert into platform.customers (email, email_key, name, company_id, created_by_app, crm_id, account_tier, account_manager_id,
      created_at, updated_at)
     select a.email, a.email, initcap(a.first) || ' ' || initcap(a.last), o.id, 'foundation', n + 1,
            case abs(hashint4(n)) % 10 when 0 then 'premium' when 1 then null else 'standard' end,
              case when n % 3 > 0 then 'manager' || abs(hashint4(n + 1)) % 50 end,
            now() - make_interval(secs => n), now() - make_interval(secs => (n::bigint * 7919) % 31536000)
     from generate_series(0, $1::integer - 1) n
     cross join lateral (select (array[
        'amara','bruno','clara','daan','elif','farid','giulia','hugo','ines','jasper',
        'kaito','lars','mei','noor','omar','paula','quentin','rania','selma','tariq',
        'uma','viktor','wanjiru','yara','zoltan','aisha','beatriz','camille','dmitri','esther',
        'freya','gabriel','hana','ivan','joana','katarzyna','leila','mads','nadia','olga',
        'rafael','saskia','tessa','yusra','zuzana','anders','chidi','dalia','emeka','milan'])[1 + n % 50] as first,
        (array['lindqvist','okafor','weber','nair','berglund','novak','rossi','tanaka','silva','haddad'])[1 + (n / 50) % 10]
          || (n / 500) % 200 as last) p
     cross join lateral (select p.first || '.' || p.last || '.' || n || '@company' || n % 20000 || '.example' as email, p.first, p.last) a
     join platform.companies o on o.domain = 'company' || n % 20000 || '.example'`,
    [customers],
  );
  step('their addresses and orders, and a timeline');
  await owner.query(`
    insert into platform.customer_emails (email_key, email, customer_id, is_primary, added_by_app, added_by)
      select email_key, email, id, true, 'foundation', null from platform.customers;
    insert into crm.customer_order (customer_id, account_tier, updated_at) select id, coalesce(account_tier, '~'), updated_at
      from platform.customers;
    insert into crm.activities (customer_id, type, description, created_by_app, occurred_at)
    select (select id from platform.customers limit 1), 'note', 'Entry ' || n, 'foundation', now() - make_interval(mins => n)
      from generate_series(1, ${entries / 2}) n;
    insert into crm.changes (event_id, customer_id, change, app, occurred_at, data, previous)
    select n, (select id from platform.customers
      limit 1), 'edited', 'foundation', now() - make_interval(mins => n), '{"name": "b"}', '{"name": "a"}'
        from generate_series(1, ${entries / 2}) n`);
  await owner.query(
    `with pipelines as (insert into crm.pipelines (name, is_default) values ('Large', true), ('Small', false) returning id, name)
     insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
     select p.id, s.name, s.position, s.outcome
       from pipelines p, (values ('Qualified', 1, 'open'), ('Demo', 2, 'open'), ('Proposal', 3, 'open'),
       ('Won', 4, 'won'), ('Lost', 5, 'lost')) as s (name, position, outcome)`,
  );
  for (const { make } of later) {
    step(make);
    await owner.query(make);
  }
  step('deals');
  // One in twenty customers has a deal; the small pipeline has five hundred deals.
  await owner.query(
    `insert into crm.deals (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, status, closed_at, owner_id,
      expected_close_on, created_at, updated_at)
     select c.id, c.company_id, p.id, s.id,
       (array['Renewal','Pilot','Expansion','Licences','Training'])[1 + abs(hashint4(n)) % 5] || ' ' || n % 977, (n::bigint * 37) % 50000,
       case when n % 4 = 0 then 'USD' else 'EUR' end, s.outcome,
         case when s.outcome <> 'open' then now() - make_interval(days => n % 300) end,
       'manager' || n % 50, case when n % 6 > 0 then current_date + n % 200 end, now() - make_interval(mins => n),
         now() - make_interval(mins => ((n::bigint * 7919) % 500000)::integer)
     from (select id, company_id, row_number() over (order by crm_id)::integer as n from platform.customers
       where crm_id % greatest(1, $2::integer / $1::integer - 1) = 0 limit $1) c
     join crm.pipelines p on p.name = case when n <= 500 then 'Small' else 'Large' end
     join crm.pipeline_stages s on s.pipeline_id = p.id and s.position = 1 + n % 5`,
    [deals, customers],
  );
  step('vacuum and analyze');
  await owner.query('vacuum analyze');
  step('filled');
  await owner.end();
}
