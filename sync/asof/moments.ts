import type { Queryable } from '@aether/platform';
import type { Change, Moment } from './replay.ts';

export type Names = {
  companies: Record<string, string>;
  users: Record<string, string>;
  stages: Record<string, string>;
};

/** What a person who is no administrator does not see of a moment: the data of one app alone. */
export type Shown = Moment & { hidden: { changes: number; data: boolean } };

/** Administrators see the data of every app; everybody else sees that of the platform. Pure. */
export function showMoment(moment: Moment, isAdministrator: boolean): Shown {
  if (isAdministrator) return { ...moment, hidden: { changes: 0, data: false } };
  const since = moment.since.filter(({ audience }) => audience === 'platform');
  return {
    ...moment,
    deals: [],
    values: [],
    sessions: [],
    since,
    hidden: { changes: moment.since.length - since.length, data: true },
  };
}

/** The names that the ids of a moment have today. Deals, and so stages, are only in it for administrators. */
export async function readNames(on: Queryable, { customer, deals, since }: Moment): Promise<Names> {
  const values = (field: string) => [
    customer?.[field],
    ...since.flatMap(({ fields }) =>
      fields.filter(({ name }) => name === field).flatMap((each) => [each.old, each.new]),
    ),
  ];
  const ids = (list: unknown[]) => [...new Set(list.filter((id) => typeof id === 'string'))];
  const [companies, users, stages] = await Promise.all([
    on.query<{ id: string; name: string }>('select id, name from platform.companies where id = any ($1::uuid[])', [
      ids(values('company_id')),
    ]),
    on.query<{ id: string; name: string }>('select id, name from platform.users where id = any ($1)', [
      ids([...values('account_manager_id'), ...since.map((change: Change) => change.actor)]),
    ]),
    on.query<{ id: string; name: string }>('select id, name from sync.list_stage_names($1::bigint[])', [
      [...new Set(deals.map((deal) => deal.stage_id))],
    ]),
  ]);
  const toNames = (rows: { id: string; name: string }[]) => Object.fromEntries(rows.map(({ id, name }) => [id, name]));
  return { companies: toNames(companies), users: toNames(users), stages: toNames(stages) };
}

export type FoundCustomer = {
  id: string;
  name: string;
  email: string;
  crm_id: number | null;
  support_id: number | null;
  merged_into: string | null;
};

/** Finds customers by an id, an address, a number of an app, a telephone number, or the beginning of a name. Twenty at most. */
export async function findCustomers(
  on: Queryable,
  asked: { id?: string; emailKey?: string; number?: string; phoneKey?: string; phoneEnd?: string; name?: string },
): Promise<FoundCustomer[]> {
  return on.query<FoundCustomer>(
    `select c.id, c.name, c.email, c.crm_id, c.support_id, c.merged_into from platform.customers c
     where c.erased_at is null and c.id = any (array(
       select $1::uuid where $1 is not null
       union select e.customer_id from platform.customer_emails e where e.email_key = $2
       union select x.customer_id from platform.customer_external_ids x where x.external_id = $3
       union (select q.id from platform.customers q where q.phone_key = $4 limit 20)
       union (select q.id from platform.customers q where $6 <> '' and reverse(q.phone_key) like reverse($6) || '%' limit 20)
       union (select n.id from platform.customers n
              where n.name >= $5 and n.name < $5 || u&'\\FFFF' and n.merged_into is null and n.erased_at is null
              order by n.name, n.id limit 20)))
     order by c.name, c.id limit 20`,
    [
      asked.id ?? null,
      asked.emailKey ?? null,
      asked.number ?? null,
      asked.phoneKey ?? null,
      asked.name ?? null,
      asked.phoneEnd ?? '',
    ],
  );
}
