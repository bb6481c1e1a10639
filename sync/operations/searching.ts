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
  const { low, high, goesOnAt } = await findStretch(client, filter, { direction, after, stretch });
  // The bounds are values of a statement of their own: PostgreSQL then opens only the partitions of the stretch.
  const { values, parameter } = collectValues();
  const conditions = [`e.position between ${parameter(low, 'bigint')} and ${parameter(high, 'bigint')}`];
  const events = await rowsOf<LoggedEvent>(
    client,
    `select ${loggedColumns} from sync.events e where ${[...conditions, ...restOf(filter, parameter)].join(' and ')}
     order by e.position ${direction} limit ${parameter(limit)}`,
    values,
  );
  return found(events, limit, goesOnAt);
}

/** The first and the last position that this search reads, and where the next one goes on. */
async function findStretch(
  client: Sql,
  filter: EventFilter,
  { direction, after, stretch }: { direction: 'asc' | 'desc'; after: number | undefined; stretch: number },
): Promise<{ low: number; high: number; goesOnAt: number | undefined }> {
  const { values, parameter } = collectValues();
  const isUp = direction === 'asc';
  const [above, below] = isUp ? [after, undefined] : [undefined, after];
  const lows = [
    'coalesce(sync.oldest(), sync.head() + 1)',
    ...(above === undefined ? [] : [`${parameter(above, 'bigint')} + 1`]),
    ...(filter.since ? [`sync.position_at(${parameter(filter.since, 'timestamptz')})`] : []),
  ];
  const highs = [
    'sync.head()',
    ...(below === undefined ? [] : [`${parameter(below, 'bigint')} - 1`]),
    ...(filter.until ? [`sync.position_at(${parameter(filter.until, 'timestamptz')}) - 1`] : []),
  ];
  const [wanted] = await rowsOf<{ low: number; high: number }>(
    client,
    `select greatest(${lows.join(', ')})::float8 as low, least(${highs.join(', ')})::float8 as high`,
    values,
  );
  const { low, high } = wanted as { low: number; high: number };
  if (high - low < stretch) return { low, high, goesOnAt: undefined };
  const end = isUp ? low + stretch - 1 : high - stretch + 1;
  return isUp ? { low, high: end, goesOnAt: end } : { low: end, high, goesOnAt: end };
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
