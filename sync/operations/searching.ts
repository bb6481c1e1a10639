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

/** Events that one search looks at: a search of a rare combination ends here and says how far it came, instead of reading the whole log. */
const candidatesMax = 10_000;

/**
 * Searches the log from a position on, upwards or downwards. The index that knows the most about the filter gives the candidates; the
 * rest of the filter is compared with at most ten thousand of them, so that no search takes longer than a few hundred milliseconds
 * however many events there are.
 *
 * @param search.after with `asc`: only events behind this position; with `desc`: only events before it.
 */
export async function searchEvents(
  client: Sql,
  filter: EventFilter,
  { direction, after, limit }: { direction: 'asc' | 'desc'; after?: number | undefined; limit: number },
): Promise<FoundEvents> {
  const { values, parameter } = collectValues();
  const bounds = [
    ...(after === undefined ? [] : [`e.position ${direction === 'asc' ? '>' : '<'} ${parameter(after, 'bigint')}`]),
    ...(filter.since ? [`e.position >= (select sync.position_at(${parameter(filter.since, 'timestamptz')}))`] : []),
    ...(filter.until ? [`e.position < (select sync.position_at(${parameter(filter.until, 'timestamptz')}))`] : []),
  ];
  const candidates = candidatesOf(filter, bounds, direction, parameter, limit);
  const rest = [
    ...(filter.types ? [`e.type = any (${parameter(filter.types, 'text[]')})`] : []),
    ...(filter.app ? [`e.app = ${parameter(filter.app)}`] : []),
    ...(filter.actor ? [`e.actor = ${parameter(filter.actor)}`] : []),
    ...(filter.key ? [`e.key = ${parameter(filter.key)}`] : []),
  ];
  const rows = await rowsOf<LoggedEvent & { looked_at: number; last: number }>(
    client,
    `with candidates as materialized (${candidates})
     select ${loggedColumns}, l.looked_at, l.last
     from (select count(*)::integer as looked_at, ${direction === 'asc' ? 'max' : 'min'}(c.position)::float8 as last from candidates c) l
     left join lateral (
       select e.* from candidates c join sync.events e on e.position = c.position
       ${rest.length > 0 ? `where ${rest.join(' and ')}` : ''}
       order by c.position ${direction} limit ${parameter(limit)}) e on true
     order by e.position ${direction}`,
    values,
  );
  const { looked_at, last } = rows[0] as { looked_at: number; last: number };
  const events = rows
    .filter(({ position }) => position !== null)
    .map(({ looked_at: _, last: __, ...event }) => event as LoggedEvent);
  const searchedTo = events.length === limit ? events.at(-1)?.position : looked_at >= candidatesMax ? last : undefined;
  return { events, ...(searchedTo !== undefined && { searchedTo }) };
}

type Parameter = ReturnType<typeof collectValues>['parameter'];

/** The positions to look at, from the index that leaves the fewest. */
function candidatesOf(
  { customer, key, types, app, actor }: EventFilter,
  bounds: string[],
  direction: 'asc' | 'desc',
  parameter: Parameter,
  limit: number,
): string {
  const read = (conditions: string[], from = 'sync.events e', most = candidatesMax) => {
    const where = [...conditions, ...bounds];
    return `select e.position from ${from} where ${['true', ...where].join(' and ')}
      order by e.position ${direction} limit ${most}`;
  };
  if (customer) return read([], `sync.list_events_of_customer(${parameter(customer, 'uuid')}) e (position)`);
  if (key) return read([`e.key = ${parameter(key)}`]);
  if (actor) return read([`e.actor = ${parameter(actor)}`]);
  if (types) {
    const parts = types.map((type) => `(${read([`e.type = ${parameter(type)}`])})`);
    return `select e.position from (${parts.join(' union all ')}) e order by e.position ${direction} limit ${candidatesMax}`;
  }
  return read([], 'sync.events e', app ? candidatesMax : Math.min(limit, candidatesMax));
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
