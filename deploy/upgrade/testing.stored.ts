import type pg from 'pg';

/*
 * What a database keeps of what its functions have made, held against what they make today. All of it is read from the catalogue, so that a
 * new index, rule or column is looked at without being named here.
 */

const ours = `('platform', 'crm', 'support', 'sync')`;

/** How an index of words, terms or keys is asked for a row, by its operator class: for all that the row's value has in it. */
const asked: Record<string, { of: (value: string) => string; operator: string; hasKeys: (value: string) => string }> = {
  gin_trgm_ops: {
    of: (value) => value,
    operator: 'operator(ext.%)', // with a threshold of 1
    hasKeys: (value) => `cardinality(ext.show_trgm(${value})) > 0`,
  },
  array_ops: { of: (value) => value, operator: '@>', hasKeys: (value) => `cardinality(${value}) > 0` },
  tsvector_ops: {
    of: (value) => `array_to_string(array(
      select '''' || replace(replace(l, '\\', '\\\\'), '''', '''''') || '''' from unnest(tsvector_to_array(${value})) l), ' & ')::tsquery`,
    operator: '@@',
    hasKeys: (value) => `length(${value}) > 0`,
  },
};

type Key = { index: string; target: string; value: string; operators: string; predicate: string | null };

/**
 * The rows to which an index does not lead by what is made of them today; an index that cannot be asked.
 *
 * @param by a superuser
 */
export async function findMissing(by: pg.Client): Promise<string[]> {
  await by.query('create schema checking; create extension amcheck schema checking');
  const missing: string[] = [];
  const { rows: sorted } = await by.query<{ index: string }>(
    `select i.indexrelid::regclass::text as index
     from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam
     where a.amname = 'btree' and x.relkind = 'i' and x.relnamespace::regnamespace::text in ${ours} order by 1`,
  );
  for (const { index } of sorted)
    await by
      .query('select checking.bt_index_check($1::regclass, true)', [index])
      .catch((error) => missing.push(`${index}: ${error.message}`));

  await by.query(`begin; set local pg_trgm.similarity_threshold = 1; set local enable_seqscan = off; set local enable_indexscan = off;
    set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_tidscan = off`);
  const { rows: keys } = await by.query<Key>(
    `select i.indexrelid::regclass::text as index, i.indrelid::regclass::text as target, o.opcname as operators,
       '(' || pg_get_indexdef(i.indexrelid, k.n::integer, true) || ')'
         || coalesce((select ' collate ' || c.oid::regcollation from pg_collation c where c.oid = i.indcollation[k.n - 1]), '') as value,
       pg_get_expr(i.indpred, i.indrelid) as predicate
     from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam
       cross join generate_series(1, i.indnkeyatts) k (n) join pg_opclass o on o.oid = i.indclass[k.n - 1]
     where a.amname <> 'btree' and x.relkind = 'i' and x.relnamespace::regnamespace::text in ${ours} order by 1, k.n`,
  );
  for (const { index, target, value, operators, predicate } of keys) {
    const how = asked[operators];
    if (!how) throw new Error(`How an index of ${operators}, such as ${index}, is asked for a row is not known here.`);
    const isIn = predicate ?? 'true';
    const search = `
      select r.row_place from (
        select ctid as row_place, ${how.of(value)} as row_key from ${target} where (${isIn}) and ${how.hasKeys(value)} offset 0) r
      where not exists (select from ${target} x where (${isIn}) and ${value} ${how.operator} r.row_key and x.ctid = r.row_place)`;
    const plan = JSON.stringify((await by.query(`explain ${search}`)).rows);
    if (!plan.includes(`Bitmap Index Scan on ${index.split('.').at(-1)}`))
      missing.push(`${index} is not asked: ${plan}`);
    const { rowCount } = await by.query(search);
    if (rowCount) missing.push(`${index} leads not to ${rowCount} rows by ${value}`);
  }
  await by.query('rollback');
  return missing;
}

/** The rules that a row breaks as they are today, so that nobody could change it, and stored columns that are of a former expression. */
export async function findBroken(by: pg.Client): Promise<string[]> {
  const { rows: rules } = await by.query<{ name: string; target: string; broken: string }>(
    `select k.conname as name, k.conrelid::regclass::text as target, 'not (' || pg_get_expr(k.conbin, k.conrelid) || ')' as broken
     from pg_constraint k where k.contype = 'c' and k.conrelid <> 0 and k.connamespace::regnamespace::text in ${ours}
     union all
     select a.attname, d.adrelid::regclass::text,
       format('%I is distinct from (%s)', a.attname, pg_get_expr(d.adbin, d.adrelid))
     from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum join pg_class t on t.oid = d.adrelid
     where a.attgenerated <> '' and t.relnamespace::regnamespace::text in ${ours}
     union all select 'customer_violation', 'platform.customers', 'platform.customer_violation(customers) is not null'
     order by 2, 1`,
  );
  const broken: string[] = [];
  for (const { name, target, broken: condition } of rules) {
    const { rows } = await by.query<{ many: number }>(
      `select count(*)::integer as many from ${target} where ${condition}`,
    );
    if (rows[0]?.many) broken.push(`${target} ${name}: ${rows[0].many}`);
  }
  return broken;
}

/** What differs on purpose: tables with all of their columns, or some of them. */
const apart: Record<string, 'all' | string[]> = {
  'platform.migrations': 'all', // a history
  'platform.setting_changes': 'all', // of what has been changed since there is such a table
  'sync.outbox': 'all', // an event is of its time
  'platform.cursor_key': ['key'], // drawn at random, as the next one is
  'platform.suppression_key': ['inner_pad', 'outer_pad'],
  'platform.notices': ['read_at'], // of what was due before there were any, nobody is told: 0051_notices.sql
  // A conversation of former versions is not timed, and reckoned from its messages: 0064_teams.sql, 0065_reports.sql, 0068_first_answers.sql.
  'support.sessions': ['first_waited_at', 'first_answered_at'],
  'support.widgets': ['settings', 'ends_after_hours', 'version'], // a widget goes on as it was
};

/** All rows of every table of ours, without the moments and the random ids of their making, and without what differs on purpose. */
export async function listStored(by: pg.Client): Promise<Record<string, string[]>> {
  const { rows: tables } = await by.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace::regnamespace::text in ${ours} order by 1`,
  );
  const stored: Record<string, string[]> = {};
  for (const { name } of tables) {
    const without = apart[name] ?? [];
    if (without === 'all') continue;
    const { rows } = await by.query<{ row: string }>(`select (to_jsonb(t) - $1::text[])::text as row from ${name} t`, [
      without,
    ]);
    stored[name] = rows.map(({ row }) => withoutMade(row)).sort();
  }
  return stored;
}

/** JSON without the times and the ids that testing.filled.ts has not given. */
export const withoutMade = (json: string): string =>
  json.replace(made, (value) => (isGiven.test(value) ? value : '"made"'));
const made = /"(20\d\d-\d\d-\d\dT[^"]*|[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f-]{21})"/g;
const isGiven = /^"(2026-0|0190000)/;
