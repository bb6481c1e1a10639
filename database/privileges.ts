import { readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { type Login, loginNames, logins } from './logins.ts';

/** What each login may do: per object, or column of an object, one cell for each of `loginNames`, holding a letter per allowed verb. */
export type Matrix = Map<string, string[]>;

type Probe = {
  row: string;
  letter: string;
  sql: string;
  /** The statement cannot succeed: any error but a lack of privilege means that it was allowed. */
  mayFail?: boolean;
};

const matrixFile = new URL('./privileges.txt', import.meta.url);

const header = `# What every login may do, found out by trying each statement as that login: made by \`npm run schema\`, compared by the tests.
# table, view   S select, I insert, U update a column · D delete, T truncate, G create a trigger, M maintain, all of it
# sequence      N nextval, R read, V setval    function  X execute    schema  U use, C create in
# database      C connect, S create a schema, T make temporary tables. The migrator is tried before its \`set role\`.
`;
const labelWidth = 64;
const columnWidth = 12;

/**
 * Tries every statement of the matrix as every login. Nothing is kept but a number drawn from each sequence a login may use,
 * yet the probes take strong locks where a login may: for a database made for this.
 *
 * @param connect a connection of that login, which the caller closes.
 */
export async function observePrivileges(connect: (login: Login) => Promise<pg.ClientBase>): Promise<Matrix> {
  const matrix: Matrix = new Map();
  let probes: Probe[] | undefined;
  for (const [index, login] of loginNames.entries()) {
    const client = await connect(login);
    probes ??= await listProbes(client);
    const states = await tryProbes(client, probes);
    for (const [place, probe] of probes.entries()) {
      const cells = matrix.get(probe.row) ?? loginNames.map(() => '');
      matrix.set(probe.row, cells);
      if (isAllowed(probe, states[place] as string)) cells[index] += probe.letter;
    }
  }
  return matrix;
}

/** One line per object and, indented under it, per column. */
export function formatMatrix(matrix: Matrix): string {
  const line = (label: string, cells: string[]) =>
    (`${label}  `.padEnd(labelWidth) + cells.map((cell) => cell.padEnd(columnWidth)).join('')).trimEnd();
  const titles = loginNames.map((login) => login.replace(/^platform_|_app$/g, ''));
  const rows = [...matrix].map(([row, cells]) =>
    line(
      labelOf(row),
      cells.map((cell) => cell || '.'),
    ),
  );
  return `${header}${line('#', titles)}\n${rows.join('\n')}\n`;
}

/** The reverse of formatMatrix. */
export function parseMatrix(text: string): Matrix {
  const matrix: Matrix = new Map();
  let object = '';
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const [label, ...cells] = line.trim().split(/\s{2,}/) as [string, ...string[]];
    const isColumn = line.startsWith(' ');
    if (!isColumn) object = label;
    matrix.set(
      isColumn ? `${object}\n${label}` : label,
      cells.map((cell) => (cell === '.' ? '' : cell)),
    );
  }
  return matrix;
}

/** The committed matrix. */
export async function readPrivileges(): Promise<Matrix> {
  return parseMatrix(await readFile(matrixFile, 'utf8'));
}

export async function writePrivileges(matrix: Matrix): Promise<void> {
  await writeFile(matrixFile, formatMatrix(matrix));
}

/**
 * Every entry of every access list in the catalogue that no cell of the matrix answers for: given to somebody who is none of
 * the logins, of a verb that is not tried, or to be passed on. Entries of an object's owner and of platform_owner are left
 * out: every migration uses those.
 */
export async function findUntestedGrants(client: pg.ClientBase, matrix: Matrix): Promise<string[]> {
  const { rows } = await client.query<Entry>(listEntries);
  return rows
    .filter((entry) => entry.is_grantable || !isTried(entry, matrix))
    .map(({ object, column, privilege, grantee, is_grantable }) => {
      const verb = column ? `${privilege} (${column})` : privilege;
      return `${verb} on ${object} to ${grantee}${is_grantable ? ' with grant option' : ''}`.toLowerCase();
    });
}

type Entry = { object: string; column: string | null; grantee: string; privilege: string; is_grantable: boolean };

function isTried({ object, column, grantee, privilege }: Entry, matrix: Matrix): boolean {
  const kind = object.split(' ', 1)[0] as string;
  const letter = lettersOf[kind]?.[privilege];
  const holders = loginNames.flatMap((login, index) => (grantee === login || grantee === logins[login] ? [index] : []));
  if (!letter || holders.length === 0) return false;
  const ofColumns = ['S', 'I', 'U'].includes(letter) && (kind === 'table' || kind === 'view');
  const isAnswer = (row: string) =>
    column ? row === `${object}\n${column}` : ofColumns ? row.startsWith(`${object}\n`) : row === object;
  const answers = [...matrix].filter(([row]) => isAnswer(row));
  return holders.every((index) => answers.some(([, cells]) => cells[index]?.includes(letter)));
}

