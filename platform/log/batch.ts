import type { Named } from './copiedevents.ts';
import { allSent } from './driverquery.ts';
import { type AppEvent, bytesOf, type EventValues, isFilled, pageOf, rowOf, toEvent } from './events.ts';
import type { LeasedShares } from './lease.ts';
import type { Queryable, Statement } from './query.ts';

/** The next events of the log for a subscription. */
export type Batch = {
  /** It was read after this position. */
  after: number;
  events: AppEvent[];
  /** Every event that the subscription gets up to here is in `events`. */
  until: number;
  /** The newest position. */
  head: number;
  hasParked: boolean;
  /** Of some shares of a subscription: the first of their events that has to wait for one of another share. See sync.first_blocked. */
  blocked: number | null;
  /** Of shares whose events were read ahead: so far it was looked for that. */
  lookedUntil?: number;
  /** Of events that were not read ahead: what their JSON takes. */
  bytes?: number;
};

/** Which events of a subscription with shares are read. */
export type ReadShares = Pick<LeasedShares, 'front' | 'layout' | 'layoutBy'>;

export type BatchRange = {
  after: number;
  types: string[] | undefined;
  limit: number;
  shares?: ReadShares | null | undefined;
};

/**
 * Positions looked at in one step, of which only some may be of the types asked for. One of another type takes 0.3 µs, a step without events
 * 900: what the bulk path numbers at once, of other types, is one step.
 */
const lookAheadMin = 8_000;
/** The same of some shares, where events behind the batch are looked at for what ties them: see sync.first_blocked. */
const lookAheadOfShares = 2_000;
const lookAheadMax = 20_000;
/**
 * So far a share may be before another one (sync.take_shares): whether events behind that are blocked does not matter. For a share that was that far,
 * to look at 20,000 positions more took 50 ms for each step, and 4,000 more took 13; without them it takes 3 to 5.
 */
export const aheadMax = 5_000;

/** How many positions hold about so many events of these shares. */
export const spanOf = (events: number, shares: ReadShares | null | undefined): number =>
  shares ? Math.min(Math.ceil((events * shares.layout) / shares.front.length), Math.max(events, lookAheadMax)) : events;

/**
 * The events of the next positions, by the plan that sync.read_events keeps for all positions. The first row
 * is no event: it has the head instead of an id, says whether anything is parked, and has the blocked position instead of a version.
 */
const readNextOf = (name: string, blocked: string, ofTheseShares: string): Statement => ({
  name,
  rowMode: 'array',
  text: `select null::bigint, sync.head(), case when exists (select from sync.parked where subscription = $5) then 'parked' end,
      null, null::uuid, null, ${blocked}, null, null, null, null, null, null::bigint, null::bigint
    union all
    (${pageOf(`select * from sync.read_events($1, $2, $3, $4${ofTheseShares})`)})`,
});
const readNext = readNextOf('subscription-read', 'null::bigint', '');
const readNextOfShares = readNextOf(
  'subscription-read-shares',
  `sync.first_blocked($5, $8, $1, least($2, (select min(position) from sync.shares where subscription = $5) + ${aheadMax}))`,
  ', $8, $7, $6',
);

export async function readBatch(
  on: Queryable,
  name: string,
  { after, types, limit, shares }: BatchRange,
): Promise<Batch> {
  const last = after + spanOf(Math.max(limit, shares ? lookAheadOfShares : lookAheadMin), shares);
  const values = [after, last, types ?? null, limit, name];
  const [log, ...page] = shares
    ? await on.run<EventValues>(readNextOfShares, [...values, shares.layoutBy, shares.layout, shares.front])
    : await on.run<EventValues>(readNext, values);
  const [, head, parked, , , , blocked] = log as EventValues;
  const isWhole = page.length < limit && !isFilled(page);
  return {
    after,
    events: page.map((values) => toEvent(rowOf(values))),
    until: isWhole ? Math.max(after, Math.min(head, last)) : (page.at(-1) as EventValues)[0],
    head: Math.max(head, after),
    hasParked: parked !== null,
    blocked,
    bytes: bytesOf(page),
  };
}

/** The part of a batch up to a position. */
export function cutBatch(batch: Batch, last: number): Batch {
  if (batch.until <= last) return batch;
  return {
    ...batch,
    events: batch.events.filter(({ position }) => position <= last),
    until: Math.max(batch.after, last),
  };
}

/** What may have changed since a batch was read ahead: a crash of the database may have given its positions to other events (see sync.id_at). */
const checkRead: Statement = {
  name: 'subscription-check',
  text: `select sync.head() as head, exists (select from sync.parked where subscription = $1) as has_parked,
      sync.id_at($2) = $3 as stands`,
};
/**
 * Of a page that was read ahead, what ties shares together is looked for once, because that reads the log again. Before each batch it is
 * looked for only while customers are merged, because a merge ties events that were read before.
 */
const checkReadOfShares: Statement = {
  name: 'subscription-check-shares',
  text: `select n.*, case when n.looked_until is not null then sync.first_blocked($1, $5, $4, n.looked_until) end as blocked
    from (
      ${checkRead.text}, case when $6::bigint is not null or sync.were_merged_lately() then
        greatest($2, least($6, (select min(position) from sync.shares where subscription = $1) + $7)) end as looked_until
      offset 0) n`,
};

/** Events that were read before, as a batch of what the log has now. See `createReadAhead`. */
export type Ahead = {
  after: number;
  last: Named;
  /** Makes the events. Call it once, before the next ones are taken. */
  events: () => AppEvent[];
  /** The last position of the page that they are of. */
  pageEnd: number;
  /** It was found that none of them has to wait for one of another share. */
  isUntied: boolean;
  /** Otherwise that is looked for so far behind the last share, at most. */
  reach: number;
};

/** How far it is looked for what ties shares: twice as far after each look that found nothing, because a look begins at the last share again. */
export const reachAfter = (reach: number, isTied: boolean): number =>
  isTied ? aheadMax : Math.min(reach * 2, reachMax);
const reachMax = 20_000;

/**
 * For a transaction that holds the subscription. Undefined if the log has other events there now, or if that cannot be told: the last
 * positions may hold events of others, whose ids are not known here.
 */
export async function renewBatch(
  on: Queryable,
  name: string,
  { after, last: { position: until, id }, events: makeEvents, pageEnd, isUntied, reach }: Ahead,
  shares?: ReadShares | null,
): Promise<Batch | undefined> {
  type Now = {
    head: number;
    has_parked: boolean;
    stands: boolean | null;
    blocked?: number | null;
    looked_until?: number | null;
  };
  const answer = shares
    ? on.run<Now>(checkReadOfShares, [name, until, id, after, shares.front, isUntied ? null : pageEnd, reach])
    : on.run<Now>(checkRead, [name, until, id]);
  // Once the question is on its way: the events are made while the server answers.
  const [[now], events] = await Promise.all([answer, allSent().then(makeEvents)]);
  if (!now?.stands) return undefined;
  const { head, has_parked: hasParked, blocked = null, looked_until: lookedUntil } = now;
  return {
    after,
    events,
    until,
    head: Math.max(head, until),
    hasParked,
    blocked,
    ...(lookedUntil != null && { lookedUntil }),
  };
}
