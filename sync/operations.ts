import type pg from 'pg';

/** A row of sync.events, as operators see it. */
export type LoggedEvent = {
  position: number;
  id: number;
  type: string;
  key: string;
  row_id: string;
  version: number | null;
  audience: 'platform' | 'crm' | 'support';
  app: string;
  actor: string | null;
  login: string;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
  trace: string | null;
  occurred_at: Date;
  sequenced_at: Date;
};

export type SubscriptionStatus = {
  name: string;
  app: string;
  types: string[] | null;
  position: number;
  /** Numbered events that it may see and has not handled. */
  lag_events: number;
  /** Age of the oldest of those. */
  lag_seconds: number;
  is_paused: boolean;
  pause_reason: string | null;
  retrying: number;
  waiting: number;
  dead: number;
};

export type ParkedState = 'retrying' | 'waiting' | 'dead';
export type ParkedEvent = {
  subscription: string;
  position: number;
  key: string;
  state: ParkedState;
  attempts: number;
  attempt_at: Date | null;
  error: string | null;
  parked_at: Date;
};

export type Outcome = { position: number; state: 'handled' | ParkedState; attempts: number; error: string | null };

// Positions and ids are far below 2^53: as numbers they can be compared and printed.
const eventColumns = `e.position::float8 as position, e.id::float8 as id, e.type, e.key, e.row_id, e.version::float8 as version, e.audience, e.app,
  e.actor, e.login, e.data, e.previous, e.trace, e.occurred_at, e.sequenced_at`;

const mayRead = `(e.audience = 'platform' or e.audience = case s.app when 'foundation' then 'crm' else s.app end)
  and (s.types is null or e.type = any (s.types))`;

/** Every subscription, how far behind it is, and what is in its way. */
export async function listSubscriptions(client: pg.ClientBase): Promise<SubscriptionStatus[]> {
  const { rows } = await client.query<SubscriptionStatus>(
    `select s.name, s.app, s.types, s.position::float8 as position, s.is_paused, s.pause_reason,
       coalesce(lag.events, 0)::float8 as lag_events, coalesce(extract(epoch from clock_timestamp() - lag.oldest), 0)::float8 as lag_seconds,
       coalesce(p.retrying, 0)::integer as retrying, coalesce(p.waiting, 0)::integer as waiting, coalesce(p.dead, 0)::integer as dead
     from sync.subscriptions s
     left join lateral (select count(*) as events, min(e.sequenced_at) as oldest from sync.events e where e.position > s.position and ${mayRead}) lag on true
     left join lateral (select count(*) filter (where state = 'retrying') as retrying, count(*) filter (where state = 'waiting') as waiting,
                          count(*) filter (where state = 'dead') as dead from sync.parked where subscription = s.name) p on true
     order by s.name`,
  );
  return rows;
}

/** @throws when there is no such subscription */
export async function pause(client: pg.ClientBase, name: string, reason: string): Promise<void> {
  const { rowCount } = await client.query(
    'update sync.subscriptions set is_paused = true, pause_reason = $2 where name = $1',
    [name, reason],
  );
  if (rowCount === 0) throw unknownSubscription(name);
}

/** @throws when there is no such subscription */
export async function resume(client: pg.ClientBase, name: string): Promise<void> {
  const { rowCount } = await client.query(
    `with resumed as (update sync.subscriptions set is_paused = false, pause_reason = null where name = $1 returning name)
     select pg_notify('sync_events', '') from resumed`,
    [name],
  );
  if (rowCount === 0) throw unknownSubscription(name);
}

export async function listParked(
  client: pg.ClientBase,
  { subscription, state, limit = 100 }: { subscription?: string; state?: ParkedState; limit?: number } = {},
): Promise<ParkedEvent[]> {
  const { rows } = await client.query<ParkedEvent>(
    `select subscription, position::float8 as position, key, state, attempts, attempt_at, error, parked_at from sync.parked
     where ($1::text is null or subscription = $1) and ($2::text is null or state = $2) order by subscription, position limit $3`,
    [subscription ?? null, state ?? null, limit],
  );
  return rows;
}

/**
 * Lets dead events be tried again at once: all of a subscription, or those of a frozen set. What waits behind them follows in
 * order.
 */
export async function redrive(
  client: pg.ClientBase,
  { subscription, positions }: { subscription: string; positions?: number[] },
): Promise<{ position: number; key: string }[]> {
  const { rows } = await client.query<{ position: number; key: string }>(
    `with driven as (
       update sync.parked set state = 'retrying', attempts = 0, attempt_at = clock_timestamp(), error = null
       where subscription = $1 and state = 'dead' and ($2::bigint[] is null or position = any ($2)) returning position, key)
     select position::float8 as position, key, pg_notify('sync_events', '') from driven order by position`,
    [subscription, positions ?? null],
  );
  return rows.map(({ position, key }) => ({ position, key }));
}

/** What became of events that were parked: those that are parked no longer were handled (or skipped). */
export async function outcomes(
  client: pg.ClientBase,
  { subscription, positions }: { subscription: string; positions: number[] },
): Promise<Outcome[]> {
  const { rows } = await client.query<Outcome>(
    `select asked.position::float8 as position, coalesce(p.state, 'handled') as state, coalesce(p.attempts, 0) as attempts, p.error
     from unnest($2::bigint[]) as asked (position) left join sync.parked p on p.subscription = $1 and p.position = asked.position
     order by asked.position`,
    [subscription, positions],
  );
  return rows;
}

