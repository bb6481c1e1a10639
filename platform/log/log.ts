import type { Connection } from './connection.ts';
import { type EventRow, eventColumns } from './events.ts';
import type { Statement } from './query.ts';

/** An event by its position and its id, which stays the same: a crash of the database may give the position to another. */
export type Place = { position: number; id: number };

export type Page = {
  rows: EventRow[];
  /** The newest position there is. */
  head: number;
  /** Up to which everything is read. */
  position: number;
  isLast: boolean;
  /** The place that was known is not there any more. */
  isRewound: boolean;
};

/** Positions read at once. */
const pageMax = 1_000;

/** The bound keeps PostgreSQL from sorting all that follows. */
const readPositions: Statement = {
  name: 'feed-read',
  text: `with log as materialized (
      select sync.head() as head, $4::bigint is null or exists (select from sync.events where position = $4 and id = $5) as stands)
    select ${eventColumns}, log.head, log.stands from log left join lateral (
      select * from sync.events where position > $1 and position <= $2 and ($3::text[] is null or type = any ($3))
      order by position) e on true`,
};

/** The events of the next positions that the app may see. @param known an event read before, to see whether it stands */
export async function readPage(
  connection: Connection,
  { after, types, known }: { after: number; types?: string[]; known?: Place },
): Promise<Page> {
  const isKnown = known !== undefined && known.position > 0;
  const found = await connection.run<EventRow & { head: number; stands: boolean }>(readPositions, [
    after,
    after + pageMax,
    types ?? null,
    isKnown ? known.position : null,
    isKnown ? known.id : null,
  ]);
  const head = found[0]?.head ?? 0;
  const position = Math.max(after, Math.min(after + pageMax, head));
  const isRewound = isKnown && found[0]?.stands === false && !(await isDropped(connection, known));
  return { rows: found.filter((row) => row.position !== null), head, position, isLast: position >= head, isRewound };
}

/** Retention drops from the beginning of the log. */
async function isDropped(connection: Connection, { position }: Place): Promise<boolean> {
  const [row] = await connection.query<{ dropped: boolean }>(
    'select coalesce(min(position) > $1, false) as dropped from sync.events',
    [position],
  );
  return row?.dropped ?? false;
}

/** The newest event that the app may see; position 0 when there is none. */
export async function readHead(connection: Connection): Promise<Place> {
  const [row] = await connection.query<Place>('select position, id from sync.events order by position desc limit 1');
  return row ?? { position: 0, id: 0 };
}

export async function hasEvent(connection: Connection, { position, id }: Place): Promise<boolean> {
  const found = await connection.query('select from sync.events where position = $1 and id = $2', [position, id]);
  return found.length === 1;
}

/** The position of the newest of these places that stands; before the first of them when none does. */
export async function findSafePosition(connection: Connection, places: Place[]): Promise<number> {
  const [row] = await connection.query<{ position: number | null }>(
    `select max(e.position) as position from unnest($1::bigint[], $2::bigint[]) as known (position, id)
     join sync.events e on e.position = known.position and e.id = known.id`,
    [places.map((place) => place.position), places.map((place) => place.id)],
  );
  return row?.position ?? Math.max((places[0]?.position ?? 0) - 1, 0);
}

/** How long the oldest committed event has waited for its number, in milliseconds. */
export async function measureWait(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ ms: number | null }>(
    'select extract(epoch from sync.outbox_age())::float8 * 1000 as ms',
  );
  return row?.ms ?? 0;
}
