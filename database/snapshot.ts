import { readFile, writeFile } from 'node:fs/promises';
import { diff, isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import type { Address } from './address.ts';
import { withMigrator } from './migrator.ts';
import { houseApps } from './rights/logins.ts';

const snapshotFile = new URL('./schema.sql', import.meta.url);

const header = `-- The whole schema as the migrations leave it: a page to read, and what \`aether migrate check\` compares a database with.
-- Made by \`npm run schema\`; never edited, never run: the order follows names. Owner is platform_owner unless said.

`;

/**
 * Everything that people made in this database, as SQL text. Two databases with the same objects give the same text, in
 * whatever order these were made. It only reads the catalogue, so any login may call it. It starts its own transaction.
 *
 * @param leftOut schemas of which nothing is said, nor of the triggers' functions that capture their tables
 */
export async function describeSchema(client: pg.ClientBase, leftOut: readonly string[] = []): Promise<string> {
  // Repeatable read: the catalogue of one moment. An empty search_path: every name has its schema.
  await client.query(`begin isolation level repeatable read read only; set local search_path = ''`);
  try {
    const { rows } = await client.query<{ object: string; text: string }>(catalogue, [leftOut]);
    let text = '';
    rows.forEach((row, index) => {
      if (index > 0 && row.object !== rows[index - 1]?.object) text += '\n';
      text += `${row.text}\n`;
    });
    return header + text;
  } finally {
    await client.query('rollback');
  }
}

/** The committed snapshot. */
export async function readSnapshot(): Promise<string> {
  return (await readFile(snapshotFile, 'utf8')).replaceAll('\r\n', '\n');
}

export async function writeSnapshot(text: string): Promise<void> {
  await writeFile(snapshotFile, text);
}

/**
 * How a database differs from the committed snapshot: its extra lines (+) and its missing lines (-), each under its
 * object. Undefined if it does not differ. The schemas of added apps are their own business, and the functions that are written from the
 * rows of platform.apps are compared with what these rows say now.
 *
 * @param address as `platform_migrator`.
 */
export async function compareSnapshot(address: Address): Promise<string | undefined> {
  return withMigrator(address, async (client) => {
    const committed = unnamed(await readSnapshot());
    const added = await listAdded(client);
    const actual = unnamed(await describeSchema(client, added));
    const expected =
      added.length === 0 ? committed : withFunctionsOf(committed, (await writeAppFunctions(client)).map(unnamed));
    return describeDifference(expected, printAlike(expected, actual));
  });
}

/** The schemas of the apps that were added to this database. */
async function listAdded(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query(`select to_regclass('platform.apps') is not null as has_apps`);
  if (!rows[0].has_apps) return [];
  const apps = await client.query<{ name: string }>('select name from platform.apps where name <> all ($1)', [
    houseApps,
  ]);
  return apps.rows.map(({ name }) => name);
}

/** The functions that depend on the rows of platform.apps, as these rows make them. It changes nothing. */
async function writeAppFunctions(client: pg.ClientBase): Promise<string[]> {
  await client.query(`begin; set local search_path = ''; call platform.write_app_functions()`);
  try {
    const { rows } = await client.query<{ text: string }>(`
      select rtrim(pg_get_functiondef(p.oid), E'\\n') || ';' as text from pg_catalog.pg_proc p
      where p.oid in ('platform.audience_of(text)'::regprocedure, 'platform.current_app()'::regprocedure,
        'platform.is_app(text)'::regprocedure)`);
    return rows.map(({ text }) => text);
  } finally {
    await client.query('rollback');
  }
}

/** The text with these definitions in the place of its own ones, which have the same lines up to the body. Pure. */
function withFunctionsOf(text: string, definitions: string[]): string {
  return definitions.reduce((changed, definition) => {
    const lines = definition.split('\n');
    const from = changed.indexOf(lines[0] as string);
    const end = changed.indexOf('\ngrant ', from);
    return from < 0 ? changed : changed.slice(0, from) + definition + changed.slice(end);
  }, text);
}

/** A constant that is printed with the name of its type as its own, as PostgreSQL does where it was made from the printed form. */
const unnamed = (text: string) => text.replaceAll(/::(\w+) AS \1\b/g, '::$1');

/**
 * The text with the lines that mean the same printed as they are in the committed one. PostgreSQL prints an expression anew when its object was
 * made from the printed one, as in a restored dump: a chain of "or" with fewer parentheses, and a constant with the name of its
 * type. So of two expressions that differ in nothing but parentheses this takes one for the other. Pure.
 */
export function printAlike(committed: string, actual: string): string {
  const bare = (line: string) => unnamed(line).replaceAll(/[()]/g, '');
  const lines = new Set(splitLines(committed));
  const known = new Map<string, string | undefined>();
  for (const line of lines) known.set(bare(line), known.has(bare(line)) ? undefined : line);
  return splitLines(actual)
    .map((line) => (lines.has(line) ? line : (known.get(bare(line)) ?? line)))
    .join('\n');
}

/**
 * The lines that differ, in groups: each begins with its object and the number of the line in the committed text.
 * Undefined if the texts are equal. Pure; the texts may have either kind of line ends.
 */
export function describeDifference(committed: string, actual: string): string | undefined {
  const lines: string[] = [];
  let [line, object, isOpen, isSame] = [1, '', false, true];
  for (const [operation, text] of diffLines(splitLines(actual), splitLines(committed))) {
    if (startsObject.test(text)) object = text.replace(/[ (;]+$/, '');
    if (operation !== 0) isSame = false;
    // A blank line before every object is implied.
    if (operation === 0 || text === '' || startsObject.test(text)) isOpen = false;
    if (operation !== 0 && text !== '') {
      if (!isOpen) lines.push(`schema.sql:${line}, ${object || 'the heading'}`);
      isOpen = true;
      lines.push(`${operation === 1 ? '+' : '-'} ${text}`);
    }
    if (operation !== 1) line += 1;
  }
  if (isSame) return undefined;
  return lines.join('\n') || 'schema.sql: blank lines were added or taken out';
}

type Edit = ReturnType<typeof diff>[number];

/**
 * The edits of `diff`. A line that only one text has is an edit in any case, so that only the other lines are compared: `diff` takes the
 * number of lines times the number of edits, which is seconds for a database that lacks most of the schema.
 */
function diffLines(actual: string[], committed: string[]): Edit[] {
  const [ofActual, ofCommitted] = [new Set(actual), new Set(committed)];
  const edits: Edit[] = [];
  let [atActual, atCommitted] = [0, 0];
  const takeOwn = () => {
    for (; atCommitted < committed.length && !ofActual.has(committed[atCommitted] as string); atCommitted++)
      edits.push([-1, committed[atCommitted] as string]);
    for (; atActual < actual.length && !ofCommitted.has(actual[atActual] as string); atActual++)
      edits.push([1, actual[atActual] as string]);
  };
  const sharedActual = actual.filter((line) => ofCommitted.has(line));
  const sharedCommitted = committed.filter((line) => ofActual.has(line));
  // Of equal lists `diff` gives no edits, not even their lines.
  const shared: Edit[] = isDeepStrictEqual(sharedActual, sharedCommitted)
    ? sharedActual.map((line) => [0, line])
    : diff(sharedActual, sharedCommitted);
  for (const edit of shared) {
    takeOwn();
    edits.push(edit);
    if (edit[0] !== -1) atActual++;
    if (edit[0] !== 1) atCommitted++;
  }
  takeOwn();
  return edits;
}

const splitLines = (text: string) => text.split(/\r?\n/);
// An object starts at the margin. A part of a table, such as an index, does not start a new object.
const startsObject = new RegExp(
  `^(${[
    'create (or replace )?(extension|schema|collation|sequence|(unlogged |foreign )?table|(materialized )?view|function|procedure|aggregate)',
    'alter (default privileges|sequence)',
    'grant [a-z]+ on database',
    'comment on(?! (table|column|view))',
    '-- also:',
  ].join('|')}) `,
  'i',
);

// One row is one or more lines of text. Sorted by schema, kind of object, name, then the part of it; "C" so that no locale reorders.
const catalogue = /* sql */ `
with extension_member as (select classid, objid from pg_catalog.pg_depend where deptype = 'e'),
schema as (
  select n.oid, n.nspname, quote_ident(n.nspname) as name, n.nspowner, n.nspacl from pg_catalog.pg_namespace n
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all ($1)
    and ('pg_catalog.pg_namespace'::regclass, n.oid) not in (select classid, objid from extension_member)),
relation as (
  select c.*, s.name as schema, format('%I.%I', s.nspname, c.relname) as name,
         case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind,
         case c.relkind when 'S' then 1 when 'v' then 4 when 'm' then 4 else 3 end as rank,
         c.relispartition and c.relname ~ '_p\\d+$' as is_numbered_partition
  from pg_catalog.pg_class c join schema s on s.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')
    and ('pg_catalog.pg_class'::regclass, c.oid) not in (select classid, objid from extension_member)
    -- An identity column says enough of its sequence.
    and not exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'i' and d.refobjsubid > 0)),
-- Told of only where it is not as an identity column makes it.
identity_sequence as (
  select c.oid, s.name as schema, format('%I.%I', s.nspname, c.relname) as name, c.relowner, c.relacl
  from pg_catalog.pg_class c join schema s on s.oid = c.relnamespace
  where c.relkind = 'S' and c.oid not in (select oid from relation)),
routine as (
  select p.*, s.name as schema, case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind,
         format('%I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name
  from pg_catalog.pg_proc p join schema s on s.oid = p.pronamespace
  where ('pg_catalog.pg_proc'::regclass, p.oid) not in (select classid, objid from extension_member)
    and not (s.nspname = 'sync' and exists (select from unnest($1::text[]) l where starts_with(p.proname, 'capture_' || l || '_')))),
acl (schema, rank, object, owner, target, columns, entries) as (
  select '', -1, 'database', d.datdba, 'database', null, coalesce(d.datacl, acldefault('d', d.datdba))
  from pg_catalog.pg_database d where d.datname = current_database()
  union all select s.name, 0, s.name, s.nspowner, 'schema ' || s.name, null, coalesce(s.nspacl, acldefault('n', s.nspowner)) from schema s
  union all select r.schema, 2, r.name, r.proowner, r.kind || ' ' || r.name, null, coalesce(r.proacl, acldefault('f', r.proowner))
    from routine r
  union all select r.schema, r.rank, r.name, r.relowner, case r.relkind when 'S' then 'sequence ' else '' end || r.name, null, r.relacl
    from relation r
  union all select i.schema, 1, i.name, i.relowner, 'sequence ' || i.name, null, i.relacl from identity_sequence i
  union all select r.schema, r.rank, r.name, r.relowner, r.name, a.attname, a.attacl
            from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid where a.attacl is not null and not a.attisdropped),
granted as (
  select a.schema, a.rank, a.object, a.target, case e.grantee when 0 then 'public'
    else quote_ident(pg_get_userbyid(e.grantee)) end as grantee,
         lower(e.privilege_type) as privilege, e.is_grantable, string_agg(quote_ident(a.columns), ', ' order by t.attnum) as columns
  from acl a cross join aclexplode(a.entries) e
  left join relation r on r.name = a.object left join pg_catalog.pg_attribute t on t.attrelid = r.oid and t.attname = a.columns
  where e.grantee <> a.owner group by 1, 2, 3, 4, 5, 6, 7, (a.columns is null)),
part (schema, rank, object, step, position, text) as (
  select '', -3, e.extname, 0, 0, format('create extension %I with schema %I;', e.extname, n.nspname)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname <> 'plpgsql'
  union all
  select '', -2, 'default privileges', 0, 0,
    format('alter default privileges for role %I%s grant %s on %s to %s;', pg_get_userbyid(d.defaclrole),
         (select format(' in schema %I', n.nspname) from pg_catalog.pg_namespace n
           where n.oid = d.defaclnamespace), lower(e.privilege_type),
         case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
           when 'n' then 'schemas'
                              else 'large objects' end,
         case e.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end)
  from pg_catalog.pg_default_acl d cross join aclexplode(d.defaclacl) e
  union all
  select s.name, 0, s.name, 0, 0, format('create schema %s;', s.name) from schema s
  union all
  -- Without its version, which is the server's.
  select s.name, 0, format('%s collation %I', s.name, c.collname), 0, 0,
    format('create collation %s.%I (provider = %s, locale = %L, deterministic = %s);',
         s.name, c.collname, case c.collprovider when 'i' then 'icu' when 'b' then 'builtin'
           else 'libc' end, coalesce(c.colllocale, c.collctype),
         c.collisdeterministic)
  from pg_catalog.pg_collation c join schema s on s.oid = c.collnamespace
  union all
  select r.schema, r.rank, r.name, 0, 0,
    format('create sequence %s as %s start %s increment %s minvalue %s maxvalue %s cache %s%s;', r.name,
         format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, case when q.seqcycle then ' cycle' end)
  from relation r join pg_catalog.pg_sequence q on q.seqrelid = r.oid
  union all
  select i.schema, 1, i.name, 0, 0, format('alter sequence %s start %s increment %s minvalue %s maxvalue %s cache %s%s;', i.name,
         q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, case when q.seqcycle then ' cycle' end)
  from identity_sequence i join pg_catalog.pg_sequence q on q.seqrelid = i.oid
  where (q.seqstart, q.seqincrement, q.seqmin, q.seqcache, q.seqcycle) <> (1, 1, 1, 1, false)
    or q.seqmax <> case q.seqtypid when 'bigint'::regtype then 9223372036854775807 when 'integer'::regtype then 2147483647 else 32767 end
    or exists (select from aclexplode(i.relacl) e where e.grantee <> i.relowner)
  union all
  select r.schema, 2, r.name, 0, 0, case r.prokind when 'a' then format('create aggregate %s (…);', r.name)
    else rtrim(pg_get_functiondef(r.oid), E'\\n') || ';' end
  from routine r
  union all
  select r.schema, r.rank, r.name, 0, 0, format(E'create %s%s %s (\\n%s\\n)%s%s;',
         case r.relpersistence when 'u' then 'unlogged ' else '' end, case r.relkind when 'f' then 'foreign table' else 'table' end,
         r.name, (select string_agg('  ' || line, E',\\n' order by step, place, line collate "C") from (
           select 0 as step, a.attnum as place, concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
             (select format('collate %s%I', (select s.name || '.' from schema s where s.oid = l.collnamespace), l.collname)
              from pg_catalog.pg_collation l join pg_catalog.pg_type t on t.oid = a.atttypid
              where l.oid = a.attcollation and l.oid <> t.typcollation),
             case when a.attidentity <> '' then format('generated %s as identity', case a.attidentity when 'a' then 'always'
               else 'by default' end)
                  when a.attgenerated <> '' then format('generated always as (%s) %s', pg_get_expr(d.adbin, d.adrelid),
                                                        case a.attgenerated when 's' then 'stored' else 'virtual' end)
                  else 'default ' || pg_get_expr(d.adbin, d.adrelid) end,
             case when a.attnotnull then 'not null' end,
             (select 'not valid' from pg_catalog.pg_constraint k
              where k.conrelid = a.attrelid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated)) as line
           from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
           union all
           select 1, position(k.contype::text in 'pufcxt'), format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid))
           from pg_catalog.pg_constraint k where k.conrelid = r.oid and k.contype <> 'n') lines),
         ' partition by ' || pg_get_partkeydef(r.oid),
           case when r.reloptions is not null then format(' with (%s)', array_to_string(r.reloptions, ', ')) end)
  from relation r where r.rank = 3
  union all
  -- Where a partition that is made at run time begins and ends, is data.
  select r.schema, 3, r.name, 1, 0, format('alter table %s attach to %s%s;', r.name, i.inhparent::regclass,
         case when not r.is_numbered_partition then ' ' || pg_get_expr(r.relpartbound, r.oid) end)
  from relation r join pg_catalog.pg_inherits i on i.inhrelid = r.oid
  union all
  select r.schema, r.rank, r.name, 0, 0, format(E'create %s %s%s as\\n%s', r.kind, r.name,
         case when r.reloptions is not null then format(' with (%s)', array_to_string(r.reloptions, ', ')) end, pg_get_viewdef(r.oid))
  from relation r where r.rank = 4
  union all
  select r.schema, r.rank, r.name, 2, d.objsubid, format('comment on %s %s is %L;', case when d.objsubid > 0 then 'column' else r.kind end,
         concat(r.name, (select format('.%I', a.attname) from pg_catalog.pg_attribute a
           where a.attrelid = r.oid and a.attnum = d.objsubid)), d.description)
  from relation r join pg_catalog.pg_description d on d.classoid = 'pg_catalog.pg_class'::regclass and d.objoid = r.oid
  union all
  select r.schema, r.rank, r.name, 3, 0, pg_get_indexdef(i.indexrelid) || ';' || case when i.indisvalid then '' else ' -- invalid' end
  from relation r join pg_catalog.pg_index i on i.indrelid = r.oid
  where not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
  union all
  select r.schema, r.rank, r.name, 4, 0, pg_get_triggerdef(t.oid) || ';' || case t.tgenabled when 'O' then ''
    else format(' -- enabled: %s', t.tgenabled) end
  from relation r join pg_catalog.pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal
  union all
  select r.schema, r.rank, r.name, 4, 0, pg_get_ruledef(u.oid)
  from relation r join pg_catalog.pg_rewrite u on u.ev_class = r.oid where u.rulename <> '_RETURN'
  union all
  select r.schema, 3, r.name, 5, 0, format('alter table %s %s row level security, %s row level security;', r.name,
         case when r.relrowsecurity then 'enable' else 'disable' end, case when r.relforcerowsecurity then 'force' else 'no force' end)
  from relation r where r.relkind in ('r', 'p')
  union all
  select r.schema, r.rank, r.name, 6, 0, concat(format('create policy %I on %s', p.polname, r.name),
    case when not p.polpermissive then ' as restrictive' end,
         ' for ', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
           else 'all' end, ' to ',
         (select string_agg(case o when 0 then 'public' else quote_ident(pg_get_userbyid(o)) end, ', ' order by pg_get_userbyid(o))
           from unnest(p.polroles) o),
         ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ';')
  from relation r join pg_catalog.pg_policy p on p.polrelid = r.oid
  union all
  select g.schema, g.rank, g.object, 7, 0,
         format('grant %s%s on %s to %s%s;', g.privilege, ' (' || g.columns || ')', g.target, g.grantee,
           case when g.is_grantable then ' with grant option' end)
  from granted g
  union all
  select o.schema, o.rank, o.name, 8, 0, format('alter %s %s owner to %I;', o.kind, o.name, pg_get_userbyid(o.owner))
  from (select schema, rank, name, kind, relowner from relation union all select schema, 2, name, kind, proowner from routine
        union all select name, 0, name, 'schema', nspowner from schema) as o (schema, rank, name, kind, owner)
  -- The schemas public and ext are the administrator's, who is called something else on every server.
  where pg_get_userbyid(o.owner) <> 'platform_owner' and not (o.kind = 'schema' and o.name in ('public', 'ext'))
  union all
  select s.name, 5, 'comments', 0, 0, format('comment on %s %s is %L;', i.type, i.identity, d.description)
  from pg_catalog.pg_description d cross join pg_identify_object(d.classoid, d.objoid, d.objsubid) i
  join schema s on s.name = i.schema or i.type = 'schema' and s.name = i.name
  where d.classoid <> 'pg_catalog.pg_class'::regclass and d.objoid >= 16384
    and (d.classoid, d.objoid) not in (select classid, objid from extension_member) and s.name <> 'public'
  union all
  -- Whatever else there is, by name at least, so that nothing is added unseen.
  select s.name, 6, 'others', 0, 0, format('-- also: %s', pg_describe_object(d.classid, d.objid, 0))
  from schema s join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = s.oid
  where d.classid not in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
    and d.classid <> 'pg_catalog.pg_default_acl'::regclass and d.classid <> 'pg_catalog.pg_extension'::regclass
    and (d.classid, d.objid) not in (select classid, objid from extension_member)
  union all
  select '', -1, 'others', 0, 0, format('-- also: %s', pg_describe_object(o.classid, o.oid, 0))
  from (select 'pg_catalog.pg_event_trigger'::regclass, oid from pg_catalog.pg_event_trigger
        union all select 'pg_catalog.pg_publication'::regclass, oid from pg_catalog.pg_publication
        union all select 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid from pg_catalog.pg_foreign_data_wrapper
        union all select 'pg_catalog.pg_foreign_server'::regclass, oid from pg_catalog.pg_foreign_server
        union all select 'pg_catalog.pg_language'::regclass, oid from pg_catalog.pg_language
        union all select 'pg_catalog.pg_cast'::regclass, oid from pg_catalog.pg_cast) as o (classid, oid)
  where o.oid >= 16384 and (o.classid, o.oid) not in (select classid, objid from extension_member))
-- Partitions that are made and dropped at run time are one, table_p…, as long as they are alike.
select distinct on (schema collate "C", rank, object collate "C", step, position,
  text collate "C") schema || ' ' || rank || ' ' || object as object, text
from (select p.schema, p.rank, p.step, p.position, coalesce(replace(p.object, r.relname, r.alike), p.object) as object,
             coalesce(replace(p.text, r.relname, r.alike), p.text) as text
      from part p left join (select name, relname, regexp_replace(relname, '\\d+$', '…') as alike from relation
        where is_numbered_partition) r
        on p.object = r.name) as part
order by schema collate "C", rank, object collate "C", step, position, text collate "C"`;