/** Gives a dead event up: those of its key that waited behind it go on. @throws when it is not dead there */
export async function skip(
  client: pg.ClientBase,
  { subscription, position }: { subscription: string; position: number },
): Promise<void> {
  const { rowCount } = await client.query(
    `with skipped as (delete from sync.parked where subscription = $1 and position = $2 and state = 'dead' returning key),
     next as (
       update sync.parked p set state = 'retrying', attempt_at = clock_timestamp() from skipped
       where p.subscription = $1 and p.position = (
         select min(position) from sync.parked where subscription = $1 and key = skipped.key and position <> $2))
     select pg_notify('sync_events', '') from skipped`,
    [subscription, position],
  );
  if (rowCount === 0) throw new Error(`${subscription} has no dead event ${position}.`);
}

/**
 * Has a subscription handle events again, marked as a replay: all from a position or a time on, or only those of a key. Those
 * of a key are handled in order, among what is parked of it; the others as the log goes.
 *
 * @returns how many events that is.
 */
export async function replay(
  client: pg.ClientBase,
  wish: { subscription: string; fromPosition?: number; since?: Date; key?: string; types?: string[] },
): Promise<{ events: number }> {
  const { subscription, fromPosition, since, key, types } = wish;
  const from = `coalesce($2::bigint, (select min(e.position) from sync.events e where e.occurred_at >= $3), case when $3::timestamptz is null then 0 end)`;
  await client.query('begin');
  try {
    // Nobody works it meanwhile: what is handled and what is to be handled again are told apart by this position.
    const { rowCount } = await client.query('select from sync.subscriptions where name = $1 for update', [
      subscription,
    ]);
    if (rowCount === 0) throw unknownSubscription(subscription);
    const isWhole = key === undefined && types === undefined;
    const { rows } = isWhole
      ? await client.query<{ events: number }>(
          `with start as (select ${from} as position),
           moved as (
             update sync.subscriptions s set replay_until = greatest(s.replay_until, s.position), position = least(s.position, start.position - 1)
             from start where s.name = $1 and start.position is not null and start.position <= s.position returning s.position, s.replay_until, s.types, s.app)
           select count(e.position)::float8 as events from moved s join sync.events e on e.position > s.position and e.position <= s.replay_until and ${mayRead}`,
          [subscription, fromPosition ?? null, since ?? null],
        )
      : await client.query<{ events: number }>(
          `with added as (
             insert into sync.parked (subscription, position, key, state, is_replay)
             select s.name, e.position, e.key, 'waiting', true
             from sync.subscriptions s join sync.events e on e.position <= s.position and e.position >= ${from} and ${mayRead}
             where s.name = $1 and ($4::text is null or e.key = $4) and ($5::text[] is null or e.type = any ($5))
             on conflict do nothing returning position, key),
           -- The first of each key begins; one that retries or is dead already stands in front.
           begun as (
             select a.key, min(a.position) as position from added a
             where not exists (select from sync.parked p where p.subscription = $1 and p.key = a.key and p.position < a.position) group by a.key)
           select (select count(*) from added)::float8 as events, (select array_agg(position) from begun) as first`,
          [subscription, fromPosition ?? null, since ?? null, key ?? null, types ?? null],
        );
    const first = (rows[0] as { first?: string[] | null } | undefined)?.first;
    if (first)
      await client.query(
        `update sync.parked set state = 'retrying', attempt_at = clock_timestamp() where subscription = $1 and position = any ($2) and state = 'waiting'`,
        [subscription, first],
      );
    await client.query(`select pg_notify('sync_events', '')`);
    await client.query('commit');
    return { events: rows[0]?.events ?? 0 };
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

export async function showEvent(client: pg.ClientBase, position: number): Promise<LoggedEvent | undefined> {
  const { rows } = await client.query<LoggedEvent>(`select ${eventColumns} from sync.events e where e.position = $1`, [
    position,
  ]);
  return rows[0];
}

/** In order: from behind `after` or from `since` on; with neither, the latest. */
export async function readEvents(
  client: pg.ClientBase,
  wish: { after?: number; since?: Date; key?: string; types?: string[]; limit: number },
): Promise<LoggedEvent[]> {
  const { after, since, key, types, limit } = wish;
  const isLatest = after === undefined && since === undefined;
  const { rows } = await client.query<LoggedEvent>(
    `select ${eventColumns} from sync.events e
     where e.position > $1 and ($2::timestamptz is null or e.occurred_at >= $2) and ($3::text is null or e.key = $3) and ($4::text[] is null or e.type = any ($4))
     order by e.position ${isLatest ? 'desc' : 'asc'} limit $5`,
    [after ?? 0, since ?? null, key ?? null, types ?? null, limit],
  );
  return isLatest ? rows.reverse() : rows;
}

function unknownSubscription(name: string): Error {
  return new Error(`There is no subscription ${name}: \`aether events subscriptions\` lists them.`);
}
