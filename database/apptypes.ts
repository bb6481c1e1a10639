import type pg from 'pg';

/*
 * The types of what a login may read and write, as TypeScript: an interface for each table and view, and `Database`, which names them as SQL does. A column
 * has three types, of what is read, inserted and updated, in the form that Kysely knows as ColumnType; the file imports nothing. The values are those
 * that `query` of platformDb gives.
 */

type Column = {
  schema: string;
  relation: string;
  column: string;
  /** The array's element if it is an array; the base of a domain. */
  type: string;
  is_array: boolean;
  labels: string[] | null;
  is_nullable: boolean;
  has_default: boolean;
  reads: boolean;
  inserts: boolean;
  updates: boolean;
  comment: string | null;
};

/** A role that has the rights, and the schema that its statements find without a name. */
export type TypesOf = { role: string; schema: string };

/**
 * Writes the types of all tables and views of which the role may read or write a column, but for PostgreSQL's own.
 *
 * @param client of any login: the catalogue is open to all
 * @throws Error if the role may use no table, as when the app is not there
 */
export async function writeAppTypes(client: pg.ClientBase, { role, schema }: TypesOf): Promise<string> {
  const { rows } = await client.query<Column>(columns, [role]);
  if (rows.length === 0) throw new Error(`${role} may read and write no table of this database.`);
  const relations = Map.groupBy(rows, (row) => `${row.schema}.${row.relation}`);
  const names = nameInterfaces([...relations.keys()], schema);
  const interfaces = [...relations].map(([relation, of]) => describe(names.get(relation) as string, of));
  const members = [...relations.keys()].flatMap((relation) => {
    const line = `  '${relation}': ${names.get(relation)};`;
    const [ofSchema, name] = relation.split('.') as [string, string];
    return ofSchema === schema ? [line, `  ${quoted(name)}: ${names.get(relation)};`] : [line];
  });
  return `${heading}\n${interfaces.join('\n\n')}\n\n/** The tables and views, by their names in SQL. */\nexport interface Database {\n${members.join('\n')}\n}\n`;
}

const heading = `// What this app may read and write in the platform's database, made by \`aether app types\`. Not edited: make it again after a migration.

/** A column: the types of what is read, inserted and updated. Kysely knows it as ColumnType. */
type Column<Selected, Inserted = Selected, Updated = Inserted> = {
  readonly __select__: Selected;
  readonly __insert__: Inserted;
  readonly __update__: Updated;
};
/** Any value of JSON. */
export type Json = unknown;
/** A length of time, as the driver gives it. */
export type Interval = { [Unit in 'years' | 'months' | 'days' | 'hours' | 'minutes' | 'seconds' | 'milliseconds']?: number };
`;

/** Names that differ, also where two schemas have a table of one name. */
function nameInterfaces(relations: string[], own: string): Map<string, string> {
  const pascal = (text: string) => text.replace(/(?:^|_)([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  const bare = Map.groupBy(relations, (relation) => pascal(relation.split('.')[1] as string));
  return new Map(
    relations.map((relation) => {
      const [schema, name] = relation.split('.') as [string, string];
      const isAlone = bare.get(pascal(name))?.length === 1;
      return [relation, isAlone || schema === own ? pascal(name) : pascal(schema) + pascal(name)];
    }),
  );
}

function describe(name: string, columnsOf: Column[]): string {
  const lines = columnsOf.flatMap((column) => [
    ...(column.comment ? [`  /** ${column.comment.replaceAll('*/', '* /').replace(/\s+/g, ' ')} */`] : []),
    `  ${quoted(column.column)}: ${typeOf(column)};`,
  ]);
  return `export interface ${name} {\n${lines.join('\n')}\n}`;
}

/** What cannot be read is \`never\` where it is read, and so on: the compiler refuses what the database would. */
function typeOf({ type, is_array: isArray, labels, is_nullable: isNullable, ...column }: Column): string {
  const [read, written] = labels ? [labels.map(literal).join(' | '), labels.map(literal).join(' | ')] : valuesOf(type);
  const whole = (value: string) => {
    const listed = isArray ? (/[ |]/.test(value) ? `(${value})[]` : `${value}[]`) : value;
    return isNullable ? `${listed} | null` : listed;
  };
  const selected = column.reads ? whole(read) : 'never';
  const inserted = column.inserts ? whole(written) + (column.has_default || isNullable ? ' | undefined' : '') : 'never';
  const updated = column.updates ? whole(written) : 'never';
  return `Column<${selected}, ${inserted}, ${updated}>`;
}

/** What \`query\` gives for a value of the type, and what it takes. */
function valuesOf(type: string): [read: string, written: string] {
  const known = values[type];
  if (known) return known;
  return ['string', 'string'];
}

const values: Record<string, [read: string, written: string]> = {
  ...Object.fromEntries(
    ['int2', 'int4', 'int8', 'float4', 'float8', 'oid'].map((type) => [type, ['number', 'number']]),
  ),
  bool: ['boolean', 'boolean'],
  numeric: ['string', 'string | number'],
  timestamptz: ['Date', 'Date | string'],
  timestamp: ['Date', 'Date | string'],
  json: ['Json', 'Json'],
  jsonb: ['Json', 'Json'],
  bytea: ['Buffer', 'Buffer'],
  interval: ['Interval', 'string'],
};

const quoted = (name: string): string => (/^[a-z_][a-z0-9_]*$/i.test(name) ? name : literal(name));
const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const columns = `
  with recursive base (oid, at) as (
    select t.oid, t.oid from pg_catalog.pg_type t
    union all select b.oid, t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.at where t.typtype = 'd'),
  resolved as (
    select b.oid, t.typname, t.typelem, t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc as is_array
    from base b join pg_catalog.pg_type t on t.oid = b.at where t.typtype <> 'd')
  select n.nspname as schema, c.relname as relation, a.attname as column, coalesce(e.typname, r.typname) as type, r.is_array,
    (select array_agg(l.enumlabel::text order by l.enumsortorder) from pg_catalog.pg_enum l
      where l.enumtypid = case when r.is_array then r.typelem else r.oid end) as labels,
    not a.attnotnull and not exists (select from pg_catalog.pg_type d where d.oid = a.atttypid and d.typnotnull) as is_nullable,
    a.atthasdef or a.attidentity <> '' as has_default,
    has_column_privilege($1, c.oid, a.attnum, 'SELECT') as reads,
    has_column_privilege($1, c.oid, a.attnum, 'INSERT') and a.attgenerated = '' and a.attidentity <> 'a' as inserts,
    has_column_privilege($1, c.oid, a.attnum, 'UPDATE') and a.attgenerated = '' and a.attidentity <> 'a' as updates,
    col_description(c.oid, a.attnum) as comment
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join resolved r on r.oid = a.atttypid left join resolved e on r.is_array and e.oid = r.typelem
  where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and has_schema_privilege($1, n.oid, 'USAGE') and has_any_column_privilege($1, c.oid, 'SELECT, INSERT, UPDATE')
  order by n.nspname collate "C", c.relname collate "C", a.attnum`;