const ofRelations = { SELECT: 'S', INSERT: 'I', UPDATE: 'U', DELETE: 'D', TRUNCATE: 'T', TRIGGER: 'G', MAINTAIN: 'M' };
const lettersOf: Record<string, Record<string, string>> = {
  table: ofRelations,
  view: ofRelations,
  sequence: { USAGE: 'N', SELECT: 'R', UPDATE: 'V' },
  function: { EXECUTE: 'X' },
  procedure: { EXECUTE: 'X' },
  schema: { USAGE: 'U', CREATE: 'C' },
  database: { CONNECT: 'C', CREATE: 'S', TEMPORARY: 'T' },
};

const labelOf = (row: string) => row.replace(/^.*\n/, '  ');

const isAllowed = ({ sql, mayFail }: Probe, state: string) => {
  if (state === '42501') return false;
  if (state === succeeded || mayFail) return true;
  throw new Error(`This probe shows neither that it is allowed nor that it is denied (SQLSTATE ${state}): ${sql}`);
};

const succeeded = 'AE000';

/** One block for all probes, each in a subtransaction that is rolled back: the SQLSTATE each ended with. */
async function tryProbes(client: pg.ClientBase, probes: Probe[]): Promise<string[]> {
  await client.query('begin');
  await client.query(`do $do$
    declare statement text; states text[] := '{}';
    begin
      for statement in select value from json_array_elements_text(${pg.escapeLiteral(JSON.stringify(probes.map((probe) => probe.sql)))}) loop
        begin
          execute statement;
          raise exception using errcode = '${succeeded}';
        exception when others then
          states := states || sqlstate;
        end;
      end loop;
      perform set_config('aether.probes', array_to_string(states, ' '), true);
    end $do$`);
  const { rows } = await client.query(`select current_setting('aether.probes') as states`);
  await client.query('rollback');
  return rows[0].states.split(' ');
}

async function listProbes(client: pg.ClientBase): Promise<Probe[]> {
  await client.query(`begin; set local search_path = ''`); // every type is written out
  const { rows: relations } = await client.query(listRelations);
  const { rows: others } = await client.query(listOthers);
  await client.query('rollback');
  return [
    { row: 'database', letter: 'C', sql: 'select' },
    { row: 'database', letter: 'S', sql: 'create schema privilege_probe' },
    { row: 'database', letter: 'T', sql: 'create temporary table privilege_probe ()' },
    ...others.flatMap(probesOfOther),
    ...relations.flatMap(probesOfRelation),
  ];
}

type Column = { name: string; type: string; identity: boolean; generated: boolean };
type Relation = {
  kind: 'table' | 'view';
  name: string;
  inserts: boolean;
  updates: boolean;
  deletes: boolean;
  columns: Column[];
};
type Other = { kind: 'schema' | 'sequence' | 'function' | 'procedure'; name: string; call: string };

function probesOfOther({ kind, name, call }: Other): Probe[] {
  const row = `${kind} ${name}`;
  switch (kind) {
    case 'schema':
      return [
        { row, letter: 'U', sql: `table ${name}.privilege_probe`, mayFail: true },
        { row, letter: 'C', sql: `create table ${name}.privilege_probe ()` },
      ];
    case 'sequence':
      return [
        { row, letter: 'N', sql: `select nextval('${name}')` },
        { row, letter: 'R', sql: `select last_value from ${name}` },
        // Below every minimum: refused for its value, after the privilege was looked at.
        { row, letter: 'V', sql: `select setval('${name}', -9223372036854775808)`, mayFail: true },
      ];
    case 'function':
      return [{ row, letter: 'X', sql: `select ${call} where false` }];
    case 'procedure':
      return [{ row, letter: 'X', sql: `call ${call}`, mayFail: true }];
  }
}

