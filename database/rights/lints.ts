import type pg from 'pg';
import { changedCollations, changedCollationsRemedy } from '../letters.ts';
import { findUntestedGrants } from './grants.ts';
import { appRole, bulkRole, eraseRole, functionRoles, logins, mergeRole, trialRoles } from './logins.ts';
import { readPrivileges } from './matrix.ts';
import { addedRolesWithMore, rolesWithMore } from './roles.ts';

/** One offence against the house rules of the schema. */
export type Finding = { lint: string; object: string; remedy: string };

const untestedGrant = 'untested grant';

type Lint = { lint: string; remedy: string; sql: string };

/** Runs every lint, or one; an empty list means a clean schema. It only reads the catalogue, in its own transaction. */
export async function lintSchema(client: pg.ClientBase, only?: string): Promise<Finding[]> {
  const matrix = await readPrivileges();
  const findings: Finding[] = [];
  await client.query(`begin read only; set local search_path = ''`); // names are written out for every login alike
  try {
    for (const { lint, remedy, sql } of lints) {
      if (only !== undefined && lint !== only) continue;
      const { rows } = await client.query<{ object: string }>(`${sql} order by 1`);
      for (const { object } of rows) findings.push({ lint, object, remedy });
    }
    const untested = only === undefined || only === untestedGrant ? await findUntestedGrants(client, matrix) : [];
    for (const object of untested) {
      findings.push({
        lint: untestedGrant,
        object,
        remedy: 'Revoke it, or give it a cell in database/privileges.txt: npm run schema.',
      });
    }
  } finally {
    await client.query('rollback');
  }
  return findings;
}

const ownerRole = logins.platform_migrator;
const names = (list: string[]) => list.map((name) => `'${name}'`).join(', ');
const loginList = names(Object.keys(logins));
const roleList = names([...Object.values(logins), appRole]);

/**
 * An SQL condition for objects that people made: in no system schema, in no extension. The schemas are a set, which
 * PostgreSQL reads once: asked about each of its 3,400 functions, it takes longer than the rest of a lint.
 */
const isOurs = (catalogue: string, oid: string, schema: string) => `
  ${schema} in (select oid from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
  and not exists (select from pg_catalog.pg_depend
    where classid = 'pg_catalog.${catalogue}'::regclass and objid = ${oid} and deptype = 'e')`;
const relationName = (relation: string) =>
  `(select format('%I.%I', n.nspname, ${relation}.relname) from pg_catalog.pg_namespace n where n.oid = ${relation}.relnamespace)`;
const routineName = `(select format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) from pg_catalog.pg_namespace n
  where n.oid = p.pronamespace)`;
/** Their owner is a role of its own, so that the row triggers of customers do not fire for them. */
const bulkFunctions = [
  'platform.insert_customers(platform.customers[])',
  'platform.update_customers(uuid[], bigint[], jsonb[])',
];
/** Their owner is a role of its own, so that the row triggers of what they move do not fire for them. */
const mergeFunctions = [
  'platform.preview_merge(uuid, uuid, jsonb)',
  'platform.merge_customers(uuid, uuid[], jsonb, text, jsonb, jsonb)',
  'platform.preview_unmerge(uuid, jsonb)',
  'platform.unmerge_customers(uuid, jsonb)',
  'platform.unmerge_several(uuid[])',
];
/** Their owner is a role of its own, so that nothing repeats what they scrub. */
const eraseFunctions = [
  'platform.apply_retention(integer)',
  'platform.preview_erasure(uuid)',
  'platform.preview_erasure(uuid, boolean)',
  'platform.erase_customer(uuid, text)',
  'platform.erase_files(uuid)',
  'platform.erase_files_of(uuid[])',
];
/** Each belongs to the role whose rights it tries. */
const trialFunctions = Object.keys(trialRoles).map(
  (role) => `('${role}', 'sync.try_as_${role.replace('_trial', '')}(text, text, text, text, text)')`,
);
/** It only hands its arguments to a function of a named schema. Checks call it, and a setting would take longer than the rest. */
const isHandedOn = String.raw`p.prosrc ~ '^\s*begin\s+return [a-z]+\.[a-z_]+\([a-z_]+(, [a-z_]+)*\);\s+end\s*$'`;
/** The only other settings that a function may have are about its plans and their memory, which change the meaning of no name. */
const isPinned = `array(select c from unnest(p.proconfig) c where c !~ '^(plan_cache_mode|enable_[a-z]+|work_mem)=')
  = array['search_path=pg_catalog, pg_temp']`;

