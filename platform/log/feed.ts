import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { type AppEvent, type EventRow, type EventType, toEvent } from './events.ts';
import { findSafePosition, hasEvent, measureWait, type Place, readHead, readPage } from './log.ts';
import type { Wakeups } from './wakeups.ts';

/** Follow again from this position, which one surely has: what came after it may have been missed, or undone. */
export class FellBehind extends Error {
  readonly position: number;
  constructor(position: number, reason = 'Too many events are waiting to be read') {
    super(`${reason}: follow again after position ${position}.`);
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

/**
 * live: what is committed arrives at once. late: committed events have waited a second for their numbers. cut: the log cannot be read, is
 * not read to its end yet, or no signs come. idle: nobody follows.
 */
export type FeedState = 'idle' | 'live' | 'late' | 'cut';

type Follower = {
  types: Set<string> | undefined;
  /** The position up to which it has everything. */
  last: number;
  /** From then on the common reader fills the queue. */
  hasJoined: boolean;
  queue: AppEvent[];
  failure: FellBehind | undefined;
  wake: () => void;
};

const queueMax = 5_000;
const pollMs = 500;
const retryMs = 200;
/** Committed events that wait longer for their numbers are late. */
const lateMs = 1_000;
/** Ends of pages remembered, to find the place before which a crash undid nothing: more than come in the second that it can undo. */
const placesMax = 1_000;

export type Feed = ReturnType<typeof openFeed>;

/**
 * The live feed of a process: one reader for all who follow. Not durable: who is not there misses nothing only by asking
 * `after` the last position it had.
 */
export function openFeed(connection: Connection, wakeups: Wakeups) {
  const followers = new Set<Follower>();
  const stopping = new AbortController();
  let reading: Promise<void> | undefined;
  /** Who waits to hear where the log ended at a look begun after they asked. */
  let asking: ((head: number) => void)[] = [];
  let nap = new AbortController();
  let position: number | undefined;
  let places: Place[] = [];
  /** Which connection brought the signs when the head of the log was read. */
  let atHeadSince: number | undefined;
  let isLate = false;
  let measuredAt = 0;

  /** Reads as long as somebody follows. */
  async function read(): Promise<void> {
    while (!stopping.signal.aborted && followers.size > 0) {
      try {
        await readOn();
      } catch {
        atHeadSince = undefined;
        await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
    position = atHeadSince = reading = undefined;
    places = [];
    asking = [];
  }

  async function readOn(): Promise<void> {
    nap = new AbortController();
    const asked = asking.length;
    if (position === undefined) {
      const head = await readHead(connection);
      position = head.position;
      places = [head];
    }
    // Asked before the page is read: of what it does not hold, a sign tells that comes after these.
    const [signs, listening] = [wakeups.signs(), wakeups.connection()];
    const page = await readPage(connection, { after: position, known: places.at(-1) });
    if (page.isRewound) {
      if (!(await rewind())) await pause(signs);
      return;
    }
    position = page.position;
    remember(page.rows.at(-1));
    give(page.rows);
    if (!page.isLast) {
      atHeadSince = undefined;
      return;
    }
    if (performance.now() - measuredAt > pollMs / 2) {
      isLate = (await measureWait(connection)) > lateMs;
      measuredAt = performance.now();
    }
    atHeadSince = listening;
    for (const answer of asking.splice(0, asked)) answer(page.position);
    await pause(signs);
  }

  /** Until there is a sign after so many, or somebody asks. */
  const pause = (signs: number): Promise<void> =>
    asking.length > 0
      ? Promise.resolve()
      : wakeups.next(pollMs, { after: signs, signal: AbortSignal.any([stopping.signal, nap.signal]) });

  function remember(row: EventRow | undefined): void {
    if (!row) return;
    places.push({ position: row.position, id: row.id });
    if (places.length > placesMax) places.shift();
  }

  function give(rows: EventRow[]): void {
    for (const row of rows) {
      const event = toEvent(row);
      for (const follower of followers) {
        if (!follower.hasJoined || follower.failure || (follower.types && !follower.types.has(event.type))) continue;
        if (follower.queue.length < queueMax) follower.queue.push(event);
        else follower.failure = new FellBehind(follower.queue.at(-1)?.position ?? follower.last);
      }
    }
    for (const follower of followers) follower.wake();
  }

  /**
   * A crash of the database undid the latest numbers. Most are given again in a moment. Who has seen one that is not is told, and
   * all is read again from before it.
   *
   * @returns false as long as numbers are missing.
   */
  async function rewind(): Promise<boolean> {
    atHeadSince = undefined;
    const isSettled = (await measureWait(connection)) === 0;
    const known = places.at(-1) as Place;
    const { isRewound, head } = await readPage(connection, { after: known.position, known });
    if (!isRewound) return true;
    if (head < known.position && !isSettled) return false;
    const safe = await findSafePosition(connection, places);
    for (const follower of followers) {
      follower.queue = follower.queue.filter((event) => event.position <= safe);
      if (follower.last > safe)
        follower.failure = new FellBehind(safe, 'The database crashed, and what came last may never have happened');
      follower.wake();
    }
    places = places.filter((place) => place.position <= safe);
    position = safe;
    return true;
  }

  /** Where the log ends now: what the common reader has read may be older. */
  function askHead(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    asking.push(resolve);
    nap.abort();
    reading ??= read();
    return promise;
  }

  /**
   * Events as they are numbered, in order, without a gap, until `signal` is aborted or the feed is closed. While the database is
   * out of reach it waits.
   *
   * @throws FellBehind when the reader of this is too slow, or has seen what a crash of the database undid.
   */
  async function* follow<Type extends EventType>({
    types,
    after,
    signal,
  }: FollowOptions<Type> = {}): AsyncGenerator<AppEvent<Type>, void> {
    const follower: Follower = {
      types: types && new Set(types),
      last: after ?? 0,
      hasJoined: false,
      queue: [],
      failure: undefined,
      wake: () => {},
    };
    followers.add(follower);
    const head = askHead();
    const over = Promise.withResolvers<void>();
    const isOver = () => signal?.aborted || stopping.signal.aborted;
    const stop = () => {
      over.resolve();
      follower.wake();
    };
    signal?.addEventListener('abort', stop, { once: true });
    stopping.signal.addEventListener('abort', stop, { once: true });
    try {
      const now = isOver() ? undefined : await Promise.race([head, over.promise]);
      follower.last = after ?? now ?? 0;
      while (!isOver()) {
        for (const event of await next(follower, types)) {
          if (event.position <= follower.last) continue; // it was among what was read before joining
          follower.last = event.position;
          yield event as AppEvent<Type>;
          if (isOver()) return;
        }
      }
    } finally {
      followers.delete(follower);
      signal?.removeEventListener('abort', stop);
      stopping.signal.removeEventListener('abort', stop);
    }
  }

  /** Some of the next events, or none: then ask again. Those that there are already are read here, the others by the common reader. */
  async function next(follower: Follower, types: string[] | undefined): Promise<AppEvent[]> {
    const event = follower.queue.shift();
    if (event) return [event];
    if (follower.failure) throw follower.failure;
    if (follower.hasJoined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      follower.wake = resolve;
      await promise;
      return [];
    }
    if (position !== undefined && follower.last >= position) {
      follower.hasJoined = true;
      return [];
    }
    try {
      const page = await readPage(connection, { after: follower.last, types });
      if (page.rows.length === 0) follower.last = page.position;
      return page.rows.map((row) => toEvent(row));
    } catch {
      await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      return [];
    }
  }

  return {
    follow,
    has: (at: number, id: number) => hasEvent(connection, { position: at, id }),
    /** The newest event that the app may see. */
    readHead: (): Promise<Place> => readHead(connection),
    state(): FeedState {
      if (followers.size === 0) return 'idle';
      if (atHeadSince === undefined || atHeadSince !== wakeups.connection()) return 'cut';
      return isLate ? 'late' : 'live';
    },
    async close() {
      stopping.abort();
      await reading;
    },
  };
}
