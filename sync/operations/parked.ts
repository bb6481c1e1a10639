import { rowsOf, type Sql } from '../sql.ts';
import { act, noSubscription } from './acting.ts';

export type ParkedState = 'retrying' | 'waiting' | 'dead';
export type ParkedEvent = {
  subscription: string;
  position: number;
  key: string;
  customer: string | null;
  state: ParkedState;
  attempts: number;
  attempt_at: Date | null;
  error: string | null;
  parked_at: Date;
};

export type Outcome = { position: number; state: 'handled' | ParkedState; attempts: number; error: string | null };

export function listParked(
  client: Sql,
  { subscription, state, limit = 100 }: { subscription?: string; state?: ParkedState; limit?: number } = {},
): Promise<ParkedEvent[]> {
  return rowsOf<ParkedEvent>(
    client,
    `select subscription, position::float8 as position, key, customer, state, attempts, attempt_at, error, parked_at from sync.parked
     where ($1::text is null or subscription = $1) and ($2::text is null or state = $2) order by subscription, position limit $3`,
    [subscription ?? null, state ?? null, limit],
  );
}

/** How many events are dead. */
export async function countDead(client: Sql, subscription?: string): Promise<number> {
  const [row] = await rowsOf<{ dead: number }>(
    client,
    `select count(*)::integer as dead from sync.parked where state = 'dead' and ($1::text is null or subscription = $1)`,
    [subscription ?? null],
  );
  return row?.dead ?? 0;
}

/**
 * Lets failed events be tried again, from their first attempt on: those at these positions, or the first thousand dead ones of the
 * subscription. An event is tried at once if no other precedes it, otherwise when that one is gone. The events behind it follow in order.
 *
 * @returns the positions of the events that are tried again, in the order of the log: ask for their outcomes.
 * @throws OperationRefused
 */
export async function redrive(
  client: Sql,
  {
    subscription,
    positions,
    reason,
  }: { subscription: string; positions?: number[] | undefined; reason?: string | undefined },
): Promise<number[]> {
  const outcome = await act<{ positions: number[] }>(client, 'sync.redrive_events($1, $2, $3)', [
    subscription,
    positions ?? null,
    reason ?? null,
  ]);
  return outcome.positions;
}

/**
 * The outcome of events: an event that is not parked is handled (or was skipped) as soon as the subscription is past it.
 *
 * @throws OperationRefused when the subscription does not exist
 */
export async function outcomes(
  client: Sql,
  { subscription, positions }: { subscription: string; positions: number[] },
): Promise<Outcome[]> {
  const rows = await rowsOf<Outcome>(
    client,
    `select asked.position::float8 as position,
       coalesce(p.state, case when asked.position <= s.position then 'handled' else 'waiting' end) as state,
       coalesce(p.attempts, 0) as attempts, p.error
     from sync.subscriptions s cross join unnest($2::bigint[]) as asked (position)
     left join sync.parked p on p.subscription = s.name and p.position = asked.position
     where s.name = $1 order by asked.position`,
    [subscription, positions],
  );
  if (rows.length < positions.length) throw noSubscription(subscription);
  return rows;
}

/** Gives up an event that failed: the events behind it continue. @throws OperationRefused when it has not failed there */
export async function skip(
  client: Sql,
  { subscription, position, reason }: { subscription: string; position: number; reason?: string | undefined },
): Promise<{ operation: number; skipped: number }> {
  return act(client, 'sync.skip_event($1, $2, $3)', [subscription, position, reason ?? null]);
}
