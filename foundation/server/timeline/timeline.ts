import {
  keyset,
  type ListPlace,
  type Paging,
  type Parameter,
  type Placed,
  type Queryable,
  readList,
  showAddress,
} from '@aether/platform';
import { type Activity, type ActivityRow, activityColumns, toActivity } from '../activities/activities.ts';
import type { Change } from './history.ts';

export const entryKinds = ['activity', 'deal', 'field'] as const;
export type EntryKind = (typeof entryKinds)[number];

type Head = { id: string; occurred_at: Date; app: string; actor: { id: string; name: string } | null };
/** `label` is given for a custom field, whose `field` is `custom.<key>`. */
export type FieldChange = { field: string; label?: string; old: unknown; new: unknown };
export type ActivityEntry = Head & { kind: 'activity' } & Omit<Activity, 'created_by'>;
export type DealEntry = Head & {
  kind: 'deal';
  deal: { id: number; name: string };
  change: Change;
  changes: FieldChange[];
};
export type FieldEntry = Head & { kind: 'field'; changes: FieldChange[] };
export type TimelineEntry = ActivityEntry | DealEntry | FieldEntry;
/** An entry of a company's timeline names its customer. */
export type CompanyTimelineEntry = TimelineEntry & { customer: { id: string; name: string } };

export type TimelineFilters = {
  kinds?: EntryKind[];
  /** Types of activities. */
  types?: string[];
  app?: string;
  /** Only entries of this deal. */
  deal?: number;
  /** Only entries by this user. */
  person?: string;
  since?: string;
  until?: string;
};

/** The order of each of the two tables, `a` and `h`. */
const newestFirst = (table: string) =>
  ({
    order: { by: `${table}.occurred_at`, type: 'timestamptz', id: `${table}.id`, idType: 'uuid' },
    direction: 'desc',
  }) as const;

/**
 * Reads the timeline of a customer, newest first: activities of both apps, changes of its deals and of its fields. Each of the two
 * tables is read in the order of its index and no further than one page, so that a long history costs no more than a short one.
 */
export async function readTimeline(
  on: Queryable,
  customerId: string,
  { filters, ...paging }: { filters: TimelineFilters } & Paging,
): Promise<Placed<TimelineEntry>[]> {
  const entries = await readEntries(on, ofCustomer(customerId), filters, paging);
  return entries.map(({ customer: _, ...entry }) => entry);
}

/**
 * Reads what happened with the present customers of a company, newest first: the timelines of all of them in one. A customer that changed the
 * company brings the whole history along.
 */
export async function readCompanyTimeline(
  on: Queryable,
  companyId: string,
  { filters, ...paging }: { filters: Omit<TimelineFilters, 'deal'> } & Paging,
): Promise<Placed<CompanyTimelineEntry>[]> {
  const entries = await readEntries(on, ofCompany(companyId), filters, paging);
  const ids = [...new Set(entries.map(({ customer }) => customer))];
  const found = await on.query<{ id: string; name: string }>(
    'select id, name from platform.customers where id = any ($1)',
    [ids],
  );
  const names = new Map(found.map(({ id, name }) => [id, name]));
  return entries.map((entry) => ({
    ...entry,
    customer: { id: entry.customer, name: names.get(entry.customer) ?? '' },
  }));
}

/** An entry with the id of its customer. */
type Owned<Entry> = Placed<Entry> & { customer: string };

/**
 * The rows of one of the two tables whose entries are wanted: a condition of a customer's rows, or a table expression with the name of the table.
 *
 * @param conditions of the rows, written once for each place where they are needed.
 */
type Source = (
  table: { name: string; alias: string },
  conditions: (parameter: Parameter) => string[],
  paging: Paging,
  parameter: Parameter,
) => { from: string; where: string[] };

const ofCustomer =
  (id: string): Source =>
  ({ name, alias }, conditions, _, parameter) => ({
    from: `${name} ${alias}`,
    where: [`${alias}.customer_id = ${parameter(id)}`, ...conditions(parameter)],
  });

/**
 * The newest rows of a company belong to at most as many customers as a page has rows: to those whose own newest row is newest. So one row of
 * each customer is looked up in the index of timelines, and a page of each of these few. "offset 0" keeps PostgreSQL in that index: for a
 * filter by a person it would read, for each customer, all that this person has done.
 */
