import { eventColumns } from './events.ts';
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

/**
 * The events of the next positions. Without an upper bound PostgreSQL may fetch and sort the whole backlog for each batch. This statement
 * also asks whether anything is parked: the lease's own snapshot may be older than the lock that it got.
 */
export const readAhead: Statement = {
  name: 'subscription-read',
  text: `with log as materialized (select sync.head() as head, exists (select from sync.parked where subscription = $5) as has_parked)
    select ${eventColumns}, log.head, log.has_parked from log left join lateral (
      select * from sync.events where position > $1 and position <= $2 and ($3::text[] is null or type = any ($3))
      order by position limit $4) e on true`,
};

export const move: Statement = {
  name: 'subscription-move',
  text: 'update sync.subscriptions set position = $2, moved_at = clock_timestamp() where name = $1',
};
