import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Statement } from './connection.ts';
import { type AppEvent, type EventRow, type EventType, eventColumns, toEvent } from './events.ts';
import type { Wakeups } from './wakeups.ts';

/** A follower reads more slowly than events come: follow again from the last position it has. */
export class FellBehind extends Error {
  readonly position: number;
  constructor(position: number) {
    super(`Too many events are waiting to be read: follow again after position ${position}.`);
    this.name = 'FellBehind';
    this.position = position;
  }
}

export type FollowOptions<Type extends EventType> = {
  types?: Type[];
  /** The position of the last event one has; by default what comes from now on. */
  after?: number;
  signal?: AbortSignal;
};

type Follower = { types: Set<string> | undefined; queue: AppEvent[]; wake: () => void; isOverfull: boolean };

/** Positions read at once. */
const pageMax = 1_000;
const queueMax = 5_000;
const pollMs = 1_000;

const readPositions: Statement = {
  name: 'feed-read',
  text: `with log as (select coalesce(max(position), 0) as head from sync.events)
    select ${eventColumns}, log.head from log left join lateral (
      select * from sync.events where position > $1 and position <= $2 and ($3::text[] is null or type = any ($3))
      order by position) e on true`,
};

export type Feed = ReturnType<typeof openFeed>;

/**
 * The live feed of a process: one reader for all who follow. Not durable: who is not there misses nothing only by asking
 * `after` the last position it had.
 */
export function openFeed(connection: Connection, wakeups: Wakeups) {
  const followers = new Set<Follower>();
  const stopping = new AbortController();
  let position: number | undefined;
  let reading: { begun: Promise<void>; ended: Promise<void> } | undefined;
  let isCut = true;

  /** The events of the next positions, and how far that is. The bound keeps PostgreSQL from sorting all that follows. */
  async function readPage(
    after: number,
    types?: string[],
  ): Promise<{ rows: EventRow[]; position: number; isLast: boolean }> {
    const found = await connection.run<EventRow & { head: number }>(readPositions, [
      after,
      after + pageMax,
      types ?? null,
    ]);
    const head = Math.max(found[0]?.head ?? 0, after);
    const position = Math.min(after + pageMax, head);
    return { rows: found.filter((row) => row.position !== null), position, isLast: position === head };
  }

  async function readHead(): Promise<number> {
    const [row] = await connection.query<{ head: number }>(
      'select coalesce(max(position), 0) as head from sync.events',
    );
    return row?.head ?? 0;
  }

  function give(rows: EventRow[]): void {
    for (const row of rows) {
      const event = toEvent(row);
      for (const follower of followers) {
        if (follower.types && !follower.types.has(event.type)) continue;
        if (follower.queue.length >= queueMax) follower.isOverfull = true;
        else follower.queue.push(event);
      }
    }
    for (const follower of followers) follower.wake();
  }

  /** Reads as long as somebody follows. @param begun is told when the place is known from where on nothing is missed */
  async function read(begun: () => void): Promise<void> {
    while (!stopping.signal.aborted && followers.size > 0) {
      try {
        position ??= await readHead();
        begun();
        const page = await readPage(position);
        isCut = false;
        position = page.position;
        give(page.rows);
        if (page.isLast) await wakeups.next(pollMs, stopping.signal);
      } catch {
        isCut = true;
        await sleep(200, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
    begun();
    position = undefined;
    reading = undefined;
  }

  function ensureReading(): { begun: Promise<void>; ended: Promise<void> } {
    if (reading) return reading;
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    reading = { begun, ended: read(resolve) };
    return reading;
  }

  /**
   * Events as they are numbered, in order, without a gap, until `signal` is aborted or the feed is closed.
   *
   * @throws FellBehind when the reader of this is too slow.
   */
  async function* follow<Type extends EventType>({
    types,
    after,
    signal,
  }: FollowOptions<Type> = {}): AsyncGenerator<AppEvent<Type>, void> {
    const follower: Follower = { types: types && new Set(types), queue: [], wake: () => {}, isOverfull: false };
    followers.add(follower);
    const { begun } = ensureReading();
    const isOver = () => signal?.aborted || stopping.signal.aborted;
    const stop = () => follower.wake();
    signal?.addEventListener('abort', stop, { once: true });
    stopping.signal.addEventListener('abort', stop, { once: true });
    let last = after;
    try {
      await begun;
      // What there is already is read here; what the common reader brings meanwhile stands in the queue, and is told by its position.
      while (last !== undefined && !isOver()) {
        const page: { rows: EventRow[]; position: number; isLast: boolean } = await readPage(last, types);
        for (const row of page.rows) {
          yield toEvent(row) as AppEvent<Type>;
          if (isOver()) return;
        }
        last = page.position;
        if (page.isLast) break;
      }
      while (!isOver()) {
        const event = follower.queue.shift();
        if (event) {
          if (event.position <= (last ?? 0)) continue;
          last = event.position;
          yield event as AppEvent<Type>;
        } else if (follower.isOverfull) throw new FellBehind(last ?? 0);
        else {
          const { promise, resolve } = Promise.withResolvers<void>();
          follower.wake = resolve;
          await promise;
        }
      }
    } finally {
      followers.delete(follower);
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Whether this position still is this event. */
  async function has(at: number, id: number): Promise<boolean> {
    const found = await connection.query('select from sync.events where position = $1 and id = $2', [at, id]);
    return found.length === 1;
  }

  return {
    follow,
    has,
    readHead,
    /** Whether what is numbered arrives here at once. */
    isLive: () => !isCut && wakeups.isConnected() && followers.size > 0,
    async close() {
      stopping.abort();
      await reading?.ended;
    },
  };
}
