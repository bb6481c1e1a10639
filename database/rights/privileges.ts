import pg from 'pg';
import { isOurs } from './grants.ts';
import { type Login, loginNames } from './logins.ts';
import type { Matrix } from './matrix.ts';

type Probe = {
  row: string;
  letter: string;
  sql: string;
  /** The statement cannot succeed: any error other than a lack of privilege means that it was allowed. */
  mayFail?: boolean;
};

/**
 * Tries every statement of the matrix as every login. It leaves nothing behind except a number drawn from each sequence
 * that a login may use. The probes take every lock that a login may take, so use a database that was made for this.
 *
 * @param connect opens a connection of that login; the caller closes it.
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

/** All partitions are not reindexed in one transaction; the privilege is asked for first. */
const notInTransaction = '25001';

const isAllowed = ({ sql, mayFail }: Probe, state: string) => {
  if (state === '42501') return false;
  if (state === succeeded || state === notInTransaction || mayFail) return true;
  throw new Error(`This probe shows neither that it is allowed nor that it is denied (SQLSTATE ${state}): ${sql}`);
};

const succeeded = 'AE000';

/** One block runs all probes, each in a subtransaction that is rolled back. It returns the SQLSTATE of each. */
async function tryProbes(client: pg.ClientBase, probes: Probe[]): Promise<string[]> {
  await client.query('begin');
  await client.query(`do $do$
    declare statement text; states text[] := '{}';
    begin
      for statement in select value
        from json_array_elements_text(${pg.escapeLiteral(JSON.stringify(probes.map((probe) => probe.sql)))}) loop
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
  await client.query(`begin; set local search_path = ''`); // so that every type name has its schema
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
        // Below every minimum: it is refused for its value, after the check of the privilege.
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

const listRelations = `
  select case when c.relkind in ('r', 'p', 'f') then 'table' else 'view' end as kind, format('%I.%I', n.nspname, c.relname) as name,
         may & 8 > 0 as inserts, may & 4 > 0 as updates, may & 16 > 0 as deletes,
         (select json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
                                            'identity', a.attidentity <> '', 'generated', a.attgenerated <> '') order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join pg_relation_is_updatable(c.oid, true) as may
  where c.relkind in ('r', 'p', 'f', 'v', 'm') and ${isOurs('pg_class', 'c.oid')}
  order by n.nspname collate "C", kind, c.relname collate "C"`;

const listOthers = `
  with other (kind, name, call, rank) as (
    select 'schema', quote_ident(n.nspname), null, 1 from pg_catalog.pg_namespace n where ${isOurs('pg_namespace', 'n.oid')}
    union all
    select 'sequence', format('%I.%I', n.nspname, c.relname), null, 2
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'S' and ${isOurs('pg_class', 'c.oid')}
    union all
    -- A sub-select, for the planner would answer a strict function of a plain null without a look at the privilege.
    select case p.prokind when 'p' then 'procedure'
      else 'function' end, format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
           format('%I.%I(%s)', n.nspname, p.proname, (
             select string_agg(format(case p.prokind when 'p' then 'null::%s' else '(select null::%s)' end, format_type(type, null)), ', ')
             from unnest(p.proargtypes) type)), 3
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where ${isOurs('pg_proc', 'p.oid')})
  select kind, name, call from other order by rank, name collate "C"`;
