import { type AppEvent, type EventRow, eventColumns, fillPage } from './events.ts';
import type { FailureCause } from './failurecause.ts';
import type { LeasedShares } from './lease.ts';
import type { Queryable, Statement } from './query.ts';
import type { Transaction } from './transaction.ts';

/** An event in sync.parked, with its number of attempts. */
export type ParkedRow = EventRow & { attempts: number; is_replay: boolean };

/** What a parked event holds back: later events of its key, and those of its customer. */
export type Held = { key: string; customer: string | null };

/** Whose parked events a step may work: those of the shares that it has locked; of a subscription without shares all. */
export type Holder = { name: string; shares?: LeasedShares | null };

const sharesOf = ({ shares }: Holder) => [shares?.layoutBy ?? 'customer', shares?.layout ?? 1, shares?.held ?? [0]];

export type RetryPolicy = { name: string; attemptsMax?: number; retryFirstMs?: number; retryMaxMs?: number };

const parkedColumns = `${eventColumns}, p.attempts, p.is_replay`;

// Named, so that the server keeps their plans: with many partitions of the log, planning takes longer than the rest.
const readDue: Statement = {
  name: 'parked-due',
  text: `select ${eventColumns}, e.attempts, e.is_replay, e.is_behind from (${fillPage(
    `select e.*, p.attempts, p.is_replay, sync.is_behind(p.subscription, p.position, p.key, p.customer) as is_behind
     from sync.parked p join sync.events e on e.position = p.position
     where p.subscription = $1 and p.state = 'retrying' and p.attempt_at <= clock_timestamp()
       and sync.share_of(p.key, p.customer, $3, $4) = any ($5::integer[])
     order by p.position limit $2`,
  )}) e order by e.position`,
};
const readNext: Statement = {
  name: 'parked-next',
  text: `select ${parkedColumns}, sync.share_of(p.key, p.customer, $4, $5) = any ($6::integer[]) as is_held
     from (
       (select position from sync.parked where subscription = $1 and key = $2 order by position limit 1)
       union
       (select position from sync.parked
        where subscription = $1 and customer = any (sync.list_merged($3)) order by position limit 1)) f
     join sync.parked p on p.subscription = $1 and p.position = f.position
     join sync.events e on e.position = p.position
     where p.state = 'waiting' and not sync.is_behind(p.subscription, p.position, p.key, p.customer)
     order by p.position`,
};
const lockOthers: Statement = {
  name: 'parked-lock-others',
  text: `select from sync.parked p
     where p.subscription = $1 and sync.share_of(p.key, p.customer, $2, $3) <> all ($4::integer[])
       and (p.key = any ($5::text[]) or p.customer = any (
         select m from unnest($6::uuid[]) c (id) cross join lateral unnest(sync.list_merged(c.id)) m))
     order by p.position for key share`,
};
const takeAway: Statement = { name: 'parked-unpark', text: 'select sync.unpark($1, $2)' };

/** The first of the events that are due, no more than a page holds. `is_behind`: another event has come to precede it, as when two customers were merged. */
export async function takeDue(
  on: Queryable,
  holder: Holder,
  limit: number,
): Promise<(ParkedRow & { is_behind: boolean })[]> {
  return on.run(readDue, [holder.name, limit, ...sharesOf(holder)]);
}

/**
 * The events that waited for one that is gone and now wait for none: the first of its key, the first of its customer. `is_held`: it is of
 * the holder's shares; another process may be at work on one that is not.
 */
export async function findNext(
  on: Queryable,
  holder: Holder,
  { key, customer }: Held,
): Promise<(ParkedRow & { is_held: boolean })[]> {
  return on.run(readNext, [holder.name, key, customer, ...sharesOf(holder)]);
}

/**
 * Locks the parked events of other shares that these events may have to wait behind, before anybody looks whether they have to. Whoever
 * takes such an event away waits for this step, and then finds what waits behind it; or this step waits, and finds that it is gone.
 */
export async function lockOtherParked(on: Queryable, holder: Holder, events: AppEvent[]): Promise<void> {
  if (!holder.shares) return;
  const keys = events.map(({ key }) => key);
  await on.run(lockOthers, [holder.name, ...sharesOf(holder), keys, customersOf(events)]);
}

