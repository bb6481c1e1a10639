import { collectValues } from '@aether/platform';
import { rowsOf, type Sql } from '../sql.ts';
import { type LoggedEvent, loggedColumns } from './log.ts';

/** Which events of the log. What is absent excludes nothing. */
export type EventFilter = {
  /** Of this customer, also under the ids of customers that were merged into it, and before its rows were linked to it. */
  customer?: string | undefined;
  /** Of this row, or of rows that never leave it. */
  key?: string | undefined;
  types?: string[] | undefined;
  app?: string | undefined;
  actor?: string | undefined;
  /** Numbered at this time or later: some milliseconds after it was committed. */
  since?: Date | undefined;
  /** Numbered before this time. */
  until?: Date | undefined;
};

export type FoundEvents = {
  events: LoggedEvent[];
  /**
   * Every wanted event from the start of the search up to this position is in `events`: the search goes on behind it. Undefined when
   * there are no more.
   */
  searchedTo?: number;
};

/** Events of a customer or of a row that one search looks at: a search of a rare combination ends here and says how far it came. */
const candidatesMax = 10_000;
/** Positions that one search reads if no index knows the filter, in about a tenth of a second. */
const stretchMax = 100_000;

type Place = { direction: 'asc' | 'desc'; after?: number | undefined; limit: number; stretch?: number };

/**
 * Searches the log from a position on, upwards or downwards. The events of a customer and of a row come from their index; the rest of the
 * filter is compared with at most ten thousand of them. Any other filter is compared with every event of a stretch of the log. So no
 * search takes longer than a few hundred milliseconds however many events there are, and writers pay for no further index.
 *
 * @param place.after with `asc`: only events behind this position; with `desc`: only events before it.
 */
export function searchEvents(client: Sql, filter: EventFilter, place: Place): Promise<FoundEvents> {
  return filter.customer || filter.key ? searchCandidates(client, filter, place) : searchStretch(client, filter, place);
}

type Parameter = ReturnType<typeof collectValues>['parameter'];

async function searchCandidates(
  client: Sql,
  filter: EventFilter,
  { direction, after, limit }: Place,
): Promise<FoundEvents> {
  const { values, parameter } = collectValues();
  const conditions = [
    ...(after === undefined ? [] : [`c.position ${direction === 'asc' ? '>' : '<'} ${parameter(after, 'bigint')}`]),
    ...(filter.since ? [`c.position >= (select sync.position_at(${parameter(filter.since, 'timestamptz')}))`] : []),
    ...(filter.until ? [`c.position < (select sync.position_at(${parameter(filter.until, 'timestamptz')}))`] : []),
  ];
  const from = filter.customer
    ? `sync.list_events_of_customer(${parameter(filter.customer, 'uuid')}) c (position)`
    : 'sync.events c';
  if (!filter.customer) conditions.push(`c.key = ${parameter(filter.key)}`);
  const rest = restOf(filter, parameter);
  const rows = await rowsOf<LoggedEvent & { looked_at: number; last: number }>(
    client,
    `with candidates as materialized (
       select c.position from ${from} where ${['true', ...conditions].join(' and ')}
       order by c.position ${direction} limit ${candidatesMax})
     select ${loggedColumns}, l.looked_at, l.last
     from (select count(*)::integer as looked_at, ${direction === 'asc' ? 'max' : 'min'}(c.position)::float8 as last from candidates c) l
     left join lateral (
       select e.* from candidates c join sync.events e on e.position = c.position
       where ${['true', ...rest].join(' and ')} order by c.position ${direction} limit ${parameter(limit)}) e on true
     order by e.position ${direction}`,
    values,
  );
  const { looked_at, last } = rows[0] as { looked_at: number; last: number };
  const events = rows
    .filter(({ position }) => position !== null)
    .map(({ looked_at: _, last: __, ...event }) => event as LoggedEvent);
  return found(events, limit, looked_at >= candidatesMax ? last : undefined);
}

async function searchStretch(
  client: Sql,
  filter: EventFilter,
  { direction, after, limit, stretch = stretchMax }: Place,
): Promise<FoundEvents> {
  const { values, parameter } = collectValues();
  const isUp = direction === 'asc';
  const [above, below] = isUp ? [after, undefined] : [undefined, after];
  // The first and the last position that may fit, and of them those that this search reads.
  const lows = [
    '(select e.position from sync.events e order by e.position limit 1)',
    ...(above === undefined ? [] : [`${parameter(above, 'bigint')} + 1`]),
    ...(filter.since ? [`sync.position_at(${parameter(filter.since, 'timestamptz')})`] : []),
  ];
  const highs = [
    'sync.head()',
    ...(below === undefined ? [] : [`${parameter(below, 'bigint')} - 1`]),
    ...(filter.until ? [`sync.position_at(${parameter(filter.until, 'timestamptz')}) - 1`] : []),
  ];
  const conditions = ['e.position >= (select low from stretch)', 'e.position <= (select high from stretch)'];
  const rows = await rowsOf<LoggedEvent & { goes_on_at: number | null }>(
    client,
    `with wanted as (select greatest(${lows.join(', ')}) as low, least(${highs.join(', ')}) as high),
     stretch as materialized (
       select ${isUp ? 'w.low' : `greatest(w.low, w.high - ${stretch - 1})`} as low,
         ${isUp ? `least(w.high, w.low + ${stretch - 1})` : 'w.high'} as high,
         case when w.high - w.low >= ${stretch} then ${isUp ? `w.low + ${stretch - 1}` : `w.high - ${stretch - 1}`} end as goes_on_at
       from wanted w)
     select ${loggedColumns}, s.goes_on_at::float8 as goes_on_at
     from stretch s left join lateral (
       select e.* from sync.events e where ${[...conditions, ...restOf(filter, parameter)].join(' and ')}
       order by e.position ${direction} limit ${parameter(limit)}) e on true
     order by e.position ${direction}`,
    values,
  );
  const events = rows
    .filter(({ position }) => position !== null)
    .map(({ goes_on_at: _, ...event }) => event as LoggedEvent);
  return found(events, limit, rows[0]?.goes_on_at ?? undefined);
}

function found(events: LoggedEvent[], limit: number, goesOnAt: number | undefined): FoundEvents {
  const searchedTo = events.length === limit ? events.at(-1)?.position : goesOnAt;
  return { events, ...(searchedTo !== undefined && { searchedTo }) };
}

function restOf({ customer, key, types, app, actor }: EventFilter, parameter: Parameter): string[] {
  return [
    ...(types ? [`e.type = any (${parameter(types, 'text[]')})`] : []),
    ...(app ? [`e.app = ${parameter(app)}`] : []),
    ...(actor ? [`e.actor = ${parameter(actor)}`] : []),
    ...(customer && key ? [`e.key = ${parameter(key)}`] : []),
  ];
}

/** In order: the events after `after`, or from `since` on; with neither, the latest ones. It searches as long as it takes. */
export async function readEvents(
  client: Sql,
  wish: EventFilter & { after?: number | undefined; limit: number },
): Promise<LoggedEvent[]> {
  const { limit, ...filter } = wish;
  const direction = wish.after === undefined && wish.since === undefined ? 'desc' : 'asc';
  const found: LoggedEvent[] = [];
  for (let { after } = wish, isDone = false; !isDone && found.length < limit; ) {
    const { events, searchedTo } = await searchEvents(client, filter, {
      direction,
      after,
      limit: limit - found.length,
    });
    found.push(...events);
    after = searchedTo;
    isDone = searchedTo === undefined;
  }
  return direction === 'desc' ? found.reverse() : found;
}
