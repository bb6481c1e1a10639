import type { LocalServer } from '@aether/database';
import pg from 'pg';

/** Gives the customers of `fillLists` custom fields, activities and tags, as the owner and without triggers. */
export async function fillFilters(server: LocalServer, { activities }: { activities: number }): Promise<void> {
  const owner = new pg.Client({ connectionString: server.urlOf('platform_migrator') });
  owner.on('error', () => {}); // the server stops when the bench fails
  await owner.connect();
  await owner.query(`set role platform_owner; set statement_timeout = 0;
    alter table crm.custom_field_values disable trigger user;
    alter table crm.customer_tags disable trigger user;
    insert into crm.custom_fields (record, key, label, type, choices) values
      ('customer', 'employees', 'Employees', 'number', '{}'),
      ('customer', 'region', 'Region', 'choice', '{North,South,East,West,Island}'),
      ('customer', 'renewal', 'Renewal', 'date', '{}'),
      ('customer', 'remark', 'Remark', 'text', '{}'),
      ('customer', 'reference', 'Reference', 'checkbox', '{}');
    insert into crm.tags (name) values ('Fair'), ('Partner')`);
  // One in two thousand lives on an island; a word of a remark is one customer's, and "contract" is everybody's.
  await owner.query(`
    insert into crm.custom_field_values (field_id, field_key, field_label, customer_id, value)
    select f.id, f.key, f.label, c.id, case f.key
        when 'employees' then to_jsonb(abs(hashint8(c.crm_id)) % 1000)
        when 'region' then to_jsonb(case when c.crm_id % 2000 = 0 then 'Island'
          else (array['North', 'South', 'East', 'West'])[1 + abs(hashint8(c.crm_id)) % 4] end)
        when 'renewal' then to_jsonb((date '2026-01-01' + (abs(hashint8(c.crm_id)) % 1000))::text)
        when 'remark' then to_jsonb('Contract of ' || md5(c.crm_id::text) || ' with ' || c.name)
        else 'true'::jsonb end
    from platform.customers c join crm.custom_fields f on case f.key
        when 'employees' then c.crm_id % 10 > 0 when 'region' then c.crm_id % 5 <> 1 when 'renewal' then c.crm_id % 2 = 0
        when 'remark' then c.crm_id % 5 < 3 else c.crm_id % 20 = 0 end
    where f.record = 'customer'`);
  await owner.query(`insert into crm.customer_tags (customer_id, tag_id, tag_name)
    select c.id, t.id, t.name from platform.customers c join crm.tags t on c.crm_id % case t.name when 'Fair' then 20 else 5000 end = 0`);
  // One customer in ten was never spoken with; of the others some are spoken with much more often than others.
  await owner.query(
    `insert into crm.activities (customer_id, type, description, created_by_app, occurred_at)
     select c.id, 'note', 'Spoken ' || n, 'foundation', now() - make_interval(mins => abs(hashint4(n)) % 1051200)
     from generate_series(1, $1::integer) n
     join platform.customers c
       on c.crm_id = 1 + abs(hashint4(n + 7)) % (1 + abs(hashint4(n + 13)) % (select count(*) from platform.customers))
     where c.crm_id % 10 <> 7`,
    [activities],
  );
  await owner.query(`truncate crm.customer_activity;
    insert into crm.customer_activity (customer_id, last_at) select customer_id, max(occurred_at) from crm.activities group by 1`);
  await owner.query('vacuum analyze');
  await owner.end();
}
