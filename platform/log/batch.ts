import { type EventRow, type EventValues, isFilled, pageOf, rowOf } from './events.ts';
import type { Queryable, Statement } from './query.ts';

/** The next events of the log for a subscription. */
export type Batch = {
  /** It was read after this position. */
  after: number;
  rows: EventRow[];
  /** Every event that the subscription gets up to here is in `rows`. */
  until: number;
  /** The newest position. */
  head: number;
  hasParked: boolean;
};

export type BatchRange = { after: number; types: string[] | undefined; limit: number };

/** Positions looked at in one step, of which only some may be of the types asked for. */
const lookAheadMin = 2_000;

/**
 * The events of the next positions. Without an upper bound PostgreSQL may fetch and sort the whole backlog for each batch. The first row
 * is no event: it has the head instead of an id, and says whether anything is parked.
 */
const readNext: Statement = {
  name: 'subscription-read',
  rowMode: 'array',
  text: `select null::bigint, sync.head(), case when exists (select from sync.parked where subscription = $5) then 'parked' end,
      null, null::uuid, null, null::bigint, null, null, null, null, null, null::bigint, null::bigint
    union all
    (${pageOf(`
      select * from sync.events where position > $1 and position <= $2 and ($3::text[] is null or type = any ($3))
      order by position limit $4`)})`,
};

export async function readBatch(on: Queryable, name: string, { after, types, limit }: BatchRange): Promise<Batch> {
  const last = after + Math.max(limit, lookAheadMin);
  const [log, ...page] = await on.run<EventValues>(readNext, [after, last, types ?? null, limit, name]);
  const [, head, parked] = log as EventValues;
  const isWhole = page.length < limit && !isFilled(page);
  return {
    after,
    rows: page.map(rowOf),
    until: isWhole ? Math.max(after, Math.min(head, last)) : (page.at(-1) as EventValues)[0],
    head: Math.max(head, after),
    hasParked: parked !== null,
  };
}

/** What may have changed since a batch was read ahead: a crash of the database may have given its positions to other events (see sync.id_at). */
const checkRead: Statement = {
  name: 'subscription-check',
  text: `select sync.head() as head, exists (select from sync.parked where subscription = $1) as has_parked,
      sync.id_at($2) = $3 as stands`,
};

/** Events that were read before, as a batch of what the log has now. See `createReadAhead`. */
export type Ahead = { after: number; rows: EventRow[] };

/**
 * For a transaction that holds the subscription. Undefined if the log has other events there now, or if that cannot be told: the last
 * positions may hold events of others, whose ids are not known here.
 */
export async function renewBatch(on: Queryable, name: string, { after, rows }: Ahead): Promise<Batch | undefined> {
  const { position: until, id } = rows.at(-1) as EventRow;
  const [now] = await on.run<{ head: number; has_parked: boolean; stands: boolean | null }>(checkRead, [
    name,
    until,
    id,
  ]);
  return now?.stands ? { after, rows, until, head: Math.max(now.head, until), hasParked: now.has_parked } : undefined;
}
