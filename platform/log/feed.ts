import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { type AppEvent, type EventRow, type EventType, toEvent } from './events.ts';
import type { Lifecycle } from './lifecycle.ts';
import { type After, findSafePlace, hasPlace, measureWait, type Page, type Place, readHead, readPage } from './log.ts';
import type { Wakeups } from './wakeups.ts';

/*
 * The live feed: the newest events for caches and screens, at once and without a gap.
 *
 * The model. One reader per process reads the log page by page for all followers, as long as there are any. NOTIFY wakes it; without a
 * notification it looks twice a second. A follower that begins at an older place reads its own pages up to where the common reader is,
 * and then joins it. Nothing is stored: a follower that went away comes back with the last place that it had, and misses nothing.
 *
 * Places. Numbering does not wait for the disk, so a crash of the database may undo the newest positions and give them to
 * other events, perhaps beyond the position where a reader is. Each page is therefore read after a place, a position with its event's id,
 * and the same statement says whether the log still has that place. This includes events that the app may not see: their loss moves the
 * others. A follower with a rare filter moves on with every page, also when nothing in it is for the follower.
 *
 * The states of the feed. idle: nobody follows. live: committed events arrive at once. late: committed events have waited more than a
 * second for their numbers. cut: the log cannot be read, is not yet read to its end, or no notifications arrive.
 *
 * What each failure does:
 * - The database is out of reach: the feed is cut. It continues from its place when the database is back.
 * - The connection that brings the notifications is lost: the feed is cut until there is a new one and the log was read to its end after
 * that.
 * - A crash undid numbers: the feed waits until they are given again. A follower that has seen a different event by then gets FellBehind
 * with
 * the newest place that the log still has; the others continue.
 * - Retention removed events that a follower has not read: it gets FellBehind.
 * - A follower is too slow: its queue is bounded, by events and by their characters, and it gets FellBehind with the place of the last event
 * in it.
 */

/** Follow again from this place: events after it may have been missed or undone. */
export class FellBehind extends Error {
  readonly place: Place;
  constructor(place: Place, reason = 'Too many events are waiting to be read') {
    super(`${reason}: follow again after position ${place.position}.`);
    this.name = 'FellBehind';
    this.place = place;
  }
  get position(): number {
    return this.place.position;
  }
}

export type FollowOptions<Type extends EventType> = {
  types?: Type[];
  /** The place or the position of the last event that the follower has. By default it begins with the events from now on. */
  after?: number | Place;
  signal?: AbortSignal;
};

export type Following<Type extends EventType> = AsyncGenerator<AppEvent<Type>, void> & {
  /** Up to where everything has been delivered, including events that the filter skipped; undefined until that is known. */
  place(): Place | undefined;
};

export type FeedState = 'idle' | 'live' | 'late' | 'cut';

type Queued = { event: AppEvent; characters: number };

type Follower = {
  types: Set<string> | undefined;
  /** Up to where everything has been delivered. */
  at: After;
  /** From then on the common reader fills the queue. */
  hasJoined: boolean;
  queue: Queued[];
  /** Of the events in the queue. */
  characters: number;
  /** The follower may still be working on the event that was delivered last. */
  isHanding: boolean;
  /** The place where its own pages ended. */
  places: Place[];
  failure: FellBehind | undefined;
  wake: () => void;
};

const queueMax = 5_000;
const queueCharactersMax = 16_000_000;
const pollMs = 500;
const retryMs = 200;
/** Committed events that wait longer for their numbers are late. */
const lateMs = 1_000;
/** How many page ends are remembered to find the newest one that a crash left: more than arrive in the second that it can undo. */
const placesMax = 1_000;

const placeLost = 'The log no longer has this place, because the database crashed or retention removed events after it';

export type Feed = ReturnType<typeof openFeed>;

