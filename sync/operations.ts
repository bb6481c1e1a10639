import type pg from 'pg';

/** A row of sync.events, as operators see it. */
export type LoggedEvent = {
  position: number;
  id: number;
  type: string;
  key: string;
  customer: string | null;
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
  /** What a failed event holds back: the later events of its customer, or only those of its row. */
  holds: 'customer' | 'row';
  position: number;
  /** Numbered events that it may see and has not yet handled. */
  lag_events: number;
  /** Age of the oldest of them. */
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
  customer: string | null;
  state: ParkedState;
  attempts: number;
  attempt_at: Date | null;
  error: string | null;
  parked_at: Date;
};

export type Outcome = { position: number; state: 'handled' | ParkedState; attempts: number; error: string | null };

// Positions and ids are far below 2^53: as numbers they can be compared and printed.
const eventColumns = `e.position::float8 as position, e.id::float8 as id, e.type, e.key, e.customer, e.row_id, e.version::float8 as version, e.audience, e.app,
  e.actor, e.login, e.data, e.previous, e.trace, e.occurred_at, e.sequenced_at`;

const mayRead = 'sync.may_read(s.app, e.audience) and (s.types is null or e.type = any (s.types))';

/** Every subscription, how far it is behind, and what holds it up. */
export async function listSubscriptions(client: pg.ClientBase): Promise<SubscriptionStatus[]> {
  const { rows } = await client.query<SubscriptionStatus>(
    `select s.name, s.app, s.types, s.holds, s.position::float8 as position, s.is_paused, s.pause_reason,
       coalesce(lag.events, 0)::float8 as lag_events,
       coalesce(extract(epoch from clock_timestamp() - lag.oldest), 0)::float8 as lag_seconds,
       coalesce(p.retrying, 0)::integer as retrying, coalesce(p.waiting, 0)::integer as waiting, coalesce(p.dead, 0)::integer as dead
     from sync.subscriptions s
     left join lateral (select count(*) as events, min(e.sequenced_at) as oldest
       from sync.events e where e.position > s.position and ${mayRead}) lag on true
     left join lateral (select count(*) filter (where state = 'retrying') as retrying, count(*) filter (where state = 'waiting') as waiting,
                          count(*) filter (where state = 'dead') as dead from sync.parked where subscription = s.name) p on true
     order by s.name`,
  );
  return rows;
}

/** @throws when the subscription does not exist */
export async function pause(client: pg.ClientBase, name: string, reason: string): Promise<void> {
  const { rowCount } = await client.query(
    'update sync.subscriptions set is_paused = true, pause_reason = $2 where name = $1',
    [name, reason],
  );
  if (rowCount === 0) throw unknownSubscription(name);
}

/**
 * Removes a subscription with everything that it has parked. A process that runs it begins it again by its rule. @throws if there is none
 */
export async function remove(client: pg.ClientBase, name: string): Promise<void> {
  const { rowCount } = await client.query('delete from sync.subscriptions where name = $1', [name]);
  if (rowCount === 0) throw unknownSubscription(name);
}

/** @throws when the subscription does not exist */
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
    `select subscription, position::float8 as position, key, customer, state, attempts, attempt_at, error, parked_at from sync.parked
     where ($1::text is null or subscription = $1) and ($2::text is null or state = $2) order by subscription, position limit $3`,
    [subscription ?? null, state ?? null, limit],
  );
  return rows;
}

/** How many events are dead. */
export async function countDead(client: pg.ClientBase, subscription?: string): Promise<number> {
  const { rows } = await client.query(
    `select count(*)::integer as dead from sync.parked where state = 'dead' and ($1::text is null or subscription = $1)`,
    [subscription ?? null],
  );
  return rows[0].dead;
}

/** How long the oldest committed event has waited for its number. */
export async function readWaitingSeconds(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query('select coalesce(extract(epoch from sync.outbox_age()), 0)::float8 as seconds');
  return rows[0].seconds;
}

/** The newest position. */
export async function readHead(client: pg.ClientBase): Promise<number> {
  return Number((await client.query('select sync.head() as head')).rows[0].head);
}

/**
 * Lets dead events be tried again: all of a subscription, or those of a frozen set. An event is tried at once if no other precedes it,
 * otherwise when that one is gone. The events that wait behind it follow in order.
 *
 * @returns the events that are tried again, in the order of the log: ask for their outcomes.
 */
export function redrive(
  client: pg.ClientBase,
  { subscription, positions }: { subscription: string; positions?: number[] },
): Promise<{ position: number; key: string }[]> {
  return withSubscription(client, subscription, async () => {
    const { rows } = await client.query<Held & { position: number }>(
      `with driven as (
         update sync.parked set state = 'waiting', attempts = 0, error = null
         where subscription = $1 and state = 'dead' and ($2::bigint[] is null or position = any ($2)) returning position, key, customer)
       select position::float8 as position, key, customer from driven order by position`,
      [subscription, positions ?? null],
    );
    await startFirst(client, subscription, rows);
    return rows;
  });
}

/**
 * The outcome of events: an event that is not parked is handled (or was skipped) as soon as the subscription is past it.
 *
 * @throws when the subscription does not exist
 */
export async function outcomes(
  client: pg.ClientBase,
  { subscription, positions }: { subscription: string; positions: number[] },
): Promise<Outcome[]> {
  const { rows } = await client.query<Outcome>(
    `select asked.position::float8 as position,
       coalesce(p.state, case when asked.position <= s.position then 'handled' else 'waiting' end) as state,
       coalesce(p.attempts, 0) as attempts, p.error
     from sync.subscriptions s cross join unnest($2::bigint[]) as asked (position)
     left join sync.parked p on p.subscription = s.name and p.position = asked.position
     where s.name = $1 order by asked.position`,
    [subscription, positions],
  );
  if (rows.length < positions.length) throw unknownSubscription(subscription);
  return rows;
}

