import type { Statement } from './query.ts';

/** The subscription's row, or some of its shares, locked by this process until its transaction ends. */
export type Lease = {
  name: string;
  position: number;
  replay_until: number;
  holds: 'customer' | 'row';
  /** Until the first parked event is due; null when none is to be tried. */
  retry_in_ms: number | null;
  /** Null: the subscription has one share. */
  shares: LeasedShares | null;
};

/** See sync.take_shares. */
export type LeasedShares = {
  /** Those that are read, all at the lease's position. */
  front: number[];
  /** Those that are locked: their parked events may be worked. */
  held: number[];
  /** This step may go so far. */
  until: number;
  /** How many shares there are. */
  layout: number;
  layoutBy: 'customer' | 'row';
  /** Some of this process's shares are still at work in another one. */
  isMore: boolean;
};

/** A process with other types, as during a deployment, gets no lease: it would move the position past events that it does not read. */
export const takeLease: Statement = {
  name: 'subscription-lease',
  text: `select name, position, replay_until, holds, null as shares,
      (select extract(epoch from min(p.attempt_at) - clock_timestamp())::float8 * 1000
       from sync.parked p where p.subscription = s.name and p.state = 'retrying') as retry_in_ms
    from sync.subscriptions s
    where name = $1 and not is_paused and types is not distinct from $2::text[] and shares = 1 and layout = 1
    for update skip locked`,
};

export const move: Statement = {
  name: 'subscription-move',
  text: 'update sync.subscriptions set position = $2, moved_at = clock_timestamp() where name = $1',
};

/** The same of a subscription with shares. It always answers; without a lease `name` is null. */
export type SharesLease = Omit<Lease, 'name'> & { name: string | null; is_more: boolean };

export const takeShares: Statement = {
  name: 'subscription-lease-shares',
  text: `select name, at_position as position, replay_until, holds, retry_in_ms, is_more, jsonb_build_object(
      'front', front, 'held', held, 'until', until_position, 'layout', layout, 'layoutBy', layout_by, 'isMore', is_more) as shares
    from sync.take_shares($1, $2, $3, $4)`,
};

export const moveShares: Statement = {
  name: 'subscription-move-shares',
  text: 'select sync.move_shares($1, $2, $3, $4)',
};
