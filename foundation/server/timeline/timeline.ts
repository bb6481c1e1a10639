import type { Queryable } from '@aether/platform';
import { type Activity, type ActivityRow, activityColumns, toActivity } from '../activities/activities.ts';
import { collectValues } from '../keyset.ts';
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

/** The end of a page: the time to the microsecond, which Date cannot hold, and the id. */
export type TimelinePlace = { at: string; id: string };

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

const at = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;

/**
 * Reads the timeline of a customer, newest first: activities of both apps, changes of its deals and of its fields. Each of the two
 * tables is read in the order of its index and no further than one page, so that a long history costs no more than a short one.
 */
export async function readTimeline(
  on: Queryable,
  customerId: string,
  { filters, after, limit }: { filters: TimelineFilters; after?: TimelinePlace; limit: number },
): Promise<(TimelineEntry & { place: TimelinePlace })[]> {
  const kinds = filters.types ? ['activity' as const] : (filters.kinds ?? [...entryKinds]);
  const [activities, changes] = await Promise.all([
    kinds.includes('activity') ? readActivities(on, customerId, filters, after, limit) : [],
    kinds.some((kind) => kind !== 'activity') ? readChanges(on, customerId, kinds, filters, after, limit) : [],
  ]);
  return [...activities, ...changes].sort((one, other) => compare(other.place, one.place)).slice(0, limit);
}

/** Orders places like PostgreSQL orders (occurred_at, id): the texts compare like the values. */
function compare(one: TimelinePlace, other: TimelinePlace): number {
  if (one.at !== other.at) return one.at < other.at ? -1 : 1;
  return one.id === other.id ? 0 : one.id < other.id ? -1 : 1;
}

type Parameter = ReturnType<typeof collectValues>['parameter'];

function matchTimes(
  alias: string,
  { since, until }: TimelineFilters,
  after: TimelinePlace | undefined,
  parameter: Parameter,
): string {
  const conditions = ['true'];
  if (after)
    conditions.push(
      `(${alias}.occurred_at, ${alias}.id) < (${parameter(after.at, 'timestamptz')}, ${parameter(after.id, 'uuid')})`,
    );
  if (since) conditions.push(`${alias}.occurred_at >= ${parameter(since)}`);
  if (until) conditions.push(`${alias}.occurred_at < ${parameter(until)}`);
  return conditions.join(' and ');
}

async function readActivities(
  on: Queryable,
  customerId: string,
  filters: TimelineFilters,
  after: TimelinePlace | undefined,
  limit: number,
): Promise<(ActivityEntry & { place: TimelinePlace })[]> {
  const { values, parameter } = collectValues();
  const conditions = [`a.customer_id = ${parameter(customerId)}`, matchTimes('a', filters, after, parameter)];
  if (filters.deal !== undefined) conditions.push(`a.deal_id = ${parameter(filters.deal)}`);
  if (filters.types) conditions.push(`a.type = any (${parameter(filters.types)})`);
  if (filters.app) conditions.push(`a.created_by_app = ${parameter(filters.app)}`);
  if (filters.person) conditions.push(`a.created_by = ${parameter(filters.person)}`);
  const rows = await on.query<ActivityRow & { at: string }>(
    `select ${activityColumns}, ${at('a.occurred_at')} from crm.activities a left join platform.users u on u.id = a.created_by
     where ${conditions.join(' and ')} order by a.occurred_at desc, a.id desc limit ${parameter(limit)}`,
    values,
  );
  return rows.map((row) => {
    const { created_by, ...activity } = toActivity(row);
    return { kind: 'activity', ...activity, actor: created_by, place: { at: row.at, id: row.id } };
  });
}

type ChangeRow = {
  id: string;
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
  at: string;
};

async function readChanges(
  on: Queryable,
  customerId: string,
  kinds: EntryKind[],
  filters: TimelineFilters,
  after: TimelinePlace | undefined,
  limit: number,
): Promise<((DealEntry | FieldEntry) & { place: TimelinePlace })[]> {
  const { values, parameter } = collectValues();
  // The making of a customer is shown with its fields. The making of a deal gets one entry.
  const conditions = [
    `h.customer_id = ${parameter(customerId)}`,
    matchTimes('h', filters, after, parameter),
    `(h.change <> 'created' or h.data ? 'stage_id')`,
  ];
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
  const rows = await on.query<ChangeRow>(
    `select h.id, h.deal_id, d.name as deal_name, h.change, h.app, h.actor, u.name as actor_name, h.occurred_at, h.data, h.previous, h.names, ${at('h.occurred_at')}
     from crm.changes h left join crm.deals d on d.id = h.deal_id left join platform.users u on u.id = h.actor
     where ${conditions.join(' and ')} order by h.occurred_at desc, h.id desc limit ${parameter(limit)}`,
    values,
  );
  const names = await readNames(on, rows);
  return rows.map((row) => {
    const { id, deal_id, deal_name, change, app, actor, actor_name, occurred_at, data, previous, at } = row;
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
      place: { at, id },
    };
    return deal_id === null
      ? { kind: 'field', ...head }
      : { kind: 'deal', ...head, change, deal: { id: deal_id, name: deal_name ?? String(data.name) } };
  });
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
  if (people.length + companies.length + stages.length === 0) return (_, value) => value ?? null;
  const found = await on.query<{ id: string; name: string }>(
    `select 'p' || id as id, name from platform.users where id = any ($1)
     union all select 'c' || id, name from platform.companies where id = any ($2)
     union all select 's' || id, name from crm.pipeline_stages where id = any ($3)`,
    [people, companies, stages],
  );
  const names = new Map(found.map(({ id, name }) => [id, name]));
  const kinds: Record<string, string> = { account_manager_id: 'p', owner_id: 'p', company_id: 'c', stage_id: 's' };
  return (field, value) => {
    if (value === null || value === undefined) return null;
    return kinds[field] ? (names.get(`${kinds[field]}${value}`) ?? value) : value;
  };
}
