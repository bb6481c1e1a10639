import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AppEvent,
  type EventPage,
  type EventType,
  FellBehind,
  type Place,
  type PlatformDb,
} from '@aether/platform';
import { z } from '../input/zod.ts';
import { Problem, refuseFields } from '../problem.ts';
import { EventSchema, formatPlace, parsePlace } from './eventwords.ts';

/*
 * Pages of events for readers that ask: an app elsewhere that cannot keep a line open, or a job. A reader keeps `next` together with what it has written,
 * so that it misses nothing and repeats nothing. With `wait` the answer to the last page is held back until there is an event.
 */

export const waitMaxSeconds = 60;
export const pageMax = 1_000;

export const EventPageSchema = z
  .object({
    events: z.array(EventSchema),
    next: z
      .string()
      .openapi({ description: 'Ask for the next page with `after` this. Keep it together with what you wrote.' }),
    is_last: z
      .boolean()
      .openapi({ description: 'There was no later event. Otherwise ask again at once, also if this page is empty.' }),
  })
  .openapi('EventPage');

/** Where to begin: a place, a position, or `now`. @throws Problem 422 */
export async function readAfter(db: PlatformDb, after: string): Promise<number | Place> {
  if (after === 'now') return db.events.place();
  const place = parsePlace(after);
  if (place) return place;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw refuseFields([
    { field: 'after', in: 'query', message: 'must be the `next` of a page, the position of a snapshot, 0, or now' },
  ]);
}

export type PageAsked = {
  after: number | Place;
  types: EventType[] | undefined;
  limit: number;
  waitMs: number;
  /** Aborted when nobody waits for the answer any more. */
  over: AbortSignal;
  hears(events: AppEvent[]): Promise<AppEvent[]>;
};

/**
 * The next events that the reader may see; at the end of the log it waits for one.
 *
 * @throws Problem 410 when the log no longer has every event after the place
 */
export async function readEventPage(
  db: PlatformDb,
  { after, types, limit, waitMs, over, hears }: PageAsked,
): Promise<{ events: AppEvent[]; next: string; isLast: boolean }> {
  const endsAt = performance.now() + waitMs;
  let page = await readOrRefuse(db, { after, types, eventsMax: limit });
  for (;;) {
    const events = await hears(page.events);
    const leftMs = endsAt - performance.now();
    if (events.length > 0 || leftMs <= 0 || over.aborted || !page.isLast)
      return { events, next: formatPlace(page.place), isLast: page.isLast };
    await untilSomething(db, page.place, types, leftMs, over);
    page = await readOrRefuse(db, { after: page.place, types, eventsMax: limit });
  }
}

async function readOrRefuse(
  db: PlatformDb,
  options: { after: number | Place; types: EventType[] | undefined; eventsMax: number },
): Promise<EventPage<EventType>> {
  try {
    return await db.events.page(options);
  } catch (error) {
    if (!(error instanceof FellBehind)) throw error;
    throw new Problem({
      status: 410,
      code: 'position-dropped',
      detail:
        'The log no longer has every event after this position. Start from a snapshot: take what you copy anew, and go on after the position that it names.',
    });
  }
}

/** Settles at the next event of these types, or when the time is over. */
async function untilSomething(
  db: PlatformDb,
  after: Place,
  types: EventType[] | undefined,
  waitMs: number,
  over: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([over, AbortSignal.timeout(Math.ceil(waitMs))]);
  try {
    for await (const _ of db.events.follow({ types, after, signal })) return;
  } catch (error) {
    // What has become of the place is for the page to say.
    if (!(error instanceof FellBehind)) throw error;
    await sleep(200, undefined, { signal }).catch(() => {});
  }
}
