import { rowsOf, type Sql } from '../sql.ts';
import { act } from './acting.ts';

/** What waits for a person at an app that reads from Service Bus, as the worker that relays has written it down. */
export type ConsumerStatus = {
  name: string;
  letters: Letter[];
  parked: ParkedAtConsumer[];
  /** As its processes report. */
  is_paused: boolean;
  /** When one of its processes reported last. */
  reported_at: Date | null;
  seen_at: Date;
  /** The newest first. */
  orders: ConsumerOrder[];
};

/** A message that the consumer could not read. */
export type Letter = {
  number: string;
  id: string;
  type: string | null;
  session: string | null;
  reason: string | null;
  at: string | null;
};

/** An event that waits in the consumer's own database. */
export type ParkedAtConsumer = {
  event: string;
  type: string;
  session: string;
  state: 'waiting' | 'retrying' | 'dead';
  attempts: number;
  error: string | null;
  at: string;
};

export type ConsumerAct = 'resubmit' | 'retry' | 'skip' | 'pause' | 'resume';
export type OrderScope = { session?: string | undefined; event?: string | undefined; numbers?: string[] | undefined };

export type ConsumerOrder = {
  id: number;
  act: ConsumerAct;
  scope: OrderScope;
  /** unanswered: nobody has said within two minutes what came of it. */
  state: 'waiting' | 'sent' | 'done' | 'failed' | 'unanswered';
  outcome: { count: number; refused?: string } | null;
  reason: string | null;
  actor: string | null;
  ordered_at: string;
  ended_at: string | null;
};

/** What a consumer made of an event, as it reported. */
export type ConsumerEffect = {
  consumer: string;
  /** outdated: a later version of its row was handled before. */
  state: 'handled' | 'retrying' | 'waiting' | 'dead' | 'outdated';
  attempt: number;
  lag_ms: number;
  at: Date;
};

const ordersShown = 20;

/** Every consumer that the broker or a report has named within a week, by name; or one. */
export function listConsumers(client: Sql, name?: string): Promise<ConsumerStatus[]> {
  return rowsOf<ConsumerStatus>(
    client,
    `select c.name, c.letters, c.parked, c.is_paused, c.reported_at, c.seen_at, coalesce(o.orders, '[]') as orders
     from sync.consumers c
     left join lateral (
       select jsonb_agg(to_jsonb(n) - 'consumer' order by n.id desc) as orders
       from (
         select k.* from sync.consumer_orders k
         where k.consumer = c.name order by k.id desc limit ${ordersShown}) n) o on true
     where $1::text is null or c.name = $1
     order by c.name`,
    [name ?? null],
  );
}

/**
 * Orders something of a consumer: the worker that relays does it, or passes it on.
 *
 * @returns the number of the order
 * @throws OperationRefused
 */
export async function orderOfConsumer(
  client: Sql,
  wish: { consumer: string; act: ConsumerAct; scope?: OrderScope; reason: string },
): Promise<{ order: number; operation: number }> {
  const { consumer, act: wanted, scope = {}, reason } = wish;
  return act(client, 'sync.order_of_consumer($1, $2, $3, $4)', [consumer, wanted, JSON.stringify(scope), reason]);
}

export async function readOrder(
  client: Sql,
  id: number,
): Promise<Pick<ConsumerOrder, 'state' | 'outcome'> | undefined> {
  const [found] = await rowsOf<Pick<ConsumerOrder, 'state' | 'outcome'>>(
    client,
    'select state, outcome from sync.consumer_orders where id = $1',
    [id],
  );
  return found;
}

/** What consumers over Service Bus made of the event at a position. */
export function listConsumerEffects(client: Sql, position: number): Promise<ConsumerEffect[]> {
  return rowsOf<ConsumerEffect>(
    client,
    `select k.consumer, k.state, k.attempt, k.lag_ms, k.at
     from sync.events e join sync.consumer_effects k on k.event = e.id where e.position = $1 order by k.consumer`,
    [position],
  );
}
