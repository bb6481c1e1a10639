import type { Queryable } from '@aether/platform';
import { explainAbsence, type Verb } from './absences.ts';

/**
 * What each login may do with each column, as the catalogue has it. A cell has a letter for each verb: S select, I insert, U update,
 * D delete (of the table). A small letter: a policy lets it through for some rows only, or, for the table as a whole, the login may do it
 * with some of the columns.
 */
export type AccessRow = {
  schema: string;
  table: string;
  kind: 'table' | 'view';
  /** Null: the table as a whole. */
  column: string | null;
  cells: Record<string, string>;
};
export type AccessFunction = {
  name: string;
  /** It runs with the rights of its owner: what it does is more than its caller may. */
  isDefiner: boolean;
  comment: string | null;
  logins: string[];
};
export type AccessMatrix = {
  logins: { login: string; role: string }[];
  rows: AccessRow[];
  functions: AccessFunction[];
};

/** The logins that have the rights of an app or of a service of the house. A superuser has every right, and is no login of ours. */
const loginsOfHouse = `
  select l.oid, l.rolname::text as login, min(r.rolname::text) as role
  from pg_catalog.pg_roles l join pg_catalog.pg_roles r on r.oid <> l.oid and pg_has_role(l.oid, r.oid, 'USAGE')
  where l.rolcanlogin and not l.rolsuper
    and (r.rolname in (select a.role from platform.apps a)
      or r.rolname in ('sync_role', 'privacy_role', 'observer_role', 'simulator_role'))
  group by l.oid, l.rolname`;
const relationsOfHouse = `
  select c.oid, n.oid as schema_oid, n.nspname::text as schema, c.relname::text as "table", c.relrowsecurity,
    case when c.relkind = 'v' then 'view' else 'table' end as kind
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v') and not c.relispartition and n.nspname !~ '^pg_'
    and n.nspname not in ('information_schema', 'ext', 'public')`;

export async function readAccessMatrix(on: Queryable): Promise<AccessMatrix> {
  const [logins, rows, functions] = await Promise.all([
    on.query<{ login: string; role: string }>(`select login, role from (${loginsOfHouse}) l order by login`),
    on.query<AccessRow>(
      `with l as materialized (${loginsOfHouse}), r as materialized (${relationsOfHouse}),
       -- For each login and verb: null if no policy lets it through, false if for some rows only.
       policies as materialized (
         select r.oid, l.oid as login, v.verb, bool_or(
             coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
             and coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true') as is_whole
         from r cross join l cross join (values ('r'), ('a'), ('w'), ('d')) v (verb)
           join pg_catalog.pg_policy p on p.polrelid = r.oid and p.polpermissive and p.polcmd in ('*', v.verb::"char")
             and exists (select from unnest(p.polroles) o where o = 0 or pg_has_role(l.oid, o, 'USAGE'))
         where r.relrowsecurity group by r.oid, l.oid, v.verb),
       cells as (
         select r.schema, r."table", r.kind, a.attnum, a.attname::text as "column", l.login,
           case when not has_schema_privilege(l.oid, r.schema_oid, 'USAGE') then '' else concat(
             case when has_column_privilege(l.oid, r.oid, a.attnum, 'SELECT') then case when r.relrowsecurity
               then case s.is_whole when true then 'S' when false then 's' end else 'S' end end,
             case when has_column_privilege(l.oid, r.oid, a.attnum, 'INSERT') then case when r.relrowsecurity
               then case i.is_whole when true then 'I' when false then 'i' end else 'I' end end,
             case when has_column_privilege(l.oid, r.oid, a.attnum, 'UPDATE') then case when r.relrowsecurity
               then case u.is_whole when true then 'U' when false then 'u' end else 'U' end end) end as letters
         from r join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped cross join l
           left join policies s on s.oid = r.oid and s.login = l.oid and s.verb = 'r'
           left join policies i on i.oid = r.oid and i.login = l.oid and i.verb = 'a'
           left join policies u on u.oid = r.oid and u.login = l.oid and u.verb = 'w'
),
       deletes as (
         select r.schema, r."table", r.kind, l.login,
           case when has_schema_privilege(l.oid, r.schema_oid, 'USAGE') and has_table_privilege(l.oid, r.oid, 'DELETE')
             then case when r.relrowsecurity then case d.is_whole when true then 'D' when false then 'd' else '' end else 'D' end
             else '' end as letters
         from r cross join l left join policies d on d.oid = r.oid and d.login = l.oid and d.verb = 'd'),
       every as (
         select c.* from cells c
         union all
         select d.schema, d."table", d.kind, 0, null, d.login, concat(
           case when bool_and(strpos(c.letters, 'S') > 0) then 'S' when bool_or(c.letters ilike '%s%') then 's' end,
           case when bool_and(strpos(c.letters, 'I') > 0) then 'I' when bool_or(c.letters ilike '%i%') then 'i' end,
           case when bool_and(strpos(c.letters, 'U') > 0) then 'U' when bool_or(c.letters ilike '%u%') then 'u' end, d.letters)
         from deletes d join cells c on (c.schema, c."table", c.login) = (d.schema, d."table", d.login)
         group by d.schema, d."table", d.kind, d.login, d.letters)
       select c.schema, c."table", c.kind, c."column", jsonb_object_agg(c.login, c.letters) as cells
       from every c group by c.schema, c."table", c.kind, c.attnum, c."column" order by c.schema, c."table", c.attnum`,
    ),
    on.query<{ name: string; is_definer: boolean; comment: string | null; logins: string[] }>(
      `with l as materialized (${loginsOfHouse})
       select p.oid::regprocedure::text as name, p.prosecdef as is_definer, obj_description(p.oid, 'pg_proc') as comment,
         array(select l.login from l where has_function_privilege(l.oid, p.oid, 'EXECUTE')
           and has_schema_privilege(l.oid, p.pronamespace, 'USAGE') order by l.login) as logins
       from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
       where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'ext', 'public') and p.prorettype <> 'trigger'::regtype
       order by 1`,
    ),
  ]);
  return {
    logins,
    rows,
    functions: functions.map(({ is_definer, ...rest }) => ({ ...rest, isDefiner: is_definer })),
  };
}

