import { rowsOf, type Sql } from '../sql.ts';
import { act, noSubscription } from './acting.ts';
import { countedMax } from './subscriptions.ts';

export type Replay = {
  subscription: string;
  /** From this position on, or from the first event of this time on; by default from the oldest event there is. */
  fromPosition?: number | undefined;
  since?: Date | undefined;
  /** Only events of this row, or of rows that never leave it. */
  key?: string | undefined;
  /** Only events of this customer, also under the ids of customers that were merged into it. */
  customer?: string | undefined;
  types?: string[] | undefined;
  reason?: string | undefined;
};

/** What a replay would do. */
export type ReplayPreview = {
  app: string;
  /** The first and the last position that would be handled again. */
  from: number;
  until: number;
  /**
   * How many events of its types, up to `countedMax` + 1: of a rewind among the first hundred thousand positions, otherwise those of the
   * customer or of the row.
   */
  events: number;
  /** `events` is all of them. */
  is_whole: boolean;
  is_paused: boolean;
};

/**
 * Makes a paused subscription handle events again, marked as a replay, in their order, as soon as it is resumed. A replay of everything
 * moves it back in the log; a replay of a key, a customer or some types goes through the parked events, so that others continue.
 *
 * @returns the number of those events; of a replay of everything it is counted only as far as `ReplayPreview` says, and not `is_whole`
 *   then.
 * @throws OperationRefused, above all when the subscription is not paused
 */
export async function replay(client: Sql, wish: Replay): Promise<{ events: number; is_whole: boolean }> {
  const { subscription, key, customer, types, reason } = wish;
  const start = await startOf(client, wish);
  if (key === undefined && customer === undefined && types === undefined) {
    const { events, is_whole } = await act<{ events: number; is_whole: boolean }>(
      client,
      'sync.rewind_subscription($1, $2, $3)',
      [subscription, start, reason ?? null],
    );
    return { events, is_whole };
  }
  const { events } = await act<{ events: number }>(client, 'sync.replay_events($1, $2, $3, $4, $5, $6)', [
    subscription,
    start,
    key ?? null,
    customer ?? null,
    types ?? null,
    reason ?? null,
  ]);
  return { events, is_whole: true };
}

/** Says what a replay to a position or a time, of a customer or of a row would do, and changes nothing. @throws OperationRefused */
export async function previewReplay(
  client: Sql,
  wish: Pick<Replay, 'subscription' | 'fromPosition' | 'since' | 'key' | 'customer'>,
): Promise<ReplayPreview> {
  const start = await startOf(client, wish);
  if (wish.customer !== undefined || wish.key !== undefined) return previewOfSome(client, wish, start);
  const [row] = await rowsOf<ReplayPreview>(
    client,
    `select s.app, f.first::float8 as from, s.position::float8 as until, c.events::float8 as events, c.is_whole, s.is_paused
     from sync.subscriptions s
       cross join lateral (select greatest($2::bigint, (select e.position from sync.events e order by e.position limit 1), 1)) as f (first)
       cross join lateral sync.count_events_for(s.name, f.first, sync.farthest_of(s), $3) c
     where s.name = $1`,
    [wish.subscription, start, countedMax + 1],
  );
  if (!row) throw noSubscription(wish.subscription);
  return row;
}

/** The same of the events of a customer or of a row: those that sync.replay_events would choose. */
async function previewOfSome(
  client: Sql,
  { subscription, key, customer }: Pick<Replay, 'subscription' | 'key' | 'customer'>,
  start: number,
): Promise<ReplayPreview> {
  const chosen = customer
    ? 'select l from sync.list_events_of_customer($3::uuid) l'
    : 'select e.position from sync.events e where e.key = $3';
  const [row] = await rowsOf<ReplayPreview>(
    client,
    `select s.app, coalesce(min(w.position), 0)::float8 as from, coalesce(max(w.position), 0)::float8 as until,
       count(w.position)::float8 as events, count(w.position) <= $5 as is_whole, s.is_paused
     from sync.subscriptions s left join lateral (
       select e.position from (${chosen}) c (position) join sync.events e on e.position = c.position
       where e.position between $2 and sync.position_for(s, e.key, e.customer) and sync.may_read(s.app, e.audience)
         and (s.types is null or e.type = any (s.types))
         and ($4::text is null or e.key = $4)
       order by e.position limit $5 + 1) w on true
     where s.name = $1 group by s.name, s.app, s.is_paused`,
    [subscription, start, customer ?? key, key ?? null, countedMax],
  );
  if (!row) throw noSubscription(subscription);
  return row;
}

async function startOf(client: Sql, { fromPosition, since }: Pick<Replay, 'fromPosition' | 'since'>): Promise<number> {
  if (since === undefined) return fromPosition ?? 0;
  const [row] = await rowsOf<{ start: number }>(client, 'select sync.position_at($1)::float8 as start', [since]);
  return row?.start ?? 0;
}
