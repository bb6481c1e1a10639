import type { Connection } from './connection.ts';
import { type EventRow, type EventValues, isFilled, pageOf, rowOf } from './events.ts';
import type { Statement } from './query.ts';

/**
 * A position with the id of its event, even if the app may not see that event. The id tells whether the log up to the position is
 * unchanged:
 * a crash of the database may give the position to another event (see sync.has_place). Position 0 is before the first event.
 */
export type Place = { position: number; id: number };

/** A place, or a position whose id is not known. */
export type After = { position: number; id?: number | undefined };

export type Page = {
  rows: EventRow[];
  /** The newest position. */
  head: number;
  /** Everything up to here is read. */
  place: Place;
  isLast: boolean;
  /** The log no longer has the place after which it was read: the events that follow are another history. */
  isRewound: boolean;
};

/** How many positions are read at once. */
const pageMax = 1_000;

/**
 * The first row is no event. Its columns have the meaning that `Looked`
 * gives them: how far the statement looked, the newest position, and whether the log still has the place after which it reads.
 */
const readPositions: Statement = {
  name: 'feed-read',
  rowMode: 'array',
  text: `with log as materialized (select sync.head() as head, $4::bigint is null or sync.has_place($1, $4) as stands),
    looked as materialized (select head, stands, greatest($1, least($2, head)) as until from log)
    select until, sync.id_at(until), case when stands then 'stands' end, null, null::uuid, null, head,
      null, null, null, null, null, null::bigint, null::bigint from looked
    union all
    (${pageOf('select * from sync.read_events($1, $2, $3)')})`,
};

type Looked = [until: number, untilId: number | null, stands: string | null, _: null, _: null, _: null, head: number];

/**
 * The events after a place that the app may see.
 *
 * @param until the last position to look at, instead of a whole page.
 */
export async function readPage(
  connection: Connection,
  { after, until = Infinity, types }: { after: After; until?: number; types?: string[] | undefined },
): Promise<Page> {
  const last = Math.min(after.position + pageMax, until);
  const [looked, ...page] = await connection.run<EventValues>(readPositions, [
    after.position,
    last,
    types ?? null,
    after.id || null, // 0: there is no event at the position, as before the oldest one
  ]);
  const [lookedUntil, lookedId, stands, , , , head] = looked as unknown as Looked;
  const [position, id] = isFilled(page) ? (page.at(-1) as EventValues) : [lookedUntil, lookedId];
  return {
    rows: page.map(rowOf),
    head,
    place: { position, id: id ?? (position === after.position ? after.id : undefined) ?? 0 },
    isLast: position >= head,
    isRewound: stands === null || head < after.position,
  };
}

/** The newest place. */
export async function readHead(connection: Connection): Promise<Place> {
  const [row] = await connection.query<Place>(
    'select h.position, coalesce(sync.id_at(h.position), 0) as id from (select sync.head() as position) h',
  );
  return row as Place;
}

/** Whether the log up to this place is unchanged and still has every event after it. */
export async function hasPlace(connection: Connection, { position, id }: Place): Promise<boolean> {
  const [row] = await connection.query<{ has: boolean }>('select sync.has_place($1, $2) as has', [position, id]);
  return row?.has ?? false;
}

/** The newest of these places that the log still has; the beginning if it has none of them. */
export async function findSafePlace(connection: Connection, places: Place[]): Promise<Place> {
  const [row] = await connection.query<Place>(
    `select known.position, known.id from unnest($1::bigint[], $2::bigint[]) as known (position, id)
     where sync.has_place(known.position, known.id) order by known.position desc limit 1`,
    [places.map((place) => place.position), places.map((place) => place.id)],
  );
  return row ?? { position: 0, id: 0 };
}

/** How long committed events have waited for their numbers, in milliseconds; undefined when none waits. */
export async function measureWait(connection: Connection): Promise<number | undefined> {
  const [row] = await connection.query<{ ms: number | null }>(
    'select extract(epoch from sync.outbox_age())::float8 * 1000 as ms',
  );
  return row?.ms ?? undefined;
}
