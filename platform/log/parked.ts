import { type AppEvent, type EventRow, eventColumns } from './events.ts';
import type { Queryable } from './query.ts';
import type { Transaction } from './transaction.ts';

/** An event that waits in sync.parked, with how often it was tried. */
export type ParkedRow = EventRow & { attempts: number; is_replay: boolean };

export type RetryPolicy = { name: string; attemptsMax?: number; retryFirstMs?: number; retryMaxMs?: number };

const parkedColumns = `${eventColumns}, p.attempts, p.is_replay`;
const errorCharactersMax = 1_000;

/** Those whose time has come: of each key one at most, the first, for only that may be retrying. */
export async function takeDue(on: Queryable, subscription: string, limit: number): Promise<ParkedRow[]> {
  return on.query<ParkedRow>(
    `select ${parkedColumns} from sync.parked p join sync.events e on e.position = p.position
     where p.subscription = $1 and p.state = 'retrying' and p.attempt_at <= clock_timestamp()
     order by p.position limit $2`,
    [subscription, limit],
  );
}

/** The next of a key, when nothing stands before it. */
export async function findNextOfKey(on: Queryable, subscription: string, key: string): Promise<ParkedRow | undefined> {
  const [next] = await on.query<ParkedRow & { state: string }>(
    `select ${parkedColumns}, p.state from sync.parked p join sync.events e on e.position = p.position
     where p.subscription = $1 and p.key = $2 order by p.position limit 1`,
    [subscription, key],
  );
  return next?.state === 'dead' ? undefined : next;
}

/** Lets events wait behind those of their key that are parked already; replayed ones stand before them, and are tried at once. */
export async function parkBehind(on: Queryable, subscription: string, events: AppEvent[]): Promise<void> {
  const keys = events.map((event) => event.key);
  await on.query(
    `insert into sync.parked (subscription, position, key, state, is_replay)
     select $1, e.position, e.key, 'waiting', e.is_replay from unnest($2::bigint[], $3::text[], $4::boolean[]) as e (position, key, is_replay)
     on conflict do nothing`,
    [subscription, events.map((event) => event.position), keys, events.map((event) => event.isReplay)],
  );
  if (events.some((event) => event.isReplay)) {
    await on.query('select sync.start_first_of_keys($1, $2)', [subscription, keys]);
  }
}

/** Notes a failed attempt: to be tried again after a while that doubles, or dead when that was the last. */
export async function parkFailed(
  on: Queryable,
  { name, attemptsMax = 12, retryFirstMs = 1_000, retryMaxMs = 600_000 }: RetryPolicy,
  event: AppEvent,
  attempts: number,
  error: unknown,
): Promise<void> {
  const isDead = attempts >= attemptsMax;
  await on.query(
    `insert into sync.parked (subscription, position, key, state, attempts, attempt_at, error, is_replay)
     values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6::float8 / 1000), $7, $8)
     on conflict (subscription, position) do update
       set state = excluded.state, attempts = excluded.attempts, attempt_at = excluded.attempt_at, error = excluded.error`,
    [
      name,
      event.position,
      event.key,
      isDead ? 'dead' : 'retrying',
      attempts,
      isDead ? null : retryDelayMs(attempts, retryFirstMs, retryMaxMs),
      describe(error),
      event.isReplay,
    ],
  );
}

/** Doubles with each attempt, and is spread by half of it, so that what failed together does not come back together. Pure but for chance. */
export function retryDelayMs(attempts: number, firstMs: number, maxMs: number, chance = Math.random()): number {
  return Math.min(firstMs * 2 ** (attempts - 1), maxMs) * (0.75 + chance / 2);
}

export async function unpark(on: Queryable, subscription: string, position: number): Promise<void> {
  await on.query('select sync.unpark($1, $2)', [subscription, position]);
}

/** Makes the next of a key due at once: more of them than one transaction should work. */
export async function makeDue(tx: Transaction, subscription: string, position: number): Promise<void> {
  await tx.query(
    `update sync.parked set state = 'retrying', attempt_at = clock_timestamp() where subscription = $1 and position = $2`,
    [subscription, position],
  );
}

function describe(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.replaceAll('\0', '').slice(0, errorCharactersMax).toWellFormed();
}
