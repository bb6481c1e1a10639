import type { Connection } from './connection.ts';
import { type AppEvent, type EventType, toEvent } from './events.ts';
import { FellBehind } from './feed.ts';
import { findSafePlace, measureWait, type Place, readPage } from './log.ts';

/** Where a reader that asks for pages is: the place that its last page gave, or a position such as that of a snapshot. */
export type PageOptions<Type extends EventType> = {
  after: number | Place;
  types?: Type[] | undefined;
  /** At most so many events; a page also ends when its data fills 4 MB. By default 100. */
  eventsMax?: number;
};

export type EventPage<Type extends EventType> = {
  events: AppEvent<Type>[];
  /** Where the next page begins. It moves on also past events that are not of these types. */
  place: Place;
  /** The log was read to its end. */
  isLast: boolean;
};

/** A reader with a rare type gets an answer after so many pages of the log, also without an event. */
const pagesLookedAtMax = 50;

/**
 * Reads the next events after a place, for a reader that asks again and again and keeps the place itself.
 *
 * @throws FellBehind when the log no longer has the place, or not every event after it: the reader begins from a snapshot.
 */
export async function readEvents<Type extends EventType>(
  connection: Connection,
  { after, types, eventsMax = 100 }: PageOptions<Type>,
): Promise<EventPage<Type>> {
  let at = typeof after === 'number' ? await requirePlace(connection, after) : after;
  for (let looked = 1; ; looked++) {
    const { rows, place, isLast, isRewound } = await readPage(connection, { after: at, types });
    if (isRewound) {
      // After a crash numbers are given again in a moment. Until then nobody knows whether they are the same.
      if ((await measureWait(connection)) !== undefined) return { events: [], place: at, isLast: true };
      throw new FellBehind(await findSafePlace(connection, []), lost);
    }
    const events = rows.slice(0, eventsMax).map((row) => toEvent(row) as AppEvent<Type>);
    const last = events.at(-1);
    if (last && rows.length > eventsMax)
      return { events, place: { position: last.position, id: last.id }, isLast: false };
    at = place;
    if (events.length > 0 || isLast || looked === pagesLookedAtMax) return { events, place, isLast };
  }
}

const lost = 'The log no longer has every event after this place';

/** @throws FellBehind */
async function requirePlace(connection: Connection, position: number): Promise<Place> {
  const [row] = await connection.query<{ id: number; has: boolean }>(
    `select coalesce(sync.id_at($1), 0) as id, sync.has_place($1, coalesce(sync.id_at($1), 0)) as has`,
    [position],
  );
  if (!row?.has) throw new FellBehind(await findSafePlace(connection, []), lost);
  return { position, id: row.id };
}
