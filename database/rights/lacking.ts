import type pg from 'pg';
import { type Login, loginNames, logins } from './logins.ts';
import { lettersOf, readPrivileges } from './matrix.ts';

/** What a login lacks: its role, or settings that `bootstrap` gives it, or privileges of the committed matrix. */
export type Lacking = { role: boolean; privileges: string[] };

/**
 * Compares a login with what it should have. It reads the catalogue alone, so that any login may ask about itself. Objects that do not
 * exist are left out: they are the business of the migrations.
 *
 * @param client connected as the login
 */
export async function findLacking(client: pg.ClientBase, login: Login): Promise<Lacking> {
  const matrix = await readPrivileges();
  const wanted = [...matrix].flatMap(([row, cells]) => {
    const [object = '', column = null] = row.split('\n');
    const kind = object.split(' ', 1)[0] as string;
    const letters = cells[loginNames.indexOf(login)] ?? '';
    return Object.entries(lettersOf[kind] ?? {})
      .filter(([, letter]) => letters.includes(letter))
      .map(([verb]) => ({ kind, name: object.slice(kind.length + 1), column, verb }));
  });
  // Names are written out for every login alike; compiling the query takes longer than running it.
  await client.query(`begin read only; set local search_path = ''; set local jit = off`);
  try {
    const usage = login === 'platform_migrator' ? 'SET' : 'USAGE';
    const { rows: roles } = await client.query<{ has: boolean }>(
      'select pg_has_role(oid, $2) as has from pg_catalog.pg_roles where rolname = $1',
      [logins[login], usage],
    );
    const { rows } = await client.query<{ lacking: string }>(listLacking, [JSON.stringify(wanted)]);
    return { role: roles[0]?.has ?? false, privileges: rows.map(({ lacking }) => lacking) };
  } finally {
    await client.query('rollback');
  }
}

const listLacking = `
  with wanted as (select * from json_to_recordset($1::json) as w (kind text, name text, "column" text, verb text))
  select lower(verb) || coalesce(' ' || "column" || ' of', '') || ' ' || kind || ' '
    || coalesce(nullif(name, ''), current_database()) as lacking
  from (
    select w.*, has_database_privilege(current_database(), verb) as has from wanted w where kind = 'database'
    union all
    select w.*, has_schema_privilege(n.oid, verb) from wanted w join pg_catalog.pg_namespace n on format('%I', n.nspname) = w.name
    where kind = 'schema'
    union all
    select w.*, case when kind = 'sequence' then has_sequence_privilege(c.oid, verb)
      when "column" is null then has_table_privilege(c.oid, verb)
      else has_column_privilege(c.oid, a.attnum, verb) end
    from wanted w join pg_catalog.pg_namespace n on n.nspname !~ '^pg_'
      join pg_catalog.pg_class c on c.relnamespace = n.oid and format('%I.%I', n.nspname, c.relname) = w.name
      left join pg_catalog.pg_attribute a on a.attrelid = c.oid and quote_ident(a.attname) = w."column"
    where kind in ('table', 'view', 'sequence') and (w."column" is null or a.attnum is not null)
    union all
    select w.*, has_function_privilege(p.oid, verb)
    from wanted w join pg_catalog.pg_namespace n on n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      join pg_catalog.pg_proc p on p.pronamespace = n.oid
        and format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) = w.name
    where kind in ('function', 'procedure')) as asked
  where not has order by 1`;