/** The live feed of a process. */
export function openFeed(connection: Connection, wakeups: Wakeups, lifecycle: Lifecycle) {
  const followers = new Set<Follower>();
  const stopping = new AbortController();
  let reading: Promise<void> | undefined;
  /** Followers that wait for a look at the log's end that begins after they asked. */
  let asking: ((head: Place) => void)[] = [];
  /** Ends the pause between two looks; one for as long as nothing does, because a signal made of two others for each look outlives it. */
  let nap = new AbortController();
  /** Where the common reader is. */
  let place: Place | undefined;
  let places: Place[] = [];
  /** The connection that brought the notifications when the head of the log was read. */
  let atHeadSince: number | undefined;
  let isLate = false;
  let measuredAt = 0;

  /** Reads as long as there are followers. */
  async function read(): Promise<void> {
    while (!stopping.signal.aborted && followers.size > 0) {
      try {
        await readOn();
      } catch {
        atHeadSince = undefined;
        await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
    place = atHeadSince = reading = undefined;
    places = [];
    asking = [];
  }

  async function readOn(): Promise<void> {
    if (nap.signal.aborted && !stopping.signal.aborted) nap = new AbortController();
    const asked = asking.length;
    if (place === undefined) {
      place = await readHead(connection);
      places = [place];
    }
    // Asked before the page is read: a later notification announces events that the page does not hold.
    const [signs, listening] = [wakeups.signs(), wakeups.connection()];
    const page = await readPage(connection, { after: place });
    if (page.isRewound) {
      if (!(await rewind(place))) await pause(signs);
      return;
    }
    moveTo(page);
    if (!page.isLast) {
      atHeadSince = undefined;
      return;
    }
    if (performance.now() - measuredAt > lateMs) {
      isLate = ((await measureWait(connection)) ?? 0) > lateMs;
      measuredAt = performance.now();
    }
    atHeadSince = listening;
    for (const answer of asking.splice(0, asked)) answer(page.place);
    await pause(signs);
  }

  /** Sleeps until there have been more notifications than so many, or a follower asks. */
  const pause = (signs: number): Promise<void> =>
    asking.length > 0 ? Promise.resolve() : wakeups.next(pollMs, { after: signs, signal: nap.signal });

  function moveTo(page: Page): void {
    if (page.place.position !== place?.position) remember(places, page.place);
    place = page.place;
    give(page.rows);
  }

  function give(rows: EventRow[]): void {
    for (const row of rows) {
      const { characters = 0 } = row;
      const event = toEvent(row);
      for (const follower of followers) {
        if (!follower.hasJoined || follower.failure || (follower.types && !follower.types.has(event.type))) continue;
        const { queue } = follower;
        if (queue.length < queueMax && (follower.characters < queueCharactersMax || queue.length === 0)) {
          queue.push({ event, characters });
          follower.characters += characters;
        } else follower.failure = new FellBehind(placeOf((queue.at(-1) as Queued).event));
      }
    }
    for (const follower of followers) follower.wake();
  }

  /**
   * A crash of the database undid the latest numbers. Most are given again in a moment. A follower that has seen one that is not gets
   * FellBehind, and the log is read again from before it.
   *
   * @returns false as long as numbers are missing.
   */
  async function rewind(known: Place): Promise<boolean> {
    atHeadSince = undefined;
    const isSettled = (await measureWait(connection)) === undefined;
    const { isRewound, head } = await readPage(connection, { after: known });
    if (!isRewound) return true;
    if (head < known.position && !isSettled) return false;
    const safe = await findSafePlace(connection, places);
    for (const follower of followers) {
      if (!follower.hasJoined) continue; // it checks for itself
      follower.queue = follower.queue.filter(({ event }) => event.position <= safe.position);
      follower.characters = follower.queue.reduce((sum, { characters }) => sum + characters, 0);
      if (follower.at.position > safe.position) follower.failure = new FellBehind(safe, placeLost);
      follower.wake();
    }
    places = places.filter(({ position }) => position <= safe.position);
    place = safe.position === 0 ? undefined : safe; // the log has none of them: begin at its end again
    lifecycle.tell({ kind: 'feed.rewound', place: safe });
    return true;
  }

  /** Where the log ends now: the common reader's last place may be older. */
  function askHead(): Promise<Place> {
    const { promise, resolve } = Promise.withResolvers<Place>();
    asking.push(resolve);
    nap.abort();
    reading ??= read();
    return promise;
  }

  /**
   * Yields events as they are numbered, in order and without a gap, until `signal` is aborted or the feed is closed. While the database
   * is out of reach it waits.
   *
   * @throws FellBehind when the follower is too slow, or has seen events that a crash of the database undid.
   */
  function follow<Type extends EventType>(options: FollowOptions<Type> = {}): Following<Type> {
    const { types, after } = options;
    const follower: Follower = {
      types: types && new Set(types),
      at: typeof after === 'number' ? { position: after } : (after ?? { position: 0 }),
      hasJoined: false,
      queue: [],
      characters: 0,
      isHanding: false,
      places: [],
      failure: undefined,
      wake: () => {},
    };
    const events = run(follower, options) as AsyncGenerator<AppEvent<Type>, void>;
    return Object.assign(events, {
      place(): Place | undefined {
        const { at, hasJoined, queue, isHanding, failure } = follower;
        if (hasJoined && place && queue.length === 0 && !isHanding && !failure) return place;
        return at.id === undefined ? undefined : { position: at.position, id: at.id };
      },
    });

    async function* run(follower: Follower, { types, after, signal }: FollowOptions<Type>): AsyncGenerator<AppEvent> {
      followers.add(follower);
      const head = askHead();
      const over = Promise.withResolvers<undefined>();
      const isOver = () => signal?.aborted || stopping.signal.aborted;
      const stop = () => {
        over.resolve(undefined);
        follower.wake();
      };
      signal?.addEventListener('abort', stop, { once: true });
      stopping.signal.addEventListener('abort', stop, { once: true });
      try {
        const now = isOver() ? undefined : await Promise.race([head, over.promise]);
        if (after === undefined && now) follower.at = now;
        while (!isOver()) {
          const { events, until } = await next(follower, types, over.promise);
          for (const event of events) {
            if (event.position <= follower.at.position) continue;
            follower.at = placeOf(event);
            follower.isHanding = true;
            yield event;
            follower.isHanding = false;
            if (isOver()) return;
          }
          if (until) follower.at = until;
        }
      } finally {
        followers.delete(follower);
        signal?.removeEventListener('abort', stop);
        stopping.signal.removeEventListener('abort', stop);
      }
    }
  }

  type Given = { events: AppEvent[]; until?: Place | undefined };

  /** Returns some of the next events; when it returns none, ask again. It reads older events here, up to where the common reader is. */
  async function next(follower: Follower, types: string[] | undefined, over: Promise<undefined>): Promise<Given> {
    const queued = follower.queue.shift();
    if (queued) {
      follower.characters -= queued.characters;
      return { events: [queued.event] };
    }
    if (follower.failure) throw follower.failure;
    if (follower.hasJoined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      follower.wake = resolve;
      await promise;
      return { events: [] };
    }
    const { at } = follower;
    if (place && at.position === place.position && (at.id ?? place.id) === place.id) {
      follower.hasJoined = true;
      return { events: [], until: place };
    }
    try {
      return await readOwn(follower, types, over);
    } catch (error) {
      if (error instanceof FellBehind) throw error;
      await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      return { events: [] };
    }
  }

  /** @throws FellBehind */
  async function readOwn(follower: Follower, types: string[] | undefined, over: Promise<undefined>): Promise<Given> {
    const { at } = follower;
    // Never past the common reader: a follower ahead of it could not tell which history the reader will deliver.
    if (!place || at.position > place.position) await Promise.race([askHead(), over]);
    if (!place) return { events: [] };
    const isAhead = at.position > place.position;
    const isSettled = !isAhead || (await measureWait(connection)) === undefined;
    const page = await readPage(connection, { after: at, until: Math.max(place.position, at.position), types });
    if (page.isRewound) {
      if (isSettled) throw new FellBehind(await findSafePlace(connection, follower.places), placeLost);
      await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      return { events: [] };
    }
    if (page.place.position === at.position) await Promise.race([askHead(), over]); // until the common reader has seen it too
    remember(follower.places, page.place);
    return { events: page.rows.map((row) => toEvent(row)), until: page.place };
  }

  return {
    /** See `follow` of the EventBus. */
    follow,
    /** Whether the log up to this place is unchanged and still has every event after it. */
    has: (known: Place) => hasPlace(connection, known),
    /** The newest place. */
    readHead: (): Promise<Place> => readHead(connection),
    /** See FeedState. */
    state(): FeedState {
      if (followers.size === 0) return 'idle';
      if (atHeadSince === undefined || atHeadSince !== wakeups.connection()) return 'cut';
      return isLate ? 'late' : 'live';
    },
    /** Ends every follower. */
    async close() {
      stopping.abort();
      nap.abort();
      await reading;
    },
  };
}

function remember(places: Place[], place: Place): void {
  places.push(place);
  if (places.length > placesMax) places.shift();
}

const placeOf = ({ position, id }: AppEvent): Place => ({ position, id });