export type AccessFacts = {
  role: string;
  mayUseSchema: boolean;
  isGranted: boolean;
  /** The roles that hold the grant, on the table or on the column; the login inherits from them. */
  grantedTo: { role: string; on: 'table' | 'column' | 'some columns' }[];
  hasRowSecurity: boolean;
  policies: { name: string; using: string | null; check: string | null }[];
  /** Why the right is absent, if a migration says so. */
  absence?: string | undefined;
};

/** What the catalogue says about one right of one login. Without a column: on any column of the table. @returns undefined if there is no such login, table or column */
export async function readAccessFacts(
  on: Queryable,
  { login, table, column, verb }: { login: string; table: string; column: string | null; verb: Verb },
): Promise<AccessFacts | undefined> {
  const [row] = await on.query<{
    role: string;
    may_use: boolean;
    granted: boolean;
    granted_to: AccessFacts['grantedTo'];
    row_security: boolean;
    policies: AccessFacts['policies'];
  }>(
    `with l as (select * from (${loginsOfHouse}) h where h.login = $1),
     r as (select * from (${relationsOfHouse}) t where t.schema || '.' || t."table" = $2)
     select l.role, has_schema_privilege(l.oid, r.schema_oid, 'USAGE') as may_use, r.relrowsecurity as row_security,
       case when $4 = 'DELETE' then has_table_privilege(l.oid, r.oid, $4)
         when $3::name is null then has_any_column_privilege(l.oid, r.oid, $4)
         else has_column_privilege(l.oid, r.oid, $3::name, $4) end as granted,
       (select coalesce(jsonb_agg(distinct jsonb_build_object('role', pg_get_userbyid(e.grantee), 'on', g.place)), '[]')
        from (select 'table' as place, c.relacl as acl from pg_catalog.pg_class c where c.oid = r.oid
              union all
              select case when $3::name is null then 'some columns' else 'column' end, a.attacl
              from pg_catalog.pg_attribute a
              where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and a.attname = coalesce($3::name, a.attname)) g
          cross join lateral aclexplode(g.acl) e
        where e.privilege_type = $4 and e.grantee <> 0 and pg_has_role(l.oid, e.grantee, 'USAGE')) as granted_to,
       (select coalesce(jsonb_agg(jsonb_build_object('name', p.polname, 'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid)) order by p.polname), '[]')
        from pg_catalog.pg_policy p
        where p.polrelid = r.oid and p.polcmd in ('*', $5::text::"char")
          and exists (select from unnest(p.polroles) o where o = 0 or pg_has_role(l.oid, o, 'USAGE'))) as policies
     from l cross join r
     where $3::name is null
       or exists (select from pg_catalog.pg_attribute a where a.attrelid = r.oid and a.attname = $3::name and a.attnum > 0)`,
    [login, table, column, verb.toUpperCase(), { select: 'r', insert: 'a', update: 'w', delete: 'd' }[verb]],
  );
  if (!row) return undefined;
  const isGranted = row.may_use && row.granted;
  return {
    role: row.role,
    mayUseSchema: row.may_use,
    isGranted,
    grantedTo: row.granted_to,
    hasRowSecurity: row.row_security,
    policies: row.policies,
    ...(!isGranted && { absence: explainAbsence(table, column, verb) }),
  };
}
