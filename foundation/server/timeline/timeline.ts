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
  /** Whom an entry of a contact of the deal is about; null once nobody knows. */
  contact?: Named | null;
  deal: { id: number; name: string };
  change: Change;
  changes: FieldChange[];
};
export type FieldEntry = Head & { kind: 'field'; changes: FieldChange[] };
type Named = { id: string; name: string };
export type Entry = ActivityEntry | DealEntry | FieldEntry;
/** An entry names its customer if that is not whose timeline it is: in that of a deal, another one of its contacts. */
export type TimelineEntry = Entry & { customer?: Named };
/** An entry of a company's timeline names its customer; null: it is of the company itself. */
export type CompanyTimelineEntry = Entry & { customer: Named | null };

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
 * Reads the timeline of a customer, newest first: activities of both apps, changes of its deals and of its fields, and the changes of the
 * deals in which it has a part. What people wrote of such a deal stays with whom they wrote it on. Each table is read in the order of its
 * index and no further than one page, so that a long history costs no more than a short one.
 *
 * With a deal of the customer as a filter it is the timeline of that deal: what was written of it, with whichever contact, and who came and
 * went.
 */
export async function readTimeline(
  on: Queryable,
  customerId: string,
  { filters, ...paging }: { filters: TimelineFilters } & Paging,
): Promise<Placed<TimelineEntry>[]> {
  const isOfDeal = filters.deal !== undefined && (await hasPart(on, customerId, filters.deal));
  const entries = isOfDeal
    ? await readEntries(on, [ofDeal(filters.deal as number)], filters, paging)
    : await readEntries(on, [ofCustomer(customerId), ofParts(customerId)], filters, paging);
  const names = isOfDeal ? await readCustomerNames(on, entries) : new Map<string, string>();
  return entries.map(({ customer, ...entry }) => {
    const name = customer === customerId ? undefined : names.get(customer ?? '');
    return customer === null || name === undefined ? entry : { ...entry, customer: { id: customer, name } };
  });
}

/** Whether the customer is a contact of the deal. */
async function hasPart(on: Queryable, customerId: string, dealId: number): Promise<boolean> {
  const deals = await on.query(
    `select from crm.deals d where d.id = $1 and (d.customer_id = $2
       or exists (select from crm.deal_contacts k where k.deal_id = d.id and k.customer_id = $2))`,
    [dealId, customerId],
  );
  return deals.length > 0;
}

/**
 * Reads what happened with a company and its present customers, newest first: its own timeline and those of all of them in one. A customer that
 * changed the company brings the whole history along.
 */
export async function readCompanyTimeline(
  on: Queryable,
  companyId: string,
  { filters, ...paging }: { filters: Omit<TimelineFilters, 'deal'> } & Paging,
): Promise<Placed<CompanyTimelineEntry>[]> {
  const entries = await readEntries(on, [ofCompany(companyId), ofCompanyItself(companyId)], filters, paging);
  const names = await readCustomerNames(on, entries);
  return entries.map((entry) => ({
    ...entry,
    customer: entry.customer === null ? null : { id: entry.customer, name: names.get(entry.customer) ?? '' },
  }));
}

async function readCustomerNames(on: Queryable, entries: Owned<unknown>[]): Promise<Map<string, string>> {
  const ids = [...new Set(entries.map(({ customer }) => customer).filter((id) => id !== null))];
  if (ids.length === 0) return new Map();
  const found = await on.query<Named>('select id, name from platform.customers where id = any ($1)', [ids]);
  return new Map(found.map(({ id, name }) => [id, name]));
}

/** An entry with the id of its customer; null: it is of a company itself. */
type Owned<Entry> = Placed<Entry> & { customer: string | null };

/**
 * The rows of one of the two tables whose entries are wanted: a condition of a customer's rows, or a table expression with the name of the table.
 *
 * @param conditions of the rows, written once for each place where they are needed.
 */
type Rows = (
  table: { name: string; alias: string },
  conditions: (parameter: Parameter) => string[],
  paging: Paging,
  parameter: Parameter,
) => { from: string; where: string[] };

/**
 * Rows whose entries are wanted.
 *
 * @property hasActivities whether there are any besides changes; then the entry of a closing stands in place of the change of the deal.
 */
type Source = { rows: Rows; hasActivities: boolean };

const matching = (column: string, id: string | number): Source => ({
  hasActivities: true,
  rows: ({ name, alias }, conditions, _, parameter) => ({
    from: `${name} ${alias}`,
    where: [`${alias}.${column} = ${parameter(id)}`, ...conditions(parameter)],
  }),
});
const ofCustomer = (id: string) => matching('customer_id', id);
const ofDeal = (id: number) => matching('deal_id', id);
const ofCompanyItself = (id: string) => matching('company_id', id);

/** The newest rows `alias` of those that a condition selects, in the order of an index: "offset 0" keeps PostgreSQL in it. */
function newestOf(
  { name, alias }: { name: string; alias: string },
  { after }: Paging,
  parameter: Parameter,
  { of, conditions, columns, rows }: { of: string; conditions: string[]; columns: string; rows: string },
): string {
  const { order, direction } = newestFirst(alias);
  const { where, orderBy } = keyset(order, direction, after, parameter);
  return `(select ${columns} from (
       select * from ${name} ${alias} where ${of} and ${where} order by ${orderBy} offset 0) ${alias}
     where ${conditions.join(' and ') || 'true'} order by ${orderBy} limit ${rows})`;
}

