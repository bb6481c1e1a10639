import { type Paging, type Placed, type Queryable, readList } from '@aether/platform';

/** A customer as the page of its company shows it. */
export type CompanyCustomer = {
  id: string;
  name: string;
  email: string;
  account_tier: string | null;
  account_manager: { id: string; name: string } | null;
};
export type LastActivity = { type: string; occurred_at: Date; app: string };

/**
 * The customers of a company, by name. "offset 0" keeps PostgreSQL from reading the customers of all companies in the order of their names;
 * those of one company are few enough to be sorted.
 */
export function listPeople(on: Queryable, companyId: string, paging: Paging): Promise<Placed<CompanyCustomer>[]> {
  const byName = { order: { by: 'c.name', type: 'text', id: 'c.id', idType: 'uuid' }, direction: 'asc' } as const;
  return readList<CompanyCustomer>(on, { ...byName, ...paging }, (parameter) => ({
    columns: `c.id, c.name, c.email, c.account_tier,
      case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as account_manager`,
    from: `(select id, name, email, account_tier, account_manager_id from platform.customers
        where company_id = ${parameter(companyId)} and merged_into is null and erased_at is null offset 0) c
      left join platform.users u on u.id = c.account_manager_id`,
    where: [],
  }));
}

/** The newest activity of each of these customers that has one, by the customer's id. */
export async function readLastActivities(on: Queryable, ids: string[]): Promise<Record<string, LastActivity>> {
  const rows = await on.query<LastActivity & { customer: string }>(
    `select c.id as customer, a.type, a.occurred_at, a.created_by_app as app
     from unnest($1::uuid[]) c (id) cross join lateral (
       select type, occurred_at, created_by_app from crm.activities
       where customer_id = c.id order by occurred_at desc, id desc limit 1) a`,
    [ids],
  );
  return Object.fromEntries(rows.map(({ customer, ...activity }) => [customer, activity]));
}
