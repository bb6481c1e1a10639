import { rowsOf, type Sql } from '../sql.ts';
import { act } from './acting.ts';

/** A count goes up to this: what is more is "10,000+", because counting all of a million takes seconds. */
export const countedMax = 10_000;

/** A count of this function's lists: the number, or `countedMax` + 1 for more. */
export type CappedCount = number;

export type SubscriptionStatus = {
  name: string;
  app: string;
  types: string[] | null;
  /** What a failed event holds back: the later events of its customer, or only those of its row. */
  holds: 'customer' | 'row';
  position: number;
  /** Numbered positions behind it, of all types: exact, because positions are dense. */
  behind_positions: number;
  /** Numbered events that it may see and has not yet handled. */
  lag_events: CappedCount;
  /** More than a hundred thousand positions are behind it, and `lag_events` counts only the first of them. */
  lag_is_partial: boolean;
  /** Age of the oldest of them. */
  lag_seconds: number;
  is_paused: boolean;
  pause_reason: string | null;
  retrying: CappedCount;
  waiting: CappedCount;
  dead: CappedCount;
  created_at: Date;
  /** When it last moved. */
  moved_at: Date;
  /** Until this position it handles events again. */
  replay_until: number;
  /** How many shares it is to have. */
  shares: number;
  /** Of a subscription with several shares: each, with the process that moved it last. `position` above is the lowest of them. */
  share_positions: { share: number; position: number; behind: number; reader: string | null; moved_at: string }[];
  /** Processes that share it at present. */
  readers: number;
};

const mayRead = 'sync.may_read(s.app, e.audience) and (s.types is null or e.type = any (s.types))';
const lookAheadMax = 100_000;
const parkedCount = (state: string) =>
  `(select count(*)::integer from (select from sync.parked p where p.subscription = s.name and p.state = '${state}'
      limit ${countedMax + 1}) c) as ${state}`;

/** Every subscription, or one, how far it is behind, and what holds it up. No count reads more than it shows. */
export function listSubscriptions(client: Sql, name?: string): Promise<SubscriptionStatus[]> {
  return rowsOf<SubscriptionStatus>(
    client,
    `select s.name, s.app, s.types, s.holds, s.position::float8 as position, s.is_paused, s.pause_reason, s.created_at, s.moved_at,
       s.replay_until::float8 as replay_until, s.shares,
       (select coalesce(jsonb_agg(jsonb_build_object('share', p.share, 'position', p.position, 'behind', greatest(h.head - p.position, 0),
          'reader', p.reader, 'moved_at', p.moved_at) order by p.share), '[]')
        from sync.shares p where p.subscription = s.name) as share_positions,
       (select count(*)::integer from sync.readers r where r.subscription = s.name and r.leased_until > clock_timestamp()) as readers,
       greatest(h.head - s.position, 0)::float8 as behind_positions,
       coalesce(lag.events, 0)::float8 as lag_events, h.head - s.position > ${lookAheadMax} as lag_is_partial,
       coalesce(extract(epoch from clock_timestamp() - coalesce(lag.oldest, case when h.head - s.position > ${lookAheadMax} then
         (select e.sequenced_at from sync.events e where e.position = s.position + ${lookAheadMax}) end)), 0)::float8 as lag_seconds,
       ${parkedCount('retrying')}, ${parkedCount('waiting')}, ${parkedCount('dead')}
     from (select sync.head() as head) h cross join sync.subscriptions s
     left join lateral (select count(*) as events, min(w.sequenced_at) as oldest
       from (select e.sequenced_at from sync.events e
         where e.position > s.position and e.position <= s.position + ${lookAheadMax} and ${mayRead}
         order by e.position limit ${countedMax + 1}) w) lag on true
     where $1::text is null or s.name = $1
     order by s.name`,
    [name ?? null],
  );
}

export type Paused = { operation: number; was_paused: boolean; position: number };

/** Stops a subscription where it is. It waits for the step under way. @throws OperationRefused */
export function pause(client: Sql, name: string, reason: string): Promise<Paused> {
  return act(client, 'sync.pause_subscription($1, $2)', [name, reason]);
}

/** Lets a subscription go on. @throws OperationRefused */
export function resume(client: Sql, name: string, reason?: string): Promise<Paused & { pause_reason: string | null }> {
  return act(client, 'sync.resume_subscription($1, $2)', [name, reason ?? null]);
}

/**
 * Removes a subscription with everything that it has parked. A process that runs it begins it again by its rule.
 *
 * @returns how many parked events went with it
 * @throws OperationRefused
 */
export function remove(
  client: Sql,
  name: string,
  reason?: string,
): Promise<{ operation: number; app: string; position: number; parked: number }> {
  return act(client, 'sync.drop_subscription($1, $2)', [name, reason ?? null]);
}