const ofCompany =
  (id: string): Source =>
  ({ name, alias }, conditions, { after, limit }, parameter) => {
    const { order, direction } = newestFirst(alias);
    const newestOf = (customer: string, columns: string, rows: string) => {
      const { where, orderBy } = keyset(order, direction, after, parameter);
      const matching = conditions(parameter).join(' and ') || 'true';
      return `(select ${columns} from (
           select * from ${name} ${alias} where ${alias}.customer_id = ${customer} and ${where} order by ${orderBy} offset 0) ${alias}
         where ${matching} order by ${orderBy} limit ${rows})`;
    };
    return {
      from: `(select c.id from (
           select id from platform.customers
           where company_id = ${parameter(id)} and merged_into is null and erased_at is null offset 0) c
         cross join lateral ${newestOf('c.id', `${alias}.occurred_at, ${alias}.id`, '1')} n
         order by n.occurred_at desc, n.id desc limit ${parameter(limit)}) latest
       cross join lateral ${newestOf('latest.id', `${alias}.*`, parameter(limit))} ${alias}`,
      where: [],
    };
  };

async function readEntries(
  on: Queryable,
  source: Source,
  filters: TimelineFilters,
  paging: Paging,
): Promise<Owned<TimelineEntry>[]> {
  const kinds = filters.types ? ['activity' as const] : (filters.kinds ?? [...entryKinds]);
  const [activities, changes] = await Promise.all([
    kinds.includes('activity') ? readActivities(on, source, filters, paging) : [],
    kinds.some((kind) => kind !== 'activity') ? readChanges(on, source, kinds, filters, paging) : [],
  ]);
  return [...activities, ...changes].sort((one, other) => compare(other.place, one.place)).slice(0, paging.limit);
}

/** Orders places like PostgreSQL orders (occurred_at, id): the texts compare like the values. */
function compare([oneTime, oneId]: ListPlace, [otherTime, otherId]: ListPlace): number {
  if (oneTime !== otherTime) return `${oneTime}` < `${otherTime}` ? -1 : 1;
  return oneId === otherId ? 0 : oneId < otherId ? -1 : 1;
}

function matchTimes(table: string, { since, until }: TimelineFilters, parameter: Parameter): string[] {
  const conditions: string[] = [];
  if (since) conditions.push(`${table}.occurred_at >= ${parameter(since)}`);
  if (until) conditions.push(`${table}.occurred_at < ${parameter(until)}`);
  return conditions;
}

async function readActivities(
  on: Queryable,
  source: Source,
  filters: TimelineFilters,
  paging: Paging,
): Promise<Owned<ActivityEntry>[]> {
  const conditions = (parameter: Parameter) => {
    const where = matchTimes('a', filters, parameter);
    if (filters.deal !== undefined) where.push(`a.deal_id = ${parameter(filters.deal)}`);
    if (filters.types) where.push(`a.type = any (${parameter(filters.types)})`);
    if (filters.app) where.push(`a.created_by_app = ${parameter(filters.app)}`);
    if (filters.person) where.push(`a.created_by = ${parameter(filters.person)}`);
    return where;
  };
  const rows = await readList<ActivityRow & { customer: string }>(
    on,
    { ...newestFirst('a'), ...paging },
    (parameter) => {
      const { from, where } = source({ name: 'crm.activities', alias: 'a' }, conditions, paging, parameter);
      return {
        columns: `${activityColumns}, a.customer_id as customer`,
        from: `${from} left join platform.users u on u.id = a.created_by`,
        where,
      };
    },
  );
  return rows.map(({ place, customer, ...row }) => {
    const { created_by, ...activity } = toActivity(row);
    return { kind: 'activity', ...activity, actor: created_by, place, customer };
  });
}

type ChangeRow = {
  id: string;
  customer: string;
  deal_id: number | null;
  deal_name: string | null;
  change: Change;
  app: string;
  actor: string | null;
  actor_name: string | null;
  occurred_at: Date;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
  names: Record<string, string>;
};