const lints: Lint[] = [
  {
    lint: 'unprotected table',
    remedy: 'call platform.protect_table(…): row level security enabled and forced, and a policy for its owner.',
    sql: `
      select ${relationName('c')} as object from pg_catalog.pg_class c
      where c.relkind in ('r', 'p') and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
        -- COPY is refused under row security, so what it fills is in a schema of its own, of the worker alone.
        and c.relnamespace::regnamespace::text <> 'staging'
        and not (c.relrowsecurity and c.relforcerowsecurity and exists (
          select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polcmd = '*' and p.polpermissive
            and p.polroles = array[(select oid from pg_catalog.pg_roles where rolname = '${ownerRole}')]
            and pg_get_expr(p.polqual, p.polrelid) = 'true' and pg_get_expr(p.polwithcheck, p.polrelid) = 'true'))`,
  },
  {
    lint: 'definer function with a movable search_path',
    remedy: 'set search_path = pg_catalog, pg_temp: exactly this, in this order.',
    sql: `
      select ${routineName} as object from pg_catalog.pg_proc p
      where p.prosecdef and not ${isPinned} and ${isOurs('pg_proc', 'p.oid', 'p.pronamespace')}`,
  },
  {
    lint: 'function whose names a search_path could redirect',
    remedy: 'Write its body in the return form, or set search_path = pg_catalog, pg_temp.',
    sql: `
      select ${routineName} as object from pg_catalog.pg_proc p
      where not p.prosecdef and p.prosqlbody is null and p.prokind <> 'a' and not ${isPinned} and not (${isHandedOn})
        and ${isOurs('pg_proc', 'p.oid', 'p.pronamespace')}`,
  },
  {
    lint: 'function executable by PUBLIC',
    remedy: 'revoke execute … from public, and grant it to the roles that need it.',
    sql: `
      select ${routineName} as object from pg_catalog.pg_proc p
      where ${isOurs('pg_proc', 'p.oid', 'p.pronamespace')}
        and exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) e where e.grantee = 0)`,
  },
  {
    lint: 'foreign key without an index',
    remedy: 'Index its columns first in the index; "where … is not null" is fine for a nullable one.',
    sql: `
      select format('%s %s', ${relationName('c')}, k.conname) as object
      from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
      where k.contype = 'f' and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
        and not exists (
          select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
            join pg_catalog.pg_am am on am.oid = x.relam
          where i.indrelid = k.conrelid and i.indisvalid and am.amname = 'btree'
            and k.conkey <@ (i.indkey::int2[])[0:cardinality(k.conkey) - 1]
            and (i.indpred is null or exists (
              select from pg_catalog.pg_attribute a where a.attrelid = k.conrelid and a.attnum = any (k.conkey)
                and pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))))`,
  },
  {
    lint: 'foreign key that accepts merged and erased customers',
    remedy:
      'call platform.require_present_customer(…); or begin the comment of the constraint with "any customer", and say why.',
    sql: `
      select format('%s %s', ${relationName('c')}, k.conname) as object
      from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
      where k.contype = 'f' and k.confrelid = pg_catalog.to_regclass('platform.customers') and k.conrelid <> k.confrelid
        and coalesce(obj_description(k.oid, 'pg_constraint') !~* '^any customer', true)
        and not exists (
          select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
          where t.tgrelid = k.conrelid and t.tgenabled = 'O' and p.oid = pg_catalog.to_regprocedure('platform.require_present_customer()')
            and t.tgtype = 23 and t.tgattr[0] = k.conkey[1]
            and pg_get_triggerdef(t.oid)
              like '% FOR EACH ROW WHEN (%CURRENT_USER <> ALL (''{${functionRoles.join(',')}}''::name[])%) EXECUTE %'
            and encode(t.tgargs, 'escape') = (
              select a.attname || '\\000' from pg_catalog.pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[1]))`,
  },
  {
    lint: 'column of customers that no merge knows',
    remedy:
      'call platform.move_in_merges(…), or platform.stay_in_merges(…) with the reason: a merge must not leave rows behind by oversight.',
    sql: `
      select format('%s (%I)', ${relationName('c')}, a.attname) as object
      from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      where c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
        and a.atttypid = 'pg_catalog.uuid'::regtype and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
        -- A reference by any name, and a column without one by its name.
        and (a.attname ~ 'customer' or exists (select from pg_catalog.pg_constraint k
          where k.conrelid = c.oid and k.contype = 'f' and k.confrelid = pg_catalog.to_regclass('platform.customers')
            and a.attnum = any (k.conkey)))
        and not exists (select from platform.merge_references r
          where r.relation = ${relationName('c')} and r.customer_column = a.attname)`,
  },
  {
    lint: 'policy for PUBLIC',
    remedy: 'Name the roles: create policy … to app_role, or to the role of one app.',
    sql: `
      select format('%s %s', ${relationName('c')}, p.polname) as object
      from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid where 0 = any (p.polroles)`,
  },
  {
    lint: 'grant that no policy lets through',
    remedy: 'Create the policy before the grant, or drop the grant.',
    sql: `
      select distinct format('%s %s to %s', ${relationName('c')}, lower(e.privilege_type), pg_get_userbyid(e.grantee)) as object
      from pg_catalog.pg_class c cross join lateral (
          select c.relacl as acl union all select a.attacl from pg_catalog.pg_attribute a where a.attrelid = c.oid) entries
        cross join aclexplode(entries.acl) e
      where c.relrowsecurity and e.grantee not in (0, c.relowner) and e.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
        and not exists (
          select from pg_catalog.pg_policy p
            where p.polrelid = c.oid and p.polpermissive
              and exists (select from unnest(p.polroles) r where case r when 0 then true else pg_has_role(e.grantee, r, 'USAGE') end)
            and p.polcmd in ('*', case e.privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w'
              else 'd' end))`,
  },
  {
    lint: 'grant to PUBLIC',
    remedy: 'revoke … from public, and grant it to the roles that need it.',
    sql: `
      select format('%s %s', lower(e.privilege_type), o.object) as object
      from (select 'on ' || ${relationName('c')}, c.relacl from pg_catalog.pg_class c where ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
            union all
            select format('on %s (%I)', ${relationName('c')}, a.attname), a.attacl
            from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
              where a.attacl is not null and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
            union all
            select format('on schema %I', n.nspname), n.nspacl from pg_catalog.pg_namespace n
              where ${isOurs('pg_namespace', 'n.oid', 'n.oid')}
            union all
            select 'on this database', coalesce(d.datacl, acldefault('d', d.datdba)) from pg_catalog.pg_database d
              where d.datname = current_database()
           ) as o (object, acl) cross join aclexplode(o.acl) e where e.grantee = 0`,
  },
  {
    lint: 'wrong owner',
    remedy: `alter … owner to ${ownerRole}: a login must not own anything, because an owner has all rights and makes the policies.`,
    sql: `
      select format('%s, of %s', o.object, pg_get_userbyid(o.owner)) as object
      from (select ${relationName('c')}, c.relowner from pg_catalog.pg_class c
            where c.relkind <> 'i' and c.relkind <> 'I' and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
            union all select ${routineName}, p.proowner from pg_catalog.pg_proc p where ${isOurs('pg_proc', 'p.oid', 'p.pronamespace')}
            -- public and ext are the administrator's.
            union all select 'schema ' || n.nspname, n.nspowner from pg_catalog.pg_namespace n
                      where ${isOurs('pg_namespace', 'n.oid', 'n.oid')} and n.nspname not in ('public', 'ext')
            -- Types, operators, large objects and all the rest, where the owner is a login of ours.
            union all select pg_describe_object(s.classid, s.objid, 0), s.refobjid from pg_catalog.pg_shdepend s
                      where s.deptype = 'o' and s.dbid = (select oid from pg_catalog.pg_database where datname = current_database())
                        and s.classid not in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass,
                          'pg_catalog.pg_namespace'::regclass)
                        and pg_get_userbyid(s.refobjid) in (${loginList})) as o (object, owner)
      where pg_get_userbyid(o.owner) <> '${ownerRole}'
        and (pg_get_userbyid(o.owner), o.object) not in (${[
          ...bulkFunctions.map((name) => `('${bulkRole}', '${name}')`),
          ...mergeFunctions.map((name) => `('${mergeRole}', '${name}')`),
          ...eraseFunctions.map((name) => `('${eraseRole}', '${name}')`),
          ...trialFunctions,
        ].join(', ')})`,
  },
  {
    lint: 'key that sorts by locale',
    remedy: 'collate "C": a key, or a column that a policy reads, is compared by bytes.',
    sql: `
      select distinct format('%s (%I)', ${relationName('c')}, a.attname) as object
      from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_type t on t.oid = a.atttypid
      where a.attnum > 0 and t.typcategory = 'S' and a.attcollation not in (0, 'pg_catalog."C"'::regcollation)
        and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}
        and (exists (select from pg_catalog.pg_constraint k
          where k.conrelid = c.oid and k.contype in ('p', 'f') and a.attnum = any (k.conkey))
          or exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_policy'::regclass
                       and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum))`,
  },
  {
    lint: 'capture that does not fit its table',
    remedy:
      'call sync.capture(…) again, with all its arguments, in the migration that changes the columns; `never` hides columns.',
    sql: `
      with captured as (
        select t.tgrelid, p.prosrc from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where starts_with(t.tgname, 'z_capture') and not t.tgisinternal),
      of_table as (
        select tgrelid, a.attname::text as name from captured join pg_catalog.pg_attribute a on a.attrelid = tgrelid
        where a.attnum > 0 and not a.attisdropped),
      never as (select tgrelid, unnest(string_to_array(substring(prosrc from '-- never: ([^\\n]*)'), ' ')) as name from captured),
      of_function as (
        select tgrelid, parse_ident(found[1]) as name from captured
          cross join regexp_matches(prosrc, 'if new[.]("[^"]+"|[^ ]+) is distinct', 'g') found)
      select format('%s (%I)', ${relationName('c')}, name) as object
      from (
        select tgrelid, name from of_table where name not in ('version', 'updated_at')
        except select tgrelid, name from never except select tgrelid, name[1] from of_function
        union (select tgrelid, name[1] from of_function except select tgrelid, name from of_table)
        union (select tgrelid, 'version' from captured where (prosrc like '%r.version%')
               <> exists (select from of_table o where o.tgrelid = captured.tgrelid and o.name = 'version'))
      ) misfits join pg_catalog.pg_class c on c.oid = tgrelid`,
  },
  {
    lint: 'login with more than its role',
    remedy: 'Take it back: a login has no power of its own, is in one role, and only the migrator may change into it.',
    sql: `select role || ' is ' || power as object from (${rolesWithMore} union ${addedRolesWithMore}) more`,
  },
  {
    lint: 'login with a setting that frees it',
    remedy: 'alter role … reset …: constraints and row level security hold whatever a login sets.',
    sql: `
      select format('%s: %s', pg_get_userbyid(s.setrole), setting) as object
      from pg_catalog.pg_db_role_setting s cross join unnest(s.setconfig) setting
      where pg_get_userbyid(s.setrole) in (${loginList}, ${roleList})
        and split_part(setting, '=', 1) in ('session_replication_role', 'role', 'session_authorization')`,
  },
  {
    lint: 'grant on what PostgreSQL keeps for itself',
    remedy: 'revoke it: read system tables and functions through our own views.',
    sql: `
      select format('%s on %s to %s', lower(e.privilege_type), o.object, pg_get_userbyid(e.grantee)) as object
      from (select c.oid::regclass::text, c.relacl from pg_catalog.pg_class c
              where c.relnamespace = 'pg_catalog'::regnamespace and c.relacl is not null
            union all select p.oid::regprocedure::text, p.proacl from pg_catalog.pg_proc p
              where p.pronamespace = 'pg_catalog'::regnamespace and p.proacl is not null) as o (object, acl)
        cross join aclexplode(o.acl) e where pg_get_userbyid(e.grantee) in (${loginList}, ${roleList})`,
  },
  {
    lint: 'function among PostgreSQL’s own',
    remedy: 'drop it: names in pg_catalog are found before all others.',
    sql: `
      select p.oid::regprocedure::text as object from pg_catalog.pg_proc p
      where p.pronamespace = 'pg_catalog'::regnamespace and p.oid >= 16384
        and not exists (select from pg_catalog.pg_depend
          where classid = 'pg_catalog.pg_proc'::regclass and objid = p.oid and deptype = 'e')`,
  },
  {
    lint: 'collation whose rules have changed under its indexes',
    remedy: changedCollationsRemedy,
    sql: changedCollations,
  },
  {
    lint: 'foreign key that is switched off',
    remedy: 'alter table … enable trigger all, then look for rows that were written meanwhile.',
    sql: `
      select distinct format('%s %s', ${relationName('c')}, k.conname) as object
      from pg_catalog.pg_trigger t join pg_catalog.pg_constraint k on k.oid = t.tgconstraint join pg_catalog.pg_class c on c.oid = t.tgrelid
      where t.tgisinternal and t.tgenabled <> 'O' and ${isOurs('pg_class', 'c.oid', 'c.relnamespace')}`,
  },
];
