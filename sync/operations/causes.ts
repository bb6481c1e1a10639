import { collectValues, keyset, type ListPlace, type Order, type Paging, type Placed } from '@aether/platform';
import { rowsOf, type Sql } from '../sql.ts';
import { type CappedCount, countedMax } from './subscriptions.ts';

/** Failures of a subscription that have a cause in common, as long as one of them is parked. */
export type Cause = {
  subscription: string;
  app: string;
  cause: string;
  error_class: string;
  /** The text of the error without what varies: it names no person. */
  shape: string;
  /** Parked events that failed for it. */
  events: CappedCount;
  /** Those of the first `countedMax` that are dead; the others are tried again. */
  dead: number;
  /** Customers whose events wait for them: of the first `countedMax`. */
  customers: number;
  /** Failed attempts since `first_at`. */
  failures: number;
  first_at: Date;
  last_at: Date;
  /** Failed attempts in this hour and in the 23 hours before it, the oldest first. */
  by_hour: number[];
  sample_position: number;
};

const order: Order = { by: 'c.last_at', type: 'timestamptz', id: "(c.subscription || ' ' || c.cause)", idType: 'text' };

export type CauseFilter = { subscription?: string | undefined; search?: string | undefined };

/** The causes of what is parked, that of the latest failure first. No count reads more than it shows. */
export async function listCauses(
  client: Sql,
  { subscription, search }: CauseFilter,
  { after, limit }: { after?: ListPlace } & Paging,
): Promise<Placed<Cause>[]> {
  const { values, parameter } = collectValues();
  const { where: isBehind, orderBy, place } = keyset(order, 'desc', after, parameter);
  const conditions = [
    isBehind,
    'exists (select from sync.parked p where p.subscription = c.subscription and p.cause = c.cause)',
    ...(subscription ? [`c.subscription = ${parameter(subscription)}`] : []),
    ...(search
      ? [`strpos(lower(c.error_class || ' ' || c.shape || ' ' || c.subscription), lower(${parameter(search)})) > 0`]
      : []),
  ];
  const rows = await rowsOf<Placed<Cause>>(
    client,
    `with page as materialized (
       select c.*, ${place} from sync.causes c where ${conditions.join(' and ')} order by ${orderBy} limit ${parameter(limit)})
     select c.subscription, s.app, c.cause, c.error_class, c.shape, n.events, n.dead, n.customers, c.failures::float8 as failures,
       c.first_at, c.last_at, c.sample_position::float8 as sample_position, c.place,
       (array(select coalesce(c.by_hour[1 + at - least(age.hours, 24)], 0)
          from generate_series(23, 0, -1) at))::integer[] as by_hour
     from page c join sync.subscriptions s on s.name = c.subscription
       cross join lateral (select (extract(epoch from date_trunc('hour', clock_timestamp()) - c.hour) / 3600)::integer as hours) age
       cross join lateral (
         select count(*)::integer as events, count(distinct f.customer)::integer as customers,
           count(*) filter (where f.state = 'dead')::integer as dead
         from (select p.customer, p.state from sync.parked p where p.subscription = c.subscription and p.cause = c.cause
           order by p.position limit ${countedMax + 1}) f) n
     order by ${orderBy}`,
    values,
  );
  return rows;
}