async function readChanges(
  on: Queryable,
  source: Source,
  kinds: EntryKind[],
  filters: TimelineFilters,
  paging: Paging,
): Promise<Owned<DealEntry | FieldEntry>[]> {
  const conditions = (parameter: Parameter) => [
    ...matchTimes('h', filters, parameter),
    ...matchChanges(kinds, filters, parameter),
  ];
  const rows = await readList<ChangeRow>(on, { ...newestFirst('h'), ...paging }, (parameter) => {
    const { from, where } = source({ name: 'crm.changes', alias: 'h' }, conditions, paging, parameter);
    return {
      columns: `h.id, h.customer_id as customer, h.deal_id, d.name as deal_name, h.change, h.app, h.actor, u.name as actor_name,
        h.occurred_at, h.data, h.previous, h.names`,
      from: `${from} left join crm.deals d on d.id = h.deal_id left join platform.users u on u.id = h.actor`,
      where,
    };
  });
  const names = await readNames(on, rows);
  return rows.map((row) => {
    const { id, customer, deal_id, deal_name, change, app, actor, actor_name, occurred_at, data, previous, place } =
      row;
    const shown = Object.keys(previous).filter(
      (field) => !(field === 'status' || (field === 'stage_id' && 'status' in previous)),
    );
    const head = {
      id,
      occurred_at,
      app,
      actor: actor ? { id: actor, name: actor_name ?? actor } : null,
      changes: shown.map((field) => ({
        ...nameField(field, row.names),
        old: row.names[`${field}.${previous[field]}`] ?? names(field, previous[field]),
        new: row.names[`${field}.${data[field]}`] ?? names(field, data[field]),
      })),
      place,
      customer,
    };
    return deal_id === null
      ? { kind: 'field', ...head }
      : { kind: 'deal', ...head, change, deal: { id: deal_id, name: deal_name ?? String(data.name) } };
  });
}

/** @returns the conditions for changes `h` of these kinds. */
function matchChanges(kinds: EntryKind[], filters: TimelineFilters, parameter: Parameter): string[] {
  // The making of a customer is shown with its fields. The making of a deal gets one entry.
  const conditions = [`(h.change <> 'created' or h.data ? 'stage_id')`];
  // The activity of a closing or a reopening says more than the change of the deal. A closing by raw SQL has no activity.
  if (kinds.includes('activity'))
    conditions.push(
      `not (h.change in ('won', 'lost', 'reopened') and exists (
         select from crm.deal_closings k join crm.activities a on a.created_by_app = 'foundation'
           and a.idempotency_key = case h.change when 'reopened' then 'reopening:' else 'closing:' end || k.id
         where k.deal_id = h.deal_id
           and case h.change when 'reopened' then k.reopened_version else k.deal_version end = (h.data ->> 'version')::bigint))`,
    );
  if (filters.deal !== undefined) conditions.push(`h.deal_id = ${parameter(filters.deal)}`);
  if (!kinds.includes('deal')) conditions.push('h.deal_id is null');
  if (!kinds.includes('field')) conditions.push('h.deal_id is not null');
  if (filters.app) conditions.push(`h.app = ${parameter(filters.app)}`);
  if (filters.person) conditions.push(`h.actor = ${parameter(filters.person)}`);
  return conditions;
}

const nameField = (field: string, names: Record<string, string>) =>
  field.startsWith('custom.') ? { field, label: names[field] ?? field } : { field: field.replace(/_id$/, '') };

/** The present names of the ids in the changes. The id of a deleted row stays an id. */
async function readNames(on: Queryable, rows: ChangeRow[]): Promise<(field: string, value: unknown) => unknown> {
  const idsOf = (...fields: string[]) => [
    ...new Set(
      rows
        .flatMap(({ data, previous }) => fields.flatMap((field) => [data[field], previous[field]]))
        .filter((id) => id !== null && id !== undefined),
    ),
  ];
  const [people, companies, stages] = [idsOf('account_manager_id', 'owner_id'), idsOf('company_id'), idsOf('stage_id')];
  if (people.length + companies.length + stages.length === 0) return (field, value) => showPlain(field, value);
  const found = await on.query<{ id: string; name: string }>(
    `select 'p' || id as id, name from platform.users where id = any ($1)
     union all select 'c' || id, name from platform.companies where id = any ($2)
     union all select 's' || id, name from crm.pipeline_stages where id = any ($3)`,
    [people, companies, stages],
  );
  const names = new Map(found.map(({ id, name }) => [id, name]));
  const kinds: Record<string, string> = { account_manager_id: 'p', owner_id: 'p', company_id: 'c', stage_id: 's' };
  return (field, value) => {
    const name = kinds[field] && names.get(`${kinds[field]}${value}`);
    return name ?? showPlain(field, value);
  };
}

const showPlain = (field: string, value: unknown): unknown =>
  field === 'email' && typeof value === 'string' ? showAddress(value) : (value ?? null);
