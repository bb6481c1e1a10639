import type { Statement } from './query.ts';

/** The subscription's row, locked by this process until its transaction ends. */
export type Lease = {
  name: string;
  position: number;
  replay_until: number;
  holds: 'customer' | 'row';
  /** Until the first parked event is due; null when none is to be tried. */
  retry_in_ms: number | null;
};

/** A process with other types, as during a deployment, gets no lease: it would move the position past events that it does not read. */
export const takeLease: Statement = {
  name: 'subscription-lease',
  text: `select name, position, replay_until, holds,
      (select extract(epoch from min(p.attempt_at) - clock_timestamp())::float8 * 1000
       from sync.parked p where p.subscription = s.name and p.state = 'retrying') as retry_in_ms
    from sync.subscriptions s where name = $1 and not is_paused and types is not distinct from $2::text[] for update skip locked`,
};

export const move: Statement = {
  name: 'subscription-move',
  text: 'update sync.subscriptions set position = $2, moved_at = clock_timestamp() where name = $1',
};
