import { type OpenApi, type Schema, typeOf } from './http.ts';
import { code, paragraphs, plain, type ReferencePage, table } from './text.ts';

/* The events of captured rows, from the database that the migrations make: from the triggers that write them. */

type Column = { name: string; type: string; isNullable: boolean; comment: string | null };
export type CapturedTable = {
  entity: string;
  /** `platform`: every app sees them; otherwise the app whose audience it is. */
  audience: string;
  relation: string;
  /** What the event's key and customer are, as SQL of the row `r`. */
  key: string;
  customer: string | undefined;
  /** In every event about the row, whatever has changed. */
  naming: string[];
  columns: Column[];
};

/** Of any login: the catalogue is open to all. */
type Client = { query(text: string): Promise<{ rows: { relation: string; source: string; columns: Column[] }[] }> };

const captured = `
  select distinct on (t.tgrelid::regclass::text) t.tgrelid::regclass::text as relation, p.prosrc as source,
    (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'isNullable', not a.attnotnull, 'comment', col_description(a.attrelid, a.attnum)) order by a.attnum)
     from pg_attribute a where a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid
  where t.tgname ^@ 'z_capture' order by t.tgrelid::regclass::text`;

/** @throws Error for a trigger that is not as sync.capture writes it */
export async function readCapturedTables(client: Client): Promise<CapturedTable[]> {
  const { rows } = await client.query(captured);
  return rows.map(({ relation, source, columns }) => {
    const [, whole] = /elsif tg_op = 'INSERT' then\s*data := (.*?);\s*else/s.exec(source) ?? [];
    const [, naming = ''] = /data := jsonb_build_object\(([^;]*)\) \|\| data;\s*elsif/s.exec(source) ?? [];
    const [, entity, key, customer] =
      /values \('(\w+)\.' \|\| case.*?'deleted' end, \((.*?)\)::text, \((.*?)\)::uuid,/s.exec(source) ?? [];
    const [, audience] = /'(\w+)', platform\.current_app\(\)/.exec(source) ?? [];
    if (!whole || !entity || !audience || key === undefined || customer === undefined)
      throw new Error(`The trigger of ${relation} is not as sync.capture writes it.`);
    const names = namesIn(whole);
    return {
      entity,
      audience,
      relation,
      key: plainly(key),
      customer: customer === 'null' ? undefined : plainly(customer),
      naming: namesIn(naming),
      columns: columns.filter(({ name }) => names.includes(name)),
    };
  });
}

const plainly = (sql: string) => sql.replace(/^\((.*)\)$/s, '$1').replace(/^r\.(\w+)$/, '$1');
const namesIn = (pairs: string): string[] => [...pairs.matchAll(/'(\w+)', r\./g)].map(([, name]) => name as string);

/** @param document that of Foundation: it has the events that are no row's change. Pure. */
export function describeEvents(tables: CapturedTable[], document: OpenApi): ReferencePage {
  const verbs = ['created', 'updated', 'deleted'];
  const known = new Set(tables.flatMap(({ entity }) => verbs.map((verb) => `${entity}.${verb}`)));
  const shapes = document.components?.schemas ?? {};
  const others = Object.entries(shapes).flatMap(([name, { allOf = [], properties: own, description }]) => {
    // What an event has is that of every event, and its own.
    const properties: Record<string, Schema> = Object.assign({}, own, ...allOf.map((part) => part.properties));
    const types = (properties.type?.enum ?? []).map(String).filter((type) => !known.has(type));
    return name.endsWith('Event') && types.length > 0 ? [{ types, data: properties.data, description }] : [];
  });
  const ofAll = tables.filter(({ audience }) => audience === 'platform');
  const ofApps = Map.groupBy(
    tables.filter(({ audience }) => audience !== 'platform'),
    ({ audience }) => audience,
  );
  return {
    path: 'reference/events.md',
    text: paragraphs(
      '# Types of events',
      `A captured row has three types of events. ${code('data')} of one that was created has all columns below; of one that was updated, what has changed and what names the row; ${code('previous')} has the values before. Version and ${code('updated_at')} are not among them: the event has its version itself. [Events](../docs/events.md) says how to read them.`,
      '## Of records that every app sees',
      ...ofAll.map(describeTable),
      ...others.map(({ types, data, description }) =>
        paragraphs(
          `### ${types.map(plain).join(', ')}`,
          description,
          table(
            ['data', 'value'],
            Object.entries(data?.properties ?? {}).map(([name, schema]) => [code(name), typeOf(schema)]),
          ),
        ),
      ),
      ...[...ofApps].flatMap(([audience, of]) => [`## Of records of ${plain(audience)}`, ...of.map(describeTable)]),
    ),
  };
}

function describeTable({ entity, relation, key, customer, naming, columns }: CapturedTable): string {
  return paragraphs(
    `### ${['created', 'updated', 'deleted'].map((verb) => `${entity}.${verb}`).join(', ')}`,
    `Rows of ${code(relation)}. Key: ${code(key)}. Customer: ${customer === undefined ? 'none' : code(customer)}.`,
    table(
      ['column', 'type', 'note'],
      columns.map(({ name, type, isNullable, comment }) => [
        code(name),
        `${type}${isNullable ? ' or null' : ''}`,
        [naming.includes(name) && 'In every event of the row.', comment].filter(Boolean).join(' '),
      ]),
    ),
  );
}
