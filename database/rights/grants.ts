import type pg from 'pg';
import { appRole, functionRoles, houseApps, isApp, loginNames, logins, trialRoles } from './logins.ts';
import { lettersOf, type Matrix } from './matrix.ts';

/**
 * Every access list entry in the catalogue that no cell of the matrix covers: the grantee is not one of the logins, no
 * probe tries the verb, or the right may be passed on. Entries of an object's owner and of platform_owner are left out,
 * because every migration uses them; those of bulk_role, merge_role, erase_role and the trial roles, because no login has them and their
 * functions use them; those of an added app in its own schema, because that is the app's own business, and there what platform.classify gives for erasures.
 */
export async function findUntestedGrants(client: pg.ClientBase, matrix: Matrix): Promise<string[]> {
  const { rows } = await client.query<Entry>(listEntries);
  const added = await client.query<{ name: string; role: string }>(
    'select name, role from platform.apps where name <> all ($1)',
    [houseApps],
  );
  const rowsOf = Map.groupBy(matrix, ([row]) => row.split('\n', 1)[0]);
  return rows
    .filter((entry) => entry.is_grantable || !isTried(entry, rowsOf.get(entry.object) ?? []))
    .filter((entry) => entry.is_grantable || !added.rows.some((app) => isOwn(entry, app)))
    .map(({ object, column, privilege, grantee, is_grantable }) => {
      const verb = column ? `${privilege} (${column})` : privilege;
      return `${verb} on ${object} to ${grantee}${is_grantable ? ' with grant option' : ''}`.toLowerCase();
    });
}

/** Whether the entry lets an added app use its own schema, or the clean-up of an erasure vacuum its tables (platform.let_erase). */
const isOwn = (
  { object, column, grantee, privilege }: Entry,
  { name, role }: { name: string; role: string },
): boolean => {
  const place = object.slice(object.indexOf(' ') + 1);
  const isSchema = place === name;
  if (!isSchema && !place.startsWith(`${name}.`)) return false;
  return (
    grantee === role || (grantee === logins.privacy_app && !column && privilege === (isSchema ? 'USAGE' : 'MAINTAIN'))
  );
};

type Entry = { object: string; column: string | null; grantee: string; privilege: string; is_grantable: boolean };

/** @param rows those of the matrix that are about the entry's object */
function isTried({ object, column, grantee, privilege }: Entry, rows: [row: string, cells: string[]][]): boolean {
  const kind = object.split(' ', 1)[0] as string;
  const letter = lettersOf[kind]?.[privilege];
  const holders = loginNames.flatMap((login, index) =>
    grantee === login || grantee === logins[login] || (grantee === appRole && isApp(login)) ? [index] : [],
  );
  if (!letter || holders.length === 0) return false;
  const ofColumns = ['S', 'I', 'U'].includes(letter) && (kind === 'table' || kind === 'view');
  const isAnswer = (row: string) =>
    column ? row === `${object}\n${column}` : ofColumns ? row.startsWith(`${object}\n`) : row === object;
  const answers = rows.filter(([row]) => isAnswer(row));
  // A grant on a whole table counts as tried if it is tried for each of the table's columns.
  return answers.length > 0 && holders.every((index) => answers.every(([, cells]) => cells[index]?.includes(letter)));
}

/**
 * An SQL condition for objects that people made: in no system schema, in no extension. The query names the schema n.
 */
export const isOurs = (catalogue: string, oid: string) => `
  n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend
    where classid = 'pg_catalog.${catalogue}'::regclass and objid = ${oid} and deptype = 'e')`;

const listEntries = `
  select o.object, o.column, case e.grantee when 0 then 'PUBLIC'
    else pg_get_userbyid(e.grantee)::text end as grantee, e.privilege_type as privilege,
         e.is_grantable
  from (select 'database', null::text, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) from pg_catalog.pg_database d
        where d.datname = current_database()
        union all
        select format('schema %I', n.nspname), null, n.nspowner, n.nspacl from pg_catalog.pg_namespace n
          where ${isOurs('pg_namespace', 'n.oid')}
        union all
        select format('%s %I.%I', case when c.relkind in ('r', 'p', 'f') then 'table' when c.relkind = 'S' then 'sequence'
          else 'view' end, n.nspname, c.relname),
               quote_ident(a.attname), c.relowner, coalesce(a.attacl, c.relacl)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          cross join lateral (select null as attname, null as attacl
                              union all select t.attname, t.attacl from pg_catalog.pg_attribute t
                                where t.attrelid = c.oid and t.attacl is not null) a
        where ${isOurs('pg_class', 'c.oid')}
        union all
        select format('%s %I.%I(%s)', case p.prokind when 'p' then 'procedure'
          else 'function' end, n.nspname, p.proname, oidvectortypes(p.proargtypes)),
               null, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
        from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where ${isOurs('pg_proc', 'p.oid')}
        union all
        -- Not those of tables and arrays, which follow what they belong to.
        select format('type %I.%I', n.nspname, t.typname), null, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
        from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where not exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind <> 'c')
          and t.typsubscript <> 'array_subscript_handler'::regproc and ${isOurs('pg_type', 't.oid')}
        union all
        select format('new objects (%s)', d.defaclobjtype), null, d.defaclrole, d.defaclacl from pg_catalog.pg_default_acl d
       ) as o (object, "column", owner, acl) cross join aclexplode(o.acl) e
  where e.grantee <> o.owner and pg_get_userbyid(e.grantee) not in (${[
    'platform_owner',
    ...functionRoles,
    ...Object.keys(trialRoles),
  ]
    .map((role) => `'${role}'`)
    .join(', ')})
  order by 1, 2, 3, 4`;