/** The changes of the deals in which a customer has a part without being the primary contact: of each deal a page. */
const ofParts = (id: string): Source => ({
  hasActivities: false,
  rows: (table, conditions, paging, parameter) => ({
    from: `(select k.deal_id from crm.deal_contacts k join crm.deals d on d.id = k.deal_id
        where k.customer_id = ${parameter(id)} and d.customer_id <> k.customer_id offset 0) k
      cross join lateral ${newestOf(table, paging, parameter, {
        of: `${table.alias}.deal_id = k.deal_id`,
        // Who else came and went is told in the timeline of the deal, and in theirs.
        conditions: [
          `${table.alias}.change <> all ('{contact_added,contact_changed,contact_removed}')`,
          ...conditions(parameter),
        ],
        columns: `${table.alias}.*`,
        rows: parameter(paging.limit),
      })} ${table.alias}`,
    where: [],
  }),
});

/**
 * The newest rows of a company's customers belong to at most as many of them as a page has rows: to those whose own newest row is newest. So
 * one row of each customer is looked up in the index of timelines, and a page of each of these few. For a filter by a person PostgreSQL would
 * read, for each customer, all that this person has done, if it were not kept in that index.
 */
const ofCompany = (id: string): Source => ({
  hasActivities: true,
  rows: (table, conditions, paging, parameter) => {
    const { alias } = table;
    const newest = (customer: string, columns: string, rows: string) =>
      newestOf(table, paging, parameter, {
        of: `${alias}.customer_id = ${customer}`,
        conditions: conditions(parameter),
        ...{ columns, rows },
      });
    return {
      from: `(select c.id from (
           select id from platform.customers
           where company_id = ${parameter(id)} and merged_into is null and erased_at is null offset 0) c
         cross join lateral ${newest('c.id', `${alias}.occurred_at, ${alias}.id`, '1')} n
         order by n.occurred_at desc, n.id desc limit ${parameter(paging.limit)}) latest
       cross join lateral ${newest('latest.id', `${alias}.*`, parameter(paging.limit))} ${alias}`,
      where: [],
    };
  },
});

async function readEntries(
  on: Queryable,
  sources: Source[],
  filters: TimelineFilters,
  paging: Paging,
): Promise<Owned<Entry>[]> {
  const kinds = filters.types ? ['activity' as const] : (filters.kinds ?? [...entryKinds]);
  const wantsChanges = kinds.some((kind) => kind !== 'activity');
  const found = await Promise.all(
    sources.flatMap(({ rows, hasActivities }) => {
      const shown = hasActivities ? kinds : kinds.filter((kind) => kind === 'deal');
      return [
        hasActivities && kinds.includes('activity') ? readActivities(on, rows, filters, paging) : [],
        wantsChanges && shown.length > 0 ? readChanges(on, rows, shown, filters, paging) : [],
      ];
    }),
  );
  return found
    .flat()
    .sort((one, other) => compare(other.place, one.place))
    .slice(0, paging.limit);
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
  source: Rows,
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
  const rows = await readList<ActivityRow & { customer: string | null }>(
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
  customer: string | null;
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
  source: Rows,
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
    if (deal_id === null) return { kind: 'field', ...head };
    const deal = { id: deal_id, name: deal_name ?? String(data.name) };
    if (!change.startsWith('contact_')) return { kind: 'deal', ...head, change, deal };
    const contact = customer === null ? null : { id: customer, name: String(names('customer_id', customer)) };
    return { kind: 'deal', ...head, change, deal, contact };
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
  // The making of a deal names its customer, and shows nothing of it.
  const customers = [
    ...new Set(
      rows.flatMap(({ change, customer, data, previous }) =>
        change.startsWith('contact_') ? [customer] : [previous.customer_id && data.customer_id, previous.customer_id],
      ),
    ),
  ].filter((id) => id !== null && id !== undefined);
  if (people.length + companies.length + stages.length + customers.length === 0)
    return (field, value) => showPlain(field, value);
  const found = await on.query<{ id: string; name: string }>(
    `select 'p' || id as id, name from platform.users where id = any ($1)
     union all select 'c' || id, name from platform.companies where id = any ($2)
     union all select 's' || id, name from crm.pipeline_stages where id = any ($3)
     union all select 'k' || id, name from platform.customers where id = any ($4)`,
    [people, companies, stages, customers],
  );
  const names = new Map(found.map(({ id, name }) => [id, name]));
  const kinds: Record<string, string> = {
    ...{ account_manager_id: 'p', owner_id: 'p', company_id: 'c', stage_id: 's', customer_id: 'k' },
  };
  return (field, value) => {
    const name = kinds[field] && names.get(`${kinds[field]}${value}`);
    return name ?? showPlain(field, value);
  };
}

const showPlain = (field: string, value: unknown): unknown =>
  field === 'email' && typeof value === 'string' ? showAddress(value) : (value ?? null);
