import { NotFound, type Queryable } from '@aether/platform';

type Named = { id: string; name: string | null };

/** A merge as lists show it. A name is that of the record itself; an erased customer has none. */
export type MergeHead = {
  id: string;
  survivor: Named;
  loser: Named;
  /** The person or the command that merged. */
  actor: string | null;
  actor_name: string | null;
  reason: string | null;
  merged_at: Date;
  undone_at: Date | null;
  undone_by: string | null;
  undone_by_name: string | null;
};

/** A merge with all that the ledger says of it. */
export type MergeRecord = MergeHead & {
  app: string;
  evidence: Record<string, unknown>;
  fields: { field: string; survivor: unknown; loser: unknown; chosen: 'survivor' | 'loser'; by: string; why: string }[];
  /** Rows by table. */
  moved: Record<string, number>;
  suppressed: Record<string, number>;
  undo_report: { fieldsKept?: KeptField[] } | null;
};

/** A field that an undo leaves as it is. */
type KeptField = { field: string; written: unknown; present: unknown };

const listMax = 100;

const head = `m.id, m.actor, u.name as actor_name, m.reason, m.merged_at, m.undone_at, m.undone_by, v.name as undone_by_name,
  jsonb_build_object('id', m.survivor_id, 'name', case when s.erased_at is null then s.name end) as survivor,
  jsonb_build_object('id', m.loser_id, 'name', case when l.erased_at is null then l.name end) as loser`;
const tables = `platform.merges m
  left join platform.customers s on s.id = m.survivor_id left join platform.customers l on l.id = m.loser_id
  left join platform.users u on u.id = m.actor left join platform.users v on v.id = m.undone_by`;

/** The latest hundred merges, the newest first. @param customerId only those in which this customer, or one merged into it, took part. */
export function listMerges(on: Queryable, customerId?: string): Promise<MergeHead[]> {
  if (customerId === undefined)
    return on.query<MergeHead>(`select ${head} from ${tables} order by m.merged_at desc, m.id desc limit ${listMax}`);
  return on.query<MergeHead>(
    `select ${head} from ${tables}
     where m.survivor_id = any (sync.list_merged($1)) or m.loser_id = any (sync.list_merged($1))
     order by m.merged_at desc, m.id desc limit ${listMax}`,
    [customerId],
  );
}

/** @throws NotFound */
export async function readMerge(on: Queryable, id: string): Promise<MergeRecord> {
  const [found] = await on.query<MergeRecord>(
    `select ${head}, m.app, m.evidence, m.moved, m.suppressed, m.undo_report,
       (select coalesce(jsonb_agg(jsonb_build_object('field', f.field,
            'survivor', case when f.field in ('email', 'phone') then f.ours -> f.field else f.ours end,
            'loser', case when f.field in ('email', 'phone') then f.theirs -> f.field else f.theirs end,
            'chosen', f.side, 'by', f.chosen_by, 'why', f.why) order by f.field like 'custom.%', f.field), '[]')
        from platform.merge_fields f where f.merge = m.id) as fields
     from ${tables} where m.id = $1`,
    [id],
  );
  if (!found) throw new NotFound('merge');
  return found;
}

/**
 * The present names of the companies and people that fields hold as ids.
 *
 * @param fields their values, as they are or as previews give them: `{ value }`.
 */
export async function readFieldNames(
  on: Queryable,
  fields: readonly { field: string; values: unknown[] }[],
): Promise<Record<string, string>> {
  const plain = (value: unknown) =>
    typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
  const idsOf = (field: string) => [
    ...new Set(
      fields
        .filter((each) => each.field === field)
        .flatMap(({ values }) => values.map(plain))
        .filter((id): id is string => typeof id === 'string'),
    ),
  ];
  const [companies, people] = [idsOf('company_id'), idsOf('account_manager_id')];
  if (companies.length + people.length === 0) return {};
  const named = await on.query<{ id: string; name: string }>(
    `select id::text, name from platform.companies where id = any ($1::uuid[])
     union all select id, name from platform.users where id = any ($2::text[])`,
    [companies, people],
  );
  return Object.fromEntries(named.map(({ id, name }) => [id, name]));
}
