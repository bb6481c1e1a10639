import { collectValues, keyset, type ListPlace, type Order, type Paging, type Placed } from '@aether/platform';
import { rowsOf, type Sql } from '../sql.ts';
import { noSubscription, OperationRefused } from './acting.ts';
import type { ParkedState } from './parked.ts';
import { type CappedCount, countedMax } from './subscriptions.ts';

/** Parked events of one subscription. Without a state: those that failed, dead ones and those that are tried again. */
export type FailedFilter = {
  subscription: string;
  state?: ParkedState | undefined;
  cause?: string | undefined;
  /** Also under the ids of customers that were merged into it. */
  customer?: string | undefined;
  key?: string | undefined;
};

export type FailedEvent = {
  subscription: string;
  position: number;
  /** Null if retention has removed the event by force. */
  type: string | null;
  key: string;
  customer: string | null;
  state: ParkedState;
  attempts: number;
  attempt_at: Date | null;
  parked_at: Date;
  cause: string | null;
  error_class: string | null;
  shape: string | null;
  /** The text of the error as it is, which may name a person. */
  error: string | null;
  is_replay: boolean;
};

const order: Order = { by: 'p.position', type: 'bigint', id: 'p.subscription', idType: 'text' };

/** In the order of the log. */
export async function listFailed(
  client: Sql,
  filter: FailedFilter,
  { after, limit }: { after?: ListPlace } & Paging,
): Promise<Placed<FailedEvent>[]> {
  const { values, parameter } = collectValues();
  const subscription = parameter(filter.subscription);
  const most = parameter(limit);
  const behind = after ? `p.position > ${parameter(after[0], 'bigint')}` : 'true';
  const narrow = [
    ...(filter.cause ? [`p.cause = ${parameter(filter.cause)}`] : []),
    ...(filter.customer ? [`p.customer = any (sync.list_merged(${parameter(filter.customer, 'uuid')}))`] : []),
    ...(filter.key ? [`p.key = ${parameter(filter.key)}`] : []),
  ];
  const states = filter.state ? [filter.state] : ['dead', 'retrying'];
  const read = (condition: string) =>
    `(select p.* from sync.parked p
      where ${[`p.subscription = ${subscription}`, condition, behind, ...narrow].join(' and ')}
      order by p.position limit ${most})`;
  // Each state has its place in an index in the order of positions; what is narrower has an index of its own.
  const parts =
    narrow.length > 0
      ? [read(`p.state = any (${parameter(states, 'text[]')})`)]
      : states.map((state) => read(`p.state = ${parameter(state)}`));
  const { orderBy, place } = keyset(order, 'asc', undefined, parameter);
  return rowsOf<Placed<FailedEvent>>(
    client,
    `select p.subscription, p.position::float8 as position, e.type, p.key, p.customer, p.state, p.attempts, p.attempt_at, p.parked_at,
       p.cause, c.error_class, c.shape, p.error, p.is_replay, ${place}
     from (${parts.join(' union all ')}) p
       left join sync.events e on e.position = p.position
       left join sync.causes c on c.subscription = p.subscription and c.cause = p.cause
     order by ${orderBy} limit ${most}`,
    values,
  );
}

export type Attempt = {
  attempt: number;
  ended_at: Date;
  duration_ms: number | null;
  process: string;
  cause: string | null;
  /** Null: this attempt handled the event. */
  error: string | null;
};

/** The newest attempts at an event, of all that are kept. */
export function listAttempts(client: Sql, subscription: string, position: number): Promise<Attempt[]> {
  return rowsOf<Attempt>(
    client,
    `select a.attempt, a.ended_at, a.duration_ms, a.process, a.cause, a.error from sync.attempts a
     where a.position = $2 and a.subscription = $1 order by a.id desc limit 50`,
    [subscription, position],
  );
}

/** A parked event and what it holds back. */
export type Stopped = {
  event: FailedEvent;
  attempts: Attempt[];
  /** Events that wait behind it, the first fifty; `waiting_count` counts up to `countedMax`. */
  waiting: { position: number; type: string | null; key: string; customer: string | null }[];
  waiting_count: CappedCount;
  /**
   * Of the counted ones, those that a skip would let run, one after another: no other event that failed is before them. The first is
   * `runs_next`.
   */
  freed_count: CappedCount;
  runs_next: number | null;
  /** The failed event that this one itself waits behind, if it only waits. */
  behind: number | null;
};

/** @throws OperationRefused when nothing is parked there */
export async function readStopped(client: Sql, subscription: string, position: number): Promise<Stopped> {
  const [event] = await rowsOf<FailedEvent>(
    client,
    `select p.subscription, p.position::float8 as position, e.type, p.key, p.customer, p.state, p.attempts, p.attempt_at, p.parked_at,
       p.cause, c.error_class, c.shape, p.error, p.is_replay
     from sync.parked p left join sync.events e on e.position = p.position
       left join sync.causes c on c.subscription = p.subscription and c.cause = p.cause
     where p.subscription = $1 and p.position = $2`,
    [subscription, position],
  );
  if (!event) {
    const known = await rowsOf(client, 'select from sync.subscriptions where name = $1', [subscription]);
    throw known.length === 0
      ? noSubscription(subscription)
      : new OperationRefused(
          'not-found',
          `Nothing is parked for ${subscription} at ${position}: it was handled or skipped.`,
        );
  }
  const attempts = await listAttempts(client, subscription, position);
  const [behind] = await rowsOf<Omit<Stopped, 'event' | 'attempts'>>(
    client,
    `with of as materialized (
       select p.*, case when s.holds = 'customer' and p.customer is not null then sync.list_merged(p.customer) end as ids
       from sync.parked p join sync.subscriptions s on s.name = p.subscription where p.subscription = $1 and p.position = $2),
     waiting as materialized (
       select distinct w.position, w.key, w.customer from (
         (select p.position, p.key, p.customer from of join sync.parked p on p.subscription = of.subscription and p.key = of.key
            and p.position > of.position where p.state = 'waiting' order by p.position limit ${countedMax + 1})
         union all
         (select p.position, p.key, p.customer from of join sync.parked p on p.subscription = of.subscription
            and p.customer = any (of.ids) and p.position > of.position where p.state = 'waiting'
          order by p.position limit ${countedMax + 1})) w
       order by w.position limit ${countedMax + 1}),
     others as materialized (
       select o.position from (
         select p.position from of join sync.parked p on p.subscription = of.subscription and p.key = of.key
         where p.position <> of.position and p.attempts > 0
         union
         select p.position from of join sync.parked p on p.subscription = of.subscription and p.customer = any (of.ids)
         where p.position <> of.position and p.attempts > 0) o),
     freed as (select w.position from waiting w where w.position < coalesce((select min(o.position) from others o), 9223372036854775807))
     select
       (select coalesce(jsonb_agg(jsonb_build_object('position', w.position, 'type', e.type, 'key', w.key, 'customer', w.customer)
          order by w.position), '[]')
        from (select * from waiting order by position limit 50) w left join sync.events e on e.position = w.position) as waiting,
       (select count(*)::integer from waiting) as waiting_count,
       (select count(*)::integer from freed) as freed_count,
       (select min(f.position)::float8 from freed f) as runs_next,
       (select max(o.position)::float8 from others o, of where of.state = 'waiting' and o.position < of.position) as behind`,
    [subscription, position],
  );
  return { event, attempts, ...(behind as Omit<Stopped, 'event' | 'attempts'>) };
}