/** Gives up a dead event: the events behind it continue. @throws when it is not dead there */
export function skip(
  client: pg.ClientBase,
  { subscription, position }: { subscription: string; position: number },
): Promise<void> {
  return withSubscription(client, subscription, async () => {
    const { rows } = await client.query<Held>(
      `delete from sync.parked where subscription = $1 and position = $2 and state = 'dead' returning key, customer`,
      [subscription, position],
    );
    if (rows.length === 0) throw new Error(`${subscription} has no dead event ${position}.`);
    await startFirst(client, subscription, rows);
  });
}

type Replay = {
  subscription: string;
  /** From this position on, or from the first event of this time on; by default from the oldest event there is. */
  fromPosition?: number;
  since?: Date;
  /** Only events of this row, or of rows that never leave it. */
  key?: string;
  /** Only events of this customer, also under the ids of customers that were merged into it. */
  customer?: string;
  types?: string[];
};

/**
 * Makes a subscription handle events again, marked as a replay, in their order. A replay of everything follows the log; a replay of a
 * key, a customer or some types goes through the parked events, so that the others continue meanwhile.
 *
 * @returns the number of those events.
 */
export function replay(client: pg.ClientBase, wish: Replay): Promise<{ events: number }> {
  const { subscription, fromPosition, since, key, customer, types } = wish;
  return withSubscription(client, subscription, async () => {
    const { rows } = await client.query<{ start: number | null }>(
      `select case when $2::timestamptz is null then coalesce($1::bigint, 0)
         else (select min(position) from sync.events where occurred_at >= $2) end::float8 as start`,
      [fromPosition ?? null, since ?? null],
    );
    const start = rows[0]?.start ?? undefined;
    if (start === undefined) return { events: 0 };
    return key === undefined && customer === undefined && types === undefined
      ? { events: await moveBack(client, subscription, start) }
      : { events: await parkAgain(client, { subscription, start, key, customer, types }) };
  });
}

async function moveBack(client: pg.ClientBase, subscription: string, start: number): Promise<number> {
  const { rows } = await client.query<{ events: number }>(
    `with moved as (
       update sync.subscriptions s set replay_until = greatest(s.replay_until, s.position), position = greatest($2::bigint - 1, 0)
       where s.name = $1 and $2 <= s.position returning s.position, s.replay_until, s.types, s.app)
     select count(e.position)::float8 as events
     from moved s join sync.events e on e.position > s.position and e.position <= s.replay_until and ${mayRead}`,
    [subscription, start],
  );
  return rows[0]?.events ?? 0;
}

async function parkAgain(
  client: pg.ClientBase,
  { subscription, start, key, customer, types }: Omit<Replay, 'since' | 'fromPosition'> & { start: number },
): Promise<number> {
  const values: unknown[] = [subscription, start];
  const value = (given: unknown) => `$${values.push(given)}`;
  // A condition that is not asked for is left out: written as "it is null or equal", it would make PostgreSQL read the whole log.
  const asked = [
    customer === undefined ? '' : `and e.position in (select sync.list_events_of_customer(${value(customer)}))`,
    key === undefined ? '' : `and e.key = ${value(key)}`,
    types === undefined ? '' : `and e.type = any (${value(types)}::text[])`,
  ];
  const { rows } = await client.query<Held>(
    `insert into sync.parked (subscription, position, key, customer, state, is_replay)
     select s.name, e.position, e.key, e.customer, 'waiting', true
     from sync.subscriptions s join sync.events e on e.position <= s.position and e.position >= $2 and ${mayRead}
     where s.name = $1 ${asked.join(' ')}
     on conflict do nothing returning key, customer`,
    values,
  );
  await startFirst(client, subscription, rows);
  return rows.length;
}

type Held = { key: string; customer: string | null };

const startFirst = (client: pg.ClientBase, subscription: string, held: Held[]) =>
  client.query('select sync.start_first($1, $2, $3)', [
    subscription,
    [...new Set(held.map(({ key }) => key))],
    [...new Set(held.map(({ customer }) => customer))].filter((customer) => customer !== null),
  ]);

/** Holds the lock of the subscription: no process works on it meanwhile. @throws when there is none of this name */
async function withSubscription<T>(client: pg.ClientBase, name: string, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    const { rowCount } = await client.query('select from sync.subscriptions where name = $1 for update', [name]);
    if (rowCount === 0) throw unknownSubscription(name);
    const result = await work();
    await client.query(`select pg_notify('sync_events', '')`);
    await client.query('commit');
    return result;
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

/** In order: the events after `after`, or from `since` on; with neither, the latest ones. */
export async function readEvents(
  client: pg.ClientBase,
  wish: { after?: number; since?: Date; key?: string; customer?: string; types?: string[]; limit: number },
): Promise<LoggedEvent[]> {
  const { after, since, key, customer, types, limit } = wish;
  const isLatest = after === undefined && since === undefined;
  const { rows } = await client.query<LoggedEvent>(
    `select ${eventColumns} from sync.events e
     where e.position > $1 and ($2::timestamptz is null or e.occurred_at >= $2)
       and ($3::text is null or e.key = $3) and ($4::text[] is null or e.type = any ($4))
       and ($6::uuid is null or e.position in (select sync.list_events_of_customer($6)))
     order by e.position ${isLatest ? 'desc' : 'asc'} limit $5`,
    [after ?? 0, since ?? null, key ?? null, types ?? null, limit, customer ?? null],
  );
  return isLatest ? rows.reverse() : rows;
}

function unknownSubscription(name: string): Error {
  return new Error(`There is no subscription ${name}: \`aether events subscriptions\` lists them.`);
}
