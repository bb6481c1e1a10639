import { type Answer, type ImportClient, listRows, type Outcome, type RunRow } from '@aether/importer';
import { rowsOf, type Sql } from '../sql.ts';

/** A client as the importer takes it. It only reads. */
export const asImportClient = (sql: Sql): ImportClient =>
  ({ query: async (text: string, values?: unknown[]) => ({ rows: await rowsOf(sql, text, values) }) }) as never;

type Person = { id: string; name: string; email: string | null };
export type FieldValue = { field: string; ours?: string | null; theirs: string | null };
export type ShownRow = Omit<RunRow, 'conflicts' | 'fills' | 'message'> & {
  /** Why the line has this outcome, in words; null if that needs no word. */
  because: string | null;
  person: Person | null;
  fills: FieldValue[];
  conflicts: FieldValue[];
};

const reasons: Record<string, string> = {
  'same-line': 'The same line was imported before, and has not changed.',
  'nothing-new': 'The customer has all of it already.',
  'nothing-new-since': 'Somebody else has given the customer all of it since the plan.',
  'same-person': 'It is the same person as an earlier line.',
  'two-customers':
    'It would join two customers: answer whose it is, which is the one who has its address if one has; or merge the two.',
  'no-address': 'It has no e-mail address, and is no customer that is known.',
  'id-twice': 'Another line of this source has the same id.',
  erased: 'The customer was erased, and nothing brings them back.',
  'customer-gone-since': 'Its customer went with an import that was undone since the plan: import the line again.',
  'address-taken-since': 'Somebody has got this address since the plan: the line belongs to that customer.',
};

/** Lines of a run with names in place of ids. */
export async function showRows(
  sql: Sql,
  run: string,
  query: { outcome?: Outcome | undefined; withConflicts?: boolean | undefined; after?: number; limit?: number },
): Promise<ShownRow[]> {
  const { outcome, withConflicts, ...paging } = query;
  const rows = await listRows(asImportClient(sql), run, {
    ...paging,
    ...(outcome && { outcome }),
    ...(withConflicts && { withConflicts }),
  });
  const said = rows.flatMap(({ fills, conflicts }) => [
    ...Object.values(fills),
    ...Object.values(conflicts).flatMap(({ ours, theirs }) => [ours, theirs]),
  ]);
  const [people, names] = await Promise.all([
    readPeople(
      sql,
      rows.flatMap(({ customer }) => (customer ? [customer] : [])),
    ),
    readNamesOf(sql, said),
  ]);
  return rows.map(({ fills, conflicts, message, ...row }) => ({
    ...row,
    because: message ?? (row.code === null ? null : (reasons[row.code] ?? null)),
    person: (row.customer && people.get(row.customer)) || null,
    fills: Object.entries(fills).map(([field, theirs]) => ({ field, theirs: sayValue(theirs, names) })),
    conflicts: Object.entries(conflicts).map(([field, { ours, theirs }]) => ({
      field,
      ours: sayValue(ours, names),
      theirs: sayValue(theirs, names),
    })),
  }));
}

/** What an undo kept, or would keep, with names in place of ids. */
export async function showKept(
  sql: Sql,
  kept: { n: number; customer: string; field: string; written: unknown; present: unknown }[],
) {
  const [people, names] = await Promise.all([
    readPeople(
      sql,
      kept.map(({ customer }) => customer),
    ),
    readNamesOf(
      sql,
      kept.flatMap(({ written, present }) => [written, present]),
    ),
  ]);
  return kept.map(({ written, present, ...each }) => ({
    ...each,
    person: people.get(each.customer) ?? null,
    written: sayValue(written, names),
    present: sayValue(present, names),
  }));
}

/** Pairs that may be one person, the likeliest first. */
export async function showCandidates(sql: Sql, run: string, { limit, offset }: { limit: number; offset: number }) {
  const rows = await rowsOf<{
    score: number;
    reasons: unknown;
    first: Side;
    second: Side | null;
    customer: Person | null;
    answer: Answer | null;
    answered_by: string | null;
  }>(
    sql,
    `select c.score, c.reasons, d.answer, d.actor as answered_by,
       (select ${sideColumns} from sync.import_rows p where p.run = $1::bigint and p.n = c.n) as first,
       (select ${sideColumns} from sync.import_rows p where p.run = $1::bigint and p.n = c.other_n) as second,
       (select jsonb_build_object('id', k.id, 'name', k.name, 'email', k.email) from platform.customers k
        where k.id = c.other_customer) as customer
     from sync.import_candidates c
       left join sync.list_import_persons($1::bigint, array(
         select x.n from sync.import_candidates x where x.run = $1::bigint
         union select x.other_n from sync.import_candidates x where x.run = $1::bigint)) a on a.n = c.n
       left join sync.list_import_persons($1::bigint, array(
         select x.other_n from sync.import_candidates x where x.run = $1::bigint)) b on b.n = c.other_n
       left join lateral (
         select e.answer, e.actor from (values
             (a.person, coalesce('customer:' || c.other_customer, case when a.person <> b.person then b.person end)),
             (a.whole, case when a.person = b.person then b.whole end)) v (one, other)
           join sync.import_decisions e on e.one = least(v.one collate "C", v.other) and e.other = greatest(v.one collate "C", v.other)
         limit 1) d on true
     where c.run = $1::bigint
     order by case d.answer when 'later' then 1 when 'same' then 2 when 'different' then 2 else 0 end, c.score desc, c.n, c.other_n
     limit $2 offset $3`,
    [run, limit, offset],
  );
  return rows.map(({ reasons, ...row }) => ({ ...row, reasons: Array.isArray(reasons) ? reasons.map(String) : [] }));
}
type Side = { n: number; line: number; name: string | null; email: string | null; phone: string | null };
const sideColumns = `jsonb_build_object('n', p.n, 'line', p.line, 'name', p.name, 'email', p.email, 'phone', p.phone)`;

async function readPeople(sql: Sql, ids: string[]): Promise<Map<string, Person>> {
  if (ids.length === 0) return new Map();
  const people = await rowsOf<Person>(
    sql,
    'select id, name, email from platform.customers where id = any ($1) and erased_at is null',
    [[...new Set(ids)]],
  );
  return new Map(people.map((person) => [person.id, person]));
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The names of the companies, people and customers that values are the ids of. */
async function readNamesOf(sql: Sql, values: unknown[]): Promise<Map<string, string>> {
  const texts = [...new Set(values.filter((value) => typeof value === 'string'))];
  if (texts.length === 0) return new Map();
  const found = await rowsOf<{ id: string; name: string }>(
    sql,
    `select id::text as id, name from platform.companies where id = any ($1::uuid[])
     union all select id::text, name from platform.customers where id = any ($1::uuid[]) and erased_at is null
     union all select id, name from platform.users where id = any ($2)`,
    [texts.filter((text) => uuid.test(text)), texts],
  );
  return new Map(found.map(({ id, name }) => [id, name]));
}

/** A value in words. Pure. */
export function sayValue(value: unknown, names: ReadonlyMap<string, string> = new Map()): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return names.get(value) ?? value.replace(/^(domain|name):/, '');
  if (typeof value !== 'object') return String(value);
  const { phone, phone_extension, address, extension } = value as Record<string, string | null | undefined>;
  const more = phone_extension ?? extension;
  if (phone) return more ? `${phone}, extension ${more}` : phone;
  return address ?? JSON.stringify(value);
}