const customersOf = (events: Held[]): string[] => [
  ...new Set(events.flatMap(({ customer }) => (customer === null ? [] : [customer]))),
];

/**
 * Those of the given events that must wait for a parked one; with each, the customer that it belongs to today, after all merges.
 * An event that is itself parked is included.
 */
export async function findBehind(
  on: Queryable,
  subscription: string,
  events: AppEvent[],
): Promise<Map<number, { isBehind: boolean; customer: string | null }>> {
  const rows = await on.query<{ position: number; is_behind: boolean; customer: string | null }>(
    `select e.position, sync.is_behind($1, 9223372036854775807, e.key, e.customer) as is_behind,
       sync.survivor_of(e.customer) as customer
     from unnest($2::bigint[], $3::text[], $4::uuid[]) as e (position, key, customer)`,
    [
      subscription,
      events.map(({ position }) => position),
      events.map(({ key }) => key),
      events.map(({ customer }) => customer),
    ],
  );
  return new Map(rows.map((row) => [row.position, { isBehind: row.is_behind, customer: row.customer }]));
}

/** Parks events behind those that hold them back; replayed events go in front of those, and are tried at once. */
export async function parkBehind(on: Queryable, subscription: string, events: AppEvent[]): Promise<void> {
  const keys = events.map((event) => event.key);
  const customers = events.map((event) => event.customer);
  await on.query(
    `insert into sync.parked (subscription, position, key, customer, state, is_replay)
     select $1, e.position, e.key, e.customer, 'waiting', e.is_replay
     from unnest($2::bigint[], $3::text[], $4::uuid[], $5::boolean[]) as e (position, key, customer, is_replay)
     on conflict do nothing`,
    [subscription, events.map((event) => event.position), keys, customers, events.map((event) => event.isReplay)],
  );
  if (events.some((event) => event.isReplay)) await startFirst(on, subscription, events);
}

/** Records a failed attempt: the event is tried again after a delay that doubles, or is dead if that was the last attempt. */
export async function parkFailed(
  on: Queryable,
  { name, attemptsMax = 12, retryFirstMs = 1_000, retryMaxMs = 600_000 }: RetryPolicy,
  event: AppEvent,
  attempts: number,
  cause: FailureCause,
): Promise<{ isDead: boolean }> {
  const isDead = attempts >= attemptsMax;
  await on.query(
    `insert into sync.parked (subscription, position, key, customer, state, attempts, attempt_at, error, cause, is_replay)
     values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7::float8 / 1000), $8, $9, $10)
     on conflict (subscription, position) do update
       set state = excluded.state, attempts = excluded.attempts, attempt_at = excluded.attempt_at,
         error = excluded.error, cause = excluded.cause`,
    [
      name,
      event.position,
      event.key,
      event.customer,
      isDead ? 'dead' : 'retrying',
      attempts,
      isDead ? null : retryDelayMs(attempts, retryFirstMs, retryMaxMs),
      cause.text,
      cause.id,
      event.isReplay,
    ],
  );
  return { isDead };
}

/**
 * Doubles with each attempt, and is spread by half of it, so that events that failed together do not return together. Pure except for
 * chance.
 */
export function retryDelayMs(attempts: number, firstMs: number, maxMs: number, chance = Math.random()): number {
  return Math.min(firstMs * 2 ** (attempts - 1), maxMs) * (0.75 + chance / 2);
}

export async function unpark(on: Queryable, subscription: string, position: number): Promise<void> {
  await on.run(takeAway, [subscription, position]);
}

/** Corrects which parked events are tried and which wait: of the given ones, or of all. See sync.start_first. */
export async function startFirst(on: Queryable, subscription: string, held?: Held[]): Promise<void> {
  await on.query('select sync.start_first($1, $2, $3)', [
    subscription,
    held?.map(({ key }) => key) ?? null,
    held ? customersOf(held) : null,
  ]);
}

/** Makes an event due at once, for a later step: a transaction works on a limited number of events, and only on those of its shares. */
export async function makeDue(tx: Transaction, subscription: string, position: number): Promise<void> {
  await tx.query(
    `update sync.parked set state = 'retrying', attempt_at = clock_timestamp() where subscription = $1 and position = $2`,
    [subscription, position],
  );
}