function probesOfRelation({ kind, name, inserts, updates, deletes, columns }: Relation): Probe[] {
  const row = `${kind} ${name}`;
  const probes: Probe[] = [];
  if (deletes) probes.push({ row, letter: 'D', sql: `delete from ${name} where false` });
  if (kind === 'table') probes.push({ row, letter: 'T', sql: `truncate ${name}`, mayFail: true });
  const moment = kind === 'table' ? 'before' : 'instead of';
  const trigger = 'for each row execute function suppress_redundant_updates_trigger()';
  probes.push({ row, letter: 'G', sql: `create trigger privilege_probe ${moment} update on ${name} ${trigger}` });
  if (kind === 'table') probes.push({ row, letter: 'M', sql: `reindex table ${name}` });
  for (const column of columns) {
    const columnRow = `${row}\n${column.name}`;
    probes.push({ row: columnRow, letter: 'S', sql: `select ${column.name} from ${name} limit 0` });
    if (inserts && !column.generated) {
      const values = `overriding system value select null::${column.type} where false`;
      probes.push({ row: columnRow, letter: 'I', sql: `insert into ${name} (${column.name}) ${values}` });
    }
    if (updates && !column.generated) {
      const value = column.identity ? 'default' : `null::${column.type}`;
      probes.push({ row: columnRow, letter: 'U', sql: `update ${name} set ${column.name} = ${value} where false` });
    }
  }
  return probes;
}

const isOurs = (catalogue: string, oid: string) => `
  n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend where classid = 'pg_catalog.${catalogue}'::regclass and objid = ${oid} and deptype = 'e')`;

const listRelations = `
  select case when c.relkind in ('r', 'p', 'f') then 'table' else 'view' end as kind, format('%I.%I', n.nspname, c.relname) as name,
         may & 8 > 0 as inserts, may & 4 > 0 as updates, may & 16 > 0 as deletes,
         (select json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
                                            'identity', a.attidentity <> '', 'generated', a.attgenerated <> '') order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace cross join pg_relation_is_updatable(c.oid, true) as may
  where c.relkind in ('r', 'p', 'f', 'v', 'm') and ${isOurs('pg_class', 'c.oid')}
  order by n.nspname collate "C", kind, c.relname collate "C"`;

const listOthers = `
  with other (kind, name, call, rank) as (
    select 'schema', quote_ident(n.nspname), null, 1 from pg_catalog.pg_namespace n where ${isOurs('pg_namespace', 'n.oid')}
    union all
    select 'sequence', format('%I.%I', n.nspname, c.relname), null, 2
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind = 'S' and ${isOurs('pg_class', 'c.oid')}
    union all
    -- A sub-select, for the planner would answer a strict function of a plain null without a look at the privilege.
    select case p.prokind when 'p' then 'procedure' else 'function' end, format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
           format('%I.%I(%s)', n.nspname, p.proname, (
             select string_agg(format(case p.prokind when 'p' then 'null::%s' else '(select null::%s)' end, format_type(type, null)), ', ')
             from unnest(p.proargtypes) type)), 3
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where ${isOurs('pg_proc', 'p.oid')})
  select kind, name, call from other order by rank, name collate "C"`;

const listEntries = `
  select o.object, o.column, case e.grantee when 0 then 'PUBLIC' else pg_get_userbyid(e.grantee)::text end as grantee, e.privilege_type as privilege,
         e.is_grantable
  from (select 'database', null::text, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) from pg_catalog.pg_database d
        where d.datname = current_database()
        union all
        select format('schema %I', n.nspname), null, n.nspowner, n.nspacl from pg_catalog.pg_namespace n where ${isOurs('pg_namespace', 'n.oid')}
        union all
        select format('%s %I.%I', case when c.relkind in ('r', 'p', 'f') then 'table' when c.relkind = 'S' then 'sequence' else 'view' end, n.nspname, c.relname),
               quote_ident(a.attname), c.relowner, coalesce(a.attacl, c.relacl)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          cross join lateral (select null as attname, null as attacl
                              union all select t.attname, t.attacl from pg_catalog.pg_attribute t where t.attrelid = c.oid and t.attacl is not null) a
        where ${isOurs('pg_class', 'c.oid')}
        union all
        select format('%s %I.%I(%s)', case p.prokind when 'p' then 'procedure' else 'function' end, n.nspname, p.proname, oidvectortypes(p.proargtypes)),
               null, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
        from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where ${isOurs('pg_proc', 'p.oid')}
        union all
        -- Not those of tables and arrays, which follow what they belong to.
        select format('type %I.%I', n.nspname, t.typname), null, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
        from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where t.typrelid = 0 and t.typsubscript <> 'array_subscript_handler'::regproc and ${isOurs('pg_type', 't.oid')}
        union all
        select format('new objects (%s)', d.defaclobjtype), null, d.defaclrole, d.defaclacl from pg_catalog.pg_default_acl d
       ) as o (object, "column", owner, acl) cross join aclexplode(o.acl) e
  where e.grantee <> o.owner and pg_get_userbyid(e.grantee) <> 'platform_owner'
  order by 1, 2, 3, 4`;
